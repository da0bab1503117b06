//! Throwaway: measures.
mod common;
use common::*;
use lake::*;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure() {
    let dir = tempfile::TempDir::new().unwrap();
    let t = std::time::Instant::now();
    let mut lake = Lake::open(dir.path()).await.unwrap();
    println!("open {:?}", t.elapsed());
    let mut days = Vec::new();
    for d in 0..222 {
        let mut events = Vec::new();
        for e in 0..50u64 {
            events.push(onboard(1000 + e % 6, d as u64 * 50 + e, d as u64 * 50 + e / 4));
        }
        days.push(finished(d, events, (0..6).map(|m| claim(1000 + m, 3)).collect()));
    }
    let t = std::time::Instant::now();
    for chunk in days.chunks(32) {
        let t = std::time::Instant::now();
        lake.close_days(chunk).await.unwrap();
        println!("chunk {:?}", t.elapsed());
    }
    println!("222 days {:?}", t.elapsed());
    let t = std::time::Instant::now();
    drop(lake);
    let lake = Lake::open(dir.path()).await.unwrap();
    println!("reopen {:?}", t.elapsed());
    let t = std::time::Instant::now();
    println!("progress {} {:?}", lake.progress().await.unwrap().len(), t.elapsed());
    let t = std::time::Instant::now();
    let r = Reader::open(dir.path()).await.unwrap();
    println!("reader open {:?}", t.elapsed());
    let t = std::time::Instant::now();
    for d in 0..222 { r.day(day(d)).await.unwrap().unwrap(); }
    println!("222 days read {:?}", t.elapsed());
    let t = std::time::Instant::now();
    for _ in 0..1000 { r.refresh().await.unwrap(); }
    println!("1000 idle refreshes {:?}", t.elapsed());
    // a network: 6000 miners
    let dir = tempfile::TempDir::new().unwrap();
    let mut lake = Lake::open(dir.path()).await.unwrap();
    let events = (0..6000u64).map(|e| onboard(1000 + e, e, e)).collect();
    lake.close_days(&[finished(0, events, vec![])]).await.unwrap();
    for d in 1..4 {
    let events: Vec<_> = (0..20000u64).map(|e| onboard(1000 + e % 6000, d as u64 * 20000 + e, e)).collect();
    let day_ = finished(d, events, vec![]);
    let t = std::time::Instant::now();
    lake.close_days(&[day_]).await.unwrap();
    println!("6000 miners, 20000 events: {:?}", t.elapsed());
    }
    let r = Reader::open(dir.path()).await.unwrap();
    for d in 0..4 {
    let t = std::time::Instant::now();
    let rows = r.day(day(d)).await.unwrap().unwrap();
    println!("6000 miners read: {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let mut s = String::new();
    rows.write_json(ledger::columns::Endpoint::Terminate, None, &mut s);
    println!("6000 miners json: {:?} {} bytes", t.elapsed(), s.len());
    }
    println!("{}", String::from_utf8_lossy(&std::process::Command::new("du").arg("-sh").arg(dir.path()).output().unwrap().stdout));
}

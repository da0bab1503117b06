//! The documented way of watching over a server, with a real Prometheus where there is one.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::http::{SECTOR, get_with};
use common::outside::has_program;
use common::repository;
use common::server::{Serve, up};
use serde_json::Value;

/// A running Prometheus.
struct Prometheus {
    address: SocketAddr,
    child: Child,
    _data: tempfile::TempDir,
}

impl Prometheus {
    /// Runs it with that configuration; `None` where it is not installed.
    fn start(configuration: &str) -> Option<Self> {
        if !has_program("prometheus") {
            return None;
        }
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { address: free, child, _data: data })
    }

    /// What a query gives; `None` while Prometheus does not answer yet.
    fn query(&self, expression: &str) -> Option<Vec<Value>> {
        let escaped: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET /api/v1/query?query={escaped} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        assert_ne!(body["status"], "error", "{expression}: {body}");
        body["data"]["result"].as_array().cloned()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The code in a page that is fenced as that language.
fn fenced<'p>(page: &'p str, language: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The dashboard's queries, with what Grafana would put for its variables.
fn queries() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("docs/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries = targets.map(|target| target["expr"].as_str().unwrap());
    queries.map(|query| query.replace("$__rate_interval", "30s").replace("$job", ".+")).collect()
}

#[test]
fn every_query_of_the_dashboard_gives_figures() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "opensesame").unwrap();
    let arguments = ["--token-file", token.path().to_str().unwrap()];
    let server = Serve::start(&up().data, &arguments, &[]);
    let page = std::fs::read_to_string(repository().join("docs/OPERATION.md")).unwrap();
    let configuration = fenced(&page, "yaml")
        .replace("15s", "1s")
        .replace("sectorscope.example:8470", &server.address.to_string())
        .replace("/etc/prometheus/sectorscope.token", token.path().to_str().unwrap());
    assert!(configuration.contains("1s") && configuration.contains(&server.address.to_string()));
    let Some(prometheus) = Prometheus::start(&configuration) else { return };
    let queries = queries();
    assert!(queries.len() >= 20, "{queries:?}");
    let started = Instant::now();
    // Rates need figures that change while they are scraped.
    let mut silent: Vec<&String> = queries.iter().collect();
    while !silent.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing from {silent:#?}");
        for endpoint in ["total", "fault", "total?miner_id=x"] {
            get_with(server.address, &format!("{SECTOR}/{endpoint}"), "authorization: Bearer opensesame\r\n");
        }
        server.ask("");
        std::thread::sleep(Duration::from_millis(500));
        silent.retain(|query| {
            let found = prometheus.query(query).unwrap_or_default();
            // A share of nothing is no number.
            !found.iter().any(|of| of["value"][1].as_str().is_some_and(|value| value != "NaN"))
        });
    }
    let version = prometheus.query("sectorscope_lake_version").unwrap();
    assert_eq!(version[0]["metric"]["job"], "sectorscope");
}

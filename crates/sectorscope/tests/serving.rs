//! `serve` and its like: beginning, guarding, ending.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::http::{Answer, SECTOR, connect, data, finish, get, get_with};
use common::server::{Serve, up};
use common::{Ran, program, repository, run, run_in};
use serde_json::Value;

/// The lake of the sample, made once.
fn lake() -> PathBuf {
    up().data.clone()
}

/// Runs `serve` where it must not come up.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let ran: Ran = program()
        .arg("serve")
        .args(arguments)
        .arg("--data")
        .arg(lake())
        .envs(variables.iter().copied())
        .output()
        .unwrap()
        .into();
    ran.error().to_owned()
}

fn ends_with_an_open_request_on(signal: &str) {
    let mut server = Serve::start(&lake(), &[], &[]);
    let mut open = connect(server.address);
    write!(open, "GET {SECTOR}/total HTTP/1.1\r\nhost: x\r\n").unwrap();
    let idle = connect(server.address);
    // An answer to a later connection says that the open ones were accepted.
    assert_eq!(get(server.address, "/healthz").status, 200);
    server.signal(signal);
    // New connections are refused once it has heard.
    let started = Instant::now();
    while std::net::TcpStream::connect(server.address).is_ok() {
        assert!(started.elapsed() < Duration::from_secs(10), "it still listens");
        std::thread::sleep(Duration::from_millis(5));
    }
    open.write_all(b"\r\n").unwrap();
    let answer = finish(open);
    assert!(answer.data().contains("f0107"), "the open request is answered: {}", answer.body);
    let status = server.ended(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{status}");
    drop(idle);
}

#[test]
fn sigterm_ends_it_well_and_the_open_request_is_answered() {
    ends_with_an_open_request_on("TERM");
}

#[test]
fn sigint_ends_it_well_and_the_open_request_is_answered() {
    ends_with_an_open_request_on("INT");
}

#[test]
fn a_busy_port_is_said_with_what_to_do() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let error = refused(&["--listen", &address], &[]);
    assert!(error.contains(&address) && error.contains("choose another address with --listen"), "{error}");
}

#[test]
fn where_there_is_no_lake_it_says_how_to_make_one() {
    let empty = tempfile::tempdir().unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["stats", "total"]] {
        let ran = run_in(empty.path(), command);
        let error = ran.error();
        assert!(error.contains(&empty.path().display().to_string()), "{error}");
        assert!(error.contains("sectorscope up") && error.contains("sectorscope ingest car"), "{error}");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "asking makes nothing");
}

#[test]
fn an_address_beyond_loopback_needs_a_token_or_public() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let error = refused(&["--listen", address], &[]);
        for way in ["--token-file", "SECTORSCOPE_TOKEN", "--public"] {
            assert!(error.contains(way), "{error}");
        }
    }
    let error = refused(&["--listen", "0.0.0.0:0"], &[("SECTORSCOPE_TOKEN", " ")]);
    assert!(error.contains("the token is empty"), "{error}");

    let public = Serve::start(&lake(), &["--listen", "0.0.0.0:0", "--public"], &[]);
    assert_eq!(public.ask("").status, 200);
    let guarded = Serve::start(&lake(), &["--listen", "0.0.0.0:0"], &[("SECTORSCOPE_TOKEN", "sesame")]);
    assert_eq!(guarded.ask("").status, 401);
    assert_eq!(guarded.ask("authorization: Bearer sesame\r\n").status, 200);
}

#[test]
fn on_loopback_without_keys_no_page_may_read_unless_it_is_said() {
    let allowed = |server: &Serve, headers: &str| {
        let answer = server.ask(&format!("origin: https://example.org\r\n{headers}"));
        assert_eq!(answer.status, 200);
        let line = answer.head.lines().find_map(|line| line.strip_prefix("access-control-allow-origin: "));
        line.map(str::to_owned)
    };
    let any = Some("*".to_owned());
    assert_eq!(allowed(&Serve::start(&lake(), &[], &[]), ""), None);
    assert_eq!(allowed(&Serve::start(&lake(), &["--cors", "*"], &[]), ""), any);
    let one = Serve::start(&lake(), &["--cors", "https://Example.org"], &[]);
    assert_eq!(allowed(&one, "").as_deref(), Some("https://example.org"));
    assert_eq!(allowed(&Serve::start(&lake(), &["--listen", "0.0.0.0:0", "--public"], &[]), ""), any);
    assert_eq!(allowed(&Serve::start(&lake(), &["--behind-proxy"], &[]), ""), any);
    let guarded = Serve::start(&lake(), &[], &[("SECTORSCOPE_TOKEN", "sesame")]);
    assert_eq!(allowed(&guarded, "authorization: Bearer sesame\r\n"), any);
    for wrong in ["example.org", "https://example.org/", ""] {
        let ran: Ran = program().args(["serve", "--cors", wrong]).output().unwrap().into();
        assert!(ran.code == Some(2) && ran.stderr.contains("is no origin"), "{ran:?}");
    }
}

fn unauthorised(answer: &Answer) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &body["code"]), (401, &10011.into()), "{}", answer.body);
    assert!(body.get("data").is_none(), "an error has no data: {}", answer.body);
    let sentence =
        "The token format error. It should have 'Bearer $token' set in the 'authorization' header.";
    assert!(body["message"].as_str().unwrap().starts_with(sentence), "{}", answer.body);
}

fn guards(server: &Serve) {
    for wrong in
        ["", "authorization: sesame\r\n", "authorization: Bearer open\r\n", "authorization: Bearer\r\n"]
    {
        unauthorised(&server.ask(wrong));
    }
    assert!(data(&server.ask("authorization: Bearer sesame\r\n").body).contains("f0107"));
    assert_eq!(get(server.address, "/healthz").status, 200, "health is open to all");
}

#[test]
fn the_token_of_the_environment_guards_the_data() {
    guards(&Serve::start(&lake(), &[], &[("SECTORSCOPE_TOKEN", "sesame")]));
}

#[test]
fn the_token_of_a_file_guards_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "sesame\n").unwrap();
    let file = file.to_str().unwrap();
    // The file is asked for by name, so it goes before the environment.
    guards(&Serve::start(&lake(), &["--token-file", file], &[("SECTORSCOPE_TOKEN", "open")]));
    let error = refused(&["--listen", "127.0.0.1:0", "--token-file", "/nonexistent/token"], &[]);
    assert!(error.contains("/nonexistent/token"), "{error}");
}

#[test]
fn without_a_token_any_is_accepted() {
    let answer = get_with(up().address, &format!("{SECTOR}/total"), "authorization: Bearer <--any-->\r\n");
    assert!(answer.data().contains("f0107"));
}

#[test]
fn up_over_a_lake_that_is_there_serves_it_as_it_is() {
    let greeting = &up().greeting;
    assert!(greeting.starts_with("long.car.zst: closed 222 days"), "{greeting}");
    assert!(greeting.contains(&format!("http://{}{SECTOR}/total", up().address)), "{greeting}");
    let stats = run_in(&lake(), &["stats", "total", "--format", "json"]).printed();
    let served = Serve::start(&lake(), &[], &[]).ask("").data();
    assert_eq!(stats.trim_end(), served);
    assert_eq!(get(up().address, &format!("{SECTOR}/total")).data(), served);
}

#[test]
fn the_page_of_columns_in_the_repository_is_current() {
    let path = repository().join("docs/COLUMNS.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let made = run(["columns", "--format", "markdown"]).printed();
    assert!(page == made, "docs/COLUMNS.md: make it anew with `sectorscope columns --format markdown`");
}

/// The subcommands that a help page lists, without `help` itself.
fn subcommands(help: &str) -> Vec<String> {
    let (_, list) = help.split_once("Commands:\n").unwrap_or_default();
    list.lines()
        .take_while(|line| !line.is_empty())
        // What is indented further goes on with the line before.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_help_of_every_command_shows_examples() {
    let mut pending: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = pending.pop() {
        let mut arguments = command.clone();
        arguments.push("--help".to_owned());
        let help = run(&arguments).printed();
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{command:?}: {help}"));
        let call = [&["sectorscope".to_owned()], command.as_slice()].concat().join(" ");
        assert!(examples.contains(&call), "{command:?}: {examples}");
        pending.extend(subcommands(&help).into_iter().map(|name| [command.clone(), vec![name]].concat()));
        seen += 1;
    }
    assert!(seen >= 8, "{seen} commands have help");
}

#[test]
fn the_version_is_the_packages() {
    let version = format!("sectorscope {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(["--version"]).printed(), version);
}

#[test]
fn two_first_ups_of_one_data_directory_at_once_both_serve_the_sample() {
    let data = tempfile::tempdir().unwrap();
    let start = || {
        let mut up = program();
        up.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
        up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let newest = |mut up: Child| {
        let mut stdout = BufReader::new(up.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let output = up.wait_with_output().unwrap();
                panic!("up ended: {}", String::from_utf8_lossy(&output.stderr));
            }
            if let Some(address) = line.trim().strip_prefix("serving http://") {
                break address.parse().unwrap();
            }
        };
        // Days may still be closed when it begins to serve: the last one comes.
        let started = Instant::now();
        loop {
            let answer = get(address, &format!("{SECTOR}/total?state_date=2027-01-19"));
            if answer.status == 200 && answer.body.contains("\"data\":[{") {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{}", answer.body);
            std::thread::sleep(Duration::from_millis(50));
        }
        up.kill().unwrap();
        up.wait().unwrap();
    };
    let both = [start(), start()];
    both.into_iter().for_each(newest);
    let unpacked: Vec<_> = std::fs::read_dir(data.path().join("samples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(unpacked, ["long.car.zst"], "no partial file is left");
}

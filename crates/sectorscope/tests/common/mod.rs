//! The program as a user has it: a command, files, a server on loopback.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod car;
pub(crate) mod data;
pub(crate) mod http;
pub(crate) mod ledger;
#[path = "../../../ledger/tests/common/outside.rs"]
pub(crate) mod outside;
pub(crate) mod server;
pub(crate) mod truth;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sectorscope");

/// What the program logs by default, but for what depends on the day on which the tests run: that the days of the test
/// chains lie ahead.
pub(crate) const LOGGED: &str = "warn,sectorscope::clock=error";

/// The program, with nothing of the developer's own settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for variable in ["SECTORSCOPE_DATA", "SECTORSCOPE_TOKEN"] {
        command.env_remove(variable);
    }
    command.env("RUST_LOG", LOGGED);
    command
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// What it printed, if it succeeded without a word on stderr.
    pub(crate) fn printed(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "it should succeed: {}", self.stdout);
        self.stdout
    }

    /// The one line in which it said why it failed.
    pub(crate) fn error(&self) -> &str {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "it should fail: {}", self.stderr);
        let line = self.stderr.strip_suffix('\n').expect("stderr ends with a line's end");
        assert!(line.starts_with("error: ") && !line.contains('\n'), "one error line: {}", self.stderr);
        assert!(line.matches("os error").count() < 2, "a cause is said once: {line}");
        line
    }
}

/// Runs the program to its end.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ran {
    program().args(arguments).output().expect("the program starts").into()
}

/// Runs a command that works with a data directory.
pub(crate) fn run_in(data: &Path, arguments: &[&str]) -> Ran {
    program().args(arguments).arg("--data").arg(data).output().expect("the program starts").into()
}

/// Sends a signal by name.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().expect("kill");
    assert!(sent.success(), "kill -s {name} {process}");
}

/// The bundled chain.
pub(crate) fn sample() -> PathBuf {
    repository().join("samples/long.car.zst")
}

/// Where the project's files lie.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The lines of a truth file.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ten endpoints, as the program's own list of columns has them.
pub(crate) fn endpoints() -> Vec<String> {
    let columns = run(["columns", "--format", "json"]).printed();
    let columns: Vec<Value> = serde_json::from_str(&columns).unwrap();
    let mut names: Vec<String> =
        columns.iter().filter_map(|column| column["endpoint"].as_str()).map(str::to_owned).collect();
    names.dedup();
    assert_eq!(names.len(), 10, "{names:?}");
    names
}

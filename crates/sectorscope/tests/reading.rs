//! The page on reading the lake with other programs, run: each piece of Python prints the number that `stats` prints.
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use common::data::data;
use common::outside::{Kind, python, skip};
use common::{PROGRAM, repository, run_in};

const DAY: &str = "2026-09-20";

/// The page's pieces of Python: the one that all begin with, then the others.
fn pieces() -> (String, Vec<String>) {
    let page = std::fs::read_to_string(repository().join("docs/READING.md")).unwrap();
    let mut pieces =
        page.split("```python\n").skip(1).map(|piece| piece.split("```").next().unwrap().to_owned());
    let first = pieces.next().unwrap();
    (first, pieces.collect())
}

/// A run of Python that finds the program.
fn run_python(code: &str) -> Command {
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(program.to_owned()).chain(std::env::split_paths(&path)))
        .unwrap();
    let mut command = Command::new(python());
    command.args([OsStr::new("-c"), OsStr::new(code)]).env("PATH", path).env("SECTORSCOPE_DATA", data());
    command
}

/// The lines with which a piece imports.
fn imports(piece: &str) -> String {
    let import = |line: &&str| line.starts_with("import ") || line.starts_with("from ");
    piece.lines().filter(import).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_piece_of_the_page_prints_what_stats_tells() {
    let rows = run_in(data(), &["stats", "total", "--date", DAY, "--format", "csv"]).printed();
    let qap = |line: &str| line.rsplit(',').next().unwrap().parse::<i128>().unwrap();
    let expected: i128 = rows.lines().skip(1).map(qap).sum();
    let (list, pieces) = pieces();
    assert_eq!(pieces.len(), 7);
    for piece in pieces {
        let imports = imports(&piece);
        let importable = run_python(&imports).output().is_ok_and(|output| output.status.success());
        if !importable {
            skip(
                Kind::Programs,
                format_args!("this Python cannot do this ($SECTORSCOPE_PYTHON names another):\n{imports}"),
            );
            continue;
        }
        let output = run_python(&format!("{list}{piece}")).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{piece}\n{stderr}");
        assert_eq!(stdout.trim(), expected.to_string(), "{piece}");
    }
}

//! Servers that end with the test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chain::Day;

use super::http::{Answer, SECTOR, get, get_with};
use super::program;

/// The test process never drops what its tests share, so a shell waits for the end of the process (which closes
/// the shell's stdin), ends the server, and clears the data away. The shell itself lets go of stdout, so that a
/// server that does not come up is noticed.
const WATCH: &str = r#"
data=$1
"$0" up --data "$data" --listen 127.0.0.1:0 &
server=$!
exec >/dev/null
cat
kill "$server"
wait "$server"
rm -rf "$data"
"#;

/// `sectorscope up` over the sample, shared by the tests of a file.
pub(crate) struct Up {
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    /// The closed days, as the program greets with them.
    pub(crate) days: RangeInclusive<Day>,
    /// All that it printed at first.
    pub(crate) greeting: String,
    _shell: Child,
    _stdin: ChildStdin,
    _stdout: BufReader<ChildStdout>,
}

/// The one server of a test file.
pub(crate) fn up() -> &'static Up {
    static UP: OnceLock<Up> = OnceLock::new();
    UP.get_or_init(Up::start)
}

impl Up {
    fn start() -> Self {
        let data = tempfile::Builder::new().prefix("sectorscope-up-").tempdir().unwrap().keep();
        let mut shell = Command::new("sh");
        for variable in ["SECTORSCOPE_DATA", "SECTORSCOPE_TOKEN", "RUST_LOG"] {
            shell.env_remove(variable);
        }
        let mut child = shell
            .args(["-c", WATCH, super::PROGRAM])
            .arg(&data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("stop with Ctrl-C") {
            if stdout.read_line(&mut greeting).unwrap() == 0 {
                drop(stdin);
                let mut stderr = String::new();
                child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("up did not come up: {greeting}{stderr}");
            }
        }
        let days = days(&greeting).unwrap_or_else(|| panic!("no days in {greeting}"));
        Self {
            address: address(&greeting),
            data,
            days,
            greeting,
            _shell: child,
            _stdin: stdin,
            _stdout: stdout,
        }
    }

    /// Asks an endpoint, the query included.
    pub(crate) fn ask(&self, endpoint: &str) -> Answer {
        get(self.address, &format!("{SECTOR}/{endpoint}"))
    }

    /// Every closed day.
    pub(crate) fn each_day(&self) -> impl Iterator<Item = Day> + use<> {
        let last = *self.days.end();
        std::iter::successors(Some(*self.days.start()), move |day| (*day < last).then(|| day.next()))
    }
}

/// The address in `serving http://…`.
fn address(text: &str) -> SocketAddr {
    let line = text.lines().find_map(|line| line.strip_prefix("serving http://"));
    line.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address in {text}"))
}

/// The days in `222 closed days, 2026-06-12 to 2027-01-19; …`.
fn days(text: &str) -> Option<RangeInclusive<Day>> {
    let (_, after) = text.split_once(" closed days, ")?;
    let (first, rest) = after.split_once(" to ")?;
    Some(first.parse().ok()?..=rest.split_once(';')?.0.parse().ok()?)
}

/// `sectorscope serve`, of one test.
pub(crate) struct Serve {
    pub(crate) address: SocketAddr,
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Serve {
    /// Serves the lake in `data`, with arguments and variables of one's own.
    pub(crate) fn start(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_with(data, arguments, variables, Stdio::inherit())
    }

    /// As [`Serve::start`], with what it logs in a file.
    pub(crate) fn logging(data: &Path, arguments: &[&str], variables: &[(&str, &str)], log: &Path) -> Self {
        Self::start_with(data, arguments, variables, std::fs::File::create(log).unwrap().into())
    }

    fn start_with(data: &Path, arguments: &[&str], variables: &[(&str, &str)], stderr: Stdio) -> Self {
        let mut command = program();
        command.env_remove("RUST_LOG");
        if !arguments.contains(&"--listen") {
            command.args(["serve", "--listen", "127.0.0.1:0"]);
        } else {
            command.arg("serve");
        }
        let mut child = command
            .args(arguments)
            .arg("--data")
            .arg(data)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self { address: address(&line), child, _stdout: stdout }
    }

    /// Asks for an endpoint's newest day, with header lines of one's own.
    pub(crate) fn ask(&self, headers: &str) -> Answer {
        // An address of all interfaces is reached over loopback.
        let address = SocketAddr::from(([127, 0, 0, 1], self.address.port()));
        get_with(address, &format!("{SECTOR}/total"), headers)
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        super::signal(self.child.id(), name);
    }

    /// How it ended, if it does within that time.
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < within, "the server still runs after {within:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

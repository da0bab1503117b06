//! The ways in which a lake or a copy is altered.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::checkpoints;
use crate::sandbox::{Sandbox, line, list};

/// Who must refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Every command.
    ByAll,
    /// One command at least.
    Somewhere,
    /// None: it is harmless.
    Nowhere,
    /// It does not matter who, as long as nothing leads out.
    Perhaps,
}
use Refused::{ByAll, Nowhere, Perhaps, Somewhere};

pub(crate) struct Alteration {
    pub(crate) name: String,
    /// Whether it is of the lake with many versions, which has checkpoints.
    pub(crate) many: bool,
    pub(crate) refused: Refused,
    /// A refusal has one of these.
    needles: Vec<String>,
    pub(crate) alter: Box<dyn Fn(&Path)>,
}

impl Alteration {
    /// Whether a refusal says what it is about.
    pub(crate) fn names(&self, error: &str) -> bool {
        self.needles.iter().any(|needle| error.contains(needle))
    }
}

/// Collects alterations.
#[derive(Default)]
struct All(Vec<Alteration>);

impl All {
    fn add(&mut self, name: String, refused: Refused, needle: &str, alter: impl Fn(&Path) + 'static) {
        let needles = needle.split('|').map(str::to_owned).collect();
        self.0.push(Alteration { name, many: false, refused, needles, alter: Box::new(alter) });
    }
}

const TABLES: [&str; 5] =
    ["progress", "sector_events", "sp_sector_daily", "reconciliation", "sp_sector_history"];
/// Those that have files before months are brought together.
const WITH_FILES: usize = 4;

/// Names that lead out of a table's directory, or are none of a file in it.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let outside = sandbox.outside_path();
    let outside = outside.to_str().expect("text");
    let out = "../../outside/canary.parquet";
    vec![
        out.to_owned(),
        format!("{outside}/canary.parquet"),
        format!("file://{outside}/canary.parquet"),
        format!("/..{outside}/canary.parquet"),
        out.replace("..", "%2e%2e"),
        out.replace("..", "%2E%2E").replace('/', "%2F"),
        out.replace("..", "%252e%252e"),
        out.replace('/', "\\"),
        format!("./{out}"),
        format!("x/../{out}"),
        "../../outside/secret".to_owned(),
        "../progress/x.parquet".to_owned(),
        "../../dropped.parquet".to_owned(),
        sandbox.address(),
        "s3://bucket/canary.parquet".to_owned(),
        "C:\\canary.parquet".to_owned(),
        "\\\\host\\share\\canary.parquet".to_owned(),
        "_delta_log/00000000000000000000.json".to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        String::new(),
        "x.parquet\0".to_owned(),
        "a\nb.parquet".to_owned(),
        "\u{1b}[31m.parquet".to_owned(),
        "*.parquet".to_owned(),
        "a".repeat(5000),
    ]
}

/// The newest commit of a table.
fn last_commit(table: &Path) -> PathBuf {
    let entries = fs::read_dir(table.join("_delta_log")).expect("a log");
    let commits = entries.map(|entry| entry.expect("an entry").path());
    commits.filter(|path| path.extension().is_some_and(|of| of == "json")).max().expect("a commit")
}

/// Alters the actions of a commit.
fn edit(commit: &Path, alter: impl Fn(&mut Vec<Value>)) {
    let text = fs::read_to_string(commit).expect("a commit");
    let mut actions: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an action")).collect();
    alter(&mut actions);
    let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
    fs::write(commit, lines).expect("written");
}

/// Alters what a table's newest commit says of the file that it puts in.
fn edit_file(lake: &Path, table: &str, alter: impl Fn(&mut Value)) {
    edit(&last_commit(&lake.join(table)), |actions| {
        let added = actions.iter_mut().find_map(|action| action.get_mut("add"));
        alter(added.expect("a file that is put in"));
    });
}

/// Alters the statistics of that file.
fn edit_stats(lake: &Path, table: &str, alter: impl Fn(&mut Value)) {
    edit_file(lake, table, |added| {
        let mut stats = serde_json::from_str(added["stats"].as_str().expect("statistics")).expect("JSON");
        alter(&mut stats);
        added["stats"] = json!(stats.to_string());
    });
}

/// The newest data file of a table.
pub(crate) fn newest(table: &Path) -> PathBuf {
    let entries = fs::read_dir(table).expect("a table").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|of| of == "parquet")).max().expect("a data file")
}

/// What may lie in the place of a file.
#[derive(Clone, Copy, Debug)]
enum Instead {
    LinkOut(&'static str),
    LinkToDevice,
    LinkToNothing,
    Fifo,
    Socket,
    Directory,
}

impl Instead {
    fn of(canary: &'static str) -> [Self; 6] {
        [
            Self::LinkOut(canary),
            Self::LinkToDevice,
            Self::LinkToNothing,
            Self::Fifo,
            Self::Socket,
            Self::Directory,
        ]
    }

    fn put(self, path: &Path, outside: &Path) {
        if path.symlink_metadata().is_ok_and(|about| about.is_dir()) {
            fs::remove_dir_all(path).expect("removed");
        } else {
            let _ = fs::remove_file(path);
        }
        match self {
            Self::LinkOut(canary) => symlink(outside.join(canary), path).expect("a link"),
            Self::LinkToDevice => symlink("/dev/zero", path).expect("a link"),
            Self::LinkToNothing => symlink(outside.join("made"), path).expect("a link"),
            Self::Fifo => {
                let made = std::process::Command::new("mkfifo").arg(path).status();
                assert!(made.expect("mkfifo").success());
            }
            // A path may be too long for one; it is made elsewhere and moved.
            Self::Socket => {
                let made = tempfile::tempdir().expect("a directory");
                let at = made.path().join("socket");
                drop(std::os::unix::net::UnixListener::bind(&at).expect("a socket"));
                fs::rename(at, path).expect("moved");
            }
            Self::Directory => fs::create_dir(path).expect("a directory"),
        }
    }
}

/// Alterations of a lake.
pub(crate) fn of_lakes(sandbox: &Sandbox) -> Vec<Alteration> {
    let mut all = All::default();
    logs(&mut all, sandbox);
    figures(&mut all);
    versions(&mut all, sandbox);
    places(&mut all, sandbox);
    all.0.extend(checkpoints::alterations(&names(sandbox)));
    all.0
}

impl Alteration {
    /// One of the lake with many versions.
    pub(crate) fn of_many(
        name: String,
        refused: Refused,
        needle: &str,
        alter: impl Fn(&Path) + 'static,
    ) -> Self {
        let needles = vec![needle.to_owned()];
        Self { name, many: true, refused, needles, alter: Box::new(alter) }
    }
}

/// Names in commits.
fn logs(all: &mut All, sandbox: &Sandbox) {
    for (number, name) in names(sandbox).into_iter().enumerate() {
        // Each name in some tables, each table with all kinds of names.
        for (of, table) in TABLES.into_iter().enumerate().filter(|(of, _)| (of + number) % 3 == 0) {
            let shown: String = name.chars().take(60).collect();
            let needle = format!("{table}/_delta_log|table {table}");
            let path = name.clone();
            all.add(format!("{table} has had {shown:?}"), ByAll, &needle, move |lake| {
                edit(&last_commit(&lake.join(table)), |actions| {
                    let gone = json!({"path": path, "deletionTimestamp": 1, "dataChange": true});
                    actions.push(json!({"remove": gone}));
                });
            });
            if of < WITH_FILES {
                let path = name.clone();
                all.add(format!("{table} has {shown:?}"), ByAll, &needle, move |lake| {
                    edit_file(lake, table, |added| added["path"] = json!(path));
                });
            }
        }
    }
    let outside = sandbox.outside_path().join("secret").to_str().expect("text").to_owned();
    for (kind, of) in [
        ("p", outside),
        ("u", "vBn[lx{q8@P<9BNH/isA".to_owned()),
        ("i", "wi5b=000010000siXQKl0rr91000".to_owned()),
    ] {
        all.add(format!("rows deleted beside ({kind})"), ByAll, "sp_sector_daily", move |lake| {
            edit_file(lake, "sp_sector_daily", |added| {
                added["deletionVector"] =
                    json!({"storageType": kind, "pathOrInlineDv": of, "offset": 1, "sizeInBytes": 40, "cardinality": 1});
            });
        });
    }
    for (number, value) in [json!(null), json!(7), json!({}), json!(["x"])].into_iter().enumerate() {
        for action in ["add", "remove"] {
            let value = value.clone();
            all.add(
                format!("the path of {action} is no text ({number})"),
                Perhaps,
                "progress",
                move |lake| {
                    edit(&last_commit(&lake.join("progress")), |actions| {
                        actions.push(json!({action: {"path": value, "size": 1, "dataChange": true}}));
                    });
                },
            );
        }
    }
}

/// Sizes, counts and days in commits.
fn figures(all: &mut All) {
    let sizes = [json!(0), json!(-1), json!(1), json!(1_u64 << 40), json!(i64::MAX), json!("7"), json!(1e30)];
    let counts = [json!(0), json!(26_000_000), json!(-1), json!(u64::MAX), json!("7"), json!(null)];
    for (of, table) in TABLES.into_iter().enumerate().take(WITH_FILES) {
        let needle = format!("{table}/|table {table}");
        // Each in some tables, each table with several.
        for size in sizes.clone().into_iter().skip(of % 2).step_by(2) {
            all.add(format!("{table}: size {size}"), Somewhere, &needle, move |lake| {
                edit_file(lake, table, |added| added["size"] = size.clone());
            });
        }
        for rows in counts.clone().into_iter().skip(of % 2).step_by(2) {
            all.add(
                format!("{table}: rows {rows}"),
                Somewhere,
                &format!("{needle}|progress/"),
                move |lake| {
                    edit_stats(lake, table, |stats| stats["numRecords"] = rows.clone());
                },
            );
        }
        let ends =
            [("9999-12-31", ByAll), ("2101-01-01", ByAll), ("2100-12-31", Perhaps), ("1970-01-01", ByAll)];
        for (day, refused) in ends {
            all.add(
                format!("{table}: up to {day}"),
                refused,
                &format!("{needle}|progress/|those of {table} "),
                move |lake| {
                    edit_stats(lake, table, |stats| stats["maxValues"]["stat_date"] = json!(day));
                },
            );
        }
        all.add(format!("{table}: no statistics"), ByAll, &needle, move |lake| {
            edit_file(lake, table, |added| added["stats"] = json!(null));
        });
    }
}

/// Versions, notes and properties.
fn versions(all: &mut All, sandbox: &Sandbox) {
    let address = sandbox.address();
    for (name, refused) in [
        ("18446744073709551615.json", Perhaps),
        ("18446744073709551614.json", Perhaps),
        ("00000000000000000099.json", Perhaps),
        ("99999999999999999999.json", Nowhere),
        ("1.json", Nowhere),
        ("00000000000000000001.00000000000000000003.compacted.json", Nowhere),
        ("00000000000000000002.checkpoint.0000000001.0000000002.parquet", ByAll),
        ("00000000000000000002.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json", ByAll),
    ] {
        for table in ["progress", "sp_sector_daily"] {
            all.add(
                format!("{table} has a log of {name}"),
                refused,
                &format!("{table}/|table {table}"),
                move |lake| {
                    let log = lake.join(table).join("_delta_log");
                    fs::copy(log.join("00000000000000000001.json"), log.join(name)).expect("copied");
                },
            );
        }
    }
    let sidecar = json!({"path": address, "sizeInBytes": 9, "modificationTime": 0, "tags": {}});
    let newer = json!({"path": "x", "sidecarFiles": [sidecar], "nonFileActions": []});
    for (number, note) in [
        json!({"version": u64::MAX, "size": 1}).to_string(),
        json!({"version": 2, "size": 1, "parts": 1_u64 << 32}).to_string(),
        json!({"version": 2, "size": -1, "v2Checkpoint": newer}).to_string(),
        "[".repeat(100_000),
        "null".to_owned(),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        all.add(format!("a note of the last checkpoint ({number})"), Nowhere, "", move |lake| {
            fs::write(lake.join("progress/_delta_log/_last_checkpoint"), &note).expect("written");
        });
    }
    for (number, version) in
        [json!(u64::MAX), json!(9), json!(-1), json!("x"), json!(0), json!(1.5)].into_iter().enumerate()
    {
        all.add(
            format!("days stand on another version ({number})"),
            Perhaps,
            "progress|sp_sector_daily",
            move |lake| {
                edit(&last_commit(&lake.join("sp_sector_daily")), |actions| {
                    let notes = actions.iter_mut().find_map(|action| action.get_mut("commitInfo"));
                    notes.expect("notes")["standsOn"]["progress"] = version.clone();
                });
            },
        );
    }
    for (key, value) in [
        ("delta.checkpointInterval", "0"),
        ("delta.checkpointInterval", "-1"),
        ("delta.checkpointInterval", "1"),
        ("delta.logRetentionDuration", "interval 0 days"),
        ("delta.deletedFileRetentionDuration", "interval 99999999999 weeks"),
        ("delta.appendOnly", "true"),
        ("delta.columnMapping.mode", "name"),
        ("delta.dataSkippingNumIndexedCols", "-9"),
    ] {
        all.add(format!("{key} is {value}"), Perhaps, "sp_sector_daily", move |lake| {
            edit(&lake.join("sp_sector_daily/_delta_log/00000000000000000000.json"), |actions| {
                let metadata = actions.iter_mut().find_map(|action| action.get_mut("metaData"));
                metadata.expect("metadata")["configuration"][key] = json!(value);
            });
        });
    }
    all.add("a newer protocol".to_owned(), ByAll, "sp_sector_daily", |lake| {
        edit(&lake.join("sp_sector_daily/_delta_log/00000000000000000000.json"), |actions| {
            let protocol = actions.iter_mut().find_map(|action| action.get_mut("protocol"));
            let features = json!(["deletionVectors", "v2Checkpoint"]);
            *protocol.expect("a protocol") = json!({"minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": features, "writerFeatures": features});
        });
    });
    for (number, text) in ["{}", "{\"add\":{}}", "{\"remove\":{}}", "{\"commitInfo\":7}", "{\"metaData\":{}}"]
        .into_iter()
        .enumerate()
    {
        all.add(format!("a commit of little ({number})"), Perhaps, "progress|sp_sector_daily", move |lake| {
            fs::write(last_commit(&lake.join("progress")), text).expect("written");
        });
    }
    all.add("a commit without end".to_owned(), ByAll, "progress/_delta_log", |lake| {
        let commit = fs::File::create(last_commit(&lake.join("progress"))).expect("a file");
        commit.set_len((64 << 20) + 1).expect("longer");
    });
    for layout in ["0", "-1", "5", "1e30", "\"4\"", "null", "[4]"] {
        all.add(format!("layout {layout}"), ByAll, "lake.json|layout", move |lake| {
            fs::write(lake.join("lake.json"), format!("{{\"layout\":{layout}}}")).expect("written");
        });
    }
}

/// Other things in the place of files and directories.
fn places(all: &mut All, sandbox: &Sandbox) {
    let outside = sandbox.outside_path();
    let mut put =
        |name: String, refused, needle: &str, instead: Instead, place: Box<dyn Fn(&Path) -> PathBuf>| {
            let outside = outside.clone();
            all.add(format!("{name}: {instead:?}"), refused, needle, move |lake| {
                instead.put(&place(lake), &outside);
            });
        };
    for (number, table) in TABLES.into_iter().enumerate() {
        for (at, instead) in Instead::of("canary.parquet").into_iter().enumerate() {
            // Each in some tables, each table with several.
            if number < WITH_FILES && (number + at) % 2 == 0 {
                let place = Box::new(move |lake: &Path| newest(&lake.join(table)));
                put(format!("a data file of {table}"), ByAll, table, instead, place);
            }
        }
        for (at, instead) in Instead::of("commit.json").into_iter().enumerate() {
            if (number + at) % 2 == 1 {
                let place = Box::new(move |lake: &Path| last_commit(&lake.join(table)));
                put(format!("a commit of {table}"), ByAll, table, instead, place);
            }
        }
    }
    for table in ["progress", "sp_sector_daily", "sp_sector_history"] {
        let (of, log) = match table {
            "progress" => ("lake/progress", "lake/progress/_delta_log"),
            "sp_sector_daily" => ("lake/sp_sector_daily", "lake/sp_sector_daily/_delta_log"),
            _ => ("lake/sp_sector_history", "lake/sp_sector_history/_delta_log"),
        };
        for instead in [Instead::LinkOut(of), Instead::Fifo] {
            put(
                format!("the directory of {table}"),
                ByAll,
                table,
                instead,
                Box::new(move |lake| lake.join(table)),
            );
        }
        for instead in [Instead::LinkOut(log), Instead::LinkToNothing] {
            let place = Box::new(move |lake: &Path| lake.join(table).join("_delta_log"));
            put(format!("the log of {table}"), ByAll, table, instead, place);
        }
    }
    for (name, refused) in [
        ("lake.json", ByAll),
        ("gaps.json", Somewhere),
        ("writer.lock", Somewhere),
        ("progress/_delta_log/_last_checkpoint", ByAll),
    ] {
        for instead in Instead::of("secret") {
            put(name.to_owned(), refused, name, instead, Box::new(move |lake| lake.join(name)));
        }
    }
    for table in &TABLES[..WITH_FILES] {
        all.add(format!("a data file of {table} is missing"), Somewhere, table, move |lake| {
            fs::remove_file(newest(&lake.join(table))).expect("removed");
        });
    }
}

/// Alterations of a copy and of its list.
pub(crate) fn of_copies(sandbox: &Sandbox) -> Vec<Alteration> {
    let mut all = All::default();
    let outside = sandbox.outside_path();
    for name in names(sandbox).into_iter().filter(|name| !name.contains(['\0', '\n'])) {
        let shown: String = name.chars().take(60).collect();
        let canary = outside.join("canary.parquet");
        for before in ["", "progress/"] {
            let (name, canary) = (format!("{before}{name}"), canary.clone());
            all.add(format!("a list with {before}{shown:?}"), ByAll, "SHA256SUMS", move |copy| {
                let sums = copy.join("SHA256SUMS");
                let text = fs::read_to_string(&sums).expect("a list");
                fs::write(&sums, text + &line(&name, &canary)).expect("written");
            });
        }
    }
    for (of, needle) in [
        ("data", "sp_sector_daily"),
        ("commit", "sp_sector_daily"),
        ("lake.json", "lake.json"),
        ("SHA256SUMS", "SHA256SUMS"),
    ] {
        for instead in Instead::of("secret") {
            let outside = outside.clone();
            all.add(format!("{of} of a copy: {instead:?}"), ByAll, needle, move |copy| {
                let path = match of {
                    "data" => newest(&copy.join("sp_sector_daily")),
                    "commit" => last_commit(&copy.join("sp_sector_daily")),
                    name => copy.join(name),
                };
                instead.put(&path, &outside);
            });
        }
    }
    for (number, files) in
        [&["disk.iso"][..], &["disk.iso", "lake.json"], &["sub/photo.parquet"], &["lake.json"]]
            .into_iter()
            .enumerate()
    {
        all.add(
            format!("another program's list ({number})"),
            ByAll,
            "SHA256SUMS|lake.json|sp_sector_daily",
            move |copy| {
                fs::remove_dir_all(copy).expect("removed");
                for name in files {
                    let path = copy.join(name);
                    fs::create_dir_all(path.parent().expect("above")).expect("a directory");
                    fs::write(&path, b"{\"layout\":4}").expect("written");
                }
                list(copy, true);
            },
        );
    }
    all.add("a file that no log names".to_owned(), Somewhere, "extra.parquet", |copy| {
        fs::copy(newest(&copy.join("progress")), copy.join("progress/extra.parquet")).expect("copied");
        list(copy, false);
    });
    all.add("another sum".to_owned(), Somewhere, "progress/", |copy| {
        let sums = copy.join("SHA256SUMS");
        let text = fs::read_to_string(&sums).expect("a list");
        let at = text.find("  progress/").expect("a line");
        let flipped = if &text[at - 1..at] == "0" { "1" } else { "0" };
        fs::write(&sums, format!("{}{flipped}{}", &text[..at - 1], &text[at..])).expect("written");
    });
    all.add("a file that is cut off, and listed so".to_owned(), Somewhere, "sp_sector_daily/", |copy| {
        let path = newest(&copy.join("sp_sector_daily"));
        let bytes = fs::read(&path).expect("a file");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut");
        list(copy, false);
    });
    all.add("a file that is missing".to_owned(), Somewhere, "sp_sector_daily/", |copy| {
        fs::remove_file(newest(&copy.join("sp_sector_daily"))).expect("removed");
    });
    all.add("no note of the layout".to_owned(), Somewhere, "lake.json", |copy| {
        fs::remove_file(copy.join("lake.json")).expect("removed");
        list(copy, false);
    });
    all.0
}

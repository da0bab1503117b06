//! Writes a CAR of each kind of folded chain into a folder, each well under a megabyte, to try commands on:
//! `cargo run --release --example folded -- DIR`.

#[path = "../../crates/ledger/tests/common/folded/mod.rs"]
mod folded;

use std::path::PathBuf;

use folded::{Kind, Knobs};

/// More than the budget of a file of this size, for most kinds.
const GREEDY: Knobs = Knobs { height: 16, count: 500, bytes: 4000 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("name a folder: folded DIR")?);
    std::fs::create_dir_all(&folder)?;
    for kind in Kind::ALL {
        std::fs::write(folder.join(format!("{kind:?}.car")), kind.folded(GREEDY).car())?;
    }
    Ok(())
}

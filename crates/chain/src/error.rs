//! What can go wrong while reading the chain, said with the place and what to do.

use std::path::PathBuf;

use cid::Cid;

use crate::units::Epoch;

/// The result of reading the chain.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong while reading the chain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error(
        "{path}: {source}; check that this is a file that may be read (in the data directory: written), and that the \
         disk is not full"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A snapshot file is not what it should be at some place.
    #[error("{path}: at byte {offset}: {problem}; {advice}")]
    File {
        /// The file.
        path: PathBuf,
        /// Where in the (decompressed) file.
        offset: u64,
        /// What is wrong there.
        problem: String,
        /// What the user can do.
        advice: &'static str,
    },
    /// A block's bytes do not have the hash their CID says.
    #[error(
        "{path}: at byte {offset}: block {cid} does not have the hash its CID says; the file is damaged: fetch it again"
    )]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// Where the block's data begins in the (decompressed) file.
        offset: u64,
        /// The block's CID.
        cid: Box<Cid>,
    },
    /// A block that is needed is in none of the files; the last is the name of the snapshot that the files given build on, where
    /// they have theirs by the archive's rule and it is not among them.
    #[error("block {0} ({1}) is in none of the files given; {todo}", todo = missing_block_advice(.2.as_deref()))]
    MissingBlock(Box<Cid>, &'static str, Option<Box<str>>),
    /// States between others that are here are in none of the files.
    #[error(
        "block {cid}, the state before height {last}, is in none of the files given, nor is any state back to height {first}, \
         though there are states below; add the file that holds them, or fetch a whole snapshot again"
    )]
    MissingStates {
        /// The missing state next below the ones that are here.
        cid: Box<Cid>,
        /// Lowest height whose state is missing.
        first: Epoch,
        /// Height of the tipset before which `cid` is the state.
        last: Epoch,
        /// Height of the newest tipset below the gap whose state is here.
        below: Option<Epoch>,
    },
    /// Headers are in none of the files, though the chain goes on below them.
    #[error("{}", missing_headers(.cid, *.first, *.last, *.below, .files))]
    MissingHeaders {
        /// A missing header of the tipset next below those that are here.
        cid: Box<Cid>,
        /// Lowest height whose header is missing, as far as the files show.
        first: Epoch,
        /// The height below the lowest header that is here.
        last: Epoch,
        /// Height of the highest head below the gap that a file names.
        below: Option<Epoch>,
        /// Names of the missing files, where the others have theirs by the archive's rule.
        files: Vec<String>,
    },
    /// The head of a chain has no state here; never passed over in silence, since what led up to it would be missing.
    #[error(
        "the chain's head, at height {height}, has no readable state in the files given; {}",
        match .newest {
            Some(newest) => format!(
                "the newest tipset with a state is at height {newest}: add the file that holds the head's, or read up to \
                 there with --head {newest}"
            ),
            None => "give a snapshot with state, or add the file that holds it".to_owned(),
        }
    )]
    HeadWithoutState {
        /// The head's height.
        height: Epoch,
        /// Height of the newest tipset not far below that has a state.
        newest: Option<Epoch>,
    },
    /// No root of the files leads to a chain: what each is instead.
    #[error("the files name no head of a chain: {0}; give the snapshot that they belong to beside them")]
    NoHead(String),
    /// A root is that of a state, without a chain.
    #[error("root {0} is that of a state, not of a chain; look into it with --state-root {0}")]
    BareState(Box<Cid>),
    /// A block's content does not decode as what it should be.
    #[error("block {cid}: {what}: {problem}")]
    Decode {
        /// The block.
        cid: Box<Cid>,
        /// What the block should hold.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A header's height or time is none that a chain's header can have.
    #[error("block {cid}, a header at height {height}: {problem}")]
    Header {
        /// The header.
        cid: Box<Cid>,
        /// The height that it says.
        height: Epoch,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Reading asks for more work than files of their size can need.
    #[error("{}", too_much_work(.block.as_deref(), *.bytes))]
    TooMuchWork {
        /// The block and what it was read as when the bound was met, where that is known.
        block: Option<Box<(Cid, &'static str)>>,
        /// Bytes of all files.
        bytes: u64,
    },
    /// Bytes that do not decode; the block is added on the way up.
    #[error("{0}")]
    Malformed(String),
    /// The chain is whole but says something this program does not know or that contradicts itself.
    #[error("{0}")]
    Chain(String),
}

/// What is missing of a chain, by heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Lowest height that is missing.
    pub first: Epoch,
    /// Highest height that is missing.
    pub last: Epoch,
    /// Height of the newest tipset below it that is here.
    pub below: Option<Epoch>,
}

/// Describes missing headers and where to look for them.
fn missing_headers(cid: &Cid, first: Epoch, last: Epoch, below: Option<Epoch>, files: &[String]) -> String {
    /// Files named in full.
    const NAMED: usize = 3;
    if below.is_none() {
        return format!(
            "the chain is cut off below height {}: block {cid}, a header of the tipset below, is in none of the files \
             given, and no file's chain ends there; add the files that this one goes on from, or fetch a whole snapshot \
             again",
            last + 1
        );
    }
    let missing = match files.len() {
        0 => "add the file that holds them".to_owned(),
        1 => format!("by the names of the others, {} is missing: add it", files[0]),
        count => {
            let more = count.saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = files.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            format!("by the names of the others, {named}{more} are missing: add them")
        }
    };
    format!(
        "the headers of heights {first} to {last} are in none of the files given (such as block {cid}), though the chain \
         goes on below; {missing}"
    )
}

/// What to do about a missing block.
fn missing_block_advice(base: Option<&str>) -> String {
    match base {
        Some(base) => format!(
            "files that hold only what changed need the snapshot that they begin with: add {base}, or an older one with the \
             files between"
        ),
        None => "add the file that holds it, or fetch a whole snapshot again".to_owned(),
    }
}

/// What asks for too much, and what to do.
fn too_much_work(block: Option<&(Cid, &'static str)>, bytes: u64) -> String {
    let at = block.map(|(cid, what)| format!("block {cid}: {what}: ")).unwrap_or_default();
    format!(
        "{at}more work than files of {bytes} bytes can need, in time or in memory: some blocks are linked over and over, as no \
         chain's are; fetch the snapshot from a source that you trust"
    )
}

impl Error {
    /// What is missing, if that is the error.
    #[must_use]
    pub const fn gap(&self) -> Option<Gap> {
        match self {
            Self::MissingStates { first, last, below, .. }
            | Self::MissingHeaders { first, last, below, .. } => {
                Some(Gap { first: *first, last: *last, below: *below })
            }
            _ => None,
        }
    }

    /// Malformed bytes, for a reason.
    pub(crate) fn malformed(problem: impl Into<String>) -> Self {
        Self::Malformed(problem.into())
    }

    /// Names the block in which malformed bytes were met; other errors stay as they are.
    pub(crate) fn in_block(self, cid: &Cid, what: &'static str) -> Self {
        match self {
            Self::Malformed(problem) => Self::Decode { cid: Box::new(*cid), what, problem },
            Self::TooMuchWork { block: None, bytes } => {
                Self::TooMuchWork { block: Some(Box::new((*cid, what))), bytes }
            }
            other => other,
        }
    }
}

//! The limit on open files, and how many connections it leaves room for.

use std::io;

/// Files that are left to the lake, the keys and the log.
const RESERVED: u64 = 512;
/// More connections than this are of no use to anyone; each takes some 10 kB when it idles.
const MAX_CONNECTIONS: u64 = 65_536;

/// Asks the system for as many open files as it allows the process, and says how many connections that leaves room for.
///
/// # Errors
/// If the limit cannot be read or raised.
pub fn connections_allowed() -> io::Result<usize> {
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    // Where there are few, the lake gets half.
    let connections = files.saturating_sub(RESERVED).max(files / 2).min(MAX_CONNECTIONS);
    Ok(usize::try_from(connections).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_room_for_connections_and_for_the_lake() {
        let allowed = super::connections_allowed().expect("a limit");
        let files = rlimit::increase_nofile_limit(u64::MAX).expect("a limit");
        assert!(allowed > 0 && (allowed as u64) < files, "{allowed} of {files}");
    }
}

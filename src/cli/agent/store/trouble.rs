//! What keeps records from being written, and what a person can do about it.

use std::io::ErrorKind;
use std::time::Instant;

pub(super) struct Trouble {
    pub(super) words: String,
    /// When it is tried again.
    pub(super) again: Option<Instant>,
    /// It is being tried: it is over once this ticket is synced.
    pub(super) tried: Option<u64>,
}

/// Returns what is to be done about an error of this kind.
pub(super) fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull => "free some of it, or lower `disk` in [keep]",
        ErrorKind::QuotaExceeded => "raise the quota, or lower `disk` in [keep]",
        ErrorKind::ReadOnlyFilesystem => "mount it read-write, or name another folder with `dir` in [keep]",
        ErrorKind::WouldBlock | ErrorKind::OutOfMemory => {
            "there is no memory or no thread left for it; raise `TasksMax` in the unit"
        }
        ErrorKind::PermissionDenied => "the agent's user must be able to write there",
        _ => "the disk may be failing",
    }
}

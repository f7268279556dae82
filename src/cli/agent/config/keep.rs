//! `[keep]`: how much may wait, and how it is read.

use super::file::{Faults, Section};
use super::keys::Table;
use super::units;

/// `[keep]`: the room for readings that cannot be sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Keep {
    /// The most bytes in memory, of all readings together.
    pub(in crate::cli::agent) memory: usize,
}

/// Reads the table, if it is there.
pub(super) fn keep(section: Option<Section<'_>>, faults: &mut Faults) -> Keep {
    let keys = Table::of("[keep]");
    let memory = section.as_ref().and_then(|section| section.get("memory"));
    let memory = memory.and_then(|item| faults.keep(item.bytes())).unwrap_or_else(|| keys.default("memory", units::bytes));
    if let Some(section) = section {
        section.finish(faults);
    }
    Keep { memory: usize::try_from(memory).unwrap_or(usize::MAX) }
}

//! `[health]`, and how it is read.

use std::time::Duration;

use super::file::{Fault, Item, Section};
use super::keys::Table;
use super::sections::Reader;
use super::{units, values};

/// `[health]`: from when on a person should know of something, and the process that is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct HealthSettings {
    /// The time for which a wanted node may be away.
    pub(in crate::cli::agent) node_away: Duration,
    /// The number of intervals for which there may be no reading.
    pub(in crate::cli::agent) reading_overdue: u32,
    /// The number of recent restarts of a program that are too many.
    pub(in crate::cli::agent) program_restarts: usize,
    /// The part of the disk of the state folder that may be taken, in percent.
    pub(in crate::cli::agent) disk_full: u64,
    pub(in crate::cli::agent) tell: Option<Told>,
}

/// A process that is told when something changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Told {
    pub(in crate::cli::agent) name: String,
    pub(in crate::cli::agent) node: String,
}

impl Reader<'_> {
    /// Reads `[health]`; without it all defaults hold.
    pub(super) fn health(&mut self, table: Option<&Item<'_>>) -> HealthSettings {
        let keys = Table::of("[health]");
        let number = |name| keys.default(name, units::digit_number);
        let mut found = settings(keys.default("node_away", units::duration), number);
        let read = |reader: &mut Self, section: &Section<'_>| {
            let away = reader.faults.keep(section.duration("node_away")).unwrap_or_default();
            let given = settings(away, |name| reader.faults.keep(section.integer(name)).unwrap_or_default());
            HealthSettings { tell: reader.told(section), ..given }
        };
        if let Some(given) = table.and_then(|table| self.table(table, read)) {
            found = given;
        }
        found
    }

    /// Reads who is told.
    fn told(&mut self, section: &Section<'_>) -> Option<Told> {
        let (name, node) = (section.get("tell"), section.get("node"));
        if name.is_none() && node.is_none() {
            return None;
        }
        let own = self.own;
        let read = |item: Item<'_>| -> Result<String, Fault> { values::node(item.text()?, own).map_err(|why| item.wrong(why)) };
        let name = self.faults.keep(section.required("tell").and_then(|item| item.name()));
        let node = self.faults.keep(section.required("node").and_then(read));
        Some(Told { name: name?, node: node? })
    }
}

fn settings(node_away: Duration, mut number: impl FnMut(&'static str) -> u64) -> HealthSettings {
    HealthSettings {
        node_away,
        reading_overdue: u32::try_from(number("reading_overdue")).unwrap_or(u32::MAX),
        program_restarts: usize::try_from(number("program_restarts")).unwrap_or(usize::MAX),
        disk_full: number("disk_full"),
        tell: None,
    }
}

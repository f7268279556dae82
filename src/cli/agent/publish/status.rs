//! What is told of the readings.

use beamless::Term;

use super::moment::Clock;
use super::publisher::Publisher;
use crate::cli::agent::config::Publish;

/// How a `[[publish]]` is.
pub(in crate::cli::agent) struct Status<'p> {
    pub(in crate::cli::agent) given: &'p Publish,
    /// The nodes that its readings go to now.
    pub(in crate::cli::agent) nodes: Vec<&'p str>,
    /// Readings that arrived, that are kept, and that were dropped.
    pub(in crate::cli::agent) counts: [u64; 3],
    /// The milliseconds since the last reading, if there is one.
    pub(in crate::cli::agent) age: Option<i64>,
    /// The bytes of those that are kept.
    pub(in crate::cli::agent) waiting: u64,
    /// The milliseconds for which the oldest of them has waited.
    pub(in crate::cli::agent) oldest: Option<i64>,
    /// Why there is no reading.
    pub(in crate::cli::agent) trouble: Option<&'p str>,
}

/// The room for readings that cannot be sent yet, in bytes.
pub(in crate::cli::agent) struct Room {
    /// What is used of the memory, and what may be.
    pub(in crate::cli::agent) memory: [usize; 2],
    /// The same of the disk, and whether nothing can be written there; nothing where readings are kept in memory alone.
    pub(in crate::cli::agent) disk: Option<(u64, u64, bool)>,
}

/// A reading, as it is told to whoever asks.
pub(in crate::cli::agent) struct Last<'p> {
    pub(in crate::cli::agent) label: &'p str,
    /// When it was taken, in milliseconds since 1970; nothing while the clock is not set.
    pub(in crate::cli::agent) milliseconds: Option<i64>,
    pub(in crate::cli::agent) value: Term<'p>,
    pub(in crate::cli::agent) number: u64,
}

/// Returns how a publisher is.
pub(super) fn status<'p>(publisher: &'p Publisher, clock: &Clock) -> Status<'p> {
    let nodes = publisher.outlets.iter().map(|outlet| outlet.node()).filter(|node| !node.is_empty());
    let oldest = publisher.outlets.iter().filter_map(|outlet| outlet.kept.oldest());
    Status {
        given: &publisher.given,
        nodes: nodes.collect(),
        counts: publisher.counts(),
        age: publisher.last().map(|last| clock.since(&last.taken)),
        waiting: u64::try_from(publisher.bytes()).unwrap_or(u64::MAX),
        oldest: oldest.map(|taken| clock.since(taken)).max(),
        trouble: publisher.trouble(),
    }
}

/// Returns the last reading of a publisher, if there is one.
pub(super) fn last<'p>(publisher: &'p Publisher, clock: &Clock) -> Option<Last<'p>> {
    let last = publisher.last()?;
    let value = Term::parse(&last.value).ok()?;
    Some(Last { label: &publisher.given.label, milliseconds: clock.milliseconds(&last.taken), value, number: last.number })
}

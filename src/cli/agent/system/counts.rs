//! Counts, as `system` tells them.

use std::time::Instant;

use beamless::{TermWriter, Written};

/// Writes a map of counts.
pub(super) fn counted<'t, 'b>(t: &'t mut TermWriter<'b>, counts: &[(&str, u64)]) -> Written<'t, 'b> {
    t.map(counts.len())?;
    pairs(t, counts)
}

/// Writes counts, each behind its key, for a map.
pub(super) fn pairs<'t, 'b>(t: &'t mut TermWriter<'b>, counts: &[(&str, u64)]) -> Written<'t, 'b> {
    for (key, value) in counts {
        count(t.atom(key)?, *value)?;
    }
    Ok(t)
}

/// Writes a count.
pub(super) fn count<'t, 'b>(t: &'t mut TermWriter<'b>, value: u64) -> Written<'t, 'b> {
    t.int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Writes the seconds since a time.
pub(super) fn age<'t, 'b>(t: &'t mut TermWriter<'b>, since: Instant) -> Written<'t, 'b> {
    count(t, since.elapsed().as_secs())
}

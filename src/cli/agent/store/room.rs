//! What makes room for another segment: the oldest of whatever has most; and what is left of the others in a segment moves together.

use std::collections::VecDeque;

use super::queue::Queues;
use super::record::HEADER;
use super::segment::{Part, Segment};

/// What a file takes at least.
pub(super) const BLOCK: u64 = 4096;

/// Returns the bytes that files of these many take.
pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(BLOCK).unwrap_or(bytes)
}

/// Returns the queue that has most on disk, and the place up to which its oldest are to be dropped: all that a segment has of it. `None` if that is the
/// last segment, which is written.
pub(super) fn oldest_of_most(segments: &VecDeque<Segment>, queues: &Queues) -> Option<(u64, u64)> {
    let has = |id: u64, gone: u64| {
        let parts = segments.iter().flat_map(|segment| &segment.parts).filter(|part| part.queue == id);
        parts.map(|part| part.waiting_bytes(gone)).fold(0, u64::saturating_add)
    };
    let (id, _) = queues.iter().max_by_key(|(id, queue)| has(*id, queue.gone))?;
    let of_it = |segment: &Segment| segment.parts.iter().filter(|part| part.queue == *id).map(|part| part.last).max();
    Some((*id, full(segments).find_map(of_it)?))
}

/// Returns a segment of which less than half waits, behind the one before it if both go into one of this size, or else behind itself; and what waits in
/// them: of a queue, from one place to another. `None` if there is no such segment, or nothing would be gained.
pub(super) fn to_move(segments: &VecDeque<Segment>, queues: &Queues, size: u64) -> Option<([u64; 2], Vec<[u64; 3]>)> {
    let waiting = |segment: &Segment| segment.parts.iter().map(|part| part.bytes).fold(HEADER as u64, u64::saturating_add);
    let left = |part: &Part| {
        let gone = queues.get(part.queue).map_or(0, |queue| queue.gone);
        [part.queue, part.first.max(gone.saturating_add(1)), part.last]
    };
    let mut before: Option<&Segment> = None;
    for segment in full(segments) {
        let bytes = waiting(segment);
        let from = before.filter(|from| waiting(from).saturating_add(bytes) <= size);
        let together = from.map_or(bytes, |from| waiting(from).saturating_add(bytes));
        let taken = from.map_or(0, |from| on_disk(from.bytes)).saturating_add(on_disk(segment.bytes));
        // somebody may want to look at damage
        if bytes.saturating_mul(2) <= segment.bytes && on_disk(together) < taken && segment.damaged == 0 {
            let parts = from.into_iter().chain([segment]).flat_map(|from| &from.parts);
            return Some(([from.unwrap_or(segment).number, segment.number], parts.map(left).collect()));
        }
        before = Some(segment).filter(|segment| segment.damaged == 0);
    }
    None
}

/// Returns those that are not written any more.
fn full(segments: &VecDeque<Segment>) -> impl Iterator<Item = &Segment> {
    segments.iter().take(segments.len().saturating_sub(1))
}

//! What makes room for another segment: the oldest of whatever has most; and what is left of the others in a segment moves together.

use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::queue::Queues;
use super::record::HEADER;
use super::segment::{Part, Segment};

/// What a file takes at least.
pub(super) const BLOCK: u64 = 4096;

/// Returns the bytes that files of these many take.
pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(BLOCK).unwrap_or(bytes)
}

/// What is to be dropped of a queue: so many records, up to this place.
pub(super) struct Oldest {
    pub(super) queue: u64,
    pub(super) last: u64,
    pub(super) records: u64,
}

/// Returns what makes room for so many bytes: again and again all that a segment has of the queue that has most by then, the oldest first. What the last
/// segment has is left out, for that is written. In one pass, since there may be thousands of queues.
pub(super) fn oldest_of_most(segments: &VecDeque<Segment>, queues: &Queues, bytes: u64) -> Vec<Oldest> {
    // of each queue what it has, and that by segments
    let mut having: BTreeMap<u64, (u64, VecDeque<(u64, Oldest)>)> = BTreeMap::new();
    for (place, segment) in segments.iter().enumerate() {
        for part in &segment.parts {
            let gone = queues.get(part.queue).map_or(0, |queue| queue.gone);
            let (all, parts) = having.entry(part.queue).or_default();
            *all = all.saturating_add(part.waiting_bytes(gone));
            if place.saturating_add(1) < segments.len() {
                let oldest = Oldest { queue: part.queue, last: part.last, records: part.waiting(gone) };
                parts.push_back((part.waiting_bytes(gone), oldest));
            }
        }
    }
    let mut most: BinaryHeap<(u64, u64)> = having.iter().map(|(id, (all, _))| (*all, *id)).collect();
    let (mut found, mut room) = (Vec::new(), 0_u64);
    while let Some((all, id)) = most.pop().filter(|_| room < bytes) {
        let Some((its, oldest)) = having.get_mut(&id).and_then(|(_, parts)| parts.pop_front()) else { continue };
        room = room.saturating_add(its);
        found.push(oldest);
        most.push((all.saturating_sub(its), id));
    }
    found
}

/// Returns a segment of which less than half waits, behind the one before it if both go into one of this size, or else behind itself; and what waits in
/// them: in which, of a queue, from one place to another. `None` if there is no such segment, or nothing would be gained.
pub(super) fn to_move(segments: &VecDeque<Segment>, queues: &Queues, size: u64) -> Option<([u64; 2], Vec<[u64; 4]>)> {
    let waiting = |segment: &Segment| segment.parts.iter().map(|part| part.bytes).fold(HEADER as u64, u64::saturating_add);
    let left = |segment: &Segment, part: &Part| {
        let gone = queues.get(part.queue).map_or(0, |queue| queue.gone);
        [segment.number, part.queue, part.first.max(gone.saturating_add(1)), part.last]
    };
    let mut before: Option<&Segment> = None;
    for segment in full(segments) {
        let bytes = waiting(segment);
        let from = before.filter(|from| waiting(from).saturating_add(bytes) <= size);
        let together = from.map_or(bytes, |from| waiting(from).saturating_add(bytes));
        let taken = from.map_or(0, |from| on_disk(from.bytes)).saturating_add(on_disk(segment.bytes));
        // somebody may want to look at damage
        if bytes.saturating_mul(2) <= segment.bytes && on_disk(together) < taken && segment.damaged == 0 {
            let kept = from.into_iter().chain([segment]).flat_map(|from| from.parts.iter().map(move |part| left(from, part)));
            return Some(([from.unwrap_or(segment).number, segment.number], kept.collect()));
        }
        before = Some(segment).filter(|segment| segment.damaged == 0);
    }
    None
}

/// Returns those that are not written any more.
fn full(segments: &VecDeque<Segment>) -> impl Iterator<Item = &Segment> {
    segments.iter().take(segments.len().saturating_sub(1))
}

//! What is known of a segment.

use std::collections::VecDeque;
use std::io;

use super::queue::Queues;
use super::record::{self, Kind};

pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// What waits in it.
    pub(super) parts: Vec<Part>,
    /// The queues that it has records of, whether they wait or not.
    pub(super) queues: Vec<u64>,
    /// The bytes that could not be read, and where what is behind them begins.
    pub(super) damaged: u64,
    whole_from: u64,
}

/// The records of a queue in a segment that wait, or some of them.
pub(super) struct Part {
    pub(super) queue: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) bytes: u64,
    /// Where in the segment the first is.
    pub(super) at: u64,
}

impl Segment {
    pub(super) fn new(number: u64) -> Self {
        Self { number, bytes: 0, parts: Vec::new(), queues: Vec::new(), damaged: 0, whole_from: 0 }
    }

    /// Reads what is in it, up to where it is torn: damage that has something whole behind it is left out.
    pub(super) fn scan(&mut self, file: &mut record::Segment, queues: &mut Queues) -> io::Result<()> {
        loop {
            let at = file.at;
            let head = match file.head()? {
                Some(head) if file.payload(&head)?.is_some() => head,
                _ if at == file.length => return Ok(()),
                _ => {
                    let next = file.next_whole(at)?;
                    file.go_to(next.unwrap_or(at))?;
                    self.damaged = self.damaged.saturating_add(next.unwrap_or(file.length).saturating_sub(at));
                    let Some(next) = next else { return Ok(()) };
                    self.whole_from = next;
                    continue;
                }
            };
            match head.kind {
                Kind::Data => self.add(head.queue, head.place, at, head.bytes()),
                Kind::Acknowledgement => {
                    queues.change(head.queue, |queue| queue.gone = queue.gone.max(head.place));
                }
            }
        }
    }

    pub(super) fn add(&mut self, queue: u64, place: u64, at: u64, bytes: u64) {
        let whole_from = self.whole_from;
        match self.parts.iter_mut().rev().find(|part| part.queue == queue) {
            // whoever reads a part goes from one record to the next
            Some(part) if part.at >= whole_from && part.last.saturating_add(1) == place => {
                part.last = place;
                part.bytes = part.bytes.saturating_add(bytes);
            }
            _ => {
                self.parts.push(Part { queue, first: place, last: place, bytes, at });
                if !self.queues.contains(&queue) {
                    self.queues.push(queue);
                }
            }
        }
    }
}

/// Counts as dropped what is missing between the records of each queue. Returns how many those are.
pub(super) fn count_missing(segments: &VecDeque<Segment>, queues: &mut Queues) -> u64 {
    let (mut ends, mut all): (Vec<(u64, u64)>, u64) = (Vec::new(), 0);
    let parts = segments.iter().flat_map(|segment| segment.parts.iter().map(|part| (part, segment.whole_from)));
    for (part, whole_from) in parts {
        let Some(queue) = queues.get_mut(part.queue) else { continue };
        let end = ends.iter_mut().find(|(id, _)| *id == part.queue);
        // what is before the first has arrived, unless there is damage before it
        let missing = if end.is_some() || (1..=part.at).contains(&whole_from) { part.first.saturating_sub(1) } else { 0 };
        let missing = missing.saturating_sub(end.as_ref().map_or(0, |(_, end)| *end).max(queue.gone));
        match end {
            Some((_, end)) => *end = part.last,
            None => ends.push((part.queue, part.last)),
        }
        queue.dropped = queue.dropped.saturating_add(missing);
        all = all.saturating_add(missing);
    }
    all
}

impl Part {
    /// Returns how many of its records are behind this place.
    pub(super) fn waiting(&self, gone: u64) -> u64 {
        self.last.saturating_add(1).saturating_sub(self.first.max(gone.saturating_add(1)))
    }
}

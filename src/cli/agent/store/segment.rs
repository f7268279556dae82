//! What is known of a segment.

use std::collections::VecDeque;
use std::io;

use super::queue::Queues;
use super::record::{self, Kind, RECORD};

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
    /// The most that can have been in them of what was appended.
    lost: u64,
}

/// The records of a queue in a segment that wait, or some of them.
pub(super) struct Part {
    pub(super) queue: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) bytes: u64,
    /// Where in the segment the first is.
    pub(super) at: u64,
    /// The most records that can have been in what is damaged before it in the segment.
    lost: u64,
}

/// Records of a queue that are nowhere, though some behind them are there.
pub(super) struct Hole {
    pub(super) queue: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// How many of them are lost, and have not arrived.
    pub(super) lost: u64,
}

impl Segment {
    pub(super) fn new(number: u64) -> Self {
        Self { number, bytes: 0, parts: Vec::new(), queues: Vec::new(), damaged: 0, whole_from: 0, lost: 0 }
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
                    let damaged = next.unwrap_or(file.length).saturating_sub(at);
                    self.damaged = self.damaged.saturating_add(damaged);
                    // what has just the bytes of acknowledgements is some
                    if damaged.checked_rem(RECORD as u64) != Some(0) {
                        self.lost = self.lost.saturating_add(damaged.checked_div(RECORD as u64).unwrap_or(0));
                    }
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
                self.parts.push(Part { queue, first: place, last: place, bytes, at, lost: self.lost });
                if !self.queues.contains(&queue) {
                    self.queues.push(queue);
                }
            }
        }
    }
}

/// Returns what is missing between the records of each queue, and before the first.
pub(super) fn holes(segments: &VecDeque<Segment>, queues: &Queues) -> Vec<Hole> {
    let (mut ends, mut holes): (Vec<(u64, u64)>, Vec<Hole>) = (Vec::new(), Vec::new());
    for segment in segments {
        let mut found = 0_u64;
        for part in &segment.parts {
            let end = ends.iter_mut().find(|(id, _)| *id == part.queue);
            let gone = queues.get(part.queue).map_or(0, |queue| queue.gone);
            let before = end.as_ref().map_or(0, |(_, end)| *end).max(gone);
            let mut lost = part.first.saturating_sub(1).saturating_sub(before);
            match end {
                Some((_, end)) => *end = part.last,
                None => {
                    ends.push((part.queue, part.last));
                    // what is before the first has arrived, but for what the damage took: it may have taken the acknowledgement
                    lost = lost.min(part.lost.saturating_sub(found));
                    found = found.saturating_add(lost);
                }
            }
            if lost > 0 {
                holes.push(Hole { queue: part.queue, first: before.saturating_add(1), last: part.first.saturating_sub(1), lost });
            }
        }
    }
    holes
}

/// Returns the queues of which something waits there, some of them more than once.
pub(super) fn waiting(segments: &VecDeque<Segment>, queues: &Queues) -> impl Iterator<Item = u64> {
    let parts = segments.iter().flat_map(|segment| &segment.parts);
    parts.filter(|part| queues.get(part.queue).is_some_and(|queue| part.last > queue.gone)).map(|part| part.queue)
}

impl Part {
    /// Returns how many of its records are behind this place.
    pub(super) fn waiting(&self, gone: u64) -> u64 {
        self.last.saturating_add(1).saturating_sub(self.first.max(gone.saturating_add(1)))
    }

    /// Returns about how many bytes they take.
    pub(super) fn waiting_bytes(&self, gone: u64) -> u64 {
        self.bytes.saturating_mul(self.waiting(gone)).checked_div(self.waiting(0)).unwrap_or(0)
    }
}

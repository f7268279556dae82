//! What is known of a segment.

use std::io;

use super::queue::Queues;
use super::record::{self, Kind};

pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// What waits in it.
    pub(super) parts: Vec<Part>,
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
    /// Reads what is in it, up to where it is torn.
    pub(super) fn scan(&mut self, file: &mut record::Segment, queues: &mut Queues) -> io::Result<()> {
        loop {
            let at = file.at;
            let Some(head) = file.head()? else { return Ok(()) };
            if file.payload(&head)?.is_none() {
                file.at = at;
                return Ok(());
            }
            match head.kind {
                Kind::Data => self.add(head.queue, head.place, at, head.bytes()),
                Kind::Acknowledgement => {
                    queues.change(head.queue, |queue| queue.gone = queue.gone.max(head.place));
                }
            }
        }
    }

    pub(super) fn add(&mut self, queue: u64, place: u64, at: u64, bytes: u64) {
        match self.parts.iter_mut().find(|part| part.queue == queue) {
            Some(part) => {
                part.last = place;
                part.bytes = part.bytes.saturating_add(bytes);
            }
            None => self.parts.push(Part { queue, first: place, last: place, bytes, at }),
        }
    }
}

impl Part {
    /// Returns how many of its records are behind this place.
    pub(super) fn waiting(&self, gone: u64) -> u64 {
        self.last.saturating_add(1).saturating_sub(self.first.max(gone.saturating_add(1)))
    }
}

//! Taking frames off what came.

use super::node::Node;
use crate::error::Reason;
use crate::node::core::state::Routed;
use crate::node::forms::tag::may_be_answer;
use crate::node::tables::links::{RESERVED, Stall};
use crate::node::trace;
use crate::storage::slots::Key;
use crate::wire::control::ControlMessage;
use crate::wire::frame::{self, Frame, HEADER};

impl Node<'_> {
    /// Takes whole frames off what was received until there are no more, or one has to wait.
    pub(in crate::node) fn pump(&mut self, key: Key) {
        loop {
            let (stride, is_alone) = (self.receiving.size(), self.core.links.is_alone());
            let Some(link) = self.core.links.table.at_mut(key).filter(|link| link.is_up()) else { return };
            let bytes = link.received.filled(self.receiving.at(key.index));
            let skipped = link.state.skips(bytes.len());
            if skipped > 0 {
                link.received.consume(skipped);
                continue;
            }
            if stride.saturating_sub(link.sending.len()) < RESERVED || link.waits {
                link.stalled = Some(Stall::Transmit);
                return;
            }
            let (outcome, taken) = match frame::next(bytes, stride) {
                Frame::Partial => return,
                Frame::Tick => {
                    if link.state.answers_tick() {
                        self.core.links.tick(key);
                    }
                    (Ok(Routed::Done), HEADER)
                }
                Frame::Whole(body) => {
                    let taken = body.len().saturating_add(HEADER);
                    if trace::is_on() {
                        link.trace(body, taken as u64);
                    }
                    // the way of nearly every message
                    link.idle = 0;
                    if let Some((inbox, from, payload)) = link.recent.split(body) {
                        if self.core.counters.is_quiet()
                            && !may_be_answer(payload)
                            && self.core.inboxes.deliver_payload(inbox, (key, &mut link.unread, is_alone), from, payload)
                        {
                            link.received.consume(taken);
                            link.traffic.came();
                            continue;
                        }
                    }
                    (self.core.route(key, body), taken)
                }
                Frame::Oversized(head, len) => {
                    let parsed = ControlMessage::parse(head);
                    if (parsed.is_err() || self.core.may_answer(&parsed)) && bytes.len() < stride {
                        // what tells whom it is for may not be here in full yet
                        return;
                    }
                    let size = u64::from(len).saturating_add(HEADER as u64);
                    let here = bytes.len();
                    if trace::is_on() {
                        if let Some(link) = self.core.links.table.at_mut(key) {
                            link.trace(head, size);
                        }
                    }
                    let outcome = self.core.oversized(key, head, parsed, size);
                    if let (Ok(Routed::Done), Some(link)) = (&outcome, self.core.links.table.at_mut(key)) {
                        link.state.skip(size.saturating_sub(here as u64));
                    }
                    (outcome, here)
                }
            };
            let Some(link) = self.core.links.table.at_mut(key) else { return };
            match outcome {
                Ok(Routed::Done) => {
                    link.received.consume(taken);
                    if taken > HEADER {
                        link.traffic.came();
                    }
                }
                Ok(Routed::Stalled(stall)) => {
                    link.stalled = Some(stall);
                    link.traced = true;
                    return;
                }
                Err(e) => return self.down(key, Reason::Misbehaved(e)),
            }
        }
    }
}

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
        if self.core.flow.back.is_some() {
            // what comes may be delivered in place of it
            self.core.put_aside();
        }
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
                    // what tells whom it is for is looked at once, when as much of it is here as ever will be
                    if bytes.len() < stride {
                        return;
                    }
                    #[cfg(test)]
                    tests::PARSED.set(tests::PARSED.get() + 1);
                    let parsed = ControlMessage::parse(head);
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

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::cell::Cell;

    use super::*;
    use crate::node::tables::event::Event;
    use crate::node::tables::links::{Link, Phase};
    use crate::node::{Config, Connection, NodeStorage};
    use crate::wire::ids::NodeName;

    std::thread_local! {
        /// How often the head of an oversized frame was parsed.
        pub(super) static PARSED: Cell<usize> = const { Cell::new(0) };
    }

    /// A byte at a time: a message whose control tuple fits the buffer, and one whose trace token alone does not.
    #[test]
    fn the_head_of_an_oversized_frame_is_parsed_once() {
        let mut storage = Box::new(NodeStorage::<1, 1, 4096>::new());
        let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), &mut storage);
        let link = Link::new(NodeName::new("b@host").unwrap(), Phase::Up);
        let key = node.core.links.table.insert(link).ok().unwrap();
        let mut connection = Connection { key, up: true };
        let pid = [&[88, 119, 6][..], b"b@host", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]].concat();
        let binary = [&[109, 0, 0, 0x20, 0][..], &[7; 0x2000]].concat();
        let message = [&[112, 131, 104, 4, 97, 6][..], &pid, &[119, 0, 119, 1, b'x', 131], &binary].concat();
        let traced = [&[112, 131, 104, 5, 97, 16][..], &pid, &[119, 0, 119, 1, b'x'], &binary, &[131, 106]].concat();
        for (op, body) in [(6, message), (16, traced)] {
            PARSED.set(0);
            let len = u32::try_from(body.len()).unwrap().to_be_bytes();
            for byte in len.into_iter().chain(body) {
                node.read_buffer(connection)[0] = byte;
                node.handle_bytes(&mut connection, 1);
            }
            assert_eq!(PARSED.get(), 1);
            let event = node.poll_event();
            assert!(matches!(event, Some(Event::TooLarge { op: told, .. }) if told == op), "{event:?}");
        }
    }
}

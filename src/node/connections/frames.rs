//! Taking frames off what came.

use super::node::Node;
use crate::error::Reason;
use crate::node::core::state::{Core, Routed};
use crate::node::forms::tag::may_be_more;
use crate::node::tables::links::Stall;
use crate::node::tables::mailbox::Inboxes;
use crate::node::tables::peers::Far;
use crate::node::tables::record::{Kind, front};
use crate::node::trace;
use crate::storage::slots::Key;
use crate::wire::control::ControlMessage;
use crate::wire::frame::{self, Frame, HEADER};
use crate::wire::term::Term;

impl Node<'_> {
    /// Takes whole frames off what was received until there are no more, or one has to wait.
    pub(in crate::node) fn pump(&mut self, key: Key) {
        if self.core.flow.back.is_some() {
            // what comes may be delivered in place of it
            self.core.put_aside();
        }
        self.core.tell_lost();
        self.stream(key);
        while self.take_frame(key) {
            self.stream(key);
        }
    }

    /// Takes messages that have the same control part as the last one that was delivered, which is the way of nearly all.
    fn stream(&mut self, key: Key) {
        let stride = self.receiving.size();
        let Core { far: Far { links, ledger, .. }, inboxes, .. } = &mut self.core;
        let is_alone = links.is_alone();
        let Some(link) = links.table.at_mut(key) else { return };
        let bytes = link.received.filled(self.receiving.at(key.index));
        let Some((to, head, from)) = link.recent.parts() else { return };
        // before all else, as what comes in turn with others is not like the last
        if !bytes.get(HEADER..).is_some_and(|body| body.starts_with(head)) {
            return;
        }
        if !link.takes_frames(stride) || ledger.is_due() || trace::is_on() {
            return;
        }
        let Inboxes { table, rings, unread } = inboxes;
        let Some(inbox) = table.at_mut(to).filter(|inbox| inbox.ended.is_none()) else { return };
        let Some(front) = front(Kind::Message, key, from) else { return };
        let memory = rings.at_mut(to.index);
        let ahead = front.len().saturating_add(from.len());
        let (mut taken, mut count, mut held) = (0_usize, 0_u64, link.unread);
        while let Frame::Whole(body) = frame::next(bytes.get(taken..).unwrap_or(&[]), stride) {
            let Some(payload) = body.strip_prefix(head).filter(|payload| !may_be_more(payload)) else { break };
            let Ok(term) = Term::payload(payload) else { break };
            // lengths of pieces of memory, which are far from the end of the numbers
            let len = ahead.wrapping_add(term.as_bytes().len());
            if !(is_alone || inbox.takes(held, len, memory.len())) || !inbox.put(memory, len, [&front, from, term.as_bytes()]) {
                break;
            }
            held = held.wrapping_add(len);
            taken = taken.wrapping_add(body.len()).wrapping_add(HEADER);
            count = count.wrapping_add(1);
        }
        if count > 0 {
            let is_new = inbox.round != unread.round;
            link.unread = held;
            link.received.consume(taken);
            link.idle = 0;
            link.traffic.received = link.traffic.received.wrapping_add(count);
            if is_new {
                unread.came(table, to.index);
            }
        }
    }

    /// Takes the next frame; `false` if there is none that can be taken now.
    fn take_frame(&mut self, key: Key) -> bool {
        let stride = self.receiving.size();
        let Some(link) = self.core.far.links.table.at_mut(key).filter(|link| link.is_up()) else { return false };
        let bytes = link.received.filled(self.receiving.at(key.index));
        let skipped = link.state.skips(bytes.len());
        if skipped > 0 {
            link.received.consume(skipped);
            return true;
        }
        if link.state.is_skipping() {
            return false;
        }
        if !link.takes_frames(stride) {
            self.core.stall(key, Stall::Transmit);
            return false;
        }
        let (outcome, taken) = match frame::next(bytes, stride) {
            Frame::Partial => return false,
            Frame::Tick => {
                if link.state.answers_tick() {
                    self.core.far.links.tick(key);
                }
                (Ok(Routed::Done), HEADER)
            }
            Frame::Whole(body) => {
                let taken = body.len().saturating_add(HEADER);
                if trace::is_on() {
                    link.trace(body, taken as u64);
                }
                link.idle = 0;
                (self.core.route(key, body), taken)
            }
            // what tells whom it is for is looked at once, when as much of it is here as ever will be
            Frame::Oversized(..) if bytes.len() < stride => return false,
            Frame::Oversized(head, len) => {
                #[cfg(test)]
                tests::PARSED.set(tests::PARSED.get() + 1);
                let parsed = ControlMessage::parse(head);
                let size = u64::from(len).saturating_add(HEADER as u64);
                let here = bytes.len();
                if trace::is_on() {
                    link.trace(head, size);
                }
                let outcome = self.core.oversized(key, head, parsed, size);
                if let (Ok(Routed::Done), Some(link)) = (&outcome, self.core.far.links.table.at_mut(key)) {
                    link.state.skip(size.saturating_sub(here as u64));
                }
                (outcome, here)
            }
        };
        let Some(link) = self.core.far.links.table.at_mut(key) else { return false };
        match outcome {
            Ok(Routed::Done) => {
                link.received.consume(taken);
                if taken > HEADER {
                    link.traffic.came();
                }
                return true;
            }
            Ok(Routed::Stalled(stall)) => {
                link.traced = true;
                self.core.stall(key, stall);
            }
            Err(e) => self.down(key, Reason::Misbehaved(e)),
        }
        false
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
        let key = node.core.far.links.table.insert(link).ok().unwrap();
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

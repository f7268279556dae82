//! A whole node: what strangers say before they have shown the cookie, and what a peer says behind it.

use std::time::Duration;

use crate::error::{NetworkFault, Reason};
use crate::node::{Connection, Event, Exception, Failure, Mailbox, Monitor, Origin, Received, Request};
use crate::time::Instant;
use crate::wire::ids::OwnedPid;
use crate::wire::term::Term;

use super::input::Input;
use super::stage::{End, Sent, dial, settle, small};

/// Has strangers talk to a node, some to whom it has connected itself. None of them knows the cookie, and so none ever is a peer.
pub fn node_stranger(data: &[u8]) {
    let mut input = Input::new(data);
    let mut storage = small();
    let mut end = End::new("b@host", &mut storage);
    let mailbox = end.node.register("x").expect("the first mailbox");
    let mut strangers: Vec<Connection> = Vec::new();
    let mut now = Instant::default();
    while !input.is_empty() {
        let (what, which) = (input.below(8), input.below(4));
        match what {
            0 => {
                let origin = Origin::default();
                strangers.extend(end.node.accept(origin, 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(1 + which as u64), now));
            }
            1 => {
                let name = ["a@host", "c@host", "b@host", "a@host.far"][which];
                let _ = end.node.connect(name);
                if let Ok(mut out) = end.node.outbox(mailbox) {
                    let _ = out.send(("x", "a@host"), |t| t.int(1));
                }
            }
            2 => {
                if let Some((connection, node)) = end.node.poll_dial(now) {
                    assert!(!node.as_str().is_empty());
                    if which == 0 {
                        end.node.handle_unreachable(connection, NetworkFault::Refused);
                    } else {
                        end.node.handle_connected(connection, 0x0123_4567_89ab_cdef, now);
                        strangers.push(connection);
                    }
                }
            }
            3 => {
                now = now.after(Duration::from_millis(500 * (1 + which as u64)));
                end.node.handle_timeout(now);
            }
            _ => {
                let Some(connection) = strangers.get_mut(which) else { continue };
                match what {
                    4 => _ = end.say(*connection, input.byte().into()),
                    5 => {
                        end.node.handle_closed(*connection, (input.byte() > 127).then_some(NetworkFault::Reset));
                        strangers.remove(which);
                    }
                    _ => {
                        let mut bytes = input.bytes();
                        while !bytes.is_empty() {
                            let heard = end.hear(connection, bytes);
                            bytes = &bytes[heard..];
                            if heard == 0 {
                                break;
                            }
                        }
                    }
                }
            }
        }
        for event in end.news() {
            assert!(!matches!(event, Event::NodeUp { .. } | Event::NodeDown { .. }), "{event}");
        }
        assert_eq!(end.node.peers().count(), 0);
        assert!(end.node.recv(mailbox).is_none());
        // the driver lets go of what is over, and has written all of it
        strangers.retain(|connection| end.node.is_open(*connection) || !end.node.poll_transmit(*connection).is_empty());
    }
    for connection in strangers {
        end.node.handle_closed(connection, None);
    }
    end.node.close();
    end.node.handle_timeout(now.after(Duration::from_secs(600)));
    end.news();
    let used = end.node.in_use();
    assert_eq!((used.peers, used.watches, used.requests), (0, 0, 0));
    assert!(end.node.poll_dial(now).is_none());
}

/// A node that hears a peer, and its program.
struct Victim<'s> {
    end: End<'s>,
    wire: Connection,
    mailboxes: Vec<Mailbox>,
    /// How many answers each call has had whose mailbox is there to get one.
    calls: Vec<(Request, u32)>,
    downs: Vec<(Monitor, u32)>,
    ended: Option<Reason>,
}

/// Has a peer that knows the cookie say whatever the bytes are, to a node whose tables are soon full. Its program does something of its own
/// between. In the end nothing is left of either.
pub fn node_peer(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut one, mut other) = (small(), small());
    let mut a = End::new("a@host", &mut one);
    let mut end = End::new("b@host", &mut other);
    a.node.connect("b@host").expect("a place for a peer");
    let mut wire = dial(&mut a, &mut end, 0x1234_5678_9abc_def0, Instant::default()).expect("a place for a caller");
    settle(&mut a, &mut end, &mut wire);
    assert!(end.node.peers().next().is_some());
    let mut victim = Victim { end, wire: wire.1, mailboxes: vec![], calls: vec![], downs: vec![], ended: None };
    victim.news();
    let (mut sent, mut waits, mut now) = (Sent::default(), Vec::new(), Instant::default());
    while !input.is_empty() && victim.ended.is_none() {
        match input.below(8) {
            0..3 => {
                let body = input.bytes();
                waits.extend((body.len() as u32).to_be_bytes());
                waits.extend(body);
                victim.hear(&mut waits);
            }
            3 => {
                waits.extend(input.bytes());
                victim.hear(&mut waits);
            }
            4 => victim.act(&mut input),
            5 => victim.read(&mut input),
            6 => {
                let said = victim.end.say(victim.wire, input.byte().into());
                sent.look(&said);
            }
            _ => {
                now = now.after(Duration::from_millis(200));
                victim.end.node.handle_timeout(now);
                victim.news();
            }
        }
    }
    // a peer ends for what it did, or for its silence
    assert!(matches!(victim.ended, None | Some(Reason::Misbehaved(_) | Reason::Silent)), "{:?}", victim.ended);
    victim.finish(&mut sent, now);
}

/// Counts one of these, and returns how many it were.
fn once_more<T: PartialEq>(all: &mut Vec<(T, u32)>, what: T) -> u32 {
    let at = all.iter().position(|(other, _)| *other == what).unwrap_or_else(|| {
        all.push((what, 0));
        all.len() - 1
    });
    all[at].1 += 1;
    all[at].1
}

impl Victim<'_> {
    fn news(&mut self) {
        for event in self.end.news() {
            match event {
                Event::MailboxEnded { mailbox, .. } => {
                    self.mailboxes.retain(|other| *other != mailbox);
                    self.calls.retain(|(request, _)| request.mailbox() != mailbox);
                }
                Event::NodeDown { reason, .. } => self.ended = Some(reason),
                _ => {}
            }
        }
    }

    /// Reads as much of what waits as there is room for.
    fn hear(&mut self, waits: &mut Vec<u8>) {
        // each turn of a driver reads once; what the node then holds up waits for the program
        for _ in 0..4 {
            let heard = self.end.hear(&mut self.wire, waits);
            waits.drain(..heard);
            self.news();
            if heard == 0 || waits.is_empty() {
                break;
            }
        }
        waits.truncate(1 << 14);
    }

    /// Takes what waits in the mailboxes, and answers some of it.
    fn read(&mut self, input: &mut Input<'_>) {
        let way = input.below(4);
        for mailbox in self.mailboxes.clone() {
            // no more messages than bytes that fit
            let mut messages = 0;
            while let Some((message, mut out)) = self.end.node.recv(mailbox) {
                messages += 1;
                assert!(messages <= 4096, "messages without an end");
                let term = message.term();
                assert_eq!(Term::parse(term.as_bytes()).map(Term::as_bytes), Ok(term.as_bytes()));
                // whether there is room for it does not matter here
                let _ = match (message.received(), way) {
                    (Received::Call(call), 1..) => out.reply(&call, |t| t.term(call.request)),
                    (Received::Apply(apply), 1) => out.raise(&apply, Exception::Error, |t| t.term(apply.args)),
                    (Received::Apply(apply), 2..) => out.reply(&apply, |t| t.term(apply.args)),
                    (Received::Exit { from, reason }, 1) => out.exit(from, |t| t.term(reason)),
                    (Received::Answer { request, result }, _) => {
                        assert_eq!(once_more(&mut self.calls, request), 1, "a second answer");
                        if let Err(Failure::Error { stack, .. }) = result {
                            assert!(stack.as_list().is_some());
                        }
                        Ok(())
                    }
                    (Received::Down { monitor, .. }, _) => {
                        assert_eq!(once_more(&mut self.downs, monitor), 1, "a second down");
                        Ok(())
                    }
                    _ => Ok(()),
                };
            }
            self.news();
        }
    }

    /// Does something of the program's own.
    fn act(&mut self, input: &mut Input<'_>) {
        let (what, which) = (input.below(10), input.byte());
        if self.mailboxes.len() < 3 && what > 7 {
            let name = if which & 1 == 0 { "x" } else { "y" };
            if let Ok(mailbox) = self.end.node.register(name).or_else(|_| self.end.node.register("")) {
                self.end.node.trap_exit(mailbox, which & 2 == 0).expect("a mailbox of ours");
                self.end.node.serve(mailbox, ["m:f/1"]).expect("room for a function");
                self.mailboxes.push(mailbox);
            }
        }
        let Some(mailbox) = self.mailboxes.get(usize::from(which >> 2 & 3)).copied() else { return };
        let peer: OwnedPid = {
            let bytes = [&[88, 119, 6][..], b"a@host", &[0, 0, 0, which >> 4 & 3, 0, 0, 0, 0, 0, 0, 0, 77]].concat();
            let pid = Term::trusted(&bytes).as_pid().and_then(OwnedPid::new);
            pid.expect("a pid")
        };
        let timeout = (which & 1 == 1).then(|| Duration::from_millis(100));
        let Ok(mut out) = self.end.node.outbox(mailbox) else { return };
        // what is refused is so for want of room
        match what {
            0 => _ = out.link(peer.as_pid()),
            1 => _ = out.unlink(peer.as_pid()),
            2 => _ = out.monitor(&peer).map(|monitor| self.downs.push((monitor, 0))),
            3 => _ = out.call(&peer, timeout, |t| t.nil()).map(|request| self.calls.push((request, 0))),
            4 => _ = out.rpc("a@host", "m", "f", timeout, |t| t.nil()).map(|request| self.calls.push((request, 0))),
            5 => _ = self.end.node.alias(mailbox),
            6 => {
                let given_up = self.calls.iter().position(|(request, _)| request.mailbox() == mailbox);
                if let Some(at) = given_up.filter(|at| out.abandon(self.calls[*at].0).is_ok()) {
                    self.calls.remove(at);
                }
            }
            7 => _ = self.end.node.close_mailbox(mailbox, |t| t.atom("done")),
            8 => _ = out.send(&peer, |t| t.binary(&[which; 300])),
            _ => {
                if let Some((monitor, _)) = self.downs.first() {
                    let _ = out.demonitor(*monitor);
                }
            }
        }
        self.news();
    }

    /// Ends the connection, and then the node: each call has its one answer, and the tables are empty.
    fn finish(mut self, sent: &mut Sent, now: Instant) {
        let nothing = &mut Input::new(&[]);
        for _ in 0..4 {
            let said = self.end.say(self.wire, usize::MAX);
            sent.look(&said);
            self.read(nothing);
        }
        self.end.node.handle_closed(self.wire, None);
        self.news();
        for _ in 0..3 {
            self.read(nothing);
            self.end.node.handle_timeout(now.after(Duration::from_secs(60)));
        }
        self.end.node.close();
        self.read(nothing);
        self.news();
        assert!(self.calls.iter().all(|(_, answers)| *answers == 1), "a call is not answered");
        let used = self.end.node.in_use();
        assert_eq!((used.peers, used.watches), (0, 0));
        for mailbox in self.mailboxes.clone() {
            self.end.node.close_mailbox(mailbox, |t| t.nil()).expect("a mailbox of ours");
        }
        self.end.node.handle_timeout(now.after(Duration::from_secs(61)));
        let used = self.end.node.in_use();
        assert_eq!((used.peers, used.watches, used.requests, used.mailboxes), (0, 0, 0, 0));
    }
}

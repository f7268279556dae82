//! Links, and the monitors that processes of peers have on what is here: who is to be told when something ends.
//!
//! Protocol: erl_dist_protocol, "Link Protocol" and the control messages LINK to PAYLOAD_MONITOR_P_EXIT.

use super::event::{Dropped, Event};
use super::links::{Frame, Links, Phase, Stall};
use super::mailbox::{Delivery, Mailbox, Record};
use super::message::{Handle, Kind};
use super::requests::Request;
use super::route::{Core, Routed};
use super::serve::NOBODY;
use crate::error::{Error, Full, Misuse};
use crate::storage::slots::{Key, Table};
use crate::wire::build::{TermWriter, WriteTerm};
use crate::wire::codes::{Flags, tag};
use crate::wire::control::{Control, Process, To};
use crate::wire::cursor::Writer;
use crate::wire::ids::{Atom, Pid, Reference};
use crate::wire::term::Term;

/// An encoded atom.
pub(super) const fn atom(bytes: &'static [u8]) -> Term<'static> {
    Term::trusted(bytes)
}

pub(super) const NOPROC: Term<'static> = atom(b"\x77\x06noproc");
pub(super) const NORMAL: Term<'static> = atom(b"\x77\x06normal");
pub(super) const KILLED: Term<'static> = atom(b"\x77\x06killed");
pub(super) const NOCONNECTION: Term<'static> = atom(b"\x77\x0cnoconnection");
pub(super) const SYSTEM_LIMIT: Term<'static> = atom(b"\x77\x0csystem_limit");
pub(super) const TIMEOUT: Term<'static> = atom(b"\x77\x07timeout");
/// In place of a reason that did not fit a buffer.
pub(super) const TOO_LARGE: Term<'static> = atom(b"\x77\x09too_large");

/// What is linked to or monitored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Mailbox(Key),
    /// A process that runs a served function, whose calls come to a mailbox.
    Job {
        number: u64,
        server: Key,
    },
    /// One that has ended, of which there was no room to tell.
    Ended(u64),
}

impl Owner {
    pub(super) fn is_job(self, wanted: u64) -> bool {
        matches!(self, Self::Job { number, .. } if number == wanted)
    }

    /// Whether it ends when this mailbox does.
    fn ends_with(self, mailbox: Key) -> bool {
        match self {
            Self::Mailbox(key) | Self::Job { server: key, .. } => key == mailbox,
            Self::Ended(_) => false,
        }
    }
}

/// A process of a peer, whose name is the link's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) id: u32,
    pub(super) serial: u32,
    pub(super) creation: u32,
}

impl Number {
    pub(super) fn of(pid: Pid<'_>) -> Self {
        Self { id: pid.id, serial: pid.serial, creation: pid.creation }
    }

    pub(super) fn on<'n>(self, node: Atom<'n>) -> Pid<'n> {
        Pid { node, id: self.id, serial: self.serial, creation: self.creation }
    }
}

/// The words of a peer's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    creation: u32,
    len: u8,
    bytes: [u8; 4 * Reference::MAX_WORDS],
}

impl Words {
    /// A reference that was checked when it came has five words at most.
    pub(super) fn of(reference: Reference<'_>) -> Self {
        let mut bytes = [0; 4 * Reference::MAX_WORDS];
        let words = reference.word_bytes();
        if let Some(place) = bytes.get_mut(..words.len()) {
            place.copy_from_slice(words);
        }
        Self { creation: reference.creation, len: u8::try_from(words.len()).unwrap_or(0), bytes }
    }

    fn on<'n>(&'n self, node: Atom<'n>) -> Reference<'n> {
        Reference::from_words(node, self.creation, self.bytes.get(..self.len.into()).unwrap_or(&[]))
    }
}

/// Somebody at a peer who is to be told when something here ends, or the other way round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    pub(super) owner: Owner,
    pub(super) peer: Key,
    pub(super) pid: Number,
    pub(super) kind: Tie,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    Link,
    /// We unlinked with this id: until it is acknowledged, exits of the process mean nothing.
    Unlinking(u64),
    /// The connection is gone, and the mailbox that traps exits has no room yet to be told so.
    Lost,
    /// The process monitors us.
    Monitor {
        reference: Words,
        given: Given,
    },
}

/// What a process named when it asked for a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Pid,
    Name,
    /// The monitor came with the request for the process.
    Spawn,
}

impl Watch {
    /// A link, whether active or not.
    pub(super) fn is_link(&self) -> bool {
        matches!(self.kind, Tie::Link | Tie::Unlinking(_))
    }

    /// Of whoever asked for the process, and waits for what it comes to.
    pub(super) fn is_spawners(&self) -> bool {
        matches!(self.kind, Tie::Monitor { given: Given::Spawn, .. })
    }
}

impl Core<'_> {
    /// What a process of this node is called, if it is alive.
    pub(super) fn owner(&self, process: Process<'_>) -> Option<Owner> {
        match process {
            Process::Name(name) => self.inboxes.find(name).map(Owner::Mailbox),
            Process::Pid(pid) if !self.identity.is_own(pid.node, pid.creation) => None,
            Process::Pid(pid) => match self.inboxes.by_pid(pid) {
                Some(key) => Some(Owner::Mailbox(key)),
                None => {
                    let job = |watch: &Watch| matches!(watch.owner, Owner::Job { number, .. } if is_job(pid, number));
                    self.watches.find(job).and_then(|key| self.watches.at(key)).map(|watch| watch.owner)
                }
            },
        }
    }

    fn find_watch(&self, peer: Key, wanted: impl Fn(&Watch) -> bool) -> Option<Key> {
        self.watches.find(|watch| watch.peer == peer && wanted(watch))
    }

    fn find_link(&self, owner: Owner, peer: Key, pid: Number) -> Option<Key> {
        self.find_watch(peer, |w| w.owner == owner && w.pid == pid && w.is_link())
    }

    /// A process of the peer links to something here.
    pub(super) fn linked(&mut self, peer: Key, from: Pid<'_>, to: Pid<'_>) {
        let exit = Control::Exit { from: to, to: from, reason: None };
        let Some(owner) = self.owner(Process::Pid(to)) else {
            // what the core itself answers for lasts as long as the node does
            if !self.is_core(Process::Pid(to)) {
                self.answer_exit(peer, &exit, NOPROC);
            }
            return;
        };
        // one that was unlinked here stays so: the peer has our unlink yet to come
        if self.find_link(owner, peer, Number::of(from)).is_some() {
            return;
        }
        if self.watches.insert(Watch { owner, peer, pid: Number::of(from), kind: Tie::Link }).is_err() {
            self.no_room(peer, To::Pid(to));
            self.answer_exit(peer, &exit, SYSTEM_LIMIT);
        }
    }

    /// A process of the peer unlinks. The acknowledgement goes before anything else that is sent to it.
    pub(super) fn unlinked(&mut self, peer: Key, id: u64, from: Pid<'_>, to: Pid<'_>) {
        self.untie(peer, to, from, Tie::Link);
        if id > 0 {
            self.answer(peer, &Control::UnlinkAck { id, from: to, to: from }, None);
        }
    }

    /// The peer has seen our unlink: the link can be made anew.
    pub(super) fn unlink_acknowledged(&mut self, peer: Key, id: u64, from: Pid<'_>, to: Pid<'_>) {
        self.untie(peer, to, from, Tie::Unlinking(id));
    }

    /// Forgets this tie of `to`, which is here, and `from`.
    fn untie(&mut self, peer: Key, to: Pid<'_>, from: Pid<'_>, kind: Tie) {
        let Some(owner) = self.owner(Process::Pid(to)) else { return };
        if let Some(key) = self.find_watch(peer, |w| w.owner == owner && w.pid == Number::of(from) && w.kind == kind) {
            self.watches.remove(key);
        }
    }

    /// A process of the peer monitors something here.
    pub(super) fn monitored(&mut self, peer: Key, from: Pid<'_>, to: Process<'_>, reference: Reference<'_>) {
        let down = Control::MonitorExit { from: to, to: from, reference, reason: None };
        let Some(owner) = self.owner(to) else {
            if !self.is_core(to) {
                self.answer_exit(peer, &down, NOPROC);
            }
            return;
        };
        let given = if matches!(to, Process::Name(_)) { Given::Name } else { Given::Pid };
        let kind = Tie::Monitor { reference: Words::of(reference), given };
        if self.watches.insert(Watch { owner, peer, pid: Number::of(from), kind }).is_err() {
            let receiver = match to {
                Process::Pid(pid) => To::Pid(pid),
                Process::Name(name) => To::Name(name),
            };
            self.no_room(peer, receiver);
            self.answer_exit(peer, &down, SYSTEM_LIMIT);
        }
    }

    /// Sends an exit or a down.
    fn answer_exit(&mut self, peer: Key, control: &Control<'_>, reason: Term<'_>) {
        match put_exit(&mut self.links, peer, 0, control, |t| t.term(reason)) {
            Ok(()) | Err(Error::NotConnected) => {}
            Err(e) => log::warn!("an exit could not be sent: {e}"),
        }
    }

    #[cold]
    fn no_room(&mut self, peer: Key, to: To<'_>) {
        if let Some(node) = self.name(peer) {
            self.events.push(Event::Dropped { node, to: to.into(), why: Dropped::WatchesFull });
        }
    }

    /// A process of the peer does not monitor any more. When nobody waits for a served function any more, its process is over.
    pub(super) fn demonitored(&mut self, peer: Key, from: Pid<'_>, reference: Reference<'_>) {
        let words = Words::of(reference);
        let (pid, same) = (Number::of(from), |w: &Watch| matches!(w.kind, Tie::Monitor { reference, .. } if reference == words));
        if let Some(key) = self.find_watch(peer, |w| w.pid == pid && same(w)) {
            self.watches.remove(key);
        }
    }

    /// A process of the peer that was linked to something here ended.
    pub(super) fn link_broken(&mut self, peer: Key, from: Pid<'_>, to: Pid<'_>, reason: Option<Term<'_>>) -> Routed {
        let Some(owner) = self.owner(Process::Pid(to)) else { return Routed::Done };
        let Some(key) = self.find_link(owner, peer, Number::of(from)) else { return Routed::Done };
        // until our unlink is acknowledged this is from before it
        if self.watches.at(key).is_none_or(|watch| watch.kind != Tie::Link) {
            return Routed::Done;
        }
        // taken out first: a mailbox that ends by it does not tell the process which has
        let watch = self.watches.remove(key);
        let routed = self.exit_signal(owner, from, reason.unwrap_or(TOO_LARGE), Cause::Link);
        if let (Routed::Stalled(_), Some(watch)) = (&routed, watch) {
            // into the place that was just freed
            let _ = self.watches.insert(watch);
        }
        routed
    }

    /// `exit(To, Reason)`.
    pub(super) fn told_to_exit(&mut self, peer: Key, from: Pid<'_>, to: To<'_>, reason: Option<Term<'_>>) -> Routed {
        let owner = match to {
            To::Pid(pid) => self.owner(Process::Pid(pid)),
            To::Name(name) => self.owner(Process::Name(name)),
            To::Alias(alias) => self.aliased(alias).map(Owner::Mailbox),
        };
        match owner {
            Some(owner) => self.exit_signal(owner, from, reason.unwrap_or(TOO_LARGE), Cause::Asked),
            None => self.drop(peer, to.into(), Dropped::NoReceiver),
        }
    }

    /// What an exit signal does: nothing, a message, or the end.
    fn exit_signal(&mut self, owner: Owner, from: Pid<'_>, reason: Term<'_>, cause: Cause) -> Routed {
        let kill = cause == Cause::Asked && reason.is_atom("kill");
        let key = match owner {
            Owner::Mailbox(key) => key,
            Owner::Job { number, .. } => {
                if kill || !reason.is_atom("normal") {
                    self.job_ends(number, if kill { KILLED } else { reason });
                }
                return Routed::Done;
            }
            Owner::Ended(_) => return Routed::Done,
        };
        if kill {
            self.end_mailbox(key, KILLED.as_bytes());
            return Routed::Done;
        }
        let traps = self.inboxes.table.at(key).is_some_and(|inbox| inbox.traps_exits);
        if !traps {
            if !reason.is_atom("normal") {
                self.end_mailbox(key, reason.as_bytes());
            }
            return Routed::Done;
        }
        let mut encoded = [0; PID];
        let mut out = Writer::new(&mut encoded);
        // a pid with the longest name fits
        let _ = TermWriter::uncounted(&mut out).pid(from);
        let len = out.finish().unwrap_or(0);
        let from = encoded.get(..len).unwrap_or(&[]);
        let record = Record { kind: Kind::Exit, from, handle: Some(Handle::NONE), term: reason };
        let delivery = if cause == Cause::Lost { self.inboxes.deliver(key, &record) } else { self.deliver(key, &record) };
        match delivery {
            Delivery::Held => Routed::Stalled(Stall::Mailbox(key)),
            Delivery::Done | Delivery::Dropped => Routed::Done,
        }
    }

    /// A mailbox ends: everybody who is to be told is, as soon as there is room, and then its place is free.
    pub(super) fn end_mailbox(&mut self, key: Key, reason: &[u8]) {
        self.inboxes.end(key, reason);
        self.mailbox_ended(key);
    }

    /// As [`Core::end_mailbox`], once the reason is in place.
    pub(super) fn mailbox_ended(&mut self, key: Key) {
        if let Some(inbox) = self.inboxes.table.at(key) {
            let mut text = heapless::String::new();
            if let Some(reason) = self.inboxes.reason(key) {
                // as much of it as fits
                let _ = core::fmt::write(&mut Short(&mut text), format_args!("{reason}"));
            }
            self.events.push(Event::MailboxEnded { mailbox: Mailbox(key), name: inbox.name.clone(), reason: text });
        }
        self.flow.resume = true;
        self.drop_requests_of(key);
        for index in self.watches.indexes() {
            let Some(watch) = self.watches.key_at(index) else { continue };
            if self.watches.at(watch).is_some_and(|w| w.owner == Owner::Mailbox(key) && w.kind == Tie::Lost) {
                self.watches.remove(watch);
                self.counters.due = self.counters.due.saturating_sub(1);
            }
        }
        self.pay_for_mailbox(key);
        // what was due to it may have been all that was due
        free_gone(&mut self.links, &self.watches, &self.requests);
    }

    /// Tells those who are to be told that a mailbox ended, as far as there is room.
    pub(super) fn pay_for_mailbox(&mut self, key: Key) {
        let mut owes = false;
        for index in self.watches.indexes() {
            let Some(at) = self.watches.key_at(index) else { continue };
            let Some(watch) = self.watches.at(at).copied().filter(|w| w.owner.ends_with(key)) else { continue };
            let own = match watch.owner {
                Owner::Mailbox(_) => self.identity.pid(key),
                Owner::Job { number, .. } | Owner::Ended(number) => job_pid(self.identity.node(), self.identity.creation, number),
            };
            let (Some(inbox), Some(reason)) = (self.inboxes.table.at(key), self.inboxes.reason(key)) else { return };
            let name = Atom::from_str(&inbox.name);
            let told = match tell(&mut self.links, 0, &watch, own, name, &mut |t| t.term(reason)) {
                // the reason came in a frame whose names were shorter
                Err(Error::Full(Full::Message { .. })) => tell(&mut self.links, 0, &watch, own, name, &mut |t| t.term(TOO_LARGE)),
                told => told,
            };
            if is_paid(&told) {
                self.watches.remove(at);
            } else {
                owes = true;
            }
        }
        // its own monitors are taken back one by one
        owes |= self.requests.find(|request| request.mailbox == key).is_some();
        if owes {
            self.flow.owing = true;
        } else {
            self.inboxes.table.remove(key);
        }
    }

    /// The process of a served function ends for a reason of somebody else's.
    fn job_ends(&mut self, number: u64, reason: Term<'_>) {
        for index in self.watches.indexes() {
            let Some(at) = self.watches.key_at(index) else { continue };
            let Some(watch) = self.watches.at(at).copied().filter(|w| w.owner.is_job(number)) else { continue };
            let own = job_pid(self.identity.node(), self.identity.creation, number);
            let told = match tell(&mut self.links, 0, &watch, own, NOBODY, &mut |t| t.term(reason)) {
                // the reason stands in a frame that does not stay
                Err(Error::Full(_)) => tell(&mut self.links, 0, &watch, own, NOBODY, &mut |t| t.term(TOO_LARGE)),
                told => told,
            };
            if is_paid(&told) {
                self.watches.remove(at);
            } else if let Some(watch) = self.watches.at_mut(at) {
                watch.owner = Owner::Ended(number);
                self.flow.owing = true;
            }
        }
    }

    /// Tells those who were not told yet that the process of a served function ended.
    pub(super) fn pay_for_jobs(&mut self) {
        for index in self.watches.indexes() {
            let Some(at) = self.watches.key_at(index) else { continue };
            let Some(watch) = self.watches.at(at).copied() else { continue };
            let Owner::Ended(number) = watch.owner else { continue };
            let own = job_pid(self.identity.node(), self.identity.creation, number);
            if is_paid(&tell(&mut self.links, 0, &watch, own, NOBODY, &mut |t| t.term(KILLED))) {
                self.watches.remove(at);
            } else {
                self.flow.owing = true;
            }
        }
    }

    /// Whether something here is tied to processes of the peer.
    pub(super) fn is_tied(&self, peer: Key) -> bool {
        is_tied(&self.watches, &self.requests, peer)
    }

    /// Frees the place of a connection that is no more, once nobody is to be told of it any more.
    pub(super) fn release(&mut self, peer: Key) {
        if self.is_tied(peer) {
            if let Some(link) = self.links.table.at_mut(peer) {
                link.phase = Phase::Gone;
            }
        } else {
            self.links.table.remove(peer);
        }
    }

    /// A connection is no more: everything here that is tied to its processes is told, as far as there is room in mailboxes.
    pub(super) fn connection_lost(&mut self, peer: Key) {
        for index in self.watches.indexes() {
            let Some(at) = self.watches.key_at(index) else { continue };
            let Some(watch) = self.watches.at(at).copied().filter(|w| w.peer == peer) else { continue };
            match (watch.kind, watch.owner) {
                (Tie::Link, Owner::Mailbox(key)) if self.inboxes.get(Mailbox(key)).is_ok() => {
                    if let Some(entry) = self.watches.at_mut(at) {
                        entry.kind = Tie::Lost;
                        self.counters.due = self.counters.due.saturating_add(1);
                    }
                }
                (Tie::Lost, _) => {}
                // whoever waited for a function, or for the end of a mailbox that has ended, is gone
                (Tie::Link | Tie::Unlinking(_) | Tie::Monitor { .. }, _) => {
                    self.watches.remove(at);
                }
            }
        }
        self.requests_lost(peer);
        self.tell_lost();
        // mailboxes that ended may owe nothing any more
        self.flow.pay |= self.flow.owing;
    }

    /// Brings what is due to mailboxes, as far as they have room: broken links, and answers that this node knows by itself.
    pub(super) fn tell_lost(&mut self) {
        if self.counters.due == 0 {
            return;
        }
        for index in self.watches.indexes() {
            let Some(at) = self.watches.key_at(index) else { continue };
            let Some(watch) = self.watches.at(at).copied().filter(|w| w.kind == Tie::Lost) else { continue };
            let Some(node) = self.name(watch.peer) else { continue };
            // taken out first: the mailbox may end by it, and tells nobody who is not there any more
            self.watches.remove(at);
            self.counters.due = self.counters.due.saturating_sub(1);
            if let Routed::Stalled(_) = self.exit_signal(watch.owner, watch.pid.on(node.as_atom()), NOCONNECTION, Cause::Lost) {
                self.counters.due = self.counters.due.saturating_add(1);
                // into the place that was just freed
                let _ = self.watches.insert(watch);
            }
        }
        self.answer_due();
        free_gone(&mut self.links, &self.watches, &self.requests);
    }
}

fn is_tied(watches: &Table<'_, Watch>, requests: &Table<'_, Request>, peer: Key) -> bool {
    watches.find(|watch| watch.peer == peer).is_some() || requests.find(|request| request.peer == peer).is_some()
}

/// Frees the places of connections that are no more, those of which nobody here is to be told any more.
pub(super) fn free_gone(links: &mut Links<'_>, watches: &Table<'_, Watch>, requests: &Table<'_, Request>) {
    for index in links.table.indexes() {
        let Some(key) = links.table.key_at(index) else { continue };
        if links.table.at(key).is_some_and(|link| link.phase == Phase::Gone) && !is_tied(watches, requests, key) {
            links.table.remove(key);
        }
    }
}

/// Where an exit signal comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Somebody called `exit/2`.
    Asked,
    Link,
    /// The connection broke, and what is due is being delivered.
    Lost,
}

/// Tells one process that what it is tied to ended. `keep` bytes of its node's transmit buffer stay free.
pub(super) fn tell(
    links: &mut Links<'_>,
    keep: usize,
    watch: &Watch,
    own: Pid<'_>,
    name: Atom<'_>,
    reason: WriteTerm<'_>,
) -> Result<(), Error> {
    let Some(node) = links.table.at(watch.peer).map(|link| link.name.clone()) else { return Ok(()) };
    let to = watch.pid.on(node.as_atom());
    let control = match &watch.kind {
        Tie::Link => Control::Exit { from: own, to, reason: None },
        Tie::Monitor { reference, given } => {
            let from = if *given == Given::Name { Process::Name(name) } else { Process::Pid(own) };
            Control::MonitorExit { from, to, reference: reference.on(node.as_atom()), reason: None }
        }
        Tie::Unlinking(_) | Tie::Lost => return Ok(()),
    };
    put_exit(links, watch.peer, keep, &control, reason)
}

/// Sends an exit or a down, with its reason where the peer reads it: as payload if it can.
pub(super) fn put_exit<F>(links: &mut Links<'_>, peer: Key, keep: usize, control: &Control<'_>, reason: F) -> Result<(), Error>
where
    F: FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
{
    let mut frame = begin_exit(links, peer, keep, control)?;
    TermWriter::one_inside(&mut frame.out, reason)?;
    frame.end()
}

/// What goes in front of the reason.
fn begin_exit<'l>(links: &'l mut Links<'_>, peer: Key, keep: usize, control: &Control<'_>) -> Result<Frame<'l>, Error> {
    let payload = links.flags(peer).has(Flags::EXIT_PAYLOAD);
    let mut frame = links.begin(peer, keep)?;
    if payload {
        control.put(&mut frame.out)?;
        frame.out.u8(tag::VERSION);
    } else {
        control.put_up_to_reason(&mut frame.out)?;
    }
    Ok(frame)
}

/// Whether nothing is owed any more: it was sent, or can never be, since the connection is gone and with it everybody who waited.
fn is_paid(told: &Result<(), Error>) -> bool {
    !matches!(told, Err(Error::Full(Full::Transmit { .. })))
}

/// Bytes of an encoded pid with the longest name.
pub(super) const PID: usize = 16 + 4 * Atom::MAX_CHARS;

/// Takes as much text as there is room for.
struct Short<'t>(&'t mut heapless::String<64>);

impl core::fmt::Write for Short<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.chars().try_for_each(|c| self.0.push(c).map_err(|_| core::fmt::Error))
    }
}

/// The pid of a process that runs a served function. Mailboxes have the numbers below.
pub(super) fn job_pid<'n>(node: Atom<'n>, creation: u32, number: u64) -> Pid<'n> {
    let low = u32::try_from(number & 0x7ff_ffff).unwrap_or(0);
    Pid { node, id: FIRST_JOB | (low & 0x3fff), serial: low >> 14, creation }
}

/// Pids have 15 bits here, which is what every release reads.
pub(super) const FIRST_JOB: u32 = 0x4000;

fn is_job(pid: Pid<'_>, number: u64) -> bool {
    let own = job_pid(pid.node, pid.creation, number);
    (own.id, own.serial) == (pid.id, pid.serial)
}

//! What this node asked of others and waits for: monitors, calls, and the aliases it gave out.

use super::links::{Identity, Links, Stall};
use super::mailbox::{Delivery, Record};
use super::message::{Handle, Kind, alias};
use super::route::{Core, Routed};
use super::watch::{NOCONNECTION, Number, TIMEOUT, TOO_LARGE};
use crate::error::{Error, Full};
use crate::storage::slots::{Key, Table};
use crate::time::Instant;
use crate::wire::codes::tag;
use crate::wire::control::{Control, Process, To};
use crate::wire::cursor::Reader;
use crate::wire::ids::{Atom, Pid, Reference};
use crate::wire::term::Term;

/// One monitor, call or alias.
pub(super) struct Request {
    /// Never used again, so that an answer that comes late finds nothing.
    pub(super) number: u64,
    pub(super) mailbox: Key,
    /// An alias belongs to no peer: it has a key that no link ever has.
    pub(super) peer: Key,
    pub(super) kind: Ask,
    pub(super) target: Target,
    pub(super) limit: Limit,
    pub(super) state: State,
}

/// The peer of what belongs to none.
pub(super) const NOBODY: Key = Key { index: u16::MAX, generation: u16::MAX };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Alias,
    Monitor,
    Call,
    /// A call of `rex`.
    Rex,
    /// A call of a function, by a spawn request.
    Spawn,
}

/// Whom a demonitor names.
pub(super) enum Target {
    /// Not known yet: the process is being spawned.
    Unknown,
    Pid(Number),
    Name(heapless::String<255>),
}

/// How long a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    None,
    /// Not counted from yet: nobody has looked at the time since it began.
    In(core::time::Duration),
    At(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    /// Its outcome waits for room in the mailbox.
    Due(Outcome),
    /// Nobody waits for it any more, and the peer is to be told.
    Leaving,
}

/// What this node knows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Timeout,
    NoConnection,
}

/// Numbers that count what there is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    /// The last number given out.
    last: u64,
    /// Calls under way, whose answers may come to the pid of a mailbox.
    pub(super) calls: u32,
    /// Outcomes that wait for room in a mailbox.
    pub(super) due: u32,
}

impl Counters {
    /// Whether a message like the one before goes to the same mailbox, without a closer look.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.calls == 0 && self.due == 0
    }

    /// A number that was never used: the first is 1.
    pub(super) fn next(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}

/// A reference of this node, as it stands on the wire.
pub(super) struct OwnWords([u8; 12]);

impl OwnWords {
    pub(super) fn new(handle: Handle) -> Self {
        let words = [u64::from(handle.index), handle.number & 0xffff_ffff, handle.number >> 32];
        let mut bytes = [0; 12];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&u32::try_from(word).unwrap_or(0).to_be_bytes());
        }
        Self(bytes)
    }

    pub(super) fn reference<'r>(&'r self, identity: &'r Identity<'_>) -> Reference<'r> {
        Reference::from_words(identity.node(), identity.creation, &self.0)
    }

    /// What a reference of this node is about.
    fn read(reference: Reference<'_>) -> Option<Handle> {
        let mut words = reference.words();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(index), Some(low), Some(high), None) => {
                Some(Handle { index: u16::try_from(index).ok()?, number: u64::from(high) << 32 | u64::from(low) })
            }
            _ => None,
        }
    }
}

impl Request {
    /// What the peer is told when nobody waits any more.
    fn demonitor<'r>(&'r self, from: Pid<'r>, node: Atom<'r>, reference: Reference<'r>) -> Option<Control<'r>> {
        let to = match &self.target {
            Target::Unknown => return None,
            Target::Pid(number) => Process::Pid(number.on(node)),
            Target::Name(name) => Process::Name(Atom::from_str(name)),
        };
        Some(Control::Demonitor { from, to, reference })
    }

    /// Whether it is answered as a `gen_server` answers.
    fn is_call(&self) -> bool {
        matches!(self.kind, Ask::Call | Ask::Rex)
    }

    /// What the answer to it is, as a record.
    fn answer(&self) -> Kind {
        if self.kind == Ask::Rex { Kind::RexReply } else { Kind::Reply }
    }

    /// What the end of the process it watches is, as a record.
    fn ended(&self) -> Kind {
        match self.kind {
            Ask::Monitor | Ask::Alias => Kind::Down,
            Ask::Call | Ask::Rex => Kind::Lost,
            Ask::Spawn => Kind::Spawned,
        }
    }
}

/// The reference in the tag of an answer, in either of its forms: older processes answer to the pid even where they were given an alias.
fn answer_tag(term: Term<'_>) -> Option<Reference<'_>> {
    let [tag, _] = term.tuple()?;
    reference(tag)
}

fn reference(tag: Term<'_>) -> Option<Reference<'_>> {
    tag.as_reference().or_else(|| alias(tag))
}

/// Whether a message is a tuple of two with something in front that may be a tag: an answer that comes late is no message.
#[inline]
pub(super) fn may_be_answer(payload: &[u8]) -> bool {
    matches!(
        payload,
        [tag::VERSION, tag::SMALL_TUPLE, 2, tag::LIST | tag::NEW_REFERENCE | tag::NEWER_REFERENCE | tag::REFERENCE, ..]
    )
}

/// The same of an answer of which only the front is here: `{Tag, ..`.
pub(super) fn front_tag(payload: &[u8]) -> Option<Reference<'_>> {
    // the version of the format, and a tuple of two
    let front = payload.strip_prefix(&[tag::VERSION, tag::SMALL_TUPLE, 2])?;
    reference(Term::check(&mut Reader::new(front)).ok()?)
}

/// The request with this handle.
pub(super) fn find(requests: &Table<'_, Request>, handle: Handle) -> Option<Key> {
    let key = requests.key_at(handle.index)?;
    requests.at(key).is_some_and(|request| request.number == handle.number).then_some(key)
}

/// Removes a request.
pub(super) fn remove(requests: &mut Table<'_, Request>, counters: &mut Counters, key: Key) {
    if let Some(request) = requests.remove(key) {
        counters.calls = counters.calls.saturating_sub(request.is_call().into());
        counters.due = counters.due.saturating_sub(matches!(request.state, State::Due(_)).into());
    }
}

/// Tells the peer that nobody waits for a request any more. `false`: it is not to be told yet, for want of room or of knowing whom to name.
pub(super) fn take_back(
    identity: &Identity<'_>,
    links: &mut Links<'_>,
    key: Key,
    request: &Request,
    keep: usize,
) -> Result<bool, Error> {
    // whom nothing can be sent to any more has forgotten it
    let Some(link) = links.table.at(request.peer).filter(|link| link.takes()) else { return Ok(true) };
    let node = link.name.clone();
    let words = OwnWords::new(Handle { index: key.index, number: request.number });
    let from = identity.pid(request.mailbox);
    let Some(control) = request.demonitor(from, node.as_atom(), words.reference(identity)) else { return Ok(false) };
    links.frame(request.peer, keep, |out| control.put(out)).map(|()| true)
}

impl Core<'_> {
    /// What a reference stands for, if it is one of ours.
    pub(super) fn request(&self, reference: Reference<'_>) -> Option<Key> {
        if !self.identity.is_own(reference.node, reference.creation) {
            return None;
        }
        find(&self.requests, OwnWords::read(reference)?)
    }

    /// The same, if it was asked of this peer. An answer to a call may come from anywhere, since a process may leave it to another.
    fn asked_of(&self, peer: Key, reference: Reference<'_>) -> Option<Key> {
        self.request(reference).filter(|key| self.requests.at(*key).is_some_and(|request| request.peer == peer))
    }

    /// The mailbox that gave out an alias.
    pub(super) fn aliased(&self, alias: Reference<'_>) -> Option<Key> {
        let request = self.requests.at(self.request(alias)?)?;
        (request.kind == Ask::Alias).then_some(request.mailbox)
    }

    /// The call that a message is the answer to, going by its address, or by its tag where that has to do.
    pub(super) fn answered(&self, to: To<'_>, term: Term<'_>) -> Option<Key> {
        let (reference, mailbox) = match to {
            To::Alias(alias) => (alias, None),
            To::Pid(pid) if self.counters.calls > 0 => (answer_tag(term)?, Some(self.inboxes.by_pid(pid)?)),
            _ => return None,
        };
        let key = self.request(reference)?;
        let request = self.requests.at(key).filter(|request| request.is_call())?;
        mailbox.is_none_or(|mailbox| mailbox == request.mailbox).then_some(key)
    }

    /// Whether a message is the answer to a call that nobody waits for any more, on its way to a pid.
    pub(super) fn is_late(&self, term: Term<'_>) -> bool {
        answer_tag(term).is_some_and(|tag| self.identity.is_own(tag.node, tag.creation) && self.request(tag).is_none())
    }

    /// The answer to a call of ours.
    pub(super) fn reply(&mut self, key: Key, term: Term<'_>) -> Routed {
        let Some(request) = self.requests.at(key) else { return Routed::Done };
        if request.state != State::Waiting {
            return Routed::Done;
        }
        let kind = request.answer();
        match self.settle(key, kind, term) {
            Routed::Done => {}
            stalled @ Routed::Stalled(_) => return stalled,
        }
        self.leave(key);
        Routed::Done
    }

    /// The answer to a call of ours is too large to be received.
    pub(super) fn reply_too_large(&mut self, reference: Reference<'_>) -> Routed {
        let waiting = |request: &Request| request.is_call() && request.state == State::Waiting;
        let Some(key) = self.request(reference).filter(|key| self.requests.at(*key).is_some_and(waiting)) else {
            return Routed::Done;
        };
        if let stalled @ Routed::Stalled(_) = self.settle(key, Kind::NotSpawned, TOO_LARGE) {
            return stalled;
        }
        self.leave(key);
        Routed::Done
    }

    /// Brings the outcome of a request to its mailbox.
    fn settle(&mut self, key: Key, kind: Kind, term: Term<'_>) -> Routed {
        let Some(request) = self.requests.at(key) else { return Routed::Done };
        let handle = Some(Handle { index: key.index, number: request.number });
        let mailbox = request.mailbox;
        match self.deliver(mailbox, &Record { kind, from: &[], handle, term }) {
            Delivery::Held => Routed::Stalled(Stall::Mailbox(mailbox)),
            Delivery::Done | Delivery::Dropped => Routed::Done,
        }
    }

    /// Takes back a request that nobody waits for any more; what cannot be told now is owed.
    pub(super) fn leave(&mut self, key: Key) {
        let Some(request) = self.requests.at_mut(key) else { return };
        if matches!(request.state, State::Due(_)) {
            self.counters.due = self.counters.due.saturating_sub(1);
        }
        request.state = State::Leaving;
        let gone = match request.kind {
            Ask::Alias => Ok(true),
            _ => take_back(&self.identity, &mut self.links, key, request, 0),
        };
        match gone {
            Ok(true) => self.remove_request(key),
            // the answer to the spawn request says whom
            Ok(false) => {}
            Err(Error::Full(Full::Transmit { .. })) => self.flow.owing = true,
            Err(e) => {
                log::warn!("a monitor could not be taken back: {e}");
                self.remove_request(key);
            }
        }
    }

    fn remove_request(&mut self, key: Key) {
        // a mailbox that ended may have waited for this alone
        self.flow.pay |= self.flow.owing;
        remove(&mut self.requests, &mut self.counters, key);
    }

    /// What was monitored ended.
    pub(super) fn monitor_ended(&mut self, peer: Key, reference: Reference<'_>, reason: Option<Term<'_>>) -> Routed {
        let Some(key) = self.asked_of(peer, reference) else { return Routed::Done };
        let Some(request) = self.requests.at(key) else { return Routed::Done };
        if request.state == State::Waiting {
            // the value of a function is in the reason
            let kind = if reason.is_none() && request.kind == Ask::Spawn { Kind::NotSpawned } else { request.ended() };
            if let stalled @ Routed::Stalled(_) = self.settle(key, kind, reason.unwrap_or(TOO_LARGE)) {
                return stalled;
            }
        }
        self.over(key);
        Routed::Done
    }

    /// The peer has said its last word on a request: if its outcome still waits for room, that is all it waits for.
    fn over(&mut self, key: Key) {
        match self.requests.at_mut(key) {
            Some(request) if matches!(request.state, State::Due(_)) => request.peer = NOBODY,
            _ => self.remove_request(key),
        }
    }

    /// A spawn request was answered: with the process, or with an atom that says why there is none.
    pub(super) fn spawned(&mut self, peer: Key, reference: Reference<'_>, result: Term<'_>) -> Routed {
        let Some(key) = self.asked_of(peer, reference) else { return Routed::Done };
        let Some(request) = self.requests.at_mut(key).filter(|request| request.kind == Ask::Spawn) else { return Routed::Done };
        if let Some(pid) = result.as_pid() {
            request.target = Target::Pid(Number::of(pid));
            if request.state == State::Leaving {
                self.leave(key);
            }
            return Routed::Done;
        }
        if request.state == State::Waiting {
            if let stalled @ Routed::Stalled(_) = self.settle(key, Kind::NotSpawned, result) {
                return stalled;
            }
        }
        self.over(key);
        Routed::Done
    }

    /// A connection is no more: what was asked over it ends.
    pub(super) fn requests_lost(&mut self, peer: Key) {
        for index in self.requests.indexes() {
            let Some(key) = self.requests.key_at(index) else { continue };
            let Some(request) = self.requests.at_mut(key).filter(|request| request.peer == peer) else { continue };
            match request.state {
                State::Waiting => {
                    request.state = State::Due(Outcome::NoConnection);
                    self.counters.due = self.counters.due.saturating_add(1);
                }
                State::Due(_) => {}
                State::Leaving => self.remove_request(key),
            }
        }
    }

    /// A mailbox ended, and waits for nothing any more.
    pub(super) fn drop_requests_of(&mut self, mailbox: Key) {
        for index in self.requests.indexes() {
            let Some(key) = self.requests.key_at(index) else { continue };
            if self.requests.at(key).is_some_and(|request| request.mailbox == mailbox) {
                self.leave(key);
            }
        }
    }

    /// Brings outcomes that this node knows by itself to mailboxes, as far as they have room.
    pub(super) fn answer_due(&mut self) {
        for index in self.requests.indexes() {
            let Some(key) = self.requests.key_at(index) else { continue };
            let Some(request) = self.requests.at(key) else { continue };
            let State::Due(outcome) = request.state else { continue };
            let (kind, term) = match outcome {
                Outcome::NoConnection => (request.ended(), NOCONNECTION),
                Outcome::Timeout => (Kind::Timeout, TIMEOUT),
            };
            // counted as due no more while it is delivered, since nothing is delivered past what is due
            let handle = Some(Handle { index: key.index, number: request.number });
            let mailbox = request.mailbox;
            if matches!(self.inboxes.deliver(mailbox, &Record { kind, from: &[], handle, term }), Delivery::Held) {
                continue;
            }
            match outcome {
                Outcome::NoConnection => self.remove_request(key),
                Outcome::Timeout => self.leave(key),
            }
        }
    }

    /// When the next request has waited long enough.
    pub(super) fn next_limit(&self) -> Option<Instant> {
        let limit = |request: &Request| match (request.limit, request.state) {
            (Limit::At(at), State::Waiting) => Some(at),
            (Limit::In(_), State::Waiting) => Some(Instant::from_millis(0)),
            _ => None,
        };
        self.requests.tenants().filter_map(|(_, request)| limit(request)).min()
    }

    /// Ends the requests that have waited long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut expired = false;
        for (_, request) in self.requests.tenants_mut().filter(|(_, request)| request.state == State::Waiting) {
            match request.limit {
                Limit::In(time) => request.limit = Limit::At(now.after(time)),
                Limit::At(at) if at <= now => {
                    request.state = State::Due(Outcome::Timeout);
                    self.counters.due = self.counters.due.saturating_add(1);
                    expired = true;
                }
                Limit::At(_) | Limit::None => {}
            }
        }
        if expired {
            self.tell_lost();
        }
    }

    /// Pays what is owed to peers, as far as there is room.
    pub(super) fn pay(&mut self) {
        self.flow.owing = false;
        for index in self.requests.indexes() {
            let Some(key) = self.requests.key_at(index) else { continue };
            if self.requests.at(key).is_some_and(|request| request.state == State::Leaving) {
                self.leave(key);
            }
        }
        self.pay_for_jobs();
        for index in self.inboxes.table.indexes() {
            let Some(key) = self.inboxes.table.key_at(index) else { continue };
            if self.inboxes.table.at(key).is_some_and(|inbox| inbox.ended.is_some()) {
                self.pay_for_mailbox(key);
            }
        }
    }
}

//! The actions of a mailbox on others: send, answer, link, monitor and call.

use core::fmt;
use core::mem::replace;
use core::time::Duration;

use super::address::{Address, place};
use super::message::Message;
use crate::error::{ConfigError, Error, Full, Misuse};
use crate::node::config::AutoConnect;
use crate::node::connections::node::Node;
use crate::node::core::send::{answer_to, put_exit, take_back, tell};
use crate::node::core::state::Core;
use crate::node::forms::atoms::atom;
use crate::node::forms::caller::{Caller, Form};
use crate::node::forms::outcome::{Exception, outcome};
use crate::node::tables::handles::{Handle, Mailbox, Monitor, Request};
use crate::node::tables::identity::{Identity, NAMELESS, job_pid};
use crate::node::tables::inbox::Inbox;
use crate::node::tables::links::{FrameWriter, Link, Phase, RESERVED};
use crate::node::tables::past::Past;
use crate::node::tables::peers::Peers;
use crate::node::tables::requests::{Ask, OwnWords, Stage, Target};
use crate::node::tables::ties::{Number, Owner, Watch, WatchKind};
use crate::storage::slots::{Key, Table};
use crate::wire::build::{TermWriter, WriteDyn, WriteTerm, WriteTermAgain, Written};
use crate::wire::codes::op;
use crate::wire::control::{Control, Process, To, put_send};
use crate::wire::ids::{Atom, NodeName, Pid, Reference};
use crate::wire::term::Term;

/// `{erpc, execute_call, 4}`, and the option that gives the outcome.
const ERPC_CALL: Term<'static> = atom(b"\x68\x03\x77\x04erpc\x77\x0cexecute_call\x61\x04");
const MONITOR_OPTION: Term<'static> = atom(b"\x6c\x00\x00\x00\x01\x77\x07monitor\x6a");

/// The right to act in the name of one mailbox, as a process does in its own.
///
/// Whatever is sent is written straight into the peer's transmit buffer, whole or not at all, and leaves with the next poll.
/// [`Full::Transmit`] says that it does not fit now; [`Full::Message`] that it never will. To a node that is not connected, what is
/// sent waits in the buffer until it is, and is lost if it cannot be ([`Event::ConnectFailed`](crate::Event::ConnectFailed) says so);
/// [`Config::auto_connect`](crate::Config::auto_connect) can forbid that. What was sent to a process that is not there is dropped by
/// the peer, as in Erlang.
///
/// Every method gives [`Error::NotConnected`] when there is no connection to the node and none may be made; [`Error::Full`] when something
/// does not fit; [`Error::Misuse`] when what is written is no proper term, the address is on this very node, or this (dynamic) node has no
/// name yet; [`Error::Config`] when the node's name is none, or is long where this node's is short. Then nothing has happened.
///
/// ```no_run
/// use std::time::Duration;
///
/// use beamless::{Error, Full, Mailbox, Node};
///
/// fn report(node: &mut Node<'_>, sensor: Mailbox, celsius: f64) -> Result<(), Error> {
///     let mut out = node.outbox(sensor)?;
///     let collector = ("collector", "hub@nuc3");
///     out.monitor(collector)?; // Received::Down says when it has ended
///     out.call(collector, Some(Duration::from_secs(5)), |t| t.atom("interval"))?; // Received::Answer brings the answer
///     match out.send(collector, |t| t.tuple(2)?.atom("reading")?.float(celsius)) {
///         Err(Error::Full(Full::Transmit { .. })) => Ok(()), // not now: the hub is behind, and the next reading will do
///         result => result,
///     }
/// }
/// # fn main() {}
/// ```
pub struct Outbox<'n> {
    identity: &'n Identity,
    peers: Peers<'n>,
    past: &'n Past,
    inboxes: &'n Table<'n, Inbox>,
    mailbox: Key,
}

impl Node<'_> {
    /// Takes the oldest message of the mailbox, together with the right to act in its name; `None` when there is none, and for a mailbox
    /// that ended. A program that takes something and leaves more is not kept waiting by the next poll; one that takes nothing is.
    #[inline]
    pub fn recv(&mut self, mailbox: Mailbox) -> Option<(Message<'_>, Outbox<'_>)> {
        if self.core.flow.quick != mailbox.0 {
            self.before_recv(mailbox);
        }
        let Core { identity, inboxes, links, watches, requests, ledger, flow, .. } = &mut self.core;
        let (taken, inboxes) = inboxes.recv(mailbox.0, flow, links)?;
        let peers = Peers { links: links.lend(), watches: watches.lend(), requests: requests.lend(), ledger };
        Some((Message::new(mailbox, taken)?, Outbox { identity, peers, past: &self.past, inboxes, mailbox: mailbox.0 }))
    }

    #[cold]
    #[inline(never)]
    fn before_recv(&mut self, mailbox: Mailbox) {
        self.core.put_aside();
        self.core.tell_lost();
        self.core.inboxes.settle(&mut self.core.flow, mailbox.0);
    }

    /// Returns the right to act in the name of a mailbox.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn outbox(&mut self, mailbox: Mailbox) -> Result<Outbox<'_>, Error> {
        self.core.inboxes.get(mailbox)?;
        let Core { identity, inboxes, links, watches, requests, ledger, .. } = &mut self.core;
        let peers = Peers { links: links.lend(), watches: watches.lend(), requests: requests.lend(), ledger };
        Ok(Outbox { identity, peers, past: &self.past, inboxes: &inboxes.table, mailbox: mailbox.0 })
    }
}

impl fmt::Debug for Outbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("mailbox", &Mailbox(self.mailbox)).finish_non_exhaustive()
    }
}

impl<'n> Outbox<'n> {
    /// Returns the pid of the mailbox in whose name this acts: what `self()` is to a process.
    pub fn pid(&self) -> Pid<'n> {
        self.identity.pid(self.mailbox)
    }
}

impl Outbox<'_> {
    /// Returns the right to act in the name of another mailbox of this node, while a message is at hand, or this outbox.
    ///
    /// ```no_run
    /// # use beamless::{Error, Mailbox, Node};
    /// fn forward(node: &mut Node<'_>, inbox: Mailbox, outbox: Mailbox) -> Result<(), Error> {
    ///     while let Some((message, mut out)) = node.recv(inbox) {
    ///         let mut out = out.from_mailbox(outbox)?;
    ///         out.send(("collector", "hub@nuc3"), |t| t.term(message.term()))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn from_mailbox(&mut self, mailbox: Mailbox) -> Result<Outbox<'_>, Error> {
        if self.inboxes.at(mailbox.0).is_none_or(|inbox| inbox.ended.is_some()) {
            return Err(Misuse::NoMailbox.into());
        }
        let (identity, past, inboxes) = (self.identity, self.past, self.inboxes);
        Ok(Outbox { identity, peers: self.peers.lend(), past, inboxes, mailbox: mailbox.0 })
    }

    /// Returns the node that a message came from, as long as it is connected; of a call of a function that is its caller's node, of which the
    /// call itself does not tell.
    pub fn peer(&self, message: &Message<'_>) -> Option<&NodeName> {
        self.peers.links.table.at(message.peer).map(|link| &link.name)
    }

    /// Sends the one term that `write` writes.
    ///
    /// # Errors
    /// As all methods; [`Misuse::NotAnAlias`] when the address is an alias and the peer's release knows none.
    pub fn send<'a, A, F>(&mut self, to: A, write: F) -> Result<(), Error>
    where
        A: Into<Address<'a>>,
        F: WriteTerm,
    {
        let (node, to) = place(to.into());
        let peer = self.reach(node)?;
        self.send_to(peer, to, write)
    }

    /// Sends a `gen_server:cast`: `{'$gen_cast', Request}` with the one term that `write` writes.
    ///
    /// # Errors
    /// As [`Outbox::send`].
    pub fn cast<'a, A, F>(&mut self, to: A, write: F) -> Result<(), Error>
    where
        A: Into<Address<'a>>,
        F: WriteTerm,
    {
        self.send(to, |t| {
            t.tuple(2)?;
            t.atom("$gen_cast")?;
            write(t)
        })
    }

    /// Answers a call, or the call of a function, with the one term that `write` writes. An answer to a caller that is gone, or waits no
    /// more, goes nowhere, as in Erlang. No connection is made for it: to a `gen_server:call` from a node that is not connected any more
    /// it is [`Error::NotConnected`].
    ///
    /// # Errors
    /// As all methods.
    pub fn reply<'c, C, F>(&mut self, to: C, write: F) -> Result<(), Error>
    where
        C: Into<Caller<'c>>,
        F: WriteTerm,
    {
        let caller = to.into();
        let mut write = Some(write);
        self.answer(&caller, None, &mut |t| match write.take() {
            Some(write) => write(t),
            None => Ok(t),
        })
    }

    /// Lets the called function end with an exception, whose reason `write` writes: once for each who is to be told, as when the caller
    /// is linked to the function's process and monitors it too.
    ///
    /// # Errors
    /// As all methods; [`Misuse::NotAFunction`] for a `gen_server:call`.
    pub fn raise<'c, C, F>(&mut self, to: C, exception: Exception, write: F) -> Result<(), Error>
    where
        C: Into<Caller<'c>>,
        F: WriteTermAgain,
    {
        let caller = to.into();
        if caller.form == Form::Call {
            return Err(Misuse::NotAFunction.into());
        }
        self.answer(&caller, Some(exception), &mut |t| write(t))
    }

    fn answer(&mut self, caller: &Caller<'_>, exception: Option<Exception>, write: WriteDyn<'_>) -> Result<(), Error> {
        let mut told = false;
        let write: WriteDyn<'_> = &mut |t| match exception {
            // somebody besides its caller watched the function's process: to them it has just ended
            None if replace(&mut told, true) => t.atom("normal"),
            _ => outcome(t, caller, exception, write),
        };
        match (caller.form, caller.from) {
            (Form::Call | Form::Rex | Form::RexSend, Some(from)) => {
                let peer = self.peers.links.find(from.node).ok_or(Error::NotConnected)?;
                let to = answer_to(&self.peers.links, peer, from, caller.alias());
                self.send_to(peer, to, write)
            }
            (Form::Erpc | Form::Spawn, _) => self.end_job(caller, write),
            _ => Ok(()),
        }
    }

    /// Ends the process of a served function, with what it came to. There is nobody to tell when its caller does not wait any more.
    fn end_job(&mut self, caller: &Caller<'_>, write: WriteDyn<'_>) -> Result<(), Error> {
        let own = job_pid(self.identity.node(), self.identity.creation, caller.job);
        // its caller first, who is owed what it came to; the others may lie in front of it
        while let Some(key) = self.callers_tie(caller.job).or_else(|| self.peers.watches.next_of_job(caller.job, None)) {
            let Some(watch) = self.peers.watches.at(key).copied() else { break };
            tell(&mut self.peers.links, RESERVED, &watch, own, NAMELESS, write)?;
            self.peers.remove_watch(key);
        }
        Ok(())
    }

    /// Finds the tie of a process of a function to whoever had it made.
    fn callers_tie(&mut self, job: u64) -> Option<Key> {
        let mut next = self.peers.watches.next_of_job(job, None);
        while let Some(key) = next {
            if self.peers.watches.at(key).is_some_and(Watch::is_spawners) {
                return Some(key);
            }
            next = self.peers.watches.next_of_job(job, Some(key.index));
        }
        None
    }

    /// Links the mailbox to a process, as `link/1` does: when either ends, the other gets an exit signal. A link to what is not there
    /// ends at once, with `noproc`.
    ///
    /// # Errors
    /// As all methods; [`Full::Watches`].
    pub fn link(&mut self, pid: Pid<'_>) -> Result<(), Error> {
        let peer = self.reach(pid.node)?;
        let (owner, number) = (Owner::Mailbox(self.mailbox), Number::of(pid));
        let known = self.peers.watches.find_link(owner, peer, number);
        match known.and_then(|key| self.peers.watches.at(key)) {
            Some(watch) if watch.kind == WatchKind::Link => return Ok(()),
            None if !self.peers.has_share(peer, 1) => return Err(Full::Watches.into()),
            _ => {}
        }
        self.peers.links.tell(peer, RESERVED, &Control::Link { from: self.identity.pid(self.mailbox), to: pid })?;
        match known.and_then(|key| self.peers.watches.table.at_mut(key)) {
            // what comes of the unlink before it means nothing any more
            Some(watch) => watch.kind = WatchKind::Link,
            None => self.peers.add_watch(Watch::new(owner, peer, number, WatchKind::Link)),
        }
        Ok(())
    }

    /// Ends the link to a process, as `unlink/1` does. An exit of it that is in the mailbox already stays there.
    ///
    /// # Errors
    /// As all methods.
    pub fn unlink(&mut self, pid: Pid<'_>) -> Result<(), Error> {
        let Some(peer) = self.peers.links.find(pid.node) else { return Ok(()) };
        let (owner, number) = (Owner::Mailbox(self.mailbox), Number::of(pid));
        let found = self.peers.watches.find_link(owner, peer, number);
        let is_link = |key: &Key| self.peers.watches.at(*key).is_some_and(|watch| watch.kind == WatchKind::Link);
        let Some(key) = found.filter(is_link) else { return Ok(()) };
        let from = self.identity.pid(self.mailbox);
        let id = self.peers.ledger.next();
        let control = Control::Unlink { id, from, to: pid };
        let is_acknowledged = control.operation(self.peers.links.flags(peer)) == Some(op::UNLINK_ID);
        self.peers.links.tell(peer, RESERVED, &control)?;
        match self.peers.watches.table.at_mut(key) {
            Some(watch) if is_acknowledged => watch.kind = WatchKind::Unlinking(id),
            // OTP 23 and older acknowledge nothing
            _ => drop(self.peers.remove_watch(key)),
        }
        Ok(())
    }

    /// Sends an exit signal, as `exit/2` does, with the reason that `write` writes.
    ///
    /// # Errors
    /// As all methods.
    pub fn exit<F>(&mut self, pid: Pid<'_>, write: F) -> Result<(), Error>
    where
        F: WriteTerm,
    {
        let peer = self.reach(pid.node)?;
        let control = Control::Exit2 { from: self.identity.pid(self.mailbox), to: To::Pid(pid), reason: None };
        put_exit(&mut self.peers.links, peer, RESERVED, &control, write)
    }

    /// Monitors a process, as `monitor/2` does: [`Received::Down`](crate::Received::Down) comes once it has ended, at once if it is not
    /// there. On a node that knows no monitors, as those on Erlang's C library, it is a monitor of the connection: the down comes once
    /// that is lost.
    ///
    /// # Errors
    /// As all methods; [`Full::Requests`]; [`Misuse::NotAProcess`] for an alias.
    pub fn monitor<'a>(&mut self, process: impl Into<Address<'a>>) -> Result<Monitor, Error> {
        let (node, to) = place(process.into());
        let peer = self.reach(node)?;
        let key = self.peers.ask(self.mailbox, peer, Ask::Monitor, target(to)?, None)?;
        match self.send_monitor(peer, key, to) {
            Ok(()) => Ok(Monitor(self.handle(key))),
            Err(e) => {
                self.peers.remove_request(key);
                Err(e)
            }
        }
    }

    /// Ends a monitor, as `demonitor/1` does. A down that is in the mailbox already stays there.
    ///
    /// # Errors
    /// As all methods. A monitor that is gone is no error.
    pub fn demonitor(&mut self, monitor: Monitor) -> Result<(), Error> {
        self.give_up(monitor.0)
    }

    /// Makes a call, as `gen_server:call` does, with the request that `write` writes. It does not wait: exactly one
    /// [`Received::Answer`](crate::Received::Answer) comes to the mailbox, after `timeout` at the latest. Any number may be under
    /// way, to any nodes. `Driver::wait` waits for it where a program has nothing else to do.
    ///
    /// # Errors
    /// As all methods; [`Full::Requests`]; [`Misuse::NotAProcess`] for an alias.
    pub fn call<'a, A, F>(&mut self, to: A, timeout: Option<Duration>, write: F) -> Result<Request, Error>
    where
        A: Into<Address<'a>>,
        F: WriteTerm,
    {
        let (node, to) = place(to.into());
        let peer = self.reach(node)?;
        self.call_to(peer, to, Ask::Call, timeout, write)
    }

    /// Calls a function on a node, as `rpc:call` and `erpc:call` do. `args` writes its arguments: one list. The answer comes as with
    /// [`Outbox::call`]. It goes by a spawn request, which every Erlang since OTP 23 takes; where the peer takes none the answer is
    /// [`Failure::Refused`](crate::Failure::Refused) with `notsup`, as Erlang's is. What the function prints goes nowhere.
    ///
    /// # Errors
    /// As all methods; [`Full::Requests`].
    pub fn rpc<F>(
        &mut self,
        node: &str,
        module: &str,
        function: &str,
        timeout: Option<Duration>,
        args: F,
    ) -> Result<Request, Error>
    where
        F: WriteTerm,
    {
        let peer = self.reach(Atom::from_str(node))?;
        let key = self.peers.ask(self.mailbox, peer, Ask::Spawn, Target::Unknown, timeout)?;
        let words = OwnWords::new(self.handle(key));
        let (id, from, leader) = (words.reference(self.identity), self.identity.pid(self.mailbox), self.identity.core_pid());
        let control = Control::SpawnRequest {
            id,
            from,
            leader,
            mfa: ERPC_CALL,
            module: NAMELESS,
            function: NAMELESS,
            arity: 4,
            options: MONITOR_OPTION,
        };
        let sent = match self.peers.links.say(peer, RESERVED, &control) {
            Ok(Some((frame, _))) => put_call(frame, id, module, function, args),
            Ok(None) => {
                self.peers.refuse(key);
                Ok(())
            }
            Err(e) => Err(e),
        };
        self.asked(key, sent)
    }

    /// Gives up a call: no answer comes any more. What the peer is doing it goes on doing.
    ///
    /// # Errors
    /// As all methods. A call that is answered is no error; its answer stays in the mailbox.
    pub fn abandon(&mut self, request: Request) -> Result<(), Error> {
        self.give_up(request.handle)
    }

    fn give_up(&mut self, handle: Handle) -> Result<(), Error> {
        let Some(key) = self.peers.requests.find(handle) else { return Ok(()) };
        let Some(request) = self.peers.requests.at(key).filter(|request| request.mailbox == self.mailbox) else { return Ok(()) };
        // one that was answered is taken back as soon as there is room
        if matches!(request.state, Stage::Leaving) {
            return Ok(());
        }
        if take_back(self.identity, &mut self.peers.links, key, request, RESERVED)? {
            self.peers.remove_request(key);
        } else {
            // whom to name is not known until the spawn request is answered
            self.peers.set_stage(key, Stage::Leaving);
        }
        Ok(())
    }

    fn call_to<F>(&mut self, peer: Key, to: To<'_>, kind: Ask, timeout: Option<Duration>, write: F) -> Result<Request, Error>
    where
        F: WriteTerm,
    {
        let key = self.peers.ask(self.mailbox, peer, kind, target(to)?, timeout)?;
        let words = OwnWords::new(self.handle(key));
        let aliases = To::Alias(words.reference(self.identity)).operation(self.peers.links.flags(peer)).is_some();
        let mark = self.peers.links.mark(peer);
        let (tag, from) = (words.reference(self.identity), self.identity.pid(self.mailbox));
        let sent = self.send_monitor(peer, key, to).and_then(|()| {
            self.send_to(peer, to, |t| {
                gen_call(t, from, aliases, tag)?;
                write(t)
            })
        });
        let sent = sent.map_err(|e| {
            let ahead = self.peers.links.mark(peer).0.saturating_sub(mark.0);
            self.peers.links.rewind(peer, mark);
            self.peers.links.both(ahead, e)
        });
        self.asked(key, sent)
    }

    fn asked(&mut self, key: Key, sent: Result<(), Error>) -> Result<Request, Error> {
        match sent {
            Ok(()) => Ok(Request { mailbox: Mailbox(self.mailbox), handle: self.handle(key) }),
            Err(e) => {
                self.peers.remove_request(key);
                Err(e)
            }
        }
    }

    fn handle(&self, key: Key) -> Handle {
        Handle { index: key.index, number: self.peers.requests.at(key).map_or(0, |request| request.number) }
    }

    fn send_monitor(&mut self, peer: Key, key: Key, to: To<'_>) -> Result<(), Error> {
        let words = OwnWords::new(self.handle(key));
        let reference = words.reference(self.identity);
        let to = match to {
            To::Pid(pid) => Process::Pid(pid),
            To::Name(name) => Process::Name(name),
            To::Alias(_) => return Err(Misuse::NotAProcess.into()),
        };
        let control = Control::Monitor { from: self.identity.pid(self.mailbox), to, reference };
        // where the peer understands no monitors it is one of the connection
        self.peers.links.tell(peer, RESERVED, &control).map(|_| ())
    }

    #[inline]
    fn send_to<F>(&mut self, peer: Key, to: To<'_>, write: F) -> Result<(), Error>
    where
        F: WriteTerm,
    {
        let mut frame = self.begin_send(peer, to)?;
        TermWriter::one(&mut frame.out, write)?;
        frame.end()
    }

    /// Begins the frame of a message, up to its term.
    #[inline]
    fn begin_send(&mut self, peer: Key, to: To<'_>) -> Result<FrameWriter<'_>, Error> {
        let from = self.identity.pid(self.mailbox);
        let mut frame = self.peers.links.begin(peer, RESERVED)?;
        let op = to.operation(frame.flags()).ok_or(Misuse::NotAnAlias)?;
        put_send(&mut frame.out, op, Some(from), to)?;
        Ok(frame)
    }

    /// Finds the connection to a node, if need be one that is still to be made.
    #[inline]
    fn reach(&mut self, node: Atom<'_>) -> Result<Key, Error> {
        match self.peers.links.find(node) {
            Some(key) => Ok(key),
            None => self.open(node),
        }
    }

    #[cold]
    fn open(&mut self, node: Atom<'_>) -> Result<Key, Error> {
        let config = &self.identity.config;
        if node == *config.name.known()?.as_str() {
            return Err(Misuse::OwnNode.into());
        }
        let name = NodeName::from_atom(node).ok_or(ConfigError::NameForm)?;
        config.reaches(&name)?;
        let allowed = match config.auto_connect {
            AutoConnect::Always => true,
            AutoConnect::Once => !self.past.has(&name),
            AutoConnect::Never => false,
        };
        if !allowed {
            return Err(Error::NotConnected);
        }
        let link = Link::new(name, Phase::Opening);
        let key = self.peers.links.table.insert(link).map_err(|_| Full::Peers)?;
        self.peers.ledger.unseen.push(&mut self.peers.links.table, key.index);
        Ok(key)
    }
}

/// Ends the frame of a spawn request with what `erpc:execute_call/4` is called with.
fn put_call<F>(mut frame: FrameWriter<'_>, id: Reference<'_>, module: &str, function: &str, args: F) -> Result<(), Error>
where
    F: WriteTerm,
{
    TermWriter::one(&mut frame.out, |t| {
        t.list(4)?;
        t.reference(id)?;
        t.atom(module)?;
        t.atom(function)?;
        args(t)?;
        t.nil()
    })?;
    frame.end()
}

/// Writes `{'$gen_call', {From, Tag}, Request}` up to the request.
fn gen_call<'t, 'b>(t: &'t mut TermWriter<'b>, from: Pid<'_>, aliases: bool, tag: Reference<'_>) -> Written<'t, 'b> {
    t.tuple(3)?;
    t.atom("$gen_call")?;
    t.tuple(2)?;
    t.pid(from)?;
    if aliases {
        t.list(1)?;
        t.atom("alias")?;
    }
    t.reference(tag)
}

/// Returns the target that a demonitor will name.
fn target(to: To<'_>) -> Result<Target, Misuse> {
    match to {
        To::Pid(pid) => Ok(Target::Pid(Number::of(pid))),
        To::Name(name) => {
            let mut text = heapless::String::new();
            name.chars().try_for_each(|c| text.push(c)).map_err(|_| Misuse::AtomTooLong)?;
            Ok(Target::Name(text))
        }
        To::Alias(_) => Err(Misuse::NotAProcess),
    }
}

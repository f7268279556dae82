//! The actions of a mailbox on others: send, answer, link, monitor and call.

use core::fmt;
use core::time::Duration;

use super::act::{Act, address};
use super::address::{Address, place};
use super::message::Message;
use crate::error::{Error, Full, Misuse};
use crate::node::connections::node::Node;
use crate::node::core::send::put_exit;
use crate::node::core::state::Core;
use crate::node::forms::atoms::atom;
use crate::node::forms::caller::{Caller, Form};
use crate::node::forms::outcome::Exception;
use crate::node::tables::handles::{Mailbox, Monitor, Request};
use crate::node::tables::identity::{Identity, NAMELESS};
use crate::node::tables::inbox::Inbox;
use crate::node::tables::links::{FrameWriter, RESERVED};
use crate::node::tables::past::Past;
use crate::node::tables::peers::Lend;
use crate::node::tables::requests::{Ask, OwnWords};
use crate::node::tables::ties::{Number, Owner, Watch, WatchKind};
use crate::storage::slots::{Key, Table};
use crate::wire::build::{TermWriter, WriteDyn, WriteTerm, WriteTermAgain};
use crate::wire::codes::op;
use crate::wire::control::{Control, To};
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
/// does not fit; [`Error::Misuse`] when what is written is no proper term, the address is on this very node, this (dynamic) node has no
/// name yet, or the node [no incarnation](Misuse::NoCreation); [`Error::Config`] when the node's name is none, or is long where this node's is
/// short. Then nothing is sent; but a connection to the node may have taken its place already, and be made.
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
    far: &'n mut (dyn Lend + 'n),
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
        if self.core.flow.waiting > 0 {
            return self.recv_others(mailbox);
        }
        let Core { identity, inboxes, far, flow, .. } = &mut self.core;
        let (taken, inboxes) = inboxes.recv(mailbox.0, flow, &mut far.links)?;
        Some((Message::new(mailbox, taken)?, Outbox { identity, far, past: &self.past, inboxes, mailbox: mailbox.0 }))
    }

    /// Does the same while messages of some peers wait.
    #[cold]
    fn recv_others(&mut self, mailbox: Mailbox) -> Option<(Message<'_>, Outbox<'_>)> {
        let Core { identity, inboxes, far, flow, .. } = &mut self.core;
        let (taken, inboxes) = inboxes.recv_others(mailbox.0, flow, &mut far.links)?;
        Some((Message::new(mailbox, taken)?, Outbox { identity, far, past: &self.past, inboxes, mailbox: mailbox.0 }))
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
        let Core { identity, inboxes, far, .. } = &mut self.core;
        Ok(Outbox { identity, far, past: &self.past, inboxes: &inboxes.table, mailbox: mailbox.0 })
    }
}

impl fmt::Debug for Outbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("mailbox", &Mailbox(self.mailbox)).finish_non_exhaustive()
    }
}

impl<'n> Outbox<'n> {
    /// Returns the pid of the mailbox in whose name this acts: what `self()` is to a process. Before the node knows its incarnation, or its name,
    /// nobody reaches it; [`Node::pid`] says so with an error, and nothing is sent until then.
    pub fn pid(&self) -> Pid<'n> {
        self.identity.pid(self.mailbox)
    }
}

impl Outbox<'_> {
    /// Lends all that it acts on.
    #[inline]
    fn act(&mut self) -> Act<'_> {
        Act { identity: self.identity, peers: self.far.peers(), past: self.past, mailbox: self.mailbox }
    }

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
        Ok(Outbox { identity, far: &mut *self.far, past, inboxes, mailbox: mailbox.0 })
    }

    /// Returns the node that a message came from, as long as it is connected; of a call of a function that is its caller's node, of which the
    /// call itself does not tell.
    pub fn peer(&self, message: &Message<'_>) -> Option<&NodeName> {
        self.far.name(message.peer()?)
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
        let from = self.pid();
        let begun = self.far.begin(node);
        let mut frame = match begun {
            Some(frame) => frame?,
            None => self.begin_first(node)?,
        };
        address(&mut frame, from, to)?;
        TermWriter::one(&mut frame.out, write)?;
        frame.end()
    }

    /// Begins a frame to a node for which there is no connection yet.
    #[cold]
    #[inline(never)]
    fn begin_first(&mut self, node: Atom<'_>) -> Result<FrameWriter<'_>, Error> {
        self.act().open(node)?;
        self.far.begin(node).unwrap_or(Err(Error::NotConnected))
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
        let mut write = Some(write);
        self.answer(&to.into(), None, &mut |t| match write.take() {
            Some(write) => write(t),
            None => Ok(t),
        })
    }

    fn answer(&mut self, caller: &Caller<'_>, exception: Option<Exception>, write: WriteDyn<'_>) -> Result<(), Error> {
        self.act().answer(caller, exception, write)
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

    /// Links the mailbox to a process, as `link/1` does: when either ends, the other gets an exit signal. A link to what is not there
    /// ends at once, with `noproc`.
    ///
    /// # Errors
    /// As all methods; [`Full::Watches`].
    pub fn link(&mut self, pid: Pid<'_>) -> Result<(), Error> {
        let mut act = self.act();
        let peer = act.reach(pid.node)?;
        let (owner, number) = (Owner::Mailbox(act.mailbox), Number::of(pid));
        let known = act.peers.watches.find_link(owner, peer, number);
        match known.and_then(|key| act.peers.watches.at(key)) {
            Some(watch) if watch.is_active() => return Ok(()),
            None if !act.peers.has_share(peer, 1) => return Err(Full::Watches.into()),
            _ => {}
        }
        act.peers.links.tell(peer, RESERVED, &Control::Link { from: act.identity.pid(act.mailbox), to: pid })?;
        match known.and_then(|key| act.peers.watches.table.at_mut(key)) {
            // what is under way of the link before it means nothing
            Some(watch) => {
                if let WatchKind::Unlinking(id) = watch.kind {
                    watch.kind = WatchKind::Again(id);
                }
            }
            None => act.peers.add_watch(Watch::new(owner, peer, number, WatchKind::Link)),
        }
        Ok(())
    }

    /// Ends the link to a process, as `unlink/1` does. An exit of it that is in the mailbox already stays there.
    ///
    /// # Errors
    /// As all methods.
    pub fn unlink(&mut self, pid: Pid<'_>) -> Result<(), Error> {
        let mut act = self.act();
        let (owner, number) = (Owner::Mailbox(act.mailbox), Number::of(pid));
        act.peers.forget_lost(owner, pid);
        let Some(peer) = act.peers.links.find(pid.node) else { return Ok(()) };
        let found = act.peers.watches.find_link(owner, peer, number);
        let is_link = |key: &Key| act.peers.watches.at(*key).is_some_and(Watch::is_active);
        let Some(key) = found.filter(is_link) else { return Ok(()) };
        let from = act.identity.pid(act.mailbox);
        let id = act.peers.ledger.next();
        let control = Control::Unlink { id, from, to: pid };
        let is_acknowledged = control.operation(act.peers.links.flags(peer)) == Some(op::UNLINK_ID);
        act.peers.links.tell(peer, RESERVED, &control)?;
        match act.peers.watches.table.at_mut(key) {
            Some(watch) if is_acknowledged => watch.kind = WatchKind::Unlinking(id),
            // OTP 23 and older acknowledge nothing
            _ => drop(act.peers.remove_watch(key)),
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
        let mut act = self.act();
        let peer = act.reach(pid.node)?;
        let control = Control::Exit2 { from: act.identity.pid(act.mailbox), to: To::Pid(pid), reason: None };
        put_exit(&mut act.peers.links, peer, RESERVED, &control, write)
    }

    /// Monitors a process, as `monitor/2` does: [`Received::Down`](crate::Received::Down) comes once it has ended, at once if it is not
    /// there. On a node that knows no monitors, as those on Erlang's C library, it is a monitor of the connection: the down comes once
    /// that is lost.
    ///
    /// # Errors
    /// As all methods; [`Full::Requests`]; [`Misuse::NotAProcess`] for an alias.
    pub fn monitor<'a>(&mut self, process: impl Into<Address<'a>>) -> Result<Monitor, Error> {
        let mut act = self.act();
        let (node, to) = place(process.into());
        let peer = act.reach(node)?;
        let key = act.ask(peer, to, Ask::Monitor, None)?;
        match act.send_monitor(peer, key, to) {
            Ok(()) => Ok(Monitor(act.handle(key))),
            Err(e) => {
                act.peers.remove_request(key);
                Err(e)
            }
        }
    }

    /// Ends a monitor, as `demonitor/1` does. A down that is in the mailbox already stays there.
    ///
    /// # Errors
    /// As all methods. A monitor that is gone is no error.
    pub fn demonitor(&mut self, monitor: Monitor) -> Result<(), Error> {
        let mut act = self.act();
        act.give_up(monitor.0)
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
        let mut act = self.act();
        let (node, to) = place(to.into());
        let peer = act.reach(node)?;
        let mut write = Some(write);
        act.call_to(peer, to, Ask::Call, timeout, &mut |t| match write.take() {
            Some(write) => write(t),
            None => Ok(t),
        })
    }

    /// Calls a function on a node, as `rpc:call` and `erpc:call` do. `args` writes its arguments: one list. The answer comes as with
    /// [`Outbox::call`]. It goes by a spawn request, which every Erlang since OTP 23 takes; where the peer takes none the answer is
    /// [`Failure::Refused`](crate::Failure::Refused) with `notsup`, as Erlang's is.
    ///
    /// The function's group leader, and that of what it starts, is the peer's `init`, which hands what is printed on to the peer's `user`.
    /// So it appears where that node prints, and the peer's logger reports crashes, which it does not where the group leader is on another
    /// node.
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
        let mut args = Some(args);
        self.apply(None, node, (module, function), timeout, &mut |t| match args.take() {
            Some(args) => args(t),
            None => Ok(t),
        })
    }

    /// Does the same with this mailbox as the function's group leader. What the function prints comes as messages
    /// `{io_request,From,ReplyAs,Request}`, as Erlang's I/O protocol has them. Who prints waits for the answer
    /// `{io_reply,ReplyAs,Reply}`, sent to `From`. What the function starts keeps this group leader, too: the peer's logger does not report
    /// when it crashes, and it waits for no answer once the mailbox has ended.
    ///
    /// # Errors
    /// As [`Outbox::rpc`].
    pub fn rpc_as_group_leader<F>(
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
        let leader = self.identity.pid(self.mailbox);
        let mut args = Some(args);
        self.apply(Some(leader), node, (module, function), timeout, &mut |t| match args.take() {
            Some(args) => args(t),
            None => Ok(t),
        })
    }

    /// Has a process started that calls a function, with this group leader or the peer's `init`.
    fn apply(
        &mut self,
        leader: Option<Pid<'_>>,
        node: &str,
        (module, function): (&str, &str),
        timeout: Option<Duration>,
        args: WriteDyn<'_>,
    ) -> Result<Request, Error> {
        let mut act = self.act();
        let peer = act.reach(Atom::from_str(node))?;
        let key = act.peers.ask(act.mailbox, peer, Ask::Spawn, timeout)?;
        let words = OwnWords::new(act.handle(key));
        let (id, from) = (words.reference(act.identity), act.identity.pid(act.mailbox));
        let leader = leader.unwrap_or_else(|| init_of(node, act.peers.links.creation(peer)));
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
        let sent = match act.peers.links.say(peer, RESERVED, &control) {
            Ok(Some((frame, _))) => put_call(frame, id, module, function, args),
            Ok(None) => {
                act.peers.refuse(key);
                Ok(())
            }
            Err(e) => Err(e),
        };
        act.asked(key, sent)
    }

    /// Gives up a call: no answer comes any more. What the peer is doing it goes on doing.
    ///
    /// # Errors
    /// As all methods. A call that is answered is no error; its answer stays in the mailbox.
    pub fn abandon(&mut self, request: Request) -> Result<(), Error> {
        let mut act = self.act();
        act.give_up(request.handle)
    }
}

/// Returns the pid of a node's `init`, which is the first process of every Erlang.
fn init_of(node: &str, creation: u32) -> Pid<'_> {
    Pid { node: Atom::from_str(node), id: 0, serial: 0, creation }
}

/// Ends the frame of a spawn request with what `erpc:execute_call/4` is called with.
fn put_call(
    mut frame: FrameWriter<'_>,
    id: Reference<'_>,
    module: &str,
    function: &str,
    args: WriteDyn<'_>,
) -> Result<(), Error> {
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

//! The messages, signals and answers of a mailbox, in one typed view.

use crate::node::forms::call::Call;
use crate::node::forms::caller::{Caller, Form};
use crate::node::forms::failure::Failure;
use crate::node::forms::served::{Apply, Served};
use crate::node::tables::handles::{Handle, Mailbox, Monitor, Request};
use crate::node::tables::mailbox::Taken;
use crate::node::tables::record::{self, Kind, Record};
use crate::storage::slots::Key;
use crate::wire::ids::Pid;
use crate::wire::term::Term;

/// A message, still where it was received. Dropping it is done with it; [`Message::put_back`] is not.
///
/// [`Message::received`] says what it is. [`Message::term`] and its kin are for programs to which only messages come: those that
/// neither link nor monitor, call nor serve functions.
///
/// ```no_run
/// use beamless::{Error, Full, Mailbox, Message, Node, Outbox, Received};
///
/// fn turn(node: &mut Node<'_>, mailbox: Mailbox) {
///     while let Some((message, mut out)) = node.recv(mailbox) {
///         match answer(&message, &mut out) {
///             Ok(()) => {}
///             // no room for the answer until its peer has read: the message stays
///             Err(Error::Full(Full::Transmit { .. })) => return message.put_back(),
///             Err(e) => eprintln!("no answer: {e}"),
///         }
///     }
/// }
///
/// fn answer(message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
///     match message.received() {
///         Received::Call(call) if call.request.is_atom("celsius") => out.reply(&call, |t| t.float(21.5))?,
///         Received::Call(call) => out.reply(&call, |t| t.atom("badarg"))?,
///         Received::Down { reason, .. } => println!("it ended: {reason}"),
///         Received::Cast(term) | Received::Info(term) => println!("{term}"),
///         _ => {}
///     }
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Message<'m> {
    mailbox: Mailbox,
    kind: Kind,
    term: Term<'m>,
    taken: Taken<'m>,
}

/// A message, signal or answer, as [`Message::received`] sorts it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Received<'m> {
    /// A `gen_server:call`: answer it with [`Outbox::reply`](crate::Outbox::reply), now or later.
    Call(Call<'m>),
    /// A `gen_server:cast`.
    Cast(Term<'m>),
    /// Any other message: what a `gen_server` gets in `handle_info`.
    Info(Term<'m>),
    /// The call of a function that [`Node::serve`](crate::Node::serve) named: answer with [`Outbox::reply`](crate::Outbox::reply) or
    /// [`Outbox::raise`](crate::Outbox::raise), now or later.
    Apply(Apply<'m>),
    /// A linked process ended, or one called `exit/2`. Comes only to a mailbox that
    /// [traps exits](crate::Node::trap_exit).
    Exit {
        /// The process.
        from: Pid<'m>,
        /// The reason: `noconnection` when its node is not connected any more.
        reason: Term<'m>,
    },
    /// A monitored process ended. The monitor is gone with it.
    Down {
        /// The monitor, which is one of ours.
        monitor: Monitor,
        /// The reason: `noproc` when there was no such process, `noconnection` when its node is not connected any more.
        reason: Term<'m>,
    },
    /// The one answer to a call of ours.
    Answer {
        /// The call, which is one of ours.
        request: Request,
        /// The value, or why there is none.
        result: Result<Term<'m>, Failure<'m>>,
    },
}

impl<'m> Message<'m> {
    /// Reads the message in a record.
    #[inline]
    pub(in crate::node) fn new(mailbox: Mailbox, taken: Taken<'m>) -> Option<Self> {
        let Record { kind, term, .. } = Record::read(taken.record)?;
        Some(Self { mailbox, kind, term, taken })
    }

    /// Returns the bytes in the sender's place, and the subject. It is not kept, since few messages are asked for it.
    fn rest(&self) -> (&'m [u8], Handle) {
        Record::read(self.taken.record).map_or((&[], Handle::NONE), |rest| (rest.from, rest.handle.unwrap_or(Handle::NONE)))
    }

    /// Returns the connection that it came over.
    pub(super) fn peer(&self) -> Option<Key> {
        record::peer(self.taken.record)
    }

    /// Returns what was received: a message, a signal or an answer.
    pub fn received(&self) -> Received<'m> {
        if self.kind == Kind::Message {
            return self.sorted();
        }
        let (sender, handle) = self.rest();
        let request = Request { mailbox: self.mailbox, handle };
        let result = match self.kind {
            Kind::Message => return self.sorted(),
            Kind::Exit => {
                // an exit has its process, which was checked when it came
                return Term::trusted(sender)
                    .as_pid()
                    .map_or(Received::Info(self.term), |from| Received::Exit { from, reason: self.term });
            }
            Kind::Down => return Received::Down { monitor: Monitor(handle), reason: self.term },
            Kind::Reply => self.term.tuple().map(|[_, reply]| reply).ok_or(Failure::Refused(self.term)),
            Kind::Lost => Err(Failure::of_exit(self.term)),
            Kind::Spawned => Failure::of_erpc(self.term),
            Kind::NotSpawned => Err(Failure::Refused(self.term)),
            Kind::Timeout => Err(Failure::Timeout),
            Kind::Apply | Kind::Cast | Kind::Spawn | Kind::RexCall | Kind::RexSend => {
                return self.apply().map_or(Received::Info(self.term), Received::Apply);
            }
        };
        Received::Answer { request, result }
    }

    /// Sorts a message as a `gen_server` does.
    fn sorted(&self) -> Received<'m> {
        if let Some(call) = self.as_call() {
            return Received::Call(call);
        }
        self.as_cast().map_or(Received::Info(self.term), Received::Cast)
    }

    /// Reads the call of a served function.
    fn apply(&self) -> Option<Apply<'m>> {
        let (sender, handle) = self.rest();
        let served = Served::read(self.kind, sender, self.term)?;
        let form = match self.kind {
            Kind::Apply => Form::Erpc,
            Kind::Spawn => Form::Spawn,
            Kind::RexCall => Form::Rex,
            Kind::RexSend => Form::RexSend,
            _ => Form::Nobody,
        };
        let caller = Caller { form, from: served.from, tag: served.tag, job: handle.number };
        Some(Apply { module: served.module, function: served.function, args: served.args, caller })
    }

    /// Returns the mailbox it came into.
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox
    }

    /// Returns the message itself; of a signal, the reason.
    #[inline]
    pub fn term(&self) -> Term<'m> {
        self.term
    }

    /// Returns the process that sent it, if the peer told: every BEAM since OTP 21 does.
    pub fn sender(&self) -> Option<Pid<'m>> {
        Term::trusted(self.rest().0).as_pid()
    }

    /// Returns the call, if the message is one: `{'$gen_call', {Pid, Tag}, Request}`.
    pub fn as_call(&self) -> Option<Call<'m>> {
        if self.kind == Kind::Message { Call::of(self.term) } else { None }
    }

    /// Returns the call, if the message is a system message, `{system, {Pid, Tag}, Request}`, as a mailbox gets them that
    /// [takes them](crate::Node::take_system). Answer it with [`Outbox::reply`](crate::Outbox::reply). To [`Message::received`] it is one of
    /// [`Received::Info`].
    pub fn as_system(&self) -> Option<Call<'m>> {
        if self.kind == Kind::Message { Call::of_system(self.term) } else { None }
    }

    /// Returns the request of a `gen_server:cast`: `{'$gen_cast', Request}`.
    pub fn as_cast(&self) -> Option<Term<'m>> {
        let [tag, request] = self.term.tuple()?;
        (tag.is_atom("$gen_cast") && self.kind == Kind::Message).then_some(request)
    }

    /// Leaves the message in its mailbox, where it was: for when an answer does not fit the transmit buffer now.
    ///
    /// If what has no room goes to the message's own peer, that peer's messages wait, in all mailboxes, until it has taken enough, and nothing
    /// more is read from it meanwhile; those of other peers go on to be received, so that nobody's unread answers stop another's. Else the
    /// message is the next to be received. Poll before receiving again: the poll ends once a peer has taken something, or at once where others'
    /// messages are left.
    pub fn put_back(self) {
        self.taken.put_back();
    }
}

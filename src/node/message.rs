//! What a mailbox gives: messages, signals and answers in one typed view, and the right to answer.

use super::mailbox::{Flow, Mailbox};
use crate::storage::ring::Ring;
use crate::wire::ids::{Atom, OwnedPid, Pid, Reference};
use crate::wire::term::Term;

/// What a record in a mailbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    /// A link broke, or somebody called `exit/2`; the sender's place has the process.
    Exit,
    /// What was monitored ended; the sender's place has what it was.
    Down,
    /// `{Tag, Reply}`.
    Reply,
    /// The process that was called ended; the term is why.
    Lost,
    /// The reason with which a process of `erpc` ended.
    Spawned,
    /// The atom with which a spawn request was refused.
    NotSpawned,
    /// `{Tag, Reply}` of `rex`.
    RexReply,
    Timeout,
    /// `[Res, M, F, Args]`; the handle has the process's number.
    Apply,
    /// `[M, F, Args]`, or `{'$gen_cast', {cast, M, F, Args, Leader}}` of those who cast through `rex`.
    Cast,
    /// The argument list; the sender's place has `{M, F, Arity}`.
    Spawn,
    /// `{'$gen_call', {Pid, Tag}, {call, M, F, Args, Leader}}`.
    RexCall,
    /// `{Pid, {call, M, F, Args, Leader}}`.
    RexSend,
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::Message,
        Self::Exit,
        Self::Down,
        Self::Reply,
        Self::Lost,
        Self::Spawned,
        Self::NotSpawned,
        Self::RexReply,
        Self::Timeout,
        Self::Apply,
        Self::Cast,
        Self::Spawn,
        Self::RexCall,
        Self::RexSend,
    ];

    /// Whether it is the outcome of a call of ours.
    #[cfg(feature = "std")]
    pub(super) fn is_answer(self) -> bool {
        matches!(self, Self::Reply | Self::Lost | Self::Spawned | Self::NotSpawned | Self::RexReply | Self::Timeout)
    }

    /// The first bytes of a record: four bits for the kind, twelve for the length of the sender; none when that is too long.
    #[inline]
    pub(super) fn head(self, from: &[u8]) -> Option<[u8; 2]> {
        let len = u16::try_from(from.len()).ok().filter(|len| *len < 0x1000)?;
        Some(((self as u16) << 12 | len).to_le_bytes())
    }
}

/// What an answer, a down or a served call is about: a place in a table, and a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Handle {
    pub(super) index: u16,
    pub(super) number: u64,
}

impl Handle {
    const BYTES: usize = 10;
    /// Of signals that are about nothing.
    pub(super) const NONE: Self = Self { index: 0, number: 0 };

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        if let Some((index, number)) = bytes.split_first_chunk_mut::<2>() {
            *index = self.index.to_le_bytes();
            number.copy_from_slice(&self.number.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, number @ ..] = bytes;
        Self { index: u16::from_le_bytes([a, b]), number: u64::from_le_bytes(number) }
    }
}

/// A monitor of ours on a process of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Monitor(pub(super) Handle);

/// A call of ours that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    pub(super) mailbox: Mailbox,
    pub(super) handle: Handle,
}

impl Request {
    /// The mailbox that made the call, and gets the answer.
    pub fn mailbox(self) -> Mailbox {
        self.mailbox
    }
}

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
    sender: &'m [u8],
    handle: Handle,
    term: Term<'m>,
    /// The records, whether the mailbox holds a peer up, and whether peers may go on: as they are now, and as they were.
    now: (&'m mut Ring, &'m mut bool, &'m mut Flow),
    before: (Ring, bool, bool),
}

/// What was received, as [`Message::received`] sorts it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Received<'m> {
    /// A `gen_server:call`: answer it with [`Outbox::reply`](crate::Outbox::reply), now or later.
    Call(Call<'m>),
    /// A `gen_server:cast`.
    Cast(Term<'m>),
    /// Any other message: what a `gen_server` gets in `handle_info`.
    Info(Term<'m>),
    /// Somebody calls a function that [`Node::serve`](crate::Node::serve) named: answer with [`Outbox::reply`](crate::Outbox::reply)
    /// or [`Outbox::raise`](crate::Outbox::raise), now or later.
    Apply(Apply<'m>),
    /// A linked process ended, or one called `exit/2`. Comes only to a mailbox that
    /// [traps exits](crate::Node::trap_exit).
    Exit {
        /// The process.
        from: Pid<'m>,
        /// Why: `noconnection` when its node is not connected any more.
        reason: Term<'m>,
    },
    /// A monitored process ended. The monitor is gone with it.
    Down {
        /// Which of our monitors.
        monitor: Monitor,
        /// Why: `noproc` when there was no such process, `noconnection` when its node is not connected any more.
        reason: Term<'m>,
    },
    /// The one answer to a call of ours.
    Answer {
        /// Which of our calls.
        request: Request,
        /// The value, or why there is none.
        result: Result<Term<'m>, Failure<'m>>,
    },
}

/// A `gen_server:call` that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub struct Call<'m> {
    /// The calling process.
    pub from: Pid<'m>,
    /// What the answer must carry for the caller to know it; its form is OTP's own affair.
    pub tag: Term<'m>,
    /// The request.
    pub request: Term<'m>,
}

/// A call of a served function.
#[derive(Debug, Clone, Copy)]
pub struct Apply<'m> {
    /// The function's module.
    pub module: Atom<'m>,
    /// The function's name.
    pub function: Atom<'m>,
    /// Its arguments: a proper list, as long as the function has parameters.
    pub args: Term<'m>,
    /// Who waits for the value.
    pub caller: Caller<'m>,
}

/// Who is to be answered: `From` in a `gen_server`'s `handle_call(Request, From, State)`.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'m> {
    pub(super) form: Form,
    /// The process of a call, or that of a function's caller; nothing for one that takes no answer.
    pub(super) from: Option<Pid<'m>>,
    /// The tag of a call, or the reference of an `erpc` call; the empty list for the others.
    pub(super) tag: Term<'m>,
    /// The process we made for the call.
    pub(super) job: u64,
}

/// The form of answer that a caller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `{Tag, Reply}`.
    Call,
    /// The same from `rex`, where an exception is a `badrpc`.
    Rex,
    /// `{rex, Reply}`.
    RexSend,
    /// The exit of the process, with `{Res, return, Value}`.
    Erpc,
    /// The exit of the process.
    Spawn,
    /// None: a cast.
    Nobody,
}

/// A [`Caller`] kept for an answer that comes later: 952 bytes on a 64 bit machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedCaller {
    form: Form,
    from: Option<OwnedPid>,
    tag: heapless::Vec<u8, TAG>,
    job: u64,
}

/// Bytes of the longest tag that is kept: two references with names of 255 bytes and what is around them.
pub(super) const TAG: usize = 640;

/// Why a call of ours has no value.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Failure<'m> {
    /// There is no process of that name or pid: `noproc`.
    NoProcess,
    /// The node is not connected, could not be, or went away before the answer came: `nodedown`. Why is an event:
    /// [`Event::ConnectFailed`](crate::Event::ConnectFailed) or [`Event::NodeDown`](crate::Event::NodeDown).
    NodeDown,
    /// No answer came in time. One that comes later is dropped.
    Timeout,
    /// The process that was called ended before it answered, for this reason.
    Ended(Term<'m>),
    /// The function called `error(Reason)`, or did something Erlang calls an error; with the stack trace.
    Error {
        /// The reason, such as `badarg` or `{badmatch, Value}`.
        reason: Term<'m>,
        /// The stack trace, a list.
        stack: Term<'m>,
    },
    /// There is no such function there: `undef`.
    Undefined,
    /// The function called `exit(Reason)`.
    Exit(Term<'m>),
    /// The function called `throw(Value)` and nobody caught it. Peers that have no `erpc` give the value as if it were returned.
    Throw(Term<'m>),
    /// The peer could not do it, and says why: `notsup`, `system_limit`, `badarg`. Or it did, and the answer does not fit this node's
    /// receive buffer: `too_large`.
    Refused(Term<'m>),
}

impl<'m> Message<'m> {
    /// The message in this record.
    #[inline]
    pub(super) fn new(
        mailbox: Mailbox,
        record: &'m [u8],
        now: (&'m mut Ring, &'m mut bool, &'m mut Flow),
        before: (Ring, bool, bool),
    ) -> Option<Self> {
        let (head, rest) = record.split_first_chunk::<2>()?;
        let head = u16::from_le_bytes(*head);
        let (sender, mut term) = rest.split_at_checked((head & 0xfff).into())?;
        let kind = *Kind::ALL.get(usize::from(head >> 12))?;
        let mut handle = Handle::NONE;
        if kind != Kind::Message {
            let (bytes, rest) = term.split_first_chunk()?;
            (handle, term) = (Handle::from_bytes(*bytes), rest);
        }
        Some(Self { mailbox, kind, sender, handle, term: Term::trusted(term), now, before })
    }

    /// What a record is, and what it is about.
    pub(super) fn peek(record: &[u8]) -> Option<(Kind, Handle)> {
        let (head, rest) = record.split_first_chunk::<2>()?;
        let head = u16::from_le_bytes(*head);
        let kind = *Kind::ALL.get(usize::from(head >> 12))?;
        let handle = rest.get(usize::from(head & 0xfff)..).and_then(|rest| rest.first_chunk());
        Some((kind, handle.map_or(Handle::NONE, |bytes| Handle::from_bytes(*bytes))))
    }

    /// What it is.
    pub fn received(&self) -> Received<'m> {
        let request = Request { mailbox: self.mailbox, handle: self.handle };
        let result = match self.kind {
            Kind::Message => return self.sorted(),
            Kind::Exit => {
                // an exit has its process, which was checked when it came
                return Term::trusted(self.sender)
                    .as_pid()
                    .map_or(Received::Info(self.term), |from| Received::Exit { from, reason: self.term });
            }
            Kind::Down => return Received::Down { monitor: Monitor(self.handle), reason: self.term },
            Kind::Reply => self.term.tuple().map(|[_, reply]| reply).ok_or(Failure::Refused(self.term)),
            Kind::RexReply => Failure::of_rex(self.term),
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

    /// A message as a `gen_server` sorts it.
    fn sorted(&self) -> Received<'m> {
        if let Some(call) = self.as_call() {
            return Received::Call(call);
        }
        self.as_cast().map_or(Received::Info(self.term), Received::Cast)
    }

    /// The call of a served function.
    fn apply(&self) -> Option<Apply<'m>> {
        let served = Served::read(self.kind, self.sender, self.term)?;
        let form = match self.kind {
            Kind::Apply => Form::Erpc,
            Kind::Spawn => Form::Spawn,
            Kind::RexCall => Form::Rex,
            Kind::RexSend => Form::RexSend,
            _ => Form::Nobody,
        };
        let caller = Caller { form, from: served.from, tag: served.tag, job: self.handle.number };
        Some(Apply { module: served.module, function: served.function, args: served.args, caller })
    }

    /// The message itself; of a signal, the reason.
    #[inline]
    pub fn term(&self) -> Term<'m> {
        self.term
    }

    /// The process that sent it, if the peer told: every BEAM since OTP 21 does.
    pub fn sender(&self) -> Option<Pid<'m>> {
        Term::trusted(self.sender).as_pid()
    }

    /// The call, if the message is one: `{'$gen_call', {Pid, Tag}, Request}`.
    pub fn as_call(&self) -> Option<Call<'m>> {
        if self.kind == Kind::Message { Call::of(self.term) } else { None }
    }

    /// The request of a `gen_server:cast`: `{'$gen_cast', Request}`.
    pub fn as_cast(&self) -> Option<Term<'m>> {
        let [tag, request] = self.term.tuple()?;
        (tag.is_atom("$gen_cast") && self.kind == Kind::Message).then_some(request)
    }

    /// Leaves the message in its mailbox, as the next to be received: for when an answer does not fit the transmit
    /// buffer now. Poll before receiving again: the poll ends once a peer has taken something.
    pub fn put_back(self) {
        let (ring, held, flow) = self.now;
        (*ring, *held, flow.resume) = self.before;
        flow.put_back = true;
    }
}

impl<'m> Call<'m> {
    #[inline]
    pub(super) fn of(term: Term<'m>) -> Option<Self> {
        let [kind, caller, request] = term.tuple()?;
        if !kind.is_atom("$gen_call") {
            return None;
        }
        let [from, tag] = caller.tuple()?;
        Some(Self { from: from.as_pid()?, tag, request })
    }

    /// Who is to be answered.
    pub fn caller(&self) -> Caller<'m> {
        Caller { form: Form::Call, from: Some(self.from), tag: self.tag, job: 0 }
    }
}

impl<'m> From<&Call<'m>> for Caller<'m> {
    fn from(call: &Call<'m>) -> Self {
        call.caller()
    }
}

impl<'m> From<&Apply<'m>> for Caller<'m> {
    fn from(apply: &Apply<'m>) -> Self {
        apply.caller
    }
}

impl<'m> From<&'m OwnedCaller> for Caller<'m> {
    fn from(caller: &'m OwnedCaller) -> Self {
        caller.as_caller()
    }
}

impl<'m> Caller<'m> {
    /// Keeps it for an answer that comes later. `None` for one whose tag or node has no proper form, which no Erlang makes.
    pub fn keep(&self) -> Option<OwnedCaller> {
        let from = match self.from {
            Some(from) => Some(OwnedPid::new(from)?),
            None => None,
        };
        let tag = heapless::Vec::from_slice(self.tag.as_bytes()).ok()?;
        Some(OwnedCaller { form: self.form, from, tag, job: self.job })
    }

    /// Whether an answer goes anywhere: not so for a cast.
    pub fn waits(&self) -> bool {
        self.form != Form::Nobody
    }

    /// The alias the answer goes to: `Ref` of the tags `[alias|Ref]` and `[[alias|Ref]|_]`.
    pub(super) fn alias(&self) -> Option<Reference<'m>> {
        alias(self.tag)
    }
}

/// The alias in a call's tag.
pub(super) fn alias(tag: Term<'_>) -> Option<Reference<'_>> {
    let mut outer = tag.as_list()?;
    let first = outer.next()?;
    if first.is_atom("alias") {
        return outer.tail()?.as_reference();
    }
    let mut inner = first.as_list()?;
    if inner.next()?.is_atom("alias") { inner.tail()?.as_reference() } else { None }
}

impl OwnedCaller {
    /// The caller, to be answered.
    pub fn as_caller(&self) -> Caller<'_> {
        let from = self.from.as_ref().map(OwnedPid::as_pid);
        Caller { form: self.form, from, tag: Term::trusted(&self.tag), job: self.job }
    }
}

/// A function that somebody wants to call here, however it was asked for.
pub(super) struct Served<'m> {
    pub(super) module: Atom<'m>,
    pub(super) function: Atom<'m>,
    pub(super) args: Term<'m>,
    pub(super) tag: Term<'m>,
    pub(super) from: Option<Pid<'m>>,
}

/// The empty list, encoded.
pub(super) const NIL: Term<'static> = Term::trusted(&[106]);

impl<'m> Served<'m> {
    /// Reads what a peer sent; `None` if it has another form.
    pub(super) fn read(kind: Kind, sender: &'m [u8], term: Term<'m>) -> Option<Self> {
        let sender = Term::trusted(sender);
        let mut tag = NIL;
        let mut from = sender.as_pid();
        let [module, function, args] = match kind {
            Kind::Apply => {
                let [res, module, function, args] = list(term)?;
                tag = res;
                [module, function, args]
            }
            Kind::Cast => match term.tuple() {
                Some([_, request]) => rex_cast(request)?,
                None => list(term)?,
            },
            Kind::Spawn => {
                let [module, function, _] = sender.tuple()?;
                [module, function, term]
            }
            Kind::RexCall => {
                let call = Call::of(term)?;
                (tag, from) = (call.tag, Some(call.from));
                rex_request(call.request)?
            }
            Kind::RexSend => {
                let [pid, request] = term.tuple()?;
                from = Some(pid.as_pid()?);
                rex_request(request)?
            }
            _ => return None,
        };
        args.as_list()?;
        Some(Self { module: module.as_atom()?, function: function.as_atom()?, args, tag, from })
    }

    /// How many arguments; `None` unless they are a proper list.
    pub(super) fn arity(&self) -> Option<usize> {
        let args = self.args.as_list()?;
        args.tail().is_none().then(|| args.count())
    }
}

/// `{call, M, F, Args, Leader}` and `{block_call, ..}`, which differ in nothing that matters here.
fn rex_request(term: Term<'_>) -> Option<[Term<'_>; 3]> {
    let [what, module, function, args, _leader] = term.tuple()?;
    (what.is_atom("call") || what.is_atom("block_call")).then_some([module, function, args])
}

/// `{cast, M, F, Args, Leader}`, which takes no answer.
fn rex_cast(term: Term<'_>) -> Option<[Term<'_>; 3]> {
    let [what, module, function, args, _leader] = term.tuple()?;
    what.is_atom("cast").then_some([module, function, args])
}

/// The elements of a proper list of exactly `N`.
fn list<const N: usize>(term: Term<'_>) -> Option<[Term<'_>; N]> {
    let mut list = term.as_list()?;
    let mut all = [NIL; N];
    for slot in &mut all {
        *slot = list.next()?;
    }
    if list.next().is_some() { None } else { Some(all) }
}

impl<'m> Failure<'m> {
    /// The exit of a process that was called, as `gen_server:call` tells it.
    pub(super) fn of_exit(reason: Term<'m>) -> Self {
        if reason.is_atom("noproc") {
            Self::NoProcess
        } else if reason.is_atom("noconnection") {
            Self::NodeDown
        } else {
            Self::Ended(reason)
        }
    }

    /// The exit of a process of `erpc`: `{Res, return, Value}`, `{Res, throw, Value}`, `{Res, exit, Reason}`,
    /// `{Res, error, {erpc, Reason}}`, `{Res, error, Reason, Stack}`; any other is that of the process itself.
    fn of_erpc(reason: Term<'m>) -> Result<Term<'m>, Self> {
        if let Some([_, class, value]) = reason.tuple() {
            return match class.as_atom() {
                Some(class) if class == "return" => Ok(value),
                Some(class) if class == "throw" => Err(Self::Throw(value)),
                Some(class) if class == "exit" => Err(Self::Exit(value)),
                Some(class) if class == "error" => Err(Self::Refused(value.tuple().map_or(value, |[_, why]| why))),
                _ => Err(Self::Ended(reason)),
            };
        }
        match reason.tuple() {
            Some([_, class, reason, stack]) if class.is_atom("error") => Err(Self::of_error(reason, stack)),
            _ if reason.is_atom("noconnection") => Err(Self::NodeDown),
            _ => Err(Self::Ended(reason)),
        }
    }

    /// `undef` of the function that was called, rather than of one it calls, has nothing above it on the stack.
    fn of_error(reason: Term<'m>, stack: Term<'m>) -> Self {
        let own = |entry: Term<'m>| {
            let module = entry.as_tuple().and_then(|mut entry| entry.next());
            module.is_none_or(|module| module.is_atom("erpc") || module.is_atom("rpc"))
        };
        let alone = stack.as_list().is_some_and(|mut entries| entries.next().is_some() && entries.next().is_none_or(own));
        if reason.is_atom("undef") && alone { Self::Undefined } else { Self::Error { reason, stack } }
    }

    /// What `rex` answers: `{badrpc, {'EXIT', {Reason, Stack}}}` and its kin, or the value.
    fn of_rex(answer: Term<'m>) -> Result<Term<'m>, Self> {
        let Some([_, value]) = answer.tuple() else { return Err(Self::Refused(answer)) };
        let Some([badrpc, why]) = value.tuple() else { return Ok(value) };
        if !badrpc.is_atom("badrpc") {
            return Ok(value);
        }
        let Some([exit, reason]) = why.tuple() else { return Err(Self::Refused(why)) };
        if !exit.is_atom("EXIT") {
            return Err(Self::Refused(why));
        }
        Err(match reason.tuple() {
            Some([reason, stack]) if stack.as_list().is_some() => Self::of_error(reason, stack),
            _ => Self::Exit(reason),
        })
    }
}

impl core::fmt::Display for Failure<'_> {
    /// In the words of Erlang's shell, where it has some.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoProcess => f.write_str("noproc"),
            Self::NodeDown => f.write_str("nodedown"),
            Self::Timeout => f.write_str("timeout"),
            Self::Undefined => f.write_str("exception error: undefined function (check module, name and number of arguments)"),
            Self::Ended(reason) => write!(f, "the process ended: {reason}"),
            Self::Error { reason, .. } => write!(f, "exception error: {reason}"),
            Self::Exit(reason) => write!(f, "exception exit: {reason}"),
            Self::Throw(value) => write!(f, "exception throw: {value}"),
            Self::Refused(why) => write!(f, "the peer cannot do it: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;
    use crate::wire::captured::packets;
    use crate::wire::control;

    /// What `rex` of OTP 23 and of OTP 29 answered, as `term_to_binary` gives it.
    const OF_REX: [(&str, &str, &str); 6] = [
        ("value 5", "8368026400037265786105", "83680277037265786105"),
        ("value ball", "83680264000372657864000462616c6c", "8368027703726578770462616c6c"),
        (
            "exit bye",
            "8368026400037265786802640006626164727063680264000445584954640003627965",
            "83680277037265786802770662616472706368027704455849547703627965",
        ),
        (
            "error badarg",
            "836802640003726578680264000662616472706368026400044558495468026400066261646172676c00000001680464000665726c616e6764000c6c6973\
             745f746f5f61746f6d6c00000001640001786a6a6a",
            "8368027703726578680277066261647270636802770445584954680277066261646172676c000000016804770665726c616e67770c6c6973745f746f5f61\
             746f6d6c000000017701786a6c000000016802770a6572726f725f696e666f740000000177066d6f64756c65770f65726c5f657274735f6572726f72736a\
             6a",
        ),
        // the function that was called is not there
        (
            "undefined",
            "83680264000372657868026400066261647270636802640004455849546802640005756e6465666c0000000168046400056c697374736400066e6f737563\
             686b0001016a6a",
            "836802770372657868027706626164727063680277044558495468027705756e6465666c00000001680477056c6973747377066e6f737563686b0001016a\
             6a",
        ),
        // one that it calls is not
        (
            "error undef",
            "83680264000372657868026400066261647270636802640004455849546802640005756e6465666c0000000268046400056c697374736400066e6f737563\
             686b0001016a68046400056c697374736400036d617061026c00000002680264000466696c656b00096c697374732e65726c68026400046c696e65620000\
             04db6a6a",
            "836802770372657868027706626164727063680277044558495468027705756e6465666c00000002680477056c6973747377066e6f737563686b0001016a\
             680477056c6973747377036d617061026c000000026802770466696c656b00096c697374732e65726c680277046c696e6562000009506a6a",
        ),
    ];

    fn told(answer: &[u8]) -> String {
        match Failure::of_rex(Term::parse(answer).unwrap()) {
            Ok(value) => std::format!("value {value}"),
            Err(Failure::Error { reason, stack }) => {
                assert!(stack.as_list().is_some());
                std::format!("error {reason}")
            }
            Err(Failure::Exit(reason)) => std::format!("exit {reason}"),
            Err(Failure::Undefined) => "undefined".to_string(),
            Err(other) => panic!("{other}"),
        }
    }

    fn unhex(hex: &str) -> Vec<u8> {
        hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(core::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn answers_of_rex_are_told_apart() {
        for (want, old, new) in OF_REX {
            assert_eq!((told(&unhex(old)), told(&unhex(new))), (want.to_string(), want.to_string()));
        }
        // and those that stand among what was captured
        for (pattern, want) in [("control/send_sender_rex", "value [b,a]"), ("control/send_sender_rex_badrpc", "undefined")] {
            for packet in packets(pattern) {
                assert_eq!(told(control::Message::parse(&packet).unwrap().payload), want);
            }
        }
    }

    #[test]
    fn ends_of_processes_are_told_apart() {
        for (atom, want) in [("noproc", "noproc"), ("noconnection", "nodedown"), ("killed", "the process ended: killed")] {
            let bytes = [&[119, u8::try_from(atom.len()).unwrap()], atom.as_bytes()].concat();
            assert_eq!(Failure::of_exit(Term::trusted(&bytes)).to_string(), want);
        }
    }
}

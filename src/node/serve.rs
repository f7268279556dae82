//! Functions that peers call here: by spawn requests, as `erpc` and `rpc` make them since OTP 23, and through `rex`.
//!
//! Protocol: erl_dist_protocol, SPAWN_REQUEST and SPAWN_REPLY; what `erpc` puts into them stands in OTP's erpc.erl.

use super::event::{Dropped, Event, Receiver};
use super::links::Stall;
use super::mailbox::{Delivery, Mailbox, Record};
use super::message::{Call, Caller, Form, Handle, Kind, Served};
use super::route::{Core, Routed};
use super::watch::{Given, NORMAL, Number, Owner, SYSTEM_LIMIT, Tie, Watch, Words, atom, job_pid, tell};
use crate::error::{ConfigError, Error, Misuse};
use crate::storage::slots::Key;
use crate::wire::build::{TermWriter, WriteTerm};
use crate::wire::codes::Flags;
use crate::wire::control::{Control, To, put_send};
use crate::wire::ids::{Atom, Pid, Reference};
use crate::wire::term::Term;

const BADARG: Term<'static> = atom(b"\x77\x06badarg");
/// The flags of a spawn reply: what the process is tied to its maker with.
const LINK: u64 = 1;
const MONITOR: u64 = 2;
/// The name of a process without one.
pub(super) const NOBODY: Atom<'static> = Atom::from_str("");

/// The functions that are served, and the mailbox their calls come to.
#[derive(Clone, Copy)]
pub(super) struct Functions<'s> {
    pub(super) mailbox: Mailbox,
    names: &'s [&'s str],
}

impl<'s> Functions<'s> {
    pub(super) fn new(mailbox: Mailbox, names: &'s [&'s str]) -> Result<Self, ConfigError> {
        if names.iter().all(|name| parts(name).is_some()) { Ok(Self { mailbox, names }) } else { Err(ConfigError::FunctionName) }
    }

    fn has(&self, module: Atom<'_>, function: Atom<'_>, arity: usize) -> bool {
        self.names.iter().filter_map(|name| parts(name)).any(|(m, f, a)| module == m && function == f && usize::from(a) == arity)
    }
}

/// `Module:Function/Arity` taken apart.
fn parts(name: &str) -> Option<(&str, &str, u8)> {
    let (module, rest) = name.split_once(':')?;
    let (function, arity) = rest.rsplit_once('/')?;
    let fits = |text: &str| !text.is_empty() && text.chars().count() <= Atom::MAX_CHARS;
    Some((module, function, arity.parse().ok()?)).filter(|_| fits(module) && fits(function))
}

/// What a function does instead of giving a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// `error(Reason)`.
    Error,
    /// `exit(Reason)`.
    Exit,
    /// `throw(Value)`.
    Throw,
}

/// Writes what a function came to, in the form that its caller takes.
pub(super) fn outcome(
    t: &mut TermWriter<'_, '_>,
    caller: &Caller<'_>,
    exception: Option<Exception>,
    write: WriteTerm<'_>,
) -> Result<(), Misuse> {
    match caller.form {
        Form::Call | Form::Rex => {
            t.tuple(2)?;
            t.term(caller.tag)?;
            of_rex(t, exception, write)
        }
        Form::RexSend => {
            t.tuple(2)?;
            t.atom("rex")?;
            of_rex(t, exception, write)
        }
        Form::Erpc => {
            t.tuple(if exception == Some(Exception::Error) { 4 } else { 3 })?;
            t.term(caller.tag)?;
            t.atom(match exception {
                None => "return",
                Some(Exception::Error) => "error",
                Some(Exception::Exit) => "exit",
                Some(Exception::Throw) => "throw",
            })?;
            write(t)?;
            // the stack trace, of which there is none
            if exception == Some(Exception::Error) { t.nil() } else { Ok(()) }
        }
        Form::Spawn | Form::Nobody => match exception {
            None => t.term(NORMAL),
            Some(Exception::Exit) => write(t),
            Some(Exception::Error) => {
                t.tuple(2)?;
                write(t)?;
                t.nil()
            }
            Some(Exception::Throw) => {
                t.tuple(2)?;
                t.tuple(2)?;
                t.atom("nocatch")?;
                write(t)?;
                t.nil()
            }
        },
    }
}

/// As `rpc` gives it: a thrown value as if it were returned.
fn of_rex(t: &mut TermWriter<'_, '_>, exception: Option<Exception>, write: WriteTerm<'_>) -> Result<(), Misuse> {
    if matches!(exception, None | Some(Exception::Throw)) {
        return write(t);
    }
    t.tuple(2)?;
    t.atom("badrpc")?;
    t.tuple(2)?;
    t.atom("EXIT")?;
    if exception == Some(Exception::Exit) {
        return write(t);
    }
    t.tuple(2)?;
    write(t)?;
    t.nil()
}

/// How much of the stack trace is told: as a BEAM does it, or less where that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stack {
    /// The function and its arguments.
    Whole,
    /// The function and how many arguments there were.
    Arity,
    Nothing,
}

impl Stack {
    const ALL: [Self; 3] = [Self::Whole, Self::Arity, Self::Nothing];
}

/// Why a function that is not served was not called: `undef`, with the function on the stack; or `badarg`, when the arguments are no proper list and could not be those of any function.
fn undef(t: &mut TermWriter<'_, '_>, caller: &Caller<'_>, served: &Served<'_>, stack: Stack) -> Result<(), Misuse> {
    let arity = served.arity();
    let why = if arity.is_some() { "undef" } else { "badarg" };
    let stack = |t: &mut TermWriter<'_, '_>| {
        let Some(arity) = arity.filter(|_| stack != Stack::Nothing) else { return t.nil() };
        t.list(1)?;
        t.tuple(4)?;
        t.atom_of(served.module)?;
        t.atom_of(served.function)?;
        if stack == Stack::Whole {
            t.term(served.args)?;
        } else {
            t.int(i64::try_from(arity).unwrap_or(i64::MAX))?;
        }
        t.nil()?;
        t.nil()
    };
    let mut reason = |t: &mut TermWriter<'_, '_>| {
        t.tuple(2)?;
        t.atom(why)?;
        stack(t)
    };
    match caller.form {
        Form::Erpc => {
            t.tuple(4)?;
            t.term(caller.tag)?;
            t.atom("error")?;
            t.atom(why)?;
            stack(t)
        }
        Form::Spawn | Form::Nobody => reason(t),
        Form::Call | Form::Rex => {
            t.tuple(2)?;
            t.term(caller.tag)?;
            of_rex(t, Some(Exception::Exit), &mut reason)
        }
        Form::RexSend => {
            t.tuple(2)?;
            t.atom("rex")?;
            of_rex(t, Some(Exception::Exit), &mut reason)
        }
    }
}

/// A spawn request, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Spawn<'a> {
    pub(super) id: Reference<'a>,
    pub(super) from: Pid<'a>,
    pub(super) module: Atom<'a>,
    pub(super) function: Atom<'a>,
    pub(super) arity: u8,
    /// `{Module, Function, Arity}`.
    pub(super) mfa: Term<'a>,
    pub(super) options: Term<'a>,
}

impl Core<'_> {
    /// Somebody wants a process made that runs a function: it is made, to the peer, when the function is served, and else made and
    /// ended at once. The answer to the request goes before anything else about the process.
    pub(super) fn spawn(&mut self, peer: Key, spawn: &Spawn<'_>, args: Option<Term<'_>>) -> Routed {
        let Some(args) = args.filter(|args| args.as_list().is_some()) else {
            self.spawn_refused(peer, spawn, BADARG);
            return Routed::Done;
        };
        let kind = if spawn.module == "erpc" && spawn.function == "execute_call" && spawn.arity == 4 {
            Kind::Apply
        } else if spawn.module == "erpc" && spawn.function == "execute_cast" && spawn.arity == 3 {
            Kind::Cast
        } else {
            Kind::Spawn
        };
        let head = if kind == Kind::Spawn { spawn.mfa } else { super::message::NIL };
        let Some(served) = Served::read(kind, head.as_bytes(), args) else {
            self.spawn_refused(peer, spawn, BADARG);
            return Routed::Done;
        };
        let option =
            |name: &str| spawn.options.as_list().is_some_and(|mut options| options.any(|option| is_option(option, name)));
        let flags = if option("link") { LINK } else { 0 } | if option("monitor") { MONITOR } else { 0 };
        let number = self.counters.next();
        let Some(mailbox) = self.serves(&served) else {
            return self.spawn_undefined(peer, spawn, kind, &served, number, flags);
        };
        if self.watches.room() < Self::ties(spawn, flags).count() {
            if let Some(node) = self.name(peer) {
                self.events.push(Event::Dropped { node, to: receiver(&served), why: Dropped::WatchesFull });
            }
            self.spawn_refused(peer, spawn, SYSTEM_LIMIT);
            return Routed::Done;
        }
        let from = if kind == Kind::Spawn { head.as_bytes() } else { &[] };
        match self.deliver(mailbox, &Record { kind, from, handle: Some(Handle { index: 0, number }), term: args }) {
            Delivery::Held => return Routed::Stalled(Stall::Mailbox(mailbox)),
            Delivery::Dropped => {
                self.spawn_refused(peer, spawn, SYSTEM_LIMIT);
                return Routed::Done;
            }
            Delivery::Done => {}
        }
        self.spawn_replied(peer, spawn, number, flags);
        if kind == Kind::Cast {
            // to whoever watches, it has ended: nothing tells when the program is done with it
            self.tell_spawner(peer, spawn, number, flags, |t, _| t.term(NORMAL));
            return Routed::Done;
        }
        for kind in Self::ties(spawn, flags) {
            // there was room
            let owner = Owner::Job { number, server: mailbox };
            let _ = self.watches.insert(Watch { owner, peer, pid: Number::of(spawn.from), kind });
        }
        Routed::Done
    }

    /// What the caller of a spawn request asked to be tied to the process with.
    fn ties(spawn: &Spawn<'_>, flags: u64) -> impl Iterator<Item = Tie> {
        let monitor = Tie::Monitor { reference: Words::of(spawn.id), given: Given::Spawn };
        let ties = [(flags & MONITOR != 0).then_some(monitor), (flags & LINK != 0).then_some(Tie::Link)];
        ties.into_iter().flatten()
    }

    /// The mailbox that a function's calls come to, if it is served.
    fn serves(&self, served: &Served<'_>) -> Option<Key> {
        let functions = self.functions?;
        let arity = served.arity()?;
        let mailbox = functions.mailbox;
        (functions.has(served.module, served.function, arity) && self.inboxes.get(mailbox).is_ok()).then_some(mailbox.0)
    }

    pub(super) fn spawn_refused(&mut self, peer: Key, spawn: &Spawn<'_>, why: Term<'_>) {
        self.answer(peer, &Control::SpawnReply { id: spawn.id, to: spawn.from, flags: 0, result: why }, None);
    }

    fn spawn_replied(&mut self, peer: Key, spawn: &Spawn<'_>, number: u64, flags: u64) {
        let mut encoded = [0; super::watch::PID];
        let mut out = crate::wire::cursor::Writer::new(&mut encoded);
        let own = job_pid(self.identity.node(), self.identity.creation, number);
        let _ = TermWriter::uncounted(&mut out).pid(own);
        let len = out.finish().unwrap_or(0);
        let result = Term::trusted(encoded.get(..len).unwrap_or(&[]));
        self.answer(peer, &Control::SpawnReply { id: spawn.id, to: spawn.from, flags, result }, None);
    }

    /// Tells the maker of a spawn request that its process ended.
    fn tell_spawner<F>(&mut self, peer: Key, spawn: &Spawn<'_>, number: u64, flags: u64, reason: F)
    where
        F: Fn(&mut TermWriter<'_, '_>, Stack) -> Result<(), Misuse>,
    {
        let own = job_pid(self.identity.node(), self.identity.creation, number);
        for kind in Self::ties(spawn, flags) {
            // a process that never was anybody's
            let owner = Owner::Job { number, server: super::requests::NOBODY };
            let watch = Watch { owner, peer, pid: Number::of(spawn.from), kind };
            let mut tell = |stack| tell(&mut self.links, 0, &watch, own, NOBODY, &mut |t| reason(t, stack)).is_ok();
            if !Stack::ALL.into_iter().any(&mut tell) {
                log::warn!("the end of a process could not be told");
            }
        }
    }

    /// The process of a function that is not served ends at once.
    fn spawn_undefined(
        &mut self,
        peer: Key,
        spawn: &Spawn<'_>,
        kind: Kind,
        served: &Served<'_>,
        number: u64,
        flags: u64,
    ) -> Routed {
        self.spawn_replied(peer, spawn, number, flags);
        if flags == 0 {
            return self.drop(peer, receiver(served), Dropped::NotServed);
        }
        let form = if kind == Kind::Apply { Form::Erpc } else { Form::Spawn };
        let caller = Caller { form, from: None, tag: served.tag, job: number };
        self.tell_spawner(peer, spawn, number, flags, |t, stack| undef(t, &caller, served, stack));
        Routed::Done
    }

    /// A call of a function by a message to `rex`, in any of its three forms.
    pub(super) fn rex(&mut self, peer: Key, term: Term<'_>) -> Routed {
        if let Some((from, name, message)) = sbcast(term) {
            return self.sbcast(peer, from, name, message);
        }
        let (kind, form) = rex_form(term);
        let Some(served) = Served::read(kind, &[], term) else { return Routed::Done };
        let Some(mailbox) = self.serves(&served) else {
            if form == Form::Nobody {
                return self.drop(peer, receiver(&served), Dropped::NotServed);
            }
            let caller = Caller { form, from: served.from, tag: served.tag, job: 0 };
            let mut answer = |stack| self.answer_caller(peer, &caller, &mut |t| undef(t, &caller, &served, stack)).is_ok();
            if !Stack::ALL.into_iter().any(&mut answer) {
                log::warn!("the caller of a function that is not served could not be told");
            }
            return Routed::Done;
        };
        match self.deliver(mailbox, &Record { kind, from: &[], handle: Some(Handle::NONE), term }) {
            Delivery::Held => Routed::Stalled(Stall::Mailbox(mailbox)),
            Delivery::Done => Routed::Done,
            Delivery::Dropped => self.drop(peer, receiver(&served), Dropped::MailboxFull),
        }
    }

    /// `rpc:sbcast`, which waits until it is told whether there is somebody of that name here.
    fn sbcast(&mut self, peer: Key, from: Pid<'_>, name: Atom<'_>, message: Term<'_>) -> Routed {
        let inbox = self.inboxes.find(name);
        if let Some(inbox) = inbox {
            let record = Record { kind: Kind::Message, from: &[], handle: None, term: message };
            if let Delivery::Held = self.deliver(inbox, &record) {
                return Routed::Stalled(Stall::Mailbox(inbox));
            }
        }
        let node = self.identity.node();
        let answered = super::calls::send(&self.identity, &mut self.links, peer, To::Pid(from), &mut |t| {
            t.tuple(3)?;
            t.atom("rex")?;
            t.atom_of(node)?;
            if inbox.is_some() {
                return t.atom_of(node);
            }
            t.tuple(2)?;
            t.atom("nonexisting_name")?;
            t.atom_of(name)
        });
        if let Err(e) = answered {
            log::warn!("answer to an sbcast: {e}");
        }
        Routed::Done
    }

    /// Answers in the core's own name.
    fn answer_caller(&mut self, peer: Key, caller: &Caller<'_>, write: WriteTerm<'_>) -> Result<(), Error> {
        let Some(pid) = caller.from else { return Ok(()) };
        let flags = self.links.flags(peer);
        let to = match caller.alias() {
            Some(alias) if flags.has(Flags::ALIAS) && alias.node == pid.node => To::Alias(alias),
            _ => To::Pid(pid),
        };
        let from = self.identity.core_pid();
        self.links.frame(peer, 0, |out| {
            put_send(out, Some(from), to, flags.has(Flags::ALTACT_SIG))?;
            TermWriter::one(out, write)
        })
    }
}

fn rex_form(term: Term<'_>) -> (Kind, Form) {
    if Call::of(term).is_some() {
        return (Kind::RexCall, Form::Rex);
    }
    match term.tuple() {
        Some([kind, _]) if kind.is_atom("$gen_cast") => (Kind::Cast, Form::Nobody),
        _ => (Kind::RexSend, Form::RexSend),
    }
}

/// Whether a message to `rex` is one that is answered for here.
pub(super) fn is_for_rex(term: Term<'_>) -> bool {
    Served::read(rex_form(term).0, &[], term).is_some() || sbcast(term).is_some()
}

/// `{Pid, {sbcast, Name, Message}}`.
fn sbcast(term: Term<'_>) -> Option<(Pid<'_>, Atom<'_>, Term<'_>)> {
    let [from, request] = term.tuple()?;
    let [what, name, message] = request.tuple()?;
    if what.is_atom("sbcast") { Some((from.as_pid()?, name.as_atom()?, message)) } else { None }
}

/// `monitor`, `{monitor, _}`.
fn is_option(option: Term<'_>, name: &str) -> bool {
    option.is_atom(name) || option.tuple().is_some_and(|[key, _]| key.is_atom(name))
}

/// A function, for a report.
fn receiver(served: &Served<'_>) -> Receiver {
    let mut name = heapless::String::new();
    let arity = served.arity().unwrap_or(0);
    let mut text = served.module.chars().chain([':']).chain(served.function.chars());
    // a longer name is cut, and leaves room for the number
    while name.len() < 246 {
        let Some(c) = text.next() else { break };
        let _ = name.push(c);
    }
    let _ = core::fmt::write(&mut name, format_args!("/{arity}"));
    Receiver::Function(name)
}

//! Functions that peers call here by spawn requests, as `erpc` and `rpc` make them since OTP 23.
//!
//! Protocol: erl_dist_protocol, SPAWN_REQUEST and SPAWN_REPLY; what `erpc` puts into them stands in OTP's erpc.erl.

use crate::node::core::send::tell;
use crate::node::core::state::{Core, Reason, Routed};
use crate::node::forms::atoms::{BADARG, NIL, NORMAL, SYSTEM_LIMIT};
use crate::node::forms::caller::{Caller, Form};
use crate::node::forms::outcome::{Stack, unserved};
use crate::node::forms::pid::EncodedPid;
use crate::node::forms::served::Served;
use crate::node::otp;
use crate::node::tables::event::Dropped;
use crate::node::tables::handles::Handle;
use crate::node::tables::identity::{NAMELESS, job_pid};
use crate::node::tables::links::Stall;
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::{Kind, Record};
use crate::node::tables::requests::NO_PEER;
use crate::node::tables::ties::{NamedBy, Number, Owner, Watch, WatchKind, Words};
use crate::storage::slots::Key;
use crate::wire::build::{TermWriter, Written};
use crate::wire::control::Control;
use crate::wire::ids::{Atom, Pid, Reference};
use crate::wire::term::Term;

/// The flags of a spawn reply: what the process is tied to its maker with.
const LINK: u64 = 1;
const MONITOR: u64 = 2;

/// A spawn request, taken apart.
#[derive(Clone, Copy)]
pub(crate) struct Spawn<'a> {
    pub(crate) id: Reference<'a>,
    pub(crate) from: Pid<'a>,
    pub(crate) module: Atom<'a>,
    pub(crate) function: Atom<'a>,
    pub(crate) arity: i64,
    /// `{Module, Function, Arity}`.
    pub(crate) mfa: Term<'a>,
    pub(crate) options: Term<'a>,
}

impl Core<'_> {
    /// Makes a process that runs a function, as a peer asks. To the peer it is made when the function is served, and else made and ended at
    /// once. The answer to the request goes before anything else about the process.
    pub(crate) fn spawn(&mut self, peer: Key, spawn: &Spawn<'_>, args: Reason<'_>) -> Routed {
        let args = match args {
            Ok(args) if args.as_list().is_some() => args,
            why => {
                self.spawn_refused(peer, spawn, why.err().filter(|why| why.is_atom("too_deep")).unwrap_or(BADARG));
                return Routed::Done;
            }
        };
        let kind = if spawn.module == "erpc" && spawn.function == "execute_call" && spawn.arity == 4 {
            Kind::Apply
        } else if spawn.module == "erpc" && spawn.function == "execute_cast" && spawn.arity == 3 {
            Kind::Cast
        } else {
            Kind::Spawn
        };
        let head = if kind == Kind::Spawn { spawn.mfa } else { NIL };
        let Some(served) = Served::read(kind, head.as_bytes(), args) else {
            self.spawn_refused(peer, spawn, BADARG);
            return Routed::Done;
        };
        let option =
            |name: &str| spawn.options.as_list().is_some_and(|mut options| options.any(|option| is_option(option, name)));
        let flags = if option("link") { LINK } else { 0 } | if option("monitor") { MONITOR } else { 0 };
        let number = self.far.ledger.next();
        let Some(mailbox) = self.serves(&served) else {
            return self.spawn_undefined(peer, spawn, kind, &served, number, flags);
        };
        if !self.peers().has_share(peer, Self::ties(spawn, flags).count()) {
            self.no_share(peer, served.receiver());
            self.spawn_refused(peer, spawn, SYSTEM_LIMIT);
            return Routed::Done;
        }
        let from = if kind == Kind::Spawn { head.as_bytes() } else { &[] };
        match self.deliver(mailbox, &Record { kind, peer, from, handle: Some(Handle { index: 0, number }), term: args }) {
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
            self.peers().add_watch(Watch::new(owner, peer, Number::of(spawn.from), kind));
        }
        Routed::Done
    }

    /// Returns the ties with which the caller of a spawn request asked to be tied to the process.
    fn ties(spawn: &Spawn<'_>, flags: u64) -> impl Iterator<Item = WatchKind> {
        let monitor = WatchKind::Monitor { reference: Words::of(spawn.id), given: NamedBy::Spawn };
        let ties = [(flags & MONITOR != 0).then_some(monitor), (flags & LINK != 0).then_some(WatchKind::Link)];
        ties.into_iter().flatten()
    }

    pub(crate) fn spawn_refused(&mut self, peer: Key, spawn: &Spawn<'_>, why: Term<'_>) {
        self.answer(peer, &Control::SpawnReply { id: spawn.id, to: spawn.from, flags: 0, result: why });
    }

    fn spawn_replied(&mut self, peer: Key, spawn: &Spawn<'_>, number: u64, flags: u64) {
        let pid = EncodedPid::of(job_pid(self.identity.node(), self.identity.creation, number));
        let result = pid.as_term();
        self.answer(peer, &Control::SpawnReply { id: spawn.id, to: spawn.from, flags, result });
    }

    /// Tells the maker of a spawn request that its process ended.
    fn tell_spawner<F>(&mut self, peer: Key, spawn: &Spawn<'_>, number: u64, flags: u64, reason: F)
    where
        F: for<'t, 'b> Fn(&'t mut TermWriter<'b>, Stack) -> Written<'t, 'b>,
    {
        for kind in Self::ties(spawn, flags) {
            let own = job_pid(self.identity.node(), self.identity.creation, number);
            // a process that never was anybody's
            let owner = Owner::Job { number, server: NO_PEER };
            let watch = Watch::new(owner, peer, Number::of(spawn.from), kind);
            let mut tell = |stack| tell(&mut self.far.links, 0, &watch, own, NAMELESS, &mut |t| reason(t, stack)).is_ok();
            if !Stack::ALL.into_iter().any(&mut tell) {
                self.unsent(peer, format_args!("the end of a process could not be told"));
            }
        }
    }

    /// Ends the process of a function that is not served, at once.
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
            return self.drop(peer, served.receiver(), Dropped::NotServed);
        }
        let form = if kind == Kind::Apply { Form::Erpc } else { Form::Spawn };
        let caller = Caller { form, from: None, tag: served.tag, job: number };
        let value = otp::of_code(served);
        self.tell_spawner(peer, spawn, number, flags, |t, stack| unserved(t, &caller, served, value, stack));
        Routed::Done
    }
}

/// Returns true for `monitor` and `{monitor, _}`, if that is the name.
fn is_option(option: Term<'_>, name: &str) -> bool {
    option.is_atom(name) || option.tuple().is_some_and(|[key, _]| key.is_atom(name))
}

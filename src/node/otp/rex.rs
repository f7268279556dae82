//! `rex`, through which `rpc` of OTP 22 and before calls functions, and some of it in every release.

use super::code;
use crate::error::Error;
use crate::node::core::send::{answer_to, send};
use crate::node::core::state::{Core, Routed};
use crate::node::forms::call::Call;
use crate::node::forms::caller::{Caller, Form};
use crate::node::forms::outcome::{Stack, unserved};
use crate::node::forms::served::Served;
use crate::node::tables::event::Dropped;
use crate::node::tables::handles::Handle;
use crate::node::tables::identity::Identity;
use crate::node::tables::links::{Links, Stall};
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::{Kind, Record};
use crate::storage::slots::Key;
use crate::wire::build::WriteDyn;
use crate::wire::control::To;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

impl Core<'_> {
    /// Takes the call of a function by a message to `rex`, in any of its three forms.
    pub(crate) fn rex(&mut self, peer: Key, term: Term<'_>) -> Routed {
        if let Some((from, name, message)) = sbcast(term) {
            return self.sbcast(peer, from, name, message);
        }
        let (kind, form) = rex_form(term);
        let Some(served) = Served::read(kind, &[], term) else { return Routed::Done };
        let Some(mailbox) = self.serves(&served) else {
            if form == Form::Nobody {
                return self.drop(peer, served.receiver(), Dropped::NotServed);
            }
            let caller = Caller { form, from: served.from, tag: served.tag, job: 0 };
            let value = code::value(&served);
            let mut answer =
                |stack| self.answer_caller(peer, &caller, &mut |t| unserved(t, &caller, &served, value, stack)).is_ok();
            if !Stack::ALL.into_iter().any(&mut answer) {
                self.unsent(peer, format_args!("the caller of a function that is not served could not be told"));
            }
            return Routed::Done;
        };
        match self.deliver(mailbox, &Record { kind, peer, from: &[], handle: Some(Handle::NONE), term }) {
            Delivery::Held => Routed::Stalled(Stall::Mailbox(mailbox)),
            Delivery::Done => Routed::Done,
            Delivery::Dropped => self.drop(peer, served.receiver(), Dropped::MailboxFull),
        }
    }

    /// Takes an `rpc:sbcast`, which waits until it is told whether there is somebody of that name here.
    fn sbcast(&mut self, peer: Key, from: Pid<'_>, name: Atom<'_>, message: Term<'_>) -> Routed {
        let inbox = self.inboxes.find(name);
        if let Some(inbox) = inbox {
            let record = Record { kind: Kind::Message, peer, from: &[], handle: None, term: message };
            if let Delivery::Held = self.deliver(inbox, &record) {
                return Routed::Stalled(Stall::Mailbox(inbox));
            }
        }
        let node = self.identity.node();
        let answered = send(&self.identity, &mut self.far.links, peer, To::Pid(from), &mut |t| {
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
            self.unsent(peer, format_args!("answer to an sbcast: {e}"));
        }
        Routed::Done
    }

    /// Answers in the core's own name.
    fn answer_caller(&mut self, peer: Key, caller: &Caller<'_>, write: WriteDyn<'_>) -> Result<(), Error> {
        let Some(pid) = caller.from else { return Ok(()) };
        let to = answer_to(&self.far.links, peer, pid, caller.alias());
        send(&self.identity, &mut self.far.links, peer, to, write)
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

/// Returns true if a message to `rex` is answered for here.
pub(crate) fn is_for_rex(term: Term<'_>) -> bool {
    Served::read(rex_form(term).0, &[], term).is_some() || sbcast(term).is_some()
}

/// Reads `{Pid, {sbcast, Name, Message}}`.
fn sbcast(term: Term<'_>) -> Option<(Pid<'_>, Atom<'_>, Term<'_>)> {
    let [from, request] = term.tuple()?;
    let [what, name, message] = request.tuple()?;
    if what.is_atom("sbcast") { Some((from.as_pid()?, name.as_atom()?, message)) } else { None }
}

/// Returns the process that asks what `rex` can do: `{Pid,features_request}`.
pub(crate) fn features_request(message: Term<'_>) -> Option<Pid<'_>> {
    let [from, what] = message.tuple()?;
    if what.is_atom("features_request") { from.as_pid() } else { None }
}

/// Calls are answered as `erpc` makes them. OTP 23 sends an `rpc:cast` so only to a node that said this.
pub(crate) fn features(identity: &Identity, links: &mut Links<'_>, peer: Key, observer: Pid<'_>) -> Result<(), Error> {
    send(identity, links, peer, To::Pid(observer), &mut |t| {
        t.tuple(3)?;
        t.atom("features_reply")?;
        t.atom(identity.config.name.shown().as_str())?;
        t.list(1)?;
        t.atom("erpc")?;
        t.nil()
    })
}

//! The caller that waits for an answer, and the form of the answer.

use super::tag::{TAG, alias};
use crate::wire::ids::{OwnedPid, Pid, Reference};
use crate::wire::term::Term;

/// The caller to be answered: `From` in a `gen_server`'s `handle_call(Request, From, State)`.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'m> {
    pub(in crate::node) form: Form,
    /// The process of a call, or that of a function's caller; nothing for one that takes no answer.
    pub(in crate::node) from: Option<Pid<'m>>,
    /// The tag of a call, or the reference of an `erpc` call; the empty list for the others.
    pub(in crate::node) tag: Term<'m>,
    /// The process we made for the call.
    pub(in crate::node) job: u64,
}

/// The form of answer that a caller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Form {
    /// `{Tag, Reply}`.
    Call,
    /// `{Tag, Reply}` from `rex`, where an exception is a `badrpc`.
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

    /// Returns true if an answer goes anywhere: not so for a cast.
    pub fn waits(&self) -> bool {
        self.form != Form::Nobody
    }

    /// Returns the alias the answer goes to: `Ref` of the tags `[alias|Ref]` and `[[alias|Ref]|_]`.
    pub(in crate::node) fn alias(&self) -> Option<Reference<'m>> {
        alias(self.tag)
    }
}

impl OwnedCaller {
    /// Returns the caller, to be answered.
    pub fn as_caller(&self) -> Caller<'_> {
        let from = self.from.as_ref().map(OwnedPid::as_pid);
        Caller { form: self.form, from, tag: Term::trusted(&self.tag), job: self.job }
    }
}

//! The call of a `gen_server`.

use super::caller::{Caller, Form};
use crate::wire::ids::Pid;
use crate::wire::term::Term;

/// A `gen_server:call` that waits for its answer.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Call<'m> {
    /// The calling process.
    pub from: Pid<'m>,
    /// The tag that the answer must carry for the caller to know it. Its form is OTP's own affair.
    pub tag: Term<'m>,
    /// The request.
    pub request: Term<'m>,
}

impl<'m> Call<'m> {
    /// Reads `{'$gen_call', {Pid, Tag}, Request}`.
    #[inline]
    pub(in crate::node) fn of(term: Term<'m>) -> Option<Self> {
        let [kind, caller, request] = term.tuple()?;
        if !kind.is_atom("$gen_call") {
            return None;
        }
        let [from, tag] = caller.tuple()?;
        Some(Self { from: from.as_pid()?, tag, request })
    }

    /// Reads a system message: `{system, {Pid, Tag}, Request}`.
    pub(in crate::node) fn of_system(term: Term<'m>) -> Option<Self> {
        let [kind, caller, request] = term.tuple()?;
        let [from, tag] = caller.tuple().filter(|_| kind.is_atom("system"))?;
        Some(Self { from: from.as_pid()?, tag, request })
    }

    /// Returns the caller, to be answered.
    pub fn caller(&self) -> Caller<'m> {
        Caller { form: Form::Call, from: Some(self.from), tag: self.tag, job: 0 }
    }
}

impl<'m> From<&Call<'m>> for Caller<'m> {
    fn from(call: &Call<'m>) -> Self {
        call.caller()
    }
}

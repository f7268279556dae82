//! The outcome of a function, in the form that its caller takes.

use super::atoms::NORMAL;
use super::caller::{Caller, Form};
use super::served::Served;
use crate::wire::build::{TermWriter, WriteDyn, Written};
use crate::wire::term::Term;

/// The way in which a function ends without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exception {
    /// `error(Reason)`.
    Error,
    /// `exit(Reason)`.
    Exit,
    /// `throw(Value)`.
    Throw,
}

/// Writes what a function came to, in the form that its caller takes.
pub(crate) fn outcome<'t, 'b>(
    t: &'t mut TermWriter<'b>,
    caller: &Caller<'_>,
    exception: Option<Exception>,
    write: WriteDyn<'_>,
) -> Written<'t, 'b> {
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
            if exception == Some(Exception::Error) { t.nil() } else { Ok(t) }
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

/// Writes the outcome as `rpc` gives it: a thrown value as if it were returned.
fn of_rex<'t, 'b>(t: &'t mut TermWriter<'b>, exception: Option<Exception>, write: WriteDyn<'_>) -> Written<'t, 'b> {
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

/// The part of the stack trace that is told: as a BEAM does it, or less where that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// The function and its arguments.
    Whole,
    /// The function and how many arguments there were.
    Arity,
    Nothing,
}

impl Stack {
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Arity, Self::Nothing];
}

/// Writes what the node itself answers for a function that is not served: its value where the node knows that, else why it was not called.
pub(crate) fn unserved<'t, 'b>(
    t: &'t mut TermWriter<'b>,
    caller: &Caller<'_>,
    served: &Served<'_>,
    value: Option<Term<'_>>,
    stack: Stack,
) -> Written<'t, 'b> {
    match value {
        Some(value) => outcome(t, caller, None, &mut |t| t.term(value)),
        None => undef(t, caller, served, stack),
    }
}

/// Writes why a function that is not served was not called: `undef`, with the function on the stack; or `badarg`, when the arguments are no
/// proper list and could not be those of any function.
fn undef<'t, 'b>(t: &'t mut TermWriter<'b>, caller: &Caller<'_>, served: &Served<'_>, stack: Stack) -> Written<'t, 'b> {
    let arity = served.arity();
    let why = if arity.is_some() { "undef" } else { "badarg" };
    match caller.form {
        Form::Erpc => {
            t.tuple(4)?.term(caller.tag)?.atom("error")?.atom(why)?;
            called(t, served, arity, stack)
        }
        Form::Spawn | Form::Nobody => undefined(t, served, arity, stack),
        Form::Call | Form::Rex => {
            t.tuple(2)?.term(caller.tag)?;
            of_rex(t, Some(Exception::Exit), &mut |t| undefined(t, served, arity, stack))
        }
        Form::RexSend => {
            t.tuple(2)?.atom("rex")?;
            of_rex(t, Some(Exception::Exit), &mut |t| undefined(t, served, arity, stack))
        }
    }
}

/// Writes the reason, with the stack trace.
fn undefined<'t, 'b>(t: &'t mut TermWriter<'b>, served: &Served<'_>, arity: Option<usize>, stack: Stack) -> Written<'t, 'b> {
    t.tuple(2)?.atom(if arity.is_some() { "undef" } else { "badarg" })?;
    called(t, served, arity, stack)
}

/// Writes the stack trace: the function that was called, with its arguments or how many there were.
fn called<'t, 'b>(t: &'t mut TermWriter<'b>, served: &Served<'_>, arity: Option<usize>, stack: Stack) -> Written<'t, 'b> {
    let Some(arity) = arity.filter(|_| stack != Stack::Nothing) else { return t.nil() };
    t.list(1)?.tuple(4)?.atom_of(served.module)?.atom_of(served.function)?;
    if stack == Stack::Whole {
        t.term(served.args)?;
    } else {
        t.int(i64::try_from(arity).unwrap_or(i64::MAX))?;
    }
    t.nil()?.nil()
}

//! The reasons for which a call of ours has no value.

use crate::wire::term::Term;

/// The reason for which a call of ours has no value.
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
    /// The function called `throw(Value)` and nobody caught it.
    Throw(Term<'m>),
    /// The peer could not do it, and says why: `notsup`, `system_limit`, `badarg`. Or it did, and the answer does not fit this node's
    /// receive buffer: `too_large`; or is nested deeper than [`Limits::MAX_DEPTH`](crate::Limits::MAX_DEPTH): `too_deep`. A peer that takes no
    /// spawn requests is not asked for a function: `notsup`.
    Refused(Term<'m>),
}

impl<'m> Failure<'m> {
    /// Reads the exit of a process that was called, as `gen_server:call` tells it.
    pub(in crate::node) fn of_exit(reason: Term<'m>) -> Self {
        if reason.is_atom("noproc") {
            Self::NoProcess
        } else if reason.is_atom("noconnection") {
            Self::NodeDown
        } else {
            Self::Ended(reason)
        }
    }

    /// Reads the exit of a process of `erpc`: `{Res, return, Value}`, `{Res, throw, Value}`, `{Res, exit, Reason}`,
    /// `{Res, error, {erpc, Reason}}`, `{Res, error, Reason, Stack}`; any other is that of the process itself.
    pub(in crate::node) fn of_erpc(reason: Term<'m>) -> Result<Term<'m>, Self> {
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

    /// Reads an error. `undef` of the function that was called, rather than of one it calls, has nothing above it on the stack.
    fn of_error(reason: Term<'m>, stack: Term<'m>) -> Self {
        let own = |entry: Term<'m>| {
            let module = entry.as_tuple().and_then(|mut entry| entry.next());
            module.is_none_or(|module| module.is_atom("erpc") || module.is_atom("rpc"))
        };
        let alone = stack.as_list().is_some_and(|mut entries| entries.next().is_some() && entries.next().is_none_or(own));
        if reason.is_atom("undef") && alone { Self::Undefined } else { Self::Error { reason, stack } }
    }
}

impl core::fmt::Display for Failure<'_> {
    /// Writes the failure in the words of Erlang's shell, where it has some.
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
    use std::string::ToString;
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;

    #[test]
    fn ends_of_processes_are_told_apart() {
        for (atom, want) in [("noproc", "noproc"), ("noconnection", "nodedown"), ("killed", "the process ended: killed")] {
            let bytes = [&[119, u8::try_from(atom.len()).unwrap()], atom.as_bytes()].concat();
            assert_eq!(Failure::of_exit(Term::trusted(&bytes)).to_string(), want);
        }
    }

    /// `{Res, Class, ..}`, as `erpc` of OTP 25 sends it: the tuple of so many elements begins with the atom `r`.
    fn erpc(elements: u8, rest: &[u8]) -> Vec<u8> {
        [&[104, elements, 119, 1, b'r'][..], rest].concat()
    }

    #[test]
    fn exceptions_of_erpc_are_told_apart() {
        let told = |bytes: &[u8]| {
            Failure::of_erpc(Term::trusted(bytes)).map_or_else(|e| e.to_string(), |value| format!("value {value}"))
        };
        for (class, expected) in [
            ("return", "value x"),
            ("throw", "exception throw: x"),
            ("exit", "exception exit: x"),
            ("error", "the peer cannot do it: x"),
            ("other", "the process ended: {r,other,x}"),
        ] {
            let class = [&[119, u8::try_from(class.len()).unwrap()], class.as_bytes(), b"\x77\x01x"].concat();
            assert_eq!(told(&erpc(3, &class)), expected);
        }
        // {r, error, {erpc, notsup}}
        assert_eq!(told(&erpc(3, b"\x77\x05error\x68\x02\x77\x04erpc\x77\x06notsup")), "the peer cannot do it: notsup");
        assert_eq!(told(b"\x77\x0cnoconnection"), "nodedown");
        assert_eq!(told(b"\x77\x06killed"), "the process ended: killed");
    }

    /// A function that is not there is at the top of the stack with `erpc` or `rpc`, or nothing, below; of one that it calls, it is itself.
    #[test]
    fn what_is_undefined_is_what_was_called() {
        let entry = |module: &str| [&[104, 1, 119, u8::try_from(module.len()).unwrap()], module.as_bytes()].concat();
        for (reason, modules, undefined) in [
            ("undef", &["m"][..], true),
            ("undef", &["m", "erpc"], true),
            ("undef", &["m", "rpc"], true),
            ("undef", &["n", "m", "erpc"], false),
            ("undef", &[], false),
            ("badarg", &["m", "erpc"], false),
        ] {
            let mut stack = if modules.is_empty() { vec![] } else { vec![108, 0, 0, 0, u8::try_from(modules.len()).unwrap()] };
            modules.iter().for_each(|module| stack.extend(entry(module)));
            stack.push(106);
            let reason = [&[119, u8::try_from(reason.len()).unwrap()], reason.as_bytes()].concat();
            let bytes = erpc(4, &[b"\x77\x05error", &reason[..], &stack].concat());
            match Failure::of_erpc(Term::parse(&bytes).unwrap()) {
                Err(Failure::Undefined) => assert!(undefined, "{modules:?}"),
                Err(Failure::Error { .. }) => assert!(!undefined, "{modules:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

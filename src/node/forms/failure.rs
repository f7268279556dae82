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
    /// The function called `throw(Value)` and nobody caught it. Peers that have no `erpc` give the value as if it were returned.
    Throw(Term<'m>),
    /// The peer could not do it, and says why: `notsup`, `system_limit`, `badarg`. Or it did, and the answer does not fit this node's
    /// receive buffer: `too_large`.
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

    /// Returns the exit of a process of `erpc`: `{Res, return, Value}`, `{Res, throw, Value}`, `{Res, exit, Reason}`, `{Res, error, {erpc,
    /// Reason}}`, `{Res, error, Reason, Stack}`; any other is that of the process itself.
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

    /// Reads what `rex` answers: `{badrpc, {'EXIT', {Reason, Stack}}}` and its kin, or the value.
    pub(in crate::node) fn of_rex(answer: Term<'m>) -> Result<Term<'m>, Self> {
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
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;
    use crate::wire::captured::packets;
    use crate::wire::control;

    /// The answers of `rex` of OTP 23 and of OTP 29, as `term_to_binary` gives them.
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
                assert_eq!(told(control::ControlMessage::parse(&packet).unwrap().payload), want);
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

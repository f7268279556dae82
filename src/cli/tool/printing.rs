//! What a called function prints: Erlang's I/O protocol, as far as a group leader on whose standard error it appears must speak it.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use beamless::{Error, Full, Outbox, OwnedTerm, Received, Request, Term};

use crate::cli::outcome::write;

/// What is to be done for those who print, in order. One who prints waits for its answer, so there is little of it.
#[derive(Default)]
pub(super) struct Printing {
    steps: VecDeque<Step>,
    /// The call, on the node that prints, of the function whose value is to be printed.
    applied: Option<(Request, Encoding)>,
    /// What the request at hand has come to.
    answer: Answer,
}

enum Step {
    Write(String),
    /// `[Module, Function, Arguments]`.
    Apply(Encoding, [OwnedTerm; 3]),
    /// It asks for something that there is not.
    Refuse(Answer),
    /// The request `{io_request,From,ReplyAs,..}` is done.
    Reply(OwnedTerm),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Latin1,
    Unicode,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Answer {
    #[default]
    Ok,
    /// Nobody types here.
    Eof,
    /// `{error,Reason}`.
    Error(&'static str),
}

impl Printing {
    /// Takes what was received, if it is about what is printed.
    pub(super) fn take(&mut self, received: Received<'_>) {
        match received {
            Received::Info(message) => {
                let Some([word, _from, _reply_as, what]) = message.tuple() else { return };
                if word.is_atom("io_request") {
                    self.ask(what);
                    self.steps.push_back(Step::Reply(message.to_owned()));
                }
            }
            Received::Answer { request, result } => {
                let Some((_, encoding)) = self.applied.take_if(|(applied, _)| *applied == request) else { return };
                self.steps.push_front(result.map_or(Step::Refuse(Answer::Error("put_chars")), |chars| written(encoding, chars)));
            }
            _ => {}
        }
    }

    /// Takes apart what is asked for.
    fn ask(&mut self, what: Term<'_>) {
        let parts: Vec<Term<'_>> = what.as_tuple().into_iter().flatten().collect();
        let is = |word: &str| parts.first().map_or(what, |first| *first).is_atom(word);
        let step = match parts[..] {
            [_, chars] if is("put_chars") => written(Encoding::Latin1, chars),
            [_, encoding, chars] if is("put_chars") => written(Encoding::of(encoding), chars),
            [_, module, function, args] if is("put_chars") => apply(Encoding::Latin1, [module, function, args]),
            [_, encoding, module, function, args] if is("put_chars") => apply(Encoding::of(encoding), [module, function, args]),
            [_, requests] if is("requests") => {
                return requests.as_list().into_iter().flatten().for_each(|request| self.ask(request));
            }
            _ if is("get_line") || is("get_chars") || is("get_until") || is("get_password") => Step::Refuse(Answer::Eof),
            _ if is("get_geometry") || is("getopts") || is("setopts") => Step::Refuse(Answer::Error("enotsup")),
            _ => Step::Refuse(Answer::Error("request")),
        };
        self.steps.push_back(step);
    }

    /// Returns true if nothing is to be done.
    pub(super) fn is_done(&self) -> bool {
        self.steps.is_empty() && self.applied.is_none()
    }

    /// Does what is to be done, up to what has to wait: for the value of a function, or for room.
    pub(super) fn go_on(&mut self, out: &mut Outbox<'_>, peer: &str, timeout: Duration) {
        while self.applied.is_none() {
            let Some(step) = self.steps.pop_front() else { return };
            let is_ok = self.answer == Answer::Ok;
            let done = match &step {
                Step::Reply(request) => reply(out, request.as_term(), self.answer).map(|()| self.answer = Answer::Ok),
                // what follows a request that failed is not done
                _ if !is_ok => Ok(()),
                Step::Refuse(answer) => {
                    self.answer = *answer;
                    Ok(())
                }
                Step::Write(text) => {
                    // as with what this program says itself, nobody has to read it
                    let _ = write(io::stderr().lock(), text.as_bytes());
                    Ok(())
                }
                Step::Apply(encoding, mfa) => {
                    call(out, peer, mfa, timeout).map(|request| self.applied = Some((request, *encoding)))
                }
            };
            match done {
                // the node does not read what it is sent now
                Err(Error::Full(Full::Transmit { .. })) => return self.steps.push_front(step),
                Err(e) => log::debug!("what {peer} prints: {e}"),
                Ok(()) => {}
            }
        }
    }
}

impl Encoding {
    fn of(term: Term<'_>) -> Self {
        if term.is_atom("latin1") { Self::Latin1 } else { Self::Unicode }
    }
}

fn written(encoding: Encoding, chars: Term<'_>) -> Step {
    let mut text = String::new();
    match add(&mut text, encoding, chars) {
        Some(()) => Step::Write(text),
        None => Step::Refuse(Answer::Error("put_chars")),
    }
}

/// Adds what `unicode:characters_to_list/2` takes: a binary, a character, or a list of such. `None`: it is something else.
fn add(text: &mut String, encoding: Encoding, chars: Term<'_>) -> Option<()> {
    if let Some(bytes) = chars.as_binary() {
        match encoding {
            Encoding::Latin1 => text.extend(bytes.iter().copied().map(char::from)),
            Encoding::Unicode => text.push_str(&String::from_utf8_lossy(bytes)),
        }
        return Some(());
    }
    if let Some(mut list) = chars.as_list() {
        list.try_for_each(|part| add(text, encoding, part))?;
        // a binary may stand behind the last element
        return list.tail().map_or(Some(()), |tail| add(text, encoding, tail));
    }
    text.push(char::from_u32(u32::try_from(chars.as_u64()?).ok()?)?);
    Some(())
}

fn apply(encoding: Encoding, mfa: [Term<'_>; 3]) -> Step {
    Step::Apply(encoding, mfa.map(Term::to_owned))
}

/// Calls a function whose value is to be printed, on the node that prints.
fn call(out: &mut Outbox<'_>, peer: &str, mfa: &[OwnedTerm; 3], timeout: Duration) -> Result<Request, Error> {
    let [module, function, args] = mfa.each_ref().map(OwnedTerm::as_term);
    let text = |atom: Term<'_>| atom.as_atom().map_or_else(String::new, |atom| atom.chars().collect());
    out.rpc(peer, &text(module), &text(function), Some(timeout), |t| t.term(args))
}

/// Answers a request.
fn reply(out: &mut Outbox<'_>, request: Term<'_>, answer: Answer) -> Result<(), Error> {
    let Some([_, from, reply_as, _]) = request.tuple() else { return Ok(()) };
    let Some(from) = from.as_pid() else { return Ok(()) };
    out.send(from, |t| {
        t.tuple(3)?.atom("io_reply")?.term(reply_as)?;
        match answer {
            Answer::Ok => t.atom("ok"),
            Answer::Eof => t.atom("eof"),
            Answer::Error(reason) => t.tuple(2)?.atom("error")?.atom(reason),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terms::erlang;

    /// Returns what a request has come to as far as nobody else is asked: what was written, and `M:F` of what is to be called.
    fn steps(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut printing = Printing::default();
        printing.ask(erlang(text, &mut bytes).unwrap());
        let shown = printing.steps.iter().map(|step| match step {
            Step::Write(text) => format!("{text:?}"),
            Step::Apply(encoding, [module, function, args]) => {
                format!("{module}:{function} {args}{}", if *encoding == Encoding::Latin1 { " in Latin-1" } else { "" })
            }
            Step::Refuse(Answer::Error(reason)) => format!("error {reason}"),
            Step::Refuse(_) => "eof".to_owned(),
            Step::Reply(_) => String::new(),
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_form_of_the_protocol_is_understood() {
        for (request, step) in [
            ("{put_chars,unicode,<<104,195,169>>}", "\"hé\""),
            ("{put_chars,latin1,<<104,233>>}", "\"hé\""),
            ("{put_chars,[104,233]}", "\"hé\""),
            ("{put_chars,unicode,[1076,[<<\"a\">>,\"b\"]|<<\"c\">>]}", "\"дabc\""),
            ("{put_chars,unicode,[]}", "\"\""),
            ("{put_chars,unicode,<<255>>}", "\"\u{fffd}\""),
            ("{put_chars,unicode,io_lib,format,[\"~p\",[1]]}", "io_lib:format [\"~p\",[1]]"),
            ("{put_chars,latin1,io_lib,nl,[]}", "io_lib:nl [] in Latin-1"),
            ("{put_chars,io_lib,nl,[]}", "io_lib:nl [] in Latin-1"),
            (
                "{requests,[{put_chars,unicode,<<\"a\">>},{get_line,unicode,x},{put_chars,unicode,<<\"b\">>}]}",
                "\"a\", eof, \"b\"",
            ),
            ("{put_chars,unicode,x}", "error put_chars"),
            ("{put_chars,unicode,[1114112]}", "error put_chars"),
            ("{get_until,unicode,p,io_lib,fread,[\"~d\"]}", "eof"),
            ("{get_geometry,columns}", "error enotsup"),
            ("{setopts,[binary]}", "error enotsup"),
            ("getopts", "error enotsup"),
            ("{beep,1}", "error request"),
            ("beep", "error request"),
            ("{}", "error request"),
        ] {
            assert_eq!(steps(request), step, "{request}");
        }
    }
}

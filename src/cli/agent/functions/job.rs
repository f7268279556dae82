//! A call of a function that is a command.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use beamless::{Error, Exception, Full, Outbox, OwnedCaller, WriteTermAgain};
use mio::Registry;

use crate::cli::agent::config::{Function, Output};
use crate::cli::agent::task::{Ended, Task, without_newline};
use crate::cli::agent::words;
use crate::cli::lines::limited;
use crate::cli::terms;

/// The time that an answer waits for a caller's node that does not take it.
const TAKE_TIME: Duration = Duration::from_secs(30);

pub(super) struct Job {
    /// The function, as it was when it was called.
    function: Function,
    /// The command and all its arguments.
    command: Vec<OsString>,
    caller: OwnedCaller,
    /// The caller's node.
    pub(super) node: String,
    state: Progress,
}

enum Progress {
    Waiting,
    Running(Task),
    Done {
        answer: Answer,
        /// The time until which it waits for the caller's node.
        until: Option<Instant>,
    },
}

/// The answer to a call, encoded.
struct Answer {
    /// It is the reason of an error, not a value.
    is_error: bool,
    term: Vec<u8>,
}

/// The outcome of an attempt at answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The call is over.
    Done,
    /// The call is not over, or the caller's node does not take the answer now.
    NotYet,
}

impl Job {
    pub(super) fn new(function: Function, arguments: Vec<OsString>, caller: OwnedCaller, node: String) -> Self {
        let command = function.command.iter().map(OsString::from).chain(arguments).collect();
        Self { function, command, caller, node, state: Progress::Waiting }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, Progress::Waiting)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, Progress::Running(_))
    }

    /// Asks the command to end.
    pub(super) fn terminate(&mut self) {
        if let Progress::Running(task) = &mut self.state {
            task.terminate();
        }
    }

    pub(super) fn set_ready(&mut self) {
        if let Progress::Running(task) = &mut self.state {
            task.set_ready();
        }
    }

    /// Starts the command. Returns what went wrong, for the log.
    pub(super) fn start(&mut self, most: usize, node: &str, registry: &Registry) -> Option<String> {
        let Function { name, timeout, .. } = &self.function;
        match Task::start(name, &self.command, (most, *timeout), node, registry) {
            Ok(task) => {
                self.state = Progress::Running(task);
                None
            }
            Err(e) => {
                let words = format!("{name}: cannot start {}: {e}", self.function.command.first().map_or("", String::as_str));
                self.end(Answer::cannot_start(&e));
                Some(words)
            }
        }
    }

    /// Looks whether the command has ended. Returns what went wrong, for the log.
    pub(super) fn look(&mut self, most: usize) -> Option<String> {
        let Progress::Running(task) = &mut self.state else { return None };
        let ended = task.turn()?;
        let (answer, words) = Answer::new(ended, &self.function, most);
        self.end(answer);
        words.map(|words| format!("{}: {words}", self.function.name))
    }

    fn end(&mut self, answer: Answer) {
        self.state = Progress::Done { answer, until: Instant::now().checked_add(TAKE_TIME) };
    }

    /// Gives the answer, if there is one.
    pub(super) fn tell(&mut self, out: &mut Outbox<'_>) -> Delivery {
        let Progress::Done { answer, until } = &mut self.state else { return Delivery::NotYet };
        let name = &self.function.name;
        let mut told = answer.give(&self.caller, out);
        if let Err(Error::Full(Full::Message { needed, limit })) = told {
            limited!(
                warn,
                name,
                "values that were too large",
                "{name}: its value takes {needed} bytes, and {limit} are the most"
            );
            *answer = Answer::too_large(limit);
            told = answer.give(&self.caller, out);
        }
        match told {
            Err(Error::Full(Full::Transmit { .. })) if until.is_some_and(|until| Instant::now() < until) => Delivery::NotYet,
            // whoever called it is gone with its node
            Ok(()) | Err(Error::NotConnected) => Delivery::Done,
            Err(e) => {
                limited!(warn, name, "calls of functions without an answer", "{name}: no answer: {}", words::error(&e));
                Delivery::Done
            }
        }
    }

    /// Returns when it has something to do by itself.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        match &self.state {
            Progress::Waiting => None,
            Progress::Running(task) => task.next_wake(),
            Progress::Done { until, .. } => *until,
        }
    }
}

impl Answer {
    /// Makes the answer of what a command came to, and the words for the log.
    fn new(ended: Ended, function: &Function, most: usize) -> (Self, Option<String>) {
        match ended {
            Ended::Status(0, printed) if function.output == Output::Text => {
                let printed = without_newline(&printed);
                (Self::of(false, |t| t.binary(printed)), None)
            }
            Ended::Status(0, printed) => Self::term(&printed),
            Ended::Status(status, printed) => {
                (Self::failure("exit_status", status, &printed), Some(format!("exit status {status}")))
            }
            Ended::Signal(signal, printed) => {
                (Self::failure("signal", signal, &printed), Some(format!("ended by signal {signal}")))
            }
            Ended::TimedOut => {
                let words = format!("still running after {} s and ended", function.timeout.as_secs_f64());
                (Self::of(true, |t| t.atom("timeout")), Some(words))
            }
            Ended::TooMuch => (Self::too_large(most), Some(format!("printed more than {most} bytes, and was ended"))),
        }
    }

    /// Makes the answer of the term that a command printed.
    fn term(printed: &[u8]) -> (Self, Option<String>) {
        let mut room = Vec::new();
        let why = match std::str::from_utf8(printed) {
            Ok(text) => match terms::erlang(text, &mut room) {
                Ok(term) => return (Self::of(false, |t| t.term(term)), None),
                Err(e) => e.to_string(),
            },
            Err(_) => "it is not UTF-8".to_owned(),
        };
        let printed = without_newline(printed);
        let answer = Self::of(true, |t| {
            t.tuple(3)?;
            t.atom("not_a_term")?;
            t.binary(printed)?;
            t.str(&why)
        });
        (answer, Some(format!("what it printed is no Erlang term: {why}")))
    }

    /// Makes `{What, Number, Printed}`.
    fn failure(what: &str, number: i32, printed: &[u8]) -> Self {
        Self::of(true, |t| {
            t.tuple(3)?;
            t.atom(what)?;
            t.int(number.into())?;
            t.binary(without_newline(printed))
        })
    }

    fn too_large(limit: usize) -> Self {
        Self::of(true, |t| {
            t.tuple(2)?;
            t.atom("too_large")?;
            t.int(i64::try_from(limit).unwrap_or(i64::MAX))
        })
    }

    /// Makes the reason as Erlang's `open_port` has it, where it has a word for it.
    fn cannot_start(e: &io::Error) -> Self {
        Self::of(true, |t| {
            t.tuple(2)?;
            t.atom("cannot_start")?;
            match e.kind() {
                ErrorKind::NotFound => t.atom("enoent"),
                ErrorKind::PermissionDenied => t.atom("eacces"),
                ErrorKind::ArgumentListTooLong => t.atom("e2big"),
                _ => t.str(&e.to_string()),
            }
        })
    }

    fn of(is_error: bool, write: impl WriteTermAgain) -> Self {
        let mut term = Vec::new();
        // a term of ours is a proper one, and has as much room as it takes
        let _ = terms::encoded(write, &mut term);
        Self { is_error, term }
    }

    fn give(&self, caller: &OwnedCaller, out: &mut Outbox<'_>) -> Result<(), Error> {
        let term = beamless::Term::parse(&self.term)?;
        if self.is_error {
            return out.raise(caller, Exception::Error, |t| t.term(term));
        }
        out.reply(caller, |t| t.term(term))
    }
}

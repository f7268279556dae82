//! The command line, and what the commands share.

mod agent;
mod args;
mod ask;
mod completion;
mod cookie;
mod epmd;
mod function;
mod grammar;
mod help;
mod host;
mod json;
mod local;
mod recv;
mod systemd;
mod terms;
mod tool;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use beamless::Error;
use log::LevelFilter;

use args::{Command, Given};
use grammar::Read;

/// The cluster said no, or the system did.
const REFUSED: u8 = 1;
/// What went wrong before anything ran: usage or configuration.
const USAGE: u8 = 2;

/// Why a command came to nothing: the exit code, and the words for standard error.
#[derive(Debug)]
struct Failure {
    code: u8,
    why: String,
    /// The words are Erlang's own, and stand as they are.
    verbatim: bool,
}

impl Failure {
    /// Whoever typed it must change something.
    fn usage(why: impl fmt::Display) -> Self {
        Self { code: USAGE, why: why.to_string(), verbatim: false }
    }

    /// It was done right, and somebody said no.
    fn refused(why: impl fmt::Display) -> Self {
        Self { code: REFUSED, why: why.to_string(), verbatim: false }
    }

    /// What was called raised an exception.
    fn exception(why: String) -> Self {
        Self { code: REFUSED, why, verbatim: true }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::refused(e)
    }
}

/// Reads the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    if words.next().is_some_and(|first| first == completion::ASK) {
        return ended(print(completion::candidates(&words.collect::<Vec<_>>()).trim_end()));
    }
    match grammar::read() {
        Ok(Read::Run(given)) => {
            start_log(&given);
            ended(run(&given.command))
        }
        Ok(Read::Print(text)) => ended(print(&text)),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(USAGE)
        }
    }
}

/// What the shell is told.
fn ended(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if failure.verbatim {
        eprintln!("{}", failure.why);
    } else {
        log::error!("{}", failure.why);
    }
    ExitCode::from(failure.code)
}

fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Run(run) => agent::run(run),
        Command::Recv(recv) => recv::run(recv),
        Command::Ping(about) => ask::ping(about),
        Command::Send(message) => ask::send(message),
        Command::Call(message) => ask::call(message),
        Command::Rpc(rpc) => ask::rpc(rpc),
        Command::Nodes(about) => ask::nodes(about),
        Command::Names(names) => epmd::names(names),
        Command::Epmd(serve) => epmd::serve(serve),
        Command::Man => print(&help::man()),
        Command::Completion(shell) => print(shell.script().trim_end()),
    }
}

/// Prints a line on standard output. That nobody reads it is not an error, as with any tool in a pipe.
fn print(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::refused(format!("writing to standard output: {e}"))),
        _ => Ok(()),
    }
}

/// Logging to standard error, a line for everything that happened, plain so that a journal can add its own; where it goes to the journal,
/// behind its priority. What runs until it is stopped tells what happens; what has one thing to do tells what went wrong.
fn start_log(given: &Given) {
    let level = match given.command {
        _ if given.verbose => LevelFilter::Debug,
        Command::Run(_) | Command::Recv(_) | Command::Epmd(_) => LevelFilter::Info,
        _ => LevelFilter::Warn,
    };
    let journal = systemd::is_journal();
    env_logger::Builder::new()
        .filter_level(level)
        .format(move |out, record| {
            let priority = if journal { systemd::priority(record.level()) } else { "" };
            match record.level() {
                log::Level::Info => writeln!(out, "{priority}{}", record.args()),
                level => writeln!(out, "{priority}{}: {}", level.as_str().to_lowercase(), record.args()),
            }?;
            if journal && record.level() <= log::Level::Warn {
                if let Some(words) = systemd::way_out(&record.args().to_string()) {
                    writeln!(out, "{priority}warn: {words}")?;
                }
            }
            Ok(())
        })
        .init();
}

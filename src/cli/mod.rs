//! The command line: reads the arguments, starts the log, runs the command.
//!
//! The files of this folder lean on each other in one direction, from the bottom up: `files`, `threads`, `outcome`, `lines`, `events`, `groups`, `host`, `cookie`, `tls`, `terms`, `systemd`,
//! `logger`; then `command_line`; `local`; `agent`; `tool`, a file for each command; and this one.

mod agent;
mod command_line;
mod cookie;
mod events;
mod files;
#[cfg(any(test, beamless_fuzz))]
pub(crate) mod fuzz;
mod groups;
mod host;
mod lines;
mod local;
mod logger;
mod outcome;
mod systemd;
mod terms;
mod threads;
mod tls;
mod tool;

use std::process::ExitCode;

use log::LevelFilter;

use agent::step;
use command_line::completion;
use command_line::reading::{self, Read};
use outcome::{Failure, Of, USAGE, print, printable, say};
use tool::COMMANDS;

/// Reads the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    // whatever whoever started us has left open, and the sockets systemd hands over: our children get three descriptors and no more
    close_fds::set_fds_cloexec(3, &[]);
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|first| first == step::STEP) {
        return step::take(words);
    }
    let mut words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    if words.next().is_some_and(|first| first == completion::ASK) {
        return ended(print(completion::candidates(COMMANDS, &words.collect::<Vec<_>>()).trim_end()));
    }
    match reading::read(COMMANDS) {
        Ok(Read::Run { verbose, quiet, spec, mut found }) => {
            // what runs until it is stopped tells what happens; what has one thing to do tells what went wrong
            let level = match (verbose, spec.lasts && !quiet) {
                (true, _) => LevelFilter::Debug,
                (false, true) => LevelFilter::Info,
                (false, false) => LevelFilter::Warn,
            };
            logger::start(level, spec.lasts);
            match (spec.run)(&mut found) {
                Err(Failure { why, of: Of::CommandLine, .. }) => misread(&spec.says_more(&why)),
                result => ended(result),
            }
        }
        Ok(Read::Print(text)) => ended(print(&text)),
        Err(why) => misread(&why),
    }
}

/// Says what is wrong with the command line.
fn misread(why: &str) -> ExitCode {
    logger::finish();
    say(&format!("error: {why}"));
    ExitCode::from(USAGE)
}

/// Tells what went wrong, and returns the exit code.
fn ended(result: Result<(), Failure>) -> ExitCode {
    lines::finish();
    let Err(failure) = result else {
        logger::finish();
        return ExitCode::SUCCESS;
    };
    match failure.of {
        // its lines are ours, what is in them is not
        Of::Erlang => failure.why.lines().for_each(|line| say(&printable(line))),
        Of::Command | Of::CommandLine => log::error!("{}", failure.why),
    }
    logger::finish();
    ExitCode::from(failure.code)
}

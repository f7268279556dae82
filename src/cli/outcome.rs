//! The outcome of a command: words on standard output, or a failure.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use beamless::Error;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;

/// The exit code when the cluster said no, or the system did.
const REFUSED: u8 = 1;
/// The exit code when something went wrong before anything ran: usage or configuration.
pub(crate) const USAGE: u8 = 2;

/// The failure of a command: the exit code, and the words for standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) why: String,
    pub(crate) of: Of,
}

/// The author of a failure's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The command.
    Command,
    /// The reader of the command line: help is not far.
    CommandLine,
    /// Erlang, whose words stand as they are.
    Erlang,
}

impl Failure {
    /// Makes a failure after which the user must change something.
    pub(crate) fn usage(why: impl fmt::Display) -> Self {
        Self { code: USAGE, why: why.to_string(), of: Of::Command }
    }

    /// Makes a failure of something that was done right, and that somebody refused.
    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self { code: REFUSED, why: why.to_string(), of: Of::Command }
    }

    /// Makes a failure of an exception in what was called.
    pub(crate) fn exception(why: String) -> Self {
        Self { code: REFUSED, why, of: Of::Erlang }
    }
}

impl From<String> for Failure {
    /// Makes a failure of a wrong command line.
    fn from(why: String) -> Self {
        Self { code: USAGE, why, of: Of::CommandLine }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::refused(e)
    }
}

/// Prints a line on standard output.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    printed(write(io::stdout().lock(), format!("{line}\n").as_bytes()))
}

/// Writes all of it on standard output or standard error, for as long as that takes. Where somebody else who has it does not want to wait, as
/// programs in Node.js set pipes, this does.
pub(crate) fn write(out: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    let out = out.as_fd();
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for_room(out.as_raw_fd())?,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn wait_for_room(out: RawFd) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&out), Token(0), Interest::WRITABLE)?;
    match poll.poll(&mut Events::with_capacity(1), None) {
        Err(e) if e.kind() != io::ErrorKind::Interrupted => Err(e),
        _ => Ok(()),
    }
}

/// Makes a failure of what went wrong on standard output. That nobody reads it is no failure, as with any tool in a pipe.
pub(crate) fn printed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::refused(format!("writing to standard output: {e}"))),
        _ => Ok(()),
    }
}

/// Says something on standard error. That it takes nothing more there is nowhere to say, and the exit code stays what it is.
pub(crate) fn say(words: &str) {
    let _ = write(io::stderr().lock(), format!("{words}\n").as_bytes());
}

/// Returns text that comes from somebody else for a line on a terminal or in a log: what would end the line, move about in it, or turn it
/// round, is escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Returns true for a character that ends a line in some programs, or turns the direction of those that follow.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

//! A command that runs to its end, and what it printed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use mio::Registry;

use super::children::GRACE;
use super::process::{Chunk, Process};

/// A command that runs. Dropping it kills it, and whatever it started.
pub(super) struct Task {
    process: Process,
    printed: Vec<u8>,
    /// The most bytes that it may print, besides its last newline.
    most: usize,
    /// The time at which it must have ended; nothing if that is beyond what can be counted.
    end: Option<Instant>,
    /// There may be something to read, or it may have ended.
    is_ready: bool,
}

/// The end of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It ended with this exit status, and had printed this.
    Status(i32, Vec<u8>),
    /// It was ended by this signal, and had printed this.
    Signal(i32, Vec<u8>),
    /// It took too long, and was killed.
    TimedOut,
    /// It printed more than it may, and was killed.
    TooMuch,
}

impl Task {
    /// Starts a command, with nothing on its standard input; `name` stands in front of its lines in the log.
    pub(super) fn start<S: AsRef<OsStr>>(
        name: &str,
        command: &[S],
        (most, time): (usize, Duration),
        node: &str,
        registry: &Registry,
    ) -> io::Result<Self> {
        let process = Process::start(name, command, false, node, registry)?;
        Ok(Self { process, printed: Vec::new(), most, end: Instant::now().checked_add(time), is_ready: true })
    }

    /// Asks it to end, and has it be killed a second later if it has not.
    pub(super) fn terminate(&mut self) {
        self.process.terminate();
        let end = Instant::now().checked_add(GRACE);
        self.end = self.end.into_iter().chain(end).min();
    }

    /// Takes note that a pipe of some process is ready, or that a process ended.
    pub(super) fn set_ready(&mut self) {
        self.is_ready = true;
    }

    /// Reads what it prints. Returns how it ended, once it has: then it is to be dropped.
    pub(super) fn turn(&mut self) -> Option<Ended> {
        // lines of its standard error that were held back are told by time
        self.is_ready |= self.process.next_wake().is_some_and(|at| at <= Instant::now());
        let ended = if core::mem::take(&mut self.is_ready) { self.read() } else { None };
        ended.or_else(|| self.end.filter(|end| *end <= Instant::now()).map(|_| Ended::TimedOut))
    }

    fn read(&mut self) -> Option<Ended> {
        self.is_ready = self.process.log_stderr();
        // looked at first: what it printed before its end is all there then, whoever else still holds the pipe
        let ended = self.process.has_ended().then(|| {
            // what it started, while its number is surely its own
            self.process.kill();
            self.process.ended()
        });
        let ended = ended.flatten();
        let mut bytes = [0; 4096];
        loop {
            match self.process.read(&mut bytes) {
                Chunk::Bytes(count) => self.printed.extend_from_slice(bytes.get(..count).unwrap_or(&[])),
                Chunk::Nothing if ended.is_none() => return None,
                Chunk::Nothing | Chunk::End => break,
            }
            if without_newline(&self.printed).len() > self.most {
                return Some(Ended::TooMuch);
            }
        }
        let status = ended.or_else(|| self.process.ended())?;
        let printed = core::mem::take(&mut self.printed);
        Some(match status.code() {
            Some(code) => Ended::Status(code, printed),
            None => Ended::Signal(status.signal().unwrap_or(0), printed),
        })
    }

    /// Returns when it has something to do by itself.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        if self.is_ready {
            return Some(Instant::now());
        }
        [self.end, self.process.next_wake()].into_iter().flatten().min()
    }
}

/// Returns what was printed, without the newline at its end.
pub(super) fn without_newline(printed: &[u8]) -> &[u8] {
    printed.strip_suffix(b"\n").unwrap_or(printed)
}

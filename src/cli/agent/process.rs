//! A program that the agent started, with pipes that never block.
//!
//! It is the leader of a process group of its own, so that what it started ends with it, and what has left the group is known by a mark. All
//! pipes share one token, [`PIPES`]: when one is ready, whoever has a process reads on until there is nothing.

use std::env;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

use beamless::LogLimit;
use mio::unix::pipe;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, ioctl_fionread};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::children;
use super::pace::Pace;
use super::step;
use crate::cli::lines::{self, limited};
use crate::cli::logger;
use crate::cli::outcome::printable;

/// The token of every pipe of every process.
pub(super) const PIPES: Token = Token(1);

/// The most bytes of a line on standard error that are logged.
const LINE: usize = 512;

/// The reads of a line's bytes in one turn.
const READS: u8 = 16;

/// The most lines on standard error that are logged within a second: an exception in Python or Java takes some dozens.
const LINES: u32 = 100;

/// The variables that systemd and a shell mean for the agent alone.
const PRIVATE: [&str; 8] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "CREDENTIALS_DIRECTORY",
    "JOURNAL_STREAM",
];

/// The variable that has Python write each line at once.
const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// A running program, or one that has just ended. Dropping it kills it, and whatever it started.
pub(super) struct Process {
    child: Option<Child>,
    /// The number of its start.
    start: u32,
    /// The words in front of its lines in the log.
    name: String,
    /// It is the program of the mailbox of that name.
    has_mailbox: bool,
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    /// The bytes of its standard output that are still read, once it has ended or was asked to: it may write on for ever, or what it left behind.
    left: Option<usize>,
    stderr: Option<pipe::Receiver>,
    /// The beginning of a line on standard error.
    line: Vec<u8>,
    limit: LogLimit,
    /// Its standard error is read at this pace.
    pace: Pace,
    /// The system has been told that its end was taken note of: from then on its number may be another's.
    is_reaped: bool,
}

/// The outcome of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// It closed its standard output.
    End,
}

impl Process {
    /// Starts a program with arguments, in the agent's folder and environment, to which `BEAMLESS_NODE` and [`children::MARK`] are added, and
    /// `PYTHONUNBUFFERED` unless it is there. Its standard input is a pipe if `input` is true, for the program of a mailbox; else it is empty.
    pub(super) fn start<S: AsRef<OsStr>>(
        name: &str,
        words: &[S],
        input: bool,
        node: &str,
        registry: &Registry,
    ) -> io::Result<Self> {
        let start = children::next_start();
        let (mut command, news) = step::command(words)?;
        command.env("BEAMLESS_NODE", node).env(children::MARK, children::mark(start));
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input { Stdio::piped() } else { Stdio::null() });
        for name in PRIVATE {
            command.env_remove(name);
        }
        // to a pipe Python writes when it has 8 KiB, which a person who tries a script in a terminal does not see
        if env::var_os(UNBUFFERED).is_none() {
            command.env(UNBUFFERED, "1");
        }
        let spawned = command.spawn().and_then(|mut child| news.of(&mut child).map(|()| child));
        let mut child = spawned.map_err(|e| explained(e, words.first().map_or(OsStr::new(""), AsRef::as_ref)))?;
        children::started(start, &child);
        let stdin = child.stdin.take().map(pipe::Sender::from);
        let stdout = child.stdout.take().map(pipe::Receiver::from);
        let stderr = child.stderr.take().map(pipe::Receiver::from);
        // from here on dropping it ends what was started
        let mut process = Self {
            child: Some(child),
            start,
            name: name.to_owned(),
            has_mailbox: input,
            stdin,
            stdout,
            left: None,
            stderr,
            line: Vec::new(),
            limit: LogLimit::with_lines("lines of a program's standard error", LINES),
            pace: Pace::new(),
            is_reaped: false,
        };
        for pipe in [&mut process.stdout, &mut process.stderr].into_iter().flatten() {
            pipe.set_nonblocking(true)?;
            registry.register(pipe, PIPES, Interest::READABLE)?;
        }
        if let Some(pipe) = &mut process.stdin {
            pipe.set_nonblocking(true)?;
            registry.register(pipe, PIPES, Interest::WRITABLE)?;
        }
        Ok(process)
    }

    /// Writes as much as its standard input takes now. Returns 0 when that takes nothing, or was closed.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let Some(pipe) = &mut self.stdin else { return 0 };
        loop {
            match pipe.write(bytes) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return 0,
                // it reads no more
                Err(_) => {
                    self.stdin = None;
                    return 0;
                }
                Ok(written) => return written,
            }
        }
    }

    /// Returns true if its standard input is open. That it was closed is known once something was written.
    pub(super) fn takes_input(&self) -> bool {
        self.stdin.is_some()
    }

    /// Returns true if its standard output is open. That it was closed is known once it was read to its end.
    pub(super) fn gives_output(&self) -> bool {
        self.stdout.is_some()
    }

    /// Returns its number in the system.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Closes its standard input, which ends most programs in order.
    pub(super) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Reads from its standard output. Once it [has ended](Self::has_ended) there is no more than there was by then.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Chunk {
        let Some(pipe) = &mut self.stdout else { return Chunk::End };
        let most = self.left.unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..most).unwrap_or_default();
        if into.is_empty() {
            return Chunk::Nothing;
        }
        let chunk = read(pipe, into);
        match chunk {
            Chunk::Bytes(count) => self.left = self.left.map(|left| left.saturating_sub(count)),
            Chunk::End => self.stdout = None,
            Chunk::Nothing => {}
        }
        chunk
    }

    /// Logs what it wrote on its standard error, a line each, and does what is due by time: see [`Process::next_wake`]. Returns true if
    /// there may be more: endless output is read in turns, and the poll tells of it once. More than is of use is read slowly.
    pub(super) fn log_stderr(&mut self) -> bool {
        self.limit.handle_timeout(lines::now());
        let now = Instant::now();
        for _ in 0..READS {
            if self.pace.rests(now) {
                return false;
            }
            let Some((bytes, lines)) = self.read_stderr() else { return false };
            if self.pace.spend(bytes, lines, now) {
                limited!(
                    warn,
                    &self.name,
                    "programs that write too much on standard error",
                    "{}: it writes too much on its standard error, which is read slowly from now on",
                    self.name
                );
            }
        }
        true
    }

    /// Reads once from its standard error. Returns how many bytes there were, and how many ends of lines.
    fn read_stderr(&mut self) -> Option<(usize, usize)> {
        let mut bytes = [0; LINE];
        match read(self.stderr.as_mut()?, &mut bytes) {
            Chunk::Bytes(count) => {
                let read = bytes.get(..count).unwrap_or(&[]);
                self.log_bytes(read);
                Some((count, read.iter().filter(|byte| **byte == b'\n').count()))
            }
            Chunk::Nothing => None,
            Chunk::End => {
                self.stderr = None;
                self.log_line();
                None
            }
        }
    }

    fn log_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.log_line();
            } else if self.line.len() < LINE {
                self.line.push(*byte);
            }
        }
    }

    fn log_line(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end();
        if !text.is_empty() {
            let (name, limit) = (&*self.name, &mut self.limit);
            let log = || limit.warn("", lines::now(), format_args!("{name}: {}", printable(text)));
            logger::of_program(if self.has_mailbox { name } else { "" }, log);
        }
        self.line.clear();
    }

    /// Returns true if it has ended. Until [`Process::ended`] has told so, its number is not another's, and what it started can be
    /// [killed](Process::kill).
    pub(super) fn has_ended(&mut self) -> bool {
        let Some(child) = self.child.as_ref().filter(|_| !self.is_reaped) else { return true };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // an error says that there is none such
        let has_ended = !matches!(waitid(WaitId::Pid(Pid::from_child(child)), options), Ok(None));
        if let Some(pipe) = self.stdout.as_ref().filter(|_| has_ended) {
            // what is there later is as much or more
            let left = ioctl_fionread(pipe).unwrap_or(0);
            self.read_at_most(usize::try_from(left).unwrap_or(usize::MAX));
        }
        has_ended
    }

    /// Has no more than these bytes of its standard output be read.
    pub(super) fn read_at_most(&mut self, left: usize) {
        self.left = Some(self.left.unwrap_or(usize::MAX).min(left));
    }

    /// Returns how it ended, once it has. What it wrote before can still be read.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok().flatten();
        self.is_reaped |= status.is_some();
        status
    }

    /// Asks it to end: SIGTERM for it and what it started.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it and what it started: SIGKILL.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Returns when there is something to say of what was held back, or it is to be read on.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.limit.poll_timeout().map(lines::at).into_iter().chain(self.pace.next_wake()).min()
    }

    fn signal(&self, signal: Signal) {
        // what it started holds on to its pipes, and then the number is still taken
        let is_there = !self.is_reaped || self.stdout.is_some() || self.stderr.is_some();
        if let Some(child) = self.child.as_ref().filter(|_| is_there) {
            // an error says that there is nobody any more
            let _ = kill_process_group(Pid::from_child(child), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // its last words, at whatever pace
        for _ in 0..READS {
            if self.read_stderr().is_none() {
                break;
            }
        }
        self.log_line();
        self.limit.finish();
        self.kill();
        let is_there = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        children::is_over(self.start, self.child.take().and_then(|mut child| is_there(&mut child).then_some(child)));
    }
}

/// Adds to the system's words why a program that is there and may be executed does not start.
fn explained(e: io::Error, program: &OsStr) -> io::Error {
    let words = match e.raw_os_error() {
        Some(code) if code == Errno::NOEXEC.raw_os_error() => {
            "a script's first line must name what runs it, such as #!/bin/sh; and a program must be one for this machine"
        }
        Some(code) if code == Errno::NOENT.raw_os_error() && Path::new(program).is_file() => {
            "what its first line (#!..) names is not there; or, if it is no script, the system's loader that it needs"
        }
        _ => return e,
    };
    io::Error::new(e.kind(), format!("{e}: {words}"))
}

fn read(pipe: &mut pipe::Receiver, into: &mut [u8]) -> Chunk {
    loop {
        match pipe.read(into) {
            Ok(0) => return Chunk::End,
            Ok(count) => return Chunk::Bytes(count),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Chunk::Nothing,
            Err(_) => return Chunk::End,
        }
    }
}

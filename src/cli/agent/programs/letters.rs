//! What a program sends and answers: each goes out once its peer has room for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use beamless::{Error, Full, Outbox, OwnedCaller, Term, TermWriter, WriteTermAgain, Written};

use super::super::limit::Limit;

/// How many wait at once for peers that are busy, and of how many bytes. With more the program's output is not read until there is room.
const WAITING: (usize, usize) = (64, 1 << 18);

/// How many wait at once if answers in a program's place are counted in. A program that ends leaves many calls to be answered at once.
const ANSWERS: usize = 512;

/// The first wait before peers that are busy are tried again, and the longest: nothing tells when they have taken something.
const RETRY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(64));

/// One of them.
pub(super) struct Letter {
    pub(super) to: To,
    /// Whose peer it goes to, so that what goes there keeps its order.
    pub(super) node: String,
    /// The term, encoded.
    pub(super) term: Vec<u8>,
}

/// Where it goes.
pub(super) enum To {
    Caller(OwnedCaller),
    /// A registered name.
    Name(String),
}

/// Whether it went out.
enum Sent {
    Done,
    Later,
}

/// Those that wait for a busy peer, in order.
#[derive(Default)]
pub(super) struct Letters {
    waiting: VecDeque<Letter>,
    bytes: usize,
    /// When they are tried again.
    at: Option<Instant>,
    wait: Duration,
}

impl Letters {
    /// Whether one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING.0 && self.bytes < WAITING.1
    }

    /// Whether one more answer in the program's place may wait.
    pub(super) fn has_room_for_refusal(&self) -> bool {
        self.waiting.len() < ANSWERS
    }

    /// Sends it, now or when the peer has room. To be called when there [is room](Letters::has_room) for it to wait.
    pub(super) fn post(&mut self, mut letter: Letter, out: &mut Outbox<'_>, log: &mut Log<'_>) {
        let is_behind = self.waiting.iter().any(|other| other.node == letter.node);
        if is_behind || matches!(send(&mut letter, out, log), Sent::Later) {
            self.keep(letter);
        }
    }

    /// Keeps one for later.
    pub(super) fn keep(&mut self, letter: Letter) {
        if self.at.is_none() {
            self.wait = RETRY.0;
            self.at = Instant::now().checked_add(self.wait);
        }
        self.bytes = self.bytes.saturating_add(letter.term.len());
        self.waiting.push_back(letter);
    }

    /// When they are tried again.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.at
    }

    /// Tries again what waits, if it is time.
    pub(super) fn turn(&mut self, out: &mut Outbox<'_>, log: &mut Log<'_>) {
        if self.at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        let mut busy: Vec<String> = Vec::new();
        let count = self.waiting.len();
        for _ in 0..count {
            let Some(mut letter) = self.waiting.pop_front() else { break };
            let len = letter.term.len();
            if busy.contains(&letter.node) {
                self.waiting.push_back(letter);
            } else if matches!(send(&mut letter, out, log), Sent::Later) {
                busy.push(letter.node.clone());
                self.bytes = self.bytes.saturating_sub(len).saturating_add(letter.term.len());
                self.waiting.push_back(letter);
            } else {
                self.bytes = self.bytes.saturating_sub(len);
            }
        }
        self.wait = if self.waiting.len() < count { RETRY.0 } else { self.wait.saturating_mul(2).min(RETRY.1) };
        self.at = if self.waiting.is_empty() { None } else { Instant::now().checked_add(self.wait) };
    }
}

/// What is said of what does not go out.
pub(super) struct Log<'l> {
    /// The name of the mailbox.
    pub(super) name: &'l str,
    pub(super) limit: &'l mut Limit,
}

fn send(letter: &mut Letter, out: &mut Outbox<'_>, log: &mut Log<'_>) -> Sent {
    let result = Term::parse(&letter.term).map_err(Error::from).and_then(|term| match &letter.to {
        To::Caller(caller) => out.reply(caller, |t| t.term(term)),
        To::Name(name) => out.send((name.as_str(), letter.node.as_str()), |t| t.term(term)),
    });
    match (result, &letter.to) {
        (Ok(()), _) => Sent::Done,
        (Err(Error::Full(Full::Transmit { .. })), _) => Sent::Later,
        (Err(e @ Error::Full(Full::Message { limit, .. })), To::Caller(_)) => {
            log.limit.warn(format_args!("mailbox {}: an answer was too large: {e}", log.name));
            letter.term = encoded(|t| Refusal::TooLarge(limit).put(t));
            send(letter, out, log)
        }
        // who asked is gone, and with the node everybody who could be told
        (Err(Error::NotConnected), To::Caller(_)) => {
            log::debug!("mailbox {}: an answer to {}, which is not connected any more", log.name, letter.node);
            Sent::Done
        }
        (Err(e), To::Caller(_)) => {
            log.limit.warn(format_args!("mailbox {}: no answer to {}: {e}", log.name, letter.node));
            Sent::Done
        }
        (Err(e), To::Name(name)) => {
            log.limit.warn(format_args!("mailbox {}: not sent to {name} on {}: {e}", log.name, letter.node));
            Sent::Done
        }
    }
}

/// Why a call is answered with `{error, Reason}` by the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The program ended, and is not running again yet.
    Restarting,
    /// It does not take more for now.
    Busy,
    /// It closed its standard input or its standard output.
    Closed,
    /// So many were waiting, and this one for so long, that it made room.
    Timeout,
    /// It ended with this status.
    ExitStatus(i32),
    /// What it answered is larger than messages can be.
    TooLarge(usize),
}

impl Refusal {
    /// Writes `{error, Reason}`.
    pub(super) fn put<'t, 'b>(self, t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
        t.tuple(2)?;
        t.atom("error")?;
        let (reason, number) = match self {
            Self::Restarting => return t.atom("restarting"),
            Self::Busy => return t.atom("busy"),
            Self::Closed => return t.atom("closed"),
            Self::Timeout => return t.atom("timeout"),
            Self::ExitStatus(status) => ("exit_status", i64::from(status)),
            Self::TooLarge(limit) => ("too_large", i64::try_from(limit).unwrap_or(i64::MAX)),
        };
        t.tuple(2)?;
        t.atom(reason)?;
        t.int(number)
    }

    /// The same, encoded.
    pub(super) fn term(self) -> Vec<u8> {
        encoded(|t| self.put(t))
    }
}

/// A small term.
fn encoded(write: impl WriteTermAgain) -> Vec<u8> {
    beamless::encode(&mut [0; 64], write).unwrap_or(&[]).to_vec()
}

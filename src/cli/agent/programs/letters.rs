//! The messages and the answers of a program: each goes out once its peer has room for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use beamless::{Error, Full, Outbox, OwnedCaller, Term, TermWriter, WriteTermAgain, Written};

use crate::cli::agent::limit::Limit;
use crate::cli::agent::words;

/// The most that wait at once for busy peers, in number and in bytes. With more the program's output is not read until there is room.
const WAITING: (usize, usize) = (64, 1 << 18);

/// The time for which one node may have more than its share of these, three times as much as is free then. What it has more is dropped then, so
/// that others are not kept waiting for it.
const TAKE_TIME: Duration = Duration::from_secs(5);

/// The most that wait at once with the answers in a program's place. A program that ends leaves many calls to be answered at once.
const ANSWERS: usize = 512;

/// The first wait before busy peers are tried again, and the longest: nothing tells when they have taken something.
const RETRY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(64));

/// A message or an answer on its way.
pub(super) struct Letter {
    pub(super) to: To,
    /// The node it goes to: what goes to one node keeps its order.
    pub(super) node: String,
    /// The term, encoded.
    pub(super) term: Vec<u8>,
}

/// The receiver of a letter.
pub(super) enum To {
    Caller(OwnedCaller),
    /// A registered name.
    Name(String),
}

/// The outcome of sending a letter.
enum Sent {
    Done,
    Later,
}

/// The letters that wait for a busy peer, in order.
#[derive(Default)]
pub(super) struct Letters {
    waiting: VecDeque<Letter>,
    bytes: usize,
    /// The time at which they are tried again.
    at: Option<Instant>,
    wait: Duration,
    /// The nodes that have more than their share, since when, and whether the log has it that something was dropped.
    over: Vec<(String, Instant, bool)>,
}

impl Letters {
    /// Returns true if one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING.0 && self.bytes < WAITING.1
    }

    /// Returns true if one more answer in the program's place may wait.
    pub(super) fn has_room_for_refusal(&self) -> bool {
        self.waiting.len() < ANSWERS
    }

    /// Sends a letter, now or when the peer has room. It is called when there [is room](Letters::has_room) for it to wait.
    pub(super) fn post(&mut self, mut letter: Letter, out: &mut Outbox<'_>, log: &mut Log<'_>) {
        let is_behind = self.waiting.iter().any(|other| other.node == letter.node);
        if is_behind || matches!(send(&mut letter, out, log), Sent::Later) {
            let node = letter.node.clone();
            self.keep(letter);
            self.share(&node, log);
        }
    }

    /// Keeps a letter for later.
    pub(super) fn keep(&mut self, letter: Letter) {
        if self.at.is_none() {
            self.wait = RETRY.0;
            self.at = Instant::now().checked_add(self.wait);
        }
        self.bytes = self.bytes.saturating_add(letter.term.len());
        self.waiting.push_back(letter);
    }

    /// Returns true if a node has more than its share of what may wait.
    fn is_over(&self, node: &str) -> bool {
        let own = || self.waiting.iter().filter(|letter| letter.node == node);
        let bytes: usize = own().map(|letter| letter.term.len()).sum();
        let free = (WAITING.0.saturating_sub(self.waiting.len()), WAITING.1.saturating_sub(self.bytes));
        own().count() > free.0.saturating_mul(3) || bytes > free.1.saturating_mul(3)
    }

    /// Drops what waits for a node that has had more than its share for long, the newest first.
    fn share(&mut self, node: &str, log: &mut Log<'_>) {
        let now = Instant::now();
        while self.is_over(node) {
            let at = self.over.iter().position(|(over, ..)| over == node);
            let Some((_, since, is_told)) = at.and_then(|at| self.over.get_mut(at)) else {
                return self.over.push((node.to_owned(), now, false));
            };
            if now.saturating_duration_since(*since) < TAKE_TIME {
                return;
            }
            if !core::mem::replace(is_told, true) {
                log.limit.warn(format_args!("mailbox {}: {node} does not take what waits for it, and more is dropped", log.name));
            }
            let Some(at) = self.waiting.iter().rposition(|letter| letter.node == node) else { return };
            let dropped = self.waiting.remove(at).map_or(0, |letter| letter.term.len());
            self.bytes = self.bytes.saturating_sub(dropped);
        }
    }

    /// Returns when the letters are tried again.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.at
    }

    /// Tries the letters again, if it is time.
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
        let nodes: Vec<String> = self.over.iter().map(|(node, ..)| node.clone()).collect();
        nodes.iter().for_each(|node| self.share(node, log));
        // it has its time anew once it has taken half of what it may have
        let has_half = |node: &str| self.waiting.iter().filter(|letter| letter.node == node).count() > WAITING.0 / 4;
        let kept: Vec<_> = core::mem::take(&mut self.over).into_iter().filter(|(node, ..)| has_half(node)).collect();
        self.over = kept;
        self.wait = if self.waiting.len() < count { RETRY.0 } else { self.wait.saturating_mul(2).min(RETRY.1) };
        self.at = if self.waiting.is_empty() { None } else { Instant::now().checked_add(self.wait) };
    }
}

/// The log of what does not go out.
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
            log.limit.warn(format_args!("mailbox {}: an answer was too large: {}", log.name, words::error(&e)));
            letter.term = encoded(|t| Refusal::TooLarge(limit).put(t));
            send(letter, out, log)
        }
        // who asked is gone, and with the node everybody who could be told
        (Err(Error::NotConnected), To::Caller(_)) => {
            log::debug!("mailbox {}: an answer to {}, which is not connected any more", log.name, letter.node);
            Sent::Done
        }
        (Err(e), To::Caller(_)) => {
            log.limit.warn(format_args!("mailbox {}: no answer to {}: {}", log.name, letter.node, words::error(&e)));
            Sent::Done
        }
        (Err(e), To::Name(name)) => {
            log.limit.warn(format_args!("mailbox {}: not sent to {name} on {}: {}", log.name, letter.node, words::error(&e)));
            Sent::Done
        }
    }
}

/// The reason for which the agent answers a call with `{error, Reason}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The program ended, and does not run again yet.
    Restarting,
    /// The program takes no more for now.
    Busy,
    /// The program closed its standard input or its standard output.
    Closed,
    /// The call waited for long, and made room for another one.
    Timeout,
    /// The program ended with this status.
    ExitStatus(i32),
    /// The answer is larger than a message can be.
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

    /// Returns `{error, Reason}`, encoded.
    pub(super) fn term(self) -> Vec<u8> {
        encoded(|t| self.put(t))
    }
}

/// Encodes a small term.
fn encoded(write: impl WriteTermAgain) -> Vec<u8> {
    beamless::encode(&mut [0; 64], write).unwrap_or(&[]).to_vec()
}

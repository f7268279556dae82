//! The messages and the answers of a program: each goes out once its peer has room for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use beamless::{Error, Full, Outbox, OwnedCaller, Term, TermWriter, WriteTermAgain, Written};

use crate::cli::agent::spare::give_back;
use crate::cli::agent::words;
use crate::cli::lines::limited;

/// The most messages that wait at once for busy peers, in number and in bytes. With more the program's output is not read until there is room.
/// Answers to calls are not among them: whoever calls and does not read would hold up the answers to all others.
const WAITING: (usize, usize) = (64, 1 << 18);

/// The bytes of answers that wait for one node at most, beside what its connection holds; what comes then is dropped. In number they are as
/// many as a node may have calls at once.
const UNREAD: usize = 1 << 17;

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

impl Letter {
    fn is_answer(&self) -> bool {
        matches!(self.to, To::Caller(_))
    }
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
    /// It can go to nobody.
    Refused,
}

/// The letters that wait for a busy peer, in order.
#[derive(Default)]
pub(super) struct Letters {
    waiting: VecDeque<Letter>,
    /// How many of them are messages, and their bytes.
    messages: usize,
    bytes: usize,
    /// The time at which they are tried again.
    at: Option<Instant>,
    wait: Duration,
}

impl Letters {
    /// Returns true if one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.messages < WAITING.0 && self.bytes < WAITING.1
    }

    /// Returns how many wait.
    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Returns how many answers wait for this node, and their bytes.
    pub(super) fn answers_to(&self, node: &str) -> (usize, usize) {
        let answers = self.waiting.iter().filter(|letter| letter.node == node && letter.is_answer());
        answers.fold((0, 0), |(count, bytes), letter| (count.saturating_add(1), bytes.saturating_add(letter.term.len())))
    }

    /// Returns true if one more answer in the program's place may wait.
    pub(super) fn has_room_for_refusal(&self) -> bool {
        self.waiting.len() < ANSWERS
    }

    /// Sends a letter, now or when the peer has room. It is called when there [is room](Letters::has_room) for it to wait. Returns false for one that
    /// can go to nobody.
    pub(super) fn post(&mut self, mut letter: Letter, out: &mut Outbox<'_>, name: &str) -> bool {
        let is_behind = self.waiting.iter().any(|other| other.node == letter.node);
        if is_behind && letter.is_answer() && self.answers_to(&letter.node).1 >= UNREAD {
            let node = &letter.node;
            limited!(
                warn,
                node,
                "answers that nodes do not read",
                "mailbox {name}: no answer to {node}, which does not read what it is sent"
            );
            return true;
        }
        let sent = if is_behind { Sent::Later } else { send(&mut letter, out, name) };
        if matches!(sent, Sent::Later) {
            self.keep(letter);
        }
        !matches!(sent, Sent::Refused)
    }

    /// Keeps a letter for later.
    pub(super) fn keep(&mut self, letter: Letter) {
        if self.at.is_none() {
            self.wait = RETRY.0;
            self.at = Instant::now().checked_add(self.wait);
        }
        self.push(letter);
    }

    fn push(&mut self, letter: Letter) {
        if !letter.is_answer() {
            self.messages = self.messages.saturating_add(1);
            self.bytes = self.bytes.saturating_add(letter.term.len());
        }
        self.waiting.push_back(letter);
    }

    fn pop(&mut self) -> Option<Letter> {
        let letter = self.waiting.pop_front()?;
        if !letter.is_answer() {
            self.messages = self.messages.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(letter.term.len());
        }
        Some(letter)
    }

    /// Returns when the letters are tried again.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.at
    }

    /// Tries the letters again, if it is time.
    pub(super) fn turn(&mut self, out: &mut Outbox<'_>, name: &str) {
        if self.at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        let mut busy: Vec<String> = Vec::new();
        let count = self.waiting.len();
        for _ in 0..count {
            let Some(mut letter) = self.pop() else { break };
            if busy.contains(&letter.node) {
                self.push(letter);
            } else if matches!(send(&mut letter, out, name), Sent::Later) {
                busy.push(letter.node.clone());
                self.push(letter);
            }
        }
        self.wait = if self.waiting.len() < count { RETRY.0 } else { self.wait.saturating_mul(2).min(RETRY.1) };
        give_back(&mut self.waiting);
        self.at = if self.waiting.is_empty() { None } else { Instant::now().checked_add(self.wait) };
    }
}

/// Sends a letter of the mailbox of this name.
fn send(letter: &mut Letter, out: &mut Outbox<'_>, name: &str) -> Sent {
    let result = Term::parse(&letter.term).map_err(Error::from).and_then(|term| match &letter.to {
        To::Caller(caller) => out.reply(caller, |t| t.term(term)),
        To::Name(to) => out.send((to.as_str(), letter.node.as_str()), |t| t.term(term)),
    });
    match (result, &letter.to) {
        (Ok(()), _) => Sent::Done,
        (Err(Error::Full(Full::Transmit { .. })), _) => Sent::Later,
        (Err(e @ Error::Full(Full::Message { limit, .. })), To::Caller(_)) => {
            limited!(
                warn,
                name,
                "answers of programs that were too large",
                "mailbox {name}: an answer was too large: {}",
                words::error(&e)
            );
            letter.term = encoded(|t| Refusal::TooLarge(limit).put(t));
            send(letter, out, name)
        }
        // who asked is gone, and with the node everybody who could be told
        (Err(Error::NotConnected), To::Caller(_)) => {
            log::debug!("mailbox {name}: an answer to {}, which is not connected any more", letter.node);
            Sent::Done
        }
        (Err(e), To::Caller(_)) => {
            limited!(
                warn,
                name,
                "answers of programs that were not sent",
                "mailbox {name}: no answer to {}: {}",
                letter.node,
                words::error(&e)
            );
            Sent::Done
        }
        (Err(e), To::Name(to)) => {
            limited!(
                warn,
                name,
                "messages of programs that were not sent",
                "mailbox {name}: not sent to {to} on {}: {}",
                letter.node,
                words::error(&e)
            );
            Sent::Refused
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

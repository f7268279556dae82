//! What mailboxes get, against what was done.

use beamless::{
    Caller, Error, Exception, Failure, Full, Mailbox, Monitor, Outbox, OwnedCaller, OwnedPid, Received, Request, Term,
};

use super::ops::numbered;
use super::{Inbox, Sent, Tie, To, What, World};
use crate::pair::Seed;

/// What came, in owned memory.
enum Got {
    Message { number: usize, sender: Option<OwnedPid>, what: What, reply: Reply },
    Exit { from: OwnedPid, reason: String },
    Down { monitor: Monitor, reason: String },
    Answer { request: Request, result: Answer },
    PutBack,
}

/// What became of the caller.
enum Reply {
    None,
    Done,
    Kept(Box<OwnedCaller>),
    Forgotten,
    Refused(Error),
}

#[derive(Debug)]
enum Answer {
    Value(usize),
    /// An exception or what was thrown, by its number.
    Raised(usize),
    NoProcess,
    NodeDown,
    Timeout,
    Undefined,
    Ended(String),
    Refused(String),
}

/// The number in `{Word, Number, Fill}`.
fn number(term: Term<'_>) -> Option<usize> {
    let [_, number, _] = term.tuple()?;
    usize::try_from(number.as_i64()?).ok()
}

/// A reason, shortened to what tells it from others.
fn key(reason: Term<'_>) -> String {
    match (number(reason), reason.tuple()) {
        (Some(number), Some([word, _, _])) => format!("{word},{number}"),
        _ => reason.to_string(),
    }
}

/// The same of its text, which may be cut.
fn text_key(reason: &str) -> String {
    let Some(rest) = reason.strip_prefix('{') else { return reason.to_owned() };
    rest.split(',').take(2).collect::<Vec<_>>().join(",")
}

fn answer(result: Result<Term<'_>, Failure<'_>>) -> Option<Answer> {
    Some(match result {
        Ok(value) => Answer::Value(number(value)?),
        Err(Failure::NoProcess) => Answer::NoProcess,
        Err(Failure::NodeDown) => Answer::NodeDown,
        Err(Failure::Timeout) => Answer::Timeout,
        Err(Failure::Undefined) => Answer::Undefined,
        Err(Failure::Error { reason, .. } | Failure::Exit(reason) | Failure::Throw(reason)) => Answer::Raised(number(reason)?),
        Err(Failure::Ended(reason)) => Answer::Ended(key(reason)),
        Err(Failure::Refused(why)) => Answer::Refused(key(why)),
        Err(_) => return None,
    })
}

/// Answers a caller, or not.
fn respond(random: &mut Seed, out: &mut Outbox<'_>, caller: Caller<'_>, number: usize, raises: bool) -> Reply {
    let fill = if random.below(4) == 0 { random.below(1500) } else { 0 };
    let exception = [Exception::Error, Exception::Exit, Exception::Throw][random.below(3)];
    let done = match random.below(6) {
        0 => return caller.keep().map_or(Reply::Forgotten, |caller| Reply::Kept(Box::new(caller))),
        1 => return Reply::Forgotten,
        2 if raises => out.raise(caller, exception, |t| numbered(t, "reply", number, fill)),
        _ => out.reply(caller, |t| numbered(t, "reply", number, fill)),
    };
    done.map_or_else(Reply::Refused, |()| Reply::Done)
}

impl World<'_> {
    /// Takes one message, if there is one; it may be put back.
    pub(super) fn take(&mut self, inbox: usize, puts_back: bool) -> bool {
        let (side, handle) = (self.inboxes[inbox].side, self.inboxes[inbox].handle);
        let random = &mut self.random;
        let Some((message, mut out)) = self.ends[side].node.recv(handle) else {
            // else there may be what waits for a peer to take its answers, which may have been held up by a mailbox before that
            if self.ends[side].node.peers().all(|peer| peer.held.is_none()) {
                self.inboxes[inbox].drained = self.op;
            }
            // what was due may have ended it
            self.news();
            return false;
        };
        let sender = message.sender().and_then(OwnedPid::new);
        let plain = |term: Term<'_>| {
            Some(Got::Message { number: number(term)?, sender: sender.clone(), what: What::Message, reply: Reply::None })
        };
        let got = match message.received() {
            _ if puts_back && random.below(12) == 0 => {
                message.put_back();
                Some(Got::PutBack)
            }
            Received::Call(call) => number(call.request).map(|number| {
                let reply = respond(random, &mut out, call.caller(), number, false);
                Got::Message { number, sender: OwnedPid::new(call.from), what: What::Call, reply }
            }),
            Received::Apply(apply) => apply.args.as_list().and_then(|mut args| number(args.next()?)).map(|number| {
                let reply = respond(random, &mut out, apply.caller, number, true);
                Got::Message { number, sender: None, what: What::Rpc, reply }
            }),
            Received::Cast(term) | Received::Info(term) => plain(term),
            Received::Exit { from, reason } => OwnedPid::new(from).map(|from| Got::Exit { from, reason: key(reason) }),
            Received::Down { monitor, reason } => Some(Got::Down { monitor, reason: key(reason) }),
            Received::Answer { request, result } => answer(result).map(|result| Got::Answer { request, result }),
            _ => None,
        };
        self.check(got.is_some(), "something that nobody sent");
        self.news();
        match got {
            Some(Got::Message { number, sender, what, reply }) => self.got_message(inbox, number, sender.as_ref(), what, reply),
            Some(Got::Exit { from, reason }) => self.got_exit(inbox, &from, &reason),
            Some(Got::Down { monitor, reason }) => self.got_down(inbox, monitor, &reason),
            Some(Got::Answer { request, result }) => self.got_answer(inbox, request, &result),
            Some(Got::PutBack) => self.count("put back"),
            None => {}
        }
        true
    }

    fn got_message(&mut self, inbox: usize, number: usize, sender: Option<&OwnedPid>, what: What, reply: Reply) {
        let side = self.inboxes[inbox].side;
        self.check(number < self.sent.len(), "a message that nobody sent");
        let sent = &self.sent[number];
        let (from, to) = (sent.from, sent.to);
        self.check(!sent.came, "a message comes twice");
        self.check(sent.what == what && !sent.dead && self.inboxes[from].side != side, "a message comes to the wrong place");
        self.check(sender.is_none_or(|pid| *pid == self.inboxes[from].pid), "a message has the wrong sender");
        let right = match to {
            To::Pid(to) => to == inbox,
            To::Name(name) => name == self.inboxes[inbox].name,
            To::Alias(alias) => self.aliases[alias].owner == inbox,
            To::Node => what == What::Rpc,
        };
        self.check(right, "a message comes to the wrong mailbox");
        let last = self.inboxes[inbox].last.insert(from, number);
        self.check(last.is_none_or(|last| last < number), "two messages come in the wrong order");
        // what was tied to the sender over a connection that is no more was told so before
        let overtaken = self.watched.iter().any(|watched| {
            let waits = watched.owner == inbox && watched.to == To::Pid(from) && !watched.down && watched.demonitored.is_none();
            waits && watched.op < self.lost[side] && self.lost[side] < self.sent[number].op
        });
        self.check(!overtaken, "a message overtakes a down");
        self.sent[number].came = true;
        if let To::Pid(_) = to {
            while let Some(expected) = self.inboxes[inbox].expected.pop_front().filter(|expected| *expected != number) {
                self.check(self.sent[expected].epoch < self.epoch, "a message is lost");
            }
        }
        match reply {
            Reply::None => {}
            Reply::Done => {
                self.sent[number].replied = true;
                if self.sent[number].answered {
                    self.count("a late reply");
                }
            }
            Reply::Kept(caller) => self.callers[side].push((*caller, number)),
            Reply::Forgotten => self.sent[number].forgotten = true,
            Reply::Refused(e) => {
                self.refused(&e);
                self.check(matches!(e, Error::NotConnected | Error::Full(Full::Transmit { .. })), &e.to_string());
                self.sent[number].forgotten = true;
            }
        }
    }

    fn got_answer(&mut self, inbox: usize, request: Request, result: &Answer) {
        let side = self.inboxes[inbox].side;
        let found = self.requests.get(&(side, request)).copied();
        self.check(found.is_some() && request.mailbox() == self.inboxes[inbox].handle, "an answer to no call");
        let Some(number) = found else { return };
        let sent = &self.sent[number];
        self.check(!sent.answered && sent.from == inbox, "a second answer");
        self.check(sent.abandoned.is_none_or(|when| self.inboxes[inbox].drained < when), "an answer to a call that was given up");
        let (right, what) = match result {
            Answer::Value(value) => (*value == number && sent.replied, "a reply"),
            Answer::Raised(value) => (*value == number && sent.replied && sent.what == What::Rpc, "an exception"),
            Answer::NoProcess => (sent.what == What::Call, "noproc"),
            Answer::NodeDown => (self.epoch > sent.epoch, "nodedown"),
            Answer::Timeout => (sent.timeout.is_some_and(|timeout| self.now >= sent.at + timeout), "a timeout"),
            Answer::Undefined => (sent.what == What::Rpc && !sent.came, "undef"),
            Answer::Ended(why) if why == "system_limit" && sent.what == What::Call => (true, "system_limit"),
            // its place was needed before the real reason could be told
            Answer::Ended(why) if why == "killed" => (true, "killed"),
            Answer::Ended(why) => (self.ended_for(sent.to, 1 - side, why), "an end of who was called"),
            Answer::Refused(why) => (why == "system_limit" && sent.what == What::Rpc, "system_limit"),
        };
        self.check(right, &format!("the wrong answer to call {number}: {result:?}"));
        self.count(what);
        self.sent[number].answered = true;
    }

    /// Whether somebody with this address ended for this reason.
    fn ended_for(&self, to: To, side: usize, why: &str) -> bool {
        let ended = |inbox: &Inbox| inbox.ended.as_deref() == Some(why);
        match to {
            To::Pid(inbox) => ended(&self.inboxes[inbox]),
            To::Name(name) => self.inboxes.iter().any(|inbox| inbox.side == side && inbox.name == name && ended(inbox)),
            // whoever served the function
            To::Node => self.inboxes.iter().any(|inbox| inbox.side == side && ended(inbox)),
            To::Alias(_) => false,
        }
    }

    fn got_down(&mut self, inbox: usize, monitor: Monitor, reason: &str) {
        let side = self.inboxes[inbox].side;
        let found = self.monitors.get(&(side, monitor)).copied();
        self.check(found.is_some(), "a down of no monitor");
        let Some(which) = found else { return };
        let watched = &self.watched[which];
        self.check(!watched.down && watched.owner == inbox, "a second down");
        self.check(watched.demonitored.is_none_or(|when| self.inboxes[inbox].drained < when), "a down after its time");
        // the last is told of a mailbox whose place was needed before that could be told
        let known = matches!(reason, "noproc" | "noconnection" | "system_limit" | "killed");
        self.check(known || self.ended_for(watched.to, 1 - side, reason), &format!("a down for the wrong reason: {reason}"));
        if let ("noproc", To::Pid(target)) = (reason, watched.to) {
            self.check(self.inboxes[target].ended.is_some(), "a down of one that is alive");
        }
        self.watched[which].down = true;
        self.count("a down");
    }

    /// Notes an exit that came by a link; `false` if it cannot have come by one.
    fn by_link(&mut self, inbox: usize, from: usize, reason: &str, drained: u64) -> bool {
        let right = matches!(reason, "noproc" | "noconnection" | "system_limit" | "killed")
            || self.inboxes[from].ended.as_deref() == Some(reason);
        let now = self.op;
        let Some(tie) = self.ties.get_mut(&(inbox, from)).filter(|_| right) else { return false };
        if tie.exits >= tie.links || tie.cut.is_some_and(|when| drained >= when) {
            return false;
        }
        (tie.exits, tie.exit, tie.sure) = (tie.exits + 1, now, false);
        if let Some(tie) = self.ties.get_mut(&(from, inbox)) {
            tie.sure = false;
        }
        true
    }

    /// The exit signal of this number, if it is one from there to here.
    fn asked(&mut self, inbox: usize, from: Option<usize>, reason: &str) -> Option<usize> {
        let number: usize = reason.strip_prefix("asked,")?.parse().ok()?;
        let sent = self.sent.get(number)?;
        let right = sent.what == What::Exit && sent.to == To::Pid(inbox) && from.is_none_or(|from| sent.from == from);
        right.then_some(number)
    }

    fn got_exit(&mut self, inbox: usize, from: &OwnedPid, reason: &str) {
        let found = self.inboxes.iter().position(|other| other.pid == *from);
        self.check(found.is_some(), "an exit of nobody");
        let Some(from) = found else { return };
        self.count(if reason == "system_limit" { "system_limit" } else { "an exit" });
        if let Some(number) = self.asked(inbox, Some(from), reason) {
            self.check(!self.sent[number].came && !self.sent[number].dead, "an exit comes twice");
            self.sent[number].came = true;
            return;
        }
        let drained = self.inboxes[inbox].drained;
        // `normal` may have come either way, and does not tell which
        let told = |sent: &Sent| sent.what == What::Exit && sent.from == from && sent.to == To::Pid(inbox);
        let right = reason == "normal" && self.sent.iter().any(told) || self.by_link(inbox, from, reason, drained);
        self.check(right, &format!("an exit for the wrong reason: {reason}"));
    }

    /// A mailbox ended: which, and why.
    pub(super) fn note_end(&mut self, side: usize, mailbox: Mailbox, reason: &str) -> Option<usize> {
        let found = self.inboxes.iter().position(|inbox| inbox.side == side && inbox.handle == mailbox);
        self.check(found.is_some_and(|inbox| self.inboxes[inbox].ended.is_none()), "a mailbox ends twice");
        self.inboxes[found?].ended = Some(text_key(reason));
        found
    }

    /// Whether it ended for a reason, and who is to be told.
    pub(super) fn inbox_ended(&mut self, inbox: usize) {
        let (side, reason) = (self.inboxes[inbox].side, self.inboxes[inbox].ended.clone().unwrap());
        let closed = reason == format!("closed,{inbox}") || reason == "normal";
        if let Some(number) = self.asked(inbox, None, &reason) {
            self.check(!self.inboxes[inbox].traps && !self.sent[number].came, "an exit that is trapped");
            self.sent[number].came = true;
        } else if !closed {
            let killed = reason == "killed"
                && self.sent.iter().any(|sent| sent.what == What::Exit && sent.to == To::Pid(inbox) && !sent.dead);
            let others: Vec<usize> = (0..self.inboxes.len()).filter(|other| self.inboxes[*other].side != side).collect();
            let linked = others.into_iter().any(|other| self.by_link(inbox, other, &reason, u64::MAX));
            self.check(killed || linked && !self.inboxes[inbox].traps, &format!("it ends for the wrong reason: {reason}"));
            self.count(if killed { "killed" } else { "ended by a link" });
        }
        // those that are surely linked to it are to be told
        for ((other, ended), tie) in &mut self.ties {
            if *ended != inbox && *other != inbox {
                continue;
            }
            let sure = core::mem::take(&mut tie.sure);
            if *ended == inbox && sure && reason != "normal" {
                tie.owed = Some(tie.exits);
            }
        }
        for alias in self.aliases.iter_mut().filter(|alias| alias.owner == inbox) {
            alias.dead = true;
        }
    }

    /// A side has noticed that the connection is no more.
    pub(super) fn links_lost(&mut self, side: usize) {
        for ((inbox, _), tie) in &mut self.ties {
            if self.inboxes[*inbox].side == side && core::mem::take(&mut tie.sure) {
                tie.owed = Some(tie.exits);
            }
        }
    }

    /// Nothing is under way: who was to be told of the end of a link has been, and who has linked is.
    pub(super) fn check_links(&mut self) {
        let mut pairs: Vec<(usize, usize)> = self.ties.keys().copied().collect();
        pairs.sort_unstable();
        for pair in &pairs {
            let Some(tie) = self.ties.get_mut(pair) else { continue };
            let (owed, exits) = (tie.owed.take(), tie.exits);
            if let Some(before) = owed {
                let told = exits > before || self.inboxes[pair.0].ended.is_some();
                self.check(told, &format!("{} was not told that its link to {} broke", pair.0, pair.1));
                self.count("a sure link broke");
            }
        }
        let up = self.ends[0].is_up();
        for (one, other) in pairs.into_iter().filter(|(one, _)| self.inboxes[*one].side == 0) {
            let alive = self.inboxes[one].ended.is_none() && self.inboxes[other].ended.is_none();
            let (mut ours, mut theirs) = (Tie::default(), Tie::default());
            core::mem::swap(&mut ours, self.ties.entry((one, other)).or_default());
            core::mem::swap(&mut theirs, self.ties.entry((other, one)).or_default());
            let sure = match (ours.last > self.settled, theirs.last > self.settled) {
                (false, false) => ours.sure && theirs.sure,
                (true, true) => false,
                (first, _) => {
                    let acted = if first { &ours } else { &theirs };
                    let since = ours.exit.max(theirs.exit) < acted.last && acted.epoch == self.epoch;
                    acted.linked && alive && up && since
                }
            };
            (ours.sure, theirs.sure) = (sure, sure);
            self.ties.insert((one, other), ours);
            self.ties.insert((other, one), theirs);
        }
    }

    /// Nothing is under way: whoever waits still, waits for somebody.
    pub(super) fn check_asked(&mut self) {
        for watched in &self.watched {
            if let (To::Pid(target), false, None) = (watched.to, watched.down, watched.demonitored) {
                let over = self.inboxes[target].ended.is_some() && self.inboxes[watched.owner].ended.is_none();
                self.check(!over, "a monitor's down never came");
            }
        }
        for (number, sent) in self.sent.iter().enumerate() {
            let waits = matches!(sent.what, What::Call | What::Rpc) && !sent.answered && sent.abandoned.is_none();
            if !waits || self.inboxes[sent.from].ended.is_some() {
                continue;
            }
            let over = match sent.to {
                To::Pid(target) => self.inboxes[target].ended.is_some(),
                _ => false,
            };
            self.check(!over && !sent.replied, &format!("the answer to call {number} never came"));
        }
    }

    /// Much time has passed, and nothing is under way: nobody waits who set a limit.
    pub(super) fn check_limits(&self) {
        for (number, sent) in self.sent.iter().enumerate() {
            let over = sent.answered || sent.abandoned.is_some() || self.inboxes[sent.from].ended.is_some();
            self.check(over || sent.timeout.is_none(), &format!("the answer to call {number} never came"));
        }
    }

    /// All mailboxes of a side are closed, and nothing is under way: nobody at the other waits for one of them.
    pub(super) fn check_waiting(&mut self, side: usize) {
        for watched in self.watched.iter().filter(|watched| self.inboxes[watched.owner].side != side) {
            let waits = !watched.down && watched.demonitored.is_none() && self.inboxes[watched.owner].ended.is_none();
            self.check(!waits, "a monitor's down never came");
        }
        for (number, sent) in self.sent.iter().enumerate().filter(|(_, sent)| self.inboxes[sent.from].side != side) {
            let asked = matches!(sent.what, What::Call | What::Rpc) && sent.abandoned.is_none();
            let waits = asked && !sent.answered && self.inboxes[sent.from].ended.is_none();
            self.check(!waits, &format!("the answer to call {number} never came"));
        }
    }
}

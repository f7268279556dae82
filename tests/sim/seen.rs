//! What mailboxes get, against what was done.

use beamless::{Caller, Exception, Failure, Monitor, Outbox, OwnedCaller, OwnedPid, Received, Receiver, Request, Term};

use super::acts::numbered;
use super::host::{NODES, still};
use super::model::{To, What, World};
use super::seed::Seed;

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
    Refused(beamless::Error),
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

/// The word and the number in `{Word, Number, Fill}`.
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
fn respond(dice: &mut Seed, out: &mut Outbox<'_>, caller: Caller<'_>, number: usize, raises: bool) -> Reply {
    let fill = if dice.below(4) == 0 { dice.below(1500) } else { 0 };
    let exception = [Exception::Error, Exception::Exit, Exception::Throw][dice.below(3)];
    let done = match dice.below(6) {
        0 => return caller.keep().map_or(Reply::Forgotten, |caller| Reply::Kept(Box::new(caller))),
        1 => return Reply::Forgotten,
        2 if raises => out.raise(caller, exception, |t| numbered(t, "reply", number, fill)),
        _ => out.reply(caller, |t| numbered(t, "reply", number, fill)),
    };
    done.map_or_else(Reply::Refused, |()| Reply::Done)
}

impl World<'_> {
    /// Takes one message, if there is one; it may be put back.
    pub(crate) fn take(&mut self, inbox: usize, puts_back: bool) -> bool {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        if self.inboxes[inbox].ended.is_some() {
            return false;
        }
        let dice = &mut self.dice;
        let node = &mut self.hosts[host].node;
        let Some((message, mut out)) = still(move || node.recv(handle)) else {
            // else there may be what waits for a peer to take its answers, which may have been held up by a mailbox before that
            if self.hosts[host].node.peers().all(|peer| peer.held.is_none()) {
                self.inboxes[inbox].drained = self.op;
            }
            // what was due may have ended it
            self.news();
            return false;
        };
        let sender = message.sender().and_then(OwnedPid::new);
        let plain = |term: Term<'_>| {
            let what = match term.tuple() {
                Some([word, _, _]) if word.is_atom("group") => What::Group,
                _ => What::Message,
            };
            Some(Got::Message { number: number(term)?, sender: sender.clone(), what, reply: Reply::None })
        };
        let got = match message.received() {
            _ if puts_back && dice.below(12) == 0 => {
                message.put_back();
                Some(Got::PutBack)
            }
            Received::Call(call) => number(call.request).map(|number| {
                let reply = respond(dice, &mut out, call.caller(), number, false);
                Got::Message { number, sender: OwnedPid::new(call.from), what: What::Call, reply }
            }),
            Received::Apply(apply) => apply.args.as_list().and_then(|mut args| number(args.next()?)).map(|number| {
                let reply = respond(dice, &mut out, apply.caller, number, true);
                Got::Message { number, sender: None, what: What::Rpc, reply }
            }),
            Received::Cast(term) | Received::Info(term) => plain(term),
            Received::Exit { from, reason } => OwnedPid::new(from).map(|from| Got::Exit { from, reason: key(reason) }),
            Received::Down { monitor, reason } => Some(Got::Down { monitor, reason: key(reason) }),
            Received::Answer { request, result } => answer(result).map(|result| Got::Answer { request, result }),
            _ => None,
        };
        // an answer to whoever had its pid before may come to it
        self.check(got.is_some() || self.hosts[host].same, "something that nobody sent");
        self.news();
        match got {
            Some(Got::Message { number, sender, what, reply }) => self.got_message(inbox, number, sender.as_ref(), what, reply),
            Some(Got::Exit { from, reason }) => self.got_exit(inbox, &from, &reason),
            Some(Got::Down { monitor, reason }) => self.got_down(inbox, monitor, &reason),
            Some(Got::Answer { request, result }) => self.got_answer(inbox, request, &result),
            Some(Got::PutBack) => {
                self.inboxes[inbox].puts_back = true;
                self.count("put back");
            }
            None => {}
        }
        true
    }

    fn got_message(&mut self, inbox: usize, number: usize, sender: Option<&OwnedPid>, what: What, reply: Reply) {
        let host = self.inboxes[inbox].host;
        self.say(|| format!("  {inbox} at {} gets {number}", NODES[host]));
        self.check(number < self.sent.len(), "a message that nobody sent");
        let sent = &self.sent[number];
        let (from, to, peer) = (sent.from, sent.to, self.inboxes[sent.from].host);
        let times = if what == What::Group {
            let joined = |joined: &&_| **joined == super::model::Joined { inbox, scope: sent.group.1, group: sent.group.0 };
            self.ever_joined.iter().filter(joined).count() * self.inboxes.len()
        } else {
            1
        };
        self.check(sent.came < times, "a message comes twice, or to somebody else");
        let is_here = match to {
            To::Pid(to) => self.inboxes[to].pid == self.inboxes[inbox].pid && !(sent.dead && to == inbox),
            To::Name(node, name) => node == host && name == self.inboxes[inbox].name,
            To::Alias(alias) => self.aliases[alias].owner == inbox && !sent.dead || self.hosts[host].same,
            To::Node(node) => what == What::Group || what == What::Rpc && node == host && !sent.dead,
        };
        self.check(sent.what == what && is_here && peer != host, "a message comes to the wrong place");
        self.check(sender.is_none_or(|pid| *pid == self.inboxes[from].pid), "a message has the wrong sender");
        let last = self.inboxes[inbox].last.insert(from, number);
        self.check(
            last.is_none_or(|last| last < number || what == What::Group && last == number),
            "two messages come in the wrong order",
        );
        // what was tied to the sender over a connection that is no more was told so before
        let lost = self.downs[host][peer];
        let overtaken = self.watched.iter().any(|watched| {
            let waits = watched.owner == inbox && watched.to == To::Pid(from) && !watched.down && watched.demonitored.is_none();
            waits && watched.op < lost && lost < self.sent[number].op
        });
        self.check(!overtaken || self.is_doubtful(&[inbox, from]) || self.inboxes[inbox].drops, "a message overtakes a down");
        self.sent[number].came += 1;
        if let To::Pid(_) | To::Name(..) | To::Alias(_) = to {
            let (queue, epoch) = (self.inboxes[inbox].expected.entry(peer).or_default(), self.sent[number].epoch);
            let many = queue.iter().position(|sent| *sent >= number).unwrap_or(queue.len());
            let missed: Vec<usize> = queue.drain(..many).collect();
            if queue.front() == Some(&number) {
                queue.pop_front();
            }
            let is_alias_gone = |to| matches!(to, To::Alias(alias) if self.aliases[alias].dead);
            let is_lost = missed.iter().any(|sent| self.sent[*sent].epoch == epoch && !is_alias_gone(self.sent[*sent].to));
            let name = self.inboxes[inbox].name;
            let is_of = |to: &Receiver| matches!(to, Receiver::Name(to) if **to == *name);
            let sheds = self.shed.iter().any(|(at, of, to)| *at == host && *of == peer && is_of(to));
            self.check(!is_lost || self.inboxes[inbox].drops || sheds || self.is_doubtful(&[inbox, from]), "a message is lost");
        }
        match reply {
            Reply::None | Reply::Forgotten => {}
            Reply::Done => {
                self.sent[number].replied = true;
                if self.sent[number].answered {
                    self.count("a late reply");
                }
            }
            Reply::Kept(caller) => self.callers[host].push((*caller, number)),
            Reply::Refused(e) => self.refused(host, &e),
        }
    }

    fn got_answer(&mut self, inbox: usize, request: Request, result: &Answer) {
        let host = self.inboxes[inbox].host;
        let found = self.requests.get(&(self.hosts[host].life, request)).copied();
        self.check(found.is_some() && request.mailbox() == self.inboxes[inbox].handle, "an answer to no call");
        let Some(number) = found else { return };
        let sent = &self.sent[number];
        let peer = self.host_of(sent.to);
        self.check(!sent.answered && sent.from == inbox, "a second answer");
        self.check(sent.abandoned.is_none_or(|when| self.inboxes[inbox].drained < when), "an answer to a call that was given up");
        let (right, what) = match result {
            Answer::Value(value) => (*value == number && sent.replied, "a reply"),
            Answer::Raised(value) => (*value == number && sent.replied && sent.what == What::Rpc, "an exception"),
            Answer::NoProcess => (sent.what == What::Call, "noproc"),
            // also of one that ended because its own link broke off
            Answer::NodeDown => {
                (self.epochs_of(host, peer) > sent.epochs || self.ended_for(sent.to, peer, "noconnection"), "nodedown")
            }
            Answer::Timeout => (sent.timeout.is_some_and(|timeout| self.hosts[host].now >= sent.at + timeout), "a timeout"),
            Answer::Undefined => (sent.what == What::Rpc && sent.came == 0, "undef"),
            Answer::Ended(why) if why == "system_limit" && sent.what == What::Call => (true, "system_limit"),
            // its place was needed before the real reason could be told
            Answer::Ended(why) if why == "killed" => (true, "killed"),
            Answer::Ended(why) => (self.ended_for(sent.to, peer, why), "an end of who was called"),
            Answer::Refused(why) => (why == "system_limit" && sent.what == What::Rpc, "system_limit"),
        };
        let right = right || self.hosts[host].same || self.hosts[peer].same;
        self.check(right, &format!("the wrong answer to call {number}: {result:?}"));
        self.count(what);
        self.sent[number].answered = true;
    }

    fn got_down(&mut self, inbox: usize, monitor: Monitor, reason: &str) {
        let host = self.inboxes[inbox].host;
        let found = self.monitors.get(&(self.hosts[host].life, monitor)).copied();
        self.check(found.is_some(), "a down of no monitor");
        let Some(which) = found else { return };
        let watched = &self.watched[which];
        self.check(!watched.down && watched.owner == inbox, "a second down");
        self.check(watched.demonitored.is_none_or(|when| self.inboxes[inbox].drained < when), "a down after its time");
        // the last is told of a mailbox whose place was needed before that could be told
        let known = matches!(reason, "noproc" | "noconnection" | "system_limit" | "killed");
        let peer = self.host_of(watched.to);
        let right = known || self.ended_for(watched.to, peer, reason) || self.hosts[host].same;
        self.check(right, &format!("a down for the wrong reason: {reason}"));
        if let ("noproc", To::Pid(target)) = (reason, watched.to) {
            self.check(self.inboxes[target].ended.is_some() || self.hosts[host].same, "a down of one that is alive");
        }
        // what it sent before it ended came before
        if let (To::Pid(target), false) = (watched.to, matches!(reason, "noconnection" | "system_limit")) {
            let queue = self.inboxes[inbox].expected.get(&peer);
            let mut behind = queue.into_iter().flatten().filter(|sent| self.sent[**sent].from == target);
            let overtakes = behind.any(|sent| self.is_due(*sent, inbox));
            let is_excused = self.inboxes[inbox].puts_back || self.inboxes[inbox].drops || self.is_doubtful(&[inbox, target]);
            self.check(!overtakes || is_excused, "a down overtakes a message");
        }
        self.watched[which].down = true;
        self.count("a down");
    }

    /// Nothing is under way: whoever waits still, waits for somebody.
    pub(crate) fn check_asked(&mut self) {
        for watched in &self.watched {
            if let (To::Pid(target), false, None) = (watched.to, watched.down, watched.demonitored) {
                let over = self.inboxes[target].ended.is_some() && self.inboxes[watched.owner].ended.is_none();
                let is_excused = self.inboxes[watched.owner].drops || self.is_doubtful(&[target]);
                self.check(!over || is_excused, "a monitor's down never came");
            }
        }
        for (number, sent) in self.sent.iter().enumerate() {
            let waits = matches!(sent.what, What::Call | What::Rpc) && !sent.answered && sent.abandoned.is_none();
            if !waits || self.inboxes[sent.from].ended.is_some() || self.inboxes[sent.from].drops {
                continue;
            }
            let over = match sent.to {
                To::Pid(target) => self.inboxes[target].ended.is_some() && !self.inboxes[target].is_reused,
                _ => false,
            };
            self.check(!over && !sent.replied, &format!("the answer to call {number} never came"));
        }
    }

    /// Much time has passed, and nothing is under way: nobody waits who set a limit.
    pub(crate) fn check_limits(&self) {
        for (number, sent) in self.sent.iter().enumerate() {
            let from = &self.inboxes[sent.from];
            let over = sent.answered || sent.abandoned.is_some() || from.ended.is_some() || from.drops;
            self.check(over || sent.timeout.is_none(), &format!("the answer to call {number} never came"));
        }
    }

    /// All mailboxes of a host are closed, and nothing is under way: nobody elsewhere waits for one of them.
    pub(crate) fn check_waiting(&mut self, host: usize) {
        let waits = |owner: usize| self.inboxes[owner].ended.is_none() && !self.inboxes[owner].drops;
        for watched in self.watched.iter().filter(|watched| self.host_of(watched.to) == host) {
            let open = !watched.down && watched.demonitored.is_none();
            self.check(!open || !waits(watched.owner), "a monitor's down never came");
        }
        for (number, sent) in self.sent.iter().enumerate().filter(|(_, sent)| self.host_of(sent.to) == host) {
            let asked = matches!(sent.what, What::Call | What::Rpc) && sent.abandoned.is_none() && !sent.answered;
            self.check(!asked || !waits(sent.from), &format!("the answer to call {number} never came"));
        }
    }
}

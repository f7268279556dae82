//! What programs do, at random.

use std::time::Duration;

use beamless::{Address, Error, Full, Misuse, Outbox, OwnedPid, TermWriter, Written};

use super::{Alias, Inbox, NAMES, NODES, SERVED, Sent, To, Watched, What, World};

/// A word, a number to know it by, and bytes that fill buffers.
pub(super) fn numbered<'t, 'b>(t: &'t mut TermWriter<'b>, word: &str, number: usize, fill: usize) -> Written<'t, 'b> {
    t.tuple(3)?.atom(word)?.int(number as i64)?.binary(&[7; 1500][..fill])
}

impl World<'_> {
    pub(super) fn step(&mut self, lazy: usize) {
        self.op += 1;
        let side = self.random.below(2);
        let inbox = {
            let alive = self.alive(side);
            // now and then one that is no more
            if alive.is_empty() || self.random.below(40) == 0 {
                Self::any(&mut self.random, &self.inboxes)
            } else {
                Some(alive[self.random.below(alive.len())])
            }
        };
        let Some(inbox) = inbox else { return self.register(side) };
        match self.random.below(40) {
            0..3 => self.register(side),
            3 => self.close_one(inbox),
            4..9 => self.send(inbox),
            9..12 => self.call(inbox),
            12..14 => self.rpc(inbox),
            14..17 => self.monitor(inbox),
            17 => self.demonitor(),
            18 => self.abandon(),
            19..22 => self.link(inbox),
            22 => self.unlink(inbox),
            23 => self.exit(inbox),
            24 => self.trap(inbox),
            25 => self.alias(inbox),
            26 => self.serve(inbox),
            27 => self.answer_one(side),
            28..32 => {
                if self.random.below(12) >= lazy {
                    for _ in 0..self.random.below(6) {
                        self.take(inbox, true);
                    }
                }
            }
            32..37 => {
                let mut most = || if self.random.below(2) == 0 { usize::MAX } else { self.random.below(300) };
                let (there, back) = (most(), most());
                self.carry(there, back);
                let fails = self.random.below(6) == 0;
                self.dial(side, fails);
            }
            37 => {
                self.now += [1, 100, 1000, 5000][self.random.below(4)];
                self.pass(side);
            }
            38 => match self.random.below(6) {
                0 => self.disconnect(side),
                1 if !self.wires.is_empty() => {
                    let which = self.random.below(self.wires.len());
                    self.cut(which);
                }
                2 => self.settle(),
                _ => self.connect(side),
            },
            _ => self.pass(side),
        }
        self.news();
    }

    fn fill(&mut self) -> usize {
        match self.random.below(6) {
            large if large < self.large => self.random.below(1500),
            5 => self.random.below(200),
            _ => 0,
        }
    }

    /// An operation in the name of a mailbox; `None` when it could not be done, for a reason that is named in its documentation.
    fn act<T>(&mut self, inbox: usize, act: impl FnOnce(&mut Outbox<'_>) -> Result<T, Error>) -> Option<T> {
        let (side, handle) = (self.inboxes[inbox].side, self.inboxes[inbox].handle);
        let ended = self.inboxes[inbox].ended.is_some();
        let result = match self.ends[side].node.outbox(handle) {
            Ok(mut out) => act(&mut out),
            Err(e) => {
                self.check(ended && matches!(e, Error::Misuse(Misuse::NoMailbox)), &e.to_string());
                self.count("no such mailbox");
                return None;
            }
        };
        self.check(!ended, "a mailbox that ended acts");
        result.map_err(|e| self.refused(&e)).ok()
    }

    /// Counts a refusal, which must be a documented one.
    pub(super) fn refused(&mut self, e: &Error) {
        let what = match e {
            Error::NotConnected => "not connected",
            Error::Full(Full::Transmit { .. }) => "a buffer full",
            Error::Full(Full::Peers) => "all peers taken",
            Error::Full(Full::Watches) => "all watches taken",
            Error::Full(Full::Requests) => "all requests taken",
            Error::Full(Full::Mailboxes) => "all mailboxes taken",
            Error::Misuse(Misuse::NameTaken) => "a name taken",
            e => return self.check(false, &e.to_string()),
        };
        self.count(what);
    }

    fn register(&mut self, side: usize) {
        let name = NAMES[self.random.below(3)];
        let taken = !name.is_empty() && self.alive(side).iter().any(|inbox| self.inboxes[*inbox].name == name);
        match self.ends[side].node.register(name) {
            Ok(handle) => {
                self.check(!taken, "a name is registered twice");
                let pid = self.ends[side].node.pid(handle).unwrap();
                self.check(self.inboxes.iter().all(|inbox| inbox.pid != pid), "a pid is used again");
                let inbox = Inbox {
                    side,
                    handle,
                    name,
                    pid,
                    traps: false,
                    ended: None,
                    drained: 0,
                    last: Default::default(),
                    expected: Default::default(),
                };
                self.inboxes.push(inbox);
                if self.random.below(2) == 0 {
                    self.trap(self.inboxes.len() - 1);
                }
            }
            Err(e) => {
                self.check(taken == matches!(e, Error::Misuse(Misuse::NameTaken)), &e.to_string());
                self.refused(&e);
            }
        }
    }

    fn close_one(&mut self, inbox: usize) {
        if self.inboxes[inbox].ended.is_none() {
            return self.close(inbox);
        }
        let (side, handle) = (self.inboxes[inbox].side, self.inboxes[inbox].handle);
        let closed = self.ends[side].node.close_mailbox(handle, |t| t.nil());
        self.check(matches!(closed, Err(Error::Misuse(Misuse::NoMailbox))), "a mailbox ends twice");
    }

    pub(super) fn close(&mut self, inbox: usize) {
        let (side, handle) = (self.inboxes[inbox].side, self.inboxes[inbox].handle);
        let (fill, normal) = (self.fill(), self.random.below(5) == 0);
        let node = &mut self.ends[side].node;
        node.close_mailbox(handle, |t| if normal { t.atom("normal") } else { numbered(t, "closed", inbox, fill) }).unwrap();
        self.news();
        let expected = if normal { "normal".to_owned() } else { format!("closed,{inbox}") };
        self.check(self.inboxes[inbox].ended.as_ref() == Some(&expected), "a mailbox has not ended for the reason it was given");
    }

    /// An address at the other side, and whether somebody there has it.
    fn address(&mut self, side: usize) -> Option<(To, bool)> {
        let there: Vec<usize> = (0..self.inboxes.len()).filter(|inbox| self.inboxes[*inbox].side != side).collect();
        match self.random.below(5) {
            0 | 1 => {
                let name = NAMES[1 + self.random.below(2)];
                let found = there.iter().any(|inbox| self.inboxes[*inbox].name == name && self.inboxes[*inbox].ended.is_none());
                Some((To::Name(name), found))
            }
            _ => {
                let inbox = there[Self::any(&mut self.random, &there)?];
                Some((To::Pid(inbox), self.inboxes[inbox].ended.is_none()))
            }
        }
    }

    fn number(&mut self, what: What, from: usize, to: To, timeout: Option<u64>, dead: bool) {
        self.sent.push(Sent {
            what,
            from,
            to,
            epoch: self.epoch,
            op: self.op,
            at: self.now,
            came: false,
            dead,
            timeout,
            answered: false,
            abandoned: None,
            replied: false,
            forgotten: false,
        });
        let number = self.sent.len() - 1;
        match to {
            To::Pid(inbox) if !dead && what != What::Exit => self.inboxes[inbox].expected.push_back(number),
            _ => {}
        }
    }

    fn send(&mut self, inbox: usize) {
        let side = self.inboxes[inbox].side;
        let alias = Self::any(&mut self.random, &self.aliases).filter(|_| self.random.below(4) == 0);
        let by_alias = alias.filter(|alias| self.inboxes[self.aliases[*alias].owner].side != side);
        let (to, found) = match by_alias {
            Some(alias) => (To::Alias(alias), !self.aliases[alias].dead),
            None => match self.address(side) {
                Some(address) => address,
                None => return,
            },
        };
        let (number, fill, cast) = (self.sent.len(), self.fill(), self.random.below(2) == 0);
        let (pid, reference) = self.parts(to);
        let done = self.act(inbox, |out| {
            let to = address(side, to, pid.as_ref(), reference.as_ref());
            match cast {
                true => out.cast(to, |t| numbered(t, "message", number, fill)),
                false => out.send(to, |t| numbered(t, "message", number, fill)),
            }
        });
        if done.is_some() {
            // whether a name is somebody's is seen when the message comes
            let dead = !found && !matches!(to, To::Name(_));
            self.number(What::Message, inbox, to, None, dead);
        }
    }

    fn parts(&self, to: To) -> (Option<OwnedPid>, Option<beamless::OwnedReference>) {
        match to {
            To::Pid(inbox) => (Some(self.inboxes[inbox].pid.clone()), None),
            To::Alias(alias) => (None, Some(self.aliases[alias].reference.clone())),
            To::Name(_) | To::Node => (None, None),
        }
    }

    fn timeout(&mut self) -> Option<u64> {
        [None, Some(50), Some(2000), Some(6000)][self.random.below(4)]
    }

    fn call(&mut self, inbox: usize) {
        let side = self.inboxes[inbox].side;
        let Some((to, found)) = self.address(side) else { return };
        let (number, fill, timeout) = (self.sent.len(), self.fill(), self.timeout());
        let (pid, _) = self.parts(to);
        let asked = self.act(inbox, |out| {
            let limit = timeout.map(Duration::from_millis);
            out.call(address(side, to, pid.as_ref(), None), limit, |t| numbered(t, "call", number, fill))
        });
        if let Some(request) = asked {
            self.number(What::Call, inbox, to, timeout, !found && matches!(to, To::Pid(_)));
            let before = self.requests.insert((side, request), number);
            self.check(before.is_none() && request.mailbox() == self.inboxes[inbox].handle, "a request is used again");
        }
    }

    fn rpc(&mut self, inbox: usize) {
        let side = self.inboxes[inbox].side;
        let (number, fill, timeout) = (self.sent.len(), self.fill(), self.timeout());
        let function = if self.random.below(4) == 0 { "g" } else { "f" };
        let asked = self.act(inbox, |out| {
            out.rpc(NODES[1 - side], "m", function, timeout.map(Duration::from_millis), |t| {
                t.list(1)?;
                numbered(t, "call", number, fill)?;
                t.nil()
            })
        });
        if let Some(request) = asked {
            self.number(What::Rpc, inbox, To::Node, timeout, function == "g");
            let before = self.requests.insert((side, request), number);
            self.check(before.is_none(), "a request is used again");
        }
    }

    fn abandon(&mut self) {
        let open: Vec<_> = self.requests.iter().map(|(key, number)| (*number, key.0, key.1)).collect();
        let mut open: Vec<_> = open.into_iter().filter(|(number, ..)| !self.sent[*number].answered || number % 8 == 0).collect();
        open.sort_by_key(|(number, ..)| *number);
        let Some(which) = Self::any(&mut self.random, &open) else { return };
        let (number, _, request) = open[which];
        if self.act(self.sent[number].from, |out| out.abandon(request)).is_some() {
            let now = self.op;
            self.sent[number].abandoned.get_or_insert(now);
        }
    }

    fn monitor(&mut self, inbox: usize) {
        let side = self.inboxes[inbox].side;
        let Some((to, _)) = self.address(side) else { return };
        let (pid, _) = self.parts(to);
        if let Some(handle) = self.act(inbox, |out| out.monitor(address(side, to, pid.as_ref(), None))) {
            self.watched.push(Watched { owner: inbox, to, handle, op: self.op, demonitored: None, down: false });
            let before = self.monitors.insert((side, handle), self.watched.len() - 1);
            self.check(before.is_none(), "a monitor is used again");
        }
    }

    fn demonitor(&mut self) {
        let Some(which) = Self::any(&mut self.random, &self.watched) else { return };
        let (owner, handle) = (self.watched[which].owner, self.watched[which].handle);
        if self.act(owner, |out| out.demonitor(handle)).is_some() {
            let now = self.op;
            self.watched[which].demonitored.get_or_insert(now);
        }
    }

    /// A mailbox of the other side, which may have ended.
    fn other(&mut self, inbox: usize) -> Option<usize> {
        let side = self.inboxes[inbox].side;
        let there: Vec<usize> = (0..self.inboxes.len()).filter(|other| self.inboxes[*other].side != side).collect();
        Self::any(&mut self.random, &there).map(|which| there[which])
    }

    fn link(&mut self, inbox: usize) {
        let Some(other) = self.other(inbox) else { return };
        let pid = self.inboxes[other].pid.clone();
        if self.act(inbox, |out| out.link(pid.as_pid())).is_none() {
            return;
        }
        let (now, epoch) = (self.op, self.epoch);
        for pair in [(inbox, other), (other, inbox)] {
            let tie = self.ties.entry(pair).or_default();
            (tie.links, tie.cut, tie.sure) = (tie.links + 1, None, false);
        }
        let tie = self.ties.entry((inbox, other)).or_default();
        (tie.last, tie.linked, tie.epoch) = (now, true, epoch);
    }

    fn unlink(&mut self, inbox: usize) {
        let Some(other) = self.other(inbox) else { return };
        let pid = self.inboxes[other].pid.clone();
        if self.act(inbox, |out| out.unlink(pid.as_pid())).is_none() {
            return;
        }
        let (now, epoch, settled) = (self.op, self.epoch, self.settled);
        let theirs = self.ties.entry((other, inbox)).or_default();
        theirs.sure = false;
        let under_way = theirs.last > settled;
        let tie = self.ties.entry((inbox, other)).or_default();
        (tie.last, tie.linked, tie.epoch, tie.owed, tie.sure) = (now, false, epoch, None, false);
        tie.cut = (!under_way).then_some(now);
    }

    fn exit(&mut self, inbox: usize) {
        let Some(other) = self.other(inbox) else { return };
        let (number, fill, how) = (self.sent.len(), self.fill(), self.random.below(4));
        let pid = self.inboxes[other].pid.clone();
        let done = self.act(inbox, |out| {
            out.exit(pid.as_pid(), |t| match how {
                0 => t.atom("kill"),
                1 => t.atom("normal"),
                _ => numbered(t, "asked", number, fill),
            })
        });
        if done.is_some() {
            self.number(What::Exit, inbox, To::Pid(other), None, self.inboxes[other].ended.is_some());
        }
    }

    fn trap(&mut self, inbox: usize) {
        let (side, handle) = (self.inboxes[inbox].side, self.inboxes[inbox].handle);
        let traps = self.random.below(4) > 0;
        match self.ends[side].node.trap_exit(handle, traps) {
            Ok(()) => self.inboxes[inbox].traps = traps,
            Err(e) => self.check(self.inboxes[inbox].ended.is_some(), &e.to_string()),
        }
    }

    fn alias(&mut self, inbox: usize) {
        let (side, handle) = (self.inboxes[inbox].side, self.inboxes[inbox].handle);
        if self.random.below(2) == 0 {
            match self.ends[side].node.alias(handle) {
                Ok(reference) => self.aliases.push(Alias { owner: inbox, reference, dead: false }),
                Err(Error::Misuse(Misuse::NoMailbox)) => self.check(self.inboxes[inbox].ended.is_some(), "it is there"),
                Err(e) => self.refused(&e),
            }
        } else if let Some(which) = Self::any(&mut self.random, &self.aliases) {
            let alias = &self.aliases[which];
            let (side, dead) = (self.inboxes[alias.owner].side, alias.dead);
            let was_there = self.ends[side].node.unalias(&alias.reference);
            self.check(was_there != dead, "an alias that is no more");
            self.aliases[which].dead = true;
        }
    }

    fn serve(&mut self, inbox: usize) {
        let (side, handle) = (self.inboxes[inbox].side, self.inboxes[inbox].handle);
        if let Err(e) = self.ends[side].node.serve(handle, SERVED) {
            self.check(self.inboxes[inbox].ended.is_some(), &e.to_string());
        }
    }

    /// Answers somebody who has been waiting.
    fn answer_one(&mut self, side: usize) {
        let alive = self.alive(side);
        if alive.is_empty() || self.callers[side].is_empty() {
            return;
        }
        let which = self.random.below(self.callers[side].len());
        let (caller, number) = self.callers[side].swap_remove(which);
        let (inbox, fill) = (alive[self.random.below(alive.len())], self.fill());
        let handle = self.inboxes[inbox].handle;
        let replied = self.ends[side].node.outbox(handle).unwrap().reply(&caller, |t| numbered(t, "reply", number, fill));
        if self.sent[number].answered {
            self.count("a late reply");
        }
        match replied {
            Ok(()) => self.sent[number].replied = true,
            Err(e) => {
                if matches!(e, Error::Full(Full::Transmit { .. })) {
                    self.callers[side].push((caller, number));
                }
                self.refused(&e);
            }
        }
    }

    pub(super) fn answer_all(&mut self, side: usize) {
        if self.alive(side).is_empty() {
            return;
        }
        while !self.callers[side].is_empty() {
            self.answer_one(side);
            self.carry(usize::MAX, usize::MAX);
            self.pass(1 - side);
            for inbox in self.alive(1 - side) {
                while self.take(inbox, false) {}
            }
        }
    }

    fn connect(&mut self, side: usize) {
        if let Err(e) = self.ends[side].node.connect(NODES[1 - side]) {
            self.refused(&e);
        }
    }

    fn disconnect(&mut self, side: usize) {
        if let Err(e) = self.ends[side].node.disconnect(NODES[1 - side]) {
            self.refused(&e);
        }
    }
}

fn address<'a>(side: usize, to: To, pid: Option<&'a OwnedPid>, alias: Option<&'a beamless::OwnedReference>) -> Address<'a> {
    match (to, pid, alias) {
        (To::Name(name), ..) => Address::Name { name, node: NODES[1 - side] },
        (_, Some(pid), _) => pid.into(),
        (_, _, Some(alias)) => alias.into(),
        _ => unreachable!(),
    }
}

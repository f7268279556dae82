//! What programs do at random, and what befalls them.

use std::time::Duration;

use beamless::{Address, Error, Full, HeldBy, Misuse, Outbox, Overflow, OwnedPid, OwnedReference, TermWriter, Written};

use super::host::{GROUPS, NODES, SCOPES, still};
use super::life::Kind;
use super::model::{Alias, Inbox, Joined, Sent, To, Watched, What, World};

const NAMES: [&str; 3] = ["", "x", "y"];
const SERVED: [&str; 1] = ["m:f/1"];

/// A word, a number to know it by, and bytes that fill buffers.
pub(crate) fn numbered<'t, 'b>(t: &'t mut TermWriter<'b>, word: &str, number: usize, fill: usize) -> Written<'t, 'b> {
    t.tuple(3)?.atom(word)?.int(number as i64)?.binary(&[7; 1500][..fill])
}

impl World<'_> {
    pub(crate) fn act_on(&mut self, kind: Kind, host: usize) {
        match kind {
            Kind::Register => self.register(host),
            Kind::Wake => {
                if self.dice.below(12) >= self.setup.lazy {
                    self.wake(host);
                }
            }
            Kind::Pass => {
                let millis = [0, 1, 10, 100, 1000, 5000][self.dice.below(6)];
                self.wait(millis);
                self.pass(host);
            }
            Kind::Connect | Kind::Disconnect => self.connect(host, kind == Kind::Connect),
            Kind::Dial => {
                self.poll_dials(host);
                if !self.pending.is_empty() {
                    let (which, fails) = (self.dice.below(self.pending.len()), self.dice.below(8) == 0);
                    self.finish_dial(which, fails);
                }
            }
            Kind::Carry => {
                for _ in 0..self.hosts.len() / 2 {
                    if self.wires.is_empty() {
                        break;
                    }
                    let wire = self.dice.below(self.wires.len());
                    let most = [0, 1].map(|_| [1, self.dice.below(300), usize::MAX][self.dice.below(3)]);
                    self.carry(wire, most);
                    self.bury();
                }
            }
            Kind::CarryAll => {
                for wire in 0..self.wires.len() {
                    self.carry(wire, [usize::MAX; 2]);
                }
                self.bury();
                self.look_at_held(host);
            }
            Kind::Settle => self.settle(),
            Kind::Answer => self.answer_one(host),
            Kind::Demonitor => self.demonitor(),
            Kind::Abandon => self.abandon(),
            Kind::Follow => self.follow(host),
            Kind::Break | Kind::Freeze | Kind::Jump | Kind::Unlist | Kind::Restart | Kind::RestartSame => {
                self.trouble(kind, host)
            }
            _ => {
                let alive = self.alive(host);
                // now and then one that is no more
                let all = if self.dice.below(if alive.is_empty() { 4 } else { 40 }) == 0 {
                    let is_ours = |inbox: &Inbox| inbox.host == host && !inbox.is_gone;
                    (0..self.inboxes.len()).filter(|inbox| is_ours(&self.inboxes[*inbox])).collect()
                } else {
                    alive
                };
                match Self::any(&mut self.dice, &all) {
                    Some(which) => self.act_as(kind, all[which]),
                    None => self.register(host),
                }
            }
        }
    }

    fn act_as(&mut self, kind: Kind, inbox: usize) {
        match kind {
            Kind::Close => self.close_one(inbox),
            Kind::Send => self.send(inbox),
            Kind::Call => self.call(inbox),
            Kind::Rpc => self.rpc(inbox),
            Kind::Monitor => self.monitor(inbox),
            Kind::Link => self.link(inbox),
            Kind::Unlink => self.unlink(inbox),
            Kind::Exit => self.exit(inbox),
            Kind::Trap => self.trap(inbox),
            Kind::Alias => self.alias(inbox),
            Kind::Serve => self.serve(inbox),
            Kind::Overflow => self.overflow(inbox),
            Kind::Join | Kind::Leave => self.join(inbox, kind == Kind::Join),
            Kind::ToGroup => self.send_to_group(inbox),
            Kind::Flood => self.flood(inbox),
            _ => {
                if self.dice.below(12) >= self.setup.lazy {
                    for _ in 0..self.dice.below(6) {
                        self.take(inbox, true);
                    }
                }
            }
        }
    }

    fn trouble(&mut self, kind: Kind, host: usize) {
        match kind {
            Kind::Break | Kind::Freeze if self.wires.is_empty() => {}
            Kind::Break => {
                let (wire, side, how) = (self.dice.below(self.wires.len()), self.dice.below(2), self.dice.below(4));
                self.break_off(wire, side, how);
                self.count("the network breaks");
            }
            Kind::Freeze => {
                let (wire, sides) = (self.dice.below(self.wires.len()), self.dice.below(3));
                let millis = [500, 5_000, 50_000, 200_000][self.dice.below(4)];
                self.freeze(wire, [sides != 0, sides != 1], self.now + millis);
                self.count("the network stalls");
            }
            Kind::Jump => {
                let millis = [10_000, 70_000, 1_000_000][self.dice.below(3)];
                if self.dice.below(2) == 0 {
                    self.wait(millis);
                } else {
                    self.hosts[host].now += millis;
                }
                self.pass(host);
                self.count("the clock jumps");
            }
            Kind::Unlist => {
                let listed = &mut self.hosts[host].is_listed;
                *listed = !*listed;
                self.count("unlisted");
            }
            _ => self.restart(host, kind == Kind::RestartSame),
        }
    }

    fn look_at_held(&mut self, host: usize) {
        let held: Vec<_> = self.hosts[host].node.peers().filter_map(|peer| peer.held).collect();
        for by in held {
            self.count(if matches!(by, HeldBy::Transmit) { "held by a transmit buffer" } else { "held by a mailbox" });
        }
    }

    fn fill(&mut self) -> usize {
        match self.dice.below(6) {
            large if large < self.setup.large => self.dice.below(1500),
            5 => self.dice.below(200),
            _ => 0,
        }
    }

    /// An operation in the name of a mailbox; `None` when it could not be done, for a reason that is named in its documentation.
    pub(crate) fn act<T>(&mut self, inbox: usize, act: impl FnOnce(&mut Outbox<'_>) -> Result<T, Error>) -> Option<T> {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        let ended = self.inboxes[inbox].ended.is_some();
        let result = match self.hosts[host].node.outbox(handle) {
            Ok(mut out) => still(|| act(&mut out)),
            Err(e) => {
                self.check(ended && matches!(e, Error::Misuse(Misuse::NoMailbox)), &e.to_string());
                self.count("no such mailbox");
                return None;
            }
        };
        self.check(!ended, "a mailbox that ended acts");
        result.map_err(|e| self.refused(host, &e)).ok()
    }

    /// Counts a refusal, which must be a documented one.
    pub(crate) fn refused(&mut self, host: usize, e: &Error) {
        let what = match e {
            Error::NotConnected => "not connected",
            Error::Full(Full::Transmit { .. }) => {
                self.hosts[host].refused = true;
                "a buffer full"
            }
            Error::Full(Full::Peers) => "all peers taken",
            Error::Full(Full::Watches) => "all watches taken",
            Error::Full(Full::Requests) => "all requests taken",
            Error::Full(Full::Mailboxes) => "all mailboxes taken",
            Error::Full(Full::Groups) => "all groups taken",
            Error::Full(Full::Dials) => "all dials taken",
            Error::Misuse(Misuse::NameTaken) => "a name taken",
            Error::Misuse(Misuse::NoMailbox) => "no such mailbox",
            e => return self.check(false, &e.to_string()),
        };
        self.count(what);
    }

    fn register(&mut self, host: usize) {
        let name = NAMES[self.dice.below(3)];
        let taken = !name.is_empty() && self.alive(host).iter().any(|inbox| self.inboxes[*inbox].name == name);
        match still(|| self.hosts[host].node.register(name)) {
            Ok(handle) => {
                self.check(!taken, "a name is registered twice");
                let pid = self.hosts[host].node.pid(handle).unwrap();
                let is_reused = self.inboxes.iter().any(|inbox| inbox.pid == pid);
                self.check(!is_reused || self.hosts[host].same, "a pid is used again");
                self.inboxes.iter_mut().filter(|inbox| inbox.pid == pid).for_each(|inbox| inbox.is_reused = true);
                let inbox = self.inboxes.len();
                self.say(|| format!("  {inbox} is {name:?} at {}", NODES[host]));
                self.inboxes.push(Inbox {
                    host,
                    handle,
                    name,
                    pid,
                    traps: false,
                    ended: None,
                    is_gone: false,
                    puts_back: false,
                    drained: 0,
                    last: Default::default(),
                    expected: Default::default(),
                    is_reused,
                    drops: false,
                });
                if self.dice.below(2) == 0 {
                    self.trap(inbox);
                }
            }
            Err(e) => {
                self.check(taken == matches!(e, Error::Misuse(Misuse::NameTaken)), &e.to_string());
                self.refused(host, &e);
            }
        }
    }

    fn close_one(&mut self, inbox: usize) {
        if self.inboxes[inbox].ended.is_none() {
            return self.close(inbox);
        }
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        let closed = self.hosts[host].node.close_mailbox(handle, |t| t.nil());
        self.check(matches!(closed, Err(Error::Misuse(Misuse::NoMailbox))), "a mailbox ends twice");
    }

    pub(crate) fn close(&mut self, inbox: usize) {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        let (fill, normal) = (self.fill(), self.dice.below(5) == 0);
        self.say(|| format!("  {inbox} closes"));
        let node = &mut self.hosts[host].node;
        let closed =
            still(|| node.close_mailbox(handle, |t| if normal { t.atom("normal") } else { numbered(t, "closed", inbox, fill) }));
        closed.unwrap();
        self.news();
        let expected = if normal { "normal".to_owned() } else { format!("closed,{inbox}") };
        self.check(self.inboxes[inbox].ended.as_ref() == Some(&expected), "a mailbox has not ended for the reason it was given");
    }

    /// Another host.
    fn other_host(&mut self, host: usize) -> usize {
        (host + 1 + self.dice.below(self.hosts.len() - 1)) % self.hosts.len()
    }

    /// An address at another host, and whether somebody there has it.
    fn address(&mut self, host: usize) -> Option<(To, bool)> {
        let peer = self.other_host(host);
        let there: Vec<usize> = (0..self.inboxes.len()).filter(|inbox| self.inboxes[*inbox].host == peer).collect();
        match self.dice.below(5) {
            0 | 1 => {
                let name = NAMES[1 + self.dice.below(2)];
                let found = there.iter().any(|inbox| self.inboxes[*inbox].name == name && self.inboxes[*inbox].ended.is_none());
                Some((To::Name(peer, name), found))
            }
            _ => {
                let inbox = there[Self::any(&mut self.dice, &there)?];
                Some((To::Pid(inbox), self.inboxes[inbox].ended.is_none()))
            }
        }
    }

    fn number(&mut self, what: What, from: usize, to: To, timeout: Option<u64>, dead: bool) {
        let (host, peer) = (self.inboxes[from].host, self.host_of(to));
        self.say(|| format!("  {from} sends {}", self.sent.len()));
        self.sent.push(Sent {
            what,
            from,
            to,
            epoch: self.epochs[host][peer],
            epochs: self.epochs_of(host, peer),
            op: self.op,
            at: self.hosts[host].now,
            came: 0,
            dead,
            timeout,
            answered: false,
            abandoned: None,
            replied: false,
            group: (0, 0),
        });
        let number = self.sent.len() - 1;
        // who has the address now is to get it, unless he, or the address, comes to an end before
        let receiver = match to {
            To::Pid(inbox) => Some(inbox),
            To::Name(peer, name) => self.alive(peer).into_iter().find(|inbox| self.inboxes[*inbox].name == name),
            To::Alias(alias) => Some(self.aliases[alias].owner),
            To::Node(_) => None,
        };
        if let Some(inbox) = receiver.filter(|_| !dead && what != What::Exit) {
            self.inboxes[inbox].expected.entry(host).or_default().push_back(number);
        }
    }

    fn send(&mut self, inbox: usize) {
        let host = self.inboxes[inbox].host;
        let alias = Self::any(&mut self.dice, &self.aliases).filter(|_| self.dice.below(4) == 0);
        let by_alias = alias.filter(|alias| self.inboxes[self.aliases[*alias].owner].host != host);
        let (to, found) = match by_alias {
            Some(alias) => (To::Alias(alias), !self.aliases[alias].dead),
            None => match self.address(host) {
                Some(address) => address,
                None => return,
            },
        };
        let fill = self.fill();
        self.send_to(inbox, to, found, fill);
    }

    /// Fills the transmit buffer, or the mailbox.
    fn flood(&mut self, inbox: usize) {
        let Some((to, found)) = self.address(self.inboxes[inbox].host) else { return };
        for _ in 0..self.dice.below(60) {
            let fill = self.dice.below(600);
            if !self.send_to(inbox, to, found, fill) {
                for wire in 0..self.wires.len() {
                    self.carry(wire, [usize::MAX; 2]);
                }
                self.news();
            }
        }
    }

    fn send_to(&mut self, inbox: usize, to: To, found: bool, fill: usize) -> bool {
        let (number, cast) = (self.sent.len(), self.dice.below(2) == 0);
        let (pid, reference) = self.parts(to);
        let done = self.act(inbox, |out| {
            let to = address(to, pid.as_ref(), reference.as_ref());
            match cast {
                true => out.cast(to, |t| numbered(t, "message", number, fill)),
                false => out.send(to, |t| numbered(t, "message", number, fill)),
            }
        });
        if done.is_some() {
            // whether a name is somebody's is seen when the message comes
            let dead = !found && !matches!(to, To::Name(..));
            self.number(What::Message, inbox, to, None, dead);
        }
        done.is_some()
    }

    fn parts(&self, to: To) -> (Option<OwnedPid>, Option<OwnedReference>) {
        match to {
            To::Pid(inbox) => (Some(self.inboxes[inbox].pid.clone()), None),
            To::Alias(alias) => (None, Some(self.aliases[alias].reference.clone())),
            To::Name(..) | To::Node(_) => (None, None),
        }
    }

    fn timeout(&mut self) -> Option<u64> {
        [None, Some(50), Some(2000), Some(6000)][self.dice.below(4)]
    }

    fn call(&mut self, inbox: usize) {
        let host = self.inboxes[inbox].host;
        let Some((to, found)) = self.address(host) else { return };
        let (number, fill, timeout) = (self.sent.len(), self.fill(), self.timeout());
        let (pid, _) = self.parts(to);
        let asked = self.act(inbox, |out| {
            let limit = timeout.map(Duration::from_millis);
            out.call(address(to, pid.as_ref(), None), limit, |t| numbered(t, "call", number, fill))
        });
        if let Some(request) = asked {
            self.number(What::Call, inbox, to, timeout, !found && matches!(to, To::Pid(_)));
            let before = self.requests.insert((self.hosts[host].life, request), number);
            self.check(before.is_none() && request.mailbox() == self.inboxes[inbox].handle, "a request is used again");
        }
    }

    fn rpc(&mut self, inbox: usize) {
        let host = self.inboxes[inbox].host;
        let peer = self.other_host(host);
        let (number, fill, timeout) = (self.sent.len(), self.fill(), self.timeout());
        let function = if self.dice.below(4) == 0 { "g" } else { "f" };
        let asked = self.act(inbox, |out| {
            out.rpc(NODES[peer], "m", function, timeout.map(Duration::from_millis), |t| {
                t.list(1)?;
                numbered(t, "call", number, fill)?;
                t.nil()
            })
        });
        if let Some(request) = asked {
            self.number(What::Rpc, inbox, To::Node(peer), timeout, function == "g");
            let before = self.requests.insert((self.hosts[host].life, request), number);
            self.check(before.is_none(), "a request is used again");
        }
    }

    fn abandon(&mut self) {
        let is_there = |number: usize| !self.inboxes[self.sent[number].from].is_gone;
        let open = self.requests.iter().map(|(key, number)| (*number, key.1));
        let mut open: Vec<_> =
            open.filter(|(number, _)| is_there(*number) && (!self.sent[*number].answered || number % 8 == 0)).collect();
        open.sort_by_key(|(number, _)| *number);
        let Some(which) = Self::any(&mut self.dice, &open) else { return };
        let (number, request) = open[which];
        if self.act(self.sent[number].from, |out| out.abandon(request)).is_some() {
            let now = self.op;
            self.sent[number].abandoned.get_or_insert(now);
            self.count("a call that was given up");
        }
    }

    fn monitor(&mut self, inbox: usize) {
        let host = self.inboxes[inbox].host;
        let Some((to, _)) = self.address(host) else { return };
        let (pid, _) = self.parts(to);
        if let Some(handle) = self.act(inbox, |out| out.monitor(address(to, pid.as_ref(), None))) {
            self.watched.push(Watched { owner: inbox, to, handle, op: self.op, demonitored: None, down: false });
            let before = self.monitors.insert((self.hosts[host].life, handle), self.watched.len() - 1);
            self.check(before.is_none(), "a monitor is used again");
        }
    }

    fn demonitor(&mut self) {
        let Some(which) = Self::any(&mut self.dice, &self.watched) else { return };
        let (owner, handle) = (self.watched[which].owner, self.watched[which].handle);
        if self.inboxes[owner].is_gone {
            return;
        }
        if self.act(owner, |out| out.demonitor(handle)).is_some() {
            let now = self.op;
            self.watched[which].demonitored.get_or_insert(now);
        }
    }

    /// A mailbox of another host, which may have ended.
    fn other(&mut self, inbox: usize) -> Option<usize> {
        let host = self.inboxes[inbox].host;
        let there: Vec<usize> = (0..self.inboxes.len()).filter(|other| self.inboxes[*other].host != host).collect();
        let which = Self::any(&mut self.dice, &there)?;
        // of those with the same pid the first is what the links are known by
        self.inboxes.iter().position(|inbox| inbox.pid == self.inboxes[there[which]].pid)
    }

    fn link(&mut self, inbox: usize) {
        let Some(other) = self.other(inbox) else { return };
        let pid = self.inboxes[other].pid.clone();
        if self.act(inbox, |out| out.link(pid.as_pid())).is_none() {
            return;
        }
        self.say(|| format!("  {inbox} links to {other}"));
        let (now, epochs) = (self.op, self.epochs_of(self.inboxes[inbox].host, self.inboxes[other].host));
        for pair in [(inbox, other), (other, inbox)] {
            let tie = self.ties.entry(pair).or_default();
            (tie.links, tie.cut, tie.sure) = (tie.links + 1, None, false);
        }
        let tie = self.ties.entry((inbox, other)).or_default();
        (tie.last, tie.linked, tie.epochs) = (now, true, epochs);
    }

    fn unlink(&mut self, inbox: usize) {
        let Some(other) = self.other(inbox) else { return };
        let pid = self.inboxes[other].pid.clone();
        if self.act(inbox, |out| out.unlink(pid.as_pid())).is_none() {
            return;
        }
        self.say(|| format!("  {inbox} unlinks {other}"));
        let (now, settled) = (self.op, self.settled);
        let epochs = self.epochs_of(self.inboxes[inbox].host, self.inboxes[other].host);
        let theirs = self.ties.entry((other, inbox)).or_default();
        theirs.sure = false;
        let under_way = theirs.last > settled;
        let tie = self.ties.entry((inbox, other)).or_default();
        (tie.last, tie.linked, tie.epochs, tie.owed, tie.sure) = (now, false, epochs, None, false);
        tie.cut = (!under_way).then_some(now);
    }

    fn exit(&mut self, inbox: usize) {
        let Some(other) = self.other(inbox) else { return };
        let (number, fill, how) = (self.sent.len(), self.fill(), self.dice.below(4));
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
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        let traps = self.dice.below(4) > 0;
        match self.hosts[host].node.trap_exit(handle, traps) {
            Ok(()) => self.inboxes[inbox].traps = traps,
            Err(e) => self.check(self.inboxes[inbox].ended.is_some(), &e.to_string()),
        }
    }

    fn alias(&mut self, inbox: usize) {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        if self.dice.below(2) == 0 {
            match self.hosts[host].node.alias(handle) {
                Ok(reference) => self.aliases.push(Alias { owner: inbox, reference, dead: false }),
                Err(Error::Misuse(Misuse::NoMailbox)) => self.check(self.inboxes[inbox].ended.is_some(), "it is there"),
                Err(e) => self.refused(host, &e),
            }
            return;
        }
        let ours = |alias: &usize| !self.inboxes[self.aliases[*alias].owner].is_gone;
        let all: Vec<usize> = (0..self.aliases.len()).filter(ours).collect();
        let Some(which) = Self::any(&mut self.dice, &all) else { return };
        let alias = &self.aliases[all[which]];
        let (host, dead) = (self.inboxes[alias.owner].host, alias.dead);
        let was_there = self.hosts[host].node.unalias(&alias.reference);
        self.check(was_there != dead, "an alias that is no more");
        self.aliases[all[which]].dead = true;
    }

    fn serve(&mut self, inbox: usize) {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        if let Err(e) = self.hosts[host].node.serve(handle, SERVED) {
            self.check(self.inboxes[inbox].ended.is_some(), &e.to_string());
        }
    }

    fn overflow(&mut self, inbox: usize) {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        let overflow = [Overflow::DropNewest, Overflow::DropOldest][self.dice.below(2)];
        if self.hosts[host].node.set_overflow(handle, overflow).is_ok() {
            self.inboxes[inbox].drops = true;
        }
    }

    /// Answers somebody who has been waiting.
    fn answer_one(&mut self, host: usize) {
        let alive = self.alive(host);
        if alive.is_empty() || self.callers[host].is_empty() {
            return;
        }
        let which = self.dice.below(self.callers[host].len());
        let (caller, number) = self.callers[host].swap_remove(which);
        let (inbox, fill) = (alive[self.dice.below(alive.len())], self.fill());
        let handle = self.inboxes[inbox].handle;
        let replied = self.hosts[host].node.outbox(handle).unwrap().reply(&caller, |t| numbered(t, "reply", number, fill));
        if self.sent[number].answered {
            self.count("a late reply");
        }
        match replied {
            Ok(()) => self.sent[number].replied = true,
            Err(e) => {
                if matches!(e, Error::Full(Full::Transmit { .. })) {
                    self.callers[host].push((caller, number));
                }
                self.refused(host, &e);
            }
        }
    }

    pub(crate) fn answer_all(&mut self, host: usize) {
        for _ in 0..200 {
            if self.callers[host].is_empty() || self.alive(host).is_empty() {
                return;
            }
            self.answer_one(host);
            for wire in 0..self.wires.len() {
                self.carry(wire, [usize::MAX; 2]);
            }
            self.wake_all();
        }
        // an answer that one after the other connection takes with it: they are as good as forgotten
        self.callers[host].clear();
    }

    fn connect(&mut self, host: usize, connects: bool) {
        let peer = self.other_host(host);
        let node = &mut self.hosts[host].node;
        if let Err(e) = still(|| if connects { node.connect(NODES[peer]) } else { node.disconnect(NODES[peer]) }) {
            self.refused(host, &e);
        }
    }

    fn join(&mut self, inbox: usize, joins: bool) {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        if !self.hosts[host].has_groups {
            return;
        }
        let (scope, group) = (self.dice.below(SCOPES.len()), self.dice.below(GROUPS));
        let joined = Joined { inbox, scope, group };
        let node = &mut self.hosts[host].node;
        if joins {
            match still(|| node.join(handle, SCOPES[scope], |t| t.int(group as i64))) {
                Ok(()) => {
                    self.joined.push(joined);
                    self.ever_joined.push(joined);
                    self.inboxes[inbox].drops = true;
                    self.say(|| format!("  {inbox} joins {group} of {}", SCOPES[scope]));
                }
                Err(e) => self.refused(host, &e),
            }
            return;
        }
        let left = still(|| node.leave(handle, SCOPES[scope], |t| t.int(group as i64)));
        match self.joined.iter().position(|known| *known == joined) {
            Some(which) => {
                self.check(left.is_ok(), "a member cannot leave");
                self.joined.remove(which);
                self.say(|| format!("  {inbox} leaves {group} of {}", SCOPES[scope]));
            }
            None => self.check(left.is_err(), "one that is no member leaves"),
        }
    }

    pub(crate) fn leave_all(&mut self) {
        for Joined { inbox, scope, group } in std::mem::take(&mut self.joined) {
            let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
            let left = self.hosts[host].node.leave(handle, SCOPES[scope], |t| t.int(group as i64));
            self.check(left.is_ok(), "a member cannot leave");
        }
    }

    fn follow(&mut self, host: usize) {
        if self.hosts[host].has_groups {
            let scope = self.dice.below(SCOPES.len());
            self.hosts[host].node.monitor_scope(SCOPES[scope]).unwrap();
            self.hosts[host].follows[scope] = true;
        }
    }

    fn send_to_group(&mut self, inbox: usize) {
        let (host, handle) = (self.inboxes[inbox].host, self.inboxes[inbox].handle);
        if !self.hosts[host].has_groups || self.inboxes[inbox].ended.is_some() {
            return;
        }
        let (scope, group, number) = (self.dice.below(SCOPES.len()), self.dice.below(GROUPS), self.sent.len());
        let peer = self.other_host(host);
        let node = &mut self.hosts[host].node;
        let sent =
            still(|| node.send_to_group(handle, SCOPES[scope], |t| t.int(group as i64), |t| numbered(t, "group", number, 0)));
        match sent {
            Ok(0) => return,
            Ok(_) => self.count("a message to a group"),
            Err(e) => self.refused(host, &e),
        }
        self.number(What::Group, inbox, To::Node(peer), None, false);
        self.sent[number].group = (group, scope);
    }
}

fn address<'a>(to: To, pid: Option<&'a OwnedPid>, alias: Option<&'a OwnedReference>) -> Address<'a> {
    match (to, pid, alias) {
        (To::Name(host, name), ..) => Address::Name { name, node: NODES[host] },
        (_, Some(pid), _) => pid.into(),
        (_, _, Some(alias)) => alias.into(),
        _ => unreachable!(),
    }
}

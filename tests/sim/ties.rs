//! Ends and links: who is told, once, and for the right reason.

use beamless::{Mailbox, OwnedPid};

use super::model::{Sent, Tie, To, What, World};

/// A reason as text, which may be cut, shortened to what tells it from others.
fn text_key(reason: &str) -> String {
    let Some(rest) = reason.strip_prefix('{') else { return reason.to_owned() };
    rest.split(',').take(2).collect::<Vec<_>>().join(",")
}

impl World<'_> {
    /// Returns true if what is known of one of these mailboxes may be another's, that has the same pid.
    pub(crate) fn is_doubtful(&self, inboxes: &[usize]) -> bool {
        inboxes.iter().any(|inbox| self.inboxes[*inbox].is_reused)
    }

    /// Whether somebody with this address ended for this reason.
    pub(crate) fn ended_for(&self, to: To, host: usize, why: &str) -> bool {
        let mut ended = self.inboxes.iter().filter(|inbox| inbox.host == host && inbox.ended.as_deref() == Some(why));
        match to {
            To::Pid(inbox) => ended.any(|ended| ended.pid == self.inboxes[inbox].pid),
            To::Name(_, name) => ended.any(|ended| ended.name == name),
            // whoever served the function
            To::Node(_) => ended.next().is_some(),
            To::Alias(_) => false,
        }
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
        let To::Pid(to) = sent.to else { return None };
        let is_same = self.inboxes[to].pid == self.inboxes[inbox].pid;
        (sent.what == What::Exit && is_same && from.is_none_or(|from| sent.from == from)).then_some(number)
    }

    pub(crate) fn got_exit(&mut self, inbox: usize, from: &OwnedPid, reason: &str) {
        let found = self.inboxes.iter().position(|other| other.pid == *from);
        self.check(found.is_some(), "an exit of nobody");
        let Some(from) = found else { return };
        self.count(if reason == "system_limit" { "system_limit" } else { "an exit" });
        if self.is_doubtful(&[inbox, from]) {
            return;
        }
        if let Some(number) = self.asked(inbox, Some(from), reason) {
            self.check(self.sent[number].came == 0 && !self.sent[number].dead, "an exit comes twice");
            self.sent[number].came = 1;
            return;
        }
        let drained = self.inboxes[inbox].drained;
        // `normal` may have come either way, and does not tell which
        let told = |sent: &Sent| sent.what == What::Exit && sent.from == from && sent.to == To::Pid(inbox);
        let right = reason == "normal" && self.sent.iter().any(told) || self.by_link(inbox, from, reason, drained);
        self.check(right, &format!("an exit of {from} to {inbox} for the wrong reason: {reason}"));
    }

    /// A mailbox ended: which, and why.
    pub(crate) fn note_end(&mut self, host: usize, mailbox: Mailbox, reason: &str) -> Option<usize> {
        // handles are the node's, and those of an earlier start mean nothing
        let found = self.inboxes.iter().rposition(|inbox| inbox.host == host && inbox.handle == mailbox);
        self.check(found.is_some_and(|inbox| self.inboxes[inbox].ended.is_none()), "a mailbox ends twice");
        self.inboxes[found?].ended = Some(text_key(reason));
        found
    }

    /// Whether it ended for a reason, and who is to be told.
    pub(crate) fn inbox_ended(&mut self, inbox: usize) {
        let reason = self.inboxes[inbox].ended.clone().unwrap();
        self.joined.retain(|joined| joined.inbox != inbox);
        let closed = reason == format!("closed,{inbox}") || reason == "normal";
        if let Some(number) = self.asked(inbox, None, &reason) {
            self.check(!self.inboxes[inbox].traps && self.sent[number].came == 0, "an exit that is trapped");
            self.sent[number].came = 1;
        } else if !closed && !self.inboxes[inbox].is_reused {
            let killed = reason == "killed"
                && self.sent.iter().any(|sent| sent.what == What::Exit && sent.to == To::Pid(inbox) && !sent.dead);
            let host = self.inboxes[inbox].host;
            let others: Vec<usize> = (0..self.inboxes.len()).filter(|other| self.inboxes[*other].host != host).collect();
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

    /// A host stops at once, with all that is there.
    pub(crate) fn host_ended(&mut self, host: usize) {
        for inbox in self.alive(host) {
            self.inboxes[inbox].ended = Some("restart".to_owned());
            self.joined.retain(|joined| joined.inbox != inbox);
            for ((owner, _), tie) in &mut self.ties {
                if *owner == inbox {
                    (tie.sure, tie.owed) = (false, None);
                }
            }
            for alias in self.aliases.iter_mut().filter(|alias| alias.owner == inbox) {
                alias.dead = true;
            }
        }
        // a program forgets who waits at a node that is down; and who waited here is not known any more
        let ours = |number: usize| self.inboxes[self.sent[number].from].host == host;
        let gone: Vec<bool> = (0..self.sent.len()).map(ours).collect();
        self.callers.iter_mut().for_each(|callers| callers.retain(|(_, number)| !gone[*number]));
        self.callers[host].clear();
        self.inboxes.iter_mut().filter(|inbox| inbox.host == host).for_each(|inbox| inbox.is_gone = true);
        self.epochs[host].iter_mut().for_each(|epoch| *epoch += 1);
    }

    /// A host has noticed that a connection is no more.
    pub(crate) fn links_lost(&mut self, host: usize, peer: usize) {
        for ((inbox, other), tie) in &mut self.ties {
            let is_it = (self.inboxes[*inbox].host, self.inboxes[*other].host) == (host, peer);
            if is_it && core::mem::take(&mut tie.sure) {
                tie.owed = Some(tie.exits);
            }
        }
    }

    /// Nothing is under way: who was to be told of the end of a link has been, and who has linked is.
    pub(crate) fn check_links(&mut self) {
        let mut pairs: Vec<(usize, usize)> = self.ties.keys().copied().collect();
        pairs.sort_unstable();
        for (one, other) in &pairs {
            let Some(tie) = self.ties.get_mut(&(*one, *other)) else { continue };
            let (owed, exits) = (tie.owed.take(), tie.exits);
            if let Some(before) = owed {
                let told = exits > before || self.inboxes[*one].ended.is_some() || self.is_doubtful(&[*one, *other]);
                // one in a group drops what it has no room for
                self.check(told || self.inboxes[*one].drops, &format!("{one} was not told that its link to {other} broke"));
                self.count("a sure link broke");
            }
        }
        for (one, other) in pairs.into_iter().filter(|(one, other)| one < other) {
            let alive = self.inboxes[one].ended.is_none() && self.inboxes[other].ended.is_none();
            let (host, peer) = (self.inboxes[one].host, self.inboxes[other].host);
            let (mut ours, mut theirs) = (Tie::default(), Tie::default());
            core::mem::swap(&mut ours, self.ties.entry((one, other)).or_default());
            core::mem::swap(&mut theirs, self.ties.entry((other, one)).or_default());
            let sure = match (ours.last > self.settled, theirs.last > self.settled) {
                (false, false) => ours.sure && theirs.sure,
                (true, true) => false,
                (first, _) => {
                    let acted = if first { &ours } else { &theirs };
                    let since = ours.exit.max(theirs.exit) < acted.last && acted.epochs == self.epochs_of(host, peer);
                    acted.linked && alive && self.is_up(host, peer) && since && !self.is_doubtful(&[one, other])
                }
            };
            (ours.sure, theirs.sure) = (sure, sure);
            self.ties.insert((one, other), ours);
            self.ties.insert((other, one), theirs);
        }
    }

    /// Everybody who may be linked is so no more.
    pub(crate) fn unlink_all(&mut self) {
        let mut pairs: Vec<(usize, usize)> = self.ties.keys().copied().collect();
        pairs.sort_unstable();
        for (one, other) in pairs {
            let pid = self.inboxes[other].pid.clone();
            if self.inboxes[one].ended.is_none() && self.act(one, |out| out.unlink(pid.as_pid())).is_none() {
                self.settle();
                if self.inboxes[one].ended.is_none() {
                    self.act(one, |out| out.unlink(pid.as_pid()));
                }
            }
            for pair in [(one, other), (other, one)] {
                let tie = self.ties.entry(pair).or_default();
                (tie.sure, tie.owed, tie.linked, tie.last) = (false, None, false, self.op);
            }
        }
    }
}

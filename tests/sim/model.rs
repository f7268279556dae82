//! What all hosts are to see: what was done, what came of it, and what must hold when nothing is under way.

use std::collections::{HashMap, VecDeque};

use beamless::{Mailbox, Monitor, OwnedCaller, OwnedPid, OwnedReference, Receiver, Request};

use super::host::{GROUPS, Host, NODES, SCOPES, Spare, WATCHES};
use super::life::{Kind, Setup};
use super::net::{Dial, Wire};
use super::seed::Seed;

/// How often what occurred.
pub(crate) type Tally = HashMap<&'static str, u64>;

/// One mailbox, from its registration on.
pub(crate) struct Inbox {
    pub(crate) host: usize,
    pub(crate) handle: Mailbox,
    pub(crate) name: &'static str,
    pub(crate) pid: OwnedPid,
    pub(crate) traps: bool,
    /// Why it ended, shortened to what tells it from others.
    pub(crate) ended: Option<String>,
    /// Its host was started again since.
    pub(crate) is_gone: bool,
    /// When it last had nothing to give.
    pub(crate) drained: u64,
    /// The last number that came from each sender.
    pub(crate) last: HashMap<usize, usize>,
    /// What was sent to it, by each host.
    pub(crate) expected: HashMap<usize, VecDeque<usize>>,
    /// Its host was started with the same creation, and gave its pid again.
    pub(crate) is_reused: bool,
    /// It was in a group, and drops what it has no room for.
    pub(crate) drops: bool,
    /// It has put back messages, which what was asked for may overtake.
    pub(crate) puts_back: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum To {
    Pid(usize),
    Name(usize, &'static str),
    Alias(usize),
    Node(usize),
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum What {
    Message,
    Call,
    Rpc,
    Exit,
    Group,
}

/// One message, call or exit signal; its number is its place in the list, so numbers grow with time.
pub(crate) struct Sent {
    pub(crate) what: What,
    pub(crate) from: usize,
    pub(crate) to: To,
    /// How often the sender had lost the connection then, and how often either had.
    pub(crate) epoch: u64,
    pub(crate) epochs: u64,
    pub(crate) op: u64,
    pub(crate) at: u64,
    /// How often it came.
    pub(crate) came: usize,
    /// Nobody has this address any more: it must not come.
    pub(crate) dead: bool,
    pub(crate) timeout: Option<u64>,
    pub(crate) answered: bool,
    pub(crate) abandoned: Option<u64>,
    /// The other side answered, or tried to.
    pub(crate) replied: bool,
    /// The group and scope it was sent to.
    pub(crate) group: (usize, usize),
}

pub(crate) struct Watched {
    pub(crate) owner: usize,
    pub(crate) to: To,
    pub(crate) handle: Monitor,
    pub(crate) op: u64,
    pub(crate) demonitored: Option<u64>,
    pub(crate) down: bool,
}

pub(crate) struct Alias {
    pub(crate) owner: usize,
    pub(crate) reference: OwnedReference,
    pub(crate) dead: bool,
}

/// What one mailbox did about a link with another, and what it saw of it.
#[derive(Default)]
pub(crate) struct Tie {
    /// When it last linked or unlinked, and over which connection.
    pub(crate) last: u64,
    pub(crate) epochs: u64,
    pub(crate) linked: bool,
    /// How often either of them linked.
    pub(crate) links: u32,
    /// How many exits came of it, and when the last one did.
    pub(crate) exits: u32,
    pub(crate) exit: u64,
    /// Unlinked, with no link of the other's under way.
    pub(crate) cut: Option<u64>,
    /// Surely linked: nothing was under way when this was found.
    pub(crate) sure: bool,
    /// The other one ended while surely linked, when there had been so many exits.
    pub(crate) owed: Option<u32>,
}

/// A membership.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Joined {
    pub(crate) inbox: usize,
    pub(crate) scope: usize,
    pub(crate) group: usize,
}

pub(crate) struct World<'s> {
    pub(crate) setup: Setup,
    pub(crate) spare: Spare<'s>,
    /// What the step at hand is decided by.
    pub(crate) dice: Seed,
    pub(crate) challenge: u64,
    pub(crate) hosts: Vec<Host<'s>>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) pending: Vec<Dial>,
    /// Milliseconds, and operations, since the beginning.
    pub(crate) now: u64,
    pub(crate) op: u64,
    /// How often each host has lost a connection with each other, and when last.
    pub(crate) epochs: Vec<Vec<u64>>,
    pub(crate) downs: Vec<Vec<u64>>,
    /// What hosts said they dropped: of which host, and of which mailbox. That may also be what was put back, or waits for a function,
    /// of one that reads nothing, when others need the room.
    pub(crate) shed: Vec<(usize, usize, Receiver)>,
    /// When nothing was under way.
    pub(crate) settled: u64,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) sent: Vec<Sent>,
    /// By the host's start.
    pub(crate) requests: HashMap<(usize, Request), usize>,
    pub(crate) watched: Vec<Watched>,
    pub(crate) monitors: HashMap<(usize, Monitor), usize>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) ties: HashMap<(usize, usize), Tie>,
    pub(crate) joined: Vec<Joined>,
    /// All memberships there ever were.
    pub(crate) ever_joined: Vec<Joined>,
    /// Callers to be answered later.
    pub(crate) callers: Vec<Vec<(OwnedCaller, usize)>>,
    /// Events were missed, so that what came of them is not known.
    pub(crate) is_blind: bool,
    pub(crate) is_told: bool,
    pub(crate) tally: &'s mut Tally,
}

impl<'s> World<'s> {
    pub(crate) fn new(setup: Setup, mut spare: Spare<'s>, is_told: bool, tally: &'s mut Tally) -> Self {
        let many = setup.hosts;
        let hosts = (0..many).map(|host| spare.start(&setup, host, (77, false), 1000).unwrap()).collect();
        Self {
            setup,
            spare,
            dice: Seed(0),
            challenge: 0,
            hosts,
            wires: Vec::new(),
            pending: Vec::new(),
            now: 1000,
            op: 0,
            epochs: vec![vec![0; many]; many],
            downs: vec![vec![0; many]; many],
            shed: Vec::new(),
            settled: 0,
            inboxes: Vec::new(),
            sent: Vec::new(),
            requests: HashMap::new(),
            watched: Vec::new(),
            monitors: HashMap::new(),
            aliases: Vec::new(),
            ties: HashMap::new(),
            joined: Vec::new(),
            ever_joined: Vec::new(),
            callers: (0..many).map(|_| Vec::new()).collect(),
            is_blind: false,
            is_told,
            tally,
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        self.say(|| format!("  ({what})"));
        *self.tally.entry(what).or_default() += 1;
    }

    /// Says what happens, in a life that is told.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            println!("{}", what());
        }
    }

    #[track_caller]
    pub(crate) fn check(&self, right: bool, what: &str) {
        assert!(right || self.is_blind, "{what}");
    }

    pub(crate) fn alive(&self, host: usize) -> Vec<usize> {
        let alive = self.inboxes.iter().enumerate().filter(|(_, inbox)| inbox.host == host && inbox.ended.is_none());
        alive.map(|(number, _)| number).collect()
    }

    /// How often the two have lost their connection.
    pub(crate) fn epochs_of(&self, one: usize, other: usize) -> u64 {
        self.epochs[one][other] + self.epochs[other][one]
    }

    /// One of all that there are, a late one rather.
    pub(crate) fn any<T>(random: &mut Seed, all: &[T]) -> Option<usize> {
        let late = all.len().saturating_sub(6);
        if all.is_empty() {
            return None;
        }
        Some(if random.below(4) > 0 { late + random.below(all.len() - late) } else { random.below(all.len()) })
    }

    pub(crate) fn host_of(&self, to: To) -> usize {
        match to {
            To::Pid(inbox) => self.inboxes[inbox].host,
            To::Name(host, _) | To::Node(host) => host,
            To::Alias(alias) => self.inboxes[self.aliases[alias].owner].host,
        }
    }

    pub(crate) fn is_up(&self, host: usize, peer: usize) -> bool {
        self.hosts[host].node.peers().any(|up| up.name.as_str() == NODES[peer])
    }

    /// Until nothing is under way: every byte is carried, every mailbox empty. The programs look only when they are woken.
    pub(crate) fn settle(&mut self) {
        self.thaw();
        // what they were shown and have left
        (0..self.hosts.len()).for_each(|host| self.drain(host));
        let (mut idle, mut waits) = (0, 0);
        for round in 0.. {
            assert!(round < 3000, "it never comes to rest");
            let mut moved = 0;
            for host in 0..self.hosts.len() {
                let due = self.hosts[host].node.poll_timeout();
                if due.is_some_and(|due| due <= self.hosts[host].time()) {
                    self.pass(host);
                }
                self.poll_dials(host);
            }
            for which in (0..self.pending.len()).rev() {
                self.finish_dial(which, false);
                moved += 1;
            }
            for wire in 0..self.wires.len() {
                moved += self.carry(wire, [usize::MAX; 2]);
            }
            self.bury();
            moved += self.wake_all();
            idle = if moved == 0 { idle + 1 } else { 0 };
            if idle < 3 && waits < 200 {
                continue;
            }
            self.check_told();
            if self.is_quiet() && self.is_agreed() {
                break;
            }
            // A connection may be under way that does not come, or may be gone for one alone; and both sides may have answers to send for which the
            // other has no room: until one of them finds the other silent.
            self.count("silence");
            self.wait(15_000);
            (idle, waits) = (0, waits + 1);
            assert!(waits < 60, "it never comes to rest, whatever the time");
        }
        self.op += 1;
        self.check_links();
        self.settled = self.op;
        self.check_rest();
    }

    /// Returns true if who is connected with whom is the same for all.
    fn is_agreed(&self) -> bool {
        (0..self.hosts.len()).all(|host| {
            let wires = self.wires.iter().filter(|wire| wire.ends.iter().any(|end| end.host == host)).count();
            let peers = self.hosts[host].node.peers().count();
            wires == peers && self.hosts[host].node.in_use().peers == peers
        })
    }

    /// What must hold when nothing is under way.
    fn check_rest(&mut self) {
        let mut sum = 0;
        for host in 0..self.hosts.len() {
            let (now, due) = (self.hosts[host].time(), self.hosts[host].node.poll_timeout());
            self.check(due.is_none_or(|due| due > now), "it is busy with nothing");
            self.check(!self.hosts[host].refused, "what was refused has room, and nobody was woken");
            let used = self.hosts[host].node.in_use();
            let alive = self.alive(host);
            self.check(used.mailboxes == alive.len(), &format!("mailboxes of {}: {used:?}, {} alive", NODES[host], alive.len()));
            let aliases = self.aliases.iter().filter(|alias| !alias.dead && self.inboxes[alias.owner].host == host).count();
            sum += used.watches as i64 - used.requests as i64 + aliases as i64;
            let most = if self.hosts.len() == 2 && !self.hosts[host].is_small { WATCHES * 3 / 4 } else { WATCHES };
            self.check(used.watches <= most, &format!("one peer has more than its share: {used:?}"));
            for inbox in alive {
                let node = &mut self.hosts[host].node;
                let is_empty = node.recv(self.inboxes[inbox].handle).is_none_or(|(message, _)| {
                    message.put_back();
                    false
                });
                self.check(is_empty, "something came, and nobody was woken");
            }
        }
        // what one side asks, the other keeps, and links have a place at both
        let surely = self.ties.values().filter(|tie| tie.sure).count() as i64;
        self.check(sum >= surely && sum % 2 == 0, &format!("links have {sum} places in all, and {surely} at least there are"));
        for number in 0..self.inboxes.len() {
            let inbox = &self.inboxes[number];
            let lost = inbox.expected.values().flatten().any(|sent| self.is_due(*sent, number));
            let is_of = |name: &Receiver| matches!(name, Receiver::Name(name) if **name == *inbox.name);
            let sheds = self.shed.iter().any(|(host, _, to)| *host == inbox.host && is_of(to));
            self.check(!lost || inbox.ended.is_some() || inbox.drops || sheds, "a message is lost");
            self.inboxes[number].expected.clear();
        }
        self.check_asked();
    }

    /// Returns true if what was sent to a mailbox comes to it, as long as that is there: the sender has not lost the connection since.
    pub(crate) fn is_due(&self, sent: usize, inbox: usize) -> bool {
        let sent = &self.sent[sent];
        let from = &self.inboxes[sent.from];
        let is_alias_gone = matches!(sent.to, To::Alias(alias) if self.aliases[alias].dead);
        sent.epoch == self.epochs[from.host][self.inboxes[inbox].host] && !from.is_gone && !is_alias_gone
    }

    /// Everybody closes, one host after the other, and nobody may be left waiting.
    pub(crate) fn end(&mut self) {
        self.dice = Seed(self.setup.seed);
        self.hosts.iter_mut().for_each(|host| host.is_listed = true);
        self.settle();
        // all that is to be answered is, and all that has a time limit meets it
        (0..self.hosts.len()).for_each(|host| self.answer_all(host));
        self.settle();
        self.check_groups();
        self.wait(10_000);
        self.settle();
        self.check_limits();
        self.unlink_all();
        self.settle();
        let sum: i64 = (0..self.hosts.len()).map(|host| self.places(host)).sum();
        self.check(sum == 0, &format!("{sum} places are taken by links that are none"));
        self.leave_all();
        self.check_groups();
        let (many, first) = (self.hosts.len(), self.dice.below(self.hosts.len()));
        for host in (0..many).map(|host| (host + first) % many) {
            for inbox in self.alive(host) {
                self.close(inbox);
            }
            self.settle();
            self.check_waiting(host);
        }
        for host in 0..self.hosts.len() {
            let used = self.hosts[host].node.in_use();
            self.check((used.watches, used.requests, used.mailboxes) == (0, 0, 0), &format!("left over at {host}: {used:?}"));
            self.hosts[host].node.close();
        }
        self.settle();
        let left: usize = self.hosts.iter().map(|host| host.node.in_use().peers).sum();
        self.check(left == 0 && self.wires.is_empty(), "a connection is left over");
    }

    /// The places that a host has for links, less those that what it asks of others takes there.
    fn places(&self, host: usize) -> i64 {
        let used = self.hosts[host].node.in_use();
        let aliases = self.aliases.iter().filter(|alias| !alias.dead && self.inboxes[alias.owner].host == host).count();
        used.watches as i64 - used.requests as i64 + aliases as i64
    }

    /// Has everybody learn of all groups, and compares.
    pub(crate) fn check_groups(&mut self) {
        if self.hosts.iter().all(|host| !host.has_groups) {
            return;
        }
        for _ in 0..3 {
            self.wait(4_000);
            self.settle();
        }
        let mut seen = 0;
        for host in 0..self.hosts.len() {
            for (scope, group) in (0..SCOPES.len()).flat_map(|scope| (0..GROUPS).map(move |group| (scope, group))) {
                if !self.hosts[host].follows[scope] {
                    continue;
                }
                let mut right: Vec<_> = self
                    .joined
                    .iter()
                    .filter(|joined| (joined.scope, joined.group) == (scope, group))
                    .map(|joined| &self.inboxes[joined.inbox])
                    .filter(|inbox| inbox.host != host && self.is_up(host, inbox.host))
                    .map(|inbox| (inbox.host, inbox.pid.as_pid().id, inbox.pid.as_pid().creation))
                    .collect();
                right.sort_unstable();
                let members = self.hosts[host].node.members(SCOPES[scope], |t| t.int(group as i64));
                let place = |pid: beamless::Pid<'_>| {
                    let node = NODES.iter().position(|name| pid.node == **name).unwrap();
                    (node, pid.id, pid.creation)
                };
                let mut found: Vec<_> = members.map(place).collect();
                found.sort_unstable();
                seen += found.len();
                let is_right = if self.hosts[host].overfull[scope] {
                    found.iter().all(|member| right.contains(member))
                } else {
                    found == right
                };
                self.check(
                    is_right,
                    &format!("{} sees {found:?} in group {group} of {}, not {right:?}", NODES[host], SCOPES[scope]),
                );
            }
        }
        if seen > 0 {
            self.count("members of others");
        }
    }

    /// One step of a life.
    pub(crate) fn step(&mut self, kind: Kind, host: usize, dice: u64) {
        self.op += 1;
        self.dice = Seed(dice);
        let host = host % self.hosts.len();
        self.say(|| format!("{}: {kind:?} at {}", self.op, NODES[host]));
        self.act_on(kind, host);
        self.news();
    }
}

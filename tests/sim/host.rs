//! The hosts: a node each, its clock, and the program that looks into its mailboxes when it is woken.

use std::collections::HashMap;
use std::iter::from_fn;
use std::slice::IterMut;
use std::time::Duration;

use allocation_counter::measure;
use beamless::{AutoConnect, Config, Dropped, Event, GroupStorage, Instant, Mailbox, Node, NodeStorage};

use super::life::Setup;
use super::model::World;

/// A box of few places, all of which are taken at times.
type Small = NodeStorage<2, 3, 4096, 10, 6>;
/// A hub, which all others can be connected to.
type Large = NodeStorage<7, 5, 4096, 24, 12>;
type Groups = GroupStorage<7, 6, 10>;

pub(crate) const MOST: usize = 8;
/// The most starts of hosts in a life.
const STARTS: usize = MOST + 6;
/// The places for links and monitors of a hub.
pub(crate) const WATCHES: usize = 24;
pub(crate) const NODES: [&str; MOST] = ["a@host", "b@host", "c@host", "d@host", "e@host", "f@host", "g@host", "h@host"];
pub(crate) const SCOPES: [&str; 2] = ["sc", "s2"];
pub(crate) const GROUPS: usize = 3;

/// The memory of all hosts of a life, and of those that are started again; made when it is needed.
pub(crate) struct Memory {
    small: [Option<Box<Small>>; STARTS],
    large: [Option<Box<Large>>; STARTS],
    groups: [Option<Box<Groups>>; STARTS],
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { small: [const { None }; STARTS], large: [const { None }; STARTS], groups: [const { None }; STARTS] }
    }

    pub(crate) fn spare(&mut self) -> Spare<'_> {
        Spare { small: self.small.iter_mut(), large: self.large.iter_mut(), groups: self.groups.iter_mut(), lives: 0 }
    }
}

/// What of the memory no node had in this life yet.
pub(crate) struct Spare<'s> {
    small: IterMut<'s, Option<Box<Small>>>,
    large: IterMut<'s, Option<Box<Large>>>,
    groups: IterMut<'s, Option<Box<Groups>>>,
    lives: usize,
}

pub(crate) struct Host<'s> {
    pub(crate) node: Node<'s>,
    /// Which start of which host this is.
    pub(crate) life: usize,
    pub(crate) creation: u32,
    pub(crate) is_small: bool,
    /// Milliseconds of its own clock.
    pub(crate) now: u64,
    pub(crate) has_groups: bool,
    /// The scopes that it follows, and those that had more members than there is room for.
    pub(crate) follows: [bool; 2],
    pub(crate) overfull: [bool; 2],
    /// Something was refused for want of room in a transmit buffer, and the program was not woken since.
    pub(crate) refused: bool,
    /// It was started again with the same creation, so that what it calls things is not new.
    pub(crate) same: bool,
    /// Whether EPMD knows it.
    pub(crate) is_listed: bool,
}

impl<'s> Spare<'s> {
    /// Starts a host, with the same creation as one before or another; `None` if there were too many starts.
    pub(crate) fn start(&mut self, setup: &Setup, host: usize, (creation, same): (u32, bool), now: u64) -> Option<Host<'s>> {
        let bit = |mask: u8| mask >> host & 1 == 1;
        let used = if same { self.lives } else { 0 };
        let make = if bit(setup.visible) { Config::visible } else { Config::hidden };
        let mut config = make(NODES[host], "secret").unwrap().creation(creation);
        if bit(setup.idle) {
            config = config.idle_time(Duration::from_secs(30));
        }
        if bit(setup.once) {
            config = config.auto_connect(AutoConnect::Once);
        }
        let mut node = if bit(setup.small) {
            let memory = self.small.next()?.get_or_insert_with(|| Box::new(Small::sized()));
            use_up(Node::new(config.clone(), &mut **memory), used);
            Node::new(config, &mut **memory)
        } else {
            let memory = self.large.next()?.get_or_insert_with(|| Box::new(Large::sized()));
            use_up(Node::new(config.clone(), &mut **memory), used);
            Node::new(config, &mut **memory)
        };
        // what is found must not hang on a lucky hash
        #[cfg(debug_assertions)]
        if setup.seed % 2 == 1 {
            node.collide();
        }
        if bit(setup.groups) {
            node.set_groups(&mut **self.groups.next()?.get_or_insert_with(|| Box::new(Groups::new()))).unwrap();
        }
        self.lives += 1;
        Some(Host {
            node,
            life: self.lives,
            creation,
            is_small: bit(setup.small),
            now,
            has_groups: bit(setup.groups),
            follows: [false; 2],
            overfull: [false; 2],
            refused: false,
            same: false,
            is_listed: true,
        })
    }
}

/// Has another node of this memory give the pids that one before may have given, so many starts ago: a mailbox that has the same pid as one
/// before it, with the same creation, is taken for that by everybody, and nothing is to be learned from it.
fn use_up(mut node: Node<'_>, starts: usize) {
    for _ in 0..64 * starts {
        let mailboxes: Vec<Mailbox> = from_fn(|| node.register("").ok()).collect();
        mailboxes.into_iter().for_each(|mailbox| node.close_mailbox(mailbox, |t| t.atom("normal")).unwrap());
    }
}

impl Host<'_> {
    pub(crate) fn time(&self) -> Instant {
        Instant::from_millis(self.now)
    }
}

/// Does something that must not allocate.
#[track_caller]
pub(crate) fn still<T>(act: impl FnOnce() -> T) -> T {
    let mut result = None;
    let used = measure(|| result = Some(act()));
    assert_eq!(used.count_total, 0, "memory is allocated");
    result.unwrap()
}

impl World<'_> {
    /// Has a host's node do what is due by now.
    pub(crate) fn pass(&mut self, host: usize) {
        let now = self.hosts[host].time();
        for round in 0.. {
            let node = &mut self.hosts[host].node;
            if round > 0 && node.poll_timeout().is_none_or(|due| due > now) {
                break;
            }
            assert!(round < 50, "{} is busy with nothing", NODES[host]);
            still(|| node.handle_timeout(now));
        }
    }

    /// Time goes on for all.
    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += millis;
        self.hosts.iter_mut().for_each(|host| host.now += millis);
    }

    /// What the nodes report. Ends are noted first, everywhere: one may be the reason of another.
    pub(crate) fn news(&mut self) {
        let mut ended = Vec::new();
        for host in 0..self.hosts.len() {
            self.news_of(host, &mut ended);
        }
        ended.into_iter().for_each(|inbox| self.inbox_ended(inbox));
    }

    /// What one of them reports: how much, and which mailboxes ended.
    fn news_of(&mut self, host: usize, ended: &mut Vec<usize>) -> usize {
        let mut many = 0;
        while let Some(event) = still(|| self.hosts[host].node.poll_event()) {
            many += 1;
            self.say(|| format!("  {}: {event}", NODES[host]));
            match event {
                Event::MailboxEnded { mailbox, reason, .. } => ended.extend(self.note_end(host, mailbox, &reason)),
                Event::NodeDown { node, .. } => self.lost(host, node.as_str(), true),
                Event::ConnectFailed { node, .. } => self.lost(host, node.as_str(), false),
                Event::MembersFull { scope } => {
                    let which = SCOPES.iter().position(|name| **name == *scope).unwrap();
                    self.hosts[host].overfull[which] = true;
                }
                Event::Dropped { node, to, why: Dropped::MailboxFull } => {
                    let peer = NODES.iter().position(|name| *name == node.as_str()).unwrap();
                    self.shed.push((host, peer, to));
                }
                // what is not known cannot be checked
                Event::Missed(_) => self.is_blind = true,
                _ => {}
            }
        }
        many
    }

    fn lost(&mut self, host: usize, node: &str, was_up: bool) {
        let Some(peer) = NODES.iter().position(|name| *name == node).filter(|peer| *peer < self.hosts.len()) else { return };
        self.epochs[host][peer] += 1;
        // that what waited for room is gone the event says
        self.hosts[host].refused = false;
        if was_up {
            self.count("node down");
            self.downs[host][peer] = self.op;
            self.links_lost(host, peer);
        } else {
            self.count("connect failed");
        }
    }

    /// The programs look at what their nodes say they are to be shown; how many were woken. What has ended anywhere is noted before anybody is
    /// told of it.
    pub(crate) fn wake_all(&mut self) -> usize {
        let woken: Vec<bool> = self.hosts.iter_mut().map(|host| still(|| host.node.poll_wake())).collect();
        let mut ended = Vec::new();
        for (host, woken) in woken.iter().enumerate() {
            let many = self.news_of(host, &mut ended);
            self.check(many == 0 || *woken, "an event came, and nobody was woken");
        }
        ended.into_iter().for_each(|inbox| self.inbox_ended(inbox));
        for (host, _) in woken.iter().enumerate().filter(|(_, woken)| **woken) {
            self.look(host);
        }
        woken.into_iter().filter(|woken| *woken).count()
    }

    /// The program looks, if it is woken.
    pub(crate) fn wake(&mut self, host: usize) {
        if still(|| self.hosts[host].node.poll_wake()) {
            self.look(host);
        }
    }

    /// Takes all that is shown.
    fn look(&mut self, host: usize) {
        self.hosts[host].refused = false;
        let mut shown = HashMap::new();
        while let Some(mailbox) = still(|| self.hosts[host].node.poll_mailbox()) {
            let times = shown.entry(mailbox).or_insert(0);
            *times += 1;
            assert!(*times < 1000, "a mailbox is shown for ever");
            let found = self.alive(host).into_iter().find(|inbox| self.inboxes[*inbox].handle == mailbox);
            let Some(inbox) = found else { continue };
            while self.take(inbox, false) {}
        }
        self.news();
    }

    /// Everything that a host's mailboxes hold, whether or not it was shown.
    pub(crate) fn drain(&mut self, host: usize) {
        for inbox in self.alive(host) {
            while self.take(inbox, false) {}
        }
        self.news();
    }

    /// A host stops at once, and is started again. Its peers learn of it, or have to find out.
    pub(crate) fn restart(&mut self, host: usize, same: bool) {
        let before = &self.hosts[host];
        let (creation, now, was_same) = (before.creation + u32::from(!same), before.now, before.same);
        let Some(mut started) = self.spare.start(&self.setup, host, (creation, same), now) else { return };
        started.same = was_same || same;
        self.abandon_ends(host);
        self.pending.retain(|dial| dial.host != host);
        self.host_ended(host);
        self.hosts[host] = started;
        self.count(if same { "restart with the same creation" } else { "restart" });
    }
}

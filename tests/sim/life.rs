//! Lives: what is decided by a seed, and how one that fails is made small.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::host::{MOST, Memory};
use super::model::{Tally, World};
use super::seed::Seed;

/// What a life begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) hosts: usize,
    /// The hosts with few places, those that are visible, and those that take part in groups, a bit each.
    pub(crate) small: u8,
    pub(crate) visible: u8,
    pub(crate) groups: u8,
    /// How many of six messages are large.
    pub(crate) large: usize,
    /// How many of twelve looks into a mailbox are put off.
    pub(crate) lazy: usize,
    /// The bytes that the network has room for between two hosts.
    pub(crate) capacity: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Register,
    Close,
    Send,
    Call,
    Rpc,
    Monitor,
    Demonitor,
    Abandon,
    Link,
    Unlink,
    Exit,
    Trap,
    Alias,
    Serve,
    Answer,
    Take,
    Wake,
    Carry,
    CarryAll,
    Dial,
    Pass,
    Connect,
    Disconnect,
    Join,
    Leave,
    Follow,
    ToGroup,
    Settle,
    Flood,
    Break,
    Freeze,
    Jump,
    Unlist,
    Restart,
    RestartSame,
}

/// Each with how often it is done, and whether there are lives without it.
const KINDS: [(Kind, usize, bool); 35] = [
    (Kind::Register, 30, false),
    (Kind::Close, 8, true),
    (Kind::Send, 50, true),
    (Kind::Call, 30, true),
    (Kind::Rpc, 20, true),
    (Kind::Monitor, 30, true),
    (Kind::Demonitor, 10, true),
    (Kind::Abandon, 10, true),
    (Kind::Link, 30, true),
    (Kind::Unlink, 12, true),
    (Kind::Exit, 8, true),
    (Kind::Trap, 10, true),
    (Kind::Alias, 10, true),
    (Kind::Serve, 10, true),
    (Kind::Answer, 10, true),
    (Kind::Take, 30, true),
    (Kind::Wake, 25, false),
    (Kind::Carry, 90, false),
    (Kind::CarryAll, 30, true),
    (Kind::Dial, 50, false),
    (Kind::Pass, 20, false),
    (Kind::Connect, 10, false),
    (Kind::Disconnect, 3, true),
    (Kind::Join, 24, true),
    (Kind::Leave, 10, true),
    (Kind::Follow, 8, true),
    (Kind::ToGroup, 8, true),
    (Kind::Settle, 3, true),
    (Kind::Flood, 4, true),
    (Kind::Break, 5, true),
    (Kind::Freeze, 4, true),
    (Kind::Jump, 3, true),
    (Kind::Unlist, 3, true),
    (Kind::Restart, 2, true),
    (Kind::RestartSame, 1, true),
];

/// One step, and all that it is decided by: it stays what it is when others before it are left out.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: Kind,
    host: usize,
    dice: u64,
}

#[derive(Clone)]
pub(crate) struct Life {
    setup: Setup,
    steps: Vec<Step>,
}

thread_local! {
    /// What the last panic said, and where.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics say, rather than printing it.
pub(crate) fn listen() {
    std::panic::set_hook(Box::new(|info| SAID.with(|said| *said.borrow_mut() = info.to_string().replace(":\n", ": "))));
}

impl Life {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // two are the most usual, and enough for most
        let hosts = 2 + [0, random.below(2), random.below(4), random.below(MOST - 1)][random.below(4)];
        let mut mask = |often: usize| (0..MOST).fold(0, |mask, host| mask | u8::from(random.below(6) < often) << host);
        let (small, visible, groups) = (mask(3), mask(2), mask(4));
        let setup = Setup {
            seed,
            hosts,
            small,
            visible,
            groups: if random.below(2) == 0 { groups } else { 0 },
            large: random.below(6),
            lazy: random.below(13),
            capacity: [300, 5000, 1 << 20][random.below(3)],
        };
        let weights = KINDS.map(|(_, weight, optional)| if optional && random.below(4) == 0 { 0 } else { weight });
        let all = weights.iter().sum();
        let many = 40 + random.below(300);
        let steps = (0..many).map(|_| {
            let mut at = random.below(all);
            let which = weights.iter().position(|weight| {
                let is_it = at < *weight;
                at = at.saturating_sub(*weight);
                is_it
            });
            let dice = (random.below(1 << 31) as u64) << 31 | random.below(1 << 31) as u64;
            Step { kind: KINDS[which.unwrap()].0, host: random.below(hosts), dice }
        });
        Self { setup, steps: steps.collect() }
    }

    /// Lives it. An error says what was wrong, and how many steps had been made.
    pub(crate) fn live(&self, memory: &mut Memory, tally: &mut Tally, is_told: bool) -> Result<(), (String, usize)> {
        let mut made = 0;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(self.setup, memory.spare(), is_told, tally);
            for Step { kind, host, dice } in &self.steps {
                made += 1;
                world.step(*kind, *host, *dice);
                if world.is_blind {
                    return world.count("events were missed");
                }
            }
            made += 1;
            world.end();
        }));
        result.map_err(|_| (SAID.with(|said| said.borrow().clone()), made))
    }

    /// Leaves out whatever it fails without: steps, kinds of steps, hosts.
    pub(crate) fn shrink(mut self, memory: &mut Memory, wrong: &str) -> Self {
        let begin = Instant::now();
        let same = |text: &str| text.split(": ").next().map(str::to_owned);
        let mut tally = Tally::new();
        let mut fails = |life: &Self| match life.live(memory, &mut tally, false) {
            Err((text, _)) => same(&text) == same(wrong),
            Ok(()) => false,
        };
        let mut size = self.steps.len();
        loop {
            let before = (self.steps.len(), self.setup.hosts);
            while size > 0 && begin.elapsed() < Duration::from_secs(20) {
                let mut at = 0;
                while at < self.steps.len() {
                    let mut less = self.clone();
                    less.steps.drain(at..(at + size).min(less.steps.len()));
                    if fails(&less) {
                        self = less;
                    } else {
                        at += size;
                    }
                }
                size /= 2;
            }
            for hosts in 2..self.setup.hosts {
                let less = Self { setup: Setup { hosts, ..self.setup }, ..self.clone() };
                if fails(&less) {
                    self = less;
                    break;
                }
            }
            let plain = Setup { groups: 0, visible: 0, large: 0, lazy: 0, capacity: 1 << 20, ..self.setup };
            let small = |small| Setup { small, ..self.setup };
            for setup in [plain, Setup { large: 0, ..self.setup }, Setup { groups: 0, ..self.setup }, small(0), small(u8::MAX)] {
                let less = Self { setup, ..self.clone() };
                if fails(&less) {
                    self = less;
                    break;
                }
            }
            if before == (self.steps.len(), self.setup.hosts) || begin.elapsed() > Duration::from_secs(20) {
                return self;
            }
            size = self.steps.len() / 2;
        }
    }

    pub(crate) fn len(&self) -> (usize, usize) {
        (self.steps.len(), self.setup.hosts)
    }
}

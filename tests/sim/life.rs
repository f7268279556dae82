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
    /// The hosts that let go of idle connections, and those that connect to nobody again by themselves.
    pub(crate) idle: u8,
    pub(crate) once: u8,
    /// How many of six messages are large.
    pub(crate) large: usize,
    /// How many of twelve looks into mailboxes are put off.
    pub(crate) lazy: usize,
    /// The bytes that the network has room for between two hosts, and those that are read at once.
    pub(crate) capacity: usize,
    pub(crate) piece: usize,
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
    Overflow,
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

/// Each with how often it is done, and in how many of four lives it is not.
const KINDS: [(Kind, usize, usize); 36] = [
    (Kind::Register, 30, 0),
    (Kind::Close, 8, 2),
    (Kind::Send, 50, 1),
    (Kind::Call, 30, 1),
    (Kind::Rpc, 20, 1),
    (Kind::Monitor, 30, 1),
    (Kind::Demonitor, 10, 1),
    (Kind::Abandon, 10, 1),
    (Kind::Link, 30, 1),
    (Kind::Unlink, 12, 1),
    (Kind::Exit, 8, 1),
    (Kind::Trap, 10, 1),
    (Kind::Alias, 10, 1),
    (Kind::Serve, 10, 1),
    (Kind::Overflow, 2, 1),
    (Kind::Answer, 10, 1),
    (Kind::Take, 30, 1),
    (Kind::Wake, 25, 0),
    (Kind::Carry, 90, 0),
    (Kind::CarryAll, 30, 1),
    (Kind::Dial, 50, 0),
    (Kind::Pass, 20, 0),
    (Kind::Connect, 10, 0),
    (Kind::Disconnect, 3, 2),
    (Kind::Join, 24, 1),
    (Kind::Leave, 10, 1),
    (Kind::Follow, 8, 1),
    (Kind::ToGroup, 8, 1),
    (Kind::Settle, 3, 1),
    (Kind::Flood, 4, 2),
    (Kind::Break, 5, 2),
    (Kind::Freeze, 4, 2),
    (Kind::Jump, 3, 2),
    (Kind::Unlist, 3, 2),
    (Kind::Restart, 2, 2),
    (Kind::RestartSame, 1, 2),
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

/// As small as it is by then is small enough.
const LONG: Duration = Duration::from_secs(30);

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
        let (small, visible, groups, idle, once) = (mask(3), mask(2), mask(4), mask(1), mask(1));
        let setup = Setup {
            seed,
            hosts,
            small,
            visible,
            groups: if random.below(3) > 0 { groups } else { 0 },
            idle,
            once,
            large: random.below(6),
            lazy: random.below(13),
            capacity: [300, 5000, 1 << 20][random.below(3)],
            piece: [usize::MAX, usize::MAX, 100, 1 + random.below(30)][random.below(4)],
        };
        let weights = KINDS.map(|(_, weight, without)| if random.below(4) < without { 0 } else { weight });
        let all = weights.iter().sum();
        let many = 40 + random.below(600);
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

    /// Lives it; some also a second time in the memory of the first, which nodes have used by then. An error says what was wrong, and how many steps
    /// had been made.
    pub(crate) fn live(&self, tally: &mut Tally, is_told: bool) -> Result<(), (String, usize)> {
        let mut memory = Memory::new();
        self.live_in(&mut memory, tally, is_told)?;
        if self.setup.seed % 3 == 0 { self.live_in(&mut memory, tally, is_told) } else { Ok(()) }
    }

    fn live_in(&self, memory: &mut Memory, tally: &mut Tally, is_told: bool) -> Result<(), (String, usize)> {
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
    pub(crate) fn shrink(mut self, wrong: &str) -> Self {
        let begin = Instant::now();
        let same = |text: &str| text.split(": ").next().map(str::to_owned);
        let mut tally = Tally::new();
        let mut fails = |life: &Self| match life.live(&mut tally, false) {
            Err((text, _)) => same(&text) == same(wrong),
            Ok(()) => false,
        };
        let mut size = self.steps.len();
        loop {
            let before = (self.steps.len(), self.setup.hosts);
            while size > 0 {
                let mut at = 0;
                while at < self.steps.len() && begin.elapsed() < LONG {
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
            let wide = Setup { capacity: 1 << 20, piece: usize::MAX, ..self.setup };
            let plain = Setup { groups: 0, visible: 0, idle: 0, once: 0, large: 0, lazy: 0, ..wide };
            let small = |small| Setup { small, ..self.setup };
            for setup in
                [plain, wide, Setup { large: 0, ..self.setup }, Setup { groups: 0, ..self.setup }, small(0), small(u8::MAX)]
            {
                let less = Self { setup, ..self.clone() };
                if fails(&less) {
                    self = less;
                    break;
                }
            }
            if before == (self.steps.len(), self.setup.hosts) || begin.elapsed() > LONG {
                return self;
            }
            size = self.steps.len() / 2;
        }
    }

    pub(crate) fn len(&self) -> (usize, usize) {
        (self.steps.len(), self.setup.hosts)
    }
}

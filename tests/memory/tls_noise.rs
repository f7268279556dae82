//! Somebody between two nodes over TLS, who changes what they say: in the handshake, where anything may come of it but a wrong message, and
//! after it, where every change is noticed, by whichever side it was on the way to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use allocation_counter::measure;
use beamless::{Event, Reason, TlsVersions};

use crate::pair::Seed;
use crate::pki::{Ca, Kind};
use crate::tls::{HERE, HOME, Side, tls};

const GUEST: &str = "guest@127.0.0.1";
const HEADER: usize = 5;

/// The way between two nodes: from the one that dials, and back.
struct Between {
    listener: TcpListener,
    home: SocketAddr,
    ends: Option<[TcpStream; 2]>,
    /// What came and is not a whole record yet, of each direction.
    held: [Vec<u8>; 2],
    passed: [Vec<Vec<u8>>; 2],
}

/// Reads what there is, and returns true at the end.
fn read(stream: &mut TcpStream, into: &mut Vec<u8>) -> bool {
    !matches!(stream.read_to_end(into), Err(e) if e.kind() == ErrorKind::WouldBlock)
}

impl Between {
    fn new(home: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, home, ends: None, held: Default::default(), passed: Default::default() }
    }

    /// Lets go of the connection there was.
    fn cut(&mut self) {
        self.ends = None;
        self.held = Default::default();
        self.passed = Default::default();
    }

    /// Takes what came, and gives the records of each direction to `change`, which returns what goes on in their place.
    fn turn(&mut self, mut change: impl FnMut(usize, &mut Vec<Vec<u8>>) -> Vec<u8>) {
        if let Ok((near, _)) = self.listener.accept() {
            let far = TcpStream::connect(self.home).unwrap();
            for end in [&near, &far] {
                end.set_nonblocking(true).unwrap();
                end.set_nodelay(true).unwrap();
            }
            self.cut();
            self.ends = Some([near, far]);
        }
        let Some(ends) = &mut self.ends else { return };
        let mut ended = false;
        for direction in 0..2 {
            let held = &mut self.held[direction];
            ended |= read(&mut ends[direction], held);
            let mut records = Vec::new();
            while held.len() >= HEADER {
                let len = HEADER + usize::from(u16::from_be_bytes([held[3], held[4]]));
                if held.len() < len {
                    break;
                }
                records.push(held.drain(..len).collect());
            }
            self.passed[direction].extend_from_slice(&records);
            let _ = ends[1 - direction].write_all(&change(direction, &mut records));
        }
        if ended {
            self.ends = None;
        }
    }
}

/// The two nodes, and what is between them.
struct Scene {
    home: Side,
    guest: Side,
    between: Between,
    /// Why each lost the other, the one that dials first.
    reasons: [Option<Reason>; 2],
}

fn reason(side: &mut Side, last: &mut Option<Reason>) {
    while let Some(event) = side.node.poll_event() {
        match event {
            Event::ConnectFailed { reason, .. } | Event::Refused { reason, .. } | Event::NodeDown { reason, .. } => {
                *last = last.take().or(Some(reason));
            }
            _ => {}
        }
    }
}

impl Scene {
    fn new(versions: TlsVersions) -> Self {
        let ca = Ca::new("test");
        let made = || Some(tls(&ca, &ca.cert(Kind::of(HERE)), versions));
        let (home, mut guest) = (Side::new(HOME, made()), Side::new(GUEST, made()));
        let between = Between::new(home.driver.local_addr().unwrap());
        guest.driver.set_port(HOME, between.listener.local_addr().unwrap().port()).unwrap();
        Self { home, guest, between, reasons: [None, None] }
    }

    fn turn(&mut self, change: impl FnMut(usize, &mut Vec<Vec<u8>>) -> Vec<u8>) {
        self.guest.turn();
        self.home.turn();
        self.between.turn(change);
        reason(&mut self.guest, &mut self.reasons[0]);
        reason(&mut self.home, &mut self.reasons[1]);
    }

    fn are_up(&self) -> bool {
        self.guest.is_up() && self.home.is_up()
    }

    fn are_down(&self) -> bool {
        self.reasons[0].is_some() && !self.guest.is_up() && !self.home.is_up()
    }

    fn connect(&mut self) {
        self.reasons = [None, None];
        self.guest.node.connect(HOME).unwrap();
    }

    /// Takes turns until it is so, or until nothing has come of many.
    fn until(
        &mut self,
        turns: usize,
        done: impl Fn(&Self) -> bool,
        mut change: impl FnMut(usize, &mut Vec<Vec<u8>>) -> Vec<u8>,
    ) -> bool {
        for _ in 0..turns {
            if done(self) {
                return true;
            }
            self.turn(&mut change);
        }
        false
    }

    /// Ends what there is between the two.
    fn part(&mut self) {
        self.between.cut();
        for _ in 0..1000 {
            self.turn(as_it_is);
            if self.between.ends.is_none() && !self.guest.is_up() && !self.home.is_up() && self.reasons[0].is_some() {
                return;
            }
        }
        panic!("still there: {:?}", self.reasons);
    }
}

#[expect(clippy::ptr_arg, reason = "others take records out")]
fn as_it_is(_: usize, records: &mut Vec<Vec<u8>>) -> Vec<u8> {
    records.concat()
}

/// Does something to the first of these records, by itself or with the next.
fn damage(records: &mut Vec<Vec<u8>>, random: &mut Seed) -> Damage {
    let kinds = if records.len() > 1 { 8 } else { 6 };
    let first = &mut records[0];
    let body = first.len() - HEADER;
    let damage = Damage::ALL[random.below(kinds)];
    match damage {
        Damage::Bit => first[HEADER + random.below(body)] ^= 1 << random.below(8),
        Damage::Cut => first.truncate(HEADER + random.below(body)),
        Damage::Shorter => first[4] = first[4].wrapping_sub(1 + random.below(8) as u8),
        Damage::Longer => first[4] = first[4].wrapping_add(1 + random.below(8) as u8),
        Damage::LeftOut => drop(records.remove(0)),
        Damage::Twice => records.insert(0, records[0].clone()),
        Damage::Swapped => records.swap(0, 1),
        Damage::Joined => {
            let second = records.remove(1);
            let first = &mut records[0];
            first.extend_from_slice(&second[HEADER..]);
            let len = u16::try_from(first.len() - HEADER).unwrap().to_be_bytes();
            first[3..HEADER].copy_from_slice(&len);
        }
    }
    damage
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Bit,
    Cut,
    Shorter,
    Longer,
    LeftOut,
    Twice,
    Swapped,
    Joined,
}

impl Damage {
    const ALL: [Self; 8] =
        [Self::Bit, Self::Cut, Self::Shorter, Self::Longer, Self::LeftOut, Self::Twice, Self::Swapped, Self::Joined];
}

/// Both send a few messages, which arrive; then two records of one of them are damaged.
fn damaged_after_the_handshake(scene: &mut Scene, random: &mut Seed) {
    scene.connect();
    assert!(scene.until(2000, Scene::are_up, as_it_is), "{:?}", scene.reasons);
    let honest = random.below(4) as i64;
    let (mut at_home, mut at_guest) = (0, 0);
    for number in 0..honest {
        assert!(scene.guest.send(HOME, number) && scene.home.send(GUEST, number));
        assert!((0..2000).any(|_| {
            scene.turn(as_it_is);
            scene.home.read(&mut at_home);
            scene.guest.read(&mut at_guest);
            at_home > number && at_guest > number
        }));
    }
    let to_home = random.below(2) == 0;
    let (mut collected, mut done) = (Vec::new(), None);
    let mut change = |direction: usize, records: &mut Vec<Vec<u8>>| {
        if (direction == 0) != to_home || done.is_some() {
            return records.concat();
        }
        collected.append(records);
        if collected.len() < 2 {
            return Vec::new();
        }
        done = Some(damage(&mut collected, random));
        collected.concat()
    };
    for number in [honest, honest + 1] {
        assert!(if to_home { scene.guest.send(HOME, number) } else { scene.home.send(GUEST, number) });
        scene.turn(&mut change);
    }
    assert!(scene.until(2000, Scene::are_down, &mut change), "{done:?}: {:?}", scene.reasons);
    scene.home.read(&mut at_home);
    scene.guest.read(&mut at_guest);
    let (read, why) = if to_home { (at_home, scene.reasons[1]) } else { (at_guest, scene.reasons[0]) };
    // what was not changed was right all the same
    let right = honest + i64::from(done == Some(Damage::Twice));
    assert!(read == right && matches!(why, Some(Reason::Tls(_))), "{done:?}: read {read} of {right}, {why:?}");
    scene.part();
}

/// Some record of the handshake is damaged. Not all of it is more than decoration.
fn damaged_in_the_handshake(scene: &mut Scene, random: &mut Seed) {
    scene.connect();
    let (to_home, mut left, mut done) = (random.below(2) == 0, random.below(6), None);
    scene.until(
        150,
        |scene| scene.are_up() || scene.are_down(),
        |direction, records| {
            if (direction == 0) != to_home || done.is_some() || records.len() <= left {
                left = left.saturating_sub(if (direction == 0) == to_home { records.len() } else { 0 });
                return records.concat();
            }
            let mut rest = records.split_off(left);
            done = Some(damage(&mut rest, random));
            [records.concat(), rest.concat()].concat()
        },
    );
    let (mut at_home, mut at_guest) = (0, 0);
    if scene.are_up() && scene.guest.send(HOME, 0) && scene.home.send(GUEST, 0) {
        (0..50).for_each(|_| scene.turn(as_it_is));
    }
    // a wrong message fails there
    scene.home.read(&mut at_home);
    scene.guest.read(&mut at_guest);
    scene.part();
}

/// A stranger says what another said once, with some of it damaged.
fn said_again(scene: &mut Scene, recorded: &[Vec<u8>], random: &mut Seed) {
    let mut records = recorded.to_vec();
    for _ in 0..=random.below(3) {
        let mut rest = records.split_off(random.below(records.len()));
        if rest.iter().all(|record| record.len() > HEADER) && !rest.is_empty() {
            damage(&mut rest, random);
        }
        records.append(&mut rest);
        if records.is_empty() {
            return;
        }
    }
    scene.reasons[1] = None;
    let mut stranger = TcpStream::connect(scene.between.home).unwrap();
    let _ = stranger.write_all(&records.concat());
    let _ = stranger.shutdown(Shutdown::Write);
    let noticed = (0..2000).any(|_| {
        scene.home.turn();
        reason(&mut scene.home, &mut scene.reasons[1]);
        scene.reasons[1].is_some()
    });
    assert!(noticed && matches!(scene.reasons[1], Some(Reason::Tls(_))), "{:?}", scene.reasons[1]);
}

#[test]
fn what_is_changed_on_the_way_is_noticed() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let mut random = Seed(14);
        let mut scene = Scene::new(versions);
        scene.connect();
        assert!(scene.until(2000, Scene::are_up, as_it_is));
        let recorded = scene.between.passed[0].clone();
        scene.part();
        let mut session = |rounds: usize| {
            for _ in 0..rounds {
                damaged_after_the_handshake(&mut scene, &mut random);
                damaged_in_the_handshake(&mut scene, &mut random);
                (0..4).for_each(|_| said_again(&mut scene, &recorded, &mut random));
            }
        };
        session(20);
        // not more than what stays open for a while, for a peer that may not have read everything
        let counted = measure(|| session(200));
        assert!(counted.bytes_current < 128 * 1024, "{versions:?}: {counted:?}");
    }
}

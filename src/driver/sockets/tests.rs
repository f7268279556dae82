//! Nodes in this process, each with sockets of its own, moved turn by turn: who is looked at in a turn, and that nobody is forgotten.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of our own")]

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};

use super::*;
use crate::driver::{Driver, DriverOptions, Epmd, EpmdSettings};
use crate::error::{Error, Full};
use crate::node::{Config, Event as Told, Mailbox, Sizes};
use crate::owned::OwnedNode;

/// Turns that nothing which happens in one process needs.
const TURNS: usize = 100_000;

impl Line {
    fn all(&self) -> BTreeSet<usize> {
        core::iter::successors(self.first(), |place| self.next(*place)).collect()
    }
}

impl Sockets {
    /// Fails unless every place stands where it belongs after a turn.
    fn check(&self, node: &Node<'_>) {
        let (mut free, mut dials, mut lingering, mut mapped) = <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
        for (place, socket) in self.places.iter().enumerate() {
            let Some(Socket { connection, kind }) = socket else {
                free.insert(place);
                continue;
            };
            match kind {
                Kind::Lingering(..) => {
                    lingering.insert(place);
                    continue;
                }
                Kind::Dial(_) => assert!(dials.insert(place)),
                Kind::Open(open) => {
                    let takes = open.is_readable() && node.takes_bytes(*connection);
                    assert!(!takes || self.readable.all().contains(&place), "{place} can be read");
                    assert!(!open.is_writable() || node.poll_transmit(*connection).is_empty(), "{place} can be written to");
                }
            }
            assert!(node.is_open(*connection), "{place} is over");
            assert_eq!(self.place_of(node.number(*connection)), Some(place));
            mapped.insert(place);
        }
        assert_eq!((self.free.iter().copied().collect(), self.free.len()), (free.clone(), free.len()));
        assert_eq!((self.dials.all(), self.lingering.all()), (dials, lingering.clone()));
        assert_eq!(self.of.iter().filter_map(|link| link.checked_sub(1)).collect::<BTreeSet<_>>(), mapped);
        let unread = self.readable.all();
        assert!(self.touched.is_empty() && unread.iter().all(|place| mapped.contains(place) || lingering.contains(place)));
    }
}

struct Side {
    node: OwnedNode,
    driver: Driver,
    inbox: Mailbox,
}

impl Side {
    fn new(name: &str, peers: u16) -> Self {
        // no tick comes in between
        let config = Config::hidden(name, "secret").unwrap().tick_time(Duration::from_secs(36_000)).unwrap();
        let mut node = OwnedNode::new(config, Sizes::new(peers, 1, 4096)).unwrap();
        let inbox = node.register("inbox").unwrap();
        let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(EpmdSettings::new(1));
        let driver = Driver::new(options.listen(["127.0.0.1:0".parse().unwrap()]), &mut node).unwrap();
        Self { node, driver, inbox }
    }

    /// Makes one that begins to connect there.
    fn guest(name: &str, home: &Self) -> Self {
        let mut guest = Self::new(name, 1);
        guest.driver.set_port(HOME, home.driver.local_addr().unwrap().port()).unwrap();
        guest.node.connect(HOME).unwrap();
        guest
    }

    fn turn(&mut self) {
        self.wait(Duration::ZERO);
    }

    fn wait(&mut self, time: Duration) {
        self.driver.poll(&mut self.node, Some(time)).unwrap();
        self.driver.sockets.check(&self.node);
    }

    fn is_up(&self) -> bool {
        self.node.peers().next().is_some()
    }

    fn send(&mut self, to: &str, number: i64) -> Result<(), Error> {
        self.node.outbox(self.inbox).unwrap().send(("inbox", to), |t| t.tuple(2)?.int(number)?.binary(&[7; 100]))
    }

    /// Sends as many as there is room for.
    fn fill(&mut self, to: &str, sent: &mut i64) -> bool {
        let before = *sent;
        loop {
            match self.send(to, *sent) {
                Ok(()) => *sent += 1,
                Err(Error::Full(Full::Transmit { .. })) => return *sent > before,
                Err(e) => panic!("{e}"),
            }
        }
    }

    /// Reads all there is, which comes in order.
    fn drain(&mut self, read: &mut i64) {
        while let Some((message, _)) = self.node.recv(self.inbox) {
            let [number, _] = message.term().tuple().unwrap();
            assert_eq!(number.as_i64(), Some(*read));
            *read += 1;
        }
    }

    /// Returns true if there is such news; what else there is is read, too.
    fn told(&mut self, wanted: impl Fn(&Told) -> bool) -> bool {
        let mut found = false;
        while let Some(event) = self.node.poll_event() {
            found |= wanted(&event);
        }
        found
    }
}

/// More than an address has for a step, and than the last one may be silent; less than a step may take.
const EACH_AND_MORE: Duration = Duration::from_secs(3);
const LAST_AND_MORE: Duration = Duration::from_secs(5);

const HOME: &str = "home@127.0.0.1";

fn until(mut done: impl FnMut() -> bool) {
    assert!((0..TURNS).any(|_| done()), "waited in vain");
}

/// A home with so many guests, all of which are silent.
fn house(guests: u16) -> (Side, Vec<Side>) {
    let mut home = Side::new(HOME, guests);
    let mut all: Vec<Side> = Vec::new();
    for number in 0..guests {
        let mut guest = Side::guest(&format!("guest{number}@127.0.0.1"), &home);
        until(|| {
            guest.wait(Duration::from_millis(1));
            home.turn();
            guest.is_up() && home.node.peers().count() == usize::from(number) + 1
        });
        all.push(guest);
    }
    for _ in 0..20 {
        home.turn();
        all.iter_mut().for_each(Side::turn);
        home.told(|_| false);
    }
    (home, all)
}

/// How many sockets are looked at from a message to its answer, and in turns with nothing to do.
fn looks(guests: u16) -> (usize, usize) {
    let (mut home, mut all) = house(guests);
    let guest = &mut all[0];
    guest.send(HOME, 0).unwrap();
    guest.turn();
    let before = home.driver.sockets.looks;
    until(|| {
        home.wait(Duration::from_millis(1));
        home.node.received(home.inbox) == 1
    });
    home.drain(&mut 0);
    home.send("guest0@127.0.0.1", 0).unwrap();
    home.turn();
    let after = home.driver.sockets.looks;
    (0..10).for_each(|_| home.turn());
    until(|| {
        guest.wait(Duration::from_millis(1));
        guest.node.received(guest.inbox) == 1
    });
    (after - before, home.driver.sockets.looks - after)
}

#[test]
fn a_message_costs_no_look_at_who_is_idle() {
    let alone = looks(1);
    assert_eq!((alone, looks(40)), ((3, 0), alone));
}

#[test]
fn what_waits_in_the_socket_of_one_that_is_held_up_is_read_later_also_behind_its_end() {
    let (mut home, mut guests) = house(2);
    let guest = &mut guests[1];
    let (mut sent, mut read, mut still) = (0, 0, 0);
    // until the mailbox, both buffers and the system's have as much as they take, or plenty
    while still < 20 && sent < 100_000 {
        still = if guest.fill(HOME, &mut sent) { 0 } else { still + 1 };
        guest.turn();
        home.turn();
    }
    guest.node.disconnect(HOME).unwrap();
    until(|| {
        home.drain(&mut read);
        home.wait(Duration::from_millis(1));
        guest.turn();
        home.told(|event| matches!(event, Told::NodeDown { .. }))
    });
    home.drain(&mut read);
    assert_eq!(read, sent);
    until(|| {
        home.turn();
        guest.turn();
        guest.driver.sockets.is_empty()
    });
}

#[test]
fn what_the_system_does_not_take_is_written_when_it_does() {
    let (mut home, mut guests) = house(2);
    let guest = &mut guests[1];
    let (mut sent, mut read, mut still) = (0, 0, 0);
    while still < 20 {
        still = if home.fill("guest1@127.0.0.1", &mut sent) { 0 } else { still + 1 };
        home.turn();
    }
    let is_stuck = |socket: &Socket| matches!(&socket.kind, Kind::Open(open) if !open.is_writable());
    assert_eq!(home.driver.sockets.places.iter().flatten().filter(|socket| is_stuck(socket)).count(), 1);
    until(|| {
        guest.wait(Duration::from_millis(1));
        guest.drain(&mut read);
        home.turn();
        read == sent
    });
}

/// The only place for a peer is that of the one who was there before, and nobody told yet that it is free.
#[test]
fn who_comes_back_takes_its_own_place() {
    let (mut home, mut guests) = house(1);
    for _ in 0..5 {
        // the last one is not polled any more, as if its host had lost power
        let mut again = Side::guest("guest0@127.0.0.1", &home);
        until(|| {
            again.wait(Duration::from_millis(1));
            home.turn();
            again.is_up() && home.told(|event| matches!(event, Told::NodeUp { .. }))
        });
        guests.push(again);
    }
    let (mut last, mut read) = (guests.pop().unwrap(), 0);
    last.send(HOME, 0).unwrap();
    until(|| {
        last.turn();
        home.wait(Duration::from_millis(1));
        home.drain(&mut read);
        read == 1
    });
}

/// Each of them makes way for another, whose place in the node is the same. Those that are closed linger, and what they take is given up, too.
#[test]
fn strangers_who_make_way_are_closed_and_their_places_are_taken() {
    let mut home = Side::new(HOME, 1);
    let address = home.driver.local_addr().unwrap();
    let mut strangers = Vec::new();
    for _ in 0..40 {
        let stranger = std::net::TcpStream::connect(address).unwrap();
        stranger.set_nonblocking(true).unwrap();
        strangers.push(stranger);
        home.turn();
    }
    let is_closed =
        |mut stranger: &std::net::TcpStream| !matches!(stranger.read(&mut [0; 8]), Err(e) if e.kind() == ErrorKind::WouldBlock);
    until(|| {
        home.wait(Duration::from_millis(1));
        strangers.iter().filter(|stranger| is_closed(stranger)).count() >= 30
    });
    let mut guest = Side::guest("guest@127.0.0.1", &home);
    until(|| {
        home.wait(Duration::from_millis(1));
        guest.turn();
        home.is_up() && guest.is_up()
    });
    drop(strangers);
    until(|| {
        home.wait(Duration::from_millis(1));
        home.driver.sockets.places.iter().flatten().count() == 1
    });
}

#[test]
fn dials_stand_in_line_only_while_they_are_under_way() {
    let mut home = Side::new(HOME, 8);
    let mut failed = 0;
    for number in 0..6 {
        home.node.connect(&format!("x{number}@127.0.0.1")).unwrap();
    }
    until(|| {
        home.wait(Duration::from_millis(1));
        while let Some(event) = home.node.poll_event() {
            assert!(matches!(event, Told::ConnectFailed { .. }), "{event}");
            failed += 1;
        }
        failed == 6
    });
    assert!(home.driver.sockets.is_empty() && home.driver.sockets.poll_timeout().is_none());
}

/// The node lets go of it, while another address was to be tried after some time: nothing is due any more.
#[test]
fn a_dial_that_is_given_up_leaves_no_time_behind() {
    // EPMD that says nothing
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut node = OwnedNode::new(Config::hidden("box@127.0.0.1", "secret").unwrap(), Sizes::new(1, 1, 4096)).unwrap();
    let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(EpmdSettings::new(silent.local_addr().unwrap().port()));
    let mut driver = Driver::new(options, &mut node).unwrap();
    driver.set_addresses("two.test", [[127, 0, 0, 1], [127, 0, 0, 2]].map(std::net::IpAddr::from));
    let inbox = node.register("inbox").unwrap();
    node.outbox(inbox).unwrap().send(("x", "hub@two.test"), |t| t.nil()).unwrap();
    until(|| {
        driver.poll(&mut node, Some(Duration::from_millis(1))).unwrap();
        driver.sockets.poll_timeout().is_some()
    });
    node.disconnect("hub@two.test").unwrap();
    for _ in 0..2 {
        driver.poll(&mut node, Some(Duration::ZERO)).unwrap();
    }
    assert!(driver.sockets.is_empty() && driver.sockets.poll_timeout().is_none());
}

/// Whoever answered in TLS while nobody looked was in time, too, though a turn goes on with one of them alone.
#[cfg(feature = "tls")]
#[test]
fn of_all_connections_that_are_being_secured_what_came_in_time_counts() {
    let tls = || crate::driver::fuzz::TLS[0].clone();
    let name = |number: usize| format!("home{number}@localhost");
    let mut guest = Side::new("guest@localhost", 4);
    guest.driver.set_addresses("localhost", [[127, 0, 0, 1].into()]);
    guest.driver.set_tls(tls());
    let mut homes: Vec<Side> = (0..4).map(|number| Side::new(&name(number), 1)).collect();
    for (number, home) in homes.iter_mut().enumerate() {
        home.driver.set_tls(tls());
        guest.driver.set_port(&name(number), home.driver.local_addr().unwrap().port()).unwrap();
        guest.node.connect(&name(number)).unwrap();
    }
    // each is asked, and nobody has answered
    until(|| {
        guest.wait(Duration::from_millis(1));
        !guest.driver.sockets.has_more() && guest.driver.sockets.dials.is_empty()
    });
    // as nobody of these looks at the guest, all of them have answered
    for home in &mut homes {
        let answered = |socket: &mut Socket| matches!(&mut socket.kind, Kind::Open(open) if !open.is_untouched());
        until(|| {
            home.wait(Duration::from_millis(1));
            home.driver.sockets.places.iter_mut().flatten().any(answered)
        });
    }
    guest.driver.start = guest.driver.start.checked_sub(Duration::from_secs(8)).unwrap();
    until(|| {
        guest.turn();
        homes.iter_mut().for_each(Side::turn);
        let failed = guest.told(|event| matches!(event, Told::ConnectFailed { .. }));
        assert!(!failed, "with {} of them up", guest.node.peers().count());
        guest.node.peers().count() == homes.len()
    });
}

/// A program that did something else meanwhile, or a host that stood still.
#[test]
fn what_came_in_time_counts_however_late_the_program_looks() {
    // than a step may take
    const LONG: Duration = Duration::from_secs(8);
    // before the connection is there, at each step of the handshake, and for the answer to a call
    for pause in 0..6 {
        let mut home = Side::new(HOME, 1);
        let mut guest = Side::guest("guest@127.0.0.1", &home);
        let mut turns = 0;
        until(|| {
            (0..3).for_each(|_| home.wait(Duration::from_millis(1)));
            if turns == pause {
                guest.driver.start = guest.driver.start.checked_sub(LONG).unwrap();
            }
            turns += 1;
            guest.turn();
            assert!(!guest.told(|event| matches!(event, Told::ConnectFailed { .. })), "{pause}");
            guest.is_up() && home.is_up()
        });
        let request = guest.node.outbox(guest.inbox).unwrap().call(("inbox", HOME), Some(LONG / 2), |t| t.int(1)).unwrap();
        until(|| {
            guest.turn();
            home.wait(Duration::from_millis(1));
            home.node.received(home.inbox) > 0
        });
        // in front of the answer stands more than a turn reads
        let mut others = 0;
        until(|| {
            let sent = home.node.outbox(home.inbox).unwrap().send(("nobody", "guest@127.0.0.1"), |t| t.binary(&[7; 1000]));
            others += u8::from(sent.is_ok());
            home.turn();
            others == 12
        });
        let (message, mut out) = home.node.recv(home.inbox).unwrap();
        out.reply(&message.as_call().unwrap(), |t| t.int(2)).unwrap();
        until(|| {
            home.turn();
            home.node.peers().all(|peer| peer.traffic.pending == 0)
        });
        guest.driver.start = guest.driver.start.checked_sub(LONG).unwrap();
        let answer = guest.driver.wait(&mut guest.node, request).unwrap();
        assert_eq!(answer.unwrap().as_i64(), Some(2), "{pause}");
    }
}

/// Of a host with two addresses: an EPMD that answers during a pause was in time, and the last address has the time of a step, also where the first
/// has said that there is no such node.
#[test]
fn each_address_has_its_time_for_each_step() {
    for (order, pause) in [([1, 3], EACH_AND_MORE), ([3, 1], LAST_AND_MORE)] {
        let mut home = Side::new("home@two.test", 1);
        let port = home.driver.local_addr().unwrap().port();
        let epmd = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = epmd.local_addr().unwrap().port();
        let other = std::net::TcpListener::bind(("127.0.0.3", at)).unwrap();
        let mut node = OwnedNode::new(Config::hidden("guest@two.test", "secret").unwrap(), Sizes::new(1, 1, 4096)).unwrap();
        let options = DriverOptions::default().epmd_settings(EpmdSettings::new(at)).outgoing();
        let mut driver = Driver::new(options, &mut node).unwrap();
        driver.set_addresses("two.test", order.map(|last| [127, 0, 0, last].into()));
        node.connect("home@two.test").unwrap();
        let turn = |node: &mut OwnedNode, driver: &mut Driver| {
            driver.poll(node, Some(Duration::from_millis(1))).unwrap();
            let news = node.poll_event();
            assert!(!matches!(news, Some(Told::ConnectFailed { .. })), "{order:?} {news:?}");
        };
        // returns who asks, once it has
        let asked = |listener: &std::net::TcpListener, node: &mut OwnedNode, driver: &mut Driver| {
            listener.set_nonblocking(true).unwrap();
            let mut stream = None;
            until(|| {
                turn(node, driver);
                let taken = || listener.accept().ok().filter(|(stream, _)| stream.set_nonblocking(true).is_ok());
                stream = stream.take().or_else(taken);
                stream.as_mut().is_some_and(|(stream, _)| stream.read(&mut [0; 64]).is_ok())
            });
            stream.unwrap().0
        };
        if order[0] == 3 {
            asked(&other, &mut node, &mut driver).write_all(b"w\x01").unwrap();
        }
        let mut epmd = asked(&epmd, &mut node, &mut driver);
        let mut answer = || {
            let [high, low] = port.to_be_bytes();
            epmd.write_all(&[&[119, 0, high, low, 77, 0, 0, 6, 0, 5, 0, 4][..], b"home\0\0"].concat()).unwrap();
        };
        if order[0] == 1 {
            answer();
        }
        driver.start = driver.start.checked_sub(pause).unwrap();
        driver.poll(&mut node, Some(Duration::ZERO)).unwrap();
        if order[0] == 3 {
            answer();
        }
        until(|| {
            home.turn();
            driver.poll(&mut node, Some(Duration::from_millis(1))).unwrap();
            let news = node.poll_event();
            assert!(matches!(news, None | Some(Told::NodeUp { .. })), "{order:?} {news:?}");
            news.is_some()
        });
    }
}

/// With more to read than one turn does, time stands still, and what begins has its time from now on all the same.
#[test]
fn what_is_begun_after_a_pause_has_its_whole_time() {
    let (mut home, mut guests) = house(1);
    let mut guest = guests.remove(0);
    let mut others = 0;
    until(|| {
        let sent = home.node.outbox(home.inbox).unwrap().send(("nobody", "guest0@127.0.0.1"), |t| t.binary(&[7; 1000]));
        others += u8::from(sent.is_ok());
        home.turn();
        others == 12 && home.node.peers().all(|peer| peer.traffic.pending == 0)
    });
    guest.driver.start = guest.driver.start.checked_sub(LINGER * 100).unwrap();
    let request = guest.node.outbox(guest.inbox).unwrap().call(("inbox", HOME), Some(LINGER * 50), |t| t.int(1)).unwrap();
    guest.turn();
    assert!(guest.driver.sockets.has_more());
    until(|| {
        guest.turn();
        !guest.driver.sockets.has_more()
    });
    guest.turn();
    until(|| {
        guest.turn();
        home.wait(Duration::from_millis(1));
        if let Some((message, mut out)) = home.node.recv(home.inbox) {
            out.reply(&message.as_call().unwrap(), |t| t.int(2)).unwrap();
        }
        guest.node.is_answer_next(request).unwrap()
    });
    assert_eq!(guest.driver.wait(&mut guest.node, request).unwrap().unwrap().as_i64(), Some(2));
}

/// Has the guest send as much as there is room for, with the system, too. Nobody reads it.
fn flood(home: &mut Side, guest: &mut Side) {
    let (mut floods, mut still) = (0, 0);
    while still < 20 && floods < 100_000 {
        still = if guest.fill(HOME, &mut floods) { 0 } else { still + 1 };
        guest.turn();
        home.turn();
    }
}

/// The peer has sent more than is read in one go, which nobody reads, and is slow to read what it was sent.
#[test]
fn what_was_sent_before_the_end_arrives_though_the_peer_had_sent_much() {
    let (mut home, mut guests) = house(2);
    let guest = &mut guests[1];
    flood(&mut home, guest);
    let (mut sent, mut read, mut still) = (0, 0, 0);
    while still < 20 {
        still = if home.fill("guest1@127.0.0.1", &mut sent) { 0 } else { still + 1 };
        home.turn();
    }
    home.node.disconnect("guest1@127.0.0.1").unwrap();
    until(|| {
        home.turn();
        guest.wait(Duration::from_millis(1));
        guest.drain(&mut read);
        guest.told(|event| matches!(event, Told::NodeDown { .. }))
    });
    guest.drain(&mut read);
    assert_eq!(read, sent);
}

/// Nor does it matter for how long the peer stands still, if the driver is given as much time.
#[test]
fn what_was_sent_before_the_end_arrives_at_a_peer_that_stands_still() {
    let (mut home, mut guests) = house(1);
    let mut guest = guests.remove(0);
    flood(&mut home, &mut guest);
    // all of it has left for the system, and the peer has no room for all of it there
    let mut sent = 0;
    until(|| {
        if sent < 1500 {
            home.fill("guest0@127.0.0.1", &mut sent);
        }
        home.turn();
        sent >= 1500 && home.node.peers().all(|peer| peer.traffic.pending == 0)
    });
    let standing = std::thread::spawn(move || {
        std::thread::sleep(LINGER + Duration::from_millis(200));
        let mut read = 0;
        until(|| {
            guest.wait(Duration::from_millis(1));
            guest.drain(&mut read);
            guest.told(|event| matches!(event, Told::NodeDown { .. }))
        });
        guest.drain(&mut read);
        read
    });
    home.driver.close(&mut home.node, LINGER * 50).unwrap();
    assert_eq!(standing.join().unwrap(), sent);
}

/// A stranger who says nothing is not.
#[test]
fn a_stranger_is_waited_for_no_longer_than_ever() {
    let mut home = Side::new(HOME, 1);
    let _stranger = std::net::TcpStream::connect(home.driver.local_addr().unwrap()).unwrap();
    until(|| {
        home.wait(Duration::from_millis(1));
        !home.driver.sockets.is_empty()
    });
    home.node.close();
    let now = home.driver.now();
    home.driver.sockets.linger_until(now.after(LINGER * 50));
    home.driver.sockets.write(&mut home.node, now);
    assert_eq!(home.driver.sockets.poll_timeout(), Some(now.after(LINGER)));
    home.driver.sockets.expire(now.after(LINGER));
    assert!(home.driver.sockets.is_empty());
}

/// It waits for nothing but time.
#[test]
fn a_look_up_that_the_system_has_no_thread_for_is_begun_again() {
    let mut node = OwnedNode::new(Config::hidden("box@localhost", "secret").unwrap(), Sizes::new(1, 1, 4096)).unwrap();
    let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(EpmdSettings::new(1));
    let mut driver = Driver::new(options, &mut node).unwrap();
    driver.poll(&mut node, Some(Duration::ZERO)).unwrap();
    driver.resolver.has_no_thread = true;
    node.connect("hub@localhost").unwrap();
    // the first thing that a turn does, before it waits
    let now = driver.now();
    driver.hand_out(&mut node, false, now);
    assert!(driver.sockets.poll_timeout().is_some());
    for _ in 0..3 {
        driver.poll(&mut node, Some(Duration::ZERO)).unwrap();
        assert!(driver.sockets.poll_timeout().is_some_and(|at| at <= driver.now().after(AGAIN)));
    }
    driver.resolver.has_no_thread = false;
    driver.start = driver.start.checked_sub(AGAIN).unwrap();
    until(|| {
        driver.poll(&mut node, Some(Duration::from_millis(1))).unwrap();
        node.poll_event().is_some_and(|event| matches!(event, Told::ConnectFailed { .. }))
    });
    assert!(driver.sockets.poll_timeout().is_none());
}

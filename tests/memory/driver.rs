//! The driver's own promises: what wakes it, and what it costs to wait.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Epmd, EpmdSettings, Event, NetworkFault, Node, NodeStorage, Reason};
use mio::net::UnixStream;
use mio::{Interest, Token};

use crate::pair::free_port;

/// Long enough that a poll which ends before was woken.
const LONG: Duration = Duration::from_secs(240);

type Storage = NodeStorage<2, 1, 4096>;

fn node(storage: &mut Storage) -> (Node<'_>, Driver) {
    let mut node = Node::new(Config::hidden("driver@127.0.0.1", "secret").unwrap(), storage);
    // nobody answers on port 1, and nobody is asked to
    let epmd_settings = EpmdSettings::new(1);
    let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(epmd_settings);
    let mut driver = Driver::new(options, &mut node).unwrap();
    // whatever there is to do at first
    driver.poll(&mut node, Some(Duration::ZERO)).unwrap();
    (node, driver)
}

#[test]
fn another_thread_wakes_it() {
    let mut storage = Box::new(Storage::new());
    let (mut node, mut driver) = node(&mut storage);
    let waker = driver.waker();
    let start = Instant::now();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        waker.wake().unwrap();
    });
    driver.poll(&mut node, Some(LONG)).unwrap();
    other.join().unwrap();
    assert!(start.elapsed() < LONG / 2);
}

#[test]
fn a_source_of_the_programs_own_is_given_back_by_its_token() {
    let mut storage = Box::new(Storage::new());
    let (mut node, mut driver) = node(&mut storage);
    let (mut near, mut far) = UnixStream::pair().unwrap();
    driver.registry().register(&mut near, Token(7), Interest::READABLE).unwrap();
    far.write_all(b"a line from the serial port").unwrap();
    driver.poll(&mut node, Some(LONG)).unwrap();
    let ready = driver.poll_ready().unwrap();
    assert!(ready.token == Token(7) && ready.readable);
    assert!(driver.poll_ready().is_none());
}

#[test]
fn it_waits_no_longer_than_it_is_told_and_no_shorter_without_a_reason() {
    let mut storage = Box::new(Storage::new());
    let (mut node, mut driver) = node(&mut storage);
    let start = Instant::now();
    driver.poll(&mut node, Some(Duration::from_millis(30))).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(29) && start.elapsed() < LONG);
}

#[test]
fn what_keeps_it_from_connecting_is_told_at_once_and_by_its_name() {
    let mut storage = Box::new(Storage::new());
    let (mut node, mut driver) = node(&mut storage);
    // a name server that does not answer makes an unknown name one that took too long
    let unknown = &[NetworkFault::UnknownHost, NetworkFault::TimedOut][..];
    // a broadcast address is refused by the system in the very call that is to connect
    let at_once = &[NetworkFault::Unreachable, NetworkFault::Other(13)][..];
    for (peer, faults) in
        [("x@127.0.0.1", &[NetworkFault::NoEpmd][..]), ("x@255.255.255.255", at_once), ("x@no-such-host.invalid", unknown)]
    {
        node.connect(peer).unwrap();
        let start = Instant::now();
        let event = loop {
            driver.poll(&mut node, Some(LONG)).unwrap();
            assert!(start.elapsed() < LONG / 2, "{peer}");
            if let Some(event) = node.poll_event() {
                break event;
            }
        };
        assert!(matches!(&event, Event::ConnectFailed { reason: Reason::Network(told), .. } if faults.contains(told)), "{event}");
    }
}

/// As a tool does it, with addresses that it found out itself.
#[test]
fn one_that_only_connects_out_listens_nowhere() {
    let epmd = free_port();
    let mut storage = Box::new(NodeStorage::<1, 1, 4096>::new());
    let (mut home, mut hers) = registered("home@127.0.0.1", &mut storage, epmd, None);
    let mut storage = Box::new(Storage::new());
    let mut node = Node::new(Config::hidden("tool@127.0.0.1", "secret").unwrap(), &mut storage);
    let mut driver = Driver::outgoing(&EpmdSettings::new(epmd), &mut node).unwrap();
    assert_eq!(driver.local_addr(), None);
    let mut event_of = |peer: &str, addresses: &[IpAddr]| {
        let (_, host) = peer.split_once('@').unwrap();
        driver.set_addresses(host, addresses.iter().copied());
        node.connect(peer).unwrap();
        let start = Instant::now();
        loop {
            driver.poll(&mut node, Some(Duration::from_millis(1))).unwrap();
            hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
            if let Some(event) = node.poll_event() {
                return event;
            }
            assert!(start.elapsed() < LONG / 2, "{peer}");
        }
    };
    let reason = |event: Event| match event {
        Event::ConnectFailed { reason, .. } => reason,
        other => panic!("{other}"),
    };
    // nobody but the driver knows this host
    let here = [IpAddr::from([127, 0, 0, 1])];
    assert_eq!(reason(event_of("x@made-up.invalid", &here)), Reason::Network(NetworkFault::NoSuchName));
    // what was said last holds
    assert_eq!(reason(event_of("x@made-up.invalid", &[])), Reason::Network(NetworkFault::UnknownHost));
    assert!(matches!(event_of("home@127.0.0.1", &[]), Event::NodeUp { .. }), "an address is one whatever is said of it");
}

/// The one peer there is room for comes back after a crash, while strangers fill every place for a handshake and say nothing.
#[test]
fn a_crowd_of_strangers_does_not_keep_a_known_node_out() {
    let mut storage = Box::new(NodeStorage::<1, 1, 4096>::new());
    let epmd = free_port();
    let (mut home, mut hers) = registered("home@127.0.0.1", &mut storage, epmd, None);
    let until_up = |node: &mut Node<'_>, driver: &mut Driver, home: &mut Node<'_>, hers: &mut Driver| {
        let start = Instant::now();
        node.connect("home@127.0.0.1").unwrap();
        while node.peers().next().is_none() {
            driver.poll(node, Some(Duration::from_millis(1))).unwrap();
            hers.poll(home, Some(Duration::from_millis(1))).unwrap();
            while let Some(event) = node.poll_event() {
                assert!(!matches!(event, Event::ConnectFailed { .. }), "{event}");
            }
            assert!(start.elapsed() < LONG / 2);
        }
    };
    let mut first = Box::new(Storage::new());
    let (mut node, mut driver) = registered("guest@127.0.0.1", &mut first, epmd, Some((&mut home, &mut hers)));
    until_up(&mut node, &mut driver, &mut home, &mut hers);
    let address = hers.local_addr().unwrap();
    let strangers: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    for _ in 0..20 {
        hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
    }
    // the first one stands still, as if its host had lost power; another of its name comes, as after a restart
    let mut second = Box::new(Storage::new());
    let mut again = Node::new(Config::hidden("guest@127.0.0.1", "secret").unwrap(), &mut second);
    let epmd_settings = EpmdSettings::new(epmd);
    let mut fresh = Driver::new(DriverOptions::default().epmd(Epmd::None).epmd_settings(epmd_settings), &mut again).unwrap();
    until_up(&mut again, &mut fresh, &mut home, &mut hers);
    drop(strangers);
}

/// A node and its driver, registered with the EPMD on this port, which the first of them serves: that one is to be polled beside it.
fn registered<'s, const P: usize>(
    name: &str,
    storage: &'s mut NodeStorage<P, 1, 4096>,
    port: u16,
    mut serving: Option<(&mut Node<'_>, &mut Driver)>,
) -> (Node<'s>, Driver) {
    let mut node = Node::new(Config::hidden(name, "secret").unwrap(), storage);
    let epmd_settings = EpmdSettings::new(port);
    let options = DriverOptions::default().epmd_settings(epmd_settings);
    let mut driver = Driver::new(options, &mut node).unwrap();
    let start = Instant::now();
    while !matches!(node.poll_event(), Some(Event::Registered { .. })) {
        driver.poll(&mut node, Some(Duration::from_millis(1))).unwrap();
        if let Some((first, hers)) = &mut serving {
            hers.poll(first, Some(Duration::from_millis(1))).unwrap();
        }
        assert!(start.elapsed() < LONG / 2);
    }
    (node, driver)
}

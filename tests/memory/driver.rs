//! The driver's own promises: what wakes it, and what it costs to wait.

use std::io::Write;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Epmd, EpmdSettings, Event, NetworkFault, Node, NodeStorage, Reason};
use mio::net::UnixStream;
use mio::{Interest, Token};

/// Long enough that a poll which ends before was woken.
const LONG: Duration = Duration::from_secs(20);

type Storage = NodeStorage<2, 1, 4096>;

fn node(storage: &mut Storage) -> (Node<'_>, Driver) {
    let mut node = Node::new(Config::hidden("driver@127.0.0.1", "secret").unwrap(), storage);
    // nobody answers on port 1, and nobody is asked to
    let epmd_settings = EpmdSettings { port: 1, addresses: Vec::new() };
    let options = DriverOptions { epmd: Epmd::None, epmd_settings, ..DriverOptions::default() };
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
    assert!(start.elapsed() >= Duration::from_millis(29));
}

#[test]
fn a_host_without_epmd_is_told_apart_from_one_without_a_name() {
    let mut storage = Box::new(Storage::new());
    let (mut node, mut driver) = node(&mut storage);
    for (peer, fault) in [("x@127.0.0.1", NetworkFault::NoEpmd), ("x@no-such-host.invalid", NetworkFault::UnknownHost)] {
        node.connect(peer).unwrap();
        let start = Instant::now();
        let event = loop {
            driver.poll(&mut node, Some(LONG)).unwrap();
            assert!(start.elapsed() < LONG, "{peer}");
            if let Some(event) = node.poll_event() {
                break event;
            }
        };
        assert!(matches!(&event, Event::ConnectFailed { reason: Reason::Network(told), .. } if *told == fault), "{event}");
    }
}

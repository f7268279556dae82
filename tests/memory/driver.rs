//! The driver's own promises: what wakes it, and what it costs to wait.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use beamless::{
    Config, Driver, DriverOptions, Epmd, EpmdServer, EpmdSettings, Error, Event, Misuse, NetworkFault, Node, NodeStorage, Reason,
    epmd_names, full_host_name,
};
use mio::net::UnixStream;
use mio::{Interest, Token};

use crate::limits::held;
use crate::pair::free_port;
use crate::trace::logged;

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
        let mut turns = Turns(0);
        loop {
            driver.poll(&mut node, Some(Duration::from_millis(1))).unwrap();
            hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
            if let Some(event) = node.poll_event() {
                return event;
            }
            turns.one_more();
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

/// What an EPMD said of the node is worth more than that another address of the host has none; and what is none is told as such.
#[test]
fn of_several_addresses_the_fault_that_says_most_is_told() {
    let port = free_port();
    let listener = |last: u8| TcpListener::bind((IpAddr::from([127, 0, 0, last]), port)).unwrap();
    for (last, words) in [(1, &b"HTTP/1.1 400 Bad Request"[..]), (2, b"w\x01"), (3, b"HTTP/1.1 400 Bad Request")] {
        let listener = listener(last);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 64]);
                let _ = stream.write_all(words);
            }
        });
    }
    let silent = listener(4);
    let mut storage = Box::new(Storage::new());
    // so long has one that takes a question, and says nothing
    let config = Config::hidden("tool@127.0.0.1", "secret").unwrap().setup_time(Duration::from_secs(1)).unwrap();
    let mut node = Node::new(config, &mut storage);
    let options = DriverOptions::default().epmd(Epmd::External).epmd_settings(EpmdSettings::new(port));
    let mut driver = Driver::new(options, &mut node).unwrap();
    let mut event = |addresses: &[u8]| {
        driver.set_addresses("made-up.invalid", addresses.iter().map(|last| IpAddr::from([127, 0, 0, *last])));
        if !addresses.is_empty() {
            node.connect("x@made-up.invalid").unwrap();
        }
        loop {
            driver.poll(&mut node, Some(LONG)).unwrap();
            if let Some(event) = node.poll_event() {
                break event;
            }
        }
    };
    let registering = event(&[]);
    assert!(matches!(registering, Event::NotRegistered(NetworkFault::NotEpmd)), "{registering}");
    for (addresses, fault) in [
        (&[2, 5][..], NetworkFault::NoSuchName),
        (&[5, 2], NetworkFault::NoSuchName),
        (&[2, 3], NetworkFault::NoSuchName),
        (&[2, 4], NetworkFault::NoSuchName),
        (&[3, 5], NetworkFault::NotEpmd),
        (&[5, 5], NetworkFault::NoEpmd),
    ] {
        let event = event(addresses);
        assert!(
            matches!(&event, Event::ConnectFailed { reason: Reason::Network(told), .. } if *told == fault),
            "{event} {addresses:?}"
        );
    }
    drop(silent);
}

/// The one peer there is room for comes back after a crash, while strangers fill every place for a handshake and say nothing.
#[test]
fn a_crowd_of_strangers_does_not_keep_a_known_node_out() {
    let mut storage = Box::new(NodeStorage::<1, 1, 4096>::new());
    let epmd = free_port();
    let (mut home, mut hers) = registered("home@127.0.0.1", &mut storage, epmd, None);
    let until_up = |node: &mut Node<'_>, driver: &mut Driver, home: &mut Node<'_>, hers: &mut Driver| {
        let mut turns = Turns(0);
        node.connect("home@127.0.0.1").unwrap();
        while node.peers().next().is_none() {
            driver.poll(node, Some(Duration::from_millis(1))).unwrap();
            hers.poll(home, Some(Duration::from_millis(1))).unwrap();
            while let Some(event) = node.poll_event() {
                assert!(!matches!(event, Event::ConnectFailed { .. }), "{event}");
            }
            turns.one_more();
        }
    };
    let mut first = Box::new(Storage::new());
    let (mut node, mut driver) = registered("guest@127.0.0.1", &mut first, epmd, Some((&mut home, &mut hers)));
    until_up(&mut node, &mut driver, &mut home, &mut hers);
    let address = hers.local_addr().unwrap();
    let strangers: Vec<_> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
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

/// A node of this name that nobody looks up in EPMD.
fn alone<'s>(name: &str, storage: &'s mut Storage) -> (Node<'s>, Driver) {
    let mut node = Node::new(Config::hidden(name, "secret").unwrap(), storage);
    let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(EpmdSettings::new(1));
    let driver = Driver::new(options, &mut node).unwrap();
    (node, driver)
}

/// Where a node listens once the host of its name has these addresses.
fn moved((node, driver): &mut (Node<'_>, Driver), to: &[[u8; 4]]) -> SocketAddr {
    let host = node.name().unwrap().host().to_owned();
    driver.set_addresses(&host, to.iter().copied().map(IpAddr::from));
    driver.look_again();
    driver.poll(node, Some(Duration::ZERO)).unwrap();
    driver.local_addr().unwrap()
}

fn takes(ip: [u8; 4], port: u16) -> bool {
    TcpStream::connect((IpAddr::from(ip), port)).is_ok()
}

/// On sockets that are there already, as systemd hands them over, and on no more than it has places for.
#[test]
fn an_epmd_alone_answers_on_the_sockets_it_is_given() {
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (given, settings) = (listener(), EpmdSettings::new(1));
    let address = given.local_addr().unwrap();
    let mut server = EpmdServer::listen_on(vec![given], &settings).unwrap();
    assert!(server.port() == address.port() && format!("{server:?}").starts_with("EpmdServer"));
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(&[0, 1, b'n']).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut port = [0; 4];
    while client.read_exact(&mut port).is_err() {
        server.poll(Some(Duration::from_millis(10))).unwrap();
    }
    assert_eq!(u32::from_be_bytes(port), u32::from(address.port()));
    let many = (0..17).map(|_| listener()).collect();
    let error = EpmdServer::listen_on(many, &settings).unwrap_err().to_string();
    assert!(error.contains("epmd listens on 16 addresses at most"), "{error}");
}

/// Somebody else gives it its name, once it is connected.
#[test]
fn one_without_a_name_listens_nowhere() {
    let mut storage = Storage::new();
    let mut node = Node::new(Config::dynamic("127.0.0.1", "secret").unwrap(), &mut storage);
    assert!(matches!(Driver::listen("127.0.0.1:0", &mut node), Err(Error::Misuse(Misuse::NoName))));
    let driver = Driver::new(DriverOptions::default(), &mut node).unwrap();
    assert_eq!((driver.local_addr(), format!("{driver:?}").contains("listening: None")), (None, true));
}

#[test]
fn this_host_has_a_full_name_or_is_told_what_to_do() {
    match full_host_name() {
        Ok(name) => assert!(name.contains('.'), "{name}"),
        Err(e) => assert!(e.to_string().contains(" has no domain: give the node a whole name, such as demo@10.0.0.7"), "{e}"),
    }
}

#[test]
fn it_listens_where_its_name_points() {
    let mut storage = Box::new(Storage::new());
    let mut node = alone("driver@localhost", &mut storage);
    let port = moved(&mut node, &[[127, 0, 0, 2]]).port();
    assert!(takes([127, 0, 0, 2], port) && !takes([127, 0, 0, 1], port));
    let third = SocketAddr::from(([127, 0, 0, 3], port));
    assert_eq!(moved(&mut node, &[[127, 0, 0, 3]]), third);
    assert!(takes([127, 0, 0, 3], port) && !takes([127, 0, 0, 2], port));
    // the name is gone, or another host's: what was listened on is
    assert_eq!(moved(&mut node, &[]), third);
    assert_eq!(moved(&mut node, &[[192, 0, 2, 1]]), third);
    assert!(takes([127, 0, 0, 3], port));
    moved(&mut node, &[[127, 0, 0, 4], [192, 0, 2, 1], [127, 0, 0, 3]]);
    assert!(takes([127, 0, 0, 3], port) && takes([127, 0, 0, 4], port) && !takes([127, 0, 0, 2], port));
}

#[test]
fn one_whose_host_is_unknown_listens_as_erlang_does() {
    let mut storage = Box::new(Storage::new());
    let mut node = alone("driver@made-up.invalid", &mut storage);
    let everywhere = node.1.local_addr().unwrap();
    assert!(everywhere.ip().is_unspecified() && takes([127, 0, 0, 2], everywhere.port()));
    // still unknown, another host's, and as with Debian's 127.0.1.1
    for to in [&[][..], &[[192, 0, 2, 1]], &[[127, 0, 1, 1]]] {
        assert_eq!(moved(&mut node, to), everywhere, "{to:?}");
    }
}

/// The port is another program's at the new address: the node takes another, and EPMD, its own or not, tells others so.
#[test]
fn a_port_that_is_taken_is_registered_anew() {
    let epmd = free_port();
    let mut storage = Box::new(NodeStorage::<2, 1, 4096>::new());
    let (mut home, mut hers) = registered("home@localhost", &mut storage, epmd, None);
    let mut storage = Box::new(Storage::new());
    let (mut guest, mut his) = registered("guest@localhost", &mut storage, epmd, Some((&mut home, &mut hers)));
    let ports = [hers.local_addr().unwrap().port(), his.local_addr().unwrap().port()];
    let taken = ports.map(|port| TcpListener::bind(("127.0.0.9", port)).unwrap());
    for driver in [&mut hers, &mut his] {
        driver.set_addresses("localhost", [IpAddr::from([127, 0, 0, 9])]);
        driver.look_again();
    }
    let mut again = [false; 2];
    let mut turns = Turns(0);
    while again != [true; 2] {
        his.poll(&mut guest, Some(Duration::from_millis(1))).unwrap();
        hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
        for (node, again) in [&mut home, &mut guest].into_iter().zip(&mut again) {
            while let Some(event) = node.poll_event() {
                assert!(matches!(event, Event::Registered { .. }), "{event}");
                *again = true;
            }
        }
        turns.one_more();
    }
    let asking = std::thread::spawn(move || epmd_names("127.0.0.1", epmd, LONG).unwrap());
    while !asking.is_finished() {
        hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
    }
    let now = [hers.local_addr().unwrap(), his.local_addr().unwrap()];
    assert!(now.iter().all(|now| now.ip() == IpAddr::from([127, 0, 0, 9]) && !ports.contains(&now.port())), "{now:?}");
    let mut names = asking.join().unwrap();
    names.sort();
    assert_eq!(names, [("guest".to_owned(), now[1].port()), ("home".to_owned(), now[0].port())]);
    drop(taken);
}

/// Who waits for an answer alone drops what else comes, and the peers that send it do not fill the log.
#[test]
fn what_is_dropped_while_an_answer_is_waited_for_is_counted() {
    let epmd = free_port();
    let mut storage = Box::new(NodeStorage::<2, 1, 4096>::new());
    let (mut home, mut hers) = registered("home@localhost", &mut storage, epmd, None);
    let sender = home.register("sender").unwrap();
    let mut storage = Box::new(Storage::new());
    let (mut guest, mut his) = registered("guest@localhost", &mut storage, epmd, Some((&mut home, &mut hers)));
    let inbox = guest.register("inbox").unwrap();
    let mut turns = Turns(0);
    let mut sent = 0;
    while guest.received(inbox) < 50 {
        if sent < 50 && home.outbox(sender).unwrap().send(("inbox", "guest@localhost"), |t| t.int(sent)).is_ok() {
            sent += 1;
        }
        his.poll(&mut guest, Some(Duration::from_millis(1))).unwrap();
        hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
        turns.one_more();
    }
    let soon = Some(Duration::from_millis(1));
    let beat = guest.poll_timeout().unwrap();
    let request = guest.outbox(inbox).unwrap().call(("nobody", "home@localhost"), soon, |t| t.int(0)).unwrap();
    let (lines, _) = logged(|| {
        assert!(his.wait(&mut guest, request).unwrap().is_err());
        let due = guest.poll_timeout().unwrap();
        assert!(due < beat, "the rest is counted within a second");
        guest.handle_timeout(due);
    });
    assert_eq!(lines.iter().filter(|line| line.contains("a message was dropped")).count(), 10, "{lines:?}");
    assert_eq!(held(&lines, "messages that were dropped while a call was waited for"), 40);
}

/// However small the pieces in which a peer sends.
#[test]
fn turns_that_read_something_begin_a_rest_apart() {
    const REST: Duration = Duration::from_millis(20);
    const MESSAGES: u64 = 30;
    let mut storage = Box::new(Storage::new());
    let mut home = Node::new(Config::hidden("home@127.0.0.1", "secret").unwrap(), &mut storage);
    let inbox = home.register("inbox").unwrap();
    let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(EpmdSettings::new(1)).rest(REST);
    let mut hers = Driver::new(options.listen(["127.0.0.1:0".parse().unwrap()]), &mut home).unwrap();
    let port = hers.local_addr().unwrap().port();
    let (told, end) = std::sync::mpsc::channel::<()>();
    let sending = std::thread::spawn(move || {
        let mut storage = Box::new(Storage::new());
        let (mut guest, mut his) = alone("guest@127.0.0.1", &mut storage);
        his.set_port("home@127.0.0.1", port).unwrap();
        let sender = guest.register("sender").unwrap();
        let mut sent = 0;
        while end.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            if sent < MESSAGES && guest.outbox(sender).unwrap().send(("inbox", "home@127.0.0.1"), |t| t.int(7)).is_ok() {
                sent += 1;
            }
            his.poll(&mut guest, Some(Duration::from_millis(1))).unwrap();
        }
    });
    let start = Instant::now();
    let (mut read, mut turns) = (0, 0);
    while read < MESSAGES {
        hers.poll(&mut home, Some(LONG)).unwrap();
        let before = read;
        while home.recv(inbox).is_some() {
            read += 1;
        }
        turns += u32::from(read > before);
    }
    // the rests alone take as long as that; on a busy machine all of it takes longer, never less
    assert!(REST * (turns - 1) <= start.elapsed(), "{turns} turns");
    drop(told);
    sending.join().unwrap();
}

/// A program that returned early, say, and makes another driver: no call waits for ever, and the peers can be had again.
#[test]
fn a_node_that_outlives_its_driver_has_lost_its_peers() {
    let epmd = free_port();
    let mut storage = Box::new(NodeStorage::<2, 1, 4096>::new());
    let (mut home, mut hers) = registered("home@localhost", &mut storage, epmd, None);
    let mut storage = Box::new(Storage::new());
    let (mut guest, mut his) = registered("guest@localhost", &mut storage, epmd, Some((&mut home, &mut hers)));
    let inbox = guest.register("inbox").unwrap();
    let mut turns = Turns(0);
    while guest.peers().next().is_none() {
        guest.connect("home@localhost").unwrap();
        his.poll(&mut guest, Some(Duration::from_millis(1))).unwrap();
        hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
        turns.one_more();
    }
    while guest.poll_event().is_some() {}
    let request = guest.outbox(inbox).unwrap().call(("nobody", "home@localhost"), None, |t| t.int(0)).unwrap();
    drop(his);
    let options = DriverOptions::default().epmd(Epmd::External).epmd_settings(EpmdSettings::new(epmd)).outgoing();
    let mut his = Driver::new(options, &mut guest).unwrap();
    assert!(guest.peers().next().is_none());
    assert!(matches!(guest.poll_event(), Some(Event::NodeDown { reason: Reason::ClosedByUs, .. })));
    assert!(his.wait(&mut guest, request).unwrap().is_err());
    guest.connect("home@localhost").unwrap();
    while guest.peers().next().is_none() {
        his.poll(&mut guest, Some(Duration::from_millis(1))).unwrap();
        hers.poll(&mut home, Some(Duration::from_millis(1))).unwrap();
        turns.one_more();
    }
}

/// Turns of a loop, of a millisecond each if nothing happens.
struct Turns(u32);

impl Turns {
    /// Fails after more of them than what is waited for can need.
    fn one_more(&mut self) {
        self.0 += 1;
        assert!(self.0 < 100_000, "waited in vain");
    }
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
    let mut turns = Turns(0);
    while !matches!(node.poll_event(), Some(Event::Registered { .. })) {
        driver.poll(&mut node, Some(Duration::from_millis(1))).unwrap();
        if let Some((first, hers)) = &mut serving {
            hers.poll(first, Some(Duration::from_millis(1))).unwrap();
        }
        turns.one_more();
    }
    (node, driver)
}

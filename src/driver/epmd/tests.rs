//! Against Erlang's own `epmd` and `erl`, which must be installed.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of our own")]

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use self::children::folder;
use super::*;
use crate::epmd_names;
use crate::wire::epmd::{MAX_NAME_BYTES, NodeInfo, Request};

#[expect(dead_code, reason = "what only the tests with a whole Erlang need")]
#[path = "../../../tests/erlang/children.rs"]
mod children;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long an EPMD may keep a connection open and silent to be taken for waiting.
const QUIET: Duration = Duration::from_millis(250);

/// A port below the range the kernel hands out by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let start = u16::try_from(std::process::id() % 700).unwrap() * 10;
        let port = 2_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process, ended with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(program: &str, port: u16) -> Command {
    let home = folder("home");
    let mut command = children::command(program);
    command.env("ERL_EPMD_PORT", port.to_string()).env("HOME", &home).current_dir(&home).stdin(Stdio::null());
    command
}

fn real_epmd(port: u16) -> Process {
    let epmd = command("epmd", port).stderr(Stdio::null()).spawn().expect("Erlang's epmd must be installed");
    until("epmd listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    Process(epmd)
}

/// What a command prints, `epmd -names` for instance.
fn printed(program: &str, port: u16, args: &[&str]) -> String {
    let output = command(program, port).args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn names(port: u16) -> BTreeMap<String, u16> {
    epmd_names("127.0.0.1", port, PATIENCE).unwrap().into_iter().collect()
}

/// What a poll loop drives.
trait Driven: Send + 'static {
    fn start(&mut self, registry: &Registry, now: Instant);
    fn handle(&mut self, token: Token, registry: &Registry, now: Instant) -> bool;
    fn handle_pending(&mut self, registry: &Registry, now: Instant) -> bool;
    fn handle_timeout(&mut self, registry: &Registry, now: Instant) -> bool;
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_event(&mut self) -> Option<EpmdEvent>;
}

impl Driven for EpmdClient {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.start(registry, now);
    }
    fn handle(&mut self, token: Token, registry: &Registry, now: Instant) -> bool {
        self.handle(token, registry, now)
    }
    fn handle_pending(&mut self, registry: &Registry, now: Instant) -> bool {
        self.handle_pending(registry, now)
    }
    fn handle_timeout(&mut self, registry: &Registry, now: Instant) -> bool {
        self.handle_timeout(registry, now)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn poll_event(&mut self) -> Option<EpmdEvent> {
        self.poll_event()
    }
}

/// A service alone, with no name of its own.
struct Alone {
    port: u16,
    addresses: Vec<IpAddr>,
    rules: Rules,
    service: Option<EpmdService>,
}

const RULES: Rules = Rules { kill: Kill::Never, idle_limit: IDLE_LIMIT };

impl Alone {
    fn service(&mut self) -> &mut EpmdService {
        self.service.as_mut().unwrap()
    }
}

impl Driven for Alone {
    fn start(&mut self, registry: &Registry, _: Instant) {
        // a program that another test is just starting holds the socket that the port was found with until it has begun
        let bind = || EpmdService::bind(registry, 7, self.port, &self.addresses, self.rules);
        self.service = Some(until("the port to be free", || bind().ok()));
    }
    fn handle(&mut self, token: Token, registry: &Registry, now: Instant) -> bool {
        self.service().handle(token, registry, now)
    }
    fn handle_pending(&mut self, registry: &Registry, now: Instant) -> bool {
        self.service().handle_pending(registry, now)
    }
    fn handle_timeout(&mut self, _: &Registry, now: Instant) -> bool {
        self.service().handle_timeout(now)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.service.as_ref().unwrap().poll_timeout()
    }
    fn poll_event(&mut self) -> Option<EpmdEvent> {
        None
    }
}

/// A poll loop in a thread of its own.
struct Running {
    events: mpsc::Receiver<EpmdEvent>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    waker: mio::Waker,
}

impl Running {
    /// `speed`: how many times faster than the world its clock goes.
    fn new(mut driven: impl Driven, speed: u128) -> Self {
        let mut poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), Token(usize::MAX)).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (sender, events) = mpsc::channel();
        let ending = Arc::clone(&over);
        let (up, is_up) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let start = std::time::Instant::now();
            let now = || Instant::from_millis(u64::try_from(start.elapsed().as_millis() * speed).unwrap());
            let mut happened = mio::Events::with_capacity(16);
            driven.start(poll.registry(), now());
            up.send(()).unwrap();
            let mut pending = false;
            while !ending.load(Ordering::Relaxed) {
                while let Some(event) = driven.poll_event() {
                    let _ = sender.send(event);
                }
                let speed = u32::try_from(speed).unwrap();
                let wait = driven.poll_timeout().map(|at| at.since(now()) / speed + Duration::from_millis(1));
                poll.poll(&mut happened, if pending { Some(Duration::ZERO) } else { wait }).unwrap();
                pending = driven.handle_pending(poll.registry(), now());
                for event in &happened {
                    pending |= driven.handle(event.token(), poll.registry(), now());
                }
                if driven.poll_timeout().is_some_and(|at| at <= now()) {
                    pending |= driven.handle_timeout(poll.registry(), now());
                }
            }
        });
        is_up.recv().unwrap();
        Self { events, over, thread: Some(thread), waker }
    }

    fn client(mode: Epmd, alive: &str, port: u16) -> Self {
        let settings = EpmdSettings { port, ..EpmdSettings::default() };
        Self::new(EpmdClient::new(mode, alive, 40_000, true, settings, 3).unwrap(), 1)
    }

    fn service(port: u16, addresses: &[IpAddr], speed: u128) -> Self {
        Self::new(Alone { port, addresses: addresses.to_vec(), rules: RULES, service: None }, speed)
    }

    fn event(&self) -> EpmdEvent {
        self.events.recv_timeout(PATIENCE).expect("waited in vain for an event")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.waker.wake().unwrap();
        if self.thread.take().unwrap().join().is_err() && !std::thread::panicking() {
            panic!("the poll loop panicked");
        }
    }
}

/// How an EPMD took a request: what it wrote, and whether it then closed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    answer: Vec<u8>,
    closed: bool,
}

impl Taken {
    /// What came of it later.
    fn add(&mut self, later: Self) {
        self.answer.extend(later.answer);
        self.closed = later.closed;
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(QUIET)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn answer(stream: &mut TcpStream) -> Taken {
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Taken { answer, closed: true },
            Ok(count) => answer.extend_from_slice(&bytes[..count]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Taken { answer, closed: false },
            // closed with bytes of ours unread
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return Taken { answer, closed: true },
            Err(e) => panic!("{e}"),
        }
    }
}

fn ask(port: u16, pieces: &[&[u8]]) -> (TcpStream, Taken) {
    let mut stream = connect(port);
    for piece in pieces {
        if stream.write_all(piece).is_err() {
            break;
        }
        if pieces.len() > 1 {
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    let taken = answer(&mut stream);
    (stream, taken)
}

/// A registration, and its result: 0 if it was taken.
fn register(port: u16, name: &str) -> (TcpStream, u8) {
    let mut stream = connect(port);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&alive(name.as_bytes(), 6, b"")).unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).unwrap();
    (stream, answer[1])
}

fn alive(name: &[u8], highest: u16, extra: &[u8]) -> Vec<u8> {
    let info = NodeInfo { highest, lowest: 5, name, extra, ..NodeInfo::own("", 40_000, false) };
    let mut buf = vec![0; 8192];
    let len = Request::Alive2(info).emit(&mut buf).unwrap();
    buf[..len].to_vec()
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// What may differ between two EPMDs: creations, their own port, numbers of connections.
fn levelled(mut taken: Taken, port: u16) -> Taken {
    let bytes = &mut taken.answer;
    match bytes.as_slice() {
        [b'v', 0, creation @ ..] => {
            assert!(creation.len() == 4 && u32::from_be_bytes(creation.try_into().unwrap()) >= 4);
            bytes.truncate(2);
        }
        [b'y', 0, creation @ ..] => {
            assert!(creation.len() == 2 && (1..=3).contains(&u16::from_be_bytes(creation.try_into().unwrap())));
            bytes.truncate(2);
        }
        list if list.starts_with(&u32::from(port).to_be_bytes()) => {
            let pieces = list[4..].split_inclusive(|byte| *byte == b'=').map(|piece| {
                let digits = piece.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
                if piece.get(1 + digits).is_some_and(|byte| b" \n".contains(byte)) && piece[0] == b' ' && digits < 4 {
                    piece[1 + digits..].to_vec()
                } else {
                    piece.to_vec()
                }
            });
            *bytes = pieces.collect::<Vec<_>>().concat();
        }
        _ => {}
    }
    taken
}

/// The same bytes in the same order to both, `held` connections kept until the end.
fn compare(ports: [u16; 2], held: &mut Vec<[TcpStream; 2]>, pieces: &[&[u8]]) -> Taken {
    let [(real, theirs), (served, ours)] = std::thread::scope(|scope| {
        let asked = ports.map(|port| scope.spawn(move || ask(port, pieces)));
        asked.map(|asked| asked.join().unwrap())
    });
    let level = |theirs: &Taken, ours: &Taken| [levelled(theirs.clone(), ports[0]), levelled(ours.clone(), ports[1])];
    let differ = |[theirs, ours]: [Taken; 2]| theirs != ours;
    let ([mut real, mut served], [mut theirs, mut ours]) = ([real, served], [theirs, ours]);
    // one that seems to be silent may be slow
    let deadline = std::time::Instant::now() + PATIENCE / 4;
    while differ(level(&theirs, &ours)) && std::time::Instant::now() < deadline {
        theirs.add(answer(&mut real));
        ours.add(answer(&mut served));
    }
    let [theirs, ours] = level(&theirs, &ours);
    let shown = &pieces[0][..pieces[0].len().min(60)];
    assert_eq!(ours, theirs, "after {shown:x?} (first ours, then epmd's)");
    held.push([real, served]);
    ours
}

#[test]
fn answers_as_erlangs_own() {
    let ports = [free_port(), free_port()];
    let _real = real_epmd(ports[0]);
    let _served = Running::service(ports[1], &[], 1);
    let mut held = Vec::new();
    let mut same = |request: &[u8]| compare(ports, &mut held, &[request]);
    let long = "\u{1f600}".repeat(254);
    // registrations: all are kept open, refused ones too
    assert_eq!(same(&alive(b"foo", 6, b"")), Taken { answer: b"v\0".into(), closed: false });
    assert_eq!(same(&alive(b"foo", 6, b"")), Taken { answer: b"v\x01\0\0\0c".into(), closed: false });
    assert_eq!(same(&alive(b"foo", 5, b"")), Taken { answer: b"y\x01\0c".into(), closed: false });
    assert_eq!(same(&alive(b"old", 5, b"")), Taken { answer: b"y\0".into(), closed: false });
    for (name, extra) in [
        (long.as_bytes(), &b""[..]),
        (&[b'n'; 255], b""),
        (&[b'n'; 256], b""),
        (&[b'n'; MAX_NAME_BYTES], b""),
        (b"\xff", b""),
        (b"with spaces\nand lines", b""),
        (b"at@sign", b""),
        (b"", b"no name"),
        (b"extra", b"nulls\0\0inside"),
        (b"extra1020", &[b'x'; 1020]),
        (b"extra1021", &[b'x'; 1021]),
        (b"with\0null", b""),
        (b"null\0", b""),
    ] {
        same(&alive(name, 6, extra));
    }
    // the fields of ALIVE2_REQ, damaged
    let good = alive(b"good", 7, b"");
    for cut in 2..good.len() {
        same(&frame(&good[2..cut]));
    }
    let lying = [&alive(b"lying", 6, b"")[2..16], &[0, 9]].concat();
    same(&frame(&lying));
    same(&frame(&[&alive(b"more", 6, b"")[2..], b"zzz"].concat()));
    // look-ups
    for name in
        ["foo", "foo\0", "foo\0\0", "f\0o", "nobody", "old", &long, "extra", "extra1020", "fo", "good", "at@sign", "", "\0"]
    {
        same(&frame(&[b"z", name.as_bytes()].concat()));
    }
    same(&frame(b"z\xff"));
    same(&frame(&[b"z", &[b'n'; 254][..]].concat()));
    same(&frame(&[b"z", &[b'n'; 256][..]].concat()));
    // lists, and requests longer than they need be
    for body in [&b"n"[..], b"nx", b"d", b"dx", b"k", b"kx", b"s", b"sfoo", b"sfoo\0", b"a", b"y", b"\0", b"\xff"] {
        same(&frame(body));
    }
    // lengths that are none, and more bytes than the length says
    for bytes in [&b"\0\0"[..], b"\0\0n", b"\0\x01nn", b"\xff\xff", b"\xff\xffn", b"\0", b"", b"\0\x02n"] {
        same(bytes);
    }
    // in pieces
    for cut in (1..good.len()).step_by(3) {
        let mut name = good.clone();
        name[15] = b'a' + u8::try_from(cut).unwrap();
        compare(ports, &mut held, &[&name[..cut], &name[cut..]]);
    }
    compare(ports, &mut held, &[b"\0", b"\x01", b"n"]);
    compare(ports, &mut held, &[b"\0\x01n", b"late"]);
    // whatever a registered node says ends its registration, and so does its end
    let names = || ports.map(|port| levelled(ask(port, &[b"\0\x01n"]).1, port));
    for (at, end) in [(0, "byte"), (3, "close"), (4, "half-close")] {
        let before = names();
        for stream in &mut held[at] {
            match end {
                "byte" => stream.write_all(b"!").unwrap(),
                "close" => stream.shutdown(Shutdown::Both).unwrap(),
                _ => stream.shutdown(Shutdown::Write).unwrap(),
            }
        }
        until("both to notice", || {
            let [theirs, ours] = names();
            (theirs == ours && theirs != before[0]).then_some(())
        });
        compare(ports, &mut Vec::new(), &[b"\0\x01n"]);
        compare(ports, &mut Vec::new(), &[b"\0\x01d"]);
    }
    // a refused one may do what it wants
    held[1].iter_mut().for_each(|stream| stream.write_all(b"!").unwrap());
    let mut again = Vec::new();
    assert_eq!(compare(ports, &mut again, &[&alive(b"foo", 6, b"")]).answer, b"v\0");
    compare(ports, &mut Vec::new(), &[b"\0\x01d"]);
    drop(again);
}

/// The one difference on purpose: epmd registers a name of 255 characters and then cannot find it, since it counts the NUL it put
/// behind.
#[test]
fn finds_the_longest_name_it_registers() {
    let port = free_port();
    let _served = Running::service(port, &[], 1);
    let name = [b'n'; 255];
    let (_held, taken) = ask(port, &[&alive(&name, 6, b"")]);
    assert!(taken.answer.starts_with(b"v\0"));
    assert!(ask(port, &[&frame(&[b"z", &name[..]].concat())]).1.answer.starts_with(b"w\0"));
}

#[test]
fn a_flood_of_connections_takes_no_name_away() {
    let port = free_port();
    let _served = Running::service(port, &[], 1);
    let (held, taken) = ask(port, &[&alive(b"held", 6, b"")]);
    assert!(taken.answer.starts_with(b"v\0"));
    let mut silent: Vec<_> = (0..200).map(|_| connect(port)).collect();
    let crumbs: Vec<_> = (0..20).map(|_| ask(port, &[b"\0"]).0).collect();
    assert_eq!(names(port).keys().collect::<Vec<_>>(), ["held"]);
    // the first ones were closed to make place for the last ones, which are open
    until("the first to be let go", || answer(&mut silent[0]).closed.then_some(()));
    assert!(!answer(silent.last_mut().unwrap()).closed);
    // answers nobody reads, from requests that all came at once
    for stream in &mut silent[150..] {
        let _ = stream.write_all(b"\0\x01n");
    }
    assert_eq!(names(port).len(), 1);
    drop((crumbs, held));
    until("the name is free", || names(port).is_empty().then_some(()));
}

#[test]
fn as_many_names_as_there_is_room_for() {
    let port = free_port();
    let _served = Running::service(port, &[], 1);
    let registered = super::super::epmd_service::NAMES;
    let mut held: Vec<_> = (0..registered).map(|n| register(port, &format!("node{n}"))).collect();
    assert!(held.iter().all(|(_, result)| *result == 0));
    for n in registered..100 {
        let (mut full, mut taken) = ask(port, &[&alive(format!("node{n}").as_bytes(), 6, b"")]);
        until("the end", || {
            taken.add(answer(&mut full));
            taken.closed.then_some(())
        });
        assert!(taken.answer.is_empty(), "node{n}: {taken:?}");
    }
    assert_eq!(names(port).len(), registered);
    held.drain(..10);
    until("ten names are free", || (names(port).len() == registered - 10).then_some(()));
    assert_eq!(register(port, "new").1, 0);
}

/// A name that EPMD does not take is another's, or there is no room; and when there is, it is taken.
#[test]
fn a_full_epmd_is_told_from_a_name_taken() {
    let port = free_port();
    let _served = Running::service(port, &[], 1);
    let mut held: Vec<_> = (0..super::super::epmd_service::NAMES).map(|n| register(port, &format!("node{n}"))).collect();
    let taken = Running::client(Epmd::External, "node3", port);
    assert!(matches!(taken.event(), EpmdEvent::Refused { alive } if alive == "node3"));
    let late = Running::client(Epmd::External, "late", port);
    assert_eq!(late.event(), EpmdEvent::Full);
    held.pop();
    assert!(matches!(late.event(), EpmdEvent::Registered { embedded: false, .. }));
}

#[test]
fn idle_connections_are_closed_and_names_kept() {
    let port = free_port();
    let _served = Running::service(port, &[], 400);
    let (mut held, _) = ask(port, &[&alive(b"held", 6, b"")]);
    let mut idle = connect(port);
    until("the idle connection is closed", || answer(&mut idle).closed.then_some(()));
    std::thread::sleep(Duration::from_millis(400));
    assert!(!answer(&mut held).closed);
    // on a machine that is busy, and with that clock, whoever asks may be idle for too long
    let names = until("an answer", || epmd_names("127.0.0.1", port, PATIENCE).ok());
    assert!(names.iter().any(|(name, _)| name == "held"));
}

#[test]
fn serves_without_allocating() {
    let mut poll = mio::Poll::new().unwrap();
    let mut service = EpmdService::bind(poll.registry(), 0, free_port(), &[], RULES).unwrap();
    let port = service.port();
    let mut events = mio::Events::with_capacity(16);
    let world = std::thread::spawn(move || {
        for n in 0..100 {
            let (held, _) = register(port, &format!("node{n}"));
            assert_eq!(names(port).get(&format!("node{n}")), Some(&40_000));
            drop(held);
        }
    });
    let allocated = allocation_counter::measure(|| {
        let mut pending = false;
        while !world.is_finished() {
            let wait = if pending { Duration::ZERO } else { Duration::from_millis(100) };
            poll.poll(&mut events, Some(wait)).unwrap();
            pending = service.handle_pending(poll.registry(), Instant::from_millis(0));
            for event in &events {
                pending |= service.handle(event.token(), poll.registry(), Instant::from_millis(0));
            }
        }
    });
    world.join().unwrap();
    assert_eq!(allocated.count_total, 0);
}

/// An address of this host that is not a loopback one, if it has any: connecting to it sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[test]
fn listens_where_it_is_told() {
    let reached = |ip: IpAddr, port| TcpStream::connect_timeout(&(ip, port).into(), QUIET).is_ok();
    let (elsewhere, everywhere, told) = (IpAddr::from([127, 0, 0, 2]), free_port(), free_port());
    let _served = Running::service(everywhere, &[], 1);
    assert!(reached(LOOPBACK_4, everywhere) && reached(elsewhere, everywhere));
    let six = TcpListener::bind("[::1]:0").is_ok();
    assert_eq!(reached(LOOPBACK_6, everywhere), six);
    let _told = Running::service(told, &["127.0.0.3".parse().unwrap(), LOOPBACK_4], 1);
    assert!(reached(LOOPBACK_4, told) && reached("127.0.0.3".parse().unwrap(), told) && !reached(elsewhere, told));
    assert_eq!(reached(LOOPBACK_6, told), six);
    if let Some(own) = own_address() {
        assert!(!reached(own, told));
        // from an address of this host to the same: local as well
        let mut stream = TcpStream::connect((own, everywhere)).unwrap();
        stream.set_read_timeout(Some(QUIET)).unwrap();
        stream.write_all(&alive(b"near", 6, b"")).unwrap();
        assert!(answer(&mut stream).answer.starts_with(b"v\0"));
    }
    let poll = mio::Poll::new().unwrap();
    for (port, addresses) in [(everywhere, &[][..]), (told, &[]), (everywhere, &[LOOPBACK_4])] {
        let taken = EpmdService::bind(poll.registry(), 0, port, addresses, RULES).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    }
}

#[test]
fn epmds_own_commands_work_on_ours() {
    let port = free_port();
    let served = Running::client(Epmd::Embedded, "demo", port);
    assert_eq!(served.event(), EpmdEvent::Serving { port });
    assert!(matches!(served.event(), EpmdEvent::Registered { embedded: true, creation: 4.., .. }));
    let names = printed("epmd", port, &["-names"]);
    assert_eq!(names, format!("epmd: up and running on port {port} with data:\nname demo at port 40000\n"));
    assert!(printed("epmd", port, &["-dump"]).contains("active name     <demo> at port 40000, fd = "));
    assert!(printed("epmd", port, &["-kill"]).contains("Killing not allowed"));
    printed("epmd", port, &["-stop", "demo"]);
    assert_eq!(printed("epmd", port, &["-names"]), names);
    // another epmd does not start beside it
    assert!(command("epmd", port).stderr(Stdio::null()).status().unwrap().success());
}

fn erl(port: u16, name: &str, run: &str) -> Command {
    let mut erl = command("erl", port);
    let run = format!("try {run} catch C:R -> io:format(\"~p~n\", [{{C, R}}]) end, halt().");
    erl.args(["-noinput", "-start_epmd", "false", "-setcookie", "epmd", "-sname", name, "-eval", &run]);
    erl
}

#[test]
fn erl_lives_with_ours() {
    let port = free_port();
    let served = Running::client(Epmd::Auto, "demo", port);
    assert_eq!(served.event(), EpmdEvent::Serving { port });
    let first = erl(port, "first@localhost", "receive stop -> ok end").stdout(Stdio::null()).spawn().unwrap();
    let first = Process(first);
    until("erl registers", || names(port).contains_key("first").then_some(()));
    let second = erl(
        port,
        "second@localhost",
        "io:format(\"~p ~p ~p\", [net_adm:ping('first@localhost'), erlang:system_info(creation) >= 4, \
         lists:sort([N || {N, _} <- element(2, erl_epmd:names({127,0,0,1}))])])",
    );
    let said = { second }.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), r#"pong true ["demo","first","second"]"#);
    // the same name again
    let again = erl(port, "first@localhost", "io:format(\"up\")").output().unwrap();
    let said = String::from_utf8_lossy(&again.stdout).into_owned() + &String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && said.contains("first@localhost seems to be in use"), "{said}");
    drop(first);
    until("its name goes with it", || (names(port).keys().collect::<Vec<_>>() == ["demo"]).then_some(()));
}

#[test]
fn keeps_its_name_with_erlangs_own() {
    let port = free_port();
    let node = Running::client(Epmd::External, "demo", port);
    assert_eq!(node.event(), EpmdEvent::Failed(Reason::Network(NetworkFault::NoEpmd)));
    let epmd = real_epmd(port);
    // tried again every two seconds, without further words
    let first = node.event();
    assert!(matches!(first, EpmdEvent::Registered { embedded: false, creation: 4.., .. }), "{first:?}");
    assert_eq!(printed("epmd", port, &["-names"]).lines().last(), Some("name demo at port 40000"));
    drop(epmd);
    assert_eq!(node.event(), EpmdEvent::Lost);
    let _epmd = real_epmd(port);
    loop {
        match node.event() {
            EpmdEvent::Registered { .. } => break,
            // asked while there was none
            EpmdEvent::Failed(Reason::Network(NetworkFault::NoEpmd)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(names(port).contains_key("demo"));
    // another one of that name
    let other = Running::client(Epmd::External, "demo", port);
    let refused = other.event();
    assert_eq!(refused.to_string(), "another node demo is registered on this host");
    drop(node);
    assert!(matches!(other.event(), EpmdEvent::Registered { .. }));
    drop(other);
    until("withdrawn", || names(port).is_empty().then_some(()));
}

#[test]
fn takes_over_from_erlangs_own() {
    let port = free_port();
    let epmd = real_epmd(port);
    let nodes = ["a", "b", "c"].map(|name| Running::client(Epmd::Auto, name, port));
    for node in &nodes {
        assert!(matches!(node.event(), EpmdEvent::Registered { embedded: false, .. }));
    }
    assert_eq!(names(port).len(), 3);
    // one that is to serve and cannot
    let embedded = Running::client(Epmd::Embedded, "d", port);
    let event = embedded.event();
    assert_eq!(event, EpmdEvent::CannotServe { port, error: ErrorKind::AddrInUse });
    assert_eq!(event.to_string(), format!("cannot serve epmd on port {port}: another one does"));
    drop(embedded);
    drop(epmd);
    // one of them serves, the others register with it
    let mut serving = 0;
    for node in &nodes {
        assert_eq!(node.event(), EpmdEvent::Lost);
        let mut event = node.event();
        if event == (EpmdEvent::Serving { port }) {
            serving += 1;
            event = node.event();
        }
        assert!(matches!(event, EpmdEvent::Registered { .. }), "{event:?}");
    }
    assert_eq!((serving, names(port).len()), (1, 3));
}

/// A client with an EPMD on this port, whose time passes as the test says.
fn by_hand(alive: &str, port: u16) -> (mio::Poll, EpmdClient) {
    let poll = mio::Poll::new().unwrap();
    let mut client = EpmdClient::new(Epmd::External, alive, 40_000, true, EpmdSettings::new(port), 0).unwrap();
    client.start(poll.registry(), Instant::default());
    (poll, client)
}

/// Hands such a client what happens, until this is so.
fn turns(poll: &mut mio::Poll, client: &mut EpmdClient, now: Instant, is_so: impl Fn(&EpmdClient) -> bool) {
    let mut happened = mio::Events::with_capacity(16);
    until("what is to be", || {
        poll.poll(&mut happened, Some(QUIET)).unwrap();
        happened.iter().for_each(|event| _ = client.handle(event.token(), poll.registry(), now));
        is_so(client).then_some(())
    });
}

/// A registration is lost every two seconds; that it was there, and is not, is told the first time, and then when it has lasted.
#[test]
fn an_epmd_that_keeps_no_name_is_told_of_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut poll, mut client) = by_hand("a", listener.local_addr().unwrap().port());
    let mut now = Instant::default();
    let registered = |poll: &mut mio::Poll, client: &mut EpmdClient, now| {
        let (mut stream, _) = listener.accept().unwrap();
        let is_asked = |client: &EpmdClient| match &client.state {
            State::Trying(attempt) => attempt.registration.transmit().is_empty(),
            other => panic!("{other:?}"),
        };
        turns(poll, client, now, is_asked);
        assert!(stream.read(&mut [0; 64]).unwrap() > 0);
        stream.write_all(b"v\0\0\0\0\x07").unwrap();
        stream
    };
    let is_held = |client: &EpmdClient| matches!(client.state, State::Held(_));
    let is_waiting = |client: &EpmdClient| matches!(client.state, State::Waiting { .. });
    let told =
        |client: &mut EpmdClient| core::iter::from_fn(|| client.poll_event()).map(|event| event.to_string()).collect::<Vec<_>>();
    let (up, lost) = ("registered with epmd on port", "epmd is gone");
    let is = |client: &mut EpmdClient, words: &[&str]| {
        let told = told(client);
        assert!(
            told.len() == words.len() && told.iter().zip(words).all(|(told, words)| told.contains(words)),
            "{told:?} {words:?}"
        );
    };
    for words in [&[up, lost][..], &[], &[]] {
        let stream = registered(&mut poll, &mut client, now);
        turns(&mut poll, &mut client, now, is_held);
        drop(stream);
        turns(&mut poll, &mut client, now, is_waiting);
        is(&mut client, words);
        now = now.after(AGAIN);
        client.handle_timeout(poll.registry(), now);
    }
    let stream = registered(&mut poll, &mut client, now);
    turns(&mut poll, &mut client, now, is_held);
    assert_eq!((told(&mut client), client.poll_timeout()), (Vec::new(), Some(now.after(AGAIN))));
    now = now.after(AGAIN);
    client.handle_timeout(poll.registry(), now);
    is(&mut client, &[up]);
    assert_eq!(client.poll_timeout(), None);
    drop(stream);
    turns(&mut poll, &mut client, now, is_waiting);
    is(&mut client, &[lost]);
    // this one had lasted
    now = now.after(AGAIN);
    client.handle_timeout(poll.registry(), now);
    let stream = registered(&mut poll, &mut client, now);
    turns(&mut poll, &mut client, now, is_held);
    is(&mut client, &[up]);
    drop(stream);
    turns(&mut poll, &mut client, now, is_waiting);
    is(&mut client, &[lost]);
    // its end came with the answer
    for words in [&["not registered with epmd"][..], &[]] {
        now = now.after(AGAIN);
        client.handle_timeout(poll.registry(), now);
        drop(registered(&mut poll, &mut client, now));
        turns(&mut poll, &mut client, now, is_waiting);
        is(&mut client, words);
    }
}

#[test]
fn what_is_no_epmd_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let node = Running::client(Epmd::External, "a", port);
    let (mut stream, _) = listener.accept().unwrap();
    let _ = stream.read(&mut [0; 64]);
    stream.write_all(b"HTTP/1.1 400 Bad Request").unwrap();
    drop(stream);
    let event = node.event();
    assert!(matches!(event, EpmdEvent::Failed(Reason::Misbehaved(Misbehaved::Epmd(_)))), "{event:?}");
    drop(node);
    // one that closes without an answer, and does not say within ten seconds who has the name
    let (mut poll, mut client) = by_hand("b", port);
    drop(listener.accept().unwrap());
    turns(&mut poll, &mut client, Instant::default(), |client| matches!(client.state, State::Asking(_)));
    client.handle_timeout(poll.registry(), Instant::default().after(ANSWER_LIMIT - Duration::from_millis(1)));
    assert_eq!(client.poll_event(), None);
    client.handle_timeout(poll.registry(), Instant::default().after(ANSWER_LIMIT));
    let event = client.poll_event();
    assert!(matches!(event, Some(EpmdEvent::Failed(Reason::Misbehaved(Misbehaved::Epmd(_))))), "{event:?}");
    drop((client, listener.accept().unwrap()));
    // one that takes the connection and says nothing: ten seconds
    let settings = EpmdSettings::new(port);
    let node = Running::new(EpmdClient::new(Epmd::Auto, "c", 1, false, settings, 0).unwrap(), 100);
    assert_eq!(node.event(), EpmdEvent::Failed(Reason::Network(NetworkFault::TimedOut)));
    let error = epmd_names("127.0.0.1", port, Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.to_string(), format!("asking epmd on 127.0.0.1, port {port}: timed out"));
    drop(listener);
    assert!(epmd_names("127.0.0.1", free_port(), PATIENCE).is_err());
}

#[test]
fn on_the_other_loopback_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return assert!(own_address().is_none_or(|ip| ip.is_ipv4())) };
    let port = listener.local_addr().unwrap().port();
    let node = Running::client(Epmd::External, "a", port);
    let (mut stream, _) = listener.accept().unwrap();
    // one byte at a time
    for byte in b"v\0\0\0\0\x07" {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(node.event(), EpmdEvent::Registered { creation: 7, port, embedded: false });
    stream.write_all(b"!").unwrap();
    assert_eq!(node.event(), EpmdEvent::Lost);
}

/// A socket that was bound before, as systemd hands one over: it is served on, and who came before us is answered.
#[test]
fn a_socket_at_hand_is_served_on() {
    for mode in [Epmd::Auto, Epmd::Embedded] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut early = connect(port);
        early.write_all(&frame(b"n")).unwrap();
        let mut client = EpmdClient::new(mode, "a", 40_000, true, EpmdSettings::new(port), 3).unwrap();
        client.serve_on(vec![listener]);
        let node = Running::new(client, 1);
        assert_eq!(node.event(), EpmdEvent::Serving { port });
        assert!(matches!(node.event(), EpmdEvent::Registered { embedded: true, .. }));
        early.set_read_timeout(Some(PATIENCE)).unwrap();
        let names = answer(&mut early).answer;
        assert_eq!(names.get(4..).map(String::from_utf8_lossy).as_deref(), Some("name a at port 40000\n"));
    }
}

#[test]
fn settings() {
    let read = EpmdSettings::from_values;
    assert_eq!(read(None, None).unwrap(), EpmdSettings::default());
    let both = read(Some("5000"), Some("10.0.0.7, ::1,,192.168.1.1")).unwrap();
    assert_eq!((both.port, both.addresses.len()), (5000, 3));
    for wrong in ["", "0", "65536", "4369x", "-1"] {
        let error = read(Some(wrong), None).unwrap_err();
        assert_eq!(error.to_string(), format!("ERL_EPMD_PORT={wrong:?}: a port is a number from 1 to 65535"));
    }
    let error = read(None, Some("10.0.0.7 localhost")).unwrap_err();
    assert_eq!(error.to_string(), "ERL_EPMD_ADDRESS=\"localhost\": an address of IPv4 or IPv6 is needed");
    assert!(read(None, Some(" , ")).unwrap().addresses.is_empty());
    assert_eq!("embedded".parse(), Ok(Epmd::Embedded));
    assert_eq!("on".parse::<Epmd>(), Err(&*format!("epmd is one of {}", Epmd::WORDS.join(", "))));
    assert!(EpmdClient::new(Epmd::None, "", 1, false, EpmdSettings::default(), 0).is_err());
}

//! Two nodes over a socket of this host: what comes through, and what becomes of the file. `tests/erlang/unix.rs` has the same against Erlang.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use beamless::{Config, Driver, EpmdSettings, Error, Event, Mailbox, NetworkFault, OwnedNode, Reason, Sizes};

const HOME: &str = "home@nowhere.invalid";
const GUEST: &str = "guest@nowhere.invalid";

/// A folder that is not there after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("beamless-unix-{}-{test}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A node without a network. No host is asked for, and there is no EPMD.
struct Side {
    node: OwnedNode,
    driver: Driver,
    inbox: Mailbox,
}

impl Side {
    fn new(name: &str) -> Self {
        let config = Config::hidden(name, "secret").unwrap();
        let mut node = OwnedNode::new(config, Sizes::new(4, 1, 16_384)).unwrap();
        let inbox = node.register("inbox").unwrap();
        let driver = Driver::outgoing(&EpmdSettings::new(1), &mut node).unwrap();
        Self { node, driver, inbox }
    }

    fn turn(&mut self) {
        self.driver.poll(&mut self.node, Some(Duration::ZERO)).unwrap();
    }

    fn is_up(&self) -> bool {
        self.node.peers().next().is_some()
    }

    fn send(&mut self, to: &str, number: i64) -> bool {
        self.node.outbox(self.inbox).unwrap().send(("inbox", to), |t| t.int(number)).is_ok()
    }

    fn read(&mut self) -> Option<i64> {
        self.node.recv(self.inbox).map(|(message, _)| message.term().as_i64().unwrap())
    }

    /// Dials until it has failed.
    fn failure(&mut self, peer: &str) -> NetworkFault {
        self.node.connect(peer).unwrap();
        let mut fault = None;
        until("the dial to fail", || {
            self.turn();
            while let Some(event) = self.node.poll_event() {
                match event {
                    Event::ConnectFailed { reason: Reason::Network(why), .. } => fault = Some(why),
                    event => panic!("{event}"),
                }
            }
            fault.is_some()
        });
        fault.unwrap()
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(240);
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
    }
}

fn refusal(result: beamless::Result<()>) -> (std::io::ErrorKind, String) {
    match result {
        Err(Error::Io(e)) => (e.source.kind(), Error::Io(e).to_string()),
        other => panic!("{other:?}"),
    }
}

/// Two nodes that both listen and both know the other's socket.
fn pair(folder: &Folder) -> (Side, Side) {
    let (mut home, mut guest) = (Side::new(HOME), Side::new(GUEST));
    home.driver.listen_unix(folder.at("home")).unwrap();
    guest.driver.listen_unix(folder.at("guest")).unwrap();
    home.driver.set_socket(GUEST, folder.at("guest")).unwrap();
    guest.driver.set_socket(HOME, folder.at("home")).unwrap();
    (home, guest)
}

#[test]
fn a_thousand_messages_there_and_back_in_order() {
    let folder = Folder::new("thousand");
    let (mut home, mut guest) = pair(&folder);
    let (mut sent, mut answered, mut read) = (0, 0, 0);
    until("all to be there", || {
        while sent < 1000 && guest.send(HOME, sent) {
            sent += 1;
        }
        guest.turn();
        home.turn();
        while let Some(number) = home.read() {
            assert_eq!(number, answered);
            assert!(home.send(GUEST, number));
            answered += 1;
        }
        while let Some(number) = guest.read() {
            assert_eq!(number, read);
            read += 1;
        }
        read == 1000
    });
    home.driver.close(&mut home.node, Duration::ZERO).unwrap();
    let mut down = None;
    until("the end to be seen", || {
        guest.turn();
        while let Some(event) = guest.node.poll_event() {
            if let Event::NodeDown { reason, .. } = event {
                down = Some(reason);
            }
        }
        down.is_some()
    });
    assert_eq!(down, Some(Reason::ClosedByPeer));
}

#[test]
fn both_dial_and_one_connection_is_left() {
    let folder = Folder::new("both");
    let (mut home, mut guest) = pair(&folder);
    home.node.connect(GUEST).unwrap();
    guest.node.connect(HOME).unwrap();
    until("both to be up", || {
        home.turn();
        guest.turn();
        home.is_up() && guest.is_up()
    });
    assert!(home.send(GUEST, 1) && guest.send(HOME, 2));
    let (mut to_home, mut to_guest) = (None, None);
    until("a message each way", || {
        home.turn();
        guest.turn();
        to_home = to_home.or(home.read());
        to_guest = to_guest.or(guest.read());
        to_home.is_some() && to_guest.is_some()
    });
    assert_eq!((to_home, to_guest), (Some(2), Some(1)));
    assert_eq!((home.node.peers().count(), guest.node.peers().count()), (1, 1));
}

#[test]
fn a_socket_that_is_left_over_makes_way_and_one_in_use_does_not() {
    let folder = Folder::new("stale");
    let path = folder.at("node");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (mut home, mut late) = (Side::new(HOME), Side::new(GUEST));
    home.driver.listen_unix(&path).unwrap();
    let (kind, text) = refusal(late.driver.listen_unix(&path));
    assert_eq!(kind, std::io::ErrorKind::AddrInUse);
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    // whoever came second has taken nothing away
    late.driver.set_socket(HOME, &path).unwrap();
    late.node.connect(HOME).unwrap();
    until("both to be up", || {
        home.turn();
        late.turn();
        home.is_up() && late.is_up()
    });
    drop(late);
    assert!(path.exists());
    drop(home);
    assert!(!path.exists());
}

#[test]
fn the_file_goes_with_close_and_with_another_socket_and_never_one_of_others() {
    let folder = Folder::new("file");
    let mut home = Side::new(HOME);
    let (first, second) = (folder.at("first"), folder.at("second"));
    home.driver.listen_unix(&first).unwrap();
    home.driver.listen_unix(&second).unwrap();
    assert_eq!((first.exists(), second.exists()), (false, true));
    home.driver.close(&mut home.node, Duration::ZERO).unwrap();
    assert!(!second.exists());

    let mut home = Side::new(HOME);
    home.driver.listen_unix(&first).unwrap();
    // as when somebody removes it, and another node listens there
    fs::rename(&first, folder.at("away")).unwrap();
    let other = UnixListener::bind(&first).unwrap();
    drop(home);
    assert!(first.exists());
    drop(other);
}

#[test]
fn what_is_no_socket_stays() {
    let folder = Folder::new("other");
    let mut home = Side::new(HOME);
    fs::write(folder.at("text"), "mine").unwrap();
    std::os::unix::fs::symlink("text", folder.at("link")).unwrap();
    for name in ["text", "link"] {
        assert_eq!(refusal(home.driver.listen_unix(folder.at(name))).0, std::io::ErrorKind::AddrInUse, "{name}");
    }
    assert_eq!(fs::read(folder.at("link")).unwrap(), b"mine");
    assert_eq!(refusal(home.driver.listen_unix(folder.at("no/such"))).0, std::io::ErrorKind::NotFound);
    assert_eq!(refusal(home.driver.listen_unix("")).0, std::io::ErrorKind::InvalidInput);
    assert_eq!(refusal(home.driver.listen_unix(folder.at(&"x".repeat(120)))).0, std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_dial_that_fails_says_why() {
    let folder = Folder::new("fails");
    let mut guest = Side::new(GUEST);
    guest.driver.set_socket(HOME, folder.at("none")).unwrap();
    assert_eq!(guest.failure(HOME), NetworkFault::NoSocket);

    drop(UnixListener::bind(folder.at("left")).unwrap());
    guest.driver.set_socket(HOME, folder.at("left")).unwrap();
    assert_eq!(guest.failure(HOME), NetworkFault::NoSocket);

    let closed = folder.at("closed");
    let _listener = UnixListener::bind(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    // nothing is closed to root
    if UnixStream::connect(&closed).is_err() {
        guest.driver.set_socket(HOME, &closed).unwrap();
        assert_eq!(guest.failure(HOME), NetworkFault::Denied);
    }
}

/// Fills the queue of whoever listens there and takes nobody.
fn fill(path: &Path) -> Vec<UnixStream> {
    let mut waiting = Vec::new();
    loop {
        let stream = mio::net::UnixStream::connect(path);
        match stream {
            Ok(stream) => waiting.push(UnixStream::from(std::os::fd::OwnedFd::from(stream))),
            Err(e) => {
                assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock);
                return waiting;
            }
        }
    }
}

#[test]
fn a_dial_waits_while_too_many_wait_already() {
    let folder = Folder::new("queue");
    let path = folder.at("busy");
    let listener = {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
        let fd = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&fd, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&fd, 1).unwrap();
        UnixListener::from(fd)
    };
    let waiting = fill(&path);
    let mut guest = Side::new(GUEST);
    guest.driver.set_socket(HOME, &path).unwrap();
    guest.node.connect(HOME).unwrap();
    for _ in 0..10 {
        guest.turn();
    }
    assert!(guest.node.poll_event().is_none());
    for _ in &waiting {
        listener.accept().unwrap();
    }
    let (mut called, _) = {
        listener.set_nonblocking(true).unwrap();
        let mut call = None;
        until("the dial to come", || {
            guest.turn();
            call = listener.accept().ok();
            call.is_some()
        });
        call.unwrap()
    };
    called.set_nonblocking(true).unwrap();
    let mut packet = [0; 3];
    until("its name", || {
        guest.turn();
        called.read(&mut packet).is_ok()
    });
    // two bytes of length, and `N`
    assert_eq!((packet[0], packet[2]), (0, b'N'));
    called.flush().unwrap();
}

//! Those who attack: strangers at a socket, and nodes that have the cookie. They come from addresses that no honest one has.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use md5::{Digest as _, Md5};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, connect, send, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::stage::Stage;
use super::wire::{CREATION, atom, gen_call, int, reference, to_name, tuple};
use crate::support::{PATIENCE, packet, until};

/// The flags that OTP 26 and later demand.
pub(crate) const DEMANDED: u64 = 0x4_0307_0f94;
/// Those that OTP 27 offers, without the atom cache and fragments.
pub(crate) const FLAGS: u64 = 0xd_074f_4fbc;
/// How many bytes are written at once.
const CHUNK: usize = 256 * 1024;
/// How long an attacker pushes who is not read from.
const STUCK: Duration = Duration::from_millis(200);

/// The address of the attacker with this number.
pub(crate) fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 66, 0, 1)) + u32::try_from(number % 10).unwrap())
}

/// A thousand connections and what other tests have open are more files than many a shell allows.
fn allow_many_files() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(8192).min(8192);
        if limit.current.is_some_and(|current| current < most) {
            setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }).unwrap();
        }
    });
}

/// A connection from that address to this host. Without `waits` it is being made when this returns.
pub(crate) fn connect_from(from: Ipv4Addr, port: u16, waits: bool) -> io::Result<TcpStream> {
    allow_many_files();
    let flags = if waits { SocketFlags::CLOEXEC } else { SocketFlags::CLOEXEC | SocketFlags::NONBLOCK };
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrV4::new(from, 0))?;
    match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
        Err(rustix::io::Errno::INPROGRESS) => {}
        result => result?,
    }
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// So many connections at once that nobody waits for, from ten addresses. `said` is what each says, if it can be sent at once.
pub(crate) fn crowd(count: usize, port: u16, said: impl Fn(usize) -> Vec<u8>) -> Vec<TcpStream> {
    let crowd = (0..count).map(|number| connect_from(address(number), port, false).unwrap());
    let mut crowd: Vec<TcpStream> = crowd.collect();
    for (number, stream) in crowd.iter_mut().enumerate() {
        // some are shown the door by now
        let _ = stream.write_all(&said(number));
    }
    crowd
}

/// Sends a byte as urgent, which is beside the stream.
pub(crate) fn urgent(stream: &TcpStream) {
    let _ = send(stream, b"!", SendFlags::OOB | SendFlags::NOSIGNAL);
}

/// Ends a connection by a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // one that the other side closed is as good as reset
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

pub(crate) fn send_name(node: &str, flags: u64) -> Vec<u8> {
    let mut body = vec![b'N'];
    body.extend(flags.to_be_bytes());
    body.extend(CREATION.to_be_bytes());
    body.extend(u16::try_from(node.len()).unwrap().to_be_bytes());
    body.extend(node.as_bytes());
    packet(&body)
}

pub(crate) fn read_packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Reads to the end of a connection, be it closed or reset.
pub(crate) fn read_to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => panic!("the connection is still open"),
        _ => all,
    }
}

/// What the other side has to say to somebody who says this and no more, to the end.
pub(crate) fn told(stage: &Stage, port: u16, said: &[u8]) -> Vec<u8> {
    let mut stream = stage.stranger_at(port);
    // he may have been shown the door before the last word
    let _ = stream.write_all(said).and_then(|()| stream.shutdown(Shutdown::Write));
    read_to_the_end(stream)
}

/// Sends the name, and reads up to the challenge.
pub(crate) fn challenged(stream: &mut TcpStream, node: &str, flags: u64) -> io::Result<u32> {
    stream.write_all(&send_name(node, flags))?;
    match read_packet(stream)?.as_slice() {
        b"sok" | b"sok_simultaneous" => {}
        b"salive" => stream.write_all(&packet(b"strue"))?,
        other => return Err(io::Error::other(String::from_utf8_lossy(other))),
    }
    let challenge = read_packet(stream)?;
    let challenge = challenge.get(9..13).ok_or(ErrorKind::InvalidData)?;
    Ok(u32::from_be_bytes(challenge.try_into().unwrap()))
}

/// The packet that proves to know the cookie.
pub(crate) fn proof(cookie: &str, challenge: u32) -> Vec<u8> {
    let digest = Md5::digest(format!("{cookie}{challenge}"));
    packet(&[&b"r"[..], &CREATION.to_be_bytes(), &digest].concat())
}

/// A node that has the cookie.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) name: String,
    heard: Arc<Heard>,
    found: Receiver<Vec<u8>>,
}

/// What came to a peer.
#[derive(Default)]
struct Heard {
    frames: AtomicUsize,
    /// Frames with this in them are looked at.
    wanted: Mutex<Vec<u8>>,
}

impl Peer {
    /// A new node that reads what it is sent.
    pub(crate) fn join(stage: &Stage) -> Self {
        Self::join_as(stage, &stage.new_name())
    }

    pub(crate) fn join_as(stage: &Stage, name: &str) -> Self {
        let stream = proven(stage, name);
        let heard = Arc::new(Heard::default());
        let (find, found) = channel();
        let (reading, hearing) = (stream.try_clone().unwrap(), Arc::clone(&heard));
        reading.set_read_timeout(None).unwrap();
        std::thread::spawn(move || listen(reading, &hearing, &find));
        Self { stream, name: name.to_owned(), heard, found }
    }

    /// Sends this. Returns false when the connection is closed.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends so many frames, and waits until they were dealt with.
    pub(crate) fn pour(&mut self, count: u32, make: impl Fn(&str, u32) -> Vec<u8>) {
        let mut chunk = Vec::with_capacity(CHUNK);
        for number in 0..count {
            chunk.extend(make(&self.name, number));
            if chunk.len() >= CHUNK || number + 1 == count {
                assert!(self.send(&chunk), "the connection was closed");
                chunk.clear();
            }
        }
        assert!(self.ping(), "the connection was closed");
    }

    /// Sends a frame and waits for one that has `answer` in it; nothing when the connection was closed.
    pub(crate) fn ask(&mut self, frame: &[u8], answer: &[u8]) -> Option<Vec<u8>> {
        *self.heard.wanted.lock().unwrap() = answer.to_vec();
        self.send(frame);
        match self.found.recv_timeout(PATIENCE) {
            Ok(frame) => Some(frame),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no answer, and the connection is still open"),
        }
    }

    /// Whether the node answers a ping, which is so while it is in step with us, rather than that it ended the connection.
    pub(crate) fn ping(&mut self) -> bool {
        static PINGS: AtomicU32 = AtomicU32::new(0x4000_0000);
        let word = PINGS.fetch_add(1, Ordering::Relaxed);
        let request = tuple(&[atom("is_auth"), atom(&self.name)]);
        let call = gen_call(&self.name, 1, word, &request);
        let ask = to_name(&self.name, 1, "net_kernel", &call);
        let answer = reference(&self.name, word);
        self.ask(&ask, &answer).is_some()
    }

    /// The pid of a mailbox that answers calls.
    pub(crate) fn pid_of(&mut self, mailbox: &str) -> Vec<u8> {
        let call = to_name(&self.name, 1, mailbox, &gen_call(&self.name, 1, 7, &int(7)));
        let answer = reference(&self.name, 7);
        let told = self.ask(&call, &answer).expect("an answer");
        // {22, From, To}: the pid is its tag, an atom, and twelve bytes
        let from = &told[6..];
        from[..1 + 2 + usize::from(from[2]) + 12].to_vec()
    }

    /// The connection was ended. One that is still there answers.
    pub(crate) fn is_shut_out(&mut self) {
        assert!(!self.ping(), "the connection is still open");
    }

    /// How many frames came.
    pub(crate) fn frames(&self) -> usize {
        self.heard.frames.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // else the thread that reads would keep it open
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A connection that is proven.
pub(crate) fn proven(stage: &Stage, name: &str) -> TcpStream {
    until("an attacker with the cookie to be let in", || {
        let mut stream = stage.stranger();
        let challenge = challenged(&mut stream, name, FLAGS).ok()?;
        stream.write_all(&proof(&stage.world.cookie, challenge)).ok()?;
        (read_packet(&mut stream).ok()?[0] == b'a').then_some(stream)
    })
}

fn listen(mut stream: TcpStream, heard: &Heard, find: &Sender<Vec<u8>>) {
    let (mut here, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    while let Some(read) = stream.read(&mut chunk).ok().filter(|read| *read > 0) {
        here.extend(&chunk[..read]);
        let mut at = 0;
        let wanted = heard.wanted.lock().unwrap().clone();
        while let Some(length) = here.get(at..at + 4) {
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            let Some(body) = here.get(at + 4..at + 4 + length) else { break };
            heard.frames.fetch_add(1, Ordering::Relaxed);
            if !wanted.is_empty() && body.windows(wanted.len()).any(|part| part == wanted) {
                let _ = find.send(body.to_vec());
            }
            at += 4 + length;
        }
        here.drain(..at);
    }
}

/// A node with the cookie that asks and asks, and reads nothing: it goes on until nothing more is taken from it.
pub(crate) fn asks_and_never_reads(stage: &Stage, make: impl Fn(&str, u32) -> Vec<u8>) -> TcpStream {
    let name = stage.new_name();
    let mut stream = proven(stage, &name);
    stream.set_write_timeout(Some(STUCK)).unwrap();
    let mut number = 0;
    // what all buffers on the way have room for is far less
    for _ in 0..64 {
        let mut chunk = Vec::with_capacity(CHUNK);
        while chunk.len() < CHUNK {
            chunk.extend(make(&name, number));
            number += 1;
        }
        match stream.write_all(&chunk) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return stream,
            Err(e) => panic!("{e}"),
        }
    }
    stream
}

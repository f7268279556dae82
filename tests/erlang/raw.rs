//! A node of the tests' own making: a socket, a handshake with whatever flags a test likes, and frames of bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use md5::{Digest as _, Md5};

use crate::support::{PATIENCE, packet, register_by_hand, until};

/// The flags that OTP 26 and later demand.
pub(crate) const MANDATORY: u64 = 0x4_0307_0f94;
/// The flags that a peer may leave out, by their names, as far as beamless has a use for them.
pub(crate) const OPTIONAL: [(&str, u64); 11] = [
    ("DIST_MONITOR", 0x8),
    ("DIST_MONITOR_NAME", 0x20),
    ("SMALL_ATOM_TAGS", 0x4000),
    ("SEND_SENDER", 0x8_0000),
    ("EXIT_PAYLOAD", 0x40_0000),
    ("UNLINK_ID", 0x200_0000),
    ("MANDATORY_25_DIGEST", 0x400_0000),
    ("SPAWN", 1 << 32),
    ("V4_NC", 1 << 34),
    ("ALIAS", 1 << 35),
    ("ALTACT_SIG", 1 << 37),
];
/// What a node on Erlang's C library offers.
pub(crate) const LIBEI: u64 = 0x4_0707_4f9c;
pub(crate) const CREATION: u32 = 4711;

/// All of the flags that there are.
pub(crate) fn all_flags() -> u64 {
    OPTIONAL.iter().fold(MANDATORY, |sum, (_, flag)| sum | flag)
}

/// A connection to a node.
pub(crate) struct Raw {
    pub(crate) name: String,
    /// The peer's creation.
    pub(crate) theirs: u32,
    stream: TcpStream,
}

/// A node that waits to be connected to.
pub(crate) struct Waiting {
    pub(crate) name: String,
    pub(crate) port: u16,
    listener: TcpListener,
    /// It is registered as long as this is open.
    _epmd: Option<TcpStream>,
}

impl Waiting {
    /// A node that listens, and that the EPMD at this port knows.
    pub(crate) fn new(name: &str, epmd_port: Option<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let alive = name.split('@').next().unwrap();
        let epmd = epmd_port.map(|epmd| register_by_hand(epmd, alive, port));
        Self { name: name.to_owned(), port, listener, _epmd: epmd }
    }

    /// Takes a connection, with these flags.
    pub(crate) fn accept(&self, cookie: &[u8], flags: u64) -> Raw {
        let (stream, _) = self.listener.accept().unwrap();
        let mut raw = Raw::on(&self.name, stream);
        let hello = raw.read_packet();
        assert_eq!(hello[0], b'N');
        raw.theirs = u32::from_be_bytes(hello[9..13].try_into().unwrap());
        raw.write_packet(b"sok");
        let challenge = 77_u32;
        let name = self.name.as_bytes();
        let length = u16::try_from(name.len()).unwrap().to_be_bytes();
        raw.write_packet(
            &[b"N", &flags.to_be_bytes()[..], &challenge.to_be_bytes(), &CREATION.to_be_bytes(), &length, name].concat(),
        );
        let reply = raw.read_packet();
        assert_eq!((reply[0], &reply[5..]), (b'r', &digest(cookie, challenge)[..]), "the digest");
        let theirs = u32::from_be_bytes(reply[1..5].try_into().unwrap());
        raw.write_packet(&[&b"a"[..], &digest(cookie, theirs)].concat());
        raw
    }
}

impl Raw {
    fn on(name: &str, stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { name: name.to_owned(), theirs: 0, stream }
    }

    /// Connects to the node that listens on this port, as a node of this name.
    pub(crate) fn dial(port: u16, name: &str, cookie: &[u8], flags: u64) -> Self {
        until("a node that is not connecting to us itself", || Self::try_dial(port, name, cookie, flags))
    }

    /// Connects, unless the node goes on with an attempt of its own: a BEAM makes one when something is left to be sent to one of this name.
    fn try_dial(port: u16, name: &str, cookie: &[u8], flags: u64) -> Option<Self> {
        let mut raw = Self::on(name, TcpStream::connect(("127.0.0.1", port)).unwrap());
        let length = u16::try_from(name.len()).unwrap().to_be_bytes();
        raw.write_packet(&[b"N", &flags.to_be_bytes()[..], &CREATION.to_be_bytes(), &length, name.as_bytes()].concat());
        let status = raw.read_packet();
        match &status[..] {
            b"salive" => raw.write_packet(b"strue"),
            b"snok" => return None,
            _ => assert!(status.starts_with(b"sok"), "{status:?}"),
        }
        let theirs = raw.read_packet();
        let challenge = u32::from_be_bytes(theirs[9..13].try_into().unwrap());
        raw.theirs = u32::from_be_bytes(theirs[13..17].try_into().unwrap());
        let ours = 99_u32;
        raw.write_packet(&[b"r", &ours.to_be_bytes()[..], &digest(cookie, challenge)].concat());
        let ack = raw.read_packet();
        assert_eq!((ack[0], &ack[1..]), (b'a', &digest(cookie, ours)[..]), "the digest");
        Some(raw)
    }

    fn write_packet(&mut self, body: &[u8]) {
        self.stream.write_all(&packet(body)).unwrap();
    }

    fn read_packet(&mut self) -> Vec<u8> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut body).unwrap();
        body
    }

    /// Sends a frame with this body, which the peer may not wait for.
    pub(crate) fn send_body(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let _ = self.stream.write_all(&[&length[..], body].concat());
    }

    /// Sends a control message, with a payload or without.
    pub(crate) fn send(&mut self, control: &[u8], payload: &[u8]) {
        let version = if payload.is_empty() { &[][..] } else { &[131][..] };
        self.send_body(&[&[112, 131][..], control, version, payload].concat());
    }

    /// The next frame's body that is no tick; nothing when the peer has closed.
    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut length = [0; 4];
            match self.stream.read_exact(&mut length) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
                Err(_) => return None,
                Ok(()) => {}
            }
            let mut body = vec![0; u32::from_be_bytes(length) as usize];
            self.stream.read_exact(&mut body).ok()?;
            if !body.is_empty() {
                assert_eq!(body[..2], [112, 131]);
                return Some(body);
            }
        }
    }

    /// Sends a control message again and again, until the peer has taken none for a second: it is held up by what is not read here.
    pub(crate) fn send_until_held(&mut self, control: &[u8]) {
        let body = [&[112, 131][..], control].concat();
        let frame = [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat();
        let many = frame.repeat(100);
        self.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        while self.stream.write_all(&many).is_ok() {}
    }

    /// A process of this node.
    pub(crate) fn pid(&self, id: u32) -> Vec<u8> {
        pid(&self.name, id, 0, CREATION)
    }

    pub(crate) fn reference(&self, number: u32) -> Vec<u8> {
        reference(&self.name, number, CREATION)
    }

    /// Asks what `net_adm:ping` asks, and reads until the answer is here: whether it came, and the operations and payloads before it.
    pub(crate) fn ping(&mut self) -> (bool, Vec<Vec<u8>>) {
        let from = self.pid(900);
        let tag = self.reference(900);
        let call = tuple(&[atom("$gen_call"), tuple(&[from.clone(), tag.clone()]), tuple(&[atom("is_auth"), atom(&self.name)])]);
        self.send(&tuple(&[int(6), from, atom(""), atom("net_kernel")]), &call);
        let answer = tuple(&[tag, atom("yes")]);
        let mut before = Vec::new();
        while let Some(body) = self.receive() {
            if body.ends_with(&answer) {
                return (true, before);
            }
            before.push(body);
        }
        (false, before)
    }
}

/// The operation of a frame.
pub(crate) fn op(body: &[u8]) -> u8 {
    assert_eq!((body[2], body[4]), (104, 97));
    body[5]
}

fn digest(cookie: &[u8], challenge: u32) -> Vec<u8> {
    Md5::digest([cookie, challenge.to_string().as_bytes()].concat()).to_vec()
}

pub(crate) fn atom(text: &str) -> Vec<u8> {
    [&[119, u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

pub(crate) fn int(value: u8) -> Vec<u8> {
    vec![97, value]
}

pub(crate) fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
    [&[104, u8::try_from(elements.len()).unwrap()][..], &elements.concat()].concat()
}

pub(crate) fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    if elements.is_empty() {
        return vec![106];
    }
    [&[108][..], &u32::try_from(elements.len()).unwrap().to_be_bytes(), &elements.concat(), &[106]].concat()
}

pub(crate) fn pid(node: &str, id: u32, serial: u32, creation: u32) -> Vec<u8> {
    [&[88][..], &atom(node), &id.to_be_bytes(), &serial.to_be_bytes(), &creation.to_be_bytes()].concat()
}

pub(crate) fn reference(node: &str, number: u32, creation: u32) -> Vec<u8> {
    [&[90, 0, 3][..], &atom(node), &creation.to_be_bytes(), &number.to_be_bytes(), &[0; 8]].concat()
}

/// A term as Erlang reads it: `binary_to_term(..)`.
pub(crate) fn erlang(term: &[u8]) -> String {
    let bytes: Vec<String> = [131].iter().chain(term).map(ToString::to_string).collect();
    format!("binary_to_term(<<{}>>)", bytes.join(","))
}

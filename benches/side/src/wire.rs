//! The least of the protocol that a measuring program needs: both sides of the handshake, and ready-made frames. It checks nothing.

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;

use md5::{Digest, Md5};

/// What all nodes of a run share.
pub const COOKIE: &str = "benches";
/// The node under measurement, its mailbox or process, and whoever measures it.
pub const PEER: &str = "peer@127.0.0.1";
pub const MAILBOX: &str = "peer";
pub const DRIVER: &str = "driver@127.0.0.1";
/// The variable that says for how many peers a node is to have room.
pub const ROOM: &str = "SIDE_ROOM";
/// The variable that says how many microseconds a node is to rest between turns.
pub const REST: &str = "SIDE_REST";
/// The place of an EPMD for those who know no other port than 4369.
pub const OTHER_EPMD: &str = "127.0.0.77";

/// The flags that OTP 26 and later demand, process monitors, and names of 64 bits; no fragments, no atom cache.
const FLAGS: u64 = 0x4_0707_0fbc;
const CREATION: u32 = 4711;

fn digest(challenge: u32) -> [u8; 16] {
    Md5::digest(format!("{COOKIE}{challenge}")).into()
}

fn put(stream: &mut TcpStream, parts: &[&[u8]]) -> Result<()> {
    let body = parts.concat();
    stream.write_all(&[&(body.len() as u16).to_be_bytes()[..], &body].concat())
}

fn get(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut body = vec![0; u16::from_be_bytes(len).into()];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn number(body: &[u8], at: usize) -> Result<u32> {
    let bytes = body.get(at..at + 4).ok_or_else(|| Error::other("a short packet of the handshake"))?;
    Ok(u32::from_be_bytes(bytes.try_into().unwrap()))
}

fn name(kind: u8, challenge: &[u8], me: &str) -> Vec<u8> {
    let len = (me.len() as u16).to_be_bytes();
    [&[kind][..], &FLAGS.to_be_bytes(), challenge, &CREATION.to_be_bytes(), &len, me.as_bytes()].concat()
}

/// Connects to a node as `me`, up to the end of the handshake.
pub fn dial(port: u16, me: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    put(&mut stream, &[&name(b'N', &[], me)])?;
    let status = get(&mut stream)?;
    if status != b"sok" && status != b"sok_simultaneous" {
        return Err(Error::other(format!("the peer said {}", String::from_utf8_lossy(&status))));
    }
    let challenge = number(&get(&mut stream)?, 9)?;
    put(&mut stream, &[b"r", &1_u32.to_be_bytes(), &digest(challenge)])?;
    get(&mut stream)?;
    Ok(stream)
}

/// Takes the handshake of a node that connected, in the old or the new form of its first packet.
pub fn accept(mut stream: TcpStream, me: &str) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    let first = get(&mut stream)?;
    put(&mut stream, &[b"sok"])?;
    put(&mut stream, &[&name(b'N', &1_u32.to_be_bytes(), me)])?;
    let mut reply = get(&mut stream)?;
    if first.first() == Some(&b'n') && reply.first() == Some(&b'c') {
        reply = get(&mut stream)?;
    }
    put(&mut stream, &[b"a", &digest(number(&reply, 1)?)])?;
    Ok(stream)
}

fn atom(text: &str) -> Vec<u8> {
    [&[119, text.len() as u8][..], text.as_bytes()].concat()
}

fn int(value: u32) -> Vec<u8> {
    [&[98][..], &value.to_be_bytes()].concat()
}

/// The pid of a process of the driver's.
pub fn pid() -> Vec<u8> {
    [&[88][..], &atom(DRIVER), &1_u32.to_be_bytes(), &0_u32.to_be_bytes(), &CREATION.to_be_bytes()].concat()
}

fn frame(control: &[&[u8]], payload: &[&[u8]]) -> Vec<u8> {
    let body = [&[112, 131, 104, control.len() as u8][..], &control.concat(), &[131], &payload.concat()].concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

fn to_mailbox(payload: &[&[u8]]) -> Vec<u8> {
    frame(&[&[97, 6], &pid(), &atom(""), &atom(MAILBOX)], payload)
}

/// `{Pid, Binary}`, to which a peer answers `{echo, Binary}`.
pub fn echo(len: usize) -> Vec<u8> {
    to_mailbox(&[&[104, 2], &pid(), &[109], &(len as u32).to_be_bytes(), &vec![b'x'; len]])
}

/// `{reading, I, 21.5, <<"sensor-17">>, #{unit => celsius}}`
fn reading_term(i: u32) -> Vec<u8> {
    let float = [&[70][..], &21.5_f64.to_be_bytes()].concat();
    let text = [&[109, 0, 0, 0, 9][..], b"sensor-17"].concat();
    let map = [&[116, 0, 0, 0, 1][..], &atom("unit"), &atom("celsius")].concat();
    [&[104, 5][..], &atom("reading"), &int(i), &float, &text, &map].concat()
}

/// A reading, to be read in full by the peer.
pub fn reading(i: u32) -> Vec<u8> {
    to_mailbox(&[&reading_term(i)])
}

/// A reading from a peer that only splices bytes, and the place in it where the number stands.
pub fn spliced_reading() -> (Vec<u8>, usize) {
    let whole = frame(&[&[97, 2], &atom(""), &pid()], &[&reading_term(0)]);
    let at = whole.windows(9).position(|w| w == b"\x77\x07reading").unwrap() + 10;
    (whole, at)
}

/// The bytes in front of those of a binary in an answer of a peer that only splices bytes, from the operation on.
pub fn spliced_answer() -> Vec<u8> {
    let whole = frame(&[&[97, 2], &atom(""), &pid()], &[&[104, 2], &atom("echo")]);
    whole[4..].to_vec()
}

/// `{source, Pid, Count}`: the peer is to send so many readings.
pub fn source(count: u32) -> Vec<u8> {
    to_mailbox(&[&[104, 3], &atom("source"), &pid(), &int(count)])
}

/// `{dial, Count}`: the peer is to connect to the driver and leave again, so many times.
pub fn dials(count: u32) -> Vec<u8> {
    to_mailbox(&[&[104, 2], &atom("dial"), &int(count)])
}

/// Registers a node at the EPMD of the driver, for as long as what comes back lives.
pub fn register(port: u16) -> Result<TcpStream> {
    let epmd: u16 = std::env::var("ERL_EPMD_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(4369);
    let mut stream = TcpStream::connect(("127.0.0.1", epmd))?;
    let alive = PEER.split('@').next().unwrap_or_default();
    let len = (alive.len() as u16).to_be_bytes();
    put(&mut stream, &[&[120], &port.to_be_bytes(), &[72, 0, 0, 6, 0, 5], &len, alive.as_bytes(), &[0, 0]])?;
    Ok(stream)
}

//! A node that only splices bytes: it looks at as little as possible, checks nothing, and would be the end of any peer that is not this
//! run's. What a node that reads its messages can come near to, and no more.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _registered = wire::register(listener.local_addr().unwrap().port()).unwrap();
    let mut poll = mio::Poll::new().unwrap();
    let mut events = mio::Events::with_capacity(256);
    listener.set_nonblocking(true).unwrap();
    let mut listener = mio::net::TcpListener::from_std(listener);
    let read = mio::Interest::READABLE;
    poll.registry().register(&mut listener, mio::Token(usize::MAX), read).unwrap();
    let mut peers: Vec<Option<Peer>> = Vec::new();
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            if event.token().0 == usize::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    let stream = std::net::TcpStream::from(std::os::fd::OwnedFd::from(stream));
                    stream.set_nonblocking(false).unwrap();
                    let Ok(stream) = wire::accept(stream, wire::PEER) else { continue };
                    let mut watched = mio::net::TcpStream::from_std(stream.try_clone().unwrap());
                    let place = peers.iter().position(Option::is_none).unwrap_or(peers.len());
                    poll.registry().register(&mut watched, mio::Token(place), read).unwrap();
                    let peer = Some(Peer { stream, _watched: watched, bytes: Vec::new() });
                    if place == peers.len() { peers.push(peer) } else { peers[place] = peer }
                }
            } else if let Some(place) = peers.get_mut(event.token().0) {
                if place.as_mut().is_some_and(|peer| peer.turn().is_none()) {
                    *place = None;
                }
            }
        }
    }
}

/// Bytes that are read at once. When all of them came there may be more.
const AT_ONCE: usize = 64 * 1024;

struct Peer {
    stream: TcpStream,
    _watched: mio::net::TcpStream,
    bytes: Vec<u8>,
}

impl Peer {
    /// Reads what there is, and answers what is there in full.
    fn turn(&mut self) -> Option<()> {
        while self.read()? == AT_ONCE {}
        Some(())
    }

    fn read(&mut self) -> Option<usize> {
        let had = self.bytes.len();
        self.bytes.resize(had + AT_ONCE, 0);
        let n = self.stream.read(&mut self.bytes[had..]).ok().filter(|n| *n > 0)?;
        self.bytes.truncate(had + n);
        let head = wire::echo(0).len() - 4 - 7 - wire::pid().len();
        let answer = wire::spliced_answer();
        let (mut at, mut out) = (0, Vec::new());
        while let Some(len) = self.bytes.get(at..at + 4) {
            let end = at + 4 + u32::from_be_bytes(len.try_into().unwrap()) as usize;
            let Some(body) = self.bytes.get(at + 4..end) else { break };
            at = end;
            let payload = body.get(head..).unwrap_or(&[]);
            match payload {
                [104, 2, 88, ..] => {
                    let binary = &payload[2 + wire::pid().len()..];
                    out.extend(((answer.len() + binary.len()) as u32).to_be_bytes());
                    out.extend(&answer);
                    out.extend(binary);
                }
                [104, 3, ..] => {
                    let count = u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap());
                    self.source(count)?;
                }
                // a reading, or a tick
                _ => {}
            }
        }
        self.bytes.drain(..at);
        self.stream.write_all(&out).ok()?;
        Some(n)
    }

    fn source(&mut self, count: u32) -> Option<()> {
        let (mut frame, at) = wire::spliced_reading();
        let mut batch = Vec::with_capacity(frame.len() * 256);
        for i in 0..count {
            frame[at..at + 4].copy_from_slice(&i.to_be_bytes());
            batch.extend(&frame);
            if i % 256 == 255 || i + 1 == count {
                self.stream.write_all(&batch).ok()?;
                batch.clear();
            }
        }
        Some(())
    }
}

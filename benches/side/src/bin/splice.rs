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
                    let peer = Some(Peer::new(stream, watched));
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
    /// Room, and how much of it came.
    bytes: Vec<u8>,
    has: usize,
    out: Vec<u8>,
    /// Lengths of what is the same in every frame, and what is the same in every answer.
    head: usize,
    pid: usize,
    answer: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream, watched: mio::net::TcpStream) -> Self {
        let pid = wire::pid().len();
        let head = wire::echo(0).len() - 4 - 7 - pid;
        let (bytes, out, answer) = (vec![0; AT_ONCE], Vec::new(), wire::spliced_answer());
        Self { stream, _watched: watched, bytes, has: 0, out, head, pid, answer }
    }

    /// Reads what there is, and answers what is there in full.
    fn turn(&mut self) -> Option<()> {
        while self.read()? == AT_ONCE {}
        Some(())
    }

    fn read(&mut self) -> Option<usize> {
        if self.bytes.len() < self.has + AT_ONCE {
            self.bytes.resize(self.has + AT_ONCE, 0);
        }
        let n = self.stream.read(&mut self.bytes[self.has..self.has + AT_ONCE]).ok().filter(|n| *n > 0)?;
        self.has += n;
        self.out.clear();
        let mut at = 0;
        while let Some(len) = self.bytes[..self.has].get(at..at + 4) {
            let end = at + 4 + u32::from_be_bytes(len.try_into().unwrap()) as usize;
            let Some(body) = self.bytes[..self.has].get(at + 4..end) else { break };
            at = end;
            let payload = body.get(self.head..).unwrap_or(&[]);
            match payload {
                [104, 2, 88, ..] => {
                    let binary = &payload[2 + self.pid..];
                    self.out.extend(((self.answer.len() + binary.len()) as u32).to_be_bytes());
                    self.out.extend(&self.answer);
                    self.out.extend(binary);
                }
                [104, 3, ..] => {
                    let count = u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap());
                    Self::source(&mut self.stream, count)?;
                }
                // a reading, or a tick
                _ => {}
            }
        }
        self.bytes.copy_within(at..self.has, 0);
        self.has -= at;
        self.stream.write_all(&self.out).ok()?;
        Some(n)
    }

    fn source(stream: &mut TcpStream, count: u32) -> Option<()> {
        let (mut frame, at) = wire::spliced_reading();
        let mut batch = Vec::with_capacity(frame.len() * 256);
        for i in 0..count {
            frame[at..at + 4].copy_from_slice(&i.to_be_bytes());
            batch.extend(&frame);
            if i % 256 == 255 || i + 1 == count {
                stream.write_all(&batch).ok()?;
                batch.clear();
            }
        }
        Some(())
    }
}

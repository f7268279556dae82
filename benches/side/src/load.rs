//! The native driver: it writes ready-made frames and counts those that come back, and does little besides, so that it is not what is
//! measured.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

/// A connection to the node that is measured.
pub struct Load {
    stream: mio::net::TcpStream,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    /// Bytes of the frame that is coming which are still to come, and of the length of the next one.
    missing: usize,
    length: [u8; 4],
    has: usize,
}

/// Bytes that are written at once.
const BATCH: usize = 256 * 1024;

impl Load {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).unwrap();
        let mut stream = mio::net::TcpStream::from_std(stream);
        let poll = Poll::new().unwrap();
        poll.registry().register(&mut stream, Token(0), Interest::READABLE | Interest::WRITABLE).unwrap();
        Self { stream, poll, events: Events::with_capacity(4), buffer: vec![0; BATCH], missing: 0, length: [0; 4], has: 0 }
    }

    /// Sends the frame `total` times, with at most `window` of them unanswered, until `answers` frames came. Returns when each answer came
    /// where one is in flight.
    pub fn run(&mut self, frame: &[u8], total: usize, window: usize, answers: usize) -> Vec<Duration> {
        let batch = frame.repeat((BATCH / frame.len()).max(1));
        let (mut sent, mut at, mut came) = (0, 0, 0);
        let mut times = Vec::new();
        let mut since = Instant::now();
        // bytes that may be written
        let mut due = total.min(window) * frame.len();
        let mut allowed = total.min(window);
        loop {
            let mut moved = false;
            while due > 0 {
                let end = batch.len().min(at + due);
                match self.stream.write(&batch[at..end]) {
                    Ok(n) => {
                        moved = true;
                        due -= n;
                        sent += n;
                        at = if at + n == batch.len() { 0 } else { at + n };
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) => panic!("after {sent} bytes: {e}"),
                }
            }
            if came >= answers && due == 0 {
                return times;
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => panic!("the peer closed the connection after {came} answers"),
                Ok(n) => {
                    moved = true;
                    let frames = self.count(n);
                    came += frames;
                    if window == 1 && frames > 0 {
                        times.push(since.elapsed());
                        since = Instant::now();
                    }
                    let more = frames.min(total - allowed);
                    allowed += more;
                    due += more * frame.len();
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => panic!("after {came} answers: {e}"),
            }
            if !moved {
                self.poll.poll(&mut self.events, Some(Duration::from_secs(20))).unwrap();
                assert!(!self.events.is_empty(), "nothing for 20 s, after {came} of {answers} answers");
            }
        }
    }

    /// Counts the frames that end within the first bytes of the buffer; ticks are none.
    fn count(&mut self, n: usize) -> usize {
        let mut frames = 0;
        let mut rest = &self.buffer[..n];
        while !rest.is_empty() {
            if self.missing > 0 {
                let taken = self.missing.min(rest.len());
                self.missing -= taken;
                rest = &rest[taken..];
                frames += usize::from(self.missing == 0);
                continue;
            }
            self.length[self.has] = rest[0];
            rest = &rest[1..];
            self.has += 1;
            if self.has == 4 {
                self.has = 0;
                self.missing = u32::from_be_bytes(self.length) as usize;
            }
        }
        frames
    }
}

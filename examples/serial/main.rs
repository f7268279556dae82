//! A node without sockets, EPMD and `Driver`: it talks through its standard input and output, which may be pipes or a serial port.
//!
//!     mkfifo there back
//!     cargo run --example serial -- a@line secret <there >back &
//!     cargo run --example serial -- b@line secret a@line >there <back
//!
//!     stty -F /dev/ttyUSB0 raw -echo crtscts 115200
//!     cargo run --example serial -- a@line secret </dev/ttyUSB0 >/dev/ttyUSB0
//!
//! What a chip takes over as it stands is in `line.rs` and `echo.rs`. Here is what it brings itself: a clock, a wait for interrupts, and a
//! UART with FIFOs, for which two threads and two channels stand.

mod echo;
mod line;

use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, Thread};

use beamless::{AutoConnect, Config, Error, Instant, IoError, Node, NodeStorage};
use echo::Echo;
use line::{Board, Line, TICK_TIME};

/// Bytes in each FIFO.
const FIFO: usize = 256;

fn main() -> Result<(), Error> {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(cookie), peer) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: serial NODE@HOST COOKIE [PEER@HOST] <LINE >LINE");
        std::process::exit(2);
    };
    // one connection, one mailbox, 8 links or monitors of others, 8 calls or monitors of our own
    let mut storage = NodeStorage::<1, 1, 4096, 8, 8>::sized();
    let config = Config::hidden(&name, &cookie)?.tick_time(TICK_TIME)?.auto_connect(AutoConnect::Never);
    let mut uart = Uart::new();
    let [a, b, c, d, ..] = uart.random().map_err(|e| failed("drawing a random number", e))?.to_le_bytes();
    let mut node = Node::new(config.creation(u32::from_le_bytes([a, b, c, d])), &mut storage);
    let mut echo = Echo::new(&mut node)?;
    let mut line = Line::new(uart, peer.as_deref());
    let start = std::time::Instant::now();
    loop {
        let now = Instant::default().after(start.elapsed());
        match line.turn(&mut node, now, |node| echo.turn(node)) {
            Ok(Some(due)) => thread::park_timeout(due.since(now)),
            Ok(None) => thread::park(),
            Err(e) => {
                line.unplugged(&mut node);
                echo.turn(&mut node);
                return Err(failed("the line", e));
            }
        }
    }
}

fn failed(doing: &str, source: io::Error) -> Error {
    Error::Io(IoError { doing: doing.into(), source })
}

/// Standard input and output as a UART: either FIFO has a thread, which wakes the loop as an interrupt would.
struct Uart {
    received: Receiver<u8>,
    to_send: SyncSender<u8>,
}

impl Uart {
    fn new() -> Self {
        let (from_line, received) = sync_channel(FIFO);
        let (to_send, to_line) = sync_channel(FIFO);
        let (this, also_this) = (thread::current(), thread::current());
        thread::spawn(move || receive(from_line, &this));
        thread::spawn(move || send(to_line, &also_this));
        Self { received, to_send }
    }
}

fn receive(fifo: SyncSender<u8>, waiting: &Thread) {
    for byte in io::stdin().lock().bytes() {
        match byte {
            Ok(byte) if fifo.send(byte).is_ok() => waiting.unpark(),
            Ok(_) => break,
            Err(e) => {
                log::error!("reading from the line: {e}");
                break;
            }
        }
    }
    drop(fifo);
    waiting.unpark();
}

fn send(fifo: Receiver<u8>, waiting: &Thread) {
    let mut line = io::stdout().lock();
    while let Ok(first) = fifo.recv() {
        let bytes: Vec<u8> = std::iter::once(first).chain(fifo.try_iter().take(FIFO)).collect();
        if let Err(e) = line.write_all(&bytes).and_then(|()| line.flush()) {
            log::error!("writing to the line: {e}");
            break;
        }
        waiting.unpark();
    }
    drop(fifo);
    waiting.unpark();
}

impl Board for Uart {
    type Error = io::Error;

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut len: usize = 0;
        for place in into {
            match self.received.try_recv() {
                Ok(byte) => *place = byte,
                Err(TryRecvError::Disconnected) if len == 0 => return Err(ErrorKind::UnexpectedEof.into()),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            len = len.saturating_add(1);
        }
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut len: usize = 0;
        for byte in bytes {
            match self.to_send.try_send(*byte) {
                Ok(()) => len = len.saturating_add(1),
                Err(TrySendError::Full(_)) => break,
                Err(TrySendError::Disconnected(_)) => return Err(ErrorKind::BrokenPipe.into()),
            }
        }
        Ok(len)
    }

    fn random(&mut self) -> io::Result<u64> {
        getrandom::u64().map_err(io::Error::other)
    }
}

//! The node of `examples/serial` on a chip: a Cortex-M4 without operating system, std and heap, whose UART is the line.
//!
//! `cross/test thumbv7em` builds it, and has it talk to a real Erlang, on an emulated board that takes its settings as the
//! program does: `chip NODE@HOST COOKIE [PEER@HOST]`.

#![no_std]
#![no_main]

#[path = "../../serial/echo.rs"]
mod echo;
#[path = "../../serial/line.rs"]
mod line;
mod uart;

use core::sync::atomic::{AtomicU32, Ordering};

use beamless::{AutoConnect, Config, Error, Instant, Node, NodeStorage};
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use echo::Echo;
use line::{Board, Line, TICK_TIME};
use semihosting::{eprintln, experimental, io, process};
use uart::Uart;

/// Hertz of the board's processor.
const CLOCK: u32 = 25_000_000;

/// Milliseconds since the start, of which 49 days fit.
static MILLIS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    MILLIS.fetch_add(1, Ordering::Relaxed);
}

/// Every interrupt but the clock's: the UART's.
// SAFETY: it touches the UART's interrupts and nothing else
#[exception]
unsafe fn DefaultHandler(_: i16) {
    uart::acknowledge();
}

#[entry]
fn main() -> ! {
    let Ok(()) = log::set_logger(&Console) else { process::exit(1) };
    log::set_max_level(log::LevelFilter::Info);
    if let Err(e) = run() {
        log::error!("{e}");
    }
    process::exit(1)
}

fn run() -> Result<(), Error> {
    let args = experimental::env::args::<512>();
    let mut args = args.iter().flatten().flatten().skip(1);
    let (Some(name), Some(cookie), peer) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: chip NODE@HOST COOKIE [PEER@HOST]");
        process::exit(2)
    };
    start_clock();
    // the same memory as that of the program for a computer; here it is a static
    let storage = cortex_m::singleton!(: NodeStorage<1, 1, 4096, 8, 8> = NodeStorage::sized());
    let Some(storage) = storage else { process::exit(1) };
    let mut board = Mps2(Uart::new());
    let Ok([a, b, c, d, ..]) = board.random().map(u64::to_le_bytes) else { process::exit(1) };
    let config = Config::hidden(name, cookie)?.tick_time(TICK_TIME)?.auto_connect(AutoConnect::Never);
    let mut node = Node::new(config.creation(u32::from_le_bytes([a, b, c, d])), storage);
    let mut echo = Echo::new(&mut node)?;
    let mut line = Line::new(board, peer);
    let mut millis: u64 = 0;
    loop {
        // the clock must never go back
        millis += u64::from(MILLIS.load(Ordering::Relaxed).wrapping_sub(millis as u32));
        let now = Instant::from_millis(millis);
        match line.turn(&mut node, now, |node| echo.turn(node)) {
            Ok(due) if due.is_some_and(|due| due <= now) => {}
            Ok(_) => sleep(),
            Err(e) => {
                line.unplugged(&mut node);
                echo.turn(&mut node);
                log::error!("no random numbers: {e}");
                process::exit(1)
            }
        }
    }
}

/// Until the next interrupt, one of which is the clock's within a millisecond. A byte that came meanwhile is not slept over: the processor
/// wakes from what waits for it, and takes it afterwards.
fn sleep() {
    cortex_m::interrupt::free(|_| {
        if !uart::has_byte() {
            cortex_m::asm::wfi();
        }
    });
}

/// A tick of the clock every millisecond.
fn start_clock() {
    let Some(peripherals) = cortex_m::Peripherals::take() else { return };
    let mut clock = peripherals.SYST;
    clock.set_clock_source(SystClkSource::Core);
    clock.set_reload(CLOCK / 1000 - 1);
    clock.clear_current();
    clock.enable_counter();
    clock.enable_interrupt();
}

/// The board: its UART, and for random numbers whoever emulates it. A board to be sold has a generator of its own.
struct Mps2(Uart);

impl Board for Mps2 {
    type Error = io::Error;

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut len = 0;
        for place in into {
            let Some(byte) = self.0.read() else { break };
            *place = byte;
            len += 1;
        }
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.iter().take_while(|byte| self.0.write(**byte)).count())
    }

    fn random(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        experimental::random::fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Where the log goes: to whoever emulates the board.
struct Console;

impl log::Log for Console {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("[{} {}] {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}

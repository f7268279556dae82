//! The board's first UART (Arm's CMSDK), which holds one byte each way and interrupts when a byte has come or gone.

use core::ptr::{read_volatile, write_volatile};

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

const BASE: usize = 0x4000_4000;
const DATA: usize = 0x0;
const STATE: usize = 0x4;
const CONTROL: usize = 0x8;
const INTERRUPT: usize = 0xc;
const BAUD_DIVIDER: usize = 0x10;

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;
/// In both directions: on, and with interrupts.
const ALL_ON: u32 = 0b1111;
/// Of both directions.
const INTERRUPTS: u32 = 0b11;

#[derive(Clone, Copy)]
enum Line {
    Rx,
    Tx,
}

// SAFETY: these are the numbers that the board's manual gives, and each has its own
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        match self {
            Self::Rx => 0,
            Self::Tx => 1,
        }
    }
}

/// The one UART there is.
pub(crate) struct Uart(());

impl Uart {
    /// To be made once.
    pub(crate) fn new() -> Self {
        // 25 MHz to 115,200 baud
        write(BAUD_DIVIDER, 217);
        write(CONTROL, ALL_ON);
        for line in [Line::Rx, Line::Tx] {
            // SAFETY: nothing here relies on an interrupt to be masked
            unsafe { NVIC::unmask(line) };
        }
        Self(())
    }

    pub(crate) fn read(&mut self) -> Option<u8> {
        if !has_byte() {
            return None;
        }
        let [byte, ..] = read(DATA).to_le_bytes();
        Some(byte)
    }

    /// Whether there was room for it.
    pub(crate) fn write(&mut self, byte: u8) -> bool {
        if read(STATE) & TX_FULL != 0 {
            return false;
        }
        write(DATA, byte.into());
        true
    }
}

/// Whether a byte waits to be read.
pub(crate) fn has_byte() -> bool {
    read(STATE) & RX_FULL != 0
}

/// Ends the interrupt: it has woken whoever slept.
pub(crate) fn acknowledge() {
    write(INTERRUPT, INTERRUPTS);
}

fn read(register: usize) -> u32 {
    // SAFETY: the board has its registers there, aligned, and reading one changes no memory
    unsafe { read_volatile((BASE + register) as *const u32) }
}

fn write(register: usize, value: u32) {
    // SAFETY: as above; the UART writes to no memory
    unsafe { write_volatile((BASE + register) as *mut u32, value) }
}

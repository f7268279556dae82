//! All that a peer's bytes, and a program's own calls, can reach in the library without its driver. tests/panics/run builds it and looks at what of
//! it may panic; nobody calls it.
//!
//! The linker drops whatever no function with a name for others can reach, so each of those here keeps what it calls. What they are given, and what
//! comes of it, goes through [`black_box`], so that the compiler knows of neither.

#![no_std]
#![allow(improper_ctypes_definitions, reason = "nobody calls these from another language")]

mod epmd;
mod node;
mod planted;
mod program;
mod term;

use core::fmt::{self, Display, Write};
use core::hint::black_box;

/// Where whatever panics ends. The name stands for all panics: tests/panics/run asks who comes here.
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        black_box(info);
    }
}

/// Bytes that a peer has chosen, and how many of them.
pub struct Bytes {
    bytes: [u8; 4096],
    len: usize,
}

impl Bytes {
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn text(&self) -> &str {
        core::str::from_utf8(self.get()).unwrap_or("")
    }

    /// Two texts.
    fn two(&self) -> (&str, &str) {
        self.text().split_at_checked(7).unwrap_or(("", ""))
    }
}

/// Has the compiler take it for used.
fn used<T>(what: T) {
    black_box(what);
}

/// Copies as much as there is room for.
fn copy(room: &mut [u8], bytes: &[u8]) -> usize {
    room.iter_mut().zip(bytes).map(|(place, byte)| *place = *byte).count()
}

/// Has something shown as text, which goes nowhere.
fn show(what: &dyn Display) {
    struct Nowhere;
    impl Write for Nowhere {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            black_box(text);
            Ok(())
        }
    }
    let _ = black_box(write!(Nowhere, "{what}"));
}

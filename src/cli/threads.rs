//! Threads beside the loop, which do what may take its time.

use std::io;
use std::thread::{Builder, JoinHandle};

/// The bytes of a thread's stack, of which it touches few: nothing large lies there but the buffer of a path.
const STACK: usize = 64 << 10;

/// Starts a thread that does some work. The box has the code around it there once for all kinds of work.
pub(super) fn start(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work)
}

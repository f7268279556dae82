//! Threads beside the loop, which do what may take its time.

use std::io;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The bytes of a thread's stack, of which it touches few: nothing large lies there but the buffer of a path.
const STACK: usize = 64 << 10;

/// Starts a thread that does some work. The box has the code around it there once for all kinds of work.
pub(super) fn start(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work)
}

/// Does what may take longer than it is worth, such as looking a name up, and returns what came of it in that time. What takes longer goes on by
/// itself, and nobody hears of it.
pub(super) fn within<T: Send + 'static>(longest: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::channel();
    let work = move || drop(tell.send(work()));
    // with a whole stack: who knows what the C library needs
    Builder::new().spawn(work).ok()?;
    told.recv_timeout(longest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_longer_is_left() {
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        let (wake, asleep) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(10), move || asleep.recv().is_ok()), None);
        drop(wake);
    }
}

//! Lines on standard output that a slow reader may keep waiting, written by a thread of their own: so the node goes on with what keeps its
//! connections alive.

use std::collections::VecDeque;
use std::io;
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mio::Waker;

use crate::cli::outcome::{Failure, printed, write};

/// The thread that writes lines to standard output.
pub(super) struct Printer {
    shared: Arc<Shared>,
    /// The most lines that wait to be written.
    most: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<Queue>,
    /// It is told of every change that the other side may wait for.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<String>,
    /// One that was taken off them is being written.
    is_writing: bool,
    /// The poll loop waits for room.
    stalled: bool,
    /// No more lines come.
    last: bool,
    /// The thread has ended: all is written, or standard output takes no more.
    ended: bool,
    /// Why it takes no more.
    failed: Option<io::Error>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Queue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next line, as soon as there is one, and true if the poll loop waits for its room.
    fn next(&self) -> Option<(String, bool)> {
        let idle = |state: &mut Queue| state.lines.is_empty() && !state.last;
        let mut state = self.state();
        state.is_writing = false;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        let line = state.lines.pop_front()?;
        state.is_writing = true;
        Some((line, take(&mut state.stalled)))
    }

    fn run(&self, waker: &Waker) {
        let result = self.write_all(waker);
        let mut state = self.state();
        (state.ended, state.failed) = (true, result.err());
        drop(state);
        self.changed.notify_all();
        let _ = waker.wake();
    }

    fn write_all(&self, waker: &Waker) -> io::Result<()> {
        while let Some((line, stalled)) = self.next() {
            if stalled {
                let _ = waker.wake();
            }
            write(io::stdout().lock(), line.as_bytes())?;
        }
        Ok(())
    }
}

impl Printer {
    /// Starts the thread. The poll loop that has this waker may have it hold so many lines.
    pub(super) fn start(waker: Arc<Waker>, most: usize) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let write: Box<dyn FnOnce() + Send> = Box::new(move || of_thread.run(&waker));
        let started = thread::Builder::new().name("beamless-stdout".into()).spawn(write);
        started.map_err(|e| Failure::refused(format!("starting a thread: {e}")))?;
        Ok(Self { shared, most })
    }

    /// Takes a line. Returns false if it has to wait; the driver is woken when there is room.
    pub(super) fn print(&self, line: String) -> bool {
        let mut state = self.shared.state();
        state.stalled = state.lines.len() >= self.most;
        if state.stalled || state.ended {
            return false;
        }
        state.lines.push_back(line);
        self.shared.changed.notify_all();
        true
    }

    /// Takes what must not be left out, however much waits.
    pub(super) fn add(&self, text: &str) {
        self.shared.state().lines.push_back(text.to_owned());
        self.shared.changed.notify_all();
    }

    /// Waits until all is written that was taken, but no longer than that.
    pub(super) fn wait(&self, longest: Duration) {
        let left = |state: &mut Queue| !state.ended && (state.is_writing || !state.lines.is_empty());
        drop(self.shared.changed.wait_timeout_while(self.shared.state(), longest, left));
    }

    /// Tells that no more lines come: the thread ends once those that it took are written, however long that takes.
    pub(super) fn no_more(&self) {
        self.shared.state().last = true;
        self.shared.changed.notify_all();
    }

    /// Returns true if all is written, or standard output takes no more.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.state().ended
    }

    /// Waits for what was taken to be written, but no longer than that. What went wrong with it is a failure.
    pub(super) fn finish(self, longest: Duration) -> Result<(), Failure> {
        self.no_more();
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), longest, |state| !state.ended);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if !state.ended {
            log::warn!("the last lines are lost: nobody reads standard output");
        }
        printed(state.failed.take().map_or(Ok(()), Err))
    }
}

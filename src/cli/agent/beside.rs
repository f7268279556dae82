//! Work that may take its time, as reading a file does of a slow sensor or of a file system that hangs: a thread does it beside the loop.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Waker;

use crate::cli::threads;

/// The time after which a thread is taken for one that hangs, if work waits: another one goes on with that.
const HANGS: Duration = Duration::from_millis(100);

/// The most threads.
const MOST: usize = 16;

type Work = Box<dyn FnOnce() + Send>;

/// The threads beside the loop. There is none until there is work, and one as long as none hangs; those that went on in place of one that
/// hung end when it is back.
pub(super) struct Beside {
    shared: Arc<Shared>,
    waker: Arc<Waker>,
}

struct Shared {
    orders: Mutex<Orders>,
    came: Condvar,
}

struct Orders {
    waiting: VecDeque<Work>,
    threads: usize,
    /// How many of the threads wait for work.
    idle: usize,
    /// The time at which a thread last took up something, or had nothing to do.
    moved: Instant,
}

/// What comes of work that is done beside the loop.
pub(super) struct Awaited<T>(Arc<Mutex<Option<T>>>);

impl<T> Awaited<T> {
    /// Returns what came of it, once.
    pub(super) fn take(&self) -> Option<T> {
        locked(&self.0).take()
    }
}

impl Beside {
    /// Makes threads that wake this loop.
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        let orders = Orders { waiting: VecDeque::new(), threads: 0, idle: 0, moved: Instant::now() };
        Self { shared: Arc::new(Shared { orders: Mutex::new(orders), came: Condvar::new() }), waker }
    }

    /// Does some work, and wakes the loop when it is done.
    pub(super) fn start<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Awaited<T> {
        let done = Arc::new(Mutex::new(None));
        let (result, waker) = (done.clone(), self.waker.clone());
        let work = move || {
            *locked(&result) = Some(work());
            // the loop looks at the latest when it has something else to do
            let _ = waker.wake();
        };
        let mut orders = locked(&self.shared.orders);
        if orders.waiting.is_empty() && orders.threads > 0 {
            orders.moved = Instant::now();
        }
        orders.waiting.push_back(Box::new(work));
        if orders.threads == 0 {
            self.one_more(&mut orders);
        }
        self.shared.came.notify_one();
        Awaited(done)
    }

    /// Has another thread go on if all of them hang.
    pub(super) fn turn(&self) {
        let mut orders = locked(&self.shared.orders);
        if orders.hang().is_some_and(|at| at <= Instant::now()) {
            self.one_more(&mut orders);
        }
    }

    /// Returns when there is something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        locked(&self.shared.orders).hang()
    }

    fn one_more(&self, orders: &mut Orders) {
        orders.moved = Instant::now();
        let shared = self.shared.clone();
        let started = threads::start("files", Box::new(move || shared.work()));
        if started.is_ok() {
            orders.threads = orders.threads.saturating_add(1);
        }
    }
}

impl Orders {
    /// Returns when the threads are to be taken for ones that hang.
    fn hang(&self) -> Option<Instant> {
        let may_be = !self.waiting.is_empty() && self.threads < MOST;
        may_be.then(|| self.moved.checked_add(HANGS)).flatten()
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let mut orders = locked(&self.orders);
            if orders.waiting.is_empty() && orders.idle > 0 {
                // it stood in for one that hung, which is back
                orders.threads = orders.threads.saturating_sub(1);
                return;
            }
            orders.idle = orders.idle.saturating_add(1);
            let mut orders =
                self.came.wait_while(orders, |orders| orders.waiting.is_empty()).unwrap_or_else(PoisonError::into_inner);
            orders.idle = orders.idle.saturating_sub(1);
            let work = orders.waiting.pop_front();
            orders.moved = Instant::now();
            drop(orders);
            work.into_iter().for_each(|work| work());
        }
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use mio::{Events, Poll, Token};

    use super::*;

    #[test]
    fn work_that_hangs_holds_up_none_of_the_others() {
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let beside = Beside::new(Arc::new(waker));
        let (hangs, hung) = mpsc::channel::<u8>();
        let first = beside.start(move || hung.recv().ok());
        let second = beside.start(|| 2);
        let third = beside.start(|| 3);
        let mut events = Events::with_capacity(4);
        let mut wait = |awaited: &Awaited<i32>| loop {
            if let Some(result) = awaited.take() {
                return result;
            }
            let wake = beside.next_wake().map(|at| at.saturating_duration_since(Instant::now()));
            poll.poll(&mut events, wake.or(Some(Duration::from_secs(60)))).unwrap();
            beside.turn();
        };
        assert_eq!((wait(&second), wait(&third)), (2, 3));
        assert!(first.take().is_none());
        assert_eq!(locked(&beside.shared.orders).threads, 2);
        hangs.send(1).unwrap();
        let first = std::iter::repeat_with(|| first.take()).find_map(|result| {
            thread::yield_now();
            result
        });
        assert_eq!(first, Some(Some(1)));
        // all of them have come back, one is enough for what there is, and no more are made
        let mut counts = std::iter::repeat_with(|| {
            thread::yield_now();
            locked(&beside.shared.orders).threads
        });
        assert_eq!(counts.find(|threads| *threads != 2), Some(1));
        assert_eq!(wait(&beside.start(|| 4)), 4);
        assert_eq!(locked(&beside.shared.orders).threads, 1);
    }
}

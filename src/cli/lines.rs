//! Lines in the log of which somebody else can cause any number: [`limited!`] in place of `log::warn!` and `log::info!`.

use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use beamless::{LogLimit, Message, Outbox};
use log::Level;

/// Logs a line that somebody else can cause: `limited!(warn, by, "kind of line", "the line, {}", with, its, parts)`. `by` names who caused it and is
/// empty if nobody in particular did. Each place in the program has a limit of its own, and its kind is what is said of the lines that were held back.
macro_rules! limited {
    (warn, $($rest:tt)+) => { $crate::cli::lines::limited!(@ Warn, 10, $($rest)+) };
    (info, $($rest:tt)+) => { $crate::cli::lines::limited!(@ Info, 10, $($rest)+) };
    // of nodes, of which many may come and go at once
    (info of 40, $($rest:tt)+) => { $crate::cli::lines::limited!(@ Info, 40, $($rest)+) };
    (@ $level:ident, $most:literal, $by:expr, $kind:literal, $($line:tt)+) => {{
        static LINES: $crate::cli::lines::Lines = $crate::cli::lines::Lines::new($kind, $most);
        LINES.log(log::Level::$level, $by, format_args!($($line)+));
    }};
}
pub(super) use limited;

/// Returns the name of the node that a message came from, as long as that is connected: not of the one whose process the message says it is from.
pub(super) fn node_of(message: &Message<'_>, out: &Outbox<'_>) -> String {
    out.peer(message).map_or_else(String::new, |name| name.as_str().to_owned())
}

/// The lines of one place in the program.
pub(super) struct Lines {
    kind: &'static str,
    most: u32,
    /// The limit, while a second is counted.
    limit: Mutex<Option<Box<LogLimit>>>,
}

/// Those places that have logged something within this second.
static BUSY: Mutex<Vec<&Lines>> = Mutex::new(Vec::new());

impl Lines {
    pub(super) const fn new(kind: &'static str, most: u32) -> Self {
        Self { kind, most, limit: Mutex::new(None) }
    }

    fn limit(&self) -> MutexGuard<'_, Option<Box<LogLimit>>> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&'static self, level: Level, by: &str, line: fmt::Arguments<'_>) {
        let mut busy = busy();
        let mut limit = self.limit();
        let limit = limit.get_or_insert_with(|| {
            busy.push(self);
            Box::new(LogLimit::with_lines(self.kind, self.most))
        });
        match level {
            Level::Info => limit.info(by, now(), line),
            _ => limit.warn(by, now(), line),
        }
    }
}

fn busy() -> MutexGuard<'static, Vec<&'static Lines>> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The moment from which the time in the limits is counted.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Returns the time as a [`LogLimit`] takes it.
pub(super) fn now() -> beamless::Instant {
    beamless::Instant::from_millis(u64::try_from(start().elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// Returns that time as everybody else takes it.
pub(super) fn at(time: beamless::Instant) -> Instant {
    let start = start();
    start.checked_add(Duration::from_millis(time.as_millis())).unwrap_or(start)
}

/// Returns when [`tell`] has something to do.
pub(super) fn next_wake() -> Option<Instant> {
    let ends = |lines: &&Lines| lines.limit().as_ref().and_then(|limit| limit.poll_timeout());
    busy().iter().filter_map(ends).min().map(at)
}

/// Returns how long until then.
pub(super) fn wait() -> Option<Duration> {
    next_wake().map(|at| at.saturating_duration_since(Instant::now()))
}

/// Logs how many lines were held back, where the second is over: a limit that is dropped says so.
pub(super) fn tell() {
    let now = now();
    busy().retain(|lines| {
        let mut limit = lines.limit();
        *limit = limit.take().filter(|limit| limit.poll_timeout().is_some_and(|end| end > now));
        limit.is_some()
    });
}

/// Logs how many lines were held back, at the end of the program.
pub(super) fn finish() {
    busy().drain(..).for_each(|lines| drop(lines.limit().take()));
}

//! The log: lines on standard error, or entries of the journal. Whoever reads them holds up nothing: what has no room is dropped and counted.
//!
//! A command that lasts has a thread that writes its lines. Others write them by themselves: they have nothing else to do.

use std::cell::RefCell;
use std::fmt::Write;
use std::os::unix::net::UnixDatagram;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{io, panic, thread};

use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::io::Errno;

use super::outcome::printable;
use super::{systemd, threads};

/// The most bytes of lines that wait; as many again may be with the thread that writes them.
const WAITING: usize = 32 << 10;

/// The bytes that are written at once: a pipe that others write to takes them in one piece.
const PIECE: usize = 4096;

/// The time for which a burst of lines waits for room, once until there is some again.
const BURST: Duration = Duration::from_millis(100);

/// The time that the last lines have to be written, at the end of the program.
const LAST: Duration = Duration::from_secs(1);

/// The socket of the journal.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The beginnings of lines behind which the name follows that a field of the journal has.
const FIELDS: [(&str, &str); 2] = [("mailbox ", "MAILBOX"), ("publish ", "LABEL")];

/// Starts the log with lines of this level and those above; for a command that `lasts` so that whoever reads it cannot hold it up.
pub(super) fn start(level: LevelFilter, lasts: bool) {
    static LOGGER: OnceLock<Logger> = OnceLock::new();
    log::set_max_level(level);
    // there is one already only if this was called before
    let _ = log::set_logger(LOGGER.get_or_init(Logger::new));
    if lasts && threads::start("log", Box::new(Queue::write_on)).is_ok() {
        QUEUE.lock().has_writer = true;
        // what comes first is said first, and whoever does not read does not keep the program from its end
        panic::set_hook(Box::new(|info| {
            log::error!("{info}");
            finish();
        }));
    }
}

/// Gives the last lines a moment to be written.
pub(super) fn finish() {
    let queue = QUEUE.lock();
    if queue.has_writer {
        drop(QUEUE.went.wait_timeout_while(queue, LAST, |queue| queue.is_writing || !queue.bytes.is_empty()));
    }
}

/// Returns how many lines were dropped since the start, because whoever reads the log is too slow.
pub(super) fn dropped() -> u64 {
    QUEUE.lock().dropped
}

thread_local! {
    /// The name of the mailbox whose program has written what is logged.
    static PROGRAM: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Logs what the program behind this mailbox has written: the names in it are not looked at.
pub(super) fn of_program(mailbox: &str, log: impl FnOnce()) {
    PROGRAM.set(mailbox.to_owned());
    log();
    PROGRAM.take();
}

/// Where lines go.
struct Logger {
    /// Standard error is the journal's.
    is_journal: bool,
    /// The journal, if it can be told more than a line.
    journal: Option<UnixDatagram>,
}

impl Logger {
    fn new() -> Self {
        let is_journal = systemd::is_journal();
        Self { is_journal, journal: is_journal.then(journal).and_then(Result::ok) }
    }

    fn line(&self, level: Level, text: &str) {
        let word = match level {
            Level::Error => "error: ",
            Level::Warn => "warn: ",
            Level::Info => "",
            Level::Debug => "debug: ",
            Level::Trace => "trace: ",
        };
        let is_told = |journal: &UnixDatagram| journal.send(entry(level, word, text).as_bytes()).is_ok();
        // The journal asks the system whose an entry is, and one that has ended by then is nobody's: what may be said last goes the way on which
        // that is known.
        let may_be_last = level == Level::Error;
        if !self.journal.as_ref().is_some_and(|journal| !may_be_last && is_told(journal)) {
            let priority = if self.is_journal { format!("<{}>", systemd::priority(level)) } else { String::new() };
            QUEUE.push(format!("{priority}{word}{text}\n").as_bytes(), &priority);
        }
    }
}

impl Log for Logger {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // much of it was said by somebody else
        let text = printable(&record.args().to_string());
        self.line(record.level(), &text);
        if self.is_journal && record.level() <= Level::Warn {
            if let Some(words) = systemd::way_out(&text) {
                self.line(Level::Warn, words);
            }
        }
    }

    fn flush(&self) {}
}

/// Connects to the journal.
fn journal() -> io::Result<UnixDatagram> {
    let journal = UnixDatagram::unbound()?;
    journal.set_nonblocking(true)?;
    journal.connect(JOURNAL)?;
    Ok(journal)
}

/// Returns a line as an entry of the journal, with fields for the nodes, the mailbox or the publish that it speaks of. No value has a line
/// end in it, so that each is one line (systemd's "Native Journal Protocol").
fn entry(level: Level, word: &str, text: &str) -> String {
    let mut entry = format!("MESSAGE={word}{text}\nPRIORITY={}\nSYSLOG_IDENTIFIER=beamless\n", systemd::priority(level));
    let mut add = |field: &str, value: &str| {
        // writing to a text does not fail
        let _ = writeln!(entry, "{field}={value}");
    };
    let program = PROGRAM.with_borrow(|program| printable(program));
    if !program.is_empty() {
        add("MAILBOX", &program);
        return entry;
    }
    for (start, field) in FIELDS {
        if let Some((name, _)) = text.strip_prefix(start).and_then(|rest| rest.split_once(": ")) {
            add(field, name);
        }
    }
    let mut told: Vec<&str> = Vec::new();
    for node in text.split([' ', ',', ';', '(', ')', '\'', '"']).map(|word| word.trim_end_matches([':', '.'])) {
        let is_node = node.split_once('@').is_some_and(|(alive, host)| !alive.is_empty() && !host.is_empty());
        if is_node && !told.contains(&node) {
            add("NODE", node);
            told.push(node);
        }
    }
    entry
}

/// The lines between those who log and the thread that writes.
struct Queue {
    lines: Mutex<Lines>,
    /// There is something to write.
    came: Condvar,
    /// There is room again, or all is written.
    went: Condvar,
}

struct Lines {
    bytes: Vec<u8>,
    /// The lines that were dropped and that the log does not have yet.
    lost: u64,
    /// All that were dropped.
    dropped: u64,
    /// What stands in front of a line that says so.
    priority: String,
    has_writer: bool,
    is_writing: bool,
    /// There was no room for a while: nobody waits for it.
    is_stuck: bool,
}

static QUEUE: Queue = Queue {
    lines: Mutex::new(Lines {
        bytes: Vec::new(),
        lost: 0,
        dropped: 0,
        priority: String::new(),
        has_writer: false,
        is_writing: false,
        is_stuck: false,
    }),
    came: Condvar::new(),
    went: Condvar::new(),
};

impl Lines {
    fn has_room(&self, line: &[u8]) -> bool {
        self.bytes.is_empty() || self.bytes.len().saturating_add(line.len()) <= WAITING
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line to be written, or drops it.
    fn push(&self, line: &[u8], priority: &str) {
        let mut lines = self.lock();
        if !lines.has_writer {
            drop(lines);
            return write(line);
        }
        if !lines.has_room(line) && !lines.is_stuck {
            let waited = self.went.wait_timeout_while(lines, BURST, |lines| !lines.has_room(line));
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
            lines.is_stuck = !lines.has_room(line);
        }
        if lines.has_room(line) {
            lines.bytes.extend_from_slice(line);
            self.came.notify_one();
        } else {
            lines.lost = lines.lost.saturating_add(1);
            lines.dropped = lines.dropped.saturating_add(1);
            priority.clone_into(&mut lines.priority);
        }
    }

    /// Writes what comes, for ever.
    fn write_on() {
        let mut bytes = Vec::new();
        loop {
            let mut lines = QUEUE.lock();
            lines.is_writing = false;
            QUEUE.went.notify_all();
            lines = QUEUE.came.wait_while(lines, |lines| lines.bytes.is_empty()).unwrap_or_else(PoisonError::into_inner);
            core::mem::swap(&mut bytes, &mut lines.bytes);
            (lines.is_writing, lines.is_stuck) = (true, false);
            let lost = core::mem::take(&mut lines.lost);
            if lost > 0 {
                let words = format!("{}warn: {lost} lines of the log were lost: whoever reads it is too slow\n", lines.priority);
                bytes.extend_from_slice(words.as_bytes());
            }
            drop(lines);
            QUEUE.went.notify_all();
            write(&bytes);
            bytes.clear();
            bytes.shrink_to(PIECE);
        }
    }
}

/// Writes lines on standard error, for as long as that takes.
fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(io::stderr(), piece(bytes)) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or(&[]),
            Err(Errno::INTR) => {}
            // somebody else who has it does not want to wait
            Err(Errno::AGAIN) => thread::sleep(BURST),
            // nobody reads any more
            Err(_) => return,
        }
    }
}

/// Returns as many whole lines as are written at once, or a longer one.
fn piece(bytes: &[u8]) -> &[u8] {
    let first = bytes.get(..PIECE).unwrap_or(bytes);
    let is_end = |byte: &u8| *byte == b'\n';
    let end = first.iter().rposition(is_end).or_else(|| bytes.iter().position(is_end));
    end.and_then(|end| bytes.get(..=end)).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_names_of_a_line() {
        let fields = |text: &str| {
            let entry = entry(Level::Warn, "warn: ", text);
            entry.strip_prefix(&format!("MESSAGE=warn: {text}\nPRIORITY=4\nSYSLOG_IDENTIFIER=beamless\n")).unwrap().to_owned()
        };
        assert_eq!(fields("node up: hub@nuc3 (visible)"), "NODE=hub@nuc3\n");
        assert_eq!(fields("cannot connect to a@b.c, 'd@e': a@b.c. again"), "NODE=a@b.c\nNODE=d@e\n");
        assert_eq!(fields("mailbox sensor: no answer to a@b: full"), "MAILBOX=sensor\nNODE=a@b\n");
        assert_eq!(fields("publish cpu load: no reading: @"), "LABEL=cpu load\n");
        assert_eq!(fields("stopped"), "");
        of_program("sensor", || assert_eq!(fields("sensor: publish x: from a@b"), "MAILBOX=sensor\n"));
        assert_eq!(fields("sensor: x"), "");
    }

    #[test]
    fn a_piece_is_whole_lines() {
        assert_eq!(piece(b"a\nb\nc"), b"a\nb\n");
        assert_eq!(piece(b"abc"), b"abc");
        let long = [&[b'a'; PIECE][..], b"b\n", b"c\n"].concat();
        assert_eq!(piece(&long), &long[..PIECE + 2]);
    }
}

//! The status on a screen, drawn anew every second.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use mio::{Interest, Token};
use rustix::termios::tcgetwinsize;
use signal_hook::consts::{SIGCONT, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::emulate_default_handler;

use super::round::Round;
use super::subject::{State, Subject};
use super::table::Line;
use super::view;
use crate::cli::local;
use crate::cli::outcome::Failure;
use crate::cli::tool::printer::Printer;

/// The time between two pictures.
const EVERY: Duration = Duration::from_secs(1);
/// The longest wait for what is still to be written.
const CLOSING: Duration = Duration::from_secs(1);
const SIGNALS: Token = Token(0);

/// The other screen of a terminal, without a cursor, where no line goes on below its end.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Returns how many columns and lines there are: of the terminal, else of the environment, else 80 by 24.
pub(super) fn size() -> (usize, usize) {
    let of_terminal = tcgetwinsize(io::stdout()).map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    let of_environment = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let or = |found: usize, name, default| if found > 0 { found } else { of_environment(name).unwrap_or(default) };
    let (columns, lines) = of_terminal.unwrap_or_default();
    (or(columns, "COLUMNS", 80), or(lines, "LINES", 24))
}

/// What is drawn on.
struct Screen<'p> {
    printer: &'p Printer,
    is_terminal: bool,
}

impl<'p> Screen<'p> {
    fn new(printer: &'p Printer) -> Self {
        let screen = Self { printer, is_terminal: io::stdout().is_terminal() };
        screen.write(ENTER);
        screen
    }

    /// Writes what only a terminal is told.
    fn write(&self, text: &str) {
        if self.is_terminal {
            self.printer.add(text);
        }
    }

    /// Returns the picture, which is drawn over the one before.
    fn picture(&self, subjects: &mut [Subject]) -> String {
        let (columns, lines) = size();
        if !self.is_terminal {
            let parts = view::draw(subjects, columns);
            return parts.iter().flatten().map(|line| line.text.clone() + "\n").collect::<String>() + "\n";
        }
        if subjects.len().saturating_add(3) > lines {
            // those that somebody should look at are to be seen
            subjects.sort_by_key(|subject| matches!(subject.state, State::Ok | State::Up));
        }
        picture(&view::fit(&view::draw(subjects, columns), lines), lines)
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        self.write(LEAVE);
    }
}

/// Returns what draws these lines over whatever is there, on a screen of that height.
fn picture(lines: &[Line], height: usize) -> String {
    let mut out = "\x1b[H".to_owned();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out += "\r\n";
        }
        // before the text: behind one that is as wide as the screen, it would take the last column with it
        out += "\x1b[K";
        out += &if line.stands_out { format!("\x1b[1m{}\x1b[m", line.text) } else { line.text.clone() };
    }
    // the rest of the screen, from the next line on
    out + if lines.len() < height { "\r\n\x1b[J" } else { "" }
}

/// Asks and shows, until a signal comes or nobody reads what is written. `line` is what is written of each node in place of a picture.
pub(super) fn watch(round: &mut Round, line: Option<fn(&Subject) -> String>) -> Result<(), Failure> {
    // what is not written by the time of the next picture is out of date: that one is left out
    let printer = Printer::start(round.waker(), 1)?;
    let shown = show(round, line, &printer);
    printer.finish(CLOSING).and(shown)
}

fn show(round: &mut Round, line: Option<fn(&Subject) -> String>, printer: &Printer) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::refused(format!("handling signals: {e}"));
    let mut signals = local::signals(&[SIGINT, SIGTERM, SIGWINCH, SIGTSTP, SIGCONT])?;
    round.registry().register(&mut signals, SIGNALS, Interest::READABLE).map_err(failed)?;
    let screen = line.is_none().then(|| Screen::new(printer));
    loop {
        let next = Instant::now().checked_add(EVERY).unwrap_or_else(Instant::now);
        round.begin();
        // the first picture is there as soon as there is something to see
        let is_first = round.subjects.iter().all(|subject| subject.state == State::Asked);
        while Instant::now() < next && !(is_first && round.left() == 0) {
            round.go_on(next, None)?;
            while round.poll_ready().is_some() {
                for signal in signals.pending() {
                    match (signal, &screen) {
                        (SIGINT | SIGTERM, _) => return Ok(()),
                        (SIGTSTP, _) => {
                            screen.iter().for_each(|screen| screen.write(LEAVE));
                            printer.wait(CLOSING);
                            emulate_default_handler(SIGTSTP).map_err(failed)?;
                        }
                        (SIGCONT, Some(screen)) => screen.write(ENTER),
                        (SIGWINCH, Some(screen)) => {
                            printer.print(screen.picture(&mut round.subjects));
                        }
                        _ => {}
                    }
                }
            }
            if printer.is_closed() {
                return Ok(());
            }
        }
        printer.print(match (&screen, line) {
            (Some(screen), _) => screen.picture(&mut round.subjects),
            (None, line) => round.subjects.iter().filter_map(|subject| Some(line?(subject) + "\n")).collect(),
        });
    }
}

//! The command `beamless status`: shows how nodes are.

mod info;
mod prometheus;
mod round;
mod subject;
mod table;
mod view;
mod watch;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::asking::Asking;
use crate::cli::command_line::options::{COOKIE_FILE, DYNAMIC, JSON, NAME, NODE, SNAME, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::{Opt, Positional, Spec};
use crate::cli::outcome::{Failure, print};
use round::Round;
use subject::{State, Subject};

pub(super) const SPEC: Spec = Spec {
    name: "status",
    help: "Show how nodes are: agents with all they tell, and Erlang nodes",
    about: "Show how nodes are: of one all that it tells, of several a line each. An agent tells of its links, programs, mailboxes, readings and \
        alarms, and of the box; an Erlang node its version, memory and nodes. The exit code is 0 if every node answered and none has an alarm.",
    options: &[
        SNAME,
        NAME,
        DYNAMIC,
        COOKIE_FILE,
        TLS_DIR,
        TIMEOUT,
        ALL,
        WATCH,
        Opt { help: "Print each node as a JSON object", ..JSON },
        PROMETHEUS,
    ],
    positionals: &[Positional { repeats: true, ..NODE }],
    notes: &["Examples: beamless status edge@nuc1\n  beamless status --all --watch hub@nuc3\n  \
        beamless status --prometheus --all hub@nuc3 > beamless.tmp && mv beamless.tmp beamless.prom"],
    lasts: false,
    run: |found| {
        let asking = Asking::read(found)?;
        let (all, watches) = (found.has("all"), found.has("watch"));
        let form = match (found.has("json"), found.has("prometheus")) {
            (true, true) => return Err("--json and --prometheus are two forms: leave one out".to_owned().into()),
            (true, false) => Form::Json,
            (false, true) if watches => {
                return Err("--prometheus is for a file, which is written once: leave --watch out".to_owned().into());
            }
            (false, true) => Form::Prometheus,
            (false, false) => Form::Tables,
        };
        let mut nodes = vec![found.positional("NODE")?];
        while let Some(node) = found.next_positional()? {
            nodes.push(node);
        }
        let mut round = Round::open(&nodes, all, &asking)?;
        if watches {
            return watch::watch(&mut round, (form == Form::Json).then_some(subject::json));
        }
        status(&mut round, form, asking.timeout)
    },
};

const ALL: Opt = Opt {
    long: "all",
    help: "Ask the nodes that each NODE is connected to as well; an Erlang node asks them itself, so that they are reached wherever it reaches them",
    ..Opt::SWITCH
};
const WATCH: Opt = Opt {
    long: "watch",
    help: "Show it anew every second, with what came and went in that second, until SIGINT or SIGTERM",
    ..Opt::SWITCH
};
const PROMETHEUS: Opt = Opt {
    long: "prometheus",
    help: "Print the text format of Prometheus, for the text-file collector of its node_exporter; the exit code is 0 if any node is away, too",
    ..Opt::SWITCH
};

/// What is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Tables,
    Json,
    Prometheus,
}

/// The time after which a person is told that there is something to wait for.
const PATIENCE: Duration = Duration::from_secs(1);
/// The nodes of which each is named that is not well.
const NAMED: usize = 8;

/// Asks once, and prints what came.
fn status(round: &mut Round, form: Form, timeout: Duration) -> Result<(), Failure> {
    ask(round, timeout)?;
    let subjects = &round.subjects;
    match form {
        Form::Tables => {
            let (columns, _) = watch::size();
            for (place, part) in view::draw(subjects, columns).iter().enumerate() {
                if place > 0 {
                    print("")?;
                }
                part.iter().try_for_each(|line| print(&line.text))?;
            }
        }
        Form::Json => subjects.iter().try_for_each(|subject| print(&subject::json(subject)))?,
        Form::Prometheus => return print(&prometheus::written(subjects)),
    }
    judge(subjects)
}

fn ask(round: &mut Round, timeout: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    let deadline = start.checked_add(timeout).unwrap_or(start);
    let mut told = !io::stderr().is_terminal();
    let mut shown = false;
    let word = |text: &str| io::stderr().write_all(text.as_bytes());
    round.begin();
    while round.left() > 0 && Instant::now() < deadline {
        let patient = start.checked_add(PATIENCE).filter(|_| !told).unwrap_or(deadline);
        round.go_on(deadline.min(patient), Some(deadline))?;
        if !told && start.elapsed() >= PATIENCE {
            (told, shown) = (true, true);
            let _ = word(&format!("asking: {} of {} nodes have not answered yet", round.left(), round.subjects.len()));
        }
    }
    if shown {
        let _ = word("\r\x1b[K");
    }
    round.give_up();
    Ok(())
}

/// Fails if a node does not answer, or is not well.
fn judge(subjects: &[Subject]) -> Result<(), Failure> {
    let bad = |subject: &&Subject| !matches!(subject.state, State::Ok | State::Up);
    let mut words: Vec<String> = subjects
        .iter()
        .filter(bad)
        .map(|subject| format!("{} is {}: {}", subject.name, of_state(subject), subject.why))
        .collect();
    if words.len() > NAMED {
        let more = words.len().saturating_sub(NAMED);
        words.truncate(NAMED);
        words.push(format!("and {more} more nodes are not well"));
    }
    let Some(last) = words.pop() else { return Ok(()) };
    words.iter().for_each(|word| log::error!("{word}"));
    Err(Failure::refused(last))
}

fn of_state(subject: &Subject) -> &'static str {
    match subject.state {
        State::Warning => "not well",
        state => state.word(),
    }
}

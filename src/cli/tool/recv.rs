//! The command `beamless recv`: prints what is sent to one name.
//!
//! A thread of its own writes, so that a slow reader holds up the senders, and not the ticks that keep connections alive.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use beamless::{Driver, Epmd, Event, Node, NodeStorage};
use mio::unix::SourceFd;
use mio::{Interest, Token, Waker};
use std::os::fd::AsRawFd;

use crate::cli::command_line::options::{self, EPMD, JSON, LISTEN, NAME, OWN_COOKIE_FILE, QUIET, SNAME, TLS_DIR, VISIBLE};
use crate::cli::command_line::spec::{Found, Opt, Positional, Spec};
use crate::cli::events;
use crate::cli::lines;
use crate::cli::local::{self, Ending, Local};
use crate::cli::outcome::Failure;
use crate::cli::terms::{self, Format, json};
use crate::cli::tls;

/// The memory for connected nodes, the mailbox, and the bytes of the largest message. A static of zeros costs nothing until it is used.
static STORAGE: Mutex<NodeStorage<16, 1, { 1 << 20 }>> = Mutex::new(NodeStorage::new());

const SIGNALS: Token = Token(0);
const STDOUT: Token = Token(1);
/// The most lines that wait to be written; what comes after them waits in the mailbox.
const LINES: usize = 16;
/// The most time that closing may take, and writing what is left when it is told to stop.
const CLOSING: Duration = Duration::from_secs(2);

pub(super) const SPEC: Spec = Spec {
    name: "recv",
    help: "Be a node, and print what is sent to one name: flush() for shells",
    about: "Be a node with one mailbox, and print each message on a line as it comes. What is not printed yet waits, and holds up its sender.",
    options: &[SNAME, NAME, OWN_COOKIE_FILE, TLS_DIR, LISTEN, EPMD, VISIBLE, Opt { help: "Print JSON", ..JSON }, COUNT, QUIET],
    positionals: &[Positional { name: "NAME", help: "The name that messages are sent to", ..Positional::WORD }],
    notes: &[
        "Example: beamless recv --sname inbox news --count 1\n  then, from Erlang: {news,'inbox@HOST'} ! hello.",
        json::PRINTED,
    ],
    lasts: true,
    run: read,
};

const COUNT: Opt = Opt {
    long: "count",
    value: Some("N"),
    help: "End after so many messages; by default at SIGTERM, SIGINT, or when standard output is closed",
    ..Opt::SWITCH
};

struct Recv {
    local: Local,
    format: Format,
    count: Option<u64>,
    mailbox: String,
}

fn read(found: &mut Found) -> Result<(), Failure> {
    let name = options::name(found)?.ok_or_else(|| "the node needs a name: --sname NAME, or --name NAME@HOST".to_owned())?;
    let local = Local {
        name,
        cookie_file: found.path("cookie-file"),
        tls: tls::wanted(found.path("tls-dir").as_deref(), None)?,
        listen: found.text("listen")?,
        epmd: found.parsed("epmd")?.unwrap_or_default(),
        visible: found.has("visible"),
    };
    let count = found.positive("count", "a number of messages, from 1 on")?;
    let recv = Recv { local, format: options::format(found), count, mailbox: found.positional("NAME")? };
    run(&recv)
}

/// Prints until it is told to stop, by a signal, the count, or the end of standard output.
fn run(options: &Recv) -> Result<(), Failure> {
    let (config, driver, cookie, tls) = local::prepare(&options.local)?;
    let mut storage = STORAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut node = Node::new(config, &mut storage);
    let register = |node: &mut Node<'_>| {
        node.register(&options.mailbox).map_err(|e| Failure::usage(format!("{}: {e}; choose another name", options.mailbox)))
    };
    let mut mailbox = register(&mut node)?;
    let home = node.name().map(|name| name.as_str().to_owned()).unwrap_or_default();
    let mut ending = Ending::new()?;
    let without_epmd = driver.epmd == Epmd::None;
    let mut driver = Driver::new(driver, &mut node)?;
    if let Some(tls) = &tls {
        tls::set(&mut driver, tls);
    }
    ending.watch(driver.registry(), SIGNALS)?;
    // a file cannot be watched, and is never closed by its reader
    let _ = driver.registry().register(&mut SourceFd(&io::stdout().as_raw_fd()), STDOUT, Interest::WRITABLE);
    let printer = Printer::start(driver.waker())?;
    let mut announced = false;
    let mut announce = |node: &Node<'_>, driver: &Driver, epmd: &str| {
        if let Some(address) = driver.local_addr().filter(|_| !announced) {
            announced = true;
            local::announce(node, address, epmd, &cookie, tls.as_ref());
        }
    };
    if without_epmd {
        announce(&node, &driver, "no epmd");
    }
    let mut left = options.count;
    let mut registered = false;
    loop {
        driver.poll(&mut node, lines::wait())?;
        lines::tell();
        while left != Some(0) {
            let Some((message, _)) = node.recv(mailbox) else { break };
            if !printer.print(terms::written(message.term(), options.format, &home) + "\n") {
                message.put_back();
                break;
            }
            left = left.map(|left| left.saturating_sub(1));
        }
        while let Some(event) = node.poll_event() {
            match &event {
                // a script is not to wait for what may never be; later it is another node's trouble
                Event::NameTaken if !registered => {
                    return Err(Failure::refused(format!(
                        "{home} is running already: stop that node, or give this one another name"
                    )));
                }
                Event::EpmdFull if !registered => {
                    return Err(Failure::refused("epmd on this host is full: stop another node, or have an epmd with more room"));
                }
                Event::Registered { embedded, port } => {
                    registered = true;
                    let kind = if *embedded { "embedded" } else { "external" };
                    announce(&node, &driver, &format!("epmd {kind} on port {port}"));
                }
                // as a supervisor would
                Event::MailboxEnded { .. } | Event::Missed(_) if node.outbox(mailbox).is_err() => mailbox = register(&mut node)?,
                Event::MailboxEnded { .. } => {}
                event => events::log(event),
            }
        }
        if left == Some(0) {
            printer.no_more();
        }
        let mut over = printer.is_closed();
        while let Some(ready) = driver.poll_ready() {
            // it is watched for writing alone: readable means that nobody reads any more
            over |= match ready.token {
                SIGNALS => ending.has_come(),
                _ => ready.readable,
            };
        }
        if over {
            printer.finish();
            driver.close(&mut node, CLOSING)?;
            return Ok(());
        }
    }
}

/// The thread that writes lines to standard output.
struct Printer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<Queue>,
    /// It is told of every change that the other side may wait for.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<String>,
    /// The poll loop waits for room.
    stalled: bool,
    /// No more lines come.
    last: bool,
    /// The thread has ended: all is written, or standard output takes no more.
    ended: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Queue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next line, as soon as there is one, and true if the poll loop waits for its room.
    fn next(&self) -> Option<(String, bool)> {
        let idle = |state: &mut Queue| state.lines.is_empty() && !state.last;
        let mut state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        let line = state.lines.pop_front()?;
        Some((line, take(&mut state.stalled)))
    }

    fn write_all(&self, waker: &Waker) {
        let mut out = io::stdout().lock();
        while let Some((line, stalled)) = self.next() {
            if stalled {
                let _ = waker.wake();
            }
            if let Err(e) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
                log::debug!("standard output: {e}");
                break;
            }
        }
        self.state().ended = true;
        self.changed.notify_all();
        let _ = waker.wake();
    }
}

impl Printer {
    fn start(waker: Arc<Waker>) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let write: Box<dyn FnOnce() + Send> = Box::new(move || of_thread.write_all(&waker));
        let started = thread::Builder::new().name("beamless-stdout".into()).spawn(write);
        started.map_err(|e| Failure::refused(format!("starting a thread: {e}")))?;
        Ok(Self(shared))
    }

    /// Takes a line. Returns false if it has to wait; the driver is woken when there is room.
    fn print(&self, line: String) -> bool {
        let mut state = self.0.state();
        state.stalled = state.lines.len() >= LINES;
        if state.stalled || state.ended {
            return false;
        }
        state.lines.push_back(line);
        self.0.changed.notify_all();
        true
    }

    /// Tells that no more lines come: the thread ends once those that it took are written, however long that takes.
    fn no_more(&self) {
        self.0.state().last = true;
        self.0.changed.notify_all();
    }

    /// Returns true if all is written, or standard output takes no more.
    fn is_closed(&self) -> bool {
        self.0.state().ended
    }

    /// Waits for what was taken to be written, but not for ever.
    fn finish(self) {
        self.no_more();
        let waited = self.0.changed.wait_timeout_while(self.0.state(), CLOSING, |state| !state.ended);
        if !waited.unwrap_or_else(PoisonError::into_inner).0.ended {
            log::warn!("the last lines are lost: nobody reads standard output");
        }
    }
}

//! What systemd has for a service and wants of it: EPMD's socket is handed over, the agent tells when it is up, how it stands and that
//! it still turns, and every line for the journal begins with its priority. Without systemd none of this does anything.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};
use std::{env, io};

use beamless::Node;
use sd_notify::NotifyState;

/// Bytes of a status after which no further node is named: systemd takes no more than 4096 in all.
const STATUS: usize = 1024;

/// The sockets that a socket unit bound for EPMD. To be called once, before there are threads: they are ours from then on.
pub(super) fn epmd_listeners() -> Result<Vec<TcpListener>, String> {
    let given = sd_listen_fds::get().map_err(|e| format!("LISTEN_PID, LISTEN_FDS: {e}"))?;
    let listener = |(_, socket)| {
        let listener = TcpListener::from(socket);
        // anything but a socket of IP has no such address
        listener.local_addr().map(|_| listener).map_err(|e| format!("a socket handed over for EPMD is not one of TCP: {e}"))
    };
    given.into_iter().map(listener).collect()
}

/// Whoever started the agent and waits to hear from it, if somebody does.
pub(super) struct Supervisor {
    listens: bool,
    /// How often it is told that the loop turns: twice in the time it waits for that.
    beat: Option<Duration>,
    next_beat: Option<Instant>,
    status: String,
}

impl Supervisor {
    /// As the environment says.
    pub(super) fn from_env() -> Self {
        let listens = env::var_os("NOTIFY_SOCKET").is_some();
        let beat = sd_notify::watchdog_enabled().filter(|_| listens).and_then(|limit| limit.checked_div(2));
        let beat = beat.filter(|beat| !beat.is_zero());
        Self { listens, beat, next_beat: beat.map(|_| Instant::now()), status: String::new() }
    }

    /// Whether there is one.
    pub(super) fn listens(&self) -> bool {
        self.listens
    }

    /// The agent is up.
    pub(super) fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The agent is about to end.
    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// One line for people, told when it is another one.
    pub(super) fn status(&mut self, status: String) {
        if status != self.status {
            self.tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// To be called in every turn of the loop: it is this that stops when the loop does.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if let (Some(beat), Some(next)) = (self.beat, self.next_beat)
            && next <= now
        {
            self.tell(&[NotifyState::Watchdog]);
            self.next_beat = now.checked_add(beat);
        }
    }

    /// When the loop has to turn for that.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        self.next_beat
    }

    fn tell(&self, news: &[NotifyState<'_>]) {
        // nothing is sent without NOTIFY_SOCKET
        if let Err(e) = sd_notify::notify(news) {
            log::warn!("cannot tell the service manager how it stands: {e}");
        }
    }
}

/// What `systemctl status` shows: who the agent is, what is wrong, who is connected.
pub(super) fn status(node: &Node<'_>, up: bool, trouble: Option<&str>) -> String {
    let own = node.name().map_or("", |name| name.as_str());
    let mut text = format!("{} as {own}; ", if up { "up" } else { "starting" });
    if let Some(trouble) = trouble {
        text.extend([trouble, "; "]);
    }
    let count = node.peers().count();
    if count == 0 {
        return text + "no node connected";
    }
    text += &format!("{count} connected: ");
    for (at, peer) in node.peers().enumerate() {
        if at > 0 {
            text += ", ";
        }
        if text.len() > STATUS {
            return text + "..";
        }
        text += peer.name.as_str();
    }
    text
}

/// Whether standard error goes to the journal: "If the standard output or standard error of the executed processes are connected to the
/// journal [..] $JOURNAL_STREAM contains the device and inode numbers of the connection file descriptor, formatted in decimal,
/// separated by a colon" (systemd.exec), and those numbers are to be compared, because what comes after may have redirected it.
pub(super) fn is_journal() -> bool {
    let named = || env::var("JOURNAL_STREAM").ok();
    let stderr = || -> io::Result<fs::Metadata> { File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata() };
    named().is_some_and(|named| stderr().is_ok_and(|about| named == format!("{}:{}", about.dev(), about.ino())))
}

/// The priority in front of a line for the journal, as the system log numbers them (sd-daemon(3)).
pub(super) fn priority(level: log::Level) -> &'static str {
    match level {
        log::Level::Error => "<3>",
        log::Level::Warn => "<4>",
        log::Level::Info => "<6>",
        log::Level::Debug | log::Level::Trace => "<7>",
    }
}

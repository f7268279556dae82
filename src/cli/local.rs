//! Being a node: its settings out of the options, and the signals that end it.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use beamless::{Config, DriverOptions, Epmd, EpmdSettings, Error, IoError, Node, listen_addresses};
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook_mio::v1_0::Signals;

use super::cookie::{self, Cookie};
use super::host::{self, Name};
use super::outcome::Failure;
use super::tls::{self, Tls};

/// The settings that make a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) name: Name,
    pub(super) cookie_file: Option<PathBuf>,
    /// TLS; without it what is said between nodes can be read by others.
    pub(super) tls: Option<tls::Wanted>,
    pub(super) listen: Option<String>,
    pub(super) epmd: Epmd,
    pub(super) visible: bool,
}

/// The word for an address to listen on that says nowhere.
pub(super) const NOWHERE: &str = "none";
/// What a node that listens nowhere is.
pub(super) const OUTGOING: &str = "dials out only: reached through the nodes it connects to";

impl Local {
    /// Returns true if the node listens nowhere, and is in no EPMD.
    pub(super) fn is_outgoing(&self) -> bool {
        self.name.is_dynamic() || self.listen.as_deref() == Some(NOWHERE)
    }

    /// Returns true if an EPMD is to have the node's name.
    pub(super) fn is_registered(&self) -> bool {
        self.epmd != Epmd::None && !self.is_outgoing()
    }

    /// Returns the option or key, and what is wrong with it for a node that listens nowhere, or whose name another node gives.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let is_dynamic = self.name.is_dynamic();
        if is_dynamic && self.listen.as_deref().is_some_and(|listen| listen != NOWHERE) {
            return Some(("listen", "a node that gets its name from another listens nowhere: leave it out"));
        }
        if is_dynamic && self.visible {
            return Some(("visible", "a node that gets its name from another is hidden: leave it out"));
        }
        let is_registered = matches!(self.epmd, Epmd::External | Epmd::Embedded);
        (is_registered && self.is_outgoing())
            .then_some(("epmd", "a node that listens nowhere is in no EPMD, and serves none: leave it out"))
    }
}

/// Makes the settings of a node, finds its cookie, and reads what it needs for TLS.
pub(super) fn prepare(options: &Local) -> Result<(Config, DriverOptions, Cookie, Option<Tls>), Failure> {
    let name = host::whole_name(&options.name).map_err(|why| Failure::usage(format!("{}: {why}", options.name)))?;
    let cookie = cookie::find_or_make(options.cookie_file.as_deref()).map_err(Failure::usage)?;
    let config = if options.visible { Config::visible(&name, &cookie.value) } else { options.name.config(&name, &cookie.value) };
    let config = config.map_err(|e| Failure::usage(format!("{}: {e}", options.name)))?;
    let driver = driver_options(options)?;
    let tls = options.tls.as_ref().map(tls::Wanted::read).transpose().map_err(Failure::usage)?;
    if let Some(doubt) = cookie.doubt() {
        log::warn!("{doubt}");
    }
    if cookie.made {
        log::info!("made a cookie file, {}: copy it to the other machines of the cluster", cookie.path.display());
    }
    Ok((config, driver, cookie, tls))
}

/// Makes the settings of the driver.
pub(super) fn driver_options(options: &Local) -> Result<DriverOptions, Failure> {
    let epmd_settings = EpmdSettings::from_env().map_err(Failure::usage)?;
    if options.is_outgoing() {
        return Ok(DriverOptions::default().outgoing().epmd_settings(epmd_settings));
    }
    let wrong = |text, why| Failure::usage(format!("--listen {text}: {why}"));
    let listen = options.listen.as_deref().map_or(Ok(Vec::new()), |text| listen_on(text).map_err(|why| wrong(text, why)))?;
    Ok(DriverOptions::default().listen(listen).epmd(options.epmd).epmd_settings(epmd_settings))
}

/// Reads `ADDR`, `ADDR:PORT` or `[V6]:PORT`; an address may be a host name.
pub(super) fn listen_on(text: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().map_err(|_| format!("{port} is no port, which is a number up to 65535"))?)
        }
        _ => (text, 0),
    };
    // which the system would take for an address of IPv4
    if host.is_empty() || host.bytes().all(|b| b.is_ascii_digit()) {
        return Err("an address is needed: 0.0.0.0:4711 is port 4711 on all of them".to_owned());
    }
    listen_addresses(host.trim_matches(['[', ']']), port).map_err(|e| e.to_string())
}

/// Logs the name, the address and the EPMD of a node that is up, and what it shows over TLS; a node without an address dials out only.
pub(super) fn announce(node: &Node<'_>, address: Option<SocketAddr>, epmd: &str, cookie: &Cookie, tls: Option<&Tls>) {
    let tls = tls.map_or(String::new(), |tls| format!(", TLS with a {tls}"));
    let name =
        node.name().map_or_else(|| "without a name, which the first node gives it".to_owned(), |name| format!("as {name}"));
    let place = address.map_or_else(|| format!(", {OUTGOING}"), |address| format!(" on {address}, {epmd}"));
    log::info!("up {name}{place}, cookie from {}{tls}", cookie.path.display());
}

/// The signals that end a program in order, and the one that asks it to read its settings again.
pub(super) struct Ending {
    signals: Signals,
    /// No loop looks at the signals: those that end the program do so by themselves.
    is_at_once: Arc<AtomicBool>,
    /// Standard error was a terminal.
    has_terminal: bool,
}

/// The signals that came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signalled {
    pub(super) end: bool,
    pub(super) reload: bool,
    /// A process ended that this one started.
    pub(super) child: bool,
}

impl Ending {
    /// Takes the signals: from now on they end nothing by themselves.
    pub(super) fn new() -> Result<Self, Failure> {
        Self::of(&[SIGTERM, SIGINT])
    }

    /// Takes SIGCHLD too, and SIGHUP where it asks for the settings to be read again; it otherwise means that the terminal is gone,
    /// and ends the program. So do SIGTERM and SIGINT while no loop [watches](Self::watch): a start may take as long as a disk or a name server does.
    pub(super) fn of_agent(reloads: bool) -> Result<Self, Failure> {
        let all = [SIGTERM, SIGINT, SIGCHLD, SIGHUP];
        let [without_reloads @ .., _] = &all;
        let ending = Self::of(if reloads { &all } else { without_reloads })?;
        ending.is_at_once.store(true, Ordering::SeqCst);
        for signal in [SIGTERM, SIGINT] {
            register_conditional_default(signal, Arc::clone(&ending.is_at_once)).map_err(failed)?;
        }
        Ok(ending)
    }

    fn of(taken: &[i32]) -> Result<Self, Failure> {
        Ok(Self { signals: signals(taken)?, is_at_once: Arc::default(), has_terminal: io::stderr().is_terminal() })
    }

    /// Registers the signals with a poll loop, under this token.
    pub(super) fn watch(&mut self, registry: &Registry, token: Token) -> Result<(), Failure> {
        registry.register(&mut self.signals, token, Interest::READABLE).map_err(failed)?;
        self.is_at_once.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Takes them from that loop. They end nothing by themselves behind it, either: there is something to be ended in order yet.
    pub(super) fn leave(&mut self, registry: &Registry) -> Result<(), Failure> {
        Ok(registry.deregister(&mut self.signals).map_err(failed)?)
    }

    /// Has them be as before the first loop, for there is to be another.
    pub(super) fn starts_again(&self) {
        self.is_at_once.store(true, Ordering::SeqCst);
    }

    /// Logs the signal that ends the program, and returns true if one came.
    pub(super) fn has_come(&mut self) -> bool {
        self.came().end
    }

    /// Returns the signals that came since the last look, and logs the one that ends the program.
    pub(super) fn came(&mut self) -> Signalled {
        let mut came = Signalled::default();
        for signal in self.signals.pending() {
            if signal == SIGHUP {
                // that the terminal is gone, or that somebody asks for the settings to be read again
                let is_gone = self.has_terminal && !io::stderr().is_terminal();
                (came.end, came.reload) = (came.end | is_gone, !is_gone);
            } else if signal == SIGCHLD {
                came.child = true;
            } else if !came.end {
                log::info!("stopping on {}", if signal == SIGINT { "SIGINT" } else { "SIGTERM" });
                came.end = true;
            }
        }
        came
    }
}

/// Takes these signals.
pub(super) fn signals(signals: &[i32]) -> Result<Signals, Error> {
    Signals::new(signals).map_err(failed)
}

fn failed(source: io::Error) -> Error {
    Error::Io(IoError { doing: "handling signals".into(), source })
}

//! `beamless run`: a node until it is told to stop.

mod backoff;
mod certificate;
mod check;
mod config;
mod connections;
mod discover;
mod echo;
mod erlang;
mod functions;
mod gossip;
mod once;
mod own;
mod part;
mod parts;
mod peers;
mod process;
mod programs;
#[allow(dead_code, reason = "until `system` tells of it")]
mod publish;
mod refusals;
mod store;
mod strays;
mod system;
mod task;
mod words;

use std::io::{self, IsTerminal};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Epmd, Error, Event, Node, OwnedNode};
use mio::Token;

use super::cookie::{self, Cookie};
use super::events;
use super::host;
use super::lines;
use super::local::{self, Ending, Signalled};
use super::outcome::Failure;
use super::systemd::{self, Supervisor};
use super::tls::{self, Wanted};
use certificate::Certificate;
pub(super) use config::{Arguments, page};
use config::{GroupSizes, Settings};
use gossip::HEARTBEATS;
use parts::Parts;
pub(super) use peers::Peers;
use process::PIPES;
use refusals::Refusals;
use strays::Strays;

const SIGNALS: Token = Token(0);
/// The most time that closing may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs the agent.
pub(super) fn run(options: &Arguments) -> Result<(), Failure> {
    let settings = config::settings(options, None).map_err(all_told)?;
    if options.check {
        return check::show(options, &settings);
    }
    // first, while there are no threads and no sockets of our own
    let epmd = systemd::epmd_listeners().map_err(Failure::usage)?;
    if !epmd.is_empty() && matches!(settings.local.epmd, Epmd::External | Epmd::None) {
        return Err(Failure::usage(
            "a socket was handed over to serve EPMD on: leave out --epmd, and `epmd` in the file; or the socket unit",
        ));
    }
    let stamps = settings.local.tls.as_ref().map(Wanted::stamps).unwrap_or_default();
    let (config, mut driver, cookie, tls) = local::prepare(&settings.local)?;
    if let Some(port) = settings.epmd_port {
        driver.epmd_settings.port = port;
    }
    let certificate = settings.local.tls.clone().zip(tls).map(|(wanted, tls)| Certificate::new(wanted, stamps, tls));
    serve(options, settings, config, Network { driver, epmd, certificate }, cookie)
}

/// Logs all faults but the last, which is the failure.
fn all_told(mut faults: Vec<String>) -> Failure {
    let last = faults.pop();
    faults.iter().for_each(|fault| log::error!("{fault}"));
    Failure::usage(last.unwrap_or_default())
}

/// The settings of the driver, and the sockets for it.
struct Network {
    driver: DriverOptions,
    /// The sockets that systemd bound for EPMD.
    epmd: Vec<TcpListener>,
    certificate: Option<Certificate>,
}

fn serve(options: &Arguments, settings: Settings, mut config: Config, network: Network, cookie: Cookie) -> Result<(), Failure> {
    if !settings.allow.is_empty() {
        config = config.allow(&settings.allow).map_err(Failure::usage)?;
    }
    config =
        config.tick_time(settings.tick_time).and_then(|config| config.setup_time(settings.setup_time)).map_err(Failure::usage)?;
    let mut node = OwnedNode::new(config, settings.sizes).map_err(Failure::usage)?;
    let epmd = network.driver.epmd;
    set_groups(settings.groups, &mut node)?;
    // before anything is listened on: a name that cannot be connected to is the user's to change
    let parts = Parts::new(&settings, &mut node)?;
    let supervisor = Supervisor::from_env();
    let reloads = options.config.is_some() || supervisor.listens();
    let mut ending = Ending::of_agent(reloads)?;
    let mut driver = Driver::with_epmd_on(network.epmd, network.driver.rest(settings.rest), &mut node)?;
    if let Some(certificate) = &network.certificate {
        tls::set(&mut driver, certificate.tls());
    }
    ending.watch(driver.registry(), SIGNALS)?;
    let mut agent = Agent {
        options,
        settings,
        parts,
        cookie,
        certificate: network.certificate,
        announced: false,
        refusals: Refusals::new(),
        strays: Strays::new(),
        supervisor,
        trouble: None,
        stale: true,
        has_terminal: io::stderr().is_terminal(),
    };
    if epmd == Epmd::None {
        agent.announce(&node, &driver, "no epmd");
    }
    loop {
        agent.tell(&node);
        driver.poll(&mut node, agent.next_wake())?;
        agent.read_events(&mut node, &driver);
        let came = agent.ready(&mut driver, &mut ending);
        agent.renew(&mut driver);
        agent.parts.turn(&mut node, &driver);
        lines::tell();
        if came.reload {
            driver.look_again();
        }
        if came.reload && agent.reload(&mut node) || came.end {
            agent.supervisor.stopping();
            agent.parts.stop();
            driver.close(&mut node, CLOSING)?;
            agent.read_events(&mut node, &driver);
            log::info!("stopped");
            return Ok(());
        }
    }
}

/// Gives the node memory for groups and global names, if it is to have some.
fn set_groups(groups: Option<GroupSizes>, node: &mut OwnedNode) -> Result<(), Error> {
    groups.map_or(Ok(()), |sizes| node.set_groups_sized(sizes.joined, sizes.members))
}

struct Agent<'a> {
    options: &'a Arguments,
    settings: Settings,
    parts: Parts,
    cookie: Cookie,
    certificate: Option<Certificate>,
    /// The log has the lines for whoever started the agent.
    announced: bool,
    refusals: Refusals,
    strays: Strays,
    supervisor: Supervisor,
    /// The trouble that keeps others from finding this node.
    trouble: Option<String>,
    /// Something happened that the supervisor may not know.
    stale: bool,
    /// The log goes to a terminal.
    has_terminal: bool,
}

impl Agent<'_> {
    fn read_events(&mut self, node: &mut Node<'_>, driver: &Driver) {
        while let Some(event) = node.poll_event() {
            if matches!(event, Event::MailboxEnded { .. } | Event::Missed(_)) {
                self.parts.revive(node);
            }
            self.handle(&event, node, driver);
        }
    }

    fn handle(&mut self, event: &Event, node: &Node<'_>, driver: &Driver) {
        let is_known = self.parts.handle(event, node) | self.strays.handle(event);
        self.refusals.handle(event, self.settings.local.tls.as_ref());
        match event {
            Event::Registered { .. } => self.trouble = None,
            Event::NotRegistered(_) | Event::EpmdLost | Event::NameTaken | Event::EpmdFull => {
                self.trouble = Some(event.to_string())
            }
            _ => {}
        }
        self.stale |= !matches!(event, Event::Dropped { .. } | Event::TooLarge { .. } | Event::Refused { .. });
        match event {
            Event::Registered { embedded, port } if !self.announced => {
                let kind = if *embedded { "embedded" } else { "external" };
                return self.announce(node, driver, &format!("epmd {kind} on port {port}"));
            }
            _ => {}
        }
        // the refusals have it
        if !is_known && !matches!(event, Event::Refused { .. }) {
            events::log_as(event, &words::event(event, self.settings.local.tls.as_ref()));
        }
    }

    /// Looks at the sources beside the node that became ready. Returns the signals that came.
    fn ready(&mut self, driver: &mut Driver, ending: &mut Ending) -> Signalled {
        let mut came = Signalled::default();
        while let Some(ready) = driver.poll_ready() {
            match ready.token {
                SIGNALS => came = ending.came(),
                PIPES => self.parts.pipes_ready(),
                HEARTBEATS => self.parts.heartbeat_came(),
                _ => {}
            }
        }
        if came.child {
            process::reap();
            self.parts.pipes_ready();
        }
        came
    }

    /// Returns how long the poll may wait: for the parts, for the supervisor, and for the end of a second with many lines.
    fn next_wake(&mut self) -> Option<Duration> {
        let look = self.certificate.as_ref().map(Certificate::next_wake);
        let wakes = [self.parts.next_wake(), self.supervisor.next_beat(), lines::next_wake(), look];
        Some(wakes.into_iter().flatten().min()?.saturating_duration_since(Instant::now()))
    }

    /// Tells the supervisor that the loop turns, and what is new.
    fn tell(&mut self, node: &Node<'_>) {
        self.supervisor.beat();
        if self.supervisor.listens() && core::mem::take(&mut self.stale) {
            self.supervisor.status(systemd::status(
                node,
                self.announced,
                self.trouble.as_deref(),
                self.certificate.as_ref().map(Certificate::tls),
            ));
        }
    }

    /// Puts a renewed certificate in force for the connections from now on.
    fn renew(&mut self, driver: &mut Driver) {
        let Some(certificate) = &mut self.certificate else { return };
        if certificate.turn() {
            tls::set(driver, certificate.tls());
            self.stale = true;
        }
        self.parts.show(certificate.tls());
    }

    /// Reads the settings again. Returns true if the terminal is gone, and the agent is to end.
    fn reload(&mut self, node: &mut OwnedNode) -> bool {
        if self.has_terminal && !io::stderr().is_terminal() {
            return true;
        }
        // whoever asked for it may wait; before it is up nobody does
        if self.announced {
            self.supervisor.reloading();
        }
        match &self.options.config {
            Some(file) => self.read_again(&file.display().to_string(), node),
            None => log::info!("SIGHUP: nothing to reload, all settings are arguments and the cookie: restart to change them"),
        }
        if let Some(certificate) = &mut self.certificate {
            certificate.reload(self.settings.local.tls.as_ref());
        }
        if self.announced {
            self.supervisor.ready();
        }
        false
    }

    /// Reads the file again, and changes what can be changed while connections stay as they are.
    fn read_again(&mut self, file: &str, node: &mut OwnedNode) {
        let new = match config::settings(self.options, Some(&self.settings)) {
            Ok(new) => new,
            Err(faults) => {
                faults.iter().for_each(|fault| log::error!("{fault}"));
                return log::error!("{file}: not taken, all settings stay as they were");
            }
        };
        let (settings, mut fixed) = self.settings.updated(new);
        let cookie = cookie::find_again(self.settings.local.cookie_file.as_deref());
        if cookie.is_ok_and(|cookie| cookie.value != self.cookie.value) {
            fixed.push("the cookie");
        }
        if !fixed.is_empty() {
            log::warn!("{}: changed in {file}; restart to apply", fixed.join(", "));
        }
        if settings == self.settings {
            return log::info!("{file} read again: nothing {}to change", if fixed.is_empty() { "" } else { "else " });
        }
        log::info!("{file} read again");
        if self.settings.groups.is_none() {
            // it has none so far, so this cannot fail
            let _ = set_groups(settings.groups, node);
        }
        self.parts.apply(&settings, node);
        self.settings = settings;
    }

    /// Logs who the node is, and how to try it.
    fn announce(&mut self, node: &Node<'_>, driver: &Driver, epmd: &str) {
        self.announced = true;
        self.supervisor.ready();
        let (Some(name), Some(address)) = (node.name(), driver.local_addr()) else { return };
        local::announce(node, address, epmd, &self.cookie, self.certificate.as_ref().map(Certificate::tls));
        if self.settings.local.epmd == Epmd::None {
            // Erlang would ask an EPMD
            return log::info!("beamless ping {}", host::with_port(name, address.port()));
        }
        let option = if name.host().contains(['.', ':']) { "-name" } else { "-sname" };
        let tls = if self.certificate.is_some() { " and -proto_dist inet_tls" } else { "" };
        log::info!("to try it from Erlang (erl {option} me, with the same cookie{tls}):");
        log::info!("net_adm:ping('{name}').");
        log::info!("{{echo,'{name}'}} ! {{self(), hello}}, timer:sleep(100), flush().");
    }
}

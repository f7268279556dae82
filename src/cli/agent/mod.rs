//! `beamless run`: a node until it is told to stop.

mod check;
mod config;
mod discover;
mod echo;
mod erlang;
mod functions;
mod limit;
mod peers;
mod process;
mod programs;
mod publish;
mod settings;
mod system;
mod task;

use std::io::{self, IsTerminal};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Epmd, Error, Event, HeapStorage, Mailbox, Node};
use mio::Token;

use super::Failure;
use super::args::Run;
use super::cookie::{self, Cookie};
use super::local::{self, Came, Ending};
use super::systemd::{self, Supervisor};
use discover::Discovery;
use echo::Echo;
use functions::Functions;
use limit::Limit;
use peers::Peers;
use process::PIPES;
use programs::Programs;
use publish::Publishing;
use settings::Settings;
use system::System;

const SIGNALS: Token = Token(0);
/// Mailboxes of the agent's own: `echo`, `system`, that of the functions, and the one that readings are sent from.
const MAILBOXES: u16 = 4;
/// How long until a mailbox is tried again that ended and could not be made anew.
const REVIVE: Duration = Duration::from_secs(1);
/// How long the loop waits meanwhile.
const NO_MAILBOX: Duration = Duration::from_millis(50);
/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs the agent.
pub(super) fn run(options: &Run) -> Result<(), Failure> {
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
    let (config, mut driver, cookie) = local::prepare(&settings.local)?;
    if let Some(port) = settings.epmd_port {
        driver.epmd_settings.port = port;
    }
    serve(options, settings, config, Network { driver, epmd }, cookie)
}

/// Of several faults all but the last are told here.
fn all_told(mut faults: Vec<String>) -> Failure {
    let last = faults.pop();
    faults.iter().for_each(|fault| log::error!("{fault}"));
    Failure::usage(last.unwrap_or_default())
}

/// How the driver is made.
struct Network {
    driver: DriverOptions,
    /// What systemd bound for EPMD.
    epmd: Vec<TcpListener>,
}

fn serve(
    options: &Run,
    settings: Settings,
    mut config: Config<'static>,
    network: Network,
    cookie: Cookie,
) -> Result<(), Failure> {
    if !settings.allow.is_empty() {
        config = config.allow(functions::leak(settings.allow.clone()));
    }
    config = config.tick_time(settings.tick_time).map_err(Failure::usage)?;
    let mut storage = HeapStorage::new(settings.sizes).map_err(Failure::usage)?;
    let mut node = Node::on_heap(config, &mut storage);
    let epmd = network.driver.epmd;
    // before anything is listened on: a name that cannot be connected to is the user's to change
    let parts = Parts::new(&settings, &mut node)?;
    let supervisor = Supervisor::from_env();
    let reloads = options.config.is_some() || supervisor.listens();
    let mut ending = Ending::of_agent(reloads)?;
    let mut driver = Driver::with_epmd_on(network.epmd, network.driver, &mut node)?;
    ending.watch(driver.registry(), SIGNALS)?;
    let mut agent = Agent {
        options,
        settings,
        parts,
        cookie,
        announced: false,
        minor: Limit::new("messages were dropped or skipped within a second"),
        strangers: Limit::new("connections were rejected within a second"),
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
        agent.parts.turn(&mut node, &driver);
        agent.minor.tell();
        agent.strangers.tell();
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

/// What the agent does, part by part.
struct Parts {
    peers: Peers,
    discovery: Discovery,
    echo: Echo,
    system: System,
    functions: Functions,
    programs: Programs,
    publishing: Publishing,
    /// When mailboxes that could not be made anew are tried again.
    revive_at: Option<Instant>,
}

impl Parts {
    fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        Ok(Self {
            peers: Peers::new(settings, node)?,
            discovery: Discovery::new(settings)?,
            echo: Echo::new(node)?,
            system: System::new(node)?,
            functions: Functions::new(settings, node)?,
            programs: Programs::new(settings, node)?,
            publishing: Publishing::new(settings, node)?,
            revive_at: None,
        })
    }

    /// Does what there is to do.
    fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        if self.revive_at.is_some_and(|at| at <= Instant::now()) {
            self.revive(node);
        }
        self.discovery.turn(&mut self.peers, node, driver);
        self.peers.turn(node);
        self.echo.turn(node);
        self.system.turn(node, &self.functions, &self.publishing);
        self.functions.turn(node, driver.registry());
        self.programs.turn(node, driver.registry());
        self.publishing.turn(node, driver.registry());
    }

    /// When a part has something to do by itself.
    fn next_wake(&self) -> Option<Instant> {
        let wakes = [
            self.peers.next_wake(),
            self.discovery.next_wake(),
            self.functions.next_wake(),
            self.programs.next_wake(),
            self.publishing.next_wake(),
            self.revive_at,
        ];
        let wake = wakes.into_iter().flatten().min()?;
        // whoever has something to do and no mailbox to do it with cannot do it now
        Some(if self.revive_at.is_some() { wake.max(peers::after(NO_MAILBOX)) } else { wake })
    }

    /// Makes those mailboxes anew that have ended, as a supervisor would. All are looked at, since more may end at once than there is room to
    /// tell of. The place of one that ended is free once a peer that is busy was told; until then there may be none.
    fn revive(&mut self, node: &mut Node<'_>) {
        let own = [self.echo.mailbox(), self.system.mailbox(), self.functions.mailbox()];
        let all: Vec<Mailbox> = own.into_iter().chain(self.programs.mailboxes()).chain(self.publishing.mailbox()).collect();
        let mut failed = None;
        for ended in all {
            if node.outbox(ended).is_err() {
                failed = self.mailbox_ended(ended, node).err().or(failed);
            }
        }
        let was_told = self.revive_at.is_some();
        self.revive_at = failed.as_ref().map(|_| peers::after(REVIVE));
        if let Some(e) = failed.filter(|_| !was_told) {
            log::warn!("a mailbox that ended cannot be made anew, trying again: {e}");
        }
    }

    fn mailbox_ended(&mut self, ended: Mailbox, node: &mut Node<'_>) -> Result<(), Error> {
        self.echo.mailbox_ended(ended, node)?;
        self.system.mailbox_ended(ended, node)?;
        self.functions.mailbox_ended(ended, node)?;
        self.programs.mailbox_ended(ended, node)?;
        self.publishing.mailbox_ended(ended, node)
    }

    /// A pipe of some process is ready, or a process ended.
    fn pipes_ready(&mut self) {
        self.functions.pipes_ready();
        self.programs.pipes_ready();
        self.publishing.pipes_ready();
    }

    /// Goes on with new settings; what did not change is left as it is.
    fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        self.peers.apply(settings, node);
        self.discovery.apply(settings, &mut self.peers, node);
        self.functions.apply(settings, node);
        self.programs.apply(settings, node);
        self.publishing.apply(settings, node);
    }

    /// Ends what runs beside the agent.
    fn stop(&mut self) {
        self.programs.stop();
        self.publishing.stop();
    }
}

struct Agent<'a> {
    options: &'a Run,
    settings: Settings,
    parts: Parts,
    cookie: Cookie,
    /// The lines for whoever started it were logged.
    announced: bool,
    minor: Limit,
    /// Anybody can connect and be turned away.
    strangers: Limit,
    supervisor: Supervisor,
    /// What keeps others from finding this node.
    trouble: Option<String>,
    /// Something happened that the supervisor may not know.
    stale: bool,
    /// What it says goes to a terminal.
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
        self.parts.functions.handle(event, node);
        self.parts.discovery.handle(event);
        self.parts.publishing.handle(event);
        match event {
            Event::Registered { .. } => self.trouble = None,
            Event::NotRegistered(_) | Event::EpmdLost | Event::NameTaken => self.trouble = Some(event.to_string()),
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
        let is_known = self.parts.peers.handle(event);
        match event {
            _ if is_known => {}
            Event::Dropped { .. } | Event::TooLarge { .. } => self.minor.warn(format_args!("{event}")),
            Event::Refused { .. } => self.strangers.warn(format_args!("{event}")),
            Event::NodeUp { .. } | Event::NodeDown { .. } | Event::Registered { .. } => log::info!("{event}"),
            _ => log::warn!("{event}"),
        }
    }

    /// Looks at the sources beside the node that became ready. What signals came.
    fn ready(&mut self, driver: &mut Driver, ending: &mut Ending) -> Came {
        let mut came = Came::default();
        while let Some(ready) = driver.poll_ready() {
            match ready.token {
                SIGNALS => came = ending.came(),
                PIPES => self.parts.pipes_ready(),
                _ => {}
            }
        }
        if came.child {
            process::reap();
            self.parts.pipes_ready();
        }
        came
    }

    /// How long the poll may wait: for the parts, for the supervisor, and for the end of a second with many lines.
    fn next_wake(&self) -> Option<Duration> {
        let wakes = [self.parts.next_wake(), self.supervisor.next_beat(), self.minor.end(), self.strangers.end()];
        Some(wakes.into_iter().flatten().min()?.saturating_duration_since(Instant::now()))
    }

    /// Tells the supervisor that the loop turns, and what is new.
    fn tell(&mut self, node: &Node<'_>) {
        self.supervisor.beat();
        if self.supervisor.listens() && core::mem::take(&mut self.stale) {
            self.supervisor.status(systemd::status(node, self.announced, self.trouble.as_deref()));
        }
    }

    /// Somebody asks to read the settings again; or the terminal is gone, and the agent is to end.
    fn reload(&mut self, node: &mut Node<'_>) -> bool {
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
        if self.announced {
            self.supervisor.ready();
        }
        false
    }

    /// Reads the file again, and changes what can be changed while connections stay as they are.
    fn read_again(&mut self, file: &str, node: &mut Node<'_>) {
        let new = match config::settings(self.options, Some(&self.settings)) {
            Ok(new) => new,
            Err(faults) => {
                faults.iter().for_each(|fault| log::error!("{fault}"));
                return log::error!("{file}: not taken, all settings stay as they were");
            }
        };
        let (settings, mut fixed) = self.settings.updated(new);
        let cookie = cookie::find(self.settings.local.cookie_file.as_deref());
        if cookie.is_ok_and(|cookie| cookie.value != self.cookie.value) {
            fixed.push("the cookie");
        }
        if !fixed.is_empty() {
            log::warn!("{}: changed in {file}; restart to apply", fixed.join(", "));
        }
        if settings == self.settings {
            return log::info!("{file} read again: nothing to change");
        }
        log::info!("{file} read again");
        self.parts.apply(&settings, node);
        self.settings = settings;
    }

    /// Says who the node is, and how to try it.
    fn announce(&mut self, node: &Node<'_>, driver: &Driver, epmd: &str) {
        self.announced = true;
        self.supervisor.ready();
        let (Some(name), Some(address)) = (node.name(), driver.local_addr()) else { return };
        local::announce(node, address, epmd, &self.cookie);
        log::info!("net_adm:ping('{name}').");
        log::info!("{{echo,'{name}'}} ! {{self(), hello}}, timer:sleep(100), flush().");
    }
}

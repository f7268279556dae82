//! `beamless run`: a node until it is told to stop.

mod backoff;
mod beside;
mod certificate;
mod check;
mod children;
mod config;
mod connections;
mod descriptors;
mod discover;
mod echo;
mod erlang;
mod flaps;
mod functions;
mod gossip;
mod health;
mod last;
mod once;
mod own;
mod pace;
mod part;
mod parts;
mod peers;
mod process;
mod programs;
mod publish;
mod refusals;
mod spare;
pub(super) mod step;
mod store;
mod strays;
mod system;
mod task;
mod words;

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Epmd, Error, Event, Node, NodeName, OwnedNode};
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
#[cfg(any(test, beamless_fuzz))]
pub(super) use config::fuzz_config;
pub(super) use config::{Arguments, page};
use config::{GroupSizes, Settings, Text};
use gossip::HEARTBEATS;
use last::Last;
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
    let mut last = Last::new(options.state_folder(), options.config.as_deref());
    if options.check {
        let (settings, _) = last.settings(options).map_err(all_told)?;
        return check::show(options, &settings);
    }
    // first, while there are no threads and no sockets of our own
    let sockets = systemd::epmd_listeners().map_err(Failure::usage)?;
    // before anything that takes its time
    let mut ending = Ending::of_agent(options.config.is_some() || Supervisor::from_env().listens())?;
    let (settings, text) = last.settings(options).map_err(all_told)?;
    children::adopt();
    let mut ended = start(options, (settings, text), &sockets, &mut last, &mut ending);
    if let Err(failure) = &ended {
        if let Some(settings) = last.instead(options, &failure.why) {
            ending.starts_again();
            ended = start(options, (settings, None), &sockets, &mut last, &mut ending);
        }
    }
    children::end_all();
    ended
}

/// Runs the agent with these settings, of this text.
fn start(
    options: &Arguments,
    (settings, text): (Settings, Option<Text>),
    sockets: &[TcpListener],
    last: &mut Last,
    ending: &mut Ending,
) -> Result<(), Failure> {
    descriptors::provide(&settings);
    if !sockets.is_empty() && (matches!(settings.local.epmd, Epmd::External | Epmd::None) || settings.local.is_outgoing()) {
        return Err(Failure::usage(
            "a socket was handed over to serve EPMD on: leave out --epmd, and `epmd` in the file, and have the node listen; or leave out the \
             socket unit",
        ));
    }
    let epmd: io::Result<Vec<TcpListener>> = sockets.iter().map(TcpListener::try_clone).collect();
    let epmd = epmd.map_err(Failure::refused)?;
    let stamps = settings.local.tls.as_ref().map(Wanted::stamps).unwrap_or_default();
    let local = last.with_cookie(&settings.local);
    let (config, mut driver, cookie, tls) = local::prepare(local.as_ref().unwrap_or(&settings.local))?;
    if let Some(port) = settings.epmd_port {
        driver.epmd_settings.port = port;
    }
    let certificate = settings.local.tls.clone().zip(tls).map(|(wanted, tls)| Certificate::new(wanted, stamps, tls));
    serve(options, settings, config, Network { driver, epmd, certificate }, Kept { last, text, cookie }, ending)
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

/// What a start reads, and what is kept of it once the node is up.
struct Kept<'a> {
    last: &'a mut Last,
    text: Option<Text>,
    cookie: Cookie,
}

fn serve(
    options: &Arguments,
    settings: Settings,
    mut config: Config,
    network: Network,
    kept: Kept<'_>,
    ending: &mut Ending,
) -> Result<(), Failure> {
    if !settings.allow.is_empty() {
        config = config.allow(&settings.allow).map_err(Failure::usage)?;
    }
    config =
        config.tick_time(settings.tick_time).and_then(|config| config.setup_time(settings.setup_time)).map_err(Failure::usage)?;
    let mut node = OwnedNode::new(config, settings.sizes).map_err(Failure::usage)?;
    set_groups(settings.groups, &mut node)?;
    // before anything is listened on: a name that cannot be connected to is the user's to change
    let parts = Parts::new(&settings, options.state_folder(), &mut node)?;
    let mut driver = Driver::with_epmd_on(network.epmd, network.driver.rest(settings.rest), &mut node)?;
    if let Some(certificate) = &network.certificate {
        tls::set(&mut driver, certificate.tls());
    }
    let mut agent = Agent {
        options,
        settings,
        parts,
        last: kept.last,
        text: kept.text,
        cookie: kept.cookie,
        certificate: network.certificate,
        is_cookie_shared: false,
        announced: false,
        own: node.name().map_or_else(String::new, ToString::to_string),
        refusals: Refusals::new(),
        strays: Strays::new(),
        supervisor: Supervisor::from_env(),
        stale: true,
    };
    ending.watch(driver.registry(), SIGNALS)?;
    let ended = agent.run(&mut node, &mut driver, ending);
    ended.and(ending.leave(driver.registry()))
}

/// Gives the node memory for groups and global names, if it is to have some.
fn set_groups(groups: Option<GroupSizes>, node: &mut OwnedNode) -> Result<(), Error> {
    groups.map_or(Ok(()), |sizes| node.set_groups_sized(sizes.joined, sizes.members))
}

struct Agent<'a> {
    options: &'a Arguments,
    settings: Settings,
    parts: Parts,
    last: &'a mut Last,
    /// The text of the settings, until the node is up with them.
    text: Option<Text>,
    cookie: Cookie,
    certificate: Option<Certificate>,
    /// Another node has the same cookie.
    is_cookie_shared: bool,
    /// The log has the lines for whoever started the agent.
    announced: bool,
    /// The node's name; empty while another node has yet to give it.
    own: String,
    refusals: Refusals,
    strays: Strays,
    supervisor: Supervisor,
    /// Something happened that the supervisor may not know.
    stale: bool,
}

impl Agent<'_> {
    /// Runs until it is to end.
    fn run(&mut self, node: &mut OwnedNode, driver: &mut Driver, ending: &mut Ending) -> Result<(), Failure> {
        // one that listens nowhere is up, too: the nodes that it connects to may be away for long
        if !self.settings.local.is_registered() {
            self.announce(node, driver, "no epmd");
        }
        loop {
            self.tell(node);
            driver.poll(node, self.next_wake())?;
            self.follow_name(node);
            self.read_events(node, driver);
            let came = self.ready(driver, ending);
            self.renew(driver);
            self.parts.turn(node, driver);
            children::sweep();
            lines::tell();
            if came.reload {
                driver.look_again();
                self.reload(node);
            }
            if came.end {
                self.supervisor.stopping();
                self.end_parts(node, driver, ending);
                driver.close(node, CLOSING)?;
                self.read_events(node, driver);
                log::info!("stopped");
                return Ok(());
            }
        }
    }

    /// Ends what is beside the node, which goes on meanwhile: what programs say as they end is to leave.
    fn end_parts(&mut self, node: &mut OwnedNode, driver: &mut Driver, ending: &mut Ending) {
        self.parts.terminate(node);
        let end = peers::after(children::GRACE);
        loop {
            let is_late = end <= Instant::now();
            // that the poll fails is said where the node is closed
            if self.parts.have_ended(node, driver) || is_late || driver.poll(node, Some(children::LOOK_AGAIN)).is_err() {
                break;
            }
            self.follow_name(node);
            self.read_events(node, driver);
            let _ = self.ready(driver, ending);
        }
        self.parts.stop();
    }

    fn read_events(&mut self, node: &mut Node<'_>, driver: &Driver) {
        while let Some(event) = node.poll_event() {
            if matches!(event, Event::MailboxEnded { .. } | Event::Missed(_)) {
                self.parts.revive(node);
            }
            self.handle(&event, node, driver);
        }
    }

    /// Takes note of the name that another node gave, or of its loss.
    fn follow_name(&mut self, node: &Node<'_>) {
        let name = node.name().map_or("", |name| name.as_str());
        if name == self.own {
            return;
        }
        if name.is_empty() {
            log::info!("{} is not this node's name any more: the next node that it connects to gives it one", self.own);
        } else {
            let by = node.peers().next().map_or("another node", |peer| peer.name.as_str());
            log::info!("this node is {name} now, as {by} calls it");
            self.parts.named(name);
        }
        name.clone_into(&mut self.own);
        self.stale = true;
    }

    fn handle(&mut self, event: &Event, node: &Node<'_>, driver: &Driver) {
        let is_known = self.parts.handle(event, node) | self.strays.handle(event);
        self.refusals.handle(event, self.settings.local.tls.as_ref());
        self.stale |= !matches!(event, Event::Dropped { .. } | Event::TooLarge { .. } | Event::Refused { .. });
        match event {
            Event::Registered { embedded, port } if !self.announced => {
                let kind = if *embedded { "embedded" } else { "external" };
                return self.announce(node, driver, &format!("epmd {kind} on port {port}"));
            }
            Event::NameTaken if self.parts.are_held() => {
                events::log_as(event, &words::event(event, self.settings.local.tls.as_ref()));
                return log::warn!(
                    "until it has its name this node connects to no other, starts no program and takes no reading"
                );
            }
            Event::NodeUp { .. } if !core::mem::replace(&mut self.is_cookie_shared, true) => {
                self.last.keep_cookie(&self.cookie, true);
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
            children::reap();
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
        self.parts.runs_on(self.last.runs_on());
        self.stale |= self.parts.is_status_new();
        if self.supervisor.listens() && core::mem::take(&mut self.stale) {
            let mut wrong = self.parts.status();
            wrong.extend(self.settings.local.is_outgoing().then(|| "dials out only".to_owned()));
            self.supervisor.status(systemd::status(
                node,
                self.announced,
                &wrong,
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

    /// Reads the settings again.
    fn reload(&mut self, node: &mut OwnedNode) {
        // whoever asked for it may wait; before it is up nobody does
        if self.announced {
            self.supervisor.reloading();
        }
        match &self.options.config {
            Some(file) => self.read_again(file, node),
            None => log::info!("SIGHUP: nothing to reload, all settings are arguments and the cookie: restart to change them"),
        }
        if let Some(certificate) = &mut self.certificate {
            certificate.reload(self.settings.local.tls.as_ref());
        }
        if self.announced {
            self.supervisor.ready();
        }
    }

    /// Reads the file again, and changes what can be changed while connections stay as they are.
    fn read_again(&mut self, file: &Path, node: &mut OwnedNode) {
        let shown = file.display();
        let read = |text| Ok((config::settings(self.options, Some(&text), Some(&self.settings))?, text));
        let (new, text) = match Text::read(file).and_then(read) {
            Ok(read) => read,
            Err(faults) => {
                faults.iter().for_each(|fault| log::error!("{fault}"));
                return log::error!("{shown}: not taken, all settings stay as they were");
            }
        };
        self.stale = true;
        let (settings, mut fixed) = self.settings.updated(new);
        if let Ok(cookie) = cookie::find_again(self.settings.local.cookie_file.as_deref()) {
            self.last.cookie_is_right();
            if cookie.value != self.cookie.value {
                fixed.push("the cookie");
            }
        }
        self.last.text_is_right(fixed.is_empty());
        // what is not in force yet may be what does not work
        if fixed.is_empty() && self.announced {
            self.last.keep_text(&text);
        }
        if !fixed.is_empty() {
            log::warn!("{}: changed in {shown}; restart to apply", fixed.join(", "));
        }
        if settings == self.settings {
            self.parts.reloaded();
            return log::info!("{shown} read again: nothing {}to change", if fixed.is_empty() { "" } else { "else " });
        }
        log::info!("{shown} read again");
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
        self.last.is_up();
        self.last.keep_cookie(&self.cookie, false);
        if let Some(text) = self.text.take() {
            self.last.keep_text(&text);
        }
        let address = driver.local_addr();
        local::announce(node, address, epmd, &self.cookie, self.certificate.as_ref().map(Certificate::tls));
        if self.settings.reaches_nobody() {
            log::warn!(
                "nobody can reach this node, which listens nowhere and connects to no node: write connect = [\"NAME@HOST\"]"
            );
        }
        let Some(name) = node.name() else { return };
        let Some(address) = address else {
            log::info!("to try it, in the shell of a node that it connects to:");
            return try_it(name);
        };
        if self.settings.local.epmd == Epmd::None {
            // Erlang would ask an EPMD
            return log::info!("beamless ping {}", host::with_port(name, address.port()));
        }
        let option = if name.host().contains(['.', ':']) { "-name" } else { "-sname" };
        let tls = if self.certificate.is_some() { " and -proto_dist inet_tls" } else { "" };
        log::info!("to try it from Erlang (erl {option} me, with the same cookie{tls}):");
        try_it(name);
    }
}

/// Logs what to write in a shell of Erlang.
fn try_it(name: &NodeName) {
    log::info!("net_adm:ping('{name}').");
    log::info!("{{echo,'{name}'}} ! {{self(), hello}}, timer:sleep(100), flush().");
}

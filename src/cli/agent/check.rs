//! The command `beamless run --check`: it says what the agent would do, and does nothing.

use std::fmt::Display;

use beamless::{Epmd, Sizes, listen_addresses};

use super::config::units::{Size, Time};
use super::config::{
    Arguments, Disk, Form, Function, Gossip, Keep, Output, Place, ProgramFormat, ProgramSettings, Publish, Receiver, Settings,
    Source,
};
use crate::cli::host::Name;
use crate::cli::outcome::{Failure, print};
use crate::cli::tls::Wanted;
use crate::cli::{cookie, local};

/// Prints what the agent would do, or says what is wrong besides the file.
pub(super) fn show(run: &Arguments, settings: &Settings) -> Result<(), Failure> {
    let driver = local::driver_options(&settings.local)?;
    let cookie = cookie::would_find(settings.local.cookie_file.as_deref()).map_err(Failure::usage)?;
    let tls = settings.local.tls.as_ref().map(Wanted::read).transpose().map_err(Failure::usage)?;
    let mut lines = Vec::new();
    let mut line = |what: &str, words: &dyn Display| lines.push(format!("{what:<9} {words}"));
    let visible = if settings.local.visible { "visible" } else { "hidden" };
    match &settings.local.name {
        Name::Dynamic(host) => line("node", &format_args!("a name on {host}, which the first node gives it, {visible}")),
        _ => line("node", &format_args!("{}, {visible}", settings.node)),
    }
    let mut addresses = driver.listen.iter().map(|address| match address.port() {
        0 => format!("{} at any free port", address.ip()),
        _ => address.to_string(),
    });
    match driver.listen.len() {
        _ if driver.outgoing => line("listen", &format_args!("nowhere; {}", local::OUTGOING)),
        0 => line("listen", &format_args!("{} at any free port", own_addresses(settings)?)),
        _ => line("listen", &and(&mut addresses)),
    }
    let port = settings.epmd_port.unwrap_or(driver.epmd_settings.port);
    match driver.outgoing {
        true => line("epmd", &format_args!("that of each host on port {port}, asked for the ports of its nodes")),
        false => line("epmd", &epmd(settings.local.epmd, port)),
    }
    line("cookie", &cookie);
    tls.iter().for_each(|tls| line("tls", tls));
    let allowed = and(&mut settings.allow.iter().map(|name| match name.contains('@') {
        true => name.clone(),
        false => format!("every node on {name}"),
    }));
    line("allow", if settings.allow.is_empty() { &"every node that has the cookie" } else { &allowed });
    line("tick time", &Time(settings.tick_time));
    line("setup time", &Time(settings.setup_time));
    if !settings.rest.is_zero() {
        line("rest", &Time(settings.rest));
    }
    line("sizes", &sizes(settings.sizes));
    if let Some(groups) = settings.groups {
        line("groups", &format_args!("{} places of mailboxes, {} members on other nodes", groups.joined, groups.members));
    }
    settings.connect.iter().for_each(|node| line("connect", node));
    if settings.reaches_nobody() {
        line("connect", &"no node, so nobody can reach this one: write connect = [\"NAME@HOST\"]");
    }
    if let Some(discover) = settings.discover.as_ref().filter(|discover| !discover.hosts.is_empty()) {
        let hosts = and(&mut discover.hosts.iter().cloned());
        line("discover", &format_args!("what EPMD names on {hosts}, asked every {}", Time(discover.every)));
    }
    if let Some(gossip) = settings.discover.as_ref().and_then(|discover| discover.gossip.as_ref()) {
        line("gossip", &heartbeats(gossip));
    }
    settings.publish.iter().for_each(|publish| line("publish", &reading(publish)));
    if !settings.publish.is_empty() || !settings.programs.is_empty() {
        line("kept", &kept(&settings.keep));
    }
    settings.programs.iter().for_each(|program| line("mailbox", &mailbox(program)));
    settings.functions.iter().for_each(|served| line("function", &function(served)));
    if let Some(told) = &settings.health.tell {
        line("health", &format_args!("{} on {} is told", told.name, told.node));
    }
    let what = run.config.as_ref().map_or_else(|| "the command line".to_owned(), |file| file.display().to_string());
    line("checked", &format_args!("{what} is right; nothing was started"));
    print(&lines.join("\n"))
}

/// Returns where heartbeats are said, and who can read them.
fn heartbeats(gossip: &Gossip) -> String {
    let (address, port) = (gossip.to.ip(), gossip.to.port());
    let interface = gossip.interface.as_ref().map_or(String::new(), |name| format!(" by {name}"));
    let secret = match &gossip.secret {
        Some(secret) => format!("with the secret in {}", secret.path().display()),
        None => "for all to read".to_owned(),
    };
    let listen = if gossip.listen { "; whoever says one is connected" } else { "" };
    format!("heartbeats to {address} on port {port}{interface}, {secret}{listen}")
}

/// Returns the addresses that the node's name stands for, on which it listens.
fn own_addresses(settings: &Settings) -> Result<String, Failure> {
    let host = settings.node.host();
    let found = listen_addresses(host, 0).map_err(|e| Failure::usage(format!("{}: {e}", settings.local.name)))?;
    let is_said = host == "localhost" || found.iter().any(|address| address.ip().to_string() == host);
    if found.iter().all(|address| address.ip().is_loopback()) && !is_said {
        return Ok(format!("every address, since {host} stands for loopback alone,"));
    }
    Ok(and(&mut found.iter().map(|address| address.ip().to_string())))
}

fn epmd(epmd: Epmd, port: u16) -> String {
    match epmd {
        Epmd::External => format!("the one on port {port}"),
        Epmd::Embedded => format!("served on port {port}"),
        Epmd::None => "none: others need the port to connect".to_owned(),
        _ => format!("the one on port {port}, or served there if none runs"),
    }
}

fn sizes(sizes: Sizes) -> String {
    let Sizes { peers, mailboxes, bytes, watches, requests, .. } = sizes;
    format!(
        "{peers} nodes, {mailboxes} mailboxes, messages of {}, {watches} watches, {requests} requests: {} in all",
        Size::of(bytes),
        Size::of(sizes.memory())
    )
}

fn reading(publish: &Publish) -> String {
    let Publish { label, every, receiver, .. } = publish;
    let source = match &publish.source {
        Source::File(path) if path.exists() => path.display().to_string(),
        Source::File(path) => format!("{} (which is not there now)", path.display()),
        Source::Command(command) => words(command),
        Source::Program => "its program".to_owned(),
    };
    let form = match publish.form {
        Form::Number { divide: Some(by) } => format!("a number divided by {by}"),
        Form::Number { divide: None } => "a number".to_owned(),
        Form::Text => "text".to_owned(),
        Form::Term => "a term".to_owned(),
    };
    let (to, away) = match receiver {
        Receiver::Name { to, nodes } => (format!("{to} on {nodes}"), "while it is away"),
        Receiver::PubSub { .. } => {
            (format!("{receiver} on every connected node that runs it"), "for each node of `connect` that is away")
        }
        Receiver::Group(_) => (format!("the members of {receiver} on other nodes"), "while it has none"),
    };
    let most = publish.keep.map_or(String::new(), |keep| format!("; {keep} are kept {away}"));
    format!("{source} as {form}, every {}, to {to}, labelled {label}{most}", Time(*every))
}

/// Returns how much may wait.
fn kept(keep: &Keep) -> String {
    let memory = Size::of(keep.memory);
    match &keep.disk {
        None => format!("while a node is away: at most {memory} in memory"),
        Some(Disk { limit, folder: Some(folder), .. }) => {
            format!("while a node is away: at most {memory} in memory, {} on disk, in {}", Size(*limit), folder.display())
        }
        Some(Disk { folder: None, .. }) => format!("while a node is away: at most {memory} in memory; {}", Disk::NO_FOLDER),
    }
}

fn mailbox(program: &ProgramSettings) -> String {
    let format = match program.format {
        ProgramFormat::Erlang => "lines of Erlang terms",
        ProgramFormat::Json => "lines of JSON",
        ProgramFormat::Etf => "frames of external terms",
    };
    let Place { global, subscription, .. } = &program.place;
    let mut said = format!("{}: {}, with {format}", program.name, words(&program.command));
    if let Some(global) = global {
        said += &format!("; registered globally as {global}");
    }
    if let Some(told) = subscription {
        said += &format!("; told of {} of {}", and(&mut told.topics.iter().cloned()), told.pubsub);
    }
    let groups = and(&mut program.place.groups().map(|group| group.to_string()));
    if !groups.is_empty() {
        said += &format!("; in {groups}, so that it drops the oldest when it is full");
    }
    said
}

fn function(function: &Function) -> String {
    let output = match function.output {
        Output::Text => "what it prints",
        Output::Term => "the term it prints",
    };
    format!("{} gives {output}: {}, for up to {}", function.name, words(&function.command), Time(function.timeout))
}

/// Returns a command in which each argument can be told from the next.
fn words(command: &[String]) -> String {
    let plain = |word: &String| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
    let shown = |word: &String| if plain(word) { word.clone() } else { format!("{word:?}") };
    command.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// Joins a list as a sentence has it.
fn and(words: &mut dyn Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

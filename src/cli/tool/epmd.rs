//! The command `beamless epmd`: is EPMD, where nodes register their names, or asks the one that runs. It takes epmd's own options.

use std::net::{IpAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use beamless::{EpmdServer, EpmdSettings, Error, epmd_kill, epmd_names, epmd_stop};
use mio::Token;

use super::names;
use crate::cli::command_line::spec::{Found, Opt, Spec};
use crate::cli::local::Ending;
use crate::cli::outcome::{Failure, Of, print};
use crate::cli::systemd::{self, Supervisor};

pub(super) const SPEC: Spec = Spec {
    name: "epmd",
    help: "Be EPMD, for a host without Erlang",
    about: "Be EPMD, where nodes register their names and ports, until SIGTERM or SIGINT. It takes 32 names. Its options are epmd's, with one dash or two.",
    options: &[
        PORT,
        ADDRESS,
        DAEMON,
        SYSTEMD,
        RELAXED,
        PACKET_TIMEOUT,
        NAMES,
        KILL,
        STOP,
        DEBUG,
        Opt { long: "delay_accept", ..DELAY },
        Opt { long: "delay_write", ..DELAY },
    ],
    positionals: &[],
    notes: &["Examples: beamless epmd --address 10.0.0.7\n  beamless epmd -port 4370 -kill"],
    lasts: true,
    run: read,
};

const PORT: Opt = Opt { long: "port", value: Some("P"), help: "The port; ERL_EPMD_PORT or 4369 by default", ..Opt::SWITCH };
const ADDRESS: Opt = Opt {
    long: "address",
    value: Some("A"),
    help: "Listen on this address and on loopback, not on all; ERL_EPMD_ADDRESS by default; a list, or repeatable",
    repeats: true,
    ..Opt::SWITCH
};
const DAEMON: Opt = Opt { long: "daemon", help: "Stay in the background, and end this command once it listens", ..Opt::SWITCH };
const SYSTEMD: Opt = Opt { long: "systemd", help: "Serve on the sockets that systemd hands over", ..Opt::SWITCH };
const RELAXED: Opt = Opt {
    long: "relaxed_command_check",
    help: "Let -kill end it while names are registered, and -stop unregister names; as ERL_EPMD_RELAXED_COMMAND_CHECK",
    ..Opt::SWITCH
};
const PACKET_TIMEOUT: Opt = Opt {
    long: "packet_timeout",
    value: Some("SECONDS"),
    help: "How long a connection without a name may be silent; 60 by default",
    ..Opt::SWITCH
};
const NAMES: Opt = Opt { long: "names", help: "List the names of the EPMD that runs on this host, and end", ..Opt::SWITCH };
const KILL: Opt = Opt { long: "kill", help: "End the EPMD that runs on this host, if no name is registered", ..Opt::SWITCH };
const STOP: Opt = Opt {
    long: "stop",
    value: Some("NAME"),
    help: "Unregister a name by force; the EPMD that runs must have been started with -relaxed_command_check",
    ..Opt::SWITCH
};
const DEBUG: Opt = Opt { long: "debug", short: Some('d'), help: "Say more, as --verbose", ..Opt::SWITCH };
const DELAY: Opt =
    Opt { value: Some("SECONDS"), help: "Taken, and nothing is delayed: with epmd it acts a busy machine", ..Opt::SWITCH };

/// How long the EPMD that runs may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Says to the process behind `-daemon` that it is the one.
const DETACHED: &str = "BEAMLESS_EPMD_DETACHED";

fn read(found: &mut Found) -> Result<(), Failure> {
    let mut settings = EpmdSettings::from_env().map_err(Failure::usage)?;
    if let Some(port) = found.positive("port", "a port is a number from 1 to 65535")? {
        settings.port = port;
    }
    let addresses = found.texts("address")?;
    if !addresses.is_empty() {
        settings.addresses = listed(&addresses)?;
    }
    settings.relaxed_command_check |= found.has("relaxed_command_check");
    if let Some(seconds) = found.positive::<u32>("packet_timeout", "a timeout is a number of seconds above 0")? {
        // epmd counts whole seconds, and closes when more than these have gone by: a byte in each second is in time
        settings.packet_timeout = Duration::from_secs(u64::from(seconds).saturating_add(1));
    }
    for delay in ["delay_accept", "delay_write"] {
        found.positive::<u32>(delay, "a delay is a number of seconds above 0")?;
    }
    if found.has("names") {
        let names = epmd_names("localhost", settings.port, PATIENCE).map_err(|e| no_answer(&e))?;
        return print(&names::list(settings.port, &names));
    }
    if found.has("kill") {
        return kill(settings.port);
    }
    if let Some(name) = found.text("stop")? {
        return stop(&name, settings.port);
    }
    if found.has("daemon") {
        return detach(settings.port);
    }
    serve(&settings, found.has("systemd"))
}

/// Reads addresses, each of them one or a list as epmd takes it.
fn listed(given: &[String]) -> Result<Vec<IpAddr>, String> {
    let address = |text: &str| {
        text.parse().map_err(|_| format!("--address {text}: an address of IPv4 or IPv6 is needed, such as 10.0.0.7"))
    };
    given.iter().flat_map(|list| list.split([',', ' ']).filter(|word| !word.is_empty())).map(address).collect()
}

fn kill(port: u16) -> Result<(), Failure> {
    if epmd_kill(port, PATIENCE).map_err(|e| no_answer(&e))? {
        return print("Killed");
    }
    print("Killing not allowed - living nodes in database.")?;
    Err(Failure { code: 1, why: String::new(), of: Of::Erlang })
}

fn stop(name: &str, port: u16) -> Result<(), Failure> {
    let stopped = epmd_stop(name, port, PATIENCE).map_err(|e| match &e {
        Error::Misbehaved(_) => epmds_words("epmd: local epmd responded with <>"),
        _ => no_answer(&e),
    })?;
    print(if stopped { "STOPPED" } else { "NOEXIST" })
}

fn no_answer(e: &Error) -> Failure {
    log::debug!("{e}");
    epmds_words(if matches!(e, Error::Io(_)) {
        "epmd: Cannot connect to local epmd"
    } else {
        "epmd: failed to read answer from local epmd"
    })
}

/// Makes a failure in the words of Erlang's own epmd, which scripts may look for.
fn epmds_words(words: &str) -> Failure {
    Failure { code: 1, why: words.to_owned(), of: Of::Erlang }
}

/// Starts another process with the same options to be EPMD, which outlives whoever started this one, and waits until it listens.
fn detach(port: u16) -> Result<(), Failure> {
    let failed = |e| Failure::refused(format!("starting in the background: {e}"));
    if std::env::var_os(DETACHED).is_some() {
        return Err(Failure::usage(format!("{DETACHED} is set, which is for the process in the background")));
    }
    let own = std::env::current_exe().map_err(failed)?;
    let options = std::env::args_os().skip(1).filter(|word| word != "-daemon" && word != "--daemon");
    let mut command = Command::new(own);
    command.args(options).env(DETACHED, "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Err(Failure::refused(format!("it ended, {status}: without -daemon it says why")));
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(Failure::refused(format!("it is there, process {}, and does not answer on port {port}", child.id())))
}

const SIGNALS: Token = Token(0);

/// Serves EPMD until a signal, or until it is told to end.
fn serve(settings: &EpmdSettings, handed_over: bool) -> Result<(), Failure> {
    if std::env::var_os(DETACHED).is_some() {
        // an error says that it is a leader already
        let _ = rustix::process::setsid();
        std::env::set_current_dir("/").map_err(Failure::refused)?;
    }
    // first, while there are no threads and no sockets of our own
    let sockets = if handed_over { systemd::epmd_listeners().map_err(Failure::usage)? } else { Vec::new() };
    if handed_over && sockets.is_empty() {
        return Err(Failure::usage("systemd provides no sockets: -systemd is for a service that a socket unit starts"));
    }
    let mut ending = Ending::new()?;
    let server = if handed_over { EpmdServer::listen_on(sockets, settings) } else { EpmdServer::listen(settings) };
    let mut server = server.map_err(|e| match &e {
        Error::Io(io) if io.source.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::refused(format!("{e}; an epmd is there already, whose names `beamless names` lists; or give another --port"))
        }
        _ => Failure::refused(e),
    })?;
    ending.watch(server.registry(), SIGNALS)?;
    log::info!("epmd on port {}", server.port());
    Supervisor::from_env().ready();
    loop {
        server.poll(None)?;
        if server.is_killed() {
            log::info!("stopping, as epmd -kill asked for");
            return Ok(());
        }
        let signalled = std::iter::from_fn(|| server.poll_ready()).any(|ready| ready.token == SIGNALS);
        if signalled && ending.has_come() {
            return Ok(());
        }
    }
}

//! The command `beamless epmd`: is EPMD, where nodes register their names.

use std::net::IpAddr;

use beamless::{EpmdServer, EpmdSettings, Error};
use mio::Token;

use crate::cli::command_line::spec::{Found, Opt, Spec};
use crate::cli::local::Ending;
use crate::cli::outcome::Failure;

pub(super) const SPEC: Spec = Spec {
    name: "epmd",
    help: "Be EPMD, for a host without Erlang",
    about: "Be EPMD, where nodes register their names and ports, until SIGTERM or SIGINT. It takes 32 names.",
    options: &[PORT, ADDRESS],
    positionals: &[],
    notes: &["Example: beamless epmd --address 10.0.0.7"],
    lasts: true,
    run: read,
};

const PORT: Opt = Opt { long: "port", value: Some("P"), help: "The port; ERL_EPMD_PORT or 4369 by default", ..Opt::SWITCH };
const ADDRESS: Opt = Opt {
    long: "address",
    value: Some("A"),
    help: "Listen on this address and on loopback, not on all; ERL_EPMD_ADDRESS by default; repeatable",
    repeats: true,
    ..Opt::SWITCH
};

fn read(found: &mut Found) -> Result<(), Failure> {
    let port = found.positive("port", "a port is a number from 1 to 65535")?;
    let address = |text: &String| {
        text.parse().map_err(|_| format!("--address {text}: an address of IPv4 or IPv6 is needed, such as 10.0.0.7"))
    };
    let addresses: Vec<IpAddr> = found.texts("address")?.iter().map(address).collect::<Result<_, _>>()?;
    serve(port, &addresses)
}

const SIGNALS: Token = Token(0);

/// Serves EPMD until a signal.
fn serve(port: Option<u16>, addresses: &[IpAddr]) -> Result<(), Failure> {
    let mut settings = EpmdSettings::from_env().map_err(Failure::usage)?;
    if let Some(port) = port {
        settings.port = port;
    }
    if !addresses.is_empty() {
        settings.addresses = addresses.to_vec();
    }
    let mut ending = Ending::new()?;
    let mut server = EpmdServer::listen(&settings).map_err(|e| match &e {
        Error::Io(io) if io.source.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::refused(format!("{e}; an epmd is there already, whose names `beamless names` lists; or give another --port"))
        }
        _ => Failure::refused(e),
    })?;
    ending.watch(server.registry(), SIGNALS)?;
    log::info!("epmd on port {}", server.port());
    loop {
        server.poll(None)?;
        let signalled = std::iter::from_fn(|| server.poll_ready()).any(|ready| ready.token == SIGNALS);
        if signalled && ending.has_come() {
            return Ok(());
        }
    }
}

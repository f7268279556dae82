//! `beamless epmd` and `beamless names`: EPMD itself, and what it knows.

use beamless::{EpmdServer, EpmdSettings, Error, epmd_names};
use mio::Token;

use super::args::{Names, Serve};
use super::local::Ending;
use super::{Failure, print};

const SIGNALS: Token = Token(0);

/// What `epmd -names` prints, of any host.
pub(super) fn names(options: &Names) -> Result<(), Failure> {
    let port = EpmdSettings::from_env().map_err(Failure::usage)?.port;
    let names = epmd_names(&options.host, port, options.timeout).map_err(|e| {
        Failure::refused(format!(
            "{e}; is a node running there, or an epmd (`beamless epmd` is one)? ERL_EPMD_PORT says where, and firewalls must let it through"
        ))
    })?;
    print(&format!("epmd: up and running on port {port} with data:"))?;
    names.iter().try_for_each(|(name, port)| print(&format!("name {name} at port {port}")))
}

/// EPMD, until a signal.
pub(super) fn serve(options: &Serve) -> Result<(), Failure> {
    let mut settings = EpmdSettings::from_env().map_err(Failure::usage)?;
    if let Some(port) = options.port {
        settings.port = port;
    }
    if !options.addresses.is_empty() {
        settings.addresses.clone_from(&options.addresses);
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

//! The values of the settings, whether they stand in the file or on the command line.

use std::env;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use beamless::NodeName;
use rustix::fs::{Access, access};

use crate::cli::host::{self, Name};

/// Returns this node's whole name, with a `?` for what another node is to give.
pub(super) fn own(name: &Name) -> Result<NodeName, String> {
    let whole = host::whole_name(name)?;
    // any cookie will do
    name.config(&whole, "x").and_then(|_| NodeName::new(&whole)).map_err(|e| e.to_string())
}

/// Returns true if a host part makes a long name.
fn is_long(host: &str) -> bool {
    host.contains(['.', ':'])
}

/// Returns the whole name of another node, which is on this host if it does not say.
pub(in crate::cli::agent) fn node(text: &str, own: Option<&NodeName>) -> Result<String, String> {
    let own_host = own.map_or("localhost", |own| own.host());
    let whole = if text.contains('@') { text.to_owned() } else { format!("{text}@{own_host}") };
    let name = NodeName::new(&whole).map_err(|e| e.to_string())?;
    if own.is_some_and(|own| *own == name) {
        return Err("that is this node, and a node does not connect to itself".to_owned());
    }
    let port = name.host().rsplit_once(':').filter(|_| name.host().parse::<IpAddr>().is_err());
    if let Some((host, _)) = port {
        return Err(format!("EPMD tells the port: write {}@{host}", name.alive()));
    }
    let own = own.filter(|_| text.contains('@'));
    own.map_or(Ok(()), |own| reaches(own, name.host()))?;
    Ok(whole)
}

/// Refuses what cannot be connected: a short name does not connect to a long one.
fn reaches(own: &NodeName, host: &str) -> Result<(), String> {
    match (is_long(own.host()), is_long(host)) {
        (false, true) => Err(format!(
            "this node, {own}, has a short name, which connects to short names only: leave out the domain, or give this node a long name"
        )),
        (true, false) => Err(format!(
            "this node, {own}, has a long name, which connects to long names only: write the host with its domain, or its address"
        )),
        _ => Ok(()),
    }
}

/// Reads a node that may connect, or a host all of whose nodes may.
pub(super) fn allowed(text: &str, own: Option<&NodeName>) -> Result<String, String> {
    if text.contains('@') {
        return node(text, own);
    }
    let text = host(text)?;
    own.map_or(Ok(()), |own| reaches(own, &text))?;
    Ok(text)
}

/// Reads a host, by its name or address.
fn host(text: &str) -> Result<String, String> {
    if NodeName::new(&format!("x@{text}")).is_err() || (text.contains(':') && text.parse::<IpAddr>().is_err()) {
        return Err("a host is a name or an address, such as nuc3 or 10.0.0.7".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a host whose nodes are to be connected to.
pub(super) fn reached(text: &str, own: Option<&NodeName>) -> Result<String, String> {
    let text = host(text)?;
    // that is this host, however its nodes write it
    let own = own.filter(|_| text != "localhost");
    own.map_or(Ok(()), |own| reaches(own, &text))?;
    Ok(text)
}

/// Checks that a text is `MODULE:FUNCTION/ARITY`.
pub(super) fn function(text: &str) -> Result<(), &'static str> {
    let atom = |text: &str| (1..=255).contains(&text.chars().count());
    let parts = || {
        let (module, rest) = text.split_once(':')?;
        let (function, arity) = rest.rsplit_once('/')?;
        // written as Erlang does, so that no function is there twice
        arity.parse::<u8>().ok().filter(|number| number.to_string() == arity && atom(module) && atom(function))
    };
    parts().map(drop).ok_or(
        "a function is \"MODULE:FUNCTION/ARITY\", such as \"box:reboot/0\", or \"Elixir.Box:reboot/0\" for Elixir's Box.reboot()",
    )
}

/// Reads a path, which begins where the configuration file is.
pub(super) fn path(text: &str, folder: &Path) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("a path is needed".to_owned());
    }
    if text == "~" || text.starts_with("~/") {
        return Err("only a shell knows ~: write the whole path".to_owned());
    }
    Ok(folder.join(text))
}

/// Reads the path of a file that is read, which need not be there yet.
pub(super) fn readable(text: &str, folder: &Path) -> Result<PathBuf, String> {
    let path = path(text, folder)?;
    if path.is_dir() || path.file_name().is_none() {
        return Err("that is a folder: write the path of a file".to_owned());
    }
    Ok(path)
}

/// Reads a program: one with a `/` is a path, which begins where the configuration file is; any other is looked for in `PATH`.
pub(super) fn program(text: &str, folder: &Path) -> Result<String, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("a program is needed".to_owned());
    }
    if !text.contains('/') {
        return Ok(text.to_owned());
    }
    path(text, folder)?.into_os_string().into_string().map_err(|_| "its path is not UTF-8".to_owned())
}

/// Returns the whole path of a program that can be executed.
pub(super) fn found(program: &str) -> Result<String, String> {
    if program.contains('/') {
        return runs(Path::new(program)).map(|()| program.to_owned());
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| runs(path).is_ok());
    let found =
        found.ok_or_else(|| format!("there is no such program in PATH ({}): write its whole path", folders.to_string_lossy()))?;
    found.into_os_string().into_string().map_err(|_| "its path is not UTF-8".to_owned())
}

/// Checks that a file can be executed.
fn runs(path: &Path) -> Result<(), String> {
    let about = path.metadata().map_err(|e| format!("{}: {e}", path.display()))?;
    if !about.is_file() {
        return Err(format!("{}: that is no file", path.display()));
    }
    access(path, Access::EXEC_OK).map_err(|_| format!("{0} cannot be executed: chmod a+rx {0}", path.display()))
}

//! Which host a node is on, as Erlang works it out for `-sname` and `-name`.

use std::io;

use super::Name;

/// The node's whole name.
pub(super) fn whole_name(name: &Name) -> Result<String, String> {
    match name {
        Name::Short(name) => match name.split_once('@') {
            Some((_, host)) if host.contains('.') => {
                Err(format!("--sname {name}: a short name's host has no dot; use --name {name}"))
            }
            Some(_) => Ok(name.clone()),
            None => short_host().map(|host| format!("{name}@{host}")),
        },
        Name::Long(name) => match name.split_once('@') {
            Some((_, host)) if !host.contains(['.', ':']) => Err(format!(
                "--name {name}: a long name's host has a dot or is an address; use --sname {name}, or --name with the full host name"
            )),
            Some(_) => Ok(name.clone()),
            None => full_host().map(|host| format!("{name}@{host}")),
        },
    }
}

fn own_host() -> Result<String, String> {
    dns_lookup::get_hostname().map_err(|e| format!("cannot tell this host's name: {e}; give the whole name, NAME@HOST"))
}

/// The host's name up to its first dot.
fn short_host() -> Result<String, String> {
    let host = own_host()?;
    Ok(host.split('.').next().unwrap_or(&host).to_owned())
}

/// What `hostname -f` prints: the name with its domain.
fn full_host() -> Result<String, String> {
    let host = own_host()?;
    let full = if host.contains('.') { Some(host.clone()) } else { canonical(&host).ok().flatten() };
    full.filter(|full| full.contains('.')).ok_or_else(|| {
        format!("--name without a host needs this host's full name, and {host} has no domain: give the whole name, such as --name demo@10.0.0.7")
    })
}

fn canonical(host: &str) -> io::Result<Option<String>> {
    /// Ask for the canonical name; the same number on every Linux.
    const AI_CANONNAME: i32 = 2;
    let hints = dns_lookup::AddrInfoHints { flags: AI_CANONNAME, ..Default::default() };
    let mut found = dns_lookup::getaddrinfo(Some(host), None, Some(hints)).map_err(io::Error::from)?;
    Ok(found.find_map(|info| info.ok()?.canonname))
}

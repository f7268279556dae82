//! `[discover.gossip]`, and how it is read.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use super::asked::Asked;
use super::file::{Fault, Faults, Item};
use super::keys::Table;
use super::{units, values};
use crate::cli::agent::gossip::Secret;

/// `[discover.gossip]`: the heartbeat of libcluster's strategy `Gossip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Gossip {
    /// Where heartbeats are sent: a group, a broadcast address or a host.
    pub(in crate::cli::agent) to: SocketAddrV4,
    /// The network interface of the group; without one the routes tell it.
    pub(in crate::cli::agent) interface: Option<String>,
    pub(in crate::cli::agent) ttl: u8,
    /// The secret that heartbeats are encrypted with.
    pub(in crate::cli::agent) secret: Option<Secret>,
    /// Who says a heartbeat is connected.
    pub(in crate::cli::agent) listen: bool,
}

/// Reads `gossip = true`, or the table.
pub(super) fn gossip(item: &Item<'_>, folder: &Path, asked: Asked<'_>, faults: &mut Faults) -> Option<Gossip> {
    if !item.is_table() {
        let is_wanted =
            item.switch().map_err(|_| item.wrong("write true, or put [discover.gossip] on a line, and its keys below"));
        return faults.keep(is_wanted)?.then(plain);
    }
    let section = faults.keep(item.section())?;
    let address = section.get("address").map(|item| address(&item));
    let interface = section.get("interface").map(|item| interface(&item));
    let port = section.integer("port").map(u16::try_from);
    let ttl = section.integer("ttl").map(u8::try_from);
    let secret = section.get("secret_file").and_then(|item| secret(&item, folder, asked, faults));
    let listen = section.get("listen").map(|item| item.switch());
    let mut found = plain();
    if let Some(address) = address.and_then(|address| faults.keep(address)) {
        found.to.set_ip(address);
    }
    if let Some(Ok(port)) = faults.keep(port) {
        found.to.set_port(port);
    }
    if let Some(Ok(ttl)) = faults.keep(ttl) {
        found.ttl = ttl;
    }
    found.interface = interface.and_then(|interface| faults.keep(interface));
    found.secret = secret;
    found.listen = listen.and_then(|listen| faults.keep(listen)).unwrap_or_default();
    if !found.to.ip().is_multicast() {
        let of_groups = ["interface", "ttl"].into_iter().filter_map(|name| section.get(name));
        of_groups.for_each(|item| faults.add(item.wrong("this is for a group: leave it out, or leave out `address`")));
    }
    section.finish(faults);
    Some(found)
}

/// Returns what holds where the file says nothing more.
fn plain() -> Gossip {
    let keys = Table::of("[discover.gossip]");
    let number = |name| keys.default(name, units::digit_number);
    let address = keys.default("address", Some).parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
    Gossip {
        to: SocketAddrV4::new(address, u16::try_from(number("port")).unwrap_or_default()),
        interface: None,
        ttl: u8::try_from(number("ttl")).unwrap_or_default(),
        secret: None,
        listen: false,
    }
}

fn address(item: &Item<'_>) -> Result<Ipv4Addr, Fault> {
    let address = item.text()?.parse().ok().filter(|address: &Ipv4Addr| !address.is_unspecified());
    address.ok_or_else(|| {
        item.wrong("write an address of IPv4: that of a group, from \"224.0.0.0\" to \"239.255.255.255\", or one of broadcasts, such as \"10.0.0.255\"")
    })
}

fn interface(item: &Item<'_>) -> Result<String, Fault> {
    let text = item.text()?;
    if !(1..=15).contains(&text.len()) || text.contains(['/', '\0']) {
        return Err(item.wrong("write the name of an interface, such as \"eth0\""));
    }
    Ok(text.to_owned())
}

/// Reads the secret. One that cannot be read is waited for by an agent that starts; one that runs goes on with the one that it has.
fn secret(item: &Item<'_>, folder: &Path, asked: Asked<'_>, faults: &mut Faults) -> Option<Secret> {
    let path = item.text().and_then(|text| values::path(text, folder).map_err(|why| item.wrong(why)));
    let path = faults.keep(path)?;
    let why = match Secret::read(&path, matches!(asked, Asked::Check)) {
        Ok(secret) => return Some(secret),
        Err(why) => item.wrong(why),
    };
    let secret = match asked {
        Asked::Check => None,
        Asked::Start => Some(Secret::awaited(path)),
        Asked::Reload(has) => has.secret.filter(|secret| secret.path() == path).cloned(),
    };
    if secret.is_some() {
        faults.miss(why)
    } else {
        faults.add(why)
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libcluster has without any settings.
    #[test]
    fn the_table_says_what_libcluster_says() {
        let to = SocketAddrV4::new(Ipv4Addr::new(233, 252, 1, 32), 45892);
        assert_eq!(plain(), Gossip { to, interface: None, ttl: 1, secret: None, listen: false });
    }
}

//! The host part of a node's name, as Erlang works it out for `-sname` and `-name`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::OnceLock;
use std::time::Duration;
use std::{fmt, io};

use beamless::{Config, ConfigError, Error, NodeName};

use super::threads;

/// A name as given, which decides how its host part is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Short(String),
    Long(String),
    /// The host alone: the first node that this one connects to gives it its name.
    Dynamic(String),
}

/// What makes a name of a text.
type Make = fn(String) -> Name;

impl Name {
    /// The options and keys that give a name.
    pub(super) const KEYS: [(&'static str, Make); 3] = [("sname", Self::Short), ("name", Self::Long), ("dynamic", Self::Dynamic)];

    /// Returns true if another node is to give the name.
    pub(super) fn is_dynamic(&self) -> bool {
        matches!(self, Self::Dynamic(_))
    }

    /// Makes the settings of a hidden node of this name; `whole` is the name as [`whole_name`] gives it.
    pub(super) fn config(&self, whole: &str, cookie: &str) -> Result<Config, ConfigError> {
        match self {
            Self::Dynamic(host) => Config::dynamic(host, cookie),
            _ => Config::hidden(whole, cookie),
        }
    }
}

impl fmt::Display for Name {
    /// Writes the name as an option.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(name) => write!(f, "--sname {name}"),
            Self::Long(name) => write!(f, "--name {name}"),
            Self::Dynamic(host) => write!(f, "--dynamic {host}"),
        }
    }
}

/// Returns the node's whole name, with a `?` for what another node is to give; an error is why it is none, without the name.
pub(super) fn whole_name(name: &Name) -> Result<String, String> {
    whole(name, canonical)
}

/// The same; `look` says what this host's name is with its domain.
fn whole(name: &Name, look: impl FnOnce(&str) -> Option<String>) -> Result<String, String> {
    match name {
        Name::Short(name) => match name.split_once('@') {
            Some((_, host)) if host.contains('.') => Err(format!("a short name's host has no dot: give {name} as a long name")),
            Some(_) => Ok(name.clone()),
            None => short_host().map(|host| format!("{name}@{host}")),
        },
        Name::Long(name) => match name.split_once('@') {
            Some((_, host)) if !host.contains(['.', ':']) => Err(format!(
                "a long name's host has a dot or is an address: give {name} as a short name, or with the full host name"
            )),
            Some(_) => Ok(name.clone()),
            None => full_host(look).map(|host| format!("{name}@{host}")),
        },
        Name::Dynamic(host) if host.contains('@') => {
            Err("the host alone is given, such as nuc7 or 10.0.0.7: what stands before the @ another node gives".to_owned())
        }
        Name::Dynamic(host) => Ok(format!("?@{host}")),
    }
}

/// A node to be asked: its whole name, and its port if that was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) node: String,
    pub(super) port: Option<u16>,
}

/// Returns the option that mends a name which does not go with that of the node to connect to.
pub(super) fn option_for(e: &Error) -> &'static str {
    match e {
        Error::Config(ConfigError::ShortNameHasDot) => "; --name gives one",
        Error::Config(ConfigError::LongNameWithoutDot) => "; --sname gives one",
        _ => "",
    }
}

/// Returns the node that `given` means, and the name of the node that asks it: as given, or one that nobody else has. A node without its
/// host is on the host of the given name, as with `erl -remsh`, and without one on this host. To look this host's name up takes so long at most.
pub(super) fn pair(given: &str, own: Option<&Name>, longest: Duration) -> Result<(Target, String), String> {
    if given.starts_with(['\'', '"', ':']) {
        return Err(format!("{given}: a node's name stands here as it is, without quotes or a colon, such as hub@nuc3"));
    }
    let (node, port) = split_port(given)?;
    let own = own.map(|own| whole(own, within(longest)).map_err(|why| format!("{own}: {why}"))).transpose()?;
    let node = match (node.contains('@'), &own) {
        (true, _) => node,
        (false, Some(own)) => format!("{node}@{}", part(own)),
        (false, None) => format!("{node}@{}", short_host()?),
    };
    let own = match own {
        Some(own) => own,
        None => passing_name(part(&node), longest)?,
    };
    Ok((Target { node, port }, own))
}

/// Returns the host part of a whole name.
pub(super) fn part(name: &str) -> &str {
    name.split_once('@').map_or("", |(_, host)| host)
}

/// Splits `NAME@HOST:PORT`, `NAME:PORT`, `NAME@[V6]:PORT`; an address of IPv6 without brackets has no port behind it.
fn split_port(given: &str) -> Result<(String, Option<u16>), String> {
    let (before, port) = match given.rsplit_once(':') {
        Some((before, port)) if !before.contains(':') || before.ends_with(']') => (before, Some(port)),
        _ => (given, None),
    };
    let not_a_port = |port| format!("{given}: {port} is no port, which is a number from 1 to 65535");
    let port = port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or_else(|| not_a_port(port))).transpose()?;
    let node = match before.split_once('@') {
        Some((name, host)) => format!("{name}@{}", without_brackets(host)),
        None => before.to_owned(),
    };
    Ok((node, port))
}

/// Returns the host of `[HOST]`, as addresses of IPv6 are written where a port may follow.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Returns a node's name as one goes around EPMD with it.
pub(super) fn with_port(name: &NodeName, port: u16) -> String {
    let host = if name.host().contains(':') { format!("[{}]", name.host()) } else { name.host().to_owned() };
    format!("{}@{host}:{port}", name.alive())
}

/// Makes a name for a node that is there for one question: a long one where the other node's is long. Nobody connects to it, so a host
/// without a domain may have any.
///
/// The other node makes an atom of the name, which it keeps for ever and of which it has a million. So the names are few, and a process holds its
/// own for as long as it is there: another would take the place of its connection.
fn passing_name(peer_host: &str, longest: Duration) -> Result<String, String> {
    static HELD: OnceLock<(u32, Option<UnixDatagram>)> = OnceLock::new();
    let (number, _) = HELD.get_or_init(|| free_number(std::process::id()));
    let host = if peer_host.contains(['.', ':']) {
        let host = own_host()?;
        // a silent name server is not waited for: the name is needed by nobody
        with_domain(&host, within(longest.min(SOON))).unwrap_or_else(|| format!("{host}.localdomain"))
    } else {
        short_host()?
    };
    Ok(format!("beamless-{number:03x}@{host}"))
}

/// Returns the first number from this one on that no process of this host has, of those that look here, and what holds it: a socket that nobody
/// writes to, whose name the system takes back with the process.
fn free_number(first: u32) -> (u32, Option<UnixDatagram>) {
    let numbers = (0..PASSING_NAMES).map(|step| first.wrapping_add(step) % PASSING_NAMES);
    for number in numbers {
        let name = SocketAddr::from_abstract_name(format!("beamless-{number:03x}"));
        match name.and_then(|name| UnixDatagram::bind_addr(&name)) {
            Ok(socket) => return (number, Some(socket)),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
            // no sockets of this kind: most likely nobody has the number
            Err(_) => break,
        }
    }
    (first % PASSING_NAMES, None)
}

/// The longest look-up for a passing name.
const SOON: Duration = Duration::from_millis(500);
/// The number of passing names on one host.
const PASSING_NAMES: u32 = 0x1000;

fn own_host() -> Result<String, String> {
    dns_lookup::get_hostname().map_err(|e| format!("cannot tell this host's name: {e}; give the whole name, NAME@HOST"))
}

/// Returns the host's name up to its first dot.
fn short_host() -> Result<String, String> {
    let host = own_host()?;
    Ok(host.split('.').next().unwrap_or(&host).to_owned())
}

/// Returns what `hostname -f` prints: the name with its domain.
fn full_host(look: impl FnOnce(&str) -> Option<String>) -> Result<String, String> {
    let host = own_host()?;
    with_domain(&host, look).ok_or_else(|| {
        format!(
            "a long name without a host needs this host's full name, and {host} has no domain that a name server tells in time: give the \
             whole name, such as demo@10.0.0.7"
        )
    })
}

/// Returns the host's name, if it has a domain; `look` says what it is if not.
fn with_domain(host: &str, look: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let full = if host.contains('.') { Some(host.to_owned()) } else { look(host) };
    full.filter(|full| full.contains('.'))
}

/// Returns what looks this host's name up for so long at most, and once: where many nodes are asked, it is not waited for again for each.
fn within(longest: Duration) -> impl FnOnce(&str) -> Option<String> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let look = move |host: String| threads::within(longest, move || canonical(&host)).flatten();
    move |host| FOUND.get_or_init(|| look(host.to_owned())).clone()
}

fn canonical(host: &str) -> Option<String> {
    /// Ask for the canonical name; the same number on every Linux.
    const AI_CANONNAME: i32 = 2;
    let hints = dns_lookup::AddrInfoHints { flags: AI_CANONNAME, ..Default::default() };
    dns_lookup::getaddrinfo(Some(host), None, Some(hints)).ok()?.find_map(|info| info.ok()?.canonname)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_from_an_address() {
        let split = |given| split_port(given).map(|(node, port)| (node, port.unwrap_or(0)));
        for (given, node, port) in [
            ("demo", "demo", 0),
            ("demo:4711", "demo", 4711),
            ("demo@nuc1", "demo@nuc1", 0),
            ("demo@nuc1:4711", "demo@nuc1", 4711),
            ("demo@10.0.0.7:1", "demo@10.0.0.7", 1),
            ("demo@::1", "demo@::1", 0),
            ("demo@[::1]", "demo@::1", 0),
            ("demo@[::1]:4711", "demo@::1", 4711),
            ("demo@[10.0.0.7", "demo@[10.0.0.7", 0),
            ("[demo]", "[demo]", 0),
        ] {
            assert_eq!(split(given), Ok((node.to_owned(), port)), "{given}");
        }
        for node in ["demo@nuc1", "demo@10.0.0.7", "demo@::1"] {
            let given = with_port(&NodeName::new(node).unwrap(), 4711);
            assert_eq!(split_port(&given), Ok((node.to_owned(), Some(4711))));
        }
        assert!(split("demo:").is_err() && split("demo:0").is_err() && split("demo@nuc1:99999").is_err());
    }

    /// As two processes whose numbers differ by 4,096 ask for one.
    #[test]
    fn a_passing_name_is_held() {
        let (one, held) = free_number(PASSING_NAMES + 7);
        let (other, also_held) = free_number(7);
        assert!(held.is_some() && also_held.is_some() && one != other && one.max(other) < PASSING_NAMES, "{one} {other}");
        // the last number comes before the first
        let last: Vec<_> = (0..3).map(|_| free_number(PASSING_NAMES - 1)).collect();
        assert!(last.iter().all(|(number, _)| *number < PASSING_NAMES));
        assert!(last[0].0 != last[1].0 && last[1].0 != last[2].0);
    }

    /// Where many nodes are asked, a silent name server is not waited for again for each.
    #[test]
    fn this_hosts_name_is_looked_up_once() {
        let [one, other] = ["127.0.0.1", "127.0.0.2"].map(|host| within(Duration::MAX)(host));
        assert!(one.is_some() && one == other, "{one:?} {other:?}");
    }

    #[test]
    fn a_passing_name_is_as_long_as_the_other() {
        let (target, own) = pair("demo@10.0.0.7", None, Duration::MAX).unwrap();
        assert_eq!(target.node, "demo@10.0.0.7");
        assert!(own.starts_with("beamless-") && own.split_once('@').unwrap().1.contains('.'), "{own}");
        let (_, short) = pair("demo@nuc1", None, Duration::MAX).unwrap();
        assert!(!short.contains('.'), "{short}");
        // the node that is asked is not made to remember any number of names
        assert_eq!(short, pair("demo@nuc2", None, Duration::MAX).unwrap().1);
        let own = Name::Long("me@10.0.0.1".to_owned());
        let (target, name) = pair("demo:7", Some(&own), Duration::MAX).unwrap();
        assert_eq!((target.node.as_str(), target.port, name.as_str()), ("demo@10.0.0.1", Some(7), "me@10.0.0.1"));
        for atom in ["'demo@nuc2'", ":demo@nuc2", ":\"demo@nuc2\""] {
            assert!(pair(atom, None, Duration::MAX).unwrap_err().contains("without quotes"), "{atom}");
        }
        // as `erl -sname me@nuc7 -remsh demo` has it
        let own = Name::Short("me@nuc7".to_owned());
        assert_eq!(pair("demo", Some(&own), Duration::MAX).unwrap().0.node, "demo@nuc7");
        assert_eq!(pair("demo@nuc2", Some(&own), Duration::MAX).unwrap().0.node, "demo@nuc2");
    }
}

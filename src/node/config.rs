//! The settings of a node: who it is, and whom it takes.

use core::fmt;
use core::time::Duration;

use crate::error::{ConfigError, Misuse};
use crate::storage::names::Names;
use crate::wire::codes::Flags;
use crate::wire::ids::NodeName;

/// A node's settings.
///
/// A node is *hidden* unless made [`visible`](Config::visible): hidden nodes stand in `nodes(hidden)` and
/// `nodes(connected)` of their peers, and are left out of `nodes()`, `global` and `pg`.
///
/// ```
/// use std::time::Duration;
///
/// use beamless::{AutoConnect, Config};
///
/// let config = Config::visible("edge1@10.0.0.7", "secret")?
///     .tick_time(Duration::from_secs(30))?
///     .allow(["hub@10.0.0.1", "10.0.0.2"])? // a node, and all nodes of a host
///     .auto_connect(AutoConnect::Never);
/// assert!(Config::hidden("edge1", "secret").is_err()); // without a host
/// # let _ = config;
/// # Ok::<(), beamless::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Config {
    pub(super) name: OwnName,
    pub(super) cookie: heapless::Vec<u8, 255>,
    pub(super) visible: bool,
    pub(super) tick_time: Duration,
    pub(super) setup_time: Duration,
    pub(super) allow: Option<Names>,
    pub(super) creation: u32,
    pub(super) auto_connect: AutoConnect,
    pub(super) idle_time: Option<Duration>,
}

/// The rule for connecting to a node that something is sent to: `dist_auto_connect`, as Erlang has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AutoConnect {
    /// A connection is made whenever something is sent to the node, it is linked to or monitored, called, or asked to run a function.
    #[default]
    Always,
    /// A connection is made as with `Always`, until the node went down once. From then on only [`Node::connect`](crate::Node::connect)
    /// makes one, or the node itself. Of the nodes that went down the last 64 are known.
    Once,
    /// A connection is made by [`Node::connect`](crate::Node::connect) alone.
    Never,
}

impl Config {
    /// Makes a hidden node called `name` (`alive@host`), in the cluster that shares `cookie`.
    ///
    /// The alive name takes letters, digits, `_` and `-`. A host with a dot, or an address, makes the name a long one,
    /// which connects only to nodes with long names; a plain host makes it short, as with Erlang's `-name` and `-sname`.
    ///
    /// # Errors
    /// [`ConfigError`] names what is wrong with the name, or says that the cookie does not have 1 to 255 characters of Latin-1.
    pub fn hidden(name: &str, cookie: &str) -> Result<Self, ConfigError> {
        let name = NodeName::new(name)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.alive().chars().all(plain) {
            return Err(ConfigError::AliveName);
        }
        Self::named(OwnName::Fixed(name), cookie)
    }

    /// Makes a visible node: as [`Config::hidden`], but it stands in `nodes()` of its peers.
    ///
    /// It has no part in their `global` and `pg`, and holds up neither. So no peer learns of it from another: it is seen by those
    /// it is connected to.
    ///
    /// # Errors
    /// As [`Config::hidden`].
    pub fn visible(name: &str, cookie: &str) -> Result<Self, ConfigError> {
        Ok(Self { visible: true, ..Self::hidden(name, cookie)? })
    }

    /// Makes a node that asks the first peer it connects to for a name (as `erl -sname undefined` does), and listens nowhere. `host` is the
    /// host part of the name to be.
    ///
    /// Until then it connects to one peer at a time, and nothing can be sent: [`Misuse::NoName`](crate::Misuse::NoName). The name lasts as
    /// long as the connection to the peer that gave it, since that peer may give it to another node then: when that connection goes,
    /// all others are closed ([`Reason::NameLost`](crate::Reason::NameLost)), and the next peer that it connects to gives a name
    /// anew, which may be another. [`Node::name`](crate::Node::name) tells.
    ///
    /// # Errors
    /// As [`Config::hidden`].
    pub fn dynamic(host: &str, cookie: &str) -> Result<Self, ConfigError> {
        Self::named(OwnName::asked(host)?, cookie)
    }

    fn named(name: OwnName, cookie: &str) -> Result<Self, ConfigError> {
        // Erlang makes the digest of the characters' numbers, which must be bytes
        let mut bytes = heapless::Vec::new();
        for c in cookie.chars() {
            let byte = u8::try_from(c).map_err(|_| ConfigError::Cookie)?;
            bytes.push(byte).map_err(|_| ConfigError::Cookie)?;
        }
        let cookie = bytes;
        if cookie.is_empty() {
            return Err(ConfigError::Cookie);
        }
        Ok(Self {
            name,
            cookie,
            visible: false,
            tick_time: Duration::from_secs(60),
            setup_time: Duration::from_secs(7),
            allow: None,
            creation: 0,
            auto_connect: AutoConnect::default(),
            idle_time: None,
        })
    }

    /// Sets `net_ticktime`: a peer that was silent this long, or up to a quarter longer, is down. A tick is sent when nothing else was for
    /// a quarter of it. The default is 60 seconds, as in Erlang. All nodes of a cluster should have the same.
    ///
    /// # Errors
    /// [`ConfigError::TickTime`] unless it is from one second to one day.
    pub fn tick_time(self, tick_time: Duration) -> Result<Self, ConfigError> {
        if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&tick_time) {
            return Err(ConfigError::TickTime);
        }
        Ok(Self { tick_time, ..self })
    }

    /// Sets `net_setuptime`: the time for each step of connecting, such as the peer's answer to a packet of the handshake. What comes before
    /// the handshake, and the handshake, have three times as much each. The default is 7 seconds, as in Erlang. A slow line needs more.
    ///
    /// # Errors
    /// [`ConfigError::SetupTime`] unless it is from one second to two minutes.
    pub fn setup_time(self, setup_time: Duration) -> Result<Self, ConfigError> {
        if !(Duration::from_secs(1)..=Duration::from_secs(120)).contains(&setup_time) {
            return Err(ConfigError::SetupTime);
        }
        Ok(Self { setup_time, ..self })
    }

    /// Sets the only nodes that may connect here, by their full names or by their host (as with `net_kernel:allow/1`). They need the
    /// cookie all the same. By default everybody with the cookie may connect.
    ///
    /// # Errors
    /// [`ConfigError::TooManyNames`].
    pub fn allow(self, nodes: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, ConfigError> {
        let mut names = Names::default();
        for node in nodes {
            names.add(node.as_ref()).ok_or(ConfigError::TooManyNames)?;
        }
        Ok(Self { allow: Some(names), ..self })
    }

    /// Sets whether sending to a node that is not connected connects to it. The default is [`AutoConnect::Always`], as in Erlang.
    #[must_use]
    pub fn auto_connect(self, auto_connect: AutoConnect) -> Self {
        Self { auto_connect, ..self }
    }

    /// Sets the idle time: a connection over which nothing but ticks went for so long is let go, if no link, no monitor and no call crosses
    /// it. What is sent next makes it again. The time is counted in quarters of the tick time, so it may take that much longer. By default
    /// no connection is let go.
    #[must_use]
    pub fn idle_time(self, idle_time: Duration) -> Self {
        Self { idle_time: Some(idle_time), ..self }
    }

    /// Sets the incarnation of the node: a number that differs from that of the last start, at least 4. The driver draws one at random.
    /// Whoever drives the node without it must set one.
    #[must_use]
    pub fn creation(self, creation: u32) -> Self {
        Self { creation: creation.max(4), ..self }
    }
}

impl fmt::Debug for Config {
    /// Shows everything but the cookie.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("name", &self.name.shown()).field("visible", &self.visible).finish_non_exhaustive()
    }
}

/// A node's own name.
#[derive(Clone)]
pub(super) enum OwnName {
    Fixed(NodeName),
    /// `?@host` until the first peer gives one.
    Asked(NodeName),
}

impl OwnName {
    /// Returns the name of a node that asks a peer for one.
    pub(super) fn asked(host: &str) -> Result<Self, ConfigError> {
        let mut placeholder = heapless::String::<257>::new();
        fmt::write(&mut placeholder, format_args!("?@{host}")).map_err(|_| ConfigError::NameTooLong)?;
        NodeName::new(&placeholder).map(Self::Asked)
    }

    /// Returns the name, once there is one.
    pub(super) fn known(&self) -> Result<&NodeName, Misuse> {
        match self {
            Self::Fixed(name) => Ok(name),
            Self::Asked(_) => Err(Misuse::NoName),
        }
    }

    pub(super) fn shown(&self) -> &NodeName {
        let (Self::Fixed(name) | Self::Asked(name)) = self;
        name
    }

    /// Returns the name that the first packet of a handshake says.
    pub(super) fn in_handshake(&self) -> &str {
        match self {
            Self::Fixed(name) => name.as_str(),
            Self::Asked(name) => name.host(),
        }
    }
}

/// Returns true if a host part makes a long name.
pub(super) fn is_long(host: &str) -> bool {
    host.contains(['.', ':'])
}

impl Config {
    /// Returns the flags that this node offers its peers.
    pub(super) fn flags(&self) -> Flags {
        let flags = if self.visible { Flags::OURS.with(Flags::PUBLISHED) } else { Flags::OURS };
        match self.name {
            OwnName::Fixed(_) => flags,
            OwnName::Asked(_) => flags.with(Flags::NAME_ME),
        }
    }

    /// Returns true if the node of this name may connect.
    pub(super) fn allows(&self, node: &NodeName) -> bool {
        self.allow.as_ref().is_none_or(|list| list.iter().any(|entry| entry == node.as_str() || entry == node.host()))
    }

    /// Checks that names of this host can be connected to, as Erlang decides it.
    pub(super) fn reaches(&self, peer: &NodeName) -> Result<(), ConfigError> {
        match (is_long(self.name.shown().host()), is_long(peer.host())) {
            (true, false) => Err(ConfigError::LongNameWithoutDot),
            (false, true) => Err(ConfigError::ShortNameHasDot),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_erlang_refuses() {
        assert!(Config::hidden("edge_1-a@10.0.0.7", "secret").is_ok());
        assert_eq!(Config::hidden("edge.1@host", "secret").unwrap_err(), ConfigError::AliveName);
        assert_eq!(Config::hidden("edge", "secret").unwrap_err(), ConfigError::NameForm);
        assert_eq!(Config::hidden("edge@host", "").unwrap_err(), ConfigError::Cookie);
        let config = Config::hidden("edge@host", "secret").unwrap();
        assert_eq!(config.clone().tick_time(Duration::ZERO).unwrap_err(), ConfigError::TickTime);
        for (seconds, taken) in [(0, false), (1, true), (120, true), (121, false)] {
            assert_eq!(config.clone().setup_time(Duration::from_secs(seconds)).is_ok(), taken, "{seconds}");
        }
        assert_eq!(config.reaches(&NodeName::new("a@b.c").unwrap()), Err(ConfigError::ShortNameHasDot));
        assert!(!format!("{config:?}").contains("secret"));
        assert!(format!("{config:?}").contains("visible: false"));
        assert!(format!("{:?}", Config::visible("edge@host", "secret").unwrap()).contains("visible: true"));
        let long = Config::hidden("edge@host.here", "secret").unwrap();
        assert_eq!(long.reaches(&NodeName::new("a@b").unwrap()), Err(ConfigError::LongNameWithoutDot));
        assert_eq!(long.reaches(&NodeName::new("a@b.c").unwrap()), Ok(()));
        let list = ["hub@nuc3", "nuc4"];
        let config = config.allow(list).unwrap();
        for (name, allowed) in [("hub@nuc3", true), ("x@nuc4", true), ("x@nuc3", false)] {
            assert_eq!(config.allows(&NodeName::new(name).unwrap()), allowed);
        }
    }
}

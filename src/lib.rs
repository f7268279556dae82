//! [agent]: crate::manual::agent
//! [building]: crate::manual::building
//! [configuration]: crate::manual::configuration
//! [contributing]: crate::manual::contributing
//! [hub]: crate::manual::hub
//! [library]: crate::manual::library
//! [manual]: crate::manual
//! [protocol]: crate::manual::protocol
//! [security]: crate::manual::security
//! [tested_with]: crate::manual::tested_with
//! [tls]: crate::manual::tls
//! [tool]: crate::manual::tool
//!
#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`Node`], a [`NodeStorage`] for its memory, a [`Config`] for its name and its cookie, and a [`Driver`] for its sockets. After each
//! [`Driver::poll`] comes [`Node::recv`], which lends a [`Message`] and an [`Outbox`], and [`Node::poll_event`]. A [`Term`] is read by its
//! methods and written by a [`TermWriter`].
// The definitions at the top are rustdoc's: they win over those at the end of the README, which are GitHub's.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
// docs.rs tells of each item which feature it takes
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, reason = "a test that overflows fails")
)]

#[cfg(feature = "std")]
mod driver;
mod error;
#[cfg(any(test, beamless_fuzz))]
#[doc(hidden)]
pub mod fuzz;
mod limit;
#[cfg(any(doc, doctest))]
pub mod manual;
mod node;
#[cfg(feature = "std")]
mod owned;
mod proto;
mod storage;
mod time;
mod wire;

#[cfg(feature = "std")]
pub use driver::{
    Driver, DriverOptions, Epmd, EpmdServer, EpmdSettings, Ready, cookie_file, epmd_kill, epmd_names, epmd_stop, full_host_name,
    listen_addresses, read_cookie, short_host_name,
};
#[cfg(feature = "tls")]
pub use driver::{Tls, TlsFiles, TlsPem, TlsVersions};
#[cfg(feature = "std")]
pub use error::IoError;
#[cfg(feature = "tls")]
pub use error::TlsFault;
pub use error::{ConfigError, Error, Full, Misbehaved, Misuse, NetworkFault, Reason, Result, TermError, TermFault};
pub use limit::LogLimit;
/// The poll loop under the driver: what [`Driver::registry`] takes, and [`Ready`] gives.
#[cfg(feature = "std")]
pub use mio;
#[cfg(feature = "std")]
pub use node::Sizes;
pub use node::{
    Address, Apply, AutoConnect, Call, Caller, Config, Connection, Dropped, Event, Exception, Failure, GroupStorage, HeldBy,
    InUse, Mailbox, Message, Monitor, Node, NodeStorage, Origin, Outbox, Overflow, OwnedCaller, Peer, Received, Receiver,
    Request, Traffic, may_take,
};
#[cfg(feature = "std")]
pub use owned::OwnedNode;
pub use time::Instant;
pub use wire::build::{TermWriter, WriteTerm, WriteTermAgain, Written, encode};
pub use wire::fixed::{FixedStr, TooLong};
pub use wire::handshake::Prefix;
pub use wire::ids::{Atom, NodeName, OwnedPid, OwnedReference, Pid, Port, Reference};
pub use wire::key::MapKey;
#[cfg(feature = "std")]
pub use wire::owned::OwnedTerm;
#[cfg(feature = "serde")]
pub use wire::serde;
pub use wire::term::{Elements, List, Pairs, Term, Value};
pub use wire::text::{Text, TextError, TextFault, parse_text};
pub use wire::value::{Big, Bits, Export, Fun, Limits, Record};

/// EPMD without I/O, both sides: for a loop of your own. The driver brings its own sockets for it.
pub mod epmd {
    pub use crate::proto::epmd_client::*;
    pub use crate::proto::epmd_server::*;
}

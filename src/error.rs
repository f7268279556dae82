//! Errors, sorted by who must act on them.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

#[cfg(feature = "tls")]
mod tls;

use core::fmt;

#[cfg(feature = "tls")]
pub(crate) use tls::Date;
#[cfg(feature = "tls")]
pub use tls::TlsFault;

/// The result of a fallible call of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// An error, whose variant says who must act. It debugs as it displays, since that is what a `main` prints that returns it.
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong: whoever configures the node must change it.
    Config(ConfigError),
    /// Something a peer sent breaks the protocol, or bytes given as a term are none.
    Misbehaved(Misbehaved),
    /// Fixed memory is used up for now, or too small for good.
    Full(Full),
    /// The program asked for something that cannot be: its author must act.
    Misuse(Misuse),
    /// There is no connection to the node that was addressed: connect first, or wait for it to be up.
    NotConnected,
    /// The operating system refused something.
    #[cfg(feature = "std")]
    Io(IoError),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(e) => e.fmt(f),
            Self::Misbehaved(e) => e.fmt(f),
            Self::Full(e) => e.fmt(f),
            Self::Misuse(e) => e.fmt(f),
            Self::NotConnected => f.write_str("not connected to that node: connect first, or wait for its node up event"),
            #[cfg(feature = "std")]
            Self::Io(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            #[cfg(feature = "std")]
            Self::Io(e) => Some(&e.source),
            _ => None,
        }
    }
}

macro_rules! into_error {
    ($($variant:ident($kind:ident)),*) => {$(
        impl From<$kind> for Error {
            fn from(e: $kind) -> Self {
                Self::$variant(e)
            }
        }
        impl core::error::Error for $kind {}
    )*};
}
into_error!(Config(ConfigError), Misbehaved(Misbehaved), Full(Full), Misuse(Misuse));

impl From<TermError> for Error {
    fn from(e: TermError) -> Self {
        Self::Misbehaved(Misbehaved::Term(e))
    }
}

/// An operating system error, with what the node was doing.
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct IoError {
    /// The action that failed: `listening on 10.0.0.7:4369`.
    pub doing: Box<str>,
    /// The system's own error.
    pub source: std::io::Error,
}

#[cfg(feature = "std")]
impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.source)
    }
}

/// A wrong setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A node name is not `alive@host`, both parts non-empty, one `@`.
    NameForm,
    /// The part before the `@` has a character other than letters, digits, `_` and `-`.
    AliveName,
    /// The name has a space or a control character.
    HostName,
    /// A name is longer than 255 bytes.
    NameTooLong,
    /// A node with a short name is to connect to one whose host has a dot, which has a long name.
    ShortNameHasDot,
    /// A node with a long name is to connect to one whose host has no dot and is no address, which has a short name.
    LongNameWithoutDot,
    /// The cookie is empty, longer than 255 characters, or has one that is not in Latin-1 (U+0000 to U+00FF), of which Erlang makes no digest.
    Cookie,
    /// The tick time is under a second or over a day.
    TickTime,
    /// The setup time is under a second or over two minutes.
    SetupTime,
    /// A list has too many names, or one of more than 65,535 bytes. Without `std` there are 512 bytes for a list, two for each name besides
    /// its own.
    TooManyNames,
    /// A function to serve is not `Module:Function/Arity`.
    FunctionName,
    /// A size of a node is out of its range: see the constants of `Sizes`.
    Sizes,
}

impl ConfigError {
    /// The text of [`ConfigError::Sizes`], which has the ranges that stand with the storage.
    pub(crate) const SIZES: &'static str = "a node has 1 to 65534 peers, up to 16383 mailboxes, up to 65534 watches and requests, \
                                            and buffers of 4096 bytes to 1 GiB, for which there must be memory";
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameForm => "a node name is ALIVE@HOST with exactly one '@', such as demo@10.0.0.7",
            Self::AliveName => "the part of a node name before the '@' takes letters, digits, '_' and '-' only",
            Self::HostName => "a node name takes no space and no control character",
            Self::NameTooLong => "a name is longer than 255 bytes",
            Self::ShortNameHasDot => {
                "a host with a dot belongs to a long name, and a node with a short name connects to short ones alone: give it a long name, \
                 such as demo@nuc1.example.org or demo@10.0.0.7"
            }
            Self::LongNameWithoutDot => {
                "a host without a dot belongs to a short name, and a node with a long name connects to long ones alone: give it a short name, \
                 such as demo@nuc1"
            }
            Self::Cookie => "a cookie has 1 to 255 characters, all of them in Latin-1",
            Self::TickTime => "the tick time is from 1 second to 1 day",
            Self::SetupTime => "the setup time is from 1 second to 2 minutes",
            Self::TooManyNames => "the names in a list take more than there is room for: 512 bytes without std",
            Self::FunctionName => "a function to serve is MODULE:FUNCTION/ARITY, such as thermometer:read/0",
            Self::Sizes => Self::SIZES,
        })
    }
}

/// The place and the fault of bytes that are no term, or none we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermError {
    /// Offset in bytes from the start of what was parsed, up to `u32::MAX`.
    pub at: u32,
    /// The fault there.
    pub fault: TermFault,
}

impl fmt::Display for TermError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term at byte {}: {}", self.at, self.fault)
    }
}
impl core::error::Error for TermError {}

/// A fault in a term of the external format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TermFault {
    /// The bytes end before the term does.
    Truncated,
    /// Bytes follow after the term.
    Trailing,
    /// The first byte is not 131, the version of the format.
    Version(u8),
    /// A tag that is not in the format.
    Tag(u8),
    /// A compressed term (tag 80): not valid between nodes; send it uncompressed.
    Compressed,
    /// A local term (tag 121), which only the node that made it can read.
    Local,
    /// An atom that is not UTF-8 or has more than 255 characters.
    Atom,
    /// A float that is infinite, not a number, or not text of one.
    Float,
    /// A reference of no words or more than five.
    Reference,
    /// A pid, port or reference in an old form with a number that is too large for it: a creation above 3, or a first word of more than 18
    /// bits in a reference.
    Identifier,
    /// A bit string that is empty, or whose last byte uses none or more than eight bits.
    Bits,
    /// A fun whose parts have the wrong types, or that holds more than 255 terms.
    Fun,
    /// A native record with unknown flags.
    Record,
    /// Nested deeper than the limit.
    TooDeep,
    /// Longer than the limit.
    TooLong,
}

impl fmt::Display for TermFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("ends too early"),
            Self::Trailing => f.write_str("bytes follow after its end"),
            Self::Version(v) => write!(f, "version {v}, where 131 is expected"),
            Self::Tag(t) => write!(f, "unknown tag {t}"),
            Self::Compressed => f.write_str("compressed terms are not taken: send it uncompressed"),
            Self::Local => f.write_str("a local term can be read only by the node that made it"),
            Self::Atom => f.write_str("atom is not UTF-8 or longer than 255 characters"),
            Self::Float => f.write_str("float is not a finite number"),
            Self::Reference => f.write_str("reference must have 1 to 5 words"),
            Self::Identifier => f.write_str("identifier has a number too large for its old form"),
            Self::Bits => f.write_str("bit string must use 1 to 8 bits of its last byte"),
            Self::Fun => f.write_str("fun is malformed"),
            Self::Record => f.write_str("native record has unknown flags"),
            Self::TooDeep => f.write_str("nested too deep"),
            Self::TooLong => f.write_str("longer than the limit"),
        }
    }
}

/// A breach of the protocol by a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaved {
    /// A term that cannot be read.
    Term(TermError),
    /// A frame that does not start with 112 (pass through), though nothing else was offered.
    FrameType(u8),
    /// A control message of this operation that has the wrong shape.
    Control(u8),
    /// A packet of the handshake, named here, that cannot be read or comes out of order.
    Handshake(&'static str),
    /// A packet of EPMD, named here, that cannot be read.
    Epmd(&'static str),
}

impl fmt::Display for Misbehaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(e) => e.fmt(f),
            Self::FrameType(t) => write!(f, "frame type {t}, where only 112 (pass through) was offered"),
            Self::Control(op) => write!(f, "malformed control message {op}"),
            Self::Handshake(what) => write!(f, "handshake: bad {what}"),
            Self::Epmd(what) => write!(f, "epmd: bad {what}"),
        }
    }
}

/// A lack of fixed memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// The peer's transmit buffer has less room than the message takes: send it again once the peer has read.
    Transmit {
        /// Bytes the message takes.
        needed: usize,
        /// Bytes there are now.
        room: usize,
    },
    /// The message can never fit the transmit buffer: send less, or give the storage more bytes.
    Message {
        /// Bytes the message takes.
        needed: usize,
        /// Bytes the buffer has for messages when it is empty: [`Node::max_message`](crate::Node::max_message).
        limit: usize,
    },
    /// Every mailbox of the storage is registered.
    Mailboxes,
    /// Every place for links and monitors of the storage is taken, or the peer has its share: three times as many as are free, where the storage
    /// is for more than one peer.
    Watches,
    /// Every place for our own monitors, calls and aliases of the storage is taken.
    Requests,
    /// Every peer of the storage is taken.
    Peers,
    /// As many connections are being made as there may be at once: wait until one is up or has failed. Since somebody asked, the one that has
    /// heard nothing for longest fails once that is two seconds.
    Dials,
    /// Every place for memberships of groups is taken, some perhaps by what was left and a slow peer is still to be told of.
    Groups,
    /// The node takes part in four scopes already.
    Scopes,
    /// The node has eight global names already.
    GlobalNames,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit { needed, room } => {
                write!(
                    f,
                    "transmit buffer has {room} bytes free and the message takes {needed}: send it again once the peer has read"
                )
            }
            Self::Message { needed, limit } => {
                write!(
                    f,
                    "message of {needed} bytes can never fit: {limit} may wait for one peer; send less, or give the node larger buffers"
                )
            }
            Self::Mailboxes => f.write_str("all of the node's mailboxes are in use: close one, or give the node more"),
            Self::Watches => f.write_str(
                "the node has its share of the places for links and monitors, or none is left: end one, or give the node more",
            ),
            Self::Requests => f.write_str(
                "all of the node's places for own monitors, calls and aliases are in use: end one, or give the node more",
            ),
            Self::Peers => f.write_str("all of the node's places for connections are in use: close one, or give the node more"),
            Self::Dials => {
                f.write_str("as many connections are being made as there may be at once: ask again when one is up or has failed")
            }
            Self::Groups => f.write_str("all of the node's places in groups are in use: leave one, or give the node more"),
            Self::Scopes => f.write_str("a node takes part in at most four scopes of groups, for as long as it runs"),
            Self::GlobalNames => f.write_str("a node has at most eight global names: give one up first"),
        }
    }
}

/// A request that cannot be carried out as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// The term is not finished: this many elements were announced and not written.
    TermIncomplete(u32),
    /// More was written than one term.
    TermOverfull,
    /// An atom of more than 255 characters.
    AtomTooLong,
    /// A float that is infinite or not a number; Erlang has none.
    NotFinite,
    /// A length beyond what the format can say (2^32 - 1).
    TooLong,
    /// A bit string whose bits do not match its bytes.
    Bits,
    /// A mailbox of that name is registered already.
    NameTaken,
    /// The mailbox does not exist (any more).
    NoMailbox,
    /// The address is one of this very node: hand the value over inside the program.
    OwnNode,
    /// The node has no name yet: a dynamic node gets one from the first peer it connects to.
    NoName,
    /// The node does not know yet which incarnation it is, so nobody could reach what it gives out: make its driver first or, without one,
    /// set [`Config::creation`](crate::Config::creation).
    NoCreation,
    /// The address is an alias, and the peer's release does not know aliases (OTP 23).
    NotAnAlias,
    /// The call was answered, or given up.
    NoRequest,
    /// An alias where a process is wanted: one links to pids, and monitors and calls pids and names.
    NotAProcess,
    /// An exception as the answer to a `gen_server:call`: only functions raise.
    NotAFunction,
    /// A value that its own type, or the serializer, refuses to write as a term. A warning in the log says which part of it, and why.
    Serialize,
    /// The node has no memory for groups and global names: [`Node::set_groups`](crate::Node::set_groups) gives it some, once, for as many peers
    /// as it has places for.
    NoGroups,
    /// The memory for groups is for fewer peers than the node has places for, or the node has such memory already.
    OtherGroups,
    /// The term that names a group takes more than 258 bytes, or the name of a scope or a global name more than 255.
    GroupTooLong,
    /// The mailbox is not in that group.
    NotAMember,
    /// A mailbox in a group drops messages when it is full, the oldest or the newest: a member that held up its senders would hold up all that
    /// their nodes send.
    MemberHolds,
    /// The mailbox has a global name already. `global` takes no second one for a process.
    SecondName,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TermIncomplete(n) => {
                write!(f, "the term is not finished: {n} more element(s) were announced (a list ends with nil)")
            }
            Self::TermOverfull => f.write_str("more than one term was written where one goes"),
            Self::AtomTooLong => f.write_str("an atom has at most 255 characters"),
            Self::NotFinite => f.write_str("Erlang has no infinite float and no NaN"),
            Self::TooLong => f.write_str("longer than the format can say"),
            Self::Bits => f.write_str("a bit string uses 1 to 8 bits of its last byte"),
            Self::NameTaken => f.write_str("a mailbox of that name is registered already"),
            Self::NoMailbox => f.write_str("no such mailbox"),
            Self::OwnNode => f.write_str("that address is on this very node: hand the value over inside the program"),
            Self::NoName => f.write_str("the node has no name yet: a dynamic node gets it from the first peer it connects to"),
            Self::NoCreation => f.write_str(
                "the node does not know yet which incarnation it is: make its driver first or, without one, set Config::creation",
            ),
            Self::NoRequest => f.write_str("that call is not under way: it was answered, or given up"),
            Self::NotAProcess => f.write_str("an alias is no process: link to its pid, monitor and call its pid or its name"),
            Self::NotAFunction => f.write_str("a gen_server:call takes a reply, not an exception: only functions raise"),
            Self::Serialize => f.write_str("a value could not be written as a term: a warning in the log says why"),
            Self::NotAnAlias => f.write_str("the peer's release knows no aliases: they came with OTP 24"),
            Self::NoGroups => f.write_str("the node has no memory for groups and global names: call Node::set_groups first"),
            Self::OtherGroups => {
                f.write_str("memory for groups is given once, and is for as many peers as the node has places for")
            }
            Self::GroupTooLong => f.write_str("a group's name takes at most 258 bytes as a term, a scope's and a global one 255"),
            Self::NotAMember => f.write_str("the mailbox is not in that group"),
            Self::MemberHolds => {
                f.write_str("a mailbox in a group drops the oldest or the newest when it is full; it cannot hold")
            }
            Self::SecondName => {
                f.write_str("the mailbox has a global name: one process has one, another takes a mailbox of its own")
            }
        }
    }
}

/// The reason for which a connection ended, or an attempt at one came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// This side closed it: shut down, or asked to disconnect.
    ClosedByUs,
    /// The peer closed it, or its host did when the peer died.
    ClosedByPeer,
    /// The network broke it.
    Network(NetworkFault),
    /// Nothing came from the peer for a whole tick time.
    Silent,
    /// Nothing was said either way for the idle time, and nothing tied the two nodes to each other.
    Idle,
    /// The same node connected anew; this connection was left over from before.
    Superseded,
    /// The peer that gave this node its name is not connected any more, and the name went with it ([`Config::dynamic`](crate::Config::dynamic)).
    NameLost,
    /// The peer broke the protocol.
    Misbehaved(Misbehaved),
    /// The handshake was not done in time.
    Timeout,
    /// The peer closed right after our answer to its challenge: it has another cookie.
    CookieRefused,
    /// The peer's answer to our challenge is wrong: it has another cookie.
    InvalidChallengeReply,
    /// The peer took our cookie but did not prove that it knows it.
    InvalidChallengeAck,
    /// The peer does not allow this node (`net_kernel:allow`), or this node lacks something that the peer finds mandatory.
    NotAllowed,
    /// The peer has this node's own name.
    OwnName,
    /// The peer is not on this node's list of allowed names.
    NotOnList,
    /// The peer does not offer these mandatory flags (its release is too old).
    MissingFlags(u64),
    /// The peer still holds an old connection with this node and did not go on with the new one. OTP 23 does so until it notices
    /// that the old one is dead; later releases let go of it at once.
    OldConnection,
    /// The peer goes on with its own attempt at connecting to us.
    Nok,
    /// The node that answered there has another name than the one asked for.
    OtherName,
    /// All peers of the storage are in use.
    Full,
    /// The peer, a beamless node too, has no place for another node.
    PeerFull,
    /// Another connection attempt took the place of this unfinished one, here or at the peer.
    Crowded,
    /// The peer sent back a challenge of this node's own, to pass off the answer as its own. It need not know the cookie.
    Reflected,
    /// The peer speaks TLS, which this node does not.
    PeerSpeaksTls,
    /// TLS refused the connection, or ended it.
    #[cfg(feature = "tls")]
    Tls(TlsFault),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedByUs => f.write_str("closed by this node"),
            Self::ClosedByPeer => f.write_str("connection closed by the peer"),
            Self::Network(fault) => fault.fmt(f),
            Self::Idle => f.write_str("let go because it was idle"),
            Self::Silent => f.write_str("net_tick_timeout: the peer was silent for too long"),
            Self::Superseded => f.write_str("the node connected anew"),
            Self::NameLost => {
                f.write_str("the node that gave this one its name is not connected any more, and the name went with it")
            }
            Self::Misbehaved(m) => write!(f, "the peer broke the protocol: {m}"),
            Self::Timeout => f.write_str("the handshake was not finished in time"),
            Self::CookieRefused => {
                f.write_str("the peer closed after our challenge reply: the cookies differ; give both nodes the same one")
            }
            Self::InvalidChallengeReply => {
                f.write_str("Invalid challenge reply: the cookies differ; give both nodes the same one")
            }
            Self::InvalidChallengeAck => f.write_str("Invalid challenge ack: the peer did not prove that it knows the cookie"),
            Self::NotAllowed => {
                f.write_str("the peer does not allow this node: see net_kernel:allow there, or allow in the settings of an agent")
            }
            Self::OwnName => f.write_str("it has the name of this very node: give one of the two another"),
            Self::NotOnList => f.write_str("not on the list of allowed nodes"),
            Self::MissingFlags(flags) => {
                write!(f, "it cannot handle the mandatory flags {flags:#x}: a release before OTP 23 is too old")
            }
            Self::OldConnection => {
                f.write_str("the peer still holds an old connection with this node, for up to its tick time (net_ticktime)")
            }
            Self::Nok => f.write_str("the peer goes on with its own attempt"),
            Self::OtherName => f.write_str("the node there has another name: use the name it was started with"),
            Self::Full => f.write_str("all of the node's places for connections are in use: give the node more"),
            Self::PeerFull => {
                f.write_str("the peer has no room for another node: give it more, with sizes.nodes there, or larger storage")
            }
            Self::Crowded => f.write_str("too many unfinished handshakes at once: try again"),
            Self::Reflected => {
                f.write_str("it sent back a challenge of this node's own, as somebody does who does not know the cookie")
            }
            Self::PeerSpeaksTls => f.write_str(
                "it speaks TLS, which this node does not: start it without `-proto_dist inet_tls`, or this one with TLS",
            ),
            #[cfg(feature = "tls")]
            Self::Tls(fault) => fault.fmt(f),
        }
    }
}

/// A fault of the network, as far as it matters which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkFault {
    /// The host name has no address.
    UnknownHost,
    /// No EPMD answers on the host.
    NoEpmd,
    /// What answers on EPMD's port of the host does not answer as EPMD does.
    NotEpmd,
    /// EPMD is there and knows no node of that name.
    NoSuchName,
    /// The node's port refused the connection.
    Refused,
    /// Nobody listens on the node's socket on this host, or there is no such file.
    NoSocket,
    /// The node's socket on this host is nothing for this user.
    Denied,
    /// Another program has EPMD's port on this host.
    PortTaken,
    /// No route to the host or its network.
    Unreachable,
    /// The connection was reset.
    Reset,
    /// No answer in time.
    TimedOut,
    /// Anything else; the number is the operating system's, or 0 if it has none.
    Other(i32),
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost => f.write_str("the host name has no address: check the part after the '@'"),
            Self::NoEpmd => f.write_str(
                "no epmd answers on the host: is a node running there, and the port of epmd open (ERL_EPMD_PORT, or 4369)?",
            ),
            Self::NotEpmd => f.write_str(
                "something answers on the host's port of epmd, and not as epmd does: has another program the port (ERL_EPMD_PORT, or 4369)?",
            ),
            Self::NoSuchName => f.write_str("epmd on the host knows no node of that name: see `epmd -names` there"),
            Self::Refused => f.write_str("the node's port refused the connection"),
            Self::NoSocket => f.write_str("nobody listens on the node's socket: is the node running, and the path right?"),
            Self::Denied => {
                f.write_str("no right to connect to the node's socket: check the mode of the file and of its folders")
            }
            Self::PortTaken => f.write_str(
                "another program has epmd's port on this host: register with that one, if it is an epmd, or use another port",
            ),
            Self::Unreachable => f.write_str("no route to the host"),
            Self::Reset => f.write_str("connection reset"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Other(code) => write!(f, "network error {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are read by users of programs with other options, or with none.
    #[test]
    fn no_error_speaks_of_options() {
        use {ConfigError as C, NetworkFault as N};
        let settings = [
            C::NameForm,
            C::AliveName,
            C::HostName,
            C::NameTooLong,
            C::ShortNameHasDot,
            C::LongNameWithoutDot,
            C::Cookie,
            C::TickTime,
            C::SetupTime,
            C::FunctionName,
        ];
        let faults = [
            N::UnknownHost,
            N::NoEpmd,
            N::NotEpmd,
            N::NoSuchName,
            N::Refused,
            N::NoSocket,
            N::Denied,
            N::PortTaken,
            N::Unreachable,
            N::Reset,
            N::TimedOut,
            N::Other(1),
        ];
        let texts = settings.iter().map(ToString::to_string).chain(faults.iter().map(ToString::to_string));
        for text in texts {
            assert!(!text.contains(" --") && !text.contains("(--"), "{text}");
        }
    }
}

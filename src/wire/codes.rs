//! The protocol's numbers and their names, one table each.
//!
//! Protocol constants stand as the protocol documents write them: term tags and operations in decimal, flags in hex.

use core::fmt;

/// Tags of the external term format (erl_ext_dist).
pub(crate) mod tag {
    pub(crate) const VERSION: u8 = 131;
    /// Sent from OTP 29 on.
    pub(crate) const RECORD: u8 = 67;
    pub(crate) const NEW_FLOAT: u8 = 70;
    pub(crate) const BIT_BINARY: u8 = 77;
    pub(crate) const COMPRESSED: u8 = 80;
    pub(crate) const NEW_PID: u8 = 88;
    pub(crate) const NEW_PORT: u8 = 89;
    pub(crate) const NEWER_REFERENCE: u8 = 90;
    pub(crate) const SMALL_INTEGER: u8 = 97;
    pub(crate) const INTEGER: u8 = 98;
    pub(crate) const FLOAT: u8 = 99;
    pub(crate) const ATOM: u8 = 100;
    pub(crate) const REFERENCE: u8 = 101;
    pub(crate) const PORT: u8 = 102;
    pub(crate) const PID: u8 = 103;
    pub(crate) const SMALL_TUPLE: u8 = 104;
    pub(crate) const LARGE_TUPLE: u8 = 105;
    pub(crate) const NIL: u8 = 106;
    pub(crate) const STRING: u8 = 107;
    pub(crate) const LIST: u8 = 108;
    pub(crate) const BINARY: u8 = 109;
    pub(crate) const SMALL_BIG: u8 = 110;
    pub(crate) const LARGE_BIG: u8 = 111;
    pub(crate) const NEW_FUN: u8 = 112;
    pub(crate) const EXPORT: u8 = 113;
    pub(crate) const NEW_REFERENCE: u8 = 114;
    pub(crate) const SMALL_ATOM: u8 = 115;
    pub(crate) const MAP: u8 = 116;
    pub(crate) const ATOM_UTF8: u8 = 118;
    pub(crate) const SMALL_ATOM_UTF8: u8 = 119;
    pub(crate) const V4_PORT: u8 = 120;
    pub(crate) const LOCAL: u8 = 121;

    /// By tag, the lengths of the terms that have none in them and whose tag tells their length; 0 for all others.
    pub(crate) static FIXED_LEN: [u8; 256] = {
        let mut all = [0; 256];
        let (mut rest, mut tag): (&mut [u8], u8) = (&mut all, 0);
        while let Some((len, behind)) = rest.split_first_mut() {
            *len = match tag {
                SMALL_INTEGER => 2,
                INTEGER => 5,
                NEW_FLOAT => 9,
                NIL => 1,
                _ => 0,
            };
            (rest, tag) = (behind, tag.wrapping_add(1));
        }
        all
    };
}

/// Tags of EPMD's requests and answers.
pub(crate) mod epmd {
    pub(crate) const DUMP_REQ: u8 = 100;
    pub(crate) const KILL_REQ: u8 = 107;
    pub(crate) const NAMES_REQ: u8 = 110;
    pub(crate) const STOP_REQ: u8 = 115;
    pub(crate) const ALIVE2_X_RESP: u8 = 118;
    pub(crate) const PORT2_RESP: u8 = 119;
    pub(crate) const ALIVE2_REQ: u8 = 120;
    pub(crate) const ALIVE2_RESP: u8 = 121;
    pub(crate) const PORT_PLEASE2_REQ: u8 = 122;
}

/// The table of operations of the control messages: the number, the name, the length of the tuple with the operation, and what the peer must
/// have offered to be sent it. `+ 1` is a trace token, the last element but for a reason.
macro_rules! operations {
    ($($(#[$doc:meta])* $number:literal $name:ident, $length:literal $(+ $token:literal)? $(, $needs:expr)?;)*) => {
        /// Operations of the control messages between nodes.
        pub(crate) mod op {
            use super::Flags;

            $($(#[$doc])* pub(crate) const $name: u8 = $number;)*

            /// Every operation that is known.
            #[cfg(test)]
            pub(crate) const ALL: &[u8] = &[$($number),*];

            /// Returns the length of the operation's tuple without a trace token; `None` for an operation that is not known.
            #[inline]
            pub(crate) const fn length(op: u8) -> Option<u8> {
                match op {
                    $($number => Some($length),)*
                    _ => None,
                }
            }

            /// Returns true if the operation's tuple has a trace token.
            #[inline]
            pub(crate) const fn is_traced(op: u8) -> bool {
                match op {
                    $($($number => $token > 0,)?)*
                    _ => false,
                }
            }

            /// Returns the flags that a peer must have offered to be sent the operation.
            #[inline]
            pub(super) const fn needs(op: u8) -> Flags {
                match op {
                    $($($number => $needs,)?)*
                    _ => Flags(0),
                }
            }

            /// Returns the name that the operation has in the protocol documents.
            pub(super) const fn name(op: u8) -> Option<&'static str> {
                match op {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// Returns true for a number that was an operation before there was this handshake, or never was one. No later release uses it.
            pub(crate) const fn is_retired(op: u8) -> bool {
                matches!(op, 5 | 9..=11 | 14 | 15 | 17)
            }
        }
    };
}

operations! {
    1 LINK, 3;
    2 SEND, 3;
    3 EXIT, 4;
    /// Sent until OTP 23; `UNLINK_ID` took its place.
    4 UNLINK, 3;
    6 REG_SEND, 4;
    7 GROUP_LEADER, 3;
    8 EXIT2, 4;
    12 SEND_TT, 3 + 1;
    13 EXIT_TT, 4 + 1;
    16 REG_SEND_TT, 4 + 1;
    18 EXIT2_TT, 4 + 1;
    19 MONITOR_P, 4, Flags::MONITORS;
    20 DEMONITOR_P, 4, Flags::MONITORS;
    21 MONITOR_P_EXIT, 5, Flags::MONITORS;
    22 SEND_SENDER, 3, Flags::SEND_SENDER;
    23 SEND_SENDER_TT, 3 + 1, Flags::SEND_SENDER;
    24 PAYLOAD_EXIT, 3, Flags::EXIT_PAYLOAD;
    25 PAYLOAD_EXIT_TT, 3 + 1, Flags::EXIT_PAYLOAD;
    26 PAYLOAD_EXIT2, 3, Flags::EXIT_PAYLOAD;
    27 PAYLOAD_EXIT2_TT, 3 + 1, Flags::EXIT_PAYLOAD;
    28 PAYLOAD_MONITOR_P_EXIT, 4, Flags::MONITORS.with(Flags::EXIT_PAYLOAD);
    29 SPAWN_REQUEST, 6, Flags::SPAWN;
    30 SPAWN_REQUEST_TT, 6 + 1, Flags::SPAWN;
    /// Whoever asks understands the answer, whatever was offered.
    31 SPAWN_REPLY, 5;
    32 SPAWN_REPLY_TT, 5 + 1;
    33 ALIAS_SEND, 3, Flags::ALIAS;
    34 ALIAS_SEND_TT, 3 + 1, Flags::ALIAS;
    35 UNLINK_ID, 4, Flags::UNLINK_ID;
    36 UNLINK_ID_ACK, 4;
    /// Says all sends and exits, with flags of its own. Its tuple may be longer.
    37 ALTACT_SIG_SEND, 4, Flags::ALTACT_SIG;
}

/// A set of distribution flags (erl_dist_protocol, "Distribution Flags"). Unknown bits are kept as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(pub(crate) u64);

impl Flags {
    pub(crate) const PUBLISHED: Self = Self(0x1);
    pub(crate) const EXTENDED_REFERENCES: Self = Self(0x4);
    pub(crate) const DIST_MONITOR: Self = Self(0x8);
    pub(crate) const FUN_TAGS: Self = Self(0x10);
    pub(crate) const DIST_MONITOR_NAME: Self = Self(0x20);
    pub(crate) const NEW_FUN_TAGS: Self = Self(0x80);
    pub(crate) const EXTENDED_PIDS_PORTS: Self = Self(0x100);
    pub(crate) const EXPORT_PTR_TAG: Self = Self(0x200);
    pub(crate) const BIT_BINARIES: Self = Self(0x400);
    pub(crate) const NEW_FLOATS: Self = Self(0x800);
    /// Who prints by a group leader here sends text in Unicode, not in Latin-1.
    pub(crate) const UNICODE_IO: Self = Self(0x1000);
    pub(crate) const SMALL_ATOM_TAGS: Self = Self(0x4000);
    pub(crate) const UTF8_ATOMS: Self = Self(0x1_0000);
    pub(crate) const MAP_TAG: Self = Self(0x2_0000);
    pub(crate) const BIG_CREATION: Self = Self(0x4_0000);
    pub(crate) const SEND_SENDER: Self = Self(0x8_0000);
    pub(crate) const EXIT_PAYLOAD: Self = Self(0x40_0000);
    pub(crate) const HANDSHAKE_23: Self = Self(0x100_0000);
    pub(crate) const UNLINK_ID: Self = Self(0x200_0000);
    /// Stands for the whole set that OTP 25 made mandatory. The documentation says bit 36; the code of every release says bit 26.
    pub(crate) const MANDATORY_25_DIGEST: Self = Self(0x400_0000);
    pub(crate) const SPAWN: Self = Self(1 << 32);
    pub(crate) const NAME_ME: Self = Self(1 << 33);
    pub(crate) const V4_NC: Self = Self(1 << 34);
    pub(crate) const ALIAS: Self = Self(1 << 35);
    /// Offered from OTP 28 on.
    pub(crate) const ALTACT_SIG: Self = Self(1 << 37);

    /// Monitors, by pid and by name.
    const MONITORS: Self = Self::DIST_MONITOR.with(Self::DIST_MONITOR_NAME);
    /// The flags that OTP 25 demands of a peer.
    pub(crate) const MANDATORY_25: Self = Self::EXTENDED_REFERENCES
        .with(Self::FUN_TAGS)
        .with(Self::NEW_FUN_TAGS)
        .with(Self::EXTENDED_PIDS_PORTS)
        .with(Self::EXPORT_PTR_TAG)
        .with(Self::BIT_BINARIES)
        .with(Self::NEW_FLOATS)
        .with(Self::UTF8_ATOMS)
        .with(Self::MAP_TAG)
        .with(Self::BIG_CREATION)
        .with(Self::HANDSHAKE_23);
    /// The flags that OTP 26 and later demand of a peer.
    pub(crate) const MANDATORY_26: Self = Self::MANDATORY_25.with(Self::UNLINK_ID).with(Self::V4_NC);
    /// The flags that we offer: everything that is mandatory anywhere, and what we understand besides. Neither the atom cache nor fragments
    /// are among them, so every frame is pass through and one frame bounds the memory.
    pub(crate) const OURS: Self = Self::MANDATORY_26
        .with(Self::MANDATORY_25_DIGEST)
        .with(Self::MONITORS)
        .with(Self::UNICODE_IO)
        .with(Self::SMALL_ATOM_TAGS)
        .with(Self::SEND_SENDER)
        .with(Self::EXIT_PAYLOAD)
        .with(Self::SPAWN)
        .with(Self::ALIAS)
        .with(Self::ALTACT_SIG);
    /// The flags that a peer is taken to have before it has said so: those of nearly every one. What was said so and it does not understand
    /// is taken back once that is known.
    pub(crate) const ASSUMED: Self = Self::MANDATORY_26.with(Self::MONITORS).with(Self::ALIAS).with(Self::SPAWN);
    /// The flags that we demand of a peer: those of OTP 23, the oldest release we talk to.
    pub(crate) const DEMANDED: Self = Self::MANDATORY_25;

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns true if a peer with these flags understands the operation; `op::needs` says which flags it takes. Who asks is whoever chooses
    /// the operation that something is said by (`Control::operation` and `To::operation`), and whoever looks again at what waited for the flags.
    #[inline]
    pub(crate) const fn allow(self, op: u8) -> bool {
        self.has(op::needs(op))
    }

    /// Returns the flags of `wanted` that are not here.
    pub(crate) const fn missing(self, wanted: Self) -> Self {
        Self(wanted.0 & !self.0)
    }

    /// Writes out the shorthand of OTP 25's mandatory set (`dist_util:expand_mandatory_25_flags/1`).
    pub(crate) const fn expanded(self) -> Self {
        if self.has(Self::MANDATORY_25_DIGEST) { self.with(Self::MANDATORY_25) } else { self }
    }
}

/// An operation by the name the protocol documents give it, for logs and events.
pub(crate) struct OpName(pub(crate) u8);

impl fmt::Display for OpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match op::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "operation {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags that releases offer and we do not: they have no name above.
    const LEFT_TO_ERLANG: [(u64, &str); 4] = [
        (0x2000, "DIST_HDR_ATOM_CACHE: we keep no cache"),
        (0x10_0000, "BIG_SEQTRACE_LABELS: we send no trace tokens"),
        (0x80_0000, "FRAGMENTS: one frame bounds the memory"),
        (1 << 38, "NATIVE_RECORDS: OTP 29, which has them first, sends them to nodes without it too"),
    ];

    /// Returns each release, the flags that it offers, and those that it demands of a peer.
    fn releases() -> Vec<(u32, Flags, Flags)> {
        let file = include_str!("../../tests/captured/flags.txt");
        let rows = file.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| {
            let mut fields = row.split(' ');
            let release = fields.next().and_then(|field| field.parse().ok());
            let mut flags = || fields.next().and_then(|field| u64::from_str_radix(field, 16).ok()).map(Flags);
            release.zip(flags()).zip(flags()).map(|((release, offered), demanded)| (release, offered, demanded)).expect(row)
        })
        .collect()
    }

    #[test]
    fn we_and_every_release_take_each_other() {
        for (otp, offered, demanded) in releases() {
            let ours = Flags::OURS.missing(demanded).0;
            assert_eq!(ours, 0, "OTP {otp} turns us away: it demands {ours:#x}, which Flags::OURS has not");
            let theirs = offered.missing(Flags::DEMANDED).0;
            assert_eq!(theirs, 0, "we turn OTP {otp} away: it does not offer {theirs:#x}, which Flags::DEMANDED has");
        }
    }

    #[test]
    fn every_flag_of_every_release_is_known() {
        let left = LEFT_TO_ERLANG.iter().fold(Flags(0), |sum, (bit, _)| sum.with(Flags(*bit)));
        assert_eq!(Flags::OURS.and(left), Flags(0), "named as left to Erlang, and offered");
        for (otp, offered, demanded) in releases() {
            let new = offered.with(demanded).without(Flags::OURS).without(left).0;
            assert_eq!(
                new, 0,
                "OTP {otp} has flags of which nothing is known here: {new:#x}. Look them up in its dist.h: what we understand gets a \
                 name in Flags and a place in Flags::OURS, anything else a line in LEFT_TO_ERLANG that says why not"
            );
        }
    }

    #[test]
    fn the_sets_have_the_numbers_of_dist_h() {
        assert_eq!(Flags::MANDATORY_25.0, 0x107_0f94);
        assert_eq!(Flags::MANDATORY_26.0, 0x4_0307_0f94);
        assert_eq!(Flags::OURS.0, 0x2d_074f_5fbc);
        assert_eq!(Flags::MANDATORY_25_DIGEST.expanded().missing(Flags::DEMANDED), Flags(0));
        assert_eq!(Flags(0).missing(Flags::NEW_FLOATS), Flags::NEW_FLOATS);
    }
}

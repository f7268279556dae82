//! Atoms, pids, ports, references and node names: borrowed from received bytes, or owned in fixed memory.

use core::fmt;

use super::codes::tag;
use super::cursor::{Reader, Short, is_short_ascii};
use super::split;
use crate::error::{ConfigError, TermFault};

impl From<Short> for TermFault {
    fn from(_: Short) -> Self {
        Self::Truncated
    }
}

/// An atom inside received bytes.
///
/// Compare it with a `&str`; print it with `{}` for its bare text (a term's own `Display` quotes it as Erlang does).
#[derive(Clone, Copy)]
pub struct Atom<'a> {
    bytes: &'a [u8],
    latin1: bool,
}

impl<'a> Atom<'a> {
    /// The most characters an atom has.
    pub const MAX_CHARS: usize = 255;

    /// Makes an atom of this text, to address something by.
    pub(crate) const fn from_str(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), latin1: false }
    }

    /// Takes an atom in any of its four forms off the reader; `CHECK` is left out for bytes checked before.
    #[inline]
    pub(crate) fn read<const CHECK: bool>(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        if r.peek() != Ok(tag::SMALL_ATOM_UTF8) {
            return Self::read_rare::<CHECK>(r);
        }
        r.u8()?;
        Self::utf8::<CHECK>(r.bytes8()?)
    }

    /// Reads the forms that atoms rarely have.
    #[inline(never)]
    fn read_rare<const CHECK: bool>(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        match r.u8()? {
            tag::ATOM_UTF8 => Self::utf8::<CHECK>(r.bytes16()?),
            tag::SMALL_ATOM => Ok(Self { bytes: r.bytes8()?, latin1: true }),
            tag::ATOM => {
                let bytes = r.bytes16()?;
                if CHECK && bytes.len() > Self::MAX_CHARS {
                    return Err(TermFault::Atom);
                }
                Ok(Self { bytes, latin1: true })
            }
            other => Err(TermFault::Tag(other)),
        }
    }

    #[inline]
    fn utf8<const CHECK: bool>(bytes: &'a [u8]) -> Result<Self, TermFault> {
        if CHECK {
            Self::check(bytes)?;
        }
        Ok(Self { bytes, latin1: false })
    }

    /// Checks that these bytes are an atom's text in UTF-8.
    #[inline]
    pub(crate) fn check(bytes: &[u8]) -> Result<(), TermFault> {
        if is_short_ascii(bytes) { Ok(()) } else { Self::check_long(bytes) }
    }

    fn check_long(bytes: &[u8]) -> Result<(), TermFault> {
        if bytes.is_ascii() {
            return if bytes.len() > Self::MAX_CHARS { Err(TermFault::Atom) } else { Ok(()) };
        }
        let text = core::str::from_utf8(bytes).map_err(|_| TermFault::Atom)?;
        if text.chars().count() > Self::MAX_CHARS { Err(TermFault::Atom) } else { Ok(()) }
    }

    /// Returns true if the first byte of `r` is an atom's tag.
    #[inline]
    pub(crate) fn is_next(r: &Reader<'_>) -> bool {
        matches!(r.peek(), Ok(tag::SMALL_ATOM_UTF8 | tag::ATOM_UTF8 | tag::SMALL_ATOM | tag::ATOM))
    }

    /// Returns the bytes, when they are UTF-8, which was checked when they were received.
    #[inline]
    pub(crate) fn utf8_bytes(self) -> Option<&'a [u8]> {
        if self.latin1 { self.ascii_bytes() } else { Some(self.bytes) }
    }

    /// Returns the bytes, when they are ASCII.
    #[cold]
    fn ascii_bytes(self) -> Option<&'a [u8]> {
        self.bytes.is_ascii().then_some(self.bytes)
    }

    /// Returns the bytes and how many they are, when they are UTF-8 and fit the short form: nearly always.
    #[inline]
    pub(crate) fn short_utf8(self) -> Option<(u8, &'a [u8])> {
        let bytes = self.utf8_bytes()?;
        u8::try_from(bytes.len()).ok().map(|len| (len, bytes))
    }

    /// Returns the text, when the bytes are UTF-8: always, except for atoms with Latin-1 letters sent in an old form.
    pub fn as_str(self) -> Option<&'a str> {
        if self.latin1 && !self.bytes.is_ascii() { None } else { core::str::from_utf8(self.bytes).ok() }
    }

    /// Returns the text in memory of its own, for an atom that [`Atom::as_str`] has none of.
    #[cold]
    pub(crate) fn to_utf8(self) -> heapless::String<{ 2 * Atom::MAX_CHARS }> {
        let mut text = heapless::String::new();
        // a letter of Latin-1 takes two bytes at most
        self.chars().all(|c| text.push(c).is_ok());
        text
    }

    /// Returns the characters of the atom.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + 'a {
        let (latin1, utf8) =
            if self.latin1 { (self.bytes, "") } else { (&[][..], core::str::from_utf8(self.bytes).unwrap_or("")) };
        latin1.iter().map(|&b| char::from(b)).chain(utf8.chars())
    }
}

impl PartialEq<str> for Atom<'_> {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        if self.latin1 { self.chars().eq(other.chars()) } else { self.bytes == other.as_bytes() }
    }
}

impl PartialEq<&str> for Atom<'_> {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq for Atom<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        if self.latin1 == other.latin1 { self.bytes == other.bytes } else { self.chars().eq(other.chars()) }
    }
}
impl Eq for Atom<'_> {}

impl fmt::Display for Atom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for Atom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{self}'")
    }
}

/// The first word of a reference in an old form is below this: Erlang takes none that is not.
const OLD_FIRST_WORDS: u32 = 1 << 18;

/// Reads the creation of an identifier in an old form, which has two bits of it: Erlang takes none that has more.
fn old_creation(r: &mut Reader<'_>) -> Result<u32, TermFault> {
    match r.u8()? {
        creation @ 0..=3 => Ok(creation.into()),
        _ => Err(TermFault::Identifier),
    }
}

/// A process identifier inside received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pid<'a> {
    /// The node the process is on.
    pub node: Atom<'a>,
    /// The first number of `<0.ID.SERIAL>`.
    pub id: u32,
    /// The second number.
    pub serial: u32,
    /// The incarnation of the node.
    pub creation: u32,
}

impl<'a> Pid<'a> {
    /// Keeps the pid in memory of its own; `None` if its node has no proper name.
    pub fn to_owned(self) -> Option<OwnedPid> {
        OwnedPid::new(self)
    }

    #[inline]
    pub(crate) fn read<const CHECK: bool>(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        let mut behind = *r;
        match behind.usual_pid() {
            Some((node, [id, serial, creation])) if !CHECK || is_short_ascii(node) => {
                *r = behind;
                Ok(Self { node: Atom { bytes: node, latin1: false }, id, serial, creation })
            }
            _ => Self::read_rare::<CHECK>(r),
        }
    }

    /// Reads the forms that pids rarely have, and names that are no short ASCII.
    #[inline(never)]
    fn read_rare<const CHECK: bool>(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        let tag = r.u8()?;
        if tag != tag::NEW_PID && tag != tag::PID {
            return Err(TermFault::Tag(tag));
        }
        let node = Atom::read::<CHECK>(r)?;
        let (id, serial) = (r.u32()?, r.u32()?);
        let creation = if tag == tag::NEW_PID { r.u32()? } else { old_creation(r)? };
        Ok(Self { node, id, serial, creation })
    }
}

impl fmt::Display for Pid<'_> {
    /// As its own node shows it: `<0.ID.SERIAL>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<0.{}.{}>", self.id, self.serial)
    }
}

impl fmt::Display for OwnedPid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_pid(), f)
    }
}

/// A port identifier inside received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port<'a> {
    /// The node the port is on.
    pub node: Atom<'a>,
    /// The number of `#Port<0.ID>`.
    pub id: u64,
    /// The incarnation of the node.
    pub creation: u32,
}

impl<'a> Port<'a> {
    pub(crate) fn read<const CHECK: bool>(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        let tag = r.u8()?;
        if !matches!(tag, tag::V4_PORT | tag::NEW_PORT | tag::PORT) {
            return Err(TermFault::Tag(tag));
        }
        let node = Atom::read::<CHECK>(r)?;
        let id = if tag == tag::V4_PORT { r.u64()? } else { u64::from(r.u32()?) };
        let creation = if tag == tag::PORT { old_creation(r)? } else { r.u32()? };
        Ok(Self { node, id, creation })
    }
}

/// A reference inside received bytes: a tag of a call, a monitor, an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The node that made it.
    pub node: Atom<'a>,
    /// The incarnation of the node.
    pub creation: u32,
    words: &'a [u8],
}

impl<'a> Reference<'a> {
    /// The most words of 32 bits a reference has.
    pub const MAX_WORDS: usize = 5;

    /// Keeps the reference in memory of its own; `None` if its node has no proper name.
    pub fn to_owned(self) -> Option<OwnedReference> {
        OwnedReference::new(self)
    }

    #[inline]
    pub(crate) fn read<const CHECK: bool>(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        let mut behind = *r;
        match behind.usual_reference() {
            Some((node, creation, words)) if !CHECK || is_short_ascii(node) => {
                *r = behind;
                Ok(Self { node: Atom { bytes: node, latin1: false }, creation, words })
            }
            _ => Self::read_rare::<CHECK>(r),
        }
    }

    /// Reads the forms that references rarely have, and names that are no short ASCII.
    #[inline(never)]
    fn read_rare<const CHECK: bool>(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        let tag = r.u8()?;
        let count = match tag {
            tag::NEWER_REFERENCE | tag::NEW_REFERENCE => usize::from(r.u16()?),
            tag::REFERENCE => 1,
            other => return Err(TermFault::Tag(other)),
        };
        if CHECK && !(1..=Self::MAX_WORDS).contains(&count) {
            return Err(TermFault::Reference);
        }
        let node = Atom::read::<CHECK>(r)?;
        let (creation, words) = match tag {
            tag::NEWER_REFERENCE => (r.u32()?, r.bytes(count.saturating_mul(4))?),
            tag::NEW_REFERENCE => (old_creation(r)?, r.bytes(count.saturating_mul(4))?),
            _ => {
                let words = r.bytes(4)?;
                (old_creation(r)?, words)
            }
        };
        if CHECK && tag != tag::NEWER_REFERENCE && Reader::new(words).u32()? >= OLD_FIRST_WORDS {
            return Err(TermFault::Identifier);
        }
        Ok(Self { node, creation, words })
    }

    /// Makes a reference of these words, as they stand on the wire: 1 to 5 of them, four bytes each.
    pub(crate) const fn from_words(node: Atom<'a>, creation: u32, words: &'a [u8]) -> Self {
        Self { node, creation, words }
    }

    /// Returns its words, as they stand on the wire: the most significant is last.
    pub fn words(self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + 'a {
        self.words.chunks_exact(4).map(|word| word.try_into().map_or(0, u32::from_be_bytes))
    }

    pub(crate) fn word_bytes(self) -> &'a [u8] {
        self.words
    }
}

/// A pid kept in memory of its own: 280 bytes on a 64 bit machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPid {
    node: NodeName,
    id: u32,
    serial: u32,
    creation: u32,
}

impl OwnedPid {
    /// Keeps `pid`; `None` if its node has no proper name.
    pub fn new(pid: Pid<'_>) -> Option<Self> {
        let node = NodeName::from_atom(pid.node)?;
        Some(Self { node, id: pid.id, serial: pid.serial, creation: pid.creation })
    }

    /// Returns the pid, to send to or to write into a term.
    pub fn as_pid(&self) -> Pid<'_> {
        Pid { node: self.node.as_atom(), id: self.id, serial: self.serial, creation: self.creation }
    }
}

/// A reference kept in memory of its own: 304 bytes on a 64 bit machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedReference {
    node: NodeName,
    creation: u32,
    words: heapless::Vec<u8, { 4 * Reference::MAX_WORDS }>,
}

impl OwnedReference {
    /// Keeps `reference`; `None` if its node has no proper name.
    pub fn new(reference: Reference<'_>) -> Option<Self> {
        let words = heapless::Vec::from_slice(reference.words).ok()?;
        Some(Self { node: NodeName::from_atom(reference.node)?, creation: reference.creation, words })
    }

    /// Returns the reference, to compare or to write into a term.
    pub fn as_reference(&self) -> Reference<'_> {
        Reference { node: self.node.as_atom(), creation: self.creation, words: &self.words }
    }
}

/// A node's full name, `alive@host`, of at most 255 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeName(heapless::String<255>);

impl NodeName {
    /// Takes `alive@host`: exactly one `@`, something on both sides, no space, no control character.
    ///
    /// # Errors
    /// [`ConfigError::NameForm`], [`ConfigError::HostName`], [`ConfigError::NameTooLong`].
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        let (alive, host) = split::first(name, '@').ok_or(ConfigError::NameForm)?;
        if alive.is_empty() || host.is_empty() || host.contains('@') {
            return Err(ConfigError::NameForm);
        }
        if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(ConfigError::HostName);
        }
        heapless::String::try_from(name).map(Self).map_err(|_| ConfigError::NameTooLong)
    }

    /// Makes a name of one in Latin-1, as the handshake carries it.
    pub(crate) fn from_latin1(bytes: &[u8]) -> Option<Self> {
        Self::from_atom(Atom { bytes, latin1: true })
    }

    pub(crate) fn from_atom(atom: Atom<'_>) -> Option<Self> {
        let mut text = heapless::String::<255>::new();
        for c in atom.chars() {
            text.push(c).ok()?;
        }
        Self::new(&text).ok()
    }

    /// Returns the whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the `@`, which EPMD knows it by.
    pub fn alive(&self) -> &str {
        split::first(&self.0, '@').map_or("", |(alive, _)| alive)
    }

    /// Returns the part after the `@`.
    pub fn host(&self) -> &str {
        split::first(&self.0, '@').map_or("", |(_, host)| host)
    }

    pub(crate) fn as_atom(&self) -> Atom<'_> {
        Atom::from_str(&self.0)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = NodeName::new("demo@10.0.0.7").unwrap();
        assert_eq!((name.alive(), name.host()), ("demo", "10.0.0.7"));
        assert_eq!(NodeName::new("demo"), Err(ConfigError::NameForm));
        assert_eq!(NodeName::new("a@b@c"), Err(ConfigError::NameForm));
        assert_eq!(NodeName::new("@b"), Err(ConfigError::NameForm));
        assert_eq!(NodeName::new("a@b\n"), Err(ConfigError::HostName));
        assert!(NodeName::from_latin1(b"a@h\xe9").is_some_and(|n| n.as_str() == "a@h\u{e9}"));
    }

    #[test]
    fn atoms_compare_by_characters() {
        let old = Atom { bytes: b"caf\xe9", latin1: true };
        assert!(old == "caf\u{e9}" && old == Atom::from_str("caf\u{e9}") && old != "cafe");
        assert_eq!(old.as_str(), None);
        assert!(Atom::from_str("ok") == "ok");
    }

    #[test]
    fn identifiers_are_shown_as_their_own_node_does() {
        use std::format;
        let pid = Pid { node: Atom::from_str("a@h"), id: 85, serial: 1, creation: 9 };
        let owned = pid.to_owned().unwrap();
        assert_eq!((format!("{pid}"), format!("{owned}"), owned.as_pid()), ("<0.85.1>".into(), "<0.85.1>".into(), pid));
        assert_eq!(format!("{:?}", pid.node), "'a@h'");
        let reference = Reference::from_words(Atom::from_str("a@h"), 9, &[0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(reference.to_owned().unwrap().as_reference(), reference);
        // a node that has no proper name is none to send to
        assert!(Pid { node: Atom::from_str("a"), ..pid }.to_owned().is_none());
        let old = Atom { bytes: b"cafe", latin1: true };
        assert_eq!((old.as_str(), Atom { bytes: b"\xe9", latin1: true }.to_utf8().as_str()), (Some("cafe"), "\u{e9}"));
    }
}

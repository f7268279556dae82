//! Values that a term is made of, other than those that hold terms.

use super::cursor::Reader;
use super::ids::Atom;

/// The limits within which a term is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Levels of tuples, lists and maps inside each other; at most [`Limits::MAX_DEPTH`], which larger values mean.
    pub depth: u16,
    /// Bytes of the whole term.
    pub bytes: usize,
}

impl Limits {
    /// The deepest nesting that is ever taken: an iolist to which something was appended this many times. It bounds the stack that terms need
    /// on a 64 bit machine: 4 KiB for the check of one that comes (if it has so many tuples, lists and maps at all), 12 KiB to be printed, and
    /// 26 KiB to be parsed from text, or 50 KiB with maps that have keys other than atoms, binaries and small integers.
    pub const MAX_DEPTH: u16 = 1024;

    /// Makes limits of a term's depth and its bytes.
    pub const fn new(depth: u16, bytes: usize) -> Self {
        Self { depth, bytes }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: Self::MAX_DEPTH, bytes: usize::MAX }
    }
}

/// An integer of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Big<'a> {
    /// True for a number below zero.
    pub negative: bool,
    /// Its magnitude, least significant byte first, without leading zeros.
    pub magnitude: &'a [u8],
}

/// A bit string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits<'a> {
    /// The bytes; the unused low bits of the last are not part of the value.
    pub bytes: &'a [u8],
    /// The number of high bits of the last byte in use: 1 to 8.
    pub last: u8,
}

/// A local fun.
#[derive(Debug, Clone, Copy)]
pub struct Fun<'a> {
    /// The module it was made in.
    pub module: Atom<'a>,
    /// The number of its arguments.
    pub arity: u8,
    /// The number that `#Fun<module.INDEX.uniq>` shows.
    pub index: u32,
    /// The hash that `#Fun<module.index.UNIQ>` shows.
    pub uniq: u32,
}

/// An external fun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export<'a> {
    /// Its module.
    pub module: Atom<'a>,
    /// Its name.
    pub function: Atom<'a>,
    /// The number of its arguments.
    pub arity: u8,
}

/// A native record, `#module:name{field = value}`.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The module that defines it.
    pub module: Atom<'a>,
    /// Its name there.
    pub name: Atom<'a>,
    /// True if other modules may look into it.
    pub exported: bool,
    pub(super) count: u32,
    /// A reader at all the names, behind which all the values are.
    pub(super) r: Reader<'a>,
}

//! Writing terms in the external format, straight into the place they are sent from.

use super::codes::tag;
use super::cursor::Writer;
use super::ids::{Atom, Pid, Port, Reference};
use super::term::Term;
use crate::error::{Error, Full, Misuse};

/// Writes one term, part by part: a tuple, list or map announces how many elements follow, then they follow.
///
/// Every method answers [`Misuse`] when the term would come out wrong: more parts than were announced, an atom too
/// long, a float Erlang does not have. A list ends with [`TermWriter::nil`], or with any other term to make it improper.
/// Whether the room sufficed, and whether all announced parts came, is told once, by the call that lent the writer;
/// then nothing of the term was kept.
///
/// ```
/// # use beamless::{encode, Term};
/// let mut buf = [0; 64];
/// let bytes = encode(&mut buf, |t| {
///     t.tuple(2)?;
///     t.atom("readings")?;
///     t.list(2)?;
///     t.float(21.5)?;
///     t.int(7)?;
///     t.nil()
/// })?;
/// assert_eq!(Term::parse(bytes)?.to_string(), "{readings,[21.5,7]}");
/// # Ok::<(), beamless::Error>(())
/// ```
#[derive(Debug)]
pub struct TermWriter<'w, 'b> {
    out: &'w mut Writer<'b>,
    due: u64,
    /// The first thing that went wrong. It is kept, so that nobody who overlooks it sends half a term.
    fault: Option<Misuse>,
}

/// What writes a term, where one copy of the code around it is enough for all who write.
pub(crate) type WriteTerm<'f> = &'f mut dyn FnMut(&mut TermWriter<'_, '_>) -> Result<(), Misuse>;

impl<'w, 'b> TermWriter<'w, 'b> {
    /// Runs `write` for exactly one term, version byte first.
    pub(crate) fn one<F>(out: &'w mut Writer<'b>, write: F) -> Result<(), Misuse>
    where
        F: FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
    {
        out.u8(tag::VERSION);
        TermWriter::one_inside(out, write)
    }

    /// As [`TermWriter::one`], for a term inside another, which has no version byte.
    pub(crate) fn one_inside<F>(out: &'w mut Writer<'b>, write: F) -> Result<(), Misuse>
    where
        F: FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
    {
        let mut term = TermWriter { out, due: 1, fault: None };
        write(&mut term)?;
        term.complete()
    }

    /// Whether one whole term was written. Apart, since a program has a copy of the above for each term that it writes.
    #[inline]
    fn complete(&self) -> Result<(), Misuse> {
        match (self.fault, self.due) {
            (Some(fault), _) => Err(fault),
            (None, 0) => Ok(()),
            (None, due) => Err(Misuse::TermIncomplete(u32::try_from(due).unwrap_or(u32::MAX))),
        }
    }

    /// For a caller that counts the parts itself.
    pub(crate) fn uncounted(out: &'w mut Writer<'b>) -> Self {
        Self { out, due: u64::MAX, fault: None }
    }

    /// Takes one part off what is due.
    #[inline]
    fn part(&mut self, then_due: u64) -> Result<(), Misuse> {
        let Some(due) = self.due.checked_sub(1) else { return self.fail(Misuse::TermOverfull) };
        self.due = due.saturating_add(then_due);
        Ok(())
    }

    #[cold]
    fn fail(&mut self, fault: Misuse) -> Result<(), Misuse> {
        self.fault.get_or_insert(fault);
        Err(fault)
    }

    /// Passes a result on, and remembers it if it is a fault.
    #[inline]
    fn kept(&mut self, result: Result<(), Misuse>) -> Result<(), Misuse> {
        match result {
            Ok(()) => Ok(()),
            Err(fault) => self.fail(fault),
        }
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) -> Result<(), Misuse> {
        self.part(0)?;
        if let Ok(small) = u8::try_from(value) {
            self.out.array([tag::SMALL_INTEGER, small]);
        } else if let Ok(int) = i32::try_from(value) {
            let [a, b, c, d] = int.to_be_bytes();
            self.out.array([tag::INTEGER, a, b, c, d]);
        } else {
            self.magnitude(value < 0, &value.unsigned_abs().to_le_bytes())?;
        }
        Ok(())
    }

    /// An integer of any size: its sign, and its magnitude with the least significant byte first.
    pub fn big(&mut self, negative: bool, mut magnitude: &[u8]) -> Result<(), Misuse> {
        self.part(0)?;
        while let Some((0, head)) = magnitude.split_last() {
            magnitude = head;
        }
        let mut fit = [0; 8];
        let small = match fit.get_mut(..magnitude.len()) {
            Some(low) => {
                low.copy_from_slice(magnitude);
                let magnitude = i128::from(u64::from_le_bytes(fit));
                i64::try_from(if negative { magnitude.wrapping_neg() } else { magnitude }).ok()
            }
            None => None,
        };
        match small {
            // 31 bits and less have forms of their own, which Erlang compares by
            Some(value) => {
                self.due = self.due.saturating_add(1);
                self.int(value)
            }
            None => self.magnitude(negative, magnitude),
        }
    }

    fn magnitude(&mut self, negative: bool, mut magnitude: &[u8]) -> Result<(), Misuse> {
        while let Some((0, head)) = magnitude.split_last() {
            magnitude = head;
        }
        if let Ok(len) = u8::try_from(magnitude.len()) {
            self.out.u8(tag::SMALL_BIG);
            self.out.u8(len);
        } else {
            self.out.u8(tag::LARGE_BIG);
            self.out.u32(length(magnitude.len())?);
        }
        self.out.u8(negative.into());
        self.out.bytes(magnitude);
        Ok(())
    }

    /// A float, which must be finite.
    #[inline]
    pub fn float(&mut self, value: f64) -> Result<(), Misuse> {
        self.part(0)?;
        if !value.is_finite() {
            return self.fail(Misuse::NotFinite);
        }
        let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
        self.out.array([tag::NEW_FLOAT, a, b, c, d, e, f, g, h]);
        Ok(())
    }

    /// An atom of at most 255 characters.
    #[inline]
    pub fn atom(&mut self, text: &str) -> Result<(), Misuse> {
        self.part(0)?;
        let put = put_atom(self.out, text);
        self.kept(put)
    }

    /// An atom that was received.
    pub(crate) fn atom_of(&mut self, atom: Atom<'_>) -> Result<(), Misuse> {
        self.part(0)?;
        let put = put_atom_of(self.out, atom);
        self.kept(put)
    }

    /// The atom `true` or `false`.
    pub fn bool(&mut self, value: bool) -> Result<(), Misuse> {
        self.atom(if value { "true" } else { "false" })
    }

    /// A tuple of this many elements, which follow.
    #[inline]
    pub fn tuple(&mut self, elements: usize) -> Result<(), Misuse> {
        let count = length(elements)?;
        self.part(count.into())?;
        if let Ok(small) = u8::try_from(count) {
            self.out.array([tag::SMALL_TUPLE, small]);
        } else {
            self.out.u8(tag::LARGE_TUPLE);
            self.out.u32(count);
        }
        Ok(())
    }

    /// A list of this many elements, which follow, and then its tail: [`TermWriter::nil`] for a proper list.
    #[inline]
    pub fn list(&mut self, elements: usize) -> Result<(), Misuse> {
        let count = length(elements)?;
        self.part(u64::from(count).wrapping_add(1))?;
        // A list of none is its tail alone.
        if count > 0 {
            self.out.array(tagged(tag::LIST, count));
        }
        Ok(())
    }

    /// The empty list, and the end of a proper one.
    #[inline]
    pub fn nil(&mut self) -> Result<(), Misuse> {
        self.part(0)?;
        self.out.u8(tag::NIL);
        Ok(())
    }

    /// A list of characters: what Erlang calls a string. A binary is smaller, and what Elixir calls one: [`TermWriter::str`].
    pub fn charlist(&mut self, text: &str) -> Result<(), Misuse> {
        let bytes = text.chars().all(|c| u32::from(c) < 256);
        match (text.chars().count(), bytes) {
            (0, _) => self.nil(),
            (len @ 1..=0xffff, true) => {
                self.part(0)?;
                self.out.u8(tag::STRING);
                self.out.u16(u16::try_from(len).map_err(|_| Misuse::TooLong)?);
                text.chars().for_each(|c| self.out.u8(u8::try_from(u32::from(c)).unwrap_or(0)));
                Ok(())
            }
            (len, _) => {
                self.list(len)?;
                text.chars().try_for_each(|c| self.int(u32::from(c).into()))?;
                self.nil()
            }
        }
    }

    /// A binary.
    #[inline]
    pub fn binary(&mut self, bytes: &[u8]) -> Result<(), Misuse> {
        self.part(0)?;
        self.out.array(tagged(tag::BINARY, length(bytes.len())?));
        self.out.bytes(bytes);
        Ok(())
    }

    /// A binary of UTF-8: what Elixir calls a string.
    pub fn str(&mut self, text: &str) -> Result<(), Misuse> {
        self.binary(text.as_bytes())
    }

    /// A bit string: bytes, and how many high bits of the last of them count, 1 to 8.
    pub fn bits(&mut self, bytes: &[u8], last: u8) -> Result<(), Misuse> {
        match last {
            8 => return self.binary(bytes),
            1..8 if !bytes.is_empty() => {}
            _ => return self.fail(Misuse::Bits),
        }
        self.part(0)?;
        self.out.u8(tag::BIT_BINARY);
        self.out.u32(length(bytes.len())?);
        self.out.u8(last);
        if let Some((tail, head)) = bytes.split_last() {
            self.out.bytes(head);
            // the unused bits are zero on the wire
            self.out.u8(tail & !(0xff_u8.checked_shr(last.into()).unwrap_or(0)));
        }
        Ok(())
    }

    /// A map of this many pairs, which follow, key before value. Keys must differ: Erlang refuses a message whose do not.
    #[inline]
    pub fn map(&mut self, pairs: usize) -> Result<(), Misuse> {
        let count = length(pairs)?;
        self.part(u64::from(count).wrapping_mul(2))?;
        self.out.array(tagged(tag::MAP, count));
        Ok(())
    }

    /// A pid.
    #[inline]
    pub fn pid(&mut self, pid: Pid<'_>) -> Result<(), Misuse> {
        self.part(0)?;
        let put = put_pid(self.out, pid);
        self.kept(put)
    }

    /// A port.
    pub fn port(&mut self, port: Port<'_>) -> Result<(), Misuse> {
        self.part(0)?;
        // V4_PORT only where it is needed, for more than 28 bits: releases before 24 do not know it
        if let Some(id) = u32::try_from(port.id).ok().filter(|id| *id < 1 << 28) {
            self.out.u8(tag::NEW_PORT);
            put_atom_of(self.out, port.node)?;
            self.out.u32(id);
        } else {
            self.out.u8(tag::V4_PORT);
            put_atom_of(self.out, port.node)?;
            self.out.u64(port.id);
        }
        self.out.u32(port.creation);
        Ok(())
    }

    /// A reference.
    pub fn reference(&mut self, reference: Reference<'_>) -> Result<(), Misuse> {
        self.part(0)?;
        let put = put_reference(self.out, reference);
        self.kept(put)
    }

    /// An external fun, `fun Module:Function/Arity`.
    pub fn export(&mut self, module: &str, function: &str, arity: u8) -> Result<(), Misuse> {
        self.part(0)?;
        self.out.u8(tag::EXPORT);
        let put = put_atom(self.out, module).and_then(|()| put_atom(self.out, function));
        self.kept(put)?;
        self.out.u8(tag::SMALL_INTEGER);
        self.out.u8(arity);
        Ok(())
    }

    /// A term that was received, byte for byte.
    #[inline]
    pub fn term(&mut self, term: Term<'_>) -> Result<(), Misuse> {
        self.part(0)?;
        self.out.bytes(term.as_bytes());
        Ok(())
    }
}

/// Writes one term into `buf` as `term_to_binary` would, and gives its bytes.
///
/// # Errors
/// [`Full::Message`] with the bytes it takes when `buf` is too small; [`Misuse`] as [`TermWriter`] says.
pub fn encode<F>(buf: &mut [u8], write: F) -> Result<&[u8], Error>
where
    F: FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
{
    let mut out = Writer::new(buf);
    TermWriter::one(&mut out, write)?;
    let len = out.finish().map_err(|e| Full::Message { needed: e.needed, limit: e.room })?;
    Ok(buf.get(..len).unwrap_or(&[]))
}

/// A tag and a length of 32 bits.
#[inline]
fn tagged(tag: u8, len: u32) -> [u8; 5] {
    let [a, b, c, d] = len.to_be_bytes();
    [tag, a, b, c, d]
}

fn length(len: usize) -> Result<u32, Misuse> {
    u32::try_from(len).map_err(|_| Misuse::TooLong)
}

/// An atom in the form every peer since OTP 20 reads.
#[inline]
pub(crate) fn put_atom(out: &mut Writer<'_>, text: &str) -> Result<(), Misuse> {
    match u8::try_from(text.len()) {
        Ok(len) => {
            out.array([tag::SMALL_ATOM_UTF8, len]);
            out.bytes(text.as_bytes());
            Ok(())
        }
        Err(_) => put_long_atom(out, text),
    }
}

#[cold]
fn put_long_atom(out: &mut Writer<'_>, text: &str) -> Result<(), Misuse> {
    if text.chars().count() > Atom::MAX_CHARS {
        return Err(Misuse::AtomTooLong);
    }
    out.u8(tag::ATOM_UTF8);
    out.u16(u16::try_from(text.len()).map_err(|_| Misuse::AtomTooLong)?);
    out.bytes(text.as_bytes());
    Ok(())
}

/// A received atom again, in UTF-8 whatever it came in.
#[inline]
pub(crate) fn put_atom_of(out: &mut Writer<'_>, atom: Atom<'_>) -> Result<(), Misuse> {
    if let Some(bytes) = atom.utf8_bytes() {
        if let Ok(len) = u8::try_from(bytes.len()) {
            out.array([tag::SMALL_ATOM_UTF8, len]);
            out.bytes(bytes);
            return Ok(());
        }
    }
    put_rare_atom(out, atom)
}

/// A long atom, or one in Latin-1.
#[cold]
fn put_rare_atom(out: &mut Writer<'_>, atom: Atom<'_>) -> Result<(), Misuse> {
    out.u8(tag::ATOM_UTF8);
    let at = out.len();
    out.u16(0);
    let mut utf8 = [0; 4];
    atom.chars().for_each(|c| out.bytes(c.encode_utf8(&mut utf8).as_bytes()));
    let len = out.len().saturating_sub(at).saturating_sub(2);
    out.patch_u16(at, u16::try_from(len).map_err(|_| Misuse::AtomTooLong)?);
    Ok(())
}

#[inline]
pub(crate) fn put_pid(out: &mut Writer<'_>, pid: Pid<'_>) -> Result<(), Misuse> {
    out.u8(tag::NEW_PID);
    put_atom_of(out, pid.node)?;
    let ([a, b, c, d], [e, f, g, h]) = (pid.id.to_be_bytes(), pid.serial.to_be_bytes());
    let [i, j, k, l] = pid.creation.to_be_bytes();
    out.array([a, b, c, d, e, f, g, h, i, j, k, l]);
    Ok(())
}

pub(crate) fn put_reference(out: &mut Writer<'_>, reference: Reference<'_>) -> Result<(), Misuse> {
    let words = reference.word_bytes();
    out.u8(tag::NEWER_REFERENCE);
    out.u16(u16::try_from(words.len() / 4).map_err(|_| Misuse::TooLong)?);
    put_atom_of(out, reference.node)?;
    out.u32(reference.creation);
    out.bytes(words);
    Ok(())
}

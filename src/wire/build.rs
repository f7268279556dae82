//! Writing terms in the external format, straight into the place they are sent from.

use super::codes::tag;
use super::cursor::Writer;
use super::ids::{Atom, Pid, Port, Reference};
use super::term::Term;
use crate::error::{Error, Full, Misuse};

/// A writer of one term, part by part. A tuple, list or map announces how many elements follow, then they follow. Every method gives the
/// writer back, so that calls chain.
///
/// Every method answers [`Misuse`] when the term would come out wrong: more parts than were announced, an atom too
/// long, a float Erlang does not have. A list ends with [`TermWriter::nil`], or with any other term to make it improper.
/// Whether the room sufficed, and whether all announced parts came, is told once, by the call that lent the writer;
/// then nothing of the term was kept.
///
/// ```
/// # use beamless::{encode, Term};
/// let mut buf = [0; 64];
/// let bytes = encode(&mut buf, |t| t.tuple(2)?.atom("readings")?.list(2)?.float(21.5)?.int(7)?.nil())?;
/// assert_eq!(Term::parse(bytes)?.to_string(), "{readings,[21.5,7]}");
/// # Ok::<(), beamless::Error>(())
/// ```
#[derive(Debug)]
pub struct TermWriter<'b> {
    out: Writer<'b>,
    due: u64,
    /// The first thing that went wrong. It is kept, so that nobody who overlooks it sends half a term.
    fault: Option<Misuse>,
}

/// The result of every method of [`TermWriter`]: the writer again, for the next part. A function of your own that writes a term, or part of
/// one, has this result too: `fn reading<'t, 'b>(t: &'t mut TermWriter<'b>, value: f64) -> Written<'t, 'b>`.
pub type Written<'t, 'b> = Result<&'t mut TermWriter<'b>, Misuse>;

/// A closure that writes one term, and gives back the writer that it was lent, as every method of [`TermWriter`] does: `|t| t.atom("ok")`,
/// or `|t| t.tuple(2)?.atom("ok")?.int(1)`. One that ends with a loop ends with `Ok(t)`.
///
/// Every such closure is one; there is nothing to implement. The compiler understands it where it stands as an argument; one that is kept
/// in a variable first must go through a function that says what it is:
/// `fn term(write: impl WriteTerm) -> impl WriteTerm { write }`.
pub trait WriteTerm: for<'t, 'b> FnOnce(&'t mut TermWriter<'b>) -> Written<'t, 'b> {}

impl<F> WriteTerm for F where F: for<'t, 'b> FnOnce(&'t mut TermWriter<'b>) -> Written<'t, 'b> {}

/// A [`WriteTerm`] for a term that may have to be written more than once.
pub trait WriteTermAgain: for<'t, 'b> Fn(&'t mut TermWriter<'b>) -> Written<'t, 'b> {}

impl<F> WriteTermAgain for F where F: for<'t, 'b> Fn(&'t mut TermWriter<'b>) -> Written<'t, 'b> {}

/// A closure that writes a term, where one copy of the code around it is enough for all callers.
pub(crate) type WriteDyn<'f> = &'f mut dyn for<'t, 'b> FnMut(&'t mut TermWriter<'b>) -> Written<'t, 'b>;

/// Parts that are due where they are not counted: more than ever come.
const UNCOUNTED: u64 = u64::MAX / 2;

impl<'b> TermWriter<'b> {
    /// Runs `write` for exactly one term, version byte first.
    pub(crate) fn one<F>(out: &mut Writer<'_>, write: F) -> Result<(), Misuse>
    where
        F: WriteTerm,
    {
        out.u8(tag::VERSION);
        TermWriter::one_inside(out, write)
    }

    /// Does what [`TermWriter::one`] does, for a term inside another, which has no version byte.
    pub(crate) fn one_inside<F>(out: &mut Writer<'_>, write: F) -> Result<(), Misuse>
    where
        F: WriteTerm,
    {
        let mut term = TermWriter { out: out.lend(), due: 1, fault: None };
        write(&mut term)?;
        let len = term.complete()?;
        out.advance_to(len);
        Ok(())
    }

    /// Runs `write` for parts that the caller counts itself.
    pub(crate) fn parts<F>(out: &mut Writer<'_>, write: F) -> Result<(), Misuse>
    where
        F: WriteTerm,
    {
        let mut parts = TermWriter { out: out.lend(), due: UNCOUNTED, fault: None };
        write(&mut parts)?;
        let len = parts.out.len();
        out.advance_to(len);
        Ok(())
    }

    /// Returns where the writing ended, if one whole term was written. It stands apart, since a program has a copy of the above for each
    /// term that it writes.
    #[inline]
    fn complete(&self) -> Result<usize, Misuse> {
        match (self.fault, self.due) {
            (Some(fault), _) => Err(fault),
            (None, 0) => Ok(self.out.len()),
            (None, due) => Err(Misuse::TermIncomplete(u32::try_from(due).unwrap_or(u32::MAX))),
        }
    }

    /// Begins one part whose own parts the caller counts, and tells [`TermWriter::end_part`] what is due behind it.
    #[cfg(feature = "serde")]
    pub(super) fn begin_part(&mut self) -> Result<u64, Misuse> {
        self.part(0)?;
        Ok(core::mem::replace(&mut self.due, UNCOUNTED))
    }

    /// Ends a part whose parts the caller counted.
    #[cfg(feature = "serde")]
    pub(super) fn end_part(&mut self, due: u64) {
        self.due = due;
    }

    /// Returns the writer that the bytes go to, for what is put right once its length is known.
    #[cfg(feature = "serde")]
    pub(super) fn out(&mut self) -> &mut Writer<'b> {
        &mut self.out
    }

    /// Takes one part off what is due.
    #[inline]
    fn part(&mut self, then_due: u64) -> Result<(), Misuse> {
        let Some(due) = self.due.checked_sub(1) else { return Err(self.fail(Misuse::TermOverfull)) };
        // far from the end of the numbers: each part is at least a byte, and announces 2^33 more at most
        self.due = due.wrapping_add(then_due);
        Ok(())
    }

    /// Remembers a fault.
    #[cold]
    pub(super) fn fail(&mut self, fault: Misuse) -> Misuse {
        self.fault.get_or_insert(fault);
        fault
    }

    /// Passes a result on, and remembers it if it is a fault.
    #[inline]
    fn kept(&mut self, result: Result<(), Misuse>) -> Result<&mut Self, Misuse> {
        match result {
            Ok(()) => Ok(self),
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// Writes an integer.
    #[inline]
    pub fn int(&mut self, value: i64) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        if let Ok(small) = u8::try_from(value) {
            self.out.array([tag::SMALL_INTEGER, small]);
        } else if let Ok(int) = i32::try_from(value) {
            let [a, b, c, d] = int.to_be_bytes();
            self.out.array([tag::INTEGER, a, b, c, d]);
        } else {
            self.magnitude(value < 0, &value.unsigned_abs().to_le_bytes())?;
        }
        Ok(self)
    }

    /// Writes an integer of any size: its sign, and its magnitude with the least significant byte first.
    pub fn big(&mut self, negative: bool, mut magnitude: &[u8]) -> Result<&mut Self, Misuse> {
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

    fn magnitude(&mut self, negative: bool, mut magnitude: &[u8]) -> Result<&mut Self, Misuse> {
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
        Ok(self)
    }

    /// Writes a float, which must be finite.
    #[inline]
    pub fn float(&mut self, value: f64) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        if !value.is_finite() {
            return Err(self.fail(Misuse::NotFinite));
        }
        let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
        self.out.array([tag::NEW_FLOAT, a, b, c, d, e, f, g, h]);
        Ok(self)
    }

    /// Writes an atom of at most 255 characters.
    #[inline]
    pub fn atom(&mut self, text: &str) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        let put = put_atom(&mut self.out, text);
        self.kept(put)
    }

    /// Writes an atom that was received.
    pub(crate) fn atom_of(&mut self, atom: Atom<'_>) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        let put = put_atom_of(&mut self.out, atom);
        self.kept(put)
    }

    /// Writes the atom `true` or `false`.
    pub fn bool(&mut self, value: bool) -> Result<&mut Self, Misuse> {
        self.atom(if value { "true" } else { "false" })
    }

    /// Writes the head of a tuple of this many elements, which follow.
    #[inline]
    pub fn tuple(&mut self, elements: usize) -> Result<&mut Self, Misuse> {
        let count = length(elements)?;
        self.part(count.into())?;
        if let Ok(small) = u8::try_from(count) {
            self.out.array([tag::SMALL_TUPLE, small]);
        } else {
            self.out.u8(tag::LARGE_TUPLE);
            self.out.u32(count);
        }
        Ok(self)
    }

    /// Writes the head of a list of this many elements. They follow, and then the tail: [`TermWriter::nil`] for a proper list.
    #[inline]
    pub fn list(&mut self, elements: usize) -> Result<&mut Self, Misuse> {
        let count = length(elements)?;
        self.part(u64::from(count).wrapping_add(1))?;
        // A list of none is its tail alone.
        if count > 0 {
            self.out.array(tagged(tag::LIST, count));
        }
        Ok(self)
    }

    /// Writes the empty list, which is also the end of a proper list.
    #[inline]
    pub fn nil(&mut self) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        self.out.u8(tag::NIL);
        Ok(self)
    }

    /// Writes a list of characters: what Erlang calls a string. A binary is smaller, and is what Elixir calls one: [`TermWriter::str`].
    pub fn charlist(&mut self, text: &str) -> Result<&mut Self, Misuse> {
        let bytes = text.chars().all(|c| u32::from(c) < 256);
        match (text.chars().count(), bytes) {
            (0, _) => self.nil(),
            (len @ 1..=0xffff, true) => {
                self.part(0)?;
                self.out.u8(tag::STRING);
                self.out.u16(u16::try_from(len).map_err(|_| Misuse::TooLong)?);
                text.chars().for_each(|c| self.out.u8(u8::try_from(u32::from(c)).unwrap_or(0)));
                Ok(self)
            }
            (len, _) => {
                self.list(len)?;
                for c in text.chars() {
                    self.int(u32::from(c).into())?;
                }
                self.nil()
            }
        }
    }

    /// Writes a binary.
    #[inline]
    pub fn binary(&mut self, bytes: &[u8]) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        self.out.headed(tagged(tag::BINARY, length(bytes.len())?), bytes);
        Ok(self)
    }

    /// Writes a binary of UTF-8: what Elixir calls a string.
    pub fn str(&mut self, text: &str) -> Result<&mut Self, Misuse> {
        self.binary(text.as_bytes())
    }

    /// Writes a bit string: bytes, and how many high bits of the last byte count, 1 to 8.
    pub fn bits(&mut self, bytes: &[u8], last: u8) -> Result<&mut Self, Misuse> {
        match last {
            8 => return self.binary(bytes),
            1..8 if !bytes.is_empty() => {}
            _ => return Err(self.fail(Misuse::Bits)),
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
        Ok(self)
    }

    /// Writes the head of a map of this many pairs, which follow, key before value. Keys must differ: Erlang refuses a message that has a
    /// key twice.
    #[inline]
    pub fn map(&mut self, pairs: usize) -> Result<&mut Self, Misuse> {
        let count = length(pairs)?;
        self.part(u64::from(count).wrapping_mul(2))?;
        self.out.array(tagged(tag::MAP, count));
        Ok(self)
    }

    /// Writes a pid.
    #[inline]
    pub fn pid(&mut self, pid: Pid<'_>) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        let put = put_pid(&mut self.out, pid);
        self.kept(put)
    }

    /// Writes a port.
    pub fn port(&mut self, port: Port<'_>) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        // V4_PORT only where it is needed, for more than 28 bits: releases before 24 do not know it
        if let Some(id) = u32::try_from(port.id).ok().filter(|id| *id < 1 << 28) {
            self.out.u8(tag::NEW_PORT);
            put_atom_of(&mut self.out, port.node)?;
            self.out.u32(id);
        } else {
            self.out.u8(tag::V4_PORT);
            put_atom_of(&mut self.out, port.node)?;
            self.out.u64(port.id);
        }
        self.out.u32(port.creation);
        Ok(self)
    }

    /// Writes a reference.
    pub fn reference(&mut self, reference: Reference<'_>) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        let put = put_reference(&mut self.out, reference);
        self.kept(put)
    }

    /// Writes an external fun, `fun Module:Function/Arity`.
    pub fn export(&mut self, module: &str, function: &str, arity: u8) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        self.out.u8(tag::EXPORT);
        let put = put_atom(&mut self.out, module).and_then(|()| put_atom(&mut self.out, function));
        self.kept(put)?;
        self.out.u8(tag::SMALL_INTEGER);
        self.out.u8(arity);
        Ok(self)
    }

    /// Writes a term that was received, byte for byte.
    #[inline]
    pub fn term(&mut self, term: Term<'_>) -> Result<&mut Self, Misuse> {
        self.part(0)?;
        self.out.bytes(term.as_bytes());
        Ok(self)
    }
}

/// Writes one term into `buf` as `term_to_binary` would, and gives its bytes.
///
/// # Errors
/// [`Full::Message`] with the bytes it takes when `buf` is too small; [`Misuse`] as [`TermWriter`] says.
pub fn encode<F>(buf: &mut [u8], write: F) -> Result<&[u8], Error>
where
    F: WriteTerm,
{
    let mut out = Writer::new(buf);
    TermWriter::one(&mut out, write)?;
    let len = out.finish().map_err(|e| Full::Message { needed: e.needed, limit: e.room })?;
    Ok(buf.get(..len).unwrap_or(&[]))
}

/// Returns a tag and a length of 32 bits.
#[inline]
fn tagged(tag: u8, len: u32) -> [u8; 5] {
    let [a, b, c, d] = len.to_be_bytes();
    [tag, a, b, c, d]
}

fn length(len: usize) -> Result<u32, Misuse> {
    u32::try_from(len).map_err(|_| Misuse::TooLong)
}

/// Writes an atom in the form that every peer since OTP 20 reads.
#[inline]
pub(crate) fn put_atom(out: &mut Writer<'_>, text: &str) -> Result<(), Misuse> {
    match u8::try_from(text.len()) {
        Ok(len) => {
            out.headed([tag::SMALL_ATOM_UTF8, len], text.as_bytes());
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

/// Writes a received atom again, in UTF-8 whatever it came in.
#[inline]
pub(crate) fn put_atom_of(out: &mut Writer<'_>, atom: Atom<'_>) -> Result<(), Misuse> {
    let Some((len, text)) = atom.short_utf8() else { return put_rare_atom(out, atom) };
    out.headed([tag::SMALL_ATOM_UTF8, len], text);
    Ok(())
}

/// Writes a long atom, or one in Latin-1.
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
    let Some((len, node)) = pid.node.short_utf8() else { return put_rare_pid(out, pid) };
    out.between([tag::NEW_PID, tag::SMALL_ATOM_UTF8, len], node, numbers(pid));
    Ok(())
}

/// Writes a pid whose node's name is long, or in Latin-1.
#[cold]
fn put_rare_pid(out: &mut Writer<'_>, pid: Pid<'_>) -> Result<(), Misuse> {
    out.u8(tag::NEW_PID);
    put_rare_atom(out, pid.node)?;
    out.array(numbers(pid));
    Ok(())
}

/// Returns what stands behind the node's name in a pid.
#[inline]
pub(super) fn numbers(pid: Pid<'_>) -> [u8; 12] {
    let ([a, b, c, d], [e, f, g, h]) = (pid.id.to_be_bytes(), pid.serial.to_be_bytes());
    let [i, j, k, l] = pid.creation.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

pub(crate) fn put_reference(out: &mut Writer<'_>, reference: Reference<'_>) -> Result<(), Misuse> {
    let words = reference.word_bytes();
    let count = u8::try_from(words.len() / 4).map_err(|_| Misuse::TooLong)?;
    if let Some((len, node)) = reference.node.short_utf8() {
        out.between([tag::NEWER_REFERENCE, 0, count, tag::SMALL_ATOM_UTF8, len], node, reference.creation.to_be_bytes());
    } else {
        out.array([tag::NEWER_REFERENCE, 0, count]);
        put_rare_atom(out, reference.node)?;
        out.u32(reference.creation);
    }
    out.bytes(words);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes are those of `term_to_binary/1`, with atoms in UTF-8.
    #[test]
    fn each_form_goes_as_far_as_erlangs() {
        let node = Atom::from_str("n");
        let written = |write: &dyn for<'t, 'b> Fn(&'t mut TermWriter<'b>) -> Written<'t, 'b>| {
            encode(&mut [0; 64], write).map(<[u8]>::to_vec)
        };
        let port = |id| written(&|t| t.port(Port { node, id, creation: 7 })).unwrap();
        assert_eq!(port(0xfff_ffff), [131, 89, 119, 1, b'n', 15, 255, 255, 255, 0, 0, 0, 7]);
        assert_eq!(port(0x1000_0000), [131, 120, 119, 1, b'n', 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(written(&|t| t.charlist("\u{ff}")).unwrap(), [131, 107, 0, 1, 255]);
        assert_eq!(written(&|t| t.charlist("\u{100}")).unwrap(), [131, 108, 0, 0, 0, 1, 98, 0, 0, 1, 0, 106]);
        assert_eq!(written(&|t| t.list(0)?.nil()).unwrap(), [131, 106]);
        assert_eq!(written(&|t| t.bits(&[0xff], 3)).unwrap(), [131, 77, 0, 0, 0, 1, 3, 0xe0]);
        assert!(matches!(written(&|t| t.bits(&[], 3)), Err(Error::Misuse(Misuse::Bits))));
    }
}

//! Printing: one pass over the bytes, with a frame for every tuple, list and map that is open.

use core::fmt::{self, Write};

use super::chars::{Chars, RESERVED, RESERVED_LATER, is_lower, is_name};
use super::integer;
use crate::error::TermFault;
use crate::wire::check;
use crate::wire::codes::tag;
use crate::wire::cursor::{Reader, Short};
use crate::wire::ids::Atom;
use crate::wire::split;
use crate::wire::term::{List, Term, Value};
use crate::wire::value::{Big, Bits, Export, Fun, Limits};

/// The reason for which printing stops early.
enum Halt {
    /// The formatter takes no more.
    Write,
    /// The bytes are no term, which those of a checked one always are.
    Bytes,
}

impl From<fmt::Error> for Halt {
    fn from(_: fmt::Error) -> Self {
        Self::Write
    }
}

impl From<Short> for Halt {
    fn from(_: Short) -> Self {
        Self::Bytes
    }
}

impl From<TermFault> for Halt {
    fn from(_: TermFault) -> Self {
        Self::Bytes
    }
}

/// Writes a term on one line.
pub(super) fn print(
    term: Term<'_>,
    home: Option<&str>,
    (chars, long_ones): (Chars, u16),
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let whole = Reader::new(term.as_bytes());
    let mut printer = Printer { f, home, chars, long_ones, whole, open: heapless::Vec::new() };
    match printer.run(whole) {
        Err(Halt::Write) => Err(fmt::Error),
        Ok(()) | Err(Halt::Bytes) => Ok(()),
    }
}

/// The kind of an open term, and the part of it that comes after the term that is being written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PrintShape {
    Tuple,
    List,
    /// The tail of an improper list.
    Tail,
    Key,
    Value,
    /// A native record's value, whose name is written already.
    Field,
}

#[derive(Clone, Copy)]
struct PrintFrame {
    shape: PrintShape,
    /// Elements or pairs to come after this one.
    left: u32,
    /// The place in the whole term of the names of a native record's fields to come, which stand before all its values.
    names: u32,
}

struct Printer<'p, 'f, 'h, 'r> {
    f: &'p mut fmt::Formatter<'f>,
    home: Option<&'h str>,
    chars: Chars,
    /// The number of long integers that may still be decimal.
    long_ones: u16,
    whole: Reader<'r>,
    open: heapless::Vec<PrintFrame, { Limits::MAX_DEPTH as usize }>,
}

impl<'r> Printer<'_, '_, '_, 'r> {
    fn run(&mut self, mut r: Reader<'r>) -> Result<(), Halt> {
        loop {
            let whole = self.term(&mut r)?;
            if whole && !self.separate(&mut r)? {
                return Ok(());
            }
        }
    }

    /// Writes the next term; `false` when it only begins: a part of it is next.
    fn term(&mut self, r: &mut Reader<'r>) -> Result<bool, Halt> {
        let start = *r;
        let (shape, opening, count) = match r.u8()? {
            tag::SMALL_TUPLE => (PrintShape::Tuple, "{", r.u8()?.into()),
            tag::LARGE_TUPLE => (PrintShape::Tuple, "{", r.u32()?),
            tag::MAP => (PrintShape::Key, "#{", r.u32()?),
            tag::LIST if !is_text(start, self.chars) => match r.u32()? {
                // a list of no elements is its tail
                0 => return Ok(false),
                count => (PrintShape::List, "[", count),
            },
            tag::RECORD => return self.record(r),
            _ => {
                *r = start;
                let term = Term::next(r).ok_or(Halt::Bytes)?;
                self.leaf(term)?;
                return Ok(true);
            }
        };
        self.f.write_str(opening)?;
        let Some(left) = count.checked_sub(1) else {
            self.f.write_char('}')?;
            return Ok(true);
        };
        self.open.push(PrintFrame { shape, left, names: 0 }).map_err(|_| Halt::Bytes)?;
        Ok(false)
    }

    /// Opens a native record: its head, and the name of its first field if it has any.
    fn record(&mut self, r: &mut Reader<'r>) -> Result<bool, Halt> {
        let (record, count) = check::record::<false>(r)?;
        self.f.write_char('#')?;
        atom(record.module, self.chars, self.f)?;
        self.f.write_char(':')?;
        atom(record.name, self.chars, self.f)?;
        self.f.write_char('{')?;
        let mut names = *r;
        for _ in 0..count {
            Term::next(r).ok_or(Halt::Bytes)?;
        }
        let Some(left) = count.checked_sub(1) else {
            self.f.write_char('}')?;
            return Ok(true);
        };
        field(&mut names, self.chars, self.f)?;
        let names = u32::try_from(self.whole.up_to(&names).len()).map_err(|_| Halt::Bytes)?;
        self.open.push(PrintFrame { shape: PrintShape::Field, left, names }).map_err(|_| Halt::Bytes)?;
        Ok(false)
    }

    /// Writes what stands between the term just written and the next; `false` when there is none.
    fn separate(&mut self, r: &mut Reader<'r>) -> Result<bool, Halt> {
        while let Some(frame) = self.open.last_mut() {
            if frame.shape == PrintShape::Key {
                frame.shape = PrintShape::Value;
                self.f.write_str(" => ")?;
                return Ok(true);
            }
            if frame.shape == PrintShape::List && frame.left == 0 && Self::tail(frame, r, self.f)? {
                return Ok(true);
            }
            if let Some(left) = frame.left.checked_sub(1) {
                frame.left = left;
                if frame.shape == PrintShape::Value {
                    frame.shape = PrintShape::Key;
                }
                self.f.write_char(',')?;
                if frame.shape == PrintShape::Field {
                    let mut names = self.whole;
                    names.bytes(usize::try_from(frame.names).unwrap_or(usize::MAX))?;
                    field(&mut names, self.chars, self.f)?;
                    frame.names = u32::try_from(self.whole.up_to(&names).len()).unwrap_or(u32::MAX);
                }
                return Ok(true);
            }
            self.f.write_char(if matches!(frame.shape, PrintShape::List | PrintShape::Tail) { ']' } else { '}' })?;
            self.open.pop();
        }
        Ok(false)
    }

    /// Goes on from the last element of a list to its tail: another list continues it, and a term that is none is to be
    /// written next, which `true` says.
    fn tail(frame: &mut PrintFrame, r: &mut Reader<'_>, f: &mut fmt::Formatter<'_>) -> Result<bool, Halt> {
        while frame.left == 0 {
            match r.peek()? {
                tag::NIL => {
                    r.u8()?;
                    return Ok(false);
                }
                tag::LIST => {
                    r.u8()?;
                    frame.left = r.u32()?;
                }
                tag::STRING => {
                    r.u8()?;
                    r.bytes16()?.iter().try_for_each(|byte| write!(f, ",{byte}"))?;
                    return Ok(false);
                }
                _ => {
                    frame.shape = PrintShape::Tail;
                    f.write_char('|')?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn leaf(&mut self, term: Term<'_>) -> fmt::Result {
        let f = &mut *self.f;
        match term.value() {
            Value::Integer(value) => write!(f, "{value}"),
            Value::Big(Big { negative, magnitude }) => integer::print(negative, magnitude, &mut self.long_ones, f),
            Value::Float(value) => float(value, f),
            Value::Atom(name) => atom(name, self.chars, f),
            Value::Nil => f.write_str("[]"),
            Value::List(list) => string(list, self.chars, f),
            Value::Binary(bytes) => binary(bytes, self.chars, f),
            Value::Bits(Bits { bytes, last }) => {
                let (tail, head) = bytes.split_last().ok_or(fmt::Error)?;
                f.write_str("<<")?;
                head.iter().try_for_each(|byte| write!(f, "{byte},"))?;
                write!(f, "{}:{last}>>", tail.checked_shr(8_u32.saturating_sub(last.into())).unwrap_or(0))
            }
            Value::Pid(pid) => {
                f.write_char('<')?;
                self.node(pid.node)?;
                write!(self.f, ".{}.{}>", pid.id, pid.serial)
            }
            Value::Port(port) => {
                f.write_str("#Port<")?;
                self.node(port.node)?;
                write!(self.f, ".{}>", port.id)
            }
            Value::Reference(reference) => {
                f.write_str("#Ref<")?;
                self.node(reference.node)?;
                reference.words().rev().try_for_each(|word| write!(self.f, ".{word}"))?;
                self.f.write_char('>')
            }
            Value::Fun(Fun { module, index, uniq, .. }) => {
                f.write_str("#Fun<")?;
                fun_atom(module, f)?;
                write!(f, ".{index}.{uniq}>")
            }
            Value::Export(Export { module, function, arity }) => {
                f.write_str("fun ")?;
                fun_atom(module, f)?;
                f.write_char(':')?;
                fun_atom(function, f)?;
                write!(f, "/{arity}")
            }
            // these are opened, not written whole
            Value::Tuple(_) | Value::Map(_) | Value::Record(_) => Ok(()),
        }
    }

    /// Writes the name of the node that an identifier is of.
    fn node(&mut self, node: Atom<'_>) -> fmt::Result {
        match self.home {
            // A name from the wire can have any characters; those that would move a terminal's cursor are not written.
            Some(home) if node != *home => node.chars().try_for_each(|c| escaped(c, '>', self.chars, self.f)),
            _ => self.f.write_char('0'),
        }
    }
}

/// Writes the name of a native record's next field.
fn field(names: &mut Reader<'_>, chars: Chars, f: &mut fmt::Formatter<'_>) -> Result<(), Halt> {
    if let Some(name) = Term::next(names).and_then(Term::as_atom) {
        atom(name, chars, f)?;
    }
    Ok(f.write_str(" = ")?)
}

/// Returns true if the list here is one that is printed as a string: proper, and printable characters all of it.
fn is_text(mut r: Reader<'_>, chars: Chars) -> bool {
    loop {
        match r.u8() {
            Ok(tag::NIL) => return true,
            Ok(tag::STRING) => return r.bytes16().is_ok_and(|bytes| bytes.iter().all(|b| chars.prints(char::from(*b)))),
            Ok(tag::LIST) => {}
            _ => return false,
        }
        let Ok(count) = r.u32() else { return false };
        for _ in 0..count {
            skip_empty_lists(&mut r);
            // Only integers are looked at: a list in the list would be walked over once more at every level.
            if !matches!(r.peek(), Ok(tag::SMALL_INTEGER | tag::INTEGER | tag::SMALL_BIG | tag::LARGE_BIG)) {
                return false;
            }
            if !Term::next(&mut r).and_then(character).is_some_and(|c| chars.prints(c)) {
                return false;
            }
        }
    }
}

/// Skips what has no elements and a tail: it is its tail.
fn skip_empty_lists(r: &mut Reader<'_>) {
    loop {
        let mut behind = *r;
        if (behind.u8(), behind.u32()) != (Ok(tag::LIST), Ok(0)) {
            return;
        }
        *r = behind;
    }
}

/// Returns the character that an integer is.
fn character(term: Term<'_>) -> Option<char> {
    char::from_u32(u32::try_from(term.as_i64()?).ok()?)
}

/// Writes a list of integers: as text if it is one, and otherwise the elements of a list that was sent as bytes.
fn string(list: List<'_>, chars: Chars, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut elements = list.filter_map(character);
    if elements.clone().all(|c| chars.prints(c)) {
        return quoted(elements, '"', chars, f);
    }
    f.write_char('[')?;
    elements.next().map_or(Ok(()), |byte| write!(f, "{}", u32::from(byte)))?;
    elements.try_for_each(|byte| write!(f, ",{}", u32::from(byte)))?;
    f.write_char(']')
}

fn binary(bytes: &[u8], chars: Chars, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("<<")?;
    // what is UTF-8 is text as such or not at all; in ASCII both are the same
    let utf8 = if chars == Chars::Unicode { core::str::from_utf8(bytes).ok().filter(|_| !bytes.is_ascii()) } else { None };
    let text =
        utf8.map_or_else(|| bytes.iter().all(|b| chars.prints(char::from(*b))), |utf8| utf8.chars().all(|c| chars.prints(c)));
    match (bytes.split_first(), utf8) {
        (None, _) => {}
        (_, Some(utf8)) if text => {
            quoted(utf8.chars(), '"', chars, f)?;
            f.write_str("/utf8")?;
        }
        _ if text => quoted(bytes.iter().map(|byte| char::from(*byte)), '"', chars, f)?,
        (Some((first, rest)), _) => {
            write!(f, "{first}")?;
            rest.iter().try_for_each(|byte| write!(f, ",{byte}"))?;
        }
    }
    f.write_str(">>")
}

fn quoted(mut text: impl Iterator<Item = char>, quote: char, chars: Chars, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char(quote)?;
    text.try_for_each(|c| escaped(c, quote, chars, f))?;
    f.write_char(quote)
}

/// Writes a character of a string or atom as `io_lib:write_string_as_latin1/2` or `io_lib:write_string/2` does.
fn escaped(c: char, quote: char, chars: Chars, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let letter = match c {
        _ if c == quote || c == '\\' => c,
        ' '..='~' | '\u{a0}'..='\u{ff}' => return f.write_char(c),
        '\u{100}'.. if chars == Chars::Unicode => return f.write_char(c),
        '\u{100}'.. => return write!(f, "\\x{{{:X}}}", u32::from(c)),
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\u{1b}' => 'e',
        '\u{7f}' => 'd',
        _ => return write!(f, "\\{:03o}", u32::from(c)),
    };
    f.write_char('\\')?;
    f.write_char(letter)
}

fn atom(name: Atom<'_>, chars: Chars, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let plain = name.chars().next().is_some_and(is_lower) && name.chars().all(is_name);
    let reserved = || RESERVED.iter().chain(&RESERVED_LATER).any(|word| name == **word);
    if plain && !reserved() {
        return write!(f, "{name}");
    }
    quoted(name.chars(), '\'', chars, f)
}

/// Writes an atom in the name of a fun. The emulator itself prints those, with rules of its own: `@` needs quotes, and a reserved word does
/// not.
fn fun_atom(name: Atom<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if name.chars().next().is_some_and(is_lower) && name.chars().all(|c| is_name(c) && c != '@') {
        return write!(f, "{name}");
    }
    f.write_char('\'')?;
    for c in name.chars() {
        match c {
            '\u{1b}' => f.write_str("\\033")?,
            '\u{7f}' | '"' | '\u{100}'.. => f.write_char(c)?,
            _ => escaped(c, '\'', Chars::Latin1, f)?,
        }
    }
    f.write_char('\'')
}

/// Writes the shortest digits that read back as the same float, with an exponent where that is shorter, or where the float is beyond 2^53
/// and its last digits would be made up (`float_to_list(F, [short])`).
fn float(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    /// The longest float: one digit, a point, sixteen more digits, `e-308`.
    const LONGEST: usize = 24;
    let mut text = heapless::String::<LONGEST>::new();
    write!(text, "{:e}", value.abs())?;
    // Of two that are as short and as near Erlang takes the one with the even digit, as rounding to so many digits does.
    let decimals = split::first(&text, 'e').map_or(0, |(mantissa, _)| mantissa.len().saturating_sub(2)).min(LONGEST);
    let mut even = heapless::String::<LONGEST>::new();
    write!(even, "{:.decimals$e}", value.abs())?;
    if even.parse() == Ok(value.abs()) {
        text = even;
    }
    let (mantissa, exponent) = split::first(&text, 'e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    let (first, rest) = split::first(mantissa, '.').unwrap_or((mantissa, ""));
    let decimals = i32::try_from(rest.len()).map_err(|_| fmt::Error)?;

    if value.is_sign_negative() {
        f.write_char('-')?;
    }
    // lengths without what both have in common: the digits and the point
    let exponent_form = match exponent {
        10.. => 3,
        0.. => 2,
        -9.. => 3,
        // longer ones need not be told apart: it is shorter with them in any case
        _ => 4_i32,
    }
    .saturating_add(if decimals == 0 { 1 } else { 0 });
    let point_form = match exponent.saturating_sub(decimals) {
        zeros @ 0.. => zeros.saturating_add(1),
        _ => exponent.saturating_neg(),
    };
    if value.abs() >= 9_007_199_254_740_992.0 || point_form > exponent_form {
        let rest = if rest.is_empty() { "0" } else { rest };
        return write!(f, "{first}.{rest}e{exponent}");
    }
    if exponent < 0 {
        f.write_str("0.")?;
        (1..exponent.saturating_neg()).try_for_each(|_| f.write_char('0'))?;
        return write!(f, "{first}{rest}");
    }
    f.write_str(first)?;
    let whole = usize::try_from(exponent).unwrap_or(0);
    f.write_str(rest.get(..whole).unwrap_or(rest))?;
    (rest.len()..whole).try_for_each(|_| f.write_char('0'))?;
    write!(f, ".{}", rest.get(whole..).filter(|rest| !rest.is_empty()).unwrap_or("0"))
}

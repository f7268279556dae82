//! Terms: what the check lets pass can be walked, copied, written again, printed, and read again as text.

use crate::error::{Full, TermFault};
use crate::wire::build::{TermWriter, Written, encode};
use crate::wire::codes::tag;
use crate::wire::owned::OwnedTerm;
use crate::wire::term::{Term, Value};
use crate::wire::text::{TextFault, parse_text};
use crate::wire::value::Limits;

/// Runs the check of terms on bytes, and everything that relies on it.
pub fn term(data: &[u8]) {
    let term = match Term::parse(data) {
        Ok(term) => term,
        Err(e) => {
            assert!(e.at as usize <= data.len(), "{e}");
            assert!(!e.to_string().is_empty());
            return;
        }
    };
    assert!(data.ends_with(term.as_bytes()) && data.len() <= term.as_bytes().len() + 1);
    assert_eq!(Term::parse(term.as_bytes()).map(Term::as_bytes), Ok(term.as_bytes()));
    // one byte less is none
    assert!(data.is_empty() || Term::parse(&data[..data.len() - 1]).is_err());
    let deepest = walk(term);
    copy(term);
    let least = least_depth(term);
    assert!(deepest <= least, "{deepest} levels are taken for {least}");
    let again = OwnedTerm::new(|t| rebuild(t, term)).expect("what was read can be written");
    let again = again.as_term();
    assert!(same(term, again));
    if !has_fun(term) {
        assert_eq!(walk(again), least_depth(again), "{again}");
    }
    print(term, again);
}

/// Returns the terms that are directly inside.
fn parts(term: Term<'_>) -> Vec<Term<'_>> {
    match term.value() {
        Value::Tuple(elements) => {
            let announced = elements.len();
            let all: Vec<_> = elements.collect();
            assert_eq!(all.len(), announced);
            all
        }
        Value::List(list) => list.chain(list.tail()).collect(),
        Value::Map(pairs) => {
            let announced = pairs.len();
            let all: Vec<_> = pairs.flat_map(|(key, value)| [key, value]).collect();
            assert_eq!(all.len(), 2 * announced);
            all
        }
        Value::Record(record) => record.fields().flat_map(|(name, value)| [name, value]).collect(),
        _ => Vec::new(),
    }
}

fn has_fun(term: Term<'_>) -> bool {
    has(term, |value| matches!(value, Value::Fun(_)))
}

/// Returns true if there is such a value anywhere in it.
fn has(term: Term<'_>, wanted: fn(Value<'_>) -> bool) -> bool {
    let mut open = vec![term];
    while let Some(term) = open.pop() {
        if wanted(term.value()) {
            return true;
        }
        open.extend(parts(term));
    }
    false
}

/// Looks at every term in it, and returns how many tuples, lists and maps are inside each other.
fn walk(term: Term<'_>) -> usize {
    let (mut open, mut seen, mut deepest) = (vec![(term, 0)], 0, 0);
    while let Some((term, level)) = open.pop() {
        seen += 1;
        assert!(!term.as_bytes().is_empty());
        if term.as_bytes().len() <= 64 {
            assert_eq!(Term::parse(term.as_bytes()).map(Term::as_bytes), Ok(term.as_bytes()));
        }
        views_agree(term);
        let inside = parts(term);
        // a list that was sent as bytes has no terms in it
        let is_bytes = term.as_bytes().first() == Some(&tag::STRING);
        let is_container = match term.value() {
            Value::List(_) => !is_bytes,
            value => matches!(value, Value::Tuple(_) | Value::Map(_) | Value::Record(_)),
        };
        let level = level + usize::from(is_container);
        deepest = deepest.max(level);
        let has_tail = matches!(term.value(), Value::List(list) if list.tail().is_some());
        let last = inside.len().saturating_sub(1);
        // what ends an improper list is as deep as the list
        open.extend(inside.into_iter().enumerate().map(|(at, part)| (part, level - usize::from(has_tail && at == last))));
    }
    assert!(seen <= term.as_bytes().len(), "{seen} terms in {} bytes", term.as_bytes().len());
    deepest
}

/// Asks every view for what the value is.
fn views_agree(term: Term<'_>) {
    let (mut int, mut float, mut atom, mut binary, mut pid, mut reference) = (None, None, None, None, None, None);
    match term.value() {
        Value::Integer(value) => {
            int = Some(value);
            float = Some(value as f64);
        }
        Value::Big(big) => assert!(big.magnitude.len() >= 8 && big.magnitude.last() != Some(&0)),
        Value::Float(value) => {
            assert!(value.is_finite());
            float = Some(value);
        }
        Value::Atom(value) => atom = Some(value),
        Value::Binary(value) => binary = Some(value),
        Value::Bits(bits) => assert!((1..8).contains(&bits.last) && !bits.bytes.is_empty()),
        Value::Pid(value) => pid = Some(value),
        Value::Reference(value) => reference = Some(value),
        Value::Tuple(elements) => assert!(elements.len() == 0 || term.as_list().is_some() || term.as_tuple().is_some()),
        Value::List(_) => assert!(term.as_list().is_some()),
        Value::Map(_) => assert!(term.as_map().is_some() || term.as_list().is_some()),
        _ => {}
    }
    // a list of no elements is the term that is its tail, and its views see a list
    if term.as_list().is_some() {
        return;
    }
    assert_eq!(term.as_i64(), int);
    assert_eq!(term.as_f64().map(f64::to_bits), float.map(f64::to_bits));
    assert_eq!(term.as_atom(), atom);
    assert_eq!(term.as_binary(), binary);
    assert_eq!(term.as_pid(), pid);
    assert_eq!(term.as_reference(), reference);
    let text: Option<String> = atom.map(|atom| atom.chars().collect());
    assert_eq!(term.as_bool(), text.as_deref().and_then(|text| text.parse().ok()));
    assert!(text.is_none_or(|text| text.chars().count() <= 255 && term.is_atom(&text) && !term.is_atom(&(text + "x"))));
    assert!(int.is_none_or(|int| term.as_u64() == u64::try_from(int).ok()));
    if let Some(owned) = pid.and_then(|pid| pid.to_owned()) {
        assert_eq!(pid, Some(owned.as_pid()));
    }
    if let Some(owned) = reference.and_then(|reference| reference.to_owned()) {
        assert_eq!(reference, Some(owned.as_reference()));
    }
}

/// Keeps it in buffers of its size, and of one byte less.
fn copy(term: Term<'_>) {
    let len = term.as_bytes().len();
    let mut buf = vec![0; len + 1];
    assert_eq!(term.copy_to(&mut buf[..len]).map(Term::as_bytes), Ok(term.as_bytes()));
    assert!(matches!(
        term.copy_to(&mut buf[..len - 1]),
        Err(Full::Message { needed, limit }) if needed == len && limit == len - 1
    ));
    assert_eq!(term.to_owned().as_bytes()[1..], *term.as_bytes());
    let written = encode(&mut buf, |t| t.term(term)).expect("there is room");
    assert_eq!(Term::parse(written).map(Term::as_bytes), Ok(term.as_bytes()));
    assert!(encode(&mut buf[..len], |t| t.term(term)).is_err());
}

/// Returns the least limit of depth with which the term is taken.
fn least_depth(term: Term<'_>) -> usize {
    let taken = |depth: u16| match Term::parse_within(term.as_bytes(), Limits::new(depth, usize::MAX)) {
        Ok(_) => true,
        Err(e) => {
            assert_eq!(e.fault, TermFault::TooDeep);
            false
        }
    };
    let (mut no, mut yes) = (None, Limits::MAX_DEPTH);
    assert!(taken(yes));
    while yes > no.map_or(0, |no: u16| no + 1) {
        let middle = no.map_or(0, |no| no + 1) + (yes - no.map_or(0, |no| no + 1)) / 2;
        if taken(middle) { yes = middle } else { no = Some(middle) }
    }
    yes.into()
}

/// Writes the term anew, value by value.
fn rebuild<'t, 'b>(t: &'t mut TermWriter<'b>, term: Term<'_>) -> Written<'t, 'b> {
    let mut open = vec![term];
    while let Some(term) = open.pop() {
        match term.value() {
            Value::Integer(value) => t.int(value)?,
            Value::Big(big) => t.big(big.negative, big.magnitude)?,
            Value::Float(value) => t.float(value)?,
            Value::Atom(atom) => t.atom(&atom.chars().collect::<String>())?,
            Value::Tuple(elements) => t.tuple(elements.len())?,
            Value::Nil => t.nil()?,
            Value::List(list) => {
                if list.tail().is_none() {
                    open.push(Term::trusted(&[106]));
                }
                t.list(list.count())?
            }
            Value::Binary(bytes) => t.binary(bytes)?,
            Value::Bits(bits) => t.bits(bits.bytes, bits.last)?,
            Value::Map(pairs) => t.map(pairs.len())?,
            Value::Pid(pid) => t.pid(pid)?,
            Value::Port(port) => t.port(port)?,
            Value::Reference(reference) => t.reference(reference)?,
            Value::Export(export) => {
                let (module, function): (String, String) = (export.module.chars().collect(), export.function.chars().collect());
                t.export(&module, &function, export.arity)?
            }
            Value::Fun(_) => t.term(term)?,
            Value::Record(_) => {
                t.term(term)?;
                continue;
            }
        };
        open.extend(parts(term).into_iter().rev());
    }
    Ok(t)
}

/// Returns true if the values are the same. It has a stack of its own.
pub(super) fn same(a: Term<'_>, b: Term<'_>) -> bool {
    let mut open = vec![(a, b)];
    while let Some((a, b)) = open.pop() {
        let alike = match (a.value(), b.value()) {
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Big(a), Value::Big(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Atom(a), Value::Atom(b)) => a == b,
            (Value::Nil, Value::Nil) => true,
            (Value::Binary(a), Value::Binary(b)) => a == b,
            (Value::Bits(a), Value::Bits(b)) => {
                let shift = 8 - u32::from(a.last);
                let ((x, a_front), (y, b_front)) = (a.bytes.split_last().unwrap(), b.bytes.split_last().unwrap());
                a.last == b.last && a_front == b_front && x >> shift == y >> shift
            }
            (Value::Tuple(_), Value::Tuple(_)) | (Value::Map(_), Value::Map(_)) | (Value::Record(_), Value::Record(_)) => true,
            (Value::List(a), Value::List(b)) => a.tail().is_some() == b.tail().is_some(),
            (Value::Pid(a), Value::Pid(b)) => a == b,
            (Value::Port(a), Value::Port(b)) => a == b,
            (Value::Reference(a), Value::Reference(b)) => a == b,
            (Value::Export(a), Value::Export(b)) => a == b,
            (Value::Fun(_), Value::Fun(_)) => a.as_bytes() == b.as_bytes(),
            _ => false,
        };
        let (a, b) = (parts(a), parts(b));
        if !alike || a.len() != b.len() {
            return false;
        }
        open.extend(a.into_iter().zip(b));
    }
    true
}

/// Prints it, and reads that again; `again` is the same term in other bytes.
fn print(term: Term<'_>, again: Term<'_>) {
    let text = term.to_string();
    assert_eq!(text, again.to_string());
    assert!(text.len() <= 32 + 16 * term.as_bytes().len(), "{} bytes of text from {}", text.len(), term.as_bytes().len());
    assert!(!text.contains(['\n', '\r', '\0', '\u{1b}']), "{text:?}");
    let unicode = term.text("a@host").unicode().to_string();
    for text in [text, unicode] {
        read_again(term, &text);
    }
}

fn read_again(term: Term<'_>, text: &str) {
    let mut buf = vec![0; 2 * term.as_bytes().len() + 64];
    match parse_text(text, &mut buf) {
        Ok(read) => assert!(same(read, term), "{text} is read as {read}"),
        // the bytes may have what text may not
        Err(e) => assert!(
            matches!(e.fault, TextFault::Record | TextFault::DuplicateKey | TextFault::TooManyKeys | TextFault::Integer)
                || has(term, has_no_text),
            "{e}: {text}"
        ),
    }
}

/// Returns true for what is printed for people alone, with whatever characters the name of its node has.
fn has_no_text(value: Value<'_>) -> bool {
    matches!(value, Value::Pid(_) | Value::Port(_) | Value::Reference(_) | Value::Fun(_))
}

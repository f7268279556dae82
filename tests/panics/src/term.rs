//! Terms: checked, looked at in every way, printed, parsed from text, written, and as values of serde.

use core::hint::black_box;

use beamless::{Atom, Limits, MapKey, Pid, Reference, Term, TermWriter, Value, encode, parse_text};

use crate::{Bytes, show, used};

/// A term comes, and all of its elements are looked at.
#[unsafe(no_mangle)]
pub extern "C" fn term(bytes: &Bytes, depth: u16, most: usize) {
    let _ = black_box(Term::parse(bytes.get()));
    match Term::parse_within(bytes.get(), Limits::new(depth, most)) {
        Ok(term) => look(term, bytes.text()),
        Err(e) => show(&e),
    }
}

/// Looks at one term in all ways, and at each element's type.
fn look(term: Term<'_>, key: &str) {
    black_box((term.as_bytes(), term.as_i64(), term.as_u64(), term.as_f64(), term.as_bool(), term.as_binary(), term.as_str()));
    black_box((term.is_atom(key), term.tuple::<3>()));
    black_box(term.copy_to(black_box(&mut [0; 64])).ok());
    let keys: [MapKey<'_>; 4] = [key.into(), MapKey::from(7_i64), MapKey::from(term), MapKey::from(key.as_bytes())];
    keys.into_iter().for_each(|key| used(term.get(key)));
    black_box(term.as_atom().map(atom));
    black_box(term.as_pid().map(pid));
    black_box(term.as_reference().map(reference));
    if let Some(mut elements) = term.as_tuple() {
        black_box((elements.len(), elements.nth(2).map(Term::value)));
    }
    if let Some(mut list) = term.as_list() {
        black_box((list.next(), list.nth(2).map(Term::value), list.tail()));
    }
    if let Some(mut pairs) = term.as_map() {
        black_box((pairs.len(), pairs.nth(2)));
    }
    match black_box(term.value()) {
        Value::Record(record) => record.fields().for_each(|pair| used(pair)),
        Value::Port(port) => used(port),
        _ => {}
    }
    show(&term);
    show(&term.text(key));
    show(&term.text(key).unicode().long_decimals(300));
}

fn atom(atom: Atom<'_>) {
    black_box((atom.as_str(), atom.chars().last()));
    show(&atom);
}

fn pid(pid: Pid<'_>) {
    black_box(pid.to_owned());
    show(&pid);
}

fn reference(reference: Reference<'_>) {
    black_box((reference.to_owned(), reference.words().len(), reference.words().next_back(), reference.words().nth(2)));
}

/// A term comes, and is read as values.
#[unsafe(no_mangle)]
pub extern "C" fn values(bytes: &Bytes) {
    fn read<'a, T: serde::Deserialize<'a>>(term: Term<'a>) {
        if let Err(e) = black_box(term.deserialize::<T>()) {
            show(&e);
        }
    }
    let Ok(term) = Term::parse(bytes.get()) else { return };
    read::<(i8, u16, i32, u64, i128, u128)>(term);
    read::<(bool, char, f32, f64, &str, &[u8], ())>(term);
    read::<[Option<Result<(u8, i64), &str>>; 3]>(term);
    read::<(Term<'_>, Atom<'_>, Pid<'_>, Reference<'_>)>(term);
    read::<serde::de::IgnoredAny>(term);
}

/// Values are written.
#[unsafe(no_mangle)]
pub extern "C" fn written(bytes: &Bytes, n: i64, wide: i128, float: f64, room: &mut [u8; 512]) {
    let value = (n, wide, float, float as f32, bytes.text(), [Some(bytes.len as u64), None], (), 'x', Err::<u8, bool>(n > 0));
    if let Err(e) = black_box(encode(room, |t| t.serialize(&value))) {
        show(&e);
    }
}

/// Text comes, and is read as a term.
#[unsafe(no_mangle)]
pub extern "C" fn text(bytes: &Bytes, room: &mut [u8; 512]) {
    match parse_text(bytes.text(), room) {
        Ok(term) => used(term),
        Err(e) => show(&e),
    }
}

/// Terms are written, of whatever size and in whatever order.
#[unsafe(no_mangle)]
pub extern "C" fn writer(bytes: &Bytes, steps: &[u8; 32], n: i64, float: f64, room: &mut [u8; 512]) {
    let other = Term::parse(bytes.get());
    let result = encode(room, |t: &mut TermWriter<'_>| {
        for step in steps {
            match step {
                0 => t.int(n)?,
                1 => t.big(n < 0, bytes.get())?,
                2 => t.float(float)?,
                3 => t.atom(bytes.text())?,
                4 => t.bool(n < 0)?,
                5 => t.tuple(bytes.len)?,
                6 => t.list(bytes.len)?,
                7 => t.nil()?,
                8 => t.charlist(bytes.text())?,
                9 => t.binary(bytes.get())?,
                10 => t.str(bytes.text())?,
                11 => t.bits(bytes.get(), *step)?,
                12 => t.map(bytes.len)?,
                13 => t.export(bytes.text(), bytes.text(), *step)?,
                _ => match other {
                    Ok(term) => match term.value() {
                        Value::Pid(pid) => t.pid(pid)?,
                        Value::Port(port) => t.port(port)?,
                        Value::Reference(reference) => t.reference(reference)?,
                        _ => t.term(term)?,
                    },
                    Err(_) => t,
                },
            };
        }
        Ok(t)
    });
    if let Err(e) = black_box(result) {
        show(&e);
    }
}

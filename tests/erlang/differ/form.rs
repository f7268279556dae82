//! A term as bytes that are equal where Erlang's `=:=` says so, and what is in it that matters to the rules. Recursive, as the terms are no deeper
//! than what we take.

use beamless::{Atom, Term, Value};

use crate::support::otp;

/// What was met in a term.
#[derive(Default, Debug)]
pub(super) struct Seen {
    /// A map that has a key twice, or a record that has a field twice, which Erlang takes for no term.
    pub(super) doubled_key: bool,
    /// A native record, which Erlang knows from OTP 29 on.
    pub(super) record: bool,
    /// Something that has no text that can be read: a pid, port, reference, local fun or native record.
    pub(super) unreadable: bool,
    /// An external fun with a name that has more than ASCII.
    pub(super) wide_fun: bool,
    pub(super) minus_zero: bool,
    /// How many local funs.
    funs: usize,
    /// An atom with U+FFFE or U+FFFF, which Erlang prints and does not read.
    pub(super) no_character: bool,
}

pub(super) fn form(term: Term<'_>, seen: &mut Seen) -> Vec<u8> {
    let mut out = Vec::new();
    put(term, &mut out, seen);
    out
}

fn number(out: &mut Vec<u8>, value: usize) {
    out.extend(u64::try_from(value).unwrap().to_be_bytes());
}

fn atom(out: &mut Vec<u8>, name: Atom<'_>) {
    let text: String = name.chars().collect();
    number(out, text.len());
    out.extend(text.as_bytes());
}

fn put(term: Term<'_>, out: &mut Vec<u8>, seen: &mut Seen) {
    match term.value() {
        Value::Integer(value) => {
            out.push(b'i');
            out.extend(value.to_be_bytes());
        }
        Value::Big(big) => {
            out.extend([b'I', big.negative.into()]);
            number(out, big.magnitude.len());
            out.extend(big.magnitude);
        }
        Value::Float(value) => {
            out.push(b'f');
            out.extend(value.to_bits().to_be_bytes());
            seen.minus_zero |= value == 0.0 && value.is_sign_negative();
        }
        Value::Atom(name) => {
            out.push(b'a');
            atom(out, name);
            seen.no_character |= name.chars().any(|c| matches!(c, '\u{fffe}' | '\u{ffff}'));
        }
        Value::Nil => out.push(b'n'),
        Value::Binary(bytes) => {
            out.push(b'b');
            number(out, 8 * bytes.len());
            out.extend(bytes);
        }
        Value::Bits(bits) => {
            out.push(b'b');
            let (last, head) = bits.bytes.split_last().unwrap();
            number(out, 8 * head.len() + usize::from(bits.last));
            out.extend(head);
            out.push(last & (0xff_u16 << (8 - bits.last)) as u8);
        }
        Value::Tuple(elements) => {
            out.push(b't');
            number(out, elements.len());
            elements.for_each(|element| put(element, out, seen));
        }
        Value::List(list) => {
            out.push(b'l');
            number(out, list.count());
            list.for_each(|element| put(element, out, seen));
            match list.tail() {
                Some(tail) => put(tail, out, seen),
                None => out.push(b'n'),
            }
        }
        Value::Map(pairs) => {
            let mut with_fun = 0;
            let pair = |(key, value)| {
                let before = seen.funs;
                let key = form(key, seen);
                with_fun += usize::from(seen.funs > before);
                (key, form(value, seen))
            };
            let mut all: Vec<_> = pairs.map(pair).collect();
            all.sort();
            // what makes two funs one is not the same in each release
            seen.doubled_key |= with_fun > 1 || all.windows(2).any(|two| same_key(&two[0].0, &two[1].0));
            out.push(b'm');
            number(out, all.len());
            all.into_iter().for_each(|(key, value)| out.extend([key, value].concat()));
        }
        Value::Pid(pid) => {
            seen.unreadable = true;
            out.push(b'p');
            atom(out, pid.node);
            [pid.id, pid.serial, pid.creation].iter().for_each(|word| out.extend(word.to_be_bytes()));
        }
        Value::Port(port) => {
            seen.unreadable = true;
            out.push(b'o');
            atom(out, port.node);
            out.extend(port.id.to_be_bytes());
            out.extend(port.creation.to_be_bytes());
        }
        Value::Reference(reference) => {
            seen.unreadable = true;
            out.push(b'r');
            atom(out, reference.node);
            out.extend(reference.creation.to_be_bytes());
            number(out, reference.words().len());
            reference.words().for_each(|word| out.extend(word.to_be_bytes()));
        }
        Value::Fun(_) => {
            seen.unreadable = true;
            seen.funs += 1;
            // A list of no elements is its tail. The fun's size, which may be wrong, is left out. Behind its fixed fields there are terms: the
            // module and those that it holds. The second to the fourth, which are old numbers of the fun and who made it, later releases
            // replace by their own.
            let mut bytes = term.as_bytes();
            while let Some(tail) = bytes.strip_prefix(&[108, 0, 0, 0, 0]) {
                bytes = tail;
            }
            let (head, rest) = bytes.split_at(30);
            let free = u32::from_be_bytes(head[26..].try_into().unwrap());
            out.push(b'F');
            out.extend(&head[5..]);
            let parts = [&[131, 105], &(4 + free).to_be_bytes()[..], rest].concat();
            let parts = Term::parse(&parts).unwrap().as_tuple().unwrap().enumerate();
            parts.filter(|(at, _)| !(1..=3).contains(at)).for_each(|(_, part)| put(part, out, seen));
        }
        Value::Export(fun) => {
            seen.wide_fun |= fun.module.chars().chain(fun.function.chars()).any(|c| !c.is_ascii());
            seen.no_character |= fun.module.chars().chain(fun.function.chars()).any(|c| matches!(c, '\u{fffe}' | '\u{ffff}'));
            out.extend([b'E', fun.arity]);
            atom(out, fun.module);
            atom(out, fun.function);
        }
        Value::Record(record) => {
            (seen.record, seen.unreadable) = (true, true);
            out.extend([b'R', record.exported.into()]);
            atom(out, record.module);
            atom(out, record.name);
            number(out, record.fields().count());
            let mut names = Vec::new();
            record.fields().for_each(|(name, value)| {
                names.push(form(name, seen));
                put(name, out, seen);
                put(value, out, seen);
            });
            names.sort();
            seen.doubled_key |= names.windows(2).any(|two| two[0] == two[1]);
        }
        other => panic!("a kind of term that this test does not know: {other:?}"),
    }
}

/// Whether two keys are one. Before OTP 27 both zeros of floats are the same.
fn same_key(a: &[u8], b: &[u8]) -> bool {
    let zero = |key: &[u8]| matches!(key, [b'f', 0 | 0x80, rest @ ..] if rest.iter().all(|byte| *byte == 0));
    a == b || (otp() < 27 && zero(a) && zero(b))
}

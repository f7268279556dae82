//! Terms that Erlang sent, of every tag and every release, and what becomes of them when they are damaged, cut, spliced and put into each other.

use std::collections::BTreeSet;

use beamless::{Term, Value};

use super::Dice;

const CAPTURED: [&str; 6] = [
    include_str!("../../captured/otp23.txt"),
    include_str!("../../captured/otp25.txt"),
    include_str!("../../captured/otp27.txt"),
    include_str!("../../captured/otp29.txt"),
    include_str!("../../captured/elixir25.txt"),
    include_str!("../../captured/elixir29.txt"),
];

/// Longer ones have nothing that shorter ones have not, and most of their damage would be of the same kind.
const LONGEST: usize = 600;

/// Every tag there is, with those of the past, those inside Erlang, and one that is none.
const TAGS: [u8; 38] = [
    67, 68, 70, 73, 74, 75, 77, 78, 80, 82, 88, 89, 90, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111,
    112, 113, 114, 115, 116, 117, 118, 119, 120, 121,
];

/// Numbers that lengths and counts are compared with.
const EDGES: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 254, 255, 256, 0xffff, 0x1_0000, 0x3_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

pub(super) struct Mutants {
    seeds: Vec<Vec<u8>>,
    /// Terms out of the seeds, without the version byte.
    parts: Vec<Vec<u8>>,
}

impl Mutants {
    pub(super) fn new() -> Self {
        let lines = CAPTURED.iter().flat_map(|file| file.lines()).filter_map(|line| line.split_once(' '));
        let terms = lines.filter(|(name, _)| name.starts_with("term/")).map(|(_, hex)| unhex(hex));
        let seeds: BTreeSet<Vec<u8>> =
            terms.chain(old()).chain(nested()).filter(|bytes| bytes.len() <= LONGEST || is_nested(bytes)).collect();
        let mut parts = BTreeSet::new();
        for seed in seeds.iter().filter(|seed| !is_nested(seed)) {
            if let Ok(term) = Term::parse(seed) {
                inside(term, &mut |part| {
                    parts.insert(part.as_bytes().to_vec());
                });
            }
        }
        Self { seeds: seeds.into_iter().collect(), parts: parts.into_iter().collect() }
    }

    /// Every seed as it was sent.
    pub(super) fn seeds(&self) -> &[Vec<u8>] {
        &self.seeds
    }

    /// One that was damaged, seldom often.
    pub(super) fn next(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = match dice.below(4) {
            0 => self.composed(dice),
            _ => dice.of(&self.seeds).clone(),
        };
        loop {
            self.damage(&mut bytes, dice);
            if !dice.once_in(3) {
                return bytes;
            }
        }
    }

    /// A term made of parts of others, which is mostly a right one.
    pub(super) fn composed(&self, dice: &mut Dice) -> Vec<u8> {
        let mut term = dice.of(&self.parts).clone();
        for _ in 0..=dice.below(3) {
            let count = dice.below(4);
            let mut all: Vec<Vec<u8>> = (0..count).map(|_| dice.of(&self.parts).clone()).collect();
            all.insert(dice.below(count + 1), term);
            // keys that are the same, or the same in another form
            if dice.once_in(4) {
                all.push(dice.of(&all).clone());
            }
            let many = all.len() as u8;
            term = match dice.below(5) {
                0 => [vec![104, many], all.concat()].concat(),
                1 => [vec![105, 0, 0, 0, many], all.concat()].concat(),
                2 => [vec![108, 0, 0, 0, many], all.concat(), vec![106]].concat(),
                3 => [vec![108, 0, 0, 0, many - 1], all.concat()].concat(),
                _ => {
                    let pairs = all.iter().map(|key| [&key[..], &dice.of(&self.parts)[..]].concat());
                    [vec![116, 0, 0, 0, many], pairs.collect::<Vec<_>>().concat()].concat()
                }
            };
        }
        [vec![131], term].concat()
    }

    fn damage(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        if bytes.is_empty() {
            return bytes.push(dice.byte());
        }
        let at = dice.below(bytes.len());
        match dice.below(16) {
            0 => bytes[at] = dice.byte(),
            1 => bytes[at] = *dice.of(&TAGS),
            2 => bytes[at] ^= 1 << dice.below(8),
            3 => bytes[at] = bytes[at].wrapping_add(1 + dice.byte() % 4),
            4 => bytes[at] = bytes[at].wrapping_sub(1 + dice.byte() % 4),
            5 => bytes[at] = *dice.of(&EDGES) as u8,
            6 => write(bytes, at, &(*dice.of(&EDGES)).to_be_bytes()),
            7 => write(bytes, at, &(*dice.of(&EDGES) as u16).to_be_bytes()),
            8 => bytes.truncate(at),
            9 => drop(bytes.drain(at..(at + 1 + dice.below(6)).min(bytes.len()))),
            10 => (0..=dice.below(4)).for_each(|_| bytes.insert(at, dice.byte())),
            11 => {
                let end = (at + 1 + dice.below(12)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again).for_each(drop);
            }
            12 => {
                let other = dice.of(&self.seeds);
                bytes.truncate(at);
                bytes.extend(&other[dice.below(other.len())..]);
            }
            13 => drop(bytes.splice(at..at, dice.of(&self.parts).iter().copied())),
            _ => self.exchange(bytes, dice),
        }
        bytes.truncate(8192);
    }

    /// Puts another term in the place of one that is in it, if it is a term.
    fn exchange(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let mut places = Vec::new();
        if let Ok(term) = Term::parse(bytes) {
            let start = bytes.as_ptr().addr();
            // a list that was sent as bytes has elements that are elsewhere
            inside(term, &mut |part| {
                let from = part.as_bytes().as_ptr().addr().wrapping_sub(start);
                places.push((from, from.wrapping_add(part.as_bytes().len())));
            });
            places.retain(|(from, to)| from < to && *to <= bytes.len());
        }
        if let Some(&(from, to)) = (!places.is_empty()).then(|| dice.of(&places)) {
            bytes.splice(from..to, dice.of(&self.parts).iter().copied()).for_each(drop);
        }
    }
}

fn write(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..].iter_mut().zip(new).for_each(|(byte, new)| *byte = *new);
}

/// Calls `each` with the term and all that are in it.
fn inside(term: Term<'_>, each: &mut impl FnMut(Term<'_>)) {
    each(term);
    match term.value() {
        Value::Tuple(elements) => elements.for_each(|part| inside(part, each)),
        Value::List(list) => {
            list.for_each(|part| inside(part, each));
            if let Some(tail) = list.tail() {
                inside(tail, each);
            }
        }
        Value::Map(pairs) => pairs.for_each(|(key, value)| {
            inside(key, each);
            inside(value, each);
        }),
        _ => {}
    }
}

/// Forms that no release of today sends, and parts that captured terms have little of.
fn old() -> Vec<Vec<u8>> {
    const NODE: &[u8] = &[115, 3, b'a', b'@', b'b'];
    let numbers = [0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2];
    let old_float = |text: &str| [&[131, 99], text.as_bytes(), &vec![0; 31 - text.len()]].concat();
    let mut all = vec![
        [&[131, 103], NODE, &numbers[..8], &[3]].concat(),
        [&[131, 88], NODE, &numbers[..12]].concat(),
        [&[131, 102], NODE, &numbers[..4], &[2]].concat(),
        [&[131, 89], NODE, &numbers[..8]].concat(),
        [&[131, 120], NODE, &numbers[..12]].concat(),
        [&[131, 101], NODE, &numbers[..4], &[1]].concat(),
        [&[131, 114, 0, 3], NODE, &[0], &numbers[..12]].concat(),
        [&[131, 90, 0, 3], NODE, &numbers[..16]].concat(),
        [&[131, 118, 0, 4], "a\u{3bb}b".as_bytes()].concat(),
        [&[131, 113], &[119, 5][..], b"lists", &[119, 3], b"map", &[97, 2]].concat(),
        [&[131, 110, 3, 1], &[1, 2, 3][..]].concat(),
        [&[131, 111, 0, 0, 0, 9, 0], &[9, 8, 7, 6, 5, 4, 3, 2, 1][..]].concat(),
        [&[131, 77, 0, 0, 0, 2, 3], &[1, 0xe0][..]].concat(),
        vec![131, 105, 0, 0, 0, 2, 97, 1, 97, 2],
        vec![131, 67, 0, 0, 0, 2, 1, 119, 1, b'm', 119, 1, b'n', 119, 1, b'a', 119, 1, b'b', 97, 1, 97, 2],
        // the same number in three forms, and the two zeros
        vec![131, 116, 0, 0, 0, 3, 97, 1, 106, 98, 0, 0, 1, 1, 106, 110, 1, 0, 2, 106],
        vec![131, 116, 0, 0, 0, 2, 70, 0, 0, 0, 0, 0, 0, 0, 0, 106, 70, 128, 0, 0, 0, 0, 0, 0, 0, 106],
    ];
    all.extend(["1.5", "-1.50000000000000000000e+00", "1.00000000000000000000e+308", " 2.25", "+3.0e-5"].map(old_float));
    all
}

/// Around the deepest that we take.
fn nested() -> Vec<Vec<u8>> {
    let levels = [1023, 1024, 1025];
    let forms: [(&[u8], &[u8]); 4] =
        [(&[104, 1], &[]), (&[108, 0, 0, 0, 1], &[106]), (&[116, 0, 0, 0, 1, 97, 1], &[]), (&[108, 0, 0, 0, 1, 106], &[])];
    let of = |(open, close): (&[u8], &[u8]), n: usize| [&[131], &open.repeat(n)[..], &[106], &close.repeat(n)].concat();
    levels.iter().flat_map(|n| forms.map(|form| of(form, *n))).collect()
}

fn is_nested(bytes: &[u8]) -> bool {
    bytes.len() > 2000
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

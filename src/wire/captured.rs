//! Bytes that real Erlangs sent, for tests: `tests/captured/otp*.txt`, which `tests/captured/record` makes, and `elixir*.txt`, which
//! `tests/captured/elixir.exs` does.

use std::collections::BTreeSet;
use std::string::String;
use std::vec::Vec;

const FILES: [(u32, &str); 6] = [
    (23, include_str!("../../tests/captured/otp23.txt")),
    (25, include_str!("../../tests/captured/otp25.txt")),
    (27, include_str!("../../tests/captured/otp27.txt")),
    (29, include_str!("../../tests/captured/otp29.txt")),
    (25, include_str!("../../tests/captured/elixir25.txt")),
    (29, include_str!("../../tests/captured/elixir29.txt")),
];

/// How many values a damaged byte is given one of.
const CHANGES_APART: usize = 16;
/// The same in a packet of more than [`LONG`] bytes, most of which are alike: a name, an integer, elements of one kind. A few take all values.
const CHANGES_APART_IN_LONG: usize = 64;
const LONG: usize = 100;

/// A captured packet, term or text.
pub(crate) struct Captured {
    /// The release that sent it.
    pub(crate) otp: u32,
    /// `group/what`.
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Returns everything of this name, of every release. A name that ends in `*` stands for all that begin so. There must be something.
pub(crate) fn captured(pattern: &str) -> Vec<Captured> {
    let wanted = |name: &str| pattern.strip_suffix('*').map_or(name == pattern, |prefix| name.starts_with(prefix));
    let all = FILES.iter().flat_map(|(otp, file)| file.lines().map(move |line| (*otp, line)));
    // a tick is a name with no bytes behind it
    let named = all.map(|(otp, line)| (otp, line.split_once(' ').unwrap_or((line, ""))));
    let found = named.filter(|(_, (name, _))| !name.starts_with('#') && wanted(name));
    let found: Vec<_> = found.map(|(otp, (name, hex))| Captured { otp, name, bytes: unhex(hex) }).collect();
    assert!(!found.is_empty(), "nothing is captured under {pattern}");
    found
}

/// Returns the bytes alone.
pub(crate) fn packets(pattern: &str) -> Vec<Vec<u8>> {
    captured(pattern).into_iter().map(|found| found.bytes).collect()
}

/// Calls `each` with every prefix of every packet of this name, and with changes of each single byte of it: to sixteen values, or four
/// where it is long, which differ from byte to byte. All of them are for a fuzzer, which takes its time.
pub(crate) fn damaged(pattern: &str, mut each: impl FnMut(&[u8])) {
    // most are the same in every release; five terms are long, and no different for it
    let distinct: BTreeSet<_> = packets(pattern).into_iter().filter(|bytes| bytes.len() <= 600).collect();
    let mut turns = (0..CHANGES_APART_IN_LONG).cycle();
    for packet in distinct {
        let apart = if packet.len() > LONG { CHANGES_APART_IN_LONG } else { CHANGES_APART };
        for len in 0..packet.len() {
            each(&packet[..len]);
        }
        let mut changed = packet.clone();
        for at in 0..packet.len() {
            for value in (0..=255).skip(turns.next().unwrap() % apart).step_by(apart) {
                changed[at] = value;
                each(&changed);
            }
            changed[at] = packet[at];
        }
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(core::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Returns the text of a captured line.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

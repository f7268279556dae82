//! Our text and Erlang's: what one of both prints the other reads as the same term, and of damaged text both read the same.

use std::collections::BTreeMap;

use beamless::{Term, TextFault, parse_text};

use super::form::{Seen, form};
use super::mutants::Mutants;
use super::{Batch, Dice, Differences, Judge, deep, wanted};
use crate::support::{hex, otp};
use crate::text::{REFUSED, REFUSED_HERE, TAKEN};

const BATCH: usize = 500;
/// A text is damaged up to this length.
const LONGEST: usize = 400;
/// The formats that Erlang prints each term with.
const FORMATS: [&str; 6] = ["~w", "~p", "~0p", "~tw", "~tp", "~0tp"];

/// A term that has a text which can be read, as Erlang encodes it.
fn readable(mutants: &Mutants, dice: &mut Dice) -> Vec<u8> {
    loop {
        let bytes = match dice.below(4) {
            0 => mutants.next(dice),
            1 => mutants.composed(dice),
            _ => {
                let all: Vec<_> = (0..=dice.below(4)).map(|_| invented(dice)).collect();
                let many = all.len() as u8;
                let head = if dice.once_in(2) { vec![131, 104, many] } else { vec![131, 108, 0, 0, 0, many - 1] };
                [head, all.concat()].concat()
            }
        };
        let mut seen = Seen::default();
        if let (Some(131), Ok(term)) = (bytes.first(), Term::parse(&bytes)) {
            form(term, &mut seen);
            // before OTP 25 the sign of such a zero is neither printed nor read
            if !(seen.doubled_key || seen.unreadable || (seen.minus_zero && otp() < 25)) {
                return bytes;
            }
        }
    }
}

/// A number, a name, a string or a binary that nobody sent, without the version byte.
fn invented(dice: &mut Dice) -> Vec<u8> {
    let short = |bytes: &[u8], tag: u8| [&[tag, bytes.len() as u8], bytes].concat();
    match dice.below(8) {
        0 => {
            let digits: Vec<u8> = (0..dice.below(40)).map(|_| dice.byte()).collect();
            [&[110, digits.len() as u8, dice.byte() & 1][..], &digits].concat()
        }
        1 => loop {
            let value = f64::from_bits(dice.next());
            if value.is_finite() {
                break [&[70][..], &value.to_be_bytes()].concat();
            }
        },
        2 => {
            let value = (dice.below(4_000_000) as f64 - 2_000_000.0) / 10_f64.powi(dice.below(40) as i32 - 20);
            [&[70][..], &value.to_be_bytes()].concat()
        }
        3 => short(characters(dice).as_bytes(), 119),
        4 => {
            let text = characters(dice);
            let codes = text.chars().map(|c| [&[98][..], &u32::from(c).to_be_bytes()].concat());
            let head = [&[108][..], &u32::try_from(text.chars().count()).unwrap().to_be_bytes()].concat();
            [head, codes.collect::<Vec<_>>().concat(), vec![106]].concat()
        }
        5 => [&[109, 0, 0, 0][..], &short(characters(dice).as_bytes(), 0)[1..]].concat(),
        6 => {
            let bytes: Vec<u8> = (0..dice.below(12)).map(|_| dice.byte()).collect();
            [&[107, 0][..], &short(&bytes, 0)[1..]].concat()
        }
        _ => {
            let bytes: Vec<u8> = (0..=dice.below(6)).map(|_| dice.byte()).collect();
            [&[77, 0, 0, 0, bytes.len() as u8, 1 + dice.byte() % 8][..], &bytes].concat()
        }
    }
}

/// At most twelve characters, mostly of one kind.
fn characters(dice: &mut Dice) -> String {
    let kind = dice.below(6);
    (0..dice.below(13))
        .map(|_| match kind {
            0 => char::from(b'a' + dice.byte() % 26),
            1 => char::from(b' ' + dice.byte() % 95),
            2 => char::from(dice.byte()),
            3 => char::from_u32(dice.next() as u32 % 0x3000).unwrap(),
            4 => *dice.of(&[
                '\0', '\u{7f}', '\u{80}', '\u{85}', '\u{a0}', '\u{d7}', '\u{df}', '\u{f7}', '\u{ff}', '\u{100}', '\u{3b1}',
            ]),
            _ => *dice.of(&[
                '\u{d7ff}',
                '\u{e000}',
                '\u{fffd}',
                '\u{fffe}',
                '\u{ffff}',
                '\u{10000}',
                '\u{10ffff}',
                'a',
                '\'',
                '"',
                '\\',
                '\n',
            ]),
        })
        .collect()
}

#[test]
fn what_one_prints_the_other_reads() {
    deep(printed_and_read);
}

fn printed_and_read() {
    let (count, seed) = wanted();
    let count = count / 10;
    let mut dice = Dice::new(seed);
    let mutants = Mutants::new();
    let mut judge = Judge::new("printed");
    let mut differences = Differences::default();
    let mut buf = vec![0; 1 << 20];
    let mut left = count;
    while left > 0 {
        let some = left.min(BATCH);
        left -= some;
        let terms: Vec<_> = (0..some).map(|_| readable(&mutants, &mut dice)).collect();
        let mut batch = Batch::default();
        for bytes in &terms {
            let term = Term::parse(bytes).unwrap();
            let (plain, unicode) = (term.to_string(), term.text("").unicode().to_string());
            [bytes, plain.as_bytes(), unicode.as_bytes()].into_iter().for_each(|part| batch.push(part));
        }
        judge.ask(b't', &batch);
        let mut answer = judge.hear().expect("Erlang has ended");
        for bytes in &terms {
            let term = Term::parse(bytes).unwrap();
            let mut seen = Seen::default();
            let ours = form(term, &mut seen);
            for unicode in [false, true] {
                let verdict = answer.byte();
                if verdict != b'=' && !(seen.no_character && verdict == b'o') {
                    let text = if unicode { term.text("").unicode().to_string() } else { term.to_string() };
                    let what = if verdict == b'o' { "refuses" } else { "reads as another" };
                    differences.add(format!("printed {text}, which Erlang {what}: {}", hex(bytes)));
                }
            }
            for format in FORMATS {
                let text = String::from_utf8(answer.string()).unwrap();
                let read = parse_text(&text, &mut buf).map(|term| form(term, &mut Seen::default()));
                // to us a map cannot have both 0.0 and -0.0, as to Erlang up to OTP 26
                let both_zeros = seen.minus_zero && matches!(&read, Err(e) if e.fault == TextFault::DuplicateKey);
                // Erlang shows the bytes of UTF-8 in the name of a fun
                if read.as_ref() != Ok(&ours) && !seen.wide_fun && !both_zeros {
                    let what = read.map_or_else(|e| e.to_string(), |_| "another term".to_owned());
                    differences.add(format!("Erlang prints with {format} {text}: read as {what}: {}", hex(bytes)));
                }
            }
        }
        assert!(answer.is_empty());
    }
    differences.assert_none(seed);
}

/// What may stand in a text, wherever it may be put.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "|",
    ",",
    "=>",
    "#{",
    "#",
    "<<",
    ">>",
    ":",
    "/",
    "-",
    "+",
    ".",
    ". ",
    " ",
    "\n",
    "%",
    "%c\n",
    "\t",
    "\u{a0}",
    "\u{85}",
    "\0",
    "\"",
    "'",
    "$",
    "\\",
    "\\x{",
    "\\x{41}",
    "\\xe9",
    "\\^",
    "\\^a",
    "\\1",
    "\\777",
    "\\s",
    "\\z",
    "16#",
    "2#",
    "36#",
    "_",
    "e",
    "E",
    "e5",
    "0",
    "7",
    "9",
    "a",
    "f",
    "Z",
    "_a",
    "/utf8",
    "/integer",
    "/little",
    "/signed-big",
    "/unit:8",
    "/float",
    "/binary",
    "/bits",
    "fun ",
    "fun a:b/1",
    ":b/",
    "maybe",
    "else",
    "and",
    "end",
    "receive",
    "true",
    "(",
    ")",
    "~",
    "~s",
    "\"\"\"",
    "\"\" ",
    "''",
    "<<>>",
    "[]",
    "{}",
    "#{}",
    "é",
    "É",
    "×",
    "÷",
    "ß",
    "€",
    "\u{3bb}",
    "\u{fffe}",
    "\u{10ffff}",
    "1.0",
    "1.5e-3",
    "1_0",
    ":=",
    "||",
    "<=",
    "<-",
    "->",
    "::",
    "..",
    "...",
    "++",
    "?",
    "@",
    "^",
    "&",
    "!",
    "=",
    "<",
    ">",
    "*",
    ";",
    "`",
];

/// Texts of terms that both print, and those of the ordinary tests.
fn texts(mutants: &Mutants, dice: &mut Dice) -> Vec<String> {
    let lists = TAKEN.iter().chain(REFUSED).chain(REFUSED_HERE.iter().map(|(text, _)| text));
    let mut texts: Vec<String> = lists.map(|text| (*text).to_owned()).collect();
    for _ in 0..2000 {
        let bytes = readable(mutants, dice);
        let term = Term::parse(&bytes).unwrap();
        texts.extend([term.to_string(), term.text("").unicode().to_string()]);
    }
    texts.retain(|text| text.len() <= LONGEST);
    texts
}

fn damage(text: &mut String, texts: &[String], dice: &mut Dice) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let at = *dice.of(&places);
    let next = places.get(places.binary_search(&at).unwrap() + 1 + dice.below(3)).copied().unwrap_or(text.len());
    match dice.below(9) {
        0..=2 => text.insert_str(at, dice.of::<&str>(WORDS)),
        3 => text.replace_range(at..next, dice.of::<&str>(WORDS)),
        4 => text.replace_range(at..next, ""),
        5 => text.truncate(at),
        6 => {
            let again = text[at..next].to_owned();
            text.insert_str(at, &again);
        }
        7 => {
            let other = dice.of(texts);
            let from = other.char_indices().nth(dice.below(other.chars().count().max(1))).map_or(0, |(from, _)| from);
            text.truncate(at);
            text.push_str(&other[from..]);
        }
        _ => text.insert_str(at, &dice.of(texts).clone()),
    }
}

/// Whether a segment may have a size that would take Erlang more memory than there is.
fn is_huge(text: &str) -> bool {
    text.split(':')
        .skip(1)
        .any(|rest| rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || "_#".contains(*c)).count() > 5)
}

/// Whether Erlang may read what we refuse for this reason. Each has a line in the manual.
fn refused_here(text: &str, fault: TextFault) -> bool {
    match fault {
        TextFault::Segment | TextFault::SegmentSize | TextFault::Wide | TextFault::Expected("a size in bits") => true,
        TextFault::DuplicateKey | TextFault::TooManyKeys | TextFault::TooDeep | TextFault::Integer | TextFault::Sigil => true,
        // no function has so many arguments, as later releases say
        TextFault::Fun => otp() < 24,
        // floats in bases other than 10
        _ => otp() >= 28 && has_based_float(text),
    }
}

fn has_based_float(text: &str) -> bool {
    text.split('#').skip(1).any(|rest| {
        let fraction = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        fraction.starts_with('.')
    })
}

/// Whether Erlang may refuse what we read. Each has a line in the manual.
fn taken_here(text: &str) -> bool {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // words that became reserved, and strings that touch
    let newer = otp() >= 27 && has(&["maybe", "else", "\"\""]);
    // control characters written by others than the capital letters
    let control = otp() >= 28 && has(&["\\^"]);
    // two characters that are none of Unicode's
    newer || control || has(&["\u{fffe}", "\u{ffff}", "fffe}", "ffff}"])
}

#[test]
fn damaged_text_is_read_and_refused_as_erlang_does() {
    deep(damaged_text);
}

fn damaged_text() {
    let (count, seed) = wanted();
    let count = count / 10;
    let mut dice = Dice::new(seed);
    let mutants = Mutants::new();
    let texts = texts(&mutants, &mut dice);
    let mut judge = Judge::new("texts");
    let mut differences = Differences::default();
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut buf = vec![0; 1 << 20];
    let mut left = count;
    while left > 0 {
        let some = left.min(BATCH);
        left -= some;
        let mut batch = Batch::default();
        let mut asked = Vec::new();
        while asked.len() < some {
            let mut text = dice.of(&texts).clone();
            while {
                damage(&mut text, &texts, &mut dice);
                dice.once_in(3)
            } {}
            // the end that Erlang is given would be a character
            if is_huge(&text) || ["$", "\\", "\\^"].iter().any(|end| text.ends_with(end)) {
                continue;
            }
            let mut seen = Seen::default();
            let read = parse_text(&text, &mut buf).map(|term| {
                form(term, &mut seen);
                [&[131], term.as_bytes()].concat()
            });
            if seen.minus_zero && otp() < 25 {
                continue;
            }
            batch.push(text.as_bytes());
            batch.push(read.as_deref().unwrap_or_default());
            asked.push((text, read.map_err(|e| e.fault)));
        }
        judge.ask(b'm', &batch);
        let mut answer = judge.hear().expect("Erlang has ended");
        for (text, read) in asked {
            let verdict = match (answer.byte(), &read) {
                (b'=', _) => "both read",
                (b'n', _) => "both refuse",
                (b'E', Err(fault)) if refused_here(&text, *fault) => "Erlang reads",
                (b'o', _) if taken_here(&text) => "we read",
                // the character 127 since OTP 28, and 31 before
                (b'x', _) if otp() >= 28 && text.contains("\\^?") => "both read, each in its way",
                (b'E', _) => "Erlang reads, unexplained",
                (b'o', _) => "we read, unexplained",
                _ => "both read, and not the same",
            };
            *verdicts.entry(verdict).or_default() += 1;
            if verdict.ends_with("unexplained") || verdict.ends_with("not the same") {
                differences.add(format!("{text:?}: {verdict}: {:?}", read.map(|bytes| hex(&bytes))));
            }
        }
        assert!(answer.is_empty());
    }
    println!("{count} texts: {verdicts:?}");
    differences.assert_none(seed);
    assert!(verdicts.get("both read") > Some(&(count / 20)) && verdicts.get("both refuse") > Some(&(count / 20)), "{verdicts:?}");
}

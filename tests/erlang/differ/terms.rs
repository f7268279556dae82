//! The check that every term passes, and `binary_to_term`: of terms that were damaged both take the same, to the same length and as the same term.

use std::cell::Cell;
use std::collections::BTreeMap;

use beamless::{Term, TermError, TermFault};

use super::form::{Seen, form};
use super::mutants::Mutants;
use super::{Answer, Batch, Dice, Differences, Judge, deep, wanted};
use crate::support::{hex, otp};

/// How many go to Erlang at once.
const BATCH: usize = 2000;

/// What we make of it: the term and its bytes with the version byte, or the fault. `binary_to_term` takes what follows the term, and says how much
/// it used; [`Term::parse`] does not.
fn ours(bytes: &[u8]) -> Result<(Term<'_>, usize), TermFault> {
    match Term::parse(bytes) {
        Ok(term) => Ok((term, bytes.len())),
        Err(TermError { at, fault: TermFault::Trailing }) => {
            let len = usize::try_from(at).unwrap();
            Ok((Term::parse(&bytes[..len]).unwrap(), len))
        }
        Err(e) => Err(e.fault),
    }
}

/// Why one of both takes what the other refuses. Each has a line in the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// Taken here: a map may have a key twice, and a record a field.
    DoubledKey,
    /// Taken here: native records, which Erlang knows from OTP 29 on.
    Record,
    /// Taken here: the version byte may be missing.
    Version,
    /// Taken here, by OTP 23 not: pids, ports and references with more bits.
    WideIdentifier,
    /// Refused here: compressed terms.
    Compressed,
    /// Refused here: terms for the node's own use.
    Local,
    /// Refused here: nested deeper than 1,024 levels.
    TooDeep,
    /// Refused here, and not asked: a reference of no words, behind which Erlang reads on.
    NoWords,
    /// Refused here, and since OTP 27 by Erlang: an empty bit string that is not written as a binary.
    NoBits,
    /// Refused here: an arity that is no plain small integer up to 255.
    Arity,
    /// Refused here, and not asked: a fun with numbers that are no plain small integers, or made by something else than a pid. Erlang itself may
    /// end at those.
    OddFun,
    /// Refused here, and not asked: atoms by their number in the reading node's own table, which is not the same in every run.
    AtomNumber,
    /// Read otherwise, or by one alone: an old float with a comma, or that fills all of its 31 bytes, behind which Erlang reads on.
    OldFloat,
}

/// What is due next of a term that Erlang may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Any,
    /// The index or the hash of a fun.
    Number,
    /// The arity of an external fun.
    Arity,
    Creator,
}

/// Goes over bytes as Erlang does, and tells what is in them that we refuse and it may take.
fn stricter(bytes: &[u8]) -> Option<Reason> {
    let mut harmless = None;
    harmful(bytes, &mut harmless).or(harmless)
}

/// Tells the first thing behind which Erlang may read other terms than those that follow, or end; and the last of those behind which it goes on.
fn harmful(bytes: &[u8], harmless: &mut Option<Reason>) -> Option<Reason> {
    bytes.strip_prefix(&[131])?;
    let mut due = vec![Due::Any];
    let mut at = 1;
    let number = |at: usize, len: usize| {
        let bytes = bytes.get(at..at + len)?;
        Some(bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
    };
    // an atom's length with its tag
    let numbered = Cell::new(false);
    let atom = |at: usize| match bytes.get(at)? {
        100 | 118 => Some(3 + number(at + 1, 2)?),
        115 | 119 => Some(2 + number(at + 1, 1)?),
        tag @ (73 | 75) => {
            numbered.set(true);
            Some(if *tag == 73 { 3 } else { 4 })
        }
        _ => None,
    };
    while let Some(kind) = due.pop() {
        if numbered.get() {
            return Some(Reason::AtomNumber);
        }
        let tag = *bytes.get(at)?;
        match kind {
            Due::Number if !matches!(tag, 97 | 98) => return Some(Reason::OddFun),
            Due::Creator if !matches!(tag, 88 | 103) => return Some(Reason::OddFun),
            Due::Arity if tag != 97 => *harmless = Some(Reason::Arity),
            _ => {}
        }
        let (len, terms) = match tag {
            97 => (2, 0),
            98 => (5, 0),
            70 => (9, 0),
            99 => {
                let text = bytes.get(at + 1..at + 32)?;
                if text.contains(&b',') || !text.contains(&0) {
                    *harmless = Some(Reason::OldFloat);
                }
                (32, 0)
            }
            106 => (1, 0),
            100 | 115 | 118 | 119 | 73 | 75 => (atom(at)?, 0),
            103 => (1 + atom(at + 1)? + 9, 0),
            88 | 120 => (1 + atom(at + 1)? + 12, 0),
            102 | 101 => (1 + atom(at + 1)? + 5, 0),
            89 => (1 + atom(at + 1)? + 8, 0),
            90 | 114 => {
                let words = number(at + 1, 2)?;
                if words == 0 {
                    return Some(Reason::NoWords);
                }
                (3 + atom(at + 3)? + if tag == 90 { 4 } else { 1 } + 4 * words, 0)
            }
            104 => (2, number(at + 1, 1)?),
            105 => (5, number(at + 1, 4)?),
            108 => (5, number(at + 1, 4)? + 1),
            116 => (5, 2 * number(at + 1, 4)?),
            107 => (3 + number(at + 1, 2)?, 0),
            109 => (5 + number(at + 1, 4)?, 0),
            77 => {
                let len = number(at + 1, 4)?;
                if len == 0 {
                    *harmless = Some(Reason::NoBits);
                }
                (6 + len, 0)
            }
            110 => (3 + number(at + 1, 1)?, 0),
            111 => (6 + number(at + 1, 4)?, 0),
            112 => {
                let free = number(at + 26, 4)?;
                let module = atom(at + 30)?;
                if free > bytes.len() {
                    return None;
                }
                due.extend(vec![Due::Any; free]);
                due.extend([Due::Creator, Due::Number, Due::Number]);
                at += 30 + module;
                continue;
            }
            113 => {
                let module = atom(at + 1)?;
                let function = atom(at + 1 + module)?;
                due.push(Due::Arity);
                at += 1 + module + function;
                continue;
            }
            67 => {
                let fields = number(at + 1, 4)?;
                let module = atom(at + 6)?;
                (6 + module + atom(at + 6 + module)?, 2 * fields)
            }
            _ => return None,
        };
        at += len;
        if terms > bytes.len() {
            return None;
        }
        due.extend(vec![Due::Any; terms]);
    }
    numbered.get().then_some(Reason::AtomNumber)
}

/// Why Erlang takes what we refuse, if there is a reason.
fn refused_here(bytes: &[u8], fault: TermFault) -> Option<Reason> {
    match fault {
        TermFault::Compressed => Some(Reason::Compressed),
        TermFault::Local => Some(Reason::Local),
        TermFault::TooDeep => Some(Reason::TooDeep),
        TermFault::Bits => stricter(bytes).filter(|reason| *reason == Reason::NoBits && otp() < 27),
        TermFault::Fun => stricter(bytes).filter(|reason| *reason == Reason::Arity),
        TermFault::Float => stricter(bytes).filter(|reason| *reason == Reason::OldFloat),
        _ => None,
    }
}

/// Why Erlang refuses what we take, if there is a reason.
fn taken_here(bytes: &[u8], seen: &Seen) -> Option<Reason> {
    if bytes.first() != Some(&131) {
        return Some(Reason::Version);
    }
    if seen.doubled_key {
        return Some(Reason::DoubledKey);
    }
    if seen.record && otp() < 29 {
        return Some(Reason::Record);
    }
    if otp() < 24 && seen.unreadable {
        return Some(Reason::WideIdentifier);
    }
    stricter(bytes).filter(|reason| *reason == Reason::OldFloat)
}

fn batch(terms: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::default();
    terms.iter().for_each(|bytes| batch.push(bytes));
    batch
}

/// Those of these terms that Erlang ends at, at one or when it has all of them.
fn culprits(mut terms: &[Vec<u8>]) -> Vec<String> {
    let ends = |terms: &&[Vec<u8>]| {
        let mut judge = Judge::new("culprits");
        judge.ask(b'b', &batch(terms));
        judge.hear().is_none()
    };
    loop {
        let (first, second) = terms.split_at(terms.len() / 2);
        match [first, second].into_iter().find(ends) {
            Some(half) if half.len() < terms.len() => terms = half,
            _ => return terms.iter().map(|bytes| hex(bytes)).collect(),
        }
    }
}

#[derive(Default)]
struct Tally {
    taken: usize,
    refused: usize,
    /// Taken once their atoms or functions were there.
    new: usize,
    reasons: BTreeMap<Reason, usize>,
    differences: Differences,
}

impl Tally {
    /// Counts a term that Erlang is not to be asked about, which we have to refuse; false if it is none.
    fn keeps(&mut self, bytes: &[u8]) -> bool {
        let kept = stricter(bytes).filter(|reason| matches!(reason, Reason::NoWords | Reason::OddFun | Reason::AtomNumber));
        let Some(reason) = kept else { return false };
        match ours(bytes) {
            Ok((term, _)) => self.differences.add(format!("we take it as {term:.80}: {}", hex(bytes))),
            Err(_) => *self.reasons.entry(reason).or_default() += 1,
        }
        true
    }

    fn count(&mut self, bytes: &[u8], answer: &mut Answer) {
        let kind = answer.byte();
        let theirs = (kind != b'n').then(|| (answer.number(), answer.string()));
        self.new += usize::from(matches!(kind, b'a' | b'f'));
        let explained = match (ours(bytes), theirs) {
            (Err(_), None) => {
                self.refused += 1;
                return;
            }
            (Err(fault), Some(_)) => refused_here(bytes, fault).ok_or_else(|| format!("Erlang takes it, we say {fault:?}")),
            (Ok((term, _)), None) => {
                let mut seen = Seen::default();
                form(term, &mut seen);
                taken_here(bytes, &seen).ok_or_else(|| format!("we take it as {term:.80}, Erlang refuses it"))
            }
            (Ok((term, len)), Some((their_len, back))) => {
                self.taken += 1;
                let read = Term::parse(&back).map(|back| form(back, &mut Seen::default()));
                let ours = form(term, &mut Seen::default());
                if (len, Ok(ours)) == (their_len, read) {
                    return;
                }
                let reason = stricter(bytes).filter(|reason| *reason == Reason::OldFloat);
                reason.ok_or_else(|| format!("we read {len} bytes as {term:.80}, Erlang {their_len} as {}", hex(&back)))
            }
        };
        match explained {
            Ok(reason) => *self.reasons.entry(reason).or_default() += 1,
            Err(what) => self.differences.add(format!("{what}: {}", hex(bytes))),
        }
    }
}

#[test]
fn damaged_terms_are_taken_and_refused_as_binary_to_term_does() {
    deep(damaged_terms);
}

fn damaged_terms() {
    let (count, seed) = wanted();
    let mut dice = Dice::new(seed);
    let mutants = Mutants::new();
    let mut judge = Judge::new("terms");
    let mut tally = Tally::default();
    // OTP 23 itself ends at some that are damaged
    let make = if otp() < 24 { Mutants::composed } else { Mutants::next };
    let mut asked: Option<Vec<Vec<u8>>> = None;
    let mut left = count;
    let mut first = Some(mutants.seeds().to_vec());
    loop {
        // Erlang has one batch while the next is made
        let next = first.take().or_else(|| {
            let some = left.min(BATCH);
            left -= some;
            (some > 0).then(|| (0..some).map(|_| make(&mutants, &mut dice)).filter(|bytes| !tally.keeps(bytes)).collect())
        });
        if let Some(terms) = &next {
            judge.ask(b'b', &batch(terms));
        }
        if let Some(terms) = asked.take() {
            let mut answer = judge.hear().unwrap_or_else(|| panic!("Erlang ends at {:?}", culprits(&terms)));
            terms.iter().for_each(|bytes| tally.count(bytes, &mut answer));
            assert!(answer.is_empty());
        }
        if next.is_none() {
            break;
        }
        asked = next;
    }
    let Tally { taken, refused, new, reasons, differences } = tally;
    println!("{count} terms: both take {taken} ({new} with new atoms or functions), both refuse {refused}, {reasons:?}");
    differences.assert_none(seed);
    // a test of nothing is none
    assert!(taken > count / 10 && (refused > count / 10 || otp() < 24), "{taken} taken, {refused} refused of {count}");
}

//! beamless and Erlang are given the same, and are to do the same with it: terms that were damaged, text that was, and conversations with EPMD. What
//! differs on purpose is a rule in these files, each with its direction, and stands in the manual ("Where it differs from Erlang").
//!
//! `tests/differ COUNT` gives them more than the ordinary tests do. What differed is printed as it was given, so that it can be tried alone.

mod dice;
mod epmd;
mod form;
mod mutants;
mod terms;
mod text;

use std::io::{BufReader, Read, Write};
use std::panic::resume_unwind;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;

use dice::Dice;

use crate::children;
use crate::support::erl_command;

/// How many terms are damaged unless `BEAMLESS_DIFFER` says how many. There is a text for every ten of them, and a conversation for a hundred.
const TERMS: usize = 20_000;

/// How many terms, and the seed of everything that is thrown.
fn wanted() -> (usize, u64) {
    let given = std::env::var("BEAMLESS_DIFFER").unwrap_or_default();
    let mut words = given.split_whitespace().map(|word| word.parse::<u64>().expect("BEAMLESS_DIFFER is COUNT or COUNT SEED"));
    let count = words.next().map_or(TERMS, |count| usize::try_from(count).unwrap());
    (count, words.next().unwrap_or(1))
}

/// Runs it with a stack for the deepest terms: a test's own is too small for what recurses and is not optimized.
fn deep(test: fn()) {
    let ran = thread::Builder::new().stack_size(32 << 20).spawn(test).unwrap().join();
    ran.unwrap_or_else(|panic| resume_unwind(panic));
}

/// An Erlang that is asked in batches: bytes in, bytes back, each behind its length.
struct Judge {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Judge {
    fn new(name: &str) -> Self {
        let home = children::folder(&format!("differ-{name}"));
        std::fs::write(home.join("differ.erl"), include_str!("../differ.erl")).unwrap();
        let mut command = erl_command();
        // damaged atoms are atoms, and are never forgotten; nothing but answers goes to standard output
        command
            .current_dir(&home)
            .env("HOME", &home)
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .args(["+t", "8000000", "+pc", "unicode", "-noinput"]);
        command.args(["-kernel", "logger_level", "none", "-eval", "{ok, differ} = compile:file(differ), differ:serve()."]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{command:?}: {e}; tests/run brings an Erlang"));
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    /// Asks a batch, which Erlang begins with at once.
    fn ask(&mut self, what: u8, batch: &Batch) {
        let len = u32::try_from(batch.0.len() + 1).unwrap();
        // where it has ended it says nothing
        let _ = self.to.write_all(&[&len.to_be_bytes()[..], &[what]].concat()).and_then(|()| self.to.write_all(&batch.0));
    }

    /// Waits for what Erlang says to a batch; `None` if it has ended.
    fn hear(&mut self) -> Option<Answer> {
        let mut len = [0; 4];
        self.from.read_exact(&mut len).ok()?;
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(len)).unwrap()];
        self.from.read_exact(&mut bytes).ok()?;
        Some(Answer { bytes, at: 0 })
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Byte strings, each behind its length.
#[derive(Default)]
struct Batch(Vec<u8>);

impl Batch {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        self.0.extend(bytes);
    }
}

/// What Erlang said, to be taken off piece by piece.
struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    fn take(&mut self, len: usize) -> &[u8] {
        self.at += len;
        &self.bytes[self.at - len..self.at]
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn number(&mut self) -> usize {
        usize::try_from(u32::from_be_bytes(self.take(4).try_into().unwrap())).unwrap()
    }

    fn string(&mut self) -> Vec<u8> {
        let len = self.number();
        self.take(len).to_vec()
    }

    fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }
}

/// Differences that no rule explains. A few are printed, all are counted.
#[derive(Default)]
struct Differences {
    count: usize,
    some: Vec<String>,
}

impl Differences {
    const PRINTED: usize = 20;

    fn add(&mut self, what: String) {
        self.count += 1;
        if self.some.len() < Self::PRINTED {
            self.some.push(what);
        }
    }

    fn assert_none(&self, seed: u64) {
        assert!(self.count == 0, "{} differences, seed {seed}:\n{}", self.count, self.some.join("\n"));
    }
}

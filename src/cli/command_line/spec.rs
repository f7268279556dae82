//! The tables that describe a command, and what was found on the command line for it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use crate::cli::outcome::Failure;

/// A command.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// The help on it in a few words, for the list of commands.
    pub(crate) help: &'static str,
    /// The beginning of its help.
    pub(crate) about: &'static str,
    pub(crate) options: &'static [Opt],
    pub(crate) positionals: &'static [Positional],
    /// The end of its help: paragraphs, whose lines stay as they are.
    pub(crate) notes: &'static [&'static str],
    /// It runs until it is stopped.
    pub(crate) lasts: bool,
    /// Takes what was found on the command line, and does it.
    pub(crate) run: fn(&mut Found) -> Result<(), Failure>,
}

/// An option.
pub(crate) struct Opt {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    /// The name of its value; a switch has none.
    pub(crate) value: Option<&'static str>,
    pub(crate) help: &'static str,
    pub(crate) offer: Offer,
    pub(crate) repeats: bool,
}

impl Opt {
    pub(crate) const SWITCH: Self = Self { long: "", short: None, value: None, help: "", offer: Offer::Nothing, repeats: false };
}

/// Options that every command has.
const COMMON: &[Opt] = &[
    Opt {
        long: "verbose",
        short: Some('v'),
        help: "Say more: also each message between nodes, by name and size, never what is in it",
        ..Opt::SWITCH
    },
    Opt { long: "help", short: Some('h'), help: "Print this help", ..Opt::SWITCH },
];

/// An argument that stands in its place, without an option's name.
pub(crate) struct Positional {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) offer: Offer,
    pub(crate) optional: bool,
    /// Any number of them may stand there; the last one of a command alone.
    pub(crate) repeats: bool,
    /// The shell wants quotes around it.
    pub(crate) quoted: bool,
}

impl Positional {
    pub(crate) const WORD: Self =
        Self { name: "", help: "", offer: Offer::Nothing, optional: false, repeats: false, quoted: false };
}

/// The values that a shell offers.
#[derive(Clone, Copy)]
pub(crate) enum Offer {
    Nothing,
    /// Files, which the shell knows itself.
    Files,
    /// The nodes of this host.
    Nodes,
    Words(&'static [&'static str]),
}

impl Spec {
    pub(super) fn of(commands: &'static [Self], name: &str) -> Option<&'static Self> {
        commands.iter().find(|spec| spec.name == name)
    }

    /// Returns the argument that stands in a place among the arguments, counted from 0.
    pub(super) fn positional_at(&self, place: usize) -> Option<&'static Positional> {
        self.positionals.get(place).or_else(|| self.positionals.last().filter(|last| last.repeats))
    }

    /// Says what is wrong with a command line, and where help is.
    pub(crate) fn says_more(&self, why: &str) -> String {
        format!("{why}; beamless {} --help says more", self.name)
    }

    /// Returns its options, and those that every command has.
    pub(super) fn all_options(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().chain(COMMON)
    }
}

/// The options and arguments that were found on the command line for a command.
pub(crate) struct Found {
    /// The commands there are.
    pub(crate) commands: &'static [Spec],
    pub(super) options: Vec<(&'static str, OsString)>,
    pub(super) positionals: VecDeque<OsString>,
}

impl Found {
    fn take(&mut self, long: &str) -> Option<OsString> {
        let place = self.options.iter().position(|(name, _)| *name == long)?;
        Some(self.options.remove(place).1)
    }

    /// Returns true if a switch was given.
    pub(crate) fn has(&mut self, long: &str) -> bool {
        self.take(long).is_some()
    }

    pub(crate) fn path(&mut self, long: &str) -> Option<PathBuf> {
        self.take(long).map(PathBuf::from)
    }

    pub(crate) fn text(&mut self, long: &str) -> Result<Option<String>, String> {
        self.take(long).map(|value| text(value).map_err(|e| format!("--{long}: {e}"))).transpose()
    }

    /// Returns every value of an option that repeats.
    pub(crate) fn texts(&mut self, long: &str) -> Result<Vec<String>, String> {
        std::iter::from_fn(|| self.text(long).transpose()).collect()
    }

    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, long: &str) -> Result<Option<T>, String> {
        self.text(long)?.map(|text| text.parse().map_err(|e| format!("--{long} {text}: {e}"))).transpose()
    }

    /// Returns a number above 0; `wanted` says so to whoever gives another.
    pub(crate) fn positive<T: FromStr + Default + PartialEq>(&mut self, long: &str, wanted: &str) -> Result<Option<T>, String> {
        let read = |text: String| {
            let number = text.parse().ok().filter(|number| *number != T::default());
            number.ok_or_else(|| format!("--{long} {text}: {wanted}"))
        };
        self.text(long)?.map(read).transpose()
    }

    pub(crate) fn next_positional(&mut self) -> Result<Option<String>, String> {
        self.positionals.pop_front().map(text).transpose()
    }

    pub(crate) fn positional(&mut self, name: &str) -> Result<String, String> {
        self.next_positional()?.ok_or_else(|| format!("{name} is missing"))
    }
}

fn text(given: OsString) -> Result<String, String> {
    given.into_string().map_err(|given| format!("{} is not UTF-8", given.to_string_lossy()))
}

//! How a command line is read: by tables, out of which the help, the completions and the manual page are made, too.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::{Arg, Parser};

use super::args::{COMMANDS, Command, Given};
use super::help;

/// A command.
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// What it does, in a few words.
    pub(super) help: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    pub(super) options: &'static [Opt],
    pub(super) positionals: &'static [Positional],
    /// What its help ends with: paragraphs, whose lines stay as they are.
    pub(super) notes: &'static [&'static str],
    pub(super) make: fn(&mut Found) -> Result<Command, String>,
}

/// An option.
pub(super) struct Opt {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    /// What its value is called; a switch has none.
    pub(super) value: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) offer: Offer,
    pub(super) repeats: bool,
}

impl Opt {
    pub(super) const SWITCH: Self = Self { long: "", short: None, value: None, help: "", offer: Offer::Nothing, repeats: false };
}

/// Options that every command has.
pub(super) const COMMON: &[Opt] = &[
    Opt {
        long: "verbose",
        short: Some('v'),
        help: "Say more: also each message between nodes, by name and size, never what is in it",
        ..Opt::SWITCH
    },
    Opt { long: "help", short: Some('h'), help: "Print this help", ..Opt::SWITCH },
];

/// What stands in its place, without an option's name.
pub(super) struct Positional {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) offer: Offer,
    pub(super) optional: bool,
}

impl Positional {
    pub(super) const WORD: Self = Self { name: "", help: "", offer: Offer::Nothing, optional: false };
}

/// What a shell offers where a value is typed.
#[derive(Clone, Copy)]
pub(super) enum Offer {
    Nothing,
    /// The shell's own.
    Files,
    /// The nodes of this host.
    Nodes,
    Words(&'static [&'static str]),
}

impl Spec {
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|spec| spec.name == name)
    }

    /// Its options, and those that every command has.
    pub(super) fn all_options(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().chain(COMMON)
    }
}

/// What was found on the command line for a command; its maker takes out of it.
#[derive(Default)]
pub(super) struct Found {
    options: Vec<(&'static str, OsString)>,
    positionals: std::collections::VecDeque<OsString>,
}

impl Found {
    fn take(&mut self, long: &str) -> Option<OsString> {
        let place = self.options.iter().position(|(name, _)| *name == long)?;
        Some(self.options.remove(place).1)
    }

    /// Whether a switch was given.
    pub(super) fn has(&mut self, long: &str) -> bool {
        self.take(long).is_some()
    }

    pub(super) fn path(&mut self, long: &str) -> Option<PathBuf> {
        self.take(long).map(PathBuf::from)
    }

    pub(super) fn text(&mut self, long: &str) -> Result<Option<String>, String> {
        self.take(long).map(|value| text(value).map_err(|e| format!("--{long}: {e}"))).transpose()
    }

    /// Every value of an option that repeats.
    pub(super) fn texts(&mut self, long: &str) -> Result<Vec<String>, String> {
        std::iter::from_fn(|| self.text(long).transpose()).collect()
    }

    pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, long: &str) -> Result<Option<T>, String> {
        self.text(long)?.map(|text| text.parse().map_err(|e| format!("--{long} {text}: {e}"))).transpose()
    }

    /// A number above 0; `wanted` says so to whoever gives another.
    pub(super) fn positive<T: FromStr + Default + PartialEq>(&mut self, long: &str, wanted: &str) -> Result<Option<T>, String> {
        let read = |text: String| {
            let number = text.parse().ok().filter(|number| *number != T::default());
            number.ok_or_else(|| format!("--{long} {text}: {wanted}"))
        };
        self.text(long)?.map(read).transpose()
    }

    pub(super) fn next_positional(&mut self) -> Result<Option<String>, String> {
        self.positionals.pop_front().map(text).transpose()
    }

    pub(super) fn positional(&mut self, name: &str) -> Result<String, String> {
        self.next_positional()?.ok_or_else(|| format!("{name} is missing"))
    }
}

fn text(given: OsString) -> Result<String, String> {
    given.into_string().map_err(|given| format!("{} is not UTF-8", given.to_string_lossy()))
}

/// What came of reading the command line.
pub(super) enum Read {
    Run(Given),
    /// To be printed: help, a version, or what a shell may complete.
    Print(String),
}

/// Reads the arguments of this process.
pub(super) fn read() -> Result<Read, String> {
    let mut parser = Parser::from_env();
    let general = "beamless --help lists the commands";
    let name = match parser.next().map_err(|e| e.to_string())? {
        None => return Err(format!("which command? {general}\n{}", help::usage())),
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Read::Print(help::general())),
        Some(Arg::Long("version") | Arg::Short('V')) => {
            return Ok(Read::Print(concat!("beamless ", env!("CARGO_PKG_VERSION")).to_owned()));
        }
        Some(Arg::Value(name)) => name,
        Some(other) => return Err(format!("{}: the command comes first; {general}", shown(&other))),
    };
    let name = name.to_string_lossy();
    let spec = Spec::of(&name).ok_or_else(|| format!("no such command: {name}; {general}"))?;
    command(spec, &mut parser).map_err(|why| format!("{why}; beamless {} --help says more", spec.name))
}

fn command(spec: &'static Spec, parser: &mut Parser) -> Result<Read, String> {
    let mut found = Found::default();
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        let option = match &arg {
            Arg::Value(value) if found.positionals.len() < spec.positionals.len() => {
                found.positionals.push_back(value.clone());
                continue;
            }
            Arg::Value(value) => return Err(too_much(spec, &value.to_string_lossy())),
            // a negative number is no option
            Arg::Short(digit @ '0'..='9') if found.positionals.len() < spec.positionals.len() => {
                let mut number = OsString::from(format!("-{digit}"));
                number.extend(parser.optional_value());
                found.positionals.push_back(number);
                continue;
            }
            Arg::Long(long) => spec.all_options().find(|option| option.long == *long),
            Arg::Short(short) => spec.all_options().find(|option| option.short == Some(*short)),
        };
        let Some(option) = option else { return Err(unknown(spec, &arg)) };
        if option.long == "help" {
            return Ok(Read::Print(help::of(spec)));
        }
        let is_there = found.options.iter().any(|(name, _)| *name == option.long);
        if is_there && option.value.is_some() && !option.repeats {
            return Err(format!("--{} is given twice", option.long));
        }
        let value = match option.value {
            Some(value) => parser.value().map_err(|_| format!("--{} wants {value}", option.long))?,
            None => OsString::new(),
        };
        found.options.push((option.long, value));
    }
    let verbose = found.has("verbose");
    Ok(Read::Run(Given { verbose, command: (spec.make)(&mut found)? }))
}

fn shown(arg: &Arg<'_>) -> String {
    match arg {
        Arg::Long(long) => format!("--{long}"),
        Arg::Short(short) => format!("-{short}"),
        Arg::Value(value) => value.to_string_lossy().into_owned(),
    }
}

fn too_much(spec: &Spec, word: &str) -> String {
    let takes_term = matches!(spec.name, "send" | "call" | "rpc");
    format!("`{word}` is too much{}", if takes_term { "; the shell wants quotes around a term or a call" } else { "" })
}

fn unknown(spec: &Spec, arg: &Arg<'_>) -> String {
    let shown = shown(arg);
    let like = |long: &str| spec.all_options().find(|option| !long.is_empty() && option.long.starts_with(long));
    let like = if let Arg::Long(long) = arg { like(long) } else { None };
    match like {
        Some(like) => format!("there is no option {shown}: did you mean --{}?", like.long),
        None => format!("there is no option {shown}"),
    }
}

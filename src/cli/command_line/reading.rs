//! The reading of a command line.

use std::collections::VecDeque;
use std::ffi::OsString;

use lexopt::{Arg, Parser};

use super::help;
use super::spec::{Found, Opt, Spec};

/// The outcome of reading the command line.
pub(crate) enum Read {
    Run {
        /// Whether to say more.
        verbose: bool,
        spec: &'static Spec,
        found: Found,
    },
    /// A text to be printed: help, or the version.
    Print(String),
}

/// Reads the arguments of this process.
pub(crate) fn read(commands: &'static [Spec]) -> Result<Read, String> {
    let mut parser = Parser::from_env();
    let general = "beamless --help lists the commands";
    let name = match parser.next().map_err(|e| e.to_string())? {
        None => return Err(format!("which command? {general}\n{}", help::usage())),
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Read::Print(help::general(commands))),
        Some(Arg::Long("version") | Arg::Short('V')) => {
            return Ok(Read::Print(concat!("beamless ", env!("CARGO_PKG_VERSION")).to_owned()));
        }
        Some(Arg::Value(name)) => name,
        Some(other) => return Err(format!("{}: the command comes first; {general}", shown(&other))),
    };
    let name = name.to_string_lossy();
    let spec = Spec::of(commands, &name).ok_or_else(|| format!("no such command: {name}; {general}"))?;
    let found = Found { commands, options: Vec::new(), positionals: VecDeque::new() };
    command(spec, found, &mut parser).map_err(|why| spec.says_more(&why))
}

fn command(spec: &'static Spec, mut found: Found, parser: &mut Parser) -> Result<Read, String> {
    // what follows `--` is no option
    let mut is_literal = false;
    loop {
        is_literal |= parser.try_raw_args().is_some_and(|words| words.peek().is_some_and(|word| word == "--"));
        let with_one_dash = if is_literal { None } else { with_one_dash(spec, parser) };
        let option = match with_one_dash {
            Some(option) => option,
            None => {
                let Some(arg) = parser.next().map_err(|e| e.to_string())? else { break };
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
                option.ok_or_else(|| unknown(spec, &arg))?
            }
        };
        if option.long == "help" {
            return Ok(Read::Print(help::of(spec)));
        }
        take(option, &mut found, parser)?;
    }
    let verbose = found.has("verbose") || found.has("debug");
    Ok(Read::Run { verbose, spec, found })
}

/// Takes the next word if it is an option as erl and epmd write it: `-sname`, `-port`.
fn with_one_dash(spec: &'static Spec, parser: &mut Parser) -> Option<&'static Opt> {
    let mut words = parser.try_raw_args()?;
    let name = words.peek()?.to_str()?.strip_prefix('-')?;
    let option = spec.all_options().find(|option| option.long == name)?;
    words.next();
    Some(option)
}

/// Takes an option, and its value if it has one.
fn take(option: &'static Opt, found: &mut Found, parser: &mut Parser) -> Result<(), String> {
    let is_there = found.options.iter().any(|(name, _)| *name == option.long);
    if is_there && option.value.is_some() && !option.repeats {
        return Err(format!("--{} is given twice", option.long));
    }
    let value = match option.value {
        Some(value) => parser.value().map_err(|_| format!("--{} wants {value}", option.long))?,
        None => OsString::new(),
    };
    found.options.push((option.long, value));
    Ok(())
}

fn shown(arg: &Arg<'_>) -> String {
    match arg {
        Arg::Long(long) => format!("--{long}"),
        Arg::Short(short) => format!("-{short}"),
        Arg::Value(value) => value.to_string_lossy().into_owned(),
    }
}

fn too_much(spec: &Spec, word: &str) -> String {
    let takes_term = spec.positionals.iter().any(|positional| positional.quoted);
    format!("`{word}` is too much{}", if takes_term { "; the shell wants quotes around a term or a call" } else { "" })
}

fn unknown(spec: &Spec, arg: &Arg<'_>) -> String {
    let shown = shown(arg);
    let like = match arg {
        Arg::Long(long) => spec.all_options().find(|option| !long.is_empty() && option.long.starts_with(long)),
        _ => None,
    };
    match like {
        Some(like) => format!("there is no option {shown}: did you mean --{}?", like.long),
        None => format!("there is no option {shown}"),
    }
}

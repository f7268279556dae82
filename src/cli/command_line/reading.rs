//! The reading of a command line.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;

use lexopt::{Arg, Parser};

use super::help;
use super::spec::{Found, Spec};

/// The outcome of reading the command line.
pub(crate) enum Read {
    Run {
        /// Whether to say more.
        verbose: bool,
        /// Whether to say only what went wrong.
        quiet: bool,
        spec: &'static Spec,
        found: Found,
    },
    /// A text to be printed: help, or the version.
    Print(String),
}

/// Reads the arguments of this process.
pub(crate) fn read(commands: &'static [Spec]) -> Result<Read, String> {
    let mut parser = Parser::from_args(with_two_dashes(commands, env::args_os().skip(1)));
    let general = "beamless --help lists the commands";
    let of = |name: &str| Spec::of(commands, name).ok_or_else(|| format!("no such command: {name}; {general}"));
    let name = match parser.next().map_err(|e| e.to_string())? {
        None => return Err(format!("which command? {general}\n{}", help::usage())),
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Read::Print(help::general(commands))),
        Some(Arg::Long("version") | Arg::Short('V')) => {
            return Ok(Read::Print(concat!("beamless ", env!("CARGO_PKG_VERSION")).to_owned()));
        }
        Some(Arg::Value(name)) => name,
        Some(other) => {
            return Err(format!("{}: the command comes first, as in beamless run --sname demo; {general}", shown(&other)));
        }
    };
    let name = name.to_string_lossy();
    if name == "help" {
        let asked = parser.next().map_err(|e| e.to_string())?;
        return Ok(Read::Print(match asked {
            Some(Arg::Value(command)) => help::of(of(&command.to_string_lossy())?),
            _ => help::general(commands),
        }));
    }
    let spec = of(&name)?;
    let found = Found { commands, options: Vec::new(), positionals: VecDeque::new() };
    command(spec, found, &mut parser).map_err(|why| spec.says_more(&why))
}

fn command(spec: &'static Spec, mut found: Found, parser: &mut Parser) -> Result<Read, String> {
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        let option = match &arg {
            Arg::Value(value) if spec.positional_at(found.positionals.len()).is_some() => {
                found.positionals.push_back(value.clone());
                continue;
            }
            Arg::Value(value) => return Err(too_much(spec, &value.to_string_lossy())),
            // a negative number is no option
            Arg::Short(digit @ '0'..='9') if spec.positional_at(found.positionals.len()).is_some() => {
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
    // epmd calls it so
    let (verbose, quiet) = (found.has("verbose") || found.has("debug"), found.has("quiet"));
    if verbose && quiet {
        return Err("--verbose says more, and --quiet less: leave one out".to_owned());
    }
    Ok(Read::Run { verbose, quiet, spec, found })
}

/// Returns the words of a command line with two dashes in front of each option that has a long name: Erlang's own programs take one.
fn with_two_dashes(commands: &'static [Spec], words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut are_options = true;
    let is_long = |word: &str| {
        let mut options = commands.iter().flat_map(Spec::all_options);
        options.any(|option| option.long == word) || INSTEAD.iter().any(|(option, _)| *option == word)
    };
    let with = |word: OsString| {
        are_options &= word != "--";
        let long = word.to_str().and_then(|word| word.strip_prefix('-')).filter(|long| are_options && is_long(long));
        long.map_or_else(|| word.clone(), |long| format!("--{long}").into())
    };
    words.map(with).collect()
}

const COOKIE: &str = "others on this host could read it here: a cookie stands in a file with mode 0400, ~/.erlang.cookie or the one that \
    --cookie-file FILE names";
const SHELL: &str =
    "there is no shell here, and no Erlang runs: beamless rpc NODE 'MOD:FUN(ARGS)' calls a function of another node";
const FOREGROUND: &str = "it stays in the foreground: put & behind it, or have systemd run it";
const SETTINGS: &str =
    "beamless run has the like of it in the file that --config names: beamless man beamless.toml lists its keys";

/// Options of `erl`, `iex` and `epmd` that there are not, and what to do instead.
const INSTEAD: &[(&str, &str)] = &[
    ("setcookie", COOKIE),
    ("cookie", COOKIE),
    ("hidden", "a node is hidden unless it is told to be visible, by --visible"),
    ("remsh", SHELL),
    ("eval", SHELL),
    ("rpc-eval", SHELL),
    ("noshell", SHELL),
    ("noinput", SHELL),
    ("detached", FOREGROUND),
    ("daemon", FOREGROUND),
    ("heart", FOREGROUND),
    ("kernel", SETTINGS),
    ("args_file", SETTINGS),
    ("start_epmd", "--epmd external takes the EPMD that runs, and never serves one"),
    ("names", "beamless names lists them"),
];

fn shown(arg: &Arg<'_>) -> String {
    match arg {
        Arg::Long(long) => format!("--{long}"),
        Arg::Short(short) => format!("-{short}"),
        Arg::Value(value) => value.to_string_lossy().into_owned(),
    }
}

fn too_much(spec: &Spec, word: &str) -> String {
    let hint = if spec.positionals.iter().any(|positional| positional.quoted) {
        "; the shell wants quotes around a term or a call"
    } else if spec.positionals.is_empty() && spec.options.iter().any(|option| option.long == "sname") {
        "; the node's name stands behind --sname or --name"
    } else {
        ""
    };
    format!("`{word}` is too much{hint}")
}

fn unknown(spec: &Spec, arg: &Arg<'_>) -> String {
    let shown = shown(arg);
    let instead = INSTEAD.iter().find(|(option, _)| *arg == Arg::Long(option));
    if let Some((_, instead)) = instead {
        return format!("there is no option {shown}: {instead}");
    }
    let like = match arg {
        Arg::Long(long) => spec.all_options().find(|option| !long.is_empty() && option.long.starts_with(long)),
        _ => None,
    };
    match like {
        Some(like) => format!("there is no option {shown}: did you mean --{}?", like.long),
        None => format!("there is no option {shown}"),
    }
}

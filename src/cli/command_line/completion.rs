//! Completions: a script for each shell, which asks this program for what may follow.
//!
//! What was typed is handed on and never evaluated: a `$(..)` in a term must not run when somebody presses the tabulator.

use std::str::FromStr;
use std::time::Duration;

use beamless::{EpmdSettings, epmd_names};

use super::spec::{Offer, Opt, Spec};

/// A shell that there is a script for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromStr for Shell {
    type Err = String;

    /// Takes `bash`, `zsh` or `fish`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "bash" => Self::Bash,
            "zsh" => Self::Zsh,
            "fish" => Self::Fish,
            _ => return Err("there are completions for bash, zsh and fish".to_owned()),
        })
    }
}

impl Shell {
    pub(crate) fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("completion/beamless.bash"),
            Self::Zsh => include_str!("completion/beamless.zsh"),
            Self::Fish => include_str!("completion/beamless.fish"),
        }
    }
}

/// The option by which a script asks for what may follow the words behind it, the last of which is being typed.
pub(crate) const ASK: &str = "--complete";

/// Returns what may stand in the place of the last word, a line each; behind a tabulator, what it is.
pub(crate) fn candidates(commands: &'static [Spec], words: &[String]) -> String {
    let Some((last, before)) = words.split_last() else { return String::new() };
    let Some((command, before)) = before.split_first() else {
        return lines(&mut commands.iter().map(|spec| (spec.name.to_owned(), spec.help)), last);
    };
    let Some(spec) = Spec::of(commands, command) else { return String::new() };
    let mut at = 0_usize;
    let mut value_of: Option<&Opt> = None;
    for word in before {
        value_of = match spec.all_options().find(|option| word.strip_prefix("--") == Some(option.long)) {
            _ if value_of.is_some() => None,
            Some(option) => Some(option).filter(|option| option.value.is_some()),
            None => {
                at = at.saturating_add((!word.starts_with('-')).into());
                None
            }
        };
    }
    if let Some(option) = value_of {
        return lines(&mut offered(option.offer).into_iter(), last);
    }
    let unused = |option: &&Opt| option.repeats || before.iter().all(|word| word.strip_prefix("--") != Some(option.long));
    let options = spec.all_options().filter(unused).map(|option| (format!("--{}", option.long), option.help));
    let positional = spec.positional_at(at).map_or_else(Vec::new, |positional| offered(positional.offer));
    lines(&mut options.filter(|_| last.is_empty() || last.starts_with('-')).chain(positional), last)
}

fn lines(all: &mut dyn Iterator<Item = (String, &'static str)>, begun: &str) -> String {
    let fitting = all.filter(|(word, _)| word.starts_with(begun));
    fitting.map(|(word, help)| format!("{word}\t{help}\n")).collect()
}

fn offered(offer: Offer) -> Vec<(String, &'static str)> {
    match offer {
        Offer::Nothing | Offer::Files => Vec::new(),
        Offer::Words(words) => words.iter().map(|word| ((*word).to_owned(), "")).collect(),
        Offer::Nodes => {
            let port = EpmdSettings::from_env().unwrap_or_default().port;
            let names = epmd_names("localhost", port, Duration::from_millis(200)).unwrap_or_default();
            // one that would end the line is none to be typed
            let names = names.into_iter().filter(|(name, _)| !name.contains(char::is_control));
            names.map(|(name, _)| (name, "a node of this host")).collect()
        }
    }
}

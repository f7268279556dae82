//! Completions: a script for each shell, which asks this program for what may follow.
//!
//! They stand in the place of those that bpaf brings, which hand what was typed to the shell's `eval`: a `$(..)` in a term would run
//! when somebody presses the tabulator.

use std::str::FromStr;

/// A shell that there is a script for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromStr for Shell {
    type Err = &'static str;

    /// Takes `bash`, `zsh` or `fish`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "bash" => Self::Bash,
            "zsh" => Self::Zsh,
            "fish" => Self::Fish,
            _ => return Err("there are completions for bash, zsh and fish"),
        })
    }
}

impl Shell {
    pub(super) fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("completion/beamless.bash"),
            Self::Zsh => include_str!("completion/beamless.zsh"),
            Self::Fish => include_str!("completion/beamless.fish"),
        }
    }
}

/// The shell whose script an option asks for that bpaf knows by itself.
pub(super) fn asked(option: &str) -> Option<Shell> {
    option.strip_prefix("--bpaf-complete-style-")?.parse().ok()
}

//! Who asks for the settings, which decides what is done about a program or a file that is not there.

use std::path::{Path, PathBuf};

use crate::cli::agent::gossip::Secret;

/// Who asks.
#[derive(Clone, Copy)]
pub(super) enum Asked<'s> {
    /// A check: what is not there is a fault.
    Check,
    /// A start: the box comes up without it, and tries again.
    Start,
    /// An agent that runs: it goes on with what it has, and takes nothing new that is not there.
    Reload(&'s Has<'s>),
}

impl<'s> Asked<'s> {
    /// Returns what an agent that runs has.
    pub(super) fn has(self) -> Option<&'s Has<'s>> {
        match self {
            Self::Reload(has) => Some(has),
            Self::Check | Self::Start => None,
        }
    }
}

/// What an agent that runs has.
pub(super) struct Has<'s> {
    /// The programs of its commands.
    pub(super) programs: Vec<&'s String>,
    pub(super) secret: Option<&'s Secret>,
    pub(super) cookie_file: Option<&'s PathBuf>,
}

impl Has<'_> {
    /// Returns the program that is written so, or was found by this name in `PATH`.
    pub(super) fn program(&self, written: &str) -> Option<&String> {
        let is_named = |program: &str| Path::new(program).file_name() == Some(written.as_ref());
        let mut programs = self.programs.iter().copied();
        programs.clone().find(|program| *program == written).or_else(|| programs.find(|program| is_named(program)))
    }
}

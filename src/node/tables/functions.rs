//! The functions that a node serves.

use super::handles::Mailbox;
use crate::error::ConfigError;
use crate::storage::names::Names;
use crate::wire::ids::Atom;
use crate::wire::split;

/// The functions that are served, and the mailbox their calls come to.
pub(crate) struct Functions {
    pub(crate) mailbox: Mailbox,
    names: Names,
}

impl Functions {
    pub(crate) fn new(mailbox: Mailbox) -> Self {
        Self { mailbox, names: Names::default() }
    }

    pub(crate) fn add(&mut self, name: &str) -> Result<(), ConfigError> {
        parts(name).ok_or(ConfigError::FunctionName)?;
        self.names.add(name).ok_or(ConfigError::TooManyNames)
    }

    pub(crate) fn has(&self, module: Atom<'_>, function: Atom<'_>, arity: usize) -> bool {
        self.names.iter().filter_map(|name| parts(name)).any(|(m, f, a)| module == m && function == f && usize::from(a) == arity)
    }
}

/// Takes `Module:Function/Arity` apart.
fn parts(name: &str) -> Option<(&str, &str, u8)> {
    let (module, rest) = split::first(name, ':')?;
    let (function, arity) = split::last(rest, '/')?;
    let fits = |text: &str| !text.is_empty() && text.chars().count() <= Atom::MAX_CHARS;
    Some((module, function, arity.parse().ok()?)).filter(|_| fits(module) && fits(function))
}

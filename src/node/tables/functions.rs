//! The functions that a node serves.

use super::handles::Mailbox;
use crate::error::ConfigError;
use crate::wire::ids::Atom;

/// The functions that are served, and the mailbox their calls come to.
#[derive(Clone, Copy)]
pub(crate) struct Functions<'s> {
    pub(crate) mailbox: Mailbox,
    names: &'s [&'s str],
}

impl<'s> Functions<'s> {
    pub(crate) fn new(mailbox: Mailbox, names: &'s [&'s str]) -> Result<Self, ConfigError> {
        if names.iter().all(|name| parts(name).is_some()) { Ok(Self { mailbox, names }) } else { Err(ConfigError::FunctionName) }
    }

    pub(crate) fn has(&self, module: Atom<'_>, function: Atom<'_>, arity: usize) -> bool {
        self.names.iter().filter_map(|name| parts(name)).any(|(m, f, a)| module == m && function == f && usize::from(a) == arity)
    }
}

/// `Module:Function/Arity` taken apart.
fn parts(name: &str) -> Option<(&str, &str, u8)> {
    let (module, rest) = name.split_once(':')?;
    let (function, arity) = rest.rsplit_once('/')?;
    let fits = |text: &str| !text.is_empty() && text.chars().count() <= Atom::MAX_CHARS;
    Some((module, function, arity.parse().ok()?)).filter(|_| fits(module) && fits(function))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::slots::Key;

    fn functions() -> Functions {
        Functions::new(Mailbox(Key { index: 0, generation: 0 }))
    }

    #[test]
    fn a_function_is_its_module_its_name_and_its_arity() {
        let mut served = functions();
        served.add("m:f/1").unwrap();
        let has = |module, function, arity| served.has(Atom::from_str(module), Atom::from_str(function), arity);
        assert!(has("m", "f", 1));
        assert!(!has("n", "f", 1) && !has("m", "g", 1) && !has("m", "f", 2));
    }

    #[test]
    fn what_is_no_function_is_not_served() {
        let (longest, longer) = ("m".repeat(255), "m".repeat(256));
        for (name, taken) in [
            ("m:f/0".to_owned(), true),
            ("m:f/255".to_owned(), true),
            (format!("{longest}:f/0"), true),
            (format!("{longer}:f/0"), false),
            (format!("m:{longer}/0"), false),
            (":f/0".to_owned(), false),
            ("m:/0".to_owned(), false),
            ("m:f/256".to_owned(), false),
            ("m:f".to_owned(), false),
            ("m/0".to_owned(), false),
        ] {
            assert_eq!(parts(&name).is_some(), taken, "{name}");
        }
        assert_eq!(functions().add("m:f"), Err(ConfigError::FunctionName));
    }
}

//! `code`, which is asked whether a module is here before something in it is called. None is, and saying so ends what `undef` does not: the
//! remote shell of `erl`, from OTP 26 on, hangs on that.

use crate::node::forms::served::Served;
use crate::wire::term::Term;

/// `{error,nofile}`, `{error,badfile}`, and atoms.
const NOFILE: Term<'static> = Term::trusted(b"\x68\x02\x77\x05error\x77\x06nofile");
const BADFILE: Term<'static> = Term::trusted(b"\x68\x02\x77\x05error\x77\x07badfile");
const NON_EXISTING: Term<'static> = Term::trusted(b"\x77\x0cnon_existing");
const ERROR: Term<'static> = Term::trusted(b"\x77\x05error");
const FALSE: Term<'static> = Term::trusted(b"\x77\x05false");

/// Returns the value of a function of the module `code`, on a node that has no code. `None`: it is another function.
pub(crate) fn value(served: &Served<'_>) -> Option<Term<'static>> {
    if served.module != "code" {
        return None;
    }
    let known: [(&str, usize, Term<'static>); 7] = [
        ("ensure_loaded", 1, NOFILE),
        ("load_file", 1, NOFILE),
        ("load_binary", 3, BADFILE),
        ("is_loaded", 1, FALSE),
        ("is_sticky", 1, FALSE),
        ("which", 1, NON_EXISTING),
        ("get_object_code", 1, ERROR),
    ];
    let arity = served.arity()?;
    known.into_iter().find(|(name, count, _)| served.function == **name && arity == *count).map(|(_, _, value)| value)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::node::forms::atoms::NIL;
    use crate::wire::ids::Atom;

    fn of(module: &'static str, function: &'static str, args: &'static [u8]) -> Option<Term<'static>> {
        let (module, function) = (Atom::from_str(module), Atom::from_str(function));
        value(&Served { module, function, args: Term::trusted(args), tag: NIL, from: None })
    }

    #[test]
    fn only_these_have_a_value() {
        const ONE: &[u8] = &[108, 0, 0, 0, 1, 119, 1, b'm', 106];
        const THREE: &[u8] = &[108, 0, 0, 0, 3, 119, 1, b'm', 106, 106, 106];
        let values = [
            ("ensure_loaded", "{error,nofile}"),
            ("load_file", "{error,nofile}"),
            ("is_loaded", "false"),
            ("is_sticky", "false"),
            ("which", "non_existing"),
            ("get_object_code", "error"),
        ];
        for (function, value) in values {
            let found = of("code", function, ONE).unwrap();
            assert_eq!(found.to_string(), value);
            assert!(Term::parse(&[&[131], found.as_bytes()].concat()).is_ok(), "{function}");
            assert!(of("code", function, THREE).is_none() && of("erlang", function, ONE).is_none());
        }
        assert_eq!(of("code", "load_binary", THREE).map(|value| value.to_string()).as_deref(), Some("{error,badfile}"));
        assert!(of("code", "load_binary", ONE).is_none() && of("code", "purge", ONE).is_none());
    }
}

//! The call of a function that is served here, in each of the forms that it can come in.

use core::fmt::Write;

use super::atoms::NIL;
use super::call::Call;
use super::caller::Caller;
use crate::node::tables::event::Receiver;
use crate::node::tables::record::Kind;
use crate::wire::fixed::FixedStr;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// A call of a served function.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Apply<'m> {
    /// The function's module.
    pub module: Atom<'m>,
    /// The function's name.
    pub function: Atom<'m>,
    /// Its arguments: a proper list, as long as the function has parameters.
    pub args: Term<'m>,
    /// The caller, who waits for the value.
    pub caller: Caller<'m>,
}

impl<'m> From<&Apply<'m>> for Caller<'m> {
    fn from(apply: &Apply<'m>) -> Self {
        apply.caller
    }
}

/// A function that somebody wants to call here, however it was asked for.
pub(crate) struct Served<'m> {
    pub(crate) module: Atom<'m>,
    pub(crate) function: Atom<'m>,
    pub(crate) args: Term<'m>,
    pub(crate) tag: Term<'m>,
    pub(crate) from: Option<Pid<'m>>,
}

impl<'m> Served<'m> {
    /// Reads what a peer sent; `None` if it has another form.
    pub(crate) fn read(kind: Kind, sender: &'m [u8], term: Term<'m>) -> Option<Self> {
        let sender = Term::trusted(sender);
        let mut tag = NIL;
        let mut from = sender.as_pid();
        let [module, function, args] = match kind {
            Kind::Apply => {
                let [res, module, function, args] = list(term)?;
                tag = res;
                [module, function, args]
            }
            Kind::Cast => match term.tuple() {
                Some([_, request]) => rex_cast(request)?,
                None => list(term)?,
            },
            Kind::Spawn => {
                let [module, function, _] = sender.tuple()?;
                [module, function, term]
            }
            Kind::RexCall => {
                let call = Call::of(term)?;
                (tag, from) = (call.tag, Some(call.from));
                rex_request(call.request)?
            }
            Kind::RexSend => {
                let [pid, request] = term.tuple()?;
                from = Some(pid.as_pid()?);
                rex_request(request)?
            }
            _ => return None,
        };
        args.as_list()?;
        Some(Self { module: module.as_atom()?, function: function.as_atom()?, args, tag, from })
    }

    /// Returns the number of arguments; `None` unless they are a proper list.
    pub(crate) fn arity(&self) -> Option<usize> {
        let args = self.args.as_list()?;
        args.tail().is_none().then(|| args.count())
    }

    /// Returns the name of the function, for a report.
    pub(crate) fn receiver(&self) -> Receiver {
        let mut name = FixedStr::new();
        let arity = self.arity().unwrap_or(0);
        let mut text = self.module.chars().chain([':']).chain(self.function.chars());
        // a longer name is cut, and leaves room for the number
        while name.len() < 246 {
            let Some(c) = text.next() else { break };
            let _ = name.write_char(c);
        }
        let _ = write!(name, "/{arity}");
        Receiver::Function(name)
    }
}

/// Reads `{call, M, F, Args, Leader}` or `{block_call, ..}`, which differ in nothing that matters here.
fn rex_request(term: Term<'_>) -> Option<[Term<'_>; 3]> {
    let [what, module, function, args, _leader] = term.tuple()?;
    (what.is_atom("call") || what.is_atom("block_call")).then_some([module, function, args])
}

/// Reads `{cast, M, F, Args, Leader}`, which takes no answer.
fn rex_cast(term: Term<'_>) -> Option<[Term<'_>; 3]> {
    let [what, module, function, args, _leader] = term.tuple()?;
    what.is_atom("cast").then_some([module, function, args])
}

/// Returns the elements of a proper list of exactly `N`.
fn list<const N: usize>(term: Term<'_>) -> Option<[Term<'_>; N]> {
    let mut list = term.as_list()?;
    let mut all = [NIL; N];
    for slot in &mut all {
        *slot = list.next()?;
    }
    if list.next().is_some() { None } else { Some(all) }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    fn text(term: &str) -> Vec<u8> {
        let mut buf = [0; 1024];
        crate::wire::text::parse_text(term, &mut buf).unwrap().as_bytes().to_vec()
    }

    /// The module, the function, its arguments and the tag of the answer.
    fn read(kind: Kind, sender: &[u8], term: &[u8]) -> Option<[String; 4]> {
        let served = Served::read(kind, sender, Term::trusted(term))?;
        Some([served.module.to_string(), served.function.to_string(), served.args.to_string(), served.tag.to_string()])
    }

    /// Every way in which OTP asks for a function to be run, and what is none of them.
    #[test]
    fn a_function_is_read_from_whatever_asks_for_it() {
        let expected = |tag: &str| Some(["m".to_owned(), "f".into(), "[1]".into(), tag.into()]);
        let none = &text("[]")[..];
        assert_eq!(read(Kind::Apply, none, &text("[t,m,f,[1]]")), expected("t"));
        assert_eq!(read(Kind::Cast, none, &text("[m,f,[1]]")), expected("[]"));
        assert_eq!(read(Kind::Cast, none, &text("{'$gen_cast',{cast,m,f,[1],l}}")), expected("[]"));
        assert_eq!(read(Kind::Spawn, &text("{m,f,1}"), &text("[1]")), expected("[]"));
        let pid = b"\x58\x77\x03a@b\0\0\0\x01\0\0\0\0\0\0\0\x01";
        for request in ["call", "block_call"] {
            let request = text(&format!("{{{request},m,f,[1],l}}"));
            let sent = [&[104, 2][..], pid, &request].concat();
            assert_eq!(read(Kind::RexSend, none, &sent), expected("[]"));
            let from = [&[104, 2][..], pid, &text("t")].concat();
            let call = [&[104, 3][..], &text("'$gen_call'"), &from, &request].concat();
            assert_eq!(read(Kind::RexCall, none, &call), expected("t"));
        }
        for (kind, term) in [
            (Kind::Apply, "[t,m,f]"),
            (Kind::Apply, "[t,m,f,[1],more]"),
            (Kind::Apply, "[t,m,f,args]"),
            (Kind::Cast, "{'$gen_cast',{call,m,f,[1],l}}"),
            (Kind::RexCall, "{call,m,f,[1],l}"),
            (Kind::Message, "[m,f,[1]]"),
        ] {
            assert_eq!(read(kind, none, &text(term)), None, "{term}");
        }
        let sent = [&[104, 2][..], pid, &text("{cast,m,f,[1],l}")].concat();
        assert_eq!(read(Kind::RexSend, none, &sent), None);
    }

    #[test]
    fn a_long_name_is_cut_in_a_report_and_its_arity_is_not() {
        let name = "n".repeat(255);
        let term = text(&format!("[m,{name},[1,2]]"));
        let served = Served::read(Kind::Cast, &[106], Term::trusted(&term)).unwrap();
        let Receiver::Function(shown) = served.receiver() else { panic!() };
        assert_eq!(shown.as_str(), format!("m:{}/2", "n".repeat(244)));
        let improper = text("[m,f,[1|2]]");
        assert_eq!(Served::read(Kind::Cast, &[106], Term::trusted(&improper)).unwrap().arity(), None);
    }
}

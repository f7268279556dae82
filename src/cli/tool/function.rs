//! A call `Mod:Fun(Args)` as it is typed, and an exception in the words of Erlang's shell.

use beamless::{Failure as No, Term, Value};

use super::asking::{Then, Tool};
use crate::cli::outcome::Failure;
use crate::cli::terms;

/// The call of a function.
pub(super) struct FunctionCall<'b> {
    module: String,
    name: String,
    /// The list of arguments.
    args: Term<'b>,
    /// It was written as in Elixir, with text among its arguments, which is read as Erlang's.
    mixes: bool,
}

impl<'b> FunctionCall<'b> {
    pub(super) fn new(module: &str, name: &str, args: Term<'b>) -> Self {
        Self { module: module.to_owned(), name: name.to_owned(), args, mixes: false }
    }

    /// Parses a call; its arguments lie in `bytes`.
    pub(super) fn parse(text: &str, bytes: &'b mut Vec<u8>) -> Result<Self, Failure> {
        let told = |why: &str| {
            Failure::usage(format!(
                "{text}: {why}a call is MOD:FUN(ARGS), as 'erlang:memory(total)', or an Elixir module's, as 'System.version()'"
            ))
        };
        let form = || told("");
        let no_atom = |word: &str| {
            let is_name = word.starts_with(char::is_alphabetic) && !word.contains([' ', '\'']);
            told(&if is_name { format!("{word} is an atom only in quotes, '{word}'; ") } else { String::new() })
        };
        let elixir = of_elixir(text);
        let is_elixir = elixir.is_some();
        let (module, name, rest) = match elixir {
            Some(found) => found,
            None if !text.contains('(') && of_elixir(&format!("{text}()")).is_some() => {
                return Err(told(&format!("its arguments are missing: {text}(); ")));
            }
            None => {
                let (module, rest) = atom(text).map_err(no_atom)?;
                if rest.starts_with('(') {
                    return Err(told(&format!("its module is missing, which for Erlang's own is erlang:{}; ", text.trim())));
                }
                let (name, rest) = atom(rest.strip_prefix(':').ok_or_else(form)?).map_err(no_atom)?;
                if rest.is_empty() {
                    return Err(told("its arguments are missing, which are () if there are none; "));
                }
                (module, name, rest)
            }
        };
        let call = text.trim_end().trim_end_matches('.');
        if !rest.starts_with('(') || !call.ends_with(')') {
            return Err(form());
        }
        // A list in the place of the arguments, so that a fault is told where it was typed.
        let before = text.chars().count().saturating_sub(rest.chars().count());
        let inside = rest.get(1..).and_then(|inside| inside.get(..inside.rfind(')')?)).ok_or_else(form)?;
        let list = format!("{}[{inside}]", " ".repeat(before));
        // a list takes a tail, too, and arguments have none
        let is_tail =
            terms::erlang(&list, &mut Vec::new()).is_ok() && terms::erlang(&format!("{{{inside}}}"), &mut Vec::new()).is_err();
        if is_tail {
            return Err(told("its arguments have commas between them, and no |; "));
        }
        let args = terms::erlang(&list, bytes).map_err(|e| Failure::usage(format!("{text}: {}", terms::explained(&list, &e))))?;
        let mixes = is_elixir && inside.replace("<<\"", "").replace("\">>", "").contains('"');
        Ok(Self { module, name, args, mixes })
    }

    /// Calls it at the node that is asked.
    pub(super) fn apply(&self, tool: &mut Tool<'_>, then: Then<'_>) -> Result<String, Failure> {
        let (module, name) = (self.module.as_str(), self.name.as_str());
        if tool.prints() {
            return tool
                .ask(&mut |out, node, time| out.rpc_as_group_leader(node, module, name, time, |t| t.term(self.args)), then);
        }
        tool.ask(&mut |out, node, timeout| out.rpc(node, module, name, timeout, |t| t.term(self.args)), then)
    }

    /// Returns the failure of a call; `home` is the node where it failed.
    pub(super) fn exception(&self, failure: No<'_>, home: &str) -> Failure {
        let text = |term: Term<'_>| terms::text(term, home);
        let words = match failure {
            No::Error { reason, stack } => {
                let at = first(stack).map_or(String::new(), |entry| format!("\n     in function  {}", place(entry, home)));
                format!("error: {}{at}", reason_words(reason, stack, home))
            }
            No::Undefined => {
                let arity = self.args.as_list().map_or(0, Iterator::count);
                format!("error: undefined function {}:{}/{arity}", self.module, self.name)
            }
            No::Exit(reason) | No::Ended(reason) => format!("exit: {}", text(reason)),
            No::Throw(value) => format!("throw: {}", text(value)),
            other => return Failure::refused(format!("{home}: {other}")),
        };
        let note = if self.mixes {
            "\nThe arguments are Erlang's: \"text\" is a list of numbers there, and <<\"text\">> a binary."
        } else {
            ""
        };
        Failure::exception(format!("** exception {words}{note}"))
    }
}

/// Returns the module, the function and the rest of a call that is written as in Elixir: `System.version()`, `:lists.seq(1, 2)`.
fn of_elixir(text: &str) -> Option<(String, String, &str)> {
    let (path, rest) = text.split_at_checked(text.find('(')?)?;
    let (module, name) = path.trim().rsplit_once('.')?;
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_alias = |word: &str| is_word(word) && word.starts_with(char::is_uppercase);
    let is_lower = |word: &str| is_word(word) && !word.starts_with(|c: char| c.is_uppercase() || c.is_numeric());
    if !is_lower(name.strip_suffix(['?', '!']).unwrap_or(name)) {
        return None;
    }
    let module = match module.strip_prefix(':') {
        Some(module) if is_lower(module) => module.to_owned(),
        None if module.starts_with("Elixir.") && module.split('.').all(is_alias) => module.to_owned(),
        None if module.split('.').all(is_alias) => format!("Elixir.{module}"),
        _ => return None,
    };
    Some((module, name.to_owned(), rest))
}

/// Returns the atom that the text begins with, and what follows it; an error is the word that is none.
fn atom(text: &str) -> Result<(String, &str), &str> {
    let text = text.trim_start();
    let end = match text.strip_prefix('\'') {
        Some(inside) => {
            let mut escaped = false;
            let close = inside.find(|c| {
                let closes = c == '\'' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            close.map_or(text.len(), |close| close.saturating_add(2))
        }
        None => text.find([':', '(']).unwrap_or(text.len()),
    };
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut bytes = Vec::new();
    let atom = terms::erlang(word, &mut bytes).ok().and_then(Term::as_atom).ok_or(word.trim_end())?;
    Ok((atom.chars().collect(), rest.trim_start()))
}

/// Returns the reason of an error, as the shell words it.
fn reason_words(reason: Term<'_>, stack: Term<'_>, home: &str) -> String {
    let text = terms::text(reason, home);
    let words = match text.as_str() {
        "badarg" => "bad argument",
        "badarith" => "an error occurred when evaluating an arithmetic expression",
        "if_clause" => "no true branch found when evaluating an if expression",
        "noproc" => "no such process or port",
        "system_limit" => "a system limit has been reached",
        "timeout_value" => "bad receive timeout value",
        "function_clause" | "undef" => {
            let words = if text == "undef" { "undefined function" } else { "no function clause matching" };
            return first(stack).map_or(text.clone(), |entry| format!("{words} {}", function_of(entry, home)));
        }
        _ => "",
    };
    if !words.is_empty() {
        return words.to_owned();
    }
    let Some([tag, value]) = reason.tuple() else { return text };
    let words = match tag.as_atom().and_then(|tag| tag.as_str()) {
        Some("badmatch") => "no match of right hand side value",
        Some("case_clause") => "no case clause matching",
        Some("try_clause") => "no try clause matching",
        Some("badfun") => "bad function",
        Some("badkey") => "bad key:",
        Some("badmap") => "bad map:",
        _ => return text,
    };
    format!("{words} {}", terms::text(value, home))
}

fn first(stack: Term<'_>) -> Option<Term<'_>> {
    stack.as_list()?.next()
}

/// Returns `m:f/a` of a stack entry, `{M, F, Arity or Args, Location}`.
fn function_of(entry: Term<'_>, home: &str) -> String {
    let Some([module, function, arity, _]) = entry.tuple() else { return terms::text(entry, home) };
    let name = format!("{}:{}", terms::text(module, home), terms::text(function, home));
    match arity.value() {
        Value::Integer(arity) => format!("{name}/{arity}"),
        _ => format!("{name}/{}", arity.as_list().map_or(0, Iterator::count)),
    }
}

/// Returns the function of a stack entry, and its line where that is known.
fn place(entry: Term<'_>, home: &str) -> String {
    let location = |key| {
        let pairs = entry.tuple().and_then(|[_, _, _, location]: [Term<'_>; 4]| location.as_list());
        pairs.into_iter().flatten().filter_map(Term::tuple).find(|[name, _]| name.is_atom(key)).map(|[_, value]| value)
    };
    let function = function_of(entry, home);
    match (location("file"), location("line")) {
        (Some(file), Some(line)) => format!("{function} ({}, line {line})", terms::text(file, home).trim_matches('"')),
        _ => function,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        let mut bytes = Vec::new();
        let call = FunctionCall::parse(text, &mut bytes).map_err(|e| e.why)?;
        Ok(format!("{} {} {}", call.module, call.name, call.args))
    }

    #[test]
    fn a_call_is_read_as_erlang_writes_it() {
        for (text, call) in [
            ("erlang:memory()", "erlang memory []"),
            ("erlang:memory(total).", "erlang memory [total]"),
            (" lists : nth ( 2, \")(\" ) ", "lists nth [2,\")(\"]"),
            ("'Elixir.System':version()", "Elixir.System version []"),
            ("erlang:'+'(1, 2)", "erlang + [1,2]"),
            ("a:'it\\'s'({})", "a it's [{}]"),
            ("System.version()", "Elixir.System version []"),
            ("Enum.sum([1,2])", "Elixir.Enum sum [[1,2]]"),
            (" My.App.Server2.get_all!(1, {a, \")(\"}) ", "Elixir.My.App.Server2 get_all! [1,{a,\")(\"}]"),
            ("Elixir.System.version()", "Elixir.System version []"),
            (":lists.seq(1, 3)", "lists seq [1,3]"),
            ("Map.has_key?(#{a => 1.0}, a).", "Elixir.Map has_key? [#{a => 1.0},a]"),
            // a dot in an argument makes no call of Elixir's
            ("erlang:abs(1.5)", "erlang abs [1.5]"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(call), "{text}");
        }
    }

    #[test]
    fn what_is_no_call_is_told() {
        for text in [
            "",
            "a",
            "a:b",
            "a:b(",
            "a b()",
            "a:b()c",
            "A:b()",
            "Elixir.System:version()",
            "'a:b()",
            ":b()",
            "(a:b())",
            "System.version",
            "System.Version()",
            "system.version()",
            "My.app.get()",
            "A..b()",
            ".b()",
            ":A.b()",
            "A.1b()",
            "A.b!?()",
        ] {
            assert!(parsed(text).unwrap_err().contains("MOD:FUN(ARGS)"), "{text}");
        }
        for text in ["lists:seq(1|[2])", "lists:seq(1|2)", "Enum.sum([1|[2]]|[])"] {
            assert!(parsed(text).unwrap_err().contains("no |; a call is MOD:FUN(ARGS)"), "{text}");
        }
        assert_eq!(parsed("lists:sum([1|[2]])").as_deref(), Ok("lists sum [[1,2]]"));
        for (text, word) in [("'Elixir.Map':fetch!(a)", "fetch!"), ("Lists:nth(1)", "Lists"), ("erlang:and(true)", "and")] {
            assert!(parsed(text).unwrap_err().contains(&format!("{word} is an atom only in quotes, '{word}'")), "{text}");
        }
        for (text, words) in [
            ("node()", "its module is missing, which for Erlang's own is erlang:node()"),
            ("System.version", "its arguments are missing: System.version()"),
            ("erlang:node", "its arguments are missing, which are () if there are none"),
        ] {
            assert!(parsed(text).unwrap_err().contains(words), "{text}");
        }
        assert!(parsed("Elixir.System:version()").unwrap_err().contains("'Elixir.System'"));
        // an argument is a value
        for text in ["maps:from_list(erlang:memory())", "lists:sort([node()])", "Enum.sum(Enum.to_list(x))"] {
            let why = parsed(text).unwrap_err();
            assert!(why.contains("this is a call, and nothing is evaluated here") && !why.contains("[{a,1}]"), "{why}");
        }
        // counted as it was typed
        assert!(parsed("erlang:display({a, B})").unwrap_err().contains("line 1, column 20: variables"));
        assert!(parsed("erlang:display(1 + 2)").unwrap_err().contains("column 18"));
    }
}

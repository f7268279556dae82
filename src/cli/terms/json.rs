//! Terms as JSON, as Jason and OTP's `json` have it, and four objects for what JSON has no form for.
//!
//! What is read from JSON is printed as the same JSON, but for `@atom` and `@term`, which come out in the simplest form for their value.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

use beamless::{Atom, Misuse, Pairs, Term, TermWriter, Value as Kind};
use serde_json::{Map, Value};

use super::erlang::{encoded, erlang};

/// The help where JSON is read and printed.
pub(crate) const HELP: &str = "Terms are Erlang text: integers, floats, atoms, \"strings\", <<\"binaries\">>, {tuples}, [lists], #{maps => 1}.
With --json they are JSON:
  strings are binaries, objects are maps with binaries as keys, arrays are lists, null is the atom nil;
  {\"@tuple\": [...]}, {\"@atom\": \"ok\"}, {\"@map\": [[KEY, VALUE], ...]} and {\"@term\": \"ERLANG TEXT\"} are what JSON lacks.
Printed, atoms are strings too, except true, false, and nil, null and undefined, which are null; Erlang's \"strings\" are arrays of \
numbers; what else JSON lacks is printed as one of the four objects. In the keys of {\"@map\": ..} atoms are {\"@atom\": ..}.";

/// The help where JSON is only printed.
pub(crate) const PRINTED: &str = "With --json:
  binaries and atoms are strings (nil, null and undefined are null), maps are objects, lists are arrays, Erlang's \"strings\" being \
lists of numbers;
  tuples are {\"@tuple\": [...]}, maps with other keys {\"@map\": [[KEY, VALUE], ...]}, in whose keys atoms are {\"@atom\": \"ok\"}, and \
what else JSON lacks {\"@term\": \"ERLANG TEXT\"}.";

const TUPLE: &str = "@tuple";
const ATOM: &str = "@atom";
const MAP: &str = "@map";
const TERM: &str = "@term";

/// The keys that were there before. The parser has this map anyway; a set with its hashing would be 6 KB more.
type Seen = Map<String, Value>;

/// The most bytes of an integer that is printed in decimal, as with Erlang text.
const DECIMAL_BYTES: usize = 2048;
/// The most bytes of one that is so however many there are, and the number of longer ones.
const SHORT: usize = 256;
const LONG_ONES: u8 = 16;

/// Reads JSON as a term, into `bytes`.
pub(crate) fn read<'b>(text: &str, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, String> {
    term(&parse(text)?, bytes)
}

/// Reads JSON.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// Makes the term that JSON stands for, in `bytes`.
pub(crate) fn term<'b>(value: &Value, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, String> {
    let wrong = RefCell::new(None);
    let misuse = |e| match e {
        Wrong::Misuse(e) => e,
        Wrong::Words(words) => {
            wrong.replace(Some(words));
            // any will do: the words are what is told
            Misuse::TermIncomplete(1)
        }
    };
    let term = encoded(|t| put(t, value).map_err(misuse), bytes).map_err(|e| wrong.take().unwrap_or_else(|| e.to_string()))?;
    if has_pairs(value) {
        add_alike(&mut String::new(), term).map_err(|key| format!("{{{MAP:?}: ..}} has the key {key} twice"))?;
    }
    Ok(term)
}

/// The reason for which JSON has no term.
enum Wrong {
    Misuse(Misuse),
    Words(String),
}

impl From<Misuse> for Wrong {
    fn from(e: Misuse) -> Self {
        Self::Misuse(e)
    }
}

/// As `Written`, with what is wrong with the JSON.
type Put<'t, 'b> = Result<&'t mut TermWriter<'b>, Wrong>;

fn put<'t, 'b>(t: &'t mut TermWriter<'b>, value: &Value) -> Put<'t, 'b> {
    Ok(match value {
        Value::Null => t.atom("nil")?,
        Value::Bool(value) => t.bool(*value)?,
        Value::Number(number) => put_number(t, &number.to_string())?,
        Value::String(text) => t.str(text)?,
        Value::Array(values) => {
            t.list(values.len())?;
            put_all(t, values)?.nil()?
        }
        Value::Object(object) => put_object(t, object)?,
    })
}

fn put_all<'t, 'b>(t: &'t mut TermWriter<'b>, values: &[Value]) -> Put<'t, 'b> {
    for value in values {
        put(t, value)?;
    }
    Ok(t)
}

/// Writes a number: one with a point or an exponent is a float.
fn put_number<'t, 'b>(t: &'t mut TermWriter<'b>, text: &str) -> Put<'t, 'b> {
    if !text.contains(['.', 'e', 'E']) {
        return put_erlang(t, text);
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(t.float(float)?),
        _ => Err(Wrong::Words(format!("{text} is too large for a float"))),
    }
}

fn put_erlang<'t, 'b>(t: &'t mut TermWriter<'b>, text: &str) -> Put<'t, 'b> {
    let mut bytes = Vec::new();
    match erlang(text, &mut bytes) {
        Ok(term) => Ok(t.term(term)?),
        Err(e) => Err(Wrong::Words(format!("in the Erlang text {text:?}, {e}"))),
    }
}

fn put_object<'t, 'b>(t: &'t mut TermWriter<'b>, object: &Map<String, Value>) -> Put<'t, 'b> {
    let mut entries = object.iter();
    let only = entries.next().filter(|_| entries.len() == 0);
    let (form, value) = match only.map(|(key, value)| (key.as_str(), value)) {
        Some((TUPLE, value)) => ("an array", value),
        Some((MAP, value)) => ("an array of [KEY, VALUE]", value),
        Some((ATOM | TERM, value)) => ("a string", value),
        _ => {
            t.map(object.len())?;
            for (key, value) in object {
                put(t.str(key)?, value)?;
            }
            return Ok(t);
        }
    };
    match (only.map(|(key, _)| key.as_str()), value) {
        (Some(TUPLE), Value::Array(values)) => {
            t.tuple(values.len())?;
            put_all(t, values)
        }
        (Some(MAP), Value::Array(pairs)) if pairs.iter().all(|pair| of_pair(pair).is_some()) => put_pairs(t, pairs),
        (Some(ATOM), Value::String(text)) => Ok(t.atom(text)?),
        (Some(TERM), Value::String(text)) => put_erlang(t, text),
        (key, _) => Err(Wrong::Words(format!("{{{:?}: ..}} takes {form}", key.unwrap_or_default()))),
    }
}

fn of_pair(pair: &Value) -> Option<(&Value, &Value)> {
    match pair.as_array()?.as_slice() {
        [key, value] => Some((key, value)),
        _ => None,
    }
}

fn put_pairs<'t, 'b>(t: &'t mut TermWriter<'b>, pairs: &[Value]) -> Put<'t, 'b> {
    t.map(pairs.len())?;
    for (key, value) in pairs.iter().filter_map(of_pair) {
        put(put(t, key)?, value)?;
    }
    Ok(t)
}

/// Returns true if a map in it has keys that are any terms, and may be equal. Those of an object differ.
fn has_pairs(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_pairs),
        Value::Object(object) => object.contains_key(MAP) || object.values().any(has_pairs),
        _ => false,
    }
}

/// Adds text that is the same for terms that a map cannot have both as keys: for a map in any order, a list in any form, 0.0 and -0.0. Of a map
/// it is a number, so that what is within many is not copied for each; that two meet in one does not happen by chance. The error is a key that
/// a map in the term has twice: a node that got it would take the connection for broken.
fn add_alike<'a>(text: &mut String, term: Term<'a>) -> Result<(), Term<'a>> {
    match term.value() {
        Kind::Float(0.0) => text.push_str("0.0"),
        Kind::Tuple(elements) => {
            text.push('{');
            add_all_alike(text, elements)?;
        }
        Kind::List(list) => {
            text.push('[');
            add_all_alike(text, list)?;
            add_all_alike(text, list.tail().into_iter())?;
        }
        Kind::Map(pairs) => {
            let mut seen = Seen::new();
            for (key, value) in pairs {
                let (mut key_text, mut value_text) = (String::new(), String::new());
                add_alike(&mut key_text, key)?;
                add_alike(&mut value_text, value)?;
                if seen.insert(key_text, Value::String(value_text)).is_some() {
                    return Err(key);
                }
            }
            let mut number = DefaultHasher::new();
            seen.iter().for_each(|(key, value)| (key, value.as_str()).hash(&mut number));
            text.push_str(&format!("#{}", number.finish()));
        }
        _ => text.push_str(&term.text("").long_decimals(0).to_string()),
    }
    Ok(())
}

fn add_all_alike<'a>(text: &mut String, terms: impl Iterator<Item = Term<'a>>) -> Result<(), Term<'a>> {
    for term in terms {
        add_alike(text, term)?;
        text.push(',');
    }
    text.push('}');
    Ok(())
}

/// Returns a term as JSON, on one line.
pub(crate) fn written(term: Term<'_>, home: &str) -> String {
    let mut out = Out { text: String::new(), long_ones: LONG_ONES, is_key: false };
    write(&mut out, term, home);
    out.text
}

/// The text so far.
struct Out {
    text: String,
    /// The number of long integers that may still be decimal, as with Erlang text.
    long_ones: u8,
    /// Within a key of a map that is no object: there an atom and a binary of the same text are told apart, since a map has no key twice.
    is_key: bool,
}

impl Out {
    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Returns true if an integer of so many bytes is printed in decimal.
    fn takes_decimal(&mut self, bytes: usize) -> bool {
        let left = self.long_ones.checked_sub(1).filter(|_| bytes <= DECIMAL_BYTES);
        self.long_ones = left.unwrap_or(self.long_ones);
        left.is_some()
    }
}

fn write(out: &mut Out, term: Term<'_>, home: &str) {
    match term.value() {
        Kind::Integer(_) | Kind::Float(_) => out.add(&term.to_string()),
        Kind::Big(big) if big.magnitude.len() <= SHORT || out.takes_decimal(big.magnitude.len()) => out.add(&term.to_string()),
        Kind::Atom(atom) => match atom_text(atom).as_str() {
            text @ ("true" | "false") => out.add(text),
            "nil" => out.add("null"),
            "null" | "undefined" if !out.is_key => out.add("null"),
            text if out.is_key => {
                out.add("{\"@atom\":");
                out.add(&quoted(text));
                out.add("}");
            }
            text => out.add(&quoted(text)),
        },
        Kind::Tuple(elements) => {
            out.add("{\"@tuple\":");
            write_array(out, elements, home);
            out.add("}");
        }
        Kind::Nil => out.add("[]"),
        Kind::List(list) if list.tail().is_none() => write_array(out, list, home),
        Kind::Binary(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => out.add(&quoted(text)),
            Err(_) => write_erlang(out, term, home),
        },
        Kind::Map(pairs) => write_map(out, pairs, home),
        _ => write_erlang(out, term, home),
    }
}

/// Writes what JSON has nothing like, as Erlang's text.
fn write_erlang(out: &mut Out, term: Term<'_>, home: &str) {
    out.add("{\"@term\":");
    out.add(&quoted(&term.text(home).unicode().long_decimals(0).to_string()));
    out.add("}");
}

fn write_array<'a>(out: &mut Out, elements: impl Iterator<Item = Term<'a>>, home: &str) {
    separated(out, ('[', ']'), elements, |out, element| write(out, element, home));
}

/// Writes a map. One whose keys all are text, no two the same, is an object, unless it would look like one of the special ones.
fn write_map(out: &mut Out, pairs: Pairs<'_>, home: &str) {
    let mut seen = Seen::new();
    let is_key = out.is_key;
    let text = |key| key_text(key, is_key);
    let plain = pairs.clone().all(|(key, _)| text(key).is_some_and(|text| seen.insert(text, Value::Null).is_none()));
    let is_special = seen.len() == 1 && [TUPLE, ATOM, MAP, TERM].iter().any(|special| seen.contains_key(*special));
    if plain && !is_special {
        separated(out, ('{', '}'), pairs, |out, (key, value)| {
            out.add(&quoted(&text(key).unwrap_or_default()));
            out.add(":");
            write(out, value, home);
        });
        return;
    }
    out.add("{\"@map\":");
    separated(out, ('[', ']'), pairs, |out, (key, value)| {
        out.add("[");
        out.is_key = true;
        write(out, key, home);
        out.is_key = is_key;
        out.add(",");
        write(out, value, home);
        out.add("]");
    });
    out.add("}");
}

/// Returns the text of a key that is a binary of text or, unless it stands within another key, an atom.
fn key_text(key: Term<'_>, is_exact: bool) -> Option<String> {
    key.as_atom().filter(|_| !is_exact).map(atom_text).or_else(|| key.as_str().map(str::to_owned))
}

fn atom_text(atom: Atom<'_>) -> String {
    atom.chars().collect()
}

fn separated<T>(out: &mut Out, ends: (char, char), items: impl Iterator<Item = T>, mut each: impl FnMut(&mut Out, T)) {
    out.text.push(ends.0);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.text.push(',');
        }
        each(out, item);
    }
    out.text.push(ends.1);
}

/// Returns a JSON string, also without the characters that JSON lets pass and a terminal obeys.
fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for c in Value::from(text).to_string().chars() {
        if c.is_control() { shown += &format!("\\u{:04x}", u32::from(c)) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use beamless::parse_text;

    fn to_json(text: &str) -> String {
        let mut bytes = Vec::new();
        written(erlang(text, &mut bytes).unwrap(), "n@h")
    }

    fn to_erlang(json: &str) -> Result<String, String> {
        let mut bytes = Vec::new();
        read(json, &mut bytes).map(|term| term.to_string())
    }

    #[test]
    fn terms_are_printed_as_jason_prints_them() {
        for (erlang, json) in [
            ("21.5", "21.5"),
            ("1.0e22", "1.0e22"),
            ("-7", "-7"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("celsius", "\"celsius\""),
            ("[true,false,nil,null,undefined]", "[true,false,null,null,null]"),
            ("<<\"caf\u{e9}\\n\"/utf8>>", "\"caf\u{e9}\\n\""),
            ("<<>>", "\"\""),
            ("[]", "[]"),
            ("\"hi\"", "[104,105]"),
            ("#{a => #{}, <<\"b\">> => [x]}", "{\"a\":{},\"b\":[\"x\"]}"),
            ("{ok,{}}", "{\"@tuple\":[\"ok\",{\"@tuple\":[]}]}"),
            ("#{1 => 2}", "{\"@map\":[[1,2]]}"),
            ("#{a => 1, <<\"a\">> => 2}", "{\"@map\":[[{\"@atom\":\"a\"},1],[\"a\",2]]}"),
            ("#{'@atom' => a}", "{\"@map\":[[{\"@atom\":\"@atom\"},\"a\"]]}"),
            ("#{{nil,null,true} => null}", "{\"@map\":[[{\"@tuple\":[null,{\"@atom\":\"null\"},true]},null]]}"),
            ("#{#{a => b} => #{a => b}}", "{\"@map\":[[{\"@map\":[[{\"@atom\":\"a\"},{\"@atom\":\"b\"}]]},{\"a\":\"b\"}]]}"),
            ("#{<<\"@tuple\">> => 1}", "{\"@map\":[[\"@tuple\",1]]}"),
            ("<<255,0>>", "{\"@term\":\"<<255,0>>\"}"),
            ("<<1:3>>", "{\"@term\":\"<<1:3>>\"}"),
            ("[a|b]", "{\"@term\":\"[a|b]\"}"),
            ("fun lists:map/2", "{\"@term\":\"fun lists:map/2\"}"),
        ] {
            assert_eq!(to_json(erlang), json, "{erlang}");
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(
            quoted("\u{1b}[2J\u{7f}\u{9b}31m\n\u{e9}"),
            r#""\u001b[2J\u007f\u009b31m\n\u{e9}""#.replace("\\u{e9}", "\u{e9}")
        );
    }

    #[test]
    fn json_comes_back_as_it_was() {
        for json in [
            "null",
            "[true,false,null,0,-1,1.5,\"\",\"text\",[],{}]",
            "[[104,105],[[[]]]]",
            "{\"a\":{\"b\":[1,2]},\"c\":\"\\u0000\\\"\"}",
            "123456789012345678901234567890",
            "{\"@tuple\":[1,{\"@tuple\":[]}]}",
            "{\"@map\":[[1,\"one\"],[[],{}]]}",
            "{\"@map\":[[\"@map\",1]]}",
            "{\"@tuple\":[],\"more\":1}",
            "{\"@term\":\"<<255,0>>\"}",
        ] {
            let mut bytes = Vec::new();
            assert_eq!(written(read(json, &mut bytes).unwrap(), "n@h"), json);
        }
        assert_eq!(to_erlang("{\"@atom\":\"it's\"}").unwrap(), "'it\\'s'");
        assert_eq!(to_erlang("{\"@term\":\"{read, \\\"x\\\"}\"}").unwrap(), "{read,\"x\"}");
        assert_eq!(to_erlang("1E2").unwrap(), "100.0");
        assert!(parse_text("nil", &mut [0; 8]).unwrap().as_bytes() == read("null", &mut Vec::new()).unwrap().as_bytes());
    }

    /// What is compared of a map is short whatever is in it, or maps around it would make it long.
    #[test]
    fn a_large_term_within_many_maps_is_not_copied_for_each() {
        let text = format!("{}<<\"{}\">>{}", "#{#{a => 1} => ".repeat(100), "x".repeat(100_000), "}".repeat(100));
        let mut alike = String::new();
        add_alike(&mut alike, erlang(&text, &mut Vec::new()).unwrap()).unwrap();
        assert!(alike.len() < 30, "{}", alike.len());
    }

    /// Whatever keys a map has, among them those that look alike in JSON: what is printed is read, and printed the same.
    #[test]
    fn what_is_printed_can_be_read() {
        let mut seed = 1_u64;
        let (mut bytes, mut text) = (Vec::new(), String::new());
        for number in 0..4_000 {
            text.clear();
            any_term(&mut seed, 0, &mut text);
            bytes.clear();
            let printed = written(erlang(&text, &mut bytes).unwrap(), "n@h");
            let mut again = Vec::new();
            let read = read(&printed, &mut again).unwrap_or_else(|e| panic!("{number}: {text}: {printed}: {e}"));
            // but for the order of an object's keys
            assert_eq!(parse(&written(read, "n@h")), parse(&printed), "{number}: {text}");
        }
    }

    /// Writes some term, most likely a map, in which few leaves make many alike.
    fn any_term(seed: &mut u64, depth: u8, text: &mut String) {
        let mut draw = |most: u64| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) % most
        };
        const LEAVES: [&str; 19] = [
            "''",
            "<<>>",
            "\"\"",
            "0",
            "0.0",
            "-0.0",
            "a",
            "<<\"a\">>",
            "\"a\"",
            "nil",
            "null",
            "undefined",
            "<<\"nil\">>",
            "true",
            "<<\"true\">>",
            "<<255>>",
            "'@atom'",
            "<<\"@map\">>",
            "1.0e22",
        ];
        let leaf = |number: u64| LEAVES[usize::try_from(number).unwrap()];
        let kind = if depth == 3 { 9 } else { draw(10) };
        let (open, close, count) = match kind {
            0..=4 => ("#{", "}", draw(5)),
            5 => ("{", "}", draw(3)),
            6 => ("[", "]", draw(3)),
            _ => return text.push_str(leaf(draw(19))),
        };
        text.push_str(open);
        let mut keys: Vec<String> = Vec::new();
        for _ in 0..count {
            let mut item = String::new();
            any_term(seed, depth + 1, &mut item);
            if kind <= 4 {
                let mut alike = String::new();
                add_alike(&mut alike, erlang(&item, &mut Vec::new()).unwrap()).unwrap();
                if keys.contains(&alike) {
                    continue;
                }
                keys.push(alike);
                item.push_str(" => ");
                any_term(seed, depth + 1, &mut item);
            }
            if !text.ends_with(open) {
                text.push(',');
            }
            text.push_str(&item);
        }
        text.push_str(close);
    }

    /// As keys of one map, of which the text is alike.
    #[test]
    fn keys_that_differ_are_told_apart() {
        let keys = [
            "1",
            "1.0",
            "a",
            "<<\"a\">>",
            "\"a\"",
            "[]",
            "{}",
            "#{}",
            "<<>>",
            "[a]",
            "{a}",
            "[a|b]",
            "[a,b]",
            "[[a]|b]",
            "[[a,b]]",
            "[{a},b]",
            "[{a,b}]",
            "#{a => b}",
            "#{b => a}",
            "#{a => 1,b => 2}",
            "#{a => 2,b => 1}",
            "#{a => #{b => 1}}",
            "#{#{a => b} => 1}",
            "'[a,}}'",
            "<<1:1>>",
            "<<1:2>>",
            "fun a:b/1",
        ];
        let pairs: Vec<String> = keys.iter().map(|key| format!("[{{\"@term\":{key:?}}},1]")).collect();
        assert_eq!(
            to_erlang(&format!("{{\"@map\":[{}]}}", pairs.join(","))).map(|text| text.matches("=>").count()),
            Ok(keys.len() + 10)
        );
    }

    /// The time grows with the length of the text: keys of maps as keys of maps as keys of maps are written once.
    #[test]
    fn maps_as_keys_of_maps_are_read_as_deep_as_json_goes() {
        let deep = (0..41).fold("1".to_owned(), |key, _| format!("{{\"@map\":[[{key},1]]}}"));
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        let term = read(&deep, &mut bytes).unwrap();
        assert_eq!(written(read(&written(term, "n@h"), &mut again).unwrap(), "n@h"), deep);
        let (deepest, end) = ("[".repeat(1000), "]".repeat(1000));
        let list = format!("{{\"@map\":[[{{\"@term\":\"{deepest}{end}\"}},1]]}}");
        assert!(read(&list, &mut Vec::new()).is_ok());
    }

    /// However many long integers there are, few are decimal, and the work is bounded.
    #[test]
    fn few_long_integers_are_decimal() {
        let one = [&[111, 0, 0, 2, 0, 0][..], &[0x11; 512]].concat();
        let list = |count: u8| [&[108, 0, 0, 0, count][..], &one.repeat(count.into()), &[106]].concat();
        // of the last the tail is none, so that it is Erlang text
        let bytes = [&[131, 104, 2][..], &list(40), &list(40)[..list(40).len() - 1], &[97, 1]].concat();
        let text = written(Term::parse(&bytes).unwrap(), "n@h");
        assert_eq!(text.matches("16#").count(), 80 - 16, "{text}");
        let mut again = Vec::new();
        assert_eq!(read(&text, &mut again).unwrap().as_bytes(), &bytes[1..]);
    }

    #[test]
    fn what_has_no_term_is_told() {
        for (json, words) in [
            ("{\"a\":", "EOF"),
            ("1e999", "too large for a float"),
            ("{\"@tuple\":1}", "takes an array"),
            ("{\"@map\":[[1]]}", "[KEY, VALUE]"),
            ("{\"@map\":[[[97],1],[{\"@term\":\"\\\"a\\\"\"},2]]}", "twice"),
            (
                "{\"@map\":[[{\"@term\":\"#{a => 1,b => 2}\"},1],[{\"@term\":\"#{b => 2,a => 1}\"},2]]}",
                "has the key #{b => 2,a => 1} twice",
            ),
            ("[{\"a\":{\"@map\":[[0.0,1],[-0.0,2]]}}]", "has the key -0.0 twice"),
            (
                "{\"@map\":[[{\"@map\":[[1,2],[{\"@tuple\":[-0.0,[1]]},3]]},1],[{\"@map\":[[{\"@tuple\":[0.0,[1]]},3],[1,2]]},1]]}",
                "twice",
            ),
            ("{\"@map\":[[{\"@map\":[[{\"@map\":[[1,1],[1,1]]},1]]},1]]}", "has the key 1 twice"),
            ("{\"@atom\":1}", "takes a string"),
            ("{\"@term\":\"Foo\"}", "'Foo'"),
            ("[{\"@atom\":\"x\"},{\"@term\":\"<0.1.0>\"}]", "cannot be written as text"),
        ] {
            let e = to_erlang(json).unwrap_err();
            assert!(e.contains(words), "{json}: {e}");
        }
        assert!(to_erlang(&format!("{{\"@atom\":{:?}}}", "x".repeat(256))).unwrap_err().contains("255"));
        assert!(to_erlang(&"[".repeat(200)).unwrap_err().contains("recursion"));
    }
}

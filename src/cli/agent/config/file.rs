//! A TOML file, read value by value: each knows its key and its place, and so does every fault.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, Table};
use super::units;

/// The most faults that are told; whoever has more starts with these.
const MOST: usize = 10;
/// The most characters of a wrong value that are shown.
const SHOWN: usize = 60;

/// A fault, and its place in the file; one without a place is of the command line.
#[derive(Debug)]
pub(super) struct Fault {
    at: Option<usize>,
    why: String,
}

impl Fault {
    /// Makes a fault of an argument.
    pub(super) fn of_argument(why: String) -> Self {
        Self { at: None, why }
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    faults: Vec<Fault>,
    /// What is not there, and can be done without.
    missing: Vec<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Takes note of what is not there, and can be done without.
    pub(super) fn miss(&mut self, fault: Fault) {
        self.missing.push(fault);
    }

    /// Returns the value, or keeps its fault.
    pub(super) fn keep<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.add(fault)).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Returns a line for each thing that is not there, as [`Faults::into_lines`] has them.
    pub(super) fn missing(self, file: &str, text: &str) -> Vec<String> {
        Self { faults: self.missing, missing: Vec::new() }.into_lines(file, text)
    }

    /// Returns a line for each fault, `FILE:LINE:COLUMN: KEY: WHAT IS WRONG`, in the order of the file.
    pub(super) fn into_lines(mut self, file: &str, text: &str) -> Vec<String> {
        self.faults.sort_by_key(|fault| fault.at);
        let more = self.faults.len().saturating_sub(MOST);
        let line = |fault: Fault| match fault.at {
            Some(at) => format!("{}: {}", place(file, text, at), fault.why),
            None => fault.why,
        };
        let mut lines: Vec<String> = self.faults.into_iter().take(MOST).map(line).collect();
        if more > 0 {
            lines.push(format!("{file}: and {more} more faults"));
        }
        lines
    }
}

/// Returns `FILE:LINE:COLUMN`, both counted from one, the column in characters.
pub(super) fn place(file: &str, text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or("").chars().count().saturating_add(1);
    format!("{file}:{line}:{column}")
}

/// Parses the whole file.
pub(super) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Fault> {
    DeTable::parse(text).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        let what = text.get(span.clone()).map(shown).filter(|what| !what.trim().is_empty());
        let why = match (what, e.message()) {
            (Some(what), "duplicate key") => format!("{what}: it is there twice: leave one out"),
            (Some(what), _) if ["yes", "no", "on", "off", "True", "False", "TRUE", "FALSE"].contains(&&*what) => {
                format!("{what}: write true or false; or, if it is text, {what:?}")
            }
            (Some(what), why) if why.starts_with("string values must be quoted") => {
                format!("{what}: text needs quotes: {:?}", what.trim_matches(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']))
            }
            (_, why) if why.starts_with("invalid unquoted key") => {
                let key = shown(key_around(text, span.start));
                format!("{key}: a key with more than letters, digits, '-' and '_' needs quotes: {key:?}")
            }
            (_, why) if why.starts_with("unclosed table") && line_around(text, span.start).contains(']') => {
                format!("{why}; a name with more than letters, digits, '-' and '_' needs quotes: [mailbox.\"a name\"]")
            }
            (_, why) if why.starts_with("key with no value") && line_around(text, span.start).contains(':') => {
                format!("{why}: write sname = \"demo\", not sname: demo")
            }
            (Some(what), why) => format!("{what}: {why}"),
            (None, why) => why.to_owned(),
        };
        Fault { at: Some(span.start), why }
    })
}

/// Returns the line that this place is in.
fn line_around(text: &str, at: usize) -> &str {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |place| place.saturating_add(1));
    text.get(start..at.saturating_add(after.find('\n').unwrap_or(after.len()))).unwrap_or("")
}

/// Returns the key that was written around this place.
fn key_around(text: &str, at: usize) -> &str {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = before.rfind(['\n', ' ', '\t', '[', '{', ',', '.']).map_or(0, |place| place.saturating_add(1));
    let end = after.find(['\n', '\r', ' ', '\t', ']', '=']).unwrap_or(after.len());
    text.get(start..at.saturating_add(end)).unwrap_or("")
}

/// A table: the whole file, or what stands behind `[..]` or between braces.
pub(super) struct Section<'f> {
    path: String,
    at: usize,
    text: &'f str,
    table: &'f DeTable<'f>,
    /// The row of the table itself, and the keys that it has.
    key: Option<Key>,
    keys: Table,
}

impl<'f> Section<'f> {
    pub(super) fn whole(text: &'f str, table: &'f DeTable<'f>) -> Self {
        Self { path: String::new(), at: 0, text, table, key: None, keys: Table::of("") }
    }

    /// Returns the value of a key, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<Item<'f>> {
        let key = self.keys.key(name)?;
        let value = self.table.get(name)?;
        Some(self.item(name, value.span(), value, key))
    }

    /// Returns the value of a key that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Item<'f>, Fault> {
        self.get(name).ok_or_else(|| {
            let such = self.keys.key(name).map_or("..", Key::example);
            self.wrong(&format!("`{name}` is missing: write {name} = {such}"))
        })
    }

    /// Returns a time, or its default.
    pub(super) fn duration(&self, name: &str) -> Result<Duration, Fault> {
        self.get(name).map_or_else(|| Ok(self.keys.default(name, units::duration)), |item| item.duration())
    }

    /// Returns a whole number, or its default.
    pub(super) fn integer(&self, name: &str) -> Result<u64, Fault> {
        self.get(name).map_or_else(|| Ok(self.keys.default(name, units::digit_number)), |item| item.integer())
    }

    /// Returns a word, or its default.
    pub(super) fn word(&self, name: &str) -> Result<&'static str, Fault> {
        self.get(name).map_or_else(|| Ok(self.keys.default(name, Some)), |item| item.word())
    }

    /// Returns every key with its value, in the order of the file, whatever its name: for a table of tables that are alike.
    pub(super) fn entries(&self) -> Vec<(&'f str, Item<'f>)> {
        let Some(key) = self.key else { return Vec::new() };
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        entries.into_iter().map(|(name, value)| (&**name.get_ref(), self.item(name.get_ref(), name.span(), value, key))).collect()
    }

    fn item(&self, name: &str, span: Range<usize>, value: &'f Spanned<DeValue<'f>>, key: Key) -> Item<'f> {
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let name = if plain { name.to_owned() } else { format!("{name:?}") };
        let path = if self.path.is_empty() { name } else { format!("{}.{name}", self.path) };
        Item { path, at: span.start, text: self.text, value, key }
    }

    /// Makes a fault of the table as a whole.
    pub(super) fn wrong(&self, why: &str) -> Fault {
        let why = if self.path.is_empty() { why.to_owned() } else { format!("{}: {why}", self.path) };
        Fault { at: Some(self.at), why }
    }

    /// Refuses the keys that do not exist.
    pub(super) fn finish(self, faults: &mut Faults) {
        let known: Vec<&'static str> = self.keys.keys().map(Key::name).collect();
        let is_of_top = |name: &str| Table::of("").key(name).is_some_and(|key| !key.is_table());
        for (key, value) in self.table {
            let key_text = &**key.get_ref();
            if known.contains(&key_text) {
                continue;
            }
            let place = if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) };
            let hint = if key_text == "cookie" {
                "a cookie stands in a file of its own, which `cookie_file` names".to_owned()
            } else if is_of_top(key_text) && !value.get_ref().is_table() {
                format!("`{key_text}` belongs to the top, above the first line in brackets")
            } else if let Some(near) = nearest(key_text, &known) {
                format!("did you mean `{near}`?")
            } else if value.get_ref().is_table() && !self.path.is_empty() {
                let table = self.path.split('.').next().unwrap_or("");
                format!("a name with a dot needs quotes, as in [{table}.\"a.b\"]")
            } else {
                format!("the keys are {}", known.join(", "))
            };
            faults.add(Fault { at: Some(key.span().start), why: format!("unknown key `{}`{place}: {hint}", shown(key_text)) });
        }
    }
}

/// Returns the known key that is like this one.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let (distance, near) = known.iter().map(|near| (distance(key, near), *near)).min()?;
    (distance <= 2 && distance < near.len()).then_some(near)
}

/// Counts the characters to be put in, taken out or changed to make one word another (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut left = i.saturating_add(1);
        let mut next = vec![left];
        for (d, (diagonal, above)) in b.chars().zip(row.iter().zip(row.iter().skip(1))) {
            left = diagonal.saturating_add(usize::from(c != d)).min(above.saturating_add(1)).min(left.saturating_add(1));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// A value, with its key and its place.
#[derive(Clone)]
pub(super) struct Item<'f> {
    path: String,
    at: usize,
    text: &'f str,
    value: &'f Spanned<DeValue<'f>>,
    key: Key,
}

impl<'f> Item<'f> {
    /// Makes a fault of the value.
    pub(super) fn wrong(&self, why: impl std::fmt::Display) -> Fault {
        let value = match self.value.get_ref() {
            DeValue::Table(_) => String::new(),
            _ => format!(": {}", shown(self.text.get(self.value.span()).unwrap_or(""))),
        };
        Fault { at: Some(self.at), why: format!("{}{value}: {why}", self.path) }
    }

    pub(super) fn text(&self) -> Result<&'f str, Fault> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong("text is needed, in quotes"))
    }

    /// Reads text that is an atom's: 1 to 255 bytes.
    pub(super) fn name(&self) -> Result<String, Fault> {
        let text = self.text()?;
        if text.is_empty() || text.len() > 255 {
            return Err(self.wrong("a name has 1 to 255 bytes"));
        }
        Ok(text.to_owned())
    }

    pub(super) fn switch(&self) -> Result<bool, Fault> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong("write true or false, without quotes"))
    }

    /// Reads one of the words that the value may be.
    pub(super) fn word(&self) -> Result<&'static str, Fault> {
        let words = || self.key.words().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let text = self.value.get_ref().as_str();
        self.key.words().find(|word| Some(*word) == text).ok_or_else(|| self.wrong(format!("write one of {}", words())))
    }

    pub(super) fn integer(&self) -> Result<u64, Fault> {
        let range = self.key.range(units::digit_number);
        self.whole_number().filter(|number| range.contains(number)).ok_or_else(|| {
            self.wrong(format!("a whole number from {} to {} is needed, without quotes", range.start(), range.end()))
        })
    }

    fn whole_number(&self) -> Option<u64> {
        let integer = self.value.get_ref().as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// Reads a number, with or without a fraction.
    pub(super) fn number(&self) -> Result<f64, Fault> {
        let number = match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
            _ => None,
        };
        number.filter(|number: &f64| number.is_finite()).ok_or_else(|| self.wrong("a number is needed, without quotes"))
    }

    /// Reads a time, such as `"500ms"`.
    pub(super) fn duration(&self) -> Result<Duration, Fault> {
        let range = self.key.range(units::duration);
        let form = || self.wrong("a time is a number and its unit, in quotes: \"500ms\", \"10s\", \"5m\", \"1h\"");
        let duration = units::duration(self.value.get_ref().as_str().ok_or_else(form)?).ok_or_else(form)?;
        if !range.contains(&duration) {
            let (from, to) = (units::Time(*range.start()), units::Time(*range.end()));
            return Err(self.wrong(format!("it is from \"{from}\" to \"{to}\"")));
        }
        Ok(duration)
    }

    /// Reads an amount of memory, in bytes or such as `"16KiB"`.
    pub(super) fn bytes(&self) -> Result<u64, Fault> {
        let range = self.key.range(units::bytes);
        let given = self.value.get_ref().as_str().map_or_else(|| self.whole_number(), units::bytes);
        let bytes = given.ok_or_else(|| self.wrong("a size is a number of bytes, such as 16384, or \"16KiB\", \"1MiB\""))?;
        if !range.contains(&bytes) {
            return Err(self.wrong(format!("it is from {} to {}", units::Size(*range.start()), units::Size(*range.end()))));
        }
        Ok(bytes)
    }

    /// Reads a list, each of whose items stands for itself.
    pub(super) fn list(&self) -> Result<Vec<Item<'f>>, Fault> {
        let list =
            self.value.get_ref().as_array().ok_or_else(|| self.wrong("a list is needed, in brackets: [\"..\", \"..\"]"))?;
        Ok(list
            .iter()
            .map(|value| Item { path: self.path.clone(), at: value.span().start, text: self.text, value, key: self.key })
            .collect())
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Returns true if it is a list with nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.value.get_ref().as_array().is_some_and(|list| list.is_empty())
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// Returns the text that the value is, to guess what was meant.
    pub(super) fn as_text(&self) -> Option<&'f str> {
        self.value.get_ref().as_str()
    }

    pub(super) fn section(&self) -> Result<Section<'f>, Fault> {
        match self.value.get_ref() {
            DeValue::Table(table) => {
                let keys = Table::of(self.key.example());
                Ok(Section { path: self.path.clone(), at: self.at, text: self.text, table, key: Some(self.key), keys })
            }
            _ => Err(self.wrong(format!("this is a table: put {} on a line, and its keys below", self.key.example()))),
        }
    }
}

/// Returns as much of a text as fits a line.
fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", line.get(..end).unwrap_or("")),
        None if line.len() < text.len() => format!("{line}.."),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_like_another_is_found() {
        let known = ["connect", "cookie_file", "epmd", "name", "to"];
        for (key, near) in [
            ("conect", Some("connect")),
            ("connects", Some("connect")),
            ("cookie-file", Some("cookie_file")),
            ("nmae", Some("name")),
            ("something", None),
            ("x", None),
        ] {
            assert_eq!(nearest(key, &known), near, "{key}");
        }
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }

    #[test]
    fn a_place_is_counted_in_characters() {
        let text = "a = 1\nü = 2 x";
        assert_eq!(place("f", text, 0), "f:1:1");
        assert_eq!(place("f", text, text.find('x').unwrap()), "f:2:7");
        assert_eq!(place("f", text, text.len() + 9), "f:2:8");
    }
}

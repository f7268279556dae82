//! The house stands: every file of `src` lies on a floor, imports from its own floor and from those below, and from none above.
//!
//! The reader of Rust in here knows no more than it needs: it drops comments, literals and tests, and takes every path that begins
//! with `crate`, `super`, `self` or the crate's own name, in `use` declarations and anywhere else. What would hide where a name comes
//! from, such as importing it from the root of the crate, is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected has failed, and a panic is how it says so"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules right below the root, each with its floor; counted from the ground up.
const FLOORS: &[(&str, u8)] = &[
    ("error", 0),
    ("time", 0),
    ("wire", 1),
    ("storage", 1),
    ("proto", 2),
    ("node", 3),
    ("driver", DRIVER),
    ("cli", ROOF),
    ("main", ROOF),
    ("bin", ROOF),
];
const DRIVER: u8 = 4;
const ROOF: u8 = 5;
const MAX_LINES: usize = 700;
const CRATE_NAME: &str = "beamless";

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

// --- the checks -------------------------------------------------------------------------------------------------------------

#[test]
fn every_file_lies_on_a_floor() {
    let homeless: Vec<String> =
        sources().iter().filter(|file| !file.is_root() && file.floor().is_none()).map(|file| file.shown.clone()).collect();
    assert!(homeless.is_empty(), "give these a floor in FLOORS: {homeless:?}");
}

#[test]
fn nothing_is_imported_from_a_floor_above() {
    let files = sources();
    for (module, _) in FLOORS.iter().filter(|(_, floor)| *floor <= DRIVER) {
        assert!(
            files.iter().any(|file| file.module.first().is_some_and(|m| m == module)),
            "no file on {module}: is this the right place?"
        );
    }
    report(files.iter().flat_map(climbs));
}

#[test]
fn the_tool_is_written_on_the_public_names() {
    report(sources().iter().flat_map(private_passages));
}

#[test]
fn the_core_does_not_touch_the_world() {
    report(sources().iter().flat_map(world_in_the_core));
}

#[test]
fn no_file_is_too_long() {
    let long =
        |file: &Source| (file.lines > MAX_LINES).then(|| format!("{}: {} lines without its tests", file.shown, file.lines));
    report(sources().iter().filter_map(long));
}

fn report(faults: impl Iterator<Item = String>) {
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What a file of the library imports from above, or so that one cannot tell.
fn climbs(file: &Source) -> Vec<String> {
    let Some(own) = file.floor().filter(|floor| *floor < ROOF) else { return Vec::new() };
    let mut faults = Vec::new();
    for path in file.paths() {
        let fault = match path.absolute.first() {
            None => "takes a name from the root of the crate, which hides its floor",
            Some(module) => match floor(module) {
                None => "takes a name from the root of the crate, which hides its floor",
                Some(floor) if floor > own => "climbs",
                Some(_) => continue,
            },
        };
        faults.push(format!("{}:{}: {} {fault}", file.shown, path.line, path.written));
    }
    faults
}

/// Where a file of the tool goes round the public names of the library.
fn private_passages(file: &Source) -> Vec<String> {
    if file.floor() != Some(ROOF) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for path in file.paths().into_iter().filter(|path| !path.written.starts_with(CRATE_NAME)) {
        if path.absolute.first().and_then(|module| floor(module)).is_some_and(|floor| floor < ROOF) {
            faults.push(format!("{}:{}: {} is the library's: use {CRATE_NAME}::", file.shown, path.line, path.written));
        }
    }
    for (i, token) in file.tokens.iter().enumerate() {
        let taken_in = token.is("mod") && file.word(i + 1).and_then(floor).is_some_and(|floor| floor < ROOF);
        // `#[path = ..]` can give a file of the library any name.
        let renamed = token.is("path") && i > 0 && file.tokens[i - 1].is("[");
        if taken_in || renamed {
            faults.push(format!("{}:{}: takes in a file of the library", file.shown, token.line));
        }
    }
    faults
}

/// Where a file below the driver reads a clock, draws randomness, opens a socket or allocates.
fn world_in_the_core(file: &Source) -> Vec<String> {
    if file.floor().is_none_or(|floor| floor >= DRIVER) {
        return Vec::new();
    }
    // All errors stand in one file, and one of them carries what the operating system said.
    let excused = if file.module == ["error"] { "feature" } else { "test" };
    let tokens = &without(&file.tokens, excused).0;
    let mut faults = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let leads_a_path = tokens.get(i + 1).is_some_and(|next| next.is("::"));
        let declared = i > 0 && tokens[i - 1].is("crate");
        let found = match token.text.as_str() {
            "std" | "alloc" => (leads_a_path && !(i > 0 && tokens[i - 1].is("::"))) || declared,
            "SystemTime" | "getrandom" | "mio" => true,
            "now" => i > 1 && tokens[i - 1].is("::") && tokens[i - 2].is("Instant"),
            _ => false,
        };
        if found {
            faults.push(format!("{}:{}: `{}` below the driver", file.shown, token.line, token.text));
        }
    }
    faults
}

// --- a file -----------------------------------------------------------------------------------------------------------------

struct Source {
    /// The path below the root of the repository.
    shown: String,
    /// The module path: `src/wire/term.rs` and `src/wire/term/mod.rs` are both `wire, term`.
    module: Vec<String>,
    /// Without comments, literals and tests.
    tokens: Vec<Token>,
    /// How many lines are no tests.
    lines: usize,
    /// The modules declared for tests alone.
    test_modules: Vec<String>,
}

/// A path that begins at a known place.
struct Reference {
    written: String,
    /// From the root of the crate on.
    absolute: Vec<String>,
    line: usize,
}

impl Source {
    fn new(shown: &str, text: &str) -> Self {
        let module = shown.trim_start_matches("src/").trim_end_matches(".rs").split('/').map(str::to_owned);
        let mut module: Vec<String> = module.collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let (tokens, test_lines, test_modules) = without(&tokens(text), "test");
        Self { shown: shown.to_owned(), module, tokens, lines: text.lines().count() - test_lines, test_modules }
    }

    /// `lib.rs` is the door: it names what is public, from every floor.
    fn is_root(&self) -> bool {
        self.shown == "src/lib.rs"
    }

    fn floor(&self) -> Option<u8> {
        self.module.first().and_then(|module| floor(module))
    }

    fn word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).map(|token| token.text.as_str())
    }

    /// Every path in the file that begins with `crate`, `super`, `self` or the crate's name.
    fn paths(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        // The inline modules around the current token, each with the depth of braces at its beginning.
        let mut inside: Vec<(String, usize)> = Vec::new();
        let mut depth = 0;
        for (i, token) in self.tokens.iter().enumerate() {
            match token.text.as_str() {
                "{" => {
                    if i >= 2 && self.tokens[i - 2].is("mod") {
                        inside.push((self.tokens[i - 1].text.clone(), depth));
                    }
                    depth += 1;
                }
                "}" => {
                    depth -= 1;
                    if inside.last().is_some_and(|(_, begin)| *begin == depth) {
                        inside.pop();
                    }
                }
                "crate" | "super" | "self" | CRATE_NAME => {
                    let begins = i == 0 || !self.tokens[i - 1].is("::");
                    // `use crate as root`, `extern crate self as x`, and `pub(crate)` or plain `self`, which are no paths
                    let follows = self.word(i + 1).unwrap_or_default();
                    if begins && (follows == "::" || (follows == "as" && token.text != "self" && token.text != CRATE_NAME)) {
                        let module: Vec<&str> =
                            self.module.iter().map(String::as_str).chain(inside.iter().map(|(name, _)| name.as_str())).collect();
                        let mut tails = Vec::new();
                        tree(&self.tokens, i, &mut Vec::new(), &mut tails);
                        found.extend(tails.into_iter().map(|written| Reference {
                            absolute: absolute(&written, &module),
                            written: written.join("::"),
                            line: token.line,
                        }));
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// Collects the paths of a `use` tree (a plain path is one, too) that begins at `at`; returns where it ends.
fn tree(tokens: &[Token], mut at: usize, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let length = before.len();
    loop {
        match tokens.get(at) {
            Some(token) if token.is("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| !token.is("}")) {
                    at = tree(tokens, at, before, found).max(at + 1);
                    while tokens.get(at).is_some_and(|token| !token.is(",") && !token.is("}")) {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token.is(",")));
                }
                before.truncate(length);
                return at + 1;
            }
            Some(token) if token.is_word() || token.is("*") => before.push(token.text.clone()),
            // `::<T>` ends what matters
            _ => break,
        }
        at += 1;
        if !tokens.get(at).is_some_and(|token| token.is("::")) {
            break;
        }
        at += 1;
    }
    found.push(before.clone());
    before.truncate(length);
    at
}

/// The path from the root of the crate, for one written in `module`.
fn absolute(written: &[String], module: &[&str]) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for (i, segment) in written.iter().enumerate() {
        match (i, segment.as_str()) {
            (0, "crate" | CRATE_NAME) => {}
            (0, "self") => path = module.iter().map(|s| (*s).to_owned()).collect(),
            (0, "super") => path = module.iter().take(module.len().saturating_sub(1)).map(|s| (*s).to_owned()).collect(),
            (_, "super") => drop(path.pop()),
            (_, "self") => {}
            _ => path.push(segment.clone()),
        }
    }
    path
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let shown = path.strip_prefix(root).unwrap().to_str().unwrap();
        Source::new(shown, &fs::read_to_string(path).unwrap())
    };
    let mut files: Vec<Source> = paths.iter().map(read).collect();
    assert!(!files.is_empty());
    let tests: Vec<Vec<String>> = files
        .iter()
        .flat_map(|file| {
            let parent = if file.is_root() { &[][..] } else { &file.module[..] };
            file.test_modules.iter().map(move |name| [parent, std::slice::from_ref(name)].concat())
        })
        .collect();
    // A file that is a test module is a test altogether.
    files.retain(|file| !tests.iter().any(|test| file.module.starts_with(test)));
    files
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

// --- a little Rust ----------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.text == text
    }

    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Words, `::` and single characters; no comments, literals and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut i, mut line, mut found) = (0, 1, Vec::new());
    while i < chars.len() {
        let begin = i;
        match at(i) {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            '/' if at(i + 1) == '*' => i = end_of_comment(&chars, i),
            '"' => i = end_of_string(&chars, i),
            '\'' => i = end_of_quote(&chars, i),
            c if is_word(c) => {
                let end = i + chars[i..].iter().take_while(|c| is_word(**c)).count();
                let word: String = chars[i..end].iter().collect();
                let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
                i = match word.as_str() {
                    "r" | "br" | "cr" if at(end + hashes) == '"' => end_of_raw_string(&chars, end + hashes, hashes),
                    "b" | "c" if at(end) == '"' => end_of_string(&chars, end),
                    "b" if at(end) == '\'' => end_of_quote(&chars, end),
                    _ => {
                        if !c.is_numeric() {
                            found.push(Token { text: word, line });
                        }
                        end
                    }
                };
            }
            ':' if at(i + 1) == ':' => {
                found.push(Token { text: "::".to_owned(), line });
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token { text: c.to_string(), line });
                }
                i += 1;
            }
        }
        line += chars[begin..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn end_of_comment(chars: &[char], begin: usize) -> usize {
    let (mut i, mut depth) = (begin, 0);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) if depth == 1 => return i + 2,
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    i
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_string(chars: &[char], quote: usize, hashes: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && !(chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes) {
        i += 1;
    }
    i + 1 + hashes
}

/// A character, or a lifetime: that one has no second quote behind its first character.
fn end_of_quote(chars: &[char], quote: usize) -> usize {
    match (chars.get(quote + 1), chars.get(quote + 2)) {
        (Some('\\'), _) => quote + 4 + chars[(quote + 3).min(chars.len())..].iter().take_while(|c| **c != '\'').count(),
        (_, Some('\'')) => quote + 3,
        _ => quote + 1 + chars[quote + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
    }
}

/// Takes out every item that is there under a `cfg` that names `condition`. Also says how many lines those have, and which modules of
/// other files they declare.
fn without(tokens: &[Token], condition: &str) -> (Vec<Token>, usize, Vec<String>) {
    let (mut kept, mut lines, mut modules) = (Vec::new(), 0, Vec::new());
    let mut i = 0;
    while i < tokens.len() {
        if is_condition(&tokens[i..], condition) {
            let end = end_of_item(tokens, i);
            lines += tokens[end - 1].line - tokens[i].line + 1;
            let declared = tokens[i..end].windows(3).find(|three| three[0].is("mod") && three[2].is(";"));
            modules.extend(declared.map(|three| three[1].text.clone()));
            i = end;
        } else {
            kept.push(tokens[i].clone());
            i += 1;
        }
    }
    (kept, lines, modules)
}

/// `#[cfg(test)]`, `#[cfg(any(test, ..))]`, `#[cfg(all(test, ..))]`, and not `#[cfg(not(test))]`.
fn is_condition(tokens: &[Token], condition: &str) -> bool {
    let begins = ["#", "[", "cfg", "("].iter().zip(tokens).filter(|(want, token)| token.is(want)).count() == 4;
    let has = |word| tokens.iter().take_while(|token| !token.is("]")).any(|token| token.is(word));
    begins && has(condition) && !has("not")
}

/// Behind the attributes at `at` and the item that they stand on.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    const ITEMS: &str = "fn mod impl struct enum use const static trait type pub extern macro_rules unsafe";
    let mut i = at;
    while tokens.get(i).is_some_and(|token| token.is("#")) {
        i = end_of_brackets(tokens, i + 1);
    }
    let is_item = tokens.get(i).is_some_and(|token| ITEMS.split(' ').any(|word| token.is(word)));
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            "{" => return end_of_brackets(tokens, i),
            "(" | "[" => i = end_of_brackets(tokens, i),
            ";" => return i + 1,
            // a field, a variant, an arm
            "," if !is_item => return i + 1,
            "}" | ")" | "]" => return i,
            _ => i += 1,
        }
    }
    tokens.len()
}

/// Behind the bracket that closes the one at `at`.
fn end_of_brackets(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

// --- do the checks find what they are there for? ----------------------------------------------------------------------------

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(shown: &str, text: &str) -> usize {
        climbs(&Source::new(shown, text)).len()
    }

    #[test]
    fn an_import_from_above_is_found() {
        for text in [
            "use crate::node::Node;",
            "use crate::{error::Error, node};",
            "use crate::{wire::{ids, term}, driver::{Driver}};",
            "use {crate::node::Node};",
            "use super::super::node::Node;",
            "use super::super::{error, proto::link};",
            "fn f() { crate::proto::link::tick() }",
            "fn f(x: &crate::node::Node) {}",
            "fn f() -> Vec<super::super::node::Node> {}",
            "use beamless::driver::Driver;",
            "mod inner { use super::super::super::node::Node; }",
            "pub(crate) use crate::node::config as harmless;",
            "macro_rules! m { () => { $crate::node::x() } }",
            "const C: char = '\"'; use crate::node::Node; const D: char = '\"';",
            "fn f<'a>(x: &'a str) { use crate::node::Node; let _ = 'x'; }",
            "#[cfg(not(test))] use crate::node::Node;",
            "#[cfg(test)] mod tests { } use crate::node::Node;",
        ] {
            assert_eq!(faults("src/wire/term.rs", text), 1, "{text}");
        }
        assert_eq!(faults("src/wire/mod.rs", "use super::node::Node;"), 1);
        assert_eq!(faults("src/error.rs", "use crate::wire::ids; use super::storage::Ring;"), 2);
        assert_eq!(faults("src/proto/link.rs", "use crate::{node::a, driver::b, wire::c};"), 2);
        assert_eq!(faults("src/driver/mod.rs", "use crate::cli::x;"), 1);
    }

    #[test]
    fn a_name_from_the_root_is_found() {
        for text in ["use crate::Node;", "use crate::*;", "use super::super::*;", "use crate as root;", "use super::super as up;"]
        {
            assert_eq!(faults("src/wire/term.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn an_import_from_below_is_none() {
        for text in [
            "use crate::wire::ids::Atom;",
            "use crate::storage::ring;",
            "use super::ids; use self::inner::X; use super::super::error::Error;",
            "use core::fmt; use heapless::Vec; pub(crate) fn f(self) {} pub(in crate::wire) struct S;",
            "// use crate::node::Node;\n/* use crate::node; /* nested */ crate::driver::x */ /// [`crate::node::Node`]",
            "const S: &str = \"use crate::node::Node;\"; const R: &str = r#\"crate::node::\"Node\"\"#; const B: &[u8] = b\"crate::node::x\";",
            "#[cfg(test)] mod tests { use crate::node::Node; }",
            "#[cfg(test)] use crate::node::{Node, Other};",
            "#[cfg(any(test, feature = \"fuzz\"))] #[allow(dead_code)] pub fn fuzz<A, B>(x: &[u8]) { crate::node::x() }",
            "struct S { #[cfg(test)] x: crate::node::Node, y: u8 }",
            "mod inner { use super::super::super::error::Error; use super::ids; }",
        ] {
            assert_eq!(faults("src/wire/term.rs", text), 0, "{text}");
        }
        assert_eq!(faults("src/driver/mod.rs", "use crate::{node::Node, proto::link, wire::ids, error::Error};"), 0);
        assert_eq!(faults("src/lib.rs", "pub use node::Node; pub use crate::driver::Driver;"), 0);
    }

    #[test]
    fn the_line_of_a_fault_is_named() {
        let file = Source::new("src/wire/term.rs", "//! x\n\n/* a\nb */\nconst S: &str = \"a\n\";\nuse crate::node::Node;\n");
        assert_eq!(climbs(&file), ["src/wire/term.rs:7: crate::node::Node climbs"]);
    }

    #[test]
    fn a_passage_from_the_roof_is_found() {
        let faults = |text| private_passages(&Source::new("src/main.rs", text)).len();
        assert_eq!(faults("mod wire; fn main() {}"), 1);
        assert_eq!(faults("#[path = \"node/mod.rs\"] mod own; fn main() {}"), 1);
        assert_eq!(faults("use crate::node::Node;"), 1);
        assert_eq!(faults("mod cli; use beamless::Node; use crate::cli::run; use beamless::node::Config;"), 0);
        assert_eq!(private_passages(&Source::new("src/cli/run.rs", "use super::super::driver::Driver;")).len(), 1);
    }

    #[test]
    fn the_world_is_found_in_the_core() {
        let faults = |text| world_in_the_core(&Source::new("src/proto/link.rs", text)).len();
        assert_eq!(faults("use std::time::Duration;"), 1);
        assert_eq!(faults("fn f() { let t = Instant::now(); }"), 1);
        assert_eq!(faults("use mio::Poll; fn f() { getrandom::fill(&mut x); } extern crate std; extern crate alloc;"), 4);
        assert_eq!(faults("use core::time::Duration; use crate::time::Instant; fn f(now: Instant) {} // std::"), 0);
        assert_eq!(faults("#[cfg(test)] mod tests { use std::vec::Vec; } #[cfg(feature = \"std\")] use core::error::Error;"), 0);
        let error = "#[cfg(feature = \"std\")] struct E { x: std::io::Error } fn f() -> std::io::Error {}";
        assert_eq!(world_in_the_core(&Source::new("src/error.rs", error)).len(), 1);
        assert!(world_in_the_core(&Source::new("src/driver/mod.rs", "use std::io; use mio::Poll;")).is_empty());
    }

    #[test]
    fn lines_are_counted_without_tests() {
        let text = "fn f() {}\n// comment\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn g() {}\n}\n";
        assert_eq!(Source::new("src/time.rs", text).lines, 3);
        let file = Source::new("src/node/mod.rs", "#[cfg(test)]\nmod tests;\nmod a;\n");
        assert_eq!((file.lines, file.test_modules), (1, vec!["tests".to_owned()]));
    }
}

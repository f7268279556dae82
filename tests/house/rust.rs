//! A little Rust: the files of `src`, and the paths in them.
//!
//! The reader knows no more than it needs: it drops comments, literals and tests, and takes every path that begins with `crate`, `super`,
//! `self` or the crate's own name, in `use` declarations and anywhere else. What would hide where a name comes from, such as importing it
//! from the root of the crate, is refused.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CRATE_NAME, floor};

pub(super) struct Source {
    /// The path below the root of the repository.
    pub(super) shown: String,
    /// The module path: `src/wire/term.rs` and `src/wire/term/mod.rs` are both `wire, term`.
    pub(super) module: Vec<String>,
    /// Without comments, literals and tests.
    pub(super) tokens: Vec<Token>,
    /// How many lines are no tests.
    pub(super) lines: usize,
    /// The modules declared for tests alone.
    pub(super) test_modules: Vec<String>,
}

/// A path that begins at a known place.
pub(super) struct Reference {
    pub(super) written: String,
    /// From the root of the crate on.
    pub(super) absolute: Vec<String>,
    pub(super) line: usize,
}

impl Source {
    pub(super) fn new(shown: &str, text: &str) -> Self {
        let module = shown.trim_start_matches("src/").trim_end_matches(".rs").split('/').map(str::to_owned);
        let mut module: Vec<String> = module.collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let (tokens, test_lines, test_modules) = without(&tokens(text), "test");
        Self { shown: shown.to_owned(), module, tokens, lines: text.lines().count() - test_lines, test_modules }
    }

    /// `lib.rs` is the door: it names what is public, from every floor.
    pub(super) fn is_root(&self) -> bool {
        self.shown == "src/lib.rs"
    }

    pub(super) fn floor(&self) -> Option<u8> {
        self.module.first().and_then(|module| floor(module))
    }

    pub(super) fn word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).map(|token| token.text.as_str())
    }

    /// Every path in the file that begins with `crate`, `super`, `self` or the crate's name.
    pub(super) fn paths(&self) -> Vec<Reference> {
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
                    // the place in `pub(in crate::node)` is not what a file leans on
                    let is_place = i > 1 && self.tokens[i - 1].is("in") && self.tokens[i - 2].is("(");
                    let begins = !is_place && (i == 0 || !self.tokens[i - 1].is("::"));
                    // `use crate as root`, `extern crate self as x`, and `pub(crate)` or plain `self`, which are no paths
                    let follows = self.word(i + 1).unwrap_or_default();
                    if begins && (follows == "::" || (follows == "as" && token.text != "self" && token.text != CRATE_NAME)) {
                        let module: Vec<&str> =
                            self.module.iter().map(String::as_str).chain(inside.iter().map(|(name, _)| name.as_str())).collect();
                        let mut tails = Vec::new();
                        tree(&self.tokens, i, &mut Vec::new(), &mut tails);
                        found.extend(tails.into_iter().map(|Named { path, .. }| Reference {
                            absolute: absolute(&path, &module),
                            written: path.join("::"),
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

/// A path, and the name it gives to what it leads to.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    pub(super) name: String,
}

/// Collects the paths of a `use` tree (a plain path is one, too) that begins at `at`; returns where it ends.
pub(super) fn tree(tokens: &[Token], mut at: usize, before: &mut Vec<String>, found: &mut Vec<Named>) -> usize {
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
    let alias = tokens.get(at).filter(|token| token.is("as")).and(tokens.get(at + 1)).map(|token| token.text.clone());
    found.push(Named {
        name: alias.or_else(|| before.iter().rfind(|word| *word != "self").cloned()).unwrap_or_default(),
        path: before.clone(),
    });
    before.truncate(length);
    at
}

/// The path from the root of the crate, for one written in `module`.
pub(super) fn absolute(written: &[String], module: &[&str]) -> Vec<String> {
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

pub(super) fn sources() -> Vec<Source> {
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
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Words, `::` and single characters; no comments, literals and lifetimes.
pub(super) fn tokens(text: &str) -> Vec<Token> {
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
pub(super) fn without(tokens: &[Token], condition: &str) -> (Vec<Token>, usize, Vec<String>) {
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
pub(super) fn end_of_brackets(tokens: &[Token], at: usize) -> usize {
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

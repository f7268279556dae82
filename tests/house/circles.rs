//! Circles: files that lean on each other, so that none of them can be understood, or moved, without the others.
//!
//! A file leans on the one that *defines* what it names. A module that declares its children and names what they define again stands
//! between nobody: a path through it leads on to the child. So a parent may use what its children define, and a child may not use what
//! such a parent defines.
//!
//! A type may have its methods in several files. One that calls a method of its own type (`self.f()`, `Self::f()`) leans on the file in
//! which that is written. Calls through other values are not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::rust::{Named, Source, Token, absolute, end_of_brackets, tree};

/// Every circle, as the files in it and one way round.
pub(super) fn circles(files: &[Source]) -> Vec<String> {
    let house = House::new(files);
    let leans: Vec<BTreeMap<usize, String>> = (0..files.len()).map(|file| house.leans(file)).collect();
    let reach: Vec<BTreeSet<usize>> = (0..files.len()).map(|file| reached(&leans, file)).collect();
    let mut found = Vec::new();
    for file in 0..files.len() {
        let circle: Vec<usize> = reach[file].iter().copied().filter(|other| reach[*other].contains(&file)).collect();
        if circle.first() == Some(&file) {
            found.push(describe(files, &leans, &circle));
        }
    }
    found
}

/// All files that a file leans on in the end: itself, too, if it is in a circle.
fn reached(leans: &[BTreeMap<usize, String>], file: usize) -> BTreeSet<usize> {
    let (mut found, mut open) = (BTreeSet::new(), vec![file]);
    while let Some(next) = open.pop() {
        open.extend(leans[next].keys().filter(|other| found.insert(**other)));
    }
    found
}

fn describe(files: &[Source], leans: &[BTreeMap<usize, String>], circle: &[usize]) -> String {
    let names: Vec<&str> = circle.iter().map(|file| files[*file].shown.as_str()).collect();
    let mut text = format!("{}: a circle of {} files", names[0], names.len());
    if names.len() > 2 {
        text += &format!(": {}", names.join(", "));
    }
    let mut from = circle[0];
    for to in way_round(leans, circle[0]) {
        text += &format!("\n    {} leans on {}: {}", files[from].shown, files[to].shown, leans[from][&to]);
        from = to;
    }
    text
}

/// A shortest way from a file back to itself.
fn way_round(leans: &[BTreeMap<usize, String>], file: usize) -> Vec<usize> {
    let mut ways = vec![vec![file]];
    let mut seen = BTreeSet::new();
    loop {
        let mut longer = Vec::new();
        for way in &ways {
            for next in leans[way[way.len() - 1]].keys() {
                let way = [&way[..], &[*next]].concat();
                if *next == file {
                    return way[1..].to_vec();
                }
                if seen.insert(*next) {
                    longer.push(way);
                }
            }
        }
        assert!(!longer.is_empty(), "no way round");
        ways = longer;
    }
}

/// What stands in a file, as far as it matters here.
struct Contents {
    /// The names of its items.
    items: BTreeSet<String>,
    /// It has nothing of its own: no items and no methods.
    is_facade: bool,
    /// What each name that it takes in stands for, from the root of the crate on; its children are among them.
    names: BTreeMap<String, Vec<String>>,
    /// The modules all of whose names it takes in, each with a `*` behind it.
    globs: Vec<Vec<String>>,
    /// Every path that leads somewhere in the crate, with its line.
    paths: Vec<(Vec<String>, String)>,
    /// The methods it has, each with its type.
    methods: BTreeSet<(String, String)>,
    /// The methods that those call on their own type, with the line.
    calls: Vec<((String, String), String)>,
}

struct House<'f> {
    files: &'f [Source],
    modules: BTreeMap<&'f [String], usize>,
    contents: Vec<Contents>,
}

impl<'f> House<'f> {
    fn new(files: &'f [Source]) -> Self {
        let modules =
            files.iter().enumerate().map(|(i, file)| (if file.is_root() { &[][..] } else { &file.module[..] }, i)).collect();
        Self { files, modules, contents: files.iter().map(Contents::of).collect() }
    }

    /// The files that a file leans on, each with the first reason.
    fn leans(&self, file: usize) -> BTreeMap<usize, String> {
        let mut found = BTreeMap::new();
        let contents = &self.contents[file];
        let mut lean = |other: usize, why: &String| {
            if other != file {
                found.entry(other).or_insert_with(|| why.clone());
            }
        };
        for (path, why) in &contents.paths {
            self.homes(path, &mut BTreeSet::new()).into_iter().for_each(|other| lean(other, why));
        }
        for (method, why) in contents.calls.iter().filter(|(method, _)| !contents.methods.contains(method)) {
            let same_floor = |other: &usize| self.files[*other].module.first() == self.files[file].module.first();
            let has = |other: &usize| same_floor(other) && self.contents[*other].methods.contains(method);
            (0..self.files.len()).filter(has).for_each(|other| lean(other, why));
        }
        found
    }

    /// The files in which what a path leads to is defined.
    fn homes(&self, path: &[String], seen: &mut BTreeSet<Vec<String>>) -> Vec<usize> {
        // modules may take in all names of each other
        if !seen.insert(path.to_vec()) {
            return Vec::new();
        }
        let Some((len, file)) = (0..=path.len()).rev().find_map(|len| Some((len, *self.modules.get(&path[..len])?))) else {
            return Vec::new();
        };
        let contents = &self.contents[file];
        let own = || if contents.is_facade { Vec::new() } else { vec![file] };
        // a module alone: what is then taken from it counts
        let Some((name, rest)) = path[len..].split_first() else { return Vec::new() };
        let mut on = |path: &[String]| self.homes(path, seen);
        if name == "*" {
            return contents.names.values().chain(&contents.globs).flat_map(|path| on(path)).chain(own()).collect();
        }
        if contents.items.contains(name) {
            return vec![file];
        }
        if let Some(through) = contents.names.get(name) {
            return on(&[&through[..], rest].concat());
        }
        let defines = |home: &usize| self.contents[*home].items.contains(name);
        let through: Vec<usize> = contents.globs.iter().flat_map(|path| on(path)).filter(defines).collect();
        if through.is_empty() { own() } else { through }
    }
}

impl Contents {
    fn of(file: &Source) -> Self {
        let is_root = file.is_root() || file.shown == "src/main.rs";
        let module: Vec<&str> = if is_root { Vec::new() } else { file.module.iter().map(String::as_str).collect() };
        let (mut names, mut globs, mut paths) = (BTreeMap::new(), Vec::new(), Vec::new());
        let tokens = &file.tokens;
        for child in children(tokens) {
            names.insert(child.clone(), [&module[..], &[child.as_str()]].concat().into_iter().map(str::to_owned).collect());
        }
        let mut used = Vec::new();
        let mut in_use = vec![false; tokens.len()];
        for at in (0..tokens.len()).filter(|at| begins_use(tokens, *at)) {
            let mut found = Vec::new();
            tree(tokens, at + 1, &mut Vec::new(), &mut found);
            let end = at + tokens[at..].iter().take_while(|token| !token.is(";")).count();
            in_use[at..end].fill(true);
            used.extend(found.into_iter().map(|named| (named, tokens[at].line)));
        }
        for (Named { path, name }, line) in used {
            let Some(whole) = from_root(&path, &module, &names) else { continue };
            match whole.split_last() {
                Some((last, _)) if last == "*" => globs.push(whole.clone()),
                _ => drop(names.insert(name, whole.clone())),
            }
            paths.push((whole, format!("line {line}, {}", path.join("::"))));
        }
        for at in (0..tokens.len()).filter(|at| !in_use[*at] && begins_path(tokens, *at)) {
            let mut found = Vec::new();
            tree(tokens, at, &mut Vec::new(), &mut found);
            for Named { path, .. } in found {
                let why = format!("line {}, {}", tokens[at].line, path.join("::"));
                paths.extend(from_root(&path, &module, &names).map(|whole| (whole, why)));
            }
        }
        let (methods, calls) = methods(tokens);
        let items = items(tokens);
        Self { is_facade: items.is_empty() && methods.is_empty(), items, names, globs, paths, methods, calls }
    }
}

/// A path from the root of the crate on; `None` for one into another crate, or on a type.
fn from_root(path: &[String], module: &[&str], names: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" | "super" | "self" | super::CRATE_NAME => Some(absolute(path, module)),
        first => names.get(first).map(|through| [&through[..], &path[1..]].concat()),
    }
}

fn begins_use(tokens: &[Token], at: usize) -> bool {
    // and not the `use<'a>` of a type
    tokens[at].is("use") && !tokens.get(at + 1).is_some_and(|next| next.is("<"))
}

fn begins_path(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    tokens[at].is_word()
        && tokens.get(at + 1).is_some_and(|next| next.is("::"))
        && !before.is_some_and(|before| before.is("::") || before.is("."))
}

/// The modules declared here that lie in files of their own.
fn children(tokens: &[Token]) -> Vec<String> {
    let declared = tokens.windows(3).filter(|three| three[0].is("mod") && three[2].is(";"));
    declared.map(|three| three[1].text.clone()).collect()
}

/// The items of a file, without those inside of others.
fn items(tokens: &[Token]) -> BTreeSet<String> {
    const KINDS: [&str; 8] = ["fn", "struct", "enum", "const", "static", "trait", "type", "union"];
    let (mut found, mut depth) = (BTreeSet::new(), 0);
    for (i, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" | "(" => depth += 1,
            "}" | ")" => depth -= 1,
            kind if depth == 0 && KINDS.contains(&kind) => {
                let name = tokens.get(i + 1).filter(|name| name.is_word() && !name.is("fn") && !name.is("unsafe"));
                found.extend(name.map(|name| name.text.clone()));
            }
            "macro_rules" if depth == 0 => found.extend(tokens.get(i + 2).map(|name| name.text.clone())),
            _ => {}
        }
    }
    found
}

type Method = (String, String);

/// The methods of a file, and those that they call on their own type, with the line.
fn methods(tokens: &[Token]) -> (BTreeSet<Method>, Vec<(Method, String)>) {
    let (mut found, mut calls) = (BTreeSet::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let top = tokens[at].text.as_str();
        if top != "impl" {
            at = if top == "{" { end_of_brackets(tokens, at) } else { at + 1 };
            continue;
        }
        let head = tokens[at..].iter().take_while(|token| !token.is("{")).count();
        let end = end_of_brackets(tokens, at + head);
        let (of_trait, of) = implemented(&tokens[at + 1..at + head]);
        for i in at + head..end {
            let word = |from: usize| tokens.get(i + from).map_or("", |token| token.text.as_str());
            if word(0) == "fn" && !of_trait {
                found.insert((of.clone(), word(1).to_owned()));
            }
            let called = matches!((word(0), word(1)), ("self", ".") | ("Self", "::")) && !(i > 0 && tokens[i - 1].is("::"));
            // a field is none, but one that has the name of a method elsewhere would be rare
            if called && (word(3) == "(" || word(0) == "Self") {
                calls.push((
                    (of.clone(), word(2).to_owned()),
                    format!("line {}, {}{}{}", tokens[i].line, word(0), word(1), word(2)),
                ));
            }
        }
        at = end;
    }
    (found, calls)
}

/// What an `impl` is for: a trait or not, and the name of the type.
fn implemented(head: &[Token]) -> (bool, String) {
    let (mut depth, mut of_trait, mut name) = (0, false, String::new());
    for token in head {
        match token.text.as_str() {
            "<" => depth += 1,
            ">" => depth -= 1,
            "where" if depth == 0 => break,
            "for" if depth == 0 => of_trait = true,
            word if depth == 0 && token.is_word() => name = word.to_owned(),
            _ => {}
        }
    }
    (of_trait, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<Source> = files.iter().map(|(shown, text)| Source::new(shown, text)).collect();
        circles(&files)
    }

    const PARENT: (&str, &str) = ("src/node/mod.rs", "mod a; mod b; mod c; pub use a::A; use b::B;");

    #[test]
    fn two_files_that_import_from_each_other_are_a_circle() {
        for text in [
            "use super::a::A; pub struct B;",
            "use crate::node::a; pub struct B; fn f() { a::f() }",
            "use super::a::{f as other, A}; pub struct B;",
            "pub struct B; fn f(x: &super::a::A) {}",
            "use super::*; pub struct B;",
            "pub struct B(super::A);",
            "pub struct B; use super::A as Other;",
            "use crate::{node::{a::A}}; pub struct B;",
            "pub struct B; mod inner { use crate::node::A; }",
            "pub struct B; macro_rules! m { () => { $crate::node::a::f() } }",
        ] {
            let files = [PARENT, ("src/node/a.rs", "use super::b::B; pub struct A; pub fn f() {}"), ("src/node/b.rs", text)];
            assert_eq!(found(&files).len(), 1, "{text}");
        }
    }

    #[test]
    fn one_way_is_none() {
        for text in [
            "pub struct B;",
            "pub struct B; // use super::a::A;",
            "pub struct B; #[cfg(test)] mod tests { use super::super::a::A; }",
            "use super::c::C; pub struct B;",
            "use core::fmt; pub struct B; fn f(a: u8) -> fmt::Result { a::b() }",
            "pub struct B; impl B { fn a(&self) { self.a(); self.c() } }",
            "use super::a; pub struct B; fn f() { a::inner::C::new() }",
        ] {
            let a = "use super::b::B; use super::c; pub struct A; impl A { fn c(&self) {} }";
            let files = [
                PARENT,
                ("src/node/a.rs", a),
                ("src/node/a/inner.rs", "pub struct C;"),
                ("src/node/b.rs", text),
                ("src/node/c.rs", "pub struct C;"),
            ];
            assert_eq!(found(&files), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_parent_may_use_its_children_or_they_it() {
        let child = ("src/node/a.rs", "use super::Node; pub struct A;");
        // no item of the parent's is used
        assert!(
            found(&[
                ("src/node/mod.rs", "mod a; mod b; pub use b::Node; use a::A;"),
                child,
                ("src/node/b.rs", "pub struct Node;")
            ])
            .is_empty()
        );
        assert!(found(&[("src/node/mod.rs", "mod a; pub struct Node;"), child]).is_empty());
        assert_eq!(found(&[("src/node/mod.rs", "mod a; use a::A; pub struct Node(A);"), child]).len(), 1);
        assert_eq!(found(&[("src/node/mod.rs", "mod a; pub struct Node(a::A);"), child]).len(), 1);
        // a private name of the parent's leads on as a public one does
        let parent = ("src/node/mod.rs", "mod a; mod b; use b::B as Node; struct Own(a::A);");
        assert!(found(&[parent, child, ("src/node/b.rs", "pub struct B;")]).is_empty());
    }

    #[test]
    fn a_way_through_several_facades_is_followed() {
        let root = ("src/lib.rs", "mod node; pub use node::*; pub mod out { pub use crate::node::inner::*; }");
        let outer = ("src/node/mod.rs", "pub mod inner; mod b; pub use inner::A; pub use b::B;");
        let inner = ("src/node/inner/mod.rs", "mod a; pub use a::*;");
        let b = ("src/node/b.rs", "use super::inner::A; pub struct B;");
        assert!(found(&[root, outer, inner, ("src/node/inner/a.rs", "pub struct A;"), b]).is_empty());
        let a = ("src/node/inner/a.rs", "use super::super::B; pub struct A;");
        assert_eq!(
            found(&[root, outer, inner, a, b]),
            ["src/node/inner/a.rs: a circle of 2 files\n    \
              src/node/inner/a.rs leans on src/node/b.rs: line 1, super::super::B\n    \
              src/node/b.rs leans on src/node/inner/a.rs: line 1, super::inner::A"]
        );
    }

    #[test]
    fn methods_of_one_type_in_two_files_may_be_a_circle() {
        let a = ("src/node/a.rs", "pub struct A; impl A { fn f(&self) { self.g() } }");
        for (text, circles) in [
            ("use super::a::A; impl A { fn g(&self) {} }", 1),
            ("use super::a::A; impl<'a> super::a::A<'a> where u8: Copy { pub fn g() { Self::x() } }", 1),
            ("use super::a::A; impl Other for A { fn g(&self) {} }", 0),
            ("use super::a::A; struct B; impl B { fn g(&self) {} }", 0),
            ("impl A { fn g(&self) {} }", 0),
        ] {
            assert_eq!(found(&[PARENT, a, ("src/node/b.rs", text)]).len(), circles, "{text}");
        }
        let both = "impl A { fn g(&self) { self.f() } fn h(&self) { self.g() } }";
        assert_eq!(found(&[PARENT, a, ("src/node/b.rs", both)]).len(), 1);
    }

    #[test]
    fn files_and_a_way_round_are_named() {
        let files = [
            ("src/node/a.rs", "use super::b::B;\npub struct A;"),
            ("src/node/b.rs", "use super::c::C;\npub struct B;"),
            ("src/node/c.rs", "use super::d::D;\npub struct C; fn f(a: super::a::A) {}"),
            ("src/node/d.rs", "\nuse super::c::C;\npub struct D;"),
            ("src/node/e.rs", "use super::a::A;"),
        ];
        assert_eq!(
            found(&files),
            ["src/node/a.rs: a circle of 4 files: src/node/a.rs, src/node/b.rs, src/node/c.rs, src/node/d.rs\n    \
              src/node/a.rs leans on src/node/b.rs: line 1, super::b::B\n    \
              src/node/b.rs leans on src/node/c.rs: line 1, super::c::C\n    \
              src/node/c.rs leans on src/node/a.rs: line 2, super::a::A"]
        );
    }
}

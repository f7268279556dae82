//! The house stands: every file of `src` lies on a floor, imports from its own floor and from those below, and from none above; and on
//! its floor no file leans on one that leans on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected has failed, and a panic is how it says so"
)]

mod circles;
mod lints;
mod page;
mod rust;

use std::fs;
use std::path::Path;

use rust::{Source, sources, without};

/// The modules right below the root, each with its floor; counted from the ground up.
const FLOORS: &[(&str, u8)] = &[
    ("error", 0),
    ("time", 0),
    ("limit", 0),
    ("wire", 1),
    ("storage", 1),
    ("proto", 2),
    ("node", 3),
    ("driver", DRIVER),
    ("owned", DRIVER),
    ("cli", ROOF),
    ("manual", ROOF),
    ("main", ROOF),
    ("bin", ROOF),
];
const DRIVER: u8 = 4;
const ROOF: u8 = 5;
/// The rooms of a floor, counted from the ground up: each leans on those before it alone.
const ROOMS: &[(&str, &[&str])] =
    &[("node", &["config", "trace", "tables", "forms", "core", "otp", "cluster", "signals", "connections", "api"])];
const MAX_LINES: usize = 700;
/// The crate's own name, by which the tool calls the library.
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
fn nothing_is_imported_from_a_room_above() {
    report(sources().iter().flat_map(climbs_rooms));
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
fn no_files_lean_on_each_other() {
    report(circles::circles(&sources()).into_iter());
}

#[test]
fn no_file_is_too_long() {
    let long =
        |file: &Source| (file.lines > MAX_LINES).then(|| format!("{}: {} lines without its tests", file.shown, file.lines));
    report(sources().iter().filter_map(long));
}

#[test]
fn nothing_that_a_peer_reaches_may_panic() {
    let files = sources();
    assert!(["wire", "storage", "proto", "node", "driver"].iter().all(|floor| files.iter().any(|file| file.module == [*floor])));
    report(files.iter().flat_map(lints::not_forbidden));
    report(files.iter().flat_map(lints::exceptions));
}

/// What is added and taken away wraps nowhere in a test: `cargo test` checks it, in the library as here, with whatever settings it was told.
#[test]
#[should_panic = "attempt to add with overflow"]
fn arithmetic_is_checked_in_tests() {
    let greatest = std::hint::black_box(u8::MAX);
    std::hint::black_box(greatest + 1);
}

/// The binary's modules are compiled once more where fuzzers are put around them, which no other test builds.
#[test]
fn the_harness_of_the_fuzzers_has_what_the_binary_uses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [ours, theirs] = ["Cargo.toml", "tests/fuzz/harness/Cargo.toml"].map(|file| fs::read_to_string(root.join(file)).unwrap());
    let dependencies = ours.split_once("\n[dependencies]\n").unwrap().1.split("\n[").next().unwrap();
    // those of the core; and mio, to which a feature adds another
    let others = ["heapless ", "md-5 ", "serde_core ", "mio "];
    let due = dependencies.lines().filter(|line| line.contains(" = ") && !line.starts_with('#'));
    let due: Vec<String> = due
        .filter(|line| !others.iter().any(|name| line.starts_with(name)))
        .map(|line| line.replace(", optional = true", ""))
        .collect();
    assert!(due.len() > 10, "{due:?}");
    report(
        due.into_iter()
            .filter(|line| !theirs.lines().any(|other| other == line))
            .map(|line| format!("tests/fuzz/harness/Cargo.toml lacks: {line}")),
    );
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

/// What a file imports from a room above on its floor, or so that one cannot tell.
fn climbs_rooms(file: &Source) -> Vec<String> {
    let Some((floor, rooms)) = ROOMS.iter().find(|(floor, _)| file.module.first().is_some_and(|own| own == floor)) else {
        return Vec::new();
    };
    let rank = |module: &[String]| rooms.iter().position(|room| module.get(1).is_some_and(|own| own == room));
    let Some(own) = rank(&file.module) else {
        // the door of the floor names what is in its rooms
        let is_door = file.module.len() == 1;
        return if is_door { Vec::new() } else { vec![format!("{}: give this a room in ROOMS", file.shown)] };
    };
    let mut faults = Vec::new();
    for path in file.paths().into_iter().filter(|path| path.absolute.first().is_some_and(|first| first == floor)) {
        let fault = match rank(&path.absolute) {
            None => "takes a name from the door of the floor, which hides its room",
            Some(rank) if rank > own => "climbs",
            Some(_) => continue,
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
    fn an_import_from_a_room_above_is_found() {
        let faults = |shown: &str, text: &str| climbs_rooms(&Source::new(shown, text)).len();
        for text in [
            "use crate::node::signals::watch::x;",
            "use super::super::api::outbox::Outbox;",
            "use crate::node::Node;",
            "use crate::node;",
            "fn f(x: &crate::node::otp::X) {}",
        ] {
            assert_eq!(faults("src/node/tables/links.rs", text), 1, "{text}");
        }
        let text =
            "use crate::node::{config::Config, trace, tables::links}; use super::ties; use crate::wire::ids; use core::fmt;";
        assert_eq!(faults("src/node/tables/links.rs", text), 0);
        assert_eq!(faults("src/node/mod.rs", "pub use api::outbox::Outbox; use self::tables::links; use super::wire;"), 0);
        assert_eq!(faults("src/node/elsewhere.rs", ""), 1);
        assert_eq!(faults("src/wire/term.rs", "use super::ids; use crate::node::Node;"), 0);
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

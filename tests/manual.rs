//! The README and the manual lead where they say, on GitHub as in rustdoc, and name files that are there.
//!
//! Rustdoc checks the links to items, and compiles the examples. What is looked at here it does not see: the definitions at the end of a
//! page, which are GitHub's, the sections behind a `#`, and the names of files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected has failed, and a panic is how it says so"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PAGES: &str = "src/manual";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The pages, by their names without `.md`.
fn pages() -> BTreeMap<String, String> {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGES)).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()));
    pages.map(|page| (page.clone(), read(&format!("{PAGES}/{page}.md")))).collect()
}

/// A text without its blocks of code.
fn prose(text: &str) -> String {
    let outside = text.split("```").step_by(2);
    outside.collect()
}

/// The lines `[label]: target`, behind this in front of each.
fn definitions(text: &str, before: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(before));
    let halves = lines.filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    halves.filter(|(label, _)| !label.contains(']')).map(|(label, target)| (label.to_owned(), target.to_owned())).collect()
}

/// The labels of `[text][label]`.
fn labels(text: &str) -> Vec<String> {
    let prose = prose(text);
    let behind = prose.split("][").skip(1);
    behind.map(|rest| rest.split(']').next().unwrap().to_owned()).collect()
}

/// What a heading is called behind a `#`.
fn section(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_section(page: &str, wanted: &str) -> bool {
    let prose = prose(page);
    let mut headings = prose.lines().filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
    headings.any(|heading| section(heading) == wanted)
}

/// What is wrong with the links of a text that lies in `folder`, whose pages rustdoc finds by `rustdoc`.
fn faults(shown: &str, text: &str, folder: &str, rustdoc: &BTreeMap<String, String>) -> Vec<String> {
    let github = definitions(text, "");
    let mut faults = Vec::new();
    for label in labels(text) {
        if !github.contains_key(&label) {
            faults.push(format!("{shown}: [{label}] is not defined at its end"));
        }
    }
    for (label, target) in &github {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        if !labels(text).contains(label) {
            faults.push(format!("{shown}: nothing links to [{label}]"));
        }
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file).exists() {
            faults.push(format!("{shown}: {file} is not there"));
        } else if !anchor.is_empty() && !has_section(&read(&format!("{folder}/{file}")), anchor) {
            faults.push(format!("{shown}: {file} has no section {anchor}"));
        }
        // a picture, which rustdoc has further down the page
        if file.ends_with(".svg") && rustdoc.contains_key(label) {
            continue;
        }
        let module = target.trim_start_matches("src/").replacen(".md", "", 1).replace('/', "::");
        let module = if module.starts_with("manual") { module } else { format!("manual::{module}") };
        if rustdoc.get(label) != Some(&format!("crate::{module}")) {
            faults.push(format!("{shown}: [{label}] is {:?} to rustdoc", rustdoc.get(label)));
        }
    }
    for within in prose(text).split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !has_section(text, within) {
            faults.push(format!("{shown}: has no section {within}"));
        }
    }
    // these lead nowhere on GitHub
    for wrong in ["](crate::", "](self::", "](super::"] {
        if prose(text).contains(wrong) {
            faults.push(format!("{shown}: {wrong}..)"));
        }
    }
    faults
}

#[test]
fn every_link_leads_somewhere() {
    let mut found = faults("README.md", &read("README.md"), ".", &definitions(&read("src/lib.rs"), "//! "));
    let rustdoc = definitions(&read("src/manual/mod.rs"), "/// ");
    for (page, text) in pages() {
        found.extend(faults(&page, &text, PAGES, &rustdoc));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_page_is_a_module() {
    let modules = read("src/manual/mod.rs");
    for page in pages().keys() {
        assert!(modules.contains(&format!("{page}: \"{page}.md\"")), "{page}.md is not in src/manual/mod.rs");
        assert!(modules.contains(&format!("](self::{page})")), "{page}.md is not in the table of src/manual/mod.rs");
    }
}

#[test]
fn the_readme_is_short() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 160, "{} lines", readme.lines().count());
    for command in ["cargo run --release -- run --sname demo", "tests/run"] {
        assert_eq!(readme.lines().filter(|line| *line == command).count(), 1, "{command}");
    }
}

/// What stands between backticks and looks like a file of the repository is one.
#[test]
fn every_file_that_is_named_is_there() {
    const FOLDERS: [&str; 7] = ["src/", "tests/", "examples/", "benches/", "cross/", "CHANGELOG", "SECURITY"];
    // made by the scripts that stand beside them, and a crate of its own, which the archive of this one leaves out
    const ELSEWHERE: [&str; 3] = ["cross/out", "cross/cache", "examples/chip"];
    let mut missing = Vec::new();
    for (page, text) in pages().into_iter().chain([("README".to_owned(), read("README.md"))]) {
        for quoted in prose(&text).split('`').skip(1).step_by(2) {
            let path = quoted.split(' ').next().unwrap().trim_end_matches('*');
            let is_path = FOLDERS.iter().any(|folder| path.starts_with(folder)) && !ELSEWHERE.contains(&path);
            let path = path.trim_end_matches("*.md");
            let exists = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists();
            if is_path && !exists(path) && !exists(&format!("{path}.rs")) {
                missing.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn what_is_wrong_is_found() {
    let rustdoc = BTreeMap::from([("agent".to_owned(), "crate::manual::agent".to_owned())]);
    let faults = |text: &str| faults("x", text, PAGES, &rustdoc).len();
    assert_eq!(faults("# X\n[The agent][agent], [X](#x)\n\n[agent]: agent.md\n"), 0);
    assert_eq!(faults("[The agent][agent]\n"), 1);
    assert_eq!(faults("[agent]: agent.md\n"), 1);
    assert_eq!(faults("[The agent][agent]\n\n[agent]: agent.md#nosuch\n"), 2);
    assert_eq!(faults("[The agent][agent]\n\n[agent]: nosuch.md\n"), 2);
    assert_eq!(faults("[X](#nosuch) [`Node`](crate::Node)\n"), 2);
    assert_eq!(faults("```text\n# x\n[a][b] [X](#nosuch)\n```\n[X](#x)"), 1);
}

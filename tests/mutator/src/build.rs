//! Plants the mutants and builds the tests; those that do not compile are left out, until the rest does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::plant::{Planted, culprit, plant};
use crate::{Fate, Mutant};

/// The programs with the tests.
pub fn all(mutants: &mut [Mutant], tree: &Path, target: &Path) -> Vec<PathBuf> {
    let originals: BTreeMap<String, String> =
        mutants.iter().map(|mutant| (mutant.file.clone(), fs::read_to_string(tree.join(&mutant.file)).unwrap())).collect();
    let root = tree.join("src/lib.rs");
    let first = "#![feature(core_intrinsics, const_eval_select)]\n";
    fs::write(&root, format!("{first}{}\nmod mutant;\n", fs::read_to_string(&root).unwrap())).unwrap();
    let switch = include_str!("switch.rs");
    fs::write(tree.join("src/mutant.rs"), format!("{switch}\nconst COUNT: usize = {};\n", mutants.len())).unwrap();
    loop {
        let texts = write(mutants, &originals, tree);
        let (said, built) = cargo(tree, target);
        let wrong = culprits(&said, &texts);
        if wrong.is_empty() {
            assert!(built, "see above");
            return said.iter().filter_map(|message| Some(message["executable"].as_str()?.into())).collect();
        }
        println!("left out, as they do not compile: {}", wrong.len());
        wrong.into_iter().for_each(|number| mutants[number].fate = Fate::Unviable);
    }
}

/// All that compile, as far as is known: into the tree, and as a map by file.
fn write(mutants: &mut [Mutant], originals: &BTreeMap<String, String>, tree: &Path) -> HashMap<String, String> {
    let mut texts = HashMap::new();
    for (file, source) in originals {
        let here = mutants.iter().enumerate().filter(|(_, mutant)| mutant.file == *file && mutant.fate != Fate::Unviable);
        let planted: Vec<Planted<'_>> = here
            .map(|(number, Mutant { place, genre, replacement, .. })| Planted { number, place: *place, genre, replacement })
            .collect();
        let (text, numbers) = plant(source, &planted);
        fs::write(tree.join(file), &text).unwrap();
        texts.insert(file.clone(), text);
        numbers.into_iter().for_each(|number| mutants[number].fate = Fate::Planted);
    }
    texts
}

/// What the compiler says, and whether it built all.
fn cargo(tree: &Path, target: &Path) -> (Vec<Value>, bool) {
    let output = Command::new("cargo")
        // neither the tool nor TLS is changed
        .args(["test", "--no-run", "--no-default-features", "--features=std,serde", "--lib", "--test=memory", "--test=sim"])
        .args(["--message-format=json", "--quiet", "--locked"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        // they are run thousands of times
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
        // what a run that was ended in the middle has left may not link
        .env("CARGO_INCREMENTAL", "0")
        // a mutant may be what a lint forbids
        .env("RUSTFLAGS", "--cap-lints=allow")
        // for the switch in what is const
        .env("RUSTC_BOOTSTRAP", "1")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"{"));
    (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), output.status.success())
}

/// Whose fault the errors are.
fn culprits(said: &[Value], texts: &HashMap<String, String>) -> HashSet<usize> {
    let errors = said.iter().map(|message| &message["message"]).filter(|message| message["level"] == "error");
    let (mut wrong, mut nobodys) = (HashSet::new(), None);
    for error in errors {
        let mut numbers = Vec::new();
        spans(error, &mut |span| {
            let text = texts.get(span["file_name"].as_str().unwrap_or_default());
            numbers.extend(text.and_then(|text| culprit(text, usize::try_from(span["byte_start"].as_u64()?).ok()?)));
        });
        match numbers.first() {
            Some(&number) => _ = wrong.insert(number),
            // "aborting due to .. previous errors"
            None if error["spans"].as_array().is_none_or(Vec::is_empty) => {}
            None => nobodys = error["rendered"].as_str(),
        }
    }
    // one may follow from another's
    if let (true, Some(error)) = (wrong.is_empty(), nobodys) {
        panic!("an error that is no mutant's: {error}");
    }
    wrong
}

/// The places an error speaks of, the most important first.
fn spans(error: &Value, look: &mut impl FnMut(&Value)) {
    let here = error["spans"].as_array().into_iter().flatten();
    let (first, others): (Vec<_>, Vec<_>) = here.partition(|span| span["is_primary"] == true);
    first.into_iter().chain(others).for_each(&mut *look);
    for child in error["children"].as_array().into_iter().flatten() {
        spans(child, look);
    }
}

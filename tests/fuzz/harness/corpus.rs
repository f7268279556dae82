//! Turns a file of inputs into a folder with a file each, as libFuzzer has them, and back.
//!
//!     corpus unpack FILE FOLDER
//!     corpus pack FOLDER FILE
//!     corpus line INPUT

#[path = "../../../src/fuzz/corpus.rs"]
mod corpus;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use corpus::{inputs, line};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["unpack", file, folder] => unpack(Path::new(file), Path::new(folder)),
        ["pack", folder, file] => pack(Path::new(folder), Path::new(file)),
        ["line", input] => fs::read(input).map(|input| println!("{}", line(&input))),
        _ => Err(io::Error::other("usage: corpus unpack FILE FOLDER | corpus pack FOLDER FILE | corpus line INPUT")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("corpus: {e}");
            ExitCode::FAILURE
        }
    }
}

fn unpack(file: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, input) in inputs(&fs::read_to_string(file)?).enumerate() {
        fs::write(folder.join(format!("{number:05}")), input)?;
    }
    Ok(())
}

/// The shortest first, so that what is new stands where it is looked for. What was a finding once stays, behind a line of its own.
fn pack(folder: &Path, file: &Path) -> io::Result<()> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let input = fs::read(entry?.path())?;
        all.insert((input.len(), input));
    }
    let before = fs::read_to_string(file).unwrap_or_default();
    let found = before.find("# found").and_then(|at| before.get(at..)).unwrap_or_default();
    let text: String = all.iter().map(|(_, input)| line(input) + "\n").collect();
    fs::write(file, text + found)
}

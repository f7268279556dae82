//! What has to hold of a configuration file, whatever is in it.

#![allow(clippy::expect_used, clippy::panic, reason = "a body that meets the unexpected has found something")]

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::{Arguments, Settings, Text, settings};

/// Where the file is said to be. Nothing is there.
const FILE: &str = "/nonexistent/beamless.toml";

thread_local! {
    /// The settings of an agent that runs.
    static RUNNING: OnceCell<Settings> = const { OnceCell::new() };
}

/// Reads a configuration file as an agent that runs does when it is told to: then nothing is asked of the network.
pub(in crate::cli) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    RUNNING.with(|running| {
        let running = running
            .get_or_init(|| settings(&arguments(), Some(&file("name = \"a@127.0.0.1\"\n")), None).expect("a good configuration"));
        let read = || settings(&arguments(), Some(&file(text)), Some(running));
        let first = read();
        assert!(first == read(), "read twice, it is not the same");
        match first {
            Ok(new) => good(running, new),
            Err(lines) => {
                assert!(!lines.is_empty() && lines.len() <= 12, "{lines:?}");
                // what else a terminal obeys is made harmless by whoever prints them
                assert!(lines.iter().all(|line| !line.is_empty() && !line.contains('\n')), "{lines:?}");
            }
        }
    });
}

fn good(running: &Settings, new: Settings) {
    let sizes = new.sizes;
    assert!(new.connect.len() <= usize::from(sizes.peers));
    assert!(new.programs.len() <= usize::from(sizes.mailboxes));
    let (updated, _) = running.updated(new.clone());
    // what is taken needs no second time
    let (again, _) = updated.updated(new);
    assert!(again == updated);
    let _ = updated.reaches_nobody();
}

fn file(text: &str) -> Text {
    Text { shown: "beamless.toml".to_owned(), file: Path::new(FILE).to_owned(), text: text.to_owned() }
}

fn arguments() -> Arguments {
    let state_dir = Some(PathBuf::from("/nonexistent"));
    Arguments { config: Some(PathBuf::from(FILE)), check: true, state_dir, ..Arguments::default() }
}

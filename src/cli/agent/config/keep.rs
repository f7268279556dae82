//! `[keep]`: how much may wait, and how it is read.

use std::path::{self, Path, PathBuf};
use std::time::Duration;

use super::file::{Faults, Section};
use super::keys::Table;
use super::{units, values};

/// `[keep]`: the room for readings that cannot be sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Keep {
    /// The most bytes in memory, of all readings together.
    pub(in crate::cli::agent) memory: usize,
    /// What waits for longer is on disk, and all of it while the agent does not run.
    pub(in crate::cli::agent) disk: Option<Disk>,
    /// The folder for what outlives a restart.
    pub(in crate::cli::agent) state: Option<PathBuf>,
}

/// The room on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Disk {
    /// The most bytes.
    pub(in crate::cli::agent) limit: u64,
    /// The folder; without one everything is in memory.
    pub(in crate::cli::agent) folder: Option<PathBuf>,
    /// The configuration file of the agent, by which others know whose the folder is.
    pub(in crate::cli::agent) owner: PathBuf,
    /// The time from which what was written outlives a power cut.
    pub(in crate::cli::agent) sync: Duration,
}

impl Disk {
    /// What is to be done where there is no folder.
    pub(in crate::cli::agent) const NO_FOLDER: &str =
        "`disk` in [keep] needs a folder: give --state-dir, or StateDirectory= in the unit, or `dir` in [keep]";
}

/// Reads the table, if it is there. Paths begin at the folder of the file; `state` is that for what outlives a restart.
pub(super) fn keep(section: Option<Section<'_>>, file: &Path, state: Option<PathBuf>, faults: &mut Faults) -> Keep {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let keys = Table::of("[keep]");
    let mut bytes = |name| section.as_ref()?.get(name).and_then(|item| faults.keep(item.bytes()));
    let (memory, limit) = (bytes("memory"), bytes("disk"));
    let memory = usize::try_from(memory.unwrap_or_else(|| keys.default("memory", units::bytes))).unwrap_or(usize::MAX);
    let Some(section) = section else { return Keep { memory, disk: None, state } };
    let sync = faults.keep(section.duration("sync"));
    let dir = section
        .get("dir")
        .and_then(|item| faults.keep(item.text().and_then(|text| values::path(text, folder).map_err(|why| item.wrong(why)))));
    for item in ["dir", "sync"].into_iter().filter(|_| section.get("disk").is_none()).filter_map(|name| section.get(name)) {
        faults.add(item.wrong("it is for what is on disk: write disk = \"16MiB\", or leave it out"));
    }
    section.finish(faults);
    // that one has other files, and locks of its own
    let is_other = |dir: &PathBuf| state.as_ref().is_none_or(|state| path::absolute(state).ok() != path::absolute(dir).ok());
    let dir = dir.filter(is_other).or_else(|| state.as_ref().map(|state| state.join("readings")));
    let disk = limit.map(|limit| Disk { limit, folder: dir, owner: file.to_owned(), sync: sync.unwrap_or_default() });
    Keep { memory, disk, state }
}

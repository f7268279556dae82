//! Files that are read while the agent runs: a pipe, a terminal or a device in the place of one would hold it up. And files that are written as a
//! whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

/// Fails if there is something else than a regular file. What is not there is left to whoever opens it.
pub(super) fn is_regular(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(about) if !about.is_file() => Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file")),
        _ => Ok(()),
    }
}

/// Opens a regular file.
pub(super) fn opened(path: &Path) -> io::Result<File> {
    // a device may do something when it is opened
    is_regular(path)?;
    // it may be another one by now
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// Reads a regular file; nothing if it has `most` bytes or more.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    opened(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| (bytes.len() as u64) < most))
}

/// Writes a file as a whole, or not at all, wherever the power is cut.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(folder)?.sync_all()
    };
    written().inspect_err(|_| drop(fs::remove_file(&draft)))
}

//! Files that are read while the agent runs: a pipe, a terminal or a device in the place of one would hold it up.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
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

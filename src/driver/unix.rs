//! Sockets of this host, which are files: to listen on, and to dial.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{self, Path, PathBuf};

use mio::net::{UnixListener, UnixStream};

use super::net::fault;
use crate::error::NetworkFault;

/// The file of a socket that is listened on. It goes with this.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and number, since another file may have its name by then.
    is: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|is| is == self.is) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on the socket at `path`, which is made. One that nobody listens on makes way; any other file stays.
pub(super) fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    // the program may change its directory; a directory that was removed has no path
    let full = match path::absolute(path) {
        Err(e) if e.kind() != ErrorKind::InvalidInput => path.to_owned(),
        full => full?,
    };
    let listener = match UnixListener::bind(path) {
        Err(e) if e.kind() == ErrorKind::AddrInUse => {
            make_way(path, e)?;
            UnixListener::bind(path)?
        }
        listener => listener?,
    };
    let is = identity(&full)?;
    Ok((listener, SocketFile { path: full, is }))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Returns what tells a file from another that has its name by now, and may have its number.
fn made(path: &Path) -> io::Result<(u64, u64, i64, i64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
}

/// Removes a socket that nobody listens on; of any other file it says that it is `in_use`.
fn make_way(path: &Path, in_use: io::Error) -> io::Result<()> {
    let remove = || {
        let was = made(path)?;
        // what has the name by now is not moved aside, not even for a moment
        if is_left_over(path) && made(path)? == was { take_away(path, was) } else { Err(in_use) }
    };
    match remove() {
        // another program has just done so
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes the file that was left over. Another program may be doing so, too, and what has the name by now be its own: that stays.
fn take_away(path: &Path, left_over: (u64, u64, i64, i64)) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    fs::rename(path, &aside)?;
    if made(Path::new(&aside))? == left_over {
        return fs::remove_file(&aside);
    }
    fs::rename(&aside, path)?;
    Err(ErrorKind::AddrInUse.into())
}

/// Returns true if this is a socket that nobody listens on any more, as a program leaves it that was killed.
fn is_left_over(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    // a regular file refuses, too; and a socket whose owner is busy does not, but says so
    is_socket && UnixStream::connect(path).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}

/// Connects to the socket at `path`, which is done at once; `None` while as many as its owner lets wait do.
pub(super) fn connect(path: &Path) -> Result<Option<UnixStream>, NetworkFault> {
    match UnixStream::connect(path) {
        Ok(stream) => Ok(Some(stream)),
        Err(e) => match e.kind() {
            ErrorKind::WouldBlock => Ok(None),
            ErrorKind::NotFound => Err(NetworkFault::NoSocket),
            ErrorKind::PermissionDenied => Err(NetworkFault::Denied),
            _ => Err(fault(&e, NetworkFault::NoSocket)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two programs that start at once find the same socket left over, and one of them is the faster.
    #[test]
    fn the_socket_of_a_faster_one_stays() {
        let path = std::env::temp_dir().join(format!("beamless-unix-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        drop(UnixListener::bind(&path).unwrap());
        let left_over = made(&path).unwrap();
        let (faster, _file) = listen(&path).unwrap();
        assert_eq!(take_away(&path, left_over).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(listen(&path).map(|_| ()).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok());
        drop(faster);
        take_away(&path, made(&path).unwrap()).unwrap();
        assert_eq!(take_away(&path, left_over).unwrap_err().kind(), ErrorKind::NotFound);
        // the faster one has taken it away, and has not made its own yet
        make_way(&path, ErrorKind::AddrInUse.into()).unwrap();
    }
}

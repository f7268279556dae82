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
        let _alone = alone(&self.path);
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
    // another that begins here would find a file that nobody listens on yet, or take away the one that this listens on by then
    let _alone = alone(&full);
    let listener = match UnixListener::bind(path) {
        Err(e) if e.kind() == ErrorKind::AddrInUse && is_left_over(path) => {
            fs::remove_file(path)?;
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

/// Keeps all others on this host who begin here from listening at the same path, as long as this is kept: by a name in Linux's abstract space, which
/// goes with the process. It goes without where somebody does not let go of that name.
#[cfg(target_os = "linux")]
fn alone(path: &Path) -> Option<std::os::unix::net::UnixListener> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    use std::time::Duration;
    use std::{format, thread};

    use md5::{Digest, Md5};

    // a second in all
    const TRIES: u32 = 500;
    const PAUSE: Duration = Duration::from_millis(2);

    let folder = fs::metadata(path.parent()?).ok()?;
    let file = Md5::digest(path.file_name()?.as_bytes());
    let name = format!("beamless {} {} {:x}", folder.dev(), folder.ino(), u128::from_be_bytes(file.into()));
    let address = SocketAddr::from_abstract_name(name).ok()?;
    for _ in 0..TRIES {
        match UnixListener::bind_addr(&address) {
            Err(e) if e.kind() == ErrorKind::AddrInUse => thread::sleep(PAUSE),
            bound => return bound.ok(),
        }
    }
    None
}

/// There are no such names elsewhere.
#[cfg(not(target_os = "linux"))]
fn alone(_: &Path) -> Option<()> {
    None
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
    use std::sync::Barrier;
    use std::thread;
    use std::vec::Vec;

    use super::*;

    /// Programs that start at once find the same socket left over, or none: one of them listens, and the others are told so.
    #[test]
    fn of_several_that_start_at_once_one_listens() {
        let path = std::env::temp_dir().join(format!("beamless-unix-{}", std::process::id()));
        for round in 0..100 {
            let _ = fs::remove_file(&path);
            if round % 4 > 0 {
                drop(UnixListener::bind(&path).unwrap());
            }
            let start = Barrier::new(4);
            let begin = || {
                start.wait();
                listen(&path)
            };
            let begun: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (listening, told): (Vec<_>, Vec<_>) = begun.into_iter().partition(Result::is_ok);
            assert_eq!(listening.len(), 1, "{round}");
            assert!(UnixStream::connect(&path).is_ok(), "{round}");
            let told: Vec<ErrorKind> = told.into_iter().filter_map(|begun| Some(begun.err()?.kind())).collect();
            assert_eq!(told, [ErrorKind::AddrInUse; 3]);
        }
        assert!(!path.exists());
    }
}

//! TLS: where its files are, by the option, the environment or the configuration file, and what reading them came to.

#[cfg(not(feature = "tls"))]
mod without;

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[cfg(feature = "tls")]
use beamless::TlsFault;
use beamless::{Driver, Error, Reason};

use super::files;
#[cfg(feature = "tls")]
pub(super) use beamless::{Tls, TlsFiles, TlsVersions};
#[cfg(not(feature = "tls"))]
pub(super) use without::{Tls, TlsFiles, TlsVersions};

/// The variable that names the folder where the option does not.
const FOLDER: &str = "BEAMLESS_TLS_DIR";

/// What TLS is to be spoken with. Each of the files stands where it was named, else in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    pub(super) folder: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) crl: Option<PathBuf>,
    pub(super) versions: TlsVersions,
    pub(super) check_names: bool,
}

/// What tells a file from the one that was there before: its device and number, its size, and when it was changed.
pub(super) type Stamp = (u64, u64, u64, i64, i64);

/// Fails where TLS is asked for and this program cannot speak it.
pub(super) fn built() -> Result<(), String> {
    if cfg!(feature = "tls") { Ok(()) } else { Err("this beamless was built without TLS".to_owned()) }
}

/// Returns the folder that the option names, or else the environment, behind the name of what names it.
pub(super) fn folder(option: Option<&Path>) -> Option<(&'static str, PathBuf)> {
    let of_environment = || env::var_os(FOLDER).filter(|folder| !folder.is_empty());
    match option {
        Some(folder) => Some(("--tls-dir", folder.to_owned())),
        None => of_environment().map(|folder| (FOLDER, PathBuf::from(folder))),
    }
}

/// Returns what that folder comes to, or else what the file asks for. Versions and names are always the file's.
pub(super) fn wanted(option: Option<&Path>, file: Option<Wanted>) -> Result<Option<Wanted>, String> {
    let Some((named, folder)) = folder(option) else { return Ok(file) };
    built().map_err(|why| format!("{named}: {why}"))?;
    let Wanted { versions, check_names, .. } = file.unwrap_or_default();
    Ok(Some(Wanted { folder: Some(folder), versions, check_names, ..Wanted::default() }))
}

impl Wanted {
    /// Returns the files. Whether there is a list of revoked certificates in the folder is looked at each time.
    fn files(&self) -> TlsFiles {
        let files = TlsFiles::in_folder(self.folder.as_deref().unwrap_or(Path::new("")));
        let or = |named: &Option<PathBuf>, file| named.clone().unwrap_or(file);
        TlsFiles {
            cert: or(&self.cert, files.cert),
            key: or(&self.key, files.key),
            ca: or(&self.ca, files.ca),
            crl: self.crl.clone().or(files.crl.filter(|_| self.folder.is_some())),
        }
    }

    /// Reads the files, and says what to do about one that cannot be read.
    pub(super) fn read(&self) -> Result<Tls, String> {
        let files = self.files();
        for path in [Some(&files.cert), Some(&files.key), Some(&files.ca), files.crl.as_ref()].into_iter().flatten() {
            files::is_regular(path).map_err(|e| format!("TLS: {}: {e}", path.display()))?;
        }
        let tls = Tls::from_files(&files, self.versions).map(|tls| tls.check_names(self.check_names));
        tls.map_err(|e| {
            let kind = if let Error::Io(e) = &e { e.source.kind() } else { ErrorKind::Other };
            let hint = match kind {
                ErrorKind::NotFound => "; `beamless certs` makes what is needed, and `beamless man beamless.toml` names the files",
                ErrorKind::PermissionDenied => {
                    "; the user that this runs as has to be able to read it: \"chgrp beamless FILE; chmod 640 FILE\" for the service"
                }
                _ => "",
            };
            format!("{e}{hint}")
        })
    }

    /// Returns the stamps of the files, of which one that is not there has none. Where a link stands in for a file, or for its folder,
    /// they are those of what it leads to.
    pub(super) fn stamps(&self) -> Vec<Option<Stamp>> {
        let files = self.files();
        let stamp = |path: &Path| {
            let about = fs::metadata(path).ok()?;
            Some((about.dev(), about.ino(), about.size(), about.ctime(), about.ctime_nsec()))
        };
        [Some(&files.cert), Some(&files.key), Some(&files.ca), files.crl.as_ref()]
            .map(|path| path.and_then(|path| stamp(path)))
            .to_vec()
    }
}

/// Returns what this side knows besides about a connection that TLS had to do with: where the CA stands, and how TLS is switched on. A node
/// that does not speak it may be one that only closes, or stays silent.
pub(super) fn hint(reason: Reason, wanted: Option<&Wanted>) -> String {
    match (reason, wanted) {
        #[cfg(feature = "tls")]
        (Reason::Tls(TlsFault::OtherCa), Some(wanted)) => format!(", which is in {}", wanted.files().ca.display()),
        #[cfg(feature = "tls")]
        (Reason::Tls(TlsFault::RefusedOurs(_)), Some(wanted)) => format!("; ours is in {}", wanted.files().cert.display()),
        (Reason::PeerSpeaksTls, None) => ": --tls-dir DIR, or [tls] in the file of an agent".to_owned(),
        _ => String::new(),
    }
}

/// Returns true if these are one fault, of which the second is told by a later clock.
pub(super) fn is_alike(one: Reason, other: Reason) -> bool {
    #[cfg(feature = "tls")]
    if let (Reason::Tls(one), Reason::Tls(other)) = (one, other) {
        return core::mem::discriminant(&one) == core::mem::discriminant(&other);
    }
    one == other
}

/// Puts TLS in force for the connections from now on.
#[cfg(feature = "tls")]
pub(super) fn set(driver: &mut Driver, tls: &Tls) {
    driver.set_tls(tls.clone());
}

/// Puts TLS in force, of which there is none.
#[cfg(not(feature = "tls"))]
pub(super) fn set(_driver: &mut Driver, tls: &Tls) {
    match *tls {}
}

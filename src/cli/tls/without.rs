//! What stands in for the library's TLS in a program that was built without it: nothing of it is ever made.

use std::fmt;
use std::io::{Error as SystemError, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use beamless::{Error, IoError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) enum TlsVersions {
    #[default]
    Both,
    Tls13,
    Tls12,
}

pub(in crate::cli) struct TlsFiles {
    pub(in crate::cli) cert: PathBuf,
    pub(in crate::cli) key: PathBuf,
    pub(in crate::cli) ca: PathBuf,
    pub(in crate::cli) crl: Option<PathBuf>,
}

impl TlsFiles {
    pub(in crate::cli) fn in_folder(folder: &Path) -> Self {
        Self { cert: folder.to_owned(), key: folder.to_owned(), ca: folder.to_owned(), crl: None }
    }
}

/// A type without values.
pub(in crate::cli) enum Tls {}

impl Tls {
    pub(in crate::cli) fn from_files(_files: &TlsFiles, _versions: TlsVersions) -> Result<Self, Error> {
        let source = SystemError::from(ErrorKind::Unsupported);
        Err(Error::Io(IoError { doing: "TLS, which this beamless was built without".into(), source }))
    }

    pub(in crate::cli) fn check_names(self, _check_names: bool) -> Self {
        self
    }

    pub(in crate::cli) fn valid_from(&self) -> SystemTime {
        match *self {}
    }

    pub(in crate::cli) fn valid_until(&self) -> SystemTime {
        match *self {}
    }

    pub(in crate::cli) fn end(&self) -> String {
        match *self {}
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

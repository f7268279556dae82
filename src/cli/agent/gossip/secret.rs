//! The secret of a cluster whose heartbeats are encrypted: AES-256-CBC, with the SHA-256 of the secret for a key, and the initial vector in front.

use std::env;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use sha2::{Digest, Sha256};

use crate::cli::files;

/// The bytes of a block of AES, and of the initial vector.
pub(super) const BLOCK: usize = 16;
/// The size from which a file is no secret.
const LARGEST: u64 = 4096;

/// A secret, and the file that it stands in.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Secret {
    path: PathBuf,
    /// There is none until the file can be read.
    key: Option<[u8; 32]>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.path.display())
    }
}

impl Secret {
    /// Reads the file, which nobody but its owner may read, as with a cookie. A line end at its end is not part of the secret. A check of the
    /// settings takes a credential of systemd's for right.
    pub(in crate::cli::agent) fn read(path: &Path, is_check: bool) -> Result<Self, String> {
        let guarded = env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder));
        if guarded && is_check {
            // nobody but the service itself can read it, not even what is run to check its settings
            return Ok(Self::new(path.to_owned(), b""));
        }
        let shown = path.display();
        let wrong = |why: &dyn fmt::Display| format!("{shown}: {why}");
        let file = files::opened(path).map_err(|e| wrong(&e))?;
        let about = file.metadata().map_err(|e| wrong(&e))?;
        // a credential may look like 0440, as that of the cookie does
        if !guarded && about.mode() & 0o077 != 0 {
            return Err(wrong(&format_args!("it must be accessible by owner only: run chmod 400 {shown}")));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(|e| wrong(&e))?;
        if bytes.len() as u64 == LARGEST {
            return Err(wrong(&"4 KiB or more, which no secret has"));
        }
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        match line.strip_suffix(b"\r").unwrap_or(line) {
            [] => Err(wrong(&"it is empty; write the secret of the other nodes into it")),
            secret => Ok(Self::new(path.to_owned(), secret)),
        }
    }

    pub(super) fn new(path: PathBuf, secret: &[u8]) -> Self {
        Self { path, key: Some(Sha256::digest(secret).into()) }
    }

    /// Returns a secret that is not there yet. With it nothing is said and nothing understood.
    pub(in crate::cli::agent) fn awaited(path: PathBuf) -> Self {
        Self { path, key: None }
    }

    /// Returns true until there is one.
    pub(super) fn is_awaited(&self) -> bool {
        self.key.is_none()
    }

    /// Returns the file.
    pub(in crate::cli::agent) fn path(&self) -> &Path {
        &self.path
    }

    /// Encrypts a text with this initial vector, which is to be another one each time.
    pub(super) fn encrypt(&self, vector: [u8; BLOCK], plain: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = vector.to_vec();
        // the padding is a block at most
        let mut room = vec![0; plain.len().saturating_add(BLOCK)];
        let cipher = Encryptor::<Aes256>::new(&self.key?.into(), &vector.into());
        bytes.extend_from_slice(cipher.encrypt_padded_b2b::<Pkcs7>(plain, &mut room).ok()?);
        Some(bytes)
    }

    /// Decrypts, in place, what was encrypted with this secret. What was not seldom comes to anything.
    pub(super) fn decrypt<'b>(&self, bytes: &'b mut [u8]) -> Option<&'b [u8]> {
        let (vector, bytes) = bytes.split_first_chunk_mut::<BLOCK>()?;
        Decryptor::<Aes256>::new(&self.key?.into(), &(*vector).into()).decrypt_padded::<Pkcs7>(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_read_as_a_cookie_file_is() {
        let folder = env::temp_dir().join(format!("beamless-secret-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("secret");
        let read = |bytes: &[u8], mode| {
            let _ = fs::remove_file(&path);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Secret::read(&path, false)
        };
        let sesame = Secret::new(path.clone(), b"open sesame");
        for text in ["open sesame", "open sesame\n", "open sesame\r\n"] {
            assert_eq!(read(text.as_bytes(), 0o400), Ok(sesame.clone()), "{text:?}");
        }
        assert_ne!(read(b"open sesame ", 0o600), Ok(sesame.clone()));
        assert_ne!(read(b"open sesame\n\n", 0o600), Ok(sesame.clone()));
        assert_eq!(read(&[0xff; 4095], 0o600).map(|secret| secret.key), Ok(Some(Sha256::digest([0xff; 4095]).into())));
        let shown = path.display();
        let wrong = |bytes: &[u8], mode, why: &str| assert_eq!(read(bytes, mode).unwrap_err(), format!("{shown}: {why}"));
        wrong(b"x", 0o440, &format!("it must be accessible by owner only: run chmod 400 {shown}"));
        wrong(b"\n", 0o400, "it is empty; write the secret of the other nodes into it");
        wrong(&[b'x'; 4096], 0o400, "4 KiB or more, which no secret has");
        assert!(Secret::read(&folder, false).unwrap_err().ends_with(": not a regular file"));
        assert!(Secret::read(&folder.join("none"), true).unwrap_err().ends_with("none: No such file or directory (os error 2)"));
        assert!(!format!("{sesame:?}").contains("115"), "the key is nobody's to see");
        fs::remove_dir_all(folder).unwrap();
    }
}

//! The cookie file, read and made as Erlang does it (kernel's auth module).

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use beamless::Error;

/// A cookie, and where it came from.
pub(super) struct Cookie {
    pub(super) value: String,
    pub(super) path: PathBuf,
    /// The cookie was made just now.
    pub(super) made: bool,
}

impl Cookie {
    /// Returns what to say of a cookie that looks as if a shell had printed it: Erlang takes quotes and colons in the file for parts of it.
    pub(super) fn doubt(&self) -> Option<String> {
        let (what, without) = match self.value.trim_end() {
            text if enclosed(text, '"') || enclosed(text, '\'') => ("quotes around it", "them"),
            text if text.starts_with(':') => ("a colon in front", "it"),
            _ => return None,
        };
        let file = self.path.display();
        Some(format!(
            "the cookie in {file} has {what}, which to Erlang is part of the cookie: take {without} out if a shell printed it"
        ))
    }
}

/// Returns true if a text has this quote at both of its ends.
fn enclosed(text: &str, quote: char) -> bool {
    text.strip_prefix(quote).is_some_and(|rest| rest.ends_with(quote))
}

/// The number of letters of a cookie that is made.
const LETTERS: usize = 20;

/// The name of systemd's credential (`LoadCredential=cookie:..`) that is the cookie.
const CREDENTIAL: &str = "cookie";

/// The name of the file in the agent's state folder with the cookie that worked last.
pub(super) const LAST: &str = "last.cookie";

/// Finds the cookie in `file`, or the one that systemd hands over, or the one in the place where Erlang looks for it.
pub(super) fn find(file: Option<&Path>) -> Result<Cookie, String> {
    let path = place(file)?;
    if file.is_none() && !path.exists() {
        return Err(format!(
            "no cookie file {}: copy it from a machine of the cluster, mode 0400, or name another with --cookie-file FILE",
            path.display()
        ));
    }
    read(path)
}

/// Returns true unless what is at `file` can be read once only: a pipe.
pub(super) fn is_kept(file: &Path) -> bool {
    file.metadata().map_or(true, |about| !about.file_type().is_fifo())
}

/// Returns true if [`find`] refuses a file, which may have a cookie, since others than its owner can read it as well.
pub(super) fn is_open(file: Option<&Path>) -> bool {
    let Ok(path) = place(file) else { return false };
    let about = path.metadata();
    let may_be_read = about.is_ok_and(|about| about.is_file() && about.len() > 0 && about.mode() & 0o077 != 0);
    // what systemd hands over may look like that, and is not refused for it
    let is_refused = |e: &Error| matches!(e, Error::Io(e) if e.source.kind() == io::ErrorKind::PermissionDenied);
    may_be_read && beamless::read_cookie(&path).is_err_and(|e| is_refused(&e))
}

/// Finds the cookie again as [`find`] does, unless it came out of a pipe: that has no more, and would be waited for.
pub(super) fn find_again(file: Option<&Path>) -> Result<Cookie, String> {
    let path = place(file)?;
    if is_kept(&path) { find(file) } else { Err("it came out of a pipe".to_owned()) }
}

/// Finds the cookie as [`find`] does, and makes a missing one where Erlang looks for it; a file that was named must be there.
pub(super) fn find_or_make(file: Option<&Path>) -> Result<Cookie, String> {
    let path = place(file)?;
    if file.is_none() && !path.exists() { make(path) } else { read(path) }
}

/// Returns what [`find_or_make`] would do, in words.
pub(super) fn would_find(file: Option<&Path>) -> Result<String, String> {
    let path = place(file)?;
    Ok(if file.is_none() && credential().is_some() {
        // nobody but the service itself can read it, not even what is run to check its settings
        format!("the one that systemd hands over, in {}", path.display())
    } else if file.is_none() && !path.exists() {
        format!("a new one would be made, in {}", path.display())
    } else {
        let found = read(path)?;
        let doubt = found.doubt().map_or(String::new(), |doubt| format!("; {doubt}"));
        format!("the one in {}{doubt}", found.path.display())
    })
}

/// Returns where the cookie is or, if it is in none of the places where Erlang looks, where it should be.
fn place(file: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = file.map(Path::to_owned).or_else(credential) {
        return Ok(path);
    }
    beamless::cookie_file()
        .map_err(|_| "HOME is not set, so there is no ~/.erlang.cookie: name the cookie file with --cookie-file FILE".to_owned())
}

/// Returns the file that systemd hands over.
fn credential() -> Option<PathBuf> {
    let folder = env::var_os("CREDENTIALS_DIRECTORY")?;
    Some(PathBuf::from(folder).join(CREDENTIAL)).filter(|path| path.try_exists().unwrap_or(true))
}

fn read(path: PathBuf) -> Result<Cookie, String> {
    let value = beamless::read_cookie(&path).map_err(|e| e.to_string())?;
    Ok(Cookie { value, path, made: false })
}

fn make(path: PathBuf) -> Result<Cookie, String> {
    let failed =
        |e: io::Error| format!("cannot make the cookie file {}: {e}; name another with --cookie-file FILE", path.display());
    let value = letters().map_err(|e| format!("cannot make a cookie: {e}"))?;
    // Made whole under another name: nobody reads half a cookie, and of several that start at once one is first.
    let draft = path.with_extension(format!("cookie.{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let write = || OpenOptions::new().write(true).create_new(true).mode(0o400).open(&draft)?.write_all(value.as_bytes());
    let linked = write().and_then(|()| fs::hard_link(&draft, &path));
    let _ = fs::remove_file(&draft);
    match linked {
        Ok(()) => Ok(Cookie { value, path, made: true }),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.exists() => read(path),
        Err(e) => Err(failed(e)),
    }
}

/// Returns random letters, each as likely as every other.
fn letters() -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(LETTERS);
    let mut random = [0; 64];
    while text.len() < LETTERS {
        getrandom::fill(&mut random)?;
        // 234 is the greatest multiple of 26 in a byte
        let fair = random.iter().filter(|byte| **byte < 234).map(|byte| char::from(b'A'.saturating_add(byte % 26)));
        text.extend(fair.take(LETTERS.saturating_sub(text.len())));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_prints_around_a_cookie_is_doubted() {
        let doubt = |value: &str| Cookie { value: value.to_owned(), path: PathBuf::from("c"), made: false }.doubt();
        for value in ["\"abc\"", "'abc'", "'abc' ", "\"\"", ":abc", ":\"a b\""] {
            assert!(
                doubt(value).is_some_and(|words| words.contains("the cookie in c has ") && !words.contains("abc")),
                "{value}"
            );
        }
        for value in ["abc", "a'b", "it's", "\"", "'", "a:b", "\"abc", "say \"abc\""] {
            assert_eq!(doubt(value), None, "{value}");
        }
    }

    #[test]
    fn a_cookie_that_is_made_is_letters() {
        let made = letters().unwrap();
        assert!(made.len() == LETTERS && made.bytes().all(|b| b.is_ascii_uppercase()));
    }
}

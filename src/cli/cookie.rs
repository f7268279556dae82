//! The cookie file, read and made as Erlang does it (kernel's auth module).

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A cookie and where it came from.
pub(super) struct Cookie {
    pub(super) value: String,
    pub(super) path: PathBuf,
    /// It was made just now.
    pub(super) made: bool,
}

/// Letters of a cookie that is made.
const LETTERS: usize = 20;
/// No cookie is longer; an atom has no more characters.
const MAX: u64 = 255;

/// The name of systemd's credential (`LoadCredential=cookie:..`) that is the cookie.
const CREDENTIAL: &str = "cookie";

/// The cookie in `file`, or the one systemd hands over, or the one in the place where Erlang looks for it.
pub(super) fn find(file: Option<&Path>) -> Result<Cookie, String> {
    match place(file)? {
        Ok((path, guard)) => read(path, guard),
        Err(missing) => Err(format!(
            "no cookie file {}: copy it from a machine of the cluster, mode 0400, or name another with --cookie-file FILE",
            missing.display()
        )),
    }
}

/// As [`find`], but where Erlang looks for it a missing one is made; a file that was named must be there.
pub(super) fn find_or_make(file: Option<&Path>) -> Result<Cookie, String> {
    match place(file)? {
        Ok((path, guard)) => read(path, guard),
        Err(missing) => make(missing),
    }
}

/// What [`find_or_make`] would do, in words.
pub(super) fn would_find(file: Option<&Path>) -> Result<String, String> {
    Ok(match place(file)? {
        // nobody but the service itself can read it, not even what is run to check its settings
        Ok((path, Guard::Systemd)) => format!("the one that systemd hands over, in {}", path.display()),
        Ok((path, Guard::Mode)) => format!("the one in {}", read(path, Guard::Mode)?.path.display()),
        Err(missing) => format!("a new one would be made, in {}", missing.display()),
    })
}

/// Where the cookie is, and who guards it; or, if it is in none of the places where Erlang looks, where it should be.
fn place(file: Option<&Path>) -> Result<Result<(PathBuf, Guard), PathBuf>, String> {
    if let Some(path) = file {
        return Ok(Ok((path.to_owned(), Guard::Mode)));
    }
    let credential = env::var_os("CREDENTIALS_DIRECTORY").map(|directory| PathBuf::from(directory).join(CREDENTIAL));
    if let Some(credential) = credential.filter(|path| path.try_exists().unwrap_or(true)) {
        return Ok(Ok((credential, Guard::Systemd)));
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.ok_or("HOME is not set, so there is no ~/.erlang.cookie: name the cookie file with --cookie-file FILE")?;
    let first = home.join(".erlang.cookie");
    let config = env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map_or_else(|| home.join(".config"), PathBuf::from);
    let second = config.join("erlang").join(".erlang.cookie");
    Ok(if first.exists() {
        Ok((first, Guard::Mode))
    } else if second.exists() {
        Ok((second, Guard::Mode))
    } else {
        Err(first)
    })
}

/// Who sees to it that nobody else reads a cookie file.
#[derive(PartialEq, Eq)]
enum Guard {
    /// Its mode, as with Erlang.
    Mode,
    /// systemd, in a folder that is the service's alone. The file is the service's user's with mode 0400 or, where the file system has
    /// access control lists, root's with one that lets that user in, which looks like 0440.
    Systemd,
}

fn read(path: PathBuf, guard: Guard) -> Result<Cookie, String> {
    let shown = path.display();
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => format!("cookie file {shown}: not there; copy it from a machine of the cluster, mode 0400"),
        _ => format!("cookie file {shown}: {e}"),
    };
    let mut file = File::open(&path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(format!("cookie file {shown}: not a regular file"));
    }
    if guard == Guard::Mode && about.mode() & 0o077 != 0 {
        return Err(format!("cookie file {shown} must be accessible by owner only: run chmod 400 {shown}"));
    }
    let mut bytes = Vec::new();
    // one more than any good file, to tell a long one
    Read::by_ref(&mut file).take(2 * MAX).read_to_end(&mut bytes).map_err(failed)?;
    let value = parse(&bytes).map_err(|why| format!("cookie file {shown}: {why}"))?;
    Ok(Cookie { value, path, made: false })
}

/// Characters 32 to 126, then nothing but ends of lines and spaces.
fn parse(bytes: &[u8]) -> Result<String, &'static str> {
    let end = bytes.iter().position(|b| !(32..=126).contains(b)).unwrap_or(bytes.len());
    let (value, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    if value.is_empty() {
        return Err("it is empty; a cookie is a line of up to 255 printable characters");
    }
    if value.len() as u64 > MAX {
        return Err("the cookie is longer than 255 characters");
    }
    if rest.iter().any(|b| !matches!(b, b'\n' | b'\r' | b' ')) {
        return Err("bad characters in the cookie; it is one line of printable characters");
    }
    String::from_utf8(value.to_vec()).map_err(|_| "bad characters in the cookie")
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
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.exists() => read(path, Guard::Mode),
        Err(e) => Err(failed(e)),
    }
}

/// Random letters, each as likely as every other.
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
    fn reads_what_erlang_reads() {
        assert_eq!(parse(b"SECRET\n").as_deref(), Ok("SECRET"));
        // a space that is followed by nothing is part of it, as Erlang has it
        assert_eq!(parse(b"SEC RET \r\n").as_deref(), Ok("SEC RET "));
        assert!(parse(b"").is_err() && parse(b"\n").is_err() && parse(b"A\nB\n").is_err() && parse(b"A\x7f").is_err());
        assert!(parse(&[b'a'; 256]).is_err());
        let made = letters().unwrap();
        assert!(made.len() == LETTERS && made.bytes().all(|b| b.is_ascii_uppercase()));
    }
}

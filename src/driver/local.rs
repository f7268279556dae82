//! The names of this host, and the cookie file of its user, as Erlang has them.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::net::failed;
use crate::error::Result;

/// No cookie is longer; an atom has no more characters.
const MAX_COOKIE: usize = 255;

/// Returns the cookie file that Erlang reads: `$HOME/.erlang.cookie` if it is there, else `erlang/.erlang.cookie` below `XDG_CONFIG_HOME`
/// (`$HOME/.config` by default) if that is; when neither is, the first of them, where Erlang would make one.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if `HOME` is not set.
pub fn cookie_file() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let no_home = || failed("there is no ~/.erlang.cookie", io::Error::new(ErrorKind::NotFound, "HOME is not set"));
    let home = set("HOME").ok_or_else(no_home)?;
    let first = home.join(".erlang.cookie");
    let second = set("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")).join("erlang").join(".erlang.cookie");
    Ok(if !first.exists() && second.exists() { second } else { first })
}

/// Reads a cookie file as Erlang does (kernel's `auth` module): characters 32 to 126, and nothing behind them but ends of lines and spaces.
/// Letters of Latin-1 are taken too, in UTF-8 or in Latin-1: Erlang has such a cookie from `-setcookie` or `erlang:set_cookie`.
/// Nobody but its owner may be allowed to read it, unless it lies in the folder `CREDENTIALS_DIRECTORY`, which systemd guards. Quotes are
/// part of the cookie, as in Erlang. It may be a pipe, such as a shell's `<(..)`: this waits until that has an end, and it can be read once.
///
/// ```no_run
/// # fn main() -> beamless::Result<()> {
/// let cookie = beamless::read_cookie(&beamless::cookie_file()?)?;
/// let host = beamless::short_host_name()?;
/// let config = beamless::Config::hidden(&format!("edge1@{host}"), &cookie)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) names the file, what is wrong with it, and what to do.
pub fn read_cookie(path: &Path) -> Result<String> {
    let shown = path.display();
    let wrong = |e: io::Error| failed(&format!("cookie file {shown}"), e);
    let missing = |e: io::Error| match e.kind() {
        ErrorKind::NotFound => io::Error::new(e.kind(), "not there; copy it from a machine of the cluster, mode 0400"),
        _ => e,
    };
    let mut file = File::open(path).map_err(missing).map_err(wrong)?;
    let about = file.metadata().map_err(wrong)?;
    if !about.is_file() && !about.file_type().is_fifo() {
        return Err(wrong(io::Error::new(ErrorKind::InvalidInput, "neither a file nor a pipe")));
    }
    // The file of a credential is the service's user's with mode 0400 or, where the file system has access control lists, root's with one
    // that lets that user in, which looks like 0440.
    let guarded = env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder));
    if !guarded && about.mode() & 0o077 != 0 {
        let doing = format!("cookie file {shown} must be accessible by owner only");
        return Err(failed(&doing, io::Error::new(ErrorKind::PermissionDenied, format!("run chmod 400 {shown}"))));
    }
    let mut bytes = Vec::new();
    // more than any good file has, to tell a long one
    Read::by_ref(&mut file).take(MAX_COOKIE.saturating_mul(3) as u64).read_to_end(&mut bytes).map_err(wrong)?;
    parse(&bytes).map_err(|why| wrong(io::Error::new(ErrorKind::InvalidData, why)))
}

fn parse(bytes: &[u8]) -> core::result::Result<String, &'static str> {
    // Latin-1, if it is not UTF-8
    let text = match core::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let end = text.find(|c| !matches!(c, ' '..='~' | '\u{a0}'..='\u{ff}')).unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).unwrap_or((&text, ""));
    if value.is_empty() {
        return Err("it is empty; a cookie is a line of up to 255 printable characters");
    }
    if value.chars().count() > MAX_COOKIE {
        return Err("the cookie is longer than 255 characters");
    }
    if rest.chars().any(|c| !matches!(c, '\n' | '\r' | ' ')) {
        return Err("bad characters in the cookie; it is one line of printable characters, all of them in Latin-1");
    }
    Ok(value.to_owned())
}

/// Returns this host's short name, as `erl -sname` takes it for the host part: up to its first dot.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the system does not tell.
pub fn short_host_name() -> Result<String> {
    let name = own_host_name()?;
    Ok(name.split('.').next().unwrap_or(&name).to_owned())
}

/// Returns this host's full name, as `erl -name` takes it for the host part, as far as it is known without asking a name server: the system's
/// own name if it has a dot, else the name that `/etc/hosts` has for it, else the short name in the domain of `/etc/resolv.conf`.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the system does not tell, or none of these has a domain: then give the node an address as host,
/// such as `demo@10.0.0.7`.
pub fn full_host_name() -> Result<String> {
    let name = own_host_name()?;
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    full_name(&name, &read("/etc/hosts"), &read("/etc/resolv.conf")).ok_or_else(|| {
        let why = format!("{name} has no domain: give the node a whole name, such as demo@10.0.0.7");
        failed("looking up this host's full name", io::Error::new(ErrorKind::NotFound, why))
    })
}

fn full_name(name: &str, hosts: &str, resolv: &str) -> Option<String> {
    if name.contains('.') {
        return Some(name.to_owned());
    }
    let words = |text: &'_ str| text.split('#').next().unwrap_or("").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let named = hosts.lines().map(words).find(|line| line.iter().skip(1).any(|word| *word == name));
    let of_hosts = named.and_then(|line| line.into_iter().nth(1)).filter(|first| first.contains('.'));
    let domain = || {
        let line =
            resolv.lines().map(words).find(|line| matches!(line.first().map(String::as_str), Some("domain" | "search")))?;
        line.into_iter().nth(1).filter(|domain| domain != ".")
    };
    of_hosts.or_else(|| Some(format!("{name}.{}", domain()?.trim_matches('.'))))
}

/// Returns the system's own name of this host.
fn own_host_name() -> Result<String> {
    // of Linux; elsewhere the file that many systems keep it in
    let read = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = read.map_err(|e| failed("reading this host's name", e))?.trim().to_owned();
    if name.is_empty() {
        Err(failed("reading this host's name", io::Error::new(ErrorKind::NotFound, "it is empty")))
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_erlang_reads() {
        assert_eq!(parse(b"SECRET\n").as_deref(), Ok("SECRET"));
        // a space that is followed by nothing is part of it, as Erlang has it
        assert_eq!(parse(b"SEC RET \r\n").as_deref(), Ok("SEC RET "));
        // which Erlang takes with -setcookie alone, in either encoding
        assert_eq!(parse("Gebäck\n".as_bytes()).as_deref(), Ok("Gebäck"));
        assert_eq!(parse(b"Geb\xe4ck\n").as_deref(), Ok("Gebäck"));
        assert!(parse("10 €".as_bytes()).is_err());
        assert_eq!(parse("ä".repeat(255).as_bytes()).map(|cookie| cookie.chars().count()), Ok(255));
        assert!(parse(b"").is_err() && parse(b"\n").is_err() && parse(b"A\nB\n").is_err() && parse(b"A\x7f").is_err());
        assert!(parse(&[b'a'; 256]).is_err());
    }

    #[test]
    fn a_full_name_comes_from_where_it_is_known() {
        let full = |name, hosts, resolv| full_name(name, hosts, resolv);
        let hosts = "127.0.0.1 localhost\n127.0.1.1\tnuc3.example.org nuc3 # this one\n";
        assert_eq!(full("nuc3.lan", hosts, "").as_deref(), Some("nuc3.lan"));
        assert_eq!(full("nuc3", hosts, "search lan\n").as_deref(), Some("nuc3.example.org"));
        assert_eq!(full("nuc4", hosts, "# x\nnameserver 10.0.0.1\nsearch lan. other\n").as_deref(), Some("nuc4.lan"));
        assert_eq!(full("nuc4", hosts, "search .\n"), None);
        assert_eq!(full("localhost", hosts, ""), None);
        let short = short_host_name().unwrap();
        assert!(!short.is_empty() && !short.contains('.'));
    }
}

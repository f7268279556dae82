//! The command `beamless certs`: a CA for a small cluster, and a certificate for each of its hosts.

mod authority;
mod optfile;

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use authority::Authority;

use crate::cli::command_line::spec::{Found, Offer, Opt, Positional, Spec};
use crate::cli::outcome::{Failure, print};

pub(super) const SPEC: Spec = Spec {
    name: "certs",
    help: "Make a CA and certificates, for TLS",
    about: "Make a CA for a small cluster, and for each of its hosts a folder with what a node of beamless and one of Erlang take for TLS.",
    options: &[DAYS, AT],
    positionals: &[
        Positional {
            name: "WHAT",
            help: "init: the CA; node: the certificate of a host, anew if there is one",
            offer: Offer::Words(&["init", "node"]),
            ..Positional::WORD
        },
        Positional { name: "DIR", help: "The folder of the CA", offer: Offer::Files, ..Positional::WORD },
        Positional {
            name: "HOST",
            help: "With node: each name and address of the host that nodes are called by, behind the @; the first names the folder in DIR",
            optional: true,
            repeats: true,
            ..Positional::WORD
        },
    ],
    notes: &[
        "The folder DIR/HOST has tls.crt, tls.key and ca.crt, for beamless, and ssl_dist.conf, for Erlang. Copy it to the host. \
            DIR/ca.key signs certificates: whoever has it can be any node. It stays where it is.",
        "Example: beamless certs init pki\n  beamless certs node pki nuc7 10.0.0.7\n  beamless certs node pki nuc3 --at /etc/erlang/tls",
    ],
    lasts: false,
    run: read,
};

const DAYS: Opt = Opt {
    long: "days",
    value: Some("DAYS"),
    help: "How long it is valid; a CA 3650 by default, and a host's certificate 400, which is a year and a month to renew it in",
    ..Opt::SWITCH
};
const AT: Opt = Opt {
    long: "at",
    value: Some("FOLDER"),
    help: "With node: where the files will lie on the host, which ssl_dist.conf has to say; by default where they are made",
    offer: Offer::Files,
    ..Opt::SWITCH
};

/// A hundred years: no clock runs over.
const LONGEST: u32 = 36_500;

fn read(found: &mut Found) -> Result<(), Failure> {
    let what = found.positional("WHAT")?;
    let folder = PathBuf::from(found.positional("DIR")?);
    let days = found.positive::<u32>("days", "days are a number from 1 to 36500")?;
    if let Some(days) = days.filter(|days| *days > LONGEST) {
        return Err(format!("--days {days}: days are a number from 1 to 36500").into());
    }
    let at = found.path("at");
    let hosts: Vec<String> = std::iter::from_fn(|| found.next_positional().transpose()).collect::<Result<_, _>>()?;
    match what.as_str() {
        "init" if !hosts.is_empty() || at.is_some() => {
            Err("init makes the CA alone: hosts and --at are for node".to_owned().into())
        }
        "init" => init(&folder, days.unwrap_or(3650)),
        "node" => node(&folder, &hosts, days.unwrap_or(400), at),
        other => Err(format!("certs init or certs node, not certs {other}").into()),
    }
}

/// Makes a CA, where there is none. An `init` that was ended in between has left a key, which this one goes on with.
fn init(folder: &Path, days: u32) -> Result<(), Failure> {
    let (cert, key) = (folder.join("ca.crt"), folder.join("ca.key"));
    if cert.symlink_metadata().is_ok() {
        return Err(Failure::refused(format!(
            "{} is there already, and stays: the certificates of a cluster are of one CA; another folder can have another",
            cert.display()
        )));
    }
    fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    let is_there = key.symlink_metadata().is_ok();
    let made = if is_there { authority::made_with(&readable(&key)?, days) } else { authority::made(days) };
    let made = made.map_err(|why| Failure::refused(format!("{}: {why}", folder.display())))?;
    if !is_there {
        put(&key, &made.key, true)?;
    }
    put(&cert, &made.cert, false)?;
    print(&format!(
        "{0}/ca.crt: the CA, valid until {1}\n{0}/ca.key: its key. Whoever has it can be any node: it stays here\n\
         next: beamless certs node {0} HOST.., with the names and addresses of a host",
        folder.display(),
        made.until
    ))
}

/// Makes the certificate of a host.
fn node(folder: &Path, hosts: &[String], days: u32, at: Option<PathBuf>) -> Result<(), Failure> {
    let Some(first) = hosts.first() else {
        return Err("HOST is missing: the host part of the node's name, and any other that it is called by".to_owned().into());
    };
    hosts.iter().try_for_each(|host| authority::check(host))?;
    let (key, cert) = (readable(&folder.join("ca.key"))?, readable(&folder.join("ca.crt"))?);
    let refused = |why: String| Failure::refused(format!("{}: {why}", folder.display()));
    let authority = Authority::new(&key, &cert).map_err(refused)?;
    let made = authority.certificate(hosts, days).map_err(refused)?;

    let own = folder.join(first);
    let at = at.unwrap_or_else(|| std::path::absolute(&own).unwrap_or_else(|_| own.clone()));
    let at = at.to_str().filter(|at| at.starts_with('/')).ok_or_else(|| {
        Failure::usage(format!("{}: ssl_dist.conf takes a path from the root, in UTF-8; --at gives one", at.display()))
    })?;
    fs::create_dir_all(&own).map_err(|e| failed(&own, &e))?;
    let renewed = own.join("tls.crt").exists();
    // the pair last, and the key first: whoever looks in between finds that it does not fit, and waits
    put(&own.join("ca.crt"), authority.cert, false)?;
    put(&own.join("ssl_dist.conf"), &optfile::text(at), false)?;
    put(&own.join("tls.key"), &made.key, true)?;
    put(&own.join("tls.crt"), &made.cert, false)?;

    let ends = if made.until < authority.until { "" } else { ", as the CA is: make another CA in time" };
    let name = if first.contains(['.', ':']) { "name" } else { "sname" };
    let carrier = if first.contains(':') { "inet6_tls" } else { "inet_tls" };
    print(&format!(
        "{}: certificate for {}, valid until {}{ends}{}\n\
         beamless: beamless run --{name} NAME@{first} --tls-dir {at}\n\
         Erlang:   erl -{name} NAME@{first} -proto_dist {carrier} -ssl_dist_optfile {at}/ssl_dist.conf",
        own.display(),
        hosts.join(", "),
        made.until,
        if renewed { "; it takes the place of the one that was there" } else { "" },
    ))
}

/// Reads a file of the CA.
fn readable(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Failure::refused(format!(
            "{}: there is no CA; beamless certs init {} makes one",
            path.display(),
            path.parent().unwrap_or(Path::new("DIR")).display()
        )),
        _ => failed(path, &e),
    })
}

/// Writes a file in one piece, so that whoever reads it has the old one or the new one; a secret one is for its owner alone.
fn put(path: &Path, text: &str, secret: bool) -> Result<(), Failure> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let write = || {
        // one that was left by an end in between may have other rights
        match fs::remove_file(&new) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(if secret { 0o600 } else { 0o644 }).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|e| failed(path, &e))
}

fn failed(path: &Path, e: &io::Error) -> Failure {
    Failure::refused(format!("{}: {e}", path.display()))
}

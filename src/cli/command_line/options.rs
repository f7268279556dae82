//! The options and arguments that several commands take, and their reading.

use std::time::Duration;

use beamless::Epmd;

use super::spec::{Found, Offer, Opt, Positional};
use crate::cli::host::Name;
use crate::cli::terms::Format;

pub(crate) const SNAME: Opt =
    Opt { long: "sname", value: Some("NAME"), help: "This node's short name; its host is this host's short name", ..Opt::SWITCH };
pub(crate) const NAME: Opt = Opt {
    long: "name",
    value: Some("NAME[@HOST]"),
    help: "This node's long name; without a host, this host's full name",
    ..Opt::SWITCH
};
pub(crate) const DYNAMIC: Opt = Opt {
    long: "dynamic",
    value: Some("HOST"),
    help: "Have the first node that is connected to give this one a name on this host, as erl -sname undefined does",
    ..Opt::SWITCH
};
pub(crate) const COOKIE_FILE: Opt = Opt {
    long: "cookie-file",
    value: Some("FILE"),
    help: "The file with the cluster's cookie; by default ~/.erlang.cookie",
    offer: Offer::Files,
    ..Opt::SWITCH
};
pub(crate) const OWN_COOKIE_FILE: Opt =
    Opt { help: "The file with the cluster's cookie; by default ~/.erlang.cookie, made if it is missing", ..COOKIE_FILE };
pub(crate) const TLS_DIR: Opt = Opt {
    long: "tls-dir",
    value: Some("DIR"),
    help: "Speak TLS, with tls.crt, tls.key and ca.crt of this folder; by default BEAMLESS_TLS_DIR, else none",
    offer: Offer::Files,
    ..Opt::SWITCH
};
pub(crate) const LISTEN: Opt = Opt {
    long: "listen",
    value: Some("ADDR[:PORT]"),
    help: "Where to listen; by default on the addresses of the name's host part, at any free port; none: nowhere, it dials out only",
    ..Opt::SWITCH
};
pub(crate) const EPMD: Opt = Opt {
    long: "epmd",
    value: Some("WHICH"),
    help: "auto: use a running EPMD, else serve one (the default); external, embedded, none",
    offer: Offer::Words(&Epmd::WORDS),
    ..Opt::SWITCH
};
pub(crate) const VISIBLE: Opt =
    Opt { long: "visible", help: "Stand in nodes() of the others, not in nodes(hidden)", ..Opt::SWITCH };
pub(crate) const QUIET: Opt =
    Opt { long: "quiet", short: Some('q'), help: "Say only what went wrong, not who comes and goes", ..Opt::SWITCH };
pub(crate) const TIMEOUT: Opt = Opt {
    long: "timeout",
    value: Some("SECONDS"),
    help: "How long it may take; 5 by default, fractions are taken",
    ..Opt::SWITCH
};
pub(crate) const JSON: Opt = Opt { long: "json", ..Opt::SWITCH };

pub(crate) const NODE: Positional = Positional {
    name: "NODE",
    help: "The node: NAME@HOST, or NAME on the host of --sname or --name, else on this one; NAME@HOST:PORT goes around EPMD",
    offer: Offer::Nodes,
    ..Positional::WORD
};
pub(crate) const PROCESS: Positional =
    Positional { name: "NAME", help: "The registered name of the process, as it is, without quotes", ..Positional::WORD };
pub(crate) const TERM: Positional = Positional {
    name: "TERM",
    help: "The term, as Erlang writes it; - reads it from standard input",
    quoted: true,
    ..Positional::WORD
};

pub(crate) fn name(found: &mut Found) -> Result<Option<Name>, String> {
    let mut name: Option<Name> = None;
    for (option, make) in Name::KEYS {
        let Some(given) = found.text(option)? else { continue };
        if name.replace(make(given)).is_some() {
            return Err("a node has one name: --sname, --name or --dynamic, not two of them".to_owned());
        }
    }
    Ok(name)
}

pub(crate) fn format(found: &mut Found) -> Format {
    if found.has("json") { Format::Json } else { Format::Erlang }
}

/// The longest timeout, so that no clock runs over.
const LONGEST: Duration = Duration::from_secs(1_000_000);

pub(crate) fn timeout(found: &mut Found) -> Result<Duration, String> {
    let Some(text) = found.text("timeout")? else { return Ok(Duration::from_secs(5)) };
    let timeout = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    timeout
        .filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST)
        .ok_or_else(|| format!("--timeout {text}: a timeout is a number of seconds above 0, up to a million, such as 0.5"))
}

//! The command `beamless run`: is the agent.

use crate::cli::agent;
use crate::cli::agent::Arguments;
use crate::cli::command_line::options::{self, DYNAMIC, EPMD, LISTEN, NAME, OWN_COOKIE_FILE, QUIET, SNAME, TLS_DIR, VISIBLE};
use crate::cli::command_line::spec::{Offer, Opt, Spec};

pub(super) const SPEC: Spec = Spec {
    name: "run",
    help: "Be a node until SIGTERM or SIGINT",
    about: "Be a node: answer pings and calls, keep connections, with a mailbox `echo` to try it.",
    options: &[CONFIG, CHECK, SNAME, NAME, DYNAMIC, OWN_COOKIE_FILE, TLS_DIR, LISTEN, EPMD, VISIBLE, CONNECT, STATE_DIR, QUIET],
    positionals: &[],
    notes: &[
        "Examples: beamless run --sname demo --connect hub@nuc3\n  beamless run --config /etc/beamless/beamless.toml --check",
        "SIGHUP reads the file of --config again, and applies what can be applied while connections stay. Without --config it means that \
        the terminal is gone, and ends the node.",
    ],
    lasts: true,
    run: |found| {
        let arguments = Arguments {
            config: found.path("config"),
            check: found.has("check"),
            name: options::name(found)?,
            cookie_file: found.path("cookie-file"),
            tls_dir: found.path("tls-dir"),
            listen: found.text("listen")?,
            epmd: found.parsed("epmd")?,
            visible: found.has("visible"),
            connect: found.texts("connect")?,
            state_dir: found.path("state-dir"),
        };
        agent::run(&arguments)
    },
};

const CONFIG: Opt = Opt {
    long: "config",
    value: Some("FILE"),
    help: "The configuration file (TOML); what is given besides on the command line wins over it",
    offer: Offer::Files,
    ..Opt::SWITCH
};
const CHECK: Opt = Opt { long: "check", help: "Check the settings, show what would be done, and end", ..Opt::SWITCH };
const CONNECT: Opt = Opt {
    long: "connect",
    value: Some("NODE"),
    help: "Connect to this node, and again whenever it is back; repeatable. These take the place of the file's",
    offer: Offer::Nodes,
    repeats: true,
    ..Opt::SWITCH
};
const STATE_DIR: Opt = Opt {
    long: "state-dir",
    value: Some("DIR"),
    help: "The folder for what outlives a restart; by default systemd's STATE_DIRECTORY, else none",
    offer: Offer::Files,
    ..Opt::SWITCH
};

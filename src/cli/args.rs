//! The commands: what each takes, and what `--help`, the completions and the manual page say of it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use beamless::Epmd;

use super::completion::Shell;
use super::grammar::{Found, Offer, Opt, Positional, Spec};
use super::json;

/// A name as given, which decides how its host part is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Short(String),
    Long(String),
}

impl fmt::Display for Name {
    /// As an option.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(name) => write!(f, "--sname {name}"),
            Self::Long(name) => write!(f, "--name {name}"),
        }
    }
}

/// What it takes to be a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) name: Name,
    pub(super) cookie_file: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) epmd: Epmd,
    pub(super) visible: bool,
}

/// What it takes to ask a node.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) name: Option<Name>,
    pub(super) cookie_file: Option<PathBuf>,
    pub(super) timeout: Duration,
}

/// What terms are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Erlang,
    Json,
}

/// Each wins over the configuration file.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) config: Option<PathBuf>,
    pub(super) check: bool,
    pub(super) name: Option<Name>,
    pub(super) cookie_file: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) epmd: Option<Epmd>,
    pub(super) visible: bool,
    pub(super) connect: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Recv {
    pub(super) local: Local,
    pub(super) format: Format,
    pub(super) count: Option<u64>,
    pub(super) mailbox: String,
}

#[derive(Debug, Clone)]
pub(super) struct Serve {
    pub(super) port: Option<u16>,
    pub(super) addresses: Vec<IpAddr>,
}

#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) timeout: Duration,
    pub(super) host: String,
}

/// `ping` and `nodes`.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) asking: Asking,
    pub(super) node: String,
}

/// `send` and `call`.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) asking: Asking,
    pub(super) format: Format,
    pub(super) node: String,
    pub(super) to: String,
    pub(super) term: String,
}

#[derive(Debug, Clone)]
pub(super) struct Rpc {
    pub(super) asking: Asking,
    pub(super) format: Format,
    pub(super) node: String,
    pub(super) function: String,
}

/// What to do.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Run(Run),
    Recv(Recv),
    Ping(About),
    Send(Message),
    Call(Message),
    Rpc(Rpc),
    Nodes(About),
    Names(Names),
    Epmd(Serve),
    Completion(Shell),
    Man,
}

/// The command, and whether to say more.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) verbose: bool,
    pub(super) command: Command,
}

/// What `--help` says first, and last.
pub(super) const ABOUT: &str = "An Erlang node without the BEAM, and a tool to talk to Erlang nodes from a shell.";
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done; 1 the cluster said no (pang, noproc, an exception, a timeout); 2 wrong usage or settings. \
Results go to standard output, words to standard error.";
pub(super) const EXAMPLE: &str =
    "Example: beamless run --sname demo\n  then, from another terminal: beamless call demo echo '{hello, 1}'";

/// Every command, in the order in which `--help` lists them.
pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "run",
        help: "Be a node until SIGTERM or SIGINT",
        about: "Be a node: answer pings and calls, keep connections, with a mailbox `echo` to try it.",
        options: &[CONFIG, CHECK, SNAME, NAME, OWN_COOKIE_FILE, LISTEN, EPMD, VISIBLE, CONNECT],
        positionals: &[],
        notes: &[
            "Examples: beamless run --sname demo --connect hub@nuc3\n  beamless run --config /etc/beamless/beamless.toml --check",
            "SIGHUP reads the file again, and applies what can be applied while connections stay.",
        ],
        make: run,
    },
    Spec {
        name: "recv",
        help: "Be a node, and print what is sent to one name: flush() for shells",
        about: "Be a node with one mailbox, and print each message on a line as it comes. What is not printed yet waits, and holds up its sender.",
        options: &[SNAME, NAME, OWN_COOKIE_FILE, LISTEN, EPMD, VISIBLE, Opt { help: "Print JSON", ..JSON }, COUNT],
        positionals: &[Positional { name: "NAME", help: "The name that messages are sent to", ..Positional::WORD }],
        notes: &[
            "Example: beamless recv --sname inbox news --count 1\n  then, from Erlang: {news,'inbox@HOST'} ! hello.",
            json::PRINTED,
        ],
        make: recv,
    },
    Spec {
        name: "ping",
        help: "Ask whether a node is there: pong or pang",
        about: "Connect to a node as net_adm:ping does, and print pong; or pang, and why on standard error.",
        options: &[SNAME, NAME, COOKIE_FILE, TIMEOUT],
        positionals: &[NODE],
        notes: &["Example: beamless ping hub@nuc3 || systemctl restart hub"],
        make: |found| Ok(Command::Ping(about(found)?)),
    },
    Spec {
        name: "send",
        help: "Send a message to a registered process",
        about: "Send a message, as {NAME,NODE} ! TERM does. It is done once the node has it; that no process has the name is an error.",
        options: &[SNAME, NAME, COOKIE_FILE, TIMEOUT, Opt { help: "TERM is JSON", ..JSON }],
        positionals: &[NODE, PROCESS, TERM],
        notes: &["Example: beamless send hub@nuc3 readings '{reading, 21.5, <<\"kitchen\">>, #{unit => celsius}}'", json::HELP],
        make: |found| Ok(Command::Send(message(found)?)),
    },
    Spec {
        name: "call",
        help: "Call a process, as gen_server:call does, and print the reply",
        about: "Call a process, as gen_server:call({NAME,NODE}, TERM) does, and print its reply.",
        options: &[SNAME, NAME, COOKIE_FILE, TIMEOUT, Opt { help: "TERM is JSON, and so is what is printed", ..JSON }],
        positionals: &[NODE, PROCESS, TERM],
        notes: &["Example: beamless call hub@nuc3 thermometer '{read, celsius}'", json::HELP],
        make: |found| Ok(Command::Call(message(found)?)),
    },
    Spec {
        name: "rpc",
        help: "Call a function on a node and print its value",
        about: "Call a function on a node, as rpc:call does, and print its value; or the exception, on standard error. \
            What the function itself prints goes nowhere.",
        options: &[
            SNAME,
            NAME,
            COOKIE_FILE,
            TIMEOUT,
            Opt { help: "Print the value as JSON; the call is Erlang text all the same", ..JSON },
        ],
        positionals: &[
            NODE,
            Positional {
                name: "MOD:FUN(ARGS)",
                help: "The call, as Erlang writes it; nothing in it is evaluated. An Elixir module is 'Elixir.Name'",
                ..Positional::WORD
            },
        ],
        notes: &[
            "Examples: beamless rpc hub@nuc3 'erlang:memory(total)'\n  beamless rpc hub@nuc3 \"'Elixir.System':version()\"",
            json::PRINTED,
        ],
        make: rpc,
    },
    Spec {
        name: "nodes",
        help: "List the nodes that a node is connected to",
        about: "List the nodes that a node is connected to, one a line, each with its kind: visible or hidden.",
        options: &[SNAME, NAME, COOKIE_FILE, TIMEOUT],
        positionals: &[NODE],
        notes: &["Example: beamless nodes hub@nuc3"],
        make: |found| Ok(Command::Nodes(about(found)?)),
    },
    Spec {
        name: "names",
        help: "List the nodes of a host, as epmd -names does",
        about: "List the nodes that are registered with a host's EPMD, as epmd -names does. ERL_EPMD_PORT says at which port that is.",
        options: &[TIMEOUT],
        positionals: &[Positional { name: "HOST", help: "The host; this one by default", optional: true, ..Positional::WORD }],
        notes: &["Example: beamless names nuc3"],
        make: names,
    },
    Spec {
        name: "epmd",
        help: "Be EPMD, for a host without Erlang",
        about: "Be EPMD, where nodes register their names and ports, until SIGTERM or SIGINT. It takes 32 names.",
        options: &[PORT, ADDRESS],
        positionals: &[],
        notes: &["Example: beamless epmd --address 10.0.0.7"],
        make: epmd,
    },
    Spec {
        name: "completion",
        help: "Print the completions for a shell",
        about: "Print a script that lets a shell complete commands, options and the names of this host's nodes.",
        options: &[],
        positionals: &[Positional {
            name: "SHELL",
            help: "bash, zsh or fish",
            offer: Offer::Words(&["bash", "zsh", "fish"]),
            ..Positional::WORD
        }],
        notes: &["Example: beamless completion bash >/etc/bash_completion.d/beamless\n  \
            zsh: >/usr/local/share/zsh/site-functions/_beamless\n  fish: >/etc/fish/completions/beamless.fish"],
        make: |found| Ok(Command::Completion(found.positional("SHELL")?.parse()?)),
    },
    Spec {
        name: "man",
        help: "Print the manual page",
        about: "Print the manual page, made of the same words as --help.",
        options: &[],
        positionals: &[],
        notes: &["Example: beamless man | man -l -"],
        make: |_| Ok(Command::Man),
    },
];

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
const SNAME: Opt =
    Opt { long: "sname", value: Some("NAME"), help: "This node's short name; its host is this host's short name", ..Opt::SWITCH };
const NAME: Opt = Opt {
    long: "name",
    value: Some("NAME[@HOST]"),
    help: "This node's long name; without a host, this host's full name",
    ..Opt::SWITCH
};
const COOKIE_FILE: Opt = Opt {
    long: "cookie-file",
    value: Some("FILE"),
    help: "The file with the cluster's cookie; by default ~/.erlang.cookie",
    offer: Offer::Files,
    ..Opt::SWITCH
};
const OWN_COOKIE_FILE: Opt =
    Opt { help: "The file with the cluster's cookie; by default ~/.erlang.cookie, made if it is missing", ..COOKIE_FILE };
const LISTEN: Opt = Opt {
    long: "listen",
    value: Some("ADDR[:PORT]"),
    help: "Where to listen; by default on the addresses of the name's host part, at any free port",
    ..Opt::SWITCH
};
const EPMD: Opt = Opt {
    long: "epmd",
    value: Some("WHICH"),
    help: "auto: use a running EPMD, else serve one (the default); external, embedded, none",
    offer: Offer::Words(&["auto", "external", "embedded", "none"]),
    ..Opt::SWITCH
};
const VISIBLE: Opt = Opt { long: "visible", help: "Stand in nodes() of the others, not in nodes(hidden)", ..Opt::SWITCH };
const TIMEOUT: Opt = Opt {
    long: "timeout",
    value: Some("SECONDS"),
    help: "How long it may take; 5 by default, fractions are taken",
    ..Opt::SWITCH
};
const JSON: Opt = Opt { long: "json", ..Opt::SWITCH };
const COUNT: Opt = Opt {
    long: "count",
    value: Some("N"),
    help: "End after so many messages; by default at SIGTERM, SIGINT, or when standard output is closed",
    ..Opt::SWITCH
};
const PORT: Opt = Opt { long: "port", value: Some("P"), help: "The port; ERL_EPMD_PORT or 4369 by default", ..Opt::SWITCH };
const ADDRESS: Opt = Opt {
    long: "address",
    value: Some("A"),
    help: "Listen on this address and on loopback, not on all; ERL_EPMD_ADDRESS by default; repeatable",
    repeats: true,
    ..Opt::SWITCH
};

const NODE: Positional = Positional {
    name: "NODE",
    help: "The node: NAME@HOST, or NAME on the host of --sname or --name, else on this one; NAME@HOST:PORT goes around EPMD",
    offer: Offer::Nodes,
    ..Positional::WORD
};
const PROCESS: Positional =
    Positional { name: "NAME", help: "The registered name of the process, as it is, without quotes", ..Positional::WORD };
const TERM: Positional =
    Positional { name: "TERM", help: "The term, as Erlang writes it; - reads it from standard input", ..Positional::WORD };

fn run(found: &mut Found) -> Result<Command, String> {
    Ok(Command::Run(Run {
        config: found.path("config"),
        check: found.has("check"),
        name: name(found)?,
        cookie_file: found.path("cookie-file"),
        listen: found.text("listen")?,
        epmd: found.parsed("epmd")?,
        visible: found.has("visible"),
        connect: found.texts("connect")?,
    }))
}

fn recv(found: &mut Found) -> Result<Command, String> {
    let name = name(found)?.ok_or("the node needs a name: --sname NAME, or --name NAME@HOST")?;
    let local = Local {
        name,
        cookie_file: found.path("cookie-file"),
        listen: found.text("listen")?,
        epmd: found.parsed("epmd")?.unwrap_or_default(),
        visible: found.has("visible"),
    };
    let count = found.positive("count", "a number of messages, from 1 on")?;
    Ok(Command::Recv(Recv { local, format: format(found), count, mailbox: found.positional("NAME")? }))
}

fn rpc(found: &mut Found) -> Result<Command, String> {
    let (asking, format) = (asking(found)?, format(found));
    let (node, function) = (found.positional("NODE")?, found.positional("MOD:FUN(ARGS)")?);
    Ok(Command::Rpc(Rpc { asking, format, node, function }))
}

fn names(found: &mut Found) -> Result<Command, String> {
    let timeout = timeout(found)?;
    Ok(Command::Names(Names { timeout, host: found.next_positional()?.unwrap_or_else(|| "localhost".to_owned()) }))
}

fn epmd(found: &mut Found) -> Result<Command, String> {
    let port = found.positive("port", "a port is a number from 1 to 65535")?;
    let address = |text: &String| {
        text.parse().map_err(|_| format!("--address {text}: an address of IPv4 or IPv6 is needed, such as 10.0.0.7"))
    };
    let addresses = found.texts("address")?.iter().map(address).collect::<Result<_, _>>()?;
    Ok(Command::Epmd(Serve { port, addresses }))
}

fn about(found: &mut Found) -> Result<About, String> {
    Ok(About { asking: asking(found)?, node: found.positional("NODE")? })
}

fn message(found: &mut Found) -> Result<Message, String> {
    let (asking, format) = (asking(found)?, format(found));
    let (node, to, term) = (found.positional("NODE")?, found.positional("NAME")?, found.positional("TERM")?);
    Ok(Message { asking, format, node, to, term })
}

fn asking(found: &mut Found) -> Result<Asking, String> {
    Ok(Asking { name: name(found)?, cookie_file: found.path("cookie-file"), timeout: timeout(found)? })
}

fn name(found: &mut Found) -> Result<Option<Name>, String> {
    match (found.text("sname")?, found.text("name")?) {
        (Some(_), Some(_)) => Err("a node has one name: --sname or --name, not both".to_owned()),
        (Some(name), None) => Ok(Some(Name::Short(name))),
        (None, name) => Ok(name.map(Name::Long)),
    }
}

fn format(found: &mut Found) -> Format {
    if found.has("json") { Format::Json } else { Format::Erlang }
}

/// No timeout is longer, so that no clock runs over.
const LONGEST: Duration = Duration::from_secs(1_000_000);

fn timeout(found: &mut Found) -> Result<Duration, String> {
    let Some(text) = found.text("timeout")? else { return Ok(Duration::from_secs(5)) };
    let timeout = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    timeout
        .filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST)
        .ok_or_else(|| format!("--timeout {text}: a timeout is a number of seconds above 0, up to a million, such as 0.5"))
}

//! What the agent is to do, out of its configuration file and the command line.

use std::path::PathBuf;
use std::time::Duration;

use beamless::{NodeName, Sizes};

use crate::cli::args::Local;

/// Everything.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) local: Local,
    /// The node's whole name. So are all names of nodes in here, whatever the file leaves out.
    pub(super) node: NodeName,
    /// EPMD's port; as the environment says, if there is none.
    pub(super) epmd_port: Option<u16>,
    /// The nodes that may connect; all, if there are none.
    pub(super) allow: Vec<String>,
    pub(super) tick_time: Duration,
    pub(super) sizes: Sizes,
    /// Nodes to be connected to for as long as the agent runs.
    pub(super) connect: Vec<String>,
    pub(super) discover: Option<Discover>,
    pub(super) publish: Vec<Publish>,
    pub(super) programs: Vec<Program>,
    pub(super) functions: Vec<Function>,
}

impl Settings {
    /// These, with what of the new ones can be had without a restart. Also the keys of the rest.
    pub(super) fn updated(&self, new: Self) -> (Self, Vec<&'static str>) {
        let (old, local) = (&self.local, &new.local);
        let fixed = [
            ("name", old.name != local.name),
            ("cookie_file", old.cookie_file != local.cookie_file),
            ("listen", old.listen != local.listen),
            ("epmd", old.epmd != local.epmd),
            ("epmd_port", self.epmd_port != new.epmd_port),
            ("visible", old.visible != local.visible),
            ("allow", self.allow != new.allow),
            ("tick_time", self.tick_time != new.tick_time),
            ("sizes", self.sizes != new.sizes),
        ];
        let Self { connect, discover, publish, programs, functions, .. } = new;
        let updated = Self { connect, discover, publish, programs, functions, ..self.clone() };
        (updated, fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect())
    }
}

/// `[discover]`: connect to every node that these hosts' EPMDs name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Discover {
    pub(super) hosts: Vec<String>,
    pub(super) every: Duration,
}

/// `[[publish]]`: what is read at an interval and sent to a process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Publish {
    pub(super) source: Source,
    pub(super) label: String,
    pub(super) every: Duration,
    pub(super) form: Form,
    /// The registered name that it is sent to, and its node.
    pub(super) to: String,
    pub(super) node: String,
    /// How many readings are kept while the node is away.
    pub(super) keep: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Command(Vec<String>),
}

/// What is made of a reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// An integer or a float, divided if that was asked for.
    Number { divide: Option<f64> },
    /// A binary, without the newline at its end.
    Text,
    /// The term that the Erlang text is.
    Term,
}

/// `[mailbox.NAME]`: a program behind a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) command: Vec<String>,
    pub(super) format: Format,
}

/// What a program is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A line of Erlang text for each message.
    Erlang,
    /// A line of JSON for each message.
    Json,
    /// The external term format, behind a length of four bytes: `{packet,4}`.
    Etf,
}

/// `[functions]`: a function that is served by running a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// `Module:Function/Arity`.
    pub(super) name: String,
    pub(super) command: Vec<String>,
    pub(super) output: Output,
    pub(super) timeout: Duration,
}

/// What the value of a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// What the command printed, as a binary without its last newline.
    Text,
    /// The term that it printed.
    Term,
}

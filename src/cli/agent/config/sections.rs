//! The tables of the file: what each comes to, and how it is read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use beamless::{NodeName, Sizes};

use super::asked::Asked;
use super::file::{Fault, Faults, Item, Section};
use super::gossip::{Gossip, gossip};
use super::keys::Table;
use super::receiver::{Receiver, read, receiver};
use super::{units, values};
use crate::cli::agent::erlang;
use crate::cli::agent::own::{MAILBOXES, reserved};
use crate::cli::groups::{Group, PubSub};
use crate::cli::tls::{self, TlsVersions, Wanted};

/// `[discover]`: connect to every node that these hosts' EPMDs name, and say heartbeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Discover {
    pub(in crate::cli::agent) hosts: Vec<String>,
    pub(in crate::cli::agent) every: Duration,
    pub(in crate::cli::agent) gossip: Option<Gossip>,
}

/// `[[publish]]`: what is read at an interval and sent to a process.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli::agent) struct Publish {
    pub(in crate::cli::agent) source: Source,
    pub(in crate::cli::agent) label: String,
    pub(in crate::cli::agent) every: Duration,
    pub(in crate::cli::agent) form: Form,
    pub(in crate::cli::agent) receiver: Receiver,
    /// The most readings that are kept while the node is away; without it as many as there is room for.
    pub(in crate::cli::agent) keep: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) enum Source {
    File(PathBuf),
    Command(Vec<String>),
    /// A program behind a mailbox, when it likes: none of the file.
    Program,
}

/// The form of a reading's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli::agent) enum Form {
    /// An integer or a float, divided if the file says so.
    Number { divide: Option<f64> },
    /// A binary, without the newline at its end.
    Text,
    /// The term that the Erlang text is.
    Term,
}

impl Form {
    fn of(word: &str) -> Self {
        match word {
            "number" => Self::Number { divide: None },
            "term" => Self::Term,
            _ => Self::Text,
        }
    }
}

/// `[mailbox.NAME]`: a program behind a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct ProgramSettings {
    pub(in crate::cli::agent) name: String,
    pub(in crate::cli::agent) command: Vec<String>,
    pub(in crate::cli::agent) format: ProgramFormat,
    pub(in crate::cli::agent) place: Place,
}

/// What a mailbox is in the cluster, besides its name on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli::agent) struct Place {
    groups: Vec<Group>,
    pub(in crate::cli::agent) global: Option<String>,
    pub(in crate::cli::agent) subscription: Option<Subscription>,
}

/// The topics of a Phoenix.PubSub that a program is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Subscription {
    pub(in crate::cli::agent) pubsub: PubSub,
    pub(in crate::cli::agent) topics: Vec<String>,
    pool_size: u16,
}

impl Place {
    /// Returns the groups, those of its PubSub included.
    pub(in crate::cli::agent) fn groups(&self) -> impl Iterator<Item = Group> {
        let of_pubsub = self.subscription.iter().flat_map(|told| told.pubsub.groups(told.pool_size));
        self.groups.iter().cloned().chain(of_pubsub)
    }
}

/// The format of the messages between the agent and a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::agent) enum ProgramFormat {
    /// A line of Erlang text for each message.
    Erlang,
    /// A line of JSON for each message.
    Json,
    /// The external term format, behind a length of four bytes: `{packet,4}`.
    Etf,
}

impl ProgramFormat {
    fn of(word: &str) -> Self {
        match word {
            "json" => Self::Json,
            "etf" => Self::Etf,
            _ => Self::Erlang,
        }
    }
}

/// `[functions]`: a function that is served by running a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Function {
    /// `Module:Function/Arity`.
    pub(in crate::cli::agent) name: String,
    pub(in crate::cli::agent) command: Vec<String>,
    pub(in crate::cli::agent) output: Output,
    pub(in crate::cli::agent) timeout: Duration,
}

/// The value of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::agent) enum Output {
    /// The text that the command printed, as a binary without its last newline.
    Text,
    /// The term that the command printed.
    Term,
}

impl Output {
    fn of(word: &str) -> Self {
        if word == "term" { Self::Term } else { Self::Text }
    }
}

/// Reads `[tls]`. Whoever names a folder besides need not name any file here.
pub(super) fn tls(section: Section<'_>, folder: &Path, is_named: bool, faults: &mut Faults) -> Wanted {
    let mut path = |name| {
        let item = section.get(name)?;
        faults.keep(item.text().and_then(|text| values::path(text, folder).map_err(|why| item.wrong(why))))
    };
    let [dir, cert, key, ca, crl] = ["dir", "cert", "key", "ca", "crl"].map(&mut path);
    let missing = ["cert", "key", "ca"].into_iter().find(|name| section.get(name).is_none());
    if let Some(missing) = missing.filter(|_| section.get("dir").is_none() && !is_named) {
        faults
            .add(section.wrong(&format!("`{missing}` is missing: write dir = \"/etc/beamless/tls\", or name each of the files")));
    }
    faults.keep(tls::built().map_err(|why| section.wrong(&why)));
    let versions = section.get("versions").and_then(|item| faults.keep(versions(&item))).unwrap_or_default();
    let check_names = section.get("check_names").and_then(|item| faults.keep(item.switch())).unwrap_or_default();
    section.finish(faults);
    Wanted { folder: dir, cert, key, ca, crl, versions, check_names }
}

fn versions(list: &Item<'_>) -> Result<TlsVersions, Fault> {
    let mut spoken = [false; 2];
    for item in list.list()? {
        match item.as_text() {
            Some("1.3") => spoken[0] = true,
            Some("1.2") => spoken[1] = true,
            _ => return Err(item.wrong("write \"1.3\" or \"1.2\", with quotes")),
        }
    }
    match spoken {
        [true, true] => Ok(TlsVersions::Both),
        [true, false] => Ok(TlsVersions::Tls13),
        [false, true] => Ok(TlsVersions::Tls12),
        [false, false] => Err(list.wrong("write one version or both: [\"1.3\", \"1.2\"]")),
    }
}

/// The most memory that the node may take for its buffers and tables. More is most likely a mistake: most boxes have far less.
const MEMORY: usize = 256 << 20;
/// Places for mailboxes beyond those of the agent and of the file, where the file does not say: room for what a changed file brings.
const ROOM: u16 = 8;
/// Requests beside those of receivers.
const REQUESTS: u16 = 32;
/// Requests that a receiver of readings may have under way: a monitor of it, and what asks whether they arrive. A PubSub is not watched.
const ASKED: u16 = 3;
const ASKED_OF_PUBSUB: u16 = 2;
/// The most receivers of what programs publish.
pub(in crate::cli::agent) const RECEIVERS: u16 = 64;

/// A reader of the tables.
pub(super) struct Reader<'r> {
    /// This node, unless its name is wrong.
    pub(super) own: Option<&'r NodeName>,
    /// The folder where paths begin.
    pub(super) folder: &'r Path,
    pub(super) asked: Asked<'r>,
    pub(super) faults: &'r mut Faults,
}

impl Reader<'_> {
    /// Reads a table to its end.
    pub(super) fn table<'f, T>(&mut self, item: &Item<'f>, read: impl FnOnce(&mut Self, &Section<'f>) -> T) -> Option<T> {
        let section = self.faults.keep(item.section())?;
        let value = read(self, &section);
        section.finish(self.faults);
        Some(value)
    }

    /// Reads nodes, none of them twice.
    pub(super) fn nodes(&mut self, list: &Item<'_>) -> Vec<String> {
        let own = self.own;
        self.list(list, |item| values::node(item.text()?, own).map_err(|why| item.wrong(why)))
    }

    /// Reads the nodes of `--connect`.
    pub(super) fn arguments(&mut self, given: &[String]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for text in given {
            match values::node(text, self.own) {
                Ok(node) if found.contains(&node) => {}
                Ok(node) => found.push(node),
                Err(why) => self.faults.add(Fault::of_argument(format!("--connect {text}: {why}"))),
            }
        }
        found
    }

    /// Reads nodes, or hosts all of whose nodes are meant.
    pub(super) fn allowed(&mut self, list: &Item<'_>) -> Vec<String> {
        let own = self.own;
        let read = |item: &Item<'_>| values::allowed(item.text()?, own).map_err(|why| item.wrong(why));
        let allowed = self.list(list, read);
        if list.is_empty() {
            self.faults.add(list.wrong("this would let nobody in: name nodes, or leave it out to let in who has the cookie"));
        }
        allowed
    }

    fn list<T: PartialEq>(&mut self, list: &Item<'_>, read: impl Fn(&Item<'_>) -> Result<T, Fault>) -> Vec<T> {
        let mut found: Vec<T> = Vec::new();
        for item in self.faults.keep(list.list()).unwrap_or_default() {
            match read(&item) {
                Ok(text) if found.contains(&text) => self.faults.add(item.wrong("it is there twice: leave one out")),
                Ok(text) => found.push(text),
                Err(fault) => self.faults.add(fault),
            }
        }
        found
    }

    /// Reads `[sizes]`, and how many members of groups elsewhere there can be, for these mailboxes of the file and its readings. Where the file
    /// does not say, a node that runs keeps its number of mailboxes, if they are enough, and of requests: with few it works, too.
    pub(super) fn sizes(
        &mut self,
        top: &Section<'_>,
        (programs, publish): (&[ProgramSettings], &[Publish]),
        running: Option<Sizes>,
    ) -> (Sizes, u16) {
        let needed = u16::try_from(programs.len()).unwrap_or(u16::MAX).saturating_add(MAILBOXES);
        let kept = running.map(|sizes| sizes.mailboxes).filter(|mailboxes| *mailboxes >= needed);
        let mailboxes = kept.unwrap_or_else(|| needed.saturating_add(ROOM));
        let keys = Table::of("[sizes]");
        let places = |name| u16::try_from(keys.default(name, units::digit_number)).unwrap_or_default();
        let bytes = usize::try_from(keys.default("message", units::bytes)).unwrap_or_default();
        let asked = |peers| most_asked(!programs.is_empty(), publish, peers);
        let requests = |peers| running.map_or_else(|| asked(peers).saturating_add(REQUESTS), |running| running.requests);
        let peers = places("nodes");
        let default = Sizes::new(peers, mailboxes, bytes).watches(places("watches")).requests(requests(peers));
        let default = (default, places("members"));
        let table = top.get("sizes");
        let mut says_requests = false;
        let read = |reader: &mut Self, section: &Section<'_>| {
            says_requests = section.get("requests").is_some();
            let mut places = |name, default| {
                let given = section.get(name).map_or(Ok(u64::from(default)), |item| item.integer());
                reader.faults.keep(given).and_then(|number| u16::try_from(number).ok()).unwrap_or(default)
            };
            let (default, members) = default;
            let peers = places("nodes", default.peers);
            let mailboxes = places("mailboxes", default.mailboxes);
            let watches = places("watches", default.watches);
            let requests = places("requests", requests(peers));
            let members = places("members", members);
            if let Some(item) = section.get("mailboxes").filter(|_| mailboxes < needed) {
                reader.faults.add(item.wrong(format!(
                    "the agent's own are {MAILBOXES}, and those of this file {}: write {needed} or more, or leave it out",
                    programs.len()
                )));
            }
            let bytes = section.get("message").and_then(|item| reader.faults.keep(item.bytes()));
            let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(default.bytes);
            (Sizes::new(peers, mailboxes, bytes).watches(watches).requests(requests), members)
        };
        let (sizes, members) = table.as_ref().and_then(|table| self.table(table, read)).unwrap_or(default);
        let asked = asked(sizes.peers);
        if running.is_some() && !says_requests && asked > sizes.requests {
            self.faults.miss(top.wrong(&format!(
                "the receivers of readings may take {asked} monitors and calls at a time, and this node has room for {}: restart for more",
                sizes.requests
            )));
        }
        if let Some(table) = table.filter(|_| sizes.memory() > MEMORY) {
            let Sizes { peers, mailboxes, bytes, .. } = sizes;
            self.faults.add(table.wrong(format!(
                "{peers} nodes with two buffers each and {mailboxes} mailboxes with one, of {} each, take {} in all, and {} are the \
                 limit: write less for `message`, `nodes` or `mailboxes`",
                units::Size::of(bytes),
                units::Size::of(sizes.memory()),
                units::Size::of(MEMORY),
            )));
        }
        (sizes, members)
    }

    /// Reads `[discover]`.
    pub(super) fn discover(&mut self, table: &Item<'_>) -> Option<Discover> {
        let read = |reader: &mut Self, section: &Section<'_>| {
            let every = reader.faults.keep(section.duration("every"));
            let (list, beats) = (section.get("epmd"), section.get("gossip"));
            if list.is_none() && beats.is_none() {
                let missing = section.wrong("`epmd` is missing: write epmd = [\"nuc3\", \"nuc4\"], or gossip = true");
                reader.faults.add(missing);
            }
            let hosts = list.map(|list| reader.hosts(&list)).unwrap_or_default();
            let gossip = beats.and_then(|item| gossip(&item, reader.folder, reader.asked, reader.faults));
            Some(Discover { hosts, every: every?, gossip })
        };
        self.table(table, read).flatten()
    }

    /// Reads hosts whose EPMDs are to be asked.
    fn hosts(&mut self, list: &Item<'_>) -> Vec<String> {
        if list.is_empty() {
            self.faults.add(list.wrong("name the hosts whose EPMDs are to be asked, or leave out [discover]"));
        }
        let own = self.own;
        self.list(list, |item| values::reached(item.text()?, own).map_err(|why| item.wrong(why)))
    }

    /// Reads every `[[publish]]`.
    pub(super) fn publish(&mut self, list: &Item<'_>) -> Vec<Publish> {
        let tables = match list.list() {
            Ok(tables) if tables.iter().all(Item::is_table) => tables,
            _ => {
                self.faults.add(
                    list.wrong("this is a table, of which there can be many: put [[publish]] on a line, and its keys below"),
                );
                return Vec::new();
            }
        };
        let mut found: Vec<Publish> = Vec::new();
        for table in &tables {
            let Some(publish) = self.table(table, Self::reading).flatten() else { continue };
            let Publish { label, receiver, .. } = &publish;
            let goes_there = |other: &Receiver| other == receiver || other.shares_with(receiver);
            // it tells readings apart by their labels, and those that come again by their numbers
            if found.iter().any(|other| other.label == *label && goes_there(&other.receiver)) {
                let label = label.escape_debug();
                self.faults.miss(
                    table.wrong(format!("another goes to the same with the label {label}: give each a `label` of its own")),
                );
            }
            found.push(publish);
        }
        found
    }

    fn reading(&mut self, section: &Section<'_>) -> Option<Publish> {
        let source = self.source(section);
        let every = self.faults.keep(section.required("every").and_then(|item| item.duration()));
        let receiver = receiver(section, self.own, self.faults);
        let keep = section.get("keep").map(|item| item.integer());
        let label = section.get("label").map(|item| item.name());
        let form = self.form(section);
        let keep = keep.and_then(|keep| self.faults.keep(keep)).and_then(|keep| usize::try_from(keep).ok());
        let label = label.and_then(|label| self.faults.keep(label));
        let (source, own_label) = source?;
        Some(Publish { source, label: label.unwrap_or(own_label), every: every?, form: form?, receiver: receiver?, keep })
    }

    /// Reads where a reading comes from, and what that is called.
    fn source(&mut self, section: &Section<'_>) -> Option<(Source, String)> {
        match (section.get("file"), section.get("command")) {
            (Some(file), None) => {
                let folder = self.folder;
                let path = file.text().and_then(|text| values::readable(text, folder).map_err(|why| file.wrong(why)));
                let path = self.faults.keep(path)?;
                let label = last_part(&path);
                Some((Source::File(path), label))
            }
            (None, Some(command)) => {
                let command = self.command(&command)?;
                let label = last_part(Path::new(command.first()?));
                Some((Source::Command(command), label))
            }
            (Some(_), Some(command)) => {
                self.faults.add(command.wrong("there is a `file` too: a reading comes from one of them, so leave one out"));
                None
            }
            (None, None) => {
                self.faults.add(section.wrong("`file` or `command` is missing: write file = \"/sys/..\" or command = [\"..\"]"));
                None
            }
        }
    }

    /// Reads the form of a reading: a number if it is to be divided, else text, unless the file says.
    fn form(&mut self, section: &Section<'_>) -> Option<Form> {
        let given = section.get("as").map(|item| item.word());
        let divide = section.get("divide");
        let given = match given {
            Some(word) => Some(Form::of(self.faults.keep(word)?)),
            None => None,
        };
        let Some(divide) = divide else { return Some(given.unwrap_or(Form::Text)) };
        if !matches!(given, None | Some(Form::Number { .. })) {
            self.faults.add(divide.wrong("only a number is divided: write as = \"number\", or leave `divide` out"));
        }
        let by = divide.number().and_then(|by| {
            if by == 0.0 {
                Err(divide.wrong("nothing can be divided by 0: leave it out, or write another number"))
            } else {
                Ok(by)
            }
        });
        Some(Form::Number { divide: Some(self.faults.keep(by)?) })
    }

    /// Reads a program and its arguments.
    fn command(&mut self, item: &Item<'_>) -> Option<Vec<String>> {
        if let Some(text) = item.as_text() {
            let words: Vec<&str> = text.split_whitespace().collect();
            self.faults.add(
                item.wrong(format!("a command is a list of the program and its arguments, and no shell reads it: {words:?}")),
            );
            return None;
        }
        let words = self.faults.keep(item.list())?;
        let Some(program) = words.first() else {
            self.faults.add(item.wrong("a command is a list of the program and its arguments: this one is empty"));
            return None;
        };
        let mut command = vec![self.executable(program)];
        for word in words.iter().skip(1) {
            let text = match word.text() {
                Ok(text) if text.contains('\0') => Err(word.wrong("an argument cannot have the character 0")),
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(word.wrong("an argument is text, in quotes")),
            };
            command.push(self.faults.keep(text));
        }
        command.into_iter().collect()
    }

    /// Reads the program of a command. One that is not there is not missed by an agent that starts, or has it already: whatever runs it tries
    /// again.
    fn executable(&mut self, item: &Item<'_>) -> Option<String> {
        let folder = self.folder;
        let written = item.text().and_then(|text| values::program(text, folder).map_err(|why| item.wrong(why)));
        let written = self.faults.keep(written)?;
        let known = self.asked.has().and_then(|has| has.program(&written));
        let why = match values::found(&written) {
            // as it was, so that it is the same command
            Ok(_) if known.is_some_and(|known| *known == written) => return Some(written),
            Ok(found) => return Some(found),
            Err(why) => why,
        };
        let awaited = match self.asked {
            Asked::Check => None,
            Asked::Start => Some(written),
            Asked::Reload(_) => known.cloned(),
        };
        match awaited {
            Some(_) => self.faults.miss(item.wrong(format!("{why}; until it can be run, it is tried again"))),
            None => self.faults.add(item.wrong(why)),
        }
        awaited
    }

    /// Reads every `[mailbox.NAME]`.
    pub(super) fn programs(&mut self, table: &Item<'_>) -> Vec<ProgramSettings> {
        let Some(section) = self.faults.keep(table.section()) else { return Vec::new() };
        section.entries().into_iter().filter_map(|(name, item)| self.program(name, &item)).collect()
    }

    fn program(&mut self, name: &str, item: &Item<'_>) -> Option<ProgramSettings> {
        if reserved().any(|reserved| reserved == name) {
            self.faults.add(item.wrong("the agent has a process of this name itself: choose another"));
        }
        if name.is_empty() || name.len() > 255 {
            self.faults.add(item.wrong("a name has 1 to 255 bytes"));
        }
        let read = |reader: &mut Self, section: &Section<'_>| {
            let command = reader.faults.keep(section.required("command"));
            let command = command.and_then(|item| reader.command(&item));
            let format = reader.faults.keep(section.word("format").map(ProgramFormat::of));
            let place = reader.place(section);
            Some(ProgramSettings { name: name.to_owned(), command: command?, format: format?, place })
        };
        self.table(item, read).flatten()
    }

    /// Reads what a mailbox is in the cluster.
    fn place(&mut self, section: &Section<'_>) -> Place {
        let groups = section.get("groups").map(|list| self.list(&list, |item| read(item, Group::read)));
        let global = section.get("global").and_then(|item| self.faults.keep(item.name()));
        let pool_size = self.faults.keep(section.integer("pool_size")).and_then(|size| u16::try_from(size).ok()).unwrap_or(1);
        let subscription = match section.get("pubsub") {
            Some(pubsub) => {
                let pubsub = self.faults.keep(read(&pubsub, PubSub::read));
                let list = self.faults.keep(section.required("topics"));
                let topics = list.as_ref().map(|list| self.list(list, |item| item.name())).unwrap_or_default();
                if let Some(list) = list.filter(Item::is_empty) {
                    self.faults.add(list.wrong("name the topics that the program is to be told of, or leave out `pubsub`"));
                }
                pubsub.map(|pubsub| Subscription { pubsub, topics, pool_size })
            }
            None => {
                for item in ["topics", "pool_size"].into_iter().filter_map(|name| section.get(name)) {
                    self.faults.add(item.wrong("it belongs to a `pubsub`: write pubsub = \"My.PubSub\""));
                }
                None
            }
        };
        Place { groups: groups.unwrap_or_default(), global, subscription }
    }

    /// Reads `[functions]`.
    pub(super) fn functions(&mut self, table: &Item<'_>) -> Vec<Function> {
        let Some(section) = self.faults.keep(table.section()) else { return Vec::new() };
        let mut functions = Vec::new();
        for (name, item) in section.entries() {
            match values::function(name) {
                Err(why) => self.faults.add(item.wrong(why)),
                Ok(()) if erlang::NAMES.contains(&name) => {
                    self.faults.add(item.wrong("the agent answers this one itself: leave it out"));
                }
                Ok(()) => {}
            }
            functions.extend(self.function(name, &item));
        }
        functions
    }

    fn function(&mut self, name: &str, item: &Item<'_>) -> Option<Function> {
        if !item.is_table() {
            let command = self.command(item)?;
            let keys = Table::of("[functions]");
            let (output, timeout) = (Output::of(keys.default("output", Some)), keys.default("timeout", units::duration));
            return Some(Function { name: name.to_owned(), command, output, timeout });
        }
        let read = |reader: &mut Self, section: &Section<'_>| {
            let command = reader.faults.keep(section.required("command"));
            let command = command.and_then(|item| reader.command(&item));
            let output = reader.faults.keep(section.word("output").map(Output::of));
            let timeout = reader.faults.keep(section.duration("timeout"));
            Some(Function { name: name.to_owned(), command: command?, output: output?, timeout: timeout? })
        };
        self.table(item, read).flatten()
    }
}

/// Returns how many requests the receivers of readings may have under way at a time, on a node with so many others.
fn most_asked(has_programs: bool, publish: &[Publish], peers: u16) -> u16 {
    let names: usize = publish.iter().map(|publish| publish.receiver.count()).sum();
    let names = u16::try_from(names).unwrap_or(u16::MAX).saturating_add(if has_programs { RECEIVERS } else { 0 });
    let mut pubsubs: Vec<&PubSub> = Vec::new();
    for publish in publish {
        match &publish.receiver {
            // on each node it is one, whatever the topics
            Receiver::PubSub { pubsub, .. } if !pubsubs.contains(&pubsub) => pubsubs.push(pubsub),
            _ => {}
        }
    }
    let pubsubs = u16::try_from(pubsubs.len()).unwrap_or(u16::MAX).saturating_mul(peers);
    let asked = names.saturating_mul(ASKED).saturating_add(pubsubs.saturating_mul(ASKED_OF_PUBSUB));
    asked.min(Sizes::REQUESTS.end().saturating_sub(REQUESTS))
}

/// Returns what a reading is called if the file does not say.
fn last_part(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use beamless::Epmd;

    use super::*;

    #[test]
    fn every_word_of_the_table_means_something_else() {
        let words = |header, name| Table::of(header).key(name).unwrap().words();
        let number = Form::Number { divide: None };
        assert_eq!(words("[[publish]]", "as").map(Form::of).collect::<Vec<_>>(), [number, Form::Text, Form::Term]);
        let formats: Vec<ProgramFormat> = words("[mailbox.NAME]", "format").map(ProgramFormat::of).collect();
        assert_eq!(formats, [ProgramFormat::Erlang, ProgramFormat::Json, ProgramFormat::Etf]);
        assert_eq!(words("[functions]", "output").map(Output::of).collect::<Vec<_>>(), [Output::Text, Output::Term]);
        assert!(words("", "epmd").eq(Epmd::WORDS));
    }

    #[test]
    fn the_table_says_what_holds() {
        let key = |header, name| Table::of(header).key(name).unwrap();
        assert!(reserved().all(|name| key("", "mailbox").meaning().contains(&format!("`{name}`"))));
        assert_eq!(
            key("[sizes]", "mailboxes").meaning(),
            format!("Mailboxes: at least the agent's own {MAILBOXES}, and those of this file.")
        );
        let own = u64::from(MAILBOXES.saturating_add(ROOM));
        assert_eq!(key("[sizes]", "mailboxes").default(), format!("{own} and those of the file"));
        let (each, programs) = (ASKED, RECEIVERS.saturating_mul(ASKED));
        let requests = format!(
            "{REQUESTS}, {each} for each receiver of readings, {ASKED_OF_PUBSUB} for each PubSub on each of `nodes`, and {programs} if there are \
             programs"
        );
        assert_eq!(key("[sizes]", "requests").default(), requests);
        let (message, bytes) = (key("[sizes]", "message").range(units::bytes), Sizes::BYTES);
        assert_eq!((*message.start(), *message.end()), (*bytes.start() as u64, MEMORY as u64));
        let places = [
            ("nodes", Sizes::PEERS),
            ("mailboxes", Sizes::MAILBOXES),
            ("watches", Sizes::WATCHES),
            ("requests", Sizes::REQUESTS),
        ];
        for (name, range) in places {
            assert_eq!(key("[sizes]", name).range(|text| text.parse::<u16>().ok()), range, "{name}");
        }
    }
}

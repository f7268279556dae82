//! The settings of the agent: the configuration file, and what the command line says besides.

mod cluster;
mod file;
mod gossip;
mod keep;
mod keys;
mod page;
mod receiver;
mod sections;
pub(super) mod units;
mod values;

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use beamless::{Epmd, NodeName, Sizes};
use toml::de::DeTable;

use crate::cli::cookie;
use crate::cli::host::Name;
use crate::cli::local::{self, Local};
use crate::cli::tls::{self, Wanted};
pub(super) use cluster::GroupSizes;
use file::{Fault, Faults, Section};
pub(super) use gossip::Gossip;
pub(super) use keep::{Disk, Keep};
pub(in crate::cli) use page::page;
pub(super) use receiver::{Nodes, Receiver};
use sections::Reader;
pub(super) use sections::{Discover, Form, Function, Output, Place, ProgramFormat, ProgramSettings, Publish, Source};
pub(super) use values::node;

/// The arguments of the agent. Each wins over the configuration file.
pub(in crate::cli) struct Arguments {
    pub(in crate::cli) config: Option<PathBuf>,
    pub(in crate::cli) check: bool,
    pub(in crate::cli) name: Option<Name>,
    pub(in crate::cli) cookie_file: Option<PathBuf>,
    pub(in crate::cli) tls_dir: Option<PathBuf>,
    pub(in crate::cli) listen: Option<String>,
    pub(in crate::cli) epmd: Option<Epmd>,
    pub(in crate::cli) visible: bool,
    pub(in crate::cli) connect: Vec<String>,
    pub(in crate::cli) state_dir: Option<PathBuf>,
}

impl Arguments {
    /// Returns the folder for what outlives a restart: the one that was named, else the one that systemd made (`StateDirectory=`).
    pub(in crate::cli) fn state_folder(&self) -> Option<PathBuf> {
        self.state_dir.clone().or_else(|| {
            // systemd separates several by colons
            let folders = env::var_os("STATE_DIRECTORY")?.into_string().ok()?;
            folders.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
        })
    }
}

/// The settings of the agent, out of its configuration file and the command line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) local: Local,
    /// The node's whole name. All names of nodes in here are whole, whatever the file leaves out.
    pub(super) node: NodeName,
    /// EPMD's port; without one the environment tells it.
    pub(super) epmd_port: Option<u16>,
    /// The nodes that may connect; without one all may.
    pub(super) allow: Vec<String>,
    pub(super) tick_time: Duration,
    pub(super) setup_time: Duration,
    pub(super) rest: Duration,
    pub(super) sizes: Sizes,
    /// The memory for groups and global names, if there are any.
    pub(super) groups: Option<GroupSizes>,
    /// The nodes to be connected to for as long as the agent runs.
    pub(super) connect: Vec<String>,
    pub(super) discover: Option<Discover>,
    pub(super) publish: Vec<Publish>,
    pub(super) keep: Keep,
    pub(super) programs: Vec<ProgramSettings>,
    pub(super) functions: Vec<Function>,
}

impl Settings {
    /// Returns these settings with those of the new ones that need no restart, and the keys of the others that changed.
    pub(super) fn updated(&self, new: Self) -> (Self, Vec<&'static str>) {
        let (old, local) = (&self.local, &new.local);
        let fixed = [
            ("name", old.name != local.name),
            ("cookie_file", old.cookie_file != local.cookie_file),
            ("listen", old.listen != local.listen),
            ("epmd", old.epmd != local.epmd),
            ("epmd_port", self.epmd_port != new.epmd_port),
            ("visible", old.visible != local.visible),
            // that there is TLS; which files it takes can change
            ("tls", old.tls.is_some() != local.tls.is_some()),
            ("allow", self.allow != new.allow),
            ("tick_time", self.tick_time != new.tick_time),
            ("setup_time", self.setup_time != new.setup_time),
            ("rest", self.rest != new.rest),
            ("disk, dir and sync in [keep]", self.keep.disk != new.keep.disk),
            ("sizes", self.sizes != new.sizes),
            // such memory is given once
            ("groups", self.groups.is_some() && self.groups != new.groups),
        ];
        let groups = self.groups.or(new.groups);
        let keep = Keep { memory: new.keep.memory, ..self.keep.clone() };
        let Self { connect, discover, publish, programs, functions, local: Local { tls, .. }, .. } = new;
        let local = Local { tls: self.local.tls.as_ref().and(tls).or_else(|| self.local.tls.clone()), ..self.local.clone() };
        let updated = Self { local, groups, connect, discover, publish, keep, programs, functions, ..self.clone() };
        (updated, fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect())
    }
}

/// The size from which a file is no configuration file.
const LARGEST: u64 = 1 << 20;

/// Reads the settings of the agent: those of the file, and over them those of the command line. An error has a line for each fault.
/// `running` are the settings of an agent that runs; then nothing is asked of the network, since that would hold the agent up.
pub(super) fn settings(run: &Arguments, running: Option<&Settings>) -> Result<Settings, Vec<String>> {
    let mut faults = Faults::default();
    let Some(file) = &run.config else {
        let settings = read(run, Section::whole("", &DeTable::new()), Path::new(""), running, &mut faults);
        return settings.filter(|_| faults.is_empty()).ok_or_else(|| faults.into_lines("", ""));
    };
    let shown = file.display().to_string();
    let failed = |why: io::Error| vec![format!("{shown}: {why}")];
    let text = contents(file).map_err(failed)?;
    let whole = path::absolute(file).map_err(failed)?;
    let folder = whole.parent().unwrap_or(Path::new("/"));
    let settings = match file::parse(&text) {
        Ok(table) => read(run, Section::whole(&text, table.get_ref()), folder, running, &mut faults),
        Err(fault) => faults.keep(Err(fault)),
    };
    settings.filter(|_| faults.is_empty()).ok_or_else(|| faults.into_lines(&shown, &text))
}

/// Reads the text of the file.
fn contents(path: &Path) -> io::Result<String> {
    let wrong = |why| Err(io::Error::other(why));
    let file = File::open(path)?;
    // a pipe would hold up the agent when it reads its settings again
    if !file.metadata()?.is_file() {
        return wrong("not a regular file");
    }
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    if text.len() as u64 == LARGEST {
        return wrong("larger than 1 MiB, which no configuration is");
    }
    String::from_utf8(text).or_else(|_| wrong("not UTF-8 text"))
}

/// Reads the settings, as far as nothing is wrong; else there are faults.
fn read(run: &Arguments, top: Section<'_>, folder: &Path, running: Option<&Settings>, faults: &mut Faults) -> Option<Settings> {
    let name = name(run, &top, running, faults);
    let cookie_file = cookie_file(run, &top, folder, faults);
    let tls = tls(run, &top, folder, faults);
    let listen = listen(run, &top, running, faults);
    let epmd = top.get("epmd").and_then(|item| faults.keep(item.word())).and_then(|word| word.parse().ok());
    let epmd_port = top.get("epmd_port").and_then(|item| faults.keep(item.integer()));
    let visible = top.get("visible").and_then(|item| faults.keep(item.switch()));
    let tick_time = faults.keep(top.duration("tick_time"));
    let setup_time = faults.keep(top.duration("setup_time"));
    let rest = faults.keep(top.duration("rest"));
    let mut reader = Reader { own: name.as_ref().map(|(_, own)| own), folder, is_check: run.check, faults };
    let allow = top.get("allow").map(|list| reader.allowed(&list)).unwrap_or_default();
    let list = top.get("connect");
    let nodes = list.as_ref().map(|list| reader.nodes(list)).unwrap_or_default();
    let arguments = reader.arguments(&run.connect);
    let discover = top.get("discover").and_then(|table| reader.discover(&table));
    let publish = top.get("publish").map(|list| reader.publish(&list)).unwrap_or_default();
    let programs = top.get("mailbox").map(|table| reader.programs(&table)).unwrap_or_default();
    let functions = top.get("functions").map(|table| reader.functions(&table)).unwrap_or_default();
    let table = top.get("keep").and_then(|item| reader.faults.keep(item.section()));
    let keep = keep::keep(table, folder, run.state_folder(), reader.faults);
    let sizes = top.get("sizes");
    let (sizes, members) = reader.sizes(sizes.as_ref(), programs.len(), running.map(|running| running.sizes));
    let groups = GroupSizes::of(&programs, &publish, members, running.and_then(|running| running.groups));
    if let Some(why) = cluster::fault(&programs, &publish) {
        faults.add(top.wrong(&why));
    }
    let (connect, list) = if run.connect.is_empty() { (nodes, list) } else { (arguments, None) };
    if connect.len() > usize::from(sizes.peers) {
        let why = format!("{} nodes are more than there is room for: write nodes = {0} or more in [sizes]", connect.len());
        faults.add(list.map_or_else(|| Fault::of_argument(format!("--connect: {why}")), |list| list.wrong(&why)));
    }
    top.finish(faults);
    let (name, node) = name?;
    Some(Settings {
        local: Local {
            name,
            cookie_file,
            tls,
            listen,
            epmd: run.epmd.or(epmd).unwrap_or_default(),
            visible: run.visible || visible.unwrap_or_default(),
        },
        node,
        epmd_port: epmd_port.and_then(|port| u16::try_from(port).ok()),
        allow,
        tick_time: tick_time.unwrap_or_default(),
        setup_time: setup_time.unwrap_or_default(),
        rest: rest.unwrap_or_default(),
        sizes,
        groups,
        connect,
        discover,
        publish,
        keep,
        programs,
        functions,
    })
}

/// Reads the node's name, as given and whole.
fn name(run: &Arguments, top: &Section<'_>, running: Option<&Settings>, faults: &mut Faults) -> Option<(Name, NodeName)> {
    let own = |name: &Name| running.map_or_else(|| values::own(name), |running| Ok(running.node.clone()));
    let (short, long) = (top.get("sname"), top.get("name"));
    if let Some(name) = &run.name {
        let node = own(name).map_err(|why| Fault::of_argument(format!("{name}: {why}")));
        return faults.keep(node).map(|node| (name.clone(), node));
    }
    let (item, make): (_, fn(String) -> Name) = match (short, long) {
        (Some(item), None) => (item, Name::Short),
        (None, Some(item)) => (item, Name::Long),
        (Some(_), Some(item)) => {
            faults.add(item.wrong("there is a `sname` too: a node has one name, so leave one out"));
            return None;
        }
        (None, None) if run.config.is_some() => {
            faults.add(
                top.wrong("the node has no name: write sname = \"NAME\" or name = \"NAME@HOST\", or give it --sname or --name"),
            );
            return None;
        }
        (None, None) => {
            let why = "the node has no name: give it one with --sname NAME or --name NAME@HOST, or in a file with --config FILE";
            faults.add(Fault::of_argument(why.to_owned()));
            return None;
        }
    };
    let name = make(faults.keep(item.text())?.to_owned());
    let node = faults.keep(own(&name).map_err(|why| item.wrong(why)))?;
    Some((name, node))
}

/// Reads the path of the cookie file, in which there must be a cookie.
fn cookie_file(run: &Arguments, top: &Section<'_>, folder: &Path, faults: &mut Faults) -> Option<PathBuf> {
    let item = top.get("cookie_file");
    if run.cookie_file.is_some() {
        return run.cookie_file.clone();
    }
    let item = item?;
    let path = faults.keep(item.text().and_then(|text| values::path(text, folder).map_err(|why| item.wrong(why))))?;
    if cookie::is_kept(&path) {
        faults.keep(cookie::find(Some(&path)).map(drop).map_err(|why| item.wrong(why)));
    }
    Some(path)
}

/// Reads where what is needed for TLS stands, and how it is spoken.
fn tls(run: &Arguments, top: &Section<'_>, folder: &Path, faults: &mut Faults) -> Option<Wanted> {
    let section = top.get("tls").and_then(|item| faults.keep(item.section()));
    let is_named = tls::folder(run.tls_dir.as_deref()).is_some();
    let file = section.map(|section| sections::tls(section, folder, is_named, faults));
    faults.keep(tls::wanted(run.tls_dir.as_deref(), file).map_err(Fault::of_argument)).flatten()
}

/// Reads where to listen.
fn listen(run: &Arguments, top: &Section<'_>, running: Option<&Settings>, faults: &mut Faults) -> Option<String> {
    let item = top.get("listen");
    if run.listen.is_some() {
        return run.listen.clone();
    }
    let item = item?;
    let text = faults.keep(item.text())?;
    if running.is_none() {
        faults.keep(local::listen_on(text).map(drop).map_err(|why| item.wrong(why)));
    }
    Some(text.to_owned())
}

//! The settings of the agent: the configuration file, and what the command line says besides.

mod asked;
mod cluster;
mod file;
#[cfg(any(test, beamless_fuzz))]
mod fuzz;
mod gossip;
mod health;
mod keep;
mod keys;
mod page;
mod receiver;
mod sections;
pub(super) mod units;
mod values;

use std::env;
use std::io;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use beamless::{Epmd, NodeName, Sizes};

use crate::cli::cookie;
use crate::cli::files;
use crate::cli::host::Name;
use crate::cli::local::{self, Local};
use crate::cli::tls::{self, Wanted};
use asked::{Asked, Has};
pub(super) use cluster::GroupSizes;
use file::{Fault, Faults, Section};
#[cfg(any(test, beamless_fuzz))]
pub(in crate::cli) use fuzz::config as fuzz_config;
pub(super) use gossip::Gossip;
pub(super) use health::{HealthSettings, Told};
pub(super) use keep::{Disk, Keep};
pub(in crate::cli) use page::page;
pub(super) use receiver::{Nodes, Receiver};
use sections::Reader;
pub(super) use sections::{Discover, Form, Function, Output, Place, ProgramFormat, ProgramSettings, Publish, RECEIVERS, Source};
pub(super) use values::node;

/// The arguments of the agent. Each wins over the configuration file.
#[derive(Default)]
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
    /// The node's whole name, with a `?` for what another node is to give. All names of nodes in here are whole, whatever the file leaves out.
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
    pub(super) health: HealthSettings,
}

impl Settings {
    /// Returns true if the node listens nowhere, and nothing makes it connect to another: then nobody ever reaches it.
    pub(super) fn reaches_nobody(&self) -> bool {
        let is_wanted = |publish: &Publish| matches!(publish.receiver, Receiver::Name { .. });
        let discovers = self.discover.as_ref().is_some_and(|discover| !discover.hosts.is_empty());
        self.local.is_outgoing() && self.connect.is_empty() && !discovers && !self.publish.iter().any(is_wanted)
    }

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
        let Self { connect, discover, publish, programs, functions, health, local: Local { tls, .. }, .. } = new;
        let local = Local { tls: self.local.tls.as_ref().and(tls).or_else(|| self.local.tls.clone()), ..self.local.clone() };
        let updated = Self { local, groups, connect, discover, publish, keep, programs, functions, health, ..self.clone() };
        (updated, fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect())
    }

    /// Returns what may be gone by now, and is not missed.
    fn has(&self) -> Has<'_> {
        let commands = self.publish.iter().filter_map(|publish| match &publish.source {
            Source::Command(command) => Some(command),
            Source::File(_) | Source::Program => None,
        });
        let of_programs = self.programs.iter().map(|program| &program.command);
        let of_functions = self.functions.iter().map(|function| &function.command);
        let programs = commands.chain(of_programs).chain(of_functions).filter_map(|command| command.first());
        let gossip = self.discover.as_ref().and_then(|discover| discover.gossip.as_ref());
        Has {
            programs: programs.collect(),
            secret: gossip.and_then(|gossip| gossip.secret.as_ref()),
            cookie_file: self.local.cookie_file.as_ref(),
        }
    }
}

/// The size from which a file is no configuration file.
pub(super) const LARGEST: u64 = 1 << 20;

/// The text of a configuration file.
pub(super) struct Text {
    /// The file, as it is named in what is said of it.
    pub(super) shown: String,
    /// Its whole path, where it has one. Paths in the text begin in its folder.
    pub(super) file: PathBuf,
    pub(super) text: String,
}

impl Text {
    /// Reads the file. An error is a line, as with [`settings`].
    pub(super) fn read(file: &Path) -> Result<Self, Vec<String>> {
        let shown = file.display().to_string();
        let failed = |why: io::Error| vec![format!("{shown}: {why}")];
        let bytes = files::read(file, LARGEST).map_err(failed)?;
        let bytes = bytes.ok_or_else(|| vec![format!("{shown}: larger than 1 MiB, which no configuration is")])?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(vec![format!(
                "{shown}: it is empty, as a power cut may leave a file: where all is said by arguments, leave out --config"
            )]);
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            let (good, wrong) = e.as_bytes().split_at_checked(e.utf8_error().valid_up_to()).unwrap_or_default();
            let place = file::place(&shown, &String::from_utf8_lossy(good), good.len());
            vec![format!("{place}: not UTF-8 text: a byte {:#04x}", wrong.first().copied().unwrap_or_default())]
        })?;
        // a working directory that was removed, or is another mount namespace's, has no path, and what is in it is found by the name alone
        let file = path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Ok(Self { file, shown, text })
    }
}

/// Reads the settings of the agent: those of the file, if there is one, and over them those of the command line. An error has a line for each
/// fault. `running` are the settings of an agent that runs; then nothing is asked of the network, since that would hold the agent up. What is
/// not there, and is done without, is logged.
pub(super) fn settings(run: &Arguments, text: Option<&Text>, running: Option<&Settings>) -> Result<Settings, Vec<String>> {
    let mut faults = Faults::default();
    let has = running.map(Settings::has);
    let asked = match &has {
        Some(has) => Asked::Reload(has),
        None if run.check => Asked::Check,
        None => Asked::Start,
    };
    let (shown, written) = text.map_or(("", ""), |text| (&text.shown, &text.text));
    let path = text.map_or(Path::new("/"), |text| &text.file);
    let settings = match file::parse(written) {
        Ok(table) => read(run, Section::whole(written, table.get_ref()), path, (asked, running), &mut faults),
        Err(fault) => faults.keep(Err(fault)),
    };
    match settings.filter(|_| faults.is_empty()) {
        Some(settings) => {
            faults.missing(shown, written).iter().for_each(|line| log::warn!("{line}"));
            Ok(settings)
        }
        None => Err(faults.into_lines(shown, written)),
    }
}

/// Reads the settings, as far as nothing is wrong; else there are faults.
fn read(
    run: &Arguments,
    top: Section<'_>,
    path: &Path,
    (asked, running): (Asked<'_>, Option<&Settings>),
    faults: &mut Faults,
) -> Option<Settings> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = name(run, &top, running, faults);
    let cookie_file = cookie_file(run, &top, folder, asked, faults);
    let tls = tls(run, &top, folder, faults);
    let listen = listen(run, &top, running, faults);
    let epmd = top.get("epmd").and_then(|item| faults.keep(item.word())).and_then(|word| word.parse().ok());
    let epmd_port = top.get("epmd_port").and_then(|item| faults.keep(item.integer()));
    let visible = top.get("visible").and_then(|item| faults.keep(item.switch()));
    let tick_time = faults.keep(top.duration("tick_time"));
    let setup_time = faults.keep(top.duration("setup_time"));
    let rest = faults.keep(top.duration("rest"));
    let mut reader = Reader { own: name.as_ref().map(|(_, own)| own), folder, asked, faults };
    let allow = top.get("allow").map(|list| reader.allowed(&list)).unwrap_or_default();
    let list = top.get("connect");
    let nodes = list.as_ref().map(|list| reader.nodes(list)).unwrap_or_default();
    let arguments = reader.arguments(&run.connect);
    let discover = top.get("discover").and_then(|table| reader.discover(&table));
    let publish = top.get("publish").map(|list| reader.publish(&list)).unwrap_or_default();
    let programs = top.get("mailbox").map(|table| reader.programs(&table)).unwrap_or_default();
    let functions = top.get("functions").map(|table| reader.functions(&table)).unwrap_or_default();
    let health = reader.health(top.get("health").as_ref());
    let table = top.get("keep").and_then(|item| reader.faults.keep(item.section()));
    let keep = keep::keep(table, path, run.state_folder(), reader.faults);
    let (sizes, members) = reader.sizes(&top, (&programs, &publish), running.map(|running| running.sizes));
    let groups = GroupSizes::of(&programs, &publish, members, running.and_then(|running| running.groups));
    if let Some(why) = cluster::fault(&programs, &publish) {
        faults.add(top.wrong(&why));
    }
    let (connect, list) = if run.connect.is_empty() { (nodes, list) } else { (arguments, None) };
    if connect.len() > usize::from(sizes.peers) {
        let why = format!("{} nodes are more than there is room for: write nodes = {0} or more in [sizes]", connect.len());
        faults.add(list.map_or_else(|| Fault::of_argument(format!("--connect: {why}")), |list| list.wrong(&why)));
    }
    let (epmd, visible) = (run.epmd.or(epmd).unwrap_or_default(), run.visible || visible.unwrap_or_default());
    let settled = name.map(|(name, node)| (Local { name, cookie_file, tls, listen, epmd, visible }, node));
    if let Some((local, _)) = &settled {
        contradiction(run, &top, local, discover.as_ref(), faults);
    }
    top.finish(faults);
    let (local, node) = settled?;
    Some(Settings {
        local,
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
        health,
    })
}

/// Finds what goes against a node that listens nowhere, or whose name another node gives.
fn contradiction(run: &Arguments, top: &Section<'_>, local: &Local, discover: Option<&Discover>, faults: &mut Faults) {
    let says_heartbeats = local.is_outgoing() && discover.is_some_and(|discover| discover.gossip.is_some());
    let heartbeats = ("discover", "heartbeats ask others to connect here, and this node listens nowhere: leave out `gossip`");
    let Some((key, why)) = local.contradiction().or(says_heartbeats.then_some(heartbeats)) else { return };
    let is_argument = match key {
        "listen" => run.listen.is_some(),
        "epmd" => run.epmd.is_some(),
        "visible" => run.visible,
        _ => false,
    };
    let item = top.get(key).filter(|_| !is_argument);
    faults.add(item.map_or_else(|| Fault::of_argument(format!("--{key}: {why}")), |item| item.wrong(why)));
}

/// Reads the node's name, as given and whole.
fn name(run: &Arguments, top: &Section<'_>, running: Option<&Settings>, faults: &mut Faults) -> Option<(Name, NodeName)> {
    let own = |name: &Name| running.map_or_else(|| values::own(name), |running| Ok(running.node.clone()));
    if let Some(name) = &run.name {
        // the file's own are known, too
        Name::KEYS.iter().for_each(|(key, _)| drop(top.get(key)));
        let node = own(name).map_err(|why| Fault::of_argument(format!("{name}: {why}")));
        return faults.keep(node).map(|node| (name.clone(), node));
    }
    let mut given = Name::KEYS.into_iter().filter_map(|(key, make)| Some((key, top.get(key)?, make)));
    let (item, make) = match (given.next(), given.next()) {
        (Some((_, item, make)), None) => (item, make),
        (Some((other, ..)), Some((_, item, _))) => {
            faults.add(item.wrong(format!("there is a `{other}` too: a node has one name, so leave one out")));
            return None;
        }
        (None, _) if run.config.is_some() => {
            faults.add(
                top.wrong("the node has no name: write sname = \"NAME\" or name = \"NAME@HOST\", or give it --sname or --name"),
            );
            return None;
        }
        (None, _) => {
            let why = "the node has no name: give it one with --sname NAME or --name NAME@HOST, or in a file with --config FILE";
            faults.add(Fault::of_argument(why.to_owned()));
            return None;
        }
    };
    let name = make(faults.keep(item.text())?.to_owned());
    let node = faults.keep(own(&name).map_err(|why| item.wrong(why)))?;
    Some((name, node))
}

/// Reads the path of the cookie file, in which there must be a cookie, unless the agent has one.
fn cookie_file(run: &Arguments, top: &Section<'_>, folder: &Path, asked: Asked<'_>, faults: &mut Faults) -> Option<PathBuf> {
    let item = top.get("cookie_file");
    if run.cookie_file.is_some() {
        return run.cookie_file.clone();
    }
    let item = item?;
    let path = faults.keep(item.text().and_then(|text| values::path(text, folder).map_err(|why| item.wrong(why))))?;
    // a pipe is read once
    let why = if cookie::is_kept(&path) { cookie::find(Some(&path)).err() } else { None };
    if let Some(why) = why {
        match asked {
            Asked::Reload(has) if has.cookie_file == Some(&path) => faults.miss(item.wrong(why)),
            // whoever starts the node has that to say
            Asked::Start if run.state_folder().is_some_and(|folder| cookie::find(Some(&folder.join(cookie::LAST))).is_ok()) => {}
            _ => faults.add(item.wrong(why)),
        }
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
    if running.is_none() && text != local::NOWHERE {
        faults.keep(local::listen_on(text).map(drop).map_err(|why| item.wrong(why)));
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, running: Option<&Settings>) -> Settings {
        let run = Arguments { config: Some(PathBuf::from("/b.toml")), ..Arguments::default() };
        let text = format!("name = \"box@127.0.0.1\"\n{text}");
        let text = Text { shown: "b.toml".to_owned(), file: PathBuf::from("/b.toml"), text };
        settings(&run, Some(&text), running).unwrap()
    }

    /// A `[[publish]]` for this receiver.
    fn publish(receiver: &str) -> String {
        format!("[[publish]]\nfile = \"/proc/uptime\"\nevery = \"1s\"\n{receiver}\n")
    }

    #[test]
    fn readings_and_programs_that_come_need_no_restart() {
        let plain = read("", None);
        let names: String = (0..40).map(|number| publish(&format!("to = \"c\"\nnode = \"n{number}@127.0.0.1\""))).collect();
        let pubsubs: String = (0..40).map(|number| publish(&format!("pubsub = \"A{number}.PubSub\"\ntopic = \"t\""))).collect();
        for text in ["[mailbox.first]\ncommand = [\"sh\"]\n", &names, &pubsubs, &format!("[sizes]\nnodes = 16\n{names}")] {
            let (updated, fixed) = plain.updated(read(text, Some(&plain)));
            assert_eq!(fixed, [""; 0], "{text}");
            assert_eq!((updated.sizes, updated.programs.len() + updated.publish.len() > 0), (plain.sizes, true), "{text}");
        }
        let (_, fixed) = plain.updated(read("[sizes]\nrequests = 33\n", Some(&plain)));
        assert_eq!(fixed, ["sizes"]);
    }

    /// Nobody could tell their readings apart.
    #[test]
    fn two_readings_of_one_label_for_one_receiver_are_told() {
        let nodes = [&["a"][..], &["b", "c"], &["d", "c"], &["e"], &["a"]];
        let of = |nodes: &&[&str]| {
            let nodes: Vec<String> = nodes.iter().map(|node| format!("\"{node}@h.x\"")).collect();
            publish(&format!("to = \"c\"\nnodes = [{}]", nodes.join(", ")))
        };
        let text = ["name = \"box@127.0.0.1\"\n", &nodes.iter().map(of).collect::<String>(), "label = \"other\"\n"].concat();
        for (text, lines) in [(text.replace("label", "#"), vec![12, 22]), (text, vec![12])] {
            let (run, mut faults) = (Arguments::default(), Faults::default());
            let table = file::parse(&text).ok().unwrap();
            let top = Section::whole(&text, table.get_ref());
            assert!(super::read(&run, top, Path::new("/"), (Asked::Start, None), &mut faults).is_some() && faults.is_empty());
            let told = "1: publish: another goes to the same with the label uptime: give each a `label` of its own";
            let expected: Vec<String> = lines.iter().map(|line| format!("b.toml:{line}:{told}")).collect();
            assert_eq!(faults.missing("b.toml", &text), expected);
        }
    }

    #[test]
    fn all_that_readings_ask_at_a_time_has_room() {
        let requests = |text: &str| read(text, None).sizes.requests;
        let of = |pubsub: &str, topic: &str| publish(&format!("pubsub = \"{pubsub}\"\ntopic = \"{topic}\""));
        assert_eq!(requests(""), 32);
        let three = [of("A", "x"), of("A", "y"), of("B", "x"), of("C", "x")].concat();
        assert_eq!(requests(&three), 32 + 3 * 16 * 2);
        assert_eq!(requests(&format!("[sizes]\nnodes = 4\n{three}")), 32 + 3 * 4 * 2);
        assert_eq!(requests(&format!("[sizes]\nrequests = 9\n{three}")), 9);
        assert_eq!(requests(&format!("{three}{}", publish("to = \"c\"\nnodes = [\"a@h.x\", \"b@h.x\"]"))), 32 + 96 + 6);
    }
}

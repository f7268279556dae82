//! Hosts on one network, each in namespaces of its own: network, hostname, and the `/etc/hosts` that names them all. They need no root where the
//! kernel lets everybody make namespaces, and nothing outside of them changes. They end with the value, or with the test run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use crate::children;
use crate::support::World;

/// A process that keeps namespaces, until its input ends.
struct Keeper(Child);

impl Keeper {
    /// A program run by `command`, with new namespaces as `unshare` is told.
    fn new(command: &[&str], namespaces: &[&str]) -> Result<Self, String> {
        let mut words = [command, &["unshare"], namespaces, &["sh", "-c", "echo kept; exec cat"]].concat().into_iter();
        let mut keeper = children::command(words.next().unwrap());
        keeper.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = keeper.spawn().unwrap_or_else(|e| panic!("{keeper:?}: {e}; apt-get install util-linux"));
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let keeper = Self(child);
        if said == "kept\n" { Ok(keeper) } else { Err(keeper.last_words()) }
    }

    fn last_words(mut self) -> String {
        let mut stderr = self.0.stderr.take().unwrap();
        std::io::read_to_string(&mut stderr).unwrap().trim_end().to_owned()
    }

    /// The command that runs others in these namespaces.
    fn enter(&self, as_user: bool) -> Vec<String> {
        let target = format!("--target={}", self.0.id());
        let mut words = vec!["nsenter".to_owned(), target, "--mount".to_owned(), "--uts".to_owned(), "--net".to_owned()];
        if as_user {
            words.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        words
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the cables end in.
enum Middle {
    /// The kernel's bridge, by which packets pass at once.
    Switch,
    /// `tests/hosts/relay.py`, which does with them as it is told.
    Relay(Mutex<Relay>),
}

/// A running relay, which ends with its input.
struct Relay {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Relay {
    fn new(enter_switch: &[String], hosts: usize) -> Result<Self, String> {
        let mut command = children::command(&enter_switch[0]);
        command.args(&enter_switch[1..]).arg("python3").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/relay.py"));
        command.arg(hosts.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}; apt-get install util-linux"));
        let (commands, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut relay = Self { process, commands, answers };
        if relay.answer() == "up" {
            return Ok(relay);
        }
        let why = std::io::read_to_string(relay.process.stderr.take().unwrap()).unwrap();
        Err(format!("tests/hosts/relay.py, which takes python3 and /dev/net/tun: {}", why.lines().last().unwrap_or_default()))
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.commands, "{line}").unwrap();
        assert_eq!(self.answer(), "done", "{line}");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The network: a cable to every host.
pub(crate) struct Lan {
    world: World,
    enter_switch: Vec<String>,
    middle: Middle,
    hosts: Vec<(String, Vec<String>)>,
    _keepers: Vec<Keeper>,
}

impl Lan {
    /// Hosts with these names, and the world that they have in common. Otherwise why the kernel forbids it.
    fn try_new(names: &[&str], relayed: bool) -> Result<Self, String> {
        const NAMESPACES: [&str; 3] = ["--mount", "--uts", "--net"];
        let world = World::new();
        let own = ["--user", "--map-root-user"];
        let (switch, as_user) = match Keeper::new(&[], &[&own[..], &NAMESPACES].concat()) {
            Ok(switch) => (switch, true),
            // who is root may be let in all the same
            Err(why) => (Keeper::new(&[], &NAMESPACES).map_err(|e| format!("{why}; {e}"))?, false),
        };
        let enter_switch = switch.enter(as_user);
        let table = names.iter().enumerate().map(|(i, name)| format!("10.77.0.{} {name} {name}.example.org\n", i + 1));
        let table = format!("127.0.0.1 localhost\n::1 localhost\n{}", table.collect::<String>());
        let file = world.home.join("hosts").display().to_string();
        fs::write(&file, table).unwrap();
        let middle = if relayed {
            Middle::Relay(Mutex::new(Relay::new(&enter_switch, names.len())?))
        } else {
            run(&enter_switch, "ip link add switch type bridge")?;
            run(&enter_switch, "ip link set switch up")?;
            Middle::Switch
        };
        let mut keepers = vec![switch];
        let mut hosts = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let command: Vec<&str> = enter_switch.iter().map(String::as_str).collect();
            let host = Keeper::new(&command, &NAMESPACES)?;
            let enter = host.enter(as_user);
            let pid = host.0.id();
            if relayed {
                run(&enter_switch, &format!("ip link set cable{i} netns {pid} name eth0"))?;
            } else {
                run(&enter_switch, &format!("ip link add cable{i} type veth peer name eth0 netns {pid}"))?;
                run(&enter_switch, &format!("ip link set cable{i} master switch up"))?;
            }
            run(&enter, "ip link set lo up")?;
            run(&enter, &format!("ip addr add 10.77.0.{}/24 dev eth0", i + 1))?;
            run(&enter, "ip link set eth0 up")?;
            run(&enter, &format!("hostname {name}"))?;
            run(&enter, &format!("mount --bind {file} /etc/hosts"))?;
            let enter = [enter, vec![format!("--wd={}", world.home.display())]].concat();
            hosts.push(((*name).to_owned(), enter));
            keepers.push(host);
        }
        Ok(Self { world, enter_switch, middle, hosts, _keepers: keepers })
    }

    /// Hosts with these names; nothing where the kernel forbids them, which is said.
    pub(crate) fn new(names: &[&str]) -> Option<Self> {
        Self::or_left_out(Self::try_new(names, false))
    }

    /// The same with a relay between them, which delays, loses and lies as it is told.
    pub(crate) fn relayed(names: &[&str]) -> Option<Self> {
        Self::or_left_out(Self::try_new(names, true))
    }

    fn or_left_out(made: Result<Self, String>) -> Option<Self> {
        match made {
            Ok(lan) => Some(lan),
            Err(why) => {
                // past the harness, which keeps to itself what a test that passes prints
                let _ = writeln!(std::io::stderr(), "LEFT OUT: hosts in network namespaces, which the kernel forbids: {why}");
                None
            }
        }
    }

    /// The world as it is on this host.
    pub(crate) fn host(&self, name: &str) -> World {
        self.world.on_host(self.hosts[self.number(name)].1.clone())
    }

    fn number(&self, name: &str) -> usize {
        self.hosts.iter().position(|(known, _)| known == name).unwrap()
    }

    /// Gives a host a table of hosts of its own.
    pub(crate) fn set_hosts(&self, name: &str, table: &str) {
        let file = self.world.home.join(format!("hosts.{name}")).display().to_string();
        let is_new = !fs::exists(&file).unwrap();
        fs::write(&file, format!("127.0.0.1 localhost\n{table}")).unwrap();
        if is_new {
            self.run(name, &format!("mount --bind {file} /etc/hosts"));
        }
    }

    /// Runs a command on a host.
    pub(crate) fn run(&self, name: &str, line: &str) {
        run(&self.hosts[self.number(name)].1, line).unwrap();
    }

    /// Gives a host another setting of `net.ipv4`.
    pub(crate) fn set(&self, name: &str, key: &str, value: &str) {
        let file = self.world.home.join(key);
        fs::write(&file, value).unwrap();
        self.run(name, &format!("cp {} /proc/sys/net/ipv4/{key}", file.display()));
    }

    /// Pulls a host's cable out.
    pub(crate) fn cut(&self, name: &str) {
        self.plug(name, "down", "1");
    }

    /// Puts it in again.
    pub(crate) fn join(&self, name: &str) {
        self.plug(name, "up", "0");
    }

    fn plug(&self, name: &str, state: &str, cut: &str) {
        match self.middle {
            Middle::Switch => {
                run(&self.enter_switch, &format!("ip link set cable{} {state}", self.number(name))).unwrap();
            }
            Middle::Relay(_) => {
                self.relay(&format!("set {name} * cut {cut}"));
                self.relay(&format!("set * {name} cut {cut}"));
            }
        }
    }

    /// Tells the relay one of the lines that it understands, with the names of hosts in place of their numbers.
    pub(crate) fn relay(&self, line: &str) {
        let Middle::Relay(relay) = &self.middle else { panic!("no relay is between these hosts") };
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = |word: &str| match self.hosts.iter().position(|(name, _)| name == word) {
            Some(number) if command != "name" => (number + 1).to_string(),
            _ => word.to_owned(),
        };
        let words: Vec<String> = rest.split_whitespace().map(number).collect();
        relay.lock().unwrap().tell(&format!("{command} {}", words.join(" ")));
    }
}

/// Runs a command there; what a kernel says that does not allow it, or lacks it, is an error.
fn run(enter: &[String], line: &str) -> Result<(), String> {
    let mut command = children::command(&enter[0]);
    command.args(&enter[1..]).args(line.split(' '));
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; apt-get install util-linux"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let forbidden = ["not permitted", "ermission denied", "not supported", "Unknown device type"];
    assert!(!said.contains("No such file"), "{line}: {said}; apt-get install iproute2");
    if forbidden.iter().any(|words| said.contains(words)) {
        return Err(format!("{line}: {}", said.trim_end()));
    }
    assert!(output.status.success(), "{line}: {said}");
    Ok(())
}

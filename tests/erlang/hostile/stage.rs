//! Where rows are played: an agent, the honest nodes around it, and what is looked at after each row.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::attacker::{address, connect_from};
use super::{Group, Row};
use crate::support::{Agent, Erl, World, register_by_hand, until};

/// What the agent serves in every group: commands, and programs behind mailboxes.
const SERVED: &str = r#"
[functions]
"box:hello/0" = ["/bin/echo", "hello"]
"box:slow/0" = ["/bin/sleep", "0.2"]
"box:say/1" = ["/bin/echo", "--"]
[mailbox.answers]
command = ["/bin/sh", "-c", "while IFS= read -r line; do id=${line#\\{call,}; echo \"{reply,${id%%,*},ok}\"; done"]
[mailbox.spare]
command = ["/bin/sh", "-c", "while IFS= read -r line; do id=${line#\\{call,}; echo \"{reply,${id%%,*},ok}\"; done"]
[mailbox.swallows]
command = ["/bin/sh", "-c", "cat > /dev/null; :"]
[mailbox.swallows_json]
command = ["/bin/sh", "-c", "cat > /dev/null; :"]
format = "json"
[mailbox.deaf]
command = ["/bin/sleep", "100000"]
"#;

/// Log lines of a row that are allowed whatever it takes, and those for each second.
const LINES: (usize, usize) = (150, 100);
/// Files that the agent may have open besides those it had before the first row: while a row is on, and after it. Commands come and go.
const FILES: (usize, usize) = (300, 16);

/// The agent and the honest nodes.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) agent: Agent,
    honest: Vec<(&'static str, Erl)>,
    /// A name that the agent dials, and where.
    pub(crate) mirror: (TcpListener, TcpStream),
    next: AtomicUsize,
    /// Files and memory before the first row.
    files: usize,
    memory: u64,
    /// How much more memory there may be, in KiB.
    more_memory: u64,
}

/// What the honest nodes were told during a row.
pub(crate) struct Told {
    pub(crate) answers: u32,
    pub(crate) late: Vec<String>,
    pub(crate) slowest: u32,
}

impl Stage {
    pub(crate) fn new(group: &Group) -> Self {
        let world = World::new();
        let file = world.home.join("beamless.toml");
        // arrays of the top level come first
        let settings = format!("sname = \"demo\"\nconnect = [\"mirror\"]\n{}{}", SERVED, group.settings);
        fs::write(&file, settings).unwrap();
        let agent = world.agent(&["--config", &file.display().to_string()]);
        let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let registered = register_by_hand(world.epmd_port, "mirror", listener.local_addr().unwrap().port());
        let honest = group.honest.iter().map(|what| {
            let erl = world.erl(&["-sname", what]);
            erl.load(&world, "honest", include_str!("honest.erl"));
            erl.eval(&format!("Honest = honest:start({what}, {})", agent.atom()));
            (*what, erl)
        });
        let mut stage = Self {
            honest: honest.collect(),
            mirror: (listener, registered),
            next: AtomicUsize::new(0),
            files: 0,
            memory: 0,
            more_memory: group.more_memory,
            world,
            agent,
        };
        stage.begin_row();
        let told = stage.end_row();
        assert!(told.late.is_empty(), "before the first row: {:?}", told.late);
        (stage.files, stage.memory) = (stage.agent.open_files(), stage.agent.memory_kib("VmRSS:"));
        stage
    }

    /// The full name of a node on this host.
    pub(crate) fn full_name(&self, alive: &str) -> String {
        format!("{alive}@{}", self.agent.host())
    }

    /// The name of an attacker that was not there yet.
    pub(crate) fn new_name(&self) -> String {
        self.full_name(&format!("evil{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// The node that stays connected and calls.
    pub(crate) fn caller(&self) -> &str {
        &self.honest[0].1.node
    }

    /// A connection to the agent from an attacker's address.
    pub(crate) fn stranger(&self) -> TcpStream {
        self.stranger_at(self.agent.port)
    }

    pub(crate) fn stranger_at(&self, port: u16) -> TcpStream {
        let stream = connect_from(address(self.next.load(Ordering::Relaxed)), port, true).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn begin_row(&self) {
        for (_, erl) in &self.honest {
            assert_eq!(erl.eval("honest:begin_row(Honest)"), "ok");
        }
    }

    fn end_row(&self) -> Told {
        let asked: Vec<_> = self.honest.iter().map(|(_, erl)| erl.ask("honest:end_row(Honest)")).collect();
        let mut told = Told { answers: 0, late: Vec::new(), slowest: 0 };
        for ((what, erl), asked) in self.honest.iter().zip(asked) {
            let text = erl.answer(asked);
            // {12,[],34}
            let (answers, rest) = text.trim_matches(['{', '}']).split_once(',').unwrap();
            let (late, slowest) = rest.rsplit_once(',').unwrap();
            told.answers += answers.parse::<u32>().unwrap();
            told.slowest = told.slowest.max(slowest.parse().unwrap());
            if late != "[]" {
                told.late.push(format!("{what}: {late}"));
            }
        }
        told
    }

    /// How many lines the log has, without those of whoever comes and goes in all honesty.
    fn lines(&self) -> usize {
        let joins = self.full_name("joins");
        self.agent.log.len() - self.agent.log.count(&[&joins])
    }

    /// Plays a row while the honest nodes ask, and looks at the agent.
    pub(crate) fn play(&self, row: &Row) -> (Told, Duration) {
        let (lines, begin) = (self.lines(), Instant::now());
        self.begin_row();
        // what is held is held until the honest ones have asked once more
        let held = (row.attack)(self);
        let files = self.agent.open_files();
        let told = self.end_row();
        drop(held);
        assert!(told.late.is_empty(), "late or wrong: {:?}", told.late);
        assert!(files < self.files + FILES.0, "{files} files are open while this goes on");
        until("the agent to close the files", || (self.agent.open_files() < self.files + FILES.1).then_some(()));
        let (memory, most) = (self.agent.memory_kib("VmRSS:"), self.memory + self.more_memory);
        assert!(memory <= most, "{memory} KiB of memory, not {most}");
        let took = begin.elapsed();
        let (lines, most) = (self.lines() - lines, LINES.0 + LINES.1 * took.as_millis() as usize / 1000);
        assert!(lines <= most, "{lines} lines in the log, not {most}");
        assert_eq!(self.agent.log.count(&["panicked"]), 0);
        let escapes = self.agent.log.text().chars().filter(|c| c.is_control() && *c != '\n').count();
        assert_eq!(escapes, 0, "the log has control characters");
        (told, took)
    }
}

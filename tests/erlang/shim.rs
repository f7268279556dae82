//! An agent whose clock is off, or whose disk fails: `shim.c`, loaded before the C library of the program that is tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::binaries::dynamic;
use crate::children::command;
use crate::support::{Agent, World};

/// The library, compiled once in a test run.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = crate::children::folder("shim").join("shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/shim.c");
        let mut cc = command("cc");
        cc.args(["-Wall", "-Werror", "-O1", "-shared", "-fPIC", source, "-ldl", "-o"]).arg(&library);
        let output = cc.output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library
    })
}

/// How a disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no room left.
    Full,
    /// It is mounted read-only.
    ReadOnly,
    /// What is written seems to be there, until it is synced.
    Broken,
}

/// What is false for an agent, from one call of the system to the next.
pub(crate) struct Shim {
    file: PathBuf,
    clock: i64,
    fault: Option<(Fault, PathBuf)>,
}

impl Shim {
    /// One that changes nothing yet, with a file of this name in the world's home.
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let shim = Self { file: world.home.join(name), clock: 0, fault: None };
        shim.tell();
        shim
    }

    /// Puts the wall clock this many seconds on, or back.
    pub(crate) fn set_clock(&mut self, seconds: i64) {
        self.clock = seconds;
        self.tell();
    }

    /// Has the disk fail in a folder, or be well.
    pub(crate) fn set_fault(&mut self, fault: Option<(Fault, &Path)>) {
        self.fault = fault.map(|(fault, folder)| (fault, folder.to_owned()));
        self.tell();
    }

    fn tell(&self) {
        let mut text = format!("clock {}\n", self.clock);
        if let Some((fault, folder)) = &self.fault {
            let error = match fault {
                Fault::Full => "ENOSPC",
                Fault::ReadOnly => "EROFS",
                Fault::Broken => "EIO",
            };
            text += &format!("fail {error} {}\n", folder.display());
        }
        // it is read at any time: all of it or what it was before
        let new = self.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Has a program live with what is false.
    pub(crate) fn dress(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("SHIM_CONTROL", &self.file);
    }

    /// `beamless run` with these arguments, just started.
    pub(crate) fn launch(&self, world: &World, args: &[&str]) -> Agent {
        let mut command = command(dynamic());
        command.arg("run").args(args);
        self.dress(&mut command);
        world.launch_as(command)
    }

    /// The same, started and up.
    pub(crate) fn agent(&self, world: &World, args: &[&str]) -> Agent {
        let mut agent = self.launch(world, args);
        agent.wait_until_up();
        agent
    }
}

/// Programs that this one starts see what it sees: here a shell, `date` and `sync`.
#[test]
fn the_clock_is_off_and_the_disk_fails() {
    let world = World::new();
    let mut shim = Shim::new(&world, "shim");
    let folder = world.home.join("state");
    fs::create_dir(&folder).unwrap();
    let run = |shim: &Shim, line: &str| {
        let mut command = command("sh");
        command.args(["-c", line]).current_dir(&folder);
        shim.dress(&mut command);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    };
    let year = |shim: &Shim| run(shim, "date -u +%Y").1.trim().parse::<u32>().unwrap();
    assert!(year(&shim) >= 2024);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    shim.set_clock(-i64::try_from(now).unwrap());
    assert_eq!(year(&shim), 1970);
    shim.set_clock(0);
    let inside = format!("{}/f", folder.display());
    for (fault, why) in [(Fault::Full, "No space left"), (Fault::ReadOnly, "Read-only file system")] {
        shim.set_fault(Some((fault, &folder)));
        let (ok, said) = run(&shim, &format!("echo x >{inside}"));
        assert!(!ok && said.contains(why), "{said}");
        assert_eq!(run(&shim, "echo x >/dev/null"), (true, String::new()));
        shim.set_fault(None);
        assert_eq!(run(&shim, &format!("echo x >{inside} && rm {inside}")), (true, String::new()));
    }
    shim.set_fault(Some((Fault::Broken, &folder)));
    let (ok, said) = run(&shim, &format!("echo x >{inside} && sync {inside}"));
    assert!(!ok && said.contains("Input/output error"), "{said}");
    assert_eq!(fs::read_to_string(&inside).unwrap(), "x\n");
}

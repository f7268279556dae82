//! The nodes that are measured, each a process of its own.

use std::cell::Cell;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::epmd::Epmd;
use crate::load::Load;

/// A node of some implementation.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    /// It can be connected to.
    pub listens: bool,
    /// It speaks the protocol, if to this driver alone.
    pub speaks: bool,
    /// It is a node to everybody, and can connect to others.
    pub whole: bool,
    command: fn(&Programs) -> Command,
}

/// Rooms for peers: as many as a node on a box may have, and enough for all that are ever connected here.
pub const FEW_PEERS: usize = 256;
pub const MANY_PEERS: usize = 1_100;

pub const BASE: &str = "libei";
pub const KINDS: [Kind; 7] = [
    Kind { name: "beamless", listens: true, speaks: true, whole: true, command: |p| p.ours("node") },
    Kind { name: BASE, listens: true, speaks: true, whole: true, command: |p| p.libei() },
    Kind { name: "erl_dist", listens: true, speaks: true, whole: true, command: |p| p.ours("erl_dist") },
    Kind { name: "edp_client", listens: false, speaks: true, whole: true, command: |p| p.ours("edp") },
    Kind { name: "BEAM", listens: true, speaks: true, whole: true, command: |p| p.beam(&["-run", "beam", "peer"]) },
    Kind { name: "splices bytes", listens: true, speaks: true, whole: false, command: |p| p.ours("splice") },
    Kind { name: "bare mio", listens: true, speaks: false, whole: false, command: |p| p.ours("bare") },
];

/// The folder of the programs: where this one is.
pub struct Programs(std::path::PathBuf);

impl Programs {
    fn ours(&self, name: &str) -> Command {
        Command::new(self.0.join(name))
    }

    fn libei(&self) -> Command {
        let mut command = self.ours("libei");
        command.arg(wire::COOKIE);
        command
    }

    /// An Erlang with what `beam.erl` has.
    pub fn beam(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::var("BEAMLESS_ERL").unwrap_or("erl".to_owned()));
        command.args(["-setcookie", wire::COOKIE, "-start_epmd", "false", "-hidden", "-noinput"]);
        command.arg("-pa").arg(&self.0).args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]).args(args);
        command
    }
}

/// The driver as others find it.
pub struct World {
    epmd: Epmd,
    epmd_port: u16,
    pub programs: Programs,
    dialled: Arc<AtomicUsize>,
    connected: Receiver<TcpStream>,
    /// Microseconds that a node that is started is to rest between turns, if it is of a kind that can.
    pub rest: Cell<u64>,
    /// True if those can be measured who know no other port of EPMD than 4369.
    fixed_port: bool,
}

impl World {
    pub fn new() -> Self {
        let any = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (epmd, listener, dialled_on, driver_on) = (Epmd::default(), any(), any(), any());
        epmd.put("dialled", dialled_on.local_addr().unwrap().port());
        epmd.put("driver", driver_on.local_addr().unwrap().port());
        let epmd_port = listener.local_addr().unwrap().port();
        epmd.serve(listener);
        let other = TcpListener::bind((wire::OTHER_EPMD, 4369));
        let fixed_port = other.is_ok();
        other.into_iter().for_each(|listener| epmd.serve(listener));
        let dialled = Arc::new(AtomicUsize::new(0));
        let count = dialled.clone();
        thread::spawn(move || {
            for stream in dialled_on.incoming().flatten() {
                if let Ok(mut stream) = wire::accept(stream, "dialled@127.0.0.1") {
                    // it counts once it has gone again
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let (tx, connected) = channel();
        thread::spawn(move || {
            for stream in driver_on.incoming().flatten() {
                let _ = wire::accept(stream, wire::DRIVER).map(|stream| tx.send(stream));
            }
        });
        let programs = Programs(std::env::current_exe().unwrap().parent().unwrap().to_owned());
        Self { epmd, epmd_port, programs, dialled, connected, rest: Cell::new(0), fixed_port }
    }

    pub fn command(&self, mut command: Command) -> Command {
        command.env("ERL_EPMD_PORT", self.epmd_port.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1").stdin(Stdio::null());
        command
    }

    /// Starts a node, by another program if there is one to count, and connects to it; `None` if this machine has not what it takes. It has
    /// room for so many peers, if it is of a kind that asks.
    pub fn start(&self, kind: Kind, room: usize, counter: &[&str]) -> Option<Peer<'_>> {
        if !kind.listens && !self.fixed_port {
            eprintln!("LEFT OUT: {}, whose EPMD has to be on port 4369, which is taken", kind.name);
            return None;
        }
        self.epmd.forget("peer");
        let mut command = self.command(through(counter, (kind.command)(&self.programs)));
        command.env(wire::ROOM, room.to_string()).env(wire::REST, self.rest.get().to_string());
        let child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", kind.name));
        let mut peer = Peer { world: self, kind, child, port: 0, load: None };
        if kind.listens {
            peer.port = self.epmd.wait("peer");
        }
        peer.connect();
        Some(peer)
    }
}

/// Returns the command that has this program run that one; what it says is to be read in the end.
fn through(counter: &[&str], command: Command) -> Command {
    let Some((program, args)) = counter.split_first() else { return command };
    let mut counting = Command::new(program);
    counting.args(args).arg(command.get_program()).args(command.get_args()).stderr(Stdio::piped());
    counting
}

/// A running node.
pub struct Peer<'w> {
    pub world: &'w World,
    pub kind: Kind,
    child: Child,
    pub port: u16,
    load: Option<Load>,
}

impl Peer<'_> {
    fn connect(&mut self) {
        let stream = if !self.kind.listens {
            self.world.connected.recv_timeout(Duration::from_secs(30)).expect("it connects")
        } else if self.kind.speaks {
            wire::dial(self.port, wire::DRIVER).expect("it takes the driver")
        } else {
            TcpStream::connect(("127.0.0.1", self.port)).unwrap()
        };
        self.load = Some(Load::new(stream));
    }

    /// The connection of the driver.
    pub fn load(&mut self) -> &mut Load {
        self.load.as_mut().unwrap()
    }

    /// Leaves the node to another driver for a while.
    pub fn lend<T>(&mut self, to: impl FnOnce(&Self) -> T) -> T {
        self.load = None;
        let result = to(self);
        self.connect();
        result
    }

    /// Ends the node, and returns what the program that runs it says.
    pub fn end(mut self) -> String {
        let child = self.child.id();
        // what strace runs is a process of its own
        let children = std::fs::read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap();
        let node = children.split_whitespace().next().map_or(child.to_string(), str::to_owned);
        let ended = Command::new("kill").args(["-TERM", &node]).status();
        assert!(ended.is_ok_and(|status| status.success()), "kill -TERM {node}");
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    pub fn dialled(&self) -> usize {
        self.world.dialled.load(Ordering::Relaxed)
    }

    /// Seconds for which it has had a processor.
    pub fn processor_time(&self) -> f64 {
        let told = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap();
        told.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap() / 1e9
    }

    /// KiB of memory that are its own or shared, as the system counts them.
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

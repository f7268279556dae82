//! `beamless epmd` with epmd's own options, beside the real one: what they do and what they print.

use std::io::Read;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use crate::children::command;
use crate::support::{Agent, PATIENCE, World, epmd_command, register_by_hand, until};

impl World {
    /// `beamless epmd` with these options, which listens.
    fn own_epmd(&self, options: &[&str]) -> Agent {
        let port = self.epmd_port.to_string();
        let epmd = self.launch_as(self.tool_command(&[&["epmd", "-port", &port], options].concat()));
        epmd.wait(&["epmd on port"]);
        epmd
    }

    /// What an epmd of either kind says to these options, and how it ends.
    fn said(&self, mut epmd: Command, options: &[&str]) -> (Option<i32>, String) {
        self.dress(&mut epmd);
        let output = epmd.args(["-port", &self.epmd_port.to_string()]).args(options).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    /// The same of both, which must be the same.
    #[track_caller]
    fn both_say(&self, options: &[&str], code: i32, words: &str) {
        let ours = self.said(self.tool_command(&["epmd"]), options);
        assert_eq!((ours, "ours"), ((Some(code), words.to_owned()), "ours"), "{options:?}");
        assert_eq!(self.said(epmd_command(), options), (Some(code), words.to_owned()), "epmd {options:?}");
    }
}

fn is_registered(world: &World, name: &str) -> bool {
    world.epmd_names().iter().any(|line| line.starts_with(&format!("name {name} ")))
}

/// Either tool ends either server, once no name is registered there.
#[test]
fn kill_ends_it_without_names() {
    let world = World::new();
    world.both_say(&["-kill"], 1, "epmd: Cannot connect to local epmd\n");
    world.both_say(&["-names"], 1, "epmd: Cannot connect to local epmd\n");
    for tool in ["beamless", "epmd"] {
        let ask = || if tool == "epmd" { epmd_command() } else { world.tool_command(&["epmd"]) };
        let mut served = world.own_epmd(&[]);
        let held = register_by_hand(world.epmd_port, "held", 4711);
        let refused = (Some(1), "Killing not allowed - living nodes in database.\n".to_owned());
        assert_eq!(world.said(ask(), &["-kill"]), refused, "{tool}");
        assert!(is_registered(&world, "held"));
        drop(held);
        until("the name to be free", || (!is_registered(&world, "held")).then_some(()));
        assert_eq!(world.said(ask(), &["-kill"]), (Some(0), "Killed\n".to_owned()), "{tool}");
        assert_eq!(served.exit_code(), Some(0));
    }
    let _real = world.epmd();
    let _held = register_by_hand(world.epmd_port, "held", 4711);
    world.both_say(&["-kill"], 1, "Killing not allowed - living nodes in database.\n");
    world.both_say(&["-stop", "held"], 1, "epmd: local epmd responded with <>\n");
}

/// With the relaxed check, names are taken away and EPMD is ended under them.
#[test]
fn the_relaxed_check_lets_names_be_taken_away() {
    for by_environment in [false, true] {
        let world = World::new();
        let mut served = if by_environment {
            let mut command = world.tool_command(&["epmd"]);
            command.env("ERL_EPMD_RELAXED_COMMAND_CHECK", "");
            let served = world.launch_as(command);
            served.wait(&["epmd on port"]);
            served
        } else {
            world.own_epmd(&["-relaxed_command_check"])
        };
        let mut held = register_by_hand(world.epmd_port, "held", 4711);
        let _other = register_by_hand(world.epmd_port, "other", 4712);
        world.both_say(&["-stop", "nobody"], 0, "NOEXIST\n");
        assert_eq!(world.said(epmd_command(), &["-stop", "held"]), (Some(0), "STOPPED\n".to_owned()));
        // who had it is told by the end of the connection
        assert_eq!(held.read(&mut [0]).unwrap(), 0);
        assert!(!is_registered(&world, "held") && is_registered(&world, "other"));
        // and when another takes it, the first is no part of that
        let _again = register_by_hand(world.epmd_port, "held", 4713);
        drop(held);
        assert!(is_registered(&world, "held"));
        let ours = world.said(world.tool_command(&["epmd"]), &["-stop", "held"]);
        assert_eq!(ours, (Some(0), "STOPPED\n".to_owned()));
        assert_eq!(world.said(epmd_command(), &["-kill"]), (Some(0), "Killed\n".to_owned()));
        assert_eq!(served.exit_code(), Some(0));
    }
}

/// An agent's own EPMD is ended with the agent alone, whatever the environment says: it would take the node with it.
#[test]
fn an_agents_epmd_is_not_killed() {
    let world = World::new();
    let mut command = world.tool_command(&["run", "--sname", "demo"]);
    command.env("ERL_EPMD_RELAXED_COMMAND_CHECK", "1");
    let mut demo = world.launch_as(command);
    demo.wait_until_up();
    let refused = (Some(1), "Killing not allowed - living nodes in database.\n".to_owned());
    assert_eq!(world.said(epmd_command(), &["-kill"]), refused);
    assert_eq!(world.said(epmd_command(), &["-stop", "demo"]).0, Some(1));
    assert!(is_registered(&world, "demo"));
}

/// Who says nothing is let go after that many seconds, and who has a name stays.
#[test]
fn the_packet_timeout_is_as_long_as_told() {
    let world = World::new();
    let _served = world.own_epmd(&["-packet_timeout", "1"]);
    let _held = register_by_hand(world.epmd_port, "held", 4711);
    let mut silent = TcpStream::connect(("127.0.0.1", world.epmd_port)).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    assert!(is_registered(&world, "held"));
}

/// The other options, in epmd's spelling: what the process does, and what it refuses.
#[test]
fn epmds_options_are_taken() {
    let world = World::new();
    let mut served =
        world.own_epmd(&["-d", "-debug", "-address", "127.0.0.2, 127.0.0.3", "-delay_write", "1", "-delay_accept", "1"]);
    for last in 1..=4 {
        let reached = TcpStream::connect((format!("127.0.0.{last}"), world.epmd_port)).is_ok();
        assert_eq!(reached, last != 4, "127.0.0.{last}");
    }
    assert_eq!(world.said(world.tool_command(&["epmd"]), &["-kill"]).0, Some(0));
    assert_eq!(served.exit_code(), Some(0));
    for wrong in [&["-packet_timeout", "0"][..], &["-packet_timeout"], &["-port", "0"], &["-stop"], &["-systemd"], &["-nonsense"]]
    {
        let mut refused = world.launch_as(world.tool_command(&[&["epmd"], wrong].concat()));
        assert_eq!(refused.exit_code(), Some(2), "{wrong:?}");
    }
    // in the background, and up when the command ends
    let started = world.tool(&["epmd", "-daemon", "-relaxed_command_check", "-port", &world.epmd_port.to_string()]);
    started.done("");
    let _held = register_by_hand(world.epmd_port, "held", 4711);
    assert_eq!(world.said(epmd_command(), &["-kill"]), (Some(0), "Killed\n".to_owned()));
}

/// On a socket that is handed over, as `epmd -systemd`.
#[test]
fn systemds_socket_is_served_on() {
    let world = World::new();
    let mut socket = command("systemd-socket-activate");
    socket.arg(format!("--listen={}", world.epmd_port)).arg(crate::binaries::beamless()).args(["epmd", "-systemd"]);
    let mut served = world.launch_as(socket);
    served.wait(&["Listening on"]);
    let _held = register_by_hand(world.epmd_port, "held", 4711);
    world.wait_for_names(&["held"]);
    drop(_held);
    until("it to end", || (world.said(epmd_command(), &["-kill"]).0 == Some(0)).then_some(()));
    assert_eq!(served.exit_code(), Some(0));
}

/// Whoever reads the list from a pipe may look at its first piece alone, as a test of OTP's does.
#[test]
fn names_come_in_one_piece() {
    let world = World::new();
    let _served = world.own_epmd(&[]);
    let _held: Vec<_> = (1..=20).map(|n| register_by_hand(world.epmd_port, &format!("n{n}"), 4711)).collect();
    for words in [&["names"][..], &["epmd", "-names"]] {
        // each write is a message of its own here
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut names = world.tool_command(words);
        let mut names = names.stdout(Stdio::from(OwnedFd::from(theirs))).stderr(Stdio::inherit()).spawn().unwrap();
        let mut piece = [0; 65_536];
        let count = ours.recv(&mut piece).unwrap();
        let piece = String::from_utf8_lossy(&piece[..count]);
        assert!(piece.starts_with(&format!("epmd: up and running on port {} with data:\n", world.epmd_port)), "{piece}");
        assert_eq!(piece.lines().count(), 21, "{piece}");
        assert!(names.wait().unwrap().success());
    }
}

/// Anybody on the host may register any name: on a terminal it is letters, and the others' lines stay theirs.
#[test]
fn names_cannot_write_on_a_terminal() {
    let world = World::new();
    let _served = world.own_epmd(&[]);
    let _good = register_by_hand(world.epmd_port, "good", 4711);
    let _evil = register_by_hand(world.epmd_port, "a\u{1b}[2J\n\u{9b}31m\u{202e}\rb", 4712);
    let list = format!(
        "epmd: up and running on port {} with data:\nname a\\u{{1b}}[2J\\n\\u{{9b}}31m\\u{{202e}}\\rb at port 4712\nname good at port 4711\n",
        world.epmd_port
    );
    world.tool(&["names"]).done(&list);
    world.tool(&["epmd", "-names"]).done(&list);
    // nor is it offered to a shell
    let offered = world.tool(&["--complete", "ping", ""]);
    assert!(
        offered.out.contains("good") && !offered.out.contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
        "{offered:?}"
    );
}

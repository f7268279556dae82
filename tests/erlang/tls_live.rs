//! What holds over TCP holds over TLS, 1.2 and 1.3: tests of this folder are run again, in worlds in which all speak it. And certificates for them.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::thread;

use beamless::{Driver, Tls, TlsFiles, TlsVersions};

use crate::binaries::beamless;
use crate::children::{self, command};
use crate::support::{World, otp};
use crate::{calls, calls_out, config, functions, join, load, names, program, publish, restart, streams, ties, tool};

/// A version of TLS, as optfiles name it. Each has an optfile that names it alone, so that over it nothing else is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "tlsv1.2",
            Self::Tls13 => "tlsv1.3",
        }
    }
}

thread_local! {
    /// What the worlds of this thread speak.
    static SPOKEN: Cell<Option<Version>> = const { Cell::new(None) };
}

/// What new worlds of this thread speak, if it is TLS.
pub(crate) fn spoken() -> Option<Version> {
    SPOKEN.get()
}

/// The folder with the certificate of this host, under all names it has in these tests, and with an optfile for each version.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let parent = children::folder("pki");
        let run = |args: &[&str]| {
            let output = command(beamless()).args(args).current_dir(&parent).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
        };
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim().split('.').next().unwrap();
        run(&["certs", "init", "ca"]);
        let hosts = ["edge", "roger-nuc0", "roger-nuc3"];
        run(&[&["certs", "node", "ca", "box", "127.0.0.1", "127.0.0.2", "::1", "localhost", host][..], &hosts].concat());
        let folder = parent.join("ca/box");
        let text = fs::read_to_string(folder.join("ssl_dist.conf")).unwrap();
        assert_eq!(text.matches("['tlsv1.3']").count(), 2, "{text}");
        for version in VERSIONS {
            let name = version.name();
            fs::write(folder.join(format!("{name}.conf")), text.replace("tlsv1.3", name)).unwrap();
        }
        folder
    })
}

/// The optfile of this version.
fn optfile(version: Version) -> String {
    folder().join(format!("{}.conf", version.name())).display().to_string()
}

/// These arguments of an Erlang, and those with which it speaks TLS, over IPv6 where it would speak TCP over that.
pub(crate) fn erl_args(version: Version, args: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = args.iter().map(|arg| arg.replace("inet6_tcp", "inet6_tls")).collect();
    if !args.contains(&"-proto_dist") {
        all.extend(["-proto_dist".to_owned(), "inet_tls".to_owned()]);
    }
    all.extend(["-ssl_dist_optfile".to_owned(), optfile(version)]);
    all
}

impl World {
    /// Has a node in the test's own thread speak what the world speaks.
    pub(crate) fn secure(&self, driver: &mut Driver) {
        if self.tls.is_some() {
            driver.set_tls(Tls::from_files(&TlsFiles::in_folder(folder()), TlsVersions::Both).unwrap());
        }
    }
}

/// Runs a test whose worlds are made over each version, both at once: most of the time is waited.
pub(crate) fn over_each(test: fn()) {
    thread::scope(|scope| {
        for version in VERSIONS {
            scope.spawn(move || {
                SPOKEN.set(Some(version));
                eprintln!("over {version:?}");
                test();
            });
        }
    });
}

/// Tests of other modules, over TLS.
macro_rules! over_tls {
    ($($module:ident::$test:ident,)+) => {
        $(
            #[test]
            fn $test() {
                over_each($module::$test);
            }
        )+
    };
}

over_tls! {
    // ping, both sides dialling, calls
    names::a_short_name_may_be_given_whole,
    names::a_long_name_with_an_ipv4_address,
    names::a_long_name_with_an_ipv6_address,
    names::two_agents_find_each_other,
    restart::both_sides_connect_at_once,
    tool::call_prints_the_reply,
    calls_out::seven_calls_come_to_seven_different_ends,
    functions::every_kind_of_call_gives_the_value,
    // monitors and links, both ways
    ties::a_mailbox_is_tied_as_a_process_is,
    ties::the_death_of_a_node_is_told_to_all_that_are_tied_to_it,
    calls::a_monitor_lives_until_it_is_taken_back_or_the_agent_dies,
    // ticks
    join::an_impatient_erlang_is_ticked_often_enough,
    config::a_tick_time_is_that_of_the_file,
    // what is large, and much
    load::a_giant_message_is_skipped,
    load::fifty_thousand_questions_are_answered_in_order,
    load::a_stopped_agent_loses_nothing,
    load::the_last_answers_of_a_flood_come_at_once,
    streams::a_pipe_is_copied_into_the_cluster,
    program::two_hundred_thousand_messages_to_a_mailbox_nobody_reads,
    // killed, and there again
    restart::erlang_reaches_a_restarted_agent_at_once,
    restart::a_restarted_agent_reaches_erlang_at_once,
    restart::an_erlang_replaces_its_dead_self,
    restart::a_lost_link_is_made_again,
    // readings
    publish::readings_come_as_what_they_are_with_their_label_and_time,
    publish::no_kept_reading_is_lost_with_the_hub,
}

/// OTP 23, which keeps the old connection, may do so over TLS though it is told to end it.
#[test]
fn an_agent_replaces_its_dead_self() {
    if otp() >= 25 {
        over_each(restart::an_agent_replaces_its_dead_self);
    }
}

/// Calls of 14,000 bytes, which take several records of ours and one of Erlang's: there and back.
fn calls_of_many_bytes() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1"]);
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    let text = "\"0123456789abcde\", ".repeat(14_000 / 16) + "\"the end\"";
    let seven = "binary:copy(<<7>>, 14000)";
    for _ in 0..20 {
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, '{}'}}, {seven}, 60000) =:= {seven}", demo.node)), "true");
    }
    erl.eval(
        "register(server, spawn(fun Loop() -> receive {'$gen_call', From, Request} -> gen:reply(From, Request), Loop() end end))",
    );
    world.tool(&["ping", &erl.node]).done("pong\n");
    let reply = world.tool(&["call", &erl.node, "server", &format!("[{text}]")]);
    reply.done(&format!("[{}]\n", text.replace(", ", ",")));
    assert!(reply.out.len() > 14_000);
}

#[test]
fn calls_of_14_000_bytes_go_both_ways() {
    over_each(calls_of_many_bytes);
}

/// What the file allows counts, and an Erlang that would speak both takes it, as one does that speaks the other one alone is refused.
#[test]
fn the_version_is_that_of_the_file() {
    let folder = folder().display();
    for (version, other) in [("1.2", Version::Tls13), ("1.3", Version::Tls12)] {
        let world = World::new();
        let settings = format!("name = \"demo@127.0.0.1\"\n[tls]\ndir = \"{folder}\"\nversions = [{version:?}]\n");
        fs::write(world.home.join("beamless.toml"), settings).unwrap();
        let demo = world.agent(&["--config", "beamless.toml"]);
        demo.wait(&["certificate for box, 127.0.0.1, 127.0.0.2, ::1, localhost, "]);
        let text = fs::read_to_string(self::folder().join("ssl_dist.conf")).unwrap();
        let both = world.home.join("both.conf").display().to_string();
        fs::write(&both, text.replace("['tlsv1.3']", "['tlsv1.3', 'tlsv1.2']")).unwrap();
        let speaking = |name: &str, optfile: &str| {
            world.erl(&["-name", &format!("{name}@127.0.0.1"), "-proto_dist", "inet_tls", "-ssl_dist_optfile", optfile])
        };
        let erl = speaking("a", &both);
        assert_eq!(erl.eval("net_adm:ping('demo@127.0.0.1')"), "pong");
        assert_eq!(speaking("b", &optfile(other)).eval("net_adm:ping('demo@127.0.0.1')"), "pang");
    }
}

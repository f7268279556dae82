//! Many nodes that are to be connected to, most of which lead nowhere, and many that come back to one.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::binaries::beamless;
use crate::children::command;
use crate::support::{Agent, World, free_port, register_by_hand, until};

/// Forty-five hosts whose EPMD says nothing, and one that is there, last: it gets its turn before the others have theirs again.
#[test]
fn dead_hosts_keep_nobody_waiting() {
    let world = World::new();
    // epmd on one address of this host alone, so that the others are hosts of their own
    let here = world.on_host(vec!["env".into(), "ERL_EPMD_ADDRESS=127.0.0.1".into()]);
    let _epmd = here.epmd();
    // the system takes connections to them, and nobody ever looks at one
    let hosts = 2..47;
    let silent: Vec<TcpListener> =
        hosts.clone().map(|host| TcpListener::bind((format!("127.0.0.{host}"), world.epmd_port)).unwrap()).collect();
    let erl = here.erl(&["-name", "a@127.0.0.1"]);
    let mut names: Vec<String> = hosts.map(|host| format!("\"x@127.0.0.{host}\"")).collect();
    names.push("\"a@127.0.0.1\"".to_owned());
    let file = world.home.join("beamless.toml");
    let settings = format!("name = \"demo@127.0.0.1\"\nconnect = [{}]\n[sizes]\nnodes = 46\n", names.join(", "));
    fs::write(&file, settings).unwrap();
    let begin = Instant::now();
    let agent = here.agent(&["--config", &file.display().to_string()]);
    agent.wait(&["node up", &erl.node]);
    println!("the live one of 46 is up after {:?}", begin.elapsed());
    // everybody gets a turn, and some lines a second say so
    until("all to be tried", || {
        let text = agent.log.text();
        let more = text.lines().filter_map(|line| {
            line.strip_prefix("warn: ")?.strip_suffix(" more like it held back: nodes that could not be connected to")
        });
        let more: usize = more.map(|number| number.parse::<usize>().unwrap()).sum();
        (more + agent.log.count(&["cannot connect to x@127", "no answer in time"]) >= silent.len()).then_some(())
    });
    assert_eq!(agent.log.count(&["not read in time"]), 0, "{}", agent.log.text());
}

/// Forty names that EPMD has, at a port where nobody says a word, more than there is room for: a node that comes is connected.
#[test]
fn dead_names_keep_nobody_waiting() {
    let world = World::new();
    let _epmd = world.epmd();
    // which EPMD names last
    let erl = world.erl(&["-sname", "a"]);
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let _named: Vec<_> = (0..40).map(|number| register_by_hand(world.epmd_port, &format!("nobody{number}"), port)).collect();
    let file = world.home.join("beamless.toml");
    fs::write(&file, "sname = \"demo\"\n[discover]\nepmd = [\"localhost\"]\n").unwrap();
    let begin = Instant::now();
    let agent = world.agent(&["--config", &file.display().to_string()]);
    agent.wait(&["node up", &erl.node]);
    println!("the live one of 41 is up after {:?}", begin.elapsed());
    let late = world.erl(&["-sname", "late"]);
    agent.wait(&["node up", &late.node]);
}

/// Agents that end with the test.
struct Boxes(Vec<Child>);

impl Drop for Boxes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

const BOXES: usize = 1000;
const AWAY: Duration = Duration::from_secs(30);

impl Boxes {
    /// A thousand agents that are to be connected to `hub` on this host.
    fn start(world: &World) -> Self {
        let file = world.home.join("box.toml");
        fs::write(&file, "epmd = \"none\"\nconnect = [\"hub\"]\n[sizes]\nnodes = 2\nmessage = \"4KiB\"\n").unwrap();
        let start = |number| {
            let mut command = command(beamless());
            command.args(["run", "--sname", &format!("box{number}"), "--config", &file.display().to_string()]);
            world.dress(&mut command);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        Self((0..BOXES).map(start).collect())
    }
}

/// Waits until all boxes are there, and prints how many came in each second since the first look.
fn watch(what: &str, count: impl Fn() -> usize) {
    let begin = Instant::now();
    let mut looks = vec![(begin.elapsed(), count())];
    until("all boxes to be connected", || {
        std::thread::sleep(Duration::from_millis(50));
        looks.push((begin.elapsed(), count()));
        (looks.last()?.1 >= BOXES).then_some(())
    });
    let first = looks.iter().find(|(_, count)| *count > 0).map(|(at, _)| *at);
    let before = |at: Duration| looks.iter().rev().find(|look| look.0 <= at).map_or(0, |look| look.1);
    let second = Duration::from_secs(1);
    let most = looks.iter().map(|(at, count)| count.saturating_sub(before(at.saturating_sub(second)))).max();
    let mut text = format!("{what}: first after {first:?}, last after {:?}, {most:?} within a second\n", looks.last().unwrap().0);
    for number in 0..=begin.elapsed().as_secs() {
        let joins = before(second * (number as u32 + 1)) - if number == 0 { 0 } else { before(second * number as u32) };
        let _ = writeln!(text, "{number:>3} s {joins:>4} {}", "#".repeat(joins.div_ceil(2)));
    }
    println!("{text}");
}

/// It has 24 descriptors, and each of those who come takes one.
#[test]
fn that_there_are_no_descriptors_is_said_once_a_second() {
    let world = World::new();
    let port = free_port();
    let mut sh = command("sh");
    sh.args(["-c", &format!("ulimit -n 24 && exec \"$0\" run --name demo@127.0.0.1 --epmd none --listen 127.0.0.1:{port}")]);
    sh.arg(beamless());
    let mut agent = world.launch_as(sh);
    agent.wait_until_up();
    let begin = Instant::now();
    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let line = ["cannot take connections for a second"];
    until("it to be said again", || (agent.log.count(&line) > 1).then_some(()));
    let said = agent.log.count(&line);
    // the longer all of this takes, the more often it may have been said
    assert!(u64::try_from(said).unwrap() <= begin.elapsed().as_secs() + 1, "{said} times");
    drop(crowd);
}

/// Kills the hub, an Erlang, and starts it again half a minute later; prints how many of a thousand agents come back in each second.
///
/// `ulimit -n 20000; cargo test --test erlang -- --ignored --nocapture dials::a_thousand_boxes_come_back_to_erlang`
#[test]
#[ignore = "a thousand agents for two minutes, which take three gigabytes"]
fn a_thousand_boxes_come_back_to_erlang() {
    let world = World::new();
    let _epmd = world.epmd();
    let mut hub = world.erl(&["-sname", "hub"]);
    let _boxes = Boxes::start(&world);
    let count = |hub: &crate::support::Erl| hub.eval("length(nodes(hidden))").parse().unwrap();
    watch("at the start", || count(&hub));
    hub.kill();
    std::thread::sleep(AWAY);
    let begin = Instant::now();
    hub = world.erl(&["-sname", "hub"]);
    println!("the hub is there again {:?} after its start began", begin.elapsed());
    watch("after 30 s", || count(&hub));
}

/// The same with an agent as the hub.
///
/// `ulimit -n 20000; cargo test --test erlang -- --ignored --nocapture dials::a_thousand_boxes_come_back_to_an_agent`
#[test]
#[ignore = "a thousand agents for two minutes, which take three gigabytes"]
fn a_thousand_boxes_come_back_to_an_agent() {
    let world = World::new();
    let _epmd = world.epmd();
    let file = world.home.join("hub.toml");
    fs::write(&file, "sname = \"hub\"\n[sizes]\nnodes = 1200\n").unwrap();
    let start = || world.agent(&["--config", &file.display().to_string()]);
    let mut hub = start();
    let _boxes = Boxes::start(&world);
    watch("at the start", || ups(&hub));
    hub.kill();
    std::thread::sleep(AWAY);
    hub = start();
    watch("after 30 s", || ups(&hub));
    println!("other lines: {}", hub.log.len() - hub.log.count(&["node up"]));
}

/// How many nodes came up. Of more than sixteen in one turn, and of more than forty in a second, the hub says only how many there were besides.
fn ups(hub: &Agent) -> usize {
    let text = hub.log.text();
    let missed = text.lines().filter_map(|line| line.strip_prefix("warn: ")?.strip_suffix(" event(s) were not read in time"));
    let held =
        text.lines().filter_map(|line| line.strip_prefix("warn: ")?.strip_suffix(" more like it held back: nodes that came up"));
    hub.log.count(&["node up"]) + missed.chain(held).map(|number| number.parse::<usize>().unwrap()).sum::<usize>()
}

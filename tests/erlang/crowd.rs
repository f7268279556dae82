//! Many at once, on lines that are slow, and amid a flood of strangers.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, EpmdSettings, Event, OwnedNode, Sizes};

use crate::support::{Agent, World, free_port, packet, register_by_hand, until};

/// A relay to this port, on which every byte takes so long in each direction; its own port. It lasts as long as the test run.
fn slow_line(to: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            delayed(near.try_clone().unwrap(), far.try_clone().unwrap(), delay);
            delayed(far, near, delay);
        }
    });
    port
}

/// Copies what comes, and the end of it.
fn delayed(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (bytes, copied) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if bytes.send((Instant::now() + delay, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in copied {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// Nodes of this library, `PREFIX0@127.0.0.1` and so on.
struct Crowd {
    nodes: Vec<(OwnedNode, Driver)>,
}

impl Crowd {
    /// All of them connect at once to the agent, on this port; what became of those that did not succeed.
    fn connect(world: &World, hub: &Agent, port: u16, prefix: &str, count: usize) -> (Self, Vec<String>) {
        let nodes = (0..count).map(|i| {
            let config = Config::hidden(&format!("{prefix}{i}@127.0.0.1"), &world.cookie).unwrap();
            let config = config.setup_time(Duration::from_secs(60)).unwrap();
            let mut node = OwnedNode::new(config, Sizes::new(1, 0, 4096)).unwrap();
            let mut driver = Driver::outgoing(&EpmdSettings::default(), &mut node).unwrap();
            driver.set_port(&hub.node, port).unwrap();
            driver.set_addresses("127.0.0.1", ["127.0.0.1".parse().unwrap()]);
            node.connect(&hub.node).unwrap();
            (node, driver)
        });
        let mut crowd = Self { nodes: nodes.collect() };
        let (mut up, mut failed) = (0, Vec::new());
        until("every node to be up or to have failed", || {
            for (node, driver) in &mut crowd.nodes {
                driver.poll(node, Some(Duration::ZERO)).unwrap();
                while let Some(event) = node.poll_event() {
                    match event {
                        Event::NodeUp { .. } => up += 1,
                        other => failed.push(other.to_string()),
                    }
                }
            }
            (up + failed.len() >= count).then_some(())
        });
        (crowd, failed)
    }
}

fn hub(world: &World, more: &[&str]) -> Agent {
    let file = world.home.join("hub.toml");
    std::fs::write(&file, "name = \"hub@127.0.0.1\"\n[sizes]\nnodes = 64\n").unwrap();
    world.agent(&[&["--config", file.to_str().unwrap()], more].concat())
}

/// Fifty milliseconds each way: none is up before all have begun.
#[test]
fn forty_eight_nodes_connect_at_once_over_a_slow_line() {
    let world = World::new();
    let hub = hub(&world, &[]);
    let port = slow_line(hub.port, Duration::from_millis(50));
    let (crowd, failed) = Crowd::connect(&world, &hub, port, "n", 48);
    assert_eq!(failed, [""; 0]);
    assert_eq!(crowd.nodes.iter().filter(|(node, _)| node.peers().count() == 1).count(), 48);
    assert_eq!(hub.log.count(&["rejected"]), 0);
}

/// The same with nodes of Erlang's. `cargo test --test erlang -- --ignored twenty_four_erlangs`
#[test]
#[ignore = "24 Erlangs take a minute to start on two cores"]
fn twenty_four_erlangs_connect_at_once_over_a_slow_line() {
    let world = World::new();
    let hub = hub(&world, &[]);
    let port = slow_line(hub.port, Duration::from_millis(50));
    let there = world.with_epmd_port(free_port());
    let _epmd = there.epmd();
    let _hub = register_by_hand(there.epmd_port, "hub", port);
    let erls: Vec<_> = (0..24).map(|i| there.erl(&["-name", &format!("e{i}@127.0.0.1")])).collect();
    let asked: Vec<_> = erls.iter().map(|erl| erl.ask(&format!("net_adm:ping({})", hub.atom()))).collect();
    let pongs = erls.iter().zip(asked).filter(|(erl, _)| !erl.node.is_empty()).map(|(erl, asked)| erl.answer(asked));
    assert_eq!(pongs.filter(|answer| answer == "pong").count(), 24);
    assert_eq!(hub.log.count(&["rejected"]), 0);
}

/// Somebody who opens connections one after the other, and never closes one before there are 200. It ends with the value.
struct Flood {
    ends: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Flood {
    /// `says` is what each says first.
    fn new(address: &str, port: u16, every: Duration, says: Vec<u8>) -> Self {
        let to: SocketAddr = SocketAddr::new(address.parse().unwrap(), port);
        let (ends, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (end, count) = (Arc::clone(&ends), Arc::clone(&opened));
        let thread = thread::spawn(move || {
            let mut open = std::collections::VecDeque::new();
            while !end.load(Ordering::Relaxed) {
                // when it is turned away, or waits in the system's queue, it tries again
                if let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_millis(200)) {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.write_all(&says);
                    open.push_back(stream);
                }
                if open.len() > 200 {
                    open.pop_front();
                }
                thread::sleep(every);
            }
        });
        let flood = Self { ends, opened, thread: Some(thread) };
        flood.wait(100);
        flood
    }

    /// Waits until so many connections were opened in all.
    fn wait(&self, count: usize) {
        until("the flood to come in", || (self.opened.load(Ordering::Relaxed) >= count).then_some(()));
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// A first packet of a node that lacks nothing but the cookie.
fn name_of_a_stranger() -> Vec<u8> {
    let name = b"flood@127.0.0.1";
    let body = [&b"N\0\0\0\x0d\x07\x4f\x4f\xbc\0\0\0\x09\0"[..], &[u8::try_from(name.len()).unwrap()], name].concat();
    packet(&body)
}

fn joins_amid(address: &str, says: Vec<u8>) {
    let world = World::new();
    let hub = hub(&world, &["--listen", "[::]:0"]);
    let port = slow_line(hub.port, Duration::from_millis(50));
    let flood = Flood::new(address, hub.port, Duration::from_millis(10), says);
    let before = flood.opened.load(Ordering::Relaxed);
    let (_crowd, failed) = Crowd::connect(&world, &hub, port, "n", 12);
    assert_eq!(failed, [""; 0]);
    // it went on meanwhile
    assert!(flood.opened.load(Ordering::Relaxed) > before);
}

#[test]
fn honest_nodes_join_amid_a_flood_of_idle_callers_from_elsewhere() {
    joins_amid("::1", Vec::new());
}

#[test]
fn honest_nodes_join_amid_a_flood_of_named_callers_from_elsewhere() {
    joins_amid("::1", name_of_a_stranger());
}

#[test]
fn honest_nodes_join_amid_a_flood_of_idle_callers_from_their_own_address() {
    joins_amid("127.0.0.1", Vec::new());
}

/// 1.2 s each way: less than the 4 s that each step has, and more than them for the whole handshake. The peer is a real Erlang.
#[test]
fn a_line_that_is_slow_is_waited_for() {
    let world = World::new();
    let there = world.with_epmd_port(free_port());
    let _epmds = (world.epmd(), there.epmd());
    let erl = there.erl(&["-name", "a@127.0.0.1"]);
    let port = there.epmd_names()[0].rsplit(' ').next().unwrap().parse().unwrap();
    let _erl = register_by_hand(world.epmd_port, "a", slow_line(port, Duration::from_millis(1200)));
    let file = world.home.join("slow.toml");
    std::fs::write(&file, "name = \"demo@127.0.0.1\"\nsetup_time = \"4s\"\nconnect = [\"a@127.0.0.1\"]\n").unwrap();
    let demo = world.agent(&["--config", file.to_str().unwrap()]);
    demo.wait(&["node up: a@127.0.0.1"]);
    assert_eq!(demo.log.count(&["cannot connect"]), 0);
    assert_eq!(erl.eval("nodes(hidden)"), "['demo@127.0.0.1']");
}

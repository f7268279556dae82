//! The work of one message between two nodes over sockets, plain and over TLS: what `benches/count` counts the instructions of.
//!
//! `tls plain|1.2|1.3 one|batch COUNT` sends that many messages of 64 bytes, each as soon as the one before it was read, or a hundred at
//! once. Without arguments (`cargo bench`) it runs each once and says how they compare.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement that fails may panic"
)]
#![allow(dead_code, reason = "not every kind of certificate is for a measurement")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Epmd, EpmdSettings, Event, Mailbox, OwnedNode, Sizes, Tls, TlsPem, TlsVersions};

#[path = "../tests/memory/pki.rs"]
mod pki;

const HOME: &str = "home@127.0.0.1";
/// Messages in a batch.
const BATCH: usize = 100;
const MESSAGE: [u8; 64] = [0xa5; 64];

/// A node and its sockets.
struct Side {
    node: OwnedNode,
    driver: Driver,
    inbox: Mailbox,
}

impl Side {
    fn new(name: &str, tls: Option<Tls>) -> Self {
        let config = Config::hidden(name, "secret").unwrap().setup_time(Duration::from_secs(120)).unwrap();
        let mut node = OwnedNode::new(config, Sizes::new(2, 1, 65_536)).unwrap();
        let inbox = node.register("inbox").unwrap();
        let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(EpmdSettings::new(1));
        let mut driver = Driver::new(options.listen(["127.0.0.1:0".parse().unwrap()]), &mut node).unwrap();
        if let Some(tls) = tls {
            driver.set_tls(tls);
        }
        Self { node, driver, inbox }
    }

    fn turn(&mut self) {
        self.driver.poll(&mut self.node, Some(Duration::ZERO)).unwrap();
    }

    fn is_up(&self) -> bool {
        self.node.peers().next().is_some()
    }
}

/// Two connected nodes.
struct Pair {
    home: Side,
    guest: Side,
}

impl Pair {
    fn new(versions: Option<TlsVersions>) -> Self {
        let ca = pki::Ca::new("bench");
        let made = || {
            versions.map(|versions| {
                let cert = ca.cert(pki::Kind::of(&["127.0.0.1"]));
                let pem = TlsPem { cert: cert.pem.as_bytes(), key: cert.key.as_bytes(), ca: ca.pem.as_bytes(), crl: None };
                Tls::from_pem(&pem, versions).unwrap()
            })
        };
        let (mut home, mut guest) = (Side::new(HOME, made()), Side::new("guest@127.0.0.1", made()));
        guest.driver.set_port(HOME, home.driver.local_addr().unwrap().port()).unwrap();
        guest.node.connect(HOME).unwrap();
        while !(home.is_up() && guest.is_up()) {
            guest.turn();
            home.turn();
            while let Some(event) = guest.node.poll_event() {
                assert!(matches!(event, Event::NodeUp { .. }), "{event}");
            }
        }
        Self { home, guest }
    }

    fn run(&mut self, batch: usize, count: usize) {
        for _ in 0..count / batch {
            for _ in 0..batch {
                self.guest.node.outbox(self.guest.inbox).unwrap().send(("inbox", HOME), |t| t.binary(&MESSAGE)).unwrap();
            }
            let mut read = 0;
            self.guest.turn();
            while read < batch {
                self.home.turn();
                while let Some((message, _)) = self.home.node.recv(self.home.inbox) {
                    assert_eq!(black_box(message.term().as_binary()).map(<[u8]>::len), Some(MESSAGE.len()));
                    read += 1;
                }
            }
        }
    }
}

type Kind = (&'static str, Option<TlsVersions>);
const KINDS: [Kind; 3] = [("plain", None), ("1.2", Some(TlsVersions::Tls12)), ("1.3", Some(TlsVersions::Tls13))];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [kind, batch, count] = &args[..] {
        let (_, versions) = KINDS.iter().find(|(name, _)| name == kind).expect("plain, 1.2 or 1.3");
        let batch = match &batch[..] {
            "one" => 1,
            "batch" => BATCH,
            _ => panic!("one or batch, not {batch}"),
        };
        return Pair::new(*versions).run(batch, count.parse().unwrap());
    }
    for (batch, name) in [(1, "one"), (BATCH, "batch")] {
        let mut base = None;
        for (kind, versions) in KINDS {
            let mut pair = Pair::new(versions);
            pair.run(batch, 10_000);
            let start = Instant::now();
            pair.run(batch, 100_000);
            let took = start.elapsed().as_secs_f64();
            println!("{name}, {kind}: {:.2} times the time of plain", took / *base.get_or_insert(took));
        }
    }
}

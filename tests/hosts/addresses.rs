//! Hosts that get another address while they are connected, without a word to anybody.

use super::{BOX, Pair};
use crate::lan::Lan;

const NAMES: [&str; 2] = ["edge", "roger-nuc3"];

/// Tells both hosts where they are.
fn say(lan: &Lan, edge: u8, hub: u8) {
    let table = format!("10.77.0.{edge} edge\n10.77.0.{hub} roger-nuc3\n");
    NAMES.iter().for_each(|host| lan.set_hosts(host, &table));
}

/// As a lease that ended: the old address is gone before the new one is there.
fn moves(lan: &Lan, host: &str, from: u8, to: u8) {
    lan.run(host, &format!("ip addr del 10.77.0.{from}/24 dev eth0"));
    lan.run(host, &format!("ip addr add 10.77.0.{to}/24 dev eth0"));
}

/// What is connected is lost; the box comes back from where it is now, and is found there by whoever connects to it: within a minute, or at once
/// when it is told to look.
#[test]
fn the_box_gets_another_address() {
    let Some(pair) = Pair::new("", &[]) else { return };
    let from = pair.agent.log.len();
    moves(&pair.lan, "edge", 1, 101);
    say(&pair.lan, 101, 2);
    pair.agent.wait_from(from, &["node down", super::HUB]);
    pair.is_up_from(from);
    pair.agent.signal("HUP");
    pair.agent.wait_from(from, &["listening on 10.77.0.101:"]);
    pair.has_all_since(1);
    pair.hub.erl.eval_until(&format!("erlang:disconnect_node('{BOX}'), net_adm:ping('{BOX}')"), "pong");
}

/// The name is known to be elsewhere only after a while.
#[test]
pub(super) fn the_hub_gets_another_address() {
    let Some(pair) = Pair::new("", &[]) else { return };
    let from = pair.agent.log.len();
    moves(&pair.lan, "roger-nuc3", 2, 102);
    pair.agent.wait_from(from, &["node down", super::HUB]);
    // a try or two where it was
    std::thread::sleep(std::time::Duration::from_secs(3));
    say(&pair.lan, 1, 102);
    pair.is_up_from(from);
    pair.has_all_since(1);
}

//! The ways in which a network breaks between two hosts: what both sides are told, and that nothing is lost once it heals.

use std::fs;

use super::{BOX, HUB, Pair};
use crate::namespaces::{collect, count, erl};
use crate::support::until;

impl Pair {
    /// Breaks the network in this way until both sides know it, and heals it. The hub is told once, of the node and of what it monitors there; the
    /// box says why it lost the hub, one of these words; and all is well again, each said once.
    fn breaks(&self, how: &[&str], heal: &[&str], why: &[&str]) {
        let (erl, agent) = (&self.hub.erl, &self.agent);
        erl.eval(&format!("(fun F() -> receive {{N, _, _}} when N =:= nodeup; N =:= nodedown -> F() after 0 -> R = monitor(process, {{echo, '{BOX}'}}) end end)()"));
        self.has_all_since(1);
        let from = agent.log.len();
        how.iter().for_each(|line| self.lan.relay(line));
        let line = agent.wait_from(from, &["node down", HUB]);
        assert!(why.iter().any(|words| line.contains(words)), "{how:?}: {line}");
        assert_eq!(
            erl.eval("receive {'DOWN', _, process, {echo, _}, Why} -> Why after 60000 -> nothing end"),
            "noconnection",
            "{how:?}"
        );
        heal.iter().for_each(|line| self.lan.relay(line));
        self.is_up_from(from);
        self.has_all_since(1);
        erl.eval_until("nodes(hidden)", &format!("[{BOX}]"));
        // down, then up, and no more; nor a second DOWN
        let told = "(fun F(All) -> receive {'DOWN', _, _, _, _} = M -> F([M | All]); {N, _, _} -> F([N | All]) after 0 -> lists:reverse(All) end end)([])";
        assert_eq!(erl.eval(told), "[nodedown,nodeup]", "{how:?}");
        for words in ["node down", "node up", "has the readings that were kept"] {
            agent.wait_from(from, &[words]);
            let text = agent.log.text();
            let said = text.lines().skip(from).filter(|line| line.contains(words)).count();
            assert_eq!(said, 1, "{how:?}: {words}: {text}");
        }
    }
}

/// What one side says is lost, and what the other says arrives.
#[test]
pub(super) fn a_way_is_cut_in_one_direction() {
    let Some(pair) = Pair::new("", &[]) else { return };
    let heal = "set * * cut 0";
    pair.breaks(&["set edge roger-nuc3 cut 1"], &[heal], &["net_tick_timeout", "closed", "reset"]);
    pair.breaks(&["set roger-nuc3 edge cut 1"], &[heal], &["net_tick_timeout"]);
}

/// A router between them is started again, and has forgotten their connection. New ones pass at once.
#[test]
pub(super) fn a_router_forgets_the_connection() {
    let Some(pair) = Pair::new("", &[]) else { return };
    // both are told with the next packet that they send
    pair.breaks(&["forget *"], &[], &["reset"]);
    // one is told, and comes back to a hub that has not missed it yet
    pair.breaks(&["forget edge"], &[], &["reset"]);
    // nobody is told
    pair.breaks(&["forget"], &[], &["net_tick_timeout", "closed", "reset"]);
}

/// The hub alone is told, and comes to a box that has not missed it yet.
#[test]
pub(super) fn a_router_tells_the_hub_alone_that_it_forgot() {
    let Some(pair) = Pair::new("", &[]) else { return };
    let from = pair.agent.log.len();
    pair.lan.relay("forget roger-nuc3");
    let erl = &pair.hub.erl;
    assert_eq!(erl.eval("receive {nodedown, N, _} -> N after 60000 -> nothing end"), BOX);
    erl.eval_until(&format!("net_adm:ping('{BOX}')"), "pong");
    pair.is_up_from(from);
    pair.has_all_since(1);
}

/// It says no goodbye, and what came to it and was not written down is lost; but what the box has not been told of it sends again.
#[test]
pub(super) fn the_hub_loses_power() {
    let Some(mut pair) = Pair::new("", &[]) else { return };
    for seconds in [0, 6] {
        pair.has_all_since(count(&pair.hub.world));
        let from = pair.agent.log.len();
        pair.lan.cut("roger-nuc3");
        pair.hub.erl.kill();
        let first = count(&pair.hub.world) + 1;
        std::thread::sleep(std::time::Duration::from_secs(seconds));
        pair.lan.join("roger-nuc3");
        pair.hub.world.wait_for_names(&[]);
        pair.hub.erl = erl(&pair.hub.world, "hub");
        collect(&pair.hub.erl);
        pair.agent.wait_from(from, &["node down", HUB]);
        pair.is_up_from(from);
        until("another reading", || (count(&pair.hub.world) > first).then_some(()));
        pair.has_all_since(first);
    }
}

/// Readings of 8,000 bytes, for the process `large`.
const LARGE: &str = "\n[[publish]]\nfile = \"large\"\nevery = \"1h\"\nto = \"large\"\nnode = \"hub@roger-nuc3\"\n";

impl Pair {
    /// Has the box read something large, once.
    fn reads_much(&self) {
        self.hub.erl.eval("register(large, self())");
        let world = self.lan.host("edge");
        fs::write(world.home.join("large"), "x".repeat(8000)).unwrap();
        let file = world.home.join("beamless.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text + LARGE).unwrap();
        self.agent.signal("HUP");
    }

    fn has_much(&self) {
        let much = "receive {publish, _, <<\"large\">>, _, Text, _} -> byte_size(Text) after 60000 -> nothing end";
        assert_eq!(self.hub.erl.eval(much), "8000");
        self.has_all_since(1);
    }
}

/// Large packets are lost on the way, and nobody is told: what is small passes, and what is large stops the connection that it is on, which is
/// then a silent one.
#[test]
pub(super) fn large_packets_vanish() {
    const VANISH: &str = "set * * largest 1000";
    const PASS: &str = "set * * largest 65535";
    let Some(pair) = Pair::new("", &[]) else { return };
    let (erl, agent) = (&pair.hub.erl, &pair.agent);
    pair.lan.relay(VANISH);
    pair.has_all_since(1);
    let from = agent.log.len();
    erl.eval(&format!("Much = binary:copy(<<7>>, 8000), {{echo, '{BOX}'}} ! {{self(), Much}}"));
    agent.wait_from(from, &["node down", HUB]);
    assert_eq!(erl.eval("receive {nodedown, First, _} -> First after 60000 -> nothing end"), BOX);
    // many small ones that were kept are a large packet, too
    pair.lan.relay(PASS);
    pair.is_up_from(from);
    pair.has_all_since(1);
    // from the box to the hub
    pair.lan.relay(VANISH);
    let from = agent.log.len();
    pair.reads_much();
    agent.wait_from(from, &["node down", HUB]);
    assert_eq!(erl.eval("receive {nodedown, Second, _} -> Second after 60000 -> nothing end"), BOX);
    pair.lan.relay(PASS);
    pair.is_up_from(from);
    pair.has_much();
    assert_eq!(erl.eval(&format!("gen_server:call({{echo, '{BOX}'}}, Much, 60000) =:= Much")), "true");
}

/// With what the manual says against it, everything passes all the same, though it takes a moment.
#[test]
fn large_packets_vanish_and_are_found_out() {
    let Some(pair) = Pair::new("", &[]) else { return };
    ["edge", "roger-nuc3"].iter().for_each(|host| pair.lan.set(host, "tcp_mtu_probing", "1"));
    pair.lan.relay("set * * largest 1200");
    let much = "Much = binary:copy(<<7>>, 8000), gen_server:call({echo, edge1@edge}, Much, 60000) =:= Much";
    assert_eq!(pair.hub.erl.eval(much), "true");
    pair.reads_much();
    pair.has_much();
    assert_eq!(pair.agent.log.count(&["node down"]), 0, "{}", pair.agent.log.text());
}

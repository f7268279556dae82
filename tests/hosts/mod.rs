//! Hosts with a network between them that is slow, loses packets, breaks in every way there is, and heals: `tests/hosts/relay.py` is that network.

mod addresses;
mod breaks;
mod load;
mod name_server;
mod over_tls;
mod seed;
mod two_boxes;
mod weather;

use crate::lan::Lan;
use crate::namespaces::{Host, PUBLISH, collect, count, edge, missed};
use crate::support::{Agent, Erl};

const BOX: &str = "edge1@edge";
const HUB: &str = "hub@roger-nuc3";

/// A box on the host `edge` that is to be connected to a hub, and whose readings have no gap.
struct Pair {
    lan: Lan,
    hub: Host,
    agent: Agent,
}

impl Pair {
    /// Both up and connected. The file of the box has these settings, too; there may be more hosts.
    fn new(settings: &str, more_hosts: &[&str]) -> Option<Self> {
        let lan = Lan::relayed(&[&["edge", "roger-nuc3"], more_hosts].concat())?;
        let hub = Host::new(&lan, "roger-nuc3", "hub");
        collect(&hub.erl);
        hub.erl.eval("net_kernel:monitor_nodes(true, [{node_type, all}])");
        let agent = edge(&lan, &format!("connect = [\"{HUB}\"]\n{settings}{PUBLISH}"));
        let pair = Self { lan, hub, agent };
        pair.is_up_from(0);
        Some(pair)
    }

    /// Waits until the box has connected again since, and the hub sees it; what is sent then arrives.
    fn is_up_from(&self, from: usize) {
        self.agent.wait_from(from, &["node up", HUB]);
        answers(&self.hub.erl);
    }

    /// All that was read, from the first reading of this number to now, has come to the hub.
    fn has_all_since(&self, first: u64) {
        let last = count(&self.hub.world);
        assert_eq!(missed(&self.hub.erl, first, last), "[]", "{}", self.agent.log.text());
    }
}

/// The box answers a call of this node, as soon as they are connected again.
fn answers(erl: &Erl) {
    erl.eval_until(&format!("catch gen_server:call({{echo, '{BOX}'}}, hello, 60000)"), "hello");
}

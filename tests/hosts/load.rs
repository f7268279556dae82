//! A thousand messages a second between a hub and boxes that are far away, over a network that loses some of what it is given.

use std::fs;
use std::time::Duration;

use super::{Pair, answers};
use crate::lan::Lan;
use crate::support::{Agent, until};

const HOSTS: [&str; 2] = ["edge", "roger-nuc0"];
/// One connection does not carry all of it over such a network, unless the kernel has BBR: each packet that is lost halves the window, and what gets
/// through is 13 KB a second.
const BOXES: usize = 20;
const EACH: u64 = 50;

/// Every message comes to its box and back, in its order; the hub loses no box, and no box its hub.
fn a_thousand_a_second(seconds: u64) {
    let Some(lan) = Lan::relayed(&[&HOSTS[..], &["roger-nuc3"]].concat()) else { return };
    let world = lan.host("roger-nuc3");
    let _epmd = world.epmd();
    let hub = world.erl(&["-sname", "hub"]);
    hub.load(&world, "drip", include_str!("drip.erl"));
    [HOSTS[0], HOSTS[1], "roger-nuc3"].iter().for_each(|host| lan.set(host, "tcp_congestion_control", "reno"));
    lan.relay("set * * delay 300");
    lan.relay("set * * loss 5");
    let _epmds = HOSTS.map(|host| lan.host(host).epmd());
    let boxes: Vec<Agent> = (0..BOXES)
        .map(|number| {
            lan.host(HOSTS[number % HOSTS.len()]).launch(&["--sname", &format!("box{number}"), "--connect", "hub@roger-nuc3"])
        })
        .collect();
    boxes.iter().for_each(|agent| drop(agent.wait(&["node up", "hub@roger-nuc3"])));
    hub.eval_until("length(nodes(hidden))", &BOXES.to_string());
    let asked = hub.ask(&format!("drip:run(nodes(hidden), {EACH}, {seconds})"));
    std::thread::sleep(Duration::from_secs(seconds));
    let report = hub.answer(asked);
    println!("sent, came back, wrong, nodes down, median and longest time there and back in ms: {report}");
    let count = EACH * seconds * boxes.len() as u64;
    assert!(report.starts_with(&format!("{{{count},{count},[],[],")), "{report}");
    for agent in &boxes {
        assert_eq!(agent.log.count(&["node down"]), 0, "{}", agent.log.text());
    }
}

/// A box that reads four times as much as its line carries: it drops the oldest of what is too much, and what has room comes, as do calls. The line is
/// never silent, though what keeps it awake waits behind all the rest.
#[test]
fn more_than_the_line_carries() {
    const MUCH: &str = "
[[publish]]
file = \"much\"
every = \"100ms\"
to = \"much\"
node = \"hub@roger-nuc3\"
keep = 5
";
    let Some(pair) = Pair::new(MUCH, &[]) else { return };
    pair.hub.erl.eval("spawn(fun() -> register(much, self()), (fun L(N) -> receive {count, To} -> To ! {count, N}, L(N); _ -> L(N + 1) end end)(0) end)");
    pair.lan.relay("set * * rate 20000");
    fs::write(pair.hub.world.home.join("much"), "x".repeat(8000)).unwrap();
    let count = || {
        let ask = "(fun() -> much ! {count, self()}, receive {count, N} -> N after 60000 -> nothing end end)()";
        pair.hub.erl.eval(ask).parse::<u64>().unwrap()
    };
    for many in [10, 20, 30] {
        until("readings", || (count() >= many).then_some(()));
        answers(&pair.hub.erl);
    }
    pair.lan.relay("set * * rate 0");
    pair.has_all_since(1);
    pair.agent.wait(&["much", "dropped"]);
    assert_eq!(pair.agent.log.count(&["node down"]), 0, "{}", pair.agent.log.text());
}

#[test]
pub(super) fn a_thousand_messages_a_second_over_a_bad_line() {
    a_thousand_a_second(10);
}

#[test]
#[ignore = "five minutes and more"]
fn a_thousand_messages_a_second_over_a_bad_line_for_long() {
    a_thousand_a_second(300);
}

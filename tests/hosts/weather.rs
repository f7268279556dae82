//! Whatever can happen to a network, one thing after the other, as chance has it: what the nodes are told stays true, and once it is over all is as if it
//! had never been.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::two_boxes::{agent, all_came};
use crate::lan::Lan;
use crate::namespaces::erl;
use crate::support::until;

const BOXES: [&str; 2] = ["edge", "roger-nuc3"];
const HUB: &str = "roger-nuc0";
const FAIR: [&str; 5] = ["set * * cut 0", "set * * loss 0", "set * * delay 0", "set * * rate 0", "set * * largest 65535"];

/// Chance that is the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn host(&mut self) -> &'static str {
        [BOXES[0], BOXES[1], HUB, "*"][self.below(4) as usize]
    }

    /// What happens next.
    fn weather(&mut self) -> Vec<String> {
        let (from, to) = (self.host(), self.host());
        let set = |what: &str, value: u64| vec![format!("set {from} {to} {what} {value}")];
        match self.below(13) {
            0 | 1 => set("cut", 1),
            2 => set("loss", self.below(60)),
            3 => set("delay", self.below(500)),
            4 => set("largest", 300 + self.below(1000)),
            5 => set("rate", 1000 + self.below(10_000)),
            6 => vec!["forget".to_owned()],
            7 | 8 => vec![format!("forget {from}")],
            _ => FAIR.map(str::to_owned).to_vec(),
        }
    }
}

/// What a hub does with a box all the time. It calls it, and gets the right answer or none; it monitors it, and gets one DOWN for each monitor; and
/// `told` has how often either came.
const WATCH: &str = "
    Count = fun(What) -> told ! What end,
    Call = fun(Box) -> spawn(fun() -> (fun L(I) ->
        case catch gen_server:call({echo, Box}, I, 60000) of I -> Count(answer); {'EXIT', _} -> timer:sleep(50) end, timer:sleep(20), L(I + 1)
    end)(1) end) end,
    Monitor = fun(Box) -> spawn(fun() -> (fun L() ->
        R = monitor(process, {echo, Box}),
        receive {'DOWN', R, process, {echo, Box}, noconnection} -> Count(down) end,
        receive Other -> exit({told_twice, Other}) after 100 -> L() end
    end)() end) end,
    register(told, spawn(fun() -> (fun L(Told) -> receive {all, To} -> To ! Told, L(Told); W -> L(maps:update_with(W, fun(N) -> N + 1 end, 1, Told)) end end)(#{}) end)),
    All = [Do(Box) || Do <- [Call, Monitor], Box <- ['demo@edge', 'demo@roger-nuc3']], length(All)";

/// Two boxes that are connected to each other, and a hub that calls and monitors both, through so many changes of the weather.
fn through(seed: u64, changes: usize) {
    let Some(lan) = Lan::relayed(&[&BOXES[..], &[HUB]].concat()) else { return };
    println!("the weather of BEAMLESS_WEATHER={seed}");
    let mut chance = Chance(seed);
    let world = lan.host(HUB);
    let _epmd = world.epmd();
    let hub = erl(&world, "hub");
    let agents = [agent(&lan, BOXES[0], BOXES[1]), agent(&lan, BOXES[1], BOXES[0])];
    assert_eq!(hub.eval(WATCH), "4");
    for _ in 0..changes {
        chance.weather().iter().for_each(|line| lan.relay(line));
        sleep(Duration::from_millis(chance.below(3000)));
    }
    FAIR.iter().for_each(|line| lan.relay(line));
    BOXES.iter().for_each(|host| all_came(&lan.host(host), host));
    for agent in &agents {
        until("one connection to each of the others", || (agent.connections(world.epmd_port) == 2).then_some(()));
    }
    // none of them has ended, which a wrong answer and a second DOWN would do
    assert_eq!(hub.eval("[is_process_alive(P) || P <- All]"), "[true,true,true,true]", "{}", hub.log.text());
    hub.eval_until("lists:sort(nodes(hidden)) =:= ['demo@edge', 'demo@roger-nuc3']", "true");
    assert_eq!(hub.eval("[gen_server:call({echo, Box}, last, 60000) || Box <- ['demo@edge', 'demo@roger-nuc3']]"), "[last,last]");
    println!("{}", hub.eval("told ! {all, self()}, receive Told when is_map(Told) -> Told end"));
}

/// Three minutes of it, another one each time unless a seed is given.
#[test]
#[ignore = "three minutes and more"]
pub(super) fn whatever_the_weather() {
    let given = std::env::var("BEAMLESS_WEATHER").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    through(seed, 120);
}

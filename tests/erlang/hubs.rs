//! Readings for several hubs: each arrives at one of them, or at each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::support::{Agent, Erl, World, until};

/// An agent `demo` with this configuration.
fn agent(world: &World, text: &str) -> Agent {
    fs::write(world.home.join("agent.toml"), text).unwrap();
    world.agent(&["--sname", "demo", "--config", "agent.toml"])
}

/// A hub whose process `collector` writes what it gets into a file of its own, a line each.
fn hub(world: &World, alive: &str) -> Erl {
    let erl = world.erl(&["-sname", alive]);
    erl.eval(&format!(
        "spawn(fun() -> register(collector, self()), \
         {{ok, F}} = file:open(\"got_{alive}\", [append, raw]), (fun L() -> receive {{publish, _, Label, Ms, V, I}} when is_integer(Ms) -> \
         ok = file:write(F, io_lib:format(\"~s ~w ~w~n\", [Label, if is_tuple(V) -> element(1, V); true -> V end, I])), L(); {{sync, To}} -> To ! synced, L() end end)() end)"
    ));
    erl.eval_until("is_pid(whereis(collector))", "true");
    erl
}

/// Kills a hub with readings under way. Those that it has answered for it has written: what a process has in its mailbox when it is killed is lost.
fn kill(hub: &mut Erl) {
    hub.eval("sys:suspend(net_kernel)");
    sync(hub);
    hub.kill();
}

/// Waits until a hub has written what it got.
fn sync(hub: &Erl) {
    assert_eq!(hub.eval("collector ! {sync, self()}, receive synced -> ok end"), "ok");
}

/// What a hub got: the label, the value, and the number of each.
fn got(world: &World, alive: &str) -> Vec<(String, u64, u64)> {
    let text = fs::read_to_string(world.home.join(format!("got_{alive}"))).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let line = |line: &str| {
        let mut words = line.split(' ');
        let label = words.next().unwrap().to_owned();
        (label, words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
    };
    whole.lines().map(line).collect()
}

fn until_got(world: &World, alive: &str, more: usize) {
    let before = got(world, alive).len();
    until("readings", || (got(world, alive).len() >= before + more).then_some(()));
}

/// Forty readings a second out of a program, and ten out of a command; none once there is a file `stop`.
const SOURCES: &str = r#"
    [mailbox.source]
    command = ["sh", "-c", "while [ ! -e stop ]; do n=$((n + 1)); echo \"{publish,collector,[a,b],$n}.\"; echo $n >made; sleep 0.025; done; exec cat"]
    [[publish]]
    command = ["sh", "-c", "[ ! -e stop ] && echo >>count && wc -l <count"]
    as = "number"
    every = "100ms"
    label = "counter"
    to = "collector"
    node = ["a", "b"]
"#;

/// Kills the hubs in turn, so that now the one is there, now the other, and now none.
fn kill_in_turn(rounds: usize, pause: Duration) {
    let world = World::new();
    let _epmd = world.epmd();
    let mut hubs = ["a", "b"].map(|alive| hub(&world, alive));
    let demo = agent(&world, SOURCES);
    until_got(&world, "a", 20);
    for _ in 0..rounds {
        std::thread::sleep(pause);
        kill(&mut hubs[0]);
        until_got(&world, "b", 20);
        std::thread::sleep(pause);
        kill(&mut hubs[1]);
        demo.wait(&["node down: b@"]);
        hubs[0] = hub(&world, "a");
        until_got(&world, "a", 20);
        hubs[1] = hub(&world, "b");
    }
    fs::write(world.home.join("stop"), "").unwrap();
    hubs[0].eval(&format!("N = {}", demo.atom()));
    let counts = "[{S, K, D} || #{sent := S, kept := K, dropped := D} <- gen_server:call({system, N}, {info, publish}, 60000)]";
    hubs[0].eval_until(&format!("[{{K, D}} || {{_, K, D}} <- {counts}]"), "[{0,0},{0,0}]");
    hubs.iter().for_each(sync);
    let all: Vec<_> = ["a", "b"].iter().flat_map(|alive| got(&world, alive)).collect();
    let made = |file: &str| fs::read_to_string(world.home.join(file)).unwrap();
    let lines = u64::try_from(made("count").lines().count()).unwrap();
    for (label, last) in [("source", made("made").trim().parse().unwrap()), ("counter", lines)] {
        let values: BTreeSet<u64> = all.iter().filter(|(of, ..)| of == label).map(|(_, value, _)| *value).collect();
        // what was read last may have failed, since there is a file `stop`
        let missing: Vec<u64> = (1..last).filter(|value| !values.contains(value)).collect();
        assert!(missing.is_empty() && last > 20, "{label}: {missing:?} of {last} are missing: {}", demo.log.text());
    }
    // a repeat has the number of the first, and nothing else has that
    let mut numbers = BTreeMap::new();
    for (label, value, number) in &all {
        assert_eq!(*numbers.entry(*number).or_insert((label, value)), (label, value));
    }
    assert!(demo.log.count(&["readings go to collector at b@", "from now on"]) >= rounds, "{}", demo.log.text());
    eprintln!("{} readings came, {} of them again", all.len(), all.len() - numbers.len());
}

#[test]
fn each_reading_arrives_at_one_of_two_hubs_though_both_are_killed() {
    kill_in_turn(2, Duration::ZERO);
}

#[test]
#[ignore = "five minutes and more"]
fn each_reading_arrives_at_one_of_two_hubs_that_are_killed_for_long() {
    kill_in_turn(8, Duration::from_secs(20));
}

/// A node that is connected and has no such process comes after one that has.
#[test]
fn readings_go_to_the_first_that_has_their_receiver() {
    let world = World::new();
    let _epmd = world.epmd();
    let first = world.erl(&["-sname", "a"]);
    let _second = hub(&world, "b");
    let demo = agent(&world, SOURCES);
    demo.wait(&["no process is registered as collector at a@"]);
    demo.wait(&["publish counter: readings go to collector at b@", "from now on"]);
    until_got(&world, "b", 10);
    first.eval("register(collector, self())");
    demo.wait(&["publish counter: readings go to collector at a@", "from now on"]);
    assert_eq!(first.eval("receive {publish, _, <<\"counter\">>, _, V, _} -> is_integer(V) after 60000 -> none end"), "true");
}

/// Each of several nodes has its own: what waits for one holds up no other.
#[test]
fn each_of_several_nodes_gets_every_reading() {
    let world = World::new();
    let _epmd = world.epmd();
    let one = hub(&world, "a");
    let json = r#"
        [mailbox.json]
        command = ["sh", "-c", "while [ ! -e stop ]; do n=$((n + 1)); echo \"{\\\"publish\\\": \\\"collector\\\", \\\"nodes\\\": [\\\"a\\\", \\\"b\\\"], \\\"message\\\": $n}\"; sleep 0.1; done; exec cat"]
        format = "json"
    "#;
    let sources = SOURCES.replace("[a,b]", "{all,[a,b]}").replace("node = [", "nodes = [");
    let demo = agent(&world, &(sources + json));
    until_got(&world, "a", 100);
    let _two = hub(&world, "b");
    until_got(&world, "b", got(&world, "a").len());
    fs::write(world.home.join("stop"), "").unwrap();
    demo.wait(&["publish counter: no reading"]);
    let all = |alive: &str| got(&world, alive).into_iter().collect::<BTreeSet<_>>();
    let a = until("the same at both", || Some(all("a")).filter(|a| *a == all("b")));
    one.eval(&format!("N = {}", demo.atom()));
    let kept = "[K || #{kept := K} <- gen_server:call({system, N}, {info, publish}, 60000)]";
    one.eval_until(kept, "[0,0,0]");
    for label in ["source", "counter", "json"] {
        let values: Vec<u64> = a.iter().filter(|(of, ..)| of == label).map(|(_, value, _)| *value).collect();
        assert!(values.len() > 5 && (1..=values.len() as u64).all(|value| values.contains(&value)), "{label}: {values:?}");
    }
    assert_eq!(demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
}

/// More at once than there is memory for: a program whose hub is there waits for it, and loses nothing.
#[test]
fn a_program_that_publishes_much_at_once_waits_for_its_hub() {
    let world = World::new();
    let _epmd = world.epmd();
    let one = hub(&world, "a");
    let text = r#"
        [mailbox.source]
        command = ["sh", "-c", "until [ -e go ]; do sleep 0.05; done; seq -f '{publish,collector,a,%.0f}.' 20000; exec cat"]
        [[publish]]
        command = ["echo", "1"]
        as = "number"
        every = "1h"
        to = "collector"
        node = "a"
    "#;
    let demo = agent(&world, text);
    until_got(&world, "a", 1);
    fs::write(world.home.join("go"), "").unwrap();
    until_got(&world, "a", 20_000);
    sync(&one);
    let values = got(&world, "a").into_iter().filter(|(label, ..)| label == "source").map(|(_, value, _)| value);
    assert!(values.eq(1..=20_000));
    assert_eq!(demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
}

/// The same with little memory, and with a disk that has less room than the memory and a hub that hangs for some time.
#[test]
fn a_program_whose_hub_is_there_loses_nothing_for_want_of_room() {
    for (keep, hangs) in [("memory = \"32KiB\"", false), ("disk = \"256KiB\"", true)] {
        let world = World::new();
        let _epmd = world.epmd();
        let one = hub(&world, "a");
        let text = r#"
            [mailbox.source]
            command = ["sh", "-c", "until [ -e go ]; do sleep 0.05; done; seq -f \"{publish,collector,a,{%.0f,<<\\\"$(printf %01000d 0)\\\">>}}.\" 4000; exec cat"]
            [[publish]]
            command = ["echo", "1"]
            as = "number"
            every = "1h"
            to = "collector"
            node = "a"
            [keep]
        "#;
        fs::write(world.home.join("agent.toml"), format!("{text}{keep}")).unwrap();
        let demo = world.agent(&["--sname", "demo", "--config", "agent.toml", "--state-dir", "state"]);
        until_got(&world, "a", 1);
        if hangs {
            one.signal("STOP");
        }
        fs::write(world.home.join("go"), "").unwrap();
        if hangs {
            let has_log = || fs::read_dir(world.home.join("state/readings")).is_ok_and(|mut files| files.next().is_some());
            until("readings on disk", || has_log().then_some(()));
            // that is full by now if the program was read on
            std::thread::sleep(Duration::from_secs(8));
            one.signal("CONT");
        }
        until("all readings", || (got(&world, "a").len() > 4000).then_some(()));
        one.eval(&format!("N = {}", demo.atom()));
        let dropped = "[D || #{dropped := D} <- gen_server:call({system, N}, {info, publish}, 60000)]";
        assert_eq!(one.eval(dropped), "[0,0]", "{keep}");
        assert_eq!(demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
    }
}

/// What no message has room for is refused when it is said, and none of what waits makes room for it.
#[test]
fn what_fits_no_message_is_not_kept() {
    let world = World::new();
    let demo = agent(
        &world,
        r#"
        [keep]
        memory = "64KiB"
        [mailbox.large]
        command = ["sh", "-c", "for n in $(seq 40); do echo \"{publish,x,a,$n}.\"; done; echo \"{publish,x,a,<<\\\"$(printf %0200000d 0)\\\">>}.\"; echo '{publish,x,a,last}.'; exec cat"]
        "#,
    );
    demo.wait(&["mailbox large: not published: more than 13824 bytes, which is what fits a message"]);
    let erl = world.erl(&["-sname", "b"]);
    erl.eval(&format!("N = {}", demo.atom()));
    let counts = "[{K, D} || #{kept := K, dropped := D} <- gen_server:call({system, N}, {info, publish}, 60000)]";
    erl.eval_until(counts, "[{41,0}]");
}

#[test]
fn what_cannot_be_published_is_told() {
    let world = World::new();
    let text = r#"
        [mailbox.wrong]
        command = ["sh", "-c", "echo '{publish,x,[],1}.'; echo '{publish,x,demo,1}.'; echo '{publish,x,\"a b\",1}.'; exec cat"]
    "#;
    let demo = agent(&world, text);
    demo.wait(&["mailbox wrong: not published: a message goes to a name of 1 to 255 bytes, on 1 to 16 nodes"]);
    demo.wait(&["mailbox wrong: not published: demo: that is this node"]);
    demo.wait(&["mailbox wrong: what it wrote was skipped", "is no node, list of nodes, or {all,Nodes}"]);
}

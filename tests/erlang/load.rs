//! Floods, giants, memory and system calls.

use std::fs;

use crate::binaries::{beamless, released};
use crate::children::command;
use crate::support::{World, demo_and_erl, until};

#[test]
pub(crate) fn fifty_thousand_questions_are_answered_in_order() {
    let (world, demo, erl) = demo_and_erl(&[]);
    erl.load_probe(&world);
    assert_eq!(erl.eval("probe:flood(N, 2000)"), "ok");
    let before = demo.memory_kib("VmRSS:");
    assert_eq!(erl.eval("probe:flood(N, 50000)"), "ok");
    let after = demo.memory_kib("VmRSS:");
    assert!(after <= before + 200, "{before} KiB before, {after} KiB after");
}

#[test]
fn two_floods_do_not_mix() {
    let (world, demo, first) = demo_and_erl(&[]);
    let second = world.erl(&["-sname", "b"]);
    second.eval(&format!("N = {}", demo.atom()));
    first.load_probe(&world);
    second.load_probe(&world);
    let asked = [first.ask("probe:flood(N, 10000)"), second.ask("probe:flood(N, 10000)")];
    let [one, two] = asked;
    assert_eq!(first.answer(one), "ok");
    assert_eq!(second.answer(two), "ok");
}

/// A caller is answered while a neighbour floods without end.
#[test]
fn a_flood_starves_nobody() {
    let (world, demo, flooder) = demo_and_erl(&[]);
    let caller = world.erl(&["-sname", "b"]);
    caller.eval(&format!("N = {}, net_adm:ping(N)", demo.atom()));
    flooder.load_probe(&world);
    flooder.eval("Flood = spawn(fun() -> probe:flood(N) end), ok");
    let answered = |at_least: u64| {
        let ask = format!("Flood ! {{count, self()}}, receive {{counted, Count}} -> Count >= {at_least} end");
        flooder.eval_until(&format!("(fun() -> {ask} end)()"), "true");
    };
    answered(1);
    for _ in 0..20 {
        assert_eq!(caller.eval("gen_server:call({echo, N}, hello, 60000)"), "hello");
    }
    answered(1000);
}

/// An agent that rests between turns does all that another does, to a peer that writes each message by itself and to one that waits for each.
#[test]
fn an_agent_that_rests_loses_nothing() {
    let world = World::new();
    fs::write(world.home.join("beamless.toml"), "sname = \"demo\"\nrest = \"20ms\"\n").unwrap();
    let demo = world.agent(&["--config", "beamless.toml"]);
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    erl.load_probe(&world);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    assert_eq!(erl.eval("probe:flood(N, 20000)"), "ok");
    assert_eq!(erl.eval("[gen_server:call({echo, N}, I) || I <- lists:seq(1, 20)] =:= lists:seq(1, 20)"), "true");
    assert_eq!(erl.eval("M = erlang:monitor(process, {nobody, N}), receive {'DOWN', M, _, _, Why} -> Why end"), "noproc");
}

/// Nothing is lost while the agent does not run at all: Erlang waits.
#[test]
pub(crate) fn a_stopped_agent_loses_nothing() {
    let (world, demo, erl) = demo_and_erl(&[]);
    erl.load_probe(&world);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    demo.signal("STOP");
    let flood = erl.ask("probe:flood(N, 100000)");
    std::thread::sleep(std::time::Duration::from_millis(500));
    demo.signal("CONT");
    assert_eq!(erl.answer(flood), "ok");
    assert_eq!(demo.log.count(&["node down"]), 0);
}

/// 64 MiB to an agent that has 16 KiB for a message: it is not buffered, it is reported, and the link goes on behind it.
#[test]
pub(crate) fn a_giant_message_is_skipped() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("erlang:monitor_node(N, true), net_adm:ping(N)"), "pong");
    let before = demo.memory_kib("VmHWM:");
    erl.eval("{echo, N} ! {self(), binary:copy(<<42>>, 64 * 1024 * 1024)}, ok");
    assert_eq!(erl.eval("gen_server:call({echo, N}, the_next, 60000)"), "the_next");
    let line = demo.wait(&["too large", "echo"]);
    let pid = erl.eval("self()");
    let number = pid.split('.').nth(1).unwrap();
    assert!(line.contains(&format!("from {} <0.{number}.", erl.node)), "the sender is not named: {line}");
    assert!(line.contains("67108"), "the size is not named: {line}");
    let after = demo.memory_kib("VmHWM:");
    assert!(after <= before + 200, "{before} KiB before, {after} KiB after");
    assert_eq!(erl.eval("receive {nodedown, N} -> down after 0 -> up end"), "up");

    // Just above what fits, and requests that somebody waits for: each is over before the next comes, and what follows is in step.
    for size in [16_000, 16_384, 17_000, 65_536, 300_000] {
        erl.eval(&format!("{{echo, N}} ! {{self(), binary:copy(<<7>>, {size})}}, ok"));
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, N}}, {size}, 60000)")), size.to_string());
    }
    assert_eq!(demo.log.count(&["node down"]), 0);
}

/// A call that is too large is lost; its caller learns of it by its own time-out, and by no wrong answer.
#[test]
fn a_giant_call_times_out_and_the_next_is_answered() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    let answer = erl.eval("catch gen_server:call({echo, N}, binary:copy(<<1>>, 1000000), 500)");
    assert!(answer.starts_with("{'EXIT',{timeout,"), "{answer}");
    demo.wait(&["too large"]);
    assert_eq!(erl.eval("gen_server:call({echo, N}, next, 60000)"), "next");
}

/// Exit and down signals are owed even when they are giants: the link is there to carry them.
#[test]
fn a_giant_exit_reason_does_not_break_the_link() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    erl.eval("P = binary_to_term(<<131, 88, 119, (length(atom_to_list(N))), (atom_to_binary(N))/binary, 1:32, 0:32, 99:32>>)");
    erl.eval("exit(P, binary:copy(<<1>>, 1000000))");
    assert_eq!(erl.eval("gen_server:call({echo, N}, next, 60000)"), "next");
    assert_eq!(demo.log.count(&["node down"]), 0);
}

/// As it is shipped: without optimisation the program itself takes twice that.
#[test]
fn an_idle_agent_with_one_peer_is_small() {
    let world = World::new();
    let mut command = command(released());
    command.args(["run", "--sname", "demo"]);
    let mut demo = world.launch_as(command);
    demo.wait_until_up();
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    // what is its own, a hundred of it addresses that the loader writes, and some pages more or fewer from machine to machine; the rest are
    // pages of its file, in which TLS is too, and of libc, of which the system maps more or fewer as it likes
    let own = demo.memory_kib("RssAnon:");
    assert!(own < 600, "{own} KiB of its own resident");
    let resident = demo.memory_kib("VmRSS:");
    assert!(resident < 5 * 1024, "{resident} KiB resident");
}

/// Idle is idle: the agent sleeps between ticks.
#[test]
fn an_idle_agent_uses_no_processor() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", demo.pid())).unwrap();
        let fields: Vec<u64> = stat.rsplit(')').next().unwrap().split_whitespace().filter_map(|f| f.parse().ok()).collect();
        // Behind the state and ppid, pgrp, session, tty, tpgid, flags and four counts of faults come user and system time.
        fields[10] + fields[11]
    };
    let before = ticks();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let used = ticks() - before;
    assert!(used <= 2, "{used} hundredths of a second of processor time in two idle seconds");
}

/// One read takes in as many messages as fit: far fewer system calls than messages. On a busy machine Erlang may send in drops, each
/// read by itself; so this is the best of three.
#[test]
fn a_flood_takes_few_system_calls() {
    let mut counted = Vec::new();
    while counted.len() < 3 && counted.last().is_none_or(|total| *total >= 25_000) {
        counted.push(system_calls_of_a_flood());
    }
    assert!(counted.last().is_some_and(|total| *total < 25_000), "{counted:?} system calls for 100,000 messages");
}

fn system_calls_of_a_flood() -> u64 {
    let world = World::new();
    let counts = world.home.join("counts");
    let mut command = command("strace");
    // -D: the agent stays our own child, so that a signal reaches it and not strace.
    command.args(["-D", "-f", "-c", "-o"]).arg(&counts).arg(beamless()).args(["run", "--sname", "demo"]);
    let mut demo = world.launch_as(command);
    demo.wait_until_up();
    let erl = world.erl(&["-sname", "a"]);
    erl.load_probe(&world);
    assert_eq!(erl.eval(&format!("probe:pour({}, echo, 100000)", demo.atom())), "ok");
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    until("strace's table", || {
        let table = fs::read_to_string(&counts).ok()?;
        // "100.00    0.012345           1      4711        12 total"; the number of errors is left out when there is none
        let line = table.lines().find(|line| line.ends_with("total"))?;
        line.split_whitespace().nth(3)?.parse().ok()
    })
}

/// Twenty processes at once, each waiting for the answers to its twenty thousand messages: whatever did not fit at first is answered
/// once there is room, with nothing more from Erlang to wake the agent.
#[test]
pub(crate) fn the_last_answers_of_a_flood_come_at_once() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    let flood = "Ask = fun(K) -> S = self(), spawn(fun() -> [{echo, N} ! {S, {K, I}} || I <- lists:seq(1, 5000)] end), \
                 [receive {echo, {K, I}} -> ok after 60000 -> exit({lost, K, I}) end || I <- lists:seq(1, 5000)] end";
    erl.eval(flood);
    for round in 0..3 {
        let ask = "[begin {_, R} = spawn_monitor(fun() -> Ask(K) end), R end || K <- lists:seq(1, 20)]";
        let all = format!("[receive {{'DOWN', R, _, _, W}} -> W end || R <- {ask}] =:= lists:duplicate(20, normal)");
        assert_eq!(erl.eval(&all), "true", "round {round}");
    }
}

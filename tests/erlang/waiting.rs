//! What waits while the hub is away: how much there is room for, what is on disk, and when it was read.

use std::fmt::Write as _;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::children::command;
use crate::publish::{COUNTER, made, until_made};
use crate::shim::Shim;
use crate::support::{Agent, Erl, World, until};

const ON_DISK: &str = "[keep]\ndisk = \"1MiB\"\nsync = \"1s\"\n";
const ARGS: [&str; 6] = ["--sname", "demo", "--config", "agent.toml", "--state-dir", "state"];

fn write(world: &World, text: &str) {
    fs::write(world.home.join("agent.toml"), text).unwrap();
}

/// Bytes in the log on disk.
fn on_disk(world: &World) -> u64 {
    let folder = fs::read_dir(world.home.join("state/readings"));
    let segments = folder.into_iter().flatten().flatten().filter(|file| file.path().extension().is_some_and(|it| it == "log"));
    segments.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// A hub `a` that collects what it gets, and has had all readings up to this one: each with its time and number.
fn collected(world: &World, last: usize) -> (Erl, Vec<(usize, i64, u64)>) {
    let erl = world.erl(&["-sname", "a"]);
    erl.eval("register(collector, self()), put(got, [])");
    erl.eval_until(
        &format!(
            "(fun F() -> receive {{publish, _, <<\"counter\">>, Ms, V, I}} -> put(got, [{{V, Ms, I}} | get(got)]), F() after 0 -> ok end end)(), \
             lists:any(fun({{V, _, _}}) -> V >= {last} end, get(got))"
        ),
        "true",
    );
    let got = erl.eval("lists:flatten([io_lib:format(\"~w ~p ~w,\", [V, Ms, I]) || {V, Ms, I} <- lists:reverse(get(got))])");
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0].parse().unwrap(), words[1].parse().unwrap_or(0), words[2].parse().unwrap())
    };
    let got = got.trim_matches(['"', ',']).split(',').map(line).collect();
    (erl, got)
}

/// Each is there once or again, in order, and a number grows with the value; but for those that were being read when an agent was stopped.
fn is_whole(got: &[(usize, i64, u64)], stops: &[usize], demo: &Agent) {
    let mut seen: Vec<(usize, u64)> = Vec::new();
    for (value, _, number) in got {
        match seen.iter().find(|(seen, _)| seen == value) {
            Some((_, before)) => assert_eq!(before, number, "{value} has two numbers"),
            None => {
                assert!(seen.last().is_none_or(|(_, before)| before < number), "{value}: {got:?}");
                seen.push((*value, *number));
            }
        }
    }
    let values: Vec<usize> = seen.iter().map(|(value, _)| *value).collect();
    let last = values.last().copied().unwrap_or(0);
    let lost: Vec<usize> = (1..=last).filter(|value| !values.contains(value)).collect();
    assert!(lost.iter().all(|value| stops.contains(value)), "{lost:?} of {last}\n{}", demo.log.text());
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Eighty readings of 13 kB at each interval: there is 1 MiB for all.
#[test]
fn all_that_waits_has_one_memory() {
    let world = World::new();
    let mut text = String::new();
    for number in 0..80 {
        let _ = write!(
            text,
            "[[publish]]\nfile = \"large\"\nevery = \"200ms\"\nlabel = \"large{number}\"\nto = \"collector\"\nnode = \"a\"\n"
        );
    }
    write(&world, &text);
    fs::write(world.home.join("large"), "x".repeat(13_000)).unwrap();
    let checked = world.tool(&["run", "--sname", "demo", "--config", "agent.toml", "--check"]);
    assert!(checked.out.contains("kept      while a node is away: at most 1 MiB in memory\n"), "{}", checked.out);
    let demo = world.agent(&["--sname", "demo", "--config", "agent.toml"]);
    demo.wait(&["publish: what waits takes 1 MiB, which is `memory` in [keep]", "the oldest readings are dropped"]);
    let erl = world.erl(&["-sname", "b"]);
    erl.eval(&format!("N = {}", demo.atom()));
    let counts = "(fun(P) -> {lists:sum([K || #{kept := K} <- P]), lists:sum([D || #{dropped := D} <- P])} end)(gen_server:call({system, N}, {info, publish}, 60000))";
    erl.eval_until(&format!("element(2, {counts}) > 1000"), "true");
    // 1 MiB of 13,101 bytes each
    assert_eq!(erl.eval(&format!("element(1, {counts})")), "80");
    assert!(demo.memory_kib("VmHWM") < 24 << 10, "{}", demo.memory_kib("VmHWM"));
    assert_eq!(demo.log.count(&["the oldest readings are dropped"]), 1);
}

/// A program floods a node that is not there: what it drops is its own.
#[test]
fn a_flood_drops_its_own() {
    let world = World::new();
    let text = r#"
        [mailbox.flood]
        command = ["sh", "-c", "until [ -e go ]; do sleep 0.05; done; seq -f '{publish,x,nobody,%.0f}.' 20000; exec cat"]
    "#;
    write(&world, &[COUNTER, text].concat());
    let demo = world.agent(&["--sname", "demo", "--config", "agent.toml"]);
    until_made(&world, 5);
    fs::write(world.home.join("go"), "").unwrap();
    demo.wait(&["publish: what waits takes 1 MiB, which is `memory` in [keep]"]);
    let erl = world.erl(&["-sname", "b"]);
    erl.eval(&format!("N = {}", demo.atom()));
    let of = |label: &str, what: &str| {
        format!(
            "hd([V || #{{label := L, {what} := V}} <- gen_server:call({{system, N}}, {{info, publish}}, 60000), L =:= <<\"{label}\">>])"
        )
    };
    erl.eval_until(&format!("{} + {}", of("flood", "kept"), of("flood", "dropped")), "20000");
    assert_eq!(erl.eval(&of("counter", "dropped")), "0");
    assert_eq!(erl.eval(&format!("{} >= 5", of("counter", "kept"))), "true");
}

/// What waits when the agent ends, or is killed, is there when it starts again: that of a program too.
#[test]
fn what_is_on_disk_outlives_the_agent() {
    let world = World::new();
    let program = r#"
        [mailbox.prog]
        command = ["sh", "-c", "[ -e said ] || echo '{publish,other,a,hello}.'; touch said; exec cat"]
    "#;
    let gone = COUNTER.replace("counter", "gone").replace("count;", "gone;").replace("<count", "<gone");
    write(&world, &[COUNTER, &gone, program, ON_DISK].concat());
    let checked = world.tool(&["run", "--check", "--sname", "demo", "--config", "agent.toml", "--state-dir", "state"]);
    let line = format!("at most 1 MiB in memory, 1 MiB on disk, in {}/state/readings", world.home.display());
    assert!(checked.out.contains(&line) || checked.out.contains("on disk, in state/readings"), "{}", checked.out);
    let mut demo = world.agent(&ARGS);
    until("something on disk", || (on_disk(&world) > 0).then_some(()));
    // from then on what waits is written each second
    let first = made(&world);
    until_made(&world, first + 30);
    demo.kill();
    let killed = made(&world);
    write(&world, &[COUNTER, program, ON_DISK].concat());
    let mut demo = world.agent(&ARGS);
    demo.wait(&["readings on disk were dropped: what they are of is not in the file any more"]);
    until_made(&world, killed + 5);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    demo.wait(&["readings are kept on disk until the next start"]);
    assert_eq!(demo.log.count(&["lost"]), 0, "{}", demo.log.text());
    let stopped = made(&world);
    let demo = world.agent(&ARGS);
    let (hub, got) = collected(&world, stopped + 3);
    // those in memory alone when it was killed are lost; all others are there
    let lost: Vec<usize> = (1..=stopped).filter(|value| !got.iter().any(|(other, ..)| other == value)).collect();
    // and so is one that was being read when it was stopped
    assert!(lost.iter().all(|value| *value > 1 && *value <= killed + 1 || *value == stopped), "{killed}, {stopped}: {lost:?}");
    assert!(got.windows(2).all(|pair| pair[0].2 < pair[1].2 && pair[0].0 < pair[1].0), "{got:?}");
    hub.eval("unregister(collector), register(other, self())");
    assert_eq!(
        hub.eval("receive {publish, _, <<\"prog\">>, Ms, hello, I} -> {is_integer(Ms), is_integer(I)} after 60000 -> none end"),
        "{true,true}"
    );
    hub.eval("unregister(other), register(collector, self())");
    until("the disk to be empty", || (on_disk(&world) == 0).then_some(()));
    assert_eq!(demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
}

/// A hub that hangs while the disk fills: what is under way then arrives all the same, and is not counted as dropped.
#[test]
fn what_is_dropped_did_not_arrive() {
    let world = World::new();
    let _epmd = world.epmd();
    let text = r#"
        [[publish]]
        command = ["sh", "-c", "[ ! -e stop ] && head -c 13000 /dev/zero | tr '\\000' x"]
        every = "100ms"
        label = "large"
        to = "collector"
        node = "a"
        [keep]
        disk = "256KiB"
    "#;
    write(&world, text);
    let hub = world.erl(&["-sname", "a"]);
    hub.eval("register(collector, self()), put(got, [])");
    let demo = world.agent(&ARGS);
    hub.eval("receive {publish, _, _, _, _, First} -> put(got, [First]) after 60000 -> none end");
    demo.wait(&["has the readings that were kept for it"]);
    hub.signal("STOP");
    demo.wait(&["publish: what waits takes 256 KiB, which is `disk` in [keep]: from now on the oldest readings are dropped"]);
    hub.signal("CONT");
    demo.wait(&["collector at a@", " takes too little: ", " readings for it were dropped"]);
    fs::write(world.home.join("stop"), "").unwrap();
    hub.eval(&format!("N = {}", demo.atom()));
    hub.eval_until("[K || #{kept := K} <- gen_server:call({system, N}, {info, publish}, 60000)]", "[0]");
    hub.eval("(fun F() -> receive {publish, _, _, _, _, I} -> put(got, [I | get(got)]), F() after 0 -> ok end end)()");
    let lost = "Got = lists:usort(get(got)), lists:max(Got) - lists:min(Got) + 1 - length(Got)";
    let dropped = "[D || #{dropped := D} <- gen_server:call({system, N}, {info, publish}, 60000)]";
    let lost: usize = hub.eval(lost).parse().unwrap();
    assert!(lost > 0);
    assert_eq!(hub.eval(dropped), format!("[{lost}]"));
}

/// A pipe that whoever reads it waits for, as for a disk that does not answer, until somebody writes.
fn pipe(world: &World, path: &str) -> impl FnOnce() {
    let path = world.home.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(command("mkfifo").arg(&path).status().unwrap().success());
    move || drop(fs::OpenOptions::new().write(true).open(path).unwrap())
}

/// The numbers of readings are on a disk that takes its time, and the first readings come with a reload.
#[test]
fn nothing_waits_for_the_numbers_but_the_readings() {
    let world = World::new();
    let _epmd = world.epmd();
    write(&world, "[keep]\n");
    let demo = world.agent(&ARGS);
    let answer = pipe(&world, "state/starts");
    let says = "echo '{publish,other,a,hello}.'; while read line; do id=${line#*,}; echo \\\"{reply,${id%%,*},hello}\\\"; done";
    write(&world, &format!("[mailbox.prog]\ncommand = [\"sh\", \"-c\", \"{says}\"]\n"));
    demo.signal("HUP");
    demo.wait(&["mailbox prog: started"]);
    demo.wait(&["state: it does not answer: nothing is published until it does"]);
    let erl = world.erl(&["-sname", "a"]);
    erl.eval("register(other, self())");
    for _ in 0..10 {
        // what the program says besides is heard
        assert_eq!(erl.eval(&format!("gen_server:call({{prog, {}}}, hello, 60000)", demo.atom())), "hello");
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, {}}}, hello, 60000)", demo.atom())), "hello");
    }
    assert_eq!(erl.eval("receive {publish, _, _, _, hello, _} -> early after 0 -> nothing end"), "nothing");
    answer();
    assert_eq!(erl.eval("receive {publish, _, _, _, hello, I} -> is_integer(I) after 60000 -> none end"), "true");
}

/// The folder is free some time after the start, and on a disk that takes its time.
#[test]
fn nothing_waits_for_a_folder_that_is_opened_later() {
    let world = World::new();
    let _epmd = world.epmd();
    write(&world, ON_DISK);
    let mut first = world.agent(&["--sname", "first", "--config", "agent.toml", "--state-dir", "state"]);
    let demo = world.agent(&ARGS);
    demo.wait(&["readings are kept in memory alone: ", "another agent has it"]);
    first.signal("TERM");
    assert_eq!(first.exit_code(), Some(0));
    let answer = pipe(&world, "state/readings/0000000000000001.log");
    demo.signal("HUP");
    demo.wait(&["read again: nothing to change"]);
    let erl = world.erl(&["-sname", "b"]);
    for _ in 0..10 {
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, {}}}, hello, 60000)", demo.atom())), "hello");
    }
    assert_eq!(demo.log.count(&["readings are kept on disk from now on"]), 0);
    answer();
    demo.wait(&["readings are kept on disk from now on"]);
}

/// Somebody starts another agent on the same folder while the first does not run.
#[test]
fn what_is_on_disk_is_not_another_agents_to_drop() {
    let world = World::new();
    write(&world, &[COUNTER, ON_DISK].concat());
    let mut demo = world.agent(&ARGS);
    until("something on disk", || (on_disk(&world) > 0).then_some(()));
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    let (bytes, stopped) = (on_disk(&world), made(&world));
    fs::write(world.home.join("other.toml"), ON_DISK).unwrap();
    let mut other = world.agent(&["--sname", "other", "--config", "other.toml", "--state-dir", "state"]);
    other.wait(&[
        "readings are kept in memory alone: ",
        "what is there is of the agent with /",
        "/agent.toml: give this one a --state-dir",
    ]);
    other.signal("TERM");
    assert_eq!((other.exit_code(), on_disk(&world)), (Some(0), bytes));
    let demo = world.agent(&ARGS);
    let (_hub, got) = collected(&world, stopped + 1);
    is_whole(&got, &[stopped, stopped + 1], &demo);
}

/// Without a folder readings are kept in memory, and that is said.
#[test]
fn a_disk_without_a_folder_is_told() {
    let world = World::new();
    write(&world, &[COUNTER, ON_DISK].concat());
    let checked = world.tool(&["run", "--sname", "demo", "--config", "agent.toml", "--check"]);
    let why = "`disk` in [keep] needs a folder: give --state-dir, or StateDirectory= in the unit, or `dir` in [keep]";
    assert!(checked.out.contains(&format!("at most 1 MiB in memory; {why}")), "{}", checked.out);
    // the folder for all that outlives a restart is not for readings alone
    write(&world, &[COUNTER, ON_DISK, "dir = \"state\"\n"].concat());
    let checked = world.tool(&["run", "--check", "--sname", "demo", "--config", "agent.toml", "--state-dir", "state"]);
    assert!(checked.out.contains("state/readings"), "{}", checked.out);
    write(&world, &[COUNTER, ON_DISK].concat());
    let demo = world.agent(&["--sname", "demo", "--config", "agent.toml"]);
    demo.wait(&["readings are kept in memory alone: ", why]);
    until_made(&world, 3);
    let (_hub, got) = collected(&world, 3);
    is_whole(&got, &[], &demo);
}

/// What is in the way of the folder when the agent starts is not there for ever.
#[test]
fn a_disk_that_comes_late_is_taken_up() {
    let world = World::new();
    write(&world, &[COUNTER, ON_DISK].concat());
    let state = world.home.join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("readings"), "").unwrap();
    let demo = world.agent(&ARGS);
    demo.wait(&["readings are kept in memory alone: ", "state/readings: "]);
    demo.wait(&["warn: alarm: readings cannot be kept on disk"]);
    let erl = world.erl(&["-sname", "b"]);
    erl.eval(&format!("Disk = fun() -> maps:get(disk, gen_server:call({{system, {}}}, {{info, keep}}, 60000)) end", demo.atom()));
    assert_eq!(erl.eval("Disk() =:= #{used => 0, limit => 1048576, failed => true}"), "true");
    fs::remove_file(state.join("readings")).unwrap();
    // within a minute by itself, and at once with a reload
    demo.signal("HUP");
    demo.wait(&["readings are kept on disk from now on"]);
    until("something on disk", || (on_disk(&world) > 0).then_some(()));
    assert_eq!(erl.eval("maps:get(failed, Disk())"), "false");
    let (_hub, got) = collected(&world, made(&world));
    is_whole(&got, &[], &demo);
}

/// Somebody removes the folder while the agent runs.
#[test]
fn a_folder_that_is_removed_is_made_anew() {
    let world = World::new();
    write(&world, &[COUNTER, ON_DISK].concat());
    let demo = world.agent(&ARGS);
    until("something on disk", || (on_disk(&world) > 0).then_some(()));
    fs::remove_dir_all(world.home.join("state/readings")).unwrap();
    demo.wait(&["state/readings: it was removed, or another one is in its place: ", " readings that were there are lost"]);
    demo.wait(&["warn: alarm: readings cannot be kept on disk"]);
    let removed = made(&world);
    demo.signal("HUP");
    demo.wait(&["readings are kept on disk from now on"]);
    until("something on disk", || (on_disk(&world) > 0).then_some(()));
    let (_hub, got) = collected(&world, made(&world));
    assert!(got.iter().any(|(value, ..)| *value == removed + 1), "{got:?}");
}

/// A box without a battery: it starts in 1970, and its clock is set later.
#[test]
fn readings_have_their_time_also_if_the_clock_was_set_later() {
    let world = World::new();
    write(&world, COUNTER);
    let mut shim = Shim::new(&world, "shim");
    shim.set_clock(-now());
    let began = now();
    let demo = shim.agent(&world, &["--sname", "demo", "--config", "agent.toml"]);
    until_made(&world, 100);
    shim.set_clock(0);
    let (_hub, got) = collected(&world, 100);
    is_whole(&got, &[], &demo);
    are_right(&got, began);
}

/// The same over a restart; and one that is sent before the clock is set.
#[test]
fn readings_on_disk_have_their_time_also_if_the_clock_was_set_later() {
    let world = World::new();
    write(&world, &[COUNTER, ON_DISK].concat());
    let mut shim = Shim::new(&world, "shim");
    shim.set_clock(-now());
    let began = now();
    let mut demo = shim.agent(&world, &ARGS);
    until_made(&world, 30);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    let stopped = made(&world);
    let mut demo = shim.agent(&world, &ARGS);
    until_made(&world, stopped + 10);
    shim.set_clock(0);
    until_made(&world, stopped + 20);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    let stops = [stopped, made(&world)];
    let demo = shim.agent(&world, &ARGS);
    let (mut hub, got) = collected(&world, made(&world) + 1);
    is_whole(&got, &stops, &demo);
    are_right(&got, began);
    hub.kill();
    drop(demo);

    shim.set_clock(-now());
    let _demo = shim.agent(&world, &ARGS);
    let hub = world.erl(&["-sname", "a"]);
    hub.eval("register(collector, self())");
    assert_eq!(
        hub.eval("receive {publish, _, _, undefined, V, I} -> is_integer(V) andalso is_integer(I) after 60000 -> none end"),
        "true"
    );
}

/// Each was read after that and before now, one at an interval.
fn are_right(got: &[(usize, i64, u64)], began: i64) {
    let times: Vec<i64> = got.iter().map(|(_, time, _)| *time).collect();
    assert!(times.iter().all(|time| (began * 1000..=now() * 1000 + 1000).contains(time)), "{began}: {times:?}");
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1] + 50), "{times:?}");
}

//! Readings that the agent sends at an interval: what they are, and that none is lost which is kept.

use std::fs;

use crate::support::{Agent, Erl, World, until};

/// An agent `demo` with this configuration.
fn agent(world: &World, text: &str) -> Agent {
    write(world, text);
    world.agent(&["--sname", "demo", "--config", "agent.toml"])
}

fn write(world: &World, text: &str) {
    fs::write(world.home.join("agent.toml"), text).unwrap();
}

/// A hub `a` whose process `collector` keeps what it gets.
fn hub(world: &World) -> Erl {
    let erl = world.erl(&["-sname", "a"]);
    erl.eval("register(collector, self())");
    erl
}

/// Publishes 1, 2, 3, .. which stand in a file as well; none while there is a file `pause`.
pub(crate) const COUNTER: &str = r#"
    [[publish]]
    command = ["sh", "-c", "while [ -e pause ]; do touch paused; sleep 0.1; done; echo >>count; wc -l <count"]
    as = "number"
    every = "100ms"
    label = "counter"
    to = "collector"
    node = "a"
"#;

/// How many numbers `COUNTER` has made.
pub(crate) fn made(world: &World) -> usize {
    fs::read_to_string(world.home.join("count")).unwrap_or_default().lines().count()
}

pub(crate) fn until_made(world: &World, count: usize) {
    until("more readings", || (made(world) >= count).then_some(()));
}

/// Takes the numbers out of the mailbox, until this one is among them; all that came.
fn numbers_up_to(erl: &Erl, last: usize) -> Vec<usize> {
    erl.eval("put(got, [])");
    erl.eval_until(
        &format!(
            "(fun F() -> receive {{publish, _, <<\"counter\">>, _, V, _}} -> put(got, [V | get(got)]), F() after 0 -> ok end end)(), \
             lists:any(fun(V) -> V >= {last} end, get(got))"
        ),
        "true",
    );
    let got = erl.eval("lists:flatten([io_lib:format(\"~w \", [V]) || V <- lists:reverse(get(got))])");
    got.trim_matches('"').split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[test]
pub(crate) fn readings_come_as_what_they_are_with_their_label_and_time() {
    let world = World::new();
    let _epmd = world.epmd();
    let home = &world.home;
    fs::write(home.join("temp"), " 21500\n").unwrap();
    fs::write(home.join("big"), "123456789012345678901234567890").unwrap();
    fs::write(home.join("text"), "two\nlines\n").unwrap();
    fs::write(home.join("term"), "{ok, #{load => [0.5]}}.\n").unwrap();
    let hub = hub(&world);
    let demo = agent(
        &world,
        r#"
        [[publish]]
        file = "temp"
        divide = 1000
        every = "100ms"
        to = "collector"
        node = "a"
        [[publish]]
        file = "big"
        as = "number"
        every = "1h"
        to = "collector"
        node = "a"
        [[publish]]
        file = "text"
        label = "eine Zeile zu viel: ä"
        every = "1h"
        to = "collector"
        node = "a"
        [[publish]]
        file = "term"
        as = "term"
        every = "1h"
        to = "collector"
        node = "a"
        [[publish]]
        command = ["printf", "%s %s", "$HOME", "it's"]
        every = "1h"
        to = "collector"
        node = "a"
        [[publish]]
        command = ["sh", "-c", "echo $BEAMLESS_NODE"]
        every = "1h"
        to = "collector"
        node = "a"
        "#,
    );
    let node = demo.atom();
    let get = |label: &str| {
        let got = hub.eval(&format!(
            "(fun() -> receive {{publish, {node}, {label}, Ms, Value, _}} -> {{Value, abs(erlang:system_time(millisecond) - Ms) < 60000}} \
             after 60000 -> none end end)()"
        ));
        got.strip_prefix('{').and_then(|got| got.strip_suffix(",true}")).unwrap_or_else(|| panic!("{label}: {got}")).to_owned()
    };
    assert_eq!(get("<<\"temp\">>"), "21.5");
    assert_eq!(get("<<\"big\">>"), "123456789012345678901234567890");
    assert_eq!(get("<<\"eine Zeile zu viel: \\x{e4}\"/utf8>>"), "<<\"two\\nlines\">>");
    assert_eq!(get("<<\"term\">>"), "{ok,#{load => [0.5]}}");
    assert_eq!(get("<<\"printf\">>"), "<<\"$HOME it's\">>", "no shell has read it");
    assert_eq!(get("<<\"sh\">>"), format!("<<\"{}\">>", demo.node));
    // one comes at each interval, with a time that is later, and a number that is larger
    hub.eval("Time = fun() -> receive {publish, _, <<\"temp\">>, T, 22.0, I} -> {T, I} after 60000 -> none end end");
    fs::write(home.join("temp"), "22000").unwrap();
    assert_eq!(
        hub.eval(
            "{T1, I1} = Time(), {T2, I2} = Time(), {T3, I3} = Time(), T3 > T2 andalso T2 > T1 andalso I3 > I2 andalso I2 > I1"
        ),
        "true"
    );
    demo.wait(&["collector at a@", "has the readings that were kept for it: "]);
    assert_eq!(demo.log.count(&["no reading"]), 0);
}

#[test]
fn what_cannot_be_read_is_told_once_until_it_changes() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = hub(&world);
    let file = world.home.join("value");
    let publish = |source: &str, label: &str| {
        format!(
            "[[publish]]\n{source}\nlabel = {label:?}\nas = \"number\"\nevery = \"100ms\"\nto = \"collector\"\nnode = \"a\"\n"
        )
    };
    let demo = agent(
        &world,
        &[
            publish("file = \"value\"", "value"),
            publish("file = \"/dev/zero\"", "zero"),
            publish("command = [\"sh\", \"-c\", \"echo 5; echo oh dear >&2; exit 3\"]", "exits"),
            publish("command = [\"sh\", \"-c\", \"kill -9 $$\"]", "killed"),
            publish("command = [\"yes\"]", "yes"),
            publish("command = [\"sh\", \"-c\", \"echo started >>hangs; sleep 1000\"]", "hangs"),
        ]
        .concat(),
    );
    demo.wait(&["publish value: no reading: cannot read", "/value: No such file or directory"]);
    demo.wait(&["publish zero: no reading: cannot read /dev/zero: not a regular file; a `command` may read it"]);
    demo.wait(&["publish exits: no reading: its command ended with exit status 3"]);
    demo.wait(&["publish exits: oh dear"]);
    demo.wait(&["publish killed: no reading: its command was ended by signal 9"]);
    demo.wait(&["publish yes: no reading: its command printed more than 13824 bytes"]);
    demo.wait(&["publish hangs: its command takes longer than its interval"]);
    // others come in between, so that several were read meanwhile
    fs::write(&file, "warm\n").unwrap();
    demo.wait(&["publish value: no reading: \"warm\" is no number"]);
    fs::write(&file, "7\n").unwrap();
    demo.wait(&["publish value: readings again"]);
    let seven = "receive {publish, _, <<\"value\">>, _, 7, _} -> yes after 60000 -> no end";
    for _ in 0..10 {
        assert_eq!(hub.eval(seven), "yes");
    }
    fs::remove_file(&file).unwrap();
    until("the file to be missed again", || (demo.log.count(&["publish value: no reading: cannot read"]) == 2).then_some(()));
    for (words, count) in [
        ("publish value: no reading: cannot read", 2),
        ("is no number", 1),
        ("publish zero: no reading", 1),
        ("publish exits: no reading", 1),
        ("publish killed: no reading", 1),
        ("publish yes: no reading", 1),
        // on a busy machine, others may as well
        ("publish hangs: its command takes longer", 1),
    ] {
        assert_eq!(demo.log.count(&[words]), count, "{words}");
    }
    // one that runs is not started a second time, and none of the readings that failed was sent
    assert_eq!(fs::read_to_string(world.home.join("hangs")).unwrap(), "started\n");
    assert_eq!(hub.eval("receive {publish, _, L, _, _, _} when L =/= <<\"value\">> -> L after 0 -> nothing end"), "nothing");
    assert_eq!(hub.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
}

#[test]
fn the_newest_are_kept_while_the_hub_is_away_and_what_was_dropped_is_told() {
    let world = World::new();
    let demo = agent(&world, &format!("{COUNTER}\nkeep = 3"));
    demo.wait(&["publish counter: 3 readings wait for collector at a@", "from now on the oldest are dropped"]);
    until_made(&world, 12);
    let hub = hub(&world);
    let got = numbers_up_to(&hub, made(&world) + 5);
    let told = demo.wait(&["has the readings that were kept for it: ", "were dropped"]);
    let dropped: usize = told.split("and ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(got[0], dropped + 1, "{told}: {got:?}");
    assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
    assert_eq!(demo.log.count(&["from now on the oldest are dropped"]), 1);
    let info = "maps:with([sent, kept, dropped], hd(maps:get(publish, gen_server:call({system, N}, info, 60000))))";
    hub.eval(&format!("N = {}", demo.atom()));
    assert_eq!(hub.eval(&format!("maps:get(dropped, {info})")), dropped.to_string());
    assert_eq!(hub.eval(&format!("maps:get(sent, {info}) >= {}", got.len() - 3)), "true");
}

/// A hub that stops to read, is killed, and started again: what it had read or not, nothing is missing, and all is in order.
#[test]
pub(crate) fn no_kept_reading_is_lost_with_the_hub() {
    let world = World::new();
    let demo = agent(&world, COUNTER);
    let mut first = hub(&world);
    until_made(&world, 10);
    fs::write(world.home.join("pause"), "").unwrap();
    until("a pause", || world.home.join("paused").exists().then_some(()));
    let stopped = made(&world);
    let mut seen = numbers_up_to(&first, stopped);
    // from here on what is sent stays in the buffers of the connection
    first.signal("STOP");
    fs::remove_file(world.home.join("pause")).unwrap();
    until_made(&world, stopped + 8);
    first.kill();
    demo.wait(&["node down: a@"]);
    let killed = made(&world);
    until_made(&world, killed + 5);
    let second = hub(&world);
    let again = numbers_up_to(&second, made(&world) + 5);
    assert!(again.windows(2).all(|pair| pair[1] == pair[0] + 1), "{again:?}");
    assert!(again[0] <= stopped + 1, "{stopped}, {again:?}");
    seen.extend(again);
    let last = *seen.last().unwrap();
    assert!((1..=last).all(|number| seen.contains(&number)), "{seen:?}");
    assert_eq!(demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
}

/// A hub that is slow to say whether it reads, and ends the agent's mailbox meanwhile.
#[test]
fn readings_go_on_while_the_answer_is_out_and_when_their_mailbox_is_ended() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = hub(&world);
    let demo = agent(&world, COUNTER);
    let mut seen = numbers_up_to(&hub, 3);
    hub.eval("sys:suspend(net_kernel)");
    seen.extend(numbers_up_to(&hub, made(&world) + 5));
    // one question at a time: it is the monitor of this that stays, besides that of the one before
    hub.eval_until("length(element(2, process_info(self(), monitored_by)))", "2");
    hub.eval("{monitored_by, [Own, Own]} = process_info(self(), monitored_by), exit(Own, kill)");
    demo.wait(&["a mailbox ended: killed"]);
    hub.eval("sys:resume(net_kernel)");
    seen.extend(numbers_up_to(&hub, made(&world) + 5));
    let last = *seen.last().unwrap();
    assert!((1..=last).all(|number| seen.contains(&number)), "{seen:?}");
    hub.eval(&format!("N = {}", demo.atom()));
    let kept = "maps:get(kept, hd(gen_server:call({system, N}, {info, publish}, 60000)))";
    hub.eval_until(&format!("{kept} < 3"), "true");
    assert_eq!(demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
}

/// In Erlang a message to a name that nobody has is lost.
#[test]
fn readings_for_a_name_that_nobody_has_are_kept() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = world.erl(&["-sname", "a"]);
    let demo = agent(&world, COUNTER);
    demo.wait(&["no process is registered as collector at a@", "readings are kept until there is one"]);
    until_made(&world, 10);
    hub.eval("register(collector, self())");
    let got = numbers_up_to(&hub, 20);
    assert!(got.iter().copied().eq(1..=*got.last().unwrap()), "{got:?}");
    // and when it ends, for its successor: one that a supervisor starts, say; what came to the first one meanwhile is not asked about
    hub.eval("unregister(collector), (fun F() -> receive {publish, _, _, _, _, _} -> F() after 0 -> ok end end)()");
    hub.eval("Dies = spawn(fun() -> register(collector, self()), receive stop -> ok end end)");
    hub.eval_until("is_pid(whereis(collector)) andalso process_info(Dies, message_queue_len) > {message_queue_len, 2}", "true");
    hub.eval("Dies ! stop");
    hub.eval_until("whereis(collector)", "undefined");
    let ended = made(&world);
    until("that to be told", || (demo.log.count(&["no process is registered as collector"]) == 2).then_some(()));
    hub.eval("register(collector, self())");
    let got = numbers_up_to(&hub, ended + 10);
    assert!(got[0] <= ended + 1, "{ended}: {got:?}");
    assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
    assert_eq!(demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
}

/// What waits for a node that stays in the list goes there, whatever is put beside it or taken away.
#[test]
fn a_list_of_nodes_that_changes_keeps_what_waits_for_those_that_stay() {
    let world = World::new();
    let to = |nodes: &str| COUNTER.replace("node = \"a\"", nodes);
    let demo = agent(&world, COUNTER);
    until_made(&world, 5);
    for (times, nodes) in (1..).zip(["nodes = [\"a\", \"b\"]", "nodes = [\"b\", \"c\", \"a\"]", "nodes = [\"a\", \"d\"]"]) {
        write(&world, &to(nodes));
        demo.signal("HUP");
        until("the change", || (demo.log.count(&["publish counter: changed"]) == times).then_some(()));
        let count = made(&world);
        until_made(&world, count + 3);
    }
    let hub = hub(&world);
    let got = numbers_up_to(&hub, made(&world));
    assert!(got.iter().copied().eq(1..=*got.last().unwrap()), "{got:?}");
    for node in ["b", "c"] {
        demo.wait(&["publish counter: ", &format!(" readings that were kept for collector at {node}@"), " are lost"]);
    }
    assert_eq!(demo.log.count(&["for collector at a@", "lost"]), 0, "{}", demo.log.text());
}

#[test]
fn other_settings_are_taken_up_and_what_is_lost_is_told() {
    let world = World::new();
    let one = "[[publish]]\ncommand = [\"sh\", \"-c\", \"echo >>one; wc -l <one\"]\nas = \"number\"\nevery = \"100ms\"\nlabel = \"one\"\nto = \"collector\"\nnode = \"a\"\n";
    let mut demo = agent(&world, &[COUNTER, one].concat());
    let ones = || fs::read_to_string(world.home.join("one")).unwrap_or_default().lines().count();
    until_made(&world, 3);
    until("readings of the other", || (ones() > 1).then_some(()));
    // the same but for the interval
    let slower = COUNTER.replace("100ms", "1h");
    write(&world, &slower);
    demo.signal("HUP");
    demo.wait(&["publish counter: changed"]);
    demo.wait(&["publish one: removed"]);
    let kept = demo.wait(&[
        "publish one: ",
        " readings wait that were kept for it: put it back into the file and reload",
        "when the agent ends",
    ]);
    assert!(!kept.contains(" 0 "), "{kept}");
    // the command that runs when the settings change goes on
    let before = made(&world);
    write(&world, &[&slower, one].concat());
    demo.signal("HUP");
    demo.wait(&["publish one: in the file again, with ", " readings that were kept"]);
    assert_eq!(demo.log.count(&["publish counter: changed"]), 1);
    let hub = hub(&world);
    let got = numbers_up_to(&hub, before);
    assert!(got.iter().copied().eq(1..=*got.last().unwrap()), "{before}: {got:?}");
    assert_eq!(hub.eval("receive {publish, _, <<\"one\">>, _, V, _} -> V after 60000 -> none end"), "1");
    drop(hub);
    demo.wait(&["node down: a@"]);
    let now = ones();
    until("more readings", || (ones() > now + 3).then_some(()));
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    let last = demo.log.text();
    assert!(last.contains("publish one: ") && last.matches("are lost").count() == 1, "{last}");
}

/// There can be any number of them, and each is asked whether its readings arrive.
#[test]
fn as_many_receivers_as_the_file_names_get_their_readings() {
    let world = World::new();
    let _epmd = world.epmd();
    fs::write(world.home.join("value"), "7").unwrap();
    let hub = world.erl(&["-sname", "a"]);
    hub.eval(
        "C = counters:new(40, []), persistent_term:put(c, C), [register(list_to_atom(\"c\" ++ integer_to_list(N)), \
         spawn(fun F() -> receive _ -> counters:add(C, N, 1), F() end end)) || N <- lists:seq(1, 40)], ok",
    );
    let one = |n| format!("[[publish]]\nfile = \"value\"\nevery = \"300ms\"\nlabel = \"l{n}\"\nto = \"c{n}\"\nnode = \"a\"\n");
    let text: String = (1..=40).map(one).collect();
    let demo = agent(&world, &text);
    let seen = "lists:all(fun(N) -> counters:get(persistent_term:get(c), N) >= 10 end, lists:seq(1, 40))";
    hub.eval_until(seen, "true");
    assert_eq!(demo.log.count(&["cannot ask whether readings arrive"]), 0);
}

/// After a while in which nothing else happened.
#[test]
fn what_a_program_publishes_has_the_time_at_which_it_was_read() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = hub(&world);
    let program = format!("sleep 4; echo \\\"{{publish,collector,'{}',$(date +%s%3N)}}\\\"; exec cat", hub.node);
    let _demo = agent(&world, &format!("connect = [\"a\"]\n[mailbox.tells]\ncommand = [\"sh\", \"-c\", \"{program}\"]\n"));
    assert_eq!(hub.eval("receive {publish, _, _, Ms, Said, _} -> Ms >= Said after 60000 -> none end"), "true");
}

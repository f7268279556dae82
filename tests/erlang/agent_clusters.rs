//! The agent's mailboxes in groups of `pg`, with global names and as subscribers of a PubSub; readings for a group and for a topic.

use std::fs;

use crate::publish::{made, until_made};
use crate::support::{Agent, Erl, World, until};

const FILE: &str = "agent.toml";

/// A program that answers a call with its own number, and hands all else on to `me` on the node `a`, as it was told.
const HANDS_ON: &str = r#"["sh", "-c", "while IFS= read -r line; do case $line in {call,*) id=${line#*,}; echo \"{reply,${id%%,*},$$}\" ;; *) echo \"{send,me,a,$line}\" ;; esac; done"]"#;

/// An agent `demo` with this file, connected to the hubs `a` and `b`.
fn agent(world: &World, text: &str) -> Agent {
    write(world, text);
    world.agent(&["--sname", "demo", "--config", FILE, "--connect", "a", "--connect", "b"])
}

fn write(world: &World, text: &str) {
    fs::write(world.home.join(FILE), text).unwrap();
}

/// Changes the file, and waits until all these are logged.
fn reload(world: &World, demo: &Agent, text: &str, parts: &[&str]) {
    let before = demo.log.len();
    write(world, text);
    demo.signal("HUP");
    for part in parts {
        demo.wait_from(before, &[part]);
    }
}

/// A hub with these scopes.
fn hub(world: &World, alive: &str, scopes: &[&str]) -> Erl {
    let erl = world.erl(&["-sname", alive]);
    for scope in scopes {
        erl.eval(&format!("{{ok, _}} = pg:start({scope})"));
    }
    erl
}

/// Has the process that evaluates be the one that programs hand messages on to.
fn is_me(erl: &Erl) {
    erl.eval("register(me, self())");
}

fn next(erl: &Erl) -> String {
    erl.eval("(fun() -> receive M -> M after 60000 -> never end end)()")
}

/// Asks whether the nodes of a group's members are these.
fn members(scope: &str, group: &str, nodes: &str) -> String {
    format!("[node(P) || P <- pg:get_members({scope}, {group})] =:= [{nodes}]")
}

const PHOENIX: &str = "'Elixir.Phoenix.PubSub'";
const ADAPTER: &str = "'Elixir.My.PubSub.Adapter'";

#[test]
fn a_mailbox_is_in_its_groups_and_has_its_global_name() {
    let world = World::new();
    let _epmd = world.epmd();
    let a = hub(&world, "a", &["pg", "sensors"]);
    let b = hub(&world, "b", &["pg"]);
    let text = format!("[mailbox.x]\ncommand = {HANDS_ON}\ngroups = [\"temps\", \"sensors:kitchen\"]\nglobal = \"therm\"\n");
    let mut demo = agent(&world, &text);
    for (hub, scope, group) in [(&a, "pg", "temps"), (&a, "sensors", "kitchen"), (&b, "pg", "temps")] {
        hub.eval_until(&members(scope, group, &demo.atom()), "true");
    }
    is_me(&a);
    a.eval("[P ! hello || P <- pg:get_members(temps)]");
    assert_eq!(next(&a), "{info,hello}");
    demo.wait(&["global name therm registered by "]);
    // each hub knows it
    let call = "gen_server:call({global, therm}, who, 60000)";
    a.eval_until("global:whereis_name(therm) =/= undefined", "true");
    b.eval_until("global:whereis_name(therm) =/= undefined", "true");
    let program = a.eval(call);
    assert!(program.parse::<u32>().is_ok() && b.eval(call) == program, "{program}");
    let told = format!(
        "maps:with([groups, global], maps:get(x, gen_server:call({{system, {}}}, {{info, mailboxes}}, 60000)))",
        demo.atom()
    );
    let all = "#{global => therm,groups => [<<\"pg:temps\">>,<<\"sensors:kitchen\">>]}";
    a.eval_until(&format!("{told} =:= {all}"), "true");
    // one that ends is made anew, and is then where it was; nothing of the hub ends with it
    a.eval("Scope = whereis(pg), [First] = pg:get_members(temps), exit(First, kill)");
    a.eval_until("{length(pg:get_members(temps)), lists:member(First, pg:get_members(temps))}", "{1,false}");
    a.eval_until("lists:member(global:whereis_name(therm), [undefined, First])", "false");
    assert_eq!((a.eval(call), a.eval("whereis(pg) =:= Scope")), (program, "true".to_owned()));
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    a.eval_until("{pg:get_members(temps), global:whereis_name(therm)}", "{[],undefined}");
}

#[test]
fn a_global_name_that_another_has_is_told_once() {
    let world = World::new();
    let _epmd = world.epmd();
    let a = hub(&world, "a", &[]);
    assert_eq!(a.eval("global:register_name(therm, self())"), "yes");
    let demo = agent(&world, &format!("[mailbox.x]\ncommand = {HANDS_ON}\nglobal = \"therm\"\n"));
    demo.wait(&["warn: mailbox x: a@", " knows another process as therm: asked for again every minute"]);
    assert_eq!(a.eval("global:whereis_name(therm) =:= self()"), "true");
    let told = format!("maps:get(global, maps:get(x, gen_server:call({{system, {}}}, {{info, mailboxes}}, 60000)))", demo.atom());
    assert_eq!(a.eval(&told), "false");
    assert_eq!(demo.log.count(&["therm"]), 1, "{}", demo.log.text());
}

/// The program runs on meanwhile.
#[test]
fn groups_and_global_names_come_and_go() {
    let world = World::new();
    let _epmd = world.epmd();
    let a = hub(&world, "a", &["pg"]);
    let text = |x: &str, y: &str| format!("[mailbox.x]\ncommand = {HANDS_ON}\n{x}[mailbox.y]\ncommand = {HANDS_ON}\n{y}");
    // a node that has no memory for groups gets it
    let demo = agent(&world, &text("", ""));
    let who = format!("gen_server:call({{x, {}}}, who, 60000)", demo.atom());
    let program = a.eval(&who);
    let is_x = |name: &str| format!("catch gen_server:call({{global, {name}}}, who, 60000) =:= {program}");
    let changed = "mailbox x: its groups, topics or global name changed";
    reload(&world, &demo, &text("groups = [\"one\", \"two\"]\nglobal = \"g\"\n", ""), &[changed]);
    let own = demo.atom();
    a.eval_until(&members("pg", "two", &own), "true");
    a.eval_until(&is_x("g"), "true");
    reload(&world, &demo, &text("groups = [\"two\", \"three\"]\nglobal = \"h\"\n", "global = \"g\"\n"), &[changed]);
    a.eval_until(&members("pg", "three", &own), "true");
    a.eval_until(&members("pg", "one", ""), "true");
    a.eval_until(&is_x("h"), "true");
    a.eval_until(&format!("is_integer(catch gen_server:call({{global, g}}, who, 60000)) andalso not ({})", is_x("g")), "true");
    assert_eq!(a.eval(&members("pg", "two", &own)), "true");
    // more than was thought of
    let many: Vec<String> = (0..40).map(|number| format!("\"g{number}\"")).collect();
    reload(
        &world,
        &demo,
        &text(&format!("groups = [{}]\n", many.join(", ")), ""),
        &[
            "warn: groups: changed in agent.toml; restart to apply",
            "warn: mailbox x: not in group pg:g39: all places in groups are taken",
        ],
    );
    a.eval_until(&members("pg", "g0", &own), "true");
    a.eval_until(
        "catch gen_server:call({global, h}, who)",
        &a.eval("catch gen_server:call({global, nobody}, who)").replace("nobody", "h"),
    );
    assert_eq!(a.eval(&who), program);
    assert_eq!(demo.log.count(&["program is started again"]), 0, "{}", demo.log.text());
}

#[test]
fn a_program_is_told_of_its_topics_alone() {
    let world = World::new();
    let _epmd = world.epmd();
    let a = hub(&world, "a", &[PHOENIX]);
    let demo = agent(
        &world,
        &format!(
            "[mailbox.x]\ncommand = {HANDS_ON}\npubsub = \"My.PubSub\"\ntopics = [\"commands\", \"alarms\"]\npool_size = 2\n"
        ),
    );
    is_me(&a);
    let second = ADAPTER.replace("Adapter", "Adapter_2");
    let broadcast = |group: &str, topic: &str, message: &str| {
        let term = format!("{{forward_to_local, <<\"{topic}\">>, {message}, {PHOENIX}}}");
        a.eval(&format!("[P ! {term} || P <- pg:get_members({PHOENIX}, {group})]"));
    };
    for group in [ADAPTER, &second] {
        a.eval_until(&members(PHOENIX, group, &demo.atom()), "true");
        broadcast(group, "phx_presence:0", "{pub, heartbeat}");
        broadcast(group, "readings", "1");
        broadcast(group, "commands", "{set, 21.5}");
        assert_eq!(next(&a), "{broadcast,<<\"commands\">>,{set,21.5}}");
    }
    // and of what is no broadcast, as ever
    a.eval(&format!("{{x, {}}} ! hello", demo.atom()));
    broadcast(ADAPTER, "alarms", "[]");
    assert_eq!((next(&a), next(&a)), ("{info,hello}".to_owned(), "{broadcast,<<\"alarms\">>,[]}".to_owned()));
}

/// Publishes 1, 2, 3, .. to what is written behind it.
const COUNTER: &str = r#"
    [[publish]]
    command = ["sh", "-c", "echo >>count; wc -l <count"]
    as = "number"
    every = "100ms"
    label = "counter"
"#;

/// The numbers that a hub gets, until this one is among them. `wrapped` makes of a reading the message that it comes in.
fn numbers_up_to(erl: &Erl, wrapped: &str, last: usize) -> Vec<usize> {
    let reading = wrapped.replace("READING", "{publish, _, <<\"counter\">>, _, V, _}");
    erl.eval("put(got, [])");
    erl.eval_until(
        &format!(
            "(fun F() -> receive {reading} -> put(got, [V | get(got)]), F() after 0 -> ok end end)(), \
             lists:any(fun(V) -> V >= {last} end, get(got))"
        ),
        "true",
    );
    let got = erl.eval("lists:flatten([io_lib:format(\"~w \", [V]) || V <- lists:reverse(get(got))])");
    got.trim_matches('"').split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[test]
fn readings_go_to_every_hub_that_runs_the_pubsub() {
    let world = World::new();
    let _epmd = world.epmd();
    let broadcast = format!("{{forward_to_local, <<\"readings\">>, READING, {PHOENIX}}}");
    let runs = format!("register({ADAPTER}, self())");
    let a = hub(&world, "a", &[]);
    a.eval(&runs);
    // one that the agent does not ask for, without the PubSub
    let c = world.erl(&["-sname", "c"]);
    let demo = agent(&world, &format!("{COUNTER}pubsub = \"My.PubSub\"\ntopic = \"readings\"\n"));
    assert_eq!(c.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    demo.wait(&["My.PubSub runs at a@", ": readings go there"]);
    let got = numbers_up_to(&a, &broadcast, made(&world) + 3);
    assert!(got.iter().copied().eq(1..=*got.last().unwrap()), "{got:?}");
    // a hub of `connect` that was away has missed nothing, though it starts before its PubSub does
    let mut b = hub(&world, "b", &[]);
    b.eval_until(&format!("lists:member({}, nodes(hidden))", demo.atom()), "true");
    let up = made(&world);
    until_made(&world, up + 5);
    b.eval(&runs);
    let got = numbers_up_to(&b, &broadcast, up + 10);
    assert!(got.iter().copied().eq(1..=*got.last().unwrap()), "{got:?}");
    demo.wait(&["My.PubSub at b@", " has the readings that were kept for it: "]);
    b.kill();
    demo.wait(&["node down: b@"]);
    let killed = made(&world);
    until_made(&world, killed + 5);
    let b = hub(&world, "b", &[]);
    b.eval(&runs);
    let got = numbers_up_to(&b, &broadcast, made(&world) + 3);
    assert!(got[0] <= killed + 1 && got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{killed}: {got:?}");
    // the other went on meanwhile
    assert!(numbers_up_to(&a, &broadcast, killed + 5).len() > 5);
    assert_eq!(c.eval("receive M -> M after 0 -> nothing end"), "nothing");
    assert_eq!(demo.log.count(&["dropped"]) + demo.log.count(&["at c@"]), 0, "{}", demo.log.text());
    let info = format!("hd(gen_server:call({{system, {}}}, {{info, publish}}, 60000))", demo.atom());
    let told = "#{dropped => 0, label => <<\"counter\">>, pubsub => <<\"My.PubSub\">>, topic => <<\"readings\">>}";
    assert_eq!(a.eval(&format!("maps:with([label, pubsub, topic, dropped], {info}) =:= {told}")), "true");
    assert_eq!(a.eval(&format!("maps:get(sent, {info}) > 20")), "true");
}

#[test]
fn readings_go_to_all_members_of_a_group() {
    let world = World::new();
    let _epmd = world.epmd();
    let (a, b) = (hub(&world, "a", &["sensors"]), hub(&world, "b", &["sensors"]));
    let mut demo = agent(&world, &format!("{COUNTER}group = \"sensors:kitchen\"\nkeep = 1000\n"));
    // those of another group are none
    a.eval("pg:join(sensors, bath, self())");
    until_made(&world, 5);
    a.eval("pg:join(sensors, kitchen, self())");
    let got = numbers_up_to(&a, "READING", made(&world) + 3);
    assert!(got.iter().copied().eq(1..=*got.last().unwrap()), "{got:?}");
    b.eval("pg:join(sensors, kitchen, self())");
    let got = numbers_up_to(&b, "READING", made(&world) + 3);
    assert!(got[0] > 5 && got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
    let info = format!("hd(gen_server:call({{system, {}}}, {{info, publish}}, 60000))", demo.atom());
    let told = "#{dropped => 0, group => <<\"sensors:kitchen\">>, label => <<\"counter\">>}";
    assert_eq!(a.eval(&format!("maps:with([label, group, dropped], {info}) =:= {told}")), "true");
    a.eval("pg:leave(sensors, kitchen, self())");
    b.eval("pg:leave(sensors, kitchen, self())");
    // what comes now waits for the next
    let kept = format!("maps:get(kept, {info})");
    a.eval_until(&format!("{kept} > 3"), "true");
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    assert!(demo.log.text().contains("readings that were kept for group sensors:kitchen are lost"), "{}", demo.log.text());
}

/// Each time that a group has members again, the log says what it missed.
#[test]
fn what_a_group_without_members_misses_is_told() {
    let world = World::new();
    let _epmd = world.epmd();
    let a = hub(&world, "a", &["sensors"]);
    let demo = agent(&world, &format!("{COUNTER}group = \"sensors:kitchen\"\nkeep = 3\n"));
    for round in 1..=2 {
        let told = |parts: &[&str]| until(parts[0], || (demo.log.count(parts) >= round).then_some(()));
        told(&["publish counter: ", " readings wait for group sensors:kitchen: from now on the oldest are dropped"]);
        a.eval("pg:join(sensors, kitchen, self())");
        told(&["warn: publish counter: ", " readings for group sensors:kitchen were dropped, since it had no members"]);
        a.eval("pg:leave(sensors, kitchen, self())");
    }
}

/// Places for too few are told of, and those that found one get their readings.
#[test]
fn members_that_there_is_no_room_for_are_told_of() {
    let world = World::new();
    let _epmd = world.epmd();
    let a = hub(&world, "a", &["pg"]);
    a.eval("pg:join(temps, [self(), self(), self()])");
    let demo = agent(&world, &format!("{COUNTER}group = \"temps\"\n[sizes]\nmembers = 2\n"));
    let line = demo.wait(&["warn: scope pg has more members on other nodes than there is room for"]);
    assert!(line.contains("enlarge `members` in [sizes]"), "{line}");
    let got = numbers_up_to(&a, "READING", 3);
    assert_eq!(got[..4], [1, 1, 2, 2]);
}

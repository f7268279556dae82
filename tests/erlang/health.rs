//! What a person should know of: in the log, in the status for systemd, in `system`, and told to a process on the hub.

use std::fs;

use crate::support::{Agent, World, until};
use crate::systemd::Manager;

fn write(world: &World, text: &str) {
    fs::write(world.home.join("box.toml"), text).unwrap();
}

/// The next message of the agent's health for a process of this Erlang, without its time.
const TOLD: &str =
    "(fun() -> receive {health,_,A,S,Name,<<_,_/binary>>,Ms} when is_integer(Ms) -> {A,S,Name} after 60000 -> none end end)()";

fn health(agent: &Agent) -> String {
    format!("gen_server:call({{system, {}}}, {{info, health}}, 60000)", agent.atom())
}

/// A hub that is not there, and a program that ends at once: each an alarm, in every place where somebody may look.
#[test]
fn alarms_are_raised_and_cleared_and_told() {
    let world = World::new();
    let _epmd = world.epmd();
    let manager = Manager::new(&world);
    let other = world.erl(&["-sname", "other"]);
    let config = |command: &str| {
        format!(
            "sname = 'box'
            connect = ['other', 'nobody']
            [health]
            node_away = '1s'
            program_restarts = 2
            tell = 'watcher'
            node = 'hub'
            [mailbox.looping]
            command = ['{command}']"
        )
    };
    write(&world, &config("false"));
    let mut agent = manager.launch(&world, &["--config", "box.toml"], &[]);
    agent.wait_until_up();
    let host = agent.host().to_owned();
    agent.wait(&["warn: alarm: hub@", "away for 1 seconds: "]);
    agent.wait(&["warn: alarm: nobody@", "away for 1 seconds: "]);
    agent.wait(&["warn: alarm: program looping restarted 2 times: exit status: 1"]);
    let up = format!("STATUS=up as {}; ", agent.node);
    let said = |parts: &[&str]| manager.said().last().is_some_and(|last| parts.iter().all(|part| last.contains(part)));
    let connected = format!("; 1 connected: {}", other.node);
    until("the status", || {
        said(&[&up, "; hub@", "; nobody@", " away for ", "; program looping restarted ", " times; ", &connected]).then_some(())
    });

    // whoever asks
    let alarms = other.eval(&format!(
        "#{{state := warning, alarms := As}} = {}, [{{W, Nm}} || #{{what := W, name := Nm}} <- As]",
        health(&agent)
    ));
    assert_eq!(
        alarms,
        format!("[{{node_away,<<\"nobody@{host}\">>}},{{node_away,<<\"hub@{host}\">>}},{{program_restarts,<<\"looping\">>}}]")
    );
    assert_eq!(
        other.eval("[ok || #{since := S, text := T} <- As, is_integer(S), is_binary(T), byte_size(T) =< 160]"),
        "[ok,ok,ok]"
    );
    let info = |key: &str| format!("gen_server:call({{system, {}}}, {{info, {key}}}, 60000)", agent.atom());
    let nodes = format!(
        "#{{'hub@{host}' := #{{connected := false, since := Away, reason := Why}}, '{}' := #{{connected := true, reason := false}}}} = {}, \
         {{Away >= 1, is_binary(Why)}}",
        other.node,
        info("nodes")
    );
    assert_eq!(other.eval(&nodes), "{true,true}");
    let programs =
        "#{looping := #{running := _, since := _, restarts := R, last_exit := <<\"exit status: 1\">>, calls := 0, unread := 0}}";
    assert_eq!(other.eval(&format!("{programs} = {}, R >= 2", info("programs"))), "true");

    // the hub comes: it is told what there is, and that it is there
    let hub = world.erl(&["-sname", "hub"]);
    hub.eval("register(watcher, self())");
    agent.wait(&["alarm over after ", "hub@", "away for"]);
    let mut told: Vec<String> = (0..3).map(|_| hub.eval(TOLD)).collect();
    told.sort();
    let of = |kind: &str, state: &str, name: &str| format!("{{{kind},{state},<<\"{name}\">>}}");
    let looping = of("program_restarts", "raised", "looping");
    assert_eq!(told, [of("node_away", "cleared", &hub.node), of("node_away", "raised", &format!("nobody@{host}")), looping]);

    // another program is another matter
    write(&world, &config("cat"));
    agent.signal("HUP");
    agent.wait(&["alarm over after ", "program looping restarted "]);
    assert_eq!(hub.eval(TOLD), of("program_restarts", "cleared", "looping"));
    until("the program", || {
        (other.eval(&format!("#{{looping := #{{running := Run}}}} = {}, Run", info("programs"))) == "true").then_some(())
    });

    // what happens while the hub is away it is told when it is back
    let lines = agent.log.len();
    drop(hub);
    agent.wait_from(lines, &["warn: alarm: hub@", "away for"]);
    let _nobody = world.erl(&["-sname", "nobody"]);
    agent.wait_from(lines, &["alarm over after ", "nobody@"]);
    let hub = world.erl(&["-sname", "hub"]);
    hub.eval("register(watcher, self())");
    let mut told = [hub.eval(TOLD), hub.eval(TOLD)];
    told.sort();
    assert_eq!(told, [of("node_away", "cleared", &hub.node), of("node_away", "cleared", &format!("nobody@{host}"))]);
    assert_eq!(other.eval(&format!("{} =:= #{{alarms => [], state => ok}}", health(&agent))), "true");
    until("the status", || (!said(&["away"]) && said(&["; 3 connected: "])).then_some(()));
}

/// A reading whose file vanishes, and comes back; and the last one, which can be asked for all the while.
#[test]
fn a_reading_that_is_overdue_is_an_alarm() {
    let world = World::new();
    let file = world.home.join("temp");
    fs::write(&file, "21500\n").unwrap();
    let publish = "every = '100ms'\nto = 'nobody'\nnode = 'hub'\n";
    write(
        &world,
        &format!(
            "sname = 'box'\n[[publish]]\nfile = 'temp'\ndivide = 1000\nkeep = 3\n{publish}[[publish]]\nfile = 'missing'\nlabel = 'other'\n{publish}"
        ),
    );
    let mut agent = world.launch(&["--config", "box.toml"]);
    agent.wait_until_up();
    let erl = world.erl(&["-sname", "erl"]);
    erl.eval(&format!("Call = fun(Request) -> gen_server:call({{system, {}}}, Request, 60000) end", agent.atom()));
    until("a reading", || (erl.eval("element(1, Call({last, <<\"temp\">>}))") == "ok").then_some(()));
    erl.eval("{ok, {Ms, 21.5, Number}} = Call({last, <<\"temp\">>}), true = is_integer(Number)");
    assert_eq!(erl.eval("abs(Ms - erlang:system_time(millisecond)) < 60000"), "true");
    assert_eq!(
        erl.eval("#{<<\"temp\">> := {M2, 21.5, N2}} = L = Call(last), {map_size(L), M2 >= Ms, N2 >= Number}"),
        "{1,true,true}"
    );
    assert_eq!(erl.eval("Call({last, <<\"other\">>})"), "{error,{no_reading,<<\"other\">>}}");
    // neither is sent, and the one that never was is late
    agent.wait(&["warn: alarm: no reading other for ", ": cannot read ", "missing"]);
    agent.wait(&["warn: alarm: ", " readings dropped"]);
    let of_temp = "[Temp, Other] = Call({info, publish}), #{label := <<\"temp\">>, to := nobody, node := Hub, kept := 3, every := 100, \
                   age := Age, waiting := Bytes, oldest := Oldest, dropped := Dropped} = Temp";
    erl.eval(of_temp);
    assert_eq!(erl.eval("Age < 60000 andalso Bytes > 3 andalso Oldest < 60 andalso Dropped > 0"), "true");
    assert_eq!(erl.eval("maps:is_key(trouble, Temp)"), "false");
    assert_eq!(erl.eval("#{age := false, waiting := 0, kept := 0, trouble := <<\"cannot read \", _/binary>>} = Other, ok"), "ok");
    assert_eq!(erl.eval("#{memory := #{used := Used, limit := 1048576}} = Call({info, keep}), Used > 0"), "true");
    fs::remove_file(&file).unwrap();
    agent.wait(&["warn: alarm: no reading temp for ", ": cannot read "]);
    let kinds = "#{alarms := As} = Call({info, health}), [{W, Nm} || #{what := W, name := Nm} <- As]";
    let overdue = |label: &str| format!("{{reading_overdue,<<\"{label}\">>}}");
    assert_eq!(erl.eval(kinds), format!("[{},{},{{readings_dropped,<<>>}}]", overdue("temp"), overdue("other")));
    assert_eq!(erl.eval("{ok, {_, 21.5, _}} = Call({last, <<\"temp\">>}), ok"), "ok");
    fs::write(&file, "22000\n").unwrap();
    agent.wait(&["alarm over after ", "no reading temp for "]);
    assert_eq!(erl.eval("{ok, {_, 22.0, N3}} = Call({last, <<\"temp\">>}), N3 > N2"), "true");
    assert_eq!(agent.log.count(&["warn: alarm: ", "readings dropped"]), 1);
}

/// What is well says nothing.
#[test]
fn a_box_that_is_well_has_no_alarm() {
    let world = World::new();
    let manager = Manager::new(&world);
    write(&world, "sname = 'box'\n[mailbox.fine]\ncommand = ['cat']\n[health]\ndisk_full = 100\n");
    let mut agent = manager.launch(&world, &["--config", "box.toml", "--state-dir", "."], &[]);
    agent.wait_until_up();
    let erl = world.erl(&["-sname", "erl"]);
    assert_eq!(erl.eval(&format!("{} =:= #{{alarms => [], state => ok}}", health(&agent))), "true");
    manager.wait_for_status(&format!("up as {}; 1 connected: {}", agent.node, erl.node));
    assert_eq!(agent.log.count(&["alarm"]), 0);
}

//! The modules of `examples/hub`, which do the same in Erlang and in Elixir: each test runs with both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::children::{self, command};
use crate::clusters::blocks_of;
use crate::stand_ins;
use crate::support::{Agent, Erl, World, erl_command};

const PAGE: &str = include_str!("../../src/manual/hub.md");
const MODULES: [&str; 2] = ["beamless_hub", "'Elixir.BeamlessHub'"];
const FILES: [&str; 2] = ["beamless_hub.erl", "beamless_hub.ex"];

fn file(name: &str) -> String {
    format!("{}/examples/hub/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A folder with both modules, compiled without a warning.
fn compiled() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = children::folder("hub");
        let [erlang, elixir] = FILES.map(file);
        let compile = format!(
            "{{ok, _}} = compile:file({erlang:?}, [report, warnings_as_errors, warn_missing_spec, {{outdir, {folder:?}}}]), halt()."
        );
        done(erl_command().args(["-noinput", "-eval", &compile]));
        let compile = format!(
            "asked = if Version.match?(System.version(), \">= 1.15.0\"), do: [return_diagnostics: true], else: []
             case Kernel.ParallelCompiler.compile_to_path([{elixir:?}], {folder:?}, asked) do
               {{:ok, [BeamlessHub], []}} -> :ok
               {{:ok, [BeamlessHub], %{{compile_warnings: [], runtime_warnings: []}}}} -> :ok
             end"
        );
        done(command(std::env::var_os("BEAMLESS_ELIXIR").unwrap_or_else(|| "elixir".into())).args(["-e", &compile]));
        folder
    })
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{command:?}: {output:?}");
}

/// A hub in which `M` is one of the modules. `Next()` is what the shell is told next.
fn hub(world: &World, name: &[&str], module: &str) -> Erl {
    let folders = stand_ins::elixir().iter().chain([compiled()]);
    let folders = folders.flat_map(|folder| ["-pa", folder.to_str().unwrap()]);
    let hub = world.erl(&name.iter().copied().chain(folders).collect::<Vec<_>>());
    hub.eval(&format!("M = {module}, Next = fun() -> receive Event -> Event after 60000 -> nothing end end"));
    hub
}

/// Has a supervisor start it with these options, and subscribes the shell.
fn start(hub: &Erl, options: &str) {
    let started = hub.eval(&format!("element(1, supervisor:start_child(kernel_safe_sup, M:child_spec({options})))"));
    assert_eq!(started, "ok", "{options}");
    assert_eq!(hub.eval("M:subscribe()"), "ok");
}

/// Waits for what the shell is told next, and compares it.
fn next(hub: &Erl, want: &str) {
    assert_eq!(hub.eval("Next()"), hub.eval(want), "{want}");
}

/// A box that sends by hand: `Send(Message)`. On the hub its name is `Box`.
fn by_hand(world: &World, hub: &Erl) -> Erl {
    let sender = world.erl(&["-sname", "edge", "-hidden"]);
    sender.eval(&format!("Send = fun(Message) -> {{collector, {}}} ! Message end", hub.atom()));
    sender.eval(
        "Cpu = fun(List) -> [Send({publish, node(), <<\"cpu\">>, Ms, N, (1 bsl 40) + N}) || {Ms, N} <- List], length(List) end",
    );
    hub.eval(&format!("Box = {}", sender.atom()));
    sender
}

#[test]
fn readings_come_once_and_the_last_is_kept() {
    for module in MODULES {
        let world = World::new();
        let _epmd = world.epmd();
        let hub = hub(&world, &["-sname", "a"], module);
        start(&hub, "#{}");
        let mut sender = by_hand(&world, &hub);
        sender.eval("Cpu([{10, 1}, {20, 2}, {10, 1}, {20, 2}, {undefined, 3}, {30, 4}])");
        // another label counts by itself, from whatever number; an older agent has none
        sender
            .eval("Send({publish, node(), <<\"mem\">>, undefined, a, 3}), Send({publish, node(), <<\"mem\">>, undefined, a, 3})");
        sender.eval("Send({publish, node(), <<\"old\">>, 40, b}), Send({publish, node(), <<\"old\">>, 40, b})");
        next(&hub, "{box, Box, up}");
        for (ms, n) in [("10", 1), ("20", 2), ("undefined", 3), ("30", 4)] {
            next(&hub, &format!("{{reading, Box, <<\"cpu\">>, {ms}, {n}}}"));
        }
        next(&hub, "{reading, Box, <<\"mem\">>, undefined, a}");
        next(&hub, "{reading, Box, <<\"old\">>, 40, b}");
        next(&hub, "{reading, Box, <<\"old\">>, 40, b}");
        assert_eq!(hub.eval("maps:get(repeats, maps:get(Box, M:boxes()))"), "3");
        let is_kept = "{ok, #{value := 4, ms := 30, number := Number, received := R}} = M:last(Box, <<\"cpu\">>), \
                       {Number - (1 bsl 40), abs(erlang:system_time(millisecond) - R) < 600000}";
        assert_eq!(hub.eval(is_kept), "{4,true}");
        let values = "[maps:map(fun(_, #{value := V}) -> V end, Last) || Last <- [M:last(Box), maps:get(Box, M:last())]]";
        let want = "#{<<\"cpu\">> => 4, <<\"mem\">> => a, <<\"old\">> => b}";
        assert_eq!(hub.eval(&format!("{values} =:= [{want}, {want}]")), "true");
        assert_eq!(hub.eval("{M:last(Box, <<\"none\">>), M:last(nobody), M:last(nobody, <<\"cpu\">>)}"), "{error,#{},error}");

        // it comes back: what was under way is sent again, and behind it is what is new
        sender.kill();
        next(&hub, "{box, Box, away}");
        let mut sender = by_hand(&world, &hub);
        sender.eval("Cpu([{20, 2}, {30, 4}, {40, 5}])");
        next(&hub, "{box, Box, up}");
        next(&hub, "{reading, Box, <<\"cpu\">>, 40, 5}");
        // one that counts anew, since it had no folder for its state, and a clock that was wrong; and one that never had a clock
        sender.kill();
        next(&hub, "{box, Box, away}");
        let sender = by_hand(&world, &hub);
        sender.eval("Cpu([{50, 1}, {50, 1}, {60, 2}])");
        sender.eval("[Send({publish, node(), <<\"mem\">>, undefined, c, N}) || N <- [1, 1, 2]]");
        next(&hub, "{box, Box, up}");
        next(&hub, "{reading, Box, <<\"cpu\">>, 50, 1}");
        next(&hub, "{reading, Box, <<\"cpu\">>, 60, 2}");
        next(&hub, "{reading, Box, <<\"mem\">>, undefined, c}");
        next(&hub, "{reading, Box, <<\"mem\">>, undefined, c}");
        assert_eq!(hub.eval("maps:get(repeats, maps:get(Box, M:boxes()))"), "7");
        assert_eq!(hub.eval("M:forget(Box), {M:boxes(), M:last()}"), "{#{},#{}}");
        assert_eq!(hub.eval("receive More -> More after 0 -> nothing end"), "nothing");
    }
}

/// The usual interval is learned by the box's own clock, or given.
#[test]
fn a_label_that_is_silent_for_three_intervals_makes_its_box_late() {
    for module in MODULES {
        let world = World::new();
        let _epmd = world.epmd();
        let hub = hub(&world, &["-sname", "a"], module);
        start(&hub, "#{check => 100, every => #{<<\"hourly\">> => 3600000}}");
        let sender = by_hand(&world, &hub);
        // of these one is late: one is an hourly one, of one nothing is known yet, and one is slow by the box's clock
        sender.eval("Send({publish, node(), <<\"hourly\">>, 0, 0, 1}), Send({publish, node(), <<\"hourly\">>, 1, 0, 2})");
        sender.eval("Send({publish, node(), <<\"single\">>, 0, 0, 1})");
        sender.eval("Send({publish, node(), <<\"slow\">>, 0, 0, 1}), Send({publish, node(), <<\"slow\">>, 100000, 0, 2})");
        sender.eval("Cpu([{1000, 1}, {1050, 2}, {1090, 3}])");
        hub.eval("State = fun F() -> case Next() of {box, Box, Is} -> Is; {reading, Box, _, _, _} -> F() end end");
        assert_eq!(hub.eval("{State(), State()}"), "{up,late}");
        assert_eq!(
            hub.eval("maps:with([state, late], maps:get(Box, M:boxes())) =:= #{state => late, late => [<<\"cpu\">>]}"),
            "true"
        );
        hub.log.wait_from(0, &["edge@", " is late with cpu"]).unwrap();
        sender.eval("Cpu([{1140, 4}])");
        next(&hub, "{box, Box, up}");
        next(&hub, "{reading, Box, <<\"cpu\">>, 1140, 4}");
        // and again, which only the connection's end ends
        next(&hub, "{box, Box, late}");
        assert_eq!(sender.eval(&format!("erlang:disconnect_node({})", hub.atom())), "true");
        next(&hub, "{box, Box, away}");
        assert_eq!(hub.eval("maps:with([state, late], maps:get(Box, M:boxes())) =:= #{state => away, late => []}"), "true");
        // a repeat is no reading: it is late as it was
        sender.eval("Cpu([{1140, 4}])");
        next(&hub, "{box, Box, up}");
        next(&hub, "{box, Box, late}");
    }
}

/// An agent with this name and configuration.
fn agent(world: &World, name: &str, config: &str) -> Agent {
    fs::write(world.home.join(format!("{name}.toml")), config).unwrap();
    world.agent(&["--sname", name, "--config", &format!("{name}.toml")])
}

/// Two hubs, one in each language, and a box that publishes to both.
#[test]
fn an_agent_is_up_late_away_and_back() {
    let world = World::new();
    let _epmd = world.epmd();
    let [a, b] = [("a", MODULES[0]), ("b", MODULES[1])].map(|(name, module)| hub(&world, &["-sname", name], module));
    let hubs = [&a, &b];
    let temp = world.home.join("temp");
    fs::write(&temp, "21500").unwrap();
    let publish = "[[publish]]\nfile = \"temp\"\nas = \"number\"\ndivide = 1000\nevery = \"100ms\"\nto = \"collector\"\nnode = ";
    let config = format!("{publish}\"a\"\n{publish}\"b\"\n");
    let mut box_ = agent(&world, "box", &config);
    for hub in hubs {
        hub.eval(&format!("Box = {}", box_.atom()));
        // those that are never there are in the table
        start(hub, "#{boxes => [Box, nobody@nowhere], every => 1000, check => 100}");
        hub.eval("Value = fun(V) -> (fun F() -> case Next() of {reading, Box, <<\"temp\">>, _, V} -> V; _ -> F() end end)() end");
        assert_eq!(hub.eval("Value(21.5)"), "21.5");
        assert_eq!(hub.eval("maps:get(state, maps:get(nobody@nowhere, M:boxes()))"), "away");
        hub.eval("State = fun(Is) -> (fun F() -> case Next() of {box, Box, Is} -> Is; _ -> F() end end)() end");
    }
    fs::remove_file(&temp).unwrap();
    for hub in hubs {
        assert_eq!(hub.eval("State(late)"), "late");
        assert_eq!(hub.eval("maps:get(late, maps:get(Box, M:boxes())) =:= [<<\"temp\">>]"), "true");
    }
    fs::write(&temp, "22000").unwrap();
    for hub in hubs {
        assert_eq!(hub.eval("{State(up), Value(22.0)}"), "{up,22.0}");
    }
    box_.kill();
    for hub in hubs {
        assert_eq!(hub.eval("State(away)"), "away");
        hub.log.wait_from(0, &["box@", " is away"]).unwrap();
        // what it said last is still there
        assert_eq!(
            hub.eval("{ok, #{value := Last, number := Before}} = M:last(Box, <<\"temp\">>), {Last, is_integer(Before)}"),
            "{22.0,true}"
        );
    }
    fs::write(&temp, "23000").unwrap();
    let _box = agent(&world, "box", &config);
    for hub in hubs {
        assert_eq!(hub.eval("{State(up), Value(23.0)}"), "{up,23.0}");
        // its numbers grow from one start to the next
        assert_eq!(hub.eval("{ok, #{number := After}} = M:last(Box, <<\"temp\">>), After > Before"), "true");
    }
}

#[test]
fn functions_are_called_on_all_boxes_at_once() {
    let world = World::new();
    let _epmd = world.epmd();
    fs::write(world.home.join("temp"), "1").unwrap();
    let config = |name: &str| {
        let publish =
            |node: &str| format!("[[publish]]\nfile = \"temp\"\nevery = \"1h\"\nto = \"collector\"\nnode = \"{node}\"\n");
        let functions = format!("\"box:name/1\" = [\"echo\", \"{name}\"]\n\"box:fails/0\" = [\"false\"]\n");
        format!("{}{}[functions]\n{functions}\"box:hangs/0\" = [\"sleep\", \"1000\"]\n", publish("a"), publish("b"))
    };
    let boxes = ["one", "two"].map(|name| agent(&world, name, &config(name)));
    for (name, module) in ["a", "b"].into_iter().zip(MODULES) {
        let hub = hub(&world, &["-sname", name], module);
        let [one, two] = boxes.each_ref().map(Agent::atom);
        hub.eval(&format!("One = {one}, Two = {two}"));
        start(&hub, "#{boxes => [nobody@nowhere]}");
        hub.eval_until("[maps:size(M:last(Box)) || Box <- [One, Two]]", "[1,1]");
        let all = |call: &str| hub.eval(&format!("maps:from_list({call})"));
        let each = |one: &str, two: &str| {
            hub.eval(&format!("#{{One => {one}, Two => {two}, nobody@nowhere => {{error, noconnection}}}}"))
        };
        assert_eq!(
            all("M:call_all(box, name, [<<\"it is\">>], 60000)"),
            each("{ok, <<\"one it is\">>}", "{ok, <<\"two it is\">>}")
        );
        assert_eq!(all("M:call_all(box, nosuch, [])"), each("{error, undef}", "{error, undef}"));
        let failed = "{error, {exit_status, 1, <<>>}}";
        assert_eq!(all("M:call_all(box, fails, [], 60000)"), each(failed, failed));
        assert_eq!(all("M:call_all(box, hangs, [], 100)"), each("{error, timeout}", "{error, timeout}"));
        assert_eq!(hub.eval("{ok, #{node := Node, running := S}} = M:info(One), {Node =:= One, is_integer(S)}"), "{true,true}");
        assert_eq!(hub.eval("M:info(nobody@nowhere)"), "{error,noconnection}");
    }
}

/// What comes from others neither ends it nor fills it.
#[test]
fn strangers_do_no_harm() {
    for module in MODULES {
        let world = World::new();
        let _epmd = world.epmd();
        let hub = hub(&world, &["-sname", "a"], module);
        start(&hub, "#{max_labels => 2, max_boxes => 2, max_value => 100}");
        hub.eval("Pid = whereis(collector), Send = fun(Message) -> collector ! Message, ok end");
        for wrong in [
            "hello",
            "{publish}",
            "{publish, \"x@y\", <<\"cpu\">>, 1, 2, 3}",
            "{publish, x@y, cpu, 1, 2, 3}",
            "{publish, x@y, <<1:7>>, 1, 2, 3}",
            "{publish, x@y, binary:copy(<<0>>, 2000), 1, 2, 3}",
            "{publish, x@y, <<\"cpu\">>, 1.5, 2, 3}",
            "{publish, x@y, <<\"cpu\">>, 1 bsl 5000, 2}",
            "{publish, x@y, <<\"cpu\">>, 1, 2, -3}",
            "{publish, x@y, <<\"cpu\">>, 1, 2, 1 bsl 5000}",
            "{health, x@y, <<\"what\">>, raised, <<>>, <<>>, 1}",
            "{health, x@y, what, lost, <<>>, <<>>, 1}",
            "{'DOWN', make_ref(), process, self(), killed}",
            "{timeout, make_ref(), check}",
            "check",
            "{nodeup, x@y, []}",
            "{nodedown, x@y, []}",
            "{'$gen_cast', hello}",
            "{'$gen_call', {self(), make_ref()}, {subscribe, nobody}}",
            "{'$gen_call', {self(), make_ref()}, {unsubscribe, nobody}}",
        ] {
            assert_eq!(hub.eval(&format!("Send({wrong})")), "ok");
        }
        assert_eq!(hub.eval("{M:boxes(), gen_server:call(collector, hello)}"), "{#{},{error,unknown_request}}");
        hub.eval("[Send({publish, Box, Label, 1, V, 1}) || Box <- [x@y, y@y, z@y], Label <- [<<\"a\">>, <<255>>, <<\"c\">>], V <- [1]]");
        hub.eval("[Send({publish, x@y, <<\"a\">>, 1, binary:copy(<<0>>, 200), N}) || N <- [2, 3]]");
        hub.eval("[Send({health, Box, disk_full, raised, <<N>>, <<\"full\">>, 1}) || Box <- [x@y, z@y], N <- [1, 2, 3]]");
        let table = "maps:map(fun(_, #{labels := L, alarms := A}) -> {L, length(A)} end, M:boxes())";
        assert_eq!(
            hub.eval(&format!("{table} =:= #{{x@y => {{[<<\"a\">>, <<255>>], 2}}, y@y => {{[<<\"a\">>, <<255>>], 0}}}}")),
            "true"
        );
        assert_eq!(hub.eval("{ok, #{value := V}} = M:last(x@y, <<\"a\">>), {V, Pid =:= whereis(collector)}"), "{1,true}");
        for (said, count) in [
            ("a message came that is none of an agent's", 1),
            ("x@y: it has more than 2 labels, and c is dropped; others are", 1),
            ("y@y: it has more than 2 labels, and c is dropped", 1),
            ("x@y: a value of a has more than 100 bytes", 1),
            ("there are more than 2 boxes, and z@y is not kept", 1),
        ] {
            hub.log.wait_from(0, &[said]).unwrap();
            assert_eq!(hub.log.count(&[said]), count, "{said}");
        }
        // a name that it does not know is said, and not taken for one that it does
        assert_eq!(
            hub.eval("process_flag(trap_exit, true), M:start_link(#{name => other, evry => 1})"),
            "{error,{unknown_options,[evry]}}"
        );
    }
}

/// A box with a dynamic name comes under another one each time: those before are in nobody's way.
#[test]
fn a_box_that_is_connected_takes_the_place_of_one_that_is_away() {
    for module in MODULES {
        let world = World::new();
        let _epmd = world.epmd();
        let hub = hub(&world, &["-sname", "a"], module);
        start(&hub, "#{max_boxes => 3, boxes => [nobody@nowhere]}");
        let boxes = ["one", "two", "three", "four"].map(|name| {
            let sender = world.erl(&["-sname", name, "-hidden"]);
            sender.eval(&format!("To = {{collector, {}}}, To ! {{publish, node(), <<\"cpu\">>, 1, 1, 1}}", hub.atom()));
            // by then it has come
            assert_eq!(sender.eval("gen_server:call(To, hello, 60000)"), "{error,unknown_request}");
            sender
        });
        let table = "lists:sort([hd(string:lexemes(atom_to_list(Box), \"@\")) || Box <- maps:keys(M:boxes())])";
        // as long as those are connected there is no room
        hub.log.wait_from(0, &["there are more than 3 boxes, and three@"]).unwrap();
        assert_eq!(hub.eval(table), "[\"nobody\",\"one\",\"two\"]");
        let [mut one, mut two, three, four] = boxes;
        let go = |sender: &mut Erl| {
            let name = sender.atom();
            sender.kill();
            hub.eval_until(&format!("maps:get(state, maps:get({name}, M:boxes()))"), "away");
        };
        go(&mut two);
        hub.eval("timer:sleep(2)");
        go(&mut one);
        let again = |sender: &Erl| {
            sender.eval("To ! {publish, node(), <<\"cpu\">>, 1, more, 2}");
            hub.eval_until(&format!("maps:is_key({}, M:boxes())", sender.atom()), "true");
        };
        again(&three);
        assert_eq!(hub.eval(table), "[\"nobody\",\"one\",\"three\"]");
        // for a name that is not connected nobody makes room
        assert_eq!(hub.eval("collector ! {publish, x@y, <<\"cpu\">>, 1, 2, 3}, maps:is_key(x@y, M:boxes())"), "false");
        again(&four);
        assert_eq!(hub.eval(table), "[\"four\",\"nobody\",\"three\"]");
    }
}

#[test]
fn subscribers_are_told_until_they_end() {
    for module in MODULES {
        let world = World::new();
        let _epmd = world.epmd();
        let hub = hub(&world, &["-sname", "a"], module);
        start(&hub, "#{name => boxes}");
        let sender = world.erl(&["-sname", "edge", "-hidden"]);
        sender.eval(&format!("Send = fun(Message) -> {{boxes, {}}} ! Message, ok end", hub.atom()));
        hub.eval(&format!(
            "Box = {}, Monitors = fun() -> length(element(2, process_info(whereis(boxes), monitors))) end",
            sender.atom()
        ));
        // once is enough
        assert_eq!(hub.eval("{M:subscribe(), M:subscribe(self()), Monitors()}"), "{ok,ok,1}");
        hub.eval("Other = spawn(fun() -> receive stop -> ok end end)");
        assert_eq!(hub.eval("{M:subscribe(Other), Monitors()}"), "{ok,2}");
        hub.eval("Other ! stop");
        hub.eval_until("Monitors()", "1");
        // one on another node
        hub.eval(&format!("Far = rpc:call({}, erlang, spawn, [timer, sleep, [infinity]]), M:subscribe(Far)", sender.atom()));
        assert_eq!(hub.eval("Monitors()"), "2");

        // what an agent says of its health is told and kept, until it says that it is well
        let alarm =
            |how: &str| format!("{{health, Box, program_restarts, {how}, <<\"thermo\">>, <<\"started again 7 times\">>, 1}}");
        sender.eval(&format!("Box = node(), Send({})", alarm("raised")));
        next(&hub, "{box, Box, up}");
        next(&hub, &alarm("raised"));
        // told once more it is no news
        sender.eval(&format!("Send({})", alarm("raised")));
        let alarms = "maps:get(alarms, maps:get(Box, M:boxes()))";
        let want = "[#{what => program_restarts, name => <<\"thermo\">>, text => <<\"started again 7 times\">>, ms => 1}]";
        assert_eq!(hub.eval(&format!("{alarms} =:= {want}")), "true");
        hub.log.wait_from(0, &["edge@", ": program_restarts raised: started again 7 times"]).unwrap();
        sender.eval(&format!("Send({})", alarm("cleared")));
        next(&hub, &alarm("cleared"));
        assert_eq!(hub.eval(alarms), "[]");
        // one that was cleared while the hub was away: a box that comes back tells of those that it has
        sender.eval(&format!("Send({})", alarm("raised")));
        next(&hub, &alarm("raised"));
        assert_eq!(sender.eval(&format!("erlang:disconnect_node({})", hub.atom())), "true");
        next(&hub, "{box, Box, away}");
        assert_eq!(hub.eval(&format!("{alarms} =:= {want}")), "true");
        sender.eval(&format!("net_kernel:connect_node({})", hub.atom()));
        next(&hub, "{health, Box, program_restarts, cleared, <<\"thermo\">>, <<\"started again 7 times\">>, undefined}");
        next(&hub, "{box, Box, up}");
        assert_eq!(hub.eval(alarms), "[]");

        assert_eq!(hub.eval("{M:unsubscribe(self()), M:unsubscribe(self()), M:unsubscribe(Far), Monitors()}"), "{ok,ok,ok,0}");
        assert_eq!(sender.eval("Send({publish, Box, <<\"cpu\">>, 1, 2, 3})"), "ok");
        hub.eval_until("M:last(Box, <<\"cpu\">>) =:= error", "false");
        assert_eq!(hub.eval("receive More -> More after 0 -> nothing end"), "nothing");

        // another is started when it ends, with the same options
        hub.eval("Old = whereis(boxes), exit(Old, kill)");
        hub.eval_until("is_pid(whereis(boxes)) andalso whereis(boxes) =/= Old", "true");
        assert_eq!(hub.eval("{M:last(), M:subscribe()}"), "{#{},ok}");
    }
}

/// What the page shows: how it is taken in both languages, a box's file, and a page of Phoenix. LiveView is a stand-in.
#[test]
fn the_manual_shows_how_it_is_taken() {
    let [block] = blocks_of(PAGE, "Take it", "toml")[..] else { panic!("not one file") };
    let names = |text: &str| text.replace("hub@nuc3", "hub@127.0.0.1").replace("edge1@nuc1", "edge1@127.0.0.1");
    let world = World::new();
    let _epmd = world.epmd();
    fs::write(world.home.join("temp"), "21500\n").unwrap();
    fs::write(world.home.join("beamless.toml"), names(block)).unwrap();
    let demo = world.agent(&["--name", "edge1@127.0.0.1", "--config", "beamless.toml"]);

    let [supervisor] = blocks_of(PAGE, "Take it", "erlang")[..] else { panic!("not one supervisor") };
    let mut hub = hub(&world, &["-name", "hub@127.0.0.1"], MODULES[0]);
    hub.load(&world, "my_sup", &names(supervisor));
    assert_eq!(hub.eval("element(1, my_sup:start_link())"), "ok");
    let call = format!("catch maps:get(value, element(2, M:last({}, <<\"cpu\">>)))", demo.atom());
    hub.eval_until(&call, "21.5");
    assert_eq!(hub.eval(&format!("M:call_all(box, name, []) =:= [{{{}, {{ok, <<\"edge\">>}}}}]", demo.atom())), "true");
    hub.stop();
    demo.wait(&["node down: hub@127.0.0.1"]);

    let [children] = blocks_of(PAGE, "Take it", "elixir")[..] else { panic!("not one list of children") };
    let [view] = blocks_of(PAGE, "A page of Phoenix", "elixir")[..] else { panic!("not one page") };
    let [children, view] = [("children.exs", children), ("view.exs", view)].map(|(name, block)| {
        let file = world.home.join(name);
        fs::write(&file, names(block)).unwrap();
        file.display().to_string()
    });
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/hub_live_view.exs"));
    let said = world.elixir_named(&["--name", "hub@127.0.0.1"], script, &[&file(FILES[1]), &children, &view, &demo.node]);
    assert!(said.contains("all is well"), "{said}");
}

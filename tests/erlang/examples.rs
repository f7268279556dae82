//! The examples do what their pages say, against a real Erlang.

use std::fs;
use std::process::Command;

use crate::support::{Agent, Erl, World};
use crate::{binaries, children, stand_ins};

/// An example with its node's name, the world's cookie and perhaps a peer, registered with EPMD.
fn start(world: &World, example: &str, node: &str, more: &[&str]) -> Agent {
    let agent = world.launch_as(command(example, &[&[node, &world.cookie], more].concat()));
    agent.wait(&["registered"]);
    agent
}

pub(crate) fn command(example: &str, args: &[&str]) -> Command {
    let mut command = children::command(binaries::example(example));
    command.args(args);
    command
}

/// Ends the one mailbox of a node, whose pid it tells nobody: all but the numbers are those of a process that a call makes there.
fn kill_mailbox(erl: &Erl, agent: &Agent, node: &str) {
    erl.eval(&format!("{{Made, _}} = spawn_monitor('{node}', nosuch, nosuch, [])"));
    assert_eq!(erl.eval("receive {'DOWN', _, process, Made, {undef, _}} -> gone after 5000 -> nothing end"), "gone");
    erl.eval(
        "Kill = fun() ->
            Bytes = term_to_binary(Made),
            Head = byte_size(Bytes) - 12,
            <<Begin:Head/binary, _:64, Creation:32>> = Bytes,
            exit(binary_to_term(<<Begin/binary, 1:32, 0:32, Creation:32>>), kill)
         end, Kill()",
    );
    agent.wait(&["ended: killed"]);
}

#[test]
fn echo_answers() {
    let world = World::new();
    let agent = start(&world, "echo", "echo@127.0.0.1", &[]);
    let erl = world.erl(&["-name", "me@127.0.0.1"]);
    erl.eval("{echo, 'echo@127.0.0.1'} ! {self(), hello}");
    assert_eq!(erl.eval("receive Got -> Got after 60000 -> nothing end"), "{echo,hello}");
    agent.wait(&["node up", "me@127.0.0.1"]);
    // What it does not understand does not end it, and neither does more than it can hold.
    erl.load_probe(&world);
    erl.eval("{echo, 'echo@127.0.0.1'} ! nonsense");
    assert_eq!(erl.eval("probe:flood('echo@127.0.0.1', 20000)"), "ok");
    // One that ended is there again.
    kill_mailbox(&erl, &agent, "echo@127.0.0.1");
    let asked =
        "(fun Ask() -> {echo, 'echo@127.0.0.1'} ! {self(), again}, receive {echo, again} -> again after 100 -> Ask() end end)()";
    assert_eq!(erl.eval(asked), "again");
}

#[test]
fn thermometer_gives_readings() {
    let world = World::new();
    let file = world.home.join("temperature");
    fs::write(&file, "21500\n").unwrap();
    let mut command = command("thermometer", &["edge@127.0.0.1", &world.cookie]);
    command.env("SENSOR", &file);
    let agent = world.launch_as(command);
    agent.wait(&["registered"]);
    let erl = world.erl(&["-name", "me@127.0.0.1"]);
    erl.eval("T = {thermometer, 'edge@127.0.0.1'}");
    assert_eq!(erl.eval("gen_server:call(T, celsius, 60000)"), "21.5");
    assert_eq!(erl.eval("gen_server:call(T, fahrenheit, 60000)"), "{error,badarg}");
    let read = "rpc:call('edge@127.0.0.1', thermometer, read, [])";
    assert_eq!(erl.eval(read), "21.5");
    fs::remove_file(file).unwrap();
    assert_eq!(erl.eval("gen_server:call(T, celsius, 60000)"), "{error,no_sensor}");
    assert_eq!(erl.eval(read), "{badrpc,{'EXIT',{no_sensor,[]}}}");
    erl.eval("T ! nonsense");
    assert_eq!(erl.eval("gen_server:call(T, celsius, 60000)"), "{error,no_sensor}");
    // One that ended is there again, and serves its function.
    kill_mailbox(&erl, &agent, "edge@127.0.0.1");
    erl.eval("Again = fun Ask(What) -> try gen_server:call(T, What, 60000) catch exit:{noproc, _} -> Ask(What) end end");
    assert_eq!(erl.eval("Again(celsius)"), "{error,no_sensor}");
    assert_eq!(erl.eval(read), "{badrpc,{'EXIT',{no_sensor,[]}}}");
}

#[test]
fn sensor_sends_readings() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = world.erl(&["-name", "hub@127.0.0.1"]);
    hub.eval("register(collector, self())");
    let agent = start(&world, "sensor", "edge@127.0.0.1", &["hub@127.0.0.1"]);
    hub.eval("Next = fun() -> receive Reading -> Reading after 60000 -> nothing end end");
    assert_eq!(hub.eval("Next()"), "{reading,'edge@127.0.0.1',0,21.5}");
    assert_eq!(hub.eval("Next()"), "{reading,'edge@127.0.0.1',1,21.5}");
    // A lost connection is made again, and the count goes on.
    assert_eq!(hub.eval("erlang:disconnect_node('edge@127.0.0.1')"), "true");
    assert_eq!(hub.eval("Next()"), "{reading,'edge@127.0.0.1',2,21.5}");
    // So does it when the mailbox ended that sends.
    kill_mailbox(&hub, &agent, "edge@127.0.0.1");
    hub.eval("Last = fun Newer(N) -> {reading, _, Count, _} = Next(), if Count > N -> newer; true -> Newer(N) end end");
    assert_eq!(hub.eval("Last(4)"), "newer");
}

#[test]
fn cluster_is_part_of_a_cluster() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = stand_ins::hub(&world, "hub", 1);
    stand_ins::track(&hub);
    let agent = start(&world, "cluster", "edge@127.0.0.1", &[&hub.node]);
    hub.eval("Subscribe(<<\"readings\">>), Call = fun() -> gen_server:call({global, therm}, read, 60000) end");
    let is_all_there = |hub: &Erl| {
        assert_eq!(hub.eval("Next()"), "{reading,'edge@127.0.0.1',21.5}");
        hub.eval_until("Present()", "[{<<\"edge@127.0.0.1\">>,#{unit => celsius}}]");
        hub.eval_until("is_pid(global:whereis_name(therm))", "true");
        assert_eq!(hub.eval("Call()"), "21.5");
    };
    is_all_there(&hub);
    hub.eval("Broadcast(<<\"cmd\">>, {say, <<\"hello\">>}), Broadcast(<<\"other\">>, nothing)");
    agent.wait(&["cmd: {say,<<\"hello\">>}"]);

    // the connection is lost and made again, the mailbox ends, the tracker is started anew
    assert_eq!(hub.eval("erlang:disconnect_node('edge@127.0.0.1')"), "true");
    hub.eval("(fun Forget() -> receive {reading, _, _} -> Forget() after 0 -> ok end end)()");
    is_all_there(&hub);
    let pid = "global:whereis_name(therm)";
    hub.eval(&format!("Old = {pid}, exit(Old, kill)"));
    hub.eval_until(&format!("Old =/= {pid} andalso is_pid({pid})"), "true");
    is_all_there(&hub);
    hub.eval("unlink(Tracker), exit(Tracker, shutdown)");
    agent.wait(&["the tracker ended: shutdown"]);
    hub.eval_until("catch element(1, 'Elixir.My.Tracker':start_link())", "ok");
    is_all_there(&hub);
    assert_eq!(agent.log.count(&["cmd: "]), 1, "{}", agent.log.text());
}

#[test]
fn ask_tells_the_release() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = world.erl(&["-name", "hub@127.0.0.1"]);
    let mut asked = world.launch_as(command("ask", &["tool@127.0.0.1", &world.cookie, "hub@127.0.0.1"]));
    assert_eq!(asked.exit_code(), Some(0));
    assert_eq!(
        asked.log.text(),
        format!("hub@127.0.0.1 runs OTP {}", hub.eval("erlang:system_info(otp_release)").trim_matches('"'))
    );
    let mut nobody = world.launch_as(command("ask", &["tool@127.0.0.1", &world.cookie, "nosuch@127.0.0.1"]));
    assert_eq!(nobody.exit_code(), Some(1));
    assert!(nobody.log.text().contains("nosuch@127.0.0.1: nodedown"));
    assert!(nobody.log.text().contains("cannot connect to nosuch@127.0.0.1: epmd on the host knows no node of that name"));
}

#[test]
fn each_says_how_it_is_used() {
    for example in ["ask", "cluster", "echo", "sensor", "serial", "thermometer"] {
        let output = command(example, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{example}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage"), "{example}");
    }
}

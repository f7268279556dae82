//! The examples do what their pages say, against a real Erlang.

use std::fs;
use std::process::Command;

use crate::support::{Agent, World};
use crate::{binaries, children};

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
}

#[test]
fn sensor_sends_readings() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = world.erl(&["-name", "hub@127.0.0.1"]);
    hub.eval("register(collector, self())");
    let _agent = start(&world, "sensor", "edge@127.0.0.1", &["hub@127.0.0.1"]);
    hub.eval("Next = fun() -> receive Reading -> Reading after 60000 -> nothing end end");
    assert_eq!(hub.eval("Next()"), "{reading,'edge@127.0.0.1',0,21.5}");
    assert_eq!(hub.eval("Next()"), "{reading,'edge@127.0.0.1',1,21.5}");
    // A lost connection is made again, and the count goes on.
    assert_eq!(hub.eval("erlang:disconnect_node('edge@127.0.0.1')"), "true");
    assert_eq!(hub.eval("Next()"), "{reading,'edge@127.0.0.1',2,21.5}");
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
    for example in ["ask", "echo", "sensor", "serial", "thermometer"] {
        let output = command(example, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{example}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage"), "{example}");
    }
}

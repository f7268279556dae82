//! From the first connection to the last goodbye: being pinged, being listed, being sent to, going down.

use crate::support::{World, demo_and_erl, until};

#[test]
fn the_agent_says_first_that_it_is_up() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    assert!(demo.log.text().starts_with("up as demo@"), "{}", demo.log.text());
    demo.wait(&["up as demo@", "epmd embedded", "cookie from", ".erlang.cookie"]);
}

#[test]
fn ping_is_answered_with_pong() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    demo.wait(&["node up", &erl.node]);
}

/// The two lines that the agent logs for a person to paste do what they promise, in a shell that a person would use.
#[test]
fn the_pasted_lines_work() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let ping = demo.wait(&["net_adm:ping(", &demo.atom()]);
    let echo = demo.wait(&["{echo", &demo.atom(), "hello"]);
    let mut shell = world.shell(&["-sname", "person"]);
    shell.paste(&ping[ping.find("net_adm:ping(").unwrap()..]);
    assert!(shell.log.wait_from(0, &["pong"]).is_some(), "no pong");
    shell.paste(&echo[echo.find("{echo").unwrap()..]);
    until("Shell got {echo,hello}", || {
        shell.paste("flush().");
        (shell.log.count(&["Shell got {echo,hello}"]) > 0).then_some(())
    });
}

#[test]
fn a_message_to_a_registered_name_is_answered() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval("{echo, N} ! {self(), hello}");
    assert_eq!(erl.eval("receive Got -> Got after 60000 -> nothing end"), "{echo,hello}");
}

/// The cluster without a beamless node looks the same to a process that registers itself and is answered by name of the sender's pid.
#[test]
fn an_answer_reaches_another_process_than_the_sender() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval("Me = self(), Other = spawn(fun() -> receive M -> Me ! {other_got, M} end end), {echo, N} ! {Other, #{a => 1}}");
    assert_eq!(erl.eval("receive R -> R after 60000 -> nothing end"), "{other_got,{echo,#{a => 1}}}");
}

#[test]
fn a_hidden_agent_is_listed_among_the_hidden() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_kernel:connect_node(N)"), "true");
    assert_eq!(erl.eval("nodes(hidden)"), format!("[{}]", erl.eval("N")));
    assert_eq!(erl.eval("nodes(connected)"), format!("[{}]", erl.eval("N")));
    assert_eq!(erl.eval("nodes()"), "[]");
    // What the agent says of the peer is what the two agreed on: a link is visible only when both ends are.
    demo.wait(&["node up", &erl.node]);
}

#[test]
fn a_visible_agent_is_listed_among_the_nodes() {
    let (_world, demo, erl) = demo_and_erl(&["--visible"]);
    assert_eq!(erl.eval("net_kernel:connect_node(N)"), "true");
    assert_eq!(erl.eval("nodes()"), format!("[{}]", erl.eval("N")));
    assert_eq!(erl.eval("nodes(hidden)"), "[]");
    demo.wait(&["node up", &erl.node, "visible"]);
}

/// What OTP sends to every visible node must not stop the cluster: global's locks, pg's discovery, rpc's multicalls.
#[test]
fn a_visible_agent_does_not_hold_up_the_cluster() {
    let (world, demo, erl) = demo_and_erl(&["--visible"]);
    let second = world.erl(&["-sname", "b"]);
    erl.eval("pg:start_link(), pg:join(group, self())");
    assert_eq!(erl.eval("net_kernel:connect_node(N)"), "true");
    assert_eq!(erl.eval(&format!("net_kernel:connect_node({})", second.atom())), "true");
    assert_eq!(second.eval(&format!("net_kernel:connect_node({})", demo.atom())), "true");
    let timed = "{Micros, Value} = timer:tc(fun() -> global:register_name(somebody, self()) end), {Value, Micros < 5000000}";
    assert_eq!(erl.eval(timed), "{yes,true}");
    second.eval_until("is_pid(global:whereis_name(somebody))", "true");
    let timed = "{M2, {_, Bad}} = timer:tc(fun() -> rpc:multicall([N], erlang, node, [], 10000) end), {Bad, M2 < 5000000}";
    let answer = erl.eval(timed);
    assert!(answer.ends_with(",true}"), "{answer}");
    assert_eq!(erl.eval("pg:get_members(group) =:= [self()]"), "true");
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    assert_eq!(erl.log.count(&["ERROR REPORT"]), 0);
}

#[test]
fn a_killed_agent_is_a_nodedown() {
    let (_world, mut demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("erlang:monitor_node(N, true), net_adm:ping(N)"), "pong");
    demo.kill();
    assert_eq!(erl.eval("receive {nodedown, N} -> down after 60000 -> still_up end"), "down");
    assert_eq!(erl.eval("nodes(hidden)"), "[]");
    assert_eq!(erl.eval("net_adm:ping(N)"), "pang");
}

#[test]
fn a_killed_erlang_is_a_node_down() {
    let (_world, demo, mut erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    demo.wait(&["node up", &erl.node]);
    erl.kill();
    demo.wait(&["node down", &erl.node]);
}

#[test]
fn disconnect_node_ends_the_link_and_the_next_message_begins_another() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    for round in 1..=5 {
        assert_eq!(erl.eval("gen_server:call({echo, N}, again, 60000)"), "again");
        assert_eq!(erl.eval("erlang:disconnect_node(N)"), "true");
        until("the end of this link", || (demo.log.count(&["node down", &erl.node]) == round).then_some(()));
    }
    assert_eq!(demo.log.count(&["node up", &erl.node]), 5);
}

/// SIGTERM and SIGINT: links closed in order, the name withdrawn, exit code 0, and the peers learn of it at once.
#[test]
fn a_signal_stops_the_agent_in_order() {
    for signal in ["TERM", "INT"] {
        let world = World::new();
        let _epmd = world.epmd();
        let mut demo = world.agent(&["--sname", "demo", "--epmd", "external"]);
        world.wait_for_names(&["demo"]);
        let erl = world.erl(&["-sname", "a"]);
        erl.eval(&format!("N = {}, net_kernel:monitor_nodes(true, [nodedown_reason, {{node_type, all}}])", demo.atom()));
        assert_eq!(erl.eval("Ref = monitor(process, {echo, N}), net_adm:ping(N)"), "pong");
        demo.signal(signal);
        assert_eq!(demo.exit_code(), Some(0), "{signal}");
        demo.wait(&["stopped"]);
        assert_eq!(erl.eval("receive {nodedown, N, _} -> down after 60000 -> still_up end"), "down");
        assert_eq!(erl.eval("receive {'DOWN', Ref, _, _, _} -> down after 60000 -> still_up end"), "down");
        world.wait_for_names(&["a"]);
    }
}

/// Two links at a time are the rule in a cluster: the second node neither waits for the first nor disturbs it.
#[test]
fn two_erlangs_are_served_at_once() {
    let (world, demo, first) = demo_and_erl(&[]);
    let second = world.erl(&["-sname", "b"]);
    second.eval(&format!("N = {}", demo.atom()));
    for i in 0..20 {
        assert_eq!(first.eval(&format!("gen_server:call({{echo, N}}, {i}, 60000)")), i.to_string());
        assert_eq!(second.eval(&format!("gen_server:call({{echo, N}}, {i}, 60000)")), i.to_string());
    }
    drop(second);
    demo.wait(&["node down", "b@"]);
    assert_eq!(first.eval("gen_server:call({echo, N}, still_here, 60000)"), "still_here");
}

/// An Erlang that ticks every second hears an answer to each tick, or it would call the agent dead after four.
#[test]
pub(crate) fn an_impatient_erlang_is_ticked_often_enough() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let erl = world.erl(&["-sname", "a", "-kernel", "net_ticktime", "4"]);
    erl.eval(&format!("N = {}", demo.atom()));
    assert_eq!(erl.eval("erlang:monitor_node(N, true), net_adm:ping(N)"), "pong");
    assert_eq!(erl.eval("receive {nodedown, N} -> down after 9000 -> still_up end"), "still_up");
    demo.wait(&["node up"]);
    assert_eq!(demo.log.count(&["node up"]), 1);
}

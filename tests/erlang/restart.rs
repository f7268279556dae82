//! Killed with -9 and started again: on both sides, whoever speaks first, and when the peer still believes in the old connection.

use crate::support::{World, free_port, otp, register_by_hand, until};

const ROUNDS: usize = 4;

/// Erlang calls again after each death.
#[test]
pub(crate) fn erlang_reaches_a_restarted_agent_at_once() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    for round in 0..ROUNDS {
        let mut demo = world.agent(&["--sname", "demo"]);
        erl.eval(&format!("N = {}", demo.atom()));
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, N}}, {round}, 60000)")), round.to_string());
        demo.wait(&["node up", &erl.node]);
        demo.kill();
        // who calls before Erlang has seen the end is told of that end
        erl.eval_until("nodes(hidden)", "[]");
    }
}

/// The agent calls again by itself. Nobody waits for Erlang to notice the death.
#[test]
pub(crate) fn a_restarted_agent_reaches_erlang_at_once() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    for round in 0..ROUNDS {
        let mut demo = world.agent(&["--sname", "demo", "--connect", &erl.node]);
        demo.wait(&["node up", &erl.node]);
        erl.eval(&format!("N = {}", demo.atom()));
        erl.eval_until("nodes(hidden) =:= [N]", "true");
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, N}}, {round}, 60000)")), round.to_string());
        demo.kill();
    }
}

/// The embedded EPMD dies with its agent; its port is free for the next one at once, and Erlang registers there again by itself:
/// OTP 23 does not, and is told to.
#[test]
fn the_embedded_epmd_comes_back_with_its_agent() {
    let world = World::new();
    let mut demo = world.agent(&["--sname", "demo"]);
    let erl = world.erl(&["-sname", "a"]);
    let port = erl.eval("element(2, erl_epmd:port_please(\"a\", \"localhost\"))");
    for round in 0..2 {
        assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong", "round {round}");
        world.wait_for_names(&["a", "demo"]);
        demo.kill();
        demo = world.agent(&["--sname", "demo"]);
        demo.wait(&["up as", "epmd embedded"]);
        if otp() < 24 {
            // it may not have noticed yet that the old one is gone
            erl.eval_until(&format!("element(1, erl_epmd:register_node(a, {port}))"), "ok");
        }
    }
    // Erlang looks for its EPMD again every two seconds.
    world.wait_for_names(&["a", "demo"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
}

/// The `alive` path. A stopped process keeps its sockets open, as a host does that lost its power: Erlang believes in the old
/// connection when the new agent of the same name comes, and asks it whether to go on. OTP 23 asks, and then holds on to the old one
/// until its tick time is over: the agent says so, and comes in by itself when Erlang has given that one up.
#[test]
pub(crate) fn an_agent_replaces_its_dead_self() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    // The first agent has an EPMD of its own, so that its name is free in Erlang's: the stopped process would keep it there.
    let apart = world.with_epmd_port(free_port());
    let _other_epmd = apart.epmd();
    let port: u16 = erl.eval("element(2, erl_epmd:port_please(\"a\", \"localhost\"))").parse().unwrap();
    let _registration = register_by_hand(apart.epmd_port, "a", port);
    let mut frozen = apart.agent(&["--sname", "demo", "--connect", &erl.node]);
    frozen.wait(&["node up", &erl.node]);
    erl.eval(&format!("N = {}", frozen.atom()));
    erl.eval_until("nodes(hidden) =:= [N]", "true");

    let mut before = None;
    for round in 0..ROUNDS {
        frozen.signal("STOP");
        assert_eq!(erl.eval("nodes(hidden) =:= [N]"), "true", "Erlang knows already");
        // The one stopped before this one held the name in the EPMD where the next one registers.
        drop(before.take());
        let next = if round % 2 == 0 { &world } else { &apart };
        let demo = next.agent(&["--sname", "demo", "--connect", &erl.node]);
        if otp() < 24 {
            demo.wait(&["cannot connect to", &erl.node, "still holds an old connection"]);
            // what the end of a tick time, a minute, does
            assert_eq!(erl.eval("erlang:disconnect_node(N)"), "true");
        }
        demo.wait(&["node up", &erl.node]);
        erl.eval_until("catch gen_server:call({echo, N}, new, 1000)", "new");
        assert_eq!(erl.eval("nodes(hidden) =:= [N]"), "true");
        assert_eq!(demo.log.count(&["node down"]), 0);
        before = Some(std::mem::replace(&mut frozen, demo));
    }
}

/// The same with the roles changed: an Erlang that died without a word comes back, and the agent takes the new one for the old.
#[test]
pub(crate) fn an_erlang_replaces_its_dead_self() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let apart = world.with_epmd_port(free_port());
    let _other_epmd = apart.epmd();
    let _registration = register_by_hand(apart.epmd_port, "demo", demo.port);
    let old = world.erl(&["-sname", "a"]);
    old.eval(&format!("N = {}", demo.atom()));
    assert_eq!(old.eval("net_adm:ping(N)"), "pong");
    old.signal("STOP");

    let new = apart.erl(&["-sname", "a"]);
    new.eval(&format!("N = {}", demo.atom()));
    assert_eq!(new.eval("net_kernel:connect_node(N)"), "true");
    assert_eq!(new.eval("gen_server:call({echo, N}, new, 60000)"), "new");
    until("a second node up", || (demo.log.count(&["node up", &new.node]) == 2).then_some(()));
    until("one link to be left", || (demo.connections(world.epmd_port) == 1).then_some(()));
    assert_eq!(demo.log.count(&["node down", &new.node]), 1);
}

/// Both call at the same moment, again and again: each time they end with one connection, and agree on it.
#[test]
pub(crate) fn both_sides_connect_at_once() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "m"]);
    // The comparison of the names decides whose attempt wins: one agent's name is smaller than Erlang's, the other's greater.
    for name in ["a", "z"] {
        for _ in 0..ROUNDS {
            let node = format!("'{name}@{}'", erl.node.split_once('@').unwrap().1);
            let source = format!(
                "(fun Try(0) -> never; Try(I) ->
                    case net_kernel:connect_node({node}) of true -> true; false -> timer:sleep(1), Try(I - 1) end
                end)(60000)"
            );
            let asked = erl.ask(&source);
            let demo = world.agent(&["--sname", name, "--connect", &erl.node]);
            assert_eq!(erl.answer(asked), "true");
            demo.wait(&["node up", &erl.node]);
            erl.eval_until(&format!("catch gen_server:call({{echo, {node}}}, hello, 2000)"), "hello");
            assert_eq!(erl.eval(&format!("nodes(hidden) =:= [{node}]")), "true");
            until("one connection", || (demo.connections(world.epmd_port) == 1).then_some(()));
            let (ups, downs) = (demo.log.count(&["node up"]), demo.log.count(&["node down"]));
            assert_eq!(ups, downs + 1, "{ups} up, {downs} down");
            drop(demo);
            erl.eval_until("nodes(hidden)", "[]");
        }
    }
}

/// An agent that connects by itself comes back by itself.
#[test]
pub(crate) fn a_lost_link_is_made_again() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    let demo = world.agent(&["--sname", "demo", "--connect", &erl.node]);
    demo.wait(&["node up", &erl.node]);
    erl.eval(&format!("N = {}", demo.atom()));
    erl.eval_until("nodes(hidden) =:= [N]", "true");
    assert_eq!(erl.eval("erlang:disconnect_node(N)"), "true");
    demo.wait(&["node down", &erl.node]);
    erl.eval_until("nodes(hidden) =:= [N]", "true");
    drop(erl);
    until("the second node down", || (demo.log.count(&["node down"]) == 2).then_some(()));
    let _again = world.erl(&["-sname", "a"]);
    until("the third node up", || (demo.log.count(&["node up"]) == 3).then_some(()));
}

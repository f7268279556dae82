//! Certificates that are renewed while messages go over a link.

use std::fs;
use std::time::Duration;

use crate::pki::{Ca, Kind};
use crate::support::{World, until};

/// Has Erlang call about a thousand times a second, with the number of each call, until it is told to stop; it says how many were answered in order.
const CALLER: &str = "
    Loop = fun Loop(Number) ->
        [I = gen_server:call({echo, N}, I, 60000) || I <- lists:seq(Number, Number + 2)],
        receive {stop, From} -> From ! {answered, Number + 3} after 1 -> Loop(Number + 3) end
    end,
    erlang:monitor_node(N, true),
    register(caller, spawn(fun() -> Loop(0) end)), ok";

/// Renews the agent's certificate so many times, under load. `by_itself`: it finds out by itself, in ten seconds.
fn renewed(rounds: usize, every: Duration, by_itself: bool) {
    let world = World::new();
    let _epmd = world.epmd();
    let ca = Ca::new("test");
    let (there, here) = (ca.folder(&world.home.join("there"), &["127.0.0.1"]), world.home.join("here"));
    ca.folder(&here, &["127.0.0.1", "round0"]);
    fs::write(world.home.join("demo.toml"), "name = \"demo@127.0.0.1\"\n[tls]\ndir = \"here\"\n").unwrap();
    let demo = world.agent(&["--config", "demo.toml"]);
    let at = there.display();
    let files = format!("{{certfile,\"{at}/tls.crt\"}},{{keyfile,\"{at}/tls.key\"}},{{cacertfile,\"{at}/ca.crt\"}}");
    let options = format!("{files},{{verify,verify_peer}},{{versions,['tlsv1.3']}}");
    fs::write(
        world.home.join("dist.conf"),
        format!("[{{server,[{{fail_if_no_peer_cert,true}},{options}]}},{{client,[{options}]}}]."),
    )
    .unwrap();
    let optfile = world.home.join("dist.conf").display().to_string();
    let erl = world.erl(&["-name", "a@127.0.0.1", "-proto_dist", "inet_tls", "-ssl_dist_optfile", &optfile]);
    let load = CALLER.replace("N,", "'demo@127.0.0.1',").replace("N}", "'demo@127.0.0.1'}");
    assert_eq!(erl.eval(&load), "ok");
    // a connection of its own shows which certificate the agent has by now
    let shown = |name: &str| {
        let shown = erl.eval(&format!(
            "(fun() -> {{ok, _}} = application:ensure_all_started(ssl), {{ok, S}} = ssl:connect(\"127.0.0.1\", {}, [{files}, {{verify, verify_none}}], 60000),
             {{ok, Cert}} = ssl:peercert(S), ssl:close(S), binary:match(Cert, <<\"{name}\">>) =/= nomatch end)()",
            demo.port
        ));
        (shown == "true").then_some(())
    };
    until("the first certificate", || shown("round0"));
    for round in 1..=rounds {
        std::thread::sleep(every);
        let name = format!("round{round}");
        let cert = ca.cert(Kind::of(&["127.0.0.1", &name]));
        let before = demo.log.len();
        // one after the other, as a daemon writes them: for a moment they do not fit
        ca.write(&cert, &here);
        if !by_itself {
            demo.signal("HUP");
        }
        demo.wait_from(before, &["TLS: read anew"]);
        until("the new certificate", || shown(&name));
    }
    let answered = erl.eval("caller ! {stop, self()}, receive {answered, Number} -> Number after 60000 -> lost end");
    let answered: usize = answered.parse().expect("each call to be answered with its own number");
    assert!(answered > 100 * rounds, "{answered}");
    assert_eq!(erl.eval("receive {nodedown, _} -> down after 0 -> up end"), "up");
    println!("{answered} calls answered in order over {rounds} renewals");
}

#[test]
fn a_link_outlives_the_certificates_it_was_made_with() {
    renewed(4, Duration::from_secs(1), false);
}

/// Six times in two minutes, found by the agent itself.
#[test]
#[ignore = "takes two minutes"]
fn a_link_outlives_certificates_for_two_minutes() {
    renewed(6, Duration::from_secs(20), true);
}

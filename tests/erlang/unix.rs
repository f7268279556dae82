//! A node and a real Erlang with a Unix socket between them, and no network: Erlang with OTP's example of such a carrier, `erl_uds_dist.erl`.
//! tests/otp/get brings it; BEAMLESS_UDS names another.

use std::time::{Duration, Instant};

use beamless::{Config, Driver, EpmdSettings, Event, Node};

use crate::inside::{Inside, storage};
use crate::support::{Erl, World, otp};

/// Compiles the example in the world's home.
fn make_example(world: &World) {
    let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otp/cache/examples/usr/lib/erlang/lib/kernel-*");
    let named = std::env::var("BEAMLESS_UDS").unwrap_or_else(|_| "none".into());
    let maker = world.erl(&[]);
    let example = "/examples/erl_uds_dist/src/erl_uds_dist.erl";
    let found = maker.eval(&format!(
        "Found = filelib:wildcard({named:?}) ++ filelib:wildcard({fetched:?} {example:?}) ++ filelib:wildcard(code:lib_dir(kernel) ++ {example:?}),
         length(Found)"
    ));
    assert_ne!(found, "0", "there is no erl_uds_dist.erl: tests/run brings it, and so does tests/otp/get 25");
    let home = world.home.display().to_string();
    assert_eq!(maker.eval(&format!("compile:file(hd(Found), [{{outdir, {home:?}}}])")), "{ok,erl_uds_dist}");
}

/// An Erlang whose socket is the file `one`, and which looks for that of `ours@localhost` in the file `ours`.
fn erl(world: &World) -> Erl {
    world.erl(&["-proto_dist", "erl_uds", "-no_epmd", "-sname", "one@localhost", "-pa", ".", "-kernel", "net_ticktime", "4"])
}

#[test]
fn an_erlang_without_a_network_is_talked_to_over_a_socket_of_the_host() {
    let world = World::new();
    // the example calls what older releases do not have
    if otp() < 25 {
        return;
    }
    make_example(&world);
    let erl = erl(&world);
    let mut storage = storage();
    let config = Config::hidden("ours@localhost", &world.cookie).unwrap().tick_time(Duration::from_secs(4)).unwrap();
    let mut node = Node::new(config, &mut *storage);
    let sink = node.register("sink").unwrap();
    let mut driver = Driver::outgoing(&EpmdSettings::new(world.epmd_port), &mut node).unwrap();
    driver.listen_unix(world.home.join("ours")).unwrap();
    driver.set_socket("one@localhost", world.home.join("one")).unwrap();
    let mut ours = Inside { node, driver, events: Vec::new() };

    // it dials, and then we do
    assert_eq!(ours.eval(&erl, "net_adm:ping('ours@localhost')"), "pong");
    ours.until_event("its connection", |event| matches!(event, Event::NodeUp { .. }));
    assert_eq!(ours.eval(&erl, "erlang:disconnect_node('ours@localhost')"), "true");
    ours.until_event("the end of it", |event| matches!(event, Event::NodeDown { .. }));
    ours.node.connect("one@localhost").unwrap();
    ours.until_event("our connection", |event| matches!(event, Event::NodeUp { .. }));
    ours.eval_until(&erl, "nodes(hidden)", "[ours@localhost]");

    // a thousand messages here, each longer than the one before, up to 14,000 bytes
    let sending = erl.ask("[{sink, 'ours@localhost'} ! binary:copy(<<N:16>>, N * 7) || N <- lists:seq(1, 1000)], sent");
    for number in 1..=1000_u16 {
        ours.receive(sink, |message, _| {
            let bytes = message.term().as_binary().unwrap();
            assert_eq!((bytes.len(), bytes.get(..2)), (usize::from(number) * 14, Some(&number.to_be_bytes()[..])));
        });
    }
    assert_eq!(ours.answer(&erl, sending), "sent");
    // and a thousand there
    let collected = "lists:seq(0, 999) =:= [receive N -> N after 60000 -> nothing end || _ <- lists:seq(0, 999)]";
    ours.eval(&erl, "register(collect, self())");
    let asked = erl.ask(collected);
    let mut sent = 0;
    ours.until("all to be sent", |ours| {
        while sent < 1000 && ours.node.outbox(sink).unwrap().send(("collect", "one@localhost"), |t| t.int(sent)).is_ok() {
            sent += 1;
        }
        (sent == 1000).then_some(())
    });
    assert_eq!(ours.answer(&erl, asked), "true");

    // a silence longer than the five seconds after which either gives the other up
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        ours.turn();
    }
    // that it sent faster than was read is no event of this
    ours.events.retain(|event| !matches!(event, Event::Held { .. }));
    assert!(ours.events.is_empty(), "{:?}", ours.events);
    assert_eq!(ours.eval(&erl, "nodes(hidden)"), "[ours@localhost]");
    ours.driver.close(&mut ours.node, Duration::from_secs(1)).unwrap();
    assert!(!world.home.join("ours").exists());
}

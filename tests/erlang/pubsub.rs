//! Phoenix.PubSub and its tracker: a box broadcasts, and is present. See [`crate::stand_ins`] for whose PubSub it is.

use beamless::{Mailbox, Received};

use crate::stand_ins::{hub, track};
use crate::program::{Program, Storage};
use crate::support::{PATIENCE, World};

const ADAPTER: &str = "Elixir.My.PubSub.Adapter";

/// What a hub's worker gives to its subscribers: to one worker of each hub, for none of them passes it on.
#[test]
fn a_box_broadcasts_by_the_adapters_name() {
    let mut storage = Box::new(Storage::new());
    let mut program = Program::new(&mut storage);
    let hubs = ["a", "b"].map(|alive| hub(&program.world, alive, 1));
    let sensor = program.node.register("sensor").unwrap();
    for hub in &hubs {
        hub.eval("Subscribe(<<\"readings\">>)");
        program.node.connect(&hub.node).unwrap();
        program.until("the connection", |p| p.connected(&hub.node));
    }
    for (topic, celsius) in [("readings", 21.5), ("others", 0.0), ("readings", 22.0)] {
        for hub in &hubs {
            let mut out = program.node.outbox(sensor).unwrap();
            out.send((ADAPTER, hub.node.as_str()), |t| {
                t.tuple(4)?.atom("forward_to_local")?.str(topic)?;
                t.tuple(2)?.atom("reading")?.float(celsius)?;
                t.atom("Elixir.Phoenix.PubSub")
            })
            .unwrap();
        }
    }
    for hub in &hubs {
        assert_eq!(program.eval(hub, "Next()"), "{reading,21.5}");
        assert_eq!(program.eval(hub, "Next()"), "{reading,22.0}");
        assert_eq!(program.eval(hub, "receive More -> More after 200 -> nothing end"), "nothing");
    }
}

/// From a shell, with a pool of two workers: any one of them does.
#[test]
fn a_shell_broadcasts_by_the_adapters_name() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = hub(&world, "a", 2);
    hub.eval("Subscribe(<<\"readings\">>)");
    for name in [ADAPTER.to_owned(), format!("{ADAPTER}_2")] {
        let message = "{forward_to_local, <<\"readings\">>, {reading, 21.5}, 'Elixir.Phoenix.PubSub'}";
        world.tool(&["send", "--name", "shell@127.0.0.1", &hub.node, &name, message]).done("");
        assert_eq!(hub.eval("Next()"), "{reading,21.5}");
    }
    assert_eq!(hub.eval("receive More -> More after 200 -> nothing end"), "nothing");
}

/// A hub tracks a box, all hubs know it, and it is gone once its connection is lost, or its mailbox ends. The tracker's own end is an exit to it.
#[test]
fn a_box_is_present_while_it_is_connected() {
    let mut storage = Box::new(Storage::new());
    let mut program = Program::new(&mut storage);
    let hubs = ["a", "b"].map(|alive| hub(&program.world, alive, 1));
    assert_eq!(program.eval(&hubs[0], "net_kernel:connect_node('b@127.0.0.1')"), "true");
    hubs.iter().for_each(track);
    for end in ["disconnect", "exit"] {
        let thermometer = program.node.register("thermometer").unwrap();
        program.node.trap_exit(thermometer, true).unwrap();
        assert_eq!(ask_to_be_tracked(&mut program, thermometer, &hubs[0].node), "ok");
        for hub in &hubs {
            program.eval_until(hub, "Present()", "[{<<\"thermometer\">>,#{unit => celsius}}]");
        }
        if end == "disconnect" {
            assert_eq!(program.eval(&hubs[0], "erlang:disconnect_node('program@127.0.0.1')"), "true");
        }
        program.node.close_mailbox(thermometer, |t| t.atom("normal")).unwrap();
        for hub in &hubs {
            program.eval_until(hub, "Present()", "[]");
        }
    }

    let thermometer = program.node.register("thermometer").unwrap();
    program.node.trap_exit(thermometer, true).unwrap();
    assert_eq!(ask_to_be_tracked(&mut program, thermometer, &hubs[0].node), "ok");
    hubs[0].eval("unlink(Tracker), exit(Tracker, shutdown)");
    assert!(program.received(thermometer, |got| matches!(got, Received::Exit { reason, .. } if reason.is_atom("shutdown"))));
}

/// `Phoenix.Tracker.track(My.Tracker, self(), "boxes", "thermometer", %{unit: :celsius})` on a hub; the first word of its answer.
fn ask_to_be_tracked(program: &mut Program<'_>, mailbox: Mailbox, hub: &str) -> String {
    let me = program.node.pid(mailbox).unwrap();
    let mut out = program.node.outbox(mailbox).unwrap();
    let tracked = out.rpc(hub, "Elixir.Phoenix.Tracker", "track", Some(PATIENCE), |t| {
        t.list(5)?.atom("Elixir.My.Tracker")?.pid(me.as_pid())?.str("boxes")?.str("thermometer")?;
        t.map(1)?.atom("unit")?.atom("celsius")?.nil()
    });
    let tracked = tracked.unwrap();
    program.received(mailbox, |got| match got {
        Received::Answer { request, result } if request == tracked => match result.unwrap().tuple() {
            Some([first, _]) => first.to_string(),
            None => panic!("no tuple"),
        },
        _ => panic!("something else came"),
    })
}

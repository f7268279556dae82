//! Phoenix.PubSub and its tracker: a box broadcasts, is broadcast to, and is present. See [`crate::stand_ins`] for whose PubSub it is.

use beamless::{Event, GroupStorage, Mailbox, Message, Outbox, Received, Term};

use crate::inside::{Inside, storage};
use crate::stand_ins::{hub, track};
use crate::support::{PATIENCE, World};

const ADAPTER: &str = "Elixir.My.PubSub.Adapter";
const SCOPE: &str = "Elixir.Phoenix.PubSub";

type Groups = GroupStorage<4, 4, 8>;

/// What a hub's worker gives to its subscribers: to one worker of each hub, for none of them passes it on.
#[test]
fn a_box_broadcasts_by_the_adapters_name() {
    let world = World::new();
    let _epmd = world.epmd();
    let mut storage = storage();
    let mut inside = world.inside(world.config("box"), &mut storage);
    let hubs = ["a", "b"].map(|alive| hub(&world, alive, 1));
    let sensor = inside.node.register("sensor").unwrap();
    for hub in &hubs {
        hub.eval("Subscribe(<<\"readings\">>)");
        inside.node.connect(&hub.node).unwrap();
        inside.until_event("the connection", |event| matches!(event, Event::NodeUp { .. }));
    }
    for (topic, celsius) in [("readings", 21.5), ("others", 0.0), ("readings", 22.0)] {
        for hub in &hubs {
            let mut out = inside.node.outbox(sensor).unwrap();
            out.send((ADAPTER, hub.node.as_str()), |t| {
                t.tuple(4)?.atom("forward_to_local")?.str(topic)?;
                t.tuple(2)?.atom("reading")?.float(celsius)?;
                t.atom("Elixir.Phoenix.PubSub")
            })
            .unwrap();
        }
    }
    for hub in &hubs {
        assert_eq!(inside.eval(hub, "Next()"), "{reading,21.5}");
        assert_eq!(inside.eval(hub, "Next()"), "{reading,22.0}");
        assert_eq!(inside.eval(hub, "receive More -> More after 200 -> nothing end"), "nothing");
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

/// A mailbox is a member of the groups of all workers, for a process broadcasts by one of them.
#[test]
fn a_broadcast_reaches_a_mailbox_that_joined() {
    let world = World::new();
    let _epmd = world.epmd();
    let (mut storage, mut groups) = (storage(), Box::new(Groups::new()));
    let mut inside = world.inside(world.config("box"), &mut storage);
    inside.node.set_groups(&mut groups).unwrap();
    let hub = hub(&world, "a", 2);
    let inbox = join(&mut inside, &hub.node, 2);
    inside.eval_until(&hub, "[length(pg:get_members('Elixir.Phoenix.PubSub', Group)) || Group <- Groups]", "[2,2]");

    // each by a process of its own; some of them have the first worker's group, and some the second's
    hub.eval("Subscribe(<<\"cmd\">>)");
    hub.eval("By = fun(N) -> spawn(fun() -> Broadcast(<<\"cmd\">>, {ask, N}) end) end");
    hub.eval("lists:foreach(By, lists:seq(1, 20))");
    let mut asked: Vec<Option<i64>> = (0..20)
        .map(|_| {
            inside.receive(inbox, |message, _| {
                let (topic, term) = broadcast(&message);
                assert_eq!(topic, "cmd");
                term.tuple().and_then(|[_, number]| number.as_i64())
            })
        })
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, (1..=20).map(Some).collect::<Vec<_>>());

    // one that left is told nothing
    for group in adapters(2) {
        inside.node.leave(inbox, SCOPE, |t| t.atom(&group)).unwrap();
    }
    inside.eval_until(&hub, "[length(pg:get_members('Elixir.Phoenix.PubSub', Group)) || Group <- Groups]", "[1,1]");
    hub.eval("lists:foreach(By, lists:seq(1, 20))");
    hub.eval("[receive {ask, N} -> N end || N <- lists:seq(1, 20), _ <- [once, again]]");
    inside.eval(&hub, "{inbox, 'box@127.0.0.1'} ! last");
    assert!(inside.receive(inbox, |message, _| message.term().is_atom("last")));
}

/// The topic and the message of a broadcast.
fn broadcast<'m>(message: &Message<'m>) -> (&'m str, Term<'m>) {
    match message.term().tuple() {
        Some([tag, topic, term, dispatcher]) if tag.is_atom("forward_to_local") && dispatcher.is_atom(SCOPE) => {
            (topic.as_str().unwrap(), term)
        }
        _ => panic!("{}", message.term()),
    }
}

/// The names of so many workers.
fn adapters(pool_size: usize) -> impl Iterator<Item = String> {
    (1..=pool_size).map(|n| if n == 1 { ADAPTER.to_owned() } else { format!("{ADAPTER}_{n}") })
}

/// A mailbox `inbox` that is a member with so many workers, connected to a hub.
fn join(inside: &mut Inside<'_>, hub: &str, pool_size: usize) -> Mailbox {
    let inbox = inside.node.register("inbox").unwrap();
    for group in adapters(pool_size) {
        inside.node.join(inbox, SCOPE, |t| t.atom(&group)).unwrap();
    }
    inside.node.connect(hub).unwrap();
    inbox
}

/// What a box publishes goes to whoever is a member, hubs alike, once.
#[test]
fn what_is_published_reaches_subscribers_on_two_hubs() {
    let world = World::new();
    let _epmd = world.epmd();
    let (mut storage, mut groups) = (storage(), Box::new(Groups::new()));
    let mut inside = world.inside(world.config("box"), &mut storage);
    inside.node.set_groups(&mut groups).unwrap();
    let hubs = ["a", "b"].map(|alive| hub(&world, alive, 1));
    assert_eq!(inside.eval(&hubs[0], "net_kernel:connect_node('b@127.0.0.1')"), "true");
    inside.node.monitor_scope(SCOPE).unwrap();
    let inbox = join(&mut inside, &hubs[0].node, 1);
    inside.node.connect(&hubs[1].node).unwrap();
    inside.until("the workers of both", |inside| (inside.node.members(SCOPE, |t| t.atom(ADAPTER)).count() == 2).then_some(()));
    for hub in &hubs {
        hub.eval("Subscribe(<<\"readings\">>)");
        inside.eval_until(hub, "length(pg:get_members('Elixir.Phoenix.PubSub', hd(Groups)))", "3");
    }
    for celsius in [21.5, 22.0] {
        let sent = inside.node.send_to_group(
            inbox,
            SCOPE,
            |t| t.atom(ADAPTER),
            |t| {
                t.tuple(4)?.atom("forward_to_local")?.str("readings")?;
                t.tuple(2)?.atom("reading")?.float(celsius)?.atom(SCOPE)
            },
        );
        assert_eq!(sent.unwrap(), 2);
    }
    for hub in &hubs {
        assert_eq!(inside.eval(hub, "Next()"), "{reading,21.5}");
        assert_eq!(inside.eval(hub, "Next()"), "{reading,22.0}");
        assert_eq!(inside.eval(hub, "receive More -> More after 200 -> nothing end"), "nothing");
    }
    // one hub's broadcast comes to the other hub and to the box
    hubs[1].eval("Broadcast(<<\"readings\">>, hello)");
    assert_eq!(inside.eval(&hubs[0], "Next()"), "hello");
    assert!(inside.receive(inbox, |message, _| broadcast(&message).1.is_atom("hello")));
}

/// A member is told what trackers tell each other, and they take no notice of it.
#[test]
fn heartbeats_of_trackers_come_and_do_no_harm() {
    let world = World::new();
    let _epmd = world.epmd();
    let (mut storage, mut groups) = (storage(), Box::new(Groups::new()));
    let mut inside = world.inside(world.config("box"), &mut storage);
    inside.node.set_groups(&mut groups).unwrap();
    let hub = hub(&world, "a", 1);
    let inbox = join(&mut inside, &hub.node, 1);
    inside.eval_until(&hub, "length(pg:get_members('Elixir.Phoenix.PubSub', hd(Groups)))", "2");
    track(&hub);
    let is_heartbeat = |message: Message<'_>, _: Outbox<'_>| {
        let (topic, term) = broadcast(&message);
        topic == "phx_presence:Elixir.My.Tracker_shard0" && term.to_string().starts_with("{pub,heartbeat,{'a@127.0.0.1',")
    };
    assert!(inside.receive(inbox, is_heartbeat));
    inside.node.trap_exit(inbox, true).unwrap();
    assert_eq!(ask_to_be_tracked(&mut inside, inbox, &hub.node), "ok");
    inside.eval_until(&hub, "Present()", "[{<<\"thermometer\">>,#{unit => celsius}}]");
    assert!(inside.receive(inbox, is_heartbeat));
    assert_eq!(hub.eval("is_process_alive(Scope) andalso is_process_alive(Tracker)"), "true");
}

/// A hub tracks a box, all hubs know it, and it is gone once its connection is lost, or its mailbox ends. The tracker's own end is an exit to it.
#[test]
fn a_box_is_present_while_it_is_connected() {
    let world = World::new();
    let _epmd = world.epmd();
    let mut storage = storage();
    let mut inside = world.inside(world.config("box"), &mut storage);
    let hubs = ["a", "b"].map(|alive| hub(&world, alive, 1));
    assert_eq!(inside.eval(&hubs[0], "net_kernel:connect_node('b@127.0.0.1')"), "true");
    hubs.iter().for_each(track);
    for end in ["disconnect", "exit"] {
        let thermometer = inside.node.register("thermometer").unwrap();
        inside.node.trap_exit(thermometer, true).unwrap();
        assert_eq!(ask_to_be_tracked(&mut inside, thermometer, &hubs[0].node), "ok");
        for hub in &hubs {
            inside.eval_until(hub, "Present()", "[{<<\"thermometer\">>,#{unit => celsius}}]");
        }
        if end == "disconnect" {
            assert_eq!(inside.eval(&hubs[0], "erlang:disconnect_node('box@127.0.0.1')"), "true");
        } else {
            inside.node.close_mailbox(thermometer, |t| t.atom("normal")).unwrap();
        }
        for hub in &hubs {
            inside.eval_until(hub, "Present()", "[]");
        }
        let _ = inside.node.close_mailbox(thermometer, |t| t.atom("normal"));
    }

    let thermometer = inside.node.register("thermometer").unwrap();
    inside.node.trap_exit(thermometer, true).unwrap();
    assert_eq!(ask_to_be_tracked(&mut inside, thermometer, &hubs[0].node), "ok");
    hubs[0].eval("unlink(Tracker), exit(Tracker, shutdown)");
    assert!(inside.receive(
        thermometer,
        |message, _| matches!(message.received(), Received::Exit { reason, .. } if reason.is_atom("shutdown"))
    ));
}

/// `Phoenix.Tracker.track(My.Tracker, self(), "boxes", "thermometer", %{unit: :celsius})` on a hub; the first word of its answer.
fn ask_to_be_tracked(inside: &mut Inside<'_>, mailbox: Mailbox, hub: &str) -> String {
    let me = inside.node.pid(mailbox).unwrap();
    let mut out = inside.node.outbox(mailbox).unwrap();
    let tracked = out.rpc(hub, "Elixir.Phoenix.Tracker", "track", Some(PATIENCE), |t| {
        t.list(5)?.atom("Elixir.My.Tracker")?.pid(me.as_pid())?.str("boxes")?.str("thermometer")?;
        t.map(1)?.atom("unit")?.atom("celsius")?.nil()
    });
    let tracked = tracked.unwrap();
    loop {
        let answer = inside.receive(mailbox, |message, _| match message.received() {
            Received::Answer { request, result } if request == tracked => {
                result.unwrap().tuple().map(|[first, _]| first.to_string())
            }
            _ => None,
        });
        if let Some(answer) = answer {
            return answer;
        }
    }
}

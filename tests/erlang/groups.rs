//! Groups of `pg` and names of `global`, with mailboxes of a node in this thread as members.

use beamless::{Config, Error, Event, Full, GroupStorage, Mailbox, Misuse, Overflow, Received};

use crate::inside::{Inside, storage};
use crate::support::{Erl, World, otp};

type Memory = GroupStorage<4, 64, 64>;

/// Settings of either kind of node.
fn kinds(world: &World) -> [Config; 2] {
    [world.config("in"), Config::visible("in@127.0.0.1", &world.cookie).unwrap()]
}

/// The nodes of a group's members, as Erlang `erl` sees them.
fn nodes(inside: &mut Inside<'_>, erl: &Erl, scope: &str, group: &str) -> String {
    inside.eval(erl, &format!("[node(P) || P <- pg:get_members({scope}, {group})]"))
}

impl Inside<'_> {
    /// Waits until these are the nodes of a group's members.
    fn until_members(&mut self, erl: &Erl, scope: &str, group: &str, want: &str) {
        self.until(&format!("members of {group}"), |inside| (nodes(inside, erl, scope, group) == want).then_some(()));
    }

    /// A real Erlang of another release.
    fn erl_of(&mut self, world: &World, erl: &str, alive: &str) -> Erl {
        let mut erl = world.launch_erl_of(erl, &["-name", &format!("{alive}@127.0.0.1")]);
        erl.node = self.eval(&erl, "node()").trim_matches('\'').to_owned();
        erl
    }

    fn connect(&mut self, erl: &Erl) {
        // a connection that Erlang has ended may still be there
        self.until("node up", |inside| {
            inside.node.connect(&erl.node).unwrap();
            let is_up = |event: &Event| matches!(event, Event::NodeUp { node, .. } if node.as_str() == erl.node);
            let at = inside.events.iter().position(is_up)?;
            inside.events.drain(..=at);
            Some(())
        });
    }
}

/// Runs `test` once for a hidden and once for a visible node with memory for groups.
fn each_kind(test: impl Fn(&World, &mut Inside<'_>, bool)) {
    for visible in [false, true] {
        let world = World::new();
        let [hidden, open] = kinds(&world);
        let (mut storage, mut groups) = (storage(), Box::new(Memory::new()));
        let mut inside = world.inside(if visible { open } else { hidden }, &mut storage);
        inside.node.set_groups(&mut groups).unwrap();
        test(&world, &mut inside, visible);
    }
}

#[test]
fn a_mailbox_is_a_member_wherever_a_scope_runs() {
    each_kind(|world, inside, visible| {
        let erl = inside.erl(world, "a");
        let mailbox = inside.node.register("").unwrap();
        inside.node.join(mailbox, "sc", |t| t.atom("temps")).unwrap();
        inside.connect(&erl);
        // a scope that starts late
        inside.eval(&erl, "net_adm:ping('in@127.0.0.1')");
        inside.eval(&erl, "element(1, pg:start(sc))");
        inside.until_members(&erl, "sc", "temps", "['in@127.0.0.1']");
        // one that is started anew
        inside.eval(&erl, "exit(whereis(sc), kill), timer:sleep(50), element(1, pg:start(sc))");
        inside.until_members(&erl, "sc", "temps", "['in@127.0.0.1']");
        // what is sent to the group comes
        inside.eval(&erl, "[P ! {cmd, on} || P <- pg:get_members(sc, temps)], ok");
        assert_eq!(inside.receive(mailbox, |message, _| message.term().to_string()), "{cmd,on}");
        // any term names a group, twice counts twice
        for _ in 0..2 {
            inside.node.join(mailbox, "sc", |t| t.tuple(2)?.atom("room")?.int(7)).unwrap();
        }
        inside.until_members(&erl, "sc", "{room, 7}", "['in@127.0.0.1','in@127.0.0.1']");
        inside.node.leave(mailbox, "sc", |t| t.tuple(2)?.atom("room")?.int(7)).unwrap();
        inside.until_members(&erl, "sc", "{room, 7}", "['in@127.0.0.1']");
        // a mailbox that is killed is no member, and the scope lives on
        inside.eval(&erl, "Scope = whereis(sc), [exit(P, kill) || P <- pg:get_members(sc, temps)], ok");
        inside.until_members(&erl, "sc", "temps", "[]");
        inside.until_members(&erl, "sc", "{room, 7}", "[]");
        let other = inside.node.register("").unwrap();
        inside.node.join(other, "sc", |t| t.atom("temps")).unwrap();
        inside.until_members(&erl, "sc", "temps", "['in@127.0.0.1']");
        // gone with the connection, and back with the next
        inside.eval(&erl, "erlang:disconnect_node('in@127.0.0.1')");
        inside.until_members(&erl, "sc", "temps", "[]");
        inside.connect(&erl);
        inside.until_members(&erl, "sc", "temps", "['in@127.0.0.1']");
        assert_eq!(inside.eval(&erl, "whereis(sc) =:= Scope"), "true", "visible: {visible}");
        assert_eq!(inside.eval(&erl, "pg:which_groups(sc)"), "[temps]");
    });
}

#[test]
fn whoever_monitors_a_group_is_told_of_each_join_and_leave() {
    each_kind(|world, inside, _| {
        if otp() < 26 {
            // pg:monitor came with 25.1
            return;
        }
        let erl = inside.erl(world, "a");
        let mailbox = inside.node.register("").unwrap();
        inside.node.join(mailbox, "sc", |t| t.atom("temps")).unwrap();
        inside.eval(&erl, "{ok, _} = pg:start(sc), {Ref, []} = pg:monitor(sc, temps), ok");
        inside.connect(&erl);
        let next = "receive {Ref, What, temps, [Pid]} -> {What, node(Pid)} after 60000 -> nothing end";
        let told = |inside: &mut Inside<'_>| inside.eval(&erl, &format!("(fun() -> {next} end)()"));
        assert_eq!(told(inside), "{join,'in@127.0.0.1'}");
        inside.node.leave(mailbox, "sc", |t| t.atom("temps")).unwrap();
        assert_eq!(told(inside), "{leave,'in@127.0.0.1'}");
        inside.node.join(mailbox, "sc", |t| t.atom("temps")).unwrap();
        assert_eq!(told(inside), "{join,'in@127.0.0.1'}");
        inside.eval(&erl, "erlang:disconnect_node('in@127.0.0.1')");
        assert_eq!(told(inside), "{leave,'in@127.0.0.1'}");
        assert_eq!(inside.eval(&erl, "receive {Ref, _, _, _} = More -> More after 100 -> nothing end"), "nothing");
    });
}

/// The members that this node sees of a group.
fn seen(inside: &mut Inside<'_>, scope: &str, group: &str) -> Vec<String> {
    let mut all: Vec<_> = inside.node.members(scope, |t| t.atom(group)).map(|pid| pid.to_string()).collect();
    all.sort();
    all
}

#[test]
fn members_of_others_are_seen_and_sent_to() {
    each_kind(|world, inside, _| {
        let (one, two) = (inside.erl(world, "a"), inside.erl(world, "b"));
        for erl in [&one, &two] {
            inside.eval(erl, "{ok, _} = pg:start(sc), Box = self(), pg:join(sc, temps, Box), pg:join(sc, other, Box), ok");
            inside.connect(erl);
        }
        inside.node.monitor_scope("sc").unwrap();
        let pids = [inside.eval(&one, "pid_to_list(Box)"), inside.eval(&two, "pid_to_list(Box)")];
        assert!(pids.iter().all(|pid| pid.starts_with("\"<0.")));
        inside.until("both members", |inside| (seen(inside, "sc", "temps").len() == 2).then_some(()));
        inside.until_event("a change", |event| matches!(event, Event::MembersChanged { scope } if scope.as_str() == "sc"));
        let mailbox = inside.node.register("").unwrap();
        assert_eq!(inside.node.send_to_group(mailbox, "sc", |t| t.atom("temps"), |t| t.atom("hello")).unwrap(), 2);
        for erl in [&one, &two] {
            assert_eq!(inside.eval(erl, "receive hello -> got after 60000 -> nothing end"), "got");
        }
        // leave and join, dead members, scopes and nodes
        inside.eval(&one, "pg:leave(sc, temps, Box), pg:join(sc, temps, [Box, Box])");
        inside.until("three", |inside| (seen(inside, "sc", "temps").len() == 3).then_some(()));
        inside.eval(&one, "pg:leave(sc, temps, [Box, Box])");
        inside.until("one", |inside| (seen(inside, "sc", "temps").len() == 1).then_some(()));
        inside.eval(&two, "Other = spawn(fun() -> receive stop -> ok end end), pg:join(sc, temps, Other), exit(Other, kill)");
        inside.eval(&two, "exit(whereis(sc), kill), timer:sleep(50), {ok, _} = pg:start(sc), pg:join(sc, new, Box)");
        inside.until("the new one", |inside| (seen(inside, "sc", "new").len() == 1).then_some(()));
        assert!(seen(inside, "sc", "temps").is_empty());
        inside.eval(&two, "erlang:disconnect_node('in@127.0.0.1')");
        inside.until("none", |inside| seen(inside, "sc", "new").is_empty().then_some(()));
        assert_eq!(inside.node.send_to_group(mailbox, "sc", |t| t.atom("new"), |t| t.atom("hello")).unwrap(), 0);
    });
}

#[test]
fn many_groups_of_a_hub_do_no_harm() {
    each_kind(|world, inside, _| {
        let erl = inside.erl(world, "a");
        inside.eval(&erl, "{ok, _} = pg:start(sc), [pg:join(sc, {group, N}, self()) || N <- lists:seq(1, 3000)], ok");
        let mailbox = inside.node.register("").unwrap();
        inside.node.join(mailbox, "sc", |t| t.atom("temps")).unwrap();
        inside.node.monitor_scope("sc").unwrap();
        inside.connect(&erl);
        inside.until_members(&erl, "sc", "temps", "['in@127.0.0.1']");
        inside.until_event("too many", |event| matches!(event, Event::MembersFull { scope } if scope.as_str() == "sc"));
        inside.node.leave(mailbox, "sc", |t| t.atom("temps")).unwrap();
        inside.until_members(&erl, "sc", "temps", "[]");
        // as many as there is room for are seen, and all once there is
        inside.eval(&erl, "[pg:leave(sc, {group, N}, self()) || N <- lists:seq(1, 3000)], ok");
        inside.eval(&erl, "[pg:join(sc, {more, N}, self()) || N <- lists:seq(1, 70)], pg:join(sc, last, self()), ok");
        inside.until_event("too many", |event| matches!(event, Event::MembersFull { .. }));
        inside.eval(&erl, "[pg:leave(sc, {more, N}, self()) || N <- lists:seq(1, 40)], ok");
        inside.until("the last", |inside| (seen(inside, "sc", "last").len() == 1).then_some(()));
    });
}

/// Joins and leaves of both sides, at random, in three groups: at the end both see the same.
#[test]
fn a_thousand_joins_and_leaves_agree_at_the_end() {
    each_kind(|world, inside, _| {
        let erl = inside.erl(world, "a");
        inside.eval(&erl, "{ok, _} = pg:start(sc), ok");
        inside.node.monitor_scope("sc").unwrap();
        let mailboxes: Vec<Mailbox> = (0..3).map(|_| inside.node.register("").unwrap()).collect();
        inside.connect(&erl);
        let theirs = "Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- [1, 2, 3]], \
            Run = spawn(fun() -> [begin P = lists:nth(rand:uniform(3), Pids), G = lists:nth(rand:uniform(3), [g0, g1, g2]), \
                case rand:uniform(2) of 1 -> length(pg:get_local_members(sc, G)) < 15 andalso pg:join(sc, G, P); 2 -> pg:leave(sc, G, P) end \
            end || _ <- lists:seq(1, 1000)], receive stop -> ok end end), ok";
        inside.eval(&erl, theirs);
        let mut seed = 12_345_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut count = [0; 3];
        for round in 0..1000 {
            let (mailbox, group) = (mailboxes[random(3) as usize], random(3) as usize);
            let name = format!("g{group}");
            if random(2) == 0 {
                match inside.node.join(mailbox, "sc", |t| t.atom(&name)) {
                    Ok(()) => count[group] += 1,
                    Err(e) => assert!(matches!(e, Error::Full(Full::Groups)), "{e}"),
                }
            } else {
                match inside.node.leave(mailbox, "sc", |t| t.atom(&name)) {
                    Ok(()) => count[group] -= 1,
                    Err(e) => assert!(matches!(e, Error::Misuse(Misuse::NotAMember)), "{e}"),
                }
            }
            if round % 5 == 0 {
                inside.turn();
            }
        }
        inside.eval_until(&erl, "process_info(Run, current_function)", "{current_function,{prim_eval,'receive',2}}");
        for (group, count) in count.iter().enumerate() {
            let remote = format!("length([P || P <- pg:get_members(sc, g{group}), node(P) =:= 'in@127.0.0.1'])");
            inside.eval_until(&erl, &remote, &count.to_string());
            let local = inside.eval(&erl, &format!("length(pg:get_local_members(sc, g{group}))"));
            inside.until("theirs", |inside| (seen(inside, "sc", &format!("g{group}")).len().to_string() == local).then_some(()));
        }
    });
}

#[test]
fn a_member_that_nobody_reads_holds_up_nobody() {
    each_kind(|world, inside, _| {
        let erl = inside.erl(world, "a");
        inside.eval(&erl, "{ok, _} = pg:start(sc), ok");
        let (member, other) = (inside.node.register("").unwrap(), inside.node.register("other").unwrap());
        inside.node.join(member, "sc", |t| t.atom("temps")).unwrap();
        assert_eq!(inside.node.set_overflow(member, Overflow::Hold).unwrap_err().to_string(), Misuse::MemberHolds.to_string());
        inside.connect(&erl);
        inside.until_members(&erl, "sc", "temps", "['in@127.0.0.1']");
        let body =
            "Big = binary:copy(<<7>>, 1024), [[P ! Big || P <- pg:get_members(sc, temps)] || _ <- lists:seq(1, 20000)], done";
        let (all, call) = (erl.ask(body), erl.ask("gen_server:call({other, 'in@127.0.0.1'}, now, 60000)"));
        inside.receive(other, |message, mut out| {
            let call = message.as_call().unwrap();
            out.reply(&call, |t| t.atom("answered")).unwrap();
        });
        assert_eq!(inside.answer(&erl, call), "answered");
        assert_eq!(inside.answer(&erl, all), "done");
        inside.until("all of them", |inside| (inside.node.received(member) == 20_000).then_some(()));
        assert!(inside.node.dropped(member) > 19_000);
    });
}

#[test]
fn a_global_name_is_registered_wherever_it_was_lost() {
    each_kind(|world, inside, _| {
        let (one, two) = (inside.erl(world, "a"), inside.erl(world, "b"));
        inside.eval(&one, &format!("net_kernel:connect_node({})", two.atom()));
        let mailbox = inside.node.register("thermometer").unwrap();
        inside.node.register_global(mailbox, "therm").unwrap();
        inside.connect(&one);
        inside
            .until_event("registered", |event| matches!(event, Event::GlobalRegistered { name, .. } if name.as_str() == "therm"));
        let read = |inside: &mut Inside<'_>, erl: &Erl| {
            inside.eval_until(erl, "is_pid(global:whereis_name(therm))", "true");
            let call = erl.ask("gen_server:call({global, therm}, read, 60000)");
            inside.receive(mailbox, |message, mut out| {
                let call = message.as_call().unwrap();
                out.reply(&call, |t| t.float(21.5)).unwrap();
            });
            assert_eq!(inside.answer(erl, call), "21.5");
        };
        read(inside, &one);
        read(inside, &two);
        for erl in [&one, &two] {
            inside.eval(erl, "erlang:disconnect_node('in@127.0.0.1')");
        }
        inside.eval_until(&one, "global:whereis_name(therm)", "undefined");
        inside.connect(&one);
        inside.connect(&two);
        read(inside, &one);
        read(inside, &two);
        // sent to by name, from here too
        inside.eval(&one, "global:register_name(collector, self())");
        let mut out = inside.node.outbox(mailbox).unwrap();
        out.send_global(&two.node, "collector", |t| t.atom("reading")).unwrap();
        assert_eq!(inside.eval(&one, "receive reading -> got after 60000 -> nothing end"), "got");
        let mut out = inside.node.outbox(mailbox).unwrap();
        out.whereis_global(&two.node, "collector", None).unwrap();
        let node = inside.receive(mailbox, |message, _| match message.received() {
            Received::Answer { result: Ok(pid), .. } => pid.as_pid().map(|pid| pid.node.to_string()),
            other => panic!("{other:?}"),
        });
        assert_eq!(node.as_deref(), Some(one.node.as_str()));
        let second = inside.node.register_global(mailbox, "second").unwrap_err();
        assert_eq!(second.to_string(), Misuse::SecondName.to_string());
        // given up
        inside.node.unregister_global("therm").unwrap();
        inside.eval_until(&one, "global:whereis_name(therm)", "undefined");
        inside.eval_until(&two, "global:whereis_name(therm)", "undefined");
        // another has it
        inside.eval(&one, "global:unregister_name(collector), global:register_name(therm, self())");
        inside.node.register_global(mailbox, "therm").unwrap();
        inside.until_event("taken", |event| matches!(event, Event::GlobalTaken { name, .. } if name.as_str() == "therm"));
        assert_eq!(inside.eval(&one, "node(global:whereis_name(therm))"), one.atom());
        // a mailbox that ends frees its name
        inside.node.register_global(mailbox, "second").unwrap();
        inside.eval_until(&one, "is_pid(global:whereis_name(second))", "true");
        inside.node.close_mailbox(mailbox, |t| t.atom("normal")).unwrap();
        inside.eval_until(&one, "global:whereis_name(second)", "undefined");
    });
}

/// Hubs of several releases, whose `erl` are named by `BEAMLESS_ERLS`, each on its own, for a 29 ends the scope of a 25 by itself: none loses its
/// scope by us, whatever joins and leaves.
#[test]
#[ignore = "takes the erl of several releases: BEAMLESS_ERLS=/otp-23/bin/erl:/otp-29/bin/erl"]
fn no_scope_of_a_mixed_cluster_ends_by_us() {
    let erls = std::env::var("BEAMLESS_ERLS").unwrap();
    each_kind(|world, inside, _| {
        let mailbox = inside.node.register("").unwrap();
        inside.node.monitor_scope("sc").unwrap();
        let hubs: Vec<Erl> =
            erls.split(':').enumerate().map(|(at, erl)| inside.erl_of(world, erl, &format!("hub{at}"))).collect();
        for hub in &hubs {
            inside.eval(hub, "element(1, pg:start(sc)), Scope = whereis(sc), pg:join(sc, theirs, self())");
            inside.connect(hub);
        }
        for round in 0..50 {
            inside.node.join(mailbox, "sc", |t| t.atom("temps")).unwrap();
            for hub in &hubs {
                inside.until_members(hub, "sc", "temps", "['in@127.0.0.1']");
            }
            inside.node.leave(mailbox, "sc", |t| t.atom("temps")).unwrap();
            if round % 10 == 0 {
                inside.until("all of them", |inside| (seen(inside, "sc", "theirs").len() == hubs.len()).then_some(()));
                let hub = &hubs[round / 10 % hubs.len()];
                inside.eval(hub, "erlang:disconnect_node('in@127.0.0.1')");
                inside.connect(hub);
            }
        }
        for hub in &hubs {
            inside.until_members(hub, "sc", "temps", "[]");
            assert_eq!(inside.eval(hub, "whereis(sc) =:= Scope"), "true");
            println!("{} on {}", inside.eval(hub, "erlang:system_info(otp_release)"), hub.node);
        }
    });
}

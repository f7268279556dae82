//! Links, monitors and exits between a real Erlang and a mailbox: a table of cases, and what each side must see.
//!
//! A case has two parties. `They` are `p`, a process of a real Erlang, which knows us as `M` and our node as `N`. `We` are `m`, a
//! mailbox of a node of this library, which knows them as `P` and their node as `A`. What either does is written as Erlang, so that the
//! same table runs with a process of a second Erlang in our place: it asks for nothing that a BEAM does not do.

mod cases;
mod sides;

use std::time::Instant;

use beamless::{Event, Failure, OwnedPid, Received};
use cases::Do::{Apart, AtOnce, They, TheyEnded, TheyGot, TheyGotAll, We, WeEnded, WeGot, WeGotAll};
use cases::{Case, OURS_ALONE, cases};
use sides::{Ours, Side, Twin, list};

use crate::inside::storage;
use crate::support::{Erl, PATIENCE, World, load};

/// Does what the case says, and compares.
fn play(we: &mut dyn Side, they: &Erl, (name, steps): &Case) {
    let node = we.node();
    assert_eq!(we.eval(they, &format!("ties:start(p, [{{'N', {node}}}])")), "ok", "{name}");
    we.begin(they, name);
    let mut before = None;
    for step in *steps {
        // neither does something before it has heard of all that the other did
        if matches!((before, step), (Some(They(_)), We(_)) | (Some(We(_)), They(_))) {
            sync(we, they);
        }
        before = Some(*step);
        match *step {
            They(source) => drop(we.eval(they, &format!("ties:eval(p, {source:?})"))),
            We(source) => we.run(source),
            AtOnce(theirs, ours) => we.at_once(they, theirs, ours),
            TheyGot(wanted) => compare(name, wanted, false, || theirs(we, they)),
            TheyGotAll(wanted) => compare(name, wanted, true, || theirs(we, they)),
            WeGot(wanted) => compare(name, wanted, false, || ours(we, they)),
            WeGotAll(wanted) => compare(name, wanted, true, || ours(we, they)),
            TheyEnded(why) => assert_eq!(we.eval(they, "ties:ended(p)"), why, "{name}"),
            WeEnded(why) => we.ended(why),
            Apart => we.apart(they),
        }
    }
    // nothing more comes, and nothing is kept
    compare(name, &[], false, || theirs(we, they));
    compare(name, &[], false, || ours(we, they));
    we.nothing_is_left();
    we.eval(they, "ties:stop(p)");
    we.end();
}

/// Looks until as much has come as is wanted, which is then all there is.
fn compare(name: &str, wanted: &[&str], any_order: bool, mut look: impl FnMut() -> Vec<String>) {
    let deadline = Instant::now() + PATIENCE;
    let mut got = look();
    while got.len() < wanted.len() && Instant::now() < deadline {
        got.extend(look());
    }
    if any_order {
        got.sort();
    }
    assert_eq!(got, wanted, "{name}");
}

fn theirs(we: &mut dyn Side, they: &Erl) -> Vec<String> {
    sync(we, they);
    list(&we.eval(they, "ties:seen(p)"))
}

fn ours(we: &mut dyn Side, they: &Erl) -> Vec<String> {
    sync(we, they);
    we.got()
}

/// All that was sent has come, and what was sent because of it.
fn sync(we: &mut dyn Side, they: &Erl) {
    let node = we.node();
    assert_eq!(we.eval(they, &format!("ties:sync({node})")), "ok");
}

#[test]
pub(crate) fn a_mailbox_is_tied_as_a_process_is() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("in"), &mut storage);
    let erl = inside.erl(&world, "a");
    assert_eq!(inside.eval(&erl, &load(&world, "ties", include_str!("ties.erl"))), "ok");
    let mut ours = Ours::new(inside);
    let cases: Vec<&Case> = cases().chain(OURS_ALONE).collect();
    assert!(cases.len() > 100, "{}", cases.len());
    cases.into_iter().for_each(|case| play(&mut ours, &erl, case));
}

/// The same with a second Erlang in our place: what the table asks of us is what a BEAM does.
#[test]
fn the_table_of_ties_holds_between_two_erlangs() {
    let world = World::new();
    let _epmd = world.epmd();
    let [a, b] = ["a", "b"].map(|name| {
        let erl = world.erl(&["-name", &format!("{name}@127.0.0.1"), "-hidden"]);
        assert_eq!(erl.eval(&load(&world, "ties", include_str!("ties.erl"))), "ok");
        erl
    });
    let mut twin = Twin::new(b);
    cases().for_each(|case| play(&mut twin, &a, case));
}

/// Killed, so that nothing of what it had to say is sent any more.
#[test]
pub(crate) fn the_death_of_a_node_is_told_to_all_that_are_tied_to_it() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("in"), &mut storage);
    let mut erl = inside.erl(&world, "a");
    let [trapping, linked, calling] = ["trapping", "linked", ""].map(|name| inside.node.register(name).unwrap());
    inside.node.trap_exit(trapping, true).unwrap();
    inside.eval(&erl, "[{M, 'in@127.0.0.1'} ! {p, self()} || M <- [trapping, linked]]");
    let p = inside.receive(trapping, |message, mut out| {
        let [_, p] = message.term().tuple().unwrap();
        let p = p.as_pid().unwrap();
        out.link(p).unwrap();
        out.monitor(p).unwrap();
        out.monitor(("init", p.node.as_str().unwrap())).unwrap();
        OwnedPid::new(p).unwrap()
    });
    inside.receive(linked, |_, mut out| out.link(p.as_pid()).unwrap());
    let request = inside.node.outbox(calling).unwrap().rpc(&erl.node, "timer", "sleep", None, |t| {
        t.list(1)?;
        t.atom("infinity")?;
        t.nil()
    });
    let request = request.unwrap();
    // before it dies it is to know of them
    let links = "length([P || P <- element(2, process_info(self(), links)), node(P) =:= 'in@127.0.0.1'])";
    while inside.eval(&erl, links) != "2" {}
    erl.kill();
    let failure = inside.driver.wait(&mut inside.node, request).unwrap().unwrap_err();
    assert!(matches!(failure, Failure::NodeDown), "{failure}");
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(inside.receive(trapping, |message, _| match message.received() {
            Received::Exit { reason, .. } => format!("exit {reason}"),
            Received::Down { reason, .. } => format!("down {reason}"),
            _ => message.term().to_string(),
        }));
    }
    got.sort();
    assert_eq!(got, ["down noconnection", "down noconnection", "exit noconnection"]);
    let ended = inside.until_event("the end", |event| matches!(event, Event::MailboxEnded { .. }));
    assert_eq!(ended.to_string(), "mailbox linked ended: noconnection");
    let left = inside.node.in_use();
    assert_eq!((left.peers, left.mailboxes, left.watches, left.requests), (0, 2, 0, 0));
}

/// What is registered under a name that was free again is another process.
#[test]
fn a_name_registered_again_has_another_pid() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("in"), &mut storage);
    let erl = inside.erl(&world, "a");
    let mut pids = Vec::new();
    for round in ["first", "second"] {
        let mailbox = inside.node.register("m").unwrap();
        inside.eval(&erl, "{m, 'in@127.0.0.1'} ! self()");
        inside.receive(mailbox, |message, mut out| {
            let own = OwnedPid::new(out.pid()).unwrap();
            out.send(message.term().as_pid().unwrap(), |t| t.pid(own.as_pid())).unwrap();
        });
        inside.eval(&erl, &format!("P_{round} = receive P_{round} when is_pid(P_{round}) -> P_{round} end"));
        pids.push(inside.node.pid(mailbox).unwrap());
        if round == "first" {
            inside.eval(&erl, "monitor(process, P_first), monitor(process, {m, 'in@127.0.0.1'})");
            inside.until("the monitors", |inside| (inside.node.in_use().watches == 2).then_some(()));
            inside.node.close_mailbox(mailbox, |t| t.atom("normal")).unwrap();
            let downs = "[receive {'DOWN', _, _, _, Why} -> Why after 60000 -> nothing end || _ <- [1, 2]]";
            assert_eq!(inside.eval(&erl, downs), "[normal,normal]");
        }
    }
    assert_ne!(pids[0], pids[1]);
    let source = "P_first ! hello, R = monitor(process, P_second), Q = monitor(process, P_first), \
        {receive {'DOWN', Q, _, _, Why} -> Why after 60000 -> nothing end, receive {'DOWN', R, _, _, _} -> down after 0 -> none end}";
    assert_eq!(inside.eval(&erl, source), "{noproc,none}");
    assert_eq!((inside.node.in_use().mailboxes, inside.node.in_use().watches), (1, 1));
}

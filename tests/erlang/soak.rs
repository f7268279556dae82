//! Everything at once for a while: calls, monitors, links and functions, from many processes to one mailbox.

use std::time::Duration;

use allocation_counter::measure;
use beamless::{Error, Event, Mailbox, Message, NodeStorage, Outbox, OwnedPid, Received, Term};

use crate::inside::Inside;
use crate::support::World;

/// A hundred callers, and beside them ten processes with four monitors each, some links and some functions.
type Storage = NodeStorage<2, 1, 65_536, 256, 1>;

#[test]
fn a_hundred_callers_among_monitors_links_and_functions() {
    let world = World::new();
    let mut storage = Box::new(Storage::sized());
    let mut inside = world.inside(world.config("demo"), &mut storage);
    let soak = inside.node.register("soak").unwrap();
    inside.node.serve(soak, ["soak:square/1"]).unwrap();
    let erl = inside.erl(&world, "a");
    erl.load_probe(&world);
    // whatever is made at first use is made by now
    for (callers, calls) in [(10, 10), (100, 1000)] {
        let asked = erl.ask(&format!("probe:soak('demo@127.0.0.1', {callers}, {calls})"));
        let mut answered = 0;
        let counted = measure(|| answered = until_done(&mut inside, soak));
        let result = inside.answer(&erl, asked);
        let rounds = result.strip_prefix('{').and_then(|rest| rest.strip_suffix(",[]}"));
        let rounds: u64 = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or_else(|| panic!("{result}"));
        assert!(rounds >= 18 && answered >= callers * calls + rounds, "{answered} answers, {rounds} rounds");
        if calls == 1000 {
            assert_eq!(counted.count_total, 0, "allocations in {answered} answers");
        }
        inside.until("the last to be taken back", |inside| (inside.node.in_use().watches == 0).then_some(()));
        assert_eq!(inside.node.in_use().requests, 0);
    }
    inside.turn();
    let unexpected = |event: &&Event| !matches!(event, Event::NodeUp { .. });
    assert_eq!(inside.events.iter().find(unexpected), None);
}

/// Answers until Erlang says that it is done; how many answers it were. Nothing in here may allocate.
fn until_done(inside: &mut Inside<'_>, mailbox: Mailbox) -> u64 {
    let own = inside.node.pid(mailbox).unwrap();
    let mut answered = 0;
    loop {
        inside.driver.poll(&mut inside.node, Some(Duration::from_millis(20))).unwrap();
        while let Some((message, mut out)) = inside.node.recv(mailbox) {
            match answer(&message, &mut out, &own) {
                Some(Ok(())) => answered += 1,
                Some(Err(Error::Full(_))) => {
                    message.put_back();
                    break;
                }
                Some(Err(e)) => panic!("{e}"),
                None => return answered,
            }
        }
    }
}

/// `pid` with the pid, `{Number, N}` with `{Number, N, N * N}`, and `square(N)`; nothing to the message that says that it is done.
fn answer(message: &Message<'_>, out: &mut Outbox<'_>, own: &OwnedPid) -> Option<Result<(), Error>> {
    let square = |n: Term<'_>| n.as_i64().unwrap().pow(2);
    match message.received() {
        Received::Call(call) if call.request.is_atom("pid") => Some(out.reply(&call, |t| t.pid(own.as_pid()))),
        Received::Call(call) => {
            let [number, n] = call.request.tuple().unwrap();
            Some(out.reply(&call, |t| {
                t.tuple(3)?;
                t.term(number)?;
                t.term(n)?;
                t.int(square(n))
            }))
        }
        Received::Apply(apply) => Some(out.reply(&apply, |t| t.int(square(apply.args.as_list().unwrap().next().unwrap())))),
        Received::Info(term) if term.is_atom("done") => None,
        other => panic!("{other:?}"),
    }
}

//! First steps of a full citizen: enough to see that the parts stand; the tables of cases are elsewhere.

use std::time::Duration;

use beamless::{Exception, Failure, Received};

use crate::inside::storage;
use crate::support::World;

#[test]
fn a_served_function_gives_its_value_to_every_kind_of_call() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("in"), &mut storage);
    let erl = inside.erl(&world, "a");
    let mailbox = inside.node.register("functions").unwrap();
    inside.node.serve(mailbox, &["thermometer:read/0", "thermometer:fail/1"]).unwrap();
    for (source, value) in [
        ("rpc:call('in@127.0.0.1', thermometer, read, [])", "21.5"),
        ("erpc:call('in@127.0.0.1', thermometer, read, [], 5000)", "21.5"),
        ("rpc:block_call('in@127.0.0.1', thermometer, read, [])", "21.5"),
        ("catch rpc:call('in@127.0.0.1', thermometer, fail, [no])", "{badrpc,{'EXIT',{no,[]}}}"),
        ("rpc:call('in@127.0.0.1', thermometer, nosuch, [1])", "{badrpc,{'EXIT',{undef,[{thermometer,nosuch,[1],[]}]}}}"),
    ] {
        let asked = erl.ask(source);
        inside.until(source, |inside| {
            while let Some((message, mut out)) = inside.node.recv(mailbox) {
                let Received::Apply(apply) = message.received() else { panic!("{:?}", message.term()) };
                if apply.function == "read" {
                    out.reply(&apply, |t| t.float(21.5)).unwrap();
                } else {
                    let first = apply.args.as_list().unwrap().next().unwrap();
                    out.raise(&apply, Exception::Error, |t| t.term(first)).unwrap();
                }
            }
            erl.has_answered(&asked).then_some(())
        });
        assert_eq!(erl.answer(asked), value, "{source}");
    }
}

#[test]
fn calls_out_come_to_their_answers() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("in"), &mut storage);
    let erl = inside.erl(&world, "a");
    let mailbox = inside.node.register("").unwrap();
    let timeout = Some(Duration::from_secs(5));
    let request = inside
        .node
        .outbox(mailbox)
        .unwrap()
        .rpc(&erl.node, "lists", "seq", timeout, |t| {
            t.list(2)?;
            t.int(1)?;
            t.int(3)?;
            t.nil()
        })
        .unwrap();
    let value = inside.driver.wait(&mut inside.node, request).unwrap().unwrap();
    assert_eq!(value.to_string(), "[1,2,3]");
    let request = inside.node.outbox(mailbox).unwrap().call(("nosuch", erl.node.as_str()), timeout, |t| t.atom("x")).unwrap();
    let failure = inside.driver.wait(&mut inside.node, request).unwrap().unwrap_err();
    assert!(matches!(failure, Failure::NoProcess), "{failure}");
    let request = inside.node.outbox(mailbox).unwrap().call(("net_kernel", erl.node.as_str()), timeout, |t| {
        t.tuple(2)?;
        t.atom("is_auth")?;
        t.atom("in@127.0.0.1")
    });
    assert_eq!(inside.driver.wait(&mut inside.node, request.unwrap()).unwrap().unwrap().to_string(), "yes");
}

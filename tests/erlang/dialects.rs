//! Nodes that offer less than a BEAM does: each flag that a peer may leave out is left out once, and what goes over the wire is what a BEAM
//! says to, and answers, the same peer.

use std::thread::JoinHandle;

use beamless::{Error, Failure, Misuse, Received, Term};

use crate::inside::{Inside, storage};
use crate::raw::{
    CREATION, LIBEI, MANDATORY, OPTIONAL, Raw, Waiting, all_flags, atom, erlang, int, list, op, pid, reference, tuple,
};
use crate::support::{Erl, World, otp};

/// Every set of flags to be tried, by a name that a node may have.
fn dialects() -> Vec<(String, u64)> {
    let lacking = OPTIONAL.iter().map(|(name, flag)| (format!("no_{}", name.to_lowercase()), all_flags() & !flag));
    let mut all = vec![("everything".to_owned(), all_flags()), ("libei".to_owned(), LIBEI), ("bare".to_owned(), MANDATORY)];
    all.extend(lacking);
    // what a BEAM does not offer it does not use
    let missing: &[&str] = match otp() {
        ..24 => &["UNLINK_ID", "V4_NC", "ALIAS", "ALTACT_SIG"],
        24..28 => &["ALTACT_SIG"],
        _ => &[],
    };
    for (name, flag) in OPTIONAL.iter().filter(|(name, _)| missing.contains(name)) {
        all.retain(|(lacks, _)| *lacks != format!("no_{}", name.to_lowercase()));
        all.iter_mut().for_each(|(_, flags)| *flags &= !flag);
    }
    // the first releases that we talk to demand less than the newest
    all.retain(|(_, flags)| otp() < 26 || flags & MANDATORY == MANDATORY);
    all
}

/// The operations of what comes, up to the message to `done`.
fn hear(waiting: Waiting, cookie: &str, flags: u64) -> JoinHandle<Vec<u8>> {
    let cookie = cookie.to_owned();
    std::thread::spawn(move || {
        let mut raw = waiting.accept(cookie.as_bytes(), flags);
        let mut heard = Vec::new();
        loop {
            let body = raw.receive().expect("the connection ended");
            if op(&body) == 6 && body.windows(6).any(|part| part == atom("done")) {
                return heard;
            }
            heard.push(op(&body));
        }
    })
}

/// What a BEAM says: monitors, messages, a link, an exit, a spawn request, a message to an alias.
fn a_beam_says(erl: &Erl, node: &str) {
    let alias = if otp() < 24 { "ok".to_owned() } else { format!("{} ! m", erlang(&reference(node, 5, CREATION))) };
    erl.eval(&format!(
        "(fun(P, Node) -> spawn(fun() -> process_flag(trap_exit, true), M = monitor(process, P), monitor(process, {{n, Node}}), \
            P ! m, {{n, Node}} ! m, link(P), unlink(P), exit(P, bye), demonitor(M), spawn_request(Node, m, f, [], []), {alias}, \
            {{done, Node}} ! m, receive never -> ok end end) end)({}, '{node}')",
        erlang(&pid(node, 3, 0, CREATION))
    ));
}

/// The same in our words.
fn we_say(ours: &mut Inside<'_>, mailbox: beamless::Mailbox, node: &str) {
    let (process, alias) = (pid(node, 3, 0, CREATION), reference(node, 5, CREATION));
    let process = Term::parse(&process).unwrap().as_pid().unwrap();
    let alias = Term::parse(&alias).unwrap().as_reference().unwrap();
    let mut out = ours.node.outbox(mailbox).unwrap();
    let monitor = out.monitor(process).unwrap();
    out.monitor(("n", node)).unwrap();
    out.send(process, |t| t.atom("m")).unwrap();
    out.send(("n", node), |t| t.atom("m")).unwrap();
    out.link(process).unwrap();
    out.unlink(process).unwrap();
    out.exit(process, |t| t.atom("bye")).unwrap();
    out.demonitor(monitor).unwrap();
    out.rpc(node, "m", "f", None, |t| t.nil()).unwrap();
    match out.send(alias, |t| t.atom("m")) {
        Ok(()) | Err(Error::Misuse(Misuse::NotAnAlias)) => {}
        Err(e) => panic!("{e}"),
    }
    out.send(("done", node), |t| t.atom("m")).unwrap();
}

/// The operation that says the same in the oldest words.
fn plain(op: u8) -> u8 {
    match op {
        22 => 2,
        24 => 3,
        26 => 8,
        28 => 21,
        37 => 33,
        op => op,
    }
}

/// What is sent to each of them, when the connection is there and when it is still to be made.
#[test]
fn each_is_told_what_a_beam_tells_it() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "beam@127.0.0.1", "-hidden"]);
    for (name, flags) in dialects() {
        let mut when_up = Vec::new();
        for connected in [true, false] {
            let node = format!("{name}_{}@127.0.0.1", if connected { "up" } else { "waits" });
            // what OTP 25 makes of an UNLINK_ID that waited for a peer without them is no frame
            if connected || name != "no_unlink_id" {
                let heard = hear(Waiting::new(&node, Some(world.epmd_port)), &world.cookie, flags);
                if connected {
                    assert_eq!(erl.eval(&format!("net_kernel:connect_node('{node}')")), "true");
                }
                a_beam_says(&erl, &node);
                when_up = heard.join().unwrap();
            }
            let mut beams = when_up.clone();

            let mut memory = storage();
            let mut ours = world.inside(world.config(&format!("own_{name}_{connected}")), &mut memory);
            let mailbox = ours.node.register("").unwrap();
            let waiting = Waiting::new(&node, None);
            ours.driver.set_port(&node, waiting.port).unwrap();
            let heard = hear(waiting, &world.cookie, flags);
            if connected {
                ours.node.connect(&node).unwrap();
                ours.until("the connection", |ours| ours.node.peers().next().is_some().then_some(()));
            }
            we_say(&mut ours, mailbox, &node);
            if flags & (1 << 32) == 0 {
                // as Erlang's rpc:call, which gives {badrpc,notsup}; the peer may have heard all and be gone by then, which is told as well
                ours.until("the answer", |ours| match ours.node.recv(mailbox)?.0.received() {
                    Received::Answer { result: Err(Failure::Refused(why)), .. } => {
                        assert!(why.is_atom("notsup"), "{why}");
                        Some(())
                    }
                    Received::Down { .. } => None,
                    other => panic!("{other:?}"),
                });
            }
            ours.until("everything to be sent", |_| heard.is_finished().then_some(()));
            let mut said = heard.join().unwrap();
            if !connected {
                // what waits is said in words that every peer understands, where there are such
                said.iter_mut().chain(&mut beams).for_each(|op| *op = plain(*op));
                // OTP 29 does not take back what waited for an alias of a peer that knows none
                beams.retain(|op| *op != 33 || flags & (1 << 35) != 0);
            }
            println!("{node}: {said:?}");
            assert_eq!(said, beams, "{node}: a BEAM's are on the right");
        }
    }
}

/// Asks what a node answers by itself, and returns the operations of the answers, once there are as many as `count`.
fn answers(port: u16, target: &str, cookie: &str, flags: u64, count: Option<usize>) -> Vec<u8> {
    let mut raw = Raw::dial(port, "asker@127.0.0.1", cookie.as_bytes(), flags);
    let (ours, nobody) = (raw.pid(3), pid(target, 77, 0, 5));
    let call = tuple(&[atom("call"), atom("no_module"), atom("f"), list(&[]), atom("user")]);
    raw.send(&tuple(&[int(6), ours.clone(), atom(""), atom("rex")]), &tuple(&[ours.clone(), call]));
    raw.send(&tuple(&[int(19), ours.clone(), atom("nobody"), raw.reference(1)]), &[]);
    raw.send(&tuple(&[int(1), ours.clone(), nobody.clone()]), &[]);
    let function = tuple(&[atom("no_module"), atom("f"), int(0)]);
    raw.send(&tuple(&[int(29), raw.reference(2), ours.clone(), ours.clone(), function, list(&[atom("monitor")])]), &list(&[]));
    let (alive, answers) = raw.ping();
    assert!(alive, "{target} ended the connection");
    // what a BEAM sends by itself has a name
    let mut answers: Vec<u8> = answers.iter().map(|body| op(body)).filter(|op| *op != 6).collect();
    while count.is_some_and(|count| answers.len() < count) {
        let body = raw.receive().expect("the connection ended");
        answers.extend(Some(op(&body)).filter(|op| *op != 6));
    }
    answers.sort_unstable();
    answers
}

/// What each of them is answered: a call of a function that is not there, a monitor and a link of nobody, a spawn request.
#[test]
fn each_is_answered_as_a_beam_answers_it() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1"]);
    let erl = world.erl(&["-name", "beam@127.0.0.1", "-hidden"]);
    let port = erl.eval("{port, Port, _} = erl_epmd:port_please(\"beam\", \"127.0.0.1\"), Port").parse().unwrap();
    for (name, flags) in dialects() {
        let ours = answers(demo.port, "demo@127.0.0.1", &world.cookie, flags, None);
        let beams = answers(port, "beam@127.0.0.1", &world.cookie, flags, Some(ours.len()));
        println!("{name}: {ours:?}");
        assert_eq!(ours, beams, "{name}: a BEAM's are on the right");
    }
}

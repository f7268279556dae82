//! Nodes with the cookie that send nothing wrong, but more than anybody needs.

use super::attacker::{Peer, asks_and_never_reads, proven};
use super::stage::Stage;
use super::wire::{atom, binary, control, erpc, frame, gen_call, int, list, nil, pid, reference, to_name, tuple};
use super::{Group, Held, Row};
use crate::support::until;

const MANY: u32 = 100_000;

pub(super) const GROUP: Group = Group {
    title: "a node with the cookie that sends too much",
    settings: "",
    honest: &["calls"],
    more_memory: 8 * 1024,
    rows: &[
        Row {
            does: "monitors 100,000 times, and holds what it gets",
            node: "gives it its share, and says `system_limit` from there on",
            attack: monitors,
        },
        Row {
            does: "monitors 100,000 processes that are not there",
            node: "says `noproc` each time",
            attack: monitors_of_nobody,
        },
        Row {
            does: "links 100,000 times, and holds what it gets",
            node: "gives it its share, and says `system_limit` from there on",
            attack: links,
        },
        Row { does: "sends 100,000 spawn requests", node: "answers each, as the node reads", attack: spawns },
        Row {
            does: "calls a command that takes its time, 1,000 times at once",
            node: "gives it its share, and says `system_limit` from there on",
            attack: slow_commands,
        },
        Row { does: "casts such a command, 1,000 times at once", node: "the same; casts are not answered", attack: slow_casts },
        Row {
            does: "sends to 1,000,000 names that are not there",
            node: "drops it, and says so of 32 names",
            attack: unknown_names,
        },
        Row {
            does: "takes back 100,000 monitors and links that never were",
            node: "does nothing, or acknowledges",
            attack: takes_back,
        },
        Row { does: "answers 100,000 calls that nobody made", node: "drops it", attack: answers },
        Row { does: "sends 1,000,000 ticks", node: "reads on", attack: ticks },
        Row { does: "asks `echo`, and never reads", node: "reads no more of that node; the others are answered", attack: echo },
        Row { does: "calls functions, and never reads", node: "the same", attack: functions },
        Row { does: "asks `system`, and never reads", node: "the same", attack: system },
        Row { does: "calls by `rex`, and never reads", node: "the same", attack: rex },
        Row { does: "pings without end, and never reads", node: "the same", attack: pings },
        Row { does: "asks a program behind a mailbox, and never reads", node: "the same", attack: program },
        Row {
            does: "sends 50,000 messages to a program that does not read",
            node: "keeps 192 KiB for it, which is one node's share, and drops the others",
            attack: deaf_program,
        },
        Row {
            does: "makes 1,000 calls to a program that does not answer",
            node: "keeps 192 of them, which is one node's share, and answers `busy`",
            attack: unanswered,
        },
        Row { does: "sends to `echo` as fast as it can, and reads", node: "takes turns", attack: flood },
        Row {
            does: "ends a mailbox over and over",
            node: "makes it anew; whoever has the cookie may do that",
            attack: ends_a_mailbox,
        },
        Row { does: "comes and goes, 200 times", node: "goes on", attack: churn },
        Row { does: "is there twice, each time in place of the other", node: "keeps the later one", attack: twins },
        Row { does: "has a name of 255 characters", node: "takes it as any other", attack: longest_name },
        Row { does: "comes as 40 nodes", node: "has room for `nodes` in `[sizes]`, and refuses the others", attack: many_nodes },
    ],
};

fn monitors(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    peer.pour(MANY, |name, number| control(19, &[pid(name, number), atom("echo"), reference(name, number)], None));
    assert!(peer.frames() > 90_000, "{} answers", peer.frames());
    Box::new(peer)
}

fn monitors_of_nobody(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    let node = stage.agent.node.clone();
    peer.pour(MANY, |name, number| {
        let whom = if number % 2 == 0 { atom("nobody") } else { pid(&node, number) };
        control(19, &[pid(name, 1), whom, reference(name, number)], None)
    });
    assert!(peer.frames() >= MANY as usize, "{} answers", peer.frames());
    Box::new(peer)
}

fn links(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    // whom nobody else asks: it ends with those that are linked to it
    let spare = peer.pid_of("spare");
    peer.pour(MANY, |name, number| control(1, &[pid(name, number), spare.clone()], None));
    assert!(peer.frames() > 90_000, "{} answers", peer.frames());
    Box::new(peer)
}

fn spawns(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    peer.pour(MANY, |name, number| {
        if number % 10 == 0 {
            return erpc(name, number, "erlang", "node", &[]);
        }
        let entry = tuple(&[atom("m"), atom("f"), int(0)]);
        let fields = [reference(name, number), pid(name, 1), pid(name, 2), entry, list(&[atom("monitor"), atom("link")])];
        control(29, &fields, Some(&nil()))
    });
    assert!(peer.frames() >= MANY as usize, "{} answers", peer.frames());
    Box::new(peer)
}

fn slow_commands(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    peer.pour(1000, |name, number| erpc(name, number, "box", "slow", &[]));
    Box::new(peer)
}

fn slow_casts(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    peer.pour(1000, |name, number| {
        let entry = tuple(&[atom("erpc"), atom("execute_cast"), int(3)]);
        let fields = [reference(name, number), pid(name, 1), pid(name, 2), entry, nil()];
        control(29, &fields, Some(&list(&[atom("box"), atom("slow"), nil()])))
    });
    Box::new(peer)
}

fn unknown_names(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    // by hand, as there are so many
    let mut frame = to_name(&peer.name, 1, "u0000000", &nil());
    let digits = frame.len() - 2 - 7;
    for part in 0..10 {
        let mut bytes = Vec::with_capacity(100_000 * frame.len());
        for number in 0..100_000_u32 {
            let mut left = part * 100_000 + number;
            for at in (digits..digits + 7).rev() {
                frame[at] = b'0' + u8::try_from(left % 10).unwrap();
                left /= 10;
            }
            bytes.extend(&frame);
        }
        assert!(peer.send(&bytes));
    }
    assert!(peer.ping());
    Box::new(peer)
}

fn takes_back(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    let echo = peer.pid_of("echo");
    peer.pour(MANY, |name, number| match number % 2 {
        0 => control(20, &[pid(name, number), echo.clone(), reference(name, number)], None),
        _ => control(35, &[int(number), pid(name, number), echo.clone()], None),
    });
    Box::new(peer)
}

fn answers(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    let (node, echo) = (stage.agent.node.clone(), peer.pid_of("echo"));
    peer.pour(MANY, |name, number| {
        let (from, reference) = (pid(name, number), reference(&node, number));
        match number % 5 {
            0 => control(33, &[from, reference], Some(&nil())),
            1 => control(31, &[reference, echo.clone(), int(0), from], None),
            2 => control(28, &[from, echo.clone(), reference], Some(&nil())),
            3 => control(36, &[int(number), from, echo.clone()], None),
            _ => control(24, &[from, echo.clone()], Some(&nil())),
        }
    });
    Box::new(peer)
}

fn ticks(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    assert!(peer.send(&vec![0; 4_000_000]));
    assert!(peer.ping());
    Box::new(peer)
}

fn echo(stage: &Stage) -> Held {
    Box::new(asks_and_never_reads(stage, |name, number| {
        to_name(name, 1, "echo", &gen_call(name, 1, number, &binary(&[7; 1000])))
    }))
}

fn functions(stage: &Stage) -> Held {
    Box::new(asks_and_never_reads(stage, |name, number| match number % 3 {
        0 => erpc(name, number, "erlang", "nosuch", &[binary(&[7; 1000])]),
        1 => erpc(name, number, "erlang", "registered", &[]),
        _ => erpc(name, number, "box", "hello", &[]),
    }))
}

fn system(stage: &Stage) -> Held {
    Box::new(asks_and_never_reads(stage, |name, number| to_name(name, 1, "system", &gen_call(name, 1, number, &atom("info")))))
}

fn rex(stage: &Stage) -> Held {
    Box::new(asks_and_never_reads(stage, |name, number| {
        let call = |function: &str| tuple(&[atom("call"), atom("erlang"), atom(function), nil(), atom("user")]);
        match number % 3 {
            0 => to_name(name, 1, "rex", &gen_call(name, 1, number, &call("registered"))),
            1 => to_name(name, 1, "rex", &tuple(&[pid(name, 1), call("nosuch")])),
            _ => to_name(name, 1, "rex", &tuple(&[pid(name, 1), tuple(&[atom("sbcast"), atom("nobody"), nil()])])),
        }
    }))
}

fn pings(stage: &Stage) -> Held {
    Box::new(asks_and_never_reads(stage, |name, number| {
        to_name(name, 1, "net_kernel", &gen_call(name, 1, number, &tuple(&[atom("is_auth"), atom(name)])))
    }))
}

fn program(stage: &Stage) -> Held {
    Box::new(asks_and_never_reads(stage, |name, number| {
        to_name(name, 1, "answers", &gen_call(name, 1, number, &binary(&[7; 1000])))
    }))
}

fn deaf_program(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    peer.pour(50_000, |name, number| to_name(name, 1, "deaf", &tuple(&[int(number), binary(&[7; 40])])));
    Box::new(peer)
}

fn unanswered(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    peer.pour(1000, |name, number| to_name(name, 1, "swallows", &gen_call(name, 1, number, &nil())));
    Box::new(peer)
}

fn flood(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    peer.pour(MANY, |name, number| to_name(name, 1, "echo", &tuple(&[pid(name, 1), int(number)])));
    until("all answers", || (peer.frames() >= MANY as usize).then_some(()));
    Box::new(peer)
}

fn ends_a_mailbox(stage: &Stage) -> Held {
    let mut peer = Peer::join(stage);
    // whom nobody else asks
    for _ in 0..300 {
        let flags = int(8 | 16);
        let kill = control(37, &[flags, pid(&peer.name, 1), atom("spare")], Some(&atom("kill")));
        assert!(peer.send(&kill));
        assert!(peer.ping());
    }
    Box::new(peer)
}

fn churn(stage: &Stage) -> Held {
    for number in 0..200 {
        let mut peer = Peer::join(stage);
        if number % 4 == 0 {
            assert!(peer.ping());
        }
    }
    Box::new(())
}

fn twins(stage: &Stage) -> Held {
    let name = stage.new_name();
    let mut before = proven(stage, &name);
    for _ in 0..100 {
        let next = proven(stage, &name);
        std::io::Write::write_all(&mut before, &frame(&[])).unwrap_or(());
        before = next;
    }
    drop(before);
    let mut last = Peer::join_as(stage, &name);
    assert!(last.ping());
    Box::new(last)
}

fn longest_name(stage: &Stage) -> Held {
    let host = stage.agent.host();
    let mut peer = Peer::join_as(stage, &format!("{}@{host}", "x".repeat(254 - host.len())));
    let spare = peer.pid_of("spare");
    peer.pour(1000, |name, number| match number % 4 {
        0 => control(19, &[pid(name, number), atom("echo"), reference(name, number)], None),
        1 => control(1, &[pid(name, number), spare.clone()], None),
        2 => erpc(name, number, "erlang", "nodes", &[list(&[atom("known")])]),
        _ => to_name(name, 1, "system", &gen_call(name, 1, number, &atom("info"))),
    });
    Box::new(peer)
}

fn many_nodes(stage: &Stage) -> Held {
    let host = stage.agent.host();
    let mut nodes = Vec::new();
    for number in 0..40 {
        let mut stream = stage.stranger();
        let name = format!("many{number}@{host}");
        let Ok(challenge) = super::attacker::challenged(&mut stream, &name, super::attacker::FLAGS) else { continue };
        std::io::Write::write_all(&mut stream, &super::attacker::proof(&stage.world.cookie, challenge)).unwrap_or(());
        if super::attacker::read_packet(&mut stream).is_ok() {
            nodes.push(stream);
        }
    }
    // 16, of which one is the honest node's, and one may be taken by what the agent dials
    assert!((13..=15).contains(&nodes.len()), "{} of 40 were let in", nodes.len());
    Box::new(nodes)
}

//! What comes to the node's port without the cookie.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::attacker::{
    DEMANDED, FLAGS, challenged, crowd, proof, proven, read_packet, read_to_the_end, reset, send_name, told, urgent,
};
use super::stage::Stage;
use super::wire::{control, pid};
use super::{Group, Held, Row};
use crate::support::{PATIENCE, packet, until};

pub(super) const GROUP: Group = Group {
    title: "whoever has not the cookie",
    settings: "",
    honest: &["calls", "joins"],
    more_memory: 8 * 1024,
    rows: &[
        Row {
            does: "passes on, as his own challenge to a node that dials him, the one that the node gave him (reflection)",
            node: "knows its own challenge, and refuses both",
            attack: reflects,
        },
        Row { does: "sends packets with wrong lengths", node: "closes", attack: wrong_lengths },
        Row { does: "speaks HTTP, TLS, SSH, EPMD or noise", node: "closes", attack: other_protocols },
        Row {
            does: "holds 200 handshakes that stop at every step",
            node: "ends each step after seven seconds; they keep nobody out",
            attack: half_handshakes,
        },
        Row {
            does: "makes 1,000 connections at once, and says nothing",
            node: "takes a few, of which those of the address with most make way; the others wait or are closed",
            attack: a_thousand,
        },
        Row {
            does: "makes 40 connections every 20 ms, which stop at every step",
            node: "takes them and lets them make way; those that go on come in",
            attack: one_after_another,
        },
        Row { does: "sends his name a byte at a time, 50 times over", node: "waits as for any other", attack: slow_bytes },
        Row { does: "guesses digests", node: "closes, without a digest of its own", attack: guesses },
        Row { does: "sends a digest again that was right once", node: "closes: each challenge is another one", attack: replays },
        Row { does: "comes by the node's own name", node: "refuses him", attack: own_name },
        Row {
            does: "comes by the name of a connected node",
            node: "lets him prove that he knows the cookie, and leaves the other alone until then",
            attack: name_of_another,
        },
        Row { does: "lacks flags that are mandatory", node: "says `not_allowed`, and closes", attack: missing_flags },
        Row {
            does: "has a name that is none, or one with escapes for a terminal",
            node: "closes; nothing of it reaches a terminal as it came",
            attack: wrong_names,
        },
        Row { does: "speaks an older version of the handshake and stops", node: "ends it as any other", attack: old_versions },
        Row { does: "asks for a name, 100 times, and never proves himself", node: "keeps none of them", attack: wants_a_name },
        Row { does: "begins with a later step of the handshake", node: "closes", attack: wrong_steps },
        Row { does: "sends control messages before he proved himself", node: "closes; none is looked at", attack: too_early },
        Row { does: "sends his name and 8 MiB behind it", node: "closes after two kilobytes", attack: far_too_much },
        Row { does: "connects and leaves, 1,000 times", node: "goes on", attack: comes_and_goes },
        Row { does: "resets the connection within the handshake, 200 times", node: "goes on", attack: resets },
        Row { does: "sends urgent bytes within the handshake", node: "does not see them", attack: urgent_bytes },
        Row { does: "closes his half of the connection within the handshake", node: "closes the other", attack: half_closes },
    ],
};

/// The attacker has a name that the node dials. What the node says to prove itself to him, he says to the node.
fn reflects(stage: &Stage) -> Held {
    let mirror = stage.full_name("mirror");
    stage.mirror.0.set_nonblocking(true).unwrap();
    let said = until("the node to be with the attacker when he answers", || {
        let (mut dialled, _) = stage.mirror.0.accept().ok()?;
        dialled.set_nonblocking(false).unwrap();
        dialled.set_read_timeout(Some(PATIENCE)).unwrap();
        read_packet(&mut dialled).ok()?;
        let mut own = stage.stranger();
        let challenge = challenged(&mut own, &stage.full_name("other"), FLAGS).ok()?;
        dialled.write_all(&packet(b"sok")).ok()?;
        let length = u16::try_from(mirror.len()).unwrap().to_be_bytes();
        let fields = [&b"N"[..], &FLAGS.to_be_bytes(), &challenge.to_be_bytes(), &[0, 0, 0, 9], &length, mirror.as_bytes()];
        dialled.write_all(&packet(&fields.concat())).ok()?;
        if let Ok(reply) = read_packet(&mut dialled) {
            assert_eq!(reply[0], b'r');
            // the challenge in it is the node's own, which he need not answer
            let _ = own.write_all(&packet(&reply));
        }
        // a call that the node had given up by then shows nothing: his own lasts until the node tires of it
        Some(read_to_the_end(own)).filter(|said| *said != packet(b"swhy:timeout"))
    });
    assert_eq!(said, b"", "the reflected digest was taken");
    Box::new(())
}

/// The node closed without a word that it gives to other nodes.
fn is_shown_the_door(stage: &Stage, said: &[u8]) {
    let answer = told(stage, stage.agent.port, said);
    assert!(!answer.windows(3).any(|part| part == b"sok"), "{} was taken for a node", crate::support::hex(said));
}

fn wrong_lengths(stage: &Stage) -> Held {
    let name = send_name(&stage.full_name("evil"), FLAGS);
    let mut name_is_longer = name.clone();
    name_is_longer[16] = 200;
    let mut packet_is_longer = name.clone();
    packet_is_longer[..2].copy_from_slice(&[255, 255]);
    let mut packet_is_shorter = name;
    packet_is_shorter[1] -= 3;
    for said in [
        vec![],
        vec![0],
        vec![0, 0],
        vec![0, 1, 0],
        packet(b"N"),
        packet(&[b'N'; 14]),
        packet(&vec![b'N'; 65_535]),
        [vec![255, 255], vec![b'N'; 4096]].concat(),
        name_is_longer,
        packet_is_longer,
        packet_is_shorter,
    ] {
        is_shown_the_door(stage, &said);
    }
    Box::new(())
}

fn other_protocols(stage: &Stage) -> Held {
    for said in [
        &b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n"[..],
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03",
        b"\x16\x03\x03\x00\x31\x01\x00\x00\x2d\x03\x03 a short hello that fits a packet.....",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x05zdemo",
        b"{\"jsonrpc\":\"2.0\"}\n",
        &[255; 4096],
        &[0; 4096],
    ] {
        is_shown_the_door(stage, said);
    }
    Box::new(())
}

/// So many handshakes that stop at every step.
fn stopped(stage: &Stage, count: usize) -> Vec<TcpStream> {
    crowd(count, stage.agent.port, |number| {
        let name = send_name(&stage.full_name(&format!("half{number}")), FLAGS);
        match number % 4 {
            0 => vec![],
            1 => vec![0],
            2 => name[..name.len() / 2].to_vec(),
            _ => name,
        }
    })
}

fn half_handshakes(stage: &Stage) -> Held {
    Box::new(stopped(stage, 200))
}

fn one_after_another(stage: &Stage) -> Held {
    let mut held = Vec::new();
    for _ in 0..30 {
        held.extend(stopped(stage, 40));
        std::thread::sleep(Duration::from_millis(20));
    }
    Box::new(held)
}

fn a_thousand(stage: &Stage) -> Held {
    Box::new(crowd(1000, stage.agent.port, |_| vec![]))
}

fn slow_bytes(stage: &Stage) -> Held {
    let mut slow = crowd(50, stage.agent.port, |_| vec![]);
    for byte in &send_name(&stage.full_name("slow"), FLAGS)[..16] {
        for stream in &mut slow {
            let _ = stream.write_all(&[*byte]);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Box::new(slow)
}

/// Sends this in place of the proof; the connection is closed without one in return.
fn is_refused(stage: &Stage, name: &str, reply: &[u8]) {
    let mut stream = stage.stranger();
    // one in a crowd may have to make way before that
    if challenged(&mut stream, name, FLAGS).is_ok() {
        let _ = stream.write_all(reply);
        assert_eq!(read_to_the_end(stream), b"");
    }
}

fn guesses(stage: &Stage) -> Held {
    let name = stage.new_name();
    for guess in 0..100 {
        is_refused(stage, &name, &packet(&[&[b'r', 0, 0, 0, 1][..], &[guess; 16]].concat()));
    }
    for cookie in ["", "nocookie", "cookie", "secret"] {
        let mut stream = stage.stranger();
        let challenge = challenged(&mut stream, &name, FLAGS).unwrap();
        stream.write_all(&proof(cookie, challenge)).unwrap();
        assert_eq!(read_to_the_end(stream), b"");
    }
    Box::new(())
}

fn replays(stage: &Stage) -> Held {
    let name = stage.new_name();
    let mut seen = stage.stranger();
    let challenge = challenged(&mut seen, &name, FLAGS).unwrap();
    let right = proof(&stage.world.cookie, challenge);
    seen.write_all(&right).unwrap();
    let ack = read_packet(&mut seen).unwrap();
    assert_eq!(ack[0], b'a');
    drop(seen);
    for _ in 0..20 {
        is_refused(stage, &name, &right);
    }
    // the node's own proof
    is_refused(stage, &name, &packet(&[&[b'r', 0, 0, 0, 1][..], &ack[1..]].concat()));
    Box::new(())
}

fn own_name(stage: &Stage) -> Held {
    for _ in 0..20 {
        is_shown_the_door(stage, &send_name(&stage.agent.node, FLAGS));
    }
    Box::new(())
}

fn name_of_another(stage: &Stage) -> Held {
    for _ in 0..50 {
        is_refused(stage, stage.caller(), &packet(&[&[b'r', 0, 0, 0, 1][..], &[7; 16]].concat()));
    }
    let host = stage.agent.host();
    let caller = stage.caller().to_owned();
    Box::new(crowd(20, stage.agent.port, |number| {
        let alive = if number % 2 == 0 { caller.clone() } else { format!("joins@{host}") };
        send_name(&alive, FLAGS)
    }))
}

fn missing_flags(stage: &Stage) -> Held {
    // those that OTP 25 demands
    for bit in (0..64).filter(|bit| 0x107_0f94_u64 >> bit & 1 == 1) {
        let mut stream = stage.stranger();
        stream.write_all(&send_name(&stage.new_name(), DEMANDED & !(1 << bit))).unwrap();
        assert_eq!(read_packet(&mut stream).unwrap(), b"snot_allowed", "without bit {bit}");
        assert_eq!(read_to_the_end(stream), b"");
    }
    Box::new(())
}

fn wrong_names(stage: &Stage) -> Held {
    let host = stage.agent.host();
    let long = "x".repeat(300);
    for name in ["", "evil", "@", "@host", "evil@", "a@b@c", "evil@@host", &long, &format!("{long}@{host}")] {
        is_shown_the_door(stage, &send_name(name, FLAGS));
    }
    for name in ["\u{1b}[31mred", "two\nlines", "bell\u{7}", "zero\0", "back\u{8}\u{8}", "evil\r", "\u{9b}31m"] {
        told(stage, stage.agent.port, &send_name(&format!("{name}@{host}"), FLAGS));
        is_refused(stage, &format!("{name}@{host}"), &packet(&[b'r'; 21]));
    }
    Box::new(())
}

fn old_versions(stage: &Stage) -> Held {
    let name = stage.full_name("old");
    let old =
        |version: u16, flags: u32| packet(&[&b"n"[..], &version.to_be_bytes(), &flags.to_be_bytes(), name.as_bytes()].concat());
    for version in [0, 1, 4, 6, 7, 65_535] {
        told(stage, stage.agent.port, &old(version, 0x307_0f94));
    }
    Box::new(crowd(50, stage.agent.port, |number| old(5, if number % 2 == 0 { 0x307_0f94 } else { 4 })))
}

fn wants_a_name(stage: &Stage) -> Held {
    let ask = send_name(stage.agent.host(), FLAGS | 1 << 33);
    let mut first = stage.stranger();
    first.write_all(&ask).unwrap();
    let status = read_packet(&mut first).unwrap();
    assert!(status.starts_with(b"snamed:"), "{}", String::from_utf8_lossy(&status));
    Box::new((first, crowd(100, stage.agent.port, |_| ask.clone())))
}

fn wrong_steps(stage: &Stage) -> Held {
    for said in [&b"sok"[..], b"salive", b"strue", b"snok", b"snot_allowed", &[b'r'; 21], &[b'a'; 17], &[b'c'; 9], &[b'X'; 30]] {
        is_shown_the_door(stage, &packet(said));
    }
    let name = stage.new_name();
    for reply in [&b"strue"[..], b"sok", &[b'a'; 17], &[b'c'; 9], &[b'r'; 5], &[b'r'; 200], &[b'N'; 40], b""] {
        is_refused(stage, &name, &packet(reply));
    }
    Box::new(())
}

fn too_early(stage: &Stage) -> Held {
    let name = stage.new_name();
    let exit = control(26, &[pid(&name, 1), pid(&stage.agent.node, 1)], Some(&super::wire::atom("kill")));
    for _ in 0..20 {
        is_shown_the_door(stage, &exit);
        is_refused(stage, &name, &exit);
        is_refused(stage, &name, &[0; 64]);
    }
    Box::new(())
}

fn far_too_much(stage: &Stage) -> Held {
    let much = vec![0; 8 << 20];
    for _ in 0..4 {
        let mut stream = stage.stranger();
        let name = send_name(&stage.new_name(), FLAGS);
        let _ = stream.write_all(&name).and_then(|()| stream.write_all(&much));
        read_to_the_end(stream);
    }
    Box::new(())
}

fn comes_and_goes(stage: &Stage) -> Held {
    for _ in 0..1000 {
        drop(stage.stranger());
    }
    Box::new(())
}

fn resets(stage: &Stage) -> Held {
    for number in 0..200 {
        let mut stream = stage.stranger();
        let name = send_name(&stage.full_name(&format!("reset{number}")), FLAGS);
        let _ = stream.write_all(&name[..if number % 2 == 0 { name.len() } else { 9 }]);
        if number % 4 == 0 {
            let _ = read_packet(&mut stream);
        }
        reset(&stream);
    }
    Box::new(())
}

fn urgent_bytes(stage: &Stage) -> Held {
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = stage.stranger();
        urgent(&stream);
        let seen = challenged(&mut stream, &stage.new_name(), FLAGS);
        urgent(&stream);
        assert!(seen.is_ok(), "{seen:?}");
        streams.push(stream);
    }
    Box::new(streams)
}

fn half_closes(stage: &Stage) -> Held {
    let name = stage.new_name();
    for said in [0, 1, 2, 5, 20, usize::MAX] {
        let name = send_name(&name, FLAGS);
        let answer = told(stage, stage.agent.port, &name[..said.min(name.len())]);
        assert!(!answer.ends_with(b"a"));
    }
    // and right behind the proof, which is of a node then that went away
    let proven = proven(stage, &name);
    proven.shutdown(Shutdown::Write).unwrap();
    read_to_the_end(proven);
    Box::new(())
}

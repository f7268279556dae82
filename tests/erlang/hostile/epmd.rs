//! What comes to the EPMD that the agent serves.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::time::Duration;

use super::attacker::{connect_from, crowd, read_to_the_end, reset, told};
use super::stage::Stage;
use super::{Group, Held, Row};
use crate::support::packet;

pub(super) const GROUP: Group = Group {
    title: "whoever reaches the node's EPMD",
    settings: "",
    honest: &["calls", "joins"],
    more_memory: 8 * 1024,
    rows: &[
        Row {
            does: "registers 100 names",
            node: "has room for 32, and says no to the others; who is registered stays so",
            attack: fills,
        },
        Row { does: "registers from another host", node: "refuses: only nodes of this host are registered", attack: from_afar },
        Row {
            does: "holds 1,000 connections that say nothing",
            node: "takes a few; those that ask are answered",
            attack: a_thousand,
        },
        Row {
            does: "makes 40 connections every 20 ms, which say nothing or stop",
            node: "lets them make way for those that ask",
            attack: one_after_another,
        },
        Row { does: "asks a byte at a time, 50 times over", node: "waits, and answers the others", attack: slow_bytes },
        Row { does: "sends requests of wrong lengths, and noise", node: "closes", attack: noise },
        Row { does: "asks 3,000 times", node: "answers", attack: asks },
        Row { does: "asks for all names, and never reads", node: "answers the others", attack: never_reads },
        Row { does: "registers names that are taken, the node's own too", node: "refuses", attack: taken_names },
        Row { does: "asks it to end, or to take names out", node: "does neither while there are names", attack: kills },
        Row {
            does: "registers names with newlines and escapes",
            node: "keeps them as they are; what shows them escapes them",
            attack: escapes,
        },
        Row { does: "registers and leaves, 1,000 times", node: "goes on", attack: churn },
        Row { does: "resets the connection within a request, 200 times", node: "goes on", attack: resets },
    ],
};

/// A request to register a node.
fn alive(name: &[u8], port: u16) -> Vec<u8> {
    let mut body = vec![120];
    body.extend(port.to_be_bytes());
    body.extend([77, 0, 0, 6, 0, 6]);
    body.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
    body.extend(name);
    body.extend([0, 0]);
    packet(&body)
}

/// Asks to register; whether that was done, and the connection that keeps it so.
fn register(mut stream: TcpStream, name: &[u8]) -> (bool, TcpStream) {
    let mut answer = [0; 6];
    let _ = stream.write_all(&alive(name, 4711));
    let is_done = stream.read_exact(&mut answer).is_ok() && answer[..2] == [118, 0];
    (is_done, stream)
}

fn fills(stage: &Stage) -> Held {
    let registered: Vec<(bool, TcpStream)> =
        (0..100).map(|number| register(stage.stranger_at(stage.world.epmd_port), format!("fills{number}").as_bytes())).collect();
    let done = registered.iter().filter(|(is_done, _)| *is_done).count();
    assert!(done < 32, "{done} names");
    Box::new(registered)
}

/// An address of this host that others reach it by; the kernel names it without sending anything.
fn outer_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.connect(("192.0.2.77", 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

fn from_afar(stage: &Stage) -> Held {
    // to the loopback address from another one is not from here; a host with no other address is reached by nobody from afar
    if let Some(afar) = outer_address() {
        for name in ["afar", "demo", "calls"] {
            let stream = connect_from(afar, stage.world.epmd_port, true).unwrap();
            assert!(!register(stream, name.as_bytes()).0, "{name} was registered from {afar}");
        }
        for request in [&b"k"[..], b"d"] {
            let mut stream = connect_from(afar, stage.world.epmd_port, true).unwrap();
            stream.write_all(&packet(request)).unwrap();
            assert_eq!(read_to_the_end(stream), b"");
        }
    }
    assert!(!stage.world.epmd_names().iter().any(|name| name.contains("afar")));
    Box::new(())
}

fn a_thousand(stage: &Stage) -> Held {
    Box::new(crowd(1000, stage.world.epmd_port, |_| vec![]))
}

fn one_after_another(stage: &Stage) -> Held {
    let mut held = Vec::new();
    for _ in 0..30 {
        held.extend(crowd(40, stage.world.epmd_port, |number| alive(b"stops", 4711)[..number % 3 * 5].to_vec()));
        std::thread::sleep(Duration::from_millis(20));
    }
    Box::new(held)
}

fn slow_bytes(stage: &Stage) -> Held {
    let mut slow = crowd(50, stage.world.epmd_port, |_| vec![]);
    for byte in &alive(b"slow", 4711)[..14] {
        for stream in &mut slow {
            let _ = stream.write_all(&[*byte]);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Box::new(slow)
}

fn noise(stage: &Stage) -> Held {
    let right = alive(b"noise", 4711);
    let changed = |at: usize, to: u8| {
        let mut bytes = right.clone();
        bytes[at] = to;
        bytes
    };
    for said in [
        vec![],
        vec![0],
        vec![0, 0],
        vec![0, 1],
        packet(b"?"),
        packet(b"z"),
        packet(b"x"),
        packet(&[b'z'; 300]),
        packet(&[b'z'; 5000]),
        vec![255; 4096],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        changed(11, 255),
        changed(12, 200),
        changed(12, 0),
        changed(right.len() - 1, 200),
        alive(b"", 4711),
        alive(b"zero\0inside", 4711),
        alive(&[255; 30], 4711),
        alive(&[b'x'; 1021], 4711),
        [alive(b"more", 4711), alive(b"behind", 4711)].concat(),
    ] {
        told(stage, stage.world.epmd_port, &said);
    }
    Box::new(())
}

fn asks(stage: &Stage) -> Held {
    for number in 0..3000 {
        let (request, mark) = match number % 3 {
            0 => (packet(b"zdemo"), 119),
            1 => (packet(b"znobody"), 119),
            _ => (packet(b"n"), 0),
        };
        let mut stream = stage.stranger_at(stage.world.epmd_port);
        stream.write_all(&request).unwrap();
        let answer = read_to_the_end(stream);
        assert_eq!(answer.first(), Some(&mark));
    }
    Box::new(())
}

fn never_reads(stage: &Stage) -> Held {
    Box::new(crowd(100, stage.world.epmd_port, |_| packet(b"n")))
}

fn taken_names(stage: &Stage) -> Held {
    let tries: Vec<(bool, TcpStream)> = ["demo", "calls", "joins", "mirror"]
        .iter()
        .cycle()
        .take(100)
        .map(|name| register(stage.stranger_at(stage.world.epmd_port), name.as_bytes()))
        .collect();
    assert!(tries.iter().all(|(is_done, _)| !is_done));
    Box::new(tries)
}

fn kills(stage: &Stage) -> Held {
    for _ in 0..10 {
        assert_eq!(told(stage, stage.world.epmd_port, &packet(b"k")), b"NO");
        for name in ["demo", "calls", "nobody"] {
            told(stage, stage.world.epmd_port, &packet(&[b"s", name.as_bytes()].concat()));
        }
    }
    let names = stage.world.epmd_names();
    assert!(["demo", "calls", "joins"].iter().all(|name| names.iter().any(|line| line.contains(name))), "{names:?}");
    Box::new(())
}

fn escapes(stage: &Stage) -> Held {
    let names = ["\u{1b}[31mred", "two\nlines", "name demo at port 1\n", "bell\u{7}", "\u{9b}31m", "carriage\rreturn"];
    let registered: Vec<(bool, TcpStream)> =
        names.iter().map(|name| register(stage.stranger_at(stage.world.epmd_port), name.as_bytes())).collect();
    Box::new(registered)
}

fn churn(stage: &Stage) -> Held {
    for number in 0..1000 {
        drop(register(stage.stranger_at(stage.world.epmd_port), format!("churn{}", number % 50).as_bytes()));
    }
    Box::new(())
}

fn resets(stage: &Stage) -> Held {
    let request = alive(b"resets", 4711);
    for number in 0..200 {
        let mut stream = stage.stranger_at(stage.world.epmd_port);
        let _ = stream.write_all(&request[..number % request.len()]);
        reset(&stream);
    }
    Box::new(())
}

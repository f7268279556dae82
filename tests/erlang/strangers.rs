//! What may come to an open port: silence, noise, half a handshake, a crowd. None of it keeps the next real node out.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::{Agent, PATIENCE, World, demo_and_erl, hex, packet, register_by_hand, until};

/// The flags that OTP 26 and later demand.
const FLAGS: u64 = 0x4_0307_0f94;

fn connect(demo: &Agent) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", demo.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn send_name(node: &str, flags: u64) -> Vec<u8> {
    let mut body = vec![b'N'];
    body.extend(flags.to_be_bytes());
    body.extend(4711_u32.to_be_bytes());
    body.extend(u16::try_from(node.len()).unwrap().to_be_bytes());
    body.extend(node.as_bytes());
    packet(&body)
}

fn read_packet(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Reads to the end of the connection; a reset is an end too.
fn read_to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => panic!("the connection is still open"),
        _ => all,
    }
}

#[test]
fn noise_is_shown_the_door() {
    let (world, demo, erl) = demo_and_erl(&[]);
    let mut noises: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n".to_vec(),
        vec![0, 0],
        vec![0, 1, 0],
        vec![0xff; 4096],
        packet(b"N"),
        packet(&[b'N'; 14]),
        packet(b"s"),
        packet(b"sok"),
        packet(b"r0123456789012345678"),
        send_name("", FLAGS),
        send_name("no_host", FLAGS),
        send_name("@host", FLAGS),
        send_name("name@", FLAGS),
        send_name("a@b@c", FLAGS),
        send_name(&format!("{}@host", "x".repeat(300)), FLAGS),
    ];
    let mut longer_than_the_packet = send_name("a@host", FLAGS);
    longer_than_the_packet[16] = 200;
    noises.push(longer_than_the_packet);
    for noise in noises {
        let mut stream = connect(&demo);
        // It may have been shown the door before the last word.
        let _ = stream.write_all(&noise).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let answer = read_to_the_end(stream);
        assert!(!answer.windows(3).any(|w| w == b"sok"), "{} was taken for a node", hex(&noise));
    }
    until("the connections to be closed", || (demo.connections(world.epmd_port) == 0).then_some(()));
    assert_eq!(demo.log.count(&["node up"]), 0);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
}

/// A node that lacks what the protocol demands is told so.
#[test]
fn a_node_without_the_mandatory_flags_is_not_allowed() {
    let (_world, demo, _erl) = demo_and_erl(&[]);
    let mut stream = connect(&demo);
    stream.write_all(&send_name("old@localhost", 0x4)).unwrap();
    assert_eq!(read_packet(&mut stream).unwrap(), b"snot_allowed");
    assert_eq!(read_to_the_end(stream), b"");
    demo.wait(&["old@localhost"]);
}

/// A digest that is wrong closes the connection, and a wrong one says nothing of the right one.
#[test]
fn a_guessed_digest_is_refused_without_an_answer() {
    let (_world, demo, _erl) = demo_and_erl(&[]);
    // as many as are told one by one
    for i in 0..10 {
        let mut stream = connect(&demo);
        stream.write_all(&send_name(&format!("guest{}@localhost", i / 2), FLAGS)).unwrap();
        assert_eq!(read_packet(&mut stream).unwrap(), b"sok");
        let challenge = read_packet(&mut stream).unwrap();
        assert_eq!(challenge[0], b'N');
        assert!(challenge.ends_with(demo.node.as_bytes()));
        let mut reply = vec![b'r'];
        reply.extend([7; 20]);
        stream.write_all(&packet(&reply)).unwrap();
        assert_eq!(read_to_the_end(stream), b"");
    }
    until("the rejections in the log", || (demo.log.count(&["@localhost", "Invalid challenge reply"]) == 5).then_some(()));
}

/// Every challenge is another one.
#[test]
fn challenges_differ() {
    let (_world, demo, _erl) = demo_and_erl(&[]);
    let mut seen = std::collections::HashSet::new();
    for i in 0..20 {
        let mut stream = connect(&demo);
        stream.write_all(&send_name(&format!("guest{i}@localhost"), FLAGS)).unwrap();
        assert_eq!(read_packet(&mut stream).unwrap(), b"sok");
        seen.insert(read_packet(&mut stream).unwrap()[9..13].to_vec());
    }
    assert_eq!(seen.len(), 20);
}

/// Many that connect and say nothing, or stop in the middle: a node that can prove itself comes in meanwhile.
#[test]
fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let (world, demo, erl) = demo_and_erl(&[]);
    let mut silent = Vec::new();
    for i in 0..150 {
        // The agent may turn away whom it has no room for.
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", demo.port)) else { continue };
        if i % 3 == 1 {
            let _ = stream.write_all(&send_name(&format!("half{i}@localhost"), FLAGS));
        } else if i % 3 == 2 {
            let _ = stream.write_all(&[0]);
        }
        silent.push(stream);
    }
    erl.eval_until("net_kernel:connect_node(N)", "true");
    assert_eq!(erl.eval("gen_server:call({echo, N}, through_the_crowd, 60000)"), "through_the_crowd");
    assert!(demo.open_files() < 100, "{} open files: the half-open connections are not bounded", demo.open_files());
    drop(silent);
    until("the crowd to be gone", || (demo.connections(world.epmd_port) == 1).then_some(()));
    demo.wait(&["node up"]);
    assert_eq!(demo.log.count(&["node up"]), 1);
}

/// Who takes too long for a step is shut out, even when every byte of it comes in time.
#[test]
fn a_handshake_has_a_time_limit() {
    let (_world, demo, _erl) = demo_and_erl(&[]);
    let mut stream = connect(&demo);
    let name = send_name("slow@localhost", FLAGS);
    // A byte now and then: before all are there, more time has passed than anybody grants.
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let closed = name.iter().position(|byte| {
        let gone = stream.write_all(&[*byte]).is_err();
        gone || !matches!(stream.read(&mut [0; 64]), Err(e) if e.kind() == ErrorKind::WouldBlock)
    });
    assert!(closed.is_some(), "half a name was waited for {} s", name.len() / 2);
    assert_ne!(closed, Some(0), "the first byte was refused");
}

/// Whatever strangers and peers call themselves and others: a terminal that shows the log obeys none of it.
#[test]
fn nobody_writes_on_a_terminal_by_way_of_the_log() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    for name in ["\u{1b}[2Jx@localhost", "x@local\nhost", "\u{9b}31mx@localhost", "x\u{202e}@localhost"] {
        let mut stream = connect(&demo);
        stream.write_all(&send_name(name, FLAGS)).unwrap();
        let _ = read_to_the_end(stream);
    }
    demo.wait(&["rejected"]);
    erl.eval("{list_to_atom([27 | \"[2J\"]), N} ! lost");
    demo.wait(&["[2J", "dropped"]);
    let log = demo.log.text();
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{log:?}");
}

/// Somebody without the cookie whom the agent dials, here since his name stands in EPMD. He connects himself, and passes the challenge that he is
/// given to the connection that the agent made. The answer would let him in.
#[test]
fn nobody_is_let_in_by_an_answer_of_our_own() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    let foe = TcpListener::bind("127.0.0.1:0").unwrap();
    let registered = register_by_hand(world.epmd_port, "foe", foe.local_addr().unwrap().port());
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--connect", "foe@127.0.0.1", "--connect", "a@127.0.0.1"]);
    for claimed in ["guest@127.0.0.1", "foe@127.0.0.1"] {
        let from = demo.log.len();
        let (mut made, _) = foe.accept().unwrap();
        made.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(read_packet(&mut made).unwrap()[0], b'N');
        let mut own = connect(&demo);
        own.write_all(&send_name(claimed, FLAGS)).unwrap();
        assert!(read_packet(&mut own).unwrap().starts_with(b"sok"));
        let challenge = read_packet(&mut own).unwrap();
        let mut passed_on = challenge[..17].to_vec();
        let name = b"foe@127.0.0.1";
        passed_on.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        passed_on.extend(name);
        made.write_all(&[packet(b"sok"), packet(&passed_on)].concat()).unwrap();
        assert_eq!(hex(&read_to_the_end(made)), "", "the agent answered its own challenge");
        assert_eq!(hex(&read_to_the_end(own)), "");
        demo.wait_from(from, &["foe@127.0.0.1", "a challenge of this node's own"]);
        demo.wait_from(from, &["rejected", claimed, "a challenge of this node's own"]);
    }
    // others are served, and whoever has that name rightly is connected
    assert_eq!(erl.eval("gen_server:call({echo, 'demo@127.0.0.1'}, served, 60000)"), "served");
    drop((registered, foe));
    let _rightly = world.erl(&["-name", "foe@127.0.0.1"]);
    demo.wait(&["node up: foe@127.0.0.1"]);
    assert_eq!(demo.log.count(&["node up: guest"]), 0);
}

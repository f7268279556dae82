//! EPMD: the embedded one as real Erlang uses it and as it is abused, the real one as the agent uses it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use crate::binaries::beamless;
use crate::children::command;
use crate::support::{Agent, PATIENCE, World, demo_and_erl, free_port, hex, packet, register_by_hand, until};

#[test]
fn erlang_lives_with_the_embedded_epmd() {
    let (world, demo, mut erl) = demo_and_erl(&[]);
    demo.wait(&["up as", "epmd embedded", &world.epmd_port.to_string()]);
    world.wait_for_names(&["a", "demo"]);
    assert!(world.epmd_names().contains(&format!("name demo at port {}", demo.port)));

    let second = world.erl(&["-sname", "b"]);
    assert_eq!(second.eval(&format!("net_adm:ping({})", erl.atom())), "pong");
    let names = second.eval("{ok, Names} = erl_epmd:names(), lists:sort([Name || {Name, _} <- Names])");
    assert_eq!(names, r#"["a","b","demo"]"#);
    assert_eq!(second.eval("{ok, Names} =:= net_adm:names()"), "true");
    assert_eq!(second.eval("proplists:get_value(\"demo\", Names)"), demo.port.to_string());
    let there = format!("{{ok, L}} = erl_epmd:names(\"{}\"), length(L)", demo.host());
    assert_eq!(second.eval(&there), "3");
    // A hidden node and one that listens nowhere register as well as any.
    let hidden = world.erl(&["-sname", "c", "-hidden"]);
    world.wait_for_names(&["a", "b", "c", "demo"]);
    drop(hidden);
    erl.stop();
    world.wait_for_names(&["b", "demo"]);
    assert_eq!(second.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
}

#[test]
fn a_name_is_given_once() {
    let (world, _demo, _erl) = demo_and_erl(&[]);
    for taken in ["demo", "a"] {
        let mut erl = world.launch_erl(&["-sname", taken]);
        assert!(!erl.wait_for_exit().success());
        assert!(erl.log.wait_from(0, &["seems to be in use by another Erlang node"]).is_some());
    }
    world.wait_for_names(&["a", "demo"]);
}

/// A second agent of a name is in nobody's way: it would take the first one's place at the hub, and its program the serial port. Where the name is
/// free, or there is no EPMD, nothing is waited for.
#[test]
fn a_second_agent_of_a_name_waits_for_it() {
    let world = World::new();
    let hub = world.agent(&["--sname", "hub"]);
    let text = "sname = \"box\"\nconnect = [\"hub\"]\n[mailbox.p]\ncommand = [\"cat\"]\n[[publish]]\ncommand = [\"sh\", \"-c\", \"echo read >>read\"]\n\
                every = \"1h\"\nto = \"echo\"\nnode = \"hub\"\n";
    let file = world.home.join("box.toml");
    std::fs::write(&file, text).unwrap();
    let args = ["--config", "box.toml"];
    let begun = |agent: &Agent| {
        agent.wait(&["mailbox p: started "]);
        agent.wait(&["node up: hub@"]);
    };
    let mut first = world.agent(&args);
    begun(&first);
    let port = free_port();
    let at_port = format!("listen = \"0.0.0.0:{port}\"\n{text}");
    std::fs::write(&file, &at_port).unwrap();
    let second = world.launch(&args);
    second.wait(&["warn: epmd on this host has another node of this alive name"]);
    second.wait(&["until it has its name this node connects to no other, starts no program and takes no reading"]);
    // it is asked for again meanwhile; a reload and what it brings wait as well
    std::fs::write(&file, format!("{at_port}[mailbox.q]\ncommand = [\"cat\"]\n")).unwrap();
    second.signal("HUP");
    second.wait(&["mailbox q: added"]);
    // who goes around EPMD is answered
    for mailbox in ["p", "q"] {
        world.tool(&["call", &format!("box:{port}"), mailbox, "hello"]).done("{error,restarting}\n");
    }
    sleep(Duration::from_secs(1));
    assert_eq!((second.log.count(&["node up: hub@"]), second.log.count(&[": started "])), (0, 0));
    assert_eq!(first.log.count(&["node down: "]), 0);
    assert_eq!(hub.log.count(&["node up: box@"]), 1);
    let read = || std::fs::read_to_string(world.home.join("read")).map_or(0, |text| text.lines().count());
    until("a reading", || (read() > 0).then_some(()));
    assert_eq!(read(), 1);
    first.signal("TERM");
    assert_eq!(first.exit_code(), Some(0));
    begun(&second);
    second.wait(&["mailbox q: started "]);
    let alone = World::new();
    std::fs::write(alone.home.join("box.toml"), format!("epmd = \"external\"\n{text}")).unwrap();
    let alone = alone.launch(&args);
    alone.wait(&["mailbox p: started "]);
    alone.wait(&["cannot connect to hub@"]);
}

#[test]
fn a_name_that_became_free_is_given_again() {
    let (world, _demo, mut erl) = demo_and_erl(&[]);
    for _ in 0..5 {
        erl.kill();
        world.wait_for_names(&["demo"]);
        erl = world.erl(&["-sname", "a"]);
        world.wait_for_names(&["a", "demo"]);
    }
}

#[test]
fn a_running_epmd_is_used() {
    let world = World::new();
    let _epmd = world.epmd();
    let demo = world.agent(&["--sname", "demo"]);
    demo.wait(&["up as", "epmd external"]);
    world.wait_for_names(&["demo"]);
}

#[test]
fn the_epmd_of_another_agent_is_used() {
    let world = World::new();
    let _demo = world.agent(&["--sname", "demo"]);
    let second = world.agent(&["--sname", "second"]);
    second.wait(&["up as", "epmd external"]);
    world.wait_for_names(&["demo", "second"]);
}

#[test]
fn without_epmd_no_name_is_registered() {
    let world = World::new();
    let _epmd = world.epmd();
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--epmd", "none"]);
    world.wait_for_names(&[]);
    // Whoever knows the port by other means comes in.
    let _registration = register_by_hand(world.epmd_port, "demo", demo.port);
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    assert_eq!(erl.eval("net_adm:ping('demo@127.0.0.1')"), "pong");
}

/// The real epmd dies, and comes back empty: the agent registers again by itself, and links stand meanwhile.
#[test]
fn a_restarted_epmd_hears_of_the_agent_again() {
    let world = World::new();
    let epmd = world.epmd();
    let demo = world.agent(&["--sname", "demo", "--epmd", "external"]);
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    let port = world.epmd_names();
    drop(epmd);
    assert_eq!(erl.eval("gen_server:call({echo, N}, without_epmd, 60000)"), "without_epmd");
    demo.wait(&["epmd is gone"]);
    let mark = demo.log.len();
    let _epmd = world.epmd();
    until("epmd -names to list the agent", || {
        world.epmd_names().iter().any(|line| port.contains(line) && line.starts_with("name demo ")).then_some(())
    });
    demo.wait_from(mark, &["registered", "epmd"]);
    assert_eq!(demo.log.count(&["node down"]), 0);
}

/// An external EPMD that is not there yet is waited for.
#[test]
fn an_epmd_that_starts_later_is_found() {
    let world = World::new();
    let _demo = world.launch(&["--sname", "demo", "--epmd", "external"]);
    let _epmd = world.epmd();
    world.wait_for_names(&["demo"]);
}

/// What one connection to an EPMD came to.
#[derive(PartialEq, Eq)]
struct Outcome {
    answer: Vec<u8>,
    closed: bool,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} and {}", hex(&self.answer), if self.closed { "closed" } else { "open" })
    }
}

fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).unwrap()
}

/// Sends all of it. The other side may close before it has read everything.
fn begin(port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(port);
    let _ = stream.write_all(bytes);
    stream
}

fn outcome(mut stream: TcpStream) -> Outcome {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut answer = Vec::new();
    let closed = match stream.read_to_end(&mut answer) {
        Ok(_) => true,
        Err(e) => e.kind() != ErrorKind::WouldBlock,
    };
    match answer.first() {
        // The creation is another one each time.
        Some(118 | 121) => answer.iter_mut().skip(2).for_each(|byte| *byte = 0),
        // The answer to a question for names begins with the port of that EPMD, and who else is there depends on the moment.
        Some(0) => answer = b"names".to_vec(),
        _ => {}
    }
    Outcome { answer, closed }
}

fn alive(name: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut body = vec![120, 0x9c, 0x40, 77, 0, 0, 6, 0, 5];
    body.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
    body.extend(name);
    body.extend(u16::try_from(extra.len()).unwrap().to_be_bytes());
    body.extend(extra);
    body
}

/// The cases of OTP's `epmd_SUITE`, and some more: a name and what is sent.
fn abuses() -> Vec<(String, Vec<u8>)> {
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    let mut case = |name: &str, bytes: Vec<u8>| cases.push((name.to_owned(), bytes));
    case("no_data", vec![]);
    case("one_byte", vec![0]);
    case("two_bytes", vec![0, 3]);
    case("partial_packet", vec![0, 9, 110, 111]);
    case("zero_length", vec![0, 0]);
    case("zero_length with data", vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    case("too_large", [vec![0xff, 0xff], vec![1; 65_535]].concat());
    case("unknown request", packet(&[1]));
    case("unknown request with data", packet(&[200, 1, 2, 3]));
    case("names", packet(&[110]));
    case("names with data", packet(b"n and more"));
    case("port please, unknown name", packet(b"znobody"));
    case("port please, no name", packet(b"z"));
    case("port please, null inside", packet(b"zno\0body"));
    case("port please, long name", packet(&[vec![122], vec![b'x'; 2000]].concat()));
    case("port please, known name", packet(b"zlive"));
    case("kill while nodes live", packet(&[107]));
    for length in 1..=13 {
        case(&format!("alive_req_too_small {length}"), packet(&alive(b"", b"")[..length.min(13)]));
    }
    case("alive", packet(&alive(b"plain", b"")));
    case("alive, no name", packet(&alive(b"", b"xx")));
    case("alive, name of one", packet(&alive(b"y", b"")));
    case("alive_req_too_large", packet(&[alive(b"too_large", b""), vec![b'x'; 5000]].concat()));
    case("alive with one byte too many", packet(&[alive(b"one_more", b""), vec![0]].concat()));
    case("name_with_null_inside", packet(&alive(b"nu\0ll", b"")));
    case("name_null_terminated", packet(&alive(b"null\0", b"")));
    case("name not utf-8", packet(&alive(b"\xff\xfe", b"")));
    case("unicode_name", packet(&alive("älpha-ν".as_bytes(), b"")));
    case("long_unicode_name", packet(&alive("ν".repeat(255).as_bytes(), b"")));
    case("too long a name", packet(&alive("ν".repeat(256).as_bytes(), b"")));
    case("too long a plain name", packet(&alive(&[b'q'; 256], b"")));
    case("longest plain name", packet(&alive(&[b'q'; 255], b"")));
    case("extra", packet(&alive(b"with_extra", b"\x01\x02\x03")));
    case("register_duplicate_name", packet(&alive(b"live", b"")));
    let mut long_name = alive(b"overrun", b"");
    long_name[9..11].copy_from_slice(&[0xff, 0xff]);
    case("buffer_overrun_1", packet(&long_name));
    let mut long_extra = alive(b"overrun2", b"");
    let end = long_extra.len();
    long_extra[end - 2..].copy_from_slice(&[0xff, 0xff]);
    case("buffer_overrun_2", packet(&long_extra));
    cases
}

/// Every abuse is met by the embedded EPMD as by the real one: the same answer, and the connection closed or kept as there.
#[test]
fn the_embedded_epmd_answers_as_the_real_one_does() {
    let real = World::new();
    let _epmd = real.epmd();
    let (ours, demo, erl) = demo_and_erl(&[]);
    let ports = [real.epmd_port, ours.epmd_port];
    let _live = ports.map(|port| register_by_hand(port, "live", 4711));
    let mut abuses = abuses();
    let mut differences = Vec::new();
    // Time in which nothing happens is part of the answer; what differs because a process had no time to answer is tried again with more.
    for wait in [400, 4000, 40_000] {
        differences.clear();
        let mut differ = Vec::new();
        // A few at a time: what is compared is not how many connections each of them bears.
        for some in abuses.chunks(8) {
            let talks: Vec<_> = some.iter().map(|(_, bytes)| ports.map(|port| begin(port, bytes))).collect();
            sleep(Duration::from_millis(wait));
            for (abuse, streams) in some.iter().zip(talks) {
                let [expected, got] = streams.map(outcome);
                if expected != got {
                    differences.push(format!("{}: real {expected:?}, embedded {got:?}", abuse.0));
                    differ.push(abuse.clone());
                }
            }
        }
        abuses = differ;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    ours.wait_for_names(&["a", "demo", "live"]);
}

/// What begins and does not go on is left alone, and everybody else is served.
#[test]
fn unfinished_requests_hold_nobody_up() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    let unfinished: Vec<Vec<u8>> =
        vec![vec![], vec![0], vec![0, 3], vec![0, 9, 110, 111], vec![0xff, 0xff, 120], vec![0, 20, 120, 1, 1]];
    let open: Vec<_> = unfinished.iter().map(|bytes| begin(world.epmd_port, bytes)).collect();
    let second = world.erl(&["-sname", "b"]);
    assert_eq!(second.eval(&format!("net_adm:ping({})", erl.atom())), "pong");
    drop(open);
    world.wait_for_names(&["a", "b", "demo"]);
}

/// A request may come in pieces, as slow networks deliver it.
#[test]
fn a_slow_request_is_answered() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    for request in [packet(b"zdemo"), packet(&[110])] {
        let mut stream = connect(world.epmd_port);
        for byte in request {
            stream.write_all(&[byte]).unwrap();
            sleep(Duration::from_millis(30));
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        match answer[0] {
            119 => assert_eq!(answer[1..4], [&[0], &demo.port.to_be_bytes()[..]].concat()),
            _ => {
                assert_eq!(answer[..4], u32::from(world.epmd_port).to_be_bytes());
                assert_eq!(answer[4..], *format!("name demo at port {}\n", demo.port).as_bytes());
            }
        }
    }
}

#[test]
fn a_registration_ends_with_its_connection() {
    let world = World::new();
    let _demo = world.agent(&["--sname", "demo"]);
    let registration = register_by_hand(world.epmd_port, "mine", 4711);
    world.wait_for_names(&["demo", "mine"]);
    drop(registration);
    world.wait_for_names(&["demo"]);
    // Or with a word too many on it.
    let mut registration = register_by_hand(world.epmd_port, "mine", 4711);
    registration.write_all(&[0]).unwrap();
    world.wait_for_names(&["demo"]);
}

/// Nobody takes a name away from another: `STOP_REQ` needs a word that no agent gives.
#[test]
fn a_name_cannot_be_taken_from_another() {
    let (world, _demo, _erl) = demo_and_erl(&[]);
    for name in ["a", "demo", "nobody"] {
        let mut stream = connect(world.epmd_port);
        stream.write_all(&packet(format!("s{name}").as_bytes())).unwrap();
        sleep(Duration::from_millis(100));
        assert_ne!(outcome(stream).answer, b"STOPPED", "{name}");
    }
    let mut stream = connect(world.epmd_port);
    stream.write_all(&packet(&[107])).unwrap();
    sleep(Duration::from_millis(100));
    world.wait_for_names(&["a", "demo"]);
}

/// The creation of a name is another one each time it is registered, and never one of the few that stand for "any".
#[test]
fn a_registration_has_a_creation_of_its_own() {
    let world = World::new();
    let _demo = world.agent(&["--sname", "demo"]);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10 {
        let mut stream = connect(world.epmd_port);
        stream.write_all(&packet(&[&[120, 1, 1, 77, 0, 0, 6, 0, 6, 0, 1][..], b"x", &[0, 0]].concat())).unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..2], [118, 0]);
        let creation = u32::from_be_bytes([answer[2], answer[3], answer[4], answer[5]]);
        assert!(creation > 3);
        assert!(seen.insert(creation), "{creation} was given twice");
        drop(stream);
        world.wait_for_names(&["demo"]);
    }
}

/// As many names as anybody cares to register: those that fit are kept, the others are refused, and none that was there is lost.
#[test]
fn register_overflow() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    let source = format!(
        "Register = fun(I) ->
            {{ok, S}} = gen_tcp:connect({{127,0,0,1}}, {}, [binary, {{active, false}}]),
            Name = integer_to_binary(I),
            Body = <<120, I:16, 77, 0, 6:16, 5:16, (byte_size(Name)):16, Name/binary, 0:16>>,
            gen_tcp:send(S, <<(byte_size(Body)):16, Body/binary>>),
            {{S, gen_tcp:recv(S, 6, 5000)}}
        end,
        All = [catch Register(I) || I <- lists:seq(10001, 10600)],
        length([ok || {{_, {{ok, <<118, 0, _:32>>}}}} <- All])",
        world.epmd_port
    );
    let registered: usize = erl.eval(&source).parse().unwrap();
    assert!(registered > 0);
    let names = world.epmd_names();
    assert!(names.iter().any(|line| line.starts_with("name demo ")), "the agent's own name was lost");
    assert!(names.iter().any(|line| line.starts_with("name a ")), "Erlang's name was lost");
    assert_eq!(names.len(), registered + 2);
    erl.eval("[gen_tcp:close(S) || {S, _} <- All]");
    world.wait_for_names(&["a", "demo"]);
}

/// Thousands that connect, ask and hang, faster than anybody could serve: the next one with a purpose is served.
#[test]
fn thousands_of_connections_wear_nothing_out() {
    let (world, demo, erl) = demo_and_erl(&[]);
    let before = demo.open_files();
    let connect = format!("gen_tcp:connect({{127,0,0,1}}, {}, [binary, {{active, false}}], 5000)", world.epmd_port);
    // One after the other, some of them cut off before the answer is written.
    let source = format!(
        "[begin {{ok, S}} = {connect}, gen_tcp:send(S, <<1:16, 110>>), I rem 2 =:= 0 andalso gen_tcp:recv(S, 0, 5000),
            I rem 3 =:= 0 andalso inet:setopts(S, [{{linger, {{true, 0}}}}]), gen_tcp:close(S) end || I <- lists:seq(1, 3000)], ok"
    );
    assert_eq!(erl.eval(&source), "ok");
    // And all at once, silent.
    erl.eval(&format!("Silent = [{connect} || _ <- lists:seq(1, 300)], ok"));
    assert!(demo.open_files() < before + 200, "{} open files: the connections are not bounded", demo.open_files());
    let second = world.erl(&["-sname", "b"]);
    assert_eq!(second.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    erl.eval("[gen_tcp:close(S) || {ok, S} <- Silent]");
    world.wait_for_names(&["a", "b", "demo"]);
    drop(second);
    until("every connection to be closed", || (demo.open_files() <= before).then_some(()));
}

/// Only this machine's own nodes are registered. A connection from one of its addresses to another looks like one from elsewhere.
#[test]
fn a_registration_from_elsewhere_is_refused() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    let source = "{ok, Interfaces} = inet:getifaddrs(),
        Addresses = [A || {_, Options} <- Interfaces, {addr, A} <- Options, tuple_size(A) =:= 4, element(1, A) =/= 127],
        Addresses =/= []";
    assert_eq!(erl.eval(source), "true", "this test needs an IPv4 address that is not a loopback one");
    let source = format!(
        "{{ok, S}} = gen_tcp:connect({{127,0,0,1}}, {}, [binary, {{active, false}}, {{ip, hd(Addresses)}}]),
        Body = <<120, 4711:16, 77, 0, 6:16, 5:16, 5:16, \"elves\", 0:16>>,
        gen_tcp:send(S, <<(byte_size(Body)):16, Body/binary>>),
        gen_tcp:recv(S, 2, 1000)",
        world.epmd_port
    );
    let answer = erl.eval(&source);
    assert!(!answer.contains("<<118,0>>"), "{answer}");
    world.wait_for_names(&["a", "demo"]);
}

/// Each agent keeps to the port that the environment names.
#[test]
fn the_port_of_the_environment_is_used() {
    let world = World::new();
    let _demo = world.agent(&["--sname", "demo"]);
    let elsewhere = world.with_epmd_port(free_port());
    let _other = elsewhere.agent(&["--sname", "other"]);
    world.wait_for_names(&["demo"]);
    elsewhere.wait_for_names(&["other"]);
}

/// `ERL_EPMD_ADDRESS` names the addresses that EPMD is served on, besides loopback; without it, all.
#[test]
fn the_addresses_of_the_environment_are_used() {
    for (given, elsewhere) in [(None, true), (Some("127.0.0.2"), false), (Some("127.0.0.2, 127.0.0.3"), true)] {
        let world = World::new();
        let mut command = command(beamless());
        command.args(["run", "--name", "demo@127.0.0.1"]);
        given.map(|addresses| command.env("ERL_EPMD_ADDRESS", addresses));
        let mut demo = world.launch_as(command);
        demo.wait_until_up();
        assert!(TcpStream::connect(("127.0.0.1", world.epmd_port)).is_ok(), "{given:?}");
        assert!(TcpStream::connect(("127.0.0.2", world.epmd_port)).is_ok(), "{given:?}");
        assert_eq!(TcpStream::connect(("127.0.0.3", world.epmd_port)).is_ok(), elsewhere, "{given:?}");
        assert!(TcpStream::connect(("::1", world.epmd_port)).is_ok(), "{given:?}");
    }
}

/// Asks for a name on a connection that is there already; whether it was answered.
fn is_answered(mut stream: TcpStream, name: &str) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 4];
    let _ = stream.write_all(&packet(format!("z{name}").as_bytes()));
    stream.read_exact(&mut answer).is_ok() && answer[..2] == [119, 0]
}

/// 600 connections in a second that say nothing, or begin and say no more, and an honest one whose question comes 100 ms after it connected: as
/// many silent ones come in between as in that time.
#[test]
fn a_flood_of_the_silent_leaves_time_for_a_question() {
    let (world, demo, erl) = demo_and_erl(&[]);
    for crumb in [&b""[..], b"\0"] {
        let flood = |count| -> Vec<TcpStream> { (0..count).map(|_| begin(world.epmd_port, crumb)).collect() };
        let mut held = flood(200);
        let answered = (0..15).filter(|_| {
            let honest = connect(world.epmd_port);
            held.extend(flood(60));
            held.drain(..60);
            // who came last is answered: all before have been let in
            assert!(is_answered(connect(world.epmd_port), "demo"));
            is_answered(honest, "demo")
        });
        assert_eq!(answered.count(), 15, "{crumb:?}");
    }
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    world.wait_for_names(&["a", "demo"]);
}

/// However many come from one address, and whatever they have said: those from another stay for as long as they like.
#[test]
fn a_flood_from_elsewhere_throws_nobody_out() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    for crumb in ["<<>>", "<<0>>", "<<1:16, 110>>"] {
        let honest: Vec<_> = (0..20).map(|_| connect(world.epmd_port)).collect();
        // the last ones never read what they asked for
        let source = format!(
            "[begin {{ok, S}} = gen_tcp:connect({{127,0,0,1}}, {}, [{{active, false}}, {{ip, {{127,0,0,2}}}}]),
                gen_tcp:send(S, {crumb}), S end || _ <- lists:seq(1, 600)]",
            world.epmd_port
        );
        assert_eq!(erl.eval(&format!("put(flood, {source}), length(get(flood))")), "600");
        assert!(is_answered(connect(world.epmd_port), "demo"), "{crumb}");
        assert_eq!(honest.into_iter().filter_map(|stream| is_answered(stream, "demo").then_some(())).count(), 20, "{crumb}");
        erl.eval("[gen_tcp:close(S) || S <- erase(flood)]");
    }
}

/// A question may be asked by one that will say no more, and a name lasts as long as its node may speak.
#[test]
fn a_half_closed_connection_is_answered_and_holds_no_name() {
    let (world, _demo, _erl) = demo_and_erl(&[]);
    let mut asking = begin(world.epmd_port, &packet(&[110]));
    asking.shutdown(Shutdown::Write).unwrap();
    asking.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    asking.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("name demo at port"));
    let mut held = register_by_hand(world.epmd_port, "held", 4711);
    held.shutdown(Shutdown::Write).unwrap();
    assert_eq!(held.read(&mut [0]).unwrap(), 0);
    world.wait_for_names(&["a", "demo"]);
}

/// The one too many is told that there is no room, and not to look for another node of its name; once there is room, it is in.
#[test]
fn a_full_epmd_is_not_a_name_taken() {
    let world = World::new();
    let served = world.launch_as(world.tool_command(&["epmd"]));
    served.wait(&["epmd on port"]);
    let mut names: Vec<_> = (0..32).map(|n| register_by_hand(world.epmd_port, &format!("n{n}"), 4711)).collect();
    let mut late = world.launch(&["--sname", "late"]);
    late.wait(&["warn", "epmd", "is full"]);
    world.tool(&["recv", "--sname", "inbox", "news"]).failed(1, "", &["is full"]);
    let mut erl = world.launch_erl(&["-sname", "b"]);
    assert!(!erl.wait_for_exit().success());
    assert_eq!(erl.log.count(&["in use by another"]), 0, "{}", erl.log.text());
    names.pop();
    late.wait_until_up();
    assert_eq!(late.log.count(&["of this alive name"]), 0);
    // and one that is taken is
    let taken = world.launch(&["--sname", "n1"]);
    taken.wait(&["warn", "another node of this alive name"]);
    assert_eq!(taken.log.count(&["full"]), 0);
}

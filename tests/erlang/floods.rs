//! Lines that somebody else causes by the hundred: a few of each kind are logged, and those that were held back are counted. What is logged and what
//! was held back is what there was.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::strangers::send_name;
use crate::support::{Agent, Erl, Log, PATIENCE, World, packet, register_by_hand, until};

/// How many lines were held back of a kind, as the log says.
fn held(log: &Log, kind: &str) -> usize {
    let text = log.text();
    let number = |line: &str| {
        line.strip_suffix(kind)?.strip_suffix(" more like it held back: ")?.rsplit(' ').next()?.parse::<usize>().ok()
    };
    text.lines().filter_map(number).sum()
}

/// Waits until the log has accounted for all lines of a kind, most of which were held back.
fn adds_up(log: &Log, words: &str, kind: &str, caused: usize) {
    until(kind, || {
        let all = log.count(&[words]) + held(log, kind);
        assert!(all <= caused, "{kind}: {all} of {caused}");
        (all == caused).then_some(())
    });
    assert!(held(log, kind) > 0, "{kind}: none of {caused} was held back");
}

/// One that comes to this port, says this, and is shown the door.
fn knock(port: u16, said: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(said);
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Asks EPMD for names that it has no room for, after those that it has.
fn fill(port: u16, names: usize, refused: usize) {
    let held: Vec<TcpStream> = (0..names).map(|i| register_by_hand(port, &format!("name{i}"), 1)).collect();
    for i in 0..refused {
        let name = format!("late{i:03}");
        let body = [&[120, 0, 1, 77, 0, 0, 6, 0, 6, 0, 7], name.as_bytes(), &[0, 0]].concat();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&packet(&body)).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "EPMD has no answer for that");
    }
    drop(held);
}

/// How often the peer came in out of a hundred times.
fn comes_and_goes(erl: &Erl) -> usize {
    let loop_ =
        "length([up || _ <- lists:seq(1, 100), erlang:disconnect_node(N) =/= never, net_kernel:connect_node(N) =:= true])";
    erl.eval(loop_).parse().unwrap()
}

/// Sends `echo` messages that cannot be answered: no node of a short name reaches one of a long name.
fn unanswerable(erl: &Erl, name: &str, count: usize) {
    erl.eval(&format!(
        "(fun() -> P = binary_to_term(<<131,88,119,13,\"gone@10.0.0.9\",1:32,0:32,1:32>>),
            [{{{name}, N}} ! {{P, I}} || I <- lists:seq(1, {count})], gen_server:call({{echo, N}}, sync, 60000) end)()"
    ));
}

fn started() -> (World, Agent, Erl) {
    let world = World::new();
    let file = world.home.join("beamless.toml");
    let programs: String = (1..=20).map(|i| format!("[mailbox.m{i}]\ncommand = [\"cat\"]\n")).collect();
    fs::write(&file, format!("sname = \"demo\"\n{programs}[functions]\n\"box:fail/0\" = [\"false\"]\n")).unwrap();
    let demo = world.agent(&["--config", &file.display().to_string()]);
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    (world, demo, erl)
}

#[test]
fn every_kind_of_flood_is_limited_and_adds_up() {
    let (world, mut demo, erl) = started();
    let log = demo.log.clone();
    // somebody without the cookie
    (0..200).for_each(|_| knock(demo.port, b"GET / HTTP/1.1\r\n\r\n"));
    adds_up(&log, "connection without a name rejected", "connections without a name that were rejected", 200);
    (0..200).for_each(|i| knock(demo.port, &send_name(&format!("old{i}@localhost"), 4)));
    adds_up(&log, "Connection attempt from node", "connections that were rejected", 200);
    // somebody on this host: itself and Erlang have names already
    fill(world.epmd_port, 30, 300);
    adds_up(&log, "epmd: no room for another name", "names that epmd had no room for", 300);
    // peers
    unanswerable(&erl, "echo", 500);
    adds_up(&log, "echo: no answer", "messages to echo without an answer", 500);
    // the mailboxes of twenty programs, and three of the agent's own
    erl.eval(
        "(fun() -> Other = term_to_binary(spawn(N, erlang, node, [])), Front = byte_size(Other) - 12, <<F:Front/binary, _:64, C:32>> = Other,
            [begin exit(binary_to_term(<<F/binary, Id:32, 0:32, C:32>>), kill), net_adm:ping(N) end || Id <- lists:seq(1, 40)], ok end)()",
    );
    adds_up(&log, "ended: killed", "mailboxes that ended", 23);
    erl.eval_until("catch gen_server:call({echo, N}, sync, 60000)", "sync");
    erl.eval("[rpc:call(N, box, fail, []) || _ <- lists:seq(1, 60)]");
    adds_up(&log, "box:fail/0: exit status 1", "calls of functions that failed", 60);
    erl.eval(
        "[begin {echo, N} ! binary:copy(<<1>>, 20000), gen_server:call({echo, N}, sync, 60000) end || _ <- lists:seq(1, 50)]",
    );
    adds_up(&log, "is too large", "messages that were too large", 50);
    // what nobody waits for any more is said at the end
    let before = log.count(&["echo: no answer"]) + held(&log, "messages to echo without an answer");
    unanswerable(&erl, "echo", 300);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    adds_up(&log, "echo: no answer", "messages to echo without an answer", before + 300);
}

/// A peer that comes and goes has five lines of each kind a second, and another one is heard of all the same.
#[test]
fn a_peer_that_comes_and_goes_hides_no_other() {
    let (world, demo, erl) = started();
    let ups = comes_and_goes(&erl);
    let other = world.erl(&["-sname", "other"]);
    other.eval(&format!("N = {}", demo.atom()));
    other.eval_until("net_adm:ping(N)", "pong");
    demo.wait(&["node up: other@"]);
    adds_up(&demo.log, "node up: ", "nodes that came up", ups + 1);
    // each kind is told at the end of its own second
    until("nodes that went down", || (held(&demo.log, "nodes that went down") > 0).then_some(()));
}

#[test]
fn an_epmd_of_its_own_is_limited() {
    let world = World::new();
    let mut command = crate::children::command(crate::binaries::beamless());
    command.arg("epmd");
    let epmd = world.launch_as(command);
    epmd.wait(&["epmd on port"]);
    fill(world.epmd_port, 32, 300);
    adds_up(&epmd.log, "epmd: no room for another name", "names that epmd had no room for", 300);
}

/// The bytes that a process has written.
fn written(pid: &str) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

/// A program that writes without end what is of no use is read slowly, so that it waits: on either output, in short lines or without any.
#[test]
fn a_program_that_writes_without_end_waits() {
    let world = World::new();
    let file = world.home.join("beamless.toml");
    let programs = [("short", "yes"), ("endless", "cat /dev/zero"), ("noisy", "yes >&2")];
    let programs: String =
        programs.iter().map(|(name, text)| format!("[mailbox.{name}]\ncommand = [\"sh\", \"-c\", \"exec {text}\"]\n")).collect();
    fs::write(&file, format!("sname = \"demo\"\n{programs}")).unwrap();
    let demo = world.agent(&["--config", &file.display().to_string()]);
    demo.wait(&[
        "warn: mailbox short: its program writes too much that is no message or for nobody, and is read slowly from now on",
    ]);
    demo.wait(&[
        "warn: mailbox endless: its program writes too much that is no message or for nobody, and is read slowly from now on",
    ]);
    demo.wait(&["warn: noisy: it writes too much on its standard error, which is read slowly from now on"]);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", demo.pid())).unwrap();
    let pids: Vec<&str> = children.split_whitespace().collect();
    assert_eq!(pids.len(), 3);
    // it is read on, and no faster
    for pid in pids {
        let (start, before) = (Instant::now(), written(pid));
        until("more of it to be read", || (start.elapsed() > Duration::from_secs(1) && written(pid) > before).then_some(()));
        let new = written(pid) - before;
        let most = (u64::try_from(start.elapsed().as_millis()).unwrap() + 1000) * 256 + 65_536;
        assert!(new < most, "{new} of {most}");
    }
    assert_eq!(demo.log.count(&["read slowly from now on"]), 3);
}

/// What can go to nobody is no message either, though it is one by its form. Long lines, since a machine may be slow.
#[test]
fn a_program_whose_messages_are_refused_waits() {
    const FLOOD: &str = "exec yes \"{$1,\\\"$(head -c 8000 /dev/zero | tr '\\0' y)\\\"}\"\n";
    let world = World::new();
    fs::write(world.home.join("flood.sh"), FLOOD).unwrap();
    let file = world.home.join("beamless.toml");
    let messages =
        [("unpublished", "publish,collector,a@b@c"), ("unsent", "send,collector,a@b@c"), ("stray", "send,collector,demo")];
    let programs = messages.map(|(name, to)| format!("[mailbox.{name}]\ncommand = [\"sh\", \"flood.sh\", \"{to}\"]\n")).concat();
    fs::write(&file, format!("sname = \"demo\"\n{programs}")).unwrap();
    let demo = world.agent(&["--config", &file.display().to_string()]);
    for (name, _) in messages {
        demo.wait(&[&format!("warn: mailbox {name}: its program writes too much"), "is read slowly from now on"]);
    }
    for words in
        ["unpublished: not published: a@b@c: ", "unsent: not sent to collector on a@b@c: ", "not sent to collector: no program"]
    {
        assert!(demo.log.count(&[words]) > 0, "{words}");
    }
}

/// What a program writes last is read, though it wrote so much before that it is read slowly.
#[test]
fn a_program_that_wrote_too_much_is_heard_to_its_end() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(erl.eval("register(box, self()), ok"), "ok");
    // a pipe takes all of it at once
    let script = world.home.join("ends");
    fs::write(&script, format!("yes | head -n 20000\necho \"{{send,box,{},last}}\"\n", erl.atom())).unwrap();
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("sname = \"demo\"\n[mailbox.ends]\ncommand = [\"sh\", \"{}\"]\n", script.display())).unwrap();
    let demo = world.agent(&["--config", &file.display().to_string()]);
    demo.wait(&["warn: mailbox ends: its program writes too much that is no message"]);
    demo.wait(&["warn: mailbox ends: its program ended, exit status: 0"]);
    assert_eq!(erl.eval("receive last -> last after 60000 -> nothing end"), "last");
}

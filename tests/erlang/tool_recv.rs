//! `beamless recv`: what is sent to a name, a line each.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Stdio};

use crate::raw::{Raw, all_flags, atom, erlang, int, pid, tuple};
use crate::support::{Erl, World, signal, until, wait_for_exit};
use crate::tool::{A, impatient, read_late};
use crate::tool_groups::pubsub;

const INBOX: &str = "inbox@127.0.0.1";

/// A running `beamless recv --name inbox@127.0.0.1`, ended with this value.
struct Recv(Child);

impl Recv {
    /// Starts it, and waits until it is up.
    fn start(world: &World, args: &[&str], stdout: Stdio) -> Self {
        Self::start_as(world, &[&["--name", INBOX], args].concat(), stdout)
    }

    /// The same with any name, or none.
    fn start_as(world: &World, args: &[&str], stdout: Stdio) -> Self {
        let mut command = world.tool_command(&[&["recv"], args].concat());
        let mut child = command.stdout(stdout).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("up as") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "recv ended");
        }
        // whatever else it says must have somewhere to go
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Self(child)
    }

    fn lines(&mut self) -> Lines<BufReader<ChildStdout>> {
        BufReader::new(self.0.stdout.take().unwrap()).lines()
    }

    fn exit_code(&mut self) -> Option<i32> {
        wait_for_exit(&mut self.0, "recv to end").code()
    }
}

impl Drop for Recv {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn erl(world: &World) -> Erl {
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    erl.eval(&format!("N = '{INBOX}'"));
    erl
}

#[test]
fn each_message_is_a_line_at_once() {
    let world = World::new();
    let mut recv = Recv::start(&world, &["news", "--count", "3"], Stdio::piped());
    let mut out = BufReader::new(recv.0.stdout.take().unwrap());
    let erl = erl(&world);
    let mut line = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    erl.eval("{news, N} ! {hello, \"you\", self()}");
    assert_eq!(line(), format!("{{hello,\"you\",{}}}\n", erl.eval("self()").replace("<0.", "<a@127.0.0.1.")));
    erl.eval("{news, N} ! ['two\\nlines', <<\"te\\nxt\">>]");
    assert_eq!(line(), "['two\\nlines',<<\"te\\nxt\">>]\n");
    world.tool(&["send", INBOX, "news", "last"]).done("");
    assert_eq!(line(), "last\n");
    assert_eq!(line(), "");
    assert_eq!(recv.exit_code(), Some(0));
    erl.eval_until("nodes(hidden)", "[]");
}

#[test]
fn as_json() {
    let world = World::new();
    let mut recv = Recv::start(&world, &["--json", "news", "--count", "2"], Stdio::piped());
    let json = r#"{"a":[1,2.5,null,true,"text",{"@tuple":[]}]}"#;
    world.tool(&["send", "--json", INBOX, "news", json]).done("");
    world.tool(&["send", INBOX, "news", "#{unit => <<\"C\">>, 1 => [$a]}"]).done("");
    let mut out = String::new();
    recv.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, format!("{json}\n{{\"@map\":[[{{\"@atom\":\"unit\"}},\"C\"],[1,[97]]]}}\n"));
    assert_eq!(recv.exit_code(), Some(0));
}

#[test]
fn signals_end_it() {
    let world = World::new();
    for name in ["TERM", "INT"] {
        let mut recv = Recv::start(&world, &["news"], Stdio::piped());
        signal(recv.0.id(), name);
        assert_eq!(recv.exit_code(), Some(0), "{name}");
    }
}

/// As `recv | head -1` does: the reader is gone, and nothing comes any more that would tell.
#[test]
fn the_end_of_its_reader_ends_it() {
    let world = World::new();
    let mut recv = Recv::start(&world, &["news"], Stdio::piped());
    drop(recv.0.stdout.take());
    assert_eq!(recv.exit_code(), Some(0));
}

/// As every other command does.
#[test]
fn a_full_disk_is_a_failure() {
    let world = World::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let recv = world.tool_command(&["recv", "--name", INBOX, "news", "--quiet"]).stdout(full).spawn().unwrap();
    until("a message that is sent", || (world.tool(&["send", INBOX, "news", "hello"]).code == 0).then_some(()));
    let output = recv.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: writing to standard output: No space left on device"), "{said}");
}

/// A reader that does not read holds up who sends: nothing is lost.
#[test]
fn a_slow_reader_loses_nothing() {
    const COUNT: usize = 30_000;
    let world = World::new();
    let mut recv = Recv::start(&world, &["news", "--count", &COUNT.to_string()], Stdio::piped());
    let erl = erl(&world);
    let sent = erl.ask(&format!("[{{news, N}} ! {{I, lists:duplicate(100, $x)}} || I <- lists:seq(1, {COUNT})], sent"));
    world.tool(&["ping", INBOX]).done("pong\n");
    let out = BufReader::new(recv.0.stdout.take().unwrap());
    let mut lines = 0;
    for (at, line) in out.lines().enumerate() {
        assert!(line.unwrap().starts_with(&format!("{{{},\"xxx", at + 1)), "line {at}");
        lines += 1;
    }
    assert_eq!(lines, COUNT);
    assert_eq!(erl.answer(sent), "sent");
    assert_eq!(recv.exit_code(), Some(0));
}

/// Nor does one that has the other end not to wait for it.
#[test]
fn a_slow_reader_for_whom_nobody_is_to_wait_loses_nothing() {
    const COUNT: usize = 20;
    let world = World::new();
    let (stdout, reader) = impatient();
    let mut recv = Recv::start(&world, &["news", "--count", &COUNT.to_string()], stdout);
    let erl = erl(&world);
    erl.eval(&format!("[{{news, N}} ! binary:copy(<<$x>>, 50000) || _ <- lists:seq(1, {COUNT})], sent"));
    assert_eq!(read_late(reader), format!("<<\"{}\">>\n", "x".repeat(50_000)).repeat(COUNT));
    assert_eq!(recv.exit_code(), Some(0));
}

/// The last lines, too, wait for their reader, and the node lives on meanwhile.
#[test]
fn a_slow_reader_gets_the_last_lines() {
    // more than a pipe holds
    const BYTES: usize = 100_000;
    let world = World::new();
    let mut recv = Recv::start(&world, &["news", "--count", "2"], Stdio::piped());
    let erl = erl(&world);
    erl.eval(&format!("[{{news, N}} ! binary:copy(<<$x>>, {BYTES}) || _ <- [1, 2]], sent"));
    // the first may be answered along with the last message
    assert_eq!(erl.eval("[net_adm:ping(N), net_adm:ping(N)]"), "[pong,pong]");
    let mut out = String::new();
    recv.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, format!("<<\"{}\">>\n", "x".repeat(BYTES)).repeat(2));
    assert_eq!(recv.exit_code(), Some(0));
}

/// Somebody monitors it as often as he may, and reads nothing, so that he cannot be told of its end: it is there again all the same, each time
/// that another kills it.
#[test]
fn a_mailbox_that_was_killed_is_there_again() {
    let world = World::new();
    let mut recv = Recv::start(&world, &["news", "--count", "4"], Stdio::piped());
    let erl = erl(&world);
    let port = world.epmd_names().iter().find_map(|line| line.strip_prefix("name inbox at port ")?.parse().ok()).unwrap();
    let mut greedy = Raw::dial(port, "greedy@127.0.0.1", world.cookie.as_bytes(), all_flags());
    let from = greedy.pid(1);
    let monitor = |number, name| tuple(&[int(19), from.clone(), atom(name), greedy.reference(number)]);
    let monitors: Vec<Vec<u8>> = (0..2000).map(|number| monitor(number, "news")).collect();
    let nobody = monitor(5000, &"nobody".repeat(40));
    monitors.iter().for_each(|monitor| greedy.send(monitor, &[]));
    // it is told at once that there is no such name
    greedy.send_until_held(&nobody);
    let mut out = BufReader::new(recv.0.stdout.take().unwrap());
    for serial in 0..4 {
        erl.eval(&format!("{{news, N}} ! {serial}"));
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{serial}\n"));
        if serial < 3 {
            let mailbox = erlang(&pid(INBOX, 1, serial, greedy.theirs));
            let killed = format!(
                "fun(Pid) -> R = monitor(process, Pid), exit(Pid, kill), receive {{'DOWN', R, _, _, W}} -> W end end({mailbox})"
            );
            assert_eq!(erl.eval(&killed), "killed");
        }
    }
    assert_eq!(recv.exit_code(), Some(0));
}

#[test]
fn a_name_that_cannot_be_is_told() {
    let world = World::new();
    world.tool(&["recv", "--name", INBOX, "net_kernel"]).failed(2, "", &["net_kernel", "another name"]);
    world.tool(&["recv", "--name", INBOX, "x", "--count", "0"]).failed(2, "", &["from 1 on"]);
    let _running = world.agent(&["--name", INBOX]);
    world.tool(&["recv", "--name", INBOX, "news"]).failed(1, "", &["inbox@127.0.0.1 is running already", "another name"]);
}

const SCOPE: &str = "'Elixir.Phoenix.PubSub'";

/// How many members of other nodes this Erlang knows in a group.
fn others(erl: &Erl, scope: &str, group: &str, count: &str) {
    erl.eval_until(&format!("length([P || P <- pg:get_members({scope}, {group}), node(P) =/= node()])"), count);
}

#[test]
fn what_is_sent_to_a_group_is_printed() {
    let world = World::new();
    let _epmd = world.epmd();
    let mut erl = erl(&world);
    erl.eval("{ok, _} = pg:start(pg), {ok, _} = pg:start('Elixir.My.Scope')");
    let args = ["--connect", A, "--group", "temps", "--group", "pg:{sensor, 1}", "--group", "Elixir.My.Scope:Elixir.Counter"];
    let mut recv = Recv::start_as(&world, &[&args[..], &["--count", "5"]].concat(), Stdio::piped());
    let mut lines = recv.lines();
    let mut is_printed = |erl: &Erl, scope: &str, group: &str, message: &str| {
        others(erl, scope, group, "1");
        erl.eval(&format!("[P ! {message} || P <- pg:get_members({scope}, {group}), node(P) =/= node()]"));
        assert_eq!(lines.next().unwrap().unwrap(), message);
    };
    is_printed(&erl, "pg", "temps", "{to,temps}");
    is_printed(&erl, "pg", "{sensor,1}", "to_sensor");
    is_printed(&erl, "'Elixir.My.Scope'", "'Elixir.Counter'", "to_counter");
    // nobody connects to it, so it has registered nowhere
    assert_eq!(world.epmd_names().iter().filter(|line| line.starts_with("name ")).count(), 1);
    // it comes back to a node that is there anew, whose scope is a little late
    erl.stop();
    let erl = world.erl(&["-name", A]);
    erl.eval_until("length(nodes(hidden))", "1");
    erl.eval("{ok, _} = pg:start(pg)");
    is_printed(&erl, "pg", "temps", "{again,1}");
    is_printed(&erl, "pg", "temps", "{again,2}");
    assert_eq!(recv.exit_code(), Some(0));
    others(&erl, "pg", "temps", "0");
}

#[test]
fn what_is_broadcast_on_a_topic_is_printed() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = erl(&world);
    pubsub(&erl, "'Elixir.My.PubSub.Adapter'");
    let start = |args: &[&str]| {
        let all = [&["--connect", A, "--pubsub", "My.PubSub", "--count", "2"], args].concat();
        Recv::start_as(&world, &all, Stdio::piped())
    };
    let mut all = [
        (start(&["--topic", "readings"]), ["{reading,1}", "{reading,2}"]),
        (start(&["--topic", "readings", "--topic", "cmd"]), ["{<<\"readings\">>,{reading,1}}", "{<<\"cmd\">>,stop}"]),
        (start(&[]), ["{<<\"phx_presence:0\">>,heartbeat}", "{<<\"readings\">>,{reading,1}}"]),
        (
            start(&["--json", "--topic", "cmd", "--topic", "readings", "--name", "named@127.0.0.1"]),
            ["{\"topic\":\"readings\",\"message\":{\"@tuple\":[\"reading\",1]}}", "{\"topic\":\"cmd\",\"message\":\"stop\"}"],
        ),
        (start(&["--pool-size", "2", "--topic", "readings"]), ["{reading,1}", "{reading,2}"]),
    ];
    others(&erl, SCOPE, "'Elixir.My.PubSub.Adapter'", "5");
    others(&erl, SCOPE, "'Elixir.My.PubSub.Adapter_2'", "1");
    // by the node that is asked, and by Erlang itself
    let broadcast = |topic: &str, message: &str| world.tool(&["broadcast", A, "My.PubSub", topic, message]).done("");
    broadcast("phx_presence:0", "heartbeat");
    broadcast("readings", "{reading, 1}");
    broadcast("cmd", "stop");
    erl.eval(&format!(
        "[P ! {{forward_to_local, <<\"readings\">>, {{reading, 2}}, other_dispatcher}} || P <- pg:get_members({SCOPE}, 'Elixir.My.PubSub.Adapter')]"
    ));
    for (recv, expected) in &mut all {
        assert_eq!(recv.lines().map(Result::unwrap).collect::<Vec<_>>(), *expected);
        assert_eq!(recv.exit_code(), Some(0));
    }
    others(&erl, SCOPE, "'Elixir.My.PubSub.Adapter'", "0");
    assert_eq!(erl.eval("is_pid(whereis('Elixir.Phoenix.PubSub'))"), "true");
}

/// Nobody reads: the node that broadcasts is not held up, and what is lost is told.
#[test]
fn a_slow_reader_of_a_topic_holds_nobody_up() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = erl(&world);
    pubsub(&erl, "'Elixir.My.PubSub.Adapter'");
    let args = ["recv", "--connect", A, "--pubsub", "My.PubSub", "--topic", "t"];
    let mut child = world.tool_command(&args).stdout(Stdio::piped()).spawn().unwrap();
    others(&erl, SCOPE, "'Elixir.My.PubSub.Adapter'", "1");
    let sent = "length([P ! {forward_to_local, <<\"t\">>, {I, lists:duplicate(1000, $x)}, d} || I <- lists:seq(1, 20000),
        P <- pg:get_members('Elixir.Phoenix.PubSub', 'Elixir.My.PubSub.Adapter'), node(P) =/= node()])";
    assert_eq!(erl.eval(sent), "20000");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("messages were lost: more came than were read")));
    signal(child.id(), "TERM");
    assert_eq!(wait_for_exit(&mut child, "recv to end").code(), Some(0));
}

/// It waits all the same: a PubSub may start later.
#[test]
fn a_pubsub_that_is_not_there_is_told() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = erl(&world);
    let args = ["recv", "--connect", A, "--pubsub", "My.PubSub", "--topic", "t", "--count", "1"];
    let mut child = world.tool_command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let words = "no such PubSub runs on a@127.0.0.1, or not yet: no process is registered there as Elixir.My.PubSub.Adapter";
    assert!(said.any(|line| line.contains(words)));
    pubsub(&erl, "'Elixir.My.PubSub.Adapter'");
    others(&erl, SCOPE, "'Elixir.My.PubSub.Adapter'", "1");
    world.tool(&["broadcast", A, "My.PubSub", "t", "late"]).done("");
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((out.as_str(), wait_for_exit(&mut child, "recv to end").code()), ("late\n", Some(0)));
    assert!(said.all(|line| !line.contains("no such PubSub")));
}

#[test]
fn what_it_cannot_be_a_member_of_is_told() {
    let world = World::new();
    let refused = |args: &[&str], words: &[&str]| world.tool(&[&["recv"], args].concat()).failed(2, "", words);
    refused(&["news"], &["--sname NAME", "--connect"]);
    refused(&["--connect", A], &["NAME is missing"]);
    refused(&["--connect", "a@b@c", "x"], &["a@b@c"]);
    refused(&["--connect", A, "--group", ":temps"], &["--group :temps", "such as pg:temps"]);
    refused(&["--connect", A, "--group", "{a,"], &["--group {a,", "column 4"]);
    refused(&["--connect", A, "--group", "net_kernel:x"], &["net_kernel"]);
    refused(
        &["--connect", A, "--group", "a:x", "--group", "b:x", "--group", "c:x", "--group", "d:x", "--group", "e:x"],
        &["scope e"],
    );
    refused(&["--connect", A, "--pubsub", "'My.PubSub'"], &["--pubsub 'My.PubSub'", "as Elixir writes it"]);
    refused(&["--connect", A, "--topic", "x", "news"], &["--pubsub NAME"]);
    refused(&["--connect", A, "--pubsub", "P", "--pool-size", "0"], &["from 1 on"]);
    refused(&["--connect", A, "--listen", "127.0.0.1", "news"], &["--sname NAME"]);
    refused(&["--sname", "x", "--connect", A, "news"], &[A, "long"]);
}

/// Random terms, as Erlang writes them: typed into `send`, printed by `recv`, read by Erlang, and the same as before.
#[test]
fn five_hundred_terms_there_and_back() {
    const SEED: u32 = 4711;
    let world = World::new();
    let path = world.home.join("received");
    let mut recv = Recv::start(&world, &["terms", "--count", "500"], File::create(&path).unwrap().into());
    let erl = erl(&world);
    erl.load_probe(&world);
    // identifiers and local funs have no text that can be read
    erl.eval(
        "Read = fun(Text) -> try
            {ok, Tokens, _} = erl_scan:string(Text ++ \".\"),
            {ok, Term} = erl_parse:parse_term(Tokens), {ok, Term}
        catch _:_ -> error end end",
    );
    erl.eval("Text = fun(Term) -> lists:flatten(io_lib:format(\"~0p\", [Term])) end");
    erl.eval(&format!(
        "Terms = lists:sublist([T || T <- probe:terms({SEED}, 1500), Read(Text(T)) =:= {{ok, T}}], 500),
         ok = file:write_file(\"typed\", [[unicode:characters_to_binary(Text(T)), 10] || T <- Terms])"
    ));
    assert_eq!(erl.eval("length(Terms)"), "500");
    let typed = std::fs::read_to_string(world.home.join("typed")).unwrap();
    for text in typed.lines() {
        world.tool_with(&["send", INBOX, "terms", "-"], text).done("");
    }
    assert_eq!(recv.exit_code(), Some(0));
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    until("all lines", || (lines() == 500).then_some(()));
    let changed = erl.eval(
        "{ok, Bytes} = file:read_file(\"received\"),
         Lines = [unicode:characters_to_list(L) || L <- binary:split(Bytes, <<10>>, [global]), L =/= <<>>],
         [{T, L} || {T, L} <- lists:zip(Terms, Lines), Read(L) =/= {ok, T}]",
    );
    assert_eq!(changed, "[]", "seed {SEED}");
}

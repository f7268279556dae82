//! The commands that ask: what they print, what they say, and how they end, against a real Erlang.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::binaries::beamless;
use crate::children::command;
use crate::raw::{Waiting, all_flags};
use crate::support::{Epmd, Erl, World, epmd_command, free_port, otp, register_by_hand, signal, until, wait_for_exit};

/// How a command ended, and what it printed where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// It was done, without a word.
    #[track_caller]
    pub(crate) fn done(&self, out: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (0, out, ""));
    }

    /// It was not, and says why and what to do.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, out: &str, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (code, out), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

impl World {
    /// `beamless` with these arguments.
    pub(crate) fn tool_command(&self, args: &[&str]) -> Command {
        let mut command = command(beamless());
        command.args(args);
        self.dress(&mut command);
        command
    }

    pub(crate) fn tool(&self, args: &[&str]) -> Ran {
        self.tool_with(args, "")
    }

    /// The same with this on its standard input.
    pub(crate) fn tool_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.tool_command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // one that does not read it is right, too
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ran.err.contains(&self.cookie) && !ran.out.contains(&self.cookie), "the cookie: {ran:?}");
        ran
    }
}

/// A world with an EPMD and an Erlang `a@127.0.0.1`.
pub(crate) fn world_and_erl() -> (World, Epmd, Erl) {
    let world = World::new();
    let epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    (world, epmd, erl)
}

pub(crate) const A: &str = "a@127.0.0.1";

pub(crate) fn port_of(world: &World, alive: &str) -> u16 {
    let prefix = format!("name {alive} at port ");
    world.epmd_names().iter().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse().unwrap()
}

#[test]
fn epmd_stands_in_for_erlangs() {
    let world = World::new();
    let mut epmd = world.tool_command(&["epmd"]).spawn().unwrap();
    until("epmd to listen", || (world.tool(&["names"]).code == 0).then_some(()));
    let erl = world.erl(&["-sname", "a"]);
    world.wait_for_names(&["a"]);
    let second = world.tool(&["epmd"]);
    second.failed(1, "", &["an epmd is there already", "beamless names"]);
    let host = erl.node.split_once('@').unwrap().1;
    assert_eq!(world.tool(&["names", host]).out, world.tool(&["names"]).out);
    drop(erl);
    world.wait_for_names(&[]);
    signal(epmd.id(), "TERM");
    assert_eq!(wait_for_exit(&mut epmd, "epmd to end").code(), Some(0));

    // options go before the environment
    let port = free_port();
    let mut epmd = world.tool_command(&["epmd", "--port", &port.to_string(), "--address", "127.0.0.1"]).spawn().unwrap();
    let there = world.with_epmd_port(port);
    until("epmd to listen", || (there.tool(&["names"]).code == 0).then_some(()));
    signal(epmd.id(), "INT");
    assert_eq!(wait_for_exit(&mut epmd, "epmd to end").code(), Some(0));

    world.tool(&["epmd", "--port", "0"]).failed(2, "", &["1 to 65535"]);
    world.tool(&["epmd", "--address", "here"]).failed(2, "", &["here"]);
    world.tool(&["epmd", "--address", "198.51.100.1"]).failed(1, "", &["serving epmd"]);
}

#[test]
fn names_are_listed_as_epmd_lists_them() {
    let (world, _epmd, _erl) = world_and_erl();
    let mut command = epmd_command();
    world.dress(&mut command);
    let theirs = String::from_utf8(command.arg("-names").output().unwrap().stdout).unwrap();
    assert!(theirs.contains("name a at port"), "{theirs}");
    world.tool(&["names"]).done(&theirs);
    world.tool(&["names", "127.0.0.1"]).done(&theirs);
    world.with_epmd_port(free_port()).tool(&["names"]).failed(1, "", &["asking epmd on localhost", "beamless epmd"]);
    world.tool(&["names", "no-such-host.invalid"]).failed(1, "", &["no-such-host.invalid"]);
}

#[test]
fn ping_says_pong() {
    let (world, _epmd, erl) = world_and_erl();
    world.tool(&["ping", A]).done("pong\n");
    world.tool(&["ping", A, "--name", "me@127.0.0.1", "--timeout", "2.5"]).done("pong\n");
    // a node without its host is on this node's
    world.tool(&["ping", "a", "--name", "me@127.0.0.1"]).done("pong\n");
    let elsewhere = world.with_epmd_port(free_port());
    elsewhere.tool(&["ping", &format!("{A}:{}", port_of(&world, "a"))]).done("pong\n");
    // nothing is left behind
    erl.eval_until("nodes(hidden)", "[]");
}

#[test]
fn ping_finds_short_names_and_its_own_kind() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let erl = world.erl(&["-sname", "a"]);
    for node in ["demo", &demo.node, "a", &erl.node] {
        world.tool(&["ping", node]).done("pong\n");
    }
    world.tool(&["ping", &format!("demo:{}", demo.port)]).done("pong\n");
}

#[test]
fn ping_says_pang_and_why() {
    let (world, _epmd, erl) = world_and_erl();
    let pang = |world: &World, args: &[&str], words: &[&str]| world.tool(&[&["ping"], args].concat()).failed(1, "pang\n", words);
    let epmd = format!("127.0.0.1, port {}", world.epmd_port);
    pang(
        &world,
        &["b@127.0.0.1"],
        &["error: cannot connect to b@127.0.0.1", &epmd, "knows no node of that name", "`beamless names 127.0.0.1`"],
    );
    let elsewhere = world.with_epmd_port(free_port());
    pang(
        &elsewhere,
        &[A],
        &[&format!("no epmd answers on 127.0.0.1, port {}", elsewhere.epmd_port), "ERL_EPMD_PORT", "NODE:PORT"],
    );
    pang(&world, &["a@no-such-host.invalid"], &["the host name has no address"]);
    pang(&world.with_cookie("ANOTHER"), &[A], &["the cookies differ", "--cookie-file"]);
    let nobody = free_port();
    pang(&world, &[&format!("{A}:{nobody}")], &[&format!("port {nobody} of 127.0.0.1 refused the connection"), "still running"]);
    pang(&world, &[&format!("b@127.0.0.1:{}", port_of(&world, "a"))], &["cannot connect to b@127.0.0.1"]);
    // whoever listens there says nothing
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = format!("{A}:{}", silent.local_addr().unwrap().port());
    pang(&world, &[&there, "--timeout", "0.3"], &["timeout: no connection to a@127.0.0.1 within 0.3 s", "--timeout SECONDS"]);
    assert_eq!(erl.eval("net_kernel:allow(['b@127.0.0.1'])"), "ok");
    pang(&world, &[A], &["does not allow this node", "--name"]);
}

#[test]
fn what_was_typed_wrongly_is_told() {
    let world = World::new();
    let usage = |args: &[&str], words: &[&str]| world.tool(args).failed(2, "", words);
    usage(&["ping"], &["NODE"]);
    usage(&["ping", "a@b@c"], &["a@b@c", "exactly one '@'"]);
    usage(&["ping", "a@b:0"], &["1 to 65535"]);
    usage(&["ping", A, "--sname", "me"], &["long name"]);
    usage(&["ping", A, "--sname", "me@here", "--name", "me@127.0.0.1"], &["--name"]);
    usage(&["ping", A, "--sname", "me"], &["--name"]);
    usage(&["ping", "a@here", "--name", "me@127.0.0.1"], &["short name", "--sname"]);
    usage(&["ping", A, "--timeout", "0"], &["above 0"]);
    usage(&["ping", A, "--timeout", "abc"], &["abc", "a number of seconds above 0"]);
    usage(&["recv", "--sname", "x", "y", "--count", "many"], &["many", "from 1 on"]);
    usage(&["send", A, "x", "{a,", "b}"], &["`b}`", "quotes around a term"]);
    usage(&["send", A, "x", ""], &["TERM is empty", "'{reading, 21.5}'"]);
    usage(&["send", A, "x", "-"], &["standard input is empty"]);
    usage(&["send", A, "x", "%{a: 1}"], &["Elixir's %{a: 1} is #{a => 1} in Erlang"]);
    usage(&["send", A, "x", "{:ok, 1}"], &["column 2", "Elixir's :ok is ok in Erlang"]);
    usage(&["send", A, "x", ":ok"], &["Elixir's :ok is ok in Erlang"]);
    usage(&["send", A, "x", "[a: 1]"], &["Elixir's [a: 1] is [{a,1}] in Erlang"]);
    usage(&["send", A, "x", "[MyApp.Server]"], &["needs quotes", "'Elixir.MyApp.Server'"]);
    usage(&["rpc", A, "erlang:send(self(), x)"], &["column 17", "nothing is evaluated here"]);
    usage(&["rpc", A, "'Elixir.Map':fetch!(#{}, a)"], &["'fetch!'"]);
    usage(&["ping", A, "--cookie-file", "no/such/file"], &["no/such/file", "copy it"]);
    usage(&["send", A, "x", "{a,"], &["not Erlang text", "line 1, column 4", "--json"]);
    usage(&["send", A, "x", "Foo"], &["needs quotes"]);
    usage(&["send", A, "x", "{\"a\":}", "--json"], &["not JSON", "column 6"]);
    usage(&["rpc", A, "erlang:node"], &["MOD:FUN(ARGS)", "'System.version()'"]);
    usage(&["rpc", A, "erlang:display(1,B)"], &["line 1, column 18"]);
    usage(&["recv", "x"], &["--sname"]);
    usage(&["nonsense"], &["nonsense"]);
    // none is made: it could not be the right one
    let bare = World::without_cookie_file();
    bare.tool(&["ping", A]).failed(2, "", &["no cookie file", "--cookie-file FILE"]);
    assert!(!bare.home.join(".erlang.cookie").exists());
}

/// On a full disk, and with a reader that is gone.
#[test]
fn what_goes_wrong_has_its_code_also_where_it_cannot_be_said() {
    let (world, _epmd, _erl) = world_and_erl();
    for (args, code) in [
        (&["nope"][..], 2),
        (&["ping"], 2),
        (&["ping", "b@127.0.0.1"], 1),
        (&["rpc", A, "erlang:error(x)"], 1),
        (&["rpc", A, "erlang:exit(\"a\\nb\")"], 1),
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = world.tool_command(args).stderr(full).spawn().unwrap();
        assert_eq!(wait_for_exit(&mut child, "a command").code(), Some(code), "{args:?}");
        let mut child = world.tool_command(args).spawn().unwrap();
        drop(child.stderr.take());
        assert_eq!(wait_for_exit(&mut child, "a command").code(), Some(code), "{args:?}");
    }
}

#[test]
fn send_is_done_once_the_node_has_it() {
    let (world, _epmd, erl) = world_and_erl();
    erl.eval("Self = self(), register(sink, Self), Got = fun() -> receive X -> X after 0 -> nothing end end");
    world.tool(&["send", A, "sink", "{reading, 21.5, <<\"x\">>, #{unit => celsius}}"]).done("");
    assert_eq!(erl.eval("Got()"), "{reading,21.5,<<\"x\">>,#{unit => celsius}}");
    world.tool_with(&["send", A, "sink", "-"], "[1,\n 2]. % from a file\n").done("");
    assert_eq!(erl.eval("Got()"), "[1,2]");
    for negative in [&["-5"][..], &["--", "-5"], &["-5", "--timeout", "5"], &["-05"], &["--json", "-5"]] {
        world.tool(&[&["send", A, "sink"], negative].concat()).done("");
        assert_eq!(erl.eval("Got()"), "-5", "{negative:?}");
    }
    world
        .tool(&["send", "--json", A, "sink", r#"{"a": [1.5, null, {"@tuple": [{"@atom": "ok"}, {"@term": "<<1:1>>"}]}]}"#])
        .done("");
    assert_eq!(erl.eval("Got()"), "#{<<\"a\">> => [1.5,nil,{ok,<<1:1>>}]}");
    world.tool_with(&["send", "--json", A, "sink", "-"], "\"h\u{e9}\"").done("");
    assert_eq!(erl.eval("Got() =:= <<\"h\\x{e9}\"/utf8>>"), "true");
    world.tool(&["send", A, "no body", "x"]).failed(1, "", &["noproc", "registered as no body", "erlang:registered()"]);
    world.tool(&["send", "b@127.0.0.1", "sink", "x"]).failed(1, "", &["knows no node of that name"]);
}

/// A node that takes the connection and then reads nothing: more than what lies between the two never leaves.
#[test]
fn a_message_that_has_not_left_is_a_failure() {
    let world = World::new();
    let _epmd = world.epmd();
    let node = Waiting::new("mute@127.0.0.1", Some(world.epmd_port));
    let mut command = world.tool_command(&["send", "mute@127.0.0.1", "sink", "-", "--timeout", "3"]);
    let mut send = command.stdin(Stdio::piped()).spawn().unwrap();
    let input = format!("<<\"{}\">>", "x".repeat(8_000_000));
    send.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let _raw = node.accept(world.cookie.as_bytes(), all_flags());
    let output = send.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: timeout: ") && said.contains(" bytes were not sent to mute@127.0.0.1 within 3 s"), "{said}");
}

#[test]
fn terms_of_megabytes() {
    let (world, _epmd, erl) = world_and_erl();
    erl.eval("register(sink, self()), Got = fun() -> receive Large -> byte_size(Large) end end");
    let input = format!("<<\"{}\">>", "x".repeat(6_000_000));
    world.tool_with(&["send", A, "sink", "-"], &input).done("");
    assert_eq!(erl.eval("Got()"), "6000000");
    let send = |bytes: usize| world.tool_with(&["send", A, "sink", "-"], &format!("<<\"{}\">>", "x".repeat(bytes)));
    let large = send(8_400_000);
    large.failed(2, "", &["the message takes ", " bytes, and ", " are the most: send it in parts"]);
    let numbers: Vec<usize> = large.err.split(' ').filter_map(|word| word.parse().ok()).collect();
    // of the room for messages the largest leaves none for what asks whether it arrived, in front of it or behind
    let most = 8_400_000 - (numbers[0] - numbers[1]);
    send(most + 1).failed(2, "", &["send it in parts"]);
    for less in [0, 100] {
        send(most - less).done("");
        assert_eq!(erl.eval("Got()"), (most - less).to_string());
    }
    let ran = world.tool(&["rpc", A, "binary:copy(<<\"y\">>, 6000000)"]);
    assert_eq!((ran.code, ran.out.len()), (0, 6_000_007));
    world.tool(&["rpc", A, "binary:copy(<<\"y\">>, 9000000)"]).failed(
        1,
        "",
        &["the answer of a@127.0.0.1 takes 9000", "ask for less"],
    );
    let input = format!("<<\"{}\">>", "x".repeat(9_000_000));
    world.tool_with(&["send", A, "sink", "-"], &input).failed(2, "", &["the message takes 9000", "in parts"]);
}

/// A standard output or standard error that somebody else who has it has set not to wait, as Node.js does, and has filled with spaces; and the end to
/// read it from.
pub(crate) fn impatient() -> (Stdio, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    while (&ours).write(&[b' '; 4096]).is_ok() {}
    (OwnedFd::from(ours).into(), theirs)
}

/// Reads to the end what a command writes there, once there is no room for more.
pub(crate) fn read_late(mut from: UnixStream) -> String {
    let mut text = Vec::new();
    // it begins to write meanwhile; were it slower, the test would be green without need
    std::thread::sleep(std::time::Duration::from_millis(500));
    from.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap().trim_start_matches(' ').to_owned()
}

#[test]
fn a_standard_output_that_does_not_wait_is_waited_for() {
    let (world, _epmd, _erl) = world_and_erl();
    let (stdout, reader) = impatient();
    let mut command = world.tool_command(&["rpc", A, "binary:copy(<<\"y\">>, 3000000)"]);
    let mut rpc = command.stdout(stdout).spawn().unwrap();
    drop(command);
    let printed = read_late(reader);
    assert_eq!((wait_for_exit(&mut rpc, "rpc to end").code(), printed.len()), (Some(0), 3_000_007));
    // and a standard error: what a function prints, and the words of a failure
    for (call, code, words) in [
        ("io:format(\"~*c\", [1000000, $y])", 0, &*"y".repeat(1_000_000)),
        ("erlang:error(no)", 1, "** exception error: no\n     in function  erlang:error/1\n"),
    ] {
        let (stderr, reader) = impatient();
        let mut command = world.tool_command(&["rpc", "--print", A, call]);
        let mut rpc = command.stderr(stderr).spawn().unwrap();
        drop(command);
        let printed = read_late(reader);
        assert_eq!((wait_for_exit(&mut rpc, "rpc to end").code(), &*printed), (Some(code), words), "{call}");
    }
}

#[test]
pub(crate) fn call_prints_the_reply() {
    let (world, _epmd, erl) = world_and_erl();
    erl.eval(
        "register(server, spawn(fun Loop() -> receive
            {'$gen_call', _, crash} -> exit({boom, [1]});
            {'$gen_call', _, silence} -> Loop();
            {'$gen_call', _, halt} -> erlang:halt(0, [{flush, false}]);
            {'$gen_call', From, pid} -> gen:reply(From, self()), Loop();
            {'$gen_call', From, Request} -> gen:reply(From, {ok, Request}), Loop()
        end end))",
    );
    world.tool(&["call", A, "server", "{read, \"x\"}"]).done("{ok,{read,\"x\"}}\n");
    world.tool(&["call", A, "server", "--json", "{\"a\": [1, \"b\"]}"]).done("{\"@tuple\":[\"ok\",{\"a\":[1,\"b\"]}]}\n");
    // as the node's own shell shows it
    let pid = erl.eval("whereis(server)");
    world.tool(&["call", A, "server", "pid"]).done(&format!("{pid}\n"));
    world.tool(&["call", A, "server", r#"{"@atom": "pid"}"#, "--json"]).done(&format!("{{\"@term\":\"{pid}\"}}\n"));
    world.tool(&["call", A, "nobody", "x"]).failed(1, "", &["noproc: no process on a@127.0.0.1 is registered as nobody"]);
    let silent = world.tool(&["call", A, "server", "silence", "--timeout", "2.5"]);
    silent.failed(1, "", &["timeout: no answer from a@127.0.0.1 within 2.5 s", "--timeout SECONDS"]);
    world.tool(&["call", A, "server", "crash"]).failed(1, "", &["server on a@127.0.0.1 ended", "{boom,[1]}", "log"]);

    let verbose = world.tool(&["call", A, "nobody", "{secret, payload}", "-v"]);
    verbose.failed(1, "", &["node up", "asks a@127.0.0.1", "debug: from a@127.0.0.1: send_challenge, 3"]);
    verbose.failed(1, "", &["debug: to a@127.0.0.1: MONITOR_P, ", "debug: to a@127.0.0.1: REG_SEND, 1"]);
    assert!(!verbose.err.contains("payload") && !verbose.err.contains("secret"), "{verbose:?}");
    erl.eval("register(server, spawn(fun() -> receive _ -> erlang:halt(0, [{flush, false}]) end end))");
    world.tool(&["call", A, "server", "halt"]).failed(1, "", &["nodedown: a@127.0.0.1 went away", "beamless ping"]);
}

/// Erlang takes the second for the first, started anew.
#[test]
fn who_loses_its_connection_to_another_of_its_name_says_so() {
    let (world, _epmd, erl) = world_and_erl();
    erl.eval("register(server, spawn(fun() -> receive never -> ok end end))");
    let args = ["call", A, "server", "wait", "--name", "twice@127.0.0.1", "--timeout", "600"];
    let mut first = world.tool_command(&args).stdin(Stdio::null()).spawn().unwrap();
    erl.eval_until("nodes(hidden)", "['twice@127.0.0.1']");
    if otp() < 25 {
        // it keeps the first, and lets the second wait
        first.kill().unwrap();
        first.wait().unwrap();
        return;
    }
    world.tool(&["ping", A, "--name", "twice@127.0.0.1"]).done("pong\n");
    let output = first.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another node called twice@127.0.0.1 connected to it"), "{said}");
}

#[test]
fn rpc_prints_the_value() {
    let (world, _epmd, erl) = world_and_erl();
    let rpc = |call: &str| world.tool(&["rpc", A, call]);
    rpc("erlang:node()").done("'a@127.0.0.1'\n");
    rpc("lists:map(fun erlang:abs/1, [-1, 2]).").done("[1,2]\n");
    rpc("erlang:'+'(1, 2)").done("3\n");
    rpc("erlang:list_to_atom(\"it's\")").done("'it\\'s'\n");
    world.tool(&["rpc", "--json", A, "maps:from_list([{a, {1, \"x\"}}])"]).done("{\"a\":{\"@tuple\":[1,[120]]}}\n");
    // text beyond ASCII, as a shell in UTF-8 prints it with ~tp; what is printed can be typed again
    let text = "{<<\"h\u{e9}\u{e9}\"/utf8>>,\"\u{434}\u{435}\u{43d}\u{44c}\",'\u{434}\u{430}',<<\"\u{e9}\">>,<<255,0>>}";
    rpc(&format!("erlang:hd([{text}])")).done(&format!("{text}\n"));
    rpc("erlang:error('\u{434}\u{430}')").failed(1, "", &["** exception error: '\u{434}\u{430}'\n"]);
    // a pid is of the node that was asked, so it is shown as there
    rpc("erlang:whereis(kernel_sup)").done(&(erl.eval("whereis(kernel_sup)") + "\n"));

    rpc("no_such:function(1, 2)").failed(1, "", &["** exception error: undefined function no_such:function/2\n"]);
    rpc("erlang:'+'(1, a)").failed(1, "", &["** exception error: an error occurred when evaluating an arithmetic expression\n"]);
    rpc("erlang:atom_to_list(1)").failed(1, "", &["** exception error: bad argument\n     in function  erlang:atom_to_list/1"]);
    rpc("erlang:error({badmatch, 7})").failed(1, "", &["** exception error: no match of right hand side value 7\n"]);
    rpc("erlang:error(oops)").failed(1, "", &["** exception error: oops\n"]);
    rpc("lists:nth(0, [])").failed(1, "", &["** exception error: no function clause matching lists:nth/2\n"]);
    rpc("erlang:exit({a, <<\"b\">>})").failed(1, "", &["** exception exit: {a,<<\"b\">>}\n"]);
    rpc("erlang:throw(ball)").failed(1, "", &["** exception throw: ball\n"]);
    let slow = world.tool(&["rpc", A, "timer:sleep(infinity)", "--timeout", "2.5"]);
    slow.failed(1, "", &["timeout: no answer from a@127.0.0.1 within 2.5 s"]);
    if otp() >= 25 {
        // the stack is as deep as Erlang tells it, and the line is where the shell shows it
        rpc("lists:last([])").failed(1, "", &["in function  lists:last/1 (lists.erl, line "]);
    }
    drop(erl);
    rpc("erlang:node()").failed(1, "", &["knows no node of that name"]);
}

#[test]
fn nodes_are_listed_with_their_kind() {
    let (world, _epmd, erl) = world_and_erl();
    world.tool(&["nodes", A]).done("");
    let seen = world.erl(&["-name", "seen@127.0.0.1"]);
    let hidden = world.agent(&["--name", "demo@127.0.0.1", "--connect", A]);
    assert_eq!(seen.eval(&format!("net_kernel:connect_node('{A}')")), "true");
    hidden.wait(&["node up", A]);
    world.tool(&["nodes", A]).done("seen@127.0.0.1 visible\ndemo@127.0.0.1 hidden\n");
    world.tool(&["nodes", "demo@127.0.0.1"]).done("a@127.0.0.1 visible\n");
    // whose connection it would end
    world.tool(&["ping", A, "--name", "demo@127.0.0.1"]).failed(2, "", &["demo@127.0.0.1 is running"]);
    drop(erl);
}

#[test]
fn the_words_of_help_are_everywhere() {
    let world = World::new();
    let all = [
        "run",
        "recv",
        "ping",
        "send",
        "call",
        "rpc",
        "broadcast",
        "status",
        "nodes",
        "groups",
        "whereis",
        "names",
        "epmd",
        "certs",
        "completion",
        "man",
    ];
    let man = world.tool(&["man"]);
    let headings: Vec<_> = man.out.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    let commands = all.map(str::to_uppercase);
    assert!(man.code == 0 && man.out.starts_with(".TH BEAMLESS 1 "), "{man:?}");
    assert_eq!(headings[..3], ["NAME", "SYNOPSIS", "DESCRIPTION"]);
    let (commands_of_man, last) = headings[3..].split_at(all.len());
    assert_eq!((commands_of_man, last), (&commands.each_ref().map(String::as_str)[..], &["SEE ALSO"][..]));
    assert!(man.out.contains("\n.SH NAME\nbeamless \\- "), "what whatis looks for: {}", man.out);
    let general = world.tool(&["--help"]);
    for command in all {
        let help = world.tool(&[command, "--help"]);
        assert!(help.code == 0 && help.out.contains("Example") && help.err.is_empty(), "{help:?}");
        assert!(
            general.out.contains(&format!("\n    {command} ")) && man.out.contains(&format!("\\fB{command}\\fP")),
            "{command}"
        );
    }
    for command in ["send", "call", "rpc", "recv"] {
        assert!(world.tool(&[command, "--help"]).out.contains("@tuple"), "{command}");
    }
}

/// Both pages, as `groff` reads them: it has nothing to say of them.
#[test]
fn the_manual_pages_are_sound() {
    let world = World::new();
    for (args, title) in [(&["man"][..], "BEAMLESS(1)"), (&["man", "beamless.toml"], "BEAMLESS.TOML(5)")] {
        let page = world.home.join("page");
        std::fs::write(&page, world.tool(args).out).unwrap();
        let mut groff = command("groff");
        let output = groff.args(["-man", "-ww", "-Tutf8"]).arg(&page).output();
        let output = output.unwrap_or_else(|e| panic!("{groff:?}: {e}; apt-get install groff-base"));
        let (text, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.is_empty() && text.contains(title), "{told}{text}");
    }
    world.tool(&["man", "beamless"]).failed(2, "", &["no manual page beamless", "beamless.toml"]);
}

#[test]
fn completions_offer_what_fits_and_run_nothing() {
    let (world, _epmd, _erl) = world_and_erl();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.tool(&["completion", shell]);
        script.done(&script.out);
        assert!(script.out.contains("beamless") && !script.out.contains("eval "), "{}", script.out);
    }
    world.tool(&["completion", "dash"]).failed(2, "", &["bash, zsh and fish"]);

    let script = world.home.join("complete.bash");
    std::fs::write(&script, world.tool(&["completion", "bash"]).out).unwrap();
    let complete = |words: &[&str]| {
        let ask = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _beamless "$1"; echo "${COMPREPLY[@]}""#;
        let mut bash = command("bash");
        world.dress(&mut bash);
        bash.args(["-c", ask, "bash"]).arg(&script).arg(beamless()).args(words);
        let output = bash.output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!(complete(&["pi"]), "ping");
    assert_eq!(complete(&["n"]), "nodes names");
    assert_eq!(complete(&["ping", "a"]), "a", "the names of this host, and no option");
    assert_eq!(complete(&["ping", "b"]), "");
    assert!(complete(&["ping", ""]).ends_with("--help a"));
    assert_eq!(complete(&["call", "a", "--ti"]), "--timeout");
    // as bash takes it apart
    assert_eq!(complete(&["ping", "--timeout", "=", "5", "a"]), "a");
    // any user of the host may have a node of that name, which is offered to others
    let _taken = register_by_hand(world.epmd_port, "c;reboot", 1);
    assert_eq!(complete(&["ping", "c"]), "c\\;reboot");
    assert_eq!(complete(&["completion", "b"]), "bash");
    assert_eq!(complete(&["man", "b"]), "beamless.toml");
    // files are the shell's to offer
    assert_eq!(complete(&["ping", "--cookie-file", ""]), "");
    let evil = world.home.join("evil");
    assert_eq!(complete(&["rpc", "a", &format!("'$(touch {})'", evil.display()), "--j"]), "--json");
    assert!(!evil.exists());
}

#[test]
fn a_verbose_agent_shows_messages_and_nothing_of_what_is_in_them() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo", "-v"]);
    world.tool(&["call", "demo", "echo", "{secret, payload}"]).done("{secret,payload}\n");
    demo.wait(&["debug: from a caller: send_name, "]);
    demo.wait(&["debug: from beamless-", ": send_challenge_reply, 23 bytes"]);
    demo.wait(&["debug: from beamless-", ": MONITOR_P, "]);
    demo.wait(&["debug: from beamless-", ": REG_SEND, "]);
    demo.wait(&["debug: to beamless-", ": ALTACT_SIG_SEND, "]);
    let log = demo.log.text();
    assert!(!log.contains("payload") && !log.contains("secret"), "{log}");
}

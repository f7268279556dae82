//! `[mailbox.NAME]`: programs of any language behind mailboxes.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::children::command;
use crate::support::{Agent, Erl, World, erl_command, signal, until};

/// A program of the examples.
fn example(name: &str) -> Vec<String> {
    vec![concat!(env!("CARGO_MANIFEST_DIR"), "/examples/programs/").to_owned() + name]
}

/// A script in the home of the test, as a command.
fn script(world: &World, name: &str, text: &str) -> Vec<String> {
    let path = world.home.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    vec![path.to_str().unwrap().to_owned()]
}

fn sh(world: &World, name: &str, text: &str) -> Vec<String> {
    script(world, name, &format!("#!/bin/sh\n{text}"))
}

fn python(world: &World, name: &str, text: &str) -> Vec<String> {
    script(world, name, &format!("#!/usr/bin/env python3\n{text}"))
}

/// Writes a configuration file with these mailboxes: name, command, format.
fn configure(world: &World, more: &str, mailboxes: &[(&str, Vec<String>, &str)]) -> PathBuf {
    let mut text = more.to_owned();
    for (name, command, format) in mailboxes {
        let _ = write!(text, "\n[mailbox.{name}]\ncommand = {command:?}\nformat = {format:?}\n");
    }
    let path = world.home.join("beamless.toml");
    fs::write(&path, text).unwrap();
    path
}

/// An agent `demo` with these mailboxes, and an Erlang `a` in which `N` is the agent's name.
fn start(world: &World, more: &str, mailboxes: &[(&str, Vec<String>, &str)]) -> (Agent, Erl) {
    let path = configure(world, more, mailboxes);
    let demo = world.agent(&["--sname", "demo", "--config", path.to_str().unwrap()]);
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    (demo, erl)
}

/// The number of the program behind a mailbox, when it was started for the `nth` time.
fn pid(demo: &Agent, name: &str, nth: usize) -> u32 {
    let start = format!("mailbox {name}: started ");
    let line = until("the program to be started", || {
        demo.log.text().lines().filter(|line| line.contains(&start)).nth(nth).map(str::to_owned)
    });
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Answers each call with its request, in Erlang text.
const TEXT_ECHO: &str = r#"
import re, sys
for line in sys.stdin:
    call = re.match(r"\{call,([0-9]+),(.*)\}\n", line)
    print("{reply,%s,%s}" % call.groups(), flush=True)
"#;

/// The same in JSON.
const JSON_ECHO: &str = r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"reply": message["call"], "value": message["request"]}), flush=True)
"#;

/// The same in the external term format. The tuple, the atom and the number in front are known, and the rest is left as it is.
const ETF_ECHO: &str = r#"
import struct, sys
while length := sys.stdin.buffer.read(4):
    frame = sys.stdin.buffer.read(struct.unpack(">I", length)[0])
    assert frame.startswith(b"\x83h\x03w\x04call"), frame
    reply = b"\x83h\x03w\x05reply" + frame[9:]
    sys.stdout.buffer.write(struct.pack(">I", len(reply)) + reply)
    sys.stdout.buffer.flush()
"#;

#[test]
fn shell_and_python_answer_elixir() {
    let world = World::new();
    let reading = world.home.join("temperature");
    fs::write(&reading, "21500\n").unwrap();
    let mailboxes = [
        ("shell", example("thermometer.sh"), "erlang"),
        ("python", example("thermometer.py"), "json"),
        ("hangs", vec!["sleep".to_owned(), "1000".to_owned()], "erlang"),
    ];
    let path = configure(&world, "", &mailboxes);
    let mut command = command(crate::binaries::beamless());
    command.args(["run", "--sname", "demo", "--config", path.to_str().unwrap()]).env("SENSOR", &reading);
    let mut demo = world.launch_as(command);
    demo.wait_until_up();
    let pids = ["shell", "python"].map(|name| pid(&demo, name, 0).to_string());
    let elixir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/programs.exs"));
    let said = world.elixir("programs", elixir, &[&demo.node, &pids[0], &pids[1]]);
    assert!(said.ends_with("all is well"), "{said}");
    demo.wait(&["warn: shell: not understood: {info,{hello,<programs@"]);
    demo.wait(&["warn: python: not understood: {\"info\":{\"@tuple\":[\"hello\",{\"@term\":\"<programs@"]);
    for name in ["shell", "python"] {
        demo.wait(&[&format!("warn: mailbox {name}: its program ended, signal: 9 (SIGKILL); started again in 500ms")]);
    }
    demo.wait(&["warn: mailbox hangs: ", "messages were dropped: the program does not read its standard input"]);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
}

/// The program that the manual shows.
#[test]
fn the_manual_is_right() {
    let world = World::new();
    let (_, shown) = include_str!("../../src/manual/programs.md").split_once("```python\n").unwrap();
    let shown = script(&world, "thermometer.py", shown.split_once("```").unwrap().0);
    let (_demo, erl) = start(&world, "", &[("thermometer", shown, "json")]);
    assert_eq!(erl.eval("gen_server:call({thermometer, N}, read, 20000)"), "21.5");
}

/// A thousand random terms through a program in each format: what the format can say comes back as it was.
#[test]
fn terms_come_back_as_they_were() {
    let world = World::new();
    let mailboxes = [
        ("text", python(&world, "text", TEXT_ECHO), "erlang"),
        ("json", python(&world, "json", JSON_ECHO), "json"),
        ("etf", python(&world, "etf", ETF_ECHO), "etf"),
    ];
    let (_demo, erl) = start(&world, "[sizes]\nmessage = \"64KiB\"\n", &mailboxes);
    erl.load_probe(&world);
    erl.eval("Terms = probe:terms(42, 1000), ok");
    let changed = |name: &str, terms: &str| {
        erl.eval(&format!("[{{T, B}} || T <- {terms}, B <- [catch gen_server:call({{{name}, N}}, T, 20000)], B =/= T]"))
    };
    assert_eq!(changed("etf", "Terms"), "[]");
    // identifiers and local funs have no text that can be read
    erl.eval(
        r#"IsText = fun(T) -> re:run(io_lib:format("~0p", [T]), "[<#][A-Z][a-z]*<|<[0-9]+[.]|#Fun<", [{capture, none}]) =:= nomatch end,
        Text = lists:filter(IsText, Terms), ok"#,
    );
    assert!(erl.eval("length(Text)").parse::<usize>().unwrap() > 500);
    assert_eq!(changed("text", "Text"), "[]");
    // what was JSON once is JSON again, unless it is nested deeper than that goes
    erl.eval("Json = [gen_server:call({json, N}, T, 20000) || T <- Text, T =/= probe:nested(100)], ok");
    assert_eq!(changed("json", "Json"), "[]");
    let terms =
        "[1, -1.5, <<\"caf\\x{e9}\"/utf8>>, nil, true, [], #{<<\"a\">> => [1, {<<\"b\">>, {}}]}, #{1 => 2}, <<255>>, 1 bsl 4000]";
    assert_eq!(changed("json", terms), "[]");
}

/// A program in Erlang, as one would write a port's other end.
#[test]
fn an_erlang_is_a_program_too() {
    let world = World::new();
    let code = "
        P = open_port({fd, 0, 1}, [{packet, 4}, binary, eof]),
        (fun Loop() ->
            receive
                {P, {data, Data}} ->
                    case binary_to_term(Data) of
                        {call, Id, {apply, F, Args}} -> port_command(P, term_to_binary({reply, Id, apply(F, Args)}));
                        {cast, {Name, Node, Message}} -> port_command(P, term_to_binary({send, Name, Node, {cast, Message}}));
                        {info, {Name, Node, Message}} -> port_command(P, term_to_binary({send, Name, Node, {info, Message}}))
                    end,
                    Loop();
                {P, eof} -> halt()
            end
        end)().";
    let erl = erl_command().get_program().to_str().unwrap().to_owned();
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let command = vec![erl, "-noinput".to_owned(), "-eval".to_owned(), code];
    let (demo, erl) = start(&world, "", &[("port", command, "etf")]);
    assert_eq!(erl.eval("gen_server:call({port, N}, {apply, fun lists:seq/2, [1, 3]}, 20000)"), "[1,2,3]");
    assert_eq!(erl.eval("P = self(), P =:= gen_server:call({port, N}, {apply, fun erlang:hd/1, [[P]]}, 60000)"), "true");
    erl.eval("register(me, self()), gen_server:cast({port, N}, {me, node(), P})");
    assert_eq!(erl.eval("receive {cast, P} -> ok after 60000 -> never end"), "ok");
    erl.eval("{port, N} ! {me, node(), [1.5]}");
    assert_eq!(erl.eval("receive {info, [1.5]} -> ok after 60000 -> never end"), "ok");
    // an exception ends its runtime, which says why on standard output, where only frames are taken
    let error = erl.eval("gen_server:call({port, N}, {apply, fun erlang:hd/1, [[]]}, 30000)");
    assert!(error.starts_with("{error,{exit_status,"), "{error}");
    demo.wait(&["warn: mailbox port: its program ended"]);
    erl.eval_until("gen_server:call({port, N}, {apply, fun erlang:hd/1, [[again]]}, 20000)", "again");
}

/// Programs that end, or cannot be started.
#[test]
fn what_ends_is_started_again() {
    let world = World::new();
    let ends = sh(
        &world,
        "ends",
        r#"
        echo "begins" >&2
        while IFS= read -r line; do
            case $line in
                *,hello}) id=${line#*,}; echo "{reply,${id%%,*},hello}" ;;
                *,last}) id=${line#*,}; printf '{reply,%s,no_newline}' "${id%%,*}"; exit 0 ;;
                *,wait}) ;;
                *) echo "partly done" >&2; printf 'no newline' >&2; exit 3 ;;
            esac
        done"#,
    );
    let (demo, erl) = start(&world, "", &[("ends", ends, "erlang"), ("gone", sh(&world, "gone", ""), "erlang")]);
    let hello = "gen_server:call({ends, N}, hello, 60000)";
    erl.eval_until(hello, "hello");
    // its calls end with it, those besides and those that it has not read
    erl.eval("Ask = fun(R) -> P = self(), spawn(fun() -> P ! {R, gen_server:call({ends, N}, R, 60000)} end) end, Ask(wait)");
    erl.eval_until(hello, "hello");
    erl.eval("Ask(stop), Ask(never)");
    for request in ["wait", "stop"] {
        assert_eq!(
            erl.eval(&format!("receive {{{request}, R{request}}} -> R{request} after 60000 -> never end")),
            "{error,{exit_status,3}}"
        );
    }
    // or the program was about to be gone when it came, or was gone
    let never = erl.eval("receive {never, RN} -> RN after 60000 -> never end");
    assert!(["{error,{exit_status,3}}", "{error,closed}", "{error,restarting}"].contains(&never.as_str()), "{never}");
    demo.wait(&["warn: ends: partly done"]);
    demo.wait(&["warn: ends: no newline"]);
    demo.wait(&["warn: mailbox ends: its program ended, exit status: 3; started again in 500ms"]);
    demo.wait(&["warn: mailbox ends: calls not answered: "]);
    erl.eval_until(hello, "hello");
    // its last line needs no end
    assert_eq!(erl.eval("gen_server:call({ends, N}, last, 60000)"), "no_newline");
    demo.wait(&["warn: mailbox ends: its program ended, exit status: 0; started again in 1s"]);
    // between, it is told
    erl.eval_until("gen_server:call({ends, N}, hello, 60000)", "{error,restarting}");
    erl.eval("gen_server:cast({ends, N}, hello), {ends, N} ! hello");
    demo.wait(&["warn: mailbox ends: 2 messages were dropped: the program is not running"]);
    erl.eval_until(hello, "hello");
    signal(pid(&demo, "ends", 2), "KILL");
    demo.wait(&["warn: mailbox ends: its program ended, signal: 9 (SIGKILL); started again in 2s"]);
    // one that never stays is started ever less often
    for wait in ["500ms", "1s", "2s", "4s"] {
        demo.wait(&[&format!("mailbox gone: its program ended, exit status: 0; started again in {wait}")]);
    }
    fs::remove_file(world.home.join("gone")).unwrap();
    demo.wait(&["warn: mailbox gone: ", "/gone cannot be started: No such file or directory (os error 2); tried again in 8s"]);
    assert_eq!(erl.eval("gen_server:call({gone, N}, hello, 60000)"), "{error,restarting}");
}

/// What a program does not read is bounded, and so are the calls that it does not answer.
#[test]
fn what_waits_for_a_program_is_bounded() {
    const CASTS: usize = 20_000;
    let world = World::new();
    // reads, and never answers
    let silent = sh(&world, "silent", "cat >/dev/null");
    // reads on when it is told to
    let counts = python(
        &world,
        "counts",
        r#"
import os, re, sys, time
count = 0
for line in sys.stdin:
    call = re.match(r"\{call,([0-9]+),", line)
    count += line.startswith("{cast,")
    if call:
        print("{reply,%s,%d}" % (call[1], count), flush=True)
    while count == 1 and not os.path.exists("go"):
        time.sleep(0.05)
"#,
    );
    let (demo, erl) = start(&world, "", &[("silent", silent, "erlang"), ("counts", counts, "erlang")]);
    erl.eval(
        "P = self(), [spawn(fun() -> P ! {answer, catch gen_server:call({silent, N}, I, infinity)} end) || I <- lists:seq(1, 300)],
         Answers = fun Loop(0, All) -> All; Loop(K, All) -> receive {answer, A} -> Loop(K - 1, [A | All]) after 60000 -> All end end, ok",
    );
    // one node has three quarters of the places for 256
    assert_eq!(erl.eval("lists:usort(Answers(108, []))"), "[{error,busy}]");
    signal(pid(&demo, "silent", 0), "KILL");
    assert_eq!(erl.eval("A = Answers(192, []), {length(A), lists:usort(A)}"), "{192,[{error,{exit_status,137}}]}");
    demo.wait(&["warn: mailbox silent: calls not answered: 192, messages not read: 0"]);

    erl.eval(&format!("[gen_server:cast({{counts, N}}, {{I, lists:duplicate(50, $x)}}) || I <- lists:seq(1, {CASTS})], ok"));
    demo.wait(&["warn: mailbox counts: ", " messages were dropped"]);
    fs::write(world.home.join("go"), "").unwrap();
    until("every cast to be read or told of", || {
        let read: usize = erl.eval("gen_server:call({counts, N}, count, 20000)").parse().unwrap_or(0);
        let dropped =
            |line: &str| line.split_once("mailbox counts: ")?.1.split_once(" messages were dropped")?.0.parse::<usize>().ok();
        let dropped: usize = demo.log.text().lines().filter_map(dropped).sum();
        assert!(read + dropped <= CASTS, "{read} {dropped}");
        (read + dropped == CASTS).then_some(())
    });
    // many at once, each with its own answer
    let mine = "fun(I) -> P ! {answer, [gen_server:call({counts, N}, I, 20000) || _ <- lists:seq(1, 100)]} end";
    erl.eval(&format!("[spawn(fun() -> ({mine})(I) end) || I <- lists:seq(1, 20)], ok"));
    assert_eq!(erl.eval("length(lists:usort(lists:append(Answers(20, []))))"), "1");
}

/// What is no answer is told, and changes nothing.
#[test]
fn garbage_is_told_of() {
    let world = World::new();
    let babbles = python(
        &world,
        "babbles",
        r#"
import re, sys
out = sys.stdout.buffer
for line in sys.stdin:
    call = re.match(r"\{call,([0-9]+),(.*)\}\n", line)
    id, request = call[1].encode(), call[2]
    out.write({
        "text": b"Reading the sensor now\n\n  \n",
        "bytes": b"\xff\xfe\n",
        "unknown": b"{reply,123456,ok}\n{reply," + id + b",ok}\n",
        "long": b"x" * 300000 + b"\n",
        "flood": b"nonsense\n" * 100000,
        "pieces": b"",
    }[request])
    out.flush()
    for piece in (b"{rep", b"ly," + id, b",", b"there}", b"\r\n"):
        out.write(piece)
        out.flush()
"#,
    );
    let prints = sh(&world, "prints", "head -c 4 >/dev/null; echo 'Reading the sensor now'; cat");
    let (demo, erl) = start(&world, "", &[("babbles", babbles, "erlang"), ("prints", prints, "etf")]);
    let ask = |request: &str| erl.eval(&format!("gen_server:call({{babbles, N}}, {request}, 20000)"));
    for request in ["pieces", "text", "bytes", "long"] {
        assert_eq!(ask(request), "there", "{request}");
    }
    assert_eq!(ask("unknown"), "ok");
    assert_eq!((ask("flood"), ask("pieces")), ("there".to_owned(), "there".to_owned()));
    for words in [
        "`Reading the sensor now`: line 1, column 1: variables have no value here",
        "it is not UTF-8",
        "a line of more than 262144 bytes was skipped",
        "`nonsense`: it is neither {reply,Id,Term} nor {send,Name,Node,Term}",
        "no call 123456 waits for an answer",
    ] {
        demo.wait(&["warn: mailbox babbles: ", words]);
    }
    demo.wait(&["more like it held back: what programs wrote that is no message"]);
    assert!(demo.log.count(&["nonsense"]) < 1000);
    // text is no frame, and nothing that follows can be told apart
    assert_eq!(erl.eval("gen_server:call({prints, N}, hello, 60000)"), "{error,{exit_status,137}}");
    demo.wait(&["warn: mailbox prints: a frame of ", "is none", "standard output takes frames alone"]);
}

/// Messages of a program: to other nodes, to which it connects if need be, and to others of its own node.
#[test]
fn programs_send() {
    let world = World::new();
    // {cast,{to,..}} is sent on as it stands
    let sends = sh(
        &world,
        "sends",
        r#"while IFS= read -r line; do line=${line#'{cast,{to,'}; printf '%s\n' "{send,${line%'}}'}}"; done"#,
    );
    let mailboxes = [("sends", sends, "erlang"), ("hears", sh(&world, "hears", "exec cat >&2"), "erlang")];
    let (demo, erl) = start(&world, "", &mailboxes);
    erl.eval("register(me, self()), To = fun(Name, Node, Term) -> gen_server:cast({sends, N}, {to, Name, Node, Term}) end, ok");
    let received = |want: &str| assert_eq!(erl.eval("(fun() -> receive M -> M after 60000 -> nothing end end)()"), want);
    erl.eval("To(me, node(), {one, <<\"caf\\x{e9}\"/utf8>>})");
    assert_eq!(erl.eval("receive {one, <<\"caf\\x{e9}\"/utf8>>} -> ok after 60000 -> never end"), "ok");
    erl.eval("To(me, a, two)");
    received("two");
    erl.eval("To(<<\"me\">>, atom_to_binary(node(), utf8), three)");
    received("three");
    // it is connected to again
    erl.eval("spawn(fun() -> net_kernel:disconnect(N), timer:sleep(300), To(me, node(), four) end)");
    received("four");
    // no node is between mailboxes of the same
    erl.eval("To(hears, N, five)");
    demo.wait(&["warn: hears: {info,five}"]);
    erl.eval("To(sends, demo, six), To(nobody, N, seven)");
    demo.wait(&["warn: mailbox sends: what it wrote was skipped, `{send,{info,six}}`"]);
    demo.wait(&["warn: not sent to nobody: no program of this node has a mailbox of that name"]);
    // nobody at home, and what is no node
    erl.eval("To(nobody, node(), eight), To(me, 'no@such@node', nine), To(me, '', ten), To('', node(), eleven)");
    demo.wait(&["warn: mailbox sends: not sent to me on no@such@node: a node name is ALIVE@HOST"]);
    erl.eval("To(me, absent, twelve)");
    demo.wait(&["warn: ", "absent@"]);
    erl.eval("To(me, node(), thirteen)");
    received("thirteen");
    // what never fits is told
    erl.eval("To(me, node(), lists:duplicate(8000, 1000)), To(me, node(), fourteen)");
    received("fourteen");
    assert_eq!(demo.log.count(&["mailbox sends", "dropped"]), 0);
}

/// Terms up to what a message can have come and go; what an answer cannot have is told to who asked.
#[test]
fn large_terms() {
    let world = World::new();
    let doubles = python(
        &world,
        "doubles",
        r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"reply": message["call"], "value": message["request"] * 2}), flush=True)
"#,
    );
    let (demo, erl) = start(&world, "", &[("doubles", doubles, "json"), ("text", python(&world, "text", TEXT_ECHO), "erlang")]);
    let ask = |name: &str, size: usize| {
        erl.eval(&format!(
            "(fun() -> B = binary:copy(<<7>>, {size}), case gen_server:call({{{name}, N}}, B, 20000) of
                B -> same; <<B:{size}/binary, B/binary>> -> twice; Other -> Other end end)()"
        ))
    };
    assert_eq!(ask("text", 14_000), "same");
    assert_eq!(ask("doubles", 7_000), "twice");
    assert_eq!(ask("doubles", 8_000), "{error,{too_large,14336}}");
    demo.wait(&["warn: mailbox doubles: an answer was too large: message of "]);
    // what is too large to come in never comes to the program
    erl.eval("catch gen_server:call({text, N}, binary:copy(<<7>>, 20000), 100)");
    demo.wait(&["too large"]);
    assert_eq!(erl.eval("gen_server:call({text, N}, hello, 60000)"), "hello");
}

/// A node that reads nothing more holds up what is sent to it, and nobody else; what is sent comes in order once it reads again.
#[test]
fn a_node_that_hangs_hangs_nobody_else() {
    const COUNT: usize = 2000;
    let world = World::new();
    // sends so many messages as it is asked to, of 10 KiB each
    let pours = python(
        &world,
        "pours",
        r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "call" in message:
        print(json.dumps({"reply": message["call"], "value": "here"}), flush=True)
    else:
        node, count = message["cast"]
        for i in range(count):
            print(json.dumps({"send": "sink", "node": node, "message": [i, "x" * 10240]}), flush=True)
"#,
    );
    let (demo, erl) = start(&world, "", &[("pours", pours, "json"), ("text", python(&world, "text", TEXT_ECHO), "erlang")]);
    let hangs = world.erl(&["-sname", "hangs"]);
    hangs.eval("register(sink, self())");
    assert_eq!(hangs.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    hangs.signal("STOP");
    erl.eval(&format!("gen_server:cast({{pours, N}}, [{}, {COUNT}])", hangs.atom()));
    // the program is held up in the end
    let state = format!("/proc/{}/stat", pid(&demo, "pours", 0));
    let mut before = String::new();
    until("the program to wait", || {
        let now = fs::read_to_string(&state).unwrap();
        let same = now == before && now.contains(") S ");
        before = now;
        std::thread::sleep(std::time::Duration::from_millis(200));
        same.then_some(())
    });
    for _ in 0..50 {
        assert_eq!(erl.eval("gen_server:call({text, N}, hello, 60000)"), "hello");
        assert_eq!(erl.eval("gen_server:call({echo, N}, hello, 60000)"), "hello");
    }
    hangs.signal("CONT");
    let all = format!("[receive [I, _] -> I after 60000 -> exit(I) end || I <- lists:seq(0, {COUNT} - 1)], ok");
    assert_eq!(hangs.eval(&all), "ok");
    assert_eq!(erl.eval("gen_server:call({pours, N}, hello, 20000)"), "<<\"here\">>");
    assert_eq!(demo.log.count(&["mailbox pours", "dropped"]), 0);
}

/// A program publishes with each answer, and the hub that gets it does not read: there is room for what it publishes, so that it goes on to answer.
#[test]
fn a_program_answers_while_its_hub_hangs() {
    const COUNT: usize = 1500;
    let world = World::new();
    let answers = python(
        &world,
        "answers",
        r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"publish": "sink", "node": "hangs", "message": "x" * 9000}), flush=True)
    print(json.dumps({"reply": message["call"], "value": "here"}), flush=True)
"#,
    );
    let (demo, erl) = start(&world, "[keep]\nmemory = \"64MiB\"\n", &[("answers", answers, "json")]);
    let hangs = world.erl(&["-sname", "hangs"]);
    hangs.eval("register(sink, self())");
    let call = "gen_server:call({answers, N}, hello, 60000)";
    assert_eq!(erl.eval(call), "<<\"here\">>");
    let arrived = "receive {publish, _, <<\"answers\">>, _, _, _} -> yes after 60000 -> no end";
    assert_eq!(hangs.eval(arrived), "yes");
    hangs.signal("STOP");
    assert_eq!(erl.eval(&format!("[] = [X || _ <- lists:seq(1, {COUNT}), (X = {call}) =/= <<\"here\">>]")), "[]");
    hangs.signal("CONT");
    assert_eq!(hangs.eval(&format!("[] = [X || _ <- lists:seq(1, {COUNT}), (X = {arrived}) =/= yes]")), "[]");
    assert_eq!(demo.log.count(&["dropped"]), 0);
}

/// Programs that close one of their pipes.
#[test]
fn half_closed_programs() {
    let world = World::new();
    // reads one line, and answers it later
    let deaf = sh(
        &world,
        "deaf",
        r#"IFS= read -r line; exec <&-; id=${line#*,}; while ! [ -e go ]; do sleep 0.1; done; echo "{reply,${id%%,*},late}"; sleep 1000"#,
    );
    let mute = sh(&world, "mute", "exec >&-; exec cat >&2");
    let (demo, erl) = start(&world, "", &[("deaf", deaf, "erlang"), ("mute", mute, "erlang")]);
    erl.eval("P = self(), Ask = fun(Tag) -> spawn(fun() -> P ! {Tag, gen_server:call({deaf, N}, Tag, infinity)} end) end, Ask(first), ok");
    // what it takes no more is answered, and what it took it may answer
    erl.eval_until("catch gen_server:call({deaf, N}, other, 100)", "{error,closed}");
    demo.wait(&["warn: mailbox deaf: its program closed its standard input; messages not read: "]);
    erl.eval("gen_server:cast({deaf, N}, hello)");
    demo.wait(&["warn: mailbox deaf: 1 message was dropped: the program closed its standard input"]);
    fs::write(world.home.join("go"), "").unwrap();
    assert_eq!(erl.eval("receive {first, First} -> First after 60000 -> nothing end"), "late");

    erl.eval_until("catch gen_server:call({mute, N}, hello, 20000)", "{error,closed}");
    demo.wait(&["mailbox mute: its program closed its standard output and runs on: it answers no calls"]);
    erl.eval("gen_server:cast({mute, N}, to_the_log)");
    demo.wait(&["warn: mute: {cast,to_the_log}"]);
    assert_eq!(demo.log.count(&["started again"]), 0);
}

/// What a program is given, and that nothing of it is left.
#[test]
fn a_program_has_what_it_needs_and_nothing_else() {
    let world = World::new();
    let tells = sh(
        &world,
        "tells",
        r#"
        sh -c 'trap "" TERM; exec sleep 1000' <&- >&- 2>&- &
        env | sort >env
        ls -l /proc/$$/fd >fds
        cut -d' ' -f5 /proc/$$/stat >group
        echo told >&2
        exec cat"#,
    );
    let stubborn = sh(&world, "stubborn", "trap '' TERM; echo ready >&2; while :; do sleep 1; done");
    let loud = sh(&world, "loud", "seq 1000 >&2; exec cat");
    let path = configure(&world, "", &[("tells", tells, "erlang"), ("stubborn", stubborn, "erlang"), ("loud", loud, "erlang")]);
    let mut command = command(crate::binaries::beamless());
    command.args(["run", "--sname", "demo", "--config", path.to_str().unwrap()]);
    for private in ["WATCHDOG_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM"] {
        command.env(private, "1");
    }
    let mut demo = world.launch_as(command);
    demo.wait_until_up();
    demo.wait(&["tells: told"]);
    demo.wait(&["stubborn: ready"]);
    demo.wait(&["warn: loud: 100"]);
    demo.wait(&["warn: 900 more like it held back: lines of a program's standard error"]);
    let read = |name: &str| fs::read_to_string(world.home.join(name)).unwrap();
    let env = read("env");
    assert!(env.contains(&format!("BEAMLESS_NODE={}", demo.node)), "{env}");
    assert!(env.contains("HOME=") && env.contains("PATH="), "{env}");
    for private in ["WATCHDOG_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM"] {
        assert!(!env.contains(private), "{env}");
    }
    let fds = read("fds");
    assert!(fds.contains(" 0 -> pipe:") && fds.contains(" 2 -> pipe:"), "{fds}");
    assert!(!fds.contains("socket:") && !fds.contains("anon_inode:"), "{fds}");
    // a group of its own, which ends with it
    let (tells, stubborn) = (pid(&demo, "tells", 0), pid(&demo, "stubborn", 0));
    assert_eq!(read("group").trim(), tells.to_string());
    let members = |group: u32| {
        let stat = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("stat")).ok();
        let of_group =
            |stat: &String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(2) == Some(&group.to_string()));
        fs::read_dir("/proc").unwrap().flatten().filter_map(stat).filter(of_group).count()
    };
    assert_eq!(members(tells), 2);
    signal(tells, "KILL");
    demo.wait(&["tells: its program ended, signal: 9 (SIGKILL)"]);
    until("what it started to end, and nothing to be left of it", || (members(tells) == 0).then_some(()));
    until("the next", || demo.log.text().matches("tells: told").nth(1).map(|_| ()));
    let next = pid(&demo, "tells", 1);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    until("all to end", || (members(next) == 0 && members(stubborn) == 0).then_some(()));
}

/// A changed file ends and starts what changed, and nothing else.
#[test]
fn a_reload_touches_what_changed() {
    let world = World::new();
    let echo = || python(&world, "text", TEXT_ECHO);
    let json = || python(&world, "json", JSON_ECHO);
    let before = [("stays", echo(), "erlang"), ("changes", echo(), "erlang"), ("goes", echo(), "erlang")];
    let (mut demo, erl) = start(&world, "", &before);
    for name in ["stays", "changes", "goes"] {
        assert_eq!(erl.eval(&format!("gen_server:call({{{name}, N}}, hello, 20000)")), "hello");
    }
    let pids = ["stays", "changes", "goes"].map(|name| pid(&demo, name, 0));
    erl.eval("R = monitor(process, {goes, N}), S = monitor(process, {changes, N})");
    configure(&world, "", &[("stays", echo(), "erlang"), ("changes", json(), "json"), ("comes", json(), "json")]);
    demo.signal("HUP");
    assert_eq!(erl.eval("receive {'DOWN', R, _, _, Why} -> Why after 60000 -> never end"), "shutdown");
    for line in ["mailbox goes: removed", "mailbox changes: changed, its program is started again", "mailbox comes: added"] {
        demo.wait(&[line]);
    }
    erl.eval_until("gen_server:call({changes, N}, <<\"hello\">>, 20000)", "<<\"hello\">>");
    erl.eval_until("gen_server:call({comes, N}, <<\"hello\">>, 20000)", "<<\"hello\">>");
    assert_eq!(erl.eval("gen_server:call({stays, N}, hello, 20000)"), "hello");
    until("the programs to end", || (!is_there(pids[1]) && !is_there(pids[2])).then_some(()));
    assert!(is_there(pids[0]));
    // the mailbox is the same
    assert_eq!(erl.eval("demonitor(S, [info, flush])"), "true");
    assert_eq!(demo.log.count(&["mailbox stays: started"]), 1);
    demo.signal("HUP");
    demo.wait(&["nothing to change"]);
    assert!(is_there(pids[0]));
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
}

/// Whoever publishes to an agent hears that the mailbox is there, and lets go of the reading: it waits for the program, whatever that will speak. All else is
/// dropped.
#[test]
fn readings_wait_for_a_program() {
    let world = World::new();
    let late = world.home.join("late").display().to_string();
    let (demo, erl) = start(&world, "", &[("late", vec![late.clone()], "erlang")]);
    demo.wait(&["mailbox late: ", "cannot be started"]);
    erl.eval("Send = fun(M) -> {late, N} ! M end, Reading = fun(I) -> {publish, node(), <<\"x\">>, 1700000000000, I, I} end");
    erl.eval("[Send(M) || M <- [Reading(1), not_kept, {forward_to_local, <<\"t\">>, Reading(2), 'Elixir.Phoenix.PubSub'}, Reading(3)]]");
    demo.wait(&["warn: mailbox late: 2 messages were dropped: the program is not running"]);
    // as much as waits for a program that runs, of one node
    let before = demo.log.len();
    erl.eval("[Send(Reading(binary:copy(<<\"y\">>, 5000))) || _ <- lists:seq(1, 30)], ok");
    demo.wait_from(before, &["warn: mailbox late: 1", " messages were dropped: the program is not running"]);
    assert_eq!(erl.eval("gen_server:call({late, N}, who, 20000)"), "{error,restarting}");
    configure(&world, "", &[("late", vec![late], "json")]);
    demo.signal("HUP");
    demo.wait(&["mailbox late: changed, its program is started again"]);
    sh(&world, "late.draft", "exec cat >&2");
    fs::rename(world.home.join("late.draft"), world.home.join("late")).unwrap();
    let told = |n: u8| format!(",\"x\",1700000000000,{n},{n}]}}}}");
    demo.wait(&["late: {\"info\":{\"@tuple\":[\"publish\",", &told(1)]);
    demo.wait(&["late: {\"info\":{\"@tuple\":[\"publish\",", &told(3)]);
    assert_eq!((demo.log.count(&["not_kept"]), demo.log.count(&[&told(2)])), (0, 0));
}

/// Nothing else happens there that could take a message along.
#[test]
fn a_message_between_programs_waits_for_nothing() {
    let world = World::new();
    let sends = sh(&world, "sends", "sleep 1; echo '{send,hears,demo,hello}.'; exec cat >/dev/null");
    let path = configure(
        &world,
        "epmd = \"none\"",
        &[("sends", sends, "erlang"), ("hears", sh(&world, "hears", "exec cat >&2"), "erlang")],
    );
    let demo = world.agent(&["--sname", "demo", "--config", path.to_str().unwrap()]);
    demo.wait(&["warn: hears: {info,hello}"]);
}

/// Who has the cookie can end a mailbox; it is there again at once, and the program never noticed. All of them may end at once.
#[test]
fn a_mailbox_that_is_killed_is_there_again() {
    let world = World::new();
    let names: Vec<String> = (1..=30).map(|number| format!("m{number}")).collect();
    let mut mailboxes = vec![("text", python(&world, "text", TEXT_ECHO), "erlang")];
    mailboxes.extend(names.iter().map(|name| (&**name, vec!["cat".to_owned()], "erlang")));
    let (demo, erl) = start(&world, "", &mailboxes);
    assert_eq!(erl.eval("gen_server:call({text, N}, hello, 20000)"), "hello");
    // the pid of a function's process tells all of a mailbox's but the number
    erl.eval(
        "Other = term_to_binary(spawn(N, erlang, node, [])), Front = byte_size(Other) - 12, <<_:Front/binary, _:64, Creation:32>> = Other,
         [exit(binary_to_term(<<(binary:part(Other, 0, Front))/binary, Id:32, 0:32, Creation:32>>), kill) || Id <- lists:seq(1, 40)], ok",
    );
    // more end than are told one by one, and `system` is among them
    demo.wait(&["mailbox ", "ended"]);
    erl.eval_until("catch map_size(gen_server:call({system, N}, {info, mailboxes}, 20000))", "33");
    assert_eq!(erl.eval("gen_server:call({text, N}, hello, 20000)"), "hello");
    assert_eq!(demo.log.count(&["mailbox text: started"]), 1);
}

/// To write a long integer in decimal takes time by the square of its length: of many few are written so, and Erlang reads all of them back.
#[test]
fn few_of_many_long_integers_are_written_in_decimal() {
    let world = World::new();
    let (_demo, erl) = start(&world, "", &[("keeper", sh(&world, "keep", "exec cat >kept"), "erlang")]);
    erl.eval("L = [(1 bsl 4000) + I || I <- lists:seq(1, 25)], {keeper, N} ! L");
    let kept = world.home.join("kept");
    let line = until("the message", || fs::read_to_string(&kept).ok().filter(|text| text.ends_with('\n')));
    assert_eq!(line.matches("16#").count(), 25 - 16);
    fs::write(&kept, line.trim_end().to_owned() + ".\n").unwrap();
    assert_eq!(erl.eval(&format!("file:consult({:?}) =:= {{ok, [{{info, L}}]}}", kept.to_str().unwrap())), "true");
}

//! The words for somebody who comes from an Erlang or an Elixir shell: what is typed as it is there works, or is told what to type; and
//! what a hint says to type works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::binaries::beamless;
use crate::children::command;
use crate::support::{Agent, Erl, World, wait_for_exit};
use crate::tool::{A, Ran, port_of, world_and_erl};

/// The command between backticks in what was said, after the word `beamless`, as a shell would take it apart.
fn hinted(said: &str) -> Vec<String> {
    let command = said.split('`').find_map(|part| part.strip_prefix("beamless ")).unwrap_or_else(|| panic!("no hint in {said}"));
    command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

fn follow(world: &World, said: &str) -> Ran {
    world.tool(&hinted(said).iter().map(String::as_str).collect::<Vec<_>>())
}

/// Compiles a module `'Elixir.My.App'` with a function `get/1`, as Elixir would, into a running Erlang.
fn with_elixir(erl: &Erl) {
    erl.eval(
        "{ok, M, B} = compile:forms([{attribute,1,module,'Elixir.My.App'}, {attribute,1,export,[{get,1},{'get!',1}]},
            {function,1,get,1,[{clause,1,[{var,1,'X'}],[],[{tuple,1,[{atom,1,got},{var,1,'X'}]}]}]},
            {function,1,'get!',1,[{clause,1,[{atom,1,ok}],[],[{atom,1,yes}]}]}]), {module, _} = code:load_binary(M, \"x\", B)",
    );
}

#[test]
fn a_call_may_be_written_as_in_elixir() {
    let (world, _epmd, erl) = world_and_erl();
    with_elixir(&erl);
    let rpc = |call: &str| world.tool(&["rpc", A, call]);
    rpc("My.App.get([1,2])").done("{got,[1,2]}\n");
    rpc("My.App.get!(ok)").done("yes\n");
    rpc("Elixir.My.App.get(1).").done("{got,1}\n");
    rpc("'Elixir.My.App':get(1)").done("{got,1}\n");
    rpc(":erlang.abs(-2)").done("2\n");
    rpc("No.Such.version()").failed(1, "", &["** exception error: undefined function Elixir.No.Such:version/0\n"]);
    rpc("My.App.get!(\"text\")").failed(
        1,
        "",
        &["no function clause", "\"text\" is a list of numbers there, and <<\"text\">> a binary"],
    );
    let ran = rpc("My.App.get!(<<\"text\">>)");
    assert!(ran.code == 1 && !ran.err.contains("list of numbers"), "{ran:?}");
    // what Elixir evaluates in the arguments, and Erlang
    for call in
        ["maps:from_list(erlang:memory())", "Enum.sum(Map.values(m))", "lists:sort([node()])", "lists:last(:lists.seq(1, 2))"]
    {
        rpc(call).failed(2, "", &["this is a call, and nothing is evaluated here: write the value that it gives"]);
    }
    rpc("System.version").failed(2, "", &["its arguments are missing: System.version()"]);
}

/// The same to Elixir itself.
#[test]
fn a_call_of_elixir_reaches_elixir() {
    let world = World::new();
    let _epmd = world.epmd();
    let script = world.home.join("words.exs");
    let text = r#"
        [beamless] = System.argv()
        {:ok, _} = Agent.start(fn -> 21 end, name: My.Counter)
        run = fn args -> System.cmd(beamless, args, stderr_to_stdout: true) end
        run.(["rpc", to_string(node()), "System.version()"]) |> IO.inspect()
        run.(["rpc", to_string(node()), "My.Counter.get()"]) |> elem(0) |> IO.puts()
        run.(["call", to_string(node()), "Elixir.My.Counter", "{get, {'Elixir.Function', identity, []}}"]) |> IO.inspect()
        IO.inspect({:version, System.version()})
    "#;
    fs::write(&script, text).unwrap();
    let said = world.elixir("words", &script, &[beamless().to_str().unwrap()]);
    let version = said.lines().find_map(|line| line.strip_prefix("{:version, \"")?.strip_suffix("\"}")).unwrap().to_owned();
    assert!(said.contains(&format!(r#"{{"<<\"{version}\">>\n", 0}}"#)), "{said}");
    assert!(said.contains("undefined function Elixir.My.Counter:get/0"), "{said}");
    assert!(said.contains(r#"{"21\n", 0}"#), "{said}");
}

#[test]
fn a_name_that_is_not_there_may_be_meant_to_be_another() {
    let (world, _epmd, erl) = world_and_erl();
    erl.eval("register('Elixir.Counter', spawn(fun Loop() -> receive {_, {P, T}, X} -> P ! {T, {counted, X}}, Loop() end end))");
    let call = |name: &str| world.tool(&["call", A, name, "x"]);
    call("Counter").failed(1, "", &["noproc", "if that is an Elixir module, its name is Elixir.Counter"]);
    call("Elixir.Counter").done("{counted,x}\n");
    call("'Elixir.Counter'").failed(1, "", &["noproc", "without quotes: Elixir.Counter;"]);
    call(":counter").failed(1, "", &["noproc", "without Elixir's colon: counter;"]);
    world.tool(&["send", A, "Counter", "x"]).failed(1, "", &["noproc", "its name is Elixir.Counter"]);
}

/// Hints go to the node that was asked, in the way in which it was asked.
#[test]
fn what_a_hint_says_to_type_works() {
    let (world, _epmd, erl) = world_and_erl();
    let cookie = world.home.join("other.cookie");
    fs::rename(world.home.join(".erlang.cookie"), &cookie).unwrap();
    let cookie = cookie.to_str().unwrap();
    let around = format!("{A}:{}", port_of(&world, "a"));
    for options in [&["--cookie-file", cookie, A][..], &["--cookie-file", cookie, "--name", "me@127.0.0.1", "a"]] {
        let said = world.tool(&[&["call"], options, &["nobody", "x"]].concat());
        said.failed(1, "", &["noproc", "if it runs Erlang, or beamless run, `beamless rpc "]);
        let listed = follow(&world, &said.err);
        assert!(listed.code == 0 && listed.out.contains("net_kernel"), "{said:?} {listed:?}");
    }
    // EPMD is gone around
    let elsewhere = world.with_epmd_port(crate::support::free_port());
    let said = elsewhere.tool(&["send", "--cookie-file", cookie, &around, "nobody", "x"]);
    let listed = follow(&elsewhere, &said.err);
    assert!(listed.code == 0 && listed.out.contains("net_kernel"), "{said:?} {listed:?}");
    erl.eval("register(server, spawn(fun() -> receive _ -> erlang:halt(0, [{flush, false}]) end end))");
    let said = elsewhere.tool(&["call", "--cookie-file", cookie, &around, "server", "halt"]);
    said.failed(1, "", &["went away before it answered"]);
    assert_eq!(follow(&elsewhere, &said.err).out, "pang\n");
}

/// A node that is neither Erlang nor an agent: nobody is sent there for a list.
#[test]
fn a_node_of_few_words_is_told_to_be_one() {
    let world = World::new();
    let mut recv = world.tool_command(&["recv", "--quiet", "--name", "inbox@127.0.0.1", "news", "--count", "1"]).spawn().unwrap();
    world.wait_for_names(&["inbox"]);
    let call = world.tool(&["call", "inbox@127.0.0.1", "other", "x"]);
    call.failed(1, "", &["noproc", "if it runs Erlang, or beamless run, "]);
    world.tool(&["nodes", "inbox@127.0.0.1"]).failed(1, "", &["does not tell its nodes: Erlang does, and beamless run"]);
    world.tool(&["send", "inbox@127.0.0.1", "news", "x"]).done("");
    let status = wait_for_exit(&mut recv, "recv to end");
    let output = recv.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((status.code(), output.stdout.as_slice()), (Some(0), &b"x\n"[..]), "{said}");
    // three tools were there, and nothing is said of that; but that nobody had the name
    assert!(said.lines().all(|line| line.starts_with("warn: message to other from ")), "{said}");
}

#[test]
fn a_quiet_agent_says_what_went_wrong_alone() {
    let world = World::new();
    let mut demo = world.launch(&["-q", "--name", "demo@127.0.0.1"]);
    world.wait_for_names(&["demo"]);
    world.tool(&["ping", "demo@127.0.0.1"]).done("pong\n");
    let other = world.with_cookie("ANOTHER").tool(&["ping", "demo@127.0.0.1"]);
    assert_eq!(other.out, "pang\n");
    demo.wait(&["warn: ", "Invalid challenge reply"]);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    assert_eq!(demo.log.count(&["node up"]) + demo.log.count(&["up as"]) + demo.log.count(&["stop"]), 0, "{}", demo.log.text());
    world.tool(&["run", "-q", "-v", "--sname", "x"]).failed(2, "", &["--verbose says more, and --quiet less"]);
}

#[test]
fn help_is_a_command_too() {
    let world = World::new();
    let tool = |args: &[&str]| world.tool(args);
    assert_eq!(tool(&["help"]), tool(&["--help"]));
    for command in ["ping", "run", "man"] {
        assert_eq!(tool(&["help", command]), tool(&[command, "--help"]));
        assert_eq!(tool(&["help", command]).code, 0);
    }
    assert_eq!(tool(&["-help"]), tool(&["--help"]));
    assert!(tool(&["--help"]).out.contains("\n    help [COMMAND] "));
    tool(&["help", "png"]).failed(2, "", &["no such command: png", "--help lists the commands"]);
    assert!(tool(&["help", "run"]).out.contains("SIGHUP reads the file of --config again"));
}

/// `-sname` and its like, and what has no like here.
#[test]
fn options_may_be_written_as_erlang_has_them() {
    let (world, _epmd, _erl) = world_and_erl();
    let demo = world.agent(&["-name", "demo@127.0.0.1", "-connect", A]);
    demo.wait(&["node up", A]);
    world.tool(&["ping", "a", "-name", "me@127.0.0.1", "-timeout", "30"]).done("pong\n");
    world.tool(&["call", "demo@127.0.0.1", "echo", "-json", "--", "-5"]).done("-5\n");
    let refused = |args: &[&str], words: &[&str]| world.tool(args).failed(2, "", words);
    refused(&["-sname", "demo"], &["--sname: the command comes first, as in beamless run --sname demo"]);
    for cookie in ["-setcookie", "--cookie", "-cookie", "--setcookie"] {
        refused(&["run", "-sname", "x", cookie, "abc"], &["0400", "~/.erlang.cookie", "--cookie-file FILE"]);
    }
    refused(&["run", "-sname", "x", "-hidden"], &["a node is hidden unless it is told to be visible, by --visible"]);
    refused(&["run", "-sname", "x", "-remsh", "a"], &["no shell here", "beamless rpc NODE 'MOD:FUN(ARGS)'"]);
    refused(&["run", "-sname", "x", "-noshell"], &["no shell here"]);
    refused(&["run", "-sname", "x", "-detached"], &["foreground", "systemd"]);
    refused(&["run", "-sname", "x", "-kernel", "net_ticktime", "10"], &["the file that --config names", "man beamless.toml"]);
    refused(&["run", "-sname", "x", "-nonsense"], &["there is no option -n"]);
    // behind the two dashes that end the options
    world.tool(&["ping", "--", "-name"]).failed(1, "pang\n", &["cannot connect to -name@"]);
}

#[test]
fn what_is_not_quite_a_name_or_an_address_is_told() {
    let (world, _epmd, _erl) = world_and_erl();
    let usage = |args: &[&str], words: &[&str]| world.tool(args).failed(2, "", words);
    usage(&["ping", "'a@127.0.0.1'"], &["without quotes or a colon"]);
    usage(&["ping", ":a@127.0.0.1"], &["without quotes or a colon"]);
    usage(&["run", "demo"], &["`demo` is too much; the node's name stands behind --sname or --name"]);
    for listen in ["4711", "99999", ":4711"] {
        usage(&["run", "--name", "x@127.0.0.1", "--listen", listen], &["an address is needed: 0.0.0.0:4711"]);
    }
    usage(&["call", A, "echo", "ok", "--json"], &["Erlang text stands in {\"@term\": \"ok\"}"]);
    usage(&["send", A, "sink", "#PID<0.113.0>"], &["a pid, port, reference or local fun cannot be written as text"]);
    let ran = world.tool(&["send", A, "sink", "{ok, %{a: 1}}"]);
    assert!(ran.err.contains("Elixir's %{a: 1} is #{a => 1} in Erlang") && !ran.err.contains("ends before"), "{ran:?}");
    let epmd = format!("{A}:{}", world.epmd_port);
    let that = format!("port {} is that of epmd", world.epmd_port);
    world.tool(&["ping", &epmd]).failed(1, "pang\n", &[&that, "`beamless names 127.0.0.1` tells"]);
    world.tool(&["rpc", A, "node()"]).failed(2, "", &["erlang:node()"]);
    world.tool(&["rpc", A, "erlang:node"]).failed(2, "", &["its arguments are missing"]);
}

/// JSON has no atoms, so that text will do.
#[test]
fn the_system_is_asked_in_json_too() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1"]);
    let ask = |json: &str| world.tool(&["call", &demo.node, "system", json, "--json"]);
    let info = ask("\"info\"");
    assert!(info.code == 0 && info.out.starts_with("{\"node\":\"demo@127.0.0.1\""), "{info:?}");
    ask("{\"@tuple\": [\"info\", \"node\"]}").done("\"demo@127.0.0.1\"\n");
    assert!(ask("\"other\"").out.contains("unknown_request"));
}

/// A cookie file in `world`'s home with this text.
fn cookie_file(world: &World, text: &str) -> PathBuf {
    let file = world.home.join(".erlang.cookie");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    file
}

/// Quotes in the file are part of the cookie, to Erlang and to us; most often they came from a shell.
#[test]
fn a_cookie_with_the_quotes_of_a_shell_is_doubted() {
    for (text, words) in [("\"SHELL\"\n", "quotes around it"), ("'SHELL'", "quotes around it"), (":SHELL\n", "a colon in front")]
    {
        let world = World::without_cookie_file();
        let file = cookie_file(&world, text);
        let demo = world.agent(&["--name", "demo@127.0.0.1"]);
        let doubt = demo.wait(&["warn: the cookie in ", file.to_str().unwrap(), words, "to Erlang is part of the cookie"]);
        assert!(!doubt.contains("SHELL"), "{doubt}");
        world.tool(&["ping", "demo@127.0.0.1"]).done("pong\n");
        let erl = world.erl(&["-name", "same@127.0.0.1"]);
        assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong", "{text:?}");
        let check = world.tool(&["run", "--check", "--name", "x@127.0.0.1"]);
        assert!(check.code == 0 && check.out.contains(words), "{check:?}");
    }
    let world = World::without_cookie_file();
    cookie_file(&world, "\"SHELL\"\n");
    let _epmd = world.epmd();
    let _erl = world.erl(&["-name", A, "-setcookie", "SHELL"]);
    world.tool(&["ping", A]).failed(1, "pang\n", &["the cookies differ", "quotes around it", "take them out"]);
}

/// Out of a pipe: of a shell's `<(..)`, of standard input, and of one with a name, which an agent reads once.
#[test]
fn a_cookie_may_come_out_of_a_pipe() {
    let world = World::without_cookie_file();
    let kept = world.home.join("kept");
    fs::write(&kept, format!("{}\n", world.cookie)).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o400)).unwrap();
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--cookie-file", kept.to_str().unwrap()]);
    let ping = &["ping", &demo.node, "--cookie-file", "/dev/stdin"];
    world.tool_with(ping, &world.cookie).done("pong\n");
    let mut bash = command("bash");
    world.dress(bash.args(["-c", "\"$0\" ping demo@127.0.0.1 --cookie-file <(cat kept)"]).arg(beamless()));
    let output = bash.output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"pong\n"[..], &b""[..]));
    world.tool_with(ping, "").failed(2, "", &["cookie file /dev/stdin", "it is empty"]);
    world.tool(&["ping", &demo.node, "--cookie-file", "/dev/zero"]).failed(2, "", &["neither a file nor a pipe"]);

    let pipe = world.home.join("pipe");
    assert!(command("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    let config = world.home.join("beamless.toml");
    fs::write(&config, "name = \"piped@127.0.0.1\"\ncookie_file = \"pipe\"\n").unwrap();
    let mut piped = world.launch(&["--config", config.to_str().unwrap()]);
    fs::write(&pipe, &world.cookie).unwrap();
    piped.wait_until_up();
    // nobody writes to it any more, and nobody waits for that
    piped.signal("HUP");
    piped.wait(&["read again: nothing to change"]);
    world.tool(&["ping", &piped.node, "--cookie-file", kept.to_str().unwrap()]).done("pong\n");
}

#[test]
fn the_port_of_epmd_is_the_one_that_is_used() {
    let world = World::new();
    let port = format!("no epmd answers on 127.0.0.1, port {}: is a node running there", world.epmd_port);
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--epmd", "none", "--connect", "hub@127.0.0.1"]);
    demo.wait(&["cannot connect to hub@127.0.0.1, trying again: ", &port]);
    assert!(!demo.log.text().contains("port 4369"), "{}", demo.log.text());
    let config = world.home.join("beamless.toml");
    let other = crate::support::free_port();
    fs::write(&config, format!("name = \"x@127.0.0.1\"\nepmd = \"none\"\nepmd_port = {other}\nconnect = [\"hub@127.0.0.1\"]\n"))
        .unwrap();
    let x = world.agent(&["--config", config.to_str().unwrap()]);
    x.wait(&[&format!("no epmd answers on 127.0.0.1, port {other}:")]);
    let lost = world.agent(&["--name", "lost@127.0.0.1", "--connect", "hub@127.0.0.1"]);
    let lost =
        lost.wait(&["cannot connect to hub@127.0.0.1, trying again: ", &format!("port {}, knows no node", world.epmd_port)]);
    assert!(follow(&world, &lost).out.contains("name lost at port"));
    // what it says to try works without an EPMD
    let hint = demo.wait(&["beamless ping "]);
    world.tool(&hint.split(' ').skip(1).collect::<Vec<_>>()).done("pong\n");
    assert_eq!(demo.log.count(&["net_adm"]), 0);
}

/// Without a file there is nothing to read again: the terminal is gone.
#[test]
fn the_end_of_the_terminal_ends_what_has_no_file() {
    let world = World::new();
    // whoever runs this without a terminal may have it ignore that
    let mut env = command("env");
    env.arg("--default-signal=HUP").arg(beamless()).args(["run", "--name", "demo@127.0.0.1"]);
    let mut agent = world.launch_as(env);
    agent.wait_until_up();
    agent.signal("HUP");
    assert_eq!(agent.exit_code(), None);
}

fn script(world: &World, name: &str, text: &str) -> String {
    let path = world.home.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// An agent `demo@127.0.0.1` with a program behind each of these mailboxes.
fn with_programs(world: &World, programs: &[(&str, String)]) -> Agent {
    let mailbox = |(name, program): &(&str, String)| format!("[mailbox.{name}]\ncommand = [{program:?}]\n");
    let config = world.home.join("beamless.toml");
    fs::write(&config, programs.iter().map(mailbox).collect::<String>()).unwrap();
    world.agent(&["--name", "demo@127.0.0.1", "--config", config.to_str().unwrap()])
}

/// As somebody writes it who tried it in a terminal.
#[test]
fn python_need_not_flush() {
    let world = World::new();
    let text = "#!/usr/bin/env python3\nimport re, sys\nfor line in sys.stdin:\n    print('{reply,%s,unflushed}' % re.match(r'\\{call,(\\d+)', line)[1])\n";
    let demo = with_programs(&world, &[("unflushed", script(&world, "unflushed.py", text))]);
    world.tool(&["call", &demo.node, "unflushed", "x", "--timeout", "60"]).done("unflushed\n");
}

#[test]
fn a_script_that_cannot_be_started_is_told_why() {
    let world = World::new();
    let demo = with_programs(
        &world,
        &[
            ("bare", script(&world, "bare", "while read line; do echo x; done\n")),
            ("lost", script(&world, "lost", "#!/no/such/interpreter\n")),
            ("dos", script(&world, "dos", "#!/bin/sh\r\nexit\r\n")),
        ],
    );
    demo.wait(&["warn: mailbox bare: ", "Exec format error", "a script's first line must name what runs it, such as #!/bin/sh"]);
    demo.wait(&["warn: mailbox lost: ", "what its first line (#!..) names is not there"]);
    demo.wait(&["warn: mailbox dos: ", "what its first line (#!..) names is not there"]);
}

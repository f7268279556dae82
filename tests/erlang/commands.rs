//! Functions that are commands, called from Erlang and Elixir in every way there is.

use std::fs;
use std::path::Path;

use crate::support::{Agent, Erl, World, until};

const FUNCTIONS: &str = r#"
    [functions]
    "box:args/0" = ["/usr/bin/printf", "--", "[%s]"]
    "box:args/1" = ["/usr/bin/printf", "--", "[%s]"]
    "box:args/2" = ["/usr/bin/printf", "--", "[%s]"]
    "box:args/12" = ["/usr/bin/printf", "--", "[%s]"]
    "box:uptime/0" = { command = ["echo", "{uptime, 5}."], output = "term" }
    "box:nothing/0" = ["true"]
    "box:binary/0" = ["printf", "\\377\\n\\n"]
    "box:fails/1" = ["sh", "-c", "echo some; echo words >&2; exit $1", "sh"]
    "box:killed/0" = ["sh", "-c", "echo some; kill -9 $$"]
    "box:hangs/0" = { command = ["sh", "-c", "echo $$ >hangs; sleep 1000 & wait"], timeout = "5s" }
    "box:no_term/0" = { command = ["echo", "{oops,"], output = "term" }
    "box:much/0" = ["yes"]
    "box:fits/1" = ["sh", "-c", "head -c $1 /dev/zero", "sh"]
    "box:gone/0" = ["./gone"]
    "box:append/1" = ["sh", "-c", "echo $1 >>appended", "sh"]
    "box:background/0" = ["sh", "-c", "sleep 1000 & echo $!"]
    "box:apart/0" = ["sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]
    "box:wait/1" = { command = ["sh", "-c", "echo $1 >>started; while [ ! -e go ]; do sleep 0.05; done; echo $1", "sh"], timeout = "1m" }
    "Elixir.Box:hello/1" = ["echo", "hello"]
"#;

/// An agent with these functions, and an Erlang `a` in which `N` is its name.
fn boxed(more: &str) -> (World, Agent, Erl) {
    let world = World::new();
    fs::copy("/bin/true", world.home.join("gone")).unwrap();
    fs::write(world.home.join("agent.toml"), [more, FUNCTIONS].concat()).unwrap();
    let demo = world.agent(&["--sname", "demo", "--config", "agent.toml"]);
    fs::remove_file(world.home.join("gone")).unwrap();
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    (world, demo, erl)
}

/// A call, and what an Erlang makes of its exception, without the stack.
fn called(erl: &Erl, function: &str, args: &str) -> String {
    erl.eval(&format!("(fun() -> try erpc:call(N, box, {function}, {args}) catch Class:Reason -> {{Class, Reason}} end end)()"))
}

#[test]
fn what_a_command_prints_is_the_value() {
    let (_world, demo, erl) = boxed("");
    for (function, args, value) in [
        ("args", "[]", "<<\"[]\">>"),
        ("args", "[<<\"a b\">>]", "<<\"[a b]\">>"),
        ("args", "[\"$(reboot); it's\", 'an atom']", "<<\"[$(reboot); it's]['an atom']\">>"),
        ("args", "[<<\"--version\">>, \"-x\"]", "<<\"[--version][-x]\">>"),
        (
            "args",
            "[1, -2, 21.5, 1 bsl 70, ok, \"\", [], <<>>, [1, 2], {a, <<\"b\">>}, #{k => [x]}, [228, 8364]]",
            "<<\"[1][-2][21.5][1180591620717411303424][ok][][][][[1,2]][{a,<<\\\"b\\\">>}][#{k => [x]}][\\x{e4}\\x{20ac}]\"/utf8>>",
        ),
        ("uptime", "[]", "{uptime,5}"),
        ("nothing", "[]", "<<>>"),
        ("binary", "[]", "<<255,10>>"),
        ("fails", "[0]", "<<\"some\">>"),
    ] {
        let want = erl.eval(value);
        assert_eq!(called(&erl, function, args), want, "{function}, {args}");
    }
    demo.wait(&["box:fails/1: words"]);
    // what it leaves in the background ends with it, whether that holds its pipes or not
    for function in ["background", "apart"] {
        let sleeper = called(&erl, function, "[]");
        let sleeper = sleeper.trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
        until("the end of what runs in the background", || {
            let status = fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap_or_default();
            (status.is_empty() || status.contains(") Z ")).then_some(())
        });
    }
}

#[test]
fn what_a_command_cannot_do_is_an_error() {
    let (world, demo, erl) = boxed("");
    for (function, args, why) in [
        ("fails", "[3]", "{error,{exception,{exit_status,3,<<\"some\">>},[]}}"),
        ("killed", "[]", "{error,{exception,{signal,9,<<\"some\">>},[]}}"),
        ("hangs", "[]", "{error,{exception,timeout,[]}}"),
        (
            "no_term",
            "[]",
            "{error,{exception,{not_a_term,<<\"{oops,\">>,<<\"line 2, column 1: the text ends before the term does\">>},[]}}",
        ),
        ("much", "[]", "{error,{exception,{too_large,13824},[]}}"),
        ("fits", "[13825]", "{error,{exception,{too_large,13824},[]}}"),
        ("gone", "[]", "{error,{exception,{cannot_start,enoent},[]}}"),
        ("args", "[<<\"a\", 0>>]", "{error,{exception,badarg,[]}}"),
        ("nosuch", "[]", "{error,{exception,undef,[{box,nosuch,[],[]}]}}"),
        ("args", "[1, 2, 3]", "{error,{exception,undef,[{box,args,[1,2,3],[]}]}}"),
    ] {
        assert_eq!(called(&erl, function, args), why, "{function}, {args}");
    }
    assert_eq!(erl.eval("byte_size(erpc:call(N, box, fits, [13824]))"), "13824");
    for (words, count) in [
        ("box:fails/1: exit status 3", 1),
        ("box:killed/0: ended by signal 9", 1),
        ("box:hangs/0: still running after 5 s and ended", 1),
        ("box:no_term/0: what it printed is no Erlang term: line 2, column 1", 1),
        ("box:much/0: printed more than 13824 bytes, and was ended", 1),
        ("box:gone/0: cannot start", 1),
    ] {
        assert_eq!(demo.log.count(&[words]), count, "{words}: {}", demo.log.text());
    }
    // what hung is gone
    let group = fs::read_to_string(world.home.join("hangs")).unwrap();
    until("the end of what hung", || {
        let status = fs::read_to_string(format!("/proc/{}/stat", group.trim())).unwrap_or_default();
        (status.is_empty() || status.contains(") Z ")).then_some(())
    });
    assert_eq!(erl.eval("gen_server:call({echo, N}, still_there, 60000)"), "still_there");
}

#[test]
fn every_way_of_calling_leads_there() {
    let (world, demo, erl) = boxed("");
    assert_eq!(erl.eval("rpc:call(N, box, args, [x])"), "<<\"[x]\">>");
    assert_eq!(erl.eval("rpc:call(N, box, fails, [3])"), "{badrpc,{'EXIT',{{exit_status,3,<<\"some\">>},[]}}}");
    assert_eq!(erl.eval("rpc:multicall([N, N], box, args, [x])"), "{[<<\"[x]\">>,<<\"[x]\">>],[]}");
    assert_eq!(erl.eval("rpc:yield(rpc:async_call(N, box, args, [x]))"), "<<\"[x]\">>");
    assert_eq!(erl.eval("rpc:block_call(N, box, args, [x])"), "<<\"[x]\">>");
    assert_eq!(erl.eval("erpc:multicall([N, N], box, fails, [0])"), "[{ok,<<\"some\">>},{ok,<<\"some\">>}]");
    assert_eq!(erl.eval("erpc:receive_response(erpc:send_request(N, box, args, [y]))"), "<<\"[y]\">>");
    let appended = || fs::read_to_string(world.home.join("appended")).unwrap_or_default();
    erl.eval("erpc:cast(N, box, append, [1]), rpc:cast(N, box, append, [2]), spawn(N, box, append, [3])");
    until("the casts", || (appended().lines().count() == 3).then_some(()));
    // nobody is told but the log
    erl.eval("erpc:cast(N, box, fails, [4])");
    demo.wait(&["box:fails/1: exit status 4"]);
    let watched = "(fun() -> {P, M} = spawn_monitor(N, box, fails, [5]), receive {'DOWN', M, process, P, R} -> R after 60000 -> none end end)()";
    assert_eq!(erl.eval(watched), "{{exit_status,5,<<\"some\">>},[]}");
    // the agent's own are still there
    assert_eq!(erl.eval("erpc:call(N, erlang, node, []) =:= N"), "true");
    assert_eq!(erl.eval("lists:sort(rpc:call(N, erlang, registered, []))"), "[echo,system]");
}

/// Whoever gives up is answered no more; the command goes on, as the function does in Erlang.
#[test]
fn a_caller_that_gives_up_does_not_end_the_command() {
    let (world, _demo, erl) = boxed("");
    let started = || fs::read_to_string(world.home.join("started")).unwrap_or_default();
    assert_eq!(
        erl.eval("try erpc:call(N, box, wait, [1], 500) catch Class:Reason -> {Class, Reason} end"),
        "{error,{erpc,timeout}}"
    );
    until("the first", || (started() == "1\n").then_some(()));
    erl.eval("P = spawn(fun() -> erpc:call(N, box, wait, [2]) end)");
    until("the second", || (started() == "1\n2\n").then_some(()));
    erl.eval("exit(P, kill)");
    let running = "maps:get(running, gen_server:call({system, N}, {info, functions}, 60000))";
    assert_eq!(erl.eval(running), "2");
    fs::write(world.home.join("go"), "").unwrap();
    erl.eval_until(running, "0");
    assert_eq!(erl.eval("receive Anything -> Anything after 0 -> nothing end"), "nothing");
}

/// Eight run at once, some wait, and who comes too much is told; other mailboxes are as prompt as ever.
#[test]
fn many_calls_run_in_turns_and_too_many_are_refused() {
    let (world, demo, erl) = boxed("");
    let started = || fs::read_to_string(world.home.join("started")).unwrap_or_default().lines().count();
    erl.eval("Rs = [erpc:send_request(N, box, wait, [I]) || I <- lists:seq(1, 70)]");
    until("eight of them", || (started() == 8).then_some(()));
    // the calls beyond 48, which are three quarters of 64, have their answer, while the others wait
    let answers = "[try {ok, erpc:receive_response(R)} catch error:{exception, Why, _} -> Why end || R <- lists:nthtail(48, Rs)]";
    assert_eq!(erl.eval(&format!("lists:usort({answers})")), "[system_limit]");
    demo.wait(&["box:wait/1: 48 calls are under way, 48 of them from a@", "which is refused more with system_limit"]);
    assert_eq!(erl.eval("gen_server:call({echo, N}, prompt, 60000)"), "prompt");
    let counts = "maps:get(functions, gen_server:call({system, N}, info, 60000))";
    assert_eq!(erl.eval(&format!("{counts} =:= #{{calls => 70,failed => 22,running => 8,waiting => 40}}")), "true");
    assert_eq!(started(), 8);
    fs::write(world.home.join("go"), "").unwrap();
    let values = "[erpc:receive_response(R) || R <- lists:sublist(Rs, 48)] =:= [integer_to_binary(I) || I <- lists:seq(1, 48)]";
    assert_eq!(erl.eval(values), "true");
    assert_eq!(erl.eval("erpc:call(N, box, args, [x])"), "<<\"[x]\">>");
}

#[test]
fn other_functions_are_served_when_the_file_changes() {
    let (world, demo, erl) = boxed("");
    let text = fs::read_to_string(world.home.join("agent.toml")).unwrap();
    erl.eval("R = erpc:send_request(N, box, wait, [1])");
    until("the call", || world.home.join("started").exists().then_some(()));
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
    let changed = text
        .replace(&line("box:gone/0"), "")
        .replace(&line("box:wait/1"), "")
        .replace(&line("box:nothing/0"), "\"box:nothing/0\" = [\"echo\", \"something\"]\n\"box:new/0\" = [\"echo\", \"new\"]");
    fs::write(world.home.join("agent.toml"), changed).unwrap();
    demo.signal("HUP");
    for words in ["box:new/0: added", "box:nothing/0: changed", "box:gone/0: removed", "box:wait/1: removed"] {
        demo.wait(&["function ", words]);
    }
    assert_eq!(called(&erl, "new", "[]"), "<<\"new\">>");
    assert_eq!(called(&erl, "nothing", "[]"), "<<\"something\">>");
    assert_eq!(called(&erl, "wait", "[2]"), "{error,{exception,undef,[{box,wait,[2],[]}]}}");
    // the call that was under way goes on
    fs::write(world.home.join("go"), "").unwrap();
    assert_eq!(erl.eval("erpc:receive_response(R)"), "<<\"1\">>");
}

#[test]
fn elixir_calls_them_too() {
    let (world, demo, _erl) = boxed("");
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/box.exs"));
    let said = world.elixir("boxer", script, &[&demo.node]);
    assert!(said.ends_with("all is well"), "{said}");
}

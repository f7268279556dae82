//! What people point at a node besides calls ends at once, with a word: system messages, `code`, a remote shell; and what OTP's own processes send to
//! names that nobody has here.

use std::process::Stdio;

use beamless::Received;

use crate::children::command;
use crate::inside::storage;
use crate::support::{World, demo_and_erl, erl_command, otp};
use crate::tls_live;

/// How `gen_server:stop` fails: it matches what `sys:terminate` gives with `ok`.
fn not_stopped() -> &'static str {
    if otp() < 24 { "{exit,badmatch,{error,not_supported}}" } else { "{error,try_clause,{error,not_supported}}" }
}

/// All would wait for ever without an answer: no time limit stands in any of them, but for `gen_server:stop/1`, which has none.
#[test]
fn a_system_message_is_refused_at_once() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    erl.eval(
        "Try = fun(F) -> try F() catch exit:{{W, R}, _} -> {exit, W, R}; error:{W, R} -> {error, W, R}; C:R -> {C, R} end end, ok",
    );
    for name in ["echo", "system", "net_kernel", "rex"] {
        let to = format!("{{{name},N}}");
        for (call, outcome) in [
            ("sys:get_state(TO, infinity)", "{error,not_supported}"),
            ("sys:replace_state(TO, fun(S) -> S end, infinity)", "{error,not_supported}"),
            ("{value, sys:get_status(TO, infinity)}", "{value,{error,not_supported}}"),
            ("{value, sys:suspend(TO, infinity)}", "{value,{error,not_supported}}"),
            ("{value, sys:trace(TO, true, infinity)}", "{value,{error,not_supported}}"),
            ("gen_server:stop(TO)", not_stopped()),
            ("gen_statem:stop(TO, shutdown, infinity)", not_stopped()),
        ] {
            let call = call.replace("TO", &to);
            assert_eq!(erl.eval(&format!("Try(fun() -> {call} end)")), outcome, "{call}");
        }
    }
    // as with a node that has no such process
    assert_eq!(erl.eval("element(1, element(2, Try(fun() -> sys:get_state({nobody,N}) end)))"), "noproc");
    assert_eq!(erl.eval("Try(fun() -> gen_server:stop({nobody,N}) end)"), "{exit,noproc}");
    assert_eq!(erl.eval("gen_server:call({echo,N}, still_here)"), "still_here");
    assert_eq!(demo.log.count(&["system"]), 0, "{}", demo.log.text());
}

/// The tags of all releases, and one who waits for the answer at his pid.
#[test]
fn a_refusal_goes_where_the_caller_waits() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval("R = make_ref(), {echo,N} ! {system, {self(), R}, get_state}, ok");
    assert_eq!(erl.eval("receive {R, What} -> What end"), "{error,not_supported}");
    erl.eval("{echo,N} ! {system, {self(), [tag|R]}, get_state}, ok");
    assert_eq!(erl.eval("receive {[tag|R], Again} -> Again end"), "{error,not_supported}");
    if otp() >= 24 {
        erl.eval("A = alias(), {echo,N} ! {system, {self(), [alias|A]}, get_state}, ok");
        assert_eq!(erl.eval("receive {[alias|A], Aliased} -> Aliased end"), "{error,not_supported}");
    }
}

/// A pid, a process of a function that is served, and a mailbox whose program answers for itself.
#[test]
fn whatever_is_alive_answers_for_itself_or_is_answered_for() {
    let world = World::new();
    let mut storage = storage();
    let mut here = world.inside(world.config("here"), &mut storage);
    let [plain, own, served] = ["plain", "own", ""].map(|name| here.node.register(name).unwrap());
    here.node.take_system(own, true).unwrap();
    here.node.serve(served, ["m:f/0", "code:which/1"]).unwrap();
    let erl = here.erl(&world, "a");
    here.eval(&erl, "N = 'here@127.0.0.1'");
    let state = |process: &str| format!("try sys:get_state({process}, infinity) catch error:Why -> Why end");

    here.eval(&erl, "register(me, self()), {plain,N} ! hello");
    let pid = here.node.pid(plain).unwrap();
    let me = here.receive(plain, |message, _| beamless::OwnedPid::new(message.sender().unwrap()).unwrap());
    here.node.outbox(plain).unwrap().send(&me, |t| t.pid(pid.as_pid())).unwrap();
    here.eval(&erl, "receive P -> ok end");
    assert_eq!(here.eval(&erl, &state("P")), "not_supported");

    let asked = erl.ask("{J, M} = spawn_monitor(N, m, f, []), node(J)");
    assert_eq!(here.answer(&erl, asked), "'here@127.0.0.1'");
    let job = here.receive(served, |message, _| match message.received() {
        Received::Apply(apply) => apply.caller.keep().unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(here.eval(&erl, &state("J")), "not_supported");
    here.node.outbox(served).unwrap().reply(&job, |t| t.atom("done")).unwrap();
    assert_eq!(here.eval(&erl, "receive {'DOWN', M, _, _, Down} -> Down end"), "normal");

    let asked = erl.ask(&state("{own,N}"));
    here.receive(own, |message, mut out| {
        let call = message.as_system().unwrap();
        assert!(call.request.is_atom("get_state"));
        out.reply(&call, |t| t.atom("cold")).unwrap();
    });
    assert_eq!(here.answer(&erl, asked), "cold");

    // what the program serves is its own to answer
    let asked = erl.ask("rpc:call(N, code, which, [m])");
    here.receive(served, |message, mut out| match message.received() {
        Received::Apply(apply) => out.reply(&apply, |t| t.atom("preloaded")).unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(here.answer(&erl, asked), "preloaded");
    assert_eq!(here.eval(&erl, "rpc:call(N, code, is_loaded, [m])"), "false");
}

#[test]
fn no_module_is_here() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    for (function, args, value) in [
        ("ensure_loaded", "[shell]", "{error,nofile}"),
        ("load_file", "[shell]", "{error,nofile}"),
        ("load_binary", "[m,[],<<>>]", "{error,badfile}"),
        ("is_loaded", "[shell]", "false"),
        ("is_sticky", "[shell]", "false"),
        ("which", "[shell]", "non_existing"),
        ("get_object_code", "[shell]", "error"),
    ] {
        for call in ["rpc:call", "erpc:call", "rpc:block_call"] {
            assert_eq!(erl.eval(&format!("{call}(N, code, {function}, {args})")), value, "{call} {function}");
        }
        assert_eq!(erl.eval(&format!("rpc:multicall([N], code, {function}, {args})")), format!("{{[{value}],[]}}"));
        let ended = format!(
            "element(5, (fun({{_, M}}) -> receive {{_, M, _, _, _}} = D -> D end end)(spawn_monitor(N, code, {function}, {args})))"
        );
        assert_eq!(erl.eval(&ended), "normal", "{function}");
    }
    assert_eq!(erl.eval("element(1, element(2, element(2, rpc:call(N, code, purge, [shell]))))"), "undef");
    assert_eq!(demo.log.count(&["code:"]), 0, "{}", demo.log.text());
}

/// From OTP 26 on `erl -remsh` ends with its word; before, with the word of a shell that is gone, at the prompt of the shell that is not remote.
#[test]
fn a_remote_shell_ends_with_a_word() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let args = ["-sname", "me", "-start_epmd", "false", "-remsh", &demo.node];
    let args = match world.tls {
        Some(version) => tls_live::erl_args(version, &args),
        None => args.map(str::to_owned).to_vec(),
    };
    let erl = format!("{} {}", erl_command().get_program().to_str().unwrap(), args.join(" "));
    let mut shell = command("script");
    shell.args(["-qec", &erl, "/dev/null"]).env("TERM", "xterm");
    let mut shell = world.launch_between(shell, Stdio::piped(), Stdio::piped());
    if otp() < 26 {
        shell.wait(&["Shell process terminated!"]);
    } else {
        shell.wait(&["Could not load", &demo.node, "(nofile)"]);
        assert_eq!(shell.exit_code(), Some(1));
        assert_eq!(shell.log.count(&["crash"]) + shell.log.count(&["rror"]), 0, "{}", shell.log.text());
    }
}

/// As `aten` and `ra` do, several times a second: once in the log, and then counted.
#[test]
fn messages_to_names_that_nobody_has_are_said_once_and_counted() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo", "--visible"]);
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    erl.eval("[begin {aten,N} ! {hello, I}, {ra,N} ! hello, gen_server:call({echo,N}, I) end || I <- lists:seq(1, 30)]");
    erl.eval("gen_server:cast({ra,N}, once_more), gen_server:call({echo,N}, ok)");
    assert_eq!(erl.eval("erlang:disconnect_node(N)"), "true");
    let from = &erl.node;
    demo.wait(&[&format!("dropped from {from} besides: 29 to aten, 30 to ra")]);
    demo.wait(&["node down", from]);
    for name in ["aten", "ra"] {
        assert_eq!(demo.log.count(&[&format!("message to {name} from {from} dropped: no such mailbox; more are counted")]), 1);
    }
    // of a node that comes back it is known
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    erl.eval("{aten,N} ! hello, gen_server:call({echo,N}, ok)");
    assert_eq!(erl.eval("erlang:disconnect_node(N)"), "true");
    demo.wait(&[&format!("dropped from {from} besides: 1 to aten")]);
    assert_eq!(demo.log.count(&["message to aten"]), 1, "{}", demo.log.text());
}

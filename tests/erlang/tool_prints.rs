//! What a function prints that `beamless rpc` calls, and what becomes of what it starts.

use crate::tool::{A, Ran, world_and_erl};

fn printed(ran: &Ran, out: &str, err: &str) {
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, out, err));
}

/// A scope of `pg` dies of a message that it does not know.
#[test]
fn what_it_starts_crashes_with_a_report() {
    let (world, _epmd, erl) = world_and_erl();
    let ran = world.tool(&["rpc", A, "pg:start(foo)"]);
    assert!(ran.code == 0 && ran.out.starts_with("{ok,<0."), "{ran:?}");
    assert_eq!(erl.eval("process_info(whereis(foo), group_leader)"), "{group_leader,<0.0.0>}");
    let before = erl.log.len();
    world.tool(&["send", A, "foo", "nonsense"]).done("");
    erl.log.wait_from(before, &["server foo terminating"]).unwrap();
}

#[test]
fn what_it_prints_appears_at_its_node() {
    let (world, _epmd, erl) = world_and_erl();
    let before = erl.log.len();
    world.tool(&["rpc", A, "io:format(\"~s and ~p~n\", [there, 1])"]).done("ok\n");
    erl.log.wait_from(before, &["there and 1"]).unwrap();
}

#[test]
fn what_it_prints_appears_here_if_that_is_wanted() {
    let (world, _epmd, erl) = world_and_erl();
    let rpc = |call: &str| world.tool(&["rpc", "--print", A, call]);
    let before = erl.log.len();
    printed(&rpc("io:format(\"~ts: ~p~n~s\", [\"\u{434}\u{430}\", {1}, x])"), "ok\n", "\u{434}\u{430}: {1}\nx");
    printed(&rpc("io:put_chars([<<\"h\u{e9}\"/utf8>>, $\\n])"), "ok\n", "h\u{e9}\n");
    printed(&rpc("io:requests([{put_chars, unicode, \"a\"}, {format, \"~p\", [[b]]}, nl])"), "ok\n", "a[b]\n");
    printed(&rpc("lists:foreach(fun io:nl/1, [standard_io, standard_io])"), "ok\n", "\n\n");
    // in order, as long as it takes
    let lines: String = (1..=200).map(|n| format!("{n}\n")).collect();
    erl.eval(
        "{ok, M, B} = compile:forms([{attribute,1,module,counts}, {attribute,1,export,[{to,1}]}, {function,1,to,1,[{clause,1,[{var,1,'N'}],[],
            [{lc,1,{call,1,{remote,1,{atom,1,io},{atom,1,format}},[{string,1,\"~p~n\"},{cons,1,{var,1,'I'},{nil,1}}]},
                [{generate,1,{var,1,'I'},{call,1,{remote,1,{atom,1,lists},{atom,1,seq}},[{integer,1,1},{var,1,'N'}]}}]},
             {var,1,'N'}]}]}]), {module, _} = code:load_binary(M, \"x\", B)",
    );
    printed(&rpc("counts:to(200)"), "200\n", &lines);
    // also what nobody waits for, and takes a question
    erl.eval(
        r#"(fun() ->
            Form = fun(S) -> {ok, Tokens, _} = erl_scan:string(S), {ok, F} = erl_parse:parse_form(Tokens), F end,
            {ok, Module, Code} = compile:forms(lists:map(Form, ["-module(hurries).", "-export([to/1]).",
                "to(N) -> [group_leader() ! {io_request, self(), I, {put_chars, unicode, io_lib, format, [\"~p~n\", [I]]}}
                    || I <- lists:seq(1, N)], N."])),
            code:load_binary(Module, "x", Code) end)()"#,
    );
    printed(&rpc("hurries:to(200)"), "200\n", &lines);
    // there is nobody who types, and no terminal
    printed(&rpc("io:get_line('> ')"), "eof\n", "");
    printed(&rpc("io:columns()"), "{error,enotsup}\n", "");
    let ran = rpc("io:format(\"~p\", [])");
    ran.failed(1, "", &["** exception error: bad argument"]);
    let ran = rpc("c:regs()");
    assert!(ran.code == 0 && ran.out == "ok\n" && ran.err.contains("kernel_sup"), "{ran:?}");
    assert_eq!(erl.eval("done"), "done");
    let said = erl.log.text();
    assert!(!said.lines().skip(before).any(|line| line.starts_with("200") || line.contains("kernel_sup")), "{said}");
}

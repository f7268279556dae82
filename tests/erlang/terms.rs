//! Terms of every kind, made by Erlang, there and back.

use beamless::{TextError, TextFault, parse_text};

use crate::support::{World, demo_and_erl, otp};

const SEED: u32 = 20_011;

#[test]
fn a_thousand_terms_come_back_identical() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    erl.load_probe(&world);
    // What OTP 23 sends before the connection is up it encodes for a node that may be very old, and corrects it afterwards; in that
    // it forgets the size of a fun with a bit string inside, and takes its own fun for damaged when it comes back.
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    erl.eval(&format!("Terms = probe:terms({SEED}, 1000), ok"));
    assert_eq!(erl.eval("length(Terms)"), "1000");
    let changed = erl.eval("Changed = probe:echo_all(N, Terms), {length(Changed), lists:sublist(Changed, 3)}");
    assert_eq!(changed, "{0,[]}", "seed {SEED}");
    assert_eq!(erl.eval("process_info(self(), message_queue_len)"), "{message_queue_len,0}");
}

/// The same as calls: the reply goes to an alias instead of a pid.
#[test]
fn the_terms_come_back_as_replies() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    erl.load_probe(&world);
    let source = format!("[T || T <- probe:terms({SEED}, 400), gen_server:call({{echo, N}}, T, 60000) =/= T]");
    assert_eq!(erl.eval(&source), "[]");
}

/// A module that makes an iolist by appending, as loops do.
const DEEP: &str = "-module(deep). -export([list/1, start/0]).
    list(0) -> []; list(N) -> [list(N - 1), 120].
    start() -> register(deep, spawn(fun F() -> receive {'$gen_call', {P, T}, N} -> P ! {T, list(N)}, F() end end)), ok.";

/// The deepest terms are taken, and whoever sends or asks for one that is deeper is told.
#[test]
fn deep_terms_are_taken_and_deeper_ones_are_refused_in_words() {
    let world = World::new();
    std::fs::write(world.home.join("agent.toml"), "[functions]\n\"deep:echo/1\" = [\"echo\", \"taken\"]\n").unwrap();
    let demo = world.agent(&["--sname", "demo", "--config", "agent.toml"]);
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    erl.load(&world, "deep", DEEP);
    // around it there is the tuple of the call
    assert_eq!(erl.eval("gen_server:call({echo, N}, deep:list(1020), 60000) =:= deep:list(1020)"), "true");
    let reason = |source: &str| erl.eval(&format!("(fun() -> try {source} catch _:R -> R end end)()"));
    let refused = reason("gen_server:call({echo, N}, deep:list(1500), 60000)");
    assert!(refused.starts_with("{too_deep,{gen_server,call,"), "{refused:.100}");
    // a function's arguments, by a spawn request and through rex
    assert_eq!(reason("erpc:call(N, deep, echo, [deep:list(1500)])"), "{erpc,too_deep}");
    assert_eq!(reason("rpc:call(N, deep, echo, [deep:list(1500)])"), "{badrpc,{'EXIT',too_deep}}");
    let refused = reason("rpc:block_call(N, deep, echo, [deep:list(1500)])");
    assert!(refused.starts_with("{badrpc,{'EXIT',{too_deep,"), "{refused:.100}");
    // a reason in the tuple or behind it ends what it is to end, and not the connection
    let pid = "binary_to_term(<<131, 88, 119, (length(atom_to_list(N))), (atom_to_binary(N))/binary, 9999:32, 1:32, 99:32>>)";
    assert_eq!(erl.eval(&format!("exit({pid}, deep:list(1500)), net_adm:ping(N)")), "pong");

    // and the other way round
    assert_eq!(erl.eval("deep:start()"), "ok");
    let node = erl.node.as_str();
    let list = world.tool(&["rpc", "--timeout", "60", node, "deep:list(1000)"]);
    assert_eq!((list.code, list.out.matches("120").count()), (0, 1000), "{}", list.err);
    world.tool(&["rpc", "--timeout", "60", node, "deep:list(1500)"]).failed(1, "", &["nested deeper than 1024 levels"]);
    world.tool(&["call", "--timeout", "60", node, "deep", "1500"]).failed(1, "", &["nested deeper than 1024 levels"]);
    assert_eq!(demo.log.count(&["node down", node]), 0, "the connection ended");
}

/// Two keys are refused in one map that Erlang refuses, which would end the connection over it; up to OTP 26 it takes 0.0 and -0.0 for one.
#[test]
fn a_map_has_no_two_keys_that_are_one_to_erlang() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    let term = |text: &str| parse_text(text, &mut [0; 256]).unwrap().as_bytes().to_vec();
    let since_27 = if otp() < 27 { "refused" } else { "taken" };
    for (one, other, ours, theirs) in [
        ("0.0", "-0.0", "refused", since_27),
        ("#{a => 1,b => 2}", "#{b => 2,a => 1}", "refused", "refused"),
        ("#{a => 1,b => 2}", "#{b => 1,a => 2}", "taken", "taken"),
        ("1", "1.0", "taken", "taken"),
        ("[]", "{}", "taken", "taken"),
    ] {
        for around in ["_", "{5,_}", "[_]", "[a|_]", "#{k => _}", "#{_ => v}", "#{#{_ => v,x => y} => {[_]}}"] {
            let (one, other) = (around.replace('_', one), around.replace('_', other));
            let said = match parse_text(&format!("#{{{one} => 1,{other} => 2}}"), &mut [0; 256]) {
                Ok(_) => "taken",
                Err(TextError { fault: TextFault::DuplicateKey, .. }) => "refused",
                Err(e) => panic!("{e}"),
            };
            let map = [&[131, 116, 0, 0, 0, 2][..], &term(&one), &[97, 1], &term(&other), &[97, 2]].concat();
            let bytes = format!("{map:?}").replace(['[', ']'], "");
            let erlang = erl.eval(&format!("(fun() -> try binary_to_term(<<{bytes}>>), taken catch _:_ -> refused end end)()"));
            assert_eq!((said, erlang.as_str()), (ours, theirs), "{one} {other}");
        }
    }
}

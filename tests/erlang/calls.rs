//! What the protocol owes to a caller: replies, `noproc`, exits, refusals; each of them at once.

use crate::support::{Erl, demo_and_erl, otp};

/// The value of `source`, or what it threw: an answer that comes by time-out is another one.
fn caught(erl: &Erl, source: &str) -> String {
    erl.eval(&format!("(fun() -> catch begin {source} end end)()"))
}

#[test]
fn gen_server_call_returns_the_term() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    for term in ["{a,#{b => <<1>>}}", "[]", "hello", "{}", "\"text\"", "[1|2]", "-1.5", "18446744073709551616", "#{}", "<<1:1>>"]
    {
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, N}}, {term}, 60000)")), term);
    }
    assert_eq!(erl.eval("gen_server:call({echo, N}, slow, infinity)"), "slow");
    assert_eq!(erl.eval("process_info(self(), message_queue_len)"), "{message_queue_len,0}", "a reply came twice");
}

#[test]
fn send_request_and_a_plain_from_are_answered() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    // OTP 23 has only the older of the two.
    for wait in ["wait_response", "receive_response"].into_iter().take(if otp() < 24 { 1 } else { 2 }) {
        let request = format!("gen_server:{wait}(gen_server:send_request({{echo, N}}, request), 5000)");
        assert_eq!(erl.eval(&request), "{reply,request}");
    }
    // What older nodes and other languages send: a reference for a tag, no alias.
    let plain =
        "Tag = make_ref(), {echo, N} ! {'$gen_call', {self(), Tag}, plain}, receive {Tag, R} -> R after 60000 -> nothing end";
    assert_eq!(erl.eval(plain), "plain");
}

#[test]
fn multi_call_sorts_the_answering_from_the_missing() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    let node = erl.eval("N");
    assert_eq!(caught(&erl, "gen_server:multi_call([N], echo, hello, 60000)"), format!("{{[{{{node},hello}}],[]}}"));
    assert_eq!(caught(&erl, "gen_server:multi_call([N], nosuch, hello, 60000)"), format!("{{[],[{node}]}}"));
}

#[test]
fn a_call_to_a_name_that_is_not_there_exits_with_noproc() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    let answer = caught(&erl, "gen_server:call({nosuch, N}, hello, 60000)");
    let call = format!("[{{nosuch,{}}},hello,60000]", erl.eval("N"));
    assert_eq!(answer, format!("{{'EXIT',{{noproc,{{gen_server,call,{call}}}}}}}"));
}

#[test]
fn a_monitor_of_a_name_that_is_not_there_is_noproc_caught() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    let source =
        "R = monitor(process, {nosuch, N}), receive {'DOWN', R, process, Who, Why} -> {Who, Why} after 60000 -> nothing end";
    assert_eq!(caught(&erl, source), format!("{{{{nosuch,{}}},noproc}}", erl.eval("N")));
}

/// A pid of this node that never was: the number is out of reach, the creation another one.
const DEAD_PID: &str =
    "P = binary_to_term(<<131, 88, 119, (length(atom_to_list(N))), (atom_to_binary(N))/binary, 9999:32, 1:32, 99:32>>)";

#[test]
fn a_monitor_of_a_dead_pid_is_noproc_caught() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval(DEAD_PID);
    let source = "R = monitor(process, P), receive {'DOWN', R, process, P, Why} -> Why after 60000 -> nothing end";
    assert_eq!(caught(&erl, source), "noproc");
}

#[test]
fn a_link_to_a_dead_pid_is_a_noproc_exit() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval(DEAD_PID);
    erl.eval("process_flag(trap_exit, true)");
    assert_eq!(caught(&erl, "link(P), receive {'EXIT', P, Why} -> Why after 60000 -> nothing end"), "noproc");
}

#[test]
fn unlink_leaves_nothing_behind() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval(DEAD_PID);
    erl.eval("process_flag(trap_exit, true)");
    for _ in 0..50 {
        erl.eval("link(P), unlink(P)");
    }
    // The call goes the same way behind them all: what came of them has come by now.
    assert_eq!(erl.eval("gen_server:call({echo, N}, after_all, 60000)"), "after_all");
    assert_eq!(erl.eval("receive {'EXIT', P, Why} -> Why after 0 -> none end"), "none");
    assert_eq!(erl.eval("process_info(self(), links)"), "{links,[]}");
}

#[test]
pub(crate) fn a_monitor_lives_until_it_is_taken_back_or_the_agent_dies() {
    let (_world, mut demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    erl.eval("Kept = monitor(process, {echo, N}), Back = monitor(process, {echo, N}), demonitor(Back)");
    assert_eq!(erl.eval("gen_server:call({echo, N}, in_between, 60000)"), "in_between");
    assert_eq!(erl.eval("receive {'DOWN', _, _, _, Early} -> Early after 0 -> none end"), "none");
    demo.kill();
    assert_eq!(erl.eval("receive {'DOWN', Kept, _, _, Why} -> Why after 60000 -> nothing end"), "noconnection");
    assert_eq!(erl.eval("receive {'DOWN', Back, _, _, Late} -> Late after 100 -> none end"), "none");
}

#[test]
fn more_monitors_than_the_agent_can_hold_are_all_answered() {
    let (_world, mut demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    // Those that are refused are told so, and taking the others back makes room.
    let refused = "F = fun(N0) -> length([1 || _ <- lists:seq(1, N0), receive {'DOWN', _, _, _, system_limit} -> true end]) end";
    erl.eval(&format!("{refused}, Refs = [monitor(process, {{echo, N}}) || _ <- lists:seq(1, 5000)], ok"));
    // one node has three quarters of 1024
    assert_eq!(erl.eval("F(5000 - 768)"), "4232");
    assert!(caught(&erl, "gen_server:call({echo, N}, no_room, 60000)").starts_with("{'EXIT',{system_limit,"));
    assert_eq!(erl.eval("{echo, N} ! {self(), x}, receive {echo, x} -> ok end"), "ok");
    erl.eval("[demonitor(R) || R <- lists:sublist(Refs, 100)], ok");
    assert_eq!(erl.eval("gen_server:call({echo, N}, room, 60000)"), "room");
    demo.kill();
    let source = "[receive {'DOWN', _, _, _, Why} -> Why after 60000 -> nothing end || _ <- lists:seq(1, 668)]";
    assert_eq!(erl.eval(&format!("lists:usort({source})")), "[noconnection]");
    assert_eq!(erl.eval("receive Anything -> Anything after 0 -> nothing_more end"), "nothing_more");
}

#[test]
fn a_function_that_is_not_served_is_undefined() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    let badrpc = "{badrpc,{'EXIT',{undef,[{nosuch,f,[],[]}]}}}";
    assert_eq!(caught(&erl, "rpc:call(N, nosuch, f, [])"), badrpc);
    assert_eq!(caught(&erl, "rpc:block_call(N, nosuch, f, [])"), badrpc);
    let answer = caught(&erl, "erpc:call(N, nosuch, f, [])");
    assert!(answer.starts_with("{'EXIT',{{exception,undef,[{nosuch,f,[],[]}]},"), "{answer}");
    let answer = caught(&erl, "erpc:multicall([N], nosuch, f, [])");
    assert_eq!(answer, "[{error,{exception,undef,[{nosuch,f,[],[]}]}}]");
    assert_eq!(erl.eval("rpc:cast(N, nosuch, f, [])"), "true");
    assert_eq!(erl.eval("gen_server:call({echo, N}, afterwards, 60000)"), "afterwards");
}

/// What a person at the other shell asks first.
#[test]
fn the_agent_tells_who_it_is_and_whom_it_sees() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("rpc:call(N, erlang, node, []) =:= N"), "true");
    assert_eq!(erl.eval("erpc:call(N, erlang, nodes, []) =:= [node()]"), "true");
    assert_eq!(erl.eval("erpc:call(N, erlang, nodes, [hidden])"), "[]");
    assert_eq!(erl.eval("erpc:call(N, erlang, nodes, [[visible, this]]) =:= [node(), N]"), "true");
    assert_eq!(erl.eval("erpc:call(N, erlang, registered, [])"), "[echo,system]");
}

#[test]
fn a_process_of_an_undefined_function_ends_caught() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    erl.eval("process_flag(trap_exit, true)");
    for options in ["[]", "[monitor]", "[link, monitor]", "[{reply_tag, spawn_reply}]"] {
        let source = format!(
            "R = spawn_request(N, nosuch, f, [], {options}), receive {{spawn_reply, R, How, _}} -> How after 60000 -> nothing end"
        );
        assert_eq!(caught(&erl, &source), "ok", "{options}");
    }
    let source =
        "{P, R} = spawn_monitor(N, nosuch, f, []), receive {'DOWN', R, process, P, Why} -> Why after 60000 -> nothing end";
    assert_eq!(caught(&erl, source), "{undef,[{nosuch,f,[],[]}]}");
    assert_eq!(erl.eval("gen_server:call({echo, N}, afterwards, 60000)"), "afterwards");
    assert_eq!(erl.eval("nodes(hidden) =:= [N]"), "true");
}

/// Signals and messages to what is not there are dropped without a word, and the link stands.
#[test]
fn what_is_sent_to_nobody_is_dropped() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    erl.eval(DEAD_PID);
    erl.eval("{nosuch, N} ! hello, P ! hello, exit(P, kill), exit(P, {some, reason}), gen_server:cast({nosuch, N}, x)");
    erl.eval("gen_server:cast({echo, N}, x), {echo, N} ! no_pair, {echo, N} ! {no_pid, x}, {echo, N} ! {self(), x, y}, catch group_leader(self(), P)");
    assert_eq!(erl.eval("gen_server:call({echo, N}, afterwards, 60000)"), "afterwards");
    demo.wait(&["node up"]);
    assert_eq!(demo.log.count(&["node up"]), 1);
    assert_eq!(demo.log.count(&["node down"]), 0);
}

/// A tracing caller sends every message in its form with a token.
#[test]
fn a_caller_that_is_traced_is_answered() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval("seq_trace:set_token(label, 17), seq_trace:set_token(send, true)");
    erl.eval("{echo, N} ! {self(), traced}");
    assert_eq!(erl.eval("receive Got -> Got after 60000 -> nothing end"), "{echo,traced}");
    assert_eq!(erl.eval("gen_server:call({echo, N}, traced_too, 60000)"), "traced_too");
    erl.eval("process_flag(trap_exit, true)");
    erl.eval(DEAD_PID);
    assert_eq!(erl.eval("exit(P, traced), gen_server:call({echo, N}, afterwards, 60000)"), "afterwards");
}

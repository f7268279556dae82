//! Terms of every kind, made by Erlang, there and back.

use crate::support::demo_and_erl;

const SEED: u32 = 20_011;

#[test]
fn a_thousand_terms_come_back_identical() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    erl.load_probe(&world);
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
    let source = format!("[T || T <- probe:terms({SEED}, 400), gen_server:call({{echo, N}}, T) =/= T]");
    assert_eq!(erl.eval(&source), "[]");
}

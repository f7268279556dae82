//! Terms of every kind, made by Erlang, there and back.

use crate::support::demo_and_erl;

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

//! A node of Erlang's that speaks TLS: it cannot be talked to, and both directions say so.

use crate::support::{Erl, World, otp};

/// An Erlang that speaks TLS, with a certificate that it made itself.
fn speaking_tls(world: &World) -> Erl {
    let file = world.home.join("node.pem").display().to_string();
    let maker = world.erl(&["-name", "maker@127.0.0.1"]);
    let made = maker.eval(&format!(
        "Chain = #{{root => [], intermediates => [], peer => []}},
         #{{server_config := Of}} = public_key:pkix_test_data(#{{server_chain => Chain, client_chain => Chain}}),
         {{Kind, Key}} = proplists:get_value(key, Of),
         Entries = [{{'Certificate', proplists:get_value(cert, Of), not_encrypted}}, {{Kind, Key, not_encrypted}}],
         file:write_file({file:?}, public_key:pem_encode(Entries))"
    ));
    assert_eq!(made, "ok");
    let options = ["-proto_dist", "inet_tls", "-ssl_dist_opt", "server_certfile", &file, "server_keyfile", &file];
    world.erl(&[&["-name", "t@127.0.0.1"][..], &options, &["client_verify", "verify_none"]].concat())
}

#[test]
fn a_node_that_speaks_tls_is_named_as_such() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1"]);
    let erl = speaking_tls(&world);
    assert_eq!(erl.eval("net_adm:ping('demo@127.0.0.1')"), "pang");
    demo.wait(&["rejected", "it speaks TLS", "-proto_dist inet_tls"]);
    // OTP 23 closes without a word
    let words: &[&str] =
        if otp() < 25 { &["closed by the peer", "without TLS?"] } else { &["it speaks TLS", "-proto_dist inet_tls"] };
    world.tool(&["ping", "t@127.0.0.1"]).failed(1, "pang\n", words);
}

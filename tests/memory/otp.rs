//! What a peer asks OTP's own processes, which are no mailboxes: `net_kernel` and `rex`.

use beamless::{Config, Exception, Mailbox, Node, Received, Term};

use crate::groups::bytes;
use crate::pair::{End, Wire, connect, connected, storage};
use crate::trace::logged;

/// Sends what the text says, in which P is the sender and O a process of a third node.
fn say(b: &mut End<'_>, from: Mailbox, to: &str, text: &str) {
    let term = bytes(text);
    b.node.outbox(from).unwrap().send((to, "a@host"), |t| t.term(Term::parse(&term).unwrap())).unwrap();
}

/// What comes back when `b` says this to a process of `a`.
fn answers(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, from: Mailbox, to: &str, text: &str) -> Vec<String> {
    say(b, from, to, text);
    wire.settle(a, b, || usize::MAX);
    std::iter::from_fn(|| b.node.recv(from).map(|(message, _)| message.term().to_string())).collect()
}

#[test]
fn net_kernel_answers_what_it_is_asked_without_a_time_limit() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = b.node.register("from").unwrap();
    let mut answers = |text: &str| answers(&mut a, &mut b, &mut wire, from, "net_kernel", text);
    assert_eq!(answers("{'$gen_call',{P,1},{is_auth,b@host}}"), ["{1,yes}"]);
    assert_eq!(answers("{'$gen_call',{P,2},{spawn_opt,x,x,x,x,x,x}}"), ["{2,notsup}"]);
    // of 640 bytes, and of one more
    let tag = |end: &str| format!("[{}{end}]", "1,".repeat(125));
    assert_eq!(answers(&format!("{{'$gen_call',{{P,{}}},{{is_auth,x}}}}", tag("sevenxx"))).len(), 1);
    for silent in [
        &format!("{{'$gen_call',{{P,{}}},{{is_auth,x}}}}", tag("eightxxx"))[..],
        "{'$gen_call',{O,1},{is_auth,b@host}}",
        "{'$gen_call',{P,1},{is_auth}}",
        "{'$gen_call',{P,1},{is_auth,x,x,x,x,x,x}}",
        "{'$gen_call',{P,1},{spawn_opt,x}}",
        "{'$gen_call',{P,1},{x,x}}",
        "{'$gen_call',{P,1},{x,x,x,x,x,x,x}}",
        "{'$gen_call',{P,1},is_auth}",
        "{is_auth,x}",
    ] {
        assert_eq!(answers(silent), [""; 0], "{silent}");
    }
    assert_eq!(a.texts(), [""; 0]);
}

#[test]
fn rex_answers_for_functions_that_nobody_serves() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (b.node.register("from").unwrap(), a.node.register("to").unwrap());
    let mut answers = |to: &str, text: &str| answers(&mut a, &mut b, &mut wire, from, to, text);
    let undef = "{badrpc,{'EXIT',{undef,[{m,f,[1],[]}]}}}";
    for what in ["call", "block_call"] {
        assert_eq!(answers("rex", &format!("{{'$gen_call',{{P,1}},{{{what},m,f,[1],l}}}}")), [format!("{{1,{undef}}}")]);
        assert_eq!(answers("rex", &format!("{{P,{{{what},m,f,[1],l}}}}")), [format!("{{rex,{undef}}}")]);
    }
    assert_eq!(answers("rex", "{P,{sbcast,nobody,x}}"), ["{rex,a@host,{nonexisting_name,nobody}}"]);
    assert_eq!(answers("rex", "{P,{sbcast,to,x}}"), ["{rex,a@host,a@host}"]);
    assert_eq!(answers("rex", "{P,{x,to,x}}"), [""; 0]);
    assert_eq!(answers("rex", "{P,features_request}"), ["{features_reply,a@host,[erpc]}"]);
    // nobody waits for a cast
    assert_eq!(answers("rex", "{'$gen_cast',{cast,m,f,[1],l}}"), [""; 0]);
    // another than rex takes none
    assert_eq!(answers("nobody", "{P,{call,m,f,[1],l}}"), [""; 0]);
    assert_eq!(a.node.recv(to).unwrap().0.term().to_string(), "x");
    assert!(a.node.recv(to).is_none());
    let dropped = [
        "message to m:f/1 from b@host dropped: no such function is served",
        "message to nobody from b@host dropped: no such mailbox",
    ];
    assert_eq!(a.texts(), dropped);
}

/// `global` begins its conversation with one word, and only that one is answered.
#[test]
fn global_is_told_that_it_is_in_sync_when_it_begins() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = b.node.register("from").unwrap();
    for (text, is_answered) in [
        ("{'$gen_cast',{init_connect,7,b,l}}", true),
        ("{'$gen_cast',{exchange,7,b,l}}", false),
        ("{x,{init_connect,7,b,l}}", false),
    ] {
        say(&mut b, from, "global_name_server", text);
        wire.back(&mut a, &mut b);
        assert_eq!(a.node.poll_transmit(wire.a).windows(7).any(|word| word == b"in_sync"), is_answered, "{text}");
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
}

/// The stack trace has as much of the call as there is room for.
#[test]
fn of_arguments_that_do_not_fit_the_number_is_told() {
    let (mut one, mut other) = (storage(), Box::new(beamless::NodeStorage::<2, 2, 65_536>::new()));
    let mut a = End::hidden("a@host", &mut one);
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut other);
    let mut wire = connect(&mut a, &mut b);
    let (from, to) = (b.node.register("from").unwrap(), a.node.register("to").unwrap());
    a.node.outbox(to).unwrap().send(("nobody", "b@host"), |t| t.binary(&[7; 2000])).unwrap();
    let list = format!("[{}1]", "1,".repeat(200));
    say(&mut b, from, "rex", &format!("{{P,{{call,m,f,[{list},{list}],l}}}}"));
    let (lines, _) = logged(|| wire.back(&mut a, &mut b));
    assert!(!lines.iter().any(|line| line.contains("could not be told")), "{lines:?}");
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (message, _) = b.node.recv(from).unwrap();
    assert_eq!(message.term().to_string(), "{rex,{badrpc,{'EXIT',{undef,[{m,f,2,[]}]}}}}");
}

/// However the function was called, and whatever it came to.
#[test]
fn rex_tells_how_a_function_ended() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (b.node.register("from").unwrap(), a.node.register("to").unwrap());
    a.node.serve(to, ["m:f/1"]).unwrap();
    for (exception, expected) in [
        (Exception::Exit, "{rex,{badrpc,{'EXIT',why}}}"),
        (Exception::Error, "{rex,{badrpc,{'EXIT',{why,[]}}}}"),
        (Exception::Throw, "{rex,why}"),
    ] {
        say(&mut b, from, "rex", "{P,{call,m,f,[1],l}}");
        wire.settle(&mut a, &mut b, || usize::MAX);
        let (message, mut out) = a.node.recv(to).unwrap();
        let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
        assert!(apply.caller.waits());
        out.raise(&apply, exception, |t| t.atom("why")).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        assert_eq!(b.node.recv(from).unwrap().0.term().to_string(), expected);
    }
    say(&mut b, from, "rex", "{'$gen_cast',{cast,m,f,[1],l}}");
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (message, _) = a.node.recv(to).unwrap();
    let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
    assert!(!apply.caller.waits() && message.as_cast().is_none());
}

/// In the two forms in which `rex` takes them.
#[test]
fn a_function_is_served_however_it_is_called() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (b.node.register("from").unwrap(), a.node.register("to").unwrap());
    a.node.serve(to, ["m:f/1"]).unwrap();
    for (text, expected) in [("{'$gen_call',{P,1},{call,m,f,[1],l}}", "{1,done}"), ("{P,{call,m,f,[1],l}}", "{rex,done}")] {
        say(&mut b, from, "rex", text);
        wire.settle(&mut a, &mut b, || usize::MAX);
        let (message, mut out) = a.node.recv(to).unwrap();
        let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
        assert_eq!(out.peer(&message).unwrap().as_str(), "b@host");
        assert!(format!("{out:?}").starts_with("Outbox { mailbox: "));
        assert_eq!((apply.args.to_string(), apply.function.to_string()), ("[1]".to_owned(), "f".to_owned()));
        out.reply(&apply, |t| t.atom("done")).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        assert_eq!(b.node.recv(from).unwrap().0.term().to_string(), expected);
    }
}

/// Nobody waits for it, and nobody is to be told: unless it is for a node of this name that ran before, of which this one knows nothing.
#[test]
fn a_late_answer_to_an_alias_is_no_message() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (b.node.register("from").unwrap(), a.node.register("to").unwrap());
    let request = b.node.outbox(from).unwrap().call(("to", "a@host"), None, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let caller = a.node.recv(to).unwrap().0.as_call().unwrap().caller().keep().unwrap();
    b.node.outbox(from).unwrap().abandon(request).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    a.node.outbox(to).unwrap().reply(&caller, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(b.node.recv(from).is_none());
    assert_eq!((a.texts(), b.texts()), (vec![], vec![]));

    a.node.handle_closed(wire.a, None);
    a.news();
    let config = Config::hidden("b@host", "secret").unwrap().creation(78);
    let mut b = End { node: Node::new(config, &mut third), events: Vec::new() };
    let mut wire = connect(&mut a, &mut b);
    a.node.outbox(to).unwrap().reply(&caller, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(b.texts(), ["message to an alias from a@host dropped: no such mailbox"]);
}

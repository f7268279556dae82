//! System messages: answered in place of a mailbox, or by the program behind it.

use beamless::{Mailbox, OwnedPid, Term, TermWriter, Written};

use crate::pair::{End, Wire, connected, send, storage};

/// Writes `{system, {Pid, Tag}, get_state}`, and keeps count in the tag.
fn asks<'t, 'b>(t: &'t mut TermWriter<'b>, from: &OwnedPid, tag: i64) -> Written<'t, 'b> {
    t.tuple(3)?.atom("system")?.tuple(2)?.pid(from.as_pid())?.int(tag)?.atom("get_state")
}

fn ask(a: &mut End<'_>, mailbox: Mailbox, to: &str, tag: i64) {
    let from = a.node.pid(mailbox).unwrap();
    a.node.outbox(mailbox).unwrap().send((to, "b@host"), |t| asks(t, &from, tag)).unwrap();
}

/// What came, as text.
fn texts(end: &mut End<'_>, mailbox: Mailbox) -> Vec<String> {
    std::iter::from_fn(|| end.node.recv(mailbox).map(|(message, _)| message.term().to_string())).collect()
}

fn settle(wire: &mut Wire, a: &mut End<'_>, b: &mut End<'_>) {
    wire.settle(a, b, || usize::MAX);
}

/// Also among other messages of the same process, most of which are taken without a look at what they say.
#[test]
fn the_node_answers_in_place_of_a_mailbox() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    for i in 0..5 {
        send(&mut a, from, "to", "b@host", i).unwrap();
        ask(&mut a, from, "to", i);
    }
    for name in ["net_kernel", "rex"] {
        ask(&mut a, from, name, 7);
    }
    settle(&mut wire, &mut a, &mut b);
    assert_eq!(texts(&mut b, to), ["0", "1", "2", "3", "4"]);
    let refused = |tag: i64| format!("{{{tag},{{error,not_supported}}}}");
    assert_eq!(texts(&mut a, from), [0, 1, 2, 3, 4, 7, 7].map(refused));
    assert!(b.texts().is_empty() && b.node.received(to) == 5);
    // nobody is there of this name, which a caller's monitor tells
    ask(&mut a, from, "nobody", 8);
    settle(&mut wire, &mut a, &mut b);
    assert_eq!(texts(&mut a, from), [""; 0]);
    assert_eq!(b.texts(), ["message to nobody from a@host dropped: no such mailbox"]);
}

/// What only looks like one is a message like others, as is one whose answer would go to a third node.
#[test]
fn what_cannot_be_answered_comes_in() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let third = [&[131, 88, 119, 6][..], b"c@host", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5]].concat();
    let third = OwnedPid::new(Term::parse(&third).unwrap().as_pid().unwrap()).unwrap();
    let mut out = a.node.outbox(from).unwrap();
    out.send(("to", "b@host"), |t| asks(t, &third, 1)).unwrap();
    out.send(("to", "b@host"), |t| t.tuple(3)?.atom("system")?.tuple(2)?.int(1)?.int(2)?.nil()).unwrap();
    out.send(("to", "b@host"), |t| t.tuple(3)?.atom("system")?.int(1)?.nil()).unwrap();
    settle(&mut wire, &mut a, &mut b);
    let came = texts(&mut b, to);
    assert!(came[0].starts_with("{system,{") && came[0].ends_with(",1},get_state}"), "{came:?}");
    assert_eq!(came[1..], ["{system,{1,2},[]}", "{system,1,[]}"]);
    assert_eq!(texts(&mut a, from), [""; 0]);
}

#[test]
fn a_program_may_answer_for_itself() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.take_system(to, true).unwrap();
    for i in 0..3 {
        ask(&mut a, from, "to", i);
    }
    settle(&mut wire, &mut a, &mut b);
    let mut asked = 0;
    while let Some((message, mut out)) = b.node.recv(to) {
        assert!(message.as_call().is_none() && message.as_cast().is_none());
        let call = message.as_system().unwrap();
        assert!(call.request.is_atom("get_state"));
        out.reply(&call, |t| t.tuple(2)?.atom("ok")?.atom("cold")).unwrap();
        asked += 1;
    }
    settle(&mut wire, &mut a, &mut b);
    assert_eq!((asked, texts(&mut a, from)), (3, [0, 1, 2].map(|tag| format!("{{{tag},{{ok,cold}}}}")).to_vec()));
    // and leave it to the node again
    b.node.take_system(to, false).unwrap();
    ask(&mut a, from, "to", 4);
    settle(&mut wire, &mut a, &mut b);
    assert_eq!(texts(&mut b, to), [""; 0]);
    assert_eq!(texts(&mut a, from), ["{4,{error,not_supported}}"]);
}

/// Of 640 bytes, and of one more.
#[test]
fn what_has_too_long_a_tag_comes_in() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let own = a.node.pid(from).unwrap();
    // a binary has five bytes in front
    for (len, is_answered) in [(635, true), (636, false)] {
        let mut out = a.node.outbox(from).unwrap();
        let tag = vec![7; len];
        out.send(("to", "b@host"), |t| t.tuple(3)?.atom("system")?.tuple(2)?.pid(own.as_pid())?.binary(&tag)?.atom("get_state"))
            .unwrap();
        settle(&mut wire, &mut a, &mut b);
        assert_eq!((texts(&mut a, from).len(), texts(&mut b, to).len()), (is_answered.into(), (!is_answered).into()), "{len}");
    }
}

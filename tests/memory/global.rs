//! Global names, of which a peer's `global` is asked: what is asked next after each answer.

use beamless::{Mailbox, OwnedPid, Received, Term, TermWriter, Written};

use crate::groups::{bytes, memory};
use crate::pair::{End, Wire, at, connected, dial, storage};

/// What `global` answers: an atom, a process of the node that asks, or one of another.
#[derive(Clone, Copy)]
enum Answer {
    Atom(&'static str),
    Own,
    Earlier,
    Others,
}
use Answer::{Atom, Earlier, Others, Own};

/// A node that has the name `n`, and one that plays `global`.
struct Both<'s> {
    a: End<'s>,
    b: End<'s>,
    wire: Wire,
    own: OwnedPid,
    global: Mailbox,
}

impl Both<'_> {
    /// The function that is asked for, once it was answered; empty if nothing is asked.
    fn next(&mut self, answer: Answer) -> String {
        next(&mut self.a, &mut self.b, &mut self.wire, self.global, &self.own, answer)
    }

    /// What is asked, one after the other, if each is answered so; nothing is asked after the last.
    fn asked(&mut self, answers: &[Answer]) -> Vec<String> {
        let asked = answers.iter().map(|answer| self.next(*answer)).collect();
        assert_eq!(self.next(Atom("x")), "");
        asked
    }

    /// The name can be another mailbox's here, and is asked about for it.
    fn name_is_free(&mut self) {
        let second = self.a.node.register("").unwrap();
        self.a.node.register_global(second, "n").unwrap();
        assert_eq!(self.next(Others), "whereis_name");
    }
}

fn next(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, global: Mailbox, own: &OwnedPid, answer: Answer) -> String {
    let own = own.as_pid();
    let others = bytes("O");
    let write = |t: &mut TermWriter<'_>| -> Result<(), beamless::Misuse> {
        match answer {
            Atom(text) => t.atom(text),
            Own => t.pid(own),
            Earlier => t.pid(beamless::Pid { serial: 99, ..own }),
            Others => t.term(Term::parse(&others).unwrap()),
        }
        .map(drop)
    };
    wire.settle(a, b, || usize::MAX);
    let Some((message, mut out)) = b.node.recv(global) else { return String::new() };
    let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
    let asked = apply.function.to_string();
    out.reply(&apply, |t| written(t, write)).unwrap();
    wire.settle(a, b, || usize::MAX);
    asked
}

/// A mailbox that answers for `global`.
fn serve(b: &mut End<'_>) -> Mailbox {
    let global = b.node.register("").unwrap();
    let functions = ["whereis_name/1", "register_name/2", "re_register_name/2", "unregister_name/1", "send/2"];
    b.node.serve(global, functions.map(|function| format!("global:{function}")).iter().map(String::as_str)).unwrap();
    global
}

fn written<'t, 'b>(
    t: &'t mut TermWriter<'b>,
    write: impl FnOnce(&mut TermWriter<'b>) -> Result<(), beamless::Misuse>,
) -> Written<'t, 'b> {
    write(t)?;
    Ok(t)
}

fn with_name(test: impl FnOnce(&mut Both<'_>)) {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, wire) = connected(&mut one, &mut other);
    a.node.set_groups(&mut left).unwrap();
    let (mailbox, global) = (a.node.register("").unwrap(), serve(&mut b));
    a.node.register_global(mailbox, "n").unwrap();
    let own = a.node.pid(mailbox).unwrap();
    test(&mut Both { a, b, wire, own, global });
}

#[test]
fn each_answer_has_its_next_question() {
    let (whereis, register, again) = ("whereis_name", "register_name", "re_register_name");
    let has = "global name n registered by b@host";
    let taken = "global name n is another process's, says b@host: given up here";
    for (answers, asked, events) in [
        (&[Atom("undefined"), Atom("yes")][..], &[whereis, register][..], &[has][..]),
        (&[Atom("undefined"), Atom("x")], &[whereis, register], &[]),
        (&[Atom("x")], &[whereis], &[]),
        (&[Own], &[whereis], &[]),
        (&[Earlier, Atom("yes")], &[whereis, again], &[has]),
        (&[Earlier, Atom("no"), Others], &[whereis, again, whereis], &[taken]),
        (&[Others], &[whereis], &[taken]),
        (&[Atom("undefined"), Atom("no"), Others], &[whereis, register, whereis], &[taken]),
        (&[Atom("undefined"), Atom("no"), Own], &[whereis, register, whereis], &[]),
        (&[Atom("undefined"), Atom("no"), Earlier, Atom("yes")], &[whereis, register, whereis, again], &[has]),
        (&[Atom("undefined"), Atom("no"), Atom("undefined")], &[whereis, register, whereis], &[]),
    ] {
        with_name(|both| {
            assert_eq!(both.asked(answers), asked);
            assert_eq!(both.a.texts(), events, "{asked:?}");
            // what is another's is wanted no more, and so may be somebody's here
            let second = both.a.node.register("").unwrap();
            assert_eq!(both.a.node.register_global(second, "n").is_ok(), events == [taken]);
        });
    }
}

#[test]
fn what_is_not_answered_is_asked_again() {
    with_name(|both| {
        both.wire.settle(&mut both.a, &mut both.b, || usize::MAX);
        assert!(both.b.node.recv(both.global).is_some());
        both.a.node.handle_timeout(at(1));
        both.a.node.handle_timeout(at(30));
        assert_eq!(both.asked(&[]), [""; 0]);
        both.a.node.handle_timeout(at(31));
        assert_eq!(
            both.asked(&[Atom("undefined"), Atom("no"), Atom("undefined")]),
            ["whereis_name", "register_name", "whereis_name"]
        );
        // it is nobody's, and yet was refused
        both.a.node.handle_timeout(at(40));
        both.a.node.handle_timeout(at(69));
        assert_eq!(both.asked(&[]), [""; 0]);
        both.a.node.handle_timeout(at(70));
        assert_eq!(both.asked(&[Own]), ["whereis_name"]);
        both.a.node.handle_timeout(at(200));
        assert_eq!(both.asked(&[]), [""; 0]);
    });
}

/// However often time is looked at, as for a scope that is not there.
#[test]
fn who_was_asked_has_half_a_minute() {
    with_name(|both| {
        let second = both.a.node.register("").unwrap();
        both.a.node.join(second, "sc", |t| t.atom("x")).unwrap();
        both.wire.settle(&mut both.a, &mut both.b, || usize::MAX);
        assert!(both.b.node.recv(both.global).is_some());
        for second in 1..31 {
            both.a.node.handle_timeout(at(second));
            assert_eq!(both.next(Own), "", "{second}");
        }
        both.a.node.handle_timeout(at(31));
        assert_eq!(both.next(Own), "whereis_name");
    });
}

/// A name that two nodes forget at once might be another's when the second does: the second is asked once the first has answered.
#[test]
fn a_name_is_given_up_at_one_node_after_the_other() {
    let (mut one, mut other, mut third, mut left) = (storage(), storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut c = End::hidden("c@host", &mut third);
    c.node.connect("a@host").unwrap();
    let mut visit = dial(&mut c, &mut a, at(0)).unwrap();
    visit.settle(&mut c, &mut a, || usize::MAX);
    let mut back = Wire { a: visit.b, b: visit.a };
    a.node.set_groups(&mut left).unwrap();
    let (here, there) = (serve(&mut b), serve(&mut c));
    let mailbox = a.node.register("").unwrap();
    let own = a.node.pid(mailbox).unwrap();
    a.node.register_global(mailbox, "n").unwrap();
    assert_eq!(next(&mut a, &mut b, &mut wire, here, &own, Own), "whereis_name");
    assert_eq!(next(&mut a, &mut c, &mut back, there, &own, Own), "whereis_name");
    a.node.unregister_global("n").unwrap();
    for asked in ["whereis_name", "unregister_name"] {
        assert_eq!(next(&mut a, &mut c, &mut back, there, &own, Own), "");
        assert_eq!(next(&mut a, &mut b, &mut wire, here, &own, Own), asked);
    }
    for asked in ["whereis_name", "unregister_name"] {
        assert_eq!(next(&mut a, &mut c, &mut back, there, &own, Own), asked);
    }
    assert_eq!(next(&mut a, &mut b, &mut wire, here, &own, Own), "");
}

/// Whoever has it from this node is told; somebody else's it leaves alone.
#[test]
fn what_is_given_up_is_unregistered() {
    for (answer, told) in [(Own, true), (Earlier, false), (Others, false), (Atom("undefined"), false), (Atom("x"), false)] {
        for is_registering in [false, true] {
            with_name(|both| {
                if is_registering {
                    assert_eq!(both.next(Atom("undefined")), "whereis_name");
                    both.a.node.unregister_global("n").unwrap();
                    // it is answered all the same
                    assert_eq!(both.next(Atom("yes")), "register_name");
                } else {
                    assert_eq!(both.asked(&[Own]), ["whereis_name"]);
                    both.a.node.unregister_global("n").unwrap();
                }
                let asked = if told { &["whereis_name", "unregister_name"][..] } else { &["whereis_name"] };
                assert_eq!(both.asked(&[answer, Atom("ok")][..asked.len()]), asked);
                assert_eq!(both.a.texts(), [""; 0]);
                both.name_is_free();
            });
        }
    }
}

#[test]
fn who_does_not_answer_keeps_no_name_that_is_given_up() {
    with_name(|both| {
        assert_eq!(both.asked(&[Own]), ["whereis_name"]);
        both.a.node.unregister_global("n").unwrap();
        both.wire.settle(&mut both.a, &mut both.b, || usize::MAX);
        assert!(both.b.node.recv(both.global).is_some());
        both.a.node.handle_timeout(at(1));
        both.a.node.handle_timeout(at(31));
        assert_eq!(both.asked(&[]), [""; 0]);
        both.name_is_free();
    });
}

/// By its number an answer is told from that to another question: one that comes late is none.
#[test]
fn a_late_answer_is_none() {
    with_name(|both| {
        both.wire.settle(&mut both.a, &mut both.b, || usize::MAX);
        let (message, _) = both.b.node.recv(both.global).unwrap();
        let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
        let late = apply.caller.keep().unwrap();
        both.a.node.handle_timeout(at(1));
        both.a.node.handle_timeout(at(31));
        both.wire.settle(&mut both.a, &mut both.b, || usize::MAX);
        both.b.node.outbox(both.global).unwrap().reply(&late, |t| t.atom("undefined")).unwrap();
        both.wire.settle(&mut both.a, &mut both.b, || usize::MAX);
        assert_eq!(both.asked(&[Own]), ["whereis_name"]);
    });
}

#[test]
fn a_message_to_a_global_name_is_sent_by_the_other_node() {
    with_name(|both| {
        assert_eq!(both.asked(&[Own]), ["whereis_name"]);
        let second = both.a.node.register("").unwrap();
        both.a.node.outbox(second).unwrap().send_global("b@host", "other", |t| t.int(5)).unwrap();
        both.wire.settle(&mut both.a, &mut both.b, || usize::MAX);
        let (message, _) = both.b.node.recv(both.global).unwrap();
        let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
        assert_eq!((apply.function.to_string(), apply.args.to_string()), ("send".to_owned(), "[other,5]".to_owned()));
    });
}

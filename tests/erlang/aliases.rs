//! Aliases in both directions, and answers that come late: what reaches nobody any more is dropped, without a word to anybody.
//!
//! OTP 23 knows no aliases: it sends none, and its callers get what is late as a message.

use beamless::{Address, Error, Event, Mailbox, Misuse, OwnedCaller, OwnedPid, OwnedReference, Received};

use crate::inside::{Inside, storage};
use crate::support::{Erl, World, otp};

const QUEUE: &str = "process_info(self(), messages)";

impl Inside<'_> {
    /// What waits in a mailbox, as text.
    fn texts(&mut self, mailbox: Mailbox) -> Vec<String> {
        let mut all = Vec::new();
        while let Some((message, _)) = self.node.recv(mailbox) {
            all.push(message.term().to_string());
        }
        all
    }

    /// Whatever was sent before has come: an answer that went the same way is here.
    fn sync(&mut self, erl: &Erl) {
        assert_eq!(self.eval(erl, "net_adm:ping('in@127.0.0.1')"), "pong");
    }

    fn has_dropped(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Dropped { .. }))
    }

    /// The next call, kept.
    fn keep(&mut self, mailbox: Mailbox) -> OwnedCaller {
        self.receive(mailbox, |message, _| match message.received() {
            Received::Call(call) => call.caller().keep().unwrap(),
            other => panic!("{other:?}"),
        })
    }

    fn reply(&mut self, mailbox: Mailbox, caller: &OwnedCaller, answer: &str) {
        self.node.outbox(mailbox).unwrap().reply(caller, |t| t.atom(answer)).unwrap();
    }

    /// Gives Erlang the reference as the variable `name`.
    fn give(&mut self, erl: &Erl, clerk: Mailbox, alias: &OwnedReference, name: &str) {
        let asked = erl.ask(&format!("{name} = gen_server:call({{clerk, N}}, reference, 60000), ok"));
        self.receive(clerk, |message, mut out| {
            let call = message.as_call().unwrap();
            out.reply(&call, |t| t.reference(alias.as_reference())).unwrap();
        });
        assert_eq!(self.answer(erl, asked), "ok");
    }
}

/// A node with a mailbox `clerk`, and an Erlang in which `N` is its name.
macro_rules! clerk {
    ($inside:ident, $erl:ident, $clerk:ident) => {
        let world = World::new();
        let mut storage = storage();
        let mut $inside = world.inside(world.config("in"), &mut storage);
        let $erl = $inside.erl(&world, "a");
        let $clerk = $inside.node.register("clerk").unwrap();
        $erl.eval("N = 'in@127.0.0.1'");
    };
}

#[test]
fn our_alias_is_sent_to_until_it_ends() {
    clerk!(inside, erl, clerk);
    let other = inside.node.register("other").unwrap();
    let (first, second, third) =
        (inside.node.alias(clerk).unwrap(), inside.node.alias(clerk).unwrap(), inside.node.alias(other).unwrap());
    inside.give(&erl, clerk, &first, "A");
    inside.give(&erl, clerk, &second, "B");
    inside.give(&erl, clerk, &third, "C");
    assert_eq!(inside.node.in_use().requests, 3);
    if otp() < 24 {
        assert_eq!(inside.eval(&erl, "element(1, catch (A ! one))"), "'EXIT'");
        return;
    }
    inside.eval(&erl, "A ! one, B ! two, C ! three, A ! four");
    inside.sync(&erl);
    assert_eq!(
        (inside.texts(clerk), inside.texts(other)),
        (vec!["one".into(), "two".into(), "four".into()], vec!["three".into()])
    );
    // the sender stands in the message, as with any other
    inside.eval(&erl, "A ! who");
    inside.receive(clerk, |message, mut out| out.send(message.sender().unwrap(), |t| t.atom("you")).unwrap());
    assert_eq!(inside.eval(&erl, "receive you -> ok after 60000 -> nothing end"), "ok");
    if otp() >= 28 {
        inside.eval(&erl, "erlang:send(A, urgent, [priority]), erlang:send(C, {urgent, <<1>>}, [priority])");
        inside.sync(&erl);
        assert_eq!((inside.texts(clerk), inside.texts(other)), (vec!["urgent".into()], vec!["{urgent,<<1>>}".into()]));
        inside.node.trap_exit(other, true).unwrap();
        inside.eval(&erl, "exit(C, enough, [priority])");
        inside.receive(other, |message, _| {
            assert!(matches!(message.received(), Received::Exit { reason, .. } if reason.is_atom("enough")), "{message:?}");
        });
    }
    // one that has just been written to, so that its address is known
    inside.eval(&erl, "A ! before");
    inside.sync(&erl);
    assert!(inside.node.unalias(&first) && !inside.node.unalias(&first));
    inside.eval(&erl, "A ! after_its_end, A ! again, B ! still");
    inside.sync(&erl);
    assert_eq!(inside.texts(clerk), ["before", "still"]);
    inside.node.close_mailbox(other, |t| t.atom("normal")).unwrap();
    inside.eval(&erl, "C ! after_its_mailbox");
    inside.sync(&erl);
    assert_eq!(inside.node.in_use().requests, 1);
    assert!(!inside.has_dropped(), "{:?}", inside.events);
}

/// The answer is taken wherever it goes, and once.
#[test]
fn a_server_may_answer_to_our_alias_or_to_our_pid() {
    clerk!(inside, erl, clerk);
    inside.eval(
        &erl,
        "Hand = spawn(fun() -> register(hand, self()), (fun Loop() -> receive {'$gen_call', {Pid, Tag} = From, How} -> \
            case How of \
                reply -> gen_server:reply(From, reply); \
                pid -> Pid ! {Tag, pid}; \
                both -> gen_server:reply(From, both), Pid ! {Tag, second}; \
                twice -> Pid ! {Tag, twice}, gen_server:reply(From, second); \
                alias -> [alias | Alias] = Tag, Alias ! {Tag, alias} \
            end, Loop(); {From, sync} -> From ! synced, Loop() end end)() end), ok",
    );
    inside.eval_until(&erl, "whereis(hand) =:= Hand", "true");
    let ways: &[&str] = if otp() < 24 { &["reply", "pid", "both", "twice"] } else { &["reply", "pid", "both", "twice", "alias"] };
    for way in ways {
        // a message of the same process just before, so that its address is known
        let request = inside.node.outbox(clerk).unwrap().call(("hand", erl.node.as_str()), None, |t| t.atom(way)).unwrap();
        inside.receive(clerk, |message, _| {
            let Received::Answer { request: answered, result: Ok(value) } = message.received() else { panic!("{message:?}") };
            assert_eq!((answered, value.to_string()), (request, (*way).to_owned()));
        });
        let mut out = inside.node.outbox(clerk).unwrap();
        let own = OwnedPid::new(out.pid()).unwrap();
        out.send(("hand", erl.node.as_str()), |t| {
            t.tuple(2)?;
            t.pid(own.as_pid())?;
            t.atom("sync")
        })
        .unwrap();
        inside.receive(clerk, |message, _| assert_eq!(message.term().to_string(), "synced"));
    }
    assert!(inside.texts(clerk).is_empty() && !inside.has_dropped() && inside.node.in_use().requests == 0);
}

#[test]
fn an_alias_of_theirs_is_sent_to_until_it_ends() {
    clerk!(inside, erl, clerk);
    let make = if otp() < 24 { "make_ref()" } else { "alias()" };
    let asked = erl.ask(&format!("A = {make}, gen_server:call({{clerk, N}}, {{alias, A}}, 60000)"));
    let alias = inside.receive(clerk, |message, mut out| {
        let call = message.as_call().unwrap();
        let [_, alias] = call.request.tuple().unwrap();
        let alias = alias.as_reference().unwrap();
        let sent = out.send(alias, |t| t.atom("hello"));
        match sent {
            Err(Error::Misuse(Misuse::NotAnAlias)) => assert!(otp() < 24),
            other => other.unwrap(),
        }
        out.reply(&call, |t| t.atom("sent")).unwrap();
        OwnedReference::new(alias).unwrap()
    });
    assert_eq!(inside.answer(&erl, asked), "sent");
    if otp() < 24 {
        return;
    }
    assert_eq!(inside.eval(&erl, "receive hello -> ok after 0 -> nothing end"), "ok");
    let send = |inside: &mut Inside<'_>, text: &str| {
        inside.node.outbox(clerk).unwrap().send(Address::from(&alias), |t| t.atom(text)).unwrap();
    };
    send(&mut inside, "again");
    assert_eq!(inside.eval(&erl, "receive again -> ok after 60000 -> nothing end"), "ok");
    assert_eq!(inside.eval(&erl, "unalias(A)"), "true");
    send(&mut inside, "late");
    inside.sync(&erl);
    assert_eq!(inside.eval(&erl, QUEUE), "{messages,[]}");
    // a monitor or a call is no alias's
    let told = inside.node.outbox(clerk).unwrap().monitor(&alias).unwrap_err();
    assert!(matches!(told, Error::Misuse(Misuse::NotAProcess)), "{told}");
    if otp() >= 28 {
        let asked = erl.ask("P = alias([priority]), gen_server:call({clerk, N}, P, 60000)");
        inside.receive(clerk, |message, mut out| {
            let call = message.as_call().unwrap();
            out.send(call.request.as_reference().unwrap(), |t| t.atom("ordinary")).unwrap();
            out.reply(&call, |t| t.atom("sent")).unwrap();
        });
        assert_eq!(inside.answer(&erl, asked), "sent");
        assert_eq!(inside.eval(&erl, "receive ordinary -> ok after 0 -> nothing end"), "ok");
    }
}

#[test]
fn an_answer_given_later_finds_its_caller() {
    clerk!(inside, erl, clerk);
    let mut calls = vec![
        ("gen_server:call({clerk, N}, one, 5000)", "later"),
        ("gen_server:call({clerk, N}, one, infinity)", "later"),
        ("gen_server:multi_call([N], clerk, one, 5000)", "{[{'in@127.0.0.1',later}],[]}"),
        ("gen_server:multi_call([N], clerk, one)", "{[{'in@127.0.0.1',later}],[]}"),
        ("gen_server:wait_response(gen_server:send_request({clerk, N}, one), 5000)", "{reply,later}"),
        ("T = make_ref(), {clerk, N} ! {'$gen_call', {self(), T}, one}, receive {T, V} -> V after 60000 -> nothing end", "later"),
        ("gen_statem:call({clerk, N}, one)", "later"),
    ];
    if otp() >= 24 {
        calls.push(("gen_server:receive_response(gen_server:send_request({clerk, N}, one), 5000)", "{reply,later}"));
    }
    if otp() >= 25 {
        let collected = "(fun() -> C = gen_server:send_request({clerk, N}, one, label, gen_server:reqids_new()), \
            {R, label, _} = gen_server:receive_response(C, 5000, true), R end)()";
        calls.push((collected, "{reply,later}"));
    }
    for (source, want) in calls {
        let asked = erl.ask(&format!("(fun() -> {source} end)()"));
        let caller = inside.keep(clerk);
        // other messages come and go meanwhile, from the same node and over the same connection
        let others = "[spawn(fun() -> {clerk, N} ! {other, I} end) || I <- lists:seq(1, 20)]";
        let between = inside.node.outbox(clerk).unwrap().rpc(&erl.node, "lists", "seq", None, |t| {
            t.list(2)?;
            t.int(1)?;
            t.int(3)?;
            t.nil()
        });
        let between = between.unwrap();
        let mut seen = 0;
        inside.until("an answer of another kind", |inside| {
            while let Some((message, _)) = inside.node.recv(clerk) {
                seen +=
                    i32::from(matches!(message.received(), Received::Answer { request, result: Ok(_) } if request == between));
            }
            (seen == 1).then_some(())
        });
        inside.reply(clerk, &caller, "later");
        assert_eq!(inside.answer(&erl, asked), want, "{source}");
        inside.eval(&erl, others);
        inside.sync(&erl);
        inside.texts(clerk);
    }
    assert_eq!(inside.eval(&erl, QUEUE), "{messages,[]}");
    // every call of gen_server's monitors
    inside.until("monitors to be taken back", |inside| (inside.node.in_use().watches == 0).then_some(()));
}

#[test]
fn an_answer_after_its_time_reaches_nobody() {
    clerk!(inside, erl, clerk);
    // Erlang forgets to tell of a monitor that it takes back while the connection is still being made
    assert_eq!(inside.eval(&erl, "net_adm:ping(N)"), "pong");
    // it is killed once it waits for its answer
    let killed = "(fun() -> P = spawn(fun() -> gen_server:call({clerk, N}, one, 60000) end), (fun Wait() -> case process_info(P, [status, monitors]) of \
        [{status, waiting}, {monitors, [_]}] -> exit(P, kill); _ -> Wait() end end)() end)()";
    let mut calls =
        vec![("catch gen_server:call({clerk, N}, one, 50)", 1), ("gen_server:multi_call([N], clerk, one, 50)", 0), (killed, 0)];
    if otp() >= 24 {
        calls.push(("gen_server:receive_response(gen_server:send_request({clerk, N}, one), 50)", 0));
    }
    let mut messages = 0;
    for (source, of_old) in calls {
        let asked = erl.ask(source);
        let caller = inside.keep(clerk);
        inside.answer(&erl, asked);
        inside.until("the monitor to be taken back", |inside| (inside.node.in_use().watches == 0).then_some(()));
        inside.reply(clerk, &caller, "late");
        inside.reply(clerk, &caller, "and_twice");
        inside.sync(&erl);
        // OTP 23 has no aliases, so what is late comes to the caller
        messages += if otp() < 24 { 2 * of_old } else { 0 };
        assert_eq!(
            inside.eval(&erl, "process_info(self(), message_queue_len)"),
            format!("{{message_queue_len,{messages}}}"),
            "{source}"
        );
    }
}

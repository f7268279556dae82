//! Calls from here to real Erlang: of functions, and of servers.

use std::time::Duration;

use beamless::{
    Address, Error, Event, Failure, Full, Mailbox, OwnedPid, Received, Request, Term, TermWriter, WriteTermAgain, Written,
};

use crate::inside::{Inside, storage};
use crate::support::{Erl, World};

const LONG: Option<Duration> = Some(Duration::from_secs(20));
const SHORT: Option<Duration> = Some(Duration::from_millis(100));

/// What a call came to, in words of this test's own.
fn told(result: Result<Term<'_>, Failure<'_>>) -> String {
    match result {
        Ok(value) => format!("value {value}"),
        Err(Failure::NoProcess) => "no process".to_owned(),
        Err(Failure::NodeDown) => "node down".to_owned(),
        Err(Failure::Timeout) => "timeout".to_owned(),
        Err(Failure::Ended(reason)) => format!("ended {reason}"),
        Err(Failure::Error { reason, stack }) => {
            let first = stack.as_list().and_then(|mut entries| entries.next());
            let function =
                first.and_then(|entry| entry.as_tuple()).map(|entry| entry.take(2).map(|part| part.to_string()).collect());
            format!("error {reason} in {}", function.unwrap_or_else(Vec::new).join(":"))
        }
        Err(Failure::Undefined) => "undefined".to_owned(),
        Err(Failure::Exit(reason)) => format!("exit {reason}"),
        Err(Failure::Throw(value)) => format!("throw {value}"),
        Err(Failure::Refused(why)) => format!("refused {why}"),
        Err(other) => panic!("{other}"),
    }
}

/// An integer, or an atom.
fn word<'t, 'b>(t: &'t mut TermWriter<'b>, text: &str) -> Written<'t, 'b> {
    if let Ok(number) = text.parse() { t.int(number) } else { t.atom(text) }
}

/// Writes Erlang text that has only atoms, small integers and lists of them: `[1, oops]`.
fn args(text: &str) -> impl WriteTermAgain {
    let parts: Vec<String> = text.trim_matches(['[', ']']).split(',').map(|part| part.trim().to_owned()).collect();
    move |t| {
        let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).collect();
        t.list(parts.len())?;
        for part in parts {
            word(t, part)?;
        }
        t.nil()
    }
}

impl Inside<'_> {
    fn ask_rpc(&mut self, mailbox: Mailbox, node: &str, mfa: (&str, &str, &str), timeout: Option<Duration>) -> Request {
        self.node.outbox(mailbox).unwrap().rpc(node, mfa.0, mfa.1, timeout, args(mfa.2)).unwrap()
    }

    fn rpc(&mut self, mailbox: Mailbox, node: &str, mfa: (&str, &str, &str), timeout: Option<Duration>) -> String {
        let request = self.ask_rpc(mailbox, node, mfa, timeout);
        self.wait(request)
    }

    fn wait(&mut self, request: Request) -> String {
        told(self.driver.wait(&mut self.node, request).unwrap())
    }

    /// A call whose request is one atom, or a tuple of such and integers.
    fn ask<'a>(&mut self, mailbox: Mailbox, to: impl Into<Address<'a>>, request: &[&str], timeout: Option<Duration>) -> Request {
        let mut out = self.node.outbox(mailbox).unwrap();
        let asked = out.call(to, timeout, |t| {
            if request.len() > 1 {
                t.tuple(request.len())?;
            }
            for part in request {
                word(t, part)?;
            }
            Ok(t)
        });
        asked.unwrap()
    }

    fn call<'a>(&mut self, mailbox: Mailbox, to: impl Into<Address<'a>>, request: &[&str], timeout: Option<Duration>) -> String {
        let request = self.ask(mailbox, to, request, timeout);
        self.wait(request)
    }

    /// The next answer, by the polled form.
    fn polled(&mut self, mailbox: Mailbox) -> (Request, String) {
        self.receive(mailbox, |message, _| match message.received() {
            Received::Answer { request, result } => (request, told(result)),
            other => panic!("{other:?}"),
        })
    }

    /// Nothing is under way, nothing waits in the mailbox, and nothing was dropped.
    fn is_done(&mut self, mailbox: Mailbox) {
        self.until("requests to end", |inside| (inside.node.in_use().requests == 0).then_some(()));
        assert!(self.node.recv(mailbox).is_none());
        let minor = |event: &Event| matches!(event, Event::Dropped { .. } | Event::TooLarge { .. });
        assert!(!self.events.iter().any(minor), "{:?}", self.events);
    }
}

/// A node with an unnamed mailbox, and an Erlang `b` with the module `desk`, whose server runs.
macro_rules! desk {
    ($world:ident, $inside:ident, $erl:ident, $mailbox:ident) => {
        let $world = World::new();
        let mut storage = storage();
        let mut $inside = $world.inside($world.config("in"), &mut storage);
        #[allow(unused_mut)]
        let mut $erl = $inside.erl(&$world, "b");
        load(&$world, &$erl);
        let $mailbox = $inside.node.register("").unwrap();
    };
}

fn load(world: &World, erl: &Erl) {
    erl.load(world, "desk", include_str!("desk.erl"));
    // what ends badly on purpose is nothing to be logged
    erl.eval("logger:set_primary_config(level, none), Desk = desk:start()");
}

#[test]
pub(crate) fn seven_calls_come_to_seven_different_ends() {
    desk!(world, inside, erl, mailbox);
    let b = erl.node.clone();
    let mut rpc = |node: &str, mfa, timeout| inside.rpc(mailbox, node, mfa, timeout);
    assert_eq!(rpc(&b, ("lists", "seq", "[1, 10]"), LONG), "value [1,2,3,4,5,6,7,8,9,10]");
    assert!(rpc(&b, ("erlang", "error", "[oops]"), LONG).starts_with("error oops in erl"));
    assert_eq!(rpc(&b, ("erlang", "exit", "[bye]"), LONG), "exit bye");
    assert_eq!(rpc(&b, ("erlang", "throw", "[ball]"), LONG), "throw ball");
    assert_eq!(rpc(&b, ("lists", "nosuch", "[1]"), LONG), "undefined");
    assert_eq!(rpc("nosuch@127.0.0.1", ("lists", "seq", "[1, 2]"), LONG), "node down");
    assert_eq!(rpc(&b, ("desk", "wait", "[waiting]"), SHORT), "timeout");
    // whom nobody waits for ends: the monitor is taken back
    erl.eval("waiting ! value");
    inside.until_event("the dial that failed", |event| matches!(event, Event::ConnectFailed { .. }));
    inside.is_done(mailbox);
}

#[test]
fn what_a_function_does_besides_is_told_apart() {
    desk!(world, inside, erl, mailbox);
    let mut rpc = |mfa| inside.rpc(mailbox, &erl.node, mfa, LONG);
    assert_eq!(rpc(("nomodule", "nofunction", "[]")), "undefined");
    assert_eq!(rpc(("lists", "seq", "[1, 2, 3, 4, 5]")), "undefined");
    // the function is there, and what it calls is not
    assert_eq!(rpc(("desk", "fail_inside", "[]")), "error undef in nomodule:nofunction");
    assert_eq!(rpc(("erlang", "atom_to_list", "[1]")), "error badarg in erlang:atom_to_list");
    assert_eq!(rpc(("desk", "no_match", "[x]")), "error {badmatch,x} in desk:no_match");
    assert_eq!(rpc(("desk", "no_match", "[]")), "undefined");
    assert_eq!(rpc(("desk", "end_abruptly", "[]")), "ended killed");
    // values that look like failures of rpc's are values
    assert_eq!(rpc(("erlang", "list_to_tuple", "[1]")), "error badarg in erlang:list_to_tuple");
    let request = inside.node.outbox(mailbox).unwrap().rpc(&erl.node, "erlang", "list_to_tuple", LONG, |t| {
        t.list(1)?;
        t.list(2)?;
        t.atom("badrpc")?;
        t.atom("nodedown")?;
        t.nil()?;
        t.nil()
    });
    assert_eq!(inside.wait(request.unwrap()), "value {badrpc,nodedown}");
    inside.is_done(mailbox);
}

/// Whatever a function prints appears at its node, as if it had been called there, unless it is to come here.
#[test]
fn what_a_function_prints_has_its_place() {
    desk!(world, inside, erl, mailbox);
    assert_eq!(erl.eval("whereis(init)"), "<0.0.0>");
    // before there is a connection, and when there is one
    for _ in 0..2 {
        let before = erl.log.len();
        assert_eq!(inside.rpc(mailbox, &erl.node, ("desk", "print", "[]"), LONG), "value {printed,<0.0.0>}");
        erl.log.wait_from(before, &[&format!("to be seen at '{}'", erl.node)]).unwrap();
        erl.log.wait_from(before, &["and this"]).unwrap();
    }

    let printed = erl.log.len();
    let mut out = inside.node.outbox(mailbox).unwrap();
    let leader = out.pid().to_string();
    let asked = out.rpc_as_group_leader(&erl.node, "desk", "print", LONG, |t| t.nil()).unwrap();
    for what in [
        format!("{{put_chars,unicode,io_lib,format,[\"to be seen at ~p~n\",['{}']]}}", erl.node),
        "{put_chars,unicode,<<\"and this\\n\">>}".to_owned(),
    ] {
        inside.receive(mailbox, |message, mut out| {
            let [request, from, reply_as, asked] = message.term().tuple().unwrap();
            assert!(request.is_atom("io_request"), "{request}");
            assert_eq!(asked.to_string(), what);
            out.send(from.as_pid().unwrap(), |t| t.tuple(3)?.atom("io_reply")?.term(reply_as)?.atom("ok")).unwrap();
        });
    }
    assert_eq!(inside.wait(asked), format!("value {{printed,{leader}}}"));
    assert_eq!(erl.eval("done"), "done");
    assert!(!erl.log.text().lines().skip(printed).any(|line| line.contains("to be seen")), "{}", erl.log.text());
    inside.is_done(mailbox);
}

/// The call ends at once, with what can be told; the value is skipped and reported.
#[test]
fn a_value_may_be_too_large() {
    desk!(world, inside, erl, mailbox);
    assert_eq!(inside.rpc(mailbox, &erl.node, ("desk", "bytes", "[20000]"), None), "refused too_large");
    inside.until_event("the report", |event| matches!(event, Event::TooLarge { size: 20_000.., .. }));
    assert_eq!(inside.call(mailbox, ("desk", erl.node.as_str()), &["bytes", "20000"], None), "refused too_large");
    inside.until_event("the report", |event| matches!(event, Event::TooLarge { size: 20_000.., .. }));
    let mut out = inside.node.outbox(mailbox).unwrap();
    let asked = out.rpc(&erl.node, "erlang", "byte_size", LONG, |t| t.list(1)?.binary(&[7; 16_384])?.nil());
    let told = asked.unwrap_err();
    assert!(matches!(told, Error::Full(Full::Message { .. })), "{told}");
    assert_eq!(inside.rpc(mailbox, &erl.node, ("desk", "bytes", "[0]"), LONG), "value <<>>");
    inside.is_done(mailbox);
}

#[test]
fn a_call_given_up_brings_nothing() {
    desk!(world, inside, erl, mailbox);
    let (kept, given_up) = (
        inside.ask_rpc(mailbox, &erl.node, ("desk", "wait", "[kept]"), None),
        inside.ask_rpc(mailbox, &erl.node, ("desk", "wait", "[given_up]"), None),
    );
    // before it is answered that there is a process, and again
    for _ in 0..2 {
        inside.node.outbox(mailbox).unwrap().abandon(given_up).unwrap();
    }
    let server = inside.ask(mailbox, ("desk", erl.node.as_str()), &["later"], None);
    let both = "(fun Wait() -> case [whereis(kept), whereis(given_up)] of [A, B] when is_pid(A), is_pid(B) -> ok; _ -> Wait() end end)()";
    assert_eq!(inside.eval(&erl, both), "ok");
    inside.node.outbox(mailbox).unwrap().abandon(server).unwrap();
    // what was begun goes on
    assert_eq!(inside.eval(&erl, "given_up ! value, desk:release(late), kept ! value"), "value");
    assert_eq!(inside.polled(mailbox), (kept, "value value".to_owned()));
    inside.is_done(mailbox);
    let told = inside.driver.wait(&mut inside.node, given_up).map(|_| ()).unwrap_err();
    assert!(matches!(told, Error::Misuse(beamless::Misuse::NoRequest)), "{told}");
    // the process that nobody waits for is not monitored any more either
    inside.eval_until(&erl, "process_info(Desk, monitored_by)", "{monitored_by,[]}");
}

#[test]
fn answers_come_in_any_order_from_several_nodes() {
    desk!(world, inside, erl, mailbox);
    let other = inside.erl(&world, "c");
    load(&world, &other);
    let ask = |inside: &mut Inside<'_>, erl: &Erl, name: &str| {
        let wait = format!("[{name}]");
        inside.ask_rpc(mailbox, &erl.node, ("desk", "wait", &wait), LONG)
    };
    let asked = [
        ask(&mut inside, &erl, "one"),
        ask(&mut inside, &other, "two"),
        ask(&mut inside, &erl, "three"),
        ask(&mut inside, &other, "four"),
    ];
    for (erl, names) in [(&erl, "[one, three]"), (&other, "[two, four]")] {
        let there =
            format!("(fun Wait() -> case [N || N <- {names}, whereis(N) =:= undefined] of [] -> ok; _ -> Wait() end end)()");
        assert_eq!(inside.eval(erl, &there), "ok");
    }
    for (erl, name, at) in [(&other, "four", 3), (&erl, "one", 0), (&other, "two", 1), (&erl, "three", 2)] {
        erl.eval(&format!("{name} ! {name}, ok"));
        assert_eq!(inside.polled(mailbox), (asked[at], format!("value {name}")));
    }
    inside.is_done(mailbox);
}

#[test]
fn a_gen_server_answers_now_later_or_not_at_all() {
    desk!(world, inside, erl, mailbox);
    let node = erl.node.clone();
    let desk = ("desk", node.as_str());
    assert_eq!(inside.call(mailbox, desk, &["now", "5"], LONG), "value 5");
    let later = inside.ask(mailbox, desk, &["later"], LONG);
    assert_eq!(inside.call(mailbox, desk, &["waiting"], LONG), "value 1");
    assert_eq!(inside.eval(&erl, "desk:release(at_last)"), "1");
    assert_eq!(inside.polled(mailbox), (later, "value at_last".to_owned()));
    // a cast, which is answered by what it does
    let later = inside.ask(mailbox, desk, &["later"], LONG);
    inside
        .node
        .outbox(mailbox)
        .unwrap()
        .cast(desk, |t| {
            t.tuple(2)?;
            t.atom("release")?;
            t.atom("cast")
        })
        .unwrap();
    assert_eq!(inside.polled(mailbox), (later, "value cast".to_owned()));
    assert_eq!(inside.call(mailbox, ("nosuch", node.as_str()), &["hello"], LONG), "no process");
    // by its pid, as it said it
    let from = inside.node.register("inbox").unwrap();
    erl.eval("{inbox, 'in@127.0.0.1'} ! Desk");
    let pid = inside.receive(from, |message, _| OwnedPid::new(message.term().as_pid().unwrap()).unwrap());
    assert_eq!(inside.call(mailbox, &pid, &["now", "by_pid"], LONG), "value by_pid");
    // a reason is given as it is, and so is an answer in front of it
    let by_name = inside.ask(mailbox, desk, &["later"], None);
    assert_eq!(inside.call(mailbox, &pid, &["end_for", "a_reason"], LONG), "ended a_reason");
    assert_eq!(inside.polled(mailbox), (by_name, "ended a_reason".to_owned()));
    assert_eq!(inside.call(mailbox, &pid, &["now", "too_late"], LONG), "no process");
    assert_eq!(inside.call(mailbox, desk, &["now", "too_late"], LONG), "no process");
    erl.eval("Next = desk:start(), ok");
    assert_eq!(inside.call(mailbox, desk, &["stop", "normal"], LONG), "ended normal");
    erl.eval("Third = desk:start(), ok");
    assert_eq!(inside.call(mailbox, desk, &["stop", "shutdown", "last_words"], LONG), "value last_words");
    inside.is_done(mailbox);
}

#[test]
fn an_answer_after_its_time_is_dropped_without_a_word() {
    desk!(world, inside, erl, mailbox);
    let desk = ("desk", erl.node.as_str());
    for _ in 0..3 {
        assert_eq!(inside.call(mailbox, desk, &["later"], SHORT), "timeout");
    }
    assert_eq!(inside.eval(&erl, "desk:release(too_late)"), "3");
    // this goes the same way behind them
    assert_eq!(inside.call(mailbox, desk, &["now", "done"], LONG), "value done");
    inside.eval_until(&erl, "process_info(Desk, monitored_by)", "{monitored_by,[]}");
    // as nothing is under way, what comes to the pid is looked at as any message
    assert_eq!(inside.call(mailbox, desk, &["later"], SHORT), "timeout");
    assert_eq!(inside.eval(&erl, "desk:release(too_late), net_adm:ping('in@127.0.0.1')"), "pong");
    assert_eq!(inside.rpc(mailbox, &erl.node, ("desk", "wait", "[slow]"), SHORT), "timeout");
    assert_eq!(inside.eval(&erl, "slow ! late, net_adm:ping('in@127.0.0.1')"), "pong");
    inside.is_done(mailbox);
}

#[test]
fn a_node_that_dies_ends_its_calls() {
    desk!(world, inside, erl, mailbox);
    let other = inside.erl(&world, "c");
    load(&world, &other);
    let node = erl.node.clone();
    let calls = [
        inside.ask(mailbox, ("desk", node.as_str()), &["later"], None),
        inside.ask_rpc(mailbox, &node, ("desk", "wait", "[slow]"), None),
    ];
    assert_eq!(inside.call(mailbox, ("desk", node.as_str()), &["waiting"], LONG), "value 1");
    let elsewhere = inside.ask(mailbox, ("desk", other.node.as_str()), &["later"], None);
    assert_eq!(inside.call(mailbox, ("desk", other.node.as_str()), &["waiting"], LONG), "value 1");
    erl.kill();
    let mut ended = [inside.polled(mailbox), inside.polled(mailbox)];
    ended.sort_by_key(|(request, _)| *request == calls[1]);
    assert_eq!(ended, calls.map(|request| (request, "node down".to_owned())));
    inside.until_event("node down", |event| matches!(event, Event::NodeDown { .. }));
    // it is dialled in vain
    assert_eq!(inside.call(mailbox, ("desk", node.as_str()), &["later"], None), "node down");
    assert_eq!(inside.rpc(mailbox, &node, ("desk", "print", "[]"), None), "node down");
    // the others go on
    assert_eq!(inside.eval(&other, "desk:release(alive)"), "1");
    assert_eq!(inside.polled(mailbox), (elsewhere, "value alive".to_owned()));
    inside.is_done(mailbox);
}

#[test]
fn a_gen_statem_is_called_too() {
    desk!(world, inside, erl, mailbox);
    erl.eval("Statem = desk:start_statem(), ok");
    let statem = ("statem", erl.node.as_str());
    assert_eq!(inside.call(mailbox, statem, &["now", "open"], LONG), "value open");
    let later = inside.ask(mailbox, statem, &["later"], LONG);
    inside.node.outbox(mailbox).unwrap().cast(statem, |t| t.atom("release")).unwrap();
    assert_eq!(inside.polled(mailbox), (later, "value released".to_owned()));
    inside.is_done(mailbox);
}

/// A message says whom to call, and what is answered goes to its sender.
#[test]
fn a_call_is_made_from_the_handling_of_a_message() {
    desk!(world, inside, erl, mailbox);
    let clerk = inside.node.register("clerk").unwrap();
    let asked = erl.ask("gen_server:call({clerk, 'in@127.0.0.1'}, desk, 5000)");
    let (caller, request) = inside.receive(clerk, |message, mut out| {
        let Received::Call(call) = message.received() else { panic!("{message:?}") };
        let name = call.request.as_atom().unwrap();
        let request = out.call((name.as_str().unwrap(), erl.node.as_str()), LONG, |t| t.atom("waiting")).unwrap();
        assert_eq!(request.mailbox(), clerk);
        (call.caller().keep().unwrap(), request)
    });
    inside.receive(clerk, |message, mut out| {
        let Received::Answer { request: answered, result: Ok(value) } = message.received() else { panic!("{message:?}") };
        assert_eq!(answered, request);
        out.reply(&caller, |t| t.term(value)).unwrap();
    });
    assert_eq!(inside.answer(&erl, asked), "0");
    inside.is_done(mailbox);
}

#[test]
fn there_are_as_many_calls_as_places() {
    desk!(world, inside, erl, mailbox);
    let desk = ("desk", erl.node.as_str());
    let calls: Vec<_> = (0..32).map(|_| inside.ask(mailbox, desk, &["later"], LONG)).collect();
    let mut out = inside.node.outbox(mailbox).unwrap();
    let full = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Full(Full::Requests))), "{result:?}");
    full(out.call(desk, LONG, |t| t.nil()).map(|_| ()));
    full(out.rpc(desk.1, "erlang", "node", LONG, |t| t.nil()).map(|_| ()));
    full(out.monitor(desk).map(|_| ()));
    full(inside.node.alias(mailbox).map(|_| ()));
    inside.until("them all to wait", |_| (erl.eval("gen_server:call(desk, waiting, 60000)") == "32").then_some(()));
    assert_eq!(inside.eval(&erl, "desk:release(all)"), "32");
    // it answers the last first
    for call in calls.into_iter().rev() {
        assert_eq!(inside.polled(mailbox), (call, "value all".to_owned()));
    }
    inside.is_done(mailbox);
}

#[test]
fn a_thousand_calls_leave_nothing_behind() {
    desk!(world, inside, erl, mailbox);
    for number in 0..1000 {
        let (text, want) = (number.to_string(), format!("value {number}"));
        assert_eq!(inside.call(mailbox, ("desk", erl.node.as_str()), &["now", &text], LONG), want);
    }
    for number in 0..200 {
        assert_eq!(inside.rpc(mailbox, &erl.node, ("erlang", "abs", &format!("[{number}]")), LONG), format!("value {number}"));
    }
    inside.is_done(mailbox);
    inside.eval_until(&erl, "process_info(Desk, monitored_by)", "{monitored_by,[]}");
}

/// What peers before OTP 23 are called by; a BEAM of today is not, but answers.
#[test]
fn a_real_rex_answers_as_it_is_read_to() {
    desk!(world, inside, erl, mailbox);
    let mut rex = |function: &str, given: &str| {
        let mut out = inside.node.outbox(mailbox).unwrap();
        let request = out.call(("rex", erl.node.as_str()), LONG, |t| {
            t.tuple(5)?.atom("call")?.atom("erlang")?.atom(function)?;
            args(given)(t)?.atom("user")
        });
        inside.wait(request.unwrap())
    };
    assert_eq!(rex("abs", "[5]"), "value 5");
    assert_eq!(rex("throw", "[ball]"), "value ball");
    assert_eq!(rex("exit", "[bye]"), "value {badrpc,{'EXIT',bye}}");
    assert!(rex("error", "[oops]").starts_with("value {badrpc,{'EXIT',{oops,[{"));
    assert!(rex("nosuch", "[1]").starts_with("value {badrpc,{'EXIT',{undef,[{erlang,nosuch,[1],[]}"));
}

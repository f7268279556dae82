//! Served functions, called from Erlang in every way there is. What a call gives is compared with what a BEAM gives that has the
//! functions for real: of an exception the stack trace differs, since there is none here, and nothing else does.

use beamless::{Apply, Dropped, Event, Exception, Mailbox, NodeStorage, Outbox, OwnedCaller, Received};

use crate::inside::{Inside, storage};
use crate::support::{Erl, World};

const SERVED: [&str; 4] = ["thermometer:read/0", "thermometer:set/2", "thermometer:fail/2", "thermometer:slow/0"];

/// A node that serves the functions of a thermometer, and who called them.
struct Thermometer<'s> {
    inside: Inside<'s>,
    mailbox: Mailbox,
    /// Callers of `slow/0`, who wait for an answer until a test gives one.
    waiting: Vec<OwnedCaller>,
    /// Calls that nobody waits for.
    casts: Vec<String>,
}

impl<'s> Thermometer<'s> {
    fn new(mut inside: Inside<'s>) -> Self {
        let mailbox = inside.node.register("thermometer").unwrap();
        inside.node.serve(mailbox, SERVED).unwrap();
        Self { inside, mailbox, waiting: Vec::new(), casts: Vec::new() }
    }

    /// Answers what has come.
    fn work(&mut self) {
        while let Some((message, mut out)) = self.inside.node.recv(self.mailbox) {
            let Received::Apply(apply) = message.received() else { continue };
            if !apply.caller.waits() {
                self.casts.push(format!("{}{}", apply.function.as_str().unwrap(), apply.args));
            } else if apply.function == "slow" {
                self.waiting.push(apply.caller.keep().unwrap());
            } else {
                answer(&apply, &mut out);
            }
        }
    }

    /// Moves bytes and answers until `look` has an answer.
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(std::time::Instant::now() < deadline, "waited in vain: {what}; events: {:?}", self.inside.events);
            self.inside.turn();
            self.work();
        }
    }

    /// Evaluates in Erlang, and answers what it asks.
    fn eval(&mut self, erl: &Erl, source: &str) -> String {
        let asked = erl.ask(source);
        self.until(source, |_| erl.has_answered(&asked).then_some(()));
        erl.answer(asked)
    }

    fn until_waiting(&mut self, count: usize) {
        self.until("callers of slow/0", |this| (this.waiting.len() == count).then_some(()));
    }

    fn until_watches(&mut self, count: usize) {
        self.until("the places of callers", |this| (this.inside.node.in_use().watches == count).then_some(()));
    }

    /// Answers everybody who waits, with `late`.
    fn answer_late(&mut self) {
        for caller in std::mem::take(&mut self.waiting) {
            self.inside.node.outbox(self.mailbox).unwrap().reply(&caller, |t| t.atom("late")).unwrap();
        }
    }
}

/// As the module of the same name does.
fn answer(apply: &Apply<'_>, out: &mut Outbox<'_>) {
    let mut args = apply.args.as_list().unwrap();
    match (apply.function.as_str().unwrap(), args.next(), args.next()) {
        ("read", None, _) => out.reply(apply, |t| t.float(21.5)).unwrap(),
        ("set", Some(room), Some(value)) => out
            .reply(apply, |t| {
                t.tuple(2)?;
                t.term(room)?;
                t.term(value)
            })
            .unwrap(),
        ("fail", Some(class), Some(reason)) => {
            let exception = match class.as_atom().unwrap().as_str().unwrap() {
                "error" => Exception::Error,
                "exit" => Exception::Exit,
                _ => Exception::Throw,
            };
            out.raise(apply, exception, |t| t.term(reason)).unwrap();
        }
        other => panic!("{other:?} is not served"),
    }
}

/// What a call gives, `N` being the node: stack traces are not looked at.
const SEEN: &str = "Seen = fun S({exception, R, [_ | _]}) -> {exception, S(R), stack}; S({exception, R, []}) -> {exception, S(R), stack}; \
    S({'EXIT', {R, L}}) when is_list(L) -> {'EXIT', {S(R), stack}}; \
    S(T) when is_tuple(T) -> list_to_tuple([S(E) || E <- tuple_to_list(T)]); S(L) when is_list(L) -> [S(E) || E <- L]; S(E) -> E end, \
    Down = fun() -> receive {'DOWN', _, process, _, R} -> {'EXIT', R} after 60000 -> nothing end end, \
    Exit = fun() -> receive {'EXIT', P, R} when is_pid(P) -> {'EXIT', R} after 60000 -> nothing end end, \
    process_flag(trap_exit, true)";

fn call(source: &str, node: &str) -> String {
    format!("(fun(N) -> Seen(try {source} catch Class:Why -> {{Class, Why}} end) end)('{node}')")
}

/// The thermometer, an Erlang `a` that calls it, and an Erlang `b` that is one.
fn compared(table: &[(&str, &str)]) {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let (erl, beam) = (here.inside.erl(&world, "a"), here.inside.erl(&world, "b"));
    beam.load(&world, "thermometer", include_str!("thermometer.erl"));
    here.eval(&erl, SEEN);
    for (source, want) in table {
        assert_eq!(here.eval(&erl, &call(source, &beam.node)), *want, "of the BEAM: {source}");
        assert_eq!(here.eval(&erl, &call(source, "in@127.0.0.1")), *want, "{source}");
    }
    // whoever gave up has taken back its monitor, and what is answered later goes nowhere
    here.until_watches(0);
    here.answer_late();
    assert_eq!(here.eval(&erl, &call("rpc:call(N, thermometer, read, [])", "in@127.0.0.1")), "21.5");
    assert_eq!(here.eval(&erl, "process_info(self(), messages)"), "{messages,[]}");
}

#[test]
pub(crate) fn every_kind_of_call_gives_the_value() {
    compared(&[
        ("rpc:call(N, thermometer, read, [])", "21.5"),
        ("rpc:call(N, thermometer, set, [kitchen, 19], 5000)", "{kitchen,19}"),
        ("erpc:call(N, thermometer, read, [])", "21.5"),
        ("erpc:call(N, thermometer, set, [\"text\", #{a => [b | c]}], 5000)", "{\"text\",#{a => [b|c]}}"),
        ("rpc:block_call(N, thermometer, read, [])", "21.5"),
        ("rpc:block_call(N, thermometer, set, [kitchen, 19], 5000)", "{kitchen,19}"),
        ("rpc:yield(rpc:async_call(N, thermometer, read, []))", "21.5"),
        ("rpc:nb_yield(rpc:async_call(N, thermometer, read, []), 5000)", "{value,21.5}"),
        ("erpc:receive_response(erpc:send_request(N, thermometer, read, []))", "21.5"),
        ("erpc:wait_response(erpc:send_request(N, thermometer, read, []), 5000)", "{response,21.5}"),
        ("erpc:multicall([N, N], thermometer, read, [])", "[{ok,21.5},{ok,21.5}]"),
        ("erpc:multicall([N], thermometer, set, [a, b], 5000)", "[{ok,{a,b}}]"),
        ("rpc:multicall([N, N], thermometer, read, [])", "{[21.5,21.5],[]}"),
        ("rpc:multicall([N], thermometer, set, [a, b], 5000)", "{[{a,b}],[]}"),
        ("erpc:cast(N, thermometer, read, [])", "ok"),
        ("erpc:multicast([N, N], thermometer, read, [])", "ok"),
        ("rpc:cast(N, thermometer, read, [])", "true"),
        ("rpc:eval_everywhere([N], thermometer, read, [])", "abcast"),
        // as C nodes call, and whatever else has neither spawn requests nor gen_server
        ("{rex, N} ! {self(), {call, thermometer, read, [], user}}, receive {rex, V} -> V end", "21.5"),
        ("gen_server:call({rex, N}, {call, thermometer, read, [], group_leader()}, 60000)", "21.5"),
        ("is_pid(spawn(N, thermometer, read, []))", "true"),
        ("spawn_monitor(N, thermometer, read, []), Down()", "{'EXIT',normal}"),
        ("spawn_link(N, thermometer, read, []), Exit()", "{'EXIT',normal}"),
        ("spawn_opt(N, thermometer, read, [], [link, monitor]), {Exit(), Down()}", "{{'EXIT',normal},{'EXIT',normal}}"),
        ("rpc:call(N, thermometer, slow, [], 50)", "{badrpc,timeout}"),
        ("erpc:call(N, thermometer, slow, [], 50)", "{error,{erpc,timeout}}"),
        ("erpc:multicall([N], thermometer, slow, [], 50)", "[{error,{erpc,timeout}}]"),
        ("erpc:receive_response(erpc:send_request(N, thermometer, slow, []), 50)", "{error,{erpc,timeout}}"),
        ("erpc:call(N, thermometer, read, no_list)", "{error,{erpc,badarg}}"),
    ]);
}

#[test]
fn every_exception_is_what_a_beam_makes_of_it() {
    compared(&[
        ("rpc:call(N, thermometer, fail, [error, oops])", "{badrpc,{'EXIT',{oops,stack}}}"),
        ("rpc:call(N, thermometer, fail, [exit, bye])", "{badrpc,{'EXIT',bye}}"),
        ("rpc:call(N, thermometer, fail, [throw, ball])", "ball"),
        ("rpc:block_call(N, thermometer, fail, [error, oops])", "{badrpc,{'EXIT',{oops,stack}}}"),
        ("rpc:block_call(N, thermometer, fail, [exit, bye])", "{badrpc,{'EXIT',bye}}"),
        ("rpc:block_call(N, thermometer, fail, [throw, ball])", "ball"),
        ("rpc:yield(rpc:async_call(N, thermometer, fail, [error, {oops, 1}]))", "{badrpc,{'EXIT',{{oops,1},stack}}}"),
        ("rpc:multicall([N, N], thermometer, fail, [exit, bye])", "{[{badrpc,{'EXIT',bye}},{badrpc,{'EXIT',bye}}],[]}"),
        ("erpc:call(N, thermometer, fail, [error, oops])", "{error,{exception,oops,stack}}"),
        ("erpc:call(N, thermometer, fail, [exit, bye], 5000)", "{exit,{exception,bye}}"),
        ("erpc:call(N, thermometer, fail, [throw, ball])", "{throw,ball}"),
        ("erpc:multicall([N], thermometer, fail, [error, oops])", "[{error,{exception,oops,stack}}]"),
        ("erpc:multicall([N], thermometer, fail, [exit, bye])", "[{exit,{exception,bye}}]"),
        ("erpc:multicall([N], thermometer, fail, [throw, ball])", "[{throw,ball}]"),
        ("erpc:receive_response(erpc:send_request(N, thermometer, fail, [error, badarg]))", "{error,{exception,badarg,stack}}"),
        (
            "{rex, N} ! {self(), {call, thermometer, fail, [error, oops], user}}, receive {rex, V} -> V end",
            "{badrpc,{'EXIT',{oops,stack}}}",
        ),
        ("{rex, N} ! {self(), {call, thermometer, fail, [exit, bye], user}}, receive {rex, V} -> V end", "{badrpc,{'EXIT',bye}}"),
        ("{rex, N} ! {self(), {call, thermometer, fail, [throw, ball], user}}, receive {rex, V} -> V end", "ball"),
        ("spawn_monitor(N, thermometer, fail, [error, oops]), Down()", "{'EXIT',{oops,stack}}"),
        ("spawn_monitor(N, thermometer, fail, [exit, bye]), Down()", "{'EXIT',bye}"),
        ("spawn_monitor(N, thermometer, fail, [throw, ball]), Down()", "{'EXIT',{{nocatch,ball},stack}}"),
        ("spawn_link(N, thermometer, fail, [error, oops]), Exit()", "{'EXIT',{oops,stack}}"),
        ("spawn_link(N, thermometer, fail, [exit, bye]), Exit()", "{'EXIT',bye}"),
        ("spawn_opt(N, thermometer, fail, [exit, bye], [link, monitor]), {Exit(), Down()}", "{{'EXIT',bye},{'EXIT',bye}}"),
        ("{P, M} = spawn_monitor(N, thermometer, slow, []), exit(P, enough), Down()", "{'EXIT',enough}"),
        ("{P, M} = spawn_monitor(N, thermometer, slow, []), exit(P, kill), Down()", "{'EXIT',killed}"),
        (
            "P = spawn_link(N, thermometer, slow, []), monitor(process, P), exit(P, kill), {Exit(), Down()}",
            "{{'EXIT',killed},{'EXIT',killed}}",
        ),
    ]);
}

/// The first entry of the stack trace is the function that is not there, which people read to see what they mistyped.
#[test]
fn what_is_not_served_is_undefined_as_on_a_beam() {
    let first = "S = fun({badrpc, {'EXIT', {undef, [E | _]}}}) -> E; ({exception, undef, [E | _]}) -> E; ({undef, [E | _]}) -> E; \
        ([{error, {exception, undef, [E | _]}}]) -> E; (Other) -> {other, Other} end, \
        try S(CALL) catch error:Caught -> {caught, S(Caught)} end";
    let mut table = Vec::new();
    for (function, args) in [("nosuch", "[1, \"two\"]"), ("read", "[1]"), ("set", "[]"), ("fail", "[error]")] {
        for (way, caught) in [
            ("rpc:call(N, thermometer, FUN, ARGS)", false),
            ("rpc:call(N, nomodule, FUN, ARGS, 5000)", false),
            ("rpc:block_call(N, thermometer, FUN, ARGS)", false),
            ("erpc:call(N, thermometer, FUN, ARGS)", true),
            ("erpc:multicall([N], thermometer, FUN, ARGS)", false),
            ("begin {rex, N} ! {self(), {call, thermometer, FUN, ARGS, user}}, receive {rex, V} -> V end end", false),
            ("begin spawn_monitor(N, thermometer, FUN, ARGS), {'EXIT', V} = Down(), V end", false),
            ("begin spawn_link(N, thermometer, FUN, ARGS), {'EXIT', V} = Exit(), V end", false),
        ] {
            let module = if way.contains("nomodule") { "nomodule" } else { "thermometer" };
            let entry = format!("{{{module},{function},{},[]}}", args.replace(' ', ""));
            let want = if caught { format!("{{caught,{entry}}}") } else { entry };
            table.push((first.replace("CALL", &way.replace("FUN", function).replace("ARGS", args)), want));
        }
    }
    let table: Vec<_> = table.iter().map(|(source, want)| (source.as_str(), want.as_str())).collect();
    compared(&table);
}

#[test]
fn arguments_that_are_no_proper_list_are_a_badarg() {
    compared(&[
        ("rpc:call(N, thermometer, read, [a | b])", "{badrpc,{'EXIT',{badarg,stack}}}"),
        ("erpc:call(N, thermometer, nosuch, [a | b])", "{error,{exception,badarg,stack}}"),
        (
            "{rex, N} ! {self(), {call, thermometer, read, [a | b], user}}, receive {rex, V} -> V end",
            "{badrpc,{'EXIT',{badarg,stack}}}",
        ),
    ]);
}

#[test]
fn a_spawn_request_is_answered_as_its_options_say() {
    let reply = "receive {T, R, How, P} -> {T, How, is_pid(P)} after 0 -> none end";
    let synced = |options: &str, function: &str| {
        // the call goes the same way behind it, and so does its answer
        format!("R = spawn_request(N, thermometer, {function}, {options}), rpc:call(N, thermometer, read, []), {{{reply}, DOWN, EXIT}}")
            .replace("DOWN", "receive {'DOWN', R, process, _, W} -> W after 0 -> none end")
            .replace("EXIT", "receive {'EXIT', _, X} -> X after 0 -> none end")
    };
    let table = [
        (synced("[]", "read, []"), "{{spawn_reply,ok,true},none,none}"),
        (synced("[monitor]", "read, []"), "{{spawn_reply,ok,true},normal,none}"),
        (synced("[link]", "read, []"), "{{spawn_reply,ok,true},none,normal}"),
        (synced("[link, monitor]", "fail, [exit, bye]"), "{{spawn_reply,ok,true},bye,bye}"),
        (synced("[monitor, {reply_tag, mine}]", "read, []"), "{{mine,ok,true},normal,none}"),
        (synced("[monitor, {reply, no}]", "read, []"), "{none,normal,none}"),
        (synced("[monitor, {reply, error_only}]", "fail, [exit, bye]"), "{none,bye,none}"),
        (synced("[monitor, {reply, success_only}]", "fail, [exit, bye]"), "{{spawn_reply,ok,true},bye,none}"),
    ];
    let table: Vec<_> = table.iter().map(|(source, want)| (source.as_str(), *want)).collect();
    compared(&table);
}

#[test]
fn casts_come_to_the_program_and_take_no_answer() {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let erl = here.inside.erl(&world, "a");
    here.eval(&erl, "N = 'in@127.0.0.1', erpc:cast(N, thermometer, set, [1, a])");
    here.eval(&erl, "rpc:cast(N, thermometer, set, [2, b]), erpc:multicast([N], thermometer, set, [3, c])");
    assert_eq!(here.eval(&erl, "rpc:call(N, thermometer, read, [])"), "21.5");
    // OTP 23 casts through rex, and for every node so do all
    assert_eq!(
        here.eval(&erl, "rpc:eval_everywhere([N], thermometer, set, [4, d]), rpc:block_call(N, thermometer, read, [])"),
        "21.5"
    );
    assert_eq!(here.casts, ["set[1,a]", "set[2,b]", "set[3,c]", "set[4,d]"]);
    assert_eq!(here.inside.node.in_use().watches, 0);
    // to what is not served: nobody is told but the program
    for cast in ["erpc:cast(N, thermometer, nosuch, [1])", "rpc:eval_everywhere([N], thermometer, nosuch, [1])"] {
        here.eval(&erl, cast);
        let event = here.until(cast, |here| here.inside.events.pop().filter(|event| matches!(event, Event::Dropped { .. })));
        assert_eq!(event.to_string(), "message to thermometer:nosuch/1 from a@127.0.0.1 dropped: no such function is served");
    }
}

#[test]
fn a_server_is_called_without_gen_server() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("in"), &mut storage);
    let erl = inside.erl(&world, "a");
    let mailbox = inside.node.register("old").unwrap();
    let asked = erl.ask("rpc:server_call('in@127.0.0.1', old, old_reply, {question, 1})");
    inside.receive(mailbox, |message, mut out| {
        let [from, _question] = message.term().tuple().unwrap();
        out.send(from.as_pid().unwrap(), |t| {
            t.tuple(3)?;
            t.atom("old_reply")?;
            t.atom("in@127.0.0.1")?;
            t.atom("fine")
        })
        .unwrap();
    });
    assert_eq!(inside.answer(&erl, asked), "fine");
    assert_eq!(inside.eval(&erl, "rpc:server_call('in@127.0.0.1', nobody, old_reply, x)"), "{error,nodedown}");
    assert_eq!(inside.eval(&erl, "rpc:abcast(['in@127.0.0.1'], old, {cast, 1})"), "abcast");
    inside.receive(mailbox, |message, _| assert_eq!(message.term().to_string(), "{cast,1}"));
    // the same, and told whether somebody of that name is there
    let told = inside.eval(&erl, "Beam = node(), register(old, self()), {rpc:sbcast(['in@127.0.0.1', Beam], old, hi), rpc:sbcast(['in@127.0.0.1', Beam], nobody, hi)}");
    assert_eq!(told, "{{['in@127.0.0.1','a@127.0.0.1'],[]},{[],['in@127.0.0.1','a@127.0.0.1']}}");
    inside.receive(mailbox, |message, _| assert_eq!(message.term().to_string(), "hi"));
}

/// Two nodes of the library and a BEAM, all visible, so that what asks every node of a cluster asks them too.
#[test]
fn many_nodes_are_called_at_once() {
    let world = World::new();
    let _epmd = world.epmd();
    let (mut one, mut other) = (storage(), storage());
    let config = |name: &str| beamless::Config::visible(&format!("{name}@127.0.0.1"), &world.cookie).unwrap();
    let mut here = Thermometer::new(world.inside(config("one"), &mut one));
    let mut there = Thermometer::new(world.inside(config("two"), &mut other));
    let (erl, beam) = (here.inside.erl(&world, "a"), here.inside.erl(&world, "b"));
    for beam in [&erl, &beam] {
        beam.load(&world, "thermometer", include_str!("thermometer.erl"));
    }
    let mut eval = |source: &str| {
        let asked = erl.ask(source);
        here.until(source, |_| {
            there.inside.turn();
            there.work();
            erl.has_answered(&asked).then_some(())
        });
        erl.answer(asked)
    };
    eval("Nodes = ['one@127.0.0.1', 'b@127.0.0.1', 'two@127.0.0.1']");
    let three = |one: &str| format!("[{one},{one},{one}]");
    assert_eq!(eval("erpc:multicall(Nodes, thermometer, read, [])"), three("{ok,21.5}"));
    assert_eq!(eval("erpc:multicall(Nodes, thermometer, set, [a, b], 5000)"), three("{ok,{a,b}}"));
    assert_eq!(eval("rpc:multicall(Nodes, thermometer, read, [])"), format!("{{{},[]}}", three("21.5")));
    assert_eq!(eval("erpc:multicall(Nodes, thermometer, slow, [], 50)"), three("{error,{erpc,timeout}}"));
    assert_eq!(eval("lists:sort(nodes())"), "['b@127.0.0.1','one@127.0.0.1','two@127.0.0.1']");
    // these go to nodes()
    assert_eq!(eval("rpc:multicall(thermometer, read, [])"), "{[21.5,21.5,21.5,21.5],[]}");
    assert_eq!(eval("rpc:parallel_eval([{thermometer, read, []} || _ <- lists:seq(1, 8)]) =:= lists:duplicate(8, 21.5)"), "true");
    assert_eq!(eval("rpc:pmap({thermometer, set}, [x], [1, 2, 3, 4, 5])"), "[{1,x},{2,x},{3,x},{4,x},{5,x}]");
    assert_eq!(
        eval("rpc:multicall(Nodes ++ ['nosuch@127.0.0.1'], thermometer, read, [])"),
        format!("{{{},['nosuch@127.0.0.1']}}", three("21.5"))
    );
}

#[test]
fn a_hundred_calls_at_once() {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let erl = here.inside.erl(&world, "a");
    here.eval(&erl, "N = 'in@127.0.0.1', Asked = [erpc:send_request(N, thermometer, slow, []) || _ <- lists:seq(1, 100)], ok");
    here.until_waiting(100);
    assert_eq!(here.inside.node.in_use().watches, 100);
    // the last first: each answer finds its caller
    for (number, caller) in std::mem::take(&mut here.waiting).iter().enumerate().rev() {
        here.inside.node.outbox(here.mailbox).unwrap().reply(caller, |t| t.int(number as i64)).unwrap();
    }
    assert_eq!(here.eval(&erl, "[erpc:receive_response(R) || R <- Asked] =:= lists:seq(0, 99)"), "true");
    assert_eq!(here.inside.node.in_use().watches, 0);
    let source = "Self = self(), [spawn(fun() -> Self ! {I, erpc:call(N, thermometer, set, [I, x])} end) || I <- lists:seq(1, 100)], \
        [receive {I, {I, x}} -> ok end || I <- lists:seq(1, 100)] =:= lists:duplicate(100, ok)";
    assert_eq!(here.eval(&erl, source), "true");
}

/// The storage has places for six callers, and for four of one node.
#[test]
fn more_callers_than_there_are_places_are_told() {
    let world = World::new();
    let mut storage = Box::new(NodeStorage::<4, 8, 16_384, 6, 4>::sized());
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let erl = here.inside.erl(&world, "a");
    here.eval(&erl, SEEN);
    here.eval(&erl, "Asked = [erpc:send_request('in@127.0.0.1', thermometer, slow, []) || _ <- lists:seq(1, 4)], ok");
    here.until_waiting(4);
    assert_eq!(here.eval(&erl, &call("erpc:call(N, thermometer, read, [])", "in@127.0.0.1")), "{error,{erpc,system_limit}}");
    let event = here.until("an event", |here| here.inside.events.pop().filter(|event| matches!(event, Event::Dropped { .. })));
    assert!(matches!(event, Event::Dropped { why: Dropped::WatchesFull, .. }), "{event}");
    let refused = here.eval(&erl, &call("rpc:call(N, thermometer, read, [])", "in@127.0.0.1"));
    assert_eq!(refused, "{badrpc,{'EXIT',system_limit}}");
    // what needs no place goes on
    assert_eq!(
        here.eval(&erl, &call("rpc:block_call(N, thermometer, nosuch, [])", "in@127.0.0.1")),
        "{badrpc,{'EXIT',{undef,stack}}}"
    );
    here.answer_late();
    assert_eq!(here.eval(&erl, "[erpc:receive_response(R) || R <- Asked]"), "[late,late,late,late]");
    assert_eq!(here.eval(&erl, &call("erpc:call(N, thermometer, read, [])", "in@127.0.0.1")), "21.5");
}

/// What does not fit the receive buffer is refused at once, whether the function is served or not: it is not read that far. An answer
/// with arguments that came, but do not fit the way back, has their number.
#[test]
fn arguments_may_be_too_large() {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let erl = here.inside.erl(&world, "a");
    here.eval(&erl, SEEN);
    let big =
        |function: &str| call(&format!("erpc:call(N, thermometer, {function}, [binary:copy(<<0>>, 20000), b])"), "in@127.0.0.1");
    for function in ["set", "nosuch"] {
        assert_eq!(here.eval(&erl, &big(function)), "{error,{erpc,system_limit}}");
        let event =
            here.until("an event", |here| here.inside.events.pop().filter(|event| matches!(event, Event::TooLarge { .. })));
        assert!(event.to_string().contains("SPAWN_REQUEST to this node from a@127.0.0.1"), "{event}");
    }
    let sizes = "lists:usort([try erpc:call('in@127.0.0.1', thermometer, nosuch, [binary:copy(<<0>>, Size)]) of _ -> value catch \
        error:{exception, undef, [{thermometer, nosuch, [B], []}]} when byte_size(B) =:= Size -> {1, with_arguments}; \
        error:{exception, undef, [{thermometer, nosuch, 1, []}]} -> {2, with_their_number}; \
        error:{erpc, system_limit} -> {3, refused} end || Size <- lists:seq(15000, 16400, 20)])";
    assert_eq!(here.eval(&erl, sizes), "[{1,with_arguments},{2,with_their_number},{3,refused}]");
    // whether a value fits the transmit buffer its author learns, and may answer otherwise
    let asked = erl.ask("erpc:call('in@127.0.0.1', thermometer, slow, [])");
    here.until_waiting(1);
    let caller = here.waiting.remove(0);
    let mut out = here.inside.node.outbox(here.mailbox).unwrap();
    let told = out.reply(&caller, |t| t.binary(&[0; 16_384])).unwrap_err();
    assert!(matches!(told, beamless::Error::Full(beamless::Full::Message { .. })), "{told}");
    out.reply(&caller, |t| t.atom("shorter")).unwrap();
    assert_eq!(here.inside.answer(&erl, asked), "shorter");
}

#[test]
fn a_caller_that_ends_leaves_nothing_behind() {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let erl = here.inside.erl(&world, "a");
    for way in [
        "erpc:call('in@127.0.0.1', thermometer, slow, [])",
        "rpc:call('in@127.0.0.1', thermometer, slow, [])",
        "begin spawn_link('in@127.0.0.1', thermometer, slow, []), receive never -> ok end end",
        "begin spawn_opt('in@127.0.0.1', thermometer, slow, [], [link, monitor]), receive never -> ok end end",
        "rpc:block_call('in@127.0.0.1', thermometer, slow, [])",
    ] {
        here.eval(&erl, &format!("(fun() -> put(caller, spawn(fun() -> {way} end)) end)(), ok"));
        here.until_waiting(1);
        here.eval(&erl, "exit(get(caller), kill)");
        here.until_watches(0);
        here.answer_late();
    }
    assert_eq!(here.eval(&erl, "rpc:call('in@127.0.0.1', thermometer, read, [])"), "21.5");
    assert!(!here.inside.events.iter().any(|event| matches!(event, Event::Dropped { .. })), "{:?}", here.inside.events);
}

/// Neither those whose call the program has not seen yet, nor those it has, are left to wait.
#[test]
fn functions_end_with_the_mailbox_they_are_called_in() {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let erl = here.inside.erl(&world, "a");
    here.eval(&erl, SEEN);
    here.eval(&erl, "N = 'in@127.0.0.1', Seen1 = erpc:send_request(N, thermometer, slow, []), ok");
    here.until_waiting(1);
    // the second is not looked at
    here.inside.eval(&erl, "Unseen = erpc:send_request(N, thermometer, slow, []), spawn_monitor(N, thermometer, slow, []), ok");
    here.inside.until("three callers", |inside| (inside.node.in_use().watches == 3).then_some(()));
    here.inside.node.close_mailbox(here.mailbox, |t| t.atom("closed")).unwrap();
    for request in ["Seen1", "Unseen"] {
        let told = here.inside.eval(&erl, &call(&format!("erpc:receive_response({request})"), ""));
        assert!(told.contains("closed"), "{told}");
    }
    assert_eq!(here.inside.eval(&erl, "Down()"), "{'EXIT',closed}");
    let used = here.inside.node.in_use();
    assert_eq!((used.watches, used.mailboxes), (0, 0));
    let read = call("rpc:call(N, thermometer, read, [])", "in@127.0.0.1");
    assert_eq!(here.inside.eval(&erl, &read), "{badrpc,{'EXIT',{undef,stack}}}");
    // and another may serve them
    here.mailbox = here.inside.node.register("thermometer").unwrap();
    here.inside.node.serve(here.mailbox, SERVED).unwrap();
    assert_eq!(here.eval(&erl, "rpc:call(N, thermometer, read, [])"), "21.5");
}

#[test]
fn a_connection_lost_while_calls_are_under_way() {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let (mut erl, other) = (here.inside.erl(&world, "a"), here.inside.erl(&world, "b"));
    let calls = "Self = self(), Started = [spawn(fun() -> Self ! {self(), catch F()} end) || F <- [ \
        fun() -> rpc:call('in@127.0.0.1', thermometer, slow, []) end, \
        fun() -> erpc:call('in@127.0.0.1', thermometer, slow, []) end, \
        fun() -> rpc:block_call('in@127.0.0.1', thermometer, slow, []) end]], ok";
    here.eval(&erl, calls);
    here.until_waiting(3);
    here.inside.node.disconnect("a@127.0.0.1").unwrap();
    assert_eq!(here.inside.node.in_use().watches, 0);
    let told = here.eval(&erl, "[receive {P, {'EXIT', {R, _}}} -> R; {P, R} -> R after 60000 -> nothing end || P <- Started]");
    assert_eq!(told, "[{badrpc,nodedown},{erpc,noconnection},{badrpc,nodedown}]");
    // two were processes of ours that nobody waits for any more; the third is a process there, which is out of reach
    let mut told: Vec<bool> = Vec::new();
    for caller in std::mem::take(&mut here.waiting) {
        told.push(match here.inside.node.outbox(here.mailbox).unwrap().reply(&caller, |t| t.atom("late")) {
            Ok(()) => true,
            Err(beamless::Error::NotConnected) => false,
            Err(e) => panic!("{e}"),
        });
    }
    told.sort_unstable();
    assert_eq!(told, [false, true, true]);
    // the caller's node dies
    here.eval(&erl, calls.trim_start_matches("Self = self(), ").replace("Started", "Again").as_str());
    here.until_waiting(3);
    erl.kill();
    here.until_watches(0);
    here.inside.until_event("node down", |event| matches!(event, Event::NodeDown { node, .. } if node.as_str() == "a@127.0.0.1"));
    assert_eq!(here.eval(&other, "rpc:call('in@127.0.0.1', thermometer, read, [])"), "21.5");
}

/// A tracing caller sends everything in its form with a token.
#[test]
fn a_traced_caller_is_answered() {
    let world = World::new();
    let mut storage = storage();
    let mut here = Thermometer::new(world.inside(world.config("in"), &mut storage));
    let erl = here.inside.erl(&world, "a");
    here.eval(&erl, "seq_trace:set_token(label, 17), seq_trace:set_token(send, true)");
    for way in ["rpc:call", "erpc:call", "rpc:block_call"] {
        assert_eq!(here.eval(&erl, &format!("{way}('in@127.0.0.1', thermometer, read, [])")), "21.5");
    }
}

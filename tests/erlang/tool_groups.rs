//! The commands about groups, global names and Phoenix.PubSub.

use crate::support::{Erl, World};
use crate::tool::{A, world_and_erl};

/// Two Erlangs that are connected, `a` and `b`.
fn second(world: &World, erl: &Erl) -> Erl {
    let second = world.erl(&["-name", "b@127.0.0.1"]);
    assert_eq!(second.eval(&format!("net_kernel:connect_node('{}')", erl.node)), "true");
    second
}

#[test]
fn groups_are_listed_with_their_members() {
    let (world, _epmd, erl) = world_and_erl();
    world.tool(&["groups", A]).failed(1, "", &["no scope pg of pg runs on a@127.0.0.1", "'pg:start(pg)'` starts it"]);
    erl.eval("{ok, _} = pg:start(pg), {ok, _} = pg:start('Elixir.My.Scope')");
    world.tool(&["groups", A]).done("");
    let second = second(&world, &erl);
    second.eval("{ok, _} = pg:start(pg), pg:join(temps, self())");
    erl.eval(
        "pg:join(temps, [self(), self()]), pg:join({sensor, \"k 1\"}, self()), pg:join('Elixir.My.Scope', <<\"x\">>, self())",
    );
    erl.eval_until("length(pg:get_members(temps))", "3");
    let own = erl.eval("self()");
    let theirs = second.eval("self()").replace("<0.", "<b@127.0.0.1.");
    let members = erl.eval("[node(P) || P <- pg:get_members(temps)]");
    let of_temps = members
        .trim_matches(['[', ']'])
        .split(',')
        .map(|node| if node.contains("a@") { format!(" {own}") } else { format!(" {theirs}") })
        .collect::<String>();
    world.tool(&["groups", A]).done(&format!("temps{of_temps}\n{{sensor,\"k 1\"}} {own}\n"));
    world.tool(&["groups", A, "Elixir.My.Scope"]).done(&format!("<<\"x\">> {own}\n"));
    world
        .tool(&["groups", "--json", A, "Elixir.My.Scope"])
        .done(&format!("{{\"group\":\"x\",\"members\":[{{\"@term\":\"{own}\"}}]}}\n"));
    world.tool(&["groups", A, "My.Scope"]).failed(1, "", &["no scope My.Scope", "its name is Elixir.My.Scope"]);
    world.tool(&["groups", A, "'pg'"]).failed(1, "", &["without quotes: pg"]);
    world.tool(&["groups", A, &"x".repeat(256)]).failed(2, "", &["atom"]);
    world.tool(&["groups"]).failed(2, "", &["NODE is missing"]);
    world.tool(&["groups", "c@127.0.0.1"]).failed(1, "", &["knows no node of that name"]);
    // as many as a large cluster has
    erl.eval("[pg:join(I, self()) || I <- lists:seq(1, 3000)]");
    let ran = world.tool(&["groups", A]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 3002), "{}", ran.err);
}

#[test]
fn a_node_without_groups_says_so() {
    let world = World::new();
    let _demo = world.agent(&["--sname", "demo"]);
    world.tool(&["groups", "demo"]).failed(1, "", &["tells no groups: Erlang does"]);
}

#[test]
fn global_names_are_looked_up() {
    let (world, _epmd, erl) = world_and_erl();
    let second = second(&world, &erl);
    assert_eq!([&erl, &second].map(|erl| erl.eval("global:sync()")), ["ok", "ok"]);
    assert_eq!(erl.eval("global:register_name(therm, whereis(init))"), "yes");
    assert_eq!(second.eval("global:register_name({sensor, \"7\"}, self())"), "yes");
    let theirs = second.eval("self()").replace("<0.", "<b@127.0.0.1.");
    world.tool(&["whereis", A, "therm"]).done("<0.0.0> a@127.0.0.1\n");
    world.tool(&["whereis", A, "{sensor, \"7\"}"]).done(&format!("{theirs} b@127.0.0.1\n"));
    world.tool(&["whereis", "b@127.0.0.1", "therm"]).done("<a@127.0.0.1.0.0> a@127.0.0.1\n");
    let nobody = |name: &str, words: &[&str]| world.tool(&["whereis", A, name]).failed(1, "", words);
    nobody("net_kernel", &["undefined: a@127.0.0.1 knows no global name net_kernel", "'global:registered_names()'` lists"]);
    nobody("'therm'", &["without quotes: therm"]);
    nobody(":therm", &["without Elixir's colon: therm"]);
    nobody("My.Server", &["its name is Elixir.My.Server"]);
    nobody("{sensor, 7}", &["no global name {sensor, 7}"]);
    world.tool(&["whereis", A]).failed(2, "", &["NAME is missing"]);
    world.tool(&["whereis", A, &"x".repeat(256)]).failed(2, "", &["atom"]);
}

/// A process as Phoenix.PubSub has one on each node: it is in the group of its own name, and hands on what is forwarded.
pub(crate) fn pubsub(erl: &Erl, name: &str) {
    erl.eval(&format!(
        "Scope = 'Elixir.Phoenix.PubSub', Subscriber = self(), case whereis(Scope) of undefined -> {{ok, _}} = pg:start(Scope); _ -> ok end,
         (fun(Name) ->
            Adapter = spawn(fun Loop() -> receive {{forward_to_local, Topic, Message, Scope}} -> Subscriber ! {{Topic, Message}} end, Loop() end),
            register(Name, Adapter), pg:join(Scope, Name, Adapter)
         end)({name})"
    ));
    erl.eval("Got = fun() -> receive {T, M} when is_binary(T) -> {T, M} after 0 -> nothing end end");
}

#[test]
fn a_broadcast_reaches_the_subscribers_of_all_nodes() {
    let (world, _epmd, erl) = world_and_erl();
    let second = second(&world, &erl);
    pubsub(&erl, "'Elixir.My.PubSub.Adapter'");
    pubsub(&second, "'Elixir.My.PubSub.Adapter'");
    erl.eval_until("length(pg:get_members('Elixir.Phoenix.PubSub', 'Elixir.My.PubSub.Adapter'))", "2");
    let both = |message: &str| {
        for erl in [&erl, &second] {
            erl.eval_until("Got()", message);
            assert_eq!(erl.eval("Got()"), "nothing");
        }
    };
    world.tool(&["broadcast", A, "My.PubSub", "readings", "{reading, 21.5, \"x\"}"]).done("");
    both("{<<\"readings\">>,{reading,21.5,\"x\"}}");
    world.tool(&["broadcast", A, "Elixir.My.PubSub", "rooms:1", "--json", "{\"a\": [null]}"]).done("");
    both("{<<\"rooms:1\">>,#{<<\"a\">> => [nil]}}");
    world.tool_with(&["broadcast", A, "My.PubSub", "", "-"], "[1]").done("");
    both("{<<>>,[1]}");
    world.tool(&["broadcast", "--local", A, "My.PubSub", "readings", "here"]).done("");
    erl.eval_until("Got()", "{<<\"readings\">>,here}");
    world.tool(&["broadcast", A, "My.PubSub", "readings", "there"]).done("");
    both("{<<\"readings\">>,there}");

    let refused = |pubsub: &str, code, words: &[&str]| world.tool(&["broadcast", A, pubsub, "t", "x"]).failed(code, "", words);
    refused(
        "Other.PubSub",
        1,
        &["noproc: Other.PubSub does not run on a@127.0.0.1", "registered as Elixir.Other.PubSub.Adapter"],
    );
    refused(":pubsub", 1, &["registered as Elixir.pubsub.Adapter"]);
    refused("'Elixir.My.PubSub'", 2, &["as Elixir writes it, such as My.PubSub"]);
    world.tool(&["broadcast", A, "My.PubSub", "t", "{a,"]).failed(2, "", &["not Erlang text"]);
    world.tool(&["broadcast", A, "My.PubSub", "t"]).failed(2, "", &["TERM is missing"]);
    world.tool(&["broadcast", "c@127.0.0.1", "My.PubSub", "t", "x"]).failed(1, "", &["knows no node of that name"]);
    assert_eq!(erl.eval("Got()"), "nothing");
    // who is in no group is reached all the same
    pubsub(&erl, "'Elixir.pubsub.Adapter'");
    erl.eval("pg:leave('Elixir.Phoenix.PubSub', 'Elixir.pubsub.Adapter', whereis('Elixir.pubsub.Adapter'))");
    world.tool(&["broadcast", A, ":pubsub", "t", "x"]).done("");
    erl.eval_until("Got()", "{<<\"t\">>,x}");
}

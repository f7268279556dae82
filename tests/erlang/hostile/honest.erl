%% An honest node: it asks one thing after another all the while, and counts what is not answered as it should be.
-module(honest).
-export([start/2, begin_row/1, end_row/1]).

%% Begins: `calls' stays connected and calls whatever there is; `joins' connects anew each time.
start(What, Node) ->
    spawn(fun() -> rounds(What, Node, 0, watch(What, Node), {0, [], 0}, nobody) end).

%% Counts from here on.
begin_row(Honest) ->
    Ref = make_ref(),
    Honest ! {begin_row, self(), Ref},
    receive {Ref, begun} -> ok end.

%% {Answers, What was late or wrong, The slowest in milliseconds} since then, with a whole round begun after this was asked.
end_row(Honest) ->
    Ref = make_ref(),
    Honest ! {end_row, self(), Ref},
    receive {Ref, Told} -> Told end.

%% Whoever only looks, too, is told nothing wrong: no monitor goes off.
watch(joins, _) -> none;
watch(calls, Node) ->
    pong = net_adm:ping(Node),
    monitor_node(Node, true),
    monitor(process, {echo, Node}).

rounds(What, Node, Number, Monitor, Counts, Asker) ->
    Told = lists:foldl(fun ask/2, Counts, asks(What, Node, Number)),
    case Asker of
        nobody -> ok;
        {Pid, Ref} -> Pid ! {Ref, Told}
    end,
    {Answers, Wrong, Slowest} = Told,
    receive
        {begin_row, From, FromRef} ->
            From ! {FromRef, begun},
            rounds(What, Node, Number + 1, Monitor, {0, [], 0}, nobody);
        {end_row, From, FromRef} ->
            rounds(What, Node, Number + 1, Monitor, Told, {From, FromRef});
        {nodedown, Node} ->
            rounds(What, Node, Number + 1, Monitor, {Answers, [nodedown | Wrong], Slowest}, nobody);
        {'DOWN', Monitor, process, _, Why} ->
            rounds(What, Node, Number + 1, Monitor, {Answers, [{down, Why} | Wrong], Slowest}, nobody)
    after 5 -> rounds(What, Node, Number + 1, Monitor, Told, nobody)
    end.

ask({Name, Fun, Want}, {Answers, Wrong, Slowest}) ->
    Before = erlang:monotonic_time(millisecond),
    Got = try Fun() catch _:Why -> {exception, Why} end,
    Time = max(Slowest, erlang:monotonic_time(millisecond) - Before),
    case Got of
        Want -> {Answers + 1, Wrong, Time};
        _ -> {Answers, [{Name, Got} | Wrong], Time}
    end.

asks(calls, Node, Number) ->
    [{ping, fun() -> net_adm:ping(Node) end, pong},
     {echo, fun() -> gen_server:call({echo, Node}, Number, 60000) end, Number},
     {system, fun() -> gen_server:call({system, Node}, {info, node}, 60000) end, Node},
     {erpc, fun() -> erpc:call(Node, erlang, node, [], 60000) end, Node},
     {rex, fun() -> rpc:block_call(Node, erlang, node, [], 60000) end, Node},
     {command, fun() -> erpc:call(Node, box, hello, [], 60000) end, <<"hello">>},
     {program, fun() -> gen_server:call({answers, Node}, Number, 60000) end, ok}];
asks(joins, Node, _) ->
    [Alive, _] = string:split(atom_to_list(Node), "@"),
    [{left, fun() -> erlang:disconnect_node(Node), left end, left},
     {join, fun() -> net_adm:ping(Node) end, pong},
     {erpc, fun() -> erpc:call(Node, erlang, node, [], 60000) end, Node},
     {names, fun() -> {ok, Names} = erl_epmd:names(), lists:keymember(Alive, 1, Names) end, true}].

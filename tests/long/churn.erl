%% What an Erlang does to a box all the time: calls, monitors, links, groups, floods, and whatever ends in the middle. It reads its
%% orders from standard input, a word on a line, and says on standard output what came of them.
-module(churn).
-export([main/1, fill/1, sleeper/0]).

-define(WORKERS, 10).

%% Begins with nothing to do.
main([Box]) ->
    {ok, _} = pg:start(pg),
    {ok, _} = pg:start(sensors),
    collector(),
    Table = ets:new(churn, [public, named_table, {write_concurrency, true}]),
    ets:insert(Table, {go, false}),
    [spawn(fun() -> work(list_to_atom(Box), N) end) || N <- lists:seq(1, ?WORKERS)],
    orders(list_to_atom(Box)).

orders(Box) ->
    case io:get_line("") of
        "go\n" ->
            ets:insert(churn, {go, true}),
            say("gone", []),
            orders(Box);
        "rest\n" ->
            ets:insert(churn, {go, false}),
            settled(?WORKERS),
            say("rests ~0p", [[Pair || {_, _} = Pair <- lists:sort(ets:tab2list(churn)), element(1, Pair) =/= go]]),
            orders(Box);
        "there\n" ->
            say("there ~p", [lists:member(Box, nodes(connected))]),
            orders(Box);
        _ ->
            halt(0, [{flush, false}])
    end.

say(Format, Args) -> io:format(Format ++ "~n", Args).

%% Waits until so many workers have come to rest.
settled(Workers) ->
    case length([N || {{idle, N}, true} <- ets:tab2list(churn)]) of
        Workers -> ok;
        _ -> timer:sleep(20), settled(Workers)
    end.

%% Takes what is published, for as long as it has the name: at times it has not, and readings wait.
collector() ->
    spawn(fun() -> register(collector, self()), collect() end).

collect() ->
    receive
        {publish, _, _, _, _, _} -> count(readings), collect();
        away -> unregister(collector), timer:sleep(3000), register(collector, self()), collect();
        _ -> collect()
    end.

count(What) -> ets:update_counter(churn, What, 1, {What, 0}).

work(Box, Seed) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    turn(Box, Seed).

turn(Box, Me) ->
    case ets:lookup_element(churn, go, 2) of
        false -> ets:insert(churn, {{idle, Me}, true}), timer:sleep(100);
        true ->
            ets:insert(churn, {{idle, Me}, false}),
            N = rand:uniform(1_000_000),
            %% what cannot be had while the box is away is counted by the reason, what is wrong by the value
            try act(rand:uniform(1000), Box, N) of
                ok -> count(done);
                Wrong -> count({wrong, Wrong})
            catch
                Class:Reason -> count({Class, brief(Reason)})
            end,
            timer:sleep(rand:uniform(800))
    end,
    turn(Box, Me).

brief({Reason, {gen_server, call, _}}) -> brief(Reason);
brief({{nodedown, _}, _}) -> nodedown;
brief({nodedown, _}) -> nodedown;
brief(Reason) -> Reason.

%% One of these, of a thousand as often as the numbers say.
act(P, Box, N) when P =< 200 -> same({hello, N}, gen_server:call({echo, Box}, {hello, N}, 10_000));
act(P, Box, N) when P =< 350 -> replied(N, gen_server:call({json, Box}, N, 10_000));
act(P, Box, N) when P =< 450 -> replied(N, gen_server:call({lines, Box}, N, 10_000));
act(P, Box, N) when P =< 500 ->
    Sum = integer_to_binary(N + 1),
    case rpc:call(Box, box, sum, [N, 1], 10_000) of
        {badrpc, {'EXIT', {system_limit, _}}} -> count(full), ok;
        {badrpc, Why} when Why =:= nodedown; Why =:= timeout -> count({badrpc, Why}), ok;
        Got -> same(Sum, Got)
    end;
act(P, Box, _) when P =< 520 ->
    try erpc:call(Box, box, nosuch, [], 10_000) of Value -> {value, Value}
    catch error:{exception, undef, _} -> ok; error:{erpc, Why} -> count({erpc, Why}), ok end;
act(P, Box, _) when P =< 600 ->
    Ref = monitor(process, {echo, Box}),
    erlang:yield(),
    demonitor(Ref, [flush]), ok;
%% it ends with its monitors
act(P, Box, _) when P =< 650 -> ended(fun() -> [monitor(process, {Name, Box}) || Name <- [echo, json, nosuch, lines]] end);
%% the links end with it, once with a reason that ends mailboxes
act(P, _, N) when P =< 720 ->
    ended(fun() ->
        [link(Pid) || Pid <- pg:get_members(temps), node(Pid) =/= node()],
        [unlink(Pid) || Pid <- pg:get_members(temps), N rem 2 =:= 0, node(Pid) =/= node()],
        N rem 40 =:= 0 andalso exit(boom)
    end);
act(P, _, _) when P =< 723 -> [exit(Pid, kill) || Pid <- pg:get_members(sensors, kitchen), node(Pid) =/= node()], ok;
act(P, _, N) when P =< 790 ->
    Scope = element(1 + N rem 2, {pg, sensors}),
    Group = {g, N rem 20},
    Pid = spawn(?MODULE, sleeper, []),
    ok = pg:join(Scope, Group, Pid),
    N rem 3 =:= 0 orelse pg:leave(Scope, Group, Pid),
    Pid ! stop, ok;
act(P, _, _) when P =< 792 -> exit(whereis(sensors), kill), timer:sleep(100), pg:start(sensors), ok;
act(P, _, N) when P =< 820 ->
    case global:whereis_name(therm) of
        undefined -> count(no_global), ok;
        Pid -> replied(N, gen_server:call(Pid, N, 10_000))
    end;
%% whoever waits is killed
act(P, Box, N) when P =< 850 ->
    Pid = spawn(fun() -> gen_server:call({lines, Box}, N) end),
    erlang:yield(),
    exit(Pid, kill), ok;
act(P, Box, _) when P =< 855 -> [{echo, Box} ! {flood, I} || I <- lists:seq(1, 2000)], ok;
act(P, Box, _) when P =< 860 -> [{nosuch, Box} ! {flood, I} || I <- lists:seq(1, 200)], ok;
act(P, Box, N) when P =< 865 -> {list_to_atom("nosuch" ++ integer_to_list(N rem 100)), Box} ! hello, ok;
act(P, Box, _) when P =< 870 -> {echo, Box} ! binary:copy(<<"large">>, 5000), ok;
act(P, Box, N) when P =< 890 ->
    {ok, Map} = {ok, gen_server:call({system, Box}, info, 10_000)},
    is_map(Map) orelse count({odd, N}), ok;
act(P, Box, _) when P =< 897 -> gen_server:cast({crashy, Box}, crash), ok;
act(P, Box, N) when P =< 930 ->
    case gen_server:call({crashy, Box}, N, 10_000) of
        {error, _} -> count(restarting), ok;
        Got -> same(N, Got)
    end;
act(P, Box, _) when P =< 932 -> erlang:disconnect_node(Box), ok;
act(P, _, _) when P =< 934 -> collector ! away, ok;
act(_, Box, _) -> case net_adm:ping(Box) of pong -> ok; pang -> count(pang), ok end.

%% Fills what these have for messages from a node and to it, again and again until other nodes do so, too.
fill(Nodes) ->
    [flood(list_to_atom(Node)) || _ <- lists:seq(1, 40), Node <- Nodes],
    halt(0, [{flush, false}]).

flood(Node) ->
    [{echo, Node} ! {flood, N} || N <- lists:seq(1, 500)],
    Callers = [spawn_monitor(fun() -> gen_server:call({system, Node}, info, 10_000) end) || _ <- lists:seq(1, 40)],
    [receive {'DOWN', Ref, process, Pid, _} -> ok end || {Pid, Ref} <- Callers],
    timer:sleep(200).

same(Value, Value) -> ok;
same(Wanted, Got) -> {wanted, Wanted, got, Got}.

replied(N, N) -> ok;
replied(_, {error, Why}) -> count({answer, Why}), ok;
replied(Wanted, Got) -> {wanted, Wanted, got, Got}.

%% Runs it in a process, to its end.
ended(Fun) ->
    {Pid, Ref} = spawn_monitor(Fun),
    receive {'DOWN', Ref, process, Pid, _} -> ok end.

sleeper() -> receive stop -> ok end.

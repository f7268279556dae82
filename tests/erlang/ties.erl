%% A process that does what a test says, and notes what comes to it. The test talks to it through the process that evaluates.
-module(ties).
-export([start/2, eval/2, ended/1, stop/1, knows/1, sync/1, seen/0, seen/1, left/1, fence/0, forever/0, done/0, fail/0, watch/2]).

%% Starts the process Name, which has these bindings.
start(Name, Bindings) ->
    {P, R} = spawn_monitor(fun() -> loop(lists:sort(Bindings)) end),
    true = register(Name, P),
    put(Name, {P, R}),
    ok.

loop(Bindings) ->
    receive
        {eval, From, R, Source} ->
            {ok, Tokens, _} = erl_scan:string(Source ++ "."),
            {ok, Exprs} = erl_parse:parse_exprs(Tokens),
            {value, Value, New} = erl_eval:exprs(Exprs, Bindings),
            From ! {R, Value},
            loop(New)
    end.

%% The value of Source in the process, or that it has ended.
eval(Name, Source) ->
    case get(Name) of
        {ended, _} -> ended;
        {P, R} -> ask(Name, P, R, Source)
    end.

ask(Name, P, R, Source) ->
    P ! {eval, self(), R, Source},
    receive
        {R, Value} -> Value;
        {'DOWN', R, _, _, Why} -> put(Name, {ended, Why}), ended
    end.

%% Why the process ended, waited for.
ended(Name) ->
    case get(Name) of
        {ended, Why} -> name(Why);
        {_, R} -> receive {'DOWN', R, _, _, Why} -> put(Name, {ended, Why}), name(Why) after 60000 -> still_alive end
    end.

stop(Name) ->
    case get(Name) of
        {ended, _} -> ok;
        {P, _} -> exit(P, kill), ended(Name), ok
    end.

%% The other one of the two, with its name.
knows({Name, Pid}) -> put(Pid, Name), Pid.

%% When this returns, all that was sent either way before has come, and what was sent because of it, too.
sync(Node) ->
    [begin {fence, Node} ! {fence, self()}, receive fence -> ok end end || _ <- [1, 2]],
    ok.

%% What answers to sync/1 when the other node is an Erlang, too.
fence() ->
    register(fence, spawn(fun Loop() -> receive {fence, P} -> P ! fence end, Loop() end)),
    ok.

%% What has come since the last look, with names in place of pids and references.
seen() ->
    receive
        Message -> [name(Message) | seen()]
    after 0 -> []
    end.

%% The same for the process Name, if it is there.
seen(Name) ->
    case eval(Name, "ties:seen()") of
        ended -> [];
        Seen -> Seen
    end.

%% Links and monitors that the process Name has, but for the monitor by which this module watches it.
left(Name) ->
    case get(Name) of
        {ended, _} -> [];
        {P, _} ->
            [{_, Links}, {_, Monitors}, {_, By}] = process_info(P, [links, monitors, monitored_by]),
            Links ++ Monitors ++ [Pid || Pid <- By, Pid =/= self()]
    end.

name({'DOWN', _, process, Who, Why}) -> {'DOWN', name(Who), name(Why)};
name({Name, Node}) when is_atom(Name), is_atom(Node) ->
    case lists:member($@, atom_to_list(Node)) of
        true -> {Name, node};
        false -> {Name, Node}
    end;
name(Pid) when is_pid(Pid) -> case get(Pid) of undefined -> other; Name -> Name end;
name(Binary) when is_binary(Binary), byte_size(Binary) > 1000 -> {bytes, byte_size(Binary)};
name(Tuple) when is_tuple(Tuple) -> list_to_tuple([name(T) || T <- tuple_to_list(Tuple)]);
name(Term) -> Term.

forever() -> receive never -> ok end.

done() -> ok.

fail() -> exit(failed).

%% This many processes that are linked to M and monitor it, and pass on what comes of it.
watch(M, Count) ->
    Self = self(),
    [begin
        spawn(fun() ->
            process_flag(trap_exit, true),
            link(M),
            monitor(process, M),
            Self ! watching,
            Self ! receive {'EXIT', M, Why} -> {exit, Why} end,
            Self ! receive {'DOWN', _, process, M, Down} -> {down, Down} end
        end),
        receive watching -> ok end
    end || _ <- lists:seq(1, Count)],
    ok.

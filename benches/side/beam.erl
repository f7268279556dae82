%% A BEAM: as the node that is measured, and as the driver that measures others.
-module(beam).
-export([peer/0, drive/1, flood/1]).

peer() ->
    register(peer, spawn(fun peer_loop/0)),
    {ok, _} = net_kernel:start(['peer@127.0.0.1', longnames]).

peer_loop() ->
    receive
        {Pid, Data} when is_pid(Pid) -> Pid ! {echo, Data};
        {reading, I, V, N, #{unit := celsius}} when is_integer(I), is_float(V), is_binary(N) -> ok;
        {source, Pid, Count} -> source(Pid, 0, Count);
        {dial, Count} -> dial(Count)
    end,
    peer_loop().

source(_, Count, Count) -> ok;
source(Pid, I, Count) ->
    Pid ! {reading, I, 21.5, <<"sensor-17">>, #{unit => celsius}},
    source(Pid, I + 1, Count).

dial(0) -> ok;
dial(Count) ->
    true = net_kernel:connect_node('dialled@127.0.0.1'),
    true = erlang:disconnect_node('dialled@127.0.0.1'),
    dial(Count - 1).

%% Prints for each workload how many a second there were, for so many milliseconds each.
drive([Millis]) ->
    {ok, _} = net_kernel:start(['driver@127.0.0.1', longnames]),
    Ms = list_to_integer(Millis),
    true = net_kernel:connect_node('peer@127.0.0.1'),
    [print(Name, Len, Window, Ms) || {Name, Len, Window} <-
        [{"echo 8 B", 8, 64}, {"echo 1 KiB", 1024, 64}, {"echo 64 KiB", 65536, 64}, {"echo 8 B, one", 8, 1}]],
    io:format("sink ~p~n", [rate(Ms, fun sink/0)]),
    io:format("source ~p~n", [rate(Ms, fun take/0)]),
    halt().

%% Sends so many readings as fast as it can, and ends when all were read.
flood([Count]) ->
    {ok, _} = net_kernel:start(['driver@127.0.0.1', longnames]),
    true = net_kernel:connect_node('peer@127.0.0.1'),
    [sink() || _ <- lists:seq(5000, list_to_integer(Count), 5000)],
    halt().

print(Name, Len, Window, Ms) ->
    Data = binary:copy(<<"x">>, Len),
    N = max(Window, min(2000, 16000000 div Len)),
    io:format("~s ~p~n", [Name, rate(Ms, fun() -> echo(Data, Window, N) end)]).

rate(Ms, Run) ->
    Run(),
    rate(Run, erlang:monotonic_time(microsecond), Ms * 1000, 0).

rate(Run, Start, Us, N) ->
    More = N + Run(),
    case erlang:monotonic_time(microsecond) - Start of
        Took when Took < Us -> rate(Run, Start, Us, More);
        Took -> round(More * 1000000 / Took)
    end.

echo(Data, Window, N) ->
    [ask(Data) || _ <- lists:seq(1, Window)],
    [begin got(), ask(Data) end || _ <- lists:seq(1, N - Window)],
    [got() || _ <- lists:seq(1, Window)],
    N.

ask(Data) -> {peer, 'peer@127.0.0.1'} ! {self(), Data}.
got() -> receive {echo, _} -> ok after 20000 -> exit(no_answer) end.

sink() ->
    [{peer, 'peer@127.0.0.1'} ! {reading, I, 21.5, <<"sensor-17">>, #{unit => celsius}} || I <- lists:seq(1, 5000)],
    ask(<<>>),
    got(),
    5000.

take() ->
    {peer, 'peer@127.0.0.1'} ! {source, self(), 5000},
    [receive {reading, _, _, _, _} -> ok after 20000 -> exit(no_reading) end || _ <- lists:seq(1, 5000)],
    5000.

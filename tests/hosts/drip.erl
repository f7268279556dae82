%% Messages at a steady pace over a network that is not steady: what the tests of hosts need compiled.
-module(drip).
-export([run/3]).

%% So many messages a second to the mailbox echo of each of Nodes, for Seconds; each comes back. What became of them all:
%% {Sent, CameBackInOrder, Wrong, NodesThatWentDown, {Median, Longest}}, the last two in milliseconds.
run(Nodes, PerSecond, Seconds) ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    Self = self(),
    [spawn_link(fun() -> Self ! {done, drip(Node, PerSecond, Seconds)} end) || Node <- Nodes],
    All = [receive {done, Done} -> Done end || _ <- Nodes],
    ok = net_kernel:monitor_nodes(false, [{node_type, all}]),
    Times = lists:sort(lists:append([T || {_, T, _} <- All])),
    Median = lists:nth((length(Times) + 1) div 2, Times),
    {lists:sum([S || {S, _, _} <- All]), length(Times), lists:append([W || {_, _, W} <- All]), downs(), {Median, lists:last(Times)}}.

downs() -> receive {nodedown, Node, _} -> [Node | downs()] after 0 -> [] end.

drip(Node, PerSecond, Seconds) ->
    Self = self(),
    Start = now_ms(),
    spawn_link(fun() -> send(Self, Node, PerSecond, PerSecond * Seconds, Start, 0) end),
    receive_all(Node, 1, PerSecond * Seconds, []).

%% All that are due by now; one that had to wait for the connection makes up for it.
send(_, _, _, Count, _, Count) -> ok;
send(To, Node, PerSecond, Count, Start, Sent) ->
    Due = min(Count, PerSecond * (now_ms() - Start) div 1000 + 1),
    [{echo, Node} ! {To, {I, now_ms()}} || I <- lists:seq(Sent + 1, Due)],
    timer:sleep(1000 div PerSecond),
    send(To, Node, PerSecond, Count, Start, max(Sent, Due)).

receive_all(_, I, Count, Times) when I > Count -> {Count, Times, []};
receive_all(Node, I, Count, Times) ->
    receive
        {echo, {I, At}} -> receive_all(Node, I + 1, Count, [now_ms() - At | Times]);
        {echo, Other} -> {Count, Times, [{Node, expected, I, got, Other}]}
    after 120000 -> {Count, Times, [{Node, never_came, I}]}
    end.

now_ms() -> erlang:monotonic_time(millisecond).

%% A stand-in for Phoenix.PubSub where the real one is not to be had: it says the same to other nodes, by the real pg, and offers the functions that
%% the tests call. It is stricter than the real one: what that would pass over, or take amiss, ends this one's worker with a report.
-module('Elixir.Phoenix.PubSub').
-export([child_spec/1, start_link/1, subscribe/2, broadcast/3, direct_broadcast/4]).

-define(SCOPE, ?MODULE).
-define(DISPATCHER, ?MODULE).

child_spec(Opts) -> #{id => ?MODULE, start => {?MODULE, start_link, [Opts]}}.

%% Opts: name, and pool_size, the same on all nodes.
start_link(Opts) ->
    Name = proplists:get_value(name, Opts),
    proc_lib:start_link(erlang, apply, [fun() -> owner(Name, proplists:get_value(pool_size, Opts, 1)) end, []]).

subscribe(Name, Topic) when is_binary(Topic) ->
    true = ets:insert(Name, {Topic, self()}),
    Name ! {subscribed, self()},
    ok.

%% By the same worker of the pool for the same process, to every other node; and to the subscribers here.
broadcast(Name, Topic, Message) when is_binary(Topic) ->
    Group = lists:nth(1 + erlang:phash2(self(), pool_size(Name)), adapters(Name, pool_size(Name))),
    [Pid ! forward(Topic, Message) || Pid <- pg:get_members(?SCOPE, Group), node(Pid) =/= node()],
    deliver(Name, Topic, Message).

direct_broadcast(Node, Name, Topic, Message) when is_binary(Topic) ->
    {hd(adapters(Name, 1)), Node} ! forward(Topic, Message),
    ok.

forward(Topic, Message) -> {forward_to_local, Topic, Message, ?DISPATCHER}.

deliver(Name, Topic, Message) ->
    [Pid ! Message || {_, Pid} <- ets:lookup(Name, Topic)],
    ok.

pool_size(Name) ->
    [{pool_size, Size}] = ets:lookup(Name, pool_size),
    Size.

%% My.PubSub.Adapter, My.PubSub.Adapter_2, ..: names of workers and groups alike.
adapters(Name, Size) ->
    First = atom_to_list(Name) ++ ".Adapter",
    [list_to_atom(First) | [list_to_atom(First ++ "_" ++ integer_to_list(N)) || N <- lists:seq(2, Size)]].

%% Has the subscriptions, and forgets those of processes that end.
owner(Name, Size) ->
    true = register(Name, self()),
    ets:new(Name, [bag, public, named_table]),
    true = ets:insert(Name, {pool_size, Size}),
    [{ok, _} = proc_lib:start_link(erlang, apply, [fun() -> worker(Name, Adapter) end, []]) || Adapter <- adapters(Name, Size)],
    proc_lib:init_ack({ok, self()}),
    owned(Name).

owned(Name) ->
    receive
        {subscribed, Pid} -> monitor(process, Pid);
        {'DOWN', _, process, Pid, _} -> ets:match_delete(Name, {'_', Pid})
    end,
    owned(Name).

worker(Name, Adapter) ->
    true = register(Adapter, self()),
    ok = pg:join(?SCOPE, Adapter, self()),
    proc_lib:init_ack({ok, self()}),
    work(Name).

work(Name) ->
    receive
        {forward_to_local, Topic, Message, ?DISPATCHER} when is_binary(Topic) -> deliver(Name, Topic, Message);
        Other -> error({no_broadcast, Other})
    end,
    work(Name).

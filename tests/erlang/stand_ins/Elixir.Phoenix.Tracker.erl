%% A stand-in for Phoenix.Tracker where the real one is not to be had: one shard, which links what it tracks, says a heartbeat on its topic, and
%% tells the shards of its name on other nodes whom it tracks.
-module('Elixir.Phoenix.Tracker').
-behaviour(gen_server).
-export([start_link/3, track/5, list/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(EVERY, 1500).

start_link(Tracker, Arg, Opts) ->
    Name = proplists:get_value(name, Opts),
    gen_server:start_link({local, shard(Name)}, ?MODULE, {Tracker, Arg, shard(Name), proplists:get_value(pubsub_server, Opts)}, []).

track(Name, Pid, Topic, Key, Meta) when is_map(Meta) -> gen_server:call(shard(Name), {track, Pid, Topic, Key, Meta}).

list(Name, Topic) -> gen_server:call(shard(Name), {list, Topic}).

shard(Name) -> list_to_atom(atom_to_list(Name) ++ "_shard0").

init({Tracker, Arg, Shard, PubSub}) ->
    process_flag(trap_exit, true),
    {ok, _} = Tracker:init(Arg),
    Topic = <<"phx_presence:", (atom_to_binary(Shard, utf8))/binary>>,
    ok = 'Elixir.Phoenix.PubSub':subscribe(PubSub, Topic),
    self() ! beat,
    {ok, #{pubsub => PubSub, topic => Topic, me => {node(), erlang:unique_integer()}, own => [], others => #{}}}.

handle_call({track, Pid, Topic, Key, Meta}, _, #{own := Own} = State) ->
    case [already || {P, T, K, _} <- Own, {P, T, K} =:= {Pid, Topic, Key}] of
        [] ->
            link(Pid),
            Ref = base64:encode(term_to_binary(make_ref())),
            {reply, {ok, Ref}, tell(State#{own := [{Pid, Topic, Key, Meta#{phx_ref => Ref}} | Own]})};
        [already] -> {reply, {error, {already_tracked, Pid, Topic, Key}}, State}
    end;
handle_call({list, Topic}, _, #{own := Own, others := Others} = State) ->
    {reply, [{Key, Meta} || {_, T, Key, Meta} <- Own ++ lists:append(maps:values(Others)), T =:= Topic], State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(beat, State) ->
    erlang:send_after(?EVERY, self(), beat),
    {noreply, tell(State)};
handle_info({pub, heartbeat, {Node, _}, Theirs, _}, #{others := Others} = State) when Node =/= node() ->
    {noreply, State#{others := Others#{Node => Theirs}}};
handle_info({'EXIT', Pid, _}, #{own := Own} = State) ->
    {noreply, tell(State#{own := [Tracked || {P, _, _, _} = Tracked <- Own, P =/= Pid]})};
handle_info(_, State) -> {noreply, State}.

tell(#{pubsub := PubSub, topic := Topic, me := Me, own := Own} = State) ->
    ok = 'Elixir.Phoenix.PubSub':broadcast(PubSub, Topic, {pub, heartbeat, Me, Own, {Me, #{}}}),
    State.

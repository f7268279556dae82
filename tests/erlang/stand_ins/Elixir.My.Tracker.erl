%% What a cluster has of its own: it tracks, and does nothing when somebody comes or goes.
-module('Elixir.My.Tracker').
-export([start_link/0, init/1, handle_diff/2]).

start_link() -> 'Elixir.Phoenix.Tracker':start_link(?MODULE, [], [{name, ?MODULE}, {pubsub_server, 'Elixir.My.PubSub'}]).

init([]) -> {ok, none}.

handle_diff(_Diff, State) -> {ok, State}.

%% A gen_server that answers in every way there is, functions to be called from Rust, and the same server as a gen_statem.
-module(desk).
-behaviour(gen_server).
-export([start/0, start_statem/0, release/1, fail_inside/0, print/0, bytes/1, wait/1, end_abruptly/0, no_match/1]).
-export([init/1, handle_call/3, handle_cast/2, callback_mode/0, open/3]).

start() -> {ok, Pid} = gen_server:start({local, desk}, ?MODULE, server, []), Pid.

start_statem() -> {ok, Pid} = gen_statem:start({local, statem}, ?MODULE, statem, []), Pid.

%% Answers whoever waits; how many did.
release(Reply) -> gen_server:call(desk, {release, Reply}, 60000).

init(server) -> {ok, []};
init(statem) -> {ok, open, []}.

handle_call({now, Value}, _, Waiting) -> {reply, Value, Waiting};
handle_call(later, From, Waiting) -> {noreply, [From | Waiting]};
handle_call(waiting, _, Waiting) -> {reply, length(Waiting), Waiting};
handle_call({release, Reply}, _, Waiting) ->
    [gen_server:reply(From, Reply) || From <- Waiting],
    {reply, length(Waiting), []};
handle_call({bytes, Size}, _, Waiting) -> {reply, bytes(Size), Waiting};
handle_call({end_for, Reason}, _, _) -> exit(Reason);
handle_call({stop, Reason}, _, Waiting) -> {stop, Reason, Waiting};
handle_call({stop, Reason, Reply}, _, Waiting) -> {stop, Reason, Reply, Waiting}.

handle_cast({release, Reply}, Waiting) -> [gen_server:reply(From, Reply) || From <- Waiting], {noreply, []}.

callback_mode() -> state_functions.

open({call, From}, {now, Value}, _) -> {keep_state_and_data, [{reply, From, Value}]};
open({call, From}, later, _) -> {keep_state, From};
open(cast, release, From) -> {keep_state_and_data, [{reply, From, released}]}.

fail_inside() -> nomodule:nofunction(1).

print() -> io:format("to be seen at ~p~n", [node()]), io:put_chars("and this\n"), {printed, group_leader()}.

bytes(Size) -> binary:copy(<<7>>, Size).

%% Waits under this name until it is sent a value.
wait(Name) -> register(Name, self()), receive Value -> Value end.

end_abruptly() -> exit(self(), kill), receive after infinity -> never end.

no_match(X) -> {a, b} = X.

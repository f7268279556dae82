%% A process that takes what a program sends, and says how much of it came as it should.
-module(sink).
-export([start/1, sum/0]).

start(What) -> register(sink, spawn(fun() -> loop(What, 0) end)).

sum() ->
    sink ! {sum, self()},
    receive {sum, Sum} -> Sum end.

loop(What, Sum) ->
    receive
        {sum, From} -> From ! {sum, Sum}, loop(What, Sum);
        Message -> loop(What, take(What, Message, Sum))
    end.

%% Numbers from 0 on, each once and in order.
take(numbers, Sum, Sum) -> Sum + 1;
%% A stream of bytes, each of which says where it stands.
take(bytes, Bytes, Sum) ->
    Bytes = << <<((At * 7 + At div 251) band 255)>> || At <- lists:seq(Sum, Sum + byte_size(Bytes) - 1) >>,
    Sum + byte_size(Bytes).

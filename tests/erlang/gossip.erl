%% Hears heartbeats as libcluster's strategy Gossip does: whoever says one and is not connected is connected. It says none by itself.
-module(gossip).
-export([start/2, stop/0, heard/0, heartbeat/1, send/1]).

-define(GROUP, {233, 252, 1, 32}).
-define(PORT, 45892).

%% Interface is an address of this host; Secret a binary, or none. Whoever has a secret that nobody else has hears nothing.
start(Interface, Secret) ->
    Starter = self(),
    Pid = spawn(fun() ->
        {ok, Socket} = gen_udp:open(?PORT, [
            binary, {active, true}, {reuseaddr, true}, {recvttl, true}, {add_membership, {?GROUP, Interface}},
            {multicast_if, Interface}, {multicast_ttl, 1}, {multicast_loop, true}
        ]),
        register(gossip, self()),
        Starter ! {self(), ok},
        loop(Socket, Secret, {[], 0})
    end),
    receive {Pid, ok} -> ok end.

stop() ->
    Ref = monitor(process, gossip),
    exit(whereis(gossip), kill),
    receive {'DOWN', Ref, _, _, _} -> ok end.

%% The nodes that were heard, each with the TTLs that its heartbeats had, and how many datagrams were none.
heard() ->
    gossip ! {heard, self()},
    receive {heard, {Heard, Unread}} -> {lists:usort(Heard), Unread} end.

heartbeat(Node) -> <<"heartbeat::", (term_to_binary(#{node => Node}))/binary>>.

send(Bytes) -> gossip ! {send, Bytes}, ok.

loop(Socket, Secret, {Heard, Unread} = State) ->
    receive
        {udp, Socket, _, _, [{ttl, TTL}], Datagram} ->
            case decode(Datagram, Secret) of
                Node when is_atom(Node), Node =/= unread ->
                    connect(Node),
                    loop(Socket, Secret, {[{Node, TTL} | Heard], Unread});
                _ ->
                    loop(Socket, Secret, {Heard, Unread + 1})
            end;
        {heard, From} ->
            From ! {heard, State},
            loop(Socket, Secret, State);
        {send, Bytes} ->
            ok = gen_udp:send(Socket, ?GROUP, ?PORT, Bytes),
            loop(Socket, Secret, State)
    end.

connect(Node) ->
    case lists:member(Node, [node() | nodes(connected)]) of
        true -> ok;
        false -> net_kernel:connect_node(Node)
    end.

decode(<<"heartbeat::", Term/binary>>, none) ->
    try #{node := Node} = binary_to_term(Term), Node catch error:_ -> unread end;
decode(<<Vector:16/binary, Encrypted/binary>>, Secret) when is_binary(Secret), byte_size(Encrypted) rem 16 =:= 0, Encrypted =/= <<>> ->
    Padded = crypto:crypto_one_time(aes_256_cbc, crypto:hash(sha256, Secret), Vector, Encrypted, false),
    Pad = binary:last(Padded),
    Size = byte_size(Padded) - Pad,
    case Padded of
        <<Plain:Size/binary, Rest/binary>> when Pad =< 16 ->
            case binary:copy(<<Pad>>, Pad) of
                Rest -> decode(Plain, none);
                _ -> unread
            end;
        _ ->
            unread
    end;
decode(_, _) ->
    unread.

%% A stand-in for libcluster where the real one is not to be had: it finds nodes by the same functions of OTP as the real one's strategies do, looks every
%% second, and connects to those that are not connected.
-module('Elixir.Cluster.Supervisor').
-export([child_spec/1, start_link/1]).

child_spec(Args) -> #{id => ?MODULE, start => {?MODULE, start_link, [Args]}}.

start_link([Topologies, _Opts]) ->
    {ok, spawn_link(fun() -> [spawn_link(fun() -> look(Topology) end) || {_, Topology} <- Topologies], receive never -> ok end end)}.

look(Topology) ->
    Config = proplists:get_value(config, Topology, []),
    Found = found(proplists:get_value(strategy, Topology), fun(Key) -> proplists:get_value(Key, Config) end),
    [net_kernel:connect_node(Node) || Node <- Found -- [node() | nodes(connected)]],
    timer:sleep(1000),
    look(Topology).

found('Elixir.Cluster.Strategy.Epmd', Of) -> Of(hosts);
found('Elixir.Cluster.Strategy.LocalEpmd', _) ->
    [_, Host] = string:split(atom_to_list(node()), "@"),
    {ok, Names} = erl_epmd:names(),
    nodes_of(Names, Host);
found('Elixir.Cluster.Strategy.ErlangHosts', _) ->
    lists:append([nodes_of(Names, atom_to_list(Host)) || Host <- net_adm:host_file(), {ok, Names} <- [net_adm:names(Host)]]);
found('Elixir.Cluster.Strategy.DNSPoll', Of) ->
    Addresses = [Address || Type <- [a, aaaa], Address <- inet_res:lookup(binary_to_list(Of(query)), in, Type)],
    [list_to_atom(binary_to_list(Of(node_basename)) ++ "@" ++ inet_parse:ntoa(Address)) || Address <- Addresses];
found('Elixir.Cluster.Strategy.Gossip', _) ->
    Group = {{233, 252, 1, 32}, {0, 0, 0, 0}},
    {ok, Socket} = gen_udp:open(45892, [binary, {active, false}, {reuseaddr, true}, {add_membership, Group}]),
    {ok, {_, _, <<"heartbeat::", Term/binary>>}} = gen_udp:recv(Socket, 0),
    ok = gen_udp:close(Socket),
    #{node := Node} = binary_to_term(Term),
    [Node].

nodes_of(Names, Host) -> [list_to_atom(Name ++ "@" ++ Host) || {Name, _} <- Names].

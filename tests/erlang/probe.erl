%% What the tests need compiled on the Erlang side: terms of every kind, floods, and everything at once.
-module(probe).
-export([terms/2, nested/1, echo_all/2, flood/1, flood/2, pour/3, soak/3]).

%% Count terms, the same ones for the same seed: first one of every kind that a tag of the external format stands for, then random ones.
terms(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    Corners = corners(),
    Corners ++ [small_enough(4) || _ <- lists:seq(1, Count - length(Corners))].

%% Sends every term to the mailbox echo of Node, and returns those that came back changed, or not at all.
echo_all(Node, Terms) ->
    Numbered = lists:zip(lists:seq(1, length(Terms)), Terms),
    [{echo, Node} ! {self(), Sent} || Sent <- Numbered],
    [T || {I, T} <- Numbered, receive {echo, {I, Back}} -> Back =/= T after 60000 -> true end].

%% Count messages to echo; ok when every answer came, in the order of the questions.
flood(Node, Count) ->
    Self = self(),
    spawn_link(fun() -> [{echo, Node} ! {Self, I} || I <- lists:seq(1, Count)] end),
    in_order(1, Count).

%% Messages to echo without end, and how many answers came to whoever asks.
flood(Node) ->
    Self = self(),
    spawn_link(fun Pour() -> {echo, Node} ! {Self, flood}, Pour() end),
    answers(0).

answers(Count) ->
    receive
        {echo, flood} -> answers(Count + 1);
        {count, To} -> To ! {counted, Count}, answers(Count)
    end.

in_order(I, Count) when I > Count -> ok;
in_order(I, Count) ->
    receive
        {echo, I} -> in_order(I + 1, Count);
        {echo, Other} -> {expected, I, got, Other}
    after 60000 -> {never_came, I}
    end.

%% Count messages that nobody answers, then one that is.
pour(Node, Name, Count) ->
    [{Name, Node} ! {reading, I, 21.5, <<"sensor-17">>, #{unit => celsius}} || I <- lists:seq(1, Count)],
    {echo, Node} ! {self(), poured},
    receive {echo, poured} -> ok after 60000 -> never_came end.

%% Callers processes call the mailbox soak of Node so often each, while others monitor it, link to it and call its function all the
%% time. How many rounds those others made, and everything that was not as it should be.
soak(Node, Callers, Calls) ->
    Server = {soak, Node},
    Pid = gen_server:call(Server, pid, 60000),
    Calling = [spawn_monitor(fun() -> [call(Server, Number, N) || N <- lists:seq(1, Calls)] end) || Number <- lists:seq(1, Callers)],
    Rounds =
        lists:duplicate(10, fun(N) -> monitor_round(Server, Pid, N) end)
        ++ lists:duplicate(5, fun(N) -> link_round(Server, Pid, N) end)
        ++ lists:duplicate(3, fun(N) -> function_round(Node, N) end),
    Beside = [spawn_monitor(fun() -> process_flag(trap_exit, true), rounds(Round, 1) end) || Round <- Rounds],
    Bad = [Why || {_, Ref} <- Calling, Why <- [down(Ref)], Why =/= normal],
    [P ! stop || {P, _} <- Beside],
    {Made, Worse} = lists:partition(fun is_rounds/1, [down(Ref) || {_, Ref} <- Beside]),
    Server ! done,
    {lists:sum([N || {rounds, N} <- Made]), Bad ++ Worse}.

is_rounds({rounds, _}) -> true;
is_rounds(_) -> false.

down(Ref) -> receive {'DOWN', Ref, _, _, Why} -> Why after 60000 -> never_ended end.

%% Rounds until told to stop; nobody else sends anything.
rounds(Round, N) ->
    Round(N),
    receive
        stop -> exit({rounds, N});
        Other -> exit({unexpected, Other})
    after 0 -> rounds(Round, N + 1) end.

call(Server, Number, N) ->
    Square = N * N,
    {Number, N, Square} = gen_server:call(Server, {Number, N}, 60000).

%% Each round ends with a call, so that it is no faster than the node.
monitor_round(Server, Pid, N) ->
    Refs = [monitor(process, Process) || Process <- [Server, Pid, Server, Pid]],
    demonitor(hd(Refs)),
    call(Server, monitors, N),
    [demonitor(Ref) || Ref <- tl(Refs)].

link_round(Server, Pid, N) ->
    link(Pid), unlink(Pid), link(Pid),
    call(Server, links, N),
    unlink(Pid),
    {_, Ref} = spawn_monitor(fun() -> link(Pid), call(Server, child, N) end),
    normal = down(Ref).

function_round(Node, N) ->
    Square = N * N,
    Square = erpc:call(Node, soak, square, [N], 60000).

corners() ->
    [0, 255, 256, -1, 2147483647, -2147483648, 2147483648, -2147483649, 1 bsl 63, -(1 bsl 64), 1 bsl 2039, 1 bsl 2040, -(1 bsl 4096),
     0.0, -0.0, 1.0, -1.5, 0.1, 1.0e22, 1.0e23, 5.0e-324, 1.7976931348623157e308, 123456789.0, 1.0e-7,
     a, '', 'with space', 'Upper', 'it\'s', 'new\nline', '\x{e5}ngstr\x{f6}m', list_to_atom([16#3b1, 16#3b2]), list_to_atom(lists:duplicate(255, $x)),
     list_to_atom(lists:duplicate(255, 16#20ac)), true, false, undefined, 'receive',
     {}, {a}, list_to_tuple(lists:seq(1, 255)), list_to_tuple(lists:seq(1, 256)),
     [], [1], "text", "tab\there \"quoted\" \\", [0], [255], [256], [1 | 2], [a, b | c], lists:seq(1, 300), lists:duplicate(65535 div 16, $y),
     [[], [[]], [[[]]]],
     <<>>, <<"text">>, <<0, 1, 2>>, <<"caf", 233>>, binary:copy(<<"0123456789">>, 800), <<1:1>>, <<1, 2, 3:3>>, <<255:7>>,
     #{}, #{a => 1}, #{1 => #{2 => #{}}, "k" => <<"v">>, {t} => [l]}, maps:from_list([{I, I * I} || I <- lists:seq(1, 100)]),
     self(), make_ref(), hd(erlang:ports()), node(), group_leader(),
     foreign_pid(), foreign_ref(1), foreign_ref(3), foreign_ref(most_words()), foreign_port(),
     fun lists:map/2, fun erlang:'+'/2, fun() -> ok end, adder({some, <<"environment">>, self()}), nested(100)].

nested(0) -> bottom;
nested(N) -> {[nested(N - 1)]}.

adder(X) -> fun(Y) -> {X, Y} end.

foreign_pid() -> binary_to_term(<<131, 88, (other_node())/binary, 77:32, 5:32, 4711:32>>).
foreign_port() ->
    case otp() of
        23 -> binary_to_term(<<131, 89, (other_node())/binary, 123456:32, 4711:32>>);
        _ -> binary_to_term(<<131, 120, (other_node())/binary, 123456789012:64, 4711:32>>)
    end.
foreign_ref(Words) -> binary_to_term(<<131, 90, Words:16, (other_node())/binary, 4711:32, 4711:32, (binary:copy(<<1, 2, 3, 4>>, Words - 1))/binary>>).

%% OTP 23 takes neither references of more than three words nor the numbers of ports above 28 bits.
most_words() -> case otp() of 23 -> 3; _ -> 5 end.

otp() -> list_to_integer(erlang:system_info(otp_release)).

other_node() -> <<119, 10, "far@away.x">>.

small_enough(Depth) ->
    Term = term(Depth),
    case byte_size(term_to_binary(Term)) of
        Size when Size =< 8192 -> Term;
        _ -> small_enough(Depth - 1)
    end.

term(Depth) when Depth =< 0 -> leaf(pick(13));
term(Depth) ->
    case pick(22) of
        Kind when Kind =< 13 -> leaf(Kind);
        14 -> list_to_tuple(terms_below(Depth));
        15 -> terms_below(Depth);
        16 -> terms_below(Depth) ++ leaf(pick(13));
        17 -> maps:from_list([{term(Depth - 2), term(Depth - 1)} || _ <- lists:seq(1, pick(9) - 1)]);
        %% Large maps are hashed, and OTP 25 does not hash a reference of another node the same way twice when it has not three words.
        18 -> maps:from_list([{leaf(pick(12)), leaf(pick(13))} || _ <- lists:seq(1, 20 + pick(40))]);
        19 -> adder(term(Depth - 1));
        20 -> list_to_tuple([leaf(pick(13)) || _ <- lists:seq(1, pick(300))]);
        21 -> [term(Depth - 1) | term(Depth - 1)];
        22 -> {term(Depth - 1), term(Depth - 1)}
    end.

terms_below(Depth) -> [term(Depth - 1) || _ <- lists:seq(1, pick(8) - 1)].

leaf(1) -> pick(1000) - 500;
leaf(2) -> sign() * rand:uniform(1 bsl 34);
leaf(3) -> sign() * rand:uniform(1 bsl (8 * pick(300)));
leaf(4) -> sign() * rand:uniform();
leaf(5) -> float_of_any_bits();
leaf(6) -> list_to_atom([$a + pick(26) - 1 || _ <- lists:seq(1, pick(12))]);
leaf(7) -> list_to_atom([character() || _ <- lists:seq(1, pick(20))]);
leaf(8) -> [pick(256) - 1 || _ <- lists:seq(1, pick(40))];
leaf(9) -> [31 + pick(95) || _ <- lists:seq(1, pick(40))];
leaf(10) -> bytes(pick(400) - 1);
leaf(11) -> list_to_binary([31 + pick(95) || _ <- lists:seq(1, pick(60))]);
leaf(12) -> Size = pick(77), <<Bits:Size/bitstring, _/bitstring>> = bytes(10), Bits;
leaf(13) ->
    lists:nth(pick(9), [self(), make_ref(), hd(erlang:ports()), foreign_pid(), foreign_ref(pick(most_words())), foreign_port(), [], fun maps:get/3, fun term/1]).

character() -> lists:nth(pick(4), [31 + pick(95), 160 + pick(90), 16#3a0 + pick(60), 16#1f300 + pick(200)]).

float_of_any_bits() ->
    case bytes(8) of
        <<F/float>> -> F;
        _ -> float_of_any_bits()
    end.

sign() -> lists:nth(pick(2), [1, -1]).

%% rand:bytes/1 is not in OTP 23.
bytes(Count) -> << <<(pick(256) - 1)>> || _ <- lists:seq(1, Count) >>.

pick(N) -> rand:uniform(N).

%% The hub's side of boxes that run the agent of beamless: a process that collects what they publish, and knows which of them are late or away.
%% Copy this file into an application, and put `beamless_hub:child_spec(#{})' among the children of a supervisor. It takes nothing but kernel
%% and stdlib, from OTP 23 on. `beamless_hub.ex' is the same in Elixir.
%%
%% A box publishes to the process by its registered name, `collector' unless the option `name' says another:
%%
%%     [[publish]]
%%     file = "/sys/class/thermal/thermal_zone0/temp"
%%     every = "10s"
%%     to = "collector"
%%     node = "hub@nuc3"
%%
%% What is kept is bounded by the options, and lost with the process: the last reading of each label comes back with the next one.
-module(beamless_hub).
-behaviour(gen_server).

-export([child_spec/1, start_link/0, start_link/1]).
-export([last/0, last/1, last/2, boxes/0, forget/1]).
-export([subscribe/0, subscribe/1, unsubscribe/1]).
-export([call_all/3, call_all/4, info/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([options/0, label/0, time/0, reading/0, alarm/0, state/0, box/0, event/0]).

%% `name': what the process is registered as. There is one on a node: the functions of this module find it by themselves.
%% `boxes': those that are to be there. They are away until they come; others are known from their first message on.
%% `every': after how many milliseconds a reading is usual, for all labels or for each; where it does not say, that is learned.
%% `check': after how many milliseconds it looks for those that are late. It is also the shortest silence that makes one late.
%% `max_boxes', `max_labels', `max_value': how many boxes are kept, how many labels and alarms of each, and how many bytes a value has in the
%% external format. What is beyond is dropped, which is logged once; where there is no room for one that is connected, that which
%% has been away for longest makes some, unless it is one of `boxes'.
-type options() :: #{
    name => atom(),
    boxes => [node()],
    every => learned | pos_integer() | #{label() => pos_integer()},
    check => pos_integer(),
    max_boxes => non_neg_integer(),
    max_labels => non_neg_integer(),
    max_value => non_neg_integer()
}.
-type label() :: binary().
%% Milliseconds since 1970, by the clock of whoever says it.
-type time() :: integer().
%% `ms': when the box took it; `undefined' if it sent it before its clock was set. `received': when it came here. `number': `undefined' from an
%% agent that does not number them.
-type reading() :: #{value := term(), ms := time() | undefined, received := time(), number := non_neg_integer() | undefined}.
%% What an agent raised, and has not cleared: what it is, and of which node, program or reading.
-type alarm() :: #{what := atom(), name := binary(), text := binary(), ms := time() | undefined}.
%% `away': not connected. `late': connected, and a reading is not there after three times its usual interval.
-type state() :: up | late | away.
%% `late': the labels whose readings are. `repeats': how many readings came again, and were dropped.
-type box() :: #{
    state := state(),
    since := time(),
    late := [label()],
    received := time() | undefined,
    labels := [label()],
    alarms := [alarm()],
    repeats := non_neg_integer()
}.
%% What a subscriber is told.
-type event() ::
    {reading, node(), label(), time() | undefined, Value :: term()}
    | {box, node(), state()}
    | {health, node(), What :: atom(), raised | cleared, Name :: binary(), Text :: binary(), time() | undefined}.

%% The number of a box's first start is below this, unless its clock was set.
-define(FIRST_START, (2 bsl 24)).
%% From how many intervals the usual one is learned: few, so that one that was odd is soon forgotten.
-define(GAPS, 5).
%% How many of its usual intervals make a reading late.
-define(LATE, 3).
%% Labels, and the texts of alarms, in bytes.
-define(LONGEST, 1024).
%% No time and no number is larger. It also bounds what they take.
-define(LARGEST, (1 bsl 60)).

-define(IS_TIME(Ms), (Ms =:= undefined orelse (is_integer(Ms) andalso Ms >= 0 andalso Ms < ?LARGEST))).
-define(IS_TEXT(Text), (is_binary(Text) andalso byte_size(Text) =< ?LONGEST)).

%% @doc Returns what a supervisor starts the process by.
-spec child_spec(options()) -> supervisor:child_spec().
child_spec(Options) ->
    #{id => ?MODULE, start => {?MODULE, start_link, [Options]}}.

%% @doc Starts the process with what is usual.
-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    start_link(#{}).

%% @doc Starts the process.
-spec start_link(options()) -> {ok, pid()} | {error, term()}.
start_link(Options) ->
    #{name := Name} = All = maps:merge(defaults(), Options),
    gen_server:start_link({local, Name}, ?MODULE, All, []).

defaults() ->
    #{
        name => collector,
        boxes => [],
        every => learned,
        check => 1000,
        max_boxes => 10000,
        max_labels => 64,
        max_value => 65536
    }.

%% @doc Returns the last reading of each box and label.
-spec last() -> #{node() => #{label() => reading()}}.
last() ->
    ask(last).

%% @doc Returns the last reading of each label of a box: none if it is not known.
-spec last(node()) -> #{label() => reading()}.
last(Box) ->
    ask({last, Box}).

%% @doc Returns the last reading of a box and label.
-spec last(node(), label()) -> {ok, reading()} | error.
last(Box, Label) ->
    maps:find(Label, last(Box)).

%% @doc Returns how the boxes are.
-spec boxes() -> #{node() => box()}.
boxes() ->
    ask(boxes).

%% @doc Forgets a box that will not come back. If it does, it is a new one.
-spec forget(node()) -> ok.
forget(Box) ->
    ask({forget, Box}).

%% @doc Has the caller told what comes: see {@link event()}.
-spec subscribe() -> ok.
subscribe() ->
    subscribe(self()).

%% @doc Has a process told what comes, once, until it ends. If it is on another node, it misses what its connection has no room for.
-spec subscribe(pid()) -> ok.
subscribe(Pid) when is_pid(Pid) ->
    ask({subscribe, Pid}).

%% @doc Ends that. What is under way may still come.
-spec unsubscribe(pid()) -> ok.
unsubscribe(Pid) when is_pid(Pid) ->
    ask({unsubscribe, Pid}).

%% @doc Calls a function on all boxes, and waits for five seconds.
-spec call_all(module(), atom(), [term()]) -> [{node(), {ok, term()} | {error, term()}}].
call_all(M, F, A) ->
    call_all(M, F, A, 5000).

%% @doc Calls a function on all boxes at once, and waits for so many milliseconds. A box that is away is not dialled: `{error, noconnection}'.
%% What a box does not serve is `{error, undef}', and what it does not answer in time `{error, timeout}'.
-spec call_all(module(), atom(), [term()], timeout()) -> [{node(), {ok, term()} | {error, term()}}].
call_all(M, F, A, Timeout) ->
    {Connected, Away} = ask(connected),
    Results = lists:zip(Connected, erpc:multicall(Connected, M, F, A, Timeout)),
    lists:sort([{Box, result(R)} || {Box, R} <- Results] ++ [{Box, {error, noconnection}} || Box <- Away]).

result({ok, Value}) -> {ok, Value};
result({error, {exception, Reason, _Stack}}) -> {error, Reason};
result({error, {erpc, Reason}}) -> {error, Reason};
result(ExitOrThrow) -> {error, ExitOrThrow}.

%% @doc Returns what a box says of itself: memory, disk, temperatures, programs, what waits. One that is away is not dialled.
-spec info(node()) -> {ok, #{atom() => term()}} | {error, term()}.
info(Box) ->
    case lists:member(Box, nodes(connected)) of
        true ->
            try gen_server:call({system, Box}, info) of
                #{} = Info -> {ok, Info};
                {error, Reason} -> {error, Reason}
            catch
                exit:{Reason, _Call} -> {error, Reason}
            end;
        false ->
            {error, noconnection}
    end.

ask(Request) ->
    gen_server:call(persistent_term:get(?MODULE, collector), Request).

%% The process

%% @private
-spec init(options()) -> {ok, map()} | {stop, term()}.
init(#{name := Name, boxes := Expected} = Options) ->
    case maps:keys(maps:without(maps:keys(defaults()), Options)) of
        [] ->
            persistent_term:put(?MODULE, Name),
            % boxes are hidden nodes, of which the plain form says nothing
            ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
            Boxes = maps:from_list([{Box, new_box(Box)} || Box <- Expected]),
            {ok, check_later(#{options => Options, boxes => Boxes, subscribers => #{}, said => #{}, timer => none})};
        Unknown ->
            {stop, {unknown_options, Unknown}}
    end.

%% @private
-spec handle_call(term(), {pid(), term()}, map()) -> {reply, term(), map()}.
handle_call(last, _From, #{boxes := Boxes} = State) ->
    {reply, maps:map(fun(_Box, Entry) -> readings(Entry) end, Boxes), State};
handle_call({last, Box}, _From, #{boxes := Boxes} = State) ->
    case Boxes of
        #{Box := Entry} -> {reply, readings(Entry), State};
        #{} -> {reply, #{}, State}
    end;
handle_call(boxes, _From, #{boxes := Boxes} = State) ->
    {reply, maps:map(fun(_Box, Entry) -> row(Entry) end, Boxes), State};
handle_call(connected, _From, #{boxes := Boxes} = State) ->
    {Connected, Away} = lists:partition(fun({_Box, #{connected := Is}}) -> Is end, maps:to_list(Boxes)),
    {reply, {[Box || {Box, _} <- Connected], [Box || {Box, _} <- Away]}, State};
handle_call({forget, Box}, _From, State) ->
    {reply, ok, drop_box(Box, State)};
handle_call({subscribe, Pid}, _From, #{subscribers := Subscribers} = State) when is_pid(Pid) ->
    case Subscribers of
        #{Pid := _} -> {reply, ok, State};
        #{} -> {reply, ok, State#{subscribers := Subscribers#{Pid => monitor(process, Pid)}}}
    end;
handle_call({unsubscribe, Pid}, _From, #{subscribers := Subscribers} = State) ->
    case maps:take(Pid, Subscribers) of
        {Ref, Others} ->
            demonitor(Ref, [flush]),
            {reply, ok, State#{subscribers := Others}};
        error ->
            {reply, ok, State}
    end;
handle_call(_Request, _From, State) ->
    {reply, {error, unknown_request}, State}.

%% @private
-spec handle_cast(term(), map()) -> {noreply, map()}.
handle_cast(_Request, State) ->
    {noreply, stranger(State)}.

%% @private
-spec handle_info(term(), map()) -> {noreply, map()}.
handle_info({publish, Box, Label, Ms, Value}, State) when is_atom(Box), ?IS_TEXT(Label), ?IS_TIME(Ms) ->
    {noreply, take(Box, Label, Ms, Value, undefined, State)};
handle_info({publish, Box, Label, Ms, Value, Number}, State) when
    is_atom(Box), ?IS_TEXT(Label), ?IS_TIME(Ms), is_integer(Number), Number >= 0, Number < ?LARGEST
->
    {noreply, take(Box, Label, Ms, Value, Number, State)};
handle_info({health, Box, What, How, Name, Text, Ms}, State) when
    is_atom(Box), is_atom(What), How =:= raised orelse How =:= cleared, ?IS_TEXT(Name), ?IS_TEXT(Text), ?IS_TIME(Ms)
->
    {noreply, alarm(Box, How, #{what => What, name => Name, text => Text, ms => Ms}, State)};
handle_info({nodeup, Box, _}, #{boxes := Boxes} = State) ->
    case Boxes of
        #{Box := #{alarms := Alarms} = Entry} ->
            % it tells anew what is raised, but not what was cleared meanwhile
            _ = [
                tell({health, Box, What, cleared, Name, Text, undefined}, State)
             || #{what := What, name := Name, text := Text} <- maps:values(Alarms)
            ],
            {noreply, put_box(Box, Entry#{connected := true, quiet := monotonic(), alarms := #{}}, State)};
        #{} ->
            {noreply, State}
    end;
handle_info({nodedown, Box, _}, #{boxes := Boxes} = State) ->
    case Boxes of
        #{Box := #{labels := Labels} = Entry} ->
            % it may be another start of the box that comes back
            Anew = maps:map(fun(_Label, Kept) -> Kept#{anew := true} end, Labels),
            {noreply, put_box(Box, Entry#{connected := false, late := [], labels := Anew}, State)};
        #{} ->
            {noreply, State}
    end;
handle_info({'DOWN', Ref, process, Pid, _}, #{subscribers := Subscribers} = State) ->
    case Subscribers of
        #{Pid := Ref} -> {noreply, State#{subscribers := maps:remove(Pid, Subscribers)}};
        #{} -> {noreply, State}
    end;
% with its reference, so that nobody else starts a second clock
handle_info({timeout, Timer, check}, #{timer := Timer, boxes := Boxes} = State) ->
    Now = monotonic(),
    {noreply, check_later(maps:fold(fun(Box, Entry, Then) -> check(Box, Entry, Now, Then) end, State, Boxes))};
handle_info(_Message, State) ->
    {noreply, stranger(State)}.

%% Readings

take(Box, Label, Ms, Value, Number, #{options := #{max_labels := Max, max_value := MaxValue}} = State) ->
    case find_box(Box, State) of
        {ok, #{labels := Labels, repeats := Repeats} = Entry, #{boxes := Boxes} = Found} ->
            Old = maps:get(Label, Labels, none),
            IsRepeat = is_repeat(Number, Ms, Old),
            IsLarge = not IsRepeat andalso erlang:external_size(Value) > MaxValue,
            if
                IsRepeat ->
                    Found#{boxes := Boxes#{Box := Entry#{repeats := Repeats + 1}}};
                IsLarge ->
                    once({value, Box}, Box, "~ts: a value of ~ts has more than ~b bytes, and is dropped", [Box, Label, MaxValue], Found);
                Old =:= none, map_size(Labels) >= Max ->
                    once({labels, Box}, Box, "~ts: it has more than ~b labels, and ~ts is dropped", [Box, Max, Label], Found);
                true ->
                    Kept = keep(Ms, Value, Number, Old),
                    Late = lists:delete(Label, maps:get(late, Entry)),
                    New = Entry#{labels := Labels#{Label => Kept}, late := Late, received := maps:get(received, Kept)},
                    tell({reading, Box, Label, Ms, Value}, put_box(Box, New, Found))
            end;
        full ->
            full(Box, State)
    end.

%% The readings of a label come in order, some of them again: those which the box does not know to have arrived. Their numbers grow from
%% one start of the box to the next if it has a folder for its state, or a clock. If it has neither, it counts from the same number
%% again. Then it is better to have a reading twice than never.
is_repeat(Number, Ms, #{number := Last, ms := LastMs, anew := Anew}) when is_integer(Number), is_integer(Last), Number =< Last ->
    IsLater = is_integer(Ms) andalso is_integer(LastMs) andalso Ms > LastMs,
    not (Anew andalso (IsLater orelse Number < ?FIRST_START));
is_repeat(_Number, _Ms, _Old) ->
    false.

keep(Ms, Value, Number, Old) ->
    New = #{value => Value, ms => Ms, received => now_ms(), number => Number, at => monotonic(), anew => false, gaps => []},
    case Old of
        none -> New;
        #{gaps := Gaps} -> New#{gaps := lists:sublist(gap(New, Old) ++ Gaps, ?GAPS)}
    end.

%% By the box's clock where it is set, for what waited while the hub was away comes all at once. A clock that was set back says nothing.
gap(#{ms := Ms}, #{ms := Before}) when is_integer(Ms), is_integer(Before) -> [Ms - Before || Ms > Before];
gap(#{at := At}, #{at := Before}) -> [At - Before].

readings(#{labels := Labels}) ->
    maps:map(fun(_Label, Kept) -> maps:with([value, ms, received, number], Kept) end, Labels).

%% Boxes

%% Its entry: a new one, if there is room for it.
find_box(Box, #{boxes := Boxes} = State) ->
    case Boxes of
        #{Box := Entry} ->
            {ok, Entry, State};
        #{} ->
            case make_room(Box, State) of
                {ok, #{boxes := Others} = Roomy} ->
                    Entry = new_box(Box),
                    {ok, Entry, changed(Box, Entry, Roomy#{boxes := Others#{Box => Entry}})};
                full ->
                    full
            end
    end.

%% A box with a dynamic name has another one whenever it connects, and leaves the one before in the table.
make_room(_Box, #{boxes := Boxes, options := #{max_boxes := Max}} = State) when map_size(Boxes) < Max ->
    {ok, State};
make_room(Box, #{boxes := Boxes, options := #{boxes := Expected}} = State) ->
    Away = [{Since, Other} || {Other, #{connected := false, since := Since}} <- maps:to_list(maps:without(Expected, Boxes))],
    case Away =/= [] andalso lists:member(Box, nodes(connected)) of
        true -> {ok, drop_box(element(2, lists:min(Away)), State)};
        false -> full
    end.

drop_box(Box, #{boxes := Boxes, said := Said} = State) ->
    State#{boxes := maps:remove(Box, Boxes), said := maps:without([{labels, Box}, {value, Box}], Said)}.

new_box(Box) ->
    Connected = lists:member(Box, nodes(connected)),
    Entry = #{
        connected => Connected,
        % since when, by the monotonic clock, silence counts
        quiet => monotonic(),
        labels => #{},
        late => [],
        alarms => #{},
        received => undefined,
        repeats => 0,
        since => now_ms()
    },
    Entry#{state => state(Entry)}.

%% Puts it back, and tells how it is now if that is new.
put_box(Box, #{state := Was} = Entry, #{boxes := Boxes} = State) ->
    case state(Entry) of
        Was ->
            State#{boxes := Boxes#{Box := Entry}};
        Is ->
            New = Entry#{state := Is, since := now_ms()},
            changed(Box, New, State#{boxes := Boxes#{Box := New}})
    end.

state(#{connected := false}) -> away;
state(#{late := [_ | _]}) -> late;
state(#{}) -> up.

changed(Box, #{state := Is, late := Late}, State) ->
    case Is of
        up -> log(notice, Box, "~ts is up", [Box]);
        late -> log(warning, Box, "~ts is late with ~ts", [Box, lists:join(", ", Late)]);
        away -> log(warning, Box, "~ts is away", [Box])
    end,
    tell({box, Box, Is}, State).

check(Box, #{connected := true, labels := Labels, quiet := Quiet} = Entry, Now, #{options := Options} = State) ->
    IsLate = fun(Label, #{at := At, gaps := Gaps}) -> Now - max(At, Quiet) > patience(Label, Gaps, Options) end,
    put_box(Box, Entry#{late := lists:sort(maps:keys(maps:filter(IsLate, Labels)))}, State);
check(_Box, _Entry, _Now, State) ->
    State.

%% How long a label may be silent. An atom is longer than any time: where nothing is known yet, it is not late.
patience(Label, Gaps, #{every := Every, check := Check}) ->
    Interval =
        case {Every, Gaps} of
            {#{Label := Given}, _} -> Given;
            {Given, _} when is_integer(Given) -> Given;
            {_, []} -> unknown;
            {_, _} -> lists:max(Gaps)
        end,
    case Interval of
        unknown -> unknown;
        _ -> max(Check, ?LATE * Interval)
    end.

row(#{labels := Labels, alarms := Alarms} = Entry) ->
    Row = maps:with([state, since, late, received, repeats], Entry),
    Row#{labels => lists:sort(maps:keys(Labels)), alarms => maps:values(Alarms)}.

%% An agent tells that one is raised or cleared, and sometimes again what is raised, which is no news.
alarm(Box, How, #{what := What, name := Name, text := Text, ms := Ms} = Alarm, #{options := #{max_labels := Max}} = State) ->
    Key = {What, Name},
    case find_box(Box, State) of
        {ok, #{alarms := #{Key := #{text := Text}}}, Found} when How =:= raised ->
            Found;
        {ok, #{alarms := Alarms} = Entry, #{boxes := Boxes} = Found} ->
            IsKept = map_size(Alarms) < Max orelse maps:is_key(Key, Alarms),
            {Level, New} =
                case How of
                    cleared -> {notice, maps:remove(Key, Alarms)};
                    raised when IsKept -> {warning, Alarms#{Key => Alarm}};
                    raised -> {warning, Alarms}
                end,
            log(Level, Box, "~ts: ~ts ~ts: ~ts", [Box, What, How, Text]),
            tell({health, Box, What, How, Name, Text, Ms}, Found#{boxes := Boxes#{Box := Entry#{alarms := New}}});
        full ->
            full(Box, State)
    end.

%% Whom it tells, and what it logs

%% Nobody holds it up: to another node it neither waits for room nor connects.
tell(Event, #{subscribers := Subscribers} = State) ->
    _ = [erlang:send(Pid, Event, [nosuspend, noconnect]) || Pid <- maps:keys(Subscribers)],
    State.

full(Box, #{options := #{max_boxes := Max}} = State) ->
    once(boxes, Box, "there are more than ~b boxes, and ~ts is not kept", [Max, Box], State).

stranger(State) ->
    once(stranger, none, "a message came that is none of an agent's, and is dropped", [], State).

%% Others cause these lines: one is enough.
once(What, Box, Format, Args, #{said := Said} = State) ->
    case Said of
        #{What := _} ->
            State;
        #{} ->
            log(warning, Box, Format ++ "; others are dropped in silence", Args),
            State#{said := Said#{What => true}}
    end.

%% Without a domain: the usual handler passes over those that it does not know.
log(Level, Box, Format, Args) ->
    logger:log(Level, Format, Args, #{box => Box}).

check_later(#{options := #{check := Check}} = State) ->
    State#{timer := erlang:start_timer(Check, self(), check)}.

now_ms() ->
    erlang:system_time(millisecond).

monotonic() ->
    erlang:monotonic_time(millisecond).

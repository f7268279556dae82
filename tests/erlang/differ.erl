%% What Erlang says to terms and texts that come in batches on its standard input, each batch behind four bytes of its length.
-module(differ).
-export([serve/0]).

serve() -> serve(open_port({fd, 0, 1}, [binary, {packet, 4}, eof])).

serve(Port) ->
    receive
        {Port, {data, <<What, Records/binary>>}} ->
            port_command(Port, answers(What, records(Records))),
            serve(Port);
        {Port, eof} -> halt(0)
    end.

records(<<Size:32, Record:Size/binary, Rest/binary>>) -> [Record | records(Rest)];
records(<<>>) -> [].

string(Bytes) -> [<<(iolist_size(Bytes)):32>>, Bytes].

%% Terms: one byte each, and of those that are taken how many bytes they have, and the term as Erlang encodes it.
answers($b, Records) -> [taken(Bytes) || Bytes <- Records];
%% Terms with two texts of each: what is read of those texts, and the texts that Erlang has for the terms.
answers($t, [Bytes, Plain, Unicode | More]) ->
    Term = binary_to_term(Bytes),
    [read(Plain, Term), read(Unicode, Term), [string(printed(Format, Term)) || Format <- ["~w", "~p", "~0p", "~tw", "~tp", "~0tp"]]
     | answers($t, More)];
%% Texts, each with the term that it was read as or with nothing: who reads it, and whether as the same.
answers($m, [Text, <<>> | More]) ->
    [case parse(Text) of {ok, _} -> $E; error -> $n end | answers($m, More)];
answers($m, [Text, Bytes | More]) -> [read(Text, binary_to_term(Bytes)) | answers($m, More)];
answers(_, []) -> [].

%% Safe is what a stranger's bytes are read with: no atom is made of them that was not there. So what is taken otherwise is tried again.
taken(Bytes) ->
    case decoded(Bytes, [safe, used]) of
        {ok, Term, Used} -> [$s, <<Used:32>>, string(term_to_binary(Term, [{minor_version, 2}]))];
        error ->
            case decoded(Bytes, [used]) of
                {ok, Term, Used} ->
                    Kind = case decoded(Bytes, [safe, used]) of {ok, _, _} -> $a; error -> $f end,
                    [Kind, <<Used:32>>, string(term_to_binary(Term, [{minor_version, 2}]))];
                error -> $n
            end
    end.

decoded(Bytes, Options) ->
    try
        {Term, Used} = binary_to_term(Bytes, Options),
        {ok, Term, Used}
    catch _:_ -> error
    end.

read(Text, Term) ->
    case parse(Text) of
        error -> $o;
        {ok, Read} ->
            case term_to_binary(Read) =:= term_to_binary(Term) of
                true -> $=;
                false -> $x
            end
    end.

parse(Bytes) ->
    try
        Text = unicode:characters_to_list(Bytes),
        erl_parse:parse_term(tokens(Text))
    of
        {ok, Term} -> {ok, Term};
        _ -> error
    catch _:_ -> error
    end.

%% Those of a text with a full stop, which it gets if it has none.
tokens(Text) ->
    case erl_scan:string(Text ++ "\n") of
        {ok, [_ | _] = Tokens, End} ->
            case lists:last(Tokens) of
                {dot, _} -> Tokens;
                _ -> Tokens ++ [{dot, End}]
            end;
        _ -> error
    end.

printed(Format, Term) -> unicode:characters_to_binary(io_lib:format(Format, [Term])).

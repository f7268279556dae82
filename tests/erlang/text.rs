//! Terms and their text against a real Erlang: what it encodes is decoded and encoded again to the same bytes, its `~0p` is our text,
//! and what we read is what it reads. OTP 23 prints some floats otherwise, and reads a little more.

use std::fs;
use std::process::Stdio;

use beamless::{Term, TermWriter, Value, Written, encode, parse_text};

use crate::children;
use crate::support::{erl_command, otp};

/// How many random terms there are, floats aside. The same ones in every run.
const TERMS: usize = 1000;

const GENERATOR: &str = r##"
-module(text_terms).
-export([dump/2, judge/2]).

%% One line a term: its external format in hexadecimal, then its text twice.
dump(File, Count) ->
    rand:seed(exsss, {2, 5, 25}),
    Corners = corners(),
    Terms = Corners ++ [term(5) || _ <- lists:seq(length(Corners) + 1, Count)] ++ [[float() || _ <- lists:seq(1, 200)] || _ <- lists:seq(1, 100)],
    Lines = [[hex(term_to_binary(T, [{minor_version, 2}])), $\t, io_lib:format("~0p\t~0tp\n", [T, T])] || T <- Terms],
    ok = file:write_file(File, unicode:characters_to_binary(Lines)).

%% Each line has a text in hexadecimal and what it was read as, or - where it was refused: what Erlang makes of it.
judge(In, Out) ->
    {ok, Bytes} = file:read_file(In),
    Lines = [binary:split(L, <<" ">>) || L <- binary:split(Bytes, <<"\n">>, [global]), L =/= <<>>],
    ok = file:write_file(Out, [[judged(unhex(Text), Read), $\n] || [Text, Read] <- Lines]).

judged(Text, Read) ->
    case {parse(unicode:characters_to_list(Text)), Read} of
        {error, <<"-">>} -> "both refuse";
        {error, _} -> "Erlang refuses";
        {{ok, _}, <<"-">>} -> "Erlang reads";
        {{ok, Term}, Hex} ->
            case binary_to_term(unhex(Hex)) of
                Term -> "same";
                _ -> "other"
            end
    end.

parse(Text) ->
    try
        {ok, Tokens, _} = erl_scan:string(case lists:suffix(".", string:trim(Text)) of true -> Text; false -> Text ++ "\n." end),
        {ok, Term} = erl_parse:parse_term(Tokens),
        {ok, Term}
    catch _:_ -> error
    end.

hex(Bin) -> [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bin].
unhex(Hex) -> << <<(binary_to_integer(<<H:2/binary>>, 16))>> || <<H:2/binary>> <= Hex >>.

corners() ->
    Bits = [7, 8, 15, 16, 26, 27, 28, 31, 32, 58, 59, 60, 63, 64, 127, 128, 255, 256, 2039, 2040, 2041, 4096],
    [S * ((1 bsl B) + D) || B <- Bits, S <- [1, -1], D <- [-1, 0, 1]]
        ++ [(1 bsl 16384) - 1]
        ++ [atom(A) || A <- ["", "a", "A", "_", "a@b", "it's", "new\nline", "back\\", [0], [27], [127], [159], [160], [223], [247], [255], [256],
                             [16#10ffff], lists:duplicate(255, $x), lists:duplicate(255, 255), lists:duplicate(255, 16#20ac), "receive", "xor",
                             "true", "undefined", "demo@10.0.0.7", "1a"]]
        ++ [{}, {[]}, list_to_tuple(lists:seq(1, 255)), list_to_tuple(lists:seq(1, 256)), [], [[]], [0], [255], [256], [-1], [1 | 2], [$a | b], [a, b | c],
            [1, 2 | 300], [[1 | a] | {b}], lists:seq(1, 300), lists:duplicate(65535, $y), lists:duplicate(65536, $y), lists:duplicate(65535, 7),
            lists:seq(32, 126), lists:seq(160, 255), [$a, 127], "\b\t\n\v\f\r\e", "\"", [16#3b1, 16#3b2],
            [16#d7ff], [16#d800], [16#e000], [16#fffd], [16#fffe], [16#ffff], [16#10fffe], [16#10ffff], [16#110000], [16#3b1, $\n, $"], [$a, 16#85]]
        ++ [<<16#3b1/utf8, 16#e000/utf8>>, <<16#fffe/utf8>>, <<16#ffff/utf8>>, <<16#10ffff/utf8>>, <<16#3b1/utf8, 0>>, <<16#3b1/utf8, 255>>,
            <<16#85/utf8>>, <<16#a0/utf8, "\"\n\\">>, <<16#ed, 16#a0, 16#80>>, <<16#c0, 16#80>>]
        ++ [<<>>, <<0>>, <<"text">>, <<"caf", 233>>, <<"caf\x{e9}"/utf8>>, <<"\"\\">>, <<1:1>>, <<0:7>>, <<1, 2, 3:3>>, <<255:7>>, binary:copy(<<"0123456789">>, 800)]
        ++ [#{}, #{a => 1}, #{1 => #{2 => #{}}, "k" => <<"v">>, {t} => [l]}, maps:from_list([{I, I} || I <- lists:seq(1, 32)]),
            maps:from_list([{I, I} || I <- lists:seq(1, 33)]), maps:from_list([{integer_to_binary(I), [I]} || I <- lists:seq(1, 200)])]
        ++ [identifier() || _ <- lists:seq(1, 100)]
        ++ [nested(N) || N <- [1, 50, 120]].

nested(0) -> bottom;
nested(N) -> {[nested(N - 1)], N}.

term(0) -> leaf();
term(D) ->
    case rand:uniform(12) of
        1 -> list_to_tuple(terms(D));
        2 -> terms(D);
        3 -> terms(D) ++ leaf();
        4 -> maps:from_list([{term(max(D - 2, 0)), term(D - 1)} || _ <- terms(D)]);
        5 -> {term(D - 1), leaf()};
        6 -> [leaf() | terms(D)];
        _ -> leaf()
    end.

terms(D) -> [term(D - 1) || _ <- lists:seq(1, case rand:uniform(30) of 1 -> 40; _ -> rand:uniform(5) - 1 end)].

leaf() ->
    case rand:uniform(13) of
        1 -> rand:uniform(300) - 20;
        2 -> (rand:uniform(1 bsl 40) - (1 bsl 39)) * rand:uniform(3);
        3 -> (rand:uniform(1 bsl rand:uniform(6000)) - 1) * (3 - 2 * rand:uniform(2));
        4 -> float();
        5 -> atom(chars(rand:uniform(12) - 1));
        6 -> lists:nth(rand:uniform(6), [ok, error, true, undefined, 'EXIT', '']);
        7 -> chars(rand:uniform(20) - 1);
        8 -> [rand:uniform(256) - 1 || _ <- lists:seq(1, rand:uniform(10))];
        9 -> unicode:characters_to_binary(chars(rand:uniform(20) - 1));
        10 -> << <<(rand:uniform(256) - 1)>> || _ <- lists:seq(1, rand:uniform(20) - 1) >>;
        11 -> << <<(rand:uniform(2) - 1):1>> || _ <- lists:seq(1, rand:uniform(40)) >>;
        12 -> identifier();
        13 -> []
    end.

chars(N) ->
    Max = lists:nth(rand:uniform(5), [26, 95, 160, 255, 16#2fff]),
    Min = case Max of 26 -> 96; 95 -> 31; _ -> 0 end,
    [Min + rand:uniform(Max) || _ <- lists:seq(1, N)].

atom(Chars) -> list_to_atom(Chars).

float() ->
    case rand:uniform(5) of
        1 -> bits(rand:uniform(1 bsl 64) - 1);
        2 -> (rand:uniform(2000000) - 1000000) / math:pow(10, rand:uniform(8));
        3 -> math:pow(2, rand:uniform(2000) - 1060);
        4 -> math:pow(10, rand:uniform(600) - 300);
        5 -> float(rand:uniform(1 bsl rand:uniform(66)))
    end.

bits(Bits) ->
    case <<Bits:64>> of
        <<F/float>> -> F;
        _ -> 0.0
    end.

identifier() ->
    N = fun() -> rand:uniform(1 bsl 32) - 1 end,
    Small = fun() -> rand:uniform(1 bsl 15) - 1 end,
    Atom = <<119, 14, "demo@nuc1.home">>,
    %% OTP 23 has fewer bits for the serial of a pid, fewer words for a reference, and for a port 28 bits at most
    Old = erlang:system_info(otp_release) =:= "23",
    case rand:uniform(12) of
        1 -> self();
        2 -> make_ref();
        3 -> hd(erlang:ports());
        4 -> etf(<<88, Atom/binary, (Small()):32, (Small() bsr (case Old of true -> 2; false -> 0 end)):32, (N()):32>>);
        5 -> etf(<<90, 3:16, Atom/binary, (N()):32, (N() band 16#3ffff):32, (N()):32, (N()):32>>);
        6 when Old -> etf(<<90, 2:16, Atom/binary, (N()):32, (N() band 16#3ffff):32, (N()):32>>);
        6 -> etf(<<90, 5:16, Atom/binary, (N()):32, (N() band 16#3ffff):32, (N()):32, (N()):32, (N()):32, (N()):32>>);
        7 -> etf(<<89, Atom/binary, (Small()):32, (N()):32>>);
        8 when Old -> etf(<<89, Atom/binary, ((1 bsl 28) - rand:uniform(1 bsl 20)):32, (N()):32>>);
        8 -> etf(<<120, Atom/binary, (1 bsl (26 + rand:uniform(38)) - rand:uniform(2)):64, (N()):32>>);
        9 -> fun lists:map/2;
        10 -> erlang:make_fun(lists:nth(rand:uniform(5), [m, 'Foo', 'a b', 'x@y', '']), lists:nth(rand:uniform(4), ['and', f, '+', 'q\'\n']), rand:uniform(256) - 1);
        11 -> X = rand:uniform(1000), fun(Y) -> {X, Y, [a, b]} end;
        12 -> fun() -> ok end
    end.

etf(Bytes) -> binary_to_term(<<131, Bytes/binary>>).
"##;

/// Runs the generator's function with two files in a directory of their own.
fn erlang(name: &str, call: &str, input: Option<&str>) -> String {
    let home = children::folder(&format!("text-{name}"));
    fs::write(home.join("text_terms.erl"), GENERATOR).unwrap();
    fs::write(home.join("in"), input.unwrap_or_default()).unwrap();
    let eval = format!("{{ok,_}}=compile:file(text_terms,[report]),text_terms:{call},halt().");
    let mut command = erl_command();
    command.current_dir(&home).env("HOME", &home).args(["+pc", "unicode", "-noshell", "-eval", &eval]).stdin(Stdio::null());
    let output = match command.output() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            panic!("Erlang is missing: tests/run brings one; or apt-get install erlang-nox")
        }
        other => other.unwrap(),
    };
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer = fs::read_to_string(home.join("out")).unwrap();
    fs::remove_dir_all(&home).unwrap();
    answer
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Writes a term anew from its values. Recursive, for terms that this very test made.
fn rebuild<'t, 'b>(term: Term<'_>, t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
    match term.value() {
        Value::Integer(value) => t.int(value),
        Value::Big(big) => t.big(big.negative, big.magnitude),
        Value::Float(value) => t.float(value),
        Value::Atom(atom) => t.atom(atom.as_str().unwrap()),
        Value::Nil => t.nil(),
        Value::Binary(bytes) => t.binary(bytes),
        Value::Bits(bits) => t.bits(bits.bytes, bits.last),
        Value::Pid(pid) => t.pid(pid),
        // since OTP 26 every port is sent in the form for large ones, which we use only where it is needed
        Value::Port(port) if port.id < 1 << 28 && term.as_bytes().first() == Some(&120) => t.term(term),
        Value::Port(port) => t.port(port),
        Value::Reference(reference) => t.reference(reference),
        Value::Export(fun) => t.export(fun.module.as_str().unwrap(), fun.function.as_str().unwrap(), fun.arity),
        Value::Tuple(elements) => {
            t.tuple(elements.len())?;
            for element in elements {
                rebuild(element, t)?;
            }
            Ok(t)
        }
        Value::Map(pairs) => {
            t.map(pairs.len())?;
            for (key, value) in pairs {
                rebuild(value, rebuild(key, t)?)?;
            }
            Ok(t)
        }
        Value::List(list) => {
            let bytes: Option<String> =
                list.map(|e| e.as_i64().and_then(|value| u8::try_from(value).ok()).map(char::from)).collect();
            match bytes {
                Some(text) if list.tail().is_none() && text.chars().count() <= 0xffff => return t.charlist(&text),
                _ => t.list(list.count())?,
            };
            for element in list {
                rebuild(element, t)?;
            }
            match list.tail() {
                Some(tail) => rebuild(tail, t),
                None => t.nil(),
            }
        }
        // a local fun can only be passed on
        _ => t.term(term),
    }
}

/// Whether a map of more than 32 keys is in the term, the smallest that the emulator keeps as a tree.
fn has_large_map(term: Term<'_>) -> bool {
    match term.value() {
        Value::Tuple(mut elements) => elements.any(has_large_map),
        Value::Map(mut pairs) => pairs.len() > 32 || pairs.any(|(key, value)| has_large_map(key) || has_large_map(value)),
        Value::List(mut list) => list.any(has_large_map) || list.tail().is_some_and(has_large_map),
        _ => false,
    }
}

/// Whether two texts have the same words: in any order where Erlang prints a large map in the order opposite to the one in which it
/// sends it, and floats by their value where OTP 23 has another way to write some: `1.0e15` for `1000000000000000.0`.
fn same_words(left: &str, right: &str, any_order: bool) -> bool {
    let words = |text: &str| {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).map(|word| {
            let float = word.parse::<f64>().ok().filter(|_| otp() < 24 && word.contains('.'));
            float.map_or_else(|| word.to_owned(), |float| format!("{float:e}"))
        });
        let mut words: Vec<String> = words.collect();
        if any_order {
            words.sort();
        }
        words
    };
    words(left) == words(right)
}

/// Puts 0 where Erlang prints its private number of a foreign node: `<7231.85.0>`.
fn without_channels(text: &str) -> String {
    let mut parts = text.split('<');
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = rest.len() < part.len() && rest.starts_with('.');
        all += if number { "<0" } else { "<" };
        all += if number { rest } else { part };
    }
    all
}

#[test]
fn random_terms_survive_and_print_as_erlang_prints_them() {
    let dump = erlang("terms", &format!("dump(out, {TERMS})"), None);
    let (mut terms, mut read, mut shortened) = (0, 0, 0);
    let mut buf = vec![0; 1 << 20];
    let mut again = vec![0; 1 << 20];
    for line in dump.lines() {
        let [bytes, text, unicode] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = unhex(bytes);
        let term = Term::parse(&bytes).unwrap_or_else(|e| panic!("{e}: {line}"));
        let rebuilt = encode(&mut buf, |t| rebuild(term, t)).unwrap();
        assert_eq!(hex(rebuilt), hex(&bytes), "encoded again: {text}");

        let ours = term.text("nonode@nohost").unicode().long_decimals(u16::MAX).to_string().replace("<demo@nuc1.home.", "<0.");
        let plain = term.to_string();
        // with more than sixteen long integers the rest is in base 16
        let has_many = plain.contains("16#");
        shortened += usize::from(has_many);
        for (ours, text) in [(plain, text), (ours, unicode)].into_iter().skip(has_many.into()) {
            let (left, right) = (without_channels(&ours), without_channels(text));
            if left != right && !((has_large_map(term) || otp() < 24) && same_words(&left, &right, has_large_map(term))) {
                panic!("printed {ours}\ninstead {text}");
            }
            terms += 1;
            match parse_text(&ours, &mut buf) {
                Ok(parsed) => {
                    assert_eq!(hex(parsed.as_bytes()), hex(&bytes[1..]), "read: {ours}");
                    assert_eq!(encode(&mut again, |t| t.term(parsed)).unwrap(), bytes);
                    read += 1;
                }
                Err(e) => {
                    let identifier = ["<0.", "#Ref<", "#Port<", "#Fun<"].iter().any(|word| ours[e.at..].starts_with(word));
                    assert!(identifier && e.to_string().contains("cannot be written as text"), "{e}: {ours}");
                }
            }
        }
    }
    assert_eq!(terms + shortened, 2 * (TERMS + 100));
    assert!(read > TERMS, "only {read} of {terms} terms have text that can be read");
}

/// What both read, to the same term.
pub(crate) const TAKEN: &[&str] = &[
    "0",
    "-0",
    "+5",
    "- 1",
    "1_000",
    "1_2_3",
    "16#ff",
    "16#FF_ff",
    "-16#ff",
    "2#1010",
    "36#zZ",
    "3#21",
    "0016#a",
    "00",
    "-128",
    "255",
    "256",
    "-2147483648",
    "2147483648",
    "18446744073709551616",
    "-18446744073709551616",
    "16#fffffffffffffffffffffffffffffffffffffffffff",
    "8#7777777777777777777777777777777777777777777777777",
    "32#VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVV",
    "123456789012345678901234567890123456789012345678901234567890",
    "7#6543210654321065432106543210654321065432106543210654321",
    "16#0000000000000000000000000000000000000000000000000001",
    "2#0",
    "$a",
    "$ ",
    "$\\n",
    "$\\s",
    "$\\x41",
    "$\\x{20ac}",
    "$\\101",
    "$\\^a",
    "$\\d",
    "$'",
    "$\"",
    "$\\\\",
    "-$a",
    "$é",
    "$€",
    "1.0",
    "-1.5",
    "1.0e3",
    "1.0E-3",
    "1.0e+3",
    "1_0.2_5",
    "0.1",
    "1.0e-400",
    "2.5e-324",
    "-0.0",
    "1.7976931348623157e308",
    "123456789.123456789e-5",
    "a",
    "a1_B@c",
    "'Foo'",
    "''",
    "'a b'",
    "'it\\'s'",
    "'\\x{400}'",
    "'€'",
    "ångström",
    "é",
    "'\\n\\t\\e'",
    "'a\nb'",
    "'\\\n'",
    "true",
    "\"\"",
    "\"abc\"",
    "\"a\" \"b\"",
    "\"a\"\n%c\n\"b\" \"\"",
    "\"\" \"\"",
    "\"\\\"\\\\\"",
    "\"\\x{20ac}\"",
    "\"é€\"",
    "\"\\101\\0\"",
    "\"\\1012\"",
    "\"\\z\"",
    "\"a\nb\"",
    "\"\\^[\"",
    "{}",
    "{ }",
    "{a}",
    "{a, b ,c}",
    "{{{}}}",
    "[]",
    "[ ]",
    "[a]",
    "[1,2,3]",
    "[1,2,256]",
    "[256,1]",
    "[1,a]",
    "[-1]",
    "[1,2|3]",
    "[1|[]]",
    "[1|[2]]",
    "[a|[b|[c]]]",
    "[a|[b|c]]",
    "[1|[2|[3|[]]]]",
    "[$a|\"bc\"]",
    "[a|\"bc\"]",
    "[$a|\"b€\"]",
    "[a|\"\"]",
    "[1|{}]",
    "[\"ab\",1]",
    "[[1,2],[3,a]]",
    "[1,2|[a]]",
    "[1,\"a\"|[[]]]",
    "[[[]]|[[]]]",
    "#{}",
    "# {}",
    "#{a=>1}",
    "#{a => #{b => c}, 1 => 2}",
    "#{\"k\" => [1,2], {x} => <<>>}",
    "<<>>",
    "<< >>",
    "<<\"abc\">>",
    "<<1,2,255>>",
    "<<256>>",
    "<<-1>>",
    "<<5:3>>",
    "<<1:16>>",
    "<<1:16/big>>",
    "<<-1:16/signed-integer>>",
    "<<\"a\",0,$b>>",
    "<<\"é\">>",
    "<<\"é€\"/utf8>>",
    "<<$€/utf8>>",
    "<<\"ab\":16>>",
    "<<\"a\" \"b\">>",
    "<<1:1,\"a\">>",
    "<<1:1,0:7>>",
    "<<1:0>>",
    "<<16#ffffffffffffffffffffffffffffffff:128>>",
    "<<-1:200>>",
    "<<1:200>>",
    "<<-5:130>>",
    "<<1:4,2:4,3>>",
    "<<1:1,\"é€\"/utf8>>",
    "<<+1,- 1>>",
    "<<\"\">>",
    "<<\"\",1>>",
    "<<1/integer>>",
    "fun lists:map/2",
    "fun 'a b':'C'/0",
    "fun  m : f / 16#ff",
    "a.",
    "a. ",
    " \n a % comment",
    "% first\n{a, % second\n b}",
    "\ta",
    "{a,\u{a0}b}",
    "[#{},{},[],<<>>,\"\",'']",
    "{1.5,\"x\"}.",
    "[1.5,2]",
    "[97|98]",
    "1.",
    "#{1 => a,1.0 => b}",
    "\"\\xff\"",
    "[\"\"|\"\"]",
    "'\\x{10ffff}'",
    "$\\777",
    "{'maybe','else'}",
];

/// What both refuse.
pub(crate) const REFUSED: &[&str] = &[
    "",
    " ",
    "%",
    ".",
    ",",
    "Foo",
    "_",
    "_a",
    "{a,Foo}",
    "{a",
    "{a,}",
    "{,a}",
    "{a b}",
    "[a",
    "[a,]",
    "[|a]",
    "[a|]",
    "[a|b,c]",
    "[a|b|c]",
    "[a|[b],c]",
    "}",
    "]",
    "(",
    "a b",
    "a,b",
    "a. b",
    "a..",
    "'a",
    "\"a",
    "'\\x{}'",
    "\"\\xg\"",
    "\"\\x{110000}\"",
    "\"\\x{d800}\"",
    "1__0",
    "1_",
    "_1",
    "1#0",
    "37#1",
    "2#2",
    "16#",
    "16#_f",
    "16#f_",
    "1.0e",
    "1.0e+",
    "1.e5",
    ".5",
    "1.0.0",
    "1.0e400",
    "--1",
    "-a",
    "1a",
    "receive",
    "{end}",
    "case",
    "fun",
    "fun foo/1",
    "fun() -> ok end",
    "fun lists:map",
    "fun lists:map/",
    "fun lists:map/-1",
    "fun lists:map/256",
    "fun M:f/1",
    "#{a}",
    "#{a=>}",
    "#{a=>1,}",
    "#{a:=1}",
    "#{,}",
    "#{a=>1",
    "#rec{a=1}",
    "#",
    "#[",
    "<<",
    "<<1",
    "<<1,>>",
    "<<,>>",
    "<<a>>",
    "<<1.5>>",
    "<<Foo>>",
    "<<1:>>",
    "<<1:a>>",
    "<<1/>>",
    "<<1/foo>>",
    "<<\"é\"/utf8:8>>",
    "<<1>",
    "<1>",
    "<0.85.0>",
    "#Ref<0.1.2.3>",
    "#Port<0.5>",
    "#Fun<erl_eval.43.1>",
    "a:b",
    "a:b()",
    "a()",
    "1+1",
    "1 + ",
    "a!b",
    "[a||b]",
    "a;b",
    "{a}{b}",
    "demo@10.0.0.7",
    "a-b",
    "?A",
    "\\n",
    "a/1",
    "'a' 'b'",
    "\"a\" b",
    "1 2",
    "$ab",
    "=>",
    "|",
    "\u{20ac}",
    "×",
    "÷a",
    "[1|\"a\"",
    "<<-1/utf8>>",
    "\"a\" ++ \"b\"",
];

/// Of these, what OTP 23 takes: there is no function of so many arguments, as later releases say.
const TAKEN_BY_23: &[&str] = &["fun lists:map/256"];

/// What Erlang reads and we refuse, each for the reason its fault gives.
pub(crate) const REFUSED_HERE: &[(&str, &str)] = &[
    ("#{a=>1,a=>2}", "has this key already"),
    ("#{\"a\"=>1,[97]=>2}", "has this key already"),
    ("<<\"€\">>", "does not fit a byte"),
    ("<<1.5/float>>", "a binary takes"),
    ("<<1:16/little>>", "a binary takes"),
    ("<<1:2/unit:8>>", "a binary takes"),
    ("<<16#1ffffffffffffffffffffffffffffffff:136>>", "at most 128 bits"),
    ("<<<<1>>/binary>>", "a binary takes"),
];

#[test]
fn texts_are_read_and_refused_as_erlang_does() {
    let mut input = String::new();
    let mut buf = vec![0; 1 << 16];
    let here = REFUSED_HERE.iter().map(|(text, _)| text);
    let texts: Vec<&str> = TAKEN.iter().chain(REFUSED).chain(here).copied().collect();
    for text in &texts {
        let read = match parse_text(text, &mut buf) {
            Ok(term) => format!("83{}", hex(term.as_bytes())),
            Err(_) => "-".to_owned(),
        };
        input += &format!("{} {read}\n", hex(text.as_bytes()));
    }
    let verdicts = erlang("texts", "judge(in, out)", Some(&input));
    let mut wrong = Vec::new();
    for (i, (text, verdict)) in texts.iter().zip(verdicts.lines()).enumerate() {
        let want = match i.checked_sub(TAKEN.len()).map(|i| i.checked_sub(REFUSED.len())) {
            None => "same",
            Some(None) if otp() < 24 && TAKEN_BY_23.contains(text) => "Erlang reads",
            Some(None) => "both refuse",
            Some(Some(_)) => "Erlang reads",
        };
        if verdict != want {
            wrong.push(format!("{text:?}: {verdict}, not {want} ({:?})", parse_text(text, &mut buf)));
        }
    }
    assert_eq!(verdicts.lines().count(), texts.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (text, why) in REFUSED_HERE {
        let error = parse_text(text, &mut buf).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn long_integers_are_printed_so_that_erlang_reads_them() {
    let mut magnitude = vec![0; 2049];
    let mut input = String::new();
    let mut buf = vec![0; 1 << 14];
    let mut again = vec![0; 1 << 14];
    for (negative, top) in [(false, 1), (true, 0xf5)] {
        magnitude[2048] = top;
        magnitude[7] = 3;
        let bytes = encode(&mut buf, |t| t.big(negative, &magnitude)).unwrap();
        let text = Term::parse(bytes).unwrap().to_string();
        assert!(text.trim_start_matches('-').starts_with("16#"));
        let read = parse_text(&text, &mut again).unwrap();
        assert_eq!(read.as_bytes(), &bytes[1..]);
        input += &format!("{} {}\n", hex(text.as_bytes()), hex(bytes));
    }
    assert_eq!(erlang("long", "judge(in, out)", Some(&input)), "same\nsame\n");
}

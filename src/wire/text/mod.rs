//! Terms as Erlang text: printed as `io:format("~0p", [Term])` prints them, and parsed as Erlang reads them.
//!
//! Neither direction has a heap or recurses; both hold one small frame for every level that is open.

mod binary;
mod chars;
mod fault;
mod integer;
mod parse;
mod parser;
mod print;
mod scan;

use core::fmt;

pub use fault::{TextError, TextFault};
pub use parse::parse_text;

use super::term::Term;
use chars::Chars;
use integer::LONG_ONES;

/// A term on one line, as Erlang's `~0p` prints it, where identifiers tell which node they are of. Made by [`Term::text`].
#[derive(Clone, Copy)]
pub struct Text<'a> {
    term: Term<'a>,
    home: &'a str,
    chars: Chars,
    long_ones: u16,
}

impl Text<'_> {
    /// Prints the characters beyond Latin-1 as they are, as `~0tp` does in an Erlang that was started with `+pc unicode`: `<<"héé"/utf8>>`
    /// where binaries are UTF-8, `"день"` for lists of such characters, and `'день'` for atoms. [`parse_text`] reads the same terms of it.
    #[must_use]
    pub fn unicode(self) -> Self {
        Self { chars: Chars::Unicode, ..self }
    }

    /// Prints so many of the integers of more than 256 bytes (616 digits) in decimal, the first ones, instead of sixteen, and the others in
    /// base 16: the work for one in decimal grows with the square of its length.
    #[must_use]
    pub fn long_decimals(self, most: u16) -> Self {
        Self { long_ones: most, ..self }
    }
}

impl<'a> Term<'a> {
    /// Returns the term as text for people. Pids, ports and references of the node `home` (a full name, `alive@host`) are shown as that
    /// node would show them, `<0.85.0>`. Those of another node carry its name where Erlang has a number that is private to the printing
    /// node: `<demo@nuc1.85.0>`, `#Ref<demo@nuc1.1.2.3>`, `#Port<demo@nuc1.5>`.
    ///
    /// The term's own `Display` shows them all with 0.
    pub fn text(self, home: &'a str) -> Text<'a> {
        Text { term: self, home, chars: Chars::Latin1, long_ones: LONG_ONES }
    }
}

/// The term on one line, as `io:format("~0p", [Term])` of OTP 25 to 29 prints it: lists and binaries of printable Latin-1 as
/// text, floats in their shortest form, maps in the order in which they were sent.
///
/// It differs from Erlang in few points. Pids, ports and references are all shown as the node that made them shows them, with 0
/// ([`Term::text`] tells nodes apart). Integers of more than 2,048 bytes are shown in base 16, and so are those of more than 256 bytes (616
/// digits) behind the first sixteen: the work for a term is bounded. `'maybe'` and `'else'` are
/// always quoted, as since OTP 27, and `-0.0` has its sign, as since OTP 25. A map of more than 32 keys is not in Erlang's order: Erlang
/// sends it in another than it prints. The name of a fun has its own characters, where Erlang shows the UTF-8 bytes of those outside ASCII.
impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::print(*self, None, (Chars::Latin1, LONG_ONES), f)
    }
}

impl fmt::Debug for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::print(self.term, Some(self.home), (self.chars, self.long_ones), f)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::fault::TEXT_KEYS;
    use super::*;
    use crate::wire::captured;
    use crate::wire::term::Value;
    use crate::wire::value::Limits;

    /// Returns every captured term with its name and the text that Erlang printed.
    fn captured() -> impl Iterator<Item = (&'static str, Vec<u8>, String)> {
        let key = |found: &captured::Captured| (found.otp, found.name.split_once('/').map_or("", |(_, name)| name));
        let texts: std::collections::HashMap<_, _> =
            captured::captured("text/*").into_iter().map(|found| (key(&found), captured::text(found.bytes))).collect();
        captured::captured("term/*").into_iter().filter_map(move |found| {
            let text = texts.get(&key(&found))?.clone();
            Some((key(&found).1, found.bytes, text))
        })
    }

    /// Returns true if the terms are equal as Erlang's `=:=` has it, but for the order of maps. It is recursive, for terms captured by us.
    fn same(a: Term<'_>, b: Term<'_>) -> bool {
        match (a.value(), b.value()) {
            (Value::Atom(a), Value::Atom(b)) => a == b,
            (Value::Export(a), Value::Export(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Tuple(a), Value::Tuple(b)) => a.len() == b.len() && a.zip(b).all(|(a, b)| same(a, b)),
            (Value::Map(a), Value::Map(b)) => a.len() == b.len() && a.zip(b).all(|((k, v), (l, w))| same(k, l) && same(v, w)),
            (Value::List(a), Value::List(b)) => {
                let tails = match (a.tail(), b.tail()) {
                    (Some(a), Some(b)) => same(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                };
                tails && a.count() == b.count() && a.zip(b).all(|(a, b)| same(a, b))
            }
            _ => a.as_bytes() == b.as_bytes(),
        }
    }

    /// Returns true if Erlang prints the term otherwise, each for a reason that `Display` documents.
    fn printed_otherwise(name: &str, erlangs: &str) -> bool {
        // a number of the printing node where we have 0
        name.contains("remote")
            // an order of its own, large or asked for
            || name.starts_with("map_33") || name == "deterministic"
            // signs and exponents since OTP 25, quotes since OTP 27
            || matches!((name, erlangs), ("float_minus_0_0", "0.0") | ("atom_maybe", "maybe") | ("atom_else", "else"))
            || matches!((name, erlangs), (_, "9007199254740992.0" | "9007199254740994.0"))
    }

    #[test]
    fn captured_terms_are_printed_as_erlang_prints_them_and_read_again() {
        let (mut printed, mut read) = (0, 0);
        let mut buf = vec![0; 1 << 18];
        for (name, bytes, erlangs) in captured() {
            let Ok(term) = Term::parse(&bytes) else {
                let refused = ["compressed", "local"].iter().any(|kind| name.starts_with(kind));
                assert!(refused, "{name}: {:?}", Term::parse(&bytes));
                continue;
            };
            let ours = term.to_string();
            if !printed_otherwise(name, &erlangs) {
                assert_eq!(ours, erlangs, "{name}");
                printed += 1;
            }
            match parse_text(&ours, &mut buf) {
                Ok(again) => {
                    assert!(same(again, term), "{name}: {ours} is read as {again}");
                    read += 1;
                }
                // records of any kind are refused
                Err(_) if name.starts_with("native_record") => {}
                Err(e) => assert_eq!(e.fault, TextFault::Identifier, "{name}: {e}: {ours}"),
            }
        }
        assert!(printed > 700 && read > 650, "{printed} printed alike, {read} read again");
    }

    fn print(bytes: &[u8]) -> String {
        Term::parse(bytes).unwrap().to_string()
    }

    #[test]
    fn foreign_identifiers_name_their_node() {
        let pid = [131, 88, 119, 3, b'a', b'@', b'b', 0, 0, 0, 85, 0, 0, 0, 1, 0, 0, 0, 9];
        let term = Term::parse(&pid).unwrap();
        assert_eq!((term.to_string(), term.text("a@b").to_string()), ("<0.85.1>".into(), "<0.85.1>".into()));
        assert_eq!(term.text("c@b").to_string(), "<a@b.85.1>");
        let reference = [131, 90, 0, 2, 119, 3, b'a', 27, b'b', 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2];
        let term = Term::parse(&reference).unwrap();
        assert_eq!((term.to_string(), term.text("c@b").to_string()), ("#Ref<0.2.1>".into(), "#Ref<a\\eb.2.1>".into()));
        let port = [131, 104, 1, 120, 119, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(Term::parse(&port).unwrap().text("c@b").to_string(), "{#Port<a.4294967296>}");
    }

    #[test]
    fn lists_in_unusual_forms() {
        // [1|[2|"a"]], [97|[]], a list of none with a tail, and one that ends in a string
        assert_eq!(print(&[131, 108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 107, 0, 1, 97]), "[1,2,97]");
        assert_eq!(print(&[131, 108, 0, 0, 0, 1, 98, 0, 0, 0, 97, 107, 0, 0]), "\"a\"");
        assert_eq!(print(&[131, 108, 0, 0, 0, 0, 106]), "[]");
        assert_eq!(print(&[131, 104, 1, 108, 0, 0, 0, 0, 107, 0, 1, 97]), "{\"a\"}");
        assert_eq!(print(&[131, 108, 0, 0, 0, 1, 106, 108, 0, 0, 0, 0, 97, 1]), "[[]|1]");
        assert_eq!(print(&[131, 107, 0, 0]), "[]");
        assert_eq!(print(&[131, 77, 0, 0, 0, 1, 8, 97]), "<<\"a\">>");
    }

    /// However many long integers there are, little of the work is done.
    #[test]
    fn few_long_integers_are_decimal() {
        let one = |len: usize| [&[111, 0, 0, (len >> 8) as u8, len as u8, 0][..], &vec![0x11; len]].concat();
        let list = |len: usize| [&[131, 108, 0, 0, 2, 0][..], &one(len).repeat(512), &[106]].concat();
        for (len, decimal) in [(2048, 16), (257, 16), (256, 512)] {
            let bytes = list(len);
            let term = Term::parse(&bytes).unwrap();
            let text = term.to_string();
            let (first, hex) = text.split_at(text.find("16#").unwrap_or(text.len()));
            assert_eq!(
                (first.split(',').count() - usize::from(decimal < 512), hex.matches("16#").count()),
                (decimal, 512 - decimal)
            );
            assert_eq!(term.text("a@b").long_decimals(1).to_string().matches("16#").count(), if len > 256 { 511 } else { 0 });
            let mut again = vec![0; bytes.len()];
            assert_eq!(parse_text(&text, &mut again).unwrap().as_bytes(), term.as_bytes());
        }
    }

    #[test]
    fn a_writer_that_takes_no_more_stops_the_printing() {
        use core::fmt::Write;
        let mut short = heapless::String::<4>::new();
        assert!(write!(short, "{}", Term::parse(&[131, 107, 0, 3, 1, 2, 3]).unwrap()).is_err());
        assert_eq!(short, "[1,2");
    }

    #[test]
    fn the_deepest_terms_are_printed_and_read() {
        let depth = usize::from(Limits::MAX_DEPTH);
        let mut buf = [0; 16_384];
        for (open, middle, close) in [("{", "", "}"), ("[a,", "b", "]"), ("#{a => ", "b", "}"), ("[[]|{", "", "}]")] {
            let levels = if open.len() == 5 { depth / 2 } else { depth };
            let text = open.repeat(levels) + middle + &close.repeat(levels);
            assert_eq!(parse_text(&text, &mut buf).unwrap().to_string(), text);
            let text = open.repeat(levels + 1) + middle + &close.repeat(levels + 1);
            assert_eq!(parse_text(&text, &mut buf).unwrap_err().fault, TextFault::TooDeep);
        }
        // lists that are tails of lists are one list
        let text = "[a|".repeat(1000) + "[]" + &"]".repeat(1000);
        assert_eq!(parse_text(&text, &mut [0; 4096]).unwrap().as_list().unwrap().count(), 1000);
    }

    #[test]
    fn the_room_that_is_missing_is_told_packets() {
        let large = format!("{{{}a}}", "1,".repeat(255));
        for text in
            ["{a,[1,2,3,b],\"text\",<<1,2:3>>}", "[1,2,[3,400|x]]", "#{[1,a] => 2.0}", &large, "16#ffffffffffffffffff", "0"]
        {
            let mut buf = [0; 1024];
            let len = parse_text(text, &mut buf).unwrap().as_bytes().len();
            for room in 0..len {
                let fault = parse_text(text, &mut buf[..room]).unwrap_err().fault;
                assert_eq!(fault, TextFault::Room { needed: len, room }, "{text}");
            }
            assert!(parse_text(text, &mut buf[..len]).is_ok());
        }
    }

    #[test]
    fn faults_say_where_and_what_to_write_instead() {
        let fault = |text: &str| {
            let e = parse_text(text, &mut [0; 64]).unwrap_err();
            (e.at, e.line, e.column, e.fault)
        };
        assert_eq!(fault("{a,\n  Foo}"), (6, 2, 3, TextFault::Variable));
        assert_eq!(fault("{'\u{20ac}', _}"), (8, 1, 7, TextFault::Variable));
        assert_eq!(fault("{a,<0.85.0>}"), (3, 1, 4, TextFault::Identifier));
        assert_eq!(fault("[#Ref<0.1.2>]").3, TextFault::Identifier);
        assert_eq!(fault("[#PID<0.113.0>]").3, TextFault::Identifier); // as Elixir prints it
        assert_eq!(fault("{a b}"), (3, 1, 4, TextFault::Expected("',' or '}'")));
        assert_eq!(fault("\"abc"), (0, 1, 1, TextFault::Unclosed('"')));
        assert_eq!(fault("{a,'bc}"), (3, 1, 4, TextFault::Unclosed('\'')));
        assert_eq!(fault("[a,").3, TextFault::Ends);
        assert_eq!(fault("$").3, TextFault::Ends);
        assert_eq!(fault("a@1.2"), (3, 1, 4, TextFault::Trailing));
        assert_eq!(fault("a. b"), (1, 1, 2, TextFault::Trailing));
        assert_eq!(fault("<"), (0, 1, 1, TextFault::Unexpected('<')));
        assert_eq!(fault("16#fg"), (0, 1, 1, TextFault::Number));
        assert_eq!(fault("{1 + 2}"), (3, 1, 4, TextFault::Operator));
        assert_eq!(fault("receive").3, TextFault::Reserved);
        assert_eq!(fault("#a{}").3, TextFault::Record);
        assert_eq!(fault("~\"a\"").3, TextFault::Sigil);
        assert_eq!(fault("\"\"\"\na\n\"\"\"").3, TextFault::Sigil);
        assert_eq!(fault("<<\"a\u{20ac}\">>"), (4, 1, 5, TextFault::Wide));
        assert_eq!(fault("<<1:99999999>>").3, TextFault::SegmentSize);
        assert_eq!(fault("#{a => 1, b => 2, a => 3}"), (20, 1, 21, TextFault::DuplicateKey));
        assert_eq!(fault("#{#{a => 1,b => 2} => 1, #{b => 2,a => 1} => 2}"), (42, 1, 43, TextFault::DuplicateKey));
        assert_eq!(fault("[#{0.0 => 1, -0.0 => 2}]"), (18, 1, 19, TextFault::DuplicateKey));
        assert_eq!(fault("1.0e999").3, TextFault::Float);
        assert_eq!(fault(&"9".repeat(4933)).3, TextFault::Integer);
        assert_eq!(fault(&"a".repeat(256)).3, TextFault::AtomTooLong);
        assert_eq!(fault(&format!("'{}'", "\u{20ac}".repeat(256))).3, TextFault::AtomTooLong);
        assert_eq!(fault("\u{3b1}").3, TextFault::Unexpected('\u{3b1}'));
        assert_eq!(
            parse_text("Foo", &mut []).unwrap_err().to_string(),
            "line 1, column 1: variables have no value here: an atom starting with a capital letter or '_' needs quotes, as in 'Foo'"
        );
        let keys: String = (0..=TEXT_KEYS).map(|key| format!("{key}=>0,")).collect();
        let e = parse_text(&format!("#{{{keys}}}"), &mut vec![0; 1 << 16]).unwrap_err();
        assert_eq!(e.fault, TextFault::TooManyKeys);
    }

    /// As many keys as there may be, each of which is a map: a key is found twice, and its place, in a walk over the map for each few hundred.
    #[test]
    fn of_the_most_keys_one_is_found_twice() {
        let key = |number: u32| (0..6).map(|pair| format!("{pair}=>{number},")).collect::<String>();
        let keys: Vec<_> = (0..TEXT_KEYS - 1).map(|number| format!("#{{{}}}=>v", key(number).trim_end_matches(','))).collect();
        let mut buf = vec![0; 1 << 18];
        let text = format!("[#{{{},\n", keys.join(","));
        let term = parse_text(&format!("{text}last=>v}}]"), &mut buf).unwrap();
        assert_eq!(term.as_list().unwrap().next().unwrap().as_map().unwrap().len(), keys.len() + 1);
        let other_order: String = (0..6).rev().map(|pair| format!(",{pair}=>4000")).collect();
        let e = parse_text(&format!("{text}#{{{}}}=>{{}}}}|Foo]", &other_order[1..]), &mut buf).unwrap_err();
        let column = "#{}=>".len() + other_order.len() - 2;
        assert_eq!((e.line, e.column, e.fault), (2, column, TextFault::DuplicateKey));
    }

    #[test]
    fn reserved_words_in_the_name_of_a_fun_need_no_quotes() {
        let term = |text| parse_text(text, &mut [0; 64]).unwrap().to_string();
        assert_eq!(term("fun erlang:'and'/2"), "fun erlang:and/2");
        assert_eq!(term("fun erlang:and/2"), "fun erlang:and/2");
        // so do the words that are reserved since OTP 27: Erlang 25 reads and prints them as atoms
        assert_eq!(term("{maybe,else}"), "{'maybe','else'}");
        assert_eq!(term("fun 'a@b':'\\e\"'/2"), "fun 'a@b':'\\033\"'/2");
        assert_eq!(term("fun 'a\u{7f}':'b\u{100}\"'/2"), "fun 'a\u{7f}':'b\u{100}\"'/2");
    }

    fn read(text: &str) -> Vec<u8> {
        parse_text(text, &mut [0; 256]).unwrap_or_else(|e| panic!("{text}: {e}")).as_bytes().to_vec()
    }

    /// In the bytes that Erlang's `term_to_binary` makes of it.
    #[test]
    fn lists_of_bytes_are_strings_whatever_they_are_written_as() {
        for text in ["[1,97,98]", "[1|\"ab\"]", "[1|[97,98]]", "[1,97|\"b\"].", "[1,97,98] . % and nothing more"] {
            assert_eq!(read(text), [107, 0, 3, 1, 97, 98], "{text}");
        }
        assert_eq!(read("[-0,2]"), [107, 0, 2, 0, 2]);
        // a string has no more
        for (len, tag) in [(65_535, 107), (65_536, 108)] {
            let mut buf = vec![0; 3 * 65_536];
            let term = parse_text(&format!("[{}1]", "1,".repeat(len - 1)), &mut buf).unwrap();
            assert_eq!((term.as_bytes()[0], term.as_list().unwrap().count()), (tag, len));
        }
        assert_eq!(parse_text("[1|\"ab\",2]", &mut [0; 64]).unwrap_err().fault, TextFault::Expected("']'"));
    }

    /// What Erlang reads, in the bytes that its `term_to_binary` makes of it.
    #[test]
    fn long_integers_in_digits_that_are_whole_bits_are_read() {
        for (text, sign, magnitude) in [
            ("16#123456789abcdef01", 0, &[0x01, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01][..]),
            ("-16#ff00000000000000000000", 1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff]),
            ("8#7000000000000000000000000", 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
            ("8#7777777777777777777777777", 0, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7]),
            ("32#vvvvvvvvvvvvvv", 0, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]),
            // zeros in front are no part of it
            ("16#0000000123456789abcdef01", 0, &[0x01, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01]),
        ] {
            let term = read(text);
            let Value::Big(big) = Term::trusted(&term).value() else { panic!("{text}: {term:?}") };
            assert_eq!((big.negative, big.magnitude), (sign == 1, magnitude), "{text}");
        }
    }

    /// Those of more digits than are ever counted in decimal, too.
    #[test]
    fn integers_of_any_length_are_read_in_digits_that_are_whole_bits() {
        let mut buf = [0; 8192];
        let digits = "f1".repeat(2100);
        let magnitude = [0xf1; 2100];
        for (text, sign) in [(format!("16#{digits}"), 0), (format!("-16#000{digits}"), 1), (format!("16#f1{digits}"), 0)] {
            let longer = usize::from(text.starts_with("16#f1f1") && text.len() > 3 + digits.len());
            let term = parse_text(&text, &mut buf).unwrap();
            let Value::Big(big) = term.value() else { panic!("{sign}") };
            assert_eq!((big.negative, big.magnitude.len()), (sign == 1, 2100 + longer));
            assert_eq!(big.magnitude[..2100], magnitude);
        }
        let text = format!("8#{}", "7".repeat(8000));
        let Value::Big(big) = parse_text(&text, &mut buf).unwrap().value() else { panic!() };
        assert_eq!((big.magnitude.len(), big.magnitude.iter().all(|byte| *byte == 0xff)), (3000, true));
        // seven bits of three digits and more: the lowest byte has the low bits of the third
        let text = format!("8#7{}", "0".repeat(8000));
        let term = parse_text(&text, &mut buf).unwrap();
        let Value::Big(big) = term.value() else { panic!() };
        assert_eq!(
            (big.magnitude.len(), big.magnitude.last(), big.magnitude.iter().filter(|byte| **byte != 0).count()),
            (3001, Some(&7), 1)
        );
    }

    #[test]
    fn segments_of_any_size_are_read() {
        for (text, bytes) in [
            ("<<1:16>>", &[109, 0, 0, 0, 2, 0, 1][..]),
            ("<<-1:136>>", &[[109, 0, 0, 0, 17].as_slice(), &[255; 17]].concat()),
            ("<<1:136>>", &[[109, 0, 0, 0, 17].as_slice(), &[0; 16], &[1]].concat()),
            ("<<-0:136>>", &[[109, 0, 0, 0, 17].as_slice(), &[0; 17]].concat()),
            ("<<5:3,1:2>>", &[77, 0, 0, 0, 1, 5, 0b1010_1000]),
            ("<<\"ab\":16>>", &[109, 0, 0, 0, 4, 0, b'a', 0, b'b']),
            ("<<233/utf8>>", &[109, 0, 0, 0, 2, 0xc3, 0xa9]),
            ("<<1:8/integer-unsigned-big>>", &[109, 0, 0, 0, 1, 1]),
            ("<<1/signed>>", &[109, 0, 0, 0, 1, 1]),
            ("<<1:3,255:8>>", &[77, 0, 0, 0, 2, 3, 0b0011_1111, 0b1110_0000]),
        ] {
            assert_eq!(read(text), bytes, "{text}");
        }
        let fault = |text: &str| parse_text(text, &mut [0; 64]).unwrap_err().fault;
        assert_eq!([fault("<<-1/utf8>>"), fault("<<1/little>>"), fault("<<1:8/utf8>>")], [TextFault::Segment; 3]);
    }

    #[test]
    fn text_of_every_kind_of_character_is_read_and_printed() {
        let binary = |bytes: &[u8]| [&[109, 0, 0, 0, u8::try_from(bytes.len()).unwrap()], bytes].concat();
        for (text, bytes) in [
            ("<<\"\\^a\\^z\\^[\">>", &[1, 26, 27][..]),
            ("<<\"\\r\\n\\t\\v\\b\\f\\e\\s\\d\\101\\x41\\x{41}\\q\">>", b"\r\n\t\x0b\x08\x0c\x1b \x7fAAAq"),
            ("<<>>% a comment\n", b""),
            ("<<1 % two\n,2>>", &[1, 2]),
        ] {
            assert_eq!(read(text), binary(bytes), "{text}");
        }
        let unicode = |bytes: &[u8]| Term::parse(bytes).unwrap().text("a@b").unicode().to_string();
        let plain = |bytes: &[u8]| Term::parse(bytes).unwrap().text("a@b").to_string();
        for (bytes, with, without) in [
            (binary("h\u{e9}".as_bytes()), "<<\"h\u{e9}\"/utf8>>", "<<\"h\u{c3}\u{a9}\">>"),
            (binary("\u{434}\u{fffe}".as_bytes()), "<<208,180,239,191,190>>", "<<\"\u{d0}\u{b4}\u{ef}\u{bf}\u{be}\">>"),
            (binary("\u{434}".as_bytes()), "<<\"\u{434}\"/utf8>>", "<<\"\u{d0}\u{b4}\">>"),
            (binary(b"a\r\n"), "<<\"a\\r\\n\">>", "<<\"a\\r\\n\">>"),
            (binary(&[1, 2]), "<<1,2>>", "<<1,2>>"),
            (vec![108, 0, 0, 0, 1, 98, 0, 0, 4, 52, 106], "\"\u{434}\"", "[1076]"),
            (vec![108, 0, 0, 0, 1, 98, 0, 0, 255, 255, 106], "[65535]", "[65535]"),
        ] {
            assert_eq!((unicode(&bytes), plain(&bytes)), (with.into(), without.into()), "{bytes:?}");
        }
        let term = Term::trusted(&[107, 0, 1, 97]);
        assert_eq!((format!("{term:?}"), format!("{:?}", term.text("a@b"))), ("\"a\"".into(), "\"a\"".into()));
        // what was asked for before stays
        let long = [&[111, 0, 0, 1, 1, 0][..], &[1; 257]].concat();
        let term = Term::trusted(&long);
        assert!(term.text("a@b").long_decimals(0).unicode().to_string().starts_with("16#"));
        assert_eq!(Term::trusted(&[119, 2, 0xd0, 0xb4]).text("a@b").unicode().long_decimals(1).to_string(), "'\u{434}'");
    }

    #[test]
    fn numbers_are_read_as_erlang_reads_them() {
        for (text, value) in [("1_000", 1000), ("16#f_f", 255), ("$a", 97), ("36#z", 35), ("-2#11", -3), ("+1", 1), ("- 1", -1)] {
            assert_eq!(Term::trusted(&read(text)).as_i64(), Some(value), "{text}");
        }
        for (text, value) in [("1_0.5", 10.5), ("1.5e1_0", 1.5e10), ("1.0e-100", 1e-100), ("1.25e+2", 125.0), ("1.0e-9", 1e-9)] {
            assert_eq!(Term::trusted(&read(text)).as_f64(), Some(value), "{text}");
        }
        for text in ["_1", "1_", "1__0", "16#", "16#fg", "16#f_", "16#_f", "37#1", "1#0", "1.0e"] {
            assert!(parse_text(text, &mut [0; 64]).is_err(), "{text}");
        }
        for (value, text) in [
            (1e-100, "1.0e-100"),
            (1e-10, "1.0e-10"),
            (1.5e-99, "1.5e-99"),
            (1e100, "1.0e100"),
            (0.001, "0.001"),
            (1e-4, "0.0001"),
            (1.5e-4, "1.5e-4"),
            (1230.0, "1230.0"),
            (12300.0, "1.23e4"),
            (12_345_678_900.0, "12345678900.0"),
            (123_456_789_000.0, "1.23456789e11"),
        ] {
            let bytes = [&[70][..], &f64::to_be_bytes(value)].concat();
            assert_eq!(Term::trusted(&bytes).to_string(), text);
        }
    }
}

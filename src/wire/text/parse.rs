//! Parsing: one pass over the text, with a frame for every tuple, list and map that is open.
//!
//! What a header says (how many elements, whether all of a list are bytes) is known only behind the last element. So the
//! smaller form is begun, and what is written behind it is moved when the larger one is due.

use super::chars::{is_lower, is_upper};
use super::fault::{TEXT_KEYS, TextError, TextFault};
use super::parser::{HEADER, ParseFrame, ParseShape, Parser};
use super::scan::{Fault, Number};
use crate::wire::codes::tag;
use crate::wire::cursor::Writer;
use crate::wire::same::repeated;
use crate::wire::split;
use crate::wire::term::Term;

/// Reads one term as Erlang writes it, into `buf` as `term_to_binary` encodes it (without the version byte); a full stop behind
/// it may be left out.
///
/// Taken are integers (`1_000`, `16#ff`, `$a`), floats, atoms, strings, binaries of integers and strings (`<<"a",0,1:16>>`,
/// `<<"text"/utf8>>`), tuples, lists, maps and `fun lists:map/2`, with comments and line breaks between. Whatever
/// [`Term`] prints is read again, except pids, ports, references and local funs. Variables, records, operators and calls
/// are refused: nothing is evaluated.
///
/// A map keeps the order in which its keys are written, may have 4,096 of them, and no two equal ones, among which 0.0 and -0.0 are, since
/// Erlang takes them so up to OTP 26. Integers in decimal
/// have at most 2,048 bytes (4,932 digits), and nesting ends at [`Limits::MAX_DEPTH`](crate::Limits::MAX_DEPTH).
///
/// ```
/// # use beamless::{encode, parse_text};
/// let mut buf = [0; 64];
/// let term = parse_text("{set, #{celsius => 21.5}}", &mut buf)?;
/// assert_eq!(term.to_string(), "{set,#{celsius => 21.5}}");
/// let error = parse_text("{set,\n Foo}", &mut [0; 64]).unwrap_err();
/// assert!(error.to_string().starts_with("line 2, column 2: variables have no value here"));
/// # Ok::<(), beamless::TextError>(())
/// ```
///
/// # Errors
/// [`TextError`] says where what is wrong. If only the buffer is too small, it says how many bytes the term takes.
pub fn parse_text<'b>(text: &str, buf: &'b mut [u8]) -> Result<Term<'b>, TextError> {
    let mut parser = Parser::new(text, Writer::new(&mut *buf));
    let mut done = parser.run();
    if let (Err((_, TextFault::DuplicateKey)), Some(_)) = (done, parser.twice) {
        // what a map is of is compared at its end: where the key stands in the text is seen as it is read once more
        parser.rewind();
        done = parser.run();
    }
    match done.and_then(|()| parser.out.finish().map_err(|e| (0, TextFault::Room { needed: e.needed, room: e.room }))) {
        Ok(len) => Ok(Term::trusted(buf.get(..len).unwrap_or(&[]))),
        Err((at, fault)) => {
            let before = text.get(..at).unwrap_or(text);
            let last_line = split::last(before, '\n').map_or(before, |(_, line)| line);
            Err(TextError {
                at,
                line: before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1),
                column: last_line.chars().count().saturating_add(1),
                fault,
            })
        }
    }
}

impl<'t> Parser<'t, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.scan.blank();
            let whole = self.term()?;
            if whole && !self.separate()? {
                break;
            }
        }
        if self.scan.is_end() { Ok(()) } else { Err((self.scan.at, TextFault::Trailing)) }
    }

    /// Reads the next term; `false` when it only begins: a part of it is next.
    fn term(&mut self) -> Result<bool, Fault> {
        let Some(first) = self.scan.peek() else { return self.fail(TextFault::Ends) };
        match first {
            '{' => self.tuple(),
            '[' => self.list(),
            '#' => self.map(),
            '"' => self.string(),
            '0'..='9' | '$' | '+' | '-' => self.number(),
            '<' if self.scan.rest().starts_with("<<") => self.binary(),
            '<' if self.scan.rest().chars().nth(1).is_some_and(char::is_alphanumeric) => self.fail(TextFault::Identifier),
            '~' => self.fail(TextFault::Sigil),
            '(' | '*' | '!' => self.fail(TextFault::Operator),
            '\'' => self.atom(),
            c if is_lower(c) => self.atom(),
            c if is_upper(c) => self.fail(TextFault::Variable),
            c => self.fail(TextFault::Unexpected(c)),
        }
    }

    fn tuple(&mut self) -> Result<bool, Fault> {
        self.scan.eat("{");
        self.scan.blank();
        self.begin(None);
        let at = self.out.len();
        self.out.u8(tag::SMALL_TUPLE);
        self.out.u8(0);
        if self.scan.eat("}") { self.push_empty() } else { self.push(ParseFrame::new(ParseShape::Tuple, at)) }
    }

    fn list(&mut self) -> Result<bool, Fault> {
        self.scan.eat("[");
        self.scan.blank();
        let empty = self.scan.eat("]");
        // a list that is a tail goes on with the list it is in
        if let Some(frame) = self.open.last_mut().filter(|frame| frame.shape == ParseShape::Tail) {
            if !empty {
                frame.shape = ParseShape::List;
                frame.extra = frame.extra.saturating_add(1);
            }
            return Ok(empty);
        }
        self.begin(None);
        if empty {
            self.out.u8(tag::NIL);
            return Ok(true);
        }
        let frame = ParseFrame::list(&mut self.out);
        self.push(frame)
    }

    fn map(&mut self) -> Result<bool, Fault> {
        let rest = self.scan.rest();
        if ["#Ref<", "#Port<", "#Fun<", "#PID<", "#Reference<", "#Function<"].iter().any(|word| rest.starts_with(word)) {
            return self.fail(TextFault::Identifier);
        }
        let start = self.scan.at;
        self.scan.eat("#");
        self.scan.blank();
        if self.scan.peek().is_some_and(|c| is_lower(c) || c == '\'') {
            return Err((start, TextFault::Record));
        }
        if !self.scan.eat("{") {
            return Err((start, TextFault::Unexpected('#')));
        }
        self.scan.blank();
        self.begin(None);
        let at = self.out.len();
        self.out.u8(tag::MAP);
        self.out.u32(0);
        if self.scan.eat("}") {
            return self.push_empty();
        }
        self.push(ParseFrame::new(ParseShape::Key, at))
    }

    /// Reads a string, or several side by side, which are one.
    fn string(&mut self) -> Result<bool, Fault> {
        let tail = self.open.last().is_some_and(|frame| frame.shape == ParseShape::Tail);
        let mut own = if tail { self.open.pop() } else { None };
        while let Some(start) = self.quote()? {
            while let Some(c) = self.scan.quoted('"', start)? {
                let frame = match &mut own {
                    Some(frame) => frame,
                    None => {
                        self.begin(None);
                        own.insert(ParseFrame::list(&mut self.out))
                    }
                };
                frame.character(c, &mut self.out);
            }
            self.scan.blank();
        }
        match own {
            Some(frame) if tail => {
                self.push(frame)?;
            }
            Some(frame) => frame.end_list(&mut self.out),
            None => {
                self.begin(None);
                self.out.u8(tag::NIL);
            }
        }
        Ok(true)
    }

    /// Reads a number with its sign, or a character.
    fn number(&mut self) -> Result<bool, Fault> {
        let (start, negative, number) = self.signed()?;
        match number {
            Number::Float(value) => {
                self.begin(None);
                self.put(|w| w.float(if negative { -value } else { value }));
            }
            Number::Small(value) => {
                let byte = u8::try_from(value).ok().filter(|_| !negative || value == 0);
                if !self.begin(byte) {
                    self.put(|w| w.big(negative, &value.to_le_bytes()));
                }
            }
            Number::Long(digits) => {
                self.begin(None);
                if let Some(magnitude) = digits.magnitude() {
                    self.put(|w| w.big(negative, &magnitude));
                } else if !digits.write_bits(negative, &mut self.out) {
                    return Err((start, TextFault::Integer));
                }
            }
        }
        Ok(true)
    }

    fn atom(&mut self) -> Result<bool, Fault> {
        let mut after = self.scan;
        if after.word() == "fun" {
            self.scan = after;
            return self.fun();
        }
        let mut buf = heapless::String::new();
        let name = self.scan.atom(&mut buf, false)?;
        self.begin(None);
        self.put(|w| w.atom(name));
        Ok(true)
    }

    /// Reads what follows the word `fun`. Erlang prints reserved words in it without quotes.
    fn fun(&mut self) -> Result<bool, Fault> {
        let (mut module, mut function) = (heapless::String::new(), heapless::String::new());
        self.scan.blank();
        if !self.scan.peek().is_none_or(|c| is_lower(c) || c == '\'') {
            return self.fail(TextFault::Fun);
        }
        let module = self.scan.atom(&mut module, true)?;
        self.sign(":")?;
        let function = self.scan.atom(&mut function, true)?;
        self.sign("/")?;
        let arity = match self.scan.peek() {
            Some('0'..='9') => self.scan.number()?,
            None => return self.fail(TextFault::Ends),
            Some(_) => return self.fail(TextFault::Fun),
        };
        let Some(arity) = arity.within(u8::MAX.into()).and_then(|arity| u8::try_from(arity).ok()) else {
            return self.fail(TextFault::Fun);
        };
        self.begin(None);
        self.put(|w| w.export(module, function, arity));
        Ok(true)
    }

    /// Reads a sign in the name of a fun, with the blanks around it.
    fn sign(&mut self, sign: &str) -> Result<(), Fault> {
        self.scan.blank();
        if !self.scan.eat(sign) {
            return self.fail(self.scan.peek().map_or(TextFault::Ends, |_| TextFault::Fun));
        }
        self.scan.blank();
        Ok(())
    }

    /// Reads what stands between the term just read and the next; `false` when there is no next.
    fn separate(&mut self) -> Result<bool, Fault> {
        loop {
            self.scan.blank();
            let Some(frame) = self.open.last_mut() else { return Ok(false) };
            match frame.shape {
                ParseShape::Key => {
                    if !self.scan.eat("=>") {
                        return self.due("'=>'");
                    }
                    frame.shape = ParseShape::Value;
                    // the place of the arrow
                    let at = self.scan.at.saturating_sub(2);
                    if frame.count >= TEXT_KEYS {
                        return Err((at, TextFault::TooManyKeys));
                    }
                    if self.twice == Some(self.out.len()) {
                        return Err((at, TextFault::DuplicateKey));
                    }
                    return Ok(true);
                }
                ParseShape::Tuple | ParseShape::Value => {
                    if self.scan.eat(",") {
                        if frame.shape == ParseShape::Value {
                            frame.shape = ParseShape::Key;
                        }
                        return Ok(true);
                    }
                    if !self.scan.eat("}") {
                        return self.due("',' or '}'");
                    }
                    let frame = *frame;
                    self.open.pop();
                    if frame.shape == ParseShape::Tuple {
                        frame.end_tuple(&mut self.out);
                    } else {
                        self.end_map(frame)?;
                    }
                }
                ParseShape::List | ParseShape::Tail => {
                    let more = frame.shape == ParseShape::List;
                    if more && self.scan.eat(",") {
                        return Ok(true);
                    }
                    if more && self.scan.eat("|") {
                        frame.shape = ParseShape::Tail;
                        return Ok(true);
                    }
                    if !self.scan.eat("]") {
                        return self.due(if more { "',', '|' or ']'" } else { "']'" });
                    }
                    if let Some(extra) = frame.extra.checked_sub(1) {
                        frame.extra = extra;
                        frame.shape = ParseShape::Tail;
                    } else {
                        frame.end_list(&mut self.out);
                        self.open.pop();
                    }
                }
            }
        }
    }

    /// Ends a map, and refuses it if it has a key twice: Erlang would close the connection over it.
    fn end_map(&mut self, map: ParseFrame) -> Result<(), Fault> {
        self.out.patch_u32(map.at.saturating_add(1), map.count);
        let pairs = map.at.saturating_add(HEADER);
        if let Some((_, end)) = repeated(self.out.written(pairs), usize::try_from(map.count).unwrap_or(0)) {
            self.twice = Some(pairs.saturating_add(end));
            return self.fail(TextFault::DuplicateKey);
        }
        Ok(())
    }
}

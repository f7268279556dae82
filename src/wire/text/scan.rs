//! Taking Erlang text apart: white space, characters and their escapes, atoms, numbers.

use super::chars::{RESERVED, is_lower, is_name};
use super::fault::TextFault;
use super::integer::{Digits, digit};

/// The longest float, in bytes, that is read when it has underscores.
const FLOAT_BYTES: usize = 400;

/// A fault and its offset in the text.
pub(super) type Fault = (usize, TextFault);

/// A position in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

/// A number without its sign.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number<'t> {
    Small(u128),
    /// An integer of more than 128 bits.
    Long(Digits<'t>),
    /// Never negative, always finite.
    Float(f64),
}

impl<'t> Number<'t> {
    fn integer(digits: Digits<'t>) -> Self {
        digits.small().map_or(Self::Long(digits), Self::Small)
    }

    /// Returns the integer, if it is one that is not above `limit`.
    pub(super) fn within(self, limit: u32) -> Option<u32> {
        match self {
            Self::Small(value) => u32::try_from(value).ok().filter(|value| *value <= limit),
            Self::Long(_) | Self::Float(_) => None,
        }
    }
}

impl<'t> Scan<'t> {
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(c.len_utf8());
        Some(c)
    }

    /// Goes on behind `what` if that is next.
    pub(super) fn eat(&mut self, what: &str) -> bool {
        let there = self.rest().starts_with(what);
        if there {
            self.at = self.at.saturating_add(what.len());
        }
        there
    }

    fn take_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(len);
        rest.get(..len).unwrap_or("")
    }

    /// Goes over white space and comments.
    pub(super) fn blank(&mut self) {
        loop {
            self.take_while(|c| matches!(c, '\0'..=' ' | '\u{80}'..='\u{a0}'));
            if self.peek() != Some('%') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    /// Returns true if nothing follows but the end of the term: a full stop, if any, behind white space, if any.
    pub(super) fn is_end(&mut self) -> bool {
        self.blank();
        if self.peek() == Some('.') {
            let mut after = *self;
            after.bump();
            let dot = matches!(after.peek(), None | Some('\0'..=' ' | '\u{80}'..='\u{a0}' | '%'));
            after.blank();
            return dot && after.peek().is_none();
        }
        self.peek().is_none()
    }

    /// Reads an atom without quotes, or a reserved word.
    pub(super) fn word(&mut self) -> &'t str {
        self.take_while(is_name)
    }

    /// Reads an atom in quotes or without. `buf` is for what has escapes. With `reserved`, words that are no atoms do too.
    pub(super) fn atom<'a>(&mut self, buf: &'a mut heapless::String<1020>, reserved: bool) -> Result<&'a str, Fault>
    where
        't: 'a,
    {
        let start = self.at;
        if self.eat("'") {
            let mut count = 0_usize;
            while let Some(c) = self.quoted('\'', start)? {
                count = count.saturating_add(1);
                if count > crate::wire::ids::Atom::MAX_CHARS || buf.push(c).is_err() {
                    return Err((start, TextFault::AtomTooLong));
                }
            }
            return Ok(buf.as_str());
        }
        if !self.peek().is_some_and(is_lower) {
            return Err((start, self.peek().map_or(TextFault::Ends, |_| TextFault::Expected("an atom"))));
        }
        let word = self.word();
        if !reserved && RESERVED.contains(&word) {
            return Err((start, TextFault::Reserved));
        }
        if word.chars().count() > crate::wire::ids::Atom::MAX_CHARS {
            return Err((start, TextFault::AtomTooLong));
        }
        Ok(word)
    }

    /// Reads the next character of what `quote` encloses, `None` at its end. `start` is where it began.
    pub(super) fn quoted(&mut self, quote: char, start: usize) -> Result<Option<char>, Fault> {
        match self.bump() {
            Some(c) if c == quote => Ok(None),
            Some('\\') => match self.peek() {
                None => Err((start, TextFault::Unclosed(quote))),
                Some(_) => self.escape().map(Some),
            },
            Some(c) => Ok(Some(c)),
            None => Err((start, TextFault::Unclosed(quote))),
        }
    }

    /// Reads the character behind a `$`.
    pub(super) fn char(&mut self) -> Result<char, Fault> {
        match self.bump() {
            Some('\\') => self.escape(),
            Some(c) => Ok(c),
            None => Err((self.at, TextFault::Ends)),
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at.saturating_sub(1);
        let fault = (start, TextFault::Escape);
        let Some(c) = self.bump() else { return Err((self.at, TextFault::Ends)) };
        Ok(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'e' => '\u{1b}',
            's' => ' ',
            'd' => '\u{7f}',
            // a control character: the low five bits of any other
            '^' => {
                let c = self.bump().ok_or(fault)?;
                char::from_u32(u32::from(c) & 31).ok_or(fault)?
            }
            'x' if self.eat("{") => {
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                code.filter(|_| self.eat("}")).ok_or(fault)?
            }
            'x' => {
                let two = self.rest().get(..2).filter(|two| two.chars().all(|c| c.is_ascii_hexdigit())).ok_or(fault)?;
                self.at = self.at.saturating_add(2);
                u32::from_str_radix(two, 16).ok().and_then(char::from_u32).ok_or(fault)?
            }
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
                    self.bump();
                    code = (code << 3) | digit;
                }
                char::from_u32(code).ok_or(fault)?
            }
            other => other,
        })
    }

    /// Digits of a base, with single underscores between them.
    fn digits(&mut self, base: u32) -> &'t str {
        let start = self.rest();
        let mut len = 0_usize;
        let mut chars = start.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().is_some_and(|(_, c)| digit(*c, base).is_some());
            if !(digit(c, base).is_some() || (c == '_' && at > 0 && next)) {
                break;
            }
            len = at.saturating_add(1);
        }
        self.at = self.at.saturating_add(len);
        start.get(..len).unwrap_or("")
    }

    /// Reads a number, whose first digit is next.
    pub(super) fn number(&mut self) -> Result<Number<'t>, Fault> {
        let start = self.at;
        let fault = (start, TextFault::Number);
        let text = self.digits(10);
        let whole = Digits { text, base: 10 };
        if self.peek() == Some('_') {
            return Err(fault);
        }
        let mut next = self.rest().chars();
        let (first, second) = (next.next(), next.next());
        if first == Some('#') {
            self.bump();
            let base = Number::integer(whole).within(36).filter(|base| *base >= 2).ok_or(fault)?;
            let text = self.digits(base);
            if text.is_empty() || self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(fault);
            }
            return Ok(Number::integer(Digits { text, base }));
        }
        if first == Some('.') && second.is_some_and(|c| c.is_ascii_digit()) {
            return self.float(start);
        }
        Ok(Number::integer(whole))
    }

    /// Reads the rest of a float that began at `start`: its point is next.
    fn float(&mut self, start: usize) -> Result<Number<'t>, Fault> {
        self.bump();
        self.digits(10);
        let mut after = *self;
        if matches!(after.bump(), Some('e' | 'E')) {
            if matches!(after.peek(), Some('+' | '-')) {
                after.bump();
            }
            if after.digits(10).is_empty() {
                return Err((start, TextFault::Number));
            }
            *self = after;
        }
        let text = self.text.get(start..self.at).unwrap_or("");
        let value = if text.contains('_') {
            let mut plain = heapless::String::<FLOAT_BYTES>::new();
            if text.chars().filter(|c| *c != '_').any(|c| plain.push(c).is_err()) {
                return Err((start, TextFault::Number));
            }
            plain.parse::<f64>()
        } else {
            text.parse::<f64>()
        };
        match value {
            Ok(value) if value.is_finite() => Ok(Number::Float(value)),
            Ok(_) => Err((start, TextFault::Float)),
            Err(_) => Err((start, TextFault::Number)),
        }
    }
}

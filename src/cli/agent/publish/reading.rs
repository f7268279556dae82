//! A reading, its value, and the message that is made of it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::rc::Rc;

use beamless::{Term, TermWriter, Written};
use rustix::fs::{Mode, OFlags, open};

use super::moment::Moment;
use crate::cli::agent::config::Form;
use crate::cli::agent::task::without_newline;
use crate::cli::groups;
use crate::cli::terms;

/// The most characters of a wrong text that are logged.
const SHOWN: usize = 40;

/// The bytes that a reading takes besides its value: its place, and what the allocator adds.
pub(super) const AROUND: usize = 96;

/// A reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// Larger than that of every reading before it.
    pub(super) number: u64,
    pub(super) taken: Moment,
    /// When it was to be had, which may be some time later: the milliseconds that the box was up.
    pub(super) up: i64,
    /// Its place on disk, or 0.
    pub(super) place: u64,
    /// The value, encoded.
    pub(super) value: Rc<[u8]>,
}

impl Reading {
    /// Returns the bytes that it takes in memory.
    pub(super) fn size(&self) -> usize {
        self.value.len().saturating_add(AROUND)
    }
}

/// The reason for which there is no reading.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    /// The words for the log.
    pub(super) words: String,
}

/// The sort of a trouble: it is told once for as long as it stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TroubleKind {
    Io(ErrorKind),
    Size,
    Number,
    Term,
    Status(i32),
    Signal(i32),
    Time,
}

impl Trouble {
    pub(super) fn new(kind: TroubleKind, words: String) -> Self {
        Self { kind, words }
    }

    pub(super) fn io(what: &str, e: &io::Error) -> Self {
        Self::new(TroubleKind::Io(e.kind()), format!("{what}: {e}"))
    }

    pub(super) fn size(most: usize) -> Self {
        Self::new(
            TroubleKind::Size,
            format!("more than {most} bytes, which is what fits a message: enlarge `message` in [sizes]"),
        )
    }
}

/// Reads a file of at most `most` bytes, besides its last newline.
pub(super) fn file(path: &Path, most: usize) -> Result<Vec<u8>, Trouble> {
    let failed = |e: io::Error| Trouble::io(&format!("cannot read {}", path.display()), &e);
    // a device may do something when it is opened, and a pipe would hold up the agent
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(ErrorKind::InvalidInput, "not a regular file; a `command` may read it")));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?);
    let mut bytes = Vec::new();
    let room = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(2);
    file.take(room).read_to_end(&mut bytes).map_err(failed)?;
    if without_newline(&bytes).len() > most {
        return Err(Trouble::new(TroubleKind::Size, format!("{}: {}", path.display(), Trouble::size(most).words)));
    }
    Ok(bytes)
}

/// Returns the value of a reading, encoded, of at most `most` bytes: a term may have more than its text.
pub(super) fn value(form: Form, bytes: &[u8], most: usize) -> Result<Vec<u8>, Trouble> {
    let mut room = Vec::new();
    let read = ReadingValue::read(form, bytes, &mut room)?;
    let mut value = Vec::new();
    let written = terms::encoded(|t| read.write(t), &mut value).map(drop);
    match written {
        Ok(()) if value.len() > most => Err(Trouble::size(most)),
        Ok(()) => Ok(value),
        Err(e) => Err(Trouble::new(TroubleKind::Term, format!("cannot be sent: {e}"))),
    }
}

/// The message of a reading: `{publish, Node, Label, Milliseconds, Value, Number}`, for a PubSub in its envelope.
pub(super) struct Message<'m> {
    pub(super) node: &'m str,
    pub(super) label: &'m str,
    pub(super) topic: Option<&'m str>,
    pub(super) milliseconds: Option<i64>,
    pub(super) value: Term<'m>,
    pub(super) number: u64,
}

impl Message<'_> {
    pub(super) fn write<'t, 'b>(&self, t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
        match self.topic {
            Some(topic) => groups::broadcast(t, topic, |t| self.plain(t)),
            None => self.plain(t),
        }
    }

    fn plain<'t, 'b>(&self, t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
        let t = t.tuple(6)?.atom("publish")?.atom(self.node)?.str(self.label)?;
        match self.milliseconds {
            Some(milliseconds) => t.int(milliseconds)?,
            None => t.atom("undefined")?,
        };
        t.term(self.value)?.int(i64::try_from(self.number).unwrap_or(i64::MAX))
    }
}

/// The value of a reading, as it is sent.
enum ReadingValue<'v> {
    Float(f64),
    Text(&'v [u8]),
    Term(Term<'v>),
}

impl<'v> ReadingValue<'v> {
    /// Makes a value of the bytes; a term takes `room`.
    fn read(form: Form, bytes: &'v [u8], room: &'v mut Vec<u8>) -> Result<Self, Trouble> {
        let kind = match form {
            Form::Text => return Ok(Self::Text(without_newline(bytes))),
            Form::Number { .. } => TroubleKind::Number,
            Form::Term => TroubleKind::Term,
        };
        let text =
            std::str::from_utf8(bytes).map_err(|_| Trouble::new(kind, "what was read is not UTF-8 text".to_owned()))?.trim();
        match form {
            Form::Number { divide } => number(text, divide, room)
                .ok_or_else(|| Trouble::new(kind, format!("{} is no number; as = \"text\" takes anything", shown(text)))),
            _ => terms::erlang(text, room)
                .map(Self::Term)
                .map_err(|e| Trouble::new(kind, format!("{} is no Erlang term: {e}", shown(text)))),
        }
    }

    fn write<'t, 'b>(&self, t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
        match self {
            Self::Float(value) => t.float(*value),
            Self::Text(text) => t.binary(text),
            Self::Term(term) => t.term(*term),
        }
    }
}

/// Reads a number in decimal: an integer, of any size, stays one unless it is divided.
fn number<'v>(text: &str, divide: Option<f64>, room: &'v mut Vec<u8>) -> Option<ReadingValue<'v>> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    let digits = plain.strip_prefix('-').filter(|_| plain == text).unwrap_or(plain);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_integer && divide.is_none() {
        return terms::erlang(plain, room).ok().map(ReadingValue::Term);
    }
    // what Rust reads besides numbers, `inf` and `nan`, is no number to Erlang
    let value = text.parse::<f64>().ok()? / divide.unwrap_or(1.0);
    value.is_finite().then_some(ReadingValue::Float(value))
}

/// Returns the beginning of a text, for the log.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    let rest = if start.len() < text.len() { ".." } else { "" };
    format!("\"{}{rest}\"", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(form: Form, bytes: &[u8]) -> Result<Vec<u8>, String> {
        super::value(form, bytes, 1000).map_err(|e| e.words)
    }

    fn value(form: Form, text: &str) -> Result<String, String> {
        Ok(Term::parse(&encoded(form, text.as_bytes())?).unwrap().to_string())
    }

    #[test]
    fn a_message_has_six_parts() {
        let value = encoded(Form::Number { divide: None }, b"21.5").unwrap();
        let shown = |milliseconds, topic| {
            let value = Term::parse(&value).unwrap();
            let message = Message { node: "edge@nuc1", label: "cpu", topic, milliseconds, value, number: 5 << 24 };
            terms::encoded(|t| message.write(t), &mut Vec::new()).unwrap().to_string()
        };
        let plain = "{publish,edge@nuc1,<<\"cpu\">>,1700000000000,21.5,83886080}";
        assert_eq!(shown(Some(1_700_000_000_000), None), plain);
        assert_eq!(shown(None, None), plain.replace("1700000000000", "undefined"));
        let wrapped = format!("{{forward_to_local,<<\"readings\">>,{plain},'Elixir.Phoenix.PubSub'}}");
        assert_eq!(shown(Some(1_700_000_000_000), Some("readings")), wrapped);
    }

    #[test]
    fn a_number_is_what_it_looks_like() {
        let plain = Form::Number { divide: None };
        for (text, want) in [
            ("21500\n", "21500"),
            ("  -7 \n", "-7"),
            ("+0021", "21"),
            ("123456789012345678901234567890\n", "123456789012345678901234567890"),
            ("21.5\n", "21.5"),
            (".5", "0.5"),
            ("1e3", "1.0e3"),
            ("-0", "0"),
        ] {
            assert_eq!(value(plain, text).as_deref(), Ok(want), "{text:?}");
        }
        let thousandth = Form::Number { divide: Some(1000.0) };
        for (text, want) in
            [("21500\n", "21.5"), ("-500", "-0.5"), ("0", "0.0"), ("12345678901234567890", "1.2345678901234568e16")]
        {
            assert_eq!(value(thousandth, text).as_deref(), Ok(want), "{text:?}");
        }
        for text in ["", "\n", "21.5 C", "abc", "inf", "NaN", "-", "+", "+-5", "1_000", "16#ff", "1e999", "5\n6"] {
            let why = value(plain, text).unwrap_err();
            assert!(why.contains("is no number"), "{text:?}: {why}");
        }
        assert!(value(thousandth, &"9".repeat(400)).unwrap_err().contains("is no number"));
        assert!(value(plain, &"x".repeat(400)).unwrap_err().len() < 120);
    }

    #[test]
    fn text_loses_one_newline_and_nothing_else() {
        for (text, want) in [("a b\n", "<<\"a b\">>"), ("a\n\n", "<<\"a\\n\">>"), ("", "<<>>"), (" \n", "<<\" \">>")] {
            assert_eq!(value(Form::Text, text).as_deref(), Ok(want), "{text:?}");
        }
        assert_eq!(Term::parse(&encoded(Form::Text, b"\xff\n").unwrap()).unwrap().as_binary(), Some(&b"\xff"[..]));
    }

    #[test]
    fn a_term_is_erlang_text() {
        assert_eq!(value(Form::Term, " {ok, #{load => [0.5]}}.\n").as_deref(), Ok("{ok,#{load => [0.5]}}"));
        assert!(value(Form::Term, "{ok,\n").unwrap_err().contains("line 1, column"));
        assert!(encoded(Form::Term, b"\xff").unwrap_err().contains("UTF-8"));
        // two bytes of text for each, and nine of the term
        let floats = |count| format!("[{}]", vec!["1.0"; count].join(","));
        assert_eq!(encoded(Form::Term, floats(110).as_bytes()).map(|term| term.len()), Ok(997));
        let why = super::value(Form::Term, floats(111).as_bytes(), 1000).unwrap_err();
        assert!(why.kind == TroubleKind::Size && why.words.contains("more than 1000 bytes"), "{why:?}");
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = std::env::temp_dir();
        let why = file(&folder, 10).unwrap_err();
        assert!(why.words.contains("not a regular file") && why.kind == TroubleKind::Io(ErrorKind::InvalidInput), "{why:?}");
        let why = file(Path::new("/dev/zero"), 10).unwrap_err();
        assert!(why.words.contains("not a regular file"), "{why:?}");
        assert_eq!(file(Path::new("/no/such/file"), 10).unwrap_err().kind, TroubleKind::Io(ErrorKind::NotFound));
        // the kernel's own files have no size
        assert!(!file(Path::new("/proc/self/comm"), 100).unwrap().is_empty());
        assert_eq!(file(Path::new("/proc/self/status"), 100).unwrap_err().kind, TroubleKind::Size);
    }
}

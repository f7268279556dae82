//! The messages between the agent and a program, in each of the formats.

use std::fmt;

use beamless::{Term, TermWriter, Written, encode};
use serde_json::{Map, Value};

use crate::cli::agent::config::{Nodes, ProgramFormat};
use crate::cli::outcome::printable;
use crate::cli::terms::{self, json};

/// The most characters of a name: those of an atom.
const NAME: usize = 255;

/// A message for a program.
#[derive(Clone, Copy)]
pub(super) enum Incoming<'m> {
    /// A call, with the number that the answer is to carry.
    Call(u32, Term<'m>),
    Cast(Term<'m>),
    Info(Term<'m>),
    /// A broadcast of a Phoenix.PubSub: its topic, and the message.
    Broadcast(Term<'m>, Term<'m>),
}

impl<'m> Incoming<'m> {
    /// Returns a reading as it waits for a program of which it is not known what that will speak, for [`Incoming::read`].
    pub(super) fn kept(self) -> Vec<u8> {
        let (topic, message) = match self {
            Self::Broadcast(topic, message) => (topic.as_bytes(), message),
            Self::Call(_, message) | Self::Cast(message) | Self::Info(message) => (&[][..], message),
        };
        [&u32::try_from(topic.len()).unwrap_or(0).to_be_bytes(), topic, message.as_bytes()].concat()
    }

    /// Reads a reading that has waited.
    pub(super) fn read(kept: &'m [u8]) -> Option<Self> {
        let (topic, terms) = kept.split_first_chunk()?;
        let (topic, message) = terms.split_at_checked(usize::try_from(u32::from_be_bytes(*topic)).ok()?)?;
        let message = Term::parse(message).ok()?;
        Some(if topic.is_empty() { Self::Info(message) } else { Self::Broadcast(Term::parse(topic).ok()?, message) })
    }

    /// Returns true for a reading, `{publish,Node,Label,Milliseconds,Value,Number}`: whoever published it does not know what is behind the mailbox.
    pub(super) fn is_reading(self) -> bool {
        let (Self::Info(term) | Self::Broadcast(_, term)) = self else { return false };
        term.tuple::<6>().is_some_and(|[what, ..]| what.is_atom("publish"))
    }

    /// Returns the line or the frame that the program reads.
    pub(super) fn record(self, format: ProgramFormat, home: &str) -> Vec<u8> {
        match format {
            ProgramFormat::Erlang => {
                let line = match self {
                    Self::Call(id, term) => format!("{{call,{id},{}}}\n", term.text(home)),
                    Self::Cast(term) => format!("{{cast,{}}}\n", term.text(home)),
                    Self::Info(term) => format!("{{info,{}}}\n", term.text(home)),
                    Self::Broadcast(topic, term) => format!("{{broadcast,{},{}}}\n", topic.text(home), term.text(home)),
                };
                line.into_bytes()
            }
            ProgramFormat::Json => {
                let line = match self {
                    Self::Call(id, term) => format!("{{\"call\":{id},\"request\":{}}}\n", json::written(term, home)),
                    Self::Cast(term) => format!("{{\"cast\":{}}}\n", json::written(term, home)),
                    Self::Info(term) => format!("{{\"info\":{}}}\n", json::written(term, home)),
                    Self::Broadcast(topic, term) => {
                        let (topic, message) = (json::written(topic, home), json::written(term, home));
                        format!("{{\"broadcast\":{topic},\"message\":{message}}}\n")
                    }
                };
                line.into_bytes()
            }
            ProgramFormat::Etf => self.frame(),
        }
    }

    fn frame(self) -> Vec<u8> {
        let terms = match self {
            Self::Call(_, term) | Self::Cast(term) | Self::Info(term) => term.as_bytes().len(),
            Self::Broadcast(topic, term) => topic.as_bytes().len().saturating_add(term.as_bytes().len()),
        };
        // the tuple, its first atom and the number take less
        let mut bytes = vec![0; terms.saturating_add(32)];
        let body = encode(&mut bytes, |t| self.put(t)).unwrap_or(&[]);
        let mut frame = u32::try_from(body.len()).unwrap_or(0).to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        frame
    }

    fn put<'t, 'b>(self, t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
        match self {
            Self::Call(id, term) => {
                t.tuple(3)?;
                t.atom("call")?;
                t.int(id.into())?;
                t.term(term)
            }
            Self::Cast(term) | Self::Info(term) => {
                t.tuple(2)?;
                t.atom(if matches!(self, Self::Cast(_)) { "cast" } else { "info" })?;
                t.term(term)
            }
            Self::Broadcast(topic, term) => t.tuple(3)?.atom("broadcast")?.term(topic)?.term(term),
        }
    }
}

/// A message of a program; its terms are encoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// The answer to the call with this number.
    Reply { id: u64, term: Vec<u8> },
    /// A message to a registered name on a node.
    Send { name: String, node: String, term: Vec<u8> },
    /// A reading for a registered name on one of some nodes or on each, which is kept until it has arrived.
    Publish { name: String, nodes: Nodes, term: Vec<u8> },
}

/// The reason for which a message of a program cannot be understood.
pub(super) struct Unclear<'r> {
    record: &'r [u8],
    why: String,
}

impl fmt::Display for Unclear<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Enough to tell which line it is. It may say no more.
        const SHOWN: usize = 24;
        /// Enough for the reason, in which what is no number, name or term would else stand as a whole.
        const REASON: usize = 240;
        let text = String::from_utf8_lossy(self.record.get(..SHOWN).unwrap_or(self.record));
        let more = if self.record.len() > SHOWN { ".." } else { "" };
        write!(f, "what it wrote was skipped, `{}`{more}: ", printable(&text))?;
        match self.why.char_indices().nth(REASON) {
            Some((end, _)) => write!(f, "{}..", self.why.get(..end).unwrap_or("")),
            None => f.write_str(&self.why),
        }
    }
}

/// Reads a line or a frame; an empty line says nothing.
pub(super) fn read(format: ProgramFormat, record: &[u8]) -> Result<Option<Outgoing>, Unclear<'_>> {
    let said = match format {
        ProgramFormat::Etf => Term::parse(record).map_err(|e| e.to_string()).and_then(of_term),
        ProgramFormat::Erlang | ProgramFormat::Json => match std::str::from_utf8(record).map(str::trim) {
            Ok("") => return Ok(None),
            Ok(line) if format == ProgramFormat::Json => of_json(line),
            Ok(line) => {
                let mut bytes = Vec::new();
                let term = terms::erlang(line, &mut bytes)
                    .map_err(|e| format!("{e}; a line is {{reply,Id,Term}}, {{send,Name,Node,Term}} or {{publish,..}}"));
                term.and_then(of_term)
            }
            Err(_) => Err("it is not UTF-8".to_owned()),
        },
    };
    said.and_then(named).map(Some).map_err(|why| Unclear { record, why })
}

/// Refuses what is for a name that nobody can have, or a node: it would stand in the log as a whole.
fn named(said: Outgoing) -> Result<Outgoing, String> {
    let is_name = |text: &str| text.chars().nth(NAME).is_none();
    let is_right = match &said {
        Outgoing::Reply { .. } => true,
        Outgoing::Send { name, node, .. } => is_name(name) && is_name(node),
        Outgoing::Publish { name, nodes, .. } => is_name(name) && nodes.names().iter().all(|node| is_name(node)),
    };
    if is_right { Ok(said) } else { Err(format!("a name, or a node, has {NAME} characters at most")) }
}

fn of_term(term: Term<'_>) -> Result<Outgoing, String> {
    if let Some([_, id, reply]) = term.tuple().filter(|[what, _, _]| what.is_atom("reply")) {
        let id = id.as_u64().ok_or_else(|| format!("{id} is no number of a call"))?;
        return Ok(Outgoing::Reply { id, term: owned(reply) });
    }
    if let Some([_, name, node, message]) = term.tuple().filter(|[what, _, _, _]| what.is_atom("send")) {
        let name = text(name).ok_or_else(|| format!("{name} is no registered name, which is an atom"))?;
        let node = text(node).ok_or_else(|| format!("{node} is no node, which is an atom"))?;
        return Ok(Outgoing::Send { name, node, term: owned(message) });
    }
    if let Some([_, name, nodes, message]) = term.tuple().filter(|[what, _, _, _]| what.is_atom("publish")) {
        let name = text(name).ok_or_else(|| format!("{name} is no registered name, which is an atom"))?;
        let all = nodes.tuple().filter(|[what, _]| what.is_atom("all")).map(|[_, all]| all);
        let nodes = match (all.and_then(texts), texts(nodes)) {
            (Some(names), _) => Nodes::Each(names),
            (None, Some(names)) => Nodes::First(names),
            (None, None) => return Err(format!("{nodes} is no node, list of nodes, or {{all,Nodes}}")),
        };
        return Ok(Outgoing::Publish { name, nodes, term: owned(message) });
    }
    Err("it is neither {reply,Id,Term} nor {send,Name,Node,Term} nor {publish,Name,Node,Term}".to_owned())
}

/// Returns the texts of a list, or of one text.
fn texts(term: Term<'_>) -> Option<Vec<String>> {
    if let Some(text) = text(term) {
        return Some(vec![text]);
    }
    term.as_list()?.map(text).collect()
}

/// Returns the text of an atom, or of a binary, which is all that some languages write.
fn text(term: Term<'_>) -> Option<String> {
    term.as_atom().map(|atom| atom.chars().collect()).or_else(|| term.as_str().map(str::to_owned))
}

fn of_json(line: &str) -> Result<Outgoing, String> {
    let value = json::parse(line)
        .map_err(|e| format!("{e}; a line is {{\"reply\": ID, \"value\": JSON}} or one with \"send\" or \"publish\""))?;
    let object = value.as_object();
    let get = |key| object.and_then(|object| object.get(key));
    let mut bytes = Vec::new();
    match (object.map(Map::len), get("reply"), get("value"), get("send"), get("node"), get("message")) {
        (Some(2), Some(id), Some(value), ..) => {
            let id = id.as_u64().ok_or_else(|| format!("{id} is no number of a call"))?;
            Ok(Outgoing::Reply { id, term: owned(json::term(value, &mut bytes)?) })
        }
        (Some(3), _, _, Some(Value::String(name)), Some(Value::String(node)), Some(message)) => {
            Ok(Outgoing::Send { name: name.clone(), node: node.clone(), term: owned(json::term(message, &mut bytes)?) })
        }
        (Some(3), ..) if get("publish").is_some() => published(get),
        _ => {
            Err("it is neither {\"reply\": ID, \"value\": JSON} nor {\"send\": \"NAME\", \"node\": \"NODE\", \"message\": JSON}, nor one \
                 with \"publish\" in place of \"send\""
                .to_owned())
        }
    }
}

/// Reads an object with "publish", "message", and "node" or "nodes", either of which may be a list.
fn published<'v>(get: impl Fn(&'static str) -> Option<&'v Value>) -> Result<Outgoing, String> {
    let texts = |value: &Value| match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(texts) => texts.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let nodes = get("node").and_then(texts).map(Nodes::First).or_else(|| get("nodes").and_then(texts).map(Nodes::Each));
    let (Some(Value::String(name)), Some(nodes), Some(message)) = (get("publish"), nodes, get("message")) else {
        return Err("it is not {\"publish\": \"NAME\", \"node\": \"NODE\", \"message\": JSON}".to_owned());
    };
    Ok(Outgoing::Publish { name: name.clone(), nodes, term: owned(json::term(message, &mut Vec::new())?) })
}

/// Puts the version of the format in front, as [`Term::parse`] takes it.
fn owned(term: Term<'_>) -> Vec<u8> {
    [&[131], term.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use beamless::parse_text;

    fn told(told: Incoming<'_>, format: ProgramFormat) -> String {
        String::from_utf8(told.record(format, "n@h")).unwrap()
    }

    #[test]
    fn a_message_is_one_line() {
        let mut bytes = [0; 64];
        let term = parse_text("{read, <<\"a\">>}", &mut bytes).unwrap();
        assert_eq!(told(Incoming::Call(7, term), ProgramFormat::Erlang), "{call,7,{read,<<\"a\">>}}\n");
        assert_eq!(told(Incoming::Cast(term), ProgramFormat::Erlang), "{cast,{read,<<\"a\">>}}\n");
        assert_eq!(told(Incoming::Info(term), ProgramFormat::Erlang), "{info,{read,<<\"a\">>}}\n");
        assert_eq!(
            told(Incoming::Call(7, term), ProgramFormat::Json),
            "{\"call\":7,\"request\":{\"@tuple\":[\"read\",\"a\"]}}\n"
        );
        assert_eq!(told(Incoming::Cast(term), ProgramFormat::Json), "{\"cast\":{\"@tuple\":[\"read\",\"a\"]}}\n");
        assert_eq!(told(Incoming::Info(term), ProgramFormat::Json), "{\"info\":{\"@tuple\":[\"read\",\"a\"]}}\n");
        assert_eq!(Incoming::Cast(term).record(ProgramFormat::Etf, "n@h")[..15], *b"\0\0\0\x17\x83h\x02w\x04casth\x02");
        let topic = Term::parse(b"\x83m\0\0\0\x03cmd").unwrap();
        let broadcast = Incoming::Broadcast(topic, term);
        assert_eq!(told(broadcast, ProgramFormat::Erlang), "{broadcast,<<\"cmd\">>,{read,<<\"a\">>}}\n");
        assert_eq!(told(broadcast, ProgramFormat::Json), "{\"broadcast\":\"cmd\",\"message\":{\"@tuple\":[\"read\",\"a\"]}}\n");
        let frame = broadcast.record(ProgramFormat::Etf, "n@h");
        assert_eq!(frame[..25], *b"\0\0\0\x24\x83h\x03w\x09broadcastm\0\0\0\x03cm");
        assert_eq!(Incoming::Call(u32::MAX, term).record(ProgramFormat::Etf, "n@h")[3], 30);
    }

    #[test]
    fn what_waits_is_read_again() {
        let (topic, mut deep) = (Term::parse(b"\x83m\0\0\0\x03cmd").unwrap(), b"l\0\0\0\x01".repeat(1023));
        deep.extend([106; 1024]);
        let deep = Term::parse(&deep).unwrap();
        for told in [Incoming::Info(deep), Incoming::Broadcast(topic, deep), Incoming::Info(topic)] {
            let kept = told.kept();
            let again = Incoming::read(&kept).unwrap();
            assert_eq!(again.record(ProgramFormat::Etf, "n@h"), told.record(ProgramFormat::Etf, "n@h"));
        }
    }

    /// Neither an end of line nor any other control character is ever in a line, whatever the term is made of.
    #[test]
    fn no_term_breaks_a_line() {
        let all: String = (0..0x300).chain(0x2020..0x2030).filter_map(char::from_u32).collect();
        let bytes: Vec<u8> = (0..=255).collect();
        let mut buffer = [0; 16_384];
        let encoded = encode(&mut buffer, |t| {
            t.list(8 + all.chars().count())?;
            t.str(&all)?;
            t.charlist(&all)?;
            t.binary(&bytes)?;
            t.binary(b"\n")?;
            t.binary(b"a\nb")?;
            t.charlist("a\nb")?;
            t.bits(&bytes, 3)?;
            t.atom("a\nb")?;
            for c in all.chars() {
                t.atom(&c.to_string())?;
            }
            t.nil()
        });
        let term = Term::parse(encoded.unwrap()).unwrap();
        for format in [ProgramFormat::Erlang, ProgramFormat::Json] {
            let line = told(Incoming::Call(1, term), format);
            let controls = line.chars().filter(|c| *c < ' ').count();
            assert_eq!(controls, 1, "{line:?}");
        }
    }

    #[test]
    fn what_a_program_says_is_understood() {
        let term = |text: &str| {
            let mut bytes = [0; 256];
            owned(parse_text(text, &mut bytes).unwrap())
        };
        let reply = |text| Some(Outgoing::Reply { id: 7, term: term(text) });
        let send = Some(Outgoing::Send { name: "hub".into(), node: "a@b".into(), term: term("[x]") });
        let said = |format, record: &[u8]| read(format, record).map_err(|e| e.to_string());
        for line in ["{reply,7,ok}", " {reply, 7, ok}.\r", "{reply,7,ok} % done"] {
            assert_eq!(said(ProgramFormat::Erlang, line.as_bytes()), Ok(reply("ok")), "{line}");
        }
        for line in ["{send,hub,'a@b',[x]}", "{send, <<\"hub\">>, <<\"a@b\">>, [x]}."] {
            assert_eq!(said(ProgramFormat::Erlang, line.as_bytes()), Ok(send.as_ref().map(copy)), "{line}");
        }
        assert_eq!(said(ProgramFormat::Json, b"{\"value\": {\"@atom\": \"ok\"}, \"reply\": 7}"), Ok(reply("ok")));
        assert_eq!(said(ProgramFormat::Json, b"{\"send\":\"hub\",\"node\":\"a@b\",\"message\":[{\"@atom\":\"x\"}]}"), Ok(send));
        assert_eq!(said(ProgramFormat::Etf, b"\x83h\x03w\x05replya\x07w\x02ok"), Ok(reply("ok")));
        assert_eq!(said(ProgramFormat::Etf, b"\x83h\x03d\0\x05replyb\0\0\0\x07w\x02ok"), Ok(reply("ok")));
        assert_eq!((said(ProgramFormat::Erlang, b" \r"), said(ProgramFormat::Json, b"")), (Ok(None), Ok(None)));
    }

    #[test]
    fn a_program_publishes_to_one_node_or_to_several() {
        let said = |format, record: &[u8]| match read(format, record).map_err(|e| e.to_string()) {
            Ok(Some(Outgoing::Publish { name, nodes, term })) => format!("{name} {nodes} {}", Term::parse(&term).unwrap()),
            other => panic!("{other:?}"),
        };
        for (line, json, found) in [
            ("{publish,hub,'a@b',7}", r#"{"publish":"hub","node":"a@b","message":7}"#, "hub a@b 7"),
            ("{publish,hub,['a@b',<<\"c\">>],7}.", r#"{"node":["a@b","c"],"message":7,"publish":"hub"}"#, "hub a@b or c 7"),
            ("{publish,hub,{all,['a@b',c]},7}", r#"{"publish":"hub","nodes":["a@b","c"],"message":7}"#, "hub a@b and c 7"),
        ] {
            assert_eq!(said(ProgramFormat::Erlang, line.as_bytes()), found);
            assert_eq!(said(ProgramFormat::Json, json.as_bytes()), found);
            let mut bytes = [0; 256];
            assert_eq!(said(ProgramFormat::Etf, &owned(parse_text(line, &mut bytes).unwrap())), found);
        }
    }

    /// Whatever of a line is wrong, and however long it is: the log has its beginning.
    #[test]
    fn a_line_of_the_log_is_short() {
        let digits = "9".repeat(10_000);
        let lines = [
            format!("{{reply,{digits}abc,ok}}"),
            format!("{{reply,\"{digits}\",ok}}"),
            format!("{{send,{digits},a,b}}"),
            format!("{{send,<<\"{digits}\">>,a,b}}"),
            format!("{{send,a,<<\"{digits}\">>,b}}"),
            format!("{{publish,<<\"{digits}\">>,a,b}}"),
            format!("{{publish,a,[a,<<\"{digits}\">>],b}}"),
            format!("{{publish,a,{{\"{digits}\"}},b}}"),
            format!("{{\"{digits}\"}}"),
        ];
        let objects = [
            format!(r#"{{"reply": {digits}, "value": 1}}"#),
            format!(r#"{{"reply": "{digits}", "value": 1}}"#),
            format!(r#"{{"reply": 1, "value": {{"@term": "{digits}a"}}}}"#),
            format!(r#"{{"reply": 1, "value": {digits}e999}}"#),
            format!(r#"{{"reply": 1, "value": {{"@map": [["{digits}", 1], ["{digits}", 2]]}}}}"#),
            format!(r#"{{"send": "{digits}", "node": "a", "message": 1}}"#),
            format!(r#"{{"send": "a", "node": "{digits}", "message": 1}}"#),
            format!(r#"{{"publish": "a", "nodes": ["a", "{digits}"], "message": 1}}"#),
            format!(r#"{{"{digits}": 1}}"#),
        ];
        let all = lines.map(|line| (ProgramFormat::Erlang, line)).into_iter();
        for (format, line) in all.chain(objects.map(|line| (ProgramFormat::Json, line))) {
            let why = read(format, line.as_bytes()).err().map(|why| why.to_string()).unwrap_or_default();
            assert!((1..400).contains(&why.len()), "{line:.60}: {} bytes, {why:.400}", why.len());
        }
    }

    fn copy(said: &Outgoing) -> Outgoing {
        match said {
            Outgoing::Reply { id, term } => Outgoing::Reply { id: *id, term: term.clone() },
            Outgoing::Send { name, node, term } => Outgoing::Send { name: name.clone(), node: node.clone(), term: term.clone() },
            Outgoing::Publish { name, nodes, term } => {
                Outgoing::Publish { name: name.clone(), nodes: nodes.clone(), term: term.clone() }
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (format, record, words) in [
            (ProgramFormat::Erlang, &b"Reading"[..], "variables have no value here"),
            (ProgramFormat::Erlang, b"Reading", "a line is {reply,Id,Term}, {send,Name,Node,Term} or {publish,..}"),
            (ProgramFormat::Json, b"Reading", "a line is {\"reply\": ID, \"value\": JSON}"),
            (ProgramFormat::Erlang, b"\xff", "not UTF-8"),
            (ProgramFormat::Erlang, b"{reply,x,ok}", "x is no number of a call"),
            (ProgramFormat::Erlang, b"{reply,-1,ok}", "-1 is no number of a call"),
            (ProgramFormat::Erlang, b"{reply,1}", "neither {reply,Id,Term} nor"),
            (ProgramFormat::Erlang, b"{send,1,a,b}", "1 is no registered name"),
            (ProgramFormat::Erlang, b"{send,a,[],b}", "[] is no node"),
            (ProgramFormat::Erlang, b"{publish,a,[b,7],c}", "[b,7] is no node, list of nodes"),
            (ProgramFormat::Erlang, b"{publish,7,b,c}", "7 is no registered name"),
            (ProgramFormat::Json, b"{\"publish\":\"a\",\"nodes\":7,\"message\":2}", "it is not {\"publish\""),
            (ProgramFormat::Json, b"{\"reply\":1", "EOF"),
            (ProgramFormat::Json, b"{\"reply\":1}", "neither {\"reply\""),
            (ProgramFormat::Json, b"{\"reply\":1,\"value\":2,\"more\":3}", "neither"),
            (ProgramFormat::Json, b"{\"reply\":\"1\",\"value\":2}", "\"1\" is no number"),
            (ProgramFormat::Json, b"{\"reply\":1,\"value\":{\"@atom\":1}}", "takes a string"),
            (ProgramFormat::Json, b"{\"send\":\"a\",\"node\":1,\"message\":2}", "neither"),
            (ProgramFormat::Json, b"[1]", "neither"),
            (ProgramFormat::Etf, b"", "ends too early"),
            (ProgramFormat::Etf, b"\x83a\x01", "neither"),
            (ProgramFormat::Etf, b"\x82a\x01", "version 130"),
        ] {
            let Err(why) = read(format, record) else { panic!("{:?} is taken", String::from_utf8_lossy(record)) };
            let why = why.to_string();
            assert!(why.contains(words), "{why}");
        }
        let long =
            read(ProgramFormat::Erlang, &b"Reading the sensor takes a while".repeat(9)).map(|_| ()).unwrap_err().to_string();
        assert!(long.starts_with("what it wrote was skipped, `Reading the sensor takes`..: line 1"), "{long}");
    }
}

//! The reading of the map `info`, of which any part may be missing: agents are of any version.

use beamless::Term;

/// Returns what stands at the end of this path of keys.
pub(super) fn at<'t>(info: Term<'t>, path: &[&str]) -> Option<Term<'t>> {
    path.iter().try_fold(info, |map, key| map.get(*key))
}

/// Returns the number there, if it is one; `true` is 1 and `false` 0.
pub(super) fn number(info: Term<'_>, path: &[&str]) -> Option<f64> {
    value(at(info, path)?)
}

/// Returns a term as a number: of a list the first element, of a boolean 1 or 0.
pub(super) fn value(term: Term<'_>) -> Option<f64> {
    let first = term.as_list().and_then(|mut list| list.next()).unwrap_or(term);
    first.as_f64().or_else(|| first.as_bool().map(|is| f64::from(u8::from(is))))
}

/// Returns the whole number there.
pub(super) fn count(info: Term<'_>, path: &[&str]) -> Option<u64> {
    at(info, path)?.as_u64()
}

/// Returns the text there: of an atom or a binary, but not of `false`, which says that there is none.
pub(super) fn words(info: Term<'_>, path: &[&str]) -> String {
    at(info, path).filter(|term| !term.is_atom("false")).map(text).unwrap_or_default()
}

/// Returns the text of an atom or a binary, and of another term what Erlang writes.
pub(super) fn text(term: Term<'_>) -> String {
    match (term.as_atom(), term.as_binary()) {
        (Some(atom), _) => atom.chars().collect(),
        (_, Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => term.to_string(),
    }
}

/// Returns the pairs of a map in the map, in the order of their keys' text.
pub(super) fn entries<'t>(info: Term<'t>, key: &str) -> impl Iterator<Item = (Term<'t>, Term<'t>)> + use<'t> {
    let mut pairs: Vec<_> = info.get(key).and_then(Term::as_map).into_iter().flatten().collect();
    pairs.sort_by_cached_key(|(key, _)| text(*key));
    pairs.into_iter()
}

/// Returns the elements of a list in the map.
pub(super) fn elements<'t>(info: Term<'t>, key: &str) -> impl Iterator<Item = Term<'t>> + use<'t> {
    info.get(key).and_then(Term::as_list).into_iter().flatten()
}

/// What a person should know.
pub(super) struct Alarm {
    pub(super) what: String,
    /// The node, mailbox or label that it is about.
    pub(super) name: String,
    pub(super) since: Option<u64>,
    pub(super) text: String,
}

impl Alarm {
    /// Returns it on one line.
    pub(super) fn words(&self) -> String {
        let words = format!("{} {}", self.what, self.name);
        if self.text.is_empty() { words } else { format!("{}: {}", words.trim_end(), self.text) }
    }
}

pub(super) fn alarms(info: Term<'_>) -> impl Iterator<Item = Alarm> {
    let alarms = info.get("health").into_iter().flat_map(|health| elements(health, "alarms"));
    alarms.map(|alarm| Alarm {
        what: words(alarm, &["what"]),
        name: words(alarm, &["name"]),
        since: count(alarm, &["since"]),
        text: words(alarm, &["text"]),
    })
}

/// Returns where readings go: `collector hub@nuc3`, `Some.PubSub readings`, `group pg:temps`.
pub(super) fn recipient(publish: Term<'_>) -> String {
    let mut nodes: Vec<String> = elements(publish, "nodes").map(text).collect();
    nodes.extend(publish.get("node").filter(|_| nodes.is_empty()).map(text));
    let group = words(publish, &["group"]);
    let parts = if group.is_empty() {
        [words(publish, &["to"]), words(publish, &["pubsub"]), words(publish, &["topic"]), nodes.join(",")]
    } else {
        ["group".to_owned(), group, String::new(), String::new()]
    };
    parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ")
}

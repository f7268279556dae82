//! What `system` tells of the readings.

use beamless::{TermWriter, Written};

use super::counts::{count, counted, pairs};
use crate::cli::agent::config::Receiver;
use crate::cli::agent::publish::{Last, Publishing, Room, Status};

/// Writes the readings, each `[[publish]]` as a map.
pub(super) fn published<'t, 'b>(t: &'t mut TermWriter<'b>, publishing: &Publishing) -> Written<'t, 'b> {
    let statuses = publishing.status();
    t.list(statuses.len())?;
    for status in statuses {
        one(t, &status)?;
    }
    t.nil()
}

fn one<'t, 'b>(t: &'t mut TermWriter<'b>, status: &Status<'_>) -> Written<'t, 'b> {
    let Status { given, nodes, counts: [arrived, kept, dropped], age, waiting, oldest, trouble } = status;
    let many = match &given.receiver {
        Receiver::Name { nodes, .. } => nodes.names(),
        _ => &[],
    };
    let has_node = !matches!(given.receiver, Receiver::Group(_));
    // there may be many of these: what is not the case is left out
    let more = [has_node, many.len() > 1, oldest.is_some(), trouble.is_some()].into_iter().filter(|is_there| *is_there).count();
    t.map(more.saturating_add(8))?.atom("label")?.str(&given.label)?;
    match &given.receiver {
        Receiver::Name { to, .. } => t.atom("to")?.atom(to)?.atom("node")?.atom(nodes.first().unwrap_or(&""))?,
        Receiver::PubSub { pubsub, topic } => t.atom("pubsub")?.str(&pubsub.to_string())?.atom("topic")?.str(topic)?,
        Receiver::Group(group) => t.atom("group")?.str(&group.to_string())?,
    };
    if many.len() > 1 {
        t.atom("nodes")?.list(many.len())?;
        for node in many {
            t.atom(node)?;
        }
        t.nil()?;
    }
    let every = u64::try_from(given.every.as_millis()).unwrap_or(u64::MAX);
    pairs(t, &[("sent", *arrived), ("kept", *kept), ("dropped", *dropped), ("every", every), ("waiting", *waiting)])?;
    t.atom("age")?;
    match age {
        Some(age) => t.int(*age)?,
        None => t.bool(false)?,
    };
    if let Some(oldest) = oldest {
        t.atom("oldest")?.int(oldest.checked_div(1000).unwrap_or(0))?;
    }
    if let Some(trouble) = trouble {
        let text: String = trouble.chars().take(SHOWN).collect();
        t.atom("trouble")?.str(&text)?;
    }
    Ok(t)
}

/// The most characters of a trouble.
const SHOWN: usize = 80;

/// Writes how much of the room for readings that wait is used.
pub(super) fn keep<'t, 'b>(t: &'t mut TermWriter<'b>, publishing: &Publishing) -> Written<'t, 'b> {
    let Room { memory: [used, limit], disk } = publishing.room();
    t.map(2)?;
    counted(t.atom("memory")?, &[("used", used as u64), ("limit", limit as u64)])?.atom("disk")?;
    let Some((used, limit, is_failed)) = disk else { return t.bool(false) };
    pairs(t.map(3)?, &[("used", used), ("limit", limit)])?.atom("failed")?.bool(is_failed)
}

/// Returns the last reading of each label, the newest one where a label is there twice.
pub(super) fn newest(publishing: &Publishing) -> Vec<Last<'_>> {
    let mut found: Vec<Last<'_>> = Vec::new();
    for last in publishing.last() {
        match found.iter_mut().find(|known| known.label == last.label) {
            Some(known) if known.number < last.number => *known = last,
            Some(_) => {}
            None => found.push(last),
        }
    }
    found
}

/// Writes `#{Label => {Milliseconds, Value, Number}}`.
pub(super) fn all<'t, 'b>(t: &'t mut TermWriter<'b>, newest: &[Last<'_>]) -> Written<'t, 'b> {
    t.map(newest.len())?;
    for reading in newest {
        last(t.str(reading.label)?, reading)?;
    }
    Ok(t)
}

/// Writes `{Milliseconds, Value, Number}`.
pub(super) fn last<'t, 'b>(t: &'t mut TermWriter<'b>, reading: &Last<'_>) -> Written<'t, 'b> {
    t.tuple(3)?;
    match reading.milliseconds {
        Some(milliseconds) => t.int(milliseconds)?,
        None => t.atom("undefined")?,
    };
    count(t.term(reading.value)?, reading.number)
}

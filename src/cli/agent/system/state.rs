//! What `system` tells of what the agent looks after: the nodes that are wanted, the programs, and what a person should know of.

use beamless::{TermWriter, Written};

use super::counts::{age, pairs};
use crate::cli::agent::connections::Connections;
use crate::cli::agent::health::Alarm;
use crate::cli::agent::peers::Presence;
use crate::cli::agent::programs::{ProgramStatus, Programs};

/// The most alarms that are told, and the most characters of each.
const ALARMS: (usize, usize) = (16, 160);
/// The most nodes that are told: of a host that is asked there may be any number.
const NODES: usize = 64;

/// Writes the alarms, the most important first.
pub(super) fn health<'t, 'b>(t: &'t mut TermWriter<'b>, alarms: &[Alarm]) -> Written<'t, 'b> {
    t.map(2)?.atom("state")?.atom(if alarms.is_empty() { "ok" } else { "warning" })?;
    t.atom("alarms")?.list(alarms.len().min(ALARMS.0))?;
    for alarm in alarms.iter().take(ALARMS.0) {
        t.map(4)?.atom("what")?.atom(alarm.kind.name())?.atom("name")?.str(&alarm.name)?;
        age(t.atom("since")?, alarm.since)?;
        let text: String = alarm.text().chars().take(ALARMS.1).collect();
        t.atom("text")?.str(&text)?;
    }
    t.nil()
}

/// Writes the nodes that are to be connected.
pub(super) fn nodes<'t, 'b>(t: &'t mut TermWriter<'b>, connections: &Connections) -> Written<'t, 'b> {
    let wanted = connections.wanted().take(NODES);
    t.map(wanted.clone().count())?;
    for (name, Presence { is_connected, since, reason }) in wanted {
        t.atom(name)?.map(3)?.atom("connected")?.bool(is_connected)?;
        age(t.atom("since")?, since)?;
        t.atom("reason")?;
        match reason {
            Some(reason) => t.str(&reason.to_string())?,
            None => t.bool(false)?,
        };
    }
    Ok(t)
}

/// Writes the programs, by their mailboxes.
pub(super) fn programs<'t, 'b>(t: &'t mut TermWriter<'b>, programs: &Programs) -> Written<'t, 'b> {
    t.map(programs.statuses().len())?;
    for program in programs.statuses() {
        let ProgramStatus { name, is_running, since, restarts, last_exit, calls, unread, .. } = program;
        t.atom(name)?.map(6)?.atom("running")?.bool(is_running)?;
        age(t.atom("since")?, since)?;
        t.atom("last_exit")?;
        match last_exit {
            Some(words) => t.str(words)?,
            None => t.bool(false)?,
        };
        pairs(t, &[("restarts", restarts), ("calls", calls as u64), ("unread", unread as u64)])?;
    }
    Ok(t)
}

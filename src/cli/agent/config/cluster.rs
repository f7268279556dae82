//! What the groups and global names of the whole file come to.

use super::receiver::Receiver;
use super::sections::{ProgramSettings, Publish};
use crate::cli::agent::own::reserved;

/// The most scopes of groups that a node takes part in.
const SCOPES: usize = 4;
/// The most global names of a node.
const NAMES: usize = 8;
/// Places for memberships beside twice those of the file: for what a changed file brings, and for what was left and somebody is still to be
/// told of.
const ROOM: u16 = 8;

/// The memory that the node needs for groups and global names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::agent) struct GroupSizes {
    /// Memberships of mailboxes.
    pub(in crate::cli::agent) joined: u16,
    /// Members on other nodes; 0 where nothing is sent to any.
    pub(in crate::cli::agent) members: u16,
}

impl GroupSizes {
    /// Returns what the file needs, where `members` are wanted of groups that readings go to. A node that runs keeps what it has, if that
    /// is enough.
    pub(super) fn of(programs: &[ProgramSettings], publish: &[Publish], members: u16, running: Option<Self>) -> Option<Self> {
        let needed = programs.iter().map(|program| program.place.groups().count()).fold(0, usize::saturating_add);
        let needed = u16::try_from(needed).unwrap_or(u16::MAX);
        let sends = publish.iter().any(|publish| matches!(publish.receiver, Receiver::Group(_)));
        if needed == 0 && !sends && programs.iter().all(|program| program.place.global.is_none()) {
            return running;
        }
        let joined = running.map(|running| running.joined).filter(|joined| *joined >= needed);
        let joined = joined.unwrap_or_else(|| needed.saturating_mul(2).saturating_add(ROOM).min(u16::MAX - 1));
        let members = if sends { members } else { running.map_or(0, |running| running.members) };
        Some(Self { joined, members })
    }
}

/// Returns what cannot be of all tables together.
pub(super) fn fault(programs: &[ProgramSettings], publish: &[Publish]) -> Option<String> {
    let mut scopes: Vec<String> = programs.iter().flat_map(|program| program.place.groups()).map(|group| group.scope).collect();
    scopes.extend(publish.iter().filter_map(|publish| match &publish.receiver {
        Receiver::Group(group) => Some(group.scope.clone()),
        _ => None,
    }));
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.len() > SCOPES {
        return Some(format!(
            "the groups are of {} scopes, {}: a node takes part in {SCOPES} at most",
            scopes.len(),
            scopes.join(", ")
        ));
    }
    let is_taken = |scope: &String| reserved().any(|own| own == scope) || programs.iter().any(|program| program.name == *scope);
    if let Some(scope) = scopes.into_iter().find(is_taken) {
        return Some(format!("{scope} is a scope of groups, and a mailbox: choose another name for one of them"));
    }
    let mut names: Vec<&String> = programs.iter().filter_map(|program| program.place.global.as_ref()).collect();
    if names.len() > NAMES {
        return Some(format!("there are {} global names: a node has {NAMES} at most", names.len()));
    }
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair.first() == pair.last())?;
    Some(format!("{} is the global name of two mailboxes: leave one out", twice.first()?))
}

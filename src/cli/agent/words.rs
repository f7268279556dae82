//! The agent's own words for what the library says: whoever reads its log has a configuration file, not a storage.

use std::time::Duration;

use beamless::{Dropped, Error, Event, Full, Reason};

use crate::cli::tls::{self, Wanted};

/// The words for a node that there is no place for.
pub(super) const NO_ROOM: &str = "all places for nodes are taken: enlarge `nodes` in [sizes]";

/// Returns an error with the setting that is to be changed, if there is one.
pub(super) fn error(e: &Error) -> String {
    let key = match e {
        Error::Full(Full::Message { .. }) => "message",
        Error::Full(Full::Mailboxes) => "mailboxes",
        Error::Full(Full::Watches) => "watches",
        Error::Full(Full::Requests) => "requests",
        Error::Full(Full::Peers) => "nodes",
        Error::Full(Full::Groups) => return "all places in groups are taken".to_owned(),
        _ => return e.to_string(),
    };
    format!("{e}: enlarge `{key}` in [sizes]")
}

/// Returns an event with the setting that is to be changed, if there is one.
pub(super) fn event(event: &Event, tls: Option<&Wanted>) -> String {
    match event {
        Event::Dropped { node, why: Dropped::WatchesFull, .. } => format!(
            "{node} has as many links, monitors and waiting calls here as one node may, and is refused more with system_limit: enlarge \
             `watches` in [sizes] if it needs them"
        ),
        Event::TooLarge { .. } => format!("{event}: enlarge `message` in [sizes] to take it"),
        Event::MembersFull { .. } => {
            format!("{event}: enlarge `members` in [sizes], or `message` where a node has more than fit one message")
        }
        // who is refused is told of elsewhere
        Event::ConnectFailed { reason: Reason::Full, .. } => format!("{event}: enlarge `nodes` in [sizes]"),
        Event::ConnectFailed { reason, .. } | Event::NodeDown { reason, .. } => format!("{event}{}", tls::hint(*reason, tls)),
        _ => event.to_string(),
    }
}

/// Returns a time in the largest unit of which there are two.
pub(super) fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let unit =
        units.into_iter().map(|(unit, name)| (seconds.checked_div(unit).unwrap_or(0), name)).find(|(count, _)| *count >= 2);
    let (count, name) = unit.unwrap_or((seconds, "seconds"));
    format!("{count} {name}")
}

#[cfg(test)]
mod tests {
    use beamless::NodeName;

    use super::*;

    /// What the library says of its storage has the key of the file behind it, as has a peer that wants TLS.
    #[test]
    fn what_is_full_has_its_key() {
        let keys = [
            (Full::Message { needed: 2, limit: 1 }, "message"),
            (Full::Mailboxes, "mailboxes"),
            (Full::Watches, "watches"),
            (Full::Requests, "requests"),
            (Full::Peers, "nodes"),
        ];
        for (full, key) in keys {
            let text = error(&full.into());
            assert!(text.ends_with(&format!("enlarge `{key}` in [sizes]")) && !text.contains("storage"), "{text}");
        }
        let speaks = Event::ConnectFailed { node: NodeName::new("a@b").unwrap(), reason: Reason::PeerSpeaksTls };
        assert!(event(&speaks, None).ends_with("or this one with TLS: --tls-dir DIR, or [tls] in the file of an agent"));
        assert_eq!(error(&Error::NotConnected), Error::NotConnected.to_string());
        let node = NodeName::new("a@b").unwrap();
        for reason in [Reason::Full, Reason::Nok] {
            let text = event(&Event::ConnectFailed { node: node.clone(), reason }, None);
            assert_eq!(text.contains("`nodes` in [sizes]"), reason == Reason::Full, "{text}");
            assert!(!text.contains("storage"), "{text}");
        }
    }

    #[test]
    fn times_are_told_roughly() {
        let texts = [1, 119, 120, 7199, 7200, 172_799, 172_800].map(|seconds| roughly(Duration::from_secs(seconds)));
        assert_eq!(texts, ["1 seconds", "119 seconds", "2 minutes", "119 minutes", "2 hours", "47 hours", "2 days"]);
    }
}

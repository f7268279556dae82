//! Readings for the members of a group.

use beamless::{Error, Full, Mailbox, Node};

use super::publisher::{Context, Publisher, message};
use crate::cli::agent::config::Receiver;
use crate::cli::agent::words;
use crate::cli::lines::limited;

/// Sends what is kept to the groups that have members. A reading counts as arrived once it is sent: whom it went to is not known here.
pub(super) fn send(publishers: &mut [Publisher], mailbox: Mailbox, node: &mut Node<'_>, world: &Context<'_>) {
    if node.outbox(mailbox).is_err() {
        // it has ended, and is registered again
        return;
    }
    for publisher in publishers {
        let name = publisher.name();
        let Receiver::Group(group) = &publisher.given.receiver else { continue };
        let Some(outlet) = publisher.outlets.first_mut() else { continue };
        while let Some(reading) = outlet.kept.next(0, world.limit) {
            let Some(message) = message(&publisher.given, reading, world) else { return outlet.kept.drop_oldest() };
            let sent = node.send_to_group(mailbox, &group.scope, |t| t.atom(&group.name), |t| message.write(t));
            match sent {
                Ok(0) => break,
                Ok(_) => {}
                Err(Error::Full(Full::Transmit { .. })) => limited!(
                    warn,
                    "",
                    "readings that some members did not get",
                    "{name}: not all members of {group} have a reading, since their node does not read"
                ),
                Err(e) => {
                    outlet.kept.drop_oldest();
                    limited!(
                        warn,
                        "",
                        "readings that could not be sent",
                        "{name}: a reading cannot be sent and is dropped: {}",
                        words::error(&e)
                    );
                    continue;
                }
            }
            outlet.kept.was_sent();
            outlet.kept.ask();
            outlet.kept.have_arrived();
            let dropped = outlet.kept.take_untold();
            if dropped > 0 {
                limited!(
                    warn,
                    &name,
                    "readings for groups that were dropped",
                    "{name}: {dropped} readings for group {group} were dropped, since it had no members"
                );
            }
        }
    }
}

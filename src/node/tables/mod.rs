//! The memory of a node. Nothing here knows what it is remembered for.

pub(crate) mod answered;
pub(crate) mod event;
pub(crate) mod functions;
pub(crate) mod groups;
pub(crate) mod half_open;
pub(crate) mod handles;
pub(crate) mod hashes;
pub(crate) mod identity;
pub(crate) mod inbox;
pub(crate) mod ledger;
pub(crate) mod lines;
pub(crate) mod links;
pub(crate) mod mailbox;
pub(crate) mod memory;
pub(crate) mod origin;
pub(crate) mod past;
pub(crate) mod peers;
pub(crate) mod record;
pub(crate) mod requests;
pub(crate) mod shares;
pub(crate) mod ties;
pub(crate) mod unread;

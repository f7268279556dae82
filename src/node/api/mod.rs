//! What the program sees, and does.

pub(crate) mod address;
pub(crate) mod message;
pub(crate) mod outbox;
pub(crate) mod program;

//! The interface of the program.

mod act;
pub(crate) mod address;
mod groups;
pub(crate) mod message;
pub(crate) mod outbox;
pub(crate) mod program;

//! The interface of the program.

mod act;
pub(crate) mod address;
pub(crate) mod message;
pub(crate) mod outbox;
pub(crate) mod program;

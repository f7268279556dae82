//! The effects of control messages.

pub(crate) mod dispatch;
pub(crate) mod due;
pub(crate) mod exits;
pub(crate) mod requests;
pub(crate) mod spawn;
pub(crate) mod watch;

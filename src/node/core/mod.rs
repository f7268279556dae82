//! The core, on which the rooms above stand: it finds, delivers, answers, and lets go.

pub(crate) mod deliver;
pub(crate) mod names;
pub(crate) mod send;
pub(crate) mod state;

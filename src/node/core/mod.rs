//! The core, on which the rooms above stand: it finds, delivers and answers.

pub(crate) mod deliver;
pub(crate) mod names;
pub(crate) mod send;
pub(crate) mod state;

//! The command line: its reading, help, completions and manual page. All of it comes out of the tables that the commands bring.

pub(crate) mod completion;
mod help;
pub(crate) mod man;
pub(crate) mod options;
pub(crate) mod reading;
pub(crate) mod spec;

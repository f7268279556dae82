//! The commands, a file each: what it takes, what its help says, and what it does. A new one is a file here and a line in [`COMMANDS`].

mod asking;
mod broadcast;
mod call;
#[cfg(feature = "certs")]
mod certs;
mod completion;
mod epmd;
mod function;
mod groups;
mod man;
mod membership;
mod message;
mod names;
mod nodes;
mod ping;
mod printer;
mod printing;
mod recv;
mod rpc;
mod run;
mod send;
mod status;
mod whereis;

use super::command_line::spec::Spec;

/// Every command, in the order in which `--help` lists them.
pub(super) const COMMANDS: &[Spec] = &[
    run::SPEC,
    recv::SPEC,
    ping::SPEC,
    send::SPEC,
    call::SPEC,
    rpc::SPEC,
    broadcast::SPEC,
    status::SPEC,
    nodes::SPEC,
    groups::SPEC,
    whereis::SPEC,
    names::SPEC,
    epmd::SPEC,
    #[cfg(feature = "certs")]
    certs::SPEC,
    completion::SPEC,
    man::SPEC,
];

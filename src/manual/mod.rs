//! The manual.
//!
//! | for | pages |
//! |---|---|
//! | the agent, `beamless run` | [as a service](self::agent), [its configuration file](self::configuration), [programs behind mailboxes](self::programs), [readings that are published](self::publishing), [the hub's side](self::hub), [functions that are commands](self::functions), [how the box is](self::system_info) |
//! | scripts | [the tool](self::tool) |
//! | clusters of Elixir | [PubSub, Presence, names, libcluster](self::clusters) |
//! | programs in Rust | [the library, step by step](self::library), [calls, links, monitors and functions](self::processes), [without std](self::no_std) |
//! | everybody | [building, installing, cross-building](self::building), [memory and sizes](self::memory), [what it costs](self::performance), [long life, and many nodes](self::long_life), [security: whom to trust, and with what](self::security), [TLS: certificates for boxes and hubs](self::tls), [the protocol and what is left out](self::protocol), [tested with](self::tested_with) |
//! | contributors | [the house and its rooms](self::contributing) |
//!
//! The pages are the files `src/manual/*.md`. They have no code but their examples, which are tested.

#[expect(unused_imports, reason = "the pages name items as a program does that imports them")]
use crate::*;

/// Makes a module of each file, whose documentation it is.
///
/// A page links to another one in the form of GitHub, by the definitions at its end. Those in front of it win, so rustdoc follows these, and
/// checks them.
macro_rules! pages {
    ($($name:ident: $file:literal $(with $plot:literal)?;)*) => {$(
        /// [agent]: crate::manual::agent
        /// [broadcasts]: crate::manual::programs#topics-of-a-phoenixpubsub
        /// [alarms]: crate::manual::system_info#alarms
        /// [behind]: crate::manual::programs#what-a-program-leaves-behind
        /// [building]: crate::manual::building
        /// [clusters]: crate::manual::clusters
        /// [configuration]: crate::manual::configuration
        /// [connected]: crate::manual::agent#nodes-that-stay-connected
        /// [cookie]: crate::manual::agent#the-cookie
        /// [depend]: crate::manual::library#depend-on-it
        /// [ended]: crate::manual::library#a-mailbox-that-ends
        /// [functions]: crate::manual::functions
        /// [gossip]: crate::manual::security#who-can-have-a-node-call-him
        /// [hub]: crate::manual::hub
        /// [heartbeats]: crate::manual::agent#heartbeats-libclusters-strategy-gossip
        /// [json]: crate::manual::tool#json
        /// [kept]: crate::manual::publishing#what-is-kept
        /// [keys]: crate::manual::configuration#keys
        /// [listens]: crate::manual::security#where-it-listens
        /// [long_life]: crate::manual::long_life
        /// [memory]: crate::manual::memory
        /// [no_std]: crate::manual::no_std
        /// [performance]: crate::manual::performance
        /// [places]: crate::manual::programs#groups-and-a-global-name
        /// [plot]: crate::manual::performance#the-plot
        /// [power]: crate::manual::agent#after-a-power-cut
        /// [processes]: crate::manual::processes
        /// [programs]: crate::manual::programs
        /// [publishing]: crate::manual::publishing
        /// [rights]: crate::manual::agent#what-programs-may-do
        /// [security]: crate::manual::security
        /// [soak]: crate::manual::long_life#the-curve
        /// [status]: crate::manual::tool#how-nodes-are
        /// [system_info]: crate::manual::system_info
        /// [ties]: crate::manual::processes#links-and-monitors
        /// [tls]: crate::manual::tls
        /// [to_programs]: crate::manual::programs#readings-for-a-program
        /// [tool]: crate::manual::tool
        /// [topics]: crate::manual::publishing#to-the-subscribers-of-a-topic
        /// [unit]: crate::manual::agent#under-systemd
        ///
        #[doc = include_str!($file)]
        $(
            ///
            #[doc = include_str!($plot)]
        )?
        pub mod $name {}
    )*};
}

pages! {
    agent: "agent.md";
    building: "building.md";
    clusters: "clusters.md";
    configuration: "configuration.md";
    contributing: "contributing.md";
    functions: "functions.md";
    hub: "hub.md";
    library: "library.md";
    long_life: "long_life.md" with "soak.svg";
    memory: "memory.md";
    no_std: "no_std.md";
    performance: "performance.md" with "plot.svg";
    processes: "processes.md";
    programs: "programs.md";
    protocol: "protocol.md";
    publishing: "publishing.md";
    security: "security.md";
    system_info: "system_info.md";
    tested_with: "tested_with.md";
    tls: "tls.md";
    tool: "tool.md";
}

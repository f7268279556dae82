//! The table. Between a step of theirs and one of ours each side hears of all that the other did.

use Do::{Apart, AtOnce, They, TheyEnded, TheyGot, TheyGotAll, We, WeEnded, WeGot, WeGotAll};

use crate::support::otp;

/// A step of a case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Do {
    /// They do this.
    They(&'static str),
    We(&'static str),
    /// They do the first and we the second, neither of us having heard of the other's.
    AtOnce(&'static str, &'static str),
    /// This comes to them, waited for, and nothing besides.
    TheyGot(&'static [&'static str]),
    WeGot(&'static [&'static str]),
    /// This comes to them, in whatever order.
    TheyGotAll(&'static [&'static str]),
    WeGotAll(&'static [&'static str]),
    /// They end, for this reason.
    TheyEnded(&'static str),
    WeEnded(&'static str),
    /// The connection is gone, as both know.
    Apart,
}

/// Its name, and what happens.
pub(crate) type Case = (&'static str, &'static [Do]);

const TRAP: &str = "process_flag(trap_exit, true)";

/// They monitor us.
const THEIR_MONITORS: &[Case] = &[
    ("monitor by pid", &[They("monitor(process, M)"), We("exit({some,reason})"), TheyGot(&["{'DOWN',m,{some,reason}}"])]),
    ("monitor by name", &[They("monitor(process, {m, N})"), We("exit(why)"), TheyGot(&["{'DOWN',{m,node},why}"])]),
    ("monitor, and a normal end", &[They("monitor(process, M)"), We("exit(normal)"), TheyGot(&["{'DOWN',m,normal}"])]),
    ("monitor, and an end that says kill", &[They("monitor(process, M)"), We("exit(kill)"), TheyGot(&["{'DOWN',m,kill}"])]),
    ("monitor, and killed", &[They("monitor(process, M), exit(M, kill)"), WeEnded("killed"), TheyGot(&["{'DOWN',m,killed}"])]),
    ("monitor taken back", &[They("R = monitor(process, M), demonitor(R)"), TheyGot(&[]), We("exit(why)"), TheyGot(&[])]),
    ("monitor by name taken back", &[They("demonitor(monitor(process, {m, N}))"), TheyGot(&[]), We("exit(why)"), TheyGot(&[])]),
    (
        "monitor of a name that is not there",
        &[They("monitor(process, {nosuch, N})"), TheyGot(&["{'DOWN',{nosuch,node},noproc}"])],
    ),
    (
        "monitor of what has ended",
        &[
            We("exit(normal)"),
            WeEnded("normal"),
            They("monitor(process, M)"),
            TheyGot(&["{'DOWN',m,noproc}"]),
            They("monitor(process, {m, N})"),
            TheyGot(&["{'DOWN',{m,node},noproc}"]),
        ],
    ),
    (
        "two monitors, one taken back",
        &[
            They("R = monitor(process, M), monitor(process, {m, N}), demonitor(R)"),
            We("exit(why)"),
            TheyGot(&["{'DOWN',{m,node},why}"]),
        ],
    ),
    (
        "monitor, and a large reason",
        &[They("monitor(process, M)"), We("exit(binary:copy(<<7>>, 8192))"), TheyGot(&["{'DOWN',m,{bytes,8192}}"])],
    ),
    ("monitor by one that ends", &[They("monitor(process, M)"), They("exit(why)"), TheyEnded("why"), WeGot(&[])]),
];

/// They link to us.
const THEIR_LINKS: &[Case] = &[
    ("link, and we end normally", &[They("link(M)"), We("exit(normal)"), WeEnded("normal"), TheyGot(&[])]),
    ("link, and we end", &[They("link(M)"), We("exit({some,reason})"), TheyEnded("{some,reason}")]),
    ("link, and we say kill", &[They("link(M)"), We("exit(kill)"), TheyEnded("kill")]),
    ("link, trapping, and we end", &[They(TRAP), They("link(M)"), We("exit(why)"), TheyGot(&["{'EXIT',m,why}"])]),
    ("link, trapping, and we end normally", &[They(TRAP), They("link(M)"), We("exit(normal)"), TheyGot(&["{'EXIT',m,normal}"])]),
    ("link, trapping, and we say kill", &[They(TRAP), They("link(M)"), We("exit(kill)"), TheyGot(&["{'EXIT',m,kill}"])]),
    ("link, and they end normally", &[They("link(M)"), They("exit(normal)"), TheyEnded("normal"), WeGot(&[])]),
    ("link, and they end", &[They("link(M)"), They("exit({some,reason})"), WeEnded("{some,reason}")]),
    ("link, and they are killed", &[They("link(M)"), They("exit(self(), kill)"), TheyEnded("killed"), WeEnded("killed")]),
    ("link, and they say kill", &[They("link(M)"), They("exit(kill)"), TheyEnded("kill"), WeEnded("kill")]),
    ("link, we trap, and they end normally", &[We(TRAP), They("link(M)"), They("exit(normal)"), WeGot(&["{'EXIT',p,normal}"])]),
    ("link, we trap, and they end", &[We(TRAP), They("link(M)"), They("exit({a,b})"), WeGot(&["{'EXIT',p,{a,b}}"])]),
    ("link, we trap, and they say kill", &[We(TRAP), They("link(M)"), They("exit(kill)"), WeGot(&["{'EXIT',p,kill}"])]),
    (
        "link, we trap, and a large reason",
        &[We(TRAP), They("link(M)"), They("exit(binary:copy(<<7>>, 8192))"), WeGot(&["{'EXIT',p,{bytes,8192}}"])],
    ),
    (
        "link, and a large reason",
        &[They("link(M)"), They("exit(binary:copy(<<7>>, 8192))"), WeEnded("{bytes,8192}"), TheyEnded("{bytes,8192}")],
    ),
    ("unlink", &[They(TRAP), They("link(M), unlink(M)"), TheyGot(&[]), We("exit(why)"), WeEnded("why"), TheyGot(&[])]),
    ("unlink, and they end", &[They("link(M), unlink(M)"), They("exit(why)"), TheyEnded("why"), WeGot(&[])]),
    (
        "link twice, unlink once",
        &[They(TRAP), They("link(M), link(M), unlink(M)"), TheyGot(&[]), We("exit(why)"), WeEnded("why"), TheyGot(&[])],
    ),
    (
        "link, unlink, link",
        &[They(TRAP), They("link(M), unlink(M), link(M)"), TheyGot(&[]), We("exit(why)"), TheyGot(&["{'EXIT',m,why}"])],
    ),
    ("link to what has ended", &[They(TRAP), We("exit(why)"), WeEnded("why"), They("link(M)"), TheyGot(&["{'EXIT',m,noproc}"])]),
    (
        "link to what has ended, not trapping",
        &[We("exit(why)"), WeEnded("why"), They("link(M), receive never -> ok end"), TheyEnded("noproc")],
    ),
    (
        "link and monitor",
        &[They(TRAP), They("link(M), monitor(process, M)"), We("exit(why)"), TheyGotAll(&["{'DOWN',m,why}", "{'EXIT',m,why}"])],
    ),
    (
        "several processes, each linked and monitoring",
        &[
            They("ties:watch(M, 3)"),
            TheyGot(&[]),
            We("exit(why)"),
            TheyGotAll(&["{down,why}", "{down,why}", "{down,why}", "{exit,why}", "{exit,why}", "{exit,why}"]),
        ],
    ),
    (
        "one ends another, and all are told",
        &[They("ties:watch(M, 2)"), They("link(M)"), They("exit(bang)"), WeEnded("bang"), TheyEnded("bang")],
    ),
];

/// They send exits to us.
const THEIR_EXITS: &[Case] = &[
    ("exit normal", &[They("exit(M, normal)"), They("M ! still_there"), WeGot(&["still_there"])]),
    ("exit normal, we trap", &[We(TRAP), They("exit(M, normal)"), WeGot(&["{'EXIT',p,normal}"])]),
    ("exit", &[They("exit(M, {some,reason})"), WeEnded("{some,reason}"), TheyGot(&[])]),
    ("exit, we trap", &[We(TRAP), They("exit(M, {some,reason})"), WeGot(&["{'EXIT',p,{some,reason}}"])]),
    ("kill", &[They("exit(M, kill)"), WeEnded("killed")]),
    ("kill, we trap", &[We(TRAP), They("exit(M, kill)"), WeEnded("killed")]),
    ("killed is no kill", &[We(TRAP), They("exit(M, killed)"), WeGot(&["{'EXIT',p,killed}"])]),
    ("exit of what has ended", &[We("exit(normal)"), WeEnded("normal"), They("exit(M, why), exit(M, kill)"), TheyGot(&[])]),
    ("exit, and they are linked", &[They("link(M)"), They("exit(M, why)"), WeEnded("why"), TheyEnded("why")]),
    ("kill, and they are linked", &[They("link(M)"), They("exit(M, kill)"), WeEnded("killed"), TheyEnded("killed")]),
    (
        "kill, and they are linked and trap",
        &[They(TRAP), They("link(M)"), They("exit(M, kill)"), WeEnded("killed"), TheyGot(&["{'EXIT',m,killed}"])],
    ),
    (
        "messages and exits keep their order",
        &[
            We(TRAP),
            They("M ! one, exit(M, two), M ! three, exit(M, normal)"),
            WeGot(&["one", "{'EXIT',p,two}", "three", "{'EXIT',p,normal}"]),
        ],
    ),
    ("trapping no more", &[We(TRAP), We("process_flag(trap_exit, false)"), They("exit(M, why)"), WeEnded("why")]),
    (
        "with a trace token",
        &[
            We(TRAP),
            They(
                "seq_trace:set_token(label, 17), seq_trace:set_token(send, true), link(M), M ! traced, exit(M, why), exit(over)",
            ),
            WeGot(&["traced", "{'EXIT',p,why}", "{'EXIT',p,over}"]),
        ],
    ),
];

/// We link to them.
const OUR_LINKS: &[Case] = &[
    ("our link, and they end normally", &[We("link(P)"), They("exit(normal)"), TheyEnded("normal"), WeGot(&[])]),
    ("our link, and they end", &[We("link(P)"), They("exit({some,reason})"), WeEnded("{some,reason}")]),
    ("our link, and they are killed", &[We("link(P)"), They("exit(self(), kill)"), WeEnded("killed")]),
    ("our link, we trap, and they end", &[We(TRAP), We("link(P)"), They("exit(why)"), WeGot(&["{'EXIT',p,why}"])]),
    ("our link, we trap, and they end normally", &[We(TRAP), We("link(P)"), They("exit(normal)"), WeGot(&["{'EXIT',p,normal}"])]),
    ("our link, and we end", &[We("link(P)"), We("exit(why)"), TheyEnded("why"), WeEnded("why")]),
    ("our link, and we end normally", &[We("link(P)"), We("exit(normal)"), WeEnded("normal"), TheyGot(&[])]),
    ("our link, they trap, and we end", &[They(TRAP), We("link(P)"), We("exit({a,b})"), TheyGot(&["{'EXIT',m,{a,b}}"])]),
    ("our unlink, and they end", &[We("link(P)"), We("unlink(P)"), They("exit(why)"), TheyEnded("why"), WeGot(&[])]),
    (
        "our unlink, and we end",
        &[They(TRAP), We("link(P)"), We("unlink(P)"), TheyGot(&[]), We("exit(why)"), WeEnded("why"), TheyGot(&[])],
    ),
    (
        "our unlink at the last moment",
        &[They(TRAP), We("link(P)"), We("unlink(P)"), We("exit(why)"), WeEnded("why"), TheyGot(&[])],
    ),
    (
        "we link twice, unlink once",
        &[We(TRAP), We("link(P)"), We("link(P)"), We("unlink(P)"), They("exit(why)"), TheyEnded("why"), WeGot(&[])],
    ),
    (
        "we link, unlink, link",
        &[We(TRAP), We("link(P)"), We("unlink(P)"), We("link(P)"), They("exit(why)"), WeGot(&["{'EXIT',p,why}"])],
    ),
    (
        "we link, unlink, link, unlink",
        &[
            We(TRAP),
            We("link(P)"),
            We("unlink(P)"),
            We("link(P)"),
            We("unlink(P)"),
            They("exit(why)"),
            TheyEnded("why"),
            WeGot(&[]),
        ],
    ),
    ("both link at once, and they end", &[We(TRAP), AtOnce("link(M)", "link(P)"), They("exit(why)"), WeGot(&["{'EXIT',p,why}"])]),
    (
        "both link at once, and we end",
        &[They(TRAP), AtOnce("link(M)", "link(P)"), WeGot(&[]), We("exit(why)"), TheyGot(&["{'EXIT',m,why}"])],
    ),
    (
        "both link, we unlink",
        &[
            They(TRAP),
            They("link(M)"),
            We("link(P)"),
            We("unlink(P)"),
            TheyGot(&[]),
            We("exit(why)"),
            WeEnded("why"),
            TheyGot(&[]),
        ],
    ),
    (
        "their link, our unlink, their link",
        &[We(TRAP), They("link(M)"), WeGot(&[]), We("unlink(P)"), They("link(M)"), They("exit(why)"), WeGot(&["{'EXIT',p,why}"])],
    ),
    (
        "our link to what has ended, we trap",
        &[We(TRAP), They("exit(why)"), TheyEnded("why"), We("link(P)"), WeGot(&["{'EXIT',p,noproc}"])],
    ),
    ("our link to what has ended", &[They("exit(why)"), TheyEnded("why"), We("link(P)"), WeEnded("noproc")]),
    (
        "our link to what has ended, again",
        &[
            We(TRAP),
            They("exit(why)"),
            TheyEnded("why"),
            We("link(P)"),
            WeGot(&["{'EXIT',p,noproc}"]),
            We("link(P)"),
            WeGot(&["{'EXIT',p,noproc}"]),
        ],
    ),
];

/// We monitor them.
const OUR_MONITORS: &[Case] = &[
    ("our monitor", &[We("R = monitor(process, P)"), They("exit({some,reason})"), WeGot(&["{'DOWN',p,{some,reason}}"])]),
    ("our monitor, and a normal end", &[We("R = monitor(process, P)"), They("exit(normal)"), WeGot(&["{'DOWN',p,normal}"])]),
    ("our monitor, and killed", &[We("R = monitor(process, P)"), They("exit(self(), kill)"), WeGot(&["{'DOWN',p,killed}"])]),
    (
        "our monitor by name",
        &[They("true"), We("R = monitor(process, {p, A})"), They("exit(why)"), WeGot(&["{'DOWN',{p,node},why}"])],
    ),
    ("our monitor of what is not there", &[We("R = monitor(process, {nosuch, A})"), WeGot(&["{'DOWN',{nosuch,node},noproc}"])]),
    (
        "our monitor of what has ended",
        &[They("exit(why)"), TheyEnded("why"), We("R = monitor(process, P)"), WeGot(&["{'DOWN',p,noproc}"])],
    ),
    (
        "our monitor taken back",
        &[We("R = monitor(process, P)"), We("demonitor(R)"), They("exit(why)"), TheyEnded("why"), WeGot(&[])],
    ),
    (
        "our monitor by name taken back",
        &[We("R = monitor(process, {p, A})"), We("demonitor(R)"), They("exit(why)"), TheyEnded("why"), WeGot(&[])],
    ),
    ("our monitor, and we end", &[We("R = monitor(process, P)"), We("exit(why)"), WeEnded("why"), TheyGot(&[])]),
    (
        "our monitor, and a large reason",
        &[We("R = monitor(process, P)"), They("exit(binary:copy(<<7>>, 8192))"), WeGot(&["{'DOWN',p,{bytes,8192}}"])],
    ),
    (
        "our monitor and our link",
        &[
            We(TRAP),
            We("R = monitor(process, P)"),
            We("link(P)"),
            They("exit(why)"),
            WeGotAll(&["{'DOWN',p,why}", "{'EXIT',p,why}"]),
        ],
    ),
    (
        "monitors in both directions",
        &[
            We("R = monitor(process, P)"),
            They("monitor(process, M)"),
            We("exit(P, why)"),
            TheyEnded("why"),
            WeGot(&["{'DOWN',p,why}"]),
        ],
    ),
];

/// We send exits to them.
const OUR_EXITS: &[Case] = &[
    ("our exit normal", &[We("exit(P, normal)"), TheyGot(&[])]),
    ("our exit normal, they trap", &[They(TRAP), We("exit(P, normal)"), TheyGot(&["{'EXIT',m,normal}"])]),
    ("our exit", &[We("exit(P, {some,reason})"), TheyEnded("{some,reason}")]),
    ("our exit, they trap", &[They(TRAP), We("exit(P, {some,reason})"), TheyGot(&["{'EXIT',m,{some,reason}}"])]),
    ("our kill", &[We("exit(P, kill)"), TheyEnded("killed")]),
    ("our kill, they trap", &[They(TRAP), We("exit(P, kill)"), TheyEnded("killed")]),
    ("our kill, and we are linked", &[We(TRAP), We("link(P)"), We("exit(P, kill)"), WeGot(&["{'EXIT',p,killed}"])]),
    (
        "our kill, and we monitor",
        &[We("R = monitor(process, P)"), We("exit(P, kill)"), WeGot(&["{'DOWN',p,killed}"]), TheyEnded("killed")],
    ),
    ("our exit of what has ended", &[They("exit(why)"), TheyEnded("why"), We("exit(P, kill)"), We("exit(P, why)"), WeGot(&[])]),
    ("our large exit", &[They(TRAP), We("exit(P, binary:copy(<<7>>, 8192))"), TheyGot(&["{'EXIT',m,{bytes,8192}}"])]),
];

/// Processes that they spawn at our node: here functions that are served.
const SPAWNED: &[Case] = &[
    (
        "spawned with a link and a monitor, and done",
        &[
            They(TRAP),
            They("spawn_opt(N, ties, done, [], [link, monitor])"),
            TheyGotAll(&["{'DOWN',other,normal}", "{'EXIT',other,normal}"]),
        ],
    ),
    (
        "spawned with a link and a monitor, and failed",
        &[
            They(TRAP),
            They("spawn_opt(N, ties, fail, [], [link, monitor])"),
            TheyGotAll(&["{'DOWN',other,failed}", "{'EXIT',other,failed}"]),
        ],
    ),
    ("spawn_link, and failed", &[They("spawn_link(N, ties, fail, [])"), TheyEnded("failed")]),
    (
        "spawn_monitor, and killed",
        &[They("{Q, _} = spawn_monitor(N, ties, forever, []), exit(Q, kill)"), TheyGot(&["{'DOWN',other,killed}"])],
    ),
    (
        "spawn_monitor, and ended",
        &[They("{Q, _} = spawn_monitor(N, ties, forever, []), exit(Q, normal), exit(Q, why)"), TheyGot(&["{'DOWN',other,why}"])],
    ),
    (
        "spawn_link, and killed",
        &[They("exit(spawn_link(N, ties, forever, []), kill), receive never -> ok end"), TheyEnded("killed")],
    ),
    (
        "spawn_link, trapping, and killed",
        &[They(TRAP), They("exit(spawn_link(N, ties, forever, []), kill)"), TheyGot(&["{'EXIT',other,killed}"])],
    ),
    (
        "spawned with a link and a monitor, and ended",
        &[
            They(TRAP),
            They("{Q, _} = spawn_opt(N, ties, forever, [], [link, monitor]), exit(Q, {a,b})"),
            TheyGotAll(&["{'DOWN',other,{a,b}}", "{'EXIT',other,{a,b}}"]),
        ],
    ),
    (
        "spawned, then monitored twice",
        &[
            They("Q = spawn_link(N, ties, forever, []), monitor(process, Q), monitor(process, Q), unlink(Q), exit(Q, kill)"),
            TheyGot(&["{'DOWN',other,killed}", "{'DOWN',other,killed}"]),
        ],
    ),
    ("spawn_link, and they end", &[They("spawn_link(N, ties, forever, [])"), TheyGot(&[]), They("exit(why)"), TheyEnded("why")]),
];

/// The connection ends.
const PARTINGS: &[Case] = &[
    (
        "they leave, and all are tied to all",
        &[
            They(TRAP),
            We(TRAP),
            They("link(M), monitor(process, M), monitor(process, {m, N})"),
            We("link(P)"),
            We("R = monitor(process, P)"),
            They("erlang:disconnect_node(N)"),
            Apart,
            WeGotAll(&["{'DOWN',p,noconnection}", "{'EXIT',p,noconnection}"]),
            TheyGotAll(&["{'DOWN',m,noconnection}", "{'DOWN',{m,node},noconnection}", "{'EXIT',m,noconnection}"]),
        ],
    ),
    (
        "we leave, and all are tied to all",
        &[
            They(TRAP),
            We(TRAP),
            They("link(M), monitor(process, M)"),
            We("R = monitor(process, {p, A})"),
            WeGot(&[]),
            We("erlang:disconnect_node(A)"),
            Apart,
            WeGotAll(&["{'DOWN',{p,node},noconnection}", "{'EXIT',p,noconnection}"]),
            TheyGotAll(&["{'DOWN',m,noconnection}", "{'EXIT',m,noconnection}"]),
        ],
    ),
    (
        "they leave, and neither traps",
        &[
            They("link(M)"),
            They("erlang:disconnect_node(N), receive never -> ok end"),
            WeEnded("noconnection"),
            TheyEnded("noconnection"),
            Apart,
        ],
    ),
    (
        "we leave, and neither traps",
        &[
            They("link(M)"),
            WeGot(&[]),
            We("erlang:disconnect_node(A)"),
            WeEnded("noconnection"),
            TheyEnded("noconnection"),
            Apart,
        ],
    ),
    (
        "a new link after a parting",
        &[
            They(TRAP),
            We(TRAP),
            We("link(P)"),
            WeGot(&[]),
            We("erlang:disconnect_node(A)"),
            Apart,
            TheyGot(&["{'EXIT',m,noconnection}"]),
            We("link(P)"),
            WeGot(&["{'EXIT',p,noconnection}"]),
            They("exit(why)"),
            WeGot(&["{'EXIT',p,why}"]),
        ],
    ),
    (
        "unlinked before a parting",
        &[
            They(TRAP),
            We(TRAP),
            They("link(M)"),
            We("unlink(P)"),
            We("erlang:disconnect_node(A)"),
            Apart,
            WeGot(&[]),
            TheyGot(&[]),
        ],
    ),
    (
        "a monitor taken back before a parting",
        &[
            We("R = monitor(process, P)"),
            We("demonitor(R)"),
            They("demonitor(monitor(process, M))"),
            They("erlang:disconnect_node(N)"),
            Apart,
            WeGot(&[]),
            TheyGot(&[]),
        ],
    ),
];

/// What OTP 28 brought.
const PRIORITY: &[Case] = &[
    ("a priority message", &[They("erlang:send(M, hello, [priority])"), WeGot(&["hello"])]),
    ("a priority exit, we trap", &[We(TRAP), They("exit(M, why, [priority])"), WeGot(&["{'EXIT',p,why}"])]),
    ("a priority exit", &[They("exit(M, why, [priority])"), WeEnded("why")]),
    (
        "to a priority alias",
        &[
            We(TRAP),
            We("P ! {alias, alias([priority])}"),
            They(
                "L = receive {alias, Given} -> Given end, erlang:send(L, one, [priority]), L ! two, exit(L, three, [priority]), exit(L, four)",
            ),
            WeGotAll(&["one", "two", "{'EXIT',p,four}", "{'EXIT',p,three}"]),
        ],
    ),
    (
        "a kill by an alias",
        &[We(TRAP), We("P ! {alias, alias([priority])}"), They("exit(receive {alias, L} -> L end, kill)"), WeEnded("killed")],
    ),
];

/// What two Erlangs leave to chance, and where this library does not do as a BEAM: what does not fit its buffers.
pub(crate) const OURS_ALONE: &[Case] = &[
    (
        "both link, they unlink, and end",
        &[We(TRAP), AtOnce("link(M), unlink(M)", "link(P)"), They("exit(why)"), TheyEnded("why"), WeGot(&[])],
    ),
    (
        "our unlink from what has ended",
        &[We(TRAP), They("exit(why)"), TheyEnded("why"), We("link(P)"), We("unlink(P)"), WeGot(&[])],
    ),
    (
        "a reason that is too large",
        &[We(TRAP), They("link(M)"), They("exit(binary:copy(<<7>>, 20000))"), WeGot(&["{'EXIT',p,too_large}"])],
    ),
    ("a reason that is too large, not trapping", &[They("link(M), exit(binary:copy(<<7>>, 20000))"), WeEnded("too_large")]),
    ("an exit that is too large", &[They("exit(M, binary:copy(<<7>>, 20000))"), WeEnded("too_large")]),
    (
        "a down that is too large",
        &[We("R = monitor(process, P)"), They("exit(binary:copy(<<7>>, 20000))"), WeGot(&["{'DOWN',p,too_large}"])],
    ),
    (
        "a reason that just fits, passed on",
        &[They("link(M)"), They("exit(M, binary:copy(<<7>>, 16000))"), WeEnded("{bytes,16000}"), TheyEnded("{bytes,16000}")],
    ),
];

/// The cases that hold for this release.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    let priority = if otp() < 28 { &[] } else { PRIORITY };
    let tables = [THEIR_MONITORS, THEIR_LINKS, THEIR_EXITS, OUR_LINKS, OUR_MONITORS, OUR_EXITS, SPAWNED, PARTINGS, priority];
    tables.into_iter().flatten()
}

//! The mailbox `system`: how the box and the node are.

mod counts;
pub(super) mod facts;
mod readings;
mod state;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use beamless::{Call, Error, Full, HeldBy, Mailbox, Message, Node, Outbox, Term, TermWriter, WriteTerm, Written};

use super::config::Place;
use super::connections::Connections;
use super::functions::Functions;
use super::health::Alarm;
use super::own;
use super::part::Part;
use super::programs::Programs;
use super::publish::Publishing;
use super::words;
use crate::cli::lines::{limited, node_of};
use crate::cli::logger;
use crate::cli::terms;
use crate::cli::tls::Tls;
use counts::{count, counted, pairs};
use facts::Facts;

/// The time between two looks at the box: whoever asks without end costs little.
const FRESH: Duration = Duration::from_secs(1);

/// The parts that it tells of.
pub(super) struct Told<'p> {
    pub(super) connections: &'p Connections,
    pub(super) functions: &'p Functions,
    pub(super) programs: &'p Programs,
    pub(super) publishing: &'p Publishing,
    pub(super) alarms: &'p [Alarm],
}

/// The mailbox.
pub(super) struct System {
    mailbox: Mailbox,
    started: Instant,
    /// The number of messages that were taken out of the mailbox.
    taken: u64,
    facts: Option<(Instant, Facts)>,
    /// Until when the certificate is good, in seconds since 1970, where there is one.
    valid_until: Option<u64>,
}

impl System {
    pub(super) fn new(node: &mut Node<'_>) -> Result<Self, Error> {
        Ok(Self { mailbox: node.register(own::SYSTEM)?, started: Instant::now(), taken: 0, facts: None, valid_until: None })
    }

    /// Returns the mailbox, out of which others tell something, too.
    pub(super) fn mailbox(&self) -> Mailbox {
        self.mailbox
    }

    /// Takes note of what is shown over TLS.
    pub(super) fn show(&mut self, tls: &Tls) {
        self.valid_until = tls.valid_until().duration_since(UNIX_EPOCH).ok().map(|until| until.as_secs());
    }

    /// Answers what is in the mailbox.
    pub(super) fn answer(&mut self, node: &mut Node<'_>, told: &Told<'_>) {
        if node.received(self.mailbox) == self.taken {
            return;
        }
        let mut room = Vec::new();
        let info = match self.info(node, told, &mut room) {
            Ok(info) => info,
            Err(e) => return limited!(warn, "", "messages to system that were not looked at", "system: {}", words::error(&e)),
        };
        while let Some((message, mut out)) = node.recv(self.mailbox) {
            match answer(&message, info, told.publishing, &mut out) {
                Ok(()) => {}
                // the peer has to take what waits for it first; the message stays
                Err(Error::Full(Full::Transmit { .. })) => return message.put_back(),
                Err(e) => {
                    limited!(
                        warn,
                        &node_of(&message, &out),
                        "messages to system without an answer",
                        "system: no answer: {}",
                        words::error(&e)
                    )
                }
            }
            self.taken = self.taken.saturating_add(1);
        }
    }

    /// Encodes all that is told, as a map.
    fn info<'r>(&mut self, node: &Node<'_>, told: &Told<'_>, room: &'r mut Vec<u8>) -> Result<Term<'r>, Error> {
        let valid_until = self.valid_until;
        let running = self.started.elapsed().as_secs();
        let fresh = self.facts.take().filter(|(at, _)| at.elapsed() < FRESH);
        let (_, facts) = self.facts.insert(fresh.unwrap_or_else(|| (Instant::now(), Facts::now())));
        terms::encoded(
            |t| {
                t.map(19)?;
                t.atom("node")?;
                t.atom(node.name().map_or("", |name| name.as_str()))?;
                t.atom("version")?;
                t.str(env!("CARGO_PKG_VERSION"))?;
                t.atom("running")?;
                count(t, running)?;
                t.atom("certificate")?;
                certificate(t, valid_until)?;
                of_box(t, facts)?;
                t.atom("links")?;
                links(t, node)?;
                t.atom("mailboxes")?;
                mailboxes(t, node, told.programs)?;
                t.atom("functions")?;
                let counts = told.functions.counts();
                counted(
                    t,
                    &[
                        ("calls", counts.calls),
                        ("failed", counts.failed),
                        ("waiting", counts.waiting),
                        ("running", counts.running),
                    ],
                )?;
                t.atom("publish")?;
                readings::published(t, told.publishing)?;
                readings::keep(t.atom("keep")?, told.publishing)?;
                counted(t.atom("log")?, &[("dropped", logger::dropped())])?;
                state::health(t.atom("health")?, told.alarms)?;
                state::nodes(t.atom("nodes")?, told.connections)?;
                state::programs(t.atom("programs")?, told.programs)
            },
            room,
        )
    }
}

impl Part for System {
    fn mailboxes(&mut self) -> Vec<(&mut Mailbox, &str)> {
        vec![(&mut self.mailbox, own::SYSTEM)]
    }

    fn revived(&mut self, _node: &mut Node<'_>) -> Result<(), Error> {
        self.taken = 0;
        Ok(())
    }
}

/// Returns true if a term is this word, as an atom or as the text that JSON has.
fn is(term: Term<'_>, word: &str) -> bool {
    term.is_atom(word) || term.as_str() == Some(word)
}

/// Answers a call of `info` with the map, and one of `{info, Key}` with a value of it; `last` and `{last, Label}` with the last readings. A message that is no call is no question.
fn answer(message: &Message<'_>, info: Term<'_>, publishing: &Publishing, out: &mut Outbox<'_>) -> Result<(), Error> {
    let Some(call) = message.as_call() else { return Ok(()) };
    if let Some([_, label]) = call.request.tuple().filter(|[word, _]| is(*word, "last")) {
        let newest = readings::newest(publishing);
        let Some(last) = newest.iter().find(|last| is(label, last.label)) else {
            return out.reply(&call, |t| refused(t, "no_reading", |t| t.term(label)));
        };
        return replied(out, &call, |t| readings::last(t.tuple(2)?.atom("ok")?, last));
    }
    if is(call.request, "last") {
        return replied(out, &call, |t| readings::all(t, &readings::newest(publishing)));
    }
    let wanted = match call.request.tuple() {
        Some([word, key]) if is(word, "info") => {
            key.as_atom().and_then(|key| info.get(key.as_str()?)).or_else(|| info.get(key.as_str()?))
        }
        _ => is(call.request, "info").then_some(info),
    };
    let Some(wanted) = wanted else {
        return out.reply(&call, |t| {
            refused(t, "unknown_request", |t| {
                t.str("ask with info, or {info, Key} for one key of its map; with last, or {last, Label} for the last reading")
            })
        });
    };
    replied(out, &call, |t| t.term(wanted))
}

/// Answers with this, unless it does not fit a message.
fn replied(out: &mut Outbox<'_>, call: &Call<'_>, write: impl WriteTerm) -> Result<(), Error> {
    match out.reply(call, write) {
        Err(Error::Full(Full::Message { limit, .. })) => out.reply(call, |t| refused(t, "too_large", |t| count(t, limit as u64))),
        result => result,
    }
}

/// Writes `{error, {Why, What}}`.
fn refused<'t, 'b>(t: &'t mut TermWriter<'b>, why: &str, what: impl WriteTerm) -> Written<'t, 'b> {
    t.tuple(2)?;
    t.atom("error")?;
    t.tuple(2)?;
    t.atom(why)?;
    what(t)
}

/// Writes until when the certificate is good, and how many seconds that is from now, which are below 0 once it has ended; `false` without
/// TLS.
fn certificate<'t, 'b>(t: &'t mut TermWriter<'b>, valid_until: Option<u64>) -> Written<'t, 'b> {
    let Some(until) = valid_until.and_then(|until| i64::try_from(until).ok()) else { return t.bool(false) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let left = until.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX));
    t.map(2)?.atom("valid_until")?.int(until)?.atom("left")?.int(left)
}

/// Writes six keys of the map.
fn of_box<'t, 'b>(t: &'t mut TermWriter<'b>, facts: &Facts) -> Written<'t, 'b> {
    t.atom("uptime")?;
    count(t, facts.uptime)?;
    t.atom("load")?;
    t.list(facts.load.len())?;
    for load in &facts.load {
        t.float(*load)?;
    }
    t.nil()?;
    t.atom("cpus")?;
    count(t, facts.cpus)?;
    t.atom("memory")?;
    counted(t, &facts.memory)?;
    t.atom("temperatures")?;
    t.map(facts.temperatures.len())?;
    for (name, celsius) in &facts.temperatures {
        t.str(name)?;
        t.float(*celsius)?;
    }
    t.atom("disk")?;
    t.map(facts.disks.len())?;
    for (place, disk) in &facts.disks {
        t.str(place)?;
        counted(t, &[("total", disk.total), ("free", disk.free), ("available", disk.available)])?;
    }
    Ok(t)
}

/// Writes the counters of every connection, named as `inet:getstat/1` names them.
fn links<'t, 'b>(t: &'t mut TermWriter<'b>, node: &Node<'_>) -> Written<'t, 'b> {
    t.map(node.peers().count())?;
    for peer in node.peers() {
        t.atom(peer.name.as_str())?;
        t.map(7)?.atom("visible")?.bool(peer.visible)?;
        held(t.atom("held")?, peer.held.as_ref())?;
        let traffic = peer.traffic;
        pairs(
            t,
            &[
                ("recv_cnt", traffic.received),
                ("recv_oct", traffic.received_bytes),
                ("send_cnt", traffic.sent),
                ("send_oct", traffic.sent_bytes),
                ("send_pend", traffic.pending as u64),
            ],
        )?;
    }
    Ok(t)
}

/// Writes why nothing is read from a node: `false` while it is, `{mailbox,Name}`, or `transmit`.
fn held<'t, 'b>(t: &'t mut TermWriter<'b>, by: Option<&HeldBy>) -> Written<'t, 'b> {
    match by {
        None => t.bool(false),
        Some(HeldBy::Mailbox(name)) => t.tuple(2)?.atom("mailbox")?.atom(name),
        Some(_) => t.atom("transmit"),
    }
}

/// Writes the mailboxes that have a name; the others are the functions' and the readings'.
fn mailboxes<'t, 'b>(t: &'t mut TermWriter<'b>, node: &Node<'_>, programs: &Programs) -> Written<'t, 'b> {
    let named = || node.mailboxes().filter(|(_, name)| !name.is_empty());
    t.map(named().count())?;
    for (mailbox, name) in named() {
        t.atom(name)?;
        let place = programs.place(name);
        t.map(if place.is_some() { 4 } else { 2 })?;
        pairs(t, &[("received", node.received(mailbox)), ("dropped", node.dropped(mailbox))])?;
        if let Some((place, is_registered)) = place {
            in_cluster(t, place, is_registered)?;
        }
    }
    Ok(t)
}

/// Writes the groups of a mailbox, and the name under which it is registered globally; `false` where it is not.
fn in_cluster<'t, 'b>(t: &'t mut TermWriter<'b>, place: &Place, is_registered: bool) -> Written<'t, 'b> {
    t.atom("groups")?.list(place.groups().count())?;
    for group in place.groups() {
        t.str(&group.to_string())?;
    }
    t.nil()?.atom("global")?;
    match place.global.as_ref().filter(|_| is_registered) {
        Some(global) => t.atom(global),
        None => t.bool(false),
    }
}

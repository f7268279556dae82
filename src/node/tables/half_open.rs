//! Connections before they are proven: little memory, little time, and who of them makes way when all places are taken.

use core::time::Duration;

use super::answered::Answered;
use super::identity::Identity;
use super::origin::Origin;
use crate::error::{Misbehaved, Reason};
use crate::node::trace;
use crate::proto::handshake::{Context, Handshake};
use crate::storage::slots::{Key, Table, Tenant};
use crate::storage::span::Span;
use crate::time::Instant;
use crate::wire::cursor::Writer;
use crate::wire::handshake::{Packets, Prefix, Refusal, announced, split};
use crate::wire::ids::NodeName;

/// The setup times that a handshake may take as a whole, and so may what comes before it when this node dials: looking up the host, asking
/// EPMD, connecting. The longest handshake has three steps, so this takes no step's time from an honest peer.
const STEPS: u32 = 3;

/// The time for which our own attempt lets the peer's go first: two round trips, and a good deal more.
pub(crate) const OVERTAKEN: Duration = Duration::from_secs(1);

/// The time for which a caller that took too long may take the word for it.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// The time for which an attempt of ours that hears nothing keeps its place while others wait for one. Over a satellite, EPMD has answered and
/// the connection is made by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Returns how many of so many places for handshakes our own attempts may take, so that callers always find some.
pub(crate) fn dials(places: usize) -> usize {
    places.saturating_sub(places / 4)
}

/// Bytes of a packet, and of the answers to it: two packets with a name of 255 characters each, and a little more.
pub(crate) const BUFFER: usize = 640;

/// The progress of a connection.
pub(crate) enum Progress {
    /// The driver is to connect to the peer; it has been told once `told`. `securing`: it is connected, and what carries the connection is
    /// being secured.
    Dial { peer: NodeName, told: bool, securing: bool },
    /// The connection is there, and so is one of the peer's own, or of somebody who says so: this lets that go first for a moment.
    Waiting { peer: NodeName },
    /// The handshake is under way.
    Shaking(Handshake),
    /// The peer said that its own connection is to stay: this waits for it, or for the end of the time, without a socket.
    Yielded { peer: NodeName },
    /// The decision is being told to the peer; then the connection is closed.
    Ending,
}

/// The cause of an attempt at a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The program asked for it, and asks again if there is no place, or if it made way for another.
    Program,
    /// The program asked for it, with all the time that it may take.
    Patient,
    /// Something was sent, and waits. It is lost with the attempt, so this has all its time too.
    Sender,
}

/// A connection that is not proven yet.
pub(crate) struct HalfOpen {
    pub(crate) progress: Progress,
    /// True if the peer connected to us.
    pub(crate) inbound: bool,
    /// The form of its packets.
    pub(crate) prefix: Prefix,
    /// The cause of our own attempt.
    pub(crate) asker: Asker,
    /// Random: the challenge, and the seed of a name for a caller without one.
    pub(crate) challenge: u32,
    pub(crate) seed: u32,
    pub(crate) deadline: Instant,
    /// The time at which it ends however far it is.
    end: Instant,
    /// The time of its last step, and whether there was one since time was looked at.
    pub(crate) since: Instant,
    pub(crate) stepped: bool,
    /// The place that it comes from, and how many come from there.
    origin: Origin,
    held: u16,
    /// The name it gave, or was dialled by, for reports.
    pub(crate) caller: Option<NodeName>,
    /// True if it was told that there is a connection already, and takes its place.
    pub(crate) replaces: bool,
    /// The name and creation the peer gave this node, for when the peer is proven.
    pub(crate) given: Option<(NodeName, u32)>,
    pub(crate) received: Span,
    pub(crate) rx: [u8; BUFFER],
    pub(crate) sending: Span,
    pub(crate) tx: [u8; BUFFER],
}

impl Tenant for HalfOpen {}

impl HalfOpen {
    /// Makes one that a peer began, from there.
    pub(crate) fn caller(origin: Origin, setup: Duration, now: Instant) -> Self {
        let mut half = Self { inbound: true, origin, ..Self::dial(Progress::Shaking(Handshake::accept()), Asker::Program) };
        half.begin(setup, now);
        half
    }

    /// Makes one of our own, whose time has not begun.
    pub(crate) fn dial(progress: Progress, asker: Asker) -> Self {
        let never = Instant::from_millis(u64::MAX);
        Self {
            progress,
            inbound: false,
            prefix: Prefix::Two,
            asker,
            challenge: 0,
            seed: 0,
            deadline: never,
            end: never,
            since: never,
            stepped: false,
            origin: Origin::default(),
            held: 0,
            caller: None,
            replaces: false,
            given: None,
            received: Span::EMPTY,
            rx: [0; BUFFER],
            sending: Span::EMPTY,
            tx: [0; BUFFER],
        }
    }

    /// Begins the time for all steps from here on, and that for the first.
    pub(crate) fn begin(&mut self, setup: Duration, now: Instant) {
        self.end = now.after(setup.saturating_mul(STEPS));
        self.step(setup, now);
    }

    /// Begins the time for a step.
    pub(crate) fn step(&mut self, setup: Duration, now: Instant) {
        self.stepped = false;
        self.since = now;
        self.deadline = now.after(setup).min(self.end);
    }

    /// Returns true for an attempt of ours that the driver has not begun with.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.progress, Progress::Dial { told: false, .. })
    }

    /// Returns true for one that is under way, as far as anything goes over it.
    pub(crate) fn is_begun(&self) -> bool {
        !self.is_new() && !matches!(self.progress, Progress::Ending)
    }

    /// Returns true for an attempt of ours that has been begun with, and to which nothing was answered yet.
    fn is_unheard(&self) -> bool {
        match &self.progress {
            Progress::Dial { told, .. } => *told,
            Progress::Shaking(state) => !self.inbound && state.is_unheard() && self.received.is_empty(),
            _ => false,
        }
    }

    /// Returns true for an attempt that is given up for others who wait, unless it is answered soon.
    pub(crate) fn may_make_way(&self) -> bool {
        self.asker == Asker::Program && self.is_unheard()
    }

    /// Sets what is random, with a challenge whose answer nobody was given lately.
    pub(crate) fn seed(&mut self, random: u64, answered: &Answered) {
        let [a, b, c, d, e, f, g, h] = random.to_le_bytes();
        self.challenge = answered.other_than(u32::from_le_bytes([a, b, c, d]));
        self.seed = u32::from_le_bytes([e, f, g, h]);
    }

    /// Returns the peer, as far as it is known.
    pub(crate) fn peer(&self) -> Option<&NodeName> {
        match &self.progress {
            Progress::Dial { peer, .. } | Progress::Waiting { peer } | Progress::Yielded { peer } => Some(peer),
            Progress::Shaking(state) => state.peer(),
            Progress::Ending => None,
        }
    }

    /// Returns the whole packet at the front of what was received, and how many bytes it takes in all. It is copied out so that answers can
    /// be written.
    pub(crate) fn packet<'b>(&self, copy: &'b mut [u8; BUFFER]) -> Result<Option<(&'b [u8], usize)>, Reason> {
        let bytes = self.received.filled(&self.rx);
        // a record of TLS begins with its type, from 20 to 24, and the 3 that all versions have in front
        if self.prefix == Prefix::Two && matches!(bytes, [20..=24, 3, ..]) {
            return Err(Reason::PeerSpeaksTls);
        }
        if announced(bytes, self.prefix).is_some_and(|len| len > BUFFER) {
            return Err(Reason::Misbehaved(Misbehaved::Handshake("length of a packet")));
        }
        let Some((body, taken)) = split(bytes, self.prefix) else { return Ok(None) };
        let Some(room) = copy.get_mut(..body.len()) else { return Ok(None) };
        room.copy_from_slice(body);
        Ok(Some((room, taken)))
    }

    pub(crate) fn is_shaking(&self) -> bool {
        matches!(self.progress, Progress::Shaking(_))
    }

    /// Runs one step of the handshake, whose answers go to what waits to be sent.
    pub(crate) fn answering<R>(
        &mut self,
        identity: &Identity,
        wanted: bool,
        step: impl FnOnce(&Context<'_>, &mut Packets<'_, '_>) -> R,
    ) -> R {
        let context = Context { local: identity.local(), challenge: self.challenge, wanted };
        self.writing(|out| step(&context, out))
    }

    /// Tells the caller why it is refused, in place of what waits to be sent.
    pub(crate) fn refuse_instead(&mut self, refusal: Refusal) {
        self.sending = Span::EMPTY;
        self.writing(|out| refusal.put(out));
    }

    /// Puts packets of the handshake to what waits to be sent.
    pub(crate) fn writing<R>(&mut self, write: impl FnOnce(&mut Packets<'_, '_>) -> R) -> R {
        let room = self.sending.room(&mut self.tx);
        let mut out = Writer::new(&mut *room);
        let result = write(&mut Packets { out: &mut out, prefix: self.prefix });
        // two packets with a name of 255 characters each fit
        let len = out.finish().unwrap_or(0);
        trace::handshake_sent(self.caller.as_ref(), room.get(..len).unwrap_or(&[]), self.prefix, self.inbound);
        self.sending.fill(len);
        result
    }
}

/// The connections that are not proven yet. There are eight places and one more for each peer that there may be, so that as many as fit the
/// node can connect at once.
pub(crate) struct HalfOpens<'s> {
    few: Table<'s, HalfOpen>,
    more: Table<'s, HalfOpen>,
    /// No deadline is before this.
    due: Instant,
    /// One may have made a step since time was looked at.
    pub(crate) any_stepped: bool,
    /// One may be new.
    pub(crate) has_new: bool,
}

/// The places that the smallest node has.
pub(crate) const FEW: u16 = 8;

impl<'s> HalfOpens<'s> {
    pub(crate) fn new(few: Table<'s, HalfOpen>, more: Table<'s, HalfOpen>) -> Self {
        Self { few, more, due: Instant::from_millis(u64::MAX), any_stepped: false, has_new: false }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.few.capacity().saturating_add(self.more.capacity())
    }

    /// Returns true if there is a place for a caller, beside those that are kept for attempts of ours: a quarter, and eight at most.
    pub(crate) fn has_room(&self) -> bool {
        let dials = self.tenants().filter(|(_, half)| !half.inbound).count();
        let kept = (self.capacity() / 4).min(FEW.into()).saturating_sub(dials);
        self.few.room().saturating_add(self.more.room()) > kept
    }

    pub(crate) fn clear(&mut self) {
        self.few.clear();
        self.more.clear();
    }

    pub(crate) fn at(&self, key: Key) -> Option<&HalfOpen> {
        match further(key) {
            None => self.few.at(key),
            Some(key) => self.more.at(key),
        }
    }

    /// Returns one to be changed, which may give it something to be written, or end it.
    pub(crate) fn at_mut(&mut self, key: Key) -> Option<&mut HalfOpen> {
        let (table, key) = self.table_of(key);
        table.stir(key.index);
        table.at_mut(key)
    }

    /// Returns the table that a key leads to, and the key there.
    fn table_of(&mut self, key: Key) -> (&mut Table<'s, HalfOpen>, Key) {
        match further(key) {
            None => (&mut self.few, key),
            Some(key) => (&mut self.more, key),
        }
    }

    /// Returns the next that something is to be done for.
    pub(crate) fn next_stirred(&mut self) -> Option<Key> {
        self.few.next_stirred().or_else(|| self.more.next_stirred().map(of_all))
    }

    pub(crate) fn tenants(&self) -> impl Iterator<Item = (Key, &HalfOpen)> {
        self.few.tenants().chain(self.more.tenants().map(|(key, half)| (of_all(key), half)))
    }

    pub(crate) fn tenants_mut(&mut self) -> impl Iterator<Item = (Key, &mut HalfOpen)> {
        self.few.tenants_mut().chain(self.more.tenants_mut().map(|(key, half)| (of_all(key), half)))
    }

    /// Finds the first that `wanted` says yes to.
    pub(crate) fn find(&self, wanted: impl Fn(&HalfOpen) -> bool) -> Option<Key> {
        self.tenants().find_map(|(key, half)| wanted(half).then_some(key))
    }

    /// Moves one into a free place. `None`: there is none.
    pub(crate) fn insert(&mut self, mut half: HalfOpen) -> Option<Key> {
        let held = self.held_by(half.origin).saturating_add(1);
        half.held = held;
        if self.poll_timeout().is_none() {
            self.due = Instant::from_millis(u64::MAX);
        }
        let (inbound, origin, deadline) = (half.inbound, half.origin, half.deadline);
        let key = match self.few.insert(half) {
            Ok(key) => key,
            Err(half) => {
                let key = self.more.insert(half).ok()?;
                // the last of 65,534 have no number
                if key.index > u16::MAX.saturating_sub(FEW) {
                    self.more.remove(key);
                    return None;
                }
                of_all(key)
            }
        };
        if inbound {
            self.hold(origin, held);
        }
        self.hurry(deadline);
        Some(key)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<HalfOpen> {
        let (table, own) = self.table_of(key);
        let half = table.remove(own)?;
        table.stir(own.index);
        if half.inbound {
            self.hold(half.origin, half.held.saturating_sub(1));
        }
        Some(half)
    }

    /// Returns how many places callers from there hold.
    fn held_by(&self, origin: Origin) -> u16 {
        self.tenants().find_map(|(_, half)| (half.inbound && half.origin == origin).then_some(half.held)).unwrap_or(0)
    }

    fn hold(&mut self, origin: Origin, held: u16) {
        self.tenants_mut().filter(|(_, half)| half.inbound && half.origin == origin).for_each(|(_, half)| half.held = held);
    }

    /// Begins the time for the next step of those that have made one.
    #[inline]
    pub(crate) fn settle(&mut self, setup: Duration, now: Instant) {
        if core::mem::take(&mut self.any_stepped) {
            self.settle_all(setup, now);
        }
    }

    #[cold]
    fn settle_all(&mut self, setup: Duration, now: Instant) {
        let mut due = self.due;
        for (_, half) in self.tenants_mut().filter(|(_, half)| half.stepped) {
            half.step(setup, now);
            due = due.min(half.deadline);
        }
        self.due = due;
    }

    /// Notes a deadline that was set.
    pub(crate) fn hurry(&mut self, deadline: Instant) {
        self.due = self.due.min(deadline);
    }

    /// Returns the time before which nothing is late; `None` if nothing ever is.
    #[inline]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.few.is_empty() && self.more.is_empty() { None } else { Some(self.due) }
    }

    /// Finds one that is late.
    #[inline]
    pub(crate) fn late(&mut self, now: Instant) -> Option<Key> {
        if self.poll_timeout().is_some_and(|due| due <= now) { self.find_late(now) } else { None }
    }

    #[cold]
    fn find_late(&mut self, now: Instant) -> Option<Key> {
        let late = self.find(|half| half.deadline <= now);
        if late.is_none() {
            let never = Instant::from_millis(u64::MAX);
            self.due = self.tenants().fold(never, |due, (_, half)| due.min(half.deadline));
        }
        late
    }

    /// Finds the caller that makes way for another from `origin`, or when there may be one.
    ///
    /// That is one from an address that holds more places than the newcomer's would, or from the newcomer's own: first one that gave no name,
    /// then one of an address that holds more, then the one that has been silent longest. Each is left some time, since an honest one is silent
    /// too while its packets travel; the smaller the node the less, so that a flood passes through at the same rate.
    pub(crate) fn makes_way(&self, origin: Origin, now: Instant) -> Result<Key, Instant> {
        let newcomers = self.held_by(origin);
        let has_more = |half: &HalfOpen| half.origin == origin || half.held > newcomers.saturating_add(1);
        // whoever has no more than the newcomer is left alone while somebody has
        let some_have = self.tenants().any(|(_, half)| half.inbound && has_more(half));
        let mut first: Option<((bool, u16, Duration), Key)> = None;
        let mut later = now.after(NEVER);
        for (key, half) in self.tenants().filter(|(_, half)| half.inbound && (has_more(half) || !some_have)) {
            let patience = self.patience(half, some_have);
            let silent = now.since(half.since);
            if silent < patience {
                later = later.min(half.since.after(patience));
                continue;
            }
            let rank = (half.caller.is_none(), half.held, silent);
            if first.as_ref().is_none_or(|(best, _)| rank > *best) {
                first = Some((rank, key));
            }
        }
        first.map(|(_, key)| key).ok_or(later)
    }

    /// Returns for how long a caller may be silent before another takes its place. `more`: its address holds more than the newcomer's.
    fn patience(&self, half: &HalfOpen, more: bool) -> Duration {
        if matches!(half.progress, Progress::Ending) {
            return Duration::ZERO;
        }
        let each = if half.caller.is_none() && more { NAMELESS } else { NAMED };
        let patience = each.saturating_mul(u32::try_from(self.capacity()).unwrap_or(u32::MAX));
        // it gave its name, so it is as good as the newcomer
        if half.caller.is_some() && !more { patience.max(EQUAL) } else { patience }
    }
}

/// The time for which a caller is let be that has not given its name, and for one that has, for every place that there is: a thousand
/// and two hundred of them a second can be thrown out.
const NAMELESS: Duration = Duration::from_millis(1);
const NAMED: Duration = Duration::from_millis(5);
/// The least time for a caller with a name, whose address holds no more than the newcomer's.
const EQUAL: Duration = Duration::from_secs(1);
/// More than any caller stays.
const NEVER: Duration = Duration::from_secs(1);

/// Returns the key in the second table, if it is there that this one leads to.
fn further(key: Key) -> Option<Key> {
    key.index.checked_sub(FEW).map(|index| Key { index, ..key })
}

/// Returns the key for both tables of one in the second.
fn of_all(key: Key) -> Key {
    Key { index: key.index.saturating_add(FEW), ..key }
}

//! The handshake in both roles, a state a type: each holds what it needs to judge the packet it awaits.
//!
//! Whoever connects proves first that it knows the cookie. Protocol: erl_dist_protocol, "Distribution Handshake".

use core::fmt::Write as _;

use crate::error::{Misbehaved, Reason};
use crate::wire::codes::Flags;
use crate::wire::digest::{digest, same};
use crate::wire::handshake::{
    Ack, Challenge, Complement, Name, Packets, Refusal, Reply, Status, parse_alive_answer, put_alive_answer,
};
use crate::wire::ids::NodeName;

/// The facts that this side shows of itself.
pub(crate) struct Local<'a> {
    /// The whole name; the host alone while a dynamic node has none.
    pub(crate) name: &'a str,
    pub(crate) creation: u32,
    pub(crate) flags: Flags,
    pub(crate) cookie: &'a [u8],
}

/// The handshake is done: what both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Established {
    pub(crate) peer: NodeName,
    /// The flags that both offered.
    pub(crate) flags: Flags,
    pub(crate) creation: u32,
    /// True for a visible node.
    pub(crate) visible: bool,
}

/// The outcome of a packet.
pub(crate) enum Step {
    /// Go on in this state.
    Await(Handshake),
    /// The peer gave this node its name; go on.
    Named(NodeName, u32, Handshake),
    /// A caller said who it is; [`Newcomer::answer`] goes on.
    Newcomer(Newcomer),
    /// Done.
    Up(Established),
}

/// A handshake under way.
#[derive(Debug)]
pub(crate) enum Handshake {
    // whoever connects
    Status(AwaitStatus),
    Why(AwaitWhy),
    Challenge(AwaitChallenge),
    Ack(AwaitAck),
    // whoever is connected to
    Name(AwaitName),
    AliveAnswer(AwaitAliveAnswer),
    Complement(AwaitComplement),
    Reply(AwaitReply),
}

/// The facts that both roles need to judge a packet.
pub(crate) struct Context<'a> {
    pub(crate) local: Local<'a>,
    /// The challenge of this side, from the system's generator, used for this handshake alone.
    pub(crate) challenge: u32,
    /// True if a connection that the peer finds alive already should be made anew.
    pub(crate) wanted: bool,
}

impl Handshake {
    /// Begins as the side that connects: says its name.
    pub(crate) fn connect(peer: NodeName, local: &Local<'_>, out: &mut Packets<'_, '_>) -> Self {
        Name::put(out, local.flags, local.creation, local.name);
        Self::Status(AwaitStatus { peer })
    }

    /// Begins as the side that was connected to.
    pub(crate) fn accept() -> Self {
        Self::Name(AwaitName)
    }

    /// Takes the packet that was awaited; answers go to `out`.
    pub(crate) fn handle(self, packet: &[u8], context: &Context<'_>, out: &mut Packets<'_, '_>) -> Result<Step, Reason> {
        match self {
            Self::Status(_) | Self::Challenge(_) | Self::Ack(_) if Refusal::parse(packet).is_some() => Err(refused(packet)),
            Self::Status(state) => state.handle(packet, context, out),
            Self::Why(_) => Err(refused(packet)),
            Self::Challenge(state) => state.handle(packet, context, out),
            Self::Ack(state) => state.handle(packet, context),
            Self::Name(state) => state.handle(packet),
            Self::AliveAnswer(state) => state.handle(packet, context, out),
            Self::Complement(state) => state.handle(packet, context),
            Self::Reply(state) => state.handle(packet, context, out),
        }
    }

    /// Returns the reason for which the peer closed, when it does so in this state.
    pub(crate) fn closed_by_peer(&self) -> Reason {
        match self {
            Self::Ack(_) => Reason::CookieRefused,
            Self::Challenge(AwaitChallenge { alive: true, .. }) => Reason::OldConnection,
            Self::Why(_) => Reason::NotAllowed,
            _ => Reason::ClosedByPeer,
        }
    }

    /// Returns the reason for which it took too long.
    pub(crate) fn late(&self) -> Reason {
        match self {
            Self::Challenge(AwaitChallenge { alive: true, .. }) => Reason::OldConnection,
            Self::Why(_) => Reason::NotAllowed,
            _ => Reason::Timeout,
        }
    }

    /// Returns true for the side that connects, until the other has said something.
    pub(crate) fn is_unheard(&self) -> bool {
        matches!(self, Self::Status(_))
    }

    /// Returns the peer, as far as it is known.
    pub(crate) fn peer(&self) -> Option<&NodeName> {
        match self {
            Self::Status(AwaitStatus { peer }) | Self::Why(AwaitWhy { peer }) | Self::Challenge(AwaitChallenge { peer, .. }) => {
                Some(peer)
            }
            Self::Ack(AwaitAck { up }) => Some(&up.peer),
            Self::AliveAnswer(AwaitAliveAnswer { caller }) | Self::Complement(AwaitComplement { caller }) => Some(&caller.peer),
            Self::Reply(AwaitReply { up }) => Some(&up.peer),
            Self::Name(_) => None,
        }
    }
}

/// A wait for the connected side's opinion.
#[derive(Debug)]
pub(crate) struct AwaitStatus {
    peer: NodeName,
}

impl AwaitStatus {
    fn handle(self, packet: &[u8], context: &Context<'_>, out: &mut Packets<'_, '_>) -> Result<Step, Reason> {
        let status = Status::parse(packet).map_err(Reason::Misbehaved)?;
        if status == Status::NotAllowed {
            return Ok(Step::Await(Handshake::Why(AwaitWhy { peer: self.peer })));
        }
        let next = Handshake::Challenge(AwaitChallenge { peer: self.peer, alive: status == Status::Alive });
        match status {
            Status::Ok | Status::OkSimultaneous if !asks_name(context) => Ok(Step::Await(next)),
            Status::Nok => Err(Reason::Nok),
            Status::Alive if !asks_name(context) => {
                put_alive_answer(out, context.wanted);
                if context.wanted { Ok(Step::Await(next)) } else { Err(Reason::Superseded) }
            }
            Status::Named(name, creation) if asks_name(context) => {
                let name = NodeName::new(name).ok().filter(|name| name.host() == context.local.name);
                let name = name.ok_or(Reason::Misbehaved(Misbehaved::Handshake("name given by the peer")))?;
                Ok(Step::Named(name, creation, next))
            }
            _ => Err(Reason::Misbehaved(Misbehaved::Handshake("status for a node of this kind"))),
        }
    }
}

fn asks_name(context: &Context<'_>) -> bool {
    context.local.flags.has(Flags::NAME_ME)
}

/// A wait for the reason of a refusal, which nodes of this kind give behind it. Others close.
#[derive(Debug)]
pub(crate) struct AwaitWhy {
    peer: NodeName,
}

/// Returns what the refusal in this packet means to the one that is refused.
fn refused(packet: &[u8]) -> Reason {
    match Refusal::parse(packet) {
        Some(Refusal::Full) => Reason::PeerFull,
        Some(Refusal::OwnName) => Reason::OwnName,
        Some(Refusal::Timeout) => Reason::Timeout,
        Some(Refusal::Crowded) => Reason::Crowded,
        None => Reason::NotAllowed,
    }
}

/// A wait for the connected side's challenge.
#[derive(Debug)]
pub(crate) struct AwaitChallenge {
    peer: NodeName,
    /// The peer has to let go of an old connection first.
    alive: bool,
}

impl AwaitChallenge {
    fn handle(self, packet: &[u8], context: &Context<'_>, out: &mut Packets<'_, '_>) -> Result<Step, Reason> {
        let theirs = Challenge::parse(packet).map_err(Reason::Misbehaved)?;
        if NodeName::from_latin1(theirs.name).as_ref() != Some(&self.peer) {
            return Err(Reason::OtherName);
        }
        let up = agree(self.peer, theirs.flags, theirs.creation, context)?;
        let digest = digest(context.local.cookie, theirs.challenge);
        Reply { challenge: context.challenge, digest }.put(out);
        Ok(Step::Await(Handshake::Ack(AwaitAck { up })))
    }
}

/// A wait for the proof of the connected side.
#[derive(Debug)]
pub(crate) struct AwaitAck {
    up: Established,
}

impl AwaitAck {
    fn handle(self, packet: &[u8], context: &Context<'_>) -> Result<Step, Reason> {
        let ack = Ack::parse(packet).map_err(Reason::Misbehaved)?;
        if same(&ack.digest, &digest(context.local.cookie, context.challenge)) {
            Ok(Step::Up(self.up))
        } else {
            Err(Reason::InvalidChallengeAck)
        }
    }
}

/// A wait for the first packet of whoever connected.
#[derive(Debug)]
pub(crate) struct AwaitName;

impl AwaitName {
    fn handle(self, packet: &[u8]) -> Result<Step, Reason> {
        let bad = Reason::Misbehaved(Misbehaved::Handshake("name"));
        let name = Name::parse(packet).map_err(Reason::Misbehaved)?;
        let peer = if name.flags.has(Flags::NAME_ME) && !name.old {
            // the host alone: a name is made from it once it is accepted
            let mut text = heapless::String::<255>::new();
            text.write_str("?@").map_err(|_| bad)?;
            name.name.iter().try_for_each(|b| text.push(char::from(*b))).map_err(|_| bad)?;
            NodeName::new(&text).map_err(|_| bad)?
        } else {
            NodeName::from_latin1(name.name).ok_or(bad)?
        };
        Ok(Step::Newcomer(Newcomer { peer, flags: name.flags, creation: name.creation, old: name.old }))
    }
}

/// A caller that connected and said a name, not proven yet.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// `?@host` while it has none.
    pub(crate) peer: NodeName,
    flags: Flags,
    creation: u32,
    old: bool,
}

/// The opinion that this side has of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Welcome,
    /// Both connect to each other at once, and the caller's connection is the one that stays.
    Simultaneous,
    /// Both connect to each other at once, and our connection is the one that stays.
    OursStays,
    /// This side has a connection already.
    Alive,
    /// The node is not to connect, or cannot be taken in, for this reason.
    NotAllowed(Reason),
}

impl Newcomer {
    /// Returns true if it wants a name from this side.
    pub(crate) fn asks_name(&self) -> bool {
        self.flags.has(Flags::NAME_ME)
    }

    /// Returns the flags this side demands and the caller lacks.
    pub(crate) fn lacks(&self) -> Option<Flags> {
        Some(self.flags.missing(Flags::DEMANDED)).filter(|missing| *missing != Flags::default())
    }

    /// Tells the caller the verdict and goes on accordingly. `seed` is random: a name for a caller without one comes from it.
    pub(crate) fn answer(
        mut self,
        verdict: Verdict,
        seed: u32,
        context: &Context<'_>,
        out: &mut Packets<'_, '_>,
    ) -> Result<Handshake, Reason> {
        match verdict {
            Verdict::NotAllowed(reason) => {
                Status::NotAllowed.put(out);
                match reason {
                    Reason::Full => Refusal::Full.put(out),
                    Reason::OwnName => Refusal::OwnName.put(out),
                    // the status says it
                    _ => {}
                }
                return Err(reason);
            }
            Verdict::OursStays => {
                Status::Nok.put(out);
                return Err(Reason::Nok);
            }
            Verdict::Alive => {
                Status::Alive.put(out);
                return Ok(Handshake::AliveAnswer(AwaitAliveAnswer { caller: self }));
            }
            Verdict::Simultaneous => Status::OkSimultaneous.put(out),
            Verdict::Welcome if self.asks_name() => {
                self.peer = name_for(self.peer.host(), seed)?;
                self.creation = seed.max(4);
                Status::Named(self.peer.as_str(), self.creation).put(out);
            }
            Verdict::Welcome => Status::Ok.put(out),
        }
        self.challenge(context, out)
    }

    fn challenge(self, context: &Context<'_>, out: &mut Packets<'_, '_>) -> Result<Handshake, Reason> {
        let local = &context.local;
        // a caller that is named expects to hear its own flag back, in place of the one for visible nodes
        let named = local.flags.without(Flags::PUBLISHED).with(Flags::NAME_ME);
        let flags = if self.asks_name() { named } else { local.flags };
        Challenge::put(out, flags, context.challenge, local.creation, local.name);
        if self.old {
            return Ok(Handshake::Complement(AwaitComplement { caller: self }));
        }
        let up = agree(self.peer, self.flags, self.creation, context)?;
        Ok(Handshake::Reply(AwaitReply { up }))
    }
}

/// Makes a name of `R` and the seed in base 36, as a BEAM names a node that asks it to.
fn name_for(host: &str, mut seed: u32) -> Result<NodeName, Reason> {
    let mut text = heapless::String::<255>::new();
    let full = |_| Reason::Misbehaved(Misbehaved::Handshake("name"));
    text.push('R').map_err(full)?;
    for _ in 0..7 {
        let digit = char::from_digit(seed % 36, 36).unwrap_or('0');
        text.push(digit.to_ascii_uppercase()).map_err(full)?;
        seed /= 36;
    }
    text.push('@').map_err(full)?;
    text.push_str(host).map_err(full)?;
    NodeName::new(&text).map_err(|_| Reason::Misbehaved(Misbehaved::Handshake("name")))
}

/// A wait for the caller's word whether it still wants the connection that this side thinks it has.
///
/// A BEAM ends the old connection before it sends the challenge. Here the old one stays until the caller has proven the
/// cookie, so that nobody without it can end connections by claiming names.
#[derive(Debug)]
pub(crate) struct AwaitAliveAnswer {
    caller: Newcomer,
}

impl AwaitAliveAnswer {
    fn handle(self, packet: &[u8], context: &Context<'_>, out: &mut Packets<'_, '_>) -> Result<Step, Reason> {
        if parse_alive_answer(packet).map_err(Reason::Misbehaved)? {
            self.caller.challenge(context, out).map(Step::Await)
        } else {
            Err(Reason::Superseded)
        }
    }
}

/// A wait for the rest of an old first packet.
#[derive(Debug)]
pub(crate) struct AwaitComplement {
    caller: Newcomer,
}

impl AwaitComplement {
    fn handle(self, packet: &[u8], context: &Context<'_>) -> Result<Step, Reason> {
        let rest = Complement::parse(packet).map_err(Reason::Misbehaved)?;
        let flags = self.caller.flags.with(Flags(u64::from(rest.flags_high) << 32));
        let up = agree(self.caller.peer, flags, rest.creation, context)?;
        Ok(Step::Await(Handshake::Reply(AwaitReply { up })))
    }
}

/// A wait for the caller's proof.
#[derive(Debug)]
pub(crate) struct AwaitReply {
    up: Established,
}

impl AwaitReply {
    fn handle(self, packet: &[u8], context: &Context<'_>, out: &mut Packets<'_, '_>) -> Result<Step, Reason> {
        let reply = Reply::parse(packet).map_err(Reason::Misbehaved)?;
        if !same(&reply.digest, &digest(context.local.cookie, context.challenge)) {
            return Err(Reason::InvalidChallengeReply);
        }
        Ack { digest: digest(context.local.cookie, reply.challenge) }.put(out);
        Ok(Step::Up(self.up))
    }
}

/// Returns the agreement of both sides, if the peer offers all that is demanded.
fn agree(peer: NodeName, theirs: Flags, creation: u32, context: &Context<'_>) -> Result<Established, Reason> {
    let missing = theirs.missing(Flags::DEMANDED);
    if missing != Flags::default() {
        return Err(Reason::MissingFlags(missing.0));
    }
    Ok(Established { peer, flags: theirs.and(context.local.flags), creation, visible: theirs.has(Flags::PUBLISHED) })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::wire::cursor::Writer;
    use crate::wire::handshake::Prefix;

    fn context<'a>(name: &'a str, flags: Flags, wanted: bool) -> Context<'a> {
        Context { local: Local { name, creation: 9, flags, cookie: b"secret" }, challenge: 7, wanted }
    }

    fn written<T>(put: impl FnOnce(&mut Packets<'_, '_>) -> T) -> (T, Vec<u8>) {
        let mut buf = [0; 1024];
        let mut out = Writer::new(&mut buf);
        let made = put(&mut Packets { out: &mut out, prefix: Prefix::Two });
        let len = out.finish().unwrap();
        (made, buf[..len].to_vec())
    }

    /// The state that follows on a status, or the reason for which there is none.
    fn on_status(status: Status<'_>, context: &Context<'_>) -> Result<Step, Reason> {
        let (_, packet) = written(|out| status.put(out));
        let awaits = Handshake::Status(AwaitStatus { peer: NodeName::new("b@host").unwrap() });
        written(|out| awaits.handle(&packet[2..], context, out)).0
    }

    #[test]
    fn a_name_is_given_to_who_asks_for_one_and_to_nobody_else() {
        let (own, asking) = (context("a@host", Flags::OURS, true), context("host", Flags::OURS.with(Flags::NAME_ME), true));
        let odd = Reason::Misbehaved(Misbehaved::Handshake("status for a node of this kind"));
        let is_odd = |step: Result<Step, Reason>| matches!(step, Err(reason) if reason == odd);
        for status in [Status::Ok, Status::OkSimultaneous, Status::Alive] {
            assert!(is_odd(on_status(status, &asking)));
            assert!(matches!(on_status(status, &own), Ok(Step::Await(Handshake::Challenge(_)))));
        }
        assert!(is_odd(on_status(Status::Named("R0@host", 5), &own)));
        let Ok(Step::Named(name, creation, _)) = on_status(Status::Named("R0@host", 5), &asking) else { panic!() };
        assert_eq!((name.as_str(), creation), ("R0@host", 5));
        // of another host it is none
        assert!(on_status(Status::Named("R0@other", 5), &asking).is_err());
    }

    /// What a peer means that closes or says no more depends on what it was asked.
    #[test]
    fn silence_and_an_end_are_told_for_what_they_mean() {
        let own = context("a@host", Flags::OURS, true);
        let next = |status| match on_status(status, &own) {
            Ok(Step::Await(next)) => next,
            _ => panic!(),
        };
        for (status, closed, late) in [
            (Status::Ok, Reason::ClosedByPeer, Reason::Timeout),
            (Status::OkSimultaneous, Reason::ClosedByPeer, Reason::Timeout),
            (Status::Alive, Reason::OldConnection, Reason::OldConnection),
            (Status::NotAllowed, Reason::NotAllowed, Reason::NotAllowed),
        ] {
            assert_eq!((next(status).closed_by_peer(), next(status).late()), (closed, late), "{status:?}");
        }
        // nobody wants a connection anew that the peer still has
        assert!(matches!(on_status(Status::Alive, &context("a@host", Flags::OURS, false)), Err(Reason::Superseded)));
    }

    fn caller(flags: Flags, old: bool) -> Newcomer {
        Newcomer { peer: NodeName::new("a@host").unwrap(), flags, creation: 5, old }
    }

    #[test]
    fn what_a_caller_lacks_is_what_is_demanded() {
        assert_eq!(caller(Flags::OURS, false).lacks(), None);
        assert_eq!(caller(Flags::OURS.without(Flags::NEW_FLOATS), false).lacks(), Some(Flags::NEW_FLOATS));
        assert!(caller(Flags::OURS.with(Flags::NAME_ME), false).asks_name() && !caller(Flags::OURS, false).asks_name());
    }

    /// The upper half of the flags of an old first packet comes behind the challenge.
    #[test]
    fn an_old_first_packet_is_completed() {
        let own = context("b@host", Flags::OURS, true);
        let low = Flags(Flags::OURS.0 & 0xffff_ffff);
        let high = u32::try_from(Flags::OURS.0 >> 32).unwrap();
        let (awaits, _) = written(|out| caller(low, true).answer(Verdict::Welcome, 0, &own, out));
        let packet = [&b"c"[..], &high.to_be_bytes(), &6_u32.to_be_bytes()].concat();
        let Ok(Step::Await(Handshake::Reply(AwaitReply { up }))) = written(|out| awaits.unwrap().handle(&packet, &own, out)).0
        else {
            panic!()
        };
        assert_eq!((up.flags, up.creation), (Flags::OURS, 6));
    }

    /// The digits are those of the seed, the lowest first, and no two seeds have the same.
    #[test]
    fn names_that_are_given_are_all_different() {
        let name = |seed| name_for("host", seed).unwrap();
        assert_eq!(
            (name(0).as_str(), name(36).as_str(), name(u32::MAX).as_str()),
            ("R0000000@host", "R0100000@host", "R3Z141Z1@host")
        );
        let names: std::collections::BTreeSet<_> = (0..5000_u32).map(|seed| name(seed * 7919).as_str().to_owned()).collect();
        assert_eq!(names.len(), 5000);
    }
}

//! The network between the hosts: streams that are cut anywhere, stall, end on one side alone, and break.
//!
//! It does what a driver does, and no more: it looks at a connection only if its node told of it, or a call of its own concerned it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use beamless::{Connection, NetworkFault};

use super::host::{NODES, still};
use super::model::World;

/// A dial that is under way.
pub(crate) struct Dial {
    pub(crate) host: usize,
    to: usize,
    connection: Connection,
}

/// One side's socket.
pub(crate) struct End {
    pub(crate) host: usize,
    life: usize,
    connection: Connection,
    pub(crate) is_open: bool,
    /// It may have something to be written, or be over.
    write: bool,
    /// It may have room for what comes.
    read: bool,
}

/// What is under way from one side to the other.
#[derive(Default)]
pub(crate) struct Way {
    bytes: VecDeque<u8>,
    /// The sender has closed behind these bytes, or broken off.
    fin: bool,
    reset: bool,
    /// Nothing comes out before this time.
    pub(crate) frozen: u64,
}

pub(crate) struct Wire {
    pub(crate) ends: [End; 2],
    /// From each of the ends to the other.
    pub(crate) ways: [Way; 2],
}

impl World<'_> {
    /// Takes what a host's node wants dialled.
    pub(crate) fn poll_dials(&mut self, host: usize) {
        for round in 0.. {
            assert!(round < 64, "{} dials for ever", NODES[host]);
            let now = self.hosts[host].time();
            let node = &mut self.hosts[host].node;
            let Some((connection, peer)) = still(|| node.poll_dial(now)) else { break };
            let to = NODES.iter().position(|name| *name == peer.as_str()).unwrap();
            self.pending.push(Dial { host, to, connection });
        }
    }

    /// A dial comes to something, or to nothing.
    pub(crate) fn finish_dial(&mut self, which: usize, fails: bool) {
        let Dial { host, to, connection } = self.pending[which];
        if !self.hosts[host].node.is_open(connection) {
            self.pending.swap_remove(which);
            return;
        }
        if fails || to >= self.hosts.len() || !self.hosts[to].is_listed {
            self.pending.swap_remove(which);
            self.hosts[host].node.handle_unreachable(connection, NetworkFault::Refused);
            return;
        }
        self.challenge += 1;
        let challenge = self.challenge.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let origin = IpAddr::V4(Ipv4Addr::new(10, 0, 0, host as u8)).into();
        let (now, then) = (self.hosts[host].time(), self.hosts[to].time());
        let callee = &mut self.hosts[to].node;
        // else it waits in the backlog
        let Ok(accepted) = still(|| callee.accept(origin, challenge, then)) else { return };
        self.pending.swap_remove(which);
        let caller = &mut self.hosts[host].node;
        still(|| caller.handle_connected(connection, !challenge, now));
        let end = |host: usize, connection| End {
            host,
            life: self.hosts[host].life,
            connection,
            is_open: true,
            write: true,
            read: true,
        };
        let ends = [end(host, connection), end(to, accepted)];
        self.wires.push(Wire { ends, ways: Default::default() });
    }

    /// Takes note of the connections that a host's node has something to do for.
    pub(crate) fn poll_work(&mut self, host: usize) {
        let life = self.hosts[host].life;
        for round in 0.. {
            assert!(round < 200, "{} has work for ever", NODES[host]);
            let node = &mut self.hosts[host].node;
            let Some(connection) = still(|| node.poll_work()) else { break };
            let ends = self.wires.iter_mut().flat_map(|wire| &mut wire.ends);
            for end in ends.filter(|end| end.host == host && end.life == life && end.connection == connection) {
                (end.write, end.read) = (true, true);
            }
        }
        // one whose place another has is over, and is not told of
        let node = &self.hosts[host].node;
        let ends = self.wires.iter_mut().flat_map(|wire| &mut wire.ends);
        for end in ends.filter(|end| end.host == host && end.life == life && !node.is_open(end.connection)) {
            end.write = true;
        }
    }

    /// Writes what one side has to the network, and closes what is over; how much it was.
    pub(crate) fn transmit(&mut self, wire: usize, side: usize, most: usize) -> usize {
        self.poll_work(self.wires[wire].ends[side].host);
        let capacity = self.setup.capacity;
        let Wire { ends, ways } = &mut self.wires[wire];
        let other_is_open = ends[1 - side].is_open;
        let end = &mut ends[side];
        if !end.is_open || !end.write {
            return 0;
        }
        let node = &mut self.hosts[end.host].node;
        let bytes = node.poll_transmit(end.connection);
        let room = if other_is_open { capacity.saturating_sub(ways[side].bytes.len()) } else { usize::MAX };
        let len = bytes.len().min(most).min(room);
        if len > 0 {
            if other_is_open {
                ways[side].bytes.extend(&bytes[..len]);
            } else {
                // nobody is there
                ways[1 - side].reset = true;
            }
            still(|| node.handle_transmitted(end.connection, len));
        }
        if node.poll_transmit(end.connection).is_empty() {
            end.write = false;
            if !node.is_open(end.connection) {
                (end.is_open, ways[side].fin) = (false, true);
                return len + 1;
            }
        }
        len
    }

    /// Reads what came to one side; how much it was.
    pub(crate) fn receive(&mut self, wire: usize, side: usize, most: usize) -> usize {
        let (now, piece) = (self.now, self.setup.piece);
        self.poll_work(self.wires[wire].ends[side].host);
        let Wire { ends, ways } = &mut self.wires[wire];
        let (end, way) = (&mut ends[side], &mut ways[1 - side]);
        if !end.is_open || way.frozen > now {
            return 0;
        }
        let node = &mut self.hosts[end.host].node;
        if way.reset || way.fin && way.bytes.is_empty() {
            way.bytes.clear();
            end.is_open = false;
            let fault = way.reset.then_some(NetworkFault::Reset);
            still(|| node.handle_closed(end.connection, fault));
            ways[side].fin = true;
            return 1;
        }
        let mut taken = 0;
        while taken < most && !way.bytes.is_empty() && end.read {
            let room = node.read_buffer(end.connection);
            let len = room.len().min(way.bytes.len()).min(most - taken).min(piece);
            if len == 0 {
                end.read = false;
                break;
            }
            way.bytes.drain(..len).zip(room).for_each(|(byte, place)| *place = byte);
            still(|| node.handle_bytes(&mut end.connection, len));
            end.write = true;
            taken += len;
        }
        taken
    }

    /// Moves so many bytes at most over a connection, each way.
    pub(crate) fn carry(&mut self, wire: usize, most: [usize; 2]) -> usize {
        let mut moved = 0;
        for (side, most) in most.into_iter().enumerate() {
            moved += self.transmit(wire, side, most);
            moved += self.receive(wire, 1 - side, most);
        }
        moved
    }

    /// Forgets the connections of which both sides have nothing any more.
    pub(crate) fn bury(&mut self) {
        self.wires.retain(|wire| wire.ends.iter().any(|end| end.is_open));
    }

    /// A connection breaks for one side; the other learns of it in this way, or not.
    pub(crate) fn break_off(&mut self, wire: usize, side: usize, how: usize) {
        let end = &mut self.wires[wire].ends[side];
        if !std::mem::take(&mut end.is_open) {
            return;
        }
        let fault = (how != 1).then_some(NetworkFault::Reset);
        let node = &mut self.hosts[end.host].node;
        still(|| node.handle_closed(end.connection, fault));
        self.hang_up(wire, side, how);
    }

    /// What the other side of a connection sees of its end.
    fn hang_up(&mut self, wire: usize, side: usize, how: usize) {
        let way = &mut self.wires[wire].ways[side];
        match how {
            0 => way.reset = true,
            1 => way.fin = true,
            // nothing, until it writes
            2 => {}
            // nothing ever
            _ => self.wires[wire].ways.iter_mut().for_each(|way| way.frozen = u64::MAX),
        }
    }

    /// A host is no more: its sockets are closed by its system, or not even that.
    pub(crate) fn abandon_ends(&mut self, host: usize) {
        let life = self.hosts[host].life;
        for wire in 0..self.wires.len() {
            for side in 0..2 {
                let end = &mut self.wires[wire].ends[side];
                if end.host == host && end.life == life && std::mem::take(&mut end.is_open) {
                    let how = self.dice.below(4);
                    self.hang_up(wire, side, how);
                }
            }
        }
    }

    /// Nothing comes out of a connection for a while, or ever.
    pub(crate) fn freeze(&mut self, wire: usize, sides: [bool; 2], until: u64) {
        for (way, frozen) in self.wires[wire].ways.iter_mut().zip(sides) {
            if frozen {
                way.frozen = way.frozen.max(until);
            }
        }
    }

    /// Ends all stalls but those that are for ever.
    pub(crate) fn thaw(&mut self) {
        let ways = self.wires.iter_mut().flat_map(|wire| &mut wire.ways);
        ways.filter(|way| way.frozen < u64::MAX).for_each(|way| way.frozen = 0);
    }

    /// Returns true if nothing is under way, nor waits to be.
    pub(crate) fn is_quiet(&self) -> bool {
        let waits = |end: &End| end.is_open && !self.hosts[end.host].node.poll_transmit(end.connection).is_empty();
        let is_quiet = |wire: &Wire| {
            wire.ends.iter().all(|end| end.is_open && !waits(end)) && wire.ways.iter().all(|way| way.bytes.is_empty() && !way.fin)
        };
        self.pending.is_empty() && self.wires.iter().all(is_quiet)
    }

    /// Nothing moves any more: whatever could move has been told of.
    pub(crate) fn check_told(&self) {
        for Wire { ends, ways } in &self.wires {
            for (side, end) in ends.iter().enumerate().filter(|(_, end)| end.is_open) {
                let node = &self.hosts[end.host].node;
                let (way, back) = (&ways[side], &ways[1 - side]);
                let has_way = !node.poll_transmit(end.connection).is_empty() && way.bytes.len() < self.setup.capacity;
                self.check(!has_way || end.write, "bytes wait for the network, of which nobody is told");
                let comes = !back.bytes.is_empty() && back.frozen <= self.now && node.takes_bytes(end.connection);
                self.check(!comes || end.read, "bytes wait in the network, and nobody is told that they are taken");
            }
        }
    }
}

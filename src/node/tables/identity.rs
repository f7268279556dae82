//! The identity of a node, and the pids it gives out.

use crate::error::Misuse;
use crate::node::config::{Config, OwnName};
use crate::proto::handshake::Local;
use crate::storage::slots::Key;
use crate::wire::ids::{Atom, NodeName, Pid};

/// The identity of this node.
pub(crate) struct Identity {
    pub(crate) config: Config,
    pub(crate) creation: u32,
    /// The link to the peer that gave the name, if one did: the name lasts as long.
    pub(crate) given_by: Option<Key>,
}

impl Identity {
    /// Returns the node's name; that of a dynamic node which has none yet leads nowhere.
    #[inline]
    pub(crate) fn node(&self) -> Atom<'_> {
        self.config.name.shown().as_atom()
    }

    /// Checks that pids and references can be made that others reach.
    pub(crate) fn known(&self) -> Result<(), Misuse> {
        self.config.name.known()?;
        if self.creation == 0 { Err(Misuse::NoCreation) } else { Ok(()) }
    }

    /// Takes the name that the peer at this link gave.
    pub(crate) fn take_name(&mut self, name: NodeName, creation: u32, by: Key) {
        self.config.name = OwnName::Fixed(name);
        self.creation = creation.max(4);
        self.given_by = Some(by);
    }

    /// Forgets the name if the link to the peer that gave it is the one at `key`. Returns true if it was.
    pub(crate) fn forget_name(&mut self, key: Key) -> bool {
        let is_lost = self.given_by == Some(key);
        if is_lost {
            self.given_by = None;
            // its host was long enough before
            if let Ok(name) = OwnName::asked(self.config.name.shown().host()) {
                self.config.name = name;
            }
        }
        is_lost
    }

    /// Returns the pid in whose name the core itself answers. It lasts as long as the node.
    pub(crate) fn core_pid(&self) -> Pid<'_> {
        Pid { node: self.node(), id: 0, serial: 0, creation: self.creation }
    }

    /// Returns the pid of a scope of groups.
    pub(crate) fn scope_pid(&self, scope: u8) -> Pid<'_> {
        Pid { serial: u32::from(scope).saturating_add(1), ..self.core_pid() }
    }

    /// Returns the number of the scope that has this pid, if it is one of this node.
    pub(crate) fn scope(&self, pid: Pid<'_>) -> Option<u8> {
        let number = pid.serial.checked_sub(1).and_then(|scope| u8::try_from(scope).ok());
        number.filter(|_| pid.id == 0 && self.is_own(pid.node, pid.creation))
    }

    /// Returns true if a pid or reference with these is one of this node, as it runs now.
    #[inline]
    pub(crate) fn is_own(&self, node: Atom<'_>, creation: u32) -> bool {
        creation == self.creation && matches!(&self.config.name, OwnName::Fixed(name) if node == *name.as_str())
    }

    /// Returns the pid of the mailbox at `key`.
    #[inline]
    pub(crate) fn pid(&self, key: Key) -> Pid<'_> {
        Pid { node: self.node(), id: u32::from(key.index).saturating_add(1), serial: serial(key), creation: self.creation }
    }

    /// Returns the facts that the node shows of itself in a handshake.
    pub(crate) fn local(&self) -> Local<'_> {
        let config = &self.config;
        // a node without a name has no creation either
        let creation = config.name.known().map_or(0, |_| self.creation);
        Local { name: config.name.in_handshake(), creation, flags: config.flags(), cookie: &config.cookie }
    }
}

/// Returns thirteen bits of the place's generation, which is what every release reads of a pid's second number.
pub(crate) fn serial(key: Key) -> u32 {
    u32::from(key.generation & 0x1fff)
}

/// The name of a process that has none.
pub(crate) const NAMELESS: Atom<'static> = Atom::from_str("");

/// Pids have 15 bits here, which is what every release reads.
pub(crate) const FIRST_JOB: u32 = 0x4000;

/// Returns the pid of a process that runs a served function. Mailboxes have the numbers below.
pub(crate) fn job_pid<'n>(node: Atom<'n>, creation: u32, number: u64) -> Pid<'n> {
    let bits = job_bits(number);
    Pid { node, id: FIRST_JOB | (bits & 0x3fff), serial: bits >> 14, creation }
}

/// Returns as much of a process's number as its pid has.
pub(crate) fn job_bits(number: u64) -> u32 {
    u32::try_from(number & 0x7ff_ffff).unwrap_or(0)
}

/// Returns those bits of a pid; `None` if it is none of such a process.
pub(crate) fn pid_bits(pid: Pid<'_>) -> Option<u32> {
    let low = pid.id.checked_sub(FIRST_JOB).filter(|low| *low <= 0x3fff)?;
    (pid.serial < 1 << 13).then_some(pid.serial << 14 | low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process's number is in its pid, as far as that has room, and no mailbox has such a pid.
    #[test]
    fn the_number_of_a_process_is_in_its_pid() {
        let node = Atom::from_str("a@host");
        for number in [0, 1, 0x3fff, 0x4000, 0x4001, 0x7ff_fffe, 0x7ff_ffff] {
            let pid = job_pid(node, 9, number);
            assert!(pid.id >= FIRST_JOB && pid.id < 1 << 15 && pid.serial < 1 << 13 && pid.creation == 9, "{number:#x}: {pid:?}");
            assert_eq!(pid_bits(pid).map(u64::from), Some(number), "{number:#x}");
        }
        assert_eq!((job_pid(node, 9, 0x4001).id, job_pid(node, 9, 0x4001).serial), (0x4001, 1));
        assert_eq!(job_bits(0x800_0005), 5);
        let odd = |id, serial| pid_bits(Pid { node, id, serial, creation: 9 });
        assert_eq!([odd(0x3fff, 0), odd(0x8000, 0), odd(0x4000, 1 << 13)], [None; 3]);
        assert_eq!([serial(Key { index: 1, generation: 0x1fff }), serial(Key { index: 1, generation: 0x2005 })], [0x1fff, 5]);
    }
}

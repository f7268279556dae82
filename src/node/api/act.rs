//! What is done in the name of a mailbox, with all that it takes at hand.

use core::mem::replace;
use core::time::Duration;

use crate::error::{ConfigError, Error, Full, Misuse};
use crate::node::config::AutoConnect;
use crate::node::core::send::{answer_to, take_back, tell};
use crate::node::forms::caller::{Caller, Form};
use crate::node::forms::outcome::{Exception, outcome};
use crate::node::tables::handles::{Handle, Mailbox, Request};
use crate::node::tables::identity::{Identity, NAMELESS, job_pid};
use crate::node::tables::links::{FrameWriter, Link, Phase, RESERVED};
use crate::node::tables::past::Past;
use crate::node::tables::peers::Peers;
use crate::node::tables::requests::{Ask, OwnWords, Stage, Target};
use crate::node::tables::ties::{Number, Watch};
use crate::storage::slots::Key;
use crate::wire::build::{TermWriter, WriteDyn, WriteTerm, Written};
use crate::wire::control::{Control, Process, To, put_send};
use crate::wire::ids::{Atom, NodeName, Pid, Reference};

/// The tables of a node, and the mailbox in whose name something is done to them.
pub(super) struct Act<'a> {
    pub(super) identity: &'a Identity,
    pub(super) peers: Peers<'a>,
    pub(super) past: &'a Past,
    pub(super) mailbox: Key,
}

impl Act<'_> {
    pub(super) fn answer(&mut self, caller: &Caller<'_>, exception: Option<Exception>, write: WriteDyn<'_>) -> Result<(), Error> {
        let mut told = false;
        let write: WriteDyn<'_> = &mut |t| match exception {
            // somebody besides its caller watched the function's process: to them it has just ended
            None if replace(&mut told, true) => t.atom("normal"),
            _ => outcome(t, caller, exception, write),
        };
        match (caller.form, caller.from) {
            (Form::Call | Form::Rex | Form::RexSend, Some(from)) => {
                let peer = self.peers.links.find(from.node).ok_or(Error::NotConnected)?;
                let to = answer_to(&self.peers.links, peer, from, caller.alias());
                self.send_to(peer, to, write)
            }
            (Form::Erpc | Form::Spawn, _) => self.end_job(caller, write),
            _ => Ok(()),
        }
    }

    /// Ends the process of a served function, with what it came to. There is nobody to tell when its caller does not wait any more.
    fn end_job(&mut self, caller: &Caller<'_>, write: WriteDyn<'_>) -> Result<(), Error> {
        let own = job_pid(self.identity.node(), self.identity.creation, caller.job);
        // its caller first, who is owed what it came to; the others may lie in front of it
        while let Some(key) = self.callers_tie(caller.job).or_else(|| self.peers.watches.next_of_job(caller.job, None)) {
            let Some(watch) = self.peers.watches.at(key).copied() else { break };
            tell(&mut self.peers.links, RESERVED, &watch, own, NAMELESS, write)?;
            self.peers.remove_watch(key);
        }
        Ok(())
    }

    /// Finds the tie of a process of a function to whoever had it made.
    fn callers_tie(&mut self, job: u64) -> Option<Key> {
        let mut next = self.peers.watches.next_of_job(job, None);
        while let Some(key) = next {
            if self.peers.watches.at(key).is_some_and(Watch::is_spawners) {
                return Some(key);
            }
            next = self.peers.watches.next_of_job(job, Some(key.index));
        }
        None
    }

    pub(super) fn give_up(&mut self, handle: Handle) -> Result<(), Error> {
        let Some(key) = self.peers.requests.find(handle) else { return Ok(()) };
        let Some(request) = self.peers.requests.at(key).filter(|request| request.mailbox == self.mailbox) else { return Ok(()) };
        // one that was answered is taken back as soon as there is room
        if matches!(request.state, Stage::Leaving) {
            return Ok(());
        }
        if take_back(self.identity, &mut self.peers.links, key, request, RESERVED)? {
            self.peers.remove_request(key);
        } else {
            // whom to name is not known until the spawn request is answered
            self.peers.set_stage(key, Stage::Leaving);
        }
        Ok(())
    }

    /// Takes a place for a request about a process.
    pub(super) fn ask(&mut self, peer: Key, to: To<'_>, kind: Ask, timeout: Option<Duration>) -> Result<Key, Error> {
        let target = match to {
            To::Pid(pid) => Target::Pid(Number::of(pid)),
            To::Name(_) => Target::Name(heapless::String::new()),
            To::Alias(_) => return Err(Misuse::NotAProcess.into()),
        };
        let key = self.peers.ask(self.mailbox, peer, kind, timeout)?;
        let Some(request) = self.peers.requests.at_mut(key) else { return Ok(key) };
        request.target = target;
        // the name is written where it stays
        if let (Target::Name(text), To::Name(name)) = (&mut request.target, to) {
            let fits = match name.as_str() {
                Some(name) => text.push_str(name).is_ok(),
                None => name.chars().all(|c| text.push(c).is_ok()),
            };
            if !fits {
                self.peers.remove_request(key);
                return Err(Misuse::AtomTooLong.into());
            }
        }
        Ok(key)
    }

    pub(super) fn call_to(
        &mut self,
        peer: Key,
        to: To<'_>,
        kind: Ask,
        timeout: Option<Duration>,
        write: WriteDyn<'_>,
    ) -> Result<Request, Error> {
        let key = self.ask(peer, to, kind, timeout)?;
        let words = OwnWords::new(self.handle(key));
        let aliases = To::Alias(words.reference(self.identity)).operation(self.peers.links.flags(peer)).is_some();
        let mark = self.peers.links.mark(peer);
        let (tag, from) = (words.reference(self.identity), self.identity.pid(self.mailbox));
        let sent = self.send_monitor(peer, key, to).and_then(|()| {
            self.send_to(peer, to, |t| {
                gen_call(t, from, aliases, tag)?;
                write(t)
            })
        });
        let sent = sent.map_err(|e| {
            let ahead = self.peers.links.mark(peer).0.saturating_sub(mark.0);
            self.peers.links.rewind(peer, mark);
            self.peers.links.both(ahead, e)
        });
        self.asked(key, sent)
    }

    pub(super) fn asked(&mut self, key: Key, sent: Result<(), Error>) -> Result<Request, Error> {
        match sent {
            Ok(()) => Ok(Request { mailbox: Mailbox(self.mailbox), handle: self.handle(key) }),
            Err(e) => {
                self.peers.remove_request(key);
                Err(e)
            }
        }
    }

    pub(super) fn handle(&self, key: Key) -> Handle {
        Handle { index: key.index, number: self.peers.requests.at(key).map_or(0, |request| request.number) }
    }

    pub(super) fn send_monitor(&mut self, peer: Key, key: Key, to: To<'_>) -> Result<(), Error> {
        let words = OwnWords::new(self.handle(key));
        let reference = words.reference(self.identity);
        let to = match to {
            To::Pid(pid) => Process::Pid(pid),
            To::Name(name) => Process::Name(name),
            To::Alias(_) => return Err(Misuse::NotAProcess.into()),
        };
        let control = Control::Monitor { from: self.identity.pid(self.mailbox), to, reference };
        // where the peer understands no monitors it is one of the connection
        self.peers.links.tell(peer, RESERVED, &control).map(|_| ())
    }

    #[inline]
    pub(super) fn send_to<F>(&mut self, peer: Key, to: To<'_>, write: F) -> Result<(), Error>
    where
        F: WriteTerm,
    {
        let mut frame = self.peers.links.begin(peer, RESERVED)?;
        address(&mut frame, self.identity.pid(self.mailbox), to)?;
        TermWriter::one(&mut frame.out, write)?;
        frame.end()
    }

    /// Finds the connection to a node, if need be one that is still to be made.
    #[inline]
    pub(super) fn reach(&mut self, node: Atom<'_>) -> Result<Key, Error> {
        match self.peers.links.find(node) {
            Some(key) => Ok(key),
            None => self.open(node),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn open(&mut self, node: Atom<'_>) -> Result<Key, Error> {
        // what answers goes to who asked, and that must be somebody
        self.identity.known()?;
        let config = &self.identity.config;
        if node == *config.name.known()?.as_str() {
            return Err(Misuse::OwnNode.into());
        }
        let name = NodeName::from_atom(node).ok_or(ConfigError::NameForm)?;
        config.reaches(&name)?;
        let allowed = match config.auto_connect {
            AutoConnect::Always => true,
            AutoConnect::Once => !self.past.has(&name),
            AutoConnect::Never => false,
        };
        if !allowed {
            return Err(Error::NotConnected);
        }
        let link = Link::new(name, Phase::Opening);
        let key = self.peers.links.table.insert(link).map_err(|_| Full::Peers)?;
        self.peers.ledger.unseen.push(&mut self.peers.links.table, key.index);
        Ok(key)
    }
}

/// Writes the addresses of a message.
pub(super) fn address(frame: &mut FrameWriter<'_>, from: Pid<'_>, to: To<'_>) -> Result<(), Misuse> {
    let op = to.operation(frame.flags()).ok_or(Misuse::NotAnAlias)?;
    put_send(&mut frame.out, op, Some(from), to)
}

/// Writes `{'$gen_call', {From, Tag}, Request}` up to the request.
fn gen_call<'t, 'b>(t: &'t mut TermWriter<'b>, from: Pid<'_>, aliases: bool, tag: Reference<'_>) -> Written<'t, 'b> {
    t.tuple(3)?;
    t.atom("$gen_call")?;
    t.tuple(2)?;
    t.pid(from)?;
    if aliases {
        t.list(1)?;
        t.atom("alias")?;
    }
    t.reference(tag)
}

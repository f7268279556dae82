//! Control messages: what one node tells the other, in front of a message's payload.
//!
//! Trace tokens (the `_TT` operations) are read and dropped. Protocol: erl_dist_protocol, "Protocol between Connected Nodes".

use super::build::{put_atom, put_atom_of, put_pid, put_reference};
use super::check::walk;
use super::codes::{Flags, op, tag};
use super::cursor::{Reader, Short, Writer, slide};
use super::frame::PASS_THROUGH;
use super::ids::{Atom, Pid, Reference};
use super::term::Term;
use crate::error::{Misbehaved, Misuse, TermFault};

/// The receiver of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To<'a> {
    Pid(Pid<'a>),
    Name(Atom<'a>),
    Alias(Reference<'a>),
}

/// A process as monitors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process<'a> {
    Pid(Pid<'a>),
    Name(Atom<'a>),
}

/// A control message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Control<'a> {
    /// The payload is a message; the sender, if told, is a pid.
    Send {
        from: Option<Term<'a>>,
        to: To<'a>,
    },
    Link {
        from: Pid<'a>,
        to: Pid<'a>,
    },
    /// Sent by OTP 23, the id is 0, and no acknowledgement is expected.
    Unlink {
        id: u64,
        from: Pid<'a>,
        to: Pid<'a>,
    },
    UnlinkAck {
        id: u64,
        from: Pid<'a>,
        to: Pid<'a>,
    },
    /// A link broke; without a reason here it is the payload.
    Exit {
        from: Pid<'a>,
        to: Pid<'a>,
        reason: Option<Term<'a>>,
    },
    /// `exit(To, Reason)`.
    Exit2 {
        from: Pid<'a>,
        to: To<'a>,
        reason: Option<Term<'a>>,
    },
    Monitor {
        from: Pid<'a>,
        to: Process<'a>,
        reference: Reference<'a>,
    },
    Demonitor {
        from: Pid<'a>,
        to: Process<'a>,
        reference: Reference<'a>,
    },
    MonitorExit {
        from: Process<'a>,
        to: Pid<'a>,
        reference: Reference<'a>,
        reason: Option<Term<'a>>,
    },
    /// The payload is the argument list.
    SpawnRequest {
        id: Reference<'a>,
        from: Pid<'a>,
        leader: Pid<'a>,
        /// `{Module, Function, Arity}`, and its parts.
        mfa: Term<'a>,
        module: Atom<'a>,
        function: Atom<'a>,
        /// Any integer that stands for one: nobody has to be able to take so many arguments.
        arity: i64,
        options: Term<'a>,
    },
    /// The result is the new process's pid, or an atom that says why there is none.
    SpawnReply {
        id: Reference<'a>,
        to: Pid<'a>,
        flags: u64,
        result: Term<'a>,
    },
    /// `group_leader(Leader, To)`.
    GroupLeader {
        leader: Pid<'a>,
        to: Pid<'a>,
    },
    /// An operation of a later release; its tuple was skipped.
    Unknown,
    /// An operation on something that is no process or request, which some release puts up with.
    Nothing,
}

/// A frame's body taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ControlMessage<'a> {
    pub(crate) op: u8,
    pub(crate) control: Control<'a>,
    /// The bytes behind the control tuple: none, or one term that has not been looked at.
    pub(crate) payload: &'a [u8],
}

/// The reason in place of one that is nested too deep.
pub(crate) const TOO_DEEP: Term<'static> = Term::trusted(b"\x77\x08too_deep");

/// `ALTACT_SIG_SEND`'s flags, of which those not named are for later releases.
mod altact {
    pub(super) const TOKEN: u64 = 2;
    pub(super) const ALIAS: u64 = 4;
    pub(super) const NAME: u64 = 8;
    pub(super) const EXIT: u64 = 16;
}

impl<'a> ControlMessage<'a> {
    /// Takes a body apart; of a frame that is not all here the front will do, as far as the control tuple goes.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Misbehaved> {
        let mut fields = Fields { r: Reader::new(body), body, op: 0 };
        // OTP does not look at this byte, where neither side has the cache or fragments; a header of theirs has a version in its place
        let kind = fields.r.u8().unwrap_or(tag::VERSION);
        if kind == tag::VERSION {
            return Err(Misbehaved::FrameType(kind));
        }
        let arity = fields.open()?;
        let control = fields.control(arity)?;
        Ok(Self { op: fields.op, control, payload: fields.r.rest() })
    }
}

/// Returns the operation of the frame with this body.
pub(crate) fn operation(body: &[u8]) -> Option<u8> {
    let mut fields = Fields { r: Reader::new(body.get(1..)?), body, op: 0 };
    fields.open().ok()?;
    Some(fields.op)
}

/// The elements of a control tuple, one after the other.
struct Fields<'a> {
    r: Reader<'a>,
    body: &'a [u8],
    op: u8,
}

impl<'a> Fields<'a> {
    fn fault(&self, fault: TermFault) -> Misbehaved {
        let at = self.body.len().saturating_sub(self.r.rest().len());
        Misbehaved::Term(crate::error::TermError { at: u32::try_from(at).unwrap_or(u32::MAX), fault })
    }

    fn ok<T>(&self, result: Result<T, TermFault>) -> Result<T, Misbehaved> {
        result.map_err(|fault| self.fault(fault))
    }

    /// Reads the version byte, the tuple's arity and the operation.
    fn open(&mut self) -> Result<u8, Misbehaved> {
        match self.r.five() {
            Some(([tag::VERSION, tag::SMALL_TUPLE, arity, tag::SMALL_INTEGER, op], behind)) if arity > 0 => {
                (self.op, self.r) = (op, behind);
                Ok(arity)
            }
            head => self.open_otherwise(head),
        }
    }

    /// Reads them in the forms that a tuple and an integer can have besides, which no Erlang gives them and every one takes.
    #[cold]
    fn open_otherwise(&mut self, head: Option<([u8; 5], Reader<'a>)>) -> Result<u8, Misbehaved> {
        match head {
            Some(([tag::VERSION, ..], _)) => {}
            Some(([other, ..], behind)) => {
                self.r = behind;
                return Err(self.fault(TermFault::Version(other)));
            }
            None => {
                self.r = Reader::new(&[]);
                return Err(self.fault(TermFault::Truncated));
            }
        }
        let head = (|r: &mut Reader<'a>| {
            r.u8()?;
            Ok::<_, Short>(match r.u8()? {
                tag::SMALL_TUPLE => r.u8()?.into(),
                tag::LARGE_TUPLE => r.u32()?,
                _ => 0,
            })
        })(&mut self.r);
        let arity = head.map_err(|Short| self.fault(TermFault::Truncated))?;
        let arity = u8::try_from(arity).ok().filter(|arity| *arity > 0).ok_or(Misbehaved::Control(0))?;
        let op = self.term()?.as_u64().and_then(|op| u8::try_from(op).ok());
        self.op = op.ok_or(Misbehaved::Control(0))?;
        Ok(arity)
    }

    fn term(&mut self) -> Result<Term<'a>, Misbehaved> {
        let term = Term::check(&mut self.r);
        self.ok(term)
    }

    /// Reads a term whatever it is; one that is nested too deep, and so is none of those that are looked for, comes as an atom.
    fn any(&mut self) -> Result<Term<'a>, Misbehaved> {
        self.reason().map(|term| term.unwrap_or(TOO_DEEP))
    }

    /// Reads a reason. One that is nested too deep comes as that.
    fn reason(&mut self) -> Result<Option<Term<'a>>, Misbehaved> {
        match Term::check(&mut self.r) {
            Err(TermFault::TooDeep) => Ok(Some(TOO_DEEP)),
            reason => self.ok(reason).map(Some),
        }
    }

    fn pid(&mut self) -> Result<Pid<'a>, Misbehaved> {
        let pid = Pid::read::<true>(&mut self.r);
        self.ok(pid)
    }

    fn atom(&mut self) -> Result<Atom<'a>, Misbehaved> {
        let atom = Atom::read::<true>(&mut self.r);
        self.ok(atom)
    }

    fn reference(&mut self) -> Result<Reference<'a>, Misbehaved> {
        let reference = Reference::read::<true>(&mut self.r);
        self.ok(reference)
    }

    fn u64(&mut self) -> Result<u64, Misbehaved> {
        self.term()?.as_u64().ok_or(Misbehaved::Control(self.op))
    }

    fn process(&mut self) -> Result<Process<'a>, Misbehaved> {
        if Atom::is_next(&self.r) { self.atom().map(Process::Name) } else { self.pid().map(Process::Pid) }
    }

    /// Reads a pid, and keeps it as it came, since most receivers never look at the sender. OTP does not look at all: what is no pid is as
    /// good as none.
    #[inline]
    fn sender(&mut self) -> Result<Option<Term<'a>>, Misbehaved> {
        let start = self.r;
        if Pid::read::<true>(&mut self.r).is_ok() {
            return Ok(Some(Term::trusted(start.up_to(&self.r))));
        }
        self.r = start;
        self.unused().map(|()| None)
    }

    /// Moves over an element that nobody looks at: the place of the cookie of old, and trace tokens.
    #[inline]
    fn unused(&mut self) -> Result<(), Misbehaved> {
        if let Some((tag::SMALL_ATOM_UTF8, 0, behind)) = self.r.two() {
            self.r = behind;
            return Ok(());
        }
        let walked = walk::<true>(&mut self.r);
        self.ok(walked).map(|_| ())
    }

    /// Skips the rest of a tuple of which `read` elements, the operation included, were taken. Trace tokens go here.
    fn skip(&mut self, arity: u8, read: u8) -> Result<(), Misbehaved> {
        (read..arity).try_for_each(|_| self.unused())
    }

    /// Returns the arity of the operation's tuple; for a number that is no operation, `None`.
    fn expected(&self) -> Option<u8> {
        op::length(self.op).map(|length| length.saturating_add(op::is_traced(self.op).into()))
    }

    fn control(&mut self, arity: u8) -> Result<Control<'a>, Misbehaved> {
        let (length, control) = match (self.op, arity) {
            (op::SEND_SENDER | op::SEND_SENDER_TT, 3..) => {
                (const { op::length(op::SEND_SENDER) }, Control::Send { from: self.sender()?, to: To::Pid(self.pid()?) })
            }
            (op::REG_SEND | op::REG_SEND_TT, 4..) => {
                let start = self.r;
                self.pid()?;
                let from = Some(Term::trusted(start.up_to(&self.r)));
                self.unused()?;
                (const { op::length(op::REG_SEND) }, Control::Send { from, to: To::Name(self.atom()?) })
            }
            (op::ALIAS_SEND | op::ALIAS_SEND_TT, 3..) => {
                (const { op::length(op::ALIAS_SEND) }, Control::Send { from: self.sender()?, to: To::Alias(self.reference()?) })
            }
            (op::SEND | op::SEND_TT, 3..) => {
                self.unused()?;
                (const { op::length(op::SEND) }, Control::Send { from: None, to: To::Pid(self.pid()?) })
            }
            (op::MONITOR_P, 4) => {
                let control = Control::Monitor { from: self.pid()?, to: self.process()?, reference: self.reference()? };
                (const { op::length(op::MONITOR_P) }, control)
            }
            (op::DEMONITOR_P, 4) => {
                let control = Control::Demonitor { from: self.pid()?, to: self.process()?, reference: self.reference()? };
                (const { op::length(op::DEMONITOR_P) }, control)
            }
            (op::ALTACT_SIG_SEND, 4..) => return self.altact(arity),
            _ => return self.rare(arity),
        };
        self.end(arity, length)?;
        Ok(control)
    }

    /// Checks the arity, once all elements but the trace token were read; then skips that. `length` is that of the operation.
    fn end(&mut self, arity: u8, length: Option<u8>) -> Result<(), Misbehaved> {
        let traced = op::is_traced(self.op);
        if length.is_none_or(|length| arity != length.saturating_add(traced.into())) {
            return Err(Misbehaved::Control(self.op));
        }
        if traced { self.unused() } else { Ok(()) }
    }

    /// Operations that no stream of messages has many of, those that are not known, and tuples that are too short.
    fn rare(&mut self, arity: u8) -> Result<Control<'a>, Misbehaved> {
        let Some(length) = op::length(self.op) else {
            if op::is_retired(self.op) {
                return Err(Misbehaved::Control(self.op));
            }
            return self.skip(arity, 1).map(|()| Control::Unknown);
        };
        match self.op {
            op::SPAWN_REQUEST | op::SPAWN_REQUEST_TT if arity >= length => self.spawn_request(arity),
            op::SPAWN_REPLY | op::SPAWN_REPLY_TT if arity >= length => self.spawn_reply(arity),
            _ if self.expected() != Some(arity) => Err(Misbehaved::Control(self.op)),
            op::LINK => self.link(),
            op::UNLINK => Ok(Control::Unlink { id: 0, from: self.pid()?, to: self.pid()? }),
            op::UNLINK_ID => Ok(Control::Unlink { id: self.link_id()?, from: self.pid()?, to: self.pid()? }),
            op::UNLINK_ID_ACK => Ok(Control::UnlinkAck { id: self.link_id()?, from: self.pid()?, to: self.pid()? }),
            op::EXIT | op::EXIT_TT | op::PAYLOAD_EXIT | op::PAYLOAD_EXIT_TT => {
                let (from, to, reason) = self.exit()?;
                Ok(Control::Exit { from, to, reason })
            }
            op::EXIT2 | op::EXIT2_TT | op::PAYLOAD_EXIT2 | op::PAYLOAD_EXIT2_TT => {
                let (from, to, reason) = self.exit()?;
                Ok(Control::Exit2 { from, to: To::Pid(to), reason })
            }
            op::MONITOR_P_EXIT => Ok(Control::MonitorExit {
                from: self.process()?,
                to: self.pid()?,
                reference: self.reference()?,
                reason: self.reason()?,
            }),
            op::PAYLOAD_MONITOR_P_EXIT => {
                Ok(Control::MonitorExit { from: self.process()?, to: self.pid()?, reference: self.reference()?, reason: None })
            }
            op::GROUP_LEADER => Ok(Control::GroupLeader { leader: self.pid()?, to: self.pid()? }),
            // one that stands in the table and is read nowhere: the test `every_known_operation_is_read` finds it
            _ => Err(Misbehaved::Control(self.op)),
        }
    }

    fn link(&mut self) -> Result<Control<'a>, Misbehaved> {
        let (from, to) = (self.pid()?, self.r);
        if let Ok(to) = self.pid() {
            return Ok(Control::Link { from, to });
        }
        self.r = to;
        self.unused().map(|()| Control::Nothing)
    }

    fn link_id(&mut self) -> Result<u64, Misbehaved> {
        self.u64().and_then(|id| if id == 0 { Err(Misbehaved::Control(self.op)) } else { Ok(id) })
    }

    /// Reads the sender, the receiver, a token for the traced operations, and a reason for those without a payload.
    fn exit(&mut self) -> Result<(Pid<'a>, Pid<'a>, Option<Term<'a>>), Misbehaved> {
        let in_tuple = matches!(self.op, op::EXIT | op::EXIT_TT | op::EXIT2 | op::EXIT2_TT);
        let (from, to) = (self.pid()?, self.pid()?);
        if op::is_traced(self.op) {
            self.unused()?;
        }
        Ok((from, to, if in_tuple { self.reason()? } else { None }))
    }

    fn spawn_request(&mut self, arity: u8) -> Result<Control<'a>, Misbehaved> {
        let (id, from, leader) = (self.reference()?, self.pid()?, self.pid()?);
        let mfa = self.term()?;
        let Some([module, function, args]) = mfa.tuple() else { return Err(Misbehaved::Control(self.op)) };
        let (Some(module), Some(function), Some(args)) = (module.as_atom(), function.as_atom(), args.as_i64()) else {
            return Err(Misbehaved::Control(self.op));
        };
        // such options are none that are known
        let options = self.any()?;
        self.end(arity, op::length(self.op))?;
        Ok(Control::SpawnRequest { id, from, leader, mfa, module, function, arity: args, options })
    }

    fn spawn_reply(&mut self, arity: u8) -> Result<Control<'a>, Misbehaved> {
        let id = self.any()?.as_reference();
        let to = self.pid()?;
        // what they say is known here
        let flags = self.any()?.as_u64().unwrap_or(0);
        let result = self.any()?;
        self.end(arity, op::length(self.op))?;
        Ok(id.map_or(Control::Nothing, |id| Control::SpawnReply { id, to, flags, result }))
    }

    /// Reads the one operation that says all sends and exits with flags. Its tuple may grow.
    fn altact(&mut self, arity: u8) -> Result<Control<'a>, Misbehaved> {
        let flags = self.flags()?;
        let from = self.sender()?;
        let to = match flags & (altact::ALIAS | altact::NAME) {
            altact::ALIAS => To::Alias(self.reference()?),
            altact::NAME => To::Name(self.atom()?),
            0 => To::Pid(self.pid()?),
            _ => return Err(Misbehaved::Control(self.op)),
        };
        if flags & altact::TOKEN != 0 && arity < 5 {
            return Err(Misbehaved::Control(self.op));
        }
        self.skip(arity, 4)?;
        if flags & altact::EXIT == 0 {
            return Ok(Control::Send { from, to });
        }
        let from = from.and_then(Term::as_pid).ok_or(Misbehaved::Control(self.op))?;
        Ok(Control::Exit2 { from, to, reason: None })
    }

    /// Flags, of which a later release may have more than 64.
    fn flags(&mut self) -> Result<u64, Misbehaved> {
        use super::term::Value;
        if let Some((tag::SMALL_INTEGER, flags, behind)) = self.r.two() {
            self.r = behind;
            return Ok(flags.into());
        }
        match self.term()?.value() {
            Value::Integer(flags) => u64::try_from(flags).map_err(|_| Misbehaved::Control(self.op)),
            // those that are known stand in the first byte
            Value::Big(big) if !big.negative => Ok(big.magnitude.first().map_or(0, |low| (*low).into())),
            _ => Err(Misbehaved::Control(self.op)),
        }
    }
}

/// Writes a control tuple's head.
#[inline]
fn open(out: &mut Writer<'_>, arity: u8, op: u8) {
    out.array([PASS_THROUGH, tag::VERSION, tag::SMALL_TUPLE, arity, tag::SMALL_INTEGER, op]);
}

#[inline]
fn put_u64(out: &mut Writer<'_>, value: u64) {
    if let Ok(small) = u8::try_from(value) {
        out.bytes(&[tag::SMALL_INTEGER, small]);
    } else if let Ok(int) = i32::try_from(value) {
        out.u8(tag::INTEGER);
        out.array(int.to_be_bytes());
    } else {
        let bytes = value.to_le_bytes();
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last.saturating_add(1));
        out.bytes(&[tag::SMALL_BIG, u8::try_from(used).unwrap_or(8), 0]);
        out.bytes(bytes.get(..used).unwrap_or(&bytes));
    }
}

fn put_process(out: &mut Writer<'_>, process: Process<'_>) -> Result<(), Misuse> {
    match process {
        Process::Pid(pid) => put_pid(out, pid),
        Process::Name(name) => put_atom_of(out, name),
    }
}

impl Control<'_> {
    /// Returns the operation by which this is said to a peer with these flags: the newest that it understands. `None`: there is none.
    pub(crate) fn operation(&self, flags: Flags) -> Option<u8> {
        let choice: &[u8] = match *self {
            Self::Send { from: None, to: To::Pid(_) } => &[op::SEND],
            Self::Send { to, .. } => return to.operation(flags),
            Self::Link { .. } => &[op::LINK],
            Self::Unlink { id: 0, .. } => &[op::UNLINK],
            Self::Unlink { .. } => &[op::UNLINK_ID, op::UNLINK],
            Self::UnlinkAck { .. } => &[op::UNLINK_ID_ACK],
            Self::Exit { reason: Some(_), .. } => &[op::EXIT],
            Self::Exit { .. } => &[op::PAYLOAD_EXIT, op::EXIT],
            Self::Exit2 { to: To::Pid(_), reason: Some(_), .. } => &[op::EXIT2],
            Self::Exit2 { to: To::Pid(_), .. } => &[op::PAYLOAD_EXIT2, op::EXIT2],
            Self::Exit2 { .. } => &[op::ALTACT_SIG_SEND],
            Self::Monitor { .. } => &[op::MONITOR_P],
            Self::Demonitor { .. } => &[op::DEMONITOR_P],
            Self::MonitorExit { reason: Some(_), .. } => &[op::MONITOR_P_EXIT],
            Self::MonitorExit { .. } => &[op::PAYLOAD_MONITOR_P_EXIT, op::MONITOR_P_EXIT],
            Self::SpawnRequest { .. } => &[op::SPAWN_REQUEST],
            Self::SpawnReply { .. } => &[op::SPAWN_REPLY],
            Self::GroupLeader { .. } => &[op::GROUP_LEADER],
            // what we do not know we do not send
            Self::Unknown | Self::Nothing => &[],
        };
        choice.iter().copied().find(|op| flags.allow(*op))
    }

    /// Writes the body of a frame, by the operation that [`Control::operation`] chose, up to what the caller adds: the payload where there is
    /// one, and a reason that is not here. That one stands in the tuple, as its last element, unless it is the payload.
    pub(crate) fn put(&self, op: u8, out: &mut Writer<'_>) -> Result<(), Misuse> {
        match *self {
            Self::Send { from, to } => put_send(out, op, from.and_then(Term::as_pid), to),
            Self::Link { from, to } => put_pids(out, op, None, from, to),
            Self::Unlink { id, from, to } => put_pids(out, op, (op == op::UNLINK_ID).then_some(id), from, to),
            Self::UnlinkAck { id, from, to } => put_pids(out, op, Some(id), from, to),
            Self::Exit { from, to, reason } | Self::Exit2 { from, to: To::Pid(to), reason } => {
                put_pids(out, op, None, from, to)?;
                put_reason(out, reason)
            }
            Self::Exit2 { from, to, .. } => {
                // only ALTACT_SIG_SEND can say an exit to these, with the reason as payload
                let kind = if matches!(to, To::Alias(_)) { altact::ALIAS } else { altact::NAME };
                open(out, 4, op);
                put_u64(out, altact::EXIT | kind);
                put_pid(out, from)?;
                put_to(out, to)
            }
            Self::Monitor { from, to, reference } | Self::Demonitor { from, to, reference } => {
                open(out, 4, op);
                put_pid(out, from)?;
                put_process(out, to)?;
                put_reference(out, reference)
            }
            Self::MonitorExit { from, to, reference, reason } => {
                open(out, op::length(op).unwrap_or(0), op);
                put_process(out, from)?;
                put_pid(out, to)?;
                put_reference(out, reference)?;
                put_reason(out, reason)
            }
            Self::SpawnReply { id, to, flags, result } => {
                open(out, 5, op);
                put_reference(out, id)?;
                put_pid(out, to)?;
                put_u64(out, flags);
                out.bytes(result.as_bytes());
                Ok(())
            }
            Self::SpawnRequest { id, from, leader, mfa, options, .. } => {
                open(out, 6, op);
                put_reference(out, id)?;
                put_pid(out, from)?;
                put_pid(out, leader)?;
                out.bytes(mfa.as_bytes());
                out.bytes(options.as_bytes());
                Ok(())
            }
            Self::GroupLeader { leader, to } => put_pids(out, op, None, leader, to),
            Self::Unknown | Self::Nothing => Ok(()),
        }
    }
}

impl To<'_> {
    /// Returns the operation by which a message for it is said to a peer with these flags; `None` for an alias, where the peer knows none.
    #[inline]
    pub(crate) fn operation(self, flags: Flags) -> Option<u8> {
        let op = match self {
            Self::Pid(_) if flags.allow(op::SEND_SENDER) => op::SEND_SENDER,
            Self::Pid(_) => op::SEND,
            Self::Name(_) => op::REG_SEND,
            Self::Alias(_) if !flags.allow(op::ALIAS_SEND) => return None,
            // both sides have it, which is how an alias is then addressed
            Self::Alias(_) if flags.allow(op::ALTACT_SIG_SEND) => op::ALTACT_SIG_SEND,
            Self::Alias(_) => op::ALIAS_SEND,
        };
        Some(op)
    }
}

/// Writes a control tuple's head, and the sender if it is told.
#[inline]
fn open_from(out: &mut Writer<'_>, arity: u8, op: u8, from: Option<Pid<'_>>) -> Result<(), Misuse> {
    open(out, arity, op);
    from.map_or(Ok(()), |pid| put_pid(out, pid))
}

/// Writes the control part of a message, by the operation that [`To::operation`] chose.
#[inline]
pub(crate) fn put_send(out: &mut Writer<'_>, op: u8, from: Option<Pid<'_>>, to: To<'_>) -> Result<(), Misuse> {
    match to {
        To::Pid(to) if op == op::SEND => {
            open(out, 3, op::SEND);
            put_atom(out, "")?;
            put_pid(out, to)
        }
        To::Pid(to) => {
            open_from(out, 3, op::SEND_SENDER, from)?;
            put_pid(out, to)
        }
        To::Name(name) => {
            open_from(out, 4, op::REG_SEND, from)?;
            put_atom(out, "")?;
            put_atom_of(out, name)
        }
        To::Alias(alias) if op == op::ALTACT_SIG_SEND => {
            open(out, 4, op::ALTACT_SIG_SEND);
            put_u64(out, altact::ALIAS);
            from.map_or(Ok(()), |pid| put_pid(out, pid))?;
            put_reference(out, alias)
        }
        To::Alias(alias) => {
            open_from(out, 3, op::ALIAS_SEND, from)?;
            put_reference(out, alias)
        }
    }
}

fn put_to(out: &mut Writer<'_>, to: To<'_>) -> Result<(), Misuse> {
    match to {
        To::Pid(pid) => put_pid(out, pid),
        To::Name(name) => put_atom_of(out, name),
        To::Alias(alias) => put_reference(out, alias),
    }
}

/// Writes the tuple of an operation on two processes, which has a reason to follow where its length says so.
fn put_pids(out: &mut Writer<'_>, op: u8, id: Option<u64>, from: Pid<'_>, to: Pid<'_>) -> Result<(), Misuse> {
    open(out, op::length(op).unwrap_or(0), op);
    if let Some(id) = id {
        put_u64(out, id);
    }
    put_pid(out, from)?;
    put_pid(out, to)
}

fn put_reason(out: &mut Writer<'_>, reason: Option<Term<'_>>) -> Result<(), Misuse> {
    out.bytes(reason.map_or(&[], Term::as_bytes));
    Ok(())
}

/// Rewrites the body of a frame that says `UNLINK_ID` as `UNLINK`, which has no id, and returns its new length. `None`: it says something else.
pub(crate) fn without_unlink_id(body: &mut [u8]) -> Option<usize> {
    const HEAD: usize = 6;
    if operation(body)? != op::UNLINK_ID {
        return None;
    }
    let mut r = Reader::new(body.get(HEAD..)?);
    Term::check(&mut r).ok()?;
    let pids = body.len().checked_sub(r.rest().len())?;
    slide(body, pids..body.len(), HEAD);
    body.get_mut(..HEAD)?.copy_from_slice(&[PASS_THROUGH, tag::VERSION, tag::SMALL_TUPLE, 3, tag::SMALL_INTEGER, op::UNLINK]);
    body.len().checked_sub(pids)?.checked_add(HEAD)
}

/// Gives the group leader in the body of a `SPAWN_REQUEST` this creation, if it has none. `None`: the body is not one.
pub(crate) fn lead_from(body: &mut [u8], creation: u32) -> Option<()> {
    const HEAD: usize = 6;
    let mut r = Reader::new(body.get(HEAD..)?);
    for _id_from_leader in 0..3 {
        Term::check(&mut r).ok()?;
    }
    let end = body.len().checked_sub(r.rest().len())?;
    // a pid ends with its creation
    let place = body.get_mut(..end)?.last_chunk_mut::<4>()?;
    if *place == [0; 4] {
        *place = creation.to_be_bytes();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::wire::captured::{captured, damaged};
    use crate::wire::codes::OpName;

    /// Written again, a control message has the bytes it came in: all but those of operations we never send.
    #[test]
    fn captured_messages_come_out_as_they_came_in() {
        let mut seen = std::collections::BTreeSet::new();
        for found in captured("control/*").iter().filter(|found| !found.bytes.is_empty()) {
            let (otp, name, bytes) = (found.otp, found.name, &found.bytes);
            let message = ControlMessage::parse(bytes).unwrap_or_else(|e| panic!("{otp} {name}: {e}"));
            seen.insert(message.op);
            if !message.payload.is_empty() {
                Term::parse(message.payload).unwrap_or_else(|e| panic!("{otp} {name}: {e}"));
            }
            let mut buf = vec![0; bytes.len() + 64];
            let mut out = Writer::new(&mut buf);
            let op = message.control.operation(Flags(u64::MAX).without(Flags::ALTACT_SIG)).unwrap_or(message.op);
            // what this node only understands is not what it chooses to say
            let op = if op::is_traced(message.op) || matches!(message.control, Control::Send { .. }) { op } else { message.op };
            message.control.put(op, &mut out).unwrap();
            let len = out.finish().unwrap();
            let head = &bytes[..bytes.len() - message.payload.len()];
            let altact = message.op == op::ALTACT_SIG_SEND;
            if op::is_traced(message.op) || (altact && !matches!(message.control, Control::Send { to: To::Alias(_), .. })) {
                continue;
            }
            // an alias may be addressed by either operation
            let either = altact || (message.op == op::ALIAS_SEND);
            assert!(buf[..len] == *head || (either && buf[..6] != head[..6]), "{otp} {name}");
        }
        // the test below says why these never are
        let never = [op::EXIT2_TT, op::PAYLOAD_EXIT2_TT];
        assert!(op::ALL.iter().all(|op| never.contains(op) || seen.contains(op)), "{seen:?}");
    }

    /// Nothing that the newest release sends is known only from an older one, or not at all.
    #[test]
    fn the_newest_release_was_heard_sending_every_operation() {
        let newest: Vec<_> =
            captured("control/*").into_iter().filter(|found| found.otp == 29 && !found.bytes.is_empty()).collect();
        let heard = |op| newest.iter().any(|found| ControlMessage::parse(&found.bytes).unwrap().op == op);
        let last = op::ALL.iter().copied().max().unwrap();
        for op in 1..=last {
            let never = match op {
                op::UNLINK => "UNLINK_ID took its place; OTP 26 and later refuse it",
                // erts_dsig_send_exit2 of dist.c is given no token; see control/payload_exit2_traced
                op::EXIT2_TT | op::PAYLOAD_EXIT2_TT => "exit/2 takes no trace token along",
                // NODE_LINK and others, all gone before there was this handshake
                op if op::is_retired(op) => "not in use",
                _ => {
                    assert!(heard(op), "{} is not in tests/captured/otp29.txt", OpName(op));
                    continue;
                }
            };
            assert!(!heard(op), "{}: {never}, and yet it is in tests/captured/otp29.txt", OpName(op));
        }
        let traced = captured("control/payload_exit2_traced");
        assert!(traced.iter().all(|found| ControlMessage::parse(&found.bytes).unwrap().op == op::PAYLOAD_EXIT2));
    }

    /// Every number up to the last is known or retired, and one whose tuple has the wrong length is refused rather than skipped.
    #[test]
    fn every_known_operation_is_read() {
        for op in 1..=op::ALL.iter().copied().max().unwrap() {
            assert!(op::length(op).is_some() != op::is_retired(op), "{op}");
        }
        for op in op::ALL.iter().copied() {
            let arity = op::length(op).unwrap() + u8::from(op::is_traced(op));
            let parse = |arity| ControlMessage::parse(&[112, 131, 104, arity, 97, op]).map(|_| ());
            let cut = Err(Misbehaved::Term(crate::error::TermError { at: 6, fault: TermFault::Truncated }));
            assert_eq!(parse(arity), cut, "{}", OpName(op));
            assert_eq!(parse(1), Err(Misbehaved::Control(op)), "{}", OpName(op));
            let elements = [106].repeat(254);
            let long = [&[112, 131, 104, 255, 97, op][..], &elements].concat();
            assert!(ControlMessage::parse(&long).is_err(), "{}", OpName(op));
        }
    }

    #[test]
    fn an_alias_is_addressed_as_otp_28_does() {
        for found in captured("control/altact_alias_send") {
            let message = ControlMessage::parse(&found.bytes).unwrap();
            let Control::Send { from, to } = message.control else { panic!("{}", found.name) };
            let mut buf = [0; 512];
            let mut out = Writer::new(&mut buf);
            put_send(&mut out, op::ALTACT_SIG_SEND, from.and_then(Term::as_pid), to).unwrap();
            let len = out.finish().unwrap();
            assert_eq!(buf[..len], found.bytes[..found.bytes.len() - message.payload.len()]);
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        for (bytes, expected) in [
            (&[131, 68, 0][..], Misbehaved::FrameType(131)),
            (
                &[112, 131, 104, 3, 97, 1, 106, 106],
                Misbehaved::Term(crate::error::TermError { at: 7, fault: TermFault::Tag(106) }),
            ),
            (&[112, 131, 104, 4, 97, 4, 106, 106], Misbehaved::Control(4)),
            (&[112, 131, 104, 1, 97, 1], Misbehaved::Control(1)),
            (&[112, 131, 106, 0, 0, 0], Misbehaved::Control(0)),
        ] {
            assert_eq!(ControlMessage::parse(bytes).unwrap_err(), expected);
        }
        // an operation of a later release is skipped
        let later = ControlMessage::parse(&[112, 131, 104, 2, 97, 99, 97, 1]).unwrap();
        assert!(later.op == 99 && matches!(later.control, Control::Unknown) && later.payload.is_empty());
    }

    #[test]
    fn damage_is_refused_or_read() {
        damaged("control/*", |bytes| {
            if let Ok(message) = ControlMessage::parse(bytes) {
                let _ = Term::parse(message.payload);
                let mut buf = [0; 4096];
                if let Some(op) = message.control.operation(Flags(u64::MAX)) {
                    let _ = message.control.put(op, &mut Writer::new(&mut buf));
                }
            }
        });
        damaged("header/*", |bytes| {
            let _ = ControlMessage::parse(bytes);
        });
    }

    fn pid(id: u32) -> Pid<'static> {
        Pid { node: Atom::from_str("a@h"), id, serial: 0, creation: 0x0102_0304 }
    }

    fn written(put: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut buf = [0; 512];
        let mut out = Writer::new(&mut buf);
        put(&mut out);
        let len = out.finish().unwrap();
        buf[..len].to_vec()
    }

    /// A sender goes along where the peer reads it, and an alias is addressed as the peer can read it, or not at all.
    #[test]
    fn a_message_is_said_as_the_peer_understands_it() {
        let all = Flags(u64::MAX);
        let alias = Reference::from_words(Atom::from_str("a@h"), 9, &[0, 0, 0, 1]);
        let (to_pid, to_name, to_alias) = (To::Pid(pid(1)), To::Name(Atom::from_str("x")), To::Alias(alias));
        for (flags, expected) in [
            (all, [Some(op::SEND_SENDER), Some(op::REG_SEND), Some(op::ALTACT_SIG_SEND)]),
            (all.without(Flags::ALTACT_SIG), [Some(op::SEND_SENDER), Some(op::REG_SEND), Some(op::ALIAS_SEND)]),
            (Flags(0), [Some(op::SEND), Some(op::REG_SEND), None]),
        ] {
            assert_eq!([to_pid, to_name, to_alias].map(|to| to.operation(flags)), expected, "{flags:?}");
        }
    }

    /// `ALTACT_SIG_SEND` of an exit names whom it is for by what its flags say, and comes back as it went.
    #[test]
    fn an_exit_of_a_name_or_an_alias_says_which_it_is() {
        let words = [0, 0, 0, 1];
        let alias = Reference::from_words(Atom::from_str("a@h"), 9, &words);
        for (to, flags) in [(To::Alias(alias), 16 | 4), (To::Name(Atom::from_str("x")), 16 | 8)] {
            let exit = Control::Exit2 { from: pid(1), to, reason: None };
            let body = written(|out| exit.put(op::ALTACT_SIG_SEND, out).unwrap());
            assert_eq!(body[..8], [112, 131, 104, 4, 97, op::ALTACT_SIG_SEND, 97, flags]);
            let Control::Exit2 { to: again, .. } = ControlMessage::parse(&body).unwrap().control else { panic!("{body:?}") };
            match (to, again) {
                (To::Alias(a), To::Alias(b)) => assert_eq!(a, b),
                (To::Name(a), To::Name(b)) => assert_eq!(a, b),
                _ => panic!("{body:?}"),
            }
        }
        // whom could both be for
        let mut both = written(|out| {
            Control::Exit2 { from: pid(1), to: To::Alias(alias), reason: None }.put(op::ALTACT_SIG_SEND, out).unwrap()
        });
        both[7] = 16 | 8 | 4;
        assert_eq!(ControlMessage::parse(&both).unwrap_err(), Misbehaved::Control(op::ALTACT_SIG_SEND));
        // a trace token takes a fifth element, and more than that may come
        both[7] = 16 | 4 | 2;
        assert_eq!(ControlMessage::parse(&both).unwrap_err(), Misbehaved::Control(op::ALTACT_SIG_SEND));
        for elements in [5, 6] {
            let mut more = both.clone();
            more[3] = elements;
            more.extend([106].repeat(usize::from(elements - 4)));
            assert!(matches!(ControlMessage::parse(&more).unwrap().control, Control::Exit2 { to: To::Alias(_), .. }));
        }
    }

    /// Flags of more than a byte, which Erlang writes as long as they are.
    #[test]
    fn flags_are_read_in_every_length() {
        let words = [0, 0, 0, 1];
        let alias = Reference::from_words(Atom::from_str("a@h"), 9, &words);
        let body = written(|out| {
            Control::Exit2 { from: pid(1), to: To::Alias(alias), reason: None }.put(op::ALTACT_SIG_SEND, out).unwrap()
        });
        let with = |flags: &[u8]| {
            ControlMessage::parse(&[&body[..6], flags, &body[8..]].concat())
                .map(|message| matches!(message.control, Control::Exit2 { .. }))
        };
        // 16 + 4, and bits 8, 32 and 64, which are for later releases
        for flags in [&[98, 0, 0, 1, 20][..], &[110, 5, 0, 20, 0, 0, 0, 1], &[110, 9, 0, 20, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(with(flags), Ok(true), "{flags:?}");
        }
        // bit 4 in the second of its bytes is another
        assert_eq!(with(&[110, 9, 0, 4, 16, 0, 0, 0, 0, 0, 0, 1]), Ok(false));
        for flags in [&[98, 255, 255, 255, 255][..], &[110, 9, 1, 20, 0, 0, 0, 0, 0, 0, 0, 1], &[106]] {
            assert_eq!(with(flags), Err(Misbehaved::Control(op::ALTACT_SIG_SEND)), "{flags:?}");
        }
    }

    /// The forms that a tuple and an integer have besides are those that Erlang takes, too.
    #[test]
    fn heads_in_rare_forms_are_read() {
        let usual = written(|out| Control::Link { from: pid(1), to: pid(2) }.put(op::LINK, out).unwrap());
        assert_eq!(usual[..6], [112, 131, 104, 3, 97, op::LINK]);
        for head in [
            &[112, 131, 105, 0, 0, 0, 3, 97, op::LINK][..],
            &[112, 131, 104, 3, 98, 0, 0, 0, op::LINK],
            &[112, 131, 105, 0, 0, 0, 3, 110, 1, 0, op::LINK],
        ] {
            let rare = [head, &usual[6..]].concat();
            let message = ControlMessage::parse(&rare).unwrap();
            let Control::Link { from, to } = message.control else { panic!("{rare:?}") };
            assert_eq!((message.op, from, to), (op::LINK, pid(1), pid(2)));
            assert_eq!(operation(&rare), Some(op::LINK));
        }
        for none in [&[112, 131, 104, 0, 97, 1][..], &[112, 131, 105, 0, 0, 0, 0, 97, 1]] {
            assert_eq!(ControlMessage::parse(none).unwrap_err(), Misbehaved::Control(0));
        }
    }

    #[test]
    fn an_unlink_loses_its_id_for_a_peer_that_knows_none() {
        let mut body = written(|out| Control::Unlink { id: 1 << 40, from: pid(1), to: pid(2) }.put(op::UNLINK_ID, out).unwrap());
        let plain = written(|out| Control::Unlink { id: 7, from: pid(1), to: pid(2) }.put(op::UNLINK, out).unwrap());
        let len = without_unlink_id(&mut body).unwrap();
        assert_eq!(body[..len], plain);
        // what says something else stays
        let mut other = plain.clone();
        assert_eq!((without_unlink_id(&mut other), other), (None, plain));
    }

    #[test]
    fn a_group_leader_without_a_creation_is_given_one() {
        let words = [0, 0, 0, 1];
        let id = Reference::from_words(Atom::from_str("a@h"), 9, &words);
        let spawn = |creation| {
            written(|out| {
                open(out, 6, op::SPAWN_REQUEST);
                put_reference(out, id).unwrap();
                put_pid(out, pid(1)).unwrap();
                put_pid(out, Pid { creation, ..pid(2) }).unwrap();
                out.bytes(&[104, 0, 106]);
            })
        };
        let mut without = spawn(0);
        assert_eq!(lead_from(&mut without, 0x0a0b_0c0d), Some(()));
        assert_eq!(without, spawn(0x0a0b_0c0d));
        let mut with = spawn(5);
        assert_eq!((lead_from(&mut with, 6), with), (Some(()), spawn(5)));
        let short = &mut spawn(0)[..20];
        assert_eq!(lead_from(short, 6), None);
    }
}

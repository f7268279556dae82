//! A program behind its mailbox.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use beamless::{Call, Error, Full, Mailbox, Node, Outbox, Received, Term, may_take};

use super::course::{Course, ProgramStatus};
use super::dropped::Dropped;
use super::envelope::{self, Incoming, Outgoing};
use super::framing::{Framing, Unframed};
use super::input::Input;
use super::letters::{Letter, Letters, Refusal, To};
use super::places::Places;
use super::stdout::Stdout;
use super::waiting::{CALLS, FORGOTTEN, Waiting};
use super::world::{Local, World};
use crate::cli::agent::children::GRACE;
use crate::cli::agent::config::{self, ProgramFormat};
use crate::cli::agent::pace::Pace;
use crate::cli::agent::process::{Chunk, Process};
use crate::cli::agent::publish::Said;
use crate::cli::agent::spare::give_back;
use crate::cli::groups::as_broadcast;
use crate::cli::lines::{limited, node_of};

/// The first wait before a program that ended is started again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The time after which a run was a good one, and the first wait is due again.
const LIVED: Duration = Duration::from_secs(30);

/// The most bytes that are read of a program from being asked to end on: what its pipe holds, and as much again as it may say then.
const LAST: usize = 1 << 18;

/// The time that a program may run without its standard output, since one that ends closes it a little earlier.
const CLOSING: Duration = Duration::from_secs(1);

/// The reads in one turn, and the bytes of each.
const READ: (u8, usize) = (4, 16_384);

/// A program and its mailbox.
pub(super) struct Program {
    pub(super) given: config::ProgramSettings,
    pub(super) mailbox: Mailbox,
    pub(super) places: Places,
    state: Life,
    /// The time at which it was last started.
    since: Instant,
    wait: Duration,
    course: Course,
    /// The pipes are to be looked at.
    is_ready: bool,
    input: Input,
    /// The calls that it has not answered, the oldest first.
    calls: VecDeque<Waiting>,
    last_id: u32,
    /// The most bytes of a line or a frame that it writes.
    limit: usize,
    framing: Framing,
    /// What the program that runs speaks.
    format: ProgramFormat,
    output: Stdout,
    /// Its standard output is read at this pace.
    pace: Pace,
    letters: Letters,
    /// The bytes that it may publish now: without any, what it published is to be taken first, before it is read any further.
    room: usize,
    dropped: Dropped,
}

enum Life {
    /// The program is to be started then.
    Away(Instant),
    Up(Process),
    /// The program was asked to end, and is killed then.
    Ending(Process, Instant),
}

impl Program {
    /// Makes a program that is to be started at once. `limit` is that of a line or a frame that it writes.
    pub(super) fn new(given: config::ProgramSettings, mailbox: Mailbox, limit: usize) -> Self {
        let now = Instant::now();
        Self {
            framing: Framing::new(false, limit),
            format: given.format,
            output: Stdout::Open,
            pace: Pace::new(),
            given,
            mailbox,
            places: Places::default(),
            state: Life::Away(now),
            since: now,
            wait: RETRY.0,
            course: Course::new(now),
            is_ready: false,
            input: Input::default(),
            calls: VecDeque::new(),
            last_id: 0,
            limit,
            letters: Letters::default(),
            room: 0,
            dropped: Dropped::default(),
        }
    }

    fn name(&self) -> &str {
        &self.given.name
    }

    /// Returns true if what it says finds room.
    fn has_room(&self) -> bool {
        self.letters.has_room() && self.room > 0
    }

    /// Sets how many bytes it may publish for now.
    pub(super) fn give_room(&mut self, room: usize) {
        self.room = room;
    }

    /// Returns true if it was asked to end and has, and all that it sent is under way.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state, Life::Ending(..)) && self.letters.count() == 0
    }

    /// Ends what is left of it when the agent ends, and logs what was not sent.
    pub(super) fn stop(mut self) {
        self.dropped.tell(&self.given.name);
        let count = self.letters.count();
        if count > 0 {
            log::warn!(
                "mailbox {}: {count} messages and answers are lost: their nodes did not read them in time",
                self.given.name
            );
        }
    }

    /// Returns how it is.
    pub(super) fn status(&self) -> ProgramStatus<'_> {
        ProgramStatus {
            name: &self.given.name,
            is_running: matches!(self.state, Life::Up(_)),
            since: self.course.since,
            restarts: self.course.restarts,
            recent: &self.course.recent,
            last_exit: self.course.last_exit.as_deref(),
            calls: self.calls.len(),
            unread: self.input.unwritten(),
        }
    }

    /// Takes note that a pipe is ready, or that a process ended.
    pub(super) fn set_ready(&mut self) {
        self.is_ready = true;
    }

    /// Returns when it has something to do by itself.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let (process, at) = match &self.state {
            Life::Away(at) => (None, Some(*at)),
            // there is more at once; but what finds no room waits for that
            Life::Ending(process, at) if !(self.is_ready && self.has_room()) => {
                (process.next_wake(), self.pace.next_wake().into_iter().chain([*at]).min())
            }
            Life::Ending(..) => (None, Some(self.since)),
            Life::Up(_) if self.is_ready && self.has_room() => (None, Some(self.since)),
            Life::Up(process) => (process.next_wake(), [self.output.closes(), self.pace.next_wake()].into_iter().flatten().min()),
        };
        [process, at, self.letters.next_wake(), self.dropped.at].into_iter().flatten().min()
    }

    /// Does what there is to do.
    pub(super) fn turn(&mut self, world: &mut World<'_, '_>) {
        let now = Instant::now();
        self.state = match core::mem::replace(&mut self.state, Life::Away(now)) {
            Life::Away(at) if at <= now => self.start(now, world),
            Life::Up(process) => self.look(process, now, world),
            Life::Ending(process, at) => self.end(process, at, now, world),
            away @ Life::Away(_) => away,
        };
        self.receive(world);
        self.write(world);
        self.post(world);
        if self.dropped.at.is_some_and(|at| at <= now) {
            self.dropped.tell(&self.given.name);
        }
    }

    /// Does what there is to do where it is not to be started: what it says that was asked to end is heard.
    pub(super) fn turn_to_end(&mut self, world: &mut World<'_, '_>) {
        let now = Instant::now();
        self.state = match core::mem::replace(&mut self.state, Life::Away(now)) {
            Life::Ending(process, at) => self.end(process, at, now, world),
            other => other,
        };
        self.receive(world);
        self.post(world);
    }

    fn post(&mut self, world: &mut World<'_, '_>) {
        if let Ok(mut out) = world.node.outbox(self.mailbox) {
            self.letters.turn(&mut out, &self.given.name);
        }
    }

    // --- its life -----------------------------------------------------------------------------------------------------------

    fn start(&mut self, now: Instant, world: &World<'_, '_>) -> Life {
        self.since = now;
        self.begin_anew();
        let started = Process::start(self.name(), &self.given.command, true, world.home, world.registry);
        let program = self.given.command.first().map_or("", String::as_str);
        match started {
            Ok(process) => {
                limited!(
                    info of 40,
                    &self.given.name,
                    "programs that were started",
                    "mailbox {}: started {program}, pid {}",
                    self.name(),
                    process.id().unwrap_or(0)
                );
                let (format, home) = (self.format, world.home);
                self.input.rewrite(|kept| Some(Incoming::read(kept)?.record(format, home)));
                self.is_ready = true;
                self.course.since = now;
                Life::Up(process)
            }
            Err(e) => {
                self.course.ended(format!("cannot be started: {e}"), false, now);
                limited!(
                    warn,
                    &self.given.name,
                    "programs that could not be started",
                    "mailbox {}: {program} cannot be started: {e}; tried again in {:?}",
                    self.name(),
                    self.wait
                );
                self.later(now)
            }
        }
    }

    /// Plans the next start.
    fn later(&mut self, now: Instant) -> Life {
        let at = now.checked_add(self.wait).unwrap_or(now);
        self.wait = self.wait.saturating_mul(2).min(RETRY.1);
        Life::Away(at)
    }

    /// Looks at a running program.
    fn look(&mut self, mut process: Process, now: Instant, world: &mut World<'_, '_>) -> Life {
        let is_due = self.is_ready || [process.next_wake(), self.pace.next_wake()].into_iter().flatten().any(|at| at <= now);
        if is_due && self.hear(&mut process, world) {
            if let Some(status) = process.ended() {
                return self.ended(process, status, now, world);
            }
        }
        match self.output {
            Stdout::Open if !process.gives_output() => self.output = Stdout::Closing(now.checked_add(CLOSING).unwrap_or(now)),
            Stdout::Closing(at) if at <= now => {
                limited!(
                    info,
                    &self.given.name,
                    "programs that closed their standard output",
                    "mailbox {}: its program closed its standard output and runs on: it answers no calls",
                    self.name()
                );
                self.output = Stdout::Closed;
                self.refuse_all(Refusal::Closed, |_| true, world);
            }
            _ => {}
        }
        Life::Up(process)
    }

    /// Does what the program said. Returns true once it has ended, and all of that is done.
    fn hear(&mut self, process: &mut Process, world: &mut World<'_, '_>) -> bool {
        let has_ended = process.has_ended();
        if has_ended {
            // what it started
            process.kill();
            self.pace.end();
        }
        let more = process.log_stderr();
        self.is_ready = self.read(process, world) || more;
        has_ended && !self.is_ready
    }

    fn ended(&mut self, process: Process, status: ExitStatus, now: Instant, world: &mut World<'_, '_>) -> Life {
        self.say_last(world);
        // what it wrote last on standard error is logged
        drop(process);
        if now.saturating_duration_since(self.since) >= LIVED {
            self.wait = RETRY.0;
        }
        self.course.ended(status.to_string(), true, now);
        let code = status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128))).unwrap_or(-1);
        let (calls, unread) = (self.calls.len(), self.input.unwritten());
        limited!(
            warn,
            &self.given.name,
            "programs that ended",
            "mailbox {}: its program ended, {status}; started again in {:?}",
            self.name(),
            self.wait
        );
        if calls > 0 || unread > 0 {
            limited!(
                warn,
                &self.given.name,
                "programs that ended with calls unanswered",
                "mailbox {}: calls not answered: {calls}, messages not read: {unread}",
                self.name()
            );
        }
        self.refuse_all(Refusal::ExitStatus(code), |_| true, world);
        self.input = Input::default();
        self.later(now)
    }

    /// Forgets what the agent had heard of the program that is gone.
    fn begin_anew(&mut self) {
        self.format = self.given.format;
        self.framing = Framing::new(self.format == ProgramFormat::Etf, self.limit);
        self.output = Stdout::Open;
        self.pace = Pace::new();
    }

    /// Looks at a program that was asked to end: what it says until it has counts.
    fn end(&mut self, mut process: Process, at: Instant, now: Instant, world: &mut World<'_, '_>) -> Life {
        if at <= now {
            // what its pipe holds is not to be lost with it
            self.room = usize::MAX;
        }
        let is_over = self.hear(&mut process, world);
        if at > now && !is_over {
            return Life::Ending(process, at);
        }
        if !is_over && !self.letters.has_room() {
            log::warn!("mailbox {}: what its program said last is lost: nodes do not read what it sent before", self.given.name);
        }
        if is_over {
            self.say_last(world);
        }
        // with what it started
        drop(process);
        self.refuse_all(Refusal::Restarting, |_| true, world);
        Life::Away(now)
    }

    /// Asks the program to end, and starts it again as the new settings say. Calls that it does not answer meanwhile are answered then.
    pub(super) fn change(&mut self, given: config::ProgramSettings) {
        self.leave();
        if let Life::Away(at) = &mut self.state {
            *at = Instant::now();
        }
        self.given = given;
        // how the former one did says nothing of this one
        (self.wait, self.course) = (RETRY.0, Course::new(Instant::now()));
    }

    /// Asks the program to end.
    pub(super) fn leave(&mut self) {
        let now = Instant::now();
        self.state = match core::mem::replace(&mut self.state, Life::Away(now)) {
            Life::Up(mut process) => {
                self.input = Input::default();
                process.close_input();
                process.terminate();
                process.read_at_most(LAST);
                Life::Ending(process, now.checked_add(GRACE).unwrap_or(now))
            }
            other => other,
        };
    }

    /// Ends its mailbox, unless calls wait for its answers: whoever sends is to know that nothing is read any more. What it still says comes from another.
    pub(super) fn end_mailbox(&mut self, node: &mut Node<'_>) {
        if !self.calls.is_empty() {
            return;
        }
        let Ok(other) = node.register("") else { return };
        let ended = node.close_mailbox(core::mem::replace(&mut self.mailbox, other), |t| t.atom("shutdown"));
        debug_assert!(ended.is_ok(), "{ended:?}");
    }

    /// Begins once the former one of this name, which was asked to end, has.
    pub(super) fn follow(&mut self, former: Self) {
        (self.state, self.format, self.framing) = (former.state, former.format, former.framing);
    }

    /// Returns true while a program is there that was asked to end, and that the settings do not have any more: nothing is heard of it.
    pub(super) fn is_leaving(&mut self) -> bool {
        let Life::Ending(process, at) = &mut self.state else { return false };
        process.log_stderr();
        *at > Instant::now() && !process.has_ended()
    }

    /// Returns when that is to be asked: of what else it has to do nothing is done any more.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let Life::Ending(process, at) = &self.state else { return None };
        process.next_wake().into_iter().chain([*at]).min()
    }

    // --- what is for it -----------------------------------------------------------------------------------------------------

    /// Empties the mailbox, whatever the program does, so that nobody is held up.
    fn receive(&mut self, world: &mut World<'_, '_>) {
        while let Some((message, mut out)) = world.node.recv(self.mailbox) {
            let node = node_of(&message, &out);
            match message.received() {
                Received::Call(call) => self.call(&call, node, &mut out, world.home),
                Received::Cast(term) => self.tell(Incoming::Cast(term), &node, world.home),
                Received::Info(term) => {
                    if let Some(told) = self.informed(term) {
                        self.tell(told, &node, world.home);
                    }
                }
                // it neither links nor monitors, calls nor serves
                _ => {}
            }
        }
    }

    /// Returns as what the program is told of a message that nobody waits for: a broadcast of a topic that is not its own it is not told of.
    fn informed<'m>(&self, term: Term<'m>) -> Option<Incoming<'m>> {
        let subscription = self.given.place.subscription.as_ref();
        let Some((told, (topic, message))) = subscription.zip(as_broadcast(term)) else { return Some(Incoming::Info(term)) };
        let is_told = told.topics.iter().any(|wanted| topic.as_binary() == Some(wanted.as_bytes()));
        is_told.then_some(Incoming::Broadcast(topic, message))
    }

    /// Returns why the program is told nothing by this node now.
    fn refusal(&self, node: &str) -> Option<(Refusal, &'static str)> {
        let process = match &self.state {
            Life::Up(process) => process,
            Life::Away(_) | Life::Ending(..) => return Some((Refusal::Restarting, "the program is not running")),
        };
        if !process.takes_input() {
            return Some((Refusal::Closed, "the program closed its standard input"));
        }
        (!self.input.has_room(node)).then_some((Refusal::Busy, "the program does not read its standard input"))
    }

    /// Tells the program of a cast or of another message of this node, or drops it. A reading waits for the program's next start: whoever published
    /// it took it for arrived, since the mailbox is there.
    fn tell(&mut self, told: Incoming<'_>, node: &str, home: &str) {
        let refusal = self.refusal(node);
        let waits = matches!(refusal, Some((Refusal::Restarting, _))) && told.is_reading() && self.input.has_room(node);
        match refusal {
            None => drop(self.input.push(&told.record(self.given.format, home), node)),
            // what its next start speaks is known then
            Some(_) if waits => drop(self.input.push(&told.kept(), node)),
            Some((_, why)) => self.dropped.add(&self.given.name, why),
        }
    }

    /// Tells the program of a call, or answers it at once.
    fn call(&mut self, call: &Call<'_>, node: String, out: &mut Outbox<'_>, home: &str) {
        // no Erlang makes one that cannot be kept
        let Some(caller) = call.caller().keep() else { return };
        let now = Instant::now();
        let mut waiting = Waiting { id: 0, end: 0, since: now, node, caller };
        if let Some(refusal) = self.no_call(&waiting.node, now, out) {
            return self.refuse(waiting, refusal, out);
        }
        waiting.id = self.next_id();
        waiting.end = self.input.push(&Incoming::Call(waiting.id, call.request).record(self.given.format, home), &waiting.node);
        self.calls.push_back(waiting);
    }

    /// Returns why there is to be no further call now.
    fn no_call(&mut self, node: &str, now: Instant, out: &mut Outbox<'_>) -> Option<Refusal> {
        if let Some((refusal, _)) = self.refusal(node) {
            return Some(refusal);
        }
        if self.output == Stdout::Closed {
            return Some(Refusal::Closed);
        }
        // an answer that the caller's node does not take is its call still
        let calls = self.calls.iter().filter(|call| call.node == node).count();
        let held = calls.saturating_add(self.letters.answers_to(node).0);
        if may_take(held, 1, CALLS.saturating_sub(self.calls.len())) {
            return None;
        }
        // the oldest makes room, of this node unless there is none for anybody
        let is_full = self.calls.len() >= CALLS;
        let oldest = self.calls.iter().position(|call| is_full || call.node == node);
        let forgotten = |call: &Waiting| now.saturating_duration_since(call.since) >= FORGOTTEN;
        let Some(oldest) = oldest.filter(|at| self.calls.get(*at).is_some_and(forgotten)) else { return Some(Refusal::Busy) };
        let oldest = self.calls.remove(oldest)?;
        limited!(
            warn,
            &self.given.name,
            "calls that programs did not answer",
            "mailbox {}: call {} was not answered, and makes room",
            self.given.name,
            oldest.id
        );
        self.refuse(oldest, Refusal::Timeout, out);
        None
    }

    /// Returns the number of the next call: small in every language, and not used again soon.
    fn next_id(&mut self) -> u32 {
        const LAST: u32 = 1 << 30;
        loop {
            self.last_id = if self.last_id >= LAST { 1 } else { self.last_id.saturating_add(1) };
            if self.calls.iter().all(|call| call.id != self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Answers a call in the program's place.
    fn refuse(&mut self, call: Waiting, why: Refusal, out: &mut Outbox<'_>) {
        match out.reply(&call.caller, |t| why.put(t)) {
            Ok(()) => {}
            Err(Error::Full(Full::Transmit { .. })) if self.letters.has_room_for_refusal() => {
                self.letters.keep(Letter { to: To::Caller(call.caller), node: call.node, term: why.term() });
            }
            // the mailbox is emptied all the same
            Err(Error::Full(_)) => self.dropped.add(&self.given.name, "answers to a node that takes no more"),
            Err(e) => log::debug!("mailbox {}: no answer to {}: {e}", self.given.name, call.node),
        }
    }

    /// Answers those calls in the program's place that are like that.
    fn refuse_all(&mut self, why: Refusal, like: impl Fn(&Waiting) -> bool, world: &mut World<'_, '_>) {
        let Ok(mut out) = world.node.outbox(self.mailbox) else { return };
        for call in core::mem::take(&mut self.calls) {
            if like(&call) {
                self.refuse(call, why, &mut out);
            } else {
                self.calls.push_back(call);
            }
        }
    }

    /// Writes to the program.
    fn write(&mut self, world: &mut World<'_, '_>) {
        let Life::Up(process) = &mut self.state else { return };
        self.is_ready |= self.input.write(process);
        let unwritten = self.input.unwritten();
        if process.takes_input() || unwritten == 0 {
            return;
        }
        limited!(
            warn,
            &self.given.name,
            "programs that closed their standard input",
            "mailbox {}: its program closed its standard input; messages not read: {unwritten}",
            self.name()
        );
        let input = core::mem::take(&mut self.input);
        self.refuse_all(Refusal::Closed, |call| !input.is_written(call.end), world);
    }

    // --- what it says -------------------------------------------------------------------------------------------------------

    /// Reads what the program wrote. Returns true if there may be more.
    fn read(&mut self, process: &mut Process, world: &mut World<'_, '_>) -> bool {
        let mut bytes = [0; READ.1];
        for _ in 0..READ.0 {
            if self.pace.rests(Instant::now()) {
                return false;
            }
            if !self.say(process, world) {
                return true;
            }
            match process.read(&mut bytes) {
                Chunk::Bytes(count) => {
                    // of a line or a frame that is too long nothing is of use
                    if self.framing.is_skipping() {
                        self.waste(count, 0);
                    }
                    self.framing.push(bytes.get(..count).unwrap_or(&[]));
                }
                Chunk::Nothing => return false,
                Chunk::End => {
                    self.say_last(world);
                    return false;
                }
            }
        }
        true
    }

    /// Does what the program said, as long as its messages find room. Returns true if that was all of it.
    fn say(&mut self, process: &Process, world: &mut World<'_, '_>) -> bool {
        while self.has_room() {
            let (said, len) = match self.framing.next() {
                None => return true,
                Some(Ok(record)) => (envelope::read(self.format, record).map_err(|why| why.to_string()), record.len()),
                Some(Err(fault)) => {
                    if matches!(fault, Unframed::NoFrame(_)) {
                        process.kill();
                    }
                    (Err(fault.to_string()), 0)
                }
            };
            let is_of_use = match said {
                Ok(said) => self.act(said, len, world),
                Err(why) => {
                    self.not_understood(&why);
                    false
                }
            };
            if !is_of_use {
                self.waste(len, 1);
            }
        }
        false
    }

    fn not_understood(&self, why: &str) {
        let name = &self.given.name;
        limited!(warn, name, "what programs wrote that is no message", "mailbox {name}: {why}");
    }

    /// Takes note of bytes that were of no use: of too many the rest is read slowly.
    pub(super) fn waste(&mut self, bytes: usize, lines: usize) {
        if self.pace.spend(bytes, lines, Instant::now()) {
            let name = &self.given.name;
            limited!(
                warn,
                name,
                "programs that write too much on standard output",
                "mailbox {name}: its program writes too much that is no message or for nobody, and is read slowly from now on"
            );
        }
    }

    /// Does what is left at the end of the output, which may be a line without its end.
    fn say_last(&mut self, world: &mut World<'_, '_>) {
        let said = match self.framing.last() {
            None => return,
            Some(Ok(record)) => envelope::read(self.format, record).map_err(|why| why.to_string()),
            Some(Err(fault)) => Err(fault.to_string()),
        };
        match said {
            Ok(said) => drop(self.act(said, 0, world)),
            Err(why) => self.not_understood(&why),
        }
    }

    /// Does what it said in a line of so many bytes. Returns false if that is for nobody; where it is others who know, they tell its pace.
    fn act(&mut self, said: Option<Outgoing>, line: usize, world: &mut World<'_, '_>) -> bool {
        let letter = match said {
            None => return false,
            Some(Outgoing::Reply { id, term }) => {
                let Some(at) = self.calls.iter().position(|call| u64::from(call.id) == id) else {
                    let name = &self.given.name;
                    limited!(warn, name, "answers of programs to no call", "mailbox {name}: no call {id} waits for an answer");
                    return false;
                };
                let Some(call) = self.calls.remove(at) else { return false };
                give_back(&mut self.calls);
                Letter { to: To::Caller(call.caller), node: call.node, term }
            }
            Some(Outgoing::Send { name, node, term }) => {
                let host = world.home.split_once('@').map_or("", |(_, host)| host);
                let node = if node.contains('@') { node } else { format!("{node}@{host}") };
                if node == world.home {
                    world.local.push(Local { from: self.given.name.clone(), to: name, term, line });
                    return true;
                }
                Letter { to: To::Name(name), node, term }
            }
            Some(Outgoing::Publish { name, nodes, term }) => {
                let mailbox = self.given.name.clone();
                let said = Said { mailbox, to: name, nodes, term, line };
                self.room = self.room.saturating_sub(said.size());
                world.published.push(said);
                return true;
            }
        };
        let Ok(mut out) = world.node.outbox(self.mailbox) else { return true };
        self.letters.post(letter, &mut out, &self.given.name)
    }

    /// Tells the program of a message of one of this node's own programs.
    pub(super) fn tell_term(&mut self, term: &[u8], home: &str) {
        if let Ok(term) = Term::parse(term) {
            self.tell(Incoming::Info(term), home, home);
            // its turn may be over, and nothing else tells that there is something to write
            self.is_ready = true;
        }
    }
}

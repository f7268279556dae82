//! The two that play our side of a case: a mailbox of this library, and a process of a real Erlang.

use beamless::{
    Event, Exception, InUse, Mailbox, Monitor, OwnedPid, OwnedReference, Received, Term, TermWriter, Written, parse_text,
};

use crate::inside::Inside;
use crate::support::{Erl, until};

/// Our side of a case.
pub(crate) trait Side {
    /// The name of our node, as an atom.
    fn node(&self) -> String;
    /// Evaluates at their node, while ours goes on.
    fn eval(&mut self, they: &Erl, source: &str) -> String;
    /// A fresh `m`, which `p` knows as `M`, and which knows `p`.
    fn begin(&mut self, they: &Erl, case: &'static str);
    /// `m` does this.
    fn run(&mut self, source: &str);
    /// Neither has heard of what the other does.
    fn at_once(&mut self, they: &Erl, theirs: &str, ours: &str);
    /// What came to `m` since the last look.
    fn got(&mut self) -> Vec<String>;
    /// Waits for the end of `m`, for this reason.
    fn ended(&mut self, why: &str);
    /// Waits until neither node sees the other any more.
    fn apart(&mut self, they: &Erl);
    /// Nothing is kept of what was, though `m` may still be there.
    fn nothing_is_left(&mut self);
    /// Ends `m`.
    fn end(&mut self);
}

/// A mailbox of ours.
pub(crate) struct Ours<'s> {
    pub(crate) inside: Inside<'s>,
    /// Answers, so that who asked knows that everything before has come.
    fence: Mailbox,
    /// Gets the calls of `ties:forever/0`, `ties:done/0` and `ties:fail/0`, and does as they do.
    functions: Mailbox,
    mailbox: Option<Mailbox>,
    p: Option<OwnedPid>,
    alias: Option<OwnedReference>,
    monitors: Vec<(Monitor, &'static str)>,
    idle: InUse,
    /// The case's name.
    case: &'static str,
}

impl<'s> Ours<'s> {
    pub(crate) fn new(mut inside: Inside<'s>) -> Self {
        let fence = inside.node.register("fence").unwrap();
        let functions = inside.node.register("functions").unwrap();
        inside.node.serve(functions, ["ties:forever/0", "ties:done/0", "ties:fail/0"]).unwrap();
        let idle = inside.node.in_use();
        Self { inside, fence, functions, mailbox: None, p: None, alias: None, monitors: Vec::new(), idle, case: "" }
    }

    /// Answers those who wait for the fence, and runs functions.
    fn serve(inside: &mut Inside<'_>, fence: Mailbox, functions: Mailbox) {
        while let Some((message, mut out)) = inside.node.recv(fence) {
            let [_, asker] = message.term().tuple().unwrap();
            out.send(asker.as_pid().unwrap(), |t| t.atom("fence")).unwrap();
        }
        while let Some((message, mut out)) = inside.node.recv(functions) {
            match message.received() {
                Received::Apply(apply) if apply.function == "fail" => {
                    out.raise(&apply, Exception::Exit, |t| t.atom("failed")).unwrap();
                }
                Received::Apply(apply) if apply.function == "done" => out.reply(&apply, |t| t.atom("ok")).unwrap(),
                _ => {}
            }
        }
    }

    fn answering<T>(&mut self, what: &str, mut look: impl FnMut(&mut Inside<'_>) -> Option<T>) -> T {
        let (fence, functions) = (self.fence, self.functions);
        let what = format!("{}: {what}", self.case);
        self.inside.until(&what, |inside| {
            Self::serve(inside, fence, functions);
            look(inside)
        })
    }
}

/// What came, as the Erlang side writes it.
fn shown(received: Received<'_>, p: Option<&OwnedPid>, monitors: &[(Monitor, &str)]) -> String {
    match received {
        Received::Exit { from, reason } => {
            let who = if p.is_some_and(|p| p.as_pid() == from) { "p" } else { "other" };
            format!("{{'EXIT',{who},{}}}", short(reason))
        }
        Received::Down { monitor, reason } => {
            let who = monitors.iter().find(|(known, _)| *known == monitor).map_or("unknown", |(_, who)| who);
            format!("{{'DOWN',{who},{}}}", short(reason))
        }
        Received::Info(term) => short(term),
        other => format!("{other:?}"),
    }
}

/// A term as text; a large binary as its size.
fn short(term: Term<'_>) -> String {
    match term.as_binary() {
        Some(bytes) if bytes.len() > 1000 => format!("{{bytes,{}}}", bytes.len()),
        _ => term.to_string(),
    }
}

/// Writes a reason: a term as text, or a large binary.
fn write<'t, 'b>(t: &'t mut TermWriter<'b>, source: &str) -> Written<'t, 'b> {
    if let Some(size) = source.strip_prefix("binary:copy(<<7>>, ").and_then(|rest| rest.strip_suffix(')')) {
        return t.binary(&vec![7; size.parse().unwrap()]);
    }
    t.term(parse_text(source, &mut [0; 256]).unwrap())
}

impl Side for Ours<'_> {
    fn node(&self) -> String {
        format!("'{}'", self.inside.node.name().unwrap())
    }

    fn eval(&mut self, they: &Erl, source: &str) -> String {
        let asked = they.ask(source);
        self.answering(source, |_| they.has_answered(&asked).then_some(()));
        they.answer(asked)
    }

    fn begin(&mut self, they: &Erl, case: &'static str) {
        self.case = case;
        self.inside.events.clear();
        let mailbox = self.inside.node.register("m").unwrap();
        self.mailbox = Some(mailbox);
        self.eval(they, "ties:eval(p, \"{m, N} ! {m, self()}\")");
        let p = self.inside.receive(mailbox, |message, mut out| {
            let [_, p] = message.term().tuple().unwrap();
            let (p, own) = (OwnedPid::new(p.as_pid().unwrap()).unwrap(), OwnedPid::new(out.pid()).unwrap());
            out.send(&p, |t| t.tuple(2)?.atom("m")?.pid(own.as_pid())).unwrap();
            p
        });
        self.p = Some(p);
        assert_eq!(self.eval(they, "ties:eval(p, \"M = receive {m, _} = Me -> ties:knows(Me) end, ok\")"), "ok");
    }

    fn run(&mut self, source: &str) {
        let node = &mut self.inside.node;
        let (mailbox, p) = (self.mailbox.unwrap(), self.p.clone().unwrap());
        let p_node = p.as_pid().node.to_string().trim_matches('\'').to_owned();
        match source {
            "link(P)" => node.outbox(mailbox).unwrap().link(p.as_pid()).unwrap(),
            "unlink(P)" => node.outbox(mailbox).unwrap().unlink(p.as_pid()).unwrap(),
            "R = monitor(process, P)" => self.monitors.push((node.outbox(mailbox).unwrap().monitor(&p).unwrap(), "p")),
            "R = monitor(process, {p, A})" => {
                let monitor = node.outbox(mailbox).unwrap().monitor(("p", p_node.as_str())).unwrap();
                self.monitors.push((monitor, "{p,node}"));
            }
            "R = monitor(process, {nosuch, A})" => {
                let monitor = node.outbox(mailbox).unwrap().monitor(("nosuch", p_node.as_str())).unwrap();
                self.monitors.push((monitor, "{nosuch,node}"));
            }
            "demonitor(R)" => {
                let (monitor, _) = self.monitors.pop().unwrap();
                node.outbox(mailbox).unwrap().demonitor(monitor).unwrap();
            }
            "process_flag(trap_exit, true)" => node.trap_exit(mailbox, true).unwrap(),
            "process_flag(trap_exit, false)" => node.trap_exit(mailbox, false).unwrap(),
            "P ! {alias, alias([priority])}" => {
                let alias = node.alias(mailbox).unwrap();
                let mut out = node.outbox(mailbox).unwrap();
                out.send(&p, |t| t.tuple(2)?.atom("alias")?.reference(alias.as_reference())).unwrap();
                self.alias = Some(alias);
            }
            "erlang:disconnect_node(A)" => node.disconnect(&p_node).unwrap(),
            _ => {
                let call = source.strip_suffix(')').unwrap_or(source);
                if let Some(why) = call.strip_prefix("exit(P, ") {
                    node.outbox(mailbox).unwrap().exit(p.as_pid(), |t| write(t, why)).unwrap();
                } else if let Some(why) = call.strip_prefix("exit(") {
                    node.close_mailbox(mailbox, |t| write(t, why)).unwrap();
                } else {
                    panic!("{source}: this side cannot do that yet");
                }
            }
        }
    }

    fn at_once(&mut self, they: &Erl, theirs: &str, ours: &str) {
        let asked = they.ask(&format!("ties:eval(p, {theirs:?})"));
        // its bytes may have come, but nobody has read them
        self.run(ours);
        self.answering(theirs, |_| they.has_answered(&asked).then_some(()));
    }

    fn got(&mut self) -> Vec<String> {
        let Some(mailbox) = self.mailbox else { return Vec::new() };
        let (p, monitors) = (self.p.as_ref(), &self.monitors);
        let node = &mut self.inside.node;
        std::iter::from_fn(|| node.recv(mailbox).map(|(message, _)| shown(message.received(), p, monitors))).collect()
    }

    fn ended(&mut self, why: &str) {
        let mailbox = self.mailbox.take().unwrap();
        let event = self.answering("the mailbox's end", |inside| {
            let wanted = |event: &Event| matches!(event, Event::MailboxEnded { mailbox: ended, .. } if *ended == mailbox);
            let at = inside.events.iter().position(wanted)?;
            Some(inside.events.remove(at))
        });
        let Event::MailboxEnded { name, reason, .. } = event else { unreachable!() };
        assert_eq!(name, "m");
        // of a large one the event has the beginning
        assert!(reason == why || why.starts_with("{bytes,") && reason.starts_with("<<7,7,"), "ended with {reason}, not {why}");
        assert!(self.inside.node.pid(mailbox).is_err(), "it is still there");
    }

    fn apart(&mut self, they: &Erl) {
        let gone = |event: &Event| matches!(event, Event::NodeDown { .. });
        self.inside.until_event("the node to be down", gone);
        let node = self.node();
        while self.eval(they, &format!("lists:member({node}, nodes(connected))")) == "true" {}
    }

    fn nothing_is_left(&mut self) {
        // an alias lasts as long as its mailbox
        let alias = self.alias.is_some() && self.mailbox.is_some();
        self.answering("nothing to be left", |inside| {
            let now = inside.node.in_use();
            (now.watches == 0 && now.requests == usize::from(alias)).then_some(())
        });
    }

    fn end(&mut self) {
        if let Some(alias) = self.alias.take() {
            self.inside.node.unalias(&alias);
        }
        if let Some(mailbox) = self.mailbox.take() {
            // it may have ended
            let _ = self.inside.node.close_mailbox(mailbox, |t| t.atom("normal"));
        }
        self.monitors.clear();
        let idle = self.idle;
        self.answering("the mailbox's place to be free", |inside| {
            let now = inside.node.in_use();
            ((now.watches, now.requests, now.mailboxes) == (idle.watches, idle.requests, idle.mailboxes)).then_some(())
        });
    }
}

/// A process of a second Erlang.
pub(crate) struct Twin(pub(crate) Erl);

impl Twin {
    pub(crate) fn new(erl: Erl) -> Self {
        assert_eq!(erl.eval("ties:fence()"), "ok");
        Self(erl)
    }
}

impl Side for Twin {
    fn node(&self) -> String {
        self.0.atom()
    }

    fn eval(&mut self, they: &Erl, source: &str) -> String {
        they.eval(source)
    }

    fn begin(&mut self, they: &Erl, _: &'static str) {
        assert_eq!(self.0.eval(&format!("ties:start(m, [{{'A', {}}}])", they.atom())), "ok");
        they.eval("ties:eval(p, \"{m, N} ! {p, self()}\")");
        self.run("P = receive {p, _} = Who -> ties:knows(Who) end, P ! {m, self()}");
        assert_eq!(they.eval("ties:eval(p, \"M = receive {m, _} = Me -> ties:knows(Me) end, ok\")"), "ok");
    }

    fn run(&mut self, source: &str) {
        self.0.eval(&format!("ties:eval(m, {source:?})"));
    }

    fn at_once(&mut self, they: &Erl, theirs: &str, ours: &str) {
        let asked = they.ask(&format!("ties:eval(p, {theirs:?})"));
        self.run(ours);
        they.answer(asked);
    }

    fn got(&mut self) -> Vec<String> {
        list(&self.0.eval("ties:seen(m)"))
    }

    fn ended(&mut self, why: &str) {
        assert_eq!(self.0.eval("ties:ended(m)"), why);
    }

    fn apart(&mut self, they: &Erl) {
        until("them to be apart", || {
            let (here, there) = (self.0.eval("nodes(connected)"), they.eval("nodes(connected)"));
            (here == "[]" && there == "[]").then_some(())
        });
    }

    fn nothing_is_left(&mut self) {
        self.0.eval_until("ties:left(m)", "[]");
    }

    fn end(&mut self) {
        self.0.eval("ties:stop(m)");
    }
}

/// The elements of a printed list, none of which is one.
pub(crate) fn list(text: &str) -> Vec<String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_else(|| panic!("{text} is no list"));
    let (mut all, mut depth) = (Vec::new(), 0);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match (c, all.last_mut()) {
            (',', _) if depth == 0 => all.push(String::new()),
            (_, None) => all.push(c.to_string()),
            (_, Some(last)) => last.push(c),
        }
    }
    all
}

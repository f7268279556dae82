//! A node that is asked how it is: the question, the answer, and what the answer makes of it.

use std::time::{Duration, Instant};

use beamless::{Error, Failure as No, Outbox, OwnedTerm, Request, Term, TermWriter, Written};

use super::info;
use crate::cli::terms;

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is known of it yet.
    Asked,
    /// There is no connection to it.
    Away,
    /// It is connected, and does not answer.
    Silent,
    /// It is there, and does not say whether it is well: an Erlang node, or an agent that is older.
    Up,
    Ok,
    Warning,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Away => "away",
            Self::Silent => "silent",
            Self::Up => "up",
            Self::Ok => "ok",
            Self::Warning => "warning",
        }
    }

    /// Returns true if it has answered.
    pub(super) fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::Ok | Self::Warning)
    }
}

/// What a node is taken for, and asked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Agent,
    Erlang,
}

/// Whether it is being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    No,
    /// As soon as there is room for a question.
    Due,
    Waits(Request),
}

/// An answer: the map `info` of an agent, or what an Erlang node tells in the form of such a map.
pub(super) struct Report {
    pub(super) at: Instant,
    pub(super) info: OwnedTerm,
}

/// A node that is asked.
pub(super) struct Subject {
    pub(super) name: String,
    /// The node that told of it.
    pub(super) hub: Option<String>,
    /// That node asks in place of this one: it is connected to it, and this one may be unable to.
    pub(super) is_behind: bool,
    /// The nodes that it sees are asked, too.
    pub(super) is_hub: bool,
    kind: Kind,
    pub(super) asked: Asked,
    /// It has answered, or will not, since somebody looked.
    pub(super) is_told: bool,
    pub(super) state: State,
    /// Why it is not well.
    pub(super) why: String,
    /// Why there is no connection, as an event had it.
    pub(super) lost: Option<String>,
    /// The last answer, and the one before it.
    pub(super) now: Option<Report>,
    pub(super) before: Option<Report>,
}

/// What an Erlang node is asked: functions of its module `erlang`, with one argument each.
const ERLANG: [(&str, &str); 8] = [
    ("system_info", "otp_release"),
    ("statistics", "wall_clock"),
    ("memory", "total"),
    ("system_info", "process_count"),
    ("statistics", "run_queue"),
    ("system_info", "schedulers_online"),
    ("nodes", "visible"),
    ("nodes", "hidden"),
];

/// Writes the arguments of `lists:zipwith3/4` with which it calls them all: one question, and one answer.
fn of_erlang<'t, 'b>(t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
    t.list(4)?.export("erlang", "apply", 3)?.list(ERLANG.len())?;
    for _ in ERLANG {
        t.atom("erlang")?;
    }
    t.nil()?.list(ERLANG.len())?;
    for (function, _) in ERLANG {
        t.atom(function)?;
    }
    t.nil()?.list(ERLANG.len())?;
    for (_, argument) in ERLANG {
        t.list(1)?.atom(argument)?.nil()?;
    }
    t.nil()?.nil()
}

impl Subject {
    pub(super) fn new(name: String, hub: Option<String>, is_behind: bool) -> Self {
        Self {
            name,
            hub,
            is_behind,
            is_hub: false,
            kind: Kind::Agent,
            asked: Asked::No,
            is_told: false,
            state: State::Asked,
            why: String::new(),
            lost: None,
            now: None,
            before: None,
        }
    }

    /// Asks it, or has its hub ask it.
    pub(super) fn ask(&self, out: &mut Outbox<'_>, left: Duration) -> Result<Request, Error> {
        let (name, time) = (self.name.as_str(), Some(left));
        // the hub's answer is to come within the time
        let longest = i64::try_from(left.as_millis()).unwrap_or(i64::MAX).wrapping_mul(9).wrapping_div(10).max(1);
        let hub = self.hub.as_deref().filter(|_| self.is_behind);
        let (node, module, function) = match (hub, self.kind) {
            (None, Kind::Agent) => return out.call(("system", name), time, |t| t.atom("info")),
            (None, Kind::Erlang) => (name, "lists", "zipwith3"),
            (Some(hub), Kind::Agent) => (hub, "gen_server", "call"),
            (Some(hub), Kind::Erlang) => (hub, "rpc", "call"),
        };
        out.rpc(node, module, function, time, |t| match (hub, self.kind) {
            (None, _) => of_erlang(t),
            (_, Kind::Agent) => t.list(3)?.tuple(2)?.atom("system")?.atom(name)?.atom("info")?.int(longest)?.nil(),
            (_, Kind::Erlang) => {
                t.list(5)?.atom(name)?.atom("lists")?.atom("zipwith3")?;
                of_erlang(t)?.int(longest)?.nil()
            }
        })
    }

    /// Takes the answer. `own` is the name of the node that asks.
    pub(super) fn take(&mut self, result: Result<Term<'_>, No<'_>>, own: &str) {
        match (result, self.kind) {
            (Ok(info), Kind::Agent) if info.as_map().is_some() => self.tell(info.to_owned()),
            (Ok(values), Kind::Erlang) if values.as_list().is_some() => match erlang(values, own) {
                Some(info) => self.tell(info),
                None => self.is_stranger(),
            },
            (Ok(answer), _) => self.take_other(answer),
            (Err(No::Timeout), _) => self.fail(State::Silent, "it does not answer"),
            // an event says why
            (Err(No::NodeDown), _) => {
                let why = self.lost.take().unwrap_or_else(|| "there is no connection to it".to_owned());
                self.fail(State::Away, &why);
            }
            (Err(No::Exit(reason)), Kind::Agent) if self.is_behind => {
                let why = reason.tuple::<2>().map_or(reason, |[why, _call]| why);
                let what = why.tuple::<2>().map_or(why, |[what, _node]| what);
                if what.is_atom("timeout") {
                    self.fail(State::Silent, "it does not answer");
                } else if what.is_atom("nodedown") || what.is_atom("noconnection") {
                    self.fail(State::Away, "its hub has lost it");
                } else {
                    self.is_no_agent();
                }
            }
            (Err(No::Ended(reason) | No::Refused(reason)), _) if reason.is_atom("too_large") => self.is_too_large(),
            (Err(_), Kind::Agent) => self.is_no_agent(),
            (Err(_), Kind::Erlang) => self.is_stranger(),
        }
    }

    /// Takes an answer that is not what was asked for.
    fn take_other(&mut self, answer: Term<'_>) {
        match answer.tuple::<2>() {
            Some([error, why]) if error.is_atom("error") && why.tuple::<2>().is_some_and(|[why, _]| why.is_atom("too_large")) => {
                self.is_too_large();
            }
            Some([badrpc, why]) if badrpc.is_atom("badrpc") && why.is_atom("timeout") => {
                self.fail(State::Silent, "it does not answer");
            }
            Some([badrpc, why]) if badrpc.is_atom("badrpc") && why.is_atom("nodedown") => {
                self.fail(State::Away, "its hub has lost it");
            }
            _ if self.kind == Kind::Agent => self.is_no_agent(),
            _ => self.is_stranger(),
        }
    }

    /// Keeps what it told.
    fn tell(&mut self, info: OwnedTerm) {
        self.state = match info::at(info.as_term(), &["health", "state"]).map(info::text).as_deref() {
            Some("ok") => State::Ok,
            Some(_) => State::Warning,
            None => State::Up,
        };
        self.why.clear();
        let alarms: Vec<String> = info::alarms(info.as_term()).map(|alarm| alarm.words()).collect();
        if let Some(first) = alarms.first() {
            let more = alarms.len().saturating_sub(1);
            self.why = if more == 0 { first.clone() } else { format!("{first} (and {more} more)") };
        } else if self.kind == Kind::Erlang {
            "no agent".clone_into(&mut self.why);
        }
        self.before = self.now.replace(Report { at: Instant::now(), info });
        self.is_done();
    }

    /// It has no mailbox `system`: so it may be an Erlang node.
    fn is_no_agent(&mut self) {
        self.kind = Kind::Erlang;
        self.asked = Asked::Due;
    }

    fn is_stranger(&mut self) {
        self.kind = Kind::Agent;
        self.fail(State::Up, "neither an agent nor Erlang");
    }

    fn is_too_large(&mut self) {
        self.fail(State::Up, "what it has to tell is too large for a message: see [sizes] message of its file");
    }

    pub(super) fn fail(&mut self, state: State, why: &str) {
        if state == State::Away {
            // whoever comes back may be another
            self.kind = Kind::Agent;
        }
        why.clone_into(&mut self.why);
        self.state = state;
        (self.now, self.before) = (None, None);
        self.is_done();
    }

    fn is_done(&mut self) {
        self.asked = Asked::No;
        self.is_told = true;
    }

    /// Returns the nodes that it said it is connected to, in order, but for those that are there for one question.
    pub(super) fn sees(&self) -> Option<Vec<String>> {
        let info = self.now.as_ref()?.info.as_term();
        Some(info::entries(info, "links").map(|(name, _)| info::text(name)).filter(|name| !is_passing(name)).collect())
    }

    /// Returns true if it is an Erlang node.
    pub(super) fn is_erlang(&self) -> bool {
        self.kind == Kind::Erlang
    }
}

/// Returns true for the name of a tool such as this one.
pub(super) fn is_passing(name: &str) -> bool {
    let number = name.strip_prefix("beamless-").and_then(|rest| rest.split_once('@')).map(|(number, _)| number);
    number.is_some_and(|number| number.len() == 3 && number.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Makes a map as agents have it of what an Erlang node answered. `None`: these are not the values it was asked for.
fn erlang(values: Term<'_>, own: &str) -> Option<OwnedTerm> {
    let values: Vec<Term<'_>> = values.as_list()?.collect();
    let [release, clock, memory, processes, queue, cpus, visible, hidden] = values[..] else { return None };
    let release: String =
        release.as_list()?.filter_map(|c| c.as_u64().and_then(|c| u8::try_from(c).ok())).map(char::from).collect();
    let running = clock.tuple::<2>()?.first().copied().and_then(Term::as_i64)?.wrapping_div(1000);
    let links: Vec<(String, bool)> = [(visible, true), (hidden, false)]
        .into_iter()
        .flat_map(|(nodes, is_visible)| nodes.as_list().into_iter().flatten().map(move |node| (info::text(node), is_visible)))
        .filter(|(node, _)| node != own)
        .collect();
    OwnedTerm::new(|t| {
        t.map(7)?.atom("otp")?.str(&release)?;
        t.atom("running")?.int(running)?;
        t.atom("memory")?.map(1)?.atom("used")?.term(memory)?;
        t.atom("processes")?.term(processes)?;
        t.atom("run_queue")?.term(queue)?;
        t.atom("cpus")?.term(cpus)?;
        t.atom("links")?.map(links.len())?;
        for (node, is_visible) in &links {
            t.atom(node)?.map(1)?.atom("visible")?.bool(*is_visible)?;
        }
        Ok(t)
    })
    .ok()
}

/// Returns an object of JSON on one line: what became of the question, and the map that was the answer.
pub(super) fn json(subject: &Subject) -> String {
    let why = Some(subject.why.as_str()).filter(|why| !why.is_empty());
    let object = OwnedTerm::new(|t| {
        t.map(4)?.atom("node")?.str(&subject.name)?.atom("state")?.str(subject.state.word())?.atom("why")?;
        match why {
            Some(why) => t.str(why)?,
            None => t.atom("null")?,
        };
        t.atom("info")?;
        match &subject.now {
            Some(report) => t.term(report.info.as_term()),
            None => t.atom("null"),
        }
    });
    object.map_or_else(|e| e.to_string(), |object| terms::json::written(object.as_term(), &subject.name))
}

/// Returns a node that answered with these maps, a second after each other.
#[cfg(test)]
pub(super) fn told(name: &str, infos: &[&str]) -> Subject {
    let mut subject = Subject::new(name.to_owned(), None, false);
    for info in infos {
        subject.take(Ok(terms::erlang(info, &mut Vec::new()).unwrap()), "tool@host");
    }
    if let (Some(now), Some(before)) = (&mut subject.now, &subject.before) {
        now.at = before.at + Duration::from_secs(1);
    }
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(answer: &str, subject: &mut Subject) -> (State, Asked, Kind) {
        subject.take(Ok(terms::erlang(answer, &mut Vec::new()).unwrap()), "tool@host");
        (subject.state, subject.asked, subject.kind)
    }

    #[test]
    fn an_agent_says_whether_it_is_well() {
        let state = |info| told("edge@nuc1", &[info]).state;
        assert_eq!(state("#{version => <<\"0.1.0\">>}"), State::Up);
        assert_eq!(state("#{health => #{state => ok, alarms => []}}"), State::Ok);
        assert_eq!(state("#{health => #{state => warning}}"), State::Warning);
        let alarm = "#{what => disk_full, name => <<\"/\">>, since => 5, text => <<\"97% of / are taken\">>}";
        let why = |alarms: &str| told("edge@nuc1", &[&format!("#{{health => #{{state => warning, alarms => [{alarms}]}}}}")]).why;
        assert_eq!(why(alarm), "disk_full /: 97% of / are taken");
        assert_eq!(why(&[alarm, alarm, "#{what => certificate}"].join(",")), "disk_full /: 97% of / are taken (and 2 more)");
    }

    #[test]
    fn a_node_without_an_agent_is_asked_as_erlang() {
        let mut subject = Subject::new("hub@nuc3".to_owned(), None, false);
        subject.take(Err(No::NoProcess), "tool@host");
        assert_eq!((subject.state, subject.asked, subject.kind), (State::Asked, Asked::Due, Kind::Erlang));
        let answer = "[\"27\",{90500,12},51380224,48,0,4,['edge@nuc1'],['tool@host','edge@nuc2','beamless-0a1@nuc9']]";
        assert_eq!(given(answer, &mut subject), (State::Up, Asked::No, Kind::Erlang));
        assert_eq!(subject.sees().unwrap(), ["edge@nuc1", "edge@nuc2"]);
        assert_eq!(
            json(&subject).split_once("\"info\":").unwrap(),
            (
                "{\"node\":\"hub@nuc3\",\"state\":\"up\",\"why\":\"no agent\",",
                "{\"otp\":\"27\",\"running\":90,\"memory\":{\"used\":51380224},\"processes\":48,\"run_queue\":0,\"cpus\":4,\"links\":\
                {\"edge@nuc1\":{\"visible\":true},\"edge@nuc2\":{\"visible\":false},\"beamless-0a1@nuc9\":{\"visible\":false}}}}"
            )
        );
        // neither
        assert_eq!(given("[1,2,3]", &mut subject), (State::Up, Asked::No, Kind::Agent));
        // a process called system that is no agent's
        assert_eq!(given("{error,what}", &mut subject), (State::Up, Asked::Due, Kind::Erlang));
        subject.take(Err(No::Undefined), "tool@host");
        assert_eq!((subject.state, subject.why.as_str()), (State::Up, "neither an agent nor Erlang"));
        assert_eq!(given("{error,{too_large,2048}}", &mut subject), (State::Up, Asked::No, Kind::Agent));
        assert!(subject.why.contains("too large"), "{}", subject.why);
    }

    #[test]
    fn a_hub_says_why_there_is_no_answer() {
        for (reason, state, why) in [
            ("{noproc,{gen_server,call,[x]}}", State::Asked, ""),
            ("{timeout,{gen_server,call,[x]}}", State::Silent, "it does not answer"),
            ("{{nodedown,'edge@nuc1'},{gen_server,call,[x]}}", State::Away, "its hub has lost it"),
            ("{noconnection,{gen_server,call,[x]}}", State::Away, "its hub has lost it"),
        ] {
            let mut subject = Subject::new("edge@nuc1".to_owned(), Some("hub@nuc3".to_owned()), true);
            subject.take(Err(No::Exit(terms::erlang(reason, &mut Vec::new()).unwrap())), "tool@host");
            assert_eq!((subject.state, subject.why.as_str()), (state, why), "{reason}");
            assert_eq!(subject.asked == Asked::Due, state == State::Asked, "{reason}");
        }
        let mut subject = Subject::new("edge@nuc1".to_owned(), Some("hub@nuc3".to_owned()), true);
        subject.kind = Kind::Erlang;
        assert_eq!(given("{badrpc,timeout}", &mut subject).0, State::Silent);
        assert_eq!(given("{badrpc,nodedown}", &mut subject).0, State::Away);
    }

    #[test]
    fn a_node_that_went_away_says_nothing_old() {
        let mut subject = told("edge@nuc1", &["#{running => 1}", "#{running => 2}"]);
        assert!(subject.before.is_some());
        subject.lost = Some("the cookies differ".to_owned());
        subject.take(Err(No::NodeDown), "tool@host");
        assert_eq!((subject.state, subject.why.as_str()), (State::Away, "the cookies differ"));
        assert!(subject.now.is_none() && subject.before.is_none());
        assert_eq!(json(&subject), "{\"node\":\"edge@nuc1\",\"state\":\"away\",\"why\":\"the cookies differ\",\"info\":null}");
    }

    #[test]
    fn passing_names_are_known() {
        assert!(is_passing("beamless-3f7@nuc1") && !is_passing("beamless-edge@nuc1") && !is_passing("beamless-3f7"));
    }
}

//! What is shown of nodes: a line for each of several, or all that one told.

use std::iter::once;

use beamless::Term;

use super::info::{alarms, at, count, elements, entries, number, recipient, text, words};
use super::subject::{State, Subject, is_passing};
use super::table::{Line, Table, bytes, flow, millis, short, time};

/// What there is to show, in parts between which there is room for an empty line.
pub(super) type Parts = Vec<Vec<Line>>;

/// Draws one node with all that it told, or several with a line each.
pub(super) fn draw(subjects: &[Subject], width: usize) -> Parts {
    let parts = match subjects {
        [subject] => details(subject, width),
        _ => vec![flow(once(summary(subjects)), width), overview(subjects, width)],
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// Puts the parts below each other in so many lines. Where there is no room for all, the longest parts are shortened, and say by how much.
pub(super) fn fit(parts: &Parts, height: usize) -> Vec<Line> {
    let gaps = parts.len().saturating_sub(1);
    let mut shown: Vec<usize> = parts.iter().map(Vec::len).collect();
    while shown.iter().sum::<usize>().saturating_add(gaps) > height {
        let Some(longest) = shown.iter_mut().max().filter(|longest| **longest > 2) else { break };
        *longest = longest.saturating_sub(1);
    }
    let mut lines = Vec::new();
    for (part, shown) in parts.iter().zip(shown) {
        if !lines.is_empty() {
            lines.push(Line::plain(String::new()));
        }
        if shown == part.len() {
            lines.extend_from_slice(part);
        } else {
            let whole = shown.saturating_sub(1);
            lines.extend_from_slice(part.get(..whole).unwrap_or_default());
            lines.push(Line::plain(format!(".. and {} more", part.len().saturating_sub(whole))));
        }
    }
    lines.truncate(height);
    lines
}

/// Returns how many there are in each state.
fn summary(subjects: &[Subject]) -> String {
    let states = [State::Warning, State::Silent, State::Away, State::Asked, State::Ok, State::Up];
    let counted = states.map(|state| (state, subjects.iter().filter(|subject| subject.state == state).count()));
    let there = counted.iter().filter(|(_, count)| *count > 0).map(|(state, count)| format!("{count} {}", state.word()));
    format!("{} nodes: {}", subjects.len(), there.collect::<Vec<_>>().join(", "))
}

fn overview(subjects: &[Subject], width: usize) -> Vec<Line> {
    let mut table = Table::new(&["NODE", "STATE", "?VERSION", ">UP", "?>LOAD", "?>MEMORY", ">WAITS", "NOTE"]);
    for subject in subjects {
        let (name, state) = (subject.name.clone(), subject.state.word().to_owned());
        let is_well = matches!(subject.state, State::Ok | State::Up | State::Asked);
        let mut cells = vec![name, state];
        match &subject.now {
            Some(report) => {
                let info = report.info.as_term();
                let load = number(info, &["load"]).map_or(String::new(), |load| format!("{load:.2}"));
                cells.extend([version(info), seconds(info, &["running"]), load, memory(info), waiting(info)]);
            }
            None => cells.resize(7, String::new()),
        }
        cells.push(subject.why.clone());
        table.add(cells, !is_well);
    }
    table.draw(width)
}

fn version(info: Term<'_>) -> String {
    let otp = words(info, &["otp"]);
    if otp.is_empty() { words(info, &["version"]) } else { "OTP ".to_owned() + &otp }
}

fn seconds(info: Term<'_>, path: &[&str]) -> String {
    count(info, path).map_or(String::new(), time)
}

/// Returns how much of the memory is taken, in percent where it is known of how much.
fn memory(info: Term<'_>) -> String {
    let of = |key| count(info, &["memory", key]);
    match (of("total"), of("available").or(of("free")), of("used")) {
        (Some(total), Some(free), _) => percent(total, free),
        (_, _, Some(used)) => bytes(used),
        _ => String::new(),
    }
}

/// Returns how much is taken of what is free in part.
fn percent(total: u64, free: u64) -> String {
    let taken = u128::from(total.saturating_sub(free)).saturating_mul(100);
    taken.checked_div(total.into()).map_or(String::new(), |percent| format!("{percent}%"))
}

/// Returns what waits to be published: bytes, or of an older agent the number of readings.
fn waiting(info: Term<'_>) -> String {
    let kept = |place| count(info, &["keep", place, "used"]);
    match (kept("memory"), kept("disk")) {
        (None, None) => {
            let readings = elements(info, "publish").filter_map(|publish| count(publish, &["kept"]));
            Some(readings.fold(0, u64::saturating_add)).filter(|sum| *sum > 0).map_or(String::new(), |sum| short(sum) + " kept")
        }
        (memory, disk) => bytes(memory.unwrap_or(0).saturating_add(disk.unwrap_or(0))),
    }
}

fn details(subject: &Subject, width: usize) -> Parts {
    let head = |pieces: Vec<String>| flow(pieces.into_iter(), width);
    let (name, state) = (subject.name.clone(), subject.state.word().to_owned());
    let Some(report) = &subject.now else {
        return vec![head(vec![name, state, subject.why.clone()])];
    };
    let info = report.info.as_term();
    let before = subject.before.as_ref().map(|before| {
        let seconds = report.at.saturating_duration_since(before.at).as_secs_f64();
        Before { info: before.info.as_term(), seconds }
    });
    let mut first = vec![name, state, version(info)];
    first.extend(worded("running for", seconds(info, &["running"])));
    first.extend(worded("box up for", seconds(info, &["uptime"])));
    if alarms(info).next().is_none() {
        first.push(subject.why.clone());
    }
    let before = before.as_ref();
    let mut top = head(first);
    top.extend(head(of_box(info)));
    vec![
        top,
        of_alarms(info, width),
        of_nodes(info, before, width),
        of_publish(info, before, width),
        of_mailboxes(info, before, width),
    ]
}

fn worded(words: &str, what: String) -> Option<String> {
    Some(what).filter(|what| !what.is_empty()).map(|what| format!("{words} {what}"))
}

/// Returns what is told of the box and the agent as a whole.
fn of_box(info: Term<'_>) -> Vec<String> {
    let mut pieces = Vec::new();
    let loads: Vec<String> = elements(info, "load").filter_map(Term::as_f64).map(|load| format!("{load:.2}")).collect();
    let cpus = count(info, &["cpus"]).map_or(String::new(), |cpus| format!(" on {cpus} cpus"));
    pieces.extend(worded("load", loads.join(" ")).map(|load| load + &cpus));
    let of_total = count(info, &["memory", "total"]).map_or(String::new(), |total| " of ".to_owned() + &bytes(total));
    pieces.extend(worded("memory", memory(info)).map(|taken| taken + &of_total));
    for (place, disk) in entries(info, "disk") {
        if let (Some(total), Some(free)) = (count(disk, &["total"]), count(disk, &["available"])) {
            pieces.push(format!("disk {} {} of {}", text(place), percent(total, free), bytes(total)));
        }
    }
    for (sensor, celsius) in entries(info, "temperatures") {
        pieces.extend(celsius.as_f64().map(|celsius| format!("{} {celsius:.1} C", text(sensor))));
    }
    for (key, words) in [("processes", "processes"), ("run_queue", "in the run queue")] {
        pieces.extend(count(info, &[key]).map(|number| format!("{number} {words}")));
    }
    if let Some(left) = number(info, &["certificate", "left"]) {
        let left = seconds(info, &["certificate", "left"]).to_owned() + if left < 0.0 { "ended" } else { "" };
        pieces.push("certificate ".to_owned() + &left);
    }
    for (place, words) in [("memory", "in memory"), ("disk", "on disk")] {
        if let (Some(used), Some(limit)) = (count(info, &["keep", place, "used"]), count(info, &["keep", place, "limit"])) {
            pieces.push(format!("kept {words} {} of {}", bytes(used), bytes(limit)));
        }
    }
    let functions = ["calls", "failed", "waiting", "running"].map(|key| (key, count(info, &["functions", key]).unwrap_or(0)));
    if functions.iter().any(|(_, number)| *number > 0) {
        let numbers: Vec<String> = functions.iter().map(|(key, number)| format!("{number} {key}")).collect();
        pieces.push("functions: ".to_owned() + &numbers.join(", "));
    }
    pieces.extend(count(info, &["log", "dropped"]).filter(|lines| *lines > 0).map(|lines| format!("{lines} log lines dropped")));
    pieces
}

fn of_alarms(info: Term<'_>, width: usize) -> Vec<Line> {
    let mut table = Table::new(&["ALARM", "ABOUT", ">SINCE", "WHAT"]);
    for alarm in alarms(info) {
        table.add(vec![alarm.what, alarm.name, alarm.since.map_or(String::new(), time), alarm.text], true);
    }
    table.draw(width)
}

/// What was told before, and how many seconds that is ago.
struct Before<'t> {
    info: Term<'t>,
    seconds: f64,
}

/// A thing with counters, and the same before.
struct Counted<'t> {
    now: Term<'t>,
    before: Option<Term<'t>>,
    seconds: f64,
}

impl<'t> Counted<'t> {
    /// One of the things in a map.
    fn entry(now: Term<'t>, before: Option<&Before<'t>>, map: &str, key: &str) -> Self {
        let found = before.and_then(|before| at(before.info, &[map, key]));
        Self { now, before: found, seconds: before.map_or(1.0, |before| before.seconds) }
    }

    /// Returns how many more there are a second; not where the counting began anew.
    fn rate(&self, key: &str) -> Option<f64> {
        let (now, before) = (number(self.now, &[key])?, number(self.before?, &[key])?);
        Some((now - before) / self.seconds).filter(|rate| rate.is_finite() && *rate >= 0.0)
    }

    /// Returns the rate where there is one.
    fn rate_cell(&self, key: &str) -> String {
        self.rate(key).map_or(String::new(), per_second)
    }

    /// Returns the rate, or without one the number.
    fn cell(&self, key: &str) -> String {
        self.rate(key).map_or_else(|| counted(self.now, key), per_second)
    }

    fn bytes_cell(&self, key: &str) -> String {
        let rate = self.rate(key).map(|rate| bytes(whole(rate)) + "/s");
        rate.unwrap_or_else(|| count(self.now, &[key]).map_or(String::new(), bytes))
    }

    fn moved(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.rate(key).is_some_and(|rate| rate > 0.0))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not below 0, and what is too large is the largest"
)]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

fn per_second(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 { format!("{rate:.1}/s") } else { short(whole(rate)) + "/s" }
}

fn counted(map: Term<'_>, key: &str) -> String {
    count(map, &[key]).map_or(String::new(), short)
}

/// Returns a number that is bad news unless it is 0, which is left out.
fn bad(map: Term<'_>, key: &str) -> String {
    count(map, &[key]).filter(|number| *number > 0).map_or(String::new(), short)
}

/// An entry of two maps: the text of its key, and what either has of it.
type Joined<'t> = (String, [Option<Term<'t>>; 2]);

/// Returns the entries of two maps, in the order of their keys' text.
fn joined<'t>(info: Term<'t>, first: &str, second: &str) -> Vec<Joined<'t>> {
    let mut all: Vec<Joined<'t>> = entries(info, first).map(|(key, value)| (text(key), [Some(value), None])).collect();
    for (key, value) in entries(info, second) {
        let key = text(key);
        match all.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(place) => all.iter_mut().skip(place).take(1).for_each(|(_, both)| both[1] = Some(value)),
            Err(place) => all.insert(place, (key, [None, Some(value)])),
        }
    }
    all
}

fn of_nodes(info: Term<'_>, before: Option<&Before<'_>>, width: usize) -> Vec<Line> {
    let mut table = Table::new(&["NODE", "STATE", ">SINCE", ">IN", ">BYTES IN", ">OUT", ">BYTES OUT", ">WAITS"]);
    for (name, [link, wanted]) in joined(info, "links", "nodes").into_iter().filter(|(name, _)| !is_passing(name)) {
        let since = wanted.map_or(String::new(), |wanted| seconds(wanted, &["since"]));
        let reason = wanted.map_or(String::new(), |wanted| words(wanted, &["reason"]));
        let Some(link) = link else {
            table.add(vec![name, "away".to_owned(), since], true);
            table.note(&reason);
            continue;
        };
        let counts = Counted::entry(link, before, "links", &name);
        let kind = match at(link, &["visible"]).and_then(Term::as_bool) {
            Some(true) => "visible",
            Some(false) => "hidden",
            None => "",
        };
        let held = words(link, &["held"]);
        let note = if held.is_empty() { reason } else { "held by ".to_owned() + &held };
        let pending = count(link, &["send_pend"]).filter(|pending| *pending > 0).map_or(String::new(), bytes);
        let moved = counts.moved(&["recv_cnt", "send_cnt"]);
        let [received, sent] = ["recv_cnt", "send_cnt"].map(|key| counts.cell(key));
        let [bytes_in, bytes_out] = ["recv_oct", "send_oct"].map(|key| counts.bytes_cell(key));
        table.add(vec![name, kind.to_owned(), since, received, bytes_in, sent, bytes_out, pending], moved);
        table.note(&note);
    }
    table.draw(width)
}

fn of_publish(info: Term<'_>, before: Option<&Before<'_>>, width: usize) -> Vec<Line> {
    let titles = &["PUBLISH", "TO", ">SENT", ">RATE", ">KEPT", ">DROPPED", ">EVERY", ">AGE", ">WAITS", ">OLDEST"];
    let mut table = Table::new(titles);
    for (place, publish) in elements(info, "publish").enumerate() {
        let is_same = |other: &Term<'_>| words(*other, &["label"]) == words(publish, &["label"]);
        let found = before.and_then(|before| elements(before.info, "publish").nth(place)).filter(is_same);
        let counts = Counted { now: publish, before: found, seconds: before.map_or(1.0, |before| before.seconds) };
        let ms = |key| count(publish, &[key]).map_or(String::new(), millis);
        let size = count(publish, &["waiting"]).filter(|size| *size > 0);
        let oldest = count(publish, &["oldest"]).filter(|_| size.is_some()).map_or(String::new(), time);
        let cells = vec![
            words(publish, &["label"]),
            recipient(publish),
            counted(publish, "sent"),
            counts.rate_cell("sent"),
            bad(publish, "kept"),
            bad(publish, "dropped"),
            ms("every"),
            ms("age"),
            size.map_or(String::new(), bytes),
            oldest,
        ];
        table.add(cells, counts.moved(&["sent", "kept", "dropped"]));
        table.note(&words(publish, &["trouble"]));
    }
    table.draw(width)
}

fn of_mailboxes(info: Term<'_>, before: Option<&Before<'_>>, width: usize) -> Vec<Line> {
    let titles = &["MAILBOX", ">RECEIVED", ">RATE", ">DROPPED", "PROGRAM", ">SINCE", ">RESTARTS", ">CALLS", ">UNREAD"];
    let mut table = Table::new(titles);
    for (name, [mailbox, program]) in joined(info, "mailboxes", "programs") {
        let counts = mailbox.map(|mailbox| Counted::entry(mailbox, before, "mailboxes", &name));
        let state = match program.and_then(|program| at(program, &["running"])).and_then(Term::as_bool) {
            Some(true) => "runs",
            Some(false) => "stopped",
            None => "",
        };
        let of_program = |key| program.map_or(String::new(), |program| bad(program, key));
        // whoever looks moves it
        let moved = counts.as_ref().is_some_and(|counts| name != "system" && counts.moved(&["received", "dropped"]));
        let cells = vec![
            name,
            mailbox.map_or(String::new(), |mailbox| counted(mailbox, "received")),
            counts.map_or(String::new(), |counts| counts.rate_cell("received")),
            mailbox.map_or(String::new(), |mailbox| bad(mailbox, "dropped")),
            state.to_owned(),
            program.map_or(String::new(), |program| seconds(program, &["since"])),
            of_program("restarts"),
            of_program("calls"),
            of_program("unread"),
        ];
        table.add(cells, moved || state == "stopped");
        table.note(&program.map_or(String::new(), |program| words(program, &["last_exit"])));
    }
    table.draw(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tool::status::subject::told;

    /// What an agent of version 0.1.0 told.
    const OLD: &str = "#{node => 'one@127.0.0.1', version => <<\"0.1.0\">>, running => 5, certificate => false, uptime => 67675,
        load => [23.1962890625,19.58251953125,11.64111328125], cpus => 2, memory => #{total => 25276502016, free => 4913172480,
        available => 22064066560, swap_total => 0, swap_free => 0}, temperatures => #{}, disk => #{<<\"/\">> => #{total => 270553174016,
        free => 218912468992, available => 45932044288}}, links => #{'hub@127.0.0.1' => #{visible => true, held => false, recv_cnt => 9,
        recv_oct => 1024, send_cnt => 37, send_oct => 4829, send_pend => 0}, 'beamless-edf@vm.localdomain' => #{visible => false,
        held => false, recv_cnt => 2, recv_oct => 294, send_cnt => 0, send_oct => 19, send_pend => 0}}, mailboxes => #{echo =>
        #{received => 0, dropped => 0}, system => #{received => 3, dropped => 0}, therm => #{received => 0, dropped => 0, groups => [],
        global => false}}, functions => #{calls => 0, failed => 0, waiting => 0, running => 0}, publish => [#{label => <<\"load\">>,
        to => collector, node => 'hub@127.0.0.1', sent => 6, kept => 0, dropped => 0}, #{label =>
        <<\"uptime of the box in the cellar\">>, to => collector, node => 'gone@127.0.0.1', sent => 0, kept => 3, dropped => 0}]}";

    /// What one tells that has all there is.
    const NEW: &str = "#{node => 'edge@nuc1', version => <<\"0.2.0\">>, running => 7500, uptime => 273600, load => [0.21,0.34,0.4], cpus => 4,
        memory => #{total => 970981376, free => 1000000, available => 543749571, swap_total => 0, swap_free => 0}, temperatures =>
        #{<<\"cpu-thermal\">> => 45.24}, disk => #{<<\"/\">> => #{total => 15032385536, free => 400000000, available => 300647711}},
        certificate => #{valid_until => 1800000000, left => 5270400}, functions => #{calls => 12, failed => 1, waiting => 0, running => 0},
        links => #{'hub@nuc3' => #{visible => true, held => {mailbox,therm}, recv_cnt => 1200, recv_oct => 109051904, send_cnt => RATE,
        send_oct => 1048576, send_pend => 2048}}, nodes => #{'hub@nuc3' => #{connected => true, since => 7400, reason => false},
        'store@nuc4' => #{connected => false, since => 340, reason => <<\"no epmd answers on nuc4, port 4369\">>}}, mailboxes => #{therm =>
        #{received => RATE, dropped => 2, groups => [], global => false}, echo => #{received => 1, dropped => 0}}, programs => #{therm =>
        #{running => false, since => 3, restarts => 14, last_exit => <<\"exit status: 3\">>, calls => 1, unread => 7}}, publish =>
        [#{label => <<\"temp\">>, to => collector, nodes => ['hub1@nuc3','hub2@nuc4'], sent => RATE, kept => 0, dropped => 0,
        every => 1000, age => 400, waiting => 0, oldest => 0, trouble => false}, #{label => <<\"door\">>, pubsub => <<\"My.PubSub\">>,
        topic => <<\"readings\">>, sent => 10, kept => 41, dropped => 3, every => 60000, age => false, waiting => 12288, oldest => 75,
        trouble => <<\"nobody subscribes\">>}], keep => #{memory => #{used => 12288, limit => 1048576}, disk => #{used => 0,
        limit => 16777216, failed => false}}, log => #{dropped => 5}, health => #{state => warning, alarms => [#{what => node_away,
        name => <<\"store@nuc4\">>, since => 340, text => <<\"no epmd answers on nuc4, port 4369: is a node running there\">>},
        #{what => disk_full, name => <<\"/\">>, since => 90000, text => <<\"98% are taken\">>}]}}";

    fn shown(parts: &Parts) -> String {
        parts
            .iter()
            .map(|part| part.iter().map(|line| line.text.clone() + "\n").collect::<String>())
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[track_caller]
    fn is_shown(subjects: &[Subject], want: &str) {
        let shown = shown(&draw(subjects, 80));
        assert_eq!(shown.trim_end(), want.trim(), "\n{shown}");
        for width in [10, 20, 40, 80, 200] {
            for line in draw(subjects, width).iter().flatten() {
                assert!(line.text.chars().count() <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn an_older_agent_shows_what_it_tells() {
        is_shown(&[told("one@127.0.0.1", &[OLD])], OLD_SHOWN);
    }

    #[test]
    fn an_agent_shows_all_there_is() {
        let [first, then] = ["100", "112"].map(|count| NEW.replace("RATE", count));
        is_shown(&[told("edge@nuc1", &[&first])], NEW_SHOWN);
        let subjects = [told("edge@nuc1", &[&first, &then])];
        is_shown(&subjects, WATCHED);
        let parts = draw(&subjects, 80);
        let moved: Vec<&str> =
            parts.iter().flatten().filter(|line| line.stands_out).map(|line| line.text.split(' ').next().unwrap()).collect();
        assert_eq!(moved, ["node_away", "disk_full", "hub@nuc3", "store@nuc4", "temp", "therm"]);
        // a restart begins to count anew
        let again = shown(&draw(&[told("edge@nuc1", &[&then, &first])], 80));
        assert!(!again.contains("-1") && !again.contains("12/s"), "{again}");
    }

    #[test]
    fn twenty_mailboxes_have_room() {
        let mailboxes: Vec<String> = (1..=20).map(|n| format!("sensor_{n} => #{{received => {n}, dropped => 0}}")).collect();
        let info = format!("#{{version => <<\"0.1.0\">>, running => 5, mailboxes => #{{{}}}}}", mailboxes.join(","));
        let parts = draw(&[told("two@nuc1", &[&info])], 80);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 8], "{}", shown(&parts));
        let programs: Vec<String> = (1..=20)
            .map(|n| format!("sensor_{n} => #{{running => true, since => 60, restarts => 3, calls => 2, unread => 1}}"))
            .collect();
        let info = format!("{}, programs => #{{{}}}}}", info.trim_end_matches('}').to_owned() + "}}", programs.join(","));
        let parts = draw(&[told("two@nuc1", &[&info])], 80);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 21], "{}", shown(&parts));
        let lines = fit(&parts, 12);
        assert_eq!(lines.len(), 12);
        assert_eq!(lines.last().unwrap().text, ".. and 12 more");
    }

    #[test]
    fn several_have_a_line_each() {
        let mut away = Subject::new("edge@nuc9".to_owned(), None, false);
        away.fail(State::Away, "no epmd answers on nuc9, port 4369: is a node running there, and the port open?");
        let subjects = [
            told("one@127.0.0.1", &[OLD]),
            told("edge@nuc1", &[&NEW.replace("RATE", "100")]),
            told(
                "edge@nuc2",
                &[
                    "#{version => <<\"0.2.0\">>, running => 60, load => [0.5], health => #{state => ok, alarms => []}, keep => #{memory => #{used => 0, limit => 9}, disk => false}}",
                ],
            ),
            away,
        ];
        is_shown(&subjects, SEVERAL);
        let subjects: Vec<Subject> = (0..100).map(|n| told(&format!("edge@nuc{n}"), &["#{version => <<\"0.2.0\">>}"])).collect();
        let lines = fit(&draw(&subjects, 80), 24);
        assert_eq!(lines.len(), 24);
        assert!(lines.iter().any(|line| line.text.starts_with(".. and ")), "{lines:?}");
    }

    #[test]
    fn one_that_is_away_says_why() {
        let mut away = Subject::new("edge@nuc9".to_owned(), None, false);
        away.fail(State::Away, "the cookies differ; --cookie-file FILE names the file with its cookie");
        is_shown(&[away], "edge@nuc9  away\nthe cookies differ; --cookie-file FILE names the file with its cookie");
    }

    #[test]
    fn what_is_no_map_of_an_agent_is_shown_too() {
        for info in
            ["#{}", "#{links => x, mailboxes => [1], publish => #{}, health => [], load => <<>>, disk => #{1 => 2}}", "#{1 => 2}"]
        {
            let parts = draw(&[told("x@y", &[info, info])], 80);
            assert!(shown(&parts).starts_with("x@y  up"), "{info}");
        }
        let odd = told("x@y", &["#{publish => [#{label => <<\"a\\e[2J\\n\">>, sent => -1}, x], links => #{1 => #{}}}"]);
        assert!(shown(&draw(&[odd], 80)).contains("a\\u{1b}[2J\\n"));
    }

    const OLD_SHOWN: &str = "
one@127.0.0.1  up  0.1.0  running for 5s  box up for 18h 47m
load 23.20 19.58 11.64 on 2 cpus  memory 12% of 23 GiB  disk / 83% of 251 GiB

NODE           STATE    IN  BYTES IN  OUT  BYTES OUT
hub@127.0.0.1  visible   9   1.0 KiB   37    4.7 KiB

PUBLISH                          TO                        SENT  KEPT
load                             collector hub@127.0.0.1      6
uptime of the box in the cellar  collector gone@127.0.0.1     0     3

MAILBOX  RECEIVED
echo            0
system          3
therm           0
";
    const NEW_SHOWN: &str = "
edge@nuc1  warning  0.2.0  running for 2h 5m  box up for 3d 4h
load 0.21 0.34 0.40 on 4 cpus  memory 43% of 926 MiB  disk / 97% of 14 GiB
cpu-thermal 45.2 C  certificate 61d  kept in memory 12 KiB of 1.0 MiB
kept on disk 0 B of 16 MiB  functions: 12 calls, 1 failed, 0 waiting, 0 running
5 log lines dropped

ALARM      ABOUT       SINCE  WHAT
node_away  store@nuc4     5m  no epmd answers on nuc4, port 4369: is a node ru..
disk_full  /           1d 1h  98% are taken

NODE        STATE    SINCE    IN  BYTES IN  OUT  BYTES OUT    WAITS
hub@nuc3    visible  2h 3m  1200   104 MiB  100    1.0 MiB  2.0 KiB
  held by {mailbox,therm}
store@nuc4  away        5m
  no epmd answers on nuc4, port 4369

PUBLISH  TO                    SENT  KEPT  DROPPED  EVERY    AGE   WAITS  OLDEST
temp     collector hub1@nuc..   100                    1s  400ms
door     My.PubSub readings      10    41        3     1m         12 KiB      1m
  nobody subscribes

MAILBOX  RECEIVED  DROPPED  PROGRAM  SINCE  RESTARTS  CALLS  UNREAD
echo            1
therm         100        2  stopped     3s        14      1       7
  exit status: 3
";
    const WATCHED: &str = "
edge@nuc1  warning  0.2.0  running for 2h 5m  box up for 3d 4h
load 0.21 0.34 0.40 on 4 cpus  memory 43% of 926 MiB  disk / 97% of 14 GiB
cpu-thermal 45.2 C  certificate 61d  kept in memory 12 KiB of 1.0 MiB
kept on disk 0 B of 16 MiB  functions: 12 calls, 1 failed, 0 waiting, 0 running
5 log lines dropped

ALARM      ABOUT       SINCE  WHAT
node_away  store@nuc4     5m  no epmd answers on nuc4, port 4369: is a node ru..
disk_full  /           1d 1h  98% are taken

NODE        STATE    SINCE   IN  BYTES IN   OUT  BYTES OUT    WAITS
hub@nuc3    visible  2h 3m  0/s     0 B/s  12/s      0 B/s  2.0 KiB
  held by {mailbox,therm}
store@nuc4  away        5m
  no epmd answers on nuc4, port 4369

PUBLISH  TO              SENT  RATE  KEPT  DROPPED  EVERY    AGE   WAITS  OLDEST
temp     collector hu..   112  12/s                    1s  400ms
door     My.PubSub re..    10   0/s    41        3     1m         12 KiB      1m
  nobody subscribes

MAILBOX  RECEIVED  RATE  DROPPED  PROGRAM  SINCE  RESTARTS  CALLS  UNREAD
echo            1   0/s
therm         112  12/s        2  stopped     3s        14      1       7
  exit status: 3
";
    const SEVERAL: &str = "
4 nodes: 1 warning, 1 away, 1 ok, 1 up

NODE           STATE    VERSION     UP   LOAD  MEMORY   WAITS  NOTE
one@127.0.0.1  up       0.1.0       5s  23.20     12%  3 kept
edge@nuc1      warning  0.2.0    2h 5m   0.21     43%  12 KiB  node_away store..
edge@nuc2      ok       0.2.0       1m   0.50             0 B
edge@nuc9      away                                            no epmd answers..
";
}

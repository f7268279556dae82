//! `beamless status`: how agents and Erlang nodes are, asked by themselves and through a hub.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Agent, Epmd, Erl, World, free_port, signal, wait_for_exit};
use crate::tool::{A, world_and_erl};

const B: &str = "b@127.0.0.1";
const NODES: [&str; 3] = ["one@127.0.0.1", "two@127.0.0.1", "three@127.0.0.1"];

/// The cluster of these tests: an Erlang `a` that three agents and a hidden Erlang `b` are connected to. The first agent publishes to it, and to one
/// that is away.
struct Cluster {
    world: World,
    _epmd: Epmd,
    a: Erl,
    _b: Erl,
    agents: Vec<Agent>,
}

fn cluster() -> Cluster {
    let (world, epmd, a) = world_and_erl();
    a.eval("register(collector, self())");
    fs::write(world.home.join("reading"), "21.5\n").unwrap();
    let publish = |label: &str, node: &str| {
        format!(
            "[[publish]]\nlabel = \"{label}\"\nfile = \"reading\"\nevery = \"100ms\"\nto = \"collector\"\nnode = \"{node}\"\n"
        )
    };
    let program = "[mailbox.therm]\ncommand = [\"/bin/cat\"]\n";
    let file = program.to_owned() + &publish("temp", A) + &publish("a \\\"quoted\\\" \\\\ label", "gone@127.0.0.1");
    fs::write(world.home.join("one.toml"), file).unwrap();
    let one = world.agent(&["--name", NODES[0], "--config", "one.toml", "--connect", A]);
    let two = world.agent(&["--name", NODES[1], "--connect", A]);
    let three = world.agent(&["--name", NODES[2], "--visible", "--connect", A]);
    let b = world.erl(&["-name", B, "-hidden"]);
    assert_eq!(b.eval(&format!("net_kernel:connect_node('{A}')")), "true");
    a.eval_until("length(nodes(connected))", "4");
    Cluster { world, _epmd: epmd, a, _b: b, agents: vec![one, two, three] }
}

/// The objects on the lines of what was printed.
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn named(objects: &[Value]) -> BTreeMap<&str, (&str, &Value)> {
    let text = |object: &'_ Value, key| object[key].as_str().unwrap().to_owned().leak() as &str;
    objects.iter().map(|object| (text(object, "node"), (text(object, "state"), &object["info"]))).collect()
}

#[test]
fn one_shows_all_it_tells_and_several_a_line_each() {
    let Cluster { world, _epmd, a, _b, agents } = cluster();
    a.eval(
        "(fun Read(0) -> ok; Read(N) -> receive {publish, _, <<\"temp\">>, _, _} -> Read(N - 1); \
        {publish, _, <<\"temp\">>, _, _, _} -> Read(N - 1) end end)(3)",
    );
    let one = world.tool(&["status", NODES[0]]);
    // whether one that is away is a reason for an alarm is the agent's to say
    assert!(one.code < 2, "{one:?}");
    for words in
        [NODES[0], env!("CARGO_PKG_VERSION"), "load ", "memory ", "NODE", A, "PUBLISH", "temp", "collector", "MAILBOX", "therm"]
    {
        assert!(one.out.contains(words), "no {words:?} in {}", one.out);
    }
    let two = world.tool(&["status", NODES[1]]);
    assert_eq!((two.code, two.err.as_str()), (0, ""));
    assert!(!two.out.contains("PUBLISH"), "{}", two.out);
    let erlang = world.tool(&["status", A]);
    assert_eq!((erlang.code, erlang.err.as_str()), (0, ""));
    let hidden = erlang.out.lines().filter(|line| line.ends_with("  hidden")).count();
    assert_eq!(hidden, 3, "{}", erlang.out);
    for words in ["OTP ", "no agent", "processes", NODES[2]] {
        assert!(erlang.out.contains(words), "no {words:?} in {}", erlang.out);
    }
    assert!(!erlang.out.contains("beamless-"), "itself is no node to look at: {}", erlang.out);

    let several = world.tool(&["status", NODES[1], A, B, "gone@127.0.0.1", NODES[1]]);
    several_lines(&several.out, &[(NODES[1], ""), (A, "up"), (B, "up"), ("gone@127.0.0.1", "away")]);
    several.failed(1, &several.out, &["gone@127.0.0.1 is away", "knows no node of that name"]);
    // a narrow terminal
    let mut narrow = world.tool_command(&["status", NODES[0], A]);
    let narrow = narrow.env("COLUMNS", "40").output().unwrap();
    let text = String::from_utf8(narrow.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 40) && text.contains(".."), "{text}");
    assert!([&one, &two, &erlang, &several].iter().all(|ran| ran.out.lines().all(|line| line.chars().count() <= 80)));
    drop(agents);
}

/// The table has these nodes in this order, each in this state, where one is told.
#[track_caller]
fn several_lines(out: &str, want: &[(&str, &str)]) {
    let lines: Vec<Vec<&str>> = out.lines().skip(3).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines.iter().map(|words| words[0]).collect::<Vec<_>>(),
        want.iter().map(|(node, _)| *node).collect::<Vec<_>>(),
        "{out}"
    );
    for (words, (_, state)) in lines.iter().zip(want).filter(|(_, (_, state))| !state.is_empty()) {
        assert_eq!(&words[1], state, "{out}");
    }
}

/// An Erlang hub asks them itself, so that those are seen, too, that nobody else can connect to; an agent tells their names.
#[test]
fn a_hub_tells_of_all_that_it_sees() {
    let Cluster { world, _epmd, a: _a, _b, agents } = cluster();
    let all = world.tool(&["status", "--json", "--all", A]);
    let found = objects(&all.out);
    let nodes = named(&found);
    assert_eq!(nodes.keys().copied().collect::<BTreeSet<_>>(), [A, B].into_iter().chain(NODES).collect());
    assert_eq!(found[0]["node"], A, "the hub comes first");
    for node in NODES {
        assert_eq!(nodes[node].1["version"], env!("CARGO_PKG_VERSION"), "{node}");
    }
    assert_eq!((nodes[B].0, nodes[A].0), ("up", "up"));
    assert_eq!(nodes[A].1["links"][NODES[2]]["visible"], true);
    assert_eq!(nodes[B].1["links"][A]["visible"], false);

    // whoever asks knows no more than where the hub is
    let port = crate::tool::port_of(&world, "a");
    let elsewhere = world.with_epmd_port(free_port());
    let behind = elsewhere.tool(&["status", "--json", "--all", &format!("{A}:{port}")]);
    assert_eq!(named(&objects(&behind.out)).keys().collect::<Vec<_>>(), nodes.keys().collect::<Vec<_>>());

    // and with an agent for a hub
    let of_agent = world.tool(&["status", "--json", "--all", NODES[2]]);
    assert_eq!(named(&objects(&of_agent.out)).keys().copied().collect::<BTreeSet<_>>(), [A, NODES[2]].into_iter().collect());

    // one that is stopped, and so connected still
    agents[1].signal("STOP");
    let silent = world.tool(&["status", "--json", "--all", "--timeout", "4", A]);
    agents[1].signal("CONT");
    assert_eq!(silent.code, 1);
    let silent_nodes = objects(&silent.out);
    let states = named(&silent_nodes);
    assert_eq!((states[NODES[1]].0, states[B].0), ("silent", "up"), "{}", silent.out);
    assert!(silent.err.contains("two@127.0.0.1 is silent: it does not answer"), "{}", silent.err);
}

#[test]
fn what_cannot_be_asked_is_told() {
    let Cluster { world, _epmd, a: _a, _b, agents } = cluster();
    world.tool(&["status"]).failed(2, "", &["NODE is missing"]);
    world.tool(&["status", "a@b@c"]).failed(2, "", &["exactly one '@'"]);
    world.tool(&["status", A, "short@here"]).failed(2, "", &["short@here beside a@127.0.0.1", "ask for each by itself"]);
    world.tool(&["status", "--json", "--prometheus", A]).failed(2, "", &["leave one out"]);
    world.tool(&["status", "--watch", "--prometheus", A]).failed(2, "", &["leave --watch out"]);
    let away = world.with_cookie("ANOTHER").tool(&["status", A]);
    away.failed(1, &away.out, &["a@127.0.0.1 is away: ", "the cookies differ", "--cookie-file"]);
    assert!(away.out.starts_with("a@127.0.0.1  away\n"), "{}", away.out);
    // one that is given by its port, which nobody listens at
    let port = free_port();
    let away = world.tool(&["status", &format!("{A}:{port}")]);
    away.failed(1, &away.out, &[&format!("port {port} of 127.0.0.1 refused the connection")]);
    drop(agents);
}

/// The samples of a text in the format of Prometheus, by name and labels, and the kinds of the metrics. It holds to the rules: one HELP and one TYPE
/// in front of all samples of a metric, none of which stands there twice; names, escapes and numbers as they have to be.
fn exposition(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    assert!(text.ends_with('\n'), "the last line is a line");
    let (mut samples, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    let (mut helped, mut current) = (String::new(), String::new());
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty() && !help.contains('\\'), "{line}");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "HELP comes first");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} stands there twice");
            name.clone_into(&mut current);
        } else {
            let (name, rest) = line.split_at(line.find('{').unwrap());
            assert_eq!(name, current, "samples stand below their TYPE");
            let (labels, value) = labels(&rest[1..]);
            assert!(labels.iter().all(|(label, _)| is_name(label) && !label.contains(':')), "{line}");
            assert_eq!(labels.iter().map(|(label, _)| label).collect::<BTreeSet<_>>().len(), labels.len(), "{line}");
            let value: f64 = value.strip_prefix(' ').unwrap().parse().unwrap_or_else(|e| panic!("{e}: {line}"));
            let labels: BTreeMap<String, String> = labels.into_iter().collect();
            assert!(samples.insert(format!("{name} {labels:?}"), value).is_none(), "twice: {line}");
        }
    }
    (samples, kinds)
}

/// Reads `name="value",..}`, and returns what follows.
fn labels(text: &str) -> (Vec<(String, String)>, &str) {
    let (mut labels, mut rest) = (Vec::new(), text);
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect("a quote ends a value") {
                (end, '"') => break end,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("\\{c} is no escape"),
                }),
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').unwrap();
    }
}

#[test]
fn a_file_for_prometheus_keeps_the_rules() {
    let Cluster { world, _epmd, a: _a, _b, agents } = cluster();
    let ran = world.tool(&["status", "--prometheus", "--all", A, "gone@127.0.0.1"]);
    // whoever is away is in the file, which is to be written
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let (samples, kinds) = exposition(&ran.out);
    let of = |metric: &str, labels: &[(&str, &str)]| {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let key = format!("beamless_{metric} {labels:?}");
        *samples.get(&key).unwrap_or_else(|| panic!("no {key} in {samples:#?}"))
    };
    for node in [A, B].into_iter().chain(NODES) {
        assert_eq!(of("up", &[("node", node)]), 1.0);
    }
    assert_eq!(of("up", &[("node", "gone@127.0.0.1")]), 0.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(of("info", &[("node", NODES[0]), ("system", "beamless"), ("version", version)]), 1.0);
    assert!(of("link_sent_messages_total", &[("node", NODES[0]), ("peer", A)]) > 0.0);
    assert_eq!(of("mailbox_dropped_messages_total", &[("node", NODES[0]), ("mailbox", "therm")]), 0.0);
    let quoted = [("node", NODES[0]), ("label", "a \"quoted\" \\ label"), ("to", "collector gone@127.0.0.1")];
    assert_eq!(of("publish_sent_readings_total", &quoted), 0.0);
    assert!(of("publish_kept_readings", &quoted) >= 0.0);
    assert_eq!(kinds["beamless_publish_sent_readings_total"], "counter");
    assert_eq!(kinds["beamless_up"], "gauge");
    drop(agents);
}

/// Two nodes are watched, of which one is killed, and comes back.
#[test]
fn who_is_watched_goes_and_comes() {
    let Cluster { world, _epmd, a: _a, _b, mut agents } = cluster();
    let command = world.tool_command(&["status", "--watch", "--json", NODES[0], NODES[1]]);
    let mut watch = world.launch_between(command, Stdio::null(), Stdio::piped());
    let state = |state: &str| format!("{{\"node\":\"{}\",\"state\":\"{state}", NODES[1]);
    watch.wait(&[&state(""), "\"version\""]);
    agents[1].kill();
    let from = watch.log.len();
    watch.wait_from(from, &[&state("away")]);
    agents[1] = world.agent(&["--name", NODES[1], "--connect", A]);
    let from = watch.log.len();
    watch.wait_from(from, &[&state(""), "\"version\""]);
    watch.signal("INT");
    assert_eq!(watch.exit_code(), Some(0));
}

/// A node that two hubs see is shown by the one that is left.
#[test]
fn a_second_hub_tells_of_what_the_first_saw() {
    let (world, _epmd, mut a) = world_and_erl();
    let b = world.erl(&["-name", B]);
    let _one = world.agent(&["--name", NODES[0], "--connect", A]);
    let command = world.tool_command(&["status", "--all", "--watch", "--json", A, B]);
    let mut watch = world.launch_between(command, Stdio::null(), Stdio::piped());
    let said = |node: &str, state: &str| format!("{{\"node\":\"{node}\",\"state\":\"{state}");
    // the second one sees it later
    watch.wait(&[&said(NODES[0], ""), "\"version\""]);
    assert_eq!(b.eval(&format!("net_kernel:connect_node('{}')", NODES[0])), "true");
    a.kill();
    let from = watch.log.len();
    watch.wait_from(from, &[&said(A, "away")]);
    let from = watch.log.len();
    watch.wait_from(from, &[&said(NODES[0], ""), "\"version\""]);
    watch.signal("INT");
    assert_eq!(watch.exit_code(), Some(0));
}

/// The reader of its output reads nothing, and there is no room for a word.
#[test]
fn a_reader_that_stands_still_keeps_it_from_nothing() {
    let (world, _epmd, erl) = world_and_erl();
    let (_ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    while (&theirs).write(&[b'x'; 4096]).is_ok() {}
    theirs.set_nonblocking(false).unwrap();
    let mut command = world.tool_command(&["status", "--watch", A]);
    command.stdout(OwnedFd::from(theirs));
    let mut watch = command.spawn().unwrap();
    drop(command);
    erl.eval_until("length(nodes(hidden))", "1");
    // there is something to write by then; were there not, it would be green without need
    std::thread::sleep(std::time::Duration::from_secs(3));
    signal(watch.id(), "TERM");
    let status = wait_for_exit(&mut watch, "status --watch to end");
    assert_eq!(status.code(), Some(0));
}

/// On a terminal that `script` makes: the picture is on its other screen, and the first screen is there again in the end.
#[test]
fn a_terminal_is_left_as_it_was() {
    let Cluster { world, _epmd, a: _a, _b, agents } = cluster();
    let binary = crate::binaries::beamless();
    let shell = format!("stty cols 60 rows 12; echo $$ > pid; exec {} status --watch {} {A}", binary.display(), NODES[0]);
    let mut command = crate::children::command("script");
    command.args(["-q", "-c", &shell, "/dev/null"]);
    let mut watch = world.launch_between(command, Stdio::piped(), Stdio::piped());
    watch.wait(&["\u{1b}[?1049h"]);
    watch.wait(&[NODES[0], "\u{1b}"]);
    let pid = fs::read_to_string(world.home.join("pid")).unwrap();
    signal(pid.trim().parse().unwrap(), "TERM");
    watch.exit_code();
    let text = watch.log.text();
    assert!(text.contains("\u{1b}[?1049l"), "{text:?}");
    drop(agents);
}

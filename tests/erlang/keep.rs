//! Readings that wait on disk: over kills at any moment, with a disk that fails, and that nothing is written while there is nothing to wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::shim::{Fault, Shim};
use crate::support::{Agent, Erl, World, until};

/// Publishes 1, 2, 3, .., each of which has a line with the time at which it was made. A new agent goes on where the one before was.
const COUNTER: &str = r#"
    [[publish]]
    command = ["sh", "-c", "date +%s%3N >>count; wc -l <count"]
    as = "number"
    every = "100ms"
    label = "counter"
    to = "collector"
    node = "a"

    [keep]
    disk = "4MiB"
    sync = "1s"
"#;

/// The time from which a reading is on disk, and some more for a machine that is busy.
const WRITTEN_AFTER: u64 = 10_000;

const ARGUMENTS: [&str; 6] = ["--sname", "demo", "--config", "agent.toml", "--state-dir", "state"];

/// A hub that comes and goes, and what it got.
struct Hub<'w> {
    world: &'w World,
    node: Option<Erl>,
    /// Each number and value, in the order in which they came.
    got: Vec<(u64, usize)>,
}

impl<'w> Hub<'w> {
    fn new(world: &'w World) -> Self {
        Self { world, node: None, got: Vec::new() }
    }

    /// The process is there before the node can be found: whoever registers just behind a reading that was dropped seems to have it.
    fn comes(&mut self) {
        let world = self.world;
        self.node.get_or_insert_with(|| {
            let node = world.launch_erl(&[]);
            node.eval("register(collector, self())");
            assert!(node.eval("net_kernel:start([a, shortnames])").starts_with("{ok,"));
            node
        });
    }

    /// The process goes, and the node with it: what it has is taken before.
    fn goes(&mut self) {
        if let Some(node) = &self.node {
            node.eval("unregister(collector)");
            self.take();
            self.node = None;
        }
    }

    fn take(&mut self) {
        let Some(node) = &self.node else { return };
        let got = node.eval(
            "(fun F(Got) -> receive {publish, _, <<\"counter\">>, Ms, V, N} when is_integer(Ms) -> F([[N, V] | Got]) \
             after 0 -> lists:reverse(Got) end end)([])",
        );
        let numbers: Vec<u64> =
            got.split(['[', ']', ',']).filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect();
        self.got.extend(numbers.chunks(2).map(|pair| (pair[0], pair[1] as usize)));
    }

    /// Waits until this value is there.
    fn until_got(&mut self, value: usize) {
        until("the last reading", || {
            self.take();
            self.got.iter().any(|(_, got)| *got >= value).then_some(())
        });
    }

    /// What came, without repeats, which must be equal to what came first; numbers and values grow.
    fn first_ones(&self) -> Vec<usize> {
        let mut seen = BTreeMap::new();
        let mut values = Vec::new();
        for (number, value) in &self.got {
            match seen.get(number) {
                None => {
                    let last = seen.last_key_value().map_or(0, |(last, _)| *last);
                    assert!(*number > last && values.last().is_none_or(|last| last < value), "{number} {value} behind {last}");
                    seen.insert(*number, *value);
                    values.push(*value);
                }
                Some(before) => assert_eq!(before, value, "a number that is not a repeat's"),
            }
        }
        values
    }
}

fn world() -> World {
    let world = World::new();
    fs::write(world.home.join("agent.toml"), COUNTER).unwrap();
    world
}

/// The times at which readings were made.
fn made(world: &World) -> Vec<u64> {
    let text = fs::read_to_string(world.home.join("count")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn until_made(world: &World, count: usize) {
    until("more readings", || (made(world).len() >= count).then_some(()));
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The files below the state folder: their sizes, and when they were changed last.
fn state(world: &World) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let (mut folders, mut found) = (vec![world.home.join("state")], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // it may be gone meanwhile
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path(), (about.len(), about.modified().unwrap()));
        }
    }
    found
}

/// The bytes on disk of what waits.
fn on_disk(world: &World) -> u64 {
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    state(world).iter().filter(|(path, _)| is_segment(path)).map(|(_, (length, _))| *length).sum()
}

/// The numbers of the readings on disk. A record has 25 bytes in front, with the length of the rest, and whether it is an acknowledgement (2);
/// the rest begins with a version and the number.
fn numbers_on_disk(world: &World) -> Vec<u64> {
    let mut numbers = Vec::new();
    for segment in state(world).keys().filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
        let bytes = fs::read(segment).unwrap();
        let mut rest = bytes.get(16..).unwrap_or(&[]);
        while let Some((head, more)) = rest.split_at_checked(25) {
            let length = u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize;
            // one may be written in part
            let Some((payload, more)) = more.split_at_checked(length) else { break };
            if head[8] == 1 && payload.len() > 33 {
                numbers.push(u64::from_le_bytes(payload[1..9].try_into().unwrap()));
            }
            rest = more;
        }
    }
    numbers
}

/// What the agent had written to files, as the system counts it.
fn written(demo: &Agent) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", demo.pid())).unwrap();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap().parse().unwrap()
}

/// Kills the agent at moments that this seed has, while the hub comes and goes.
fn kills(rounds: usize, mut seed: u64) {
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let world = world();
    let _epmd = world.epmd();
    let mut hub = Hub::new(&world);
    let (mut killed, mut safe) = (Vec::new(), BTreeSet::new());
    let mut demo = world.agent(&ARGUMENTS);
    until("readings on disk", || (on_disk(&world) > 0).then_some(()));
    for _ in 0..rounds {
        match random(6) {
            0 | 1 => hub.comes(),
            2 | 3 => hub.goes(),
            _ => {}
        }
        if random(4) == 0 && hub.node.is_none() {
            until("readings on disk", || (on_disk(&world) > 0).then_some(()));
        }
        std::thread::sleep(Duration::from_millis(random(1500)));
        killed.push(now());
        demo.kill();
        safe.extend(numbers_on_disk(&world));
        demo = world.agent(&ARGUMENTS);
    }
    hub.comes();
    let count = made(&world).len();
    until_made(&world, count + 1);
    hub.until_got(count + 1);
    let values = hub.first_ones();
    let times = made(&world);
    let mut lost = 0;
    for value in 1..=count {
        if values.binary_search(&value).is_err() {
            let time = times[value - 1];
            let is_young = |kill: &u64| (kill.saturating_sub(WRITTEN_AFTER)..=kill + 100).contains(&time);
            assert!(killed.iter().any(is_young), "{value} of {count} is lost, made at {time}; kills at {killed:?}");
            lost += 1;
        }
    }
    let got: BTreeSet<u64> = hub.got.iter().map(|(number, _)| *number).collect();
    println!(
        "{rounds} kills: {count} readings made, {} arrived, {} of them again, {} were on disk at a kill, {lost} lost that were too young",
        values.len(),
        hub.got.len() - values.len(),
        safe.len()
    );
    let missing: Vec<&u64> = safe.difference(&got).collect();
    assert!(missing.is_empty(), "on disk and lost: {missing:?}");
    assert!(safe.len() > rounds, "{}", safe.len());
}

/// Half a minute, since a reading is written once it has waited for some seconds.
#[test]
fn what_is_on_disk_outlives_a_kill_at_any_moment() {
    kills(10, 16);
}

/// By hand, with `--ignored --nocapture`: half an hour, or as many kills as `KEEP_KILLS` says.
#[test]
#[ignore = "takes half an hour"]
fn what_is_on_disk_outlives_five_hundred_kills() {
    let rounds = std::env::var("KEEP_KILLS").ok().and_then(|count| count.parse().ok());
    kills(rounds.unwrap_or(500), now());
}

/// A program that says something once its input ends, for a receiver that it had nothing for before as well.
const LAST: &str = r#"
trap '' TERM
echo "{publish,box,a,{first,$1}}"
while read -r call; do id=${call#*,}; id=${id%%,*}; done
echo "{publish,box,a,{last,$1}}"
echo "{publish,box$1,a,{last,$1}}"
[ -z "$id" ] || echo "{reply,$id,answered}"
"#;

/// Where its settings change, and where the agent ends.
#[test]
fn what_a_program_says_until_it_has_ended_counts() {
    let world = World::new();
    fs::write(world.home.join("last.sh"), LAST).unwrap();
    let write = |start: u8| {
        let text = format!("[keep]\ndisk = \"1MiB\"\n[mailbox.p]\ncommand = [\"sh\", \"last.sh\", \"{start}\"]\n");
        fs::write(world.home.join("agent.toml"), text).unwrap();
    };
    let hub = || {
        let hub = world.erl(&["-sname", "a"]);
        hub.eval(
            "[register(Name, spawn(fun() -> (fun F(Got) -> receive {got, P} -> P ! {got, lists:usort(Got)}, F(Got); \
             {publish, _, _, _, V, _} -> F([V | Got]) end end)([]) end)) || Name <- [box, box1, box2]]",
        );
        hub
    };
    let has = |hub: &Erl, name: &str, want: &str| {
        hub.eval_until(&format!("(fun() -> {name} ! {{got, self()}}, receive {{got, Got}} -> Got end end)()"), want);
    };
    let _epmd = world.epmd();
    write(1);
    let mut demo = world.agent(&ARGUMENTS);
    let node = hub();
    has(&node, "box", "[{first,1}]");
    let caller = world.erl(&["-sname", "b"]);
    let call = caller.ask(&format!("catch gen_server:call({{p,{}}}, who, 60000)", demo.atom()));
    let unread = format!("maps:get(calls, maps:get(p, gen_server:call({{system,{}}}, {{info, programs}}, 60000)))", demo.atom());
    node.eval_until(&unread, "1");
    write(2);
    demo.signal("HUP");
    has(&node, "box", "[{first,1},{first,2},{last,1}]");
    has(&node, "box1", "[{last,1}]");
    assert_eq!(caller.answer(call), "answered");
    drop(node);
    demo.wait(&["node down: a@"]);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    demo.wait(&["readings are kept on disk until the next start"]);
    let node = hub();
    write(3);
    let _demo = world.agent(&ARGUMENTS);
    has(&node, "box", "[{first,3},{last,2}]");
    has(&node, "box2", "[{last,2}]");
}

/// A program that says much once its input ends, more than memory has, than a connection takes at once, and than a pipe holds.
const MUCH: &str = r#"
trap '' TERM
while read -r line; do :; done
x=$(printf '%01000d' 0)
for i in $(seq 50); do echo "{send,box,a,{$i,<<\"$x\">>}}"; done
for i in $(seq 51 130); do echo "{publish,$1,a,{$i,<<\"$x\">>}}"; done
echo "all said" >&2
"#;

/// Nothing of it is lost where the node takes it, and without a disk either.
#[test]
fn much_that_a_program_says_as_it_ends_arrives() {
    let world = World::new();
    fs::write(world.home.join("much.sh"), MUCH).unwrap();
    let write = |name: &str| {
        let text =
            format!("connect = [\"a\"]\n[keep]\nmemory = \"64KiB\"\n[mailbox.p]\ncommand = [\"sh\", \"much.sh\", \"{name}\"]\n");
        fs::write(world.home.join("agent.toml"), text).unwrap();
    };
    let _epmd = world.epmd();
    let hub = world.erl(&["-sname", "a"]);
    hub.eval(
        "Box = fun F(Got) -> receive {got, P} -> P ! {got, length(lists:usort(Got))}, F(Got); {I, _} -> F([I | Got]); \
         {publish, _, _, _, {I, _}, _} -> F([I | Got]) end end, [register(Name, spawn(fun() -> Box([]) end)) || Name <- [box, box1, box2]]",
    );
    let has = |name: &str, want: &str| {
        hub.eval_until(&format!("(fun() -> {name} ! {{got, self()}}, receive {{got, Got}} -> Got end end)()"), want);
    };
    write("box1");
    let mut demo = world.agent(&ARGUMENTS);
    demo.wait(&["mailbox p: started"]);
    demo.wait(&["node up: a@"]);
    write("box2");
    demo.signal("HUP");
    demo.wait(&["all said"]);
    has("box", "50");
    has("box1", "80");
    hub.eval("exit(whereis(box), kill), timer:sleep(50), register(box, spawn(fun() -> Box([]) end))");
    hub.eval(&format!("M = monitor(process, {{p, {}}})", demo.atom()));
    let before = demo.log.len();
    demo.signal("TERM");
    // a box that publishes to it is to keep what nobody reads any more
    assert_eq!(hub.eval("receive {'DOWN', M, _, _, Why} -> Why end"), "shutdown");
    assert_eq!(demo.exit_code(), Some(0));
    demo.wait_from(before, &["all said"]);
    has("box", "50");
    has("box2", "80");
    assert_eq!(demo.log.count(&["lost"]) + demo.log.count(&["dropped"]), 0, "{}", demo.log.text());
}

/// A disk that is full, read-only or broken: it is said once, and all is kept in memory.
#[test]
fn with_a_disk_that_fails_readings_wait_in_memory() {
    for fault in [Fault::Full, Fault::ReadOnly, Fault::Broken] {
        let world = world();
        let _epmd = world.epmd();
        let folder = world.home.join("state/readings");
        fs::create_dir_all(&folder).unwrap();
        let mut shim = Shim::new(&world, "shim");
        shim.set_fault(Some((fault, &folder)));
        let demo = shim.agent(&world, &ARGUMENTS);
        let why = match fault {
            Fault::Full => "No space left on device",
            Fault::ReadOnly => "Read-only file system",
            Fault::Broken => "Input/output error",
        };
        demo.wait(&["state/readings", why, "readings are kept in memory alone"]);
        let count = made(&world).len();
        until_made(&world, count + 20);
        let mut hub = Hub::new(&world);
        hub.comes();
        hub.until_got(count + 20);
        let values = hub.first_ones();
        assert!(values.iter().copied().eq(1..=values.len()), "{fault:?}: {values:?}");
        assert_eq!(demo.log.count(&["readings are kept in memory alone"]), 1, "{fault:?}");
    }
}

/// With the hub at hand nothing is written behind the start.
#[test]
fn nothing_is_written_while_readings_arrive() {
    nothing_is_written(100);
}

/// By hand, with `--ignored --nocapture`: an hour, or as many readings as `KEEP_READINGS` says.
#[test]
#[ignore = "takes an hour"]
fn nothing_is_written_for_an_hour() {
    let readings = std::env::var("KEEP_READINGS").ok().and_then(|count| count.parse().ok());
    nothing_is_written(readings.unwrap_or(72_000));
}

fn nothing_is_written(readings: usize) {
    let world = world();
    // without a program for each, which would write to the test's own folder; two, for twenty in a second
    fs::write(world.home.join("temp"), "21.5").unwrap();
    let (counter, keep) = COUNTER.split_once("[keep]").unwrap();
    let first = counter.replace(r#"command = ["sh", "-c", "date +%s%3N >>count; wc -l <count"]"#, r#"file = "temp""#);
    let second = first.replace("\"counter\"", "\"second\"");
    fs::write(world.home.join("agent.toml"), [&first, &second, "[keep]", keep].concat()).unwrap();
    let _epmd = world.epmd();
    let hub = world.erl(&["-sname", "a"]);
    hub.eval(
        "register(collector, spawn(fun() -> (fun F(C) -> receive {publish, _, _, _, 21.5, _} -> F(C + 1); \
         {count, From} -> From ! {count, C}, F(C) end end)(0) end))",
    );
    let count =
        || -> usize { hub.eval("(fun() -> collector ! {count, self()}, receive {count, C} -> C end end)()").parse().unwrap() };
    let until_count = |least: usize| {
        while count() < least {
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let demo = world.agent(&ARGUMENTS);
    until_count(20);
    let (before, bytes) = (state(&world), written(&demo));
    assert!(before.keys().any(|path| path.ends_with("starts")), "{before:?}");
    let begun = count();
    until_count(begun + readings);
    assert_eq!((state(&world), written(&demo)), (before, bytes));
    println!("{} readings arrived, 0 bytes were written", count() - begun);
}

/// By hand, with `--ignored --nocapture`: what is written for a reading while the hub is away.
#[test]
#[ignore = "measures"]
fn bytes_for_a_reading() {
    let world = world();
    let demo = world.agent(&ARGUMENTS);
    until("readings on disk", || (on_disk(&world) > 0).then_some(()));
    let (bytes, file, count) = (written(&demo), on_disk(&world), made(&world).len());
    until_made(&world, count + 600);
    let (bytes, file, count) = (written(&demo) - bytes, on_disk(&world) - file, made(&world).len() - count);
    println!("{count} readings: {file} bytes in files, {bytes} bytes written to the disk by the system's own count");
    println!("{} and {} bytes for each", file / count as u64, bytes / count as u64);
}

//! The agent as a service: what it tells a service manager, with a socket of the test's own for systemd's, and what becomes of the unit
//! files with systemd itself. That, and `systemd-analyze` and its kin, are in Debian's package systemd.

use std::fs;
use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::binaries::{beamless, released};
use crate::children::command;
use crate::support::{Agent, World, until};

const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cross/systemd");

/// What systemd is to a service: a socket for its news.
pub(crate) struct Manager {
    socket: PathBuf,
    said: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    pub(crate) fn new(world: &World) -> Self {
        let path = world.home.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let lines = said.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = socket.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                lines.lock().unwrap().extend(text.lines().map(str::to_owned));
            }
        });
        Self { socket: path, said }
    }

    /// An agent, just started, that tells this manager.
    pub(crate) fn launch(&self, world: &World, args: &[&str], variables: &[(&str, &str)]) -> Agent {
        let mut command = command(beamless());
        command.arg("run").args(args).env("NOTIFY_SOCKET", &self.socket).envs(variables.iter().copied());
        world.launch_as(command)
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn count(&self, line: &str) -> usize {
        self.said().iter().filter(|said| *said == line).count()
    }

    /// Waits until all is here that was sent so far.
    fn wait_for_the_last(&self) {
        let before = self.count("THE LAST");
        UnixDatagram::unbound().unwrap().send_to(b"THE LAST", &self.socket).unwrap();
        until("the last word", || (self.count("THE LAST") > before).then_some(()));
    }

    /// Waits until the last status is this.
    pub(crate) fn wait_for_status(&self, status: &str) {
        let line = format!("STATUS={status}");
        until(&line, || {
            self.said().iter().rfind(|said| said.starts_with("STATUS=")).is_some_and(|last| *last == line).then_some(())
        });
    }
}

/// Up is who is registered: not before, and once.
#[test]
fn ready_when_registered() {
    let world = World::new();
    let manager = Manager::new(&world);
    let mut demo = manager.launch(&world, &["--sname", "demo", "--epmd", "external"], &[]);
    demo.wait(&["not registered"]);
    until("the reason in the status", || manager.said().iter().any(|line| line.contains("no epmd answers")).then_some(()));
    assert_eq!(manager.count("READY=1"), 0, "{:?}", manager.said());
    let epmd = world.epmd();
    until("READY", || (manager.count("READY=1") == 1).then_some(()));
    demo.wait_until_up();
    let idle = format!("up as {}; no node connected", demo.node);
    manager.wait_for_status(&idle);
    drop(epmd);
    until("the loss in the status", || manager.said().last().is_some_and(|line| line.contains("; epmd")).then_some(()));
    let _epmd = world.epmd();
    manager.wait_for_status(&idle);
    assert_eq!(manager.count("READY=1"), 1);
}

/// While the name is not registered the agent is connected and works, and asks not to be ended for it.
#[test]
fn a_start_that_waits_for_its_name_asks_for_time() {
    let world = World::new();
    let manager = Manager::new(&world);
    let demo = manager.launch(&world, &["--sname", "demo", "--epmd", "external"], &[("WATCHDOG_USEC", "400000")]);
    demo.wait(&["not registered"]);
    let asked = || manager.count("EXTEND_TIMEOUT_USEC=800000");
    until("time to be asked for again", || (asked() > 2).then_some(()));
    assert_eq!(manager.count("READY=1"), 0);
    let _epmd = world.epmd();
    until("READY", || (manager.count("READY=1") == 1).then_some(()));
    let (before, beats) = (asked(), manager.count("WATCHDOG=1"));
    until("the loop to turn", || (manager.count("WATCHDOG=1") > beats + 2).then_some(()));
    assert_eq!(asked(), before);
}

/// One that does not read is not waited for, and is told all that counts once it does. A name with the end of a line in it is told as one.
#[test]
fn a_manager_that_does_not_read_holds_nothing_up() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    let path = world.home.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send_to(b"X", &path).is_ok() {}
    let file = world.home.join("b.toml");
    let publish = "file = \"nosuchfile\"\nlabel = \"x\\nMAINPID=1\"\nevery = \"1s\"\nto = \"box\"\nnode = \"a\"\n";
    fs::write(&file, format!("sname = \"demo\"\n[health]\nreading_overdue = 2\n[[publish]]\n{publish}")).unwrap();
    let mut command = command(beamless());
    command.args(["run", "--config", "b.toml"]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let mut demo = world.launch_as(command);
    demo.wait_until_up();
    demo.wait(&["warn: alarm: "]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    let mut said = Vec::new();
    let mut bytes = [0; 4096];
    until("all that counts", || {
        let count = socket.recv(&mut bytes).unwrap();
        said.extend(String::from_utf8_lossy(&bytes[..count]).lines().map(str::to_owned));
        let overdue = said.iter().any(|line| line.starts_with("STATUS=") && line.contains("x\\nMAINPID=1"));
        (overdue && ["READY=1", "WATCHDOG=1"].iter().all(|line| said.iter().any(|said| said == line))).then_some(())
    });
    assert!(!said.iter().any(|line| line.starts_with("MAINPID")), "{said:?}");
    // it stands again
    while full.send_to(b"X", &path).is_ok() {}
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
}

/// A sign that the manager had no time for is the first thing that it is told, whatever else waits: without it the agent would be ended.
#[test]
fn a_sign_of_life_is_not_left_out() {
    let world = World::new();
    let path = world.home.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let next = || {
        let mut bytes = [0; 4096];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let mut command = command(beamless());
    command.args(["run", "--sname", "demo", "--epmd", "none"]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000");
    let demo = world.launch_as(command);
    while next() != "READY=1" {}
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send_to(b"X", &path).is_ok() {}
    demo.signal("HUP");
    demo.wait(&["SIGHUP: nothing to reload"]);
    // the next sign is due
    std::thread::sleep(Duration::from_millis(1100));
    let mut said: Vec<String> = Vec::new();
    while !said.iter().any(|words| words.starts_with("RELOADING=1")) {
        match next() {
            // what is behind it was told once there was room
            words if words == "X" => said.clear(),
            words if words.starts_with("STATUS=") => {}
            words => said.push(words),
        }
    }
    assert_eq!(said[0], "WATCHDOG=1");
}

/// As in containers: a name that is no file's.
#[test]
fn the_manager_may_listen_at_an_abstract_name() {
    let world = World::new();
    let _epmd = world.epmd();
    let name = format!("beamless-manager-{}", world.epmd_port);
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut command = command(beamless());
    command.args(["run", "--sname", "demo"]).env("NOTIFY_SOCKET", format!("@{name}"));
    let _demo = world.launch_as(command);
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut bytes = [0; 4096];
    while socket.recv(&mut bytes).map(|count| !bytes[..count].starts_with(b"READY=1")).unwrap() {}
}

/// A box that runs on what worked last says so where people look.
#[test]
fn the_status_has_a_last_configuration() {
    let world = World::new();
    let _epmd = world.epmd();
    let file = world.home.join("b.toml");
    fs::write(&file, "sname = \"demo\"\n").unwrap();
    let manager = Manager::new(&world);
    let start = || {
        let state = world.home.join("state:another");
        let mut demo = manager.launch(&world, &["--config", "b.toml"], &[("STATE_DIRECTORY", state.to_str().unwrap())]);
        demo.wait_until_up();
        demo
    };
    drop(start());
    assert!(world.home.join("state/last.toml").exists());
    fs::write(&file, "").unwrap();
    let demo = start();
    let up = format!("up as {}; ", demo.node);
    manager.wait_for_status(&format!("{up}on the last configuration that worked, since b.toml is wrong; no node connected"));
    fs::write(&file, "sname = \"demo\"\n").unwrap();
    demo.signal("HUP");
    manager.wait_for_status(&format!("{up}no node connected"));
}

/// The status names who is connected, for as long as they are.
#[test]
fn the_status_follows_nodes_that_come_and_go() {
    let world = World::new();
    let manager = Manager::new(&world);
    let mut demo = manager.launch(&world, &["--sname", "demo"], &[]);
    demo.wait_until_up();
    let (mut a, mut b) = (world.erl(&["-sname", "a"]), world.erl(&["-sname", "b"]));
    let up = format!("up as {};", demo.node);
    assert_eq!(a.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    manager.wait_for_status(&format!("{up} 1 connected: {}", a.node));
    assert_eq!(b.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    until("both in the status", || {
        let said = manager.said();
        let last = said.last().unwrap();
        [" 2 connected: ", &a.node, &b.node].iter().all(|part| last.contains(part)).then_some(())
    });
    a.stop();
    manager.wait_for_status(&format!("{up} 1 connected: {}", b.node));
    b.kill();
    manager.wait_for_status(&format!("{up} no node connected"));
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    until("STOPPING", || (manager.count("STOPPING=1") == 1).then_some(()));
    manager.wait_for_status("stopping");
}

/// A status fits into what systemd takes, however long the names.
#[test]
fn a_status_has_an_end() {
    let world = World::new();
    let manager = Manager::new(&world);
    let mut demo = manager.launch(&world, &["--name", "demo@127.0.0.1"], &[]);
    demo.wait_until_up();
    let name = |letter: &str| format!("{}@127.0.0.1", letter.repeat(240));
    let peers: Vec<Agent> = ["a", "b", "c", "d", "e", "f", "g"]
        .iter()
        .map(|letter| world.agent(&["--name", &name(letter), "--connect", &demo.node]))
        .collect();
    until("all of them", || manager.said().last().is_some_and(|last| last.contains("; 7 connected:")).then_some(()));
    let last = manager.said().last().unwrap().clone();
    assert!(last.ends_with(", .."), "{last}");
    assert!(last.len() < 2048, "{}", last.len());
    drop(peers);
}

#[test]
fn ready_at_once_without_epmd() {
    let world = World::new();
    let manager = Manager::new(&world);
    let _demo = manager.launch(&world, &["--sname", "demo", "--epmd", "none"], &[]);
    until("READY", || (manager.count("READY=1") == 1).then_some(()));
}

/// Twice in the time that the watchdog waits, from an agent that has nothing else to do; and not from one that is stuck.
#[test]
fn the_watchdog_hears_from_a_loop_that_turns() {
    let world = World::new();
    let manager = Manager::new(&world);
    let demo = manager.launch(&world, &["--sname", "demo"], &[("WATCHDOG_USEC", "400000")]);
    until("READY", || (manager.count("READY=1") == 1).then_some(()));
    let count = || manager.count("WATCHDOG=1");
    let (begin, before) = (Instant::now(), count());
    until("ten beats", || (count() >= before + 10).then_some(()));
    let most = begin.elapsed().as_millis() / 200 + 2;
    assert!((count() - before) as u128 <= most, "more than {most}");
    demo.signal("STOP");
    until("it to stand still", || demo.is_stopped().then_some(()));
    manager.wait_for_the_last();
    let before = count();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(count(), before);
    demo.signal("CONT");
    until("it to go on", || (count() > before).then_some(()));
}

/// Without a watchdog, or with one that waits for another process, there is nothing to say.
#[test]
fn nobody_is_told_who_does_not_listen() {
    let world = World::new();
    let manager = Manager::new(&world);
    let variables = [("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")];
    let _demo = manager.launch(&world, &["--sname", "demo"], &variables);
    until("READY", || (manager.count("READY=1") == 1).then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(manager.count("WATCHDOG=1"), 0);
}

/// There is nothing to reload: it says so, and whoever asked for it is told that it is done.
#[test]
fn a_hangup_is_no_end_to_a_service() {
    let world = World::new();
    let manager = Manager::new(&world);
    let mut demo = manager.launch(&world, &["--sname", "demo"], &[]);
    demo.wait_until_up();
    demo.signal("HUP");
    demo.wait(&["SIGHUP", "nothing to reload"]);
    until("READY again", || (manager.count("READY=1") == 2).then_some(()));
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    until("STOPPING", || (manager.count("STOPPING=1") == 1).then_some(()));
    // the terminal is gone, and with it whoever started this one
    let mut other = world.agent(&["--sname", "other"]);
    other.signal("HUP");
    assert_eq!(other.exit_code(), None);
}

/// Between RELOADING, with the time that systemd wants beside it, and READY, whatever the file is; and nothing before it is up.
#[test]
fn a_reload_is_told_from_its_begin_to_its_end() {
    let world = World::new();
    let manager = Manager::new(&world);
    let file = world.home.join("demo.toml");
    fs::write(&file, "sname = \"demo\"\nepmd = \"external\"\n").unwrap();
    let demo = manager.launch(&world, &["--config", "demo.toml"], &[]);
    demo.wait(&["not registered"]);
    demo.signal("HUP");
    demo.wait(&["demo.toml read again: nothing to change"]);
    let _epmd = world.epmd();
    until("READY", || (manager.count("READY=1") == 1).then_some(()));
    assert_eq!(manager.count("RELOADING=1"), 0);
    let seconds = || fs::read_to_string("/proc/uptime").unwrap().split('.').next().unwrap().parse::<u64>().unwrap();
    for round in 1..=2 {
        let before = seconds();
        demo.signal("HUP");
        until("READY again", || (manager.count("READY=1") == round + 1).then_some(()));
        let said = manager.said();
        let at = said.iter().rposition(|line| line == "RELOADING=1").unwrap();
        let time: u64 = said[at + 1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!((before..=seconds() + 1).contains(&(time / 1_000_000)), "{time}");
        assert!(said[at..].contains(&"READY=1".to_owned()), "{said:?}");
        fs::write(&file, "sname = \"demo\"\nepmd = \"sometimes\"\n").unwrap();
    }
    demo.wait(&["error: demo.toml:2:8: epmd: \"sometimes\": write one of"]);
    demo.wait(&["error: demo.toml: not taken, all settings stay as they were"]);
}

/// systemd's credential is the cookie, whatever its mode: systemd guards its folder. A file that was named comes first, and a
/// credential of another name is none.
#[test]
fn the_cookie_is_a_credential() {
    let world = World::new();
    let credentials = world.home.join("credentials");
    fs::create_dir(&credentials).unwrap();
    let file = |name: &str, cookie: &str, mode| {
        fs::write(credentials.join(name), cookie).unwrap();
        fs::set_permissions(credentials.join(name), fs::Permissions::from_mode(mode)).unwrap();
        credentials.join(name).display().to_string()
    };
    let launch = |args: &[&str]| {
        let mut command = command(beamless());
        command.arg("run").args(args).env("CREDENTIALS_DIRECTORY", &credentials);
        world.launch_as(command)
    };
    file("another", "NOTTHISONE", 0o400);
    launch(&["--sname", "demo"]).wait(&["up as", "cookie from", ".erlang.cookie"]);
    // as systemd makes it where the file system has access control lists
    let path = file("cookie", "THECREDENTIAL\n", 0o440);
    let mut demo = launch(&["--sname", "demo"]);
    demo.wait_until_up();
    demo.wait(&["up as", "cookie from", &path]);
    let erl = world.erl(&["-sname", "a", "-setcookie", "THECREDENTIAL"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    drop(demo);
    let own = file("own", "ONESOWN", 0o400);
    launch(&["--sname", "demo", "--cookie-file", &own]).wait(&["up as", "cookie from", &own]);
    // torn by a power cut, it is as any other file
    let with_state = ["--sname", "demo", "--state-dir", "state"];
    launch(&with_state).wait_until_up();
    until("it to be kept", || world.home.join("state/last.cookie").exists().then_some(()));
    fs::remove_file(&path).unwrap();
    file("cookie", &"\0".repeat(14), 0o440);
    let demo = launch(&with_state);
    demo.wait(&["error: this node runs with the last cookie that worked, kept in state/last.cookie"]);
    demo.wait(&["up as", "cookie from state/last.cookie"]);
}

/// A line for the journal has its priority in front; one that goes elsewhere has none, though the variable is inherited.
#[test]
fn lines_for_the_journal_have_a_priority() {
    let world = World::new();
    let beamless = beamless().display().to_string();
    let launch = |stream: &str| {
        let mut shell = command("unshare");
        // below this /run the journal takes lines alone
        let run = format!(
            "mount -t tmpfs tmpfs /run && JOURNAL_STREAM={stream} exec {beamless} run --verbose --sname demo --epmd external"
        );
        shell.args(["--mount", "--map-root-user", "sh", "-c", &run]);
        world.launch_as(shell)
    };
    let numbers = "$(stat --dereference --format=%d:%i /proc/self/fd/2)";
    let demo = launch(numbers);
    demo.wait(&["<4>warn: not registered"]);
    let epmd = world.epmd();
    demo.wait(&["<6>up as "]);
    for line in demo.log.text().lines() {
        assert!(["<3>error: ", "<4>warn: ", "<6>", "<7>debug: "].iter().any(|start| line.starts_with(start)), "{line}");
    }
    drop((demo, epmd));
    let demo = launch("1:1");
    let _epmd = world.epmd();
    demo.wait(&["up as "]);
    assert!(!demo.log.text().lines().any(|line| line.starts_with('<')), "{}", demo.log.text());
}

/// EPMD's port is bound by another, and who asks first waits for the agent, which that starts.
#[test]
fn a_question_for_a_name_starts_the_agent() {
    let world = World::new();
    let socket = |more: &[&str]| {
        let mut command = command("systemd-socket-activate");
        command.arg(format!("--listen={}", world.epmd_port)).arg(format!("--setenv=ERL_EPMD_PORT={}", world.epmd_port));
        command.arg(beamless()).args(["run", "--sname", "demo"]).args(more);
        let agent = world.launch_as(command);
        agent.wait(&["Listening on"]);
        agent
    };
    let mut demo = socket(&[]);
    assert_eq!(demo.log.count(&["up as"]), 0);
    world.wait_for_names(&["demo"]);
    demo.wait_until_up();
    demo.wait(&["up as", &format!("epmd embedded on port {}", world.epmd_port)]);
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
    drop((erl, demo));
    // a socket that nobody would serve
    let mut demo = socket(&["--epmd", "external"]);
    world.epmd_names();
    assert_eq!(demo.exit_code(), Some(2));
    demo.wait(&["--epmd"]);
}

/// Programs get the three standard descriptors and no other: not the socket that systemd bound, and nothing that whoever started the agent
/// had left open.
#[test]
fn programs_inherit_three_descriptors() {
    let world = World::new();
    let listed = world.home.join("listed");
    // a shell's own loop takes no descriptor; from 10 on are those it keeps for itself
    let list = r#"for at in 0 1 2 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$at ] || printf '%s ' $at; done"#;
    let config = format!(
        "sname = 'demo'
        [functions]
        'box:descriptors/0' = ['sh', '-c', '''{list}''']
        [mailbox.lister]
        command = ['sh', '-c', '''{{ {list}; }} >{}; exec cat''']",
        listed.display(),
    );
    fs::write(world.home.join("beamless.toml"), config).unwrap();
    let mut socket = command("systemd-socket-activate");
    socket.arg(format!("--listen={}", world.epmd_port)).arg(format!("--setenv=ERL_EPMD_PORT={}", world.epmd_port));
    socket.args(["sh", "-c", "exec 7<beamless.toml 8<&7 9>>left-open; exec \"$0\" run --config beamless.toml"]).arg(beamless());
    let mut demo = world.launch_as(socket);
    demo.wait(&["Listening on"]);
    world.wait_for_names(&["demo"]);
    demo.wait_until_up();
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(erl.eval(&format!("rpc:call({}, box, descriptors, [])", demo.atom())), "<<\"0 1 2 \">>");
    until("the program's own list", || fs::read_to_string(&listed).ok().filter(|list| list.contains("2 ")));
    assert_eq!(fs::read_to_string(&listed).unwrap(), "0 1 2 ");
}

/// systemd's own opinion of the unit files.
#[test]
fn the_units_are_sound_and_the_service_is_hardened() {
    let world = World::new();
    // the binary is where the tests are, not where it is installed
    let service = fs::read_to_string(format!("{UNITS}/beamless.service")).unwrap();
    assert!(service.contains("ExecStart=/usr/local/bin/beamless run --config /etc/beamless/beamless.toml $BEAMLESS_ARGS\n"));
    let service = service.replace("/usr/local/bin/beamless", &beamless().display().to_string());
    fs::write(world.home.join("beamless.service"), service).unwrap();
    fs::copy(format!("{UNITS}/beamless-epmd.socket"), world.home.join("beamless-epmd.socket")).unwrap();
    let analyze = |args: &[&str]| {
        let mut command = command("systemd-analyze");
        command.args(args).current_dir(&world.home).env("HOME", &world.home);
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; apt-get install systemd"))
    };
    let told = |output: &Output| [&output.stdout[..], &output.stderr].concat();
    for unit in ["beamless.service", "beamless-epmd.socket"] {
        let text = fs::read_to_string(world.home.join(unit)).unwrap();
        assert!(text.contains("\nDocumentation=man:beamless(1) man:beamless.toml(5)\n"), "{unit}");
    }
    // the manual pages are not installed here
    let verified = analyze(&["verify", "--man=no", "--recursive-errors=no", "./beamless.service", "./beamless-epmd.socket"]);
    assert!(verified.status.success() && told(&verified).is_empty(), "{}", String::from_utf8_lossy(&told(&verified)));
    // 1.5, as it prints it
    let secure = analyze(&["security", "--offline=true", "--threshold=15", "--no-pager", "./beamless.service"]);
    assert!(secure.status.success(), "{}", String::from_utf8_lossy(&told(&secure)));
}

/// All of it: `tests/systemd/service` says what is looked at. Left out only where the kernel does not let a systemd boot.
#[test]
fn a_real_systemd_runs_the_service() {
    const LEFT_OUT: i32 = 77;
    let world = World::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = released();
    let mut boot = command(root.join("tests/systemd/boot"));
    boot.arg(&world.home).arg(root.join("tests/systemd/service")).arg(binary).arg(UNITS);
    let output = boot.output().unwrap();
    let told = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    if output.status.code() == Some(LEFT_OUT) {
        // past the harness, which keeps to itself what a test that passes prints
        let _ = writeln!(std::io::stderr(), "LEFT OUT: a real systemd: {told}");
        return;
    }
    assert!(output.status.success() && told.contains("all is well under systemd"), "{told}");
    for line in told.lines().filter(|line| line.starts_with("LEFT OUT")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

//! The log: whoever reads it holds up nothing, and the journal is told whom a line is about.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::binaries::beamless;
use crate::children::command;
use crate::support::{Agent, PATIENCE, World, until};

/// An agent with five programs that write as much as they can on standard error, and a log that goes into the pipe `log`.
fn noisy(world: &World) -> (Agent, File) {
    let file = world.home.join("beamless.toml");
    let programs: String = (0..5)
        .map(|i| format!("[mailbox.noisy{i}]\ncommand = [\"sh\", \"-c\", \"exec yes {} >&2\"]\n", "0123456789".repeat(40)))
        .collect();
    fs::write(&file, format!("sname = \"demo\"\n{programs}")).unwrap();
    let mut shell = command("sh");
    shell.args(["-c", "mkfifo log; exec \"$0\" run --config beamless.toml 2>log"]).arg(beamless());
    let agent = world.launch_as(shell);
    let log = until("the pipe", || File::open(world.home.join("log")).ok());
    (agent, log)
}

/// Reads on until this was said.
fn read_until(log: &mut File, words: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while !text.contains(words) {
        let count = log.read(&mut bytes).unwrap();
        assert!(count > 0, "the log has ended without: {words}");
        text += &String::from_utf8_lossy(&bytes[..count]);
    }
    text
}

/// How many bytes each of the programs has written so far. What the agent does not read it cannot write.
fn written(agent: &Agent) -> Vec<u64> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap();
    let io = |pid: &str| fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let count = |io: String| io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap();
    children.split_whitespace().map(|pid| count(io(pid))).collect()
}

/// Waits until the programs were read for so long that the log has more than it has room for.
fn wait_for_too_much(agent: &Agent) {
    let before = written(agent);
    assert_eq!(before.len(), 5);
    until("the programs to be read", || {
        written(agent).iter().zip(&before).all(|(now, before)| now - before > 1_500_000).then_some(())
    });
}

#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    let world = World::new();
    let (mut demo, mut log) = noisy(&world);
    let text = read_until(&mut log, "up as ");
    let name = text.split_once("up as ").unwrap().1;
    let erl = world.erl(&["-sname", "a"]);
    let name = name
        .split(' ')
        .next()
        .filter(|name| name.contains('@'))
        .map_or_else(|| format!("demo@{}", erl.node.split_once('@').unwrap().1), str::to_owned);
    wait_for_too_much(&demo);
    assert_eq!(erl.eval(&format!("gen_server:call({{echo, '{name}'}}, hello, 60000)")), "hello");
    // whoever reads on is told what is missing
    read_until(&mut log, "lines of the log were lost: whoever reads it is too slow\n");
    wait_for_too_much(&demo);
    assert_eq!(erl.eval(&format!("gen_server:call({{echo, '{name}'}}, hello, 60000)")), "hello");
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
}

/// The last words come, however many there were before.
#[test]
fn the_last_words_are_written() {
    let world = World::new();
    let (mut demo, mut log) = noisy(&world);
    read_until(&mut log, "up as ");
    demo.signal("TERM");
    let text = read_until(&mut log, "\nstopped\n");
    assert!(text.contains("\nstopping on SIGTERM\n"), "{text}");
    assert_eq!(demo.exit_code(), Some(0));
}

/// A command that cannot start says so, and so does one that has a thread for its log.
#[test]
fn what_cannot_start_says_why() {
    let world = World::new();
    for words in [["run", "--config", "absent.toml"], ["recv", "--sname", "a@b@c"], ["ping", "--timeout", "none"]] {
        let mut command = command(beamless());
        command.args(words);
        world.dress(&mut command);
        let ended = command.output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert!(text.starts_with("error: ") && text.ends_with('\n') && ended.status.code() == Some(2), "{words:?}: {text}");
    }
}

/// The socket of a journal, below which the agent sees it as the journal's.
struct Journal(UnixDatagram);

impl Journal {
    fn new(world: &World) -> Self {
        let folder = world.home.join("journal");
        fs::create_dir(&folder).unwrap();
        let socket = UnixDatagram::bind(folder.join("socket")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut bytes = [0; 16_384];
        let count = self.0.recv(&mut bytes).expect("an entry");
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    /// The next entry that has all of these lines.
    fn wait(&self, lines: &[&str]) -> String {
        loop {
            let entry = self.next();
            if has_all(&entry, lines) {
                return entry;
            }
        }
    }
}

fn has_all(entry: &str, lines: &[&str]) -> bool {
    lines.iter().all(|line| entry.lines().any(|other| other == *line))
}

/// A command in a mount namespace of its own where the journal is the test's.
fn with_journal(script: &str) -> Command {
    let mut unshare = command("unshare");
    let mount =
        "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind \"$HOME/journal\" /run/systemd/journal";
    let stream = "JOURNAL_STREAM=$(stat --dereference --format=%d:%i /proc/self/fd/2)";
    unshare.args(["--mount", "--map-root-user", "sh", "-c", &format!("{mount} && export {stream} && {script}")]).arg(beamless());
    unshare
}

#[test]
fn the_journal_is_told_whom_a_line_is_about() {
    let world = World::new();
    let journal = Journal::new(&world);
    let settings = "sname = \"demo\"\n[mailbox.says]\ncommand = [\"sh\", \"-c\", \"echo a@b >&2; exec cat\"]
        [[publish]]\nlabel = \"cpu\"\nfile = \"absent\"\nevery = \"1h\"\nto = \"x\"\nnode = \"hub\"\n";
    fs::write(world.home.join("beamless.toml"), settings).unwrap();
    let demo = world.launch_as(with_journal("exec \"$0\" run --config beamless.toml"));
    // in any order, as they come from three places
    let mut wanted = vec![
        vec!["MAILBOX=says", "PRIORITY=6", "SYSLOG_IDENTIFIER=beamless"],
        vec!["MESSAGE=warn: says: a@b", "MAILBOX=says", "PRIORITY=4"],
        vec!["LABEL=cpu", "PRIORITY=4"],
    ];
    while !wanted.is_empty() {
        let entry = journal.next();
        assert!(!(entry.contains("MAILBOX=") && entry.contains("NODE=")), "{entry}");
        wanted.retain(|lines| !has_all(&entry, lines));
    }
    let erl = world.erl(&["-sname", "a"]);
    let node = format!("demo@{}", erl.node.split_once('@').unwrap().1);
    assert_eq!(erl.eval(&format!("net_adm:ping('{node}')")), "pong");
    let up = journal.wait(&[&format!("NODE={}", erl.node)]);
    assert!(up.starts_with(&format!("MESSAGE=node up: {}", erl.node)), "{up}");
    assert_eq!(demo.log.text(), "", "a line is said once");
    // when the journal does not take it, it goes where lines go otherwise
    drop((journal, erl));
    demo.wait(&["<6>node down: a@"]);
}

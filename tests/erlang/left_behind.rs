//! What a program leaves behind: nothing that the agent started outlives it, nor the program, whatever session it has made itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::binaries::beamless;
use crate::children::command;
use crate::support::{Agent, World, signal, until};

/// Notes the number of each process, by its part.
const PARENT: &str = r#"
note() { echo "$1 $2" >>numbers; }
note program $$
sleep 1001 & note child $!
# a session of its own, and no wish to end
setsid sh -c 'trap "" TERM; echo "session $$" >>numbers; while :; do sleep 1002; done' &
# what is left of it is nobody's child
(setsid sh -c 'echo "daemon $$" >>numbers; exec sleep 1003' &)
while :; do sleep 1004; done
"#;

fn start(world: &World, command: Command, more: &str) -> Agent {
    fs::write(world.home.join("parent.sh"), PARENT).unwrap();
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("sname = \"demo\"\n[mailbox.parent]\ncommand = [\"sh\", \"parent.sh\"]\n{more}")).unwrap();
    run(world, command, &file)
}

fn run(world: &World, mut command: Command, file: &Path) -> Agent {
    command.args(["run", "--config", file.to_str().unwrap()]);
    let mut demo = world.launch_as(command);
    demo.wait_until_up();
    demo
}

/// The numbers of the processes of the `nth` start: the program, its child, its session and its daemon.
fn numbers(world: &World, nth: usize) -> Vec<u32> {
    until("all processes", || {
        let text = fs::read_to_string(world.home.join("numbers")).ok()?;
        let number = |part: &str| {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix(part)?.trim().parse().ok());
            lines.nth(nth)
        };
        ["program", "child", "session", "daemon"].into_iter().map(number).collect()
    })
}

fn is_there(pid: u32) -> bool {
    // one that has ended and that nobody took note of is there no more
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn are_gone(pids: &[u32]) {
    until("all of them to be gone", || pids.iter().all(|pid| !is_there(*pid)).then_some(()));
}

/// The children of the agent, with those that have ended and that it took no note of.
fn children(agent: &Agent) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap();
    list.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[test]
fn nothing_outlives_a_program_or_the_agent() {
    let world = World::new();
    let functions = "[functions]\n\"box:leave/0\" = [\"sh\", \"-c\", \"(setsid sleep 1005 & echo $!)\"]\n";
    let mut demo = start(&world, command(beamless()), functions);
    let first = numbers(&world, 0);
    assert!(first.iter().all(|pid| is_there(*pid)));
    signal(first[0], "KILL");
    let second = numbers(&world, 1);
    are_gone(&first);
    assert!(second.iter().all(|pid| is_there(*pid)), "those of the next start stay");
    // a function's command leaves nothing, and the program's daemon stays
    let erl = world.erl(&["-sname", "a"]);
    let left = erl.eval(&format!("binary_to_integer(string:trim(rpc:call({}, box, leave, [])))", demo.atom()));
    are_gone(&[left.parse().unwrap()]);
    assert!(second.iter().all(|pid| is_there(*pid)));
    // and nothing that has ended is left in the system's table
    until("two children", || (children(&demo).len() == 2).then_some(()));
    let children = children(&demo);
    assert!(children.contains(&second[0]) && children.contains(&second[3]), "{children:?} {second:?}");
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    assert!(second.iter().all(|pid| !is_there(*pid)));
}

/// A command is asked to end where a reload takes it away, and where the agent ends, as a program is: it may have something to put in order.
#[test]
fn commands_are_asked_to_end() {
    const ASKED: &str =
        "trap 'sleep 0.1; echo \"$1 asked\" >>said; exit' TERM\necho \"$1 begun\" >>said\nwhile :; do sleep 0.05; done\n";
    let world = World::new();
    fs::write(world.home.join("asked.sh"), ASKED).unwrap();
    let file = world.home.join("beamless.toml");
    let write = |words: &str| {
        let reading = format!(
            "[[publish]]\ncommand = [\"sh\", \"asked.sh\", \"{words}\"]\nlabel = \"x\"\nevery = \"1h\"\nto = \"x\"\nnode = \"x\"\n"
        );
        fs::write(&file, format!("sname = \"demo\"\n{reading}[functions]\n\"box:f/0\" = [\"sh\", \"asked.sh\", \"call\"]\n"))
            .unwrap();
    };
    let said = |lines: &[&str]| {
        until(&format!("{lines:?}"), || {
            let text = fs::read_to_string(world.home.join("said")).ok()?;
            lines.iter().all(|line| text.lines().any(|said| said == *line)).then_some(text)
        })
    };
    write("first");
    let mut demo = run(&world, command(beamless()), &file);
    let erl = world.erl(&["-sname", "a"]);
    erl.ask(&format!("rpc:call({}, box, f, [])", demo.atom()));
    said(&["first begun", "call begun"]);
    write("second");
    demo.signal("HUP");
    let text = said(&["second begun"]);
    // which may need what the first one has
    assert!(text.find("first asked") < text.find("second begun") && text.contains("first asked"), "{text}");
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    said(&["second asked", "call asked"]);
}

/// What is there no more but for its end is looked at when that is due, and not all the time.
#[test]
fn a_program_that_is_to_end_is_waited_for_at_rest() {
    let world = World::new();
    let file = world.home.join("beamless.toml");
    fs::write(world.home.join("stays.sh"), "trap '' TERM\nexec yes '{send,sink,demo,x}'\n").unwrap();
    let sink = "sname = \"demo\"\n[mailbox.sink]\ncommand = [\"sh\", \"-c\", \"cat >/dev/null\"]\n";
    fs::write(&file, format!("{sink}[mailbox.stays]\ncommand = [\"sh\", \"stays.sh\"]\n")).unwrap();
    let demo = run(&world, command(beamless()), &file);
    let pid = demo.wait(&["mailbox stays: started "]).rsplit(' ').next().unwrap().parse().unwrap();
    // it is read
    let written = || {
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse::<u64>().ok()).unwrap()
    };
    until("more than a pipe holds", || (written() > 1_000_000).then_some(()));
    fs::write(&file, sink).unwrap();
    demo.signal("HUP");
    demo.wait(&["mailbox stays: removed"]);
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", demo.pid())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>()
    };
    let before = ticks();
    are_gone(&[pid]);
    let after = ticks();
    assert!(after - before < 10, "{} hundredths of a second", after - before);
}

/// Whoever is in a hurry does not leave anything behind.
#[test]
fn a_second_signal_does_not_end_it_earlier() {
    let world = World::new();
    let mut demo = start(&world, command(beamless()), "");
    let all = numbers(&world, 0);
    demo.signal("TERM");
    demo.wait(&["stopped"]);
    // the session, which does not want to end, is given a second
    demo.signal("TERM");
    demo.signal("INT");
    assert_eq!(demo.exit_code(), Some(0));
    assert!(all.iter().all(|pid| !is_there(*pid)));
}

/// Whoever becomes the agent may have children, which are none of its business.
#[test]
fn what_was_there_before_the_agent_stays() {
    let world = World::new();
    let mut shell = command("sh");
    shell.arg("-c").arg("sleep 1006 >/dev/null 2>&1 & echo $! >before; exec \"$@\"").arg("sh").arg(beamless());
    let mut demo = start(&world, shell, "");
    let started = numbers(&world, 0);
    let before: u32 = fs::read_to_string(world.home.join("before")).unwrap().trim().parse().unwrap();
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
    assert!(started.iter().all(|pid| !is_there(*pid)));
    assert!(is_there(before));
    signal(before, "KILL");
}

/// A program that neither reads nor wants to end is killed by the system when the agent is.
#[test]
fn a_program_does_not_outlive_an_agent_that_is_killed() {
    let world = World::new();
    let stays = "trap '' TERM; echo ready >&2; while :; do sleep 1; done";
    let mut demo = start(&world, command(beamless()), &format!("[mailbox.stays]\ncommand = [\"sh\", \"-c\", {stays:?}]\n"));
    let line = demo.wait(&["mailbox stays: started "]);
    demo.wait(&["stays: ready"]);
    let pids = [numbers(&world, 0)[0], line.rsplit(' ').next().unwrap().parse().unwrap()];
    assert!(pids.iter().all(|pid| is_there(*pid)));
    demo.kill();
    are_gone(&pids);
}

/// A daemon that has the program's output, and says messages without end, does not keep the agent from taking note that the program ended.
#[test]
fn what_writes_on_does_not_outlive_a_program() {
    const WRITES: &str = r#"
(setsid sh -c 'echo "daemon $$" >>numbers; exec yes "{send,sink,demo,x}"' &)
while [ ! -s numbers ]; do sleep 0.1; done
sleep 0.5
exit 3
"#;
    let world = World::new();
    fs::write(world.home.join("writes.sh"), WRITES).unwrap();
    let file = world.home.join("beamless.toml");
    let programs =
        "[mailbox.writes]\ncommand = [\"sh\", \"writes.sh\"]\n[mailbox.sink]\ncommand = [\"sh\", \"-c\", \"cat >/dev/null\"]\n";
    fs::write(&file, format!("sname = \"demo\"\n{programs}")).unwrap();
    let demo = run(&world, command(beamless()), &file);
    demo.wait(&["mailbox writes: its program ended, exit status: 3"]);
    let text = fs::read_to_string(world.home.join("numbers")).unwrap();
    are_gone(&[text.lines().next().unwrap().strip_prefix("daemon ").unwrap().parse().unwrap()]);
    demo.wait_from(demo.log.len(), &["mailbox writes: its program ended, exit status: 3"]);
}

/// Programs are started by the file that the agent was started from, also when that has been replaced.
#[test]
fn programs_start_after_an_upgrade() {
    let world = World::new();
    let own = world.home.join("own");
    // not by this process: what another test starts in that moment would have it open for writing
    assert!(command("cp").arg(beamless()).arg(&own).status().unwrap().success());
    let demo = start(&world, command(&own), "");
    let first = numbers(&world, 0);
    fs::remove_file(&own).unwrap();
    fs::write(&own, "not this one").unwrap();
    signal(first[0], "KILL");
    let second = numbers(&world, 1);
    are_gone(&first);
    // it is started as before: as its own words, with three descriptors, as the leader of a group
    let of = |what: &str| format!("/proc/{}/{what}", second[0]);
    assert_eq!(fs::read_to_string(of("cmdline")).unwrap().split('\0').collect::<Vec<_>>()[1..], ["parent.sh", ""]);
    assert!(
        fs::read_dir(of("fd"))
            .unwrap()
            .filter_map(|fd| fd.ok()?.file_name().to_str()?.parse().ok())
            .all(|fd: u32| fd < 3 || fd == 10)
    );
    let stat = fs::read_to_string(of("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(fields[1..3], [demo.pid().to_string(), second[0].to_string()]);
    drop(demo);
}

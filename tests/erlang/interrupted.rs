//! Nothing outlives a test run, however that ends. [`begun`] is what is killed here, and by `tests/interrupted`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use crate::children::{self, command};
use crate::lan::Lan;
use crate::support::{World, signal, until, wait_for_exit};

const BEGUN: &str = "interrupted::begun";
/// What it says when all is there that has to go.
const ALL_ARE_THERE: &str = "all are there";

/// Whatever tests start, and a program of the agent's that wants to stay.
#[test]
#[ignore = "never ends: it is there to be killed"]
fn begun() {
    let world = World::new();
    let _epmd = world.epmd();
    let program = "setsid sh -c 'trap \"\" HUP INT TERM; echo ready >&2; while :; do sleep 1; done' & exec cat";
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("sname = \"demo\"\n[mailbox.stays]\ncommand = [\"sh\", \"-c\", '''{program}''']\n")).unwrap();
    let agent = world.agent(&["--config", &file.display().to_string()]);
    agent.wait(&["stays: ready"]);
    let _erl = world.erl(&["-sname", "a"]);
    let lan = Lan::new(&["edge"]);
    let _there = lan.as_ref().map(|lan| lan.host("edge").agent(&["--sname", "there"]));
    // past the harness, which keeps to itself what a test prints
    writeln!(std::io::stderr(), "{ALL_ARE_THERE}").unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn nothing_outlives_a_killed_test_run() {
    for name in ["KILL", "TERM", "INT"] {
        // whoever runs this in the background has it ignore Ctrl-C
        let mut run = command("env");
        run.arg("--default-signal=INT").arg(std::env::current_exe().unwrap());
        for program in ["BEAMLESS_ERL", "BEAMLESS_EPMD"] {
            run.envs(std::env::var_os(program).map(|value| (program, value)));
        }
        run.args(["--exact", "--ignored", BEGUN]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut run = run.spawn().unwrap();
        let lines = BufReader::new(run.stderr.take().unwrap()).lines();
        let said: Vec<String> = lines.map_while(Result::ok).take_while(|line| line != ALL_ARE_THERE).collect();
        let (mark, folder) = children::of_run(run.id());
        let alive = children::alive(&mark);
        for program in ["beam.smp", "epmd", "beamless run", "while :"] {
            assert!(alive.iter().any(|line| line.contains(program)), "no {program} among {alive:?}: {said:?}");
        }
        signal(run.id(), name);
        wait_for_exit(&mut run, "the test run to end");
        until("everybody to be gone", || children::alive(&mark).is_empty().then_some(()));
        until("its folder to be gone", || (!folder.exists()).then_some(()));
    }
}

/// Programs are started in one place, which sees to that.
#[test]
fn nothing_is_started_elsewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/erlang");
    let begin = ["Command", "::new("].concat();
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut started: Vec<_> = sources.filter(|path| fs::read_to_string(path).unwrap().contains(&begin)).collect();
    started.sort();
    let names: Vec<_> = started.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["binaries.rs", "children.rs"]);
}

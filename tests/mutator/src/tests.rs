//! Runs the tests: each once, to learn how long it takes and which mutants it reaches; and then those that reach a mutant on it, the quick ones
//! first, until one notices.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Fate, Mutant};

/// A mutant may be one that grows without end: in kilobytes of addresses, of which threads take many.
const MEMORY: u32 = 8_000_000;
/// How long tests may take, beside a multiple of what they usually do: to compute, and to wait, as others may be at work on this machine.
const COMPUTES: Duration = Duration::from_secs(10);
const WAITS: Duration = Duration::from_secs(60);
const TIMES: u32 = 10;
/// The longest that a test may take as the library is.
const LONGEST: Duration = Duration::from_secs(60);
/// Of the random lives in tests/sim, enough to meet most of what there is.
const SEEDS: &str = "0..300";
/// How long the first tests take that are asked together; the next ones take twice as long, and so on.
const FIRST: Duration = Duration::from_millis(100);

/// What the system sends to who has computed for too long, and we to who has waited.
const SIGKILL: i32 = 9;

struct Test {
    program: PathBuf,
    name: String,
    took: Duration,
    reaches: Vec<usize>,
}

#[derive(PartialEq)]
enum End {
    Passed,
    Failed,
    Late,
}

pub fn try_all(mutants: &mut [Mutant], programs: &[PathBuf], tree: &Path) {
    let names: Vec<(PathBuf, String)> = programs.iter().flat_map(|program| names(program, tree)).collect();
    let tests = Mutex::new(Vec::new());
    on_all_cores(names.len(), |number| {
        let (program, name) = names[number].clone();
        match learn(program, name, tree) {
            Ok(test) => tests.lock().unwrap().push(test),
            Err(name) => println!("fails without a mutant, and is left out: {name}"),
        }
    });
    let mut tests = tests.into_inner().unwrap();
    tests.sort_by_key(|test| test.took);
    let all: Duration = tests.iter().map(|test| test.took).sum();
    println!("{} tests take {} s one by one; the longest:", tests.len(), all.as_secs());
    tests.iter().rev().take(20).for_each(|test| println!("    {} ms {}", test.took.as_millis(), test.name));

    let mut reaching: Vec<Vec<&Test>> = mutants.iter().map(|_| Vec::new()).collect();
    tests.iter().for_each(|test| test.reaches.iter().for_each(|&number| reaching[number].push(test)));
    let planted: Vec<usize> = (0..mutants.len()).filter(|&number| mutants[number].fate == Fate::Planted).collect();
    let (tried, fates) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    on_all_cores(planted.len(), |next| {
        let number = planted[next];
        let fate = fate(number, &reaching[number], tree);
        match fate {
            Fate::Alive => println!("ALIVE {}", mutants[number].name),
            Fate::Unreached => println!("UNREACHED {}", mutants[number].name),
            _ => {}
        }
        fates.lock().unwrap().push((number, fate));
        let tried = tried.fetch_add(1, Ordering::Relaxed) + 1;
        if tried.is_multiple_of(100) {
            println!("{tried} of {} tried", planted.len());
        }
    });
    fates.into_inner().unwrap().into_iter().for_each(|(number, fate)| mutants[number].fate = fate);
}

/// Does it for each number below `count`.
fn on_all_cores(count: usize, does: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    does(number);
                }
            });
        }
    });
}

fn names(program: &Path, tree: &Path) -> Vec<(PathBuf, String)> {
    let output = command(program, tree, LONGEST).args(["--list", "--format=terse"]).output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines().filter_map(|line| Some((program.into(), line.strip_suffix(": test")?.into()))).collect()
}

fn learn(program: PathBuf, name: String, tree: &Path) -> Result<Test, String> {
    let file = tree.join(format!("reached-{}", name.replace(':', "-")));
    // a second time, in case that others took all the time there was
    for _ in 0..2 {
        let _ = fs::remove_file(&file);
        let started = Instant::now();
        let mut command = command(&program, tree, LONGEST);
        let end = run(command.args(["--exact", &name]).env("MUTANT_REACHED", &file), LONGEST);
        let took = started.elapsed();
        if end == End::Passed {
            let reached = fs::read_to_string(&file).unwrap_or_default();
            return Ok(Test { program, name, took, reaches: reached.lines().map(|line| line.parse().unwrap()).collect() });
        }
    }
    Err(name)
}

/// `reaching` has the quick ones first.
fn fate(number: usize, mut reaching: &[&Test], tree: &Path) -> Fate {
    if reaching.is_empty() {
        return Fate::Unreached;
    }
    let mut budget = FIRST;
    while !reaching.is_empty() {
        let mut sum = Duration::ZERO;
        let fits = |test: &&&Test| {
            sum += test.took;
            sum <= budget
        };
        let some = reaching.iter().take_while(fits).count().max(1);
        let (now, later) = reaching.split_at(some);
        let mut by_program: BTreeMap<&Path, Vec<&Test>> = BTreeMap::new();
        now.iter().for_each(|test| by_program.entry(&test.program).or_default().push(test));
        for (program, tests) in by_program {
            let usual: Duration = tests.iter().map(|test| test.took).sum();
            let names = tests.iter().map(|test| &test.name);
            let mut command = command(program, tree, usual);
            command
                .args(["--exact", "--test-threads=1", "-Zunstable-options", "--fail-fast"])
                .args(names)
                .env("MUTANT", number.to_string());
            match run(&mut command, usual) {
                End::Passed => {}
                End::Failed => return Fate::Noticed,
                End::Late => return Fate::NoticedByTime,
            }
        }
        reaching = later;
        budget *= 2;
    }
    Fate::Alive
}

/// `usual` is how long it takes as a rule; it may have a multiple of that to compute.
fn command(program: &Path, tree: &Path, usual: Duration) -> Command {
    let seconds = (COMPUTES + TIMES * usual).as_secs();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -c 0; ulimit -v {MEMORY}; ulimit -t {seconds}; exec \"$0\" \"$@\"")]).arg(program);
    // for --fail-fast
    command.env("RUSTC_BOOTSTRAP", "1");
    command.current_dir(tree).env("CARGO_MANIFEST_DIR", tree).env("BEAMLESS_SEEDS", SEEDS).stderr(Stdio::null());
    command
}

fn run(command: &mut Command, usual: Duration) -> End {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return match status.signal() {
                Some(SIGKILL) => End::Late,
                _ if status.success() => End::Passed,
                _ => End::Failed,
            };
        }
        if started.elapsed() > WAITS + TIMES * usual {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(2));
    }
}

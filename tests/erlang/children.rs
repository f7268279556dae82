//! The one place where tests start programs: in an environment that does not depend on who runs the tests, and so that no program outlives the
//! test run, however that ends.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// What programs get of our own environment: also where `tests/coverage` wants to be told what they ran.
const INHERITED: [&str; 4] = ["PATH", "TMPDIR", "BEAMLESS_CROSS_CACHE", "LLVM_PROFILE_FILE"];
/// The variable by which `tests/sweep` knows them, with the marks of all test runs that they are of.
const MARKS: &str = "BEAMLESS_TEST_RUN";

/// What `tests/sweep` must know of this test run.
struct Run {
    marks: String,
    folder: PathBuf,
    /// The end of its standard input is the end of everything.
    _sweeper: Child,
}

fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let (mark, folder) = of_run(std::process::id());
        fs::create_dir_all(&folder).unwrap();
        let mut sweeper = Command::new("sh");
        sweeper.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sweep")).arg(&mark).arg(&folder);
        // what ends us does not end it, be it Ctrl-C or a test run that this one is part of
        sweeper.process_group(0).env_remove(MARKS);
        let sweeper = sweeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let marks = std::env::var(MARKS).unwrap_or_default() + ":" + &mark;
        Run { marks, folder, _sweeper: sweeper }
    })
}

/// The mark and the folder of the test run that is this process, which no other one has or had.
pub(crate) fn of_run(pid: u32) -> (String, PathBuf) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // the 22nd field; the second has a closing bracket behind it
    let started = stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(19)).unwrap();
    let mark = format!("{}-{pid}-{started}", env!("CARGO_CRATE_NAME"));
    let folder = parent().join(&mark);
    (mark, folder)
}

/// The command lines of the processes that have this mark.
pub(crate) fn alive(mark: &str) -> Vec<String> {
    let is_of_ours = |variable: &[u8]| {
        let variable = String::from_utf8_lossy(variable);
        variable.split_once('=').is_some_and(|(name, marks)| name == MARKS && marks.split(':').any(|other| other == mark))
    };
    let read = |process: &Path, name: &str| fs::read(process.join(name)).unwrap_or_default();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let alive = processes.filter(|process| read(process, "environ").split(|byte| *byte == 0).any(is_of_ours));
    alive.map(|process| String::from_utf8_lossy(&read(&process, "cmdline")).replace('\0', " ")).collect()
}

fn parent() -> PathBuf {
    option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// A folder that is gone when the test run ends.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = run().folder.join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The directory of one test, removed at its end unless the test failed.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            keep(&self.0);
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Moves such a folder to where it stays for a person to look at.
pub(crate) fn keep(folder: &Path) {
    let name = format!("failed-{}-{}", std::process::id(), folder.file_name().unwrap().to_string_lossy());
    let kept = parent().join(name);
    if fs::rename(folder, &kept).is_ok() {
        eprintln!("--- kept: {}", kept.display());
    }
}

/// A program that is to be started. What it needs of the environment besides, it is given by name.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("LANG", "C.UTF-8").env("HOME", &run().folder).env(MARKS, &run().marks);
    command
}

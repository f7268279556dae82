//! The processes that the agent has started, and those that they have left behind: the system gives these to the agent, which ends them.

use std::process::{Child, id};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, str};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper, waitid};

/// The variable that says which start a process stems from: the agent's number in the system, a full stop, and the number of the start.
pub(super) const MARK: &str = "BEAMLESS_START";

/// The time from being asked to end to being killed.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The time between two looks whether they have ended, when the agent ends.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A process that the agent has started.
struct Started {
    start: u32,
    pid: u32,
    /// Nobody has a use for it any more: it was killed, and its end is still to be taken note of, so that it does not stay in the system's table.
    killed: Option<Child>,
}

static STARTED: Mutex<Vec<Started>> = Mutex::new(Vec::new());

/// The children that whoever became this program had already.
static INHERITED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A process has ended, or is of no use any more.
static IS_DUE: AtomicBool = AtomicBool::new(false);

/// Has the system give the agent what its programs leave behind.
pub(super) fn adopt() {
    *locked(&INHERITED) = children();
    if let Err(e) = set_child_subreaper(Some(getpid())) {
        log::debug!("what programs leave behind is not ended: {e}");
    }
}

/// Returns the number of the next start.
pub(super) fn next_start() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

/// Returns the text by which what stems from a start is known.
pub(super) fn mark(start: u32) -> String {
    format!("{}.{start}", id())
}

/// Takes note of a child.
pub(super) fn started(start: u32, child: &Child) {
    locked(&STARTED).push(Started { start, pid: child.id(), killed: None });
}

/// Takes note that nobody has a use any more for what stems from a start; `killed` is the child that was killed for that.
pub(super) fn is_over(start: u32, killed: Option<Child>) {
    let mut all = locked(&STARTED);
    match (all.iter_mut().find(|other| other.start == start), killed) {
        (Some(started), Some(child)) => started.killed = Some(child),
        _ => all.retain(|other| other.start != start),
    }
    IS_DUE.store(true, Ordering::Relaxed);
}

/// Takes note of the killed processes that have ended. It is called when a child ended.
pub(super) fn reap() {
    locked(&STARTED).retain_mut(|started| started.killed.as_mut().is_none_or(|child| matches!(child.try_wait(), Ok(None))));
    IS_DUE.store(true, Ordering::Relaxed);
}

/// Ends what was left behind by programs that are gone. It is called in every turn, and looks when there may be something.
pub(super) fn sweep() {
    if !IS_DUE.swap(false, Ordering::Relaxed) {
        return;
    }
    let all = locked(&STARTED);
    for pid in children() {
        let number = u32::try_from(pid.as_raw_nonzero().get()).unwrap_or(0);
        if all.iter().any(|started| started.pid == number) || has_ended(pid) {
            continue;
        }
        let is_alive = |start: u32| all.iter().any(|started| started.start == start && started.killed.is_none());
        // of what hides where it stems from nobody knows for whom it is there, as long as the agent is
        if start_of(pid).is_some_and(|start| !is_alive(start)) {
            signal(pid, Signal::KILL);
        }
    }
}

/// Ends all that is left, when the agent ends: asks it, and kills a second later what is still there.
pub(super) fn end_all() {
    let mut asked = Vec::new();
    let asked_at = Instant::now();
    loop {
        let inherited = locked(&INHERITED);
        let is_ours = |pid: &Pid| inherited.is_empty() || (!inherited.contains(pid) && start_of(*pid).is_some());
        let left: Vec<Pid> = children().into_iter().filter(|pid| !has_ended(*pid)).filter(is_ours).collect();
        let time = asked_at.elapsed();
        // what the system is at cannot be killed
        if left.is_empty() || time > GRACE.saturating_mul(2) {
            return;
        }
        for pid in left {
            if time > GRACE {
                signal(pid, Signal::KILL);
            } else if !asked.contains(&pid) {
                signal(pid, Signal::TERM);
                asked.push(pid);
            }
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Returns the children of this process. It has them by its first thread, which starts them and which the system gives others to.
fn children() -> Vec<Pid> {
    let own = id();
    let number = |text: &str| text.parse().ok().and_then(Pid::from_raw);
    if let Ok(list) = fs::read_to_string(format!("/proc/{own}/task/{own}/children")) {
        return list.split_whitespace().filter_map(number).collect();
    }
    // the kernel may be without the list
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| number(name.to_str()?)).filter(|pid| parent(*pid) == Some(own)).collect()
}

/// Returns the parent of a process.
fn parent(pid: Pid) -> Option<u32> {
    // `Number (name) State Parent ..`, where the name may have anything in it
    let stat = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Returns true if a child that nobody waits for has ended, and takes note of it.
fn has_ended(pid: Pid) -> bool {
    // an error says that there is none such
    !matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG), Ok(None))
}

/// Returns the start that a process stems from, if it is one of this agent's.
fn start_of(pid: Pid) -> Option<u32> {
    let read = || fs::read(format!("/proc/{pid}/environ")).ok();
    let mut environment = read()?;
    // one that is just becoming another program has none for a moment
    for _ in 0..5 {
        if !environment.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
        environment = read()?;
    }
    let value =
        environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))?;
    let (agent, start) = str::from_utf8(value).ok()?.split_once('.')?;
    (agent.parse() == Ok(id())).then(|| start.parse().ok())?
}

fn signal(pid: Pid, signal: Signal) {
    // an error says that there is nobody any more, or that it is another user's
    let _ = kill_process(pid, signal);
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Descriptors: the system gives a process so many, and a node takes one for each connection.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::config::Settings;

/// Those that the agent takes in any case, for its log, its signals, EPMD, and what it reads.
const OWN: u64 = 32;
/// The pipes of a program, of a command that is read, and of the functions that run at once.
const PIPES: (u64, u64, u64) = (3, 2, 32);

/// Those that looking up a name takes: sockets to two name servers, and the files that say who they are.
const LOOK_UP: u8 = 4;

/// The words for whoever can change the limit.
pub(super) const WAY_OUT: &str = "raise LimitNOFILE= of the service, or `ulimit -n`";

/// Has the system give as many as the settings may take, and warns where it does not. The limit is not raised beyond that: what the agent starts
/// inherits it, and there are programs that go by it.
pub(super) fn provide(settings: &Settings) {
    let needed = needed(settings);
    let limit = getrlimit(Resource::Nofile);
    // without a number there is no limit
    let Some(current) = limit.current.filter(|current| *current < needed) else { return };
    let raised = limit.maximum.map_or(needed, |most| most.min(needed)).max(current);
    let new = Rlimit { current: Some(raised), ..limit };
    let raised = if setrlimit(Resource::Nofile, new).is_ok() { raised } else { current };
    if raised < needed {
        log::warn!(
            "this process may have {raised} descriptors, and {} nodes with all that the settings name take up to {needed}: {WAY_OUT}",
            settings.sizes.peers
        );
    }
}

fn needed(settings: &Settings) -> u64 {
    let times = |count: usize, each: u64| u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(each);
    let functions = if settings.functions.is_empty() { 0 } else { PIPES.2 };
    OWN.saturating_add(u64::from(settings.sizes.peers))
        .saturating_add(times(settings.programs.len(), PIPES.0))
        .saturating_add(times(settings.publish.len(), PIPES.1))
        .saturating_add(functions)
}

/// Returns true if there are too few left to look up a name with, in this process or on this host.
pub(super) fn are_out() -> bool {
    let tried: io::Result<Vec<File>> = (0..LOOK_UP).map(|_| File::open("/dev/null")).collect();
    let out = [Errno::MFILE, Errno::NFILE].map(|errno| errno.raw_os_error());
    tried.err().and_then(|e| e.raw_os_error()).is_some_and(|code| out.contains(&code))
}

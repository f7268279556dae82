//! The step between the agent and a program that it starts: this very file once more, which has the system kill it when the agent is gone, and
//! then becomes the program. In place of this std would have code of ours run in the child, which is unsafe.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};

use mio::unix::pipe::{self, Receiver, Sender};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, set_parent_process_death_signal};

/// The first word of the step. Behind it stand the agent's number in the system, the descriptor that takes the number of an error, and the
/// program's words.
pub(in crate::cli) const STEP: &str = "--become";

/// The file of this program, also when another one has taken its place.
const OWN: &str = "/proc/self/exe";

/// A program for the machine that the system is for: this one may be for an older one.
const SHELL: &str = "/bin/sh";

/// The exit code of a step that does not become the program, as a shell has it.
const NOT_STARTED: u8 = 127;

/// The bytes at the beginning of a program that say for which machine it is, if it is one of ELF.
const HEAD: usize = 20;

/// The news of a program that is being started.
pub(super) struct News(Option<(Sender, Receiver)>);

/// Makes the command that starts a program with arguments. It is for the thread that lives as long as the agent: the system takes the end of
/// the thread that starts a program for the agent's.
pub(super) fn command<S: AsRef<OsStr>>(words: &[S]) -> io::Result<(Command, News)> {
    let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    if !is_certain(program.as_ref()) {
        command.args(args);
        return Ok((command, News(None)));
    }
    let (sender, receiver) = pipe::new()?;
    // the step marks it as none for the program
    fcntl_setfd(&sender, FdFlags::empty())?;
    command = Command::new(OWN);
    command.arg(STEP).arg(std::process::id().to_string()).arg(sender.as_raw_fd().to_string()).args(words);
    Ok((command, News(Some((sender, receiver)))))
}

impl News {
    /// Waits until the step has become the program. What kept it from that is the error.
    pub(super) fn of(self, child: &mut Child) -> io::Result<()> {
        let Some((sender, mut receiver)) = self.0 else { return Ok(()) };
        drop(sender);
        receiver.set_nonblocking(false)?;
        let mut code = [0; 4];
        // the end of the pipe comes with the program
        if receiver.read_exact(&mut code).is_err() {
            return Ok(());
        }
        let _ = child.wait();
        Err(io::Error::from_raw_os_error(i32::from_be_bytes(code)))
    }
}

/// Is the step: becomes the program, or says why not.
pub(in crate::cli) fn take(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let mut number = || words.next().and_then(|word| word.to_str()?.parse::<u32>().ok());
    if let (Some(agent), Some(teller), Some(program)) = (number(), number(), words.next()) {
        // without it the program is started all the same
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        // it may have gone before
        if parent_id() == agent {
            let e = Command::new(program).args(words).exec();
            let code = e.raw_os_error().unwrap_or(0);
            if let Ok(mut teller) = OpenOptions::new().write(true).open(format!("/proc/self/fd/{teller}")) {
                let _ = teller.write_all(&code.to_be_bytes());
            }
        }
    }
    ExitCode::from(NOT_STARTED)
}

/// Returns true for a script that names what runs it, and for a program of the machine that this one and the system's shell are for. Of anything
/// else the step cannot say why it does not start: the C library has a shell run what the system refuses.
fn is_certain(program: &OsStr) -> bool {
    let Some(head) = found(program).and_then(|program| head(&program)) else { return false };
    // class, byte order and machine
    let is_alike = |known: [u8; HEAD]| head.get(..6) == known.get(..6) && head.get(18..) == known.get(18..);
    let known = [OWN, SHELL];
    Path::new(OWN).exists()
        && (head.starts_with(b"#!") || known.iter().any(|known| self::head(Path::new(known)).is_some_and(is_alike)))
}

/// Returns the file of a program.
fn found(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().nth(1).is_some() {
        return path.is_file().then(|| path.to_owned());
    }
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(path)).find(|path| path.is_file())
}

fn head(file: &Path) -> Option<[u8; HEAD]> {
    let mut head = [0; HEAD];
    let _ = File::open(file).ok()?.read(&mut head).ok()?;
    Some(head)
}

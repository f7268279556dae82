//! What worked last: the configuration and the cookie with which the node was up, kept in the state folder. A start goes on with them where a power
//! cut has left the files empty or torn, or somebody a wrong one, so that the box is in the cluster and can be mended from there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::config::{self, Arguments, Settings, Text};
use crate::cli::cookie::{self, Cookie};
use crate::cli::files;
use crate::cli::local::Local;
use crate::cli::threads;

/// The file with the configuration.
const TEXT: &str = "last.toml";
/// The beginning of its last line, which says how long the text above is, and which file it was. What is torn has no such line.
const SEAL: &str = "\n# kept by beamless: ";
/// The size from which a file is none of these.
const LARGEST: u64 = config::LARGEST + 8192;

/// The time for which a file that is written is waited for. A disk that takes longer goes on beside the loop.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two looks whether it is written.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The folder where they are kept, and which of them the agent runs on.
pub(super) struct Last {
    /// Without one nothing is kept.
    folder: Option<PathBuf>,
    /// The whole path of the configuration file, if there is one.
    file: Option<PathBuf>,
    /// Held by whoever writes there.
    writing: Arc<Mutex<()>>,
    /// The words for a configuration that took the place of a wrong one.
    settings: Option<String>,
    /// The wrong one can be read, but the node did not come up with it.
    is_wrong_for_start: bool,
    /// The node has been up.
    was_up: bool,
    /// The words for a cookie that did.
    cookie: Option<String>,
}

impl Last {
    pub(super) fn new(folder: Option<PathBuf>, file: Option<&Path>) -> Self {
        let file = file.and_then(|file| std::path::absolute(file).ok());
        Self { folder, file, writing: Arc::default(), settings: None, is_wrong_for_start: false, was_up: false, cookie: None }
    }

    /// Returns what to say as long as the agent runs on something that is not what its files say.
    pub(super) fn runs_on(&self) -> Option<&str> {
        self.settings.as_deref().or(self.cookie.as_deref())
    }

    /// Reads the settings for a start: those of the file and, if that is not right, those that worked last. An error has a line for each fault.
    pub(super) fn settings(&mut self, run: &Arguments) -> Result<(Settings, Option<Text>), Vec<String>> {
        let Some(file) = &run.config else { return Ok((config::settings(run, None, None)?, None)) };
        // the file is what a check is about
        let found = self.path(TEXT).filter(|_| !run.check).and_then(|path| Some((kept(&path, file)?, path)));
        let read = |text: Text| match &found {
            // cut off at the end of a line it is right, if the arguments have the name
            Some((last, path)) if !says_something(&text.text) && says_something(&last.text) => Err(vec![format!(
                "{}: nothing is set in it, as a power cut may leave a file: remove {} if that is meant",
                text.shown,
                path.display()
            )]),
            _ => Ok((config::settings(run, Some(&text), None)?, text)),
        };
        let faults = match Text::read(file).and_then(read) {
            Ok((settings, text)) => return Ok((settings, Some(text))),
            Err(faults) => faults,
        };
        let again = found.and_then(|(text, path)| Some((config::settings(run, Some(&text), None).ok()?, path)));
        let Some((settings, path)) = again else { return Err(faults) };
        faults.iter().for_each(|fault| log::error!("{fault}"));
        self.runs_instead(file, &path, "is wrong");
        Ok((settings, None))
    }

    /// Returns the settings that worked last, where the node did not come up with those of the file, which are others.
    pub(super) fn instead(&mut self, run: &Arguments, failure: &str) -> Option<Settings> {
        let file = run.config.as_ref().filter(|_| !self.was_up && self.settings.is_none())?;
        let path = self.path(TEXT)?;
        let text = kept(&path, file)?;
        if Text::read(file).is_ok_and(|found| found.text == text.text) {
            return None;
        }
        let settings = config::settings(run, Some(&text), None).ok()?;
        log::error!("{failure}");
        self.is_wrong_for_start = true;
        self.runs_instead(file, &path, "does not bring it up");
        Some(settings)
    }

    /// Says that it runs on what is kept, since the file is like that.
    fn runs_instead(&mut self, file: &Path, path: &Path, like: &str) {
        log::error!(
            "{0}: not taken: this node runs on the last configuration that worked, kept in {1}; mend {0} and reload (SIGHUP, or systemctl \
             reload beamless)",
            file.display(),
            path.display()
        );
        self.settings = Some(format!("on the last configuration that worked, since {} {like}", file.display()));
    }

    /// Returns the settings of the node with the cookie that worked last, if where it should be there is none any more.
    pub(super) fn with_cookie(&mut self, local: &Local) -> Option<Local> {
        let path = self.path(cookie::LAST)?;
        let file = local.cookie_file.as_deref();
        if file.is_some_and(|file| !cookie::is_kept(file)) {
            return None;
        }
        // that is no power cut's doing, and what is in there may be another cookie
        let why = cookie::find(file).err().filter(|_| !cookie::is_open(file))?;
        cookie::find(Some(&path)).ok()?;
        if self.is_anothers() {
            log::warn!("{}: not taken: it is that of another agent; give each a --state-dir of its own", path.display());
            return None;
        }
        log::error!("{why}");
        log::error!(
            "this node runs with the last cookie that worked, kept in {}; mend the cookie file, or remove this one if there is to be another \
             cookie, and restart",
            path.display()
        );
        self.cookie = Some(format!("with the last cookie that worked, since {why}"));
        Some(Local { cookie_file: Some(path), ..local.clone() })
    }

    /// Takes note that the file is right again, and whether all of it is in force: a node that did not come up with it may not yet.
    pub(super) fn text_is_right(&mut self, is_in_force: bool) {
        if is_in_force || !self.is_wrong_for_start {
            self.settings = None;
        }
    }

    /// Takes note that the node is up.
    pub(super) fn is_up(&mut self) {
        self.was_up = true;
    }

    /// Takes note that there is a cookie again.
    pub(super) fn cookie_is_right(&mut self) {
        self.cookie = None;
    }

    /// Keeps the configuration that works.
    pub(super) fn keep_text(&self, text: &Text) {
        let (Some(path), Some(file)) = (self.path(TEXT), text.file.to_str()) else { return };
        // nobody has such a name but by mistake, and it would not be the last line
        if !file.contains(char::is_control) {
            self.keep(path, sealed(&text.text, file).into_bytes(), 0o600);
        }
    }

    /// Keeps the cookie, unless it came out of a pipe: then it is to be nowhere. One that is kept it only replaces by one that another node
    /// has, too: half a cookie is one as well. That of another agent it replaces when this one comes up, and `last.toml` says so from then on; what comes
    /// up without a file has no such word, and leaves it.
    pub(super) fn keep_cookie(&self, cookie: &Cookie, is_shared: bool) {
        let path = self.path(cookie::LAST).filter(|path| *path != cookie.path && cookie::is_kept(&cookie.path));
        let Some(path) = path else { return };
        let is_anothers = self.is_anothers();
        if is_anothers && !is_shared && self.file.is_none() {
            log::warn!("{}: not kept: it is that of another agent; give each a --state-dir of its own", path.display());
        }
        let is_kept =
            if is_anothers { !is_shared && self.file.is_some() } else { is_shared || cookie::find(Some(&path)).is_err() };
        if is_kept {
            self.keep(path, cookie.value.clone().into_bytes(), 0o400);
        }
    }

    /// Returns true if the last that was up with this folder was another agent, with another configuration file.
    fn is_anothers(&self) -> bool {
        let whole = self.path(TEXT).and_then(|path| whole(&path));
        whole.is_some_and(|(_, file)| self.file.as_ref() != Some(&file))
    }

    /// Writes a file, unless it has these bytes.
    fn keep(&self, path: PathBuf, bytes: Vec<u8>, mode: u32) {
        if matches!(files::read(&path, LARGEST), Ok(Some(old)) if old == bytes) {
            return;
        }
        let (writing, shown) = (self.writing.clone(), path.clone());
        let write = move || {
            let _held = writing.lock().unwrap_or_else(PoisonError::into_inner);
            files::replace(&path, &bytes, mode).unwrap_or_else(|e| not_kept(&path, &e));
        };
        match threads::start("kept", Box::new(write)) {
            Ok(writer) => {
                let start = Instant::now();
                while !writer.is_finished() && start.elapsed() < PATIENCE {
                    thread::sleep(LOOK_AGAIN);
                }
            }
            Err(e) => not_kept(&shown, &e),
        }
    }

    fn path(&self, file: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(file))
    }
}

/// Returns true if there is more than comments in a text.
fn says_something(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Returns a text with the line that says what it is.
fn sealed(text: &str, file: &str) -> String {
    format!("{text}{SEAL}{} bytes of {file}\n", text.len())
}

/// Returns the text of this file that is kept, if it is whole.
fn kept(path: &Path, file: &Path) -> Option<Text> {
    let file = std::path::absolute(file).ok()?;
    let (text, _) = whole(path).filter(|(_, of)| *of == file)?;
    Some(Text { shown: path.display().to_string(), file, text })
}

/// Returns the text that is kept, and the file that it is of, if it is whole.
fn whole(path: &Path) -> Option<(String, PathBuf)> {
    let sealed = String::from_utf8(files::read(path, LARGEST).ok()??).ok()?;
    let (text, seal) = sealed.strip_suffix('\n')?.rsplit_once(SEAL)?;
    let (bytes, of) = seal.split_once(" bytes of ")?;
    (bytes.parse() == Ok(text.len())).then(|| (text.to_owned(), PathBuf::from(of)))
}

fn not_kept(path: &Path, why: &io::Error) {
    log::warn!("cannot keep {}, with which this node would start if a power cut left its files empty: {why}", path.display());
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// A folder of this name that is not there.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("beamless-last-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn text(file: &str, text: &str) -> Text {
        Text { shown: "shown".to_owned(), file: PathBuf::from(file), text: text.to_owned() }
    }

    #[test]
    fn what_is_kept_comes_back_whole_or_not_at_all() {
        let folder = folder("torn");
        let last = Last::new(Some(folder.join("made")), None);
        let path = folder.join("made").join(TEXT);
        let file = Path::new("/etc/a file.toml");
        assert!(kept(&path, file).is_none());
        for words in ["", "sname = \"a\"", "sname = \"a\"\n# kept by beamless: 3 bytes of /etc/b.toml\n", "a\n\n\u{e9}"] {
            last.keep_text(&text("/etc/a file.toml", words));
            let found = kept(&path, file).unwrap();
            assert_eq!((found.text.as_str(), found.file.as_path()), (words, file));
            assert!(kept(&path, Path::new("/etc/b.toml")).is_none(), "of another file");
            let whole = fs::read(&path).unwrap();
            for len in 0..whole.len() {
                // cut off, and as a file system leaves what it did not write
                fs::write(&path, &whole[..len]).unwrap();
                assert!(kept(&path, file).is_none(), "{len} of {words:?}");
                let zeros = [&whole[..len], &vec![0; whole.len() - len][..]].concat();
                fs::write(&path, zeros).unwrap();
                assert!(kept(&path, file).is_none(), "{len} of {words:?}");
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_did_not_change_is_not_written() {
        let folder = folder("same");
        let last = Last::new(Some(folder.clone()), Some(Path::new("/etc/a.toml")));
        let about = |file| folder.join(file).metadata().map(|about| (about.ino(), about.mode() & 0o777)).unwrap();
        let cookie = |value: &str, path: PathBuf| Cookie { value: value.to_owned(), path, made: false };
        last.keep_text(&text("/etc/a.toml", "x"));
        last.keep_cookie(&cookie("abc", folder.join("cookie")), false);
        let before = (about(TEXT), about(cookie::LAST));
        assert_eq!((before.0.1, before.1.1), (0o600, 0o400));
        // that one is open, so that the system gives its number to no other
        let held = (File::open(folder.join(TEXT)).unwrap(), File::open(folder.join(cookie::LAST)).unwrap());
        last.keep_text(&text("/etc/a.toml", "x"));
        last.keep_cookie(&cookie("abc", folder.join("cookie")), true);
        // nobody has taken it yet
        last.keep_cookie(&cookie("ab", folder.join("cookie")), false);
        // it is what the agent runs on
        last.keep_cookie(&cookie("abd", folder.join(cookie::LAST)), true);
        assert_eq!((about(TEXT), about(cookie::LAST)), before);
        last.keep_text(&text("/etc/a.toml", "y"));
        last.keep_cookie(&cookie("abd", folder.join("cookie")), true);
        assert!(about(TEXT).0 != before.0.0 && about(cookie::LAST).0 != before.1.0);
        assert_eq!(fs::read(folder.join(cookie::LAST)).unwrap(), b"abd");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        drop(held);
        fs::remove_dir_all(folder).unwrap();
    }

    /// Two agents with one folder: each goes on with a cookie of its own alone.
    #[test]
    fn the_cookie_that_is_kept_is_not_another_agents() {
        let folder = folder("two");
        let [a, b] = ["/etc/a.toml", "/etc/b.toml"].map(|file| Last::new(Some(folder.clone()), Some(Path::new(file))));
        let is_up = |last: &Last, file, value: &str| {
            let cookie = Cookie { value: value.to_owned(), path: folder.join("cookie"), made: false };
            last.keep_cookie(&cookie, false);
            last.keep_text(&text(file, "x"));
            fs::read(folder.join(cookie::LAST)).unwrap()
        };
        assert_eq!(is_up(&a, "/etc/a.toml", "abc"), b"abc");
        assert!(!a.is_anothers() && b.is_anothers());
        assert_eq!(is_up(&b, "/etc/b.toml", "bcd"), b"bcd");
        assert!(a.is_anothers() && !b.is_anothers() && Last::new(Some(folder.clone()), None).is_anothers());
        assert_eq!(is_up(&a, "/etc/a.toml", "abc"), b"abc");
        // one that is up meanwhile leaves it, and so does one without a file, which would have to say whose it is
        let by_hand = Last::new(Some(folder.clone()), None);
        for (last, is_shared) in [(&b, true), (&by_hand, false), (&by_hand, true)] {
            let cookie = Cookie { value: "cde".to_owned(), path: folder.join("cookie"), made: false };
            last.keep_cookie(&cookie, is_shared);
            assert_eq!(fs::read(folder.join(cookie::LAST)).unwrap(), b"abc");
            fs::rename(folder.join(cookie::LAST), folder.join("aside")).unwrap();
            last.keep_cookie(&cookie, is_shared);
            assert!(!folder.join(cookie::LAST).exists());
            fs::rename(folder.join("aside"), folder.join(cookie::LAST)).unwrap();
        }
        // one that is torn is nobody's
        fs::write(folder.join(TEXT), "x").unwrap();
        assert!(!a.is_anothers() && !b.is_anothers());
        fs::remove_dir_all(folder).unwrap();
    }

    /// The loop goes on, and what is kept in the end is written once the disk does.
    #[test]
    fn a_disk_that_hangs_is_not_waited_for() {
        let folder = folder("hangs");
        let last = Last::new(Some(folder.clone()), None);
        let disk = last.writing.clone();
        let hangs = disk.lock().unwrap();
        last.keep_text(&text("/etc/a.toml", "x"));
        assert!(!folder.exists());
        drop(hangs);
        let path = folder.join(TEXT);
        while kept(&path, Path::new("/etc/a.toml")).is_none() {
            thread::yield_now();
        }
        fs::remove_dir_all(folder).unwrap();
    }
}

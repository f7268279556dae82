//! The agent's own certificate: files that were renewed are taken while it runs, and whoever looks after the box hears in time that one ends.

use std::time::{Duration, Instant, SystemTime};

use super::peers::after;
use super::words::roughly;
use crate::cli::tls::{Stamp, Tls, Wanted};

/// The time between two looks at the files.
const LOOK: Duration = Duration::from_secs(10);
/// The time after which it is said again that the certificate ends.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// The certificate that is in force, and where the next one will stand.
pub(super) struct Certificate {
    wanted: Wanted,
    tls: Tls,
    /// The files that were read last, by what tells them from others.
    stamps: Vec<Option<Stamp>>,
    /// What is wrong with those files, if they could not be taken.
    wrong: Option<String>,
    look_at: Instant,
    /// When it was said last that the certificate ends, and whether it had ended.
    warned: Option<(Instant, bool)>,
}

impl Certificate {
    /// Makes it of what was read; `stamps` are from before that, so that no change is missed.
    pub(super) fn new(wanted: Wanted, stamps: Vec<Option<Stamp>>, tls: Tls) -> Self {
        Self { wanted, tls, stamps, wrong: None, look_at: Instant::now(), warned: None }
    }

    /// Returns what is in force.
    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Returns when it has something to do by itself.
    pub(super) fn next_wake(&self) -> Instant {
        self.look_at
    }

    /// Looks at the files at once, wherever they are now to stand, and says again what is wrong with them.
    pub(super) fn reload(&mut self, wanted: Option<&Wanted>) {
        let moved = wanted.filter(|wanted| **wanted != self.wanted);
        if moved.is_some() || self.wrong.take().is_some() {
            self.stamps.clear();
        }
        self.wanted = moved.unwrap_or(&self.wanted).clone();
        self.look_at = Instant::now();
    }

    /// Looks at the files, if it is time. Returns true if there is a new certificate, which is to be put in force.
    pub(super) fn turn(&mut self) -> bool {
        let now = Instant::now();
        if now < self.look_at {
            return false;
        }
        self.look_at = after(LOOK);
        let is_new = self.look();
        if let Some(words) = self.warning(SystemTime::now(), now) {
            log::warn!("{words}");
        }
        is_new
    }

    fn look(&mut self) -> bool {
        let stamps = self.wanted.stamps();
        if stamps == self.stamps && self.wrong.is_none() {
            return false;
        }
        self.stamps = stamps;
        match self.wanted.read() {
            Ok(tls) => {
                log::info!("TLS: read anew, good until {}", tls.end());
                (self.wrong, self.warned) = (None, None);
                self.tls = tls;
                true
            }
            Err(why) => {
                if self.wrong.as_ref() != Some(&why) {
                    let plain = why.strip_prefix("TLS: ").unwrap_or(&why);
                    log::warn!("TLS: the new files cannot be used, those from before stay in force: {plain}");
                }
                self.wrong = Some(why);
                false
            }
        }
    }

    /// Returns what to say of its end, from a third of its life before that: at once, every day, and when it has ended.
    fn warning(&mut self, now: SystemTime, at: Instant) -> Option<String> {
        let (from, until) = (self.tls.valid_from(), self.tls.valid_until());
        if !is_ending(from, until, now) {
            self.warned = None;
            return None;
        }
        let left = until.duration_since(now).ok();
        let has_ended = left.is_none();
        let is_known = |(said, ended): (Instant, bool)| ended == has_ended && at.saturating_duration_since(said) < AGAIN;
        if self.warned.is_some_and(is_known) {
            return None;
        }
        self.warned = Some((at, has_ended));
        let renew = "renew it: what takes the place of its files is in force within ten seconds";
        Some(match left {
            Some(left) => format!("TLS: this node's {}, ends in {}; {renew}", self.tls, roughly(left)),
            None => format!(
                "TLS: this node's certificate ended on {}, and other nodes refuse it, unless this host's clock is wrong; {renew}",
                self.tls.end()
            ),
        })
    }
}

/// Returns true in the last third of a certificate's life, and after it.
pub(super) fn is_ending(from: SystemTime, until: SystemTime, now: SystemTime) -> bool {
    let life = until.duration_since(from).unwrap_or_default();
    until.duration_since(now).ok().is_none_or(|left| Some(left) <= life.checked_div(3))
}

#[cfg(all(test, feature = "tls"))]
#[path = "../../../tests/memory/pki.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "it is of the tests, and makes more kinds than are wanted here"
)]
mod pki;

#[cfg(feature = "tls")]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::pki::{Ca, Cert, Kind, now};
    use super::*;

    /// Makes a folder with a certificate of this name, which is valid for a hundred years.
    fn folder(ca: &Ca, test: &str, name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("beamless-certificate-{}-{test}", std::process::id()));
        ca.write(&cert(ca, name), &folder)
    }

    fn cert(ca: &Ca, name: &str) -> Cert {
        ca.cert(Kind { until: now() + 36_500 * 86_400, ..Kind::of(&[name]) })
    }

    /// Puts a file in the place of another, as those do that renew certificates.
    fn put(folder: &Path, file: &str, text: &str) {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(file)).unwrap();
    }

    fn certificate(folder: &Path) -> Certificate {
        let wanted = Wanted { folder: Some(folder.to_owned()), ..Wanted::default() };
        let (stamps, tls) = (wanted.stamps(), wanted.read().unwrap());
        Certificate::new(wanted, stamps, tls)
    }

    #[test]
    fn renewed_files_are_taken_and_those_that_do_not_fit_are_not() {
        let ca = Ca::new("test");
        let (folder, b) = (folder(&ca, "renewed", "a"), cert(&ca, "b"));
        let mut certificate = certificate(&folder);
        assert!(!certificate.look() && certificate.tls().names() == ["a"]);
        put(&folder, "tls.crt", &b.pem);
        assert!(!certificate.look());
        assert!(certificate.wrong.as_ref().unwrap().contains("tls.key: it is not the key of the certificate"));
        let wrong = certificate.wrong.clone();
        assert!(!certificate.look() && certificate.wrong == wrong && certificate.tls().names() == ["a"]);
        put(&folder, "tls.key", &b.key);
        assert!(certificate.look() && certificate.tls().names() == ["b"]);
        assert!(!certificate.look() && certificate.wrong.is_none());
        fs::remove_file(folder.join("ca.crt")).unwrap();
        assert!(!certificate.look() && certificate.wrong.as_ref().unwrap().contains("ca.crt: No such file"));
        put(&folder, "ca.crt", &ca.pem);
        assert!(certificate.look() && certificate.tls().names() == ["b"]);
        // a pipe is not waited for
        fs::remove_file(folder.join("tls.key")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(folder.join("tls.key")).status().unwrap().success());
        assert!(!certificate.look() && certificate.wrong.as_ref().unwrap().ends_with("tls.key: not a regular file"));
        put(&folder, "tls.key", &b.key);
        assert!(certificate.look() && certificate.tls().names() == ["b"]);
        // a list of revoked certificates that was not there is taken when it comes
        put(&folder, "crl.pem", "");
        assert!(certificate.look() && !certificate.look());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_seen() {
        let ca = Ca::new("test");
        let (a, b) = (folder(&ca, "link-a", "a"), folder(&ca, "link-b", "b"));
        let link = a.with_file_name(format!("beamless-certificate-{}-link", std::process::id()));
        symlink(&a, &link).unwrap();
        let mut certificate = certificate(&link);
        assert!(!certificate.look());
        fs::remove_file(&link).unwrap();
        symlink(&b, &link).unwrap();
        assert!(certificate.look() && certificate.tls().names() == ["b"]);
        // settings that name another folder
        let wanted = Wanted { folder: Some(a.clone()), ..Wanted::default() };
        certificate.reload(Some(&wanted));
        assert!(certificate.turn() && certificate.tls().names() == ["a"]);
        assert!(!certificate.turn());
        fs::remove_file(link).unwrap();
        [a, b].iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
    }

    #[test]
    fn its_end_is_said_in_time_daily_and_when_it_is_there() {
        let folder = folder(&Ca::new("test"), "end", "a");
        let mut certificate = certificate(&folder);
        fs::remove_dir_all(folder).unwrap();
        let (from, until) = (certificate.tls.valid_from(), certificate.tls.valid_until());
        let (third, now) = (until.duration_since(from).unwrap() / 3, Instant::now());
        let second = Duration::from_secs(1);
        let mut said = |time, at| certificate.warning(time, at);
        assert_eq!(said(until - third - second, now), None);
        let text = said(until - third, now).unwrap();
        assert!(text.starts_with("TLS: this node's certificate for a, valid until 21") && text.contains("ends in 12"), "{text}");
        assert_eq!(said(until - third + second, now + AGAIN - second), None);
        assert!(said(until - third + AGAIN, now + AGAIN).is_some());
        assert!(said(until + second, now + AGAIN).unwrap().contains("certificate ended on 21"));
        assert_eq!(said(until + second, now + AGAIN + second), None);
        assert!(said(until + AGAIN, now + AGAIN * 2).is_some());
        assert_eq!(said(from + second, now + AGAIN * 2), None);
        assert!(said(until, now + AGAIN * 2).is_some(), "it was good meanwhile");
    }
}

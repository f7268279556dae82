//! The facts that the system tells of the box: those that need no rights, and no more time than a call takes.

use std::fs;
use std::path::Path;

use rustix::fs::statvfs;
use rustix::system::sysinfo;

/// The most sensors, and the most disks, that are told.
const MOST: usize = 16;

/// The state of the box.
#[derive(Debug)]
pub(super) struct Facts {
    /// Seconds since it was started.
    pub(super) uptime: u64,
    /// The load averages over 1, 5 and 15 minutes.
    pub(super) load: [f64; 3],
    pub(super) cpus: u64,
    /// Bytes of each kind.
    pub(super) memory: Vec<(&'static str, u64)>,
    /// Degrees Celsius of each sensor.
    pub(super) temperatures: Vec<(String, f64)>,
    /// Bytes of each file system, by where it is mounted.
    pub(super) disks: Vec<(String, Disk)>,
}

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::agent) struct Disk {
    pub(super) total: u64,
    pub(super) free: u64,
    /// Bytes that are free to users other than root.
    pub(super) available: u64,
}

impl Disk {
    /// Returns how many percent of what users other than root may have is taken.
    pub(in crate::cli::agent) fn taken(self) -> u64 {
        let used = self.total.saturating_sub(self.free);
        used.saturating_mul(100).checked_div(used.saturating_add(self.available)).unwrap_or(0)
    }
}

impl Facts {
    #[expect(clippy::cast_precision_loss, reason = "a load of 2^53 is none")]
    pub(super) fn now() -> Self {
        let info = sysinfo();
        let unit = info.mem_unit;
        // in the kernel's fixed point
        let load = info.loads.map(|load| load as f64 / 65_536.0);
        // hidden where /proc shows processes alone
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = [
            ("total", "MemTotal:", Some(bytes(info.totalram, unit))),
            ("free", "MemFree:", Some(bytes(info.freeram, unit))),
            ("available", "MemAvailable:", None),
            ("swap_total", "SwapTotal:", Some(bytes(info.totalswap, unit))),
            ("swap_free", "SwapFree:", Some(bytes(info.freeswap, unit))),
        ];
        let memory = memory.into_iter().filter_map(|(key, line, or)| Some((key, in_bytes(&meminfo, line).or(or)?))).collect();
        Self {
            uptime: u64::try_from(info.uptime).unwrap_or(0),
            load,
            cpus: fs::read_to_string("/sys/devices/system/cpu/online").ok().as_deref().and_then(cpus).unwrap_or(1),
            memory,
            temperatures: temperatures(Path::new("/sys/class/thermal")),
            disks: disks(&fs::read_to_string("/proc/self/mounts").unwrap_or_default()),
        }
    }
}

/// Multiplies: the system counts in units of its own.
fn bytes(count: impl Into<u64>, unit: u32) -> u64 {
    count.into().saturating_mul(unit.into())
}

/// Counts the processors in a list such as `0-3,5`.
fn cpus(online: &str) -> Option<u64> {
    online.trim().split(',').try_fold(0_u64, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)?.checked_add(sum)
    })
}

/// Returns a line of /proc/meminfo, in bytes.
fn in_bytes(meminfo: &str, line: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|told| told.strip_prefix(line))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Reads the thermal zones. Several of one type are told apart by their number.
fn temperatures(folder: &Path) -> Vec<(String, f64)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix("thermal_zone")?.parse::<u32>().ok();
    let mut zones: Vec<u32> = entries.filter_map(number).collect();
    zones.sort_unstable();
    let mut found: Vec<(String, f64)> = Vec::new();
    for zone in zones.into_iter().take(MOST) {
        let read = |file| fs::read_to_string(folder.join(format!("thermal_zone{zone}")).join(file)).ok();
        // a sensor that is off cannot be read
        let Some(millidegrees) = read("temp").and_then(|text| text.trim().parse::<f64>().ok()) else { continue };
        let kind = read("type").map_or_else(String::new, |text| text.trim().to_owned());
        let is_taken = kind.is_empty() || found.iter().any(|(known, _)| *known == kind);
        let name = if is_taken { format!("{kind}{}{zone}", if kind.is_empty() { "" } else { "/" }) } else { kind };
        found.push((name, millidegrees / 1000.0));
    }
    found
}

/// Returns the root, and what else is a disk here.
fn disks(mounts: &str) -> Vec<(String, Disk)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(device), Some(place), Some(kind)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let place = unescaped(place);
        // images are always full, and what a process serves may hang as it does
        let is_disk = device.starts_with("/dev/") && !device.starts_with("/dev/loop") && !kind.starts_with("fuse");
        let is_new = is_disk && found.iter().all(|(known, other)| *known != device && *other != place);
        if place == "/" {
            found.retain(|(known, other)| *known != device && other != "/");
            found.insert(0, (device, place));
        } else if is_new && Path::new(&place).is_dir() {
            found.push((device, place));
        }
    }
    // in a folder made the root it is not told
    if found.iter().all(|(_, place)| place != "/") {
        found.insert(0, ("", "/".to_owned()));
    }
    found
        .into_iter()
        .take(MOST)
        .filter_map(|(_, place)| Some((disk(&place)?, place)))
        .map(|(disk, place)| (place, disk))
        .collect()
}

/// Returns how full the file system is that this is on.
pub(in crate::cli::agent) fn disk(place: impl AsRef<Path>) -> Option<Disk> {
    let about = statvfs(place.as_ref()).ok().filter(|about| about.f_blocks > 0)?;
    let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
    Some(Disk { total: bytes(about.f_blocks), free: bytes(about.f_bfree), available: bytes(about.f_bavail) })
}

/// Reads a place as the kernel writes it: spaces and their like are a backslash and three octal digits.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_counted() {
        assert_eq!(["0\n", "0-3\n", "0-1,3,6-7\n", "", "3-1"].map(cpus), [Some(1), Some(4), Some(5), None, None]);
    }

    #[test]
    fn this_box_has_a_memory_and_a_root() {
        let facts = Facts::now();
        let memory = |key| facts.memory.iter().find(|(name, _)| *name == key).unwrap().1;
        assert!(memory("total") > memory("free") && memory("total") >= memory("available") && facts.cpus > 0);
        assert!(facts.uptime > 0 && facts.load.iter().all(|load| (0.0..100_000.0).contains(load)));
        let (place, root) = &facts.disks[0];
        assert!(root.taken() <= 100);
        assert_eq!(Disk { total: 100, free: 30, available: 10 }.taken(), 87);
        assert!(place == "/" && root.total > root.free && root.free >= root.available, "{root:?}");
    }

    #[test]
    fn what_is_no_disk_is_left_out() {
        let mounts = "proc /proc proc rw 0 0\n/dev/sda2 /tmp ext4 rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/sda1 /usr ext4 rw 0 0\n\
                      /dev/loop0 /home squashfs ro 0 0\nnuc3:/x /mnt nfs4 rw 0 0\n/dev/sdb1 /no/such/place vfat rw 0 0\nodd";
        let places: Vec<String> = disks(mounts).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["/", "/tmp"]);
        assert_eq!(disks("").len(), 1);
        assert_eq!(unescaped("/a\\040b\\134c"), "/a b\\c");
        let meminfo = "MemFree: 1 kB\nMemAvailable:    12 kB\nHugePages_Free:        0\n";
        let found = ["MemAvailable:", "MemFree:", "SwapFree:", "HugePages_Free:"].map(|line| in_bytes(meminfo, line));
        assert_eq!(found, [Some(12_288), Some(1024), None, None]);
    }

    #[test]
    fn sensors_of_one_type_are_told_apart() {
        let folder = std::env::temp_dir().join(format!("beamless-thermal-{}", std::process::id()));
        for (zone, kind, temp) in [(0, "acpitz", "27800"), (1, "acpitz", "-1500"), (2, "off", ""), (10, "x86_pkg_temp", "45000")]
        {
            let zone = folder.join(format!("thermal_zone{zone}"));
            fs::create_dir_all(&zone).unwrap();
            fs::write(zone.join("type"), format!("{kind}\n")).unwrap();
            fs::write(zone.join("temp"), temp).unwrap();
        }
        let found = temperatures(&folder);
        fs::remove_dir_all(&folder).unwrap();
        let want = [("acpitz", 27.8), ("acpitz/1", -1.5), ("x86_pkg_temp", 45.0)];
        assert_eq!(found, want.map(|(name, celsius)| (name.to_owned(), celsius)));
        assert!(temperatures(Path::new("/no/such/folder")).is_empty());
    }
}

//! On what the numbers were made: without that they say nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The machine, and the file system under test. What cannot be found out is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    pub kernel: String,
    pub arch: String,
    pub cpu: Option<String>,
    /// How many processors this process may use.
    pub cpus: u32,
    pub memory_bytes: u64,
    pub governor: Option<String>,
    /// What the kernel does about the processor's faults; those that it has not are left out.
    pub mitigations: Vec<String>,
    /// Processes that wanted to run, on average over the minute before the first measurement.
    pub load_average: f64,
    pub dir: String,
    pub file_system: Option<String>,
    pub device: Option<String>,
    pub scheduler: Option<String>,
    pub rotational: Option<bool>,
}

impl Machine {
    /// Looks around; files will be made in `dir`.
    pub fn look(dir: &Path) -> Self {
        let uname = rustix::system::uname();
        let info = rustix::system::sysinfo();
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let mount = read("/proc/self/mountinfo").and_then(|table| mount_of(&table, &dir));
        let device = mount.as_ref().and_then(|mount| block_device(&mount.source));
        Self {
            kernel: uname.release().to_string_lossy().into_owned(),
            arch: uname.machine().to_string_lossy().into_owned(),
            cpu: read("/proc/cpuinfo").and_then(|text| cpu_name(&text)),
            cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
            memory_bytes: info.totalram.saturating_mul(u64::from(info.mem_unit)),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            mitigations: mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities")),
            load_average: read("/proc/loadavg").and_then(|text| first_number(&text)).unwrap_or(0.0),
            dir: dir.display().to_string(),
            file_system: mount.map(|mount| mount.kind),
            scheduler: device.as_ref().and_then(|path| {
                scheduler(&read(path.join("queue/scheduler"))?).map(str::to_owned)
            }),
            rotational: device
                .as_ref()
                .and_then(|path| Some(read(path.join("queue/rotational"))? == "1")),
            device: device.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
        }
    }

    /// Whether others use so much of the machine that the numbers are noise.
    pub fn is_busy(&self) -> bool {
        self.load_average > 0.5 * f64::from(self.cpus)
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// x86 and riscv name the model; arm names nothing that people know.
fn cpu_name(cpuinfo: &str) -> Option<String> {
    let field = |key| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    field("model name").or_else(|| field("uarch")).or_else(|| field("Model"))
}

/// One line of `/proc/self/mountinfo`, as much as matters.
#[derive(Debug, PartialEq)]
struct Mount {
    kind: String,
    source: String,
}

/// The mount that `path` lies in: the longest mount point that leads there, the last if there are
/// several.
fn mount_of(table: &str, path: &Path) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in table.lines() {
        let (mount, source) = line.split_once(" - ")?;
        let point = PathBuf::from(unescape(mount.split(' ').nth(4)?));
        let mut source = source.split(' ');
        let (kind, device) = (source.next()?.to_owned(), source.next()?);
        let len = point.as_os_str().len();
        if path.starts_with(&point) && best.as_ref().is_none_or(|(longest, _)| len >= *longest) {
            best = Some((len, Mount { kind, source: unescape(device) }));
        }
    }
    best.map(|(_, mount)| mount)
}

/// Spaces and the like are written as `\040`.
fn unescape(text: &str) -> String {
    ["\\040 ", "\\011\t", "\\012\n", "\\134\\"]
        .iter()
        .fold(text.to_owned(), |text, rule| text.replace(&rule[..4], &rule[4..]))
}

/// The directory in /sys of the disk that `source` is, or is a partition of.
fn block_device(source: &str) -> Option<PathBuf> {
    let node = fs::canonicalize(source).ok()?;
    let link = Path::new("/sys/class/block").join(node.file_name()?);
    let device = fs::canonicalize(link).ok()?;
    if device.join("partition").exists() {
        return device.parent().map(Path::to_owned);
    }
    Some(device)
}

/// Of `mq-deadline [none]`, `none`.
fn scheduler(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(name, _)| name)
}

fn mitigations(dir: &Path) -> Vec<String> {
    let Ok(faults) = fs::read_dir(dir) else { return Vec::new() };
    let mut list: Vec<String> = faults
        .flatten()
        .filter_map(|fault| {
            let state = read(fault.path())?;
            let name = fault.file_name().to_string_lossy().into_owned();
            (state != "Not affected").then(|| format!("{name}: {state}"))
        })
        .collect();
    list.sort();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:30 / /data rw - tmpfs none rw
31 27 0:31 / /data\\040two rw - xfs /dev/sdb1 rw
32 27 0:32 / /data rw - btrfs /dev/sdc rw";

    fn kind(path: &str) -> String {
        mount_of(TABLE, Path::new(path)).unwrap().kind
    }

    #[test]
    fn the_longest_and_last_mount_point_counts() {
        assert_eq!(kind("/var/tmp"), "ext4");
        assert_eq!(kind("/data/x"), "btrfs");
        assert_eq!(kind("/data two/x"), "xfs");
        assert_eq!(kind("/database"), "ext4");
        assert_eq!(mount_of("", Path::new("/")), None);
    }

    #[test]
    fn the_scheduler_in_use_is_in_brackets() {
        assert_eq!(scheduler("mq-deadline kyber [none]"), Some("none"));
        assert_eq!(scheduler("none"), None);
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_processor() {
        let machine = Machine::look(Path::new("/"));
        assert!(machine.cpus > 0 && machine.memory_bytes > 0);
        assert!(machine.kernel.contains('.'), "{machine:?}");
        assert!(machine.file_system.is_some(), "{machine:?}");
    }

    #[test]
    fn a_busy_machine_is_one_with_half_its_processors_taken() {
        let machine = |load_average| Machine { cpus: 4, load_average, ..Machine::default() };
        assert!(!machine(1.9).is_busy());
        assert!(machine(2.1).is_busy());
    }
}

//! The text of a report, for people.

use core::fmt;

use super::report::{Behaviour, Limits, Outcome, PathReport, Report, SetupFlagReport, Unusable};
use crate::diagnose::human;

/// The set-up flags that are shown; the others are for `--ops` and programs.
const SHOWN: &[&str] = &[
    "SINGLE_ISSUER",
    "DEFER_TASKRUN",
    "NO_SQARRAY",
    "SUBMIT_ALL",
    "CQE_MIXED",
    "NO_MMAP",
    "REGISTERED_FD_ONLY",
    "IOPOLL",
    "HYBRID_IOPOLL",
    "SQPOLL",
];

/// Where the first line's right half begins.
const MACHINE_COLUMN: usize = 64;

fn mark(outcome: Outcome) -> String {
    match outcome {
        Outcome::Works => "\u{2713}".to_owned(),
        Outcome::Refused(errno) => format!("\u{2717} ({errno:?})"),
        Outcome::Wrong(what) => format!("\u{2717} ({what})"),
        Outcome::Untried(why) => format!("? ({why})"),
    }
}

/// One line of a report: its word, and what is said.
fn row(f: &mut fmt::Formatter<'_>, word: &str, text: &str) -> fmt::Result {
    write!(f, "\n  {word:<10} {text}")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.unusable {
            None => self.verdict().name().to_owned(),
            Some(Unusable::Refused(setup)) if setup.cause().is_blocked() => {
                format!("blocked: {}", setup.cause())
            }
            Some(Unusable::Refused(setup)) => format!("not usable: {}", setup.cause()),
            Some(Unusable::Failed(_)) => "not usable".to_owned(),
        };
        write!(f, "{:<MACHINE_COLUMN$}{}", format!("io_uring     {verdict}"), machine(self))?;
        match &self.unusable {
            Some(Unusable::Refused(setup)) => {
                row(f, "evidence", &setup.found_by())?;
                row(f, "fix", &setup.cure())
            }
            Some(Unusable::Failed(what)) => row(f, "evidence", what),
            None => self.findings(f),
        }
    }
}

/// The kernel, the processor and the container.
fn machine(report: &Report) -> String {
    let evidence = &report.evidence;
    let release = evidence.release.as_deref().unwrap_or("of unknown release");
    let container = match evidence.container {
        Some(container) => format!(" · container: {} ({})", container.kind.name(), container.by),
        None => String::new(),
    };
    format!(" kernel {release} {}{container}", evidence.arch)
}

impl Report {
    fn findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for limitation in &self.limitations {
            row(f, "limited", &limitation.what)?;
            row(f, "fix", &limitation.cure)?;
        }
        if let Some(limits) = &self.limits {
            row(f, "limits", &limits_text(limits, self.evidence.uid))?;
        }
        row(f, "setup", &setup_text(&self.setup_flags))?;
        row(f, "works", &behaviours_text(&self.behaviours))?;
        if let Some(path) = &self.path {
            row(f, "files", &path_text(path))?;
        }
        let kernel =
            self.kernel_ops_count.map_or(String::new(), |count| format!(" (it has {count})"));
        let opcodes =
            format!("{} of the {} known{kernel}", self.supported_ops_count(), self.ops.len());
        row(f, "opcodes", &opcodes)?;
        let (supported, known) = (self.supported_register_ops_count(), self.register_ops.len());
        row(f, "register", &format!("{supported} of the {known} known"))?;
        match self.known_bugs.is_empty() {
            true => row(f, "known bugs", "none found")?,
            false => {
                for bug in &self.known_bugs {
                    row(f, "known bugs", &format!("{} ({})", bug.what, bug.cure))?;
                }
            }
        }
        if !self.latched_off.is_empty() {
            row(f, "without", &format!("{:?}", self.latched_off))?;
        }
        Ok(())
    }
}

fn limits_text(limits: &Limits, uid: u32) -> String {
    let Some(memlock) = limits.memlock_bytes else {
        return "no limit on locked memory; registered buffers of at most 1 GiB".to_owned();
    };
    let room = |entries: u32, max: Option<u64>, made: Outcome| {
        let max = max.unwrap_or(0);
        let full = if made.fails() && max > 0 { ", none now" } else { "" };
        format!("{max} of {entries}{full}")
    };
    format!(
        "memlock {} for all processes of uid {uid}: room for {} entries, or {}; registered buffers \
         of at most {}",
        human(memlock),
        room(256, limits.rings_256_max, limits.ring_256).replacen(" of ", " rings of ", 1),
        room(4096, limits.rings_4096_max, limits.ring_4096),
        human(limits.buffer_bytes_max),
    )
}

fn setup_text(flags: &[SetupFlagReport]) -> String {
    let mut parts = Vec::new();
    for short in SHOWN {
        let found =
            flags.iter().find(|flag| flag.name.strip_prefix("IORING_SETUP_") == Some(short));
        parts.extend(found.map(|flag| format!("{short} {}", mark(flag.outcome))));
    }
    parts.join("  ")
}

fn behaviours_text(behaviours: &[Behaviour]) -> String {
    let parts = behaviours.iter().map(|b| format!("{} {}", b.title, mark(b.outcome)));
    parts.collect::<Vec<_>>().join("  ")
}

fn path_text(path: &PathReport) -> String {
    let kind = path.file_system.as_deref().unwrap_or("unknown file system");
    let unit = match path.direct_smallest_bytes {
        Some(bytes) => format!(" in units of {bytes}"),
        None => String::new(),
    };
    format!(
        "O_DIRECT on {} ({kind}) {}{unit}  reflink {}",
        path.path.display(),
        mark(path.direct),
        mark(path.reflink),
    )
}

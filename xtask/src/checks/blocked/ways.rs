//! The circumstances, and how a program is started in one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::FOLDER;
use crate::tree::root;

/// A circumstance.
pub struct Way {
    pub name: &'static str,
    pub what: &'static str,
    /// What the launcher, the example `blocked`, calls it.
    launched: &'static str,
    /// The same for one test of rings alone, where they are in each other's way.
    launched_alone: Option<&'static str>,
    /// Whether the setting is to read as 2.
    sysctl: bool,
    /// The crates whose tests are run in the short form, and else.
    pub tested_in_short: &'static [&'static str],
    pub tested: &'static [&'static str],
    /// Whether no ring of Linux can be made and used. Else short ones can.
    pub is_blocked: bool,
    /// What names the cause, and the cure beside `fix: `.
    pub words: &'static [&'static str],
}

const FILTER: &str = "seccomp filter";

/// The crates whose tests are of rings, or of rings and engines.
const RINGS: &[&str] = &["annulus-emulate", "annulus-suite"];
const ALL: &[&str] = &["annulus-emulate", "annulus-runtime", "annulus-suite"];
/// The crate whose tests are of rings alone.
const RINGS_ALONE: &str = "annulus-suite";

pub const WAYS: &[Way] = &[
    Way {
        name: "eperm",
        what: "a filter answers EPERM to the three calls, as Docker's does",
        launched: "eperm",
        launched_alone: None,
        sysctl: false,
        tested_in_short: RINGS,
        tested: ALL,
        is_blocked: true,
        words: &["EPERM", FILTER],
    },
    Way {
        name: "enosys",
        what: "a filter answers ENOSYS to the three calls, as Podman's does",
        launched: "enosys",
        launched_alone: None,
        sysctl: false,
        tested_in_short: &[],
        tested: ALL,
        is_blocked: true,
        words: &["ENOSYS", FILTER],
    },
    Way {
        name: "eacces",
        what: "a filter answers EACCES to the three calls",
        launched: "eacces",
        launched_alone: None,
        sysctl: false,
        tested_in_short: &[],
        tested: ALL,
        is_blocked: true,
        words: &["EACCES", FILTER],
    },
    Way {
        name: "enter",
        what: "a filter answers EPERM to io_uring_enter alone",
        launched: "enter",
        launched_alone: None,
        sysctl: false,
        tested_in_short: RINGS,
        tested: ALL,
        is_blocked: true,
        words: &["EPERM", FILTER, "io_uring_enter"],
    },
    Way {
        name: "sysctl",
        what: "kernel.io_uring_disabled reads as 2, and set-up answers EPERM",
        launched: "setup",
        launched_alone: None,
        sysctl: true,
        tested_in_short: &[],
        tested: ALL,
        is_blocked: true,
        words: &["EPERM", "kernel.io_uring_disabled = 2", "sysctl -w kernel.io_uring_disabled=0"],
    },
    Way {
        name: "memlock",
        what: "nobody, who may lock 64 KiB: long rings do not fit",
        launched: "memlock",
        launched_alone: Some("memlock-own"),
        sysctl: false,
        tested_in_short: &[],
        tested: ALL,
        is_blocked: false,
        words: &["ENOMEM", "locked memory", "raise the limit"],
    },
    Way {
        name: "nothing",
        what: "nobody, who may lock nothing: no ring fits",
        launched: "memlock-0",
        launched_alone: None,
        sysctl: false,
        tested_in_short: &[],
        tested: ALL,
        is_blocked: true,
        words: &["ENOMEM", "locked memory", "raise the limit"],
    },
];

/// Those that are wanted: all are, unless some are named.
pub fn chosen() -> impl Iterator<Item = &'static Way> {
    let wanted = std::env::var("BLOCKED").unwrap_or_default();
    WAYS.iter().filter(move |way| wanted.is_empty() || wanted.split(',').any(|w| w == way.name))
}

impl Way {
    /// What starts a program so: its path and arguments are to come.
    pub fn command(&self) -> Command {
        self.command_as(self.launched)
    }

    /// The same for one test alone, if those of this crate are to be started so: rings count for
    /// the user who made them, and for a moment longer than they are there.
    pub fn command_alone(&self, package: &str) -> Option<Command> {
        let launched = self.launched_alone.filter(|_| package == RINGS_ALONE)?;
        Some(self.command_as(launched))
    }

    fn command_as(&self, launched: &str) -> Command {
        let launcher = root().join("target/debug/examples/blocked");
        if !self.sysctl {
            let mut command = Command::new(launcher);
            command.arg(launched);
            return command;
        }
        // In a namespace of mounts of its own, so that nobody else sees it.
        let script =
            "mount --bind \"$1\" /proc/sys/kernel/io_uring_disabled && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(setting());
        command.arg(launcher).arg(launched);
        command
    }

    /// Whether it can be brought about here, or why not.
    pub fn works(&self) -> Result<(), String> {
        let folder = root().join(FOLDER);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(setting(), "2\n"))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        // Nobody, too, must be able to start what was built.
        let program = root().join("target/debug/annulus");
        let out = self.command().arg(program).arg("--version").output();
        let out = out.map_err(|error| format!("it cannot be brought about: {error}"))?;
        if out.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&out.stderr).replace('\n', " ");
        Err(format!("it cannot be brought about: {}", why.trim()))
    }
}

/// What lies in front of the setting.
fn setting() -> PathBuf {
    root().join(FOLDER).join("io_uring_disabled")
}

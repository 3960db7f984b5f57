//! `cargo xtask tsan`: data races between our threads, by ThreadSanitizer.
//!
//! All tests of each crate run, those of rings once more on the kernel in user space, but those
//! with an allocator of their own (`alloc_*`, `detector_*`). The standard library is built with
//! the sanitizer too, from source, by the nightly toolchain: with the one that rustc ships, what
//! it does inside would be reported. rustix is told to go through libc, where the sanitizer sees
//! that memory is mapped and unmapped; by bare system calls a ring at the address of an earlier
//! one would look like a race with it.
//!
//! What it cannot see: fences, which it does not model, and all that the kernel does (what that
//! makes it report wrongly is in `xtask/tsan-suppressions.txt`, each with its reason). The tests
//! `miri_*` have a model for a kernel, on a thread of its own: there it sees both sides.
//!
//! That it does report is shown on each run: by a race seeded in a test, `--cfg seeded_race`, and
//! by the seeded bugs that are races: those whose name ends in `_relaxed`.

use std::process::{Command, ExitCode, Stdio};

use super::packages::{self, PACKAGES};
use super::seeded::{self, Hunt};
use super::{code, has_rust_src, nightly, succeeds};
use crate::metadata::host;
use crate::skips;
use crate::test;
use crate::tree::root;

/// Where rustc ships the sanitizer's runtime.
const TARGETS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// What it reports wrongly.
const SUPPRESSIONS: &str = "xtask/tsan-suppressions.txt";

/// What cannot run there, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("engine_fork", "a child of several threads ends when it makes one"),
    ("engine_idle", "the sanitizer's own thread wakes up"),
];

/// The test with a race in it, and its crate.
const SEEDED: (&str, &str) = ("annulus-ring", "tsan_seeded");

/// How often the models run until a seeded bug is found: a report takes a certain interleaving.
const TRIES: u32 = 10;

/// Runs the tests, then what must be reported.
pub fn run() -> ExitCode {
    let host = host();
    if !TARGETS.contains(&host.as_str()) {
        return skips::step("tsan", &format!("no ThreadSanitizer for {host}"));
    }
    if !has_rust_src() {
        return skips::step(
            "tsan",
            "no nightly with rust-src: rustup toolchain install nightly -c rust-src",
        );
    }
    if let Err(why) = suppressions_are_justified() {
        eprintln!("tsan: {why}");
        return ExitCode::FAILURE;
    }
    // Every crate is run, also after one that failed.
    let passed: Vec<bool> = packages::sanitized()
        .map(|(package, kernel)| succeeds("tsan", all(package, &host).env(test::KERNEL, kernel)))
        .collect();
    code(!passed.contains(&false) && seeded_race_is_reported(&host) && hunt(&host))
}

/// All tests of one crate.
fn all(package: &str, host: &str) -> Command {
    let mut run = packages::tests_under("tsan", package);
    run.retain(|name| {
        let reason = NOT_RUN.iter().find(|(test, _)| test == name);
        reason.inspect(|(test, reason)| println!("tsan: {test}: not run: {reason}")).is_none()
    });
    let mut command = base(package, host);
    command.args(["--no-fail-fast", "--lib"]).args(packages::options(&run));
    command
}

fn base(package: &str, host: &str) -> Command {
    let mut command = nightly();
    // What the tests skip is counted by `cargo xtask test`; here it would pass for a skipped step.
    command.env_remove(skips::VARIABLE);
    let suppressions = root().join(SUPPRESSIONS);
    command
        .env("TSAN_OPTIONS", format!("suppressions={} exitcode=66", suppressions.display()))
        .env("RUSTFLAGS", "-Zsanitizer=thread --cfg=rustix_use_libc")
        .args(["test", "--quiet", "-Zbuild-std", "--target", host, "--target-dir=target/tsan"])
        .args(["-p", package, "--all-features"]);
    command
}

/// Whether the race seeded in a test is reported, by the name of the test.
fn seeded_race_is_reported(host: &str) -> bool {
    let (package, name) = SEEDED;
    let mut command = base(package, host);
    command.args(["--test", name]).args(seeded::options("dev", package, "seeded_race"));
    let printed = command.stdin(Stdio::null()).output().map(|out| {
        let both = [out.stdout, out.stderr].concat();
        String::from_utf8_lossy(&both).into_owned()
    });
    let printed = printed.unwrap_or_default();
    let reported = is_report_of(&printed, "a_seeded_race");
    println!("tsan: seeded race: {}", if reported { "found" } else { "NOT FOUND" });
    if !reported {
        eprintln!("{printed}");
    }
    reported
}

/// Whether `printed` holds a report of a data race with `function` in it.
fn is_report_of(printed: &str, function: &str) -> bool {
    let reports = printed.split("WARNING: ThreadSanitizer: data race").skip(1);
    reports
        .map(|report| report.split("SUMMARY:").next().unwrap_or(""))
        .any(|r| r.contains(function))
}

/// Looks for the seeded bugs that are races, in the models.
fn hunt(host: &str) -> bool {
    let hunt = Hunt { check: "tsan", packages: PACKAGES, profile: "dev", tries: TRIES, finds };
    hunt.run(|package, file, options| {
        let models = packages::tests_named(package, &["miri_"]);
        let models = packages::covering(package, models, file);
        let mut command = base(package, host);
        command.args(packages::options(&models)).args(options);
        (!models.is_empty()).then_some(command)
    })
}

fn finds(bug: &str) -> Result<(), &'static str> {
    // What the latter breaks is seen in atomics alone, but where a third thread comes between.
    let race = bug.ends_with("_relaxed") && bug != "unlink_relaxed";
    if race { Ok(()) } else { Err("no data race, or a rare one; loom finds it") }
}

/// Whether each suppression stands under a comment, or under others that do.
fn suppressions_are_justified() -> Result<(), String> {
    let path = root().join(SUPPRESSIONS);
    let text = std::fs::read_to_string(path).map_err(|e| format!("{SUPPRESSIONS}: {e}"))?;
    match unjustified(&text) {
        Some(line) => {
            Err(format!("{SUPPRESSIONS}: `{line}` without a comment above that says why"))
        }
        None => Ok(()),
    }
}

/// The first line that no comment stands above; an empty line ends what a comment is about.
fn unjustified(text: &str) -> Option<&str> {
    let mut explained = false;
    text.lines().find(|line| {
        explained = line.starts_with('#') || (explained && !line.is_empty());
        !explained && !line.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::{finds, is_report_of, suppressions_are_justified, unjustified};

    #[test]
    fn a_suppression_needs_a_reason_above_it() {
        assert_eq!(unjustified("# why\nrace_top:a\nrace_top:b\n\n# why\nrace:c\n"), None);
        assert_eq!(unjustified("# about all\n\nrace_top:a\n"), Some("race_top:a"));
        assert_eq!(unjustified("# why\nrace_top:a\n\nrace:b\n"), Some("race:b"));
        suppressions_are_justified().unwrap();
    }

    #[test]
    fn a_report_is_a_race_that_names_the_function() {
        let report = "WARNING: ThreadSanitizer: data race (pid=1)\n #0 x::a_seeded_race::{closure}\n\
                      SUMMARY: ThreadSanitizer: data race a.rs:1 in x\n";
        assert!(is_report_of(report, "a_seeded_race"));
        assert!(!is_report_of(report, "another"));
        assert!(!is_report_of("test a_seeded_race ... FAILED", "a_seeded_race"));
        let after = report.replace("a_seeded_race", "b") + "test a_seeded_race";
        assert!(!is_report_of(&after, "a_seeded_race"));
    }

    #[test]
    fn races_alone_are_looked_for() {
        assert!(finds("tail_relaxed").is_ok() && finds("no_wakeup_fence").is_err());
    }
}

//! `cargo xtask miri`: undefined behaviour and weak memory in what needs no kernel.
//!
//! Miri knows no io_uring, so it runs what needs none: the unit tests of each crate (one that needs
//! the real kernel carries `#[cfg(not(miri))]`), its tests `model_*`, on a model kernel and on one
//! thread, and its tests `miri_*`, where that kernel runs beside them, with many schedules each.
//! Each ordering that is seeded wrong in a crate's sources must make one of that crate's `miri_*`
//! fail.

use std::process::{Command, ExitCode};

use super::packages::{self, PACKAGES};
use super::seeded::Hunt;
use super::{code, is_there, nightly, succeeds};
use crate::skips;
use crate::tree::root;

/// How many schedules each model is run with as it is.
const SEEDS: u32 = 8;
/// How many at most until a seeded bug is found.
const SEEDS_MAX: u32 = 40;

/// Runs the unit tests, the models, and the models once more per seeded bug.
pub fn run() -> ExitCode {
    if !is_there(nightly().args(["miri", "--version"])) {
        let reason = "no nightly with miri: rustup toolchain install nightly -c miri,rust-src";
        return skips::step("miri", reason);
    }
    if !PACKAGES.iter().all(|package| succeeds("miri", &mut on_one_thread(package))) {
        return ExitCode::FAILURE;
    }
    let mut any = false;
    for (package, mut command) in
        PACKAGES.iter().filter_map(|p| Some((p, models(p, None, SEEDS, &[])?)))
    {
        any = true;
        if !models_pass(package, &mut command) {
            return ExitCode::FAILURE;
        }
    }
    if !any {
        return skips::step("miri: models", "no crate has tests miri_* yet");
    }
    let hunt = Hunt { check: "miri", packages: PACKAGES, profile: "dev", tries: 1, finds };
    code(hunt.run(|package, file, options| models(package, Some(file), SEEDS_MAX, options)))
}

/// What chance finds in some dozens of schedules: an access without its ordering.
fn finds(bug: &str) -> Result<(), &'static str> {
    // What that one breaks is seen in atomics alone, and only by who comes between two of them.
    if (bug.ends_with("_relaxed") && bug != "unlink_relaxed") || bug == "no_wakeup_fence" {
        return Ok(());
    }
    Err("it takes a rare schedule, and loom explores them all")
}

/// The unit tests of `package`, and its models on one thread.
fn on_one_thread(package: &str) -> Command {
    let mut command = base(package);
    let models = packages::tests_named(package, &["model_"]);
    command.arg("--lib").args(packages::options(&models)).env("MIRIFLAGS", FLAGS);
    command
}

/// Runs the models as they are. Every schedule prints as much: shown is what fails alone.
fn models_pass(package: &str, command: &mut Command) -> bool {
    let log = root().join(format!("target/miri/models-{package}.log"));
    let Ok(file) = std::fs::File::create(&log) else { return false };
    let passed = succeeds("miri", command.stdout(file));
    if !passed {
        println!("{}", std::fs::read_to_string(log).unwrap_or_default());
    }
    passed
}

fn base(package: &str) -> Command {
    let mut command = nightly();
    command.args(["miri", "test", "--quiet", "--target-dir=target/miri", "-p", package]);
    command
}

/// The waits' arguments hold addresses as numbers, as the kernel wants them.
const FLAGS: &str = "-Zmiri-permissive-provenance";

/// The models of `package`, if it has any: those of a source `file`, if one is given.
fn models(package: &str, file: Option<&str>, seeds: u32, options: &[String]) -> Option<Command> {
    let mut models = packages::tests_named(package, &["miri_"]);
    if let Some(file) = file {
        models = packages::covering(package, models, file);
    }
    if models.is_empty() {
        return None;
    }
    let mut command = base(package);
    command.env("MIRIFLAGS", format!("{FLAGS} -Zmiri-many-seeds=0..{seeds}"));
    command.args(packages::options(&models)).args(options);
    Some(command)
}

//! `cargo xtask miri`: undefined behaviour and weak memory in what needs no kernel.
//!
//! Miri knows no io_uring, so it runs what needs none: the unit tests of annulus-ring (one that
//! needs the real kernel carries `#[cfg(not(miri))]`), its tests `model_*`, the rings on a model
//! kernel and on one thread, and its tests `miri_*`, where that kernel runs beside them, with many
//! schedules each. Each bug seeded in the sources must make one of `miri_*` fail.

use std::process::{Command, ExitCode};

use super::{code, has_tests, is_there, seeded, succeeds};
use crate::skips;
use crate::tree::root;

/// How many schedules each model is run with as it is.
const SEEDS: u32 = 16;
/// How many at most until a seeded bug is found.
const SEEDS_MAX: u32 = 40;

/// Runs the unit tests, the models, and the models once more per seeded bug.
pub fn run() -> ExitCode {
    if !is_there(nightly().args(["miri", "--version"])) {
        let reason = "no nightly with miri: rustup toolchain install nightly -c miri,rust-src";
        return skips::step("miri", reason);
    }
    if !succeeds("miri", base().args(["--lib", "--test", "model_*"]).env("MIRIFLAGS", FLAGS)) {
        return ExitCode::FAILURE;
    }
    if !has_tests("miri_") {
        return skips::step("miri: models", "annulus-ring has no tests miri_* yet");
    }
    if !models_pass() {
        return ExitCode::FAILURE;
    }
    code(seeded::hunt("miri", "dev", |options| models(SEEDS_MAX, options)))
}

/// Runs the models as they are. Every schedule prints as much: shown is what fails alone.
fn models_pass() -> bool {
    let log = root().join("target/miri/models.log");
    let Ok(file) = std::fs::File::create(&log) else { return false };
    let passed = succeeds("miri", models(SEEDS, &[]).stdout(file));
    if !passed {
        println!("{}", std::fs::read_to_string(log).unwrap_or_default());
    }
    passed
}

/// Cargo of the nightly toolchain, whatever runs this program.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.current_dir(root()).args(["run", "nightly", "cargo"]);
    command
}

fn base() -> Command {
    let mut command = nightly();
    command.args(["miri", "test", "--quiet", "--target-dir=target/miri", "-p", "annulus-ring"]);
    command
}

/// The waits' arguments hold addresses as numbers, as the kernel wants them.
const FLAGS: &str = "-Zmiri-permissive-provenance";

fn models(seeds: u32, options: &[String]) -> Command {
    let mut command = base();
    command.env("MIRIFLAGS", format!("{FLAGS} -Zmiri-many-seeds=0..{seeds}"));
    command.args(["--test", "miri_*"]).args(options);
    command
}

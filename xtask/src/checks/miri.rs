//! `cargo xtask miri`: undefined behaviour and weak memory in what needs no kernel.
//!
//! Miri knows no io_uring, so it runs the unit tests of annulus-ring, and its tests `miri_*`: the
//! queues against a model kernel, with many schedules each. A unit test that needs the real kernel
//! carries `#[cfg(not(miri))]`. Each bug seeded in the sources must make one of `miri_*` fail.

use std::process::{Command, ExitCode};

use super::{code, has_tests, is_there, seeded, succeeds};
use crate::skips;
use crate::tree::root;

/// How many schedules each model is run with.
const SEEDS: u32 = 40;

/// Runs the unit tests, the models, and the models once more per seeded bug.
pub fn run() -> ExitCode {
    if !is_there(nightly().args(["miri", "--version"])) {
        let reason = "no nightly with miri: rustup toolchain install nightly -c miri,rust-src";
        return skips::step("miri", reason);
    }
    if !succeeds("miri", base().arg("--lib")) {
        return ExitCode::FAILURE;
    }
    if !has_tests("miri_") {
        return skips::step("miri: models", "annulus-ring has no tests miri_* yet");
    }
    if !models_pass() {
        return ExitCode::FAILURE;
    }
    code(seeded::hunt("miri", "dev", models))
}

/// Runs the models as they are. Forty schedules print forty times: shown is what fails alone.
fn models_pass() -> bool {
    let log = root().join("target/miri/models.log");
    let Ok(file) = std::fs::File::create(&log) else { return false };
    let passed = succeeds("miri", models(&[]).stdout(file));
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

fn models(options: &[String]) -> Command {
    let mut command = base();
    command.env("MIRIFLAGS", format!("-Zmiri-many-seeds=0..{SEEDS}"));
    command.args(["--test", "miri_*"]).args(options);
    command
}

//! `cargo xtask loom`: every interleaving of the queues against a model kernel.
//!
//! The models are the tests `loom_*` of annulus-ring, built with `--cfg loom`. Each bug seeded in
//! the sources must make one of them fail.

use std::process::{Command, ExitCode};

use super::{code, has_tests, seeded, succeeds};
use crate::tree::root;
use crate::{metadata, skips};

/// Runs the models, then once more per seeded bug.
pub fn run() -> ExitCode {
    if !has_tests("loom_") {
        return skips::step("loom", "annulus-ring has no tests loom_* yet");
    }
    if !succeeds("loom", &mut command(&[])) {
        return ExitCode::FAILURE;
    }
    code(seeded::hunt("loom", "release", command))
}

fn command(options: &[String]) -> Command {
    let mut cargo = metadata::cargo(&root());
    cargo
        // The seeding needs an unstable option; with the clean run alike, both share their build.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "--cfg loom")
        .args(["test", "--quiet", "--release", "--target-dir=target/loom"])
        .args(["-p", "annulus-ring", "--test", "loom_*"])
        .args(options);
    cargo
}

//! `cargo xtask loom`: every interleaving of the models.
//!
//! The models are the tests `loom_*` of each crate, built with `--cfg loom`. Each bug seeded in a
//! crate's sources must make one of that crate's models fail.

use std::process::{Command, ExitCode};

use super::packages::{self, MODELLED};
use super::seeded::Hunt;
use super::{code, succeeds};
use crate::tree::root;
use crate::{metadata, skips};

/// Runs the models, then once more per seeded bug.
pub fn run() -> ExitCode {
    let commands: Vec<Command> = MODELLED.iter().filter_map(|p| command(p, None, &[])).collect();
    if commands.is_empty() {
        return skips::step("loom", "no crate has tests loom_* yet");
    }
    for mut command in commands {
        if !succeeds("loom", &mut command) {
            return ExitCode::FAILURE;
        }
    }
    let hunt =
        Hunt { check: "loom", packages: MODELLED, profile: "release", tries: 1, finds: |_| Ok(()) };
    code(hunt.run(|package, file, options| command(package, Some(file), options)))
}

/// The models of `package`, if it has any: those of a source `file`, if one is given.
fn command(package: &str, file: Option<&str>, options: &[String]) -> Option<Command> {
    let mut models = packages::tests_named(package, &["loom_"]);
    if let Some(file) = file {
        models = packages::covering(package, models, file);
    }
    if models.is_empty() {
        return None;
    }
    let mut cargo = metadata::cargo(&root());
    cargo
        // The seeding needs an unstable option; with the clean run alike, both share their build.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "--cfg loom")
        // Most of the time goes into building the models once per bug, not into running them.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .args(["test", "--quiet", "--release", "--target-dir=target/loom", "-p", package])
        .args(packages::options(&models))
        .args(options);
    Some(cargo)
}

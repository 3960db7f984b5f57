//! `cargo xtask cross`: the workspace compiles for the other targets.

use std::process::{Command, ExitCode};

use super::{code, has_rust_src, is_there, nightly, succeeds};
use crate::tree::root;
use crate::{metadata, skips};

const TARGETS: &[&str] =
    &["aarch64-unknown-linux-gnu", "riscv64gc-unknown-linux-gnu", "x86_64-unknown-linux-musl"];

/// Checks every target, and fails where one failed.
pub fn run() -> ExitCode {
    let mut good = true;
    for target in TARGETS {
        good &= check(target);
    }
    code(good)
}

/// Checks one target: with its standard library, fetched if need be; else with one built from
/// source; else it is a counted skip.
fn check(target: &str) -> bool {
    let check = ["check", "--quiet", "--workspace", "--all-targets", "--target", target];
    let name = format!("cross: {target}");
    if is_there(Command::new("rustup").args(["target", "add", target])) {
        println!("{name}");
        return succeeds(&name, metadata::cargo(&root()).args(check));
    }
    if has_rust_src() {
        println!("{name}, its standard library from source");
        let from_source = ["-Zbuild-std", "--target-dir=target/build-std"];
        return succeeds(&name, nightly().args(check).args(from_source));
    }
    let reason = "its standard library can be neither fetched nor built: rustup target add";
    skips::step(&name, reason) == ExitCode::SUCCESS
}

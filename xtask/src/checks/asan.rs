//! `cargo xtask asan`: the tests of annulus-ring under AddressSanitizer, leaks included.
//!
//! The kernel's own writes are invisible to it: what it finds are ours.

use std::process::ExitCode;

use super::{code, succeeds};
use crate::metadata::{cargo, host};
use crate::skips;
use crate::tree::root;

/// Where rustc ships the sanitizer's runtime.
const TARGETS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// Runs all tests but the doctests.
pub fn run() -> ExitCode {
    let host = host();
    if !TARGETS.contains(&host.as_str()) {
        return skips::step("asan", &format!("no AddressSanitizer for {host}"));
    }
    let mut tests = cargo(&root());
    // What the tests skip is counted by `cargo xtask test`; here it would pass for a skipped step.
    tests.env_remove(skips::VARIABLE);
    // With `--target`, build scripts and macros stay free of the sanitizer.
    tests
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .args(["test", "--quiet", "--tests", "--no-fail-fast", "-p", "annulus-ring"])
        .args(["--target-dir=target/asan", "--target", &host]);
    code(succeeds("asan", &mut tests))
}

//! `cargo xtask asan`: the tests of the libraries under AddressSanitizer, leaks included; those
//! of rings once more on the kernel in user space.
//!
//! The kernel's own writes are invisible to it: what it finds are ours. Left out are the programs
//! of tests with an allocator of their own, which the sanitizer could not see behind: those named
//! `alloc_*` and `detector_*`. They are named in the output, and run by `cargo xtask test`.

use std::process::{Command, ExitCode};

use super::packages;
use super::{code, succeeds};
use crate::metadata::{cargo, host};
use crate::skips;
use crate::test;
use crate::tree::root;

/// Where rustc ships the sanitizer's runtime.
const TARGETS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// The tests that leak on purpose.
const LEAKS: &str = "xtask/lsan-suppressions.txt";

/// Runs all tests but the doctests.
pub fn run() -> ExitCode {
    let host = host();
    if !TARGETS.contains(&host.as_str()) {
        return skips::step("asan", &format!("no AddressSanitizer for {host}"));
    }
    // Every crate is run, also after one that failed.
    let passed: Vec<bool> = packages::sanitized()
        .map(|(package, kernel)| {
            succeeds("asan", command(package, &host).env(test::KERNEL, kernel))
        })
        .collect();
    code(!passed.contains(&false))
}

/// The tests of one crate.
fn command(package: &str, host: &str) -> Command {
    let run = packages::tests_under("asan", package);
    let mut tests = cargo(&root());
    // What the tests skip is counted by `cargo xtask test`; here it would pass for a skipped step.
    tests.env_remove(skips::VARIABLE);
    // With `--target`, build scripts and macros stay free of the sanitizer.
    tests
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("LSAN_OPTIONS", format!("suppressions={}", root().join(LEAKS).display()))
        .args(["test", "--quiet", "--no-fail-fast", "-p", package, "--all-features", "--lib"])
        .args(packages::options(&run))
        .args(["--target-dir=target/asan", "--target", host]);
    tests
}

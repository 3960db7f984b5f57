//! `cargo xtask kernels`: the tests of the libraries on other kernels, under qemu's emulation.
//!
//! The libraries claim to run from Linux 6.1 on by trying what a kernel can do. Here are kernels
//! that can do less: Debian's, started with nothing but a shell and the test programs, which are
//! linked statically. Each runs the tests on its own io_uring, and those of rings once
//! more on the kernel in user space, which is to find all that it needs there too. Doctests are no
//! programs of their own, and are not run. Half an hour, and packages from the network, so it is
//! no part of `.ci/run` but of a night; what cannot be had is a counted skip.
//!
//! `KERNELS=6.1` runs that one alone. `TESTS="op_ host/annulus-runtime/engine"` runs the programs
//! whose names begin so, with or without their crate and the kernel that rings are made of.

mod disk;
mod instructions;
mod machine;
mod results;

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use super::packages::{self, ON_HOST, PACKAGES};
use super::{code, output};
use crate::programs::{self, Program};
use crate::test::KERNEL;
use crate::tree::root;
use crate::{metadata, skips};
pub use instructions::run as run_instructions;
use machine::Clock;
use results::Results;

/// What runs on every kernel: linked statically.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// The oldest that is supported, and the one that stable distributions have.
const SERIES: &[&str] = &["6.1", "6.12"];

/// Which crate's programs run on which kernel, as `ANNULUS_KERNEL` has it.
const RUNS: &[(&str, &[&str])] = &[
    ("annulus-ring", &["linux"]),
    ("annulus-runtime", &["linux"]),
    ("annulus-emulate", &["linux"]),
    ("annulus-suite", &["linux", "host"]),
];

/// Programs, by how their names begin, that ask nothing of a kernel: those that need cargo or the
/// tests' sources, those with a model for a kernel, and one that is for a sanitizer.
const HERE_ALONE: &[&str] = &["abi_table", "loom_", "miri_", "parity_", "prop_", "tsan_"];

/// When one program of tests is given up, and the whole machine.
const PROGRAM_LIMIT: Duration = Duration::from_secs(600);
const MACHINE_LIMIT: Duration = Duration::from_secs(120 * 60);

/// One program, on one kernel.
struct Run {
    kernel: &'static str,
    program: Program,
}

impl Run {
    /// As it is asked for, and told of.
    fn name(&self) -> String {
        format!("{}/{}/{}", self.kernel, self.program.package, self.program.name)
    }

    /// Whether one of `wanted` is how its name begins.
    fn is_wanted(&self, wanted: &[&str]) -> bool {
        let Program { package, name, .. } = &self.program;
        let names = [name.clone(), format!("{package}/{name}"), self.name()];
        wanted.is_empty() || names.iter().any(|name| packages::begins(name, wanted))
    }
}

/// Runs the tests on every kernel that can be had; fails where a test failed on one.
pub fn run() -> ExitCode {
    if let Some(reason) = machine::missing() {
        return skips::step("kernels", reason);
    }
    let mut good = true;
    let busybox = match machine::busybox() {
        Ok(busybox) => busybox,
        Err(why) => return skips::step("kernels", &why),
    };
    let runs = match runs() {
        Ok(runs) => runs,
        Err(why) => {
            eprintln!("kernels: {why}");
            return ExitCode::FAILURE;
        }
    };
    for series in SERIES.iter().filter(|s| chosen(s)) {
        match machine::kernel(series) {
            Ok(kernel) => good &= on(&kernel, series, &busybox, &runs),
            Err(why) => {
                good &= skips::step(&format!("kernels: {series}"), &why) == ExitCode::SUCCESS;
            }
        }
    }
    code(good)
}

/// Whether this series of kernels is wanted: all are, unless one is named.
fn chosen(series: &str) -> bool {
    std::env::var("KERNELS").map_or(true, |wanted| wanted == series)
}

/// Builds the programs of tests, and says which runs where.
fn runs() -> Result<Vec<Run>, String> {
    let mut build = metadata::cargo(&root());
    // Without the tables for debuggers they are a tenth of the size.
    build.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    build.args(["test", "--no-run", "--tests", "--target", TARGET]);
    build.args(PACKAGES.iter().chain(ON_HOST).flat_map(|package| ["-p", package]));
    build.args(["--message-format=json", "--target-dir"]).arg(disk::built());
    build.stderr(Stdio::inherit());
    let mut found = programs::built(&output(&mut build)?)?;
    found.retain(|program| !packages::begins(&program.name, HERE_ALONE));
    let wanted = std::env::var("TESTS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let mut runs = Vec::new();
    for kernel in ["linux", "host"] {
        let here =
            |p: &&Program| RUNS.iter().any(|(of, on)| *of == p.package && on.contains(&kernel));
        let on_it = found.iter().filter(here).cloned();
        runs.extend(on_it.map(|program| Run { kernel, program }));
    }
    runs.retain(|run| run.is_wanted(&wanted));
    if runs.is_empty() { Err("cargo built no such tests".to_owned()) } else { Ok(runs) }
}

/// Runs all `runs` on one kernel, and says what failed.
fn on(kernel: &machine::Kernel, series: &str, busybox: &[u8], runs: &[Run]) -> bool {
    println!("kernels: {}", kernel.package);
    let ran = disk::make(series, &script(), busybox, runs)
        .and_then(|disk| machine::boot(kernel, &disk, Clock::Host, MACHINE_LIMIT));
    match ran {
        Ok((text, end)) => Results::read(&text).report(series, end),
        Err(why) => {
            eprintln!("kernels: {series}: {why}");
            false
        }
    }
}

/// The machine's first program.
fn script() -> String {
    include_str!("init.sh")
        .replace("@LIMIT@", &PROGRAM_LIMIT.as_secs().to_string())
        .replace("@CRATES@", &root().join("crates").to_string_lossy())
        .replace("@KERNEL@", KERNEL)
        .replace("@SKIPPED@", skips::VARIABLE)
}

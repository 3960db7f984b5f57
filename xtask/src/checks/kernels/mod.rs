//! `cargo xtask kernels`: the tests of the libraries on other kernels, under qemu's emulation.
//!
//! The libraries claim to run from Linux 6.1 on by trying what a kernel can do. Here are kernels
//! that can do less: Debian's, started with nothing but a shell and the test programs, which are
//! linked statically. Doctests are no programs of their own, and are not run. Some minutes, and
//! packages from the network, so it is no part of `.ci/run`; what cannot be had is a counted skip.
//! `KERNELS=6.1` runs that one alone, and `TESTS=op_` the programs whose names begin so.

mod cpio;
mod instructions;
mod machine;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::packages::{self, PACKAGES, Program};
use super::{End, code, output};
use crate::test::Progress;
use crate::tree::root;
use crate::{metadata, skips};
pub use instructions::run as run_instructions;
use machine::Clock;

/// What runs on every kernel: linked statically.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// A series of kernels, and how many skips are agreed there: more is a failure.
struct Series {
    name: &'static str,
    skips: usize,
}

/// The oldest that is supported, and the one that stable distributions have.
const SERIES: &[Series] = &[Series { name: "6.1", skips: 133 }, Series { name: "6.12", skips: 59 }];

/// Programs, by how their names begin, that ask nothing of a kernel: those that need cargo, those
/// with a model for a kernel, and one that is for a sanitizer.
const HERE_ALONE: &[&str] = &["abi_table", "loom_", "miri_", "prop_", "tsan_"];

/// When one program of tests is given up, and the whole machine.
const PROGRAM_LIMIT: Duration = Duration::from_secs(180);
const MACHINE_LIMIT: Duration = Duration::from_secs(15 * 60);

/// As long as the disk is that the tests write to: no more is used of it than they write.
const DISK_BYTES: u64 = 256 << 20;

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
    let programs = match programs() {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("kernels: {why}");
            return ExitCode::FAILURE;
        }
    };
    for series in SERIES.iter().filter(|s| chosen(s)) {
        match machine::kernel(series.name) {
            Ok(kernel) => good &= on(&kernel, series, &busybox, &programs),
            Err(why) => {
                good &=
                    skips::step(&format!("kernels: {}", series.name), &why) == ExitCode::SUCCESS;
            }
        }
    }
    code(good)
}

/// Whether this kernel is wanted: all are, unless one is named.
fn chosen(series: &Series) -> bool {
    std::env::var("KERNELS").map_or(true, |wanted| wanted == series.name)
}

/// Builds the programs of tests.
fn programs() -> Result<Vec<Program>, String> {
    let mut build = metadata::cargo(&root());
    // Without the tables for debuggers they are a tenth of the size.
    build.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    build.args(["test", "--no-run", "--tests", "--target", TARGET]);
    build.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    build.args(["--message-format=json", "--target-dir=target/kernels/build"]);
    build.stderr(Stdio::inherit());
    let mut found = packages::built(&output(&mut build)?)?;
    let wanted = std::env::var("TESTS").unwrap_or_default();
    found.retain(|program| {
        !packages::begins(&program.name, HERE_ALONE) && program.name.starts_with(&wanted)
    });
    if found.is_empty() { Err("cargo built no tests".to_owned()) } else { Ok(found) }
}

/// Runs all `programs` on one kernel, and says what failed.
fn on(kernel: &machine::Kernel, series: &Series, busybox: &[u8], programs: &[Program]) -> bool {
    println!("kernels: {}", kernel.package);
    let ran = initial(busybox, programs).map_err(|e| e.to_string()).and_then(|initial| {
        machine::boot(kernel, initial, disk().as_deref(), Clock::Host, MACHINE_LIMIT)
    });
    match ran {
        Ok((text, end)) => Results::read(&text).report(series, end),
        Err(why) => {
            eprintln!("kernels: {}: {why}", series.name);
            false
        }
    }
}

/// What the machine begins with: the programs of each crate in a folder of its name, and where they
/// look for the crate's sources.
fn initial(busybox: &[u8], programs: &[Program]) -> std::io::Result<cpio::Archive> {
    let crates = root().join("crates");
    let script = include_str!("init.sh")
        .replace("@LIMIT@", &PROGRAM_LIMIT.as_secs().to_string())
        .replace("@CRATES@", &crates.to_string_lossy());
    let mut initial = machine::initial(busybox, &script);
    let mut above: Vec<&Path> = crates.ancestors().collect();
    above.reverse();
    for folder in above {
        initial.directory(in_archive(folder));
    }
    initial.directory("tests");
    for package in PACKAGES {
        initial.directory(&format!("tests/{package}"));
        let library = packages::folder(package);
        initial.directory(in_archive(&library));
        let manifest = library.join("Cargo.toml");
        initial.program(in_archive(&manifest), &std::fs::read(&manifest)?);
        sources(&library.join("src"), &mut initial)?;
    }
    for Program { package, name, file } in programs {
        initial.program(&format!("tests/{package}/{name}"), &std::fs::read(file)?);
    }
    Ok(initial)
}

/// A path as an archive has it.
fn in_archive(path: &Path) -> &str {
    path.to_str().map_or("", |path| path.trim_start_matches('/'))
}

/// Adds a folder with all that is in it.
fn sources(folder: &Path, initial: &mut cpio::Archive) -> std::io::Result<()> {
    initial.directory(in_archive(folder));
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, initial)?;
        } else {
            initial.program(in_archive(&path), &std::fs::read(&path)?);
        }
    }
    Ok(())
}

/// A disk with an ext4 on it, if this machine can make one: the temporary directory, on which
/// direct I/O works; else that is in memory.
fn disk() -> Option<PathBuf> {
    let path = machine::folder().join("disk");
    let file = std::fs::File::create(&path).ok()?;
    file.set_len(DISK_BYTES).ok()?;
    let mut make = Command::new("mkfs.ext4");
    // It lies where not everyone looks for programs.
    let look_in = std::env::var("PATH").unwrap_or_default() + ":/sbin:/usr/sbin";
    make.env("PATH", look_in).args(["-q", "-F"]).arg(&path);
    output(&mut make).ok().map(|_| path)
}

/// What the machine's console says of the tests.
#[derive(Default)]
struct Results {
    /// What the programs that ended printed, counted.
    progress: Progress,
    /// Programs that failed, hung or crashed, and what they printed last.
    bad: Vec<(String, String)>,
    skips: Vec<skips::Skip>,
    /// Whether the machine came to its end.
    done: bool,
}

impl Results {
    fn read(text: &str) -> Self {
        let mut results = Self::default();
        let mut running: Option<(String, String)> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== begin ") {
                running = Some((name.to_owned(), String::new()));
            } else if let Some(end) = line.strip_prefix("== end ") {
                if let Some((name, printed)) = running.take()
                    && !end.ends_with(" 0")
                {
                    results.bad.push((name, printed));
                }
            } else if let Some((_, printed)) = &mut running {
                results.progress.line(line);
                printed.push_str(line);
                printed.push('\n');
            }
        }
        // What neither ended nor was ended took the machine with it.
        results.bad.extend(running);
        let skipped = text.split_once("\n== skips\n").map_or("", |(_, after)| after);
        results.skips = skips::parse(skipped);
        results.done = text.contains("\n== done");
        results
    }

    /// Prints what failed and the counts; whether all is well.
    fn report(&self, series: &Series, end: End) -> bool {
        for (name, printed) in &self.bad {
            let from = printed
                .find("\nfailures:\n")
                .unwrap_or_else(|| printed.char_indices().rev().nth(2000).map_or(0, |(at, _)| at));
            println!("{name}:{}", &printed[from..]);
        }
        for skips::Skip { name, reason } in &self.skips {
            println!("skipped: {name}: {reason}");
        }
        let mut good = self.bad.is_empty() && self.done && self.progress.passed > 0;
        if !self.done {
            println!("the machine did not come to its end: {end:?}");
        }
        if self.skips.len() > series.skips {
            println!("{} skipped, and {} agreed", self.skips.len(), series.skips);
            good = false;
        }
        let (passed, failed) = (self.progress.passed_whole(&self.skips), self.progress.failed);
        let skipped = self.skips.len();
        let name = series.name;
        println!("kernels: {name}: {passed} passed, {failed} failed, {skipped} skipped");
        good
    }
}

#[cfg(test)]
mod tests {
    use super::Results;

    const TEXT: &str = "
== kernel 6.1

== begin a
test one ... ok
test two ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s

== end a 0

== begin b
test three ... FAILED

== end b 101

== begin c
test four has been running

== skips
skipped: one: no device: at all

== done
";

    #[test]
    fn a_console_tells_what_passed_failed_and_never_ended() {
        let results = Results::read(TEXT);
        let bad: Vec<&str> = results.bad.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((results.progress.passed, bad), (2, vec!["b", "c"]));
        assert_eq!(results.skips.len(), 1);
        assert_eq!(results.skips[0].reason, "no device: at all");
        assert!(results.done && !Results::read("== begin a").done);
    }
}

//! `cargo xtask soak`: the long forms of the threaded tests, on demand.
//!
//! The programs of tests `shared*` of each crate read from the environment how long they go on,
//! and are short without. Here each runs alone, in an optimised build, [`REPEAT`] times in a row;
//! one with `stress` in its name, or in that of its program, runs once with [`STRESS`] operations.
//! Each says how long it took. Too long for `.ci/run`.
//!
//! `ANNULUS_REPEAT` and `ANNULUS_STRESS_OPS` change the numbers, `TESTS=shared_on` takes the
//! programs whose names begin so.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::packages::{self, PACKAGES};
use super::{End, code, output, run_within};
use crate::programs::{self, Program};
use crate::tree::root;
use crate::{metadata, skips};

/// A variable of the environment that the tests read, and what it is here unless it is set.
type Length = (&'static str, &'static str);

/// How often a test repeats itself.
const REPEAT: Length = ("ANNULUS_REPEAT", "1000");
/// How many operations a stress makes.
const STRESS: Length = ("ANNULUS_STRESS_OPS", "10000000");

/// When one test is given up. They limit themselves too: this is the last resort.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs every test, one after the other; fails where one did.
pub fn run() -> ExitCode {
    let found = match programs() {
        Ok(found) => found,
        Err(why) => {
            eprintln!("soak: {why}");
            return ExitCode::FAILURE;
        }
    };
    if found.is_empty() {
        return skips::step("soak", "no crate has tests shared*, or none that $TESTS asks for");
    }
    let begun = Instant::now();
    let (mut ran, mut failed) = (0, 0);
    for program in &found {
        let names = match tests(program) {
            Ok(names) => names,
            Err(why) => {
                eprintln!("soak: {}: {why}", program.name);
                return ExitCode::FAILURE;
            }
        };
        for name in names {
            ran += 1;
            failed += usize::from(!passes(program, &name));
        }
    }
    println!("soak: {ran} tests, {failed} failed, {} s", begun.elapsed().as_secs());
    code(failed == 0 && ran > 0)
}

/// The programs of tests that are wanted, built.
fn programs() -> Result<Vec<Program>, String> {
    let wanted = std::env::var("TESTS").unwrap_or_default();
    let mut all = Vec::new();
    for package in PACKAGES {
        let mut names = packages::tests_named(package, &["shared"]);
        names.retain(|name| name.starts_with(&wanted));
        if names.is_empty() {
            continue;
        }
        let mut build = metadata::cargo(&root());
        build.args(["test", "--no-run", "--release", "--message-format=json", "-p", package]);
        build.args(packages::options(&names)).stderr(Stdio::inherit());
        all.extend(programs::built(&output(&mut build)?)?);
    }
    Ok(all)
}

/// The names of the tests in `program`.
fn tests(program: &Program) -> Result<Vec<String>, String> {
    output(Command::new(&program.file).args(["--list", "--format=terse"])).map(|text| listed(&text))
}

fn listed(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Which of the lengths this test reads.
fn length(program: &str, test: &str) -> Length {
    let stresses = program.contains("stress") || test.contains("stress");
    if stresses { STRESS } else { REPEAT }
}

/// Runs one test alone, and says how it ended and how long it took.
fn passes(program: &Program, test: &str) -> bool {
    let (variable, usual) = length(&program.name, test);
    let number = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    // What a test prints is shown where it failed alone.
    let log = root().join("target/soak.log");
    let Ok(file) = std::fs::File::create(&log) else {
        eprintln!("soak: {} cannot be written", log.display());
        return false;
    };
    let mut command = one(program.command(), test);
    command.env(variable, &number).stdout(file);
    let begun = Instant::now();
    let end = run_within(&mut command, LIMIT);
    let secs = begun.elapsed().as_secs_f64();
    if end != End::Passed {
        println!("{}", std::fs::read_to_string(log).unwrap_or_default());
    }
    println!("soak: {}::{test}: {variable}={number}: {end:?} in {secs:.1} s", program.name);
    end == End::Passed
}

/// The command that runs one test: as cargo does, in its crate's folder.
fn one(mut command: Command, test: &str) -> Command {
    command.args(["--exact", test, "--quiet"]);
    for (variable, _) in [REPEAT, STRESS] {
        command.env_remove(variable);
    }
    command.env_remove(skips::VARIABLE);
    command
}

#[cfg(test)]
mod tests {
    use super::{REPEAT, STRESS, length, listed};

    #[test]
    fn tests_are_listed_and_benchmarks_are_not() {
        assert_eq!(listed("a::b: test\nc: test\nd: benchmark\n"), ["a::b", "c"]);
    }

    #[test]
    fn a_stress_is_long_by_operations_and_all_else_by_turns() {
        assert_eq!(length("shared_threads", "many_submitters"), REPEAT);
        assert_eq!(length("shared_threads", "stress::of_all"), STRESS);
        assert_eq!(length("shared_stress", "random_cancels"), STRESS);
    }
}

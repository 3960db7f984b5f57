//! `cargo xtask differential [PROGRAMS]`: random programs on Linux and on the kernel in user space.
//!
//! The test `differential` of annulus-emulate runs random programs of entries on both kernels, and
//! compares what they are told; `cargo xtask test` has it run some. Here it runs many (100,000,
//! unless a number is given) in an optimised build: one process for each processor, each with the
//! seeds that follow those of the one before. The first is of the clock, or `ANNULUS_FIRST`.
//!
//! A program that differs is printed with its seed, and so is the smallest that still does;
//! `ANNULUS_SEED=SEED cargo test -p annulus-emulate --test differential` runs it again. The last
//! line is `differential: N programs, seed N, N divergences, N s`, and the exit code 1 where there
//! are divergences, or fewer programs than were asked for.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{code, output};
use crate::programs;
use crate::tree::root;
use crate::{metadata, processes, skips};

/// How many programs, unless the command says.
const PROGRAMS: u64 = 100_000;
/// When no more are begun, and when a process is given up that does not end then.
const TIME: Duration = Duration::from_secs(60 * 60);
const LIMIT: Duration = Duration::from_secs(70 * 60);
/// After how many divergences a process stops.
const FAULTS_MAX: u64 = 5;

/// What processes have told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    programs: u64,
    divergences: u64,
}

/// Runs the programs; fails where one differs.
pub fn run() -> ExitCode {
    let Some(count) = asked(std::env::args().nth(2).as_deref()) else {
        eprintln!("differential: how many programs is a number");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let first = first();
    println!("differential: {count} programs, ANNULUS_FIRST={first:#x}");
    let told = match program().and_then(|program| run_all(&program, first, count)) {
        Ok(Some(told)) => told,
        Ok(None) => return skips::step("differential", "no Linux that the host kernel is like"),
        Err(why) => {
            eprintln!("differential: {why}");
            return ExitCode::FAILURE;
        }
    };
    let Told { programs, divergences } = told;
    println!(
        "differential: {programs} programs, seed {first:#x}, {divergences} divergences, {} s",
        begun.elapsed().as_secs()
    );
    code(divergences == 0 && programs == count)
}

/// How many programs are asked for.
fn asked(argument: Option<&str>) -> Option<u64> {
    match argument {
        None => Some(PROGRAMS),
        Some(text) => text.parse().ok().filter(|count| *count > 0),
    }
}

/// The first seed.
fn first() -> u64 {
    let given = std::env::var("ANNULUS_FIRST").ok().and_then(|text| seed(&text));
    given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_millis() as u64
    })
}

/// A seed as the test prints it, or decimal.
fn seed(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The test's program, built.
fn program() -> Result<programs::Program, String> {
    let mut build = metadata::cargo(&root());
    build.args(["test", "--no-run", "--release", "--message-format=json"]);
    build.args(["-p", "annulus-emulate", "--test", "differential"]).stderr(Stdio::inherit());
    let built = programs::built(&output(&mut build)?)?;
    built.into_iter().next().ok_or_else(|| "cargo built no test".to_owned())
}

/// Runs all programs, in as many processes as there are processors: what they told, or nothing
/// where the test cannot run here.
fn run_all(program: &programs::Program, first: u64, count: u64) -> Result<Option<Told>, String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let shares = shares(first, count, processors);
    let running: Result<Vec<_>, String> =
        shares.iter().map(|(first, count)| start(&program.file, *first, *count)).collect();
    let mut all = Some(Told::default());
    let end = Instant::now() + LIMIT;
    for child in running? {
        let told = finish(child, end)?;
        all = all.zip(told).map(|(all, told)| Told {
            programs: all.programs + told.programs,
            divergences: all.divergences + told.divergences,
        });
    }
    Ok(all)
}

/// The first seed of each process, and how many it has.
fn shares(first: u64, count: u64, processes: u64) -> Vec<(u64, u64)> {
    let mut next = first;
    let mut share = |n| {
        let count = count / processes + u64::from(n < count % processes);
        let begin = next;
        next = next.wrapping_add(count);
        (begin, count)
    };
    (0..processes).map(&mut share).filter(|(_, count)| *count > 0).collect()
}

fn start(file: &Path, first: u64, count: u64) -> Result<Child, String> {
    let mut command = Command::new(file);
    command
        .current_dir(root().join("crates/annulus-emulate"))
        .arg("--nocapture")
        .env("ANNULUS_FIRST", first.to_string())
        .env("ANNULUS_PROGRAMS", count.to_string())
        .env("ANNULUS_SECONDS", TIME.as_secs().to_string())
        .env("ANNULUS_FAULTS", FAULTS_MAX.to_string())
        .env_remove("ANNULUS_SEED")
        .stdout(Stdio::piped());
    command.spawn().map_err(|e| format!("{}: {e}", file.display()))
}

/// What a process told; nothing where it skipped itself.
fn finish(mut child: Child, end: Instant) -> Result<Option<Told>, String> {
    let stdout = child.stdout.take().ok_or("a process without output")?;
    let id = child.id();
    let watch = std::thread::spawn(move || {
        let (mut told, mut ran) = (None, false);
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            ran |= line.contains("test result:");
            if let Some(found) = summary(&line) {
                println!("differential: {line}");
                told = Some(found);
            }
        }
        (told, ran)
    });
    while !watch.is_finished() {
        if Instant::now() > end {
            processes::kill(id);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (told, ran) = watch.join().map_err(|_panic| "a panic")?;
    let status = child.wait().map_err(|e| e.to_string())?;
    match told {
        Some(told) => Ok(Some(told)),
        None if ran && status.success() => Ok(None),
        None => Err(format!("a process ended without a word: {status}")),
    }
}

/// What the test's last line says: `N programs, seed N, N divergences, …`.
fn summary(line: &str) -> Option<Told> {
    let mut parts = line.split(", ");
    let programs = parts.next()?.strip_suffix(" programs")?.parse().ok()?;
    let divergences = parts.nth(1)?.strip_suffix(" divergences")?.parse().ok()?;
    Some(Told { programs, divergences })
}

#[cfg(test)]
mod tests {
    use super::{Told, asked, seed, shares, summary};

    #[test]
    fn shares_follow_one_another() {
        assert_eq!(shares(7, 5, 2), [(7, 3), (10, 2)]);
        assert_eq!(shares(7, 1, 4), [(7, 1)]);
    }

    #[test]
    fn the_last_line_says_how_many() {
        let line = "3000 programs, seed 0x1, 2 divergences, 4 run again, 19.5 s";
        assert_eq!(summary(line), Some(Told { programs: 3000, divergences: 2 }));
        assert_eq!(summary("5000 programs in 3 s"), None);
    }

    #[test]
    fn numbers_are_as_they_are_printed() {
        assert_eq!((seed("0x10"), seed("16"), seed("x")), (Some(16), Some(16), None));
        assert_eq!(
            (asked(None), asked(Some("5")), asked(Some("0"))),
            (Some(100_000), Some(5), None)
        );
    }
}

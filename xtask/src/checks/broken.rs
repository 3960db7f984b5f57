//! `cargo xtask broken`: each row of the runtime's soundness table has a test that fails where the
//! row does not hold.
//!
//! The sources hold, for each, a line or two that break it, behind `#[cfg(broken = "name")]`. The
//! tests that say that the row holds are built once with each of them, and must fail, on both
//! kernels. [`ROWS`] is the table. (Orderings and the like, which only the models find, are seeded
//! as bugs of theirs: see [`seeded`].)

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::packages;
use super::{code, output, run_within, seeded};
use crate::programs::{self, Program};
use crate::tree::root;
use crate::{metadata, skips};

/// The crate whose table it is.
const PACKAGE: &str = "annulus-runtime";
/// The kernels that the tests run on.
const KERNELS: [&str; 2] = ["linux", "host"];
/// How long a test may take: those that hang when they find what they look for end themselves.
const LIMIT: Duration = Duration::from_secs(120);

/// What must hold, what breaks it, and who finds that.
struct Row {
    what: &'static str,
    broken: &'static str,
    /// The program of tests.
    program: &'static str,
    /// Each of these fails.
    tests: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row {
        what: "direct reads dropped with the runtime: nothing is written to after it was freed",
        broken: "freed_when_dropped",
        program: "detector_runtime",
        tests: &[
            "the_runtime_is_dropped_and_its_tasks_with_it",
            "the_runtime_is_dropped_and_the_futures_before_or_after",
        ],
    },
    Row {
        what: "the same: dropped by themselves, aborted, on a foreign thread, in a panic, in \
               another task's poll",
        broken: "freed_when_dropped",
        program: "detector_runtime",
        tests: &[
            "the_futures_are_dropped",
            "the_tasks_are_aborted",
            "the_futures_are_dropped_on_another_thread",
            "the_runtime_is_dropped_by_a_panic",
            "the_futures_are_dropped_in_another_tasks_poll",
        ],
    },
    Row {
        what: "direct reads forgotten: nothing is written to after it was freed",
        broken: "freed_at_the_end",
        program: "detector_runtime",
        tests: &["the_futures_are_forgotten"],
    },
    Row {
        what: "mem::forget of every operation: nothing that the kernel may use is freed",
        broken: "freed_at_the_end",
        program: "runtime_forgotten",
        tests: &["every_operation_is_forgotten"],
    },
    Row {
        what: "accept dropped: no connection is lost",
        broken: "accept_not_kept",
        program: "runtime_net_dropped",
        tests: &["of_1000_connections_none_is_lost"],
    },
    Row {
        what: "accept dropped: no descriptor is leaked",
        broken: "accepted_left_open",
        program: "runtime_net_dropped",
        tests: &["of_500_connections_that_nobody_takes_none_leaks"],
    },
    Row {
        what: "receive dropped: no byte is lost",
        broken: "receive_not_kept",
        program: "runtime_net_dropped",
        tests: &["of_1000_messages_no_byte_is_lost"],
    },
    Row {
        what: "open dropped: no descriptor is leaked",
        broken: "opened_left_open",
        program: "runtime_net_dropped",
        tests: &["of_1000_dropped_opens_none_leaks"],
    },
    Row {
        what: "the 257th operation: it waits for room",
        broken: "full_queue_loses",
        program: "runtime_pressure",
        tests: &["the_257th_operation_waits_for_room"],
    },
    Row {
        what: "wake with a full queue: it arrives",
        broken: "bell_tried_once",
        program: "runtime_pressure",
        tests: &["a_wake_reaches_a_runtime_whose_queue_is_full"],
    },
    Row {
        what: "two runtimes wake 10,000 of each other's tasks: none stays asleep",
        broken: "sleeper_untold",
        program: "runtime_tasks",
        tests: &["two_runtimes_wake_10_000_of_each_others_tasks"],
    },
    Row {
        what: "a task that yields to itself beside 100 reads: they are over within 10 ms",
        broken: "no_budget",
        program: "runtime_pressure",
        tests: &["reads_beside_a_busy_task_are_over_within_10_ms"],
    },
    Row {
        what: "the runtime dropped: the threads of its pool are gone",
        broken: "threads_left",
        program: "runtime_tasks",
        tests: &["blocking_threads_are_gone_after_drop"],
    },
];

/// Breaks one thing at a time, and looks who finds it.
pub fn run() -> ExitCode {
    let begun = Instant::now();
    let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in ROWS {
        rows.entry(row.broken).or_default().push(row);
    }
    let mut all_found = true;
    for (broken, rows) in rows {
        match build(broken, &rows) {
            Ok(programs) => {
                for row in rows {
                    all_found &= is_found(row, &programs);
                }
            }
            Err(why) => {
                println!("broken: {broken}: NOT BUILT: {why}");
                all_found = false;
            }
        }
    }
    println!("broken: {} rows in {} s", ROWS.len(), begun.elapsed().as_secs());
    code(all_found)
}

/// The programs that the rows name, built with what breaks them.
fn build(broken: &str, rows: &[&Row]) -> Result<Vec<Program>, String> {
    let mut cargo = metadata::cargo(&root());
    cargo
        // As for the seeded bugs: an unstable option of cargo breaks one crate alone.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["test", "--quiet", "--no-run", "--message-format=json"])
        .args(["--target-dir=target/broken", "-p", PACKAGE])
        .args(rows.iter().flat_map(|row| ["--test", row.program]))
        .args(seeded::options("dev", PACKAGE, &format!("broken=\"{broken}\"")));
    programs::built(&output(&mut cargo)?)
}

/// Whether each test of a row fails, on each kernel.
fn is_found(row: &Row, programs: &[Program]) -> bool {
    println!("broken: {}: {}", row.broken, row.what);
    let mut is_found = true;
    let program = programs.iter().find(|program| program.name == row.program);
    for test in row.tests {
        // At once: those that hang take their time.
        let outcomes = std::thread::scope(|scope| {
            let on = |kernel| program.map_or("NOT BUILT", |p| outcome(&p.file, test, kernel));
            KERNELS.map(|kernel| scope.spawn(move || on(kernel))).map(|thread| thread.join())
        });
        for (kernel, outcome) in KERNELS.iter().zip(outcomes) {
            let outcome = outcome.unwrap_or("NOT RUN: a panic");
            println!("    {kernel}: {}: {test}: {outcome}", row.program);
            is_found &= !outcome.starts_with("NOT");
        }
    }
    is_found
}

/// What became of a test.
fn outcome(program: &Path, test: &str, kernel: &str) -> &'static str {
    let log = root().join(format!("target/broken/{kernel}.log"));
    let Ok(file) = std::fs::File::create(&log) else { return "NOT RUN: no file for its output" };
    let Ok(same) = file.try_clone() else { return "NOT RUN: no file for its output" };
    let mut command = Command::new(program);
    command
        .args(["--exact", test, "--nocapture"])
        .current_dir(packages::folder(PACKAGE))
        .env("ANNULUS_KERNEL", kernel)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(same);
    let begun = Instant::now();
    run_within(&mut command, LIMIT);
    let printed = std::fs::read(&log).unwrap_or_default();
    let outcome = verdict(test, &String::from_utf8_lossy(&printed));
    if outcome == SKIPPED {
        skips::step("broken", &format!("{test} was skipped after {:?}", begun.elapsed()));
    }
    outcome
}

const SKIPPED: &str = "skipped";

/// What a test has found, by what it printed.
fn verdict(test: &str, printed: &str) -> &'static str {
    let lines = || printed.lines();
    if printed.contains(&format!("test {test} hung: ")) {
        "found (by a hang)"
    } else if lines().any(|line| line.starts_with("test result: FAILED. 0 passed; 1 failed;")) {
        "found"
    } else if lines().any(|line| line.starts_with("skipped: ")) {
        SKIPPED
    } else if lines().any(|line| line.starts_with("test result: ok. 0 passed;")) {
        "NOT RUN: there is no such test"
    } else {
        "NOT FOUND"
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{PACKAGE, ROWS, SKIPPED, verdict};
    use crate::checks::packages;
    use crate::lexer::Kind;
    use crate::tree::{Tree, root};

    #[test]
    fn the_table_has_what_the_sources_have() {
        let tree = Tree::read(&root());
        let folder = format!("crates/{PACKAGE}/src");
        let mut seeded = BTreeSet::new();
        for source in tree.sources.iter().filter(|source| source.is_under(&folder)) {
            let names = (0..source.code.len()).filter(|i| source.matches(*i, &["broken", "="]));
            let texts = names.filter_map(|i| source.code.get(i + 2));
            let texts = texts.filter(|token| token.kind == Kind::Text);
            seeded.extend(texts.map(|token| token.text.trim_matches('"').to_owned()));
        }
        let known: BTreeSet<String> = ROWS.iter().map(|row| row.broken.to_owned()).collect();
        assert_eq!(seeded, known);
    }

    #[test]
    fn the_tests_of_the_table_are_there() {
        for row in ROWS {
            let file = packages::folder(PACKAGE).join("tests").join(format!("{}.rs", row.program));
            let text = std::fs::read_to_string(&file).unwrap();
            for test in row.tests {
                assert!(text.contains(&format!("fn {test}()")), "{test} in {}", file.display());
            }
        }
    }

    #[test]
    fn found_is_what_fails_or_hangs() {
        let failed = "test a ... FAILED\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!(verdict("a", failed), "found");
        assert_eq!(verdict("a", "test a hung: over 10s, limited at b.rs:1\n"), "found (by a hang)");
        assert_eq!(verdict("b", "test a hung: over 10s, limited at b.rs:1\n"), "NOT FOUND");
        assert_eq!(verdict("a", "test result: ok. 1 passed; 0 failed"), "NOT FOUND");
        assert_eq!(
            verdict("a", "test result: ok. 0 passed; 0 failed"),
            "NOT RUN: there is no such test"
        );
        assert_eq!(verdict("a", "skipped: a: no disk\ntest result: ok. 1 passed;"), SKIPPED);
        assert_eq!(verdict("a", ""), "NOT FOUND");
    }
}

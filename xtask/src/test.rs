//! `cargo xtask test`: every test of the workspace, doctests included, with what was skipped and
//! why, and an end also where one hangs.
//!
//! First all of them on Linux's io_uring; then those of rings, of engines and of what users import
//! once more on the kernel in user space, which the same programs run on.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::tree::root;
use crate::{metadata, processes, skips};

/// When a part is given up. Tests limit themselves to far less: this is the last resort.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Where skips are written; `target` may not exist yet.
const SKIPPED: &str = "target/skipped.txt";

/// Whether a failure on the kernel in user space is one of the whole. Where this is false, its
/// failures are listed and counted all the same.
const HOST_MUST_PASS: bool = true;

/// The variable that names the kernel: see annulus-emulate.
pub const KERNEL: &str = "ANNULUS_KERNEL";

/// What is run on one kernel.
struct Part {
    kernel: &'static str,
    /// Which tests, as cargo is told it.
    which: &'static [&'static str],
    must_pass: bool,
}

const PARTS: &[Part] = &[
    Part { kernel: "linux", which: &["--workspace"], must_pass: true },
    Part {
        kernel: "host",
        which: &[
            "--package=annulus-suite",
            "--package=annulus-runtime",
            "--package=annulus",
            "--tests",
        ],
        must_pass: HOST_MUST_PASS,
    },
];

/// Runs the tests; the exit code is 1 where a test failed, hung, or too many were skipped. The last
/// lines are, for each kernel, `KERNEL: N passed, N failed, N skipped, in N s`.
pub fn run() -> ExitCode {
    let mut lines = Vec::new();
    let mut good = true;
    for part in PARTS {
        match tests(part) {
            Ok((passed, line)) => {
                good &= passed || !part.must_pass;
                lines.push(line);
            }
            Err(why) => {
                eprintln!("test: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    lines.iter().for_each(|line| println!("{line}"));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the tests of one kernel: whether all is well, and the line that says it.
fn tests(part: &Part) -> Result<(bool, String), String> {
    let root = root();
    let begun = Instant::now();
    let skipped = root.join(SKIPPED);
    let _ = std::fs::create_dir(root.join("target"));
    std::fs::write(&skipped, "").map_err(|e| format!("{}: {e}", skipped.display()))?;
    println!("== on {}", part.kernel);
    let mut child = metadata::cargo(&root)
        .arg("test")
        .args(part.which)
        .args(["--all-features", "--no-fail-fast"])
        .env(KERNEL, part.kernel)
        .env(skips::VARIABLE, &skipped)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo does not run: {e}"))?;
    let mut progress = Progress::default();
    let in_time = watch(&mut child, LIMIT, &mut progress);
    if !in_time {
        give_up(&mut child, &progress);
    }
    let ended = child.wait().is_ok_and(|status| status.success());
    let text = std::fs::read_to_string(&skipped).unwrap_or_default();
    let agreed = skips::pinned(&root, part.kernel)?;
    let (is_agreed, counts) = summary(part, &progress, &skips::parse(&text), agreed);
    let mut line = format!("{}: {counts}, in {} s", part.kernel, begun.elapsed().as_secs());
    let good = ended && in_time && is_agreed;
    if !good && !part.must_pass {
        line.push_str(" (not yet counted as a failure)");
    }
    Ok((good, line))
}

/// What the output of the tests has said so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// What cargo runs now.
    binary: String,
    /// Tests that have run for a minute without an end.
    slow: BTreeSet<String>,
    /// The names of those that passed.
    passed_names: BTreeSet<String>,
    /// Those that did not, with their programs; and programs that ended before they said.
    failures: Vec<String>,
    /// How many passed, and how many did not.
    pub passed: usize,
    pub failed: usize,
    ignored: usize,
}

impl Progress {
    /// Takes one line of output.
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with("Running ") || line.starts_with("Doc-tests ") {
            self.binary = line.to_owned();
        } else if line.contains("process didn't exit successfully") && line.contains("signal") {
            self.failures.push(line.to_owned());
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let words: Vec<&str> = counts.split([' ', ';']).collect();
                let at = words.iter().position(|w| *w == what);
                at.and_then(|at| words[at - 1].parse().ok()).unwrap_or(0usize)
            };
            self.passed += count("passed");
            self.failed += count("failed");
            self.ignored += count("ignored");
        } else if let Some(rest) = line.strip_prefix("test ") {
            self.test(rest);
        }
    }

    fn test(&mut self, rest: &str) {
        if let Some((name, _)) = rest.split_once(" has been running for over") {
            self.slow.insert(name.to_owned());
        } else if let Some((name, outcome)) = rest.rsplit_once(" ... ") {
            self.slow.remove(name);
            if outcome == "ok" {
                self.passed_names.insert(name.to_owned());
            } else if outcome == "FAILED" {
                self.failures.push(format!("{name}, {}", self.binary));
            }
        }
    }

    /// How many passed and skipped nothing. The harness knows no third outcome: a test that skipped
    /// itself passed there. A skipped part of a test has another name, and its test did pass.
    pub fn passed_whole(&self, skips: &[skips::Skip]) -> usize {
        let names: BTreeSet<&str> = skips.iter().map(|s| s.name.as_str()).collect();
        self.passed - names.iter().filter(|n| self.has_passed(n)).count()
    }

    /// Whether a test called `name`, in whatever module, passed.
    fn has_passed(&self, name: &str) -> bool {
        self.passed_names.iter().any(|n| n.rsplit("::").next() == Some(name) || n == name)
    }
}

/// Passes the child's output on until it ends; false where `limit` came first.
fn watch(child: &mut Child, limit: Duration, progress: &mut Progress) -> bool {
    let (sender, lines) = channel();
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let errors = sender.clone();
    std::thread::spawn(move || pass_on(stdout, std::io::stdout(), &sender));
    std::thread::spawn(move || pass_on(stderr, std::io::stderr(), &errors));
    follow(&lines, Instant::now() + limit, progress)
}

/// Takes lines until both writers are gone; false where `end` came first.
fn follow(lines: &Receiver<String>, end: Instant, progress: &mut Progress) -> bool {
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => progress.line(&line),
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

fn pass_on(from: impl Read, mut to: impl Write, lines: &Sender<String>) {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
        // Who reads our output may be gone: the tests go on all the same.
        let _ = to.write_all(&bytes).and_then(|()| to.flush());
        let _ = lines.send(String::from_utf8_lossy(&bytes).into_owned());
        bytes.clear();
    }
}

/// Names what hangs, and ends it.
fn give_up(child: &mut Child, progress: &Progress) {
    println!("hung: no end after {} minutes, in: {}", LIMIT.as_secs() / 60, progress.binary);
    for name in &progress.slow {
        println!("hung: test {name}");
    }
    for line in processes::family(child.id()).into_iter().filter_map(processes::command_line) {
        println!("hung: process {line}");
    }
    processes::kill(child.id());
}

/// Lists failures and skips, and counts: false where more are skipped than agreed.
fn summary(
    part: &Part,
    progress: &Progress,
    skips: &[skips::Skip],
    pinned: usize,
) -> (bool, String) {
    let kernel = part.kernel;
    for failure in &progress.failures {
        println!("failed on {kernel}: {failure}");
    }
    for skips::Skip { name, reason } in skips {
        println!("skipped on {kernel}: {name}: {reason}");
    }
    let skipped = skips.len() + progress.ignored;
    if skipped > pinned {
        println!(
            "{skipped} skipped on {kernel}, and {pinned} agreed: mend them, or agree in {}",
            skips::PIN
        );
    }
    let (passed, failed) = (progress.passed_whole(skips), progress.failed);
    (skipped <= pinned, format!("{passed} passed, {failed} failed, {skipped} skipped"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::{Progress, follow};

    fn progress(lines: &[&str]) -> Progress {
        let mut progress = Progress::default();
        lines.iter().for_each(|line| progress.line(line));
        progress
    }

    #[test]
    fn results_add_up_over_binaries() {
        let progress = progress(&[
            "     Running tests/a.rs (target/debug/deps/a-1)",
            "test m::one ... ok",
            "test two ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; in 1s",
            "   Doc-tests annulus_ring",
            "test src/a.rs - A (line 3) ... ok",
            "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; in 1s",
        ]);
        assert_eq!((progress.passed, progress.failed, progress.ignored), (2, 1, 2));
        assert!(progress.has_passed("one") && !progress.has_passed("two"));
        assert_eq!(progress.failures, ["two, Running tests/a.rs (target/debug/deps/a-1)"]);
        assert!(!progress.has_passed("one, a part"));
        assert_eq!(progress.binary, "Doc-tests annulus_ring");
    }

    #[test]
    fn what_runs_long_is_named_until_it_ends() {
        let slow = "test a::slow has been running for over 60 seconds";
        assert!(progress(&[slow]).slow.contains("a::slow"));
        assert!(progress(&[slow, "test a::slow ... ok"]).slow.is_empty());
    }

    #[test]
    fn following_ends_with_the_writers_or_with_the_time() {
        let (sender, lines) = channel();
        let soon = Instant::now() + Duration::from_millis(20);
        assert!(!follow(&lines, soon, &mut Progress::default()));
        sender.send("test a ... ok".to_owned()).unwrap();
        drop(sender);
        let mut progress = Progress::default();
        assert!(follow(&lines, Instant::now() + Duration::from_secs(60), &mut progress));
        assert!(progress.has_passed("a"));
    }
}

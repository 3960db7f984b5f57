//! `cargo xtask test`: every test of the workspace, doctests included, with what was skipped and
//! why, and an end also where one hangs.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::tree::root;
use crate::{metadata, processes, skips};

/// When the whole run is given up. Tests limit themselves to far less: this is the last resort.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Where skips are written; `target` may not exist yet.
const SKIPPED: &str = "target/skipped.txt";

/// Runs `cargo test --workspace`; the exit code is 1 where a test failed, hung, or too many were
/// skipped. The last line is `N passed, N failed, N skipped`.
pub fn run() -> ExitCode {
    match tests() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("test: {why}");
            ExitCode::FAILURE
        }
    }
}

fn tests() -> Result<bool, String> {
    let root = root();
    let skipped = root.join(SKIPPED);
    let _ = std::fs::create_dir(root.join("target"));
    std::fs::write(&skipped, "").map_err(|e| format!("{}: {e}", skipped.display()))?;
    let mut child = metadata::cargo(&root)
        .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
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
    let agreed = summary(&progress, &skips::parse(&text), skips::pinned(&root)?);
    Ok(ended && in_time && agreed)
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

/// Lists the skips and prints the last line; false where there are more than agreed.
fn summary(progress: &Progress, skips: &[skips::Skip], pinned: usize) -> bool {
    for skips::Skip { name, reason } in skips {
        println!("skipped: {name}: {reason}");
    }
    let skipped = skips.len() + progress.ignored;
    if skipped > pinned {
        println!("{skipped} skipped, and {pinned} agreed: mend them, or agree in {}", skips::PIN);
    }
    let passed = progress.passed_whole(skips);
    println!("{passed} passed, {} failed, {skipped} skipped", progress.failed);
    skipped <= pinned
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

//! What programs of tests print, read line by line: what passed, failed, or takes long.

use std::collections::BTreeSet;

use crate::skips;

/// What the output of the tests has said so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// The program whose output it is.
    program: String,
    /// Tests that have run for a minute without an end.
    pub slow: BTreeSet<String>,
    /// The names of those that passed.
    passed_names: BTreeSet<String>,
    /// Those that did not, with their programs; and programs that ended before they said.
    pub failures: Vec<String>,
    /// How many passed, and how many did not.
    pub passed: usize,
    pub failed: usize,
    pub ignored: usize,
}

impl Progress {
    /// Of the output of `program`, before its first line.
    pub fn of(program: &str) -> Self {
        Self { program: program.to_owned(), ..Self::default() }
    }

    /// Adds what another program's output has said.
    pub fn add(&mut self, other: Self) {
        self.slow.extend(other.slow);
        self.passed_names.extend(other.passed_names);
        self.failures.extend(other.failures);
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// Takes one line of output.
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result: ") {
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
                self.failures.push(format!("{}: {name}", self.program));
            }
        }
    }

    /// How many passed and skipped nothing. The harness knows no third outcome: a test that skipped
    /// itself passed there. A skipped part of a test has another name, and its test did pass.
    pub fn passed_whole(&self, skips: &[skips::Skip]) -> usize {
        let names: BTreeSet<&str> = skips.iter().map(|s| s.name.as_str()).collect();
        // A program that died never said how many passed, though it named some.
        self.passed.saturating_sub(names.iter().filter(|n| self.has_passed(n)).count())
    }

    /// Whether a test called `name`, in whatever module, passed.
    fn has_passed(&self, name: &str) -> bool {
        self.passed_names.iter().any(|n| n.rsplit("::").next() == Some(name) || n == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use crate::skips::Skip;

    fn progress(lines: &[&str]) -> Progress {
        let mut progress = Progress::of("p");
        lines.iter().for_each(|line| progress.line(line));
        progress
    }

    #[test]
    fn results_add_up_over_programs() {
        let mut sum = progress(&[
            "test m::one ... ok",
            "test two ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; in 1s",
        ]);
        sum.add(progress(&[
            "test src/a.rs - A (line 3) ... ok",
            "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; in 1s",
        ]));
        assert_eq!((sum.passed, sum.failed, sum.ignored), (2, 1, 2));
        assert!(sum.has_passed("one") && !sum.has_passed("two"));
        assert_eq!(sum.failures, ["p: two"]);
        assert!(!sum.has_passed("one, a part"));
    }

    #[test]
    fn what_died_before_its_result_passed_nothing() {
        let skipped = Skip { name: "one".into(), reason: "not here".into() };
        assert_eq!(progress(&["test one ... ok"]).passed_whole(&[skipped]), 0);
    }

    #[test]
    fn what_runs_long_is_named_until_it_ends() {
        let slow = "test a::slow has been running for over 60 seconds";
        assert!(progress(&[slow]).slow.contains("a::slow"));
        assert!(progress(&[slow, "test a::slow ... ok"]).slow.is_empty());
    }
}

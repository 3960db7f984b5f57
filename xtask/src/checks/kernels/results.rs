//! What the other machine's console says of the tests: what failed, and counts, for each kernel
//! that rings were made of.

use std::collections::BTreeMap;

use super::super::End;
use crate::progress::Progress;
use crate::skips;
use crate::tree::root;

/// What ran on one machine.
#[derive(Default)]
pub struct Results {
    /// By the kernel that rings were made of.
    parts: BTreeMap<String, Part>,
    /// Whether the machine came to its end.
    done: bool,
}

#[derive(Default)]
struct Part {
    /// What the programs that ended printed, counted.
    progress: Progress,
    /// Programs that failed, hung or crashed, and what they printed last.
    bad: Vec<(String, String)>,
    /// Those of them that ended before they said what failed.
    broken: usize,
    skips: Vec<skips::Skip>,
}

impl Results {
    /// Reads a console.
    pub fn read(text: &str) -> Self {
        let mut results = Self { done: text.contains("\n== done"), ..Self::default() };
        let mut running: Option<(String, String)> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== begin ") {
                results.bad(running.take());
                running = Some((name.to_owned(), String::new()));
            } else if let Some(end) = line.strip_prefix("== end ") {
                let ended = running.take();
                if !end.ends_with(" 0") {
                    results.bad(ended);
                }
            } else if let Some((name, printed)) = &mut running {
                results.parts.entry(kernel(name)).or_default().progress.line(line);
                printed.push_str(line);
                printed.push('\n');
            }
        }
        // What neither ended nor was ended took the machine with it.
        results.bad(running);
        for section in text.split("\n== skips ").skip(1) {
            let (kernel, skipped) = section.split_once('\n').unwrap_or_default();
            let skipped = skipped.split("\n== ").next().unwrap_or_default();
            if let Some(part) = results.parts.get_mut(kernel) {
                part.skips = skips::parse(skipped);
            }
        }
        results
    }

    /// Takes a program that did not end well, if this is one.
    fn bad(&mut self, program: Option<(String, String)>) {
        if let Some((name, printed)) = program {
            let part = self.parts.entry(kernel(&name)).or_default();
            part.broken += usize::from(!printed.contains("\ntest result: "));
            part.bad.push((name, printed));
        }
    }

    /// Prints what failed, what was skipped, and the counts; whether all is well.
    pub fn report(&self, series: &str, end: End) -> bool {
        let mut good = self.done && !self.parts.is_empty();
        for (name, part) in &self.parts {
            let name = format!("{series} {name}");
            good &= part.report(&name);
        }
        if !self.done {
            println!("the machine did not come to its end: {end:?}");
        }
        for (name, part) in &self.parts {
            println!("kernels: {series} {name}: {}", part.counts());
        }
        good
    }
}

/// The first part of a program's name.
fn kernel(name: &str) -> String {
    name.split('/').next().unwrap_or_default().to_owned()
}

impl Part {
    fn report(&self, name: &str) -> bool {
        for (program, printed) in &self.bad {
            let from = printed
                .find("\nfailures:\n")
                .unwrap_or_else(|| printed.char_indices().rev().nth(2000).map_or(0, |(at, _)| at));
            println!("{program}:{}", &printed[from..]);
        }
        for skips::Skip { name: test, reason } in &self.skips {
            println!("skipped: {name}: {test}: {reason}");
        }
        let mut good = self.bad.is_empty() && self.progress.passed > 0;
        match skips::pinned(&root(), name) {
            Ok(agreed) if self.skips.len() <= agreed => {}
            Ok(agreed) => {
                println!("{name}: {} skipped, and {agreed} agreed", self.skips.len());
                good = false;
            }
            Err(why) => {
                println!("{why}");
                good = false;
            }
        }
        good
    }

    fn counts(&self) -> String {
        let passed = self.progress.passed_whole(&self.skips);
        let failed = self.progress.failed + self.broken;
        format!("{passed} passed, {failed} failed, {} skipped", self.skips.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Results;

    const TEXT: &str = "
== kernel 6.1

== begin linux/r/a

test one ... ok
test two ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s

== end linux/r/a 0

== begin linux/r/b

test three ... FAILED
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s

== end linux/r/b 101

== begin host/r/a

test one ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s

== end host/r/a 0

== begin host/r/c
test four has been running

== skips linux
skipped: one: no device: at all

== skips host

== done
";

    #[test]
    fn a_console_tells_what_passed_failed_and_never_ended() {
        let results = Results::read(TEXT);
        let (linux, host) = (&results.parts["linux"], &results.parts["host"]);
        let bad = |part: &super::Part| -> Vec<String> {
            part.bad.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!((bad(linux), bad(host)), (vec!["linux/r/b".into()], vec!["host/r/c".into()]));
        // A test that skipped itself passed there.
        assert_eq!(linux.counts(), "1 passed, 1 failed, 1 skipped");
        // What never said how it ended counts as one.
        assert_eq!(host.counts(), "1 passed, 1 failed, 0 skipped");
        assert_eq!(linux.skips[0].reason, "no device: at all");
        assert!(results.done && !Results::read("== begin linux/r/a").done);
    }
}

//! What is right, of a program in a circumstance.

use std::fmt;
use std::process::ExitStatus;

use super::End;
use super::ways::Way;
use crate::progress::Progress;
use crate::skips::Skip;

/// What kind of program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `annulus probe`: it reports what it finds, and falls back from nothing.
    Probe,
    /// `annulus bench`.
    Bench,
    /// An example, which makes an engine.
    Example,
    /// A program of tests. One that fails panics, as the harness has it.
    Tests,
}

impl Kind {
    /// On which kernels it is run. A test without the kernel that it needs fails.
    pub fn kernels(self) -> &'static [&'static str] {
        if self == Self::Tests { &["auto"] } else { &["auto", "linux"] }
    }
}

/// What became of a program.
pub struct Ran {
    /// How it exited, or that it did not.
    pub status: Result<ExitStatus, End>,
    pub out: String,
    pub err: String,
    pub skips: Vec<Skip>,
    /// Whether it forks, and its children make rings.
    pub forks: bool,
}

impl Ran {
    fn code(&self) -> Option<i32> {
        self.status.as_ref().ok()?.code()
    }

    /// The lines that name a cure.
    fn said(&self) -> Vec<&str> {
        let says = |line: &&str| line.contains("annulus: ") && line.contains("fix: ");
        self.err.lines().filter(says).collect()
    }

    fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        self.out.lines().for_each(|line| progress.line(line));
        progress
    }

    /// The end of what it printed: of a program of tests what failed.
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.out.lines().chain(self.err.lines()).collect();
        let passed = |line: &&&str| line.starts_with("test ") && line.ends_with(" ... ok");
        let kept: Vec<&str> = lines.iter().filter(|line| !passed(line)).copied().collect();
        let from = kept.len().saturating_sub(80);
        kept[from..].iter().map(|line| format!("    {line}\n")).collect()
    }
}

/// What is wrong with how a program ran, if anything.
pub fn wrong(way: &Way, kind: Kind, kernel: &str, ran: &Ran) -> Option<String> {
    match ran.status {
        Err(End::Hung) => return Some("it hung".to_owned()),
        Err(_) => return Some("it did not start".to_owned()),
        Ok(_) if kind != Kind::Tests && ran.err.contains("panicked at") => {
            return Some("it panicked".to_owned());
        }
        Ok(_) => {}
    }
    let found = match (kind, kernel) {
        (Kind::Probe, _) => probe(way, kernel, ran),
        (_, "linux") => refused(way, kind, ran),
        _ => fell_back(way, kind, ran),
    };
    found.err()
}

/// That of `annulus probe`: what is wrong, the cure, and what a program would run on.
fn probe(way: &Way, kernel: &str, ran: &Ran) -> Result<(), String> {
    exits(ran, if way.is_blocked { 2 } else { 1 })?;
    let cause = if way.is_blocked { way.words } else { &way.words[1..] };
    names(&ran.out, cause)?;
    names(&ran.out, &["  fix  "])?;
    let runs_on = match (kernel, way.is_blocked) {
        (_, false) => "runs on    Linux",
        ("auto", _) => "runs on    the kernel in user space",
        _ => "runs on    nothing: ",
    };
    names(&ran.out, &[runs_on])?;
    ensure(ran.err.is_empty(), || format!("it said: {}", ran.err))
}

/// That of what was told to do with Linux: an error that names cause and cure. Where short rings
/// fit it may be none.
fn refused(way: &Way, kind: Kind, ran: &Ran) -> Result<(), String> {
    if !way.is_blocked && ran.code() == Some(0) {
        return ensure(ran.said().is_empty(), || format!("it said: {}", ran.err));
    }
    exits(ran, if kind == Kind::Bench { 2 } else { 1 })?;
    names(&ran.err, way.words)?;
    names(&ran.err, &["fix: "])?;
    ensure(ran.err.lines().count() == 1, || format!("more than one line: {}", ran.err))
}

/// That of what works all the same, and says so on one line.
fn fell_back(way: &Way, kind: Kind, ran: &Ran) -> Result<(), String> {
    exits(ran, 0)?;
    let said = ran.said();
    let may_be_silent = kind == Kind::Tests || !way.is_blocked;
    let is_right = match said.len() {
        0 => may_be_silent,
        1 => true,
        // A child is another process.
        _ => ran.forks,
    };
    ensure(is_right, || format!("{} lines, and not one: {said:?}", said.len()))?;
    for line in said {
        names(line, way.words)?;
        names(line, &["fix: ", "linux makes this an error"])?;
    }
    Ok(())
}

fn exits(ran: &Ran, code: i32) -> Result<(), String> {
    let status = ran.status.as_ref().map(ToString::to_string).unwrap_or_default();
    ensure(ran.code() == Some(code), || format!("{status}, and not {code}"))
}

fn names(text: &str, words: &[&str]) -> Result<(), String> {
    let missing = words.iter().find(|word| !text.contains(**word));
    missing.map_or(Ok(()), |word| Err(format!("no {word:?} in: {}", text.trim_end())))
}

fn ensure(good: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if good { Ok(()) } else { Err(why()) }
}

/// What a row of the table adds up.
#[derive(Debug, Default)]
pub struct Counts {
    pub runs: usize,
    /// Of the runs, those with something wrong.
    pub bad: usize,
    /// Lines of warning.
    said: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    pub fn take(&mut self, ran: &Ran, bad: bool) {
        self.runs += 1;
        self.bad += usize::from(bad);
        self.said += ran.said().len();
        let progress = ran.progress();
        self.passed += progress.passed_whole(&ran.skips);
        self.failed += progress.failed;
        self.skipped += ran.skips.len();
    }

    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.bad += other.bad;
        self.said += other.said;
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, bad, said, passed, failed, skipped } = self;
        write!(f, "{runs:>3} runs, {bad} failed, {said:>2} lines")?;
        if passed + failed + skipped > 0 {
            write!(f, "; tests: {passed:>4} passed, {failed} failed, {skipped:>3} skipped")?;
        }
        Ok(())
    }
}

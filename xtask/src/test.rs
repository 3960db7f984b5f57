//! `cargo xtask test`: every test of the workspace, doctests included, with what was skipped and
//! why, and an end also where one hangs.
//!
//! All of them are built once. They are run on Linux's io_uring; those of rings, of engines and of
//! what users import once more on the kernel in user space, which the same programs run on. As many
//! programs run at a time as there are processors, for most of them wait more than they work; so a
//! test must not count on having the machine for itself. What a program printed is shown where it
//! failed.

use std::fs::File;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::processes::{End, at_once, status_within};
use crate::programs::{self, Program};
use crate::progress::Progress;
use crate::tree::root;
use crate::{metadata, skips};

/// When a program is given up. Tests limit themselves to far less: this is the last resort.
const LIMIT: Duration = Duration::from_secs(7 * 60);

/// Where the programs' output and the skips are kept.
const FOLDER: &str = "target/test";

/// Whether a failure on the kernel in user space is one of the whole. Where this is false, its
/// failures are listed and counted all the same.
const HOST_MUST_PASS: bool = true;

/// The variable that names the kernel: see annulus-emulate.
pub const KERNEL: &str = "ANNULUS_KERNEL";

/// What is run on one kernel.
struct Part {
    kernel: &'static str,
    /// Whose tests, if not all.
    packages: Option<&'static [&'static str]>,
    must_pass: bool,
}

impl Part {
    fn has(&self, program: &Program) -> bool {
        self.packages.is_none_or(|packages| packages.contains(&program.package.as_str()))
    }

    /// The file of its skips.
    fn skipped(&self) -> std::path::PathBuf {
        root().join(FOLDER).join(format!("skipped-{}.txt", self.kernel))
    }
}

const PARTS: &[Part] = &[
    Part { kernel: "linux", packages: None, must_pass: true },
    Part {
        kernel: "host",
        packages: Some(&["annulus-suite", "annulus-runtime", "annulus"]),
        must_pass: HOST_MUST_PASS,
    },
];

/// Something to run: a program of tests, or all doctests.
struct Job {
    /// Of `PARTS`.
    part: usize,
    /// Unique, and the name of its files.
    name: String,
    command: Command,
}

/// Runs the tests; the exit code is 1 where a test failed, hung, or too many were skipped. The last
/// lines are, for each kernel, `KERNEL: N passed, N failed, N skipped, in N s`.
pub fn run() -> ExitCode {
    match try_run() {
        Ok(good) if good => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("test: {why}");
            ExitCode::FAILURE
        }
    }
}

fn try_run() -> Result<bool, String> {
    let folder = root().join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{FOLDER}: {e}"))?;
    for part in PARTS {
        let file = part.skipped();
        std::fs::write(&file, "").map_err(|e| format!("{}: {e}", file.display()))?;
    }
    let jobs = jobs(&programs::all()?);
    let tallies: Vec<Mutex<Tally>> = PARTS.iter().map(|_| Mutex::default()).collect();
    at_once(jobs.into_iter(), |mut job| {
        let ran = start(&mut job);
        tallies[job.part].lock().expect("no thread panicked").take(&job, ran);
    });
    let mut lines = Vec::new();
    let mut good = true;
    for (part, tally) in PARTS.iter().zip(tallies) {
        let (passed, line) = tally.into_inner().expect("no thread panicked").summary(part)?;
        good &= passed || !part.must_pass;
        lines.push(line);
    }
    lines.iter().for_each(|line| println!("{line}"));
    Ok(good)
}

/// What is run, kernel by kernel.
fn jobs(programs: &[Program]) -> Vec<Job> {
    let mut doctests = metadata::cargo(&root());
    doctests.args(["test", "--workspace", "--all-features", "--no-fail-fast", "--doc"]);
    let mut all = vec![("doctests".to_owned(), 0, doctests)];
    for (at, part) in PARTS.iter().enumerate() {
        let here = programs.iter().filter(|program| part.has(program));
        all.extend(here.map(|program| {
            // The file's name, for its number: a crate's library and its program may share one.
            let file = program.file.file_name().unwrap_or_default().to_string_lossy();
            (format!("{} {file}", program.package), at, program.command())
        }));
    }
    let job = |(name, part, mut command): (String, usize, Command)| {
        let Part { kernel, .. } = PARTS[part];
        command.env(KERNEL, kernel).env(skips::VARIABLE, PARTS[part].skipped());
        command.stdin(Stdio::null());
        Job { part, name: format!("{kernel} {name}"), command }
    };
    all.into_iter().map(job).collect()
}

/// What became of a program.
struct Ran {
    ended: Result<ExitStatus, End>,
    /// What it printed.
    text: String,
    time: Duration,
}

/// Runs one program to its end.
fn start(job: &mut Job) -> Ran {
    let begun = Instant::now();
    let file =
        |end: &str| root().join(FOLDER).join(format!("{}.{end}", job.name.replace(' ', "-")));
    let (out, err) = (file("out"), file("err"));
    let ended = match (File::create(&out), File::create(&err)) {
        (Ok(out), Ok(err)) => status_within(job.command.stdout(out).stderr(err), LIMIT),
        _ => Err(End::Failed),
    };
    let text = |file| {
        let bytes = std::fs::read(file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ran { ended, text: text(out) + &text(err), time: begun.elapsed() }
}

/// The outcomes on one kernel.
#[derive(Debug, Default)]
struct Tally {
    progress: Progress,
    /// Programs that ended without a word about what failed.
    broken: usize,
    /// The time of all programs, one after the other.
    time: Duration,
}

impl Tally {
    /// Takes what became of a program, and says it on a line; with all it printed if it failed.
    fn take(&mut self, job: &Job, ran: Ran) {
        let Ran { ended, text, time } = ran;
        let name = &job.name;
        let mut progress = Progress::of(name);
        text.lines().for_each(|line| progress.line(line));
        let (passed, failed) = (progress.passed, progress.failed);
        let seconds = time.as_secs_f32();
        if !ended.is_ok_and(|status| status.success()) {
            println!("{text}");
        }
        println!("{name}: {passed} passed, {failed} failed, in {seconds:.1} s");
        self.time += time;
        self.progress.add(progress);
        // What the counts do not tell.
        let what = match ended.map(|status| status.code()) {
            Err(End::Hung) => format!("no end after {} s", LIMIT.as_secs()),
            Err(_) => "it did not start".to_owned(),
            Ok(None) => "a signal ended it".to_owned(),
            Ok(Some(code)) if code != 0 && failed == 0 => format!("it exited with {code}"),
            Ok(_) => return,
        };
        self.broken += 1;
        self.progress.failures.push(format!("{name}: {what}"));
    }

    /// Lists failures and skips, and counts: whether all is well, and the line that says it.
    fn summary(self, part: &Part) -> Result<(bool, String), String> {
        let Self { progress, broken, time } = self;
        let kernel = part.kernel;
        let text = std::fs::read_to_string(part.skipped()).unwrap_or_default();
        let skips = skips::parse(&text);
        let agreed = skips::pinned(&root(), kernel)?;
        for failure in &progress.failures {
            println!("failed on {kernel}: {failure}");
        }
        for name in &progress.slow {
            println!("hung on {kernel}: {name}");
        }
        for skips::Skip { name, reason } in &skips {
            println!("skipped on {kernel}: {name}: {reason}");
        }
        let skipped = skips.len() + progress.ignored;
        if skipped > agreed {
            let pin = skips::PIN;
            println!(
                "{skipped} skipped on {kernel}, and {agreed} agreed: mend them, or agree in {pin}"
            );
        }
        let (passed, failed) = (progress.passed_whole(&skips), progress.failed + broken);
        let good = failed == 0 && passed > 0 && skipped <= agreed;
        let mut line = format!(
            "{kernel}: {passed} passed, {failed} failed, {skipped} skipped, in {} s",
            time.as_secs()
        );
        if !good && !part.must_pass {
            line.push_str(" (not yet counted as a failure)");
        }
        Ok((good, line))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Job, PARTS, Tally, jobs, start};
    use crate::programs::Program;

    fn taken(name: &str, script: &str) -> Tally {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let name = format!("xtask's own {name}");
        let mut job = Job { part: 0, name, command };
        std::fs::create_dir_all(crate::tree::root().join(super::FOLDER)).unwrap();
        let ran = start(&mut job);
        let mut tally = Tally::default();
        tally.take(&job, ran);
        tally
    }

    #[test]
    fn what_the_counts_do_not_tell_is_a_failure() {
        let good = taken("a", "echo 'test a ... ok'; echo 'test result: ok. 1 passed; 0 failed;'");
        assert_eq!((good.progress.passed, good.broken), (1, 0));
        let counted = "echo 'test a ... FAILED'; echo 'test result: FAILED. 0 passed; 1 failed;'";
        let counted = taken("b", &format!("{counted}; exit 101"));
        assert_eq!((counted.progress.failed, counted.broken), (1, 0));
        let silent = taken("c", "exit 3");
        assert_eq!(silent.progress.failures, ["xtask's own c: it exited with 3"]);
        let killed = taken("d", "kill -ABRT $$");
        assert_eq!(killed.progress.failures, ["xtask's own d: a signal ended it"]);
        assert!(killed.summary(&PARTS[0]).is_ok_and(|(good, _)| !good));
    }

    #[test]
    fn nothing_run_is_no_success() {
        assert!(Tally::default().summary(&PARTS[0]).is_ok_and(|(good, _)| !good));
    }

    #[test]
    fn what_users_import_is_run_on_both_kernels() {
        let program = |package: &str| Program {
            package: package.to_owned(),
            name: "t".to_owned(),
            file: "/t/t-1".into(),
            folder: "/".into(),
        };
        let jobs = jobs(&[program("annulus"), program("annulus-ring")]);
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        let both = ["linux annulus t-1", "linux annulus-ring t-1", "host annulus t-1"];
        assert_eq!(names[0], "linux doctests");
        assert_eq!(names[1..], both);
    }
}

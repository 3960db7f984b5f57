//! `cargo xtask errno`: every errno at every n-th system call of io_uring's.
//!
//! The programs under test are examples, one per crate: each does a fixed work (`errno_workload`,
//! through rings of every kind) and checks itself that each completion comes exactly once, ending
//! with 0 where it did, or where it reported an error and accounted for every entry. strace makes
//! one call fail at a time, or every call from one on; a hang, a crash and a wrong account are
//! failures. strace counts the calls of each thread by itself: in a program of several, the n-th
//! call of each fails.

use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{End, code, is_there, packages, run_within};
use crate::processes::at_once;
use crate::tree::root;
use crate::{programs, skips};

/// What the man pages name, also for what only a bug makes (`EFAULT`): a program must end in order
/// there as well. What a seccomp filter or a security module answers is among it, and answers that
/// are no errors: `retval=0`, an enter that took nothing and waited for nothing, and a delay.
const MATRIX: &[(&str, &[&str])] = &[
    (
        "io_uring_setup",
        &[
            "error=EACCES",
            "error=EAGAIN",
            "error=EBUSY",
            "error=EFAULT",
            "error=EINTR",
            "error=EINVAL",
            "error=EMFILE",
            "error=ENFILE",
            "error=ENODEV",
            "error=ENOMEM",
            "error=ENOSYS",
            "error=ENXIO",
            "error=EPERM",
        ],
    ),
    (
        "io_uring_enter",
        &[
            "error=EACCES",
            "error=EAGAIN",
            "error=EBADF",
            "error=EBADFD",
            "error=EBADR",
            "error=EBUSY",
            "error=EEXIST",
            "error=EFAULT",
            "error=EINTR",
            "error=EINVAL",
            "error=ENOMEM",
            "error=ENOSYS",
            "error=ENXIO",
            "error=EOPNOTSUPP",
            "error=EOVERFLOW",
            "error=EOWNERDEAD",
            "error=EPERM",
            "error=ETIME",
            "retval=0",
            "delay_exit=3000",
        ],
    ),
    (
        "io_uring_register",
        &[
            "error=EACCES",
            "error=EBADF",
            "error=EBADFD",
            "error=EBUSY",
            "error=EEXIST",
            "error=EFAULT",
            "error=EINTR",
            "error=EINVAL",
            "error=EMFILE",
            "error=ENOENT",
            "error=ENOMEM",
            "error=ENOSYS",
            "error=ENXIO",
            "error=EOPNOTSUPP",
            "error=EOVERFLOW",
            "error=EPERM",
            "error=ETIME",
        ],
    ),
    ("mmap", &["error=EAGAIN", "error=ENOMEM", "error=EPERM"]),
    ("madvise", &["error=EAGAIN", "error=EINVAL", "error=ENOMEM"]),
];

/// What may go on for good: from the n-th call on, all fail. Not `EINTR`: a wait rightly goes on
/// past any number of signals.
const LASTING: &[(&str, &[&str])] = &[
    ("io_uring_setup", &["error=EINVAL", "error=ENOMEM", "error=EPERM"]),
    ("io_uring_enter", &["error=EAGAIN", "error=EBUSY", "error=ENOMEM", "error=EPERM"]),
    ("io_uring_register", &["error=EINVAL", "error=EPERM"]),
    ("mmap", &["error=ENOMEM"]),
];

/// At which calls a lasting fault begins: each such run takes long, and they are much alike.
const LASTING_FROM: &[usize] = &[1, 2, 3, 5, 8, 13, 21, 34, 55, 89];

/// What the kernel in user space is made of: what runs out, and what interrupts. `epoll_ctl` fails
/// here where it takes a file out as well, which Linux never does.
const HOST_MATRIX: &[(&str, &[&str])] = &[
    ("epoll_create1", &["error=EMFILE", "error=ENOMEM"]),
    ("eventfd2", &["error=EMFILE", "error=ENOMEM"]),
    ("timerfd_create", &["error=EMFILE"]),
    ("epoll_ctl", &["error=ENOMEM", "error=ENOSPC"]),
    ("fcntl", &["error=EMFILE"]),
    ("clone3", &["error=EAGAIN"]),
    ("timer_create", &["error=EAGAIN"]),
    ("epoll_pwait", &["error=EINTR"]),
    ("epoll_pwait2", &["error=EINTR", "error=EPERM"]),
    ("ppoll", &["error=EINTR", "error=ENOMEM"]),
    ("preadv2", &["error=EAGAIN", "error=EINTR"]),
    ("futex_waitv", &["error=ENOSYS", "error=EINTR"]),
    ("madvise", &["error=ENOMEM"]),
];

/// What stays away for good.
const HOST_LASTING: &[(&str, &[&str])] = &[
    ("eventfd2", &["error=EMFILE"]),
    ("epoll_ctl", &["error=ENOSPC"]),
    ("fcntl", &["error=EMFILE"]),
    ("clone3", &["error=EAGAIN"]),
    ("timer_create", &["error=EAGAIN"]),
    ("epoll_pwait2", &["error=ENOSYS"]),
    ("futex_waitv", &["error=ENOSYS"]),
];

/// When one run of the workload counts as a hang.
const LIMIT: Duration = Duration::from_secs(20);

/// When the matrix is given up.
const LIMIT_ALL: Duration = Duration::from_secs(10 * 60);

/// A program under test.
struct Workload {
    package: &'static str,
    example: &'static str,
    /// The call that makes its first ring: those before it are not its own.
    first: &'static str,
    matrix: Matrix,
    lasting: Matrix,
}

/// Calls, and the ways in which each fails.
type Matrix = &'static [(&'static str, &'static [&'static str])];

/// All of them. One whose source is not there yet is a counted skip.
const WORKLOADS: &[Workload] = &[
    Workload::on_linux("annulus-ring", "errno_workload"),
    Workload::on_linux("annulus-runtime", "errno_engine"),
    Workload {
        package: "annulus-emulate",
        example: "errno_host",
        first: "epoll_create1",
        matrix: HOST_MATRIX,
        lasting: HOST_LASTING,
    },
];

impl Workload {
    const fn on_linux(package: &'static str, example: &'static str) -> Self {
        Self { package, example, first: "io_uring_setup", matrix: MATRIX, lasting: LASTING }
    }

    /// Whether there is a source of it.
    fn exists(&self) -> bool {
        let examples = packages::folder(self.package).join("examples");
        let Self { example, .. } = self;
        examples.join(format!("{example}.rs")).exists() || examples.join(example).is_dir()
    }

    fn program(&self) -> String {
        format!("target/debug/examples/{}", self.example)
    }
}

/// One way to make one call fail.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    call: &'static str,
    how: &'static str,
    /// The n-th call; with a `+`, all from it on.
    when: String,
}

/// Runs the whole matrix, and lists what failed.
pub fn run() -> ExitCode {
    if !is_there(Command::new("strace").arg("-V")) {
        return skips::step("errno", "no strace: apt-get install strace");
    }
    if let Err(why) = programs::all() {
        eprintln!("errno: {why}");
        return ExitCode::FAILURE;
    }
    // Every workload is run, also after one that failed.
    let passed: Vec<bool> = WORKLOADS.iter().map(passes).collect();
    code(!passed.contains(&false))
}

/// Runs the matrix over one workload.
fn passes(workload: &Workload) -> bool {
    let Workload { package, example, .. } = workload;
    if !workload.exists() {
        let reason = format!("{package} has no example {example} yet");
        return skips::step(&format!("errno: {example}"), &reason) == ExitCode::SUCCESS;
    }
    matrix(workload)
}

fn matrix(workload: &Workload) -> bool {
    let begun = Instant::now();
    let (name, program) = (workload.example, workload.program());
    let (mut runs, mut failed) = (0, 0);
    for (call, ways) in workload.matrix {
        let Some((first, last)) = calls(&program, call, workload.first) else {
            eprintln!("errno: {name} fails without any fault");
            return false;
        };
        let lasting =
            workload.lasting.iter().find(|(c, _)| c == call).map_or(&[][..], |(_, ways)| *ways);
        let faults = plan(call, ways, lasting, first, last);
        let bad = try_all(&program, &faults, begun + LIMIT_ALL);
        println!(
            "errno: {name}: {call}: calls {first} to {last}, {} runs, {bad} failed",
            faults.len()
        );
        runs += faults.len();
        failed += bad;
    }
    println!("errno: {name}: {runs} runs, {failed} failed, {} s", begun.elapsed().as_secs());
    failed == 0 && runs > 0
}

/// Every fault of `call`, whose calls `first` to `last` are the workload's.
fn plan(
    call: &'static str,
    ways: &'static [&'static str],
    lasting: &'static [&'static str],
    first: usize,
    last: usize,
) -> Vec<Fault> {
    let each = (first..=last).flat_map(|n| ways.iter().map(move |how| (n.to_string(), *how)));
    let from = LASTING_FROM.iter().map(|n| first + n - 1).filter(move |n| *n <= last);
    let all = from.flat_map(|n| lasting.iter().map(move |how| (format!("{n}+"), *how)));
    each.chain(all).map(|(when, how)| Fault { call, how, when }).collect()
}

/// Tries the faults on as many threads as there are processors; how many failed.
fn try_all(program: &str, faults: &[Fault], end: Instant) -> usize {
    let failed = AtomicUsize::new(0);
    at_once(faults.iter(), |fault| {
        let ended = if Instant::now() < end { inject(program, fault) } else { End::Hung };
        if ended != End::Passed {
            // Pairs with the load after the threads have ended.
            failed.fetch_add(1, Ordering::Relaxed);
            println!("errno: {ended:?}: {}", shown(&strace(program, fault)));
        }
    });
    // The threads have ended: it pairs with their additions.
    failed.load(Ordering::Relaxed)
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Strace over the workload, tracing `calls` into `log`.
fn traced(log: &str, calls: &str) -> Command {
    let mut command = Command::new("strace");
    // Only what is traced stops the workload: with a filter in the kernel, where strace can.
    command.current_dir(root()).args(["-f", "--seccomp-bpf", "-qq", "-o", log]);
    command.arg("-e").arg(format!("trace={calls}"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn strace(program: &str, Fault { call, how, when }: &Fault) -> Command {
    let mut command = traced("/dev/null", call);
    command.arg("-e").arg(format!("inject={call}:{how}:when={when}"));
    command.arg(program);
    command
}

/// Which calls of this name are the workload's: those before its first set-up are the loader's and
/// the standard library's (the last of them is the ring's own, of the page that shows a fork).
fn calls(program: &str, call: &str, made_by: &str) -> Option<(usize, usize)> {
    let log = "target/errno.log";
    let mut command = traced(log, &format!("{call},{made_by}"));
    command.arg(program);
    let ended = run_within(&mut command, LIMIT);
    let text = std::fs::read_to_string(root().join(log)).ok()?;
    (ended == End::Passed).then(|| count(&text, call, made_by))
}

fn count(log: &str, call: &str, made_by: &str) -> (usize, usize) {
    let made = |line: &&str| line.contains(&format!("{call}("));
    let made_by = format!("{made_by}(");
    let before = log.lines().take_while(|line| !line.contains(&made_by)).filter(made);
    (before.count().max(1), log.lines().filter(made).count())
}

fn inject(program: &str, fault: &Fault) -> End {
    run_within(&mut strace(program, fault), LIMIT)
}

#[cfg(test)]
mod tests {
    use super::{WORKLOADS, Workload, count, plan};

    #[test]
    fn a_workload_is_there_or_is_missed() {
        assert!(WORKLOADS[0].exists());
        assert!(!Workload::on_linux("annulus-ring", "none").exists());
    }

    #[test]
    fn calls_before_the_first_ring_are_not_the_workloads() {
        let log = "1 mmap(0) = 1\n1 mmap(1) = 2\n1 io_uring_setup(8) = 3\n1 mmap(2) = 4\n";
        assert_eq!(count(log, "mmap", "io_uring_setup"), (2, 3));
        assert_eq!(count(log, "io_uring_setup", "io_uring_setup"), (1, 1));
        assert_eq!(count(log, "madvise", "io_uring_setup"), (1, 0));
    }

    #[test]
    fn each_way_meets_each_call_and_some_last() {
        let faults = plan("mmap", &["error=EAGAIN", "error=ENOMEM"], &["error=ENOMEM"], 2, 4);
        let shown: Vec<String> = faults.iter().map(|f| format!("{}:{}", f.how, f.when)).collect();
        assert_eq!(shown.len(), 9);
        assert_eq!(shown[0], "error=EAGAIN:2");
        assert_eq!(shown[5], "error=ENOMEM:4");
        assert_eq!(shown[6..], ["error=ENOMEM:2+", "error=ENOMEM:3+", "error=ENOMEM:4+"]);
    }
}

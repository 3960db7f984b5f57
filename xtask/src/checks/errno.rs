//! `cargo xtask errno`: every errno at every n-th system call of the ring.
//!
//! The program under test is the example `errno_workload` of annulus-ring: it does a fixed work
//! through the ring and checks itself that each completion comes exactly once, ending with 0 where
//! it did, or where it reported an error and accounted for every entry. strace makes one call fail
//! at a time; a hang, a crash and a wrong account are failures.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::{End, code, is_there, run_within, succeeds};
use crate::tree::root;
use crate::{metadata, skips};

/// Each call, and how it may fail: the man page's list, without the ones that only a bug makes.
const MATRIX: &[(&str, &[&str])] = &[
    ("io_uring_setup", &["EINTR", "EMFILE", "ENFILE", "ENOMEM", "EPERM", "ENOSYS", "EACCES"]),
    ("io_uring_enter", &["EINTR", "EAGAIN", "EBUSY", "EBADR", "ENOMEM", "ETIME", "EBADFD"]),
    ("io_uring_register", &["EINTR", "EBUSY", "EINVAL", "ENOMEM", "EMFILE", "EOPNOTSUPP"]),
    ("mmap", &["ENOMEM", "EAGAIN", "EPERM"]),
];

/// More calls than this of one kind are not each failed: the later ones repeat the earlier.
const CALLS_MAX: usize = 24;

/// When one run of the workload counts as a hang.
const LIMIT: Duration = Duration::from_secs(20);

const WORKLOAD: &str = "errno_workload";

/// Runs the whole matrix, and lists what failed.
pub fn run() -> ExitCode {
    if !root().join(format!("crates/annulus-ring/examples/{WORKLOAD}.rs")).exists() {
        return skips::step("errno", "annulus-ring has no example errno_workload yet");
    }
    if !is_there(Command::new("strace").arg("-V")) {
        return skips::step("errno", "no strace: apt-get install strace");
    }
    let mut build = metadata::cargo(&root());
    build.args(["build", "--quiet", "-p", "annulus-ring", "--example", WORKLOAD]);
    code(succeeds("errno", &mut build) && matrix())
}

fn matrix() -> bool {
    let (mut runs, mut failed) = (0, 0);
    for (call, errnos) in MATRIX {
        let Some(calls) = count(call) else {
            eprintln!("errno: the workload fails without any fault");
            return false;
        };
        for errno in *errnos {
            for n in 1..=calls.min(CALLS_MAX) {
                runs += 1;
                let end = inject(call, errno, n);
                if end != End::Passed {
                    failed += 1;
                    println!("errno: {errno} at call {n} of {call}: {end:?}");
                }
            }
        }
    }
    println!("errno: {runs} runs, {failed} failed");
    failed == 0 && runs > 0
}

/// Strace over the workload, with `options`, what it traces going to `log`.
fn strace(log: &str, options: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.current_dir(root()).args(["-f", "-qq", "-o", log]).args(options);
    command.arg(format!("target/debug/examples/{WORKLOAD}"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// How often the workload makes `call` when nothing fails.
fn count(call: &str) -> Option<usize> {
    let log = "target/errno.log";
    let traced = run_within(&mut strace(log, &["-e", &format!("trace={call}")]), LIMIT);
    let text = std::fs::read_to_string(root().join(log)).ok()?;
    let calls = text.lines().filter(|l| l.contains(&format!("{call}("))).count();
    (traced == End::Passed).then_some(calls)
}

fn inject(call: &str, errno: &str, n: usize) -> End {
    let fault = format!("inject={call}:error={errno}:when={n}");
    let trace = format!("trace={call}");
    run_within(&mut strace("/dev/null", &["-e", &trace, "-e", &fault]), LIMIT)
}

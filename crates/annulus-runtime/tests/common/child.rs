//! A test's body in a process of its own: filters, limits and users cannot be taken back, and some
//! bodies abort, or leave with reads in flight.
//!
//! The child is this test program again, with this test alone. In it, [`Child::run`] runs the body
//! and gives `None`; in the parent it gives what became of the child:
//!
//! ```text
//! #[test]
//! fn an_abort_is_an_abort() {
//!     let child = Child::of("an_abort_is_an_abort");  // The name, with the modules in front.
//!     let Some(outcome) = child.run(|_| std::process::abort()) else { return };
//!     assert_eq!(outcome.signal(), Some(libc::SIGABRT));
//! }
//!
//! #[test]
//! fn blocked() {
//!     for (name, errno) in [("EPERM", Errno::EPERM), ("ENOSYS", Errno::ENOSYS)] {
//!         let child = Child::of("blocked").arg(name);
//!         let body = |name: &str| { /* `name` is the child's: choose by it. */ };
//!         let Some(outcome) = child.run(body) else { return };
//!         outcome.success();
//!     }
//! }
//! ```
//!
//! For a body that has to succeed, [`run`] is all there is to write. For `fork(2)` without `exec`,
//! see [`fork`].

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use annulus_ring::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{
    Gid, Pid, PidfdFlags, Resource, Rlimit, Signal, Uid, getrlimit, pidfd_open, setrlimit,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use super::LIMIT;

/// Tells the child that it is one, and its argument.
const CHILD: &str = "ANNULUS_CHILD";

/// What a child says first, so that a name without a test does not pass.
const BEGAN: &str = "annulus child: began\n";

/// `io_uring_setup`, `io_uring_enter` and `io_uring_register`, on every architecture.
pub const SETUP: i64 = 425;
pub const ENTER: i64 = 426;
pub const REGISTER: i64 = 427;

/// Why tests are skipped that block io_uring themselves, or are of nothing but Linux's.
pub const BLOCKED_HERE: &str = "io_uring is blocked here, or short of memory, to begin with";

/// Whether it is: no ring of Linux that is not the shortest does a NOP.
pub fn is_blocked_here() -> bool {
    let nop = || {
        let mut ring = annulus_ring::LocalRing::new(1024)?;
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(annulus_ring::op::Nop::new()) }?;
        ring.submit_and_wait(1)
    };
    nop().is_err()
}

/// Whether this process is a child of [`Child::run`].
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs `body` in a child, which must succeed. `name` is the test's, with its modules.
#[track_caller]
pub fn run(name: &str, body: impl FnOnce()) {
    if let Some(outcome) = Child::of(name).run(|_| body()) {
        outcome.success();
    }
}

/// A child to be.
pub struct Child<'a> {
    name: &'a str,
    arg: &'a str,
    limit: Duration,
    variables: Vec<(&'a str, &'a str)>,
}

impl<'a> Child<'a> {
    /// A child that runs the test `name` (`module::function`), which is the calling one.
    pub fn of(name: &'a str) -> Self {
        Self { name, arg: "", limit: LIMIT, variables: Vec::new() }
    }

    /// What the body is called with: for tests with several children.
    pub fn arg(mut self, arg: &'a str) -> Self {
        self.arg = arg;
        self
    }

    /// How long it may take: then it is killed, and the test fails.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// A variable of its environment.
    pub fn variable(mut self, name: &'a str, value: &'a str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// In the parent: runs the child to its end, and gives its outcome. In the child: runs `body`,
    /// and gives `None`, on which the test returns.
    ///
    /// What the test does before is done in both.
    #[track_caller]
    pub fn run(&self, body: impl FnOnce(&str)) -> Option<Outcome> {
        if let Ok(arg) = std::env::var(CHILD) {
            // A parent that was killed takes its child along.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            std::io::stdout().write_all(BEGAN.as_bytes()).expect("the parent reads");
            body(&arg);
            return None;
        }
        let outcome = self.outcome();
        let began = outcome.stdout.contains(BEGAN);
        assert!(began, "there is no test {}, or it fails before its child: {outcome}", self.name);
        Some(outcome)
    }

    /// Starts the child and waits for its end.
    #[track_caller]
    fn outcome(&self) -> Outcome {
        let [stdout, stderr] = [output(), output()];
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command
            .args(["--exact", self.name, "--nocapture", "--test-threads=1"])
            .env(CHILD, self.arg)
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().expect("a descriptor"))
            .stderr(stderr.try_clone().expect("a descriptor"));
        let mut child = command.spawn().expect("the child starts");
        let in_time = ends_within(child.id(), self.limit);
        if !in_time {
            child.kill().expect("it is not waited for yet");
        }
        let status = child.wait().expect("it is this process's");
        let outcome = Outcome { status, stdout: text(&stdout), stderr: text(&stderr) };
        assert!(in_time, "the child hung: over {:?}; {outcome}", self.limit);
        outcome
    }
}

/// What became of a child.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed: the harness's lines too, and [`BEGAN`].
    pub stdout: String,
    /// What it printed on standard error, the messages of panics included.
    pub stderr: String,
}

impl Outcome {
    /// Fails, with all that the child said, unless it succeeded.
    #[track_caller]
    pub fn success(&self) {
        assert!(self.status.success(), "{self}");
    }

    /// The code that it left with; 101 after a failed assertion.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}\n{}", self.status, self.stdout, self.stderr)
    }
}

/// A file in memory for what a child prints. Not a pipe: nobody need read it meanwhile, and a
/// grandchild that lives on does not keep its end away.
fn output() -> File {
    memfd_create("annulus-child", MemfdFlags::CLOEXEC).expect("a file in memory").into()
}

/// What was written there.
fn text(file: &File) -> String {
    let mut bytes = vec![0; file.metadata().expect("its length").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("as long as it is");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for the end of a child, and leaves it to be waited for.
fn ends_within(id: u32, limit: Duration) -> bool {
    let id = Pid::from_raw(id.cast_signed()).expect("a process");
    let ends = pidfd_open(id, PidfdFlags::empty()).expect("it is not waited for yet");
    let limit = Timespec::try_from(limit).expect("not for ever");
    loop {
        match poll(&mut [PollFd::new(&ends, PollFlags::IN)], Some(&limit)) {
            // Signals are rare here: then it may take a little longer.
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
            Ok(ready) => return ready > 0,
        }
    }
}

/// From here on, `calls` answer `errno` in this process, on all its threads: what a container does
/// to io_uring. For a child alone: it cannot be taken back.
///
/// Blocked before a ring is made: `&[SETUP, ENTER, REGISTER]` with `EPERM` as Docker does, or
/// `ENOSYS`. With `&[ENTER]` rings can be made, and not used.
pub fn block(calls: &[i64], errno: Errno) {
    let rules: BTreeMap<i64, Vec<_>> = calls.iter().map(|call| (*call, vec![])).collect();
    let refuse = SeccompAction::Errno(errno.raw() as u32);
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("an architecture with filters");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter_all_threads(&program).expect("the filter is taken");
}

/// From here on the process may lock `bytes`, and this thread, with those that it starts, is a user
/// without privileges, whom nobody else is. Where it is no root it stays who it is. For a child
/// alone.
pub fn limit_locked_memory(bytes: u64) {
    // Locked memory is counted by user: other tests of this machine are others.
    lock_at_most(bytes, 61_000 + std::process::id() % 4_000);
}

/// The same as the user and the group `id`, who may be somebody.
pub fn lock_at_most(bytes: u64, id: u32) {
    let maximum = getrlimit(Resource::Memlock).maximum;
    let lowered = Rlimit { current: Some(bytes), maximum };
    setrlimit(Resource::Memlock, lowered).expect("a limit can be lowered");
    if rustix::process::geteuid().is_root() {
        let (gid, uid) = (Gid::from_raw(id), Uid::from_raw(id));
        rustix::thread::set_thread_res_gid(gid, gid, gid).expect("root may");
        rustix::thread::set_thread_res_uid(uid, uid, uid).expect("root may");
    }
}

/// Ends this process at once: nothing is flushed, dropped or waited for.
pub fn exit_now(code: c_int) -> ! {
    // SAFETY: `_exit` runs nothing of this process's.
    unsafe { libc::_exit(code) }
}

/// The forked child's view of itself.
///
/// It is one thread with the memory of many: it prints nothing, panics never, and leaves by
/// [`exit_now`]. What it found goes through a pipe.
pub struct Forked {
    report: File,
}

impl Forked {
    /// Ends the child, saying where, unless `good`.
    #[track_caller]
    pub fn ensure(&self, good: bool) {
        if !good {
            let line = Location::caller().line();
            let _ = (&self.report).write_all(&line.to_ne_bytes());
            exit_now(1);
        }
    }
}

/// Runs `body` in a forked child, and fails with the line that it failed at. One that takes 20 s is
/// ended by a signal.
#[track_caller]
pub fn fork(body: impl FnOnce(&Forked)) {
    let (mut answers, report) = std::io::pipe().expect("a pipe");
    let report = File::from(OwnedFd::from(report));
    // SAFETY: the child uses what is under test and what is safe after a fork (the allocators are),
    // and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        // SAFETY: `alarm` takes no pointer.
        unsafe { libc::alarm(20) };
        let child = Forked { report };
        let ended = catch_unwind(AssertUnwindSafe(|| body(&child)));
        exit_now(if ended.is_ok() { 0 } else { 2 });
    }
    drop(report);
    let mut line = [0; 4];
    let told = answers.read(&mut line).expect("a pipe") == line.len();
    let mut status = 0;
    // SAFETY: the status is this function's own, written during the call.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid);
    assert!(!told, "the child failed at line {}", u32::from_ne_bytes(line));
    assert!(libc::WIFEXITED(status), "the child died: status {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0);
}

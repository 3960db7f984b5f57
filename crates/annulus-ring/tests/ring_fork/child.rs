//! A forked child that tells its parent where it failed.
//!
//! The test harness has threads, so the child is one thread with the memory of many: it prints
//! nothing, panics never, and leaves by `_exit`. What it found goes through a pipe.

use std::ffi::c_int;
use std::fs::File;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// The child's view of itself.
pub struct Child {
    report: File,
}

impl Child {
    /// Ends the child, saying where, unless `good`.
    #[track_caller]
    pub fn ensure(&self, good: bool) {
        if !good {
            let line = Location::caller().line();
            let _ = (&self.report).write_all(&line.to_ne_bytes());
            leave(1);
        }
    }

    /// Ends the child unless `result` is the error of a ring that is the parent's.
    #[track_caller]
    pub fn refused<T>(&self, result: annulus_ring::Result<T>) {
        self.ensure(result.is_err_and(|error| error.is_forked()));
    }
}

fn leave(code: c_int) -> ! {
    // SAFETY: `_exit` runs nothing of this process's.
    unsafe { libc::_exit(code) }
}

/// Runs `body` in a forked child, and fails with the line that it failed at.
#[track_caller]
pub fn fork(body: impl FnOnce(&Child)) {
    let (mut answers, report) = std::io::pipe().unwrap();
    let report = File::from(std::os::fd::OwnedFd::from(report));
    // SAFETY: the child uses the rings under test and what is safe after a fork (glibc's allocator
    // is), and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        // A child that hangs ends by a signal, which the parent sees.
        // SAFETY: `alarm` takes no pointer.
        unsafe { libc::alarm(20) };
        let child = Child { report };
        let ended = catch_unwind(AssertUnwindSafe(|| body(&child)));
        leave(if ended.is_ok() { 0 } else { 2 });
    }
    drop(report);
    let mut line = [0; 4];
    let told = answers.read(&mut line).unwrap() == line.len();
    let mut status = 0;
    // SAFETY: the status is this function's own, written during the call.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid);
    assert!(!told, "the child failed at line {}", u32::from_ne_bytes(line));
    assert!(libc::WIFEXITED(status), "the child died: status {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0);
}

//! A test's body in a process of its own: filters, limits and users cannot be taken back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use annulus_ring::{Errno, Error, SetupError};
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use super::common::{LIMIT, limit};

/// Tells the child that it is one.
const CHILD: &str = "ANNULUS_CHILD";

/// `io_uring_setup`, `io_uring_enter` and `io_uring_register`.
pub const SETUP: i64 = 425;
pub const ENTER: i64 = 426;
pub const REGISTER: i64 = 427;

/// Runs `body` in a child: this test program again, with this test alone. `name` is the test's.
pub fn run(name: &str, body: impl FnOnce()) {
    limit(LIMIT, || {
        if std::env::var_os(CHILD).is_some() {
            return body();
        }
        let program = std::env::current_exe().expect("this program has a path");
        let output = Command::new(program)
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .stdin(Stdio::null())
            .output()
            .expect("the child starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
        assert!(text.contains("1 passed"), "there is no test {name}: {text}");
    });
}

/// From here on, `calls` answer `errno` on this thread.
pub fn block(calls: &[i64], errno: Errno) {
    let rules: BTreeMap<i64, Vec<_>> = calls.iter().map(|call| (*call, vec![])).collect();
    let refuse = SeccompAction::Errno(errno.raw() as u32);
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("an architecture with filters");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("the filter is taken");
}

/// From here on this thread is a user without privileges, whom nobody else is, and the process may
/// lock `bytes`. Where it is no root it stays who it is.
pub fn limit_locked_memory(bytes: u64) {
    let maximum = getrlimit(Resource::Memlock).maximum;
    let lowered = Rlimit { current: Some(bytes), maximum };
    setrlimit(Resource::Memlock, lowered).expect("a limit can be lowered");
    if rustix::process::geteuid().is_root() {
        // Locked memory is counted by user: other tests of this machine are others.
        let id = 61_000 + std::process::id() % 4_000;
        let (gid, uid) = (Gid::from_raw(id), Uid::from_raw(id));
        rustix::thread::set_thread_res_gid(gid, gid, gid).expect("root may");
        rustix::thread::set_thread_res_uid(uid, uid, uid).expect("root may");
    }
}

/// A root of files in the temporary folder, removed with this.
pub struct FakeRoot(PathBuf);

impl FakeRoot {
    /// `files` are paths and contents.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let id = std::process::id();
        let here = std::thread::current().id();
        let root = std::env::temp_dir().join(format!("annulus-root-{id}-{here:?}"));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("not the root")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        Self(root)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for FakeRoot {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The diagnosis in `error`, whose text must fit and say every one of `words`.
#[track_caller]
pub fn diagnosis<'a>(error: &'a Error, words: &[&str]) -> &'a SetupError {
    let setup = error.setup_error().unwrap_or_else(|| panic!("no diagnosis: {error}"));
    check_text(setup, words);
    setup
}

#[track_caller]
pub fn check_text(setup: &SetupError, words: &[&str]) {
    let text = setup.to_string();
    assert!(text.lines().count() <= 6, "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

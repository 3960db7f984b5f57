//! `kernel.io_uring_disabled`: by a root of files, and, where it is allowed, for a moment in truth.

use std::fs::File;
use std::sync::{Arc, Barrier};

use annulus_ring::diagnose::Cause;
use annulus_ring::{Errno, Ring};

use super::child::{self, FakeRoot, SETUP};
use super::common::skip;

#[test]
fn it_is_told_from_a_filter_by_what_proc_says() {
    child::run("sysctl::it_is_told_from_a_filter_by_what_proc_says", || {
        child::block(&[SETUP], Errno::EPERM);
        let error = Ring::new(8).unwrap_err();
        let judge = |value: &str, status: &str| {
            let root = FakeRoot::new(&[
                ("proc/self/status", status),
                ("proc/self/uid_map", "         0          0 4294967295\n"),
                ("proc/sys/kernel/io_uring_disabled", value),
                ("proc/sys/kernel/io_uring_group", "900\n"),
            ]);
            error.setup_error().unwrap().read_below(root.path())
        };
        let nobody = "Gid:\t5 5 5 5\nGroups:\t5 6\nCapEff:\t0000000000000000\nSeccomp:\t0\n";
        let member = "Gid:\t5 5 5 5\nGroups:\t900\nCapEff:\t0000000000000000\nSeccomp:\t2\n";
        let admin = "Gid:\t0 0 0 0\nGroups:\t0\nCapEff:\t0000000000200000\nSeccomp:\t2\n";

        for status in [nobody, member, admin] {
            let off = judge("2\n", status);
            assert_eq!(off.cause(), Cause::Sysctl { value: 2 });
            child::check_text(&off, &["io_uring_disabled = 2", "kernel.io_uring_disabled=0"]);
        }
        let ours = judge("1\n", nobody);
        assert_eq!(ours.cause(), Cause::Sysctl { value: 1 });
        child::check_text(&ours, &["kernel.io_uring_group = 900", "CAP_SYS_ADMIN"]);
        assert!(ours.cause().is_blocked());
        // Those whom the setting lets pass were stopped by something else.
        assert_eq!(judge("1\n", member).cause().name(), "seccomp");
        assert_eq!(judge("1\n", admin).cause().name(), "seccomp");
        assert_eq!(judge("0\n", nobody).cause(), Cause::SecurityModule);
    });
}

const SETTING: &str = "/proc/sys/kernel/io_uring_disabled";

/// The setting, changed until this is dropped.
struct Changed {
    before: String,
    _lock: File,
}

impl Changed {
    fn to(value: &str, lock: File) -> Self {
        let before = std::fs::read_to_string(SETTING).expect("readable");
        let changed = Self { before, _lock: lock };
        std::fs::write(SETTING, value).expect("root may");
        changed
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        std::fs::write(SETTING, &self.before).expect("root may");
    }
}

#[test]
fn the_setting_itself_for_a_moment() {
    let name = "sysctl::the_setting_itself_for_a_moment";
    if std::env::var_os("ANNULUS_TOGGLE_SYSCTL").is_none_or(|value| value != "1") {
        let why = "it turns io_uring off for the whole machine: ANNULUS_TOGGLE_SYSCTL=1 allows it";
        return skip(name, why);
    }
    if File::options().write(true).open(SETTING).is_err() {
        return skip(name, "the setting cannot be changed: root on the machine itself can");
    }
    child::run(name, || {
        let path = std::env::temp_dir().join("annulus-io-uring-disabled.lock");
        for value in ["1", "2"] {
            let lock = File::create(&path).expect("a lock file");
            lock.lock().expect("locked");
            // Everything is made ready first: the machine is without io_uring for a millisecond.
            let barrier = Arc::new(Barrier::new(2));
            let other = Arc::clone(&barrier);
            let as_nobody = std::thread::spawn(move || {
                child::limit_locked_memory(1 << 20);
                other.wait();
                other.wait();
                let ring = Ring::new(8);
                other.wait();
                ring
            });
            barrier.wait();
            let changed = Changed::to(value, lock);
            barrier.wait();
            let as_root = Ring::new(8);
            barrier.wait();
            drop(changed);
            let nobody = as_nobody.join().expect("no panic").expect_err("turned off");
            let expected = Cause::Sysctl { value: value.parse().expect("a number") };
            assert_eq!(nobody.setup_error().expect("a diagnosis").cause(), expected, "{nobody}");
            match value {
                "1" => assert!(as_root.is_ok(), "an administrator passes"),
                _ => assert_eq!(as_root.unwrap_err().setup_error().unwrap().cause(), expected),
            }
        }
    });
}

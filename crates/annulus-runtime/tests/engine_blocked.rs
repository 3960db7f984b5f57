//! Where io_uring cannot be had, or not in full: an error that says why and what to do, and an
//! engine with a smaller ring where that helps. Never a panic, never a hang.

mod common;

use annulus_ring::Errno;
use annulus_runtime::Engine;
use common::child::{Child, ENTER, REGISTER, SETUP, block, limit_locked_memory, run};
use common::engines::until;
use common::files::{TempFile, first_difference};
use common::process;
use futures::executor::block_on;

/// Both kinds of engine fail, and say every one of `words`.
fn fails(words: &[&str]) {
    let before = process::thread_count();
    says(words, &Engine::new().expect_err("it is blocked"));
    #[cfg(feature = "tokio")]
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let _inside = runtime.as_ref().expect("a runtime").enter();
        says(words, &Engine::builder().build_driven().expect_err("it is blocked"));
    }
    // Nothing is left of them.
    until(|| process::thread_count() == before);
}

fn says(words: &[&str], error: &std::io::Error) {
    let text = error.to_string();
    eprintln!("{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

#[test]
fn all_calls_are_blocked() {
    let name = "all_calls_are_blocked";
    for (arg, errno, kind) in [
        ("EPERM", Errno::EPERM, std::io::ErrorKind::PermissionDenied),
        ("ENOSYS", Errno::ENOSYS, std::io::ErrorKind::Unsupported),
    ] {
        let body = |chosen: &str| {
            if chosen == arg {
                block(&[SETUP, ENTER, REGISTER], errno);
                assert_eq!(Engine::new().expect_err("blocked").kind(), kind);
                fails(&[arg, "seccomp", "io_uring_setup"]);
            }
        };
        if let Some(outcome) = Child::of(name).arg(arg).run(body) {
            outcome.success();
        }
    }
}

/// Rings can be made, and not used.
#[test]
fn entering_alone_is_blocked() {
    run("entering_alone_is_blocked", || {
        block(&[ENTER], Errno::EPERM);
        fails(&["EPERM", "io_uring_enter"]);
    });
}

#[test]
fn registering_alone_is_blocked() {
    run("registering_alone_is_blocked", || {
        block(&[REGISTER], Errno::EPERM);
        let text = Engine::new().expect_err("it is blocked").to_string();
        eprintln!("{text}");
        assert!(text.contains("EPERM") && text.contains("io_uring_register"), "{text}");
    });
}

#[test]
fn with_little_locked_memory_the_ring_is_smaller() {
    let file = TempFile::patterned(8192);
    run("with_little_locked_memory_the_ring_is_smaller", || {
        let opened = [file.open(), file.open()];
        limit_locked_memory(64 << 10);
        let engine = Engine::builder().entries(4096).build().expect("a smaller one");
        let entries = engine.entries();
        eprintln!("{entries} entries of 4096");
        assert!((8..4096).contains(&entries) && entries.is_power_of_two());
        let [first, second] = opened.map(|file| engine.file(file));
        let reads = first.read_at(vec![0; 4096], 0).then(second.read_at(vec![0; 4096], 4096));
        let (first, second) = block_on(reads);
        assert_eq!(first_difference(0, &first.expect("a read").1), None);
        assert_eq!(first_difference(4096, &second.expect("a read").1), None);
    });
}

#[test]
fn without_locked_memory_it_says_so() {
    run("without_locked_memory_it_says_so", || {
        limit_locked_memory(0);
        fails(&["ENOMEM", "RLIMIT_MEMLOCK"]);
    });
}

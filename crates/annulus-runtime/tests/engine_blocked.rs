//! Where io_uring cannot be had, or not in full: where Linux is demanded, an error that says why
//! and what to do, or an engine with a smaller ring where that helps; else an engine in user space,
//! and one line that says so. Never a panic, never a hang.

mod common;

use annulus_ring::{Errno, LocalRing};
use annulus_runtime::Engine;
use annulus_runtime::engine::{EngineBuilder, KernelChoice};
use common::child::{self, Child, ENTER, REGISTER, SETUP, block, limit_locked_memory, run};
use common::engines::{begin, shipped_pipe, until};
use common::files::{TempFile, first_difference};
use common::{process, skip};
use futures::executor::block_on;

/// An engine of Linux, or none.
fn linux() -> EngineBuilder {
    Engine::builder().kernel(KernelChoice::Linux)
}

/// Both kinds of engine fail, and say every one of `words`.
fn fails(words: &[&str]) {
    let before = process::thread_count();
    says(words, &linux().build().expect_err("it is blocked"));
    #[cfg(feature = "tokio")]
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let _inside = runtime.as_ref().expect("a runtime").enter();
        says(words, &linux().build_driven().expect_err("it is blocked"));
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
    if child::is_blocked_here() {
        return skip("all_calls_are_blocked", child::BLOCKED_HERE);
    }
    let name = "all_calls_are_blocked";
    for (arg, errno, kind) in [
        ("EPERM", Errno::EPERM, std::io::ErrorKind::PermissionDenied),
        ("ENOSYS", Errno::ENOSYS, std::io::ErrorKind::Unsupported),
    ] {
        let body = |chosen: &str| {
            if chosen == arg {
                block(&[SETUP, ENTER, REGISTER], errno);
                assert_eq!(linux().build().expect_err("blocked").kind(), kind);
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
    if child::is_blocked_here() {
        return skip("entering_alone_is_blocked", child::BLOCKED_HERE);
    }
    run("entering_alone_is_blocked", || {
        block(&[ENTER], Errno::EPERM);
        fails(&["EPERM", "io_uring_enter"]);
    });
}

#[test]
fn registering_alone_is_blocked() {
    if child::is_blocked_here() {
        return skip("registering_alone_is_blocked", child::BLOCKED_HERE);
    }
    run("registering_alone_is_blocked", || {
        block(&[REGISTER], Errno::EPERM);
        let text = linux().build().expect_err("it is blocked").to_string();
        eprintln!("{text}");
        assert!(text.contains("EPERM") && text.contains("io_uring_register"), "{text}");
    });
}

#[test]
fn with_little_locked_memory_the_ring_is_smaller() {
    if child::is_blocked_here() {
        return skip("with_little_locked_memory_the_ring_is_smaller", child::BLOCKED_HERE);
    }
    let file = TempFile::patterned(8192);
    run("with_little_locked_memory_the_ring_is_smaller", || {
        let opened = [file.open(), file.open()];
        limit_locked_memory(64 << 10);
        if LocalRing::new(4096).is_ok() {
            let name = "with_little_locked_memory_the_ring_is_smaller";
            return skip(name, "this kernel does not charge rings");
        }
        let engine = linux().entries(4096).build().expect("a smaller one");
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
    if child::is_blocked_here() {
        return skip("without_locked_memory_it_says_so", child::BLOCKED_HERE);
    }
    run("without_locked_memory_it_says_so", || {
        limit_locked_memory(0);
        if LocalRing::new(8).is_ok() {
            let name = "without_locked_memory_it_says_so";
            return skip(name, "this kernel does not charge rings");
        }
        fails(&["ENOMEM", "RLIMIT_MEMLOCK"]);
    });
}

/// In a child where `obstruct` was done: an engine in user space does a read, and one line says why
/// it is that one, with every one of `words`.
fn answered_in_user_space(name: &str, obstruct: impl Fn(&str), cases: &[(&str, &[&str])]) {
    for (arg, words) in cases {
        let body = |chosen: &str| {
            if chosen != *arg {
                return;
            }
            obstruct(arg);
            if *arg == "memlock" && LocalRing::new(8).is_ok() {
                return skip(name, "this kernel does not charge rings");
            }
            let engines = [0; 2].map(|_| {
                let builder = Engine::builder().kernel(KernelChoice::Auto);
                builder.build().expect("an engine in user space")
            });
            for engine in &engines {
                assert_eq!((engine.kernel(), engine.metrics().kernel), ("host", "host"));
                reads_a_pipe(engine);
            }
        };
        let Some(outcome) = Child::of(name).arg(arg).run(body) else { continue };
        outcome.success();
        if outcome.stderr.contains("skipped: ") {
            continue;
        }
        let said: Vec<_> =
            outcome.stderr.lines().filter(|line| line.starts_with("annulus: ")).collect();
        assert_eq!(said.len(), 1, "{outcome}");
        for word in words.iter().chain(&["ANNULUS_KERNEL=linux"]) {
            assert!(said[0].contains(word), "no {word:?} in: {}", said[0]);
        }
    }
}

/// A read that waits, and is not tried on this thread.
fn reads_a_pipe(engine: &Engine) {
    let (reader, writer) = shipped_pipe();
    let reader = engine.file(reader);
    let mut read = begin(reader.read(vec![0; 4]));
    std::io::Write::write_all(&mut &writer, b"ring").expect("room in a pipe");
    assert_eq!(block_on(&mut read).expect("a read").1, b"ring");
}

#[test]
fn blocked_calls_are_answered_in_user_space() {
    if child::is_blocked_here() {
        return skip("blocked_calls_are_answered_in_user_space", child::BLOCKED_HERE);
    }
    let errno = |arg: &str| match arg {
        "EPERM" => Errno::EPERM,
        "ENOSYS" => Errno::ENOSYS,
        _ => Errno::EACCES,
    };
    answered_in_user_space(
        "blocked_calls_are_answered_in_user_space",
        |arg| block(&[SETUP, ENTER, REGISTER], errno(arg)),
        &[("EPERM", &["EPERM", "seccomp"]), ("ENOSYS", &["ENOSYS"]), ("EACCES", &["EACCES"])],
    );
}

#[test]
fn a_ring_that_cannot_be_entered_is_no_ring() {
    if child::is_blocked_here() {
        return skip("a_ring_that_cannot_be_entered_is_no_ring", child::BLOCKED_HERE);
    }
    answered_in_user_space(
        "a_ring_that_cannot_be_entered_is_no_ring",
        |_| block(&[ENTER], Errno::EPERM),
        &[("enter", &["EPERM", "io_uring_enter"])],
    );
}

#[test]
fn without_locked_memory_rings_are_in_user_space() {
    if child::is_blocked_here() {
        return skip("without_locked_memory_rings_are_in_user_space", child::BLOCKED_HERE);
    }
    answered_in_user_space(
        "without_locked_memory_rings_are_in_user_space",
        |_| limit_locked_memory(0),
        &[("memlock", &["ENOMEM", "locked"])],
    );
}

//! Children: how they end, what they say, and what is refused to them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use annulus_ring::{Errno, LocalRing, op};

use super::common::child::{self, Child, ENTER, REGISTER, SETUP};
use super::common::files::TempFile;
use super::common::{process, skip};

/// The message that `body` panics with.
fn panics(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it is to fail");
    panic.downcast::<String>().map_or_else(|_| "not text".to_owned(), |text| *text)
}

#[test]
fn each_end_is_told() {
    for how in ["returns", "panics", "aborts", "exits"] {
        let child = Child::of("children::each_end_is_told").arg(how).variable("ANNULUS_X", "y");
        let body = |how: &str| {
            println!("said by one that {how}, {:?}", std::env::var("ANNULUS_X"));
            match how {
                "panics" => panic!("on purpose"),
                "aborts" => std::process::abort(),
                "exits" => child::exit_now(3),
                _ => {}
            }
        };
        let Some(outcome) = child.run(body) else { return };
        assert!(outcome.stdout.contains(&format!("said by one that {how}, Ok(\"y\")")));
        let end = (outcome.code(), outcome.signal());
        match how {
            "panics" => {
                assert_eq!(end, (Some(101), None));
                assert!(outcome.stderr.contains("on purpose"), "{outcome}");
                assert!(panics(|| outcome.success()).contains("on purpose"));
            }
            "aborts" => assert_eq!(end, (None, Some(libc::SIGABRT))),
            "exits" => assert_eq!(end, (Some(3), None)),
            _ => outcome.success(),
        }
    }
}

#[test]
fn a_child_that_hangs_is_ended() {
    let child = Child::of("children::a_child_that_hangs_is_ended");
    let child = child.limit(Duration::from_millis(200));
    if child::is_child() {
        child.run(|_| std::thread::sleep(Duration::from_secs(60)));
        return;
    }
    let began = Instant::now();
    let text = panics(|| drop(child.run(|_| {})));
    assert!(text.contains("the child hung") && text.contains("signal: 9"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_name_without_a_test_fails() {
    let text = panics(|| drop(Child::of("children::misspelt").run(|_| {})));
    assert!(text.contains("there is no test children::misspelt"), "{text}");
}

#[test]
fn io_uring_is_blocked_in_each_way() {
    if child::is_blocked_here() {
        return skip("io_uring_is_blocked_in_each_way", child::BLOCKED_HERE);
    }
    for how in ["EPERM", "ENOSYS", "enter"] {
        let child = Child::of("children::io_uring_is_blocked_in_each_way").arg(how);
        let body = |how: &str| {
            let ready = LocalRing::new(8);
            match how {
                "EPERM" => child::block(&[SETUP, ENTER, REGISTER], Errno::EPERM),
                "ENOSYS" => child::block(&[SETUP, ENTER, REGISTER], Errno::ENOSYS),
                _ => child::block(&[ENTER], Errno::EPERM),
            }
            let expected = if how == "ENOSYS" { Errno::ENOSYS } else { Errno::EPERM };
            // A thread that begins later has the filter too.
            let made = std::thread::spawn(|| LocalRing::new(8).map(drop)).join().unwrap();
            if how != "enter" {
                assert_eq!(made.expect_err("set-up is blocked").errno(), Some(expected));
            }
            let mut ready = ready.expect("a ring, before the filter");
            // SAFETY: a NOP points to nothing.
            unsafe { ready.push(op::Nop::new().build()) }.expect("room");
            let error = ready.submit_and_wait(1).expect_err("enter is blocked");
            assert_eq!(error.errno(), Some(expected));
        };
        let Some(outcome) = child.run(body) else { return };
        outcome.success();
    }
}

#[test]
fn locked_memory_is_limited() {
    if child::is_blocked_here() {
        return skip("locked_memory_is_limited", child::BLOCKED_HERE);
    }
    let name = "children::locked_memory_is_limited";
    child::run(name, || {
        child::limit_locked_memory(64 << 10);
        match LocalRing::new(1024) {
            // From 5.12 on, until some 6.x.
            Ok(_) => skip(name, "this kernel does not charge rings"),
            Err(error) => assert_eq!(error.errno(), Some(Errno::ENOMEM)),
        }
    });
}

/// What a program does that has had enough: nobody waits for the reads, nobody frees a thing.
#[test]
fn a_process_may_leave_with_reads_in_flight() {
    if child::is_blocked_here() {
        return skip("a_process_may_leave_with_reads_in_flight", child::BLOCKED_HERE);
    }
    let name = "children::a_process_may_leave_with_reads_in_flight";
    for how in ["exit", "abort"] {
        let Some(outcome) = Child::of(name).arg(how).run(|how| leave(how, name)) else { return };
        match how {
            _ if outcome.stderr.contains("skipped: ") => {}
            "exit" => assert_eq!(outcome.code(), Some(7), "{outcome}"),
            _ => assert_eq!(outcome.signal(), Some(libc::SIGABRT), "{outcome}"),
        }
    }
}

/// Begins direct reads, and ends the process.
fn leave(how: &str, name: &str) {
    let file = TempFile::patterned(16 << 20).unnamed();
    let Some(direct) = file.direct(name) else { return };
    let mut ring = LocalRing::new(16).expect("a ring");
    for n in 0..16 {
        let buffer = vec![0_u8; 1 << 20].leak();
        let read = op::Read::new(&direct, buffer.as_mut_ptr(), 1 << 20).offset(n << 20);
        // SAFETY: the buffer is leaked.
        unsafe { ring.push(read.build()) }.expect("room");
    }
    ring.submit().expect("submitted");
    match how {
        "exit" => child::exit_now(7),
        _ => std::process::abort(),
    }
}

#[test]
fn a_forked_child_tells_where_it_failed() {
    child::run("children::a_forked_child_tells_where_it_failed", || {
        let parent = std::process::id();
        child::fork(|forked| forked.ensure(std::process::id() != parent));
        let line = line!() + 1;
        let text = panics(|| child::fork(|forked| forked.ensure(std::process::id() == parent)));
        assert_eq!(text, format!("the child failed at line {line}"));
        let text = panics(|| child::fork(|_| child::exit_now(5)));
        assert!(text.contains("left: 5"), "{text}");
        let text = panics(|| child::fork(|_| std::process::abort()));
        assert!(text.contains("the child died"), "{text}");
    });
}

#[test]
fn descriptors_threads_and_switches_are_counted() {
    child::run("children::descriptors_threads_and_switches_are_counted", || {
        let before = (process::descriptors(), process::thread_count());
        let pipe = std::io::pipe().expect("a pipe");
        assert_eq!(process::descriptors(), before.0 + 2);
        let (told, tells) = std::sync::mpsc::channel();
        let (wake, woken) = std::sync::mpsc::channel::<()>();
        let named = std::thread::Builder::new().name("annulus-t".to_owned());
        let thread = named.spawn(move || {
            told.send(process::this_thread()).unwrap();
            woken.iter().for_each(|()| told.send(0).unwrap());
        });
        let tid = tells.recv().unwrap();
        assert_eq!(process::thread_count(), before.1 + 1);
        assert_eq!(process::threads_named("annulus-"), [tid]);
        // Each time it is woken, and falls asleep again, some time after its word.
        for _ in 0..3 {
            let seen = process::switches(tid).expect("it lives").voluntary;
            wake.send(()).unwrap();
            tells.recv().unwrap();
            while process::switches(tid).expect("it lives").voluntary <= seen {
                std::thread::yield_now();
            }
        }
        drop(wake);
        thread.unwrap().join().unwrap();
        drop(pipe);
        assert_eq!(process::descriptors(), before.0);
        // The kernel has its name a moment longer than its thread runs.
        while process::switches(tid).is_some() {
            std::thread::yield_now();
        }
        assert!(process::switches(process::this_thread()).is_some());
    });
}

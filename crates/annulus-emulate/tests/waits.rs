//! What waits for others, and what does nothing: the same on Linux and on the kernel in user space.

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::sync::atomic::AtomicU32;

use annulus_emulate::abi::{Cqe, IdType, Op, Sqe, Timespec, WaitidOptions};
use annulus_emulate::{Builder, KernelChoice, LocalRing, op};

const KERNELS: [KernelChoice; 2] = [KernelChoice::Linux, KernelChoice::Host];

/// A ring of the kernel for the test `name`, unless that is not to be had, or is an older Linux
/// than the one that is emulated: those have not all of it, or end it otherwise.
fn ring(name: &str, kernel: KernelChoice) -> Option<LocalRing> {
    let ring = Builder::new().entries(64).kernel(kernel).build_local().ok()?;
    if Builder::new().entries(1).kernel(kernel).cqe_mixed().build_local().is_err() {
        harness::skip(&format!("{name}: {kernel:?}"), "what is emulated is Linux 6.18");
        return None;
    }
    Some(ring)
}

fn push(ring: &mut LocalRing, sqe: impl Into<Sqe>) {
    // SAFETY: the tests keep what their entries point to until the end.
    unsafe { ring.push(sqe.into()) }.expect("room");
}

fn wait(ring: &mut LocalRing, count: u32) -> Vec<Cqe> {
    let mut cqes = Vec::new();
    while (cqes.len() as u32) < count {
        // A signal, or what the kernel has to do on this thread, ends a wait early.
        match ring.submit_and_wait(count - cqes.len() as u32) {
            Err(error) if error.is_interrupted() => {}
            waited => drop(waited.expect("they complete")),
        }
        cqes.extend(ring.completions().expect("a ring"));
    }
    cqes
}

#[test]
fn what_a_nop_tells_of_what_is_not_there() {
    let mut seen = Vec::new();
    for kernel in KERNELS {
        let name = "what_a_nop_tells_of_what_is_not_there";
        let Some(mut ring) = ring(name, kernel) else { continue };
        let file = op::Nop::new().file(i32::MAX).build().user_data(1);
        push(&mut ring, file.link());
        push(&mut ring, op::Nop::new().build().user_data(2).link());
        push(&mut ring, op::Nop::new().inject_result(-7).build().user_data(3));
        push(&mut ring, op::Nop::new().file(i32::MAX).inject_result(6).build().user_data(6));
        let buffer = op::Nop::new().fixed_buffer(annulus_emulate::abi::BufIndex(3)).build();
        push(&mut ring, buffer.user_data(4).link());
        push(&mut ring, op::Nop::new().build().user_data(5));
        let mut got: Vec<_> = wait(&mut ring, 6).iter().map(|c| (c.user_data, c.res)).collect();
        got.sort_unstable();
        seen.push(got);
    }
    assert_eq!(seen.first(), seen.last());
}

#[test]
fn waits_for_futexes_keep_nothing_waiting() {
    const COUNT: u32 = 40;
    for kernel in KERNELS {
        let name = "waits_for_futexes_keep_nothing_waiting";
        let Some(mut ring) = ring(name, kernel) else { continue };
        let word = AtomicU32::new(1);
        for n in 0..COUNT {
            push(&mut ring, op::FutexWait::new(&word, 1).build().user_data(u64::from(n)));
        }
        // All wait when they are submitted.
        push(&mut ring, op::FutexWake::new(&word, 7).build().user_data(100));
        let cqes = wait(&mut ring, 8);
        let woken = |cqes: &[Cqe]| cqes.iter().filter(|cqe| cqe.user_data < 100).count();
        assert_eq!(woken(&cqes), 7);
        // First come, first woken.
        assert!(cqes.iter().all(|cqe| cqe.user_data < 7 || cqe.user_data == 100), "{cqes:?}");
        push(&mut ring, op::Fsync::new(&std::fs::File::open("Cargo.toml").unwrap()));
        assert_eq!(wait(&mut ring, 1).len(), 1);
        push(&mut ring, op::AsyncCancel::op(Op::FUTEX_WAIT).all().build().user_data(100));
        let cqes = wait(&mut ring, COUNT - 7 + 1);
        assert_eq!(woken(&cqes), COUNT as usize - 7);
        let cancel = cqes.iter().find(|cqe| cqe.user_data == 100).expect("an answer");
        // Linux counts all of them as one.
        assert_eq!(cancel.res, 1);
        assert!(cqes.iter().all(|cqe| cqe.user_data == 100 || cqe.res == -125), "{cqes:?}");
        // Nobody waits any more.
        push(&mut ring, op::FutexWake::new(&word, 99));
        assert_eq!(wait(&mut ring, 1)[0].res, 0);
    }
}

#[test]
fn a_wake_is_told_though_it_is_cancelled() {
    // A wake and a cancel race: whichever wins, a wake that was counted is told.
    for kernel in KERNELS {
        let name = "a_wake_is_told_though_it_is_cancelled";
        let Some(mut ring) = ring(name, kernel) else { continue };
        for _ in 0..300 {
            let word = AtomicU32::new(1);
            push(&mut ring, op::FutexWait::new(&word, 1).build().user_data(1));
            ring.submit().expect("taken");
            let waker = &word;
            let woken = std::thread::scope(|scope| {
                let woken = scope.spawn(|| wake_private(waker));
                push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2));
                ring.submit().expect("taken");
                woken.join().expect("no panic")
            });
            let cqes = wait(&mut ring, 2);
            let ended = cqes.iter().find(|cqe| cqe.user_data == 1);
            let ended = ended.unwrap_or_else(|| panic!("{kernel:?} {woken}: {cqes:?}"));
            assert_eq!(ended.res, if woken == 1 { 0 } else { -125 }, "{cqes:?}");
        }
    }
}

fn wake_private(word: &AtomicU32) -> i64 {
    let op = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: a word that lives during the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op, 1) }
}

#[test]
fn any_child_and_a_cancel() {
    for kernel in KERNELS {
        let name = "any_child_and_a_cancel";
        let Some(mut ring) = ring(name, kernel) else { continue };
        let mut child = std::process::Command::new("sleep").arg("100").spawn().expect("a child");
        // A change that no descriptor tells of: a thread waits.
        let stopped = op::WaitId::new(IdType::PID, child.id(), WaitidOptions::STOPPED);
        push(&mut ring, stopped.build().user_data(1));
        ring.submit().expect("taken");
        push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2));
        let mut got: Vec<_> = wait(&mut ring, 2).iter().map(|c| (c.user_data, c.res)).collect();
        got.sort_unstable();
        assert_eq!(got, [(1, -125), (2, 1)]);
        push(&mut ring, stopped.build().user_data(1));
        ring.submit().expect("taken");
        // SAFETY: a child of ours.
        unsafe { libc::kill(child.id() as i32, libc::SIGSTOP) };
        assert_eq!(wait(&mut ring, 1)[0].res, 0);
        child.kill().expect("it was there");
        child.wait().expect("it was there");
    }
}

#[test]
fn a_splice_that_waits_is_interrupted() {
    let mut ring = ring("", KernelChoice::Host).expect("a ring");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let (_other, to) = std::io::pipe().expect("a pipe");
    for _ in 0..50 {
        push(&mut ring, op::Splice::new(&reader, &to, 9).build().user_data(1));
        ring.submit().expect("taken");
        push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2));
        let mut got: Vec<_> = wait(&mut ring, 2).iter().map(|c| (c.user_data, c.res)).collect();
        got.sort_unstable();
        // Interrupted, which Linux tells as ERESTARTSYS; or taken back before a thread began it.
        assert!(got == [(1, -512), (2, -114)] || got == [(1, -125), (2, 0)], "{got:?}");
    }
}

#[test]
fn a_wait_is_limited_by_a_link() {
    let mut seen = Vec::new();
    for kernel in KERNELS {
        let name = "a_wait_is_limited_by_a_link";
        let Some(mut ring) = ring(name, kernel) else { continue };
        let word = AtomicU32::new(1);
        let time = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        push(&mut ring, op::FutexWait::new(&word, 1).build().user_data(1).link());
        push(&mut ring, op::LinkTimeout::new(&time).build().user_data(2));
        let mut got: Vec<_> = wait(&mut ring, 2).iter().map(|c| (c.user_data, c.res)).collect();
        got.sort_unstable();
        seen.push(got);
    }
    assert_eq!(seen.first(), seen.last());
}

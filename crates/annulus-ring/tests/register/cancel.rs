//! Cancelling, and waiting for it.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use annulus_ring::abi::{Cqe, FixedFd, Op, OpenFlags, PollEvents, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::register::SyncCancel;
use annulus_ring::{Errno, LocalRing, Place, Ring, RingOf, op};

use crate::common::{LIMIT, limit, skip};
use crate::rig::{push, ring, silent, wait};
use crate::{errno, files_rig};

/// Reads that wait, one from each pipe, with `user_data` 1, 2, …
struct Waiting {
    ring: LocalRing,
    pipes: Vec<(PipeReader, PipeWriter)>,
    _buf: Box<[u8; 8]>,
}

fn waiting(count: u64) -> Waiting {
    let mut ring = ring();
    let mut buf = Box::new([0u8; 8]);
    let pipes: Vec<_> = (0..count).map(|_| std::io::pipe().unwrap()).collect();
    for ((reader, _), user_data) in pipes.iter().zip(1..) {
        push(&mut ring, op::Read::new(reader, buf.as_mut_ptr(), 8).build().user_data(user_data));
    }
    ring.submit().unwrap();
    Waiting { ring, pipes, _buf: buf }
}

impl Waiting {
    fn cancel(&self, what: SyncCancel) -> annulus_ring::Result<u32> {
        self.ring.register().sync_cancel(&what)
    }

    /// Those that were cancelled, in order; nothing else came.
    #[track_caller]
    fn cancelled(&mut self, count: usize) -> Vec<u64> {
        let cqes: Vec<Cqe> = wait(&mut self.ring, count);
        assert!(cqes.iter().all(|cqe| cqe.result() == Err(Errno::ECANCELED)), "{cqes:?}");
        silent(&mut self.ring);
        let mut ended: Vec<u64> = cqes.iter().map(|cqe| cqe.user_data).collect();
        ended.sort_unstable();
        ended
    }
}

#[test]
fn one_is_found_by_its_user_data() {
    let mut w = waiting(3);
    w.cancel(SyncCancel::user_data(2)).unwrap();
    assert_eq!(w.cancelled(1), [2]);
    assert_eq!(errno(w.cancel(SyncCancel::user_data(2))), Errno::ENOENT);
}

#[test]
fn one_or_all_are_found_by_their_file() {
    let mut w = waiting(2);
    let file = w.pipes[1].0.as_raw_fd();
    let mut more = [0u8; 8];
    push(&mut w.ring, op::Read::new(file, more.as_mut_ptr(), 8).build().user_data(3));
    w.ring.submit().unwrap();
    let timeout = SyncCancel::file(file).timeout(Duration::from_secs(5));
    assert_eq!(w.cancel(timeout.all()).unwrap(), 2);
    assert_eq!(w.cancelled(2), [2, 3]);
    assert_eq!(errno(w.cancel(timeout)), Errno::ENOENT);
    w.cancel(SyncCancel::file(w.pipes[0].0.as_raw_fd())).unwrap();
    assert_eq!(w.cancelled(1), [1]);
}

#[test]
fn a_file_may_be_one_of_the_table() {
    let mut w = waiting(1);
    let (reader, _writer) = std::io::pipe().unwrap();
    w.ring.register().files_sparse(2).unwrap();
    w.ring.register().update_files(FixedFd(1), &[reader.as_raw_fd()]).unwrap();
    let mut buf = [0u8; 8];
    push(&mut w.ring, op::Read::new(FixedFd(1), buf.as_mut_ptr(), 8).build().user_data(9));
    w.ring.submit().unwrap();
    assert_eq!(errno(w.cancel(SyncCancel::file(FixedFd(0)))), Errno::EBADF);
    w.cancel(SyncCancel::file(FixedFd(1))).unwrap();
    assert_eq!(w.cancelled(1), [9]);
    assert_eq!(errno(w.cancel(SyncCancel::file(9999))), Errno::EBADF);
}

#[test]
fn everything_is_everything() {
    let mut w = waiting(5);
    assert_eq!(w.cancel(SyncCancel::any()).unwrap(), 5);
    assert_eq!(w.cancelled(5), [1, 2, 3, 4, 5]);
    assert_eq!(w.cancel(SyncCancel::any()).unwrap(), 0, "none of all is no error");
}

#[test]
fn keys_add_up() {
    let mut w = waiting(2);
    let poll = op::PollAdd::new(&w.pipes[0].0, PollEvents::IN).build().user_data(2);
    push(&mut w.ring, poll);
    w.ring.submit().unwrap();
    // Two carry a 2; one of them is a poll, and one is on the second pipe.
    let none = errno(w.cancel(SyncCancel::user_data(1).op(Op::POLL_ADD)));
    if none == Errno::EINVAL {
        return skip("keys_add_up", "not before Linux 6.6");
    }
    assert_eq!(none, Errno::ENOENT);
    let elsewhere = SyncCancel::user_data(1).and_file(&w.pipes[1].0);
    assert_eq!(errno(w.cancel(elsewhere)), Errno::ENOENT);
    w.cancel(SyncCancel::user_data(2).op(Op::POLL_ADD)).unwrap();
    assert_eq!(w.cancelled(1), [2]);
    assert_eq!(w.cancel(SyncCancel::any().op(Op::READ)).unwrap(), 2);
    assert_eq!(w.cancelled(2), [1, 2]);
}

#[test]
fn a_user_data_of_zero_is_a_key_like_any() {
    let mut w = waiting(1);
    let none = errno(w.cancel(SyncCancel::user_data(0).op(Op::READ)));
    if none == Errno::EINVAL {
        return skip("a_user_data_of_zero_is_a_key_like_any", "not before Linux 6.6");
    }
    assert_eq!(none, Errno::ENOENT);
    assert_eq!(errno(w.cancel(SyncCancel::user_data(0).and_file(&w.pipes[0].0))), Errno::ENOENT);
    w.cancel(SyncCancel::user_data(1)).unwrap();
    assert_eq!(w.cancelled(1), [1]);
}

/// Held by those tests whose workers wait for the other end of a pipe: each finds its own.
static PARTNERS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    PARTNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What each thread of this process, and each worker of it, waits in: `0` if the kernel does not
/// say that, or it waits in nothing.
fn wait_channels() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let channel = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("wchan")).ok()
    };
    tasks.filter_map(channel).collect()
}

/// An open of a pipe that waits, in a worker, for the other end. The caller is [`alone`].
fn begun_by_a_worker<P: Place, K: Kernel>(
    ring: &mut RingOf<P, Sqe, Cqe, K>,
    dir: &files_rig::TempDir,
    user_data: u64,
) {
    let path = dir.c_path(&format!("fifo-{user_data}"));
    // SAFETY: a path that ends in a zero byte.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let open = op::OpenAt::new(op::At::CWD, path.as_ptr()).flags(OpenFlags::RDONLY);
    push(ring, open.build().user_data(user_data).force_async());
    ring.submit().unwrap();
    // Until it is in the call: a worker between the queue and that has what Linux does not find.
    let (begin, mut is_told) = (Instant::now(), false);
    loop {
        let channels = wait_channels();
        ring.submitter().get_events().unwrap();
        if channels.iter().any(|channel| channel == "wait_for_partner") || ring.cq_len() > 0 {
            return;
        }
        is_told |= channels.iter().any(|channel| channel != "0");
        if !is_told && begin.elapsed() > Duration::from_secs(1) {
            return; // the kernel does not say: by now it has begun
        }
        std::thread::yield_now();
    }
}

#[track_caller]
fn was_interrupted<P: Place, K: Kernel>(ring: &mut RingOf<P, Sqe, Cqe, K>) {
    let cqe = wait(ring, 1)[0];
    // What was interrupted says so as the kernel does inside: 512, to be started again.
    let interrupted = cqe.res == -512 || cqe.result() == Err(Errno::EINTR);
    assert!(interrupted || cqe.result() == Err(Errno::ECANCELED), "{cqe:?}");
}

/// What a worker has begun is signalled to end (inside, that is `EALREADY`), and waited for.
///
/// Linux interrupts a worker for more than that, as when another worker is made: then the open has
/// ended, there is nothing to cancel, and the next one is.
fn what_a_worker_does_is_waited_for<P: Place, K: Kernel>(mut ring: RingOf<P, Sqe, Cqe, K>) {
    let _alone = alone();
    let dir = files_rig::TempDir::new();
    let mut cancelled = 0;
    for n in 0.. {
        begun_by_a_worker(&mut ring, &dir, n);
        let what = SyncCancel::user_data(n);
        let what = if cancelled < 2 { what } else { what.timeout(Duration::from_secs(20)) };
        let begin = Instant::now();
        match ring.register().sync_cancel(&what) {
            Err(error) => assert_eq!(error.errno(), Some(Errno::ENOENT)),
            Ok(_) => cancelled += 1,
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        was_interrupted(&mut ring);
        if cancelled == 4 {
            return;
        }
    }
}

#[test]
fn what_a_worker_does_is_waited_for_on_a_movable_ring() {
    limit(LIMIT, || what_a_worker_does_is_waited_for(Ring::new(8).unwrap()));
}

/// The kernel does not wake this wait on such a ring: it is the library that looks again.
#[test]
fn what_a_worker_does_is_waited_for_on_a_local_ring() {
    limit(LIMIT, || what_a_worker_does_is_waited_for(ring()));
}

#[test]
fn the_time_is_up_while_a_worker_has_yet_to_end() {
    let _alone = alone();
    let dir = files_rig::TempDir::new();
    let mut ring = ring();
    let deadline = Instant::now() + Duration::from_secs(10);
    for n in 0.. {
        begun_by_a_worker(&mut ring, &dir, n);
        let what = SyncCancel::user_data(n).timeout(Duration::ZERO);
        let answer = ring.register().sync_cancel(&what);
        was_interrupted(&mut ring);
        match answer {
            // Interrupted by something else.
            Err(error) if error.errno() == Some(Errno::ENOENT) => {}
            Err(error) => return assert!(error.is_timeout(), "{error}"),
            // The worker was faster than the second look.
            Ok(_) => assert!(Instant::now() < deadline, "it never took any time"),
        }
    }
}

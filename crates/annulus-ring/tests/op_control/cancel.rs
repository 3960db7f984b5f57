//! ASYNC_CANCEL, by each key.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsRawFd;

use annulus_ring::abi::{Cqe, FixedFd, Op, PollEvents, Timespec};
use annulus_ring::{Errno, LocalRing, op};

use crate::rig::{file_table, of, push, result, ring, set_file, silent, wait};

/// What OPENAT, SPLICE and TEE end with whose wait is interrupted: the kernel's own "call again"
/// (`ERESTARTSYS`), which Linux 6.18 lets out; 6.1 and 6.12 say `EINTR`.
const INTERRUPTED: [Result<u32, Errno>; 2] = [Err(Errno::from_raw(512)), Err(Errno::EINTR)];
const LONG: Timespec = Timespec { tv_sec: 3600, tv_nsec: 0 };

/// Two pipes on which nothing comes, and on a ring: polls 1 and 2 on the first, poll 3 on the
/// second, timeout 3.
fn scene(ring: &mut LocalRing) -> [(PipeReader, PipeWriter); 2] {
    let pipes = [std::io::pipe().unwrap(), std::io::pipe().unwrap()];
    for (user_data, pipe) in [(1, 0), (2, 0), (3, 1)] {
        let poll = op::PollAdd::new(&pipes[pipe].0, PollEvents::IN);
        push(ring, poll.build().user_data(user_data));
    }
    push(ring, op::Timeout::new(&LONG).build().user_data(3));
    silent(ring);
    pipes
}

/// Submits a cancellation that must end `expected` entries; who they were, by `user_data`.
#[track_caller]
fn cancelled(
    ring: &mut LocalRing,
    cancel: op::AsyncCancel,
    expected: u32,
    answer: u32,
) -> Vec<u64> {
    push(ring, cancel.build().user_data(99));
    let cqes = wait(ring, expected as usize + 1);
    assert_eq!(of(&cqes, 99).result(), Ok(answer));
    let mut ended: Vec<_> = cqes.iter().filter(|cqe| cqe.user_data != 99).collect();
    assert!(ended.iter().all(|cqe| cqe.result() == Err(Errno::ECANCELED)), "{cqes:?}");
    ended.sort_by_key(|cqe| cqe.user_data);
    ended.iter().map(|cqe: &&Cqe| cqe.user_data).collect()
}

#[test]
fn by_user_data_one_or_all() {
    let mut ring = ring();
    let _pipes = scene(&mut ring);
    assert_eq!(cancelled(&mut ring, op::AsyncCancel::user_data(1), 1, 0), [1]);
    assert_eq!(cancelled(&mut ring, op::AsyncCancel::user_data(3).all(), 2, 2), [3, 3]);
    assert_eq!(result(&mut ring, op::AsyncCancel::user_data(3)), Err(Errno::ENOENT));
    // All of nothing is no error: none.
    assert_eq!(result(&mut ring, op::AsyncCancel::user_data(3).all()), Ok(0));
}

/// Whether this kernel looks at one key alone: then it ends what it should not, and the test `name`
/// is skipped.
fn has_one_key(name: &str) -> bool {
    let mut ring = ring();
    let (reader, _writer) = std::io::pipe().unwrap();
    push(&mut ring, op::PollAdd::new(&reader, PollEvents::IN).build().user_data(1));
    let neither = op::AsyncCancel::fd(&reader).and_user_data(2);
    push(&mut ring, neither.build().user_data(99));
    ring.submit_and_wait(1).unwrap();
    let cqes: Vec<Cqe> = ring.completions().unwrap().collect();
    let one = of(&cqes, 99).result() != Err(Errno::ENOENT);
    if one {
        crate::common::skip(name, "before Linux 6.6 more keys than one are not looked at");
    }
    one
}

#[test]
fn by_descriptor_and_more_keys() {
    if has_one_key("by_descriptor_and_more_keys") {
        return;
    }
    let mut ring = ring();
    let pipes = scene(&mut ring);
    let on_first = op::AsyncCancel::fd(&pipes[0].0);
    assert_eq!(cancelled(&mut ring, on_first.and_user_data(2), 1, 0), [2]);
    assert_eq!(result(&mut ring, on_first.and_op(Op::RECV)), Err(Errno::ENOENT));
    assert_eq!(cancelled(&mut ring, on_first.and_op(Op::POLL_ADD).all(), 1, 1), [1]);
    assert_eq!(result(&mut ring, on_first), Err(Errno::ENOENT));
    assert_eq!(result(&mut ring, op::AsyncCancel::fd(-1)), Err(Errno::EBADF));
}

#[test]
fn by_operation() {
    if has_one_key("by_operation") {
        return;
    }
    let mut ring = ring();
    let _pipes = scene(&mut ring);
    let timeouts = op::AsyncCancel::op(Op::TIMEOUT).all();
    assert_eq!(cancelled(&mut ring, timeouts, 1, 1), [3]);
    // `user_data` counts beside the operation: there is a poll 1, but no receive 1.
    let receive = op::AsyncCancel::user_data(1).and_op(Op::RECV);
    assert_eq!(result(&mut ring, receive), Err(Errno::ENOENT));
    let poll = op::AsyncCancel::user_data(1).and_op(Op::POLL_ADD);
    assert_eq!(cancelled(&mut ring, poll, 1, 0), [1]);
    assert_eq!(cancelled(&mut ring, op::AsyncCancel::op(Op::POLL_ADD).all(), 2, 2), [2, 3]);
}

#[test]
fn by_slot_of_the_file_table() {
    let mut ring = ring();
    let pipes = scene(&mut ring);
    file_table(&ring, 2);
    set_file(&ring, 1, &pipes[0].0);
    // The slot is the same open file as the descriptor that the polls were made with.
    let slot = op::AsyncCancel::fd(FixedFd(1)).all();
    assert_eq!(cancelled(&mut ring, slot, 2, 2), [1, 2]);
    assert_eq!(result(&mut ring, op::AsyncCancel::fd(FixedFd(0))), Err(Errno::EBADF));
    assert!(pipes[0].0.as_raw_fd() >= 0);
}

#[test]
fn everything() {
    let mut ring = ring();
    let _pipes = scene(&mut ring);
    assert_eq!(cancelled(&mut ring, op::AsyncCancel::any().all(), 4, 4), [1, 2, 3, 3]);
    assert_eq!(result(&mut ring, op::AsyncCancel::any().all()), Ok(0));
}

#[test]
fn keys_that_exclude_each_other() {
    let mut ring = ring();
    assert_eq!(result(&mut ring, op::AsyncCancel::any().and_op(Op::RECV)), Err(Errno::EINVAL));
}

#[test]
fn work_that_a_worker_has_begun_is_interrupted() {
    // Opening a named pipe waits for the other end, in a worker: no poll stands for it.
    let name = format!("{}/annulus-fifo-{}\0", std::env::temp_dir().display(), std::process::id());
    let path = std::ffi::CStr::from_bytes_with_nul(name.as_bytes()).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let mut ring = ring();
    let open = op::OpenAt::new(op::At::CWD, path.as_ptr()).build().force_async().user_data(1);
    push(&mut ring, open);
    silent(&mut ring);
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2));
    let cqes = wait(&mut ring, 2);
    // Under way, too late to cancel; but the wait within is ended.
    assert_eq!(of(&cqes, 2).result(), Err(Errno::EALREADY));
    let ended = of(&cqes, 1).result();
    assert!(INTERRUPTED.contains(&ended), "{ended:?}");
    rustix::fs::unlink(path).unwrap();
}

#[test]
fn what_waits_for_a_pipe_in_a_worker_is_interrupted() {
    let mut ring = ring();
    let (from, _held) = std::io::pipe().unwrap();
    let (_read, to) = std::io::pipe().unwrap();
    let splice = op::Splice::new(&from, &to, 8).build();
    for entry in [splice, op::Tee::new(&from, &to, 8).build()] {
        push(&mut ring, entry.user_data(1));
        silent(&mut ring);
        push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2));
        let cqes = wait(&mut ring, 2);
        assert_eq!(of(&cqes, 2).result(), Err(Errno::EALREADY));
        let ended = of(&cqes, 1).result();
        assert!(INTERRUPTED.contains(&ended), "{ended:?}");
    }
}

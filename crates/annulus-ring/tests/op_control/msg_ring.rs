//! MSG_RING: words and files for another ring.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{CqeFlags, FixedFd};
use annulus_ring::{Builder, Errno, LocalRing, Ring, op};

use crate::rig::{file_table, push, result, ring, set_file, silent, wait};

fn other() -> Ring {
    Ring::new(8).unwrap()
}

#[test]
fn a_word_arrives() {
    let (mut here, mut there) = (ring(), other());
    for res in [42, 0, -125] {
        assert_eq!(result(&mut here, op::MsgRing::new(there.as_fd(), 7, res)), Ok(0));
        let cqe = wait(&mut there, 1)[0];
        assert_eq!((cqe.user_data, cqe.res, cqe.flags), (7, res, CqeFlags::empty()));
    }
}

#[test]
fn flags_are_passed_on() {
    let (mut here, mut there) = (ring(), other());
    let flags = CqeFlags(CqeFlags::BUFFER.0 | 9 << 16);
    let message = op::MsgRing::new(there.as_fd(), 7, 5).cqe_flags(flags);
    let sent = result(&mut here, message);
    if sent == Err(Errno::EINVAL) {
        return crate::common::skip("flags_are_passed_on", "not before Linux 6.3");
    }
    assert_eq!(sent, Ok(0));
    let cqe = wait(&mut there, 1)[0];
    assert_eq!((cqe.buffer_id(), cqe.flags), (Some(9), flags));
}

#[test]
fn a_word_to_itself_and_a_silent_one() {
    let mut here = other();
    let message = op::MsgRing::new(here.as_fd(), 7, 5).build().user_data(1).skip_success();
    push(&mut here, message);
    assert_eq!(wait(&mut here, 1)[0].user_data, 7);
    silent(&mut here);
}

#[test]
fn a_ring_that_waits_is_woken() {
    let mut there = LocalRing::new(8).unwrap();
    let target = there.raw_fd();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut here = ring();
            std::thread::sleep(std::time::Duration::from_millis(10));
            assert_eq!(result(&mut here, op::MsgRing::new(target, 7, 1)), Ok(0));
        });
        assert_eq!(wait(&mut there, 1)[0].user_data, 7);
    });
}

#[test]
fn a_file_changes_rings() {
    let (mut here, mut there) = (ring(), other());
    let (mine, mut peer) = UnixStream::pair().unwrap();
    file_table(&here, 2);
    file_table(&there, 3);
    set_file(&here, 1, &mine);
    drop(mine);
    let given = op::MsgRingFd::new(there.as_fd(), 7, FixedFd(1), FixedFd(2));
    assert_eq!(result(&mut here, given), Ok(0));
    let cqe = wait(&mut there, 1)[0];
    assert_eq!((cqe.user_data, cqe.result()), (7, Ok(0)));
    assert_eq!(result(&mut there, op::Send::new(FixedFd(2), b"x".as_ptr(), 1)), Ok(1));
    peer.read_exact(&mut [0]).unwrap();

    let picked = op::MsgRingFd::alloc(there.as_fd(), 8, FixedFd(1));
    let slot = result(&mut here, picked).unwrap();
    assert!(slot < 2);
    assert_eq!(wait(&mut there, 1)[0].result(), Ok(slot));
    let silently = op::MsgRingFd::alloc(there.as_fd(), 9, FixedFd(1)).skip_target_cqe();
    assert_eq!(result(&mut here, silently), Ok(1 - slot));
    silent(&mut there);
    let full = op::MsgRingFd::alloc(there.as_fd(), 9, FixedFd(1));
    assert_eq!(result(&mut here, full), Err(Errno::ENFILE));
}

#[test]
fn files_that_cannot_change_rings() {
    let (mut here, there) = (ring(), other());
    let (mine, _peer) = UnixStream::pair().unwrap();
    let give = |to| op::MsgRingFd::new(there.as_fd(), 7, FixedFd(0), FixedFd(to));
    assert_eq!(result(&mut here, give(0)), Err(Errno::EBADF));
    file_table(&here, 2);
    assert_eq!(result(&mut here, give(0)), Err(Errno::EBADF));
    set_file(&here, 0, &mine);
    assert_eq!(result(&mut here, give(0)), Err(Errno::ENXIO));
    file_table(&there, 2);
    assert_eq!(result(&mut here, give(2)), Err(Errno::EINVAL));
    let itself = op::MsgRingFd::new(here.raw_fd(), 7, FixedFd(0), FixedFd(1));
    assert_eq!(result(&mut here, itself), Err(Errno::EINVAL));
}

#[test]
fn what_is_no_ring_or_not_enabled() {
    let mut here = ring();
    let file = std::fs::File::open("Cargo.toml").unwrap();
    assert_eq!(result(&mut here, op::MsgRing::new(&file, 7, 1)), Err(Errno::EBADFD));
    assert_eq!(result(&mut here, op::MsgRing::new(-1, 7, 1)), Err(Errno::EBADF));
    let disabled = Builder::new().entries(8).disabled().build().unwrap();
    let message = op::MsgRing::new(disabled.as_fd(), 7, 1);
    assert_eq!(result(&mut here, message), Err(Errno::EBADFD));
    disabled.register().enable().unwrap();
    assert_eq!(result(&mut here, message), Ok(0));
}

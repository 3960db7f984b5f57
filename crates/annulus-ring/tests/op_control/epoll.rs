//! EPOLL_CTL and EPOLL_WAIT.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use annulus_ring::abi::{EpollEvent, Op, PollEvents, Timespec};
use annulus_ring::{Errno, op};

use crate::common::lacks;
use crate::rig::{push, result, ring, run_all, silent, wait};

fn set() -> OwnedFd {
    rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap()
}

#[test]
fn a_set_is_filled_waited_for_and_emptied() {
    if lacks("a_set_is_filled_waited_for_and_emptied", Op::EPOLL_WAIT) {
        return;
    }
    let (mut ring, set) = (ring(), set());
    let (reader, mut writer) = std::io::pipe().unwrap();
    let fd = reader.as_raw_fd();
    let event = EpollEvent { events: PollEvents::IN, data: 7 };
    assert_eq!(result(&mut ring, op::EpollCtl::add(&set, fd, &event)), Ok(0));
    assert_eq!(result(&mut ring, op::EpollCtl::add(&set, fd, &event)), Err(Errno::EEXIST));

    let mut got = [EpollEvent::default(); 4];
    push(&mut ring, op::EpollWait::new(&set, got.as_mut_ptr(), 4));
    silent(&mut ring);
    writer.write_all(b"x").unwrap();
    assert_eq!(wait(&mut ring, 1)[0].result(), Ok(1));
    assert_eq!(got[0], event);

    let other = EpollEvent { events: PollEvents::IN, data: 8 };
    assert_eq!(result(&mut ring, op::EpollCtl::modify(&set, fd, &other)), Ok(0));
    let again = op::EpollWait::new(&set, got.as_mut_ptr(), 4);
    assert_eq!(result(&mut ring, again), Ok(1));
    assert_eq!(got[0], other);
    assert_eq!(result(&mut ring, op::EpollCtl::delete(&set, fd)), Ok(0));
    assert_eq!(result(&mut ring, op::EpollCtl::delete(&set, fd)), Err(Errno::ENOENT));
}

#[test]
fn a_wait_is_limited_by_a_link() {
    if lacks("a_wait_is_limited_by_a_link", Op::EPOLL_WAIT) {
        return;
    }
    let (mut ring, set) = (ring(), set());
    let (reader, _writer) = std::io::pipe().unwrap();
    let event = EpollEvent { events: PollEvents::IN, data: 7 };
    let fd = reader.as_raw_fd();
    assert_eq!(result(&mut ring, op::EpollCtl::add(&set, fd, &event)), Ok(0));
    let mut got = [EpollEvent::default(); 1];
    let time = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
    let cqes = run_all(
        &mut ring,
        &[
            op::EpollWait::new(&set, got.as_mut_ptr(), 1).build().user_data(1).link(),
            op::LinkTimeout::new(&time).build().user_data(2),
        ],
    );
    assert_eq!(cqes[0].result(), Err(Errno::ECANCELED));
    assert_eq!(cqes[1].result(), Err(Errno::ETIME));
}

#[test]
fn what_cannot_be_in_a_set_or_is_none() {
    if lacks("what_cannot_be_in_a_set_or_is_none", Op::EPOLL_WAIT) {
        return;
    }
    let (mut ring, set) = (ring(), set());
    let (reader, _writer) = std::io::pipe().unwrap();
    let event = EpollEvent { events: PollEvents::IN, data: 7 };
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let add = |fd| op::EpollCtl::add(&set, fd, &event);
    assert_eq!(result(&mut ring, add(file.as_raw_fd())), Err(Errno::EPERM));
    assert_eq!(result(&mut ring, add(set.as_raw_fd())), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, add(-1)), Err(Errno::EBADF));
    let null = op::EpollCtl::add(&set, reader.as_raw_fd(), std::ptr::null());
    assert_eq!(result(&mut ring, null), Err(Errno::EFAULT));
    let none = op::EpollCtl::add(&reader, file.as_raw_fd(), &event);
    let refused = result(&mut ring, none);
    assert!(matches!(refused, Err(Errno::EINVAL | Errno::EPERM)), "{refused:?}");

    let mut got = [EpollEvent::default(); 1];
    let wait = op::EpollWait::new(&reader, got.as_mut_ptr(), 1);
    assert_eq!(result(&mut ring, wait), Err(Errno::EINVAL));
    let wait = op::EpollWait::new(&set, got.as_mut_ptr(), 0);
    assert_eq!(result(&mut ring, wait), Err(Errno::EINVAL));
    let wait = op::EpollWait::new(-1, got.as_mut_ptr(), 1);
    assert_eq!(result(&mut ring, wait), Err(Errno::EBADF));
}

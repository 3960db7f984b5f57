//! Messages from a thread without a ring.

use std::fs::File;
use std::os::fd::AsRawFd;

use annulus_ring::abi::{CqeFlags, RegisterOp};
use annulus_ring::register::{Message, send_message};
use annulus_ring::{Builder, Errno, Ring};

use crate::common::lacks_registration;
use crate::errno;
use crate::rig::{ring, wait};

fn send(message: Message) -> annulus_ring::Result<()> {
    // SAFETY: the tests' rings take what comes for what it is.
    unsafe { send_message(&message) }
}

#[test]
fn a_completion_comes_from_a_thread_without_a_ring() {
    if lacks_registration(
        "a_completion_comes_from_a_thread_without_a_ring",
        RegisterOp::SEND_MSG_RING,
    ) {
        return;
    }
    let mut ring = ring();
    let target = ring.raw_fd();
    let sender = std::thread::spawn(move || {
        send(Message::new(target, 7).result(42))?;
        send(Message::new(target, 8).result(-125))?;
        send(Message::new(target, 9).flags(CqeFlags::MORE))
    });
    let cqes = wait(&mut ring, 3);
    sender.join().unwrap().unwrap();
    let seen: Vec<_> = cqes.iter().map(|cqe| (cqe.user_data, cqe.res, cqe.flags)).collect();
    let none = CqeFlags::empty();
    assert_eq!(seen, [(7, 42, none), (8, -125, none), (9, 0, CqeFlags::MORE)]);
}

#[test]
fn rings_send_to_each_other_without_an_entry() {
    if lacks_registration("rings_send_to_each_other_without_an_entry", RegisterOp::SEND_MSG_RING) {
        return;
    }
    let (mut first, mut second) = (Ring::new(8).unwrap(), ring());
    send(Message::new(first.raw_fd(), 1)).unwrap();
    send(Message::new(second.raw_fd(), 2)).unwrap();
    assert_eq!(wait(&mut first, 1)[0].user_data, 1);
    assert_eq!(wait(&mut second, 1)[0].user_data, 2);
}

#[test]
fn what_is_no_ring_or_not_enabled_gets_none() {
    if lacks_registration("what_is_no_ring_or_not_enabled_gets_none", RegisterOp::SEND_MSG_RING) {
        return;
    }
    assert_eq!(errno(send(Message::new(9999, 1))), Errno::EBADF);
    assert_eq!(errno(send(Message::new(-1, 1))), Errno::EBADF);
    let null = File::open("/dev/null").unwrap();
    assert_eq!(errno(send(Message::new(null.as_raw_fd(), 1))), Errno::EBADFD);
    let disabled = Builder::new().entries(8).disabled().build().unwrap();
    assert_eq!(errno(send(Message::new(disabled.raw_fd(), 1))), Errno::EBADFD);
}

//! POLL_ADD, POLL_REMOVE and the update.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{Cqe, FixedFd, PollEvents};
use annulus_ring::{Errno, op};

use crate::rig::{file_table, of, push, result, ring, run_all, set_file, silent, wait};

fn events(cqe: &Cqe) -> PollEvents {
    PollEvents(cqe.result().unwrap())
}

#[test]
fn what_is_ready_completes_at_once() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut ring = ring();
    let out = result(&mut ring, op::PollAdd::new(&writer, PollEvents::OUT));
    assert_eq!(out.map(PollEvents), Ok(PollEvents::OUT));
    push(&mut ring, op::PollAdd::new(&reader, PollEvents::IN));
    silent(&mut ring);
    (&writer).write_all(b"x").unwrap();
    assert_eq!(events(&wait(&mut ring, 1)[0]), PollEvents::IN);
    // Unasked: the other end is gone.
    drop(writer);
    reader.read_exact(&mut [0]).unwrap();
    let hup = result(&mut ring, op::PollAdd::new(&reader, PollEvents::IN));
    assert_eq!(hup.map(PollEvents), Ok(PollEvents::HUP));
}

#[test]
fn a_multishot_reports_each_change() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let poll = op::PollAdd::new(&there, PollEvents::IN).multishot();
    push(&mut ring, poll.build().user_data(1));
    silent(&mut ring);
    for _ in 0..3 {
        here.write_all(b"x").unwrap();
        let cqe = wait(&mut ring, 1)[0];
        assert!(cqe.has_more() && events(&cqe).contains(PollEvents::IN));
        // Not read: no report, since nothing has changed.
        silent(&mut ring);
        there.read_exact(&mut [0]).unwrap();
    }
    push(&mut ring, op::PollRemove::new(1).build().user_data(2).skip_success());
    let end = wait(&mut ring, 1)[0];
    assert_eq!((end.result(), end.has_more()), (Err(Errno::ECANCELED), false));
}

#[test]
fn a_removed_wait_is_cancelled() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut ring = ring();
    let poll = op::PollAdd::new(&reader, PollEvents::IN).build().user_data(1);
    let cqes = run_all(&mut ring, &[poll, op::PollRemove::new(1).build().user_data(2)]);
    assert_eq!(cqes[0].result(), Err(Errno::ECANCELED));
    assert_eq!(cqes[1].result(), Ok(0));
    assert_eq!(result(&mut ring, op::PollRemove::new(1)), Err(Errno::ENOENT));
}

#[test]
fn a_wait_is_changed_in_place() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    push(&mut ring, op::PollAdd::new(&here, PollEvents::IN).build().user_data(1));
    silent(&mut ring);
    // Another name: the old one is gone.
    let rename = op::PollUpdate::new(1).new_user_data(2);
    assert_eq!(result(&mut ring, rename.build().user_data(9)), Ok(0));
    assert_eq!(result(&mut ring, rename), Err(Errno::ENOENT));
    // Other events: they are so, and it completes.
    let update = op::PollUpdate::new(2).events(PollEvents::OUT).build().user_data(9);
    push(&mut ring, update);
    let cqes = wait(&mut ring, 2);
    assert_eq!(of(&cqes, 9).result(), Ok(0));
    assert!(events(&of(&cqes, 2)).contains(PollEvents::OUT));
    // It was no multishot: what comes now reports nothing.
    there.write_all(b"x").unwrap();
    silent(&mut ring);
}

#[test]
fn a_change_of_events_leaves_once_once_and_many_many() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let none = op::PollAdd::new(&there, PollEvents::PRI);
    push(&mut ring, none.build().user_data(1));
    push(&mut ring, none.multishot().build().user_data(2));
    // Asked to become one, and not asked to stay one.
    for update in [
        op::PollUpdate::new(1).events(PollEvents::IN).multishot(),
        op::PollUpdate::new(2).events(PollEvents::IN),
    ] {
        assert_eq!(result(&mut ring, update), Ok(0));
    }
    here.write_all(b"x").unwrap();
    let cqes = wait(&mut ring, 2);
    assert_eq!((of(&cqes, 1).has_more(), of(&cqes, 2).has_more()), (false, true));
}

#[test]
fn a_slot_is_polled_too() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut ring = ring();
    file_table(&ring, 2);
    set_file(&ring, 1, &writer);
    let poll = op::PollAdd::new(FixedFd(1), PollEvents::OUT);
    assert_eq!(result(&mut ring, poll).map(PollEvents), Ok(PollEvents::OUT));
    let none = op::PollAdd::new(FixedFd(0), PollEvents::OUT);
    assert_eq!(result(&mut ring, none), Err(Errno::EBADF));
}

#[test]
fn waits_that_cannot_be() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut ring = ring();
    let poll = op::PollAdd::new(&reader, PollEvents::IN);
    assert_eq!(result(&mut ring, op::PollAdd::new(-1, PollEvents::IN)), Err(Errno::EBADF));
    assert_eq!(result(&mut ring, poll.level()), Err(Errno::EINVAL));
    let silent = poll.multishot().build().skip_success();
    assert_eq!(result(&mut ring, silent), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, op::PollUpdate::new(7).multishot()), Err(Errno::EINVAL));
    // A regular file is ready always.
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let ready = result(&mut ring, op::PollAdd::new(&file, PollEvents::IN));
    assert_eq!(ready.map(PollEvents), Ok(PollEvents::IN));
}

//! What is held across the fork: an iterator, a reservation, a view.

use annulus_ring::abi::{BufGroup, RegisterOp};
use annulus_ring::register::BufferRing;
use annulus_ring::{Ring, op};

use crate::child::fork;
use crate::common::{LIMIT, lacks_registration, limit};
use crate::memory::Shared;
use crate::nop;

/// A ring with four completions in its queue.
fn with_completions() -> Ring {
    let mut ring = Ring::new(8).unwrap();
    // SAFETY: NOPs point to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1), nop(2), nop(3)]) }.unwrap();
    assert_eq!(ring.submit_and_wait(4).unwrap(), 4);
    ring
}

#[test]
fn an_iterator_gives_nothing_back_in_the_child() {
    limit(LIMIT, || {
        let mut ring = with_completions();
        let shared = Shared::of(ring.raw_fd());
        let before = shared.now();
        let mut completions = Some(ring.completions().unwrap());
        assert_eq!(completions.as_mut().unwrap().next().unwrap().user_data, 0);
        // A server that forks for each connection forks here, amid its completions.
        fork(|child| {
            let mut inherited = completions.take().expect("it is there");
            child.ensure(inherited.next().is_some_and(|cqe| cqe.user_data == 1));
            drop(inherited);
        });
        assert!(before == shared.now(), "the child gave completions back");
        let seen: Vec<u64> = completions.unwrap().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, [1, 2, 3]);
        assert_eq!(ring.cq_len(), 0);
    });
}

#[test]
fn a_view_consumes_nothing_in_the_child() {
    limit(LIMIT, || {
        let mut ring = with_completions();
        let shared = Shared::of(ring.raw_fd());
        let before = shared.now();
        let mut ready = Some(ring.parts().1.ready().unwrap());
        fork(|_| ready.take().expect("it is there").consume());
        assert!(before == shared.now(), "the child consumed completions");
        assert_eq!(ready.unwrap().len(), 4);
        assert_eq!(ring.completions().unwrap().count(), 4);
    });
}

#[test]
fn a_reservation_is_not_filled_in_the_child() {
    limit(LIMIT, || {
        let mut ring = Ring::new(8).unwrap();
        let shared = Shared::of(ring.raw_fd());
        let before = shared.now();
        let mut room = Some(ring.reserve(2).unwrap());
        fork(|_| {
            // SAFETY: a NOP points to nothing.
            unsafe { room.take().expect("it is there").fill(|_| nop(9)) };
        });
        assert!(before == shared.now(), "the child wrote entries");
        // SAFETY: as above.
        unsafe { room.unwrap().fill(|n| nop(n.into())) };
        assert_eq!(ring.submit_and_wait(2).unwrap(), 2);
        let seen: Vec<u64> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn a_borrowed_buffer_goes_back_in_the_parent_alone() {
    if lacks_registration(
        "a_borrowed_buffer_goes_back_in_the_parent_alone",
        RegisterOp::PBUF_STATUS,
    ) {
        return;
    }
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"hello").unwrap();
        let mut ring = Ring::new(8).unwrap();
        let (sq, cq, submitter) = ring.parts();
        let buffers = BufferRing::new(submitter.register(), BufGroup(1), 4, 16).unwrap();
        let read = op::Read::new(&reader, std::ptr::null_mut(), 16);
        // SAFETY: the kernel picks a buffer of the group, which outlives the completion.
        unsafe { sq.push(read.build().buffer_select(BufGroup(1))) }.unwrap();
        submitter.submit_and_wait(sq, 1).unwrap();
        let cqe = cq.completions().unwrap().next().unwrap();
        // SAFETY: a completion of this ring, for this group, taken once.
        let buffer = unsafe { buffers.take(&cqe) }.unwrap();
        let mut buffer = Some(buffer);
        fork(|child| {
            child.refused(buffers.available());
            drop(buffer.take());
        });
        let buffer = buffer.expect("the child took its own copy");
        assert_eq!((&*buffer, buffers.available().unwrap()), (&b"hello"[..], 3));
        drop(buffer);
        assert_eq!(buffers.available().unwrap(), 4);
    });
}

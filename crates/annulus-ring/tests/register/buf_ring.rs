//! Rings of buffers of the caller's.

use std::io::{PipeReader, Write};

use annulus_ring::abi::{BufGroup, BufReg, CqeFlags, RegisterOp, Sqe};
use annulus_ring::register::{BufRing, BufRingOptions};
use annulus_ring::{Builder, Errno, Ring, op};

use crate::common::{lacks_registration, may_not_lock};
use crate::errno;
use crate::rig::ring;

const GROUP: BufGroup = BufGroup(3);

fn read(from: &PipeReader) -> Sqe {
    op::Read::new(from, std::ptr::null_mut(), 0).build().buffer_select(GROUP)
}

/// Puts four buffers of 16 bytes each into `ring`, with the identifiers 10 to 13.
fn add_four(ring: &mut BufRing<'_, impl annulus_ring::kernel::Kernel>, memory: &mut [u8; 64]) {
    for (part, id) in memory.chunks_exact_mut(16).zip(10..) {
        // SAFETY: the memory is its test's, which takes every completion before it ends.
        unsafe { ring.add(part.as_mut_ptr(), 16, id) };
    }
}

#[test]
fn buffers_are_taken_in_order_until_none_is_left() {
    if lacks_registration("buffers_are_taken_in_order_until_none_is_left", RegisterOp::PBUF_STATUS)
    {
        return;
    }
    let mut ring = ring();
    let (sq, cq, submitter) = ring.parts();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut memory = [0u8; 64];
    let mut buffers = BufRingOptions::new(GROUP, 4).register(submitter.register()).unwrap();
    add_four(&mut buffers, &mut memory);
    assert_eq!(buffers.available().unwrap(), 0, "added, not yet shown");
    assert_eq!(buffers.advance(), 4);
    assert_eq!(buffers.available().unwrap(), 4);

    writer.write_all(&[b'x'; 80]).unwrap();
    for _ in 0..5 {
        // SAFETY: the kernel picks from the group, whose memory lives until the completions.
        unsafe { sq.push(read(&reader)) }.unwrap();
    }
    submitter.submit_and_wait(sq, 5).unwrap();
    let cqes: Vec<_> = cq.completions().unwrap().collect();
    let ids: Vec<_> = cqes.iter().map(|cqe| (cqe.buffer_id(), cqe.result())).collect();
    let taken = |id| (Some(id), Ok(16));
    let none = (None, Err(Errno::ENOBUFS));
    assert_eq!(ids, [taken(10), taken(11), taken(12), taken(13), none]);
    assert_eq!((buffers.head().unwrap(), buffers.tail()), (4, 4));

    // One goes back, and is taken.
    // SAFETY: its completion was taken, and the memory lives on.
    unsafe { buffers.add(memory[32..].as_mut_ptr(), 16, 12) };
    assert_eq!(buffers.cq_advance(cq, 0), 1);
    // SAFETY: as above.
    unsafe { sq.push(read(&reader)) }.unwrap();
    submitter.submit_and_wait(sq, 1).unwrap();
    let cqe = cq.completions().unwrap().next().unwrap();
    assert_eq!((cqe.buffer_id(), cqe.result()), taken(12));
}

#[test]
fn buffers_and_completions_go_back_together() {
    if lacks_registration("buffers_and_completions_go_back_together", RegisterOp::PBUF_STATUS) {
        return;
    }
    let mut ring = ring();
    let (sq, cq, submitter) = ring.parts();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut memory = [0u8; 64];
    let mut buffers = BufRingOptions::new(GROUP, 4).register(submitter.register()).unwrap();
    add_four(&mut buffers, &mut memory);
    buffers.advance();
    writer.write_all(b"ab").unwrap();
    // SAFETY: the kernel picks from the group, whose memory lives until the completion.
    unsafe { sq.push(read(&reader)) }.unwrap();
    submitter.submit_and_wait(sq, 1).unwrap();
    assert_eq!(cq.ready().unwrap().slices().0[0].flags, CqeFlags(CqeFlags::BUFFER.0 | 10 << 16));
    // SAFETY: its completion was seen.
    unsafe { buffers.add(memory.as_mut_ptr(), 16, 10) };
    assert_eq!(buffers.cq_advance(cq, 1), 1);
    assert!(cq.is_empty());
    assert_eq!(buffers.available().unwrap(), 4);
}

#[test]
fn the_tail_goes_on_past_its_end() {
    if lacks_registration("the_tail_goes_on_past_its_end", RegisterOp::PBUF_STATUS) {
        return;
    }
    let mut ring = ring();
    let (sq, cq, submitter) = ring.parts();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut memory = [0u8; 64];
    let mut buffers = BufRingOptions::new(GROUP, 4).register(submitter.register()).unwrap();
    add_four(&mut buffers, &mut memory);
    buffers.advance();
    // 16,500 rounds of four are once around 65,536.
    for round in 0..16_500u32 {
        writer.write_all(&[round as u8; 64]).unwrap();
        for _ in 0..4 {
            // SAFETY: the kernel picks from the group, whose memory lives until the completions.
            unsafe { sq.push(read(&reader)) }.unwrap();
        }
        submitter.submit_and_wait(sq, 4).unwrap();
        let ids: Vec<_> = cq.completions().unwrap().map(|cqe| cqe.buffer_id()).collect();
        assert_eq!(ids, [Some(10), Some(11), Some(12), Some(13)], "in round {round}");
        assert_eq!(memory, [round as u8; 64]);
        add_four(&mut buffers, &mut memory);
        assert_eq!(buffers.advance(), 4);
    }
    assert_eq!(buffers.tail(), (16_501 * 4u32 % 65_536) as u16);
    assert_eq!(buffers.available().unwrap(), 4);
}

#[test]
fn the_kernel_s_memory_is_as_good() {
    if lacks_registration("the_kernel_s_memory_is_as_good", RegisterOp::PBUF_STATUS) {
        return;
    }
    let ring = Ring::new(8).unwrap();
    // Through a half, whose kernel is shared.
    let (mut submission, mut completion) = ring.split();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut memory = [0u8; 64];
    let mut buffers = BufRingOptions::new(GROUP, 4)
        .register_in_kernel(completion.submitter().register())
        .unwrap();
    add_four(&mut buffers, &mut memory);
    buffers.advance();
    writer.write_all(b"hello").unwrap();
    // SAFETY: the kernel picks from the group, whose memory lives until the completion.
    unsafe { submission.queue().push(read(&reader)) }.unwrap();
    submission.submit().unwrap();
    submission.submitter().wait_with(1, &annulus_ring::Wait::new()).unwrap();
    assert_eq!(buffers.available().unwrap(), 3);
    drop(buffers);
    let cqe = completion.completions().unwrap().next().unwrap();
    assert_eq!((cqe.buffer_id(), cqe.result()), (Some(10), Ok(5)));
    assert_eq!(&memory[..5], b"hello");
    // The group is free again.
    drop(BufRingOptions::new(GROUP, 8).register(completion.submitter().register()).unwrap());
}

#[test]
fn what_cannot_be_a_ring_of_buffers_is_refused() {
    if may_not_lock("what_cannot_be_a_ring_of_buffers_is_refused", 1024 << 10) {
        return;
    }
    if lacks_registration("what_cannot_be_a_ring_of_buffers_is_refused", RegisterOp::PBUF_STATUS) {
        return;
    }
    let ring = ring();
    for entries in [0, 3, 65_536, u32::MAX] {
        let refused = BufRingOptions::new(GROUP, entries).register(ring.register());
        assert!(refused.unwrap_err().to_string().contains("power of two"));
    }
    let first = BufRingOptions::new(GROUP, 2).register(ring.register()).unwrap();
    let second = BufRingOptions::new(GROUP, 2).register(ring.register()).unwrap_err();
    assert_eq!(second.errno(), Some(Errno::EEXIST));
    assert!(second.to_string().contains("exists already") && !second.is_wrong_thread());
    let kernels = BufRingOptions::new(GROUP, 2).register_in_kernel(ring.register());
    assert_eq!(errno(kernels), Errno::EEXIST);
    drop(first);
    assert_eq!(errno(ring.register().buf_ring_head(GROUP)), Errno::ENOENT);
    let most = BufRingOptions::new(GROUP, 32_768).register(ring.register()).unwrap();
    assert_eq!(most.entries(), 32_768);
}

#[test]
fn addresses_that_cannot_be_are_refused() {
    let ring = ring();
    let register = |ring_addr: u64| {
        let mut reg = BufReg { ring_addr, ring_entries: 4, bgid: GROUP, ..BufReg::default() };
        let arg = (&raw mut reg).cast();
        // SAFETY: one `io_uring_buf_reg` with an address that is nobody's.
        errno(unsafe { ring.register().raw(RegisterOp::PBUF_RING, arg, 1) })
    };
    assert_eq!(register(0), Errno::EFAULT);
    assert_eq!(register(1 << 46), Errno::EFAULT);
    assert_eq!(register(4097), Errno::EINVAL);
    // SAFETY: no argument at all.
    let null = unsafe { ring.register().raw(RegisterOp::PBUF_RING, std::ptr::null_mut(), 1) };
    assert!(matches!(errno(null), Errno::EFAULT | Errno::EINVAL));
}

#[test]
fn a_detached_ring_is_unregistered_once_it_is_attached() {
    if lacks_registration(
        "a_detached_ring_is_unregistered_once_it_is_attached",
        RegisterOp::PBUF_STATUS,
    ) {
        return;
    }
    let ring = ring();
    let kept = BufRingOptions::new(GROUP, 2).register(ring.register()).unwrap().detach();
    assert!(kept.head().is_err(), "there is no ring to ask");
    assert_eq!(ring.register().buf_ring_head(GROUP).unwrap(), 0);
    // SAFETY: it is the ring that it was registered with.
    drop(unsafe { kept.attach(ring.register()) });
    assert_eq!(errno(ring.register().buf_ring_head(GROUP)), Errno::ENOENT);

    // Dropped detached, it stays registered, and its memory is not freed.
    drop(BufRingOptions::new(GROUP, 2).register(ring.register()).unwrap().detach());
    assert_eq!(ring.register().buf_ring_head(GROUP).unwrap(), 0);
}

#[test]
fn dropped_on_another_thread_it_stays_registered() {
    if lacks_registration("dropped_on_another_thread_it_stays_registered", RegisterOp::PBUF_STATUS)
    {
        return;
    }
    let ring = Builder::new().entries(8).single_issuer().build().unwrap();
    let kept = BufRingOptions::new(GROUP, 2).register(ring.register()).unwrap().detach();
    let submitter = std::thread::spawn(move || {
        // Its group is unregistered by the ring's own thread only, so its memory is leaked.
        // SAFETY: it is the ring that it was registered with.
        drop(unsafe { kept.attach(ring.register()) });
        ring
    });
    let ring = submitter.join().unwrap();
    assert_eq!(ring.register().buf_ring_head(GROUP).unwrap(), 0);
}

#[test]
fn a_child_neither_adds_nor_unregisters() {
    if lacks_registration("a_child_neither_adds_nor_unregisters", RegisterOp::PBUF_STATUS) {
        return;
    }
    let ring = ring();
    let mut memory = [0u8; 64];
    let mut buffers = BufRingOptions::new(GROUP, 4).register(ring.register()).unwrap();
    // SAFETY: the child calls nothing that takes a lock, and ends at once.
    let child = unsafe { libc::fork() };
    if child == 0 {
        add_four(&mut buffers, &mut memory);
        let shown = buffers.advance();
        drop(buffers);
        // SAFETY: the child ends here, and runs nothing of its parent's.
        unsafe { libc::_exit(i32::from(shown)) };
    }
    let mut status = -1;
    // SAFETY: the child is this test's own, and the status is one number.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child showed buffers, or died");
    assert_eq!(buffers.available().unwrap(), 0);
    add_four(&mut buffers, &mut memory);
    assert_eq!(buffers.advance(), 4);
    assert_eq!(buffers.available().unwrap(), 4);
}

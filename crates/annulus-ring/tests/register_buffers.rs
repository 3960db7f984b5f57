//! What rings of buffers promise to those who use them without `unsafe`.

use annulus_ring::abi::BufGroup;
use annulus_ring::register::{BufRingOptions, BufferRing};
use annulus_ring::{LocalRing, op};

/// Buffers that were put in and not shown yet are in the ring too: filling it over them would put
/// each new buffer in twice, for two operations to write to.
#[test]
fn a_ring_with_buffers_that_wait_is_not_filled() {
    let ring = LocalRing::new(8).unwrap();
    let mut buffers = BufRingOptions::new(BufGroup(0), 4).register(ring.register()).unwrap();
    let mut memory = [0_u8; 64];
    for (id, part) in (0..).zip(memory.chunks_exact_mut(16)) {
        // SAFETY: no operation is given the group, and it is dropped before the memory.
        unsafe { buffers.add(part.as_mut_ptr(), 16, id) };
    }
    let error = BufferRing::fill(buffers, 4, 64).unwrap_err();
    assert!(error.to_string().contains("has none yet"), "{error}");
}

/// The tail is back at 0 after 65,536 buffers, and the ring not as new.
#[test]
fn a_ring_whose_tail_wrapped_is_not_filled() {
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let mut ring = LocalRing::new(8).unwrap();
    let (sq, cq, submitter) = ring.parts();
    let mut buffers = BufRingOptions::new(BufGroup(0), 1).register(submitter.register()).unwrap();
    let mut memory = [0_u8; 8];
    for _ in 0..=u16::MAX {
        // SAFETY: the buffer is used by nothing else until the completion, which is waited for.
        unsafe { buffers.add(memory.as_mut_ptr(), 8, 0) };
        buffers.advance();
        let read = op::Read::new(&zero, core::ptr::null_mut(), 8).build();
        // SAFETY: the kernel picks the buffer above.
        unsafe { sq.push(read.buffer_select(BufGroup(0))) }.unwrap();
        submitter.submit_and_wait(sq, 1).unwrap();
        assert_eq!(cq.completions().unwrap().next().unwrap().result(), Ok(8));
    }
    assert_eq!(buffers.tail(), 0);
    assert!(BufferRing::fill(buffers, 1, 64).is_err());
}

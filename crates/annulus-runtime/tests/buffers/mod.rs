//! The kernel's part in the tests of buffers, done by hand: so that Miri sees it.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use annulus_ring::abi::Iovec;
use annulus_runtime::buffer::{IoBuf, IoBufMut, Iovecs};

/// A read that brings `data`: as much of it as `buf` has room for.
pub fn read<B: IoBufMut>(buf: &mut B, data: &[u8]) -> usize {
    let count = data.len().min(buf.bytes_total());
    // SAFETY: the buffer promises room for so many bytes.
    unsafe { buf.stable_mut_ptr().copy_from_nonoverlapping(data.as_ptr(), count) };
    // SAFETY: so many were written, from the first on.
    unsafe { buf.set_init(count) };
    count
}

/// A write: what it sends.
pub fn write<B: IoBuf>(buf: &B) -> Vec<u8> {
    // SAFETY: the buffer promises so many initialised bytes, which are copied at once.
    unsafe { std::slice::from_raw_parts(buf.stable_ptr(), buf.bytes_init()) }.to_vec()
}

/// A vectored read of `data`: how many bytes had room. The buffers of `iovecs` are there.
pub fn readv(iovecs: &Iovecs, data: &[u8]) -> usize {
    let mut left = data;
    for Iovec { iov_base, iov_len } in iovecs.as_slice() {
        let (now, later) = left.split_at(left.len().min(*iov_len));
        // SAFETY: the buffers promise room for so many bytes, and nobody else uses them.
        unsafe { iov_base.cast::<u8>().copy_from_nonoverlapping(now.as_ptr(), now.len()) };
        left = later;
    }
    data.len() - left.len()
}

/// A vectored write: what it sends. The buffers of `iovecs` are there.
pub fn writev(iovecs: &Iovecs) -> Vec<u8> {
    let mut sent = Vec::new();
    for Iovec { iov_base, iov_len } in iovecs.as_slice() {
        // SAFETY: the buffers promise so many initialised bytes, which are copied at once.
        sent.extend(unsafe { std::slice::from_raw_parts(iov_base.cast::<u8>(), *iov_len) });
    }
    sent
}

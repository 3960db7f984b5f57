//! READ_FIXED, WRITE_FIXED, READV_FIXED, WRITEV_FIXED.

use std::io::IoSliceMut;

use annulus_ring::abi::{BufIndex, Iovec};
use annulus_ring::{Errno, LocalRing, op};

use crate::common::{LIMIT, limit, skip};
use crate::files::{TempDir, register, ring, run};

const BUFFER: BufIndex = BufIndex(0);

/// Registers `memory` as buffer 0 (`IORING_REGISTER_BUFFERS`); `memory` outlives the ring.
fn register_buffer(ring: &LocalRing, memory: &mut [u8]) {
    let iovec = Iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
    register(ring, 0, &mut [iovec]).unwrap();
}

#[test]
fn parts_of_a_registered_buffer() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let mut memory = vec![0u8; 4096];
        let at = memory.as_mut_ptr();
        let mut ring = ring();
        register_buffer(&ring, &mut memory);
        let part = at.wrapping_add(100);
        let read = op::ReadFixed::new(&file, part, 10, BUFFER).offset(0);
        assert_eq!(run(&mut ring, read), Ok(10));
        assert_eq!(&memory[100..110], b"0123456789");
        let write = op::WriteFixed::new(&file, part.wrapping_add(5), 5, BUFFER).offset(0);
        assert_eq!(run(&mut ring, write), Ok(5));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"5678956789");
        let moved = op::ReadFixed::new(&file, part, 3, BUFFER);
        assert_eq!(run(&mut ring, moved), Ok(3));
        assert_eq!(run(&mut ring, moved), Ok(3));
        assert_eq!(&memory[100..103], b"895");
    });
}

#[test]
fn errors_of_registered_buffers() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let mut memory = vec![0u8; 4096];
        let at = memory.as_mut_ptr();
        let mut ring = ring();
        let read = |part, len, buffer| op::ReadFixed::new(&file, part, len, buffer).offset(0);
        assert_eq!(run(&mut ring, read(at, 10, BUFFER)), Err(Errno::EFAULT), "none registered");
        register_buffer(&ring, &mut memory);
        let before = at.wrapping_sub(1);
        let end = at.wrapping_add(4090);
        assert_eq!(run(&mut ring, read(at, 10, BufIndex(1))), Err(Errno::EFAULT), "no such buffer");
        assert_eq!(run(&mut ring, read(before, 10, BUFFER)), Err(Errno::EFAULT), "before it");
        assert_eq!(run(&mut ring, read(end, 10, BUFFER)), Err(Errno::EFAULT), "over its end");
        let null = core::ptr::null_mut();
        assert_eq!(run(&mut ring, read(null, 10, BUFFER)), Err(Errno::EFAULT), "null");
        let closed = op::ReadFixed::new(-1, at, 10, BUFFER);
        assert_eq!(run(&mut ring, closed), Err(Errno::EBADF));
        let far = op::WriteFixed::new(&file, at, 10, BUFFER).offset(1 << 63);
        assert_eq!(run(&mut ring, far), Err(Errno::EINVAL));
    });
}

#[test]
fn vectors_within_a_registered_buffer() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let mut memory = vec![0u8; 8192];
        let mut ring = ring();
        register_buffer(&ring, &mut memory);
        let mut outside = [0u8; 4];
        let (first, second) = memory.split_at_mut(4096);
        let mut parts = [IoSliceMut::new(&mut second[..4]), IoSliceMut::new(&mut first[..6])];
        let iovecs = parts.as_mut_ptr().cast();
        let read = op::ReadvFixed::new(&file, iovecs, 2, BUFFER).offset(0);
        match run(&mut ring, read) {
            Err(Errno::EINVAL) => {
                return skip("vectors_within_a_registered_buffer", "not before Linux 6.15");
            }
            result => assert_eq!(result, Ok(10)),
        }
        let write = op::WritevFixed::new(&file, iovecs, 2, BUFFER).offset(10);
        assert_eq!(run(&mut ring, write), Ok(10));
        let errors = [
            ("no such buffer", op::ReadvFixed::new(&file, iovecs, 2, BufIndex(1)), Errno::EFAULT),
            ("null", op::ReadvFixed::new(&file, core::ptr::null(), 2, BUFFER), Errno::EFAULT),
            ("closed", op::ReadvFixed::new(-1, iovecs, 2, BUFFER), Errno::EBADF),
        ];
        for (name, op, errno) in errors {
            assert_eq!(run(&mut ring, op.offset(0)), Err(errno), "{name}");
        }
        let mut stray = [IoSliceMut::new(&mut outside)];
        let stray = op::ReadvFixed::new(&file, stray.as_mut_ptr().cast(), 1, BUFFER).offset(0);
        assert_eq!(run(&mut ring, stray), Err(Errno::EFAULT), "not within it");
        assert_eq!((&second[..4], &first[..6]), (&b"0123"[..], &b"456789"[..]));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"01234567890123456789");
    });
}

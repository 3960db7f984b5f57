//! FADVISE, MADVISE.

use annulus_ring::Errno;
use annulus_ring::abi::{Fadvice, Madvice};
use annulus_ring::op;

use crate::common::{LIMIT, limit};
use crate::files::{TempDir, ring, run};

#[test]
fn every_advice_on_a_file() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", &[0; 8192]);
        let mut ring = ring();
        for advice in Fadvice::ALL {
            let whole = op::Fadvise::new(&file, advice.value);
            assert_eq!(run(&mut ring, whole), Ok(0), "{}", advice.name);
            assert_eq!(run(&mut ring, whole.range(4096, 4096)), Ok(0), "{}", advice.name);
        }
        // More than 32 bits, since 6.11.
        let long = run(&mut ring, op::Fadvise::new(&file, Fadvice::NORMAL).range(0, 1 << 40));
        assert!(matches!(long, Ok(0) | Err(Errno::EINVAL)), "{long:?}");
    });
}

#[test]
fn errors_of_advice_on_a_file() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut ring = ring();
        let unknown = op::Fadvise::new(&file, Fadvice(99));
        assert_eq!(run(&mut ring, unknown), Err(Errno::EINVAL));
        let pipe = op::Fadvise::new(&reader, Fadvice::NORMAL);
        assert_eq!(run(&mut ring, pipe), Err(Errno::ESPIPE));
        let closed = op::Fadvise::new(i32::MAX, Fadvice::NORMAL);
        assert_eq!(run(&mut ring, closed), Err(Errno::EBADF));
        let negative = op::Fadvise::new(&file, Fadvice::NORMAL).range(0, 1 << 63);
        assert_eq!(run(&mut ring, negative), Err(Errno::EINVAL));
    });
}

/// Private memory of `len` bytes, unmapped at the end.
struct Mapping(*mut u8, usize);

impl Mapping {
    fn new(len: usize) -> Self {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the kernel picks.
        let at = unsafe { mmap_anonymous(core::ptr::null_mut(), len, prot, MapFlags::PRIVATE) };
        Self(at.unwrap().cast(), len)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it is this mapping, and nothing points into it any more.
        unsafe { rustix::mm::munmap(self.0.cast(), self.1) }.unwrap();
    }
}

#[test]
fn memory_that_is_not_needed_reads_as_zeros() {
    limit(LIMIT, || {
        let memory = Mapping::new(8192);
        let mut ring = ring();
        // SAFETY: the mapping is that long, and writable.
        unsafe { memory.0.write_bytes(7, 8192) };
        let half = memory.0.wrapping_add(4096);
        assert_eq!(run(&mut ring, op::Madvise::new(half, 4096, Madvice::DONTNEED)), Ok(0));
        // SAFETY: the mapping is that long, and readable.
        let bytes = unsafe { core::slice::from_raw_parts(memory.0, 8192) };
        assert_eq!((bytes[4095], bytes[4096]), (7, 0));
    });
}

#[test]
fn errors_of_advice_on_memory() {
    limit(LIMIT, || {
        let memory = Mapping::new(8192);
        let mut ring = ring();
        let odd = op::Madvise::new(memory.0.wrapping_add(1), 4096, Madvice::NORMAL);
        assert_eq!(run(&mut ring, odd), Err(Errno::EINVAL));
        let unknown = op::Madvise::new(memory.0, 4096, Madvice(9999));
        assert_eq!(run(&mut ring, unknown), Err(Errno::EINVAL));
        let nothing_there = op::Madvise::new(4096 as *mut u8, 4096, Madvice::WILLNEED);
        assert_eq!(run(&mut ring, nothing_there), Err(Errno::ENOMEM));
        // All of it is looked at, also past 32 bits (6.11): it ends where nothing is mapped.
        let long = op::Madvise::new(memory.0, 1 << 46, Madvice::NORMAL);
        let answer = run(&mut ring, long);
        assert!(matches!(answer, Err(Errno::ENOMEM | Errno::EINVAL)), "{answer:?}");
    });
}

//! A second look at a ring's shared memory: what in it changed.

use std::ffi::c_void;
use std::os::fd::RawFd;

use annulus_ring::abi::{OFF_SQ_RING, OFF_SQES};

/// A page of each of the two parts of a small ring's memory.
pub struct Shared([*const c_void; 2]);

const PAGE_BYTES: usize = 4096;

impl Shared {
    /// Maps the first page of the words and completions, and of the entries, once more.
    pub fn of(ring: RawFd) -> Self {
        Self([OFF_SQ_RING, OFF_SQES].map(|offset| {
            let (protection, flags) = (libc::PROT_READ, libc::MAP_SHARED);
            let at = i64::try_from(offset).unwrap();
            let anywhere = std::ptr::null_mut();
            // SAFETY: a new mapping at an address of the kernel's choosing touches nothing else.
            let page = unsafe { libc::mmap(anywhere, PAGE_BYTES, protection, flags, ring, at) };
            assert_ne!(page, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
            page.cast_const()
        }))
    }

    /// What is there now, while nothing is under way in the ring.
    pub fn now(&self) -> Vec<u8> {
        let mut bytes = vec![0_u8; 2 * PAGE_BYTES];
        for (page, into) in self.0.iter().zip(bytes.chunks_exact_mut(PAGE_BYTES)) {
            // SAFETY: the page is mapped as long as `self`, and nobody writes to it now.
            unsafe { page.cast::<u8>().copy_to_nonoverlapping(into.as_mut_ptr(), PAGE_BYTES) };
        }
        bytes
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for page in self.0 {
            // SAFETY: mapped by `of`, and not used any more.
            let unmapped = unsafe { libc::munmap(page.cast_mut(), PAGE_BYTES) };
            assert_eq!(unmapped, 0);
        }
    }
}

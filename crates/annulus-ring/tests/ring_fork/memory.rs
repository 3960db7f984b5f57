//! A second look at what a ring shares with a child of fork: what in it changed.
//!
//! Of Linux that is the ring's memory. The kernel in user space has its memory to itself, which a
//! child has a copy of; what they share are its epolls, and which files are watched in them.

use std::ffi::c_void;
use std::os::fd::RawFd;

use annulus_ring::abi::{OFF_SQ_RING, OFF_SQES};

use crate::common::on_host;

/// What is shared of a small ring.
pub enum Shared {
    /// A page of each of the two parts of its memory.
    Pages([*const c_void; 2]),
    /// The epoll that its descriptor is.
    Epoll(RawFd),
}

const PAGE_BYTES: usize = 4096;

impl Shared {
    /// Maps the first page of the words and completions, and of the entries, once more.
    pub fn of(ring: RawFd) -> Self {
        if on_host() {
            return Self::Epoll(ring);
        }
        Self::Pages([OFF_SQ_RING, OFF_SQES].map(|offset| {
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
        let pages = match self {
            Self::Pages(pages) => pages,
            Self::Epoll(epoll) => return watched(*epoll).into_bytes(),
        };
        let mut bytes = vec![0_u8; 2 * PAGE_BYTES];
        for (page, into) in pages.iter().zip(bytes.chunks_exact_mut(PAGE_BYTES)) {
            // SAFETY: the page is mapped as long as `self`, and nobody writes to it now.
            unsafe { page.cast::<u8>().copy_to_nonoverlapping(into.as_mut_ptr(), PAGE_BYTES) };
        }
        bytes
    }
}

/// What is watched in an epoll, for what, and in those that are watched in it.
fn watched(epoll: RawFd) -> String {
    let mut all = std::fs::read_to_string(format!("/proc/self/fdinfo/{epoll}")).unwrap();
    let files: Vec<RawFd> = all
        .lines()
        .filter_map(|line| line.strip_prefix("tfd:")?.split_whitespace().next()?.parse().ok())
        .collect();
    assert!(!files.is_empty(), "a ring's epoll watches something: {all}");
    for file in files {
        let link = std::fs::read_link(format!("/proc/self/fd/{file}")).unwrap();
        if link.to_str() == Some("anon_inode:[eventpoll]") {
            all += &watched(file);
        }
    }
    all
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Self::Pages(pages) = self else { return };
        for page in pages {
            // SAFETY: mapped by `of`, and not used any more.
            let unmapped = unsafe { libc::munmap(page.cast_mut(), PAGE_BYTES) };
            assert_eq!(unmapped, 0);
        }
    }
}

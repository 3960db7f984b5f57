//! [`Mapping`]: memory from `mmap`, unmapped when dropped.
//!
//! A ring's memory is never heap. The kernel may write completions into it after the ring was
//! closed; into a mapping that is gone it writes to pages that nobody else has, into heap it would
//! write to whatever was allocated there next.

use core::ffi::c_void;
use core::ptr::NonNull;
use std::os::fd::BorrowedFd;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use crate::errno::Errno;

/// The size of the huge pages that are asked for: what x86-64 and aarch64 (4 KiB granule) have.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// An owned range of mapped memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process; unmapping it from another thread is the same.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference gives the address only; who writes through it answers for that.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` of a ring's memory at `offset`, present from the start.
    pub(crate) fn of_ring(fd: BorrowedFd<'_>, offset: u64, bytes: usize) -> Result<Self, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choosing touches nothing else.
        let start = unsafe { mmap(core::ptr::null_mut(), bytes, protection, flags, fd, offset) };
        Self::owned(start, bytes)
    }

    /// Maps `bytes` of zeroed memory of the process's own, shared with its children as a ring's
    /// memory is.
    pub(crate) fn anonymous(bytes: usize) -> Result<Self, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choosing touches nothing else.
        let start =
            unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, protection, MapFlags::SHARED) };
        Self::owned(start, bytes)
    }

    /// Maps `bytes` of zeroed memory that is this process's alone: for data, which the processor's
    /// large pages may back by themselves.
    pub(crate) fn private(bytes: usize) -> Result<Self, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choosing touches nothing else.
        let start =
            unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) };
        Self::owned(start, bytes)
    }

    /// As [`anonymous`](Self::anonymous), on huge pages of 2 MiB (`bytes` is rounded up).
    pub(crate) fn huge(bytes: usize) -> Result<Self, Errno> {
        let bytes = bytes.checked_next_multiple_of(HUGE_PAGE_BYTES).ok_or(Errno::ENOMEM)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::HUGETLB;
        // SAFETY: a new mapping at an address of the kernel's choosing touches nothing else.
        let start = unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, protection, flags) };
        Self::owned(start, bytes)
    }

    fn owned(start: rustix::io::Result<*mut c_void>, bytes: usize) -> Result<Self, Errno> {
        match start.map(NonNull::new) {
            Ok(Some(start)) => Ok(Self { start, bytes }),
            Ok(None) => Err(Errno::ENOMEM),
            Err(errno) => Err(Errno::from_raw(errno.raw_os_error())),
        }
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> NonNull<c_void> {
        self.start
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The address `offset` bytes in, as a pointer to `T`; an error if a `T` there would not fit.
    pub(crate) fn at<T>(&self, offset: usize) -> Result<NonNull<T>, Errno> {
        self.array_at(offset, 1)
    }

    /// The address `offset` bytes in, as a pointer to the first of `count` `T`.
    pub(crate) fn array_at<T>(&self, offset: usize, count: usize) -> Result<NonNull<T>, Errno> {
        let end = count.checked_mul(size_of::<T>()).and_then(|n| n.checked_add(offset));
        if end.is_none_or(|end| end > self.bytes) || !offset.is_multiple_of(align_of::<T>()) {
            // The kernel answered offsets that do not lie in its own mapping.
            return Err(Errno::EOVERFLOW);
        }
        // SAFETY: the offset was found to lie inside the mapping.
        let at = unsafe { self.start.byte_add(offset) };
        Ok(at.cast())
    }

    /// Leaves it out of the children that this process forks.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        // SAFETY: the range is this mapping, whose owner asks for it; this process keeps it.
        let advised = unsafe { madvise(self.start.as_ptr(), self.bytes, Advice::LinuxDontFork) };
        advised.map_err(|errno| Errno::from_raw(errno.raw_os_error()))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by the constructors and is used by nobody any more: pointers
        // into it live in the ring that owns this mapping and is being dropped.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of an own mapping: {unmapped:?}");
    }
}

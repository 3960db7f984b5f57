//! [`Mapping`]: memory from `mmap`, unmapped when dropped; and [`RingRegion`], what of it is given
//! to a ring.
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

/// An owned range of mapped memory, unmapped when it is dropped: what
/// [`Kernel::map`](crate::kernel::Kernel::map) gives.
///
/// ```
/// use annulus_ring::kernel::Mapping;
/// let mapping = Mapping::anonymous(4096)?;
/// // SAFETY: the first byte of 4096, which nobody else knows.
/// assert_eq!(unsafe { mapping.start().cast::<u8>().read() }, 0);
/// # Ok::<(), annulus_ring::Errno>(())
/// ```
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process; unmapping it from another thread is the same.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference gives the address only; who writes through it answers for that.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` of what `fd` is, at `offset` (whole pages), present from the start: a ring's
    /// memory, or that of a file in memory. Shared with all who map it.
    ///
    /// # Errors
    /// Those of `mmap(2)`: `ENOMEM`: no memory, or no address space; `EINVAL`, `EACCES`, `ENODEV`:
    /// there is no such memory in `fd`.
    ///
    /// See [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html).
    ///
    /// ```
    /// use annulus_ring::kernel::Mapping;
    /// use std::{fs::File, os::fd::AsFd};
    /// let zeroes = File::options().read(true).write(true).open("/dev/zero")?;
    /// assert_eq!(Mapping::of_fd(zeroes.as_fd(), 0, 4096)?.bytes(), 4096);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_fd(fd: BorrowedFd<'_>, offset: u64, bytes: usize) -> Result<Self, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choosing touches nothing else.
        let start = unsafe { mmap(core::ptr::null_mut(), bytes, protection, flags, fd, offset) };
        Self::owned(start, bytes)
    }

    /// Maps `bytes` of zeroed memory of the process's own, shared with its children as a ring's
    /// memory is.
    ///
    /// # Errors
    /// `ENOMEM`: no memory, or no address space. `EINVAL`: 0 bytes.
    ///
    /// ```
    /// assert!(annulus_ring::kernel::Mapping::anonymous(0).is_err());
    /// ```
    pub fn anonymous(bytes: usize) -> Result<Self, Errno> {
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
    ///
    /// ```
    /// let mapping = annulus_ring::kernel::Mapping::anonymous(4096)?;
    /// assert_eq!(mapping.start().addr().get() % 4096, 0);
    /// # Ok::<(), annulus_ring::Errno>(())
    /// ```
    pub fn start(&self) -> NonNull<c_void> {
        self.start
    }

    /// How many bytes were asked for.
    ///
    /// ```
    /// assert_eq!(annulus_ring::kernel::Mapping::anonymous(4096)?.bytes(), 4096);
    /// # Ok::<(), annulus_ring::Errno>(())
    /// ```
    pub fn bytes(&self) -> usize {
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

/// Memory for a ring made with `IORING_SETUP_NO_MMAP` (Linux 6.5): a mapping of its own.
///
/// It is given to a ring and freed with it. It is never heap: the kernel may write completions into
/// it after the ring was closed, and then writes to pages that nobody else has.
///
/// ```
/// use annulus_ring::{Builder, RingRegion};
/// let bytes = Builder::new().entries(64).memory_bytes();
/// let region = RingRegion::new(bytes)?;
/// let ring = Builder::new().entries(64).memory(region).build();
/// # if ring.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.5
/// assert_eq!(ring?.sq_entries(), 64);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct RingRegion(Mapping);

impl RingRegion {
    /// Ordinary pages. The size is rounded up to whole pages.
    ///
    /// # Errors
    /// `ENOMEM` if there is no memory or no address space; `EINVAL` for 0 bytes.
    ///
    /// ```
    /// let region = annulus_ring::RingRegion::new(5000)?;
    /// assert!(region.bytes() >= 8192);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new(bytes: usize) -> crate::Result<Self> {
        let bytes = bytes.checked_next_multiple_of(rustix::param::page_size());
        bytes
            .ok_or(Errno::ENOMEM)
            .and_then(Mapping::anonymous)
            .map(Self)
            .map_err(|errno| crate::Error::os(errno, "mapping memory for a ring"))
    }

    /// Huge pages of 2 MiB: one page of the processor's table for the whole ring. The size is
    /// rounded up.
    ///
    /// # Errors
    /// `ENOMEM` if no huge page is free: `sysctl vm.nr_hugepages=8` reserves some.
    ///
    /// ```
    /// match annulus_ring::RingRegion::huge(1) {
    ///     Ok(region) => assert_eq!(region.bytes(), 2 << 20),
    ///     Err(error) => assert!(error.to_string().contains("huge")),
    /// }
    /// ```
    pub fn huge(bytes: usize) -> crate::Result<Self> {
        Mapping::huge(bytes).map(Self).map_err(|errno| {
            crate::Error::os(errno, "mapping huge pages for a ring (vm.nr_hugepages reserves them)")
        })
    }

    /// How long it is.
    ///
    /// ```
    /// assert!(annulus_ring::RingRegion::new(1)?.bytes() >= 4096);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Where it begins: for a kernel that puts its queues there.
    ///
    /// ```
    /// let region = annulus_ring::RingRegion::new(1)?;
    /// assert_eq!(region.start().addr().get() % 4096, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn start(&self) -> NonNull<c_void> {
        self.0.start()
    }

    /// The mapping that it is.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.0
    }
}

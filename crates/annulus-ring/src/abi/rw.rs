//! Flags of reads, writes and what else moves or describes a file's bytes, and the attributes that
//! a read or write can carry.

use super::newtypes::{flags, numbers};

flags! {
    /// How a read or write is done (`sqe->rw_flags`), as `preadv2(2)` has it.
    ///
    /// ```
    /// use annulus_ring::abi::RwFlags;
    /// assert_eq!((RwFlags::DSYNC | RwFlags::NOWAIT).bits(), 10);
    /// ```
    pub struct RwFlags: u32;
    /// Poll for the completion: direct I/O on a ring made with `IOPOLL`.
    HIPRI = 1 << 0, "RWF_HIPRI", "4.6";
    /// Make this write durable, as `O_DSYNC` does.
    DSYNC = 1 << 1, "RWF_DSYNC", "4.7";
    /// Make this write and the file's metadata durable, as `O_SYNC` does.
    SYNC = 1 << 2, "RWF_SYNC", "4.7";
    /// End in `EAGAIN` rather than block.
    NOWAIT = 1 << 3, "RWF_NOWAIT", "4.14";
    /// Write at the end of the file, whatever the offset.
    APPEND = 1 << 4, "RWF_APPEND", "4.16";
    /// Write at the offset, although the file is open for appending.
    NOAPPEND = 1 << 5, "RWF_NOAPPEND", "6.9";
    /// Write all or nothing, also if the power fails.
    ATOMIC = 1 << 6, "RWF_ATOMIC", "6.11";
    /// Buffered, but drop the pages from the cache afterwards.
    DONTCACHE = 1 << 7, "RWF_DONTCACHE", "6.14";
    /// Send no `SIGPIPE`.
    NOSIGNAL = 1 << 8, "RWF_NOSIGNAL", "6.18";
}

flags! {
    /// What SYNC_FILE_RANGE does, in this order (`sqe->sync_range_flags`).
    ///
    /// ```
    /// use annulus_ring::abi::SyncFileRangeFlags;
    /// assert_eq!(SyncFileRangeFlags::WRITE_AND_WAIT.bits(), 7);
    /// ```
    pub struct SyncFileRangeFlags: u32;
    /// Wait for writes of the range that have begun.
    WAIT_BEFORE = 1 << 0, "SYNC_FILE_RANGE_WAIT_BEFORE", "2.6.17";
    /// Begin to write what is dirty.
    WRITE = 1 << 1, "SYNC_FILE_RANGE_WRITE", "2.6.17";
    /// Wait for those writes.
    WAIT_AFTER = 1 << 2, "SYNC_FILE_RANGE_WAIT_AFTER", "2.6.17";
}

impl SyncFileRangeFlags {
    /// All three.
    #[doc(alias = "SYNC_FILE_RANGE_WRITE_AND_WAIT")]
    pub const WRITE_AND_WAIT: Self = Self(Self::WAIT_BEFORE.0 | Self::WRITE.0 | Self::WAIT_AFTER.0);
}

flags! {
    /// What FALLOCATE does to its range (`mode`, in `sqe->len`). None: allocate it.
    ///
    /// ```
    /// use annulus_ring::abi::FallocateMode;
    /// assert_eq!((FallocateMode::PUNCH_HOLE | FallocateMode::KEEP_SIZE).bits(), 3);
    /// ```
    pub struct FallocateMode: u32;
    /// Do not change the file's length.
    KEEP_SIZE = 1 << 0, "FALLOC_FL_KEEP_SIZE", "2.6.23";
    /// Free the range: it reads as zeros. Needs `KEEP_SIZE`.
    PUNCH_HOLE = 1 << 1, "FALLOC_FL_PUNCH_HOLE", "2.6.38";
    /// Reserved: no kernel accepts it.
    NO_HIDE_STALE = 1 << 2, "FALLOC_FL_NO_HIDE_STALE", "3.8";
    /// Take the range out: what follows moves up.
    COLLAPSE_RANGE = 1 << 3, "FALLOC_FL_COLLAPSE_RANGE", "3.15";
    /// Turn the range into zeros, allocated.
    ZERO_RANGE = 1 << 4, "FALLOC_FL_ZERO_RANGE", "3.15";
    /// Put a hole in: what follows moves down.
    INSERT_RANGE = 1 << 5, "FALLOC_FL_INSERT_RANGE", "4.1";
    /// Give the range blocks of its own, shared with no other file.
    UNSHARE_RANGE = 1 << 6, "FALLOC_FL_UNSHARE_RANGE", "4.9";
    /// Write zeros, by the device where it can: later writes need no metadata.
    WRITE_ZEROES = 1 << 7, "FALLOC_FL_WRITE_ZEROES", "6.17";
}

flags! {
    /// How SPLICE and TEE move bytes (`sqe->splice_flags`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::SpliceFlags::FD_IN_FIXED.bits(), 0x8000_0000);
    /// ```
    pub struct SpliceFlags: u32;
    /// Move pages instead of copying: a hint without effect today.
    MOVE = 1 << 0, "SPLICE_F_MOVE", "2.6.17";
    /// Do not block on the pipes.
    NONBLOCK = 1 << 1, "SPLICE_F_NONBLOCK", "2.6.17";
    /// More data will follow.
    MORE = 1 << 2, "SPLICE_F_MORE", "2.6.17";
    /// The pages are a gift: for `vmsplice(2)` only.
    GIFT = 1 << 3, "SPLICE_F_GIFT", "2.6.17";
    /// `splice_fd_in` is a slot of the file table.
    FD_IN_FIXED = 1 << 31, "SPLICE_F_FD_IN_FIXED", "5.7";
}

numbers! {
    /// How a file will be used, for FADVISE (`sqe->fadvise_advice`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::Fadvice::WILLNEED.raw(), 3);
    /// ```
    pub struct Fadvice: u32;
    /// Nothing special.
    NORMAL = 0, "POSIX_FADV_NORMAL", "2.5.60";
    /// In no order: read nothing ahead.
    RANDOM = 1, "POSIX_FADV_RANDOM", "2.5.60";
    /// From front to back: read more ahead.
    SEQUENTIAL = 2, "POSIX_FADV_SEQUENTIAL", "2.5.60";
    /// Soon: begin to read it.
    WILLNEED = 3, "POSIX_FADV_WILLNEED", "2.5.60";
    /// Not again soon: drop it from the cache.
    DONTNEED = 4, "POSIX_FADV_DONTNEED", "2.5.60";
    /// Once.
    NOREUSE = 5, "POSIX_FADV_NOREUSE", "2.5.60";
}

numbers! {
    /// How memory will be used, for MADVISE (`sqe->fadvise_advice`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::Madvice::DONTNEED.raw(), 4);
    /// ```
    pub struct Madvice: u32;
    /// Nothing special.
    NORMAL = 0, "MADV_NORMAL", "2.4";
    /// In no order.
    RANDOM = 1, "MADV_RANDOM", "2.4";
    /// From front to back.
    SEQUENTIAL = 2, "MADV_SEQUENTIAL", "2.4";
    /// Soon.
    WILLNEED = 3, "MADV_WILLNEED", "2.4";
    /// Drop it now: private memory reads as zeros afterwards.
    DONTNEED = 4, "MADV_DONTNEED", "2.4";
    /// Drop it when memory is short, unless it is written before.
    FREE = 8, "MADV_FREE", "4.5";
    /// Free it and what backs it.
    REMOVE = 9, "MADV_REMOVE", "2.6.16";
    /// A child does not get it at `fork`.
    DONTFORK = 10, "MADV_DONTFORK", "2.6.16";
    /// Undo that.
    DOFORK = 11, "MADV_DOFORK", "2.6.16";
    /// Merge equal pages.
    MERGEABLE = 12, "MADV_MERGEABLE", "2.6.32";
    /// Undo that.
    UNMERGEABLE = 13, "MADV_UNMERGEABLE", "2.6.32";
    /// Use huge pages.
    HUGEPAGE = 14, "MADV_HUGEPAGE", "2.6.38";
    /// Use none.
    NOHUGEPAGE = 15, "MADV_NOHUGEPAGE", "2.6.38";
    /// Leave it out of core dumps.
    DONTDUMP = 16, "MADV_DONTDUMP", "3.4";
    /// Undo that.
    DODUMP = 17, "MADV_DODUMP", "3.4";
    /// A child gets zeros at `fork`.
    WIPEONFORK = 18, "MADV_WIPEONFORK", "4.14";
    /// Undo that.
    KEEPONFORK = 19, "MADV_KEEPONFORK", "4.14";
    /// Not soon: reclaim it first.
    COLD = 20, "MADV_COLD", "5.4";
    /// Reclaim it now.
    PAGEOUT = 21, "MADV_PAGEOUT", "5.4";
    /// Fault it in for reading.
    POPULATE_READ = 22, "MADV_POPULATE_READ", "5.14";
    /// Fault it in for writing.
    POPULATE_WRITE = 23, "MADV_POPULATE_WRITE", "5.14";
    /// As `DONTNEED`, also where it is locked.
    DONTNEED_LOCKED = 24, "MADV_DONTNEED_LOCKED", "5.18";
    /// Make huge pages of it now.
    COLLAPSE = 25, "MADV_COLLAPSE", "6.1";
    /// Pretend that it is broken.
    HWPOISON = 100, "MADV_HWPOISON", "2.6.32";
    /// Take its pages out of use, keeping the contents.
    SOFT_OFFLINE = 101, "MADV_SOFT_OFFLINE", "2.6.33";
    /// Make it fault when touched.
    GUARD_INSTALL = 102, "MADV_GUARD_INSTALL", "6.13";
    /// Undo that.
    GUARD_REMOVE = 103, "MADV_GUARD_REMOVE", "6.13";
}

flags! {
    /// Which attributes a read or write carries at `attr_ptr` (`sqe->attr_type_mask`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::RwAttrFlags::PI.bits(), 1);
    /// ```
    pub struct RwAttrFlags: u64;
    /// Protection information: an [`AttrPi`].
    PI = 1 << 0, "IORING_RW_ATTR_FLAG_PI", "6.14";
}

flags! {
    /// What of the protection information is checked ([`AttrPi::flags`]).
    ///
    /// ```
    /// use annulus_ring::abi::IntegrityFlags;
    /// assert_eq!(IntegrityFlags::VALID.bits(), 7);
    /// ```
    pub struct IntegrityFlags: u16;
    /// The guard: a checksum of the data.
    CHK_GUARD = 1 << 0, "IO_INTEGRITY_CHK_GUARD", "6.14";
    /// The reference tag: which block it is.
    CHK_REFTAG = 1 << 1, "IO_INTEGRITY_CHK_REFTAG", "6.14";
    /// The application tag.
    CHK_APPTAG = 1 << 2, "IO_INTEGRITY_CHK_APPTAG", "6.14";
}

impl IntegrityFlags {
    /// The bits that have a meaning.
    #[doc(alias = "IO_INTEGRITY_VALID_FLAGS")]
    pub const VALID: Self = Self(Self::CHK_GUARD.0 | Self::CHK_REFTAG.0 | Self::CHK_APPTAG.0);
}

/// The protection information of a read or write (`struct io_uring_attr_pi`, Linux 6.14).
///
/// ```
/// use annulus_ring::abi::{AttrPi, IntegrityFlags};
/// let pi = AttrPi { flags: IntegrityFlags::CHK_GUARD, ..AttrPi::default() };
/// assert_eq!((size_of_val(&pi), pi.flags.bits()), (32, 1));
/// ```
#[doc(alias = "io_uring_attr_pi")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct AttrPi {
    /// What is checked.
    pub flags: IntegrityFlags,
    /// The application tag.
    pub app_tag: u16,
    /// Length of the buffer in bytes.
    pub len: u32,
    /// Address of the buffer of protection information.
    pub addr: u64,
    /// What the reference tag begins with.
    pub seed: u64,
    /// Zero.
    pub rsvd: u64,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<AttrPi>() == 32 && align_of::<AttrPi>() == 8);
    assert!(offset_of!(AttrPi, flags) == 0 && offset_of!(AttrPi, app_tag) == 2);
    assert!(offset_of!(AttrPi, len) == 4 && offset_of!(AttrPi, addr) == 8);
    assert!(offset_of!(AttrPi, seed) == 16 && offset_of!(AttrPi, rsvd) == 24);
};

//! Registered files and buffers: what `io_uring_register(2)` is given to make, change and share
//! the two tables.

use super::newtypes::flags;

/// In place of a descriptor: leave that slot as it is.
///
/// ```
/// assert_eq!(annulus_ring::abi::REGISTER_FILES_SKIP, -2);
/// ```
#[doc(alias = "IORING_REGISTER_FILES_SKIP")]
pub const REGISTER_FILES_SKIP: i32 = -2;

flags! {
    /// How a table is registered ([`RsrcRegister::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::RsrcRegisterFlags::SPARSE.bits(), 1);
    /// ```
    pub struct RsrcRegisterFlags: u32;
    /// Every slot is empty.
    SPARSE = 1 << 0, "IORING_RSRC_REGISTER_SPARSE", "5.19";
}

/// A change of the file table (`struct io_uring_files_update`): the older form of [`RsrcUpdate`].
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::FilesUpdate>(), 16);
/// ```
#[doc(alias = "io_uring_files_update")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FilesUpdate {
    /// The first slot.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// Address of the array of descriptors.
    pub fds: u64,
}

/// A table with tags (`struct io_uring_rsrc_register`, Linux 5.13). A tag that is not 0 comes back
/// as the `user_data` of a completion when nothing uses the slot's old contents any more.
///
/// ```
/// use annulus_ring::abi::{RsrcRegister, RsrcRegisterFlags};
/// let empty = RsrcRegister { nr: 64, flags: RsrcRegisterFlags::SPARSE, ..Default::default() };
/// assert_eq!(size_of_val(&empty), 32);
/// ```
#[doc(alias = "io_uring_rsrc_register")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RsrcRegister {
    /// How many slots.
    pub nr: u32,
    /// How.
    pub flags: RsrcRegisterFlags,
    /// Zero.
    pub resv2: u64,
    /// Address of the array of descriptors or of [`Iovec`](super::Iovec).
    pub data: u64,
    /// Address of the array of tags, 64 bits each; 0 for none.
    pub tags: u64,
}

/// A change of a table (`struct io_uring_rsrc_update`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::RsrcUpdate>(), 16);
/// ```
#[doc(alias = "io_uring_rsrc_update")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RsrcUpdate {
    /// The first slot. For a ring's descriptor: the slot wanted, `u32::MAX` for any, and in the
    /// answer the slot given.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// Address of the array; for a ring's descriptor, the descriptor itself.
    pub data: u64,
}

/// A change of a table with tags (`struct io_uring_rsrc_update2`, Linux 5.13).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::RsrcUpdate2>(), 32);
/// ```
#[doc(alias = "io_uring_rsrc_update2")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RsrcUpdate2 {
    /// The first slot.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// Address of the array of descriptors or of [`Iovec`](super::Iovec).
    pub data: u64,
    /// Address of the array of tags; 0 for none.
    pub tags: u64,
    /// How many slots.
    pub nr: u32,
    /// Zero.
    pub resv2: u32,
}

/// Which slots the kernel may pick for [`FILE_INDEX_ALLOC`](super::FILE_INDEX_ALLOC)
/// (`struct io_uring_file_index_range`, Linux 6.0).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::FileIndexRange>(), 16);
/// ```
#[doc(alias = "io_uring_file_index_range")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FileIndexRange {
    /// The first slot.
    pub off: u32,
    /// How many.
    pub len: u32,
    /// Zero.
    pub resv: u64,
}

flags! {
    /// How buffers are taken from another ring ([`CloneBuffers::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::CloneBuffersFlags::DST_REPLACE.bits(), 2);
    /// ```
    pub struct CloneBuffersFlags: u32;
    /// `src_fd` is the index of a registered ring.
    SRC_REGISTERED = 1 << 0, "IORING_REGISTER_SRC_REGISTERED", "6.12";
    /// Slots that are taken here are replaced.
    DST_REPLACE = 1 << 1, "IORING_REGISTER_DST_REPLACE", "6.13";
}

/// Which buffers of another ring are taken (`struct io_uring_clone_buffers`, Linux 6.12).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::CloneBuffers>(), 32);
/// ```
#[doc(alias = "io_uring_clone_buffers")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CloneBuffers {
    /// The other ring.
    pub src_fd: u32,
    /// How.
    pub flags: CloneBuffersFlags,
    /// The first slot there (6.13).
    pub src_off: u32,
    /// The first slot here (6.13).
    pub dst_off: u32,
    /// How many; 0 for all (6.13).
    pub nr: u32,
    /// Zero.
    pub pad: [u32; 3],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<FilesUpdate>() == 16 && align_of::<FilesUpdate>() == 8);
    assert!(offset_of!(FilesUpdate, offset) == 0 && offset_of!(FilesUpdate, resv) == 4);
    assert!(offset_of!(FilesUpdate, fds) == 8);
    assert!(size_of::<RsrcRegister>() == 32 && align_of::<RsrcRegister>() == 8);
    assert!(offset_of!(RsrcRegister, nr) == 0 && offset_of!(RsrcRegister, flags) == 4);
    assert!(offset_of!(RsrcRegister, resv2) == 8 && offset_of!(RsrcRegister, data) == 16);
    assert!(offset_of!(RsrcRegister, tags) == 24);
    assert!(size_of::<RsrcUpdate>() == 16 && align_of::<RsrcUpdate>() == 8);
    assert!(offset_of!(RsrcUpdate, offset) == 0 && offset_of!(RsrcUpdate, resv) == 4);
    assert!(offset_of!(RsrcUpdate, data) == 8);
    assert!(size_of::<RsrcUpdate2>() == 32 && align_of::<RsrcUpdate2>() == 8);
    assert!(offset_of!(RsrcUpdate2, offset) == 0 && offset_of!(RsrcUpdate2, resv) == 4);
    assert!(offset_of!(RsrcUpdate2, data) == 8 && offset_of!(RsrcUpdate2, tags) == 16);
    assert!(offset_of!(RsrcUpdate2, nr) == 24 && offset_of!(RsrcUpdate2, resv2) == 28);
    assert!(size_of::<FileIndexRange>() == 16 && align_of::<FileIndexRange>() == 8);
    assert!(offset_of!(FileIndexRange, off) == 0 && offset_of!(FileIndexRange, len) == 4);
    assert!(offset_of!(FileIndexRange, resv) == 8);
    assert!(size_of::<CloneBuffers>() == 32 && align_of::<CloneBuffers>() == 4);
    assert!(offset_of!(CloneBuffers, src_fd) == 0 && offset_of!(CloneBuffers, flags) == 4);
    assert!(offset_of!(CloneBuffers, src_off) == 8 && offset_of!(CloneBuffers, dst_off) == 12);
    assert!(offset_of!(CloneBuffers, nr) == 16 && offset_of!(CloneBuffers, pad) == 20);
};

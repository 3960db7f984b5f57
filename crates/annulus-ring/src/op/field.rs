//! Fields that share a word of the entry: the kernel's unions, which [`Sqe`](crate::abi::Sqe) does
//! not have.

use crate::abi::FILE_INDEX_ALLOC;

/// Two 32-bit fields that lie in one 64-bit one, `first` at the lower address.
#[inline]
pub(super) const fn pair(first: u32, second: u32) -> u64 {
    if cfg!(target_endian = "little") {
        first as u64 | (second as u64) << 32
    } else {
        (first as u64) << 32 | second as u64
    }
}

/// A 16-bit field that lies at the lower address of a 32-bit one, the rest zero.
#[inline]
pub(super) const fn half(first: u16) -> i32 {
    if cfg!(target_endian = "little") { first as i32 } else { (first as i32) << 16 }
}

/// Poll events as the kernel reads them: on a big-endian machine the 16-bit field of old is first.
#[inline]
pub(super) const fn poll_events(events: u32) -> u32 {
    if cfg!(target_endian = "little") { events } else { events.rotate_left(16) }
}

/// `file_index` that lets the kernel pick a free slot (`IORING_FILE_INDEX_ALLOC`).
pub(super) const ANY_SLOT: i32 = FILE_INDEX_ALLOC as i32;

//! Rings of buffers from which the kernel picks.

use super::ids::BufGroup;
use super::newtypes::flags;

flags! {
    /// How a ring of buffers works ([`BufReg::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::PbufRingFlags::INC.bits(), 2);
    /// ```
    pub struct PbufRingFlags: u16;
    /// The kernel gives the ring's memory: map it at [`OFF_PBUF_RING`](super::OFF_PBUF_RING) plus
    /// the group shifted by [`OFF_PBUF_SHIFT`](super::OFF_PBUF_SHIFT).
    MMAP = 1 << 0, "IOU_PBUF_RING_MMAP", "6.4";
    /// A buffer is used up piece by piece
    /// ([`CqeFlags::BUF_MORE`](super::CqeFlags::BUF_MORE)), not at once.
    INC = 1 << 1, "IOU_PBUF_RING_INC", "6.12";
}

/// A ring of buffers (`struct io_uring_buf_reg`, Linux 5.19).
///
/// ```
/// use annulus_ring::abi::{BufGroup, BufReg};
/// let reg = BufReg { ring_entries: 64, bgid: BufGroup(3), ..BufReg::default() };
/// assert_eq!((size_of_val(&reg), reg.min_left), (40, 0));
/// ```
#[doc(alias = "io_uring_buf_reg")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BufReg {
    /// Address of the ring, aligned to a page; 0 with `MMAP`.
    pub ring_addr: u64,
    /// How many entries: a power of two, at most 32768.
    pub ring_entries: u32,
    /// The group.
    pub bgid: BufGroup,
    /// How it works.
    pub flags: PbufRingFlags,
    /// With `INC`: a buffer with fewer bytes left is done with (7.1, and stable kernels since
    /// then: 6.18.44 has it; zero elsewhere).
    pub min_left: u32,
    /// Zero.
    pub resv: [u32; 5],
}

impl Default for BufReg {
    /// A ring without entries, of group 0: to be filled.
    fn default() -> Self {
        Self {
            ring_addr: 0,
            ring_entries: 0,
            bgid: BufGroup(0),
            flags: PbufRingFlags::empty(),
            min_left: 0,
            resv: [0; 5],
        }
    }
}

/// One buffer of a ring (`struct io_uring_buf`).
///
/// ```
/// use annulus_ring::abi::Buf;
/// let buf = Buf { addr: 0x1000, len: 4096, bid: 1, resv: 0 };
/// assert_eq!(size_of_val(&buf), 16);
/// ```
#[doc(alias = "io_uring_buf")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Buf {
    /// Its address.
    pub addr: u64,
    /// Its length in bytes.
    pub len: u32,
    /// Its identifier: comes back in the completion.
    pub bid: u16,
    /// In the first entry the ring's tail, see [`BufRing::tail`]: do not write it when filling one.
    pub resv: u16,
}

/// How a ring of buffers begins (`struct io_uring_buf_ring`): this lies over the first [`Buf`].
///
/// ```
/// use annulus_ring::abi::{Buf, BufRing};
/// use std::mem::offset_of;
/// assert_eq!(offset_of!(BufRing, tail), offset_of!(Buf, resv));
/// ```
#[doc(alias = "io_uring_buf_ring")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BufRing {
    /// The first buffer's address.
    pub resv1: u64,
    /// Its length.
    pub resv2: u32,
    /// Its identifier.
    pub resv3: u16,
    /// How many buffers were ever added, modulo 65536: stored with release order.
    pub tail: u16,
}

/// How far a ring of buffers is used (`struct io_uring_buf_status`, Linux 6.8).
///
/// ```
/// use annulus_ring::abi::BufStatus;
/// assert_eq!(BufStatus { buf_group: 3, ..BufStatus::default() }.head, 0);
/// ```
#[doc(alias = "io_uring_buf_status")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BufStatus {
    /// The group, widened.
    pub buf_group: u32,
    /// Answer: how many buffers were ever taken, modulo 65536.
    pub head: u32,
    /// Zero.
    pub resv: [u32; 8],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<BufReg>() == 40 && align_of::<BufReg>() == 8);
    assert!(offset_of!(BufReg, ring_addr) == 0 && offset_of!(BufReg, ring_entries) == 8);
    assert!(offset_of!(BufReg, bgid) == 12 && offset_of!(BufReg, flags) == 14);
    assert!(offset_of!(BufReg, min_left) == 16 && offset_of!(BufReg, resv) == 20);
    assert!(size_of::<Buf>() == 16 && align_of::<Buf>() == 8);
    assert!(offset_of!(Buf, addr) == 0 && offset_of!(Buf, len) == 8);
    assert!(offset_of!(Buf, bid) == 12 && offset_of!(Buf, resv) == 14);
    assert!(size_of::<BufRing>() == 16 && align_of::<BufRing>() == 8);
    assert!(offset_of!(BufRing, resv1) == 0 && offset_of!(BufRing, resv2) == 8);
    assert!(offset_of!(BufRing, resv3) == 12 && offset_of!(BufRing, tail) == 14);
    assert!(size_of::<BufStatus>() == 40 && align_of::<BufStatus>() == 4);
    assert!(offset_of!(BufStatus, buf_group) == 0 && offset_of!(BufStatus, head) == 4);
    assert!(offset_of!(BufStatus, resv) == 8);
};

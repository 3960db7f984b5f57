//! Receiving without copying (RECV_ZC): the device writes into an area of memory, completions name
//! places in it, and a refill queue gives them back.

use super::newtypes::{flags, numbers};

/// From which bit on a place names its area.
///
/// ```
/// use annulus_ring::abi::{ZCRX_AREA_MASK, ZCRX_AREA_SHIFT};
/// assert_eq!(ZCRX_AREA_MASK, u64::MAX << ZCRX_AREA_SHIFT);
/// ```
#[doc(alias = "IORING_ZCRX_AREA_SHIFT")]
pub const ZCRX_AREA_SHIFT: u32 = 48;

/// The bits of a place that name its area.
///
/// ```
/// use annulus_ring::abi::ZCRX_AREA_MASK;
/// assert_eq!(0x0001_0000_0000_2000 & !ZCRX_AREA_MASK, 0x2000);
/// ```
#[doc(alias = "IORING_ZCRX_AREA_MASK")]
pub const ZCRX_AREA_MASK: u64 = !((1 << ZCRX_AREA_SHIFT) - 1);

/// A place given back, in the refill queue (`struct io_uring_zcrx_rqe`, Linux 6.15).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ZcrxRqe>(), 16);
/// ```
#[doc(alias = "io_uring_zcrx_rqe")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxRqe {
    /// The offset in the area, and the area's token.
    pub off: u64,
    /// The length in bytes.
    pub len: u32,
    /// Zero.
    pub __pad: u32,
}

/// The second half of a RECV_ZC completion (`struct io_uring_zcrx_cqe`, Linux 6.15).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ZcrxCqe>(), 16);
/// ```
#[doc(alias = "io_uring_zcrx_cqe")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxCqe {
    /// Where the data is: the offset in the area, and which area.
    pub off: u64,
    /// Zero.
    pub __pad: u64,
}

/// Where the words of the refill queue are in its region (`struct io_uring_zcrx_offsets`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ZcrxOffsets>(), 32);
/// ```
#[doc(alias = "io_uring_zcrx_offsets")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxOffsets {
    /// The kernel's index.
    pub head: u32,
    /// The program's index.
    pub tail: u32,
    /// The entries.
    pub rqes: u32,
    /// Zero.
    pub __resv2: u32,
    /// Zero.
    pub __resv: [u64; 2],
}

flags! {
    /// What an area is ([`ZcrxAreaReg::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ZcrxAreaFlags::DMABUF.bits(), 1);
    /// ```
    pub struct ZcrxAreaFlags: u32;
    /// Memory of a device: `dmabuf_fd`.
    DMABUF = 1 << 0, "IORING_ZCRX_AREA_DMABUF", "6.16";
}

/// An area that the device writes into (`struct io_uring_zcrx_area_reg`, Linux 6.15).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ZcrxAreaReg>(), 48);
/// ```
#[doc(alias = "io_uring_zcrx_area_reg")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxAreaReg {
    /// Its address; with `DMABUF` the offset in it.
    pub addr: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Answer: what a place given back carries beside its offset.
    pub rq_area_token: u64,
    /// What it is.
    pub flags: ZcrxAreaFlags,
    /// The device's memory, with `DMABUF`.
    pub dmabuf_fd: u32,
    /// Zero.
    pub __resv2: [u64; 2],
}

flags! {
    /// How a queue is registered ([`ZcrxIfqReg::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ZcrxRegFlags::NODEV.bits(), 2);
    /// ```
    pub struct ZcrxRegFlags: u32;
    /// It is one that another ring exported: its descriptor is in `if_idx`.
    IMPORT = 1 << 0, "ZCRX_REG_IMPORT", "6.19";
    /// Without a device: everything is copied.
    NODEV = 1 << 1, "ZCRX_REG_NODEV", "7.1";
}

flags! {
    /// What the kernel's zero-copy receive can do ([`QueryZcrx::features`](super::QueryZcrx)).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ZcrxFeatures::EVENT.bits(), 2);
    /// ```
    pub struct ZcrxFeatures: u32;
    /// [`ZcrxIfqReg::rx_buf_len`] is heeded.
    RX_PAGE_SIZE = 1 << 0, "ZCRX_FEATURE_RX_PAGE_SIZE", "7.0";
    /// Events are reported.
    EVENT = 1 << 1, "ZCRX_FEATURE_EVENT", "7.2";
}

/// A queue of a network device (`struct io_uring_zcrx_ifq_reg`, Linux 6.15).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ZcrxIfqReg>(), 96);
/// ```
#[doc(alias = "io_uring_zcrx_ifq_reg")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxIfqReg {
    /// The device's index.
    pub if_idx: u32,
    /// The queue.
    pub if_rxq: u32,
    /// Entries of the refill queue: asked for, and answered.
    pub rq_entries: u32,
    /// How.
    pub flags: ZcrxRegFlags,
    /// Address of the [`ZcrxAreaReg`].
    pub area_ptr: u64,
    /// Address of the [`RegionDesc`](super::RegionDesc) for the refill queue.
    pub region_ptr: u64,
    /// Answer: where its words are.
    pub offsets: ZcrxOffsets,
    /// Answer: the identifier, for RECV_ZC and for controls.
    pub zcrx_id: u32,
    /// The length in bytes of what the device writes at once; 0 for a page (7.0).
    pub rx_buf_len: u32,
    /// Address of the [`ZcrxEventDesc`]; 0 for none (7.2).
    pub event_desc: u64,
    /// Zero.
    pub __resv: [u64; 2],
}

numbers! {
    /// Something that befell a queue: one bit each in [`ZcrxEventDesc::type_mask`].
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ZcrxEventType::COPY.raw(), 1);
    /// ```
    pub struct ZcrxEventType: u32;
    /// The area is full.
    ALLOC_FAIL = 0, "ZCRX_EVENT_ALLOC_FAIL", "7.2";
    /// Data had to be copied.
    COPY = 1, "ZCRX_EVENT_COPY", "7.2";
}

flags! {
    /// What is reported besides events ([`ZcrxEventDesc::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ZcrxEventDescFlags::STATS.bits(), 1);
    /// ```
    pub struct ZcrxEventDescFlags: u32;
    /// Counts, at `stats_offset`.
    STATS = 1 << 0, "ZCRX_EVENT_DESC_FLAG_STATS", "7.2";
}

/// Which events are reported, and how (`struct zcrx_event_desc`, Linux 7.2).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ZcrxEventDesc>(), 96);
/// ```
#[doc(alias = "zcrx_event_desc")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxEventDesc {
    /// The `user_data` of their completions.
    pub user_data: u64,
    /// One bit per [`ZcrxEventType`].
    pub type_mask: u32,
    /// What else.
    pub flags: ZcrxEventDescFlags,
    /// Where in the refill queue's region the [`ZcrxStats`] are.
    pub stats_offset: u64,
    /// Zero.
    pub __resv2: [u64; 9],
}

/// How much was copied (`struct zcrx_stats`, Linux 7.2).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ZcrxStats>(), 16);
/// ```
#[doc(alias = "zcrx_stats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxStats {
    /// How often.
    pub copy_count: u64,
    /// How many bytes.
    pub copy_bytes: u64,
}

numbers! {
    /// What is done to a registered queue ([`ZcrxCtrl::op`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ZcrxCtrlOp::EXPORT.raw(), 1);
    /// ```
    pub struct ZcrxCtrlOp: u32;
    /// Takes everything out of the refill queue now.
    FLUSH_RQ = 0, "ZCRX_CTRL_FLUSH_RQ", "6.19";
    /// Makes a descriptor of it, for another ring: in the answer, word 0 of the payload.
    EXPORT = 1, "ZCRX_CTRL_EXPORT", "6.19";
    /// Reports an event again: its [`ZcrxEventType`] is word 0 of the payload.
    ARM_EVENT = 2, "ZCRX_CTRL_ARM_EVENT", "7.2";
}

/// A control of a registered queue (`struct zcrx_ctrl`, Linux 6.19).
///
/// ```
/// use annulus_ring::abi::{ZcrxCtrl, ZcrxCtrlOp};
/// let flush = ZcrxCtrl { zcrx_id: 1, op: ZcrxCtrlOp::FLUSH_RQ, ..ZcrxCtrl::default() };
/// assert_eq!(size_of_val(&flush), 72);
/// ```
#[doc(alias = "zcrx_ctrl")]
#[doc(alias = "zcrx_ctrl_flush_rq")]
#[doc(alias = "zcrx_ctrl_export")]
#[doc(alias = "zcrx_ctrl_arm_event")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZcrxCtrl {
    /// Which queue.
    pub zcrx_id: u32,
    /// What is done.
    pub op: ZcrxCtrlOp,
    /// Zero.
    pub __resv: [u64; 2],
    /// The descriptor that an export answers (`zc_export.zcrx_fd`), or the event to report again
    /// (`zc_arm_event.event_type`); else zero.
    #[doc(alias = "event_type")]
    pub zcrx_fd: u32,
    /// Zero.
    pub __resv1: [u32; 11],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<ZcrxRqe>() == 16 && align_of::<ZcrxRqe>() == 8);
    assert!(offset_of!(ZcrxRqe, off) == 0 && offset_of!(ZcrxRqe, len) == 8);
    assert!(offset_of!(ZcrxRqe, __pad) == 12);
    assert!(size_of::<ZcrxCqe>() == 16 && align_of::<ZcrxCqe>() == 8);
    assert!(offset_of!(ZcrxCqe, off) == 0 && offset_of!(ZcrxCqe, __pad) == 8);
    assert!(size_of::<ZcrxOffsets>() == 32 && align_of::<ZcrxOffsets>() == 8);
    assert!(offset_of!(ZcrxOffsets, head) == 0 && offset_of!(ZcrxOffsets, tail) == 4);
    assert!(offset_of!(ZcrxOffsets, rqes) == 8 && offset_of!(ZcrxOffsets, __resv2) == 12);
    assert!(offset_of!(ZcrxOffsets, __resv) == 16);
    assert!(size_of::<ZcrxAreaReg>() == 48 && align_of::<ZcrxAreaReg>() == 8);
    assert!(offset_of!(ZcrxAreaReg, addr) == 0 && offset_of!(ZcrxAreaReg, len) == 8);
    assert!(offset_of!(ZcrxAreaReg, rq_area_token) == 16 && offset_of!(ZcrxAreaReg, flags) == 24);
    assert!(offset_of!(ZcrxAreaReg, dmabuf_fd) == 28 && offset_of!(ZcrxAreaReg, __resv2) == 32);
    assert!(size_of::<ZcrxIfqReg>() == 96 && align_of::<ZcrxIfqReg>() == 8);
    assert!(offset_of!(ZcrxIfqReg, if_idx) == 0 && offset_of!(ZcrxIfqReg, if_rxq) == 4);
    assert!(offset_of!(ZcrxIfqReg, rq_entries) == 8 && offset_of!(ZcrxIfqReg, flags) == 12);
    assert!(offset_of!(ZcrxIfqReg, area_ptr) == 16 && offset_of!(ZcrxIfqReg, region_ptr) == 24);
    assert!(offset_of!(ZcrxIfqReg, offsets) == 32 && offset_of!(ZcrxIfqReg, zcrx_id) == 64);
    assert!(offset_of!(ZcrxIfqReg, rx_buf_len) == 68 && offset_of!(ZcrxIfqReg, event_desc) == 72);
    assert!(offset_of!(ZcrxIfqReg, __resv) == 80);
    assert!(size_of::<ZcrxEventDesc>() == 96 && align_of::<ZcrxEventDesc>() == 8);
    assert!(offset_of!(ZcrxEventDesc, user_data) == 0 && offset_of!(ZcrxEventDesc, type_mask) == 8);
    assert!(
        offset_of!(ZcrxEventDesc, flags) == 12 && offset_of!(ZcrxEventDesc, stats_offset) == 16
    );
    assert!(offset_of!(ZcrxEventDesc, __resv2) == 24);
    assert!(size_of::<ZcrxStats>() == 16 && align_of::<ZcrxStats>() == 8);
    assert!(offset_of!(ZcrxStats, copy_count) == 0 && offset_of!(ZcrxStats, copy_bytes) == 8);
    assert!(size_of::<ZcrxCtrl>() == 72 && align_of::<ZcrxCtrl>() == 8);
    assert!(offset_of!(ZcrxCtrl, zcrx_id) == 0 && offset_of!(ZcrxCtrl, op) == 4);
    assert!(offset_of!(ZcrxCtrl, __resv) == 8 && offset_of!(ZcrxCtrl, zcrx_fd) == 24);
    assert!(offset_of!(ZcrxCtrl, __resv1) == 28);
};

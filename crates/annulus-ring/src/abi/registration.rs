//! The arguments of the other registrations: probe, restrictions, clock, memory regions, NAPI and
//! cancellation that waits.

use super::newtypes::{flags, numbers};
use super::opflags::CancelFlags;
use super::setup::Timespec;
use super::sqe::Op;

flags! {
    /// What a probe says of an operation ([`ProbeOp::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ProbeOpFlags::SUPPORTED.bits(), 1);
    /// ```
    pub struct ProbeOpFlags: u16;
    /// The kernel has it.
    SUPPORTED = 1 << 0, "IO_URING_OP_SUPPORTED", "5.6";
}

/// How the answer to a probe begins (`struct io_uring_probe`): then come as many [`ProbeOp`] as
/// were asked for.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::Probe>(), 16);
/// ```
#[doc(alias = "io_uring_probe")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Probe {
    /// Answer: the last operation that the kernel knows.
    pub last_op: Op,
    /// Answer: how many [`ProbeOp`] were written.
    pub ops_len: u8,
    /// Zero.
    pub resv: u16,
    /// Zero.
    pub resv2: [u32; 3],
}

/// One operation in the answer to a probe (`struct io_uring_probe_op`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ProbeOp>(), 8);
/// ```
#[doc(alias = "io_uring_probe_op")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ProbeOp {
    /// Which.
    pub op: Op,
    /// Zero.
    pub resv: u8,
    /// What is known of it.
    pub flags: ProbeOpFlags,
    /// Zero.
    pub resv2: u32,
}

numbers! {
    /// What a [`Restriction`] is about.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::RestrictionOp::SQE_OP.raw(), 1);
    /// ```
    pub struct RestrictionOp: u16;
    /// Allows a registration.
    REGISTER_OP = 0, "IORING_RESTRICTION_REGISTER_OP", "5.10";
    /// Allows an operation.
    SQE_OP = 1, "IORING_RESTRICTION_SQE_OP", "5.10";
    /// Allows flags of entries.
    SQE_FLAGS_ALLOWED = 2, "IORING_RESTRICTION_SQE_FLAGS_ALLOWED", "5.10";
    /// Requires flags of entries.
    SQE_FLAGS_REQUIRED = 3, "IORING_RESTRICTION_SQE_FLAGS_REQUIRED", "5.10";
}

/// Something that a restricted ring may do (`struct io_uring_restriction`, Linux 5.10).
///
/// ```
/// use annulus_ring::abi::{Op, Restriction, RestrictionOp};
/// let reads = Restriction {
///     opcode: RestrictionOp::SQE_OP,
///     sqe_op: Op::READ.raw(),
///     ..Restriction::default()
/// };
/// assert_eq!(size_of_val(&reads), 16);
/// ```
#[doc(alias = "io_uring_restriction")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Restriction {
    /// What it is about.
    pub opcode: RestrictionOp,
    /// The operation, the registration (`register_op`) or the flags (`sqe_flags`).
    #[doc(alias = "register_op")]
    #[doc(alias = "sqe_flags")]
    pub sqe_op: u8,
    /// Zero.
    pub resv: u8,
    /// Zero.
    pub resv2: [u32; 3],
}

/// How the restriction of a whole task begins (`struct io_uring_task_restriction`, Linux 7.0): then
/// come `nr_res` [`Restriction`]s.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::TaskRestriction>(), 16);
/// ```
#[doc(alias = "io_uring_task_restriction")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TaskRestriction {
    /// Zero.
    pub flags: u16,
    /// How many.
    pub nr_res: u16,
    /// Zero.
    pub resv: [u32; 3],
}

numbers! {
    /// A clock.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ClockId::BOOTTIME.raw(), 7);
    /// ```
    pub struct ClockId: u32;
    /// The wall clock: not for waits.
    REALTIME = 0, "CLOCK_REALTIME", "2.6";
    /// Time since boot, without the time asleep.
    MONOTONIC = 1, "CLOCK_MONOTONIC", "2.6";
    /// Time since boot.
    BOOTTIME = 7, "CLOCK_BOOTTIME", "2.6.39";
}

/// The clock of a ring's waits (`struct io_uring_clock_register`, Linux 6.12): `MONOTONIC`, as
/// without it, or `BOOTTIME`.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::ClockRegister>(), 16);
/// ```
#[doc(alias = "io_uring_clock_register")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ClockRegister {
    /// Which.
    pub clockid: ClockId,
    /// Zero.
    pub __resv: [u32; 3],
}

flags! {
    /// Whose memory a region is ([`RegionDesc::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::MemRegionTypeFlags::USER.bits(), 1);
    /// ```
    pub struct MemRegionTypeFlags: u32;
    /// The program's, at `user_addr`; else the kernel's, to be mapped at `mmap_offset`.
    USER = 1 << 0, "IORING_MEM_REGION_TYPE_USER", "6.13";
}

/// Memory shared with the kernel (`struct io_uring_region_desc`, Linux 6.13).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::RegionDesc>(), 64);
/// ```
#[doc(alias = "io_uring_region_desc")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RegionDesc {
    /// Its address, with `USER`.
    pub user_addr: u64,
    /// Its length in bytes: whole pages.
    pub size: u64,
    /// Whose it is.
    pub flags: MemRegionTypeFlags,
    /// Zero.
    pub id: u32,
    /// Answer: where to map it, without `USER`.
    pub mmap_offset: u64,
    /// Zero.
    pub __resv: [u64; 4],
}

flags! {
    /// What a region is for ([`MemRegionReg::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::MemRegionFlags::REG_WAIT_ARG.bits(), 1);
    /// ```
    pub struct MemRegionFlags: u64;
    /// An array of [`RegWait`](super::RegWait): only while the ring is disabled.
    REG_WAIT_ARG = 1 << 0, "IORING_MEM_REGION_REG_WAIT_ARG", "6.13";
}

/// A region and what it is for (`struct io_uring_mem_region_reg`, Linux 6.13).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::MemRegionReg>(), 32);
/// ```
#[doc(alias = "io_uring_mem_region_reg")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct MemRegionReg {
    /// Address of the [`RegionDesc`].
    pub region_uptr: u64,
    /// What for.
    pub flags: MemRegionFlags,
    /// Zero.
    pub __resv: [u64; 2],
}

numbers! {
    /// What a [`Napi`] asks for.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::NapiOp::STATIC_ADD_ID.raw(), 1);
    /// ```
    pub struct NapiOp: u8;
    /// Begins or ends busy polling: `op_param` is a [`NapiTracking`].
    REGISTER_OP = 0, "IO_URING_NAPI_REGISTER_OP", "6.13";
    /// Adds the device queue `op_param`.
    STATIC_ADD_ID = 1, "IO_URING_NAPI_STATIC_ADD_ID", "6.13";
    /// Removes it.
    STATIC_DEL_ID = 2, "IO_URING_NAPI_STATIC_DEL_ID", "6.13";
}

numbers! {
    /// How the ring learns which device queues to poll.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::NapiTracking::INACTIVE.raw(), 255);
    /// ```
    pub struct NapiTracking: u32;
    /// From the sockets that it uses.
    DYNAMIC = 0, "IO_URING_NAPI_TRACKING_DYNAMIC", "6.13";
    /// From the program.
    STATIC = 1, "IO_URING_NAPI_TRACKING_STATIC", "6.13";
    /// It polls none.
    INACTIVE = 255, "IO_URING_NAPI_TRACKING_INACTIVE", "6.13";
}

/// Busy polling of network devices (`struct io_uring_napi`, Linux 6.9). The answer is what was set
/// before.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::Napi>(), 16);
/// ```
#[doc(alias = "io_uring_napi")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Napi {
    /// How long to poll, in microseconds.
    pub busy_poll_to: u32,
    /// Whether to keep interrupts off meanwhile: 0 or 1.
    pub prefer_busy_poll: u8,
    /// What is asked for (6.13).
    pub opcode: NapiOp,
    /// Zero.
    pub pad: [u8; 2],
    /// What that is about (6.13).
    pub op_param: u32,
    /// Zero.
    pub resv: u32,
}

/// What is cancelled, and how long to wait for it (`struct io_uring_sync_cancel_reg`, Linux 6.0).
///
/// ```
/// use annulus_ring::abi::{CancelFlags, SyncCancelReg};
/// let all = SyncCancelReg { flags: CancelFlags::ANY, ..SyncCancelReg::default() };
/// assert_eq!((size_of_val(&all), all.timeout.tv_sec), (64, -1));
/// ```
#[doc(alias = "io_uring_sync_cancel_reg")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SyncCancelReg {
    /// The `user_data` to match.
    pub addr: u64,
    /// The file to match.
    pub fd: i32,
    /// What is matched.
    pub flags: CancelFlags,
    /// How long to wait; −1 in both for ever.
    pub timeout: Timespec,
    /// The operation to match (6.6).
    pub opcode: Op,
    /// Zero.
    pub pad: [u8; 7],
    /// Zero.
    pub pad2: [u64; 3],
}

impl Default for SyncCancelReg {
    /// Matches `user_data` 0, and waits for ever.
    fn default() -> Self {
        Self {
            addr: 0,
            fd: -1,
            flags: CancelFlags::empty(),
            timeout: Timespec { tv_sec: -1, tv_nsec: -1 },
            opcode: Op::NOP,
            pad: [0; 7],
            pad2: [0; 3],
        }
    }
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Probe>() == 16 && align_of::<Probe>() == 4);
    assert!(offset_of!(Probe, last_op) == 0 && offset_of!(Probe, ops_len) == 1);
    assert!(offset_of!(Probe, resv) == 2 && offset_of!(Probe, resv2) == 4);
    assert!(size_of::<ProbeOp>() == 8 && align_of::<ProbeOp>() == 4);
    assert!(offset_of!(ProbeOp, op) == 0 && offset_of!(ProbeOp, resv) == 1);
    assert!(offset_of!(ProbeOp, flags) == 2 && offset_of!(ProbeOp, resv2) == 4);
    assert!(size_of::<Restriction>() == 16 && align_of::<Restriction>() == 4);
    assert!(offset_of!(Restriction, opcode) == 0 && offset_of!(Restriction, sqe_op) == 2);
    assert!(offset_of!(Restriction, resv) == 3 && offset_of!(Restriction, resv2) == 4);
    assert!(size_of::<TaskRestriction>() == 16 && align_of::<TaskRestriction>() == 4);
    assert!(offset_of!(TaskRestriction, flags) == 0 && offset_of!(TaskRestriction, nr_res) == 2);
    assert!(offset_of!(TaskRestriction, resv) == 4);
    assert!(size_of::<ClockRegister>() == 16 && align_of::<ClockRegister>() == 4);
    assert!(offset_of!(ClockRegister, clockid) == 0 && offset_of!(ClockRegister, __resv) == 4);
    assert!(size_of::<RegionDesc>() == 64 && align_of::<RegionDesc>() == 8);
    assert!(offset_of!(RegionDesc, user_addr) == 0 && offset_of!(RegionDesc, size) == 8);
    assert!(offset_of!(RegionDesc, flags) == 16 && offset_of!(RegionDesc, id) == 20);
    assert!(offset_of!(RegionDesc, mmap_offset) == 24 && offset_of!(RegionDesc, __resv) == 32);
    assert!(size_of::<MemRegionReg>() == 32 && align_of::<MemRegionReg>() == 8);
    assert!(offset_of!(MemRegionReg, region_uptr) == 0 && offset_of!(MemRegionReg, flags) == 8);
    assert!(offset_of!(MemRegionReg, __resv) == 16);
    assert!(size_of::<Napi>() == 16 && align_of::<Napi>() == 4);
    assert!(offset_of!(Napi, busy_poll_to) == 0 && offset_of!(Napi, prefer_busy_poll) == 4);
    assert!(offset_of!(Napi, opcode) == 5 && offset_of!(Napi, pad) == 6);
    assert!(offset_of!(Napi, op_param) == 8 && offset_of!(Napi, resv) == 12);
    assert!(size_of::<SyncCancelReg>() == 64 && align_of::<SyncCancelReg>() == 8);
    assert!(offset_of!(SyncCancelReg, addr) == 0 && offset_of!(SyncCancelReg, fd) == 8);
    assert!(offset_of!(SyncCancelReg, flags) == 12 && offset_of!(SyncCancelReg, timeout) == 16);
    assert!(offset_of!(SyncCancelReg, opcode) == 32 && offset_of!(SyncCancelReg, pad) == 33);
    assert!(offset_of!(SyncCancelReg, pad2) == 40);
};

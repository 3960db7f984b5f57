//! Questions to the kernel that need no ring (`IORING_REGISTER_QUERY`, Linux 6.18).

use super::newtypes::numbers;

numbers! {
    /// What is asked ([`QueryHdr::query_op`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::QueryOp::SCQ.raw(), 2);
    /// ```
    pub struct QueryOp: u32;
    /// Which operations, registrations and flags there are: a [`QueryOpcode`].
    OPCODES = 0, "IO_URING_QUERY_OPCODES", "6.18";
    /// What receiving without copying can do: a [`QueryZcrx`].
    ZCRX = 1, "IO_URING_QUERY_ZCRX", "6.19";
    /// How large the head of the queues is: a [`QueryScq`].
    SCQ = 2, "IO_URING_QUERY_SCQ", "6.19";
    /// Which events receiving without copying reports: a [`QueryZcrxEvent`].
    ZCRX_EVENT = 3, "IO_URING_QUERY_ZCRX_EVENT", "7.2";
}

/// A question (`struct io_uring_query_hdr`). Several can be chained.
///
/// ```
/// use annulus_ring::abi::{QueryHdr, QueryOp};
/// let hdr = QueryHdr { query_op: QueryOp::OPCODES, size: 48, ..QueryHdr::default() };
/// assert_eq!(size_of_val(&hdr), 40);
/// ```
#[doc(alias = "io_uring_query_hdr")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueryHdr {
    /// Address of the next question; 0 for the last.
    pub next_entry: u64,
    /// Address of the memory for the answer.
    pub query_data: u64,
    /// What is asked.
    pub query_op: QueryOp,
    /// Length of that memory in bytes; in the answer, how much was written.
    pub size: u32,
    /// Answer: 0, or `-errno` (`EOPNOTSUPP`: the kernel does not know the question).
    pub result: i32,
    /// Zero.
    pub __resv: [u32; 3],
}

/// What the kernel can do (`struct io_uring_query_opcode`). The flags are 64 bits wide here: the
/// low 32 are [`Features`](super::Features), [`SetupFlags`](super::SetupFlags),
/// [`EnterFlags`](super::EnterFlags) and [`SqeFlags`](super::SqeFlags).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::QueryOpcode>(), 48);
/// ```
#[doc(alias = "io_uring_query_opcode")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueryOpcode {
    /// How many operations: the last one's number and 1.
    pub nr_request_opcodes: u32,
    /// How many registrations.
    pub nr_register_opcodes: u32,
    /// The features.
    pub feature_flags: u64,
    /// The set-up flags.
    pub ring_setup_flags: u64,
    /// The flags of `io_uring_enter(2)`.
    pub enter_flags: u64,
    /// The flags of entries.
    pub sqe_flags: u64,
    /// How many questions.
    pub nr_query_opcodes: u32,
    /// Zero.
    pub __pad: u32,
}

/// What receiving without copying can do (`struct io_uring_query_zcrx`, Linux 6.19).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::QueryZcrx>(), 40);
/// ```
#[doc(alias = "io_uring_query_zcrx")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueryZcrx {
    /// The flags of a registration ([`ZcrxRegFlags`](super::ZcrxRegFlags)).
    pub register_flags: u64,
    /// The flags of an area ([`ZcrxAreaFlags`](super::ZcrxAreaFlags)).
    pub area_flags: u64,
    /// How many controls ([`ZcrxCtrlOp`](super::ZcrxCtrlOp)).
    pub nr_ctrl_opcodes: u32,
    /// The features ([`ZcrxFeatures`](super::ZcrxFeatures)); zero before Linux 7.0.
    pub features: super::ZcrxFeatures,
    /// How many bytes the head of the refill queue takes.
    pub rq_hdr_size: u32,
    /// Its alignment in bytes.
    pub rq_hdr_alignment: u32,
    /// Zero.
    pub __resv2: u64,
}

/// Which events receiving without copying reports (`struct io_uring_query_zcrx_event`, Linux 7.2).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::QueryZcrxEvent>(), 48);
/// ```
#[doc(alias = "io_uring_query_zcrx_event")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueryZcrxEvent {
    /// One bit per [`ZcrxEventType`](super::ZcrxEventType).
    pub event_flags: u32,
    /// Length of a [`ZcrxStats`](super::ZcrxStats) in bytes.
    pub stats_size: u32,
    /// Its alignment in bytes.
    pub stats_off_alignment: u32,
    /// Zero.
    pub __resv1: u32,
    /// Zero.
    pub __resv2: [u64; 4],
}

/// How large the head of the queues is (`struct io_uring_query_scq`, Linux 6.19): for those who
/// give the memory themselves (`NO_MMAP`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::QueryScq>(), 16);
/// ```
#[doc(alias = "io_uring_query_scq")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueryScq {
    /// How many bytes it takes.
    pub hdr_size: u64,
    /// Its alignment in bytes.
    pub hdr_alignment: u64,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<QueryHdr>() == 40 && align_of::<QueryHdr>() == 8);
    assert!(offset_of!(QueryHdr, next_entry) == 0 && offset_of!(QueryHdr, query_data) == 8);
    assert!(offset_of!(QueryHdr, query_op) == 16 && offset_of!(QueryHdr, size) == 20);
    assert!(offset_of!(QueryHdr, result) == 24 && offset_of!(QueryHdr, __resv) == 28);
    assert!(size_of::<QueryOpcode>() == 48 && align_of::<QueryOpcode>() == 8);
    assert!(offset_of!(QueryOpcode, nr_request_opcodes) == 0);
    assert!(offset_of!(QueryOpcode, nr_register_opcodes) == 4);
    assert!(offset_of!(QueryOpcode, feature_flags) == 8);
    assert!(offset_of!(QueryOpcode, ring_setup_flags) == 16);
    assert!(offset_of!(QueryOpcode, enter_flags) == 24);
    assert!(offset_of!(QueryOpcode, sqe_flags) == 32);
    assert!(offset_of!(QueryOpcode, nr_query_opcodes) == 40);
    assert!(offset_of!(QueryOpcode, __pad) == 44);
    assert!(size_of::<QueryZcrx>() == 40 && align_of::<QueryZcrx>() == 8);
    assert!(offset_of!(QueryZcrx, register_flags) == 0);
    assert!(offset_of!(QueryZcrx, area_flags) == 8);
    assert!(offset_of!(QueryZcrx, nr_ctrl_opcodes) == 16 && offset_of!(QueryZcrx, features) == 20);
    assert!(offset_of!(QueryZcrx, rq_hdr_size) == 24);
    assert!(offset_of!(QueryZcrx, rq_hdr_alignment) == 28 && offset_of!(QueryZcrx, __resv2) == 32);
    assert!(size_of::<QueryZcrxEvent>() == 48 && align_of::<QueryZcrxEvent>() == 8);
    assert!(offset_of!(QueryZcrxEvent, event_flags) == 0);
    assert!(offset_of!(QueryZcrxEvent, stats_size) == 4);
    assert!(offset_of!(QueryZcrxEvent, stats_off_alignment) == 8);
    assert!(offset_of!(QueryZcrxEvent, __resv1) == 12 && offset_of!(QueryZcrxEvent, __resv2) == 16);
    assert!(size_of::<QueryScq>() == 16 && align_of::<QueryScq>() == 8);
    assert!(offset_of!(QueryScq, hdr_size) == 0 && offset_of!(QueryScq, hdr_alignment) == 8);
};

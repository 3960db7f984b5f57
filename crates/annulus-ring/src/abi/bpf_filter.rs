//! Programs that judge entries (`IORING_REGISTER_BPF_FILTER`, Linux 7.0): classic BPF, one or more
//! per operation, for a ring or for a task and its children. An entry that one of them answers with
//! 0 ends in `EACCES`.

use super::newtypes::{flags, numbers};
use super::sqe::{Op, SqeFlags};

numbers! {
    /// What a [`Bpf`] asks for.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::BpfCommand::FILTER.raw(), 1);
    /// ```
    pub struct BpfCommand: u16;
    /// Registers a filter.
    FILTER = 1, "IO_URING_BPF_CMD_FILTER", "7.0";
}

flags! {
    /// How a filter is registered ([`BpfFilter::flags`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::BpfFilterFlags::SZ_STRICT.bits(), 2);
    /// ```
    pub struct BpfFilterFlags: u32;
    /// Deny every operation that has no filter so far.
    DENY_REST = 1 << 0, "IO_URING_BPF_FILTER_DENY_REST", "7.0";
    /// Fail with `EMSGSIZE` unless [`BpfFilter::pdu_size`] is the kernel's.
    SZ_STRICT = 1 << 1, "IO_URING_BPF_FILTER_SZ_STRICT", "7.0";
}

/// How what a filter reads begins (`struct io_uring_bpf_ctx`): then come `pdu_size` bytes that
/// depend on the operation, for SOCKET a [`BpfSocket`], for OPENAT and OPENAT2 a [`BpfOpen`].
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::BpfCtx>(), 16);
/// ```
#[doc(alias = "io_uring_bpf_ctx")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BpfCtx {
    /// The entry's.
    pub user_data: u64,
    /// The operation.
    pub opcode: Op,
    /// The entry's flags.
    pub sqe_flags: SqeFlags,
    /// How many bytes follow.
    pub pdu_size: u8,
    /// Zero.
    pub pad: [u8; 5],
}

/// What a filter reads of a SOCKET.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::BpfSocket>(), 12);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BpfSocket {
    /// The address family.
    pub family: u32,
    /// The type.
    pub r#type: u32,
    /// The protocol.
    pub protocol: u32,
}

/// What a filter reads of an OPENAT or OPENAT2.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::BpfOpen>(), 24);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BpfOpen {
    /// How it is opened.
    pub flags: u64,
    /// The new file's mode.
    pub mode: u64,
    /// How the path is walked.
    pub resolve: u64,
}

/// An instruction of classic BPF (`struct sock_filter`).
///
/// ```
/// use annulus_ring::abi::BpfInstruction;
/// let allow = BpfInstruction { code: 6, k: 1, ..BpfInstruction::default() }; // return 1
/// assert_eq!(size_of_val(&allow), 8);
/// ```
#[doc(alias = "sock_filter")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BpfInstruction {
    /// What it does.
    pub code: u16,
    /// How many instructions to skip if true.
    pub jt: u8,
    /// How many if false.
    pub jf: u8,
    /// Its constant.
    pub k: u32,
}

/// A filter (`struct io_uring_bpf_filter`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::BpfFilter>(), 64);
/// ```
#[doc(alias = "io_uring_bpf_filter")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BpfFilter {
    /// The operation it judges: an [`Op`], widened.
    pub opcode: u32,
    /// How.
    pub flags: BpfFilterFlags,
    /// How many instructions.
    pub filter_len: u32,
    /// How many bytes it expects after the [`BpfCtx`]; after `EMSGSIZE`, how many the kernel has.
    pub pdu_size: u8,
    /// Zero.
    pub resv: [u8; 3],
    /// Address of the [`BpfInstruction`]s.
    pub filter_ptr: u64,
    /// Zero.
    pub resv2: [u64; 5],
}

/// The argument of the registration (`struct io_uring_bpf`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::Bpf>(), 72);
/// ```
#[doc(alias = "io_uring_bpf")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Bpf {
    /// What is asked for.
    pub cmd_type: BpfCommand,
    /// Zero.
    pub cmd_flags: u16,
    /// Zero.
    pub resv: u32,
    /// The filter.
    pub filter: BpfFilter,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<BpfCtx>() == 16 && align_of::<BpfCtx>() == 8);
    assert!(offset_of!(BpfCtx, user_data) == 0 && offset_of!(BpfCtx, opcode) == 8);
    assert!(offset_of!(BpfCtx, sqe_flags) == 9 && offset_of!(BpfCtx, pdu_size) == 10);
    assert!(offset_of!(BpfCtx, pad) == 11);
    assert!(size_of::<BpfSocket>() == 12 && offset_of!(BpfSocket, family) == 0);
    assert!(offset_of!(BpfSocket, r#type) == 4 && offset_of!(BpfSocket, protocol) == 8);
    assert!(size_of::<BpfOpen>() == 24 && offset_of!(BpfOpen, flags) == 0);
    assert!(offset_of!(BpfOpen, mode) == 8 && offset_of!(BpfOpen, resolve) == 16);
    assert!(size_of::<BpfInstruction>() == 8 && offset_of!(BpfInstruction, code) == 0);
    assert!(offset_of!(BpfInstruction, jt) == 2 && offset_of!(BpfInstruction, jf) == 3);
    assert!(offset_of!(BpfInstruction, k) == 4);
    assert!(size_of::<BpfFilter>() == 64 && align_of::<BpfFilter>() == 8);
    assert!(offset_of!(BpfFilter, opcode) == 0 && offset_of!(BpfFilter, flags) == 4);
    assert!(offset_of!(BpfFilter, filter_len) == 8 && offset_of!(BpfFilter, pdu_size) == 12);
    assert!(offset_of!(BpfFilter, resv) == 13 && offset_of!(BpfFilter, filter_ptr) == 16);
    assert!(offset_of!(BpfFilter, resv2) == 24);
    assert!(size_of::<Bpf>() == 72 && align_of::<Bpf>() == 8);
    assert!(offset_of!(Bpf, cmd_type) == 0 && offset_of!(Bpf, cmd_flags) == 2);
    assert!(offset_of!(Bpf, resv) == 4 && offset_of!(Bpf, filter) == 8);
};

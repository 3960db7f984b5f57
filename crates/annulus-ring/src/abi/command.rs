//! The commands that URING_CMD carries (`sqe->cmd_op`): of sockets, block devices and NVMe.

use super::newtypes::numbers;

numbers! {
    /// A command of a socket.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::SocketOp::SETSOCKOPT.raw(), 3);
    /// ```
    pub struct SocketOp: u32;
    /// How many bytes wait to be received.
    SIOCINQ = 0, "SOCKET_URING_OP_SIOCINQ", "6.6";
    /// How many bytes wait to be sent.
    SIOCOUTQ = 1, "SOCKET_URING_OP_SIOCOUTQ", "6.6";
    /// Reads an option: only those of `SOL_SOCKET`.
    GETSOCKOPT = 2, "SOCKET_URING_OP_GETSOCKOPT", "6.7";
    /// Sets an option.
    SETSOCKOPT = 3, "SOCKET_URING_OP_SETSOCKOPT", "6.7";
    /// Reports when packets were sent: 32-byte completions, each with an [`IoTimespec`].
    TX_TIMESTAMP = 4, "SOCKET_URING_OP_TX_TIMESTAMP", "6.17";
    /// Reads the socket's own or its peer's address.
    GETSOCKNAME = 5, "SOCKET_URING_OP_GETSOCKNAME", "6.19";
}

/// In the flags of a TX_TIMESTAMP completion: how far the "by the hardware" bit is shifted
/// ([`CqeFlags::TSTAMP_HW`](super::CqeFlags::TSTAMP_HW)).
///
/// ```
/// use annulus_ring::abi::{CqeFlags, TIMESTAMP_HW_SHIFT};
/// assert_eq!(CqeFlags::TSTAMP_HW.bits(), 1 << TIMESTAMP_HW_SHIFT);
/// ```
#[doc(alias = "IORING_TIMESTAMP_HW_SHIFT")]
pub const TIMESTAMP_HW_SHIFT: u32 = 16;

/// In the flags of a TX_TIMESTAMP completion: how far the kind of time stamp is shifted.
///
/// ```
/// assert_eq!(annulus_ring::abi::TIMESTAMP_TYPE_SHIFT, 17);
/// ```
#[doc(alias = "IORING_TIMESTAMP_TYPE_SHIFT")]
pub const TIMESTAMP_TYPE_SHIFT: u32 = 17;

/// The second half of a TX_TIMESTAMP completion (`struct io_timespec`, Linux 6.17).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::IoTimespec>(), 16);
/// ```
#[doc(alias = "io_timespec")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct IoTimespec {
    /// Seconds.
    pub tv_sec: u64,
    /// Nanoseconds.
    pub tv_nsec: u64,
}

/// `_IOC` of `asm-generic/ioctl.h`, which x86-64, aarch64 and riscv64 share: how a command's
/// number, its device's letter, its argument's size and direction make one number.
const fn ioc(direction: u32, letter: u8, number: u8, argument_bytes: usize) -> u32 {
    direction << 30 | (argument_bytes as u32) << 16 | (letter as u32) << 8 | number as u32
}

/// No argument.
const IOC_NONE: u32 = 0;
/// An argument read and written.
const IOC_READ_WRITE: u32 = 3;

numbers! {
    /// A command of a block device.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::BlockCommand::DISCARD.raw(), 0x1200);
    /// ```
    pub struct BlockCommand: u32;
    /// Discards a range: its offset in bytes is in `addr`, its length in `addr3`.
    DISCARD = ioc(IOC_NONE, 0x12, 0, 0), "BLOCK_URING_CMD_DISCARD", "6.12";
}

numbers! {
    /// A command of an NVMe device, with an [`NvmeUringCmd`] in the entry.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::NvmeCommand::IO.raw(), 0xc048_4e80);
    /// ```
    pub struct NvmeCommand: u32;
    /// An I/O command.
    IO = ioc(IOC_READ_WRITE, b'N', 0x80, size_of::<NvmeUringCmd>()), "NVME_URING_CMD_IO", "5.19";
    /// An I/O command on an array of `iovec`.
    IO_VEC = ioc(IOC_READ_WRITE, b'N', 0x81, size_of::<NvmeUringCmd>()),
        "NVME_URING_CMD_IO_VEC", "5.19";
    /// An administrative command.
    ADMIN = ioc(IOC_READ_WRITE, b'N', 0x82, size_of::<NvmeUringCmd>()),
        "NVME_URING_CMD_ADMIN", "6.0";
    /// An administrative command on an array of `iovec`.
    ADMIN_VEC = ioc(IOC_READ_WRITE, b'N', 0x83, size_of::<NvmeUringCmd>()),
        "NVME_URING_CMD_ADMIN_VEC", "6.0";
}

/// An NVMe command as a 128-byte entry carries it, from [`Sqe::addr3`](super::Sqe::addr3) on
/// (`struct nvme_uring_cmd`, Linux 5.19). Its field names are those of the NVMe specification.
///
/// ```
/// use annulus_ring::abi::NvmeUringCmd;
/// let read = NvmeUringCmd { opcode: 2, nsid: 1, ..NvmeUringCmd::default() };
/// assert_eq!(size_of_val(&read), 72);
/// ```
#[doc(alias = "nvme_uring_cmd")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NvmeUringCmd {
    /// Which command.
    pub opcode: u8,
    /// Zero.
    pub flags: u8,
    /// Zero.
    pub rsvd1: u16,
    /// The namespace.
    pub nsid: u32,
    /// Word 2 of the command.
    pub cdw2: u32,
    /// Word 3.
    pub cdw3: u32,
    /// Address of the metadata.
    pub metadata: u64,
    /// Address of the data, or of the array of `iovec`.
    pub addr: u64,
    /// Length of the metadata in bytes.
    pub metadata_len: u32,
    /// Length of the data in bytes, or how many `iovec`s.
    pub data_len: u32,
    /// Word 10.
    pub cdw10: u32,
    /// Word 11.
    pub cdw11: u32,
    /// Word 12.
    pub cdw12: u32,
    /// Word 13.
    pub cdw13: u32,
    /// Word 14.
    pub cdw14: u32,
    /// Word 15.
    pub cdw15: u32,
    /// The time limit in milliseconds; 0 for the driver's.
    pub timeout_ms: u32,
    /// Zero.
    pub rsvd2: u32,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<IoTimespec>() == 16 && align_of::<IoTimespec>() == 8);
    assert!(offset_of!(IoTimespec, tv_sec) == 0 && offset_of!(IoTimespec, tv_nsec) == 8);
    assert!(size_of::<NvmeUringCmd>() == 72 && align_of::<NvmeUringCmd>() == 8);
    assert!(offset_of!(NvmeUringCmd, opcode) == 0 && offset_of!(NvmeUringCmd, flags) == 1);
    assert!(offset_of!(NvmeUringCmd, rsvd1) == 2 && offset_of!(NvmeUringCmd, nsid) == 4);
    assert!(offset_of!(NvmeUringCmd, cdw2) == 8 && offset_of!(NvmeUringCmd, cdw3) == 12);
    assert!(offset_of!(NvmeUringCmd, metadata) == 16 && offset_of!(NvmeUringCmd, addr) == 24);
    assert!(offset_of!(NvmeUringCmd, metadata_len) == 32);
    assert!(offset_of!(NvmeUringCmd, data_len) == 36 && offset_of!(NvmeUringCmd, cdw10) == 40);
    assert!(offset_of!(NvmeUringCmd, cdw11) == 44 && offset_of!(NvmeUringCmd, cdw12) == 48);
    assert!(offset_of!(NvmeUringCmd, cdw13) == 52 && offset_of!(NvmeUringCmd, cdw14) == 56);
    assert!(offset_of!(NvmeUringCmd, cdw15) == 60 && offset_of!(NvmeUringCmd, timeout_ms) == 64);
    assert!(offset_of!(NvmeUringCmd, rsvd2) == 68);
    // The 80 bytes that a 128-byte entry has for a command hold it.
    assert!(size_of::<NvmeUringCmd>() <= 128 - offset_of!(super::Sqe, addr3));
};

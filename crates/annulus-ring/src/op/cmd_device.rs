//! Commands of devices by URING_CMD: NVMe pass-through, and discarding on a block device.

use super::field::pair;
use super::{Target, UringCmd128, entry, operation};
use crate::abi::{BlockCommand, BufIndex, NvmeCommand, NvmeUringCmd, Op, Sqe, Sqe128};

/// Passes a command to an NVMe device (`IORING_OP_URING_CMD`, Linux 5.19), on its character device
/// (`/dev/ng0n1` for a namespace, `/dev/nvme0` for the controller).
///
/// Needs a ring made with `SQE128`; one made with `CQE32` too gets the device's own answer in the
/// second half of the completion. The result is the NVMe status, 0 for success.
///
/// # Pointers
/// What `addr` and `metadata` point to: until the completion. An array of `iovec`: until the kernel
/// has taken the entry.
///
/// # Errors
/// - a result above 0: the device's status. `EIO`: the device is gone.
/// - `EACCES`: this command is not for this user, or the device is open for reading only.
/// - `EINVAL`: a ring without `SQE128`, or flags in the command that must be 0.
/// - `ENOTTY`: no such command. `EOPNOTSUPP`: not such a device. `EBADF`, `EFAULT`, `ENOMEM`.
///
/// See `io_uring_prep_uring_cmd(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_uring_cmd.3.html>, and the kernel's
/// `linux/nvme_ioctl.h`.
///
/// ```
/// use annulus_ring::{abi::{NvmeCommand, NvmeUringCmd}, op::NvmeCmd};
/// let mut block = [0_u8; 512];
/// let read = NvmeUringCmd {
///     opcode: 2,
///     nsid: 1,
///     addr: block.as_mut_ptr() as u64,
///     data_len: 512,
///     ..NvmeUringCmd::default()
/// };
/// let wide = NvmeCmd::io(3, &read).build();
/// assert_eq!(wide.sqe.off as u32, NvmeCommand::IO.raw());
/// assert_eq!(wide.sqe.addr3.to_ne_bytes()[0], 2);
/// ```
#[doc(alias = "NVME_URING_CMD_IO")]
#[doc(alias = "nvme_uring_cmd")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct NvmeCmd {
    sqe: Sqe128,
}

impl NvmeCmd {
    /// An I/O command, on one buffer.
    ///
    /// ```
    /// use annulus_ring::{abi::{NvmeCommand, NvmeUringCmd}, op::NvmeCmd};
    /// let wide = NvmeCmd::io(3, &NvmeUringCmd::default()).build();
    /// assert_eq!(wide.sqe.off as u32, NvmeCommand::IO.raw());
    /// ```
    #[doc(alias = "NVME_URING_CMD_IO")]
    #[inline]
    pub fn io(device: impl Into<Target>, command: &NvmeUringCmd) -> Self {
        Self::new(device, NvmeCommand::IO, command)
    }

    /// An I/O command, on an array of `iovec`: `data_len` is how many.
    ///
    /// ```
    /// use annulus_ring::{abi::{NvmeCommand, NvmeUringCmd}, op::NvmeCmd};
    /// let wide = NvmeCmd::io_vec(3, &NvmeUringCmd::default()).build();
    /// assert_eq!(wide.sqe.off as u32, NvmeCommand::IO_VEC.raw());
    /// ```
    #[doc(alias = "NVME_URING_CMD_IO_VEC")]
    #[inline]
    pub fn io_vec(device: impl Into<Target>, command: &NvmeUringCmd) -> Self {
        Self::new(device, NvmeCommand::IO_VEC, command)
    }

    /// An administrative command, on one buffer (Linux 6.0).
    ///
    /// ```
    /// use annulus_ring::{abi::{NvmeCommand, NvmeUringCmd}, op::NvmeCmd};
    /// let identify = NvmeUringCmd { opcode: 6, cdw10: 1, ..NvmeUringCmd::default() };
    /// let wide = NvmeCmd::admin(3, &identify).build();
    /// assert_eq!(wide.sqe.off as u32, NvmeCommand::ADMIN.raw());
    /// ```
    #[doc(alias = "NVME_URING_CMD_ADMIN")]
    #[inline]
    pub fn admin(device: impl Into<Target>, command: &NvmeUringCmd) -> Self {
        Self::new(device, NvmeCommand::ADMIN, command)
    }

    /// An administrative command, on an array of `iovec` (Linux 6.0).
    ///
    /// ```
    /// use annulus_ring::{abi::{NvmeCommand, NvmeUringCmd}, op::NvmeCmd};
    /// let wide = NvmeCmd::admin_vec(3, &NvmeUringCmd::default()).build();
    /// assert_eq!(wide.sqe.off as u32, NvmeCommand::ADMIN_VEC.raw());
    /// ```
    #[doc(alias = "NVME_URING_CMD_ADMIN_VEC")]
    #[inline]
    pub fn admin_vec(device: impl Into<Target>, command: &NvmeUringCmd) -> Self {
        Self::new(device, NvmeCommand::ADMIN_VEC, command)
    }

    #[inline]
    fn new(device: impl Into<Target>, op: NvmeCommand, command: &NvmeUringCmd) -> Self {
        Self { sqe: UringCmd128::new(device, op.raw(), bytes(command)).build() }
    }

    /// Its data is in a registered buffer (`IORING_URING_CMD_FIXED`, Linux 6.1).
    ///
    /// ```
    /// use annulus_ring::{abi::{BufIndex, NvmeUringCmd}, op::NvmeCmd};
    /// let wide = NvmeCmd::io(3, &NvmeUringCmd::default()).fixed_buffer(BufIndex(2)).build();
    /// assert_eq!((wide.sqe.buf_index, wide.sqe.rw_flags), (2, 1));
    /// ```
    #[doc(alias = "IORING_URING_CMD_FIXED")]
    #[inline]
    pub const fn fixed_buffer(mut self, buffer: BufIndex) -> Self {
        self.sqe.sqe = super::cmd::fixed(self.sqe.sqe, buffer);
        self
    }

    /// The entry is for a queue where both lengths are mixed (`IORING_OP_URING_CMD128`, Linux
    /// 6.19).
    ///
    /// ```
    /// use annulus_ring::{abi::{NvmeUringCmd, Op}, op::NvmeCmd};
    /// let wide = NvmeCmd::io(3, &NvmeUringCmd::default()).mixed().build();
    /// assert_eq!(wide.sqe.opcode, Op::URING_CMD128);
    /// ```
    #[doc(alias = "IORING_OP_URING_CMD128")]
    #[inline]
    pub const fn mixed(mut self) -> Self {
        self.sqe.sqe.opcode = Op::URING_CMD128;
        self
    }

    /// The entry, ready to be pushed.
    ///
    /// ```
    /// use annulus_ring::{abi::NvmeUringCmd, op::NvmeCmd};
    /// assert_eq!(NvmeCmd::io(3, &NvmeUringCmd::default()).build().sqe.fd, 3);
    /// ```
    #[inline]
    #[must_use]
    pub const fn build(self) -> Sqe128 {
        self.sqe
    }
}

impl From<NvmeCmd> for Sqe128 {
    #[inline]
    fn from(op: NvmeCmd) -> Self {
        op.sqe
    }
}

/// The 72 bytes of the command as they lie in memory, and 8 of zero.
fn bytes(command: &NvmeUringCmd) -> [u8; 80] {
    let NvmeUringCmd { opcode, flags, rsvd1, metadata, addr, .. } = *command;
    let mut bytes = [0; 80];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    put(&[opcode, flags]);
    put(&rsvd1.to_ne_bytes());
    for word in [command.nsid, command.cdw2, command.cdw3] {
        put(&word.to_ne_bytes());
    }
    put(&metadata.to_ne_bytes());
    put(&addr.to_ne_bytes());
    let c = command;
    for word in [
        c.metadata_len,
        c.data_len,
        c.cdw10,
        c.cdw11,
        c.cdw12,
        c.cdw13,
        c.cdw14,
        c.cdw15,
        c.timeout_ms,
        c.rsvd2,
    ] {
        put(&word.to_ne_bytes());
    }
    debug_assert_eq!(at, size_of::<NvmeUringCmd>());
    bytes
}

/// Discards a range of a block device: what was there need not be kept (`IORING_OP_URING_CMD` with
/// `BLOCK_URING_CMD_DISCARD`, Linux 6.12). The result is 0.
///
/// Without a limit on the length that a system call can be interrupted within, and several at once.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `EINVAL`: not a multiple of the device's block, or beyond its end.
/// - `EOPNOTSUPP`: the device cannot, or it is not a block device.
/// - `EBADF`: not open for writing. `EPERM`: read-only.
/// - `EBUSY`: part of the range is in the page cache and could not be dropped. `EIO`, `ENOMEM`.
///
/// See `io_uring_prep_cmd_discard(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_cmd_discard.3.html>.
///
/// ```
/// use annulus_ring::{abi::BlockCommand, op::BlockDiscard};
/// let sqe = BlockDiscard::new(3, 4096, 1 << 20).build();
/// assert_eq!(sqe.off as u32, BlockCommand::DISCARD.raw());
/// assert_eq!((sqe.addr, sqe.addr3), (4096, 1 << 20));
/// ```
#[doc(alias = "BLOCK_URING_CMD_DISCARD")]
#[doc(alias = "io_uring_prep_cmd_discard")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct BlockDiscard {
    sqe: Sqe,
}

impl BlockDiscard {
    /// Discards `len_bytes` bytes from `offset` on.
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::BlockDiscard::new(3, 0, 512).build().fd, 3);
    /// ```
    #[inline]
    pub fn new(device: impl Into<Target>, offset: u64, len_bytes: u64) -> Self {
        let off = pair(BlockCommand::DISCARD.raw(), 0);
        let sqe = entry(Op::URING_CMD, device.into());
        Self { sqe: Sqe { off, addr: offset, addr3: len_bytes, ..sqe } }
    }
}

operation!(BlockDiscard);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_command_is_where_the_struct_has_it() {
        let command = NvmeUringCmd {
            opcode: 1,
            flags: 2,
            rsvd1: 3,
            nsid: 4,
            cdw2: 5,
            cdw3: 6,
            metadata: 7,
            addr: 8,
            metadata_len: 9,
            data_len: 10,
            cdw10: 11,
            cdw11: 12,
            cdw12: 13,
            cdw13: 14,
            cdw14: 15,
            cdw15: 16,
            timeout_ms: 17,
            rsvd2: 18,
        };
        // SAFETY: the struct is `repr(C)` without padding (its fields add up to its 72 bytes), so
        // each of its bytes is initialised.
        let raw: [u8; 72] = unsafe { core::mem::transmute(command) };
        assert_eq!(bytes(&command)[..72], raw);
        assert_eq!(bytes(&command)[72..], [0; 8]);
    }
}

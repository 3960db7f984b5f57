//! URING_CMD: a command that a driver defines, in the entry itself.
//!
//! An entry of 64 bytes has 16 for the command, one of 128 has 80. What they mean, how long
//! pointers in them must live, what the result is and what it takes to submit it is the driver's to
//! say. Here are the entries for any driver; sockets, block devices and NVMe have their own.

use super::field::pair;
use super::{Target, entry, operation};
use crate::abi::{BufGroup, BufIndex, Op, Sqe, Sqe128, UringCmdFlags};

/// A command for a driver, with 16 bytes of it in the entry (`IORING_OP_URING_CMD`, Linux 5.19).
///
/// # Pointers
/// The driver's to say. The entry itself is copied.
///
/// # Errors
/// - `EOPNOTSUPP`: this file takes no commands, or not this one.
/// - `EINVAL`: flags that this kernel does not know, or that exclude each other; or the driver
///   wants the wider entry of a ring made with `SQE128`.
/// - `EFAULT`: no such registered buffer. `EBADF`; and what the driver answers.
///
/// See `io_uring_prep_uring_cmd(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_uring_cmd.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op};
/// let file = std::fs::File::open("/proc/self/status")?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::UringCmd::new(&file, 1, [0; 16]))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EOPNOTSUPP));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "io_uring_prep_uring_cmd")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct UringCmd {
    sqe: Sqe,
}

impl UringCmd {
    /// The command `cmd_op` of the driver of `file`, with its `command`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::UringCmd};
    /// let mut command = [0; 16];
    /// command[..8].copy_from_slice(&7_u64.to_ne_bytes());
    /// let sqe = UringCmd::new(3, 9, command).build();
    /// assert_eq!((sqe.opcode, sqe.off, sqe.addr3, sqe.resv), (Op::URING_CMD, 9, 7, 0));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, cmd_op: u32, command: [u8; 16]) -> Self {
        Self { sqe: with_command(entry(Op::URING_CMD, file.into()), cmd_op, &command) }
    }

    /// The `addr` and `len` of the entry, for the drivers that read them.
    ///
    /// ```
    /// let sqe = annulus_ring::op::UringCmd::new(3, 9, [0; 16]).addr_len(1 << 20, 8).build();
    /// assert_eq!((sqe.addr, sqe.len), (1 << 20, 8));
    /// ```
    #[inline]
    pub const fn addr_len(mut self, addr: u64, len: u32) -> Self {
        self.sqe.addr = addr;
        self.sqe.len = len;
        self
    }

    /// Its data is in a registered buffer (`IORING_URING_CMD_FIXED`, Linux 6.1).
    ///
    /// ```
    /// use annulus_ring::{abi::{BufIndex, UringCmdFlags}, op::UringCmd};
    /// let sqe = UringCmd::new(3, 9, [0; 16]).fixed_buffer(BufIndex(2)).build();
    /// assert_eq!((sqe.buf_index, sqe.rw_flags), (2, UringCmdFlags::FIXED.bits()));
    /// ```
    #[doc(alias = "IORING_URING_CMD_FIXED")]
    #[inline]
    pub const fn fixed_buffer(self, buffer: BufIndex) -> Self {
        Self { sqe: fixed(self.sqe, buffer) }
    }

    /// It completes again and again, each time with a buffer of `group`
    /// (`IORING_URING_CMD_MULTISHOT`, Linux 6.18), where the driver knows how.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, UringCmdFlags}, op::UringCmd};
    /// let sqe = UringCmd::new(3, 9, [0; 16]).multishot(BufGroup(2)).build();
    /// assert_eq!((sqe.buf_index, sqe.rw_flags), (2, UringCmdFlags::MULTISHOT.bits()));
    /// ```
    #[doc(alias = "IORING_URING_CMD_MULTISHOT")]
    #[inline]
    pub const fn multishot(self, group: BufGroup) -> Self {
        Self { sqe: multishot(self.sqe, group) }
    }
}

operation!(UringCmd);

/// A command for a driver, with 80 bytes of it in an entry of 128.
///
/// [`new`](Self::new) is `IORING_OP_URING_CMD` (Linux 5.19) for a ring made with `SQE128`;
/// [`mixed`](Self::mixed) is `IORING_OP_URING_CMD128` (Linux 6.19) for one made with `SQE_MIXED`,
/// where entries of both lengths lie side by side.
///
/// # Pointers
/// The driver's to say. The entry itself is copied.
///
/// # Errors
/// Those of [`UringCmd`], and
/// - `EINVAL`: `mixed` on another ring, or on a kernel before 6.19.
///
/// See `io_uring_prep_uring_cmd128(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_uring_cmd128.3.html>.
///
/// ```
/// use annulus_ring::{abi::Op, op::UringCmd128};
/// let wide = UringCmd128::new(3, 9, [7; 80]).build();
/// assert_eq!((wide.sqe.opcode, wide.sqe.off, wide.extra), (Op::URING_CMD, 9, [7; 64]));
/// ```
#[doc(alias = "IORING_OP_URING_CMD128")]
#[doc(alias = "io_uring_prep_uring_cmd128")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct UringCmd128 {
    sqe: Sqe128,
}

impl UringCmd128 {
    /// The command `cmd_op` of the driver of `file`, with its `command`, for a ring of 128-byte
    /// entries.
    ///
    /// ```
    /// use annulus_ring::op::UringCmd128;
    /// let wide = UringCmd128::new(3, 9, std::array::from_fn(|i| i as u8)).build();
    /// assert_eq!(wide.sqe.addr3.to_ne_bytes(), [0, 1, 2, 3, 4, 5, 6, 7]);
    /// assert_eq!(wide.extra[0], 16);
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, cmd_op: u32, command: [u8; 80]) -> Self {
        let (head, extra) = command.split_first_chunk::<16>().expect("80 bytes begin with 16");
        let sqe = with_command(entry(Op::URING_CMD, file.into()), cmd_op, head);
        let mut wide = Sqe128::from(sqe);
        wide.extra.copy_from_slice(extra);
        Self { sqe: wide }
    }

    /// The entry is for a queue where both lengths are mixed (`IORING_OP_URING_CMD128`).
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::UringCmd128};
    /// let wide = UringCmd128::new(3, 9, [0; 80]).mixed().build();
    /// assert_eq!(wide.sqe.opcode, Op::URING_CMD128);
    /// ```
    #[inline]
    pub const fn mixed(mut self) -> Self {
        self.sqe.sqe.opcode = Op::URING_CMD128;
        self
    }

    /// The `addr` and `len` of the entry, for the drivers that read them.
    ///
    /// ```
    /// let wide = annulus_ring::op::UringCmd128::new(3, 9, [0; 80]).addr_len(1, 2).build();
    /// assert_eq!((wide.sqe.addr, wide.sqe.len), (1, 2));
    /// ```
    #[inline]
    pub const fn addr_len(mut self, addr: u64, len: u32) -> Self {
        self.sqe.sqe.addr = addr;
        self.sqe.sqe.len = len;
        self
    }

    /// Its data is in a registered buffer (`IORING_URING_CMD_FIXED`, Linux 6.1).
    ///
    /// ```
    /// use annulus_ring::{abi::BufIndex, op::UringCmd128};
    /// let wide = UringCmd128::new(3, 9, [0; 80]).fixed_buffer(BufIndex(2)).build();
    /// assert_eq!((wide.sqe.buf_index, wide.sqe.rw_flags), (2, 1));
    /// ```
    #[doc(alias = "IORING_URING_CMD_FIXED")]
    #[inline]
    pub const fn fixed_buffer(mut self, buffer: BufIndex) -> Self {
        self.sqe.sqe = fixed(self.sqe.sqe, buffer);
        self
    }

    /// It completes again and again, each time with a buffer of `group`
    /// (`IORING_URING_CMD_MULTISHOT`, Linux 6.18), where the driver knows how.
    ///
    /// ```
    /// use annulus_ring::{abi::BufGroup, op::UringCmd128};
    /// let wide = UringCmd128::new(3, 9, [0; 80]).multishot(BufGroup(2)).build();
    /// assert_eq!((wide.sqe.buf_index, wide.sqe.rw_flags), (2, 2));
    /// ```
    #[doc(alias = "IORING_URING_CMD_MULTISHOT")]
    #[inline]
    pub const fn multishot(mut self, group: BufGroup) -> Self {
        self.sqe.sqe = multishot(self.sqe.sqe, group);
        self
    }

    /// The entry, ready to be pushed.
    ///
    /// ```
    /// let wide = annulus_ring::op::UringCmd128::new(3, 9, [0; 80]).build();
    /// assert_eq!(wide.sqe.fd, 3);
    /// ```
    #[inline]
    #[must_use]
    pub const fn build(self) -> Sqe128 {
        self.sqe
    }
}

impl From<UringCmd128> for Sqe128 {
    #[inline]
    fn from(op: UringCmd128) -> Self {
        op.sqe
    }
}

/// Puts `cmd_op` and the first 16 bytes of a command into an entry.
#[inline]
fn with_command(sqe: Sqe, cmd_op: u32, command: &[u8; 16]) -> Sqe {
    // One number of 128 bits, in two words at rising addresses whatever the byte order.
    let word = |half: &[u8]| u64::from_ne_bytes(*half.first_chunk().expect("half of 16 is 8"));
    Sqe { off: pair(cmd_op, 0), addr3: word(&command[..8]), resv: word(&command[8..]), ..sqe }
}

#[inline]
pub(super) const fn fixed(mut sqe: Sqe, buffer: BufIndex) -> Sqe {
    sqe.buf_index = buffer.0;
    sqe.rw_flags |= UringCmdFlags::FIXED.bits();
    sqe
}

#[inline]
const fn multishot(mut sqe: Sqe, group: BufGroup) -> Sqe {
    sqe.rw_flags |= UringCmdFlags::MULTISHOT.bits();
    sqe.buffer_select(group)
}

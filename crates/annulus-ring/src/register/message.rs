//! A message to a ring from a thread that has none.

use std::os::fd::RawFd;

use super::without_ring;
use crate::abi::{CqeFlags, MsgRingCommand, MsgRingFlags, Op, RegisterOp, Sqe};
use crate::error::Result;

/// A completion that is to appear in a ring: for [`send_message`].
///
/// ```
/// use annulus_ring::register::Message;
/// let wake = Message::new(3, 7).result(5);
/// assert!(format!("{wake:?}").contains("user_data: 7"));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Message {
    ring: RawFd,
    user_data: u64,
    result: i32,
    flags: Option<CqeFlags>,
}

impl Message {
    /// To the ring with this descriptor ([`raw_fd`](crate::LocalRing::raw_fd)), with this
    /// `user_data` and the result 0.
    ///
    /// ```
    /// let wake = annulus_ring::register::Message::new(3, 7);
    /// assert!(format!("{wake:?}").contains("result: 0"));
    /// ```
    pub fn new(ring: RawFd, user_data: u64) -> Self {
        Self { ring, user_data, result: 0, flags: None }
    }

    /// With this result.
    ///
    /// ```
    /// let wake = annulus_ring::register::Message::new(3, 7).result(-125);
    /// assert!(format!("{wake:?}").contains("-125"));
    /// ```
    pub fn result(mut self, result: i32) -> Self {
        self.result = result;
        self
    }

    /// With these flags.
    ///
    /// ```
    /// use annulus_ring::{abi::CqeFlags, register::Message};
    /// let wake = Message::new(3, 7).flags(CqeFlags::MORE);
    /// assert!(format!("{wake:?}").contains("MORE"));
    /// ```
    #[doc(alias = "IORING_MSG_RING_FLAGS_PASS")]
    pub fn flags(mut self, flags: CqeFlags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// The entry of a MSG_RING that says so.
    /// The entry of `MSG_RING` that it is.
    #[doc(hidden)]
    pub fn entry(&self) -> Sqe {
        Sqe {
            opcode: Op::MSG_RING,
            fd: self.ring,
            addr: MsgRingCommand::DATA.raw(),
            off: self.user_data,
            len: self.result as u32,
            rw_flags: self.flags.map_or(0, |_| MsgRingFlags::FLAGS_PASS.bits()),
            splice_fd_in: self.flags.map_or(0, |flags| flags.bits() as i32),
            ..Sqe::default()
        }
    }
}

/// Posts a completion to a ring from a thread that has none, as `op::MsgRing` does from one that
/// has. `IORING_REGISTER_SEND_MSG_RING` with descriptor −1, Linux 6.13.
///
/// # Safety
/// - Whoever takes the target's completions does not mistake this one for that of an operation
///   whose memory would then be given free: the `user_data` is one that they know for this.
///
/// # Errors
/// - `EBADF`, `EBADFD`: the descriptor is not open, or no ring's; or the target is still disabled.
/// - `EOVERFLOW`: the target's completion queue is full.
/// - `ENOMEM`: the target's completion could not be kept.
/// - `EINVAL`: this kernel cannot.
///
/// See `io_uring_register_sync_msg(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_register_sync_msg.3.html>.
///
/// ```
/// use annulus_ring::{LocalRing, register::{Message, send_message}};
/// let mut ring = LocalRing::new(8)?;
/// let target = ring.raw_fd();
/// let sender = std::thread::spawn(move || {
///     // SAFETY: the ring has no operations, and takes 7 for what it is.
///     unsafe { send_message(&Message::new(target, 7).result(42)) }
/// });
/// # if sender.join().unwrap().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.13
/// ring.submit_and_wait(1)?;
/// let cqe = ring.completions()?.next().unwrap();
/// assert_eq!((cqe.user_data, cqe.result()), (7, Ok(42)));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "io_uring_register_sync_msg")]
#[doc(alias = "IORING_REGISTER_SEND_MSG_RING")]
pub unsafe fn send_message(message: &Message) -> Result<()> {
    let mut entry = message.entry();
    // SAFETY: one entry of MSG_RING, whose data command holds no address; what the completion means
    // to its reader is the caller's promise.
    unsafe { without_ring(RegisterOp::SEND_MSG_RING, &mut entry, 1) }.map(drop)
}

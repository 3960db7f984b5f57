//! Completion entries: what the kernel writes, read as it stands.

use super::newtypes::flags;
use crate::errno::Errno;

flags! {
    /// What a completion says of itself (`cqe->flags`). Its upper 16 bits are a buffer identifier
    /// where [`BUFFER`](Self::BUFFER) is set: see [`Cqe::buffer_id`].
    ///
    /// ```
    /// use annulus_ring::abi::CqeFlags;
    /// assert!(CqeFlags(0x0003_0003).contains(CqeFlags::BUFFER | CqeFlags::MORE));
    /// ```
    pub struct CqeFlags: u32;
    /// A buffer of a group was used: its identifier is in the upper 16 bits.
    BUFFER = 1 << 0, "IORING_CQE_F_BUFFER", "5.7";
    /// More completions of the same entry will follow.
    MORE = 1 << 1, "IORING_CQE_F_MORE", "5.13";
    /// The socket held more data after this receive.
    SOCK_NONEMPTY = 1 << 2, "IORING_CQE_F_SOCK_NONEMPTY", "5.19";
    /// A zero-copy send's notification: its buffer may be used again.
    NOTIF = 1 << 3, "IORING_CQE_F_NOTIF", "6.0";
    /// The buffer was used in part and is still in its ring (incremental buffer rings).
    BUF_MORE = 1 << 4, "IORING_CQE_F_BUF_MORE", "6.12";
    /// Not a completion: it fills the end of a mixed-size queue.
    SKIP = 1 << 5, "IORING_CQE_F_SKIP", "6.18";
    /// The time stamp is the hardware's (completions of the TX_TIMESTAMP socket command only,
    /// where the upper bits are no buffer identifier).
    TSTAMP_HW = 1 << 16, "IORING_CQE_F_TSTAMP_HW", "6.17";
    /// This completion is 32 bytes long, in a mixed-size queue.
    F_32 = 1 << 15, "IORING_CQE_F_32", "6.18";
}

/// How far a buffer identifier is shifted in `cqe->flags` (`IORING_CQE_BUFFER_SHIFT`).
#[doc(alias = "IORING_CQE_BUFFER_SHIFT")]
pub const CQE_BUFFER_SHIFT: u32 = 16;

/// A completion entry, 16 bytes (`struct io_uring_cqe`).
///
/// ```
/// use annulus_ring::{Errno, abi::{Cqe, CqeFlags}};
/// let cqe = Cqe { user_data: 7, res: -125, flags: CqeFlags::empty() };
/// assert_eq!(cqe.result(), Err(Errno::ECANCELED));
/// ```
#[doc(alias = "io_uring_cqe")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Cqe {
    /// What the submission entry carried.
    pub user_data: u64,
    /// The result: negative is `-errno`, else what the operation returns.
    pub res: i32,
    /// Flags, and the buffer identifier in the upper half.
    pub flags: CqeFlags,
}

impl Cqe {
    /// The result as Rust has it: what the operation returned, or its error number.
    ///
    /// # Errors
    /// The `Errno` that the operation ended with: see the operation's own page in
    /// [`op`](crate::op). Never of a notification, whose result is a report
    /// ([`NotifUsage`](super::NotifUsage)) that has the bit of the sign.
    ///
    /// ```
    /// use annulus_ring::abi::{Cqe, CqeFlags};
    /// let cqe = Cqe { user_data: 0, res: 4096, flags: CqeFlags::empty() };
    /// assert_eq!(cqe.result(), Ok(4096));
    /// let copied = Cqe { res: i32::MIN, flags: CqeFlags::NOTIF, ..cqe };
    /// assert_eq!(copied.result(), Ok(1 << 31));
    /// ```
    #[inline]
    pub const fn result(&self) -> Result<u32, Errno> {
        if self.res >= 0 || self.flags.contains(CqeFlags::NOTIF) {
            Ok(self.res as u32)
        } else {
            Err(Errno::from_raw(-self.res))
        }
    }

    /// Which buffer of the group the kernel picked, if it picked one.
    ///
    /// ```
    /// use annulus_ring::abi::{Cqe, CqeFlags};
    /// let cqe = Cqe { user_data: 0, res: 10, flags: CqeFlags(CqeFlags::BUFFER.0 | 5 << 16) };
    /// assert_eq!(cqe.buffer_id(), Some(5));
    /// assert_eq!(Cqe::default().buffer_id(), None);
    /// ```
    #[doc(alias = "IORING_CQE_BUFFER_SHIFT")]
    #[inline]
    pub const fn buffer_id(&self) -> Option<u16> {
        if self.flags.contains(CqeFlags::BUFFER) {
            Some((self.flags.0 >> CQE_BUFFER_SHIFT) as u16)
        } else {
            None
        }
    }

    /// Whether more completions of the same entry will follow: its memory is still the kernel's.
    ///
    /// ```
    /// use annulus_ring::abi::{Cqe, CqeFlags};
    /// assert!(Cqe { flags: CqeFlags::MORE, ..Cqe::default() }.has_more());
    /// ```
    #[inline]
    pub const fn has_more(&self) -> bool {
        self.flags.contains(CqeFlags::MORE)
    }

    /// Whether this is a zero-copy send's notification, not its result.
    ///
    /// ```
    /// use annulus_ring::abi::{Cqe, CqeFlags};
    /// assert!(Cqe { flags: CqeFlags::NOTIF, ..Cqe::default() }.is_notification());
    /// ```
    #[inline]
    pub const fn is_notification(&self) -> bool {
        self.flags.contains(CqeFlags::NOTIF)
    }
}

/// A completion entry of a ring made with `CQE32`, 32 bytes.
///
/// ```
/// use annulus_ring::abi::Cqe32;
/// assert_eq!(size_of::<Cqe32>(), 32);
/// assert_eq!(Cqe32::default().big_cqe, [0, 0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Cqe32 {
    /// The first 16 bytes, as in every ring.
    pub cqe: Cqe,
    /// Two more words: what they mean is the operation's.
    pub big_cqe: [u64; 2],
}

const _: () = {
    assert!(size_of::<Cqe>() == 16 && align_of::<Cqe>() == 8);
    assert!(core::mem::offset_of!(Cqe, user_data) == 0);
    assert!(core::mem::offset_of!(Cqe, res) == 8);
    assert!(core::mem::offset_of!(Cqe, flags) == 12);
    assert!(size_of::<Cqe32>() == 32 && core::mem::offset_of!(Cqe32, big_cqe) == 16);
};

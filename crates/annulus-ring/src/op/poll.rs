//! POLL_ADD waits for readiness; POLL_REMOVE ends such a wait or changes it.

use super::field::poll_events;
use super::{Target, bare_entry, entry, operation};
use crate::abi::{Op, PollEvents, PollFlags, Sqe};

/// Waits until a file is ready, as `poll(2)` on one descriptor (`IORING_OP_POLL_ADD`, Linux 5.1).
///
/// # Result
/// The result is the set of [`PollEvents`] that are so; `ERR` and `HUP` are reported unasked.
/// Edge-triggered: a [`multishot`](Self::multishot) reports each change once, so read until
/// nothing is left before waiting for the next.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `ECANCELED`: removed, or the ring's thread ended.
/// - `EINVAL`: a multishot with `CQE_SKIP_SUCCESS`; or [`level`](Self::level).
/// - `EBADF`; `EPERM` never: a file without readiness, as a regular one, is ready always.
///
/// See `io_uring_prep_poll_add(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_poll_add.3.html>, and `poll(2)`,
/// <https://man7.org/linux/man-pages/man2/poll.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::PollEvents, op};
/// let (reader, _writer) = std::io::pipe()?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::PollAdd::new(&_writer, PollEvents::OUT))? };
/// ring.submit_and_wait(1)?;
/// let ready = ring.completions()?.next().unwrap().result()?;
/// assert_eq!(PollEvents(ready), PollEvents::OUT);
/// # drop(reader);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_POLL_ADD")]
#[doc(alias = "io_uring_prep_poll_add")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct PollAdd {
    sqe: Sqe,
}

impl PollAdd {
    /// Waits for any of `events` on `file`.
    ///
    /// ```
    /// use annulus_ring::{abi::{Op, PollEvents}, op::PollAdd};
    /// let sqe = PollAdd::new(3, PollEvents::IN | PollEvents::RDHUP).build();
    /// assert_eq!((sqe.opcode, sqe.rw_flags), (Op::POLL_ADD, 0x2001));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, events: PollEvents) -> Self {
        let sqe = entry(Op::POLL_ADD, file.into());
        Self { sqe: Sqe { rw_flags: poll_events(events.bits()), ..sqe } }
    }

    /// Reports again and again, one completion each (`IORING_POLL_ADD_MULTI`, Linux 5.13). A
    /// completion without `MORE` is the last: submit anew.
    ///
    /// ```
    /// use annulus_ring::{abi::{PollEvents, PollFlags}, op::PollAdd};
    /// let sqe = PollAdd::new(3, PollEvents::IN).multishot().build();
    /// assert_eq!(sqe.len, PollFlags::ADD_MULTI.bits());
    /// ```
    #[doc(alias = "IORING_POLL_ADD_MULTI")]
    #[doc(alias = "io_uring_prep_poll_multishot")]
    #[inline]
    pub const fn multishot(mut self) -> Self {
        self.sqe.len |= PollFlags::ADD_MULTI.bits();
        self
    }

    /// Level-triggered (`IORING_POLL_ADD_LEVEL`). Linux 6.0 to 6.2 alone take it; later ones answer
    /// `EINVAL`, 6.18 included.
    ///
    /// ```
    /// use annulus_ring::{abi::{PollEvents, PollFlags}, op::PollAdd};
    /// let sqe = PollAdd::new(3, PollEvents::IN).level().build();
    /// assert_eq!(sqe.len, PollFlags::ADD_LEVEL.bits());
    /// ```
    #[doc(alias = "IORING_POLL_ADD_LEVEL")]
    #[inline]
    pub const fn level(mut self) -> Self {
        self.sqe.len |= PollFlags::ADD_LEVEL.bits();
        self
    }
}

/// Ends a wait that [`PollAdd`] began (`IORING_OP_POLL_REMOVE`, Linux 5.1).
///
/// # Result
/// The result is 0, and the wait itself completes with `ECANCELED`.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `ENOENT`: no such wait: it has completed, or never was.
/// - `EALREADY`: its event has come; its completion is under way.
///
/// See `io_uring_prep_poll_remove(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_poll_remove.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::PollRemove::new(7))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ENOENT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_POLL_REMOVE")]
#[doc(alias = "io_uring_prep_poll_remove")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct PollRemove {
    sqe: Sqe,
}

impl PollRemove {
    /// Ends the wait that carries `user_data`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::PollRemove};
    /// let sqe = PollRemove::new(7).build();
    /// assert_eq!((sqe.opcode, sqe.addr, sqe.fd), (Op::POLL_REMOVE, 7, -1));
    /// ```
    #[inline]
    pub const fn new(user_data: u64) -> Self {
        Self { sqe: Sqe { addr: user_data, ..bare_entry(Op::POLL_REMOVE) } }
    }
}

/// Changes a wait that [`PollAdd`] began, without a gap in which an event could be missed
/// (`IORING_OP_POLL_REMOVE` with flags, Linux 5.13). The result is 0.
///
/// At least one of [`events`](Self::events) and [`new_user_data`](Self::new_user_data) is to be
/// set: with neither it is a removal.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `ENOENT`: no such wait: it has completed, or never was.
/// - `EALREADY`: its event has come; its completion is under way.
/// - `ECANCELED`: the wait could not be armed anew: it has ended.
/// - `EINVAL`: a multishot asked for without anything to change.
///
/// See `io_uring_prep_poll_update(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_poll_update.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::PollEvents, op};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::PollUpdate::new(7).events(PollEvents::OUT))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ENOENT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_POLL_REMOVE")]
#[doc(alias = "io_uring_prep_poll_update")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct PollUpdate {
    sqe: Sqe,
}

impl PollUpdate {
    /// Changes the wait that carries `user_data`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::PollUpdate};
    /// let sqe = PollUpdate::new(7).build();
    /// assert_eq!((sqe.opcode, sqe.addr), (Op::POLL_REMOVE, 7));
    /// ```
    #[inline]
    pub const fn new(user_data: u64) -> Self {
        Self { sqe: Sqe { addr: user_data, ..bare_entry(Op::POLL_REMOVE) } }
    }

    /// Waits for `events` from now on (`IORING_POLL_UPDATE_EVENTS`).
    ///
    /// ```
    /// use annulus_ring::{abi::{PollEvents, PollFlags}, op::PollUpdate};
    /// let sqe = PollUpdate::new(7).events(PollEvents::OUT).build();
    /// assert_eq!((sqe.rw_flags, sqe.len), (4, PollFlags::UPDATE_EVENTS.bits()));
    /// ```
    #[doc(alias = "IORING_POLL_UPDATE_EVENTS")]
    #[inline]
    pub const fn events(mut self, events: PollEvents) -> Self {
        self.sqe.rw_flags = poll_events(events.bits());
        self.sqe.len |= PollFlags::UPDATE_EVENTS.bits();
        self
    }

    /// The wait carries `user_data` from now on (`IORING_POLL_UPDATE_USER_DATA`).
    ///
    /// ```
    /// use annulus_ring::{abi::PollFlags, op::PollUpdate};
    /// let sqe = PollUpdate::new(7).new_user_data(8).build();
    /// assert_eq!((sqe.off, sqe.len), (8, PollFlags::UPDATE_USER_DATA.bits()));
    /// ```
    #[doc(alias = "IORING_POLL_UPDATE_USER_DATA")]
    #[inline]
    pub const fn new_user_data(mut self, user_data: u64) -> Self {
        self.sqe.off = user_data;
        self.sqe.len |= PollFlags::UPDATE_USER_DATA.bits();
        self
    }

    /// Asks for the new events to be those of a multishot (`IORING_POLL_ADD_MULTI`). Linux 6.18
    /// takes it and changes nothing: a wait reports once or many times as it was submitted.
    ///
    /// ```
    /// use annulus_ring::{abi::{PollEvents, PollFlags}, op::PollUpdate};
    /// let sqe = PollUpdate::new(7).events(PollEvents::IN).multishot().build();
    /// assert_eq!(sqe.len, (PollFlags::ADD_MULTI | PollFlags::UPDATE_EVENTS).bits());
    /// ```
    #[doc(alias = "IORING_POLL_ADD_MULTI")]
    #[inline]
    pub const fn multishot(mut self) -> Self {
        self.sqe.len |= PollFlags::ADD_MULTI.bits();
        self
    }
}

operation!(PollAdd, PollRemove, PollUpdate);

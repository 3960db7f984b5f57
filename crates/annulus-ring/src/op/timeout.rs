//! TIMEOUT, LINK_TIMEOUT, and TIMEOUT_REMOVE, which ends or changes one.
//!
//! The clock is `CLOCK_MONOTONIC` unless another is chosen, and a time is a span unless it is
//! called a point. That the time is up is told as the error `ETIME`: so what is linked behind a
//! timeout is cancelled, unless [`etime_success`](Timeout::etime_success) is set.

use super::{address, bare_entry, operation};
use crate::abi::{Op, Sqe, TimeoutFlags, Timespec};

/// The setters of what waits for a time: which clock, and what the time is on it. `$new` is an
/// expression for their examples.
macro_rules! clock_setters {
    ($($Type:ident, $new:literal;)*) => {$(
        impl $Type {
            /// The time is a point on its clock (`IORING_TIMEOUT_ABS`, Linux 5.5). One that has
            /// passed is up at once.
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let sqe = ", $new, ".absolute().build();")]
            /// assert_eq!(sqe.rw_flags, TimeoutFlags::ABS.bits());
            /// ```
            #[doc(alias = "IORING_TIMEOUT_ABS")]
            #[inline]
            pub const fn absolute(self) -> Self {
                self.with(TimeoutFlags::ABS)
            }

            /// By the clock that goes on while the system sleeps (`IORING_TIMEOUT_BOOTTIME`, Linux
            /// 5.15).
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let sqe = ", $new, ".boottime().build();")]
            /// assert_eq!(sqe.rw_flags, TimeoutFlags::BOOTTIME.bits());
            /// ```
            #[doc(alias = "IORING_TIMEOUT_BOOTTIME")]
            #[inline]
            pub const fn boottime(self) -> Self {
                self.with(TimeoutFlags::BOOTTIME)
            }

            /// By the wall clock, which can be set (`IORING_TIMEOUT_REALTIME`, Linux 5.15).
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let sqe = ", $new, ".realtime().absolute().build();")]
            /// assert_eq!(sqe.rw_flags, (TimeoutFlags::REALTIME | TimeoutFlags::ABS).bits());
            /// ```
            #[doc(alias = "IORING_TIMEOUT_REALTIME")]
            #[inline]
            pub const fn realtime(self) -> Self {
                self.with(TimeoutFlags::REALTIME)
            }

            #[inline]
            const fn with(mut self, flag: TimeoutFlags) -> Self {
                self.sqe.rw_flags |= flag.bits();
                self
            }
        }
    )*};
}

/// Completes when a time is up, or when enough other entries are complete (`IORING_OP_TIMEOUT`,
/// Linux 5.4).
///
/// # Result
/// The result is the error `ETIME` when the time was up, which is the usual end; 0 when
/// [`count`](Self::count) completions came first.
///
/// A timeout's completion wakes a waiter for several completions early, with what there is.
///
/// # Pointers
/// The [`Timespec`]: until the kernel has taken the entry. [`immediate`](Self::immediate) has none.
///
/// # Errors
/// - `ETIME`: the time is up.
/// - `ECANCELED`: removed.
/// - `EINVAL`: a negative time, two clocks, or a multishot with an absolute time.
/// - `EFAULT`: the time cannot be read.
///
/// See `io_uring_prep_timeout(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_timeout.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::Timespec, op};
/// use std::time::Duration;
/// let time = Timespec::from(Duration::from_millis(1));
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the time lives on until the completion below.
/// unsafe { ring.push(op::Timeout::new(&time))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ETIME));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_TIMEOUT")]
#[doc(alias = "io_uring_prep_timeout")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Timeout {
    sqe: Sqe,
}

impl Timeout {
    /// Completes when the span at `time` has passed.
    ///
    /// ```
    /// use annulus_ring::{abi::{Op, Timespec}, op::Timeout};
    /// let time = Timespec { tv_sec: 1, tv_nsec: 0 };
    /// let sqe = Timeout::new(&time).build();
    /// assert_eq!((sqe.opcode, sqe.len, sqe.fd), (Op::TIMEOUT, 1, -1));
    /// ```
    #[inline]
    pub fn new(time: *const Timespec) -> Self {
        Self { sqe: Sqe { addr: address(time), len: 1, ..bare_entry(Op::TIMEOUT) } }
    }

    /// Completes when `span_ns` nanoseconds have passed: the entry itself holds them, and points
    /// to nothing (`IORING_TIMEOUT_IMMEDIATE_ARG`, Linux 7.1; `EINVAL` before).
    ///
    /// ```
    /// use annulus_ring::{abi::TimeoutFlags, op::Timeout};
    /// let sqe = Timeout::immediate(1_000_000).build();
    /// assert_eq!((sqe.addr, sqe.rw_flags), (1_000_000, TimeoutFlags::IMMEDIATE_ARG.bits()));
    /// ```
    #[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
    #[inline]
    pub const fn immediate(span_ns: u64) -> Self {
        let sqe = Sqe { addr: span_ns, len: 1, ..bare_entry(Op::TIMEOUT) };
        Self { sqe }.with(TimeoutFlags::IMMEDIATE_ARG)
    }

    /// Completes with 0 as soon as `completions` entries submitted with or after it are complete.
    /// 0, as without: the time alone counts. Of a [`multishot`](Self::multishot): ends it after so
    /// many times.
    ///
    /// ```
    /// use annulus_ring::{abi::Timespec, op::Timeout};
    /// assert_eq!(Timeout::new(&Timespec::default()).count(3).build().off, 3);
    /// ```
    #[inline]
    pub const fn count(mut self, completions: u32) -> Self {
        self.sqe.off = completions as u64;
        self
    }

    /// That the time is up does not break the link to the entry behind, although the result is
    /// still `ETIME` (`IORING_TIMEOUT_ETIME_SUCCESS`, Linux 5.16).
    ///
    /// ```
    /// use annulus_ring::{abi::{TimeoutFlags, Timespec}, op::Timeout};
    /// let sqe = Timeout::new(&Timespec::default()).etime_success().build();
    /// assert_eq!(sqe.rw_flags, TimeoutFlags::ETIME_SUCCESS.bits());
    /// ```
    #[doc(alias = "IORING_TIMEOUT_ETIME_SUCCESS")]
    #[inline]
    pub const fn etime_success(self) -> Self {
        self.with(TimeoutFlags::ETIME_SUCCESS)
    }

    /// Completes again each time the span has passed, with `MORE`
    /// (`IORING_TIMEOUT_MULTISHOT`, Linux 6.4); [`count`](Self::count) times, or without end.
    ///
    /// ```
    /// use annulus_ring::{abi::{TimeoutFlags, Timespec}, op::Timeout};
    /// let sqe = Timeout::new(&Timespec::default()).multishot().count(3).build();
    /// assert_eq!((sqe.off, sqe.rw_flags), (3, TimeoutFlags::MULTISHOT.bits()));
    /// ```
    #[doc(alias = "IORING_TIMEOUT_MULTISHOT")]
    #[inline]
    pub const fn multishot(self) -> Self {
        self.with(TimeoutFlags::MULTISHOT)
    }
}

/// Cancels the entry before it if that is not complete when a time is up
/// (`IORING_OP_LINK_TIMEOUT`, Linux 5.5).
///
/// The entry before carries a link, and both go into the queue with nothing between. Both
/// complete: in time, the entry with its result and this one with `ECANCELED`; too late, the entry
/// with `ECANCELED` (or `EINTR`) and this one with `ETIME`, or with `EALREADY` where the entry
/// could not be stopped any more and completes as it does.
///
/// # Pointers
/// The [`Timespec`]: until the kernel has taken the entry. [`immediate`](Self::immediate) has none.
///
/// # Errors
/// - `ETIME`: the time was up, and the entry was cancelled.
/// - `ECANCELED`: the entry was complete in time.
/// - `EALREADY`, `ENOENT`: the time was up, but the entry could not be cancelled (any more).
/// - `EINVAL`: not behind a link; or a negative time, or two clocks.
/// - `EFAULT`: the time cannot be read.
///
/// See `io_uring_prep_link_timeout(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_link_timeout.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::{PollEvents, Timespec}, op};
/// let (reader, _writer) = std::io::pipe()?;
/// let time = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// let mut ring = LocalRing::new(8)?;
/// let poll = op::PollAdd::new(&reader, PollEvents::IN).build().user_data(1).link();
/// // SAFETY: the poll points to nothing.
/// unsafe { ring.push(poll)? };
/// // SAFETY: the time lives on until the completions below.
/// unsafe { ring.push(op::LinkTimeout::new(&time).build().user_data(2))? };
/// ring.submit_and_wait(2)?;
/// for cqe in ring.completions()? {
///     let expected = if cqe.user_data == 1 { Errno::ECANCELED } else { Errno::ETIME };
///     assert_eq!(cqe.result(), Err(expected));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_LINK_TIMEOUT")]
#[doc(alias = "io_uring_prep_link_timeout")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct LinkTimeout {
    sqe: Sqe,
}

impl LinkTimeout {
    /// Gives the entry before the span at `time`, from its submission on.
    ///
    /// ```
    /// use annulus_ring::{abi::{Op, Timespec}, op::LinkTimeout};
    /// let time = Timespec { tv_sec: 1, tv_nsec: 0 };
    /// let sqe = LinkTimeout::new(&time).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::LINK_TIMEOUT, 1));
    /// ```
    #[inline]
    pub fn new(time: *const Timespec) -> Self {
        Self { sqe: Sqe { addr: address(time), len: 1, ..bare_entry(Op::LINK_TIMEOUT) } }
    }

    /// Gives the entry before `span_ns` nanoseconds, which the entry itself holds
    /// (`IORING_TIMEOUT_IMMEDIATE_ARG`, Linux 7.1; `EINVAL` before).
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::LinkTimeout::immediate(1_000).build().addr, 1_000);
    /// ```
    #[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
    #[inline]
    pub const fn immediate(span_ns: u64) -> Self {
        let sqe = Sqe { addr: span_ns, len: 1, ..bare_entry(Op::LINK_TIMEOUT) };
        Self { sqe }.with(TimeoutFlags::IMMEDIATE_ARG)
    }
}

/// Ends a [`Timeout`] before its time (`IORING_OP_TIMEOUT_REMOVE`, Linux 5.5).
///
/// # Result
/// The result is 0, and the timeout itself completes with `ECANCELED`.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `ENOENT`: no such timeout: it has completed, or never was.
/// - `EALREADY`: its time is up; its completion is under way.
///
/// See `io_uring_prep_timeout_remove(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_timeout_remove.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::TimeoutRemove::new(7))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ENOENT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_TIMEOUT_REMOVE")]
#[doc(alias = "io_uring_prep_timeout_remove")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct TimeoutRemove {
    sqe: Sqe,
}

impl TimeoutRemove {
    /// Ends the timeout that carries `user_data`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::TimeoutRemove};
    /// let sqe = TimeoutRemove::new(7).build();
    /// assert_eq!((sqe.opcode, sqe.addr), (Op::TIMEOUT_REMOVE, 7));
    /// ```
    #[inline]
    pub const fn new(user_data: u64) -> Self {
        Self { sqe: Sqe { addr: user_data, ..bare_entry(Op::TIMEOUT_REMOVE) } }
    }
}

/// Gives a [`Timeout`] another time (`IORING_OP_TIMEOUT_REMOVE` with `IORING_TIMEOUT_UPDATE`, Linux
/// 5.11). The result is 0; the timeout keeps its clock, and no longer counts completions.
///
/// # Pointers
/// The [`Timespec`]: until the kernel has taken the entry. [`immediate`](Self::immediate) has none.
///
/// # Errors
/// - `ENOENT`: no such timeout: it has completed, or never was.
/// - `EALREADY`: its time is up; its completion is under way.
/// - `EINVAL`: a negative time. `EFAULT`: the time cannot be read.
///
/// See `io_uring_prep_timeout_update(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_timeout_update.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::Timespec, op};
/// let (long, short) = (Timespec { tv_sec: 60, tv_nsec: 0 }, Timespec { tv_sec: 0, tv_nsec: 1 });
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the time lives on until the completions below.
/// unsafe { ring.push(op::Timeout::new(&long).build().user_data(7))? };
/// // SAFETY: as above.
/// unsafe { ring.push(op::TimeoutUpdate::new(7, &short).build().skip_success())? };
/// ring.submit_and_wait(1)?;
/// let cqe = ring.completions()?.next().unwrap();
/// assert_eq!((cqe.user_data, cqe.result()), (7, Err(Errno::ETIME)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_TIMEOUT_REMOVE")]
#[doc(alias = "IORING_TIMEOUT_UPDATE")]
#[doc(alias = "io_uring_prep_timeout_update")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct TimeoutUpdate {
    sqe: Sqe,
}

impl TimeoutUpdate {
    /// Gives the timeout that carries `user_data` the span at `time`, from now on.
    ///
    /// ```
    /// use annulus_ring::{abi::{TimeoutFlags, Timespec}, op::TimeoutUpdate};
    /// let sqe = TimeoutUpdate::new(7, &Timespec::default()).build();
    /// assert_eq!((sqe.addr, sqe.rw_flags), (7, TimeoutFlags::UPDATE.bits()));
    /// ```
    #[inline]
    pub fn new(user_data: u64, time: *const Timespec) -> Self {
        Self { sqe: Sqe { off: address(time), ..TimeoutRemove::new(user_data).sqe } }
            .with(TimeoutFlags::UPDATE)
    }

    /// Gives it `span_ns` nanoseconds from now on, which the entry itself holds
    /// (`IORING_TIMEOUT_IMMEDIATE_ARG`, Linux 7.1; `EINVAL` before).
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::TimeoutUpdate::immediate(7, 1_000).build().off, 1_000);
    /// ```
    #[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
    #[inline]
    pub const fn immediate(user_data: u64, span_ns: u64) -> Self {
        Self { sqe: Sqe { off: span_ns, ..TimeoutRemove::new(user_data).sqe } }
            .with(TimeoutFlags::UPDATE)
            .with(TimeoutFlags::IMMEDIATE_ARG)
    }

    /// It is a [`LinkTimeout`] that gets another time (`IORING_LINK_TIMEOUT_UPDATE`, Linux 5.15).
    ///
    /// ```
    /// use annulus_ring::{abi::{TimeoutFlags, Timespec}, op::TimeoutUpdate};
    /// let sqe = TimeoutUpdate::new(7, &Timespec::default()).link_timeout().build();
    /// assert_eq!(sqe.rw_flags, TimeoutFlags::UPDATE_MASK.bits());
    /// ```
    #[doc(alias = "IORING_LINK_TIMEOUT_UPDATE")]
    #[inline]
    pub const fn link_timeout(self) -> Self {
        self.with(TimeoutFlags::LINK_TIMEOUT_UPDATE)
    }

    /// The time is a point on the timeout's clock (`IORING_TIMEOUT_ABS`).
    ///
    /// ```
    /// use annulus_ring::{abi::{TimeoutFlags, Timespec}, op::TimeoutUpdate};
    /// let sqe = TimeoutUpdate::new(7, &Timespec::default()).absolute().build();
    /// assert_eq!(sqe.rw_flags, (TimeoutFlags::UPDATE | TimeoutFlags::ABS).bits());
    /// ```
    #[doc(alias = "IORING_TIMEOUT_ABS")]
    #[inline]
    pub const fn absolute(self) -> Self {
        self.with(TimeoutFlags::ABS)
    }

    #[inline]
    const fn with(mut self, flag: TimeoutFlags) -> Self {
        self.sqe.rw_flags |= flag.bits();
        self
    }
}

clock_setters! {
    Timeout, "Timeout::new(&Timespec::default())";
    LinkTimeout, "LinkTimeout::new(&Timespec::default())";
}
operation!(Timeout, LinkTimeout, TimeoutRemove, TimeoutUpdate);

//! [`Wait`]: how long, and under which conditions, to wait for completions.

use core::time::Duration;

use crate::abi::{EnterFlags, GeteventsArg, Timespec};

/// The size of the kernel's signal set: 64 signals on every architecture.
const SIGSET_BYTES: u32 = 8;

/// A set of signals as the kernel has it: bit n − 1 for signal n.
///
/// ```
/// use annulus_ring::SignalMask;
/// const SIGINT: u32 = 2;
/// assert_eq!(SignalMask::empty().with(SIGINT).0, 0b10);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct SignalMask(pub u64);

impl SignalMask {
    /// No signal.
    ///
    /// ```
    /// assert_eq!(annulus_ring::SignalMask::empty().0, 0);
    /// ```
    pub const fn empty() -> Self {
        Self(0)
    }

    /// With `signal` (1 to 64) in it; other numbers change nothing.
    ///
    /// ```
    /// assert_eq!(annulus_ring::SignalMask::empty().with(1).0, 1);
    /// ```
    #[must_use]
    pub const fn with(self, signal: u32) -> Self {
        if signal == 0 || signal > 64 { self } else { Self(self.0 | 1 << (signal - 1)) }
    }
}

/// When a wait ends, if not by completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// After this long.
    After(Duration),
    /// At this time of the ring's clock.
    At(Timespec),
}

/// How to wait for completions: for
/// [`submit_and_wait_with`](crate::LocalRing::submit_and_wait_with).
///
/// ```
/// use annulus_ring::{LocalRing, Wait};
/// use std::time::Duration;
/// let mut ring = LocalRing::new(8)?;
/// let wait = Wait::new().timeout(Duration::from_millis(2));
/// assert!(ring.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Wait {
    pub(crate) limit: Option<Limit>,
    pub(crate) min_wait_us: u32,
    pub(crate) signals: Option<SignalMask>,
    pub(crate) flags: EnterFlags,
    pub(crate) interruptible: bool,
}

impl Wait {
    /// Without limit, and past signals.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// assert_eq!(ring.submit_and_wait_with(1, &Wait::new())?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub const fn new() -> Self {
        Self {
            limit: None,
            min_wait_us: 0,
            signals: None,
            flags: EnterFlags::empty(),
            interruptible: false,
        }
    }

    /// Ends the wait after `limit` (Linux 5.11). A signal does not prolong it.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait};
    /// use std::time::{Duration, Instant};
    /// let begin = Instant::now();
    /// let wait = Wait::new().timeout(Duration::from_millis(3));
    /// LocalRing::new(8)?.submit_and_wait_with(1, &wait).unwrap_err();
    /// assert!(begin.elapsed() >= Duration::from_millis(3));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(Limit::After(limit));
        self
    }

    /// Ends the wait at `time` of the ring's clock (Linux 6.12): `CLOCK_MONOTONIC`, or the one
    /// registered. A time that is past ends it at once.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait, abi::Timespec};
    /// let mut ring = LocalRing::new(8)?;
    /// let wait = Wait::new().until(Timespec { tv_sec: 1, tv_nsec: 0 });
    /// let error = ring.submit_and_wait_with(1, &wait).unwrap_err();
    /// assert!(error.is_timeout() || error.errno() == Some(annulus_ring::Errno::EINVAL)); // < 6.12
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_ENTER_ABS_TIMER")]
    pub const fn until(mut self, time: Timespec) -> Self {
        self.limit = Some(Limit::At(time));
        self
    }

    /// Waits at least this long for *all* the completions wanted; after that, one is enough (Linux
    /// 6.12). Together with [`timeout`](Self::timeout): batches under load, no delay without.
    ///
    /// Whole microseconds, at most 71 minutes; longer is cut to that.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait, op};
    /// use std::time::Duration;
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// let wait = Wait::new().timeout(Duration::from_secs(5)).min_wait(Duration::from_millis(1));
    /// // Two are wanted, one comes: the wait ends after the minimum, not after five seconds.
    /// let submitted = ring.submit_and_wait_with(2, &wait);
    /// # if submitted.is_err() { return Ok(()); } // before 6.12
    /// assert_eq!(submitted?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_submit_and_wait_min_timeout")]
    pub const fn min_wait(mut self, minimum: Duration) -> Self {
        let us = minimum.as_micros();
        self.min_wait_us = if us > u32::MAX as u128 { u32::MAX } else { us as u32 };
        self
    }

    /// Replaces the thread's signal mask by `mask` while waiting, as `ppoll(2)` does, and ends the
    /// wait with `EINTR` when a signal comes.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, SignalMask, Wait};
    /// use std::time::Duration;
    /// let all = SignalMask(u64::MAX);
    /// let wait = Wait::new().signal_mask(all).timeout(Duration::from_millis(1));
    /// assert!(LocalRing::new(8)?.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub const fn signal_mask(mut self, mask: SignalMask) -> Self {
        self.signals = Some(mask);
        self.interruptible = true;
        self
    }

    /// Ends the wait with `EINTR` when a signal handler ran. Otherwise the wait goes on.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait};
    /// use std::time::Duration;
    /// let wait = Wait::new().interruptible().timeout(Duration::from_millis(1));
    /// assert!(LocalRing::new(8)?.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub const fn interruptible(mut self) -> Self {
        self.interruptible = true;
        self
    }

    /// Keeps the wait out of the processor's I/O wait time (Linux 6.15): the governor does not
    /// raise the clock for it, and `iowait` in `/proc/stat` does not count it.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait, op};
    /// let mut ring = LocalRing::new(8)?;
    /// # if !ring.features().contains(annulus_ring::abi::Features::NO_IOWAIT) { return Ok(()); }
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// assert_eq!(ring.submit_and_wait_with(1, &Wait::new().no_iowait())?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_set_iowait")]
    pub const fn no_iowait(mut self) -> Self {
        self.flags = self.flags.union(EnterFlags::NO_IOWAIT);
        self
    }

    /// The kernel's form of it: the flags, and the argument that borrows `time` and `self`.
    pub(crate) fn argument(&self, time: Option<&Timespec>) -> (EnterFlags, GeteventsArg) {
        let mut flags = self.flags | EnterFlags::EXT_ARG;
        if matches!(self.limit, Some(Limit::At(_))) {
            flags |= EnterFlags::ABS_TIMER;
        }
        let arg = GeteventsArg {
            sigmask: self.signals.as_ref().map_or(0, |s| core::ptr::from_ref(s) as u64),
            sigmask_sz: if self.signals.is_some() { SIGSET_BYTES } else { 0 },
            min_wait_usec: self.min_wait_us,
            ts: time.map_or(0, |t| core::ptr::from_ref(t) as u64),
        };
        (flags, arg)
    }
}

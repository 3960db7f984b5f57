//! Busy polling of network devices: a waiting ring asks the device for packets instead of sleeping
//! until its interrupt.

use core::time::Duration;

use super::Register;
use crate::abi::{Napi, NapiOp, NapiTracking, RegisterOp};
use crate::error::Result;
use crate::kernel::Kernel;

/// The identity of a device's queue, as `SO_INCOMING_NAPI_ID` of a socket tells it.
///
/// ```
/// assert_eq!(annulus_ring::register::NapiId(8193).0, 8193);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct NapiId(pub u32);

/// How a ring polls network devices while it waits.
///
/// ```
/// use annulus_ring::register::BusyPoll;
/// use std::time::Duration;
/// let poll = BusyPoll::dynamic(Duration::from_micros(50)).prefer(true);
/// assert_eq!(poll.time_us, 50);
/// ```
#[doc(alias = "io_uring_napi")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BusyPoll {
    /// How long at most, in microseconds; the kernel keeps whole ones.
    pub time_us: u32,
    /// Whether interrupts of the device stay off meanwhile.
    pub prefer: bool,
    /// How the ring learns which queues to poll.
    pub tracking: NapiTracking,
}

impl BusyPoll {
    fn new(time: Duration, tracking: NapiTracking) -> Self {
        let time_us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        Self { time_us, prefer: false, tracking }
    }

    /// Polls the queues of the sockets that the ring uses.
    ///
    /// ```
    /// use annulus_ring::{abi::NapiTracking, register::BusyPoll};
    /// use std::time::Duration;
    /// assert_eq!(BusyPoll::dynamic(Duration::ZERO).tracking, NapiTracking::DYNAMIC);
    /// ```
    #[doc(alias = "IO_URING_NAPI_TRACKING_DYNAMIC")]
    pub fn dynamic(time: Duration) -> Self {
        Self::new(time, NapiTracking::DYNAMIC)
    }

    /// Polls the queues that were added with [`napi_add`](Register::napi_add) (Linux 6.13).
    ///
    /// ```
    /// use annulus_ring::{abi::NapiTracking, register::BusyPoll};
    /// use std::time::Duration;
    /// assert_eq!(BusyPoll::fixed(Duration::ZERO).tracking, NapiTracking::STATIC);
    /// ```
    #[doc(alias = "IO_URING_NAPI_TRACKING_STATIC")]
    pub fn fixed(time: Duration) -> Self {
        Self::new(time, NapiTracking::STATIC)
    }

    /// Whether to keep the device's interrupts off meanwhile.
    ///
    /// ```
    /// use annulus_ring::register::BusyPoll;
    /// assert!(BusyPoll::dynamic(std::time::Duration::ZERO).prefer(true).prefer);
    /// ```
    pub fn prefer(mut self, prefer: bool) -> Self {
        self.prefer = prefer;
        self
    }

    /// What the kernel wrote back.
    fn from_kernel(napi: &Napi) -> Self {
        Self {
            time_us: napi.busy_poll_to,
            prefer: napi.prefer_busy_poll != 0,
            tracking: NapiTracking(napi.op_param),
        }
    }
}

/// # Busy polling
///
/// For kernels with `CONFIG_NET_RX_BUSY_POLL`, and not for `IOPOLL` rings.
impl<K: Kernel> Register<'_, K> {
    /// Sets how the ring polls network devices, and returns how it did. `IORING_REGISTER_NAPI`,
    /// Linux 6.9 (tracking: 6.13).
    ///
    /// # Errors
    /// - `EINVAL`: an `IOPOLL` ring; a tracking that this kernel does not know; no busy polling in
    ///   this kernel.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_napi(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_napi.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::NapiTracking, register::BusyPoll};
    /// use std::time::Duration;
    /// let ring = LocalRing::new(8)?;
    /// let before = ring.register().napi(BusyPoll::dynamic(Duration::from_micros(50)));
    /// # if before.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); }
    /// assert_eq!(before?.tracking, NapiTracking::INACTIVE);
    /// assert_eq!(ring.register().unregister_napi()?.time_us, 50);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_napi")]
    #[doc(alias = "IORING_REGISTER_NAPI")]
    pub fn napi(&self, poll: BusyPoll) -> Result<BusyPoll> {
        let mut napi = Napi {
            busy_poll_to: poll.time_us,
            prefer_busy_poll: u8::from(poll.prefer),
            opcode: NapiOp::REGISTER_OP,
            op_param: poll.tracking.raw(),
            ..Napi::default()
        };
        // SAFETY: one `io_uring_napi`, read and written during the call.
        unsafe { self.with(RegisterOp::NAPI, &mut napi, 1) }?;
        Ok(BusyPoll::from_kernel(&napi))
    }

    /// Adds a queue to those that are polled, with [`BusyPoll::fixed`]. Linux 6.13.
    ///
    /// # Errors
    /// - `EINVAL`: the tracking is not static, or there can be no such queue.
    /// - `EEXIST`: it is polled already.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, register::NapiId};
    /// // Nothing polls statically.
    /// assert!(LocalRing::new(8)?.register().napi_add(NapiId(8193)).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IO_URING_NAPI_STATIC_ADD_ID")]
    pub fn napi_add(&self, queue: NapiId) -> Result<()> {
        self.napi_static(NapiOp::STATIC_ADD_ID, queue)
    }

    /// Removes a queue from those that are polled. Linux 6.13.
    ///
    /// # Errors
    /// - `EINVAL`: the tracking is not static, or there can be no such queue.
    /// - `ENOENT`: it is not polled.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, register::NapiId};
    /// assert!(LocalRing::new(8)?.register().napi_remove(NapiId(8193)).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IO_URING_NAPI_STATIC_DEL_ID")]
    pub fn napi_remove(&self, queue: NapiId) -> Result<()> {
        self.napi_static(NapiOp::STATIC_DEL_ID, queue)
    }

    fn napi_static(&self, opcode: NapiOp, queue: NapiId) -> Result<()> {
        let mut napi = Napi { opcode, op_param: queue.0, ..Napi::default() };
        // SAFETY: one `io_uring_napi`, read and written during the call.
        unsafe { self.with(RegisterOp::NAPI, &mut napi, 1) }.map(drop)
    }

    /// Polls no network device any more, and returns how the ring did. `IORING_UNREGISTER_NAPI`,
    /// Linux 6.9. The tracking is not among what this tells.
    ///
    /// # Errors
    /// `EINVAL`: no busy polling in this kernel.
    ///
    /// See `io_uring_unregister_napi(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_unregister_napi.3.html>.
    ///
    /// ```
    /// let off = annulus_ring::LocalRing::new(8)?.register().unregister_napi();
    /// # if off.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); }
    /// assert_eq!(off?.time_us, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_unregister_napi")]
    #[doc(alias = "IORING_UNREGISTER_NAPI")]
    pub fn unregister_napi(&self) -> Result<BusyPoll> {
        let mut napi = Napi::default();
        // SAFETY: one `io_uring_napi`, written during the call.
        unsafe { self.with(RegisterOp::UNREGISTER_NAPI, &mut napi, 1) }?;
        Ok(BusyPoll::from_kernel(&napi))
    }
}

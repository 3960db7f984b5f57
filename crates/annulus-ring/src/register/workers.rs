//! The workers (io-wq): the kernel threads that do what would block.

use core::fmt;

use super::Register;
use crate::abi::RegisterOp;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// How many processors a [`CpuSet`] can name.
const CPUS_MAX: u32 = 1024;

/// A set of processors, by number: 0 to 1023.
///
/// ```
/// use annulus_ring::register::CpuSet;
/// let set = CpuSet::new().with(0).with(65);
/// assert!(set.contains(65) && !set.contains(64));
/// assert_eq!(format!("{set:?}"), "{0, 65}");
/// ```
#[doc(alias = "cpu_set_t")]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct CpuSet([u64; CPUS_MAX as usize / 64]);

impl CpuSet {
    /// No processor.
    ///
    /// ```
    /// assert!(annulus_ring::register::CpuSet::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self([0; CPUS_MAX as usize / 64])
    }

    /// With this processor in it; numbers above 1023 change nothing.
    ///
    /// ```
    /// assert!(annulus_ring::register::CpuSet::new().with(3).contains(3));
    /// assert!(annulus_ring::register::CpuSet::new().with(5000).is_empty());
    /// ```
    #[doc(alias = "CPU_SET")]
    pub const fn with(mut self, cpu: u32) -> Self {
        if cpu < CPUS_MAX {
            self.0[cpu as usize / 64] |= 1 << (cpu % 64);
        }
        self
    }

    /// Whether this processor is in it.
    ///
    /// ```
    /// assert!(!annulus_ring::register::CpuSet::new().with(3).contains(4));
    /// ```
    #[doc(alias = "CPU_ISSET")]
    pub const fn contains(&self, cpu: u32) -> bool {
        cpu < CPUS_MAX && self.0[cpu as usize / 64] & (1 << (cpu % 64)) != 0
    }

    /// The processors that this thread may run on.
    ///
    /// # Errors
    /// `EINVAL`: this machine may have more processors than a set can name.
    ///
    /// See [sched_getaffinity(2)](https://man7.org/linux/man-pages/man2/sched_getaffinity.2.html).
    ///
    /// ```
    /// assert!(!annulus_ring::register::CpuSet::of_thread()?.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "sched_getaffinity")]
    pub fn of_thread() -> Result<Self> {
        let found = rustix::thread::sched_getaffinity(None).map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error());
            Error::os(errno, "asking which processors this thread may run on")
        })?;
        let cpus = (0..CPUS_MAX).filter(|cpu| found.is_set(*cpu as usize));
        Ok(cpus.fold(Self::new(), Self::with))
    }

    /// Has this thread, and those that it starts from then on, run on these processors alone.
    ///
    /// # Errors
    /// `EINVAL`: there is no such processor, or the thread's cpuset leaves all of them out: see
    /// [`of_thread`](Self::of_thread).
    ///
    /// See [sched_setaffinity(2)](https://man7.org/linux/man-pages/man2/sched_setaffinity.2.html).
    ///
    /// ```
    /// use annulus_ring::register::CpuSet;
    /// let before = CpuSet::of_thread()?;
    /// let first = before.iter().next().expect("it runs somewhere");
    /// CpuSet::new().with(first).keep_thread()?;
    /// assert_eq!(CpuSet::of_thread()?, CpuSet::new().with(first));
    /// before.keep_thread()?;
    /// assert!(CpuSet::new().keep_thread().is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "sched_setaffinity")]
    pub fn keep_thread(&self) -> Result<()> {
        let mut set = rustix::thread::CpuSet::new();
        self.iter().for_each(|cpu| set.set(cpu as usize));
        rustix::thread::sched_setaffinity(None, &set).map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error());
            Error::os(errno, "keeping this thread on some processors")
        })
    }

    /// The processors in it, in order.
    ///
    /// ```
    /// use annulus_ring::register::CpuSet;
    /// assert_eq!(CpuSet::new().with(7).with(2).iter().collect::<Vec<_>>(), [2, 7]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..CPUS_MAX).filter(|cpu| self.contains(*cpu))
    }

    /// Whether no processor is in it.
    ///
    /// ```
    /// assert!(!annulus_ring::register::CpuSet::new().with(3).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0 == [0; CPUS_MAX as usize / 64]
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// How many workers a ring may have at once, by kind. 0 leaves a limit as it is.
///
/// ```
/// use annulus_ring::register::MaxWorkers;
/// assert_eq!(MaxWorkers::default(), MaxWorkers { bounded: 0, unbounded: 0 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxWorkers {
    /// For work that ends soon, on files and block devices.
    #[doc(alias = "IO_WQ_BOUND")]
    pub bounded: u32,
    /// For work that may take for ever, on sockets, pipes and terminals.
    #[doc(alias = "IO_WQ_UNBOUND")]
    pub unbounded: u32,
}

/// # Workers
///
/// A ring's workers belong to the thread that submits (with `SQPOLL`: to the polling thread), and
/// so do these settings: they are the *calling* thread's, and every ring that it submits to shares
/// them.
impl<K: Kernel> Register<'_, K> {
    /// Keeps the workers on these processors. `IORING_REGISTER_IOWQ_AFF`, Linux 5.14.
    ///
    /// # Errors
    /// - `EINVAL`: a processor that the thread's cpuset leaves out; or no processor at all (the
    ///   kernel would take that, and change nothing).
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_iowq_aff(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_iowq_aff.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op, register::CpuSet};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// ring.submit()?; // the thread's pool of workers is made
    /// ring.register().iowq_affinity(&CpuSet::new().with(0))?;
    /// ring.register().unregister_iowq_affinity()?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_iowq_aff")]
    #[doc(alias = "IORING_REGISTER_IOWQ_AFF")]
    pub fn iowq_affinity(&self, cpus: &CpuSet) -> Result<()> {
        if cpus.is_empty() {
            return Err(Error::usage("there is no processor in the set to keep workers on"));
        }
        let mut mask = *cpus;
        // The kernel reads little-endian words of its own width: on the 64-bit machines that Linux
        // has io_uring on, that is what this is.
        let bytes = size_of::<CpuSet>() as u32;
        // SAFETY: a mask, counted in bytes, read during the call.
        unsafe { self.with(RegisterOp::IOWQ_AFF, &mut mask, bytes) }.map(drop)
    }

    /// Lets the workers run anywhere again. `IORING_UNREGISTER_IOWQ_AFF`, Linux 5.14.
    ///
    /// # Errors
    /// `EINVAL`: the thread has no workers yet.
    ///
    /// See `io_uring_unregister_iowq_aff(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_unregister_iowq_aff.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// ring.submit()?;
    /// ring.register().unregister_iowq_affinity()?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_unregister_iowq_aff")]
    #[doc(alias = "IORING_UNREGISTER_IOWQ_AFF")]
    pub fn unregister_iowq_affinity(&self) -> Result<()> {
        self.bare(RegisterOp::UNREGISTER_IOWQ_AFF).map(drop)
    }

    /// Limits how many workers there are at once, and returns the limits that were. With 0 for both
    /// it only asks. `IORING_REGISTER_IOWQ_MAX_WORKERS`, Linux 5.15.
    ///
    /// Without this, bounded work has min(queue length, 4 × processors) and unbounded work as many
    /// as `RLIMIT_NPROC`.
    ///
    /// # Errors
    /// - `EINVAL`: a limit above 2^31 − 1.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_iowq_max_workers(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_iowq_max_workers.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op, register::MaxWorkers};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// ring.submit()?;
    /// ring.register().iowq_max_workers(MaxWorkers { bounded: 2, unbounded: 0 })?;
    /// let now = ring.register().iowq_max_workers(MaxWorkers::default())?;
    /// assert_eq!(now.bounded, 2);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_iowq_max_workers")]
    #[doc(alias = "IORING_REGISTER_IOWQ_MAX_WORKERS")]
    pub fn iowq_max_workers(&self, limits: MaxWorkers) -> Result<MaxWorkers> {
        let mut pair = [limits.bounded, limits.unbounded];
        // SAFETY: two numbers, in the order of `WqType`, read and written during the call.
        unsafe { self.with(RegisterOp::IOWQ_MAX_WORKERS, &mut pair, 2) }?;
        Ok(MaxWorkers { bounded: pair[0], unbounded: pair[1] })
    }
}

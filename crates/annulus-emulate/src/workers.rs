//! [`Workers`]: the threads of the kernel in user space.

use std::time::Duration;

/// How many threads do work that may block when the host kernel answers, and how they are.
///
/// Most work needs none: it is done in `enter`, at once or when its file is ready. Files and paths
/// may block: a thread does that, of at most [`threads_max`](Self::threads_max) for a ring. What
/// ends only when somebody else does something, and no file tells of it (FUTEX_WAIT, some WAITIDs,
/// SPLICE, FLOCK, GETADDRINFO), has a thread each, beside those: such a wait never keeps other
/// work waiting.
///
/// ```
/// use annulus_emulate::{Builder, KernelChoice, Workers};
/// let workers = Workers::new().threads_max(2).name("disk");
/// let ring = Builder::new().entries(8).kernel(KernelChoice::Host.with_workers(workers)).build()?;
/// assert!(ring.kernel().is_host());
/// # Ok::<(), annulus_emulate::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    pub(crate) threads_max: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) name: &'static str,
}

impl Default for Workers {
    fn default() -> Self {
        Self::new()
    }
}

impl Workers {
    /// At most 64, each kept for 5 s, by the name `annulus-host`.
    ///
    /// ```
    /// assert_eq!(annulus_emulate::Workers::new(), annulus_emulate::Workers::default());
    /// ```
    pub const fn new() -> Self {
        Self { threads_max: 64, keep_alive: Duration::from_secs(5), name: "annulus-host" }
    }

    /// How many there are at most. With 0 whoever enters the ring does the work, before `enter`
    /// returns.
    ///
    /// ```
    /// use annulus_emulate::Workers;
    /// assert_ne!(Workers::new().threads_max(0), Workers::new());
    /// ```
    #[must_use]
    pub const fn threads_max(mut self, threads_max: usize) -> Self {
        self.threads_max = threads_max;
        self
    }

    /// How long one that has nothing to do waits for more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use annulus_emulate::Workers;
    /// assert_ne!(Workers::new().keep_alive(Duration::from_secs(1)), Workers::new());
    /// ```
    #[must_use]
    pub const fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// What they are called, up to a zero byte; Linux shows 15 bytes of it.
    ///
    /// ```
    /// use annulus_emulate::Workers;
    /// assert_ne!(Workers::new().name("disk"), Workers::new());
    /// ```
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
}

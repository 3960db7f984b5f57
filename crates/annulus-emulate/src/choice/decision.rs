//! [`Decision`]: which kernel rings get here, and why, without making one.

use core::fmt;

use annulus_ring::{Error, Result};

use super::{KernelChoice, notice, proof};

/// Which kernel rings of a [`KernelChoice`] get in this process, and why: see
/// [`decide`](KernelChoice::decide).
///
/// ```
/// use annulus_emulate::KernelChoice;
/// let decision = KernelChoice::Host.decide()?;
/// assert!(decision.is_host() && decision.error().is_none());
/// assert_eq!(decision.to_string(), "host: it was asked for");
/// # Ok::<(), annulus_emulate::Error>(())
/// ```
#[derive(Debug)]
pub struct Decision {
    is_host: bool,
    was_asked_for: bool,
    error: Option<Error>,
}

impl KernelChoice {
    /// Which kernel it comes to here. On Linux a NOP is done, once in a process; nothing is said on
    /// standard error.
    ///
    /// One ring may get another all the same: where locked memory is short, a ring is made shorter,
    /// then in user space.
    ///
    /// # Errors
    /// `EINVAL`: the environment names a kernel that there is not. What `io_uring_setup(2)` and
    /// `io_uring_enter(2)` answered, with cause and cure: [`Linux`](Self::Linux) was asked for, or
    /// something ran out that the host kernel needs as well (descriptors).
    ///
    /// ```
    /// use annulus_emulate::{KernelChoice, LocalRing};
    /// let decision = KernelChoice::Auto.decide()?;
    /// # if std::env::var_os("ANNULUS_KERNEL").is_none() {
    /// assert_eq!(decision.name(), LocalRing::new(8)?.kernel().name());
    /// # }
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn decide(self) -> Result<Decision> {
        let choice = self.resolve()?;
        let was_asked_for = choice != Self::Auto;
        let of = |is_host, error| Decision { is_host, was_asked_for, error };
        if choice == Self::Host {
            return Ok(of(true, None));
        }
        match proof::of_linux() {
            Ok(()) => Ok(of(false, None)),
            Err(error) if !was_asked_for && falls_back(&error) => Ok(of(true, Some(error))),
            Err(error) => Err(error),
        }
    }
}

/// Whether the host kernel answers where Linux's says `error`.
pub(super) fn falls_back(error: &Error) -> bool {
    proof::is_blocked(error) || proof::is_short(error)
}

impl Decision {
    /// Whether it is the kernel in user space.
    ///
    /// ```
    /// assert!(annulus_emulate::KernelChoice::Host.decide()?.is_host());
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn is_host(&self) -> bool {
        self.is_host
    }

    /// Its name, as `ANNULUS_KERNEL` has it.
    ///
    /// ```
    /// assert_eq!(annulus_emulate::KernelChoice::Host.decide()?.name(), "host");
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn name(&self) -> &'static str {
        if self.is_host { "host" } else { "linux" }
    }

    /// Whether the program or the environment named it. Else it is what there is.
    ///
    /// ```
    /// assert!(annulus_emulate::KernelChoice::Host.decide()?.was_asked_for());
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn was_asked_for(&self) -> bool {
        self.was_asked_for
    }

    /// Why it is not Linux's io_uring, if that was tried.
    ///
    /// ```
    /// assert!(annulus_emulate::KernelChoice::Host.decide()?.error().is_none());
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match &self.error {
            Some(error) => write!(f, "{name}: {}", notice::why(error).0),
            None if self.was_asked_for => write!(f, "{name}: it was asked for"),
            None => write!(f, "{name}: io_uring works here"),
        }
    }
}

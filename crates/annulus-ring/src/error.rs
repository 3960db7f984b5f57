//! [`Error`]: what went wrong with a ring, with the errno kept and the cure said.

mod advice;

use core::fmt;
use std::io;

use crate::abi::RegisterOp;
use crate::diagnose::{Call, SetupError};
use crate::errno::Errno;

/// What went wrong with a ring.
///
/// One opaque type with predicates: what to *do* about an error is asked with `is_…`, the number
/// with [`errno`](Self::errno), and its text says the likely cause and the cure. It converts into
/// [`io::Error`] with the kind kept.
///
/// An operation's own failure is none of these: it is the `res` of its completion.
///
/// ```
/// let error = annulus_ring::LocalRing::new(0).unwrap_err();
/// assert_eq!(error.errno(), Some(annulus_ring::Errno::EINVAL));
/// assert!(error.to_string().contains("entries"));
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
/// ```
///
/// As [`Debug`](fmt::Debug) it is that text in one line, since that is what a `main` prints which
/// returns it, an [`io::Error`] of it, or an `unwrap`; its parts with `{:#?}`.
///
/// ```
/// let error = std::io::Error::from(annulus_ring::LocalRing::new(1 << 20).unwrap_err());
/// assert!(format!("{error:?}").contains("fix: ask for at most 32768 entries"));
/// ```
pub struct Error(Repr);

/// The result of what a ring does.
///
/// ```
/// fn room() -> annulus_ring::Result<u32> {
///     Ok(annulus_ring::LocalRing::new(8)?.sq_space_left())
/// }
/// assert_eq!(room()?, 8);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
pub type Result<T> = core::result::Result<T, Error>;

#[derive(Debug)]
enum Repr {
    /// No room for that many entries.
    Full { wanted: u32, entries: u32 },
    /// The process is a child of the one that made the ring.
    Forked,
    /// A resize switched the ring to memory that could not be mapped.
    Lost,
    /// `io_uring_enter` failed, and this many entries are still queued.
    Enter { errno: Errno, queued: u32, blocked: Option<Box<SetupError>> },
    /// `io_uring_register` failed.
    Register { errno: Errno, op: RegisterOp, blocked: Option<Box<SetupError>> },
    /// The ring could not be made.
    Setup(Box<SetupError>),
    /// The request contradicts itself: found before the kernel was asked.
    Usage(&'static str),
    /// A system call around the ring failed: what was being done, and why.
    Os { errno: Errno, doing: &'static str },
}

impl Error {
    #[cold]
    pub(crate) fn full(wanted: u32, entries: u32) -> Self {
        Self(Repr::Full { wanted, entries })
    }

    /// Of a ring whose cell is dead: in a child, unless it was `lost` before.
    #[cold]
    pub(crate) fn dead(lost: bool) -> Self {
        Self(if lost { Repr::Lost } else { Repr::Forked })
    }

    /// That a kernel which is Linux (or not) was entered in vain.
    #[cold]
    pub(crate) fn enter(is_linux: bool, errno: Errno, queued: u32) -> Self {
        Self(Repr::Enter { errno, queued, blocked: blocked(is_linux, Call::Enter, errno) })
    }

    /// The same of a registration.
    #[cold]
    pub(crate) fn register(is_linux: bool, errno: Errno, op: RegisterOp) -> Self {
        Self(Repr::Register { errno, op, blocked: blocked(is_linux, Call::Register, errno) })
    }

    #[cold]
    pub(crate) fn setup(error: SetupError) -> Self {
        Self(Repr::Setup(Box::new(error)))
    }

    #[cold]
    pub(crate) fn usage(what: &'static str) -> Self {
        Self(Repr::Usage(what))
    }

    /// That `doing` failed with `errno`: for kernels of your own.
    ///
    /// ```
    /// use annulus_ring::{Errno, Error};
    /// let error = Error::os(Errno::EOPNOTSUPP, "resizing a ring of the test's kernel");
    /// assert!(error.is_unsupported());
    /// assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
    /// ```
    #[cold]
    pub fn os(errno: Errno, doing: &'static str) -> Self {
        Self(Repr::Os { errno, doing })
    }

    /// The kernel's error number, if the kernel (and not this library) refused.
    ///
    /// A request that contradicts itself reports the number that the kernel would have given.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing};
    /// assert_eq!(LocalRing::new(0).unwrap_err().errno(), Some(Errno::EINVAL));
    /// ```
    pub fn errno(&self) -> Option<Errno> {
        match &self.0 {
            Repr::Full { .. } | Repr::Forked | Repr::Lost => None,
            Repr::Enter { errno, .. } | Repr::Register { errno, .. } | Repr::Os { errno, .. } => {
                Some(*errno)
            }
            Repr::Setup(setup) => Some(setup.errno()),
            Repr::Usage(_) => Some(Errno::EINVAL),
        }
    }

    fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno)
    }

    /// Whether the submission queue has no room: submit, then push again. Nothing was queued.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(1)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// // SAFETY: as above.
    /// let error = unsafe { ring.push(op::Nop::new()) }.unwrap_err();
    /// assert!(error.is_queue_full());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn is_queue_full(&self) -> bool {
        matches!(self.0, Repr::Full { .. })
    }

    /// Whether the ring belongs to the parent of this (forked) process.
    ///
    /// ```
    /// assert!(!annulus_ring::LocalRing::new(0).unwrap_err().is_forked());
    /// ```
    pub fn is_forked(&self) -> bool {
        matches!(self.0, Repr::Forked)
    }

    /// Whether the ring was lost: a [resize](crate::LocalRing::resize) switched it to memory that
    /// could then not be mapped. Make a new one. What was under way goes on, but no completion of
    /// it will ever be seen: its buffers stay the kernel's for good.
    ///
    /// ```
    /// assert!(!annulus_ring::LocalRing::new(0).unwrap_err().is_lost());
    /// ```
    pub fn is_lost(&self) -> bool {
        matches!(self.0, Repr::Lost)
    }

    /// Whether the time of a wait was up (`ETIME`). Not a failure.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait};
    /// use std::time::Duration;
    /// let mut ring = LocalRing::new(8)?;
    /// let wait = Wait::new().timeout(Duration::from_millis(1));
    /// assert!(ring.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.is(Errno::ETIME)
    }

    /// Whether a signal ended a wait (`EINTR`). Not a failure: wait again, or end.
    ///
    /// ```
    /// assert!(!annulus_ring::LocalRing::new(0).unwrap_err().is_interrupted());
    /// ```
    pub fn is_interrupted(&self) -> bool {
        self.is(Errno::EINTR)
    }

    /// Whether the kernel is short of something for now (`EAGAIN`, `EBUSY`): take completions, then
    /// try again.
    ///
    /// ```
    /// assert!(!annulus_ring::LocalRing::new(0).unwrap_err().is_busy());
    /// ```
    pub fn is_busy(&self) -> bool {
        matches!(self.0, Repr::Enter { .. }) && (self.is(Errno::EAGAIN) || self.is(Errno::EBUSY))
    }

    /// Whether a thread other than the ring's own entered it (`EEXIST`).
    ///
    /// ```
    /// assert!(!annulus_ring::LocalRing::new(0).unwrap_err().is_wrong_thread());
    /// ```
    pub fn is_wrong_thread(&self) -> bool {
        match self.0 {
            Repr::Enter { errno, .. } => errno == Errno::EEXIST,
            Repr::Register { errno, op, .. } => errno == Errno::EEXIST && !advice::exists(op),
            _ => false,
        }
    }

    /// Whether this kernel does not have what was asked for, or is not allowed to give it:
    /// a fallback is called for, not a retry.
    ///
    /// ```
    /// use annulus_ring::{Builder, abi::SetupFlags};
    /// // SAFETY: no kernel has the flag, so it changes nothing.
    /// let refused = unsafe { Builder::new().unknown_flags(SetupFlags(1 << 30)) }.build();
    /// assert!(refused.unwrap_err().is_unsupported());
    /// ```
    pub fn is_unsupported(&self) -> bool {
        match &self.0 {
            Repr::Setup(setup) => setup.cause().is_unsupported(),
            Repr::Enter { blocked: Some(_), .. } | Repr::Register { blocked: Some(_), .. } => true,
            // What a wait may ask for has grown: a time on the clock, a minimum, a kind of waiting.
            Repr::Enter { errno: Errno::EINVAL, .. } => true,
            Repr::Register { errno, .. } => {
                matches!(*errno, Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOSYS)
            }
            _ => self.is(Errno::ENOSYS) || self.is(Errno::EOPNOTSUPP),
        }
    }

    /// Why the ring could not be made, if that is what failed; or what blocks `io_uring_enter` or
    /// `io_uring_register` although it was made.
    ///
    /// ```
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert!(error.setup_error().is_some());
    /// ```
    pub fn setup_error(&self) -> Option<&SetupError> {
        match &self.0 {
            Repr::Setup(setup) => Some(setup),
            Repr::Enter { blocked, .. } | Repr::Register { blocked, .. } => blocked.as_deref(),
            _ => None,
        }
    }

    /// How many entries a failed submit left in the queue: the next submit sends them, and what
    /// they point to must stay valid. `None` for errors that are not a submit's.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait};
    /// use std::time::Duration;
    /// let mut ring = LocalRing::new(8)?;
    /// let wait = Wait::new().timeout(Duration::ZERO);
    /// assert_eq!(ring.submit_and_wait_with(1, &wait).unwrap_err().queued(), Some(0));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn queued(&self) -> Option<u32> {
        match self.0 {
            Repr::Enter { queued, .. } => Some(queued),
            _ => None,
        }
    }
}

/// What blocks `call`, if anything does: no filter has to do with a kernel that is not Linux.
fn blocked(is_linux: bool, call: Call, errno: Errno) -> Option<Box<SetupError>> {
    is_linux.then(|| SetupError::of_call(call, errno)).flatten().map(Box::new)
}

/// What an errno of `io_uring_enter(2)` means for who called it.
fn enter_advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EAGAIN => "the kernel is out of memory for requests: take completions, then retry",
        Errno::EBUSY => "completions wait outside the full queue: take them, then retry",
        Errno::EBADR => {
            "the kernel had no memory to keep completions outside the full queue and lost some: \
             what was under way may never complete"
        }
        Errno::EBADFD => "the ring is still disabled: call enable() first",
        Errno::EEXIST => {
            "only the thread that owns a single-issuer ring may enter it: move the work there"
        }
        Errno::EINTR => "a signal came: call again",
        Errno::ETIME => "the time was up: call again, or go on",
        Errno::EINVAL => {
            "the kernel does not know what was asked of the wait (see io_uring_enter(2))"
        }
        Errno::EFAULT => "the address of the wait's argument is not readable",
        Errno::EBADF => "the ring's descriptor was closed behind its back",
        Errno::ENXIO => "the ring is being torn down",
        Errno::EOPNOTSUPP => "the descriptor is not a ring, or the ring has no such mode",
        Errno::EPERM | Errno::EACCES | Errno::ENOSYS => {
            "refused, but a call on no ring is not: something in the request is not allowed"
        }
        Errno::EOVERFLOW => "the wait's time limit does not fit",
        _ => "see io_uring_enter(2)",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Full { wanted, entries } => write!(
                f,
                "no room for {wanted} in the submission queue of {entries} entries: submit first"
            ),
            Repr::Forked => {
                f.write_str("this ring belongs to the parent process: make a new one after fork(2)")
            }
            Repr::Lost => f.write_str(
                "this ring's memory was lost when it was resized: make a new one, and keep the \
                 buffers of what was under way for good",
            ),
            Repr::Enter { errno, queued, blocked } => {
                match blocked {
                    Some(blocked) => blocked.fmt(f)?,
                    None => write!(f, "io_uring_enter: {errno}: {}", enter_advice(*errno))?,
                }
                match queued {
                    0 => Ok(()),
                    1 => f.write_str(" (1 entry stays queued)"),
                    n => write!(f, " ({n} entries stay queued)"),
                }
            }
            Repr::Register { op, blocked: Some(blocked), .. } => write!(f, "{op:?}: {blocked}"),
            Repr::Register { errno, op, .. } => {
                write!(f, "{op:?}: {errno}")?;
                match advice::register(*op, *errno) {
                    "" => Ok(()),
                    advice => write!(f, ": {advice}"),
                }
            }
            Repr::Setup(setup) => setup.fmt(f),
            Repr::Usage(what) => f.write_str(what),
            Repr::Os { errno, doing } => write!(f, "{doing}: {errno}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_tuple("Error").field(&self.0).finish();
        }
        for (n, line) in self.to_string().lines().enumerate() {
            let gap = if n == 0 { "" } else { "; " };
            // What is aligned in several lines is not in one.
            write!(f, "{gap}{}", line.split_whitespace().collect::<Vec<_>>().join(" "))?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match (&error.0, error.errno()) {
            (Repr::Full { .. }, _) => io::ErrorKind::WouldBlock,
            (_, Some(errno)) => io::Error::from(errno).kind(),
            (_, None) => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_fits_in_three_words() {
        assert!(size_of::<Error>() <= 24, "{}", size_of::<Error>());
        assert!(size_of::<Result<u32>>() <= 24);
    }

    #[test]
    fn a_failed_submit_says_what_stays_queued() {
        let text = Error::enter(true, Errno::EAGAIN, 3).to_string();
        assert!(text.contains("EAGAIN") && text.contains("3 entries stay queued"), "{text}");
        assert!(Error::enter(true, Errno::EBUSY, 1).is_busy());
        assert_eq!(Error::enter(true, Errno::EBUSY, 1).queued(), Some(1));
    }

    #[test]
    fn a_failed_registration_says_the_cure() {
        let text = Error::register(true, Errno::EMFILE, RegisterOp::FILES).to_string();
        assert!(text.contains("EMFILE") && text.contains("RLIMIT_NOFILE"), "{text}");
    }

    #[test]
    fn the_kind_survives_the_conversion() {
        let error = io::Error::from(Error::enter(true, Errno::EINTR, 0));
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert!(error.to_string().contains("EINTR"));
    }
}

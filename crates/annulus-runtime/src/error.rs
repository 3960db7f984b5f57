//! [`Error`]: why an operation failed that has no buffer to give back.

use std::{fmt, io};

use annulus_ring::Errno;

use crate::operation::{Completion, Origin};

/// Why an operation failed.
///
/// What to do about it is asked with `is_…`; the kernel's number is [`errno`](Self::errno). It
/// converts into [`io::Error`], whose kind and `raw_os_error` are the kernel's where it is the
/// kernel's failure.
///
/// ```
/// use annulus_runtime::Engine;
/// use futures::executor::block_on;
/// let engine = Engine::new()?;
/// let file = engine.file(std::fs::File::open("Cargo.toml")?); // opened to read
/// let error = block_on(file.write_at(&b"x"[..], 0)).unwrap_err();
/// assert_eq!(error.errno(), Some(annulus_ring::Errno::EBADF));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error {
    origin: Origin,
    errno: Errno,
}

impl Error {
    /// The kernel's.
    pub(crate) fn os(errno: Errno) -> Self {
        Self { origin: Origin::Kernel, errno }
    }

    /// What `completion` says, whose result is an error.
    #[cold]
    pub(crate) fn of(completion: &Completion, errno: Errno) -> Self {
        Self { origin: completion.origin, errno }
    }

    /// The kernel's error number, if the kernel refused; nothing where the operation was ended by
    /// this library or its user.
    pub fn errno(&self) -> Option<Errno> {
        (self.origin == Origin::Kernel).then_some(self.errno)
    }

    /// The standard library's word for it.
    pub fn kind(&self) -> io::ErrorKind {
        match self.origin {
            Origin::Kernel => io::Error::from(self.errno).kind(),
            Origin::Cancelled => io::ErrorKind::Interrupted,
            Origin::Deadline => io::ErrorKind::TimedOut,
            Origin::Closed => io::ErrorKind::BrokenPipe,
            Origin::Forked => io::ErrorKind::Unsupported,
        }
    }

    /// Whether it was cancelled by its user. What it had done until then is done.
    pub fn is_cancelled(&self) -> bool {
        self.origin == Origin::Cancelled
    }

    /// Whether its [deadline](crate::engine::Op::deadline) came first.
    pub fn is_timeout(&self) -> bool {
        self.origin == Origin::Deadline
    }

    /// Whether the engine is closed: make another.
    pub fn is_closed(&self) -> bool {
        self.origin == Origin::Closed
    }

    /// Whether the engine is that of the parent of this process: make one here, after the fork.
    pub fn is_forked(&self) -> bool {
        self.origin == Origin::Forked
    }
}

impl Completion {
    /// The result of an operation that has nothing to give back.
    pub(crate) fn outcome(&self) -> Result<u32, Error> {
        self.result.map_err(|errno| Error::of(self, errno))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Kernel => write!(f, "{}", io::Error::from(self.errno)),
            Origin::Cancelled => f.write_str("the operation was cancelled"),
            Origin::Deadline => f.write_str("the operation's deadline passed"),
            Origin::Closed => f.write_str("the engine is closed: make a new one"),
            Origin::Forked => f.write_str(
                "the engine is the parent's: in a forked process make one after the fork",
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("origin", &self.origin).field("errno", &self.errno).finish()
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error.origin {
            Origin::Kernel => error.errno.into(),
            _ => io::Error::new(error.kind(), error),
        }
    }
}

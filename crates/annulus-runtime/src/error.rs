//! [`Error`]: why an operation failed that has no buffer to give back.

use std::{fmt, io};

use annulus_ring::Errno;

use crate::operation::{Completion, Origin};

/// Why an operation failed.
///
/// What to do about it is asked with `is_…`; the kernel's number is [`errno`](Self::errno). It
/// converts into [`io::Error`], whose kind and `raw_os_error` are the kernel's where it is the
/// kernel's failure; where it is not, [`io::Error::downcast`] gives this again.
///
/// | who ended it | asked by | [`kind`](Self::kind) | what to do |
/// | --- | --- | --- | --- |
/// | the kernel | [`errno`](Self::errno) | by the number | see the operation's page |
/// | its user, by [`Op::cancel`] | [`is_cancelled`](Self::is_cancelled) | `Interrupted` | nothing |
/// | its deadline | [`is_timeout`](Self::is_timeout) | `TimedOut` | try again, or give up |
/// | the engine's end | [`is_closed`](Self::is_closed) | `BrokenPipe` | make another engine |
/// | a fork | [`is_forked`](Self::is_forked) | `Unsupported` | make an engine in the child |
///
/// [`Op::cancel`]: crate::engine::Op::cancel
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
    /// Why nothing was begun, where the request itself was at fault.
    invalid: Option<Invalid>,
}

/// What is wrong with a request, found before the kernel is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// A zero byte ends a string for the kernel, so none can be in it.
    ZeroByte,
    /// No access was asked for.
    NoAccess,
    /// What is made or truncated must be opened for writing.
    NotForWriting,
    /// To truncate what is appended to.
    TruncatesAppended,
    /// Direct I/O that is not aligned as the file needs it.
    Misaligned(Misaligned),
    /// Direct I/O on a file that has none, as it seems.
    NoDirect,
    /// What was to be text is not UTF-8.
    NotUtf8,
}

/// What of a direct read or write is not a multiple of how many bytes, as a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misaligned {
    Address(u8),
    Length(u8),
    Offset(u8),
    /// One of them, of several buffers.
    Pieces(u8),
}

impl fmt::Display for Misaligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, log2) = match self {
            Self::Address(log2) => ("the buffer's address", log2),
            Self::Length(log2) => ("the length", log2),
            Self::Offset(log2) => ("the offset", log2),
            Self::Pieces(log2) => ("an address or a length", log2),
        };
        let bytes = 1_u32 << log2;
        write!(
            f,
            "the file is open for direct I/O, and {what} is not a multiple of {bytes} bytes, as it \
             has to be there: take an `AlignedBuf`, or open the file without `direct`"
        )
    }
}

impl Invalid {
    /// Whether the kernel said so, and this only says why.
    fn is_the_kernels(self) -> bool {
        matches!(self, Self::Misaligned(_) | Self::NoDirect)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Misaligned(misaligned) => return misaligned.fmt(f),
            Self::NoDirect => {
                "direct I/O was asked for, which this file system has not: open it without `direct`"
            }
            Self::NotUtf8 => "the content is not UTF-8",
            Self::ZeroByte => "there is a zero byte in the name, which ends it for the kernel",
            Self::NoAccess => "neither reading nor writing was asked for",
            Self::NotForWriting => "creating or truncating a file needs write access to it",
            Self::TruncatesAppended => "a file opened to append cannot be truncated by that",
        })
    }
}

impl Error {
    /// The kernel's.
    pub(crate) fn os(errno: Errno) -> Self {
        Self { origin: Origin::Kernel, errno, invalid: None }
    }

    /// What `completion` says, whose result is an error.
    #[cold]
    pub(crate) fn of(completion: &Completion, errno: Errno) -> Self {
        Self { origin: completion.origin, errno, invalid: None }
    }

    /// Of a request that is at fault itself: the kernel was not asked.
    #[cold]
    pub(crate) fn invalid(invalid: Invalid) -> Self {
        Self { origin: Origin::Kernel, errno: Errno::EINVAL, invalid: Some(invalid) }
    }

    /// Of content that was to be text: of kind `InvalidData`, without a number.
    ///
    /// ```
    /// let error = annulus_runtime::Error::not_utf8();
    /// assert_eq!((error.kind(), error.errno()), (std::io::ErrorKind::InvalidData, None));
    /// ```
    #[cold]
    pub fn not_utf8() -> Self {
        Self::invalid(Invalid::NotUtf8)
    }

    /// Whether it says more than its number does.
    pub(crate) fn is_explained(&self) -> bool {
        self.invalid.is_some()
    }

    /// The kernel's error number, if the kernel refused; nothing where the operation was ended by
    /// this library or its user.
    ///
    /// ```
    /// # use annulus_runtime::{Engine, Error};
    /// # use std::time::Duration;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// engine.shutdown(Duration::from_secs(5));
    /// let read = futures::executor::block_on(file.read_at(vec![0; 9], 0));
    /// let error: Error = read.unwrap_err().error().downcast()?;
    /// assert_eq!(error.errno(), None); // the engine refused, the kernel was not asked
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn errno(&self) -> Option<Errno> {
        let is_the_kernels = self.invalid.is_none_or(Invalid::is_the_kernels);
        (self.origin == Origin::Kernel && is_the_kernels).then_some(self.errno)
    }

    /// The standard library's word for it.
    ///
    /// ```
    /// # use annulus_runtime::{Engine, Error};
    /// # use std::time::Duration;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let pipe = Engine::new()?.file(reader);
    /// let read = pipe.read(vec![0; 9]).deadline(Duration::from_millis(1));
    /// let error: Error = futures::executor::block_on(read).unwrap_err().error().downcast()?;
    /// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kind(&self) -> io::ErrorKind {
        match self.origin {
            Origin::Kernel if self.invalid == Some(Invalid::NotUtf8) => io::ErrorKind::InvalidData,
            Origin::Kernel => io::Error::from(self.errno).kind(),
            Origin::Cancelled => io::ErrorKind::Interrupted,
            Origin::Deadline => io::ErrorKind::TimedOut,
            Origin::Closed => io::ErrorKind::BrokenPipe,
            Origin::Forked => io::ErrorKind::Unsupported,
        }
    }

    /// Whether it was cancelled by its user. What it had done until then is done.
    ///
    /// ```
    /// # use annulus_runtime::{Engine, Error};
    /// use futures::{executor::block_on, future::poll_immediate};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let pipe = Engine::new()?.file(reader);
    /// let mut read = pipe.read(vec![0; 9]);
    /// assert!(block_on(poll_immediate(&mut read)).is_none()); // it is begun
    /// read.cancel();
    /// let error: Error = block_on(read).unwrap_err().error().downcast()?;
    /// assert!(error.is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.origin == Origin::Cancelled
    }

    /// Whether its [deadline](crate::engine::Op::deadline) came first.
    ///
    /// ```
    /// # use annulus_runtime::{Engine, Error};
    /// # use std::time::Duration;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let pipe = Engine::new()?.file(reader);
    /// let read = pipe.read(vec![0; 9]).deadline(Duration::from_millis(1));
    /// let error: Error = futures::executor::block_on(read).unwrap_err().error().downcast()?;
    /// assert!(error.is_timeout() && !error.is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.origin == Origin::Deadline
    }

    /// Whether the engine is closed: make another.
    ///
    /// ```
    /// # use annulus_runtime::{Engine, Error};
    /// # use std::time::Duration;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// engine.shutdown(Duration::from_secs(5));
    /// let read = futures::executor::block_on(file.read_at(vec![0; 9], 0));
    /// let error: Error = read.unwrap_err().error().downcast()?;
    /// assert!(error.is_closed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.origin == Origin::Closed
    }

    /// Whether the engine is that of the parent of this process: make one here, after the fork.
    ///
    /// ```
    /// # use annulus_runtime::{Engine, Error};
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// // SAFETY: the child does what is below, takes no lock that another thread may hold, and
    /// // ends without going back.
    /// match unsafe { libc::fork() } {
    ///     0 => {
    ///         let read = futures::executor::block_on(file.read_at(vec![0; 9], 0));
    ///         let error = read.unwrap_err().error().downcast::<Error>();
    ///         // SAFETY: it ends this process.
    ///         unsafe { libc::_exit(i32::from(!error.is_ok_and(|error| error.is_forked()))) }
    ///     }
    ///     child => {
    ///         let mut status = 0;
    ///         // SAFETY: the status is written while this waits.
    ///         assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    ///         assert_eq!(status, 0);
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
        if let Some(invalid) = self.invalid {
            return invalid.fmt(f);
        }
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
        if let Some(invalid) = self.invalid {
            return f.debug_tuple("Error").field(&invalid).finish();
        }
        f.debug_struct("Error").field("origin", &self.origin).field("errno", &self.errno).finish()
    }
}

impl std::error::Error for Error {}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::os(errno)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error.errno() {
            // The number alone would not say what is wrong.
            Some(errno) if !error.is_explained() => errno.into(),
            _ => io::Error::new(error.kind(), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_and_keeps_what_the_kernel_said() {
        assert!(size_of::<Error>() <= 8, "{}", size_of::<Error>());
        let error = io::Error::from(Error::os(Errno::ELOOP));
        assert_eq!(error.raw_os_error(), Some(40));
    }

    #[test]
    fn a_misaligned_request_keeps_its_number_and_says_what_is_wrong() {
        let error = Error::invalid(Invalid::Misaligned(Misaligned::Offset(9)));
        assert_eq!(
            (error.errno(), error.kind()),
            (Some(Errno::EINVAL), io::ErrorKind::InvalidInput)
        );
        let text = io::Error::from(error).to_string();
        assert!(text.contains("the offset is not a multiple of 512 bytes"), "{text}");
    }

    #[test]
    fn a_request_at_fault_is_no_error_of_the_kernel() {
        let error = Error::invalid(Invalid::ZeroByte);
        assert_eq!((error.errno(), error.kind()), (None, io::ErrorKind::InvalidInput));
        let text = io::Error::from(error).to_string();
        assert!(text.contains("zero byte"), "{text}");
    }
}

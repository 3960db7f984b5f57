//! [`Errno`]: an error number as the kernel gives it, without the detour through a thread-local.

use core::fmt;

/// An error number, as system calls and completions report it.
///
/// A completion's `res` below zero is `-errno`; so is what `io_uring_enter(2)` answers. The value
/// is kept whole, also where this list has no name for it.
///
/// ```
/// use annulus_ring::Errno;
/// let e = Errno::from_raw(4);
/// assert_eq!(e, Errno::EINTR);
/// assert_eq!(e.name(), Some("EINTR"));
/// assert_eq!(std::io::Error::from(e).kind(), std::io::ErrorKind::Interrupted);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Errno(i32);

impl Errno {
    /// Wraps a positive error number.
    ///
    /// ```
    /// assert_eq!(annulus_ring::Errno::from_raw(22), annulus_ring::Errno::EINVAL);
    /// ```
    #[inline]
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// The number, positive.
    ///
    /// ```
    /// assert_eq!(annulus_ring::Errno::ENOENT.raw(), 2);
    /// ```
    #[inline]
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The kernel's name for it, if it is one of those that io_uring is known to answer.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// assert_eq!(Errno::EBUSY.name(), Some("EBUSY"));
    /// assert_eq!(Errno::from_raw(4000).name(), None);
    /// ```
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(e, _)| *e == self).map(|(_, n)| *n)
    }

    /// The kernel's words for it, as `strerror(3)` has them.
    ///
    /// ```
    /// assert!(annulus_ring::Errno::EPERM.message().contains("not permitted"));
    /// ```
    pub fn message(self) -> String {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        // The standard library appends " (os error N)": the number is shown by name instead.
        match text.rfind(" (os error") {
            Some(at) => text[..at].to_owned(),
            None => text,
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}: {}", self.message())
    }
}

impl core::error::Error for Errno {}

impl From<Errno> for std::io::Error {
    fn from(e: Errno) -> Self {
        std::io::Error::from_raw_os_error(e.0)
    }
}

macro_rules! errnos {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        impl Errno {
            $(#[doc = $doc] pub const $name: Self = Self($value);)*
        }
        const NAMES: &[(Errno, &str)] = &[$((Errno::$name, stringify!($name))),*];
    };
}

// The generic numbers: x86-64, aarch64 and riscv64 share them.
errnos! {
    EPERM = 1, "Operation not permitted.";
    ENOENT = 2, "No such file, request or registration.";
    EINTR = 4, "A signal came: try again.";
    EIO = 5, "Input or output failed.";
    ENXIO = 6, "No such device, or the ring is being torn down.";
    E2BIG = 7, "An argument is longer than this kernel knows.";
    EBADF = 9, "Not an open descriptor.";
    EAGAIN = 11, "Not now: try again.";
    ENOMEM = 12, "Out of memory, or over the limit on locked memory.";
    EACCES = 13, "Not allowed: permissions, or a restriction of the ring.";
    EFAULT = 14, "A pointer that cannot be read or written.";
    EBUSY = 16, "Busy: registered already, or the completion queue is full.";
    EEXIST = 17, "It exists; or another thread than the ring's own one entered it.";
    EXDEV = 18, "Across file systems.";
    ENODEV = 19, "No such device.";
    ENOTDIR = 20, "Not a directory.";
    EISDIR = 21, "Is a directory.";
    EINVAL = 22, "An argument that this kernel does not take.";
    ENFILE = 23, "The system has no descriptor left.";
    EMFILE = 24, "The process (or a table of the ring) has no descriptor left.";
    ENOTTY = 25, "Not that kind of device.";
    EFBIG = 27, "Larger than the file system or the limit allows.";
    ENOSPC = 28, "No space left.";
    ESPIPE = 29, "Not seekable.";
    EROFS = 30, "The file system is read-only.";
    EMLINK = 31, "Too many names.";
    EPIPE = 32, "The other end is closed.";
    ERANGE = 34, "It does not fit: a longer value, or a name without length.";
    ENAMETOOLONG = 36, "The name is too long.";
    ENOSYS = 38, "The kernel (or a filter) has no such system call.";
    ENOTEMPTY = 39, "The directory is not empty.";
    ELOOP = 40, "Too many symbolic links.";
    EBADR = 53, "Completions were lost: the kernel had no memory to keep them.";
    ENODATA = 61, "No such attribute.";
    ETIME = 62, "The time was up.";
    EPROTO = 71, "Protocol error.";
    EBADFD = 77, "The ring is not enabled yet.";
    EOVERFLOW = 75, "The value does not fit.";
    ENOTSOCK = 88, "Not a socket.";
    EMSGSIZE = 90, "The message is too long.";
    EOPNOTSUPP = 95, "This file or kernel does not support it.";
    EADDRINUSE = 98, "The address is in use.";
    EADDRNOTAVAIL = 99, "The address is not available.";
    ENETUNREACH = 101, "The network cannot be reached.";
    ECONNABORTED = 103, "The connection was aborted.";
    ECONNRESET = 104, "The peer reset the connection.";
    ENOBUFS = 105, "No buffer left in the group.";
    EISCONN = 106, "Connected already.";
    ENOTCONN = 107, "Not connected.";
    ETIMEDOUT = 110, "The connection timed out.";
    ECONNREFUSED = 111, "The connection was refused.";
    EALREADY = 114, "Underway already: too late to cancel.";
    EINPROGRESS = 115, "Underway.";
    ECANCELED = 125, "Cancelled, or its link was broken.";
}

//! Operations that io_uring has no number for, as entries like any other: so that everything that
//! touches the world passes one waist, and can be emulated and simulated there.
//!
//! Their numbers are [`Op`]s from 0xC0 up, which Linux does not use (it counts from 0, and is at
//! 64). **Linux must never see them**: today it would answer `EINVAL`, and a later kernel might
//! give one of them a meaning. A ring passes on whatever is pushed, so do not push them onto one of
//! Linux. The user-space kernels take them in their queues. Where the kernel is Linux, those that
//! cannot block are done at once by [`Kernel::call`](crate::kernel::Kernel::call), and the layers
//! above give the others to a ring in user space beside. That is why they stand here and not in
//! [`op`](crate::op).
//!
//! The functions here say which field carries what, and that is the contract between those who
//! make such an entry and those who perform it:
//!
//! | field | carries |
//! | --- | --- |
//! | `fd` | the file or directory it is about, a descriptor of the process |
//! | `addr` | the first address (path, name, buffer), or the second file's offset |
//! | `off` (`addr2`) | the second address, or an offset |
//! | `addr3` | the third address, or a 64-bit length |
//! | `len` | a length, a count, a mode, or a command |
//! | `rw_flags` | flags |
//! | `splice_fd_in` | the second file, or a second count |
//!
//! Fields that an operation does not name are zero. `user_data`, [`ASYNC`] and
//! [`CQE_SKIP_SUCCESS`] mean what they always do. [`FIXED_FILE`], [`BUFFER_SELECT`], a link or a
//! drain ends in `EINVAL`, on every kernel: they feed or order an entry within a ring, and for
//! Linux these are not in one. The result is the system call's, or `-errno`. **Whatever an entry
//! points to must stay until its completion**: nothing is copied before.
//!
//! Why these: they are what `std::fs`, `std::net` and `std::process` do and io_uring cannot. Not
//! here: what is memory and not I/O (`mmap`, `memfd_create`); starting a program (its arguments do
//! not fit an entry, and its ends are pipes and a pidfd, which do); a general `ioctl`, which nobody
//! could emulate; `inotify`, until something above watches files.
//!
//! [`ASYNC`]: crate::abi::SqeFlags::ASYNC
//! [`CQE_SKIP_SUCCESS`]: crate::abi::SqeFlags::CQE_SKIP_SUCCESS
//! [`FIXED_FILE`]: crate::abi::SqeFlags::FIXED_FILE
//! [`BUFFER_SELECT`]: crate::abi::SqeFlags::BUFFER_SELECT

mod files;
mod payload;
mod process;
mod sockets;

pub use files::{
    copy_file_range, dup, faccessat2, fchmodat2, fchownat, ficlone, ficlone_range, flistxattr,
    flock, fremovexattr, fstatfs, getdents64, listxattr, lseek, readlinkat, removexattr, sendfile,
    syncfs, utimensat,
};
pub use payload::{
    DIRENT64_NAME_OFFSET, Dirent64, DirentType, FlockOperation, POSITION, ResolvedAddress,
    SeekWhence, Statfs, UTIME_NOW, UTIME_OMIT,
};
pub use process::{getrandom, pidfd_open, pidfd_send_signal, signalfd};
pub use sockets::{getaddrinfo, getpeername, getsockname, getsockopt, socketpair};

use super::newtypes::Known;
use super::sqe::{Op, Sqe};

/// The first number that is private.
///
/// ```
/// use annulus_ring::abi::{Op, private::FIRST};
/// assert!(Op(FIRST).is_private() && !Op(FIRST - 1).is_private());
/// ```
pub const FIRST: u8 = 0xc0;

/// Declares operations: `NAME = number, "C name", "since";` each, after its doc comment.
macro_rules! private {
    ($($(#[$doc:meta])* $Name:ident = $value:literal, $call:literal, $since:literal;)*) => {
        impl Op {
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!(
                    "`", $call, "`, Linux ", $since, "; private to this library, see ",
                    "[`private`](crate::abi::private)."
                )]
                #[doc(alias = $call)]
                pub const $Name: Self = Self($value);
            )*

            /// The operations that are this library's own: Linux has no number for them. `since`
            /// is the first Linux with the system call.
            pub const PRIVATE: &'static [Known<Self>] = &[
                $(Known {
                    name: concat!("ANNULUS_OP_", stringify!($Name)),
                    value: Self::$Name,
                    since: $since,
                }),*
            ];
        }
    };
}

// 0xC0 to 0xDF: files. 0xE0 to 0xEF: sockets and names. 0xF0 to 0xFF: the process.
private! {
    /// Makes a file share another's blocks: [`ficlone`].
    FICLONE = 0xc0, "ioctl(FICLONE)", "4.5";
    /// Makes a range of a file share another's blocks: [`ficlone_range`].
    FICLONERANGE = 0xc1, "ioctl(FICLONERANGE)", "4.5";
    /// Copies from file to file within the kernel: [`copy_file_range`].
    COPY_FILE_RANGE = 0xc2, "copy_file_range", "4.5";
    /// Sends a file to a socket, or copies it: [`sendfile`].
    SENDFILE = 0xc3, "sendfile", "2.2";
    /// Lists a directory: [`getdents64`].
    GETDENTS64 = 0xc4, "getdents64", "2.4";
    /// Moves a file's position, or finds its data and holes: [`lseek`].
    LSEEK = 0xc5, "lseek", "1.0";
    /// Locks or unlocks a file: [`flock`].
    FLOCK = 0xc6, "flock", "2.0";
    /// Asks how full a file system is: [`fstatfs`].
    FSTATFS = 0xc7, "fstatfs", "2.0";
    /// Changes permissions: [`fchmodat2`].
    FCHMODAT2 = 0xc8, "fchmodat2", "6.6";
    /// Changes owner and group: [`fchownat`].
    FCHOWNAT = 0xc9, "fchownat", "2.6.16";
    /// Sets the times of access and change: [`utimensat`].
    UTIMENSAT = 0xca, "utimensat", "2.6.22";
    /// Reads a symbolic link: [`readlinkat`].
    READLINKAT = 0xcb, "readlinkat", "2.6.16";
    /// Lists the extended attributes of an open file: [`flistxattr`].
    FLISTXATTR = 0xcc, "flistxattr", "2.4";
    /// Removes one: [`fremovexattr`].
    FREMOVEXATTR = 0xcd, "fremovexattr", "2.4";
    /// Makes another descriptor of an open file: [`dup`].
    DUP = 0xce, "fcntl(F_DUPFD_CLOEXEC)", "2.6.24";
    /// Asks whether a file may be used: [`faccessat2`].
    FACCESSAT2 = 0xcf, "faccessat2", "5.8";
    /// Lists the extended attributes of a file by its path: [`listxattr`].
    LISTXATTR = 0xd0, "listxattr", "2.4";
    /// Removes one: [`removexattr`].
    REMOVEXATTR = 0xd1, "removexattr", "2.4";
    /// Makes a whole file system durable: [`syncfs`].
    SYNCFS = 0xd2, "syncfs", "2.6.39";
    /// Finds a host's addresses: [`getaddrinfo`].
    GETADDRINFO = 0xe0, "getaddrinfo", "1.0";
    /// Asks for a socket's own address: [`getsockname`].
    GETSOCKNAME = 0xe1, "getsockname", "1.0";
    /// Asks for its peer's: [`getpeername`].
    GETPEERNAME = 0xe2, "getpeername", "1.0";
    /// Reads an option, of any level: [`getsockopt`].
    GETSOCKOPT = 0xe3, "getsockopt", "1.0";
    /// Makes two connected sockets: [`socketpair`].
    SOCKETPAIR = 0xe4, "socketpair", "1.0";
    /// Makes a descriptor of a process: [`pidfd_open`].
    PIDFD_OPEN = 0xf0, "pidfd_open", "5.3";
    /// Sends a process a signal: [`pidfd_send_signal`].
    PIDFD_SEND_SIGNAL = 0xf1, "pidfd_send_signal", "5.1";
    /// Makes a descriptor that signals are read from: [`signalfd`].
    SIGNALFD = 0xf2, "signalfd4", "2.6.27";
    /// Fills memory with random bytes: [`getrandom`].
    GETRANDOM = 0xf3, "getrandom", "3.17";
}

impl Op {
    /// Whether it is one of this library's own, which Linux must not see.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// assert!(Op::SENDFILE.is_private() && !Op::SPLICE.is_private());
    /// ```
    #[inline]
    pub const fn is_private(self) -> bool {
        self.0 >= FIRST
    }
}

/// An entry for `op` on `fd`, everything else zero.
fn entry(op: Op, fd: i32) -> Sqe {
    Sqe { opcode: op, fd, ..Sqe::default() }
}

/// An address as an entry carries it.
fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

#[cfg(test)]
mod tests {
    use super::{FIRST, Op};

    #[test]
    fn private_numbers_ascend_and_are_apart_from_the_kernels() {
        assert!(Op::PRIVATE.windows(2).all(|pair| pair[0].value < pair[1].value));
        assert!(Op::PRIVATE.iter().all(|k| k.value.raw() >= FIRST));
        assert!(Op::ALL.iter().all(|k| !k.value.is_private()));
    }

    #[test]
    fn private_operations_print_their_names() {
        assert_eq!(format!("{:?}", Op::GETDENTS64), "ANNULUS_OP_GETDENTS64");
        assert_eq!(format!("{:?}", Op(0xff)), "Op(255)");
    }
}

//! Sockets: the flags of a message, its header, and what the kernel puts before a message that it
//! received into a buffer of a group.

use core::ffi::c_void;

use super::newtypes::{flags, numbers};

flags! {
    /// How a message is sent or received (`sqe->msg_flags`), and what came of it
    /// ([`Msghdr::msg_flags`], [`RecvmsgOut::flags`]).
    ///
    /// ```
    /// use annulus_ring::abi::MsgFlags;
    /// assert_eq!((MsgFlags::NOSIGNAL | MsgFlags::WAITALL).bits(), 0x4100);
    /// ```
    pub struct MsgFlags: u32;
    /// Out of band.
    OOB = 0x1, "MSG_OOB", "1.0";
    /// Leave what is received in the queue.
    PEEK = 0x2, "MSG_PEEK", "1.0";
    /// Only to networks that are directly connected.
    DONTROUTE = 0x4, "MSG_DONTROUTE", "1.0";
    /// Ancillary data was cut off.
    CTRUNC = 0x8, "MSG_CTRUNC", "2.2";
    /// Do not send: find the path's MTU.
    PROBE = 0x10, "MSG_PROBE", "2.4";
    /// Return the true length; in an answer: the message was cut off.
    TRUNC = 0x20, "MSG_TRUNC", "2.2";
    /// Do not block.
    DONTWAIT = 0x40, "MSG_DONTWAIT", "2.2";
    /// End of a record.
    EOR = 0x80, "MSG_EOR", "2.2";
    /// All of it or nothing less: io_uring retries a short send or receive.
    WAITALL = 0x100, "MSG_WAITALL", "2.2";
    /// The neighbour has answered.
    CONFIRM = 0x800, "MSG_CONFIRM", "2.3.15";
    /// From the error queue.
    ERRQUEUE = 0x2000, "MSG_ERRQUEUE", "2.2";
    /// No `SIGPIPE`.
    NOSIGNAL = 0x4000, "MSG_NOSIGNAL", "2.2";
    /// More will follow at once.
    MORE = 0x8000, "MSG_MORE", "2.4.4";
    /// `recvmmsg(2)` blocks for the first message only.
    WAITFORONE = 0x1_0000, "MSG_WAITFORONE", "2.6.34";
    /// The payload is in device memory.
    SOCK_DEVMEM = 0x200_0000, "MSG_SOCK_DEVMEM", "6.12";
    /// Without copying.
    ZEROCOPY = 0x400_0000, "MSG_ZEROCOPY", "4.14";
    /// With the first data of a connection.
    FASTOPEN = 0x2000_0000, "MSG_FASTOPEN", "3.7";
    /// Close received descriptors at `execve`.
    CMSG_CLOEXEC = 0x4000_0000, "MSG_CMSG_CLOEXEC", "2.6.23";
}

flags! {
    /// What SOCKET adds to the socket's type, and ACCEPT to its flags (`sqe->accept_flags`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::SockFlags::CLOEXEC.bits(), 0o2000000);
    /// ```
    pub struct SockFlags: u32;
    /// Do not block.
    NONBLOCK = 0o4_000, "SOCK_NONBLOCK", "2.6.27";
    /// Close it at `execve`.
    CLOEXEC = 0o2_000_000, "SOCK_CLOEXEC", "2.6.27";
}

numbers! {
    /// Which half SHUTDOWN closes (in `sqe->len`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::ShutdownHow::RDWR.raw(), 2);
    /// ```
    pub struct ShutdownHow: u32;
    /// No more is received.
    RD = 0, "SHUT_RD", "1.0";
    /// No more is sent.
    WR = 1, "SHUT_WR", "1.0";
    /// Both.
    RDWR = 2, "SHUT_RDWR", "1.0";
}

/// A piece of memory (`struct iovec`). [`IoSlice`](std::io::IoSlice) and
/// [`IoSliceMut`](std::io::IoSliceMut) have the same layout.
///
/// ```
/// use annulus_ring::abi::Iovec;
/// let iov = Iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
/// assert_eq!(size_of_val(&iov), size_of::<std::io::IoSlice<'_>>());
/// ```
#[doc(alias = "iovec")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Iovec {
    /// Where it begins.
    pub iov_base: *mut c_void,
    /// Its length in bytes.
    pub iov_len: usize,
}

/// A message's address, data and ancillary data (`struct user_msghdr`), for SENDMSG and RECVMSG.
///
/// RECVMSG's must stay until the completion: the kernel writes to it at the end.
///
/// ```
/// use annulus_ring::abi::{Iovec, Msghdr};
/// let mut word = *b"ring";
/// let mut iov = Iovec { iov_base: word.as_mut_ptr().cast(), iov_len: 4 };
/// let msg = Msghdr { msg_iov: &mut iov, msg_iovlen: 1, ..Msghdr::empty() };
/// assert!(msg.msg_name.is_null() && msg.msg_controllen == 0);
/// ```
#[doc(alias = "user_msghdr")]
#[doc(alias = "msghdr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Msghdr {
    /// The address: where to send, or where the sender's is written.
    pub msg_name: *mut c_void,
    /// Its length in bytes: of the memory, then of what was written.
    pub msg_namelen: i32,
    /// The data.
    pub msg_iov: *mut Iovec,
    /// In how many pieces.
    pub msg_iovlen: usize,
    /// Ancillary data.
    pub msg_control: *mut c_void,
    /// Its length in bytes.
    pub msg_controllen: usize,
    /// What came of it, after a receive.
    pub msg_flags: MsgFlags,
}

impl Msghdr {
    /// A message of nothing to nobody, to be filled.
    ///
    /// ```
    /// use annulus_ring::abi::Msghdr;
    /// assert_eq!(Msghdr::empty().msg_iovlen, 0);
    /// ```
    #[inline]
    pub const fn empty() -> Self {
        Self {
            msg_name: core::ptr::null_mut(),
            msg_namelen: 0,
            msg_iov: core::ptr::null_mut(),
            msg_iovlen: 0,
            msg_control: core::ptr::null_mut(),
            msg_controllen: 0,
            msg_flags: MsgFlags::empty(),
        }
    }
}

impl Default for Msghdr {
    fn default() -> Self {
        Self::empty()
    }
}

/// What precedes a message that a multishot RECVMSG put into a buffer of a group
/// (`struct io_uring_recvmsg_out`, Linux 6.0): then come, each as long as the submitted header
/// allowed, the address, the ancillary data and the payload.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::RecvmsgOut>(), 16);
/// ```
#[doc(alias = "io_uring_recvmsg_out")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RecvmsgOut {
    /// Length of the address in bytes, before it was cut to the room it had.
    pub namelen: u32,
    /// Length of the ancillary data in bytes.
    pub controllen: u32,
    /// Length of the payload in bytes, before it was cut to the room it had.
    pub payloadlen: u32,
    /// What came of it.
    pub flags: MsgFlags,
}

const _: () = {
    use core::mem::offset_of;
    let word = size_of::<usize>();
    assert!(size_of::<Iovec>() == 2 * word && offset_of!(Iovec, iov_len) == word);
    assert!(size_of::<Msghdr>() == 7 * word && offset_of!(Msghdr, msg_namelen) == word);
    assert!(offset_of!(Msghdr, msg_iov) == 2 * word);
    assert!(offset_of!(Msghdr, msg_iovlen) == 3 * word);
    assert!(offset_of!(Msghdr, msg_control) == 4 * word);
    assert!(offset_of!(Msghdr, msg_controllen) == 5 * word);
    assert!(offset_of!(Msghdr, msg_flags) == 6 * word);
    assert!(size_of::<RecvmsgOut>() == 16 && align_of::<RecvmsgOut>() == 4);
    assert!(offset_of!(RecvmsgOut, namelen) == 0 && offset_of!(RecvmsgOut, controllen) == 4);
    assert!(offset_of!(RecvmsgOut, payloadlen) == 8 && offset_of!(RecvmsgOut, flags) == 12);
};

//! Submission entries: the 64 bytes that ask for an operation, and the numbers of the operations.

use super::ids::{BufGroup, Personality};
use super::newtypes::{flags, numbers};

flags! {
    /// How an entry is to be treated (`sqe->flags`).
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, SqeFlags};
    /// assert_eq!(Sqe::default().link().flags, SqeFlags::IO_LINK);
    /// ```
    pub struct SqeFlags: u8;
    /// `fd` is an index of the ring's file table.
    FIXED_FILE = 1 << 0, "IOSQE_FIXED_FILE", "5.1";
    /// Begin only when all earlier entries are complete, and hold back later ones until then.
    IO_DRAIN = 1 << 1, "IOSQE_IO_DRAIN", "5.2";
    /// The next entry begins when this one has succeeded; a failure cancels the rest of the chain.
    IO_LINK = 1 << 2, "IOSQE_IO_LINK", "5.3";
    /// The next entry begins when this one is complete, whatever its result.
    IO_HARDLINK = 1 << 3, "IOSQE_IO_HARDLINK", "5.5";
    /// Do not try it inline: hand it to a worker thread at once.
    ASYNC = 1 << 4, "IOSQE_ASYNC", "5.6";
    /// Let the kernel pick a buffer of the group in `buf_group`.
    BUFFER_SELECT = 1 << 5, "IOSQE_BUFFER_SELECT", "5.7";
    /// Post no completion when it succeeds.
    CQE_SKIP_SUCCESS = 1 << 6, "IOSQE_CQE_SKIP_SUCCESS", "5.17";
}

numbers! {
    /// Which operation an entry asks for (`sqe->opcode`).
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// assert_eq!(Op::READ.name(), Some("IORING_OP_READ"));
    /// assert_eq!(Op(100).name(), None);
    /// ```
    pub struct Op: u8, beside Op::PRIVATE;
    /// Does nothing, and completes.
    NOP = 0, "IORING_OP_NOP", "5.1";
    /// Reads into several buffers.
    READV = 1, "IORING_OP_READV", "5.1";
    /// Writes from several buffers.
    WRITEV = 2, "IORING_OP_WRITEV", "5.1";
    /// Makes what was written to a file durable.
    FSYNC = 3, "IORING_OP_FSYNC", "5.1";
    /// Reads into a registered buffer.
    READ_FIXED = 4, "IORING_OP_READ_FIXED", "5.1";
    /// Writes from a registered buffer.
    WRITE_FIXED = 5, "IORING_OP_WRITE_FIXED", "5.1";
    /// Waits for readiness.
    POLL_ADD = 6, "IORING_OP_POLL_ADD", "5.1";
    /// Removes or changes such a wait.
    POLL_REMOVE = 7, "IORING_OP_POLL_REMOVE", "5.1";
    /// Writes back a range of a file.
    SYNC_FILE_RANGE = 8, "IORING_OP_SYNC_FILE_RANGE", "5.2";
    /// Sends a message.
    SENDMSG = 9, "IORING_OP_SENDMSG", "5.3";
    /// Receives a message.
    RECVMSG = 10, "IORING_OP_RECVMSG", "5.3";
    /// Completes after a time, or after a number of completions.
    TIMEOUT = 11, "IORING_OP_TIMEOUT", "5.4";
    /// Removes or changes a timeout.
    TIMEOUT_REMOVE = 12, "IORING_OP_TIMEOUT_REMOVE", "5.5";
    /// Accepts a connection.
    ACCEPT = 13, "IORING_OP_ACCEPT", "5.5";
    /// Cancels entries submitted before.
    ASYNC_CANCEL = 14, "IORING_OP_ASYNC_CANCEL", "5.5";
    /// Limits the time of the entry it is linked behind.
    LINK_TIMEOUT = 15, "IORING_OP_LINK_TIMEOUT", "5.5";
    /// Connects a socket.
    CONNECT = 16, "IORING_OP_CONNECT", "5.5";
    /// Reserves or frees space of a file.
    FALLOCATE = 17, "IORING_OP_FALLOCATE", "5.6";
    /// Opens a file.
    OPENAT = 18, "IORING_OP_OPENAT", "5.6";
    /// Closes a descriptor or frees a slot of the file table.
    CLOSE = 19, "IORING_OP_CLOSE", "5.6";
    /// Changes slots of the file table.
    FILES_UPDATE = 20, "IORING_OP_FILES_UPDATE", "5.6";
    /// Asks for a file's attributes.
    STATX = 21, "IORING_OP_STATX", "5.6";
    /// Reads.
    READ = 22, "IORING_OP_READ", "5.6";
    /// Writes.
    WRITE = 23, "IORING_OP_WRITE", "5.6";
    /// Says how a file will be used.
    FADVISE = 24, "IORING_OP_FADVISE", "5.6";
    /// Says how memory will be used.
    MADVISE = 25, "IORING_OP_MADVISE", "5.6";
    /// Sends on a socket.
    SEND = 26, "IORING_OP_SEND", "5.6";
    /// Receives from a socket.
    RECV = 27, "IORING_OP_RECV", "5.6";
    /// Opens a file, with how its path is resolved.
    OPENAT2 = 28, "IORING_OP_OPENAT2", "5.6";
    /// Changes an epoll set.
    EPOLL_CTL = 29, "IORING_OP_EPOLL_CTL", "5.6";
    /// Moves bytes between a pipe and a file.
    SPLICE = 30, "IORING_OP_SPLICE", "5.7";
    /// Gives buffers to a group, the older way.
    PROVIDE_BUFFERS = 31, "IORING_OP_PROVIDE_BUFFERS", "5.7";
    /// Takes them back.
    REMOVE_BUFFERS = 32, "IORING_OP_REMOVE_BUFFERS", "5.7";
    /// Copies bytes from pipe to pipe.
    TEE = 33, "IORING_OP_TEE", "5.8";
    /// Shuts a socket down.
    SHUTDOWN = 34, "IORING_OP_SHUTDOWN", "5.11";
    /// Renames.
    RENAMEAT = 35, "IORING_OP_RENAMEAT", "5.11";
    /// Removes a name.
    UNLINKAT = 36, "IORING_OP_UNLINKAT", "5.11";
    /// Makes a directory.
    MKDIRAT = 37, "IORING_OP_MKDIRAT", "5.15";
    /// Makes a symbolic link.
    SYMLINKAT = 38, "IORING_OP_SYMLINKAT", "5.15";
    /// Makes a hard link.
    LINKAT = 39, "IORING_OP_LINKAT", "5.15";
    /// Sends a completion or a file to another ring.
    MSG_RING = 40, "IORING_OP_MSG_RING", "5.18";
    /// Sets an extended attribute of an open file.
    FSETXATTR = 41, "IORING_OP_FSETXATTR", "5.19";
    /// Sets an extended attribute by path.
    SETXATTR = 42, "IORING_OP_SETXATTR", "5.19";
    /// Reads an extended attribute of an open file.
    FGETXATTR = 43, "IORING_OP_FGETXATTR", "5.19";
    /// Reads an extended attribute by path.
    GETXATTR = 44, "IORING_OP_GETXATTR", "5.19";
    /// Makes a socket.
    SOCKET = 45, "IORING_OP_SOCKET", "5.19";
    /// A command of a driver, a socket or a block device.
    URING_CMD = 46, "IORING_OP_URING_CMD", "5.19";
    /// Sends without copying.
    SEND_ZC = 47, "IORING_OP_SEND_ZC", "6.0";
    /// Sends a message without copying.
    SENDMSG_ZC = 48, "IORING_OP_SENDMSG_ZC", "6.1";
    /// Reads again and again into buffers of a group.
    READ_MULTISHOT = 49, "IORING_OP_READ_MULTISHOT", "6.7";
    /// Waits for a child process.
    WAITID = 50, "IORING_OP_WAITID", "6.7";
    /// Waits on a futex.
    FUTEX_WAIT = 51, "IORING_OP_FUTEX_WAIT", "6.7";
    /// Wakes a futex.
    FUTEX_WAKE = 52, "IORING_OP_FUTEX_WAKE", "6.7";
    /// Waits on several futexes.
    FUTEX_WAITV = 53, "IORING_OP_FUTEX_WAITV", "6.7";
    /// Gives a slot of the file table a descriptor.
    FIXED_FD_INSTALL = 54, "IORING_OP_FIXED_FD_INSTALL", "6.8";
    /// Sets a file's length.
    FTRUNCATE = 55, "IORING_OP_FTRUNCATE", "6.9";
    /// Binds a socket to an address.
    BIND = 56, "IORING_OP_BIND", "6.11";
    /// Makes a socket listen.
    LISTEN = 57, "IORING_OP_LISTEN", "6.11";
    /// Receives without copying, into an area registered with the device.
    RECV_ZC = 58, "IORING_OP_RECV_ZC", "6.15";
    /// Waits for events of an epoll set.
    EPOLL_WAIT = 59, "IORING_OP_EPOLL_WAIT", "6.15";
    /// Reads into parts of a registered buffer.
    READV_FIXED = 60, "IORING_OP_READV_FIXED", "6.15";
    /// Writes from parts of a registered buffer.
    WRITEV_FIXED = 61, "IORING_OP_WRITEV_FIXED", "6.15";
    /// Makes a pipe.
    PIPE = 62, "IORING_OP_PIPE", "6.16";
    /// Does nothing, in a 128-byte entry of a mixed-size queue.
    NOP128 = 63, "IORING_OP_NOP128", "6.19";
    /// A command in a 128-byte entry of a mixed-size queue.
    URING_CMD128 = 64, "IORING_OP_URING_CMD128", "6.19";
}

/// A submission entry, 64 bytes (`struct io_uring_sqe`): one field per offset, named as the kernel
/// names the first member of each of its unions.
///
/// What each field means is the operation's: the builders in [`op`](crate::op) know. The methods
/// here set what every operation shares.
///
/// ```
/// use annulus_ring::abi::{Op, Sqe, SqeFlags};
/// let sqe = Sqe { opcode: Op::NOP, ..Sqe::default() }.user_data(7).force_async();
/// assert_eq!((sqe.user_data, sqe.flags), (7, SqeFlags::ASYNC));
/// ```
#[doc(alias = "io_uring_sqe")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sqe {
    /// Which operation.
    pub opcode: Op,
    /// How it is to be treated.
    pub flags: SqeFlags,
    /// I/O priority, or flags of the operation (`ioprio`).
    pub ioprio: u16,
    /// The file it is about.
    pub fd: i32,
    /// Offset in the file (also `addr2`; `cmd_op` in its lower half).
    #[doc(alias = "addr2")]
    #[doc(alias = "cmd_op")]
    pub off: u64,
    /// Address of the buffer, the path or the array (also `splice_off_in`, `level` and `optname`).
    #[doc(alias = "splice_off_in")]
    pub addr: u64,
    /// Length of the buffer, or number of things.
    pub len: u32,
    /// Flags of the operation (`rw_flags`, `msg_flags`, `open_flags`, `timeout_flags`, …).
    #[doc(alias = "msg_flags")]
    #[doc(alias = "open_flags")]
    #[doc(alias = "timeout_flags")]
    pub rw_flags: u32,
    /// Comes back in the completion, untouched.
    pub user_data: u64,
    /// Index of a registered buffer, or the buffer group (`buf_group`).
    #[doc(alias = "buf_group")]
    pub buf_index: u16,
    /// Which registered credentials to use; 0 for the submitter's.
    pub personality: u16,
    /// Second file (`splice_fd_in`; also `file_index`, `optlen`, `addr_len`, `write_stream`).
    #[doc(alias = "file_index")]
    #[doc(alias = "optlen")]
    #[doc(alias = "addr_len")]
    pub splice_fd_in: i32,
    /// Third address (also `attr_ptr`, `optval`; in a 128-byte entry the command begins here).
    #[doc(alias = "optval")]
    #[doc(alias = "attr_ptr")]
    pub addr3: u64,
    /// Zero, or the type mask of the attributes at `attr_ptr` (`attr_type_mask`).
    #[doc(alias = "attr_type_mask")]
    pub resv: u64,
}

impl Sqe {
    /// Sets what comes back in the completion (`io_uring_sqe_set_data64`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::Sqe::default().user_data(9).user_data, 9);
    /// ```
    #[doc(alias = "io_uring_sqe_set_data64")]
    #[inline]
    #[must_use]
    pub const fn user_data(mut self, user_data: u64) -> Self {
        self.user_data = user_data;
        self
    }

    /// Adds flags (`io_uring_sqe_set_flags`).
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, SqeFlags};
    /// let sqe = Sqe::default().with_flags(SqeFlags::ASYNC).with_flags(SqeFlags::IO_LINK);
    /// assert_eq!(sqe.flags, SqeFlags::ASYNC | SqeFlags::IO_LINK);
    /// ```
    #[doc(alias = "io_uring_sqe_set_flags")]
    #[inline]
    #[must_use]
    pub const fn with_flags(mut self, flags: SqeFlags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }

    /// Links the next entry behind this one: it begins when this one has succeeded, and ends in
    /// `ECANCELED` when this one fails or comes short (`IOSQE_IO_LINK`).
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, SqeFlags};
    /// assert_eq!(Sqe::default().link().flags, SqeFlags::IO_LINK);
    /// ```
    #[doc(alias = "IOSQE_IO_LINK")]
    #[inline]
    #[must_use]
    pub const fn link(self) -> Self {
        self.with_flags(SqeFlags::IO_LINK)
    }

    /// Links the next entry behind this one whatever this one's result (`IOSQE_IO_HARDLINK`).
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, SqeFlags};
    /// assert_eq!(Sqe::default().hard_link().flags, SqeFlags::IO_HARDLINK);
    /// ```
    #[doc(alias = "IOSQE_IO_HARDLINK")]
    #[inline]
    #[must_use]
    pub const fn hard_link(self) -> Self {
        self.with_flags(SqeFlags::IO_HARDLINK)
    }

    /// Begins only when every earlier entry is complete; later ones wait for it (`IOSQE_IO_DRAIN`).
    ///
    /// Linux 6.1 keeps the first half of this alone: entries behind it may begin before it. Where
    /// that matters on so old a kernel, link them to it.
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, SqeFlags};
    /// assert_eq!(Sqe::default().drain().flags, SqeFlags::IO_DRAIN);
    /// ```
    #[doc(alias = "IOSQE_IO_DRAIN")]
    #[inline]
    #[must_use]
    pub const fn drain(self) -> Self {
        self.with_flags(SqeFlags::IO_DRAIN)
    }

    /// Hands the entry to a worker thread without trying it inline first (`IOSQE_ASYNC`).
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, SqeFlags};
    /// assert_eq!(Sqe::default().force_async().flags, SqeFlags::ASYNC);
    /// ```
    #[doc(alias = "IOSQE_ASYNC")]
    #[inline]
    #[must_use]
    pub const fn force_async(self) -> Self {
        self.with_flags(SqeFlags::ASYNC)
    }

    /// Posts no completion when the operation succeeds (`IOSQE_CQE_SKIP_SUCCESS`).
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, SqeFlags};
    /// assert_eq!(Sqe::default().skip_success().flags, SqeFlags::CQE_SKIP_SUCCESS);
    /// ```
    #[doc(alias = "IOSQE_CQE_SKIP_SUCCESS")]
    #[inline]
    #[must_use]
    pub const fn skip_success(self) -> Self {
        self.with_flags(SqeFlags::CQE_SKIP_SUCCESS)
    }

    /// Lets the kernel pick a buffer of `group` when the data is there (`IOSQE_BUFFER_SELECT`). The
    /// completion names it: [`Cqe::buffer_id`](super::Cqe::buffer_id). `ENOBUFS` if none is left.
    ///
    /// ```
    /// use annulus_ring::abi::{BufGroup, Sqe, SqeFlags};
    /// let sqe = Sqe::default().buffer_select(BufGroup(4));
    /// assert_eq!((sqe.buf_index, sqe.flags), (4, SqeFlags::BUFFER_SELECT));
    /// ```
    #[doc(alias = "IOSQE_BUFFER_SELECT")]
    #[doc(alias = "io_uring_sqe_set_buf_group")]
    #[inline]
    #[must_use]
    pub const fn buffer_select(mut self, group: BufGroup) -> Self {
        self.buf_index = group.0;
        self.with_flags(SqeFlags::BUFFER_SELECT)
    }

    /// Runs with registered credentials instead of the submitter's.
    ///
    /// ```
    /// use annulus_ring::abi::{Personality, Sqe};
    /// assert_eq!(Sqe::default().personality(Personality(2)).personality, 2);
    /// ```
    #[inline]
    #[must_use]
    pub const fn personality(mut self, who: Personality) -> Self {
        self.personality = who.0;
        self
    }

    /// Sets the I/O priority, as `ioprio_set(2)` encodes it: class in the upper 3 bits, level
    /// below. Operations on sockets use the field for flags of their own instead.
    ///
    /// ```
    /// let idle = 3 << 13;
    /// assert_eq!(annulus_ring::abi::Sqe::default().ioprio(idle).ioprio, idle);
    /// ```
    #[inline]
    #[must_use]
    pub const fn ioprio(mut self, ioprio: u16) -> Self {
        self.ioprio = ioprio;
        self
    }
}

/// A submission entry of a ring made with `SQE128`: an ordinary one and 64 bytes more. The command
/// of a pass-through operation fills 80 bytes, from [`Sqe::addr3`] on.
///
/// ```
/// use annulus_ring::abi::{Sqe, Sqe128};
/// let wide = Sqe128::from(Sqe::default().user_data(1));
/// assert_eq!((wide.sqe.user_data, wide.extra), (1, [0; 64]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sqe128 {
    /// The first half, as in every ring.
    pub sqe: Sqe,
    /// The second half.
    pub extra: [u8; 64],
}

impl Default for Sqe128 {
    fn default() -> Self {
        Self { sqe: Sqe::default(), extra: [0; 64] }
    }
}

impl From<Sqe> for Sqe128 {
    #[inline]
    fn from(sqe: Sqe) -> Self {
        Self { sqe, extra: [0; 64] }
    }
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Sqe>() == 64 && align_of::<Sqe>() == 8);
    assert!(offset_of!(Sqe, opcode) == 0 && offset_of!(Sqe, flags) == 1);
    assert!(offset_of!(Sqe, ioprio) == 2 && offset_of!(Sqe, fd) == 4);
    assert!(offset_of!(Sqe, off) == 8 && offset_of!(Sqe, addr) == 16);
    assert!(offset_of!(Sqe, len) == 24 && offset_of!(Sqe, rw_flags) == 28);
    assert!(offset_of!(Sqe, user_data) == 32 && offset_of!(Sqe, buf_index) == 40);
    assert!(offset_of!(Sqe, personality) == 42 && offset_of!(Sqe, splice_fd_in) == 44);
    assert!(offset_of!(Sqe, addr3) == 48 && offset_of!(Sqe, resv) == 56);
    assert!(size_of::<Sqe128>() == 128 && offset_of!(Sqe128, extra) == 64);
};

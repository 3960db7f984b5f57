//! Flags that io_uring itself gives its operations: what `sqe->rw_flags`, `sqe->ioprio` and
//! `sqe->len` hold besides what the system call of the same name knows.
//!
//! Flags of the system calls are in `rw.rs`, `fs.rs`, `net.rs` and `wait.rs`.

use super::newtypes::{flags, numbers};

flags! {
    /// How a NOP completes (`sqe->nop_flags`).
    ///
    /// ```
    /// use annulus_ring::abi::NopFlags;
    /// assert_eq!((NopFlags::INJECT_RESULT | NopFlags::TW).bits(), 0x11);
    /// ```
    pub struct NopFlags: u32;
    /// The result is the entry's `len`.
    INJECT_RESULT = 1 << 0, "IORING_NOP_INJECT_RESULT", "6.10";
    /// Take a reference to the file in `fd`.
    FILE = 1 << 1, "IORING_NOP_FILE", "6.13";
    /// `fd` is a slot of the file table.
    FIXED_FILE = 1 << 2, "IORING_NOP_FIXED_FILE", "6.13";
    /// Look up the registered buffer in `buf_index`.
    FIXED_BUFFER = 1 << 3, "IORING_NOP_FIXED_BUFFER", "6.13";
    /// Complete from task work.
    TW = 1 << 4, "IORING_NOP_TW", "6.16";
    /// Post a 32-byte completion: `off` and `addr` of the entry become its two extra words.
    CQE32 = 1 << 5, "IORING_NOP_CQE32", "6.18";
}

flags! {
    /// How FSYNC synchronises (`sqe->fsync_flags`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::FsyncFlags::DATASYNC.bits(), 1);
    /// ```
    pub struct FsyncFlags: u32;
    /// As `fdatasync(2)`: the data, and only such metadata as is needed to read it back.
    DATASYNC = 1 << 0, "IORING_FSYNC_DATASYNC", "5.1";
}

flags! {
    /// How a timeout counts (`sqe->timeout_flags` of TIMEOUT, LINK_TIMEOUT, TIMEOUT_REMOVE).
    ///
    /// ```
    /// use annulus_ring::abi::TimeoutFlags;
    /// assert_eq!(TimeoutFlags::CLOCK_MASK, TimeoutFlags::BOOTTIME | TimeoutFlags::REALTIME);
    /// ```
    pub struct TimeoutFlags: u32;
    /// The time is a point in time, not a duration.
    ABS = 1 << 0, "IORING_TIMEOUT_ABS", "5.4";
    /// Change a timeout instead of removing it.
    UPDATE = 1 << 1, "IORING_TIMEOUT_UPDATE", "5.11";
    /// Measure by the clock that also counts while the machine sleeps.
    BOOTTIME = 1 << 2, "IORING_TIMEOUT_BOOTTIME", "5.15";
    /// Measure by the wall clock.
    REALTIME = 1 << 3, "IORING_TIMEOUT_REALTIME", "5.15";
    /// Change a linked timeout instead of removing a plain one.
    LINK_TIMEOUT_UPDATE = 1 << 4, "IORING_LINK_TIMEOUT_UPDATE", "5.15";
    /// Running out is a success: the result is still `ETIME`, but a chain goes on.
    ETIME_SUCCESS = 1 << 5, "IORING_TIMEOUT_ETIME_SUCCESS", "5.16";
    /// Complete again after every period.
    MULTISHOT = 1 << 6, "IORING_TIMEOUT_MULTISHOT", "6.4";
    /// The time itself, in nanoseconds, is in the entry: `addr`, and for an update `addr2`.
    IMMEDIATE_ARG = 1 << 7, "IORING_TIMEOUT_IMMEDIATE_ARG", "7.1";
}

impl TimeoutFlags {
    /// The bits that name a clock; none of them is the monotonic clock.
    #[doc(alias = "IORING_TIMEOUT_CLOCK_MASK")]
    pub const CLOCK_MASK: Self = Self(Self::BOOTTIME.0 | Self::REALTIME.0);
    /// The bits that make TIMEOUT_REMOVE a change.
    #[doc(alias = "IORING_TIMEOUT_UPDATE_MASK")]
    pub const UPDATE_MASK: Self = Self(Self::UPDATE.0 | Self::LINK_TIMEOUT_UPDATE.0);
}

flags! {
    /// How POLL_ADD and POLL_REMOVE work (in `sqe->len`: the events fill the flags' own field).
    ///
    /// ```
    /// use annulus_ring::abi::PollFlags;
    /// assert_eq!((PollFlags::UPDATE_EVENTS | PollFlags::UPDATE_USER_DATA).bits(), 6);
    /// ```
    pub struct PollFlags: u32;
    /// Complete at every event, not at the first alone.
    ADD_MULTI = 1 << 0, "IORING_POLL_ADD_MULTI", "5.13";
    /// Change the events of a wait.
    UPDATE_EVENTS = 1 << 1, "IORING_POLL_UPDATE_EVENTS", "5.13";
    /// Change the `user_data` of a wait.
    UPDATE_USER_DATA = 1 << 2, "IORING_POLL_UPDATE_USER_DATA", "5.13";
    /// Complete while the state holds (level), not when it comes about (edge).
    ADD_LEVEL = 1 << 3, "IORING_POLL_ADD_LEVEL", "6.0";
}

flags! {
    /// What ASYNC_CANCEL matches (`sqe->cancel_flags`; also `flags` of a
    /// [`SyncCancelReg`](super::SyncCancelReg)). Without a key it matches `user_data`.
    ///
    /// ```
    /// use annulus_ring::abi::CancelFlags;
    /// assert_eq!((CancelFlags::MATCH_ALL | CancelFlags::FD).bits(), 3);
    /// ```
    pub struct CancelFlags: u32;
    /// Cancel every match: the result is how many there were.
    MATCH_ALL = 1 << 0, "IORING_ASYNC_CANCEL_ALL", "5.19";
    /// Match the file in `fd`.
    FD = 1 << 1, "IORING_ASYNC_CANCEL_FD", "5.19";
    /// Match everything.
    ANY = 1 << 2, "IORING_ASYNC_CANCEL_ANY", "5.19";
    /// `fd` is a slot of the file table.
    FD_FIXED = 1 << 3, "IORING_ASYNC_CANCEL_FD_FIXED", "6.0";
    /// Match `user_data`: needed where another key is given too.
    USERDATA = 1 << 4, "IORING_ASYNC_CANCEL_USERDATA", "6.6";
    /// Match the operation: its number is in `sqe->len`.
    OP = 1 << 5, "IORING_ASYNC_CANCEL_OP", "6.6";
}

flags! {
    /// How sends and receives work (in `sqe->ioprio` of SEND, SENDMSG, RECV, RECVMSG and their
    /// zero-copy forms).
    ///
    /// ```
    /// use annulus_ring::abi::RecvSendFlags;
    /// assert_eq!((RecvSendFlags::POLL_FIRST | RecvSendFlags::RECV_MULTISHOT).bits(), 3);
    /// ```
    pub struct RecvSendFlags: u16;
    /// Wait for readiness first, without a try that would probably find nothing.
    POLL_FIRST = 1 << 0, "IORING_RECVSEND_POLL_FIRST", "5.19";
    /// Receive again and again into buffers of a group.
    RECV_MULTISHOT = 1 << 1, "IORING_RECV_MULTISHOT", "6.0";
    /// The data is in the registered buffer `buf_index`.
    FIXED_BUF = 1 << 2, "IORING_RECVSEND_FIXED_BUF", "6.0";
    /// Let the notification of a zero-copy send say whether it copied: see [`NotifUsage`].
    SEND_ZC_REPORT_USAGE = 1 << 3, "IORING_SEND_ZC_REPORT_USAGE", "6.2";
    /// Use as many buffers of the group as are needed, in one completion.
    BUNDLE = 1 << 4, "IORING_RECVSEND_BUNDLE", "6.10";
    /// `addr` points to an array of `iovec`, `len` is how many.
    SEND_VECTORIZED = 1 << 5, "IORING_SEND_VECTORIZED", "6.17";
}

flags! {
    /// The result of a zero-copy send's notification, where `SEND_ZC_REPORT_USAGE` asked for it.
    /// All other bits are reserved.
    ///
    /// ```
    /// use annulus_ring::abi::NotifUsage;
    /// let res = i32::MIN; // `cqe.res` of a notification
    /// assert!(NotifUsage(res as u32).contains(NotifUsage::ZC_COPIED));
    /// ```
    pub struct NotifUsage: u32;
    /// The data was copied, at least in part.
    ZC_COPIED = 1 << 31, "IORING_NOTIF_USAGE_ZC_COPIED", "6.2";
}

flags! {
    /// How ACCEPT works (in `sqe->ioprio`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::AcceptFlags::MULTISHOT.bits(), 1);
    /// ```
    pub struct AcceptFlags: u16;
    /// Accept again and again.
    MULTISHOT = 1 << 0, "IORING_ACCEPT_MULTISHOT", "5.19";
    /// End in `EAGAIN` if no connection waits.
    DONTWAIT = 1 << 1, "IORING_ACCEPT_DONTWAIT", "6.10";
    /// Wait for readiness first.
    POLL_FIRST = 1 << 2, "IORING_ACCEPT_POLL_FIRST", "6.10";
}

numbers! {
    /// What MSG_RING sends (in `sqe->addr`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::MsgRingCommand::SEND_FD.raw(), 1);
    /// ```
    pub struct MsgRingCommand: u64;
    /// A completion: `len` becomes its `res`, `off` its `user_data`.
    DATA = 0, "IORING_MSG_DATA", "5.18";
    /// A file: slot `addr3` of this ring's table goes to slot `file_index` − 1 of the other's.
    SEND_FD = 1, "IORING_MSG_SEND_FD", "6.0";
}

flags! {
    /// How MSG_RING sends (`sqe->msg_ring_flags`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::MsgRingFlags::FLAGS_PASS.bits(), 2);
    /// ```
    pub struct MsgRingFlags: u32;
    /// Post no completion to the other ring (only when a file is sent).
    CQE_SKIP = 1 << 0, "IORING_MSG_RING_CQE_SKIP", "6.0";
    /// `file_index` becomes the completion's `flags`.
    FLAGS_PASS = 1 << 1, "IORING_MSG_RING_FLAGS_PASS", "6.3";
}

flags! {
    /// How FIXED_FD_INSTALL makes its descriptor (`sqe->install_fd_flags`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::InstallFdFlags::NO_CLOEXEC.bits(), 1);
    /// ```
    pub struct InstallFdFlags: u32;
    /// Do not close it at `execve`.
    NO_CLOEXEC = 1 << 0, "IORING_FIXED_FD_NO_CLOEXEC", "6.8";
}

flags! {
    /// How URING_CMD works (`sqe->uring_cmd_flags`; its upper 8 bits are the kernel's own).
    ///
    /// ```
    /// use annulus_ring::abi::UringCmdFlags;
    /// assert!(UringCmdFlags::MASK.contains(UringCmdFlags::FIXED));
    /// ```
    pub struct UringCmdFlags: u32;
    /// The data is in the registered buffer `buf_index`.
    FIXED = 1 << 0, "IORING_URING_CMD_FIXED", "6.1";
    /// Complete again and again, each time with a buffer of the group.
    MULTISHOT = 1 << 1, "IORING_URING_CMD_MULTISHOT", "6.18";
}

impl UringCmdFlags {
    /// The bits that a program may set, as Linux 6.18 has it.
    #[doc(alias = "IORING_URING_CMD_MASK")]
    pub const MASK: Self = Self(Self::FIXED.0 | Self::MULTISHOT.0);
}

/// In `sqe->file_index`: let the kernel pick a free slot of the file table. The result is the slot.
///
/// ```
/// assert_eq!(annulus_ring::abi::FILE_INDEX_ALLOC, u32::MAX);
/// ```
#[doc(alias = "IORING_FILE_INDEX_ALLOC")]
pub const FILE_INDEX_ALLOC: u32 = u32::MAX;

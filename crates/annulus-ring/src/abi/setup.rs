//! Making a ring and entering it: `io_uring_setup(2)`, `io_uring_enter(2)`, and the ring words.

use super::newtypes::flags;

flags! {
    /// How a ring is made (`io_uring_params::flags`).
    ///
    /// ```
    /// use annulus_ring::abi::SetupFlags;
    /// let local = SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN;
    /// assert_eq!(local.bits(), 0x3000);
    /// ```
    pub struct SetupFlags: u32;
    /// Completions are found by polling the device.
    IOPOLL = 1 << 0, "IORING_SETUP_IOPOLL", "5.1";
    /// A kernel thread takes entries from the queue.
    SQPOLL = 1 << 1, "IORING_SETUP_SQPOLL", "5.1";
    /// That thread is bound to `sq_thread_cpu`.
    SQ_AFF = 1 << 2, "IORING_SETUP_SQ_AFF", "5.1";
    /// `cq_entries` says how long the completion queue is.
    CQSIZE = 1 << 3, "IORING_SETUP_CQSIZE", "5.5";
    /// Lengths over the limit are cut to it instead of refused.
    CLAMP = 1 << 4, "IORING_SETUP_CLAMP", "5.6";
    /// Shares the workers (and the polling thread) of the ring `wq_fd`.
    ATTACH_WQ = 1 << 5, "IORING_SETUP_ATTACH_WQ", "5.6";
    /// Begins disabled, until `IORING_REGISTER_ENABLE_RINGS`.
    R_DISABLED = 1 << 6, "IORING_SETUP_R_DISABLED", "5.10";
    /// A bad entry does not end a batch: the rest is submitted too.
    SUBMIT_ALL = 1 << 7, "IORING_SETUP_SUBMIT_ALL", "5.18";
    /// Task work does not interrupt user space: it runs at the next entry to the kernel.
    COOP_TASKRUN = 1 << 8, "IORING_SETUP_COOP_TASKRUN", "5.19";
    /// `IORING_SQ_TASKRUN` is raised when task work waits.
    TASKRUN_FLAG = 1 << 9, "IORING_SETUP_TASKRUN_FLAG", "5.19";
    /// Submission entries are 128 bytes long.
    SQE128 = 1 << 10, "IORING_SETUP_SQE128", "5.19";
    /// Completion entries are 32 bytes long.
    CQE32 = 1 << 11, "IORING_SETUP_CQE32", "5.19";
    /// Only one task submits.
    SINGLE_ISSUER = 1 << 12, "IORING_SETUP_SINGLE_ISSUER", "6.0";
    /// Task work runs only when the owner waits in `io_uring_enter`.
    DEFER_TASKRUN = 1 << 13, "IORING_SETUP_DEFER_TASKRUN", "6.1";
    /// The caller gives the memory of the queues.
    NO_MMAP = 1 << 14, "IORING_SETUP_NO_MMAP", "6.5";
    /// No descriptor is made: the ring is known by its registered index alone.
    REGISTERED_FD_ONLY = 1 << 15, "IORING_SETUP_REGISTERED_FD_ONLY", "6.5";
    /// There is no index array: entries are taken in the order of their slots.
    NO_SQARRAY = 1 << 16, "IORING_SETUP_NO_SQARRAY", "6.6";
    /// Polls after a sleep that is learned from earlier operations; with `IOPOLL`.
    HYBRID_IOPOLL = 1 << 17, "IORING_SETUP_HYBRID_IOPOLL", "6.13";
    /// Completion entries are 16 or 32 bytes long, each as it needs.
    CQE_MIXED = 1 << 18, "IORING_SETUP_CQE_MIXED", "6.18";
    /// Submission entries are 64 or 128 bytes long, each as it needs.
    SQE_MIXED = 1 << 19, "IORING_SETUP_SQE_MIXED", "6.19";
    /// The submission queue begins at slot 0 at every submit.
    SQ_REWIND = 1 << 20, "IORING_SETUP_SQ_REWIND", "7.0";
}

flags! {
    /// What the kernel says it can do (`io_uring_params::features`).
    ///
    /// ```
    /// use annulus_ring::abi::Features;
    /// assert!(Features(0x3ffff).contains(Features::EXT_ARG | Features::NODROP));
    /// ```
    pub struct Features: u32;
    /// One `mmap` covers both queues.
    SINGLE_MMAP = 1 << 0, "IORING_FEAT_SINGLE_MMAP", "5.4";
    /// Completions over the queue's length are kept, not dropped.
    NODROP = 1 << 1, "IORING_FEAT_NODROP", "5.5";
    /// What an entry points to is read by the time the submit returns.
    SUBMIT_STABLE = 1 << 2, "IORING_FEAT_SUBMIT_STABLE", "5.5";
    /// Offset −1 means the file's current position.
    RW_CUR_POS = 1 << 3, "IORING_FEAT_RW_CUR_POS", "5.6";
    /// Entries run with the credentials of who submits them.
    CUR_PERSONALITY = 1 << 4, "IORING_FEAT_CUR_PERSONALITY", "5.6";
    /// Sockets and pipes are polled inside instead of blocking a worker.
    FAST_POLL = 1 << 5, "IORING_FEAT_FAST_POLL", "5.7";
    /// Poll masks have 32 bits.
    POLL_32BITS = 1 << 6, "IORING_FEAT_POLL_32BITS", "5.9";
    /// `SQPOLL` takes ordinary descriptors too.
    SQPOLL_NONFIXED = 1 << 7, "IORING_FEAT_SQPOLL_NONFIXED", "5.11";
    /// `io_uring_enter` takes a time limit with a signal mask.
    EXT_ARG = 1 << 8, "IORING_FEAT_EXT_ARG", "5.11";
    /// Workers are threads of the process.
    NATIVE_WORKERS = 1 << 9, "IORING_FEAT_NATIVE_WORKERS", "5.12";
    /// Registered resources carry tags.
    RSRC_TAGS = 1 << 10, "IORING_FEAT_RSRC_TAGS", "5.13";
    /// `IOSQE_CQE_SKIP_SUCCESS` works.
    CQE_SKIP = 1 << 11, "IORING_FEAT_CQE_SKIP", "5.17";
    /// Linked entries look their file up when they begin.
    LINKED_FILE = 1 << 12, "IORING_FEAT_LINKED_FILE", "5.17";
    /// `io_uring_register` takes a registered ring descriptor.
    REG_REG_RING = 1 << 13, "IORING_FEAT_REG_REG_RING", "6.3";
    /// Sends and receives may use several buffers of a group at once.
    RECVSEND_BUNDLE = 1 << 14, "IORING_FEAT_RECVSEND_BUNDLE", "6.10";
    /// A wait may have a minimum time.
    MIN_TIMEOUT = 1 << 15, "IORING_FEAT_MIN_TIMEOUT", "6.12";
    /// Reads and writes take attributes (protection information).
    RW_ATTR = 1 << 16, "IORING_FEAT_RW_ATTR", "6.14";
    /// A wait may be kept out of the processor's I/O wait time.
    NO_IOWAIT = 1 << 17, "IORING_FEAT_NO_IOWAIT", "6.15";
}

flags! {
    /// What `io_uring_enter(2)` is asked to do.
    ///
    /// ```
    /// use annulus_ring::abi::EnterFlags;
    /// assert_eq!((EnterFlags::GETEVENTS | EnterFlags::EXT_ARG).bits(), 9);
    /// ```
    pub struct EnterFlags: u32;
    /// Run what is pending, and wait for `min_complete` completions.
    GETEVENTS = 1 << 0, "IORING_ENTER_GETEVENTS", "5.1";
    /// Wake the polling thread.
    SQ_WAKEUP = 1 << 1, "IORING_ENTER_SQ_WAKEUP", "5.1";
    /// Wait until the polling thread has made room in the submission queue.
    SQ_WAIT = 1 << 2, "IORING_ENTER_SQ_WAIT", "5.10";
    /// The argument is an `io_uring_getevents_arg`.
    EXT_ARG = 1 << 3, "IORING_ENTER_EXT_ARG", "5.11";
    /// The descriptor is the index of a registered ring.
    REGISTERED_RING = 1 << 4, "IORING_ENTER_REGISTERED_RING", "5.18";
    /// The time limit is a point in time.
    ABS_TIMER = 1 << 5, "IORING_ENTER_ABS_TIMER", "6.12";
    /// The argument is an offset in the registered wait region; `EXT_ARG` must be set too.
    EXT_ARG_REG = 1 << 6, "IORING_ENTER_EXT_ARG_REG", "6.13";
    /// Do not count the wait as I/O wait.
    NO_IOWAIT = 1 << 7, "IORING_ENTER_NO_IOWAIT", "6.15";
}

flags! {
    /// The flags word of the submission queue, which the kernel writes.
    ///
    /// ```
    /// use annulus_ring::abi::SqRingFlags;
    /// assert!(SqRingFlags(6).contains(SqRingFlags::TASKRUN | SqRingFlags::CQ_OVERFLOW));
    /// ```
    pub struct SqRingFlags: u32;
    /// The polling thread sleeps: enter with `SQ_WAKEUP`.
    NEED_WAKEUP = 1 << 0, "IORING_SQ_NEED_WAKEUP", "5.1";
    /// Completions wait outside the full queue: make room and enter with `GETEVENTS`.
    CQ_OVERFLOW = 1 << 1, "IORING_SQ_CQ_OVERFLOW", "5.8";
    /// Task work waits: enter with `GETEVENTS`.
    TASKRUN = 1 << 2, "IORING_SQ_TASKRUN", "5.19";
}

flags! {
    /// The flags word of the completion queue, which the program writes.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::CqRingFlags::EVENTFD_DISABLED.bits(), 1);
    /// ```
    pub struct CqRingFlags: u32;
    /// Do not signal the registered eventfd.
    EVENTFD_DISABLED = 1 << 0, "IORING_CQ_EVENTFD_DISABLED", "5.8";
}

flags! {
    /// Which fields of a [`RegWait`] are set.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::RegWaitFlags::TS.bits(), 1);
    /// ```
    pub struct RegWaitFlags: u32;
    /// `ts` is the time limit.
    TS = 1 << 0, "IORING_REG_WAIT_TS", "6.13";
}

/// `mmap` offset of the submission queue's ring.
#[doc(alias = "IORING_OFF_SQ_RING")]
pub const OFF_SQ_RING: u64 = 0;
/// `mmap` offset of the completion queue's ring.
#[doc(alias = "IORING_OFF_CQ_RING")]
pub const OFF_CQ_RING: u64 = 0x0800_0000;
/// `mmap` offset of the submission entries.
#[doc(alias = "IORING_OFF_SQES")]
pub const OFF_SQES: u64 = 0x1000_0000;
/// `mmap` offset of buffer rings in kernel memory; the group is shifted by [`OFF_PBUF_SHIFT`].
#[doc(alias = "IORING_OFF_PBUF_RING")]
pub const OFF_PBUF_RING: u64 = 0x8000_0000;
/// How far the buffer group is shifted in such an offset.
#[doc(alias = "IORING_OFF_PBUF_SHIFT")]
pub const OFF_PBUF_SHIFT: u32 = 16;
/// Which part of an offset names the kind of memory.
#[doc(alias = "IORING_OFF_MMAP_MASK")]
pub const OFF_MMAP_MASK: u64 = 0xf800_0000;

/// Where the words of the submission queue are in its mapping (`struct io_sqring_offsets`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::SqringOffsets>(), 40);
/// ```
#[doc(alias = "io_sqring_offsets")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SqringOffsets {
    /// The kernel's index.
    pub head: u32,
    /// The program's index.
    pub tail: u32,
    /// Entries − 1.
    pub ring_mask: u32,
    /// How many entries.
    pub ring_entries: u32,
    /// [`SqRingFlags`].
    pub flags: u32,
    /// How many entries had a bad index.
    pub dropped: u32,
    /// The index array; 0 without one.
    pub array: u32,
    /// Zero.
    pub resv1: u32,
    /// Address of the program's memory, with `NO_MMAP`.
    pub user_addr: u64,
}

/// Where the words of the completion queue are in its mapping (`struct io_cqring_offsets`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::CqringOffsets>(), 40);
/// ```
#[doc(alias = "io_cqring_offsets")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CqringOffsets {
    /// The program's index.
    pub head: u32,
    /// The kernel's index.
    pub tail: u32,
    /// Entries − 1.
    pub ring_mask: u32,
    /// How many entries.
    pub ring_entries: u32,
    /// How many completions were dropped, on kernels without `NODROP`.
    pub overflow: u32,
    /// The entries.
    pub cqes: u32,
    /// [`CqRingFlags`].
    pub flags: u32,
    /// Zero.
    pub resv1: u32,
    /// Address of the program's memory, with `NO_MMAP`.
    pub user_addr: u64,
}

/// What `io_uring_setup(2)` is asked for, and what it answers (`struct io_uring_params`).
///
/// ```
/// use annulus_ring::abi::{Params, SetupFlags};
/// let params = Params { flags: SetupFlags::CLAMP, ..Params::default() };
/// assert_eq!(size_of_val(&params), 120);
/// ```
#[doc(alias = "io_uring_params")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Params {
    /// Answer: entries of the submission queue.
    pub sq_entries: u32,
    /// Entries of the completion queue: asked with `CQSIZE`, answered always.
    pub cq_entries: u32,
    /// How the ring is made.
    pub flags: SetupFlags,
    /// The processor of the polling thread, with `SQ_AFF`.
    pub sq_thread_cpu: u32,
    /// Milliseconds until an idle polling thread sleeps.
    pub sq_thread_idle: u32,
    /// Answer: what this kernel can do.
    pub features: Features,
    /// The ring whose workers are shared, with `ATTACH_WQ`.
    pub wq_fd: u32,
    /// Zero.
    pub resv: [u32; 3],
    /// Answer: where the words of the submission queue are.
    pub sq_off: SqringOffsets,
    /// Answer: where the words of the completion queue are.
    pub cq_off: CqringOffsets,
}

/// Seconds and nanoseconds, 64 bits each on every architecture (`struct __kernel_timespec`).
///
/// ```
/// use annulus_ring::abi::Timespec;
/// use std::time::Duration;
/// let ts = Timespec::from(Duration::from_millis(1500));
/// assert_eq!((ts.tv_sec, ts.tv_nsec), (1, 500_000_000));
/// ```
#[doc(alias = "__kernel_timespec")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct Timespec {
    /// Seconds.
    pub tv_sec: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub tv_nsec: i64,
}

impl Timespec {
    /// This time and `wait` after it; the end of time if that is beyond it.
    ///
    /// ```
    /// use annulus_ring::abi::Timespec;
    /// use std::time::Duration;
    /// let begin = Timespec { tv_sec: 1, tv_nsec: 900_000_000 };
    /// let end = begin.after(Duration::from_millis(250));
    /// assert_eq!(end, Timespec { tv_sec: 2, tv_nsec: 150_000_000 });
    /// ```
    #[must_use]
    pub fn after(self, wait: core::time::Duration) -> Self {
        const SECOND_NS: i64 = 1_000_000_000;
        let wait = Self::from(wait);
        let ns = self.tv_nsec + wait.tv_nsec;
        let secs = self.tv_sec.checked_add(wait.tv_sec);
        match secs.and_then(|secs| secs.checked_add(ns / SECOND_NS)) {
            Some(tv_sec) => Self { tv_sec, tv_nsec: ns % SECOND_NS },
            None => Self { tv_sec: i64::MAX, tv_nsec: 0 },
        }
    }
}

impl From<core::time::Duration> for Timespec {
    /// A duration longer than the kernel can express (292 thousand million years) becomes the
    /// longest it can.
    fn from(d: core::time::Duration) -> Self {
        Self {
            tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(d.subsec_nanos()),
        }
    }
}

/// A wait's time limit and signal mask (`struct io_uring_getevents_arg`), with `EXT_ARG`.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::GeteventsArg>(), 24);
/// ```
#[doc(alias = "io_uring_getevents_arg")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GeteventsArg {
    /// Address of the signal mask; 0 for none.
    pub sigmask: u64,
    /// Its size in bytes: 8.
    pub sigmask_sz: u32,
    /// The minimum wait, in microseconds (6.12).
    pub min_wait_usec: u32,
    /// Address of a [`Timespec`]; 0 for no limit.
    pub ts: u64,
}

/// One wait of a registered wait region (`struct io_uring_reg_wait`), with `EXT_ARG_REG`.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::RegWait>(), 64);
/// ```
#[doc(alias = "io_uring_reg_wait")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RegWait {
    /// The time limit.
    pub ts: Timespec,
    /// The minimum wait, in microseconds.
    pub min_wait_usec: u32,
    /// Which fields are set.
    pub flags: RegWaitFlags,
    /// Address of the signal mask; 0 for none.
    pub sigmask: u64,
    /// Its size in bytes.
    pub sigmask_sz: u32,
    /// Zero.
    pub pad: [u32; 3],
    /// Zero.
    pub pad2: [u64; 2],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<SqringOffsets>() == 40 && offset_of!(SqringOffsets, user_addr) == 32);
    assert!(size_of::<CqringOffsets>() == 40 && offset_of!(CqringOffsets, user_addr) == 32);
    assert!(size_of::<Params>() == 120 && offset_of!(Params, sq_off) == 40);
    assert!(offset_of!(Params, cq_off) == 80 && offset_of!(Params, wq_fd) == 24);
    assert!(size_of::<Timespec>() == 16);
    assert!(size_of::<GeteventsArg>() == 24 && offset_of!(GeteventsArg, ts) == 16);
    assert!(size_of::<RegWait>() == 64 && offset_of!(RegWait, sigmask) == 24);
};

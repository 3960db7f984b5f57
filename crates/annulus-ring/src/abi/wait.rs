//! What is waited for besides files: readiness, children, futexes.

use super::newtypes::{flags, numbers};

flags! {
    /// Readiness, asked for and reported: `sqe->poll32_events`, the result of a poll, and
    /// [`EpollEvent::events`].
    ///
    /// The numbers are those of x86-64, aarch64 and riscv64.
    ///
    /// ```
    /// use annulus_ring::abi::PollEvents;
    /// assert_eq!((PollEvents::IN | PollEvents::RDHUP).bits(), 0x2001);
    /// ```
    pub struct PollEvents: u32;
    /// There is something to read, or a connection to accept.
    #[doc(alias = "EPOLLIN")]
    IN = 1 << 0, "POLLIN", "2.1.23";
    /// There is something urgent.
    #[doc(alias = "EPOLLPRI")]
    PRI = 1 << 1, "POLLPRI", "2.1.23";
    /// There is room to write.
    #[doc(alias = "EPOLLOUT")]
    OUT = 1 << 2, "POLLOUT", "2.1.23";
    /// An error: reported always.
    #[doc(alias = "EPOLLERR")]
    ERR = 1 << 3, "POLLERR", "2.1.23";
    /// Both directions are closed: reported always.
    #[doc(alias = "EPOLLHUP")]
    HUP = 1 << 4, "POLLHUP", "2.1.23";
    /// The descriptor is not open.
    #[doc(alias = "EPOLLNVAL")]
    NVAL = 1 << 5, "POLLNVAL", "2.1.23";
    /// As `IN`.
    #[doc(alias = "EPOLLRDNORM")]
    RDNORM = 1 << 6, "POLLRDNORM", "2.1.23";
    /// Priority data to read.
    #[doc(alias = "EPOLLRDBAND")]
    RDBAND = 1 << 7, "POLLRDBAND", "2.1.23";
    /// As `OUT`.
    #[doc(alias = "EPOLLWRNORM")]
    WRNORM = 1 << 8, "POLLWRNORM", "2.1.23";
    /// Room to write priority data.
    #[doc(alias = "EPOLLWRBAND")]
    WRBAND = 1 << 9, "POLLWRBAND", "2.1.23";
    /// Unused.
    #[doc(alias = "EPOLLMSG")]
    MSG = 1 << 10, "POLLMSG", "2.1.23";
    /// The peer has closed its writing side.
    #[doc(alias = "EPOLLRDHUP")]
    RDHUP = 1 << 13, "POLLRDHUP", "2.6.17";
    /// Wake one of several waiters.
    EXCLUSIVE = 1 << 28, "EPOLLEXCLUSIVE", "4.5";
    /// Keep the system awake while the event is handled.
    WAKEUP = 1 << 29, "EPOLLWAKEUP", "3.5";
    /// Report once, then be silent.
    ONESHOT = 1 << 30, "EPOLLONESHOT", "2.6.2";
    /// Report changes, not states.
    ET = 1 << 31, "EPOLLET", "2.5.68";
}

numbers! {
    /// What EPOLL_CTL does (in `sqe->len`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::EpollOp::MOD.raw(), 3);
    /// ```
    pub struct EpollOp: u32;
    /// Adds a descriptor.
    ADD = 1, "EPOLL_CTL_ADD", "2.5.44";
    /// Removes it.
    DEL = 2, "EPOLL_CTL_DEL", "2.5.44";
    /// Changes what is waited for.
    MOD = 3, "EPOLL_CTL_MOD", "2.5.44";
}

/// An event of an epoll set (`struct epoll_event`): packed on x86-64, and only there, so that
/// 32-bit programs share the layout.
///
/// ```
/// use annulus_ring::abi::{EpollEvent, PollEvents};
/// let event = EpollEvent { events: PollEvents::IN, data: 7 };
/// assert_eq!(size_of_val(&event), if cfg!(target_arch = "x86_64") { 12 } else { 16 });
/// assert_eq!({ event.data }, 7);
/// ```
#[doc(alias = "epoll_event")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
pub struct EpollEvent {
    /// What is waited for, or what came.
    pub events: PollEvents,
    /// The program's own: comes back untouched.
    pub data: u64,
}

numbers! {
    /// Which children WAITID waits for (in `sqe->len`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::IdType::PIDFD.raw(), 3);
    /// ```
    pub struct IdType: u32;
    /// Any.
    ANY = 0, "P_ALL", "2.6.9";
    /// The process `fd`.
    PID = 1, "P_PID", "2.6.9";
    /// A process of the group `fd`.
    PGID = 2, "P_PGID", "2.6.9";
    /// The process whose pidfd `fd` is.
    PIDFD = 3, "P_PIDFD", "5.4";
}

flags! {
    /// What WAITID waits for (in `sqe->file_index`; `waitid_flags` itself must be zero).
    ///
    /// ```
    /// use annulus_ring::abi::WaitidOptions;
    /// assert_eq!((WaitidOptions::EXITED | WaitidOptions::NOWAIT).bits(), 0x0100_0004);
    /// ```
    pub struct WaitidOptions: u32;
    /// Do not wait.
    NOHANG = 1 << 0, "WNOHANG", "2.6.9";
    /// Children that were stopped by a signal.
    #[doc(alias = "WUNTRACED")]
    STOPPED = 1 << 1, "WSTOPPED", "2.6.9";
    /// Children that have ended.
    EXITED = 1 << 2, "WEXITED", "2.6.9";
    /// Children that go on after a stop.
    CONTINUED = 1 << 3, "WCONTINUED", "2.6.9";
    /// Leave the child to be waited for again.
    NOWAIT = 1 << 24, "WNOWAIT", "2.6.9";
}

flags! {
    /// What kind of futex it is (`fd` of FUTEX_WAIT and FUTEX_WAKE, [`FutexWaitv::flags`]). The
    /// lowest two bits are a size: only 32 bits are supported so far.
    ///
    /// ```
    /// use annulus_ring::abi::Futex2Flags;
    /// assert_eq!((Futex2Flags::SIZE_U32 | Futex2Flags::PRIVATE).bits(), 130);
    /// ```
    pub struct Futex2Flags: u32;
    /// 8 bits.
    SIZE_U8 = 0, "FUTEX2_SIZE_U8", "6.7";
    /// 16 bits.
    SIZE_U16 = 1, "FUTEX2_SIZE_U16", "6.7";
    /// 32 bits.
    SIZE_U32 = 2, "FUTEX2_SIZE_U32", "6.7";
    /// 64 bits.
    SIZE_U64 = 3, "FUTEX2_SIZE_U64", "6.7";
    /// A node number follows the futex.
    NUMA = 1 << 2, "FUTEX2_NUMA", "6.16";
    /// The node is that of the memory policy.
    MPOL = 1 << 3, "FUTEX2_MPOL", "6.16";
    /// Only this process uses it.
    PRIVATE = 1 << 7, "FUTEX2_PRIVATE", "6.7";
}

impl Futex2Flags {
    /// The bits of the size.
    #[doc(alias = "FUTEX2_SIZE_MASK")]
    pub const SIZE_MASK: Self = Self(3);
}

/// A mask that every futex wake matches.
///
/// ```
/// assert_eq!(annulus_ring::abi::FUTEX_BITSET_MATCH_ANY, 0xffff_ffff);
/// ```
pub const FUTEX_BITSET_MATCH_ANY: u32 = u32::MAX;

/// How many futexes FUTEX_WAITV takes at most.
///
/// ```
/// assert_eq!(annulus_ring::abi::FUTEX_WAITV_MAX, 128);
/// ```
pub const FUTEX_WAITV_MAX: u32 = 128;

/// One of the futexes of FUTEX_WAITV (`struct futex_waitv`, Linux 5.16).
///
/// ```
/// use annulus_ring::abi::{Futex2Flags, FutexWaitv};
/// let one = FutexWaitv { val: 1, flags: Futex2Flags::SIZE_U32, ..FutexWaitv::default() };
/// assert_eq!(size_of_val(&one), 24);
/// ```
#[doc(alias = "futex_waitv")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FutexWaitv {
    /// The value at which to wait.
    pub val: u64,
    /// Address of the futex.
    pub uaddr: u64,
    /// What kind it is.
    pub flags: Futex2Flags,
    /// Zero.
    pub __reserved: u32,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<EpollEvent>() == if cfg!(target_arch = "x86_64") { 12 } else { 16 });
    assert!(offset_of!(EpollEvent, events) == 0);
    assert!(offset_of!(EpollEvent, data) == if cfg!(target_arch = "x86_64") { 4 } else { 8 });
    assert!(size_of::<FutexWaitv>() == 24 && align_of::<FutexWaitv>() == 8);
    assert!(offset_of!(FutexWaitv, val) == 0 && offset_of!(FutexWaitv, uaddr) == 8);
    assert!(offset_of!(FutexWaitv, flags) == 16 && offset_of!(FutexWaitv, __reserved) == 20);
};

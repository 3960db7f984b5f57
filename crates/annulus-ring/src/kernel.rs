//! The waist: everything above it is queues and entries, everything below it is a kernel.
//!
//! [`Kernel`] is what a ring needs of whoever answers its entries: Linux ([`Linux`](crate::Linux)),
//! a kernel in user space, a simulated one, or a test's. [`RingMemory`] is where the two meet, and
//! [`Fd`] a descriptor that belongs to one of them. A kernel that is [`SetUp`] as well can be asked
//! for rings by the [builder](crate::BuilderOf).

mod set_up;

use core::ffi::c_void;
use core::fmt;
use core::ptr::NonNull;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::abi::{EnterFlags, RegisterOp, Sqe, Timespec};
use crate::call;
use crate::describe::{self, Description};
use crate::errno::Errno;
pub use crate::mapping::Mapping;
pub use crate::sync::{AtomicU16, AtomicU32, Slot};
pub(crate) use set_up::WISHES;
pub use set_up::{Plan, Pollable, Resized, SetUp};

/// What answers the entries of a ring.
///
/// # Safety
/// Whoever implements it promises:
/// - `enter` consumes at most `to_submit` entries, in order, beginning at the submission head, and
///   none that is not shown; it stores the head (release) only when it has done with the slots, and
///   returns how many it took. Of several that enter at once one consumes after the other.
/// - It writes completions only to slots between tail and head + entries, then stores the tail
///   (release); with both queues' words it treats the program's stores as acquire.
/// - It raises `NEED_WAKEUP`, `CQ_OVERFLOW` and `TASKRUN` as Linux does, and lowers them itself.
/// - The [`RingMemory`] given with it stays valid, and in place, until it is dropped.
/// - It touches what an entry points to from `enter` until the entry's last completion, no longer.
/// - An error leaves every entry that was not taken in the queue.
/// - What `map` gives is what it uses at that offset, and long enough.
/// - What `register` has unregistered, it touches no more, but for operations that use it already.
pub unsafe trait Kernel {
    /// Closes this kernel's descriptors: see [`Fd`].
    type Descriptors: Descriptors;

    /// `io_uring_enter(2)`: takes entries, waits for completions.
    ///
    /// # Safety
    /// - What the entries in the queue point to is valid as their operations demand.
    /// - A kernel whose ring stays on its thread ([`Local`](crate::Local)) is entered there: Linux
    ///   knows it by an index, which is another ring's on another thread.
    /// - `arg` is null, or what `flags` say it is, `arg_bytes` long.
    ///
    /// # Errors
    /// What `io_uring_enter(2)` names. Entries that were not taken are still in the queue.
    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<u32, Errno>;

    /// `io_uring_register(2)`: registers resources, or changes how the ring behaves.
    ///
    /// # Safety
    /// - `arg` is what `op` says it is, `count` of them, valid as long as `op` demands.
    /// - On the ring's thread, as [`enter`](Self::enter).
    /// - What is unregistered is nobody's any more: memory, files and indices that others
    ///   registered and go by are theirs to give up.
    ///
    /// # Errors
    /// What `io_uring_register(2)` names for `op`.
    unsafe fn register(&self, op: RegisterOp, arg: *mut c_void, count: u32) -> Result<u32, Errno>;

    /// Does one entry at once, on this thread and past the ring, if that cannot block: see
    /// [`Descriptors::call`].
    ///
    /// # Safety
    /// - What the entry points to is valid for the length of the call.
    ///
    /// # Errors
    /// `EAGAIN` if it would block or has no such way: submit it instead. Else the operation's own.
    unsafe fn call(&self, sqe: &Sqe) -> Result<u32, Errno> {
        // SAFETY: the caller's promise.
        unsafe { self.descriptors().call(sqe) }
    }

    /// This kernel's monotonic time: not negative, its nanoseconds below a second.
    fn now(&self) -> Timespec;

    /// A descriptor of the process that becomes readable when completions are there, if there is
    /// one.
    fn poll_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Maps memory of this kernel's that belongs to the ring, such as that of a ring of buffers: at
    /// least `bytes` at `offset`, as `mmap(2)` of Linux's descriptor takes it.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: this kernel has no such memory. `EBADF`: the ring has no descriptor to map
    /// from. Else as `mmap(2)`.
    fn map(&self, offset: u64, bytes: usize) -> Result<Mapping, Errno> {
        let _ = (offset, bytes);
        Err(Errno::EOPNOTSUPP)
    }

    /// What closes this kernel's descriptors.
    fn descriptors(&self) -> Self::Descriptors;

    /// Whether it answers by the system calls of Linux, which filters and settings may block: what
    /// it refuses is judged by those then, see [`diagnose`](crate::diagnose).
    fn is_linux(&self) -> bool {
        false
    }
}

// SAFETY: every call goes to the same kernel, whose promises are its own.
unsafe impl<K: Kernel> Kernel for Arc<K> {
    type Descriptors = K::Descriptors;

    #[inline]
    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<u32, Errno> {
        // SAFETY: the caller's promises are this call's.
        unsafe { (**self).enter(to_submit, min_complete, flags, arg, arg_bytes) }
    }

    #[inline]
    unsafe fn register(&self, op: RegisterOp, arg: *mut c_void, count: u32) -> Result<u32, Errno> {
        // SAFETY: the caller's promises are this call's.
        unsafe { (**self).register(op, arg, count) }
    }

    #[inline]
    unsafe fn call(&self, sqe: &Sqe) -> Result<u32, Errno> {
        // SAFETY: the caller's promises are this call's.
        unsafe { (**self).call(sqe) }
    }

    fn now(&self) -> Timespec {
        (**self).now()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        (**self).poll_fd()
    }

    fn map(&self, offset: u64, bytes: usize) -> Result<Mapping, Errno> {
        (**self).map(offset, bytes)
    }

    fn descriptors(&self) -> Self::Descriptors {
        (**self).descriptors()
    }

    fn is_linux(&self) -> bool {
        (**self).is_linux()
    }
}

/// The memory that a ring and its kernel share: typed pointers to the words and the entries.
///
/// `S` is what lies in the submission queue's slots and `C` what lies in the completion queue's.
/// The pointers come from the kernel that was set up, and are valid as long as that kernel lives.
#[derive(Debug)]
pub struct RingMemory<S, C> {
    /// The submission queue.
    pub sq: SqMemory<S>,
    /// The completion queue.
    pub cq: CqMemory<C>,
}

/// The submission queue's half of [`RingMemory`].
#[derive(Debug)]
pub struct SqMemory<S> {
    /// The kernel's index: entries before it are consumed.
    pub head: NonNull<AtomicU32>,
    /// The program's index: entries before it are ready.
    pub tail: NonNull<AtomicU32>,
    /// [`SqRingFlags`](crate::abi::SqRingFlags), written by the kernel.
    pub flags: NonNull<AtomicU32>,
    /// How many entries the kernel refused for a bad index in the array.
    pub dropped: NonNull<AtomicU32>,
    /// The index array (the first of `entries`), where there is one.
    pub array: Option<NonNull<AtomicU32>>,
    /// The first of the entries.
    pub slots: NonNull<Slot<S>>,
    /// How many there are: a power of two.
    pub entries: u32,
}

/// The completion queue's half of [`RingMemory`].
#[derive(Debug)]
pub struct CqMemory<C> {
    /// The program's index: completions before it are seen.
    pub head: NonNull<AtomicU32>,
    /// The kernel's index: completions before it are there.
    pub tail: NonNull<AtomicU32>,
    /// [`CqRingFlags`](crate::abi::CqRingFlags), written by the program.
    pub flags: NonNull<AtomicU32>,
    /// How many completions were dropped, on kernels without `NODROP`.
    pub overflow: NonNull<AtomicU32>,
    /// The first of the entries.
    pub slots: NonNull<Slot<C>>,
    /// How many there are: a power of two.
    pub entries: u32,
}

/// What can be done with the descriptors of a kernel without a ring, on any thread: closing one,
/// and doing an entry at once.
///
/// # Safety
/// - `close` affects only the descriptor it is given.
/// - `call` touches what the entry points to during the call only.
pub unsafe trait Descriptors: Clone + fmt::Debug {
    /// Closes `raw`.
    ///
    /// # Safety
    /// - `raw` is open in this kernel, the caller's own, and nobody uses it afterwards.
    ///
    /// # Errors
    /// As `close(2)`. The descriptor is gone all the same.
    unsafe fn close(&self, raw: RawFd) -> Result<(), Errno>;

    /// Does one entry at once, on this thread, if that cannot block: what [`Kernel::call`] does,
    /// for who has a descriptor and not the ring.
    ///
    /// # Safety
    /// - What the entry points to is valid for the length of the call.
    ///
    /// # Errors
    /// `EAGAIN` if it would block or has no such way: submit it instead. Else the operation's own.
    unsafe fn call(&self, sqe: &Sqe) -> Result<u32, Errno>;

    /// Does one entry on this thread, however long it takes: for a kernel whose ring lacks the
    /// operation. Call it where a thread may wait.
    ///
    /// Linux's does `FTRUNCATE` (in the ring since 6.9), `FLOCK`, which no ring of it has, and
    /// `UNLINKAT`, for who has to take a file away when the ring is gone.
    ///
    /// # Safety
    /// - What the entry points to is valid for the length of the call.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if there is no such way: submit it. Else the operation's own.
    unsafe fn perform(&self, sqe: &Sqe) -> Result<u32, Errno> {
        let _ = sqe;
        Err(Errno::EOPNOTSUPP)
    }

    /// What the descriptor `raw` is.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    fn describe(&self, raw: RawFd) -> Result<Description, Errno>;
}

/// The descriptors of the process: what Linux's rings return.
///
/// ```
/// use annulus_ring::{Fd, kernel::Process};
/// let file: Fd<Process> = std::fs::File::open("/dev/null")?.into();
/// drop(file); // closed
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Safe code cannot close what belongs to others:
///
/// ```compile_fail,E0133
/// use annulus_ring::kernel::{Descriptors, Process};
/// let _ = Process.close(0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

// SAFETY: the one descriptor is closed, and nothing else.
unsafe impl Descriptors for Process {
    unsafe fn close(&self, raw: RawFd) -> Result<(), Errno> {
        // SAFETY: the caller owns `raw`, and gives it up.
        unsafe { call::close(raw) }
    }

    #[inline(always)]
    unsafe fn call(&self, sqe: &Sqe) -> Result<u32, Errno> {
        // SAFETY: the caller's promise.
        unsafe { call::call(sqe) }
    }

    unsafe fn perform(&self, sqe: &Sqe) -> Result<u32, Errno> {
        // SAFETY: the caller's promise.
        unsafe { call::perform(sqe) }
    }

    fn describe(&self, raw: RawFd) -> Result<Description, Errno> {
        describe::describe(raw)
    }
}

/// A descriptor of one kernel, closed through that kernel when it is dropped.
///
/// A simulated kernel's 5 is not the process's 5, so a number alone is never owned: an [`OwnedFd`]
/// comes in and goes out only where the kernel is the process's own.
///
/// ```
/// use annulus_ring::Fd;
/// use std::os::fd::OwnedFd;
/// let fd: Fd = std::fs::File::open("/dev/null")?.into();
/// assert!(fd.raw() >= 0);
/// let owned: OwnedFd = fd.into();
/// # drop(owned);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Fd<D: Descriptors = Process> {
    raw: RawFd,
    descriptors: D,
}

impl<D: Descriptors> Fd<D> {
    /// Takes charge of `raw`.
    ///
    /// # Safety
    /// - `raw` is open in the kernel of `descriptors`, and nothing else will close it.
    ///
    /// ```
    /// use annulus_ring::{Fd, kernel::Process};
    /// use std::os::fd::IntoRawFd;
    /// let raw = std::fs::File::open("/dev/null")?.into_raw_fd();
    /// // SAFETY: the file gave up its descriptor.
    /// let fd = unsafe { Fd::from_raw(raw, Process) };
    /// assert_eq!(fd.raw(), raw);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub unsafe fn from_raw(raw: RawFd, descriptors: D) -> Self {
        debug_assert!(raw >= 0, "not a descriptor: {raw}");
        Self { raw, descriptors }
    }

    /// The number, as entries carry it.
    ///
    /// ```
    /// let fd: annulus_ring::Fd = std::fs::File::open("/dev/null")?.into();
    /// assert!(fd.raw() > 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn raw(&self) -> RawFd {
        self.raw
    }

    /// What belongs to the same kernel: to do an entry on this descriptor at once.
    ///
    /// ```
    /// use annulus_ring::{Fd, kernel::Descriptors, op};
    /// let fd: Fd = std::fs::File::open("Cargo.toml")?.into();
    /// let mut text = [0u8; 9];
    /// let read = op::Read::new(fd.raw(), text.as_mut_ptr(), 9).offset(0).build();
    /// // SAFETY: `text` is not touched during the call.
    /// match unsafe { fd.kernel().call(&read) } {
    ///     Ok(count) => assert_eq!(&text[..count as usize], b"[package]"),
    ///     Err(errno) => assert_eq!(errno, annulus_ring::Errno::EAGAIN), // not in the page cache
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kernel(&self) -> &D {
        &self.descriptors
    }

    /// What it is.
    ///
    /// # Errors
    /// Those of `fstat(2)` and `fcntl(2)`: none in ordinary use.
    ///
    /// ```
    /// use annulus_ring::{Fd, FdKind};
    /// let fd: Fd = std::fs::File::open("/dev/null")?.into();
    /// assert_eq!(fd.describe()?.kind, FdKind::Character);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn describe(&self) -> Result<Description, Errno> {
        self.descriptors.describe(self.raw)
    }

    /// Closes it, and says what `close(2)` said. The descriptor is gone also after an error.
    ///
    /// # Errors
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): what was written earlier could not be stored (network
    ///   file systems tell only here). `EINTR`: a signal came meanwhile.
    ///
    /// See [close(2)](https://man7.org/linux/man-pages/man2/close.2.html).
    ///
    /// ```
    /// let fd: annulus_ring::Fd = std::fs::File::open("/dev/null")?.into();
    /// fd.close()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(self) -> Result<(), Errno> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: the descriptor is this value's own (`from_raw`), whose drop does not run.
        unsafe { this.descriptors.close(this.raw) }
    }

    /// Gives up the descriptor without closing it.
    ///
    /// ```
    /// use annulus_ring::{Fd, kernel::Process};
    /// let fd: Fd = std::fs::File::open("/dev/null")?.into();
    /// let raw = fd.into_raw();
    /// // SAFETY: the descriptor was given up one line above.
    /// drop(unsafe { Fd::from_raw(raw, Process) });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_raw(self) -> RawFd {
        let raw = self.raw;
        core::mem::forget(self);
        raw
    }
}

impl<D: Descriptors> Drop for Fd<D> {
    fn drop(&mut self) {
        // An error of close(2) says that data was lost earlier; the descriptor is gone anyway, and
        // a drop has nobody to tell. Who cares closes by an entry and reads its result.
        // SAFETY: the descriptor is this value's own (`from_raw`), which ends here.
        let _ = unsafe { self.descriptors.close(self.raw) };
    }
}

impl AsRawFd for Fd<Process> {
    fn as_raw_fd(&self) -> RawFd {
        self.raw
    }
}

impl AsFd for Fd<Process> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as this value, which is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.raw) }
    }
}

impl From<OwnedFd> for Fd<Process> {
    fn from(owned: OwnedFd) -> Self {
        Self { raw: owned.into_raw_fd(), descriptors: Process }
    }
}

impl From<std::fs::File> for Fd<Process> {
    fn from(file: std::fs::File) -> Self {
        OwnedFd::from(file).into()
    }
}

impl From<Fd<Process>> for OwnedFd {
    fn from(fd: Fd<Process>) -> Self {
        // SAFETY: the descriptor was owned by `fd` alone, which gives it up.
        unsafe { OwnedFd::from_raw_fd(fd.into_raw()) }
    }
}

//! [`Linux`]: the kernel itself, behind the waist.

mod memory;
mod set_up;

use memory::Maps;
pub(crate) use memory::RegionLayout;
pub use set_up::latched_off;

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::abi::{EnterFlags, Params, RegisterOp, RsrcUpdate, SetupFlags, Timespec};
use crate::errno::Errno;
use crate::fork::WipedCell;
use crate::kernel::{Kernel, Process};
use crate::mapping::Mapping;
use crate::syscall::{self, register_raw};

/// A ring of Linux: its descriptor, and the memory shared with it.
///
/// Dropping it closes the descriptor and unmaps the memory. **Closing waits for nothing**: what was
/// submitted goes on, and the kernel may still write to the buffers of the entries in flight. To
/// the ring's own memory it may still write too, harmlessly: that is a mapping, never heap. In a
/// child of `fork(2)` dropping it does nothing.
#[derive(Debug)]
pub struct Linux {
    /// What `io_uring_enter` is given: the descriptor or its registered index.
    target: i32,
    /// `REGISTERED_RING` if `target` is an index.
    target_flags: EnterFlags,
    /// The descriptor, unless the ring has none (`REGISTERED_FD_ONLY`).
    fd: ManuallyDrop<Option<OwnedFd>>,
    /// The index to give back when dropped.
    registered: Option<u32>,
    /// Whether forked children are to be without the memory, also after a resize.
    kept_from_children: bool,
    // Unmapped after the descriptor is closed: a polling thread reads the queues until then.
    maps: ManuallyDrop<Maps>,
    own: WipedCell,
}

impl Linux {
    /// Takes charge of what `io_uring_setup(2)` returned.
    ///
    /// # Safety
    /// - `answer` is what `io_uring_setup(2)` answered for `params`, owned by nobody else.
    unsafe fn new(answer: u32, params: &Params, maps: Maps) -> Self {
        let only_index = params.flags.contains(SetupFlags::REGISTERED_FD_ONLY);
        let fd = (!only_index).then(|| {
            // SAFETY: without REGISTERED_FD_ONLY the answer is a new descriptor, ours alone.
            unsafe { OwnedFd::from_raw_fd(answer as RawFd) }
        });
        let target_flags =
            if only_index { EnterFlags::REGISTERED_RING } else { EnterFlags::empty() };
        Self {
            target: answer as i32,
            target_flags,
            fd: ManuallyDrop::new(fd),
            registered: only_index.then_some(answer),
            kept_from_children: false,
            maps: ManuallyDrop::new(maps),
            own: WipedCell::new(),
        }
    }

    /// What this kernel is called where there are others: `linux`.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.kernel().name(), "linux");
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn name(&self) -> &'static str {
        "linux"
    }

    /// The ring's descriptor, if it has one.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Leaves the memory out of the children that this process forks.
    fn keep_from_children(&mut self) -> Result<(), Errno> {
        self.kept_from_children = true;
        self.maps.keep_from_children()
    }

    /// Replaces the memory after a resize; the old memory is unmapped.
    ///
    /// An error says that children will have the new memory although they should not: all else is
    /// done.
    fn replace_maps(&mut self, maps: Maps) -> Result<(), Errno> {
        *self.maps = maps;
        if self.kept_from_children { self.maps.keep_from_children() } else { Ok(()) }
    }

    /// Gives the descriptor an index in this thread's table, which every enter then uses: the
    /// kernel looks nothing up (some 90 instructions per enter).
    ///
    /// Where that fails, for whatever reason (the table of 16 is full, the ring is restricted, a
    /// filter forbids registrations, the kernel has no such table), the descriptor serves as
    /// before.
    fn register_descriptor(&mut self) {
        let Some(fd) = self.fd.as_ref() else { return };
        // Offset −1 asks for any free index, which the kernel writes back.
        let mut update =
            RsrcUpdate { offset: u32::MAX, resv: 0, data: fd.as_raw_fd() as u32 as u64 };
        let arg = (&raw mut update).cast();
        // SAFETY: `update` is one `io_uring_rsrc_update`, read and written during the call only.
        let answer = unsafe { register_raw(fd.as_raw_fd(), RegisterOp::RING_FDS, arg, 1) };
        if answer == Ok(1) {
            self.target = update.offset as i32;
            self.target_flags = EnterFlags::REGISTERED_RING;
            self.registered = Some(update.offset);
        }
    }

    /// Whether enters go through a registered index.
    fn is_registered(&self) -> bool {
        self.registered.is_some()
    }

    /// Closes the descriptor of a ring that has a registered index.
    fn drop_descriptor(&mut self) {
        debug_assert!(self.registered.is_some(), "nothing would name the ring");
        drop(self.fd.take());
    }

    /// Gives the registered index back, if there is one.
    fn unregister_descriptor(&mut self) {
        if let Some(index) = self.registered.take() {
            unregister_index(self.fd(), index);
        }
    }
}

/// Gives back the index of the ring `fd` in this thread's table. A ring without a descriptor names
/// itself by the index.
fn unregister_index(fd: Option<BorrowedFd<'_>>, index: u32) {
    let mut update = RsrcUpdate { offset: index, resv: 0, data: 0 };
    let arg = (&raw mut update).cast();
    let (fd, op) = match fd {
        Some(fd) => (fd.as_raw_fd(), RegisterOp::UNREGISTER_RING_FDS),
        None => (index as i32, use_registered(RegisterOp::UNREGISTER_RING_FDS)),
    };
    // SAFETY: `update` is one `io_uring_rsrc_update`, read during the call only.
    let answer = unsafe { register_raw(fd, op, arg, 1) };
    // It fails on a thread that never had the index (a ring dropped elsewhere): then the index
    // ends with the thread that has it.
    let _ = answer;
}

/// The number that says that the descriptor is a registered index.
fn use_registered(op: RegisterOp) -> RegisterOp {
    RegisterOp(op.0 | RegisterOp::USE_REGISTERED_RING.0)
}

// SAFETY: it is Linux that promises: io_uring(7).
unsafe impl Kernel for Linux {
    type Descriptors = Process;

    #[inline(always)]
    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<u32, Errno> {
        let flags = flags.union(self.target_flags).bits();
        let args = [
            self.target as usize,
            to_submit as usize,
            min_complete as usize,
            flags as usize,
            arg as usize,
            arg_bytes,
        ];
        // SAFETY: the target is this ring; the rest is the caller's promise.
        unsafe { syscall::call6(syscall::IO_URING_ENTER, args) }
    }

    unsafe fn register(&self, op: RegisterOp, arg: *mut c_void, count: u32) -> Result<u32, Errno> {
        let (fd, op) = match self.fd.as_ref() {
            Some(fd) => (fd.as_raw_fd(), op),
            None => (self.target, use_registered(op)),
        };
        // SAFETY: the caller's promise.
        unsafe { register_raw(fd, op, arg, count) }
    }

    fn now(&self) -> Timespec {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Timespec { tv_sec: now.tv_sec, tv_nsec: now.tv_nsec }
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd()
    }

    fn map(&self, offset: u64, bytes: usize) -> Result<Mapping, Errno> {
        Mapping::of_fd(self.fd().ok_or(Errno::EBADF)?, offset, bytes)
    }

    fn descriptors(&self) -> Process {
        Process
    }

    fn is_linux(&self) -> bool {
        true
    }
}

impl Drop for Linux {
    fn drop(&mut self) {
        if !self.own.is_current() {
            // A child of fork(2): the index is the parent's task's, the memory is shared with the
            // parent, and the descriptor's number may have been given to something else by now.
            return;
        }
        self.unregister_descriptor();
        // SAFETY: dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
        // SAFETY: dropped once, here, and not used afterwards; the descriptor is closed.
        unsafe { ManuallyDrop::drop(&mut self.maps) };
    }
}

//! Rings of buffers: the program puts buffers in, and the kernel takes one when data is there, so
//! that a thousand idle connections need not a thousand buffers.
//!
//! [`BufRing`] is the ring alone, for buffers of the caller's; [`BufferRing`](super::BufferRing)
//! brings its own.

mod options;

pub use options::BufRingOptions;

use core::mem::ManuallyDrop;

use super::{Detached, Register};
use crate::abi::{Buf, BufGroup, BufReg, BufStatus, PbufRingFlags, RegisterOp};
use crate::cq::CompletionQueue;
use crate::error::{Error, Result};
use crate::fork::WipedCell;
use crate::kernel::Kernel;
use crate::layout::CqeKind;
use crate::linux::Linux;
use crate::mapping::Mapping;
use crate::raw::BufQueue;

fn unregister<K: Kernel>(register: Register<'_, K>, group: BufGroup) -> Result<()> {
    let mut reg = BufReg { bgid: group, ..BufReg::default() };
    // SAFETY: one `io_uring_buf_reg` without an address.
    unsafe { register.with(RegisterOp::UNREGISTER_PBUF_RING, &mut reg, 1) }.map(drop)
}

/// A ring of buffers, for buffers of the caller's.
///
/// It borrows the ring that it is registered with: [`parts`](crate::LocalRing::parts) gives both
/// queues and the way to register at once, so that the queues can be used beside it. To keep it in
/// a struct together with its ring, [`detach`](Self::detach) it.
///
/// # When it is dropped
/// The group is unregistered, then the ring's memory is freed. If the kernel refuses (the drop is
/// on another thread than the ring's, or in a forked child), or the ring is detached, the memory is
/// leaked: the kernel may still read it. The *buffers* are the caller's: one that an operation was
/// given is free at that operation's completion, not before.
///
/// ```
/// use annulus_ring::{LocalRing, abi::BufGroup, op, register::BufRingOptions};
/// let (reader, mut writer) = std::io::pipe()?;
/// let mut ring = LocalRing::new(8)?;
/// let (sq, cq, submitter) = ring.parts();
/// let mut buffers = BufRingOptions::new(BufGroup(0), 4).register(submitter.register())?;
/// let mut memory = [0u8; 16];
/// // SAFETY: the memory is used by nothing else until the completion, which is waited for.
/// unsafe { buffers.add(memory.as_mut_ptr(), 16, 7) };
/// assert_eq!(buffers.advance(), 1);
///
/// std::io::Write::write_all(&mut writer, b"hello")?;
/// let read = op::Read::new(&reader, std::ptr::null_mut(), 16).build().buffer_select(BufGroup(0));
/// // SAFETY: the kernel picks the buffer that was added above.
/// unsafe { sq.push(read)? };
/// submitter.submit_and_wait(sq, 1)?;
/// let cqe = cq.completions()?.next().unwrap();
/// assert_eq!((cqe.buffer_id(), cqe.result()), (Some(7), Ok(5)));
/// assert_eq!(&memory[..5], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "io_uring_buf_ring")]
#[derive(Debug)]
pub struct BufRing<'r, K: Kernel = Linux> {
    /// Dropped only when the kernel has given the group up.
    parts: ManuallyDrop<Parts>,
    register: Option<Register<'r, K>>,
}

/// What a ring of buffers is, without the ring that it is registered with.
#[derive(Debug)]
struct Parts {
    queue: BufQueue,
    group: BufGroup,
    flags: PbufRingFlags,
    /// The memory that the queue points into.
    _memory: Mapping,
    /// Dead in a forked child, which shares that memory.
    alive: WipedCell,
}

impl<'r, K: Kernel> BufRing<'r, K> {
    /// Takes charge of the memory of the group that was registered with `reg`.
    fn over(memory: Mapping, reg: &BufReg, register: Register<'r, K>) -> Result<Self> {
        let entries = reg.ring_entries as u16;
        let short = |errno| Error::os(errno, "the memory of a ring of buffers");
        let slots = memory.array_at(0, usize::from(entries)).map_err(short)?;
        let tail = memory.at(core::mem::offset_of!(Buf, resv)).map_err(short)?;
        // SAFETY: the mapping is zeroed, that long, and kept as long as the queue; the group is
        // new, so nothing else produces in it.
        let queue = unsafe { BufQueue::new(slots, tail, entries) };
        let (group, flags, alive) = (reg.bgid, reg.flags, WipedCell::new());
        let parts = Parts { queue, group, flags, _memory: memory, alive };
        Ok(Self { parts: ManuallyDrop::new(parts), register: Some(register) })
    }

    /// The group: what entries are given to pick from it.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?;
    /// assert_eq!(buffers.group(), BufGroup(3));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn group(&self) -> BufGroup {
        self.parts.group
    }

    /// How many buffers it can hold.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// assert_eq!(BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.entries(), 4);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_buf_ring_mask")]
    pub fn entries(&self) -> u16 {
        self.parts.queue.entries()
    }

    /// Whether buffers are used up piece by piece.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?;
    /// assert!(!buffers.is_incremental());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn is_incremental(&self) -> bool {
        self.parts.flags.contains(PbufRingFlags::INC)
    }

    /// Puts a buffer in, without showing it to the kernel yet: [`advance`](Self::advance) does. In
    /// a forked child it does nothing.
    ///
    /// # Safety
    /// - `len` bytes from `buffer` on stay allocated, and are used by nothing else, until the
    ///   completion that names `id` (in an incremental ring: the one without
    ///   [`BUF_MORE`](crate::abi::CqeFlags::BUF_MORE)), or until the group is unregistered and
    ///   every operation that may have picked from it completed.
    /// - No more than [`entries`](Self::entries) buffers are in the ring at once.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let mut memory = [0u8; 64];
    /// let mut buffers = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?;
    /// for (id, part) in memory.chunks_exact_mut(16).enumerate() {
    ///     // SAFETY: no operation is ever given the group, and it is dropped before the memory.
    ///     unsafe { buffers.add(part.as_mut_ptr(), 16, id as u16) };
    /// }
    /// assert_eq!(buffers.advance(), 4);
    /// assert_eq!(buffers.tail(), 4);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_buf_ring_add")]
    #[inline]
    pub unsafe fn add(&mut self, buffer: *mut u8, len: u32, id: u16) {
        if self.parts.alive.is_current() {
            // SAFETY: there are never more buffers in the ring than slots (the caller's promise),
            // so the one that was in this slot is out.
            unsafe { self.parts.queue.add(buffer as u64, len, id) };
        }
    }

    /// The slot that the next buffer goes to.
    pub(super) fn next_slot(&self) -> u16 {
        self.parts.queue.next_slot()
    }

    /// Whether a buffer was ever added.
    pub(super) fn is_used(&self) -> bool {
        self.parts.queue.is_used()
    }

    /// Shows the kernel the buffers that were added, with one store, and returns how many.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let mut buffers = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?;
    /// assert_eq!(buffers.advance(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_buf_ring_advance")]
    #[inline]
    pub fn advance(&mut self) -> u16 {
        if self.parts.alive.is_current() { self.parts.queue.advance() } else { 0 }
    }

    /// Shows the kernel the buffers that were added, then gives `completions` slots of `cq` back:
    /// the usual end of a batch of receives. Returns how many buffers.
    ///
    /// The buffers first: a slot of the queue lets the kernel go on, and it should find a buffer.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let mut ring = LocalRing::new(8)?;
    /// let (_, cq, submitter) = ring.parts();
    /// let mut buffers = BufRingOptions::new(BufGroup(3), 4).register(submitter.register())?;
    /// assert_eq!(buffers.cq_advance(cq, 0), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_buf_ring_cq_advance")]
    #[inline]
    pub fn cq_advance<C: CqeKind>(&mut self, cq: &mut CompletionQueue<C>, completions: u32) -> u16 {
        let count = self.advance();
        cq.advance(completions);
        count
    }

    /// How many buffers were ever shown to the kernel, modulo 65,536.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// assert_eq!(BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.tail(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn tail(&self) -> u16 {
        self.parts.queue.tail()
    }

    /// How many buffers the kernel ever took out, modulo 65,536: a system call
    /// (`IORING_REGISTER_PBUF_STATUS`, Linux 6.8).
    ///
    /// # Errors
    /// - `EINVAL` ([`is_unsupported`](Error::is_unsupported)): this kernel cannot say.
    /// - It is detached: use [`Register::buf_ring_head`].
    ///
    /// See `io_uring_buf_ring_head(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_buf_ring_head.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let head = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.head();
    /// # if head.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.8
    /// assert_eq!(head?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_buf_ring_head")]
    pub fn head(&self) -> Result<u16> {
        match &self.register {
            Some(register) => register.buf_ring_head(self.parts.group),
            None => Err(Error::usage("a detached ring of buffers has no ring to ask")),
        }
    }

    /// How many buffers the kernel can still pick: a system call, as [`head`](Self::head).
    ///
    /// # Errors
    /// As [`head`](Self::head).
    ///
    /// See `io_uring_buf_ring_available(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_buf_ring_available.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let free = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.available();
    /// # if free.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.8
    /// assert_eq!(free?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_buf_ring_available")]
    pub fn available(&self) -> Result<u16> {
        Ok(self.tail().wrapping_sub(self.head()?))
    }

    /// Lets go of the ring, so that this can be kept in a struct beside it.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let kept = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.detach();
    /// // … the ring can be used mutably here …
    /// // SAFETY: it is the ring that it was registered with.
    /// drop(unsafe { kept.attach(ring.register()) }); // unregistered and freed
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn detach(self) -> Detached<BufRing<'static, K>>
    where
        K: 'static,
    {
        Detached::new(self.with_register(None))
    }

    pub(super) fn with_register<'s>(self, register: Option<Register<'s, K>>) -> BufRing<'s, K> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never used again, nor dropped.
        let parts = unsafe { ManuallyDrop::take(&mut this.parts) };
        BufRing { parts: ManuallyDrop::new(parts), register }
    }

    /// Unregisters the group; whether the kernel has done with the ring's memory, and with the
    /// buffers that no operation was given.
    pub(super) fn close(&mut self) -> bool {
        match self.register.take() {
            Some(register) => unregister(register, self.parts.group).is_ok(),
            None => false,
        }
    }

    /// As dropping it, where the group was [closed](Self::close) with this outcome.
    pub(super) fn drop_closed(self, closed: bool) {
        let mut this = ManuallyDrop::new(self);
        if closed {
            // SAFETY: dropped once, here; the kernel has unregistered the group.
            unsafe { ManuallyDrop::drop(&mut this.parts) };
        }
    }
}

impl<K: Kernel> Drop for BufRing<'_, K> {
    fn drop(&mut self) {
        if self.close() {
            // SAFETY: dropped once, here; the kernel has unregistered the group.
            unsafe { ManuallyDrop::drop(&mut self.parts) };
        }
        // Else it is leaked: the kernel may go on reading it.
    }
}

/// # Rings of buffers
///
/// See [`BufferRing`](super::BufferRing) and [`BufRing`].
impl<K: Kernel> Register<'_, K> {
    /// How many buffers of this group's ring the kernel ever took, modulo 65,536.
    /// `IORING_REGISTER_PBUF_STATUS`, Linux 6.8.
    ///
    /// # Errors
    /// - `ENOENT`: there is no such group.
    /// - `EINVAL`: it is no ring; or this kernel cannot say.
    ///
    /// See `io_uring_buf_ring_head(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_buf_ring_head.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, abi::BufGroup};
    /// let error = LocalRing::new(8)?.register().buf_ring_head(BufGroup(9)).unwrap_err();
    /// assert!(matches!(error.errno(), Some(Errno::ENOENT | Errno::EINVAL))); // before 6.8
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_PBUF_STATUS")]
    pub fn buf_ring_head(&self, group: BufGroup) -> Result<u16> {
        let mut status = BufStatus { buf_group: u32::from(group.0), ..BufStatus::default() };
        // SAFETY: one `io_uring_buf_status`, read and written during the call.
        unsafe { self.with(RegisterOp::PBUF_STATUS, &mut status, 1) }?;
        // The kernel's head is 16 bits wide.
        Ok(status.head as u16)
    }
}

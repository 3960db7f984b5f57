//! A ring of buffers that brings its own memory: what the kernel filled is borrowed, and goes back
//! when it was looked at.
//!
//! # Whose a buffer is
//! ```text
//!             advance                      completion names it
//!   ours  ───────────────▶  in the ring  ───────────────────────▶  lent  ──┐
//!    ▲                          │  ▲   incremental, BUF_MORE:               │ last Buffer
//!    │                          └──┘   a part is lent, the rest stays       │ dropped
//!    └──────────────────────────────────────────────────────────────────────┘
//! ```
//! A buffer goes back when the kernel has done with it *and* no [`Buffer`] of it is left. Of an
//! incremental buffer several parts may be out at once; the kernel writes behind them.

mod lent;

pub use lent::Buffer;

use core::cell::RefCell;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use self::lent::Bundle;

use super::buf_ring::{BufRing, BufRingOptions};
use super::{Detached, Register};
use crate::abi::{BufGroup, Cqe, CqeFlags};
use crate::cq::CompletionQueue;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::CqeKind;
use crate::linux::Linux;
use crate::mapping::Mapping;

/// What is known of one buffer.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How much of it completions have named so far.
    used_bytes: u32,
    /// How many [`Buffer`]s of it there are.
    guards: u32,
    /// The kernel has done with it.
    is_lent: bool,
    /// The slot of the ring that it was put into last.
    slot: u16,
}

#[derive(Debug)]
struct Inner<'r, K: Kernel> {
    ring: BufRing<'r, K>,
    states: Box<[State]>,
    /// Which buffer was put into each slot last: a bundle goes by slots.
    by_slot: Box<[u16]>,
}

/// A ring of buffers, with the buffers: a region of memory cut in equal parts.
///
/// It borrows the ring that it is registered with: [`parts`](crate::LocalRing::parts) gives both
/// queues and the way to register at once. To keep it in a struct beside its ring,
/// [`detach`](Self::detach) it.
///
/// # When it is dropped
/// The group is unregistered, then all memory is freed; if the kernel refuses (the drop is on
/// another thread than the ring's, or in a forked child), or it is detached, the memory is leaked.
/// **An operation that picked a buffer and has not completed still writes to it**: who pushed it
/// promised to keep its memory until then, which here means to keep this.
///
/// ```
/// use annulus_ring::{LocalRing, abi::BufGroup, op, register::BufferRing};
/// let (reader, mut writer) = std::io::pipe()?;
/// let mut ring = LocalRing::new(8)?;
/// let (sq, cq, submitter) = ring.parts();
/// let buffers = BufferRing::new(submitter.register(), BufGroup(0), 4, 64)?;
///
/// std::io::Write::write_all(&mut writer, b"hello")?;
/// let read = op::Read::new(&reader, std::ptr::null_mut(), 64).build().buffer_select(BufGroup(0));
/// // SAFETY: the kernel picks a buffer of the group, which lives until the completion.
/// unsafe { sq.push(read)? };
/// submitter.submit_and_wait(sq, 1)?;
/// for cqe in cq.completions()? {
///     // SAFETY: a completion of this ring, for this group, taken once.
///     let buffer = unsafe { buffers.take(&cqe) }.unwrap();
///     assert_eq!(&*buffer, b"hello");
/// } // and the buffer is back in the ring
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BufferRing<'r, K: Kernel = Linux> {
    inner: ManuallyDrop<RefCell<Inner<'r, K>>>,
    /// Freed only when the kernel has given the group up.
    memory: ManuallyDrop<Mapping>,
    buffer_bytes: u32,
}

impl<'r, K: Kernel> BufferRing<'r, K> {
    /// A group of `count` buffers (1 to 32,768) of `buffer_bytes` each, all in the ring. Linux
    /// 5.19.
    ///
    /// # Errors
    /// As [`BufRingOptions::register`]; `ENOMEM` without memory for the buffers.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufferRing::new(ring.register(), BufGroup(0), 10, 4096)?;
    /// assert_eq!((buffers.len(), buffers.buffer_bytes()), (10, 4096));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_setup_buf_ring")]
    pub fn new(
        register: Register<'r, K>,
        group: BufGroup,
        count: u32,
        buffer_bytes: u32,
    ) -> Result<Self> {
        let entries = count.checked_next_power_of_two().unwrap_or(u32::MAX);
        let ring = BufRingOptions::new(group, entries).register(register)?;
        Self::fill(ring, count, buffer_bytes)
    }

    /// As [`new`](Self::new), in a ring of any kind, which must be unused: an incremental one, or
    /// one in the kernel's memory.
    ///
    /// # Errors
    /// `ENOMEM` without memory for the buffers. More buffers than entries, none, or a used ring are
    /// refused.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::{BufferRing, BufRingOptions}};
    /// let ring = LocalRing::new(8)?;
    /// let options = BufRingOptions::new(BufGroup(0), 4).incremental();
    /// let made = options.register(ring.register());
    /// # if made.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.12
    /// let buffers = BufferRing::fill(made?, 4, 4096)?;
    /// assert_eq!(buffers.available()?, 4);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn fill(ring: BufRing<'r, K>, count: u32, buffer_bytes: u32) -> Result<Self> {
        if count == 0 || count > u32::from(ring.entries()) || buffer_bytes == 0 {
            return Err(Error::usage(
                "buffers have at least one byte, and are at least one, at most 32768",
            ));
        }
        if ring.is_used() {
            return Err(Error::usage("a ring of buffers that is to be filled has none yet"));
        }
        let no_memory = |errno| Error::os(errno, "mapping memory for buffers");
        // Where addresses have 32 bits, the buffers may be more than all of them.
        let bytes = (count as usize)
            .checked_mul(buffer_bytes as usize)
            .and_then(|bytes| bytes.checked_next_multiple_of(rustix::param::page_size()))
            .ok_or(no_memory(Errno::ENOMEM))?;
        let memory = Mapping::private(bytes).map_err(no_memory)?;
        let entries = usize::from(ring.entries());
        let inner = RefCell::new(Inner {
            ring,
            states: vec![State::default(); count as usize].into(),
            by_slot: vec![0; entries].into(),
        });
        let (inner, memory) = (ManuallyDrop::new(inner), ManuallyDrop::new(memory));
        let this = Self { inner, memory, buffer_bytes };
        // A count above 65,535 was refused: the ring has at most 32,768 entries.
        this.put((0..count).map(|id| id as u16));
        Ok(this)
    }

    /// The first byte of a buffer.
    fn buffer(&self, id: u16) -> NonNull<u8> {
        let offset = usize::from(id) * self.buffer_bytes as usize;
        // SAFETY: the mapping holds every buffer whole, and `id` is one of them (`states` said so).
        unsafe { self.memory.start().cast().add(offset) }
    }

    /// Puts buffers of ours into the ring, and shows them to the kernel.
    fn put(&self, ids: impl Iterator<Item = u16>) {
        let mut inner = self.inner.borrow_mut();
        let Inner { ring, states, by_slot } = &mut *inner;
        for id in ids {
            let slot = ring.next_slot();
            by_slot[usize::from(slot)] = id;
            states[usize::from(id)] = State { slot, ..State::default() };
            // SAFETY: the memory lives until the group is unregistered (`drop`), and is ours: no
            // completion names it, no guard is left. There are no more buffers than entries.
            unsafe { ring.add(self.buffer(id).as_ptr(), self.buffer_bytes, id) };
        }
        ring.advance();
    }

    /// What the completion `cqe` put into a buffer: borrowed, and back in the ring when dropped.
    ///
    /// `None` if the completion names no buffer of these: it failed before one was picked
    /// (`ENOBUFS`: none was left), or it ended an incremental read with nothing in it.
    ///
    /// # Safety
    /// - `cqe` is a completion of this ring for an operation that was given this group, taken from
    ///   the completion queue, and passed to this (or to [`take_bundle`](Self::take_bundle)) once,
    ///   in the order of the queue.
    /// - In an incremental ring: of an operation on a file that is waited for (a socket, a pipe).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::{BufGroup, Cqe}, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufferRing::new(ring.register(), BufGroup(0), 4, 64)?;
    /// // SAFETY: it names no buffer.
    /// assert!(unsafe { buffers.take(&Cqe::default()) }.is_none());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn take(&self, cqe: &Cqe) -> Option<Buffer<'_, 'r, K>> {
        let id = cqe.buffer_id()?;
        let bytes = u32::try_from(cqe.res).unwrap_or(0);
        let has_more = cqe.flags.contains(CqeFlags::BUF_MORE);
        if bytes == 0 && self.inner.borrow().ring.is_incremental() {
            // The kernel has named a buffer that it did not take out.
            return None;
        }
        self.lend(id, bytes, has_more)
    }

    /// As [`take`](Self::take), for a completion of an operation that may fill several buffers at
    /// once ([`BUNDLE`](crate::abi::RecvSendFlags::BUNDLE), Linux 6.10): one after the other.
    ///
    /// # Safety
    /// - As [`take`](Self::take).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::{BufGroup, Cqe}, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufferRing::new(ring.register(), BufGroup(0), 4, 64)?;
    /// // SAFETY: it names no buffer.
    /// assert_eq!(unsafe { buffers.take_bundle(&Cqe::default()) }.count(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn take_bundle<'b>(
        &'b self,
        cqe: &Cqe,
    ) -> impl Iterator<Item = Buffer<'b, 'r, K>> + use<'b, 'r, K> {
        let bytes = u32::try_from(cqe.res).unwrap_or(0);
        let first = cqe.buffer_id().and_then(|id| {
            let inner = self.inner.borrow();
            inner.states.get(usize::from(id)).map(|state| state.slot)
        });
        let mut bundle = Bundle {
            buffers: self,
            slot: first.unwrap_or(0),
            left_bytes: if first.is_some() { bytes } else { 0 },
            ends_inside: cqe.flags.contains(CqeFlags::BUF_MORE),
        };
        // A completion with a buffer and nothing in it: the bundle is empty, `take` deals with it.
        let empty = (bytes == 0).then(|| {
            // SAFETY: the caller's promise.
            unsafe { self.take(cqe) }
        });
        empty.flatten().into_iter().chain(core::iter::from_fn(move || bundle.next()))
    }

    /// Notes that the kernel filled `bytes` more of a buffer.
    fn lend(&self, id: u16, bytes: u32, has_more: bool) -> Option<Buffer<'_, 'r, K>> {
        let mut inner = self.inner.borrow_mut();
        let state = inner.states.get_mut(usize::from(id))?;
        let start = state.used_bytes;
        let end = start.checked_add(bytes).filter(|end| *end <= self.buffer_bytes)?;
        if state.is_lent {
            // It was named already: the promise of `take` was broken. Lend nothing twice.
            return None;
        }
        state.used_bytes = end;
        state.guards += 1;
        state.is_lent = !has_more;
        Some(Buffer { buffers: self, id, start, bytes })
    }

    /// Takes a [`Buffer`] back, and puts the buffer into the ring if it was the last.
    fn give_back(&self, id: u16) {
        let is_free = {
            let mut inner = self.inner.borrow_mut();
            let state = &mut inner.states[usize::from(id)];
            state.guards -= 1;
            state.is_lent && state.guards == 0
        };
        if is_free {
            self.put(core::iter::once(id));
        }
    }

    /// How many buffers there are, wherever they are.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// assert_eq!(BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.len(), 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.inner.borrow().states.len()
    }

    /// Whether there are none: never.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// assert!(!BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long each is.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// assert_eq!(BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.buffer_bytes(), 64);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn buffer_bytes(&self) -> u32 {
        self.buffer_bytes
    }

    /// The group: what entries are given to pick from it.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// assert_eq!(BufferRing::new(ring.register(), BufGroup(2), 3, 64)?.group(), BufGroup(2));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn group(&self) -> BufGroup {
        self.inner.borrow().ring.group()
    }

    /// How many buffers were ever shown to the kernel, modulo 65,536.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// assert_eq!(BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.tail(), 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn tail(&self) -> u16 {
        self.inner.borrow().ring.tail()
    }

    /// How many buffers the kernel can still pick: a system call. See [`BufRing::available`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// let free = BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.available();
    /// # if free.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.8
    /// assert_eq!(free?, 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_buf_ring_available")]
    pub fn available(&self) -> Result<u16> {
        self.inner.borrow().ring.available()
    }

    /// Gives `completions` slots of `cq` back. The buffers went back one by one already, before
    /// this: the order that [`BufRing::cq_advance`] keeps.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let mut ring = LocalRing::new(8)?;
    /// let (_, cq, submitter) = ring.parts();
    /// BufferRing::new(submitter.register(), BufGroup(0), 3, 64)?.cq_advance(cq, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn cq_advance<C: CqeKind>(&self, cq: &mut CompletionQueue<C>, completions: u32) {
        self.inner.borrow_mut().ring.cq_advance(cq, completions);
    }

    /// Lets go of the ring, so that this can be kept in a struct beside it: see [`Detached`].
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// let kept = BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.detach();
    /// assert_eq!(kept.len(), 3);
    /// // SAFETY: it is the ring that they were registered with.
    /// drop(unsafe { kept.attach(ring.register()) }); // unregistered and freed
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn detach(self) -> Detached<BufferRing<'static, K>>
    where
        K: 'static,
    {
        Detached::new(self.with_register(None))
    }

    pub(super) fn with_register<'s>(self, register: Option<Register<'s, K>>) -> BufferRing<'s, K> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never used again, nor dropped.
        let inner = unsafe { ManuallyDrop::take(&mut this.inner) };
        // SAFETY: as above.
        let memory = unsafe { ManuallyDrop::take(&mut this.memory) };
        let Inner { ring, states, by_slot } = inner.into_inner();
        let inner = RefCell::new(Inner { ring: ring.with_register(register), states, by_slot });
        BufferRing {
            inner: ManuallyDrop::new(inner),
            memory: ManuallyDrop::new(memory),
            buffer_bytes: this.buffer_bytes,
        }
    }
}

impl<K: Kernel> Drop for BufferRing<'_, K> {
    fn drop(&mut self) {
        // SAFETY: dropped once, here, and not used afterwards.
        let mut inner = unsafe { ManuallyDrop::take(&mut self.inner) }.into_inner();
        let closed = inner.ring.close();
        inner.ring.drop_closed(closed);
        if closed {
            // SAFETY: dropped once, here. The kernel picks from the group no more; what operations
            // picked before, who pushed them promised to keep until they complete.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
        // Else it is leaked: the kernel may go on writing to it.
    }
}

impl<K: Kernel> fmt::Debug for BufferRing<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferRing")
            .field("group", &self.group())
            .field("buffers", &self.len())
            .field("buffer_bytes", &self.buffer_bytes)
            .finish_non_exhaustive()
    }
}

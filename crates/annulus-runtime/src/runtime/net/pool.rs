//! [`RecvPool`]: buffers of which the kernel picks one when data has come.
//!
//! ```text
//!           put back                  a completion names it
//!   ours  ───────────▶  in the ring  ───────────────────────▶  lent ──┐
//!    ▲                      │  ▲   piece by piece: a part is lent,     │ last PoolBuf
//!    │                      └──┘   the rest stays in the ring          │ dropped
//!    └─────────────────────────────────────────────────────────────────┘
//! ```

use core::cell::{Cell, RefCell};
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;
use std::io;
use std::rc::Rc;

use annulus_emulate::AnyKernel;
use annulus_ring::abi::{BufGroup, Cqe, CqeFlags};
use annulus_ring::register::{BufRing, BufRingOptions, Detached, Register};
use annulus_ring::{Errno, Error};

use super::ops::recv_msg_many::AHEAD_BYTES;
use crate::buffer::AlignedBuf;
use crate::operation::Completion;
use crate::operation::places::NOWHERE;
use crate::runtime::context;
use crate::runtime::core::Core;

/// Where the kernel uses buffers up piece by piece: few, and long.
const PIECEWISE: (u16, u32) = (64, 32 << 10);
/// Where each receive takes a whole one.
const WHOLE: (u16, u32) = (512, 4 << 10);
/// What memory for buffers begins at a multiple of.
const PAGE_BYTES: usize = 4096;

/// What is known of one buffer.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How much of it completions have named so far.
    used_bytes: u32,
    /// How many [`PoolBuf`]s of it there are, and completions of which one will be made.
    guards: u32,
    /// The kernel has done with it.
    is_lent: bool,
}

/// A pool and its buffers. The runtime has a share until it ends, so that the kernel knows the
/// group as long as operations may pick from it.
pub(in crate::runtime) struct Inner {
    ring: RefCell<Option<Detached<BufRing<'static, AnyKernel>>>>,
    /// Freed only when the kernel has given the group up.
    memory: ManuallyDrop<AlignedBuf>,
    start: NonNull<u8>,
    states: Box<[Cell<State>]>,
    buffer_bytes: u32,
    group: BufGroup,
    is_piecewise: bool,
    /// Buffers in the ring, all of them whole or with something left.
    free: Cell<u16>,
    /// The kernel has given the group up.
    is_closed: Cell<bool>,
}

impl Inner {
    fn new(
        register: Register<'_, AnyKernel>,
        group: BufGroup,
        shape: Option<(u16, u32)>,
        may_be_piecewise: bool,
    ) -> Result<Self, Error> {
        let options = |count: u16| BufRingOptions::new(group, u32::from(count.next_power_of_two()));
        let (count, buffer_bytes) = shape.unwrap_or(PIECEWISE);
        let first = options(count);
        let first = if may_be_piecewise { first.incremental() } else { first };
        let (ring, (count, buffer_bytes)) = match first.register(register) {
            Ok(ring) => (ring, (count, buffer_bytes)),
            Err(error) if error.is_unsupported() => {
                let shape = shape.unwrap_or(WHOLE);
                (options(shape.0).register(register)?, shape)
            }
            Err(error) => return Err(error),
        };
        let is_piecewise = ring.is_incremental();
        let bytes = usize::from(count) * buffer_bytes as usize;
        let mut memory = AlignedBuf::try_zeroed(bytes, PAGE_BYTES)
            .map_err(|_| Error::os(Errno::ENOMEM, "memory for a pool of buffers"))?;
        let start = NonNull::new(memory.as_mut_ptr()).expect("memory is somewhere");
        let pool = Self {
            ring: RefCell::new(Some(ring.detach())),
            memory: ManuallyDrop::new(memory),
            start,
            states: (0..count).map(|_| Cell::default()).collect(),
            buffer_bytes,
            group,
            is_piecewise,
            free: Cell::new(0),
            is_closed: Cell::new(false),
        };
        (0..count).for_each(|id| pool.put(id));
        Ok(pool)
    }

    pub(super) fn group(&self) -> BufGroup {
        self.group
    }

    #[inline]
    pub(super) fn buffers_count(&self) -> usize {
        self.states.len()
    }

    /// How long each buffer is.
    pub(super) fn buffer_bytes(&self) -> u32 {
        self.buffer_bytes
    }

    /// Whether a buffer may be lent in parts.
    pub(super) fn is_piecewise(&self) -> bool {
        self.is_piecewise
    }

    /// The first byte of a buffer.
    #[inline(always)]
    fn buffer(&self, id: u16) -> NonNull<u8> {
        let offset = usize::from(id) * self.buffer_bytes as usize;
        // SAFETY: the memory holds every buffer whole, and `id` is that of a state.
        unsafe { self.start.add(offset) }
    }

    /// Puts a buffer into the ring.
    fn put(&self, id: u16) {
        let mut ring = self.ring.borrow_mut();
        let Some(ring) = &mut *ring else { return };
        self.states[usize::from(id)].set(State::default());
        self.free.set(self.free.get() + 1);
        // SAFETY: the memory lives until the group is unregistered (`drop`), and is ours: no
        // completion names it, and no guard is left. There are no more buffers than entries.
        unsafe { ring.add(self.buffer(id).as_ptr(), self.buffer_bytes, id) };
        ring.advance();
    }

    /// Takes note of what a completion has put into a buffer, if it names one: from which byte of
    /// it on, or [`NOWHERE`]. It is to be [lent](Self::lend) from here on.
    ///
    /// The kernel says which buffer, and how much: where that lies follows from what came before,
    /// of whichever operation.
    ///
    /// # Safety
    /// - It is a completion of an operation on this group, and given to this once, in the order in
    ///   which the kernel told those of all operations.
    #[inline]
    pub(super) unsafe fn note(&self, bytes: u32, flags: CqeFlags) -> u32 {
        let Some(id) = buffer_id(flags) else { return NOWHERE };
        if bytes == 0 && self.is_piecewise {
            // It was named, and not taken out.
            return NOWHERE;
        }
        let Some(place) = self.states.get(usize::from(id)) else { return NOWHERE };
        let State { used_bytes, guards, .. } = place.get();
        let end = used_bytes.checked_add(bytes).filter(|end| *end <= self.buffer_bytes);
        let Some(end) = end else { return NOWHERE };
        let is_lent = !flags.contains(CqeFlags::BUF_MORE);
        place.set(State { used_bytes: end, guards: guards + 1, is_lent });
        self.free.set(self.free.get() - u16::from(is_lent));
        used_bytes
    }

    /// Lends what a completion has put into a buffer, if it names one.
    ///
    /// # Safety
    /// - As [`note`](Self::note), which said `at` of it, but in any order.
    #[inline(always)]
    pub(super) unsafe fn lend(
        self: &Rc<Self>,
        at: u32,
        bytes: u32,
        flags: CqeFlags,
    ) -> Option<PoolBuf> {
        let id = buffer_id(flags).filter(|_| at != NOWHERE)?;
        // SAFETY: the kernel has written inside of the buffer, from there on (the caller).
        let start = unsafe { self.buffer(id).add(at as usize) };
        Some(PoolBuf { start, bytes, id, pool: Rc::clone(self) })
    }

    /// Lends what a completion has put into a buffer: nothing at the end. Bytes of which the kernel
    /// does not say where they lie are lost: that is an error, and no end.
    ///
    /// # Safety
    /// - As [`lend`](Self::lend).
    #[inline(always)]
    pub(super) unsafe fn taken(
        self: &Rc<Self>,
        at: u32,
        shot: Completion,
    ) -> Result<Option<PoolBuf>, crate::error::Error> {
        // SAFETY: the caller's promise. Also of one that has failed: its buffer is put back.
        let lent = unsafe { self.lend(at, shot.result.unwrap_or(0), shot.flags) };
        let count = shot.outcome()?;
        if lent.is_none() && count > 0 { Err(Errno::EIO.into()) } else { Ok(lent) }
    }

    /// Takes a [`PoolBuf`] back, and puts the buffer into the ring if it was the last of it.
    #[inline(always)]
    fn give_back(&self, id: u16) {
        let place = &self.states[usize::from(id)];
        let mut state = place.get();
        state.guards -= 1;
        if state.is_lent && state.guards == 0 {
            self.put(id);
        } else {
            place.set(state);
        }
    }

    /// Ends it, with the ring of the runtime that made it, whose operations are over.
    pub(in crate::runtime) fn close(&self, register: Register<'_, AnyKernel>) {
        let Some(ring) = self.ring.take() else { return };
        let group = self.group;
        // SAFETY: it is the ring that it was registered with (the caller's: see `RecvPool::new`).
        drop(unsafe { ring.attach(register) });
        // It is gone where the kernel knows nothing of it any more.
        self.is_closed.set(register.buf_ring_head(group).is_err());
    }
}

/// The buffer that a completion names, if it does.
#[inline(always)]
fn buffer_id(flags: CqeFlags) -> Option<u16> {
    Cqe { flags, ..Cqe::default() }.buffer_id()
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.is_closed.get() {
            // SAFETY: dropped once, here; the kernel has given the group up, and no guard is left.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
        // Else it is leaked: the kernel may write to it still.
    }
}

/// Buffers for what comes on sockets, of which the kernel picks one when something has come: a
/// thousand idle connections need not a thousand of them.
///
/// A stream that [receives from it](super::TcpStream::receive_from) has one operation for all that
/// comes; what it brings is [lent](super::TcpStream::receive), or copied to the buffer of a
/// [read](super::TcpStream::read).
///
/// Buffers are used piece by piece where the kernel can (Linux 6.12): then short messages share
/// one, which is lent again when the last of them was let go of.
///
/// It belongs to the runtime that it was made in, which keeps it until it ends.
///
/// ```
/// use annulus_runtime::runtime::net::{RecvPool, TcpStream};
/// use std::io::Write;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let mut server = listener.accept()?.0;
/// annulus_runtime::run(async move {
///     let pool = RecvPool::new()?;
///     let mut stream = TcpStream::from_std(client);
///     stream.receive_from(&pool);
///     server.write_all(b"ring")?;
///     let bytes = stream.receive().await?.expect("not the end");
///     assert_eq!(&bytes[..], b"ring");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RecvPool {
    pub(super) inner: Rc<Inner>,
}

impl RecvPool {
    /// A pool of 2 MiB, on the ring of the runtime that this thread is inside of.
    ///
    /// # Errors
    /// `EINVAL`: the kernel has no groups of buffers (before Linux 5.19). `ENOMEM`: no memory, or
    /// over `RLIMIT_MEMLOCK`. `ENOSPC`: there are 65,536 already.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn new() -> io::Result<Self> {
        Self::make(None, true)
    }

    /// One of `count` buffers of `buffer_bytes` each.
    ///
    /// # Errors
    /// As [`new`](Self::new); `EINVAL` too for no buffer, more than 32,768, or such of no byte.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::RecvPool;
    /// let pool = annulus_runtime::run(async { RecvPool::with_buffers(16, 2048) })??;
    /// assert_eq!((pool.buffers_count(), pool.buffer_bytes()), (16, 2048));
    /// assert!(annulus_runtime::run(async { RecvPool::with_buffers(0, 2048) })?.is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn with_buffers(count: u16, buffer_bytes: u32) -> io::Result<Self> {
        if count == 0 || count > 32_768 || buffer_bytes == 0 {
            return Err(io::Error::from_raw_os_error(Errno::EINVAL.raw()));
        }
        Self::make(Some((count, buffer_bytes)), true)
    }

    /// One for [datagrams](super::UdpSocket::receive_from), `count` of up to `datagram_bytes` bytes
    /// each: a buffer is for one of them, whatever the kernel could do. Those that may come [put
    /// together](super::UdpSocket::set_gro) want 65,535.
    ///
    /// # Errors
    /// As [`with_buffers`](Self::with_buffers).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::RecvPool;
    /// let pool = annulus_runtime::run(async { RecvPool::of_datagrams(16, 1500) })??;
    /// assert_eq!(pool.buffers_count(), 16);
    /// assert!(pool.buffer_bytes() > 1500); // an address, and more, lies in front
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn of_datagrams(count: u16, datagram_bytes: u32) -> io::Result<Self> {
        let bytes = datagram_bytes.checked_add(AHEAD_BYTES as u32);
        let bytes = bytes.and_then(|bytes| bytes.checked_next_multiple_of(8));
        let (Some(bytes), 1..=32_768) = (bytes, count) else {
            return Err(io::Error::from_raw_os_error(Errno::EINVAL.raw()));
        };
        Self::make(Some((count, bytes)), false)
    }

    #[track_caller]
    fn make(shape: Option<(u16, u32)>, may_be_piecewise: bool) -> io::Result<Self> {
        context::with(|core| Self::made(core, shape, may_be_piecewise))
    }

    /// One of this runtime.
    pub(in crate::runtime) fn on(core: &Core, shape: Option<(u16, u32)>) -> io::Result<Self> {
        Self::made(core, shape, true)
    }

    fn made(core: &Core, shape: Option<(u16, u32)>, may_be_piecewise: bool) -> io::Result<Self> {
        let make = |register: Register<'_, AnyKernel>, group| {
            Inner::new(register, group, shape, may_be_piecewise)
        };
        let inner = core.add_pool(make)?;
        Ok(Self { inner })
    }

    /// How many buffers there are.
    pub fn buffers_count(&self) -> usize {
        self.inner.states.len()
    }

    /// How long each is.
    pub fn buffer_bytes(&self) -> u32 {
        self.inner.buffer_bytes
    }

    /// How many buffers the kernel may pick from: those that nobody has a part of.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::RecvPool;
    /// let free = annulus_runtime::run(async {
    ///     std::io::Result::Ok(RecvPool::with_buffers(16, 2048)?.free_count())
    /// })??;
    /// assert_eq!(free, 16);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn free_count(&self) -> usize {
        usize::from(self.inner.free.get())
    }
}

impl fmt::Debug for RecvPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvPool")
            .field("buffers_count", &self.buffers_count())
            .field("buffer_bytes", &self.buffer_bytes())
            .field("free_count", &self.free_count())
            .finish_non_exhaustive()
    }
}

/// Bytes that came, in a buffer of a [`RecvPool`], which has it back when this is dropped.
pub struct PoolBuf {
    start: NonNull<u8>,
    bytes: u32,
    id: u16,
    pool: Rc<Inner>,
}

impl Deref for PoolBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the kernel has written them, and writes behind them alone; the buffer is not put
        // back before this is dropped, and its memory lives as long as the pool.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.bytes as usize) }
    }
}

impl AsRef<[u8]> for PoolBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for PoolBuf {
    #[inline(always)]
    fn drop(&mut self) {
        self.pool.give_back(self.id);
    }
}

impl fmt::Debug for PoolBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuf").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use annulus_emulate::KernelChoice;

    #[test]
    fn bytes_that_lie_nowhere_are_an_error_and_no_end() {
        // In user space a ring of buffers is no locked memory.
        let builder = crate::Runtime::builder().kernel(KernelChoice::Host);
        let runtime = builder.build().expect("a runtime");
        runtime.block_on(async {
            let pool = RecvPool::with_buffers(2, 64).expect("a pool");
            let taken = |result| {
                // SAFETY: it names no buffer.
                unsafe { pool.inner.taken(NOWHERE, Completion::new(result)) }
            };
            assert!(taken(Ok(0)).expect("the end").is_none());
            assert_eq!(taken(Ok(5)).err().and_then(|error| error.errno()), Some(Errno::EIO));
            assert_eq!(
                taken(Err(Errno::ENOBUFS)).err().map(|e| e.errno()),
                Some(Some(Errno::ENOBUFS))
            );
        });
    }
}

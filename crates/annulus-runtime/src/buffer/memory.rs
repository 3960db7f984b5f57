//! [`BackingMemory`]: memory that others may change at any time, such as a guest's, and
//! [`SharedMemory`], the simplest one.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::aligned::{AlignedBuf, AllocError};
use super::iovecs::{Filling, Iovecs};
use super::regions::{InvalidRegion, MemRegion, MemRegions};

/// Memory that many use at once: the kernel for an operation, other threads, a guest's processors.
///
/// An operation names parts of it by [`MemRegion`] and keeps an `Arc` of it until its completion.
/// What the regions hold then is whatever the last writer left: that is why this is raw memory, and
/// never a `&[u8]`, whose content must not change while it exists. See
/// [the module's page](super).
///
/// # Safety
/// Whoever implements it promises:
/// - what [`pieces`](Self::pieces) gives is valid for reads and writes of raw bytes until `self` is
///   dropped, also while `self` is moved;
/// - no reference to those bytes exists meanwhile: whoever uses them does so by raw pointers,
///   atomically or as volatile, and is prepared for any value;
/// - the pieces are the region's bytes, in order: together exactly as long as it.
pub unsafe trait BackingMemory: Send + Sync {
    /// Checks `region`, and gives its bytes to `piece`: one call for each part that is contiguous
    /// in this process, in order.
    ///
    /// # Errors
    /// - [`InvalidRegion`]: a byte of it is outside. What was given before is of no use.
    ///
    /// ```
    /// use annulus_runtime::buffer::{BackingMemory, MemRegion, SharedMemory};
    /// let memory = SharedMemory::new(4096);
    /// let mut bytes = 0;
    /// memory.pieces(MemRegion { offset: 512, len: 16 }, &mut |_start, len| bytes += len)?;
    /// assert_eq!(bytes, 16);
    /// # Ok::<(), annulus_runtime::buffer::InvalidRegion>(())
    /// ```
    fn pieces(
        &self,
        region: MemRegion,
        piece: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<(), InvalidRegion>;
}

// SAFETY: the promise of what it points to, which stays until the last `Arc` is dropped.
unsafe impl<M: BackingMemory + ?Sized> BackingMemory for Arc<M> {
    fn pieces(
        &self,
        region: MemRegion,
        piece: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<(), InvalidRegion> {
        (**self).pieces(region, piece)
    }
}

/// The iovecs of `regions` in `memory`, all of them checked first: what an operation hands to the
/// kernel. The memory must stay until the operation's completion; its owner keeps an `Arc`.
///
/// Where the kernel's limits end the list early ([`Iovecs`]), what is behind them is checked too.
///
/// # Errors
/// - [`InvalidRegion`]: one of them is not within the memory.
///
/// ```
/// use annulus_runtime::buffer::{MemRegion, MemRegions, SharedMemory, regions_to_iovecs};
/// let memory = SharedMemory::new(4096);
/// let list = [MemRegion { offset: 0, len: 16 }, MemRegion { offset: 512, len: 512 }];
/// assert_eq!(regions_to_iovecs(&memory, &list)?.bytes(), 528);
/// // The operation was short, after 20 bytes: the next one begins behind them.
/// let rest = regions_to_iovecs(&memory, MemRegions::new(&list).skip_bytes(20))?;
/// assert_eq!((rest.count(), rest.bytes()), (1, 508));
/// assert!(regions_to_iovecs(&memory, &[MemRegion { offset: 4096, len: 1 }]).is_err());
/// # Ok::<(), annulus_runtime::buffer::InvalidRegion>(())
/// ```
pub fn regions_to_iovecs<'a>(
    memory: &dyn BackingMemory,
    regions: impl Into<MemRegions<'a>>,
) -> Result<Iovecs, InvalidRegion> {
    let mut filling = Filling::new(0);
    for region in regions.into() {
        memory.pieces(region, &mut |start, bytes| {
            // Once an operation's limits are reached nothing more is added: no byte is left out
            // between two.
            filling.push(start.as_ptr(), bytes);
        })?;
    }
    Ok(filling.into_iovecs())
}

/// Bytes that several threads and the kernel share: page-aligned, so good for direct I/O too.
///
/// Programs reach them by copy, byte for byte and atomically (under a nanosecond each, and no two
/// of them together): for headers, queues and tests. A guest's memory has types of its own
/// (feature `vm-memory`).
///
/// ```
/// use annulus_runtime::buffer::SharedMemory;
/// let memory = std::sync::Arc::new(SharedMemory::new(4096));
/// memory.write(512, b"ring")?;
/// let mut copy = [0; 4];
/// memory.read(512, &mut copy)?;
/// assert_eq!(&copy, b"ring");
/// # Ok::<(), annulus_runtime::buffer::InvalidRegion>(())
/// ```
#[doc(alias = "VecIoWrapper")]
pub struct SharedMemory {
    /// Never dereferenced: its bytes are used as atomics, and by the kernel.
    memory: AlignedBuf,
}

impl SharedMemory {
    /// `bytes` zeros.
    ///
    /// # Panics
    /// Where there is no memory, as a `Vec` does: [`try_new`](Self::try_new) gives an error.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::buffer::SharedMemory::new(4096).len(), 4096);
    /// ```
    pub fn new(bytes: usize) -> Self {
        Self { memory: AlignedBuf::zeroed(bytes) }
    }

    /// As [`new`](Self::new), with an error where there is no memory.
    ///
    /// # Errors
    /// - [`AllocError`]: there is not so much memory.
    ///
    /// ```
    /// assert!(annulus_runtime::buffer::SharedMemory::try_new(usize::MAX).is_err());
    /// ```
    pub fn try_new(bytes: usize) -> Result<Self, AllocError> {
        Ok(Self { memory: AlignedBuf::try_zeroed(bytes, AlignedBuf::ALIGNMENT)? })
    }

    /// How many bytes it has.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::buffer::SharedMemory::from(&b"ring"[..]).len(), 4);
    /// ```
    pub fn len(&self) -> usize {
        self.memory.capacity()
    }

    /// Whether it has no byte.
    ///
    /// ```
    /// assert!(annulus_runtime::buffer::SharedMemory::new(0).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies what is at `offset` to `to`. Each byte is some byte that was written there; two of
    /// them need not be of one writer.
    ///
    /// # Errors
    /// - [`InvalidRegion`]: so many bytes are not there. Nothing was copied.
    ///
    /// ```
    /// let memory = annulus_runtime::buffer::SharedMemory::from(&b"shared ring"[..]);
    /// let mut copy = [0; 4];
    /// memory.read(7, &mut copy)?;
    /// assert_eq!(&copy, b"ring");
    /// # Ok::<(), annulus_runtime::buffer::InvalidRegion>(())
    /// ```
    pub fn read(&self, offset: u64, to: &mut [u8]) -> Result<(), InvalidRegion> {
        let from = self.atomics(MemRegion { offset, len: to.len() })?;
        for (to, from) in to.iter_mut().zip(from) {
            // Pairs with nothing: what orders the bytes is the completion, or the users' own.
            *to = from.load(Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies `from` to `offset`.
    ///
    /// # Errors
    /// - [`InvalidRegion`]: there is no room for so many bytes. Nothing was copied.
    ///
    /// ```
    /// let memory = annulus_runtime::buffer::SharedMemory::new(4);
    /// assert!(memory.write(0, b"ring").is_ok());
    /// assert!(memory.write(1, b"ring").is_err());
    /// ```
    pub fn write(&self, offset: u64, from: &[u8]) -> Result<(), InvalidRegion> {
        let to = self.atomics(MemRegion { offset, len: from.len() })?;
        for (to, from) in to.iter().zip(from) {
            // Pairs with nothing, as in `read`.
            to.store(*from, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Where a region begins, if it is within.
    fn start(&self, region: MemRegion) -> Result<NonNull<u8>, InvalidRegion> {
        let invalid = InvalidRegion::new(region);
        let within = region.end().is_some_and(|end| end <= self.len() as u64);
        let start = self.memory.as_ptr().cast_mut().wrapping_add(region.offset as usize);
        NonNull::new(start).filter(|_| within).ok_or(invalid)
    }

    fn atomics(&self, region: MemRegion) -> Result<&[AtomicU8], InvalidRegion> {
        let start = self.start(region)?;
        // SAFETY: the bytes are within the memory, initialised, and stay as long as `self`. All
        // that use them here do so as atomics; the kernel copies to and from them byte-wise.
        Ok(unsafe { std::slice::from_raw_parts(start.as_ptr().cast(), region.len) })
    }
}

/// A copy of the bytes.
impl From<&[u8]> for SharedMemory {
    fn from(bytes: &[u8]) -> Self {
        Self { memory: bytes.into() }
    }
}

/// A copy of the bytes, which come to an aligned address.
impl From<Vec<u8>> for SharedMemory {
    fn from(bytes: Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

/// A copy. Whoever owns the memory, and not only an `Arc`, has no operation on it.
impl From<SharedMemory> for Vec<u8> {
    fn from(memory: SharedMemory) -> Self {
        memory.memory.into()
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory").field("len", &self.len()).finish_non_exhaustive()
    }
}

// SAFETY: the bytes are on the heap, where they stay until this value is dropped; in here they are
// used as atomics alone, and each region is one piece.
unsafe impl BackingMemory for SharedMemory {
    fn pieces(
        &self,
        region: MemRegion,
        piece: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<(), InvalidRegion> {
        piece(self.start(region)?, region.len);
        Ok(())
    }
}

//! [`AlignedBuf`]: heap memory at an address that direct I/O accepts.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::{fmt, io};

use super::{IoBuf, IoBufMut};

/// Bytes at an aligned address: what a file opened with `O_DIRECT` wants its reads and writes to
/// come from.
///
/// Like a `Vec<u8>` it has a capacity, and a length of initialised bytes at its front. Unlike one
/// it never grows: another address may be what the kernel does not accept, and a copy what direct
/// I/O is there to avoid. Direct I/O also wants the offset and the *length* aligned: take a
/// capacity that is a multiple of [`ALIGNMENT`](Self::ALIGNMENT), or `slice` to one. `statx(2)`
/// with `STATX_DIOALIGN` says what a file really needs.
///
/// ```
/// use annulus_runtime::buffer::{AlignedBuf, IoBufMut};
/// let mut page = AlignedBuf::new(4096);
/// assert_eq!((page.len(), page.bytes_total()), (0, 4096));
/// assert_eq!(page.as_ptr().addr() % AlignedBuf::ALIGNMENT, 0);
/// page.extend_from_slice(b"ring");
/// assert_eq!(page[..], *b"ring");
/// ```
pub struct AlignedBuf {
    start: NonNull<u8>,
    /// So many bytes are initialised.
    len: usize,
    capacity: usize,
    alignment: usize,
}

// SAFETY: it owns its bytes alone, and bytes belong to no thread.
unsafe impl Send for AlignedBuf {}
// SAFETY: a shared reference gives the bytes for reads only.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// The alignment of [`new`](Self::new) and [`zeroed`](Self::zeroed), in bytes: a page of
    /// x86-64, and as much as nearly every block device asks for.
    pub const ALIGNMENT: usize = 4096;

    /// Room for `bytes`, none of them initialised: for reads. Aligned to
    /// [`ALIGNMENT`](Self::ALIGNMENT).
    ///
    /// # Panics
    /// Where there is no memory, as a `Vec` does: [`try_new`](Self::try_new) gives an error.
    ///
    /// ```
    /// let buf = annulus_runtime::buffer::AlignedBuf::new(8192);
    /// assert_eq!((buf.len(), buf.capacity()), (0, 8192));
    /// ```
    pub fn new(bytes: usize) -> Self {
        Self::with_alignment(bytes, Self::ALIGNMENT)
    }

    /// `bytes` zeros, aligned to [`ALIGNMENT`](Self::ALIGNMENT).
    ///
    /// # Panics
    /// As [`new`](Self::new).
    ///
    /// ```
    /// let buf = annulus_runtime::buffer::AlignedBuf::zeroed(4096);
    /// assert!(buf.len() == 4096 && buf.iter().all(|b| *b == 0));
    /// ```
    pub fn zeroed(bytes: usize) -> Self {
        Self::try_zeroed(bytes, Self::ALIGNMENT).unwrap_or_else(AllocError::abort)
    }

    /// Room for `bytes` at a multiple of `alignment`, which is a power of two.
    ///
    /// # Panics
    /// As [`new`](Self::new), and where `alignment` is not a power of two.
    ///
    /// ```
    /// let buf = annulus_runtime::buffer::AlignedBuf::with_alignment(100, 512);
    /// assert_eq!((buf.capacity(), buf.alignment()), (100, 512));
    /// ```
    pub fn with_alignment(bytes: usize, alignment: usize) -> Self {
        Self::try_new(bytes, alignment).unwrap_or_else(AllocError::abort)
    }

    /// As [`with_alignment`](Self::with_alignment), with an error where there is no memory.
    ///
    /// # Errors
    /// - [`AllocError`]: no such amount of memory, or `alignment` is not a power of two.
    ///
    /// ```
    /// use annulus_runtime::buffer::AlignedBuf;
    /// assert!(AlignedBuf::try_new(4096, 4096).is_ok());
    /// assert!(AlignedBuf::try_new(usize::MAX, 4096).is_err());
    /// ```
    pub fn try_new(bytes: usize, alignment: usize) -> Result<Self, AllocError> {
        // SAFETY: called with a layout of at least a byte.
        Self::allocate(bytes, alignment, 0, |layout| unsafe { alloc(layout) })
    }

    /// As [`zeroed`](Self::zeroed) at a multiple of `alignment`, with an error where there is no
    /// memory.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    ///
    /// ```
    /// use annulus_runtime::buffer::AlignedBuf;
    /// assert_eq!(AlignedBuf::try_zeroed(512, 512)?[..], [0; 512]);
    /// # Ok::<(), annulus_runtime::buffer::AllocError>(())
    /// ```
    pub fn try_zeroed(bytes: usize, alignment: usize) -> Result<Self, AllocError> {
        // SAFETY: called with a layout of at least a byte.
        Self::allocate(bytes, alignment, bytes, |layout| unsafe { alloc_zeroed(layout) })
    }

    /// `allocate` is called with a layout of at least a byte, and initialises the first `len`.
    fn allocate(
        capacity: usize,
        alignment: usize,
        len: usize,
        allocate: impl FnOnce(Layout) -> *mut u8,
    ) -> Result<Self, AllocError> {
        let error = AllocError { bytes: capacity, alignment };
        let layout = Layout::from_size_align(capacity, alignment).map_err(|_| error)?;
        let start = if capacity == 0 {
            layout.dangling_ptr()
        } else {
            NonNull::new(allocate(layout)).ok_or(error)?
        };
        Ok(Self { start, len, capacity, alignment })
    }

    /// How many bytes it has room for.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::buffer::AlignedBuf::new(4096).capacity(), 4096);
    /// ```
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What its address is a multiple of, in bytes.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::buffer::AlignedBuf::new(64).alignment(), 4096);
    /// ```
    pub fn alignment(&self) -> usize {
        self.alignment
    }

    /// Where it begins.
    ///
    /// ```
    /// let buf = annulus_runtime::buffer::AlignedBuf::new(64);
    /// assert_eq!(buf.as_ptr().addr() % 4096, 0);
    /// ```
    pub fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// Where it begins, for writes up to its capacity.
    ///
    /// ```
    /// let mut buf = annulus_runtime::buffer::AlignedBuf::new(64);
    /// assert_eq!(buf.as_mut_ptr().cast_const(), buf.as_ptr());
    /// ```
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Says that the first `len` bytes are the initialised ones.
    ///
    /// # Safety
    /// - They are initialised, and `len` is at most the [capacity](Self::capacity).
    ///
    /// ```
    /// let mut buf = annulus_runtime::buffer::AlignedBuf::new(64);
    /// // SAFETY: the byte is inside.
    /// unsafe { buf.as_mut_ptr().write(7) };
    /// // SAFETY: it was written.
    /// unsafe { buf.set_len(1) };
    /// assert_eq!(buf[..], [7]);
    /// ```
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity, "{len} bytes in {}", self.capacity);
        self.len = len;
    }

    /// Forgets what is behind the first `len` bytes; the room stays.
    ///
    /// ```
    /// let mut buf = annulus_runtime::buffer::AlignedBuf::from(&b"ring"[..]);
    /// buf.truncate(1);
    /// assert_eq!((&buf[..], buf.capacity()), (&b"r"[..], 4));
    /// ```
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Forgets what is in it; the room stays.
    ///
    /// ```
    /// let mut buf = annulus_runtime::buffer::AlignedBuf::zeroed(64);
    /// buf.clear();
    /// assert_eq!((buf.len(), buf.capacity()), (0, 64));
    /// ```
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Makes it `len` bytes long: shorter, or filled up with `value`.
    ///
    /// # Panics
    /// Where `len` is over the [capacity](Self::capacity).
    ///
    /// ```
    /// let mut buf = annulus_runtime::buffer::AlignedBuf::new(64);
    /// buf.resize(2, 7);
    /// assert_eq!(buf[..], [7, 7]);
    /// ```
    pub fn resize(&mut self, len: usize, value: u8) {
        assert!(len <= self.capacity, "{len} bytes do not fit in {}", self.capacity);
        if let Some(more) = len.checked_sub(self.len) {
            let tail = self.start.as_ptr().wrapping_add(self.len);
            // SAFETY: the bytes from the length up to `len` are within the capacity, as checked.
            unsafe { tail.write_bytes(value, more) };
        }
        self.len = len;
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    /// Where they do not fit: it never grows.
    ///
    /// ```
    /// let mut buf = annulus_runtime::buffer::AlignedBuf::new(4);
    /// buf.extend_from_slice(b"ring");
    /// assert_eq!(buf[..], *b"ring");
    /// ```
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let room = self.capacity - self.len;
        assert!(bytes.len() <= room, "{} bytes do not fit in the {room} left", bytes.len());
        let tail = self.start.as_ptr().wrapping_add(self.len);
        // SAFETY: so many bytes behind the length are within the capacity, as checked; nothing
        // borrows them, since `self` is borrowed mutably.
        unsafe { tail.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.len += bytes.len();
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        // SAFETY: `allocate` made a layout of the same two numbers.
        let layout = unsafe { Layout::from_size_align_unchecked(self.capacity, self.alignment) };
        // SAFETY: the memory came from this allocator with this layout, and this is its last use.
        unsafe { dealloc(self.start.as_ptr(), layout) };
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are initialised, and writing needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes are initialised, and `self` is borrowed mutably as long as they.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for AlignedBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// A copy of the bytes, at an aligned address.
impl From<&[u8]> for AlignedBuf {
    fn from(bytes: &[u8]) -> Self {
        let mut buf = Self::new(bytes.len());
        buf.extend_from_slice(bytes);
        buf
    }
}

/// A copy: a vector cannot own memory of this alignment.
impl From<AlignedBuf> for Vec<u8> {
    fn from(buf: AlignedBuf) -> Self {
        buf.to_vec()
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf")
            .field("len", &self.len)
            .field("capacity", &self.capacity)
            .field("alignment", &self.alignment)
            .finish_non_exhaustive()
    }
}

// SAFETY: the bytes are on the heap, owned by this value alone, and stay there when it is moved.
unsafe impl IoBuf for AlignedBuf {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len
    }

    fn slice_max(&self) -> usize {
        self.capacity
    }
}

// SAFETY: as above, with all of its capacity.
unsafe impl IoBufMut for AlignedBuf {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.capacity
    }

    unsafe fn set_init(&mut self, count: usize) {
        debug_assert!(count <= self.capacity);
        self.len = self.len.max(count);
    }
}

/// There is no memory of the size and alignment that were asked for.
///
/// ```
/// use annulus_runtime::buffer::AlignedBuf;
/// let error = AlignedBuf::try_new(4096, 3).unwrap_err();
/// assert!(error.to_string().contains("power of two"));
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError {
    bytes: usize,
    alignment: usize,
}

impl AllocError {
    #[cold]
    fn abort<T>(self) -> T {
        match Layout::from_size_align(self.bytes, self.alignment) {
            Ok(layout) => handle_alloc_error(layout),
            Err(_) => panic!("{self}"),
        }
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, alignment } = self;
        if alignment.is_power_of_two() {
            write!(f, "no memory for {bytes} bytes aligned to {alignment}")
        } else {
            write!(f, "an alignment of {alignment} bytes is not a power of two")
        }
    }
}

impl std::error::Error for AllocError {}

impl From<AllocError> for io::Error {
    fn from(error: AllocError) -> Self {
        let kind = match error.alignment.is_power_of_two() {
            true => io::ErrorKind::OutOfMemory,
            false => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

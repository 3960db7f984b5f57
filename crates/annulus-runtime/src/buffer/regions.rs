//! [`MemRegion`] and [`MemRegions`]: parts of a memory by offset, and lists of them by byte.

use std::{fmt, io};

/// A part of a memory: like an iovec, but from the memory's own beginning.
///
/// ```
/// let header = annulus_runtime::buffer::MemRegion { offset: 0x1000, len: 16 };
/// assert_eq!(header.end(), Some(0x1010));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemRegion {
    /// Where it begins, in bytes: also above 4 GiB on a machine of 32 bits.
    pub offset: u64,
    /// How many bytes it is long.
    pub len: usize,
}

impl MemRegion {
    /// Where it ends; none if that is over what an offset can say.
    ///
    /// ```
    /// use annulus_runtime::buffer::MemRegion;
    /// assert_eq!(MemRegion { offset: u64::MAX, len: 1 }.end(), None);
    /// ```
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(u64::try_from(self.len).ok()?)
    }
}

/// A list of regions, cut to the bytes that matter: an iterator that allocates nothing.
///
/// Empty regions are left out. The order of calls counts: bytes skipped after
/// [`take_bytes`](Self::take_bytes) are among those taken.
///
/// ```
/// use annulus_runtime::buffer::{MemRegion, MemRegions};
/// let list = [MemRegion { offset: 0, len: 4 }, MemRegion { offset: 8, len: 2 }];
/// let mut cut = MemRegions::new(&list).skip_bytes(3).take_bytes(2);
/// assert_eq!(cut.next(), Some(MemRegion { offset: 3, len: 1 }));
/// assert_eq!(cut.next(), Some(MemRegion { offset: 8, len: 1 }));
/// assert_eq!(cut.next(), None);
/// ```
#[doc(alias = "MemRegionIter")]
#[derive(Clone, Debug)]
pub struct MemRegions<'a> {
    regions: &'a [MemRegion],
    skip: usize,
    /// How many bytes are still to come at most, if there is a limit: those to be skipped are not
    /// among them.
    left: Option<usize>,
}

impl<'a> MemRegions<'a> {
    /// All bytes of `regions`.
    ///
    /// ```
    /// use annulus_runtime::buffer::{MemRegion, MemRegions};
    /// let list = [MemRegion { offset: 0, len: 4 }];
    /// assert_eq!(MemRegions::new(&list).collect::<Vec<_>>(), list);
    /// ```
    pub fn new(regions: &'a [MemRegion]) -> Self {
        Self { regions, skip: 0, left: None }
    }

    /// Without the first `count` bytes; without any where there are no more.
    ///
    /// ```
    /// use annulus_runtime::buffer::{MemRegion, MemRegions};
    /// let list = [MemRegion { offset: 0, len: 4 }];
    /// assert_eq!(MemRegions::new(&list).skip_bytes(1).next().unwrap().offset, 1);
    /// assert_eq!(MemRegions::new(&list).skip_bytes(5).next(), None);
    /// ```
    pub fn skip_bytes(self, count: usize) -> Self {
        let skip = self.skip.saturating_add(count);
        let left = self.left.map(|left| left.saturating_sub(count));
        Self { skip, left, ..self }
    }

    /// At most `count` bytes, of which those that were [skipped](Self::skip_bytes) before are none.
    ///
    /// ```
    /// use annulus_runtime::buffer::{MemRegion, MemRegions};
    /// let list = [MemRegion { offset: 0, len: 4 }];
    /// assert_eq!(MemRegions::new(&list).take_bytes(1).next().unwrap().len, 1);
    /// ```
    pub fn take_bytes(self, count: usize) -> Self {
        Self { left: Some(self.left.map_or(count, |left| left.min(count))), ..self }
    }
}

impl Iterator for MemRegions<'_> {
    type Item = MemRegion;

    fn next(&mut self) -> Option<MemRegion> {
        while let [first, rest @ ..] = self.regions {
            if self.left == Some(0) {
                break;
            }
            self.regions = rest;
            let skipped = self.skip.min(first.len);
            self.skip -= skipped;
            let len = (first.len - skipped).min(self.left.unwrap_or(usize::MAX));
            if len == 0 {
                continue;
            }
            self.left = self.left.map(|left| left - len);
            // Saturating: where it would wrap, the region is outside of every memory, and must not
            // come to lie inside of one by that.
            return Some(MemRegion { offset: first.offset.saturating_add(skipped as u64), len });
        }
        None
    }
}

impl std::iter::FusedIterator for MemRegions<'_> {}

impl<'a, T: AsRef<[MemRegion]> + ?Sized> From<&'a T> for MemRegions<'a> {
    fn from(regions: &'a T) -> Self {
        Self::new(regions.as_ref())
    }
}

/// A region is not within the memory: nothing was submitted.
///
/// ```
/// use annulus_runtime::buffer::{BackingMemory, InvalidRegion, MemRegion, SharedMemory};
/// let memory = SharedMemory::new(64);
/// let error = memory.read(60, &mut [0; 8]).unwrap_err();
/// assert_eq!(error.region(), MemRegion { offset: 60, len: 8 });
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRegion(MemRegion);

impl InvalidRegion {
    /// That this is the region: for those who implement [`BackingMemory`](super::BackingMemory).
    ///
    /// ```
    /// use annulus_runtime::buffer::{InvalidRegion, MemRegion};
    /// let error = InvalidRegion::new(MemRegion { offset: 8, len: 2 });
    /// assert!(error.to_string().contains("2 bytes at 0x8"));
    /// ```
    pub fn new(region: MemRegion) -> Self {
        Self(region)
    }

    /// Which one it was.
    ///
    /// ```
    /// use annulus_runtime::buffer::{InvalidRegion, MemRegion};
    /// let region = MemRegion { offset: 8, len: 2 };
    /// assert_eq!(InvalidRegion::new(region).region(), region);
    /// ```
    pub fn region(&self) -> MemRegion {
        self.0
    }
}

impl fmt::Display for InvalidRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemRegion { offset, len } = self.0;
        write!(f, "the region of {len} bytes at {offset:#x} is not within the memory")
    }
}

impl std::error::Error for InvalidRegion {}

impl From<InvalidRegion> for io::Error {
    fn from(error: InvalidRegion) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

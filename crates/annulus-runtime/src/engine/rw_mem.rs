//! Reading and writing regions of a memory that others use meanwhile, such as a guest's.

use std::sync::Arc;

use annulus_ring::abi::{RwFlags, Sqe};
use annulus_ring::op;

use super::file::{OpenFile, Way};
use super::transfer::{Load, Progress, complete_otherwise, rw_operations};
use super::{File, Op};
use crate::buffer::{
    BackingMemory, BufResult, InvalidRegion, Iovecs, MemRegion, MemRegions, regions_to_iovecs,
};
use crate::operation::{Advance, Completion, Operation};

/// The regions of one operation, as what the kernel takes.
#[derive(Debug)]
struct Pieces<M> {
    memory: M,
    /// How many bytes there are, of which the operation may take a part.
    total: usize,
    /// What is left, or the next part of it.
    iovecs: Iovecs,
    /// How many bytes are behind: before what `iovecs` begins with.
    behind: usize,
    /// All regions, where one operation does not take them all and they are all to be done.
    all: Option<Box<[MemRegion]>>,
}

impl<M: BackingMemory> Pieces<M> {
    /// Checks all of `regions`.
    fn new(memory: M, regions: MemRegions<'_>, exact: bool) -> Result<Self, InvalidRegion> {
        let iovecs = regions_to_iovecs(&memory, regions.clone())?;
        let sum = regions.clone().map(|region| region.len).fold(0, usize::saturating_add);
        let more = exact && iovecs.bytes() < sum;
        let total = if more { sum } else { iovecs.bytes() };
        let all = more.then(|| regions.collect());
        Ok(Self { memory, total, iovecs, behind: 0, all })
    }

    /// What comes after the first `done` bytes.
    fn after(&mut self, done: usize) -> &Iovecs {
        let mut skip = done - self.behind;
        self.behind = done;
        if skip > 0 {
            let mut left = Iovecs::new();
            for piece in self.iovecs.as_slice() {
                let skipped = skip.min(piece.iov_len);
                skip -= skipped;
                left.push(
                    piece.iov_base.cast::<u8>().wrapping_add(skipped),
                    piece.iov_len - skipped,
                );
            }
            self.iovecs = left;
        }
        if self.iovecs.count() == 0
            && let Some(all) = &self.all
        {
            let rest = MemRegions::new(all).skip_bytes(done);
            // They were checked, and a memory does not become smaller; if one does, nothing is
            // left, and the operation comes short.
            self.iovecs = regions_to_iovecs(&self.memory, rest).unwrap_or_default();
        }
        &self.iovecs
    }
}

/// Regions to be read into or to be written.
macro_rules! regions {
    ($($(#[$doc:meta])* $Regions:ident, $way:expr, $Builder:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        struct $Regions<M>(Pieces<M>);

        // SAFETY: the entry points to the list, which lies here or on this value's heap, and the
        // list into the memory, whose owner is kept here: its bytes are valid until it is dropped,
        // and no reference to them exists (`BackingMemory`).
        unsafe impl<M: BackingMemory + 'static> Load for $Regions<M> {
            type Buf = M;
            const WAY: Way = $way;

            fn bytes(&self) -> usize {
                self.0.total
            }

            fn next(&mut self, file: &OpenFile, progress: &Progress) -> Sqe {
                let iovecs = self.0.after(progress.done());
                let next = op::$Builder::new(file.raw(), iovecs.as_ptr(), iovecs.count());
                next.offset(progress.offset()).flags(progress.flags()).build()
            }

            unsafe fn give_back(self, _: usize) -> M {
                self.0.memory
            }
        }
    )*};
}

regions! {
    /// Regions to be filled.
    Rooms, Way::Read, Readv;
    /// Regions to be written.
    Parts, Way::Write, Writev;
}

rw_operations! {
    /// Reading into regions of a memory: see [`File::read_mem_at`].
    ReadMem<M: BackingMemory, 'static> moves Rooms;
    /// Writing regions of a memory: see [`File::write_mem_at`].
    WriteMem<M: BackingMemory, 'static> moves Parts;
}

/// # Memory that others change
///
/// A guest's memory, or any that is shared: named by an owner of it (an `Arc`, as a rule), which
/// the operation keeps until the kernel has done with it and then gives back, and by
/// [regions](MemRegion) within. Up to 8 regions need no allocation; of more than
/// [1024](crate::buffer::IOVECS_MAX) the first so many are done, and the others by the next
/// operation: the exact ones see to that themselves.
impl File {
    /// Reads at `offset` into regions of a memory, in turn: how many bytes in all, and the owner.
    ///
    /// # Errors
    /// At once, before anything is submitted:
    /// - [`InvalidRegion`]: one of them is not within the memory.
    ///
    /// When it is awaited: those of [`read_at`](Self::read_at).
    ///
    /// By the page cache on this thread, else by the ring (`IORING_OP_READV`, Linux 5.1).
    ///
    /// See [preadv(2)](https://man7.org/linux/man-pages/man2/preadv.2.html).
    ///
    /// ```
    /// use annulus_runtime::{Engine, buffer::{MemRegion, SharedMemory}};
    /// use std::sync::Arc;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let guest = Arc::new(SharedMemory::new(4096));
    /// let regions = [MemRegion { offset: 0, len: 1 }, MemRegion { offset: 512, len: 7 }];
    /// let read = file.read_mem_at(Arc::clone(&guest), &regions, 0)?;
    /// assert_eq!(futures::executor::block_on(read)?.0, 8);
    /// let mut word = [0; 7];
    /// guest.read(512, &mut word)?;
    /// assert_eq!(&word, b"package");
    /// let outside = [MemRegion { offset: 4000, len: 97 }];
    /// assert!(file.read_mem_at(guest, &outside, 0).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "read_to_mem")]
    pub fn read_mem_at<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
        offset: u64,
    ) -> Result<Op<ReadMem<M>>, InvalidRegion> {
        let read = ReadMem::new(
            self.open(),
            Rooms(Pieces::new(memory, regions.into(), false)?),
            Some(offset),
        );
        Ok(self.op(read))
    }

    /// Reads what comes next into regions of a memory, in turn: see [`read`](Self::read).
    ///
    /// # Errors
    /// Those of [`read_mem_at`](Self::read_mem_at).
    ///
    /// ```
    /// use annulus_runtime::{Engine, buffer::{MemRegion, SharedMemory}};
    /// use std::io::Write;
    /// use std::sync::Arc;
    /// let engine = Engine::new()?;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"packet")?;
    /// let guest = Arc::new(SharedMemory::new(4096));
    /// let regions = [MemRegion { offset: 1024, len: 1500 }];
    /// let read = engine.file(reader).read_mem(guest, &regions)?;
    /// assert_eq!(futures::executor::block_on(read)?.0, 6);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_mem<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
    ) -> Result<Op<ReadMem<M>>, InvalidRegion> {
        Ok(self.op(ReadMem::new(
            self.open(),
            Rooms(Pieces::new(memory, regions.into(), false)?),
            None,
        )))
    }

    /// Reads at `offset` until all regions are full.
    ///
    /// # Errors
    /// Those of [`read_mem_at`](Self::read_mem_at), and
    /// [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): the file ended first.
    ///
    /// ```
    /// use annulus_runtime::{Engine, buffer::{MemRegion, SharedMemory}};
    /// use std::sync::Arc;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let guest = Arc::new(SharedMemory::new(4096));
    /// let regions = [MemRegion { offset: 0, len: 9 }];
    /// let read = file.read_mem_exact_at(guest, &regions, 1 << 40)?;
    /// let error = futures::executor::block_on(read).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_mem_exact_at<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
        offset: u64,
    ) -> Result<Op<ReadMem<M>>, InvalidRegion> {
        let read = ReadMem::new(
            self.open(),
            Rooms(Pieces::new(memory, regions.into(), true)?),
            Some(offset),
        )
        .exact();
        Ok(self.op(read))
    }

    /// Writes regions of a memory at `offset`, in turn: how many bytes in all, and the owner.
    ///
    /// What others write there meanwhile may be in the file or not.
    ///
    /// # Errors
    /// At once, before anything is submitted:
    /// - [`InvalidRegion`]: one of them is not within the memory.
    ///
    /// When it is awaited: those of [`write_at`](Self::write_at).
    ///
    /// At once on this thread where that cannot block, else by the ring (`IORING_OP_WRITEV`, Linux
    /// 5.1).
    ///
    /// See [pwritev(2)](https://man7.org/linux/man-pages/man2/pwritev.2.html).
    ///
    /// ```
    /// use annulus_runtime::{Engine, buffer::{MemRegion, SharedMemory}};
    /// use std::sync::Arc;
    /// let engine = Engine::new()?;
    /// let null = engine.file(std::fs::File::options().write(true).open("/dev/null")?);
    /// let guest = Arc::new(SharedMemory::new(4096));
    /// let regions = [MemRegion { offset: 0, len: 16 }, MemRegion { offset: 512, len: 512 }];
    /// let write = null.write_mem_at(guest, &regions, 0)?;
    /// assert_eq!(futures::executor::block_on(write)?.0, 528);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "write_from_mem")]
    pub fn write_mem_at<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
        offset: u64,
    ) -> Result<Op<WriteMem<M>>, InvalidRegion> {
        let write = WriteMem::new(
            self.open(),
            Parts(Pieces::new(memory, regions.into(), false)?),
            Some(offset),
        );
        Ok(self.op(write))
    }

    /// Writes regions of a memory to what comes next, in turn: see [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write_mem_at`](Self::write_mem_at).
    ///
    /// ```
    /// use annulus_runtime::{Engine, buffer::{MemRegion, SharedMemory}};
    /// use std::sync::Arc;
    /// let engine = Engine::new()?;
    /// let (_reader, writer) = std::io::pipe()?;
    /// let guest = Arc::new(SharedMemory::from(&b"packet"[..]));
    /// let write = engine.file(writer).write_mem(guest, &[MemRegion { offset: 2, len: 4 }])?;
    /// assert_eq!(futures::executor::block_on(write)?.0, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_mem<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
    ) -> Result<Op<WriteMem<M>>, InvalidRegion> {
        Ok(self.op(WriteMem::new(
            self.open(),
            Parts(Pieces::new(memory, regions.into(), false)?),
            None,
        )))
    }

    /// Writes all of the regions at `offset`.
    ///
    /// # Errors
    /// Those of [`write_mem_at`](Self::write_mem_at), and
    /// [`WriteZero`](std::io::ErrorKind::WriteZero): the file takes no more, and says no reason.
    ///
    /// ```
    /// use annulus_runtime::{Engine, buffer::{MemRegion, SharedMemory}};
    /// use std::sync::Arc;
    /// let engine = Engine::new()?;
    /// let null = engine.file(std::fs::File::options().write(true).open("/dev/null")?);
    /// let guest = Arc::new(SharedMemory::new(4096));
    /// let sectors = vec![MemRegion { offset: 0, len: 512 }; 2000]; // more than one takes
    /// let write = null.write_mem_all_at(guest, &sectors, 0)?;
    /// assert_eq!(futures::executor::block_on(write)?.0, 1_024_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_mem_all_at<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
        offset: u64,
    ) -> Result<Op<WriteMem<M>>, InvalidRegion> {
        let write = WriteMem::new(
            self.open(),
            Parts(Pieces::new(memory, regions.into(), true)?),
            Some(offset),
        )
        .exact();
        Ok(self.op(write))
    }
}

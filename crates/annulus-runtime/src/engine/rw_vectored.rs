//! Reading and writing several buffers in one operation.

use std::sync::Arc;

use annulus_ring::abi::{RwFlags, Sqe};
use annulus_ring::op;

use super::file::{OpenFile, Way};
use super::transfer::{Load, Progress, complete_otherwise, rw_operations};
use super::{File, Op};
use crate::buffer::{BufResult, IoVecBuf, IoVecBufMut, Iovecs};
use crate::operation::{Advance, Completion, Operation};

/// Buffers to be filled.
#[derive(Debug)]
struct Rooms<V> {
    bufs: V,
    total: usize,
    /// What is to be read into now. It lies in here, so a new one is made at each new place.
    iovecs: Iovecs,
}

impl<V: IoVecBufMut> Rooms<V> {
    fn new(mut bufs: V) -> Self {
        let room = (0..bufs.piece_count()).map(|index| bufs.piece_mut(index).1);
        let total = room.fold(0, usize::saturating_add);
        Self { bufs, total, iovecs: Iovecs::new() }
    }
}

// SAFETY: the entry points to the list, which lies here or on this value's heap, and the list into
// the buffers, which are owned here and stable (`IoVecBufMut`).
unsafe impl<V: IoVecBufMut> Load for Rooms<V> {
    type Buf = V;
    const WAY: Way = Way::Read;

    fn bytes(&self) -> usize {
        self.total
    }

    fn next(&mut self, file: &OpenFile, progress: &Progress) -> Sqe {
        self.iovecs = Iovecs::for_read(&mut self.bufs, progress.done());
        let read = op::Readv::new(file.raw(), self.iovecs.as_ptr(), self.iovecs.count());
        read.offset(progress.offset()).flags(progress.flags()).build()
    }

    unsafe fn give_back(mut self, done: usize) -> V {
        if done > 0 {
            // SAFETY: so many bytes were written, from the first on (the caller's promise).
            unsafe { self.bufs.vec_set_init(done) };
        }
        self.bufs
    }
}

/// Buffers to be written.
#[derive(Debug)]
struct Parts<V> {
    bufs: V,
    total: usize,
    /// As for reading.
    iovecs: Iovecs,
}

impl<V: IoVecBuf> Parts<V> {
    fn new(bufs: V) -> Self {
        let total = bufs.vec_bytes_init();
        Self { bufs, total, iovecs: Iovecs::new() }
    }
}

// SAFETY: the entry points to the list, which lies here or on this value's heap, and the list into
// the buffers, which are owned here and stable (`IoVecBuf`).
unsafe impl<V: IoVecBuf> Load for Parts<V> {
    type Buf = V;
    const WAY: Way = Way::Write;

    fn bytes(&self) -> usize {
        self.total
    }

    fn next(&mut self, file: &OpenFile, progress: &Progress) -> Sqe {
        self.iovecs = Iovecs::for_write(&self.bufs, progress.done());
        let write = op::Writev::new(file.raw(), self.iovecs.as_ptr(), self.iovecs.count());
        write.offset(progress.offset()).flags(progress.flags()).build()
    }

    unsafe fn give_back(self, _: usize) -> V {
        self.bufs
    }
}

rw_operations! {
    /// Reading into several buffers: see [`File::read_vectored_at`].
    ReadVectored<V: IoVecBufMut> moves Rooms;
    /// Writing several buffers: see [`File::write_vectored_at`].
    WriteVectored<V: IoVecBuf> moves Parts;
}

/// # Several buffers in one operation
///
/// Vectors, boxed slices, arrays and tuples (up to four) of buffers are [`IoVecBuf`]s. Up to 8
/// pieces need no allocation (in an array or tuple: as long as that has no more than 120 bytes, as
/// five vectors have); of more than [1024](crate::buffer::IOVECS_MAX) the first so many are
/// done, and the others by the next operation: the exact ones see to that themselves.
impl File {
    /// Reads at `offset` into several buffers in turn, as `preadv(2)`: how many bytes in all, and
    /// the buffers. One begins when the one before it is full.
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at). With `O_DIRECT` each piece is to be aligned.
    ///
    /// At once on this thread where that cannot block, else by the ring (`IORING_OP_READV`, Linux
    /// 5.1).
    ///
    /// See [preadv(2)](https://man7.org/linux/man-pages/man2/preadv.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let bufs = [vec![0; 1], vec![0; 7]];
    /// let (n, [bracket, word]) = futures::executor::block_on(file.read_vectored_at(bufs, 0))?;
    /// assert_eq!((n, &bracket[..], &word[..]), (8, &b"["[..], &b"package"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "preadv")]
    #[doc(alias = "IORING_OP_READV")]
    pub fn read_vectored_at<V: IoVecBufMut>(&self, bufs: V, offset: u64) -> Op<ReadVectored<V>> {
        self.op(ReadVectored::new(self.open(), Rooms::new(bufs), Some(offset)))
    }

    /// Reads what comes next into several buffers in turn, as `readv(2)`: see
    /// [`read`](Self::read).
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at).
    ///
    /// See [readv(2)](https://man7.org/linux/man-pages/man2/readv.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use std::io::Write;
    /// let engine = Engine::new()?;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"head, body")?;
    /// let reader = engine.file(reader);
    /// let bufs = (vec![0; 4], Vec::with_capacity(64));
    /// let (n, (head, rest)) = futures::executor::block_on(reader.read_vectored(bufs))?;
    /// assert_eq!((n, &head[..], &rest[..]), (10, &b"head"[..], &b", body"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "readv")]
    pub fn read_vectored<V: IoVecBufMut>(&self, bufs: V) -> Op<ReadVectored<V>> {
        self.op(ReadVectored::new(self.open(), Rooms::new(bufs), None))
    }

    /// Reads at `offset` until all buffers are full.
    ///
    /// # Errors
    /// Those of [`read_exact_at`](Self::read_exact_at).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let zero = engine.file(std::fs::File::open("/dev/zero")?);
    /// let pages = vec![vec![1_u8; 16]; 2000]; // more than one operation takes
    /// let (n, pages) = futures::executor::block_on(zero.read_vectored_exact_at(pages, 0))?;
    /// assert_eq!((n, &pages[1999][..]), (32_000, &[0; 16][..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_vectored_exact_at<V: IoVecBufMut>(
        &self,
        bufs: V,
        offset: u64,
    ) -> Op<ReadVectored<V>> {
        self.op(ReadVectored::new(self.open(), Rooms::new(bufs), Some(offset)).exact())
    }

    /// Writes several buffers in turn at `offset`, as `pwritev(2)`: how many bytes in all, and the
    /// buffers.
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at). With `O_DIRECT` each piece is to be aligned.
    ///
    /// At once on this thread where that cannot block, else by the ring (`IORING_OP_WRITEV`, Linux
    /// 5.1).
    ///
    /// See [pwritev(2)](https://man7.org/linux/man-pages/man2/pwritev.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let null = engine.file(std::fs::File::options().write(true).open("/dev/null")?);
    /// let message = ("head", vec![7; 60]);
    /// assert_eq!(futures::executor::block_on(null.write_vectored_at(message, 0))?.0, 64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pwritev")]
    #[doc(alias = "IORING_OP_WRITEV")]
    pub fn write_vectored_at<V: IoVecBuf>(&self, bufs: V, offset: u64) -> Op<WriteVectored<V>> {
        self.op(WriteVectored::new(self.open(), Parts::new(bufs), Some(offset)))
    }

    /// Writes several buffers in turn to what comes next, as `writev(2)`: see
    /// [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at).
    ///
    /// See [writev(2)](https://man7.org/linux/man-pages/man2/writev.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use std::io::Read;
    /// let engine = Engine::new()?;
    /// let (mut reader, writer) = std::io::pipe()?;
    /// let writer = engine.file(writer);
    /// futures::executor::block_on(writer.write_vectored(["shared ", "ring"]))?;
    /// let mut read = [0; 11];
    /// reader.read_exact(&mut read)?;
    /// assert_eq!(&read, b"shared ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "writev")]
    pub fn write_vectored<V: IoVecBuf>(&self, bufs: V) -> Op<WriteVectored<V>> {
        self.op(WriteVectored::new(self.open(), Parts::new(bufs), None))
    }

    /// Writes all of the buffers at `offset`.
    ///
    /// # Errors
    /// Those of [`write_all_at`](Self::write_all_at).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let null = engine.file(std::fs::File::options().write(true).open("/dev/null")?);
    /// let lines = vec!["line\n"; 2000]; // more than one operation takes
    /// let (n, _) = futures::executor::block_on(null.write_vectored_all_at(lines, 0))?;
    /// assert_eq!(n, 10_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "write_all_vectored")]
    pub fn write_vectored_all_at<V: IoVecBuf>(&self, bufs: V, offset: u64) -> Op<WriteVectored<V>> {
        self.op(WriteVectored::new(self.open(), Parts::new(bufs), Some(offset)).exact())
    }
}

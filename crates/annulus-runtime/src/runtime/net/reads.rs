//! [`Reads`]: what a pipe or a terminal brings, by one operation.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::rc::Rc;

use annulus_ring::Errno;

use super::ops::ReadMany;
use super::pool::RecvPool;
use super::pooled::Received;
use crate::engine::ops::Read;
use crate::error::Error;
use crate::runtime::{File, LocalOp, Shot, Shots};

/// How long a buffer is that stands in for one of a pool.
const OWN_BYTES: usize = 4096;

/// What comes from a pipe, a terminal, a device of packets: see [`File::read_many`].
pub struct Reads {
    // Before the file: what is under way is given up first.
    shots: Option<Shots<ReadMany>>,
    /// One read, into a buffer of its own, where the pool has none or is not to be had.
    single: Option<LocalOp<Read<Vec<u8>>>>,
    /// The kernel has no such operation, or not for this file.
    are_single: bool,
    file: File,
    pool: RecvPool,
}

impl File {
    /// Reads whatever comes, whenever it comes, by one operation, into buffers that the kernel
    /// picks from `pool`. For what has no end that is near: pipes, terminals, tun devices. Of
    /// other files, and before Linux 6.7, each is a read of 4 KiB.
    ///
    /// Where more than some pieces wait here, the kernel is asked for no more until they are taken;
    /// where the pool has no buffer left, a read goes into one of its own. Other reads of the file
    /// meanwhile take bytes away from this.
    ///
    /// # Panics
    /// Where the pool is another runtime's.
    ///
    /// By the ring (`IORING_OP_READ_MULTISHOT`, Linux 6.7). See `io_uring_prep_read_multishot(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_prep_read_multishot.3.html>.
    ///
    /// ```
    /// use annulus_runtime::runtime::{File, net::RecvPool};
    /// use std::io::Write;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// annulus_runtime::run(async move {
    ///     let mut reads = File::new(reader).read_many(&RecvPool::new()?);
    ///     for text in ["one", "two"] {
    ///         writer.write_all(text.as_bytes())?;
    ///         assert_eq!(&reads.next().await?.expect("not the end")[..], text.as_bytes());
    ///     }
    ///     drop(writer);
    ///     assert!(reads.next().await?.is_none());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_READ_MULTISHOT")]
    #[track_caller]
    pub fn read_many(&self, pool: &RecvPool) -> Reads {
        assert!(self.core().has_pool(&pool.inner), "a pool is of the runtime that it was made in");
        let (file, pool) = (self.clone(), pool.clone());
        Reads { shots: None, single: None, are_single: false, file, pool }
    }
}

impl Reads {
    /// What comes next, where it lies; nothing at the end.
    ///
    /// *Resumable*: where its future is dropped nothing is lost, and the next call gives what came.
    /// Dropped itself, it is ended, and what it has read by then is lost.
    ///
    /// # Errors
    /// Those of a [read](crate::File::read); one may go on after it.
    ///
    /// ```
    /// use annulus_runtime::runtime::{File, net::RecvPool};
    /// use futures::FutureExt;
    /// use std::io::Write;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// annulus_runtime::run(async move {
    ///     let mut reads = File::new(reader).read_many(&RecvPool::new()?);
    ///     assert!(reads.next().now_or_never().is_none()); // begun, and dropped
    ///     writer.write_all(b"ring")?;
    ///     assert_eq!(&reads.next().await?.expect("not the end")[..], b"ring");
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn next(&mut self) -> Result<Option<Received>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for futures that are written by hand.
    ///
    /// # Errors
    /// As there.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Received>, Error>> {
        loop {
            if let Some(read) = &mut self.single {
                let read = ready!(Pin::new(read).poll(cx));
                self.single = None;
                let (count, mut bytes) = read.map_err(|error| error.ended())?;
                bytes.truncate(count);
                return Poll::Ready(Ok((count > 0).then(|| Received::own(bytes))));
            }
            if self.are_single {
                self.single = Some(self.read());
                continue;
            }
            let Self { file, pool, shots, .. } = self;
            let under_way = shots.get_or_insert_with(|| {
                let many = ReadMany::new(file.engine_file().open(), Rc::clone(&pool.inner));
                Shots::on(Rc::clone(file.core()), many)
            });
            let item = match ready!(under_way.poll_next(cx)) {
                Shot::Item(item) => item,
                Shot::Last(ended) => {
                    *shots = None;
                    if ended.was_full() {
                        continue;
                    }
                    ended.into_item().1
                }
            };
            match item {
                Ok(Some(buf)) if !buf.is_empty() => {
                    return Poll::Ready(Ok(Some(Received::lent(buf))));
                }
                Ok(_) => return Poll::Ready(Ok(None)),
                Err(error) => match error.errno() {
                    Some(Errno::ENOBUFS) => self.single = Some(self.read()),
                    Some(Errno::EBADFD | Errno::EINVAL) => self.are_single = true,
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    fn read(&self) -> LocalOp<Read<Vec<u8>>> {
        self.file.read(Vec::with_capacity(OWN_BYTES))
    }
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reads").field("file", &self.file).finish_non_exhaustive()
    }
}

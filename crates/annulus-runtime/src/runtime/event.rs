//! [`Event`]: a counter that wakes, also between processes: eventfd(2).

use core::fmt;
use std::io;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::file::File;
use super::op::LocalOp;
use crate::engine::ops::Read;

/// How many bytes the counter has.
const COUNT_BYTES: usize = size_of::<u64>();

/// A counter in the kernel that somebody adds to, in this process or another, and that one here
/// waits for: an eventfd, as virtual machine monitors have for each of their queues.
///
/// ```
/// use annulus_runtime::runtime::Event;
/// annulus_runtime::run(async {
///     let mut event = Event::new()?;
///     event.add(2)?;
///     event.add(3)?;
///     assert_eq!(event.next().await?, 5);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "eventfd")]
pub struct Event {
    file: File,
    /// The same counter, to add to it: a descriptor of its own.
    adds: std::fs::File,
    /// The read that was begun, as long as nobody was given what it reads.
    pending: Option<LocalOp<Read<Vec<u8>>>>,
    /// Its buffer, while there is none.
    buf: Vec<u8>,
}

impl Event {
    /// One that nobody has added to.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: there is no descriptor left: raise `RLIMIT_NOFILE`.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// See [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html).
    ///
    /// ```
    /// use annulus_runtime::runtime::Event;
    /// annulus_runtime::run(async { Event::new().map(drop) })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn new() -> io::Result<Self> {
        Self::from_fd(annulus_ring::eventfd()?)
    }

    /// That of an eventfd: of another process, or of a device model.
    ///
    /// # Errors
    /// `EMFILE`: there is no descriptor left.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::Event;
    /// let fd = annulus_ring::eventfd()?;
    /// annulus_runtime::run(async { Event::from_fd(fd)?.add(1) })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let adds = fd.try_clone()?.into();
        Ok(Self { file: File::new(fd), adds, pending: None, buf: Vec::new() })
    }

    /// Waits until the counter is not 0: what it was; it is 0 again. One that was made with
    /// `EFD_SEMAPHORE` is lessened by 1 instead, which is what this gives.
    ///
    /// *Resumable*: where the future is dropped its read goes on, and what it reads is the next
    /// call's. Dropping the event itself may lose what was read a moment before.
    ///
    /// # Errors
    /// `EINVAL`: the descriptor is no eventfd's.
    ///
    /// ```
    /// use annulus_runtime::{runtime::Event, time::timeout};
    /// use std::time::Duration;
    /// annulus_runtime::run(async {
    ///     let mut event = Event::new()?;
    ///     assert!(timeout(Duration::from_millis(1), event.next()).await.is_err());
    ///     event.add(1)?;
    ///     assert_eq!(event.next().await?, 1);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn next(&mut self) -> io::Result<u64> {
        let Self { file, pending, buf, .. } = self;
        let read = pending.get_or_insert_with(|| {
            let mut buf = core::mem::take(buf);
            buf.resize(COUNT_BYTES, 0);
            file.read(buf)
        });
        let read = read.await;
        self.pending = None;
        let (_, buf) = read?;
        // It is read whole or not at all.
        let count = buf.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        self.buf = buf;
        Ok(count)
    }

    /// Adds to the counter; who waits is woken. On any thread by a [clone](Self::try_clone_fd) of
    /// the descriptor.
    ///
    /// # Errors
    /// - `EINVAL`: 2⁶⁴ − 1, which cannot be added.
    /// - `EAGAIN`: the counter would go beyond 2⁶⁴ − 2, where it was made not to wait.
    ///
    /// ```
    /// use annulus_runtime::runtime::Event;
    /// annulus_runtime::run(async {
    ///     let event = Event::new()?;
    ///     assert!(event.add(u64::MAX).is_err());
    ///     event.add(1)
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn add(&self, count: u64) -> io::Result<()> {
        (&self.adds).write_all(&count.to_ne_bytes())
    }

    /// Its descriptor once more, for another thread or process: to write the 8 bytes of a number
    /// to.
    ///
    /// # Errors
    /// `EMFILE`: there is no descriptor left.
    ///
    /// ```
    /// use annulus_runtime::runtime::Event;
    /// use std::io::Write;
    /// annulus_runtime::run(async {
    ///     let mut event = Event::new()?;
    ///     let other = event.try_clone_fd()?;
    ///     let adds = std::thread::spawn(move || {
    ///         std::fs::File::from(other).write_all(&7_u64.to_ne_bytes())
    ///     });
    ///     assert_eq!(event.next().await?, 7);
    ///     adds.join().unwrap()
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned()
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("waits", &self.pending.is_some()).finish_non_exhaustive()
    }
}

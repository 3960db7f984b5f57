//! A method for each of the everyday operations. Any other is built with [`op`](crate::op), and
//! pushed.

use super::SharedRingOf;
use super::iovecs::List;
use crate::abi::{FallocateMode, Iovec, PollEvents, Sqe};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::op::{self, Target};

/// Without an offset, the file's own position: what `read(2)` and `write(2)` use, and move.
const CURRENT_POSITION: u64 = u64::MAX;

/// # Operations
/// Each queues one entry; [`submit`](Self::submit) sends it. Errors are those of
/// [`push`](Self::push); the operation's own are in its completion.
impl<K: Kernel> SharedRingOf<K> {
    /// Reads up to `len` bytes into `buffer` (`READ`), at `offset`, or at the file's own position.
    ///
    /// # Safety
    /// - `buffer` is valid for writes of `len` bytes, and touched by nobody, until the completion.
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let mut text = [0u8; 9];
    /// // SAFETY: the array is not touched before the completion, and the file stays open.
    /// unsafe { ring.read(&file, text.as_mut_ptr(), 9, Some(0), 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(9));
    /// assert_eq!(&text, b"[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_read")]
    pub unsafe fn read(
        &self,
        file: impl Into<Target>,
        buffer: *mut u8,
        len: u32,
        offset: Option<u64>,
        user_data: u64,
    ) -> Result<()> {
        let entry = op::Read::new(file, buffer, len).offset(offset.unwrap_or(CURRENT_POSITION));
        // SAFETY: the caller's promise.
        unsafe { self.push(entry.build().user_data(user_data)) }
    }

    /// Writes up to `len` bytes of `buffer` (`WRITE`), at `offset`, or at the file's own position.
    ///
    /// # Safety
    /// - `buffer` is valid for reads of `len` bytes, and written to by nobody, until the
    ///   completion.
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// let null = std::fs::File::options().write(true).open("/dev/null")?;
    /// // SAFETY: the bytes are constant, and the file stays open.
    /// unsafe { ring.write(&null, b"word".as_ptr(), 4, None, 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(4));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_write")]
    pub unsafe fn write(
        &self,
        file: impl Into<Target>,
        buffer: *const u8,
        len: u32,
        offset: Option<u64>,
        user_data: u64,
    ) -> Result<()> {
        let entry = op::Write::new(file, buffer, len).offset(offset.unwrap_or(CURRENT_POSITION));
        // SAFETY: the caller's promise.
        unsafe { self.push(entry.build().user_data(user_data)) }
    }

    /// Reads into several buffers (`READV`).
    ///
    /// The list of iovecs is copied: the ring keeps it until the kernel has taken the entry, and
    /// needs no allocation for up to 8. The first vectored entry of a ring makes the places for
    /// them, 152 bytes per submission entry.
    ///
    /// # Safety
    /// - Each buffer is valid for writes of its length, and touched by nobody, until the
    ///   completion.
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::Iovec};
    /// let ring = SharedRing::new(8)?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let (mut one, mut two) = ([0u8; 1], [0u8; 8]);
    /// let iovec = |bytes: &mut [u8]| Iovec {
    ///     iov_base: bytes.as_mut_ptr().cast(),
    ///     iov_len: bytes.len(),
    /// };
    /// // SAFETY: the arrays are not touched before the completion, and the file stays open.
    /// unsafe { ring.readv(&file, &[iovec(&mut one), iovec(&mut two)], Some(0), 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(9));
    /// assert_eq!((&one, &two), (b"[", b"package]"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_readv")]
    pub unsafe fn readv(
        &self,
        file: impl Into<Target>,
        iovecs: &[Iovec],
        offset: Option<u64>,
        user_data: u64,
    ) -> Result<()> {
        let make = readv(file.into(), offset, user_data);
        // SAFETY: the caller's promise.
        unsafe { self.inner.push_vectored(List::of_slice(iovecs), make) }
    }

    /// As [`readv`](Self::readv), of an iterator.
    ///
    /// # Safety
    /// - As [`readv`](Self::readv).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::Iovec};
    /// let ring = SharedRing::new(8)?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let mut bytes = [0u8; 9];
    /// let each = bytes.chunks_mut(3);
    /// let iovecs = each.map(|b| Iovec { iov_base: b.as_mut_ptr().cast(), iov_len: b.len() });
    /// // SAFETY: the array is not touched before the completion, and the file stays open.
    /// unsafe { ring.readv_iter(&file, iovecs, Some(0), 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(9));
    /// assert_eq!(&bytes, b"[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_readv_iter")]
    pub unsafe fn readv_iter(
        &self,
        file: impl Into<Target>,
        iovecs: impl IntoIterator<Item = Iovec>,
        offset: Option<u64>,
        user_data: u64,
    ) -> Result<()> {
        let make = readv(file.into(), offset, user_data);
        // SAFETY: the caller's promise.
        unsafe { self.inner.push_vectored(List::of_iter(iovecs.into_iter()), make) }
    }

    /// Writes several buffers (`WRITEV`): the list is kept as [`readv`](Self::readv)'s.
    ///
    /// # Safety
    /// - Each buffer is valid for reads of its length, and written to by nobody, until the
    ///   completion.
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::Iovec};
    /// let ring = SharedRing::new(8)?;
    /// let null = std::fs::File::options().write(true).open("/dev/null")?;
    /// let word = Iovec { iov_base: c"word".as_ptr().cast_mut().cast(), iov_len: 4 };
    /// // SAFETY: the bytes are constant, and the file stays open.
    /// unsafe { ring.writev(&null, &[word, word], None, 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(8));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_writev")]
    pub unsafe fn writev(
        &self,
        file: impl Into<Target>,
        iovecs: &[Iovec],
        offset: Option<u64>,
        user_data: u64,
    ) -> Result<()> {
        let make = writev(file.into(), offset, user_data);
        // SAFETY: the caller's promise.
        unsafe { self.inner.push_vectored(List::of_slice(iovecs), make) }
    }

    /// As [`writev`](Self::writev), of an iterator.
    ///
    /// # Safety
    /// - As [`writev`](Self::writev).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::Iovec};
    /// let ring = SharedRing::new(8)?;
    /// let null = std::fs::File::options().write(true).open("/dev/null")?;
    /// let word = Iovec { iov_base: c"word".as_ptr().cast_mut().cast(), iov_len: 4 };
    /// // SAFETY: the bytes are constant, and the file stays open.
    /// unsafe { ring.writev_iter(&null, std::iter::repeat_n(word, 20), None, 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(80));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_writev_iter")]
    pub unsafe fn writev_iter(
        &self,
        file: impl Into<Target>,
        iovecs: impl IntoIterator<Item = Iovec>,
        offset: Option<u64>,
        user_data: u64,
    ) -> Result<()> {
        let make = writev(file.into(), offset, user_data);
        // SAFETY: the caller's promise.
        unsafe { self.inner.push_vectored(List::of_iter(iovecs.into_iter()), make) }
    }

    /// Does nothing, and completes (`NOP`).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// ring.nop(1)?;
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().user_data, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "add_nop")]
    pub fn nop(&self, user_data: u64) -> Result<()> {
        // SAFETY: a NOP points to nothing.
        unsafe { self.push(op::Nop::new().build().user_data(user_data)) }
    }

    /// Brings a file to its device (`FSYNC`).
    ///
    /// # Safety
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// // SAFETY: the file stays open.
    /// unsafe { ring.fsync(&file, 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_fsync")]
    pub unsafe fn fsync(&self, file: impl Into<Target>, user_data: u64) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.push(op::Fsync::new(file).build().user_data(user_data)) }
    }

    /// Brings a file's data to its device, and of its metadata what is needed to read it (`FSYNC`
    /// with `DATASYNC`).
    ///
    /// # Safety
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// // SAFETY: the file stays open.
    /// unsafe { ring.fdatasync(&file, 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub unsafe fn fdatasync(&self, file: impl Into<Target>, user_data: u64) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.push(op::Fsync::new(file).data_only().build().user_data(user_data)) }
    }

    /// Reserves `len` bytes of a file from `offset` on, or changes them as `mode` says
    /// (`FALLOCATE`).
    ///
    /// # Safety
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::FallocateMode};
    /// let ring = SharedRing::new(8)?;
    /// let path = std::env::temp_dir().join(format!("annulus-shared-doc-{}", std::process::id()));
    /// let file = std::fs::File::create(&path)?;
    /// # std::fs::remove_file(&path)?;
    /// // SAFETY: the file stays open.
    /// unsafe { ring.fallocate(&file, 0, 4096, FallocateMode::empty(), 1)? };
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(0));
    /// assert_eq!(file.metadata()?.len(), 4096);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_fallocate")]
    pub unsafe fn fallocate(
        &self,
        file: impl Into<Target>,
        offset: u64,
        len: u64,
        mode: FallocateMode,
        user_data: u64,
    ) -> Result<()> {
        let entry = op::Fallocate::new(file, len).offset(offset).mode(mode);
        // SAFETY: the caller's promise.
        unsafe { self.push(entry.build().user_data(user_data)) }
    }

    /// Completes when a descriptor is ready for one of `events` (`POLL_ADD`), once, with those that
    /// it is ready for.
    ///
    /// # Safety
    /// - The descriptor stays open until the kernel has taken the entry.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::PollEvents};
    /// let ring = SharedRing::new(8)?;
    /// let zero = std::fs::File::open("/dev/zero")?;
    /// // SAFETY: the file stays open.
    /// unsafe { ring.poll_add(&zero, PollEvents::IN, 1)? };
    /// ring.submit()?;
    /// let ready = ring.wait()?.next().unwrap().result().unwrap();
    /// assert_eq!(ready, PollEvents::IN.bits());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "add_poll_fd")]
    pub unsafe fn poll_add(
        &self,
        file: impl Into<Target>,
        events: PollEvents,
        user_data: u64,
    ) -> Result<()> {
        let entry = op::PollAdd::new(file, events);
        // SAFETY: the caller's promise.
        unsafe { self.push(entry.build().user_data(user_data)) }
    }

    /// Ends the poll that was pushed with `poll` as its `user_data` (`POLL_REMOVE`): that one
    /// completes with `ECANCELED`, this one with 0, or with `ENOENT` if there is none.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{Errno, SharedRing, abi::PollEvents};
    /// let ring = SharedRing::new(8)?;
    /// let (reader, _writer) = std::io::pipe()?;
    /// // SAFETY: the pipe stays open.
    /// unsafe { ring.poll_add(&reader, PollEvents::IN, 1)? };
    /// ring.poll_remove(1, 2)?;
    /// ring.submit()?;
    /// let mut results = Vec::new();
    /// while results.len() < 2 {
    ///     results.extend(ring.wait()?.results());
    /// }
    /// results.sort();
    /// assert_eq!(results, [(1, Err(Errno::ECANCELED)), (2, Ok(0))]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "remove_poll_fd")]
    pub fn poll_remove(&self, poll: u64, user_data: u64) -> Result<()> {
        // SAFETY: the entry points to nothing.
        unsafe { self.push(op::PollRemove::new(poll).build().user_data(user_data)) }
    }

    /// Cancels one operation that was pushed with `target` as its `user_data` (`ASYNC_CANCEL`).
    ///
    /// What can be cancelled completes with `ECANCELED`, and this one with 0. `ENOENT` says that
    /// there is no such operation (any more), `EALREADY` that it is too far to be stopped: either
    /// way the operation's own completion says how it ended, and only that gives its buffer back.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::{Errno, SharedRing};
    /// let ring = SharedRing::new(8)?;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let mut byte = [0u8];
    /// // SAFETY: the byte is not touched before the completion, and the pipe stays open.
    /// unsafe { ring.read(&reader, byte.as_mut_ptr(), 1, None, 1)? };
    /// ring.cancel(1, 2)?;
    /// ring.submit()?;
    /// let mut results = Vec::new();
    /// while results.len() < 2 {
    ///     results.extend(ring.wait()?.results());
    /// }
    /// results.sort();
    /// assert_eq!(results, [(1, Err(Errno::ECANCELED)), (2, Ok(0))]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "async_cancel")]
    pub fn cancel(&self, target: u64, user_data: u64) -> Result<()> {
        // SAFETY: the entry points to nothing.
        unsafe { self.push(op::AsyncCancel::user_data(target).build().user_data(user_data)) }
    }
}

fn readv(file: Target, offset: Option<u64>, user_data: u64) -> impl Fn(*const Iovec, u32) -> Sqe {
    let offset = offset.unwrap_or(CURRENT_POSITION);
    move |at, count| op::Readv::new(file, at, count).offset(offset).build().user_data(user_data)
}

fn writev(file: Target, offset: Option<u64>, user_data: u64) -> impl Fn(*const Iovec, u32) -> Sqe {
    let offset = offset.unwrap_or(CURRENT_POSITION);
    move |at, count| op::Writev::new(file, at, count).offset(offset).build().user_data(user_data)
}

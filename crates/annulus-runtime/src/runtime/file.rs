//! [`File`]: a descriptor whose operations go by the ring of the runtime on this thread.

use core::fmt;
use std::ffi::OsStr;
use std::io::SeekFrom;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use annulus_ring::abi::{FallocateMode, PollEvents, XattrFlags};

use super::context;
use super::core::Core;
use super::op::LocalOp;
use crate::buffer::{
    BackingMemory, InvalidRegion, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut, MemRegions,
};
use crate::engine::ops::{
    Advise, Allocate, ByFile, CloneRange, Close, CopyFileRange, GetXattr, ListXattr, Lock,
    PeerName, PollOnce, Read, ReadMem, ReadVectored, RemoveXattr, Seek, SeekData, SendFile,
    SendSignal, SetInode, SetXattr, SocketName, Splice, Stat, Sync, SyncFilesystem, Tee, Truncate,
    TryLock, Write, WriteBack, WriteMem, WriteVectored,
};
use crate::engine::{self, Advice, Times};
use crate::error::Error;

/// A file, socket, pipe or whatever else a descriptor is, on the ring of the runtime that this
/// thread is inside of. Its clones are the same open file; the last of them closes it, once no
/// operation on it is under way.
///
/// Each operation begins when it is first polled, with a [`LocalOp`] for a future. What they do,
/// and which errors they have, is described where they are for any thread: at
/// [`engine::File`](crate::engine::File).
///
/// # When a future is dropped
/// All of these *cancel and discard*: a read that is given up may have taken bytes out of a pipe or
/// a socket, a write may have written some. Where that must not be, keep the future, and
/// [`cancel`](LocalOp::cancel) it: awaited, it says what became of it, and gives the buffer back.
///
/// # Fixed buffers
/// On a buffer of the runtime's own [pool](super::fixed_pool) an operation goes by the buffer's
/// index (`READ_FIXED`, `WRITE_FIXED`), without being asked to: with direct I/O the kernel need not
/// look up and pin its pages. On those of other pools it goes by address, as on any buffer.
///
/// ```
/// use annulus_runtime::runtime::File;
/// let read = annulus_runtime::run(async {
///     let file = File::open("Cargo.toml").await?;
///     let (n, buf) = file.read_at(vec![0; 9], 0).await?;
///     file.close().await?;
///     Ok::<_, std::io::Error>(buf[..n].to_vec())
/// })??;
/// assert_eq!(read, b"[package]");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct File {
    file: engine::File,
    core: Rc<Core>,
}

impl File {
    /// The file of a descriptor.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::File;
    /// let (reader, writer) = std::io::pipe()?;
    /// let n = annulus_runtime::run(async {
    ///     File::new(writer).write(&b"four"[..]).await?;
    ///     let (n, _buf) = File::new(reader).read(vec![0; 16]).await?;
    ///     Ok::<_, std::io::Error>(n)
    /// })??;
    /// assert_eq!(n, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        context::with(|core| Self { file: core.engine().file(fd.into()), core: Rc::clone(core) })
    }

    /// Opens a file to be read.
    ///
    /// # Errors
    /// [Those of opening](crate::engine::OpenOptions::open).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::File;
    /// let why = annulus_runtime::run(async { File::open("/nowhere").await })?.unwrap_err();
    /// assert_eq!(why.kind(), std::io::ErrorKind::NotFound);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, engine::PathError> {
        let opening = context::with(|core| core.engine().open(path));
        Self::opened(opening).await
    }

    /// Opens a file as [`engine::OpenOptions`](crate::engine::OpenOptions) say, on the engine of
    /// the [runtime](super::engine) that this thread is inside of.
    ///
    /// # Errors
    /// [Those of opening](crate::engine::OpenOptions::open).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::{engine::OpenOptions, runtime::{File, engine}};
    /// let n = annulus_runtime::run(async {
    ///     let opening = OpenOptions::new().read(true).open(&engine(), "Cargo.toml");
    ///     let file = File::opened(opening).await?;
    ///     Ok::<_, std::io::Error>(file.read_at(vec![0; 9], 0).await?.0)
    /// })??;
    /// assert_eq!(n, 9);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn opened(opening: engine::Opening) -> Result<Self, engine::PathError> {
        let core = context::with(Rc::clone);
        let (opening, first) = opening.split().expect("an opening is given before it is awaited");
        // By this thread's own ring; only the rest of a FIFO's goes as another thread's would.
        let opened = LocalOp::once(Rc::clone(&core), first).await?;
        let file = match opening.resume(opened) {
            Ok(file) => file,
            Err(waits) => waits.await?,
        };
        Ok(Self { file, core })
    }

    /// Gives the file a place in the table of this ring, so that the kernel looks up no descriptor
    /// for [`read_at`](Self::read_at) and [`write_at`](Self::write_at): all of its clones, until
    /// the last of them and of their operations is gone. What was begun before goes on as it was. A
    /// file that has a place keeps it.
    ///
    /// # Errors
    /// - `ENXIO`: the runtime has no [table](super::RuntimeBuilder::fixed_files).
    /// - `ENFILE`: all of its places are taken: ask for more of them, or drop files.
    /// - `EBADF`: the file is a ring's. `ENOMEM`: the kernel is short of memory.
    ///
    /// The file goes by its descriptor then, as before.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::File};
    /// let runtime = Runtime::builder().fixed_files(1).build()?;
    /// runtime.block_on(async {
    ///     let (one, two) = (File::open("Cargo.toml").await?, File::open("Cargo.toml").await?);
    ///     one.register()?;
    ///     assert_eq!(two.register().unwrap_err().errno(), Some(annulus_ring::Errno::ENFILE));
    ///     drop(one);
    ///     two.register()?;
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_files_update")]
    pub fn register(&self) -> Result<(), Error> {
        if self.file.open().place().is_none() {
            self.file
                .open()
                .set_registered(self.core.register_file(self.as_fd()).map_err(Error::os)?);
        }
        Ok(())
    }

    /// Whether this is the last handle, and no operation is under way.
    ///
    /// ```
    /// use annulus_runtime::runtime::File;
    /// annulus_runtime::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let read = file.read_at(vec![0; 9], 0);
    ///     assert!(!file.is_alone());
    ///     drop(read); // which was not begun
    ///     assert!(file.is_alone());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_alone(&self) -> bool {
        self.file.is_alone()
    }

    /// The same file, as an engine has it.
    ///
    /// ```
    /// use annulus_runtime::{LocalOp, runtime::File};
    /// let text = annulus_runtime::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     LocalOp::of(file.shared().read_at(vec![0; 9], 0)).await.map_err(std::io::Error::from)
    /// })??;
    /// assert_eq!(text.1, b"[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shared(&self) -> &engine::File {
        &self.file
    }

    /// The same file for other threads, on this ring: see
    /// [`Runtime::engine`](super::Runtime::engine).
    ///
    /// ```
    /// use annulus_runtime::runtime::File;
    /// # let (reader, _writer) = std::io::pipe()?;
    /// let file = annulus_runtime::run(async { File::new(reader).into_shared() })?;
    /// let read = futures::executor::block_on(file.read(vec![0; 1]));
    /// assert!(read.unwrap_err().is_closed(), "the runtime is gone");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_shared(self) -> engine::File {
        self.file
    }

    /// Reads at `offset`, as `pread(2)`: how many bytes, and the buffer.
    ///
    /// ```
    /// # use annulus_runtime::runtime::File;
    /// # annulus_runtime::run(async {
    /// let file = File::new(std::fs::File::open("Cargo.toml")?);
    /// let (n, buf) = file.read_at(vec![0; 7], 1).await?;
    /// assert_eq!(&buf[..n], b"package");
    /// # Ok::<(), std::io::Error>(())
    /// # })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> LocalOp<Read<B>> {
        // As an engine's file makes it, without the way by its future: this is the shortest there
        // is.
        LocalOp::new(Rc::clone(&self.core), Read::at(self.file.open(), buf, offset))
    }

    /// Writes at `offset`, as `pwrite(2)`: how many bytes, and the buffer.
    ///
    /// ```
    /// # use annulus_runtime::runtime::File;
    /// # let (reader, writer) = std::io::pipe()?;
    /// # annulus_runtime::run(async {
    /// let file = File::new(std::fs::File::options().write(true).open("/dev/null")?);
    /// let (n, _buf) = file.write_at(vec![1; 100], 0).await?;
    /// assert_eq!(n, 100);
    /// # Ok::<(), std::io::Error>(())
    /// # })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> LocalOp<Write<B>> {
        LocalOp::new(Rc::clone(&self.core), Write::at(self.file.open(), buf, offset))
    }

    /// Of the runtime whose ring it is on.
    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// As an engine has it.
    pub(super) fn engine_file(&self) -> &engine::File {
        &self.file
    }

    /// An operation of the engine's, always by the ring: as many as begin together go together.
    #[inline]
    fn ring<T: crate::operation::Operation + Send>(&self, op: engine::Op<T>) -> LocalOp<T> {
        LocalOp::in_ring(Rc::clone(&self.core), op)
    }
}

/// Operations that an engine's file has, by the ring, or at once where they say so.
macro_rules! forwarded {
    ($($(#[$doc:meta])* $by:ident fn $name:ident $(<$($B:ident: $Bound:path),*>)?
        (&self $(, $arg:ident: $Arg:ty)*) -> $Op:ty;)*) => {
        impl File {
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!(
                    "All else as [`engine::File::", stringify!($name), "`](crate::engine::File::",
                    stringify!($name), ") says."
                )]
                #[track_caller]
                pub fn $name $(<$($B: $Bound),*>)? (&self $(, $arg: $Arg)*) -> LocalOp<$Op> {
                    forwarded!(@ $by self, self.file.$name($($arg),*))
                }
            )*
        }
    };
    (@ ring $self:ident, $op:expr) => { $self.ring($op) };
    (@ once $self:ident, $op:expr) => { LocalOp::once(Rc::clone(&$self.core), $op) };
}

forwarded! {
    /// Reads at the file's own position; or what comes, of a pipe or a socket.
    ring fn read<B: IoBufMut>(&self, buf: B) -> Read<B>;
    /// Reads at the file's own position, or what comes, until the buffer is full.
    ring fn read_exact<B: IoBufMut>(&self, buf: B) -> Read<B>;
    /// Reads at `offset` until the buffer is full.
    ring fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> Read<B>;
    /// Writes at the file's own position, or to a pipe or a socket.
    ring fn write<B: IoBuf>(&self, buf: B) -> Write<B>;
    /// Writes all of the buffer at the file's own position, or to a pipe or a socket.
    ring fn write_all<B: IoBuf>(&self, buf: B) -> Write<B>;
    /// Writes all of the buffer at `offset`.
    ring fn write_all_at<B: IoBuf>(&self, buf: B, offset: u64) -> Write<B>;
    /// Reads at `offset` into several buffers.
    ring fn read_vectored_at<V: IoVecBufMut>(&self, bufs: V, offset: u64) -> ReadVectored<V>;
    /// Reads at the file's own position into several buffers.
    ring fn read_vectored<V: IoVecBufMut>(&self, bufs: V) -> ReadVectored<V>;
    /// Reads at `offset` until all of several buffers are full.
    ring fn read_vectored_exact_at<V: IoVecBufMut>(&self, bufs: V, offset: u64) -> ReadVectored<V>;
    /// Writes several buffers at `offset`.
    ring fn write_vectored_at<V: IoVecBuf>(&self, bufs: V, offset: u64) -> WriteVectored<V>;
    /// Writes several buffers at the file's own position.
    ring fn write_vectored<V: IoVecBuf>(&self, bufs: V) -> WriteVectored<V>;
    /// Writes all of several buffers at `offset`.
    ring fn write_vectored_all_at<V: IoVecBuf>(&self, bufs: V, offset: u64) -> WriteVectored<V>;
    /// Waits until one of `events` is so, and says which are.
    once fn poll(&self, events: PollEvents) -> PollOnce;
    /// Waits until there is something to read, or the end.
    once fn readable(&self) -> PollOnce;
    /// Waits until something can be written.
    once fn writable(&self) -> PollOnce;
    /// Makes all of the file durable, as `fsync(2)`.
    once fn sync_all(&self) -> Sync;
    /// Makes its content durable, as `fdatasync(2)`.
    once fn sync_data(&self) -> Sync;
    /// Makes the content of a range durable.
    once fn sync_range(&self, offset: u64, bytes: u64) -> Sync;
    /// Has the kernel begin to write a range back, without waiting for it.
    once fn start_write_back(&self, offset: u64, bytes: u64) -> WriteBack;
    /// Allocates space, as `fallocate(2)`; the file becomes as long as that.
    once fn allocate(&self, offset: u64, bytes: u64) -> Allocate;
    /// Makes a hole, which reads as zeros and takes no space.
    once fn punch_hole(&self, offset: u64, bytes: u64) -> Allocate;
    /// Has a range read as zeros, with its space allocated.
    once fn zero_range(&self, offset: u64, bytes: u64) -> Allocate;
    /// Takes a range out of the file: what is behind moves up.
    once fn collapse_range(&self, offset: u64, bytes: u64) -> Allocate;
    /// Makes room in the middle of a file: what is behind moves away.
    once fn insert_range(&self, offset: u64, bytes: u64) -> Allocate;
    /// Does with the space of a range what `mode` says.
    once fn fallocate(&self, mode: FallocateMode, offset: u64, bytes: u64) -> Allocate;
    /// Makes the file so long.
    once fn truncate(&self, bytes: u64) -> Truncate;
    /// Tells the kernel how a range will be used.
    once fn advise(&self, offset: u64, bytes: u64, advice: Advice) -> Advise;
    /// What `statx(2)` says of the file.
    once fn metadata(&self) -> Stat;
    /// Moves the position, as `lseek(2)`.
    once fn seek(&self, to: SeekFrom) -> Seek;
    /// Where data begins, at `offset` or behind it.
    once fn seek_data(&self, offset: u64) -> SeekData;
    /// Where a hole begins, at `offset` or behind it.
    once fn seek_hole(&self, offset: u64) -> SeekData;
    /// Sets who may do what.
    once fn set_permissions(&self, mode: u32) -> SetInode;
    /// Sets whose it is.
    once fn set_owner(&self, user: Option<u32>, group: Option<u32>) -> SetInode;
    /// Sets when it was read and changed last.
    once fn set_times(&self, times: Times) -> SetInode;
    /// Waits until nobody else has a lock, and has it alone.
    once fn lock(&self) -> Lock;
    /// Waits until nobody else has it alone, and shares it.
    once fn lock_shared(&self) -> Lock;
    /// Has the lock alone, unless somebody else has one.
    once fn try_lock(&self) -> TryLock;
    /// Shares it, unless somebody else has it alone.
    once fn try_lock_shared(&self) -> TryLock;
    /// Gives up the lock.
    once fn unlock(&self) -> Lock;
    /// The address of a socket.
    once fn socket_name(&self) -> SocketName;
    /// The address of a socket's peer.
    once fn peer_name(&self) -> PeerName;
    /// Sends a signal to the process that this is a descriptor of.
    once fn send_signal(&self, signal: u32) -> SendSignal;
    /// The extended attribute `name`, if the file has it.
    once fn get_xattr<N: AsRef<OsStr>>(&self, name: N) -> GetXattr<ByFile>;
    /// Sets the extended attribute `name`.
    once fn set_xattr<N: AsRef<OsStr>, V: Into<Vec<u8>>>(
        &self, name: N, value: V, flags: XattrFlags
    ) -> SetXattr<ByFile>;
    /// The names of its extended attributes.
    once fn list_xattr(&self) -> ListXattr<ByFile>;
    /// Removes the extended attribute `name`.
    once fn remove_xattr<N: AsRef<OsStr>>(&self, name: N) -> RemoveXattr<ByFile>;
    /// Makes all of the file system durable that it is on.
    once fn sync_filesystem(&self) -> SyncFilesystem;
}

/// # Copies within the kernel
impl File {
    /// Copies up to `bytes` bytes from `offset` on to `to_offset` of `to`, within the kernel.
    ///
    /// All else as [`engine::File::copy_to`](crate::engine::File::copy_to) says.
    pub fn copy_to(
        &self,
        offset: u64,
        to: &Self,
        to_offset: u64,
        bytes: u64,
    ) -> LocalOp<CopyFileRange> {
        let copy = self.file.copy_to(offset, &to.file, to_offset, bytes);
        LocalOp::once(Rc::clone(&self.core), copy)
    }

    /// Sends up to `bytes` bytes from `offset` on to `to`, a socket, pipe or file.
    ///
    /// All else as [`engine::File::send_to`](crate::engine::File::send_to) says.
    pub fn send_to(&self, offset: u64, to: &Self, bytes: u64) -> LocalOp<SendFile> {
        LocalOp::once(Rc::clone(&self.core), self.file.send_to(offset, &to.file, bytes))
    }

    /// Makes all of this file a copy of `from` that shares its blocks.
    ///
    /// All else as [`engine::File::reflink_from`](crate::engine::File::reflink_from) says.
    pub fn reflink_from(&self, from: &Self) -> LocalOp<CloneRange> {
        LocalOp::once(Rc::clone(&self.core), self.file.reflink_from(&from.file))
    }

    /// The same of a range: to the end if `bytes` is 0.
    ///
    /// All else as [`engine::File::reflink_range_from`](crate::engine::File::reflink_range_from)
    /// says.
    pub fn reflink_range_from(
        &self,
        offset: u64,
        from: &Self,
        from_offset: u64,
        bytes: u64,
    ) -> LocalOp<CloneRange> {
        let share = self.file.reflink_range_from(offset, &from.file, from_offset, bytes);
        LocalOp::once(Rc::clone(&self.core), share)
    }
}

impl File {
    /// Reads at `offset` into regions of somebody's memory, as that of a virtual machine.
    ///
    /// # Errors
    /// [`InvalidRegion`]: one that does not lie in the memory; nothing is begun. All else as
    /// [`engine::File::read_mem_at`](crate::engine::File::read_mem_at) says.
    pub fn read_mem_at<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
        offset: u64,
    ) -> Result<LocalOp<ReadMem<M>>, InvalidRegion> {
        Ok(self.ring(self.file.read_mem_at(memory, regions, offset)?))
    }

    /// The same at the file's own position, or of a pipe or a socket.
    ///
    /// # Errors
    /// As [`read_mem_at`](Self::read_mem_at).
    pub fn read_mem<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
    ) -> Result<LocalOp<ReadMem<M>>, InvalidRegion> {
        Ok(self.ring(self.file.read_mem(memory, regions)?))
    }

    /// Writes regions of somebody's memory at `offset`.
    ///
    /// # Errors
    /// As [`read_mem_at`](Self::read_mem_at).
    pub fn write_mem_at<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
        offset: u64,
    ) -> Result<LocalOp<WriteMem<M>>, InvalidRegion> {
        Ok(self.ring(self.file.write_mem_at(memory, regions, offset)?))
    }

    /// The same at the file's own position, or to a pipe or a socket.
    ///
    /// # Errors
    /// As [`read_mem_at`](Self::read_mem_at).
    pub fn write_mem<'a, M: BackingMemory + 'static>(
        &self,
        memory: M,
        regions: impl Into<MemRegions<'a>>,
    ) -> Result<LocalOp<WriteMem<M>>, InvalidRegion> {
        Ok(self.ring(self.file.write_mem(memory, regions)?))
    }

    /// Moves bytes from this file to `to`, one of which is a pipe: see
    /// [`engine::File::splice`](crate::engine::File::splice).
    pub fn splice(
        &self,
        offset: Option<u64>,
        to: &Self,
        to_offset: Option<u64>,
        bytes: usize,
    ) -> LocalOp<Splice> {
        self.ring(self.file.splice(offset, &to.file, to_offset, bytes))
    }

    /// Copies bytes of this pipe to another, and leaves them here: see
    /// [`engine::File::tee`](crate::engine::File::tee).
    pub fn tee(&self, to: &Self, bytes: usize) -> LocalOp<Tee> {
        self.ring(self.file.tee(&to.file, bytes))
    }

    /// Closes the file, and says how that went: see
    /// [`engine::File::close`](crate::engine::File::close).
    pub fn close(self) -> LocalOp<Close> {
        LocalOp::once(self.core, self.file.close())
    }

    /// Takes the descriptor out, if this is the last handle and no operation is under way; else
    /// gives the handle back.
    ///
    /// # Errors
    /// The handle: others have the file still.
    ///
    /// ```
    /// use annulus_runtime::runtime::File;
    /// annulus_runtime::run(async {
    ///     let file = File::new(std::fs::File::open("Cargo.toml")?);
    ///     let clone = file.clone();
    ///     let file = file.try_into_fd().unwrap_err();
    ///     drop(clone);
    ///     let std_file = std::fs::File::from(file.try_into_fd().unwrap());
    ///     std_file.metadata()
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_into_fd(self) -> Result<OwnedFd, Self> {
        let Self { file, core } = self;
        file.try_into_fd().map_err(|file| Self { file, core })
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("file", &self.file).finish_non_exhaustive()
    }
}

//! Pipes: making one, and moving bytes through them within the kernel.

use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use annulus_ring::abi::{Op as Opcode, OpenFlags, Sqe};
use annulus_ring::kernel::{Descriptors, Process};
use annulus_ring::{Errno, Fd, op};

use super::file::OpenFile;
use super::{Engine, File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Making a pipe: see [`Engine::pipe`].
#[derive(Debug)]
pub struct MakePipe {
    ends: [RawFd; 2],
    /// Whether the ring has the operation.
    by_ring: bool,
}

impl MakePipe {
    /// The two ends: to read from, and to write to.
    ///
    /// # Safety
    /// - The kernel said that it made them; this is called once.
    unsafe fn adopt(self) -> (OwnedFd, OwnedFd) {
        let [reader, writer] = self.ends.map(|raw| {
            // SAFETY: it was made for this operation: nobody else has it (the caller's promise).
            unsafe { Fd::from_raw(raw, Process) }
        });
        (reader.into(), writer.into())
    }
}

// SAFETY: the entry points to the array, which lies here and stays in place, and names no
// descriptor.
unsafe impl Operation for MakePipe {
    type Output = Result<(OwnedFd, OwnedFd), Error>;

    #[inline]
    fn may_attempt(&self) -> bool {
        !self.by_ring
    }

    fn attempt(&mut self) -> Option<Completion> {
        let entry = self.entry();
        // SAFETY: the array outlives the call.
        match unsafe { Process.call(&entry) } {
            Err(Errno::EAGAIN) => None,
            done => Some(Completion::new(done)),
        }
    }

    fn entry(&mut self) -> Sqe {
        op::Pipe::new(&raw mut self.ends).flags(OpenFlags::CLOEXEC).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome()?;
        // SAFETY: it succeeded, and this is the one call that takes what it made.
        Ok(unsafe { self.adopt() })
    }

    fn reclaim(self, completion: Completion) {
        if completion.result.is_ok() {
            // SAFETY: it succeeded, and this is the one call that takes what it made.
            drop(unsafe { self.adopt() });
        }
    }
}

/// Moving bytes from or to a pipe: see [`File::splice`].
#[derive(Debug)]
pub struct Splice {
    from: (Arc<OpenFile>, Option<u64>),
    to: (Arc<OpenFile>, Option<u64>),
    bytes: u32,
}

// SAFETY: the entry points to nothing, and names two descriptors that are kept open here.
unsafe impl Operation for Splice {
    type Output = Result<usize, Error>;
    const WAITS_IN_WORKER: bool = true;

    fn entry(&mut self) -> Sqe {
        let mut splice = op::Splice::new(self.from.0.raw(), self.to.0.raw(), self.bytes);
        if let Some(offset) = self.from.1 {
            splice = splice.offset_in(offset);
        }
        if let Some(offset) = self.to.1 {
            splice = splice.offset_out(offset);
        }
        splice.build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(|count| count as usize)
    }

    fn reclaim(self, _: Completion) {
        // What was moved is moved.
    }
}

/// Copying bytes from pipe to pipe: see [`File::tee`].
#[derive(Debug)]
pub struct Tee {
    from: Arc<OpenFile>,
    to: Arc<OpenFile>,
    bytes: u32,
}

// SAFETY: the entry points to nothing, and names two descriptors that are kept open here.
unsafe impl Operation for Tee {
    type Output = Result<usize, Error>;
    const WAITS_IN_WORKER: bool = true;

    fn entry(&mut self) -> Sqe {
        op::Tee::new(self.from.raw(), self.to.raw(), self.bytes).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(|count| count as usize)
    }

    fn reclaim(self, _: Completion) {
        // What was copied is copied.
    }
}

/// How many bytes an entry asks for: the kernel takes no more than this at a time.
fn length(bytes: usize) -> u32 {
    crate::buffer::io_len(bytes)
}

impl Engine {
    /// Makes a pipe, as `pipe2(2)`: the end to read from, and the end to write to, closed in a
    /// program that is started.
    ///
    /// # Errors
    /// - `EMFILE`, `ENFILE`: the process, or the system, has no two descriptors left: close some,
    ///   or raise the limit.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_PIPE`, Linux 6.16), else at once on this thread.
    ///
    /// See [pipe2(2)](https://man7.org/linux/man-pages/man2/pipe2.2.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let (reader, writer) = block_on(engine.pipe())?;
    /// block_on(engine.file(writer).write("ring"))?;
    /// assert_eq!(block_on(engine.file(reader).read(vec![0; 8]))?.0, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pipe2")]
    #[doc(alias = "IORING_OP_PIPE")]
    pub fn pipe(&self) -> Op<MakePipe> {
        let by_ring = self.has(Opcode::PIPE);
        Op::new(Arc::clone(self.ports()), MakePipe { ends: [-1; 2], by_ring })
    }
}

/// # Through pipes
impl File {
    /// Moves up to `bytes` bytes from this file to `to` without taking them into the program, as
    /// `splice(2)`: one of the two has to be a pipe. How many; 0 at the end of what is read.
    ///
    /// An offset is where in a file; without one it is the file's own position, which moves along.
    /// A pipe has none.
    ///
    /// # Errors
    /// - `EINVAL`: neither is a pipe, both are the same one, `to` is open for appending, or the
    ///   file's kind cannot be spliced: read and write instead.
    /// - `ESPIPE`: an offset, and it is a pipe.
    /// - `EBADF`: one is not open for its direction.
    /// - `EPIPE`: nobody will read it. `ENOSPC`, `EFBIG`, `EIO`: as for
    ///   [`write_at`](Self::write_at).
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_SPLICE`, Linux 5.7), which gives it to a thread of the kernel, where
    /// it waits for the pipe.
    ///
    /// See [splice(2)](https://man7.org/linux/man-pages/man2/splice.2.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// let (reader, writer) = (engine.file(reader), engine.file(writer));
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert_eq!(block_on(file.splice(Some(1), &writer, None, 7))?, 7);
    /// assert_eq!(block_on(reader.read(vec![0; 7]))?.1, b"package");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_SPLICE")]
    pub fn splice(
        &self,
        offset: Option<u64>,
        to: &Self,
        to_offset: Option<u64>,
        bytes: usize,
    ) -> Op<Splice> {
        let (from, to) = ((self.open(), offset), (to.open(), to_offset));
        self.op(Splice { from, to, bytes: length(bytes) })
    }

    /// Copies up to `bytes` bytes of this pipe to the pipe `to`, and leaves them here, as `tee(2)`.
    /// How many; 0 where the pipe is empty and nobody can write to it any more.
    ///
    /// # Errors
    /// - `EINVAL`: one is no pipe, or both are the same. `EBADF`: not open for its direction.
    /// - `EPIPE`: nobody will read it.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_TEE`, Linux 5.8), which gives it to a thread of the kernel, where it
    /// waits for the pipes. The bytes are shared, not copied.
    ///
    /// See [tee(2)](https://man7.org/linux/man-pages/man2/tee.2.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use std::io::Read;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let ((reader, writer), (mut copy, copied)) = (std::io::pipe()?, std::io::pipe()?);
    /// let (reader, writer) = (engine.file(reader), engine.file(writer));
    /// block_on(writer.write("twice"))?;
    /// assert_eq!(block_on(reader.tee(&engine.file(copied), 5))?, 5);
    /// assert_eq!(block_on(reader.read(vec![0; 5]))?.1, b"twice");
    /// let mut again = [0; 5];
    /// copy.read_exact(&mut again)?;
    /// assert_eq!(&again, b"twice");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_TEE")]
    pub fn tee(&self, to: &Self, bytes: usize) -> Op<Tee> {
        self.op(Tee { from: self.open(), to: to.open(), bytes: length(bytes) })
    }
}

//! [`BufError`]: an error that gives the buffer back.

use std::{fmt, io};

use annulus_ring::Errno;

use crate::error::{Error, Invalid};
use crate::operation::Completion;

/// What an operation on a buffer gives: its result and the buffer, or an error with the buffer.
pub type BufResult<T, B> = Result<(T, B), BufError<B>>;

/// An operation failed; here is its buffer.
///
/// In a function that returns `io::Result`, `?` turns it into the `io::Error` (and drops the
/// buffer). Who wants the buffer matches, and takes both by [`into_inner`](Self::into_inner).
///
/// What to do about it is asked as with every error of this crate, also of the `io::Error`, which
/// [`io::Error::downcast`] turns into an [`Error`] where it was not the kernel that refused:
///
/// | what ended it | asked by | what to do |
/// | --- | --- | --- |
/// | the kernel | [`errno`](Self::errno) | see the operation's page |
/// | a file that came short | [`kind`](Self::kind) | [so many](Self::done) bytes were moved |
/// | its user, by [`Op::cancel`] | [`is_cancelled`](Self::is_cancelled) | nothing |
/// | its deadline | [`is_timeout`](Self::is_timeout) | try again, or give up |
/// | the engine's end | [`is_closed`](Self::is_closed) | make another engine |
/// | a fork | [`is_forked`](Self::is_forked) | make an engine in the child |
///
/// [`Op::cancel`]: crate::engine::Op::cancel
///
/// ```
/// use annulus_ring::Errno;
/// use annulus_runtime::buffer::{BufError, BufResult};
/// fn read(buf: Vec<u8>) -> BufResult<usize, Vec<u8>> {
///     Err(BufError::new(Errno::EIO, buf))
/// }
/// fn program() -> std::io::Result<()> {
///     let (_n, _buf) = read(vec![0; 16])?;
///     Ok(())
/// }
/// assert_eq!(program().unwrap_err().raw_os_error(), Some(5));
/// ```
#[must_use]
pub struct BufError<B> {
    buf: B,
    cause: Cause,
    done: usize,
}

/// Why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The kernel, or this library, ended it.
    Ended(Error),
    UnexpectedEof,
    WriteZero,
}

impl<B> BufError<B> {
    /// The kernel's (or our own) refusal `errno`, before any byte was moved.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let error = annulus_runtime::buffer::BufError::new(Errno::EIO, vec![7]);
    /// assert_eq!((error.errno(), error.done()), (Some(Errno::EIO), 0));
    /// ```
    #[cold]
    pub fn new(errno: Errno, buf: B) -> Self {
        Self { buf, cause: Cause::Ended(Error::os(errno)), done: 0 }
    }

    /// What `completion` says, whose result is an error.
    #[cold]
    pub(crate) fn of(completion: &Completion, errno: Errno, buf: B) -> Self {
        Self { buf, cause: Cause::Ended(Error::of(completion, errno)), done: 0 }
    }

    /// Of what failed before any byte was moved.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let error = annulus_runtime::buffer::BufError::with(Errno::EIO.into(), vec![7]);
    /// assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EIO), vec![7]));
    /// ```
    #[cold]
    pub fn with(error: Error, buf: B) -> Self {
        Self { buf, cause: Cause::Ended(error), done: 0 }
    }

    /// Why, where it was ended: what neither an end of file nor a full device can have done; those
    /// are an `EIO` here, so look at [`kind`](Self::kind) first where they may be.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let error = annulus_runtime::buffer::BufError::new(Errno::ENOSPC, ());
    /// assert_eq!(error.ended().errno(), Some(Errno::ENOSPC));
    /// ```
    pub fn ended(&self) -> Error {
        match self.cause {
            Cause::Ended(error) => error,
            Cause::UnexpectedEof | Cause::WriteZero => Error::os(Errno::EIO),
        }
    }

    /// The same, or nothing where there was no more.
    pub(crate) fn ended_but_for_eof(&self) -> Option<Error> {
        (self.cause != Cause::UnexpectedEof).then(|| self.ended())
    }

    /// The file ended after `done` bytes, and more were asked for.
    ///
    /// ```
    /// let error = annulus_runtime::buffer::BufError::unexpected_eof(5, vec![0; 8]);
    /// assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    /// ```
    #[cold]
    pub fn unexpected_eof(done: usize, buf: B) -> Self {
        Self { buf, cause: Cause::UnexpectedEof, done }
    }

    /// A write took nothing after `done` bytes, and more were to be written.
    ///
    /// ```
    /// let error = annulus_runtime::buffer::BufError::write_zero(5, vec![0; 8]);
    /// assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
    /// ```
    #[cold]
    pub fn write_zero(done: usize, buf: B) -> Self {
        Self { buf, cause: Cause::WriteZero, done }
    }

    /// The same, after `done` bytes were moved by earlier parts of the operation.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let error = annulus_runtime::buffer::BufError::new(Errno::EIO, ()).after(512);
    /// assert_eq!(error.done(), 512);
    /// ```
    pub fn after(self, done: usize) -> Self {
        Self { done, ..self }
    }

    /// The kernel's error number, if it was the kernel that refused.
    ///
    /// ```
    /// let error = annulus_runtime::buffer::BufError::write_zero(0, ());
    /// assert_eq!(error.errno(), None);
    /// ```
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::Ended(error) => error.errno(),
            Cause::UnexpectedEof | Cause::WriteZero => None,
        }
    }

    /// The standard library's word for it.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let error = annulus_runtime::buffer::BufError::new(Errno::ENOSPC, ());
    /// assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    /// ```
    pub fn kind(&self) -> io::ErrorKind {
        match self.cause {
            Cause::Ended(error) => error.kind(),
            Cause::UnexpectedEof => io::ErrorKind::UnexpectedEof,
            Cause::WriteZero => io::ErrorKind::WriteZero,
        }
    }

    /// Whether it was cancelled by its user. What it had [done](Self::done) until then is done.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// use futures::{executor::block_on, future::poll_immediate};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let pipe = Engine::new()?.file(reader);
    /// let mut read = pipe.read(vec![0; 9]);
    /// assert!(block_on(poll_immediate(&mut read)).is_none()); // it is begun
    /// read.cancel();
    /// let error = block_on(read).unwrap_err();
    /// assert!(error.is_cancelled() && error.into_buf().len() == 9);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.is_ended(Error::is_cancelled)
    }

    /// Whether its [deadline](crate::engine::Op::deadline) came first.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use std::time::Duration;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let pipe = Engine::new()?.file(reader);
    /// let read = pipe.read(vec![0; 9]).deadline(Duration::from_millis(1));
    /// let error = futures::executor::block_on(read).unwrap_err();
    /// assert!(error.is_timeout() && error.into_buf().len() == 9);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.is_ended(Error::is_timeout)
    }

    /// Whether the engine is closed: make another.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use std::time::Duration;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// engine.shutdown(Duration::from_secs(5));
    /// let error = futures::executor::block_on(file.read_at(vec![0; 9], 0)).unwrap_err();
    /// assert!(error.is_closed() && error.into_buf().len() == 9);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.is_ended(Error::is_closed)
    }

    /// Whether the engine is that of the parent of this process: make one here, after the fork.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// // SAFETY: the child does what is below, takes no lock that another thread may hold, and
    /// // ends without going back.
    /// match unsafe { libc::fork() } {
    ///     0 => {
    ///         let error = futures::executor::block_on(file.read_at(vec![0; 9], 0)).err();
    ///         let is_forked = error.is_some_and(|error| error.is_forked());
    ///         // SAFETY: it ends this process.
    ///         unsafe { libc::_exit(i32::from(!is_forked)) }
    ///     }
    ///     child => {
    ///         let mut status = 0;
    ///         // SAFETY: the status is written while this waits.
    ///         assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    ///         assert_eq!(status, 0);
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_forked(&self) -> bool {
        self.is_ended(Error::is_forked)
    }

    /// Whether it was ended in the way that `asked` asks for.
    fn is_ended(&self, asked: impl FnOnce(&Error) -> bool) -> bool {
        matches!(&self.cause, Cause::Ended(error) if asked(error))
    }

    /// The same error, saying why.
    #[cold]
    pub(crate) fn explained(mut self, why: Option<Invalid>) -> Self {
        if let (Cause::Ended(_), Some(why)) = (self.cause, why) {
            self.cause = Cause::Ended(Error::invalid(why));
        }
        self
    }

    /// How many bytes an exact or repeated operation had moved before it failed: they are in the
    /// buffer, or in the file.
    ///
    /// ```
    /// let error = annulus_runtime::buffer::BufError::unexpected_eof(5, vec![0; 8]);
    /// assert_eq!(error.done(), 5);
    /// ```
    pub fn done(&self) -> usize {
        self.done
    }

    /// The error alone, as the standard library has it. `raw_os_error` is kept, or the [`Error`],
    /// by [`io::Error::downcast`], where one of this library ended it; of what came short the text
    /// says how much was [done](Self::done).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let error = annulus_runtime::buffer::BufError::new(Errno::EIO, ());
    /// assert_eq!(error.error().raw_os_error(), Some(5));
    /// ```
    pub fn error(&self) -> io::Error {
        match self.cause {
            Cause::Ended(error) => error.into(),
            Cause::UnexpectedEof | Cause::WriteZero => {
                io::Error::new(self.kind(), Short { cause: self.cause, done: self.done })
            }
        }
    }

    /// The buffer, to look at.
    ///
    /// ```
    /// let error = annulus_runtime::buffer::BufError::unexpected_eof(2, vec![7, 8, 0]);
    /// assert_eq!(error.buf()[..error.done()], [7, 8]);
    /// ```
    pub fn buf(&self) -> &B {
        &self.buf
    }

    /// The buffer alone.
    ///
    /// ```
    /// let error = annulus_runtime::buffer::BufError::unexpected_eof(2, vec![7, 8, 0]);
    /// assert_eq!(error.into_buf(), [7, 8, 0]);
    /// ```
    pub fn into_buf(self) -> B {
        self.buf
    }

    /// The error and the buffer.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// use annulus_runtime::buffer::BufError;
    /// let (error, buf) = BufError::new(Errno::EIO, vec![7, 8]).into_inner();
    /// assert_eq!((error.raw_os_error(), buf), (Some(5), vec![7, 8]));
    /// ```
    pub fn into_inner(self) -> (io::Error, B) {
        (self.error(), self.buf)
    }

    /// The same error with another buffer, such as the whole of which this one was a slice.
    ///
    /// ```
    /// use annulus_runtime::buffer::{BufError, IoBuf, Slice};
    /// let error = BufError::unexpected_eof(1, vec![7, 8].slice(1..));
    /// assert_eq!(error.map(Slice::into_inner).into_buf(), [7, 8]);
    /// ```
    pub fn map<C>(self, f: impl FnOnce(B) -> C) -> BufError<C> {
        BufError { buf: f(self.buf), cause: self.cause, done: self.done }
    }
}

/// The text of an error without a number.
#[derive(Clone, Copy, Debug)]
struct Short {
    cause: Cause,
    done: usize,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.done;
        match self.cause {
            Cause::Ended(error) if done == 0 => write!(f, "{error}"),
            Cause::Ended(error) => write!(f, "{error} (after {done} bytes)"),
            Cause::UnexpectedEof => {
                write!(f, "the file ended after {done} bytes, before the buffer was full")
            }
            Cause::WriteZero => {
                write!(f, "after {done} bytes the file took no more, before all were written")
            }
        }
    }
}

impl std::error::Error for Short {}

impl<B> fmt::Display for BufError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Short { cause: self.cause, done: self.done }.fmt(f)
    }
}

impl<B> fmt::Debug for BufError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the buffer: it need not have a form, and its bytes may be many, or secret.
        let mut shown = f.debug_struct("BufError");
        shown.field("cause", &self.cause).field("done", &self.done).finish_non_exhaustive()
    }
}

impl<B> std::error::Error for BufError<B> {}

impl<B> From<BufError<B>> for io::Error {
    fn from(error: BufError<B>) -> Self {
        error.error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Origin;

    /// What an error is asked: whether it was cancelled, timed out, closed, forked.
    fn asked<B>(error: &BufError<B>) -> [bool; 4] {
        [error.is_cancelled(), error.is_timeout(), error.is_closed(), error.is_forked()]
    }

    #[test]
    fn who_ended_it_is_told_apart_also_as_an_io_error() {
        let origins = [Origin::Cancelled, Origin::Deadline, Origin::Closed, Origin::Forked];
        for (index, origin) in origins.into_iter().enumerate() {
            let completion = Completion::refused(origin);
            let error = BufError::of(&completion, Errno::ECANCELED, [7]).after(1);
            let expected = std::array::from_fn(|other| other == index);
            assert_eq!((asked(&error), error.errno()), (expected, None), "{origin:?}");
            let plain = io::Error::from(error);
            let kind = plain.kind();
            let error: Error = plain.downcast().expect("it is one of ours");
            assert_eq!(asked(&BufError::with(error, ())), expected, "{origin:?}");
            assert_eq!(error.kind(), kind);
        }
    }

    #[test]
    fn the_kernels_numbers_are_not_taken_for_our_own_ends() {
        for errno in [Errno::ECANCELED, Errno::ETIMEDOUT, Errno::EPIPE, Errno::EINTR] {
            let error = BufError::new(errno, ());
            assert_eq!((asked(&error), error.errno()), ([false; 4], Some(errno)));
            assert_eq!(io::Error::from(error).raw_os_error(), Some(errno.raw()));
        }
        for short in [BufError::unexpected_eof(1, ()), BufError::write_zero(1, ())] {
            assert_eq!(asked(&short), [false; 4]);
        }
    }
}

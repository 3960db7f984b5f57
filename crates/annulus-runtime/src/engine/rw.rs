//! Reading and writing one buffer.

use std::sync::Arc;

use annulus_ring::abi::Sqe;
use annulus_ring::op;

use super::file::{OpenFile, Way};
use crate::buffer::{BufError, BufResult, IoBuf, IoBufMut, io_len};
use crate::operation::{Advance, Completion, Operation};

/// The file's own position, where an offset is expected.
const OWN_POSITION: u64 = u64::MAX;

/// How far a transfer has come.
#[derive(Debug)]
pub(super) struct Progress {
    /// Where it began, or the file's own position.
    offset: u64,
    /// How many bytes were moved.
    done: usize,
    /// Whether it goes on until all were moved.
    exact: bool,
}

impl Progress {
    pub(super) fn new(offset: Option<u64>) -> Self {
        Self { offset: offset.unwrap_or(OWN_POSITION), done: 0, exact: false }
    }

    /// The offset of what comes next.
    #[inline]
    pub(super) fn offset(&self) -> u64 {
        if self.offset == OWN_POSITION { OWN_POSITION } else { self.offset + self.done as u64 }
    }

    #[inline]
    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn set_exact(&mut self) {
        self.exact = true;
    }

    /// Takes note of a completion, of `total` bytes in all.
    #[inline]
    pub(super) fn advance(&mut self, completion: &Completion, total: usize) -> Advance {
        let Ok(count) = completion.result else { return Advance::Finished };
        self.done += count as usize;
        let more = self.exact && count > 0 && self.done < total;
        if more { Advance::Again } else { Advance::Finished }
    }

    /// What became of it all. An error after some bytes is told when the next are asked for, unless
    /// all were wanted.
    #[inline]
    pub(super) fn result<B>(
        &self,
        completion: Completion,
        total: usize,
        buf: B,
        way: Way,
    ) -> BufResult<usize, B> {
        match completion.result {
            Err(errno) if self.done == 0 || self.exact => {
                Err(BufError::of(&completion, errno, buf).after(self.done))
            }
            Ok(_) if self.exact && self.done < total => Err(match way {
                Way::Read => BufError::unexpected_eof(self.done, buf),
                Way::Write => BufError::write_zero(self.done, buf),
            }),
            _ => Ok((self.done, buf)),
        }
    }

    /// Does as much as can be done at once: `next` makes the entry of what is left. `None` where
    /// something is left for the ring.
    ///
    /// # Safety
    /// - What the entries point to is valid for the length of this call.
    #[inline]
    pub(super) unsafe fn attempt(
        &mut self,
        file: &OpenFile,
        way: Way,
        total: usize,
        mut next: impl FnMut(&Self) -> Sqe,
    ) -> Option<Completion> {
        if !file.may_attempt(way) {
            return None;
        }
        loop {
            let entry = next(self);
            // SAFETY: the caller's promise.
            let result = unsafe { file.call(way, &entry) }?;
            let count = result.unwrap_or(0) as usize;
            self.done += count;
            // Of a file a part may have been at hand: what is left is, or comes from the disk, or
            // lies behind the end. What a pipe has is all there is now.
            let goes_on = count > 0 && self.done < total && (self.exact || file.is_regular());
            if !goes_on {
                return Some(Completion::new(result));
            }
        }
    }
}

/// Reading into a buffer: see [`File::read_at`](super::File::read_at).
#[derive(Debug)]
pub struct Read<B> {
    file: Arc<OpenFile>,
    buf: B,
    progress: Progress,
}

impl<B: IoBufMut> Read<B> {
    pub(super) fn new(file: Arc<OpenFile>, buf: B, offset: Option<u64>) -> Self {
        Self { file, buf, progress: Progress::new(offset) }
    }

    pub(super) fn exact(mut self) -> Self {
        self.progress.set_exact();
        self
    }

    /// What is to be read now.
    #[inline]
    fn next(file: &OpenFile, buf: &mut B, progress: &Progress) -> Sqe {
        let left = buf.bytes_total().saturating_sub(progress.done());
        let start = buf.stable_mut_ptr().wrapping_add(progress.done());
        op::Read::new(file.raw(), start, io_len(left)).offset(progress.offset()).build()
    }
}

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBufMut`), and names
// a descriptor that is kept open here.
unsafe impl<B: IoBufMut> Operation for Read<B> {
    type Output = BufResult<usize, B>;
    const ADVANCES: bool = true;
    const MAY_ATTEMPT: bool = true;

    #[inline]
    fn attempt(&mut self) -> Option<Completion> {
        let Self { file, buf, progress } = self;
        let total = buf.bytes_total();
        // SAFETY: the buffer is owned here, and not touched during the call.
        unsafe { progress.attempt(file, Way::Read, total, |now| Self::next(file, buf, now)) }
    }

    #[inline]
    fn entry(&mut self) -> Sqe {
        Self::next(&self.file, &mut self.buf, &self.progress)
    }

    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        self.progress.advance(completion, self.buf.bytes_total())
    }

    #[inline]
    fn complete(mut self, completion: Completion) -> Self::Output {
        let done = self.progress.done();
        if done > 0 {
            // SAFETY: the kernel said that it wrote so many bytes, from the first on.
            unsafe { self.buf.set_init(done) };
        }
        let total = self.buf.bytes_total();
        self.progress.result(completion, total, self.buf, Way::Read)
    }

    fn reclaim(self, _: Completion) {
        // Bytes that nobody waits for go with their buffer.
    }
}

/// Writing a buffer: see [`File::write_at`](super::File::write_at).
#[derive(Debug)]
pub struct Write<B> {
    file: Arc<OpenFile>,
    buf: B,
    progress: Progress,
}

impl<B: IoBuf> Write<B> {
    pub(super) fn new(file: Arc<OpenFile>, buf: B, offset: Option<u64>) -> Self {
        Self { file, buf, progress: Progress::new(offset) }
    }

    pub(super) fn exact(mut self) -> Self {
        self.progress.set_exact();
        self
    }

    /// What is to be written now.
    #[inline]
    fn next(file: &OpenFile, buf: &B, progress: &Progress) -> Sqe {
        let left = buf.bytes_init().saturating_sub(progress.done());
        let start = buf.stable_ptr().wrapping_add(progress.done());
        op::Write::new(file.raw(), start, io_len(left)).offset(progress.offset()).build()
    }
}

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBuf`), and names a
// descriptor that is kept open here.
unsafe impl<B: IoBuf> Operation for Write<B> {
    type Output = BufResult<usize, B>;
    const ADVANCES: bool = true;
    const MAY_ATTEMPT: bool = true;

    #[inline]
    fn attempt(&mut self) -> Option<Completion> {
        let Self { file, buf, progress } = self;
        let total = buf.bytes_init();
        // SAFETY: the buffer is owned here, and not touched during the call.
        unsafe { progress.attempt(file, Way::Write, total, |now| Self::next(file, buf, now)) }
    }

    #[inline]
    fn entry(&mut self) -> Sqe {
        Self::next(&self.file, &self.buf, &self.progress)
    }

    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        self.progress.advance(completion, self.buf.bytes_init())
    }

    #[inline]
    fn complete(self, completion: Completion) -> Self::Output {
        let total = self.buf.bytes_init();
        self.progress.result(completion, total, self.buf, Way::Write)
    }

    fn reclaim(self, _: Completion) {
        // What was written is written.
    }
}

//! What all reads and writes have in common: how far they have come, and what is done about a part.

use annulus_ring::Errno;
use annulus_ring::abi::{RwFlags, Sqe, SqeFlags};

use super::file::{OpenFile, Way};
use crate::buffer::{BufError, BufResult, io_len};
use crate::operation::{Advance, Completion, Operation};

/// What a read fills, or a write takes from.
///
/// # Safety
/// - What an entry of [`next`](Self::next) points to lies in this value, or is owned by it or kept
///   valid by what it owns, until this is asked for the next entry, given back or dropped: in
///   place, unused by others (or made for that) and, for a read, writable.
/// - The entry names the descriptor of the file that it is made for, and no other.
pub(super) unsafe trait Load {
    /// What is given back when it is over.
    type Buf;

    /// Whether it is filled or taken from.
    const WAY: Way;

    /// How many bytes are to be moved.
    fn bytes(&self) -> usize;

    /// Whether it is to be tried on this thread.
    #[inline]
    fn may_attempt(&self, file: &OpenFile) -> bool {
        file.may_attempt(Self::WAY)
    }

    /// The entry of what is left after so much progress.
    fn next(&mut self, file: &OpenFile, progress: &Progress) -> Sqe;

    /// `entry`, with the buffer's index in it where the file's ring has it registered.
    #[inline]
    fn by_index(&self, file: &OpenFile, entry: Sqe) -> Sqe {
        let _ = file;
        entry
    }

    /// Gives it back.
    ///
    /// # Safety
    /// - The first `done` bytes of what is filled were written.
    unsafe fn give_back(self, done: usize) -> Self::Buf;
}

/// The file's own position, where an offset is expected.
const OWN_POSITION: u64 = u64::MAX;

/// How far a transfer has come.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Where it goes on, or the file's own position.
    offset: u64,
    /// How many bytes were moved, but for those of the last completion.
    done: usize,
    /// Whether it goes on until all were moved.
    exact: bool,
    /// Whether a part ends it all the same: see [`set_exact_to_a_file`](Self::set_exact_to_a_file).
    ends_short: bool,
    /// How each part is done.
    flags: RwFlags,
    /// The file's place in the ring's table, or [`NO_PLACE`].
    place: u32,
}

/// A file goes by its descriptor.
const NO_PLACE: u32 = u32::MAX;

impl Progress {
    pub(crate) fn new(offset: Option<u64>) -> Self {
        // An offset that happens to be the number for "none" is as far out of range as its
        // neighbour, which the kernel refuses.
        let offset = offset.map_or(OWN_POSITION, |offset| offset.min(OWN_POSITION - 1));
        Self {
            offset,
            done: 0,
            exact: false,
            ends_short: false,
            flags: RwFlags::empty(),
            place: NO_PLACE,
        }
    }

    /// The offset of what comes next.
    #[inline]
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes note of so many bytes that were moved, before more are.
    pub(crate) fn moved(&mut self, count: usize) {
        self.done += count;
        if self.offset != OWN_POSITION {
            self.offset += count as u64;
        }
    }

    #[inline]
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    #[inline]
    pub(crate) fn set_exact(&mut self) {
        self.exact = true;
    }

    /// The same for a write to `file`.
    ///
    /// Where a regular file's space runs out after a part, the ring (Linux 6.18, and what came
    /// before) says how much was written, and leaves the file's own position where it was: the rest
    /// would be written over the part. So at that position nothing is written after a part.
    #[inline]
    pub(super) fn set_exact_to_a_file(&mut self, file: &OpenFile) {
        self.exact = true;
        self.ends_short = self.offset == OWN_POSITION && file.is_regular();
    }

    #[inline]
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Has it go by the file's place in the table of its ring, if it has one. For who makes the
    /// entries for that ring, and for no other.
    #[inline]
    pub(super) fn set_place(&mut self, file: &OpenFile) {
        if let Some(place) = file.place() {
            self.place = place.0;
        }
    }

    /// The same entry, of the file by its place.
    #[inline]
    pub(super) fn by_place(&self, mut entry: Sqe) -> Sqe {
        if self.place != NO_PLACE {
            entry.fd = self.place.cast_signed();
            entry.flags |= SqeFlags::FIXED_FILE;
        }
        entry
    }

    pub(super) fn set_flags(&mut self, flags: RwFlags) {
        self.flags = flags;
    }

    #[inline]
    pub(super) fn flags(&self) -> RwFlags {
        self.flags
    }

    /// The count of the one completion that is enough for `total` bytes in all, if one can be.
    #[inline]
    pub(crate) fn finishes_with(&self, total: usize) -> Option<u32> {
        u32::try_from(total).ok().filter(|_| self.done == 0)
    }

    /// Takes note of a completion, of `total` bytes in all, unless it is the last.
    #[inline]
    pub(crate) fn advance(&mut self, completion: &mut Completion, total: usize) -> Advance {
        let count = completion.result.unwrap_or(0) as usize;
        if !self.exact || count == 0 || self.done + count >= total {
            return Advance::Finished;
        }
        if self.ends_short && count < io_len(total - self.done) as usize {
            return Advance::Finished;
        }
        self.moved(count);
        // Should it be the last all the same, it is not counted twice.
        completion.result = Ok(0);
        Advance::Again
    }

    /// Does as much as can be done at once. `None` where something is left for the ring.
    #[inline]
    pub(super) fn attempt<L: Load>(&mut self, file: &OpenFile, load: &mut L) -> Option<Completion> {
        let total = load.bytes();
        loop {
            let entry = load.next(file, self);
            // SAFETY: what the entry points to is valid while `load` is not touched (`Load`), as it
            // is not during the call.
            let result = unsafe { file.call(L::WAY, &entry) }?;
            let count = result.unwrap_or(0) as usize;
            // Of a file a part may have been at hand: what is left is, or comes from the disk, or
            // lies behind the end. What a pipe has is all there is now.
            let goes_on =
                count > 0 && self.done + count < total && (self.exact || file.is_regular());
            if !goes_on {
                return Some(Completion::new(result));
            }
            self.moved(count);
        }
    }

    /// What became of it all. An error after some bytes is told when the next are asked for, unless
    /// all were wanted.
    // Always: as a call of its own it took fifteen instructions more of some three hundred.
    #[inline(always)]
    pub(super) fn complete<L: Load>(
        &self,
        file: &OpenFile,
        completion: Completion,
        load: L,
    ) -> BufResult<usize, L::Buf> {
        if let Some(done) = self.done_plainly(&completion) {
            // SAFETY: the kernel said that it moved so many bytes, from the first on.
            return Ok((done, unsafe { load.give_back(done) }));
        }
        self.complete_otherwise(file, completion, load)
    }

    /// The same of what failed, and where all was wanted.
    #[cold]
    #[inline(never)]
    fn complete_otherwise<L: Load>(
        &self,
        file: &OpenFile,
        completion: Completion,
        mut load: L,
    ) -> BufResult<usize, L::Buf> {
        let is_misaligned = completion.result == Err(Errno::EINVAL) && file.is_direct();
        let why = if is_misaligned { file.misaligned(&load.next(file, self)) } else { None };
        let total = load.bytes();
        // SAFETY: the kernel said that it moved so many bytes, from the first on.
        let buf = unsafe { load.give_back(self.done_with(&completion)) };
        match self.outcome(&completion, total, L::WAY, buf) {
            Err(error) if is_misaligned => Err(error.explained(why)),
            outcome => outcome,
        }
    }

    /// How many bytes were moved, if that is all there is to tell: as it mostly is.
    #[inline(always)]
    pub(super) fn done_plainly(&self, completion: &Completion) -> Option<usize> {
        match completion.result {
            Ok(count) if !self.exact => Some(self.done + count as usize),
            _ => None,
        }
    }

    /// How many bytes were moved when `completion` was the last.
    #[inline]
    pub(crate) fn done_with(&self, completion: &Completion) -> usize {
        self.done + completion.result.unwrap_or(0) as usize
    }

    /// The same as [`complete`](Self::complete), the buffer of `total` bytes being given back.
    #[inline]
    pub(crate) fn outcome<B>(
        &self,
        completion: &Completion,
        total: usize,
        way: Way,
        buf: B,
    ) -> BufResult<usize, B> {
        let done = self.done_with(completion);
        match completion.result {
            Ok(_) if !self.exact => Ok((done, buf)),
            Ok(_) if done < total => Err(match way {
                Way::Read => BufError::unexpected_eof(done, buf),
                Way::Write => BufError::write_zero(done, buf),
            }),
            Err(errno) if done == 0 || self.exact => {
                Err(BufError::of(completion, errno, buf).after(done))
            }
            _ => Ok((done, buf)),
        }
    }
}

/// Completes an operation that lies at `at`, where [`Progress::done_plainly`] has no answer.
///
/// # Safety
/// - As [`Operation::complete_at`].
#[cold]
#[inline(never)]
pub(super) unsafe fn complete_otherwise<T: Operation>(
    at: *mut T,
    completion: Completion,
) -> T::Output {
    // SAFETY: it is there, and taken once (the caller's promise).
    unsafe { at.read() }.complete(completion)
}

/// Makes operations of [`Load`]s.
macro_rules! rw_operations {
    ($($(#[$doc:meta])*
    $Type:ident<$B:ident: $Bound:path $(, $static:lifetime)?> moves $Load:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $Type<$B> {
            file: Arc<OpenFile>,
            load: $Load<$B>,
            progress: Progress,
        }

        impl<$B: $Bound $(+ $static)?> $Type<$B> {
            fn new(file: Arc<OpenFile>, load: $Load<$B>, offset: Option<u64>) -> Self {
                Self { file, load, progress: Progress::new(offset) }
            }

            /// Goes on until all is moved.
            fn exact(mut self) -> Self {
                match <$Load<$B> as Load>::WAY {
                    Way::Read => self.progress.set_exact(),
                    Way::Write => self.progress.set_exact_to_a_file(&self.file),
                }
                self
            }
        }

        // SAFETY: what the entry points to lies here, or is owned or kept valid by what lies here,
        // and is not touched until the completion (`Load`). The descriptor is kept open here.
        unsafe impl<$B: $Bound $(+ $static)?> Operation for $Type<$B> {
            type Output = BufResult<usize, $B>;

            #[inline]
            fn may_attempt(&self) -> bool {
                self.load.may_attempt(&self.file)
            }

            #[inline]
            fn attempt(&mut self) -> Option<Completion> {
                self.progress.attempt(&self.file, &mut self.load)
            }

            #[inline]
            fn entry(&mut self) -> Sqe {
                let entry = self.load.next(&self.file, &self.progress);
                self.progress.by_place(self.load.by_index(&self.file, entry))
            }

            #[inline]
            fn advances(&self) -> bool {
                self.progress.is_exact()
            }

            #[inline]
            fn finishes_with(&self) -> Option<u32> {
                self.progress.finishes_with(self.load.bytes())
            }

            #[inline]
            fn advance(&mut self, completion: &mut Completion) -> Advance {
                self.progress.advance(completion, self.load.bytes())
            }

            #[inline(always)]
            fn complete(self, completion: Completion) -> Self::Output {
                let Self { file, load, progress } = self;
                progress.complete(&file, completion, load)
            }

            #[inline(always)]
            unsafe fn complete_at(at: *mut Self, completion: Completion) -> Self::Output {
                // SAFETY: it is there, and the caller's alone (its promise).
                let lies = unsafe { &*at };
                let Some(done) = lies.progress.done_plainly(&completion) else {
                    // SAFETY: the caller's promise.
                    return unsafe { complete_otherwise(at, completion) };
                };
                // SAFETY: as above; it is taken once.
                let Self { load, file: _file, .. } = unsafe { at.read() };
                // SAFETY: the kernel said that it moved so many bytes, from the first on.
                Ok((done, unsafe { load.give_back(done) }))
            }

            fn reclaim(self, _: Completion) {
                // Bytes that nobody waits for go with their buffer; what was written is written.
            }
        }

        impl<$B: $Bound $(+ $static)?> Op<$Type<$B>> {
            /// How it is done, for this once: the flags of `preadv2(2)`. Past the first poll this
            /// changes nothing.
            ///
            /// - [`DONTCACHE`](RwFlags::DONTCACHE) (Linux 6.14): leave nothing of it in the page
            ///   cache. `EOPNOTSUPP` where the kernel or the file system cannot: do without.
            /// - [`DSYNC`](RwFlags::DSYNC), [`SYNC`](RwFlags::SYNC): a write is durable when it is
            ///   over, as by `O_DSYNC` and `O_SYNC`.
            /// - [`APPEND`](RwFlags::APPEND): at the end of the file, whatever the offset.
            /// - [`NOWAIT`](RwFlags::NOWAIT): `EAGAIN` instead of waiting for a device.
            /// - [`ATOMIC`](RwFlags::ATOMIC) (Linux 6.11): a write happens wholly or not at all,
            ///   also where the power fails.
            ///
            /// See [preadv2(2)](https://man7.org/linux/man-pages/man2/preadv2.2.html).
            ///
            /// ```
            /// use annulus_ring::{Errno, abi::RwFlags};
            /// use annulus_runtime::Engine;
            /// let engine = Engine::new()?;
            /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
            /// let read = file.read_at(vec![0; 9], 0).flags(RwFlags::DONTCACHE);
            /// match futures::executor::block_on(read) {
            ///     Ok((n, buf)) => assert_eq!(&buf[..n], b"[package]"),
            ///     Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
            /// }
            /// # Ok::<(), std::io::Error>(())
            /// ```
            #[doc(alias = "RWF_DONTCACHE")]
            pub fn flags(self, flags: RwFlags) -> Self {
                self.change(|operation| operation.progress.set_flags(flags))
            }
        }
    )*};
}
pub(super) use rw_operations;

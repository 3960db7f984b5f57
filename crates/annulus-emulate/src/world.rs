//! [`World`]: what does the primitive work of a user-space kernel. The host does it by system calls
//! of the process; a simulator would do it in a world of its own.

use std::ffi::CString;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::{
    ClockId, CqeFlags, EpollEvent, FutexWaitv, Iovec, OpenHow, PollEvents, Sqe,
};

/// The name of a request: its place, and how often that was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token {
    pub(crate) place: u32,
    pub(crate) generation: u32,
}

/// The most that one read or write moves (`MAX_RW_COUNT`): it counts as all, if more was asked for.
pub(crate) const TRANSFER_BYTES_MAX: usize = 0x7fff_f000;

/// A piece of the program's memory, by its address: laid out as an [`Iovec`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Span {
    pub(crate) addr: u64,
    pub(crate) bytes: usize,
}

impl Span {
    /// No more of it than one read or write moves.
    pub(crate) fn clamped(self) -> Self {
        Self { bytes: self.bytes.min(TRANSFER_BYTES_MAX), ..self }
    }

    /// What is left of it after so many bytes.
    pub(crate) fn after(self, bytes: usize) -> Self {
        let skipped = bytes.min(self.bytes);
        Self { addr: self.addr.wrapping_add(skipped as u64), bytes: self.bytes - skipped }
    }
}

/// Cuts pieces to what one operation moves in all.
pub(crate) fn cut(pieces: &mut [Span]) {
    let mut left = TRANSFER_BYTES_MAX;
    for piece in pieces {
        piece.bytes = piece.bytes.min(left);
        left -= piece.bytes;
    }
}

impl From<Iovec> for Span {
    fn from(iovec: Iovec) -> Self {
        Self { addr: iovec.iov_base.addr() as u64, bytes: iovec.iov_len }
    }
}

/// What was copied when the entry was taken: the program need not keep it any longer
/// (`IORING_FEAT_SUBMIT_STABLE`).
#[derive(Debug, Default)]
pub(crate) enum Stable {
    /// Nothing.
    #[default]
    None,
    /// Pieces of a buffer.
    Pieces(Vec<Span>),
    /// A socket's address.
    Address(Vec<u8>),
    /// What a socket sends or receives, and with what.
    Message(Box<Message>),
    /// A path, and for some a second one, or an attribute's name.
    Paths(Box<(CString, Option<CString>)>),
    /// A path, and how to open it.
    Open(Box<(CString, OpenHow)>),
    /// An attribute's name, its file's path, and the value that it is to have.
    Attribute(Box<Attribute>),
    /// What a file is in an epoll set for.
    Event(EpollEvent),
    /// The numbers of a pipe's ends, until they are in the table of files.
    Ends([RawFd; 2]),
    /// The words that are waited for.
    Futexes(Vec<FutexWaitv>),
}

/// An attribute of a file: of the open one, unless it has a path.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: CString,
    pub(crate) path: Option<CString>,
    pub(crate) value: Vec<u8>,
}

/// A message of a socket, as its header says.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) pieces: Vec<Span>,
    /// Whom it is sent to.
    pub(crate) address: Vec<u8>,
    /// Where the sender's address goes, and how much of it.
    pub(crate) name: Span,
    /// Control data: sent, or where what is received goes.
    pub(crate) control: Span,
    /// The header itself, where what was received is told; 0 if there is none.
    pub(crate) header: u64,
    pub(crate) received: Received,
}

/// What came with a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// The whole length of the sender's address, however much of it there was room for.
    pub(crate) name_bytes: u32,
    pub(crate) control_bytes: usize,
    pub(crate) flags: u32,
}

/// What there is to say of an attempt beside its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What the completion says.
    pub(crate) cflags: CqeFlags,
    /// It came short of what was asked for, or is cut off: its chain breaks.
    pub(crate) is_broken: bool,
    /// The socket is known to have no more at the moment.
    pub(crate) is_drained: bool,
    /// It is to be tried again all the same, without a change that would wake it.
    pub(crate) is_ready: bool,
    /// A multishot is over with this result.
    pub(crate) is_last: bool,
}

/// What came of a send or a receive that was tried as its entry was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// It is done: the result, or the error, and what the completion says beside it.
    Done(Result<u32, Errno>, CqeFlags),
    /// So much was received. Whether there is more is not known yet: [`World::look`] looks.
    Unseen(u32),
    /// The file has to become ready first.
    Wait(PollEvents, Outcome),
}

/// A piece of work: an entry, and what it names.
#[derive(Debug)]
pub(crate) struct Work<F> {
    /// The entry. Registered buffers and picked ones are resolved: address and length are those of
    /// memory.
    pub(crate) sqe: Sqe,
    pub(crate) file: Option<F>,
    /// The other file of SPLICE, TEE and EPOLL_CTL.
    pub(crate) second: Option<F>,
    pub(crate) stable: Stable,
    /// How many bytes were moved by attempts before.
    pub(crate) done: u32,
    /// What the last attempt had to say.
    pub(crate) outcome: Outcome,
}

impl<F> Work<F> {
    /// What an entry says, of which nothing is done.
    #[inline]
    pub(crate) fn new(sqe: &Sqe) -> Self {
        let outcome = Outcome::default();
        Self { sqe: *sqe, file: None, second: None, stable: Stable::None, done: 0, outcome }
    }

    /// How many bytes a read or write is to move.
    pub(crate) fn total_bytes(&self) -> usize {
        let asked = match &self.stable {
            Stable::Pieces(pieces) => pieces.iter().map(|piece| piece.bytes).sum(),
            _ => self.sqe.len as usize,
        };
        asked.min(TRANSFER_BYTES_MAX)
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It is done: the result, or the error.
    Done(Result<u32, Errno>),
    /// The file has to become ready first.
    Wait(PollEvents),
    /// It takes a thread that may block.
    Blocks,
}

/// What becomes of work that a thread has, when it is to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// No thread had begun it: it will not be done.
    Taken,
    /// It is being done, and will end early if it can.
    Running,
    /// It is over, or being done and beyond reach.
    TooLate,
}

/// See above.
pub(crate) trait World: Send + Sized {
    /// An open file.
    type File: Clone + Send + core::fmt::Debug;
    /// A ring of a kernel of the same kind.
    type Ring: Clone + Send + core::fmt::Debug;

    /// The open file that a number names now.
    fn file(&mut self, fd: RawFd) -> Result<Self::File, Errno>;

    /// The same, for an attempt that follows at once, and ends it: what else there is to know of
    /// the file may be of before.
    fn file_for_now(&mut self, fd: RawFd) -> Result<Self::File, Errno> {
        self.file(fd)
    }

    /// The ring whose number it is.
    fn ring(&self, fd: RawFd) -> Option<Self::Ring>;

    /// Whether it is the ring that this is the world of.
    fn is_own(&self, ring: &Self::Ring) -> bool;

    /// Whether a number of the process is a ring's.
    fn is_ring(&self, fd: RawFd) -> bool {
        self.ring(fd).is_some()
    }

    /// Whether a file is an eventfd.
    fn is_eventfd(&self, file: &Self::File) -> bool;

    /// Whether a file is a socket.
    fn is_socket(&self, file: &Self::File) -> bool;

    /// Whether a file becomes ready some time, and can be waited for.
    fn is_pollable(&self, file: &Self::File) -> bool;

    /// A file in memory, of so many zeros.
    fn memory(&mut self, bytes: usize) -> Result<OwnedFd, Errno>;

    /// How many files the process may have open.
    fn files_max(&self) -> u64;

    /// Whether a wait for `events` would end at once without them: the file has an error that
    /// stays until somebody takes it.
    fn is_stuck(&self, file: &Self::File, events: PollEvents) -> bool;

    /// Keeps an open file whatever becomes of the number that named it.
    fn keep(&mut self, file: Self::File) -> Result<Self::File, Errno>;

    /// As [`keep`](Self::keep), to be watched by one request alone: what others wait for is no
    /// change to it.
    fn keep_apart(&mut self, file: Self::File) -> Result<Self::File, Errno>;

    /// Whether that was done.
    fn is_kept(&self, file: &Self::File) -> bool;

    /// Whether two are the same open file, whatever numbers it has.
    fn is_same(&self, one: &Self::File, other: &Self::File) -> bool;

    /// How many bytes a stream has to receive; nobody knows of other files.
    fn queued(&self, file: &Self::File) -> Option<u32>;

    /// Does a send or a receive now that [`attempt`](Self::attempt) would do, if that cannot block:
    /// of an entry that is no work yet, and copies nothing. `None`: nothing was tried.
    fn transfer(&mut self, file: &Self::File, sqe: &Sqe) -> Option<Transfer>;

    /// Whether it was received from, and not looked at since: another receive would take from what
    /// is to be seen.
    fn is_unseen(&self, file: &Self::File) -> bool;

    /// Looks at all files that are unseen, at once. Whether one of them may have more: then it is
    /// asked what was [`seen`](Self::seen) of each.
    fn look(&mut self) -> bool;

    /// What there is to say of the next file that was looked at, in the order of the receives.
    fn seen(&mut self, file: &Self::File) -> CqeFlags;

    /// Does the work now if that cannot block.
    fn attempt(&mut self, work: &mut Work<Self::File>) -> Attempt;

    /// Has a thread do it that may block: the result comes by the world's own way, with the token.
    ///
    /// # Errors
    /// The work, if there is no thread for it.
    fn hand_over(
        &mut self,
        token: Token,
        work: Work<Self::File>,
    ) -> Result<(), Box<Work<Self::File>>>;

    /// Takes back what was handed over, as far as that can be.
    fn recall(&mut self, token: Token) -> Recall;

    /// Tells, once, when the file may be ready; or, if `events` have [`PollEvents::ET`], at each
    /// change, from one that it is ready already on, until it is taken back. `is_unready`: an
    /// attempt, or a look, has found that it is not.
    ///
    /// # Errors
    /// `EPERM`: a file that is never waited for, as a regular one.
    fn watch(
        &mut self,
        token: Token,
        file: &Self::File,
        events: PollEvents,
        is_unready: bool,
    ) -> Result<(), Errno>;

    /// Adds to `ready` whose files have told something by now, and are not told of it again.
    fn gather(&mut self, ready: &mut Vec<Token>);

    /// Takes back a watch that has told nothing.
    fn unwatch(&mut self, token: Token, file: &Self::File);

    /// Bounds the threads that may block, those of work that ends and the others, where the number
    /// is not 0: what the bounds were.
    fn bound_workers(&mut self, max: [u32; 2]) -> [u32; 2];

    /// What the time is by a clock.
    fn now(&self, clock: ClockId) -> Duration;

    /// Closes a number of the process.
    fn close(&mut self, fd: RawFd) -> Result<(), Errno>;

    /// Gives a kept file a number of the process's own.
    fn install(&mut self, file: &Self::File, cloexec: bool) -> Result<RawFd, Errno>;

    /// Adds one to an eventfd.
    fn signal(&mut self, file: &Self::File);
}

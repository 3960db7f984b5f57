//! [`Machine`]: the world of the host kernel: the process's own files, an epoll, some threads.

use core::ffi::c_int;
use std::collections::HashMap;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::{ClockId, CqeFlags, Op, OpenFlags, PollEvents, Sqe};

use super::pool::Pool;
use super::rings::{self, RingRef};
use super::wait::Inner;
use super::watches::{Kept, Watches};
use super::{perform, sys};
use crate::world::{Attempt, Recall, Token, Transfer, Work, World};

/// An open file: by the program's number, as long as that is looked at at once; or kept.
#[derive(Clone, Debug)]
pub(super) struct File {
    raw: RawFd,
    /// How it was opened, as of when it was named.
    flags: u32,
    /// As of earlier: it may be another file by now.
    is_guess: bool,
    held: Held,
}

/// What keeps a file open.
#[derive(Clone, Debug)]
enum Held {
    /// The program, for as long as it likes.
    Not,
    Kept(Arc<Kept>),
    /// It is not the program's: it is closed when it is not needed any more.
    Own(Arc<OwnedFd>),
}

impl File {
    /// By a number of the program's.
    pub(super) fn of(raw: RawFd) -> Self {
        Self { raw, flags: 0, is_guess: false, held: Held::Not }
    }

    /// One that the program has not.
    pub(super) fn own(fd: OwnedFd) -> Self {
        let raw = fd.as_raw_fd();
        Self { held: Held::Own(Arc::new(fd)), ..Self::of(raw) }
    }

    pub(super) fn raw(&self) -> RawFd {
        match &self.held {
            Held::Not => self.raw,
            Held::Kept(kept) => kept.raw(),
            Held::Own(own) => own.as_raw_fd(),
        }
    }

    /// How it was opened ([`OpenFlags`]).
    pub(super) fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether that may be of another file, which had the number before.
    pub(super) fn is_guess(&self) -> bool {
        self.is_guess
    }

    fn kept(&self) -> Option<&Kept> {
        if let Held::Kept(kept) = &self.held { Some(kept) } else { None }
    }

    fn kind(&self) -> Option<libc::mode_t> {
        let kind = || sys::fs::kind(self.raw()).ok();
        self.kept().map_or_else(kind, |kept| *kept.kind.get_or_init(kind))
    }

    /// A socket's domain and type.
    fn socket(&self) -> Option<(c_int, c_int)> {
        let socket = || {
            let domain = sys::net::option(self.raw(), libc::SO_DOMAIN).ok()?;
            Some((domain, sys::net::option(self.raw(), libc::SO_TYPE).ok()?))
        };
        self.kept().map_or_else(socket, |kept| *kept.socket.get_or_init(socket))
    }

    /// Whether it is a socket of TCP's or UDP's domain.
    pub(super) fn is_internet(&self) -> bool {
        matches!(self.socket(), Some((libc::AF_INET | libc::AF_INET6, _)))
    }

    /// Whether it is a socket that is a stream.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.socket(), Some((_, libc::SOCK_STREAM)))
    }

    /// Whether it is a socket over which what is sent has an order: part of it may be followed by
    /// the rest.
    pub(super) fn is_sequence(&self) -> bool {
        matches!(self.socket(), Some((_, libc::SOCK_STREAM | libc::SOCK_SEQPACKET)))
    }

    /// Whether a change brought data, and nothing else, and nobody has looked since.
    pub(super) fn take_calm(&self) -> bool {
        self.kept().is_some_and(Kept::take_calm)
    }

    /// Whether it becomes ready some time: a regular file or a directory never does.
    pub(super) fn is_pollable(&self) -> bool {
        !matches!(self.kind(), Some(libc::S_IFREG | libc::S_IFBLK | libc::S_IFDIR))
    }

    /// Whether it is as long as it is: what comes short of it ends there, or was interrupted.
    pub(super) fn has_an_end(&self) -> bool {
        matches!(self.kind(), Some(libc::S_IFREG | libc::S_IFBLK))
    }

    /// Whether it has neither a path nor a kind, as an eventfd.
    pub(super) fn is_nameless(&self) -> bool {
        self.kind() == Some(0)
    }

    pub(super) fn is_socket(&self) -> bool {
        self.kind() == Some(libc::S_IFSOCK)
    }

    pub(super) fn is_pipe(&self) -> bool {
        self.kind() == Some(libc::S_IFIFO)
    }
}

/// How the file was opened that a number of the program's named, when that was looked at.
///
/// To ask each time would be a system call for each operation. So it is asked now and then, and
/// wherever an attempt ends for that: what is done is done by the number, whatever was thought of
/// it. Of a file that is opened past the page cache (`O_DIRECT`) after another had its number, some
/// reads are waited for.
#[derive(Clone, Copy, Debug)]
struct Seen {
    flags: u32,
    /// How often that is still believed.
    uses: u8,
}

/// How often in a row that is believed.
const SEEN_USES: u8 = 32;
/// Of higher numbers it is not remembered.
const SEEN_MAX: usize = 4096;

/// Files of which data was received, and that are looked at for more, all by one call.
struct Looks {
    files: Vec<libc::pollfd>,
    /// How many looks there were, and one: no file has waited for this one before.
    number: u64,
    /// Of those that were looked at, the next to be told of.
    next: usize,
}

impl Looks {
    /// Looks at all of them: whether one is ready.
    fn look(&mut self) -> bool {
        self.number += 1;
        let any = sys::poll_any(&mut self.files).unwrap_or_else(|_interrupted| {
            // Each is asked by itself then.
            self.files.iter_mut().for_each(|file| file.revents = libc::POLLIN);
            true
        });
        if !any {
            self.files.clear();
        }
        any
    }

    /// Whether the next of those is ready that were looked at.
    fn is_next_ready(&mut self) -> bool {
        let is_ready = self.files.get(self.next).is_some_and(|file| file.revents != 0);
        self.next += 1;
        if self.next >= self.files.len() {
            self.files.clear();
            self.next = 0;
        }
        is_ready
    }
}

/// See above.
pub(super) struct Machine {
    pub(super) watches: Watches,
    pub(super) pool: Arc<Pool>,
    /// What is kept, by the program's number.
    pub(super) kept: HashMap<RawFd, Weak<Kept>>,
    /// What is known of the program's numbers.
    seen: Vec<Seen>,
    /// The ring that this is the world of.
    pub(super) own: Weak<Inner>,
    looks: Looks,
}

impl Machine {
    pub(super) fn new(watches: Watches, pool: Arc<Pool>) -> Self {
        Self {
            watches,
            pool,
            kept: HashMap::new(),
            seen: Vec::new(),
            own: Weak::new(),
            looks: Looks { files: Vec::new(), number: 1, next: 0 },
        }
    }

    /// Tries it again, with what is so of its file.
    #[cold]
    fn attempt_surely(&mut self, work: &mut Work<File>) -> Attempt {
        let Some(raw) = work.file.as_ref().map(File::raw) else {
            return Attempt::Done(Err(Errno::EBADF));
        };
        if let Some(seen) = usize::try_from(raw).ok().and_then(|place| self.seen.get_mut(place)) {
            seen.uses = 0;
        }
        match self.file(raw) {
            Ok(file) => work.file = Some(file),
            Err(errno) => return Attempt::Done(Err(errno)),
        }
        perform::attempt(work)
    }
}

/// Whether an error may be of what a file was thought to be, before it was asked.
fn may_be_another(errno: Errno) -> bool {
    matches!(errno, Errno::EBADF | Errno::EINVAL | Errno::EOPNOTSUPP)
}

impl World for Machine {
    type File = File;
    type Ring = RingRef;

    fn file(&mut self, fd: RawFd) -> Result<File, Errno> {
        let flags = sys::fs::status_flags(fd)?;
        // That is a place, not an open file.
        let is_place = OpenFlags(flags).contains(OpenFlags::PATH);
        if is_place { Err(Errno::EBADF) } else { Ok(File { flags, ..File::of(fd) }) }
    }

    fn file_for_now(&mut self, fd: RawFd) -> Result<File, Errno> {
        let place = usize::try_from(fd).map_err(|_negative| Errno::EBADF)?;
        if let Some(Seen { flags, uses }) = self.seen.get_mut(place)
            && *uses > 0
        {
            *uses -= 1;
            return Ok(File { flags: *flags, is_guess: true, ..File::of(fd) });
        }
        let file = self.file(fd)?;
        if place < SEEN_MAX {
            if place >= self.seen.len() {
                self.seen.resize(place + 1, Seen { flags: 0, uses: 0 });
            }
            self.seen[place] = Seen { flags: file.flags, uses: SEEN_USES };
        }
        Ok(file)
    }

    fn ring(&self, fd: RawFd) -> Option<RingRef> {
        rings::find(fd)
    }

    fn is_own(&self, ring: &RingRef) -> bool {
        Weak::ptr_eq(&ring.0, &self.own)
    }

    fn is_eventfd(&self, file: &File) -> bool {
        // Without /proc nobody can tell.
        sys::name(file.raw()).is_none_or(|name| name == "anon_inode:[eventfd]")
    }

    fn is_socket(&self, file: &File) -> bool {
        file.is_socket()
    }

    fn is_pollable(&self, file: &File) -> bool {
        file.is_pollable()
    }

    fn is_stuck(&self, file: &File, events: PollEvents) -> bool {
        let found = sys::poll(file.raw(), events.bits()).map(PollEvents);
        found.is_ok_and(|found| !found.is_empty() && !found.intersects(events))
    }

    fn memory(&mut self, bytes: usize) -> Result<OwnedFd, Errno> {
        sys::memory(bytes)
    }

    fn files_max(&self) -> u64 {
        sys::files_max()
    }

    fn keep(&mut self, file: File) -> Result<File, Errno> {
        if matches!(file.held, Held::Kept(_)) {
            return Ok(file);
        }
        // Thousands may wait for one file: they share a descriptor, if it is the same file still.
        let known = self.kept.get(&file.raw).and_then(Weak::upgrade);
        let shared = known.filter(|kept| sys::is_same(kept.raw(), file.raw) == Some(true));
        let kept = match shared {
            Some(kept) => kept,
            None => {
                let fd = sys::duplicate(file.raw)?;
                let kept = self.watches.keep(fd, false);
                self.kept.insert(file.raw, Arc::downgrade(&kept));
                kept
            }
        };
        Ok(File { is_guess: false, held: Held::Kept(kept), ..file })
    }

    fn keep_apart(&mut self, file: File) -> Result<File, Errno> {
        if file.kept().is_some_and(|kept| kept.is_apart) {
            return Ok(file);
        }
        let kept = self.watches.keep(sys::duplicate(file.raw())?, true);
        Ok(File { is_guess: false, held: Held::Kept(kept), ..file })
    }

    fn is_kept(&self, file: &File) -> bool {
        matches!(file.held, Held::Kept(_))
    }

    fn is_same(&self, one: &File, other: &File) -> bool {
        // Where the kernel does not say, they are what the program calls by one number.
        sys::is_same(one.raw(), other.raw()).unwrap_or(one.raw == other.raw)
    }

    fn queued(&self, file: &File) -> Option<u32> {
        perform::queued(file)
    }

    #[inline]
    fn transfer(&mut self, file: &File, sqe: &Sqe) -> Option<Transfer> {
        if !perform::is_plain(sqe) {
            return None;
        }
        let transfer = perform::transfer_plain(file, sqe, file.kept().is_some());
        if let (Transfer::Unseen(_), Some(kept)) = (transfer, file.kept()) {
            kept.wait_for_look(self.looks.number);
            self.looks.files.push(sys::to_poll(kept.raw()));
        }
        Some(transfer)
    }

    fn is_unseen(&self, file: &File) -> bool {
        file.kept().is_some_and(|kept| kept.waits_for_look(self.looks.number))
    }

    fn look(&mut self) -> bool {
        self.looks.look()
    }

    fn seen(&mut self, file: &File) -> CqeFlags {
        if self.looks.is_next_ready() { perform::what_is_left(file) } else { CqeFlags::empty() }
    }

    fn attempt(&mut self, work: &mut Work<File>) -> Attempt {
        let attempt = perform::attempt(work);
        match (attempt, &work.file) {
            // Most: it was done, or has failed by itself, which would not happen twice.
            (Attempt::Done(Ok(_)), _) => attempt,
            (Attempt::Done(Err(errno)), _) if !may_be_another(errno) => attempt,
            // Nothing was asked of what it was opened for.
            _ if matches!(work.sqe.opcode, Op::SEND | Op::RECV) => attempt,
            (_, Some(file)) if file.is_guess => self.attempt_surely(work),
            _ => attempt,
        }
    }

    fn hand_over(&mut self, token: Token, work: Work<File>) -> Result<(), Box<Work<File>>> {
        self.pool.hand_over(token, work)
    }

    fn recall(&mut self, token: Token) -> Recall {
        self.pool.recall(token)
    }

    fn watch(
        &mut self,
        token: Token,
        file: &File,
        events: PollEvents,
        is_unready: bool,
    ) -> Result<(), Errno> {
        let kept = file.kept().ok_or(Errno::EBADF)?;
        self.watches.watch(token, kept, events, is_unready)
    }

    fn gather(&mut self, ready: &mut Vec<Token>) {
        if !self.watches.is_idle() {
            self.watches.gather(ready);
        }
    }

    fn unwatch(&mut self, token: Token, file: &File) {
        if let Some(kept) = file.kept() {
            self.watches.unwatch(token, kept);
        }
    }

    fn bound_workers(&mut self, max: [u32; 2]) -> [u32; 2] {
        self.pool.bound(max)
    }

    fn now(&self, clock: ClockId) -> Duration {
        sys::now(clock)
    }

    fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        // Linux closes no ring for an entry.
        if rings::has_number(fd) { Err(Errno::EBADF) } else { sys::close(fd).map(drop) }
    }

    fn install(&mut self, file: &File, cloexec: bool) -> Result<RawFd, Errno> {
        let fd = sys::duplicate(file.raw())?;
        if !cloexec {
            sys::keep_over_exec(fd.as_raw_fd())?;
        }
        Ok(fd.into_raw_fd())
    }

    fn signal(&mut self, file: &File) {
        // A write to one that is full would wait for room, unless it was made not to: full says
        // already what is to be said.
        let waits = !OpenFlags(file.flags()).contains(OpenFlags::NONBLOCK);
        if waits && sys::poll(file.raw(), PollEvents::OUT.bits()) == Ok(0) {
            return;
        }
        sys::signal(file.raw());
    }
}

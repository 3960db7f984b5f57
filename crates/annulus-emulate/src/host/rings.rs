//! The rings of this process, by their descriptors: who sends a message names its target so.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use annulus_ring::abi::Sqe;
use annulus_ring::{Errno, ForkMark};

use super::machine::Machine;
use super::sys;
use super::wait::Inner;
use crate::semantics::Message;

/// What a ring's descriptor says that it is, before the ring's number: read in `/proc`.
const MARK: u64 = 0x616e_6e75 << 32;

/// A ring, which may be gone.
#[derive(Clone)]
pub(super) struct RingRef(pub(super) Weak<Inner>);

impl core::fmt::Debug for RingRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("RingRef").finish_non_exhaustive()
    }
}

/// Those there are, by name and by descriptor.
type Rings = Vec<(u64, RawFd, RingRef)>;

/// The rings of one process.
struct Table {
    rings: Mutex<Rings>,
    /// Where there is none, a child is not told from its parent.
    mark: Option<ForkMark>,
    /// That of a child, whose parent this one is.
    next: OnceLock<Box<Table>>,
}

impl Table {
    fn new() -> Self {
        let mark = ForkMark::new().ok();
        Self { rings: Mutex::default(), mark, next: OnceLock::new() }
    }
}

/// The rings of this process. A child has a table of its own: the lock of its parent's may have
/// been held, when it was forked, by a thread that it has not.
fn rings() -> MutexGuard<'static, Rings> {
    static FIRST: OnceLock<Table> = OnceLock::new();
    let mut table = FIRST.get_or_init(Table::new);
    while table.mark.as_ref().is_some_and(ForkMark::is_forked) {
        table = table.next.get_or_init(|| Box::new(Table::new()));
    }
    table.rings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name for another ring.
pub(super) fn new_name() -> u64 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Relaxed: pairs with nothing: a number that is given once.
    MARK | u64::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a ring known.
pub(super) fn enter(name: u64, fd: RawFd, ring: &Arc<Inner>) {
    rings().push((name, fd, RingRef(Arc::downgrade(ring))));
}

/// Forgets it.
pub(super) fn leave(name: u64) {
    rings().retain(|(other, ..)| *other != name);
}

/// The ring whose descriptor it is, or was duplicated from.
pub(super) fn find(fd: RawFd) -> Option<RingRef> {
    let by_number = rings().iter().find(|(_, other, _)| *other == fd).map(|found| found.2.clone());
    let found = by_number.or_else(|| {
        let name = name_of(fd)?;
        rings().iter().find(|(other, ..)| *other == name).map(|found| found.2.clone())
    })?;
    // A child has its parent's, and may not touch them.
    let is_here = found.0.upgrade().is_some_and(|ring| !ring.is_forked());
    is_here.then_some(found)
}

/// Whether a number is a ring's own, and not that of a duplicate.
pub(super) fn has_number(fd: RawFd) -> bool {
    rings().iter().any(|(_, other, _)| *other == fd)
}

/// The name of the ring whose descriptor it is, which may be gone.
pub(super) fn name_of(fd: RawFd) -> Option<u64> {
    if sys::name(fd)? != "anon_inode:[eventpoll]" {
        return None;
    }
    let watched = sys::watched_by(fd)?;
    let data = watched.lines().find(|line| line.starts_with("tfd:"))?.split("data:").nth(1)?;
    let data = u64::from_str_radix(data.split_whitespace().next()?, 16).ok()?;
    (data & !u64::from(u32::MAX) == MARK).then_some(data)
}

/// Whether it is a ring's descriptor, or that of a ring which is gone: an epoll that watches
/// nothing any more.
pub(super) fn is_ring(fd: RawFd) -> bool {
    let is_empty = || sys::watched_by(fd).is_some_and(|watched| !watched.contains("tfd:"));
    name_of(fd).is_some()
        || sys::name(fd).is_some_and(|name| name == "anon_inode:[eventpoll]") && is_empty()
}

/// Gives a message to its ring. Nobody's lock is held meanwhile but that ring's.
pub(super) fn deliver(message: &Message<Machine>) -> Result<u32, Errno> {
    let target = message.target.0.upgrade().ok_or(Errno::EBADFD)?;
    let file = message.file.as_ref().map(|(file, slot)| (file.raw(), *slot));
    let mut state = target.state();
    let answer = state.core.receive(message, file);
    state = target.send_messages(state);
    target.settle(&mut state);
    answer
}

/// A message from a thread without a ring.
///
/// # Errors
/// `EBADF`: no descriptor. `EBADFD`: not a ring's, or one that is not enabled. `EINVAL`.
pub(super) fn send(sqe: &Sqe) -> Result<u32, Errno> {
    if !sys::is_open(sqe.fd) {
        return Err(Errno::EBADF);
    }
    let target = find(sqe.fd).ok_or(Errno::EBADFD)?;
    deliver(&Message::data(sqe, target)?)
}

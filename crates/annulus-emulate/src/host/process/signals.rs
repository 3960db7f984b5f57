//! Signals, told to whoever listens: a handler that adds to an eventfd of each listener.
//!
//! Why a handler and not a signalfd: from that a signal is read only where every thread of the
//! process blocks it, those of other libraries too, and what a thread blocks its children block
//! after `execve`, so that they could not be ended. And of several that read one signalfd one alone
//! gets the signal.
//!
//! What the handler looks at is never freed and never closed: a listener's place and its eventfd
//! are the next listener's. So there is nothing that it could find gone, and no number that means
//! another file by then. Places of one process are not those of a child that it forks: the handler
//! there leaves them alone.

use core::sync::atomic::{AtomicBool, Ordering};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use annulus_ring::Errno;

use crate::host::sys;
use crate::host::sys::signal::{Action, SIGNALS};

/// A place for a listener, and all that a handler needs of it.
struct Place {
    event: OwnedFd,
    /// Whose it is.
    process: u32,
    is_taken: AtomicBool,
    next: OnceLock<&'static Place>,
}

/// What there is of a signal.
struct Signal {
    first: OnceLock<&'static Place>,
    /// What was there before the first listener. Written before the handler is.
    before: OnceLock<&'static Before>,
}

/// What the process did about a signal before it was watched for.
struct Before {
    action: Action,
    /// What it did before that was so for another time, if it is something else.
    later: OnceLock<&'static Before>,
}

static ALL: [Signal; SIGNALS] =
    [const { Signal { first: OnceLock::new(), before: OnceLock::new() } }; SIGNALS];

/// Who changes anything, one at a time. Which handlers are ours, by number.
static INSTALLED: Mutex<[bool; SIGNALS]> = Mutex::new([false; SIGNALS]);

fn installed() -> MutexGuard<'static, [bool; SIGNALS]> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The places of a signal.
fn places(signal: usize) -> impl Iterator<Item = &'static Place> {
    core::iter::successors(ALL[signal].first.get().copied(), |place| place.next.get().copied())
}

/// What the process did before its handler was installed the last time.
fn before(signal: usize) -> Option<&'static Before> {
    let first = ALL[signal].before.get().copied();
    core::iter::successors(first, |before| before.later.get().copied()).last()
}

/// Called by the handler, wherever a thread was interrupted: no lock, no allocation, no other call
/// than `getpid(2)` and `write(2)`.
pub(in crate::host) fn arrived(signal: usize) -> Option<&'static Action> {
    let process = std::process::id();
    for place in places(signal) {
        // Acquire: pairs with the release of `SignalWatch::new`: what it drained is before this.
        if place.process == process && place.is_taken.load(Ordering::Acquire) {
            sys::signal(place.event.as_raw_fd());
        }
    }
    before(signal).map(|before| &before.action)
}

/// Watches for a signal: an eventfd that is readable when it came.
///
/// Each watch is told of each signal that comes after it was made; several that come before
/// anybody looks are one. From the first watch of a signal on the process does not do what it did
/// by default, not after the last watch is gone either, until [`restore_signal`]. A handler that
/// was there before is called still.
///
/// ```
/// use annulus_emulate::SignalWatch;
/// let watch = SignalWatch::new(10)?; // SIGUSR1
/// assert!(!watch.take());
/// let pid = std::process::id().to_string();
/// assert!(std::process::Command::new("kill").args(["-USR1", &pid]).status()?.success());
/// while !watch.take() {}
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct SignalWatch {
    place: &'static Place,
}

impl core::fmt::Debug for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Place").field(&self.event).finish()
    }
}

impl SignalWatch {
    /// Watches for the signal of this number.
    ///
    /// # Errors
    /// - `EINVAL`: there is no such signal, or it cannot be handled (`SIGKILL`, `SIGSTOP`), or it
    ///   says that the thread cannot go on (`SIGSEGV`, `SIGBUS`, `SIGFPE`, `SIGILL`).
    /// - `EMFILE`, `ENFILE`: there is no descriptor left: raise `RLIMIT_NOFILE`.
    ///
    /// See [sigaction(2)](https://man7.org/linux/man-pages/man2/sigaction.2.html).
    ///
    /// ```
    /// use annulus_emulate::{Errno, SignalWatch};
    /// assert!(SignalWatch::new(12).is_ok());
    /// assert_eq!(SignalWatch::new(9).unwrap_err(), Errno::EINVAL);
    /// ```
    pub fn new(signal: i32) -> Result<Self, Errno> {
        let number = valid(signal)?;
        let mut installed = installed();
        let process = std::process::id();
        // Acquire: pairs with the release of a drop, so that nobody has the place.
        let is_free =
            |place: &&Place| place.process == process && !place.is_taken.load(Ordering::Acquire);
        let place = match places(number).find(is_free) {
            Some(place) => place,
            None => add_place(number, process)?,
        };
        sys::drain(place.event.as_raw_fd());
        // Release: pairs with the acquire of `arrived`.
        place.is_taken.store(true, Ordering::Release);
        let watch = Self { place };
        if !installed[number] {
            note_before(number, sys::signal::action(signal)?);
            sys::signal::handle(signal)?;
            installed[number] = true;
        }
        Ok(watch)
    }

    /// Whether the signal has come since the last time.
    ///
    /// ```
    /// assert!(!annulus_emulate::SignalWatch::new(12)?.take());
    /// # Ok::<(), annulus_emulate::Errno>(())
    /// ```
    pub fn take(&self) -> bool {
        sys::take_count(self.place.event.as_raw_fd())
    }
}

/// Readable when the signal has come.
impl AsFd for SignalWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.place.event.as_fd()
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        // Release: pairs with the acquire of `new`: what this did is before the next does anything.
        self.place.is_taken.store(false, Ordering::Release);
    }
}

/// A number that may be watched for.
fn valid(signal: i32) -> Result<usize, Errno> {
    let number = usize::try_from(signal).ok().filter(|number| (1..SIGNALS).contains(number));
    number.filter(|_| !sys::signal::is_fatal(signal)).ok_or(Errno::EINVAL)
}

/// One more place, behind all others. The caller has the lock.
fn add_place(signal: usize, process: u32) -> Result<&'static Place, Errno> {
    let event = sys::eventfd()?;
    let (is_taken, next) = (AtomicBool::new(false), OnceLock::new());
    // For good: as many as there ever are listeners at once.
    let place: &'static Place = Box::leak(Box::new(Place { event, process, is_taken, next }));
    let end = places(signal).last().map_or(&ALL[signal].first, |last| &last.next);
    // The end is so as long as the lock is held.
    let _ = end.set(place);
    Ok(place)
}

/// Notes what the process does about a signal, for as long as its handler is there, and for good:
/// the handler may be looking at it. The caller has the lock.
fn note_before(signal: usize, action: Action) {
    let last = before(signal);
    if last.is_some_and(|last| last.action.is_same(&action)) {
        return;
    }
    let later = OnceLock::new();
    let end = last.map_or(&ALL[signal].before, |last| &last.later);
    // The end is so as long as the lock is held.
    let _ = end.set(Box::leak(Box::new(Before { action, later })));
}

/// Has the process do again what it did before a signal was watched for the first time.
///
/// # Errors
/// - `EBUSY`: it is watched for.
/// - `EINVAL`: there is no such signal, or it cannot be watched for.
///
/// ```
/// use annulus_emulate::{Errno, SignalWatch, restore_signal};
/// let watch = SignalWatch::new(29)?; // SIGIO
/// assert_eq!(restore_signal(29), Err(Errno::EBUSY));
/// drop(watch);
/// restore_signal(29)?;
/// # Ok::<(), Errno>(())
/// ```
pub fn restore_signal(signal: i32) -> Result<(), Errno> {
    let number = valid(signal)?;
    let mut installed = installed();
    let process = std::process::id();
    // Acquire: pairs with the release of a drop.
    let is_taken =
        |place: &Place| place.process == process && place.is_taken.load(Ordering::Acquire);
    if places(number).any(is_taken) {
        return Err(Errno::EBUSY);
    }
    if installed[number] {
        if let Some(before) = before(number) {
            sys::signal::restore(signal, &before.action)?;
        }
        installed[number] = false;
    }
    Ok(())
}

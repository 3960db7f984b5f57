//! Ending a system call of another thread early: a signal that nobody else uses, whose handler does
//! nothing, and that is sent again until the call has ended.
//!
//! A signal that comes right before the call begins interrupts nothing: hence again.

use core::ffi::c_int;
use std::sync::OnceLock;

/// How long until it is sent again.
const AGAIN_NS: i64 = 1_000_000;

extern "C" fn nothing(_: c_int) {}

/// The signal: the last of the real-time ones that nobody handles. It is not restarted after
/// (`SA_RESTART`), which is what it is for.
fn signal() -> Option<c_int> {
    static SIGNAL: OnceLock<Option<c_int>> = OnceLock::new();
    *SIGNAL.get_or_init(|| (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev().find(|at| take(*at)))
}

/// Takes a signal that nobody handles. False: somebody does.
fn take(signal: c_int) -> bool {
    // SAFETY: all zero is a value of the structure: no mask, no flags, the default action.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: the structure is a local.
    let asked = unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) };
    if asked != 0 || action.sa_sigaction != libc::SIG_DFL {
        return false;
    }
    action.sa_sigaction = nothing as *const () as libc::sighandler_t;
    // SAFETY: the handler does nothing, which is safe at any time, in any thread.
    unsafe { libc::sigaction(signal, &raw const action, core::ptr::null_mut()) == 0 }
}

/// Which signals a thread does not get.
pub(in crate::host) struct Mask(libc::sigset_t);

/// Blocks all signals in this thread: one that it starts inherits that. Those blocked before.
pub(in crate::host) fn block_signals() -> Mask {
    // SAFETY: all zero is an empty set.
    let mut all: libc::sigset_t = unsafe { core::mem::zeroed() };
    let mut before = all;
    // SAFETY: a local set.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: both sets are locals.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    Mask(before)
}

/// Blocks those alone that were blocked before.
pub(in crate::host) fn restore_signals(mask: &Mask) {
    // SAFETY: the set is the caller's, during the call.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, core::ptr::null_mut()) };
}

/// Has this thread, which gets no signals, get the one that ends its calls.
pub(in crate::host) fn accept_interrupts() {
    let Some(signal) = signal() else { return };
    // SAFETY: all zero is an empty set.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: a local set, and a signal there is.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: a local set.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, core::ptr::null_mut()) };
}

/// The number of this thread.
pub(in crate::host) fn thread() -> c_int {
    // SAFETY: it takes nothing.
    unsafe { libc::gettid() }
}

/// The number of this process.
pub(in crate::host) fn process() -> c_int {
    // SAFETY: it takes nothing.
    unsafe { libc::getpid() }
}

/// Ends a system call of a thread of ours, if it is in one.
pub(in crate::host) fn interrupt(thread: c_int) {
    let Some(signal) = signal() else { return };
    // SAFETY: numbers: a thread of this process, a signal that is handled.
    unsafe { libc::syscall(libc::SYS_tgkill, process(), thread, signal) };
}

/// Interrupts a thread again and again, until it is dropped.
#[derive(Debug)]
pub(in crate::host) struct Alarm(libc::timer_t);

// SAFETY: a timer is named by a number of the process, whichever thread has it.
unsafe impl Send for Alarm {}

impl Alarm {
    /// None: there is no signal or no timer left; then the thread was interrupted once.
    pub(in crate::host) fn new(thread: c_int) -> Option<Self> {
        interrupt(thread);
        // SAFETY: all zero is a value of the structure.
        let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal()?;
        event.sigev_notify_thread_id = thread;
        let mut timer = core::ptr::null_mut();
        // SAFETY: the structures are locals.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        if made != 0 {
            return None;
        }
        let again = libc::timespec { tv_sec: 0, tv_nsec: AGAIN_NS };
        let times = libc::itimerspec { it_interval: again, it_value: again };
        // SAFETY: the timer was made above; the times are a local.
        unsafe { libc::timer_settime(timer, 0, &raw const times, core::ptr::null_mut()) };
        Some(Self(timer))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer was made by `new`, and is nobody else's.
        unsafe { libc::timer_delete(self.0) };
    }
}

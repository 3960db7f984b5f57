//! Handling signals: one handler for all, which tells of them, and calls who was there before.

use core::ffi::{c_int, c_void};

use annulus_ring::Errno;

use super::int;

/// One more than the highest signal there is.
pub(in crate::host) const SIGNALS: usize = 65;

/// What a process does about a signal.
pub(in crate::host) struct Action(libc::sigaction);

impl Action {
    /// Whether the two are one handler.
    pub(in crate::host) fn is_same(&self, other: &Self) -> bool {
        let siginfo = |action: &Self| action.0.sa_flags & libc::SA_SIGINFO;
        self.0.sa_sigaction == other.0.sa_sigaction && siginfo(self) == siginfo(other)
    }
}

/// Whether a signal cannot be handled, or says that its thread cannot go on: its handler must not
/// return.
pub(in crate::host) fn is_fatal(signal: c_int) -> bool {
    let never = [libc::SIGKILL, libc::SIGSTOP];
    let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];
    never.contains(&signal) || faults.contains(&signal)
}

/// What the process does about a signal now.
pub(in crate::host) fn action(signal: c_int) -> Result<Action, Errno> {
    // SAFETY: all zero is a value of the structure: no mask, no flags, the default action.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: the structure is a local.
    int(unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) })?;
    Ok(Action(action))
}

/// Has it do that again.
pub(in crate::host) fn restore(signal: c_int, action: &Action) -> Result<(), Errno> {
    // SAFETY: it is what the process had before, and so is its handler.
    int(unsafe { libc::sigaction(signal, &raw const action.0, core::ptr::null_mut()) })?;
    Ok(())
}

/// Installs the handler. Calls that it interrupts go on.
pub(in crate::host) fn handle(signal: c_int) -> Result<(), Errno> {
    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler calls nothing that must not be called in one: see `arrived`.
    int(unsafe { libc::sigaction(signal, &raw const action, core::ptr::null_mut()) })?;
    Ok(())
}

/// The handler.
extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: this thread's own, as long as it runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { errno.read() };
    let number = usize::try_from(signal).unwrap_or(0);
    let before = if number < SIGNALS { crate::host::process::arrived(number) } else { None };
    if let Some(Action(before)) = before {
        call(before, signal, info, context);
    }
    // What was interrupted may look at it next.
    // SAFETY: as above.
    unsafe { errno.write(saved) };
}

/// Calls the handler of an action, if that is one.
fn call(action: &libc::sigaction, signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let address = action.sa_sigaction;
    // Ours, where somebody has put back what he found once: it is the one that calls this.
    let is_ours = address == on_signal as *const () as libc::sighandler_t;
    if is_ours || address == libc::SIG_DFL || address == libc::SIG_IGN {
        return;
    }
    let code = core::ptr::with_exposed_provenance::<()>(address);
    if action.sa_flags & libc::SA_SIGINFO == 0 {
        // SAFETY: whoever installed it gave the address of such a function.
        let handler: extern "C" fn(c_int) = unsafe { core::mem::transmute(code) };
        handler(signal);
    } else {
        type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
        // SAFETY: as above.
        let handler: Handler = unsafe { core::mem::transmute(code) };
        handler(signal, info, context);
    }
}

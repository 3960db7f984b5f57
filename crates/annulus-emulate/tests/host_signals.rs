//! Signals: who handled one before is called still, and alone again when that is restored.

use std::sync::atomic::{AtomicU32, Ordering};

use annulus_emulate::{Errno, SignalWatch, restore_signal};

/// How often the program's own handlers were called.
static CALLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn simple(_: libc::c_int) {
    // Relaxed: pairs with nothing: the count alone matters, and `raise` returns after the handler.
    CALLED.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn twice(_: libc::c_int) {
    // Relaxed: as above; pairs with nothing.
    CALLED.fetch_add(2, Ordering::Relaxed);
}

extern "C" fn informed(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    assert!(signal == libc::SIGCONT && !info.is_null() && !context.is_null());
    // Relaxed: as above; pairs with nothing.
    CALLED.fetch_add(100, Ordering::Relaxed);
}

fn called() -> u32 {
    // Relaxed: as above; pairs with nothing.
    CALLED.load(Ordering::Relaxed)
}

fn install(signal: libc::c_int, handler: usize, flags: libc::c_int) {
    // SAFETY: all zero is a value of the structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    (action.sa_sigaction, action.sa_flags) = (handler, flags);
    // SAFETY: the handlers above touch an atomic alone.
    let done = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

fn raise(signal: libc::c_int) {
    // SAFETY: a number.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

#[test]
fn an_earlier_handler_is_called_too() {
    install(libc::SIGURG, simple as *const () as usize, 0);
    install(libc::SIGCONT, informed as *const () as usize, libc::SA_SIGINFO);
    let one = SignalWatch::new(libc::SIGURG).unwrap();
    let other = SignalWatch::new(libc::SIGCONT).unwrap();
    raise(libc::SIGURG);
    assert_eq!((called(), one.take(), one.take(), other.take()), (1, true, false, false));
    raise(libc::SIGCONT);
    assert_eq!((called(), one.take(), other.take()), (101, false, true));
    assert_eq!(restore_signal(libc::SIGURG), Err(Errno::EBUSY));
    drop(one);
    raise(libc::SIGURG);
    assert_eq!(called(), 102, "without a listener too");
    restore_signal(libc::SIGURG).unwrap();
    restore_signal(libc::SIGURG).unwrap();
    raise(libc::SIGURG);
    assert_eq!(called(), 103);
    // And once more.
    let again = SignalWatch::new(libc::SIGURG).unwrap();
    raise(libc::SIGURG);
    assert_eq!((called(), again.take()), (104, true));
    // Another handler since: it is that one now.
    drop(again);
    restore_signal(libc::SIGURG).unwrap();
    install(libc::SIGURG, twice as *const () as usize, 0);
    let last = SignalWatch::new(libc::SIGURG).unwrap();
    raise(libc::SIGURG);
    assert_eq!((called(), last.take()), (106, true));
}

#[test]
fn what_was_interrupted_finds_its_errno() {
    let watch = SignalWatch::new(libc::SIGWINCH).unwrap();
    // The count of an eventfd that is full: the write in the handler fails.
    let full = (u64::MAX - 1).to_ne_bytes();
    let fd = std::os::fd::AsFd::as_fd(&watch).try_clone_to_owned().unwrap();
    std::io::Write::write_all(&mut std::fs::File::from(fd), &full).unwrap();
    // SAFETY: this thread's own.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { errno.write(1234) };
    raise(libc::SIGWINCH);
    // SAFETY: as above.
    assert_eq!(unsafe { errno.read() }, 1234);
    assert!(watch.take());
}

#[test]
fn a_forked_child_tells_the_parents_listeners_nothing() {
    let watch = SignalWatch::new(libc::SIGUSR1).unwrap();
    // SAFETY: the child calls nothing but what is allowed between fork and exec.
    let child = unsafe { libc::fork() };
    if child == 0 {
        raise(libc::SIGUSR1);
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: a child of this process; the status is a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the signal did not end it");
    assert!(!watch.take());
}

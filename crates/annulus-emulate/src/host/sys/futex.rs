//! Futexes: words of the program, by the addresses in entries.

use core::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use annulus_ring::Errno;
use annulus_ring::abi::{Futex2Flags, FutexWaitv};

use super::{Answer, answer};

/// What is asked of one word, as `futex(2)` has it.
fn futex(addr: u64, op: c_int, flags: Futex2Flags, val: u32, val2: usize, mask: u32) -> Answer {
    let private = if flags.contains(Futex2Flags::PRIVATE) { libc::FUTEX_PRIVATE_FLAG } else { 0 };
    let word: *mut c_void = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: the word is that of an entry under way (`Kernel::enter`), or a gate that its caller
    // keeps; the kernel checks the address, and reads it atomically.
    answer(unsafe {
        libc::syscall(libc::SYS_futex, word, op | private, val, val2, word, mask) as isize
    })
}

/// Waits until a wake that has one of the bits of `mask`.
///
/// # Errors
/// `EAGAIN`: the word is not `val`. `EINTR`.
pub(in crate::host) fn wait(addr: u64, flags: Futex2Flags, val: u32, mask: u32) -> Answer {
    futex(addr, libc::FUTEX_WAIT_BITSET, flags, val, 0, mask)
}

/// Wakes up to `count` of those that wait with one of the bits of `mask`: how many.
pub(in crate::host) fn wake(addr: u64, flags: Futex2Flags, count: u32, mask: u32) -> Answer {
    futex(addr, libc::FUTEX_WAKE_BITSET, flags, count, 0, mask)
}

/// How many wait for a word: so many would move from its queue to its queue.
pub(in crate::host) fn waiters(addr: u64, flags: Futex2Flags) -> u32 {
    futex(addr, libc::FUTEX_REQUEUE, flags, 0, i32::MAX as usize, 0).unwrap_or(0)
}

/// A private word of our own.
pub(in crate::host) fn address(word: &AtomicU32) -> u64 {
    word.as_ptr().expose_provenance() as u64
}

/// `futex_waitv(2)`, without a limit: the index of the one that was woken.
///
/// # Errors
/// `EAGAIN`: one is not what it was to be. `EINTR`. `ENOSYS`: Linux before 5.16.
pub(in crate::host) fn wait_many(waits: &[FutexWaitv], look_only: bool) -> Answer {
    let none = core::ptr::null::<libc::timespec>();
    // A time that has passed: it says what is wrong, and does not wait.
    let past = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let limit = if look_only { &raw const past } else { none };
    let (at, count) = (waits.as_ptr(), waits.len() as c_long);
    // SAFETY: so many structures, which live during the call; the words are those of an entry under
    // way (`Kernel::enter`) and a gate that the caller keeps.
    let woken =
        unsafe { libc::syscall(libc::SYS_futex_waitv, at, count, 0, limit, libc::CLOCK_MONOTONIC) };
    answer(woken as isize)
}

/// Whether several words can be waited for: Linux 5.16, and no filter of system calls.
pub(in crate::host) fn can_wait_for_many() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;
    static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);
    // Relaxed: pairs with the store below: whoever finds it first finds the same.
    if FOUND.load(Ordering::Relaxed) == UNKNOWN {
        // None at all are refused, where the call is known.
        let is_known = wait_many(&[], true) == Err(Errno::EINVAL);
        // Relaxed: pairs with the loads here.
        FOUND.store(if is_known { YES } else { NO }, Ordering::Relaxed);
    }
    // Relaxed: pairs with the store above.
    FOUND.load(Ordering::Relaxed) == YES
}

/// Looks whether a word could be waited for.
///
/// # Errors
/// `ETIMEDOUT`: it could. `EAGAIN`: it is not `val`. `EINVAL`, `EFAULT`: it is no word.
pub(in crate::host) fn look(addr: u64, flags: Futex2Flags, val: u32, mask: u32) -> Answer {
    let private = if flags.contains(Futex2Flags::PRIVATE) { libc::FUTEX_PRIVATE_FLAG } else { 0 };
    let past = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let word: *mut c_void = core::ptr::with_exposed_provenance_mut(addr as usize);
    let op = libc::FUTEX_WAIT_BITSET | private;
    // SAFETY: the word is that of an entry under way (`Kernel::enter`); the time is a local.
    answer(unsafe {
        libc::syscall(libc::SYS_futex, word, op, val, &raw const past, 0_usize, mask) as isize
    })
}

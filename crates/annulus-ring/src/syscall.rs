//! The system call instruction, inlined into whoever calls.
//!
//! A call and a return around the instruction cost some 450 cycles per enter where the kernel's
//! mitigations leave the return predictor useless, as much as two NOPs of work: so these are
//! `#[inline(always)]`, and written per architecture. Elsewhere `libc::syscall` does.
//!
//! io_uring's own numbers are the same on every architecture.

use core::ffi::c_void;
use std::os::fd::RawFd;

use crate::abi::{EnterFlags, Params, RegisterOp};
use crate::errno::Errno;

/// `io_uring_setup(2)`.
pub(crate) const IO_URING_SETUP: usize = 425;
/// `io_uring_enter(2)`.
pub(crate) const IO_URING_ENTER: usize = 426;
/// `io_uring_register(2)`.
pub(crate) const IO_URING_REGISTER: usize = 427;

/// The numbers of the calls that do an entry at once.
#[cfg(target_arch = "x86_64")]
mod numbers {
    pub(crate) const CLOSE: usize = 3;
    pub(crate) const SENDTO: usize = 44;
    pub(crate) const RECVFROM: usize = 45;
    pub(crate) const PREADV2: usize = 327;
    pub(crate) const PWRITEV2: usize = 328;
    pub(crate) const STATX: usize = 332;
    pub(crate) const GETSOCKNAME: usize = 51;
    pub(crate) const GETPEERNAME: usize = 52;
    pub(crate) const SOCKETPAIR: usize = 53;
    pub(crate) const GETSOCKOPT: usize = 55;
    pub(crate) const FCNTL: usize = 72;
    pub(crate) const SIGNALFD4: usize = 289;
    pub(crate) const GETRANDOM: usize = 318;
    pub(crate) const PIDFD_SEND_SIGNAL: usize = 424;
    pub(crate) const PIDFD_OPEN: usize = 434;
    pub(crate) const SOCKET: usize = 41;
    pub(crate) const SENDMSG: usize = 46;
    pub(crate) const RECVMSG: usize = 47;
    pub(crate) const SHUTDOWN: usize = 48;
    pub(crate) const BIND: usize = 49;
    pub(crate) const LISTEN: usize = 50;
    pub(crate) const SETSOCKOPT: usize = 54;
    pub(crate) const UNLINKAT: usize = 263;
    pub(crate) const PIPE2: usize = 293;
}
/// As above: the table that newer architectures share.
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod numbers {
    pub(crate) const CLOSE: usize = 57;
    pub(crate) const SENDTO: usize = 206;
    pub(crate) const RECVFROM: usize = 207;
    pub(crate) const PREADV2: usize = 286;
    pub(crate) const PWRITEV2: usize = 287;
    pub(crate) const STATX: usize = 291;
    pub(crate) const GETSOCKNAME: usize = 204;
    pub(crate) const GETPEERNAME: usize = 205;
    pub(crate) const SOCKETPAIR: usize = 199;
    pub(crate) const GETSOCKOPT: usize = 209;
    pub(crate) const FCNTL: usize = 25;
    pub(crate) const SIGNALFD4: usize = 74;
    pub(crate) const GETRANDOM: usize = 278;
    pub(crate) const PIDFD_SEND_SIGNAL: usize = 424;
    pub(crate) const PIDFD_OPEN: usize = 434;
    pub(crate) const SOCKET: usize = 198;
    pub(crate) const BIND: usize = 200;
    pub(crate) const LISTEN: usize = 201;
    pub(crate) const SETSOCKOPT: usize = 208;
    pub(crate) const SHUTDOWN: usize = 210;
    pub(crate) const SENDMSG: usize = 211;
    pub(crate) const RECVMSG: usize = 212;
    pub(crate) const UNLINKAT: usize = 35;
    pub(crate) const PIPE2: usize = 59;
}
/// As above, where the instruction is not written here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod numbers {
    pub(crate) const CLOSE: usize = libc::SYS_close as usize;
    pub(crate) const SENDTO: usize = libc::SYS_sendto as usize;
    pub(crate) const RECVFROM: usize = libc::SYS_recvfrom as usize;
    pub(crate) const PREADV2: usize = libc::SYS_preadv2 as usize;
    pub(crate) const PWRITEV2: usize = libc::SYS_pwritev2 as usize;
    pub(crate) const STATX: usize = libc::SYS_statx as usize;
    pub(crate) const GETSOCKNAME: usize = libc::SYS_getsockname as usize;
    pub(crate) const GETPEERNAME: usize = libc::SYS_getpeername as usize;
    pub(crate) const SOCKETPAIR: usize = libc::SYS_socketpair as usize;
    pub(crate) const GETSOCKOPT: usize = libc::SYS_getsockopt as usize;
    pub(crate) const FCNTL: usize = libc::SYS_fcntl as usize;
    pub(crate) const SIGNALFD4: usize = libc::SYS_signalfd4 as usize;
    pub(crate) const GETRANDOM: usize = libc::SYS_getrandom as usize;
    pub(crate) const PIDFD_SEND_SIGNAL: usize = libc::SYS_pidfd_send_signal as usize;
    pub(crate) const PIDFD_OPEN: usize = libc::SYS_pidfd_open as usize;
    pub(crate) const BIND: usize = libc::SYS_bind as usize;
    pub(crate) const LISTEN: usize = libc::SYS_listen as usize;
    pub(crate) const RECVMSG: usize = libc::SYS_recvmsg as usize;
    pub(crate) const SENDMSG: usize = libc::SYS_sendmsg as usize;
    pub(crate) const SETSOCKOPT: usize = libc::SYS_setsockopt as usize;
    pub(crate) const SHUTDOWN: usize = libc::SYS_shutdown as usize;
    pub(crate) const SOCKET: usize = libc::SYS_socket as usize;
    pub(crate) const UNLINKAT: usize = libc::SYS_unlinkat as usize;
    pub(crate) const PIPE2: usize = libc::SYS_pipe2 as usize;
}
pub(crate) use numbers::{
    BIND, CLOSE, FCNTL, GETPEERNAME, GETRANDOM, GETSOCKNAME, GETSOCKOPT, LISTEN, PIDFD_OPEN,
    PIDFD_SEND_SIGNAL, PIPE2, PREADV2, PWRITEV2, RECVFROM, RECVMSG, SENDMSG, SENDTO, SETSOCKOPT,
    SHUTDOWN, SIGNALFD4, SOCKET, SOCKETPAIR, STATX, UNLINKAT,
};

/// What a system call answered: its value, or the error number below zero.
#[inline(always)]
fn decode(answer: isize) -> Result<u32, Errno> {
    if answer >= 0 { Ok(answer as u32) } else { Err(Errno::from_raw(-(answer as i32))) }
}

/// A system call of four arguments.
///
/// # Safety
/// - The arguments are what call `number` demands.
#[inline(always)]
pub(crate) unsafe fn call4(number: usize, args: [usize; 4]) -> Result<u32, Errno> {
    let [a, b, c, d] = args;
    // SAFETY: the caller's promise; the two more are ignored.
    decode(unsafe { raw(number, [a, b, c, d, 0, 0]) })
}

/// A system call of six arguments.
///
/// # Safety
/// - The arguments are what call `number` demands.
#[inline(always)]
pub(crate) unsafe fn call6(number: usize, args: [usize; 6]) -> Result<u32, Errno> {
    // SAFETY: the caller's promise.
    decode(unsafe { raw(number, args) })
}

/// `io_uring_setup(2)`: the descriptor (or the registered index), and what the kernel answered in
/// `params`.
///
/// # Safety
/// - With `NO_MMAP`, the addresses in `params` are memory that outlives the ring and that nobody
///   else uses.
///
/// # Errors
/// What `io_uring_setup(2)` names.
pub(crate) unsafe fn setup(entries: u32, params: &mut Params) -> Result<u32, Errno> {
    let args = [entries as usize, core::ptr::from_mut(params) as usize, 0, 0];
    // SAFETY: `params` is a valid `io_uring_params`; its addresses are the caller's promise.
    unsafe { call4(IO_URING_SETUP, args) }
}

/// `io_uring_enter(2)` on any descriptor: for finding out what answers it.
///
/// # Safety
/// - No ring is behind `fd`, or it is one whose entries may be submitted.
pub(crate) unsafe fn enter_raw(fd: RawFd, flags: EnterFlags) -> Result<u32, Errno> {
    let args = [fd as usize, 0, 0, flags.bits() as usize, 0, 0];
    // SAFETY: no entry is taken (0), no argument is given; the rest is the caller's promise.
    unsafe { call6(IO_URING_ENTER, args) }
}

/// `io_uring_register(2)` on any descriptor, −1 included.
///
/// # Safety
/// - `arg` is what `op` says it is, `count` of them, valid as long as `op` demands.
pub(crate) unsafe fn register_raw(
    fd: RawFd,
    op: RegisterOp,
    arg: *mut c_void,
    count: u32,
) -> Result<u32, Errno> {
    let args = [fd as usize, op.0 as usize, arg as usize, count as usize];
    // SAFETY: the caller's promise.
    unsafe { call4(IO_URING_REGISTER, args) }
}

/// # Safety
/// - The arguments are what call `number` demands.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn raw(number: usize, args: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the caller's promise; the instruction clobbers rcx and r11 only, and memory may
    // change (no `nomem`).
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, preserves_flags),
        );
    }
    answer
}

/// # Safety
/// - The arguments are what call `number` demands.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn raw(number: usize, args: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the caller's promise; the kernel preserves every other register, and memory may
    // change (no `nomem`).
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] as isize => answer,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack, preserves_flags),
        );
    }
    answer
}

/// # Safety
/// - The arguments are what call `number` demands.
#[cfg(target_arch = "riscv64")]
#[inline(always)]
unsafe fn raw(number: usize, args: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the caller's promise; the kernel preserves every other register, and memory may
    // change (no `nomem`).
    unsafe {
        core::arch::asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") args[0] as isize => answer,
            in("a1") args[1],
            in("a2") args[2],
            in("a3") args[3],
            in("a4") args[4],
            in("a5") args[5],
            options(nostack, preserves_flags),
        );
    }
    answer
}

/// # Safety
/// - The arguments are what call `number` demands.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
unsafe fn raw(number: usize, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the caller's promise.
    let answer = unsafe { libc::syscall(number as libc::c_long, a, b, c, d, e, f) };
    if answer >= 0 {
        return answer as isize;
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(Errno::EIO.raw());
    -(errno as isize)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn an_answer_below_zero_is_an_errno() {
        assert_eq!(decode(7), Ok(7));
        assert_eq!(decode(-22), Err(Errno::EINVAL));
    }

    #[test]
    fn a_bad_descriptor_is_ebadf() {
        // SAFETY: descriptor −1 is refused before any argument is looked at.
        let answer = unsafe { call6(IO_URING_ENTER, [usize::MAX, 0, 0, 0, 0, 0]) };
        assert_eq!(answer, Err(Errno::EBADF));
    }
}

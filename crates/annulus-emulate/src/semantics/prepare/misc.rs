//! Pipes, epoll sets, processes, futexes, and what is left.

use annulus_ring::Errno;
use annulus_ring::abi::{
    EpollOp, FUTEX_WAITV_MAX, Futex2Flags, FutexWaitv, Op, OpenFlags, SpliceFlags, Sqe,
};

use super::{Traits, must};
use crate::uaccess::Uaccess;
use crate::world::{Stable, Work};

/// What an operation of this family takes.
pub(super) const fn traits(opcode: Op) -> Option<Traits> {
    Some(match opcode {
        Op::SPLICE | Op::TEE | Op::EPOLL_WAIT => Traits { names_file: true, ..Traits::NONE },
        Op::PIPE | Op::EPOLL_CTL | Op::WAITID => Traits::NONE,
        Op::FUTEX_WAIT | Op::FUTEX_WAKE | Op::FUTEX_WAITV => Traits::NONE,
        _ => return None,
    })
}

/// Checks an entry of this family, and copies what it points to. `None`: it is of another.
pub(super) fn prepare<F>(
    user: Uaccess,
    sqe: &Sqe,
    work: &mut Work<F>,
) -> Option<Result<(), Errno>> {
    Some(match sqe.opcode {
        Op::SPLICE => prepare_splice(sqe),
        Op::TEE => must(sqe.addr == 0 && sqe.off == 0).and_then(|()| prepare_splice(sqe)),
        Op::PIPE => prepare_pipe(sqe),
        Op::EPOLL_CTL => prepare_epoll_ctl(user, sqe).map(|stable| work.stable = stable),
        Op::EPOLL_WAIT => {
            must(sqe.off == 0 && sqe.rw_flags == 0 && sqe.buf_index == 0 && sqe.splice_fd_in == 0)
        }
        Op::WAITID => {
            must(sqe.addr == 0 && sqe.buf_index == 0 && sqe.addr3 == 0 && sqe.rw_flags == 0)
        }
        Op::FUTEX_WAIT | Op::FUTEX_WAKE => prepare_futex(sqe),
        Op::FUTEX_WAITV => prepare_futexes(user, sqe).map(|stable| work.stable = stable),
        _ => return None,
    })
}

fn prepare_splice(sqe: &Sqe) -> Result<(), Errno> {
    let known = SpliceFlags::ALL.iter().fold(SpliceFlags::empty(), |all, known| all | known.value);
    must(known.contains(SpliceFlags(sqe.rw_flags)))
}

fn prepare_pipe(sqe: &Sqe) -> Result<(), Errno> {
    must(sqe.fd == 0 && sqe.off == 0 && sqe.addr3 == 0)?;
    // `O_EXCL` asks for a pipe of notifications.
    let known = OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT | OpenFlags::EXCL;
    must(sqe.rw_flags & !known.bits() == 0)
}

fn prepare_epoll_ctl(user: Uaccess, sqe: &Sqe) -> Result<Stable, Errno> {
    must(sqe.buf_index == 0 && sqe.splice_fd_in == 0)?;
    if EpollOp(sqe.len) == EpollOp::DEL {
        return Ok(Stable::None);
    }
    user.read(sqe.addr).map(Stable::Event)
}

/// Words of four bytes are all that there is; and of those, none by memory nodes or policies.
fn check_futex(flags: Futex2Flags, val: u64) -> Result<(), Errno> {
    let sizes = Futex2Flags::SIZE_U64.bits();
    must(flags.bits() & !(sizes | Futex2Flags::PRIVATE.bits()) == 0)?;
    must(flags.bits() & sizes == Futex2Flags::SIZE_U32.bits())?;
    must(u32::try_from(val).is_ok())
}

fn prepare_futex(sqe: &Sqe) -> Result<(), Errno> {
    must(sqe.len == 0 && sqe.rw_flags == 0 && sqe.buf_index == 0 && sqe.splice_fd_in == 0)?;
    let flags = Futex2Flags(sqe.fd as u32);
    check_futex(flags, sqe.off)?;
    check_futex(flags, sqe.addr3)
}

fn prepare_futexes(user: Uaccess, sqe: &Sqe) -> Result<Stable, Errno> {
    must(sqe.fd == 0 && sqe.buf_index == 0 && sqe.splice_fd_in == 0 && sqe.off == 0)?;
    must(sqe.rw_flags == 0 && sqe.addr3 == 0)?;
    must(sqe.len > 0 && sqe.len <= FUTEX_WAITV_MAX)?;
    let waits: Vec<FutexWaitv> = user.read_many(sqe.addr, sqe.len as usize)?;
    for wait in &waits {
        must(wait.__reserved == 0)?;
        check_futex(wait.flags, wait.val)?;
    }
    Ok(Stable::Futexes(waits))
}

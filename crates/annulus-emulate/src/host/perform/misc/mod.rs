//! Pipes, epoll sets, processes, futexes.

mod futex;
mod pipe;
mod wait;

use annulus_ring::Errno;
use annulus_ring::abi::Op;

use super::{HostWork, number};
use crate::world::Attempt;

pub(in crate::host) use futex::Queue;

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(work: &mut HostWork) -> Option<Attempt> {
    Some(match work.sqe.opcode {
        Op::SPLICE | Op::TEE => pipe::attempt(work),
        Op::PIPE => Attempt::Done(pipe::pipe(work)),
        Op::EPOLL_CTL => Attempt::Done(wait::change_set(work)),
        Op::EPOLL_WAIT => wait::look_at_set(work),
        Op::WAITID => wait::attempt(work),
        Op::FUTEX_WAIT | Op::FUTEX_WAITV => futex::attempt(work),
        Op::FUTEX_WAKE => Attempt::Done(futex::wake(work)),
        _ => return None,
    })
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(work: &mut HostWork) -> Option<Result<u32, Errno>> {
    Some(match work.sqe.opcode {
        Op::SPLICE | Op::TEE => pipe::splice(work),
        Op::WAITID => wait::to_the_end(work),
        Op::FUTEX_WAIT | Op::FUTEX_WAITV => futex::wait(work, None),
        _ => return None,
    })
}

/// Waits for a futex in `queue`, where it can be seen.
pub(in crate::host) fn wait_in(work: &mut HostWork, queue: &Queue) -> Result<u32, Errno> {
    futex::wait(work, Some(queue))
}

/// Whether it waits for what others do, and may be taken back until that is done: such work has a
/// thread of its own.
pub(in crate::host) fn is_wait(work: &HostWork) -> bool {
    let waits = [Op::FUTEX_WAIT, Op::FUTEX_WAITV, Op::WAITID, Op::ACCEPT, Op::CONNECT];
    waits.contains(&work.sqe.opcode)
}

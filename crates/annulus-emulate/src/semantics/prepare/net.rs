//! Sockets.

use annulus_ring::Errno;
use annulus_ring::abi::Op;

use super::Traits;
use crate::queues::Entry;
use crate::uaccess::Uaccess;
use crate::world::Work;

/// What an operation of this family takes.
pub(super) fn traits(opcode: Op) -> Option<Traits> {
    let socket = Traits { names_file: true, has_ioprio: true, ..Traits::default() };
    Some(match opcode {
        Op::RECV => Traits { selects_buffers: true, ..socket },
        Op::SEND => socket,
        _ => return None,
    })
}

/// Checks an entry of this family, and copies what it points to. `None`: it is of another.
pub(super) fn prepare<F>(_: Uaccess, entry: &Entry, _: &mut Work<F>) -> Option<Result<(), Errno>> {
    Some(match entry.sqe.opcode {
        Op::RECV | Op::SEND => Ok(()),
        _ => return None,
    })
}

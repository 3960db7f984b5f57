//! Reads, writes, syncs and polls.

use annulus_ring::Errno;
use annulus_ring::abi::{Iovec, Op};

use super::{Traits, must};
use crate::queues::Entry;
use crate::uaccess::Uaccess;
use crate::world::{Span, Stable, Work};

/// What an operation of this family takes.
pub(super) fn traits(opcode: Op) -> Option<Traits> {
    let file = Traits { names_file: true, ..Traits::default() };
    Some(match opcode {
        Op::READ | Op::READV => Traits { selects_buffers: true, has_ioprio: true, ..file },
        Op::WRITE | Op::WRITEV | Op::READ_FIXED | Op::WRITE_FIXED => {
            Traits { has_ioprio: true, ..file }
        }
        Op::READV_FIXED | Op::WRITEV_FIXED => Traits { has_ioprio: true, ..file },
        Op::FSYNC | Op::POLL_ADD => file,
        _ => return None,
    })
}

/// Checks an entry of this family, and copies what it points to. `None`: it is of another.
pub(super) fn prepare<F>(
    user: Uaccess,
    entry: &Entry,
    work: &mut Work<F>,
) -> Option<Result<(), Errno>> {
    let sqe = &entry.sqe;
    Some(match sqe.opcode {
        Op::READ | Op::WRITE | Op::READ_FIXED | Op::WRITE_FIXED => Ok(()),
        Op::READV | Op::WRITEV | Op::READV_FIXED | Op::WRITEV_FIXED => {
            let pieces = user.read_many::<Iovec>(sqe.addr, sqe.len as usize);
            pieces.map(|pieces| {
                work.stable = Stable::Pieces(pieces.into_iter().map(Span::from).collect());
            })
        }
        Op::FSYNC => must(sqe.addr == 0 && sqe.buf_index == 0 && sqe.splice_fd_in == 0),
        Op::POLL_ADD => must(sqe.buf_index == 0 && sqe.off == 0 && sqe.addr == 0),
        Op::POLL_REMOVE => must(sqe.buf_index == 0 && sqe.splice_fd_in == 0),
        _ => return None,
    })
}

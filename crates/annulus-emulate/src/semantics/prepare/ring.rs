//! Polls, and messages to other rings.

use annulus_ring::Errno;
use annulus_ring::abi::{MsgRingFlags, Op, PollFlags, Sqe, SqeFlags};

use super::{Traits, must};

/// What an operation of this family takes.
pub(super) const fn traits(opcode: Op) -> Option<Traits> {
    match opcode {
        Op::POLL_ADD | Op::MSG_RING => Some(Traits { names_file: true, ..Traits::NONE }),
        Op::POLL_REMOVE => Some(Traits::NONE),
        _ => None,
    }
}

/// Checks an entry of this family. `None`: it is of another.
pub(super) fn prepare(sqe: &Sqe) -> Option<Result<(), Errno>> {
    Some(match sqe.opcode {
        Op::POLL_ADD => poll_add(sqe),
        Op::POLL_REMOVE => poll_remove(sqe),
        Op::MSG_RING => {
            let known = MsgRingFlags::CQE_SKIP | MsgRingFlags::FLAGS_PASS;
            must(sqe.buf_index == 0 && known.contains(MsgRingFlags(sqe.rw_flags)))
        }
        _ => return None,
    })
}

fn poll_add(sqe: &Sqe) -> Result<(), Errno> {
    let flags = PollFlags(sqe.len);
    must(sqe.buf_index == 0 && sqe.off == 0 && sqe.addr == 0)?;
    must(PollFlags::ADD_MULTI.contains(flags))?;
    // Of one that goes on nobody could tell its last completion.
    must(flags.is_empty() || !sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS))
}

fn poll_remove(sqe: &Sqe) -> Result<(), Errno> {
    let flags = PollFlags(sqe.len);
    let known = PollFlags::UPDATE_EVENTS | PollFlags::UPDATE_USER_DATA | PollFlags::ADD_MULTI;
    must(sqe.buf_index == 0 && sqe.splice_fd_in == 0 && known.contains(flags))?;
    must(flags != PollFlags::ADD_MULTI)?;
    must(flags.contains(PollFlags::UPDATE_USER_DATA) || sqe.off == 0)?;
    must(flags.contains(PollFlags::UPDATE_EVENTS) || sqe.rw_flags == 0)
}

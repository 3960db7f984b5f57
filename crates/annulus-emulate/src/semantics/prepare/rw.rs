//! Reads, writes and polls.

use annulus_ring::Errno;
use annulus_ring::abi::{AttrPi, Iovec, Op, RwAttrFlags, Sqe, SqeFlags};

use super::{Traits, must};
use crate::uaccess::Uaccess;
use crate::world::{Span, Stable, Work, cut};

/// How many pieces a vector has at most (`UIO_MAXIOV`).
const PIECES_MAX: u32 = 1024;
/// The classes of `ioprio`, above these bits.
const IOPRIO_CLASS_SHIFT: u32 = 13;

/// What an operation of this family takes.
pub(super) const fn traits(opcode: Op) -> Option<Traits> {
    let file = Traits { names_file: true, ..Traits::NONE };
    Some(match opcode {
        Op::READ | Op::READV => Traits { selects_buffers: true, has_ioprio: true, ..file },
        Op::READ_MULTISHOT => Traits { selects_buffers: true, ..file },
        Op::WRITE | Op::WRITEV => Traits { has_ioprio: true, ..file },
        Op::READ_FIXED | Op::WRITE_FIXED => Traits { has_ioprio: true, ..file },
        Op::READV_FIXED | Op::WRITEV_FIXED => Traits { has_ioprio: true, ..file },
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
        Op::READ | Op::WRITE => common(user, sqe).and_then(|()| {
            if sqe.flags.contains(SqeFlags::BUFFER_SELECT) {
                return Ok(());
            }
            user.check_span(Span { addr: sqe.addr, bytes: sqe.len as usize }.clamped())
        }),
        Op::READV | Op::WRITEV => common(user, sqe).and_then(|()| {
            if sqe.flags.contains(SqeFlags::BUFFER_SELECT) {
                return length_of_pick(user, work);
            }
            vector(user, work)
        }),
        Op::READ_MULTISHOT => common(user, sqe).and_then(|()| {
            let selects = sqe.flags.contains(SqeFlags::BUFFER_SELECT);
            must(selects && sqe.addr == 0 && sqe.len == 0)
        }),
        // Whether it lies within the registered buffer is seen when it begins.
        Op::READ_FIXED | Op::WRITE_FIXED => common(user, sqe),
        Op::READV_FIXED | Op::WRITEV_FIXED => {
            common(user, sqe).and_then(|()| pieces(user, sqe)).map(|pieces| {
                work.stable = Stable::Pieces(pieces);
            })
        }
        _ => return None,
    })
}

/// What all reads and writes are checked for.
fn common(user: Uaccess, sqe: &Sqe) -> Result<(), Errno> {
    if sqe.ioprio != 0 {
        // None (without a level), real time, best effort, idle. It is granted, and means nothing.
        let (class, level) = (sqe.ioprio >> IOPRIO_CLASS_SHIFT, sqe.ioprio & 7);
        must(matches!(class, 1..=3) || class == 0 && level == 0)?;
    }
    if sqe.resv != 0 {
        must(sqe.resv == RwAttrFlags::PI.bits())?;
        let protection: AttrPi = user.read(sqe.addr3)?;
        must(protection.rsvd == 0)?;
        let bytes = protection.len as usize;
        user.check_span(Span { addr: protection.addr, bytes }.clamped())?;
    }
    Ok(())
}

/// With a picked buffer, a vector has one piece, which says how much is wanted.
fn length_of_pick<F>(user: Uaccess, work: &mut Work<F>) -> Result<(), Errno> {
    must(work.sqe.len == 1)?;
    let piece: Iovec = user.read(work.sqe.addr)?;
    work.sqe.len = piece.iov_len as u32;
    Ok(())
}

/// Copies a vector. One of one piece is as if that were the entry's own.
fn vector<F>(user: Uaccess, work: &mut Work<F>) -> Result<(), Errno> {
    if work.sqe.len == 1 {
        let piece = length_checked(user.read(work.sqe.addr)?)?.clamped();
        user.check_span(piece)?;
        (work.sqe.addr, work.sqe.len) = (piece.addr, piece.bytes as u32);
        return Ok(());
    }
    let mut pieces = pieces(user, &work.sqe)?;
    for piece in &pieces {
        user.check_span(*piece)?;
    }
    cut(&mut pieces);
    work.stable = Stable::Pieces(pieces);
    Ok(())
}

fn pieces(user: Uaccess, sqe: &Sqe) -> Result<Vec<Span>, Errno> {
    must(sqe.len <= PIECES_MAX)?;
    let pieces = user.read_many::<Iovec>(sqe.addr, sqe.len as usize)?;
    pieces.into_iter().map(length_checked).collect()
}

fn length_checked(piece: Iovec) -> Result<Span, Errno> {
    must(isize::try_from(piece.iov_len).is_ok())?;
    Ok(Span::from(piece))
}

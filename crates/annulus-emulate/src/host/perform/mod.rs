//! The work itself, by system calls: tried without waiting, or done to its end on a thread that may
//! wait. Each family of operations has a file.

mod fs;
mod misc;
mod net;
mod private;
mod rw;

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{Op, Sqe};

use super::machine::File;
use crate::world::{Attempt, Span, Stable, Work};

type HostWork = Work<File>;

pub(super) use misc::{Queue, is_wait, wait_in};
pub(super) use net::{is_plain, queued, transfer_plain, what_is_left};

/// Whether it ends when somebody else does something, and not by itself: what no file on a disk is
/// behind, locks, and the names of hosts.
pub(super) fn is_endless(work: &HostWork) -> bool {
    private::is_endless(work)
        || [&work.file, &work.second].into_iter().flatten().any(File::is_pollable)
}

/// Tries it without waiting.
pub(super) fn attempt(work: &mut HostWork) -> Attempt {
    match work.sqe.opcode {
        Op::SEND | Op::RECV if net::is_plain_work(work) => net::attempt_plain(work),
        _ => rw::attempt(work)
            .or_else(|| net::attempt(work))
            .or_else(|| fs::attempt(work))
            .or_else(|| misc::attempt(work))
            .or_else(|| private::attempt(work))
            .unwrap_or(Attempt::Done(Err(Errno::EOPNOTSUPP))),
    }
}

/// What the tests have panic: an opcode that no kernel has.
#[cfg(test)]
pub(super) const PANICS: annulus_ring::abi::Op = annulus_ring::abi::Op(0xbf);

/// Does it, however long it takes.
pub(super) fn to_the_end(work: &mut HostWork) -> Result<u32, Errno> {
    #[cfg(test)]
    assert_ne!(work.sqe.opcode, PANICS, "on purpose");
    let families =
        [rw::to_the_end, net::to_the_end, fs::to_the_end, misc::to_the_end, private::to_the_end];
    let found = families.iter().find_map(|family| family(work));
    found.unwrap_or(Err(Errno::EOPNOTSUPP))
}

/// The number by which a piece of work knows its file.
fn number(work: &HostWork) -> Result<RawFd, Errno> {
    work.file.as_ref().map(File::raw).ok_or(Errno::EBADF)
}

/// What is left of the buffer of an entry that has one: not more than one operation moves.
fn piece(work: &HostWork) -> Span {
    let Sqe { addr, len, .. } = work.sqe;
    Span { addr, bytes: len as usize }.clamped().after(work.done as usize)
}

/// The pieces that are left after so many bytes.
fn rest(pieces: &[Span], mut done: usize) -> Vec<Span> {
    let left = pieces.iter().map(|piece| {
        let left = piece.after(done);
        done -= piece.bytes - left.bytes;
        left
    });
    left.filter(|piece| piece.bytes > 0).collect()
}

/// How many bytes are wanted in all.
fn total(work: &HostWork) -> usize {
    match &work.stable {
        Stable::Message(message) => message.pieces.iter().map(|piece| piece.bytes).sum(),
        _ => work.total_bytes(),
    }
}

//! The private operations: at once where the ring crate's call can, else on a thread.

use annulus_ring::Errno;
use annulus_ring::abi::private::FlockOperation;
use annulus_ring::abi::{Op, Sqe, SqeFlags};

use super::{HostWork, number};
use crate::host::sys::{names, private as sys};
use crate::world::{Attempt, Span};

/// What does not wait if it cannot have the lock: `LOCK_NB`.
const LOCK_NB: u32 = 4;

/// Whether it ends when somebody else lets go of a lock, or answers for a name.
pub(super) fn is_endless(work: &HostWork) -> bool {
    match work.sqe.opcode {
        Op::FLOCK => {
            let operation = FlockOperation(work.sqe.len);
            operation != FlockOperation::UN && operation.raw() & LOCK_NB == 0
        }
        Op::GETADDRINFO => true,
        _ => false,
    }
}

/// The entry as a call takes it: of the file, by whatever number it is kept.
fn entry(work: &HostWork) -> Sqe {
    let fd = work.file.as_ref().map_or(work.sqe.fd, |file| file.raw());
    Sqe { fd, flags: SqeFlags::empty(), ..work.sqe }
}

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(work: &mut HostWork) -> Option<Attempt> {
    if !work.sqe.opcode.is_private() {
        return None;
    }
    if work.sqe.flags.contains(SqeFlags::ASYNC) {
        return Some(Attempt::Blocks);
    }
    Some(match sys::at_once(&entry(work)) {
        Err(Errno::EAGAIN) => Attempt::Blocks,
        done => Attempt::Done(done),
    })
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(work: &mut HostWork) -> Option<Result<u32, Errno>> {
    if !work.sqe.opcode.is_private() {
        return None;
    }
    let sqe = &entry(work);
    let buffer = Span { addr: sqe.addr, bytes: sqe.len as usize }.clamped();
    Some(match sqe.opcode {
        Op::FICLONE | Op::FICLONERANGE | Op::COPY_FILE_RANGE | Op::SENDFILE => copy(work),
        Op::GETDENTS64 => sys::list(sqe.fd, buffer),
        Op::LSEEK => sys::seek(sqe.fd, sqe.off.cast_signed(), sqe.len, sqe.addr),
        Op::FLOCK => sys::lock(sqe.fd, sqe.len),
        Op::FSTATFS => sys::space(sqe.fd, sqe.addr),
        Op::FLISTXATTR => sys::attributes(sqe.fd, buffer),
        Op::FREMOVEXATTR => sys::remove_attribute(sqe.fd, sqe.addr),
        Op::LISTXATTR => {
            let to = Span { addr: sqe.off, bytes: sqe.len as usize }.clamped();
            sys::attributes_at(sqe.addr, to)
        }
        Op::REMOVEXATTR => sys::remove_attribute_at(sqe.addr, sqe.off),
        Op::SYNCFS => sys::sync_all(sqe.fd),
        Op::FCHMODAT2 => sys::set_mode(sqe.fd, sqe.addr, sqe.len, sqe.rw_flags),
        Op::FCHOWNAT => {
            let owner = (sqe.len, sqe.splice_fd_in.cast_unsigned());
            sys::set_owner(sqe.fd, sqe.addr, owner, sqe.rw_flags)
        }
        Op::UTIMENSAT => sys::set_times(sqe.fd, sqe.addr, sqe.off, sqe.rw_flags),
        Op::READLINKAT => {
            let to = Span { addr: sqe.off, bytes: sqe.len as usize }.clamped();
            sys::link(sqe.fd, sqe.addr, to)
        }
        Op::FACCESSAT2 => sys::may_use(sqe.fd, sqe.addr, sqe.len, sqe.rw_flags),
        Op::GETRANDOM => sys::random(buffer),
        Op::GETADDRINFO => {
            let name = Span { addr: sqe.addr, bytes: sqe.len as usize };
            let to = (sqe.off, sqe.splice_fd_in.cast_unsigned());
            names::resolve(name, sqe.rw_flags, to)
        }
        // What cannot block, and was to have a thread all the same.
        _ => sys::at_once(sqe),
    })
}

/// What has two files.
fn copy(work: &HostWork) -> Result<u32, Errno> {
    let (to, sqe) = (number(work)?, &work.sqe);
    let from = work.second.as_ref().ok_or(Errno::EBADF)?.raw();
    let bytes = Span { addr: 0, bytes: sqe.len as usize }.clamped().bytes;
    match sqe.opcode {
        Op::FICLONE => sys::share_all(to, from),
        Op::FICLONERANGE => sys::share((to, sqe.off), (from, sqe.addr), sqe.addr3),
        Op::COPY_FILE_RANGE => sys::copy((to, sqe.off), (from, sqe.addr), bytes),
        _ => sys::send_file(to, (from, sqe.addr), bytes),
    }
}

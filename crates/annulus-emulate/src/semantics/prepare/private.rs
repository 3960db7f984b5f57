//! The private operations: see [`annulus_ring::abi::private`]. Nothing is copied: what they point
//! to stays until they are over.

use annulus_ring::Errno;
use annulus_ring::abi::{Op, Sqe, SqeFlags};

use super::{Traits, must};

/// What such an entry may say beside what it does.
const FLAGS: SqeFlags = SqeFlags::ASYNC.union(SqeFlags::CQE_SKIP_SUCCESS);

/// Whether it is one of them.
pub(in crate::semantics) fn is_known(opcode: Op) -> bool {
    opcode.is_private() && Op::PRIVATE.iter().any(|known| known.value == opcode)
}

/// What such an operation takes.
pub(super) fn traits(opcode: Op) -> Traits {
    let names_file = match opcode {
        Op::FICLONE | Op::FICLONERANGE | Op::COPY_FILE_RANGE | Op::SENDFILE => true,
        Op::GETDENTS64 | Op::LSEEK | Op::FLOCK | Op::FSTATFS => true,
        Op::FLISTXATTR | Op::FREMOVEXATTR | Op::SYNCFS => true,
        Op::GETSOCKNAME | Op::GETPEERNAME | Op::GETSOCKOPT => true,
        // Of a place (`O_PATH`) too, or of no file.
        _ => false,
    };
    Traits { names_file, ..Traits::NONE }
}

/// Whether it reads from a second file, which is named as SPLICE's is.
pub(crate) fn names_second_file(opcode: Op) -> bool {
    matches!(opcode, Op::FICLONE | Op::FICLONERANGE | Op::COPY_FILE_RANGE | Op::SENDFILE)
}

/// Checks what is refused of all of them: they are neither fed nor ordered by a ring, since those
/// of Linux do not have them.
pub(in crate::semantics) fn check(sqe: &Sqe, is_chained: bool) -> Result<(), Errno> {
    must(is_known(sqe.opcode) && FLAGS.contains(sqe.flags) && !is_chained)
}

/// The fields that none has, and what each has not. `None`: it is none of them.
pub(super) fn prepare(sqe: &Sqe) -> Option<Result<(), Errno>> {
    is_known(sqe.opcode).then(|| must(sqe.buf_index == 0 && is_bare(sqe)))
}

/// Whether what an operation does not name is zero.
fn is_bare(sqe: &Sqe) -> bool {
    let Sqe { off, addr, addr3, len, rw_flags, splice_fd_in, .. } = *sqe;
    let nothing = (0, 0, 0, 0, 0, 0);
    let rest = match sqe.opcode {
        Op::FICLONE => (off, addr, addr3, len, rw_flags, 0),
        Op::FICLONERANGE => (0, 0, 0, len, rw_flags, 0),
        Op::COPY_FILE_RANGE => (0, 0, addr3, 0, rw_flags, 0),
        Op::SENDFILE => (off, 0, addr3, 0, rw_flags, 0),
        Op::GETDENTS64 | Op::FLISTXATTR | Op::GETRANDOM => {
            (off, 0, addr3, 0, rw_flags, splice_fd_in)
        }
        Op::LSEEK => (0, 0, addr3, 0, rw_flags, splice_fd_in),
        Op::FLOCK | Op::PIDFD_SEND_SIGNAL => (off, addr, addr3, 0, rw_flags, splice_fd_in),
        Op::FSTATFS | Op::FREMOVEXATTR => (off, 0, addr3, len, rw_flags, splice_fd_in),
        Op::FCHMODAT2 | Op::FACCESSAT2 => (off, 0, addr3, 0, 0, splice_fd_in),
        Op::FCHOWNAT => (off, 0, addr3, 0, 0, 0),
        Op::UTIMENSAT => (0, 0, addr3, len, 0, splice_fd_in),
        Op::READLINKAT | Op::LISTXATTR => (0, 0, addr3, 0, rw_flags, splice_fd_in),
        Op::REMOVEXATTR => (0, 0, addr3, len, rw_flags, splice_fd_in),
        Op::SYNCFS => (off, addr, addr3, len, rw_flags, splice_fd_in),
        Op::DUP | Op::PIDFD_OPEN => (off, addr, addr3, len, 0, splice_fd_in),
        Op::GETADDRINFO => (0, 0, addr3, 0, 0, 0),
        Op::GETSOCKNAME | Op::GETPEERNAME => (0, 0, addr3, len, rw_flags, splice_fd_in),
        Op::GETSOCKOPT => (off, 0, 0, len, rw_flags, 0),
        Op::SOCKETPAIR => (0, 0, addr3, 0, rw_flags, splice_fd_in),
        Op::SIGNALFD => (off, 0, addr3, len, 0, splice_fd_in),
        _ => return false,
    };
    rest == nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_and_takes_an_entry_that_says_nothing_else() {
        for known in Op::PRIVATE {
            let bare = Sqe { opcode: known.value, ..Sqe::default() };
            assert_eq!(prepare(&bare), Some(Ok(())), "{}", known.name);
            let odd = Sqe { buf_index: 1, ..bare };
            assert_eq!(prepare(&odd), Some(Err(Errno::EINVAL)), "{}", known.name);
        }
        assert_eq!(prepare(&Sqe { opcode: Op(0xff), ..Sqe::default() }), None);
    }

    #[test]
    fn what_one_does_not_name_is_refused() {
        let clone = Sqe { opcode: Op::FICLONE, off: 1, ..Sqe::default() };
        assert_eq!(prepare(&clone), Some(Err(Errno::EINVAL)));
        let range = Sqe { opcode: Op::FICLONERANGE, off: 1, ..Sqe::default() };
        assert_eq!(prepare(&range), Some(Ok(())));
    }
}

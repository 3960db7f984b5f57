//! Files by their paths, their space and their attributes.
//!
//! Nearly all of it may wait for a disk, so threads do it, as in Linux. An open is tried first with
//! what is in memory.

use annulus_ring::Errno;
use annulus_ring::abi::{Fadvice, FsyncFlags, Op, OpenFlags, OpenHow, ResolveFlags, SqeFlags};

use super::{HostWork, number};
use crate::host::sys::fs;
use crate::world::{Attempt, Attribute, Span, Stable};

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(work: &mut HostWork) -> Option<Attempt> {
    Some(match work.sqe.opcode {
        Op::OPENAT | Op::OPENAT2 => open_in_memory(work),
        Op::FADVISE => match Fadvice(work.sqe.rw_flags) {
            Fadvice::NORMAL | Fadvice::RANDOM | Fadvice::SEQUENTIAL => Attempt::Done(advise(work)),
            _ => Attempt::Blocks,
        },
        Op::FSYNC | Op::SYNC_FILE_RANGE | Op::FALLOCATE | Op::FTRUNCATE | Op::MADVISE => {
            Attempt::Blocks
        }
        Op::STATX | Op::RENAMEAT | Op::UNLINKAT | Op::MKDIRAT | Op::SYMLINKAT | Op::LINKAT => {
            Attempt::Blocks
        }
        Op::FGETXATTR | Op::GETXATTR | Op::FSETXATTR | Op::SETXATTR => Attempt::Blocks,
        _ => return None,
    })
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(work: &mut HostWork) -> Option<Result<u32, Errno>> {
    Some(match work.sqe.opcode {
        Op::OPENAT | Op::OPENAT2 => open(work),
        Op::FADVISE => advise(work),
        Op::MADVISE => advise_memory(work),
        Op::FSYNC | Op::SYNC_FILE_RANGE | Op::FALLOCATE | Op::FTRUNCATE => space(work),
        Op::STATX | Op::RENAMEAT | Op::UNLINKAT | Op::MKDIRAT | Op::SYMLINKAT | Op::LINKAT => {
            path(work)
        }
        Op::FGETXATTR | Op::GETXATTR | Op::FSETXATTR | Op::SETXATTR => attribute(work),
        _ => return None,
    })
}

/// How it is opened here: what becomes a ring's own file, no other program has.
fn how(work: &HostWork, asked: OpenHow) -> OpenHow {
    let own = if work.sqe.splice_fd_in == 0 { 0 } else { OpenFlags::CLOEXEC.bits() };
    OpenHow { flags: asked.flags | u64::from(own), ..asked }
}

/// Opens what is found in memory. As in Linux, that neither waits for who has a lease of the file,
/// nor for the other end of a named pipe.
fn open_in_memory(work: &HostWork) -> Attempt {
    let Stable::Open(open) = &work.stable else { return Attempt::Done(Err(Errno::EINVAL)) };
    let (path, asked) = &**open;
    let asked = how(work, *asked);
    let flags = OpenFlags(asked.flags as u32);
    let makes = OpenFlags::CREAT | OpenFlags::TRUNC | OpenFlags::TMPFILE_BIT;
    if flags.intersects(makes) || work.sqe.flags.contains(SqeFlags::ASYNC) {
        return Attempt::Blocks;
    }
    let lends = OpenFlags::NONBLOCK.difference(flags);
    let lends = if flags.contains(OpenFlags::PATH) { OpenFlags::empty() } else { lends };
    let now = OpenHow {
        flags: asked.flags | u64::from(lends.bits()),
        resolve: asked.resolve | ResolveFlags::CACHED,
        ..asked
    };
    match fs::open_how(work.sqe.fd, path, &now) {
        Ok(fd) => {
            if !lends.is_empty() {
                // Those that can be set are as they were asked for.
                let set = fs::set_status_flags(fd as i32, flags.bits() as i32);
                debug_assert!(set.is_ok(), "{set:?}");
            }
            Attempt::Done(Ok(fd))
        }
        // Not in memory; or no such call, which filters of system calls may say in two ways.
        Err(Errno::EAGAIN) if asked.resolve.contains(ResolveFlags::CACHED) => {
            Attempt::Done(Err(Errno::EAGAIN))
        }
        Err(Errno::EAGAIN | Errno::ENOSYS | Errno::EPERM) => Attempt::Blocks,
        Err(errno) => Attempt::Done(Err(errno)),
    }
}

fn open(work: &HostWork) -> Result<u32, Errno> {
    let Stable::Open(open) = &work.stable else { return Err(Errno::EINVAL) };
    let (path, asked) = &**open;
    let asked = how(work, *asked);
    if work.sqe.opcode == Op::OPENAT2 {
        return fs::open_how(work.sqe.fd, path, &asked);
    }
    fs::open(work.sqe.fd, path, asked.flags as i32, asked.mode as u32)
}

/// A length of more than 32 bits is in another field than a shorter one.
fn advised_bytes(long: u64, short: u32) -> u64 {
    if long == 0 { short.into() } else { long }
}

fn advise(work: &HostWork) -> Result<u32, Errno> {
    let sqe = &work.sqe;
    fs::advise(number(work)?, sqe.off, advised_bytes(sqe.addr, sqe.len), sqe.rw_flags)
}

fn advise_memory(work: &HostWork) -> Result<u32, Errno> {
    let sqe = &work.sqe;
    let bytes = advised_bytes(sqe.off, sqe.len) as usize;
    fs::advise_memory(Span { addr: sqe.addr, bytes }, sqe.rw_flags)
}

fn space(work: &HostWork) -> Result<u32, Errno> {
    let (fd, sqe) = (number(work)?, &work.sqe);
    match sqe.opcode {
        Op::FSYNC => fs::sync(fd, FsyncFlags(sqe.rw_flags).contains(FsyncFlags::DATASYNC)),
        Op::SYNC_FILE_RANGE => fs::sync_range(fd, sqe.off, sqe.len, sqe.rw_flags),
        Op::FALLOCATE => fs::allocate(fd, sqe.len, sqe.off, sqe.addr),
        _ => fs::truncate(fd, sqe.off),
    }
}

fn path(work: &HostWork) -> Result<u32, Errno> {
    let Stable::Paths(paths) = &work.stable else { return Err(Errno::EINVAL) };
    let (first, second) = &**paths;
    let (sqe, flags) = (&work.sqe, work.sqe.rw_flags);
    match (sqe.opcode, second) {
        (Op::STATX, _) => fs::statx(sqe.fd, first, flags, sqe.len, sqe.off),
        (Op::UNLINKAT, _) => fs::unlink(sqe.fd, first, flags),
        (Op::MKDIRAT, _) => fs::mkdir(sqe.fd, first, sqe.len),
        (Op::SYMLINKAT, Some(second)) => fs::symlink(first, sqe.fd, second),
        (Op::RENAMEAT, Some(second)) => {
            fs::rename((sqe.fd, first), (sqe.len as i32, second), flags)
        }
        (Op::LINKAT, Some(second)) => fs::link((sqe.fd, first), (sqe.len as i32, second), flags),
        _ => Err(Errno::EINVAL),
    }
}

fn attribute(work: &HostWork) -> Result<u32, Errno> {
    let Stable::Attribute(attribute) = &work.stable else { return Err(Errno::EINVAL) };
    let Attribute { name, path, value } = &**attribute;
    let (sqe, flags) = (&work.sqe, work.sqe.rw_flags);
    let sets = matches!(sqe.opcode, Op::FSETXATTR | Op::SETXATTR);
    let to = Span { addr: sqe.off, bytes: sqe.len as usize };
    match path {
        Some(path) if sets => fs::set_attribute_of(path, name, value, flags),
        Some(path) => fs::attribute_of(path, name, to),
        None if sets => fs::set_attribute(number(work)?, name, value, flags),
        None => fs::attribute(number(work)?, name, to),
    }
}

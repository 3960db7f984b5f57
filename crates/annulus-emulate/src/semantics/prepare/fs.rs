//! Files by their paths, their space and their attributes.

use std::ffi::CString;

use annulus_ring::Errno;
use annulus_ring::abi::{
    AtFlags, FsyncFlags, Op, OpenFlags, OpenHow, ResolveFlags, Sqe, SqeFlags, XattrFlags,
};

use super::{Traits, must};
use crate::uaccess::Uaccess;
use crate::world::{Attribute, Stable, Work};

/// The longest value of an attribute (`XATTR_SIZE_MAX`).
const VALUE_BYTES_MAX: u32 = 65536;
/// The longest name of one, with its end (`XATTR_NAME_MAX`).
const NAME_BYTES_MAX: usize = 256;
/// The bits of a mode that an open takes (`S_IALLUGO`).
const MODE: u32 = 0o7777;

/// What an operation of this family takes.
pub(super) const fn traits(opcode: Op) -> Option<Traits> {
    let names_file = match opcode {
        Op::FSYNC | Op::SYNC_FILE_RANGE | Op::FALLOCATE | Op::FTRUNCATE | Op::FADVISE => true,
        Op::FGETXATTR | Op::FSETXATTR => true,
        Op::OPENAT | Op::OPENAT2 | Op::CLOSE | Op::STATX | Op::MADVISE => false,
        Op::RENAMEAT | Op::UNLINKAT | Op::MKDIRAT | Op::SYMLINKAT | Op::LINKAT => false,
        Op::GETXATTR | Op::SETXATTR => false,
        _ => return None,
    };
    Some(Traits { names_file, ..Traits::NONE })
}

/// Checks an entry of this family, and copies what it points to. `None`: it is of another.
pub(super) fn prepare<F>(
    user: Uaccess,
    sqe: &Sqe,
    work: &mut Work<F>,
) -> Option<Result<(), Errno>> {
    Some(match sqe.opcode {
        Op::FSYNC | Op::SYNC_FILE_RANGE | Op::FALLOCATE => space(sqe),
        Op::FTRUNCATE => must(sqe.addr == 0 && sqe.len == 0 && sqe.addr3 == 0)
            .and_then(|()| must(sqe.rw_flags == 0))
            .and_then(|()| plain(sqe)),
        Op::FADVISE | Op::MADVISE => plain(sqe),
        Op::CLOSE => close(sqe),
        Op::OPENAT => open(user, sqe, how_of(sqe)).map(|stable| work.stable = stable),
        Op::OPENAT2 => {
            how(user, sqe).and_then(|how| open(user, sqe, how)).map(|stable| work.stable = stable)
        }
        Op::STATX | Op::RENAMEAT | Op::UNLINKAT | Op::MKDIRAT | Op::SYMLINKAT | Op::LINKAT => {
            path(user, sqe).map(|stable| work.stable = stable)
        }
        Op::FGETXATTR | Op::GETXATTR | Op::FSETXATTR | Op::SETXATTR => {
            attribute(user, sqe).map(|stable| work.stable = stable)
        }
        _ => return None,
    })
}

/// No buffer, no slot.
fn plain(sqe: &Sqe) -> Result<(), Errno> {
    must(sqe.buf_index == 0 && sqe.splice_fd_in == 0)
}

/// A directory is not of the ring's own files.
fn no_slot_as_directory(sqe: &Sqe) -> Result<(), Errno> {
    if sqe.flags.contains(SqeFlags::FIXED_FILE) { Err(Errno::EBADF) } else { Ok(()) }
}

fn space(sqe: &Sqe) -> Result<(), Errno> {
    plain(sqe)?;
    match sqe.opcode {
        Op::FSYNC => must(sqe.addr == 0 && FsyncFlags::DATASYNC.contains(FsyncFlags(sqe.rw_flags))),
        Op::SYNC_FILE_RANGE => must(sqe.addr == 0),
        _ => must(sqe.rw_flags == 0),
    }
}

fn close(sqe: &Sqe) -> Result<(), Errno> {
    must(sqe.off == 0 && sqe.addr == 0 && sqe.len == 0)?;
    must(sqe.rw_flags == 0 && sqe.buf_index == 0)?;
    no_slot_as_directory(sqe)?;
    must(sqe.splice_fd_in == 0 || sqe.fd == 0)
}

/// Copies a path.
///
/// # Errors
/// `ENOENT`: it is empty, and may not be. And as [`Uaccess::path`].
fn name(user: Uaccess, addr: u64, flags: AtFlags) -> Result<CString, Errno> {
    let name = user.path(addr)?;
    let fine = !name.is_empty() || flags.contains(AtFlags::EMPTY_PATH);
    if fine { Ok(name) } else { Err(Errno::ENOENT) }
}

/// How OPENAT opens: as `openat(2)`, what is not known does not count.
fn how_of(sqe: &Sqe) -> OpenHow {
    let known = OpenFlags::ALL.iter().fold(OpenFlags::empty(), |all, known| all | known.value);
    let mut flags = OpenFlags(sqe.rw_flags & known.bits());
    if flags.contains(OpenFlags::PATH) {
        let path = OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW | OpenFlags::PATH;
        flags = OpenFlags(flags.bits() & (path | OpenFlags::CLOEXEC).bits());
    }
    let makes = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE_BIT);
    let mode = if makes { u64::from(sqe.len & MODE) } else { 0 };
    OpenHow { flags: flags.bits().into(), mode, resolve: ResolveFlags::empty() }
}

/// How OPENAT2 opens: more than is known here must be zero.
fn how(user: Uaccess, sqe: &Sqe) -> Result<OpenHow, Errno> {
    let known = size_of::<OpenHow>() as u64;
    must(u64::from(sqe.len) >= known)?;
    for more in known..u64::from(sqe.len) {
        if user.read::<u8>(sqe.off.wrapping_add(more))? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    user.read(sqe.off)
}

fn open(user: Uaccess, sqe: &Sqe, how: OpenHow) -> Result<Stable, Errno> {
    must(sqe.buf_index == 0)?;
    no_slot_as_directory(sqe)?;
    let path = name(user, sqe.addr, AtFlags::empty())?;
    // What the ring keeps itself, no program that this one becomes has.
    must(sqe.splice_fd_in == 0 || how.flags & u64::from(OpenFlags::CLOEXEC.bits()) == 0)?;
    Ok(Stable::Open(Box::new((path, how))))
}

fn path(user: Uaccess, sqe: &Sqe) -> Result<Stable, Errno> {
    plain(sqe)?;
    match sqe.opcode {
        Op::UNLINKAT => must(sqe.off == 0 && sqe.len == 0)?,
        Op::MKDIRAT => must(sqe.off == 0 && sqe.rw_flags == 0)?,
        Op::SYMLINKAT => must(sqe.len == 0 && sqe.rw_flags == 0)?,
        _ => {}
    }
    no_slot_as_directory(sqe)?;
    let flags = AtFlags(sqe.rw_flags);
    let may_be_empty = match sqe.opcode {
        Op::STATX | Op::LINKAT => flags,
        Op::UNLINKAT => {
            must(AtFlags::REMOVEDIR.contains(flags))?;
            AtFlags::empty()
        }
        _ => AtFlags::empty(),
    };
    let first = name(user, sqe.addr, may_be_empty)?;
    let second = match sqe.opcode {
        Op::RENAMEAT | Op::SYMLINKAT | Op::LINKAT => Some(name(user, sqe.off, AtFlags::empty())?),
        _ => None,
    };
    Ok(Stable::Paths(Box::new((first, second))))
}

/// An attribute's name, its file's path, and the value that it is to have. One that it has is
/// written when it is found.
fn attribute(user: Uaccess, sqe: &Sqe) -> Result<Stable, Errno> {
    let has_path = matches!(sqe.opcode, Op::GETXATTR | Op::SETXATTR);
    if has_path {
        no_slot_as_directory(sqe)?;
    }
    let sets = matches!(sqe.opcode, Op::FSETXATTR | Op::SETXATTR);
    let flags = XattrFlags(sqe.rw_flags);
    let known = XattrFlags::CREATE | XattrFlags::REPLACE;
    must(if sets { known.contains(flags) } else { flags.is_empty() })?;
    let name_ = user.text(sqe.addr, NAME_BYTES_MAX)?.filter(|name| !name.is_empty());
    let name_ = name_.ok_or(Errno::ERANGE)?;
    let value = if !sets {
        Vec::new()
    } else if sqe.len > VALUE_BYTES_MAX {
        return Err(Errno::E2BIG);
    } else {
        user.read_many::<u8>(sqe.off, sqe.len as usize)?
    };
    let path = if has_path { Some(name(user, sqe.addr3, AtFlags::empty())?) } else { None };
    Ok(Stable::Attribute(Box::new(Attribute { name: name_, path, value })))
}

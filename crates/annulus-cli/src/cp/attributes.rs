//! `-p`: modes, owners, times and extended attributes.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::dir::Dir;
use super::run::Run;
use super::trouble::{Outcome, Trouble};

/// Gives `to` what `from` has, a file or a directory. The times last: the rest changes none, but
/// content does.
pub fn of_file(
    run: &Run,
    from: BorrowedFd<'_>,
    stat: &Stat,
    to: BorrowedFd<'_>,
    path: &Path,
) -> Outcome {
    let mut mode = stat.st_mode & 0o7777;
    match rustix::fs::fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
    {
        Ok(()) => {}
        // Whose it is cannot be given away: then it is nobody else's program either.
        Err(Errno::PERM | Errno::INVAL) => mode &= !0o6000,
        Err(errno) => return Err(Trouble::os(path, "set the owner", errno)),
    }
    xattrs(run, from, to, path)?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(mode))
        .map_err(|errno| Trouble::os(path, "set the mode", errno))?;
    rustix::fs::futimens(to, &times(stat))
        .map_err(|errno| Trouble::os(path, "set the times", errno))
}

/// The same of a name that is no file or directory: a link, a FIFO, a device.
pub fn of_name(dir: &Dir, name: &CStr, at: &CStr, stat: &Stat) -> Outcome {
    let path = || dir.to_path(name);
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    match rustix::fs::chownat(&dir.to, at, Some(uid), Some(gid), flags) {
        Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
        Err(errno) => return Err(Trouble::os(&path(), "set the owner", errno)),
    }
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink() {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmodat(&dir.to, at, mode, AtFlags::empty())
            .map_err(|errno| Trouble::os(&path(), "set the mode", errno))?;
    }
    rustix::fs::utimensat(&dir.to, at, &times(stat), flags)
        .map_err(|errno| Trouble::os(&path(), "set the times", errno))
}

fn times(stat: &Stat) -> Timestamps {
    let spec = |tv_sec, tv_nsec: u64| Timespec { tv_sec, tv_nsec: tv_nsec as _ };
    Timestamps {
        last_access: spec(stat.st_atime, stat.st_atime_nsec),
        last_modification: spec(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Copies the attributes that can be; which cannot is told with --verbose.
fn xattrs(run: &Run, from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &Path) -> Outcome {
    // As long as the kernel's longest list, and its longest value.
    const MAX: usize = 65536;
    let mut probe = [0_u8; 0];
    match rustix::fs::flistxattr(from, &mut probe) {
        Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        Ok(_) => {}
        Err(errno) => return Err(Trouble::os(path, "list the attributes", errno)),
    }
    let mut list = vec![0; MAX];
    let length = rustix::fs::flistxattr(from, &mut list)
        .map_err(|errno| Trouble::os(path, "list the attributes", errno))?;
    let mut value = vec![0; MAX];
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = CString::new(name) else { continue };
        let copied = rustix::fs::fgetxattr(from, &name, &mut value)
            .and_then(|n| rustix::fs::fsetxattr(to, &name, &value[..n], XattrFlags::empty()));
        match copied {
            Ok(()) | Err(Errno::NODATA) => {}
            // Those of security and of trust are not everybody's, and not every file system's.
            Err(Errno::PERM | Errno::OPNOTSUPP) => {
                if run.ui.verbose {
                    let name = name.to_string_lossy();
                    run.ui.warn(&format!("{}: the attribute {name} stays behind", path.display()));
                }
            }
            Err(errno) => return Err(Trouble::os(path, "set an attribute", errno)),
        }
    }
    Ok(())
}

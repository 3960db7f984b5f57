//! What files in a directory can do. Its files have no name, or lose it at once.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};

use super::report::{Outcome, PathReport};
use super::rig::{Fault, Rig, Tried};
use crate::errno::Errno;
use crate::op::{Read, Write};

/// `STATX_DIOALIGN` (Linux 6.1).
const DIOALIGN: StatxFlags = StatxFlags::from_bits_retain(0x2000);

/// The largest unit that a disk is known to want.
const UNIT_MAX: usize = 16_384;

/// Tries the directory `path`, whose mount is looked up below `root`.
pub(super) fn examine(rig: &mut Rig, root: &Path, path: &Path) -> PathReport {
    let mount = mount(root, path);
    let (memory, offset) = alignment(path);
    let (direct, smallest) = direct(rig, path, memory, offset);
    PathReport {
        path: path.to_owned(),
        file_system: mount.as_ref().map(|mount| mount.kind.clone()),
        source: mount.map(|mount| mount.source),
        direct,
        direct_memory_align_bytes: memory,
        direct_offset_align_bytes: offset,
        direct_smallest_bytes: smallest,
        reflink: reflink(path).map_or_else(Outcome::from, |()| Outcome::Works),
    }
}

/// A new file without a name.
fn nameless(path: &Path, flags: OFlags) -> Result<File, Errno> {
    let mode = Mode::RUSR | Mode::WUSR;
    let open = flags | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(path, open | OFlags::TMPFILE, mode) {
        Ok(fd) => Ok(fd.into()),
        // Not every file system has files without names.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let name = path.join(format!(".annulus-probe-{}", std::process::id()));
            let options = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .custom_flags(flags_of(flags))
                .open(&name);
            let file = options.map_err(|error| {
                Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO.raw()))
            })?;
            let _ = std::fs::remove_file(&name);
            Ok(file)
        }
        Err(errno) => Err(Errno::from_raw(errno.raw_os_error())),
    }
}

fn flags_of(flags: OFlags) -> i32 {
    flags.bits() as i32
}

/// What the kernel says that direct reads and writes must be aligned to: memory, and offsets.
fn alignment(path: &Path) -> (Option<u32>, Option<u32>) {
    let Ok(file) = nameless(path, OFlags::empty()) else { return (None, None) };
    match rustix::fs::statx(&file, "", AtFlags::EMPTY_PATH, DIOALIGN) {
        Ok(stat) if stat.stx_mask & DIOALIGN.bits() != 0 => {
            let said = |bytes: u32| (bytes != 0).then_some(bytes);
            (said(stat.stx_dio_mem_align), said(stat.stx_dio_offset_align))
        }
        _ => (None, None),
    }
}

/// Memory aligned for any disk.
#[repr(C, align(16384))]
struct Aligned([u8; UNIT_MAX]);

/// Writes and reads directly, in the smallest unit that works.
fn direct(
    rig: &mut Rig,
    path: &Path,
    memory: Option<u32>,
    offset: Option<u32>,
) -> (Outcome, Option<u32>) {
    let file = match nameless(path, OFlags::DIRECT) {
        Ok(file) => file,
        Err(errno) => return (Outcome::Refused(errno), None),
    };
    // What the kernel says, or else every unit that disks have.
    let said = memory.zip(offset).map(|(memory, offset)| memory.max(offset) as usize);
    let units = [512, 1024, 2048, 4096, 8192, UNIT_MAX];
    let mut outcome = Outcome::Untried("no unit to try");
    for unit in units.into_iter().filter(|unit| said.is_none_or(|said| *unit >= said)) {
        let aligned = Aligned([7; UNIT_MAX]);
        outcome = rig.test(aligned, |rig, memory| once(rig, &file, memory, unit as u32));
        match outcome {
            Outcome::Works => return (outcome, Some(unit as u32)),
            // Too small for this disk: the next one.
            Outcome::Refused(Errno::EINVAL) => {}
            _ => break,
        }
    }
    (outcome, None)
}

fn once(rig: &mut Rig, file: &File, memory: &mut Aligned, unit: u32) -> Tried {
    let write = Write::new(file, memory.0.as_mut_ptr(), unit);
    // SAFETY: the buffer is the test's memory.
    let written = unsafe { rig.run(write.offset(0).build()) }?;
    memory.0.fill(0);
    // The address anew: one from before the bytes were touched may not be used after.
    let read = Read::new(file, memory.0.as_mut_ptr(), unit);
    // SAFETY: the buffer is the test's memory.
    let read = unsafe { rig.run(read.offset(0).build()) }?;
    let whole = Ok(unit);
    if (written.result(), read.result()) != (whole, whole) {
        return Err(Fault::Wrong("another length was read"));
    }
    if memory.0[..unit as usize].iter().all(|byte| *byte == 7) {
        Ok(())
    } else {
        Err(Fault::Wrong("other bytes came back"))
    }
}

/// Shares the blocks of one file with another.
fn reflink(path: &Path) -> Tried {
    let from = nameless(path, OFlags::empty())?;
    let to = nameless(path, OFlags::empty())?;
    let failed = |_| Fault::Untried("no block could be written");
    std::io::Write::write_all(&mut &from, &[7; 4096]).map_err(failed)?;
    rustix::fs::ioctl_ficlone(&to, &from)
        .map_err(|errno| Fault::Refused(Errno::from_raw(errno.raw_os_error())))
}

struct Mount {
    kind: String,
    source: String,
}

/// What is mounted where `path` is: the mount with the longest path that begins it.
fn mount(root: &Path, path: &Path) -> Option<Mount> {
    let path = path.canonicalize().ok()?;
    let table = std::fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let mut best: Option<(usize, Mount)> = None;
    for line in table.lines() {
        let Some((at, mount)) = entry(line) else { continue };
        // Of two mounts at one place the later one covers the earlier.
        if path.starts_with(&at)
            && best.as_ref().is_none_or(|(len, _)| at.as_os_str().len() >= *len)
        {
            best = Some((at.as_os_str().len(), mount));
        }
    }
    best.map(|(_, mount)| mount)
}

/// One line of `mountinfo`: `36 35 98:0 /of /at options… - ext4 /dev/root rw`.
fn entry(line: &str) -> Option<(PathBuf, Mount)> {
    let (left, right) = line.split_once(" - ")?;
    let at = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    let mount = Mount { kind: right.next()?.to_owned(), source: right.next()?.to_owned() };
    // Spaces in paths are written as octal numbers.
    Some((PathBuf::from(at.replace("\\040", " ")), mount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_from_its_line() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=x";
        let (at, mount) = entry(line).unwrap();
        assert_eq!(at, Path::new("/mnt 2"));
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("ext3", "/dev/root"));
        assert!(entry("nonsense").is_none());
    }
}

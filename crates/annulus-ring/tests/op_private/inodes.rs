//! What is asked of files and directories, and set.

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use annulus_ring::abi::private::{
    self, DIRENT64_NAME_OFFSET, SeekWhence, Statfs, UTIME_NOW, UTIME_OMIT,
};
use annulus_ring::abi::{AT_FDCWD, AtFlags, Timespec};
use annulus_ring::{Errno, LocalRing};

use crate::answer;
use crate::common::{LIMIT, limit};
use crate::files::{TempDir, ring};

/// The names that GETDENTS64 wrote.
fn names(buf: &[u8]) -> Vec<String> {
    let (mut at, mut names) = (0, Vec::new());
    while at < buf.len() {
        let length = u16::from_ne_bytes([buf[at + 16], buf[at + 17]]);
        let name = &buf[at + DIRENT64_NAME_OFFSET..at + usize::from(length)];
        names.push(CStr::from_bytes_until_nul(name).unwrap().to_str().unwrap().to_owned());
        at += usize::from(length);
    }
    names
}

#[test]
fn a_directory_is_listed_batch_by_batch() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        (0..100).for_each(|n| drop(dir.file(&format!("file-{n:03}"), b"")));
        let (folder, mut ring) = (dir.open(), ring());
        let (mut all, mut batches) = (Vec::new(), 0);
        loop {
            let mut buf = vec![0_u8; 1024];
            let list = private::getdents64(folder.as_raw_fd(), buf.as_mut_ptr(), 1024);
            let Some(count) = answer(&mut ring, list) else { return };
            match count.unwrap() as usize {
                0 => break,
                count => all.extend(names(&buf[..count])),
            }
            batches += 1;
        }
        all.sort();
        assert_eq!((all.len(), all[0].as_str(), all[101].as_str()), (102, ".", "file-099"));
        assert!(batches > 2, "{batches}");
        let mut small = [0_u8; 8];
        let mut position = 0;
        let begin = private::lseek(folder.as_raw_fd(), 0, SeekWhence::SET, &mut position);
        assert_eq!(answer(&mut ring, begin), Some(Ok(0)));
        let list = private::getdents64(folder.as_raw_fd(), small.as_mut_ptr(), 8);
        assert_eq!(answer(&mut ring, list), Some(Err(Errno::EINVAL)), "no name fits");
        let file = dir.file("file-000", b"");
        let list = private::getdents64(file.as_raw_fd(), small.as_mut_ptr(), 8);
        assert_eq!(answer(&mut ring, list), Some(Err(Errno::ENOTDIR)));
    });
}

#[test]
fn data_and_holes_are_found() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        file.write_all_at(b"x", 1 << 20).unwrap();
        file.set_len(2 << 20).unwrap();
        let mut ring = ring();
        let seek = |ring: &mut LocalRing, offset, whence| {
            let mut found = 0;
            let seek = private::lseek(file.as_raw_fd(), offset, whence, &mut found);
            answer(ring, seek).map(|answer| answer.map(|_| found))
        };
        let Some(data) = seek(&mut ring, 0, SeekWhence::DATA) else { return };
        assert_eq!(data, Ok(1 << 20));
        let hole = seek(&mut ring, 1 << 20, SeekWhence::HOLE).unwrap().unwrap();
        assert!(hole > 1 << 20 && hole < 2 << 20, "{hole}");
        assert_eq!(seek(&mut ring, 3 << 20, SeekWhence::DATA), Some(Err(Errno::ENXIO)));
        assert_eq!(seek(&mut ring, hole as i64, SeekWhence::DATA), Some(Err(Errno::ENXIO)));
        assert_eq!(seek(&mut ring, -1, SeekWhence::END), Some(Ok((2 << 20) - 1)));
        assert_eq!(seek(&mut ring, -1, SeekWhence::CUR), Some(Ok((2 << 20) - 2)));
        assert_eq!(seek(&mut ring, 5 << 32, SeekWhence::SET), Some(Ok(5 << 32)), "no 32 bits");
        assert_eq!(seek(&mut ring, -1, SeekWhence::SET), Some(Err(Errno::EINVAL)));
        assert_eq!(seek(&mut ring, 0, SeekWhence(9)), Some(Err(Errno::EINVAL)));
        let (pipe, _writer) = std::io::pipe().unwrap();
        let mut found = 0;
        let seek = private::lseek(pipe.as_raw_fd(), 0, SeekWhence::CUR, &mut found);
        assert_eq!(answer(&mut ring, seek), Some(Err(Errno::ESPIPE)));
        let nowhere = private::lseek(file.as_raw_fd(), 0, SeekWhence::END, std::ptr::null_mut());
        assert_eq!(answer(&mut ring, nowhere), Some(Err(Errno::EFAULT)));
    });
}

#[test]
fn modes_owners_and_times_are_set() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (file, folder) = (dir.file("a", b""), dir.open());
        let mut ring = ring();
        let mode = || file.metadata().unwrap().permissions().mode() & 0o7777;
        let at = folder.as_raw_fd();
        let change = private::fchmodat2(at, c"a".as_ptr(), 0o640, AtFlags::empty());
        let Some(changed) = answer(&mut ring, change) else { return };
        assert_eq!((changed, mode()), (Ok(0), 0o640));
        let own = private::fchmodat2(file.as_raw_fd(), c"".as_ptr(), 0o600, AtFlags::EMPTY_PATH);
        assert_eq!((answer(&mut ring, own), mode()), (Some(Ok(0)), 0o600));
        let none = private::fchmodat2(at, c"b".as_ptr(), 0o640, AtFlags::empty());
        assert_eq!(answer(&mut ring, none), Some(Err(Errno::ENOENT)));
        let below = private::fchmodat2(at, c"a/b".as_ptr(), 0o640, AtFlags::empty());
        assert_eq!(answer(&mut ring, below), Some(Err(Errno::ENOTDIR)));
        let keep = private::fchownat(at, c"a".as_ptr(), u32::MAX, u32::MAX, AtFlags::empty());
        assert_eq!(answer(&mut ring, keep), Some(Ok(0)));

        let times = [
            Timespec { tv_sec: 1_000_000_000, tv_nsec: 5 },
            Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        ];
        let before = file.metadata().unwrap();
        let raw = file.as_raw_fd();
        let set = private::utimensat(raw, std::ptr::null(), &times, AtFlags::empty());
        assert_eq!(answer(&mut ring, set), Some(Ok(0)));
        let after = file.metadata().unwrap();
        assert_eq!((after.atime(), after.atime_nsec()), (1_000_000_000, 5));
        assert_eq!(after.modified().unwrap(), before.modified().unwrap());
        let now = [Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }; 2];
        let set = private::utimensat(at, c"a".as_ptr(), &now, AtFlags::empty());
        assert_eq!(answer(&mut ring, set), Some(Ok(0)));
        assert!(file.metadata().unwrap().atime() > 1_000_000_000);
        let bad = [Timespec { tv_sec: 0, tv_nsec: 1 << 31 }; 2];
        let set = private::utimensat(at, c"a".as_ptr(), &bad, AtFlags::empty());
        assert_eq!(answer(&mut ring, set), Some(Err(Errno::EINVAL)));
    });
}

#[test]
fn links_access_and_space_are_asked_for() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (file, folder) = (dir.file("a", b""), dir.open());
        std::os::unix::fs::symlink("some/where", dir.path("link")).unwrap();
        let mut ring = ring();
        let mut buf = [0_u8; 64];
        let at = folder.as_raw_fd();
        let link = private::readlinkat(at, c"link".as_ptr(), buf.as_mut_ptr(), 64);
        let Some(read) = answer(&mut ring, link) else { return };
        assert_eq!((read, &buf[..10]), (Ok(10), &b"some/where"[..]));
        let link = private::readlinkat(at, c"link".as_ptr(), buf.as_mut_ptr(), 4);
        assert_eq!(answer(&mut ring, link), Some(Ok(4)), "as much as there is room for");
        let link = private::readlinkat(at, c"a".as_ptr(), buf.as_mut_ptr(), 64);
        assert_eq!(answer(&mut ring, link), Some(Err(Errno::EINVAL)), "it is no link");

        let may = private::faccessat2(at, c"a".as_ptr(), 4, AtFlags::empty());
        assert_eq!(answer(&mut ring, may), Some(Ok(0)));
        let may = private::faccessat2(AT_FDCWD, c"/no/such".as_ptr(), 0, AtFlags::empty());
        assert_eq!(answer(&mut ring, may), Some(Err(Errno::ENOENT)));
        let may = private::faccessat2(at, c"a".as_ptr(), 8, AtFlags::empty());
        assert_eq!(answer(&mut ring, may), Some(Err(Errno::EINVAL)));

        let mut space = Statfs::default();
        let ask = private::fstatfs(file.as_raw_fd(), &mut space);
        assert_eq!(answer(&mut ring, ask), Some(Ok(0)));
        assert!(space.f_bsize >= 512 && space.f_namelen >= 14, "{space:?}");
        assert_eq!(answer(&mut ring, private::fstatfs(-1, &mut space)), Some(Err(Errno::EBADF)));
    });
}

#[test]
fn a_file_system_is_made_durable() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"x");
        let mut ring = ring();
        let Some(synced) = answer(&mut ring, private::syncfs(file.as_raw_fd())) else { return };
        assert_eq!(synced, Ok(0));
        assert_eq!(answer(&mut ring, private::syncfs(-1)), Some(Err(Errno::EBADF)));
    });
}

#[test]
fn attributes_are_listed_and_removed() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let raw = file.as_raw_fd();
        let mut ring = ring();
        let gone = private::fremovexattr(raw, c"user.tag".as_ptr());
        let Some(gone) = answer(&mut ring, gone) else { return };
        assert!(matches!(gone, Err(Errno::ENODATA | Errno::EOPNOTSUPP)), "{gone:?}");
        let mut buf = [0_u8; 64];
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::fsetxattr(&file, c"user.tag", b"x", flags).is_err() {
            return;
        }
        let list = private::flistxattr(raw, buf.as_mut_ptr(), 64);
        assert_eq!((answer(&mut ring, list), &buf[..9]), (Some(Ok(9)), &b"user.tag\0"[..]));
        let remove = private::fremovexattr(raw, c"user.tag".as_ptr());
        assert_eq!(answer(&mut ring, remove), Some(Ok(0)));
        assert_eq!(answer(&mut ring, list), Some(Ok(0)));
        // By path.
        rustix::fs::fsetxattr(&file, c"user.tag", b"x", flags).expect("as before");
        let path = std::ffi::CString::new(dir.path("a").into_os_string().into_vec());
        let path = path.expect("no zero in it");
        buf.fill(0);
        let list = private::listxattr(path.as_ptr(), buf.as_mut_ptr(), 64);
        assert_eq!((answer(&mut ring, list), &buf[..9]), (Some(Ok(9)), &b"user.tag\0"[..]));
        let remove = private::removexattr(path.as_ptr(), c"user.tag".as_ptr());
        assert_eq!(answer(&mut ring, remove), Some(Ok(0)));
        assert_eq!(answer(&mut ring, remove), Some(Err(Errno::ENODATA)));
        let nowhere = private::listxattr(c"no/such".as_ptr(), buf.as_mut_ptr(), 64);
        assert_eq!(answer(&mut ring, nowhere), Some(Err(Errno::ENOENT)));
    });
}

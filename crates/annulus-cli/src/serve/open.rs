//! Opening what a path names, without leaving the directory and without waiting for a disk.
//!
//! What the kernel has in its caches is opened at once, by a call (`RESOLVE_CACHED`, Linux 5.12);
//! what it has to look up is opened by the ring. Both are kept beneath the directory by the kernel
//! (`RESOLVE_BENEATH`), whatever links there are and whoever changes them meanwhile.

use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use annulus::fs::{Dir, File, OpenOptions};
use hyper::StatusCode;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::{Errno, ReadWriteFlags, fcntl_dupfd_cloexec, preadv2};

/// Read only; a fifo without a writer is opened, too, rather than waited for, and a terminal does
/// not become the program's.
const FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The directory that is served.
pub struct Root {
    dir: Dir,
}

/// What was found: a regular file, or a directory.
pub struct Found {
    pub file: OwnedFd,
    pub len: u64,
    pub is_dir: bool,
    pub inode: u64,
    /// Since 1970, less than zero before.
    pub modified_s: i64,
    pub modified_ns: u64,
}

impl Root {
    /// # Errors
    /// It is not there, is no directory, or may not be read.
    pub async fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { dir: Dir::open(path).await.map_err(io::Error::from)?.beneath() })
    }

    /// Opens a regular file or a directory.
    ///
    /// # Errors
    /// The status to answer.
    pub async fn find(&self, path: &[u8]) -> Result<Found, StatusCode> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::CACHED;
        let file = match openat2(self.dir.as_fd(), path, FLAGS, Mode::empty(), resolve) {
            Ok(file) => file,
            // It is not cached; or the kernel has no such flag, or a filter forbids the call.
            Err(Errno::AGAIN | Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                self.open_slowly(path).await.map_err(status_of)?
            }
            Err(why) => return Err(status_of(why)),
        };
        let stat = fstat(&file).map_err(status_of)?;
        found(file, &stat)
    }

    async fn open_slowly(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let mut options = OpenOptions::new();
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let options = options.read(true).custom_flags(flags);
        let file = self.dir.open_file_with(Path::new(OsStr::from_bytes(path)), options).await;
        let file = file.map_err(|why| match why.errno() {
            Some(errno) => Errno::from_raw_os_error(errno.raw()),
            None => Errno::INVAL,
        })?;
        // Nothing is under way on it, and there is one handle.
        file.into_std().await.map(OwnedFd::from).map_err(|_| Errno::BUSY)
    }
}

/// What a descriptor is, if it is served.
fn found(file: OwnedFd, stat: &Stat) -> Result<Found, StatusCode> {
    let is_dir = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => false,
        FileType::Directory => true,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    #[allow(clippy::unnecessary_cast, reason = "it is narrower on other processors")]
    let modified_ns = stat.st_mtime_nsec as u64;
    Ok(Found {
        file,
        len: u64::try_from(stat.st_size).unwrap_or(0),
        is_dir,
        inode: stat.st_ino,
        modified_s: stat.st_mtime,
        modified_ns,
    })
}

/// What is answered where something cannot be opened.
fn status_of(why: Errno) -> StatusCode {
    match why {
        // Also what leads out (EXDEV), and a socket (ENXIO).
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::XDEV
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::NODEV
        | Errno::INVAL
        | Errno::ILSEQ => StatusCode::NOT_FOUND,
        Errno::ACCESS | Errno::PERM => StatusCode::FORBIDDEN,
        // Descriptors or memory are short, or the directory was changed in the same moment.
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::BUSY => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Found {
    /// The part of the file, read.
    ///
    /// # Errors
    /// The status to answer: it has become shorter meanwhile, or cannot be read.
    pub async fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>, StatusCode> {
        let mut bytes = vec![0; count];
        let at_once =
            preadv2(&self.file, &mut [IoSliceMut::new(&mut bytes)], offset, ReadWriteFlags::NOWAIT);
        if at_once == Ok(count) {
            return Ok(bytes);
        }
        bytes.clear();
        // It is not in memory, or not all of it is. The operation keeps its own descriptor open.
        let file = fcntl_dupfd_cloexec(&self.file, 0).map_err(status_of)?;
        match File::from(file).read_exact_at(bytes, offset).await {
            Ok((_, bytes)) => Ok(bytes),
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

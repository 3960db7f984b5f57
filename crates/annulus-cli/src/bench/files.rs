//! The files that are read and written: made here, filled with what cannot be compressed, and
//! without a name, so that the kernel removes them however the program ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::buffer::Buffer;
use super::plan::{Cache, Settings};
use super::progress::Progress;
use super::rng::Rng;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::units;

/// One file, filled.
#[derive(Debug)]
pub struct TestFile {
    pub file: File,
    pub bytes: u64,
}

/// The files of one run, for the workloads that need them.
#[derive(Debug)]
pub struct TestFiles {
    pub cached: Option<TestFile>,
    /// The file past the page cache, or why there is none.
    pub direct: Option<Result<TestFile, String>>,
}

impl TestFiles {
    /// Makes and fills what `settings` need.
    pub fn make(
        settings: &Settings,
        signals: &Signals,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        let make = |file, cache| fill(file, cache, settings, signals, progress);
        let mut files = Self { cached: None, direct: None };
        if settings.needs(Cache::Direct) {
            files.direct = Some(match open_direct(&settings.dir)? {
                Ok(file) => match make(file, Cache::Direct) {
                    Ok(made) => Ok(made),
                    Err(Refused::Direct(reason)) => Err(reason),
                    Err(Refused::Failure(failure)) => return Err(failure),
                },
                Err(reason) => Err(reason),
            });
        }
        if settings.needs(Cache::Cached) {
            let file = unnamed(&settings.dir, false).map_err(|e| refused(&settings.dir, &e))?;
            files.cached = Some(make(file, Cache::Cached).map_err(Refused::into_failure)?);
        }
        Ok(files)
    }

    /// The file of a workload.
    pub fn of(&self, cache: Cache) -> Result<&TestFile, &str> {
        match (cache, &self.cached, &self.direct) {
            (Cache::Cached, Some(file), _) | (Cache::Direct, _, Some(Ok(file))) => Ok(file),
            (Cache::Direct, _, Some(Err(reason))) => Err(reason),
            _ => Err("not asked for"),
        }
    }
}

/// Why a file could not be filled.
enum Refused {
    /// This file system does not do direct I/O, or not like that.
    Direct(String),
    Failure(Failure),
}

impl Refused {
    fn into_failure(self) -> Failure {
        match self {
            Self::Direct(reason) => Failure::new("direct I/O", reason),
            Self::Failure(failure) => failure,
        }
    }
}

/// A new file in `dir` that has no name (`O_TMPFILE`), or whose name is gone before it is used.
pub fn unnamed(dir: &Path, direct: bool) -> io::Result<File> {
    let direct = if direct { OFlags::DIRECT } else { OFlags::empty() };
    let flags = OFlags::RDWR | OFlags::CLOEXEC | direct;
    let owner_only = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(dir, flags | OFlags::TMPFILE, owner_only) {
        Ok(fd) => Ok(fd.into()),
        // Not known to this file system (or, for EINVAL, perhaps it is O_DIRECT that is not).
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
            named_briefly(dir, flags, owner_only)
        }
        Err(error) => Err(error.into()),
    }
}

/// The same for file systems that give every file a name.
fn named_briefly(dir: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let name = format!(".annulus-bench-{}-{}", std::process::id(), time.tv_nsec);
    let path = dir.join(name);
    let result = rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode);
    if !matches!(result, Err(Errno::EXIST)) {
        // Made even where O_DIRECT was then refused. If it was not made there is nothing to unlink.
        let _ = rustix::fs::unlink(&path);
    }
    Ok(result?.into())
}

/// File systems that live in memory take `O_DIRECT` and copy all the same.
const TMPFS_MAGIC: u64 = 0x0102_1994;
const RAMFS_MAGIC: u64 = 0x8584_58f6;

/// A file past the page cache; or, where there is no such thing, why.
fn open_direct(dir: &Path) -> Result<Result<File, String>, Failure> {
    let magic = rustix::fs::statfs(dir).map(|stat| stat.f_type as u64);
    if matches!(magic, Ok(TMPFS_MAGIC | RAMFS_MAGIC)) {
        return Ok(Err("this file system is memory: there is nothing past the cache".to_owned()));
    }
    match unnamed(dir, true) {
        Ok(file) => Ok(Ok(file)),
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            Ok(Err("this file system refuses O_DIRECT".to_owned()))
        }
        Err(error) => Err(refused(dir, &error)),
    }
}

/// How much is written at a time, and between two looks at the clock.
const CHUNK_BYTES: usize = 1 << 20;

/// Fills the file to its size, or until its time is over, and waits until the disk has it.
fn fill(
    file: File,
    cache: Cache,
    settings: &Settings,
    signals: &Signals,
    progress: &Progress,
) -> Result<TestFile, Refused> {
    let mut buffer = Buffer::new(CHUNK_BYTES);
    let mut rng = Rng::new(u64::MAX / 2);
    let began = Instant::now();
    let block = u64::from(settings.block_bytes);
    let end = settings.file_bytes / block * block;
    let mut bytes = 0;
    while bytes < end {
        signals.check().map_err(Refused::Failure)?;
        let len = (end - bytes).min(CHUNK_BYTES as u64);
        let chunk = &mut buffer.as_mut_slice()[..len as usize];
        rng.fill(chunk);
        file.write_all_at(chunk, bytes).map_err(|error| unfilled(&error, cache, settings))?;
        bytes += len;
        progress.filling(bytes, end);
        if is_slow(&file, bytes, began, settings.file_time_max) && bytes >= block {
            break;
        }
    }
    file.sync_data().map_err(|error| unfilled(&error, cache, settings))?;
    Ok(TestFile { file, bytes: bytes / block * block })
}

/// Whether the time for filling is over. Asked at the pace of the disk, not of its cache.
fn is_slow(file: &File, bytes: u64, began: Instant, max: Option<Duration>) -> bool {
    const SYNC_BYTES: u64 = 8 << 20;
    let Some(max) = max else { return false };
    if bytes.is_multiple_of(SYNC_BYTES) {
        // What fails here fails again at the end, where it is told.
        let _ = file.sync_data();
    }
    began.elapsed() > max
}

fn unfilled(error: &io::Error, cache: Cache, settings: &Settings) -> Refused {
    if cache == Cache::Direct && error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) {
        let block = units::size(settings.block_bytes.into());
        return Refused::Direct(format!("this file system refuses direct writes (of {block})"));
    }
    Refused::Failure(refused(&settings.dir, error))
}

/// Why a directory is of no use, and what to do.
fn refused(dir: &Path, error: &io::Error) -> Failure {
    let cure = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or give a smaller --size, or another directory by --dir or TMPDIR"
        }
        _ => "give a directory that you may write to by --dir or TMPDIR",
    };
    Failure::new(dir.display().to_string(), error).cure(cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_no_name() {
        let dir = std::env::temp_dir().join(format!("annulus-files-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let one = unnamed(&dir, false).unwrap();
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let other = named_briefly(&dir, flags, Mode::RUSR | Mode::WUSR).unwrap();
        one.write_all_at(b"abc", 0).unwrap();
        other.write_all_at(b"abc", 0).unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        std::fs::remove_dir(&dir).unwrap();
    }

    #[test]
    fn a_directory_that_is_none_is_named_with_a_cure() {
        let dir = Path::new("/nonexistent/annulus");
        let error = unnamed(dir, false).unwrap_err();
        let text = refused(dir, &error).to_string();
        assert!(text.starts_with("/nonexistent/annulus: No such file"), "{text}");
        assert!(text.contains("--dir"), "{text}");
    }
}

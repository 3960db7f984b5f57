//! The content of a file, by the first way that works.
//!
//! ```text
//! share the blocks        FICLONE: no byte is moved; Btrfs, XFS, bcachefs, some others
//! copy within the kernel  copy_file_range; on a thread, if others have something to do meanwhile
//! read and write          small files, /proc, FIFOs, and what neither of the above does
//! ```
//!
//! Small files are read and written: that takes less of the kernel than `copy_file_range`, which
//! goes through a pipe of its own. They are written by `pwrite`: the ring would hand every write to
//! ext4 to a thread of the kernel, one after the other.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use annulus_runtime::runtime;
use rustix::fs::{SeekFrom, Stat};
use rustix::io::Errno;

use super::args::When;
use super::output::Output;
use super::reader::Reader;
use super::run::{Route, Run};
use super::trouble::{Outcome, Trouble};
use super::walk::Job;

/// What is no larger is read and written.
const SMALL_BYTES: u64 = 64 * 1024;
/// How much the kernel copies at a time. Every hand-over to the thread costs some processor time,
/// and a signal interrupts what is under way.
const CHUNK_BYTES: u64 = 1 << 30;
/// The same where somebody watches: a twentieth of a second or so.
const WATCHED_BYTES: u64 = 64 << 20;
/// What is all zeros becomes a hole, if that is asked for: a block of most file systems.
const BLOCK_BYTES: usize = 4096;

/// Which way the content took, why, and how many bytes.
pub struct Took {
    pub route: Route,
    pub why: &'static str,
    pub bytes: u64,
}

/// A file on its way.
pub struct Copy<'a> {
    pub run: &'a Rc<Run>,
    pub job: &'a Job,
    pub from: &'a OwnedFd,
    pub stat: &'a Stat,
    pub output: &'a Output<'a>,
}

impl Copy<'_> {
    /// Copies all.
    pub async fn all(&self) -> Outcome<Took> {
        let how = &self.run.how;
        let size = self.stat.st_size as u64;
        let why = if !self.output.is_file() {
            "the copy is a device or a FIFO"
        } else if how.sparse == When::Always {
            "--sparse=always looks for zeros"
        } else if size == 0 {
            "it has no size: it is read to its end"
        } else if let Some(took) = self.shared(size)? {
            return Ok(took);
        } else if how.reflink == When::Never {
            "--reflink=never"
        } else if how.sparse == When::Never {
            "--sparse=never"
        } else if size <= SMALL_BYTES {
            "it is small"
        } else if let Some(took) = self.by_kernel(size).await? {
            return Ok(took);
        } else {
            "the kernel cannot copy from there to there"
        };
        self.by_hand(size, why).await
    }

    /// By sharing blocks, if that can be done.
    fn shared(&self, size: u64) -> Outcome<Option<Took>> {
        let how = &self.run.how;
        let pair = (self.stat.st_dev, self.job.dir.to_stat.st_dev);
        let wanted = how.reflink == When::Always;
        if how.reflink == When::Never || !(wanted || self.run.may_share(pair)) {
            return Ok(None);
        }
        // Blocks that are shared are as sparse as the source.
        if how.sparse == When::Never && !wanted {
            return Ok(None);
        }
        match rustix::fs::ioctl_ficlone(&self.output.fd, self.from) {
            Ok(()) => {
                self.run.bar.add(size, 0);
                let why = "the file system shares blocks";
                Ok(Some(Took { route: Route::Reflink, why, bytes: size }))
            }
            Err(errno) if wanted => {
                let why = format!("cannot share blocks: {}", super::trouble::words(errno));
                let cure = "--reflink=auto copies where that cannot be";
                Err(Trouble::new(&self.job.to_path(), why, cure))
            }
            Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::NOSYS) => {
                self.run.cannot_share(pair);
                Ok(None)
            }
            // This file cannot: another may.
            Err(_) => Ok(None),
        }
    }

    /// Within the kernel, if that can be done.
    async fn by_kernel(&self, size: u64) -> Outcome<Option<Took>> {
        let clone = |fd: &OwnedFd| {
            fd.try_clone()
                .map(runtime::File::new)
                .map_err(|e| Trouble::io(&self.job.source_path(), "open", &e))
        };
        let took = |bytes| Took { route: Route::CopyFileRange, why: "it is large", bytes };
        // By a thread, where others have something to do meanwhile.
        let files = match self.run.is_alone {
            true => None,
            false => Some((clone(self.from)?, clone(&self.output.fd)?)),
        };
        let chunk = if self.run.bar.is_watched() { WATCHED_BYTES } else { CHUNK_BYTES };
        let (mut bytes, mut end) = (0, 0);
        while let Some((begin, stop)) = self.data(end, size)? {
            let mut at = begin;
            while at < stop {
                self.run.go_on()?;
                let bytes_now = (stop - at).min(chunk);
                let copied = match &files {
                    Some((from, to)) => {
                        from.copy_to(at, to, at, bytes_now).await.map_err(std::io::Error::from)
                    }
                    None => self.chunk(at, bytes_now),
                };
                let n = match copied {
                    Ok(n) => n,
                    Err(error) => {
                        if error.kind() == std::io::ErrorKind::Interrupted {
                            continue;
                        }
                        if bytes == 0 && is_for_others(&error) {
                            return Ok(None);
                        }
                        return Err(self.failed(&error));
                    }
                };
                if n == 0 && bytes == 0 {
                    // It says that it has a size, and has no bytes for the kernel.
                    return Ok(None);
                }
                if n == 0 {
                    // It was made shorter meanwhile.
                    return Ok(Some(took(bytes)));
                }
                self.run.bar.add(n, 0);
                at += n;
                bytes += n;
            }
            end = stop;
        }
        self.end_at(end, size)?;
        Ok(Some(took(bytes)))
    }

    /// A part of it, on this thread. A signal ends it early.
    fn chunk(&self, at: u64, bytes: u64) -> std::io::Result<u64> {
        let (mut from, mut to) = (at, at);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let fd = &self.output.fd;
        let n = rustix::fs::copy_file_range(self.from, Some(&mut from), fd, Some(&mut to), bytes)?;
        Ok(n as u64)
    }

    /// Whose fault it was is not known of a copy within the kernel: by what usually fails.
    fn failed(&self, error: &std::io::Error) -> Trouble {
        let full = matches!(error.raw_os_error(), Some(28 | 122 | 27));
        let path = if full { self.job.to_path() } else { self.job.source_path() };
        Trouble::io(&path, "copy", error)
    }

    /// By reading and writing.
    async fn by_hand(&self, size: u64, why: &'static str) -> Outcome<Took> {
        let positions = self.output.is_file() && self.source_is_file();
        let mut reader = match self.source_is_file() {
            true => Reader::file(self.from),
            false => Reader::stream(self.from),
        };
        let (mut bytes, mut at, mut written) = (0, 0, 0);
        let mut buf = self.run.take_buffer();
        'all: loop {
            let (begin, stop) = match size {
                _ if !positions || size == 0 => (at, u64::MAX),
                _ => match self.data(at, size)? {
                    Some(range) => range,
                    // All of it is there, or the rest is a hole.
                    None => {
                        at = size;
                        break;
                    }
                },
            };
            at = begin;
            while at < stop {
                self.run.go_on()?;
                let n;
                (n, buf) = reader
                    .read(buf, at)
                    .await
                    .map_err(|error| Trouble::io(&self.job.source_path(), "read", &error))?;
                // Behind a range is a hole.
                let n = n.min(usize::try_from(stop - at).unwrap_or(usize::MAX));
                if n == 0 {
                    break 'all;
                }
                let end = self.write(&buf[..n], at).await?;
                written = if end > at { end } else { written };
                at += n as u64;
                bytes += n as u64;
                self.run.bar.add(n as u64, 0);
            }
        }
        self.run.give_buffer(buf);
        self.end_at(written, at)?;
        let route = if reader.by_ring { Route::Ring } else { Route::ReadWrite };
        Ok(Took { route, why, bytes })
    }

    fn source_is_file(&self) -> bool {
        rustix::fs::FileType::from_raw_mode(self.stat.st_mode).is_file()
    }

    /// Writes all of it: where what was written ends.
    async fn write(&self, bytes: &[u8], at: u64) -> Outcome<u64> {
        if self.run.how.sparse != When::Always || !self.output.is_file() {
            self.write_all(bytes, at).await?;
            return Ok(at + bytes.len() as u64);
        }
        let (mut offset, mut end) = (at, 0);
        for block in bytes.chunks(BLOCK_BYTES) {
            if block.iter().any(|byte| *byte != 0) {
                self.write_all(block, offset).await?;
                end = offset + block.len() as u64;
            }
            offset += block.len() as u64;
        }
        Ok(end)
    }

    async fn write_all(&self, mut bytes: &[u8], mut at: u64) -> Outcome {
        if !self.output.is_file() {
            // By the ring: who reads may take its time.
            let failed = |error: &std::io::Error| Trouble::io(&self.job.to_path(), "write", error);
            let fd = self.output.fd.try_clone().map_err(|e| failed(&e))?;
            let written = runtime::File::new(fd).write_all(bytes.to_vec()).await;
            return written.map(drop).map_err(|e| failed(&e.into()));
        }
        while !bytes.is_empty() {
            match rustix::io::pwrite(&self.output.fd, bytes, at) {
                Ok(n) => {
                    bytes = &bytes[n..];
                    at += n as u64;
                }
                Err(Errno::INTR) => self.run.go_on()?,
                Err(errno) => return Err(self.job.copy("write", errno)),
            }
        }
        Ok(())
    }

    /// The next range with data in it, from `at` on; None behind the last.
    fn data(&self, at: u64, size: u64) -> Outcome<Option<(u64, u64)>> {
        if at >= size {
            return Ok(None);
        }
        let dense = self.stat.st_blocks as u64 * 512 >= size;
        if dense || self.run.how.sparse != When::Auto {
            return Ok(Some((at, size)));
        }
        let begin = match rustix::fs::seek(self.from, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => return Ok(None),
            // No holes are told of there.
            Err(_) => return Ok(Some((at, size))),
        };
        let end = rustix::fs::seek(self.from, SeekFrom::Hole(begin)).unwrap_or(size);
        Ok((begin < size).then_some((begin, end.min(size))))
    }

    /// Makes the copy as long as the source, where that ends with a hole.
    fn end_at(&self, written: u64, size: u64) -> Outcome {
        if written >= size || !self.output.is_file() {
            return Ok(());
        }
        rustix::fs::ftruncate(&self.output.fd, size)
            .map_err(|errno| self.job.copy("make it as long as the source", errno))
    }
}

/// Whether an error says that the kernel cannot copy here, but reads and writes can.
fn is_for_others(error: &std::io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        number,
        Some(
            Errno::XDEV
                | Errno::INVAL
                | Errno::OPNOTSUPP
                | Errno::NOSYS
                | Errno::PERM
                | Errno::BADF
                | Errno::TXTBSY
        )
    )
}

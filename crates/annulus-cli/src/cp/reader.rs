//! [`Reader`]: reads what is in the page cache at once, and what is not through the ring.
//!
//! A read through the ring costs about what the system call costs, and in front of a disk it lets
//! the others go on. One that finds all it wants in memory is cheaper without.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;

use annulus_runtime::runtime;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// See above.
pub struct Reader<'a> {
    fd: &'a OwnedFd,
    /// The same, as the ring knows it.
    file: Option<runtime::File>,
    /// Whether it has positions, and may be in the page cache.
    at_once: bool,
    positions: bool,
    /// Whether the ring read any of it.
    pub by_ring: bool,
}

impl<'a> Reader<'a> {
    /// A file that has positions.
    pub fn file(fd: &'a OwnedFd) -> Self {
        Self { fd, file: None, at_once: true, positions: true, by_ring: false }
    }

    /// A FIFO or a device.
    pub fn stream(fd: &'a OwnedFd) -> Self {
        Self { at_once: false, positions: false, ..Self::file(fd) }
    }

    /// Reads some at `offset`: how many bytes, 0 at the end. The buffer comes back, but with an
    /// error.
    pub async fn read(
        &mut self,
        mut buf: Vec<u8>,
        offset: u64,
    ) -> Result<(usize, Vec<u8>), std::io::Error> {
        if self.at_once {
            let flags = ReadWriteFlags::NOWAIT;
            match preadv2(self.fd, &mut [IoSliceMut::new(&mut buf)], offset, flags) {
                Ok(n) => return Ok((n, buf)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Not of this file system. What else is wrong the ring says again.
                Err(_) => self.at_once = false,
            }
        }
        self.by_ring = true;
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(runtime::File::new(self.fd.try_clone()?)),
        };
        let read = match self.positions {
            true => file.read_at(buf, offset).await,
            false => file.read(buf).await,
        };
        Ok(read?)
    }
}

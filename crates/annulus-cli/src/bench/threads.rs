//! The ordinary way: one `pread(2)` or `pwrite(2)` after the other, on each of some threads.
//!
//! The calls are made by the inlined system call instruction, which is a little faster than through
//! the C library: the ordinary way is measured at its best.

use std::fs::File;

use super::buffer::Buffer;
use super::plan::Rw;
use super::rng::Rng;
use crate::failure::Failure;

/// One thread's work.
#[derive(Debug)]
pub struct Calls<'a> {
    rw: Rw,
    file: Option<&'a File>,
    blocks: u64,
    block_bytes: u64,
    buffer: Buffer,
    rng: Rng,
    calls: u64,
}

/// How many of the cheapest calls make a turn: so that looking around does not count.
const NOPS: u32 = 16;

impl<'a> Calls<'a> {
    /// The work of thread number `index`.
    pub fn new(index: u32, rw: Rw, file: Option<&'a File>, blocks: u64, block_bytes: u32) -> Self {
        let mut buffer = Buffer::new(block_bytes as usize);
        let mut rng = Rng::new(index.into());
        rng.fill(buffer.as_mut_slice());
        Self { rw, file, blocks, block_bytes: block_bytes.into(), buffer, rng, calls: 0 }
    }

    /// How many system calls were made.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Does one operation (or some of the cheapest), and says how many.
    #[inline]
    pub fn turn(&mut self) -> Result<u32, Failure> {
        let Some(file) = self.file else {
            for _ in 0..NOPS {
                std::hint::black_box(rustix::process::getppid());
            }
            self.calls += u64::from(NOPS);
            return Ok(NOPS);
        };
        let offset = self.rng.below(self.blocks) * self.block_bytes;
        let block = self.buffer.as_mut_slice();
        let result = match self.rw {
            Rw::Write => rustix::io::pwrite(file, &*block, offset),
            _ => rustix::io::pread(file, &mut *block, offset),
        };
        self.calls += 1;
        match result {
            Ok(bytes) if bytes as u64 == self.block_bytes => Ok(1),
            other => Err(self.wrong(other)),
        }
    }

    #[cold]
    fn wrong(&self, result: rustix::io::Result<usize>) -> Failure {
        let what = if self.rw == Rw::Write { "pwrite" } else { "pread" };
        match result {
            Ok(bytes) => Failure::new(what, format!("{bytes} of {} bytes", self.block_bytes)),
            Err(error) => Failure::new(what, std::io::Error::from(error)),
        }
    }
}

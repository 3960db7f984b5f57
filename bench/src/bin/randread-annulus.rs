//! Random 4 KiB reads through Annulus's raw ring, `qd=` in flight.
//!
//! `fixed=1` reads into a registered buffer from a registered file; `direct=1` opens the file with
//! `O_DIRECT`.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use annulus_bench::{Args, Random, aligned, fail, pin, report};
use annulus_ring::abi::{BufIndex, FixedFd, Iovec, RegisterOp, Sqe};
use annulus_ring::{LocalRing, Result, op};

/// The size of a read.
const BLOCK_BYTES: u32 = 4096;
/// `O_DIRECT` where this is measured.
const O_DIRECT: i32 = 0o40000;

fn main() {
    let args = Args::parse();
    pin(&args);
    let path = args.text("file", "rr.dat");
    let flags = if args.get("direct", 0) == 1 { O_DIRECT } else { 0 };
    let file = match File::options().read(true).custom_flags(flags).open(&path) {
        Ok(file) => file,
        Err(why) => fail(&format!("{path}: {why}")),
    };
    let blocks = match file.metadata() {
        Ok(about) if about.len() >= 4096 => about.len() / 4096,
        Ok(_) => fail(&format!("{path}: shorter than a block")),
        Err(why) => fail(&format!("{path}: {why}")),
    };
    let depth: u32 = args.get("qd", 32);
    let mut work = Work {
        file,
        buffers: aligned((depth * BLOCK_BYTES) as usize),
        blocks,
        random: Random::new(),
        depth,
        ops: args.get("ops", 100_000),
    };
    let done = if args.get("fixed", 0) == 1 { work.fixed() } else { work.plain() };
    if let Err(error) = done {
        fail(&error.to_string());
    }
}

struct Work {
    file: File,
    buffers: *mut u8,
    blocks: u64,
    random: Random,
    depth: u32,
    ops: u64,
}

impl Work {
    fn buffer(&self, slot: u64) -> *mut u8 {
        self.buffers.wrapping_add(slot as usize * BLOCK_BYTES as usize)
    }

    fn plain(&mut self) -> Result<()> {
        use std::os::fd::AsRawFd;
        let ring = LocalRing::new(self.depth.max(8))?;
        let fd = self.file.as_raw_fd();
        self.run(ring, |work, slot| {
            let offset = work.random.offset(work.blocks);
            op::Read::new(fd, work.buffer(slot), BLOCK_BYTES).offset(offset).build()
        })
    }

    fn fixed(&mut self) -> Result<()> {
        use std::os::fd::AsRawFd;
        let ring = LocalRing::new(self.depth.max(8))?;
        let mut fd = self.file.as_raw_fd();
        let bytes = (self.depth * BLOCK_BYTES) as usize;
        let mut all = Iovec { iov_base: self.buffers as _, iov_len: bytes as _ };
        let register = ring.register();
        // SAFETY: one descriptor, read during the call.
        unsafe { register.raw(RegisterOp::FILES, (&raw mut fd).cast(), 1)? };
        // SAFETY: one iovec, read during the call; the buffers are never freed.
        unsafe { register.raw(RegisterOp::BUFFERS, (&raw mut all).cast(), 1)? };
        self.run(ring, |work, slot| {
            let offset = work.random.offset(work.blocks);
            let buffer = work.buffer(slot);
            op::ReadFixed::new(FixedFd(0), buffer, BLOCK_BYTES, BufIndex(0)).offset(offset).build()
        })
    }

    /// Keeps `depth` reads in flight until `ops` are done; `entry` makes the read of a slot.
    #[inline(always)]
    fn run(
        &mut self,
        mut ring: LocalRing,
        entry: impl Fn(&mut Self, u64) -> Sqe,
    ) -> Result<()> {
        let begin = Instant::now();
        let (mut submitted, mut done) = (u64::from(self.depth), 0);
        for slot in 0..submitted {
            let read = entry(self, slot).user_data(slot);
            // SAFETY: each slot's buffer is its own, and never freed.
            unsafe { ring.push(read)? };
        }
        while done < self.ops {
            ring.submit_and_wait(1)?;
            let (sq, cq, _) = ring.parts();
            for cqe in cq.completions()? {
                if cqe.res != BLOCK_BYTES as i32 {
                    fail(&format!("a read answered {}", cqe.res));
                }
                done += 1;
                if submitted < self.ops {
                    submitted += 1;
                    let slot = cqe.user_data;
                    let read = entry(self, slot).user_data(slot);
                    // SAFETY: the slot's read is complete, so its buffer is free again.
                    unsafe { sq.push(read)? };
                }
            }
        }
        report(done, begin.elapsed());
        Ok(())
    }
}

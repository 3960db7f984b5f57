//! Random 4 KiB reads through Annulus's raw ring, `qd=` in flight.
//!
//! `fixed=1` reads into a registered buffer from a registered file; `direct=1` opens the file with
//! `O_DIRECT`. `call=` is the way of walking and pushing: `reserve` (completions in place, the next
//! reads as a batch; the default from depth 8 on) or `push` (one by one). The run is `ops=` reads,
//! or `seconds=` long.

use std::fs::File;
use std::os::fd::AsRawFd;

use annulus_bench::{Args, BLOCK_BYTES, Limit, Meter, Random, Target, aligned, fail, pin};
use annulus_ring::abi::{BufIndex, FixedFd, Iovec, RegisterOp, Sqe};
use annulus_ring::{LocalRing, Result, op};

/// Deeper than that is no program; the ring has as many entries.
const DEPTH_MAX: u64 = 4096;

fn main() {
    let args = Args::parse();
    args.only(&["file", "direct", "fixed", "qd", "call", "ops", "seconds", "core"]);
    pin(&args);
    let target = Target::of(&args);
    let limit = Limit::of(&args, 100_000);
    let depth = args.count("qd", 32, DEPTH_MAX) as u32;
    let mut work = Work {
        file: target.open(),
        buffers: aligned((depth * BLOCK_BYTES) as usize),
        blocks: target.blocks,
        random: Random::new(),
        depth,
        limit,
        ops: limit.ops(),
        in_batches: match args.text("call", if depth < 8 { "push" } else { "reserve" }).as_str() {
            "push" => false,
            "reserve" => true,
            other => fail(&format!("call={other}: push or reserve")),
        },
    };
    let done = if args.switch("fixed") { work.fixed() } else { work.plain() };
    if let Err(error) = done {
        fail(&error.to_string());
    }
}

/// Ends the program: a read came short, or failed.
#[cold]
fn short() -> ! {
    fail("a read came short or failed")
}

struct Work {
    file: File,
    buffers: *mut u8,
    blocks: u64,
    random: Random,
    depth: u32,
    limit: Limit,
    ops: u64,
    in_batches: bool,
}

impl Work {
    fn buffer(&self, slot: u64) -> *mut u8 {
        self.buffers.wrapping_add(slot as usize * BLOCK_BYTES as usize)
    }

    fn plain(&mut self) -> Result<()> {
        let ring = LocalRing::new(self.depth.max(8))?;
        let fd = self.file.as_raw_fd();
        self.run(ring, |work, slot| {
            let offset = work.random.offset(work.blocks);
            op::Read::new(fd, work.buffer(slot), BLOCK_BYTES).offset(offset).build()
        })
    }

    fn fixed(&mut self) -> Result<()> {
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
    fn run(&mut self, mut ring: LocalRing, entry: impl Fn(&mut Self, u64) -> Sqe) -> Result<()> {
        let meter = Meter::start();
        self.limit.start();
        let first = self.ops.min(self.depth.into());
        for slot in 0..first {
            let read = entry(self, slot).user_data(slot);
            // SAFETY: each slot's buffer is its own, and never freed.
            unsafe { ring.push(read)? };
        }
        let done = if self.in_batches {
            self.refill_in_batches(&mut ring, first, entry)?
        } else {
            self.refill_one_by_one(&mut ring, first, entry)?
        };
        meter.report(done);
        Ok(())
    }

    /// Walks the completions in place, and reserves room for as many reads as were done.
    #[inline(always)]
    fn refill_in_batches(
        &mut self,
        ring: &mut LocalRing,
        mut in_flight: u64,
        entry: impl Fn(&mut Self, u64) -> Sqe,
    ) -> Result<u64> {
        let mut left = self.ops - in_flight;
        while in_flight > 0 {
            ring.submit_and_wait(1)?;
            if self.limit.is_over() {
                self.ops -= left; // what is in flight is still waited for
                left = 0;
            }
            let (sq, cq, _) = ring.parts();
            let ready = cq.ready()?;
            let (first, second) = ready.slices();
            for cqes in [first, second] {
                if cqes.iter().any(|cqe| cqe.res != BLOCK_BYTES as i32) {
                    short();
                }
                let more = left.min(cqes.len() as u64);
                let room = sq.reserve(more as u32)?;
                let next = |n: u32| {
                    let slot = cqes[n as usize].user_data;
                    entry(self, slot).user_data(slot)
                };
                // SAFETY: the slots' reads are complete, so their buffers are free again.
                unsafe { room.fill(next) };
                left -= more;
                in_flight -= cqes.len() as u64 - more;
            }
            ready.consume();
        }
        Ok(self.ops)
    }

    /// Takes completion by completion, and pushes a read for each.
    #[inline(always)]
    fn refill_one_by_one(
        &mut self,
        ring: &mut LocalRing,
        mut in_flight: u64,
        entry: impl Fn(&mut Self, u64) -> Sqe,
    ) -> Result<u64> {
        // Counted down, so that the loop has few numbers to keep beside the ring's own.
        let mut left = self.ops - in_flight;
        while in_flight > 0 {
            ring.submit_and_wait(1)?;
            if self.limit.is_over() {
                self.ops -= left; // what is in flight is still waited for
                left = 0;
            }
            let (sq, cq, _) = ring.parts();
            for cqe in cq.completions()? {
                if cqe.res != BLOCK_BYTES as i32 {
                    short();
                }
                if left > 0 {
                    left -= 1;
                    let slot = cqe.user_data;
                    let read = entry(self, slot).user_data(slot);
                    // SAFETY: the slot's read is complete, so its buffer is free again.
                    unsafe { sq.push(read)? };
                } else {
                    in_flight -= 1;
                }
            }
        }
        Ok(self.ops)
    }
}

//! Random 4 KiB reads through a ring, `qd=` in flight: every one is an entry that the kernel in
//! `kernel=` (`host`, `linux`) answers. An engine does what is cached by a call of its own, and
//! asks no ring: this is what a ring costs. `fixed=1` names the file by a slot of the table.
//!
//! The run is `ops=` reads, or `seconds=` long.

use std::os::fd::AsRawFd;

use annulus_bench::{Args, BLOCK_BYTES, Block, Limit, Meter, Random, Target, fail, pin};
use annulus_emulate::abi::{FixedFd, Sqe};
use annulus_emulate::{Builder, KernelChoice, LocalRing, Result, op};

fn main() {
    let args = Args::parse();
    args.only(&["file", "direct", "qd", "kernel", "fixed", "ops", "seconds", "core"]);
    pin(&args);
    if let Err(why) = run(&args) {
        fail(&why.to_string());
    }
}

fn run(args: &Args) -> Result<()> {
    let kernel = match args.text("kernel", "host").as_str() {
        "host" => KernelChoice::Host,
        "linux" => KernelChoice::Linux,
        other => fail(&format!("kernel={other}: host or linux")),
    };
    let (target, limit) = (Target::of(args), Limit::of(args, 100_000));
    let (depth, is_fixed) = (args.count("qd", 32, 1024), args.switch("fixed"));
    let file = target.open();
    let entries = (depth as u32).next_power_of_two();
    let mut ring: LocalRing = Builder::new().entries(entries).kernel(kernel).build_local()?;
    ring.register().files(&[file.as_raw_fd()])?;
    let mut blocks: Vec<_> = (0..depth).map(|_| Block::new()).collect();
    let (mut random, mut share) = (Random::new(), limit.share(0, 1));
    let mut read = |slot: u64| -> Sqe {
        let (at, offset) =
            (blocks[slot as usize].bytes().as_mut_ptr(), random.offset(target.blocks));
        let read = match is_fixed {
            true => op::Read::new(FixedFd(0), at, BLOCK_BYTES),
            false => op::Read::new(file.as_raw_fd(), at, BLOCK_BYTES),
        };
        read.offset(offset).build().user_data(slot)
    };
    let (meter, mut done, mut under_way) = (Meter::start(), 0, 0);
    limit.start();
    while under_way < depth && share.take(1) != 0 {
        // SAFETY: each slot's block is its own, and lives until every read is over.
        unsafe { ring.push(read(under_way)) }?;
        under_way += 1;
    }
    let mut free = Vec::with_capacity(depth as usize);
    while under_way > 0 {
        ring.submit_and_wait(1)?;
        free.clear();
        for cqe in ring.completions()? {
            if cqe.res != BLOCK_BYTES as i32 {
                fail(&format!("a read answered {}", cqe.res));
            }
            free.push(cqe.user_data);
        }
        done += free.len() as u64;
        for slot in &free {
            if share.take(1) == 0 {
                under_way -= 1;
                continue;
            }
            // SAFETY: as above; the slot's read is over.
            unsafe { ring.push(read(*slot)) }?;
        }
    }
    meter.report(done);
    Ok(())
}

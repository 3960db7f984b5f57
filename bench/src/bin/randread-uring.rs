//! Peer: random 4 KiB reads through the `io-uring` crate, `qd=` in flight.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use annulus_bench::{Args, Random, aligned, fail, pin, report};
use io_uring::{IoUring, opcode, squeue, types};

/// The size of a read.
const BLOCK_BYTES: u32 = 4096;
/// `O_DIRECT` where this is measured.
const O_DIRECT: i32 = 0o40000;

fn main() {
    let args = Args::parse();
    pin(&args);
    if let Err(why) = run(&args) {
        fail(&why.to_string());
    }
}

fn run(args: &Args) -> std::io::Result<()> {
    let flags = if args.get("direct", 0) == 1 { O_DIRECT } else { 0 };
    let path = args.text("file", "rr.dat");
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let blocks = file.metadata()?.len() / u64::from(BLOCK_BYTES);
    let depth: u64 = args.get("qd", 32);
    let ops: u64 = args.get("ops", 100_000);
    let mut builder = IoUring::builder();
    if args.text("mode", "defer") != "plain" {
        builder.setup_single_issuer().setup_defer_taskrun();
    }
    if args.text("mode", "defer") == "defer_nosq" {
        builder.setup_no_sqarray();
    }
    let mut ring: IoUring = builder.build(256)?;
    let buffers = aligned((depth * u64::from(BLOCK_BYTES)) as usize);
    let mut random = Random::new();
    let fd = types::Fd(file.as_raw_fd());
    let mut entry = |slot: u64| -> squeue::Entry {
        let buffer = buffers.wrapping_add(slot as usize * BLOCK_BYTES as usize);
        let read = opcode::Read::new(fd, buffer, BLOCK_BYTES).offset(random.offset(blocks));
        read.build().user_data(slot)
    };
    let begin = Instant::now();
    let (mut submitted, mut done) = (depth, 0);
    for slot in 0..depth {
        // SAFETY: each slot's buffer is its own, and never freed.
        let pushed = unsafe { ring.submission().push(&entry(slot)) };
        pushed.unwrap_or_else(|why| fail(&why.to_string()));
    }
    while done < ops {
        ring.submit_and_wait(1)?;
        let (_, mut queue, completions) = ring.split();
        for cqe in completions {
            if cqe.result() != BLOCK_BYTES as i32 {
                fail(&format!("a read answered {}", cqe.result()));
            }
            done += 1;
            if submitted < ops {
                submitted += 1;
                // SAFETY: the slot's read is complete, so its buffer is free again.
                let pushed = unsafe { queue.push(&entry(cqe.user_data())) };
                pushed.unwrap_or_else(|why| fail(&why.to_string()));
            }
        }
    }
    report(done, begin.elapsed());
    Ok(())
}

//! Peer: NOPs through the `io-uring` crate, as it is meant to be used: one `submission()` per batch
//! (`multi=1`: one per entry).

use std::time::Instant;

use annulus_bench::{Args, fail, pin, report};
use io_uring::{IoUring, opcode};

fn main() {
    let args = Args::parse();
    pin(&args);
    if let Err(why) = run(&args) {
        fail(&why.to_string());
    }
}

fn run(args: &Args) -> std::io::Result<()> {
    let mut builder = IoUring::builder();
    match args.text("mode", "defer_nosq").as_str() {
        "plain" => {}
        "defer" => {
            builder.setup_single_issuer().setup_defer_taskrun();
        }
        _ => {
            builder.setup_single_issuer().setup_defer_taskrun().setup_no_sqarray();
        }
    }
    let mut ring: IoUring = builder.build(256)?;
    let batch: u64 = args.get("batch", 32);
    let rounds = args.get("ops", 1_000_000_u64) / batch;
    let each = args.get("multi", 0) == 1;
    let mut sum = 0_u64;
    let begin = Instant::now();
    for round in 0..rounds {
        if each {
            for n in 0..batch {
                let nop = opcode::Nop::new().build().user_data(round.wrapping_add(n));
                // SAFETY: a NOP points to nothing.
                let pushed = unsafe { ring.submission().push(&nop) };
                pushed.unwrap_or_else(|why| fail(&why.to_string()));
            }
        } else {
            let mut queue = ring.submission();
            for n in 0..batch {
                let nop = opcode::Nop::new().build().user_data(round.wrapping_add(n));
                // SAFETY: a NOP points to nothing.
                let pushed = unsafe { queue.push(&nop) };
                pushed.unwrap_or_else(|why| fail(&why.to_string()));
            }
        }
        ring.submit_and_wait(batch as usize)?;
        let mut got = 0;
        while got < batch {
            for cqe in ring.completion() {
                sum = sum.wrapping_add(cqe.user_data() ^ cqe.result() as u64);
                got += 1;
            }
        }
    }
    let took = begin.elapsed();
    std::hint::black_box(sum);
    report(rounds * batch, took);
    Ok(())
}

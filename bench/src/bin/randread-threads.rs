//! Peer: random 4 KiB reads by plain `pread(2)` on `threads=` threads.
//!
//! `direct=1` opens the file with `O_DIRECT`. The run is `ops=` reads of all threads together, or
//! `seconds=` long.

use std::os::unix::fs::FileExt;
use std::sync::Barrier;

use annulus_bench::{Args, Block, Limit, Meter, Random, Target, pin};

/// More threads than that are no program's.
const THREADS_MAX: u64 = 1024;

fn main() {
    let args = Args::parse();
    args.only(&["file", "direct", "threads", "ops", "seconds", "core"]);
    pin(&args);
    let target = Target::of(&args);
    let limit = Limit::of(&args, 100_000);
    let threads = args.count("threads", 1, THREADS_MAX);
    let file = target.open();
    let ready = Barrier::new(threads as usize + 1);
    let work = |index: u64| {
        let (mut block, mut random) = (Block::new(), Random::of(index));
        let (mut share, mut done) = (limit.share(index, threads), 0_u64);
        ready.wait();
        ready.wait();
        while share.take(1) != 0 {
            target.check(file.read_at(block.bytes(), random.offset(target.blocks)));
            done += 1;
        }
        done
    };
    std::thread::scope(|scope| {
        let spawn = |index| scope.spawn(move || work(index));
        let workers: Vec<_> = (0..threads).map(spawn).collect();
        // Once for all to be there, once more to let them go: nothing is done before it is
        // measured.
        ready.wait();
        let meter = Meter::start();
        limit.start();
        ready.wait();
        meter.report(workers.into_iter().map(|w| w.join().expect("a reader panicked")).sum());
    });
}

//! Peer: random 4 KiB reads by `pread(2)` on a plain pool of `threads=` threads, to which one more
//! hands them: `qd=` are in flight, as many as an engine has.
//!
//! The run is `ops=` reads, or `seconds=` long.

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, PoisonError};

use annulus_bench::{Args, Block, Limit, Meter, Random, Target, pin};

/// Deeper than that is no program, and no more threads has one.
const COUNT_MAX: u64 = 4096;

/// A read, and its buffer.
struct Job {
    offset: u64,
    block: Box<Block>,
}

/// Jobs for others, who sleep while there are none.
#[derive(Default)]
struct Queue {
    jobs: Mutex<(VecDeque<Job>, bool)>,
    some: Condvar,
}

impl Queue {
    fn put(&self, job: Job) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).0.push_back(job);
        self.some.notify_one();
    }

    /// The next one, or the end.
    fn take(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = jobs.0.pop_front() {
                return Some(job);
            }
            if jobs.1 {
                return None;
            }
            jobs = self.some.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.some.notify_all();
    }
}

fn main() {
    let args = Args::parse();
    args.only(&["file", "direct", "qd", "threads", "ops", "seconds", "core"]);
    pin(&args);
    let (target, limit) = (Target::of(&args), Limit::of(&args, 100_000));
    let (depth, threads) = (args.count("qd", 32, COUNT_MAX), args.count("threads", 2, COUNT_MAX));
    let file = target.open();
    let (asked, done) = (Queue::default(), Queue::default());
    let work = || {
        while let Some(mut job) = asked.take() {
            target.check(file.read_at(job.block.bytes(), job.offset));
            done.put(job);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
        let (mut share, mut random) = (limit.share(0, 1), Random::new());
        let meter = Meter::start();
        limit.start();
        let (mut under_way, mut count) = (0, 0);
        while under_way < depth && share.take(1) != 0 {
            asked.put(Job { offset: random.offset(target.blocks), block: Block::new() });
            under_way += 1;
        }
        while under_way > 0 {
            let Some(mut job) = done.take() else { break };
            count += 1;
            if share.take(1) == 0 {
                under_way -= 1;
                continue;
            }
            job.offset = random.offset(target.blocks);
            asked.put(job);
        }
        meter.report(count);
        asked.close();
    });
}

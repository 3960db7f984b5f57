//! Random 4 KiB reads from tasks of a runtime, `qd=` of them on one thread: a task reads, awaits,
//! and reads again. `direct=1` opens the file with `O_DIRECT`. The run is `ops=` reads of all tasks
//! together, or `seconds=` long.

use std::fs::File;
use std::rc::Rc;

use crate::limit::{Limit, Share};
use crate::meter::Meter;
use crate::program::{Args, Random, pin};
use crate::runtime::{Needs, Runtime};
use crate::target::Target;

/// Deeper than that is no program.
const DEPTH_MAX: u64 = 4096;

/// A runtime's way to read a file.
pub trait Reads: Runtime {
    /// Its file; a clone for each task.
    type File: Clone + 'static;
    /// What is read into, again and again.
    type Buf: 'static;
    /// What a read gives.
    type Done;

    /// What it makes of an open file, on the runtime. The file's path is `path`.
    fn file(file: File, path: &str) -> impl Future<Output = Self::File>;

    /// A buffer of [`BLOCK_BYTES`](crate::BLOCK_BYTES), aligned to as many where `direct=1` is to
    /// be had.
    fn buf() -> Self::Buf;

    /// Reads a block at `offset`.
    fn read(file: &Self::File, buf: Self::Buf, offset: u64) -> impl Future<Output = Self::Done>;

    /// How many bytes were read, and the buffer again; a read that failed ends the program.
    fn done(done: Self::Done) -> (usize, Self::Buf);
}

/// The program.
pub fn main<R: Reads>() {
    let args = Args::parse();
    args.only(&["file", "direct", "qd", "ops", "seconds", "core"]);
    pin(&args);
    let target = Rc::new(Target::of(&args));
    let limit = Limit::of(&args, 100_000);
    let depth = args.count("qd", 32, DEPTH_MAX);
    let needs = Needs { depth: depth as u32, tasks: true, timers: false };
    R::run(needs, async {
        let file = R::file(target.open(), target.path()).await;
        let meter = Meter::start();
        limit.start();
        let tasks: Vec<_> = (0..depth)
            .map(|index| {
                let share = limit.share(index, depth);
                R::spawn(reads::<R>(file.clone(), share, Random::of(index), Rc::clone(&target)))
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += R::joined(task.await);
        }
        meter.report(done);
    });
}

/// One task: a read after the other.
async fn reads<R: Reads>(
    file: R::File,
    mut share: Share,
    mut random: Random,
    target: Rc<Target>,
) -> u64 {
    let mut buf = R::buf();
    let mut done = 0;
    while share.take(1) != 0 {
        let (n, own) = R::done(R::read(&file, buf, random.offset(target.blocks)).await);
        target.check(Ok(n));
        buf = own;
        done += 1;
    }
    done
}

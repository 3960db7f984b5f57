//! Random 4 KiB reads from tasks on Annulus's own runtime, `qd=` of them on one thread: a task
//! reads, awaits, and reads again. `direct=1` opens the file with `O_DIRECT`. The run is `ops=`
//! reads of all tasks together, or `seconds=` long.

use std::rc::Rc;

use annulus_bench::{Args, BLOCK_BYTES, Limit, Meter, Random, Share, Target, fail, pin};
use annulus_runtime::buffer::AlignedBuf;
use annulus_runtime::runtime::{File, Runtime};
use annulus_runtime::spawn_local;

/// Deeper than that is no program.
const DEPTH_MAX: u64 = 4096;

fn main() {
    let args = Args::parse();
    args.only(&["file", "direct", "qd", "ops", "seconds", "core"]);
    pin(&args);
    let target = Rc::new(Target::of(&args));
    let limit = Limit::of(&args, 100_000);
    let depth = args.count("qd", 32, DEPTH_MAX);
    let runtime = Runtime::builder().entries(depth.max(8) as u32).build();
    let runtime = runtime.unwrap_or_else(|why| fail(&why.to_string()));
    runtime.block_on(async {
        let file = File::new(target.open());
        let meter = Meter::start();
        limit.start();
        let tasks: Vec<_> = (0..depth)
            .map(|index| {
                let share = limit.share(index, depth);
                spawn_local(reads(file.clone(), share, Random::of(index), Rc::clone(&target)))
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.unwrap_or_else(|why| fail(&why.to_string()));
        }
        meter.report(done);
    });
}

/// One task: a read after the other.
async fn reads(file: File, mut share: Share, mut random: Random, target: Rc<Target>) -> u64 {
    let mut buf = AlignedBuf::zeroed(BLOCK_BYTES as usize);
    let mut done = 0;
    while share.take(1) != 0 {
        match file.read_at(buf, random.offset(target.blocks)).await {
            Ok((n, own)) => {
                target.check(Ok(n));
                buf = own;
            }
            Err(why) => {
                target.check(Err(why.into()));
                break;
            }
        }
        done += 1;
    }
    done
}

//! NOPs pushed by `threads=` threads, `batch=` at a time, submitted and taken, `way=`:
//!
//! - `shared`: one `SharedRing` for all; a thread may leave its entries to one that submits, and
//!   takes whatever is there.
//! - `mutex`: one ring for all, behind a mutex; a thread holds it while it pushes, submits and
//!   takes.
//! - `own`: a ring of the same kind for each thread, with no lock: what sharing is compared with.
//! - `local`: a `LocalRing` for each thread, the leanest there is.
//!
//! A turn takes as many completions as it pushed entries. That each entry was completed once is
//! checked by the sum of their user data, since a shared ring may give a thread those of another.
//! The run is `ops=` NOPs of all threads together, or `seconds=` long.

use std::sync::{Barrier, Mutex};

use annulus_bench::{Args, Limit, Meter, fail, pin};
use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::{Linux, LocalRing, Place, Result, Ring, RingOf, SharedRing, op};

/// How many entries a ring has, and a batch at most.
const ENTRIES: u32 = 256;
/// More threads than that are no program's.
const THREADS_MAX: u64 = 1024;

fn main() {
    let args = Args::parse();
    args.only(&["threads", "batch", "way", "ops", "seconds", "core"]);
    pin(&args);
    let run = Run {
        limit: Limit::of(&args, 100_000),
        threads: args.count("threads", 2, THREADS_MAX),
        batch: args.count("batch", 1, ENTRIES.into()),
    };
    let done = match args.text("way", "shared").as_str() {
        "shared" => SharedRing::new(ENTRIES).map(|ring| {
            run.through(|| Ok(Sharer::new(&ring)).map(|mut s| move |nops| s.turn(nops)));
        }),
        "mutex" => Ring::new(ENTRIES).map(|ring| {
            let ring = Mutex::new(ring);
            run.through(|| Ok(|nops: Nops| turn(&mut ring.lock().expect("not poisoned"), nops)));
        }),
        "own" => {
            run.through(|| Ring::new(ENTRIES).map(|mut r| move |nops| turn(&mut r, nops)));
            Ok(())
        }
        "local" => {
            run.through(|| LocalRing::new(ENTRIES).map(|mut r| move |nops| turn(&mut r, nops)));
            Ok(())
        }
        other => fail(&format!("way={other}: shared, mutex, own or local")),
    };
    if let Err(error) = done {
        fail(&error.to_string());
    }
}

/// What one turn pushes: `count` NOPs, the first of which has this user data, each one more.
struct Nops {
    first: u64,
    count: u32,
}

impl Nops {
    /// The entry called `n`.
    #[inline(always)]
    fn entry(&self, n: u32) -> Sqe {
        op::Nop::new().build().user_data(self.first.wrapping_add(n.into()))
    }

    /// The sum of all their user data.
    #[inline(always)]
    fn sum(&self) -> u64 {
        (0..self.count).fold(0, |sum, n| sum.wrapping_add(self.first.wrapping_add(n.into())))
    }
}

struct Run {
    limit: Limit,
    threads: u64,
    batch: u64,
}

impl Run {
    /// Runs it and prints what it cost. `way` makes a thread's way to push, submit and take, on
    /// that thread; it answers the sum of the user data taken. Asked for no NOP, at the end, it
    /// takes what it left to others or put off.
    fn through<F: FnMut(Nops) -> Result<u64>>(&self, way: impl Fn() -> Result<F> + Sync) {
        let ready = Barrier::new(self.threads as usize + 1);
        let (way, ready) = (&way, &ready);
        let work = move |index| {
            let turn = way().unwrap_or_else(|why| fail(&why.to_string()));
            ready.wait();
            ready.wait();
            self.turns(index, turn).unwrap_or_else(|why| fail(&why.to_string()))
        };
        std::thread::scope(|scope| {
            let spawn = |index| scope.spawn(move || work(index));
            let workers: Vec<_> = (0..self.threads).map(spawn).collect();
            // Once for all to be there, once more to let them go: nothing is done before it is
            // measured.
            ready.wait();
            let meter = Meter::start();
            self.limit.start();
            ready.wait();
            let (mut done, mut difference) = (0, 0_u64);
            for worker in workers {
                let (ops, sum) = worker.join().expect("a thread panicked");
                done += ops;
                difference = difference.wrapping_add(sum);
            }
            meter.report(done);
            if difference != 0 {
                fail("not every NOP was completed just once");
            }
        });
    }

    /// One thread's turns: how many NOPs, and the sum of what it pushed less what it took.
    fn turns(&self, index: u64, mut turn: impl FnMut(Nops) -> Result<u64>) -> Result<(u64, u64)> {
        let mut share = self.limit.share(index, self.threads);
        let (mut done, mut difference) = (0, 0_u64);
        loop {
            let count = share.take(self.batch) as u32;
            let nops = Nops { first: (index << 40) + done, count };
            difference = difference.wrapping_add(nops.sum());
            difference = difference.wrapping_sub(turn(nops)?);
            done += u64::from(count);
            if count == 0 {
                return Ok((done, difference));
            }
        }
    }
}

/// Pushes, submits and takes on a ring that is the thread's alone meanwhile.
#[inline(always)]
fn turn<P: Place>(ring: &mut RingOf<P, Sqe, Cqe, Linux>, nops: Nops) -> Result<u64> {
    if nops.count == 0 {
        return Ok(0); // nothing is ever put off
    }
    let room = ring.reserve(nops.count)?;
    // SAFETY: a NOP points to nothing.
    unsafe { room.fill(|n| nops.entry(n)) };
    ring.submit_and_wait(nops.count)?;
    let (mut sum, mut taken) = (0_u64, 0);
    while taken < nops.count {
        let ready = ring.parts().1.ready()?;
        let (first, second) = ready.slices();
        for cqe in first.iter().chain(second) {
            sum = sum.wrapping_add(cqe.user_data);
        }
        taken += ready.len();
        ready.consume();
    }
    Ok(sum)
}

/// One thread's way to push to a ring that others use as well.
struct Sharer<'a> {
    ring: &'a SharedRing,
    entries: Vec<Sqe>,
    taken: [Cqe; ENTRIES as usize],
    /// How many completions it has still to take, its own or as many of others.
    owed: u64,
}

impl<'a> Sharer<'a> {
    fn new(ring: &'a SharedRing) -> Self {
        let entries = Vec::with_capacity(ENTRIES as usize);
        Self { ring, entries, taken: [Cqe::default(); ENTRIES as usize], owed: 0 }
    }

    /// Pushes and submits; takes what is there, and waits only when it owes much, or at the end.
    #[inline(always)]
    fn turn(&mut self, nops: Nops) -> Result<u64> {
        if nops.count > 0 {
            self.entries.clear();
            self.entries.extend((0..nops.count).map(|n| nops.entry(n)));
            // SAFETY: a NOP points to nothing.
            unsafe { self.ring.push_all(&self.entries)? };
            let _ = self.ring.submit()?;
            self.owed += u64::from(nops.count);
        }
        let mut sum = self.take(|ring, taken| ring.peek_into(taken))?;
        let owed_max = if nops.count > 0 { u64::from(ENTRIES / 4) } else { 0 };
        while self.owed > owed_max {
            sum = sum.wrapping_add(self.take(|ring, taken| ring.wait_into(taken))?);
        }
        Ok(sum)
    }

    /// What `way` takes of what is owed.
    #[inline(always)]
    fn take(&mut self, way: impl Fn(&SharedRing, &mut [Cqe]) -> Result<usize>) -> Result<u64> {
        // No more than is owed: the rest is for the others, who would wait for it for ever.
        let room = self.owed.min(self.taken.len() as u64) as usize;
        let count = way(self.ring, &mut self.taken[..room])?;
        self.owed -= count as u64;
        Ok(self.taken[..count].iter().fold(0, |sum, cqe| sum.wrapping_add(cqe.user_data)))
    }
}

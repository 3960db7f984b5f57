//! One measurement: workers that run, a stretch of their time that counts, and what it took.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::raw::{Counted, Counters, Driver};
use super::threads::Calls;
use crate::failure::Failure;
use crate::signals::Signals;

/// What one round of one engine came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    pub ops: u64,
    pub wall_ns: u64,
    /// CPU time of those operations: of the process, with the kernel's workers for a ring in it.
    pub cpu_ns: u64,
    /// System calls of those operations.
    pub calls: u64,
    pub instructions_user: Option<u64>,
    pub instructions_kernel: Option<u64>,
    /// Kernel threads (`iou-wrk`) that served the ring.
    pub kernel_workers: u32,
}

impl Sample {
    pub fn ops_per_s(&self) -> f64 {
        self.ops as f64 / self.wall_ns as f64 * 1e9
    }

    pub fn cpu_ns_per_op(&self) -> f64 {
        self.cpu_ns as f64 / self.ops as f64
    }

    pub fn calls_per_op(&self) -> f64 {
        self.calls as f64 / self.ops as f64
    }

    /// Of user and kernel together; of user alone where that is all there is.
    pub fn instructions_per_op(&self) -> Option<f64> {
        let both = self.instructions_user? + self.instructions_kernel.unwrap_or(0);
        Some(both as f64 / self.ops as f64)
    }
}

/// What a thread does again and again.
pub trait Work {
    /// Whose CPU time is this work's.
    const CLOCK: ClockId;
    /// Does some operations, and says how many.
    fn turn(&mut self) -> Result<u32, Failure>;
    /// How many system calls were made so far.
    fn calls(&self) -> u64;
    /// Ends what is in flight, and checks that all was as it should be.
    fn finish(self) -> Result<(), Failure>;
}

impl Work for Calls<'_> {
    const CLOCK: ClockId = ClockId::ThreadCPUTime;

    #[inline]
    fn turn(&mut self) -> Result<u32, Failure> {
        Calls::turn(self)
    }

    fn calls(&self) -> u64 {
        Calls::calls(self)
    }

    fn finish(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Work for Driver {
    // The kernel's workers for a ring are threads of this process; nothing else runs meanwhile.
    const CLOCK: ClockId = ClockId::ProcessCPUTime;

    #[inline]
    fn turn(&mut self) -> Result<u32, Failure> {
        Driver::turn(self)
    }

    fn calls(&self) -> u64 {
        self.enters()
    }

    fn finish(self) -> Result<(), Failure> {
        Driver::finish(self)
    }
}

/// How long to warm up, and how long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub warm: Duration,
    pub measure: Duration,
}

impl Span {
    /// A tenth more, to warm up.
    pub fn new(measure: Duration) -> Self {
        let warm = (measure / 10).clamp(Duration::from_millis(5), Duration::from_millis(100));
        Self { warm, measure }
    }
}

/// The phases of a measurement: it begins with 0, warming up.
const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// One worker's count, on cache lines of its own.
#[repr(align(128))]
#[derive(Default)]
struct Gauge(AtomicU64);

/// What the workers and the one who measures share. All relaxed: numbers and hints, nothing is
/// handed over by them, and joining the threads orders the rest.
#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    ready: AtomicU32,
    failed: AtomicBool,
}

/// What one worker saw of the stretch that counts: by its own looks at the clocks.
struct Seen {
    ops: u64,
    cpu_ns: u64,
    calls: u64,
}

/// Runs `count` workers made by `make`, and measures a stretch of their work.
pub fn measure<W: Work>(
    count: u32,
    span: Span,
    signals: &Signals,
    counters: Option<&Counters>,
    make: impl Fn(u32) -> Result<W, Failure> + Sync,
) -> Result<Sample, Failure> {
    let shared = Shared::default();
    let gauges: Vec<Gauge> = (0..count).map(|_| Gauge::default()).collect();
    thread::scope(|scope| {
        let mut handles = Vec::new();
        let mut spawned = Ok(());
        for (index, gauge) in (0..count).zip(&gauges) {
            let (shared, make) = (&shared, &make);
            let builder = thread::Builder::new().stack_size(256 << 10);
            match builder.spawn_scoped(scope, move || worker(index, shared, gauge, make)) {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    spawned = Err(Failure::new(format!("thread {index} of {count}"), error)
                        .cure("lower --depth, or raise the limit of processes"));
                    break;
                }
            }
        }
        let outcome = spawned.and_then(|()| observe(&shared, &gauges, span, signals, counters));
        // Relaxed: pairs with the workers' loads.
        shared.phase.store(STOP, Ordering::Relaxed);
        let mut seen = Seen { ops: 0, cpu_ns: 0, calls: 0 };
        let mut failure = None;
        for handle in handles {
            match handle.join() {
                Ok(Ok(one)) => seen.add(&one),
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        match failure {
            Some(failure) => Err(failure),
            None => outcome?.sample(&seen),
        }
    })
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.ops += other.ops;
        self.cpu_ns += other.cpu_ns;
        self.calls += other.calls;
    }
}

/// What the one who measures saw.
struct Observed {
    ops: u64,
    wall: Duration,
    counted: Option<Counted>,
    kernel_workers: u32,
}

impl Observed {
    /// The workers' own stretches begin and end with an operation, this one anywhere. So theirs
    /// say what an operation costs, and this one says how many there were.
    fn sample(self, seen: &Seen) -> Result<Sample, Failure> {
        if self.ops == 0 || seen.ops == 0 {
            let why = format!("not one operation was done in {:?}", self.wall);
            return Err(
                Failure::new("bench", why).cure("is the disk, or what it hangs on, still there?")
            );
        }
        let share = self.ops as f64 / seen.ops as f64;
        Ok(Sample {
            ops: self.ops,
            wall_ns: self.wall.as_nanos() as u64,
            cpu_ns: (seen.cpu_ns as f64 * share).round() as u64,
            calls: (seen.calls as f64 * share).round() as u64,
            instructions_user: self.counted.map(|counted| counted.user),
            instructions_kernel: self.counted.and_then(|counted| counted.kernel),
            kernel_workers: self.kernel_workers,
        })
    }
}

/// When nothing has been done for so long, something is wrong.
const STALLED: Duration = Duration::from_secs(30);

/// Lets the workers warm up, then counts for a while.
fn observe(
    shared: &Shared,
    gauges: &[Gauge],
    span: Span,
    signals: &Signals,
    counters: Option<&Counters>,
) -> Result<Observed, Failure> {
    let count = gauges.len() as u32;
    // Relaxed: pairs with the workers' increments.
    while shared.ready.load(Ordering::Relaxed) < count {
        nap(Duration::from_micros(200), shared, signals)?;
    }
    nap(span.warm, shared, signals)?;
    // Relaxed: pairs with the workers' stores.
    let total = || gauges.iter().map(|gauge| gauge.0.load(Ordering::Relaxed)).sum::<u64>();
    // Relaxed: pairs with the workers' loads.
    shared.phase.store(MEASURE, Ordering::Relaxed);
    let counted = counters.and_then(Counters::read);
    let (began, before) = (Instant::now(), total());
    nap(span.measure, shared, signals)?;
    // A slow disk, or a busy machine: a little longer is better than nothing at all.
    while total() == before && began.elapsed() < STALLED {
        nap(Duration::from_millis(1), shared, signals)?;
    }
    let (wall, after) = (began.elapsed(), total());
    let counted = counted.zip(counters.and_then(Counters::read)).map(|(from, to)| Counted {
        user: to.user - from.user,
        kernel: to.kernel.zip(from.kernel).map(|(to, from)| to - from),
    });
    Ok(Observed { ops: after - before, wall, counted, kernel_workers: kernel_workers() })
}

/// Sleeps, unless a signal comes or a worker gives up.
fn nap(time: Duration, shared: &Shared, signals: &Signals) -> Result<(), Failure> {
    const LOOK: Duration = Duration::from_millis(50);
    let until = Instant::now() + time;
    loop {
        signals.check()?;
        // Relaxed: pairs with the worker's store.
        if shared.failed.load(Ordering::Relaxed) {
            // The worker's own reason takes this one's place.
            return Err(Failure::new("bench", "a worker gave up"));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

/// A worker's life.
fn worker<W: Work>(
    index: u32,
    shared: &Shared,
    gauge: &Gauge,
    make: &impl Fn(u32) -> Result<W, Failure>,
) -> Result<Seen, Failure> {
    let run = || {
        let mut work = make(index)?;
        // Relaxed: pairs with the load in `observe`.
        shared.ready.fetch_add(1, Ordering::Relaxed);
        let seen = work_until_stopped(&mut work, shared, gauge);
        let finished = work.finish();
        let seen = seen?;
        finished.map(|()| seen)
    };
    let result = run();
    if result.is_err() {
        // Relaxed: pairs with the load in `nap`.
        shared.failed.store(true, Ordering::Relaxed);
    }
    result
}

fn work_until_stopped<W: Work>(
    work: &mut W,
    shared: &Shared,
    gauge: &Gauge,
) -> Result<Seen, Failure> {
    let mut ops = 0;
    let mut turns_until = |work: &mut W, phase: u8| -> Result<Seen, Failure> {
        loop {
            ops += u64::from(work.turn()?);
            // Relaxed: pairs with the sums of the one who measures.
            gauge.0.store(ops, Ordering::Relaxed);
            // Asked last: one turn in each phase, however short it was.
            // Relaxed: pairs with the stores of the one who measures.
            if shared.phase.load(Ordering::Relaxed) >= phase {
                break;
            }
        }
        Ok(Seen { ops, cpu_ns: cpu_ns(W::CLOCK), calls: work.calls() })
    };
    let begin = turns_until(work, MEASURE)?;
    let end = turns_until(work, STOP)?;
    Ok(Seen {
        ops: end.ops - begin.ops,
        cpu_ns: end.cpu_ns - begin.cpu_ns,
        calls: end.calls - begin.calls,
    })
}

fn cpu_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // CPU time is not negative.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How many threads of this process are the kernel's workers for a ring (`iou-wrk-…`).
fn kernel_workers() -> u32 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let is_worker = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm"))
            .is_ok_and(|name| name.starts_with("iou-wrk"))
    };
    tasks.flatten().filter(is_worker).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::Rw;

    /// Work that does nothing but fail at a given turn.
    struct Dummy {
        turns: u64,
        fail_at: u64,
    }

    impl Work for Dummy {
        const CLOCK: ClockId = ClockId::ThreadCPUTime;

        fn turn(&mut self) -> Result<u32, Failure> {
            self.turns += 1;
            if self.turns == self.fail_at { Err(Failure::new("dummy", "failed")) } else { Ok(2) }
        }

        fn calls(&self) -> u64 {
            self.turns
        }

        fn finish(self) -> Result<(), Failure> {
            Ok(())
        }
    }

    const SPAN: Span = Span { warm: Duration::from_millis(2), measure: Duration::from_millis(20) };

    #[test]
    fn what_is_counted_is_what_was_done() {
        let make = |_| Ok(Dummy { turns: 0, fail_at: 0 });
        let sample = measure(2, SPAN, &Signals::default(), None, make).unwrap();
        assert!(sample.wall_ns >= 20_000_000 && sample.ops > 1000, "{sample:?}");
        assert!((sample.calls_per_op() - 0.5).abs() < 0.01, "{sample:?}");
        assert!(sample.cpu_ns_per_op() > 0.0);
        assert_eq!(sample.instructions_per_op(), None);
    }

    #[test]
    fn a_worker_that_fails_ends_the_measurement_with_its_reason() {
        let make = |index| Ok(Dummy { turns: 0, fail_at: u64::from(index) * 10 });
        let span = Span { warm: Duration::from_secs(5), measure: Duration::from_secs(5) };
        let began = Instant::now();
        let failure = measure(2, span, &Signals::default(), None, make).unwrap_err();
        assert_eq!(failure.to_string(), "dummy: failed");
        assert!(began.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_worker_that_cannot_be_made_ends_it_too() {
        let make = |index| match index {
            1 => Err(Failure::new("making", "no")),
            _ => Ok(Dummy { turns: 0, fail_at: 0 }),
        };
        let failure = measure(3, SPAN, &Signals::default(), None, make).unwrap_err();
        assert_eq!(failure.to_string(), "making: no");
    }

    #[test]
    fn one_call_each_is_counted_as_such() {
        let make = |index| Ok(Calls::new(index, Rw::Nop, None, 0, 512));
        let sample = measure(1, SPAN, &Signals::default(), None, make).unwrap();
        assert!((sample.calls_per_op() - 1.0).abs() < 1e-6, "{sample:?}");
    }
}

//! Many programs, some at once: each is a lane of its own, with both kernels. A program mostly
//! waits, and others run meanwhile.

use std::io::Write;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::generate;
use crate::program::Program;
use crate::run::{Both, Patience};
use crate::shrink;
use crate::world::TempDir;

/// How long one program may take, shrinking included.
pub const LIMIT: Duration = Duration::from_secs(120);
/// The first number of a lane's files: above all that anybody else has.
const BASE: RawFd = 3000;
/// How many lanes there is room for.
const LANES_MAX: u64 = 12;
/// How often a case is run again that differs.
const TRIES: usize = 3;

/// What is to be run.
pub struct Plan {
    pub first: u64,
    pub count: u64,
    pub faults_max: u64,
    pub time: Duration,
    pub lanes: u64,
}

/// What came of it.
pub struct Lanes {
    pub programs: u64,
    pub divergences: u64,
    /// How many differed at first, and not when there was more time.
    pub repeated: u64,
    pub seconds: f64,
}

struct Shared<'a> {
    plan: &'a Plan,
    begun: Instant,
    /// How many programs were begun, ended, ended otherwise.
    next: AtomicU64,
    done: AtomicU64,
    divergences: AtomicU64,
    repeated: AtomicU64,
    /// What each lane does, and since when.
    running: Mutex<Vec<Option<(u64, Instant)>>>,
    is_over: AtomicBool,
    /// Of those that differ, one is shrunk and printed at a time.
    printing: Mutex<()>,
}

impl Shared<'_> {
    /// Takes note of what a lane does from now on.
    fn runs(&self, n: usize, seed: Option<u64>) {
        let now = Instant::now();
        self.running.lock().expect("no panics")[n] = seed.map(|seed| (seed, now));
    }
}

/// Runs a plan.
pub fn run(plan: &Plan) -> Lanes {
    let count = plan.lanes.clamp(1, LANES_MAX);
    let shared = Shared {
        plan,
        begun: Instant::now(),
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
        divergences: AtomicU64::new(0),
        repeated: AtomicU64::new(0),
        running: Mutex::new(vec![None; count as usize]),
        is_over: AtomicBool::new(false),
        printing: Mutex::new(()),
    };
    raise_limit(BASE + LANES_MAX as RawFd * Both::NUMBERS);
    let directory = TempDir::new("differential");
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..count as usize)
            .map(|n| {
                let (shared, directory) = (&shared, &directory);
                scope.spawn(move || lane(shared, directory, n))
            })
            .collect();
        let watch = scope.spawn(|| watch(&shared));
        for lane in lanes {
            lane.join().expect("a lane does not panic");
        }
        // Relaxed: pairs with the watch's load, which the join of its thread follows.
        shared.is_over.store(true, Ordering::Relaxed);
        watch.thread().unpark();
    });
    // Relaxed: pairs with the lanes' additions, which their ends come after.
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Lanes {
        programs: get(&shared.done),
        divergences: get(&shared.divergences),
        repeated: get(&shared.repeated),
        seconds: shared.begun.elapsed().as_secs_f64(),
    }
}

/// Runs programs by their names: how many differ.
pub fn run_cases(cases: &[(&str, Program)]) -> usize {
    let count = LANES_MAX as RawFd * Both::NUMBERS;
    raise_limit(BASE + count + Both::NUMBERS);
    let directory = TempDir::new("cases");
    let mut both = Both::new(&directory, BASE + count);
    let mut differing = 0;
    for (name, program) in cases {
        let mut found = both.run(program, Patience::LONG);
        // What differs by chance, for want of time, does not differ each time.
        for _ in 0..TRIES {
            if found.is_none() {
                break;
            }
            found = both.run(program, Patience::LAST);
        }
        if let Some(found) = found {
            eprintln!("{name}: differs:\n{program}\n{found}\n");
            differing += 1;
        }
    }
    differing
}

fn lane(shared: &Shared<'_>, directory: &TempDir, n: usize) {
    let mut both = Both::new(directory, BASE + n as RawFd * Both::NUMBERS);
    let plan = shared.plan;
    loop {
        // Relaxed: pairs with the additions of all lanes: a count.
        let faults = shared.divergences.load(Ordering::Relaxed);
        // Relaxed: pairs with the same of other lanes: each number is one's.
        let next = shared.next.fetch_add(1, Ordering::Relaxed);
        if next >= plan.count || faults >= plan.faults_max || shared.begun.elapsed() > plan.time {
            break;
        }
        let seed = plan.first.wrapping_add(next);
        shared.runs(n, Some(seed));
        if !check(shared, &mut both, seed, n) {
            // Relaxed: pairs with the loads of all lanes: a count.
            shared.divergences.fetch_add(1, Ordering::Relaxed);
        }
        // Relaxed: pairs with the load at the end: a count.
        let done = shared.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(5000) {
            eprintln!("{done} programs in {:.1} s", shared.begun.elapsed().as_secs_f64());
        }
    }
    shared.runs(n, None);
}

/// Runs the program of a seed: whether both agree. Prints the smallest that does not.
fn check(shared: &Shared<'_>, both: &mut Both, seed: u64, n: usize) -> bool {
    let program = generate::program(seed);
    let Some(mut found) = both.run(&program, Patience::SHORT) else { return true };
    // What differs by chance, for want of time, does not differ each time.
    for patience in [Patience::LONG, Patience::LONG, Patience::LAST] {
        match both.run(&program, patience) {
            Some(again) => found = again,
            None => {
                // Relaxed: pairs with the load at the end: a count.
                shared.repeated.fetch_add(1, Ordering::Relaxed);
                if std::env::var_os("ANNULUS_REPEATED").is_some() {
                    eprintln!("ANNULUS_SEED={seed:#x} differed once:\n{program}\n{found}");
                }
                return true;
            }
        }
    }
    // It may wait for another that shrinks.
    shared.runs(n, None);
    let _alone = shared.printing.lock().expect("no panics");
    shared.runs(n, Some(seed));
    eprintln!("ANNULUS_SEED={seed:#x} differs:\n{program}\n{found}");
    let differs = |program: &Program| {
        both.run(program, Patience::SHRINKING)?;
        both.run(program, Patience::SHRINKING)
    };
    let (program, found) = shrink::shrink(program, found, differs);
    eprintln!("ANNULUS_SEED={seed:#x} shrunk:\n{program}\n{found}\n");
    false
}

/// Ends the process where a program does not end, and says which.
fn watch(shared: &Shared<'_>) {
    // Relaxed: pairs with the store after the lanes' ends.
    while !shared.is_over.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(500));
        let running = shared.running.lock().expect("no panics");
        for (seed, since) in running.iter().flatten() {
            if since.elapsed() > LIMIT {
                // Past the print macros: the harness keeps what they write, and an abort loses it.
                let text = format!("ANNULUS_SEED={seed:#x} hung\n");
                let _ = std::io::stderr().write_all(text.as_bytes());
                std::process::abort();
            }
        }
    }
}

/// Has the process have so many descriptors.
fn raise_limit(count: RawFd) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for a limit.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
    limit.rlim_cur = limit.rlim_max.min(limit.rlim_cur.max(count as u64));
    // SAFETY: a limit.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert!(limit.rlim_cur >= count as u64, "no more than {} descriptors", limit.rlim_cur);
}

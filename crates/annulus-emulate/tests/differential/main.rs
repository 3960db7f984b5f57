//! Linux is the oracle: random programs of entries run on Linux and on the host kernel, and what
//! they are told must agree.
//!
//! ```text
//! ANNULUS_SEED=0x…       the one program of this seed, printed with what came of it
//! ANNULUS_PROGRAMS=…     how many programs (2,000)
//! ANNULUS_FIRST=…        the seed of the first; the others follow (1)
//! ANNULUS_SECONDS=…      when to begin no more (60)
//! ANNULUS_FAULTS=…       after how many divergences to stop (5)
//! ANNULUS_LANES=…        how many programs at once (4): mostly they wait
//! ```

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../../annulus-ring/tests/common/harness.rs"]
mod harness;

mod cases;
mod compare;
mod generate;
mod lanes;
mod program;
mod run;
mod shrink;
mod side;
mod world;

use std::time::{Duration, Instant};

use lanes::{Lanes, Plan};

/// A number of the environment, decimal or hexadecimal.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Descriptors of this thread's table.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/thread-self/fd").map_or(0, Iterator::count)
}

fn is_linux_there() -> bool {
    use annulus_emulate::{Builder, KernelChoice};
    Builder::new().entries(1).kernel(KernelChoice::Linux).build_local().is_ok()
}

/// Whether this Linux has all that the host kernel has: an older one refuses what is younger.
fn is_linux_as_emulated() -> bool {
    use annulus_emulate::{Builder, KernelChoice};
    Builder::new().entries(1).kernel(KernelChoice::Linux).cqe_mixed().build_local().is_ok()
}

/// Whether rings of Linux never want for locked memory. Each has what those before it have given
/// back by then, so where there is little a registration fails now and then.
fn may_lock_enough() -> bool {
    use rustix::process::{Resource, geteuid, getrlimit};
    let limit = getrlimit(Resource::Memlock).current;
    geteuid().is_root() || limit.is_none_or(|bytes| bytes >= 8 << 20)
}

#[test]
fn both_kernels_say_the_same() {
    if !is_linux_there() {
        return harness::skip("both_kernels_say_the_same", "no io_uring to compare with");
    }
    if !is_linux_as_emulated() {
        return harness::skip("both_kernels_say_the_same", "what is emulated is Linux 6.18");
    }
    if !may_lock_enough() {
        return harness::skip("both_kernels_say_the_same", "it locks 8 MiB (ulimit -l)");
    }
    let found = harness::limit(lanes::LIMIT, || lanes::run_cases(&cases::all()));
    assert_eq!(found, 0, "the kernels differ: see above");
    let seed = number("ANNULUS_SEED");
    let plan = Plan {
        first: seed.or_else(|| number("ANNULUS_FIRST")).unwrap_or(1),
        count: if seed.is_some() { 1 } else { number("ANNULUS_PROGRAMS").unwrap_or(2000) },
        faults_max: number("ANNULUS_FAULTS").unwrap_or(5),
        time: Duration::from_secs(number("ANNULUS_SECONDS").unwrap_or(60)),
        lanes: if seed.is_some() { 1 } else { number("ANNULUS_LANES").unwrap_or(4) },
    };
    if let Some(seed) = seed {
        eprintln!("{}", generate::program(seed));
    }
    let before = descriptors();
    let Lanes { programs, divergences, repeated, seconds } = lanes::run(&plan);
    println!(
        "{programs} programs, seed {:#x}, {divergences} divergences, {repeated} run again, \
         {seconds:.1} s",
        plan.first
    );
    assert_eq!(divergences, 0, "the kernels differ: see above");
    // Linux closes rings a little later.
    let until = Instant::now() + Duration::from_secs(5);
    while descriptors() > before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
}

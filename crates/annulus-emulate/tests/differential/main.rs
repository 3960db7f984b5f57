//! Linux is the oracle: random programs of entries run on Linux and on the host kernel, and what
//! they are told must agree.
//!
//! ```text
//! ANNULUS_SEED=0x…       the one program of this seed, printed with what came of it
//! ANNULUS_PROGRAMS=…     how many programs (1,000)
//! ANNULUS_FIRST=…        the seed of the first; the others follow (1)
//! ANNULUS_FAULTS=…       after how many divergences to stop (5)
//! ```

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../../annulus-ring/tests/common/harness.rs"]
mod harness;

mod compare;
mod generate;
mod program;
mod run;
mod shrink;
mod world;

use std::time::{Duration, Instant};

use run::{Both, Patience};

/// How long one program may take, shrinking included.
const LIMIT: Duration = Duration::from_secs(120);

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

/// Runs the program of a seed: whether both agree. Prints the smallest that does not.
fn check(both: &mut Both, seed: u64, shrinks: bool) -> bool {
    let program = generate::program(seed);
    let Some(mut found) = both.run(&program, Patience::SHORT) else { return true };
    // What differs by chance, for want of time, does not differ each time.
    for _ in 0..3 {
        match both.run(&program, Patience::LONG) {
            Some(again) => found = again,
            None => return true,
        }
    }
    eprintln!("ANNULUS_SEED={seed:#x} differs:\n{program}\n{found}");
    if !shrinks {
        return false;
    }
    let (program, found) = shrink::shrink(program, found, |program| {
        let patience =
            Patience { missing: Duration::from_millis(20), hold: Duration::from_millis(3) };
        both.run(program, patience)?;
        both.run(program, patience)
    });
    eprintln!("ANNULUS_SEED={seed:#x} shrunk:\n{program}\n{found}\n");
    false
}

#[test]
fn both_kernels_say_the_same() {
    if !is_linux_there() {
        return harness::skip("both_kernels_say_the_same", "no io_uring to compare with");
    }
    if !is_linux_as_emulated() {
        return harness::skip("both_kernels_say_the_same", "what is emulated is Linux 6.18");
    }
    let mut both = Both::new("differential");
    if let Some(seed) = number("ANNULUS_SEED") {
        let program = generate::program(seed);
        eprintln!("{program}");
        assert!(check(&mut both, seed, true), "ANNULUS_SEED={seed:#x} differs");
        return;
    }
    let count = number("ANNULUS_PROGRAMS").unwrap_or(1000);
    let faults_max = number("ANNULUS_FAULTS").unwrap_or(5);
    let first = number("ANNULUS_FIRST").unwrap_or(1);
    eprintln!("{count} programs: ANNULUS_FIRST={first:#x}");
    let (begun, before) = (Instant::now(), descriptors());
    let mut faults = 0;
    for n in 0..count {
        if n > 0 && n % 1000 == 0 {
            eprintln!("{n} programs in {:?}", begun.elapsed());
        }
        let seed = first.wrapping_add(n);
        let is_same = harness::limit(LIMIT, || check(&mut both, seed, true));
        if !is_same {
            faults += 1;
            if faults >= faults_max {
                break;
            }
        }
    }
    eprintln!("{count} programs in {:?}", begun.elapsed());
    assert_eq!(faults, 0, "the kernels differ: see above");
    // Linux closes rings a little later.
    let until = Instant::now() + Duration::from_secs(5);
    while descriptors() > before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
}

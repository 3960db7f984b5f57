//! Attacks on the kernel in user space: what no program should do, and some do. Each ends as on
//! Linux, or in order: without a hang, a panic, a busy loop or a lost completion.

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../../annulus-runtime/tests/common/child.rs"]
mod child;
#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../../annulus-ring/tests/common/harness.rs"]
mod harness;

mod addresses;
mod descriptors;
mod lengths;
mod many;
mod threads;
mod waits;

use std::time::Duration;

use annulus_emulate::abi::Sqe;
use annulus_emulate::{Builder, KernelChoice, Ring, Wait};

/// How long each may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What a completion says: `user_data`, result and flags.
type Told = (u64, i32, u32);

fn ring() -> Ring {
    of(KernelChoice::Host)
}

fn of(kernel: KernelChoice) -> Ring {
    Builder::new().entries(64).kernel(kernel).build().expect("a ring")
}

/// Runs `body` on a ring of the host, and on one of Linux where that works: it is the oracle.
fn on_each(body: impl Fn(&mut Ring)) {
    body(&mut ring());
    if KernelChoice::Linux.decide().is_ok() {
        body(&mut of(KernelChoice::Linux));
    }
}

fn push(ring: &mut Ring, sqe: impl Into<Sqe>) {
    // SAFETY: the tests keep what their entries point to until the end, or point to nothing that
    // is there.
    unsafe { ring.push(sqe.into()) }.expect("room");
}

/// Submits, and takes `want` completions.
fn results(ring: &mut Ring, want: usize) -> Vec<Told> {
    let mut told = Vec::new();
    while told.len() < want {
        let wait = Wait::new().timeout(Duration::from_secs(5));
        ring.submit_and_wait_with(1, &wait).expect("they complete");
        let completions = ring.completions().expect("a ring");
        told.extend(completions.map(|cqe| (cqe.user_data, cqe.res, cqe.flags.bits())));
    }
    told
}

fn address<T: ?Sized>(of: *const T) -> u64 {
    of.expose_provenance() as u64
}

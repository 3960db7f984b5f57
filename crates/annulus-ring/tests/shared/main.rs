//! The shared ring on this kernel. The tests of the crosvm list have the names they have there.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/files.rs"]
mod files;

mod allow;
mod chains;
mod chaos;
mod exit;
mod full;
mod many;
mod parity;
mod stress;
mod threads;
mod waiting;

use std::collections::BTreeMap;

use annulus_ring::abi::{Iovec, Sqe};
use annulus_ring::{Errno, SharedRing, op};

use many::PATIENCE;

fn ring(entries: u32) -> SharedRing {
    SharedRing::new(entries).expect("a shared ring")
}

fn nop(user_data: u64) -> Sqe {
    op::Nop::new().build().user_data(user_data)
}

/// The results of `count` operations, by `user_data`.
#[track_caller]
fn results(ring: &SharedRing, count: usize) -> BTreeMap<u64, Result<u32, Errno>> {
    let mut seen = BTreeMap::new();
    while seen.len() < count {
        let batch = ring.wait_timeout(PATIENCE).unwrap_or_else(|e| panic!("{e}; seen: {seen:?}"));
        for (user_data, result) in batch.results() {
            assert_eq!(seen.insert(user_data, result), None, "{user_data} came twice");
        }
    }
    seen
}

/// The result of the one operation that is queued or under way.
#[track_caller]
fn result(ring: &SharedRing) -> Result<u32, Errno> {
    results(ring, 1).into_values().next().unwrap()
}

fn iovec(bytes: &mut [u8]) -> Iovec {
    Iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

/// How often the threaded tests do what they do: `ANNULUS_REPEAT`.
fn repeat() -> usize {
    std::env::var("ANNULUS_REPEAT").map_or(3, |n| n.parse().expect("ANNULUS_REPEAT is a number"))
}

/// Runs `body` so often.
fn repeated(mut body: impl FnMut()) {
    for _ in 0..repeat() {
        common::limit(common::LIMIT, &mut body);
    }
}

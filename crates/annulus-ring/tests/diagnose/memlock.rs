//! The limit on locked memory, as a user without privileges.

use std::time::{Duration, Instant};

use annulus_ring::diagnose::Cause;
use annulus_ring::{Builder, Errno, LocalRing, Ring, SetupError};

use super::child::{self, diagnosis};

const LIMIT_BYTES: u64 = 64 << 10;

/// Whether this kernel charges rings at all: it did not from 5.12 on, until some 6.x.
fn charges_rings() -> bool {
    LocalRing::new(1024).is_err()
}

fn memlock(setup: &SetupError) -> (u64, u64) {
    match setup.cause() {
        Cause::Memlock { limit_bytes, needed_bytes } => (limit_bytes, needed_bytes),
        cause => panic!("{cause:?}: {setup}"),
    }
}

#[test]
fn a_ring_over_the_limit_names_the_limit_and_its_need() {
    let name = "memlock::a_ring_over_the_limit_names_the_limit_and_its_need";
    child::run(name, || {
        child::limit_locked_memory(LIMIT_BYTES);
        if !charges_rings() {
            return super::common::skip(name, "this kernel does not charge rings");
        }
        let began = Instant::now();
        let error = LocalRing::new(1024).unwrap_err();
        let words =
            ["ENOMEM", "64 KiB", "RLIMIT_MEMLOCK", "at most 512 entries", "raise the limit: "];
        let setup = diagnosis(&error, &words);
        let (limit, needed) = memlock(setup);
        assert_eq!(limit, LIMIT_BYTES);
        assert!((100 << 10..=104 << 10).contains(&needed), "{needed}");
        assert!(began.elapsed() < Duration::from_millis(100), "nothing to wait for: {error}");
        assert!(setup.cause().is_shortage() && !error.is_unsupported());
        assert_eq!(error.errno(), Some(Errno::ENOMEM));
        assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::OutOfMemory);
        // What it says fits does fit.
        drop(LocalRing::new(512).expect("512 entries fit into 64 KiB"));
    });
}

#[test]
fn a_ring_within_the_limit_says_that_others_hold_the_rest() {
    let name = "memlock::a_ring_within_the_limit_says_that_others_hold_the_rest";
    child::run(name, || {
        child::limit_locked_memory(LIMIT_BYTES);
        if !charges_rings() {
            return super::common::skip(name, "this kernel does not charge rings");
        }
        let _two = [LocalRing::new(256).expect("28 KiB"), LocalRing::new(256).expect("28 KiB")];
        let began = Instant::now();
        let error = LocalRing::new(256).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let (limit, needed) = memlock(diagnosis(&error, &["others of the same user hold"]));
        assert!(needed <= limit);
    });
}

#[test]
fn rings_made_and_dropped_in_a_loop_all_come() {
    child::run("memlock::rings_made_and_dropped_in_a_loop_all_come", || {
        child::limit_locked_memory(LIMIT_BYTES);
        for round in 0..40 {
            // The charge of a dropped ring is released 12 to 16 ms later: the third would fail.
            LocalRing::new(256).unwrap_or_else(|error| panic!("round {round}: {error}"));
            Ring::new(256).unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    });
}

#[test]
fn as_many_rings_fit_as_the_need_says() {
    let name = "memlock::as_many_rings_fit_as_the_need_says";
    child::run(name, || {
        child::limit_locked_memory(512 << 10);
        if LocalRing::new(8192).is_ok() {
            return super::common::skip(name, "this kernel does not charge rings");
        }
        for entries in [64, 128, 256, 1024] {
            let mut rings = Vec::new();
            let error = loop {
                match Builder::new().entries(entries).build() {
                    Ok(ring) => rings.push(ring),
                    Err(error) => break error,
                }
            };
            let (limit, needed) = memlock(diagnosis(&error, &[]));
            assert_eq!(rings.len() as u64, limit / needed, "{entries} entries: {error}");
            drop(rings);
            // Until the charge is released.
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

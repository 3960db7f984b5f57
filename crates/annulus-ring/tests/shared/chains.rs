//! Groups: contiguous, whole, whatever others do.

use std::collections::BTreeMap;
use std::thread::scope;

use annulus_ring::Errno;
use annulus_ring::abi::Op;

use crate::{PATIENCE, nop, repeated, ring};

/// Chains whose second entry fails: of an uncut chain the first succeeds, the second fails, and the
/// third is cancelled. A chain that was cut before its third entry would let that succeed.
#[test]
fn no_submit_cuts_a_chain() {
    repeated(|| {
        const THREADS: u64 = 4;
        const EACH: u64 = 100;
        let ring = ring(8);
        let mut seen = BTreeMap::new();
        scope(|scope| {
            for thread in 0..THREADS {
                let ring = &ring;
                scope.spawn(move || {
                    for n in 0..EACH {
                        let id = (thread * EACH + n) * 4;
                        let mut bad = nop(id + 1).link();
                        bad.opcode = Op::POLL_REMOVE; // of no poll: ENOENT
                        bad.addr = id + 1;
                        // SAFETY: none of them points to anything.
                        unsafe { ring.push_all(&[nop(id).link(), bad, nop(id + 2)]) }.unwrap();
                        // And singles between the chains, so that these begin everywhere.
                        ring.nop(id + 3).unwrap();
                        if n % 2 == 0 {
                            let _ = ring.submit().unwrap();
                        }
                    }
                    let _ = ring.submit().unwrap();
                });
            }
            while seen.len() < (THREADS * EACH * 4) as usize {
                for (user_data, result) in ring.wait_timeout(PATIENCE).unwrap().results() {
                    assert_eq!(seen.insert(user_data, result), None);
                }
            }
        });
        for (user_data, result) in seen {
            let wanted = match user_data % 4 {
                1 => Err(Errno::ENOENT),
                2 => Err(Errno::ECANCELED),
                _ => Ok(0),
            };
            assert_eq!(result, wanted, "{user_data}");
        }
    });
}

//! How large things may be: by the limit, and by making one of each.

use super::report::{Limits, Outcome};
use crate::abi::SetupFlags;
use crate::builder::Builder;
use crate::diagnose::{Evidence, SetupError, ring_bytes};
use crate::linux::latched_off;

/// The longest buffer that the kernel registers.
const BUFFER_BYTES_MAX: u64 = 1 << 30;

/// Computes the room, and makes a ring of each length; with why the longer cannot be made.
pub(super) fn of(evidence: &Evidence) -> (Limits, Option<SetupError>) {
    let flags = SetupFlags::NO_SQARRAY.difference(latched_off());
    let bytes = |entries: u32| ring_bytes(entries, entries * 2, flags);
    let memlock_bytes = match evidence.locks_without_limit() {
        true => None,
        false => evidence.memlock_bytes,
    };
    let room = |entries| memlock_bytes.map(|limit| limit / bytes(entries));
    let beside_a_ring = |limit: u64| limit - limit.min(bytes(8));
    let (ring_256, _) = make(256);
    let (ring_4096, why) = make(4096);
    let limits = Limits {
        memlock_bytes,
        ring_256_bytes: bytes(256),
        ring_4096_bytes: bytes(4096),
        rings_256_max: room(256),
        rings_4096_max: room(4096),
        ring_256,
        ring_4096,
        buffer_bytes_max: memlock_bytes
            .map_or(BUFFER_BYTES_MAX, beside_a_ring)
            .min(BUFFER_BYTES_MAX),
    };
    (limits, why)
}

fn make(entries: u32) -> (Outcome, Option<SetupError>) {
    match Builder::new().entries(entries).build() {
        Ok(_) => (Outcome::Works, None),
        Err(error) => {
            let outcome = error.errno().map_or(Outcome::Wrong("refused"), Outcome::Refused);
            (outcome, error.setup_error().cloned())
        }
    }
}

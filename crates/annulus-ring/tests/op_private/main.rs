//! The private operations: done by the kernel in user space, and refused by a ring of Linux, which
//! has no such numbers. The same bodies run on both: on Linux each begins with that refusal.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/files.rs"]
mod files;

mod copies;
mod inodes;
mod refused;
mod sockets;
mod waits;

use annulus_ring::abi::Sqe;
use annulus_ring::{Errno, LocalRing};

/// Does a private entry on the kernel in user space. A ring of Linux refuses it, which is seen, and
/// there is no more to be tested then.
pub fn answer(ring: &mut LocalRing, sqe: Sqe) -> Option<Result<u32, Errno>> {
    assert!(sqe.opcode.is_private());
    let answer = files::run(ring, sqe);
    if !common::on_host() {
        assert_eq!(answer, Err(Errno::EINVAL), "Linux has no {:?}", sqe.opcode);
        return None;
    }
    Some(answer)
}

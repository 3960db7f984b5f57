//! Files by their paths, their space and their attributes.

use annulus_ring::Errno;
use annulus_ring::abi::Op;

use super::Traits;
use crate::queues::Entry;
use crate::uaccess::Uaccess;
use crate::world::Work;

/// What an operation of this family takes.
pub(super) fn traits(_: Op) -> Option<Traits> {
    None
}

/// Checks an entry of this family, and copies what it points to. `None`: it is of another.
pub(super) fn prepare<F>(_: Uaccess, _: &Entry, _: &mut Work<F>) -> Option<Result<(), Errno>> {
    None
}

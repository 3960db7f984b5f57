//! Files by their paths, their space and their attributes.

use annulus_ring::Errno;

use super::HostWork;
use crate::world::Attempt;

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(_: &mut HostWork) -> Option<Attempt> {
    None
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(_: &mut HostWork) -> Option<Result<u32, Errno>> {
    None
}

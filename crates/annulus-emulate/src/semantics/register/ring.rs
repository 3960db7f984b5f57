//! What the ring may do, tells, and asks.

use annulus_ring::Errno;
use annulus_ring::abi::RegisterOp;

use crate::semantics::Core;
use crate::world::World;

impl<W: World> Core<W> {
    /// A registration of this family. `None`: it is of another.
    pub(super) fn register_ring(
        &mut self,
        _: RegisterOp,
        _: u64,
        _: u32,
    ) -> Option<Result<u32, Errno>> {
        None
    }
}

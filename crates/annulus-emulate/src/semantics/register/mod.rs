//! Registrations: what a ring has of its own, and how it behaves. Each family has a file.

mod buffers;
mod files;
mod ring;

use annulus_ring::Errno;
use annulus_ring::abi::RegisterOp;

use super::Core;
use crate::world::World;

/// `EINVAL`, unless `fine`.
fn must(fine: bool) -> Result<(), Errno> {
    if fine { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Does something `count` times, up to the first error: how many, or the error if it was the first.
fn counted(count: u32, mut one: impl FnMut(u32) -> Result<(), Errno>) -> Result<u32, Errno> {
    for done in 0..count {
        if let Err(errno) = one(done) {
            return if done > 0 { Ok(done) } else { Err(errno) };
        }
    }
    Ok(count)
}

impl<W: World> Core<W> {
    /// `io_uring_register(2)`: `arg` is the address of what `op` says, `count` of them.
    ///
    /// # Errors
    /// `EINVAL`: a registration that is not known here, or a wrong argument. `EACCES`: the ring is
    /// restricted to others.
    pub(crate) fn register(&mut self, op: RegisterOp, arg: u64, count: u32) -> Result<u32, Errno> {
        self.rules.check_register(op)?;
        let found = self
            .register_files(op, arg, count)
            .or_else(|| self.register_buffers(op, arg, count))
            .or_else(|| self.register_groups(op, arg, count))
            .or_else(|| self.register_ring(op, arg, count));
        // Nothing begins before it returns.
        self.closed.let_go();
        found.unwrap_or(Err(Errno::EINVAL))
    }
}

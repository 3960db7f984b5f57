//! URING_CMD of what is no socket: block devices discard; others take no commands.

use annulus_ring::Errno;
use annulus_ring::abi::BlockCommand;

use super::{HostWork, number};
use crate::host::machine::File;
use crate::host::sys;
use crate::world::Attempt;

/// What a device does takes a thread.
pub(super) fn attempt(work: &HostWork) -> Attempt {
    let is_device = work.file.as_ref().is_some_and(File::is_block_device);
    let is_known = work.sqe.off as u32 == BlockCommand::DISCARD.raw();
    match number(work) {
        Err(errno) => Attempt::Done(Err(errno)),
        Ok(_) if is_device && is_known => Attempt::Blocks,
        // Commands of a driver go to the driver, past the program's reach.
        Ok(_) if is_device => Attempt::Done(Err(Errno::EINVAL)),
        Ok(_) => Attempt::Done(Err(Errno::EOPNOTSUPP)),
    }
}

/// Discards a range of a block device.
pub(super) fn command(work: &HostWork) -> Result<u32, Errno> {
    let sqe = &work.sqe;
    if sqe.ioprio != 0 || sqe.len != 0 || sqe.rw_flags != 0 || sqe.splice_fd_in != 0 {
        return Err(Errno::EINVAL);
    }
    sys::wait::discard(number(work)?, sqe.addr, sqe.addr3)
}

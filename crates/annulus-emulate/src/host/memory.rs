//! [`Region`]: memory that is registered with a ring, as that of waits.

use std::os::fd::{AsFd, OwnedFd};

use annulus_ring::Errno;
use annulus_ring::abi::{MemRegionTypeFlags, RegionDesc};
use annulus_ring::kernel::Mapping;

use super::sys;

/// Where the ring's own region is mapped from (`IORING_MAP_OFF_PARAM_REGION`).
pub(super) const OFFSET: u64 = 0x2000_0000;
const PAGE_BYTES: u64 = 4096;

/// See above.
#[derive(Debug)]
pub(super) struct Region {
    addr: u64,
    bytes: usize,
    own: Own,
    /// It holds waits.
    pub(super) has_waits: bool,
}

/// Whose the memory is.
#[derive(Debug)]
enum Own {
    /// The program's, which keeps it.
    No,
    /// The program's, mapped a second time: its pages stay when the program unmaps them.
    Twice,
    /// The ring's, which the program maps.
    File(OwnedFd),
}

impl Region {
    /// A region as `desc` says.
    ///
    /// # Errors
    /// `EINVAL`: no whole pages. `EFAULT`: no memory is there. `ENOMEM`.
    pub(super) fn new(desc: &mut RegionDesc, has_waits: bool) -> Result<Self, Errno> {
        let is_users = desc.flags.contains(MemRegionTypeFlags::USER);
        if desc.__resv != [0; 4] || !MemRegionTypeFlags::USER.contains(desc.flags) {
            return Err(Errno::EINVAL);
        }
        if is_users != (desc.user_addr != 0) {
            return Err(Errno::EFAULT);
        }
        let is_whole = (desc.user_addr | desc.size).is_multiple_of(PAGE_BYTES);
        if desc.size == 0 || desc.mmap_offset != 0 || desc.id != 0 || !is_whole {
            return Err(Errno::EINVAL);
        }
        let bytes = usize::try_from(desc.size).map_err(|_too_long| Errno::EOVERFLOW)?;
        if !is_users {
            desc.mmap_offset = OFFSET;
            let file = sys::memory_file(bytes)?;
            return Ok(Self { addr: 0, bytes, own: Own::File(file), has_waits });
        }
        let (addr, own) = match sys::map_again(desc.user_addr, bytes) {
            Ok(addr) => (addr, Own::Twice),
            // Private memory is the program's alone: it has to keep it.
            Err(Errno::EINVAL) => (desc.user_addr, Own::No),
            Err(errno) => return Err(errno),
        };
        Ok(Self { addr, bytes, own, has_waits })
    }

    /// Where a piece of it is.
    ///
    /// # Errors
    /// `EFAULT`: not within it.
    pub(super) fn at(&self, offset: u64, bytes: usize) -> Result<u64, Errno> {
        let end = offset.checked_add(bytes as u64);
        let is_within = end.is_some_and(|end| end <= self.bytes as u64);
        if !offset.is_multiple_of(8) || !is_within || self.addr == 0 {
            return Err(Errno::EFAULT);
        }
        Ok(self.addr + offset)
    }

    /// Maps what is the ring's own.
    ///
    /// # Errors
    /// `EINVAL`: it is the program's, or not as long.
    pub(super) fn map(&self, bytes: usize) -> Result<Mapping, Errno> {
        match &self.own {
            Own::File(file) if bytes <= self.bytes => Mapping::of_fd(file.as_fd(), 0, bytes),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if matches!(self.own, Own::Twice) {
            sys::unmap(self.addr, self.bytes);
        }
    }
}

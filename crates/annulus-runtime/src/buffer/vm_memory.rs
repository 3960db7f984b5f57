//! A guest's memory as the crate `vm-memory` maps it: the feature `vm-memory`.

use std::ptr::NonNull;

use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

use super::memory::BackingMemory;
use super::regions::{InvalidRegion, MemRegion};

/// Offsets are guest addresses. A region may go through several of the guest's regions, if there is
/// no hole between them: it is a piece in each.
///
/// Only without a bitmap of dirty pages: the kernel writes behind its back, and a page that was
/// marked before the write, or not at all, would be lost in a migration. Memory that Xen maps for
/// each access has no address to give, and is refused.
// SAFETY: the guest's regions are mapped as long as one collection has them (by `Arc`), and a
// collection never changes; `vm-memory` uses the bytes as volatile, for the guest does too. The
// pieces follow each other without a gap, as `locate` takes them from address to address.
unsafe impl BackingMemory for GuestMemoryMmap<()> {
    fn pieces(
        &self,
        region: MemRegion,
        piece: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<(), InvalidRegion> {
        let invalid = InvalidRegion::new(region);
        let mut done = 0;
        while done < region.len {
            let at = region.offset.checked_add(done as u64).ok_or(invalid)?;
            let (start, room) = locate(self, GuestAddress(at)).ok_or(invalid)?;
            let len = room.min(region.len - done);
            piece(start, len);
            done += len;
        }
        Ok(())
    }
}

/// Where a guest address is in this process, and how many bytes are mapped from there on.
fn locate(memory: &GuestMemoryMmap<()>, at: GuestAddress) -> Option<(NonNull<u8>, usize)> {
    let (guest, within) = memory.to_region_addr(at)?;
    let base = NonNull::new(guest.get_host_address(Default::default()).ok()?)?;
    let start = NonNull::new(base.as_ptr().wrapping_add(within.raw_value() as usize))?;
    let room = guest.len().checked_sub(within.raw_value())?;
    Some((start, usize::try_from(room).unwrap_or(usize::MAX)))
}

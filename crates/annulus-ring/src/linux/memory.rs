//! The memory of a ring: mapped from the kernel, or given to it.

use core::ptr::NonNull;
use std::os::fd::BorrowedFd;

use crate::abi::{Features, OFF_CQ_RING, OFF_SQ_RING, OFF_SQES, Params, SetupFlags};
use crate::errno::Errno;
use crate::kernel::{CqMemory, RingMemory, SqMemory};
use crate::mapping::{Mapping, RingRegion};

/// How a ring of some lengths lies in memory given to it: the entries first, on whole pages, then
/// the words and the completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionLayout {
    /// Where the words begin.
    rings_at: usize,
    /// How much is needed in all.
    pub(crate) bytes: usize,
}

impl RegionLayout {
    /// The layout for the queue lengths in `params` (after rounding) and entry sizes by its flags.
    pub(crate) fn of(sq_entries: u32, cq_entries: u32, flags: SetupFlags) -> Self {
        let page = rustix::param::page_size();
        let sqe_bytes = if flags.contains(SetupFlags::SQE128) { 128 } else { 64 };
        let cqe_bytes = if flags.contains(SetupFlags::CQE32) { 32 } else { 16 };
        let sqes = (sq_entries as usize * sqe_bytes).next_multiple_of(page);
        // The words fill one cache line on 6.18; two leave room for a kernel with more of them.
        let words = 128;
        let array =
            if flags.contains(SetupFlags::NO_SQARRAY) { 0 } else { sq_entries as usize * 4 };
        let rings = words + cq_entries as usize * cqe_bytes + array.next_multiple_of(64);
        Self { rings_at: sqes, bytes: sqes + rings.next_multiple_of(page) }
    }
}

/// The mappings that a ring's memory is made of.
#[derive(Debug)]
pub(crate) enum Maps {
    /// Mapped from the kernel: both queues' words and completions, and the entries. Where the
    /// kernel has no `SINGLE_MMAP`, the completion queue has a mapping of its own.
    Kernel { sq: Mapping, cq: Option<Mapping>, sqes: Mapping },
    /// Given to the kernel.
    Given { region: RingRegion, rings_at: usize },
}

impl Maps {
    /// Maps what the ring `fd` has, as `params` (answered by the kernel) says.
    pub(crate) fn of_kernel(fd: BorrowedFd<'_>, params: &Params) -> Result<Self, Errno> {
        let sqe_bytes = if params.flags.contains(SetupFlags::SQE128) { 128 } else { 64 };
        let cqe_bytes = if params.flags.contains(SetupFlags::CQE32) { 32 } else { 16 };
        let cq_end = params.cq_off.cqes as usize + params.cq_entries as usize * cqe_bytes;
        let sq_end = if params.flags.contains(SetupFlags::NO_SQARRAY) {
            cq_end
        } else {
            params.sq_off.array as usize + params.sq_entries as usize * 4
        };
        let (sq, cq) = if params.features.contains(Features::SINGLE_MMAP) {
            (Mapping::of_fd(fd, OFF_SQ_RING, sq_end.max(cq_end))?, None)
        } else {
            let cq = Mapping::of_fd(fd, OFF_CQ_RING, cq_end)?;
            (Mapping::of_fd(fd, OFF_SQ_RING, sq_end)?, Some(cq))
        };
        let sqes = Mapping::of_fd(fd, OFF_SQES, params.sq_entries as usize * sqe_bytes)?;
        Ok(Self::Kernel { sq, cq, sqes })
    }

    /// Writes the addresses of `region` into `params` and says where in it the words begin;
    /// `ENOMEM` if the region is too short.
    pub(crate) fn give(
        region: &RingRegion,
        layout: RegionLayout,
        params: &mut Params,
    ) -> Result<usize, Errno> {
        if region.bytes() < layout.bytes {
            return Err(Errno::ENOMEM);
        }
        params.sq_off.user_addr = region.start().as_ptr() as u64;
        let rings: NonNull<u8> = region.mapping().at(layout.rings_at)?;
        params.cq_off.user_addr = rings.as_ptr() as u64;
        Ok(layout.rings_at)
    }

    /// Typed pointers to the words and entries, as `params` (answered by the kernel) says.
    pub(crate) fn memory<S, C>(&self, params: &Params) -> Result<RingMemory<S, C>, Errno> {
        let (sq, cq, base, sqes) = match self {
            Self::Kernel { sq, cq, sqes } => (sq, cq.as_ref().unwrap_or(sq), 0, sqes),
            Self::Given { region, rings_at } => {
                (region.mapping(), region.mapping(), *rings_at, region.mapping())
            }
        };
        let at = |offset: u32| base + offset as usize;
        let array = if params.flags.contains(SetupFlags::NO_SQARRAY) {
            None
        } else {
            Some(sq.array_at(at(params.sq_off.array), params.sq_entries as usize)?)
        };
        Ok(RingMemory {
            sq: SqMemory {
                head: sq.at(at(params.sq_off.head))?,
                tail: sq.at(at(params.sq_off.tail))?,
                flags: sq.at(at(params.sq_off.flags))?,
                dropped: sq.at(at(params.sq_off.dropped))?,
                array,
                slots: sqes.array_at(0, params.sq_entries as usize)?,
                entries: params.sq_entries,
            },
            cq: CqMemory {
                head: cq.at(at(params.cq_off.head))?,
                tail: cq.at(at(params.cq_off.tail))?,
                flags: cq.at(at(params.cq_off.flags))?,
                overflow: cq.at(at(params.cq_off.overflow))?,
                slots: cq.array_at(at(params.cq_off.cqes), params.cq_entries as usize)?,
                entries: params.cq_entries,
            },
        })
    }

    /// Leaves the memory out of the children that this process forks.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        match self {
            Self::Kernel { sq, cq, sqes } => {
                sq.keep_from_children()?;
                cq.as_ref().map_or(Ok(()), Mapping::keep_from_children)?;
                sqes.keep_from_children()
            }
            Self::Given { region, .. } => region.mapping().keep_from_children(),
        }
    }
}

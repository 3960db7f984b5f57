//! Making groups, filling and emptying them: by entries, and by registrations.

use std::collections::VecDeque;

use annulus_ring::Errno;
use annulus_ring::abi::{
    BufReg, BufStatus, OFF_PBUF_RING, OFF_PBUF_SHIFT, Op, PbufRingFlags, RegisterOp, Sqe,
};
use annulus_ring::kernel::Mapping;

use super::ring::ring_bytes;
use super::{Group, Provided, RingGroup};
use crate::semantics::Core;
use crate::semantics::buffers::MOVED_BYTES_MAX;
use crate::semantics::prepare::must;
use crate::world::{Span, Token, World};

/// The most buffers of a group (`MAX_BIDS_PER_BGID`).
const BUFFERS_MAX: u32 = 1 << 16;
/// The most that are provided and not picked.
const PROVIDED_MAX: usize = u16::MAX as usize;
/// No ring has so many: full and empty would be the same.
const RING_ENTRIES_END: u32 = 1 << 16;
/// Behind the last address of a process.
const ADDRESSES_END: u64 = (1 << 47) - 4096;

/// `PROVIDE_BUFFERS`, as an entry has it.
pub(in crate::semantics) fn prepare_provide(sqe: &Sqe) -> Result<(), Errno> {
    must(sqe.rw_flags == 0 && sqe.splice_fd_in == 0)?;
    let count = u32::try_from(sqe.fd).ok().filter(|count| (1..=BUFFERS_MAX).contains(count));
    let count = count.ok_or(Errno::E2BIG)?;
    must(sqe.len > 0)?;
    let bytes = u64::from(sqe.len) * u64::from(count);
    let end = sqe.addr.checked_add(bytes).ok_or(Errno::EOVERFLOW)?;
    if end > ADDRESSES_END {
        return Err(Errno::EFAULT);
    }
    if sqe.off > u64::from(u16::MAX) {
        return Err(Errno::E2BIG);
    }
    must(sqe.off + u64::from(count) <= u64::from(BUFFERS_MAX))
}

/// `REMOVE_BUFFERS`, as an entry has it.
pub(in crate::semantics) fn prepare_remove(sqe: &Sqe) -> Result<(), Errno> {
    let Sqe { rw_flags, addr, len, off, splice_fd_in, .. } = *sqe;
    must((rw_flags, addr, len, off, splice_fd_in) == (0, 0, 0, 0, 0))?;
    must((1..=BUFFERS_MAX as i32).contains(&sqe.fd))
}

impl<W: World> Core<W> {
    /// Begins what fills or empties a group. Whether it is that.
    pub(in crate::semantics) fn begin_with_group(&mut self, token: Token, sqe: &Sqe) -> bool {
        let result = match sqe.opcode {
            Op::PROVIDE_BUFFERS => self.provide(sqe),
            Op::REMOVE_BUFFERS => self.remove(sqe),
            _ => return false,
        };
        self.finish(token, result);
        true
    }

    fn provide(&mut self, sqe: &Sqe) -> Result<u32, Errno> {
        let new = || Group::Provided(VecDeque::new());
        let group = self.groups.entry(sqe.buf_index).or_insert_with(new);
        let Group::Provided(buffers) = group else { return Err(Errno::EINVAL) };
        let bytes = (sqe.len as usize).min(MOVED_BYTES_MAX);
        let mut addr = sqe.addr;
        for n in 0..sqe.fd as u32 {
            if buffers.len() == PROVIDED_MAX {
                return Err(Errno::EOVERFLOW);
            }
            let id = (sqe.off as u32 + n) as u16;
            buffers.push_back(Provided { span: Span { addr, bytes }, id });
            addr += u64::from(sqe.len);
        }
        Ok(0)
    }

    fn remove(&mut self, sqe: &Sqe) -> Result<u32, Errno> {
        match self.groups.get_mut(&sqe.buf_index) {
            None => Err(Errno::ENOENT),
            Some(Group::Ring(_)) => Err(Errno::EINVAL),
            Some(Group::Provided(buffers)) => {
                let count = buffers.len().min(sqe.fd as usize);
                buffers.drain(..count);
                Ok(count as u32)
            }
        }
    }

    /// A registration of this family. `None`: it is of another.
    pub(in crate::semantics) fn register_groups(
        &mut self,
        op: RegisterOp,
        arg: u64,
        count: u32,
    ) -> Option<Result<u32, Errno>> {
        let one = must(arg != 0 && count == 1);
        Some(match op {
            RegisterOp::PBUF_RING => one.and_then(|()| self.make_group(arg)),
            RegisterOp::UNREGISTER_PBUF_RING => one.and_then(|()| self.drop_group(arg)),
            RegisterOp::PBUF_STATUS => one.and_then(|()| self.tell_group(arg)),
            _ => return None,
        })
    }

    fn make_group(&mut self, arg: u64) -> Result<u32, Errno> {
        let reg: BufReg = self.user.read(arg)?;
        // What may be left at least is for a later Linux to know.
        must(reg.resv == [0; 5] && reg.min_left == 0)?;
        must((PbufRingFlags::MMAP | PbufRingFlags::INC).contains(reg.flags))?;
        must(reg.ring_entries.is_power_of_two() && reg.ring_entries < RING_ENTRIES_END)?;
        match self.groups.get(&reg.bgid.0) {
            Some(Group::Provided(buffers)) if buffers.is_empty() => {}
            Some(_) => return Err(Errno::EEXIST),
            None => {}
        }
        let bytes = ring_bytes(reg.ring_entries);
        let memory = if reg.flags.contains(PbufRingFlags::MMAP) {
            Some(self.world.memory(bytes)?)
        } else {
            if reg.ring_addr == 0 {
                return Err(Errno::EFAULT);
            }
            must(reg.ring_addr.is_multiple_of(4096))?;
            self.user.populate(reg.ring_addr, bytes)?;
            None
        };
        let group = RingGroup::new(&reg, memory)?;
        self.groups.insert(reg.bgid.0, Group::Ring(group));
        Ok(0)
    }

    fn drop_group(&mut self, arg: u64) -> Result<u32, Errno> {
        let reg: BufReg = self.user.read(arg)?;
        must(reg.resv == [0; 5] && reg.min_left == 0 && reg.flags.is_empty())?;
        self.ring_group(u32::from(reg.bgid.0))?;
        self.groups.remove(&reg.bgid.0);
        Ok(0)
    }

    fn tell_group(&mut self, arg: u64) -> Result<u32, Errno> {
        let mut status: BufStatus = self.user.read(arg)?;
        must(status.resv == [0; 8])?;
        status.head = u32::from(self.ring_group(status.buf_group)?.head());
        self.user.write(arg, status)?;
        Ok(0)
    }

    fn ring_group(&self, group: u32) -> Result<&RingGroup, Errno> {
        let group = u16::try_from(group).map_err(|_no_such| Errno::ENOENT)?;
        match self.groups.get(&group) {
            None => Err(Errno::ENOENT),
            Some(Group::Provided(_)) => Err(Errno::EINVAL),
            Some(Group::Ring(ring)) => Ok(ring),
        }
    }

    /// Maps the memory that was given for a ring of buffers.
    ///
    /// # Errors
    /// `EINVAL`: there is none at that offset, or it is shorter. Else as `mmap(2)`.
    pub(crate) fn map(&self, offset: u64, bytes: usize) -> Result<Mapping, Errno> {
        must(offset & OFF_PBUF_RING != 0)?;
        let group = (offset & !OFF_PBUF_RING) >> OFF_PBUF_SHIFT;
        let found = self.ring_group(group as u32).map_err(|_no_such| Errno::EINVAL)?;
        found.map(bytes)
    }
}

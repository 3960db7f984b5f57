//! Registrations: what a ring has of its own, at the beginning and as it is changed.

use std::os::fd::RawFd;

use annulus_emulate::LocalRing;
use annulus_emulate::abi::{
    BufGroup, BufReg, BufStatus, CancelFlags, FileIndexRange, Iovec, Op, PbufRingFlags, RegisterOp,
    RsrcRegister, RsrcUpdate2, SyncCancelReg, Timespec,
};

use super::World;
use super::memory::{fixed_at, fixed_bytes};
use crate::program::{
    BUFFER_TAG, BUFFERS, Event, FILE_TAG, Fd, GROUP_ENTRIES, PIECEWISE, RING, Setting,
};

/// Registers `count` of what `arg` is: what was answered.
fn register<T>(ring: &mut LocalRing, op: RegisterOp, arg: Option<&mut T>, count: usize) -> i64 {
    let arg = arg.map_or(core::ptr::null_mut(), |arg| core::ptr::from_mut(arg).cast());
    // SAFETY: what `op` says it is, alive during the call; what it points to is the world's memory,
    // which lives longer than the ring.
    let answered = unsafe { ring.parts().2.register().raw(op, arg, count as u32) };
    match answered {
        Ok(answer) => answer.into(),
        Err(error) => -i64::from(error.errno().map_or(1, |errno| errno.raw())),
    }
}

/// Registers what takes no argument.
fn bare(ring: &mut LocalRing, op: RegisterOp) -> i64 {
    register::<u32>(ring, op, None, 0)
}

impl World {
    /// Gives a ring what it has from the beginning.
    pub fn set_up(&mut self, ring: &mut LocalRing, setting: &Setting) {
        if !setting.table.is_empty() {
            self.make_table(ring, &setting.table, setting.tagged);
        }
        if setting.buffers {
            self.make_buffers(ring, setting.tagged);
        }
        if setting.groups {
            for group in [RING, PIECEWISE] {
                self.make_group(ring, group);
                for _ in 0..setting.filled {
                    self.memory.refill(group);
                }
            }
        }
    }

    /// Has a registration happen: what it answered.
    pub fn change(&mut self, ring: &mut LocalRing, event: &Event, setting: &Setting) -> i64 {
        match event {
            Event::MakeTable { files } => self.make_table(ring, files, setting.tagged),
            Event::UpdateTable { first, files } => {
                self.update_table(ring, *first, files, setting.tagged)
            }
            Event::DropTable => bare(ring, RegisterOp::UNREGISTER_FILES),
            Event::PickIn { first, count } => {
                let mut range = FileIndexRange { off: *first, len: *count, resv: 0 };
                register(ring, RegisterOp::FILE_ALLOC_RANGE, Some(&mut range), 0)
            }
            Event::UpdateBuffer { index, is_there } => {
                self.update_buffer(ring, *index, *is_there, setting.tagged)
            }
            Event::DropBuffers => bare(ring, RegisterOp::UNREGISTER_BUFFERS),
            Event::Refill { group, count } => self.refill(ring, *group, *count),
            Event::MakeGroup { group } => self.make_group(ring, *group),
            Event::DropGroup { group } => {
                let mut reg = BufReg { bgid: BufGroup(*group), ..BufReg::default() };
                register(ring, RegisterOp::UNREGISTER_PBUF_RING, Some(&mut reg), 1)
            }
            Event::Cancel { flags, user_data, fd, op } => {
                let fd = self.number(*fd, ring.raw_fd());
                sync_cancel(ring, *flags, *user_data, fd, *op)
            }
            _ => unreachable!("the others are no registrations"),
        }
    }

    /// Cancels everything: how much there was.
    pub fn cancel_all(ring: &mut LocalRing) -> i64 {
        sync_cancel(ring, CancelFlags::ANY | CancelFlags::MATCH_ALL, 0, -1, Op::NOP)
    }

    /// Gives up the table of files, if there is one.
    pub fn drop_table(ring: &mut LocalRing) -> i64 {
        bare(ring, RegisterOp::UNREGISTER_FILES)
    }

    fn numbers(&self, files: &[Fd], ring: RawFd) -> Vec<RawFd> {
        files.iter().map(|fd| self.number(*fd, ring)).collect()
    }

    fn make_table(&self, ring: &mut LocalRing, files: &[Fd], tagged: bool) -> i64 {
        let numbers = self.numbers(files, ring.raw_fd());
        let tags = tags(FILE_TAG, &numbers, tagged);
        let mut table = RsrcRegister {
            nr: numbers.len() as u32,
            data: numbers.as_ptr().expose_provenance() as u64,
            tags: tags.as_ptr().expose_provenance() as u64,
            ..RsrcRegister::default()
        };
        register(ring, RegisterOp::FILES2, Some(&mut table), size_of::<RsrcRegister>())
    }

    fn update_table(&self, ring: &mut LocalRing, first: u32, files: &[Fd], tagged: bool) -> i64 {
        let numbers = self.numbers(files, ring.raw_fd());
        let tags = tags(FILE_TAG + 50 + u64::from(first), &numbers, tagged);
        let mut update = RsrcUpdate2 {
            offset: first,
            data: numbers.as_ptr().expose_provenance() as u64,
            tags: tags.as_ptr().expose_provenance() as u64,
            nr: numbers.len() as u32,
            ..RsrcUpdate2::default()
        };
        register(ring, RegisterOp::FILES_UPDATE2, Some(&mut update), size_of::<RsrcUpdate2>())
    }

    /// A registered buffer, or nothing.
    fn piece(&mut self, index: u16, is_there: bool) -> Iovec {
        let bytes = if is_there { fixed_bytes(index) } else { 0 };
        if bytes == 0 {
            return Iovec { iov_base: core::ptr::null_mut(), iov_len: 0 };
        }
        let addr = self.memory.address(fixed_at(index)) as usize;
        Iovec { iov_base: core::ptr::with_exposed_provenance_mut(addr), iov_len: bytes as usize }
    }

    fn make_buffers(&mut self, ring: &mut LocalRing, tagged: bool) -> i64 {
        let pieces: Vec<Iovec> = (0..BUFFERS).map(|index| self.piece(index, true)).collect();
        let is_there = |(index, piece): (u64, &Iovec)| {
            if tagged && piece.iov_len > 0 { BUFFER_TAG + index } else { 0 }
        };
        let tags: Vec<u64> = (0..).zip(&pieces).map(is_there).collect();
        let mut table = RsrcRegister {
            nr: pieces.len() as u32,
            data: pieces.as_ptr().expose_provenance() as u64,
            tags: tags.as_ptr().expose_provenance() as u64,
            ..RsrcRegister::default()
        };
        register(ring, RegisterOp::BUFFERS2, Some(&mut table), size_of::<RsrcRegister>())
    }

    fn update_buffer(
        &mut self,
        ring: &mut LocalRing,
        index: u16,
        is_there: bool,
        tagged: bool,
    ) -> i64 {
        let piece = self.piece(index, is_there);
        let is_tagged = tagged && piece.iov_len > 0;
        let tag = if is_tagged { BUFFER_TAG + 50 + u64::from(index) } else { 0 };
        let mut update = RsrcUpdate2 {
            offset: index.into(),
            data: (&raw const piece).expose_provenance() as u64,
            tags: (&raw const tag).expose_provenance() as u64,
            nr: 1,
            ..RsrcUpdate2::default()
        };
        register(ring, RegisterOp::BUFFERS_UPDATE, Some(&mut update), size_of::<RsrcUpdate2>())
    }

    fn make_group(&mut self, ring: &mut LocalRing, group: u16) -> i64 {
        let is_piecewise = group == PIECEWISE;
        let flags = if is_piecewise { PbufRingFlags::INC } else { PbufRingFlags::empty() };
        let mut reg = BufReg {
            ring_addr: self.memory.ring_address(group),
            ring_entries: GROUP_ENTRIES,
            bgid: BufGroup(group),
            flags,
            ..BufReg::default()
        };
        let made = register(ring, RegisterOp::PBUF_RING, Some(&mut reg), 1);
        if made == 0 {
            self.memory.empty_ring(group);
        }
        made
    }

    /// Puts so many buffers into a ring, as far as there is room: how many were taken from it
    /// before.
    fn refill(&mut self, ring: &mut LocalRing, group: u16, count: u32) -> i64 {
        let mut status = BufStatus { buf_group: group.into(), ..BufStatus::default() };
        let told = register(ring, RegisterOp::PBUF_STATUS, Some(&mut status), 1);
        if told != 0 {
            return told;
        }
        let there = self.memory.tail(group).wrapping_sub(status.head as u16);
        let room = GROUP_ENTRIES.saturating_sub(there.into());
        for _ in 0..count.min(room) {
            self.memory.refill(group);
        }
        status.head.into()
    }
}

/// The tags of files, where there are any.
fn tags(first: u64, numbers: &[RawFd], tagged: bool) -> Vec<u64> {
    let tag = |(n, number): (u64, &RawFd)| if tagged && *number >= 0 { first + n } else { 0 };
    (0..).zip(numbers).map(tag).collect()
}

fn sync_cancel(ring: &mut LocalRing, flags: CancelFlags, addr: u64, fd: RawFd, opcode: Op) -> i64 {
    let mut reg = SyncCancelReg {
        addr,
        fd,
        flags,
        // It does not wait for long.
        timeout: Timespec { tv_sec: 1, tv_nsec: 0 },
        opcode,
        ..SyncCancelReg::default()
    };
    register(ring, RegisterOp::SYNC_CANCEL, Some(&mut reg), 1)
}

//! Groups of buffers, as entries fill and empty them; and messages.

use annulus_emulate::abi::{MsgRingFlags, Op};

use super::Generator;
use crate::program::{
    Entry, Fd, GROUP_BYTES, GROUP_ENTRIES, MESSAGES, Memory, PROVIDED, RING, TABLE,
};

impl Generator {
    /// Buffers are provided, or removed.
    pub(super) fn provide(&mut self) -> Entry {
        let group = if self.random.chance(95) { PROVIDED } else { RING };
        if !self.claim_group(group, false) {
            return self.nop();
        }
        let removes = self.random.chance(20);
        let mut entry =
            self.new_entry(if removes { Op::REMOVE_BUFFERS } else { Op::PROVIDE_BUFFERS });
        entry.buf_index = group;
        let count = self.random.pick(&[1, 1, 2, 4, 0]);
        entry.fd = Fd::Number(count);
        if removes {
            return entry;
        }
        entry.memory = Memory::Group;
        entry.off = self.random.below(u64::from(GROUP_ENTRIES) - 4);
        entry.len = if self.random.chance(95) { GROUP_BYTES } else { 0 };
        entry
    }

    /// A message to the ring itself.
    pub(super) fn message(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::MSG_RING);
        entry.fd = if self.random.chance(95) { Fd::Ring } else { Fd::Slot(4) };
        entry.off = MESSAGES.start + self.random.below(MESSAGES.end - MESSAGES.start);
        entry.len = self.random.pick(&[0, 1, 77, -3_i32 as u32]);
        match self.random.below(12) {
            0 => {
                entry.rw_flags = MsgRingFlags::FLAGS_PASS.bits();
                entry.splice_fd_in = Fd::Number(1 << 8);
            }
            1 => entry.rw_flags = MsgRingFlags::CQE_SKIP.bits(),
            2 => {
                // A file, for itself.
                entry.memory = Memory::Plain(1);
                entry.len = 0;
                entry.addr3 = self.random.below(u64::from(TABLE));
                entry.splice_fd_in = Fd::Number(1);
            }
            _ => {}
        }
        entry
    }
}

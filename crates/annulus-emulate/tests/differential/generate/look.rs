//! Times, and what looks at others: cancels and changes.

use annulus_emulate::abi::{CancelFlags, Op, PollFlags, SqeFlags, TimeoutFlags};

use super::{Generator, Past};
use crate::program::{COUNTER, Entry, FILES, Fd, Memory, Time};

impl Generator {
    fn a_past(&mut self) -> Past {
        let none = Past { user_data: 4711, op: Op::READ, fd: Fd::Slot(4), is_fixed: false };
        if self.past.is_empty() || self.random.chance(10) {
            return none;
        }
        let past = self.past.len() as u64;
        // Rather a recent one.
        let back = self.random.below(past).min(self.random.below(past));
        self.past[(past - 1 - back) as usize]
    }

    fn time(&mut self) -> Time {
        match self.random.below(20) {
            // One that is over at once is counted, on Linux, before it is told.
            0..3 if !self.themes.counts => Time::Now,
            3..5 => Time::Short,
            5 => Time::Negative,
            _ => Time::Long,
        }
    }

    pub(super) fn timeout(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::TIMEOUT);
        let mut time = self.time();
        // What a chain has behind it may wait meanwhile: how far others are then is open.
        let is_certain = self.is_first || !self.moves() && !self.themes.table;
        if self.themes.counts && is_certain && self.random.chance(60) {
            entry.off = self.random.pick(&[1, 2, 3]);
        }
        let mut flags = TimeoutFlags::empty();
        if self.random.chance(30) {
            flags |= TimeoutFlags::ETIME_SUCCESS;
        }
        if self.random.chance(20) && time != Time::Short {
            flags |= TimeoutFlags::ABS;
        }
        if self.random.chance(10) {
            flags |= self.random.pick(&[TimeoutFlags::BOOTTIME, TimeoutFlags::REALTIME]);
        }
        let repeats = time == Time::Long || time == Time::Short && entry.off > 0;
        if repeats && self.random.chance(20) {
            flags |= TimeoutFlags::MULTISHOT;
            self.repeating.push(entry.user_data);
        } else if entry.off > 0 && time == Time::Short {
            // Others' times are over with it, and end its count: which is first is open.
            time = Time::Long;
        }
        entry.memory = Memory::Time(time);
        entry.len = 1;
        entry.rw_flags = flags.bits();
        self.waits = true;
        entry
    }

    pub(super) fn link_timeout(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::LINK_TIMEOUT);
        // Not at once: whether it or an entry on a thread is first is open, be it one of the host;
        // nor as long as a time that it limits.
        let mut time = self.random.pick(&[Time::Short, Time::Long, Time::Long, Time::Negative]);
        let limits_time = self.past.last().is_some_and(|past| past.op == Op::TIMEOUT);
        let on_file =
            |past: &Past| past.fd.slot().is_some_and(|slot| slot < FILES || slot == COUNTER);
        let limits_file =
            self.past.last().is_some_and(|past| on_file(past) || past.is_fixed) || self.threaded;
        let by_host = |past: &Past| [Op::ACCEPT, Op::CONNECT].contains(&past.op);
        let limits_host = self.themes.waiting && self.past.last().is_some_and(by_host);
        if (limits_time || limits_file || limits_host) && time == Time::Short {
            time = Time::Long;
        }
        entry.memory = Memory::Time(time);
        entry.len = 1;
        entry
    }

    pub(super) fn timeout_remove(&mut self) -> Option<Entry> {
        if !self.looks() {
            return None;
        }
        let mut entry = self.new_entry(Op::TIMEOUT_REMOVE);
        let Past { user_data, .. } = self.a_past();
        entry.memory = Memory::Plain(user_data);
        if self.random.chance(50) {
            let mut time = self.time();
            if self.repeating.contains(&user_data) && time != Time::Negative {
                time = Time::Long;
            }
            entry.rw_flags = TimeoutFlags::UPDATE.bits();
            // What a link timeout limits may be over: not at once.
            if time != Time::Now && self.random.chance(35) {
                entry.rw_flags |= TimeoutFlags::LINK_TIMEOUT_UPDATE.bits();
            }
            entry.memory = Memory::TimeBehind(user_data, time);
            if self.random.chance(20) && time != Time::Short {
                entry.rw_flags |= TimeoutFlags::ABS.bits();
            }
        }
        Some(entry)
    }

    pub(super) fn poll_remove(&mut self) -> Option<Entry> {
        if !self.looks() {
            return None;
        }
        let mut entry = self.new_entry(Op::POLL_REMOVE);
        let Past { user_data, .. } = self.a_past();
        entry.memory = Memory::Plain(user_data);
        if self.random.chance(50) {
            let mut flags = PollFlags::empty();
            if self.random.chance(60) {
                flags |= PollFlags::UPDATE_EVENTS;
                entry.rw_flags = self.random.pick(&[1, 4, 5]);
                if self.random.chance(30) {
                    flags |= PollFlags::ADD_MULTI;
                }
            }
            if self.random.chance(60) {
                flags |= PollFlags::UPDATE_USER_DATA;
                entry.off = 1000 + self.random.below(3);
            }
            entry.len = flags.bits();
        }
        Some(entry)
    }

    /// Whom a cancel means.
    pub(super) fn criteria(&mut self) -> (CancelFlags, Past) {
        let past = self.a_past();
        let mut flags = CancelFlags::empty();
        match self.random.below(10) {
            0..5 => {}
            5 => flags |= CancelFlags::MATCH_ALL,
            6 | 7 => {
                flags |= CancelFlags::FD;
                if past.is_fixed {
                    flags |= CancelFlags::FD_FIXED;
                }
                // Which one of several is left open; and one file has several numbers.
                if self.random.chance(50) || self.themes.table || self.is_named_often(past) {
                    flags |= CancelFlags::MATCH_ALL;
                }
            }
            8 => flags |= CancelFlags::OP | CancelFlags::MATCH_ALL,
            _ => flags |= CancelFlags::ANY,
        }
        if self.random.chance(10) {
            flags |= CancelFlags::USERDATA;
        }
        (flags, past)
    }

    fn is_named_often(&self, past: Past) -> bool {
        self.past.iter().filter(|other| other.fd == past.fd).count() > 1
    }

    pub(super) fn cancel(&mut self) -> Option<Entry> {
        if !self.looks() {
            return None;
        }
        let mut entry = self.new_entry(Op::ASYNC_CANCEL);
        let (mut flags, past) = self.criteria();
        entry.memory = Memory::Plain(past.user_data);
        if flags.contains(CancelFlags::FD) {
            entry.fd = past.fd;
            if past.is_fixed && self.random.chance(50) {
                flags = flags.difference(CancelFlags::FD_FIXED);
                entry.flags |= SqeFlags::FIXED_FILE;
            }
        }
        if flags.contains(CancelFlags::OP) {
            entry.len = u32::from(past.op.0);
        }
        entry.rw_flags = flags.bits();
        Some(entry)
    }

    /// An entry with something that is refused.
    pub(super) fn bad(&mut self) -> Option<Entry> {
        let mut entry = self.entry();
        match self.random.below(6) {
            0 => entry.op = Op(70 + self.random.below(100) as u8),
            1 => entry.flags |= SqeFlags(0x80),
            2 => entry.ioprio = 0x7fff,
            // A group that is made by it would be there for others, which claim nothing of it.
            3 if entry.op != Op::PROVIDE_BUFFERS => entry.buf_index = 9,
            3 | 4 => entry.personality = 77,
            _ => entry.splice_fd_in = Fd::Number(5),
        }
        Some(entry)
    }
}

//! Random programs, each of one seed.
//!
//! What io_uring leaves open is not asked: who of several readers of one pipe gets the bytes, or in
//! which order two writes to one file happen. So each end of a pipe or socket, and each file, is
//! used by one chain of a program. What threads of the kernel do is in no order with what follows
//! it in the same submit: so an entry that asks for one (`ASYNC`) is of the last chain. Chains go
//! on side by side: so what looks at others (polls, cancels, closes, changes) begins a chain, or is
//! in the only one of its step, and does not come behind a drain (Linux hands over what waits for
//! one). Completions are counted (`off` of a timeout) in programs without threads only.

use annulus_emulate::abi::{CancelFlags, Op, PollFlags, SqeFlags, TimeoutFlags};

use crate::program::{
    Entry, Event, FILES, Memory, PIPE_READ, PIPE_WRITE, Program, SLOTS, SMALL_READ, SMALL_WRITE,
    SOCKET, Step, Time,
};

/// SplitMix64: enough for choices, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether it happens, `percent` times of a hundred.
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Whether an operation looks at others, or at how far they are.
fn looks(op: Op) -> bool {
    [Op::POLL_ADD, Op::POLL_REMOVE, Op::ASYNC_CANCEL, Op::TIMEOUT_REMOVE, Op::CLOSE].contains(&op)
}

struct Generator {
    random: Random,
    place: usize,
    chain: u32,
    /// The chain that uses a file, to read or to write.
    readers: [Option<u32>; SLOTS as usize],
    writers: [Option<u32>; SLOTS as usize],
    /// Completions are counted: nothing is done by threads.
    counts: bool,
    /// The entry begins a chain.
    is_first: bool,
    /// Files are used, and threads asked for: nothing is cancelled then.
    threads: bool,
    /// There may be polls.
    polls: bool,
    /// There may be drains.
    drains: bool,
    /// There was a drain: what comes next may be handed to threads for it.
    drained: bool,
    /// The chain is the last of its step.
    is_last: bool,
    /// What looks at others may come now.
    may_look: bool,
    /// The entry is the only one of its step.
    is_alone: bool,
    /// The timeouts that go on: how often they tell at a short interval is open.
    repeating: Vec<u64>,
    /// All entries so far: what cancels are for.
    past: Vec<(u64, Op, i32)>,
}

pub fn program(seed: u64) -> Program {
    let mut generator = Generator {
        random: Random::new(seed),
        place: 0,
        chain: 0,
        readers: [None; SLOTS as usize],
        writers: [None; SLOTS as usize],
        past: Vec::new(),
        repeating: Vec::new(),
        counts: false,
        is_first: false,
        threads: false,
        polls: false,
        drains: false,
        drained: false,
        is_last: false,
        may_look: false,
        is_alone: false,
    };
    let random = &mut generator.random;
    generator.counts = random.chance(25);
    generator.threads = !generator.counts && random.chance(50);
    generator.polls = random.chance(40);
    generator.drains = !generator.counts && random.chance(30);
    let submit_all = random.chance(30);
    let cq_entries = if random.chance(10) { 2 } else { 0 };
    let count = 1 + random.below(6);
    let mut steps = Vec::new();
    for n in 0..count {
        if n > 0 && generator.random.chance(50) {
            steps.push(Step::Happen(generator.event()));
        } else {
            let entries = generator.entries();
            steps.push(Step::Submit(entries));
        }
    }
    Program { submit_all, cq_entries, steps }
}

impl Generator {
    fn entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let chains = 1 + self.random.below(4);
        for nth in 1..=chains {
            self.chain += 1;
            self.is_last = nth == chains;
            let chained = if self.random.chance(50) { 0 } else { 1 + self.random.below(4) };
            self.is_alone = chains == 1 && chained == 0;
            for n in 0..=chained {
                self.is_first = n == 0;
                self.may_look = !self.drained && (n == 0 || chains == 1);
                let mut entry = self.entry();
                self.flags(&mut entry, n == 0);
                if n < chained {
                    let hard = self.random.chance(30);
                    let link = if hard { SqeFlags::IO_HARDLINK } else { SqeFlags::IO_LINK };
                    entry.flags |= link;
                }
                self.past.push((entry.user_data, entry.op, entry.slot));
                entries.push(entry);
                if n < chained && self.random.chance(10) {
                    let limit = self.link_timeout();
                    let mut limit = limit;
                    if n + 1 < chained {
                        limit.flags |= SqeFlags::IO_LINK;
                    }
                    self.past.push((limit.user_data, limit.op, limit.slot));
                    entries.push(limit);
                }
            }
        }
        entries
    }

    fn new_entry(&mut self, op: Op) -> Entry {
        self.place += 1;
        Entry::new(op, self.place - 1)
    }

    fn flags(&mut self, entry: &mut Entry, is_first: bool) {
        let random = &mut self.random;
        if self.drains && random.chance(if is_first { 15 } else { 4 }) {
            entry.flags |= SqeFlags::IO_DRAIN;
            self.drained = true;
        }
        if random.chance(8) {
            entry.flags |= SqeFlags::CQE_SKIP_SUCCESS;
        }
        if self.threads && self.is_last && !looks(entry.op) && random.chance(15) {
            entry.flags |= SqeFlags::ASYNC;
        }
    }

    fn entry(&mut self) -> Entry {
        let end = if self.may_look { 100 } else { 57 };
        match self.random.below(end) {
            0..12 => self.nop(),
            12..32 => self.read(),
            32..52 => self.write(),
            52..57 => self.timeout(),
            57..67 => self.poll(),
            67..72 => self.timeout(),
            72..76 => self.timeout_remove(),
            76..86 => self.cancel(),
            86..90 => self.poll_remove(),
            // What is closed is, for others, so when the submit is over.
            90..93 if self.is_alone => self.close(),
            93..95 => self.sync(),
            95..96 => self.link_timeout(),
            _ => self.bad(),
        }
    }

    fn nop(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::NOP);
        if self.random.chance(30) {
            entry.rw_flags = 1;
            entry.len = self.random.pick(&[-5_i32, -125, 0, 7]) as u32;
        }
        entry
    }

    /// One of `slots` that no other chain has claimed.
    fn claim(&mut self, slots: &[i32], reads: bool) -> Option<i32> {
        let slot = self.random.pick(slots);
        let chain = self.chain;
        let is_file = slot < FILES;
        if self.counts || is_file && !self.threads || !is_file && self.polls {
            return None;
        }
        let claims = if reads || is_file { &mut self.readers } else { &mut self.writers };
        claims[slot as usize].replace(chain).is_none().then_some(slot)
    }

    fn read(&mut self) -> Entry {
        let slots = [
            0,
            1,
            2,
            3,
            PIPE_READ,
            PIPE_READ,
            SMALL_READ,
            SOCKET,
            SOCKET + 1,
            SOCKET + 2,
            SOCKET + 3,
        ];
        let Some(slot) = self.claim(&slots, true) else { return self.nop() };
        self.transfer(slot, Op::READ, Op::READV, Op::RECV)
    }

    fn write(&mut self) -> Entry {
        let slots = [
            0,
            1,
            2,
            3,
            PIPE_WRITE,
            PIPE_WRITE,
            SMALL_WRITE,
            SOCKET,
            SOCKET + 1,
            SOCKET + 2,
            SOCKET + 3,
        ];
        let Some(slot) = self.claim(&slots, false) else { return self.nop() };
        self.transfer(slot, Op::WRITE, Op::WRITEV, Op::SEND)
    }

    fn transfer(&mut self, slot: i32, plain: Op, pieces: Op, message: Op) -> Entry {
        let is_socket = slot >= SOCKET;
        let kind = self.random.below(10);
        let op = match kind {
            0..5 if is_socket => message,
            8..10 => pieces,
            _ => plain,
        };
        let mut entry = self.new_entry(op);
        entry.slot = if self.random.chance(2) { SLOTS } else { slot };
        entry.memory = Memory::Buffer;
        entry.len = self.random.pick(&[0, 1, 7, 64, 64, 100, 512, 4096, 6000]);
        if op == pieces {
            let count = 1 + self.random.below(3) as u32;
            entry.memory = Memory::Pieces(count);
            entry.len = count;
        }
        if op == message {
            // MSG_WAITALL, MSG_DONTWAIT, MSG_PEEK.
            entry.rw_flags = self.random.pick(&[0, 0, 0, 0x100, 0x40]);
        } else if slot < FILES {
            entry.off = self.random.pick(&[0, 0, 10, 200, 300, 5000, u64::MAX]);
        } else {
            entry.off = self.random.pick(&[0, 0, u64::MAX]);
        }
        if op != message && self.random.chance(5) {
            // RWF_DSYNC, RWF_NOWAIT, an unknown one.
            entry.rw_flags = self.random.pick(&[2, 8, 8, 1 << 20]);
        }
        if self.random.chance(3) {
            entry.flags |= SqeFlags::BUFFER_SELECT;
            entry.buf_index = 3;
        }
        entry
    }

    fn poll(&mut self) -> Entry {
        if self.counts || !self.polls {
            return self.nop();
        }
        let mut entry = self.new_entry(Op::POLL_ADD);
        entry.slot = self.random.below(SLOTS as u64 + 1) as i32;
        entry.rw_flags = self.random.pick(&[1, 1, 4, 5, 0x2000, 0x2001]);
        if self.random.chance(30) {
            entry.len = PollFlags::ADD_MULTI.bits();
        }
        entry
    }

    fn a_past(&mut self) -> (u64, Op, i32) {
        let none = (4711, Op::READ, PIPE_READ);
        if self.past.is_empty() || self.random.chance(10) {
            return none;
        }
        let past = &self.past;
        // Rather a recent one.
        let back = self.random.below(past.len() as u64).min(self.random.below(past.len() as u64));
        past[past.len() - 1 - back as usize]
    }

    fn time(&mut self) -> Time {
        match self.random.below(20) {
            // One that is over at once is counted, on Linux, before it is told.
            0..3 if !self.counts => Time::Now,
            3..5 => Time::Short,
            5 => Time::Negative,
            _ => Time::Long,
        }
    }

    fn timeout(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::TIMEOUT);
        let time = self.time();
        entry.memory = Memory::Time(time);
        entry.len = 1;
        if self.counts && self.random.chance(60) {
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
        }
        entry.rw_flags = flags.bits();
        entry
    }

    fn link_timeout(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::LINK_TIMEOUT);
        // Not at once: whether it or an entry on a thread is first is open; nor as long as a time
        // that it limits.
        let mut time = self.random.pick(&[Time::Short, Time::Long, Time::Long, Time::Negative]);
        let limits_time = self.past.last().is_some_and(|(_, op, _)| *op == Op::TIMEOUT);
        let limits_file = self.past.last().is_some_and(|(_, _, slot)| (0..FILES).contains(slot));
        if (limits_time || limits_file) && time == Time::Short {
            time = Time::Long;
        }
        entry.memory = Memory::Time(time);
        entry.len = 1;
        entry
    }

    fn timeout_remove(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::TIMEOUT_REMOVE);
        let (user_data, ..) = self.a_past();
        entry.memory = Memory::Plain(user_data);
        if self.random.chance(50) {
            let mut time = self.time();
            if self.repeating.contains(&user_data) && time != Time::Negative {
                time = Time::Long;
            }
            entry.memory = Memory::TimeBehind(user_data, time);
            entry.rw_flags = TimeoutFlags::UPDATE.bits();
            if self.random.chance(30) {
                entry.rw_flags |= TimeoutFlags::LINK_TIMEOUT_UPDATE.bits();
            }
            if self.random.chance(20) && time != Time::Short {
                entry.rw_flags |= TimeoutFlags::ABS.bits();
            }
        }
        entry
    }

    fn poll_remove(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::POLL_REMOVE);
        let (user_data, ..) = self.a_past();
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
        entry
    }

    fn cancel(&mut self) -> Entry {
        // With a drain threads do it: it finds itself, or what is not begun.
        if self.drains || self.threads {
            return self.nop();
        }
        let mut entry = self.new_entry(Op::ASYNC_CANCEL);
        let (user_data, op, slot) = self.a_past();
        let mut flags = CancelFlags::empty();
        entry.memory = Memory::Plain(user_data);
        match self.random.below(10) {
            0..5 => {}
            5 => flags |= CancelFlags::MATCH_ALL,
            6 | 7 => {
                flags |= CancelFlags::FD;
                // Which one of several is left open.
                let several = self.past.iter().filter(|(_, _, other)| *other == slot).count() > 1;
                if several || self.random.chance(50) {
                    flags |= CancelFlags::MATCH_ALL;
                }
                entry.slot = slot;
            }
            8 => {
                flags |= CancelFlags::OP | CancelFlags::MATCH_ALL;
                entry.len = u32::from(op.0);
            }
            _ => flags |= CancelFlags::ANY,
        }
        if self.random.chance(10) {
            flags |= CancelFlags::USERDATA;
        }
        entry.rw_flags = flags.bits();
        entry
    }

    fn close(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::CLOSE);
        entry.slot = self.random.below(SLOTS as u64 + 1) as i32;
        entry
    }

    fn sync(&mut self) -> Entry {
        let Some(slot) = self.claim(&[0, 1, 2, 3], true) else { return self.nop() };
        let mut entry = self.new_entry(Op::FSYNC);
        entry.slot = slot;
        entry.rw_flags = self.random.pick(&[0, 1]);
        entry
    }

    /// An entry with something that is refused.
    fn bad(&mut self) -> Entry {
        let mut entry = self.entry();
        match self.random.below(6) {
            0 => entry.op = Op(70 + self.random.below(100) as u8),
            1 => entry.flags |= SqeFlags(0x80),
            2 => entry.ioprio = 0x7fff,
            3 => entry.buf_index = 9,
            4 => entry.personality = 77,
            _ => entry.splice_fd_in = 5,
        }
        entry
    }

    fn event(&mut self) -> Event {
        let ends = [
            PIPE_READ,
            PIPE_WRITE,
            SMALL_READ,
            SMALL_WRITE,
            SOCKET,
            SOCKET + 1,
            SOCKET + 2,
            SOCKET + 3,
        ];
        let slot = self.random.pick(&ends);
        let bytes = self.random.pick(&[1, 50, 64, 100, 4096]);
        match self.random.below(20) {
            0..12 => match slot {
                PIPE_READ | SMALL_READ => Event::Read { slot, bytes },
                PIPE_WRITE | SMALL_WRITE => Event::Write { slot, bytes },
                _ if self.random.chance(40) => Event::Read { slot, bytes },
                _ => Event::Write { slot, bytes },
            },
            12..18 => Event::Close { slot },
            _ => Event::ShutDown { slot: slot.max(SOCKET) },
        }
    }
}

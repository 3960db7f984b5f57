//! Connections, what is made for the table of files, and what becomes of it.

use annulus_emulate::abi::{
    AcceptFlags, FILE_INDEX_ALLOC, Op, OpenFlags, REGISTER_FILES_SKIP, SqeFlags,
};

use super::Generator;
use super::claims::{
    ACCEPTED, ACCEPTED_FAR, MADE_READ, MADE_SOCKET, MADE_WRITE, TABLE as TABLES, Thing, User, Way,
};
use crate::program::{Entry, Fd, INTERNET, LOCAL, Memory, PIPE_READ, SLOTS, SOCKET, TABLE};

impl Generator {
    /// A slot of the table as entries name it, mostly there, or that one is to be picked: and which
    /// it is.
    fn file_index(&mut self) -> (Fd, Option<u32>) {
        if self.random.chance(30) {
            return (Fd::Number(FILE_INDEX_ALLOC as i32), None);
        }
        let slot = self.random.below(u64::from(TABLE) + 1) as u32;
        (Fd::Number(slot as i32 + 1), Some(slot))
    }

    /// Uses the table, beside no thread that does.
    pub(super) fn claim_table(&mut self) -> bool {
        self.claim_slots(false)
    }

    /// Uses slots of the table. What does not begin a chain has it alone, since when it begins is
    /// open; so has what is accepted by a thread of the host, for a listener that waits.
    fn claim_slots(&mut self, accepts: bool) -> bool {
        let is_alone = !self.is_first || accepts && self.themes.waiting;
        let way = if is_alone { Way::Write } else { Way::Poll };
        let user = self.user();
        self.claims.claim(&[TABLES], way, accepts || self.waits, user)
    }

    /// An accept or a connect, or what goes with them.
    pub(super) fn connection(&mut self) -> Option<Entry> {
        let listener = match (self.themes.local, self.themes.internet) {
            (true, true) => self.random.pick(&[LOCAL, INTERNET]),
            (true, false) => LOCAL,
            _ => INTERNET,
        };
        match self.random.below(20) {
            0..9 => self.accept(listener),
            9..18 => self.connect(listener),
            18 => self.shutdown(),
            _ => Some(self.socket()),
        }
    }

    fn accept(&mut self, listener: Thing) -> Option<Entry> {
        let (fd, fixed, things) = self.name_file(listener);
        let asks = self.wants_thread();
        if asks && !self.uses_threads() || !self.may_name(fixed) {
            return None;
        }
        let mut entry = self.new_entry(Op::ACCEPT);
        (entry.fd, entry.flags) = (fd, fixed);
        // How far it came where there is little room, is for threads to say.
        let is_multishot = self.setting.cq_entries == 0 && self.may_repeat(30);
        if self.random.chance(30) {
            entry.memory = Memory::Peer;
        }
        let accepted = if listener == LOCAL { ACCEPTED } else { ACCEPTED_FAR };
        let mut slot = None;
        if self.themes.table && self.random.chance(70) && self.claim_slots(true) {
            (entry.splice_fd_in, slot) = self.file_index();
            if is_multishot && self.random.chance(95) {
                (entry.splice_fd_in, slot) = (Fd::Number(FILE_INDEX_ALLOC as i32), None);
            }
        }
        // Here a thread of the host accepts, and closes what finds no slot.
        let user = User { threaded: self.threaded || self.themes.waiting, ..self.user() };
        if !self.claims.claim(&things, Way::Read, true, user) {
            return None;
        }
        self.waits = true;
        if entry.splice_fd_in != Fd::Number(0) {
            self.put(slot, accepted);
        }
        // What is behind it begins when that thread has done with it.
        self.has_threads |= self.themes.waiting;
        self.threaded |= self.themes.waiting;
        if is_multishot {
            entry.ioprio |= AcceptFlags::MULTISHOT.bits();
            entry.memory = Memory::Plain(0);
        } else if asks {
            entry.flags |= SqeFlags::ASYNC;
        }
        if self.random.chance(10) {
            let is_direct = entry.splice_fd_in != Fd::Number(0);
            let first = !is_direct && self.random.chance(50);
            let more = if first { AcceptFlags::POLL_FIRST } else { AcceptFlags::DONTWAIT };
            entry.ioprio |= more.bits();
            self.has_threads |= first;
        }
        Some(entry)
    }

    fn connect(&mut self, listener: Thing) -> Option<Entry> {
        let thing = match self.random.below(12) {
            0 => SOCKET,
            1 => MADE_SOCKET,
            n => listener + 1 + (n % 2) as Thing,
        };
        let (fd, fixed, things) = self.name_file(thing);
        // In which order two connect is for their order to say.
        let whole = [things.as_slice(), &[listener]].concat();
        if !self.may_name(fixed) || !self.claim(&whole, Way::Write, true) {
            return None;
        }
        let mut entry = self.new_entry(Op::CONNECT);
        (entry.fd, entry.flags) = (fd, fixed);
        entry.memory = Memory::Address(listener);
        Some(entry)
    }

    fn shutdown(&mut self) -> Option<Entry> {
        if !self.uses_threads() {
            return None;
        }
        let slots = [SOCKET, SOCKET + 1, LOCAL + 1, INTERNET + 1, PIPE_READ];
        let thing = self.random.pick(&slots);
        let (fd, fixed, things) = self.name_file(thing);
        if !self.may_name(fixed)
            || !self.claim(&things, Way::Write, false)
            || !self.claim(&things, Way::Read, false)
        {
            return None;
        }
        let mut entry = self.new_entry(Op::SHUTDOWN);
        (entry.fd, entry.flags) = (fd, fixed);
        entry.len = self.random.pick(&[0, 1, 1, 2, 7]);
        Some(entry)
    }

    fn socket(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::SOCKET);
        let families = [libc::AF_UNIX, libc::AF_UNIX, libc::AF_UNIX, 77];
        entry.fd = Fd::Number(self.random.pick(&families));
        entry.off = libc::SOCK_STREAM as u64;
        if self.themes.table && self.random.chance(70) && self.claim_table() {
            let (index, slot) = self.file_index();
            entry.splice_fd_in = index;
            self.put(slot, MADE_SOCKET);
        }
        entry
    }

    /// What makes or changes a slot of the table.
    pub(super) fn change_table(&mut self) -> Option<Entry> {
        match self.random.below(20) {
            0..4 => self.claim_table().then(|| self.socket()),
            4..8 => self.pipe(),
            8..11 => self.open(),
            11..16 => self.files_update(),
            16..18 => self.close_slot(),
            _ => self.install(),
        }
    }

    fn pipe(&mut self) -> Option<Entry> {
        if !self.claim_table() {
            return None;
        }
        let mut entry = self.new_entry(Op::PIPE);
        entry.fd = Fd::Number(0);
        entry.memory = Memory::Buffer;
        let (index, slot) = self.file_index();
        entry.splice_fd_in = index;
        self.put(slot, MADE_READ);
        self.put(slot.map(|slot| slot + 1), MADE_WRITE);
        if self.random.chance(20) {
            entry.rw_flags = self.random.pick(&[OpenFlags::NONBLOCK, OpenFlags::CLOEXEC]).bits();
        }
        Some(entry)
    }

    /// A file is opened: threads may do that.
    fn open(&mut self) -> Option<Entry> {
        if !self.themes.files || !self.uses_threads() || !self.claim_table() {
            return None;
        }
        let file = self.random.below(2) as Thing;
        if !self.claim(&[file], Way::Read, false) {
            return None;
        }
        let reads_only = self.random.chance(40);
        let mode = if reads_only { OpenFlags::RDONLY } else { OpenFlags::RDWR };
        let mut entry = self.new_entry(Op::OPENAT);
        entry.fd = Fd::Slot(crate::program::DIRECTORY);
        entry.memory = Memory::Path(file);
        entry.rw_flags = mode.bits();
        if self.random.chance(10) {
            entry.memory = Memory::Path(SLOTS);
        }
        if self.random.chance(30) {
            entry.op = Op::OPENAT2;
            entry.memory = Memory::How { slot: file, flags: mode.bits().into() };
            (entry.len, entry.rw_flags) = (24, 0);
        }
        if self.random.chance(80) {
            let (index, slot) = self.file_index();
            entry.splice_fd_in = index;
            self.put(slot, file);
        }
        Some(entry)
    }

    fn files_update(&mut self) -> Option<Entry> {
        if !self.claim_table() {
            return None;
        }
        let (random, themes) = (&mut self.random, self.themes);
        let count = 1 + random.below(3) as u32;
        let files: Vec<Fd> = (0..count)
            .map(|_| match random.below(20) {
                0 => Fd::Number(REGISTER_FILES_SKIP),
                1 => Fd::Slot(SLOTS),
                _ => Self::file_for(random, themes),
            })
            .collect();
        let mut entry = self.new_entry(Op::FILES_UPDATE);
        entry.len = count;
        entry.fd = Fd::Number(0);
        let first = if self.random.chance(25) {
            entry.off = FILE_INDEX_ALLOC.into();
            None
        } else {
            let first = self.random.below(u64::from(TABLE)) as u32;
            entry.off = first.into();
            Some(first)
        };
        for (n, fd) in (0..).zip(&files) {
            if let Some(thing) = fd.slot().filter(|slot| *slot < SLOTS) {
                self.put(first.map(|first| first + n), thing);
            }
        }
        entry.memory = Memory::Descriptors(files);
        Some(entry)
    }

    fn close_slot(&mut self) -> Option<Entry> {
        if !self.claim_table() {
            return None;
        }
        let mut entry = self.new_entry(Op::CLOSE);
        entry.fd = Fd::Number(0);
        entry.splice_fd_in = self.file_index().0;
        Some(entry)
    }

    fn install(&mut self) -> Option<Entry> {
        if !self.claim_table() {
            return None;
        }
        let mut entry = self.new_entry(Op::FIXED_FD_INSTALL);
        entry.fd = Fd::Number(self.random.below(u64::from(TABLE) + 1) as i32);
        entry.flags = SqeFlags::FIXED_FILE;
        if self.random.chance(5) {
            entry.flags = SqeFlags::empty();
        }
        Some(entry)
    }

    /// A number of the process is closed.
    pub(super) fn close(&mut self) -> Option<Entry> {
        if self.themes.table && self.random.chance(30) {
            return self.close_slot();
        }
        let slot = self.random.pick(&[4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, SLOTS]);
        // Whether who connects meanwhile is reset is open.
        let is_far = (INTERNET..SLOTS).contains(&slot);
        let user = User { threaded: true, ..self.user() };
        if !self.may_look() || is_far && !self.claims.claim(&[slot], Way::Write, false, user) {
            return None;
        }
        if self.claims.tells_polls(slot) {
            return None;
        }
        self.looks();
        let mut entry = self.new_entry(Op::CLOSE);
        entry.fd = Fd::Slot(slot);
        Some(entry)
    }
}

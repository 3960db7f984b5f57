//! Reads and writes, of all kinds.

use annulus_emulate::abi::{Op, PollFlags, RecvSendFlags, SqeFlags};

use super::Generator;
use super::claims::{ACCEPTED, FIXED, GROUPS, MADE_READ, MADE_SOCKET, MADE_WRITE};
use super::claims::{Thing, Way};
use crate::program::{
    BUFFERS, COUNTER, DATAGRAM, DIRECTORY, Entry, FILES, FIXED_BYTES, Fd, GROUP_BYTES, INTERNET,
    LOCAL, Memory, PIECEWISE, PIPE_READ, PIPE_WRITE, PROVIDED, RING, SLOTS, SMALL_READ,
    SMALL_WRITE, SOCKET,
};

const MSG_PEEK: u32 = 2;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_WAITALL: u32 = 0x100;
const MESSAGE_FLAGS: [u32; 8] = [0, 0, 0, 0, 0, MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL];
/// `RWF_DSYNC`, `RWF_NOWAIT`, an unknown one.
const TRANSFER_FLAGS: [u32; 5] = [2, 8, 8, 8, 1 << 20];

impl Generator {
    /// What can be read or written, as often as it is to be.
    fn movable(&mut self, way: Way) -> Option<Thing> {
        let themes = self.themes;
        let reads = way == Way::Read;
        let mut things: Vec<Thing> = Vec::new();
        if themes.files {
            things.extend(0..FILES);
        }
        if themes.pipes {
            let ends = if reads { [PIPE_READ, SMALL_READ] } else { [PIPE_WRITE, SMALL_WRITE] };
            things.extend(ends.repeat(2));
            things.push(COUNTER);
        }
        if themes.sockets {
            things.extend(SOCKET..DATAGRAM);
        }
        if themes.datagrams {
            things.extend(DATAGRAM..COUNTER);
        }
        if themes.local {
            things.extend(LOCAL + 1..INTERNET);
        }
        if themes.internet {
            things.extend(INTERNET + 1..DIRECTORY);
        }
        // What was made is there where it may be only.
        let ends = if reads { MADE_READ..MADE_WRITE } else { MADE_WRITE..ACCEPTED };
        let mut made: Vec<Thing> = self.table.iter().flatten().copied().collect();
        made.retain(|thing| {
            *thing >= MADE_SOCKET
                && (ends.contains(thing) || !(MADE_READ..ACCEPTED).contains(thing))
        });
        things.extend(made);
        if things.is_empty() { None } else { Some(self.random.pick(&things)) }
    }

    pub(super) fn read(&mut self) -> Option<Entry> {
        let thing = self.movable(Way::Read)?;
        self.transfer(thing, Way::Read)
    }

    pub(super) fn write(&mut self) -> Option<Entry> {
        let thing = self.movable(Way::Write)?;
        self.transfer(thing, Way::Write)
    }

    fn transfer(&mut self, thing: Thing, way: Way) -> Option<Entry> {
        let is_async = self.wants_thread();
        let (fd, fixed, things) = self.name_file(thing);
        let by_thread = |thing: &Thing| *thing < FILES || *thing == COUNTER && way == Way::Write;
        if (is_async || things.iter().any(by_thread)) && !self.uses_threads() {
            return None;
        }
        let mut entry = self.new_entry(Op::READ);
        (entry.fd, entry.flags) = (fd, fixed);
        if is_async {
            entry.flags |= SqeFlags::ASYNC;
        }
        self.shape(&mut entry, thing, way);
        let waits = self.may_wait(&entry, &things, way);
        let in_table = entry.has(SqeFlags::FIXED_FILE);
        if let Memory::Fixed(index, _) | Memory::FixedPieces(index, _) = entry.memory {
            // What is read into it is there for who writes it.
            let uses = if way == Way::Read { Way::Write } else { Way::Poll };
            let (lasts, user) = (waits || self.waits, self.user());
            if !self.claims.claim(&[FIXED + Thing::from(index)], uses, lasts, user) {
                return None;
            }
        }
        if in_table && !self.claim_table() || !self.claim(&things, way, waits) {
            return None;
        }
        // When it is its turn is open, and how much room there is then.
        let first = RecvSendFlags(entry.ioprio).contains(RecvSendFlags::POLL_FIRST);
        let is_certain = self.setting.cq_entries == 0;
        if first
            && !is_plain(entry.op)
            && !(is_certain && self.claims.is_alone(&things, self.chain))
        {
            entry.ioprio &= !RecvSendFlags::POLL_FIRST.bits();
        } else if first {
            self.has_threads = true;
        }
        if entry.has(SqeFlags::BUFFER_SELECT) && !self.claim_group(entry.buf_index, waits) {
            entry.flags = entry.flags.difference(SqeFlags::BUFFER_SELECT);
        }
        if self.random.chance(2) {
            entry.fd = Fd::Slot(SLOTS);
        }
        Some(entry)
    }

    /// Whether it may have to wait for what others do.
    fn may_wait(&mut self, entry: &Entry, things: &[Thing], way: Way) -> bool {
        let is_message = !is_plain(entry.op);
        let never =
            if is_message { entry.rw_flags & MSG_DONTWAIT > 0 } else { entry.rw_flags & 8 > 0 };
        let waits = |thing: &Thing| match (*thing, way) {
            (0..FILES, _) => false,
            (_, Way::Read) => true,
            (thing @ 0..SLOTS, _) => {
                let written = &mut self.written[thing as usize];
                *written += entry.len.max(40 * 3);
                match thing {
                    SMALL_WRITE => *written > 4096,
                    PIPE_WRITE => *written > 65536,
                    SOCKET..DATAGRAM => *written > 50_000,
                    _ => true,
                }
            }
            _ => true,
        };
        let any = things.iter().map(waits).fold(false, |any, waits| any | waits);
        any && !never
    }

    /// What the operation is, and what it moves.
    fn shape(&mut self, entry: &mut Entry, thing: Thing, way: Way) {
        let reads = way == Way::Read;
        let sockets = [SOCKET..COUNTER, LOCAL..DIRECTORY, MADE_SOCKET..MADE_READ];
        let is_socket = thing >= ACCEPTED || sockets.iter().any(|some| some.contains(&thing));
        let both = |read: Op, write: Op| if reads { read } else { write };
        let pieces = both(Op::READV, Op::WRITEV);
        let message = both(Op::RECV, Op::SEND);
        let header = both(Op::RECVMSG, Op::SENDMSG);
        let fixed = both(Op::READ_FIXED, Op::WRITE_FIXED);
        let fixed_pieces = both(Op::READV_FIXED, Op::WRITEV_FIXED);
        let message_weight = if is_socket { 40 } else { 2 };
        let fixed_weight = if self.themes.fixed { 25 } else { 0 };
        entry.op = self.random.weighted(&[
            (40, both(Op::READ, Op::WRITE)),
            (15, pieces),
            (message_weight, message),
            (message_weight / 4, header),
            (fixed_weight, fixed),
            (fixed_weight / 3, fixed_pieces),
        ]);
        entry.memory = Memory::Buffer;
        entry.len = self.random.pick(&[0, 1, 7, 8, 64, 64, 100, 512, 4096, 6000]);
        let count = 1 + self.random.below(3) as u32;
        if entry.op == pieces {
            (entry.memory, entry.len) = (Memory::Pieces(count), count);
        } else if entry.op == header {
            let named = reads && self.random.chance(40);
            (entry.memory, entry.len) = (Memory::Message { pieces: count, named }, 1);
        } else if entry.op == fixed || entry.op == fixed_pieces {
            self.shape_fixed(entry, entry.op == fixed_pieces, count);
        }
        if is_plain(entry.op) {
            let offsets: &[u64] = match thing {
                0..FILES => &[0, 0, 10, 200, 300, 5000, u64::MAX],
                _ => &[0, 0, u64::MAX],
            };
            entry.off = self.random.pick(offsets);
            if self.random.chance(8) {
                entry.rw_flags = self.random.pick(&TRANSFER_FLAGS);
            }
        } else {
            entry.rw_flags = self.random.pick(&MESSAGE_FLAGS);
            if self.random.chance(6) {
                entry.ioprio |= RecvSendFlags::POLL_FIRST.bits();
            }
        }
        if self.themes.groups && self.random.chance(45) {
            self.shape_selecting(entry, reads);
        } else if self.random.chance(2) {
            entry.flags |= SqeFlags::BUFFER_SELECT;
            entry.buf_index = 9;
        }
    }

    /// Of a registered buffer, mostly inside.
    fn shape_fixed(&mut self, entry: &mut Entry, in_pieces: bool, count: u32) {
        entry.buf_index = self.random.below(u64::from(BUFFERS) + 1) as u16;
        let index = if self.random.chance(90) { entry.buf_index } else { 0 };
        let room = FIXED_BYTES.get(usize::from(index)).copied().unwrap_or(0);
        if in_pieces {
            (entry.memory, entry.len) = (Memory::FixedPieces(index, count), count);
            return;
        }
        let at = self.random.pick(&[0, 0, 100, 599]);
        entry.memory = Memory::Fixed(index, at);
        if self.random.chance(90) {
            entry.len = entry.len.min(room.saturating_sub(at));
        }
    }

    /// With a buffer of a group; many times, or several at once.
    fn shape_selecting(&mut self, entry: &mut Entry, reads: bool) {
        let multishot = match entry.op {
            Op::READ => 30,
            Op::RECV | Op::RECVMSG => 40,
            _ => 0,
        };
        let selects = [Op::READ, Op::READV, Op::RECV, Op::RECVMSG, Op::SEND].contains(&entry.op);
        if !selects {
            return;
        }
        entry.flags |= SqeFlags::BUFFER_SELECT;
        entry.buf_index = self.random.pick(&[PROVIDED, RING, RING, PIECEWISE, PIECEWISE]);
        if self.random.chance(3) {
            entry.buf_index = 9;
        }
        match &mut entry.memory {
            Memory::Pieces(count) | Memory::Message { pieces: count, .. } => {
                *count = 1;
                entry.len = 1;
            }
            _ => {
                entry.memory = Memory::Plain(0);
                entry.len = self.random.pick(&[0, 0, 10, 64, 100, 200, 500]);
            }
        }
        // A bundle that is sent tells several times, as multishots do.
        let may_send = matches!(self.setting.cq_entries, 0 | 2);
        let is_bundle = matches!(entry.op, Op::RECV | Op::SEND)
            && self.random.chance(30)
            && (entry.op == Op::RECV || may_send);
        if is_bundle {
            entry.rw_flags &= !MSG_PEEK;
            entry.ioprio |= RecvSendFlags::BUNDLE.bits();
            if entry.op == Op::RECV && entry.buf_index != RING {
                // Behind a part of it Linux receives over what it has (see `compare`).
                entry.rw_flags &= !MSG_WAITALL;
            }
        }
        if reads && self.may_repeat(multishot) {
            entry.flags = entry.flags.difference(SqeFlags::ASYNC);
            if entry.op == Op::READ {
                entry.op = Op::READ_MULTISHOT;
                (entry.len, entry.memory) = (0, Memory::Plain(0));
            } else {
                entry.ioprio |= RecvSendFlags::RECV_MULTISHOT.bits();
                entry.rw_flags &= !(MSG_WAITALL | MSG_PEEK);
                let limits = entry.op == Op::RECV && self.random.chance(25);
                if limits {
                    entry.splice_fd_in = Fd::Number(self.random.pick(&[10, 100, 300]));
                }
                if entry.op == Op::RECV && self.random.chance(60) {
                    entry.len = 0;
                }
            }
        }
        if is_bundle && entry.op == Op::RECV && entry.len == 0 {
            // How many buffers it takes ahead without a length is open.
            entry.len = GROUP_BYTES + 72;
        }
    }

    /// Whether the group that an entry picks from is its chain's alone, where it must be: several
    /// that begin chains may pick, each when it begins. Of several that wait, whose file is ready
    /// first is for the times and threads to say that make it so.
    pub(super) fn claim_group(&mut self, group: u16, waits: bool) -> bool {
        let way = if self.is_first && !waits { Way::Poll } else { Way::Write };
        let user = self.user();
        self.claims.claim(&[GROUPS + Thing::from(group)], way, waits || self.waits, user)
    }

    /// A poll.
    pub(super) fn poll(&mut self) -> Option<Entry> {
        let way = if self.random.chance(60) { Way::Read } else { Way::Write };
        let thing = match self.movable(way)? {
            thing if self.themes.local && self.random.chance(20) => {
                if thing < SLOTS {
                    LOCAL
                } else {
                    thing
                }
            }
            thing => thing,
        };
        if !self.may_look() {
            return None;
        }
        let (fd, fixed, things) = self.name_file(thing);
        if !self.claim(&things, Way::Poll, true) {
            return None;
        }
        self.looks();
        let mut entry = self.new_entry(Op::POLL_ADD);
        (entry.fd, entry.flags) = (fd, fixed);
        entry.rw_flags = self.random.pick(&[1, 1, 4, 5, 0x2000, 0x2001]);
        if self.setting.cq_entries == 0 && self.random.chance(30) {
            entry.len = PollFlags::ADD_MULTI.bits();
        }
        if self.random.chance(3) {
            entry.fd = Fd::Slot(SLOTS);
        }
        Some(entry)
    }
}

/// Whether it is a read or write, and not of a socket alone.
fn is_plain(op: Op) -> bool {
    ![Op::RECV, Op::SEND, Op::RECVMSG, Op::SENDMSG].contains(&op)
}

//! Entries as the kernels take them: what their addresses are in this world.

use std::os::fd::RawFd;

use annulus_emulate::abi::{OpenHow, ResolveFlags, Sqe};

use super::World;
use super::memory::{fixed_at, group_at, place_at};
use super::open::path_of;
use crate::program::{Entry, GROUP_BYTES, INTERNET, Memory, PROVIDED};

/// Where the parts of a message are within an entry's own buffer.
const HEADER: usize = 4096;
const VECTOR: usize = HEADER + 64;
const NAME: usize = HEADER + 512;
/// How long an address may be.
const NAME_BYTES: u32 = 16;
/// Where the length of a peer's address is.
const LENGTH: usize = 256;
/// Where it is said how a file is opened.
const HOW: usize = 512;

impl World {
    /// The entry as the kernel takes it. `ring` is the ring's own descriptor.
    pub fn sqe(&mut self, entry: &Entry, ring: RawFd) -> Sqe {
        let mut sqe = Sqe {
            opcode: entry.op,
            flags: entry.flags,
            ioprio: entry.ioprio,
            fd: self.number(entry.fd, ring),
            off: entry.off,
            len: entry.len,
            rw_flags: entry.rw_flags,
            user_data: entry.user_data,
            buf_index: entry.buf_index,
            personality: entry.personality,
            splice_fd_in: self.number(entry.splice_fd_in, ring),
            addr3: entry.addr3,
            ..Sqe::default()
        };
        let place = place_at(entry.place);
        match &entry.memory {
            Memory::Plain(addr) => sqe.addr = *addr,
            Memory::Buffer => sqe.addr = self.memory.address(place),
            Memory::Pieces(count) => sqe.addr = self.memory.vector(place, *count),
            Memory::Fixed(index, at) => {
                sqe.addr = self.memory.address(fixed_at(*index) + *at as usize);
            }
            Memory::FixedPieces(index, count) => {
                sqe.addr = self.memory.vector(fixed_at(*index), *count);
            }
            Memory::Group => {
                let skipped = entry.off as usize % 16 * GROUP_BYTES as usize;
                sqe.addr = self.memory.address(group_at(PROVIDED) + skipped);
            }
            Memory::Time(time) => sqe.addr = self.memory.time(*time),
            Memory::TimeBehind(addr, time) => {
                (sqe.addr, sqe.off) = (*addr, self.memory.time(*time));
            }
            Memory::Message { pieces, named } => {
                sqe.addr = self.message(place, *pieces, *named);
            }
            other => self.name_something(other, place, &mut sqe, ring),
        }
        sqe
    }

    /// Files, addresses and paths.
    fn name_something(&mut self, memory: &Memory, place: usize, sqe: &mut Sqe, ring: RawFd) {
        sqe.addr = self.memory.address(place);
        match memory {
            Memory::Peer => {
                sqe.off = self.memory.address(place + LENGTH);
                self.memory.write(place + LENGTH, &NAME_BYTES.to_le_bytes());
                // The port of who connects.
                self.memory.hide(place + 2, 2);
            }
            Memory::Address(slot) => {
                let address = self.listens_at(*slot).to_vec();
                sqe.off = address.len() as u64;
                self.memory.write_hidden(place, &address);
                debug_assert!(*slot < INTERNET || address.len() == 16);
            }
            Memory::Path(slot) => self.memory.write(place, &path_of(*slot)),
            Memory::How { slot, flags } => {
                self.memory.write(place, &path_of(*slot));
                let how = OpenHow { flags: *flags, mode: 0, resolve: ResolveFlags::empty() };
                let words = [how.flags, how.mode, how.resolve.bits()];
                self.memory.write(place + HOW, &words.map(u64::to_le_bytes).concat());
                sqe.off = self.memory.address(place + HOW);
            }
            Memory::Descriptors(files) => {
                for (n, fd) in files.iter().enumerate() {
                    let number = self.number(*fd, ring);
                    self.memory.write_number(place + n * 4, number);
                }
            }
            _ => unreachable!("the others were looked at before"),
        }
    }

    /// A message's header in an entry's own buffer: its address.
    fn message(&mut self, place: usize, pieces: u32, named: bool) -> u64 {
        let mut header = [0_u64; 7];
        if named {
            header[0] = self.memory.address(place + NAME);
            header[1] = u64::from(NAME_BYTES);
            self.memory.hide(place + NAME + 2, 2);
        }
        header[2] = self.memory.address(place + VECTOR);
        header[3] = u64::from(pieces);
        self.memory.write(place + HEADER, &header.map(u64::to_le_bytes).concat());
        self.memory.hide(place + HEADER, 8);
        self.memory.hide(place + HEADER + 16, 8);
        self.memory.vector_at(place + VECTOR, place, pieces);
        self.memory.address(place + HEADER)
    }
}

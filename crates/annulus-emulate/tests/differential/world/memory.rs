//! The memory of a world: what entries point to. It stays where it is from one program to the next:
//! an old request that is late finds it.

use std::sync::atomic::{AtomicU16, Ordering};

use annulus_emulate::abi::{Buf, Iovec, Timespec};

use crate::program::{
    BUFFER_BYTES, BUFFERS, FIXED_BYTES, GROUP_BYTES, GROUP_ENTRIES, PIECEWISE, PROVIDED, RING,
    SHORT_MS, SOON_MS, Time,
};

const PAGE_BYTES: usize = 4096;
const PLACE_PAGES: usize = BUFFER_BYTES as usize / PAGE_BYTES;
/// The most entries of a program.
pub const PLACES_MAX: usize = 256;

/// Pages in front of the entries' own: registered buffers, groups, and the rings of two of those.
const FIXED: usize = 0;
const GROUPS: usize = FIXED + BUFFERS as usize;
const RINGS: usize = GROUPS + 3;
const PLACES: usize = RINGS + 2;

/// Where the tail of a ring of buffers is.
const TAIL_AT: usize = 14;

#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES]);

/// What is not the same in both worlds, or is no result: not compared.
#[derive(Clone, Copy, Debug)]
enum Special {
    /// Addresses.
    Hidden { at: usize, bytes: usize },
    /// A descriptor, as it was written there.
    Number { at: usize, number: i32 },
}

/// See above.
pub struct Memory {
    pages: Box<[Page]>,
    places: usize,
    /// The times and pieces that entries of a step point to: gone with it.
    times: Vec<Timespec>,
    pieces: Vec<Iovec>,
    special: Vec<Special>,
    /// The tails of the rings of buffers, and what the next buffers are called.
    tails: [u16; 2],
}

impl Memory {
    pub fn new() -> Self {
        let pages = (0..PLACES + PLACES_MAX * PLACE_PAGES).map(|_| Page([0; PAGE_BYTES]));
        Self {
            pages: pages.collect(),
            places: 0,
            times: Vec::new(),
            pieces: Vec::new(),
            special: Vec::new(),
            tails: [0; 2],
        }
    }

    fn start(&mut self) -> *mut u8 {
        self.pages.as_mut_ptr().cast()
    }

    /// Writes bytes that this world alone has now.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.pages.len() * PAGE_BYTES, "inside");
        let to = self.start().wrapping_add(at);
        // SAFETY: inside of the pages, which live as long as this; the kernels write there only
        // while entries are under way that say so, and then nobody reads what this writes.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn read(&self, at: usize, bytes: usize) -> Vec<u8> {
        assert!(at + bytes <= self.pages.len() * PAGE_BYTES, "inside");
        let from: *const u8 = self.pages.as_ptr().cast();
        // SAFETY: inside of the pages; nothing is under way when all is compared.
        unsafe { core::slice::from_raw_parts(from.wrapping_add(at), bytes) }.to_vec()
    }

    /// Everything as at the beginning, for so many entries.
    pub fn reset(&mut self, places: usize) {
        assert!(places <= PLACES_MAX, "{places} entries");
        self.places = places;
        self.special.clear();
        self.tails = [0; 2];
        let mut pattern = [0_u8; BUFFER_BYTES as usize];
        for place in 0..places {
            for (n, byte) in pattern.iter_mut().enumerate() {
                *byte = (place.wrapping_mul(31) + n.wrapping_mul(7)) as u8;
            }
            self.write(place_at(place), &pattern);
        }
        for page in 0..PLACES {
            let byte = if page < RINGS { 0x80 + page as u8 } else { 0 };
            self.write(page * PAGE_BYTES, &[byte; PAGE_BYTES]);
        }
    }

    /// Begins a step of so many entries.
    pub fn begin_step(&mut self, entries: usize) {
        self.times.clear();
        self.times.reserve(entries);
        self.pieces.clear();
        self.pieces.reserve(entries * 4);
    }

    /// The address of a byte.
    pub fn address(&mut self, at: usize) -> u64 {
        self.start().wrapping_add(at).expose_provenance() as u64
    }

    pub fn time(&mut self, time: Time) -> u64 {
        let (tv_sec, tv_nsec) = match time {
            Time::Now => (0, 1),
            Time::Short => (0, SHORT_MS as i64 * 1_000_000),
            Time::Soon => (0, SOON_MS as i64 * 1_000_000),
            Time::Long => (1 << 33, 0),
            Time::Negative => (-1, 0),
        };
        assert!(self.times.len() < self.times.capacity(), "times stay where they are");
        self.times.push(Timespec { tv_sec, tv_nsec });
        let last = self.times.last().expect("just pushed");
        core::ptr::from_ref(last).expose_provenance() as u64
    }

    /// Pieces of 40 bytes, 100 apart, from a byte on: where they are said to be.
    pub fn vector(&mut self, at: usize, count: u32) -> u64 {
        let begin = self.pieces.len();
        let pieces = pieces(self.start().wrapping_add(at), count);
        self.pieces.extend(pieces);
        assert!(self.pieces.len() <= self.pieces.capacity(), "pieces stay where they are");
        self.pieces[begin..].as_ptr().expose_provenance() as u64
    }

    /// As [`vector`](Self::vector), kept in the entry's own buffer.
    pub fn vector_at(&mut self, to: usize, at: usize, count: u32) {
        for (n, piece) in pieces(self.start().wrapping_add(at), count).enumerate() {
            let at = to + n * size_of::<Iovec>();
            let base = piece.iov_base.expose_provenance() as u64;
            self.write_hidden(at, &base.to_le_bytes());
            self.write(at + 8, &piece.iov_len.to_le_bytes());
        }
    }

    /// Writes what is not compared.
    pub fn write_hidden(&mut self, at: usize, bytes: &[u8]) {
        self.write(at, bytes);
        self.special.push(Special::Hidden { at, bytes: bytes.len() });
    }

    pub fn hide(&mut self, at: usize, bytes: usize) {
        self.special.push(Special::Hidden { at, bytes });
    }

    /// Writes a descriptor, which has another number in the other world.
    pub fn write_number(&mut self, at: usize, number: i32) {
        self.write(at, &number.to_le_bytes());
        self.special.push(Special::Number { at, number });
    }

    /// The memory of a ring of buffers.
    pub fn ring_address(&mut self, group: u16) -> u64 {
        self.address(ring_at(group))
    }

    /// Puts a buffer into a ring.
    pub fn refill(&mut self, group: u16) {
        let ring = usize::from(group - RING);
        let tail = self.tails[ring];
        let id = tail % GROUP_ENTRIES as u16;
        let buffer = group_at(group) + usize::from(id) * GROUP_BYTES as usize;
        let addr = self.address(buffer);
        let slot = ring_at(group) + usize::from(id) * size_of::<Buf>();
        self.write_hidden(slot, &addr.to_le_bytes());
        self.write(slot + 8, &GROUP_BYTES.to_le_bytes());
        self.write(slot + 12, &id.to_le_bytes());
        self.set_tail(group, tail.wrapping_add(1));
    }

    /// How many buffers were put into a ring.
    pub fn tail(&self, group: u16) -> u16 {
        self.tails[usize::from(group - RING)]
    }

    /// A ring begins anew.
    pub fn empty_ring(&mut self, group: u16) {
        self.set_tail(group, 0);
    }

    fn set_tail(&mut self, group: u16, tail: u16) {
        self.tails[usize::from(group - RING)] = tail;
        let at = ring_at(group) + TAIL_AT;
        let word = self.start().wrapping_add(at).cast::<u16>();
        // SAFETY: inside of the pages, at an even address; both sides touch it as an atomic.
        let word = unsafe { AtomicU16::from_ptr(word) };
        // Release: pairs with the kernel's acquire of the tail: the buffer was written before.
        word.store(tail, Ordering::Release);
    }

    /// What is there at the end, without what is not compared.
    pub fn parts(&mut self) -> Vec<(String, Vec<u8>)> {
        for special in core::mem::take(&mut self.special) {
            match special {
                Special::Hidden { at, bytes } => self.write(at, &vec![0; bytes]),
                Special::Number { at, number } => {
                    if self.read(at, 4) == number.to_le_bytes() {
                        self.write(at, b"same");
                    }
                }
            }
        }
        let names = ["registered 0", "registered 1", "registered 2", "provided", "ring"];
        let names = names.into_iter().chain(["piecewise", "entries of ring"]);
        let names = names.chain(["entries of piecewise"]);
        let part = |(page, name): (usize, &str)| {
            (format!("the buffers: {name}"), self.read(page * PAGE_BYTES, PAGE_BYTES))
        };
        let mut parts: Vec<_> = names.enumerate().map(part).collect();
        for place in 0..self.places {
            let buffer = self.read(place_at(place), BUFFER_BYTES as usize);
            parts.push((format!("the buffer of entry {}", place + 1), buffer));
        }
        parts
    }
}

/// Where an entry's own buffer is.
pub fn place_at(place: usize) -> usize {
    (PLACES + place * PLACE_PAGES) * PAGE_BYTES
}

/// Where a registered buffer is.
pub fn fixed_at(index: u16) -> usize {
    (FIXED + usize::from(index.min(BUFFERS - 1))) * PAGE_BYTES
}

/// How long it is: the last is empty.
pub fn fixed_bytes(index: u16) -> u32 {
    FIXED_BYTES[usize::from(index)]
}

/// Where the buffers of a group are.
pub fn group_at(group: u16) -> usize {
    (GROUPS + usize::from(group - PROVIDED)) * PAGE_BYTES
}

fn ring_at(group: u16) -> usize {
    debug_assert!(matches!(group, RING | PIECEWISE), "a ring");
    (RINGS + usize::from(group - RING)) * PAGE_BYTES
}

fn pieces(base: *mut u8, count: u32) -> impl Iterator<Item = Iovec> {
    let piece = move |n| Iovec { iov_base: base.wrapping_add(n * 100).cast(), iov_len: 40 };
    (0..count as usize).map(piece)
}

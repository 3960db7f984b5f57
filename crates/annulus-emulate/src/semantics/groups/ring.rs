//! A ring of buffers: entries that the program fills up to a tail, and this side takes at the head.

use std::os::fd::{AsFd, OwnedFd};

use annulus_ring::Errno;
use annulus_ring::abi::{Buf, BufReg, BufRing, PbufRingFlags};
use annulus_ring::kernel::Mapping;

use crate::uaccess::Uaccess;
use crate::world::Span;

/// The most buffers of a bundle (`PEEK_MAX_IMPORT`).
const BUNDLE_MAX: usize = 256;

/// Memory that was given for a ring, instead of the program's own.
#[derive(Debug)]
struct Given {
    memory: OwnedFd,
    mapping: Mapping,
}

/// See above.
#[derive(Debug)]
pub(in crate::semantics) struct RingGroup {
    /// Where the entries are.
    addr: u64,
    given: Option<Given>,
    entries: u16,
    head: u16,
    /// Buffers are used up piece by piece.
    incremental: bool,
}

/// What a bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bundle {
    Sent,
    Received,
    ReceivedByThread,
}

/// Buffers for a bundle.
#[derive(Debug)]
pub(super) struct Many {
    /// Where they are.
    pub(super) spans: Vec<Span>,
    /// The first's number.
    pub(super) first: u16,
    /// How many Linux has gone past: not the one with which the length is reached.
    pub(super) passed: u16,
    /// The length ends inside of a buffer, of those that are used up whole.
    pub(super) is_cut: bool,
}

/// The buffers of a bundle.
#[derive(Debug, Default)]
struct Taken {
    spans: Vec<Span>,
    /// How many may be taken at once.
    most: usize,
    /// The buffer that comes next, counted from the head, and how much of it is in use.
    begun: u16,
    used: usize,
    /// How many Linux has gone past.
    passed: u16,
    /// One that is used up whole is too long for what is left.
    is_cut: bool,
}

impl Taken {
    /// Takes a piece of the next buffer, and maybe the last of it.
    fn add(&mut self, span: Span, is_last: bool) {
        self.used += span.bytes;
        if is_last {
            (self.begun, self.used) = (self.begun + 1, 0);
            self.passed = self.begun;
        }
        self.spans.push(span);
    }
}

/// What a ring's memory takes: whole pages.
pub(super) fn ring_bytes(entries: u32) -> usize {
    (entries as usize * size_of::<Buf>()).next_multiple_of(4096)
}

impl RingGroup {
    /// A ring in the program's memory, or in `memory` that is given for it.
    pub(super) fn new(reg: &BufReg, memory: Option<OwnedFd>) -> Result<Self, Errno> {
        let given = match memory {
            Some(memory) => {
                let mapping = Mapping::of_fd(memory.as_fd(), 0, ring_bytes(reg.ring_entries))?;
                Some(Given { memory, mapping })
            }
            None => None,
        };
        let start = given.as_ref().map(|given| given.mapping.start());
        let addr = start.map_or(reg.ring_addr, |start| start.as_ptr().expose_provenance() as u64);
        let incremental = reg.flags.contains(PbufRingFlags::INC);
        Ok(Self { addr, given, entries: reg.ring_entries as u16, head: 0, incremental })
    }

    pub(super) fn head(&self) -> u16 {
        self.head
    }

    /// The memory that was given, mapped once more.
    ///
    /// # Errors
    /// `EINVAL`: the memory is the program's own, or shorter. Else as `mmap(2)`.
    pub(in crate::semantics) fn map(&self, bytes: usize) -> Result<Mapping, Errno> {
        let given = self.given.as_ref().ok_or(Errno::EINVAL)?;
        if bytes > given.mapping.bytes() {
            return Err(Errno::EINVAL);
        }
        Mapping::of_fd(given.memory.as_fd(), 0, bytes)
    }

    /// Where the entry is that `at` buffers were taken before.
    fn slot(&self, at: u16) -> u64 {
        let slot = at & (self.entries - 1);
        self.addr + u64::from(slot) * size_of::<Buf>() as u64
    }

    /// How many buffers there are.
    pub(super) fn available(&self, user: Uaccess) -> u16 {
        let tail = user.tail(self.addr + core::mem::offset_of!(BufRing, tail) as u64);
        tail.unwrap_or(self.head).wrapping_sub(self.head)
    }

    /// The next buffer, at most `len` of it where that is not 0: where, and its number.
    pub(super) fn peek(&self, user: Uaccess, len: u32) -> Result<(Span, u16), Errno> {
        if self.available(user) == 0 {
            return Err(Errno::ENOBUFS);
        }
        let Buf { addr, len: has, bid, .. } = user.read(self.slot(self.head))?;
        let bytes = if len == 0 { has } else { len.min(has) };
        Ok((Span { addr, bytes: bytes as usize }, bid))
    }

    /// The next buffers, for `len` bytes. Of those that are used up whole only the first is cut to
    /// the length. For a length of 0 these are all, or to receive one; and as many more as what has
    /// been `queued` behind that fills. A thread takes one each time.
    pub(super) fn peek_many(
        &self,
        user: Uaccess,
        len: u32,
        queued: Option<u32>,
        how: Bundle,
    ) -> Result<Many, Errno> {
        let (first_span, first) = self.peek(user, 0)?;
        let most = if how == Bundle::ReceivedByThread { 1 } else { BUNDLE_MAX };
        let mut taken = Taken { most, ..Taken::default() };
        if len == 0 && how != Bundle::Sent {
            taken.add(first_span, true);
        } else {
            self.append(user, if len == 0 { u32::MAX } else { len }, &mut taken)?;
        }
        let bytes: usize = taken.spans.iter().map(|span| span.bytes).sum();
        let behind = queued.map_or(0, |queued| queued.saturating_sub(bytes as u32));
        // A last byte might be the end of the stream: Linux does not go on for it.
        if !taken.is_cut && behind > 1 {
            self.append(user, behind, &mut taken)?;
        }
        let Taken { spans, passed, is_cut, .. } = taken;
        if spans.is_empty() {
            Err(Errno::ENOBUFS)
        } else {
            Ok(Many { spans, first, passed, is_cut })
        }
    }

    /// Appends buffers for `left` bytes.
    fn append(&self, user: Uaccess, mut left: u32, taken: &mut Taken) -> Result<(), Errno> {
        let before = taken.spans.len();
        let available = self.available(user).min(self.entries);
        taken.passed = taken.begun;
        while taken.begun < available && taken.spans.len() < before + taken.most {
            let Buf { addr, len, .. } =
                user.read(self.slot(self.head.wrapping_add(taken.begun)))?;
            let rest = Span { addr, bytes: len as usize }.after(taken.used);
            let bytes = rest.bytes.min(left as usize);
            if bytes == 0 {
                break;
            }
            let is_part = bytes < rest.bytes;
            taken.is_cut = is_part && !self.incremental && taken.most > 1;
            if taken.is_cut && taken.spans.len() > before {
                break;
            }
            // A thread has the whole of such a buffer, whatever it wants of it.
            let is_whole = !self.incremental && taken.most == 1;
            taken.add(Span { bytes, ..rest }, !is_part || is_whole);
            left -= bytes as u32;
            if left == 0 {
                taken.passed -= u16::from(!is_part);
                break;
            }
        }
        Ok(())
    }

    /// Uses up `bytes` in `buffers` buffers. Whether the last of those is used up.
    pub(super) fn commit(&mut self, user: Uaccess, bytes: u32, buffers: u16) -> bool {
        if !self.incremental {
            self.head = self.head.wrapping_add(buffers);
            return true;
        }
        let mut left = bytes;
        loop {
            let slot = self.slot(self.head);
            let Ok(buf) = user.read::<Buf>(slot) else { return true };
            let used = left.min(buf.len);
            // The rest of the entry may be the tail: it is not this side's.
            let told = user
                .write(slot + core::mem::offset_of!(Buf, len) as u64, buf.len - used)
                .and_then(|()| user.write(slot, buf.addr.wrapping_add(used.into())));
            debug_assert!(told.is_ok(), "{told:?}");
            if used == 0 || used < buf.len {
                return false;
            }
            self.head = self.head.wrapping_add(1);
            left -= used;
            if left == 0 {
                return true;
            }
        }
    }
}

//! What the tests of operations share: entries in, completions out, always within a limit of time;
//! file tables and rings of buffers.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::mem::offset_of;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use annulus_ring::abi::{
    Buf, BufGroup, BufReg, BufRing, Cqe, CqeFlags, Iovec, RegisterOp, RsrcRegister,
    RsrcRegisterFlags, RsrcUpdate, Sqe,
};
use annulus_ring::kernel::Kernel;
use annulus_ring::{CqeKind, Errno, LocalRing, Place, RingOf, SqeKind, Wait};

/// How long completions are waited for that must come.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long one watches that none comes.
const WATCH: Duration = Duration::from_millis(20);

pub fn ring() -> LocalRing {
    LocalRing::new(32).expect("a ring of 32 entries")
}

/// Queues an entry; [`wait`] submits it.
pub fn push<P: Place, S: SqeKind, C: CqeKind, K: Kernel>(
    ring: &mut RingOf<P, S, C, K>,
    entry: impl Into<S>,
) {
    // SAFETY: each test keeps what its entries point to until it has taken their completions, and
    // names no address that is not its own, or none at all.
    unsafe { ring.push(entry) }.expect("room in the queue");
}

/// Submits, and takes completions until there are `count`.
#[track_caller]
pub fn wait<P: Place, S: SqeKind, C: CqeKind<Item: std::fmt::Debug>, K: Kernel>(
    ring: &mut RingOf<P, S, C, K>,
    count: usize,
) -> Vec<C::Item> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken = Vec::new();
    loop {
        let missing = count.saturating_sub(taken.len()) as u32;
        let limit = Wait::new().timeout(deadline.saturating_duration_since(Instant::now()));
        match ring.submit_and_wait_with(missing, &limit) {
            Ok(_) => {}
            Err(e) if e.is_timeout() => panic!("{count} completions wanted, there are {taken:?}"),
            Err(e) => panic!("{e}"),
        }
        taken.extend(ring.completions().expect("a queue to read"));
        if taken.len() >= count {
            assert_eq!(taken.len(), count, "more completions than wanted: {taken:?}");
            return taken;
        }
        assert!(Instant::now() < deadline, "{count} completions wanted, there are {taken:?}");
    }
}

/// Submits, and takes what is there, one completion at least.
#[track_caller]
pub fn some<P: Place, K: Kernel>(ring: &mut RingOf<P, Sqe, Cqe, K>) -> Vec<Cqe> {
    ring.submit_and_wait_with(1, &Wait::new().timeout(PATIENCE)).expect("a completion");
    ring.completions().expect("a queue to read").collect()
}

/// Submits, and takes completions until one says that it is its entry's last.
#[track_caller]
pub fn until_last<P: Place, K: Kernel>(ring: &mut RingOf<P, Sqe, Cqe, K>) -> Vec<Cqe> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken = Vec::new();
    while taken.last().is_none_or(Cqe::has_more) {
        let limit = Wait::new().timeout(deadline.saturating_duration_since(Instant::now()));
        if let Err(e) = ring.submit_and_wait_with(1, &limit) {
            panic!("{e}; there are {taken:?}");
        }
        taken.extend(ring.completions().expect("a queue to read"));
    }
    taken
}

/// Submits, and sees that nothing completes.
#[track_caller]
pub fn silent<P: Place, S: SqeKind, C: CqeKind<Item: std::fmt::Debug>, K: Kernel>(
    ring: &mut RingOf<P, S, C, K>,
) {
    ring.submit().expect("submitted");
    match ring.submit_and_wait_with(1, &Wait::new().timeout(WATCH)) {
        Err(e) if e.is_timeout() => {}
        other => {
            let taken: Vec<_> = ring.completions().expect("a queue to read").collect();
            panic!("silence wanted: {other:?}, {taken:?}");
        }
    }
}

/// Submits one entry and takes its one completion.
#[track_caller]
pub fn run<P: Place, K: Kernel>(ring: &mut RingOf<P, Sqe, Cqe, K>, entry: impl Into<Sqe>) -> Cqe {
    push(ring, entry);
    wait(ring, 1)[0]
}

/// The result of one entry that completes once.
#[track_caller]
pub fn result<P: Place, K: Kernel>(
    ring: &mut RingOf<P, Sqe, Cqe, K>,
    entry: impl Into<Sqe>,
) -> Result<u32, Errno> {
    let cqe = run(ring, entry);
    assert!(!cqe.has_more(), "{cqe:?}");
    cqe.result()
}

/// Submits entries and takes one completion of each, in the order of their `user_data`.
#[track_caller]
pub fn run_all<P: Place, K: Kernel>(
    ring: &mut RingOf<P, Sqe, Cqe, K>,
    entries: &[Sqe],
) -> Vec<Cqe> {
    for entry in entries {
        push(ring, *entry);
    }
    let mut taken = wait(ring, entries.len());
    taken.sort_by_key(|cqe| cqe.user_data);
    taken
}

/// The one completion with this `user_data`.
#[track_caller]
pub fn of(cqes: &[Cqe], user_data: u64) -> Cqe {
    let found: Vec<_> = cqes.iter().filter(|cqe| cqe.user_data == user_data).collect();
    assert_eq!(found.len(), 1, "one completion of {user_data} wanted: {cqes:?}");
    *found[0]
}

pub fn has(cqe: &Cqe, flags: CqeFlags) -> bool {
    cqe.flags.contains(flags)
}

fn register<P: Place, S: SqeKind, C: CqeKind, K: Kernel, T>(
    ring: &RingOf<P, S, C, K>,
    op: RegisterOp,
    arg: &T,
    count: u32,
) {
    let arg = ptr::from_ref(arg).cast_mut().cast();
    // SAFETY: the argument is what the callers below name it by, and the kernel only reads it.
    unsafe { ring.register().raw(op, arg, count) }.expect("registered");
}

/// Gives the ring an empty file table of `count` slots.
pub fn file_table<P: Place, S: SqeKind, C: CqeKind, K: Kernel>(
    ring: &RingOf<P, S, C, K>,
    count: u32,
) {
    let flags = RsrcRegisterFlags::SPARSE;
    let table = RsrcRegister { nr: count, flags, ..RsrcRegister::default() };
    register(ring, RegisterOp::FILES2, &table, size_of::<RsrcRegister>() as u32);
}

/// Puts a descriptor into a slot of the file table.
pub fn set_file<P: Place, K: Kernel>(
    ring: &RingOf<P, Sqe, Cqe, K>,
    slot: u32,
    file: &impl AsRawFd,
) {
    let fd: RawFd = file.as_raw_fd();
    let data = ptr::from_ref(&fd).expose_provenance() as u64;
    let update = RsrcUpdate { offset: slot, data, ..RsrcUpdate::default() };
    register(ring, RegisterOp::FILES_UPDATE, &update, 1);
}

/// Registers one buffer.
pub fn fix_buffer<P: Place, K: Kernel>(ring: &RingOf<P, Sqe, Cqe, K>, buffer: &[u8]) {
    let iov_base = buffer.as_ptr().cast_mut().cast();
    let iovec = Iovec { iov_base, iov_len: buffer.len() };
    register(ring, RegisterOp::BUFFERS, &iovec, 1);
}

/// Shows the leak checker that the memory at `address` is never freed on purpose.
pub fn keep(address: usize) {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    KEPT.lock().expect("no test panics in here").push(address);
}

#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// A ring of buffers, each of the same length, in order: buffer `n` is piece `n` of the memory.
///
/// Its memory is never freed: the kernel may hold a buffer a moment longer than the ring lives.
pub struct Group {
    page: *mut Page,
    memory: *mut [u8],
    len: usize,
    entries: u16,
    tail: u16,
}

impl Group {
    /// A group of `count` buffers (a power of two) of `len` bytes, all of them to be had.
    pub fn new<P: Place, S: SqeKind, C: CqeKind, K: Kernel>(
        ring: &RingOf<P, S, C, K>,
        bgid: BufGroup,
        count: u16,
        len: usize,
    ) -> Self {
        let page = Box::into_raw(Box::new(Page([0; 4096])));
        let memory = Box::into_raw(vec![0_u8; len * usize::from(count)].into_boxed_slice());
        keep(page.addr());
        keep(memory.addr());
        let ring_addr = page.expose_provenance() as u64;
        let ring_entries = u32::from(count);
        let reg = BufReg { ring_addr, ring_entries, bgid, ..BufReg::default() };
        register(ring, RegisterOp::PBUF_RING, &reg, 1);
        let mut group = Self { page, memory, len, entries: count, tail: 0 };
        (0..count).for_each(|id| group.give(id));
        group
    }

    /// Gives buffer `id` to the kernel (again).
    pub fn give(&mut self, id: u16) {
        let at = usize::from(self.tail % self.entries);
        let addr =
            (self.memory.cast::<u8>().expose_provenance() + usize::from(id) * self.len) as u64;
        let slot = self.page.cast::<Buf>().wrapping_add(at);
        // The last field is left alone: in the first entry it is the tail.
        let len = slot.wrapping_byte_add(offset_of!(Buf, len)).cast::<u32>();
        let bid = slot.wrapping_byte_add(offset_of!(Buf, bid)).cast::<u16>();
        // SAFETY: the page has room for as many entries as there are, and the kernel reads this one
        // after the tail says so.
        unsafe { slot.cast::<u64>().write_volatile(addr) };
        // SAFETY: as above.
        unsafe { len.write_volatile(self.len as u32) };
        // SAFETY: as above.
        unsafe { bid.write_volatile(id) };
        self.tail = self.tail.wrapping_add(1);
        let tail = self.page.wrapping_byte_add(offset_of!(BufRing, tail)).cast::<u16>();
        // SAFETY: the tail lies within the page, is aligned, and is written here alone, as an
        // atomic.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // Pairs with the kernel's acquire load of the tail: the entry is written before.
        tail.store(self.tail, Ordering::Release);
    }

    /// Writes to buffer `id`, for sending.
    pub fn fill(&mut self, id: u16, bytes: &[u8]) {
        let at = usize::from(id) * self.len;
        // SAFETY: no operation has this buffer while the test calls this, and the memory is ours.
        let memory = unsafe { &mut *self.memory };
        memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// What lies from buffer `id` on, `len` bytes: buffers that follow each other are joined.
    pub fn bytes(&self, id: u16, len: u32) -> &[u8] {
        let at = usize::from(id) * self.len;
        // SAFETY: the completion that names the buffer gave it back, and the memory is ours.
        let memory = unsafe { &*self.memory };
        &memory[at..at + len as usize]
    }

    /// What a completion says it brought.
    #[track_caller]
    pub fn received(&self, cqe: &Cqe) -> &[u8] {
        self.bytes(cqe.buffer_id().expect("a buffer"), cqe.result().expect("a length"))
    }
}

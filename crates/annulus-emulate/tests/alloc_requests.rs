//! What the host kernel allocates: nothing for a NOP, a read, a write, or what waits for a socket,
//! once there were as many of them as there are.

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use annulus_emulate::abi::{BufIndex, FixedFd, Iovec, PollEvents, Sqe};
use annulus_emulate::{Builder, KernelChoice, Ring, op};

/// The system's allocator, counted by thread: those of the test harness allocate as well.
struct Counted;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // It has no destructor, so it is there to the thread's end.
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

const BATCH: usize = 16;

/// Submits sixteen of an entry, and waits for all.
fn batch(ring: &mut Ring, sqe: Sqe, expected: i32) {
    for _ in 0..BATCH {
        // SAFETY: the buffer lives to the end of the test, and the file is open.
        unsafe { ring.push(sqe) }.expect("room");
    }
    ring.submit_and_wait(BATCH as u32).expect("they complete");
    let mut count = 0;
    for cqe in ring.completions().expect("a ring") {
        assert_eq!(cqe.res, expected);
        count += 1;
    }
    assert_eq!(count, BATCH);
}

/// Whether a write to the pipe may be told to write what there is room for and not to wait.
fn can_be_told_not_to_wait(writer: &std::io::PipeWriter) -> bool {
    let piece = &[std::io::IoSlice::new(&[7])];
    rustix::io::pwritev2(writer, piece, u64::MAX, rustix::io::ReadWriteFlags::NOWAIT).is_ok()
}

#[test]
fn alloc_nothing_for_plain_requests() {
    // A pipe takes what is written at once; a file system may want a thread for it.
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let path = std::env::temp_dir().join(format!("annulus-alloc-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(&path).expect("a file");
    std::fs::remove_file(&path).expect("it is there");
    file.set_len(4096).expect("a block");
    let mut block = vec![7_u8; 4096];
    let (at, bytes) = (block.as_mut_ptr(), block.len() as u32);
    let mut ring = Builder::new().entries(64).kernel(KernelChoice::Host).build().expect("a ring");
    let table: [RawFd; 1] = [file.as_raw_fd()];
    ring.register().files(&table).expect("a table");
    let iovec = Iovec { iov_base: at.cast(), iov_len: bytes as usize };
    // SAFETY: the block lives longer than the ring.
    unsafe { ring.register().buffers(&[iovec]) }.expect("a table");
    let (fd, slot, buffer) = (file.as_raw_fd(), FixedFd(0), BufIndex(0));
    let kinds = [
        ("write", op::Write::new(writer.as_raw_fd(), at, 64).build(), 64),
        ("nop", op::Nop::new().build(), 0),
        ("read", op::Read::new(fd, at, bytes).offset(0).build(), bytes as i32),
        ("read by slot", op::Read::new(slot, at, bytes).offset(0).build(), bytes as i32),
        (
            "read to a registered buffer",
            op::ReadFixed::new(slot, at, bytes, buffer).offset(0).build(),
            bytes as i32,
        ),
    ];
    for (name, sqe, expected) in kinds {
        if name == "write" && !can_be_told_not_to_wait(&writer) {
            // A thread writes, and it is told by a list.
            harness::skip("alloc_nothing_for_plain_requests: a pipe", "not before Linux 6.4");
            continue;
        }
        // The first ones make room.
        batch(&mut ring, sqe, expected);
        let before = ALLOCATIONS.get();
        for _ in 0..8 {
            batch(&mut ring, sqe, expected);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{name}");
    }
}

/// Submits what waits and what ends its wait, and waits for all of it.
fn exchange(ring: &mut Ring, entries: &[(Sqe, i32)]) {
    for (n, (sqe, _)) in (0..).zip(entries) {
        // SAFETY: the buffer lives to the end of the test, and the files are open.
        unsafe { ring.push(sqe.user_data(n)) }.expect("room");
    }
    ring.submit_and_wait(entries.len() as u32).expect("they complete");
    let mut count = 0;
    for cqe in ring.completions().expect("a ring") {
        assert_eq!(cqe.res, entries[cqe.user_data as usize].1);
        count += 1;
    }
    assert_eq!(count, entries.len());
}

#[test]
fn alloc_nothing_for_what_waits_for_a_socket() {
    const READABLE: PollEvents = PollEvents::IN;
    let (left, right) = UnixStream::pair().expect("a pair");
    let mut ring = Builder::new().entries(64).kernel(KernelChoice::Host).build().expect("a ring");
    ring.register().files(&[left.as_raw_fd(), right.as_raw_fd()]).expect("a table");
    let mut block = vec![7_u8; 4096];
    let at = block.as_mut_ptr();
    let (here, there) = (FixedFd(0), FixedFd(1));
    let receive = op::Recv::new(there, at, 4096).build();
    let send = op::Send::new(here, at, 64).build();
    let poll = op::PollAdd::new(there, READABLE).build();
    let kinds: [(&str, &[(Sqe, i32)]); 2] = [
        ("receive", &[(receive, 64), (send, 64)]),
        ("poll, then receive", &[(poll, READABLE.bits() as i32), (receive, 64), (send, 64)]),
    ];
    for (name, entries) in kinds {
        for _ in 0..4 {
            exchange(&mut ring, entries);
        }
        let before = ALLOCATIONS.get();
        for _ in 0..16 {
            exchange(&mut ring, entries);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{name}");
    }
}

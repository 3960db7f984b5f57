//! Lengths beyond what one operation moves, and queues too short for what lies in them.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use annulus_emulate::abi::{Iovec, MsgFlags, Op, Sqe};
use annulus_emulate::{Builder, Errno, KernelChoice};

use super::{LIMIT, address, push, ring};
use crate::harness::{limit, slower};

/// `MAX_RW_COUNT`.
const MOVED_BYTES_MAX: i32 = 0x7fff_f000;

/// Reads all there is, and says how much it was.
fn count(mut stream: UnixStream) -> u64 {
    let mut bytes = vec![0; 1 << 20];
    let mut count = 0;
    loop {
        match stream.read(&mut bytes).expect("it comes") {
            0 => return count,
            more => count += more as u64,
        }
    }
}

/// A send of 3 GiB that is to send all: the result would not fit, were it not cut as on Linux.
#[test]
fn a_result_never_overflows() {
    const PIECE_BYTES: usize = 1 << 30;
    // It moves 2 GiB.
    limit(if slower() > 1 { 4 * LIMIT } else { LIMIT }, || {
        let (here, there) = UnixStream::pair().expect("a pair");
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let anywhere = core::ptr::null_mut();
        // SAFETY: a new mapping, which nobody else knows. Only read, it is one page of zeros.
        let zeros = unsafe { libc::mmap(anywhere, PIECE_BYTES, libc::PROT_READ, flags, -1, 0) };
        let pieces = [Iovec { iov_base: zeros, iov_len: PIECE_BYTES }; 3];
        let header = [0, 0, address(&raw const pieces), 3, 0, 0, 0];
        let reader = std::thread::spawn(move || count(there));
        let mut ring = ring();
        let send = Sqe {
            opcode: Op::SENDMSG,
            fd: here.as_raw_fd(),
            addr: address(&raw const header),
            len: 1,
            rw_flags: MsgFlags::WAITALL.bits(),
            ..Sqe::default()
        };
        push(&mut ring, send);
        ring.submit_and_wait(1).expect("it is sent");
        let told: Vec<i32> = ring.completions().expect("a ring").map(|cqe| cqe.res).collect();
        assert_eq!(told, [MOVED_BYTES_MAX]);
        drop((ring, here));
        assert_eq!(reader.join().expect("it reads"), MOVED_BYTES_MAX as u64);
        // SAFETY: the mapping made above, which nobody uses any more.
        unsafe { libc::munmap(zeros, PIECE_BYTES) };
    });
}

/// A completion of two slots would never find room: Linux makes no such ring.
#[test]
fn a_queue_too_short_for_a_long_completion() {
    let made = |entries| {
        let builder = Builder::new().entries(1).cq_entries(entries).cqe_mixed();
        builder.kernel(KernelChoice::Host).build()
    };
    assert_eq!(made(1).expect_err("too short").errno(), Some(Errno::EOVERFLOW));
    assert_eq!(made(2).expect("just long enough").cq_entries(), 2);
}

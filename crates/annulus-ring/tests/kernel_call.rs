//! `Kernel::call`: entries done at once, past the ring, where that cannot block.

mod common;
#[path = "common/files.rs"]
mod files;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{FixedFd, Op, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::{Errno, LocalRing, Ring, op};

use common::{LIMIT, limit};
use files::TempDir;

/// Does `sqe` by the kernel of a ring.
///
/// # Safety
/// - As [`Kernel::call`].
unsafe fn call(sqe: Sqe) -> Result<u32, Errno> {
    let ring = Ring::new(8).unwrap();
    // SAFETY: the caller's promise.
    unsafe { ring.kernel().call(&sqe) }
}

#[test]
fn a_read_of_cached_bytes_is_done_at_once() {
    let dir = TempDir::new();
    let file = dir.file("data", b"0123456789");
    let mut buffer = [0_u8; 4];
    let read = op::Read::new(&file, buffer.as_mut_ptr(), 4).offset(3).build();
    // SAFETY: the buffer and the file outlive the call.
    assert_eq!(unsafe { call(read) }, Ok(4));
    assert_eq!(&buffer, b"3456");
    let read = op::Read::new(&file, buffer.as_mut_ptr(), 4).offset(100).build();
    // SAFETY: as above.
    assert_eq!(unsafe { call(read) }, Ok(0), "behind the end");
    let read = op::Read::new(&file, buffer.as_mut_ptr(), 4).build();
    // SAFETY: as above.
    assert_eq!(unsafe { call(read) }, Ok(4), "without an offset it is the file's position");
    assert_eq!(&buffer, b"0123");
}

#[test]
fn what_would_wait_says_so_and_waits_for_nothing() {
    limit(LIMIT, || {
        let (mut here, there) = UnixStream::pair().unwrap();
        let mut buffer = [0_u8; 4];
        let receive = op::Recv::new(&there, buffer.as_mut_ptr(), 4).build();
        // SAFETY: the buffer and the socket outlive the call.
        assert_eq!(unsafe { call(receive) }, Err(Errno::EAGAIN));
        here.write_all(b"abc").unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { call(receive) }, Ok(3));
        assert_eq!(&buffer[..3], b"abc");
        let send = op::Send::new(&there, b"xyz".as_ptr(), 3).build();
        // SAFETY: as above.
        assert_eq!(unsafe { call(send) }, Ok(3));
        let mut got = [0_u8; 3];
        here.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"xyz");
        drop(here);
        // SAFETY: as above. No SIGPIPE ends this process: the call forbids it, as the ring does.
        assert_eq!(unsafe { call(send) }, Err(Errno::EPIPE));
    });
}

#[test]
fn what_only_the_ring_can_do_is_left_to_it() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let mut byte = 0_u8;
    let read = op::Read::new(&file, &raw mut byte, 1).build();
    let slot = op::Read::new(FixedFd(0), &raw mut byte, 1).build();
    let odd = [read.link(), read.drain(), read.force_async(), slot, read.ioprio(1)];
    for sqe in odd {
        // SAFETY: the buffer and the file outlive the call.
        assert_eq!(unsafe { call(sqe) }, Err(Errno::EAGAIN), "{sqe:?}");
    }
    let unknown = Sqe { opcode: Op(255), ..Sqe::default() };
    // SAFETY: an operation that nobody knows points to nothing.
    assert_eq!(unsafe { call(unknown) }, Err(Errno::EAGAIN));
    // SAFETY: a NOP points to nothing.
    assert_eq!(unsafe { call(op::Nop::new().build()) }, Ok(0));
}

#[test]
fn errors_are_the_operations_own() {
    let mut byte = 0_u8;
    let read = op::Read::new(-1, &raw mut byte, 1).build();
    // SAFETY: the buffer outlives the call; no descriptor is −1.
    assert_eq!(unsafe { call(read) }, Err(Errno::EBADF));
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let read = op::Read::new(&zero, std::ptr::null_mut(), 1).offset(0).build();
    // SAFETY: the kernel refuses the null pointer (and /dev/zero may first refuse not to wait).
    let answer = unsafe { call(read) };
    assert!(matches!(answer, Err(Errno::EFAULT | Errno::EAGAIN)), "{answer:?}");
}

#[test]
fn time_goes_on() {
    let ring = LocalRing::new(8).unwrap();
    let before = ring.kernel().now();
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(ring.kernel().now() > before);
}

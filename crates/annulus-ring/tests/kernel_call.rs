//! `Kernel::call`: entries done at once, past the ring, where that cannot block.

mod common;
#[path = "common/files.rs"]
mod files;

use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{
    self, AtFlags, Fadvice, FixedFd, Iovec, Op, OpenFlags, PollEvents, Sqe, StatxMask, private,
};
use annulus_ring::kernel::{Descriptors, Kernel};
use annulus_ring::{Errno, Fd, LocalRing, Ring, op};
use rustix::io::ReadWriteFlags;

use common::{LIMIT, limit, skip};
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

/// Whether a read of a pipe can be told to take what is there and not to wait.
fn pipes_may_be_told_not_to_wait() -> bool {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut byte = [0];
    let piece = &mut [IoSliceMut::new(&mut byte)];
    let called = rustix::io::preadv2(&reader, piece, u64::MAX, ReadWriteFlags::NOWAIT);
    called == Err(rustix::io::Errno::AGAIN)
}

#[test]
fn several_buffers_are_gone_through_in_order() {
    let dir = TempDir::new();
    let file = dir.file("data", b"0123456789");
    let (mut one, mut two) = ([0_u8; 3], [0_u8; 16]);
    let iovecs = [
        Iovec { iov_base: one.as_mut_ptr().cast(), iov_len: 3 },
        Iovec { iov_base: two.as_mut_ptr().cast(), iov_len: 16 },
    ];
    let read = op::Readv::new(&file, iovecs.as_ptr(), 2).offset(1).build();
    // SAFETY: buffers, list and file outlive the call.
    assert_eq!(unsafe { call(read) }, Ok(9));
    assert_eq!((&one, &two[..6]), (b"123", &b"456789"[..]));
    let none = op::Readv::new(&file, iovecs.as_ptr(), 0).offset(1).build();
    // SAFETY: no piece.
    assert_eq!(unsafe { call(none) }, Ok(0));
    let many = op::Readv::new(&file, iovecs.as_ptr(), 1025).offset(0).build();
    // SAFETY: the kernel refuses the count before it looks at the list.
    assert_eq!(unsafe { call(many) }, Err(Errno::EINVAL));
    let (reader, writer) = std::io::pipe().unwrap();
    let write = op::Writev::new(&writer, iovecs.as_ptr(), 2).build();
    if !pipes_may_be_told_not_to_wait() {
        // SAFETY: as above.
        assert_eq!(unsafe { call(write) }, Err(Errno::EAGAIN), "it is left to the ring");
        return skip("several_buffers_are_gone_through_in_order: a pipe", "not before Linux 6.4");
    }
    // SAFETY: as above.
    assert_eq!(unsafe { call(write) }, Ok(19));
    let read = op::Readv::new(&reader, iovecs.as_ptr(), 1);
    // SAFETY: as above.
    assert_eq!(unsafe { call(read.build()) }, Ok(3));
    // SAFETY: as above.
    let answer = unsafe { call(read.offset(0).build()) };
    assert_eq!(answer, Err(Errno::EAGAIN), "the ring ignores a pipe's offset, the call does not");
}

#[test]
fn protection_and_streams_are_left_to_the_ring() {
    // A call does not wait: what it reads is to be in the cache.
    assert!(!std::fs::read("Cargo.toml").unwrap().is_empty());
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let (mut byte, pi) = (0_u8, abi::AttrPi::default());
    let read = op::Read::new(&file, &raw mut byte, 1).offset(0);
    // SAFETY: the buffer and the file outlive the call.
    assert_eq!(unsafe { call(read.build()) }, Ok(1));
    // SAFETY: as above; the description too.
    assert_eq!(unsafe { call(read.protection(&pi).build()) }, Err(Errno::EAGAIN));
    let null = std::fs::File::options().write(true).open("/dev/null").unwrap();
    let write = op::Write::new(&null, &raw const byte, 1).write_stream(1);
    // SAFETY: as above.
    assert_eq!(unsafe { call(write.build()) }, Err(Errno::EAGAIN));
}

#[test]
fn attributes_of_what_is_open_are_at_hand() {
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let mut found = abi::Statx::default();
    let ask = |path: &'static core::ffi::CStr, flags, found: *mut abi::Statx| {
        let at = op::At::from(&file);
        let statx = op::Statx::new(at, path.as_ptr(), found).mask(StatxMask::SIZE).flags(flags);
        // SAFETY: path, result and file outlive the call.
        unsafe { call(statx.build()) }
    };
    let cached = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    assert_eq!(ask(c"", cached, &mut found), Ok(0));
    assert_eq!(found.stx_size, file.metadata().unwrap().len());
    assert_eq!(ask(c"", AtFlags::EMPTY_PATH, &mut found), Err(Errno::EAGAIN), "a server's");
    assert_eq!(ask(c"x", cached, &mut found), Err(Errno::EAGAIN), "a walk may wait");
    let bad = op::Statx::new(op::At::from(-1), c"".as_ptr(), &mut found).flags(cached).build();
    // SAFETY: as above.
    assert_eq!(unsafe { call(bad) }, Err(Errno::EBADF));
}

#[test]
fn advice_that_is_only_noted_is_done_at_once() {
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let advise = |file: op::Target, advice, bytes| {
        // SAFETY: it points to nothing.
        unsafe { call(op::Fadvise::new(file, advice).range(0, bytes).build()) }
    };
    for advice in [Fadvice::NORMAL, Fadvice::RANDOM, Fadvice::SEQUENTIAL] {
        assert_eq!(advise((&file).into(), advice, 1 << 40), Ok(0));
    }
    for advice in [Fadvice::WILLNEED, Fadvice::DONTNEED, Fadvice::NOREUSE, Fadvice(99)] {
        assert_eq!(advise((&file).into(), advice, 0), Err(Errno::EAGAIN), "{advice:?}");
    }
    assert_eq!(advise((&pipe).into(), Fadvice::NORMAL, 0), Err(Errno::ESPIPE));
    assert_eq!(advise((-1).into(), Fadvice::NORMAL, 0), Err(Errno::EBADF));
}

#[test]
fn readiness_is_told_and_not_waited_for() {
    limit(LIMIT, || {
        let (mut here, there) = UnixStream::pair().unwrap();
        // SAFETY: it points to nothing.
        let poll = |events| unsafe { call(op::PollAdd::new(&there, events).build()) };
        assert_eq!(poll(PollEvents::IN), Err(Errno::EAGAIN));
        assert_eq!(poll(PollEvents::OUT), Ok(PollEvents::OUT.bits()));
        here.write_all(b"x").unwrap();
        assert_eq!(poll(PollEvents::IN), Ok(PollEvents::IN.bits()));
        drop(here);
        let ready = PollEvents(poll(PollEvents::empty()).unwrap());
        assert_eq!(ready, PollEvents::HUP, "unasked");
        let multishot = op::PollAdd::new(&there, PollEvents::IN).multishot().build();
        // SAFETY: as above.
        assert_eq!(unsafe { call(multishot) }, Err(Errno::EAGAIN), "more than one answer");
        let edge = op::PollAdd::new(&there, PollEvents::IN | PollEvents::ET).build();
        // SAFETY: as above.
        assert_eq!(unsafe { call(edge) }, Err(Errno::EAGAIN), "an edge");
        for bad in [-1, 1_000_000] {
            // SAFETY: as above.
            let answer = unsafe { call(op::PollAdd::new(bad, PollEvents::IN).build()) };
            assert_eq!(answer, Err(Errno::EBADF));
        }
    });
}

#[test]
fn private_operations_that_cannot_block_are_done_at_once() {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    let (socket, _there) = UnixStream::pair().unwrap();
    let (mut addr, mut len, mut position) = ([0_u8; 128], 128, 7);
    let name = private::getsockname(socket.as_raw_fd(), addr.as_mut_ptr().cast(), &mut len);
    // SAFETY: the address and its length outlive the call.
    assert_eq!((unsafe { call(name) }, len), (Ok(0), 2));
    let own = private::pidfd_open(std::process::id() as i32, abi::OpenFlags::empty());
    // SAFETY: it points to nothing.
    let own = unsafe { call(own) }.unwrap();
    // SAFETY: the call made it, and it is nobody else's.
    drop(unsafe { OwnedFd::from_raw_fd(own as i32) });
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let mut seek = |whence| {
        let seek = private::lseek(file.as_raw_fd(), 5, whence, &mut position);
        // SAFETY: the position outlives the call.
        (unsafe { call(seek) }, position)
    };
    assert_eq!(seek(private::SeekWhence::SET), (Ok(0), 5));
    assert_eq!(seek(private::SeekWhence::CUR), (Ok(0), 10));
    assert_eq!(seek(private::SeekWhence::DATA).0, Err(Errno::EAGAIN), "a disk may be asked");
    let waits = private::flock(file.as_raw_fd(), private::FlockOperation::SH);
    // SAFETY: it points to nothing.
    assert_eq!(unsafe { call(waits) }, Err(Errno::EAGAIN));
    let list = private::getdents64(file.as_raw_fd(), addr.as_mut_ptr(), 128);
    // SAFETY: the buffer outlives the call.
    assert_eq!(unsafe { call(list) }, Err(Errno::EAGAIN));
    let pair = private::socketpair(2, 1, 0, &mut [0; 2]);
    // SAFETY: nothing is written, since there are no such pairs.
    assert_eq!(unsafe { call(pair) }, Err(Errno::EOPNOTSUPP), "an answer, and not another way");
}

#[test]
fn sockets_are_made_named_set_and_ended_at_once() {
    use annulus_ring::abi::{AddressFamily, ShutdownHow, SockAddr, SockFlags, SocketType};
    // SAFETY: it points to nothing.
    let made = unsafe {
        let tcp = op::Socket::new(AddressFamily::INET, SocketType::STREAM, 0);
        call(tcp.flags(SockFlags::CLOEXEC).build())
    };
    // SAFETY: a new descriptor, and the only use of its number.
    let socket: Fd = unsafe { Fd::from_raw(made.unwrap() as i32, annulus_ring::kernel::Process) };
    let fd = socket.raw();
    let any = SockAddr::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let mut name = SockAddr::empty();
    let (addr, len) = name.as_mut_ptrs();
    let (on, mut is_on) = (1_i32, 0_i32);
    let set = op::SetSockOpt::new(fd, 6, 1, (&raw const on).cast(), 4).build();
    let get = private::getsockopt(fd, 6, 1, (&raw mut is_on).cast(), 4);
    let bind = op::Bind::new(fd, any.as_ptr(), any.len_bytes()).build();
    let entries = [
        (set, Ok(0)),
        (get, Ok(4)),
        (bind, Ok(0)),
        (bind, Err(Errno::EINVAL)),
        (op::Listen::new(fd, 8).build(), Ok(0)),
        (private::getsockname(fd, addr, len), Ok(0)),
        (private::getpeername(fd, addr, len), Err(Errno::ENOTCONN)),
        (op::Shutdown::new(fd, ShutdownHow::RDWR).build(), Ok(0)),
        (op::Shutdown::new(-1, ShutdownHow::RDWR).build(), Err(Errno::EBADF)),
        (op::SocketQueue::receive(fd).build(), Err(Errno::EAGAIN)),
    ];
    for (entry, expected) in entries {
        // SAFETY: addresses and values outlive the call.
        assert_eq!(unsafe { call(entry) }, expected, "{:?}", entry.opcode);
    }
    assert_eq!(is_on, 1);
    assert_ne!(name.to_socket_addr().unwrap().port(), 0);
}

#[test]
fn messages_are_sent_and_received_without_waiting() {
    use annulus_ring::abi::{AddressFamily, Msghdr, SockFlags, SocketType};
    use std::os::fd::{FromRawFd, OwnedFd};
    let mut raw = [-1; 2];
    let kind = SocketType::DGRAM.raw() | SockFlags::CLOEXEC.bits();
    // SAFETY: the two numbers outlive the call.
    let made =
        unsafe { call(private::socketpair(AddressFamily::UNIX.raw().into(), kind, 0, &mut raw)) };
    assert_eq!(made, Ok(0));
    // SAFETY: two new descriptors, each number used once.
    let [here, there] = raw.map(|raw| unsafe { OwnedFd::from_raw_fd(raw) });
    let mut bytes = *b"ring";
    let mut iov = Iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: 4 };
    let mut msg = Msghdr { msg_iov: &mut iov, msg_iovlen: 1, ..Msghdr::empty() };
    let msg = &raw mut msg;
    // SAFETY: header, list and bytes outlive the calls.
    let receive = || unsafe { call(op::RecvMsg::new(&there, msg).build()) };
    assert_eq!(receive(), Err(Errno::EAGAIN));
    // SAFETY: as above.
    assert_eq!(unsafe { call(op::SendMsg::new(&here, msg).build()) }, Ok(4));
    assert_eq!(receive(), Ok(4));
}

#[test]
fn what_an_older_ring_lacks_is_performed() {
    let dir = TempDir::new();
    let file = dir.file("data", b"0123456789");
    let fd = Fd::from(file.try_clone().unwrap());
    let perform = |sqe: Sqe| {
        // SAFETY: the entries point to nothing.
        unsafe { fd.kernel().perform(&sqe) }
    };
    assert_eq!(perform(op::Ftruncate::new(fd.raw(), 4).build()), Ok(0));
    assert_eq!(file.metadata().unwrap().len(), 4);
    assert_eq!(perform(op::Ftruncate::new(fd.raw(), 1 << 63).build()), Err(Errno::EINVAL));
    assert_eq!(perform(op::Ftruncate::new(-1, 4).build()), Err(Errno::EBADF));
    assert_eq!(perform(op::Ftruncate::new(FixedFd(0), 4).build()), Err(Errno::EOPNOTSUPP));
    assert_eq!(perform(op::Nop::new().build()), Err(Errno::EOPNOTSUPP));
    let (lock, other) = (private::FlockOperation::EX_NB, dir.file("data", b""));
    assert_eq!(perform(private::flock(fd.raw(), lock)), Ok(0));
    let other = std::os::fd::AsRawFd::as_raw_fd(&other);
    assert_eq!(perform(private::flock(other, lock)), Err(Errno::EAGAIN));
    assert_eq!(perform(private::flock(fd.raw(), private::FlockOperation::UN)), Ok(0));
    assert_eq!(perform(private::flock(other, lock)), Ok(0));
    assert_eq!(perform(private::flock(-1, lock)), Err(Errno::EBADF));
    assert_eq!(perform(private::flock(other, private::FlockOperation(0))), Err(Errno::EINVAL));
}

#[test]
fn a_file_is_taken_away_without_a_ring() {
    let dir = TempDir::new();
    let fd = Fd::from(dir.file("data", b"0123456789"));
    let path = dir.c_path("data");
    let unlink = op::UnlinkAt::new(op::At::CWD, path.as_ptr()).build();
    let perform = |sqe: Sqe| {
        // SAFETY: the path outlives the call.
        unsafe { fd.kernel().perform(&sqe) }
    };
    assert_eq!(perform(unlink.force_async()), Err(Errno::EOPNOTSUPP), "that is the ring's");
    assert_eq!(perform(unlink), Ok(0));
    assert_eq!(perform(unlink), Err(Errno::ENOENT));
}

#[test]
fn a_pipe_is_made_at_once() {
    let mut fds = [-1; 2];
    let pipe = op::Pipe::new(&mut fds).flags(OpenFlags::CLOEXEC);
    // SAFETY: the array outlives the call.
    let in_table = unsafe { call(pipe.direct_alloc().build()) };
    assert_eq!(in_table, Err(Errno::EAGAIN), "that is the ring's");
    // SAFETY: as above.
    assert_eq!(unsafe { call(pipe.build()) }, Ok(0));
    // SAFETY: both were made by the call, and are nobody else's.
    let [reader, writer] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    std::fs::File::from(writer).write_all(b"ring").unwrap();
    assert_eq!(std::io::read_to_string(std::fs::File::from(reader)).unwrap(), "ring");
    let odd = op::Pipe::new(&mut fds).flags(OpenFlags::APPEND).build();
    // SAFETY: as above.
    assert_eq!(unsafe { call(odd) }, Err(Errno::EINVAL));
}

#[test]
fn a_close_is_told_and_the_descriptor_is_gone() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let fd = Fd::from(std::os::fd::OwnedFd::from(writer));
    fd.close().unwrap();
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0, "nobody can write any more");
}

#[test]
fn a_description_tells_local_files_from_others() {
    let is_local = |fd: Fd| fd.describe().unwrap().is_local;
    assert!(is_local(std::fs::File::open("/proc/self/status").unwrap().into()));
    assert!(is_local(std::fs::File::open("/dev/null").unwrap().into()));
    let (reader, _writer) = std::io::pipe().unwrap();
    assert!(is_local(std::os::fd::OwnedFd::from(reader).into()));
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
    assert!(is_local(event.into()));
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

//! Waits that could take the processor, or never end.

use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use annulus_emulate::abi::{BufGroup, MsgFlags, Op, Sqe, SqeFlags};
use annulus_emulate::{Errno, Wait, op};

use super::{LIMIT, address, on_each, push, results, ring};
use crate::harness::{limit, slower};

/// The processor's time that this thread took.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is a local.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn receive(from: &impl AsRawFd, to: &mut [u8]) -> Sqe {
    let (fd, addr, len) = (from.as_raw_fd(), address(to.as_mut_ptr()), to.len() as u32);
    Sqe { opcode: Op::RECV, fd, addr, len, ..Sqe::default() }
}

/// A socket whose queue of errors has something, which nobody takes: that is told to every wait.
#[test]
fn an_error_that_stays_takes_no_time() {
    /// When it was sent, by software, told as an error.
    static STAMPS: i32 = 1 << 1 | 1 << 4;
    limit(LIMIT, || {
        let (here, there) = (
            UdpSocket::bind("127.0.0.1:0").expect("a socket"),
            UdpSocket::bind("127.0.0.1:0").expect("a socket"),
        );
        let (level, name) = (libc::SOL_SOCKET, libc::SO_TIMESTAMPING);
        let value = (&raw const STAMPS).cast();
        // SAFETY: a number, which lives during the call.
        let set = unsafe { libc::setsockopt(here.as_raw_fd(), level, name, value, 4) };
        assert_eq!(set, 0);
        here.send_to(b"x", there.local_addr().expect("bound")).expect("sent");
        let mut ring = ring();
        let mut bytes = [0; 8];
        push(&mut ring, receive(&here, &mut bytes));
        ring.submit().expect("taken");
        let before = processor_time();
        let wait = Wait::new().timeout(Duration::from_millis(300));
        ring.submit_and_wait_with(1, &wait).expect_err("nothing came");
        let took = processor_time().saturating_sub(before);
        let most = Duration::from_millis(if slower() > 1 { 150 } else { 30 });
        assert!(took < most, "it took {took:?} to wait");
        there.send_to(b"hello", here.local_addr().expect("bound")).expect("sent");
        assert_eq!(results(&mut ring, 1)[0].1, 5);
        // As a multishot would see it: the next one waits anew.
        push(&mut ring, receive(&here, &mut bytes));
        there.send_to(b"again!", here.local_addr().expect("bound")).expect("sent");
        assert_eq!(results(&mut ring, 1)[0].1, 6);
    });
}

/// An eventfd that is full: a write to it would wait for who reads it.
#[test]
fn a_full_eventfd_is_left_as_it_is() {
    limit(LIMIT, || {
        // SAFETY: numbers.
        let number = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        // SAFETY: the call made it: it is nobody else's.
        let eventfd = unsafe { OwnedFd::from_raw_fd(number) };
        let most = u64::MAX - 1;
        rustix::io::write(&eventfd, &most.to_ne_bytes()).expect("there is just room");
        on_each(|ring| {
            ring.register().eventfd(eventfd.as_raw_fd()).expect("an eventfd");
            push(ring, op::Nop::new().build().user_data(1));
            assert_eq!(results(ring, 1), [(1, 0, 0)]);
        });
        let mut count = [0; 8];
        rustix::io::read(&eventfd, &mut count).expect("it was full");
        assert!(u64::from_ne_bytes(count) >= most);
    });
}

/// What is received by then, and in which buffer, is told by one that is cancelled.
#[test]
fn a_cancelled_receive_tells_of_its_buffer() {
    limit(LIMIT, || {
        on_each(|ring| {
            let (here, mut there) = UnixStream::pair().expect("a pair");
            let mut memory = [0_u8; 64];
            let provide = op::ProvideBuffers::new(BufGroup(1), memory.as_mut_ptr(), 16, 4);
            push(ring, provide.build());
            assert_eq!(results(ring, 1)[0].1, 0);
            let recv = Sqe { addr: 0, len: 16, buf_index: 1, ..receive(&here, &mut []) };
            let recv = recv.with_flags(SqeFlags::BUFFER_SELECT);
            let all = Sqe { rw_flags: MsgFlags::WAITALL.bits(), ..recv };
            push(ring, all.user_data(5));
            ring.submit().expect("taken");
            there.write_all(b"part").expect("room");
            let soon = Wait::new().timeout(Duration::from_millis(50));
            ring.submit_and_wait_with(1, &soon).expect_err("it wants more");
            push(ring, op::AsyncCancel::user_data(5).build().user_data(6));
            let mut told = results(ring, 2);
            told.sort_unstable();
            assert_eq!(told, [(5, 4, 1), (6, 0, 0)]);
            assert_eq!(&memory[..4], b"part");
            // The others are there, and that one is not.
            there.write_all(b"xxx").expect("room");
            for (n, buffer) in (1..4).enumerate() {
                push(ring, Sqe { len: 1, ..recv }.user_data(n as u64));
                let [(_, result, flags)] = results(ring, 1)[..] else { panic!("one") };
                assert_eq!((result, flags & 1, flags >> 16), (1, 1, buffer));
            }
            push(ring, Sqe { len: 1, ..recv });
            assert_eq!(results(ring, 1)[0].1, -Errno::ENOBUFS.raw());
        });
    });
}

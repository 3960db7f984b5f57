//! SEND and RECV with one buffer.

use std::io::{IoSlice, Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use annulus_ring::abi::{CqeFlags, FixedFd, MsgFlags, Op, SockAddr};
use annulus_ring::{Errno, op};

use crate::rig::{
    file_table, has, of, push, result, ring, run, set_file, silent, until_last, wait,
};
use crate::tcp_pair;

/// "Destination address required": not among those that io_uring is known to answer by name.
const EDESTADDRREQ: Errno = Errno::from_raw(89);

#[test]
fn bytes_sent_are_received() {
    let (here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 16]);
    assert_eq!(result(&mut ring, op::Send::new(&here, b"hello".as_ptr(), 5)), Ok(5));
    assert_eq!(result(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 16)), Ok(5));
    assert_eq!(&buf[..5], b"hello");
    drop(here);
    assert_eq!(result(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 16)), Ok(0));
}

#[test]
fn a_receive_waits_for_bytes() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 16]);
    push(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 16));
    silent(&mut ring);
    here.write_all(b"late").unwrap();
    assert_eq!(wait(&mut ring, 1)[0].result(), Ok(4));
    assert_eq!(&buf[..4], b"late");
}

#[test]
fn poll_first_waits_before_the_first_attempt() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 16]);
    push(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 16).poll_first());
    silent(&mut ring);
    here.write_all(b"late").unwrap();
    assert_eq!(wait(&mut ring, 1)[0].result(), Ok(4));
    assert_eq!(result(&mut ring, op::Send::new(&there, b"x".as_ptr(), 1).poll_first()), Ok(1));
}

#[test]
fn bad_descriptors() {
    let (mut ring, mut buf) = (ring(), [0_u8; 4]);
    let (reader, writer) = std::io::pipe().unwrap();
    assert_eq!(result(&mut ring, op::Send::new(-1, b"x".as_ptr(), 1)), Err(Errno::EBADF));
    assert_eq!(result(&mut ring, op::Recv::new(-1, buf.as_mut_ptr(), 1)), Err(Errno::EBADF));
    assert_eq!(result(&mut ring, op::Send::new(&writer, b"x".as_ptr(), 1)), Err(Errno::ENOTSOCK));
    assert_eq!(
        result(&mut ring, op::Recv::new(&reader, buf.as_mut_ptr(), 1)),
        Err(Errno::ENOTSOCK)
    );
    // A slot, where the ring has no file table.
    assert_eq!(result(&mut ring, op::Send::new(FixedFd(0), b"x".as_ptr(), 1)), Err(Errno::EBADF));
}

#[test]
fn a_slot_of_the_file_table_is_a_socket_too() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    file_table(&ring, 4);
    set_file(&ring, 3, &here);
    drop(here);
    assert_eq!(result(&mut ring, op::Send::new(FixedFd(3), b"slot".as_ptr(), 4)), Ok(4));
    assert_eq!(result(&mut ring, op::Send::new(FixedFd(2), b"x".as_ptr(), 1)), Err(Errno::EBADF));
    assert_eq!(result(&mut ring, op::Send::new(FixedFd(4), b"x".as_ptr(), 1)), Err(Errno::EBADF));
    let mut got = [0; 4];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"slot");
}

#[test]
fn a_null_buffer_is_a_fault() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    assert_eq!(result(&mut ring, op::Send::new(&here, std::ptr::null(), 5)), Err(Errno::EFAULT));
    there.write_all(b"hello").unwrap();
    assert_eq!(
        result(&mut ring, op::Recv::new(&here, std::ptr::null_mut(), 5)),
        Err(Errno::EFAULT)
    );
}

#[test]
fn a_closed_peer_is_a_broken_pipe_without_a_signal() {
    let (here, there) = UnixStream::pair().unwrap();
    drop(there);
    assert_eq!(result(&mut ring(), op::Send::new(&here, b"x".as_ptr(), 1)), Err(Errno::EPIPE));
}

#[test]
fn a_reset_connection_says_so() {
    let (here, there) = tcp_pair();
    let (mut ring, mut buf) = (ring(), [0_u8; 4]);
    // A peer that closes with unread bytes resets.
    assert_eq!(result(&mut ring, op::Send::new(&here, b"unread".as_ptr(), 6)), Ok(6));
    drop(there);
    assert_eq!(
        result(&mut ring, op::Recv::new(&here, buf.as_mut_ptr(), 4)),
        Err(Errno::ECONNRESET)
    );
}

#[test]
fn who_must_not_wait_is_told() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 4]);
    let recv = op::Recv::new(&here, buf.as_mut_ptr(), 4);
    assert_eq!(result(&mut ring, recv.flags(MsgFlags::DONTWAIT)), Err(Errno::EAGAIN));
    // That the descriptor is non-blocking changes nothing: the ring waits.
    here.set_nonblocking(true).unwrap();
    push(&mut ring, recv);
    silent(&mut ring);
    there.write_all(b"late").unwrap();
    assert_eq!(wait(&mut ring, 1)[0].result(), Ok(4));
}

#[test]
fn peek_leaves_the_bytes() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 4]);
    here.write_all(b"peek").unwrap();
    let recv = op::Recv::new(&there, buf.as_mut_ptr(), 4);
    assert_eq!(result(&mut ring, recv.flags(MsgFlags::PEEK)), Ok(4));
    assert_eq!(result(&mut ring, recv), Ok(4));
}

#[test]
fn waitall_goes_on_until_all_is_there() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 8]);
    push(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 8).flags(MsgFlags::WAITALL));
    here.write_all(b"half").unwrap();
    silent(&mut ring);
    here.write_all(b"more").unwrap();
    assert_eq!(wait(&mut ring, 1)[0].result(), Ok(8));
    assert_eq!(&buf, b"halfmore");
}

#[test]
fn a_short_receive_says_that_more_is_there() {
    let (mut here, there) = tcp_pair();
    let (mut ring, mut buf) = (ring(), [0_u8; 8]);
    here.write_all(b"hello").unwrap();
    let part = run(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 2));
    assert_eq!((part.result(), has(&part, CqeFlags::SOCK_NONEMPTY)), (Ok(2), true));
    let rest = run(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 8));
    assert_eq!((rest.result(), has(&rest, CqeFlags::SOCK_NONEMPTY)), (Ok(3), false));
}

#[test]
fn receives_of_one_submit_say_each_what_is_left() {
    let pairs = [tcp_pair(), tcp_pair(), tcp_pair()];
    let [(first, of_first), (second, of_second), (third, of_third)] = &pairs;
    let mut ring = ring();
    let fds = [of_first, of_second, of_third, first].map(AsRawFd::as_raw_fd);
    ring.register().files(&fds).unwrap();
    (&*first).write_all(b"all").unwrap();
    (&*second).write_all(b"more").unwrap();
    (&*third).write_all(b"last").unwrap();
    third.shutdown(Shutdown::Write).unwrap();
    let mut bufs = [[0_u8; 8]; 5];
    let mut receive = |ring: &mut _, n: usize, slot: u32, bytes: u32| {
        let recv = op::Recv::new(FixedFd(slot), bufs[n].as_mut_ptr(), bytes).build();
        push(ring, recv.user_data(n as u64));
    };
    receive(&mut ring, 0, 0, 8);
    receive(&mut ring, 1, 1, 2);
    receive(&mut ring, 2, 2, 8);
    receive(&mut ring, 3, 1, 8);
    // What comes later in the same submit was not there before.
    push(&mut ring, op::Send::new(FixedFd(3), b"x".as_ptr(), 1).build().user_data(9));
    receive(&mut ring, 4, 0, 8);
    let cqes = wait(&mut ring, 6);
    let told = |n| (of(&cqes, n).result(), has(&of(&cqes, n), CqeFlags::SOCK_NONEMPTY));
    assert_eq!([told(0), told(1)], [(Ok(3), false), (Ok(2), true)]);
    assert_eq!([told(2), told(3)], [(Ok(4), true), (Ok(2), false)]);
    assert_eq!([told(9), told(4)], [(Ok(1), false), (Ok(1), false)]);
}

#[test]
fn sendto_names_the_receiver() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = SockAddr::from(there.local_addr().unwrap());
    let mut ring = ring();
    let send = op::Send::new(&here, b"dgram".as_ptr(), 5);
    assert_eq!(result(&mut ring, send), Err(EDESTADDRREQ));
    assert_eq!(result(&mut ring, send.address(to.as_ptr(), to.len_bytes() as u16)), Ok(5));
    let mut got = [0; 8];
    assert_eq!(there.recv_from(&mut got).unwrap(), (5, here.local_addr().unwrap()));
    // The address is copied when the entry is taken: a null one of some length means none.
    assert_eq!(result(&mut ring, send.address(std::ptr::null(), 16)), Err(EDESTADDRREQ));
}

#[test]
fn a_datagram_beyond_the_limit_is_refused() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = SockAddr::from(here.local_addr().unwrap());
    let bytes = vec![0_u8; 70_000];
    let send = op::Send::new(&here, bytes.as_ptr(), 70_000).address(to.as_ptr(), 16);
    assert_eq!(result(&mut ring(), send), Err(Errno::EMSGSIZE));
}

#[test]
fn a_refused_datagram_is_told_to_the_next_send() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A port that was free a moment ago, and that nobody else is given at once.
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    here.connect(gone).unwrap();
    let mut ring = ring();
    let send = op::Send::new(&here, b"x".as_ptr(), 1);
    assert_eq!(result(&mut ring, send), Ok(1));
    assert_eq!(result(&mut ring, send), Err(Errno::ECONNREFUSED));
}

#[test]
fn an_unconnected_stream_cannot_talk() {
    use rustix::net::{AddressFamily, SocketType, socket};
    let tcp = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 4]);
    assert_eq!(result(&mut ring, op::Send::new(&tcp, b"x".as_ptr(), 1)), Err(Errno::EPIPE));
    assert_eq!(result(&mut ring, op::Recv::new(&tcp, buf.as_mut_ptr(), 4)), Err(Errno::ENOTCONN));
}

#[test]
fn vectorized_sends_every_piece() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let vec = [IoSlice::new(b"he"), IoSlice::new(b"l"), IoSlice::new(b"lo")];
    let mut ring = ring();
    if !knows(&mut ring, op::Send::vectorized(&here, vec.as_ptr().cast(), 0).build()) {
        return crate::common::skip("vectorized_sends_every_piece", "Linux 6.17 or later");
    }
    let send = op::Send::vectorized(&here, vec.as_ptr().cast(), 3);
    assert_eq!(result(&mut ring, send), Ok(5));
    let mut got = [0; 5];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}

/// Whether this kernel takes the entry's flags.
fn knows(ring: &mut annulus_ring::LocalRing, sqe: annulus_ring::abi::Sqe) -> bool {
    result(ring, sqe) != Err(Errno::EINVAL)
}

#[test]
fn unknown_flags_are_refused() {
    let (here, _there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    for op in [Op::SEND, Op::RECV, Op::SEND_ZC] {
        let mut sqe = op::Send::new(&here, b"x".as_ptr(), 0).build();
        sqe.opcode = op;
        sqe.ioprio = 1 << 15;
        push(&mut ring, sqe);
        assert_eq!(until_last(&mut ring)[0].result(), Err(Errno::EINVAL), "{op:?}");
    }
}

#[test]
fn a_blocked_send_goes_on_when_there_is_room() {
    let (here, there) = UnixDatagram::pair().unwrap();
    let (mut ring, bytes) = (ring(), [7_u8; 1024]);
    here.set_nonblocking(true).unwrap();
    let mut filled = 0;
    while here.send(&bytes).is_ok() {
        filled += 1;
    }
    here.set_nonblocking(false).unwrap();
    push(&mut ring, op::Send::new(&here, bytes.as_ptr(), 1024).build().user_data(1));
    silent(&mut ring);
    let mut buf = [0_u8; 1024];
    for _ in 0..filled {
        there.recv(&mut buf).unwrap();
    }
    assert_eq!(of(&wait(&mut ring, 1), 1).result(), Ok(1024));
    assert_eq!(there.recv(&mut buf).unwrap(), 1024);
}

#[test]
fn waitall_sends_all_of_what_does_not_fit_at_once() {
    const LEN: usize = 4 << 20;
    let (here, mut there) = UnixStream::pair().unwrap();
    let bytes = vec![7_u8; LEN];
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; LEN];
        there.read_exact(&mut all).map(|()| all)
    });
    let send = op::Send::new(&here, bytes.as_ptr(), LEN as u32).flags(MsgFlags::WAITALL);
    assert_eq!(result(&mut ring(), send), Ok(LEN as u32));
    assert_eq!(reader.join().unwrap().unwrap(), bytes);
}

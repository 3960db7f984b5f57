//! How operations on sockets end otherwise than whole: in part, cut off, cancelled.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};

use annulus_ring::abi::{MsgFlags, SockAddr};
use annulus_ring::{Errno, op};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket, socket_with};

use crate::rig::{of, push, ring, silent, wait};

#[test]
fn what_came_before_a_cancel_is_told() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 8]);
    let recv = op::Recv::new(&there, buf.as_mut_ptr(), 8).flags(MsgFlags::WAITALL);
    push(&mut ring, recv.build().user_data(1).link());
    push(&mut ring, op::Nop::new().build().user_data(2));
    here.write_all(b"half").unwrap();
    silent(&mut ring);
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(3));
    let cqes = wait(&mut ring, 3);
    assert_eq!((of(&cqes, 1).result(), of(&cqes, 3).result()), (Ok(4), Ok(0)));
    // It is not all that was wanted: the chain is broken.
    assert_eq!(of(&cqes, 2).result(), Err(Errno::ECANCELED));
    assert_eq!(&buf[..4], b"half");
}

#[test]
fn a_datagram_that_is_cut_off_breaks_its_chain() {
    let (here, there) = UnixDatagram::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 2]);
    for (flags, behind) in [(0, Ok(0)), (MsgFlags::WAITALL.bits(), Err(Errno::ECANCELED))] {
        here.send(b"datagram").unwrap();
        let recv = op::Recv::new(&there, buf.as_mut_ptr(), 2).flags(MsgFlags(flags));
        push(&mut ring, recv.build().user_data(1).link());
        push(&mut ring, op::Nop::new().build().user_data(2));
        let cqes = wait(&mut ring, 2);
        assert_eq!((of(&cqes, 1).result(), of(&cqes, 2).result()), (Ok(2), behind));
    }
}

#[test]
fn a_receive_cut_short_by_the_end_breaks_its_chain() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 8]);
    let recv = op::Recv::new(&there, buf.as_mut_ptr(), 8).flags(MsgFlags::WAITALL);
    push(&mut ring, recv.build().user_data(1).link());
    push(&mut ring, op::Nop::new().build().user_data(2));
    here.write_all(b"last").unwrap();
    silent(&mut ring);
    drop(here);
    let cqes = wait(&mut ring, 2);
    assert_eq!((of(&cqes, 1).result(), of(&cqes, 2).result()), (Ok(4), Err(Errno::ECANCELED)));
}

#[test]
fn a_connect_that_waits_is_cancelled_and_its_socket_blocks_as_before() {
    // Nobody accepts, and the queue is full: the answer is dropped.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let name = listener.local_addr().unwrap();
    let _first = TcpStream::connect(name).unwrap();
    let tcp = || {
        socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap()
    };
    let fill: Vec<_> = (0..2).map(|_| tcp()).collect();
    for full in &fill {
        let _in_progress = rustix::net::connect(full, &name);
    }
    let client = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let (mut ring, to) = (ring(), SockAddr::from(name));
    let connect = op::Connect::new(&client, to.as_ptr(), to.len_bytes());
    push(&mut ring, connect.build().user_data(1));
    silent(&mut ring);
    assert!(!fcntl_getfl(&client).unwrap().contains(OFlags::NONBLOCK));
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2));
    let cqes = wait(&mut ring, 2);
    assert_eq!((of(&cqes, 1).result(), of(&cqes, 2).result()), (Err(Errno::ECANCELED), Ok(0)));
}

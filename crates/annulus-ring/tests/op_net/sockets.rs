//! SOCKET, BIND, LISTEN, CONNECT, SHUTDOWN.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{AddressFamily, FixedFd, Op, ShutdownHow, SockAddr, SockFlags, SocketType};
use annulus_ring::{Errno, op};

use crate::common::lacks;
use crate::rig::{file_table, result, ring, run_all};
use crate::tcp_pair;

fn tcp() -> op::Socket {
    op::Socket::new(AddressFamily::INET, SocketType::STREAM, 0)
}

/// Takes charge of a descriptor that a completion brought.
fn owned(fd: u32) -> OwnedFd {
    // SAFETY: the completion made the descriptor the test's, which takes it once.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

fn loopback(port: u16) -> SockAddr {
    SockAddr::from(SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn families_and_types_have_the_kernels_numbers() {
    use rustix::net::{AddressFamily as Family, SocketType as Type};
    for (ours, theirs) in [
        (AddressFamily::UNSPEC, Family::UNSPEC),
        (AddressFamily::UNIX, Family::UNIX),
        (AddressFamily::INET, Family::INET),
        (AddressFamily::INET6, Family::INET6),
        (AddressFamily::NETLINK, Family::NETLINK),
        (AddressFamily::PACKET, Family::PACKET),
        (AddressFamily::VSOCK, Family::VSOCK),
        (AddressFamily::XDP, Family::XDP),
    ] {
        assert_eq!(ours.raw(), theirs.as_raw(), "{ours:?}");
    }
    for (ours, theirs) in [
        (SocketType::STREAM, Type::STREAM),
        (SocketType::DGRAM, Type::DGRAM),
        (SocketType::RAW, Type::RAW),
        (SocketType::SEQPACKET, Type::SEQPACKET),
    ] {
        assert_eq!(ours.raw(), theirs.as_raw(), "{ours:?}");
    }
}

#[test]
fn a_socket_from_its_making_to_its_bytes() {
    if lacks("a_socket_from_its_making_to_its_bytes", Op::LISTEN) {
        return;
    }
    let mut ring = ring();
    let flags = SockFlags::CLOEXEC;
    let server = owned(result(&mut ring, tcp().flags(flags)).unwrap());
    assert_eq!(rustix::io::fcntl_getfd(&server).unwrap(), rustix::io::FdFlags::CLOEXEC);
    let name = loopback(0);
    assert_eq!(result(&mut ring, op::Bind::new(&server, name.as_ptr(), 16)), Ok(0));
    assert_eq!(result(&mut ring, op::Listen::new(&server, 4)), Ok(0));
    let server = TcpListener::from(server);

    let client = owned(result(&mut ring, tcp()).unwrap());
    let to = SockAddr::from(server.local_addr().unwrap());
    let connect = op::Connect::new(&client, to.as_ptr(), to.len_bytes());
    assert_eq!(result(&mut ring, connect), Ok(0));
    assert_eq!(result(&mut ring, connect), Err(Errno::EISCONN));
    let (mut peer, _) = server.accept().unwrap();
    TcpStream::from(client).write_all(b"hello").unwrap();
    let mut got = [0; 5];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}

#[test]
fn a_chain_makes_a_listener_without_a_descriptor() {
    if lacks("a_chain_makes_a_listener_without_a_descriptor", Op::LISTEN) {
        return;
    }
    let (mut ring, name) = (ring(), loopback(0));
    file_table(&ring, 2);
    let slot = FixedFd(1);
    let cqes = run_all(
        &mut ring,
        &[
            tcp().direct(slot).build().user_data(1).link(),
            op::Bind::new(slot, name.as_ptr(), 16).build().user_data(2).link(),
            op::Listen::new(slot, 4).build().user_data(3),
        ],
    );
    assert!(cqes.iter().all(|cqe| cqe.result() == Ok(0)), "{cqes:?}");
    // It listens: an accept that must not wait finds nobody.
    assert_eq!(result(&mut ring, op::Accept::new(slot).dontwait()), Err(Errno::EAGAIN));
    assert_eq!(result(&mut ring, tcp().direct_alloc()), Ok(0));
    assert_eq!(result(&mut ring, tcp().direct_alloc()), Err(Errno::ENFILE));
}

#[test]
fn sockets_that_cannot_be() {
    let mut ring = ring();
    let none = op::Socket::new(AddressFamily(99), SocketType::STREAM, 0);
    assert_eq!(result(&mut ring, none), Err(Errno::from_raw(97))); // EAFNOSUPPORT
    let none = op::Socket::new(AddressFamily::INET, SocketType::STREAM, 17);
    assert_eq!(result(&mut ring, none), Err(Errno::from_raw(93))); // EPROTONOSUPPORT
    assert_eq!(result(&mut ring, tcp().flags(SockFlags(1 << 30))), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, tcp().direct(FixedFd(0))), Err(Errno::ENXIO));
    file_table(&ring, 1);
    let cloexec = tcp().direct(FixedFd(0)).flags(SockFlags::CLOEXEC);
    assert_eq!(result(&mut ring, cloexec), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, tcp().direct(FixedFd(1))), Err(Errno::EINVAL));
}

#[test]
fn addresses_that_cannot_be_bound() {
    if lacks("addresses_that_cannot_be_bound", Op::LISTEN) {
        return;
    }
    let mut ring = ring();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = SockAddr::from(taken.local_addr().unwrap());
    let socket = owned(result(&mut ring, tcp()).unwrap());
    let bind = |name: &SockAddr| op::Bind::new(&socket, name.as_ptr(), name.len_bytes());
    assert_eq!(result(&mut ring, bind(&name)), Err(Errno::EADDRINUSE));
    let foreign = SockAddr::from("192.0.2.1:0".parse::<SocketAddr>().unwrap());
    assert_eq!(result(&mut ring, bind(&foreign)), Err(Errno::EADDRNOTAVAIL));
    let short = op::Bind::new(&socket, name.as_ptr(), 4);
    assert_eq!(result(&mut ring, short), Err(Errno::EINVAL));
    let null = op::Bind::new(&socket, std::ptr::null(), 16);
    assert_eq!(result(&mut ring, null), Err(Errno::EFAULT));
    assert_eq!(result(&mut ring, bind(&loopback(0))), Ok(0));
    assert_eq!(result(&mut ring, bind(&loopback(0))), Err(Errno::EINVAL));
    let pipe = std::io::pipe().unwrap().0;
    let bind = op::Bind::new(&pipe, name.as_ptr(), 16);
    assert_eq!(result(&mut ring, bind), Err(Errno::ENOTSOCK));
}

#[test]
fn who_cannot_listen() {
    if lacks("who_cannot_listen", Op::LISTEN) {
        return;
    }
    let mut ring = ring();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(result(&mut ring, op::Listen::new(&udp, 4)), Err(Errno::EOPNOTSUPP));
    let (here, _there) = tcp_pair();
    assert_eq!(result(&mut ring, op::Listen::new(&here, 4)), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, op::Listen::new(-1, 4)), Err(Errno::EBADF));
    let pipe = std::io::pipe().unwrap().0;
    assert_eq!(result(&mut ring, op::Listen::new(&pipe, 4)), Err(Errno::ENOTSOCK));
}

#[test]
fn nobody_is_there() {
    let mut ring = ring();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to = SockAddr::from(gone);
    let socket = owned(result(&mut ring, tcp()).unwrap());
    let connect = op::Connect::new(&socket, to.as_ptr(), to.len_bytes());
    assert_eq!(result(&mut ring, connect), Err(Errno::ECONNREFUSED));
    let unix = op::Socket::new(AddressFamily::UNIX, SocketType::STREAM, 0);
    let unix = owned(result(&mut ring, unix).unwrap());
    let to = SockAddr::unix("/nonexistent/annulus.sock").unwrap();
    let connect = op::Connect::new(&unix, to.as_ptr(), to.len_bytes());
    assert_eq!(result(&mut ring, connect), Err(Errno::ENOENT));
    let pipe = std::io::pipe().unwrap().0;
    let connect = op::Connect::new(&pipe, to.as_ptr(), to.len_bytes());
    assert_eq!(result(&mut ring, connect), Err(Errno::ENOTSOCK));
    let null = op::Connect::new(&unix, std::ptr::null(), 16);
    assert_eq!(result(&mut ring, null), Err(Errno::EFAULT));
}

#[test]
fn one_half_and_then_the_other() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    assert_eq!(result(&mut ring, op::Shutdown::new(&here, ShutdownHow::WR)), Ok(0));
    assert_eq!(there.read(&mut [0]).unwrap(), 0);
    there.write_all(b"x").unwrap();
    assert_eq!(result(&mut ring, op::Shutdown::new(&here, ShutdownHow::RD)), Ok(0));
    assert!(there.write_all(b"x").is_err());
    assert_eq!(result(&mut ring, op::Shutdown::new(&here, ShutdownHow(9))), Err(Errno::EINVAL));
}

#[test]
fn what_is_not_connected_is_not_shut_down() {
    let mut ring = ring();
    let socket = owned(result(&mut ring, tcp()).unwrap());
    let shutdown = op::Shutdown::new(&socket, ShutdownHow::WR);
    assert_eq!(result(&mut ring, shutdown), Err(Errno::ENOTCONN));
    let pipe = std::io::pipe().unwrap().0;
    let shutdown = op::Shutdown::new(&pipe, ShutdownHow::WR);
    assert_eq!(result(&mut ring, shutdown), Err(Errno::ENOTSOCK));
    assert_eq!(result(&mut ring, op::Shutdown::new(-1, ShutdownHow::WR)), Err(Errno::EBADF));
}

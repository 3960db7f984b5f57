//! ACCEPT: one and many, to descriptors and to slots.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};

use annulus_ring::abi::{FixedFd, ShutdownHow, SockAddr, SockFlags};
use annulus_ring::{Errno, Wait, op};

use crate::common::skip;
use crate::rig::{PATIENCE, file_table, push, result, ring, run_all, silent, wait};

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn connect(listener: &TcpListener) -> TcpStream {
    TcpStream::connect(listener.local_addr().unwrap()).unwrap()
}

/// Takes charge of a descriptor that a completion brought.
fn owned(fd: u32) -> TcpStream {
    // SAFETY: the completion made the descriptor the test's, which takes it once.
    TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[test]
fn a_connection_and_its_peer() {
    let (mut ring, listener) = (ring(), listener());
    let mut peer = SockAddr::empty();
    let (addr, len) = peer.as_mut_ptrs();
    push(&mut ring, op::Accept::new(&listener).address(addr, len).flags(SockFlags::CLOEXEC));
    silent(&mut ring);
    let client = connect(&listener);
    let server = owned(wait(&mut ring, 1)[0].result().unwrap());
    assert_eq!(peer.to_socket_addr(), Some(client.local_addr().unwrap()));
    assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    let flags = rustix::io::fcntl_getfd(&server).unwrap();
    assert_eq!(flags, rustix::io::FdFlags::CLOEXEC);
}

#[test]
fn a_multishot_accepts_until_it_is_cancelled() {
    let (mut ring, listener) = (ring(), listener());
    push(&mut ring, op::Accept::new(&listener).multishot().build().user_data(1));
    let clients: Vec<_> = (0..3).map(|_| connect(&listener)).collect();
    let cqes = wait(&mut ring, 3);
    for (cqe, client) in cqes.iter().zip(&clients) {
        assert!(cqe.has_more());
        let server = owned(cqe.result().unwrap());
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    }
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2).skip_success());
    let end = wait(&mut ring, 1)[0];
    assert_eq!((end.result(), end.has_more()), (Err(Errno::ECANCELED), false));
}

/// Whoever accepts has connections to go on with when the cancel comes.
#[test]
fn a_multishot_that_is_cancelled_at_once_ends() {
    for _ in 0..20 {
        let (mut ring, listener) = (ring(), listener());
        let clients: Vec<_> = (0..5).map(|_| connect(&listener)).collect();
        push(&mut ring, op::Accept::new(&listener).multishot().build().user_data(1));
        push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2));
        let (mut is_over, mut is_cancelled, mut accepted) = (false, false, 0);
        while !(is_over && is_cancelled) {
            let limit = Wait::new().timeout(PATIENCE);
            ring.submit_and_wait_with(1, &limit).expect("both end");
            for cqe in ring.completions().unwrap() {
                match cqe.user_data {
                    2 => is_cancelled = true,
                    _ if cqe.has_more() => {
                        drop(owned(cqe.result().unwrap()));
                        accepted += 1;
                    }
                    _ => {
                        assert_eq!(cqe.result(), Err(Errno::ECANCELED));
                        is_over = true;
                    }
                }
            }
        }
        assert!(accepted <= clients.len());
    }
}

#[test]
fn slots_given_and_picked() {
    let (mut ring, listener) = (ring(), listener());
    file_table(&ring, 3);
    let clients: Vec<_> = (0..4).map(|_| connect(&listener)).collect();
    let accept = op::Accept::new(&listener);
    assert_eq!(result(&mut ring, accept.direct(FixedFd(1))), Ok(0));
    // The kernel looks behind the slot that was filled last, then from the beginning.
    assert_eq!(result(&mut ring, accept.direct_alloc()), Ok(2));
    assert_eq!(result(&mut ring, accept.direct_alloc()), Ok(0));
    assert_eq!(result(&mut ring, accept.direct_alloc()), Err(Errno::ENFILE));
    assert_eq!(result(&mut ring, op::Send::new(FixedFd(1), b"x".as_ptr(), 1)), Ok(1));
    drop(clients);
}

#[test]
fn a_multishot_fills_the_file_table() {
    let (mut ring, listener) = (ring(), listener());
    file_table(&ring, 2);
    push(&mut ring, op::Accept::new(&listener).multishot().direct_alloc());
    let _clients: Vec<_> = (0..2).map(|_| connect(&listener)).collect();
    let cqes = wait(&mut ring, 2);
    assert_eq!((cqes[0].result(), cqes[1].result()), (Ok(0), Ok(1)));
    let _third = connect(&listener);
    let end = wait(&mut ring, 1)[0];
    assert_eq!((end.result(), end.has_more()), (Err(Errno::ENFILE), false));
}

#[test]
fn slots_that_cannot_be() {
    let (mut ring, listener) = (ring(), listener());
    let _client = connect(&listener);
    let accept = op::Accept::new(&listener);
    assert_eq!(result(&mut ring, accept.direct(FixedFd(0))), Err(Errno::ENXIO));
    let _again = connect(&listener);
    file_table(&ring, 2);
    for slot in [2, 3, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
        let _again = connect(&listener);
        assert_eq!(result(&mut ring, accept.direct(FixedFd(slot))), Err(Errno::EINVAL), "{slot}");
    }
    let cloexec = accept.direct(FixedFd(0)).flags(SockFlags::CLOEXEC);
    assert_eq!(result(&mut ring, cloexec), Err(Errno::EINVAL));
    let many = accept.direct(FixedFd(0)).multishot();
    assert_eq!(result(&mut ring, many), Err(Errno::EINVAL));
}

#[test]
fn who_must_not_wait_is_told() {
    let (mut ring, listener) = (ring(), listener());
    let accept = op::Accept::new(&listener);
    let now = result(&mut ring, accept.dontwait());
    if now == Err(Errno::EINVAL) {
        return skip("who_must_not_wait_is_told", "not before Linux 6.10");
    }
    assert_eq!(now, Err(Errno::EAGAIN));
    // That the descriptor is non-blocking changes nothing: the ring waits.
    listener.set_nonblocking(true).unwrap();
    push(&mut ring, accept);
    silent(&mut ring);
    let _client = connect(&listener);
    drop(owned(wait(&mut ring, 1)[0].result().unwrap()));
}

#[test]
fn poll_first_waits_before_the_first_attempt() {
    let (mut ring, listener) = (ring(), listener());
    let accept = op::Accept::new(&listener).poll_first();
    push(&mut ring, op::Accept::new(&listener).dontwait());
    if wait(&mut ring, 1)[0].result() == Err(Errno::EINVAL) {
        // Neither is known: both came at once.
        assert_eq!(result(&mut ring, accept), Err(Errno::EINVAL));
        let name = "poll_first_waits_before_the_first_attempt";
        return skip(name, "not before Linux 6.10");
    }
    push(&mut ring, accept);
    silent(&mut ring);
    let client = connect(&listener);
    let server = owned(wait(&mut ring, 1)[0].result().unwrap());
    assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
}

#[test]
fn what_does_not_listen_cannot_accept() {
    use rustix::net::{AddressFamily, SocketType, socket};
    let mut ring = ring();
    let tcp = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    assert_eq!(result(&mut ring, op::Accept::new(&tcp)), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, op::Accept::new(&udp)), Err(Errno::EOPNOTSUPP));
    assert_eq!(result(&mut ring, op::Accept::new(&reader)), Err(Errno::ENOTSOCK));
    assert_eq!(result(&mut ring, op::Accept::new(-1)), Err(Errno::EBADF));
}

#[test]
fn a_shut_down_listener_ends_its_accept() {
    let (mut ring, listener) = (ring(), listener());
    let accept = op::Accept::new(&listener).build().user_data(1);
    let shutdown = op::Shutdown::new(&listener, ShutdownHow::RDWR).build().user_data(2);
    let cqes = run_all(&mut ring, &[accept, shutdown]);
    assert_eq!(cqes[0].result(), Err(Errno::EINVAL));
    assert_eq!(cqes[1].result(), Ok(0));
}

#[test]
fn of_two_accepts_one_has_the_connection_and_the_other_waits() {
    let (mut ring, listener) = (ring(), listener());
    for n in [1, 2] {
        push(&mut ring, op::Accept::new(&listener).build().user_data(n));
    }
    silent(&mut ring);
    let _client = connect(&listener);
    let first = wait(&mut ring, 1)[0];
    drop(owned(first.result().unwrap()));
    silent(&mut ring);
    let other = 3 - first.user_data;
    push(&mut ring, op::AsyncCancel::user_data(other).build().user_data(9).skip_success());
    let end = wait(&mut ring, 1)[0];
    assert_eq!((end.user_data, end.result()), (other, Err(Errno::ECANCELED)));
}

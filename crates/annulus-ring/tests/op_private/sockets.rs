//! Sockets, the names of hosts, processes, descriptors and randomness.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use annulus_ring::Errno;
use annulus_ring::abi::private::{self, ResolvedAddress};
use annulus_ring::abi::{OpenFlags, SockFlags};

use crate::answer;
use crate::common::{LIMIT, limit};
use crate::files::ring;

#[test]
fn a_socket_tells_its_names() {
    limit(LIMIT, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut ring = ring();
        let (mut addr, mut len) = ([0_u8; 128], 128);
        let raw = listener.as_raw_fd();
        let own = private::getsockname(raw, addr.as_mut_ptr().cast(), &mut len);
        let Some(own) = answer(&mut ring, own) else { return };
        assert_eq!((own, len), (Ok(0), 16));
        assert_eq!(u16::from_be_bytes([addr[2], addr[3]]), port);
        let peer = private::getpeername(raw, addr.as_mut_ptr().cast(), &mut len);
        assert_eq!(answer(&mut ring, peer), Some(Err(Errno::ENOTCONN)));
        (addr, len) = ([0; 128], 128);
        let raw = stream.as_raw_fd();
        let peer = private::getpeername(raw, addr.as_mut_ptr().cast(), &mut len);
        assert_eq!(answer(&mut ring, peer), Some(Ok(0)));
        assert_eq!(u16::from_be_bytes([addr[2], addr[3]]), port);
        let file = std::fs::File::open("/dev/null").unwrap();
        let raw = file.as_raw_fd();
        let own = private::getsockname(raw, addr.as_mut_ptr().cast(), &mut len);
        assert_eq!(answer(&mut ring, own), Some(Err(Errno::ENOTSOCK)));
        let own = private::getsockname(-1, addr.as_mut_ptr().cast(), &mut len);
        assert_eq!(answer(&mut ring, own), Some(Err(Errno::EBADF)));

        stream.set_nodelay(true).unwrap();
        let mut on = 0_i32;
        let (tcp, nodelay, value) = (6, 1, (&raw mut on).cast());
        let ask = private::getsockopt(stream.as_raw_fd(), tcp, nodelay, value, 4);
        assert_eq!((answer(&mut ring, ask), on != 0), (Some(Ok(4)), true));
        let ask = private::getsockopt(stream.as_raw_fd(), 99, nodelay, value, 4);
        assert!(answer(&mut ring, ask).is_some_and(|answer| answer.is_err()));
    });
}

#[test]
fn two_sockets_are_made_at_once() {
    limit(LIMIT, || {
        let (unix, stream, mut fds) = (1, 1, [-1; 2]);
        let mut ring = ring();
        let pair = private::socketpair(unix, stream | SockFlags::CLOEXEC.bits(), 0, &mut fds);
        let Some(made) = answer(&mut ring, pair) else { return };
        assert_eq!(made, Ok(0));
        // SAFETY: the call made both, and they are nobody else's.
        let ends = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        assert_eq!(rustix::io::write(&ends[0], b"x"), Ok(1));
        assert_eq!(rustix::io::read(&ends[1], &mut [0; 4]), Ok(1));
        let internet = private::socketpair(2, stream, 0, &mut fds);
        assert_eq!(answer(&mut ring, internet), Some(Err(Errno::EOPNOTSUPP)));
    });
}

#[test]
fn names_of_hosts_are_resolved() {
    limit(LIMIT, || {
        let mut ring = ring();
        let mut out = [ResolvedAddress::default(); 8];
        let resolve = |name: &'static str, family, out: &mut [ResolvedAddress; 8]| {
            private::getaddrinfo(name.as_ptr(), name.len() as u32, family, out.as_mut_ptr(), 8)
        };
        let Some(found) = answer(&mut ring, resolve("127.0.0.1", 0, &mut out)) else { return };
        assert_eq!((found, out[0].family, &out[0].addr[..4]), (Ok(1), 2, &[127, 0, 0, 1][..]));
        assert_eq!(answer(&mut ring, resolve("::1", 10, &mut out)), Some(Ok(1)));
        assert_eq!((out[0].family, out[0].addr[15]), (10, 1));
        let found = answer(&mut ring, resolve("localhost", 2, &mut out));
        assert_eq!((found, &out[0].addr[..4]), (Some(Ok(1)), &[127, 0, 0, 1][..]));
        let of_other_family = answer(&mut ring, resolve("127.0.0.1", 10, &mut out));
        assert_eq!(of_other_family, Some(Err(Errno::ENOENT)));
        let zero = answer(&mut ring, resolve("a\0b", 0, &mut out));
        assert_eq!(zero, Some(Err(Errno::EINVAL)));
    });
}

#[test]
fn a_process_has_a_descriptor_and_is_signalled_by_it() {
    limit(LIMIT, || {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let mut ring = ring();
        let opened = private::pidfd_open(child.id() as i32, OpenFlags::empty());
        let opened = answer(&mut ring, opened);
        let Some(opened) = opened else {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        };
        // SAFETY: the call made it, and it is nobody else's.
        let pidfd = unsafe { OwnedFd::from_raw_fd(opened.unwrap() as i32) };
        let kill = private::pidfd_send_signal(pidfd.as_raw_fd(), 9);
        assert_eq!(answer(&mut ring, kill), Some(Ok(0)));
        assert!(!child.wait().unwrap().success());
        assert_eq!(answer(&mut ring, kill), Some(Err(Errno::from_raw(3))), "it is gone");
        let none = private::pidfd_open(-1, OpenFlags::empty());
        assert_eq!(answer(&mut ring, none), Some(Err(Errno::EINVAL)));
    });
}

#[test]
fn descriptors_are_doubled_and_memory_filled() {
    limit(LIMIT, || {
        let file = std::fs::File::open("/dev/null").unwrap();
        let mut ring = ring();
        let twice = private::dup(file.as_raw_fd(), OpenFlags::CLOEXEC);
        let Some(twice) = answer(&mut ring, twice) else { return };
        // SAFETY: the call made it, and it is nobody else's.
        let twice = unsafe { OwnedFd::from_raw_fd(twice.unwrap() as i32) };
        let flags = rustix::io::fcntl_getfd(&twice).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let odd = private::dup(file.as_raw_fd(), OpenFlags::NONBLOCK);
        assert_eq!(answer(&mut ring, odd), Some(Err(Errno::EINVAL)));
        for len in [32, 4096] {
            let mut buf = vec![0_u8; len as usize];
            let fill = private::getrandom(buf.as_mut_ptr(), len);
            assert_eq!(answer(&mut ring, fill), Some(Ok(len)));
            assert!(buf.iter().any(|byte| *byte != 0));
        }
        let mask = 1_u64 << (12 - 1);
        let signals = private::signalfd(-1, &mask, OpenFlags::CLOEXEC);
        let made = answer(&mut ring, signals).unwrap();
        // SAFETY: as above.
        drop(unsafe { OwnedFd::from_raw_fd(made.unwrap() as i32) });
    });
}

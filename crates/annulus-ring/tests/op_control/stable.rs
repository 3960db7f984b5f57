//! What each page says may go as soon as the kernel has taken the entry
//! (`IORING_FEAT_SUBMIT_STABLE`): it is spoilt here after the submit, while the entry still waits
//! behind a link.

use std::io::{IoSlice, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicU32;

use annulus_ring::abi::{
    EpollEvent, Futex2Flags, FutexWaitv, Msghdr, Op, PollEvents, SockAddr, Sqe, Timespec,
};
use annulus_ring::{Errno, LocalRing, op};

use crate::common::{lacks, skip};
use crate::rig::{of, push, ring, silent, wait};

const LONG: Timespec = Timespec { tv_sec: 3600, tv_nsec: 0 };
/// Long enough that `entry` still waits behind it when its memory is spoilt.
const MEANWHILE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Submits `entry` behind a link, spoils what it points to, and says how it ends.
#[track_caller]
fn spoilt(ring: &mut LocalRing, entry: impl Into<Sqe>, spoil: impl FnOnce()) -> Result<u32, Errno> {
    let mut meanwhile = MEANWHILE;
    let before = op::Timeout::new(&meanwhile).etime_success().build().user_data(1);
    push(ring, before.link());
    push(ring, entry.into().user_data(2));
    ring.submit().unwrap();
    meanwhile = LONG;
    spoil();
    let cqes = wait(ring, 2);
    let ended = of(&cqes, 2).result();
    // What the kernel does not take ends the link before it: it has no such operation.
    let waited = if ended == Err(Errno::EINVAL) { Errno::ECANCELED } else { Errno::ETIME };
    assert_eq!((of(&cqes, 1).result(), meanwhile), (Err(waited), LONG));
    ended
}

fn nowhere() -> SockAddr {
    SockAddr::from(SocketAddr::from(([192, 0, 2, 1], 9)))
}

#[test]
fn addresses() {
    use rustix::net::{AddressFamily, SocketType, socket};
    let mut ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let mut to = Box::new(SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0))));
    let bind = op::Bind::new(&tcp, to.as_ptr(), 16);
    let bound = spoilt(&mut ring, bind, || *to = nowhere());
    if !lacks("addresses: bound", Op::BIND) {
        assert_eq!(bound, Ok(0));
    }
    *to = SockAddr::from(listener.local_addr().unwrap());
    let connect = op::Connect::new(&tcp, to.as_ptr(), 16);
    assert_eq!(spoilt(&mut ring, connect, || *to = nowhere()), Ok(0));

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    *to = SockAddr::from(udp.local_addr().unwrap());
    let send = op::Send::new(&udp, b"to itself".as_ptr(), 9).address(to.as_ptr(), 16);
    assert_eq!(spoilt(&mut ring, send, || *to = nowhere()), Ok(9));
    assert_eq!(udp.recv(&mut [0; 16]).unwrap(), 9);
}

#[test]
fn messages_and_their_pieces() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let pieces = || Box::new([IoSlice::new(b"he"), IoSlice::new(b"llo")]);
    let mut vec = pieces();
    let msg_iov = vec.as_mut_ptr().cast();
    let mut msg = Box::new(Msghdr { msg_iov, msg_iovlen: 2, ..Msghdr::empty() });
    let send = op::SendMsg::new(&here, &*msg);
    let spoil = || {
        *msg = Msghdr { msg_iovlen: 99, ..Msghdr::empty() };
        *vec = [IoSlice::new(b"wrong"), IoSlice::new(b"wrong")];
    };
    assert_eq!(spoilt(&mut ring, send, spoil), Ok(5));
    let mut got = [0; 5];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");

    let mut vec = pieces();
    let send = op::Send::vectorized(&here, vec.as_ptr().cast(), 2);
    let sent = spoilt(&mut ring, send, || *vec = [IoSlice::new(b"wrong"), IoSlice::new(b"wrong")]);
    if sent == Err(Errno::EINVAL) {
        skip("messages_and_their_pieces: without a message", "Linux 6.17 or later");
    } else {
        assert_eq!(sent, Ok(5));
        there.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"hello");
    }
}

#[test]
fn times() {
    let mut ring = ring();
    let mut time = Box::new(Timespec { tv_sec: 0, tv_nsec: 1 });
    let timeout = op::Timeout::new(&*time);
    assert_eq!(spoilt(&mut ring, timeout, || *time = LONG), Err(Errno::ETIME));

    push(&mut ring, op::Timeout::new(&LONG).build().user_data(7));
    silent(&mut ring);
    *time = Timespec { tv_sec: 0, tv_nsec: 1 };
    push(&mut ring, op::TimeoutUpdate::new(7, &*time).build().user_data(8));
    ring.submit().unwrap();
    *time = LONG;
    let cqes = wait(&mut ring, 2);
    assert_eq!((of(&cqes, 7).result(), of(&cqes, 8).result()), (Err(Errno::ETIME), Ok(0)));

    let (reader, _writer) = std::io::pipe().unwrap();
    *time = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    push(&mut ring, op::PollAdd::new(&reader, PollEvents::IN).build().user_data(7).link());
    push(&mut ring, op::LinkTimeout::new(&*time).build().user_data(8));
    ring.submit().unwrap();
    *time = LONG;
    assert_eq!(of(&wait(&mut ring, 2), 8).result(), Err(Errno::ETIME));
}

#[test]
fn arrays_of_futexes_and_events_of_epoll() {
    let mut ring = ring();
    let word = AtomicU32::new(1);
    let uaddr = std::ptr::from_ref(&word).expose_provenance() as u64;
    let flags = Futex2Flags::SIZE_U32 | Futex2Flags::PRIVATE;
    let one = FutexWaitv { val: 2, uaddr, flags, ..FutexWaitv::default() };
    let mut waits = Box::new([one]);
    let futexes = op::FutexWaitV::new(waits.as_ptr(), 1);
    // Read too late it would be a fault, not another value.
    let ended = spoilt(&mut ring, futexes, || *waits = [FutexWaitv::default()]);
    if !lacks("arrays_of_futexes_and_events_of_epoll: of futexes", Op::FUTEX_WAITV) {
        assert_eq!(ended, Err(Errno::EAGAIN));
    }

    let set = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut event = Box::new(EpollEvent { events: PollEvents::OUT, data: 7 });
    let add = op::EpollCtl::add(&set, writer.as_raw_fd(), &*event);
    assert_eq!(spoilt(&mut ring, add, || *event = EpollEvent::default()), Ok(0));
    let mut got = Vec::with_capacity(1);
    rustix::event::epoll::wait(&set, rustix::buffer::spare_capacity(&mut got), None).unwrap();
    // Copied: the structure is packed.
    let (flags, data) = (got[0].flags, got[0].data);
    assert_eq!((flags.bits(), data.u64()), (PollEvents::OUT.bits(), 7));
}

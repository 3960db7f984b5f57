//! SEND_ZC and SENDMSG_ZC: results and notifications in pairs; RECV_ZC, as far as no device is
//! needed.

use std::io::{IoSlice, Read};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{BufIndex, Cqe, MsgFlags, Msghdr, NotifUsage, SockAddr, Sqe};
use annulus_ring::{Builder, Errno, LocalRing, op};

use crate::rig::{fix_buffer, push, result, ring, until_last, wait};
use crate::{common, tcp_pair};

/// Submits a send that must come in two completions: its result, then its notification.
#[track_caller]
fn pair(ring: &mut LocalRing, send: impl Into<Sqe>) -> (Cqe, Cqe) {
    push(ring, send.into().user_data(9));
    let both = wait(ring, 2);
    let (sent, free) = (both[0], both[1]);
    assert!(sent.has_more() && !sent.is_notification(), "{sent:?}");
    assert!(free.is_notification() && !free.has_more(), "{free:?}");
    assert_eq!((sent.user_data, free.user_data), (9, 9));
    (sent, free)
}

#[test]
fn a_result_and_then_a_notification() {
    let (here, mut there) = tcp_pair();
    let mut ring = ring();
    let (sent, free) = pair(&mut ring, op::SendZc::new(&here, b"hello".as_ptr(), 5));
    assert_eq!((sent.result(), free.result()), (Ok(5), Ok(0)));
    let mut got = [0; 5];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}

#[test]
fn loopback_copies_and_says_so() {
    let (here, _there) = tcp_pair();
    let bytes = vec![7_u8; 16 << 10];
    let send = op::SendZc::new(&here, bytes.as_ptr(), 16 << 10).report_usage();
    let (sent, free) = pair(&mut ring(), send);
    assert_eq!(sent.result(), Ok(16 << 10));
    // The bit is the sign: read as a result it would be an error.
    assert!(NotifUsage(free.res as u32).contains(NotifUsage::ZC_COPIED), "{free:?}");
}

#[test]
fn a_registered_buffer_and_what_lies_outside() {
    let (here, mut there) = tcp_pair();
    let (mut ring, bytes) = (ring(), vec![7_u8; 8192]);
    let send = op::SendZc::new(&here, bytes.as_ptr(), 4096).fixed_buffer(BufIndex(0));
    // There is none yet.
    assert_eq!(first(&mut ring, send), Err(Errno::EFAULT));
    fix_buffer(&ring, &bytes);
    assert_eq!(pair(&mut ring, send).0.result(), Ok(4096));
    let mut got = vec![0; 4096];
    there.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes[..4096]);
    let outside = op::SendZc::new(&here, bytes.as_ptr(), 8193).fixed_buffer(BufIndex(0));
    assert_eq!(first(&mut ring, outside), Err(Errno::EFAULT));
    let none = op::SendZc::new(&here, bytes.as_ptr(), 1).fixed_buffer(BufIndex(1));
    assert_eq!(first(&mut ring, none), Err(Errno::EFAULT));
}

/// The result of a send, and its notification if one follows.
fn first(ring: &mut LocalRing, send: impl Into<Sqe>) -> Result<u32, Errno> {
    push(ring, send);
    let all = until_last(ring);
    assert!(all.len() == 1 || all.len() == 2 && all[1].is_notification(), "{all:?}");
    all[0].result()
}

#[test]
fn datagrams_go_to_their_address() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = SockAddr::from(there.local_addr().unwrap());
    let send = op::SendZc::new(&here, b"dgram".as_ptr(), 5).address(to.as_ptr(), 16);
    assert_eq!(pair(&mut ring(), send).0.result(), Ok(5));
    let mut got = [0; 8];
    assert_eq!(there.recv_from(&mut got).unwrap(), (5, here.local_addr().unwrap()));
}

#[test]
fn messages_go_in_pieces() {
    let (here, mut there) = tcp_pair();
    let mut ring = ring();
    let mut vec = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
    let msg_iov = vec.as_mut_ptr().cast();
    let msg = Msghdr { msg_iov, msg_iovlen: 2, ..Msghdr::empty() };
    let send = op::SendMsgZc::new(&here, &msg).report_usage().flags(MsgFlags::WAITALL);
    assert_eq!(pair(&mut ring, send).0.result(), Ok(5));
    assert_eq!(pair(&mut ring, op::SendMsgZc::new(&here, &msg).poll_first()).0.result(), Ok(5));
    let mut got = [0; 10];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hellohello");
}

#[test]
fn messages_from_a_registered_buffer() {
    let (here, mut there) = tcp_pair();
    let (mut ring, bytes) = (ring(), b"hello, registered".to_vec());
    fix_buffer(&ring, &bytes);
    let mut vec = [IoSlice::new(&bytes[7..]), IoSlice::new(&bytes[..5])];
    let msg_iov = vec.as_mut_ptr().cast();
    let msg = Msghdr { msg_iov, msg_iovlen: 2, ..Msghdr::empty() };
    let send = op::SendMsgZc::new(&here, &msg).fixed_buffer(BufIndex(0));
    if first(&mut ring, send) == Err(Errno::EINVAL) {
        return common::skip("messages_from_a_registered_buffer", "not before Linux 6.15");
    }
    let mut got = [0; 15];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"registeredhello");
}

#[test]
fn vectorized_without_a_message() {
    let (here, mut there) = tcp_pair();
    let mut ring = ring();
    let vec = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
    let send = op::SendZc::vectorized(&here, vec.as_ptr().cast(), 2);
    if first(&mut ring, send) == Err(Errno::EINVAL) {
        return common::skip("vectorized_without_a_message", "Linux 6.17 or later");
    }
    let mut got = [0; 5];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}

#[test]
fn who_cannot_send_without_copying() {
    let (here, _there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let send = op::SendZc::new(&here, b"x".as_ptr(), 1);
    assert_eq!(first(&mut ring, send), Err(Errno::EOPNOTSUPP));
    let pipe = std::io::pipe().unwrap().1;
    let send = op::SendZc::new(&pipe, b"x".as_ptr(), 1);
    assert_eq!(first(&mut ring, send), Err(Errno::ENOTSOCK));
    // A completion that could be left out would leave the buffer's end untold.
    let (here, _there) = tcp_pair();
    let send = op::SendZc::new(&here, b"x".as_ptr(), 1).build().skip_success();
    assert_eq!(result(&mut ring, send), Err(Errno::EINVAL));
}

#[test]
fn a_failed_send_tells_when_its_buffer_is_free_too() {
    let (here, there) = tcp_pair();
    here.shutdown(std::net::Shutdown::Write).unwrap();
    let (sent, _) = pair(&mut ring(), op::SendZc::new(&here, b"x".as_ptr(), 1));
    assert_eq!(sent.result(), Err(Errno::EPIPE));
    drop(there);
}

#[test]
fn a_receive_without_copying_needs_a_registered_queue() {
    let (here, _there) = tcp_pair();
    let mut ring = Builder::new().entries(8).cqe32().build_local().unwrap();
    push(&mut ring, op::RecvZc::new(&here, 0));
    let cqe = wait(&mut ring, 1)[0].cqe;
    // A kernel that has no device's queues at all has no such operation.
    assert!(matches!(cqe.result(), Err(Errno::EINVAL | Errno::EOPNOTSUPP)), "{cqe:?}");
}

#[test]
fn a_receive_without_copying() {
    common::skip(
        "a_receive_without_copying",
        "a network device that splits headers from data (IORING_REGISTER_ZCRX_IFQ)",
    );
}

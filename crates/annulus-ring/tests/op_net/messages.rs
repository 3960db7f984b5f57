//! SENDMSG and RECVMSG: pieces, addresses, descriptors; and a multishot's buffers taken apart.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use annulus_ring::abi::{BufGroup, MsgFlags, Msghdr, SockAddr};
use annulus_ring::{Errno, op};

use crate::rig::{Group, push, result, ring, run, silent, until_last, wait};

const BG: BufGroup = BufGroup(3);
/// `SOL_SOCKET` and `SCM_RIGHTS`.
const RIGHTS: (i32, i32) = (1, 1);

/// Control data that passes one descriptor.
fn rights(fd: &impl AsRawFd) -> Vec<u8> {
    let mut bytes = (size_of::<usize>() + 12).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&RIGHTS.0.to_ne_bytes());
    bytes.extend_from_slice(&RIGHTS.1.to_ne_bytes());
    bytes.extend_from_slice(&fd.as_raw_fd().to_ne_bytes());
    bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
    bytes
}

/// Takes charge of the one descriptor that control data passes.
fn passed(control: op::ControlMessages<'_>) -> OwnedFd {
    let all: Vec<_> = control.collect();
    assert_eq!((all.len(), all[0].level, all[0].kind), (1, RIGHTS.0, RIGHTS.1));
    let fd = i32::from_ne_bytes(all[0].data.try_into().unwrap());
    // SAFETY: the kernel opened the descriptor for this receive, and the test takes it once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn msg(vec: &mut [IoSlice<'_>]) -> Msghdr {
    let msg_iov = vec.as_mut_ptr().cast();
    Msghdr { msg_iov, msg_iovlen: vec.len(), ..Msghdr::empty() }
}

fn msg_mut(vec: &mut [IoSliceMut<'_>]) -> Msghdr {
    let msg_iov = vec.as_mut_ptr().cast();
    Msghdr { msg_iov, msg_iovlen: vec.len(), ..Msghdr::empty() }
}

#[test]
fn pieces_are_gathered_and_scattered() {
    let (here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let mut out = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
    let out = msg(&mut out);
    assert_eq!(result(&mut ring, op::SendMsg::new(&here, &out)), Ok(5));
    let (mut a, mut b) = ([0; 3], [0; 4]);
    let mut vec = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    let mut into = msg_mut(&mut vec);
    assert_eq!(result(&mut ring, op::RecvMsg::new(&there, &mut into)), Ok(5));
    assert_eq!((&a, &b[..2]), (b"hel", &b"lo"[..]));
}

#[test]
fn a_receive_waits_and_poll_first_too() {
    let (mut here, there) = UnixStream::pair().unwrap();
    for poll_first in [false, true] {
        let (mut ring, mut bytes) = (ring(), [0; 8]);
        let mut vec = [IoSliceMut::new(&mut bytes)];
        let mut into = msg_mut(&mut vec);
        let recv = op::RecvMsg::new(&there, &mut into);
        push(&mut ring, if poll_first { recv.poll_first() } else { recv });
        silent(&mut ring);
        here.write_all(b"late").unwrap();
        assert_eq!(wait(&mut ring, 1)[0].result(), Ok(4));
    }
    let mut out = [IoSlice::new(b"x")];
    let out = msg(&mut out);
    assert_eq!(result(&mut ring(), op::SendMsg::new(&there, &out).poll_first()), Ok(1));
}

#[test]
fn a_descriptor_is_passed() {
    let (here, there) = UnixStream::pair().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut ring = ring();
    let (mut out, mut control) = ([IoSlice::new(b"x")], rights(&writer));
    let (msg_control, msg_controllen) = (control.as_mut_ptr().cast(), control.len());
    let out = Msghdr { msg_control, msg_controllen, ..msg(&mut out) };
    assert_eq!(result(&mut ring, op::SendMsg::new(&here, &out)), Ok(1));
    drop(writer);

    let (mut byte, mut control) = ([0], [0_u8; 64]);
    let mut vec = [IoSliceMut::new(&mut byte)];
    let msg_control = control.as_mut_ptr().cast();
    let mut into = Msghdr { msg_control, msg_controllen: 64, ..msg_mut(&mut vec) };
    let recv = op::RecvMsg::new(&there, &mut into).flags(MsgFlags::CMSG_CLOEXEC);
    assert_eq!(result(&mut ring, recv), Ok(1));
    assert_eq!(into.msg_flags & MsgFlags::CTRUNC, MsgFlags::empty());
    let writer = passed(op::ControlMessages::new(&control[..into.msg_controllen]));
    std::fs::File::from(writer).write_all(b"by hand").unwrap();
    let mut got = String::new();
    reader.read_to_string(&mut got).unwrap();
    assert_eq!(got, "by hand");
}

#[test]
fn the_sender_is_named_and_what_is_cut_off_is_said() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    here.send_to(b"hello", there.local_addr().unwrap()).unwrap();
    let (mut bytes, mut from) = ([0; 2], SockAddr::empty());
    let mut vec = [IoSliceMut::new(&mut bytes)];
    let (msg_name, _) = from.as_mut_ptrs();
    let mut into = Msghdr { msg_name, msg_namelen: 128, ..msg_mut(&mut vec) };
    let recv = op::RecvMsg::new(&there, &mut into);
    assert_eq!(result(&mut ring(), recv), Ok(2));
    assert!(into.msg_flags.contains(MsgFlags::TRUNC));
    let name = SockAddr::from_bytes(&from.as_bytes()[..into.msg_namelen as usize]).unwrap();
    assert_eq!(name.to_socket_addr(), Some(here.local_addr().unwrap()));
}

#[test]
fn a_message_is_sent_to_its_address() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = SockAddr::from(there.local_addr().unwrap());
    let mut out = [IoSlice::new(b"dgram")];
    let msg_name = to.as_ptr().cast_mut();
    let out = Msghdr { msg_name, msg_namelen: 16, ..msg(&mut out) };
    assert_eq!(result(&mut ring(), op::SendMsg::new(&here, &out)), Ok(5));
    let mut got = [0; 8];
    assert_eq!(there.recv_from(&mut got).unwrap(), (5, here.local_addr().unwrap()));
}

#[test]
fn bad_messages() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let null = std::ptr::null_mut();
    assert_eq!(result(&mut ring, op::SendMsg::new(&here, null)), Err(Errno::EFAULT));
    assert_eq!(result(&mut ring, op::RecvMsg::new(&here, null)), Err(Errno::EFAULT));
    let mut negative = Msghdr { msg_namelen: -1, ..Msghdr::empty() };
    negative.msg_name = std::ptr::dangling_mut();
    assert_eq!(result(&mut ring, op::SendMsg::new(&here, &negative)), Err(Errno::EINVAL));
    let many = Msghdr { msg_iovlen: 1025, ..Msghdr::empty() };
    let many = result(&mut ring, op::SendMsg::new(&here, &many));
    // Which of the two has changed between kernels.
    assert!(matches!(many, Err(Errno::EMSGSIZE | Errno::EINVAL)), "{many:?}");
    let mut none = Msghdr::empty();
    let recv = op::RecvMsg::new(&here, &mut none).flags(MsgFlags::DONTWAIT);
    assert_eq!(result(&mut ring, recv), Err(Errno::EAGAIN));
    there.write_all(b"x").unwrap();
    let pipe = std::io::pipe().unwrap().0;
    assert_eq!(result(&mut ring, op::SendMsg::new(&pipe, &none)), Err(Errno::ENOTSOCK));
    assert_eq!(result(&mut ring, op::RecvMsg::new(&pipe, &mut none)), Err(Errno::ENOTSOCK));
}

#[test]
fn a_group_gives_the_bytes_their_place() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 4, 16);
    here.write_all(b"hello").unwrap();
    let mut none = Msghdr::empty();
    let cqe = run(&mut ring, op::RecvMsg::with_group(&there, &mut none, BG));
    assert_eq!(group.received(&cqe), b"hello");
    // One element bounds the length, two are too many.
    here.write_all(b"again").unwrap();
    let mut bound = [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])];
    let mut two = msg_mut(&mut bound);
    let recv = op::RecvMsg::with_group(&there, &mut two, BG);
    assert_eq!(result(&mut ring, recv), Err(Errno::EINVAL));
}

#[test]
fn a_multishot_leaves_senders_and_bytes_in_each_buffer() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 2, 64);
    let mut into = Msghdr { msg_namelen: 16, ..Msghdr::empty() };
    push(&mut ring, op::RecvMsg::with_group(&there, &mut into, BG).multishot());
    silent(&mut ring);
    here.send_to(b"one", there.local_addr().unwrap()).unwrap();
    let mut cqes = wait(&mut ring, 1);
    here.send_to(b"two!", there.local_addr().unwrap()).unwrap();
    cqes.extend(until_last(&mut ring));
    for (cqe, bytes) in cqes.iter().zip([&b"one"[..], b"two!"]) {
        let out = op::RecvMsgOut::parse(group.received(cqe), &into).unwrap();
        assert_eq!((out.payload(), out.header().payloadlen as usize), (bytes, bytes.len()));
        let from = SockAddr::from_bytes(out.name()).unwrap().to_socket_addr();
        assert_eq!(from, Some(here.local_addr().unwrap()));
        assert!(!out.is_name_truncated() && !out.is_payload_truncated());
    }
    assert_eq!((cqes.len(), cqes[2].result()), (3, Err(Errno::ENOBUFS)));
}

#[test]
fn a_multishot_cuts_off_what_has_no_room() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 2, 16 + 8 + 4);
    let mut into = Msghdr { msg_namelen: 8, ..Msghdr::empty() };
    push(&mut ring, op::RecvMsg::with_group(&there, &mut into, BG).multishot());
    here.send_to(b"longer", there.local_addr().unwrap()).unwrap();
    let cqe = wait(&mut ring, 1)[0];
    let out = op::RecvMsgOut::parse(group.received(&cqe), &into).unwrap();
    assert_eq!((out.payload(), out.name().len()), (&b"long"[..], 8));
    assert!(out.is_payload_truncated() && out.is_name_truncated());
    assert_eq!(out.header().namelen, 16);
}

#[test]
fn a_multishot_passes_descriptors() {
    let (here, there) = UnixDatagram::pair().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 2, 128);
    let mut into = Msghdr { msg_controllen: 32, ..Msghdr::empty() };
    push(&mut ring, op::RecvMsg::with_group(&there, &mut into, BG).multishot());
    let (mut out, mut control) = ([IoSlice::new(b"fd")], rights(&writer));
    let (msg_control, msg_controllen) = (control.as_mut_ptr().cast(), control.len());
    let out = Msghdr { msg_control, msg_controllen, ..msg(&mut out) };
    push(&mut ring, op::SendMsg::new(&here, &out).build().user_data(1).skip_success());
    let cqe = wait(&mut ring, 1)[0];
    let out = op::RecvMsgOut::parse(group.received(&cqe), &into).unwrap();
    assert_eq!((out.payload(), out.is_control_truncated()), (&b"fd"[..], false));
    drop(writer);
    std::fs::File::from(passed(out.control_messages())).write_all(b"by hand").unwrap();
    let mut got = String::new();
    reader.read_to_string(&mut got).unwrap();
    assert_eq!(got, "by hand");
}

#[test]
fn a_multishot_needs_a_group_with_room() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let mut into = Msghdr { msg_namelen: 100, ..Msghdr::empty() };
    let without = op::RecvMsg::new(&there, &mut into).multishot();
    assert_eq!(result(&mut ring, without), Err(Errno::EINVAL));
    let _group = Group::new(&ring, BG, 2, 64);
    here.write_all(b"x").unwrap();
    let narrow = op::RecvMsg::with_group(&there, &mut into, BG).multishot();
    assert_eq!(result(&mut ring, narrow), Err(Errno::EFAULT));
}

//! `Bytes` and `BytesMut` as buffers: the feature `bytes`. Without a system call: for Miri too.

mod buffers;

use annulus_runtime::buffer::{IoBuf, IoBufMut, IoVecBufMut, Iovecs};
use bytes::{Bytes, BytesMut};

use buffers::{read, readv, write};

#[test]
fn shared_bytes_are_written_from() {
    let shared = Bytes::from(b"shared ring".to_vec());
    // Its own method, not the trait's.
    let ring = Bytes::slice(&shared, 7..);
    assert_eq!((write(&shared), write(&ring)), (b"shared ring".to_vec(), b"ring".to_vec()));
    assert_eq!(write(&Bytes::from_static(b"ring")), b"ring");
    assert_eq!(write(&Bytes::from_owner(*b"ring")), b"ring");
    assert_eq!(write(&shared.slice(..6)), b"shared");
}

#[test]
fn a_read_fills_the_capacity() {
    let mut buf = BytesMut::with_capacity(64);
    buf.extend_from_slice(b"ab");
    let total = buf.bytes_total();
    assert!(total >= 64 && buf.slice_max() == total);
    assert_eq!(read(&mut buf, &vec![7; total + 1]), total);
    assert_eq!(buf[..], vec![7; total]);
}

#[test]
fn a_short_read_keeps_what_was_there() {
    let mut buf = BytesMut::from(&b"abcd"[..]);
    read(&mut buf, b"01");
    assert_eq!(buf[..], *b"01cd");
}

#[test]
fn a_part_that_was_split_off_is_left_alone() {
    let mut head = BytesMut::from(&b"headtail"[..]);
    let tail = head.split_off(4);
    assert_eq!(head.bytes_total(), 4);
    assert_eq!(read(&mut head, b"0123456789"), 4);
    assert_eq!((&head[..], &tail[..]), (&b"0123"[..], &b"tail"[..]));
    let mut slice = tail.slice(2..4);
    read(&mut slice, b"xy");
    assert_eq!(slice.into_inner()[..], *b"taxy");
}

#[test]
fn a_header_and_a_body() {
    let mut bufs = (BytesMut::with_capacity(2), BytesMut::with_capacity(16));
    // A capacity is at least what was asked for.
    let first = bufs.0.bytes_total();
    let iovecs = Iovecs::for_read(&mut bufs, 0);
    assert_eq!(readv(&iovecs, &vec![1; first + 3]), first + 3);
    // SAFETY: so many were written.
    unsafe { bufs.vec_set_init(first + 3) };
    assert_eq!((bufs.0.len(), &bufs.1[..]), (first, &[1; 3][..]));
}

//! Buffers of a group: selected, multishot, bundled, limited.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixStream};

use annulus_ring::abi::{BufGroup, Cqe, CqeFlags, Features, MsgFlags};
use annulus_ring::{Errno, LocalRing, op};

use crate::common::skip;
use crate::rig::{Group, has, push, result, ring, run, silent, until_last, wait};
use crate::tcp_pair;

const BG: BufGroup = BufGroup(7);

#[test]
fn the_kernel_picks_a_buffer_when_bytes_are_there() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 4, 16);
    push(&mut ring, op::Recv::with_group(&there, BG, 0));
    silent(&mut ring);
    here.write_all(b"hello").unwrap();
    let cqe = wait(&mut ring, 1)[0];
    assert_eq!((cqe.buffer_id(), group.received(&cqe)), (Some(0), &b"hello"[..]));
    here.write_all(b"again").unwrap();
    let cqe = run(&mut ring, op::Recv::with_group(&there, BG, 3));
    assert_eq!((cqe.buffer_id(), group.received(&cqe)), (Some(1), &b"aga"[..]));
}

#[test]
fn an_empty_group_has_no_buffers() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    here.write_all(b"hello").unwrap();
    // No such group, then one that is used up.
    let recv = op::Recv::with_group(&there, BG, 0);
    assert_eq!(result(&mut ring, recv), Err(Errno::ENOBUFS));
    let mut group = Group::new(&ring, BG, 1, 2);
    assert_eq!(run(&mut ring, recv).buffer_id(), Some(0));
    assert_eq!(result(&mut ring, recv), Err(Errno::ENOBUFS));
    group.give(0);
    assert_eq!(group.received(&run(&mut ring, recv)), b"ll");
}

/// Completions of a multishot: what each brought, and whether each had `MORE`.
fn brought(group: &Group, cqes: &[Cqe]) -> Vec<(Vec<u8>, bool)> {
    cqes.iter().map(|cqe| (group.received(cqe).to_vec(), cqe.has_more())).collect()
}

#[test]
fn a_multishot_receives_until_the_group_runs_dry() {
    let (here, there) = UnixDatagram::pair().unwrap();
    let mut ring = ring();
    let mut group = Group::new(&ring, BG, 2, 16);
    let recv = op::Recv::with_group(&there, BG, 0).multishot();
    push(&mut ring, recv);
    silent(&mut ring);
    here.send(b"one").unwrap();
    assert_eq!(brought(&group, &wait(&mut ring, 1)), [(b"one".to_vec(), true)]);
    // It ends with the last buffer, whether or not more is there.
    here.send(b"two").unwrap();
    here.send(b"three").unwrap();
    let rest = until_last(&mut ring);
    assert_eq!(brought(&group, &rest[..1]), [(b"two".to_vec(), true)]);
    assert_eq!((rest.len(), rest[1].result()), (2, Err(Errno::ENOBUFS)));
    // Nothing is lost: the datagram waits for the next.
    group.give(1);
    push(&mut ring, recv);
    let cqe = until_last(&mut ring)[0];
    assert_eq!((group.received(&cqe), cqe.buffer_id()), (&b"three"[..], Some(1)));
}

#[test]
fn a_multishot_ends_with_the_stream() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 4, 16);
    push(&mut ring, op::Recv::with_group(&there, BG, 0).multishot());
    here.write_all(b"bytes").unwrap();
    assert_eq!(brought(&group, &wait(&mut ring, 1)), [(b"bytes".to_vec(), true)]);
    here.shutdown(Shutdown::Write).unwrap();
    let end = wait(&mut ring, 1)[0];
    assert_eq!((end.result(), end.has_more()), (Ok(0), false));
}

#[test]
fn a_multishot_ends_with_the_stream_behind_its_last_bytes() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 4, 16);
    push(&mut ring, op::Recv::with_group(&there, BG, 0).multishot());
    silent(&mut ring);
    // Both before anybody looks: no change comes behind them.
    here.write_all(b"bytes").unwrap();
    drop(here);
    let cqes = until_last(&mut ring);
    assert_eq!(brought(&group, &cqes[..1]), [(b"bytes".to_vec(), true)]);
    assert_eq!((cqes.len(), cqes[1].result()), (2, Ok(0)));
}

#[test]
fn a_multishot_is_cancelled() {
    let (_here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let _group = Group::new(&ring, BG, 4, 16);
    push(&mut ring, op::Recv::with_group(&there, BG, 0).multishot().build().user_data(1));
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2).skip_success());
    let end = wait(&mut ring, 1)[0];
    assert_eq!((end.user_data, end.result()), (1, Err(Errno::ECANCELED)));
    assert!(!end.has_more());
}

#[test]
fn a_multishot_takes_at_most_so_much_at_a_time_and_in_all() {
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 8, 16);
    let recv = op::Recv::with_group(&there, BG, 4).multishot().total_len(8);
    here.write_all(b"abcdefghij").unwrap();
    push(&mut ring, recv);
    let cqes = until_last(&mut ring);
    if cqes[0].result() == Err(Errno::EINVAL) {
        let name = "a_multishot_takes_at_most_so_much_at_a_time_and_in_all";
        return skip(name, "no limit in all before Linux 6.17");
    }
    let expected = [(b"abcd".to_vec(), true), (b"efgh".to_vec(), false)];
    assert_eq!(brought(&group, &cqes), expected);
    silent(&mut ring);
    // The rest is still there.
    assert_eq!(group.received(&run(&mut ring, op::Recv::with_group(&there, BG, 0))), b"ij");
}

fn refused(ring: &mut LocalRing, recv: op::Recv) {
    assert_eq!(result(ring, recv), Err(Errno::EINVAL), "{recv:?}");
}

#[test]
fn what_needs_a_group_is_refused_without() {
    let (_here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 16]);
    let _group = Group::new(&ring, BG, 4, 16);
    let plain = op::Recv::new(&there, buf.as_mut_ptr(), 16);
    refused(&mut ring, plain.multishot());
    refused(&mut ring, plain.total_len(4));
    refused(&mut ring, op::Recv::with_group(&there, BG, 0).multishot().flags(MsgFlags::WAITALL));
}

/// Whether this kernel says that it has no bundles: the test `name` is skipped.
fn has_no_bundles(name: &str) -> bool {
    let none = !ring().features().contains(Features::RECVSEND_BUNDLE);
    if none {
        skip(name, "no bundles, and no sending from a group, before Linux 6.10");
    }
    none
}

#[test]
fn a_receiving_bundle_of_one_buffer_is_that_buffer() {
    if has_no_bundles("a_receiving_bundle_of_one_buffer_is_that_buffer") {
        return;
    }
    let (mut here, there) = UnixStream::pair().unwrap();
    let (mut ring, mut buf) = (ring(), [0_u8; 16]);
    here.write_all(b"hello").unwrap();
    let recv = op::Recv::new(&there, buf.as_mut_ptr(), 16).bundle();
    assert_eq!(result(&mut ring, recv), Ok(5));
}

#[test]
fn a_sending_bundle_without_a_group_completes_twice() {
    // Not refused by this kernel: what counts is that nobody frees the buffer at the first.
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    push(&mut ring, op::Send::new(&here, b"x".as_ptr(), 1).bundle());
    let all = until_last(&mut ring);
    if all[0].result() != Err(Errno::EINVAL) {
        assert_eq!((all[0].result(), all.last().unwrap().result()), (Ok(1), Ok(0)));
        assert_eq!(there.read(&mut [0; 2]).unwrap(), 1);
    }
}

#[test]
fn a_bundle_fills_buffer_after_buffer() {
    if has_no_bundles("a_bundle_fills_buffer_after_buffer") {
        return;
    }
    let (mut here, there) = tcp_pair();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 8, 4);
    here.write_all(b"abcdefghij").unwrap();
    // Several buffers at once, but not always all that could be filled: two, then the rest.
    let cqe = run(&mut ring, op::Recv::with_group(&there, BG, 0).bundle());
    let first = cqe.result().unwrap();
    assert_eq!((cqe.buffer_id(), first > 4), (Some(0), true));
    if first < 10 {
        let rest = run(&mut ring, op::Recv::with_group(&there, BG, 0).bundle());
        assert_eq!(rest.buffer_id(), Some(first.div_ceil(4) as u16));
        assert_eq!(rest.result(), Ok(10 - first));
    }
    assert_eq!(group.bytes(0, 10), b"abcdefghij");
    // Three are used: the next is the fourth.
    here.write_all(b"xy").unwrap();
    let cqe = run(&mut ring, op::Recv::with_group(&there, BG, 0).bundle());
    assert_eq!((cqe.buffer_id(), group.received(&cqe)), (Some(3), &b"xy"[..]));
}

#[test]
fn a_multishot_bundle_goes_on() {
    if has_no_bundles("a_multishot_bundle_goes_on") {
        return;
    }
    let (mut here, there) = tcp_pair();
    let mut ring = ring();
    let group = Group::new(&ring, BG, 8, 4);
    push(&mut ring, op::Recv::with_group(&there, BG, 0).multishot().bundle());
    silent(&mut ring);
    here.write_all(b"abcdef").unwrap();
    let cqe = wait(&mut ring, 1)[0];
    assert_eq!((cqe.result(), cqe.buffer_id(), cqe.has_more()), (Ok(6), Some(0), true));
    assert_eq!(group.bytes(0, 6), b"abcdef");
    here.write_all(b"gh").unwrap();
    let cqe = wait(&mut ring, 1)[0];
    assert_eq!((cqe.buffer_id(), group.received(&cqe)), (Some(2), &b"gh"[..]));
    assert!(has(&cqe, CqeFlags::MORE | CqeFlags::BUFFER));
}

#[test]
fn a_send_takes_a_buffer_or_all_of_them() {
    if has_no_bundles("a_send_takes_a_buffer_or_all_of_them") {
        return;
    }
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut ring = ring();
    let mut group = Group::new(&ring, BG, 4, 2);
    for (id, bytes) in [b"he", b"ll", b"o!", b"??"].into_iter().enumerate() {
        group.fill(id as u16, bytes);
    }
    let one = run(&mut ring, op::Send::with_group(&here, BG, 0));
    assert_eq!((one.result(), one.buffer_id()), (Ok(2), Some(0)));
    // The bundle sends the other three; then none is left, and it is done.
    push(&mut ring, op::Send::with_group(&here, BG, 0).bundle());
    let all = wait(&mut ring, 1)[0];
    assert_eq!((all.result(), all.buffer_id(), all.has_more()), (Ok(6), Some(1), false));
    let mut got = [0; 8];
    there.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello!??");
    let none = op::Send::with_group(&here, BG, 0);
    assert_eq!(result(&mut ring, none), Err(Errno::ENOBUFS));
}

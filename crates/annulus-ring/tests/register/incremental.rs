//! Buffers that are used up piece by piece.

use std::io::Write;
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{BufGroup, Cqe, CqeFlags, Sqe};
use annulus_ring::register::{BufRingOptions, Buffer, BufferRing, Detached};
use annulus_ring::{Errno, LocalRing, op};

use crate::common::skip;
use crate::files_rig;
use crate::rig::{push, ring, wait};

const GROUP: BufGroup = BufGroup(1);

fn buffers(ring: &LocalRing, count: u32, bytes: u32) -> Detached<BufferRing<'static>> {
    let options = BufRingOptions::new(GROUP, count.next_power_of_two()).incremental();
    BufferRing::fill(options.register(ring.register()).unwrap(), count, bytes).unwrap().detach()
}

/// Whether this kernel refuses such a ring of buffers: the test `name` is skipped.
fn are_refused(name: &str) -> bool {
    let ring = ring();
    let plain = BufRingOptions::new(GROUP, 2);
    drop(plain.register(ring.register()).expect("a ring of buffers"));
    let refused = plain.incremental().register(ring.register()).is_err();
    if refused {
        skip(name, "no buffers are used up piece by piece before Linux 6.12");
    }
    refused
}

fn take<'b, 'r>(buffers: &'b BufferRing<'r>, cqe: &Cqe) -> Option<Buffer<'b, 'r>> {
    // SAFETY: a completion of the test's ring, for this group, passed once and in order.
    unsafe { buffers.take(cqe) }
}

fn available(ring: &LocalRing, buffers: &BufferRing<'_>) -> u16 {
    let shown = buffers.tail();
    shown.wrapping_sub(ring.register().buf_ring_head(GROUP).unwrap())
}

fn receive(from: &UnixStream) -> Sqe {
    op::Recv::with_group(from, GROUP, 0).into()
}

fn run(ring: &mut LocalRing, entry: impl Into<Sqe>) -> Cqe {
    push(ring, entry);
    wait(ring, 1)[0]
}

#[test]
fn a_buffer_serves_until_it_is_full() {
    if are_refused("a_buffer_serves_until_it_is_full") {
        return;
    }
    let mut ring = ring();
    let buffers = buffers(&ring, 2, 8);
    let (receiver, mut sender) = UnixStream::pair().unwrap();
    let mut parts = Vec::new();
    // 3 + 3 + 2 fill the first buffer, and the next byte begins the second.
    for (text, id, has_more) in
        [("abc", 0, true), ("def", 0, true), ("gh", 0, false), ("i", 1, true)]
    {
        sender.write_all(text.as_bytes()).unwrap();
        let cqe = run(&mut ring, receive(&receiver));
        assert_eq!(cqe.flags.contains(CqeFlags::BUF_MORE), has_more, "{text}: {cqe:?}");
        let part = take(&buffers, &cqe).unwrap();
        assert_eq!((part.id(), &*part), (id, text.as_bytes()));
        parts.push(part);
    }
    let joined: Vec<u8> = parts[..3].iter().flat_map(|part| part.to_vec()).collect();
    assert_eq!(joined, b"abcdefgh", "earlier parts stay as they were");
    assert_eq!(available(&ring, &buffers), 1);

    // It goes back with the last of its parts, not with the one that filled it.
    parts.truncate(3);
    drop(parts.pop());
    drop(parts.pop());
    assert_eq!(available(&ring, &buffers), 1);
    drop(parts.pop());
    assert_eq!(available(&ring, &buffers), 2);

    // And is used from its beginning again, after the second.
    sender.write_all(b"12345678").unwrap();
    let cqe = run(&mut ring, receive(&receiver));
    let seven = take(&buffers, &cqe).unwrap();
    assert_eq!((seven.id(), &*seven), (1, &b"1234567"[..]));
    let cqe = run(&mut ring, receive(&receiver));
    let one = take(&buffers, &cqe).unwrap();
    assert_eq!((one.id(), &*one), (0, &b"8"[..]));
}

#[test]
fn nothing_received_uses_nothing_up() {
    if are_refused("nothing_received_uses_nothing_up") {
        return;
    }
    let mut ring = ring();
    let buffers = buffers(&ring, 1, 8);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let read = || op::Read::new(&reader, std::ptr::null_mut(), 0).build().buffer_select(GROUP);
    writer.write_all(b"abc").unwrap();
    let cqe = run(&mut ring, read());
    assert_eq!(&*take(&buffers, &cqe).unwrap(), b"abc");
    drop(writer);
    for _ in 0..3 {
        let end = run(&mut ring, read());
        assert_eq!(end.result(), Ok(0));
        // The kernel may name the buffer here, without BUF_MORE, and yet it is still in the ring.
        assert!(take(&buffers, &end).is_none(), "{end:?}");
        assert_eq!(available(&ring, &buffers), 1);
    }
}

#[test]
fn a_multishot_receive_goes_through_all_buffers() {
    if are_refused("a_multishot_receive_goes_through_all_buffers") {
        return;
    }
    let mut ring = ring();
    let buffers = buffers(&ring, 4, 8);
    let (receiver, mut sender) = UnixStream::pair().unwrap();
    push(&mut ring, op::Recv::with_group(&receiver, GROUP, 0).multishot());
    ring.submit().unwrap();
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for n in 0..200u32 {
        let text = format!("{n:03}");
        sender.write_all(text.as_bytes()).unwrap();
        sent.extend_from_slice(text.as_bytes());
        while received.len() < sent.len() {
            ring.submit_and_wait(1).unwrap();
            for cqe in ring.completions().unwrap() {
                assert!(cqe.has_more() && cqe.res > 0, "{cqe:?}");
                received.extend_from_slice(&take(&buffers, &cqe).unwrap());
            }
        }
    }
    assert_eq!(received, sent);
    drop(sender);
    let last = wait(&mut ring, 1)[0];
    assert!(!last.has_more() && last.res == 0, "{last:?}");
}

#[test]
fn a_bundle_ends_inside_a_buffer() {
    if are_refused("a_bundle_ends_inside_a_buffer") {
        return;
    }
    let mut ring = ring();
    let buffers = buffers(&ring, 4, 4);
    let (receiver, mut sender) = UnixStream::pair().unwrap();
    let (mut sent, mut received, mut longest) = (0, Vec::new(), 0);
    for text in ["abcdef", "gh", "ijklm"] {
        sender.write_all(text.as_bytes()).unwrap();
        sent += text.len();
        // How many buffers one receive fills is the kernel's guess.
        while received.len() < sent {
            let cqe = run(&mut ring, op::Recv::with_group(&receiver, GROUP, 0).bundle());
            // SAFETY: a completion of this ring, for this group, passed once and in order.
            let parts: Vec<_> = unsafe { buffers.take_bundle(&cqe) }.collect();
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
            assert_eq!(cqe.result(), Ok(bytes.len() as u32));
            received.extend(bytes);
            longest = longest.max(parts.len());
        }
    }
    if longest == 1 {
        return skip("a_bundle_ends_inside_a_buffer", "local sockets have none in this kernel");
    }
    assert_eq!(received, b"abcdefghijklm");
    // Three were filled and came back; the fourth holds the last byte.
    assert_eq!(available(&ring, &buffers), 4);
}

/// Why the options' page says "for files that are waited for".
#[test]
fn a_read_from_a_regular_file_uses_up_what_it_asked_for() {
    if are_refused("a_read_from_a_regular_file_uses_up_what_it_asked_for") {
        return;
    }
    let mut ring = ring();
    let buffers = buffers(&ring, 1, 4096);
    let dir = files_rig::TempDir::new();
    let file = dir.file("short", b"ten bytes.");
    let read = op::Read::new(&file, std::ptr::null_mut(), 100).offset(0);
    let cqe = run(&mut ring, read.build().buffer_select(GROUP));
    assert_eq!((cqe.result(), cqe.buffer_id()), (Ok(10), Some(0)));
    assert_eq!(&*take(&buffers, &cqe).unwrap(), b"ten bytes.");
    // Ten bytes came, a hundred were used up: the next read lands where nobody looks for it.
    let read = op::Read::new(&file, std::ptr::null_mut(), 100).offset(0);
    let cqe = run(&mut ring, read.build().buffer_select(GROUP));
    assert_eq!((cqe.result(), cqe.buffer_id()), (Ok(10), Some(0)));
    assert_eq!(*take(&buffers, &cqe).unwrap(), [0; 10]);
}

#[test]
fn the_least_that_may_be_left_is_a_later_kernel_s() {
    let ring = ring();
    let options = BufRingOptions::new(GROUP, 2).incremental().min_left_bytes(64);
    if let Err(error) = options.register(ring.register()) {
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    }
}

//! Rings of buffers that bring their own memory.

use std::io::{PipeReader, Write};
use std::os::unix::net::UnixStream;

use annulus_ring::abi::{BufGroup, Cqe, CqeFlags, Op, RegisterOp, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::register::{BufRingOptions, Buffer, BufferRing};
use annulus_ring::{CompletionQueue, Errno, Local, RingOf, SubmissionQueue, Submitter, op};

use crate::common::{lacks, lacks_registration, may_not_lock, skip};
use crate::rig::ring;

const GROUP: BufGroup = BufGroup(1);

fn read(from: &PipeReader) -> Sqe {
    op::Read::new(from, std::ptr::null_mut(), 0).build().buffer_select(GROUP)
}

/// The parts of a ring beside its buffers.
struct Parts<'a, K: Kernel>(&'a mut SubmissionQueue, &'a mut CompletionQueue, &'a Submitter<K>);

impl<'a, K: Kernel> Parts<'a, K> {
    fn of(ring: &'a mut RingOf<Local, Sqe, Cqe, K>) -> Self {
        let (sq, cq, submitter) = ring.parts();
        Self(sq, cq, submitter)
    }

    fn run(&mut self, entry: impl Into<Sqe>) -> Cqe {
        // SAFETY: the kernel picks from a group whose memory lives to the end of the test.
        unsafe { self.0.push(entry) }.unwrap();
        self.2.submit_and_wait(self.0, 1).unwrap();
        self.1.completions().unwrap().next().unwrap()
    }
}

fn take<'b, 'r, K: Kernel>(buffers: &'b BufferRing<'r, K>, cqe: &Cqe) -> Option<Buffer<'b, 'r, K>> {
    // SAFETY: a completion of the test's ring, for this group, passed once.
    unsafe { buffers.take(cqe) }
}

#[test]
fn what_came_is_lent_and_goes_back() {
    if lacks_registration("what_came_is_lent_and_goes_back", RegisterOp::PBUF_STATUS) {
        return;
    }
    let mut ring = ring();
    let mut parts = Parts::of(&mut ring);
    let buffers = BufferRing::new(parts.2.register(), GROUP, 2, 16).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b'a'; 16]).unwrap();
    writer.write_all(b"bb").unwrap();
    let first = take(&buffers, &parts.run(read(&reader))).unwrap();
    let mut second = take(&buffers, &parts.run(read(&reader))).unwrap();
    assert_eq!((&*first, &*second), (&[b'a'; 16][..], &b"bb"[..]));
    assert_ne!(first.id(), second.id());
    assert_eq!(buffers.available().unwrap(), 0);

    writer.write_all(b"c").unwrap();
    let none = parts.run(read(&reader));
    assert_eq!((none.result(), none.buffer_id()), (Err(Errno::ENOBUFS), None));
    assert!(take(&buffers, &none).is_none());

    second[0] = b'B';
    assert_eq!(second.as_ref(), b"Bb");
    let id = second.id();
    drop(second);
    assert_eq!(buffers.available().unwrap(), 1);
    let third = take(&buffers, &parts.run(read(&reader))).unwrap();
    assert_eq!((third.id(), &*third), (id, &b"c"[..]));
    drop((first, third));
    assert_eq!(buffers.available().unwrap(), 2);
}

#[test]
fn an_end_of_file_gives_its_buffer_back() {
    if lacks_registration("an_end_of_file_gives_its_buffer_back", RegisterOp::PBUF_STATUS) {
        return;
    }
    let mut ring = ring();
    let mut parts = Parts::of(&mut ring);
    let buffers = BufferRing::new(parts.2.register(), GROUP, 1, 16).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(writer);
    for _ in 0..3 {
        let end = parts.run(read(&reader));
        assert_eq!(end.result(), Ok(0));
        // Whether the kernel took a buffer for nothing is its own affair: none may be lost.
        drop(take(&buffers, &end));
        assert_eq!(buffers.available().unwrap(), 1);
    }
}

#[test]
fn a_completion_that_is_passed_twice_is_lent_once() {
    if lacks_registration("a_completion_that_is_passed_twice_is_lent_once", RegisterOp::PBUF_STATUS)
    {
        return;
    }
    let mut ring = ring();
    let mut parts = Parts::of(&mut ring);
    let buffers = BufferRing::new(parts.2.register(), GROUP, 2, 16).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"x").unwrap();
    let cqe = parts.run(read(&reader));
    let first = take(&buffers, &cqe).unwrap();
    assert!(take(&buffers, &cqe).is_none());
    drop(first);
    // Nor one that names what is not there, or is longer than a buffer.
    let of = |id: u32, res| Cqe { res, flags: CqeFlags(1 | id << 16), ..Cqe::default() };
    assert!(take(&buffers, &of(2, 1)).is_none());
    assert!(take(&buffers, &of(0, 17)).is_none());
    assert_eq!(buffers.available().unwrap(), 2);
}

#[test]
fn a_multishot_read_fills_one_after_the_other_and_ends_when_none_is_left() {
    if lacks(
        "a_multishot_read_fills_one_after_the_other_and_ends_when_none_is_left",
        Op::READ_MULTISHOT,
    ) {
        return;
    }
    let mut ring = ring();
    let parts = Parts::of(&mut ring);
    let buffers = BufferRing::new(parts.2.register(), GROUP, 4, 1).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: the kernel picks from a group whose memory lives to the end of the test.
    unsafe { parts.0.push(op::ReadMultishot::new(&reader, GROUP)) }.unwrap();
    writer.write_all(b"abcdefgh").unwrap();
    let mut seen = Vec::new();
    let mut held = Vec::new();
    'all: loop {
        parts.2.submit_and_wait(parts.0, 1).unwrap();
        for cqe in parts.1.completions().unwrap() {
            if let Some(buffer) = take(&buffers, &cqe) {
                seen.extend_from_slice(&buffer);
                held.push(buffer);
            }
            if !cqe.has_more() {
                assert_eq!(cqe.result(), Err(Errno::ENOBUFS));
                break 'all;
            }
        }
    }
    assert_eq!(seen, b"abcd");
    drop(held);
    assert_eq!(buffers.available().unwrap(), 4);
}

#[test]
fn a_bundle_is_lent_buffer_by_buffer() {
    if lacks_registration("a_bundle_is_lent_buffer_by_buffer", RegisterOp::PBUF_STATUS) {
        return;
    }
    let mut ring = ring();
    let mut parts = Parts::of(&mut ring);
    let buffers = BufferRing::new(parts.2.register(), GROUP, 4, 4).unwrap();
    let (receiver, mut sender) = UnixStream::pair().unwrap();
    let mut longest = 0;
    for text in [&b"0123456789"[..], b"abcdefghij", b"klm"] {
        sender.write_all(text).unwrap();
        let mut received = Vec::new();
        // How many buffers one receive fills is the kernel's guess.
        while received.len() < text.len() {
            let cqe = parts.run(op::Recv::with_group(&receiver, GROUP, 0).bundle());
            // SAFETY: a completion of this ring, for this group, passed once.
            let bundle: Vec<_> = unsafe { buffers.take_bundle(&cqe) }.collect();
            assert_eq!(usize::from(buffers.available().unwrap()), 4 - bundle.len());
            let bytes: Vec<u8> = bundle.iter().flat_map(|part| part.to_vec()).collect();
            assert_eq!(cqe.result(), Ok(bytes.len() as u32));
            assert_eq!(bundle.len(), bytes.len().div_ceil(4));
            longest = longest.max(bundle.len());
            received.extend(bytes);
        }
        assert_eq!(received, text);
    }
    if longest == 1 {
        return skip("a_bundle_is_lent_buffer_by_buffer", "local sockets have none in this kernel");
    }
    // Of a bundle that is not looked at, everything goes back.
    sender.write_all(b"0123456789").unwrap();
    let cqe = parts.run(op::Recv::with_group(&receiver, GROUP, 0).bundle());
    // SAFETY: as above.
    drop(unsafe { buffers.take_bundle(&cqe) });
    assert_eq!(buffers.available().unwrap(), 4);
}

#[test]
fn the_longest_ring_and_the_longest_use() {
    if may_not_lock("the_longest_ring_and_the_longest_use", 1024 << 10) {
        return;
    }
    if lacks_registration("the_longest_ring_and_the_longest_use", RegisterOp::PBUF_STATUS) {
        return;
    }
    let mut ring = ring();
    let mut parts = Parts::of(&mut ring);
    let buffers = BufferRing::new(parts.2.register(), GROUP, 32_768, 2).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // More than two laps of the ring, and one of its tail.
    for lap in 0..70_000u32 {
        writer.write_all(&(lap as u16).to_ne_bytes()).unwrap();
        let buffer = take(&buffers, &parts.run(read(&reader))).unwrap();
        assert_eq!(*buffer, (lap as u16).to_ne_bytes());
        assert_eq!(u32::from(buffer.id()), lap % 32_768);
    }
    assert_eq!(buffers.available().unwrap(), 32_768);
}

#[test]
fn what_cannot_be_filled_is_refused() {
    let ring = ring();
    let new = |count, bytes| BufferRing::new(ring.register(), GROUP, count, bytes);
    assert!(new(0, 16).is_err() && new(4, 0).is_err() && new(32_769, 16).is_err());
    assert_eq!(new(5, 16).unwrap().len(), 5);
    let options = BufRingOptions::new(GROUP, 4);
    assert!(BufferRing::fill(options.register(ring.register()).unwrap(), 5, 16).is_err());
    let mut used = options.register(ring.register()).unwrap();
    let mut memory = [0u8; 16];
    // SAFETY: no operation is given the group, and it is dropped before the memory.
    unsafe { used.add(memory.as_mut_ptr(), 16, 0) };
    assert!(BufferRing::fill(used, 4, 16).is_err());
    // Each refusal gave the group up.
    drop(new(4, 16).unwrap());
}

#[test]
fn detached_it_works_on_and_attached_it_ends() {
    let mut ring = ring();
    let buffers = BufferRing::new(ring.register(), GROUP, 2, 16).unwrap().detach();
    let (reader, mut writer) = std::io::pipe().unwrap();
    for _ in 0..5 {
        writer.write_all(b"on").unwrap();
        let cqe = Parts::of(&mut ring).run(read(&reader));
        assert_eq!(&*take(&buffers, &cqe).unwrap(), b"on");
    }
    // SAFETY: it is the ring that they were registered with.
    drop(unsafe { buffers.attach(ring.register()) });
    assert!(ring.register().buf_ring_head(GROUP).is_err());
}

//! The buffer table.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::ptr;

use annulus_ring::abi::{BufIndex, Iovec, RegisterOp};
use annulus_ring::register::{CloneFrom, Register};
use annulus_ring::{Errno, LocalRing, op};

use crate::common::{lacks_registration, only_on_linux, skip};
use crate::rig::{keep, push, result, ring, silent, wait};
use crate::{errno, files_rig};

/// Memory that is never freed: the kernel may hold it a moment longer than its ring lives.
fn memory(bytes: usize) -> &'static mut [u8] {
    let memory = vec![0u8; bytes].leak();
    keep(memory.as_ptr().addr());
    memory
}

fn piece(memory: &[u8]) -> Iovec {
    Iovec { iov_base: memory.as_ptr().cast_mut().cast(), iov_len: memory.len() }
}

const EMPTY: Iovec = Iovec { iov_base: ptr::null_mut(), iov_len: 0 };

fn register(ring: &LocalRing, pieces: &[Iovec]) -> annulus_ring::Result<()> {
    // SAFETY: the tests register memory that is never freed, or none.
    unsafe { ring.register().buffers(pieces) }
}

fn update(
    register: Register<'_>,
    first: u16,
    pieces: &[Iovec],
    tags: &[u64],
) -> annulus_ring::Result<u32> {
    // SAFETY: the tests register memory that is never freed, or none.
    unsafe { register.update_buffers(BufIndex(first), pieces, tags) }
}

fn clone(register: Register<'_>, from: CloneFrom) -> annulus_ring::Result<()> {
    // SAFETY: what is cloned is memory that is never freed.
    unsafe { register.clone_buffers(from) }
}

/// What a read from /dev/zero into `len` bytes of `memory` by index answers.
fn read(ring: &mut LocalRing, memory: &[u8], len: u32, index: u16) -> Result<u32, Errno> {
    let zero = File::open("/dev/zero").unwrap();
    let at = memory.as_ptr().cast_mut();
    result(ring, op::ReadFixed::new(&zero, at, len, BufIndex(index)))
}

#[test]
fn entries_use_buffers_by_index_and_stay_inside_them() {
    let mut ring = ring();
    let memory = memory(8192);
    memory.fill(7);
    register(&ring, &[EMPTY, piece(&memory[..4096])]).unwrap();
    assert_eq!(read(&mut ring, memory, 100, 1), Ok(100));
    assert_eq!((memory[99], memory[100]), (0, 7));
    assert_eq!(read(&mut ring, &memory[4090..], 100, 1), Err(Errno::EFAULT), "beyond its end");
    assert_eq!(read(&mut ring, memory, 100, 0), Err(Errno::EFAULT), "an empty slot");
    assert_eq!(read(&mut ring, memory, 100, 2), Err(Errno::EFAULT), "no such slot");

    assert_eq!(errno(register(&ring, &[EMPTY])), Errno::EBUSY);
    ring.register().unregister_buffers().unwrap();
    assert_eq!(errno(ring.register().unregister_buffers()), Errno::ENXIO);
    assert_eq!(read(&mut ring, memory, 100, 1), Err(Errno::EFAULT));
}

#[test]
fn a_write_takes_from_a_buffer() {
    let mut ring = ring();
    let dir = files_rig::TempDir::new();
    let file = dir.file("written", b"");
    let memory = memory(4096);
    memory[..5].copy_from_slice(b"hello");
    register(&ring, &[piece(memory)]).unwrap();
    let write = op::WriteFixed::new(&file, memory.as_ptr(), 5, BufIndex(0)).offset(0);
    assert_eq!(result(&mut ring, write), Ok(5));
    assert_eq!(std::fs::read(dir.path("written")).unwrap(), b"hello");
}

#[test]
fn what_cannot_be_a_buffer_is_refused() {
    let ring = ring();
    let nowhere = Iovec { iov_base: ptr::null_mut(), iov_len: 4096 };
    assert_eq!(errno(register(&ring, &[nowhere])), Errno::EFAULT);
    let unmapped = Iovec { iov_base: ptr::without_provenance_mut(1 << 46), iov_len: 4096 };
    assert_eq!(errno(register(&ring, &[unmapped])), Errno::EFAULT);
    let without_length = Iovec { iov_base: ptr::without_provenance_mut(4096), iov_len: 0 };
    assert_eq!(errno(register(&ring, &[without_length])), Errno::EFAULT);
    let too_long = Iovec { iov_base: ptr::without_provenance_mut(4096), iov_len: 2 << 30 };
    assert_eq!(errno(register(&ring, &[too_long])), Errno::EFAULT);
    assert_eq!(errno(register(&ring, &[])), Errno::EINVAL);
    assert_eq!(errno(ring.register().buffers_sparse(0)), Errno::EINVAL);
    assert_eq!(errno(ring.register().buffers_sparse(16_385)), Errno::EINVAL);
    // SAFETY: one piece at no address: what is tested is that the kernel refuses it.
    let null = unsafe { ring.register().raw(RegisterOp::BUFFERS, ptr::null_mut(), 1) };
    assert_eq!(errno(null), Errno::EFAULT);
    assert_eq!(errno(ring.register().unregister_buffers()), Errno::ENXIO);
}

/// Whether giving a table up waits for what uses it, and brings no tags back, in this kernel: the
/// test `name` is skipped.
pub fn unregistering_waits(name: &str) -> bool {
    let mut ring = ring();
    // SAFETY: the memory is never freed.
    unsafe { ring.register().buffers_tagged(&[piece(memory(4096))], &[1]) }.unwrap();
    ring.register().unregister_buffers().unwrap();
    let waits = ring.completions().unwrap().next().is_none();
    if waits {
        skip(name, "before Linux 6.13 no tag comes then: giving up waits instead");
    }
    waits
}

#[test]
fn slots_are_changed_and_their_tags_come_back() {
    let mut ring = ring();
    let memory = memory(8192);
    let (first, second) = memory.split_at(4096);
    assert_eq!(errno(update(ring.register(), 0, &[EMPTY], &[])), Errno::ENXIO);
    ring.register().buffers_sparse(4).unwrap();
    let both = [piece(first), piece(second)];
    assert_eq!(update(ring.register(), 2, &both, &[5, 6]).unwrap(), 2);
    assert_eq!(read(&mut ring, second, 8, 3), Ok(8));
    assert_eq!(update(ring.register(), 2, &[EMPTY], &[]).unwrap(), 1);
    let cqe = wait(&mut ring, 1)[0];
    assert_eq!((cqe.user_data, cqe.res), (5, 0));
    if unregistering_waits("slots_are_changed_and_their_tags_come_back: when all are given up") {
        return;
    }
    ring.register().unregister_buffers().unwrap();
    assert_eq!(wait(&mut ring, 1)[0].user_data, 6);
}

#[test]
fn a_change_ends_at_the_first_bad_piece() {
    let mut ring = ring();
    let memory = memory(4096);
    ring.register().buffers_sparse(4).unwrap();
    let nowhere = Iovec { iov_base: ptr::null_mut(), iov_len: 4096 };
    assert_eq!(update(ring.register(), 0, &[piece(memory), nowhere], &[]).unwrap(), 1);
    assert_eq!(errno(update(ring.register(), 0, &[nowhere], &[])), Errno::EFAULT);
    assert_eq!(errno(update(ring.register(), 3, &[EMPTY; 2], &[])), Errno::EINVAL);
    assert_eq!(
        errno(update(ring.register(), 1, &[EMPTY], &[1])),
        Errno::EINVAL,
        "a tag on nothing"
    );
    assert!(update(ring.register(), 0, &[EMPTY; 2], &[1]).is_err(), "a tag too few");
    assert_eq!(read(&mut ring, memory, 8, 0), Ok(8), "what was there before the refusal stays");
}

#[test]
fn a_tag_waits_for_the_operation_that_uses_the_buffer() {
    if unregistering_waits("a_tag_waits_for_the_operation_that_uses_the_buffer") {
        return;
    }
    let mut ring = ring();
    let memory = memory(4096);
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: the memory is never freed.
    unsafe { ring.register().buffers_tagged(&[piece(memory)], &[99]) }.unwrap();
    // SAFETY: as above; the list of tags is what is wrong.
    assert!(unsafe { ring.register().buffers_tagged(&[EMPTY], &[]) }.is_err());
    let read = op::ReadFixed::new(&reader, memory.as_mut_ptr(), 8, BufIndex(0));
    push(&mut ring, read.build().user_data(1));
    ring.submit().unwrap();
    ring.register().unregister_buffers().unwrap();
    silent(&mut ring);
    writer.write_all(b"x").unwrap();
    let cqes = wait(&mut ring, 2);
    let mut seen = [cqes[0].user_data, cqes[1].user_data];
    seen.sort_unstable();
    assert_eq!(seen, [1, 99]);
    assert_eq!(memory[0], b'x', "the kernel wrote to the memory that it still held");
}

#[test]
fn a_ring_takes_another_ring_s_buffers() {
    if lacks_registration("a_ring_takes_another_ring_s_buffers", RegisterOp::CLONE_BUFFERS) {
        return;
    }
    let (first, mut second) = (ring(), ring());
    let memory = memory(8192);
    let (one, two) = memory.split_at(4096);
    let from = CloneFrom::ring(first.raw_fd());
    assert_eq!(errno(clone(second.register(), from)), Errno::ENXIO, "there is nothing to take");
    register(&first, &[piece(one), piece(two)]).unwrap();
    clone(second.register(), from).unwrap();
    assert_eq!(errno(clone(second.register(), from)), Errno::EBUSY);
    drop(first);
    assert_eq!(read(&mut second, two, 16, 1), Ok(16));
    second.register().unregister_buffers().unwrap();
}

#[test]
fn a_ring_takes_some_of_another_ring_s_buffers_where_it_likes() {
    if lacks_registration(
        "a_ring_takes_some_of_another_ring_s_buffers_where_it_likes",
        RegisterOp::CLONE_BUFFERS,
    ) {
        return;
    }
    let (first, mut second) = (ring(), ring());
    let memory = memory(3 * 4096);
    let pieces: Vec<Iovec> = memory.chunks(4096).map(piece).collect();
    register(&first, &pieces).unwrap();
    second.register().buffers_sparse(5).unwrap();
    let from = CloneFrom::ring(first.raw_fd());
    let some = from.source(BufIndex(1)).destination(BufIndex(3)).count(2);
    assert_eq!(errno(clone(second.register(), some)), Errno::EBUSY, "not without replacing");
    match clone(second.register(), some.replace()) {
        Err(error) if error.errno() == Some(Errno::EBUSY) => {
            let name = "a_ring_takes_some_of_another_ring_s_buffers_where_it_likes";
            return skip(name, "all or none before Linux 6.13");
        }
        answer => answer.unwrap(),
    }
    assert_eq!(read(&mut second, &memory[4096..], 16, 3), Ok(16));
    assert_eq!(read(&mut second, &memory[8192..], 16, 4), Ok(16));
    assert_eq!(read(&mut second, memory, 16, 0), Err(Errno::EFAULT), "this was not taken");

    let beyond = from.source(BufIndex(1)).count(3).replace();
    assert_eq!(errno(clone(second.register(), beyond)), Errno::EOVERFLOW);
    let (closed, file) = (CloneFrom::ring(9999).replace(), File::open("/dev/null").unwrap());
    assert_eq!(errno(clone(second.register(), closed)), Errno::EBADF);
    let no_ring = CloneFrom::ring(file.as_raw_fd()).replace();
    assert_eq!(errno(clone(second.register(), no_ring)), Errno::EOPNOTSUPP);
}

#[test]
fn the_other_ring_may_be_named_by_its_index() {
    let name = "the_other_ring_may_be_named_by_its_index";
    if lacks_registration(name, RegisterOp::CLONE_BUFFERS)
        || only_on_linux(name, "a table of rings is a thread's of Linux")
    {
        return;
    }
    let (first, mut second) = (ring(), ring());
    let memory = memory(4096);
    register(&first, &[piece(memory)]).unwrap();
    let index = second.register().ring_fd(first.raw_fd(), None).unwrap();
    clone(second.register(), CloneFrom::registered(index)).unwrap();
    // SAFETY: the index is given up: no ring is entered by it any more.
    unsafe { second.register().unregister_ring_fd(index) }.unwrap();
    assert_eq!(read(&mut second, memory, 16, 0), Ok(16));
}

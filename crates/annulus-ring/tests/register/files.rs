//! The file table.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::ptr;

use annulus_ring::abi::{FixedFd, OpenFlags, REGISTER_FILES_SKIP, RegisterOp};
use annulus_ring::register::EMPTY_SLOT;
use annulus_ring::{Builder, Errno, LocalRing, Ring, op};

use crate::buffers::unregistering_waits;
use crate::errno;
use crate::rig::{push, result, ring, silent, wait};

fn zero() -> File {
    File::open("/dev/zero").unwrap()
}

/// What a read through a slot answers.
fn read(ring: &mut LocalRing, slot: u32) -> Result<u32, Errno> {
    let mut buf = [1u8; 8];
    result(ring, op::Read::new(FixedFd(slot), buf.as_mut_ptr(), 8))
}

#[test]
fn a_table_keeps_its_files_open_until_it_is_given_up() {
    let mut ring = ring();
    let file = zero();
    ring.register().files(&[EMPTY_SLOT, file.as_raw_fd()]).unwrap();
    drop(file);
    assert_eq!(read(&mut ring, 1), Ok(8));
    assert_eq!(read(&mut ring, 0), Err(Errno::EBADF));
    assert_eq!(read(&mut ring, 2), Err(Errno::EBADF));

    assert_eq!(errno(ring.register().files(&[0])), Errno::EBUSY);
    assert_eq!(errno(ring.register().files_sparse(4)), Errno::EBUSY);
    ring.register().unregister_files().unwrap();
    assert_eq!(read(&mut ring, 1), Err(Errno::EBADF));
    assert_eq!(errno(ring.register().unregister_files()), Errno::ENXIO);
}

#[test]
fn a_list_with_a_bad_descriptor_makes_no_table() {
    let ring = ring();
    // No number of one that was closed: another test may have it again.
    let closed = 1 << 30;
    assert_eq!(errno(ring.register().files(&[0, closed])), Errno::EBADF);
    assert_eq!(errno(ring.register().files(&[ring.raw_fd()])), Errno::EBADF);
    assert_eq!(errno(ring.register().unregister_files()), Errno::ENXIO);
    assert_eq!(errno(ring.register().files(&[])), Errno::EINVAL);
    assert_eq!(errno(ring.register().files_sparse(0)), Errno::EINVAL);
    // SAFETY: one descriptor at no address: what is tested is that the kernel refuses it.
    let nowhere = unsafe { ring.register().raw(RegisterOp::FILES, ptr::null_mut(), 1) };
    assert_eq!(errno(nowhere), Errno::EFAULT);
}

#[test]
fn a_table_longer_than_the_limit_says_which_limit() {
    // Above 2^20 slots the limit does not matter, below it RLIMIT_NOFILE does: the same errno.
    let error = ring().register().files_sparse((1 << 20) + 1).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EMFILE));
    assert!(error.to_string().contains("RLIMIT_NOFILE"), "{error}");
}

#[test]
fn slots_are_changed_one_by_one() {
    let mut ring = ring();
    assert_eq!(errno(ring.register().update_files(FixedFd(0), &[0])), Errno::ENXIO);
    ring.register().files_sparse(4).unwrap();
    let (a, b) = (zero(), zero());
    let (a, b) = (a.as_raw_fd(), b.as_raw_fd());
    assert_eq!(ring.register().update_files(FixedFd(1), &[a, b]).unwrap(), 2);
    let change = [EMPTY_SLOT, REGISTER_FILES_SKIP];
    assert_eq!(ring.register().update_files(FixedFd(1), &change).unwrap(), 2);
    assert_eq!(read(&mut ring, 1), Err(Errno::EBADF));
    assert_eq!(read(&mut ring, 2), Ok(8));

    assert_eq!(errno(ring.register().update_files(FixedFd(3), &[a, b])), Errno::EINVAL);
    assert_eq!(errno(ring.register().update_files(FixedFd(0), &[])), Errno::EINVAL);
    let overflow = ring.register().update_files(FixedFd(u32::MAX), &[a]);
    assert!(matches!(errno(overflow), Errno::EOVERFLOW | Errno::EINVAL));
}

#[test]
fn a_bad_descriptor_in_the_middle_ends_a_change_there() {
    let mut ring = ring();
    ring.register().files_sparse(4).unwrap();
    // No number of one that was closed: another test may have it again.
    let (good, closed) = (zero(), 1 << 30);
    let good = good.as_raw_fd();
    assert_eq!(ring.register().update_files(FixedFd(0), &[good, closed, good]).unwrap(), 1);
    assert_eq!(read(&mut ring, 0), Ok(8));
    assert_eq!(read(&mut ring, 2), Err(Errno::EBADF));
    assert_eq!(errno(ring.register().update_files(FixedFd(0), &[closed])), Errno::EBADF);
}

#[test]
fn a_tag_comes_back_when_its_file_is_released() {
    let mut ring = ring();
    ring.register().files_tagged(&[0, 0, EMPTY_SLOT], &[10, 0, 0]).unwrap();
    assert_eq!(ring.register().update_files_tagged(FixedFd(0), &[0], &[20]).unwrap(), 1);
    let cqe = wait(&mut ring, 1)[0];
    assert_eq!((cqe.user_data, cqe.res), (10, 0));

    // A change without tags lets the old tag come back all the same.
    assert_eq!(ring.register().update_files(FixedFd(0), &[EMPTY_SLOT]).unwrap(), 1);
    assert_eq!(wait(&mut ring, 1)[0].user_data, 20);
    assert_eq!(ring.register().update_files_tagged(FixedFd(2), &[0], &[30]).unwrap(), 1);
    if unregistering_waits("a_tag_comes_back_when_its_file_is_released: when all are given up") {
        return;
    }
    ring.register().unregister_files().unwrap();
    assert_eq!(wait(&mut ring, 1)[0].user_data, 30);
    silent(&mut ring);
}

#[test]
fn a_tag_waits_for_the_operation_that_uses_the_file() {
    let mut ring = ring();
    let (reader, mut writer) = std::io::pipe().unwrap();
    ring.register().files_tagged(&[reader.as_raw_fd()], &[99]).unwrap();
    let mut buf = [0u8; 8];
    push(&mut ring, op::Read::new(FixedFd(0), buf.as_mut_ptr(), 8).build().user_data(1));
    ring.submit().unwrap();
    ring.register().update_files(FixedFd(0), &[EMPTY_SLOT]).unwrap();
    silent(&mut ring);
    writer.write_all(b"x").unwrap();
    let cqes = wait(&mut ring, 2);
    assert_eq!((cqes[0].user_data, cqes[0].res, cqes[1].user_data), (1, 1, 99));
}

#[test]
fn tags_that_fit_nothing_are_refused() {
    let ring = ring();
    let error = ring.register().files_tagged(&[0], &[]).unwrap_err();
    assert!(error.to_string().contains("as many tags"), "{error}");
    assert_eq!(errno(ring.register().files_tagged(&[EMPTY_SLOT], &[1])), Errno::EINVAL);
    ring.register().files_sparse(1).unwrap();
    let cleared = ring.register().update_files_tagged(FixedFd(0), &[EMPTY_SLOT], &[1]);
    assert_eq!(errno(cleared), Errno::EINVAL);
    assert!(ring.register().update_files_tagged(FixedFd(0), &[0], &[]).is_err());
}

#[test]
fn the_kernel_picks_slots_in_the_range_that_it_was_given() {
    let mut ring = ring();
    assert_eq!(errno(ring.register().file_alloc_range(FixedFd(0), 1)), Errno::EINVAL);
    ring.register().files_sparse(8).unwrap();
    ring.register().file_alloc_range(FixedFd(6), 2).unwrap();
    let open = || {
        let path = c"/dev/null".as_ptr();
        op::OpenAt::new(op::At::CWD, path).flags(OpenFlags::RDONLY).direct_alloc()
    };
    let mut slots = [result(&mut ring, open()).unwrap(), result(&mut ring, open()).unwrap()];
    slots.sort_unstable();
    assert_eq!(slots, [6, 7]);
    assert_eq!(result(&mut ring, open()), Err(Errno::ENFILE));

    assert_eq!(errno(ring.register().file_alloc_range(FixedFd(6), 3)), Errno::EINVAL);
    assert_eq!(errno(ring.register().file_alloc_range(FixedFd(u32::MAX), 2)), Errno::EOVERFLOW);
}

#[test]
fn either_half_of_a_ring_registers() {
    let ring = Ring::new(8).unwrap();
    let (submission, completion) = ring.split();
    submission.submitter().register().files_sparse(4).unwrap();
    assert_eq!(errno(submission.submitter().register().files(&[0])), Errno::EBUSY);
    let ring = submission.unsplit(completion).unwrap();
    ring.register().unregister_files().unwrap();
}

#[test]
fn another_thread_does_not_register_with_a_single_issuer_s_ring() {
    let ring = Builder::new().entries(8).single_issuer().build().unwrap();
    let answer = std::thread::spawn(move || ring.register().files_sparse(4)).join().unwrap();
    let error = answer.unwrap_err();
    assert!(error.is_wrong_thread(), "{error}");
    assert!(error.to_string().contains("thread"), "{error}");
}

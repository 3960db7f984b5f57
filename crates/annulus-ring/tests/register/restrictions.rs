//! Restrictions.

use std::fs::File;
use std::os::fd::AsRawFd;

use annulus_ring::abi::{FixedFd, Op, RegisterOp, SqeFlags};
use annulus_ring::register::{Restrictions, restrict_task};
use annulus_ring::{Builder, Errno, LocalRing, Ring, op};

use crate::errno;
use crate::rig::{result, ring};

fn disabled() -> Ring {
    Builder::new().entries(8).disabled().build().unwrap()
}

fn restricted(restrictions: &Restrictions) -> Ring {
    let ring = disabled();
    ring.register().restrict(restrictions).unwrap();
    ring.register().enable().unwrap();
    ring
}

#[test]
fn only_what_is_allowed_is_done() {
    let mut ring = restricted(&Restrictions::new().allow(Op::NOP));
    assert_eq!(result(&mut ring, op::Nop::new()), Ok(0));
    assert_eq!(result(&mut ring, op::Fsync::new(0)), Err(Errno::EACCES));
    let linked = op::Nop::new().build().drain();
    assert_eq!(result(&mut ring, linked), Err(Errno::EACCES), "a flag that was not allowed");
    let error = ring.register().files_sparse(4).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EACCES));
    assert!(error.to_string().contains("restricted"), "{error}");
}

#[test]
fn nothing_allowed_is_nothing_done() {
    assert!(Restrictions::new().is_empty());
    let mut ring = restricted(&Restrictions::new());
    assert_eq!(result(&mut ring, op::Nop::new()), Err(Errno::EACCES));
    assert_eq!(errno(ring.register().probe()), Errno::EACCES);
}

#[test]
fn flags_are_allowed_and_required() {
    let list = Restrictions::new()
        .allow(Op::READ)
        .allow(Op::NOP)
        .allow_register(RegisterOp::FILES)
        .allow_flags(SqeFlags::IO_DRAIN)
        .require_flags(SqeFlags::FIXED_FILE);
    let mut ring = restricted(&list);
    let zero = File::open("/dev/zero").unwrap();
    ring.register().files(&[zero.as_raw_fd()]).unwrap();
    let mut buf = [0u8; 4];
    let at = buf.as_mut_ptr();
    assert_eq!(result(&mut ring, op::Read::new(FixedFd(0), at, 4)), Ok(4));
    assert_eq!(result(&mut ring, op::Read::new(FixedFd(0), at, 4).build().drain()), Ok(4));
    let by_descriptor = result(&mut ring, op::Read::new(&zero, at, 4));
    assert_eq!(by_descriptor, Err(Errno::EACCES), "the required flag is missing");
    assert_eq!(errno(ring.register().unregister_files()), Errno::EACCES);
}

#[test]
fn a_ring_is_restricted_once_and_before_it_begins() {
    let error = ring().register().restrict(&Restrictions::new().allow(Op::NOP)).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EBADFD));
    assert!(error.to_string().contains("disabled"), "{error}");
    let ring = disabled();
    ring.register().restrict(&Restrictions::new().allow(Op::NOP)).unwrap();
    let again = ring.register().restrict(&Restrictions::new().allow(Op::READ));
    assert_eq!(errno(again), Errno::EBUSY);
}

#[test]
fn restrictions_that_cannot_be_are_refused() {
    let ring = disabled();
    let too_many = (0..1000).fold(Restrictions::new(), |list, _| list.allow(Op::NOP));
    assert_eq!(errno(ring.register().restrict(&too_many)), Errno::EINVAL);
    assert_eq!(errno(ring.register().restrict(&Restrictions::new().allow(Op(250)))), Errno::EINVAL);
    let high = Restrictions::new().allow_register(RegisterOp(256));
    assert!(ring.register().restrict(&high).is_err());
    // None of them counted.
    ring.register().restrict(&Restrictions::new().allow(Op::NOP)).unwrap();
}

#[test]
fn a_parked_ring_that_may_not_register_its_descriptor_works_without() {
    let parked = Builder::new().entries(8).build_parked().unwrap();
    parked.register().restrict(&Restrictions::new().allow(Op::NOP)).unwrap();
    let mut ring: LocalRing = parked.enable().unwrap();
    assert!(!ring.is_descriptor_registered());
    assert_eq!(result(&mut ring, op::Nop::new()), Ok(0));
}

#[test]
fn a_task_is_restricted_on_newer_kernels_only() {
    // In a thread of its own: where it works it lasts as long as the thread.
    let list = Restrictions::new().allow(Op::NOP);
    let answer = std::thread::spawn(move || restrict_task(&list)).join().unwrap();
    match answer {
        Ok(()) => {}
        Err(error) => match error.errno() {
            Some(Errno::EINVAL | Errno::EBADF) => {}
            // It asks Linux, which may be blocked, whatever this runs on.
            Some(Errno::EPERM | Errno::EACCES | Errno::ENOSYS) => {}
            _ => panic!("{error}"),
        },
    }
}

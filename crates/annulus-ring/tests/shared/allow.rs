//! What a ring may do.

use std::fs::File;

use annulus_ring::abi::{Op, RegisterOp, SqeFlags};
use annulus_ring::{Allow, Errno, SharedRing, op};

use crate::common::{LIMIT, limit};
use crate::{nop, result, results};

fn restricted(allow: Allow) -> SharedRing {
    SharedRing::builder().entries(8).allow(allow).build().unwrap()
}

#[test]
fn restrict_ops() {
    limit(LIMIT, || {
        let ring = restricted(Allow::new().op(Op::READ));
        let file = File::open("Cargo.toml").unwrap();
        let mut buffer = [0u8; 9];
        // SAFETY: the buffer is looked at after the completion; the file stays open; so below.
        unsafe { ring.read(&file, buffer.as_mut_ptr(), 9, Some(0), 1) }.unwrap();
        assert_eq!(result(&ring), Ok(9));
        assert_eq!(&buffer, b"[package]");
        // SAFETY: as above.
        unsafe { ring.fsync(&file, 2) }.unwrap();
        assert_eq!(result(&ring), Err(Errno::EACCES));
        // SAFETY: as above.
        unsafe { ring.readv(&file, &[crate::iovec(&mut buffer)], Some(0), 3) }.unwrap();
        assert_eq!(result(&ring), Err(Errno::EACCES));
    });
}

/// What the library needs is never forgotten.
#[test]
fn an_empty_list_allows_what_the_library_needs() {
    limit(LIMIT, || {
        let ring = restricted(Allow::new());
        let chain = [nop(1).link(), nop(2).hard_link(), nop(3).skip_success(), nop(4)];
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push_all(&chain) }.unwrap();
        ring.cancel(99, 5).unwrap();
        // SAFETY: there is no such slot to close.
        unsafe { ring.push(op::Close::new(annulus_ring::abi::FixedFd(0)).build().user_data(6)) }
            .unwrap();
        let seen = results(&ring, 5);
        assert!(seen.values().all(|result| *result != Err(Errno::EACCES)), "{seen:?}");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| ring.wait().unwrap().len());
            ring.wake().unwrap();
            assert_eq!(waiter.join().unwrap(), 0);
        });
        assert!(ring.register().probe().is_ok());
        assert_eq!(ring.register().files_sparse(1).unwrap_err().errno(), Some(Errno::EACCES));
    });
}

#[test]
fn flags_and_registrations_are_allowed_beside_those() {
    limit(LIMIT, || {
        let forced = |ring: &SharedRing| {
            // SAFETY: a NOP points to nothing.
            unsafe { ring.push(nop(1).drain()) }.unwrap();
            // SAFETY: as above.
            unsafe { ring.push_all(&[nop(2).link(), nop(3)]) }.unwrap();
            results(ring, 3).into_values().collect::<Vec<_>>()
        };
        assert_eq!(forced(&restricted(Allow::new())), [Err(Errno::EACCES), Ok(0), Ok(0)]);
        let allow = Allow::new().flags(SqeFlags::IO_DRAIN).register(RegisterOp::FILES2);
        let ring = restricted(allow);
        assert_eq!(forced(&ring), [Ok(0); 3]);
        ring.register().files_sparse(1).unwrap();
    });
}

//! Memory regions, and waits that are registered in one.

use std::time::{Duration, Instant};

use annulus_ring::abi::{MemRegionFlags, MemRegionTypeFlags, RegionDesc, RegisterOp};
use annulus_ring::register::WaitRegion;
use annulus_ring::{Builder, Errno, LocalRing, SignalMask, Wait, WaitIndex, op};

use crate::common::lacks_registration;
use crate::errno;
use crate::rig::{push, ring};

/// A ring with the registered waits `waits`.
fn with(waits: &WaitRegion) -> LocalRing {
    let parked = Builder::new().entries(8).build_parked().unwrap();
    parked.register().wait_region(waits).unwrap();
    parked.enable().unwrap()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn each_place_has_its_time() {
    if lacks_registration("each_place_has_its_time", RegisterOp::MEM_REGION) {
        return;
    }
    let mut waits = WaitRegion::new(3).unwrap();
    waits.set(WaitIndex(1), &Wait::new().timeout(ms(5))).unwrap();
    waits.set(WaitIndex(2), &Wait::new().timeout(ms(60))).unwrap();
    let mut ring = with(&waits);
    for (place, least) in [(1, ms(5)), (2, ms(60)), (1, ms(5))] {
        let begin = Instant::now();
        let error = ring.submit_and_wait_registered(1, WaitIndex(place)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(begin.elapsed() >= least, "{place}: {:?}", begin.elapsed());
    }
    // Place 0 has no limit: it waits for the completion.
    push(&mut ring, op::Nop::new());
    assert_eq!(ring.submit_and_wait_registered(1, WaitIndex(0)).unwrap(), 1);
    assert_eq!(ring.completions().unwrap().count(), 1);
}

#[test]
fn a_place_is_set_again_without_telling_the_kernel() {
    if lacks_registration("a_place_is_set_again_without_telling_the_kernel", RegisterOp::MEM_REGION)
    {
        return;
    }
    let mut waits = WaitRegion::new(1).unwrap();
    let mut ring = with(&waits);
    for limit in [ms(40), ms(1)] {
        waits.set(WaitIndex(0), &Wait::new().timeout(limit)).unwrap();
        let begin = Instant::now();
        let error = ring.submit_and_wait_registered(1, WaitIndex(0)).unwrap_err();
        assert!(error.is_timeout() && begin.elapsed() >= limit);
    }
    // The minimum is over before the limit: one completion of the two wanted is then enough.
    waits.set(WaitIndex(0), &Wait::new().timeout(ms(5000)).min_wait(ms(1))).unwrap();
    push(&mut ring, op::Nop::new());
    let begin = Instant::now();
    assert_eq!(ring.submit_and_wait_registered(2, WaitIndex(0)).unwrap(), 1);
    assert!(begin.elapsed() < ms(4000));
}

#[test]
fn a_signal_mask_is_read_from_the_region() {
    if lacks_registration("a_signal_mask_is_read_from_the_region", RegisterOp::MEM_REGION) {
        return;
    }
    let mut waits = WaitRegion::new(2).unwrap();
    let wait = Wait::new().timeout(ms(2)).signal_mask(SignalMask(u64::MAX));
    waits.set(WaitIndex(1), &wait).unwrap();
    let mut ring = with(&waits);
    assert!(ring.submit_and_wait_registered(1, WaitIndex(1)).unwrap_err().is_timeout());
}

#[test]
fn a_region_that_is_dropped_stays_as_it_was() {
    if lacks_registration("a_region_that_is_dropped_stays_as_it_was", RegisterOp::MEM_REGION) {
        return;
    }
    let mut waits = WaitRegion::new(1).unwrap();
    waits.set(WaitIndex(0), &Wait::new().timeout(ms(2))).unwrap();
    let mut ring = with(&waits);
    drop(waits);
    assert!(ring.submit_and_wait_registered(1, WaitIndex(0)).unwrap_err().is_timeout());
}

#[test]
fn places_that_are_not_there_are_errors() {
    if lacks_registration("places_that_are_not_there_are_errors", RegisterOp::MEM_REGION) {
        return;
    }
    let waits = WaitRegion::new(64).unwrap();
    let mut ring = with(&waits);
    let beyond = ring.submit_and_wait_registered(1, WaitIndex(1 << 20));
    assert_eq!(errno(beyond), Errno::EFAULT);
    // Of a ring without a region no place is there.
    assert_eq!(
        errno(crate::rig::ring().submit_and_wait_registered(1, WaitIndex(0))),
        Errno::EFAULT
    );
    assert!(WaitRegion::new(1 << 17).is_err());
}

#[test]
fn a_ring_has_one_region_and_waits_only_while_disabled() {
    if lacks_registration(
        "a_ring_has_one_region_and_waits_only_while_disabled",
        RegisterOp::MEM_REGION,
    ) {
        return;
    }
    let waits = WaitRegion::new(1).unwrap();
    let error = ring().register().wait_region(&waits).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL));
    assert!(error.to_string().contains("disabled"), "{error}");

    let parked = Builder::new().entries(8).build_parked().unwrap();
    parked.register().wait_region(&waits).unwrap();
    assert_eq!(errno(parked.register().wait_region(&waits)), Errno::EBUSY);
    // Two rings may share one.
    drop(with(&waits));
}

#[test]
fn other_regions_are_the_kernel_s_or_the_program_s() {
    if lacks_registration("other_regions_are_the_kernel_s_or_the_program_s", RegisterOp::MEM_REGION)
    {
        return;
    }
    let register = |desc: &mut RegionDesc| {
        let ring = ring();
        // SAFETY: the kernel's own memory, or an address that is nobody's.
        unsafe { ring.register().memory_region(desc, MemRegionFlags::empty()) }
    };
    let mut kernels = RegionDesc { size: 4096, ..RegionDesc::default() };
    register(&mut kernels).unwrap();
    assert_ne!(kernels.mmap_offset, 0, "an offset to map it at");
    let mut uneven = RegionDesc { size: 100, ..RegionDesc::default() };
    assert_eq!(errno(register(&mut uneven)), Errno::EINVAL);
    assert_eq!(errno(register(&mut RegionDesc::default())), Errno::EINVAL, "no length");
    let mut nowhere = RegionDesc {
        size: 4096,
        user_addr: 1 << 46,
        flags: MemRegionTypeFlags::USER,
        ..RegionDesc::default()
    };
    assert_eq!(errno(register(&mut nowhere)), Errno::EFAULT);
    let mut without_flag = RegionDesc { size: 4096, user_addr: 4096, ..RegionDesc::default() };
    assert_eq!(errno(register(&mut without_flag)), Errno::EFAULT);
}

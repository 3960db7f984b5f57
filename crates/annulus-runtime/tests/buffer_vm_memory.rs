//! A guest's memory as backing memory: the feature `vm-memory`.

mod buffers;

use std::sync::Arc;

use annulus_runtime::buffer::{
    BackingMemory, InvalidRegion, MemRegion, MemRegions, regions_to_iovecs,
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use buffers::{readv, writev};

const fn region(offset: u64, len: usize) -> MemRegion {
    MemRegion { offset, len }
}

/// Two regions of the guest without a gap, one behind a hole, one at the very end.
fn guest() -> GuestMemoryMmap<()> {
    let ranges =
        [(0, 0x2000), (0x2000, 0x1000), (0x8000, 0x1000), (0u64.wrapping_sub(0x1000), 0xfff)]
            .map(|(start, bytes)| (GuestAddress(start), bytes));
    GuestMemoryMmap::from_ranges(&ranges).expect("a guest's memory")
}

#[test]
fn regions_scatter_and_gather() {
    let guest = guest();
    let list = [region(0x10, 2), region(0x8ffe, 2)];
    assert_eq!(readv(&regions_to_iovecs(&guest, &list).unwrap(), b"ring"), 4);
    let mut seen = [0; 2];
    guest.read_slice(&mut seen, GuestAddress(0x10)).unwrap();
    assert_eq!(&seen, b"ri");
    guest.write_slice(b"NG", GuestAddress(0x8ffe)).unwrap();
    assert_eq!(writev(&regions_to_iovecs(&guest, &list).unwrap()), b"riNG");
}

#[test]
fn a_region_through_several_of_the_guests() {
    let guest: Arc<dyn BackingMemory> = Arc::new(guest());
    let list = [region(0x1ffe, 6)];
    let iovecs = regions_to_iovecs(&guest, &list).unwrap();
    let lens: Vec<_> = iovecs.as_slice().iter().map(|piece| piece.iov_len).collect();
    assert_eq!(lens, [2, 4]);
    assert_eq!(readv(&iovecs, b"abcdef"), 6);
    let rest = MemRegions::new(&list).skip_bytes(1);
    assert_eq!(writev(&regions_to_iovecs(&guest, rest).unwrap()), b"bcdef");
}

#[test]
fn what_is_not_there_is_refused() {
    let guest = guest();
    let outside = [
        region(0x2ffe, 4),         // ends in the hole
        region(0x4000, 1),         // in the hole
        region(0x2ffe, 0x8000),    // over the hole
        region(u64::MAX - 1, 2),   // behind the end
        region(u64::MAX - 1, 100), // wraps around
        region(0, usize::MAX),
    ];
    for bad in outside {
        let list = [region(0, 1), bad];
        assert_eq!(regions_to_iovecs(&guest, &list).unwrap_err(), InvalidRegion::new(bad));
    }
    let last = [region(u64::MAX - 1, 1), region(0x4000, 0)];
    assert_eq!(regions_to_iovecs(&guest, &last).unwrap().bytes(), 1);
}

#[test]
fn the_memory_stays_while_one_holds_it() {
    let guest = guest();
    guest.write_slice(b"ring", GuestAddress(0)).unwrap();
    let kept: Arc<dyn BackingMemory> = Arc::new(guest.clone());
    let iovecs = regions_to_iovecs(&kept, &[region(0, 4)]).unwrap();
    drop(guest);
    assert_eq!(writev(&iovecs), b"ring");
}

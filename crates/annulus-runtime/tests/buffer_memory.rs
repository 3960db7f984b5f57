//! Backing memory and its regions. Without a system call: for Miri too.

mod buffers;
mod common;

use std::sync::Arc;

use annulus_runtime::buffer::{
    BackingMemory, IOVECS_MAX, InvalidRegion, MemRegion, MemRegions, SharedMemory,
    regions_to_iovecs,
};

use buffers::{readv, writev};
use common::{LIMIT, limit};

const fn region(offset: u64, len: usize) -> MemRegion {
    MemRegion { offset, len }
}

/// What is done to a list before it is gone through.
enum Cut {
    Skip(usize),
    Take(usize),
}

/// Goes through `list` after `cuts`, and compares with `expected`.
#[track_caller]
fn cut(list: &[MemRegion], cuts: &[Cut], expected: &[MemRegion]) {
    let mut regions = MemRegions::new(list);
    for cut in cuts {
        regions = match cut {
            Cut::Skip(count) => regions.skip_bytes(*count),
            Cut::Take(count) => regions.take_bytes(*count),
        };
    }
    assert_eq!(regions.clone().collect::<Vec<_>>(), expected);
    // It stays at its end.
    assert_eq!(regions.by_ref().count(), expected.len());
    assert_eq!(regions.next(), None);
}

#[test]
fn no_region() {
    cut(&[], &[], &[]);
    cut(&[], &[Cut::Skip(1)], &[]);
    cut(&[], &[Cut::Take(1)], &[]);
    cut(&[region(0, 0)], &[], &[]);
}

#[test]
fn one_region() {
    let one = [region(0, 4)];
    cut(&one, &[], &one);
    cut(&[region(0, usize::MAX)], &[], &[region(0, usize::MAX)]);
    cut(&one, &[Cut::Skip(1)], &[region(1, 3)]);
    cut(&one, &[Cut::Skip(4)], &[]);
    cut(&one, &[Cut::Skip(5)], &[]);
    cut(&one, &[Cut::Take(0)], &[]);
    cut(&one, &[Cut::Take(1)], &[region(0, 1)]);
    cut(&one, &[Cut::Take(4)], &one);
    cut(&one, &[Cut::Take(5)], &one);
}

#[test]
fn the_order_of_cuts_counts() {
    let one = [region(0, 4)];
    cut(&one, &[Cut::Take(2), Cut::Skip(1)], &[region(1, 1)]);
    cut(&one, &[Cut::Skip(1), Cut::Take(2)], &[region(1, 2)]);
    cut(&one, &[Cut::Skip(1), Cut::Skip(1)], &[region(2, 2)]);
    cut(&one, &[Cut::Take(1), Cut::Take(3)], &[region(0, 1)]);
    cut(&one, &[Cut::Take(2), Cut::Skip(3)], &[]);
    cut(&one, &[Cut::Skip(usize::MAX), Cut::Skip(usize::MAX)], &[]);
}

#[test]
fn two_regions() {
    let two = [region(0, 4), region(8, 2)];
    cut(&two, &[], &two);
    cut(&two, &[Cut::Skip(1)], &[region(1, 3), region(8, 2)]);
    cut(&two, &[Cut::Skip(4)], &[region(8, 2)]);
    cut(&two, &[Cut::Skip(5)], &[region(9, 1)]);
    cut(&two, &[Cut::Skip(6)], &[]);
    cut(&two, &[Cut::Take(1)], &[region(0, 1)]);
    cut(&two, &[Cut::Take(4)], &[region(0, 4)]);
    cut(&two, &[Cut::Take(5)], &[region(0, 4), region(8, 1)]);
    cut(&two, &[Cut::Take(6)], &two);
    cut(&two, &[Cut::Take(7)], &two);
}

#[test]
fn empty_regions_between_others_are_left_out() {
    let list =
        [region(0, 4), region(8, 2), region(9, 0), region(16, 5), region(6, 0), region(24, 9)];
    let full = [region(0, 4), region(8, 2), region(16, 5), region(24, 9)];
    cut(&list, &[], &full);
    cut(&list, &[Cut::Skip(6)], &full[2..]);
    cut(&list, &[Cut::Skip(7)], &[region(17, 4), region(24, 9)]);
    cut(&list, &[Cut::Take(6)], &full[..2]);
    cut(&list, &[Cut::Skip(5), Cut::Take(7)], &[region(9, 1), region(16, 5), region(24, 1)]);
}

#[test]
fn a_cut_brings_no_region_into_the_memory() {
    // It ends behind the last offset there is: 8 bytes on, it must not begin at 0.
    let list = [region(u64::MAX - 3, 64)];
    let memory = SharedMemory::new(4096);
    for skip in 0..64 {
        let cut = MemRegions::new(&list).skip_bytes(skip);
        assert!(regions_to_iovecs(&memory, cut).is_err(), "{skip} skipped");
    }
}

#[test]
fn regions_scatter_and_gather() {
    let memory = SharedMemory::from(&b"......"[..]);
    let list = [region(0, 2), region(4, 1), region(5, 1)];
    let iovecs = regions_to_iovecs(&memory, &list).unwrap();
    assert_eq!(readv(&iovecs, b"data"), 4);
    let mut seen = [0; 6];
    memory.read(0, &mut seen).unwrap();
    assert_eq!(&seen, b"da..ta");
    let rest = regions_to_iovecs(&memory, MemRegions::new(&list).skip_bytes(1)).unwrap();
    assert_eq!(writev(&rest), b"ata");
    assert_eq!(Vec::from(memory), b"da..ta");
}

#[test]
fn each_region_is_checked() {
    let memory = Arc::new(SharedMemory::new(64));
    let outside = [region(64, 1), region(60, 5), region(u64::MAX, 1), region(1 << 63, usize::MAX)];
    for bad in outside {
        let error = regions_to_iovecs(&memory, &[region(0, 8), bad]).unwrap_err();
        assert_eq!(error, InvalidRegion::new(bad));
        assert!(error.to_string().contains("not within the memory"));
    }
    // Also where the kernel's limits end the list before.
    let mut list = vec![region(0, 1); IOVECS_MAX + 1];
    list.push(region(64, 1));
    assert!(regions_to_iovecs(&memory, &list).is_err());
    list.pop();
    let iovecs = regions_to_iovecs(&memory, &list).unwrap();
    assert_eq!(iovecs.count() as usize, IOVECS_MAX);
    assert!(regions_to_iovecs(&memory, &[region(0, 64), region(64, 0)]).is_ok());
}

#[test]
fn copies_stay_within() {
    let memory = SharedMemory::new(8);
    assert!(memory.write(4, b"ring").is_ok());
    assert!(memory.write(5, b"ring").is_err() && memory.read(9, &mut []).is_err());
    assert!(memory.read(u64::MAX, &mut [0; 2]).is_err());
    assert!(memory.read(8, &mut []).is_ok());
    assert_eq!(Vec::from(memory), b"\0\0\0\0ring");
    let none = SharedMemory::from(Vec::new());
    assert!(none.is_empty() && none.read(0, &mut []).is_ok() && none.write(0, b"a").is_err());
}

#[test]
fn threads_may_write_at_once() {
    limit(LIMIT, || {
        let memory = Arc::new(SharedMemory::new(64));
        let rounds = if cfg!(miri) { 20 } else { 10_000 };
        let writers = [1u8, 2].map(|value| {
            let memory = Arc::clone(&memory);
            std::thread::spawn(move || {
                for _ in 0..rounds {
                    memory.write(0, &[value; 64]).unwrap();
                }
            })
        });
        let mut seen = [0; 64];
        for _ in 0..rounds {
            memory.read(0, &mut seen).unwrap();
            assert!(seen.iter().all(|byte| *byte <= 2));
        }
        for writer in writers {
            writer.join().unwrap();
        }
        memory.read(0, &mut seen).unwrap();
        assert!(seen.iter().all(|byte| [1, 2].contains(byte)));
    });
}

#[test]
fn a_memory_is_shared_as_an_object() {
    let memory: Arc<dyn BackingMemory> = Arc::new(SharedMemory::new(16));
    let iovecs = regions_to_iovecs(&memory, &[region(8, 8)]).unwrap();
    assert_eq!(iovecs.bytes(), 8);
}

//! Files: what is in them, where it is cached, and that they go.

use std::io::Read;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};

use super::common::files::{TempFile, first_difference, has_direct, pattern};
use super::common::skip;

#[test]
fn a_patterned_file_has_the_pattern() {
    let len = (1 << 20) + 4099;
    let file = TempFile::patterned(len);
    let mut all = Vec::new();
    file.open().read_to_end(&mut all).unwrap();
    assert_eq!(all.len() as u64, len);
    assert_eq!(first_difference(0, &all), None);
    for (offset, count) in [(0, 0), (1, 3), (5, 11), (8, 8), (4095, 4097), (len - 1, 1)] {
        let mut part = vec![0; count];
        file.open().read_exact_at(&mut part, offset).unwrap();
        assert_eq!(first_difference(offset, &part), None, "{offset} {count}");
    }
    all[77] ^= 1;
    assert_eq!(first_difference(0, &all), Some(77));
}

#[test]
fn no_two_places_look_alike() {
    let mut words = std::collections::BTreeSet::new();
    for offset in (0..1 << 19).step_by(8) {
        let mut word = [0; 8];
        pattern(offset, &mut word);
        assert!(words.insert(word), "{offset}");
    }
}

#[test]
fn it_goes_when_dropped_and_at_once_without_a_name() {
    let file = TempFile::patterned(100);
    let path = file.path().to_owned();
    assert!(path.exists());
    drop(file);
    assert!(!path.exists());
    let file = TempFile::patterned(100);
    let path = file.path().to_owned();
    let file = file.unnamed();
    assert!(!path.exists());
    let mut text = Vec::new();
    file.open().read_to_end(&mut text).unwrap();
    assert_eq!((text.len(), first_difference(0, &text)), (100, None));
}

#[test]
fn an_evicted_file_is_not_cached() {
    let name = "an_evicted_file_is_not_cached";
    let file = TempFile::patterned(1 << 20);
    if file.direct(name).is_none() {
        return; // A file system in memory has nothing but the cache.
    }
    assert!(file.cached_pages() > 0, "it was written a moment ago");
    file.evict();
    assert_eq!(file.cached_pages(), 0);
    std::fs::read(file.path()).unwrap();
    assert_eq!(file.cached_pages(), (1 << 20) / rustix::param::page_size());
}

#[test]
fn direct_reads_pass_the_cache() {
    let file = TempFile::patterned(1 << 20);
    let Some(direct) = file.direct("direct_reads_pass_the_cache") else { return };
    file.evict();
    #[repr(align(4096))]
    struct Aligned([u8; 8192]);
    let mut buffer = Aligned([0; 8192]);
    direct.read_exact_at(&mut buffer.0, 4096).unwrap();
    assert_eq!(first_difference(4096, &buffer.0), None);
    assert_eq!(file.cached_pages(), 0);
    let odd = direct.read_at(&mut buffer.0[1..], 0);
    if odd.is_ok() {
        skip("direct_reads_pass_the_cache: alignment", "a device that takes any address");
    }
}

#[test]
fn settling_changes_nothing() {
    let file = TempFile::patterned(10_000);
    file.settle();
    let text = std::fs::read(file.path()).unwrap();
    assert_eq!((text.len(), first_difference(0, &text)), (10_000, None));
}

#[test]
fn a_file_in_memory_has_no_direct_io() {
    let memory = memfd_create("annulus-files", MemfdFlags::CLOEXEC).unwrap();
    assert!(!has_direct(&memory.into()));
}

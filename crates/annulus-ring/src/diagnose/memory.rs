//! How much locked memory a ring is charged with.

use rustix::process::{Resource, getrlimit};

use crate::abi::SetupFlags;

/// The words before the completions, in Linux 6.18.
const WORDS_BYTES: u64 = 64;

/// How many bytes a ring of these queue lengths is charged with against `RLIMIT_MEMLOCK` (to the
/// user, not the process), where the kernel charges rings at all.
///
/// The lengths are those of the queues, powers of two: entries on whole pages, and the words, the
/// completions and the index array on whole pages.
pub(crate) fn ring_bytes(sq_entries: u32, cq_entries: u32, flags: SetupFlags) -> u64 {
    let page = rustix::param::page_size() as u64;
    let sqe_bytes = if flags.contains(SetupFlags::SQE128) { 128 } else { 64 };
    let cqe_bytes = if flags.contains(SetupFlags::CQE32) { 32 } else { 16 };
    let (sq, cq) = (u64::from(sq_entries), u64::from(cq_entries));
    let completions = (WORDS_BYTES + cq * cqe_bytes).next_multiple_of(WORDS_BYTES);
    let array = if flags.contains(SetupFlags::NO_SQARRAY) { 0 } else { sq * 4 };
    (sq * sqe_bytes).next_multiple_of(page) + (completions + array).next_multiple_of(page)
}

/// The longest ring, twice as many completions as entries, that `limit` bytes have room for.
pub(crate) fn entries_within(limit: u64, flags: SetupFlags) -> Option<u32> {
    let lengths = (0..=15).rev().map(|n| 1 << n);
    lengths.into_iter().find(|n| ring_bytes(*n, n * 2, flags) <= limit)
}

/// Whether there is a limit on locked memory, and `bytes` are within it.
pub(crate) fn fits_memlock(bytes: u64) -> bool {
    getrlimit(Resource::Memlock).current.is_some_and(|limit| bytes <= limit)
}

/// A number of bytes as people write it: exact where that is short.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes")];
    let whole = |(unit, _): &&(u64, &str)| bytes.is_multiple_of(*unit) && bytes / unit < 10_000;
    if let Some((unit, name)) = UNITS.iter().filter(|(unit, _)| bytes >= *unit).find(whole) {
        return format!("{} {name}", bytes / unit);
    }
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => "0 bytes".to_owned(),
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn rings_are_as_large_as_they_were_measured() {
        if rustix::param::page_size() != 4096 {
            return; // the figures below are of pages of 4 KiB
        }
        let kib = |n: u32| ring_bytes(n, n * 2, SetupFlags::NO_SQARRAY) / 1024;
        assert_eq!([8, 64, 128, 256, 1024, 4096].map(kib), [8, 8, 16, 28, 100, 388]);
        assert_eq!(ring_bytes(4096, 8192, SetupFlags::empty()) / 1024, 404);
        assert_eq!(entries_within(64 << 10, SetupFlags::NO_SQARRAY), Some(512));
        assert_eq!(entries_within(4096, SetupFlags::NO_SQARRAY), None);
    }

    #[test]
    fn bytes_are_shown_in_the_largest_unit() {
        assert_eq!(human(65536), "64 KiB");
        assert_eq!(human(8 << 20), "8 MiB");
        assert_eq!(human((8 << 20) - (8 << 10)), "8184 KiB");
        assert_eq!(human(20_000_000), "19.1 MiB");
        assert_eq!(human(0), "0 bytes");
        assert_eq!(human(12), "12 bytes");
    }
}

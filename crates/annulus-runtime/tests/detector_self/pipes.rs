//! Reads of a pipe whose buffers are freed before anything is written to it: the kernel copies into
//! them when the bytes come, whenever that is.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use annulus_ring::Errno;
use annulus_ring::abi::Sqe;

use super::common::detector::Options;
use super::common::{LIMIT, child, limit, skip};
use super::handle::{Naive, shared_ring};

const BYTES: usize = 8192;
const TEXT: &[u8] = b"late bytes";

/// One read, dropped by its handle, then bytes for it; gives its result and the report.
fn late(options: Options, change: impl FnOnce(Sqe) -> Sqe) -> (Result<u32, Errno>, Vec<usize>) {
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let ring = shared_ring();
        let watch = options.bytes_min(BYTES).marked_threads().watch();
        super::common::detector::mark_thread(true);
        drop(Naive::read(&ring, &reader, vec![0; BYTES], change));
        super::common::detector::mark_thread(false);
        watch.check().assert_clean(BYTES);
        writer.write_all(TEXT).expect("a pipe with room");
        ring.borrow_mut().submit_and_wait(1).expect("the read ends");
        let result = ring.borrow_mut().completions().expect("a queue to read").next();
        let report = watch.check();
        assert_eq!(report.unwatched_count, 0, "{report}");
        for change in &report.changed {
            assert_eq!((change.first_offset, &change.sample[..]), (0, &TEXT[..8]), "{report}");
        }
        let changed = report.changed.iter().map(|change| change.changed_bytes).collect();
        (result.expect("a completion").result(), changed)
    })
}

#[test]
fn a_copy_to_freed_memory_is_found() {
    if child::is_blocked_here() {
        return skip("a_copy_to_freed_memory_is_found", child::BLOCKED_HERE);
    }
    let copied = (Ok(TEXT.len() as u32), vec![TEXT.len()]);
    assert_eq!(late(Options::new(), |read| read), copied);
}

#[test]
fn so_it_is_from_a_worker_thread() {
    if child::is_blocked_here() {
        return skip("so_it_is_from_a_worker_thread", child::BLOCKED_HERE);
    }
    let copied = (Ok(TEXT.len() as u32), vec![TEXT.len()]);
    assert_eq!(late(Options::new(), Sqe::force_async), copied);
}

#[test]
fn a_copy_to_inaccessible_memory_fails() {
    if child::is_blocked_here() {
        return skip("a_copy_to_inaccessible_memory_fails", child::BLOCKED_HERE);
    }
    let failed = (Err(Errno::EFAULT), vec![]);
    assert_eq!(late(Options::new().protect(), |read| read), failed);
    assert_eq!(late(Options::new().protect(), Sqe::force_async), failed);
}

/// How often a race is tried for that is lost once in 30 to 300 times.
const TRIES: usize = 10_000;

fn has_bytes(pipe: &impl AsFd) -> bool {
    rustix::io::ioctl_fionread(pipe).expect("a pipe") > 0
}

/// Closing a ring cancels the reads of pipes, but none that has its bytes already.
#[test]
fn a_copy_after_the_ring_was_closed_is_found() {
    if child::is_blocked_here() {
        return skip("a_copy_after_the_ring_was_closed_is_found", child::BLOCKED_HERE);
    }
    limit(2 * LIMIT, || {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        // The same pipe without waiting, for what the read left there.
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        let mut how = File::options();
        let mut rest = how.read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("a pipe");
        for n in 1..=TRIES {
            let watch = Options::new().bytes_min(BYTES).watch();
            let ring = shared_ring();
            let read = Naive::read(&ring, &reader, vec![0; BYTES], Sqe::force_async);
            writer.write_all(TEXT).expect("a pipe with room");
            drop(ring);
            drop(read);
            // Time for a worker that was begun; then, since a pipe has one reader at a time, after
            // this one no other copies.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(300) && has_bytes(&reader) {
                std::thread::yield_now();
            }
            let _ = rest.read(&mut [0; TEXT.len()]);
            let report = watch.check();
            if !report.changed.is_empty() {
                eprintln!("found in round {n}: {report}");
                assert_eq!(report.changed_bytes(), TEXT.len());
                return;
            }
        }
        // Luck, and the kernel's affair: nothing here is wrong.
        let name = "a_copy_after_the_ring_was_closed_is_found";
        skip(name, &format!("{TRIES} rounds, and the kernel was in time"));
    });
}

/// The same, and the drop waits.
#[test]
fn a_handle_that_waits_is_clean() {
    if child::is_blocked_here() {
        return skip("a_handle_that_waits_is_clean", child::BLOCKED_HERE);
    }
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let watch = Options::new().watch();
        for change in [|read| read, Sqe::force_async] {
            let ring = shared_ring();
            let read = Naive::read(&ring, &reader, vec![0; BYTES], change).waiting();
            writer.write_all(TEXT).expect("a pipe with room");
            drop(read);
        }
        watch.check().assert_clean(2 * BYTES);
    });
}

//! One thread: each operation, and its result.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use annulus_ring::abi::{FallocateMode, Iovec, PollEvents};
use annulus_ring::{Errno, SharedRing, Submitted};

use crate::common::{LIMIT, limit};
use crate::files::TempDir;
use crate::{iovec, result, results, ring};

/// What the files of these tests hold.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// Reads from several places at once, each into a buffer of its own.
#[test]
fn read_parallel() {
    limit(LIMIT, || {
        let (dir, content) = (TempDir::new(), pattern(64 * 512));
        let file = dir.file("a", &content);
        let ring = ring(16);
        let mut buffers = vec![[0u8; 512]; 64];
        for (n, buffer) in buffers.iter_mut().enumerate() {
            let (at, n) = (buffer.as_mut_ptr(), n as u64);
            // SAFETY: the buffers are looked at after all completions; the file stays open.
            unsafe { ring.read(&file, at, 512, Some(n * 512), n) }.unwrap();
        }
        let all = results(&ring, 64);
        assert!(all.values().all(|result| *result == Ok(512)), "{all:?}");
        assert_eq!(buffers.concat(), content);
        let counters = ring.counters().unwrap();
        assert_eq!((counters.submitted, counters.completed, counters.in_flight), (64, 64, 0));
    });
}

/// A read of one buffer and one of several see the same.
#[test]
fn read_readv() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", &pattern(4096));
        let ring = ring(4);
        let (mut one, mut two) = ([0u8; 4096], [0u8; 4096]);
        for _ in 0..10 {
            // SAFETY: the buffers are looked at after both completions; the file stays open.
            unsafe { ring.read(&file, one.as_mut_ptr(), 4096, Some(0), 1) }.unwrap();
            // SAFETY: as above.
            unsafe { ring.readv(&file, &[iovec(&mut two)], Some(0), 2) }.unwrap();
            assert!(results(&ring, 2).values().all(|result| *result == Ok(4096)));
            assert_eq!(one, two);
            (one, two) = ([0; 4096], [1; 4096]);
        }
    });
}

/// Lists of every length around what lies beside a slot, from slices and from iterators.
#[test]
fn readv_vec() {
    limit(LIMIT, || {
        let (dir, content) = (TempDir::new(), pattern(40 * 16));
        let file = dir.file("a", &content);
        let ring = ring(2);
        for count in [1, 2, 7, 8, 9, 16, 40] {
            let mut buffers = vec![[0u8; 16]; count];
            let iovecs: Vec<Iovec> = buffers.iter_mut().map(|b| iovec(b)).collect();
            // SAFETY: the buffers are looked at after the completion; the file stays open.
            unsafe { ring.readv(&file, &iovecs, Some(0), 1) }.unwrap();
            // The list itself may go now.
            drop(iovecs);
            assert_eq!(result(&ring), Ok(count as u32 * 16));
            assert_eq!(buffers.concat(), content[..count * 16]);

            let mut buffers = vec![[0u8; 16]; count];
            let iovecs = buffers.iter_mut().map(|b| iovec(b));
            // SAFETY: as above.
            unsafe { ring.readv_iter(&file, iovecs, Some(0), 1) }.unwrap();
            assert_eq!(result(&ring), Ok(count as u32 * 16));
            assert_eq!(buffers.concat(), content[..count * 16]);
        }
    });
}

/// Lists that lie beside slots of their own, all on their way at once.
#[test]
fn lists_of_many_entries_do_not_mix() {
    limit(LIMIT, || {
        let (dir, content) = (TempDir::new(), pattern(64 * 32));
        let file = dir.file("a", &content);
        let ring = ring(64);
        for _ in 0..5 {
            let mut buffers = vec![[0u8; 32]; 64];
            for (n, buffer) in buffers.iter_mut().enumerate() {
                let parts = buffer.chunks_mut(1 + n % 17).map(iovec);
                // SAFETY: the buffers are looked at after all completions; the file stays open.
                unsafe { ring.readv_iter(&file, parts, Some(32 * n as u64), n as u64) }.unwrap();
            }
            assert_eq!(ring.submit().unwrap(), Submitted::Taken(64));
            assert!(results(&ring, 64).values().all(|result| *result == Ok(32)));
            assert_eq!(buffers.concat(), content);
        }
    });
}

#[test]
fn write_one_block() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let mut file = dir.file("a", b"");
        let ring = ring(16);
        let block = pattern(4096);
        // SAFETY: the block outlives the completion; the file stays open.
        unsafe { ring.write(&file, block.as_ptr(), 4096, Some(0), 55) }.unwrap();
        assert_eq!(results(&ring, 1).into_iter().collect::<Vec<_>>(), [(55, Ok(4096))]);
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, block);
    });
}

/// The ring's descriptor becomes readable when a completion is there.
#[test]
fn write_one_submit_poll() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let ring = ring(16);
        let is_readable = |wait_ms| {
            let (fd, events) = (ring.as_fd().as_raw_fd(), libc::POLLIN);
            let mut poll = libc::pollfd { fd, events, revents: 0 };
            // SAFETY: one `pollfd`, for the length of the call.
            let count = unsafe { libc::poll(&raw mut poll, 1, wait_ms) };
            (count, poll.revents) == (1, libc::POLLIN)
        };
        assert!(!is_readable(0));
        // SAFETY: the bytes are constant; the file stays open.
        unsafe { ring.write(&file, b"block".as_ptr(), 5, Some(0), 55) }.unwrap();
        assert_eq!(ring.submit().unwrap(), Submitted::Taken(1));
        assert!(is_readable(10_000));
        assert_eq!(ring.peek().unwrap().results().collect::<Vec<_>>(), [(55, Ok(5))]);
        if crate::common::on_host() {
            // Whoever takes completions tells nobody: it is found out by the next look.
            assert_eq!(ring.peek().unwrap().results().count(), 0);
        }
        assert!(!is_readable(0));
    });
}

#[test]
fn writev_vec() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let ring = ring(4);
        let mut words: Vec<Vec<u8>> = (0..12u8).map(|n| vec![n; usize::from(n) + 1]).collect();
        let content = words.concat();
        let iovecs: Vec<Iovec> = words.iter_mut().map(|word| iovec(word)).collect();
        // SAFETY: the words outlive the completions; the file stays open.
        unsafe { ring.writev(&file, &iovecs[..4], Some(0), 1) }.unwrap();
        assert_eq!(result(&ring), Ok(10));
        // SAFETY: as above.
        unsafe { ring.writev_iter(&file, iovecs[4..].iter().copied(), Some(10), 2) }.unwrap();
        assert_eq!(result(&ring), Ok(content.len() as u32 - 10));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), content);
    });
}

#[test]
fn fallocate_fsync() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let ring = ring(16);
        // SAFETY: the file stays open.
        unsafe { ring.fallocate(&file, 0, 16384, FallocateMode::empty(), 1) }.unwrap();
        assert_eq!(result(&ring), Ok(0));
        assert_eq!(file.metadata().unwrap().len(), 16384);
        // SAFETY: the bytes are constant; the file stays open.
        unsafe { ring.write(&file, b"end".as_ptr(), 3, Some(16384), 2) }.unwrap();
        assert_eq!(result(&ring), Ok(3));
        // SAFETY: the file stays open.
        unsafe { ring.fsync(&file, 3) }.unwrap();
        // SAFETY: as above.
        unsafe { ring.fdatasync(&file, 4) }.unwrap();
        assert_eq!(results(&ring, 2).into_iter().collect::<Vec<_>>(), [(3, Ok(0)), (4, Ok(0))]);
        // A bad mode is the kernel's to refuse: the mode is passed on.
        // SAFETY: the file stays open.
        unsafe { ring.fallocate(&file, 0, 4096, FallocateMode::PUNCH_HOLE, 5) }.unwrap();
        assert_eq!(result(&ring), Err(Errno::EOPNOTSUPP));
    });
}

#[test]
fn dev_zero_readable() {
    limit(LIMIT, || {
        let zero = File::open("/dev/zero").unwrap();
        let ring = ring(16);
        // SAFETY: the file stays open.
        unsafe { ring.poll_add(&zero, PollEvents::IN, 454) }.unwrap();
        let seen: Vec<_> = results(&ring, 1).into_iter().collect();
        assert_eq!(seen, [(454, Ok(PollEvents::IN.bits()))]);
    });
}

/// More than both queues hold, pushed by a thread that takes nothing meanwhile.
#[test]
fn queue_many_ebusy_retry() {
    limit(LIMIT, || {
        let zero = File::open("/dev/zero").unwrap();
        let ring = ring(16);
        for n in 0..400 {
            // SAFETY: the file stays open.
            let pushed = unsafe { ring.poll_add(&zero, PollEvents::IN, n) };
            // Kernels before 6.0 say EBUSY while completions wait outside the queue.
            pushed.unwrap();
        }
        let all = results(&ring, 400);
        assert!(all.values().all(|result| *result == Ok(PollEvents::IN.bits())));
        let counters = ring.counters().unwrap();
        assert!(counters.overflows > 0, "{counters:?}");
        assert_eq!((counters.in_flight, counters.ready, counters.queued), (0, 0, 0));
    });
}

/// A completion queue of 16 and 100 completions: all come, each once, in order.
#[test]
fn an_overflow_loses_nothing() {
    limit(LIMIT, || {
        let ring = SharedRing::builder().entries(8).cq_entries(16).build().unwrap();
        for n in 0..100 {
            ring.nop(n).unwrap();
        }
        assert!(matches!(ring.submit().unwrap(), Submitted::Taken(_)));
        let mut seen = Vec::new();
        loop {
            let batch = ring.peek().unwrap();
            if batch.is_empty() {
                break;
            }
            seen.extend(batch.map(|cqe| cqe.user_data));
        }
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert!(ring.counters().unwrap().overflows > 0);
    });
}

#[test]
fn polls_and_operations_are_cancelled_by_their_user_data() {
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let ring = ring(8);
        let mut byte = [0u8; 2];
        for (n, byte) in byte.iter_mut().enumerate() {
            // SAFETY: the bytes are looked at after the completion; the pipe stays open.
            unsafe { ring.read(&reader, byte, 1, None, n as u64) }.unwrap();
        }
        // SAFETY: the pipe stays open.
        unsafe { ring.poll_add(&reader, PollEvents::IN, 2) }.unwrap();
        ring.cancel(0, 10).unwrap();
        ring.poll_remove(2, 12).unwrap();
        ring.cancel(77, 13).unwrap();
        let seen: Vec<_> = results(&ring, 5).into_iter().collect();
        let cancelled = Err(Errno::ECANCELED);
        let absent = Err(Errno::ENOENT);
        assert_eq!(seen, [(0, cancelled), (2, cancelled), (10, Ok(0)), (12, Ok(0)), (13, absent)]);
        writer.write_all(&[9]).unwrap();
        assert_eq!(result(&ring), Ok(1));
        assert_eq!(byte, [0, 9]);
    });
}

/// What only a mistake pushes.
#[test]
fn what_would_break_others_is_refused() {
    let ring = ring(4);
    let refused = |result: annulus_ring::Result<()>| {
        assert_eq!(result.unwrap_err().errno(), Some(Errno::EINVAL));
    };
    refused(ring.nop(u64::MAX));
    // SAFETY: a NOP points to nothing; so below.
    refused(unsafe { ring.push(crate::nop(1).link()) });
    // SAFETY: as above.
    refused(unsafe { ring.push(crate::nop(1).hard_link()) });
    // SAFETY: as above.
    refused(unsafe { ring.push_all(&[crate::nop(1), crate::nop(2).link()]) });
    // SAFETY: as above.
    refused(unsafe { ring.push_all(&[crate::nop(1), crate::nop(u64::MAX)]) });
    // SAFETY: as above.
    refused(unsafe { ring.push_all(&[crate::nop(1); 5]) });
    refused(ring.wait_into(&mut []).map(drop));
    assert_eq!(ring.counters().unwrap().queued, 0);
    // SAFETY: as above.
    unsafe { ring.push_all(&[]) }.unwrap();
    assert_eq!(ring.submit().unwrap(), Submitted::Taken(0));
}

#[test]
fn rings_that_are_not_every_threads_are_refused() {
    use annulus_ring::Builder;
    use std::time::Duration;
    for builder in [
        Builder::new().single_issuer(),
        Builder::new().coop_taskrun(),
        Builder::new().iopoll(),
        Builder::new().sqpoll(Duration::ZERO),
    ] {
        let error = builder.entries(4).build_shared().unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    }
}

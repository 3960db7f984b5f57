//! Several threads on one ring.

use std::io::Write;
use std::thread::scope;

use annulus_ring::SharedRing;

use crate::chaos::{any_seed, chaos};
use crate::common::{LIMIT, limit};
use crate::files::TempDir;
use crate::many::many;
use crate::{PATIENCE, repeated, results, ring};

/// One thread waits, another completes by writing to the pipe that is read.
#[test]
fn complete_from_any_thread() {
    repeated(|| {
        let ring = ring(16);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut byte = 0u8;
        // SAFETY: the byte is looked at after the completion; the pipe stays open.
        unsafe { ring.read(&reader, &raw mut byte, 1, None, 454) }.unwrap();
        let _ = ring.submit().unwrap();
        scope(|scope| {
            let waiter = scope.spawn(|| ring.wait_timeout(PATIENCE).unwrap().next().unwrap());
            writer.write_all(&[7]).unwrap();
            let cqe = waiter.join().unwrap();
            assert_eq!((cqe.user_data, cqe.result()), (454, Ok(1)));
        });
        assert_eq!(byte, 7);
    });
}

/// A thread submits while another waits already.
#[test]
fn submit_from_any_thread() {
    repeated(|| {
        let ring = ring(1);
        scope(|scope| {
            let waiter = scope.spawn(|| results(&ring, 3));
            for n in 0..3 {
                scope.spawn({
                    let ring = &ring;
                    move || {
                        ring.nop(n).unwrap();
                        let _ = ring.submit().unwrap();
                    }
                });
            }
            assert_eq!(waiter.join().unwrap().len(), 3);
        });
    });
}

/// Seven threads submit, three take, and the queue has 16 entries.
#[test]
fn multi_thread_submit_and_complete() {
    repeated(|| many(&ring(16), 7, 3, 100));
}

/// The same where one thread submits for all.
#[test]
fn many_threads_and_one_that_submits() {
    repeated(|| {
        let builder = SharedRing::builder().entries(16);
        many(&builder.submitter_thread().build().unwrap(), 7, 3, 50);
    });
}

/// The smallest queue: every push meets a full one.
#[test]
fn many_threads_and_one_slot() {
    repeated(|| many(&ring(1), 4, 2, 50));
}

/// Reads of a file from many threads: each gets its own bytes.
#[test]
fn reads_from_many_threads() {
    limit(LIMIT, || {
        let content: Vec<u8> = (0..8 * 4096).map(|n| (n / 64) as u8).collect();
        let dir = TempDir::new();
        let file = dir.file("a", &content);
        let ring = ring(4);
        let mut buffers = vec![[0u8; 64]; 8 * 64];
        scope(|scope| {
            for (thread, buffers) in buffers.chunks_mut(64).enumerate() {
                let (ring, file) = (&ring, &file);
                scope.spawn(move || {
                    for (n, buffer) in buffers.iter_mut().enumerate() {
                        let n = (thread * 64 + n) as u64;
                        let parts = buffer.chunks_mut(13).map(crate::iovec);
                        // SAFETY: the buffers are looked at after all completions; the file stays
                        // open.
                        unsafe { ring.readv_iter(file, parts, Some(n * 64), n) }.unwrap();
                    }
                    let _ = ring.submit().unwrap();
                });
            }
            let all = results(&ring, 8 * 64);
            assert!(all.values().all(|result| *result == Ok(64)));
        });
        assert_eq!(buffers.concat(), content);
    });
}

/// Chains of any length are whole and in order, each wait ends, nothing comes twice or never.
#[test]
fn chaos_of_chains_waits_and_wake_ups() {
    repeated(|| {
        let builder = || SharedRing::builder().entries(8).cq_entries(16);
        chaos(&builder().build().unwrap(), 200, any_seed());
        chaos(&builder().submitter_thread().build().unwrap(), 60, any_seed());
    });
}

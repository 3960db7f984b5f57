//! A thread that ends with operations in flight.

use std::io::Write;
use std::time::Duration;

use annulus_ring::{Errno, SharedRing};

use crate::common::{LIMIT, limit};
use crate::{repeated, result, ring};

/// A thread submits a read of a pipe, and ends.
fn read_and_exit(ring: &SharedRing, reader: &std::io::PipeReader, byte: &mut u8) {
    let at = std::ptr::from_mut(byte).addr();
    // Not scoped: a scope's end does not wait for the thread's own end, its join does.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let at = std::ptr::with_exposed_provenance_mut(at);
            // SAFETY: the byte is looked at after the completion; the pipe stays open.
            unsafe { ring.read(reader, at, 1, None, 1) }.unwrap();
            let _ = ring.submit().unwrap();
        });
        thread.join().unwrap();
    });
}

/// Linux: the end of the thread cancels what it submitted.
#[test]
fn the_end_of_a_thread_cancels_what_it_submitted() {
    if crate::common::only_on_linux(
        "the_end_of_a_thread_cancels_what_it_submitted",
        "an entry outlives the thread that submitted it",
    ) {
        return;
    }
    limit(LIMIT, || {
        let ring = ring(4);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut byte = 0u8;
        let _ = (&raw mut byte).expose_provenance();
        read_and_exit(&ring, &reader, &mut byte);
        // Cancelled at once, or, on older kernels, when its event comes.
        let ended = match ring.wait_timeout(Duration::from_millis(200)) {
            Ok(mut batch) => batch.next().unwrap().result(),
            Err(error) if error.is_timeout() => {
                writer.write_all(&[9]).unwrap();
                result(&ring)
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(ended, Err(Errno::ECANCELED));
        assert_eq!(byte, 0);
    });
}

/// With a thread that submits for it, it completes with its own result.
#[test]
fn an_operation_outlives_its_thread_where_another_submits() {
    repeated(|| {
        let ring = SharedRing::builder().entries(4).submitter_thread().build().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut byte = 0u8;
        let _ = (&raw mut byte).expose_provenance();
        read_and_exit(&ring, &reader, &mut byte);
        let early = ring.wait_timeout(Duration::from_millis(20));
        assert!(early.unwrap_err().is_timeout(), "it ended with its thread");
        writer.write_all(&[9]).unwrap();
        assert_eq!(result(&ring), Ok(1));
        assert_eq!(byte, 9);
    });
}

/// The ring's own thread is gone when the drop returns, and sleeps until then.
#[test]
fn the_submitting_thread_ends_with_its_ring() {
    limit(LIMIT, || {
        let threads = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let name = |task: &std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
            tasks.flatten().filter(|t| name(t).is_ok_and(|n| n == "annulus-submit\n")).count()
        };
        let ring = SharedRing::builder().entries(4).submitter_thread().build().unwrap();
        ring.nop(1).unwrap();
        assert_eq!(result(&ring), Ok(0));
        assert!(threads() >= 1);
        drop(ring);
        // Tests beside this one have such threads as well: those end, too.
        while threads() > 0 {
            std::thread::yield_now();
        }
    });
}

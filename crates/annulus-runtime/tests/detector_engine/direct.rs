//! Direct reads of 64 x 1 MiB: a device writes to them, whatever is cancelled, until it is done.
//!
//! Each test says who submitted them and who died; 1,024 buffers each.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use annulus_runtime::buffer::{AlignedBuf, IoBufMut};
use annulus_runtime::{Engine, File};

use super::common::detector::Options;
use super::common::engines::{CLOSE, Kind, Rig, poll_once, ship, until, until_in_kernel};
use super::common::files::TempFile;
use super::common::{limit, times};

const COUNT: usize = 64;
const BYTES: usize = 1 << 20;
/// How often each is done.
fn rounds() -> usize {
    times(16).max(2) as usize
}

const LIMIT: Duration = Duration::from_secs(240);

/// Begins the reads on this thread. In odd rounds the kernel has them for certain when this
/// returns; in even ones they may be on their way to it.
fn reads<B: IoBufMut>(
    engine: &Engine,
    file: &File,
    round: usize,
    buf: fn() -> B,
) -> Vec<impl Future + Unpin + Send + 'static + use<B>> {
    let before = engine.metrics().shipped;
    let reads = (0..COUNT).map(|n| ship(file.read_at(buf(), (n * BYTES) as u64))).collect();
    if round % 2 == 1 {
        until_in_kernel(engine, before + COUNT as u64);
    }
    reads
}

/// A buffer whose pages are there: else the kernel takes longer to begin than the device to end.
fn vector() -> Vec<u8> {
    vec![1; BYTES]
}

fn aligned() -> AlignedBuf {
    let mut buf = AlignedBuf::new(BYTES);
    buf.resize(BYTES, 1);
    buf
}

/// Has `round` begin reads and lose what it likes, with each kind of engine; then everything is
/// ended, and no buffer may have been written to after it was freed.
fn clean(name: &str, kinds: &[Kind], round: impl Fn(&mut Rig, File, usize)) {
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    if file.direct(name).is_none() {
        return;
    }
    for kind in kinds {
        let mut freed = 0;
        let mut found = 0;
        for n in 0..rounds() {
            limit(LIMIT, || {
                let watch = Options::new().bytes_min(BYTES).watch();
                let mut rig = kind.rig(|builder| builder);
                let direct = rig.file(file.direct(name).expect("as before"));
                round(&mut rig, direct, n);
                rig.close();
                // The last buffers are freed when the driver is gone, or with the runtime.
                until(|| watch.check().live_count == 0);
                file.settle();
                let report = watch.check();
                freed += report.freed_count;
                found += report.changed.len();
                report.assert_clean(COUNT * BYTES);
            });
        }
        eprintln!("{name}, {kind:?}: {found} of {freed} buffers were written to after the free");
        assert!(freed >= 62 * rounds());
    }
}

#[test]
fn the_futures_are_dropped() {
    clean("the_futures_are_dropped", Kind::ALL, |rig, file, round| {
        drop(reads(rig.engine(), &file, round, vector));
    });
}

#[test]
fn the_futures_with_aligned_buffers_are_dropped() {
    clean("the_futures_with_aligned_buffers_are_dropped", Kind::ALL, |rig, file, round| {
        drop(reads(rig.engine(), &file, round, aligned));
    });
}

#[test]
fn the_futures_the_engine_and_the_last_file_are_dropped() {
    let name = "the_futures_the_engine_and_the_last_file_are_dropped";
    clean(name, Kind::ALL, |rig, file, round| {
        let engine = rig.take_engine();
        let reads = reads(&engine, &file, round, vector);
        match round % 4 {
            0 | 1 => drop((reads, file, engine)),
            _ => drop((engine, file, reads)),
        }
    });
}

#[test]
fn the_submitting_thread_exits_and_its_futures_with_it() {
    let name = "the_submitting_thread_exits_and_its_futures_with_it";
    clean(name, Kind::ALL, |rig, file, round| {
        let engine = rig.engine().clone();
        let submitting = std::thread::spawn(move || {
            drop(reads(&engine, &file, round, vector));
        });
        submitting.join().expect("no panic");
    });
}

/// The reads go on, and the futures are dropped elsewhere.
#[test]
fn the_submitting_thread_exits_before_its_futures() {
    clean("the_submitting_thread_exits_before_its_futures", Kind::ALL, |rig, file, round| {
        let engine = rig.engine().clone();
        let submitting = std::thread::spawn(move || reads(&engine, &file, round, vector));
        let reads = submitting.join().expect("no panic");
        if round % 4 < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(reads);
    });
}

#[cfg(feature = "tokio")]
#[test]
fn the_runtime_is_dropped_and_the_drive_with_it() {
    let name = "the_runtime_is_dropped_and_the_drive_with_it";
    clean(name, &[Kind::Tokio], |rig, file, round| {
        let reads = reads(&rig.engine().clone(), &file, round, vector);
        if round % 4 < 2 {
            rig.drop_runtime();
            drop(reads);
        } else {
            drop(reads);
            rig.drop_runtime();
        }
    });
}

/// Nothing is freed, so nothing can be written to after that: what was forgotten is kept, and the
/// engine ends all the same.
#[test]
fn the_futures_are_forgotten() {
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    if file.direct("the_futures_are_forgotten").is_none() {
        return;
    }
    for kind in Kind::ALL {
        let mut forgotten = 0;
        // One more: a future that gives its thread away first is one that was not begun.
        for _ in 0..=rounds() {
            limit(LIMIT, || {
                let watch = Options::new().bytes_min(BYTES).watch();
                let rig = kind.rig(|builder| builder);
                let direct = rig.file(file.direct("the_futures_are_forgotten").expect("as before"));
                for n in 0..COUNT {
                    let mut read = direct.read_at(vector(), (n * BYTES) as u64);
                    let _ = poll_once(&mut read);
                    std::mem::forget(read);
                }
                // The driver takes them when it has the processor.
                until(|| rig.engine().metrics().shipped >= 56);
                let begun = rig.engine().metrics().shipped;
                drop(direct);
                rig.close();
                file.settle();
                let report = watch.check();
                report.assert_clean(0);
                assert!(report.live_count >= COUNT, "{report}");
                forgotten += begun;
            });
        }
        eprintln!("{kind:?}: {forgotten} reads forgotten, their buffers kept");
        assert!(forgotten >= 56 * rounds() as u64);
    }
}

/// The kernel cannot be hurried: the engine says so, keeps the memory, and is done later.
#[test]
fn a_shutdown_without_patience_keeps_the_memory() {
    let name = "a_shutdown_without_patience_keeps_the_memory";
    let impatient = Cell::new(0);
    clean(name, Kind::ALL, |rig, file, round| {
        let reads = reads(rig.engine(), &file, round, vector);
        drop(reads);
        let over = rig.engine().shutdown(Duration::ZERO);
        impatient.set(impatient.get() + u32::from(!over));
        let metrics = rig.engine().metrics();
        assert!(!over || metrics.completed == metrics.shipped, "{metrics:?}");
        let closed = futures::executor::block_on(file.read_at(aligned(), 0)).expect_err("closed");
        assert_eq!(closed.kind(), std::io::ErrorKind::BrokenPipe);
        assert!(rig.engine().shutdown(CLOSE));
    });
    // Where others have the processors, the device is often done before this thread asks.
    assert!(impatient.get() > 0, "the kernel had done with all, in all of {} rounds", rounds());
}

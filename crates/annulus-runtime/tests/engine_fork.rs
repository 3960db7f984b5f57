//! A process that forks while its engine works: the child is told, harms nothing, and may make an
//! engine of its own; the parent goes on.

mod common;

use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use annulus_runtime::Engine;
use annulus_runtime::engine::Readiness;
use common::child::{Forked, fork};
use common::engines::{self, begin, poll_once, until, until_in_kernel};
use common::files::{TempFile, first_difference};
use common::{LIMIT, limit};
use futures::executor::block_on;

/// What a child does with an engine of its own.
fn own_engine(child: &Forked, file: &TempFile) {
    let engine = Engine::new().expect("an engine in the child");
    let read = block_on(
        engine
            .file(file.open())
            .read_at(vec![0; 4096], 4096)
            .then(engine.file(file.open()).read_at(vec![0; 4096], 0)),
    );
    child.ensure(read.0.is_ok_and(|(n, buf)| n == 4096 && first_difference(4096, &buf).is_none()));
    child.ensure(read.1.is_ok_and(|(n, buf)| n == 4096 && first_difference(0, &buf).is_none()));
    child.ensure(engine.shutdown(Duration::from_secs(10)));
}

#[test]
fn the_child_is_told_and_the_parent_goes_on() {
    let file = TempFile::patterned(64 << 10);
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(4 * LIMIT, || {
                let (reader, mut writer) = io::pipe().expect("a pipe");
                let pipe = rig.file(reader);
                let cached = rig.file(file.open());
                for round in 1..=10 {
                    let mut reads: Vec<_> =
                        (0..4).map(|_| begin(pipe.read(vec![round; 8]))).collect();
                    let chain = begin(pipe.read(vec![0; 8]).then(pipe.read(vec![0; 8])));
                    let mut mine = Some((chain, cached.read_at(vec![0; 4096], 0)));
                    if round % 2 == 0 {
                        until_in_kernel(rig.engine(), u64::from(round) * 6);
                    }
                    fork(|child| {
                        // Begun in the parent, cancelled, dropped, awaited here.
                        let mut first = reads.pop().expect("four");
                        first.cancel();
                        drop(reads.pop());
                        let error = block_on(first).expect_err("it is the parent's");
                        child.ensure(error.is_forked() && error.kind() == ErrorKind::Unsupported);
                        child.ensure(error.into_buf() == [round; 8]);
                        let (mut chain, mut ready) = mine.take().expect("both");
                        let results = poll_once(&mut chain);
                        child.ensure(matches!(results, Poll::Ready((Err(_), Err(_)))));
                        // Begun here.
                        child.ensure(matches!(poll_once(&mut ready), Poll::Ready(Err(_))));
                        let error = block_on(cached.write_at(vec![1; 8], 0)).expect_err("forked");
                        child.ensure(error.to_string().contains("after the fork"));
                        child.ensure(error.into_buf() == [1; 8]);
                        child.ensure(rig.engine().shutdown(Duration::from_secs(10)));
                        child.ensure(rig.engine().clone().metrics().panics == 0);
                        own_engine(child, &file);
                        drop((std::mem::take(&mut reads), chain, ready));
                        drop((pipe.clone(), cached.clone(), rig.take_engine()));
                    });
                    for byte in 0..6 {
                        writer.write_all(&[byte; 8]).expect("room in the pipe");
                    }
                    let mut bytes = Vec::new();
                    for read in reads {
                        bytes.push(block_on(read).expect("the parent's").1);
                    }
                    let (chain, ready) = mine.expect("the child had a copy");
                    let (first, second) = block_on(chain);
                    bytes.extend([first.expect("a read").1, second.expect("a read").1]);
                    bytes.sort_unstable();
                    assert_eq!(bytes, [0, 1, 2, 3, 4, 5].map(|byte| vec![byte; 8]));
                    let (n, bytes) = block_on(ready).expect("a read");
                    assert_eq!((n, first_difference(0, &bytes)), (4096, None));
                }
            });
        },
    );
}

/// What is never told anything: the test polls the drive itself.
struct Untold;

impl Readiness for Untold {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        // What a runtime does here, ends the watch on the ring: the parent's too, after a fork.
        // Pairs with nothing: the parent wrote it.
        assert_eq!(std::process::id(), PARENT.load(Ordering::Relaxed));
    }
}

/// Pairs with nothing: written before there is a child.
static PARENT: AtomicU32 = AtomicU32::new(0);

#[test]
fn a_drive_in_the_child_drives_nothing_and_leaves_its_hands_off() {
    // Pairs with nothing: as said.
    PARENT.store(std::process::id(), Ordering::Relaxed);
    limit(LIMIT, || {
        let watch = |_: OwnedFd| Ok(Untold);
        let (engine, drive) = Engine::builder().build_driven_by(watch).expect("an engine");
        let mut mine = Some(drive);
        let drive = |mine: &mut Option<_>| poll_once(mine.as_mut().expect("a drive"));
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let pipe = engine.file(reader);
        let mut read = begin(pipe.read(vec![0; 8]));
        until(|| drive(&mut mine).is_pending() && engine.metrics().in_flight == 1);
        fork(|child| {
            child.ensure(drive(&mut mine).is_ready());
            child.ensure(matches!(poll_once(&mut read), Poll::Ready(Err(_))));
            drop(mine.take());
        });
        writer.write_all(b"there").expect("room in the pipe");
        let mut result = None;
        until(|| {
            assert!(drive(&mut mine).is_pending());
            if let Poll::Ready(done) = poll_once(&mut read) {
                result = Some(done);
            }
            result.is_some()
        });
        assert_eq!(result.expect("it is there").expect("a read").0, 5);
        drop((engine, pipe));
        until(|| drive(&mut mine).is_ready());
    });
}

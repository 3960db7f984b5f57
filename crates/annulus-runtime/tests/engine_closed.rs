//! A closed engine: what is begun afterwards is refused with its buffer, what is under way ends,
//! and nothing hangs, whatever races with the close.

mod common;

use std::io::{ErrorKind, PipeWriter, Write};
use std::sync::Barrier;
use std::time::Duration;

use annulus_runtime::File;
use annulus_runtime::buffer::{AlignedBuf, BufError, BufResult};
use common::engines::{self, CLOSE, Kind, begin, poll_once, shipped_pipe, until_in_kernel};
use common::files::TempFile;
use common::{LIMIT, limit};
use futures::executor::block_on;

#[track_caller]
fn refused<T: std::fmt::Debug, B: std::fmt::Debug + PartialEq>(result: BufResult<T, B>, buf: B) {
    let error: BufError<B> = result.expect_err("the engine is closed");
    assert_eq!((error.kind(), error.errno(), error.done()), (ErrorKind::BrokenPipe, None, 0));
    assert!(error.is_closed() && error.to_string().contains("closed"), "{error}");
    assert_eq!(error.into_buf(), buf);
}

#[test]
fn every_operation_is_refused_with_its_buffer() {
    let temp = TempFile::patterned(4096);
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                let file = rig.file(temp.open());
                let engine = rig.engine().clone();
                let begun_before = file.read_at(vec![1], 0);
                assert!(engine.shutdown(CLOSE) && engine.shutdown(Duration::ZERO));
                refused(block_on(begun_before), vec![1]);
                refused(block_on(file.read_at(vec![2; 8], 0)), vec![2; 8]);
                refused(block_on(file.read(vec![3; 8])), vec![3; 8]);
                refused(block_on(file.read_exact_at(vec![4; 8], 0)), vec![4; 8]);
                refused(block_on(file.write_at(vec![5; 8], 0)), vec![5; 8]);
                refused(block_on(file.write(vec![6; 8])), vec![6; 8]);
                refused(block_on(file.write_all_at(vec![7; 8], 0)), vec![7; 8]);
                let limited = file.read_at(vec![8; 8], 0).deadline(Duration::from_secs(1));
                refused(block_on(limited), vec![8; 8]);
                let chain = file.read_at(vec![1; 8], 0).then(file.write_at(vec![2; 8], 0));
                let ((first, second), third) = block_on(chain.then(file.read(vec![3; 8])));
                refused(first, vec![1; 8]);
                refused(second, vec![2; 8]);
                refused(third, vec![3; 8]);
                // Another file of it is no better.
                let late = engine.file(temp.open());
                refused(block_on(late.read_at(vec![2; 8], 0)), vec![2; 8]);
                assert_eq!(engine.metrics().inline, 0);
            });
        },
    );
}

/// Also while the driver has not seen yet that it is closed, and what would be done at once if it
/// were begun.
#[test]
fn what_comes_a_moment_after_the_close_is_refused() {
    for _ in 0..50 {
        engines::each(
            |builder| builder.entries(8),
            |rig| {
                limit(LIMIT, || {
                    let (reader, mut writer) = shipped_pipe();
                    let pipe = rig.file(reader);
                    writer.write_all(b"there").expect("room in the pipe");
                    rig.engine().shutdown(Duration::ZERO);
                    refused(block_on(pipe.read(vec![1; 8])), vec![1; 8]);
                    let chain = pipe.read(vec![2; 8]).then(pipe.read(vec![3; 8]));
                    let (first, second) = block_on(chain);
                    refused(first, vec![2; 8]);
                    refused(second, vec![3; 8]);
                });
            },
        );
    }
}

/// What every one of so many reads gives that is under way when the engine is closed.
#[test]
fn what_is_under_way_ends() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                let (reader, _writer) = std::io::pipe().expect("a pipe");
                let pipe = rig.file(reader);
                // More than the kernel gets: the rest never began.
                let reads: Vec<_> = (0..200).map(|_| begin(pipe.read(vec![7; 8]))).collect();
                let chain = begin(pipe.read(vec![8; 8]).then(pipe.read(vec![9; 8])));
                let limited = begin(pipe.read(vec![7; 8]).deadline(Duration::from_secs(3600)));
                until_in_kernel(rig.engine(), 32);
                assert!(rig.engine().shutdown(CLOSE));
                for read in reads {
                    refused(block_on(read), vec![7; 8]);
                }
                refused(block_on(limited), vec![7; 8]);
                let (first, second) = block_on(chain);
                refused(first, vec![8; 8]);
                assert_eq!(second.expect_err("it is closed").into_buf(), [9; 8]);
            });
        },
    );
}

/// Ships until it is refused; how many were done, and how many were not.
fn ship_until_closed(pipe: &File, writer: &mut PipeWriter, chained: bool) -> (u64, u64) {
    let mut done = 0;
    loop {
        writer.write_all(&[done as u8; 2]).expect("room in the pipe");
        let closed = |error: BufError<Vec<u8>>| {
            assert_eq!(error.into_buf().len(), 2, "its own buffer");
        };
        if chained {
            let (first, second) = block_on(pipe.read(vec![0; 2]).then(pipe.write(vec![0; 2])));
            // The second cannot be: the pipe's reading end is not written to.
            closed(second.expect_err("it cannot be written to"));
            match first {
                Ok((n, buf)) => assert_eq!((n, &buf[..]), (2, &[done as u8; 2][..])),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
                    closed(error);
                    return (done, 1);
                }
            }
        } else {
            match block_on(pipe.read(vec![0; 2])) {
                Ok((n, buf)) => assert_eq!((n, &buf[..]), (2, &[done as u8; 2][..])),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
                    closed(error);
                    return (done, 1);
                }
            }
        }
        done += 1;
    }
}

#[test]
fn what_races_with_the_close_is_done_or_refused() {
    for kind in Kind::ALL {
        let (mut done, mut refused) = (0, 0);
        for round in 0..200 {
            limit(LIMIT, || {
                let rig = kind.rig(|builder| builder.entries(8));
                let start = Barrier::new(4);
                std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..3)
                        .map(|n| {
                            let (reader, mut writer) = shipped_pipe();
                            let (pipe, start) = (rig.file(reader), &start);
                            scope.spawn(move || {
                                start.wait();
                                ship_until_closed(&pipe, &mut writer, n == 2)
                            })
                        })
                        .collect();
                    start.wait();
                    std::thread::sleep(Duration::from_micros(round % 20 * 50));
                    assert!(rig.engine().shutdown(CLOSE));
                    for thread in threads {
                        let (now, not) = thread.join().expect("no panic");
                        done += now;
                        refused += not;
                    }
                });
                rig.close();
            });
        }
        eprintln!("{kind:?}: {done} done, {refused} refused");
        assert_eq!(refused, 600);
        assert!(done > 0);
    }
}

/// Cancels and drops that race with the close, by threads that know nothing of it.
#[test]
fn cancels_that_race_with_the_close() {
    for kind in Kind::ALL {
        for round in 0..200 {
            limit(LIMIT, || {
                let rig = kind.rig(|builder| builder.entries(8));
                let (reader, _writer) = std::io::pipe().expect("a pipe");
                let pipe = rig.file(reader);
                let reads: Vec<_> = (0..20).map(|_| begin(pipe.read(vec![0; 8]))).collect();
                let start = Barrier::new(2);
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        start.wait();
                        for (n, mut read) in reads.into_iter().enumerate() {
                            if n % 2 == 0 {
                                drop(read);
                            } else {
                                read.cancel();
                                let error = block_on(read).expect_err("nobody writes");
                                let kind = error.kind();
                                let known = [ErrorKind::Interrupted, ErrorKind::BrokenPipe];
                                assert!(known.contains(&kind), "{error}");
                            }
                        }
                    });
                    start.wait();
                    std::thread::sleep(Duration::from_micros(round % 10 * 10));
                    assert!(rig.engine().shutdown(CLOSE));
                });
                rig.close();
            });
        }
    }
}

/// Reads of a disk cannot be ended: a shutdown without patience says so, one with patience waits.
#[test]
fn a_shutdown_says_whether_everything_is_over() {
    const BYTES: usize = 1 << 20;
    let temp = TempFile::patterned(64 << 20);
    let Some(direct) = temp.direct("a_shutdown_says_whether_everything_is_over") else { return };
    for kind in Kind::ALL {
        let mut early = 0;
        for _ in 0..20 {
            limit(LIMIT, || {
                let rig = kind.rig(|builder| builder);
                let disk = rig.file(direct.try_clone().expect("a descriptor"));
                let mut reads = Vec::new();
                for n in 0..64 {
                    let mut read = disk.read_at(AlignedBuf::zeroed(BYTES), n << 20);
                    if poll_once(&mut read).is_pending() {
                        reads.push(read);
                    }
                }
                let over = rig.engine().shutdown(Duration::ZERO);
                let metrics = rig.engine().metrics();
                assert!(!over || metrics.completed == metrics.shipped, "{metrics:?}");
                early += u32::from(!over);
                assert!(rig.engine().shutdown(CLOSE));
                for read in reads {
                    // Done in spite of all, or not begun.
                    match block_on(read) {
                        Ok((n, _)) => assert_eq!(n, BYTES),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}"),
                    }
                }
                rig.close();
            });
        }
        eprintln!("{kind:?}: {early} of 20 were not over at once");
        assert!(early > 0);
    }
}

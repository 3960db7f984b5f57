//! Cancelled operations, and ones whose submitting thread is gone: each has its own result, and
//! nothing is lost.

mod common;

use std::future::Future;
use std::io::{ErrorKind, Write};
use std::task::Poll;
use std::time::Duration;

use annulus_runtime::buffer::IoBuf;
use annulus_runtime::engine::EngineBuilder;
use common::engines::{self, CLOSE, begin, poll_once, shipped_pipe, until};
use common::files::TempFile;
use common::{LIMIT, limit, times};
use futures::executor::block_on;

fn eight(builder: EngineBuilder) -> EngineBuilder {
    builder.entries(8)
}

/// Begins an operation, has `cancel` do so unless it is over by then, and waits.
fn cancelled_soon<F: Future + Unpin>(future: &mut F, cancel: impl FnOnce(&mut F)) -> F::Output {
    // Twice where it gives its thread away first.
    for _ in 0..2 {
        if let Poll::Ready(output) = poll_once(future) {
            return output;
        }
    }
    cancel(future);
    block_on(future)
}

/// 10,000 reads are cancelled while the other side writes: each gives what it read, or was
/// cancelled and gives its buffer; the bytes come all, in order.
#[test]
fn a_cancelled_read_gives_its_bytes_or_left_them() {
    let cancels = times(10_000);
    engines::each(eight, |rig| {
        limit(8 * LIMIT, || {
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let pipe = rig.file(reader);
            let (mut cancelled, mut got) = (0, 0);
            std::thread::scope(|scope| {
                // It stays open: where all bytes were there too soon, the last read still waits.
                let writer = &mut writer;
                scope.spawn(move || {
                    for n in 0..cancels {
                        writer.write_all(&[n as u8]).expect("the reader is there");
                        if n % 3 == 0 {
                            std::thread::yield_now();
                        }
                    }
                });
                let mut buf = vec![0; 8];
                while got < cancels || cancelled == 0 {
                    let mut read = pipe.read(buf.slice(..1));
                    buf = match cancelled_soon(&mut read, |read| read.cancel()) {
                        Ok((n, buf)) => {
                            assert_eq!((n, buf[0]), (1, got as u8), "byte {got}");
                            got += 1;
                            buf.into_inner()
                        }
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Interrupted);
                            cancelled += 1;
                            error.into_buf().into_inner()
                        }
                    };
                    assert_eq!(buf.len(), 8, "another buffer");
                }
            });
            eprintln!("{:?}: {cancelled} reads cancelled, {got} bytes read", rig.kind());
        });
    });
}

/// The same where every read goes through the ring, at 10,000 cancels.
#[test]
fn ten_thousand_cancels_race_with_a_writer() {
    let cancels = times(10_000);
    engines::each(eight, |rig| {
        limit(8 * LIMIT, || {
            let (reader, mut writer) = shipped_pipe();
            let pipe = rig.file(reader);
            let (mut cancelled, mut got, mut sent) = (0_u64, 0_u64, 0_u64);
            let mut buf = vec![0; 1];
            for round in 0..cancels {
                let mut read = pipe.read(buf);
                let result = cancelled_soon(&mut read, |read| {
                    if sent == got && round % 2 == 0 {
                        writer.write_all(&[sent as u8]).expect("room in the pipe");
                        sent += 1;
                    }
                    // Sometimes a byte that is there is read: who wins else is the kernel's affair.
                    if sent == got || round % 50 != 0 {
                        read.cancel();
                    }
                });
                buf = match result {
                    Ok((n, buf)) => {
                        assert_eq!((n, buf[0]), (1, got as u8), "byte {got}");
                        got += 1;
                        buf
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Interrupted);
                        cancelled += 1;
                        error.into_buf()
                    }
                };
            }
            let left = u64::from(sent > got);
            eprintln!("{:?}: {cancelled} reads cancelled, {got} bytes read", rig.kind());
            assert_eq!((cancelled + got, sent), (cancels, got + left));
            assert!(cancelled > 0 && got >= cancels / 50);
        });
    });
}

/// What waits for room in the ring is over as soon as it is cancelled, though nothing completes.
#[test]
fn what_never_began_is_cancelled_at_once() {
    engines::each(
        |builder| builder.entries(8).in_flight_max(1),
        |rig| {
            limit(LIMIT, || {
                let (reader, _writer) = std::io::pipe().expect("a pipe");
                let pipe = rig.file(reader);
                let _first = begin(pipe.read(vec![0; 8]));
                until(|| rig.engine().metrics().in_flight == 1);
                for _ in 0..200 {
                    let mut second = begin(pipe.read(vec![7; 8]));
                    let mut chain = begin(pipe.read(vec![0; 8]).then(pipe.read(vec![0; 8])));
                    let third = begin(pipe.read(vec![0; 8]));
                    drop((poll_once(&mut chain), chain, third));
                    let canceller = std::thread::spawn(move || {
                        second.cancel();
                        block_on(second)
                    });
                    let error = canceller.join().expect("no panic").expect_err("cancelled");
                    assert_eq!(error.kind(), ErrorKind::Interrupted);
                    assert_eq!(error.into_buf(), [7; 8]);
                }
                let metrics = rig.engine().metrics();
                assert_eq!((metrics.submitted, metrics.in_flight), (1, 1), "{metrics:?}");
            });
        },
    );
}

/// 100 reads, each begun on a thread of its own, which is gone when the bytes come.
#[test]
fn what_a_thread_submitted_that_exits_completes_with_its_own_result() {
    engines::each(eight, |rig| {
        limit(LIMIT, || {
            let mut reads = Vec::new();
            let mut writers = Vec::new();
            for _ in 0..100 {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                let pipe = rig.file(reader);
                let submitting = std::thread::spawn(move || begin(pipe.read(vec![0; 8])));
                reads.push(submitting.join().expect("no panic"));
                writers.push(writer);
            }
            for (n, writer) in writers.iter_mut().enumerate().rev() {
                writer.write_all(&[n as u8; 4]).expect("room in the pipe");
            }
            for (n, read) in reads.into_iter().enumerate() {
                let (count, bytes) = block_on(read).expect("not cancelled by the exit");
                assert_eq!(bytes[..count], [n as u8; 4]);
            }
        });
    });
}

/// Of a chain that is dropped, each link is cancelled also where the one before it was past being
/// cancelled: what it would have taken is still there.
#[test]
fn a_dropped_chain_takes_nothing_later() {
    let file = TempFile::patterned(4 << 20);
    let Some(direct) = file.direct("a_dropped_chain_takes_nothing_later") else { return };
    engines::each(eight, |rig| {
        limit(4 * LIMIT, || {
            let disk = rig.file(direct.try_clone().expect("a descriptor"));
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let pipe = rig.file(reader.try_clone().expect("a descriptor"));
            for _ in 0..200 {
                let before = rig.engine().metrics();
                let aligned = annulus_runtime::buffer::AlignedBuf::zeroed(4 << 20);
                let chain = disk.read_at(aligned, 0).then(pipe.read(vec![0; 8]));
                let chain = engines::ship(chain);
                until(|| rig.engine().metrics().submitted == before.submitted + 2);
                drop(chain);
                // Both are over without anybody writing.
                until(|| rig.engine().metrics().completed == before.completed + 2);
                writer.write_all(b"there").expect("room in the pipe");
                let mut bytes = [0; 5];
                std::io::Read::read_exact(&mut &reader, &mut bytes).expect("a pipe");
                assert_eq!(&bytes, b"there");
            }
        });
    });
}

/// A deadline and a cancel at the same time: the operation is over once, with one of the two.
#[test]
fn a_deadline_races_with_a_cancel() {
    engines::each(eight, |rig| {
        limit(4 * LIMIT, || {
            let (reader, _writer) = std::io::pipe().expect("a pipe");
            let pipe = rig.file(reader);
            for n in 0..1_000 {
                let limit = Duration::from_micros(n % 300);
                let mut read = pipe.read(vec![0; 8]).deadline(limit);
                let result = cancelled_soon(&mut read, |read| {
                    std::thread::sleep(Duration::from_micros(100));
                    read.cancel();
                });
                let error = result.expect_err("nobody writes");
                assert!(matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::TimedOut));
            }
            assert!(rig.engine().shutdown(CLOSE));
        });
    });
}

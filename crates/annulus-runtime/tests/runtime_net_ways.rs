//! Which way a read or write of a stream goes: to a pool or not, at once or by the ring. What it
//! brings is the same.

mod common;
mod sockets;

use std::cell::Cell;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::rc::Rc;

use annulus_runtime::runtime::net::{TcpStream, UnixStream};
use annulus_runtime::runtime::ops;
use annulus_runtime::{Runtime, run, spawn_local, yield_now};
use common::{LIMIT, limit, may_not_lock};
use futures::FutureExt;
use sockets::pair;

/// Has `count` messages of three bytes read by reads of `bytes` bytes.
async fn read_some(here: &mut TcpStream, there: &mut StdStream, count: u8, bytes: usize) {
    for n in 0..count {
        there.write_all(&[n; 3]).expect("there is room");
        let (got, buf) = here.read(vec![0; bytes]).await.expect("no error");
        assert_eq!((got, &buf[..3]), (3, &[n; 3][..]));
    }
}

/// On a runtime whose streams turn to a pool by themselves.
fn with_pool<F: Future>(body: F) -> F::Output {
    Runtime::builder().auto_pool(true).build().expect("a runtime").block_on(body)
}

/// Whether a receive is under way though nobody reads.
fn receives_ahead() -> bool {
    ops().len() == 1
}

#[test]
fn short_reads_turn_a_stream_to_a_pool() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        with_pool(async {
            let (here, mut there) = pair();
            let mut here = TcpStream::from_std(here);
            read_some(&mut here, &mut there, 2, 16).await;
            assert!(!receives_ahead());
            read_some(&mut here, &mut there, 5, 16).await;
            assert!(receives_ahead());
            // Longer reads stay with it.
            read_some(&mut here, &mut there, 5, 1 << 20).await;
            assert!(receives_ahead());
            there.write_all(b"early").expect("there is room");
            let (std, early) = here.into_std().await.expect("no error");
            let mut all = early;
            std.set_nonblocking(false).expect("a flag");
            drop(there);
            (&std).read_to_end(&mut all).expect("no error");
            assert_eq!(all, b"early");
        });
    });
}

#[test]
fn long_reads_between_keep_it_from_that() {
    limit(LIMIT, || {
        with_pool(async {
            let (here, mut there) = pair();
            let mut here = TcpStream::from_std(here);
            for _ in 0..5 {
                read_some(&mut here, &mut there, 2, 16 << 10).await;
                read_some(&mut here, &mut there, 1, (16 << 10) + 1).await;
            }
            assert!(!receives_ahead());
        });
    });
}

#[test]
fn it_is_off_unless_asked_for() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        run(async {
            let (here, mut there) = pair();
            let mut here = TcpStream::from_std(here);
            read_some(&mut here, &mut there, 9, 16).await;
            assert!(!receives_ahead());
            here.set_auto_pool(true);
            read_some(&mut here, &mut there, 9, 16).await;
            assert!(receives_ahead());
        })
        .expect("a runtime");
        with_pool(async {
            let (here, mut there) = pair();
            let mut here = TcpStream::from_std(here);
            here.set_auto_pool(false);
            read_some(&mut here, &mut there, 9, 16).await;
            assert!(!receives_ahead());
        });
    });
}

#[test]
fn streams_that_bring_descriptors_never_turn() {
    limit(LIMIT, || {
        with_pool(async {
            let (mut here, mut there) = UnixStream::pair().expect("a pair");
            for _ in 0..9 {
                there.write_all("ring").await.expect("there is room");
                assert_eq!(here.read(vec![0; 16]).await.expect("no error").0, 4);
            }
            assert!(ops().is_empty());
        });
    });
}

#[test]
fn a_write_that_has_room_is_done_at_once() {
    limit(LIMIT, || {
        run(async {
            let (here, mut there) = pair();
            let mut here = TcpStream::from_std(here);
            let written = here.write_all("ring").now_or_never().expect("there is room");
            assert_eq!(written.expect("no error").0, 4);
            let mut read = [0; 4];
            there.read_exact(&mut read).expect("no error");
            assert_eq!(&read, b"ring");
            drop(there);
            // The peer resets what it does not read.
            let error = loop {
                match here.write("ring").await {
                    Ok((count, _)) => assert_eq!(count, 4),
                    Err(error) => break error,
                }
                yield_now().await;
            };
            assert!(matches!(error.errno().map(|errno| errno.raw()), Some(32 | 104)), "{error}");
            assert_eq!(error.into_buf(), "ring");
        })
        .expect("a runtime");
    });
}

/// What does not fit at once is waited for, and goes in its order, however often that is.
#[test]
fn what_finds_no_room_goes_behind_what_did() {
    limit(LIMIT, || {
        let (here, mut there) = pair();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            there.read_to_end(&mut all).map(|_| all)
        });
        run(async move {
            let mut here = TcpStream::from_std(here);
            for n in 0..64_u8 {
                let (count, _) = here.write_all(vec![n; 300_000]).await.expect("no error");
                assert_eq!(count, 300_000);
            }
        })
        .expect("a runtime");
        let all = reader.join().expect("no panic").expect("no error");
        assert_eq!(all.len(), 64 * 300_000);
        assert!(all.chunks(300_000).zip(0..).all(|(part, n)| part.iter().all(|byte| *byte == n)));
    });
}

/// A task that does nothing but write, and always has room, keeps no other from its turn.
#[test]
fn who_only_writes_lets_others_run() {
    limit(LIMIT, || {
        let (here, mut there) = pair();
        let reader = std::thread::spawn(move || std::io::copy(&mut there, &mut std::io::sink()));
        run(async move {
            let mut here = TcpStream::from_std(here);
            let (written, is_over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
            let (count, over) = (Rc::clone(&written), Rc::clone(&is_over));
            let hog = spawn_local(async move {
                while !over.get() && count.get() < 100_000 {
                    here.write_all("x").await.expect("no error");
                    count.set(count.get() + 1);
                }
            });
            let mut before = 0;
            for _ in 0..10 {
                yield_now().await;
                assert!(
                    written.get() - before <= 200,
                    "{} writes in a row",
                    written.get() - before
                );
                before = written.get();
            }
            is_over.set(true);
            hog.await.expect("no panic");
        })
        .expect("a runtime");
        reader.join().expect("no panic").expect("no error");
    });
}

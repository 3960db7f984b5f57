//! Streams that are polled, and operations for which nobody waits: what goes on, what is told, and
//! what the end of a runtime makes of it.

mod common;
mod sockets;

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use annulus_runtime::runtime::net::TcpStream;
use annulus_runtime::runtime::net::ops::{Recv, Send};
use annulus_runtime::runtime::{metrics, ops};
use annulus_runtime::{LocalOp, Runtime, run, submit, yield_now};
use common::{LIMIT, limit};
use futures::future::poll_immediate;
use sockets::{pair, turn};

/// More than two sockets hold.
const MANY: usize = 16 << 20;

#[test]
fn a_started_write_outlives_its_stream() {
    limit(LIMIT, || {
        let (here, mut there) = pair();
        run(async move {
            let mut stream = TcpStream::from_std(here);
            stream.start_write(vec![7; MANY]).expect("nothing is under way");
            turn().await;
            drop(stream);
            assert_eq!(ops().len(), 1, "it waits for room");
            let reader = std::thread::spawn(move || {
                let mut all = Vec::new();
                there.read_to_end(&mut all).map(|count| (count, all.iter().all(|byte| *byte == 7)))
            });
            while !reader.is_finished() {
                turn().await;
            }
            assert_eq!(reader.join().expect("no panic").expect("a read"), (MANY, true));
            assert!(ops().is_empty());
        })
        .expect("a runtime");
    });
}

#[test]
fn the_end_of_a_runtime_ends_what_was_started() {
    limit(LIMIT, || {
        let (here, mut there) = pair();
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async move {
            let mut stream = TcpStream::from_std(here);
            stream.start_write(vec![7; MANY]).expect("nothing is under way");
            turn().await;
        });
        runtime.shutdown(LIMIT).expect("nothing hangs");
        let mut all = Vec::new();
        there.read_to_end(&mut all).expect("it is closed");
        assert!(!all.is_empty() && all.len() < MANY, "{}", all.len());
    });
}

#[test]
fn a_stream_polled_takes_what_came_early() {
    limit(LIMIT, || {
        let (here, mut there) = pair();
        run(async move {
            let mut stream = TcpStream::from_std(here);
            assert!(poll_immediate(stream.read(vec![0; 8])).await.is_none());
            // Another read than that which is under way keeps its buffer.
            let mut buf = Some(vec![0; 3]);
            assert!(poll_immediate(poll_fn(|cx| stream.poll_read(cx, &mut buf))).await.is_none());
            assert_eq!(buf.as_deref(), Some(&[0; 3][..]));
            there.write_all(b"early").expect("there is room");
            let (count, filled) =
                poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.expect("bytes");
            assert_eq!(&filled[..count], b"ear");
            let mut buf = Some(filled);
            let (count, filled) =
                poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.expect("bytes");
            assert_eq!(&filled[..count], b"ly");
            // And goes on with one of its own.
            let mut buf = Some(filled);
            assert!(poll_immediate(poll_fn(|cx| stream.poll_read(cx, &mut buf))).await.is_none());
            assert!(buf.is_none());
            there.write_all(b"own").expect("there is room");
            let (count, filled) =
                poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.expect("bytes");
            assert_eq!(&filled[..count], b"own");
        })
        .expect("a runtime");
    });
}

#[test]
fn what_has_no_room_is_not_tried_twice() {
    limit(LIMIT, || {
        let (here, mut there) = pair();
        run(async move {
            let mut stream = TcpStream::from_std(here);
            let (data, mut sent) = (vec![7; MANY], 0);
            let error = loop {
                match stream.try_write(&data, false) {
                    Ok(count) => sent += count,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            stream.start_write(vec![8; 5]).expect("nothing is under way");
            turn().await;
            assert!(poll_immediate(poll_fn(|cx| stream.poll_write::<Vec<u8>>(cx))).await.is_none());
            let reader = std::thread::spawn(move || {
                let mut all = vec![0; sent + 5];
                there.read_exact(&mut all).map(|()| all)
            });
            let (count, _) = poll_fn(|cx| stream.poll_write::<Vec<u8>>(cx)).await.expect("room");
            assert_eq!(count, 5);
            let all = reader.join().expect("no panic").expect("all of it");
            assert!(all[..sent].iter().all(|byte| *byte == 7) && all[sent..] == [8; 5]);
        })
        .expect("a runtime");
    });
}

fn unix() -> (Arc<OwnedFd>, UnixStream) {
    let (here, there) = UnixStream::pair().expect("a pair");
    (Arc::new(here.into()), there)
}

#[test]
fn what_nobody_waits_for_wakes_nobody() {
    limit(LIMIT, || {
        run(async {
            let (here, mut there) = unix();
            let mut send = submit(Send::new(here, "ring"));
            send.begin();
            send.begin(); // once is enough
            let before = metrics().polls;
            turn().await;
            assert_eq!(there.read(&mut [0; 8]).expect("it is sent"), 4);
            // This task waited for its own turn alone.
            assert!(metrics().polls - before <= 1, "{}", metrics().polls - before);
            assert_eq!(send.await.expect("it is sent"), (4, "ring"));
        })
        .expect("a runtime");
    });
}

#[test]
fn an_operation_begun_is_waited_for_later() {
    limit(LIMIT, || {
        run(async {
            let (here, mut there) = unix();
            let mut recv = submit(Recv::new(here, vec![0; 8]));
            recv.begin();
            turn().await;
            assert!(poll_immediate(&mut recv).await.is_none());
            there.write_all(b"ring").expect("there is room");
            let (count, buf) = recv.await.expect("it came");
            assert_eq!(&buf[..count], b"ring");
        })
        .expect("a runtime");
    });
}

#[test]
fn detached_in_every_state() {
    limit(LIMIT, || {
        run(async {
            // Never begun: it never is.
            let (here, mut there) = unix();
            submit(Send::new(here, "never")).detach();
            turn().await;
            assert_eq!(there.read(&mut [0; 8]).expect("it is closed"), 0);
            // In the ring, not submitted; with somebody who waits.
            let (here, mut there) = unix();
            let mut send: LocalOp<Send<_>> = submit(Send::new(here, "soon"));
            assert!(poll_immediate(&mut send).await.is_none());
            send.detach();
            turn().await;
            assert_eq!(there.read(&mut [0; 8]).expect("it is sent"), 4);
            assert_eq!(there.read(&mut [0; 8]).expect("and closed"), 0);
            // Done.
            let (here, mut there) = unix();
            let mut send = submit(Send::new(here, "done"));
            send.begin();
            turn().await;
            send.detach();
            assert_eq!(there.read(&mut [0; 8]).expect("it is sent"), 4);
            assert_eq!(there.read(&mut [0; 8]).expect("and closed"), 0);
            // Asked to end.
            let (here, there) = unix();
            let mut recv = submit(Recv::new(here, vec![0; 8]));
            recv.begin();
            turn().await;
            recv.cancel();
            recv.detach();
            while !ops().is_empty() {
                yield_now().await;
            }
            drop(there);
        })
        .expect("a runtime");
    });
}

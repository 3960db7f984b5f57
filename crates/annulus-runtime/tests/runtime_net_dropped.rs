//! What is lost where futures of a runtime's sockets are dropped: no connection, no byte, no
//! descriptor. In a process of its own: descriptors are counted, so one test runs at a time.

mod common;
mod sockets;

use std::future::Future;
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use annulus_runtime::runtime::net::{TcpListener, TcpStream};
use annulus_runtime::{Runtime, run, spawn_local};
use common::process::descriptors;
use common::{LIMIT, limit};
use futures::future::poll_immediate;
use sockets::{Dice, alone, listener, pair, turn, within};

/// Runs `body`, and sees that as many descriptors are open afterwards as before.
fn leaks_nothing(body: impl FnOnce()) {
    let _alone = alone();
    let before = descriptors();
    limit(2 * LIMIT, body);
    assert_eq!(descriptors(), before, "descriptors are left");
}

/// Accepts are dropped before their client comes, and after; each client is accepted all the same,
/// and in its order.
#[test]
fn of_1000_connections_none_is_lost() {
    leaks_nothing(|| {
        let (std, addr) = listener();
        let [mut dropped_before, mut dropped_after] = [0, 0];
        run(async {
            let mut listener = TcpListener::from_std(std);
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
            for n in 0..1000 {
                for _ in 0..dice.below(3) {
                    let turns = dice.below(3);
                    assert!(within(turns, listener.accept()).await.is_none(), "nobody came yet");
                    dropped_before += 1;
                }
                let client = std::net::TcpStream::connect(addr).expect("it listens");
                let from = client.local_addr().expect("it is connected");
                for _ in 0..dice.below(3) {
                    turn().await;
                }
                let (connected, before) = (Instant::now(), dropped_after);
                let accepted = loop {
                    let turns = dice.below(3);
                    match within(turns, listener.accept()).await {
                        Some(accepted) => break accepted,
                        None => dropped_after += 1,
                    }
                    // Some turns are enough, but on a machine that is busy with others.
                    let is_late = connected.elapsed() > LIMIT / 10;
                    assert!(!is_late || dropped_after < before + 1000, "connection {n} is lost");
                };
                let (_, peer) = accepted.expect("an accept");
                assert_eq!(peer, from, "connection {n}");
            }
        })
        .expect("a runtime");
        eprintln!("1000 accepted; {dropped_before} dropped before, {dropped_after} after");
        assert!(dropped_before > 500 && dropped_after > 100);
    });
}

/// `into_std` gives the connection that was taken early, if one was, or leaves it in the queue.
#[test]
fn a_listener_that_is_taken_back_loses_none() {
    leaks_nothing(|| {
        let (mut early, mut queued) = (0, 0);
        run(async {
            let mut dice = Dice(0x2545_f491_4f6c_dd1d);
            for _ in 0..200 {
                let (std, addr) = listener();
                let mut listener = TcpListener::from_std(std);
                assert!(within(dice.below(3), listener.accept()).await.is_none());
                let client = std::net::TcpStream::connect(addr).expect("it listens");
                for _ in 0..dice.below(3) {
                    turn().await;
                }
                let (std, taken) = listener.into_std().await.expect("a listener");
                let (count, accepted) = match taken {
                    Some(accepted) => (&mut early, accepted),
                    None => (&mut queued, std.accept().expect("it is in the queue")),
                };
                *count += 1;
                assert_eq!(accepted.1, client.local_addr().expect("it is connected"));
            }
        })
        .expect("a runtime");
        eprintln!("{early} were taken early, {queued} were in the queue");
        assert!(early > 0 && queued > 0);
    });
}

/// Messages of many lengths, numbered; sent with pauses, so that reads wait.
fn send_messages(mut to: std::net::TcpStream, count: u32) -> Vec<u8> {
    let mut dice = Dice(0x5851_f42d_4c95_7f2d);
    let mut all = Vec::new();
    to.set_nodelay(true).expect("a socket");
    for n in 0..count {
        let mut message = n.to_ne_bytes().to_vec();
        message.extend((0..dice.below(200)).map(|_| dice.below(256) as u8));
        to.write_all(&message).expect("a write");
        all.append(&mut message);
        if dice.below(4) == 0 {
            std::thread::sleep(Duration::from_micros(dice.below(200)));
        }
    }
    all
}

/// Reads to the end, dropping most of the reads at random moments; how many those were.
async fn read_with_drops(stream: &mut TcpStream, dice: &mut Dice) -> (Vec<u8>, u32, u32) {
    let (mut all, mut dropped, mut early) = (Vec::new(), 0, 0);
    loop {
        let room = 1 + dice.below(150) as usize;
        // Types of buffers, too, differ between who began and who goes on.
        let read = if dice.below(2) == 0 {
            let read = within(dice.below(3), stream.read(vec![0; room])).await;
            read.map(|read| read.map(|(n, buf)| buf[..n].to_vec()))
        } else {
            let read = within(dice.below(3), stream.read(vec![0; room].into_boxed_slice())).await;
            read.map(|read| read.map(|(n, buf)| buf[..n].to_vec()).map_err(|e| e.map(Vec::from)))
        };
        early += u32::from(!stream.early().is_empty());
        match read {
            None => dropped += 1,
            Some(read) => {
                let bytes = read.expect("a read");
                if bytes.is_empty() {
                    return (all, dropped, early);
                }
                all.extend(bytes);
            }
        }
    }
}

#[test]
fn of_1000_messages_no_byte_is_lost() {
    leaks_nothing(|| {
        let (here, there) = pair();
        let sender = std::thread::spawn(|| send_messages(there, 1000));
        let (all, dropped, early) = run(async {
            let mut stream = TcpStream::from_std(here);
            read_with_drops(&mut stream, &mut Dice(0x9e37_79b9_7f4a_7c15)).await
        })
        .expect("a runtime");
        let sent = sender.join().expect("no panic");
        eprintln!("{} bytes; {dropped} reads dropped, {early} times bytes were early", all.len());
        assert!(all == sent, "of {} bytes {} came, or others", sent.len(), all.len());
        assert!(dropped > 50 && early > 20);
    });
}

/// `into_std` gives the bytes that were taken early; the rest is in the socket.
#[test]
fn a_stream_that_is_taken_back_loses_no_byte() {
    leaks_nothing(|| {
        let mut early_count = 0;
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        for n in 0..200_u32 {
            let (here, mut there) = pair();
            let (mut std, mut bytes) = run(async {
                let mut stream = TcpStream::from_std(here);
                assert!(within(dice.below(3), stream.read(vec![0; 3])).await.is_none());
                there.write_all(&n.to_ne_bytes()).expect("a write");
                for _ in 0..dice.below(3) {
                    turn().await;
                }
                // A write that was dropped goes no further.
                if n % 8 == 0 {
                    assert!(within(1, stream.write_all(vec![0; 32 << 20])).await.is_none());
                }
                stream.into_std().await.expect("a stream")
            })
            .expect("a runtime");
            early_count += u32::from(!bytes.is_empty());
            let reader = std::thread::spawn(move || {
                there.shutdown(std::net::Shutdown::Write).expect("it is connected");
                there.read_to_end(&mut Vec::new()).expect("a read")
            });
            std.read_to_end(&mut bytes).expect("a read");
            assert_eq!(bytes, n.to_ne_bytes());
            drop(std);
            assert!(reader.join().expect("no panic") < 32 << 20);
        }
        eprintln!("{early_count} of 200 had bytes that were taken early");
        assert!(early_count > 0);
    });
}

/// Opens on the runtime's own ring, dropped at random moments: before the kernel has them, or when
/// it has opened the file and nobody was told yet.
#[test]
fn of_1000_dropped_opens_none_leaks() {
    leaks_nothing(|| {
        let runtime = Runtime::new().expect("a runtime");
        let engine = runtime.engine();
        let dropped = runtime.block_on(async {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
            let mut dropped = 0;
            for _ in 0..1000 {
                let mut open = engine.open("Cargo.toml");
                if poll_immediate(&mut open).await.is_some() {
                    continue;
                }
                dropped += 1;
                // Not polled again, whatever became of it.
                for _ in 0..dice.below(3) {
                    turn().await;
                }
            }
            dropped
        });
        eprintln!("{dropped} of 1000 opens were dropped under way");
        assert!(dropped > 300);
    });
}

/// Accepts that bring a connection of which nobody was told yet when the listener is dropped: it is
/// closed.
#[test]
fn of_500_connections_that_nobody_takes_none_leaks() {
    leaks_nothing(|| {
        run(async {
            let mut dice = Dice(0x5851_f42d_4c95_7f2d);
            for _ in 0..500 {
                let (std, addr) = listener();
                let mut listener = TcpListener::from_std(std);
                assert!(within(dice.below(2), listener.accept()).await.is_none());
                let mut client = std::net::TcpStream::connect(addr).expect("it listens");
                for _ in 0..dice.below(3) {
                    turn().await;
                }
                drop(listener);
                while !is_closed(addr) {
                    turn().await;
                }
                // The end, or a reset.
                client.set_read_timeout(Some(LIMIT / 10)).expect("a socket");
                let ended = client.read(&mut [0]).map_err(|error| error.kind());
                assert_ne!(ended, Err(std::io::ErrorKind::WouldBlock), "it is left open");
            }
        })
        .expect("a runtime");
    });
}

/// Connects that are dropped at random moments.
#[test]
fn of_1000_dropped_connects_none_leaks() {
    leaks_nothing(|| {
        let (std, addr) = listener();
        let accepts = std::thread::spawn(move || {
            let mut count = 0;
            // The last one says so.
            while std.accept().expect("an accept").0.read(&mut [0]).unwrap_or(0) == 0 {
                count += 1;
            }
            count
        });
        let dropped = run(async {
            let mut dice = Dice(0x2545_f491_4f6c_dd1d);
            let mut dropped = 0;
            for _ in 0..1000 {
                let connect = TcpStream::connect(addr);
                dropped += u32::from(within(dice.below(2), connect).await.is_none());
            }
            let mut last = TcpStream::connect(addr).await.expect("it listens");
            last.write_all("x").await.expect("a write");
            dropped
        })
        .expect("a runtime");
        let seen = accepts.join().expect("no panic");
        eprintln!("{dropped} of 1000 connects were dropped under way; {seen} were seen");
        assert!(dropped > 300);
    });
}

/// Objects with everything under way, on the runtime that this thread is inside of; and the other
/// ends of their connections.
async fn busy(turns: u64) -> (TcpListener, SocketAddr, Vec<TcpStream>, Vec<std::net::TcpStream>) {
    let (std, addr) = listener();
    let mut listener = TcpListener::from_std(std);
    assert!(poll_immediate(listener.accept()).await.is_none());
    let mut others = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..10 {
        let (here, there) = pair();
        let mut stream = TcpStream::from_std(here);
        assert!(poll_immediate(stream.read(vec![0; 4096])).await.is_none());
        // Forgotten: it is not cancelled until the stream is dropped.
        let mut write = stream.write_all(vec![0; 32 << 20]);
        assert!(poll_immediate(&mut write).await.is_none());
        std::mem::forget(write);
        streams.push(stream);
        others.push(there);
    }
    for _ in 0..turns {
        turn().await;
    }
    (listener, addr, streams, others)
}

/// Whether the other ends see that the connections are gone.
fn all_ended(others: Vec<std::net::TcpStream>) {
    for mut other in others {
        // Bytes of the write; then the end, or a reset.
        let mut buf = vec![0; 1 << 20];
        while other.read(&mut buf).unwrap_or(0) > 0 {}
    }
}

/// Whether nobody listens there any more.
fn is_closed(addr: SocketAddr) -> bool {
    std::net::TcpStream::connect(addr).is_err()
}

#[test]
fn objects_with_operations_under_way_are_dropped() {
    leaks_nothing(|| {
        for turns in 0..3 {
            run(async {
                let (listener, addr, streams, others) = busy(turns).await;
                drop((listener, streams));
                // What was cancelled lets go of the sockets in some turns.
                while !is_closed(addr) {
                    turn().await;
                }
                let ends = std::thread::spawn(|| all_ended(others));
                while !ends.is_finished() {
                    turn().await;
                }
                ends.join().expect("no panic");
            })
            .expect("a runtime");
        }
    });
}

#[test]
fn objects_are_dropped_in_another_tasks_poll() {
    leaks_nothing(|| {
        run(async {
            let (listener, addr, streams, others) = busy(2).await;
            spawn_local(async move { drop((listener, streams)) }).await.expect("no panic");
            while !is_closed(addr) {
                turn().await;
            }
            drop(others);
        })
        .expect("a runtime");
    });
}

#[test]
fn the_runtime_is_dropped_before_the_objects_and_after() {
    leaks_nothing(|| {
        for round in 0..6 {
            let runtime = Runtime::new().expect("a runtime");
            let (listener, addr, streams, others) = runtime.block_on(busy(round % 3));
            let clients: Vec<_> = (0..round)
                .map(|_| std::net::TcpStream::connect(addr).expect("it listens"))
                .collect();
            if round < 3 {
                drop(runtime);
                drop((listener, streams));
            } else {
                drop((listener, streams));
                drop(runtime);
            }
            assert!(is_closed(addr));
            all_ended(others);
            drop(clients);
        }
    });
}

#[test]
fn the_runtime_is_dropped_with_its_tasks() {
    leaks_nothing(|| {
        let runtime = Runtime::new().expect("a runtime");
        let (addr, others) = runtime.block_on(async {
            let (mut listener, addr, streams, others) = busy(1).await;
            drop(spawn_local(async move { listener.accept().await.map(drop) }));
            for mut stream in streams {
                drop(spawn_local(async move { stream.read(vec![0; 16]).await.map(drop) }));
            }
            turn().await;
            (addr, others)
        });
        drop(runtime);
        assert!(is_closed(addr));
        all_ended(others);
    });
}

#[test]
fn a_panic_drops_them() {
    leaks_nothing(|| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            run(async {
                let _busy = busy(2).await;
                std::panic::resume_unwind(Box::new("on purpose"));
            })
        }));
        assert!(panicked.is_err());
    });
}

/// What futures have begun is the objects': forgetting them loses nothing either.
#[test]
fn forgotten_futures_lose_nothing() {
    leaks_nothing(|| {
        run(async {
            let (std, addr) = listener();
            let mut listener = TcpListener::from_std(std);
            for n in 0..100_u32 {
                let mut accept = ManuallyDrop::new(listener.accept());
                assert!(poll_once(&mut *accept));
                if n % 2 == 0 {
                    turn().await;
                }
                let mut client = std::net::TcpStream::connect(addr).expect("it listens");
                let (mut stream, peer) = listener.accept().await.expect("an accept");
                assert_eq!(peer, client.local_addr().expect("it is connected"));
                let mut read = stream.read(vec![0; 2]);
                assert!(poll_once(&mut read));
                std::mem::forget(read);
                client.write_all(&n.to_ne_bytes()).expect("a write");
                let mut bytes = Vec::new();
                while bytes.len() < 4 {
                    let (n, buf) = stream.read(vec![0; 1]).await.expect("a read");
                    bytes.extend_from_slice(&buf[..n]);
                }
                assert_eq!(bytes, n.to_ne_bytes());
                let mut write = stream.write_all("ring");
                let _ = poll_once(&mut write);
                std::mem::forget(write);
                stream.write_all("s").await.expect("a write");
                let mut text = [0; 5];
                client.read_exact(&mut text).expect("a read");
                assert_eq!(&text, b"rings");
            }
        })
        .expect("a runtime");
    });
}

/// A forgotten write is cancelled by nobody: the next waits until all of it went.
#[test]
fn a_forgotten_write_goes_on_to_its_end() {
    const COUNT: usize = 16 << 20;
    leaks_nothing(|| {
        let (here, mut there) = pair();
        let all = run(async {
            let mut stream = TcpStream::from_std(here);
            let mut write = stream.write_all(vec![1; COUNT]);
            assert!(within(1, &mut write).await.is_none());
            std::mem::forget(write);
            let reader = std::thread::spawn(move || {
                let mut all = Vec::new();
                there.read_to_end(&mut all).map(|_| all)
            });
            stream.write_all("end").await.expect("a write");
            drop(stream);
            while !reader.is_finished() {
                turn().await;
            }
            reader.join().expect("no panic").expect("a read")
        })
        .expect("a runtime");
        assert_eq!(all.len(), COUNT + 3);
        assert!(all.ends_with(b"\x01end"));
    });
}

/// A connect owns its socket itself: where it is forgotten, so is the socket. Nothing else goes
/// with it.
#[test]
fn forgotten_connects_do_no_harm() {
    let _alone = alone();
    limit(LIMIT, || {
        for turns in 0..4 {
            let (std, addr) = listener();
            run(async {
                let mut connect = Box::pin(TcpStream::connect(addr));
                let _ = within(turns, &mut connect).await;
                std::mem::forget(connect);
                let _other = TcpStream::connect(addr).await.expect("it listens");
            })
            .expect("a runtime");
            drop(std);
        }
    });
}

/// Polls a future once, with a waker that wakes nobody: whether it waits.
fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

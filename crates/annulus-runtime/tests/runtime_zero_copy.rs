//! Sends that do not copy: a buffer comes back, or is freed, when the kernel has done with it and
//! no sooner, whatever becomes of the future; and no byte that was sent changes.

mod common;
mod sockets;

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream as StdStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use annulus_ring::Errno;
use annulus_runtime::Runtime;
use annulus_runtime::buffer::IoBuf;
use annulus_runtime::runtime::fixed_pool;
use annulus_runtime::runtime::net::{TcpStream, UdpSocket};
use common::{limit, may_not_lock, on_host, only_on_linux};
use futures::FutureExt;
use sockets::{Dice, pair, turn, within};

/// These take some hundred milliseconds, or for ever.
const LIMIT: Duration = Duration::from_secs(60);
/// What a buffer is painted with at its end.
const PAINT: u8 = 0xdd;

/// A buffer whose bytes are changed when it is freed, which is counted.
struct Painted {
    bytes: Vec<u8>,
    freed: Arc<AtomicUsize>,
}

impl Painted {
    fn new(byte: u8, count: usize, freed: &Arc<AtomicUsize>) -> Self {
        Self { bytes: vec![byte; count], freed: Arc::clone(freed) }
    }
}

impl Drop for Painted {
    fn drop(&mut self) {
        self.bytes.fill(PAINT);
        // Relaxed: pairs with nothing: it is read on this thread.
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: the bytes are those of a vector that is neither changed nor given away before its drop.
unsafe impl IoBuf for Painted {
    fn stable_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes.len()
    }
}

fn count(freed: &AtomicUsize) -> usize {
    // Relaxed: pairs with nothing: it is written on this thread.
    freed.load(Ordering::Relaxed)
}

fn on_runtime<F: Future<Output = ()>>(body: F) {
    if may_not_lock() {
        return;
    }
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(body);
    runtime.shutdown(LIMIT).expect("nothing is left");
}

/// A stream, and its peer.
fn stream() -> (TcpStream, StdStream) {
    let (here, there) = pair();
    (TcpStream::from_std(here), there)
}

/// Has a thread read all that comes.
fn read_all(mut there: StdStream) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        there.read_to_end(&mut all).expect("a read");
        all
    })
}

#[test]
fn all_is_sent_and_the_buffer_comes_back() {
    limit(LIMIT, || {
        on_runtime(async {
            let (mut here, there) = stream();
            let reader = read_all(there);
            let mut expected = Vec::new();
            for (n, bytes) in [1, 100, 4096, 100_000, 1 << 20, 8 << 20].into_iter().enumerate() {
                let text = vec![n as u8; bytes];
                expected.extend_from_slice(&text);
                let start = text.as_ptr();
                let (sent, text) = here.send_zc_all(text).await.expect("it is sent");
                assert_eq!((sent.bytes(), text.as_ptr()), (bytes, start));
                assert_eq!(sent.is_copied(), Some(true), "to this machine it always is");
            }
            let pieces: Vec<Vec<u8>> = (0..3000).map(|n| vec![n as u8; n % 50]).collect();
            expected.extend(pieces.iter().flatten());
            let total = pieces.iter().map(Vec::len).sum();
            let (sent, pieces) = here.send_zc_vectored_all(pieces).await.expect("it is sent");
            assert_eq!((sent.bytes(), pieces.len()), (total, 3000));
            let (sent, _) = here.send_zc(Vec::new()).await.expect("nothing is sent");
            assert_eq!(sent.bytes(), 0);
            drop(here);
            assert!(reader.join().expect("no panic") == expected);
        });
    });
}

#[test]
fn others_are_sent_behind_what_the_kernel_has() {
    limit(LIMIT, || {
        on_runtime(async {
            let (mut here, there) = stream();
            let freed = Arc::default();
            let mut lent = Vec::new();
            for n in 0..20 {
                let buf = Painted::new(n, 5000, &freed);
                lent.push(here.send_zc_all(buf).queued().await.expect("there is room"));
                here.write_all(vec![n; 10]).await.expect("there is room");
            }
            let late = lent.split_off(10);
            drop(late);
            let reader = read_all(there);
            for lent in lent {
                assert_eq!(lent.bytes(), 5000);
                let (sent, buf) = lent.await;
                assert_eq!((sent.bytes(), sent.is_copied()), (5000, Some(true)));
                assert!(buf.bytes != [PAINT; 5000]);
            }
            drop(here);
            let all = reader.join().expect("no panic");
            let expected: Vec<u8> = (0..20).flat_map(|n| [n; 5010]).collect();
            assert!(all == expected);
            while count(&freed) < 20 {
                turn().await;
            }
        });
    });
}

/// The peer reads nothing, so what does not fit into its queue is where it was.
#[test]
fn it_is_the_kernels_until_it_is_acknowledged() {
    let name = "it_is_the_kernels_until_it_is_acknowledged";
    if only_on_linux(name, "the kernel in user space copies, and tells so at once") {
        return;
    }
    limit(LIMIT, || {
        on_runtime(async {
            for is_awaited in [true, false] {
                let (mut here, there) = stream();
                let freed = Arc::default();
                let send = here.send_zc(Painted::new(7, 16 << 20, &freed));
                let mut lent = send.queued().await.expect("there is room");
                let bytes = lent.bytes();
                for _ in 0..50 {
                    turn().await;
                    assert!((&mut lent).now_or_never().is_none(), "nobody has read it");
                }
                let mut lent = Some(lent);
                if !is_awaited {
                    lent = None;
                    turn().await;
                }
                assert_eq!(count(&freed), 0, "the kernel has it");
                drop(here);
                let reader = read_all(there);
                if let Some(lent) = lent {
                    drop(lent.await);
                }
                while count(&freed) == 0 {
                    turn().await;
                }
                assert!(reader.join().expect("no panic") == vec![7; bytes]);
            }
        });
    });
}

/// How many bytes of one send came at its peer.
#[derive(Clone, Copy, Debug)]
enum Came {
    Exactly(usize),
    AtMost(usize),
}

/// A send that is cancelled after so many turns: how many bytes went.
async fn cancelled(here: &mut TcpStream, buf: Painted, turns: u64) -> usize {
    let byte = buf.bytes[0];
    let mut send = pin!(here.send_zc_all(buf));
    let sent = match within(turns, send.as_mut()).await {
        Some(sent) => sent,
        None => {
            send.cancel();
            send.await
        }
    };
    let (bytes, buf) = match sent {
        Ok((sent, buf)) => (sent.bytes(), buf),
        Err(error) => {
            assert!(error.is_cancelled(), "{error}");
            (error.done(), error.into_buf())
        }
    };
    assert!(buf.bytes.iter().all(|own| *own == byte));
    bytes
}

/// Sends that are dropped, forgotten, cancelled or awaited at any moment.
async fn any_end(dice: &mut Dice, freed: &Arc<AtomicUsize>) {
    let (mut here, there) = stream();
    let reader = read_all(there);
    let (mut came, mut lent) = (Vec::new(), Vec::new());
    for n in 0..60 {
        let bytes = 1 + dice.below(2 << 20) as usize;
        let (buf, turns) = (Painted::new(n, bytes, freed), dice.below(4));
        came.push(match dice.below(6) {
            0 => match within(turns, here.send_zc_all(buf)).await {
                Some(sent) => Came::Exactly(sent.expect("no error").0.bytes()),
                None => Came::AtMost(bytes),
            },
            1 => match within(turns, here.send_zc_vectored([buf])).await {
                Some(sent) => Came::Exactly(sent.expect("no error").0.bytes()),
                None => Came::AtMost(bytes),
            },
            2 => match within(turns, here.send_zc_all(buf).queued()).await {
                Some(queued) => {
                    lent.push(queued.expect("no error"));
                    Came::Exactly(bytes)
                }
                None => Came::AtMost(bytes),
            },
            3 => Came::Exactly(cancelled(&mut here, buf, turns).await),
            4 => {
                let mut send = Box::pin(here.send_zc_all(buf));
                let _ = within(turns, send.as_mut()).await;
                std::mem::forget(send);
                turn().await;
                Came::AtMost(bytes)
            }
            _ => {
                lent.truncate(dice.below(4) as usize);
                let (sent, _) = here.write_all(buf).await.expect("no error");
                Came::Exactly(sent)
            }
        });
    }
    here.settle().await.expect("no error");
    // What was forgotten before it was begun keeps the socket open.
    here.shutdown(Shutdown::Write).expect("it is connected");
    drop((here, lent));
    let all = reader.join().expect("no panic");
    let mut rest = &all[..];
    for (n, came) in came.into_iter().enumerate() {
        let count = rest.iter().take_while(|byte| usize::from(**byte) == n).count();
        match came {
            Came::Exactly(bytes) => assert_eq!(count, bytes, "send {n}"),
            Came::AtMost(bytes) => assert!(count <= bytes, "send {n}: {count} of {bytes}"),
        }
        rest = &rest[count..];
    }
    assert!(rest.is_empty(), "{} more, from {} on", rest.len(), rest[0]);
}

#[test]
fn no_byte_changes_however_it_ends() {
    limit(LIMIT, || {
        on_runtime(async {
            let freed = Arc::default();
            for seed in 1..6 {
                any_end(&mut Dice(seed * 7919), &freed).await;
            }
            // Those that were forgotten once they were over are gone for good.
            assert!(count(&freed) >= 5 * 60 / 2, "{} were freed", count(&freed));
        });
    });
}

#[test]
fn a_dropped_one_is_freed_when_the_kernel_has_done_with_it() {
    limit(LIMIT, || {
        on_runtime(async {
            for turns in 0..4 {
                let (mut here, there) = stream();
                let freed = Arc::default();
                // More than fits: it waits for room.
                let send = here.send_zc_all(Painted::new(7, 64 << 20, &freed));
                assert!(within(turns, send).await.is_none());
                here.settle().await.expect("no error");
                drop(here);
                let all = read_all(there).join().expect("no panic");
                assert!(all.iter().all(|byte| *byte == 7), "what was sent changed");
                while count(&freed) == 0 {
                    turn().await;
                }
            }
        });
    });
}

#[test]
fn the_runtime_ends_meanwhile() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        for is_queued in [true, false] {
            let freed = Arc::default();
            let (mut there, bytes, ended) = {
                let runtime = Runtime::new().expect("a runtime");
                let (there, bytes) = runtime.block_on(async {
                    let (mut here, there) = stream();
                    let send = here.send_zc_all(Painted::new(7, 1 << 20, &freed));
                    if is_queued {
                        let lent = send.queued().now_or_never();
                        assert!(lent.is_none(), "it takes a turn");
                    } else {
                        assert!(within(3, send).await.is_none_or(|sent| sent.is_ok()));
                    }
                    (there, 1 << 20)
                });
                (there, bytes, runtime.shutdown(Duration::from_millis(300)))
            };
            // Either all is over, or the buffer is kept for good: nobody has read anything.
            let kept = usize::from(ended.is_err());
            assert!(count(&freed) == 1 || kept == 1, "{ended:?}");
            assert!(ended.is_ok() || !on_host(), "{ended:?}");
            there.set_read_timeout(Some(Duration::from_millis(200))).expect("an option");
            let mut got = Vec::new();
            // The end comes where the socket is closed; what is hung may keep it open.
            let _ = Read::by_ref(&mut there).take(bytes).read_to_end(&mut got);
            assert!(got.iter().all(|byte| *byte == 7), "what was sent changed");
        }
    });
}

#[test]
fn errors_give_the_buffer_back() {
    limit(LIMIT, || {
        on_runtime(async {
            let (mut here, there) = stream();
            here.shutdown(Shutdown::Write).expect("it is connected");
            for _ in 0..3 {
                let error = here.send_zc_all(vec![7; 100]).await.expect_err("it is shut down");
                assert_eq!((error.errno(), error.done()), (Some(Errno::EPIPE), 0));
                assert_eq!(error.into_buf(), [7; 100]);
                let error = here.send_zc([7; 3].to_vec()).queued().await.expect_err("as before");
                assert_eq!(error.into_buf(), [7; 3]);
            }
            drop((here, there));

            let (mut here, mut there) = stream();
            here.write_all("unread").await.expect("there is room");
            let mut send = pin!(here.send_zc_all(vec![7; 64 << 20]));
            assert!(within(3, send.as_mut()).await.is_none());
            there.read_exact(&mut [0; 3]).expect("it came");
            drop(there); // with something unread: a reset
            let error = send.await.expect_err("it is gone");
            let kind = error.kind();
            assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
            assert_eq!(error.buf().len(), 64 << 20);
        });
    });
}

#[test]
fn a_cancelled_one_that_was_not_begun_gives_its_buffer_back() {
    limit(LIMIT, || {
        on_runtime(async {
            let (mut here, mut there) = stream();
            let mut send = here.send_zc_all("never begun");
            send.cancel();
            let error = send.await.expect_err("it was cancelled");
            assert!(error.is_cancelled());
            assert_eq!((error.done(), error.into_buf()), (0, "never begun"));
            here.send_zc_all("ring").await.expect("there is room");
            let mut got = [0; 4];
            there.read_exact(&mut got).expect("it came");
            assert_eq!(&got, b"ring");
        });
    });
}

#[test]
fn a_buffer_that_the_ring_knows() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let runtime = Runtime::builder().fixed_buffers(2, 16 << 10).build().expect("a runtime");
        runtime.block_on(async {
            let pool = fixed_pool().expect("it was asked for");
            let (mut here, there) = stream();
            let reader = read_all(there);
            for n in 0..10 {
                let mut buf = pool.take().await;
                buf.extend_from_slice(&[n; 10_000]);
                let (sent, buf) = here.send_zc_all(buf.slice(1..)).await.expect("it is sent");
                assert_eq!((sent.bytes(), pool.free_count()), (9_999, 1));
                drop(buf);
                let mut buf = pool.take().await;
                buf.extend_from_slice(&[n; 100]);
                drop(here.send_zc_all(buf).queued().await.expect("it is queued"));
            }
            // All come back, one after the other.
            drop((pool.take().await, pool.take().await));
            drop(here);
            let expected: Vec<u8> = (0..10).flat_map(|n| [n; 10_099]).collect();
            assert!(reader.join().expect("no panic") == expected);
        });
    });
}

#[test]
fn datagrams() {
    limit(LIMIT, || {
        on_runtime(async {
            let there = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
            let to = there.local_addr().expect("it is bound");
            let here = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
            let sends = (0..8_u8).map(|n| here.send_zc_to(vec![n; 9_000], to));
            for (n, sent) in futures::future::join_all(sends).await.into_iter().enumerate() {
                let (sent, buf) = sent.expect("it is sent");
                assert_eq!((sent.bytes(), sent.is_copied()), (9_000, Some(true)));
                assert_eq!(usize::from(buf[0]), n);
                let mut got = [0; 9_001];
                assert_eq!(there.recv(&mut got).expect("it came"), 9_000);
                assert_eq!(usize::from(got[8_999]), n);
            }
            let error = here.send_zc_to(vec![7; 70_000], to).await.expect_err("too long");
            assert_eq!(error.errno(), Some(Errno::EMSGSIZE));
            assert_eq!(error.into_buf().len(), 70_000);
            let error = here.send_zc("to whom?").await.expect_err("it is not connected");
            assert_eq!(error.into_buf(), "to whom?");
            for turns in 0..3 {
                let _ = within(turns, here.send_zc_to(vec![8; 9_000], to)).await;
            }
            drop(here);
        });
    });
}

#[test]
fn what_cannot_says_so() {
    limit(LIMIT, || {
        on_runtime(async {
            let (here, mut there) = std::os::unix::net::UnixStream::pair().expect("a pair");
            let here = annulus_runtime::runtime::net::UnixStream::from_std(here);
            let (_, mut writes) = here.into_split();
            let error = writes.send_zc("ring").await.expect_err("it cannot");
            assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EOPNOTSUPP), "ring"));
            writes.write_all("ring").await.expect("there is room");
            there.read_exact(&mut [0; 4]).expect("it came");
            there.write_all(b"x").expect("there is room");
        });
    });
}

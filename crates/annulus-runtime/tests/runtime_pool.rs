//! Streams that receive from a pool: no byte is lost, doubled or out of its order, however reads
//! are cut, dropped, mixed or settled; each buffer comes back.

mod common;
mod sockets;

use std::cell::RefCell;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Duration;

use annulus_runtime::Runtime;
use annulus_runtime::buffer::{IoBuf, IoBufMut};
use annulus_runtime::runtime::File;
use annulus_runtime::runtime::net::{Received, RecvPool, TcpStream};
use common::{limit, may_not_lock};
use futures::FutureExt;
use futures::future::join_all;
use sockets::{Dice, pair, turn, within};

/// These take some hundred milliseconds, or for ever.
const LIMIT: Duration = Duration::from_secs(30);

fn on_runtime<F: Future>(body: F) -> Option<F::Output> {
    if may_not_lock() {
        return None;
    }
    let runtime = Runtime::builder().auto_pool(true).build().expect("a runtime");
    let output = runtime.block_on(body);
    runtime.shutdown(LIMIT).expect("nothing is left");
    Some(output)
}

/// The bytes from this place on of a text that repeats itself late.
fn text(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|n| (n ^ n >> 8 ^ n >> 16) as u8).collect()
}

/// A stream that receives from `pool`, and its peer, which blocks nobody.
fn stream(pool: &RecvPool) -> (TcpStream, StdStream) {
    let (here, there) = pair();
    there.set_nonblocking(true).expect("a flag");
    let mut here = TcpStream::from_std(here);
    here.receive_from(pool);
    (here, there)
}

/// Sends up to `count` bytes, as many as there is room for.
fn send(there: &mut StdStream, sent: &mut usize, count: usize) {
    match there.write(&text(*sent, count)) {
        Ok(n) => *sent += n,
        Err(why) => assert_eq!(why.kind(), std::io::ErrorKind::WouldBlock),
    }
}

/// Sends and receives in pieces of all lengths by all methods, some of them dropped at any moment:
/// what comes from `first` on.
async fn any_cut(dice: &mut Dice, pool: &RecvPool, first: usize) {
    let (mut here, mut there) = stream(pool);
    let (mut sent, mut got) = (first, first);
    let mut held = Vec::new();
    for _ in 0..150 {
        send(&mut there, &mut sent, dice.below(9_000) as usize);
        if sent == got {
            send(&mut there, &mut sent, 1);
        }
        let turns = dice.below(3);
        match dice.below(6) {
            0 => {
                if let Some(received) = within(turns, here.receive()).await {
                    let bytes = received.expect("no error").expect("not the end");
                    assert!(bytes[..] == text(got, bytes.len()), "at {got}");
                    got += bytes.len();
                    if dice.below(3) == 0 {
                        held.push((got - bytes.len(), bytes));
                    }
                }
            }
            1 => {
                let length = 1 + dice.below(9_000) as usize;
                if let Some(read) = within(turns, here.read(vec![0; length])).await {
                    let (count, buf) = read.expect("no error");
                    assert!(buf[..count] == text(got, count), "at {got}");
                    assert!(count > 0);
                    got += count;
                }
            }
            2 => {
                here.settle().await.expect("no error");
                let early = here.early();
                assert!(early == text(got, early.len()), "at {got}");
            }
            3 => {
                let length = 1 + dice.below((sent - got).min(9_000) as u64) as usize;
                let read = within(turns, here.read_exact(vec![0; length])).await;
                if let Some(read) = read {
                    assert!(read.expect("no error").1 == text(got, length), "at {got}");
                    got += length;
                }
            }
            4 => {
                let (count, buf) = here.peek(vec![0; 500]).await.expect("no error");
                assert!(count > 0 && buf[..count] == text(got, count), "at {got}");
            }
            _ => held.truncate(dice.below(4) as usize),
        }
        for (at, bytes) in &held {
            assert!(bytes[..] == text(*at, bytes.len()), "what is held does not change");
        }
    }
    let (mut std, early) = here.into_std().await.expect("no error");
    assert!(early == text(got, early.len()), "at {got}");
    got += early.len();
    drop(there);
    let mut rest = Vec::new();
    std.set_nonblocking(false).expect("a flag");
    std.read_to_end(&mut rest).expect("the rest");
    assert_eq!(got + rest.len(), sent);
    assert!(rest == text(got, rest.len()), "at {got}");
}

#[test]
fn no_byte_is_lost_however_it_is_cut() {
    for (count, bytes) in [(64, 32 << 10), (512, 4096), (8, 512), (2, 64), (1, 1)] {
        limit(LIMIT, || {
            on_runtime(async {
                let pool = RecvPool::with_buffers(count, bytes).expect("a pool");
                for seed in 1..6 {
                    any_cut(&mut Dice(seed * 7919), &pool, 0).await;
                    turn().await;
                }
                assert_eq!(pool.free_count(), usize::from(count), "all came back");
            });
        });
    }
}

#[test]
fn streams_of_one_pool_keep_apart_however_they_are_cut() {
    for (count, bytes) in [(64, 32 << 10), (512, 4096), (8, 512), (2, 64)] {
        limit(LIMIT, || {
            on_runtime(async {
                let pool = RecvPool::with_buffers(count, bytes).expect("a pool");
                let one = async |seed: u32| {
                    let mut dice = Dice(u64::from(seed) * 7919);
                    any_cut(&mut dice, &pool, seed as usize * 1_000_003).await;
                };
                join_all((1..7).map(one)).await;
                while pool.free_count() < usize::from(count) {
                    turn().await;
                }
            });
        });
    }
}

#[test]
fn an_empty_pool_keeps_nobody_waiting() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::with_buffers(2, 64).expect("a pool");
            let (mut greedy, mut feeds) = stream(&pool);
            let mut kept = Vec::new();
            let mut sent = 0;
            while pool.free_count() > 0 {
                send(&mut feeds, &mut sent, 64);
                kept.push(greedy.receive().await.expect("no error").expect("not the end"));
            }
            let (mut other, mut there) = stream(&pool);
            for n in 0..20_u8 {
                there.write_all(&[n; 100]).expect("room in the socket");
                let (count, buf) = other.read(vec![0; 200]).await.expect("no error");
                assert_eq!((count, &buf[..count]), (100, &[n; 100][..]));
                there.write_all(&[n; 10]).expect("room in the socket");
                let bytes = other.receive().await.expect("no error").expect("not the end");
                assert!(!bytes.is_of_pool());
                assert_eq!(bytes[..], [n; 10]);
            }
            drop(kept);
            assert_eq!(pool.free_count(), 2);
            there.write_all(b"ring").expect("room in the socket");
            let bytes = other.receive().await.expect("no error").expect("not the end");
            assert!(bytes.is_of_pool() && bytes[..] == *b"ring");
        });
    });
}

#[test]
fn a_fast_peer_does_not_take_the_pool() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::with_buffers(64, 256).expect("a pool");
            let (mut here, mut there) = stream(&pool);
            assert!(here.receive().now_or_never().is_none()); // begun
            let mut sent = 0;
            for _ in 0..200 {
                send(&mut there, &mut sent, 4096);
                turn().await;
            }
            // Eight wait; some came before the kernel had ended it.
            assert!(pool.free_count() >= 64 - 48, "{pool:?}");
            let free = pool.free_count();
            for _ in 0..50 {
                send(&mut there, &mut sent, 4096);
                turn().await;
            }
            assert_eq!(pool.free_count(), free, "nothing comes that nobody takes");
            let mut got = 0;
            while got < sent {
                let bytes = here.receive().await.expect("no error").expect("not the end");
                assert!(bytes[..] == text(got, bytes.len()), "at {got}");
                got += bytes.len();
            }
            assert_eq!(pool.free_count(), 64);
        });
    });
}

#[test]
fn what_nobody_takes_comes_back() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::with_buffers(16, 256).expect("a pool");
            for _ in 0..100 {
                let (mut here, mut there) = stream(&pool);
                assert!(here.receive().now_or_never().is_none());
                there.write_all(&[7; 600]).expect("room in the socket");
                turn().await;
                let (count, _) = here.read(vec![0; 10]).await.expect("no error");
                assert!((1..=10).contains(&count));
            }
            while pool.free_count() < 16 {
                turn().await;
            }
        });
    });
}

#[test]
fn the_end_and_a_reset_are_told() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::new().expect("a pool");
            let (mut here, mut there) = stream(&pool);
            there.write_all(b"last").expect("room in the socket");
            drop(there);
            assert_eq!(&here.receive().await.expect("no error").expect("not yet")[..], b"last");
            for _ in 0..3 {
                assert!(here.receive().await.expect("no error").is_none());
                assert_eq!(here.read(vec![0; 4]).await.expect("no error").0, 0);
            }
            let (mut here, there) = stream(&pool);
            assert!(here.receive().now_or_never().is_none());
            here.write_all("nobody reads this").await.expect("room in the socket");
            turn().await;
            drop(there); // with something unread: a reset
            let error = here.receive().await.expect_err("it is gone");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn what_is_held_outlives_its_runtime() {
    limit(LIMIT, || {
        let made = on_runtime(async {
            let pool = RecvPool::with_buffers(4, 64).expect("a pool");
            let (mut here, mut there) = stream(&pool);
            there.write_all(b"ring").expect("room in the socket");
            (here.receive().await.expect("no error").expect("not the end"), pool)
        });
        let Some((bytes, pool)) = made else { return };
        assert!(bytes.is_of_pool());
        assert_eq!(&bytes[..], b"ring");
        drop((bytes, pool));
    });
}

#[test]
fn another_runtimes_pool_is_refused() {
    limit(LIMIT, || {
        let made = on_runtime(async { RecvPool::new().expect("a pool") });
        let Some(pool) = made else { return };
        on_runtime(async {
            let lent = catch_unwind(AssertUnwindSafe(|| stream(&pool)));
            let panic = lent.map(drop).expect_err("it is refused");
            let message = panic.downcast_ref::<&str>().expect("a message");
            assert!(message.contains("the runtime that it was made in"), "{message}");
        });
    });
}

#[test]
fn a_cancelled_read_leaves_all_for_the_next() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::new().expect("a pool");
            let (mut here, mut there) = stream(&pool);
            {
                let mut read = pin!(here.read(vec![1; 8]));
                assert!(read.as_mut().now_or_never().is_none());
                read.cancel();
                let error = read.await.expect_err("nothing came");
                assert!(error.is_cancelled());
                assert_eq!(error.into_buf(), [1; 8]);
            }
            there.write_all(b"ring").expect("room in the socket");
            assert_eq!(here.read(vec![0; 8]).await.expect("no error").0, 4);
        });
    });
}

#[test]
fn settling_may_be_given_up() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::new().expect("a pool");
            let (mut here, mut there) = stream(&pool);
            for turns in 0..4 {
                assert!(here.receive().now_or_never().is_none()); // begun
                turn().await;
                assert!(here.settle().now_or_never().is_none(), "it takes a turn");
                for _ in 0..turns {
                    turn().await;
                }
                there.write_all(b"ring").expect("room in the socket");
                if turns % 2 == 0 {
                    assert_eq!(here.read(vec![0; 8]).await.expect("no error").0, 4);
                } else {
                    let bytes = here.receive().await.expect("no error").expect("not the end");
                    assert_eq!(&bytes[..], b"ring");
                }
            }
        });
    });
}

/// What comes and is not taken lies in buffers; of those a connection has a few.
#[test]
fn a_fast_peer_leaves_buffers_for_the_others() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::with_buffers(64, 256).expect("a pool");
            let (mut here, mut there) = stream(&pool);
            assert!(here.receive().now_or_never().is_none()); // begun
            let mut sent = 0;
            for _ in 0..100 {
                send(&mut there, &mut sent, 4096);
                turn().await;
            }
            let (mut other, mut feeds) = stream(&pool);
            let (mut held, mut fed, mut got) = (Vec::new(), 0, 0);
            loop {
                if fed == got {
                    send(&mut feeds, &mut fed, 256);
                }
                let bytes = other.receive().await.expect("no error").expect("not the end");
                assert!(bytes[..] == text(got, bytes.len()), "at {got}");
                got += bytes.len();
                if !bytes.is_of_pool() {
                    break;
                }
                held.push(bytes);
            }
            assert!(got >= 40 * 256, "{got} bytes were in the pool's buffers");
        });
    });
}

/// The kernel puts pieces for several streams into one buffer, one behind the other, and says of
/// each how long it is, not where.
#[test]
fn streams_that_share_a_buffer_may_be_read_in_any_order() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::new().expect("a pool");
            let mut streams: Vec<_> = (0..4).map(|_| stream(&pool)).collect();
            for (here, _) in &mut streams {
                assert!(here.receive().now_or_never().is_none(), "nothing came");
            }
            for (n, (_, there)) in (1..=4_u8).zip(&mut streams) {
                there.write_all(&vec![n; 10 * usize::from(n)]).expect("room in the socket");
                for _ in 0..3 {
                    turn().await;
                }
            }
            // One is given up with what came for it.
            drop(streams.remove(1));
            for (n, (here, _)) in [1, 3, 4].into_iter().zip(&mut streams).rev() {
                let bytes = here.receive().await.expect("no error").expect("not the end");
                assert_eq!(&bytes[..], vec![n; 10 * usize::from(n)], "of stream {n}");
            }
        });
    });
}

/// The same of streams that have turned to a pool by themselves.
#[test]
fn who_reads_late_reads_its_own() {
    limit(LIMIT, || {
        on_runtime(async {
            let mut streams: Vec<_> = (0..3)
                .map(|_| {
                    let (here, there) = pair();
                    (TcpStream::from_std(here), there)
                })
                .collect();
            for round in 0..20_u8 {
                for (n, (_, there)) in (0..3_u8).zip(&mut streams) {
                    there.write_all(&[round, n]).expect("room in the socket");
                    turn().await;
                }
                for (n, (here, _)) in (0..3).zip(&mut streams).rev() {
                    let (count, buf) = here.read(vec![0; 8]).await.expect("no error");
                    assert_eq!(buf[..count], [round, n]);
                }
            }
        });
    });
}

thread_local! {
    /// What is let go of by [`LetsGo`].
    static HELD: RefCell<Option<Received>> = const { RefCell::new(None) };
}

/// A buffer whose methods run other code of its user's.
struct LetsGo(Vec<u8>);

// SAFETY: as the vector.
unsafe impl IoBuf for LetsGo {
    fn stable_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: as the vector.
unsafe impl IoBufMut for LetsGo {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        drop(HELD.take());
        self.0.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.0.len()
    }

    unsafe fn set_init(&mut self, _: usize) {}
}

/// Where a buffer has two parts, and the first is let go of while the second is copied, the rest
/// of the second stays what it is.
#[test]
fn a_buffer_is_not_put_back_while_it_is_read() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::with_buffers(1, 16).expect("a pool");
            let ((mut one, mut to_one), (mut two, mut to_two)) = (stream(&pool), stream(&pool));
            to_one.write_all(&[1; 8]).expect("room in the socket");
            HELD.set(one.receive().await.expect("no error"));
            assert!(two.receive().now_or_never().is_none());
            to_two.write_all(b"ringring").expect("room in the socket");
            let (count, buf) = two.read(LetsGo(vec![0; 4])).await.expect("no error");
            assert_eq!((count, &buf.0[..]), (4, &b"ring"[..]));
            assert!(HELD.with_borrow(|held| held.is_none()), "it was let go of");
            to_one.write_all(&[1; 40]).expect("room in the socket");
            assert_eq!(one.read(vec![0; 64]).await.expect("no error").1[0], 1);
            let (count, buf) = two.read(vec![0; 8]).await.expect("no error");
            assert_eq!(&buf[..count], b"ring");
        });
    });
}

/// A stream may be left when its runtime has ended: its reads say so, however many they are.
#[test]
fn what_is_read_after_the_end_turns_to_no_pool() {
    limit(LIMIT, || {
        let made = on_runtime(async {
            let ((here, mut there), (late, peer)) = (pair(), pair());
            let mut here = TcpStream::from_std(here);
            for _ in 0..9 {
                there.write_all(b"ring").expect("room in the socket");
                assert_eq!(here.read(vec![0; 8]).await.expect("no error").0, 4);
            }
            (TcpStream::from_std(late), peer)
        });
        let Some((mut late, _peer)) = made else { return };
        for _ in 0..9 {
            let read = late.read(vec![0; 8]).now_or_never().expect("at once");
            assert_eq!(read.expect_err("it has ended").kind(), std::io::ErrorKind::BrokenPipe);
        }
    });
}

/// Those of a file lie between them.
#[test]
fn streams_and_files_share_a_buffer() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::new().expect("a pool");
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let mut reads = File::new(reader).read_many(&pool);
            let (mut here, mut there) = stream(&pool);
            assert!(reads.next().now_or_never().is_none());
            assert!(here.receive().now_or_never().is_none());
            for n in 0..50 {
                writer.write_all(&[n; 3]).expect("room in the pipe");
                turn().await;
                there.write_all(&[n + 100; 5]).expect("room in the socket");
                turn().await;
                let bytes = here.receive().await.expect("no error").expect("not the end");
                assert_eq!(bytes[..], [n + 100; 5]);
                let bytes = reads.next().await.expect("no error").expect("not the end");
                assert_eq!(bytes[..], [n; 3]);
            }
        });
    });
}

/// A buffer that cannot be written to.
struct Panics(Vec<u8>);

// SAFETY: as the vector.
unsafe impl IoBuf for Panics {
    fn stable_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: it gives no address.
unsafe impl IoBufMut for Panics {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        panic!("the test's own");
    }

    fn bytes_total(&self) -> usize {
        self.0.len()
    }

    unsafe fn set_init(&mut self, _: usize) {}
}

/// What came is there for the next read where the buffer of one panics: with a pool as without.
#[test]
fn a_buffer_that_panics_loses_no_byte() {
    for is_pooled in [false, true] {
        limit(LIMIT, || {
            on_runtime(async {
                let pool = RecvPool::with_buffers(4, 64).expect("a pool");
                let (here, mut there) = pair();
                let mut here = TcpStream::from_std(here);
                if is_pooled {
                    here.receive_from(&pool);
                    assert!(here.receive().now_or_never().is_none());
                }
                there.write_all(b"ri").expect("room in the socket");
                // The first way, and, where something is held, the other.
                for _ in 0..2 {
                    let read = AssertUnwindSafe(here.read(Panics(vec![0; 8])));
                    assert!(read.catch_unwind().await.is_err());
                }
                there.write_all(b"ng").expect("room in the socket");
                let read = here.read_exact(vec![0; 4]).await.expect("no error");
                assert_eq!(read.1, b"ring");
            });
        });
    }
}

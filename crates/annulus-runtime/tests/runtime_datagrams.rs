//! Datagrams into a pool: none is lost, doubled, cut or out of its order, however receives are
//! dropped, mixed or settled; each buffer comes back.

mod common;
mod sockets;

use std::future::Future;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use annulus_runtime::Runtime;
use annulus_runtime::runtime::net::{RecvPool, UdpSocket};
use common::{limit, may_not_lock};
use futures::FutureExt;
use sockets::{Dice, turn, within};

/// These take some hundred milliseconds, or for ever.
const LIMIT: Duration = Duration::from_secs(30);

fn on_runtime<F: Future>(body: F) -> Option<F::Output> {
    if may_not_lock() {
        return None;
    }
    let runtime = Runtime::new().expect("a runtime");
    let output = runtime.block_on(body);
    runtime.shutdown(LIMIT).expect("nothing is left");
    Some(output)
}

/// A socket that receives into `pool`, its address, and another one that sends.
async fn sockets(pool: &RecvPool) -> (UdpSocket, SocketAddr, StdSocket) {
    let mut socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
    socket.receive_from(pool).expect("it is one of datagrams");
    let addr = socket.local_addr().expect("it is bound");
    (socket, addr, StdSocket::bind("127.0.0.1:0").expect("a port is free"))
}

/// The datagram of this number.
fn text(n: u32) -> Vec<u8> {
    (0..n % 90).map(|byte| (byte ^ n) as u8).chain(n.to_ne_bytes()).collect()
}

/// Sends and receives by all methods, some of them dropped at any moment.
/// At most `behind` are on their way at a time: so few that none finds the socket's queue full.
async fn any_way(dice: &mut Dice, pool: &RecvPool, behind: u32) {
    let (mut here, to, there) = sockets(pool).await;
    let from = there.local_addr().expect("it is bound");
    let (mut sent, mut got, mut held) = (0, 0, Vec::new());
    while got < 300 {
        for _ in 0..dice.below(4) {
            if sent < got + behind {
                there.send_to(&text(sent), to).expect("it is sent");
                sent += 1;
            }
        }
        let turns = dice.below(3);
        match dice.below(5) {
            0 | 1 => {
                if let Some(received) = within(turns, here.receive()).await {
                    let datagram = received.expect("no error");
                    assert!(datagram[..] == text(got), "{got}: {datagram:?}");
                    assert!(datagram.from() == from && !datagram.is_truncated());
                    got += 1;
                    if dice.below(3) == 0 {
                        held.push((got - 1, datagram));
                    }
                }
            }
            2 => {
                if let Some(received) = within(turns, here.recv_from(vec![0; 100])).await {
                    let ((count, peer), buf) = received.expect("no error");
                    assert_eq!((&buf[..count], peer), (&text(got)[..], from), "{got}");
                    got += 1;
                }
            }
            3 => {
                if let Some(settled) = within(turns, here.settle()).await {
                    settled.expect("no error");
                }
            }
            _ if sent > got => {
                let ((count, peer), buf) = here.peek_from(vec![0; 100]).await.expect("no error");
                assert_eq!((&buf[..count], peer), (&text(got)[..], from), "{got}");
            }
            _ => held.truncate(dice.below(4) as usize),
        }
        for (n, datagram) in &held {
            assert!(datagram[..] == text(*n), "what is held does not change");
        }
    }
    let (std, early) = here.into_std().await.expect("no error");
    for (bytes, peer) in early {
        assert_eq!((bytes, peer), (text(got), from), "{got}");
        got += 1;
    }
    for n in got..sent {
        let mut buf = [0; 100];
        let (count, peer) = std.recv_from(&mut buf).expect("the rest");
        assert_eq!((&buf[..count], peer), (&text(n)[..], from));
    }
}

#[test]
fn no_datagram_is_lost_however_it_is_received() {
    for (count, bytes) in [(64, 1500), (8, 100), (2, 94), (1, 200)] {
        limit(LIMIT, || {
            on_runtime(async {
                let pool = RecvPool::of_datagrams(count, bytes).expect("a pool");
                for (seed, behind) in (1..).zip([1, 2, 5, 40]) {
                    any_way(&mut Dice(seed * 7919), &pool, behind).await;
                    turn().await;
                }
                while pool.free_count() < usize::from(count) {
                    turn().await;
                }
            });
        });
    }
}

#[test]
fn settling_may_be_given_up() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(4, 64).expect("a pool");
            let (mut here, to, there) = sockets(&pool).await;
            for turns in 0..4 {
                assert!(here.receive().now_or_never().is_none()); // begun
                turn().await;
                assert!(here.settle().now_or_never().is_none(), "it takes a turn");
                for _ in 0..turns {
                    turn().await;
                }
                there.send_to(b"ring", to).expect("it is sent");
                assert_eq!(&here.receive().await.expect("no error")[..], b"ring");
            }
        });
    });
}

#[test]
fn what_is_too_long_is_cut_and_said_to_be() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(4, 8).expect("a pool");
            let room = pool.buffer_bytes() as usize;
            let (mut here, to, there) = sockets(&pool).await;
            for bytes in [0, 1, 8, 100, 8, 0] {
                there.send_to(&vec![7; bytes], to).expect("it is sent");
                let datagram = here.receive().await.expect("no error");
                assert!(datagram.is_of_pool());
                assert_eq!(datagram.is_truncated(), bytes == 100);
                assert_eq!(datagram.len(), bytes.min(room - 108));
                assert_eq!(datagram.segments().count(), 1);
            }
            // Cut where it is copied, too.
            there.send_to(&[7; 8], to).expect("it is sent");
            let ((count, message), _) = here.recv_message(vec![0; 3]).await.expect("no error");
            assert!(count == 3 && message.is_truncated());
        });
    });
}

#[test]
fn an_empty_pool_keeps_nobody_waiting() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(2, 64).expect("a pool");
            let (mut greedy, to, there) = sockets(&pool).await;
            let mut kept = Vec::new();
            for n in 0..4 {
                there.send_to(&[n; 64], to).expect("it is sent");
                kept.push(greedy.receive().await.expect("no error"));
            }
            assert_eq!(pool.free_count(), 0);
            assert_eq!(kept.iter().filter(|datagram| datagram.is_of_pool()).count(), 2);
            let (mut other, to, there) = sockets(&pool).await;
            for n in 0..20 {
                assert!(other.receive().now_or_never().is_none()); // begun, and dropped
                turn().await;
                there.send_to(&[n; 60], to).expect("it is sent");
                let datagram = other.receive().await.expect("no error");
                assert!(!datagram.is_of_pool() && datagram[..] == [n; 60]);
                assert_eq!(datagram.from(), there.local_addr().expect("it is bound"));
                there.send_to(&[n; 50], to).expect("it is sent");
                assert_eq!(other.recv(vec![0; 64]).await.expect("no error").0, 50);
            }
            drop(kept);
            assert_eq!(pool.free_count(), 2);
            there.send_to(b"ring", to).expect("it is sent");
            assert!(other.receive().await.expect("no error").is_of_pool());
        });
    });
}

#[test]
fn a_fast_sender_does_not_take_the_pool() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(64, 64).expect("a pool");
            let (mut here, to, there) = sockets(&pool).await;
            assert!(here.receive().now_or_never().is_none()); // begun
            for n in 0..100_u32 {
                there.send_to(&text(n % 64), to).expect("it is sent");
                turn().await;
            }
            // Half of them wait; one or two came before the kernel had ended it. So another socket
            // has its share, and not much more.
            let (mut other, other_to, _) = sockets(&pool).await;
            let mut held = Vec::new();
            let mut came = 0;
            while came == held.len() {
                there.send_to(b"ring", other_to).expect("it is sent");
                let datagram = other.receive().await.expect("no error");
                came += 1;
                if datagram.is_of_pool() {
                    held.push(datagram);
                }
            }
            assert!((24..=32).contains(&held.len()), "{}", held.len());
            drop(held);
            for n in 0..100_u32 {
                let datagram = here.receive().await.expect("no error");
                assert!(datagram[..] == text(n % 64)[..], "{n}");
            }
            assert_eq!(pool.free_count(), 64);
        });
    });
}

#[test]
fn an_error_ends_nothing() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(4, 64).expect("a pool");
            let (mut here, to, there) = sockets(&pool).await;
            let gone = StdSocket::bind("127.0.0.1:0").expect("a port is free");
            let nobody = gone.local_addr().expect("it is bound");
            drop(gone);
            here.connect(nobody).await.expect("an address");
            assert!(here.receive().now_or_never().is_none()); // begun
            turn().await;
            for _ in 0..3 {
                here.send("anybody?").await.expect("it is sent");
                let error = here.receive().await.expect_err("nobody is there");
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            }
            here.connect(there.local_addr().expect("it is bound")).await.expect("an address");
            there.send_to(b"ring", to).expect("it is sent");
            assert_eq!(&here.receive().await.expect("no error")[..], b"ring");
            assert_eq!(pool.free_count(), 4);
        });
    });
}

#[test]
fn a_pool_must_be_of_datagrams_where_buffers_are_lent_in_parts() {
    limit(LIMIT, || {
        on_runtime(async {
            let mut here = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            let short = RecvPool::with_buffers(4, 64).expect("a pool");
            let error = here.receive_from(&short).expect_err("its buffers are too short");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            for (count, bytes) in [(0, 64), (40_000, 64), (4, u32::MAX)] {
                let error = RecvPool::of_datagrams(count, bytes).expect_err("no such pool");
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
            }
        });
    });
}

#[test]
fn what_is_put_together_is_taken_apart() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(4, 65_535).expect("a pool");
            let (mut here, to, _) = sockets(&pool).await;
            here.set_gro(true).expect("an option");
            let other = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            let bytes: Vec<u8> = (0..10_500_u32).map(|n| n as u8).collect();
            let sent = other.sender().send_segments(bytes.clone(), 1000, Some(to)).await;
            assert_eq!(sent.expect("it is sent").0, bytes.len());
            let (mut got, mut count) = (Vec::new(), 0);
            while got.len() < bytes.len() {
                let datagram = here.receive().await.expect("no error");
                assert!(!datagram.is_truncated());
                assert!(!datagram.message().is_control_truncated());
                for segment in datagram.segments() {
                    assert!(segment.len() == 1000 || got.len() == 10_000);
                    got.extend_from_slice(segment);
                    count += 1;
                }
            }
            assert!(got == bytes && count == 11);
        });
    });
}

#[test]
fn what_is_held_outlives_its_socket_and_its_runtime() {
    limit(LIMIT, || {
        let lent = on_runtime(async {
            let pool = RecvPool::of_datagrams(4, 64).expect("a pool");
            let (mut here, to, there) = sockets(&pool).await;
            there.send_to(b"ring", to).expect("it is sent");
            (here.receive().await.expect("no error"), pool)
        });
        let Some((datagram, pool)) = lent else { return };
        assert!(datagram.is_of_pool());
        assert_eq!(&datagram[..], b"ring");
        drop((datagram, pool));
    });
}

#[test]
fn what_nobody_takes_comes_back() {
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(16, 64).expect("a pool");
            for n in 0..50 {
                let (mut here, to, there) = sockets(&pool).await;
                assert!(here.receive().now_or_never().is_none());
                for _ in 0..n % 4 {
                    there.send_to(&[7; 60], to).expect("it is sent");
                    turn().await;
                }
                if n % 3 == 0 {
                    std::mem::forget(here.receive());
                }
            }
            while pool.free_count() < 16 {
                turn().await;
            }
        });
    });
}

#[test]
fn over_ipv6() {
    let Ok(there) = StdSocket::bind("[::1]:0") else {
        return common::skip("over_ipv6", "no IPv6 here");
    };
    limit(LIMIT, || {
        on_runtime(async {
            let pool = RecvPool::of_datagrams(4, 64).expect("a pool");
            let mut here = UdpSocket::bind("[::1]:0").await.expect("a port is free");
            here.receive_from(&pool).expect("it is one of datagrams");
            there.send_to(b"ring", here.local_addr().expect("bound")).expect("it is sent");
            let datagram = here.receive().await.expect("no error");
            assert_eq!(datagram.from(), there.local_addr().expect("it is bound"));
            assert_eq!(&datagram[..], b"ring");
        });
    });
}

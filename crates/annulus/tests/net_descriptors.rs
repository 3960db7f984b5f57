//! What sockets leave open that are dropped with everything under way: nothing. Descriptors are
//! counted, so one test runs at a time, in a process of its own.

mod net_common;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::time::{Duration, Instant};

use annulus::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use annulus::time::sleep;
use net_common::{Dice, LIMIT, alone, descriptors, limit, run, turn, unique, within};

/// How many there are, once what ended before has closed its own: their threads end by themselves.
fn settled() -> usize {
    let (begun, mut since, mut count) = (Instant::now(), Instant::now(), descriptors());
    while since.elapsed() < Duration::from_millis(20) && begun.elapsed() < LIMIT / 10 {
        let now = descriptors();
        if now != count {
            (since, count) = (Instant::now(), now);
        }
        std::thread::yield_now();
    }
    count
}

/// Runs it, and looks whether it left descriptors open. What was cancelled lets go in some turns.
#[track_caller]
fn leaks_nothing(body: impl AsyncFn()) {
    let _alone = alone();
    let before = settled();
    limit(LIMIT, || annulus::run(body()).expect("a runtime"));
    // The threads of a pool end on their own.
    let begun = Instant::now();
    while descriptors() > before && begun.elapsed() < LIMIT / 10 {
        std::thread::yield_now();
    }
    assert_eq!(descriptors(), before);
}

#[test]
fn connects_and_lookups_that_are_given_up() {
    leaks_nothing(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let nobody = closed.local_addr().expect("it is bound");
        drop(closed);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..300 {
            let several = TcpStream::connect([nobody, addr, nobody]);
            let _ = within(dice.below(4), several).await;
            let limited = TcpStream::connect_timeout(addr, Duration::from_secs(9));
            let _ = within(dice.below(3), limited).await;
            let bind = TcpListener::bind_reuse_port("127.0.0.1:0");
            let _ = within(dice.below(4), bind).await;
            let bind = UdpSocket::bind("127.0.0.1:0");
            let _ = within(dice.below(3), bind).await;
        }
        let _ = within(1, TcpStream::connect(("localhost", addr.port()))).await;
    });
}

#[test]
fn sockets_with_everything_under_way() {
    leaks_nothing(async || {
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        for round in 0..100 {
            let name = unique(&format!("leak-{round}"));
            let addr = SocketAddr::from_abstract_name(name).expect("a name");
            let mut unix = UnixListener::bind_addr(&addr).await.expect("it is free");
            let mut udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            let (mut here, there) = UnixStream::pair().expect("a pair");
            let (mut datagrams, sender) = UnixDatagram::pair().expect("a pair");
            assert!(within(dice.below(2), unix.accept()).await.is_none());
            assert!(within(dice.below(2), udp.recv_from(vec![0; 16])).await.is_none());
            assert!(within(dice.below(2), here.read_exact(vec![0; 16])).await.is_none());
            let receive = datagrams.recv_with_fds(vec![0; 16], 4);
            assert!(within(dice.below(2), receive).await.is_none());
            if dice.below(2) == 0 {
                // A connection, and descriptors, that nobody is told of.
                let _client = UnixStream::connect_addr(&addr).await.expect("it listens");
                sender.send_with_fds("x", &[&here, &there]).await.expect("sent");
            }
            for _ in 0..dice.below(3) {
                turn().await;
            }
        }
    });
}

/// Descriptors under way in a socket, in an operation that is given up, and in what it has left.
#[test]
fn descriptors_that_nobody_takes_are_closed() {
    leaks_nothing(async || {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        let mut dice = Dice(0x5851_f42d_4c95_7f2d);
        let open = |_| std::fs::File::open("Cargo.toml").expect("it is there");
        let files: Vec<_> = (0..3).map(open).collect();
        for _ in 0..300 {
            match dice.below(4) {
                // Taken by an operation whose future is gone, and then by one that wants none.
                0 => drop(within(1, there.recv_with_fds(vec![0; 4], 3)).await),
                1 => there.settle().await.expect("nothing failed"),
                _ => {}
            }
            let _ = within(dice.below(2), here.send_with_fds("ring", &files)).await;
            match dice.below(3) {
                0 => drop(within(1, there.read(vec![0; 64])).await),
                1 => drop(within(1, there.read_exact(vec![0; 2])).await),
                _ => drop(within(2, there.recv_with_fds(vec![0; 64], 1)).await),
            }
        }
        drop((here, there));
        sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn a_runtime_that_ends_with_sockets_under_way() {
    let _alone = alone();
    let before = descriptors();
    for _ in 0..20 {
        let left = run(async {
            let mut udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            let (mut here, mut there) = UnixStream::pair().expect("a pair");
            assert!(within(1, udp.recv(vec![0; 16])).await.is_none());
            assert!(within(1, here.recv_with_fds(vec![0; 16], 1)).await.is_none());
            there.send_with_fds("x", &[&udp]).await.expect("sent");
            (udp, here, there)
        });
        drop(left);
    }
    assert_eq!(descriptors(), before);
}

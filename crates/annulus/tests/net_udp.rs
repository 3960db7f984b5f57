//! UDP: errors, what dropped receives leave behind, long and many datagrams.

mod net_common;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use annulus::net::UdpSocket;
use annulus::spawn_local;
use futures::future::poll_immediate;
use net_common::{Dice, has_ipv6, is_cloexec, run, within};

async fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
    let addr = socket.local_addr().expect("it is bound");
    (socket, addr)
}

#[test]
fn errors() {
    run(async {
        let (mut here, addr) = socket().await;
        assert!(is_cloexec(&here));
        let error = UdpSocket::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let error = UdpSocket::bind("192.0.2.1:0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let error = here.send_to(vec![7; 70_000], addr).await.unwrap_err();
        assert_eq!((error.error().raw_os_error(), error.into_buf().len()), (Some(90), 70_000));
        let error = here.send("to nobody").await.unwrap_err();
        assert_eq!(error.error().raw_os_error(), Some(89), "EDESTADDRREQ");
        let broadcast = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
        let error = here.send_to("to all", broadcast).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let (gone, nobody) = socket().await;
        drop(gone);
        here.connect(nobody).await.expect("an address");
        here.send("anybody?").await.expect("it is sent");
        let error = here.recv(vec![0; 16]).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf().len()), (ErrorKind::ConnectionRefused, 16));
        assert!(here.peer_addr().is_ok() && here.take_error().expect("an option").is_none());
    });
}

/// A dropped receive loses no datagram, wherever it was dropped, and takes no sender for another.
#[test]
fn of_1000_datagrams_none_is_lost() {
    run(async {
        let (mut here, addr) = socket().await;
        let (senders, mut dice) = ([socket().await, socket().await], Dice(0x5851_f42d_4c95_7f2d));
        let mut dropped = 0;
        for n in 0..1000_u32 {
            let (sender, from) = &senders[n as usize % 2];
            let later = dice.below(2) == 0;
            if !later {
                sender.send_to(n.to_ne_bytes().to_vec(), addr).await.expect("it is sent");
            }
            let mut received = None;
            for _ in 0..dice.below(4) {
                let turns = dice.below(3);
                let given_up = match dice.below(4) {
                    0 => within(turns, here.peek_from(vec![0; 16])).await.is_none(),
                    1 => within(turns, here.settle()).await.is_none(),
                    _ => {
                        received = within(turns, here.recv_from(vec![0; 16])).await;
                        received.is_none()
                    }
                };
                dropped += u32::from(given_up);
                if received.is_some() {
                    break;
                }
            }
            if later {
                assert!(received.is_none(), "nothing was sent");
                sender.send_to(n.to_ne_bytes().to_vec(), addr).await.expect("it is sent");
            }
            let received = match received {
                Some(received) => received,
                None => here.recv_from(vec![0; 16]).await,
            };
            let ((bytes, peer), buf) = received.expect("a receive");
            assert_eq!((&buf[..bytes], peer), (&n.to_ne_bytes()[..], *from));
        }
        eprintln!("{dropped} receives were dropped under way");
        assert!(dropped > 300);
    });
}

#[test]
fn what_does_not_fit_is_said_to_be_lost() {
    run(async {
        let (mut here, addr) = socket().await;
        let (other, _) = socket().await;
        other.send_to("0123456789", addr).await.expect("it is sent");
        let ((n, message), buf) = here.recv_message(vec![0; 4]).await.expect("a receive");
        assert!(n == 4 && message.is_truncated() && buf == b"0123");
        // The buffer of the one that is dropped is long enough, the next one's is not.
        assert!(poll_immediate(here.recv(vec![0; 16])).await.is_none());
        other.send_to("0123456789", addr).await.expect("it is sent");
        let ((n, message), buf) = here.recv_message(vec![0; 4]).await.expect("a receive");
        assert!(n == 4 && message.is_truncated() && buf == b"0123");
        other.send_to("", addr).await.expect("it is sent");
        let ((n, message), _) = here.recv_message(vec![0; 4]).await.expect("a receive");
        assert!(n == 0 && !message.is_truncated());
    });
}

/// A peek, and the standard library's socket, see what a dropped receive has taken.
#[test]
fn what_was_taken_early_is_seen() {
    run(async {
        let (mut here, addr) = socket().await;
        let (other, from) = socket().await;
        assert!(within(1, here.recv(vec![0; 16])).await.is_none());
        other.send_to("ring", addr).await.expect("it is sent");
        other.send_to("rings", addr).await.expect("it is sent");
        // By now it has the first.
        for _ in 0..2 {
            let ((n, peer), buf) = here.peek_from(vec![0; 16]).await.expect("a peek");
            assert_eq!((&buf[..n], peer), (&b"ring"[..], from));
        }
        let (std, early) = here.into_std().await.expect("a socket");
        let mut all: Vec<Vec<u8>> = early.into_iter().map(|(bytes, _)| bytes).collect();
        let mut buf = [0; 16];
        while all.len() < 2 {
            let n = std.recv(&mut buf).expect("a receive");
            all.push(buf[..n].to_vec());
        }
        assert_eq!(all, [&b"ring"[..], b"rings"]);
    });
}

#[test]
fn one_buffer_is_many_datagrams_and_the_other_way_round() {
    run(async {
        let (mut here, addr) = socket().await;
        let (other, from) = socket().await;
        here.set_gro(true).expect("an option");
        // Given up: what is known of the segments is kept with the bytes.
        assert!(poll_immediate(here.recv_message(vec![0; 1 << 16])).await.is_none());
        let bytes: Vec<u8> = (0..10_500_u32).map(|n| n as u8).collect();
        let sent = other.sender().send_segments(bytes.clone(), 1000, Some(addr)).await;
        assert_eq!(sent.expect("it is sent").0, bytes.len());
        let (mut got, mut most) = (Vec::new(), 0);
        while got.len() < bytes.len() {
            let ((n, message), buf) = here.recv_message(vec![0; 1 << 16]).await.expect("received");
            assert_eq!(message.from().to_socket_addr(), Some(from));
            most = most.max(n);
            if n > 1000 {
                assert_eq!(message.segment_bytes(), Some(1000));
            }
            got.extend_from_slice(&buf[..n]);
        }
        assert!(got == bytes);
        eprintln!("up to {most} bytes at once");
        let error = other.sender().send_segments(vec![0; 60_000], 1, Some(addr)).await.unwrap_err();
        assert!(matches!(error.error().raw_os_error(), Some(22 | 90)), "{error}");
    });
}

#[test]
fn a_batch_goes_in_its_order_and_each_tells_for_itself() {
    run(async {
        let (mut here, addr) = socket().await;
        let (other, _) = socket().await;
        let receives = spawn_local(async move {
            let mut all = Vec::new();
            while all.len() < 99 {
                let (n, buf) = here.recv(vec![0; 16]).await.expect("a receive");
                assert_eq!(n, 4);
                all.push(u32::from_ne_bytes(buf[..4].try_into().expect("four")));
            }
            all
        });
        let length = |n: u32| if n == 50 { vec![0; 70_000] } else { n.to_ne_bytes().to_vec() };
        let batch = (0..100).map(|n| (length(n), Some(addr)));
        let sent = other.sender().send_batch(batch).await;
        for (n, sent) in (0..100_u32).zip(sent) {
            match sent {
                Ok((bytes, buf)) => assert_eq!((bytes, buf), (4, n.to_ne_bytes().to_vec())),
                Err(error) => assert_eq!((n, error.error().raw_os_error()), (50, Some(90))),
            }
        }
        let expected: Vec<u32> = (0..100).filter(|n| *n != 50).collect();
        assert_eq!(receives.await.expect("no panic"), expected);
    });
}

#[test]
fn a_sender_sends_while_the_socket_receives() {
    run(async {
        let (mut here, addr) = socket().await;
        let sender = here.sender();
        let task = spawn_local(async move {
            for n in 0..100_u8 {
                sender.send_to(vec![n], addr).await.expect("it is sent");
            }
        });
        for n in 0..100 {
            assert_eq!(here.recv_from(vec![0; 4]).await.expect("a receive").1[0], n);
        }
        task.await.expect("no panic");
        // Connected, it takes no other's.
        let (other, from) = socket().await;
        here.connect(from).await.expect("an address");
        let (third, _) = socket().await;
        third.send_to("not this", addr).await.expect("it is sent");
        other.send_to("this", addr).await.expect("it is sent");
        let (n, buf) = here.recv(vec![0; 16]).await.expect("a receive");
        assert_eq!(&buf[..n], b"this");
        assert_eq!(here.send("x").await.expect("it is sent").0, 1);
    });
}

#[test]
fn a_group_is_joined_and_left() {
    run(async {
        let here = UdpSocket::bind("0.0.0.0:0").await.expect("a port is free");
        let group = Ipv4Addr::new(224, 0, 0, 123);
        here.join_multicast_v4(group, Ipv4Addr::LOCALHOST).expect("the loopback takes part");
        let error = here.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let error = here.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        here.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).expect("it took part");
        let error = here.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    });
}

#[test]
fn udp_over_ipv6() {
    if !has_ipv6("udp_over_ipv6") {
        return;
    }
    run(async {
        let mut here = UdpSocket::bind("[::1]:0").await.expect("a port is free");
        let addr = here.local_addr().expect("it is bound");
        here.send_to("ring", addr).await.expect("it is sent");
        assert_eq!(here.recv_from(vec![0; 16]).await.expect("a receive").0, (4, addr));
        here.options().set_multicast_hops_v6(4).expect("an option");
        assert_eq!(here.options().multicast_hops_v6().expect("an option"), 4);
        here.options().set_unicast_hops_v6(42).expect("an option");
        assert_eq!(here.options().unicast_hops_v6().expect("an option"), 42);
        here.options().set_multicast_loop_v6(false).expect("an option");
        assert!(!here.options().multicast_loop_v6().expect("an option"));
        let error = here.leave_multicast_v6("ff02::123".parse().expect("one"), 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    });
}

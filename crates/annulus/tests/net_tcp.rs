//! TCP: errors, what dropped futures leave behind, halves, addresses.

mod net_common;

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use annulus::net::{TcpListener, TcpSocket, TcpStream};
use annulus::spawn_local;
use futures::future::{join, poll_immediate};
use net_common::{Dice, LIMIT, has_ipv6, is_cloexec, pair, run, turn, within};

/// A listener whose queue is full: who connects to it is not answered. Good as long as what it
/// gives is kept.
fn silent() -> (SocketAddr, Vec<std::net::TcpStream>, std::net::TcpListener) {
    let socket = TcpSocket::v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port is free");
    let listener = annulus::run(async { socket.listen(0)?.into_std().await })
        .expect("a runtime")
        .expect("a listener")
        .0;
    let addr = listener.local_addr().expect("it is bound");
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue does not fill");
    }
    (addr, queued, listener)
}

#[test]
fn errors_of_binding_and_connecting() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        let error = TcpListener::bind(addr).await.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::AddrInUse, Some(98)));
        // TEST-NET-1: no machine has it.
        let error = TcpListener::bind("192.0.2.1:0").await.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::AddrNotAvailable, Some(99)));
        drop(listener);
        let error = TcpStream::connect(addr).await.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::ConnectionRefused, Some(111)));
        for bad in ["localhost", "127.0.0.1:x", ":80", ""] {
            let error = TcpStream::connect(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
        let nobody: [SocketAddr; 0] = [];
        assert!(TcpStream::connect(nobody).await.is_err());
    });
}

#[test]
fn errors_of_a_connection_that_ends() {
    run(async {
        // A reset: closed with bytes that were not read.
        let (mut here, mut there) = pair().await;
        there.write_all("ring").await.expect("a write");
        assert_eq!(here.peek(vec![0; 4]).await.expect("a peek").0, 4);
        here.options().set_linger(Some(Duration::ZERO)).expect("an option");
        drop(here);
        let error = there.read(vec![0; 4]).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf().len()), (ErrorKind::ConnectionReset, 4));
        let error = there.write_all("ring").await.unwrap_err();
        assert_eq!(error.error().raw_os_error(), Some(32), "EPIPE, and no signal");

        // An end in order.
        let (mut here, mut there) = pair().await;
        here.write_all("ri").await.expect("a write");
        here.shutdown(Shutdown::Write).expect("a connection");
        let error = there.read_exact(vec![0; 4]).await.unwrap_err();
        assert_eq!((error.kind(), error.done()), (ErrorKind::UnexpectedEof, 2));
        assert_eq!(there.read_vectored([vec![0; 4], vec![0; 4]]).await.expect("the end").0, 0);
        assert_eq!(there.peek(vec![0; 4]).await.expect("the end").0, 0);
        let error = here.write_vectored(["x", "y"]).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf()), (ErrorKind::BrokenPipe, ["x", "y"]));
    });
}

#[test]
fn a_connect_that_is_not_answered_times_out() {
    let (addr, _queued, _listener) = silent();
    run(async {
        let begun = Instant::now();
        let limit = Duration::from_millis(100);
        let error = TcpStream::connect_timeout(addr, limit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() >= limit && begun.elapsed() < LIMIT / 2);
    });
}

/// The first address is not answered, the second refuses: the third is tried all the same, before
/// the first has timed out.
#[test]
fn of_several_addresses_the_one_that_answers_is_taken() {
    let (first, _queued, _silent) = silent();
    run(async {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let second = closed.local_addr().expect("it is bound");
        drop(closed);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let third = listener.local_addr().expect("it is bound");
        let stream = TcpStream::connect([first, second, third]).await.expect("one listens");
        assert_eq!(stream.peer_addr().expect("it is connected"), third);
        drop(listener);
        // Only the first is left, which never answers; the last error is not told before that.
        let connect = TcpStream::connect([second, first]);
        assert!(annulus::time::timeout(Duration::from_millis(400), connect).await.is_err());
        let error = TcpStream::connect([second, third]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_name_is_looked_up() {
    run(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        // Where the name is of both families, one of them refuses.
        let client = TcpStream::connect(("localhost", port)).await.expect("it is this machine");
        let (server, peer) = listener.accept().await.expect("it came");
        assert_eq!(client.local_addr().expect("it is connected"), peer);
        assert_eq!(server.local_addr().expect("it is connected").port(), port);
        let text = format!("localhost:{port}");
        assert!(annulus::net::lookup_host(text).await.expect("it is known").count() > 0);
    });
}

#[test]
fn ipv6() {
    if !has_ipv6("ipv6") {
        return;
    }
    run(async {
        let mut listener = TcpListener::bind("[::1]:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        assert!(addr.is_ipv6());
        let mut client = TcpStream::connect(addr).await.expect("it listens");
        let (mut server, peer) = listener.accept().await.expect("it came");
        assert_eq!(peer, client.local_addr().expect("it is connected"));
        client.write_all("ring").await.expect("a write");
        assert_eq!(server.read_exact(vec![0; 4]).await.expect("a read").1, b"ring");
        client.set_ttl(42).expect("an option");
        assert_eq!(client.ttl().expect("an option"), 42);
        let socket = TcpSocket::v6().expect("a socket");
        socket.options().set_only_v6(true).expect("an option");
        assert!(socket.options().only_v6().expect("an option"));
        // Both families of one name, in turns.
        let other = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let v4 = other.local_addr().expect("it is bound");
        drop(listener);
        let stream = TcpStream::connect([addr, v4]).await.expect("one listens");
        assert_eq!(stream.peer_addr().expect("it is connected"), v4);
    });
}

/// Accepts that are given up at every moment: no connection is lost, and each is closed at an exec.
#[test]
fn of_1000_connections_none_is_lost() {
    run(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..1000 {
            let client = std::net::TcpStream::connect(addr).expect("it listens");
            let accepted = loop {
                let turns = dice.below(3);
                if let Some(accepted) = within(turns, listener.accept()).await {
                    break accepted.expect("an accept");
                }
            };
            assert_eq!(accepted.1, client.local_addr().expect("it is connected"));
            assert!(is_cloexec(&accepted.0));
        }
        assert!(is_cloexec(&listener));
    });
}

/// Reads of all kinds that are given up at every moment: no byte is lost, doubled or misplaced.
#[test]
fn of_1000_messages_none_is_lost() {
    run(async {
        let (mut here, mut there) = pair().await;
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        let mut dropped = 0;
        for n in 0..1000_u64 {
            let message: Vec<u8> = (0..=dice.below(40)).map(|i| (n + i) as u8).collect();
            sent.extend_from_slice(&message);
            let before = dice.below(2) == 0;
            if before {
                here.write_all(message.clone()).await.expect("a write");
            }
            for _ in 0..1 + dice.below(4) {
                let (turns, room) = (dice.below(3), 1 + dice.below(30) as usize);
                let read = match dice.below(4) {
                    0 => within(turns, there.read(vec![0; room])).await,
                    1 => within(turns, there.read_exact(vec![0; room])).await,
                    2 => {
                        let bufs = [vec![0; room / 2], vec![0; room]];
                        let read = within(turns, there.read_vectored(bufs)).await;
                        read.map(|read| match read {
                            Ok((n, [a, b])) => Ok((n, [a, b].concat())),
                            Err(error) => Err(error.map(|bufs| bufs.concat())),
                        })
                    }
                    _ => {
                        let peeked = within(turns, there.peek(vec![0; room])).await;
                        if let Some(peeked) = peeked {
                            let (n, bytes) = peeked.expect("a peek");
                            assert_eq!(bytes[..n], sent[got.len()..got.len() + n]);
                        }
                        continue;
                    }
                };
                match read {
                    Some(read) => {
                        let (n, bytes) = read.expect("a read");
                        got.extend_from_slice(&bytes[..n]);
                    }
                    None => dropped += 1,
                }
            }
            if !before {
                here.write_all(message).await.expect("a write");
            }
        }
        here.shutdown(Shutdown::Write).expect("a connection");
        loop {
            let (n, bytes) = there.read(vec![0; 64]).await.expect("a read");
            got.extend_from_slice(&bytes[..n]);
            if n == 0 {
                break;
            }
        }
        eprintln!("{dropped} reads were dropped under way");
        assert!(dropped > 300);
        assert!(sent == got, "{} bytes sent, {} read", sent.len(), got.len());
    });
}

#[test]
fn what_a_dropped_exact_read_had_is_the_next_ones() {
    run(async {
        let (mut here, mut there) = pair().await;
        here.write_all("abcdef").await.expect("a write");
        assert!(within(3, there.read_exact(vec![0; 10])).await.is_none());
        // Fewer than it had, then more than are there: the one that waits gives them back.
        assert_eq!(there.read(vec![0; 2]).await.expect("a read").1, b"ab");
        assert!(poll_immediate(there.read_exact(vec![0; 100])).await.is_none());
        assert_eq!(there.peek(vec![0; 100]).await.expect("a peek").0, 4);
        here.write_all("gh").await.expect("a write");
        assert_eq!(there.read_exact(vec![0; 6]).await.expect("a read").1, b"cdefgh");

        // Cancelled, it gives them with its buffer.
        here.write_all("ij").await.expect("a write");
        let mut read = there.read_exact(vec![0; 4]);
        assert!(within(3, &mut read).await.is_none());
        read.cancel();
        let error = read.await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!((error.done(), &error.into_buf()[..2]), (2, &b"ij"[..]));

        // Forgotten, it goes on to its end.
        let mut read = there.read_exact(vec![0; 4]);
        assert!(poll_immediate(&mut read).await.is_none());
        std::mem::forget(read);
        here.write_all("klmn").await.expect("a write");
        assert_eq!(there.read(vec![0; 9]).await.expect("a read").0, 4);
    });
}

/// What comes behind the bytes of a dropped read is told behind them.
#[test]
fn an_error_behind_bytes_is_told_after_them() {
    run(async {
        let (mut here, mut there) = pair().await;
        here.write_all("ring").await.expect("a write");
        let mut read = there.read_exact(vec![0; 10]);
        assert!(within(3, &mut read).await.is_none());
        std::mem::forget(read);
        here.options().set_linger(Some(Duration::ZERO)).expect("an option");
        drop(here);
        let (n, buf) = there.read(vec![0; 10]).await.expect("the bytes");
        assert_eq!(&buf[..n], b"ring");
        let error = there.read(buf).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(there.read(vec![0; 1]).await.expect("the end").0, 0);
    });
}

#[test]
fn halves_work_at_the_same_time_and_keep_what_they_have() {
    run(async {
        let (mut here, there) = pair().await;
        assert!(poll_immediate(here.read(vec![0; 16])).await.is_none());
        let (mut reads, mut writes) = here.into_split();
        let echo = spawn_local(async move {
            let (mut reads, mut writes) = there.into_split();
            loop {
                let (n, mut buf) = reads.read(vec![0; 4096]).await.expect("a read");
                if n == 0 {
                    break;
                }
                buf.truncate(n);
                writes.write_all(buf).await.expect("a write");
            }
        });
        let sends = async {
            for n in 0..200_u32 {
                writes.write_vectored_all([vec![n as u8; 500], vec![0; 500]]).await.expect("sent");
            }
            writes.shutdown(Shutdown::Write).expect("a connection");
            writes
        };
        let receives = async {
            let mut count = 0;
            loop {
                // Each second one is given up.
                let _ = within(1, reads.read_exact(vec![0; 700])).await.map(|read| match read {
                    Ok((n, _)) => count += n,
                    Err(error) => count += error.done(),
                });
                let (n, _) = reads.read(vec![0; 300]).await.expect("a read");
                count += n;
                if n == 0 {
                    return (count, reads);
                }
            }
        };
        let (writes, (count, reads)) = join(sends, receives).await;
        assert_eq!(count, 200_000);
        echo.await.expect("no panic");
        let stream = TcpStream::reunite(reads, writes).expect("the halves of one");
        assert!(stream.into_std().await.expect("a stream").1.is_empty());
    });
}

/// More than 1024 buffers, and more than fits in a socket: it goes on until all went.
#[test]
fn many_buffers_go_whole() {
    run(async {
        let (mut here, mut there) = pair().await;
        let parts: Vec<Vec<u8>> = (0..3000).map(|n| vec![n as u8; 1000]).collect();
        let expected = parts.concat();
        let writes = spawn_local(async move {
            let (n, _) = here.write_vectored_all(parts).await.expect("sent");
            n
        });
        let (n, got) = there.read_exact(vec![0; expected.len()]).await.expect("a read");
        assert_eq!((n, writes.await.expect("no panic")), (expected.len(), expected.len()));
        assert!(got == expected);
    });
}

#[test]
fn a_standard_stream_goes_in_and_comes_out_with_what_was_taken() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        let mut client = std::net::TcpStream::connect(addr).expect("it listens");
        let mut stream = TcpStream::from_std(listener.accept().expect("it came").0);
        client.write_all(b"ring").expect("a write");
        assert!(within(3, stream.read_exact(vec![0; 5])).await.is_none());
        turn().await;
        let (mut std, early) = stream.into_std().await.expect("a stream");
        assert_eq!(early, b"ring");
        client.write_all(b"s").expect("a write");
        let mut rest = [0; 1];
        std::io::Read::read_exact(&mut std, &mut rest).expect("a read");
        assert_eq!(&rest, b"s");
    });
}

/// A listener on each of several threads, at the same address: the kernel spreads connections over
/// them, and each is served.
#[test]
fn listeners_share_a_port() {
    run(async {
        let mut first = TcpListener::bind_reuse_port("127.0.0.1:0").await.expect("a port is free");
        let addr = first.local_addr().expect("it is bound");
        let mut second = TcpListener::bind_reuse_port(addr).await.expect("it is shared");
        // One that did not ask for it cannot.
        let error = TcpListener::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let clients: Vec<_> =
            (0..64).map(|_| std::net::TcpStream::connect(addr).expect("they listen")).collect();
        let mut counts = [0; 2];
        for _ in 0..clients.len() {
            let one = std::pin::pin!(first.accept());
            let other = std::pin::pin!(second.accept());
            match futures::future::select(one, other).await {
                futures::future::Either::Left(_) => counts[0] += 1,
                futures::future::Either::Right(_) => counts[1] += 1,
            }
        }
        eprintln!("{counts:?} of {} connections", clients.len());
        assert!(counts.iter().all(|count| *count > 0));
    });
}

//! Sockets of a runtime: connections, bytes, ends, errors.

mod common;
mod sockets;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};

use annulus_ring::Errno;
use annulus_runtime::buffer::IoBuf;
use annulus_runtime::runtime::net::{TcpListener, TcpStream};
use annulus_runtime::{Runtime, run, spawn_local};
use common::{LIMIT, limit};
use sockets::{listener, pair, turn, within};

/// Reads until there are so many bytes.
async fn read_exact(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let (n, buf) = stream.read(vec![0; count - bytes.len()]).await.expect("a read");
        assert!(n > 0, "the stream ended after {} of {count} bytes", bytes.len());
        bytes.extend_from_slice(&buf[..n]);
    }
    bytes
}

/// Sends back what comes, until the end.
async fn echo(mut stream: TcpStream) {
    let mut buf = vec![0; 1024];
    loop {
        let (n, filled) = stream.read(buf).await.expect("a read");
        if n == 0 {
            return;
        }
        let (_, part) = stream.write_all(filled.slice(..n)).await.expect("a write");
        buf = part.into_inner();
    }
}

#[test]
fn many_connections_get_back_what_they_send() {
    const CLIENTS: usize = 200;
    limit(2 * LIMIT, || {
        let (std, addr) = listener();
        run(async move {
            let server = spawn_local(async move {
                let mut listener = TcpListener::from_std(std);
                let mut tasks = Vec::new();
                for _ in 0..CLIENTS {
                    let (stream, peer) = listener.accept().await.expect("an accept");
                    assert_eq!(stream.peer_addr().expect("it is connected"), peer);
                    tasks.push(spawn_local(echo(stream)));
                }
                for task in tasks {
                    task.await.expect("no panic");
                }
            });
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    spawn_local(async move {
                        let mut stream = TcpStream::connect(addr).await.expect("a connection");
                        for round in 0..20 {
                            let text = format!("{client} {round}; ").repeat(1 + round * 10);
                            let text = text.into_bytes();
                            let (n, text) = stream.write_all(text).await.expect("a write");
                            assert_eq!(n, text.len());
                            assert_eq!(read_exact(&mut stream, n).await, text);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.expect("no panic");
            }
            server.await.expect("no panic");
        })
        .expect("a runtime");
    });
}

/// One more than the ring has entries.
#[test]
fn more_operations_than_the_ring_has_entries() {
    limit(LIMIT, || {
        let runtime = Runtime::builder().entries(256).build().expect("a runtime");
        runtime.block_on(async {
            let (here, mut there): (Vec<_>, Vec<_>) = (0..257).map(|_| pair()).unzip();
            let reads: Vec<_> = here
                .into_iter()
                .map(|std| {
                    let mut stream = TcpStream::from_std(std);
                    spawn_local(async move { read_exact(&mut stream, 2).await })
                })
                .collect();
            turn().await;
            for (n, peer) in there.iter_mut().enumerate() {
                peer.write_all(&(n as u16).to_ne_bytes()).expect("a write");
            }
            for (n, read) in reads.into_iter().enumerate() {
                assert_eq!(read.await.expect("no panic"), (n as u16).to_ne_bytes());
            }
        });
    });
}

#[test]
fn ends_and_errors_are_told_apart() {
    limit(LIMIT, || {
        run(async {
            // The end, each time that it is asked for.
            let (here, there) = pair();
            let mut stream = TcpStream::from_std(here);
            drop(there);
            assert_eq!(stream.read(vec![0; 9]).await.expect("the end").0, 0);
            assert_eq!(stream.read(vec![0; 9]).await.expect("the end").0, 0);
            // A reset: the peer goes with something unread.
            let (here, there) = pair();
            let mut stream = TcpStream::from_std(here);
            stream.write_all("unread").await.expect("a write");
            drop(there);
            let error = stream.read(vec![7; 9]).await.expect_err("a reset");
            assert_eq!(error.errno(), Some(Errno::ECONNRESET));
            assert_eq!(error.into_buf(), [7; 9]);
            let error = stream.write("more").await.expect_err("nobody is there");
            assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EPIPE), "more"));
            // Nobody listens.
            let addr = listener().1;
            let error = TcpStream::connect(addr).await.expect_err("nobody listens");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
            // An address that is none.
            let nowhere = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
            assert!(TcpStream::connect(nowhere).await.is_err());
        })
        .expect("a runtime");
    });
}

/// What a dropped read had found is told to the next.
#[test]
fn ends_and_errors_that_a_dropped_read_has_found_are_told() {
    limit(LIMIT, || {
        run(async {
            let (here, there) = pair();
            let mut stream = TcpStream::from_std(here);
            assert!(within(2, stream.read(vec![0; 9])).await.is_none());
            drop(there);
            turn().await;
            assert_eq!(stream.read(vec![0; 9]).await.expect("the end").0, 0);
            let (here, there) = pair();
            let mut stream = TcpStream::from_std(here);
            assert!(within(2, stream.read(vec![0; 9])).await.is_none());
            stream.write_all("unread").await.expect("a write");
            drop(there);
            let error = stream.read(vec![7; 4]).await.expect_err("a reset");
            assert_eq!(error.errno(), Some(Errno::ECONNRESET));
            assert_eq!(error.into_buf(), [7; 4]);
            assert_eq!(stream.read(vec![0; 9]).await.expect("the end").0, 0);
        })
        .expect("a runtime");
    });
}

/// A buffer without room is given back at once, and does not end the stream for the next.
#[test]
fn a_read_without_room_takes_nothing() {
    limit(LIMIT, || {
        run(async {
            let (here, mut there) = pair();
            let mut stream = TcpStream::from_std(here);
            assert_eq!(stream.read(Vec::new()).await.expect("nothing"), (0, Vec::new()));
            assert!(within(2, stream.read(vec![0; 9])).await.is_none());
            assert_eq!(stream.read(Vec::new()).await.expect("nothing").0, 0);
            there.write_all(b"ring").expect("a write");
            assert_eq!(stream.read(Vec::new()).await.expect("nothing").0, 0);
            assert_eq!(read_exact(&mut stream, 1).await, b"r");
            assert_eq!(stream.read(Vec::new()).await.expect("nothing").0, 0);
            assert_eq!(read_exact(&mut stream, 3).await, b"ing");
            assert_eq!(stream.write_all(Vec::new()).await.expect("nothing").0, 0);
        })
        .expect("a runtime");
    });
}

/// Sockets that do not block, as other runtimes leave them, are waited for.
#[test]
fn sockets_that_do_not_block_are_waited_for() {
    limit(LIMIT, || {
        let (std, addr) = listener();
        std.set_nonblocking(true).expect("a socket");
        run(async move {
            let mut listener = TcpListener::from_std(std);
            assert!(within(2, listener.accept()).await.is_none());
            let client = std::net::TcpStream::connect(addr).expect("it listens");
            client.set_nonblocking(true).expect("a socket");
            let (mut server, _) = listener.accept().await.expect("an accept");
            let mut client = TcpStream::from_std(client);
            assert!(within(2, client.read(vec![0; 4])).await.is_none());
            let data = vec![7; 8 << 20];
            let count = data.len();
            let writes = spawn_local(async move {
                server.write_all(data).await.expect("a write");
                server
            });
            assert!(read_exact(&mut client, count).await.iter().all(|byte| *byte == 7));
            drop(writes.await);
            // What the kernel made blocks, as the standard library expects.
            let (server, _) = listener.into_std().await.expect("a listener");
            server.set_nonblocking(false).expect("a socket");
        })
        .expect("a runtime");
    });
}

#[test]
fn a_cancelled_read_gives_its_buffer_back() {
    limit(LIMIT, || {
        run(async {
            let (here, mut there) = pair();
            let mut stream = TcpStream::from_std(here);
            // Not begun, waiting behind a dropped one, and begun.
            let mut read = stream.read(vec![1; 9]);
            read.cancel();
            let error = read.await.expect_err("nothing came");
            assert!(error.is_cancelled() && error.into_buf() == [1; 9]);
            assert!(within(2, stream.read(vec![0; 9])).await.is_none());
            let mut read = stream.read(vec![2; 9]);
            assert!(within(1, &mut read).await.is_none());
            read.cancel();
            let error = read.await.expect_err("nothing came");
            assert!(error.is_cancelled() && error.into_buf() == [2; 9]);
            there.write_all(b"ring").expect("a write");
            assert_eq!(read_exact(&mut stream, 4).await, b"ring");
            let mut read = stream.read(vec![3; 9]);
            assert!(within(1, &mut read).await.is_none());
            read.cancel();
            let error = read.await.expect_err("nothing came");
            assert!(error.is_cancelled() && error.into_buf() == [3; 9]);
            // One that was cancelled and dropped is not told to the next.
            let mut read = stream.read(vec![4; 9]);
            assert!(within(1, &mut read).await.is_none());
            read.cancel();
            drop(read);
            there.write_all(b"ring").expect("a write");
            assert_eq!(read_exact(&mut stream, 4).await, b"ring");
        })
        .expect("a runtime");
    });
}

/// The peer gets a beginning of the dropped write, and behind it all of the next.
#[test]
fn nothing_of_a_dropped_write_goes_behind_the_next() {
    limit(2 * LIMIT, || {
        for turns in [0, 1, 2, 5] {
            let (here, mut there) = pair();
            let reader = run(async move {
                let mut stream = TcpStream::from_std(here);
                // More than fits between the two: it is still under way when it is dropped.
                assert!(within(turns, stream.write_all(vec![1; 32 << 20])).await.is_none());
                let reader = std::thread::spawn(move || {
                    let mut all = Vec::new();
                    there.read_to_end(&mut all).map(|_| all)
                });
                stream.write_all(vec![2; 32 << 20]).await.expect("a write");
                reader
            });
            let all = reader.expect("a runtime").join().expect("no panic").expect("a read");
            let first = all.iter().take_while(|byte| **byte == 1).count();
            assert!(all[first..].iter().all(|byte| *byte == 2), "they are mixed up");
            assert_eq!(all.len() - first, 32 << 20);
            assert!(first < 32 << 20, "it was not cancelled");
        }
    });
}

#[test]
fn a_cancelled_write_says_how_much_went() {
    limit(LIMIT, || {
        let (here, mut there) = pair();
        let sent = run(async {
            let mut stream = TcpStream::from_std(here);
            let mut write = stream.write_all(vec![1; 32 << 20]);
            assert!(within(3, &mut write).await.is_none());
            write.cancel();
            let error = write.await.expect_err("nobody reads");
            assert!(error.is_cancelled() && error.done() > 0, "{error}");
            let done = error.done();
            assert_eq!(error.into_buf().len(), 32 << 20);
            let mut write = stream.write_all("never begun");
            write.cancel();
            assert!(write.await.expect_err("it was cancelled").is_cancelled());
            done
        });
        let mut all = Vec::new();
        there.read_to_end(&mut all).expect("a read");
        assert_eq!(all.len(), sent.expect("a runtime"));
    });
}

#[test]
fn a_shutdown_ends_what_is_under_way() {
    limit(LIMIT, || {
        run(async {
            let (here, there) = pair();
            let mut stream = TcpStream::from_std(here);
            assert!(within(2, stream.read(vec![0; 9])).await.is_none());
            stream.shutdown(Shutdown::Both).expect("it is connected");
            assert_eq!(stream.read(vec![0; 9]).await.expect("the end").0, 0);
            let error = stream.write_all("ring").await.expect_err("it is shut down");
            assert_eq!(error.errno(), Some(Errno::EPIPE));
            drop(there);
        })
        .expect("a runtime");
    });
}

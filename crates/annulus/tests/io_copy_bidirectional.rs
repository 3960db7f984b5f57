//! Copying between two connections: each direction ends alone.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use annulus::io::copy_bidirectional;
use annulus::time::timeout;
use annulus_runtime::runtime::net;
use common::{on_runtime, times};

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, there)
}

/// A client and a server, and the two ends between them that belong to a proxy.
fn proxy() -> (TcpStream, net::TcpStream, net::TcpStream, TcpStream) {
    let ((inner, client), (outer, server)) = (pair(), pair());
    (client, net::TcpStream::from_std(inner), net::TcpStream::from_std(outer), server)
}

#[test]
fn much_goes_both_ways_at_once() {
    on_runtime(|| async {
        let (client, mut a, mut b, server) = proxy();
        let bytes = times(8) as usize * 1_000_003;
        let ends: Vec<_> = [client, server]
            .into_iter()
            .enumerate()
            .map(|(at, stream)| {
                std::thread::spawn(move || {
                    let mut writes = stream.try_clone().unwrap();
                    let writer = std::thread::spawn(move || {
                        let data: Vec<u8> = (0..bytes).map(|i| (i % (250 + at)) as u8).collect();
                        writes.write_all(&data).unwrap();
                        writes.shutdown(Shutdown::Write).unwrap();
                    });
                    let mut all = Vec::new();
                    (&stream).read_to_end(&mut all).unwrap();
                    writer.join().unwrap();
                    assert_eq!(all.len(), bytes);
                    assert!(all.iter().enumerate().all(|(i, b)| *b == (i % (251 - at)) as u8));
                })
            })
            .collect();
        let counts = copy_bidirectional(&mut a, &mut b).await.unwrap();
        assert_eq!(counts, (bytes as u64, bytes as u64));
        ends.into_iter().for_each(|end| end.join().unwrap());
    });
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    on_runtime(|| async {
        let (mut client, mut a, mut b, mut server) = proxy();
        let copy = annulus::spawn_local(async move { copy_bidirectional(&mut a, &mut b).await });
        let ends = annulus::spawn_blocking(move || {
            client.write_all(b"ask").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut asked = String::new();
            server.read_to_string(&mut asked).unwrap(); // it is told of the end
            for _ in 0..3 {
                server.write_all(b"answer ").unwrap();
                let mut part = [0; 7];
                client.read_exact(&mut part).unwrap(); // which is not the other's
            }
            drop(server);
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
            asked
        });
        assert_eq!(ends.await.unwrap(), "ask");
        assert_eq!(copy.await.unwrap().unwrap(), (3, 21));
    });
}

#[test]
fn an_error_of_one_gives_up_the_other() {
    on_runtime(|| async {
        let (client, mut a, mut b, server) = proxy();
        let copy = annulus::spawn_local(async move {
            let copied = copy_bidirectional(&mut a, &mut b).await;
            (copied, a, b)
        });
        let ends = annulus::spawn_blocking(move || {
            // What it has not read makes its end a reset.
            (&server).write_all(&[7; 1000]).unwrap();
            while client.peek(&mut [0; 1000]).unwrap() < 1000 {}
            drop(client);
            server
        });
        let _server = ends.await.unwrap();
        let (copied, a, _b) = timeout(Duration::from_secs(20), copy).await.unwrap().unwrap();
        let why = copied.unwrap_err();
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&why.kind()), "{why}");
        assert!(a.local_addr().is_ok(), "both stay open");
    });
}

#[test]
fn what_was_read_early_goes_first() {
    on_runtime(|| async {
        let (mut client, mut a, mut b, mut server) = proxy();
        common::begin(&mut a.read(vec![0; 16])).await; // dropped
        client.write_all(b"early").unwrap();
        annulus::time::sleep(Duration::from_millis(5)).await;
        let copy = annulus::spawn_local(async move { copy_bidirectional(&mut a, &mut b).await });
        let text = annulus::spawn_blocking(move || {
            client.write_all(b" late").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut text = String::new();
            server.read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(text.await.unwrap(), "early late");
        assert_eq!(copy.await.unwrap().unwrap(), (10, 0));
    });
}

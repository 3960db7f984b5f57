//! Sockets of this machine: names, errors, descriptors, credentials, what dropped receives leave.

mod net_common;

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;

use annulus::net::{UnixDatagram, UnixListener, UnixStream};
use annulus::spawn_local;
use futures::future::poll_immediate;
use net_common::{Dice, is_cloexec, run, unique, within};

/// Files that are told from one another by what is in them.
fn files(count: usize) -> Vec<File> {
    let path = std::env::temp_dir().join(unique("numbered"));
    let make = |n: usize| {
        std::fs::write(&path, n.to_string()).expect("a file");
        let file = File::open(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it is there");
        file
    };
    (0..count).map(make).collect()
}

/// Which of the files a descriptor is of.
fn number(fd: OwnedFd) -> usize {
    assert!(is_cloexec(&fd));
    let mut file = File::from(fd);
    let mut text = String::new();
    file.rewind().expect("a file");
    file.read_to_string(&mut text).expect("a file");
    text.parse().expect("a number")
}

#[test]
fn names_and_their_errors() {
    let path = std::env::temp_dir().join(unique("names"));
    run(async {
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let mut listener = UnixListener::bind(&path).await.expect("a name");
        let error = UnixListener::bind(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let addr = listener.local_addr().expect("it is bound");
        assert_eq!(addr.as_pathname(), Some(&*path));
        let client = UnixStream::connect(&path).await.expect("it listens");
        let (server, peer) = listener.accept().await.expect("it came");
        assert!(peer.is_unnamed() && is_cloexec(&server) && is_cloexec(&client));
        assert_eq!(client.peer_addr().expect("connected").as_pathname(), Some(&*path));
        let error = UnixDatagram::unbound().expect("a socket").connect(&path).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(91), "EPROTOTYPE");
        drop(listener);
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        for bad in ["", &"x".repeat(108)] {
            let error = UnixStream::connect(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let error = UnixDatagram::unbound().expect("one").send_to("x", bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    });
    std::fs::remove_file(path).expect("it stays");
}

#[test]
fn abstract_names_are_no_files() {
    run(async {
        // With a zero byte in it, as they may have.
        let name = unique("abstract\0name");
        let addr = SocketAddr::from_abstract_name(&name).expect("a name");
        let mut listener = UnixListener::bind_addr(&addr).await.expect("it is free");
        let own = listener.local_addr().expect("it is bound");
        assert_eq!(own.as_abstract_name(), Some(name.as_bytes()));
        let mut client = UnixStream::connect_addr(&addr).await.expect("it listens");
        let (mut server, _) = listener.accept().await.expect("it came");
        client.write_vectored(["ri", "ng"]).await.expect("a write");
        assert_eq!(server.read_exact(vec![0; 4]).await.expect("a read").1, b"ring");
        drop(listener);
        assert!(UnixStream::connect_addr(&addr).await.is_err());
        assert!(UnixListener::bind_addr(&addr).await.is_ok(), "it is free again");
    });
}

/// Without a name the kernel gives one: five hexadecimal digits of the abstract names.
#[test]
fn the_kernel_has_names_for_who_has_none() {
    run(async {
        let none = SocketAddr::from_pathname("").expect("no name");
        let mut here = UnixDatagram::bind_addr(&none).await.expect("one is free");
        let own = here.local_addr().expect("it is bound");
        let name = own.as_abstract_name().expect("it is abstract").to_vec();
        assert!(name.len() == 5 && name.iter().all(u8::is_ascii_hexdigit), "{name:?}");
        let there = UnixDatagram::bind_addr(&none).await.expect("one is free");
        assert_ne!(there.local_addr().expect("bound").as_abstract_name(), Some(&name[..]));
        there.send_to_addr("ring", &own).await.expect("it is there");
        let ((n, from), _) = here.recv_from(vec![0; 16]).await.expect("received");
        let to_answer = there.local_addr().expect("it is bound");
        assert_eq!((n, from.as_abstract_name()), (4, to_answer.as_abstract_name()));
        let mut listener = UnixListener::bind_addr(&none).await.expect("one is free");
        let addr = listener.local_addr().expect("it is bound");
        let _client = UnixStream::connect_addr(&addr).await.expect("it listens");
        assert!(listener.accept().await.expect("it came").1.is_unnamed());
    });
}

#[test]
fn descriptors_go_along_in_order() {
    run(async {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        let files = files(20);
        for round in [1, 3, 20] {
            here.send_with_fds("x", &files[..round]).await.expect("sent");
            let ((n, mut message), _) =
                there.recv_with_fds(vec![0; 16], 20).await.expect("received");
            assert!(n == 1 && !message.is_control_truncated());
            let got: Vec<usize> = message.take_descriptors().into_iter().map(number).collect();
            assert_eq!(got, (0..round).collect::<Vec<_>>());
        }
        // Bytes alone, and descriptors that nobody takes: the bytes are as ever.
        here.write_all("y").await.expect("a write");
        let ((n, message), _) = there.recv_with_fds(vec![0; 16], 20).await.expect("received");
        assert!(n == 1 && message.descriptors().is_empty());
        here.send_with_fds("z", &files).await.expect("sent");
        assert_eq!(there.read(vec![0; 16]).await.expect("a read").0, 1);
        let error = here.send_with_fds("x", &vec![&files[0]; 254]).await.unwrap_err();
        assert_eq!(error.error().raw_os_error(), Some(22), "EINVAL: over 253");
        here.shutdown(Shutdown::Both).expect("a connection");
        assert_eq!(there.recv_with_fds(vec![0; 16], 4).await.expect("the end").0.0, 0);
        let error = there.send_with_fds("x", &files[..1]).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf()), (ErrorKind::BrokenPipe, "x"));
    });
}

#[test]
fn those_without_room_are_closed_and_said_to_be() {
    run(async {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        let files = files(5);
        // In whichever units the kernel counts room.
        for room in 0..=5 {
            here.send_with_fds("x", &files).await.expect("sent");
            let received = there.recv_with_fds(vec![0; 16], room).await.expect("received");
            let ((_, mut message), _) = received;
            assert_eq!(message.is_control_truncated(), room < 5, "room for {room}");
            let got: Vec<usize> = message.take_descriptors().into_iter().map(number).collect();
            assert_eq!(got, (0..room).collect::<Vec<_>>());
        }
        // Credentials, which come first, take no room from them.
        there.options().set_pass_credentials(true).expect("an option");
        here.send_with_fds("x", &files[..1]).await.expect("sent");
        let ((_, message), _) = there.recv_with_fds(vec![0; 16], 1).await.expect("received");
        assert_eq!(message.descriptors().len(), 1);
        assert_eq!(message.credentials().map(|from| from.pid), Some(std::process::id()));
    });
}

/// Receives that are given up: no byte and no descriptor is lost, as long as the next one takes
/// descriptors too.
#[test]
fn of_1000_passed_descriptors_none_is_lost() {
    run(async {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        let (files, mut dice) = (files(7), Dice(0x9e37_79b9_7f4a_7c15));
        let mut dropped = 0;
        for n in 0..1000_usize {
            let early = dice.below(2) == 0;
            let text = vec![n as u8; 2];
            if early {
                here.send_with_fds(text.clone(), &files[n % 7..][..1]).await.expect("sent");
            }
            let mut received = None;
            for _ in 0..dice.below(3) {
                received = within(dice.below(3), there.recv_with_fds(vec![0; 2], 1)).await;
                if received.is_some() {
                    break;
                }
                dropped += 1;
                if dice.below(3) == 0 {
                    there.settle().await.expect("nothing failed");
                }
            }
            if !early {
                assert!(received.is_none(), "nothing was sent");
                here.send_with_fds(text, &files[n % 7..][..1]).await.expect("sent");
            }
            let received = match received {
                Some(received) => received,
                None => there.recv_with_fds(vec![0; 2], 1).await,
            };
            let ((count, mut message), buf) = received.expect("received");
            assert_eq!((count, buf), (2, vec![n as u8; 2]));
            let got: Vec<usize> = message.take_descriptors().into_iter().map(number).collect();
            assert_eq!(got, [n % 7], "of message {n}");
        }
        eprintln!("{dropped} receives were dropped under way");
        assert!(dropped > 300);
    });
}

#[test]
fn datagrams_keep_their_borders_and_wait_for_room() {
    run(async {
        let (here, mut there) = UnixDatagram::pair().expect("a pair");
        // More than the queue holds: the sender waits.
        let sends = spawn_local(async move {
            for n in 0..1000_u32 {
                here.send(n.to_ne_bytes().to_vec()).await.expect("it is sent");
            }
            here
        });
        let (mut dice, mut dropped) = (Dice(0x2545_f491_4f6c_dd1d), 0);
        for n in 0..1000_u32 {
            while dice.below(3) == 0 {
                match within(dice.below(2), there.peek_from(vec![0; 8])).await {
                    Some(peeked) => assert_eq!(peeked.expect("a peek").1[..4], n.to_ne_bytes()),
                    None => dropped += 1,
                }
            }
            let received = loop {
                if let Some(received) = within(dice.below(3), there.recv_from(vec![0; 8])).await {
                    break received;
                }
                dropped += 1;
            };
            let ((bytes, from), buf) = received.expect("a receive");
            assert!(from.is_unnamed());
            assert_eq!(buf[..bytes], n.to_ne_bytes());
        }
        eprintln!("{dropped} receives were dropped under way");
        let here = sends.await.expect("no panic");
        let error = here.send(vec![0; 8 << 20]).await.unwrap_err();
        assert_eq!(error.error().raw_os_error(), Some(90), "EMSGSIZE");
        drop(there);
        let error = here.send("x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn datagrams_carry_descriptors_and_names() {
    let path = std::env::temp_dir().join(unique("datagram"));
    run(async {
        let mut here = UnixDatagram::bind(&path).await.expect("a name");
        let name = SocketAddr::from_abstract_name(unique("sender")).expect("a name");
        let there = UnixDatagram::bind_addr(&name).await.expect("it is free");
        there.connect(&path).await.expect("it is there");
        let files = files(3);
        assert!(poll_immediate(here.recv_with_fds(vec![0; 16], 3)).await.is_none());
        there.send_with_fds("three", &files).await.expect("sent");
        let ((n, mut message), _) = here.recv_with_fds(vec![0; 16], 3).await.expect("received");
        let got: Vec<usize> = message.take_descriptors().into_iter().map(number).collect();
        assert_eq!((n, got), (5, vec![0, 1, 2]));
        there.send("rings").await.expect("sent");
        let ((n, from), _) = here.recv_from(vec![0; 16]).await.expect("received");
        assert_eq!((n, from.as_abstract_name()), (5, name.as_abstract_name()));
        here.send_to_addr("back", &name).await.expect("sent");
        // In the hands of the standard library: what was taken, and what was not.
        assert!(within(1, here.recv(vec![0; 16])).await.is_none());
        there.send("last").await.expect("sent");
        let (std, early) = here.into_std().await.expect("a socket");
        match early {
            Some((bytes, _)) => assert_eq!(bytes, b"last"),
            None => assert_eq!(std.recv(&mut [0; 16]).expect("a receive"), 4),
        }
    });
    std::fs::remove_file(path).expect("it stays");
}

#[test]
fn the_other_side_is_known() {
    run(async {
        let (here, _there) = UnixStream::pair().expect("a pair");
        let peer = here.peer_cred().expect("an option");
        assert_eq!(peer.pid, std::process::id());
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
            line.split_whitespace().nth(1).expect("the effective one").parse::<u32>().expect("one")
        };
        assert_eq!((peer.uid, peer.gid), (field("Uid:"), field("Gid:")));
    });
}

#[test]
fn a_datagram_says_who_sent_it() {
    run(async {
        let (here, mut there) = UnixDatagram::pair().expect("a pair");
        here.send("before").await.expect("it is sent");
        let ((_, message), _) = there.recv_message(vec![0; 16]).await.expect("received");
        assert!(message.credentials().is_none(), "nobody asked");
        there.options().set_pass_credentials(true).expect("an option");
        // Received where there was no room for them.
        assert!(poll_immediate(there.recv(vec![0; 16])).await.is_none());
        for text in ["one", "three"] {
            here.send(text).await.expect("it is sent");
            let ((n, message), _) = there.recv_message(vec![0; 4]).await.expect("received");
            assert_eq!((n, message.is_truncated()), (text.len().min(4), text.len() > 4));
            let pid = message.credentials().map(|from| from.pid);
            assert_eq!(pid, (text == "three").then(std::process::id));
        }
    });
}

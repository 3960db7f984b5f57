//! Connections as the streams of `futures-io` and of `tokio::io`: bytes, order, ends, errors.

mod eco;

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net;
use std::sync::OnceLock;

use annulus::polled::{Buffers, Polled};
use annulus::{run, spawn_local, yield_now};
use annulus_runtime::runtime::net::{TcpStream, UnixStream};
use eco::{LIMIT, beside, limit, pair, pattern, reset};
use futures::future::poll_immediate;
use proptest::prelude::*;

/// A stream over a socket, with these buffers.
fn polled(stream: net::TcpStream, buffers: Buffers) -> Polled<TcpStream> {
    Polled::with_buffers(TcpStream::from_std(stream), buffers)
}

/// One thing to do to a stream whose peer sends everything back.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// Of pieces of these lengths.
    WriteVectored(Vec<usize>),
    Flush,
    /// With so much room, if more was written than read.
    Read(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Below and above the buffers, and what is sent without a copy.
    let bytes = || prop_oneof![4 => 0..200_usize, 2 => 0..20_000_usize, 1 => 0..60_000_usize];
    let step = prop_oneof![
        4 => bytes().prop_map(Step::Write),
        2 => prop::collection::vec(bytes(), 0..5).prop_map(Step::WriteVectored),
        2 => Just(Step::Flush),
        4 => bytes().prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..20)
}

fn buffers() -> impl Strategy<Value = Buffers> {
    let bytes = || prop_oneof![1..64_usize, 1000..100_000_usize];
    (bytes(), bytes()).prop_map(|(read_bytes, write_bytes)| Buffers { read_bytes, write_bytes })
}

impl Step {
    /// The same with fewer bytes: for buffers of which each byte is a call.
    fn small(self) -> Self {
        match self {
            Self::Write(count) => Self::Write(count / 50),
            Self::WriteVectored(counts) => {
                Self::WriteVectored(counts.into_iter().map(|count| count / 50).collect())
            }
            other => other,
        }
    }
}

/// Sends back what comes, in pieces of other sizes.
fn echo(mut stream: net::TcpStream) {
    let mut buf = vec![0; 7001];
    loop {
        let count = stream.read(&mut buf).expect("a read");
        if count == 0 {
            return;
        }
        stream.write_all(&buf[..count]).expect("a write");
    }
}

/// The same test for either family of traits, whose methods have the same names.
macro_rules! any_cut {
    ($name:ident, $read:path, $write:path, $close:ident) => {
        async fn $name(mut stream: Polled<TcpStream>, steps: Vec<Step>) {
            use $read as _;
            use $write as _;
            static DATA: OnceLock<Vec<u8>> = OnceLock::new();
            let data = DATA.get_or_init(|| pattern(8 << 20));
            let (mut written, mut read) = (0, 0);
            for step in steps {
                match step {
                    Step::Write(count) => {
                        let part = &data[written..written + count];
                        stream.write_all(part).await.expect("a write");
                        written += count;
                    }
                    Step::WriteVectored(counts) => {
                        let mut at = written;
                        let pieces = Vec::from_iter(counts.iter().map(|count| {
                            at += count;
                            IoSlice::new(&data[at - count..at])
                        }));
                        written += stream.write_vectored(&pieces).await.expect("a write");
                    }
                    Step::Flush => stream.flush().await.expect("a flush"),
                    Step::Read(room) if written > read => {
                        let mut buf = vec![0; room];
                        let count = stream.read(&mut buf).await.expect("a read");
                        assert_eq!(count == 0, room == 0);
                        assert!(buf[..count] == data[read..read + count], "at {read}");
                        read += count;
                    }
                    Step::Read(_) => {}
                }
            }
            stream.$close().await.expect("a close");
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.expect("the rest");
            assert!(rest == data[read..written], "{} bytes behind {read}", rest.len());
        }
    };
}

any_cut!(any_cut_futures, futures::io::AsyncReadExt, futures::io::AsyncWriteExt, close);
any_cut!(any_cut_tokio, tokio::io::AsyncReadExt, tokio::io::AsyncWriteExt, shutdown);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn bytes_survive_any_cut(steps in steps(), buffers in buffers(), tokio: bool) {
        limit(LIMIT, || {
            let (near, far) = pair();
            // No small piece waits for an answer to the one before.
            near.set_nodelay(true).expect("an option");
            far.set_nodelay(true).expect("an option");
            let is_small = buffers.read_bytes.min(buffers.write_bytes) < 64;
            let small = |step: Step| if is_small { step.small() } else { step };
            let steps = Vec::from_iter(steps.into_iter().map(small));
            // As much as is written before anything is read must fit on its way.
            let thread = std::thread::spawn(move || {
                let (mut back, there) = (far.try_clone().expect("a clone"), far);
                let (tell, told) = std::sync::mpsc::channel::<Vec<u8>>();
                let writer = std::thread::spawn(move || {
                    told.iter().for_each(|bytes| back.write_all(&bytes).expect("a write"));
                    back.shutdown(net::Shutdown::Write).expect("it is connected");
                });
                let (mut there, mut buf) = (there, vec![0; 7001]);
                while let count @ 1.. = there.read(&mut buf).expect("a read") {
                    tell.send(buf[..count].to_vec()).expect("it writes");
                }
                drop(tell);
                writer.join().expect("no panic");
            });
            run(async move {
                let stream = polled(near, buffers);
                if tokio {
                    any_cut_tokio(stream, steps).await;
                } else {
                    any_cut_futures(stream, steps).await;
                }
            })
            .expect("a runtime");
            thread.join().expect("no panic");
        });
    }
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    use futures::io::{AsyncReadExt, AsyncWriteExt};
    limit(LIMIT, || {
        let (near, mut far) = pair();
        run(async move {
            let mut stream = polled(near, Buffers::default());
            stream.write_all(b"all").await.expect("a write");
            stream.close().await.expect("a close");
            stream.close().await.expect("another is nothing");
            let error = stream.write(b"more").await.expect_err("it is closed");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let answer = beside(move || {
                let mut all = String::new();
                far.read_to_string(&mut all).expect("it ends");
                far.write_all(b"and back").expect("it is half open");
                all
            });
            assert_eq!(answer.await, "all");
            let mut text = String::new();
            stream.read_to_string(&mut text).await.expect("it ends");
            assert_eq!(text, "and back");
        })
        .expect("a runtime");
    });
}

#[test]
fn a_reset_is_told_to_both_directions() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    limit(LIMIT, || {
        let (near, far) = pair();
        reset(&near, far);
        run(async move {
            let mut stream = polled(near, Buffers::default());
            let error = stream.read(&mut [0; 8]).await.expect_err("it is reset");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            // The bytes are taken, and the flush says what became of them.
            assert_eq!(stream.write(b"late").await.expect("there is room"), 4);
            let error = stream.flush().await.expect_err("nobody is there");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            stream.flush().await.expect("it is told once, and nothing waits");
            stream.shutdown().await.expect("there is nothing left to end");
        })
        .expect("a runtime");
    });
}

#[test]
fn what_cannot_be_sent_is_told_at_once() {
    limit(LIMIT, || {
        let (near, far) = pair();
        run(async move {
            let mut stream = polled(near, Buffers::default());
            stream.get_ref().shutdown(net::Shutdown::Write).expect("it is connected");
            for _ in 0..2 {
                poll_fn(|cx| stream.poll_write(cx, b"lost")).await.expect("it is copied");
                let error = poll_fn(|cx| stream.poll_send(cx)).await.expect_err("it is closed");
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            }
            drop(far);
        })
        .expect("a runtime");
    });
}

/// The send of a stream that is dropped goes on, though its peer reads late: more than two sockets
/// hold.
#[test]
fn what_is_being_sent_survives_a_drop() {
    limit(LIMIT, || {
        const BYTES: usize = 16 << 20;
        let (near, mut far) = pair();
        run(async move {
            let buffers = Buffers::default().write_bytes(BYTES);
            let mut stream = polled(near, buffers);
            let data = pattern(BYTES);
            // In pieces that are copied: a large one would be sent at once.
            for piece in data.chunks(4096) {
                poll_fn(|cx| stream.poll_write(cx, piece)).await.expect("there is room");
            }
            poll_fn(|cx| stream.poll_send(cx)).await.expect("it is begun");
            yield_now().await;
            // This would have been flushed later.
            poll_fn(|cx| stream.poll_write(cx, b"lost")).await.expect("there is room");
            drop(stream);
            let received = beside(move || {
                let mut all = Vec::new();
                far.read_to_end(&mut all).expect("it ends");
                all
            });
            let received = received.await;
            assert_eq!(received.len(), BYTES);
            assert!(received == data);
        })
        .expect("a runtime");
    });
}

#[test]
fn who_reads_has_asked() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    limit(LIMIT, || {
        let (near, far) = pair();
        let thread = std::thread::spawn(move || echo(far));
        run(async move {
            let mut stream = polled(near, Buffers::default());
            // As many do who know TCP: without a flush.
            for n in 0..100_u8 {
                stream.write_all(&[n; 10]).await.expect("a write");
                stream.write_all(&[n; 10]).await.expect("a write");
                let mut answer = [0; 20];
                stream.read_exact(&mut answer).await.expect("an answer");
                assert_eq!(answer, [n; 20]);
            }
        })
        .expect("a runtime");
        thread.join().expect("no panic");
    });
}

/// Halves in two tasks, as `tokio::io::split` makes them: one waits for room, the other reads.
#[test]
fn halves_do_not_take_each_others_wakes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    limit(LIMIT, || {
        const BYTES: usize = 4 << 20;
        let (near, far) = pair();
        let thread = std::thread::spawn(move || echo(far));
        run(async move {
            let buffers = Buffers { read_bytes: 999, write_bytes: 777 };
            let (mut read, mut write) = tokio::io::split(polled(near, buffers));
            let writer = spawn_local(async move {
                for piece in pattern(BYTES).chunks(5000) {
                    write.write_all(piece).await.expect("a write");
                    write.flush().await.expect("a flush");
                }
                write.shutdown().await.expect("a shutdown");
            });
            let mut all = Vec::new();
            read.read_to_end(&mut all).await.expect("it ends");
            writer.await.expect("no panic");
            assert!(all == pattern(BYTES), "{} bytes", all.len());
        })
        .expect("a runtime");
        thread.join().expect("no panic");
    });
}

#[test]
fn a_stream_is_taken_apart_without_a_loss() {
    limit(LIMIT, || {
        let (near, mut far) = pair();
        far.write_all(b"0123456789").expect("there is room");
        run(async move {
            let mut plain = TcpStream::from_std(near);
            // A read that was dropped, whose bytes are the next one's.
            assert!(poll_immediate(plain.read(vec![0; 3])).await.is_none());
            yield_now().await;
            let mut stream = Polled::new(plain);
            let mut buf = [0; 2];
            assert_eq!(poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.expect("a read"), 2);
            poll_fn(|cx| stream.poll_write(cx, b"flushed")).await.expect("there is room");
            let (mut plain, mut rest) = stream.into_inner().await.expect("it is flushed");
            while rest.len() < 8 {
                let (count, buf) = plain.read(vec![0; 16]).await.expect("a read");
                rest.extend_from_slice(&buf[..count]);
            }
            assert_eq!((&buf, &rest[..]), (b"01", &b"23456789"[..]));
            let mut text = [0; 7];
            far.read_exact(&mut text).expect("it came");
            assert_eq!(&text, b"flushed");
        })
        .expect("a runtime");
    });
}

/// A send that waits when the stream begins is waited for, and what it brought is in order.
#[test]
fn what_was_begun_before_comes_first() {
    use futures::io::{AsyncReadExt, AsyncWriteExt};
    limit(LIMIT, || {
        let (near, mut far) = pair();
        run(async move {
            let mut plain = TcpStream::from_std(near);
            // More than there is room for: a part of it is sent at once.
            assert!(poll_immediate(plain.write_all(vec![b'1'; 64 << 20])).await.is_none());
            yield_now().await;
            let mut stream = Polled::new(plain);
            stream.write_all(b"second").await.expect("a write");
            let text = beside(move || {
                let mut text = String::new();
                far.read_to_string(&mut text).expect("it ends");
                (text, far)
            });
            let (closed, (text, far)) = futures::future::join(stream.close(), text).await;
            closed.expect("a close");
            let first = text.strip_suffix("second").expect("it comes last");
            assert!(!first.is_empty() && first.len() < 64 << 20);
            assert!(first.bytes().all(|byte| byte == b'1'));
            drop(far);
            assert_eq!(stream.read(&mut [0]).await.expect("it ends"), 0);
        })
        .expect("a runtime");
    });
}

/// The peer's reset is told as that, though a socket tells it once.
#[test]
fn a_reset_is_told() {
    use futures::io::AsyncWriteExt;
    limit(LIMIT, || {
        let (near, far) = pair();
        run(async move {
            let mut stream = Polled::new(TcpStream::from_std(near));
            stream.write_all(b"unread").await.expect("a write");
            stream.flush().await.expect("a flush");
            drop(far);
            stream.write_all(b"more").await.expect("a write");
            let error = stream.flush().await.expect_err("nobody is there");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            // Nothing is left of it.
            stream.write_all(b"more").await.expect("a write");
            let error = stream.flush().await.expect_err("nobody is there");
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        })
        .expect("a runtime");
    });
}

/// A Unix stream is as good.
#[test]
fn a_connection_of_this_machine() {
    limit(LIMIT, || {
        run(async {
            let (here, there) = UnixStream::pair().expect("a pair");
            let [mut here, mut there] = [here, there].map(Polled::new);
            let data = pattern(3 << 20);
            let sends = async {
                use futures::io::{AsyncReadExt, AsyncWriteExt};
                here.write_all(&data).await.expect("a write");
                here.close().await.expect("a close");
                let mut answer = String::new();
                here.read_to_string(&mut answer).await.expect("it ends");
                assert_eq!(answer, "all of it");
            };
            let receives = async {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut got = Vec::new();
                there.read_to_end(&mut got).await.expect("it ends");
                assert!(got == pattern(3 << 20));
                there.write_all(b"all of it").await.expect("a write");
                there.shutdown().await.expect("a close");
            };
            futures::future::join(sends, receives).await;
        })
        .expect("a runtime");
    });
}

//! The traits, on memory, files, pipes and sockets.

mod common;

use std::io::{Cursor, ErrorKind};

use annulus::buffer::{BufResult, IoBuf, IoBufMut};
use annulus::io::{
    AsyncReadAt, AsyncReadOwned, AsyncWriteAt, AsyncWriteOwned, BufReader, BufWriter, Split, copy,
    empty, repeat, sink,
};
use annulus_runtime::runtime::File;
use annulus_runtime::runtime::net::{TcpStream, UnixStream};
use common::{begin, on_runtime};
use futures::future::poll_immediate;

/// Two ends of a connection: the runtime's, and the standard library's.
fn connection() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let there = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (TcpStream::from_std(listener.accept().unwrap().0), there)
}

/// A stream that gives, and takes, few bytes each time, and fails after so many.
struct Meagre {
    left: usize,
    taken: Vec<u8>,
}

impl AsyncReadOwned for Meagre {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        if self.left == 0 {
            return Err(annulus::buffer::BufError::new(annulus_ring::Errno::EIO, buf));
        }
        let room = buf.bytes_total().min(3).min(self.left);
        let (n, part) = (&b"abc"[..]).read(buf.slice(..room)).await.unwrap();
        self.left -= n;
        Ok((n, part.into_inner()))
    }
}

impl AsyncWriteOwned for Meagre {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        if self.left == 0 {
            return Err(annulus::buffer::BufError::new(annulus_ring::Errno::ENOSPC, buf));
        }
        let n = buf.bytes_init().min(3).min(self.left);
        let (n, part) = self.taken.write(buf.slice(..n)).await.unwrap();
        self.left -= n;
        Ok((n, part.into_inner()))
    }

    async fn shutdown(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn parts_are_put_together_and_errors_say_how_much() {
    on_runtime(|| async {
        let meagre = |left| Meagre { left, taken: Vec::new() };
        assert_eq!(meagre(100).read_exact(vec![0; 7]).await.unwrap().1, b"abcabca");
        let error = meagre(5).read_exact(vec![0; 7]).await.unwrap_err();
        assert_eq!((error.done(), error.errno()), (5, Some(annulus_ring::Errno::EIO)));
        assert_eq!(error.into_buf(), b"abcab\0\0");
        let error = meagre(5).read_to_end(b"x".to_vec()).await.unwrap_err();
        assert_eq!((error.done(), &error.into_buf()[..]), (5, &b"xabcab"[..]));
        let mut to = meagre(5);
        let error = to.write_all(b"0123456".to_vec()).await.unwrap_err();
        assert_eq!((error.done(), error.kind()), (5, ErrorKind::StorageFull));
        assert_eq!((&error.into_buf()[..], &to.taken[..]), (&b"0123456"[..], &b"01234"[..]));
        // An empty buffer is no end and no error.
        assert_eq!(meagre(0).read_exact(Vec::new()).await.unwrap().0, 0);
        assert_eq!(meagre(0).write_all("").await.unwrap().0, 0);
    });
}

#[test]
fn several_buffers_go_through_one() {
    on_runtime(|| async {
        let mut from = Meagre { left: 4, taken: Vec::new() };
        let (n, bufs) = from.read_vectored([vec![0; 2], vec![0; 2]]).await.unwrap();
        assert_eq!((n, bufs), (3, [b"ab".to_vec(), b"c\0".to_vec()]));
        // Not more than there is room for, whatever the vector in between has.
        let mut many = repeat(7);
        let (n, bufs) = many.read_vectored((vec![0; 3], Box::new([0; 2]))).await.unwrap();
        assert_eq!((n, bufs.0, *bufs.1), (5, vec![7; 3], [7; 2]));
        assert_eq!(many.read_vectored([Vec::new()]).await.unwrap().0, 0);
        let large = [vec![1; 50_000], vec![2; 50_000]];
        let (n, _) = sink().write_vectored(large).await.unwrap();
        assert_eq!(n, 64 << 10);
        let error = Meagre { left: 0, taken: Vec::new() }.write_vectored(["a", "b"]).await;
        assert_eq!(error.unwrap_err().into_buf(), ["a", "b"]);
    });
}

#[test]
fn memory_reads_and_writes() {
    on_runtime(|| async {
        let mut cursor = Cursor::new(b"shared ring".to_vec());
        cursor.set_position(7);
        assert_eq!(cursor.read_to_string().await.unwrap(), "ring");
        assert_eq!(cursor.read(vec![0; 4]).await.unwrap().0, 0);
        cursor.set_position(u64::MAX);
        assert_eq!(cursor.read(vec![0; 4]).await.unwrap().0, 0);
        let mut bytes = b"0123".to_vec();
        assert_eq!(bytes.write_at("x", u64::MAX).await.unwrap().0, 0);
        let full = bytes.write_all_at("x", u64::MAX).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::WriteZero);
        bytes.write_all_at("ab", 3).await.unwrap();
        assert_eq!(bytes, b"012ab");
        let short = bytes.read_exact_at(vec![0; 4], 3).await.unwrap_err();
        assert_eq!((short.done(), short.kind()), (2, ErrorKind::UnexpectedEof));
        assert_eq!(empty().read_to_end(Vec::new()).await.unwrap().0, 0);
        let (n, all) = repeat(1).take(1 << 20).read_to_end(Vec::new()).await.unwrap();
        assert!(n == 1 << 20 && all == vec![1; 1 << 20]);
    });
}

#[test]
fn files_and_pipes_are_streams() {
    on_runtime(|| async {
        let (reader, writer) = std::io::pipe().unwrap();
        let (mut reader, mut writer) = (File::new(reader), File::new(writer));
        AsyncWriteOwned::write_all(&mut writer, "shared ring").await.unwrap();
        AsyncWriteOwned::write_vectored(&mut writer, ["s", "!"]).await.unwrap();
        drop(writer);
        assert_eq!(reader.read_exact(vec![0; 7]).await.unwrap().1, b"shared ");
        let bufs = [vec![0; 2], vec![0; 2]];
        let (n, bufs) = AsyncReadOwned::read_vectored(&mut reader, bufs).await.unwrap();
        assert_eq!((n, bufs), (4, [b"ri".to_vec(), b"ng".to_vec()]));
        assert_eq!(reader.read_to_string().await.unwrap(), "s!");
    });
}

#[test]
fn files_that_users_import_are_streams_too() {
    use annulus::fs;
    on_runtime(|| async {
        let mut options = fs::File::options();
        options.read(true).write(true).tmpfile(true);
        let dir = std::env::temp_dir();
        let mut from = options.open(&dir).await.unwrap();
        let mut to = options.open(&dir).await.unwrap();
        let text: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        let text = from.write_all_at(text, 0).await.unwrap().1;
        // At the position of the one and of the other; and back by offsets.
        assert_eq!(copy(&mut from, &mut to).await.unwrap(), text.len() as u64);
        AsyncWriteAt::write_all_at(&mut to, "LINE", 0).await.unwrap();
        assert_eq!(AsyncReadAt::read_at(&to, vec![0; 6], 0).await.unwrap().1, b"LINE 0");
        let mut lines = BufReader::new(fs::File::from(
            std::fs::File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&to)))
                .unwrap(),
        ))
        .lines();
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("LINE 0"));
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("line 1"));
    });
}

#[test]
fn a_line_that_was_given_up_is_whole_on_a_socket() {
    use std::io::Write;
    on_runtime(|| async {
        let (here, mut there) = connection();
        let mut lines = BufReader::new(here).lines();
        let (text, mut found) = ("one line and\nanother of them\n", Vec::new());
        for byte in text.as_bytes() {
            // Begun for nothing: the byte comes to a read that nobody awaits.
            if let Some(line) = poll_immediate(Box::pin(lines.next())).await {
                found.extend(line.unwrap());
            }
            there.write_all(&[*byte]).unwrap();
            annulus::yield_now().await;
        }
        while found.len() < 2 {
            found.extend(lines.next().await.unwrap());
        }
        assert_eq!(found, ["one line and", "another of them"]);
        drop(there);
        assert_eq!(lines.next().await.unwrap(), None);
    });
}

#[test]
fn halves_go_on_where_the_stream_was() {
    use std::io::{Read, Write};
    on_runtime(|| async {
        let (mut here, mut there) = connection();
        begin(&mut here.read(vec![0; 16])).await; // dropped
        there.write_all(b"shared ring").unwrap();
        {
            let (from, to) = here.split();
            let (n, buf) = from.read(vec![0; 3]).await.unwrap();
            assert_eq!(&buf[..n], b"sha");
            assert_eq!(
                poll_immediate(Box::pin(from.read(vec![0; 4]))).await.unwrap().unwrap().0,
                4
            );
            to.write_all("from a half").await.unwrap();
        }
        let (n, buf) = here.read_exact(vec![0; 4]).await.unwrap();
        assert_eq!((n, &buf[..]), (4, &b"ring"[..]));
        {
            // Begun by a half, and taken by the stream.
            let from = Split::split(&mut here).0;
            assert!(poll_immediate(Box::pin(from.read(vec![0; 8]))).await.is_none());
        }
        there.write_all(b"again").unwrap();
        assert_eq!(here.read_exact(vec![0; 5]).await.unwrap().1, b"again");
        AsyncWriteOwned::shutdown(&mut here.split().1).await.unwrap();
        let mut text = String::new();
        there.read_to_string(&mut text).unwrap();
        assert_eq!(text, "from a half");
        let error = here.split().1.write_all("more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_dropped_send_of_a_half_ends_before_the_next_begins() {
    use std::io::Read;
    on_runtime(|| async {
        let (mut here, mut there) = connection();
        let reader = {
            let (_, to) = here.split();
            // More than fits: a part goes, the rest is cancelled.
            assert!(poll_immediate(Box::pin(to.write_all(vec![1; 64 << 20]))).await.is_none());
            std::thread::spawn(move || {
                let mut all = Vec::new();
                there.read_to_end(&mut all).map(|_| all)
            })
        };
        here.split().1.write_all(vec![2; 1000]).await.unwrap();
        drop(here);
        let all = reader.join().unwrap().unwrap();
        let ones = all.iter().take_while(|byte| **byte == 1).count();
        assert!(ones < 64 << 20, "it was cancelled");
        assert!(all[ones..] == [2; 1000], "nothing of it is behind");
    });
}

#[test]
fn a_writer_writes_when_it_is_full_or_told_to() {
    on_runtime(|| async {
        let mut to = BufWriter::with_capacity(8, Vec::new());
        to.write_all("0123").await.unwrap();
        to.write_all("456").await.unwrap();
        assert!(to.get_ref().is_empty());
        to.write_all("78").await.unwrap();
        assert_eq!((&to.get_ref()[..], to.buffer()), (&b"0123456"[..], &b"78"[..]));
        to.write_all("a large one").await.unwrap();
        assert_eq!(to.get_ref(), b"012345678a large one");
        to.write_all("x").await.unwrap();
        to.shutdown().await.unwrap();
        assert_eq!(to.get_ref(), b"012345678a large onex");
        // What a drop leaves: nothing is written.
        to.write_all("lost").await.unwrap();
        let mut inner = Vec::new();
        let mut dropped = BufWriter::new(&mut inner);
        dropped.write_all("lost").await.unwrap();
        drop(dropped);
        assert!(inner.is_empty());
    });
}

#[test]
fn a_writer_keeps_what_an_error_has_left() {
    on_runtime(|| async {
        let mut to = BufWriter::with_capacity(64, Meagre { left: 5, taken: Vec::new() });
        to.write_all("0123456789").await.unwrap();
        assert_eq!(to.flush().await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(to.buffer(), b"56789");
        to.get_mut().left = 100;
        to.flush().await.unwrap();
        assert_eq!(to.get_ref().taken, b"0123456789");
        // What was written was others': none of these bytes.
        to.get_mut().left = 2;
        to.write_all("abc").await.unwrap();
        let error = to.write_all(vec![b'x'; 64]).await.unwrap_err();
        assert_eq!((error.done(), error.buf().len()), (0, 64));
    });
}

#[test]
fn a_writer_that_was_given_up_half_way_says_so() {
    on_runtime(|| async {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut to = BufWriter::with_capacity(1 << 20, File::new(writer));
        to.write_all(vec![7; 200_000]).await.unwrap();
        // More than a pipe holds.
        assert!(poll_immediate(Box::pin(to.flush())).await.is_none());
        for _ in 0..2 {
            let error = to.write_all("more").await.unwrap_err();
            assert_eq!(error.errno(), Some(annulus_ring::Errno::ECANCELED));
            assert!(to.flush().await.is_err());
        }
        drop(reader);
    });
}

#[test]
fn a_copy_is_whole_and_reuses_its_buffer() {
    use std::io::Write;
    on_runtime(|| async {
        let (mut here, mut there) = connection();
        let writer = std::thread::spawn(move || {
            for at in 0..300_u32 {
                there.write_all(&vec![at as u8; 10_000]).unwrap();
            }
        });
        let mut to = Vec::new();
        assert_eq!(copy(&mut here, &mut to).await.unwrap(), 3_000_000);
        writer.join().unwrap();
        let whole = to.chunks(10_000).enumerate();
        assert!(whole.into_iter().all(|(at, part)| part.iter().all(|byte| *byte == at as u8)));
        let none = annulus::io::copy_with(&mut empty(), &mut sink(), Vec::new()).await;
        assert_eq!(none.unwrap_err().raw_os_error(), Some(22));
    });
}

/// Through the traits alone: pieces, whole buffers, several at once, the end.
async fn talk(mut here: impl Split, mut there: impl AsyncReadOwned + AsyncWriteOwned) {
    let (mut reads, mut writes) = here.split();
    let text: Vec<u8> = (0..1 << 20).map(|n: u32| (n ^ n >> 8) as u8).collect();
    let sends = async {
        assert_eq!(writes.write_all(text.clone()).await.unwrap().0, text.len());
        let (n, _) = writes.write_vectored(["head, ", "body"]).await.unwrap();
        assert_eq!(n, 10);
        writes.shutdown().await.unwrap();
        assert_eq!(writes.write("late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    };
    let receives = async {
        let (n, got) = there.read_exact(vec![0; 1 << 20]).await.unwrap();
        assert!(n == text.len() && got == text);
        let room = (vec![0; 6], Vec::with_capacity(64));
        let (n, (head, body)) = there.read_vectored(room).await.unwrap();
        assert_eq!((n, &head[..], &body[..]), (10, &b"head, "[..], &b"body"[..]));
        assert_eq!(there.read(vec![0; 8]).await.unwrap().0, 0);
        let error = there.read_exact(vec![0; 8]).await.unwrap_err();
        assert_eq!((error.kind(), error.done()), (ErrorKind::UnexpectedEof, 0));
        there.write_all("answer").await.unwrap();
    };
    futures::future::join(sends, receives).await;
    assert_eq!(reads.read_exact(vec![0; 6]).await.unwrap().1, b"answer");
}

#[test]
fn every_stream_has_them() {
    on_runtime(|| async {
        let (here, there) = connection();
        talk(here, TcpStream::from_std(there)).await;
        let (here, there) = UnixStream::pair().unwrap();
        talk(here, there).await;
    });
}

#[test]
fn a_connection_of_either_kind_is_copied_to_the_other() {
    on_runtime(|| async {
        let (inner, mut client) = connection();
        let (mut server, outer) = UnixStream::pair().unwrap();
        let (mut inner, mut outer) = (inner, outer);
        let proxy = annulus::spawn_local(async move {
            annulus::io::copy_bidirectional(&mut inner, &mut outer).await
        });
        std::io::Write::write_all(&mut client, b"question").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(server.read_exact(vec![0; 8]).await.unwrap().1, b"question");
        assert_eq!(server.read(vec![0; 8]).await.unwrap().0, 0);
        server.write_all("answer").await.unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(proxy.await.expect("no panic").unwrap(), (8, 6));
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
        assert_eq!(answer, "answer");
    });
}

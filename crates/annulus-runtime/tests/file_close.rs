//! Giving files up.

mod common;
mod files;

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use annulus_ring::Errno;
use futures::executor::block_on;

use common::{LIMIT, limit, skip};
use files::{TempDir, begin, engine, file_of_unknown_kind, pipe};

#[test]
fn the_last_handle_closes() {
    limit(LIMIT, || {
        let engine = engine();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let writer = engine.file(writer);
        let clone = writer.clone();
        assert_eq!(block_on(writer.close()).unwrap_err().errno(), Some(Errno::EBUSY));
        block_on(clone.write("x")).unwrap();
        block_on(clone.close()).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"x", "nobody else can write");
    });
}

#[test]
fn an_operation_under_way_keeps_it_open() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, writer) = pipe(&engine);
        let mut read = reader.read(vec![0; 4]);
        begin(&mut read);
        let reader = reader.try_into_fd().unwrap_err();
        assert_eq!(block_on(reader.close()).unwrap_err().errno(), Some(Errno::EBUSY));
        block_on(writer.write("abcd")).unwrap();
        assert_eq!(block_on(read).unwrap().1, b"abcd");
        let error = block_on(writer.write("x")).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EPIPE), "it was closed after that");
    });
}

#[test]
fn a_close_that_is_dropped_closes() {
    limit(LIMIT, || {
        let engine = engine();
        let (mut reader, writer) = std::io::pipe().unwrap();
        drop(engine.file(writer).close());
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    });
}

#[test]
fn the_last_engine_may_go_with_the_file() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b""));
        drop(engine);
        block_on(file.close()).unwrap();
    });
}

#[test]
fn where_a_server_may_be_asked_a_thread_closes() {
    limit(LIMIT, || {
        let name = "where_a_server_may_be_asked_a_thread_closes";
        let Some(file) = file_of_unknown_kind() else {
            return skip(name, "no file of such a file system");
        };
        let engine = engine();
        let first = file.as_raw_fd();
        let path = std::fs::read_link(link(first)).unwrap();
        block_on(engine.file(file.try_clone().unwrap()).close()).unwrap();
        assert_eq!((engine.metrics().inline, engine.metrics().shipped), (0, 1), "waited for");
        // Cancelled, over time, dropped: closed all the same, and nothing else is.
        for n in 0..100 {
            let open = file.try_clone().unwrap();
            let own = open.as_raw_fd();
            let close = engine.file(open).close();
            match n % 3 {
                0 => drop(close),
                1 => {
                    let mut close = close;
                    let ended = block_on(futures::future::poll_immediate(&mut close));
                    assert!(ended.is_none());
                    close.cancel();
                    let answer = block_on(close);
                    assert!(answer.is_ok() || answer.unwrap_err().is_cancelled());
                }
                _ => match block_on(close.deadline(Duration::from_nanos(1))) {
                    Ok(()) => {}
                    Err(error) => assert!(error.is_timeout(), "{error}"),
                },
            }
            while std::fs::read_link(link(own)).is_ok_and(|now| now == path) {
                std::thread::yield_now();
            }
        }
        assert_eq!(std::fs::read_link(link(first)).unwrap(), path);
    });
}

/// Where the process says what a descriptor is.
fn link(raw: i32) -> String {
    format!("/proc/self/fd/{raw}")
}

#[test]
fn a_close_comes_last_in_a_chain() {
    limit(LIMIT, || {
        let engine = engine();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (_other, other) = pipe(&engine);
        let chain = other.write("x").then(engine.file(writer).close());
        let (written, closed) = block_on(chain);
        assert_eq!(written.unwrap().0, 1);
        closed.unwrap();
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
        // One that others have is not closed, whoever waits for it.
        let (_reader, writer) = pipe(&engine);
        let chain = other.write("x").then(writer.clone().close());
        assert_eq!(block_on(chain).1.unwrap_err().errno(), Some(Errno::EBUSY));
        block_on(writer.write("x")).unwrap();
    });
}

#[test]
fn the_descriptor_comes_out() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let std_file = dir.file("data", b"0123");
        let raw = std_file.as_raw_fd();
        let file = engine.file(std_file);
        assert_eq!((file.as_raw_fd(), file.as_fd().as_raw_fd()), (raw, raw));
        block_on(file.read(vec![0; 2])).unwrap();
        let fd: OwnedFd = file.try_into_fd().unwrap();
        assert_eq!(fd.as_raw_fd(), raw);
        let mut rest = String::new();
        std::fs::File::from(fd).read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "23", "with its position");
    });
}

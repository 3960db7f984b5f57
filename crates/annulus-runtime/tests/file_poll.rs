//! Waiting for readiness, and ending the wait.

mod common;
mod files;

use std::io::{Read, Write};
use std::time::Duration;

use annulus_ring::abi::PollEvents;
use futures::executor::block_on;

use common::{LIMIT, limit};
use files::{TempDir, begin, engine, pipe};

#[test]
fn what_is_ready_is_told_at_once() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let (reader, writer) = pipe(&engine);
        assert_eq!(block_on(writer.writable()), Ok(PollEvents::OUT));
        block_on(writer.write("x")).unwrap();
        // Pipes cannot be told not to wait before Linux 6.4: the ring does it there.
        let shipped = engine.metrics().shipped;
        assert_eq!(block_on(reader.readable()), Ok(PollEvents::IN));
        let file = engine.file(dir.file("data", b""));
        let both = PollEvents::IN | PollEvents::OUT;
        assert_eq!(block_on(file.poll(both)), Ok(both), "a file is ready always");
        assert_eq!(engine.metrics().shipped, shipped);
    });
}

#[test]
fn what_is_not_ready_is_waited_for() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = engine.file(reader);
        let mut ready = reader.readable();
        begin(&mut ready);
        writer.write_all(b"x").unwrap();
        assert_eq!(block_on(ready), Ok(PollEvents::IN));
        assert_eq!(block_on(reader.read(vec![0; 4])).unwrap().0, 1, "and nothing was taken");
        let mut ready = reader.readable();
        begin(&mut ready);
        drop(writer);
        assert_eq!(block_on(ready), Ok(PollEvents::HUP));
    });
}

#[test]
fn room_is_waited_for() {
    limit(LIMIT, || {
        let engine = engine();
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        // As much as it holds.
        writer.write_all(&[7; 1 << 16]).unwrap();
        let writer = engine.file(writer);
        let mut ready = writer.writable();
        begin(&mut ready);
        let mut all = vec![0; 1 << 16];
        let mut got = 0;
        while got < all.len() {
            got += reader.read(&mut all).unwrap();
        }
        assert_eq!(block_on(ready), Ok(PollEvents::OUT));
        drop(reader);
        assert!(block_on(writer.writable()).unwrap().contains(PollEvents::ERR));
    });
}

#[test]
fn a_wait_is_cancelled_has_a_deadline_and_may_be_dropped() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, writer) = pipe(&engine);
        let mut ready = reader.readable();
        begin(&mut ready);
        ready.cancel();
        assert!(block_on(ready).unwrap_err().is_cancelled());
        let ready = reader.readable().deadline(Duration::from_millis(5));
        assert!(block_on(ready).unwrap_err().is_timeout());
        for _ in 0..1000 {
            begin(&mut reader.readable());
        }
        let mut ready = reader.readable();
        begin(&mut ready);
        block_on(writer.write("x")).unwrap();
        assert_eq!(block_on(ready), Ok(PollEvents::IN));
    });
}

#[test]
fn a_read_of_a_pipe_is_cancelled_and_loses_nothing() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, writer) = pipe(&engine);
        let mut read = reader.read(vec![0; 4]);
        begin(&mut read);
        read.cancel();
        let error = block_on(read).unwrap_err();
        assert!(error.is_cancelled() && !error.is_timeout());
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
        let mut read = reader.read_vectored([vec![0; 4]]).deadline(Duration::from_millis(5));
        begin(&mut read);
        let error = block_on(read).unwrap_err();
        assert!(error.is_timeout() && !error.is_cancelled());
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        block_on(writer.write("abcd")).unwrap();
        assert_eq!(block_on(reader.read(vec![0; 8])).unwrap().0, 4);
    });
}

#[test]
fn a_closed_engine_ends_waits() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, _writer) = pipe(&engine);
        let mut ready = reader.readable();
        begin(&mut ready);
        assert!(engine.shutdown(LIMIT));
        assert!(block_on(ready).unwrap_err().is_closed());
        assert!(block_on(reader.metadata()).unwrap_err().is_closed());
        assert!(block_on(reader.sync_all()).unwrap_err().is_closed());
    });
}

//! Chains: what goes to the kernel together, and how a link that breaks ends the rest.

use std::io::ErrorKind;
use std::time::Duration;

use annulus_runtime::{Engine, File};
use futures::executor::block_on;

fn scratch(engine: &Engine, name: &str) -> File {
    let name = format!("annulus-chain-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path);
    std::fs::remove_file(&path).expect("the file was made a moment ago");
    engine.file(file.expect("a temporary file"))
}

#[test]
fn operations_are_done_in_order() {
    let engine = Engine::new().expect("an engine");
    let file = scratch(&engine, "order");
    for round in 0..200_u8 {
        let write = file.write_at(vec![round; 4096], 0);
        let read = file.read_at(vec![0; 4096], 0);
        let (written, read) = block_on(write.then(read));
        assert_eq!(written.expect("a write").0, 4096);
        assert_eq!(read.expect("a read").1, vec![round; 4096]);
    }
}

#[test]
fn what_comes_after_a_failure_is_not_begun() {
    let engine = Engine::new().expect("an engine");
    let file = scratch(&engine, "failure");
    block_on(file.write_all_at(&b"before"[..], 0)).expect("a write");
    // Short: the file has six bytes.
    let short = file.read_at(vec![0; 100], 0);
    let write = file.write_at(&b"never"[..], 0);
    let again = file.write_at(&b"nor this"[..], 0);
    let ((short, write), again) = block_on(short.then(write).then(again));
    assert_eq!(short.expect("a short read").0, 6);
    for broken in [write.unwrap_err(), again.unwrap_err()] {
        assert_eq!(broken.errno(), Some(annulus_ring::Errno::ECANCELED));
    }
    let (n, now) = block_on(file.read_at(vec![0; 16], 0)).expect("a read");
    assert_eq!(&now[..n], b"before");
}

#[test]
fn a_deadline_ends_one_link_and_breaks_the_rest() {
    let engine = Engine::new().expect("an engine");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let (empty, file) = (engine.file(reader), scratch(&engine, "deadline"));
    let wait = empty.read(vec![0; 4]).deadline(Duration::from_millis(20));
    let (waited, write) = block_on(wait.then(file.write_at(&b"never"[..], 0)));
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(write.is_err());
    // In time, everything is done.
    std::io::Write::write_all(&mut writer, b"1234").expect("room in the pipe");
    let wait = empty.read(vec![0; 4]).deadline(Duration::from_secs(10));
    let (waited, write) = block_on(wait.then(file.write_at(&b"done"[..], 0)));
    assert_eq!((waited.expect("in time").0, write.expect("a write").0), (4, 4));
}

#[test]
fn a_chain_that_is_dropped_leaves_nothing_behind() {
    let engine = Engine::new().expect("an engine");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let (empty, file) = (engine.file(reader), scratch(&engine, "dropped"));
    for _ in 0..500 {
        let mut chain = empty.read(vec![0; 4]).then(file.write_at(&b"never"[..], 0));
        assert!(block_on(futures::future::poll_immediate(&mut chain)).is_none());
        drop(chain);
    }
    assert!(engine.shutdown(Duration::from_secs(10)), "operations were left in the kernel");
    let metrics = engine.metrics();
    assert_eq!((metrics.shipped, metrics.completed), (1000, 1000));
    drop((empty, engine));
    std::io::Write::write_all(&mut writer, b"x").expect_err("the reader is closed");
}

#[test]
fn chains_that_cannot_be_are_refused() {
    let engine = Engine::builder().entries(8).build().expect("an engine");
    let other = Engine::new().expect("a second engine");
    let (file, foreign) = (scratch(&engine, "refused"), scratch(&other, "foreign"));
    let write = || file.write_at(&b"x"[..], 0);
    let (first, second) = block_on(write().then(foreign.write_at(&b"x"[..], 0)));
    assert_eq!(first.unwrap_err().errno(), Some(annulus_ring::Errno::EXDEV));
    assert_eq!(second.unwrap_err().errno(), Some(annulus_ring::Errno::EXDEV));
    let eight = write().then(write()).then(write()).then(write());
    let eight = eight.then(write()).then(write()).then(write()).then(write());
    let (_, last) = block_on(eight);
    assert_eq!(last.unwrap_err().errno(), Some(annulus_ring::Errno::E2BIG));
    engine.shutdown(Duration::from_secs(5));
    let (first, second) = block_on(write().then(write()));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

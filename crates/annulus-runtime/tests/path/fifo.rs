//! Opening a FIFO waits for its other end, as `open(2)` does; and what ends that.

use std::io::{Read, Write};
use std::time::Duration;

use annulus_runtime::Engine;
use annulus_runtime::engine::{OpenOptions, Opening};
use futures::executor::block_on;
use futures::future::poll_immediate;

use crate::common::{LIMIT, limit};
use crate::engine;
use crate::tree::Tree;

const SHORT: Duration = Duration::from_millis(20);

fn for_writing(engine: &Engine, path: &std::path::Path) -> Opening {
    OpenOptions::new().write(true).open(engine, path)
}

#[test]
fn a_deadline_ends_the_wait_for_the_other_end() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let (reading, writing) = (tree.fifo("reading"), tree.fifo("writing"));
        for opening in [engine.open(&reading), for_writing(&engine, &writing)] {
            let error = block_on(opening.deadline(SHORT)).unwrap_err();
            assert!(error.error().is_timeout(), "{error}");
        }
        // One that makes or truncates is given to a thread at once.
        let error = block_on(engine.create(&writing).deadline(SHORT)).unwrap_err();
        assert!(error.error().is_timeout(), "{error}");
    });
}

#[test]
fn deadlines_pass_in_their_order() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.fifo("fifo");
        let open = |ms| for_writing(&engine, &path).deadline(Duration::from_millis(ms));
        // The later one first: the reactor's timer must be set anew for the earlier one.
        let (mut late, early) = (open(60_000), open(20));
        assert!(block_on(poll_immediate(&mut late)).is_none());
        assert!(block_on(early).unwrap_err().error().is_timeout());
        assert!(block_on(poll_immediate(&mut late)).is_none());
        late.cancel();
        assert!(block_on(late).unwrap_err().error().is_cancelled());
    });
}

#[test]
fn a_deadline_that_does_not_pass_changes_nothing() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("file", "content");
        for _ in 0..1000 {
            let opening = engine.open(&path).deadline(Duration::from_secs(60));
            let file = block_on(opening).unwrap();
            assert_eq!(block_on(file.read_at(vec![0; 16], 0)).unwrap().0, 7);
            let found = engine.metadata(&path).deadline(Duration::MAX);
            assert_eq!(block_on(found).unwrap().len(), 7);
        }
    });
}

#[test]
fn a_cancel_ends_the_wait_for_the_other_end() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        // Apart, for a reader that was given up may be there some moments longer.
        let (reading, writing) = (tree.fifo("reading"), tree.fifo("writing"));
        for round in 0..200 {
            let mut opening =
                if round % 2 == 0 { engine.open(&reading) } else { for_writing(&engine, &writing) };
            for _ in 0..round % 7 {
                assert!(block_on(poll_immediate(&mut opening)).is_none());
                std::thread::yield_now();
            }
            assert!(block_on(poll_immediate(&mut opening)).is_none());
            opening.cancel();
            let error = block_on(opening).unwrap_err();
            assert!(error.error().is_cancelled(), "{error}");
        }
    });
}

#[test]
fn a_shutdown_ends_the_wait_for_the_other_end() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.fifo("fifo");
        let mut waiting = [engine.open(&path), for_writing(&engine, &tree.fifo("other"))];
        for opening in &mut waiting {
            assert!(block_on(poll_immediate(opening)).is_none());
        }
        assert!(engine.shutdown(LIMIT));
        for opening in waiting {
            let error = block_on(opening).unwrap_err();
            assert!(error.error().is_closed(), "{error}");
        }
    });
}

#[test]
fn a_reader_waits_for_its_writer() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        for round in 0..300 {
            // One for each: the kernel closes a file some moments after the last operation on it,
            // and until then the next writer would find its reader there.
            let path = tree.fifo(&format!("fifo-{round}"));
            let opening = engine.open(&path);
            let writer = std::thread::spawn(move || {
                // Opens, writes and leaves, before, while or after the reader opens.
                std::thread::sleep(Duration::from_micros((round % 5) * 20));
                let mut file = std::fs::File::options().write(true).open(&path).unwrap();
                file.write_all(b"hello").unwrap();
            });
            let file = block_on(opening).unwrap();
            let (n, buf) = block_on(file.read(vec![0; 16])).unwrap();
            assert_eq!(&buf[..n], b"hello", "round {round}: the writer was not waited for");
            writer.join().unwrap();
        }
    });
}

#[test]
fn a_writer_waits_for_its_reader() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        for round in 0..100 {
            let path = tree.fifo(&format!("fifo-{round}"));
            let reader = {
                let path = path.clone();
                std::thread::spawn(move || std::fs::read(path).unwrap())
            };
            let file = block_on(for_writing(&engine, &path)).unwrap();
            block_on(file.write(&b"hello"[..])).unwrap();
            drop(file);
            assert_eq!(reader.join().unwrap(), b"hello");
        }
    });
}

#[test]
fn two_fifos_meet_without_a_byte() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        for round in 0..50 {
            let there = tree.fifo(&format!("there-{round}"));
            let back = tree.fifo(&format!("back-{round}"));
            let (theirs_in, theirs_out) = (there.clone(), back.clone());
            let other = std::thread::spawn(move || {
                let out = std::fs::File::options().write(true).open(theirs_in).unwrap();
                let mut back = std::fs::File::open(theirs_out).unwrap();
                let mut read = String::new();
                back.read_to_string(&mut read).unwrap();
                drop(out);
                read
            });
            // The other writes nothing before this has opened both.
            let input = block_on(engine.open(&there)).unwrap();
            let output = block_on(for_writing(&engine, &back)).unwrap();
            block_on(output.write(&b"met"[..])).unwrap();
            drop(output);
            assert_eq!(other.join().unwrap(), "met");
            drop(input);
        }
    });
}

#[test]
fn who_does_not_want_to_wait_says_so() {
    limit(LIMIT, || {
        use annulus_ring::abi::OpenFlags;
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.fifo("fifo");
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(OpenFlags::NONBLOCK);
        let error = block_on(options.open(&engine, &path)).unwrap_err();
        assert_eq!(error.errno(), Some(annulus_ring::Errno::ENXIO));
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OpenFlags::NONBLOCK);
        block_on(options.open(&engine, &path)).unwrap();
        let mut both = OpenOptions::new();
        both.read(true).write(true);
        block_on(both.open(&engine, &path)).unwrap();
    });
}

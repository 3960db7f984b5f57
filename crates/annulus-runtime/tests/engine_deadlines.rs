//! Deadlines of what a thread of the kernel (io-wq) does, where no link timeout reaches it: kept
//! by the reactor's own timer, and by the engine's end, with either kind of engine.
//!
//! A thread of the kernel is kept busy by opening a FIFO whose other end nobody opens.

mod common;
#[path = "common/tree.rs"]
mod tree;

use std::fs::File as StdFile;
use std::future::{Future, ready};
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use annulus_ring::LocalRing;
use annulus_ring::abi::{FallocateMode, Op, PollEvents, XattrFlags};
use annulus_runtime::engine::{Advice, Opening};
use annulus_runtime::{Engine, File};
use futures::executor::block_on;
use futures::future::{join, join_all, poll_immediate};

use common::engines::{self, CLOSE, Kind, begin, until_in_kernel};
use common::files::TempFile;
use common::{LIMIT, limit, on_host, slower, times};
use tree::Tree;

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);
/// How late an end may be on a machine that has much to do.
const LATE: Duration = Duration::from_secs(10);

type Ending = Pin<Box<dyn Future<Output = Result<(), ErrorKind>> + Send>>;

/// An operation, of whose result only the kind of the failure matters.
fn ending<T, E: Into<io::Error>>(
    operation: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Ending {
    Box::pin(async { operation.await.map(drop).map_err(|error| error.into().kind()) })
}

/// Where the operations below are done.
struct Place {
    tree: Tree,
    file: File,
    has_attributes: bool,
}

impl Place {
    fn new(engine: &Engine) -> Self {
        let tree = Tree::under(Path::new(env!("CARGO_TARGET_TMPDIR")));
        for name in ["old", "victim", "linked", "truncated"] {
            tree.file(name, "content");
        }
        tree.dir("empty");
        let path = tree.file("file", &"content".repeat(4096));
        let none = rustix::fs::XattrFlags::empty();
        let has_attributes = rustix::fs::setxattr(&path, "user.kept", b"value", none).is_ok();
        let file = StdFile::options().read(true).write(true).open(path).expect("it is there");
        Self { file: engine.file(file), tree, has_attributes }
    }

    /// What is there: names, with their lengths.
    fn content(&self) -> Vec<(PathBuf, u64)> {
        let entries = std::fs::read_dir(self.tree.path()).expect("it is there");
        let mut content: Vec<_> = entries
            .map(|entry| entry.expect("it is there").path())
            .map(|path| (path.clone(), path.symlink_metadata().expect("it is there").len()))
            .collect();
        content.sort();
        content
    }

    /// One of each kind that goes to a thread at once, each on names of its own, with a deadline.
    fn each_kind(&self, engine: &Engine, limit: Duration) -> Vec<(&'static str, Ending)> {
        let (tree, file) = (&self.tree, &self.file);
        let path = tree.at("file");
        let is_ready = || file.poll(PollEvents::IN);
        let advice = is_ready().then(file.advise(0, 0, Advice::WillNeed).deadline(limit));
        let stat = is_ready().then(file.metadata().deadline(limit));
        let mut kinds = vec![
            ("sync_all", ending(file.sync_all().deadline(limit))),
            ("sync_data", ending(file.sync_data().deadline(limit))),
            ("sync_range", ending(file.sync_range(0, 4096).deadline(limit))),
            ("start_write_back", ending(file.start_write_back(0, 4096).deadline(limit))),
            ("allocate", ending(file.allocate(1 << 20, 4096).deadline(limit))),
            ("punch_hole", ending(file.punch_hole(0, 4096).deadline(limit))),
            ("fallocate", {
                ending(file.fallocate(FallocateMode::ZERO_RANGE, 4096, 4096).deadline(limit))
            }),
            ("advise", ending(async { advice.await.1 })),
            ("metadata of a file", ending(async { stat.await.1 })),
            ("create", ending(engine.create(tree.at("made")).deadline(limit))),
            ("truncating open", ending(engine.create(tree.at("truncated")).deadline(limit))),
            ("metadata", ending(engine.metadata(&path).deadline(limit))),
            ("symlink_metadata", ending(engine.symlink_metadata(&path).deadline(limit))),
            ("exists", ending(engine.exists(&path).deadline(limit))),
            ("rename", ending(engine.rename(tree.at("old"), tree.at("new")).deadline(limit))),
            ("hard_link", {
                ending(engine.hard_link(tree.at("linked"), tree.at("link")).deadline(limit))
            }),
            ("symlink", ending(engine.symlink("anywhere", tree.at("symlink")).deadline(limit))),
            ("remove_file", ending(engine.remove_file(tree.at("victim")).deadline(limit))),
            ("remove_dir", ending(engine.remove_dir(tree.at("empty")).deadline(limit))),
            ("create_dir", ending(engine.create_dir(tree.at("dir")).deadline(limit))),
        ];
        // Where the ring cannot, a thread of the engine does it, which is free.
        if has_truncate() {
            kinds.push(("truncate", ending(file.truncate(2 << 20).deadline(limit))));
        }
        if self.has_attributes {
            let (kept, new, any) = ("user.kept", "user.new", XattrFlags::empty());
            kinds.extend([
                ("get_xattr", ending(engine.get_xattr(&path, kept).deadline(limit))),
                ("set_xattr", ending(engine.set_xattr(&path, new, *b"1", any).deadline(limit))),
                ("get_xattr of a file", ending(file.get_xattr(kept).deadline(limit))),
                ("set_xattr of a file", ending(file.set_xattr(new, *b"2", any).deadline(limit))),
            ]);
        }
        kinds
    }
}

/// Whether rings can truncate: in user space, and since Linux 6.9.
fn has_truncate() -> bool {
    let asks = || {
        let ring = LocalRing::new(1).expect("a ring");
        ring.register().probe().expect("an answer").is_supported(Op::FTRUNCATE)
    };
    on_host() || asks()
}

/// An open for writing that waits in a thread of the kernel until somebody opens for reading.
fn block(engine: &Engine, fifo: &Path) -> Opening {
    engine.create(fifo)
}

/// Awaits all of them, which end within so much time and a bit, each in one of these ways.
#[track_caller]
fn all_end(kinds: Vec<(&str, Ending)>, within: Duration, ways: &[Result<(), ErrorKind>]) {
    let (names, endings): (Vec<_>, Vec<_>) = kinds.into_iter().unzip();
    let begun = Instant::now();
    let results = block_on(join_all(endings));
    let took = begun.elapsed();
    assert!(took < within.saturating_add(LATE), "it took {took:?}");
    for (name, result) in names.into_iter().zip(results) {
        assert!(ways.contains(&result), "{name}: {result:?}");
    }
}

#[test]
fn what_waits_for_a_thread_ends_at_its_deadline() {
    engines::each_on(
        1,
        |builder| builder.io_workers(1, 1),
        |rig| {
            limit(LIMIT, || {
                let engine = rig.engine();
                let place = Place::new(engine);
                let fifo = place.tree.fifo("fifo");
                let before = place.content();
                let blocker = begin(block(engine, &fifo));
                // The timer must be set anew for those whose time is over sooner.
                let patient = begin(place.file.sync_all().deadline(LONG));
                until_in_kernel(engine, 2);
                for limit in [Duration::ZERO, SHORT] {
                    let kinds = place.each_kind(engine, limit);
                    all_end(kinds, limit, &[Err(ErrorKind::TimedOut)]);
                    assert_eq!(place.content(), before, "something was done");
                }
                // Those whose time is not over are done when the thread is free again.
                let kinds = place.each_kind(engine, LONG);
                let reader = std::thread::spawn(move || StdFile::open(fifo).expect("a writer"));
                all_end(kinds, Duration::ZERO, &[Ok(()), Err(ErrorKind::Unsupported)]);
                block_on(blocker).expect("a reader is there");
                block_on(patient).expect("a sync");
                drop(reader.join());
                assert!(place.tree.at("new").exists() && !place.tree.at("victim").exists());
            });
        },
    );
}

#[test]
fn a_deadline_is_kept_or_too_late_where_threads_are_free() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                let known = [Ok(()), Err(ErrorKind::TimedOut), Err(ErrorKind::Unsupported)];
                for micros in (0..200).step_by(10) {
                    let place = Place::new(rig.engine());
                    let limit = Duration::from_micros(micros);
                    all_end(place.each_kind(rig.engine(), limit), limit, &known);
                }
                let place = Place::new(rig.engine());
                let kinds = place.each_kind(rig.engine(), LONG);
                all_end(kinds, Duration::ZERO, &[Ok(()), Err(ErrorKind::Unsupported)]);
                let place = Place::new(rig.engine());
                let kinds = place.each_kind(rig.engine(), Duration::MAX);
                all_end(kinds, Duration::ZERO, &[Ok(()), Err(ErrorKind::Unsupported)]);
            });
        },
    );
}

#[test]
fn what_blocks_a_thread_ends_at_its_deadline() {
    engines::each(
        |builder| builder,
        |rig| {
            limit(LIMIT, || {
                let (engine, tree) = (rig.engine(), Tree::new());
                for (n, limit) in [Duration::ZERO, SHORT].into_iter().cycle().take(20).enumerate() {
                    let fifo = tree.fifo(&format!("fifo-{n}"));
                    let mut options = annulus_runtime::engine::OpenOptions::new();
                    let opening = match n / 2 % 3 {
                        0 => engine.open(&fifo),
                        1 => options.write(true).open(engine, &fifo),
                        _ => engine.create(&fifo),
                    };
                    let begun = Instant::now();
                    let error = block_on(opening.deadline(limit)).expect_err("nobody is there");
                    let took = begun.elapsed();
                    assert!(error.error().is_timeout(), "{error}");
                    assert!(took >= limit && took < limit + LATE, "{took:?} instead of {limit:?}");
                }
            });
        },
    );
}

/// More FIFOs than there are threads, and files behind them.
#[test]
fn all_threads_are_busy_and_all_deadlines_are_kept() {
    // All are submitted before the first deadline.
    let short = SHORT * if slower() > 1 { 20 } else { 1 };
    // Behind the threads alone; also in the engine, behind what the kernel may have at a time.
    for in_flight_max in [1024, 8] {
        engines::each_on(
            1,
            |builder| builder.io_workers(4, 4).in_flight_max(in_flight_max),
            |rig| {
                limit(LIMIT, || {
                    let engine = rig.engine();
                    let place = Place::new(engine);
                    let fifo = place.tree.fifo("fifo");
                    let open = |n: u32| {
                        // Later ones first, so that the timer is set anew again and again.
                        let limit = 2 * short - Duration::from_millis(u64::from(n % 40));
                        begin(block(engine, &fifo).deadline(limit))
                    };
                    let openings: Vec<_> = (0..40).map(open).collect();
                    let kinds = place.each_kind(engine, short / 2);
                    let unlimited = begin(place.file.sync_all());
                    let unlimited_too = begin(engine.create(place.tree.at("unlimited")));
                    let late = [Err(ErrorKind::TimedOut)];
                    let known = [Ok(()), late[0], Err(ErrorKind::Unsupported)];
                    // Where they wait in the engine, they may find a free thread when they are
                    // begun after their deadline.
                    let ways = if in_flight_max == 8 { &known[..] } else { &late };
                    all_end(kinds, short, ways);
                    let openings = openings.into_iter().map(|open| ("open", ending(open)));
                    all_end(openings.collect(), 2 * short, &late);
                    // And those behind them have their turn.
                    block_on(unlimited).expect("a sync");
                    block_on(unlimited_too).expect("a file");
                });
            },
        );
    }
}

/// In a chain an operation may be begun when its time is over already.
#[test]
fn a_link_begun_after_its_deadline_ends() {
    engines::each_on(
        1,
        |builder| builder.io_workers(1, 1),
        |rig| {
            limit(LIMIT, || {
                let (engine, tree) = (rig.engine(), Tree::new());
                let fifo = tree.fifo("fifo");
                let blocker = begin(block(engine, &fifo));
                until_in_kernel(engine, 1);
                let file = rig.file(TempFile::patterned(4096).open());
                // Not a pipe: before Linux 6.4 a thread reads it, and goes on with what is behind.
                let (reader, mut writer) = UnixStream::pair().expect("sockets");
                let read = engine.file(reader).read(vec![0; 2]);
                let made = engine.create_dir(tree.at("dir"));
                let chain = begin(read.then(file.sync_all().deadline(SHORT)).then(made));
                std::thread::sleep(2 * SHORT);
                writer.write_all(b"go").expect("room");
                let ((read, sync), made) = block_on(chain);
                assert_eq!(read.expect("two bytes").1, b"go");
                let error = sync.expect_err("no thread was free");
                assert!(error.is_timeout(), "{error}");
                assert!(made.is_err() && !tree.at("dir").exists());
                drop(blocker);
            });
        },
    );
}

/// Begins it, which may be over by the time this returns.
fn begun(mut ending: Ending) -> Ending {
    match engines::poll_once(&mut ending) {
        Poll::Ready(result) => Box::pin(ready(result)),
        Poll::Pending => ending,
    }
}

/// Busy threads, what waits for them with deadlines and without, and chains.
fn begin_many(engine: &Engine, place: &Place) -> Vec<(&'static str, Ending)> {
    let fifo = place.tree.fifo("fifo");
    let mut many = Vec::new();
    for n in 0..8 {
        let opening = block(engine, &fifo);
        let opening = if n % 2 == 0 { opening } else { opening.deadline(LONG) };
        many.push(("open", begun(ending(opening))));
    }
    for limit in [LONG, Duration::MAX] {
        for (name, kind) in place.each_kind(engine, limit) {
            many.push((name, begun(kind)));
        }
    }
    let file = &place.file;
    let chain = file.sync_all().then(file.sync_data().deadline(LONG));
    many.push(("chain", begun(ending(async { chain.await.1 }))));
    many
}

/// How each of them may end. A thread that is let go may begin one more before that is cancelled:
/// of two renames of one file, say, the second finds none.
const ENDS: [Result<(), ErrorKind>; 5] = [
    Ok(()),
    Err(ErrorKind::BrokenPipe),
    Err(ErrorKind::Unsupported),
    Err(ErrorKind::NotFound),
    Err(ErrorKind::AlreadyExists),
];

#[test]
fn a_shutdown_ends_what_blocks_threads_and_what_waits_for_them() {
    for kind in Kind::ALL {
        for round in 0..10 {
            limit(LIMIT, || {
                let rig = kind.rig_on(1 + round % 2, |builder| builder.io_workers(2, 2));
                let engine = rig.engine();
                let place = Place::new(engine);
                let many = begin_many(engine, &place);
                if round % 3 > 0 {
                    until_in_kernel(engine, many.len() as u64);
                }
                let begun = Instant::now();
                // Without patience it is the same, and is told later.
                let _ = round % 2 == 0 && engine.shutdown(Duration::ZERO);
                assert!(begun.elapsed() < LATE);
                assert!(engine.shutdown(CLOSE), "{kind:?}");
                let took = begun.elapsed();
                assert!(took < LATE, "{kind:?}: {took:?}");
                all_end(many, Duration::ZERO, &ENDS);
                drop(place);
                rig.close();
            });
        }
    }
}

/// A drive that is dropped waits for what blocks threads, on the dropping thread. That is the one
/// that submitted it: another could be in the middle of its exit (see `Drive`).
#[cfg(feature = "tokio")]
#[test]
fn a_runtime_that_ends_ends_what_blocks_threads() {
    for round in 0..10 {
        limit(LIMIT, || {
            let mut rig = Kind::Tokio.rig_on(1, |builder| builder.io_workers(2, 2));
            let engine = rig.take_engine();
            let place = Place::new(&engine);
            let many = begin_many(&engine, &place);
            if round % 3 > 0 {
                until_in_kernel(&engine, many.len() as u64);
            }
            let begun = Instant::now();
            rig.drop_runtime();
            let took = begun.elapsed();
            assert!(took < LATE, "{took:?}");
            assert!(engine.shutdown(Duration::ZERO), "the drive is gone");
            all_end(many, Duration::ZERO, &ENDS);
        });
    }
}

/// What a thread of the kernel does ends with the thread that submitted it: it is begun again, and
/// its deadline is as before. (What waits for such a thread is done before that ends: so one waits
/// here until it has begun.)
#[cfg(feature = "tokio")]
#[test]
fn a_deadline_outlives_the_thread_that_submitted() {
    use common::process::{switches, this_thread, threads_named};
    const SOME: Duration = Duration::from_secs(2);
    let name = "a_deadline_outlives_the_thread_that_submitted";
    if common::only_on_linux(name, "threads of a kernel in user space end with no thread") {
        return;
    }
    limit(LIMIT, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let tree = Tree::new();
        let (engine, mut drive) = {
            let _inside = runtime.enter();
            Engine::builder().io_workers(1, 1).build_driven().expect("an engine")
        };
        let begun = Instant::now();
        let opening = begin(block(&engine, &tree.fifo("fifo")).deadline(SOME));
        for _ in 0..3 {
            // Polled on a thread that ends when what it submitted waits for the FIFO.
            let driver = std::thread::spawn(move || {
                let name = format!("iou-wrk-{}", this_thread());
                let waits = |worker| switches(worker).is_some_and(|count| count.voluntary > 0);
                engines::until(|| {
                    let _ = engines::poll_once(&mut drive);
                    threads_named(&name).into_iter().any(waits)
                });
                drive
            });
            drive = driver.join().expect("no panic");
        }
        assert!(begun.elapsed() < SOME, "too late to show anything");
        let drive = std::thread::spawn(move || runtime.block_on(drive));
        let error = block_on(opening).expect_err("nobody reads it");
        assert!(error.error().is_timeout(), "{error}");
        let took = begun.elapsed();
        assert!(took >= SOME && took < SOME + LATE, "{took:?}");
        drop(engine);
        drive.join().expect("the drive ends");
    });
}

#[test]
fn what_waits_for_its_turn_ends_at_its_deadline() {
    engines::each(
        |builder| builder.in_flight_max(1),
        |rig| {
            limit(LIMIT, || {
                let (reader, mut writer) = io::pipe().expect("a pipe");
                let pipe = rig.engine().file(reader);
                let mut first = pipe.read(vec![0; 8]);
                assert!(block_on(poll_immediate(&mut first)).is_none());
                let tenth = Duration::from_millis(100);
                let behind = pipe.read(vec![0; 8]).deadline(tenth);
                let chain = pipe.read(vec![0; 8]).deadline(tenth).then(pipe.read(vec![0; 8]));
                let begun = Instant::now();
                let (behind, (head, tail)) = block_on(join(behind, chain));
                assert!((tenth..LATE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
                assert_eq!(behind.expect_err("nothing to read").kind(), ErrorKind::TimedOut);
                assert_eq!(head.expect_err("nothing to read").kind(), ErrorKind::TimedOut);
                assert!(tail.is_err(), "what it follows has failed");
                // What waits without a limit, or long enough, has its turn.
                let long = pipe.read(vec![0; 8]).deadline(Duration::from_secs(3600));
                let (mut short, mut long) = (pipe.read(vec![0; 8]).deadline(tenth), long);
                assert!(block_on(poll_immediate(&mut long)).is_none());
                assert!(block_on(poll_immediate(&mut short)).is_none());
                assert!(block_on(short).is_err(), "nothing to read");
                writer.write_all(&[1; 16]).expect("room in the pipe");
                assert_eq!(block_on(first).expect("bytes").0, 8);
                assert_eq!(block_on(long).expect("bytes").0, 8);
            });
        },
    );
}

#[test]
fn what_waits_for_another_turn_ends_at_its_deadline() {
    engines::each(
        |builder| builder.in_flight_max(1),
        |rig| {
            limit(LIMIT, || {
                let (reader, mut writer) = io::pipe().expect("a pipe");
                let (idle, _silent) = io::pipe().expect("a pipe");
                let (pipe, idle) = (rig.engine().file(reader), rig.engine().file(idle));
                let half = Duration::from_millis(500);
                let mut parts = pipe.read_exact_at(vec![0; 8], 0).deadline(half);
                let mut holder = idle.read(vec![0; 8]);
                assert!(block_on(poll_immediate(&mut parts)).is_none());
                until_in_kernel(rig.engine(), 1);
                assert!(block_on(poll_immediate(&mut holder)).is_none());
                writer.write_all(&[1; 4]).expect("room in the pipe");
                // The other has the one place in the kernel, and keeps it.
                let error = block_on(parts).expect_err("half of it is there");
                assert_eq!((error.kind(), error.done()), (ErrorKind::TimedOut, 4));
                drop(holder);
            });
        },
    );
}

#[test]
fn of_a_group_the_one_whose_time_is_over_says_so() {
    engines::each(
        |builder| builder,
        |rig| {
            limit(LIMIT, || {
                let ends: Vec<_> = (0..times(300)).map(|_| io::pipe().expect("a pipe")).collect();
                for (n, (reader, writer)) in ends.into_iter().enumerate() {
                    let span = Duration::from_micros(50 + n as u64 * 37 % 1000);
                    let (reader, writer) = (rig.file(reader), rig.file(writer));
                    let read = reader.read(vec![0; 4]).deadline(span);
                    let (read, write) = block_on(read.then(writer.write("never")));
                    let error = read.expect_err("nobody writes");
                    assert!(error.is_timeout(), "group {n}: {error}");
                    assert!(write.is_err_and(|error| !error.is_timeout()));
                }
            });
        },
    );
}

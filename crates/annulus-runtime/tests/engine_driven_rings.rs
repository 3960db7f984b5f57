//! An engine that several threads drive in turn: each that is busy has a ring of its own, and what
//! any of them submitted is completed, cancelled, closed and waited for by any other.

mod common;

use std::io::{ErrorKind, PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use annulus_ring::Errno;
use annulus_runtime::Engine;
use annulus_runtime::buffer::BufResult;
use annulus_runtime::engine::{Drive, EngineBuilder, Readiness};
use common::engines::{begin, poll_once, until};
use common::{LIMIT, child, limit, may_not_lock, on_host, skip, times};
use futures::executor::block_on;

/// Readable each second time it is asked: a look at the rings, and then nothing to do.
struct Alternating(bool);

impl Readiness for Alternating {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.0 = !self.0;
        if self.0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// A thread that does what it is told, and lives until it is dropped.
struct Hand {
    tell: Option<Sender<Box<dyn FnOnce() + Send>>>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    fn new() -> Self {
        let (tell, told) = channel::<Box<dyn FnOnce() + Send>>();
        let thread = std::thread::spawn(move || told.into_iter().for_each(|work| work()));
        Self { tell: Some(tell), thread: Some(thread) }
    }

    fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        let work = Box::new(move || tell.send(work()).expect("somebody waits"));
        self.tell.as_ref().expect("it lives").send(work).expect("it lives");
        told.recv().expect("no panic")
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        drop(self.tell.take());
        let ended = self.thread.take().expect("it is joined once").join();
        assert!(ended.is_ok() || std::thread::panicking(), "a panic in a hand");
    }
}

/// An engine, and its drive in the hands of several threads.
struct Shared {
    engine: Engine,
    drive: Arc<Mutex<Option<Drive<Alternating>>>>,
}

impl Shared {
    fn new(how: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        Self::watched(how, |_| Ok(Alternating(false)))
    }

    fn watched(
        how: impl FnOnce(EngineBuilder) -> EngineBuilder,
        watch: impl FnMut(OwnedFd) -> std::io::Result<Alternating> + Send + 'static,
    ) -> Self {
        let (engine, drive) = how(Engine::builder()).build_driven_by(watch).expect("an engine");
        Self { engine, drive: Arc::new(Mutex::new(Some(drive))) }
    }

    /// Has a thread drive some steps. Whether it is over.
    fn drive(&self, hand: &Hand) -> bool {
        drive(&self.drive, hand)
    }

    /// Has a thread drive until that is so.
    fn drive_until(&self, hand: &Hand, mut done: impl FnMut() -> bool) {
        until(|| {
            self.drive(hand);
            done()
        });
    }

    /// Has a thread drive until `future` is over: what it gave.
    ///
    /// With pauses: what a thread left behind Linux ends by work of its own, a tick of the clock
    /// later, and threads that only hand over to each other have kept the tick away for 13 s.
    fn output_by<F: Future + Unpin>(&self, hand: &Hand, future: &mut F) -> F::Output {
        loop {
            self.drive(hand);
            if let Poll::Ready(output) = poll_once(future) {
                return output;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Drops the drive on a thread: how long that took.
    fn drop_drive_on(&self, hand: &Hand) -> Duration {
        let drive = Arc::clone(&self.drive);
        hand.run(move || {
            let begun = Instant::now();
            drop(drive.lock().expect("no panic").take());
            begun.elapsed()
        })
    }

    fn in_flight(&self) -> u64 {
        self.engine.metrics().in_flight
    }

    /// A read in the kernel that a thread submitted, and what it waits for.
    fn read_by(&self, hand: &Hand) -> (Read, PipeWriter) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        (self.read_of(hand, reader), writer)
    }

    fn read_of(&self, hand: &Hand, reader: PipeReader) -> Read {
        let shipped = self.engine.metrics().shipped;
        let read = begin(self.engine.file(reader).read(vec![0; 8]));
        self.drive_until(hand, || {
            let metrics = self.engine.metrics();
            let open = metrics.shipped - metrics.completed;
            metrics.shipped > shipped && metrics.in_flight == open
        });
        read
    }
}

fn drive(drive: &Arc<Mutex<Option<Drive<Alternating>>>>, hand: &Hand) -> bool {
    let drive = Arc::clone(drive);
    hand.run(move || {
        let mut drive = drive.lock().expect("no panic");
        drive.as_mut().is_none_or(|drive| poll_once(drive).is_ready())
    })
}

type Read = annulus_runtime::engine::Op<annulus_runtime::engine::ops::Read<Vec<u8>>>;

/// What a future that is over gave.
fn output(read: &mut Read) -> Option<Result<Vec<u8>, ErrorKind>> {
    match poll_once(read) {
        Poll::Ready(done) => Some(told(done)),
        Poll::Pending => None,
    }
}

/// What a read said.
fn told(done: BufResult<usize, Vec<u8>>) -> Result<Vec<u8>, ErrorKind> {
    done.map(|(n, buf)| buf[..n].to_vec()).map_err(|error| error.kind())
}

/// Two busy threads have one ring, and each takes what the other submitted.
fn two_threads_share_one_ring(shared: &Shared) {
    let [one, two] = [(); 2].map(|()| Hand::new());
    let (mut first, mut to_first) = shared.read_by(&one);
    let (mut second, mut to_second) = shared.read_by(&two);
    assert_eq!(shared.engine.metrics().rings, 1);
    to_first.write_all(b"first").expect("room");
    to_second.write_all(b"second").expect("room");
    shared.drive_until(&one, || shared.in_flight() == 0);
    assert_eq!(output(&mut first), Some(Ok(b"first".to_vec())));
    assert_eq!(output(&mut second), Some(Ok(b"second".to_vec())));
}

/// How many rings so many busy threads have.
fn rings(threads: usize) -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    if on_host() { 1 } else { threads.min(processors) as u64 }
}

#[test]
fn each_busy_thread_has_its_own_and_idle_ones_share() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let [one, two, three] = [(); 3].map(|()| Hand::new());
        let (mut first, mut to_first) = shared.read_by(&one);
        assert_eq!(shared.engine.metrics().rings, 1);
        let (mut second, mut to_second) = shared.read_by(&two);
        assert_eq!(shared.engine.metrics().rings, rings(2));
        to_first.write_all(b"first").expect("room");
        to_second.write_all(b"second").expect("room");
        // Each thread takes what the other submitted.
        shared.drive_until(&two, || shared.in_flight() == 0);
        assert_eq!(output(&mut first), Some(Ok(b"first".to_vec())));
        assert_eq!(output(&mut second), Some(Ok(b"second".to_vec())));
        // Nobody is busy: a third needs none.
        let (mut third, mut to_third) = shared.read_by(&three);
        assert_eq!(shared.engine.metrics().rings, rings(2));
        to_third.write_all(b"third").expect("room");
        shared.drive_until(&one, || shared.in_flight() == 0);
        assert_eq!(output(&mut third), Some(Ok(b"third".to_vec())));
    });
}

#[test]
fn a_program_with_one_operation_at_a_time_has_one_ring() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let hands = [(); 3].map(|()| Hand::new());
        for n in 0..30 {
            let (mut read, mut writer) = shared.read_by(&hands[n % 3]);
            writer.write_all(&[n as u8]).expect("room");
            // Whoever comes next has it, and submits the next.
            let done = shared.output_by(&hands[(n + 1) % 3], &mut read);
            assert_eq!(told(done), Ok(vec![n as u8]));
        }
        assert_eq!(shared.engine.metrics().rings, 1);
    });
}

#[test]
fn one_thread_cancels_what_another_submitted() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let hands = [(); 2].map(|()| Hand::new());
        for round in 0..times(100) {
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let mut cancelled = shared.read_of(&hands[0], reader.try_clone().expect("another"));
            let dropped = shared.read_of(&hands[0], reader);
            let (mut other, mut to_other) = shared.read_by(&hands[1]);
            let by = &hands[(round % 2) as usize];
            cancelled.cancel();
            drop(dropped);
            shared.drive_until(by, || shared.in_flight() == 1);
            assert_eq!(output(&mut cancelled), Some(Err(ErrorKind::Interrupted)));
            to_other.write_all(b"goes on").expect("room");
            shared.drive_until(by, || shared.in_flight() == 0);
            assert_eq!(output(&mut other), Some(Ok(b"goes on".to_vec())));
            let error = writer.write_all(b"for nobody").expect_err("the readers are closed");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
        assert_eq!(shared.engine.metrics().rings, rings(2));
        assert_eq!(shared.engine.metrics().strays, 0);
    });
}

#[test]
fn one_thread_cancels_a_group_of_another() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let [one, two] = [(); 2].map(|()| Hand::new());
        let (from, _held) = std::io::pipe().expect("a pipe");
        let (mut into, writer) = std::io::pipe().expect("a pipe");
        let (from, writer) = (shared.engine.file(from), shared.engine.file(writer));
        let group = begin(from.read(vec![0; 8]).then(writer.write("never")));
        shared.drive_until(&one, || shared.in_flight() == 2);
        let _other = shared.read_by(&two);
        drop((group, from, writer));
        shared.drive_until(&two, || shared.in_flight() == 1);
        assert_eq!(std::io::Read::read(&mut into, &mut [0; 8]).expect("its end"), 0);
    });
}

#[test]
fn one_thread_closes_what_all_submitted() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let hands = [(); 3].map(|()| Hand::new());
        let mut reads: Vec<_> = (0..30).map(|n: usize| shared.read_by(&hands[n % 3])).collect();
        let Shared { engine, drive: shared } = shared;
        drop(engine);
        for (read, _) in &mut reads {
            read.cancel();
        }
        for (read, _) in reads.drain(..15) {
            drop(read);
        }
        until(|| drive(&shared, &hands[1]));
        for (mut read, _) in reads {
            assert!(matches!(output(&mut read), Some(Err(_))), "it was ended");
        }
    });
}

#[test]
fn a_drive_that_is_dropped_waits_for_the_rings_of_all_threads() {
    limit(LIMIT, || {
        for by in 0..3 {
            let shared = Shared::new(|builder| builder.entries(8));
            let hands = [(); 3].map(|()| Hand::new());
            let mut reads: Vec<_> = (0..9).map(|n: usize| shared.read_by(&hands[n % 3])).collect();
            let took = shared.drop_drive_on(&hands[by]);
            for (read, _) in &mut reads {
                assert_eq!(output(read), Some(Err(ErrorKind::BrokenPipe)));
            }
            assert!(took < Duration::from_secs(2), "nothing kept it, for {took:?}");
        }
    });
}

#[test]
fn what_a_thread_submitted_that_is_gone_another_begins_again() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let one = Hand::new();
        let (mut first, mut to_first) = shared.read_by(&one);
        for n in 0..times(20) {
            let two = Hand::new();
            let (mut second, mut to_second) = shared.read_by(&two);
            drop(two);
            to_second.write_all(&[n as u8]).expect("room");
            assert_eq!(told(shared.output_by(&one, &mut second)), Ok(vec![n as u8]));
        }
        drop(one);
        to_first.write_all(b"late").expect("room");
        assert_eq!(told(shared.output_by(&Hand::new(), &mut first)), Ok(b"late".to_vec()));
        assert_eq!(shared.engine.metrics().rings, rings(2));
    });
}

#[test]
fn completions_that_overflow_another_thread_s_ring_are_all_taken() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let [one, two] = [(); 2].map(|()| Hand::new());
        let (mut mine, mut to_mine) = shared.read_by(&one);
        let mut reads: Vec<_> = (0..200).map(|_| shared.read_by(&two)).collect();
        for (n, (_, writer)) in reads.iter_mut().enumerate() {
            writer.write_all(&[n as u8]).expect("room");
        }
        if !on_host() {
            // What has come by now fills the other thread's queue, and more.
            std::thread::sleep(Duration::from_millis(20));
        }
        shared.drive_until(&one, || shared.in_flight() == 1);
        for (n, (read, _)) in reads.iter_mut().enumerate() {
            assert_eq!(output(read), Some(Ok(vec![n as u8])));
        }
        if rings(2) == 2 {
            assert!(shared.engine.metrics().overflows > 0, "that was to be tested");
        }
        to_mine.write_all(b"mine").expect("room");
        shared.drive_until(&two, || shared.in_flight() == 0);
        assert_eq!(output(&mut mine), Some(Ok(b"mine".to_vec())));
    });
}

#[test]
fn where_no_other_ring_can_be_had_they_share_one() {
    limit(LIMIT, || {
        let mut watched = 0;
        let watch = move |_| {
            watched += 1;
            let refused = || std::io::Error::other("one is enough");
            (watched == 1).then_some(Alternating(false)).ok_or_else(refused)
        };
        let shared = Shared::watched(|builder| builder.entries(8), watch);
        two_threads_share_one_ring(&shared);
    });
}

#[test]
fn registered_buffers_are_those_of_each_ring() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8).fixed_buffers(4, 64));
        let [one, two] = [(); 2].map(|()| Hand::new());
        let pool = shared.engine.fixed_pool().expect("it was asked for").clone();
        let mut reads = Vec::new();
        for (n, hand) in [&one, &two, &one, &two].into_iter().enumerate() {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let read = shared.engine.file(reader).read(block_on(pool.take()));
            reads.push((begin(read), writer));
            shared.drive_until(hand, || shared.in_flight() == n as u64 + 1);
        }
        assert_eq!(shared.engine.metrics().rings, rings(2));
        for (n, (mut read, mut writer)) in reads.into_iter().enumerate() {
            writer.write_all(&[n as u8; 5]).expect("room");
            let done = shared.output_by(&two, &mut read);
            let (count, buf) = done.expect("it is registered there");
            assert_eq!((count, &buf[..]), (5, &[n as u8; 5][..]));
        }
        assert_eq!(pool.free_count(), 4);
    });
}

#[test]
fn a_ring_that_one_thread_left_with_a_lasting_operation_stays_its_own() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let [one, two] = [(); 2].map(|()| Hand::new());
        let (mut lasting, mut to_lasting) = shared.read_by(&one);
        for n in 0..20_u8 {
            let (mut read, mut writer) = shared.read_by(if n % 2 == 0 { &two } else { &one });
            writer.write_all(&[n]).expect("room");
            shared.drive_until(&two, || shared.in_flight() == 1);
            assert_eq!(output(&mut read), Some(Ok(vec![n])));
        }
        assert_eq!(shared.engine.metrics().rings, rings(2));
        to_lasting.write_all(b"at last").expect("room");
        shared.drive_until(&two, || shared.in_flight() == 0);
        assert_eq!(output(&mut lasting), Some(Ok(b"at last".to_vec())));
    });
}

#[test]
fn a_drive_that_is_dropped_waits_no_longer_than_the_kernel() {
    limit(LIMIT, || {
        let drops = times(20);
        let quick = (0..drops).filter(|_| {
            let shared = Shared::new(|builder| builder.entries(8));
            let hands = [(); 2].map(|()| Hand::new());
            let _reads = hands.each_ref().map(|hand| shared.read_by(hand));
            let took = shared.drop_drive_on(&hands[1]);
            // What the other thread submitted is over at once, in its ring. To wait in another
            // takes until what was cancelled is cancelled again.
            took < Duration::from_millis(90)
        });
        let quick = quick.count() as u64;
        assert!(quick > drops / 2, "{quick} of {drops} drops");
    });
}

#[test]
fn where_linux_makes_no_more_rings_there_is_none_of_another_kernel() {
    const NAME: &str = "where_linux_makes_no_more_rings_there_is_none_of_another_kernel";
    if !on_host() && child::is_blocked_here() {
        return skip(NAME, child::BLOCKED_HERE);
    }
    child::run(NAME, || {
        let shared = Shared::new(|builder| builder.entries(8));
        child::block(&[child::SETUP], Errno::EPERM);
        two_threads_share_one_ring(&shared);
    });
}

/// Linux ends a link timeout with the thread that submitted it, and leaves what it is of.
#[test]
fn a_deadline_outlives_the_thread_that_submitted_both() {
    limit(LIMIT, || {
        let shared = Shared::new(|builder| builder.entries(8));
        let one = Hand::new();
        for n in 0..times(200) {
            let (reader, _writer) = std::io::pipe().expect("a pipe");
            let shipped = shared.engine.metrics().shipped;
            let span = Duration::from_micros(50 + n * 37 % 2000);
            let mut read = begin(shared.engine.file(reader).read(vec![0; 8]).deadline(span));
            let two = Hand::new();
            shared.drive_until(&two, || shared.engine.metrics().shipped > shipped);
            drop(two);
            let done = told(shared.output_by(&one, &mut read));
            assert_eq!(done, Err(ErrorKind::TimedOut), "read {n}");
        }
    });
}

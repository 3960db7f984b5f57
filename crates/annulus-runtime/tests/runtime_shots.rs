//! Operations of many results: each result is given once, in order, to whoever asks next; none is
//! lost by a dropped future; what nobody takes is given back.

mod common;
mod sockets;

use std::cell::RefCell;
use std::future::Future;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use annulus_ring::abi::{CqeFlags, PollEvents, Sqe};
use annulus_ring::op;
use annulus_runtime::operation::{Completion, Multishot, Origin};
use annulus_runtime::runtime::net::{Incoming, TcpListener};
use annulus_runtime::runtime::{Shot, Shots, shots};
use annulus_runtime::{Runtime, spawn_local, time, yield_now};
use common::process::descriptors;
use futures::FutureExt;
use futures::future::poll_immediate;

/// These take some milliseconds, or for ever.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs `body` while no other test here opens descriptors.
fn alone_within(body: impl FnOnce()) {
    let _alone = sockets::alone();
    common::limit(LIMIT, body);
}

/// What became of a poll's reports.
#[derive(Default)]
struct Log {
    taken: Vec<u32>,
    reclaimed: Vec<Completion>,
    dropped: bool,
}

/// A poll that goes on.
struct Watch {
    fd: OwnedFd,
    waiting_max: usize,
    log: Rc<RefCell<Log>>,
}

// SAFETY: a poll's entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Multishot for Watch {
    type Item = u32;

    fn entry(&mut self) -> Sqe {
        op::PollAdd::new(self.fd.as_raw_fd(), PollEvents::IN).multishot().build()
    }

    fn waiting_max(&self) -> usize {
        self.waiting_max
    }

    fn item(&mut self, shot: Completion) -> u32 {
        assert!(shot.flags.contains(CqeFlags::MORE));
        let events = shot.result.expect("a report");
        self.log.borrow_mut().taken.push(events);
        events
    }

    fn reclaim(&mut self, shot: Completion) {
        self.log.borrow_mut().reclaimed.push(shot);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.log.borrow_mut().dropped = true;
    }
}

/// A poll of a pipe, the pipe's other end, and what becomes of it.
fn watch(waiting_max: usize) -> (Watch, std::io::PipeWriter, Rc<RefCell<Log>>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let log = Rc::default();
    (Watch { fd: reader.into(), waiting_max, log: Rc::clone(&log) }, writer, log)
}

fn on_runtime<F: Future>(body: F) -> F::Output {
    let runtime = Runtime::new().expect("a runtime");
    let output = runtime.block_on(body);
    runtime.shutdown(LIMIT).expect("nothing is left");
    output
}

/// Writes a byte, and lets the ring have its turn.
async fn come(writer: &mut std::io::PipeWriter) {
    writer.write_all(b"x").expect("room in the pipe");
    for _ in 0..3 {
        time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn results_that_came_before_they_were_asked_for_are_given_one_by_one() {
    alone_within(|| {
        on_runtime(async {
            let (watch, mut writer, log) = watch(64);
            let mut reports = shots(watch);
            assert!(poll_immediate(pin!(reports.next())).await.is_none()); // begun, and dropped
            for _ in 0..5 {
                come(&mut writer).await;
            }
            let mut count = 0;
            while let Some(Shot::Item(_)) = reports.next().now_or_never() {
                count += 1;
            }
            // Two that came while nobody looked may have been one to the kernel.
            assert!((1..=5).contains(&count), "{count}");
            assert_eq!(log.borrow().taken.len(), count);
            let waits = spawn_local(async move {
                let got = reports.next().await;
                assert!(matches!(got, Shot::Item(_)));
                reports
            });
            yield_now().await;
            come(&mut writer).await;
            drop(waits.await.expect("no panic"));
        });
    });
}

#[test]
fn the_last_gives_the_operation_back() {
    alone_within(|| {
        on_runtime(async {
            let (watch, mut writer, log) = watch(64);
            let mut reports = shots(watch);
            assert!(reports.next().now_or_never().is_none());
            come(&mut writer).await;
            reports.cancel();
            assert!(matches!(reports.next().await, Shot::Item(_)), "what came before is given");
            let Shot::Last(ended) = reports.next().await else { panic!("it was cancelled") };
            assert_eq!(ended.completion().origin, Origin::Cancelled);
            assert!(!ended.was_full() && !log.borrow().dropped);
            // It may be begun again.
            let mut again = shots(ended.into_operation());
            assert!(matches!(again.next().await, Shot::Item(_)), "there is a byte in the pipe");
        });
    });
}

#[test]
fn one_that_nobody_takes_from_is_ended() {
    alone_within(|| {
        on_runtime(async {
            let (watch, mut writer, log) = watch(2);
            let mut reports = shots(watch);
            assert!(reports.next().now_or_never().is_none());
            for _ in 0..8 {
                come(&mut writer).await;
            }
            let mut taken = 0;
            let ended = loop {
                match reports.next().await {
                    Shot::Item(_) => taken += 1,
                    Shot::Last(ended) => break ended,
                }
            };
            // A few may come until it has ended.
            assert!((2..8).contains(&taken), "{taken}");
            assert!(ended.was_full() && log.borrow().reclaimed.is_empty());
            drop(ended);
            assert!(log.borrow().dropped && log.borrow().reclaimed.len() == 1);
        });
    });
}

#[test]
fn what_nobody_takes_is_given_back() {
    alone_within(|| {
        let (watch, mut writer, log) = watch(64);
        on_runtime(async {
            let mut reports = shots(watch);
            assert!(reports.next().now_or_never().is_none());
            come(&mut writer).await;
            drop(reports);
            assert!(!log.borrow().dropped, "the kernel has it");
        });
        let log = log.borrow();
        assert!(log.dropped && log.taken.is_empty());
        let (last, others) = log.reclaimed.split_last().expect("the last at least");
        assert!(others.iter().all(|shot| shot.flags.contains(CqeFlags::MORE)));
        assert_eq!(others.len(), 1);
        assert!(last.result.is_err() && !last.flags.contains(CqeFlags::MORE));
    });
}

#[test]
fn forgotten_ones_end_with_the_runtime() {
    alone_within(|| {
        let (watch, mut writer, log) = watch(64);
        let reports = on_runtime(async {
            let mut reports = ManuallyDrop::new(shots(watch));
            assert!(reports.next().now_or_never().is_none());
            come(&mut writer).await;
            reports
        });
        // The kernel has let go of it; what was forgotten is not dropped by anybody.
        assert!(!log.borrow().dropped && log.borrow().taken.is_empty());
        drop(ManuallyDrop::into_inner(reports));
        assert!(log.borrow().dropped, "remembered in the end");
    });
}

#[test]
#[should_panic(expected = "after its last result")]
fn none_comes_after_the_last() {
    alone_within(|| {
        on_runtime(async {
            let (watch, _writer, _log) = watch(64);
            let mut reports: Shots<Watch> = shots(watch);
            reports.cancel();
            assert!(reports.next().now_or_never().is_none());
            reports.cancel();
            assert!(matches!(reports.next().await, Shot::Last(_)));
            let _ = reports.next().await;
        });
    });
}

/// A listener's connections, and where to connect to.
fn incoming() -> (Incoming, std::net::SocketAddr) {
    let listener = StdListener::bind("127.0.0.1:0").expect("a listener");
    let to = listener.local_addr().expect("it has one");
    (TcpListener::from_std(listener).incoming(), to)
}

#[test]
fn a_thousand_connections_come_once_each() {
    alone_within(|| {
        on_runtime(async {
            let (mut incoming, to) = incoming();
            for n in 0..1_000_u32 {
                let mut client = StdStream::connect(to).expect("a place in the queue");
                client.write_all(&n.to_le_bytes()).expect("room in the socket");
                if n % 3 == 0 {
                    // Dropped before or after its connection came, or with none under way.
                    assert!(incoming.next().now_or_never().is_none());
                }
                let mut stream = incoming.next().await.expect("a connection");
                let (count, bytes) = stream.read(vec![0; 8]).await.expect("its number");
                assert_eq!((count, &bytes[..4]), (4, &n.to_le_bytes()[..]));
            }
        });
    });
}

#[test]
fn connections_beyond_the_bound_wait_in_the_kernels_queue() {
    alone_within(|| {
        on_runtime(async {
            let (incoming, to) = incoming();
            let mut incoming = incoming.waiting_max(4);
            assert!(incoming.next().now_or_never().is_none());
            let before = descriptors();
            let mut clients: Vec<_> =
                (0..100).map(|_| StdStream::connect(to).expect("the queue has room")).collect();
            // How many the kernel had accepted before the cancel came is its own affair; no more
            // come after that.
            let mut accepted = usize::MAX;
            while accepted != descriptors() - before - clients.len() {
                accepted = descriptors() - before - clients.len();
                time::sleep(Duration::from_millis(50)).await;
            }
            clients.push(StdStream::connect(to).expect("the queue has room"));
            time::sleep(Duration::from_millis(20)).await;
            assert_eq!(descriptors() - before - clients.len(), accepted);
            let mut peers = Vec::new();
            for _ in &clients {
                peers.push(incoming.next().await.expect("a connection").peer_addr().expect("one"));
            }
            let own: Vec<_> = clients.iter().map(|c| c.local_addr().expect("one")).collect();
            assert_eq!(peers, own);
        });
    });
}

#[test]
fn a_listener_that_is_given_back_loses_no_connection() {
    alone_within(|| {
        let before = descriptors();
        on_runtime(async {
            for _ in 0..100 {
                let (mut incoming, to) = incoming();
                assert!(incoming.next().now_or_never().is_none());
                let clients: Vec<_> =
                    (0..5).map(|_| StdStream::connect(to).expect("the queue has room")).collect();
                let (mut listener, early) = incoming.into_listener().await;
                let mut peers: Vec<_> =
                    early.iter().map(|stream| stream.peer_addr().expect("one")).collect();
                while peers.len() < clients.len() {
                    peers.push(listener.accept().await.expect("a connection").1);
                }
                let own: Vec<_> = clients.iter().map(|c| c.local_addr().expect("one")).collect();
                assert_eq!(peers, own);
            }
        });
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn connections_that_nobody_takes_are_closed() {
    alone_within(|| {
        let before = descriptors();
        for _ in 0..50 {
            on_runtime(async {
                let (mut incoming, to) = incoming();
                assert!(incoming.next().now_or_never().is_none());
                let _clients: Vec<_> =
                    (0..5).map(|_| StdStream::connect(to).expect("the queue has room")).collect();
                yield_now().await;
            });
        }
        assert_eq!(descriptors(), before);
    });
}

//! What io_uring has no operation for, on a runtime: by the ring in user space beside its own where
//! that is Linux's, and by its own where that is in user space.

mod common;
mod files;

use std::future::Future;
use std::io::{Read, SeekFrom};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use annulus_ring::abi::{Op, Sqe, private};
use annulus_ring::{Errno, op};
use annulus_runtime::engine::DirEntries;
use annulus_runtime::operation::{Completion, Operation};
use annulus_runtime::runtime::net::TcpStream;
use annulus_runtime::runtime::{File, engine, metrics};
use annulus_runtime::time::{sleep, timeout};
use annulus_runtime::{LocalOp, Runtime, run, spawn_local, submit};
use common::full::{LONG, fill};
use common::{LIMIT, limit, on_host};
use files::TempDir;

/// Runs `body` on a runtime, in a time.
fn on_runtime<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    limit(LIMIT, || run(async { body().await }).unwrap());
}

/// A file that is long, a socket that is full, and the other end.
fn endless(dir: &TempDir) -> (File, File, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    let file = dir.file("long", b"");
    fill(&there, &file);
    (File::new(file), File::new(there), here)
}

#[test]
fn the_operations_of_engines_are_a_runtimes_too() {
    on_runtime(|| async {
        let dir = TempDir::new();
        let (from, to) = (File::new(dir.file("from", b"0123")), File::new(dir.file("to", b"")));
        assert_eq!(from.copy_to(1, &to, 0, 9).await.unwrap(), 3);
        assert_eq!(std::fs::read(dir.path("to")).unwrap(), b"123");
        assert_eq!(from.seek(SeekFrom::End(-1)).await.unwrap(), 3);
        assert_eq!(from.read(vec![0; 4]).await.unwrap().1[..1], *b"3");
        assert_eq!(from.seek_data(0).await.unwrap(), Some(0));
        to.set_permissions(0o640).await.unwrap();
        assert_eq!(to.metadata().await.unwrap().mode() & 0o777, 0o640);
        let errno = to.socket_name().await.unwrap_err().errno();
        assert_eq!(errno, Some(Errno::ENOTSOCK));
        if let Err(error) = to.reflink_from(&from).await {
            assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
        }
        let link = LocalOp::of(engine().read_link("/proc/self/exe")).await.unwrap();
        assert_eq!(link, std::env::current_exe().unwrap());
        let folder =
            LocalOp::of(engine().open_dir(dir.path("")).await.unwrap().list(DirEntries::new()));
        assert_eq!(folder.await.unwrap().iter().count(), 2);
    });
}

#[test]
fn what_cannot_block_is_done_at_once() {
    limit(LIMIT, || {
        run(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let expected = listener.local_addr().unwrap();
            let socket = File::new(listener);
            let before = metrics().turns;
            for _ in 0..100 {
                let found = socket.socket_name().await.unwrap();
                assert_eq!(found.and_then(|addr| addr.to_socket_addr()), Some(expected));
                assert_eq!(socket.peer_name().await.unwrap_err().errno(), Some(Errno::ENOTCONN));
            }
            // A task has a budget, after which it lets others go on.
            assert!(metrics().turns - before < 50, "it goes to no ring");
        })
        .unwrap();
    });
}

#[test]
fn what_waits_for_a_peer_keeps_nobody_and_ends_when_it_is_told() {
    on_runtime(|| async {
        let dir = TempDir::new();
        let (file, socket, mut peer) = endless(&dir);
        let ticks = Rc::new(std::cell::Cell::new(0));
        let ticker = {
            let ticks = Rc::clone(&ticks);
            spawn_local(async move {
                loop {
                    sleep(Duration::from_millis(1)).await;
                    ticks.set(ticks.get() + 1);
                }
            })
        };
        let sent = file.send_to(0, &socket, LONG).deadline(Duration::from_millis(50)).await;
        assert!(sent.unwrap_err().is_timeout());
        assert!(ticks.get() > 0, "the tasks went on");
        ticker.abort();
        let late = timeout(Duration::from_millis(20), file.send_to(0, &socket, 9)).await;
        assert!(late.is_err(), "and the future was dropped");
        let mut send = file.send_to(0, &socket, 9);
        let first = timeout(Duration::from_millis(5), &mut send).await;
        assert!(first.is_err());
        send.cancel();
        assert!(send.await.unwrap_err().is_cancelled());
        // What was dropped has let go of the socket, or does so soon.
        drop((file, socket));
        let read = annulus_runtime::spawn_blocking(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        });
        assert!((read.await.unwrap().unwrap() as u64) < LONG + 18);
    });
}

#[test]
fn the_end_of_a_runtime_ends_them() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let runtime = Runtime::new().unwrap();
        let peer = runtime.block_on(async {
            let (file, socket, peer) = endless(&dir);
            for _ in 0..4 {
                let (file, socket) = (file.clone(), socket.clone());
                drop(spawn_local(async move { file.send_to(0, &socket, LONG).await }));
            }
            sleep(Duration::from_millis(5)).await;
            peer
        });
        runtime.shutdown(Duration::from_secs(20)).expect("nothing hangs");
        drop(peer);
    });
}

#[test]
fn many_go_on_beside_each_other() {
    on_runtime(|| async {
        let dir = TempDir::new();
        let content: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let from = File::new(dir.file("from", &content));
        let to = File::new(dir.file("to", b""));
        let parts: Vec<_> = (0..1000)
            .map(|n| {
                let (from, to) = (from.clone(), to.clone());
                spawn_local(async move { from.copy_to(n * 100, &to, n * 100, 100).await })
            })
            .collect();
        for part in parts {
            assert_eq!(part.await.unwrap().unwrap(), 100);
        }
        assert!(std::fs::read(dir.path("to")).unwrap() == content);
    });
}

/// An entry of the caller's, which points to nothing.
struct Bare {
    entry: Sqe,
}

// SAFETY: the tests have no other.
unsafe impl Operation for Bare {
    type Output = Result<u32, Errno>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        self.entry
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.result
    }

    fn reclaim(self, _: Completion) {}
}

/// The same that does not say what it is.
struct Unsaid(Sqe);

// SAFETY: the tests have no other.
unsafe impl Operation for Unsaid {
    type Output = Result<u32, Errno>;

    fn entry(&mut self) -> Sqe {
        self.0
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.result
    }

    fn reclaim(self, _: Completion) {}
}

#[test]
fn an_operation_says_what_it_is() {
    on_runtime(|| async {
        let unlock = private::flock(-1, private::FlockOperation::UN);
        assert_eq!(submit(Bare { entry: unlock }).await, Err(Errno::EBADF));
        let refused = submit(Unsaid(unlock)).await;
        let expected = if on_host() { Errno::EBADF } else { Errno::EINVAL };
        assert_eq!(refused, Err(expected), "Linux has no such number");
        // What is said goes to the kernel in user space, which has the other operations too.
        assert_eq!(submit(Bare { entry: op::Nop::new().build() }).await, Ok(0));
    });
}

#[test]
fn a_runtime_that_may_do_little_may_not_do_these() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let body = |file: File| async move {
            let copied = file.copy_to(0, &file, 1 << 20, 4).await;
            let set = file.set_permissions(0o600).await;
            (copied, set.map_err(|error| error.errno()))
        };
        let runtime = Runtime::builder().allow_only([Op::COPY_FILE_RANGE]).build().unwrap();
        let std = dir.file("file", b"0123");
        let (copied, set) = runtime.block_on(async { body(File::new(std)).await });
        assert_eq!(copied, Ok(4));
        assert_eq!(set, Err(Some(Errno::EACCES)));
    });
}

#[test]
fn a_stream_sends_files_in_turn_with_writes() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        // More than the buffers of two sockets can be told to hold.
        const SIZE: usize = 32 << 20;
        let long = dir.file("long", &vec![b'f'; SIZE]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut server = listener.accept().unwrap().0;
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let peer = std::thread::spawn(move || {
            // Nothing is read before the file was given up.
            told.recv().unwrap();
            let mut all = Vec::new();
            server.read_to_end(&mut all).map(|_| all)
        });
        run(async move {
            let mut stream = TcpStream::from_std(client);
            let file = File::new(long);
            stream.write_all("begin").await.unwrap();
            assert_eq!(stream.send_file(&file, 1, 10).await.unwrap(), 10);
            assert_eq!(stream.send_file(&file, SIZE as u64, 10).await.unwrap(), 0, "the end");
            let given_up =
                timeout(Duration::from_millis(20), stream.send_file(&file, 0, SIZE as u64));
            assert!(given_up.await.is_err(), "nobody reads");
            tell.send(()).unwrap();
            // It waits until the file has let go of the socket: nothing of it comes behind.
            stream.write_all("end").await.unwrap();
        })
        .unwrap();
        let all = peer.join().unwrap().unwrap();
        let files = all[5..all.len() - 3].iter();
        assert!(all.starts_with(b"beginffffffffff") && all.ends_with(b"end"));
        assert!(files.clone().all(|byte| *byte == b'f') && files.len() < 10 + SIZE);
    });
}

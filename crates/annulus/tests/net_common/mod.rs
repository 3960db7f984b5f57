//! What the tests of sockets share: an end for those that hang, the third outcome, moments, chance,
//! descriptors.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

#[path = "../../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::future::{Future, poll_fn};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::time;

#[allow(unused_imports, reason = "each file of tests uses what it needs")]
pub use harness::{limit, skip, times};

/// How long a test may take that has no reason to take longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test's body on a runtime, with an end.
#[track_caller]
pub fn run<F: Future>(body: F) -> F::Output {
    limit(LIMIT, || annulus::run(body).expect("a runtime"))
}

/// Lets the runtime have a turn: the kernel is shown what was begun, and what is done is seen.
pub async fn turn() {
    time::sleep(Duration::ZERO).await;
}

/// Awaits a future for so many turns, and drops it if it is not ready by then.
pub async fn within<F: Future>(turns: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for left in (0..=turns).rev() {
        let now = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = now {
            return Some(output);
        }
        if left > 0 {
            turn().await;
        }
    }
    None
}

/// Two ends of a connection.
pub async fn pair() -> (TcpStream, TcpStream) {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let client = TcpStream::connect(listener.local_addr().expect("it is bound")).await;
    let (server, _) = listener.accept().await.expect("it came");
    (client.expect("it listens"), server)
}

/// Numbers that look random, the same ones in each run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// One test at a time: where descriptors are counted.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many descriptors the process has open.
pub fn descriptors() -> usize {
    // The folder itself is open while it is read.
    std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").count() - 1
}

/// Whether a descriptor is closed at an exec.
pub fn is_cloexec(fd: impl AsFd) -> bool {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path).expect("/proc is mounted");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).expect("its flags");
    u32::from_str_radix(flags.trim(), 8).expect("a number") & 0o2_000_000 != 0
}

/// Whether this machine has `::1`; else the test `name` is skipped, and the caller returns.
pub fn has_ipv6(name: &str) -> bool {
    let has = std::net::UdpSocket::bind("[::1]:0").is_ok();
    if !has {
        skip(name, "there is no IPv6 loopback");
    }
    has
}

/// A name for something of this test alone.
pub fn unique(name: &str) -> String {
    format!("annulus-{name}-{}", std::process::id())
}

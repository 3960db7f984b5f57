//! What the tests of the adaptors share: a limit, connections to oneself, a reset.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

#[path = "../../../annulus-ring/tests/common/harness.rs"]
mod harness;

#[allow(unused_imports, reason = "each file of tests uses what it needs")]
pub use harness::{limit, times};

/// How long a test may take that has no reason to take longer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A listener on this machine alone, and its address.
pub fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let addr = listener.local_addr().expect("it is bound");
    (listener, addr)
}

/// Two ends of a connection.
pub fn pair() -> (TcpStream, TcpStream) {
    let (listener, addr) = listener();
    let client = TcpStream::connect(addr).expect("it listens");
    (listener.accept().expect("it came").0, client)
}

/// Closes an end so that the other is reset: with bytes that nobody has read.
pub fn reset(mut near: &TcpStream, far: TcpStream) {
    near.write_all(b"unread").expect("there is room");
    far.peek(&mut [0]).expect("it came");
    drop(far);
}

/// Bytes that tell where they are.
pub fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Asks a server, and reads to the end of its answer.
pub fn ask(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// Runs `body` on a thread of its own, and waits for it as a task does.
pub async fn beside<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = futures::channel::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let value = body();
        drop(tell);
        value
    });
    let _ = told.await;
    thread.join().expect("no panic")
}

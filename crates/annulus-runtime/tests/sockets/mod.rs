//! What the tests of the runtime's sockets share: connections to oneself, moments, chance.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use annulus_runtime::time;

/// One test at a time: where descriptors are counted.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

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

/// Lets the runtime have a turn: the kernel is shown what was begun, and what is done is seen.
pub async fn turn() {
    time::sleep(Duration::ZERO).await;
}

/// Awaits a future for so many turns, and drops it if it is not ready by then.
pub async fn within<F: Future>(turns: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = turns;
    let mut pause: Option<Pin<Box<dyn Future<Output = ()>>>> = None;
    std::future::poll_fn(move |cx| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if left == 0 {
                return Poll::Ready(None);
            }
            let waits = pause.get_or_insert_with(|| Box::pin(turn()));
            if waits.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            pause = None;
            left -= 1;
        }
    })
    .await
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

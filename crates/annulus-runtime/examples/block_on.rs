//! No runtime at all: ordinary threads, each waiting for one future after the other. All that a
//! future needs is somebody to poll it when it is woken: 15 lines here.
//!
//! `cargo run --example block_on`

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use annulus_runtime::{Engine, File};

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` on this thread until it is done; asleep in between.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

const STAGES: usize = 4;

/// Passes on what comes, each byte one greater, until the other side is closed.
fn stage(from: &File, to: &File) -> io::Result<usize> {
    let (mut buf, mut total) = (Vec::with_capacity(1024), 0);
    loop {
        buf.clear();
        let (count, mut bytes) = block_on(from.read(buf))?;
        if count == 0 {
            return Ok(total);
        }
        bytes.iter_mut().for_each(|byte| *byte += 1);
        let (written, bytes) = block_on(to.write(bytes))?;
        assert_eq!(written, count, "a pipe takes so few bytes at once");
        (buf, total) = (bytes, total + count);
    }
}

fn main() -> io::Result<()> {
    let engine = Engine::new()?;
    let (reader, writer) = io::pipe()?;
    let (first, mut last) = (engine.file(writer), engine.file(reader));
    let mut threads = Vec::new();
    for _ in 0..STAGES {
        let (reader, writer) = io::pipe()?;
        let (from, to) = (last, engine.file(writer));
        last = engine.file(reader);
        threads.push(thread::spawn(move || stage(&from, &to)));
    }

    let (_, text) = block_on(first.write("=jjqhqo"))?;
    drop(first); // each stage ends when the one before it does
    let mut received = Vec::new();
    loop {
        let (count, bytes) = block_on(last.read(vec![0; 64]))?;
        if count == 0 {
            break;
        }
        received.extend_from_slice(&bytes[..count]);
    }
    for thread in threads {
        assert_eq!(thread.join().expect("a stage does not panic")?, text.len());
    }
    assert_eq!(received, b"Annulus");
    let received = String::from_utf8_lossy(&received);
    println!("{text:?} is {received:?} behind {STAGES} threads and {} pipes", STAGES + 1);
    println!("{:?}", engine.metrics());
    Ok(())
}

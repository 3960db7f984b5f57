//! A fixed piece of work through an engine that survives any error of the kernel: what
//! `cargo xtask errno` runs while one system call after the other is made to fail.
//!
//! Every operation ends with the right bytes, or with an error and its buffer; or, where the kernel
//! cannot be entered any more, it stays under way, and the engine says that it is closed. It ends
//! with 0 unless that account is wrong.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use annulus_runtime::Engine;
use annulus_runtime::buffer::{AlignedBuf, IoBuf};

const BLOCK_BYTES: usize = 4096;
const BLOCKS: usize = 8;

/// How long an operation may take whose engine is not closed.
const HANG: Duration = Duration::from_secs(20);

fn main() -> io::Result<()> {
    let engine = match Engine::builder().entries(8).close_limit(Duration::from_secs(1)).build() {
        Ok(engine) => engine,
        Err(error) => {
            println!("no engine: {error}");
            return Ok(());
        }
    };
    let path = std::env::temp_dir().join(format!("annulus-errno-{}", std::process::id()));
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    let file = engine.file(file);
    let mut work = Work::default();
    for block in 0..BLOCKS {
        let bytes = vec![block as u8 + 1; BLOCK_BYTES];
        work.run(&engine, file.write_all_at(bytes, (block * BLOCK_BYTES) as u64), |written| {
            let (n, _) = written?;
            assert_eq!(n, BLOCK_BYTES);
            Ok(())
        });
    }
    let written = work.failed + work.open == 0;
    for block in 0..BLOCKS {
        let buf = AlignedBuf::new(BLOCK_BYTES).slice(0..BLOCK_BYTES);
        work.run(&engine, file.read_at(buf, (block * BLOCK_BYTES) as u64), |read| {
            let (n, buf) = read?;
            if written && n == BLOCK_BYTES {
                assert_eq!(buf.into_inner()[..], [block as u8 + 1; BLOCK_BYTES]);
            }
            Ok(())
        });
    }
    let (reader, writer) = io::pipe()?;
    let (reader, writer) = (engine.file(reader), engine.file(writer));
    let chain = writer.write(&b"through a pipe"[..]).then(reader.read(vec![0; 64]));
    work.run(&engine, chain, |(sent, got)| {
        sent?;
        let (n, buf) = got?;
        assert_eq!(&buf[..n], b"through a pipe");
        Ok(())
    });
    let late = reader.read(vec![0; 8]).deadline(Duration::from_millis(5));
    work.run(&engine, late, |late| Ok(late.map(drop)?));
    println!("{} done, {} failed, {} under way for good", work.done, work.failed, work.open);
    if work.open > 0 {
        // What is under way keeps its engine: there is nothing to wait for.
        std::process::exit(0);
    }
    Ok(())
}

/// What became of the operations.
#[derive(Default)]
struct Work {
    done: u32,
    failed: u32,
    open: u32,
}

impl Work {
    /// Waits for an operation, as long as its engine is not closed.
    fn run<F: Future>(
        &mut self,
        engine: &Engine,
        operation: F,
        judge: impl FnOnce(F::Output) -> io::Result<()>,
    ) {
        let mut operation = Box::pin(operation);
        match wait(engine, operation.as_mut()).map(judge) {
            Some(Ok(())) => self.done += 1,
            Some(Err(error)) => {
                println!("failed: {error}");
                self.failed += 1;
            }
            None => {
                std::mem::forget(operation);
                self.open += 1;
            }
        }
    }
}

/// The output, or nothing where the engine was closed and has not ended the operation.
fn wait<F: Future>(engine: &Engine, mut operation: Pin<&mut F>) -> Option<F::Output> {
    let (bell, rung) = channel();
    let waker = Waker::from(Arc::new(Bell(bell)));
    let begun = Instant::now();
    loop {
        if let Poll::Ready(output) = operation.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if rung.recv_timeout(Duration::from_millis(200)).is_ok() {
            continue;
        }
        if is_closed(engine) {
            return None;
        }
        assert!(begun.elapsed() < HANG, "an operation hangs: {:?}", engine.metrics());
    }
}

/// Whether the engine takes nothing new.
fn is_closed(engine: &Engine) -> bool {
    let Ok((reader, _writer)) = io::pipe() else { return false };
    let file = engine.file(reader);
    let mut probe = pin!(file.read(vec![0; 1]));
    let now = probe.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    matches!(now, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe)
}

/// A waker that says so through a channel.
struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

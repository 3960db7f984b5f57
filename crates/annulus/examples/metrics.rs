//! What a runtime tells of itself: counters since it began, and the operations that are not over,
//! with their age, for the question "what does it wait for?".
//!
//! `metrics FILE…` reads files at the same time and tells what it took; without arguments it reads
//! two and waits on a pipe.

use annulus::fs::{self, pipe};
use annulus::time::sleep;
use annulus::{Runtime, RuntimeMetrics, spawn_local};
use std::error::Error;
use std::io;
use std::time::Duration;

/// One line each, as a program would give them to its monitoring.
fn print(metrics: &RuntimeMetrics) {
    let ops = &metrics.ops;
    println!("kernel                    {:>8}", ops.kernel);
    println!("operations at once        {:>8}", ops.inline);
    println!("operations by the ring    {:>8}", ops.completed);
    println!("  of them cancelled       {:>8}", ops.cancelled);
    println!("system calls for them     {:>8}", ops.enters);
    println!("in the kernel now         {:>8}", ops.in_flight);
    println!("waiting for room          {:>8}", ops.queued);
    println!("tasks                     {:>8}", metrics.tasks);
    println!("polls of tasks            {:>8}", metrics.polls);
    println!("threads for what blocks   {:>8}", metrics.blocking_threads);
}

async fn read_all(paths: Vec<String>) -> Result<usize, Box<dyn Error>> {
    let reads: Vec<_> = paths.into_iter().map(|path| spawn_local(fs::read(path))).collect();
    let mut bytes = 0;
    for read in reads {
        bytes += read.await??.len();
    }
    Ok(bytes)
}

/// A read that nobody answers, seen from outside.
async fn waits() -> Result<(), Box<dyn Error>> {
    let (reader, writer) = pipe().await?;
    let read = spawn_local(async move {
        let (n, buf) = reader.read(vec![0; 64]).await?;
        Ok::<_, io::Error>(buf[..n].to_vec())
    });
    sleep(Duration::from_millis(20)).await;
    for op in annulus::ops() {
        println!("{op}");
    }
    assert_eq!(annulus::metrics().ops.in_flight, 1);
    writer.write_all("at last").await?;
    assert_eq!(read.await??, b"at last");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Runtime::new()?;
    let bytes = runtime.block_on(async {
        if !paths.is_empty() {
            return read_all(paths).await;
        }
        waits().await?;
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        read_all(vec![manifest.to_owned(), "/proc/self/status".to_owned()]).await
    })?;
    println!("{bytes} bytes read");
    let metrics = runtime.metrics();
    print(&metrics);
    assert_eq!((metrics.tasks, metrics.ops.queued), (0, 0));
    // Says what was left after a second; here nothing is.
    runtime.shutdown(Duration::from_secs(1))?;
    Ok(())
}

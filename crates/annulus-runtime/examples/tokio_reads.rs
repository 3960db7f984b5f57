//! Reads inside a tokio program: 32 tasks on two worker threads read random blocks of one file,
//! past the page cache where its file system can. No thread is added: a task of that runtime
//! drives the engine.
//!
//! `cargo run --example tokio_reads --features tokio`

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use annulus_runtime::buffer::AlignedBuf;
use annulus_runtime::{Engine, File as EngineFile};
use tokio::runtime::Builder;

const BLOCK_BYTES: usize = 4096;
const BLOCKS: u64 = 1024;
const TASKS: u64 = 32;
const READS_PER_TASK: u64 = 100;

fn main() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("annulus-tokio-reads-{}", std::process::id()));
    // Each block is full of its own number.
    let blocks = (0..BLOCKS).flat_map(|n| n.to_le_bytes().repeat(BLOCK_BYTES / 8));
    std::fs::write(&path, blocks.collect::<Vec<u8>>())?;
    let done = open(&path).and_then(|(file, kind)| {
        println!("{TASKS} tasks, {READS_PER_TASK} random {kind} reads of 4 KiB each");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_io().build()?;
        runtime.block_on(program(file))
    });
    std::fs::remove_file(&path)?;
    done
}

/// Opens the file for direct I/O, or else for reads through the page cache.
fn open(path: &Path) -> io::Result<(File, &'static str)> {
    match OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path) {
        Ok(file) => Ok((file, "direct")),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((File::open(path)?, "cached"))
        }
        Err(error) => Err(error),
    }
}

async fn program(file: File) -> io::Result<()> {
    let (engine, drive) = Engine::builder().build_driven()?;
    let drive = tokio::spawn(drive);
    let file = engine.file(file);

    let tasks: Vec<_> = (0..TASKS).map(|n| tokio::spawn(read_some(file.clone(), n))).collect();
    let mut reads = 0;
    for task in tasks {
        reads += task.await??;
    }
    assert_eq!(reads, TASKS * READS_PER_TASK);

    let metrics = engine.metrics();
    assert_eq!(metrics.inline + metrics.completed, reads);
    println!("{} at once, {} through the ring", metrics.inline, metrics.completed);
    if let Some(enters) = metrics.enters_per_operation() {
        println!("{enters:.2} system calls for each of those");
    }

    // The drive ends with the last handle.
    drop((file, engine));
    drive.await?;
    Ok(())
}

/// One task: a read after the other, all into one buffer that goes to the kernel and comes back.
async fn read_some(file: EngineFile, seed: u64) -> io::Result<u64> {
    let mut buf = AlignedBuf::new(BLOCK_BYTES);
    let mut random = seed;
    for _ in 0..READS_PER_TASK {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let block = (random >> 33) % BLOCKS;
        (_, buf) = file.read_exact_at(buf, block * BLOCK_BYTES as u64).await?;
        assert!(buf.chunks(8).all(|number| number == block.to_le_bytes()), "block {block}");
    }
    Ok(READS_PER_TASK)
}

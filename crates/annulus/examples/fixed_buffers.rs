//! Registered ("fixed") buffers and files: the kernel has looked up and pinned them beforehand, and
//! is told numbers. That spares work at each direct read; through the page cache it does not pay.
//!
//! `fixed_buffers FILE` reads a file both ways, in turns, and says what processor time a read took;
//! without arguments it reads one of its own.

use annulus::buffer::{AlignedBuf, IoBufMut};
use annulus::fs::{File, OpenOptions};
use annulus::{Runtime, fixed_pool, spawn_local};
use std::error::Error;
use std::io;
use std::path::Path;

const DEPTH: usize = 32;
const BLOCK_BYTES: usize = 4096;
/// In each round, a whole number for each buffer.
const READS: u64 = 8192;
const ROUNDS: usize = 3;

/// Processor time of this thread until now, in nanoseconds: its own and the kernel's for it.
fn cpu_ns() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| io::Error::other("no schedstat: the kernel does not account"))
}

/// Reads blocks, one after the other, into one buffer.
async fn read_blocks<B: IoBufMut>(file: File, mut buf: B, blocks: u64) -> io::Result<B> {
    for n in 0..READS / DEPTH as u64 {
        buf = file.read_exact_at(buf, n * 7919 % blocks * BLOCK_BYTES as u64).await?.1;
    }
    Ok(buf)
}

/// As many at once as there are buffers, which come back: how long a read took.
async fn measure<B: IoBufMut>(
    file: &File,
    bufs: &mut Vec<B>,
    blocks: u64,
) -> Result<f64, Box<dyn Error>> {
    let before = cpu_ns()?;
    let readers: Vec<_> =
        bufs.drain(..).map(|buf| spawn_local(read_blocks(file.clone(), buf, blocks))).collect();
    for reader in readers {
        bufs.push(reader.await??);
    }
    Ok((cpu_ns()? - before) as f64 / READS as f64 / 1e3)
}

/// Past the page cache where that can be.
async fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    match options.read(true).direct(true).open(path).await {
        Err(why) if why.kind() == io::ErrorKind::InvalidInput => {
            println!("{}: no direct I/O; through the page cache then", path.display());
            Ok(options.direct(false).open(path).await?)
        }
        opened => Ok(opened?),
    }
}

async fn both_ways(path: &Path) -> Result<(), Box<dyn Error>> {
    let (plain, fixed) = (open(path).await?, open(path).await?);
    let blocks = plain.metadata().await?.len() / BLOCK_BYTES as u64;
    if blocks == 0 {
        return Err("the file is shorter than a block".into());
    }
    // This one goes by its place in the ring's table from here on.
    fixed.register()?;
    let pool = fixed_pool().ok_or("this runtime was built with a pool")?;
    let mut plain_bufs: Vec<_> = (0..DEPTH).map(|_| AlignedBuf::new(BLOCK_BYTES)).collect();
    let mut fixed_bufs = Vec::new();
    for _ in 0..DEPTH {
        // Waits where all are lent. Dropped, a buffer is the pool's again.
        fixed_bufs.push(pool.take().await);
    }
    assert_eq!(pool.free_count(), 0);
    let (mut by_address, mut by_number) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        by_address = by_address.min(measure(&plain, &mut plain_bufs, blocks).await?);
        by_number = by_number.min(measure(&fixed, &mut fixed_bufs, blocks).await?);
    }
    println!(
        "by descriptor and address  {by_address:>6.2} µs of this thread per read, at the least"
    );
    println!("by numbers                 {by_number:>6.2} µs");
    drop(fixed_bufs);
    assert_eq!(pool.free_count(), DEPTH);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1);
    // Registered with the ring when it is made: one buffer for each read at a time, one file.
    let runtime = Runtime::builder().fixed_buffers(DEPTH, BLOCK_BYTES).fixed_files(1).build()?;
    runtime.block_on(async {
        if let Some(path) = path {
            return both_ways(path.as_ref()).await;
        }
        let path = std::env::temp_dir().join(format!("annulus-fixed-{}", std::process::id()));
        annulus::fs::write(&path, vec![7; 8 << 20]).await?;
        let done = both_ways(&path).await;
        annulus::fs::remove_file(&path).await?;
        done
    })
}

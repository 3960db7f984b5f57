//! Copies a file, four pieces at a time: each task reads a piece into its buffer and writes it.
//!
//! `cp FROM TO` copies to a name that is not there yet; without arguments it copies a file of its
//! own and compares. It is the small one: holes, links and permissions but for the mode are left
//! out, and the kernel's own copy (`copy_file_range`) is cheaper where both are on one file system.

use annulus::buffer::IoBuf;
use annulus::fs::{self, File, OpenOptions, PathError};
use annulus::spawn_local;
use std::cell::Cell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

const PIECE_BYTES: usize = 256 << 10;
const TASKS: usize = 4;

/// Takes one piece after the other, until all are taken.
async fn copy_pieces(from: File, to: File, next: Rc<Cell<u64>>, len: u64) -> io::Result<u64> {
    let mut buf = Vec::with_capacity(PIECE_BYTES);
    let mut copied = 0;
    loop {
        let offset = next.get();
        if offset >= len {
            return Ok(copied);
        }
        let bytes = (len - offset).min(PIECE_BYTES as u64) as usize;
        next.set(offset + bytes as u64);
        // The part of it that is to be filled, and then written.
        let (_, piece) = from.read_exact_at(buf.slice(..bytes), offset).await?;
        let (n, piece) = to.write_all_at(piece, offset).await?;
        copied += n as u64;
        buf = piece.into_inner();
    }
}

async fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    // The errors of paths say which.
    let source = File::open(from).await.map_err(PathError::named)?;
    let about = source.metadata().await?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(about.mode() & 0o777);
    let target = options.open(to).await.map_err(PathError::named)?;
    let next = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| copy_pieces(source.clone(), target.clone(), Rc::clone(&next), about.len()))
        .map(spawn_local)
        .collect();
    let mut copied = Ok(0);
    for task in tasks {
        let pieces = task.await.unwrap_or_else(|why| Err(io::Error::other(why.to_string())));
        copied = copied.and_then(|sum| Ok(sum + pieces?));
    }
    if copied.is_err() {
        // Not half a file under its name.
        fs::remove_file(to).await?;
    }
    // Closing tells what a network's file system has to say at last.
    target.close().await?;
    copied
}

async fn of_its_own() -> io::Result<()> {
    let dir = std::env::temp_dir();
    let path = |name| dir.join(format!("annulus-cp-{name}-{}", std::process::id()));
    let (from, to) = (path("from"), path("to"));
    let bytes: Vec<u8> = (0..3_000_017_u32).map(|n| (n % 251) as u8).collect();
    let bytes = fs::write(&from, bytes).await?;
    let copied = copy(&from, &to).await;
    let same = fs::read(&to).await.is_ok_and(|copy| copy == bytes);
    fs::remove_file(&from).await?;
    fs::remove_file(&to).await?;
    println!("{} bytes copied, and the same: {same}", copied?);
    assert!(same);
    Ok(())
}

fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    annulus::run(async {
        let [from, to] = &args[..] else { return of_its_own().await };
        let begun = Instant::now();
        let bytes = copy(from.as_ref(), to.as_ref()).await?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{bytes} bytes in {seconds:.3} s, {:.0} MB/s", bytes as f64 / seconds / 1e6);
        Ok(())
    })?
}

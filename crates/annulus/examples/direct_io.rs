//! Direct I/O: reads past the page cache, many at a time. The buffer's address, the offset and the
//! length must be aligned, and the file system says to what.
//!
//! `direct_io FILE` reads a file or a block device at random places for a second; without
//! arguments it writes a file of its own and reads that.

use annulus::buffer::AlignedBuf;
use annulus::fs::{File, OpenOptions};
use annulus::spawn_local;
use std::cell::Cell;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

const DEPTH: usize = 32;

/// Reads blocks until it is `end`: how many.
async fn read_blocks(
    file: File,
    block_bytes: usize,
    blocks: u64,
    seed: Rc<Cell<u64>>,
    end: Instant,
) -> io::Result<u64> {
    let mut buf = AlignedBuf::new(block_bytes);
    let mut count = 0;
    while Instant::now() < end {
        // xorshift64: places that no cache and no read-ahead expects.
        let mut x = seed.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        seed.set(x);
        buf = file.read_exact_at(buf, x % blocks * block_bytes as u64).await?.1;
        count += 1;
    }
    Ok(count)
}

async fn measure(file: &File, bytes: u64, span: Duration) -> Result<(), Box<dyn Error>> {
    // A page, or what the file system asks for if that is more.
    let alignment = file.dio_alignment().map_or(4096, |wants| wants.offset.max(wants.memory));
    let block_bytes = alignment.max(4096) as usize;
    let blocks = bytes / block_bytes as u64;
    if blocks == 0 {
        return Err("the file is shorter than a block".into());
    }
    let seed = Rc::new(Cell::new(0x9E37_79B9_7F4A_7C15));
    let begun = Instant::now();
    let readers: Vec<_> = (0..DEPTH)
        .map(|_| read_blocks(file.clone(), block_bytes, blocks, Rc::clone(&seed), begun + span))
        .map(spawn_local)
        .collect();
    let mut reads = 0;
    for reader in readers {
        reads += reader.await??;
    }
    let per_second = reads as f64 / begun.elapsed().as_secs_f64();
    let enters = annulus::metrics().ops.enters as f64 / reads as f64;
    println!("{per_second:.0} reads of {block_bytes} bytes per second, {DEPTH} at a time");
    println!("{enters:.3} system calls per read, kernel {}", annulus::metrics().ops.kernel);
    Ok(())
}

/// A file without a name, with something in it; `None` where there is no direct I/O.
async fn of_its_own(bytes: usize) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).tmpfile(true).direct(true);
    let file = match options.open(std::env::temp_dir()).await {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::InvalidInput => return Ok(None),
        Err(why) => return Err(why.into()),
    };
    file.write_all_at(AlignedBuf::zeroed(bytes), 0).await?;
    Ok(Some(file))
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1);
    annulus::run(async {
        if let Some(path) = path {
            let file = OpenOptions::new().read(true).direct(true).open(&path).await?;
            // The length of a device is not in its metadata: its end is where one may seek to.
            let bytes =
                std::io::Seek::seek(&mut std::fs::File::open(&path)?, io::SeekFrom::End(0))?;
            return measure(&file, bytes, Duration::from_secs(1)).await;
        }
        let bytes = 8 << 20;
        let Some(file) = of_its_own(bytes).await? else {
            println!("no direct I/O in {}", std::env::temp_dir().display());
            return Ok(());
        };
        measure(&file, bytes as u64, Duration::from_millis(200)).await?;
        // Not aligned: refused, unless the file system goes through the cache then.
        match file.read_at(AlignedBuf::new(4096), 1).await {
            Err(why) => println!("at offset 1: {why}"),
            Ok((n, _)) => println!("at offset 1: {n} bytes all the same"),
        }
        Ok(())
    })?
}

//! Direct I/O: writes and reads between a file and the program's memory, past the page cache. The
//! buffer's address, the offset and the length are aligned, or the kernel refuses.
//!
//! `cargo run --example engine_direct_io`

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use annulus_ring::Errno;
use annulus_runtime::Engine;
use annulus_runtime::buffer::AlignedBuf;
use futures::executor::block_on;
use futures::future::try_join_all;

const BLOCK_BYTES: usize = 64 << 10;
const BLOCKS: u8 = 32;

fn main() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("annulus-direct-{}", std::process::id()));
    let mut how = OpenOptions::new();
    how.read(true).write(true).create_new(true).custom_flags(libc::O_DIRECT);
    let file = match how.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            // It is created all the same.
            std::fs::remove_file(&path)?;
            println!("{}: its file system has no direct I/O", path.display());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    std::fs::remove_file(&path)?; // it lives as long as it is open
    let engine = Engine::new()?;
    let file = engine.file(file);

    // All at once: they go to the disk together, and the engine enters the kernel for many.
    let offset = |n: u8| u64::from(n) * BLOCK_BYTES as u64;
    let writes = (0..BLOCKS).map(|n| {
        let mut block = AlignedBuf::new(BLOCK_BYTES);
        block.resize(BLOCK_BYTES, n);
        file.write_all_at(block, offset(n))
    });
    block_on(try_join_all(writes))?;
    let reads = (0..BLOCKS).map(|n| file.read_exact_at(AlignedBuf::new(BLOCK_BYTES), offset(n)));
    for (n, (bytes, block)) in (0..).zip(block_on(try_join_all(reads))?) {
        assert_eq!(bytes, BLOCK_BYTES);
        assert!(block.iter().all(|byte| *byte == n), "block {n} is what was written there");
    }
    let metrics = engine.metrics();
    println!("{} writes and reads of 64 KiB, {} system calls", metrics.completed, metrics.enters);
    assert_eq!((metrics.inline, metrics.completed), (0, 2 * u64::from(BLOCKS)));

    // At an offset that is not aligned it is refused.
    match block_on(file.read_at(AlignedBuf::new(BLOCK_BYTES), 1)) {
        Err(error) => {
            assert_eq!(error.errno(), Some(Errno::EINVAL));
            println!("at offset 1: {error}, and the buffer is back");
            assert_eq!(error.into_buf().capacity(), BLOCK_BYTES);
        }
        // Some file systems read it through the page cache then.
        Ok((bytes, _)) => println!("at offset 1: {bytes} bytes all the same"),
    }
    Ok(())
}

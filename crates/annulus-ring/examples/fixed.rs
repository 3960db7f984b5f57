//! Registered files and buffers, and `O_DIRECT`: what is looked up and pinned once instead of with
//! every operation. The leanest way to a disk.

use std::error::Error;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use annulus_ring::abi::{BufIndex, FixedFd, Iovec, Sqe};
use annulus_ring::{LocalRing, op};

const BLOCKS: usize = 64;
const BLOCK_BYTES: usize = 4096;

/// A block of memory that direct I/O takes: aligned as its length.
#[derive(Clone)]
#[repr(align(4096))]
struct Block([u8; BLOCK_BYTES]);

/// A temporary file, past the page cache where the file system can, already unlinked.
fn temporary_file() -> std::io::Result<File> {
    let path = std::env::temp_dir().join(format!("annulus-fixed-{}", std::process::id()));
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let direct = options.clone().custom_flags(libc::O_DIRECT).open(&path);
    let file = direct.or_else(|error| {
        println!("no O_DIRECT here ({error}): through the page cache");
        options.open(&path)
    });
    std::fs::remove_file(&path)?;
    file
}

/// Runs `BLOCKS` entries, made by `entry`, and checks that each one did a whole block.
fn run(ring: &mut LocalRing, entry: impl Fn(usize) -> Sqe) -> Result<(), Box<dyn Error>> {
    let room = ring.reserve(BLOCKS as u32)?;
    // SAFETY: the registered memory is not touched before all have completed, and never freed; the
    // file's slot stays as it is.
    unsafe { room.fill(|n| entry(n as usize).user_data(n.into())) };
    let mut done = [false; BLOCKS];
    while done.contains(&false) {
        ring.submit_and_wait(1)?;
        for cqe in ring.completions()? {
            assert_eq!(cqe.result()? as usize, BLOCK_BYTES, "a short transfer");
            done[cqe.user_data as usize] = true;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut ring = LocalRing::new(BLOCKS as u32)?;

    // The ring holds a file of its own from here on: the descriptor may be closed.
    let file = temporary_file()?;
    ring.register().files(&[file.as_raw_fd()])?;
    drop(file);
    let file = FixedFd(0);

    // Registered memory is pinned, and may be read and written by the kernel until it is
    // unregistered and every operation on it has completed. This is never freed at all.
    let blocks = vec![Block([0; BLOCK_BYTES]); BLOCKS].leak();
    let all = Iovec { iov_base: blocks.as_mut_ptr().cast(), iov_len: size_of_val(blocks) };
    // SAFETY: the memory is never freed.
    unsafe { ring.register().buffers(&[all])? };
    let buffer = BufIndex(0);

    for (n, block) in blocks.iter_mut().enumerate() {
        block.0.fill(n as u8 + 1);
    }
    let offset = |n: usize| (n * BLOCK_BYTES) as u64;
    let start = blocks.as_mut_ptr().cast::<u8>();
    let part = |n: usize| start.wrapping_add(n * BLOCK_BYTES);
    let len = BLOCK_BYTES as u32;
    run(&mut ring, |n| op::WriteFixed::new(file, part(n), len, buffer).offset(offset(n)).build())?;

    // Read it back the other way round, so that each block must come from the file.
    let last = BLOCKS - 1;
    run(&mut ring, |n| {
        op::ReadFixed::new(file, part(n), len, buffer).offset(offset(last - n)).build()
    })?;
    for (n, block) in blocks.iter().enumerate() {
        let expected = (last - n) as u8 + 1;
        assert!(block.0.iter().all(|byte| *byte == expected), "block {n} differs");
    }
    println!("{BLOCKS} blocks written and read through registered memory");
    Ok(())
}

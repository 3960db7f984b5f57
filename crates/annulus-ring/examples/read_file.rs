//! Prints a file, one read after the other: `cargo run --example read_file [FILE]`.
//!
//! The smallest program that does something: make a ring, push an entry, submit and wait, look at
//! the completion.

use std::error::Error;
use std::fs::File;
use std::io::Write;

use annulus_ring::{LocalRing, op};

fn main() -> Result<(), Box<dyn Error>> {
    let own_manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let path = std::env::args().nth(1).unwrap_or_else(|| own_manifest.to_owned());
    let file = File::open(path)?;
    let mut ring = LocalRing::new(1)?;
    let mut buf = vec![0_u8; 16 << 10];
    let mut offset = 0;
    loop {
        let read = op::Read::new(&file, buf.as_mut_ptr(), buf.len() as u32).offset(offset);
        // SAFETY: the buffer is not touched, nor freed, before the completion is seen: the wait
        // below gives either the completion, or an error that says that the kernel has not taken
        // the entry. The file stays open.
        unsafe { ring.push(read)? };
        ring.submit_and_wait(1)?;
        let cqe = ring.completions()?.next().ok_or("the wait gave no completion")?;
        // Below zero it is an error of the read's own; 0 is the end of the file; and it may be
        // fewer bytes than asked for at any time.
        let count = cqe.result()? as usize;
        if count == 0 {
            break;
        }
        std::io::stdout().write_all(&buf[..count])?;
        offset += count as u64;
    }
    let length = file.metadata()?.len();
    assert!(offset >= length, "{offset} bytes of {length}: the file was read to its end");
    Ok(())
}

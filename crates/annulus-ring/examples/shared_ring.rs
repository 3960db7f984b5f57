//! One ring, several threads: some read parts of a file, one takes what comes.
//!
//! `cargo run --example shared_ring -- FILE`

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;

use annulus_ring::SharedRing;

const READERS: u64 = 3;
const PART_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "Cargo.toml".to_owned());
    let file = File::open(&path)?;
    let len = usize::try_from(file.metadata()?.len())?;
    let mut content = vec![0u8; len];

    // The readers end before their reads do, so a thread of the ring's own submits them.
    let ring = SharedRing::builder().entries(16).submitter_thread().build()?;
    let parts: Vec<&mut [u8]> = content.chunks_mut(PART_BYTES).collect();
    let count = parts.len();
    let mut shares: Vec<Vec<(u64, &mut [u8])>> = (0..READERS).map(|_| Vec::new()).collect();
    for (n, part) in parts.into_iter().enumerate() {
        shares[n % READERS as usize].push((n as u64, part));
    }
    let bytes = AtomicU64::new(0);
    scope(|scope| -> annulus_ring::Result<()> {
        for share in shares {
            let (ring, file) = (&ring, &file);
            scope.spawn(move || -> annulus_ring::Result<()> {
                for (n, part) in share {
                    let (at, offset) = (part.as_mut_ptr(), n * PART_BYTES as u64);
                    // SAFETY: the part is this read's alone, and looked at after all completions;
                    // the file stays open.
                    unsafe { ring.read(file, at, part.len() as u32, Some(offset), n)? };
                }
                let _to_the_rings_own_thread = ring.submit()?;
                Ok(())
            });
        }
        let mut left = count;
        while left > 0 {
            for (part, result) in ring.wait()?.results() {
                match result {
                    // Pairs with nothing: one thread adds.
                    Ok(count) => drop(bytes.fetch_add(count.into(), Ordering::Relaxed)),
                    Err(errno) => eprintln!("part {part}: {errno}"),
                }
                left -= 1;
            }
        }
        Ok(())
    })?;

    let lines = content.iter().filter(|byte| **byte == b'\n').count();
    println!("{path}: {} of {len} bytes, {lines} lines", bytes.into_inner());
    println!("{:?}", ring.counters()?);
    Ok(())
}

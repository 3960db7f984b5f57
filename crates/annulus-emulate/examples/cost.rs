//! What an operation costs in user space: `cost nop|read|fixed|pingpong ROUNDS`, for an instruction
//! counter. The slope between two numbers of rounds is the cost of a round: 32 operations at one
//! enter; of `pingpong`, four at two enters.

use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use annulus_emulate::abi::{BufIndex, FixedFd, Iovec, Sqe};
use annulus_emulate::{Builder, KernelChoice, Ring, op};

const BATCH: usize = 32;
const BLOCK_BYTES: usize = 4096;

/// Submits the entries, waits for all, and looks at each result.
fn round(ring: &mut Ring, entries: &[Sqe], expected: i32) {
    for sqe in entries {
        // SAFETY: the buffers live to the end of the program.
        unsafe { ring.push(*sqe) }.expect("room");
    }
    ring.submit_and_wait(entries.len() as u32).expect("a ring");
    let mut count = 0;
    for cqe in ring.completions().expect("a ring") {
        assert_eq!(cqe.res, expected);
        count += 1;
    }
    assert_eq!(count, entries.len());
}

/// A file without a name, of a block.
fn file() -> std::io::Result<std::fs::File> {
    let path = std::env::temp_dir().join(format!("annulus-cost-{}", std::process::id()));
    std::fs::write(&path, vec![7; BLOCK_BYTES])?;
    let file = std::fs::File::open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "nop".into());
    let rounds: usize = args.next().unwrap_or_else(|| "1000".into()).parse()?;
    let mut ring = Builder::new().entries(64).kernel(KernelChoice::Host).build()?;
    let block = Box::leak(vec![0_u8; BLOCK_BYTES].into_boxed_slice());
    let (file, (left, right)) = (file()?, UnixStream::pair()?);
    let table: Vec<RawFd> = vec![file.as_raw_fd(), left.as_raw_fd(), right.as_raw_fd()];
    ring.register().files(&table)?;
    let iovec = Iovec { iov_base: block.as_mut_ptr().cast(), iov_len: block.len() };
    // SAFETY: it lives to the end of the program.
    unsafe { ring.register().buffers(&[iovec])? };
    let bytes = BLOCK_BYTES as u32;
    let at = block.as_mut_ptr();
    let (entries, expected) = match what.as_str() {
        "nop" => (vec![op::Nop::new().build(); BATCH], 0),
        "read" => {
            let read = op::Read::new(file.as_raw_fd(), at, bytes).offset(0).build();
            (vec![read; BATCH], bytes as i32)
        }
        "fixed" => {
            let read = op::ReadFixed::new(FixedFd(0), at, bytes, BufIndex(0)).offset(0).build();
            (vec![read; BATCH], bytes as i32)
        }
        // Each side waits for the other's message: a receive that waits, then the send that ends
        // its wait, in either direction.
        "pingpong" => {
            let [ping, pong] = [(1, 2), (2, 1)].map(|(from, to)| {
                let receive = op::Recv::new(FixedFd(to), at, bytes).build();
                [receive, op::Send::new(FixedFd(from), at, 64).build()]
            });
            for _ in 0..rounds {
                round(&mut ring, &ping, 64);
                round(&mut ring, &pong, 64);
            }
            return Ok(());
        }
        other => return Err(format!("{other}: nop, read, fixed or pingpong").into()),
    };
    for _ in 0..rounds {
        round(&mut ring, &entries, expected);
    }
    Ok(())
}
